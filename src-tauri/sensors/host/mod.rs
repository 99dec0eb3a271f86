//! Facts about the machine that change rarely.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(any(target_os = "linux", windows)), path = "other.rs")]
mod system;

use jiff::Timestamp;
use sysinfo::{MemoryRefreshKind, System};
use vigie_core::message::{Host, Space};

/// Reads them: some small files or calls, no list of processes, no name resolution, no look at another file system
/// than the system's own. Blocking, and done within a few milliseconds.
///
/// The last start is the kernel's: on Windows with Fast Startup, switching off and on does not count as one.
pub fn read() -> Host {
    let full = whoami::hostname().unwrap_or_else(|_| UNKNOWN.into());
    let (name, domain) = match full.split_once('.') {
        Some((name, domain)) if !name.is_empty() && !domain.is_empty() => (name.to_owned(), Some(domain.to_owned())),
        Some(_) | None => (full, None),
    };
    Host {
        domain: domain.or_else(|| system::domain(&name)),
        name,
        user: whoami::username().unwrap_or_else(|_| UNKNOWN.into()),
        system: system::version(),
        booted: booted().unwrap_or_default(),
        memory: memory(),
        disk: system::disk(),
    }
}

fn booted() -> Option<Timestamp> {
    Timestamp::from_second(System::boot_time().ok()?.try_into().ok()?).ok()
}

fn memory() -> Space {
    let read = System::new().map(|mut system| {
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        Space { total: system.total_memory(), free: system.available_memory() }
    });
    read.unwrap_or(Space { total: 0, free: 0 })
}

/// Stands for a name that the system would not tell.
const UNKNOWN: &str = "?";

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_core::message::Reading;

    #[test]
    fn the_machine_knows_itself() {
        let host = read();
        assert!(!host.name.is_empty() && !host.name.contains('.'), "{host:?}");
        assert!(!host.user.is_empty() && host.user != UNKNOWN, "{host:?}");
        assert!(host.system.chars().any(|letter| letter.is_ascii_digit()), "{host:?}");
        assert!(host.booted > Timestamp::UNIX_EPOCH && host.booted < Timestamp::now(), "{host:?}");
        assert!(host.memory.free > 0 && host.memory.free < host.memory.total, "{host:?}");
        let Reading::Known(disk) = host.disk else { panic!("{host:?}") };
        assert!(disk.free < disk.total, "{host:?}");
    }

    #[test]
    fn reading_is_quick() {
        read();
        let started = std::time::Instant::now();
        read();
        assert!(started.elapsed() < std::time::Duration::from_millis(200), "{:?}", started.elapsed());
    }
}
