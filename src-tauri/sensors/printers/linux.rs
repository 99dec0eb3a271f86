//! Asks CUPS on this computer for its queues, through IPP (<https://www.cups.org/doc/spec-ipp.html>).
//!
//! CUPS's own files and variables say where the printers are, as for `lpstat` (client.conf(5), lp(1)). A server on the
//! network is named but not asked: off site it would not answer, and its name is not to be resolved there.

use super::listed;
use crate::sensors::http;
use crate::sensors::servers::{Server, without_brackets};
use anyhow::{Context, bail};
use http_body_util::Full;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HOST};
use ipp::model::{DelimiterTag, IppVersion, Operation, StatusCode};
use ipp::parser::IppParser;
use ipp::reader::IppReader;
use ipp::request::IppRequestResponse;
use ipp::value::IppValue;
use std::io::Cursor;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use vigie_core::message::Printers;
use vigie_profile::{Protocol, read_text};

const DEFAULT_SOCKET: &str = "/run/cups/cups.sock";
const DEFAULT_PORT: u16 = 631;
/// How long CUPS may take for all answers together.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Thousands of queues fit, because only their names are requested.
const MAX_RESPONSE_BYTES: usize = 1 << 20;
const NAME: &str = "printer-name";
const DEVICE: &str = "device-uri";

/// Returns the queues of this computer, or the server that it prints through.
///
/// The default printer is the user's choice (`LPDEST`, `PRINTER`, `lpoptions -d`), otherwise the server's.
pub(super) fn read() -> anyhow::Result<Printers> {
    Settings::system().read(TIMEOUT)
}

/// Returns the servers to which the queues send, or the one that this computer prints through.
pub(super) fn servers() -> anyhow::Result<Vec<Server>> {
    Settings::system().servers(TIMEOUT)
}

/// What the user and the administrator have chosen.
#[derive(Debug, PartialEq)]
struct Settings {
    server: CupsAddress,
    default: Option<String>,
}

/// Where CUPS is.
#[derive(Debug, PartialEq)]
enum CupsAddress {
    Socket(PathBuf),
    /// On this computer, by TCP.
    Loopback(IpAddr, u16),
    /// On another computer of that name.
    Remote(String),
}

impl Settings {
    fn system() -> Settings {
        let variable = |name: &str| std::env::var(name).ok();
        Settings::new(variable, dirs::home_dir().as_deref(), Path::new("/etc/cups"))
    }

    /// The environment precedes the user's files, and these the machine's.
    fn new(variable: impl Fn(&str) -> Option<String>, home: Option<&Path>, machine: &Path) -> Settings {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let folders = home.map(|home| home.join(".cups")).into_iter().chain([machine.to_owned()]);
        let files = |name: &str| -> Vec<String> {
            folders.clone().filter_map(|folder| read_text(&folder.join(name)).ok()?).collect()
        };
        let server = variable("CUPS_SERVER").or_else(|| files("client.conf").iter().find_map(|text| server_name(text)));
        // `PRINTER=lp` is what some systems set for everybody, and means nothing.
        let default = variable("LPDEST").or_else(|| variable("PRINTER").filter(|name| name != "lp"));
        let default =
            default.or_else(|| files("lpoptions").iter().find_map(|text| default_of(text).map(str::to_owned)));
        Settings {
            server: server.map_or_else(|| CupsAddress::Socket(DEFAULT_SOCKET.into()), |name| CupsAddress::parse(&name)),
            // `NAME/instance` is a set of options for the same queue.
            default: default.and_then(|name| name.split('/').next().map(str::to_owned)),
        }
    }

    fn read(&self, limit: Duration) -> anyhow::Result<Printers> {
        if let CupsAddress::Remote(name) = &self.server {
            return Ok(Printers::Server(vigie_core::sanitize::sanitize(name)));
        }
        within(limit, async {
            let names = request(&self.server, Operation::CupsGetPrinters, NAME).await?;
            let default = request(&self.server, Operation::CupsGetDefault, NAME).await?;
            let default = self.default.clone().or_else(|| default.into_iter().next());
            Ok(Printers::Computer(listed(names, default.as_deref())))
        })
    }

    fn servers(&self, limit: Duration) -> anyhow::Result<Vec<Server>> {
        if let CupsAddress::Remote(name) = &self.server {
            return Ok(vec![(Protocol::Ipp, name.clone())]);
        }
        let devices = within(limit, request(&self.server, Operation::CupsGetPrinters, DEVICE))?;
        Ok(devices.iter().filter_map(|device| print_server(device)).collect())
    }
}

