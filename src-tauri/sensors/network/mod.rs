//! Interfaces, addresses, routes and counters, read anew after each change that the system reports.
//!
//! On Linux rtnetlink both reports and reads links, addresses and routes (docs/decisions/0003-network-on-linux.md). On
//! Windows `netwatcher` reports interfaces and addresses, `NotifyRouteChange2` routes.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
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
use vigie_core::vpn::{DefaultRoute, Interface, IntranetRoute, Links, Traffic};
use vigie_profile::{Profile, Site, VpnConfig};

/// How long to wait for further changes before reading: an address rarely comes without its routes. Windows reports each of
/// the hundreds of routes of a Cisco connection by itself, and they are not added at once.
const BURST_DELAY: Duration = Duration::from_millis(if cfg!(windows) { 100 } else { 3 });

/// What the system reports, unfiltered.
struct Raw {
    /// Interfaces that are up and have a carrier.
    interfaces: Vec<Interface>,
    /// Default routes, the preferred one first.
    routes: Vec<DefaultRoute>,
    dns: Vec<IpAddr>,
}

/// The route by which the kernel would reach a host.
struct Route {
    interface: u32,
    /// The interface's name.
    name: String,
    router: Option<IpAddr>,
    /// Whether the host belongs to the interface's own network.
    own_network: bool,
}

/// Reads interfaces and routes.
///
/// # Errors
/// If the system does not answer.
pub fn read(profile: &Profile) -> io::Result<Links> {
    let named = |site: &Site| site.intranet_hosts().filter_map(|host| host.address()).collect::<Vec<_>>();
    let mut hosts: Vec<IpAddr> = profile.sites.iter().flat_map(named).collect();
    hosts.sort_unstable();
    hosts.dedup();
    // Those of the user's site, or, as long as there is none, of each site.
    let sites = profile.site().map_or_else(|| profile.sites.iter().map(named).collect(), |site| vec![named(site)]);
    Ok(reduce(sys::read()?, sys::routes(&hosts)?, &sites, &profile.vpn))
}

/// Returns the interface through which the system would send a packet to that address.
pub(super) fn interface_to(address: IpAddr) -> Option<u32> {
    let routes = sys::routes(&[address]).inspect_err(|error| tracing::debug!("no route to {address}: {error}"));
    routes.ok()?.first().map(|(_, route)| route.interface)
}

/// Returns the counters of an interface.
pub fn traffic(interface: u32) -> Option<Traffic> {
    sys::traffic(interface).inspect_err(|error| tracing::debug!("no counters of interface {interface}: {error}")).ok()
}

/// Sends [`Event::Links`] whenever they have changed, and each time that `reread` is notified. Ends when the sender of
/// `profile` is dropped.
pub async fn watch(mut profile: watch::Receiver<Arc<Profile>>, reread: Arc<Notify>, events: Events) {
    let mut changes = sys::Changes::new()
        .inspect_err(|error| tracing::error!("changes of the network will not be noticed: {error}"))
        .ok();
    let mut last = None;
    loop {
        let asked = tokio::select! {
            () = reread.notified() => true,
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
                if asked || last.as_ref() != Some(&links) {
                    last = Some(links.clone());
                    let _ = events.send(Event::Links(links));
                }
            }
            Err(error) => tracing::warn!("interfaces and routes cannot be read: {error}"),
        }
    }
}

/// Waits for the next change; for ever if there is no watch.
async fn next(changes: Option<&mut sys::Changes>) -> io::Result<()> {
    match changes {
        Some(changes) => changes.next().await,
        None => pending().await,
    }
}

