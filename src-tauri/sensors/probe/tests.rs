//! Tests of the probes against small servers on this machine.

use super::*;
use crate::sensors::test_support::ClosedPort;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair, PublicKeyData};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, OnceLock};
use std::thread;
use vigie_core::message::RequestId;

/// Long enough for any handshake on a busy machine.
const LIMIT: Duration = Duration::from_secs(10);
/// The limit of a test that waits for it: long enough to connect to this machine all the same.
const SHORT: Duration = Duration::from_secs(2);
const LOCALHOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const ENDS: Ends = Ends { local: LOCALHOST, remote: LOCALHOST };

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// The only authority that these tests trust. It is set as an administrator would, by `SSL_CERT_FILE`, which applies to
/// the whole process.
fn authority() -> &'static Issuer {
    static AUTHORITY: OnceLock<Issuer> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let made = new_authority();
        let file = tempfile::NamedTempFile::with_suffix(".pem").unwrap();
        std::fs::write(&file, made.pem()).unwrap();
        let (_, path) = file.keep().unwrap();
        // SAFETY: other tests read this variable only in a handshake, which runs after this; none writes it.
        unsafe { std::env::set_var("SSL_CERT_FILE", path) };
        made
    })
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params
}

fn new_authority() -> Issuer {
    CertifiedIssuer::self_signed(authority_params(), KeyPair::generate().unwrap()).unwrap()
}

/// A TLS server of that name, and the pin of its key.
struct TlsServer {
    port: u16,
    pin: String,
}

impl TlsServer {
    fn new(name: &str, issuer: &Issuer) -> TlsServer {
        TlsServer::with(CertificateParams::new(vec![name.to_owned()]).unwrap(), issuer, &[])
    }

    /// Returns a server whose certificate is valid from and to that many days from now.
    fn valid(from_days: i64, to_days: i64) -> TlsServer {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let day = |days: i64| {
            let seconds = jiff::Timestamp::now().as_second() + days * 86_400;
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds.unsigned_abs())
        };
        (params.not_before, params.not_after) = (day(from_days), day(to_days));
        TlsServer::with(params, authority(), &[])
    }

    fn with(params: CertificateParams, issuer: &Issuer, chain: &[CertificateDer<'static>]) -> TlsServer {
        TlsServer::with_client_auth(params, issuer, chain, WebPkiClientVerifier::no_client_auth(), rustls::ALL_VERSIONS)
    }

    /// As [`TlsServer::with`], with that verifier of the client's certificate and these versions of TLS.
    fn with_client_auth(
        params: CertificateParams,
        issuer: &Issuer,
        chain: &[CertificateDer<'static>],
        client: Arc<dyn ClientCertVerifier>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> TlsServer {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, issuer).unwrap();
        let hash = ring::digest::digest(&ring::digest::SHA256, &key.subject_public_key_info());
        let pin = format!("pin-sha256:{}", base64::Engine::encode(&base64::prelude::BASE64_STANDARD, hash));
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let chain = [&[certificate.der().clone()], chain].concat();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_client_cert_verifier(client)
            .with_single_cert(chain, key)
            .unwrap();
        let config = Arc::new(config);
        let port = server(move |mut stream| {
            let mut connection = ServerConnection::new(config.clone()).unwrap();
            let _ = connection.complete_io(&mut stream);
            let _ = stream.read(&mut [0; 64]);
        });
        TlsServer { port, pin }
    }

    async fn answers(&self, pins: &[&str]) -> Option<Gateway> {
        gateway("localhost", self.port, pins).await
    }
}

/// Starts a server that handles every connection with this function, and returns its port.
fn server(treat: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let treat = Arc::new(treat);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let treat = treat.clone();
            thread::spawn(move || treat(stream));
        }
    });
    port
}

/// Starts a server that answers the first bytes of each connection with these, and returns its port.
fn answering(answer: impl Into<Vec<u8>>) -> u16 {
    let answer = answer.into();
    server(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(&answer);
    })
}

/// A server that accepts connections, and says nothing until the client closes them.
fn holding() -> u16 {
    server(|mut stream| {
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    })
}

