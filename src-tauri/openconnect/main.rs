//! `vigie-openconnect`: the one part of Vigie that runs as root, on Linux, started by `pkexec`
//! (docs/decisions/0006-openconnect.md).
//!
//! It takes no arguments and reads three lines from standard input, within half a minute: the id of a site, the
//! identifier, the passcode. The gateway is that of the site in the guide and in the administrator's file; the user's file
//! is not read, so that a user can only connect to where the administrator allows it. It starts `openconnect` with
//! arguments that are constants of this source, gives it the passcode on its standard input, and waits. When its own
//! input ends (Vigie disconnects or has ended), it ends the tunnel; when it is killed, the kernel interrupts the client,
//! and a process beside it kills the client that does not heed that.

#[cfg(all(test, target_os = "linux"))]
#[path = "../fuzz.rs"]
mod fuzz;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

/// On other systems OpenConnect is not used.
#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
