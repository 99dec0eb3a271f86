//! A fake systemd-logind on a private system bus, so that no test switches the machine off.

use super::Desktop;
use std::sync::{Arc, Mutex, PoisonError};
use zbus::blocking::object_server::InterfaceRef;
use zbus::blocking::{Connection, connection};
use zbus::zvariant::OwnedFd;

const PATH: &str = "/org/freedesktop/login1";

/// The fake service. It leaves the bus when this is dropped.
pub struct FakeLogind {
    calls: Arc<Mutex<Vec<String>>>,
    manager: InterfaceRef<Manager>,
    bus: Connection,
}

/// The part of `org.freedesktop.login1.Manager` that Vigie could call.
struct Manager {
    calls: Arc<Mutex<Vec<String>>>,
    scheduled: (String, u64),
}

impl Manager {
    fn record(&self, call: String) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Manager {
    fn power_off(&self, interactive: bool) {
        self.record(format!("PowerOff({interactive})"));
    }

    fn power_off_with_flags(&self, flags: u64) {
        self.record(format!("PowerOffWithFlags({flags})"));
    }

    fn can_power_off(&self) -> &str {
        "yes"
    }

    fn inhibit(&self, what: String, _who: String, _why: String, mode: String) -> zbus::fdo::Result<OwnedFd> {
        self.record(format!("Inhibit({what}, {mode})"));
        let file = std::fs::File::open("/dev/null").map_err(|error| zbus::fdo::Error::Failed(error.to_string()))?;
        Ok(std::os::fd::OwnedFd::from(file).into())
    }

    fn set_wall_message(&self, message: String, _enable: bool) {
        self.record(format!("SetWallMessage({message})"));
    }

    /// As in systemd, no signal announces a change.
    #[zbus(property(emits_changed_signal = "false"))]
    fn scheduled_shutdown(&self) -> (String, u64) {
        self.scheduled.clone()
    }
}

impl FakeLogind {
    /// Takes logind's name on the system bus of the desktop.
    pub fn start(desktop: &Desktop) -> FakeLogind {
        let calls = Arc::<Mutex<Vec<String>>>::default();
        let manager = Manager { calls: calls.clone(), scheduled: (String::new(), 0) };
        let builder = connection::Builder::address(desktop.system_address()).expect("the bus printed a valid address");
        let builder = builder.serve_at(PATH, manager).and_then(|builder| builder.name("org.freedesktop.login1"));
        let bus = builder.and_then(connection::Builder::build).expect("the name is free");
        let manager = bus.object_server().interface(PATH).expect("the object was just added");
        FakeLogind { calls, manager, bus }
    }

    /// Returns the calls so far, oldest first, such as `PowerOff(false)` or `Inhibit(sleep, delay)`.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Announces that the machine is about to sleep (`true`) or has woken (`false`).
    pub fn prepare_for_sleep(&self, start: bool) {
        let interface = "org.freedesktop.login1.Manager";
        self.bus.emit_signal(None::<&str>, PATH, interface, "PrepareForSleep", &start).expect("the bus runs");
    }

    /// Schedules a shutdown as `shutdown -P` does: a type such as `poweroff`, and microseconds since 1970.
    pub fn schedule_shutdown(&self, kind: &str, at_microseconds: u64) {
        self.manager.get_mut().scheduled = (kind.into(), at_microseconds);
    }
}
