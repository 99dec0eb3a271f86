//! `vigie-openconnect`: the one part of Vigie that runs as root, on Linux, started by `pkexec`
//! (docs/decisions/0006-openconnect.md).
//!
//! It takes no argument and reads three lines from standard input: the id of a site, the identifier, the passcode. The
//! gateway is that of the site in the guide and in the administrator's file; the user's file is not read, so that a user
//! connects nowhere but where the administrator says. It starts `openconnect` with arguments that stand here, hands it
//! the passcode on its standard input, and waits. When its own input ends (Vigie disconnects, or is gone), it ends the
//! tunnel.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

/// Elsewhere there is nothing that it could do.
#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
