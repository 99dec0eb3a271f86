//! The notification server.

use crate::FaultCase;
use crate::controlled_server::{ControlledServer, SERVER, ServedObject};
use crate::fixture::{Fixture, PANEL, SETTINGS, StoppedProcess};
use crate::harness::{DEADLINE, Desktop, wait_for};
use zbus::fdo;

pub const FAULTS: &[FaultCase] = &[
    FaultCase {
        what: "there is no notification server, then there is one",
        may: "the panel in place of a reminder; an earlier one than the last waits for a server for a minute",
        never: "a reminder that nobody sees, or both the panel and a late notification",
        tests: &[
            "notifications::server_is_absent",
            "tests/desktop/shutdown.rs::a_reminder_waits_for_the_notification_server",
            "tests/desktop/notifications.rs::a_notification_waits_for_the_notification_server",
        ],
    },
    FaultCase {
        what: "the notification server is killed while it shows a reminder",
        may: "the same reminder again once the server is back",
        never: "a reminder that is gone for good while it is true",
        tests: &["notifications::server_is_killed"],
    },
    FaultCase {
        what: "the notification server hangs",
        may: "the panel in place of a reminder, after 2 s",
        never: "a reminder that nobody sees, or that the server shows too late",
        tests: &["notifications::server_hangs"],
    },
    FaultCase {
        what: "the notification server answers one error, each time another",
        may: "a reminder half a second later",
        never: "reminders that stop from then on",
        tests: &["notifications::server_errs_once"],
    },
    FaultCase {
        what: "the notification server gives every notification the id 0",
        may: "a notification that is not withdrawn",
        never: "a reminder that is not shown",
        tests: &["notifications::server_has_no_ids"],
    },
    FaultCase {
        what: "the notification server knows no buttons",
        may: "a reminder without buttons",
        never: "a reminder that is not shown",
        tests: &["notifications::server_has_no_buttons"],
    },
    FaultCase {
        what: "the notification server ends at each notification",
        may: "the panel in place of a reminder",
        never: "a loop of attempts, or a reminder that nobody sees",
        tests: &[
            "notifications::server_ends_at_each_notification",
            "src-tauri/runtime/notify/tests.rs::server_that_crashes_at_each_notice_is_not_available",
        ],
    },
];

#[test]
fn server_is_absent() {
    let mut fixture = Fixture::prepare();
    // The last reminder does not wait for a server.
    fixture.desktop.configure(&SETTINGS.replace("[60, 1]", "[60]"));
    fixture.desktop.stop_notification_server();
    fixture.run();
    fixture.wait_for_status("disconnected");
    fixture.assert_reminds();
    fixture.desktop.wait_for_window(PANEL, true);
    fixture.desktop.press_key(PANEL, "Escape");
    fixture.desktop.wait_for_window(PANEL, false);
    fixture.desktop.start_notification_server();
    fixture.wait_for_notifications();
    fixture.assert_unharmed();
}

#[test]
fn server_is_killed() {
    let fixture = Fixture::start();
    fixture.assert_reminds();
    let first = fixture.desktop.notifications().all().len();
    fixture.desktop.stop_notification_server();
    fixture.desktop.start_notification_server();
    let again = wait_for("the reminder to be shown again", DEADLINE, || {
        let all = fixture.desktop.notifications().all();
        all.into_iter().skip(first).find(|it| it.taken && it.summary.starts_with("Arrêt automatique"))
    });
    assert_eq!(again.buttons().len(), 3);
    fixture.expect_repeated_reminder();
    fixture.assert_unharmed();
}

#[test]
fn server_hangs() {
    let mut fixture = Fixture::start();
    let stopped = StoppedProcess::owner_of(&fixture.desktop, SERVER);
    fixture.assert_reminds();
    fixture.desktop.wait_for_window(PANEL, true);
    fixture.assert_follows_the_network();
    fixture.assert_ends();
    fixture.run();
    fixture.assert_reminds();
    drop(stopped);
    fixture.assert_unharmed();
}

/// Takes the place of the desktop's own server.
fn replace_server(desktop: &Desktop, change: impl FnOnce(&mut ServedObject)) -> ControlledServer {
    desktop.stop_notification_server();
    ControlledServer::on(&desktop.session_address(), change)
}

#[test]
fn server_errs_once() {
    let mut fixture = Fixture::prepare();
    let server = replace_server(&fixture.desktop, |_| ());
    fixture.run();
    fixture.wait_for_status("disconnected");
    let why = || "for this test".to_owned();
    for error in [
        fdo::Error::Failed(why()),
        fdo::Error::NoMemory(why()),
        fdo::Error::LimitsExceeded(why()),
        fdo::Error::Timeout(why()),
        fdo::Error::NoReply(why()),
        fdo::Error::AccessDenied(why()),
        fdo::Error::UnknownMethod(why()),
    ] {
        server.fail_once(error);
        fixture.assert_reminds();
    }
    assert_eq!(server.taken(), 7, "a reminder that the panel had to show");
    fixture.assert_unharmed();
}

#[test]
fn server_has_no_ids() {
    let mut fixture = Fixture::prepare();
    let server = replace_server(&fixture.desktop, |server| server.has_ids = false);
    fixture.run();
    fixture.wait_for_status("disconnected");
    for _ in 0..3 {
        fixture.assert_reminds();
    }
    assert_eq!(server.taken(), 3);
    fixture.assert_unharmed();
}

#[test]
fn server_has_no_buttons() {
    let mut fixture = Fixture::prepare();
    let _server = replace_server(&fixture.desktop, |server| server.has_actions = false);
    fixture.run();
    fixture.wait_for_status("disconnected");
    for _ in 0..3 {
        fixture.assert_reminds();
    }
    let all = fixture.desktop.notifications().all();
    assert!(all.iter().all(|notification| notification.actions.is_empty()), "{all:#?}");
    fixture.assert_unharmed();
}

#[test]
fn server_ends_at_each_notification() {
    let mut fixture = Fixture::prepare();
    let server = replace_server(&fixture.desktop, |server| server.ends = true);
    fixture.run();
    fixture.wait_for_status("disconnected");
    fixture.assert_reminds();
    fixture.desktop.wait_for_window(PANEL, true);
    drop(server);
    fixture.desktop.start_notification_server();
    fixture.assert_unharmed();
}
