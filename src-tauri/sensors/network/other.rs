//! A plain fallback: `netdev` to read, `netwatcher` to watch.

use super::{BURST, Raw};
use netwatcher::async_adapter::Tokio;
use std::io;
use std::net::IpAddr;
use vigie_core::vpn::{DefaultRoute, Interface};

pub(super) fn read() -> io::Result<Raw> {
    let all = netdev::get_interfaces();
    let default = all.iter().find(|interface| interface.default);
    let routes = default.map(|interface| DefaultRoute { interface: interface.index, router: router(interface) });
    let dns = default.map(|interface| interface.dns_servers.clone()).unwrap_or_default();
    let up = all.iter().filter(|interface| interface.is_up());
    let interfaces = up.map(|interface| Interface {
        index: interface.index,
        name: interface.name.clone(),
        description: interface.description.clone(),
        addresses: interface.ip_addrs(),
        tunnel: false,
    });
    Ok(Raw { interfaces: interfaces.collect(), routes: routes.into_iter().collect(), dns })
}

fn router(interface: &netdev::Interface) -> Option<IpAddr> {
    let gateway = interface.gateway.as_ref()?;
    let four = gateway.ipv4.first().copied().map(IpAddr::from);
    four.or_else(|| gateway.ipv6.first().copied().map(IpAddr::from))
}

/// Tells that interfaces or addresses have changed; routes are not told.
pub(super) struct Changes(netwatcher::AsyncWatch);

impl Changes {
    pub(super) fn new() -> io::Result<Changes> {
        netwatcher::watch_interfaces_async::<Tokio>().map(Changes).map_err(io::Error::other)
    }

    pub(super) async fn next(&mut self) -> io::Result<()> {
        self.0.changed().await;
        tokio::time::sleep(BURST).await;
        Ok(())
    }
}
