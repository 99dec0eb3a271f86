//! The servers that this user works with: those of the mapped or mounted drives and of the installed printers. Each of
//! them can show that the intranet is within reach, so that one machine that restarts is not taken for the loss of all.

use super::{drives, printers};
use std::net::IpAddr;
use vigie_profile::{IntranetHost, Protocol};

/// Returns the servers, each once, those of the drives first. The system's own tables name them; none is asked, and no
/// name is resolved. Blocking, but quick.
pub fn read() -> Vec<IntranetHost> {
    let mut servers: Vec<IntranetHost> = Vec::new();
    let found = [("drives", drives::servers()), ("printers", printers::servers())];
    for (kind, found) in found {
        match found {
            Ok(found) => {
                for (protocol, server) in found {
                    let server = server.trim_end_matches('.').to_lowercase();
                    let host = IntranetHost::of_server(protocol, &server).filter(|host| is_elsewhere(&host.host));
                    servers.extend(host.filter(|host| !servers.contains(host)));
                }
            }
            Err(error) => tracing::debug!("the servers of the {kind} cannot be read: {error:#}"),
        }
    }
    servers
}

/// A protocol and the server's name or address.
pub(super) type Server = (Protocol, String);

/// Returns the server of `\\server\share`.
#[cfg(windows)]
pub(super) fn of_unc_path(path: &str) -> Option<&str> {
    path.strip_prefix(r"\\")?.split_once('\\').map(|(server, _)| server)
}

/// Returns an address as it is written in a URL, without the brackets around one of IPv6.
#[cfg(target_os = "linux")]
pub(super) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// Whether the server can be beyond this computer and its link. (`.local` is multicast DNS, RFC 6762.)
fn is_elsewhere(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => super::network::can_leave(address),
        Err(_) => host != "localhost" && !host.ends_with(".localhost") && !host.ends_with(".local"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_computer_and_its_link_are_no_servers_of_the_intranet() {
        for host in ["localhost", "nas.local", "127.0.0.1", "::1", "169.254.1.2", "fe80::1"] {
            assert!(!is_elsewhere(host), "{host}");
        }
        for host in ["fichiers", "fichiers.ac-caen.fr", "172.26.1.2", "2001:db8::2"] {
            assert!(is_elsewhere(host), "{host}");
        }
    }
}
