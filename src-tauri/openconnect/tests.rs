//! Tests of the installed program: what it refuses, what it links, and how it ends the client, which is a fake.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in tests, not in their helpers")]

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use vigie_openconnect::{PROGRAMS, REFUSED, STARTED};

/// The crates that are linked into the program that runs as root, without build-time crates and versions. Read a crate
/// before you add it.
const DEPENDENCIES: &str = include_str!("dependencies.txt");

fn run(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigie-openconnect"));
    let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Fails if the program has refused its arguments already.
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
fn invalid_input_is_refused() {
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
fn linked_crates_are_those_of_the_list() {
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

/// The program with a fake `openconnect`, in a mount namespace of its own.
struct Connected {
    folder: tempfile::TempDir,
    program: Child,
    client: OwnedFd,
}

impl Drop for Connected {
    fn drop(&mut self) {
        let _ = pidfd_send_signal(&self.client, Signal::INT);
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

impl Connected {
    fn start() -> Connected {
        Connected::start_with(|signals| format!("trap 'echo INT > {signals}; kill $!; exit 3' INT"))
    }

    /// As [`Connected::start`], with what the client does at a signal, given the file in which it may record it.
    fn start_with(trap: impl FnOnce(&str) -> String) -> Connected {
        let client = PROGRAMS.iter().find(|path| fs::exists(path).unwrap());
        let client = client.expect("openconnect is not installed: run `scripts/setup test`");
        let folder = tempfile::tempdir().unwrap();
        let stand_in = folder.path().join("openconnect");
        let signals = folder.path().join("signals");
        let script = format!(
            "#!/bin/sh\nread -r passcode\nsleep 600 &\n{}\necho $$\nwait\n",
            trap(&signals.display().to_string())
        );
        fs::write(&stand_in, script).unwrap();
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "--", "env", "--default-signal=INT", "sh", "-c"]);
        command.args(["chmod +x \"$1\" && mount --bind \"$1\" \"$2\" && exec \"$3\"", "sh"]).arg(&stand_in);
        command.args([*client, env!("CARGO_BIN_EXE_vigie-openconnect")]);
        let mut program = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        program.stdin.as_mut().unwrap().write_all(b"caen\nmdupont\n1234123456\n").unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), STARTED);
        let client = Pid::from_raw(lines.next().unwrap().unwrap().parse().unwrap());
        Connected { folder, program, client: pidfd_open(client.unwrap(), PidfdFlags::empty()).unwrap() }
    }

    fn signals(&self) -> PathBuf {
        self.folder.path().join("signals")
    }

    #[track_caller]
    fn assert_client_is_interrupted(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while fs::read_to_string(self.signals()).unwrap_or_default() != "INT\n" {
            assert!(Instant::now() < deadline, "the client was not interrupted");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn client_ends_if_the_program_is_killed() {
    let mut connected = Connected::start();
    connected.program.kill().unwrap();
    connected.assert_client_is_interrupted();
    connected.program.wait().unwrap();
}

#[test]
fn client_that_heeds_no_signal_is_killed_if_the_program_is() {
    let mut connected = Connected::start_with(|_| "trap '' INT; kill $!; echo $$; exec sleep 60".into());
    connected.program.kill().unwrap();
    let mut ended = [PollFd::new(&connected.client, PollFlags::IN)];
    let limit = Timespec { tv_sec: 20, tv_nsec: 0 };
    assert_eq!(poll(&mut ended, Some(&limit)), Ok(1), "the client still runs");
    connected.program.wait().unwrap();
}

#[test]
fn client_ends_with_the_input() {
    let mut connected = Connected::start();
    drop(connected.program.stdin.take());
    connected.assert_client_is_interrupted();
    assert_eq!(connected.program.wait().unwrap().code(), Some(3));
}

#[test]
fn client_ends_if_more_than_three_lines_come() {
    let mut connected = Connected::start();
    let mut input = connected.program.stdin.take().unwrap();
    while input.write_all(&[b'x'; 4096]).is_ok() {
        if connected.signals().exists() {
            break;
        }
    }
    connected.assert_client_is_interrupted();
    assert_eq!(connected.program.wait().unwrap().code(), Some(3));
}
