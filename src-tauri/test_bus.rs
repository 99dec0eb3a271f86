//! Private message buses for tests.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs};
use tempfile::TempDir;
use zbus::Connection;
use zbus::connection::Builder;

/// A private bus that starts no services, and whose address stays the same when it is restarted.
pub struct TestBus {
    folder: TempDir,
    daemon: Child,
}

impl TestBus {
    pub fn start() -> TestBus {
        let folder = tempfile::tempdir().expect("a directory");
        let daemon = TestBus::daemon(folder.path());
        TestBus { folder, daemon }
    }

    fn daemon(folder: &Path) -> Child {
        let mut daemon = Command::new("dbus-daemon")
            .arg(concat!("--config-file=", env!("CARGO_MANIFEST_DIR"), "/tests/desktop/harness/session.conf"))
            .args(["--nofork", "--print-address=1"])
            .arg(format!("--address={}", TestBus::address_in(folder)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon not found: install the test dependencies");
        // Printed when it listens.
        let output = daemon.stdout.as_mut().expect("its output is piped");
        BufReader::new(output).read_line(&mut String::new()).expect("its address");
        daemon
    }

    fn address_in(folder: &Path) -> String {
        format!("unix:path={}/bus", folder.display())
    }

    pub fn address(&self) -> String {
        TestBus::address_in(self.folder.path())
    }

    pub fn restart_after_stop(&mut self) {
        self.daemon = TestBus::daemon(self.folder.path());
    }

    pub fn stop(&mut self) {
        self.daemon.kill().expect("still running");
        self.daemon.wait().expect("our child");
        let _ = fs::remove_file(self.folder.path().join("bus"));
    }

    /// Starts a connection, to which a name or an object may be added.
    pub fn builder(&self) -> Builder<'static> {
        Builder::address(&*self.address()).expect("an address")
    }

    pub async fn connect(&self, name: Option<&'static str>) -> Connection {
        let builder = match name {
            Some(name) => self.builder().name(name).expect("a name"),
            None => self.builder(),
        };
        builder.build().await.expect("a connection")
    }
}

impl Drop for TestBus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Runs `body` with a private session bus. Its address is an environment variable, which all threads share, so the test
/// runs in a process of its own, which this starts.
pub fn with_session_bus(body: impl Future<Output = ()>) {
    const INSIDE: &str = "VIGIE_TEST_BUS";
    let thread = std::thread::current();
    // The test runner names its threads after the tests.
    let test = thread.name().expect("a test's thread has its name");
    if env::var(INSIDE).is_ok_and(|inside| inside == test) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), body).await.expect("in time") });
        return;
    }
    let bus = TestBus::start();
    let output = Command::new(env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, test)
        .env("DBUS_SESSION_BUS_ADDRESS", bus.address())
        .output()
        .expect("this program starts");
    let output_text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && output_text.contains("1 passed"), "{output_text}");
}
