//! The notification server.

use crate::FaultCase;
use crate::fixture::{Fixture, PANEL, SETTINGS, StoppedProcess};
use crate::harness::{DEADLINE, Desktop, wait_for};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use zbus::blocking::{Connection, connection};
use zbus::fdo;
use zbus::zvariant::OwnedValue;

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

const SERVER: &str = "org.freedesktop.Notifications";

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

/// A server that the test controls.
pub struct ControlledServer {
    taken: Arc<AtomicU32>,
    titles: Arc<Mutex<Vec<String>>>,
    errors: Arc<Mutex<Vec<fdo::Error>>>,
    bus: Connection,
}

pub struct ServedObject {
    taken: Arc<AtomicU32>,
    titles: Arc<Mutex<Vec<String>>>,
    errors: Arc<Mutex<Vec<fdo::Error>>>,
    has_ids: bool,
    has_actions: bool,
    ends: bool,
}

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl ServedObject {
    fn get_capabilities(&self) -> Vec<&str> {
        if self.has_actions { vec!["body", "actions"] } else { vec!["body"] }
    }

    #[expect(clippy::too_many_arguments, reason = "the method of the specification")]
    fn notify(
        &self,
        _app: String,
        replaces: u32,
        _icon: String,
        summary: String,
        _body: String,
        _actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _expires: i32,
    ) -> fdo::Result<u32> {
        if self.ends {
            return Err(fdo::Error::NoReply("the server has ended".into()));
        }
        if let Some(error) = self.errors.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Err(error);
        }
        self.titles.lock().unwrap_or_else(PoisonError::into_inner).push(summary);
        let number = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(match (self.has_ids, replaces) {
            (false, _) => 0,
            (true, 0) => number,
            (true, replaced) => replaced,
        })
    }

    fn close_notification(&self, _id: u32) {}
}

impl ControlledServer {
    /// Takes the place of the desktop's own.
    fn start(desktop: &Desktop, change: impl FnOnce(&mut ServedObject)) -> ControlledServer {
        desktop.stop_notification_server();
        ControlledServer::on(&desktop.session_address(), change)
    }

    /// Serves on the bus at this address, which has no server.
    pub fn on(address: &str, change: impl FnOnce(&mut ServedObject)) -> ControlledServer {
        let (taken, titles, errors) = <(Arc<AtomicU32>, Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<_>>>)>::default();
        let mut server = ServedObject {
            taken: taken.clone(),
            titles: titles.clone(),
            errors: errors.clone(),
            has_ids: true,
            has_actions: true,
            ends: false,
        };
        change(&mut server);
        let builder = connection::Builder::address(address).expect("the bus printed an address");
        let builder = builder.serve_at("/org/freedesktop/Notifications", server);
        let bus = builder.and_then(|builder| builder.name(SERVER)).and_then(connection::Builder::build);
        ControlledServer { taken, titles, errors, bus: bus.expect("the name is free") }
    }

    /// Leaves the bus and comes back.
    pub fn restart(&self) {
        // A call that waits does not go with the asynchronous runtime of the caller.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                self.bus.release_name(SERVER).expect("the bus runs");
                self.bus.request_name(SERVER).expect("the name is free");
            });
        });
    }

    /// Returns the titles of the reminders that it has shown.
    pub fn reminders(&self) -> Vec<String> {
        let titles = self.titles.lock().unwrap_or_else(PoisonError::into_inner);
        titles.iter().filter(|title| title.starts_with("Arrêt automatique")).cloned().collect()
    }

    /// Has the next notification answered with this error.
    pub fn fail_once(&self, error: fdo::Error) {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).push(error);
    }
}

#[test]
fn server_errs_once() {
    let mut fixture = Fixture::prepare();
    let server = ControlledServer::start(&fixture.desktop, |_| ());
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
    let taken = server.taken.load(Ordering::Relaxed);
    assert_eq!(taken, 7, "a reminder that the panel had to show");
    fixture.assert_unharmed();
}

#[test]
fn server_has_no_ids() {
    let mut fixture = Fixture::prepare();
    let server = ControlledServer::start(&fixture.desktop, |server| server.has_ids = false);
    fixture.run();
    fixture.wait_for_status("disconnected");
    for _ in 0..3 {
        fixture.assert_reminds();
    }
    assert_eq!(server.taken.load(Ordering::Relaxed), 3);
    fixture.assert_unharmed();
}

#[test]
fn server_has_no_buttons() {
    let mut fixture = Fixture::prepare();
    let _server = ControlledServer::start(&fixture.desktop, |server| server.has_actions = false);
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
    let server = ControlledServer::start(&fixture.desktop, |server| server.ends = true);
    fixture.run();
    fixture.wait_for_status("disconnected");
    fixture.assert_reminds();
    fixture.desktop.wait_for_window(PANEL, true);
    drop(server);
    fixture.desktop.start_notification_server();
    fixture.assert_unharmed();
}
