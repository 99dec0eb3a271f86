//! Starts Vigie with the session, in the way that the system's own settings show and change.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

use std::io;

#[cfg(windows)]
pub(super) use system::forget;

/// Returns whether Vigie starts with the user's session.
pub fn enabled() -> bool {
    system::enabled()
}

/// Returns whether a start by the installation's own entry (`vigie --at-login`) must end at once: on Windows the user
/// cannot change that entry.
pub fn declined() -> bool {
    system::declined()
}

/// Starts Vigie with the session, or no longer. The installation's own entry stays; the user's choice overrides it.
///
/// # Errors
/// If the choice cannot be written.
pub fn set(on: bool) -> io::Result<()> {
    system::set(on)
}