async fn gateway(host: &str, port: u16, pins: &[&str]) -> Option<Gateway> {
    authority();
    let pins = pins.iter().map(|pin| (*pin).to_owned()).collect();
    ask_gateway(GatewayAddress { host: host.to_owned(), port, pins }, LIMIT).await.0
}

async fn answer(host: &str, limit: Duration) -> Answer {
    authority();
    ask(&host.parse().unwrap_or_else(|_| panic!("{host}")), &[], limit).await.answer
}

/// A name that nobody has. glibc, which wine asks too, refuses it without asking a DNS server, so that no test asks one.
const NO_SUCH_NAME: &str = "-.invalid";

const PAGE: &str = "HTTP/1.1 302 Found\r\nLocation: http://login.portal/\r\nContent-Length: 0\r\n\r\n";

fn smb_frame(response: &[u8]) -> Vec<u8> {
    [&u32::try_from(response.len()).unwrap().to_be_bytes(), response].concat()
}

/// Starts a print server that answers every request with this function of its number, and returns its port.
fn print_server(number: impl Fn(i32) -> i32 + Send + Sync + 'static) -> u16 {
    server(move |mut stream| {
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        // The body follows the head in the same or in the next packet.
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            request.extend_from_slice(&buffer[..length]);
            let Some(body) = request.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else { continue };
            let Some(four) = request.get(body + 4..body + 8) else { continue };
            let answer = ipp::tests::answer(number(i32::from_be_bytes(four.try_into().unwrap())));
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/ipp\r\nContent-Length: {}\r\n\r\n",
                answer.body().len()
            );
            let _ = stream.write_all(&[head.as_bytes(), answer.body()].concat());
            return;
        }
    })
}

#[tokio::test]
async fn a_file_server_answers_in_smb() {
    let port = answering(smb_frame(&smb::tests::response()));
    assert_eq!(answer(&format!("smb://127.0.0.1:{port}"), LIMIT).await, Answer::Correct(ENDS));
}

#[tokio::test]
async fn a_file_server_answers_in_nfs() {
    let port = server(|mut stream| {
        let mut call = [0; 44];
        if stream.read_exact(&mut call).is_ok() {
            let _ = stream.write_all(&nfs::tests::reply(&call));
        }
    });
    assert_eq!(answer(&format!("nfs://127.0.0.1:{port}"), LIMIT).await, Answer::Correct(ENDS));
    assert_eq!(answer(&format!("nfs://127.0.0.1:{}", answering(PAGE)), LIMIT).await, Answer::Wrong(ENDS));
}

#[tokio::test]
async fn a_print_server_answers_in_ipp() {
    let port = print_server(|number| number);
    assert_eq!(answer(&format!("ipp://127.0.0.1:{port}"), LIMIT).await, Answer::Correct(ENDS));
    let port = print_server(|number| number.wrapping_add(1));
    assert_eq!(
        answer(&format!("ipp://127.0.0.1:{port}"), LIMIT).await,
        Answer::Wrong(ENDS),
        "another request's answer"
    );
}

#[tokio::test]
async fn an_answer_that_is_not_of_the_protocol_is_wrong() {
    let closed = ClosedPort::new();
    let garbage: Vec<u8> = (0..=255).cycle().take(8192).collect();
    let servers = [
        ("closes", server(drop), Answer::Accepted(ENDS)),
        ("holds", holding(), Answer::Accepted(ENDS)),
        ("page", answering(PAGE), Answer::Wrong(ENDS)),
        ("garbage", answering(garbage), Answer::Wrong(ENDS)),
        ("closed", closed.number, Answer::Refused),
    ];
    for (what, port, expected) in servers {
        for scheme in ["smb", "ipp", "https"] {
            let limit = if what == "holds" { SHORT } else { LIMIT };
            let answer = answer(&format!("{scheme}://127.0.0.1:{port}"), limit).await;
            assert!(!matches!(answer, Answer::Correct(_)), "{scheme} {what}: {answer:?}");
            if scheme == "smb" {
                assert_eq!(answer, expected, "{what}");
            }
        }
    }
    let nobody = IntranetHost { host: NO_SUCH_NAME.into(), .."smb://127.0.0.1".parse().unwrap() };
    assert_eq!(ask(&nobody, &[], LIMIT).await.answer, Answer::Unresolved);
}

