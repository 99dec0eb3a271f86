//! What Linux says about itself.

use std::fs;
use sysinfo::System;
use vigie_core::message::{Reading, Space};

/// Name and version as os-release(5) gives them: "Debian GNU/Linux 12".
pub(super) fn version() -> String {
    let name = System::name().unwrap_or_else(|_| "Linux".into());
    match System::os_version() {
        Ok(version) => format!("{name} {version}"),
        Err(_) => name,
    }
}

/// The DNS domain that the machine's own files give it. Name servers are not asked: they may be out of reach, and what
/// they add belongs to the network of the day.
pub(super) fn domain(name: &str) -> Option<String> {
    in_hosts(&fs::read_to_string("/etc/hosts").ok()?, name)
}

/// hosts(5): an address, the canonical name, aliases. Debian writes `127.0.1.1 pc.example.fr pc`.
fn in_hosts(hosts: &str, name: &str) -> Option<String> {
    hosts
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace().skip(1))
        .filter_map(|word| word.split_once('.'))
        .find(|(host, domain)| host.eq_ignore_ascii_case(name) && !domain.is_empty())
        .map(|(_, domain)| domain.to_owned())
}

/// The file system at `/`; free is what a user may still fill.
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
    fn the_domain_stands_in_the_hosts_file() {
        let hosts = "127.0.0.1 localhost\n# 10.0.0.1 pc.elsewhere.fr pc\n127.0.1.1\tPC.ac-caen.fr pc # this one\n";
        assert_eq!(in_hosts(hosts, "pc"), Some("ac-caen.fr".into()));
        assert_eq!(in_hosts(hosts, "p"), None);
        assert_eq!(in_hosts("127.0.1.1 pc\n127.0.0.1 pc.\n", "pc"), None);
        assert_eq!(in_hosts("", "pc"), None);
    }

    #[test]
    fn the_version_is_what_os_release_says() {
        let release = fs::read_to_string("/etc/os-release").expect("every distribution has one");
        let name = release.lines().find_map(|line| line.strip_prefix("NAME=")).expect("os-release(5) requires it");
        assert!(version().starts_with(name.trim_matches(['"', '\''])), "{} {name}", version());
    }
}
