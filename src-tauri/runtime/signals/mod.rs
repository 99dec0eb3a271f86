//! Requests of the system that the program end.

#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(windows), path = "unix.rs")]
mod system;

#[cfg(windows)]
pub use system::{allow_session_end, listen, terminate};

use std::io;

/// Why the program has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The session ends, the service manager or the installer stops the program, or Ctrl-C was pressed.
    End,
    /// A new version was installed and is to be started instead (Debian package).
    Renew,
}

/// Waits until the program has to end.
///
/// # Errors
/// If the system does not deliver signals to the program.
pub async fn ended() -> io::Result<EndReason> {
    system::ended().await
}
