//! IP Helper: `GetAdaptersAddresses` and `GetIpForwardTable2` to read; `netwatcher` (`NotifyIpInterfaceChange`,
//! `NotifyUnicastIpAddressChange`) and `NotifyRouteChange2` to watch.
//!
//! The crate `netdev` is not used: just after a change of network it waits some seconds for the router's answer to an ARP
//! request.

use super::{BURST_DELAY, Raw, Route};
use netwatcher::async_adapter::Tokio;
use std::ffi::c_void;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use tokio::sync::Notify;
use vigie_core::vpn::{DefaultRoute, Interface, Traffic};
use windows::Win32::Foundation::{ERROR_BUFFER_OVERFLOW, ERROR_NO_DATA, HANDLE, NO_ERROR, WIN32_ERROR};
use windows::Win32::NetworkManagement::IpHelper::{
    CancelMibChangeNotify2, FreeMibTable, GAA_FLAG_SKIP_ANYCAST, GAA_FLAG_SKIP_MULTICAST, GetAdaptersAddresses,
    GetBestRoute2, GetIfEntry2, GetIpForwardTable2, IP_ADAPTER_ADDRESSES_LH, MIB_IF_ROW2, MIB_IPFORWARD_ROW2,
    MIB_NOTIFICATION_TYPE, NotifyRouteChange2,
};
use windows::Win32::NetworkManagement::Ndis::IfOperStatusUp;
use windows::Win32::Networking::WinSock::{
    AF_INET, AF_INET6, AF_UNSPEC, RouteProtocolLocal, SOCKADDR_INET, SOCKET_ADDRESS,
};

pub(super) fn read() -> io::Result<Raw> {
    let adapters = adapters()?;
    let mut routes: Vec<(bool, u32, DefaultRoute)> = default_routes(&adapters)?;
    routes.sort_by_key(|(six, metric, _)| (*six, *metric));
    let mut dns = Vec::new();
    for server in adapters.iter().flat_map(|adapter| &adapter.dns) {
        if !dns.contains(server) {
            dns.push(*server);
        }
    }
    Ok(Raw {
        interfaces: adapters.into_iter().map(|adapter| adapter.interface).collect(),
        routes: routes.into_iter().map(|(_, _, route)| route).collect(),
        dns,
    })
}

/// Returns the route by which the system would send a packet to each of these hosts. A host without a route is left out.
pub(super) fn routes(hosts: &[IpAddr]) -> io::Result<Vec<(IpAddr, Route)>> {
    let mut found = Vec::new();
    for host in hosts {
        let (mut row, mut source) = (MIB_IPFORWARD_ROW2::default(), SOCKADDR_INET::default());
        // SAFETY: all three point to initialised values that outlive the call.
        let result = unsafe { GetBestRoute2(None, 0, None, &socket_address(*host), 0, &mut row, &mut source) };
        if result == NO_ERROR {
            let router = ip(&row.NextHop).filter(|router| !router.is_unspecified());
            // The system itself has added the route, with the interface's address; a VPN's may have no router either.
            let own_network = router.is_none() && row.Protocol == RouteProtocolLocal;
            let name = entry(row.InterfaceIndex).map(|entry| alias(&entry)).unwrap_or_default();
            found.push((*host, Route { interface: row.InterfaceIndex, name, router, own_network }));
        }
    }
    Ok(found)
}

pub(super) fn traffic(interface: u32) -> io::Result<Traffic> {
    let entry = entry(interface)?;
    let sent_packets = entry.OutUcastPkts.saturating_add(entry.OutNUcastPkts);
    Ok(Traffic { interface, received_bytes: entry.InOctets, sent_packets })
}

fn entry(interface: u32) -> io::Result<MIB_IF_ROW2> {
    let mut entry = MIB_IF_ROW2 { InterfaceIndex: interface, ..MIB_IF_ROW2::default() };
    // SAFETY: the row names its interface, and is filled in by the call.
    let result = unsafe { GetIfEntry2(&mut entry) };
    if result == NO_ERROR { Ok(entry) } else { Err(failed(result)) }
}

fn alias(entry: &MIB_IF_ROW2) -> String {
    let end = entry.Alias.iter().position(|unit| *unit == 0).unwrap_or(entry.Alias.len());
    String::from_utf16_lossy(&entry.Alias[..end])
}

fn socket_address(address: IpAddr) -> SOCKADDR_INET {
    let mut socket = SOCKADDR_INET::default();
    match address {
        IpAddr::V4(address) => {
            socket.Ipv4.sin_family = AF_INET;
            socket.Ipv4.sin_addr.S_un.S_addr = u32::from_ne_bytes(address.octets());
        }
        IpAddr::V6(address) => {
            socket.Ipv6.sin6_family = AF_INET6;
            socket.Ipv6.sin6_addr.u.Byte = address.octets();
        }
    }
    socket
}

struct Adapter {
    interface: Interface,
    /// Its index in IPv6 routes, mostly the same.
    index6: u32,
    /// What it adds to the metric of its IPv4 and IPv6 routes.
    metrics: (u32, u32),
    dns: Vec<IpAddr>,
}

