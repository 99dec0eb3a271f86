//! The log. There is one in a process, so that each test starts a process of its own.

use crate::harness::test_helper;
use std::fs;
use std::process::{Command, Stdio};
use vigie::runtime::log::VARIABLE;

struct Logged {
    file: String,
    stderr: String,
    names: Vec<String>,
}

/// Returns what a part of the helper program logs, with these variables.
fn logged(variables: &[(&str, &str)], part: &str) -> Logged {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(test_helper())
        .arg(part)
        .env("XDG_STATE_HOME", dir.path())
        .env_remove(VARIABLE)
        .env_remove("JOURNAL_STREAM")
        .envs(variables.iter().copied())
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
fn the_file_begins_with_a_banner_and_standard_error_has_its_own_level() {
    let logged = logged(&[], "log");
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
    let all = logged(&[(VARIABLE, "debug")], "log");
    assert!(all.file.contains("a detail") && all.stderr.contains("a library's"), "{}", all.file);
    let wrong = logged(&[(VARIABLE, "vigie=warn,=[=nonsense")], "log");
    assert!(wrong.file.contains("a warning") && !wrong.file.contains("an information"), "{}", wrong.file);
    assert!(wrong.stderr.contains("VIGIE_LOG: `=[=nonsense` is ignored"), "{}", wrong.stderr);
    let nothing_valid = logged(&[(VARIABLE, "=[=nonsense")], "log");
    assert!(nothing_valid.file.contains("an information"), "{}", nothing_valid.file);
}

#[test]
fn a_panic_is_logged() {
    let logged = logged(&[], "log-panic");
    assert!(logged.file.contains("ERROR") && logged.file.contains("all is lost"), "{}", logged.file);
    assert!(logged.file.contains("helper/log.rs:"), "where it happened: {}", logged.file);
}

#[test]
fn a_state_folder_that_cannot_be_created_is_only_reported() {
    let logged = logged(&[("XDG_STATE_HOME", "/proc")], "log");
    assert!(logged.stderr.contains("no log file") && logged.stderr.contains("a warning"), "{}", logged.stderr);
}

#[test]
fn another_streams_journal_is_not_used() {
    let logged = logged(&[("JOURNAL_STREAM", "1:2")], "log");
    assert!(logged.stderr.contains("a warning"), "{}", logged.stderr);
}
