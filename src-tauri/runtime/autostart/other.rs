//! Not known how on this system.

use std::io;

/// It does not.
pub fn enabled() -> bool {
    false
}

/// There is no such entry.
pub fn declined() -> bool {
    false
}

/// Nothing is tried.
pub fn set(_on: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
