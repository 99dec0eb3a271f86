//! The program as it is installed, without the rights and the client that it needs for more.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::process::{Command, Output, Stdio};
use vigie_openconnect::{REFUSED, STARTED};

/// Everything that is linked into the program that runs as root, build-time crates and versions apart. Whoever adds a
/// line here has read what they add.
const DEPENDENCIES: &str = include_str!("dependencies.txt");

fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigie-openconnect"));
    let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // A program that has refused its arguments reads no input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn assert_refused(output: &Output, why: &str) {
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed.lines().last(), Some(format!("{REFUSED}: {why}").as_str()), "{printed}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn arguments_are_refused_before_anything_is_read() {
    let output = run(&["--help"], "");
    assert_refused(&output, "no arguments are taken");
    assert!(!String::from_utf8_lossy(&output.stdout).contains(STARTED));
}

#[test]
fn bad_input_is_refused() {
    for (input, why) in [
        ("", "the input ended too early"),
        ("caen\nmdupont\n", "the input ended too early"),
        ("nowhere\nmdupont\n1234123456\n", "no such site"),
        ("nowhere\tAgents\nmdupont\n1234123456\n", "no such site"),
        ("caen\t\nmdupont\n1234123456\n", "no such group"),
        ("caen\tAg\tents\nmdupont\n1234123456\n", "no such group"),
        ("caen\n--script=/tmp/x\n1234123456\n", "no such identifier"),
        ("caen\nm dupont\n1234123456\n", "no such identifier"),
        ("caen\nmdupont\n\n", "no such passcode"),
        ("caen\nmdupont\n1234 123456\n", "no such passcode"),
        ("caen\nmdüpont\n1234123456\n", "a line is too long, or not plain"),
    ] {
        assert_refused(&run(&[], input), why);
    }
    assert_refused(&run(&[], &"x".repeat(4096)), "a line is too long, or not plain");
}

#[test]
fn it_links_what_was_read_and_nothing_else() {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["tree", "--locked", "--package", "vigie-openconnect", "--edges", "normal,no-proc-macro"]);
    command.args(["--target", "x86_64-unknown-linux-gnu", "--prefix", "none", "--format", "{lib}"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut linked: Vec<_> = std::str::from_utf8(&output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.trim_end_matches("(*)").trim_end())
        .collect();
    linked.sort_unstable();
    linked.dedup();
    assert_eq!(linked, DEPENDENCIES.lines().collect::<Vec<_>>());
}