/// Returns the adapters that are up, the preferred one first.
fn adapters() -> io::Result<Vec<Adapter>> {
    // Microsoft recommends 15 KB to begin with. `u64` gives the structures their alignment.
    let mut buffer: Vec<u64> = vec![0; 15 * 1024 / 8];
    loop {
        let mut size = u32::try_from(buffer.len() * 8).unwrap_or(u32::MAX);
        let first = buffer.as_mut_ptr().cast::<IP_ADAPTER_ADDRESSES_LH>();
        let flags = GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST;
        // SAFETY: `first` points to `size` writable bytes.
        let result = unsafe { GetAdaptersAddresses(u32::from(AF_UNSPEC.0), flags, None, Some(first), &mut size) };
        match WIN32_ERROR(result) {
            NO_ERROR => break,
            ERROR_NO_DATA => return Ok(Vec::new()),
            ERROR_BUFFER_OVERFLOW => buffer.resize(usize::try_from(size).unwrap_or_default().div_ceil(8), 0),
            error => return Err(failed(error)),
        }
    }
    let mut adapters = Vec::new();
    let mut next: *const IP_ADAPTER_ADDRESSES_LH = buffer.as_ptr().cast();
    // SAFETY: the list and all that it points to lie in `buffer`, filled by the call above and untouched since.
    while let Some(adapter) = unsafe { next.as_ref() } {
        next = adapter.Next;
        if adapter.OperStatus == IfOperStatusUp {
            // SAFETY: as above.
            adapters.push(unsafe { read_adapter(adapter) });
        }
    }
    adapters.sort_by_key(|adapter| adapter.metrics.0.min(adapter.metrics.1));
    Ok(adapters)
}

/// # Safety
/// The adapter must come from `GetAdaptersAddresses`, and its buffer must still exist.
unsafe fn read_adapter(adapter: &IP_ADAPTER_ADDRESSES_LH) -> Adapter {
    let mut addresses = Vec::new();
    let mut dns = Vec::new();
    // SAFETY: the caller vouches for the lists, the strings and the union's first member (which is always set).
    unsafe {
        let mut next = adapter.FirstUnicastAddress.cast_const();
        while let Some(entry) = next.as_ref() {
            addresses.extend(address(&entry.Address));
            next = entry.Next;
        }
        let mut next = adapter.FirstDnsServerAddress.cast_const();
        while let Some(entry) = next.as_ref() {
            dns.extend(address(&entry.Address).filter(|address| !is_placeholder(*address)));
            next = entry.Next;
        }
        let text = |text: windows::core::PWSTR| if text.is_null() { None } else { text.to_string().ok() };
        let index4 = adapter.Anonymous1.Anonymous.IfIndex;
        Adapter {
            interface: Interface {
                index: if index4 == 0 { adapter.Ipv6IfIndex } else { index4 },
                name: text(adapter.FriendlyName).unwrap_or_default(),
                description: text(adapter.Description),
                addresses,
                tunnel: false,
            },
            index6: adapter.Ipv6IfIndex,
            metrics: (adapter.Ipv4Metric, adapter.Ipv6Metric),
            dns,
        }
    }
}

/// Whether the address is one of the site-local servers that Windows lists if there is no IPv6 server (deprecated by
/// RFC 3879).
fn is_placeholder(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.segments()[0] & 0xffc0 == 0xfec0)
}

/// # Safety
/// The address must point to as many bytes as it says.
unsafe fn address(address: &SOCKET_ADDRESS) -> Option<IpAddr> {
    let length = usize::try_from(address.iSockaddrLength).ok()?;
    let mut copy = SOCKADDR_INET::default();
    if address.lpSockaddr.is_null() || length > size_of::<SOCKADDR_INET>() {
        return None;
    }
    // SAFETY: the caller vouches for the source; the target is large enough.
    unsafe { std::ptr::copy_nonoverlapping(address.lpSockaddr.cast::<u8>(), (&raw mut copy).cast::<u8>(), length) };
    ip(&copy)
}

fn ip(address: &SOCKADDR_INET) -> Option<IpAddr> {
    // SAFETY: all members of the union begin with the family, which says which one it is; each is plain bytes.
    unsafe {
        match address.si_family {
            AF_INET => Some(IpAddr::V4(address.Ipv4.sin_addr.S_un.S_addr.to_ne_bytes().into())),
            AF_INET6 => Some(IpAddr::V6(Ipv6Addr::from(address.Ipv6.sin6_addr.u.Byte))),
            _ => None,
        }
    }
}

fn failed(error: WIN32_ERROR) -> io::Error {
    io::Error::from_raw_os_error(error.0.cast_signed())
}

