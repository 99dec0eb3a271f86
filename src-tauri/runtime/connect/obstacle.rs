//! What keeps Cisco's command line from connecting, found before the user types a passcode.

use crate::cisco::files::CiscoFiles;
use std::ffi::OsStr;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
use vigie_core::connect::Obstacle;
use vigie_profile::Profile;

/// The programs of Cisco's window, AnyConnect's and Secure Client's.
const WINDOWS_OF_CISCO: [&str; 2] = ["vpnui", "csc_ui"];

/// Finds what keeps Cisco's command line from connecting. Blocking.
pub fn find(profile: &Profile) -> Option<Obstacle> {
    if is_remote_session() && !CiscoFiles::read(profile).allows_remote_users {
        return Some(Obstacle::RemoteSession);
    }
    is_window_open().then_some(Obstacle::ClientWindow)
}

/// Whether this is the window's program, on Windows with its extension.
fn is_window(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    WINDOWS_OF_CISCO.contains(&name.strip_suffix(".exe").unwrap_or(&name))
}

/// Whether Cisco's window runs in this session. Even hidden, it holds the connection.
fn is_window_open() -> bool {
    let Ok(mut system) = System::new() else { return false };
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, ProcessRefreshKind::nothing().without_tasks());
    system.processes().values().any(|process| is_window(process.name()) && is_in_this_session(process))
}

/// Whether a process shares the display of this one. Those of other users cannot be read.
#[cfg(not(windows))]
fn is_in_this_session(process: &sysinfo::Process) -> bool {
    let environment = std::fs::read(format!("/proc/{}/environ", process.pid())).unwrap_or_default();
    ["DISPLAY", "WAYLAND_DISPLAY"].into_iter().any(|name| {
        std::env::var(name).is_ok_and(|display| {
            let entry = format!("{name}={display}");
            environment.split(|byte| *byte == 0).any(|known| known == entry.as_bytes())
        })
    })
}

#[cfg(windows)]
fn is_in_this_session(process: &sysinfo::Process) -> bool {
    let session = |process| {
        let mut session = 0;
        // SAFETY: the number is written to a variable of this function.
        unsafe { windows::Win32::System::RemoteDesktop::ProcessIdToSessionId(process, &mut session) }.ok()?;
        Some(session)
    };
    session(process.pid().as_u32()).is_some_and(|other| session(std::process::id()) == Some(other))
}

/// Whether the user sits at another computer: by SSH or xrdp.
#[cfg(not(windows))]
fn is_remote_session() -> bool {
    ["SSH_CONNECTION", "XRDP_SESSION"]
        .into_iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Whether the user sits at another computer: by Remote Desktop, or in an enhanced session of Hyper-V.
#[cfg(windows)]
fn is_remote_session() -> bool {
    use windows::Win32::UI::WindowsAndMessaging::{GetSystemMetrics, SM_REMOTESESSION};
    // SAFETY: no pointers are passed.
    unsafe { GetSystemMetrics(SM_REMOTESESSION) != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::{Child, Command, Stdio};

    #[test]
    fn windows_of_cisco_are_known_by_their_names() {
        for name in ["vpnui", "vpnui.exe", "VPNUI.EXE", "csc_ui.exe"] {
            assert!(is_window(OsStr::new(name)), "{name}");
        }
        for name in ["vpncli.exe", "vpnagent", "vpnui.sh", "my-vpnui", ""] {
            assert!(!is_window(OsStr::new(name)), "{name}");
        }
    }

    /// A program that waits for the end of its input, under that name.
    fn start(program: &Path, display: &str) -> Child {
        let waiting = if cfg!(windows) { r"C:\windows\system32\cmd.exe" } else { "/bin/cat" };
        std::fs::copy(waiting, program).unwrap();
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).env("DISPLAY", display);
        command.spawn().unwrap()
    }

    fn wait_until_is_window_open(expected: bool) {
        let begin = std::time::Instant::now();
        while is_window_open() != expected {
            assert!(begin.elapsed() < std::time::Duration::from_secs(20), "still {}", !expected);
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_window_is_found_in_this_session() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join(if cfg!(windows) { "csc_ui.exe" } else { "csc_ui" });
        let display = std::env::var("DISPLAY").unwrap_or_default();
        let mut window = start(&program, &display);
        if cfg!(windows) || !display.is_empty() {
            wait_until_is_window_open(true);
        }
        drop(window.stdin.take());
        let _ = window.kill();
        window.wait().unwrap();
        #[cfg(not(windows))]
        {
            let mut elsewhere = start(&folder.path().join("vpnui"), ":another");
            assert!(!is_window_open(), "another session's");
            drop(elsewhere.stdin.take());
            elsewhere.wait().unwrap();
        }
    }
}
