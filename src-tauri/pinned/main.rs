//! `vigie-pinned`: the panel that stands on the desktop under every window, on Linux. Started by the tray, which sends
//! what to show ([`vigie::runtime::panel`]); ends when the user closes it, or when the tray is gone.
//!
//! It draws with GTK's own widgets, because a browser engine that stays all day costs too much
//! (docs/decisions/0005-pinned-panel.md). On other systems `vigie-panel` has both shapes.

#[cfg(target_os = "linux")]
#[path = "../panel/appearance.rs"]
mod appearance;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod page;
#[cfg(target_os = "linux")]
#[path = "../panel/wire.rs"]
mod wire;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return linux::main();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::from(2)
}
