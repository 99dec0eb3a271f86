//! What the tests of core and view start from.

use super::Now;
use super::vpn::{DefaultRoute, Interface, Links};
use crate::profile::Profile;
use jiff::ZonedDateTime;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The guide.
pub(crate) fn guide() -> Arc<Profile> {
    static GUIDE: LazyLock<Arc<Profile>> = LazyLock::new(|| {
        Arc::new(toml_edit::de::from_str(include_str!("fixture.toml")).expect("the fixture is a profile"))
    });
    GUIDE.clone()
}

/// A moment in Paris, `2026-11-24T14:02`.
pub(crate) fn at(text: &str) -> ZonedDateTime {
    format!("{text}[Europe/Paris]").parse().expect("a test names a moment")
}

/// A moment in Paris, on a machine that was booted at midnight, 24 November 2026.
pub(crate) fn now(text: &str) -> Now {
    let wall = at(text);
    let uptime = at("2026-11-24T00:00").duration_until(&wall);
    Now { wall, uptime: Duration::try_from(uptime).expect("a test plays after midnight") }
}

/// A moment on the same machine, in seconds after it was booted.
pub(crate) fn after(seconds: f64) -> Now {
    let uptime = Duration::from_secs_f64(seconds);
    let lasted = jiff::SignedDuration::try_from(uptime).expect("a test is short");
    Now { wall: at("2026-11-24T00:00").checked_add(lasted).expect("a test is short"), uptime }
}

/// The machine's own address at home, and the tunnel's.
pub(crate) const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 10));
pub(crate) const TUNNEL: IpAddr = IpAddr::V4(Ipv4Addr::new(172, 26, 200, 7));

/// A network at home, without the VPN.
pub(crate) fn home() -> Links {
    network(HOME)
}

/// A network in which the machine has that address.
pub(crate) fn network(address: IpAddr) -> Links {
    Links {
        interfaces: vec![interface(2, "eth0", address)],
        default_route: Some(DefaultRoute { interface: 2, router: Some([192, 168, 1, 1].into()) }),
        dns: vec![[192, 168, 1, 1].into()],
    }
}

/// The same network with the VPN's tunnel up.
pub(crate) fn with_tunnel(mut links: Links) -> Links {
    links.interfaces.push(Interface { tunnel: true, ..interface(9, "cscotun0", TUNNEL) });
    links
}

pub(crate) fn interface(index: u32, name: &str, address: IpAddr) -> Interface {
    Interface { index, name: name.into(), description: None, addresses: vec![address], tunnel: false }
}
