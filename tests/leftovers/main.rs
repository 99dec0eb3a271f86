//! Nothing is left of the demo, in whatever way it ends: no process, namespace, mount or file. Nor does it change the desktop
//! on which it is shown. It has a test program of its own, so that no other test changes what is counted.
#![cfg(target_os = "linux")]

#[path = "../desktop/harness/mod.rs"]
#[expect(dead_code, reason = "the desktop tests use the rest")]
mod harness;

use harness::processes::descendants_of;
use harness::{DEADLINE, Desktop, run, wait_for_described};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long the demo may take to reach its first step, after it was built.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Prints which window shows the legacy icons of the tray.
const TRAY_WINDOW: &str = "
from ctypes import CDLL, c_void_p
x = CDLL('libX11.so.6')
x.XOpenDisplay.restype = c_void_p
display = c_void_p(x.XOpenDisplay(None))
print(x.XGetSelectionOwner(display, x.XInternAtom(display, b'_NET_SYSTEM_TRAY_S0', False)))";

#[test]
fn nothing_is_left_after_ctrl_c_or_an_end_by_force() {
    let build =
        Command::new(env!("CARGO")).args(["test", "--quiet", "--locked", "--no-run", "--test", "tour"]).status();
    assert!(build.is_ok_and(|status| status.success()), "the tour builds");
    let desktop = Desktop::start();
    let tray_window = || run(desktop.command("python3").args(["-c", TRAY_WINDOW]));
    let (tray, windows) = (tray_window(), desktop.window_titles());
    assert_ne!(tray.trim(), "0", "the panel shows legacy icons");
    let (mounts, files) = (mounts(), files());
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let mut demo = start(&desktop);
        let processes = descendants_of(demo.id());
        let namespaces: BTreeSet<String> = processes.iter().flat_map(|pid| namespaces(*pid)).collect();
        let namespaces: BTreeSet<String> =
            namespaces.difference(&self::namespaces(std::process::id())).cloned().collect();
        let networks = namespaces.iter().filter(|name| name.starts_with("net:")).count();
        // The script's, the user's, the gateway's and the intranet's.
        assert!(processes.len() > 10 && networks == 4, "{signal:?}: {processes:?} {namespaces:?}");
        let demos: Vec<String> = desktop.window_titles().into_iter().filter(|title| !windows.contains(title)).collect();
        assert_eq!(demos, ["Vigie : la visite"]);
        assert_eq!(tray_window(), tray, "the legacy icons stay where they are");

        kill_process(Pid::from_child(&demo), signal).expect("it runs");
        demo.wait().expect("it was started here");
        let left =
            || -> Vec<u32> { all_processes().filter(|pid| !self::namespaces(*pid).is_disjoint(&namespaces)).collect() };
        wait_for_described(
            || format!("the end of all processes after {signal:?}: {:?}", left()),
            DEADLINE,
            || left().is_empty().then_some(()),
        );
        assert_eq!(self::mounts(), mounts, "{signal:?}");
        assert_eq!(self::files(), files, "{signal:?}");
        assert_eq!(desktop.window_titles(), windows, "{signal:?}");
    }
}

/// Starts the demo on a desktop, and waits until its first step waits for Enter.
fn start(desktop: &Desktop) -> Child {
    let mut demo = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/in-user-namespace"))
        .args(["--display", env!("CARGO"), "test", "--quiet", "--locked", "--test", "tour", "--", "--demo"])
        .env("DISPLAY", desktop.variable("DISPLAY"))
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the script can be started");
    let output = demo.stdout.take().expect("piped");
    let (sender, ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if line.contains("Entrée pour continuer") {
                let _ = sender.send(());
            }
        }
    });
    ready.recv_timeout(START_LIMIT).expect("the demo reaches its first step");
    demo
}

fn all_processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
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
