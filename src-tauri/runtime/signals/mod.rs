//! The system's word that the program has to end.

#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(windows), path = "unix.rs")]
mod system;

#[cfg(windows)]
pub use system::{hear, leave, let_go};

use std::io;

/// Why the program has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The session ends, the service manager or the installer stops the program, or somebody presses Ctrl-C.
    End,
    /// A new version has taken the place of the program's file, and is to be run instead (Debian package).
    Renew,
}

/// Waits for the system's word.
///
/// # Errors
/// Where the system does not let the program listen.
pub async fn ended() -> io::Result<Word> {
    system::ended().await
}
