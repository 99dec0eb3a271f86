//! On Linux programs are replaced while they run: each running tray is asked to become the new version itself, in its own
//! session and environment.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};
use sysinfo::{Process, Signal, System};

/// The signal that asks a tray for that; `runtime/signals` handles it.
const RENEW: Signal = Signal::User1;

/// Its bit among the signals that a process catches (`SIGUSR1` is 10; `man 5 proc`, "SigCgt").
const CAUGHT: u64 = 1 << 9;

/// Asks a process to end, as the end of the session does.
pub async fn ask(process: &Process) -> Option<u32> {
    if process.kill_with(Signal::Term) != Some(true) {
        tracing::warn!(pid = %process.pid(), "may not be asked to end");
    }
    None
}

pub fn kill(process: &Process) {
    process.kill();
}

pub fn note(_sessions: &[u32]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub fn clear() {}

pub fn start_again() -> io::Result<()> {
    let mut system = System::new().map_err(io::Error::other)?;
    for process in super::running(&mut system) {
        // The signal would kill a process that does not handle it, for instance a command.
        if let Some(process) = system.process(process)
            && fs::read_to_string(format!("/proc/{}/status", process.pid()))
                .is_ok_and(|status| handles_renewal(&status))
            && process.kill_with(RENEW) != Some(true)
        {
            tracing::warn!(pid = %process.pid(), "may not be asked to renew itself");
        }
    }
    Ok(())
}

/// Returns whether a process catches the signal, according to `/proc/PID/status`.
fn handles_renewal(status: &str) -> bool {
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & CAUGHT != 0)
}

pub fn renew() -> io::Error {
    match std::env::current_exe() {
        Ok(program) => Command::new(replaced(&program)).exec(),
        Err(error) => error,
    }
}

/// Returns the path of the new version of a running program.
fn replaced(program: &Path) -> PathBuf {
    let path = program.to_string_lossy();
    path.strip_suffix(super::REMOVED).map_or_else(|| program.to_owned(), PathBuf::from)
}

pub fn forget() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The package's own scripts leave the users' files alone, as Debian wants it.
pub fn forget_own() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{handles_renewal, replaced};
    use std::path::Path;

    #[test]
    fn only_processes_that_catch_the_signal_are_asked() {
        assert!(handles_renewal("Name:\tvigie\nSigCgt:\t0000000100014a03\n"));
        assert!(!handles_renewal("Name:\tvigie\nSigCgt:\t0000000100014403\n"));
        assert!(!handles_renewal("Name:\tvigie\n"));
    }

    #[test]
    fn new_version_has_the_path_of_the_old_one() {
        for running in ["/usr/lib/vigie/vigie", "/usr/lib/vigie/vigie (deleted)"] {
            assert_eq!(replaced(Path::new(running)), Path::new("/usr/lib/vigie/vigie"));
        }
    }
}
