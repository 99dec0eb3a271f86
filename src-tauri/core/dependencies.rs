//! The pure crates stay pure: what must not be in their dependency trees.
#![expect(clippy::disallowed_types, reason = "the test itself runs cargo")]

use std::process::Command;

/// Crates that reach files, the clock, processes, the network or a runtime.
const IMPURE: [&str; 16] = [
    "chrono",
    "dirs",
    "gtk",
    "hyper",
    "icalendar",
    "libc",
    "mio",
    "rustix",
    "rustls",
    "sysinfo",
    "tauri",
    "tempfile",
    "tokio",
    "which",
    "whoami",
    "zbus",
];

/// The crates that `cargo tree` lists for a package, for every system, as Cargo builds it alone.
fn tree(package: &str, edges: &str) -> Vec<String> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["tree", "--locked", "--package", package, "--target", "all", "--edges", edges, "--prefix", "none"]);
    let output = command.output().expect("cargo runs its own tests");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn the_pure_crates_depend_on_nothing_impure() {
    for package in ["vigie-profile", "vigie-core", "vigie-view"] {
        let crates = tree(package, "normal,no-proc-macro");
        assert!(crates.iter().any(|line| line.starts_with("jiff ")), "{package}: {crates:?}");
        for line in &crates {
            let name = line.split(' ').next().unwrap_or_default();
            let impure = IMPURE.contains(&name) || name.starts_with("windows");
            assert!(!impure, "{package} must not depend on {line}");
        }
        // With `std`, jiff reads the clock, and time zones from files.
        let features = tree(package, "features,normal");
        assert!(!features.iter().any(|line| line.starts_with("jiff feature \"std\"")), "{package} has jiff's clock");
    }
}
