//! The clock, its zone, and the days that pass.
//!
//! Tools that fake the clock of a whole program, such as libfaketime, do not reach the timers of Linux that Vigie uses. Where
//! the clock must be another one, a helper program (`tests/helper`) runs Vigie's event loop with a clock that it sets.

use crate::FaultCase;
use crate::fixture::{Fixture, PROMPTLY, SETTINGS};
use crate::harness::{DEADLINE, Desktop, run, test_helper, wait_for, wait_for_described};
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

pub const FAULTS: &[FaultCase] = &[
    FaultCase {
        what: "thirty days: sleep, weekends, a holiday, the night of the clock change, VPN losses, a notification server that \
               errs once a day and is restarted",
        may: "each reminder that falls while the computer is awake, and on waking the one that was missed",
        never: "another reminder, or one too few; memory or descriptors that grow",
        tests: &["time::thirty_days_of_a_users_life"],
    },
    FaultCase {
        what: "the clock is set by a day or by three years, there and back",
        may: "« Vérification du réseau… »; the reminders of the new time",
        never: "a reminder that was seen before, a past one, or none any more",
        tests: &["time::clock_is_set", "tests/desktop/situations.rs::certificates_of_the_gateway"],
    },
    FaultCase {
        what: "the time zone changes, there and back",
        may: "the reminders of the new time",
        never: "the time of the old zone; a reminder that was seen before",
        tests: &[
            "time::zone_changes",
            "time::clock_is_set",
            "src-tauri/sensors/clock/linux.rs::changed_time_zone_is_reported_and_used",
        ],
    },
    FaultCase {
        what: "the clocks go forward or back in the night, between a reminder and its shutdown",
        may: "nothing",
        never: "a reminder that is an hour early or late",
        tests: &["time::clocks_go_forward_and_back", "src-tauri/core/shutdown.rs::clock_changes_at_night_are_handled"],
    },
];

/// Runs a part of the helper program on a desktop of its own, without a notification server.
fn run_helper(part: &str) {
    let desktop = Desktop::start();
    desktop.stop_notification_server();
    // It has a deadline for each step; how long all of them take depends on the machine.
    let output = desktop.command(test_helper()).arg(part).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn thirty_days_of_a_users_life() {
    run_helper("thirty-days");
}

#[test]
fn clock_is_set() {
    run_helper("set-clocks");
}

/// Vigie on a machine whose time zone the test sets: noon has come or will come within the hour.
struct ZoneFixture {
    fixture: Fixture,
    zones: PathBuf,
    /// How many hours the clock is ahead of UTC.
    offset: i8,
}

impl ZoneFixture {
    fn start() -> ZoneFixture {
        let mut fixture = Fixture::prepare();
        fixture.command = fixture.desktop.vigie_with_fake_window(&fixture.vpn, "");
        fixture.command.env_remove("TZ");
        let offset = 12 - Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).hour();
        let zones = fixture.desktop.home().join("zones");
        let mut fixture = ZoneFixture { fixture, zones, offset };
        let here = fixture.compile(&format!("{offset}:00 - here"));
        let etc = fixture.fixture.desktop.home().join("machine/etc");
        fs::create_dir_all(&etc).expect("the home folder is writable");
        fs::copy(here, etc.join("localtime")).expect("the home folder is writable");
        fixture.fixture.run();
        fixture.fixture.wait_for_status("disconnected");
        fixture
    }

    /// Compiles a time zone (zic(8)), and returns its file.
    fn compile(&self, lines: &str) -> PathBuf {
        fs::create_dir_all(&self.zones).expect("the home folder is writable");
        let source = self.zones.join("source");
        fs::write(&source, format!("Zone Test {lines}\n")).expect("the home folder is writable");
        run(Command::new("/usr/sbin/zic").arg("-d").arg(&self.zones).arg(source));
        self.zones.join("Test")
    }

    /// Replaces the machine's time zone while Vigie runs.
    fn set_zone(&self, lines: &str) {
        let compiled = self.compile(lines);
        let localtime = self.fixture.on_its_machine("/etc/localtime");
        let new = format!("{localtime}.new");
        fs::copy(compiled, &new).expect("needs root");
        fs::rename(new, localtime).expect("both are in one folder");
    }

    /// Has the machine shut down every day at the time that it is at this moment with this offset, with one lead.
    fn shut_down_at(&self, moment: Timestamp, offset: i8, lead_minutes: i64) {
        let at = moment.to_zoned_datetime(jiff::tz::Offset::constant(offset).to_time_zone()).time();
        let at = format!("[shutdown]\nat = {at}\nleads_minutes = [{lead_minutes}]\n");
        self.fixture.desktop.configure(&SETTINGS.replace("[shutdown]\nleads_minutes = [60, 1]\n", &at));
    }

    /// Waits until the status names this moment of the shutdown.
    fn wait_for_shutdown_at(&self, moment: Timestamp) {
        let status = || self.fixture.status().unwrap_or_default()["shutdown"].to_string();
        let named = format!("\"{moment}\"");
        let what = || format!("a shutdown at {named}, but {}", status());
        wait_for_described(what, PROMPTLY, || (status() == named).then_some(()));
    }

    /// Returns when each reminder was sent.
    fn reminders(&self) -> Vec<Timestamp> {
        let all = self.fixture.desktop.notifications().all();
        all.iter().filter(|one| one.summary.starts_with("Arrêt automatique")).map(|one| one.sent_at()).collect()
    }
}

