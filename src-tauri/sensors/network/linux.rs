//! rtnetlink(7): dumps of links, addresses and routes, and a subscription to their changes. The DNS servers come from
//! resolv.conf(5).
#![expect(clippy::wildcard_enum_match_arm, reason = "rtnetlink has many more attributes than are needed here")]

use super::{BURST_DELAY, Raw, Route};
use crate::sensors::inotify::{FileWatch, register};
use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHopFlags, RouteProtocol, RouteType,
    RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use rustix::io::Errno;
use rustix::net::{AddressFamily as Family, RecvFlags, SocketFlags, SocketType, bind, netlink, recv, socket_with};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use vigie_core::vpn::{DefaultRoute, Interface, Traffic};

/// Groups of linux/rtnetlink.h: `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR`,
/// `RTMGRP_IPV6_ROUTE`.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where systemd-resolved keeps the servers behind its stub (systemd-resolved.service(8)).
const RESOLVED: &str = "/run/systemd/resolve/resolv.conf";
/// The stub that systemd-resolved writes into resolv.conf.
const STUB: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 53));
/// How often a dump is attempted that a concurrent change interrupts.
const DUMP_ATTEMPTS: usize = 5;

pub(super) fn read() -> io::Result<Raw> {
    let mut attempts = 1;
    let (links, addresses, routes) = loop {
        match dumps() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted && attempts < DUMP_ATTEMPTS => attempts += 1,
            dumped => break dumped?,
        }
    };
    let mut interfaces: Vec<Interface> = links.into_iter().filter_map(interface).collect();
    for (index, address) in addresses.into_iter().filter_map(address) {
        if let Some(interface) = interfaces.iter_mut().find(|interface| interface.index == index) {
            interface.addresses.push(address);
        }
    }
    let mut routes: Vec<(bool, u32, DefaultRoute)> = routes.iter().filter_map(default_route).collect();
    routes.sort_by_key(|(six, metric, _)| (*six, *metric));
    let routes = routes.into_iter().map(|(_, _, route)| route).collect();
    let listed = |path| fs::read_to_string(path).map(|text| name_servers(&text)).unwrap_or_default();
    let mut dns = listed(RESOLV_CONF);
    if dns.contains(&STUB) {
        let real = listed(RESOLVED);
        if !real.is_empty() {
            dns = real;
        }
    }
    Ok(Raw { interfaces, routes, dns })
}

/// Returns the route by which the kernel would send a packet to each of these hosts. A host without a route is left out.
/// `RTM_F_FIB_MATCH` has the kernel return the entry of its tables, which says where it comes from.
pub(super) fn routes(hosts: &[IpAddr]) -> io::Result<Vec<(IpAddr, Route)>> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    let mut found = Vec::new();
    for host in hosts {
        let mut message = RouteMessage::default();
        let (family, destination, bits) = match host {
            IpAddr::V4(address) => (AddressFamily::Inet, RouteAddress::Inet(*address), 32),
            IpAddr::V6(address) => (AddressFamily::Inet6, RouteAddress::Inet6(*address), 128),
        };
        message.header.address_family = family;
        message.header.destination_prefix_length = bits;
        message.header.flags = RouteFlags::FibMatch;
        message.attributes.push(RouteAttribute::Destination(destination));
        let mut route = None;
        // "Network is unreachable" is an answer too.
        let _ = exchange(&socket, RouteNetlinkMessage::GetRoute(message), NLM_F_ACK, |answer| {
            if let RouteNetlinkMessage::NewRoute(message) = answer {
                route = host_route(&message);
            }
        });
        if let Some((interface, router, own_network)) = route {
            let name = name(&socket, interface)?;
            found.push((*host, Route { interface, name, router, own_network }));
        }
    }
    Ok(found)
}

/// Returns the interface of a route to one host, the router, and whether the host belongs to that interface's own network:
/// the kernel itself has added the route, with the interface's address. (A VPN's route may have no router either.)
fn host_route(message: &RouteMessage) -> Option<(u32, Option<IpAddr>, bool)> {
    let leads_there = matches!(message.header.kind, RouteType::Unicast | RouteType::Local);
    let (interface, router) = next_hop(&message.attributes).filter(|_| leads_there)?;
    Some((interface, router, router.is_none() && message.header.protocol == RouteProtocol::Kernel))
}