#[tokio::test]
async fn a_tcp_host_is_accepted_at_most() {
    assert_eq!(answer(&format!("127.0.0.1:{}", holding()), LIMIT).await, Answer::Accepted(ENDS));
}

#[cfg_attr(windows, ignore = "the authority is unknown to Windows, and wine cannot verify its signature")]
#[tokio::test]
async fn an_https_host_proves_its_identity() {
    let genuine = TlsServer::new("localhost", authority());
    assert!(matches!(answer(&format!("https://localhost:{}", genuine.port), LIMIT).await, Answer::Correct(_)));
    let other = TlsServer::new("portail.example", authority());
    assert!(matches!(answer(&format!("https://localhost:{}", other.port), LIMIT).await, Answer::Wrong(_)));
    let pinned = TlsServer::new("whatever.example", &new_authority());
    let host = format!("https://127.0.0.1:{}#{}", pinned.port, pinned.pin);
    assert_eq!(answer(&host, LIMIT).await, Answer::Correct(ENDS));
    let host = format!("https://localhost:{}#{}", genuine.port, pinned.pin);
    assert!(matches!(answer(&host, LIMIT).await, Answer::Wrong(_)), "another key");
}

#[tokio::test]
async fn a_dns_server_of_the_zone_answers() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            // A late answer to something else comes first.
            let _ = socket.send_to(&[0, 0, 0x81, 0x80], from);
            let _ = socket.send_to(&dns::tests::response(&buffer[..length]), from);
        }
    });
    let host = format!("dns://in.ac-caen.fr:{port}").parse().unwrap();
    assert_eq!(ask(&host, &[LOCALHOST], LIMIT).await.answer, Answer::Correct(ENDS));
    assert_eq!(ask(&host, &[], LIMIT).await.answer, Answer::Silent, "without a server");
}

#[cfg_attr(windows, ignore = "the authority is unknown to Windows, and wine cannot verify its signature")]
#[tokio::test]
async fn a_gateway_answers_in_its_own_name_alone() {
    let issuer = authority();
    assert_eq!(TlsServer::new("localhost", issuer).answers(&[]).await, Some(Gateway::Answered));
    let by_address = TlsServer::new("127.0.0.1", issuer);
    assert_eq!(gateway("127.0.0.1", by_address.port, &[]).await, Some(Gateway::Answered));
    assert_eq!(TlsServer::new("portail.example", issuer).answers(&[]).await, Some(Gateway::OtherName));
    let other = TlsServer::new("portail.example", &new_authority());
    assert_eq!(other.answers(&[]).await, Some(Gateway::OtherName), "from any issuer");
}

#[cfg_attr(windows, ignore = "the authority is unknown to Windows, and wine cannot verify its signature")]
#[tokio::test]
async fn an_expired_certificate_is_distinguished_from_a_wrong_clock() {
    assert_eq!(TlsServer::valid(-30, 30).answers(&[]).await, Some(Gateway::Answered));
    assert_eq!(TlsServer::valid(-30, -1).answers(&[]).await, Some(Gateway::Expired));
    assert_eq!(TlsServer::valid(2, 30).answers(&[]).await, Some(Gateway::ClockWrong), "the clock is behind");
    assert_eq!(TlsServer::valid(-900, -500).answers(&[]).await, Some(Gateway::ClockWrong), "the clock is ahead");
}

#[cfg_attr(windows, ignore = "the authority is unknown to Windows, and wine cannot verify its signature")]
#[tokio::test]
async fn an_unknown_issuer_is_distinguished_from_a_missing_one() {
    let stranger = new_authority();
    let params = || CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let whole = TlsServer::with(params(), &stranger, &[stranger.der().clone()]);
    assert_eq!(whole.answers(&[]).await, Some(Gateway::Untrusted));
    let mut middle = authority_params();
    middle.distinguished_name.push(rcgen::DnType::CommonName, "intermediate");
    let middle = CertifiedIssuer::signed_by(middle, KeyPair::generate().unwrap(), authority()).unwrap();
    let whole = TlsServer::with(params(), &middle, &[middle.der().clone()]);
    assert_eq!(whole.answers(&[]).await, Some(Gateway::Answered));
    assert_eq!(TlsServer::with(params(), &middle, &[]).answers(&[]).await, Some(Gateway::Incomplete));
}

