//! CUPS, asked through IPP on its local socket (<https://www.cups.org/doc/spec-ipp.html>).

use super::listed;
use crate::sensors::http;
use anyhow::{Context, bail};
use http_body_util::Full;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HOST};
use ipp::model::{DelimiterTag, IppVersion, Operation, StatusCode};
use ipp::parser::IppParser;
use ipp::reader::IppReader;
use ipp::request::IppRequestResponse;
use ipp::value::IppValue;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use vigie_core::message::Printer;

const SOCKET: &str = "/run/cups/cups.sock";
const TIMEOUT: Duration = Duration::from_secs(5);
/// Asked for the name alone, a server with thousands of queues stays below it.
const MOST_BYTES: usize = 1 << 20;

/// The local server's queues. The default one is the user's (`lpoptions -d`), else the server's.
pub(super) fn read() -> anyhow::Result<Vec<Printer>> {
    let options = dirs::home_dir().and_then(|home| fs::read_to_string(home.join(".cups/lpoptions")).ok());
    from(Path::new(SOCKET), chosen(&options.unwrap_or_default()))
}

fn from(socket: &Path, chosen: Option<&str>) -> anyhow::Result<Vec<Printer>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let asked = async {
            let names = ask(socket, Operation::CupsGetPrinters).await?;
            let default = ask(socket, Operation::CupsGetDefault).await?;
            let chosen = chosen.filter(|chosen| names.iter().any(|name| name == chosen));
            let default = chosen.or_else(|| default.first().map(String::as_str)).map(str::to_owned);
            anyhow::Ok(listed(names, default.as_deref()))
        };
        tokio::time::timeout(TIMEOUT, asked).await.context("CUPS does not answer")?
    })
}

/// The names of the queues in the answer; none where the server finds none.
async fn ask(socket: &Path, operation: Operation) -> anyhow::Result<Vec<String>> {
    let mut question = IppRequestResponse::new(IppVersion::v1_1(), operation, None)?;
    let wanted = IppValue::new_keyword(NAME)?.named(ipp::value::IppName::new("requested-attributes")?);
    question.attributes_mut().add(DelimiterTag::OperationAttributes, wanted);
    let request = Request::post("/").header(HOST, "localhost").header(CONTENT_TYPE, "application/ipp");
    let request = request.body(Full::new(question.to_bytes()))?;
    let stream = UnixStream::connect(socket).await.with_context(|| format!("no CUPS at {}", socket.display()))?;
    let answer = http::exchange(stream, request, MOST_BYTES).await.context("CUPS")?;
    names(&answer)
}

fn names(answer: &[u8]) -> anyhow::Result<Vec<String>> {
    let answer = IppParser::new(IppReader::new(Cursor::new(answer.to_vec()))).parse().context("not an IPP answer")?;
    let status = answer.header().status_code();
    if status == StatusCode::ClientErrorNotFound {
        return Ok(Vec::new());
    }
    if !status.is_success() {
        bail!("CUPS: {status}");
    }
    let queues = answer.attributes().groups_of(DelimiterTag::PrinterAttributes);
    let name = |queue: &ipp::attribute::IppAttributeGroup| Some(queue.get(NAME)?.value().to_string());
    Ok(queues.filter_map(name).collect())
}

const NAME: &str = "printer-name";

/// The user's own default: the line `Default NAME …` of lpoptions(1)'s file. (`NAME/instance` is a set of options for
/// the same queue.)
fn chosen(options: &str) -> Option<&str> {
    let name = options.lines().find_map(|line| line.strip_prefix("Default "))?.split_whitespace().next()?;
    name.split('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};
    use std::time::Instant;
    use tempfile::TempDir;

    /// A real print server with a directory, a socket and queues of its own.
    struct Cups {
        server: Child,
        directory: TempDir,
    }

    impl Cups {
        fn start() -> Cups {
            let directory = tempfile::tempdir().expect("a directory for cupsd");
            let root = directory.path().display().to_string();
            for below in ["spool", "spool/tmp", "cache", "run", "root"] {
                fs::create_dir(directory.path().join(below)).expect("cupsd's directories");
            }
            let everything = "<Policy default>\n<Limit All>\nOrder deny,allow\n</Limit>\n</Policy>\n";
            let server = format!("Listen {root}/sock\nWebInterface No\nBrowsing No\nLogLevel warn\n{everything}");
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
                .expect("cupsd is installed");
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
            let done = Command::new("lpadmin").args(["-h", &socket]).args(arguments).output().expect("lpadmin");
            assert!(done.status.success(), "lpadmin {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        }

        fn add(&self, name: &str) {
            self.admin(&["-p", name, "-E", "-v", "file:///dev/null", "-m", "raw"]);
        }

        fn shown(&self, chosen: Option<&str>) -> Vec<(String, bool)> {
            let printers = from(&self.socket(), chosen).expect("cupsd answers");
            printers.into_iter().map(|printer| (printer.name, printer.default)).collect()
        }
    }

    impl Drop for Cups {
        fn drop(&mut self) {
            self.server.kill().expect("cupsd runs until here");
            self.server.wait().expect("cupsd was ours");
        }
    }

    #[test]
    fn a_real_server_tells_its_queues_and_the_default() {
        let cups = Cups::start();
        assert_eq!(cups.shown(None), []);
        cups.add("I14RC-DSI-RDC");
        cups.add("I76RC-DSI04-B4");
        let queue = |name: &str, default| (name.to_owned(), default);
        assert_eq!(cups.shown(None), [queue("I14RC-DSI-RDC", false), queue("I76RC-DSI04-B4", false)]);
        cups.admin(&["-d", "I76RC-DSI04-B4"]);
        assert_eq!(cups.shown(None), [queue("I76RC-DSI04-B4", true), queue("I14RC-DSI-RDC", false)]);
        // The user's choice wins over the server's, as long as the queue exists.
        assert_eq!(cups.shown(Some("I14RC-DSI-RDC")), [queue("I14RC-DSI-RDC", true), queue("I76RC-DSI04-B4", false)]);
        assert_eq!(cups.shown(Some("gone"))[0], queue("I76RC-DSI04-B4", true));
    }

    #[test]
    fn no_server_is_said() {
        let error = from(Path::new("/nowhere/cups.sock"), None).expect_err("nothing listens there");
        assert!(format!("{error:#}").starts_with("no CUPS at /nowhere/cups.sock"), "{error:#}");
    }

    #[test]
    fn an_answer_that_is_not_ipp_is_an_error() {
        assert!(names(b"").is_err());
        assert!(names(b"<html>").is_err());
        let refused = IppRequestResponse::new_response(IppVersion::v1_1(), StatusCode::ClientErrorForbidden, 1);
        assert!(names(&refused.expect("a response").to_bytes()).is_err());
    }

    #[test]
    fn the_users_default_is_read() {
        assert_eq!(chosen("Dest a sides=two-sided\nDefault I14RC-DSI-RDC/duplex media=A4\n"), Some("I14RC-DSI-RDC"));
        assert_eq!(chosen("Dest a\n"), None);
        assert_eq!(chosen("Default \n"), None);
        assert_eq!(chosen(""), None);
    }
}
