//! What an installer asks of Vigie: to end whatever of it runs on this machine, for whomever, before its files are
//! replaced or removed; to start it again where it ran; to forget the users' settings.
//!
//! Run by the system's own installer, as the machine's administrator: `vigie installer …`. What belongs to Vigie is
//! told by the program's file: it lies beside the one that asks.

#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(windows), path = "other.rs")]
mod system;

use super::credentials;
use std::io;
use std::path::Path;
use std::time::Duration;
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// The programs of an installation that a session's end would end. (The one that holds a VPN connection is not among
/// them: nobody's connection is cut.)
const PROGRAMS: [&str; 3] = ["vigie", "vigie-panel", "vigie-pinned"];

/// So the kernel of Linux calls a running program whose file was removed or replaced, behind its path.
const REMOVED: &str = " (deleted)";

/// How long the programs that were asked to end may take. After that they are ended.
const GRACE: Duration = Duration::from_secs(5);

/// How long a program that was ended may take to be gone.
const END: Duration = Duration::from_secs(5);

/// How often is looked whether they are gone: here nobody can tell.
const LOOK: Duration = Duration::from_millis(50);

/// Ends every Vigie that was started from this installation, whoever's it is; returns when none is left. With `for_now`
/// the system notes in which sessions the tray ran, for [`start_again`].
///
/// # Errors
/// Where some would not end, or may not be ended by this user.
pub async fn end(for_now: bool) -> io::Result<()> {
    let mut system = System::new().map_err(io::Error::other)?;
    let mut sessions = Vec::new();
    let asked = running(&mut system);
    for process in &asked {
        if let Some(session) = system.process(*process).map(system::ask) {
            sessions.extend(session.await);
        }
    }
    if for_now {
        system::note(&sessions)?;
    } else {
        system::clear();
    }
    if !asked.is_empty() && !gone(&mut system, GRACE).await {
        for process in running(&mut system) {
            if let Some(process) = system.process(process) {
                tracing::warn!(pid = %process.pid(), "did not end when asked, and is ended");
                system::kill(process);
            }
        }
        if !gone(&mut system, END).await {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "a program of Vigie does not end"));
        }
    }
    Ok(())
}

/// Windows: starts the tray in the sessions in which [`end`] found it, as the user of each. Elsewhere programs are
/// replaced while they run: each running tray becomes the new version, by [`renew`].
///
/// # Errors
/// Where the note cannot be read, or no session let it start; where it cannot be told who runs.
pub fn start_again() -> io::Result<()> {
    system::start_again()
}

/// This process becomes the new version of its program. Returns only where that cannot be.
pub fn renew() -> io::Error {
    system::renew()
}

/// Removes the settings and the state of every user of this machine, and the credentials of those who are logged on.
///
/// # Errors
/// Where something cannot be removed; the rest is.
pub fn forget() -> io::Result<()> {
    system::forget()
}

/// Removes the credentials of the user who asks.
///
/// # Errors
/// Where they may not be gone.
pub async fn forget_own() -> io::Result<()> {
    credentials::forget().await.map_err(io::Error::other)
}

async fn gone(system: &mut System, limit: Duration) -> bool {
    let looking = async {
        while !running(system).is_empty() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(limit, looking).await.is_ok()
}

/// The processes of this installation, but for this one.
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

/// Whether a program's file is one of this installation's.
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
    fn what_lies_elsewhere_or_is_called_otherwise_is_left_alone() {
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
