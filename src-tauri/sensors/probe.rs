//! Does the inside answer, and does the gateway answer in its own name?

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use rustls_platform_verifier::BuilderVerifierExt;
use std::io;
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
use vigie_core::vpn::{Gateway, Intranet, Probe, ProbeRequest};

/// Pause before the next inside machine is tried beside those that have not answered yet.
const STAGGER: Duration = Duration::from_millis(250);

/// How much longer the gateway is waited for once the inside has answered. A portal, which answers for everybody,
/// stands close by and is quick.
const GRACE: Duration = Duration::from_secs(1);

/// TrackerRequests what the request asks for. Each attempt is given up after `limit`; the first inside machine that answers
/// decides, and the gateway is then waited for a second longer at most: it tells whether the inside or a portal
/// has answered. Dropping the future ends the probe.
pub async fn probe(request: ProbeRequest, limit: Duration) -> Probe {
    let asked = !request.gateways.is_empty();
    let inside = inside(request.inside, limit);
    let gateway = gateways(request.gateways, limit);
    tokio::pin!(inside, gateway);
    let mut known = None;
    loop {
        tokio::select! {
            answer = &mut inside => {
                if asked && known.is_none() {
                    known = match answer {
                        Intranet::Silent => Some(gateway.await),
                        Intranet::Answered { .. } => timeout(GRACE, gateway).await.ok(),
                    };
                }
                return Probe { number: request.number, inside: answer, gateway: known.flatten() };
            }
            answer = &mut gateway, if asked && known.is_none() => known = Some(answer),
        }
    }
}

async fn inside(hosts: Vec<String>, limit: Duration) -> Intranet {
    let mut attempts = JoinSet::new();
    for (position, host) in hosts.into_iter().enumerate() {
        let wait = STAGGER.saturating_mul(u32::try_from(position).unwrap_or(u32::MAX));
        attempts.spawn(async move {
            sleep(wait).await;
            timeout(limit, connect(&host)).await.unwrap_or_else(|late| Err(late.into()))
        });
    }
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Ok(local)) => return Intranet::Answered { local },
            Ok(Err(error)) => tracing::debug!("an inside machine did not answer: {error}"),
            Err(error) => tracing::warn!("an attempt came to grief: {error}"),
        }
    }
    Intranet::Silent
}

async fn connect(host: &str) -> io::Result<IpAddr> {
    let stream = tokio::net::TcpStream::connect(host).await?;
    Ok(stream.local_addr()?.ip().to_canonical())
}

/// The best that any of the gateways answered.
async fn gateways(gateways: Vec<(String, u16)>, limit: Duration) -> Option<Gateway> {
    let mut attempts = JoinSet::new();
    for (host, port) in gateways {
        attempts.spawn(gateway(host, port, limit));
    }
    let mut best = None;
    while let Some(attempt) = attempts.join_next().await {
        match (attempt, best) {
            (Ok(Some(Gateway::Answered)), _) => return Some(Gateway::Answered),
            (Ok(Some(Gateway::CertificateMismatch)), _) => best = Some(Gateway::CertificateMismatch),
            (Ok(Some(Gateway::Silent)), None) => best = Some(Gateway::Silent),
            (Ok(Some(Gateway::Silent) | None), _) => {}
            (Err(error), _) => tracing::warn!("an attempt came to grief: {error}"),
        }
    }
    best
}

/// Whether this gateway answers in its own name: a TLS handshake whose certificate the system trusts for `host`.
/// `None` where this machine cannot tell, for want of certificates to trust.
///
/// It runs on a thread of its own: reading the system's certificates takes some milliseconds, and on Windows the
/// system may ask the network before it trusts one.
pub async fn gateway(host: String, port: u16, limit: Duration) -> Option<Gateway> {
    let name = host.clone();
    let handshake = spawn_blocking(move || handshake(&host, port, Instant::now() + limit));
    let why = match timeout(limit, handshake).await {
        Ok(Ok(Ok(()))) => return Some(Gateway::Answered),
        Ok(Ok(Err(error))) => error,
        Ok(Err(error)) => io::Error::other(error),
        Err(late) => late.into(),
    };
    let answer = judge(&why);
    tracing::debug!("gateway {name}: {answer:?}: {why}");
    answer
}

/// Whoever does not answer, or breaks off, is silent; whoever says anything but a certificate in the gateway's name is
/// somebody else.
fn judge(error: &io::Error) -> Option<Gateway> {
    use rustls::Error::{FailedToGetCurrentTime, FailedToGetRandomBytes, General};
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(General(_) | FailedToGetCurrentTime | FailedToGetRandomBytes) => None,
        Some(_) => Some(Gateway::CertificateMismatch),
        None => Some(Gateway::Silent),
    }
}

