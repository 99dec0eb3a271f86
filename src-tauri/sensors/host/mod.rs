//! Reads facts about the machine that change rarely.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

use jiff::Timestamp;
use sysinfo::{MemoryRefreshKind, System};
use vigie_core::message::{Host, Space};
use vigie_core::sanitize::sanitize;

/// Reads them from small files or calls: no list of processes, no name resolution, no file system but the system's own.
/// Blocking, but done within a few milliseconds.
///
/// The start time is the kernel's, which Fast Startup on Windows keeps over a shutdown.
pub fn read() -> Host {
    let full = whoami::hostname().unwrap_or_else(|_| UNKNOWN.into());
    let (name, domain) = match full.split_once('.') {
        Some((name, domain)) if !name.is_empty() && !domain.is_empty() => (name.to_owned(), Some(domain.to_owned())),
        Some(_) | None => (full, None),
    };
    Host {
        domain: domain.or_else(|| system::domain(&name)).map(|domain| sanitize(&domain)),
        name: sanitize(&name),
        user: sanitize(&whoami::username().unwrap_or_else(|_| UNKNOWN.into())),
        system: sanitize(&system::version()),
        booted: booted().unwrap_or_default(),
        fast_startup: system::fast_startup(),
        memory: memory(),
        disk: system::disk(),
    }
}

/// Returns when the computer was started.
fn booted() -> Option<Timestamp> {
    Timestamp::from_second(System::boot_time().ok()?.try_into().ok()?).ok()
}

/// Returns the computer's memory: all of it, and how much is available.
fn memory() -> Space {
    let read = System::new().map(|mut system| {
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        Space { total: system.total_memory(), free: system.available_memory() }
    });
    read.unwrap_or(Space { total: 0, free: 0 })
}

/// Replaces a name that the system does not provide.
const UNKNOWN: &str = "?";

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_core::message::Reading;

    #[test]
    fn host_facts_are_plausible() {
        let host = read();
        assert!(!host.name.is_empty() && !host.name.contains('.'), "{host:?}");
        assert!(!host.user.is_empty() && host.user != UNKNOWN, "{host:?}");
        assert!(host.system.chars().any(|letter| letter.is_ascii_digit()), "{host:?}");
        assert!(host.booted > Timestamp::UNIX_EPOCH && host.booted < Timestamp::now(), "{host:?}");
        assert!(host.memory.free > 0 && host.memory.free < host.memory.total, "{host:?}");
        let Reading::Known(disk) = host.disk else { panic!("{host:?}") };
        assert!(disk.free < disk.total, "{host:?}");
    }
}
