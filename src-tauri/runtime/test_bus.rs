//! A session bus for one test.

use std::env;
use std::process::Command;
use std::time::Duration;

/// Runs `body` on a session bus of its own, on which nothing is started on demand. The bus's address is a variable of
/// the environment, which threads share: so the test runs in a process of its own, which this starts.
pub fn alone(body: impl Future<Output = ()>) {
    const INSIDE: &str = "VIGIE_TEST_BUS";
    let thread = std::thread::current();
    // The test runner names its threads by the tests.
    let test = thread.name().expect("a test's thread has its name");
    if env::var(INSIDE).is_ok_and(|inside| inside == test) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), body).await.expect("in time") });
        return;
    }
    let output = Command::new("dbus-run-session")
        .arg(concat!("--config-file=", env!("CARGO_MANIFEST_DIR"), "/tests/desktop/harness/session.conf"))
        .arg("--")
        .arg(env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, test)
        .output()
        .expect("dbus-run-session is installed");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
