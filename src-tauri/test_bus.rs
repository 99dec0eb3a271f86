//! Private message buses for tests.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, Once, PoisonError};
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
    /// Starts a bus in a temporary folder.
    pub fn start() -> TestBus {
        TestBus::in_folder(tempfile::tempdir().expect("a directory"))
    }

    fn in_folder(folder: TempDir) -> TestBus {
        let daemon = TestBus::spawn_daemon(folder.path());
        TestBus { folder, daemon }
    }

    /// Starts the daemon, and waits until it listens.
    fn spawn_daemon(folder: &Path) -> Child {
        let mut daemon = Command::new("dbus-daemon")
            .arg(concat!("--config-file=", env!("CARGO_MANIFEST_DIR"), "/tests/desktop/harness/session.conf"))
            .args(["--nofork", "--print-address=1"])
            .arg(format!("--address={}", TestBus::address_in(folder)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon not found: run scripts/setup test");
        // The daemon prints its address once it listens.
        let output = daemon.stdout.as_mut().expect("its output is piped");
        BufReader::new(output).read_line(&mut String::new()).expect("its address");
        daemon
    }

    fn address_in(folder: &Path) -> String {
        format!("unix:path={}/bus", folder.display())
    }

    /// Returns the address, for `DBUS_SESSION_BUS_ADDRESS`.
    pub fn address(&self) -> String {
        TestBus::address_in(self.folder.path())
    }

    /// Starts the bus again after [`TestBus::stop`], at the same address.
    pub fn restart_after_stop(&mut self) {
        self.daemon = TestBus::spawn_daemon(self.folder.path());
    }

    /// Ends the daemon, and waits for its end: its clients lose their connections.
    pub fn stop(&mut self) {
        self.daemon.kill().expect("still running");
        self.daemon.wait().expect("a child of this process");
        let _ = fs::remove_file(self.folder.path().join("bus"));
    }

    /// Returns a builder of a connection to this bus, to which a name or an object may be added.
    pub fn builder(&self) -> Builder<'static> {
        Builder::address(&*self.address()).expect("an address")
    }

    /// Connects to this bus, under `name` if there is one.
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

/// Runs `body` with a private session bus. The libraries read its address from the environment, which all threads share,
/// so such tests run one after the other, each with a new bus at the same address.
pub fn with_session_bus(body: impl Future<Output = ()>) {
    static TURN: Mutex<()> = Mutex::new(());
    static ADDRESS: Once = Once::new();
    // A test that failed has poisoned it.
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let name = format!("vigie-test-bus-{}", std::process::id());
    let folder = tempfile::Builder::new().prefix(&name).rand_bytes(0).tempdir().expect("a directory");
    let bus = TestBus::in_folder(folder);
    // SAFETY: set once, before the first test that reads it.
    ADDRESS.call_once(|| unsafe { env::set_var("DBUS_SESSION_BUS_ADDRESS", bus.address()) });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(body);
}