/// Returns the default routes, each with whether it is IPv6 and its metric.
fn default_routes(adapters: &[Adapter]) -> io::Result<Vec<(bool, u32, DefaultRoute)>> {
    let mut table = std::ptr::null_mut();
    // SAFETY: the call stores a table that it allocates in `table`.
    let result = unsafe { GetIpForwardTable2(AF_UNSPEC, &mut table) };
    if result != NO_ERROR {
        return Err(failed(result));
    }
    // SAFETY: the call succeeded, so the table has as many rows as it says, until it is freed below.
    let rows = unsafe {
        let first = (&raw const (*table).Table).cast::<MIB_IPFORWARD_ROW2>();
        std::slice::from_raw_parts(first, usize::try_from((*table).NumEntries).unwrap_or_default())
    };
    let routes = rows.iter().filter_map(|row| default_route(row, adapters)).collect();
    // SAFETY: the table came from the call above, and no row is used any more.
    unsafe { FreeMibTable(table.cast_const().cast()) };
    Ok(routes)
}

fn default_route(row: &MIB_IPFORWARD_ROW2, adapters: &[Adapter]) -> Option<(bool, u32, DefaultRoute)> {
    if row.DestinationPrefix.PrefixLength != 0 || row.Loopback {
        return None;
    }
    let router = ip(&row.NextHop)?;
    let six = router.is_ipv6();
    let of_route =
        |adapter: &&Adapter| row.InterfaceIndex == if six { adapter.index6 } else { adapter.interface.index };
    let adapter = adapters.iter().find(of_route)?;
    let metric = row.Metric.saturating_add(if six { adapter.metrics.1 } else { adapter.metrics.0 });
    let router = Some(router).filter(|router| !router.is_unspecified());
    Some((six, metric, DefaultRoute { interface: adapter.interface.index, router }))
}

/// A subscription to changes of interfaces, addresses and routes.
pub(super) struct Changes {
    interfaces: netwatcher::AsyncWatch,
    routes: Routes,
}

impl Changes {
    pub(super) fn new() -> io::Result<Changes> {
        let interfaces = netwatcher::watch_interfaces_async::<Tokio>().map_err(io::Error::other)?;
        Ok(Changes { interfaces, routes: Routes::new()? })
    }

    /// Waits for a change, and a little longer for those that come with it.
    pub(super) async fn next(&mut self) -> io::Result<()> {
        loop {
            tokio::select! {
                update = self.interfaces.changed() => if !update.is_initial { break },
                () = self.routes.changed.notified() => break,
            }
        }
        tokio::time::sleep(BURST_DELAY).await;
        Ok(())
    }
}

/// A subscription to changes of routes.
struct Routes {
    changed: Arc<Notify>,
    handle: HANDLE,
}

// SAFETY: the handle names a subscription of the whole process; any thread may cancel it.
unsafe impl Send for Routes {}

impl Routes {
    fn new() -> io::Result<Routes> {
        let changed = Arc::new(Notify::new());
        let mut handle = HANDLE::default();
        let context = Arc::as_ptr(&changed).cast();
        // SAFETY: the context lives in an `Arc` that `Routes` drops only after it has cancelled the subscription.
        let result = unsafe { NotifyRouteChange2(AF_UNSPEC, Some(route_changed), context, false, &mut handle) };
        if result == NO_ERROR { Ok(Routes { changed, handle }) } else { Err(failed(result)) }
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        // SAFETY: the handle comes from the subscription, and is cancelled once. The call waits for callbacks to end.
        let result = unsafe { CancelMibChangeNotify2(self.handle) };
        if result != NO_ERROR {
            // The system may still call back, so the context must not be freed.
            std::mem::forget(self.changed.clone());
        }
    }
}

unsafe extern "system" fn route_changed(
    context: *const c_void,
    _: *const MIB_IPFORWARD_ROW2,
    _: MIB_NOTIFICATION_TYPE,
) {
    // SAFETY: the context is the `Notify` of the subscription, which exists until the subscription is cancelled.
    if let Some(changed) = unsafe { context.cast::<Notify>().as_ref() } {
        changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_and_routes_can_be_read() {
        let raw = read().unwrap();
        assert!(raw.interfaces.iter().any(|interface| interface.addresses.iter().any(IpAddr::is_loopback)));
        assert!(raw.interfaces.iter().all(|interface| interface.index != 0 && !interface.name.is_empty()));
        for route in &raw.routes {
            assert!(raw.interfaces.iter().any(|interface| interface.index == route.interface));
        }
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        let mut four = SOCKADDR_INET::default();
        four.Ipv4.sin_family = AF_INET;
        four.Ipv4.sin_addr.S_un.S_addr = u32::from_ne_bytes([172, 26, 66, 73]);
        assert_eq!(ip(&four), Some("172.26.66.73".parse().unwrap()));
        let mut six = SOCKADDR_INET::default();
        six.Ipv6.sin6_family = AF_INET6;
        six.Ipv6.sin6_addr.u.Byte = "fec0:0:0:ffff::1".parse::<Ipv6Addr>().unwrap().octets();
        assert_eq!(ip(&six).map(is_placeholder), Some(true));
        assert_eq!(ip(&SOCKADDR_INET::default()), None);
    }
}