/// Returns the current second, and so many more.
fn in_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).expect("it is not the end of time")
}

#[test]
fn zone_changes() {
    let zone = ZoneFixture::start();
    let (here, there) = (zone.offset, zone.offset + 4);
    let (zone_here, zone_there) = (format!("{here}:00 - here"), format!("{there}:00 - there"));
    let at = in_seconds(4 * 3600 + 40 * 60);
    zone.shut_down_at(at, here, 60);
    zone.wait_for_shutdown_at(at);
    for _ in 0..2 {
        zone.set_zone(&zone_there);
        zone.wait_for_shutdown_at(at - 4.hours());
        wait_for("the reminder", DEADLINE, || (!zone.reminders().is_empty()).then_some(()));
        zone.set_zone(&zone_here);
        zone.wait_for_shutdown_at(at);
    }
    // Events are handled in order: a second one would come before the answer to a click.
    zone.fixture.wait_for_notifications();
    assert_eq!(zone.reminders().len(), 1);
    zone.fixture.desktop.configure(SETTINGS);
    zone.fixture.assert_unharmed();
}

#[test]
fn clocks_go_forward_and_back() {
    let zone = ZoneFixture::start();
    // Other shutdowns, so that the user was not reminded of the second before.
    for (change, lead) in [(1, 90), (-1, 75)] {
        let (before, after) = (zone.offset, zone.offset + change);
        let seen = zone.reminders().len();
        let changes_at = in_seconds(8);
        let until = changes_at.strftime("%Y %b %d %H:%M:%Su");
        zone.set_zone(&format!("{before}:00 - before {until}\n {after}:00 - after"));
        // The reminder is due soon after the change, the shutdown longer after it than an hour that comes twice.
        let due = changes_at + 6.seconds();
        zone.shut_down_at(due + lead.minutes(), after, lead);
        zone.wait_for_shutdown_at(due + lead.minutes());
        let sent = wait_for("the reminder", DEADLINE, || zone.reminders().get(seen).copied());
        let late = due.duration_until(sent);
        assert!(late > SignedDuration::from_secs(-1) && late < SignedDuration::from_secs(5), "{late:#} late");
        zone.fixture.wait_for_notifications();
        assert_eq!(zone.reminders().len(), seen + 1);
        zone.set_zone(&format!("{before}:00 - here"));
    }
    zone.fixture.desktop.configure(SETTINGS);
    zone.fixture.assert_unharmed();
}