/// Waits for CUPS on this thread.
fn within<T>(limit: Duration, requests: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { tokio::time::timeout(limit, requests).await.context("CUPS does not answer")? })
}

/// Returns the server in a queue's device URI, where it speaks IPP at its usual port, or SMB. (`ipps` is the same port:
/// RFC 7472, section 4.)
fn print_server(device: &str) -> Option<Server> {
    let uri = url::Url::parse(device).ok()?;
    let protocol = match (uri.scheme(), uri.port()) {
        ("ipp" | "ipps", None | Some(DEFAULT_PORT)) | ("http" | "https", Some(DEFAULT_PORT)) => Protocol::Ipp,
        ("smb", None) => Protocol::Smb,
        _ => return None,
    };
    Some((protocol, without_brackets(uri.host_str()?).to_owned()))
}

impl CupsAddress {
    /// Parses `/path/of/socket` or `host[:port][/version=1.1]`.
    fn parse(name: &str) -> CupsAddress {
        if name.starts_with('/') {
            return CupsAddress::Socket(name.into());
        }
        let authority = name.split('/').next().unwrap_or(name);
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            // More than one colon: an IPv6 address without a port.
            None if authority.matches(':').count() > 1 => (authority, None),
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let address = match host.parse() {
            Ok(address) => Some(address),
            Err(_) if host.eq_ignore_ascii_case("localhost") => Some(IpAddr::from(Ipv4Addr::LOCALHOST)),
            Err(_) => None,
        };
        match address.filter(IpAddr::is_loopback) {
            Some(address) => {
                CupsAddress::Loopback(address, port.and_then(|port| port.parse().ok()).unwrap_or(DEFAULT_PORT))
            }
            None => CupsAddress::Remote(host.to_owned()),
        }
    }
}

/// Requests an attribute of the queues; none if the server finds none.
async fn request(server: &CupsAddress, operation: Operation, wanted: &'static str) -> anyhow::Result<Vec<String>> {
    match server {
        CupsAddress::Socket(path) => {
            let stream = UnixStream::connect(path).await.with_context(|| format!("no CUPS at {}", path.display()))?;
            exchange(stream, operation, wanted).await
        }
        CupsAddress::Loopback(address, port) => {
            let stream = TcpStream::connect((*address, *port)).await;
            exchange(stream.with_context(|| format!("no CUPS at {address} port {port}"))?, operation, wanted).await
        }
        CupsAddress::Remote(name) => bail!("the print server {name} is not asked"),
    }
}

async fn exchange<S>(stream: S, operation: Operation, attribute: &str) -> anyhow::Result<Vec<String>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut ipp = IppRequestResponse::new(IppVersion::v1_1(), operation, None)?;
    let wanted = IppValue::new_keyword(attribute)?.named(ipp::value::IppName::new("requested-attributes")?);
    ipp.attributes_mut().add(DelimiterTag::OperationAttributes, wanted);
    let request = Request::post("/").header(HOST, "localhost").header(CONTENT_TYPE, "application/ipp");
    let request = request.body(Full::new(ipp.to_bytes()))?;
    let response = http::exchange(stream, request, MAX_RESPONSE_BYTES).await.context("CUPS")?;
    values(&response, attribute)
}

fn values(response: &[u8], attribute: &str) -> anyhow::Result<Vec<String>> {
    let response = IppParser::new(IppReader::new(Cursor::new(response.to_vec()))).parse();
    let response = response.context("not an IPP response")?;
    let status = response.header().status_code();
    if status == StatusCode::ClientErrorNotFound {
        return Ok(Vec::new());
    }
    if !status.is_success() {
        bail!("CUPS: {status}");
    }
    let queues = response.attributes().groups_of(DelimiterTag::PrinterAttributes);
    let value = |queue: &ipp::attribute::IppAttributeGroup| Some(queue.get(attribute)?.value().to_string());
    Ok(queues.filter_map(value).collect())
}

/// Returns the `ServerName` of client.conf(5).
fn server_name(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default().trim();
        let (key, value) = line.split_once([' ', '\t'])?;
        let value = value.trim();
        (key.eq_ignore_ascii_case("ServerName") && !value.is_empty()).then(|| value.to_owned())
    })
}