/// Returns the interface and the router of a route. Of several next hops the first that is up counts.
fn next_hop(attributes: &[RouteAttribute]) -> Option<(u32, Option<IpAddr>)> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some((*index, router(attributes))),
        RouteAttribute::MultiPath(hops) => {
            let down = RouteNextHopFlags::Dead | RouteNextHopFlags::Linkdown;
            let hop = hops.iter().find(|hop| !hop.flags.intersects(down))?;
            Some((hop.interface_index, router(&hop.attributes)))
        }
        _ => None,
    })
}

/// Returns the router of a route.
fn router(attributes: &[RouteAttribute]) -> Option<IpAddr> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(address)) | RouteAttribute::Via(RouteVia::Inet(address)) => {
            Some((*address).into())
        }
        RouteAttribute::Gateway(RouteAddress::Inet6(address)) | RouteAttribute::Via(RouteVia::Inet6(address)) => {
            Some((*address).into())
        }
        _ => None,
    })
}

/// Returns the name of an interface.
fn name(socket: &Socket, interface: u32) -> io::Result<String> {
    let mut name = String::new();
    read_link(socket, interface, true, |attribute| {
        if let LinkAttribute::IfName(found) = attribute {
            name = found;
        }
    })?;
    Ok(name)
}

/// Reads the counters of one interface.
pub(super) fn traffic(interface: u32) -> io::Result<Traffic> {
    let mut traffic = None;
    read_link(&Socket::new(NETLINK_ROUTE)?, interface, false, |attribute| {
        if let LinkAttribute::Stats64(stats) = attribute {
            traffic = Some(Traffic { interface, received_bytes: stats.rx_bytes, sent_packets: stats.tx_packets });
        }
    })?;
    traffic.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Reads the attributes of one interface; each goes to `on_attribute`.
fn read_link(
    socket: &Socket,
    interface: u32,
    skip_stats: bool,
    mut on_attribute: impl FnMut(LinkAttribute),
) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = interface;
    if skip_stats {
        message.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    }
    exchange(socket, RouteNetlinkMessage::GetLink(message), NLM_F_ACK, |answer| {
        if let RouteNetlinkMessage::NewLink(message) = answer {
            message.attributes.into_iter().for_each(&mut on_attribute);
        }
    })
}

type Dumps = (Vec<LinkMessage>, Vec<AddressMessage>, Vec<RouteMessage>);

/// Reads all interfaces, addresses and routes.
fn dumps() -> io::Result<Dumps> {
    let socket = Socket::new(NETLINK_ROUTE)?;
    let mut link = LinkMessage::default();
    link.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let (mut links, mut addresses, mut routes) = Dumps::default();
    let requests = [
        RouteNetlinkMessage::GetLink(link),
        RouteNetlinkMessage::GetAddress(AddressMessage::default()),
        RouteNetlinkMessage::GetRoute(RouteMessage::default()),
    ];
    for request in requests {
        exchange(&socket, request, NLM_F_DUMP, |answer| match answer {
            RouteNetlinkMessage::NewLink(message) => links.push(message),
            RouteNetlinkMessage::NewAddress(message) => addresses.push(message),
            RouteNetlinkMessage::NewRoute(message) => routes.push(message),
            _ => {}
        })?;
    }
    Ok((links, addresses, routes))
}

/// Sends a request and reads replies until the last, which ends a dump; other requests need the flag `NLM_F_ACK`, and
/// their acknowledgement is the last. Each message goes to `on_message`.
///
/// # Errors
/// `Interrupted` if the tables changed during the dump, or messages were lost: repeat the request. Other errors are the
/// kernel's or the socket's.
fn exchange(
    socket: &Socket,
    request: RouteNetlinkMessage,
    flags: u16,
    mut on_message: impl FnMut(RouteNetlinkMessage),
) -> io::Result<()> {
    let mut message = NetlinkMessage::from(request);
    message.header.flags = NLM_F_REQUEST | flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send_to(&bytes, &SocketAddr::new(0, 0), 0)?;
    let mut interrupted = false;
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let mut rest = datagram.as_slice();
        // struct nlmsghdr begins with its length (netlink(7)); messages are aligned to four bytes.
        while let Some(length) = rest.first_chunk::<4>().map(|length| u32::from_ne_bytes(*length)) {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            let Some(one) = rest.get(..length).filter(|one| one.len() >= 16) else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "truncated netlink message"));
            };
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            match NetlinkMessage::<RouteNetlinkMessage>::deserialize(one) {
                Ok(message) => {
                    interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
                    match message.payload {
                        NetlinkPayload::InnerMessage(inner) => on_message(inner),
                        NetlinkPayload::Done(_) if interrupted => return Err(io::ErrorKind::Interrupted.into()),
                        NetlinkPayload::Done(_) => return Ok(()),
                        NetlinkPayload::Error(error) if error.code.is_none() => return Ok(()),
                        NetlinkPayload::Error(error) => return Err(error.to_io()),
                        NetlinkPayload::Overrun(_) => return Err(io::ErrorKind::Interrupted.into()),
                        NetlinkPayload::Noop => {}
                        _ => {}
                    }
                }
                Err(error) => tracing::warn!("cannot parse a netlink message: {error}"),
            }
        }
    }
}

