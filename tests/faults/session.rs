//! The session bus, starts and ends.

use crate::FaultCase;
use crate::fixture::{Fixture, StoppedProcess};
use crate::harness::{ChildProcess, DEADLINE, wait_for};
use rustix::process::Signal;
use std::os::unix::fs::symlink;
use std::path::Path;

pub const FAULTS: &[FaultCase] = &[
    FaultCase {
        what: "the session bus ends",
        may: "nothing: the session has ended, and Vigie with it",
        never: "a Vigie that outlives the session, or that the next session cannot start",
        tests: &["tests/desktop/item.rs::it_ends_with_the_session_bus", "session::bus_is_replaced"],
    },
    FaultCase {
        what: "the session bus hangs",
        may: "no icon, notification or window, as with every other program; a reminder as soon as the bus goes on",
        never: "a `vigie quit` or SIGTERM that waits for the bus; no reminder once it goes on",
        tests: &["session::bus_hangs"],
    },
    FaultCase {
        what: "the session bus comes after Vigie",
        may: "the panel in place of notifications, until the bus is there",
        never: "no icon, or no notification, once the bus is there",
        tests: &["session::bus_comes_late"],
    },
    FaultCase {
        what: "two starts at the same time, 50 times",
        may: "the panel, which the second start opens",
        never: "two icons, or none",
        tests: &["session::two_starts_race", "tests/desktop/item.rs::of_concurrent_starts_one_keeps_running"],
    },
    FaultCase {
        what: "SIGTERM, SIGHUP, SIGKILL, and a new start",
        may: "nothing",
        never: "a start that fails after a crash, or a reminder that is shown again",
        tests: &["session::signals_end_it", "tests/desktop/item.rs::a_start_after_a_kill_works"],
    },
    FaultCase {
        what: "idle connections and `vigie status --watch` take every place at the socket",
        may: "a `--watch` that ends",
        never: "a `vigie quit`, `vigie panel` or second start that is refused",
        tests: &["session::clients_fill_the_socket"],
    },
];

#[test]
fn bus_is_replaced() {
    let mut fixture = Fixture::start();
    fixture.assert_reminds();
    let path = bus_path(&fixture);
    fixture.desktop.end_session();
    assert_eq!(fixture.take_vigie().wait(DEADLINE).code(), Some(0));
    // The next session of the same user.
    let config = fixture.desktop.home().join("bus/session.conf");
    let _ = std::fs::remove_file(&path);
    let mut bus = fixture.desktop.command("dbus-daemon");
    bus.arg("--nofork").arg(format!("--config-file={}", config.display())).arg(format!("--address=unix:path={path}"));
    fixture.others.push(fixture.desktop.spawn("bus", &bus));
    wait_for("the new bus", DEADLINE, || Path::new(&path).exists().then_some(()));
    let address = format!("unix:path={path}");
    fixture.command.env("DBUS_SESSION_BUS_ADDRESS", &address);
    fixture.run();
    fixture.wait_for_status("disconnected");
    // Nobody shows notifications in this session.
    fixture.assert_reminds();
    fixture.assert_quits();
}

#[test]
fn bus_hangs() {
    let mut fixture = Fixture::start();
    let stopped = StoppedProcess::owner_of(&fixture.desktop, "org.freedesktop.DBus");
    fixture.assert_follows_the_network();
    fixture.assert_quits();
    fixture.run();
    fixture.assert_ends_by(Signal::TERM);
    fixture.run();
    fixture.wait_for_status("disconnected");
    fixture.plan_reminder();
    drop(stopped);
    fixture.assert_reminded();
    fixture.assert_unharmed();
}

#[test]
fn bus_comes_late() {
    let mut fixture = Fixture::prepare();
    let late = fixture.desktop.home().join("late-bus");
    fixture.command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", late.display()));
    fixture.run();
    fixture.wait_for_status("disconnected");
    fixture.assert_reminds();
    symlink(bus_path(&fixture), late).expect("the home folder is writable");
    fixture.item().wait_for_menu("VPN déconnecté");
    fixture.wait_for_notifications();
    fixture.assert_unharmed();
}

/// Returns the path of the session bus.
fn bus_path(fixture: &Fixture) -> String {
    let address = fixture.desktop.session_address();
    address.trim_start_matches("unix:path=").split(',').next().unwrap_or_default().to_owned()
}

#[test]
fn two_starts_race() {
    let mut fixture = Fixture::prepare();
    for round in 0..50 {
        let mut racers: [ChildProcess; 2] =
            [1, 2].map(|n| fixture.desktop.spawn(&format!("racer{n}"), &fixture.command));
        let lost = wait_for(&format!("one of two to end in round {round}"), DEADLINE, || {
            racers.iter_mut().position(|racer| !racer.is_alive())
        });
        assert_eq!(racers[lost].wait(DEADLINE).code(), Some(0), "round {round}");
        assert!(racers[1 - lost].is_alive() && fixture.status().is_some(), "both have ended in round {round}");
        let quit = fixture.ask(r#"{"ask":{"do":"quit"}}"#);
        assert_eq!(quit.as_deref(), Some("\n"), "round {round}");
        assert_eq!(racers[1 - lost].wait(DEADLINE).code(), Some(0), "round {round}");
    }
    fixture.run();
    fixture.assert_unharmed();
}

#[test]
fn signals_end_it() {
    let mut fixture = Fixture::start();
    for signal in [Signal::TERM, Signal::HUP, Signal::KILL] {
        fixture.assert_reminds();
        if signal == Signal::KILL {
            // What was shown is on the disk by then.
            wait_for("the saved state", DEADLINE, || fixture.remembers_last_reminder().then_some(()));
            fixture.vigie().signal(signal);
            fixture.take_vigie().wait(DEADLINE);
        } else {
            fixture.assert_ends_by(signal);
        }
        fixture.run();
        fixture.wait_for_status("disconnected");
        fixture.assert_not_reminded_again();
    }
    fixture.assert_unharmed();
}

#[test]
fn clients_fill_the_socket() {
    let mut fixture = Fixture::start();
    let idle: Vec<_> = (0..200).filter_map(|_| fixture.connect()).collect();
    let watch = || fixture.desktop.spawn("watch", fixture.desktop.vigie().args(["status", "--watch"]));
    let watchers: Vec<ChildProcess> = (0..20).map(|_| watch()).collect();
    fixture.act(r#"{"do":"about"}"#);
    let panel = fixture.desktop.vigie().arg("panel").status().expect("it starts");
    assert_eq!(panel.code(), Some(0));
    fixture.desktop.wait_for_window(crate::fixture::PANEL, true);
    fixture.assert_works();
    fixture.assert_quits();
    drop((idle, watchers));
    fixture.run();
    fixture.assert_unharmed();
}
