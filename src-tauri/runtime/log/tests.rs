//! There is one log in a process, so each test runs once more in a process of its own.

use super::*;
use std::fs;
use std::process::{Command, Stdio};

/// Says that this is the process of its own.
const INSIDE: &str = "VIGIE_TEST_LOG";

struct Logged {
    file: String,
    stderr: String,
    names: Vec<String>,
}

/// Returns what `body` logs in a process of its own with these variables; `None` in that process, which ends with `body`.
fn logged(variables: &[(&str, &str)], body: fn()) -> Option<Logged> {
    if std::env::var_os(INSIDE).is_some() {
        init(Some("warn"), true);
        body();
        return None;
    }
    let thread = std::thread::current();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(std::env::current_exe().expect("this program"))
        // The test runner names its threads after the tests.
        .args(["--exact", "--nocapture", thread.name().expect("a test's thread has its name")])
        .env(INSIDE, "1")
        .env("XDG_STATE_HOME", dir.path())
        .env_remove(VARIABLE)
        .env_remove("JOURNAL_STREAM")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("started");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("running 1 test"), "{printed}");
    let folder = dir.path().join("vigie/log");
    let names = fs::read_dir(&folder).into_iter().flatten().flatten();
    Some(Logged {
        file: fs::read_to_string(folder.join("vigie.log")).unwrap_or_default(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        names: names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect(),
    })
}

fn of_every_level() {
    tracing::info!("an information");
    tracing::warn!(answer = 42, "a warning");
    tracing::info!(target: "library", "a library's information");
    tracing::debug!("a detail");
}

#[test]
fn the_file_begins_with_a_banner_and_standard_error_has_its_own_level() {
    let Some(logged) = logged(&[], of_every_level) else { return };
    let first = logged.file.lines().next().expect("a banner");
    assert!(first.contains(concat!("Vigie ", env!("CARGO_PKG_VERSION"), " on ")), "{first}");
    assert!(first.contains(std::env::consts::ARCH), "{first}");
    assert!(logged.file.contains("an information") && logged.file.contains("a warning answer=42"), "{}", logged.file);
    assert!(!logged.file.contains("a library's") && !logged.file.contains("a detail"), "{}", logged.file);
    assert!(!logged.file.contains('\u{1b}'), "no colours in a file");
    assert!(logged.stderr.contains("a warning") && !logged.stderr.contains("an information"), "{}", logged.stderr);
    // The day's file and the link to it.
    assert_eq!(logged.names.len(), 2, "{:?}", logged.names);
}

#[test]
fn the_variable_overrides_the_levels_and_a_wrong_one_does_no_harm() {
    let Some(all) = logged(&[(VARIABLE, "debug")], of_every_level) else { return };
    assert!(all.file.contains("a detail") && all.stderr.contains("a library's"), "{}", all.file);
    let Some(wrong) = logged(&[(VARIABLE, "vigie=warn,=[=nonsense")], of_every_level) else { return };
    assert!(wrong.file.contains("a warning") && !wrong.file.contains("an information"), "{}", wrong.file);
}

#[test]
fn a_panic_is_logged() {
    let Some(logged) = logged(&[], || panic!("all is lost")) else { return };
    assert!(logged.file.contains("ERROR") && logged.file.contains("all is lost"), "{}", logged.file);
    assert!(logged.file.contains("log/tests.rs:"), "where it happened: {}", logged.file);
}

#[test]
fn a_state_folder_that_cannot_be_created_is_only_reported() {
    let Some(logged) = logged(&[("XDG_STATE_HOME", "/proc")], of_every_level) else { return };
    assert!(logged.stderr.contains("no log file") && logged.stderr.contains("a warning"), "{}", logged.stderr);
}

#[test]
fn another_streams_journal_is_not_used() {
    let Some(logged) = logged(&[("JOURNAL_STREAM", "1:2")], of_every_level) else { return };
    assert!(logged.stderr.contains("a warning"), "{}", logged.stderr);
}
