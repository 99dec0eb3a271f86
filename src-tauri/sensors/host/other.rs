//! A system that Vigie does not know closely.

use sysinfo::System;
use vigie_core::message::{Reading, Space};

/// Name and version.
pub(super) fn version() -> String {
    System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.into())
}

/// Not read here.
pub(super) fn domain(_name: &str) -> Option<String> {
    None
}

/// Not read here.
pub(super) fn disk() -> Reading<Space> {
    Reading::Unavailable("not read on this system".into())
}
