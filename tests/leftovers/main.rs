//! Nothing is left of the academy in miniature, in whatever way it ends: no process, namespace, mount or file. It has a test
//! program of its own, so that no other test changes what is counted.
#![cfg(target_os = "linux")]

use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the academy may take to start, after it was built, and to end.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn nothing_is_left_after_ctrl_c_or_an_end_by_force() {
    let build =
        Command::new(env!("CARGO")).args(["test", "--quiet", "--locked", "--no-run", "--test", "tour"]).status();
    assert!(build.is_ok_and(|status| status.success()), "the tour builds");
    let (mounts, files) = (mounts(), files());
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let mut academy = start();
        let processes = descendants(academy.id());
        let namespaces: BTreeSet<String> = processes.iter().flat_map(|pid| namespaces(*pid)).collect();
        let namespaces: BTreeSet<String> =
            namespaces.difference(&self::namespaces(std::process::id())).cloned().collect();
        let networks = namespaces.iter().filter(|name| name.starts_with("net:")).count();
        // The script's, the gateway's and the intranet's; nothing runs at home.
        assert!(processes.len() > 10 && networks == 3, "{signal:?}: {processes:?} {namespaces:?}");

        kill_process(Pid::from_child(&academy), signal).expect("it runs");
        academy.wait().expect("it was started here");
        let start = Instant::now();
        loop {
            let left: Vec<u32> =
                all_processes().filter(|pid| !self::namespaces(*pid).is_disjoint(&namespaces)).collect();
            if left.is_empty() {
                break;
            }
            assert!(start.elapsed() < DEADLINE, "{signal:?}: still there: {left:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(self::mounts(), mounts, "{signal:?}");
        assert_eq!(self::files(), files, "{signal:?}");
    }
}

/// Starts the academy, and waits until the key shows its digits.
fn start() -> Child {
    let mut academy = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/in-user-namespace"))
        .args([env!("CARGO"), "test", "--quiet", "--locked", "--test", "tour", "--", "--academy"])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the script can be started");
    let output = academy.stdout.take().expect("piped");
    let (sender, ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if line.starts_with("Clé : ") {
                let _ = sender.send(());
            }
        }
    });
    ready.recv_timeout(DEADLINE).expect("the academy starts");
    academy
}

fn all_processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn descendants(of: u32) -> Vec<u32> {
    let parent = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        status.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    let mut found = vec![of];
    let mut next = 0;
    while let Some(pid) = found.get(next).copied() {
        found.extend(all_processes().filter(|child| parent(*child) == Some(pid)));
        next += 1;
    }
    found
}

/// The namespaces that the kernel ends with their last process, such as `net:[4026531840]`.
fn namespaces(pid: u32) -> BTreeSet<String> {
    let kinds = ["mnt", "net", "pid", "uts"].iter();
    let link = |kind: &&str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    kinds.filter_map(link).map(|name| name.to_string_lossy().into_owned()).collect()
}

fn mounts() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
    table.lines().map(str::to_owned).collect()
}

/// The files where the academy's programs make theirs.
fn files() -> BTreeSet<String> {
    let list = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(Path::new(folder)).into_iter().flatten().flatten();
        entries.map(|entry| entry.path().display().to_string()).collect()
    };
    let all = ["/tmp", "/run", "/run/netns", "/etc/netns"].iter().flat_map(|folder| list(folder));
    let ours = ["vigie-", "dbus-", ".X", "ocserv"];
    all.filter(|path| ours.iter().any(|name| path.rsplit('/').next().is_some_and(|last| last.starts_with(name))))
        .collect()
}