/// Returns the default of lpoptions(1): the line `Default NAME …`.
fn default_of(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("Default "))?.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensors::test_support::{in_namespace, run};
    use proptest::prelude::*;
    use rustix::thread::UnshareFlags;
    use std::fs;
    use std::process::{Child, Command, Stdio};
    use std::time::Instant;
    use tempfile::TempDir;
    use tokio::task::spawn_blocking;

    /// A real print server with its own directory, socket and queues.
    struct Cups {
        server: Child,
        directory: TempDir,
    }

    impl Cups {
        fn start() -> Cups {
            Cups::start_with(0)
        }

        /// Also listens on a port, unless that is 0.
        fn start_with(port: u16) -> Cups {
            let directory = tempfile::tempdir().expect("a directory for cupsd");
            let root = directory.path().display().to_string();
            for below in ["spool", "spool/tmp", "cache", "run", "root"] {
                fs::create_dir(directory.path().join(below)).expect("cupsd's directories");
            }
            let everything = "<Policy default>\n<Limit All>\nOrder deny,allow\n</Limit>\n</Policy>\n";
            let tcp = if port == 0 { String::new() } else { format!("Listen 127.0.0.1:{port}\n") };
            let server = format!("Listen {root}/sock\n{tcp}WebInterface No\nBrowsing No\nLogLevel warn\n{everything}");
            fs::write(directory.path().join("cupsd.conf"), server).expect("cupsd.conf");
            let files = format!(
                "FileDevice Yes\nServerRoot {root}/root\nRequestRoot {root}/spool\nTempDir {root}/spool/tmp\n\
                 CacheDir {root}/cache\nStateDir {root}/run\nAccessLog {root}/access\nErrorLog {root}/error\n\
                 PageLog {root}/page\n"
            );
            fs::write(directory.path().join("cups-files.conf"), files).expect("cups-files.conf");
            let server = Command::new("/usr/sbin/cupsd")
                .args(["-f", "-c", &format!("{root}/cupsd.conf"), "-s", &format!("{root}/cups-files.conf")])
                .stdout(Stdio::null())
                .spawn()
                .expect("cupsd not found: run scripts/setup test");
            let cups = Cups { server, directory };
            let started = Instant::now();
            while std::os::unix::net::UnixStream::connect(cups.socket()).is_err() {
                let log = fs::read_to_string(cups.directory.path().join("error")).unwrap_or_default();
                assert!(started.elapsed() < Duration::from_secs(20), "cupsd does not listen: {log}");
                std::thread::sleep(Duration::from_millis(20));
            }
            cups
        }

        fn socket(&self) -> std::path::PathBuf {
            self.directory.path().join("sock")
        }

        fn admin(&self, arguments: &[&str]) {
            let socket = self.socket().display().to_string();
            let done = Command::new("lpadmin").args(["-h", &socket]).args(arguments).output();
            let done = done.expect("lpadmin not found: run scripts/setup test");
            assert!(done.status.success(), "lpadmin {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        }

        fn add(&self, name: &str) {
            self.admin(&["-p", name, "-E", "-v", "file:///dev/null", "-m", "raw"]);
        }

        fn shown(&self, default: Option<&str>) -> Vec<(String, bool)> {
            shown(CupsAddress::Socket(self.socket()), default)
        }
    }

    fn shown(server: CupsAddress, default: Option<&str>) -> Vec<(String, bool)> {
        let settings = Settings { server, default: default.map(str::to_owned) };
        match settings.read(TIMEOUT).expect("cupsd answers") {
            Printers::Computer(printers) => {
                printers.into_iter().map(|printer| (printer.name, printer.default)).collect()
            }
            Printers::Server(name) => panic!("a server: {name}"),
        }
    }

    impl Drop for Cups {
        fn drop(&mut self) {
            self.server.kill().expect("cupsd is running");
            self.server.wait().expect("cupsd is our child");
        }
    }

    fn queue(name: &str, default: bool) -> (String, bool) {
        (name.to_owned(), default)
    }

    #[test]
    fn a_real_server_lists_its_queues_and_the_default() {
        let cups = Cups::start();
        assert_eq!(cups.shown(None), []);
        cups.add("I14RC-DSI-RDC");
        cups.add("I76RC-DSI04-B4");
        assert_eq!(cups.shown(None), [queue("I14RC-DSI-RDC", false), queue("I76RC-DSI04-B4", false)]);
        cups.admin(&["-d", "I76RC-DSI04-B4"]);
        assert_eq!(cups.shown(None), [queue("I76RC-DSI04-B4", true), queue("I14RC-DSI-RDC", false)]);
        // The user's choice precedes the server's, even if it is a printer that CUPS only finds on the network.
        assert_eq!(cups.shown(Some("I14RC-DSI-RDC")), [queue("I14RC-DSI-RDC", true), queue("I76RC-DSI04-B4", false)]);
        assert_eq!(cups.shown(Some("Copieur_DSI"))[0], queue("Copieur_DSI", true));
        assert_eq!(cups.shown(Some("Copieur_DSI")).iter().filter(|(_, default)| *default).count(), 1);
    }

    #[test]
    fn the_servers_of_a_real_servers_queues_are_found() {
        let cups = Cups::start();
        cups.admin(&["-p", "Bureau", "-E", "-v", "ipp://172.26.66.73/printers/Bureau", "-m", "raw"]);
        cups.add("Fichier");
        let settings = Settings { server: CupsAddress::Socket(cups.socket()), default: None };
        assert_eq!(settings.servers(TIMEOUT).expect("cupsd answers"), [(Protocol::Ipp, "172.26.66.73".to_owned())]);
        let elsewhere = Settings { server: CupsAddress::Remote("imprimantes.ac-caen.fr".into()), default: None };
        let server = elsewhere.servers(TIMEOUT).expect("nobody is asked");
        assert_eq!(server, [(Protocol::Ipp, "imprimantes.ac-caen.fr".to_owned())]);
    }

    #[test]
    fn a_device_names_its_server_where_it_speaks_ipp_or_smb() {
        for (device, server) in [
            ("ipp://172.26.66.73:631/printers/a", Some((Protocol::Ipp, "172.26.66.73"))),
            ("ipps://imprimantes.test/printers/a", Some((Protocol::Ipp, "imprimantes.test"))),
            ("http://[2001:db8::3]:631/printers/a", Some((Protocol::Ipp, "2001:db8::3"))),
            ("smb://mdupont:secret@serveur/file", Some((Protocol::Smb, "serveur"))),
            ("http://192.168.1.30/", None),
            ("ipp://192.168.1.30:8631/", None),
            ("socket://192.168.1.30:9100", None),
            ("dnssd://Bureau._ipp._tcp.local/", None),
            ("usb://HP/LaserJet", None),
            ("file:///dev/null", None),
        ] {
            let server = server.map(|(protocol, host)| (protocol, host.to_owned()));
            assert_eq!(print_server(device), server, "{device}");
        }
    }

    #[test]
    fn a_server_on_the_loopback_interface_is_asked() {
        in_namespace(UnshareFlags::NEWNET, async {
            run("ip link set lo up");
            let cups = Cups::start_with(8631);
            cups.add("I14RC-DSI-RDC");
            let printers = spawn_blocking(|| shown(CupsAddress::parse("localhost:8631"), None)).await;
            assert_eq!(printers.expect("cupsd is read"), [queue("I14RC-DSI-RDC", false)]);
        });
    }

    fn settings(variables: &[(&str, &str)], home: &Path, machine: &Path) -> Settings {
        let variable =
            |wanted: &str| variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
        Settings::new(variable, Some(home), machine)
    }

    #[test]
    fn server_and_default_come_from_the_environment_the_user_and_the_machine() {
        let folder = tempfile::tempdir().expect("a directory");
        let (home, machine) = (folder.path().join("home"), folder.path().join("etc"));
        for folder in [&home.join(".cups"), &machine] {
            fs::create_dir_all(folder).expect("created");
        }
        let read = |variables: &[(&str, &str)]| settings(variables, &home, &machine);
        let local = CupsAddress::Socket(DEFAULT_SOCKET.into());
        assert_eq!(read(&[]), Settings { server: local, default: None });

        fs::write(machine.join("client.conf"), "# \n servername\t10.9.0.5 # in Caen\n").expect("written");
        fs::write(machine.join("lpoptions"), "Default I14RC-DSI-RDC\n").expect("written");
        assert_eq!(read(&[]).server, CupsAddress::Remote("10.9.0.5".into()));
        assert_eq!(read(&[]).default.as_deref(), Some("I14RC-DSI-RDC"));

        fs::write(home.join(".cups/client.conf"), "ServerName imprimantes.ac-caen.fr:631/version=1.1\n")
            .expect("written");
        fs::write(home.join(".cups/lpoptions"), "Dest a sides=two-sided\nDefault I76RC-DSI04-B4/duplex media=A4\n")
            .expect("written");
        assert_eq!(read(&[]).server, CupsAddress::Remote("imprimantes.ac-caen.fr".into()));
        assert_eq!(read(&[]).default.as_deref(), Some("I76RC-DSI04-B4"));

        let variables = [("CUPS_SERVER", "/run/other.sock"), ("LPDEST", "L"), ("PRINTER", "P")];
        assert_eq!(read(&variables).server, CupsAddress::Socket("/run/other.sock".into()));
        assert_eq!(read(&variables).default.as_deref(), Some("L"));
        assert_eq!(read(&[("PRINTER", "P")]).default.as_deref(), Some("P"));
        assert_eq!(read(&[("PRINTER", "lp"), ("LPDEST", "")]).default.as_deref(), Some("I76RC-DSI04-B4"));

        // A FIFO is not opened: nobody would ever write into it.
        fs::remove_file(home.join(".cups/lpoptions")).expect("removed");
        let fifo = home.join(".cups/lpoptions");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
        assert_eq!(read(&[]).default.as_deref(), Some("I14RC-DSI-RDC"));
    }

    #[test]
    fn only_this_computer_is_asked() {
        let loopback = |text: &str, port| CupsAddress::Loopback(text.parse().expect("an address"), port);
        for (name, server) in [
            ("/run/cups/cups.sock", CupsAddress::Socket("/run/cups/cups.sock".into())),
            ("localhost", loopback("127.0.0.1", 631)),
            ("LOCALHOST:8631", loopback("127.0.0.1", 8631)),
            ("127.0.0.2:631/version=1.1", loopback("127.0.0.2", 631)),
            ("[::1]:8631", loopback("::1", 8631)),
            ("::1", loopback("::1", 631)),
            ("172.26.66.73", CupsAddress::Remote("172.26.66.73".into())),
            ("localhost.ac-caen.fr", CupsAddress::Remote("localhost.ac-caen.fr".into())),
            ("[2001:db8::1]:631", CupsAddress::Remote("2001:db8::1".into())),
        ] {
            assert_eq!(CupsAddress::parse(name), server, "{name}");
        }
        let settings = Settings { server: CupsAddress::parse("serveur\u{202e}\u{1b}:631"), default: None };
        assert_eq!(settings.read(TIMEOUT).expect("not asked"), Printers::Server("serveur".into()));
    }

    #[test]
    fn a_missing_server_is_reported() {
        let server = CupsAddress::Socket("/nowhere/cups.sock".into());
        let error = Settings { server, default: None }.read(TIMEOUT).expect_err("nothing listens there");
        assert!(format!("{error:#}").starts_with("no CUPS at /nowhere/cups.sock"), "{error:#}");
    }

    #[test]
    fn a_server_that_does_not_answer_is_given_up() {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        let settings = Settings { server: CupsAddress::Socket(path), default: None };
        let error = settings.read(Duration::from_millis(50)).expect_err("it never answers");
        assert!(format!("{error:#}").starts_with("CUPS does not answer"), "{error:#}");
    }

    #[test]
    fn responses_that_are_not_ipp_are_errors() {
        assert!(values(b"", NAME).is_err());
        assert!(values(b"<html>", NAME).is_err());
        let refused = IppRequestResponse::new_response(IppVersion::v1_1(), StatusCode::ClientErrorForbidden, 1);
        assert!(values(&refused.expect("a response").to_bytes(), NAME).is_err());
    }

    proptest! {
        #[test]
        fn no_response_panics(start in 0..9_usize, rest in prop::collection::vec(any::<u8>(), 0..200)) {
            let header = [1, 1, 0, 0, 0, 0, 0, 1, 4];
            let _ = values(&[&header[..start], &rest].concat(), NAME);
        }

        #[test]
        fn no_configuration_panics(text in ".{0,60}") {
            let _ = (server_name(&text), default_of(&text), CupsAddress::parse(&text));
        }
    }

    #[test]
    fn the_default_of_lpoptions_is_read() {
        let options = "Dest a sides=two-sided\nDefault I14RC-DSI-RDC/duplex media=A4\n";
        assert_eq!(default_of(options), Some("I14RC-DSI-RDC/duplex"));
        for none in ["Dest a\n", "Default \n", ""] {
            assert_eq!(default_of(none), None, "{none:?}");
        }
    }
}
