//! The system's word that the program has to end.

#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(windows), path = "unix.rs")]
mod system;

#[cfg(windows)]
pub use system::{hear, let_go};

use std::io;

/// Waits until the session ends, the service manager or the installer stops the program, or somebody presses Ctrl-C.
///
/// # Errors
/// Where the system does not let the program listen.
pub async fn ended() -> io::Result<()> {
    system::ended().await
}
