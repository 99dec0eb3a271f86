//! What an installer needs of Vigie: end it for all users before its files are replaced or removed, start it again in the
//! same sessions, and remove the users' settings.
//!
//! The system's own installer runs this as the machine's administrator: `vigie installer …`. A process belongs to this
//! installation if its program lies in the same folder as the one that asks.

#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(target_os = "linux", path = "linux.rs")]
mod system;

use super::credentials;
use std::io;
use std::path::Path;
use std::time::Duration;
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// The programs that are ended. (The one that holds a VPN connection is not among them: no connection is cut.)
const PROGRAMS: [&str; 3] = ["vigie", "vigie-panel", "vigie-pinned"];

/// What Linux appends to the path of a running program whose file was removed or replaced.
const REMOVED: &str = " (deleted)";

/// How long programs may take to end when asked. After that they are killed.
const QUIT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a killed program may take to disappear.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the processes are listed while they end: no event reports that.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Ends every Vigie of this installation, of all users, and returns when none is left. With `note_sessions` the
/// sessions in which the tray ran are recorded for [`start_again`].
///
/// # Errors
/// If some do not end, or this user may not end them.
pub async fn end(note_sessions: bool) -> io::Result<()> {
    let mut system = System::new().map_err(io::Error::other)?;
    let mut sessions = Vec::new();
    let asked = running(&mut system);
    for process in &asked {
        if let Some(session) = system.process(*process).map(system::ask) {
            sessions.extend(session.await);
        }
    }
    if note_sessions {
        system::note(&sessions)?;
    } else {
        system::clear();
    }
    if !asked.is_empty() && !gone(&mut system, QUIT_TIMEOUT).await {
        for process in running(&mut system) {
            if let Some(process) = system.process(process) {
                tracing::warn!(pid = %process.pid(), "did not end when asked, and is killed");
                system::kill(process);
            }
        }
        if !gone(&mut system, KILL_TIMEOUT).await {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "a program of Vigie does not end"));
        }
    }
    Ok(())
}

/// On Windows starts the tray in the sessions in which [`end`] found it, as the user of each. On Linux, where programs are
/// replaced while they run, each running tray becomes the new version by [`renew`].
///
/// # Errors
/// If the record cannot be read, or no session allows the start; or if the processes cannot be listed.
pub fn start_again() -> io::Result<()> {
    system::start_again()
}

/// Replaces this process with the new version of its program. Returns only if that fails.
pub fn renew() -> io::Error {
    system::renew()
}

/// Removes the settings, the state and the credentials of every user who is logged on, by a process of each.
///
/// # Errors
/// If something cannot be removed; the rest is.
pub fn forget() -> io::Result<()> {
    system::forget()
}

/// Removes the credentials of this user, and on Windows their settings and state.
///
/// # Errors
/// If some may be left; the rest is removed.
pub async fn forget_own() -> io::Result<()> {
    let credentials = credentials::forget().await.map_err(io::Error::other);
    system::forget_own().and(credentials)
}

/// Waits until no Vigie runs; returns whether that was within `limit`.
async fn gone(system: &mut System, limit: Duration) -> bool {
    let looking = async {
        while !running(system).is_empty() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    tokio::time::timeout(limit, looking).await.is_ok()
}

/// Returns the processes of this installation except this one.
fn running(system: &mut System) -> Vec<Pid> {
    let what = ProcessRefreshKind::nothing().with_exe(UpdateKind::Always).with_user(UpdateKind::OnlyIfNotSet);
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, what.without_tasks());
    let Ok(own) = std::env::current_exe() else { return Vec::new() };
    let own_pid = Pid::from_u32(std::process::id());
    let ours = |process: &&Process| {
        process.pid() != own_pid && process.exe().is_some_and(|program| belongs(program, own.parent()))
    };
    system.processes().values().filter(ours).map(Process::pid).collect()
}

/// Returns whether a program's file belongs to this installation.
fn belongs(program: &Path, folder: Option<&Path>) -> bool {
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = name.strip_suffix(REMOVED).unwrap_or(name);
    let name = name.strip_suffix(std::env::consts::EXE_SUFFIX).unwrap_or(name);
    PROGRAMS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) && program.parent() == folder
}

#[cfg(test)]
mod tests {
    use super::belongs;
    use std::path::Path;

    #[test]
    fn only_programs_of_this_installation_belong_to_it() {
        let ours = |program: &str| {
            let program = format!("{program}{}", std::env::consts::EXE_SUFFIX);
            belongs(Path::new(&program), Some(Path::new("/usr/bin")))
        };
        assert!(ours("/usr/bin/vigie"));
        assert!(ours("/usr/bin/vigie-panel"));
        assert!(!ours("/usr/bin/vigies"));
        assert!(!ours("/home/a/vigie"));
        assert!(belongs(Path::new("/usr/bin/vigie (deleted)"), Some(Path::new("/usr/bin"))) || cfg!(windows));
    }
}
