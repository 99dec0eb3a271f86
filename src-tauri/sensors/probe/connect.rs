//! TCP connections by name or address. Of several addresses each is tried while those before it have not answered yet
//! ("happy eyeballs", RFC 8305), so that an unreachable address costs no time.

use super::names::{NameError, resolve};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use vigie_core::vpn::Ends;

/// Pause before the next address is tried (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TcpConnectError {
    /// The name has no address.
    Name(NameError),
    /// The host refused.
    Refused,
    /// Nothing came within the time limit, or there is no route.
    Silent,
}

/// The host's addresses, in the order in which they are tried.
pub(super) async fn addresses(host: &str, until: Instant) -> Result<Vec<IpAddr>, TcpConnectError> {
    let resolved = timeout_at(until, resolve(host)).await.unwrap_or(Err(NameError::ResolverDown));
    resolved.map(alternate).map_err(TcpConnectError::Name)
}

/// Connects to the first of these addresses that accepts.
pub(super) async fn connect(addresses: &[IpAddr], port: u16, until: Instant) -> Result<TcpStream, TcpConnectError> {
    first_of(addresses.iter().map(|address| SocketAddr::new(*address, port)), until).await
}

async fn first_of(addresses: impl Iterator<Item = SocketAddr>, until: Instant) -> Result<TcpStream, TcpConnectError> {
    let mut attempts = JoinSet::new();
    for (position, address) in addresses.enumerate() {
        let wait = STAGGER.saturating_mul(u32::try_from(position).unwrap_or(u32::MAX));
        attempts.spawn(async move {
            sleep(wait).await;
            TcpStream::connect(address).await
        });
    }
    let mut failure = TcpConnectError::Silent;
    loop {
        match timeout_at(until, attempts.join_next()).await {
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(Ok(Err(error)))) => {
                tracing::debug!("a connection was not made: {error}");
                if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) {
                    failure = TcpConnectError::Refused;
                }
            }
            Ok(Some(Err(error))) => tracing::warn!("a connection attempt failed: {error}"),
            Ok(None) | Err(_) => return Err(failure),
        }
    }
}

/// Returns the addresses in the resolver's order, with alternating families.
fn alternate(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let Some(first) = addresses.first().copied() else { return addresses };
    let (same, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first.is_ipv4());
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    let mut mixed = Vec::new();
    loop {
        let pair = [same.next(), other.next()];
        if pair == [None, None] {
            return mixed;
        }
        mixed.extend(pair.into_iter().flatten());
    }
}

/// Returns the connection's two ends.
pub(super) fn ends(stream: &TcpStream) -> io::Result<Ends> {
    Ok(Ends { local: stream.local_addr()?.ip().to_canonical(), remote: stream.peer_addr()?.ip().to_canonical() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensors::test_support::ClosedPort;

    fn within(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    #[test]
    fn families_are_tried_in_turn() {
        let addresses = |texts: &[&str]| -> Vec<IpAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        assert_eq!(
            alternate(addresses(&["2001:db8::1", "2001:db8::2", "10.0.0.1", "10.0.0.2", "10.0.0.3"])),
            addresses(&["2001:db8::1", "10.0.0.1", "2001:db8::2", "10.0.0.2", "10.0.0.3"])
        );
        assert_eq!(alternate(Vec::new()), Vec::<IpAddr>::new());
    }

    /// An AAAA record that leads nowhere, beside a good A record.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_silent_address_costs_a_fraction_of_the_time() {
        use crate::sensors::test_support::{in_namespace, run};
        in_namespace(rustix::thread::UnshareFlags::NEWNET, async {
            run("ip link set lo up");
            run("ip link add eth0 type veth peer name far0");
            run("ip link set far0 up");
            run("ip link set eth0 up");
            run("ip address add 2001:db8::1/64 dev eth0 nodad");
            // Packets to this address go out, and no machine receives them.
            run("ip neighbour add 2001:db8::dead lladdr 02:00:00:00:00:01 dev eth0");
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let dead: IpAddr = "2001:db8::dead".parse().unwrap();
            let begun = Instant::now();
            let stream = connect(&[dead, listener.local_addr().unwrap().ip()], port, within(20)).await;
            assert_eq!(
                stream.expect("the second address accepts").peer_addr().unwrap(),
                listener.local_addr().unwrap()
            );
            assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
            let silent = Instant::now() + Duration::from_millis(300);
            assert_eq!(connect(&[dead], port, silent).await.unwrap_err(), TcpConnectError::Silent);
        });
    }

    #[tokio::test]
    async fn a_closed_port_beside_an_open_one_does_not_matter() {
        let port = ClosedPort::new();
        let closed = SocketAddr::from(([127, 0, 0, 1], port.number));
        assert_eq!(first_of([closed].into_iter(), within(5)).await.unwrap_err(), TcpConnectError::Refused);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        assert!(first_of([closed, open].into_iter(), within(5)).await.is_ok());
    }
}