fn handshake(host: &str, port: u16, until: Instant) -> io::Result<()> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let mut stream = open(host, port, until)?;
    // Made anew each time: the system's certificates take memory, are needed only now and then, and may change.
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_platform_verifier())
        .map_err(io::Error::other)?
        .with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        stream.set_read_timeout(Some(left(until)?))?;
        stream.set_write_timeout(Some(left(until)?))?;
        if connection.wants_write() {
            connection.write_tls(&mut stream)?;
        } else {
            if connection.read_tls(&mut stream)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Err(error) = connection.process_new_packets() {
                // The alert, as far as it still gets there.
                let _ = connection.write_tls(&mut stream);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }
    connection.send_close_notify();
    let _ = connection.write_tls(&mut stream);
    Ok(())
}

/// A connection to the first of the host's addresses that takes one; each gets its share of the time.
fn open(host: &str, port: u16, until: Instant) -> io::Result<TcpStream> {
    let addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
    let mut refused = io::Error::from(io::ErrorKind::NotFound);
    for (position, address) in addresses.iter().enumerate() {
        let share = left(until)? / u32::try_from(addresses.len() - position).unwrap_or(u32::MAX);
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::{ServerConfig, ServerConnection};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::OnceLock;

    /// So long that it is never reached by a handshake on a busy machine.
    const LIMIT: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(300);

    /// The one authority that these tests trust, the way an administrator would make the program trust it: by
    /// `SSL_CERT_FILE`, which is of the whole process.
    fn authority() -> &'static CertifiedIssuer<'static, KeyPair> {
        static AUTHORITY: OnceLock<CertifiedIssuer<'static, KeyPair>> = OnceLock::new();
        AUTHORITY.get_or_init(|| {
            let made = new_authority();
            let file = tempfile::NamedTempFile::with_suffix(".pem").unwrap();
            std::fs::write(&file, made.pem()).unwrap();
            let (_, path) = file.keep().unwrap();
            // SAFETY: no other test reads or writes this variable but through `handshake`, which runs after this.
            unsafe { std::env::set_var("SSL_CERT_FILE", path) };
            made
        })
    }

    fn new_authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// A TLS server with a certificate in that name, from that authority.
    fn tls_server(name: &str, issuer: &CertifiedIssuer<'static, KeyPair>) -> u16 {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        server(move |mut stream| {
            let mut connection = ServerConnection::new(config.clone()).unwrap();
            let _ = connection.complete_io(&mut stream);
            let _ = stream.read(&mut [0; 64]);
        })
    }

    /// A server that treats every connection so, on a free port of this machine.
    fn server(treat: impl Fn(TcpStream) + Send + 'static) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || listener.incoming().flatten().for_each(treat));
        port
    }

    /// A port on which nothing listens.
    fn closed_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    async fn at(host: &str, port: u16) -> Option<Gateway> {
        authority();
        gateway(host.to_owned(), port, LIMIT).await
    }

    #[cfg_attr(windows, ignore = "the authority is unknown to Windows, and wine cannot verify its signature")]
    #[tokio::test]
    async fn a_gateway_answers_in_its_own_name_alone() {
        let issuer = authority();
        assert_eq!(at("localhost", tls_server("localhost", issuer)).await, Some(Gateway::Answered));
        assert_eq!(at("127.0.0.1", tls_server("127.0.0.1", issuer)).await, Some(Gateway::Answered));
        assert_eq!(
            at("localhost", tls_server("portail.example", issuer)).await,
            Some(Gateway::CertificateMismatch),
            "other name"
        );
        let stranger = new_authority();
        assert_eq!(
            at("localhost", tls_server("localhost", &stranger)).await,
            Some(Gateway::CertificateMismatch),
            "untrusted"
        );
    }

    #[tokio::test]
    async fn a_portal_that_speaks_http_is_an_impostor() {
        let port = server(|mut stream| {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://login.portal/\r\n\r\n");
        });
        assert_eq!(at("localhost", port).await, Some(Gateway::CertificateMismatch));
    }

    #[tokio::test]
    async fn nothing_is_silence() {
        assert_eq!(at("localhost", closed_port()).await, Some(Gateway::Silent), "refused");
        assert_eq!(at("no-such-host.invalid", 443).await, Some(Gateway::Silent), "unknown");
        assert_eq!(at("localhost", server(drop)).await, Some(Gateway::Silent), "hung up");
        let mute = server(|stream| {
            std::thread::sleep(2 * LIMIT);
            drop(stream);
        });
        let begun = Instant::now();
        assert_eq!(gateway("localhost".to_owned(), mute, SHORT).await, Some(Gateway::Silent), "mute");
        assert!(begun.elapsed() < 3 * SHORT, "{:?}", begun.elapsed());
        // One byte of a TLS record at a time: the limit is on the whole, not on each read.
        let drip = server(|mut stream| {
            for byte in [0x16, 3, 3, 0x40, 0].iter().cycle() {
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
                std::thread::sleep(SHORT / 3);
            }
        });
        let begun = Instant::now();
        assert_eq!(
            handshake("localhost", drip, begun + SHORT).map_err(|error| judge(&error)),
            Err(Some(Gateway::Silent))
        );
        assert!(begun.elapsed() < 3 * SHORT, "{:?}", begun.elapsed());
    }

    #[cfg_attr(windows, ignore = "the authority is unknown to Windows, and wine cannot verify its signature")]
    #[tokio::test]
    async fn the_best_gateway_decides() {
        let issuer = authority();
        let right = ("localhost".to_owned(), tls_server("localhost", issuer));
        let wrong = ("localhost".to_owned(), tls_server("elsewhere", issuer));
        let none = ("localhost".to_owned(), closed_port());
        let best = async |hosts: &[&(String, u16)]| gateways(hosts.iter().copied().cloned().collect(), LIMIT).await;
        assert_eq!(best(&[&none, &wrong, &right]).await, Some(Gateway::Answered));
        assert_eq!(best(&[&wrong, &none]).await, Some(Gateway::CertificateMismatch));
        assert_eq!(best(&[&none, &none]).await, Some(Gateway::Silent));
    }

    fn request(inside: &[String], gateways: &[(String, u16)]) -> ProbeRequest {
        ProbeRequest { number: 7, inside: inside.to_vec(), gateways: gateways.to_vec() }
    }

    #[tokio::test]
    async fn the_first_inside_machine_that_answers_decides() {
        let open = server(drop);
        // 192.0.2.0/24 is for documentation (RFC 5737): nobody answers there.
        let hosts = ["192.0.2.1:445".to_owned(), format!("127.0.0.1:{}", closed_port()), format!("127.0.0.1:{open}")];
        let begun = Instant::now();
        let answer = probe(request(&hosts, &[]), LIMIT).await;
        let local = "127.0.0.1".parse().unwrap();
        assert_eq!(answer, Probe { number: 7, inside: Intranet::Answered { local }, gateway: None });
        assert!(begun.elapsed() < LIMIT, "the silent one is not waited for");
    }

    #[cfg_attr(windows, ignore = "it times an answer, for which wine on a busy machine is too slow")]
    #[tokio::test]
    async fn a_gateway_is_heard_beside_an_inside_that_answers_but_not_waited_for_long() {
        let issuer = authority();
        let hosts = [format!("127.0.0.1:{}", server(drop))];
        let local = "127.0.0.1".parse().unwrap();
        let portal = ("localhost".to_owned(), tls_server("elsewhere", issuer));
        let answer = probe(request(&hosts, &[portal]), LIMIT).await;
        let impostor = Some(Gateway::CertificateMismatch);
        assert_eq!(answer, Probe { number: 7, inside: Intranet::Answered { local }, gateway: impostor });
        let begun = Instant::now();
        // 192.0.2.0/24 is for documentation (RFC 5737): nobody answers there.
        let answer = probe(request(&hosts, &[("192.0.2.1".to_owned(), 443)]), Duration::from_secs(30)).await;
        assert_eq!(answer.inside, Intranet::Answered { local });
        assert!(begun.elapsed() < Duration::from_secs(5), "the silent gateway holds the answer back");
    }

    #[cfg_attr(windows, ignore = "the authority is unknown to Windows, and wine cannot verify its signature")]
    #[tokio::test]
    async fn silence_ends_at_the_limit_and_the_gateway_is_asked_beside_it() {
        authority();
        let hosts = [format!("127.0.0.1:{}", closed_port()), "no-such-host.invalid:443".to_owned()];
        let gateway = ("localhost".to_owned(), tls_server("localhost", authority()));
        let answer = probe(request(&hosts, &[gateway]), LIMIT).await;
        assert_eq!(answer, Probe { number: 7, inside: Intranet::Silent, gateway: Some(Gateway::Answered) });
        let answer = probe(request(&hosts, &[]), LIMIT).await;
        assert_eq!(answer, Probe { number: 7, inside: Intranet::Silent, gateway: None });
        let answer = probe(request(&[], &[]), LIMIT).await;
        assert_eq!(answer.inside, Intranet::Silent);
    }
}