#[tokio::test]
async fn a_pinned_key_is_the_only_one_accepted() {
    let stranger = TlsServer::new("anything.example", &new_authority());
    assert_eq!(stranger.answers(&[&stranger.pin]).await, Some(Gateway::Answered));
    let trusted = TlsServer::new("localhost", authority());
    assert_eq!(trusted.answers(&[&stranger.pin]).await, Some(Gateway::PinMismatch));
    assert_eq!(trusted.answers(&[&stranger.pin, &trusted.pin]).await, Some(Gateway::Answered));
}

#[tokio::test]
async fn a_pinned_certificate_with_its_name_in_the_subject_is_judged_by_its_key() {
    let named = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        TlsServer::with(params, &new_authority(), &[])
    };
    let pin = TlsServer::new("anything.example", &new_authority()).pin;
    assert_eq!(named("Localhost").answers(&[&pin]).await, Some(Gateway::PinMismatch));
    for portal in [named("login.portal"), TlsServer::new("login.portal", &new_authority())] {
        assert_eq!(portal.answers(&[&pin]).await, Some(Gateway::OtherName), "another host's");
    }
}

#[tokio::test]
async fn a_gateway_that_wants_a_certificate_of_this_computer_has_answered() {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(new_authority().der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = || WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider.clone()).build();
    let params = || CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    for versions in [&[&rustls::version::TLS12], rustls::ALL_VERSIONS] {
        let genuine = TlsServer::with_client_auth(params(), &new_authority(), &[], client().unwrap(), versions);
        assert_eq!(genuine.answers(&[&genuine.pin]).await, Some(Gateway::Answered), "{versions:?}");
        let other = TlsServer::with_client_auth(params(), &new_authority(), &[], client().unwrap(), versions);
        assert_eq!(other.answers(&[&genuine.pin]).await, Some(Gateway::PinMismatch), "{versions:?}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_not_the_gateway() {
    assert_eq!(gateway("localhost", answering(PAGE), &[]).await, Some(Gateway::NotTls));
}

#[tokio::test]
async fn a_server_with_only_old_tls_is_recognised() {
    // The alert "protocol version", as servers with TLS 1.0 send it, and a ServerHello of TLS 1.0.
    assert_eq!(gateway("localhost", answering([21, 3, 1, 0, 2, 2, 70]), &[]).await, Some(Gateway::OldTls));
    let hello = [vec![22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1], vec![7; 32], vec![0, 0, 47, 0]].concat();
    assert_eq!(gateway("localhost", answering(hello), &[]).await, Some(Gateway::OldTls));
}

#[tokio::test]
async fn silence_refusal_and_unknown_names_are_distinguished() {
    assert_eq!(gateway("127.0.0.1", ClosedPort::new().number, &[]).await, Some(Gateway::Refused));
    assert_eq!(gateway(NO_SUCH_NAME, 443, &[]).await, Some(Gateway::Unresolved));
    assert_eq!(gateway("localhost", server(drop), &[]).await, Some(Gateway::Refused), "closed at once");
    let silent = GatewayAddress { host: "127.0.0.1".into(), port: holding(), pins: Vec::new() };
    let begun = Instant::now();
    assert_eq!(ask_gateway(silent, SHORT).await.0, Some(Gateway::Silent));
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    // One byte of a TLS record at a time: the limit applies to the whole, not to each read.
    let drip = server(|mut stream| {
        for byte in [0x16, 3, 3, 0x40, 0].iter().cycle() {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(SHORT / 10);
        }
    });
    let stream = TcpStream::connect(("127.0.0.1", drip)).unwrap();
    let begun = std::time::Instant::now();
    assert_eq!(tls::identity(stream, "localhost", &[], begun + SHORT), Some(Gateway::Silent));
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
}

#[cfg_attr(windows, ignore = "the authority is unknown to Windows, and wine cannot verify its signature")]
#[tokio::test]
async fn the_best_gateway_decides() {
    let address = |port| GatewayAddress { host: "localhost".into(), port, pins: Vec::new() };
    let right = address(TlsServer::new("localhost", authority()).port);
    let wrong = address(TlsServer::new("elsewhere", authority()).port);
    let closed = ClosedPort::new();
    let none = address(closed.number);
    let best = async |hosts: &[&GatewayAddress]| gateways(hosts.iter().copied().cloned().collect(), LIMIT).await.0;
    assert_eq!(best(&[&none, &wrong, &right]).await, Some(Gateway::Answered));
    assert_eq!(best(&[&none, &wrong]).await, Some(Gateway::OtherName));
    assert_eq!(best(&[&none, &none]).await, Some(Gateway::Refused));
}

fn request(hosts: &[String], gateways: &[(&str, u16)]) -> ProbeRequest {
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    let gateway = |(host, port): &(&str, u16)| GatewayAddress { host: (*host).into(), port: *port, pins: Vec::new() };
    ProbeRequest {
        id: RequestId::new(7),
        hosts,
        gateways: gateways.iter().map(gateway).collect(),
        dns: Vec::new(),
        learned: None,
    }
}

#[tokio::test]
async fn the_first_strong_answer_is_reported_before_the_end() {
    let file_server = format!("smb://127.0.0.1:{}", answering(smb_frame(&smb::tests::response())));
    let hosts = [format!("smb://127.0.0.1:{}", holding()), file_server];
    let mut reports = Vec::new();
    probe(request(&hosts, &[]), SHORT, |probe| reports.push(probe)).await;
    let kinds: Vec<(bool, usize)> = reports.iter().map(|report| (report.complete, report.witnesses.len())).collect();
    assert_eq!(kinds, [(false, 1), (true, 2)]);
    let answers: Vec<Answer> = reports[1].witnesses.iter().map(|witness| witness.answer).collect();
    assert_eq!(answers, [Answer::Accepted(ENDS), Answer::Correct(ENDS)], "in the request's order");
}

/// The interface to this machine's own addresses.
fn loopback() -> u32 {
    network::interface_to(LOCALHOST).expect("every machine has one")
}

/// What a probe reports of learned servers, beside one host of the profile.
async fn learned(host: &str, interface: u32, servers: &[String]) -> Vec<(bool, Answer)> {
    let hosts = servers.iter().map(|server| server.parse().unwrap()).collect();
    let request = ProbeRequest { learned: Some(LearnedHosts { interface, hosts }), ..request(&[host.into()], &[]) };
    let mut last = None;
    probe(request, Duration::from_secs(2), |probe| last = Some(probe)).await;
    let last = last.expect("a probe reports its end");
    assert!(last.complete);
    last.witnesses.iter().map(|witness| (witness.learned, witness.answer)).collect()
}

#[tokio::test]
#[cfg_attr(windows, ignore = "wine does not look up routes (GetBestRoute2)")]
async fn learned_servers_are_asked_one_after_the_other_until_one_answers() {
    let file_server = format!("smb://127.0.0.1:{}", answering(smb_frame(&smb::tests::response())));
    let closed = ClosedPort::new();
    let silent = format!("127.0.0.1:{}", closed.number);
    let page = format!("smb://127.0.0.1:{}", answering(PAGE));
    let asked = learned(&silent, loopback(), &[page.clone(), file_server.clone(), page.clone()]).await;
    assert_eq!(
        asked,
        [(false, Answer::Refused), (true, Answer::Wrong(ENDS)), (true, Answer::Correct(ENDS))],
        "the last one need not be asked"
    );
    let asked = learned(&file_server, loopback(), &[page]).await;
    assert_eq!(asked, [(false, Answer::Correct(ENDS))], "a host of the profile has answered");
    let asked = learned(&silent, loopback() + 1, &[file_server]).await;
    assert_eq!(asked, [(false, Answer::Refused)], "it is reached by another interface");
}

#[tokio::test]
async fn a_probe_ends_without_hosts_or_gateways_too() {
    let mut reports = Vec::new();
    probe(request(&[], &[]), LIMIT, |probe| reports.push(probe)).await;
    assert!(matches!(&reports[..], [Probe { complete: true, gateway: None, .. }]), "{reports:?}");
    let (closed, mut reports) = (ClosedPort::new(), Vec::new());
    let port = closed.number;
    probe(request(&[format!("127.0.0.1:{port}")], &[("127.0.0.1", port)]), LIMIT, |probe| reports.push(probe)).await;
    let [last] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!((last.witnesses[0].answer, last.gateway), (Answer::Refused, Some(Gateway::Refused)));
}