/// Keeps what matters, in a fixed order, and finds the academy's tunnel: an interface with the name or description of a
/// tunnel, through which the kernel reaches the intranet hosts. If it reaches none of them through such an interface
/// (their routes are not there yet, or the profile names no address), only the name or description of the academy's own
/// client counts, not a generic one that any VPN's tunnel may have; and while the routes to the hosts of `sites` lead
/// elsewhere, it proves nothing ([`Links::leads_elsewhere`]).
fn reduce(raw: Raw, routes: Vec<(IpAddr, Route)>, sites: &[Vec<IpAddr>], vpn: &VpnConfig) -> Links {
    let mut interfaces = raw.interfaces;
    let leads_in = |index: u32| routes.iter().any(|(_, route)| route.interface == index);
    for interface in &mut interfaces {
        interface.addresses.retain(|address| can_leave(*address));
        interface.addresses.sort_unstable();
        interface.addresses.dedup();
        // Cisco's adapter exists while it is disconnected, too; only the gateway gives it an IPv4 address.
        interface.tunnel = interface.addresses.iter().any(IpAddr::is_ipv4) && is_tunnel(interface, vpn);
    }
    let found = interfaces.iter().any(|interface| interface.tunnel && leads_in(interface.index));
    for interface in &mut interfaces {
        interface.tunnel &=
            if found { leads_in(interface.index) } else { !interface.is_generic_tunnel() || routes.is_empty() };
    }
    // A host that a local network hides says nothing of the tunnel.
    let elsewhere = |host: &IpAddr| routes.iter().any(|(other, route)| other == host && !route.own_network);
    let leads_elsewhere = !found && !sites.is_empty() && sites.iter().all(|hosts| hosts.iter().any(elsewhere));
    interfaces.retain(|interface| !interface.addresses.is_empty());
    interfaces.sort_by(|a, b| a.name.cmp(&b.name).then(a.index.cmp(&b.index)));
    let usable = |route: &DefaultRoute| interfaces.iter().any(|interface| interface.index == route.interface);
    let mut uplinks: Vec<u32> = raw.routes.iter().filter(|route| usable(route)).map(|route| route.interface).collect();
    uplinks.sort_unstable();
    uplinks.dedup();
    let default_route = raw.routes.into_iter().find(usable);
    let route = |(host, route): (IpAddr, Route)| IntranetRoute {
        host,
        interface: route.interface,
        name: route.name,
        on_link: route.router.is_none(),
        own_network: route.own_network,
    };
    // A route by the default route's interface and through a router says nothing more.
    let notable = |route: &IntranetRoute| {
        route.on_link || default_route.as_ref().is_none_or(|default| default.interface != route.interface)
    };
    let intranet = routes.into_iter().map(route).filter(notable).collect();
    Links { interfaces, default_route, uplinks, intranet, leads_elsewhere, dns: raw.dns }
}

/// Whether the profile's patterns take the interface for a tunnel.
fn is_tunnel(interface: &Interface, vpn: &VpnConfig) -> bool {
    let described = |description: &String| vpn.tunnel_descriptions.iter().any(|pattern| glob(pattern, description));
    vpn.tunnel_names.iter().any(|pattern| glob(pattern, &interface.name))
        || interface.description.as_ref().is_some_and(described)
}

