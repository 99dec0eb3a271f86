//! Reads the facts about a Linux machine.

use std::fs;
use sysinfo::System;
use vigie_core::message::{Reading, Space};

/// Returns name and version from os-release(5): "Debian GNU/Linux 12".
pub(super) fn version() -> String {
    let name = System::name().unwrap_or_else(|_| "Linux".into());
    match System::os_version() {
        Ok(version) => format!("{name} {version}"),
        Err(_) => name,
    }
}

/// Returns the DNS domain from the machine's own files. Name servers are not asked: they may be out of reach, and what
/// they add belongs to the current network.
pub(super) fn domain(name: &str) -> Option<String> {
    in_hosts(&fs::read_to_string("/etc/hosts").ok()?, name)
}

/// Finds the domain in hosts(5): an address, the canonical name, aliases. Debian writes `127.0.1.1 pc.example.fr pc`.
fn in_hosts(hosts: &str, name: &str) -> Option<String> {
    hosts
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace().skip(1))
        .filter_map(|word| word.split_once('.'))
        .find(|(host, domain)| host.eq_ignore_ascii_case(name) && !domain.is_empty())
        .map(|(_, domain)| domain.to_owned())
}

/// Linux has no Fast Startup.
pub(super) fn fast_startup() -> bool {
    false
}

/// Returns the size of the file system at `/`, and the free space that a user may fill.
pub(super) fn disk() -> Reading<Space> {
    match rustix::fs::statvfs("/") {
        Ok(disk) => Reading::Known(Space { total: disk.f_blocks * disk.f_frsize, free: disk.f_bavail * disk.f_frsize }),
        Err(error) => Reading::Unavailable(format!("statvfs /: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_is_read_from_the_hosts_file() {
        let hosts = "127.0.0.1 localhost\n# 10.0.0.1 pc.elsewhere.fr pc\n127.0.1.1\tPC.ac-caen.fr pc # this one\n";
        assert_eq!(in_hosts(hosts, "pc"), Some("ac-caen.fr".into()));
        assert_eq!(in_hosts(hosts, "p"), None);
        assert_eq!(in_hosts("127.0.1.1 pc\n127.0.0.1 pc.\n", "pc"), None);
        assert_eq!(in_hosts("", "pc"), None);
    }

    #[test]
    fn version_comes_from_os_release() {
        let release = fs::read_to_string("/etc/os-release").expect("every distribution has one");
        let name = release.lines().find_map(|line| line.strip_prefix("NAME=")).expect("os-release(5) requires it");
        assert!(version().starts_with(name.trim_matches(['"', '\''])), "{} {name}", version());
    }
}
