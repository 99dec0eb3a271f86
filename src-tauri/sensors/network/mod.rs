//! Interfaces, addresses and routes: read whole, watched by the system's own events, told when something about them
//! has changed.
//!
//! On Linux one rtnetlink socket tells of links, addresses and routes, and the same protocol reads them: `netwatcher`
//! sees neither a lost carrier nor a changed default route there, and `netdev` reads some thirty files of /sys, /run
//! and /etc for every look. On Windows `netwatcher` tells of interfaces and addresses, `NotifyRouteChange2` of routes.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(any(target_os = "linux", windows)), path = "other.rs")]
mod sys;

use super::glob;
use crate::Events;
use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use vigie_core::message::Event;
use vigie_core::vpn::{DefaultRoute, Interface, Links};
use vigie_profile::{Profile, VpnConfig};

/// How long a burst of changes is gathered (an address rarely comes without its routes).
const BURST: Duration = Duration::from_millis(3);

/// What the system said, before it is judged.
struct Raw {
    /// Interfaces that are up and can carry something now.
    interfaces: Vec<Interface>,
    /// Default routes, the preferred one first.
    routes: Vec<DefaultRoute>,
    dns: Vec<IpAddr>,
}

/// Reads interfaces and routes.
///
/// # Errors
/// Where the system does not answer.
pub fn read(profile: &Profile) -> io::Result<Links> {
    Ok(judge(sys::read()?, &profile.vpn))
}

/// Sends [`Event::Links`] whenever something about them has changed, and each time that `look` asks. Ends with the
/// sender of `profile`.
pub async fn watch(mut profile: watch::Receiver<Arc<Profile>>, look: Arc<Notify>, events: Events) {
    let mut changes = sys::Changes::new()
        .inspect_err(|error| tracing::error!("changes of the network will not be noticed: {error}"))
        .ok();
    let mut told = None;
    loop {
        let asked = tokio::select! {
            () = look.notified() => true,
            changed = profile.changed() => {
                if changed.is_err() {
                    return;
                }
                false
            }
            changed = next(changes.as_mut()) => {
                if let Err(error) = changed {
                    tracing::error!("changes of the network will no longer be noticed: {error}");
                    changes = None;
                }
                false
            }
        };
        let current = profile.borrow_and_update().clone();
        match read(&current) {
            Ok(links) => {
                if asked || told.as_ref() != Some(&links) {
                    told = Some(links.clone());
                    let _ = events.send(Event::Links(links));
                }
            }
            Err(error) => tracing::warn!("interfaces and routes cannot be read: {error}"),
        }
    }
}

async fn next(changes: Option<&mut sys::Changes>) -> io::Result<()> {
    match changes {
        Some(changes) => changes.next().await,
        None => pending().await,
    }
}

/// Keeps what matters, in an order that does not depend on the system's mood.
fn judge(raw: Raw, vpn: &VpnConfig) -> Links {
    let mut interfaces = raw.interfaces;
    for interface in &mut interfaces {
        interface.addresses.retain(|address| can_leave(*address));
        interface.addresses.sort_unstable();
        interface.addresses.dedup();
        // Cisco's adapter stays there while it is disconnected; the gateway gives it an IPv4 address.
        interface.tunnel = interface.addresses.iter().any(IpAddr::is_ipv4) && is_tunnel(interface, vpn);
    }
    interfaces.retain(|interface| !interface.addresses.is_empty());
    interfaces.sort_by(|a, b| a.name.cmp(&b.name).then(a.index.cmp(&b.index)));
    let usable = |route: &DefaultRoute| interfaces.iter().any(|interface| interface.index == route.interface);
    let default_route = raw.routes.into_iter().find(usable);
    Links { interfaces, default_route, dns: raw.dns }
}

fn is_tunnel(interface: &Interface, vpn: &VpnConfig) -> bool {
    let described = |description: &String| vpn.tunnel_descriptions.iter().any(|pattern| glob(pattern, description));
    vpn.tunnel_names.iter().any(|pattern| glob(pattern, &interface.name))
        || interface.description.as_ref().is_some_and(described)
}

fn can_leave(address: IpAddr) -> bool {
    let local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !(local || address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensors::test_support::vpn;

    fn interface(index: u32, name: &str, description: Option<&str>, addresses: &[&str]) -> Interface {
        Interface {
            index,
            name: name.to_owned(),
            description: description.map(str::to_owned),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            tunnel: false,
        }
    }

    fn route(interface: u32) -> DefaultRoute {
        DefaultRoute { interface, router: None }
    }

    #[test]
    fn only_what_can_leave_the_machine_stays_in_a_fixed_order() {
        let raw = Raw {
            interfaces: vec![
                interface(3, "wlan0", None, &["2a01:e0a::9", "192.168.1.20", "fe80::1", "192.168.1.20"]),
                interface(1, "lo", None, &["127.0.0.1", "::1"]),
                interface(2, "eth0", None, &["169.254.7.7"]),
            ],
            routes: vec![route(2), route(3)],
            dns: Vec::new(),
        };
        let links = judge(raw, &vpn());
        assert_eq!(links.interfaces, [interface(3, "wlan0", None, &["192.168.1.20", "2a01:e0a::9"])]);
        assert_eq!(links.default_route, Some(route(3)), "a route over an interface without an address leads nowhere");
    }

    #[test]
    fn a_tunnel_is_known_by_name_or_description_and_by_its_ipv4_address() {
        let cisco = Some("Cisco AnyConnect Virtual Miniport Adapter for Windows x64");
        let judged = |interface| judge(Raw { interfaces: vec![interface], routes: vec![], dns: vec![] }, &vpn());
        let tunnel = |interface| judged(interface).tunnel().is_some();
        assert!(tunnel(interface(9, "cscotun0", None, &["172.26.5.1"])));
        assert!(tunnel(interface(9, "CSCOTUN0", None, &["172.26.5.1"])));
        assert!(tunnel(interface(9, "Ethernet 2", cisco, &["172.26.5.1"])));
        assert!(!tunnel(interface(9, "Ethernet 2", Some("Intel(R) Ethernet"), &["172.26.5.1"])));
        assert!(!tunnel(interface(9, "Ethernet 2", cisco, &["169.254.3.4", "2a01::1"])), "there, but disconnected");
        assert!(!tunnel(interface(9, "cscotun0", None, &["fe80::1"])));
    }
}
