//! A peer that hangs (SIGSTOP) delays neither the reminders nor the end of the program.

use crate::harness::vpn::TestVpn;
use crate::harness::{ChildProcess, DEADLINE, Desktop, around_noon, wait_for};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

const PANEL: &str = "Vigie";

const REMINDER: &str = "Arrêt automatique dans une minute";

/// How long Vigie may take whatever its peers do. Ending takes a second; a call that waits for a peer that hangs takes at
/// least 25 s, the time limit of D-Bus calls.
const PROMPTLY: Duration = Duration::from_secs(10);

/// From now to the reminder.
const AHEAD: Duration = Duration::from_secs(10);

/// A process that is stopped until this is dropped.
struct Stopped(Pid);

impl Stopped {
    /// Stops the process that owns the name on the session bus; `org.freedesktop.DBus` is the bus itself.
    fn owner_of(desktop: &Desktop, name: &str) -> Stopped {
        let bus = "org.freedesktop.DBus";
        let reply = desktop.session().call_method(Some(bus), "/", Some(bus), "GetConnectionUnixProcessID", &name);
        let pid: u32 = reply.expect("somebody owns the name").body().deserialize().expect("a process id");
        let pid = Pid::from_raw(pid.try_into().expect("in range")).expect("not 0");
        kill_process(pid, Signal::STOP).expect("it is the desktop's");
        Stopped(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// A desktop with a reminder [`AHEAD`], and when that is due.
fn desktop_with_reminder(vpn: &TestVpn) -> (Desktop, Instant) {
    let desktop = Desktop::at_home(vpn);
    let due = Instant::now() + AHEAD;
    let zone = TimeZone::posix(&around_noon()).expect("a POSIX time zone");
    let at = Timestamp::now() + SignedDuration::try_from(AHEAD).expect("short") + SignedDuration::from_mins(1);
    let at = at.to_zoned_datetime(zone).strftime("%H:%M:%S").to_string();
    desktop.configure(&format!("[shutdown]\nat = \"{at}\"\nleads_minutes = [1]\n"));
    desktop.skip_first_run();
    (desktop, due)
}

/// Vigie, once it answers.
fn running_vigie(desktop: &Desktop) -> ChildProcess {
    let vigie = desktop.spawn("vigie", &desktop.vigie());
    wait_for("the running Vigie", DEADLINE, || {
        let status = desktop.vigie().args(["status", "--json"]).output().expect("it starts");
        (!status.stdout.is_empty() && desktop.vigie_log().contains(" INFO ")).then_some(())
    });
    vigie
}

/// Ends Vigie by its command, starts it again, and ends it by a signal.
fn assert_ends_promptly(desktop: &Desktop, mut vigie: ChildProcess) {
    let start = Instant::now();
    let quit = desktop.vigie().arg("quit").status().expect("it starts");
    assert_eq!(quit.code(), Some(0));
    assert_eq!(vigie.wait(DEADLINE).code(), Some(0));
    assert!(start.elapsed() < PROMPTLY, "quit took {:?}", start.elapsed());

    let mut vigie = running_vigie(desktop);
    let start = Instant::now();
    vigie.signal(Signal::TERM);
    assert_eq!(vigie.wait(DEADLINE).code(), Some(0));
    assert!(start.elapsed() < PROMPTLY, "SIGTERM took {:?}", start.elapsed());
}

#[test]
fn stopped_tray_host() {
    let vpn = TestVpn::start();
    let (desktop, due) = desktop_with_reminder(&vpn);
    let _stopped = Stopped::owner_of(&desktop, "org.kde.StatusNotifierWatcher");
    let vigie = running_vigie(&desktop);
    let reminder = desktop.notifications().wait(0, REMINDER);
    assert!(reminder.at < due + PROMPTLY, "{:?} late", reminder.at - due);
    assert_ends_promptly(&desktop, vigie);
}

#[test]
fn stopped_notification_server() {
    let vpn = TestVpn::start();
    let (desktop, _) = desktop_with_reminder(&vpn);
    let stopped = Stopped::owner_of(&desktop, "org.freedesktop.Notifications");
    let vigie = running_vigie(&desktop);
    // It cannot be shown, so the panel is.
    desktop.wait_for_window(PANEL, true);
    assert_ends_promptly(&desktop, vigie);
    drop(stopped);
}

#[test]
fn stopped_keyring() {
    let vpn = TestVpn::start();
    let (desktop, due) = desktop_with_reminder(&vpn);
    let _keyring = crate::connect_window::start_keyring(&desktop);
    let _stopped = Stopped::owner_of(&desktop, "org.freedesktop.secrets");
    let vigie = running_vigie(&desktop);
    desktop.item_of(vigie.pid()).click(&["Se connecter au VPN…"]);
    let reminder = desktop.notifications().wait(0, REMINDER);
    assert!(reminder.at < due + PROMPTLY, "{:?} late", reminder.at - due);
    assert_ends_promptly(&desktop, vigie);
}

#[test]
fn stopped_session_bus() {
    let vpn = TestVpn::start();
    let (desktop, _) = desktop_with_reminder(&vpn);
    let vigie = running_vigie(&desktop);
    let stopped = Stopped::owner_of(&desktop, "org.freedesktop.DBus");
    assert_ends_promptly(&desktop, vigie);
    drop(stopped);
}