/// Returns the interface if it is up and has a carrier. The flags decide, because the operational state of a tunnel is
/// "unknown".
fn interface(message: LinkMessage) -> Option<Interface> {
    if !message.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp) {
        return None;
    }
    let name = message.attributes.into_iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name),
        _ => None,
    })?;
    Some(Interface { index: message.header.index, name, description: None, addresses: Vec::new(), tunnel: false })
}

/// Returns the address and its interface, unless it is an IPv6 address that is still being checked for duplicates
/// (RFC 4862, section 5.4) or is one.
fn address(message: AddressMessage) -> Option<(u32, IpAddr)> {
    let (mut own, mut other, mut unusable) = (None, None, false);
    for attribute in message.attributes {
        match attribute {
            AddressAttribute::Local(address) => own = Some(address),
            // On a point-to-point link, which has a `Local` as well, this is the other end.
            AddressAttribute::Address(address) => other = Some(address),
            AddressAttribute::Flags(flags) => {
                unusable = flags.intersects(AddressFlags::Tentative | AddressFlags::Dadfailed);
            }
            _ => {}
        }
    }
    let address = own.or(other).filter(|_| !unusable)?;
    Some((message.header.index, address))
}

/// Returns whether a default route is IPv6, its metric, and the route; `None` for other routes, other tables than the main
/// one, and routes whose link is down.
fn default_route(message: &RouteMessage) -> Option<(bool, u32, DefaultRoute)> {
    let header = &message.header;
    let six = header.address_family == AddressFamily::Inet6;
    let ours = header.destination_prefix_length == 0
        && header.table == RouteHeader::RT_TABLE_MAIN
        && header.kind == RouteType::Unicast
        && !header.flags.intersects(RouteFlags::Dead | RouteFlags::Linkdown | RouteFlags::Cloned);
    if !ours {
        return None;
    }
    let metric = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Priority(metric) => Some(*metric),
        _ => None,
    });
    let (interface, router) = next_hop(&message.attributes)?;
    Some((six, metric.unwrap_or_default(), DefaultRoute { interface, router }))
}

/// Returns the DNS servers that a resolv.conf(5) lists.
fn name_servers(resolv_conf: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let address = (words.next()? == "nameserver").then(|| words.next())??;
        // A link-local server carries its interface, `fe80::1%eth0`.
        address.split('%').next()?.parse().ok()
    };
    resolv_conf.lines().filter_map(server).collect()
}

/// A subscription to changes of links, addresses, routes and DNS servers.
pub(super) struct Changes {
    socket: AsyncFd<OwnedFd>,
    dns: Option<FileWatch>,
}

impl Changes {
    pub(super) fn new() -> io::Result<Changes> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        // `None` is protocol 0, NETLINK_ROUTE.
        let socket = socket_with(Family::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &netlink::SocketAddrNetlink::new(0, GROUPS))?;
        let mut files = vec![PathBuf::from(RESOLV_CONF), PathBuf::from(RESOLVED)];
        files.extend(fs::canonicalize(RESOLV_CONF));
        let dns = FileWatch::new(&files)
            .inspect_err(|error| tracing::warn!("cannot watch resolv.conf, new DNS servers are noticed late: {error}"))
            .ok();
        Ok(Changes { socket: register(socket, Interest::READABLE)?, dns })
    }

    /// Waits for a change, and a little longer for those that come with it.
    pub(super) async fn next(&mut self) -> io::Result<()> {
        tokio::select! {
            ready = self.socket.readable() => drop(ready?),
            changed = changed(self.dns.as_mut()) => changed?,
        }
        tokio::time::sleep(BURST_DELAY).await;
        match self.socket.try_io(Interest::READABLE, drain) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Err(_) | Ok(()) => Ok(()),
        }
    }
}

