//! The programs of the windows: the panel, the pinned panel, the window for connecting.

use crate::FaultCase;
use crate::fixture::{Fixture, PANEL, SETTINGS, StoppedProcess};
use crate::harness::processes::{descendants, process_name};
use crate::harness::{DEADLINE, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::time::Duration;

pub const FAULTS: &[FaultCase] = &[
    FaultCase {
        what: "the panel's process is killed",
        may: "the panel closes, and opens again if it was in use",
        never: "a panel that does not open any more, or one that counts as open: notices stay silent",
        tests: &["windows::panel_is_killed"],
    },
    FaultCase {
        what: "the panel's process hangs",
        may: "a panel that does not answer, for 40 s; then as above",
        never: "a tray that waits for it; a panel that does not open any more",
        tests: &["windows::panel_hangs"],
    },
    FaultCase {
        what: "the panel's web process is killed or hangs",
        may: "the panel closes, and opens again if it was in use",
        never: "a white window",
        tests: &[
            "windows::web_process_is_killed",
            "tests/webview/panel.rs::panel_whose_web_process_is_killed_opens_again_in_its_place",
            "tests/webview/panel.rs::panel_whose_web_process_hangs_opens_again",
        ],
    },
    FaultCase {
        what: "the pinned panel is killed",
        may: "no pinned panel for 10 s",
        never: "no pinned panel from then on",
        tests: &["windows::pinned_panel_is_killed"],
    },
    FaultCase {
        what: "the pinned panel hangs",
        may: "a pinned panel that does not change, for some minutes",
        never: "a tray that waits for it, or that does not end",
        tests: &["windows::pinned_panel_hangs"],
    },
    FaultCase {
        what: "the window for connecting is killed, or hangs",
        may: "the window closes",
        never: "a window that does not open any more",
        tests: &["windows::connect_window_is_killed_or_hangs"],
    },
];

const PINNED: &str = "Vigie sur le bureau";
const CONNECT: &str = "Se connecter au VPN";

/// Three pings and the one that finds them unanswered, 10 s apart, and some time for a busy machine.
const HANG_TIMEOUT: Duration = Duration::from_secs(60);

/// Waits for a descendant of Vigie with this name.
fn process(fixture: &Fixture, name: &str) -> u32 {
    wait_for(&format!("the process {name}"), DEADLINE, || {
        descendants(fixture.vigie()).into_iter().find(|pid| process_name(*pid) == name)
    })
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed()).expect("not 0");
    kill_process(pid, Signal::KILL).expect("it is the desktop's");
    wait_for("its end", DEADLINE, || {
        (rustix::process::test_kill_process(pid).is_err() || is_zombie(pid)).then_some(())
    });
}

fn is_zombie(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z"))
}

fn has_window(fixture: &Fixture, title: &str) -> bool {
    fixture.desktop.window_titles().iter().any(|found| found == title)
}

/// Opens the panel, and waits for its window.
fn open_panel(fixture: &Fixture) {
    fixture.act(r#"{"do":"show-panel"}"#);
    fixture.desktop.wait_for_window(PANEL, true);
}

/// Checks that the panel does not count as open: the user is notified of the loss of the VPN.
fn assert_notices(fixture: &Fixture) {
    wait_for("the panel to be closed", DEADLINE, || (!has_window(fixture, PANEL)).then_some(()));
    fixture.vpn.connect();
    fixture.wait_for_status("connected");
    // What did not last is no loss.
    fixture.desktop.wait_for_status_to_last(Duration::from_secs(2));
    let seen = fixture.desktop.notifications().all().len();
    fixture.vpn.disconnect();
    fixture.desktop.notifications().wait(seen, "VPN déconnecté");
}

#[test]
fn panel_is_killed() {
    let fixture = Fixture::start();
    open_panel(&fixture);
    kill(process(&fixture, "vigie-panel"));
    fixture.assert_reminds();
    close_panel(&fixture);
    assert_notices(&fixture);
    open_panel(&fixture);
    fixture.assert_unharmed();
}

/// Closes the panel, if it has opened again.
fn close_panel(fixture: &Fixture) {
    wait_for("the panel to be closed", DEADLINE, || {
        if has_window(fixture, PANEL) {
            let mut close = fixture.desktop.command("xdotool");
            let _ =
                close.args(["search", "--onlyvisible", "--name", "^Vigie$", "windowfocus", "key", "Escape"]).output();
        }
        descendants(fixture.vigie()).into_iter().all(|pid| process_name(pid) != "vigie-panel").then_some(())
    });
}

#[test]
fn panel_hangs() {
    let fixture = Fixture::start();
    open_panel(&fixture);
    let panel = process(&fixture, "vigie-panel");
    let stopped = StoppedProcess::process(panel);
    fixture.assert_reminds();
    fixture.assert_follows_the_network();
    wait_for("the hung panel to be ended", HANG_TIMEOUT, || {
        (!descendants(fixture.vigie()).contains(&panel)).then_some(())
    });
    drop(stopped);
    close_panel(&fixture);
    assert_notices(&fixture);
    open_panel(&fixture);
    fixture.assert_unharmed();
}

#[test]
fn web_process_is_killed() {
    let fixture = Fixture::start();
    open_panel(&fixture);
    let panel = process(&fixture, "vigie-panel");
    kill(process(&fixture, "WebKitWebProces"));
    wait_for("the panel to be ended", HANG_TIMEOUT, || (!descendants(fixture.vigie()).contains(&panel)).then_some(()));
    close_panel(&fixture);
    assert_notices(&fixture);
    open_panel(&fixture);
    fixture.assert_unharmed();
}

/// Vigie with a pinned panel.
fn with_pinned_panel() -> Fixture {
    let mut fixture = Fixture::prepare();
    fixture.desktop.configure(&SETTINGS.replace("[panel]\n", "[panel]\npinned = true\n"));
    fixture.run();
    fixture.wait_for_status("disconnected");
    fixture.desktop.wait_for_window(PINNED, true);
    fixture
}

#[test]
fn pinned_panel_is_killed() {
    let fixture = with_pinned_panel();
    let pinned = process(&fixture, "vigie-pinned");
    kill(pinned);
    fixture.assert_reminds();
    wait_for("another pinned panel", DEADLINE, || {
        let now = descendants(fixture.vigie()).into_iter().find(|pid| process_name(*pid) == "vigie-pinned");
        now.filter(|now| *now != pinned)
    });
    fixture.desktop.wait_for_window(PINNED, true);
    fixture.assert_unharmed();
}

#[test]
fn pinned_panel_hangs() {
    let mut fixture = with_pinned_panel();
    let _stopped = StoppedProcess::process(process(&fixture, "vigie-pinned"));
    fixture.assert_works();
    // The hung panel is killed, which takes Vigie a moment.
    fixture.assert_quits();
    fixture.run();
    fixture.assert_unharmed();
}

#[test]
fn connect_window_is_killed_or_hangs() {
    let fixture = Fixture::start();
    let open = || {
        fixture.act(r#"{"do":"connect"}"#);
        fixture.desktop.wait_for_window(CONNECT, true);
        process(&fixture, "vigie-panel")
    };
    kill(open());
    fixture.assert_reminds();
    let window = open();
    let stopped = StoppedProcess::process(window);
    fixture.assert_reminds();
    wait_for("the hung window to be ended", HANG_TIMEOUT, || {
        (!descendants(fixture.vigie()).contains(&window)).then_some(())
    });
    drop(stopped);
    open();
    fixture.assert_unharmed();
}
