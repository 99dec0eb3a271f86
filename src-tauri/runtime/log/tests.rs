//! In processes of their own: there is one log a process.

use super::*;
use std::fs;
use std::process::{Command, Stdio};

/// Not a test of its own: what the processes below run.
#[test]
fn a_process_that_logs() {
    let Ok(what) = std::env::var("VIGIE_TEST_LOG") else { return };
    init(Some("warn"), true);
    tracing::info!("an information");
    tracing::warn!(answer = 42, "a warning");
    tracing::info!(target: "library", "a library's information");
    tracing::debug!("a detail");
    if what == "panic" {
        panic!("all is lost");
    }
}

struct Logged {
    file: String,
    stderr: String,
    names: Vec<String>,
}

fn logged(what: &str, more: &[(&str, &str)]) -> Logged {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "--nocapture", "runtime::log::tests::a_process_that_logs"])
        .env("VIGIE_TEST_LOG", what)
        .env("XDG_STATE_HOME", dir.path())
        .env_remove(VARIABLE)
        .env_remove("JOURNAL_STREAM")
        .envs(more.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("started");
    let folder = dir.path().join("vigie/log");
    let names = fs::read_dir(&folder).into_iter().flatten().flatten();
    Logged {
        file: fs::read_to_string(folder.join("vigie.log")).unwrap_or_default(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        names: names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect(),
    }
}

#[test]
fn the_file_begins_with_a_banner_and_standard_error_keeps_to_its_level() {
    let logged = logged("plain", &[]);
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
fn the_variable_overrules_and_a_wrong_one_harms_nothing() {
    let all = logged("plain", &[(VARIABLE, "debug")]);
    assert!(all.file.contains("a detail") && all.stderr.contains("a library's"), "{}", all.file);
    let wrong = logged("plain", &[(VARIABLE, "vigie=warn,=[=nonsense")]);
    assert!(wrong.file.contains("a warning") && !wrong.file.contains("an information"), "{}", wrong.file);
}

#[test]
fn a_panic_is_logged() {
    let logged = logged("panic", &[]);
    assert!(logged.file.contains("ERROR") && logged.file.contains("all is lost"), "{}", logged.file);
    assert!(logged.file.contains("log/tests.rs:"), "where it happened: {}", logged.file);
}

#[test]
fn a_state_folder_that_cannot_be_made_stops_nothing() {
    let logged = logged("plain", &[("XDG_STATE_HOME", "/proc")]);
    assert!(logged.stderr.contains("no log file") && logged.stderr.contains("a warning"), "{}", logged.stderr);
}

#[test]
fn another_streams_journal_is_not_used() {
    let logged = logged("plain", &[("JOURNAL_STREAM", "1:2")]);
    assert!(logged.stderr.contains("a warning"), "{}", logged.stderr);
}
