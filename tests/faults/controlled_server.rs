//! A notification server that the test controls.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use zbus::blocking::{Connection, connection};
use zbus::fdo;
use zbus::zvariant::OwnedValue;

/// The name of the notification server.
pub const SERVER: &str = "org.freedesktop.Notifications";

/// A server that the test controls.
pub struct ControlledServer {
    taken: Arc<AtomicU32>,
    titles: Arc<Mutex<Vec<String>>>,
    errors: Arc<Mutex<Vec<fdo::Error>>>,
    bus: Connection,
}

/// How it answers.
pub struct ServedObject {
    taken: Arc<AtomicU32>,
    titles: Arc<Mutex<Vec<String>>>,
    errors: Arc<Mutex<Vec<fdo::Error>>>,
    /// Whether it gives ids.
    pub has_ids: bool,
    /// Whether it shows buttons.
    pub has_actions: bool,
    /// Whether it ends at each notification.
    pub ends: bool,
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
        self.titles.lock().unwrap_or_else(PoisonError::into_inner).push(summary.replace('\u{a0}', " "));
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

    /// Returns how many notifications it has taken.
    pub fn taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
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