/// Empties the socket; the messages' contents are not needed, because everything is read anew. Always returns an error,
/// which is "would block" on success.
fn drain(socket: &OwnedFd) -> io::Result<()> {
    loop {
        match recv(socket, &mut [0_u8; 16], RecvFlags::empty()) {
            // The kernel dropped messages, so there was a change.
            Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn changed(files: Option<&mut FileWatch>) -> io::Result<()> {
    match files {
        Some(files) => files.changed().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Events;
    use crate::sensors::network;
    use crate::sensors::test_support::{in_namespace, profile, run};
    use rustix::thread::UnshareFlags;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
    use tokio::sync::{Notify, watch};
    use tokio::time::timeout;
    use vigie_core::message::Event;
    use vigie_core::vpn::Links;

    const DEADLINE: Duration = Duration::from_secs(30);
    const QUIET: Duration = Duration::from_secs(1);

    fn eth0() -> &'static [&'static str] {
        &[
            "ip link add eth0 type veth peer name far0",
            "ip link set far0 up",
            "ip address add 10.9.0.2/24 dev eth0",
            "ip link set eth0 up",
            "ip route add default via 10.9.0.1",
        ]
    }

    fn names(links: &Links) -> Vec<&str> {
        links.interfaces.iter().map(|interface| interface.name.as_str()).collect()
    }

    #[test]
    fn reads_what_ip_shows() {
        in_namespace(UnshareFlags::NEWNET, async {
            let read = || network::read(&profile()).unwrap();
            assert_eq!(Links { dns: vec![], ..read() }, Links::default(), "a new namespace has nothing but lo");
            eth0().iter().for_each(|command| run(command));
            let links = read();
            assert_eq!(names(&links), ["eth0"]);
            assert_eq!(links.interfaces[0].addresses, ["10.9.0.2".parse::<IpAddr>().unwrap()]);
            let route = links.default_route.as_ref().unwrap();
            assert_eq!((route.interface, route.router), (links.interfaces[0].index, Some("10.9.0.1".parse().unwrap())));
            assert!(links.tunnel().is_none());

            // A tunnel that takes the default route, as a VPN without split tunnelling does.
            run("ip link add cscotun0 type veth peer name far1");
            run("ip link set far1 up");
            run("ip address add 172.26.5.1/32 dev cscotun0");
            run("ip link set cscotun0 up");
            run("ip route add default via 10.9.0.1 metric 100");
            run("ip route replace default dev cscotun0");
            let links = read();
            let tunnel = links.tunnel().unwrap();
            assert_eq!(tunnel.name, "cscotun0");
            assert_eq!(links.default_route, Some(DefaultRoute { interface: tunnel.index, router: None }));

            // Without a carrier, address and route still exist, but lead nowhere.
            run("ip link set far1 down");
            let links = read();
            assert_eq!(names(&links), ["eth0"]);
            assert_eq!(links.default_route.unwrap().router, Some("10.9.0.1".parse().unwrap()));
        });
    }

    #[test]
    fn a_host_belongs_to_a_network_whose_route_the_kernel_has_added() {
        in_namespace(UnshareFlags::NEWNET, async {
            eth0().iter().for_each(|command| run(command));
            let host: IpAddr = "172.26.66.73".parse().unwrap();
            let own_network = || {
                let routes = routes(&[host]).unwrap();
                (routes[0].1.name.clone(), routes[0].1.own_network)
            };
            assert_eq!(own_network(), ("eth0".into(), false), "through a router");
            run("ip link add wg0 type veth peer name far1");
            run("ip link set far1 up");
            run("ip address add 10.8.0.2/24 dev wg0");
            run("ip link set wg0 up");
            // As wg-quick does: the default route has a table of its own, which comes before the main one's.
            run("ip route add default dev wg0 table 51820");
            run("ip rule add not fwmark 51820 table 51820");
            run("ip rule add table main suppress_prefixlength 0");
            assert_eq!(own_network(), ("wg0".into(), false), "a VPN without a router");
            run("ip route add 172.16.0.0/12 dev wg0");
            assert_eq!(own_network(), ("wg0".into(), false), "the same, with a split route");
            run("ip link add docker0 type bridge");
            run("ip address add 172.26.0.1/16 dev docker0");
            run("ip link set docker0 up");
            assert_eq!(own_network(), ("docker0".into(), true));
            run("ip address add 172.26.66.73/16 dev docker0");
            assert!(own_network().1, "this computer has the address itself");
        });
    }

    #[test]
    fn reads_ipv6_once_it_is_usable() {
        in_namespace(UnshareFlags::NEWNET, async {
            run("ip link add eth0 type veth peer name far0");
            run("ip link set far0 up");
            run("ip link set eth0 up");
            run("ip address add 2001:db8::2/64 dev eth0 nodad");
            run("ip -6 route add default via fe80::1 dev eth0");
            let links = network::read(&profile()).unwrap();
            assert_eq!(links.interfaces[0].addresses, ["2001:db8::2".parse::<IpAddr>().unwrap()]);
            assert_eq!(links.default_route.unwrap().router, Some("fe80::1".parse().unwrap()));
        });
    }

    async fn next(received: &mut UnboundedReceiver<Event>) -> Links {
        let event = timeout(DEADLINE, received.recv()).await.expect("an event in time").expect("the sensor runs");
        let Event::Links(links) = event else { panic!("{event:?}") };
        links
    }

    /// Returns the first links that fulfil a condition.
    async fn until(received: &mut UnboundedReceiver<Event>, holds: impl Fn(&Links) -> bool) -> Links {
        loop {
            let links = next(received).await;
            if holds(&links) {
                return links;
            }
        }
    }

    #[test]
    fn every_relevant_change_is_reported_and_no_other() {
        in_namespace(UnshareFlags::NEWNET, async {
            let (profiles, read) = watch::channel(Arc::new(profile()));
            let reread = Arc::new(Notify::new());
            let (events, mut received): (Events, _) = unbounded_channel();
            let sensor = tokio::spawn(network::watch(read, reread.clone(), events));

            reread.notify_one();
            assert_eq!(names(&next(&mut received).await), [""; 0]);
            reread.notify_one();
            next(&mut received).await;

            eth0().iter().for_each(|command| run(command));
            let links = until(&mut received, |links| links.default_route.is_some()).await;
            assert_eq!(names(&links), ["eth0"]);

            run("ip route replace default via 10.9.0.254");
            let other = Some("10.9.0.254".parse().unwrap());
            until(&mut received, |links| links.default_route.as_ref().is_some_and(|route| route.router == other)).await;

            run("ip link set far0 down");
            until(&mut received, |links| links.interfaces.is_empty() && links.default_route.is_none()).await;
            run("ip link set far0 up");
            until(&mut received, |links| links.default_route.is_some()).await;

            run("ip address add 10.9.0.3/24 dev eth0");
            until(&mut received, |links| links.interfaces[0].addresses.len() == 2).await;
            while timeout(QUIET, received.recv()).await.is_ok() {}

            // Irrelevant changes: a neighbour, a route to another network, an MTU.
            run("ip neighbour add 10.9.0.77 lladdr 02:00:00:00:00:01 dev eth0");
            run("ip route add 192.0.2.0/24 via 10.9.0.1");
            run("ip link set eth0 mtu 1400");
            assert!(timeout(QUIET, received.recv()).await.is_err(), "an irrelevant change is reported");

            let mut changed = profile();
            changed.vpn.tunnel_names = vec!["ETH*".to_owned()];
            profiles.send(Arc::new(changed)).unwrap();
            assert_eq!(next(&mut received).await.tunnel().unwrap().name, "eth0");

            drop(profiles);
            timeout(DEADLINE, sensor).await.expect("ends with its profile").unwrap();
        });
    }

    #[test]
    fn name_servers_are_read_from_resolv_conf() {
        let text = "# nameserver 1.1.1.1\nnameserver 172.26.1.1\n  nameserver\tfe80::1%eth0  \nnameserver x\nnameserver\n\
                    search ac-caen.fr\nnameservers 9.9.9.9\n";
        let expected: Vec<IpAddr> = vec!["172.26.1.1".parse().unwrap(), "fe80::1".parse().unwrap()];
        assert_eq!(name_servers(text), expected);
    }
}
