//! Starting with the session, in the way the system's own settings see and switch it.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

use std::io;

#[cfg(windows)]
pub(super) use system::forget;

/// Whether Vigie starts with the user's session.
pub fn enabled() -> bool {
    system::enabled()
}

/// Whether a start by the installation's own entry (`vigie --at-login`) is to end at once: on Windows the user's "no"
/// cannot be written into that entry.
pub fn declined() -> bool {
    system::declined()
}

/// Start with the session, or no longer. The installation's own entry stays as it is; the user's choice lies over it.
///
/// # Errors
/// Where the choice cannot be written.
pub fn set(on: bool) -> io::Result<()> {
    system::set(on)
}
