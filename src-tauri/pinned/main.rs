//! `vigie-pinned`: the panel on the desktop, below all other windows, on Linux. The tray starts it and sends what to show
//! ([`vigie::runtime::panel`]). It ends when the user closes it, or when the tray has ended.
//!
//! It uses GTK's widgets, because a browser engine that runs all day costs too much
//! (docs/decisions/0005-pinned-panel.md). On other systems `vigie-panel` is the pinned panel too.

#[cfg(target_os = "linux")]
#[path = "../panel/appearance.rs"]
mod appearance;
#[cfg(target_os = "linux")]
#[path = "../panel/ipc.rs"]
mod ipc;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod widgets;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::from(2)
}