/// Whether a packet with this address can leave the link.
pub(super) fn can_leave(address: IpAddr) -> bool {
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
    fn only_addresses_that_reach_beyond_the_machine_are_kept_in_a_fixed_order() {
        let raw = Raw {
            interfaces: vec![
                interface(3, "wlan0", None, &["2a01:e0a::9", "192.168.1.20", "fe80::1", "192.168.1.20"]),
                interface(1, "lo", None, &["127.0.0.1", "::1"]),
                interface(2, "eth0", None, &["169.254.7.7"]),
            ],
            routes: vec![route(2), route(3)],
            dns: Vec::new(),
        };
        let links = reduce(raw, Vec::new(), &[], &vpn());
        assert_eq!(links.interfaces, [interface(3, "wlan0", None, &["192.168.1.20", "2a01:e0a::9"])]);
        assert_eq!(links.default_route, Some(route(3)), "a route over an interface without an address leads nowhere");
    }

    #[test]
    fn a_tunnel_has_a_known_name_or_description_and_an_ipv4_address() {
        let cisco = Some("Cisco AnyConnect Virtual Miniport Adapter for Windows x64");
        let reduced =
            |interface| reduce(Raw { interfaces: vec![interface], routes: vec![], dns: vec![] }, vec![], &[], &vpn());
        let tunnel = |interface| reduced(interface).tunnel().is_some();
        assert!(tunnel(interface(9, "cscotun0", None, &["172.26.5.1"])));
        assert!(tunnel(interface(9, "CSCOTUN0", None, &["172.26.5.1"])));
        assert!(tunnel(interface(9, "Ethernet 2", cisco, &["172.26.5.1"])));
        assert!(!tunnel(interface(9, "Ethernet 2", Some("Intel(R) Ethernet"), &["172.26.5.1"])));
        assert!(!tunnel(interface(9, "Ethernet 2", cisco, &["169.254.3.4", "2a01::1"])), "present, but disconnected");
        assert!(!tunnel(interface(9, "cscotun0", None, &["fe80::1"])));
    }

    const HOST: &str = "172.26.66.73";

    /// Returns the links with these interfaces if the kernel would reach the intranet host through that one.
    fn links(names: &[&str], leads_in: Option<usize>) -> Links {
        links_of_sites(names, leads_in, false, &[vec![HOST.parse().unwrap()]])
    }

    /// The same, if that is the interface's own network or not, for sites that name these hosts by address.
    fn links_of_sites(names: &[&str], leads_in: Option<usize>, own_network: bool, sites: &[Vec<IpAddr>]) -> Links {
        let addresses = ["10.8.0.2"];
        let index = |position: usize| u32::try_from(position).unwrap() + 1;
        let interfaces =
            names.iter().enumerate().map(|(at, name)| interface(index(at), name, None, &addresses)).collect();
        let route = leads_in.map(|position| {
            let route = Route { interface: index(position), name: names[position].into(), router: None, own_network };
            (HOST.parse().unwrap(), route)
        });
        let raw = Raw { interfaces, routes: vec![route_of(1)], dns: vec![] };
        reduce(raw, route.into_iter().collect(), sites, &vpn())
    }

    fn tunnel_of(names: &[&str], leads_in: Option<usize>) -> Option<String> {
        links(names, leads_in).tunnel().map(|tunnel| tunnel.name.clone())
    }

    fn route_of(interface: u32) -> DefaultRoute {
        route(interface)
    }

    #[test]
    fn the_tunnel_is_the_one_that_leads_to_the_intranet() {
        for private in ["tun0", "tunl0", "tunsnx", "tun-home", "utun7"] {
            assert_eq!(tunnel_of(&["eth0", private], Some(0)), None, "{private}: a private VPN");
            assert_eq!(tunnel_of(&["eth0", private], Some(1)).as_deref(), Some(private), "it leads there");
        }
        assert_eq!(tunnel_of(&["eth0", "tun0", "tun1"], Some(2)).as_deref(), Some("tun1"), "beside a private VPN");
        assert_eq!(tunnel_of(&["eth0", "tun0", "cscotun0"], Some(0)).as_deref(), Some("cscotun0"));
        assert_eq!(tunnel_of(&["eth0", "wg0"], Some(1)), None, "WireGuard");
        assert_eq!(tunnel_of(&["eth0", "tun0"], None).as_deref(), Some("tun0"), "no host is named by address");
    }

    #[test]
    fn a_tunnel_with_the_clients_name_through_which_nothing_leads_is_marked() {
        let elsewhere = |leads_in| links(&["eth0", "cscotun0"], leads_in).leads_elsewhere;
        assert!(links(&["eth0", "cscotun0"], Some(0)).tunnel().is_some(), "its routes may not be there yet");
        assert_eq!([Some(0), Some(1), None].map(elsewhere), [true, false, false]);
        let host: IpAddr = HOST.parse().unwrap();
        let of_sites = |own_network, sites: &[Vec<IpAddr>]| {
            links_of_sites(&["eth0", "cscotun0"], Some(0), own_network, sites).leads_elsewhere
        };
        assert!(!of_sites(true, &[vec![host]]), "a local network hides the host");
        assert!(!of_sites(false, &[vec![]]), "the user's site names no address");
        assert!(!of_sites(false, &[vec![host], vec![]]), "one of two sites names none");
        assert!(of_sites(false, &[vec![host], vec![host]]));
    }
}
