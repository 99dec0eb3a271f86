//! A stand-in for systemd-logind on a system bus of the test's own: no test may switch the machine off.

use super::Desktop;
use std::sync::{Arc, Mutex, PoisonError};
use zbus::blocking::object_server::InterfaceRef;
use zbus::blocking::{Connection, connection};
use zbus::zvariant::OwnedFd;

const PATH: &str = "/org/freedesktop/login1";

/// The stand-in. Gone when it is dropped.
pub struct FakeLogind {
    calls: Arc<Mutex<Vec<String>>>,
    manager: InterfaceRef<Manager>,
    bus: Connection,
}

/// `org.freedesktop.login1.Manager`, as far as Vigie could ask it.
struct Manager {
    calls: Arc<Mutex<Vec<String>>>,
    scheduled: (String, u64),
}

impl Manager {
    fn called(&self, call: String) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Manager {
    fn power_off(&self, interactive: bool) {
        self.called(format!("PowerOff({interactive})"));
    }

    fn power_off_with_flags(&self, flags: u64) {
        self.called(format!("PowerOffWithFlags({flags})"));
    }

    fn can_power_off(&self) -> &str {
        "yes"
    }

    fn inhibit(&self, what: String, _who: String, _why: String, mode: String) -> zbus::fdo::Result<OwnedFd> {
        self.called(format!("Inhibit({what}, {mode})"));
        let file = std::fs::File::open("/dev/null").map_err(|error| zbus::fdo::Error::Failed(error.to_string()))?;
        Ok(std::os::fd::OwnedFd::from(file).into())
    }

    fn set_wall_message(&self, message: String, _enable: bool) {
        self.called(format!("SetWallMessage({message})"));
    }

    /// As systemd has it: no signal tells of a change.
    #[zbus(property(emits_changed_signal = "false"))]
    fn scheduled_shutdown(&self) -> (String, u64) {
        self.scheduled.clone()
    }
}

impl FakeLogind {
    /// Takes logind's name on the desktop's system bus.
    pub fn start(desktop: &Desktop) -> FakeLogind {
        FakeLogind::on(desktop.system_address())
    }

    /// The same on the bus with that address.
    pub fn on(address: &str) -> FakeLogind {
        let calls = Arc::<Mutex<Vec<String>>>::default();
        let manager = Manager { calls: calls.clone(), scheduled: (String::new(), 0) };
        let builder = connection::Builder::address(address).expect("the bus printed it");
        let builder = builder.serve_at(PATH, manager).and_then(|builder| builder.name("org.freedesktop.login1"));
        let bus = builder.and_then(connection::Builder::build).expect("the name is free");
        let manager = bus.object_server().interface(PATH).expect("just put there");
        FakeLogind { calls, manager, bus }
    }

    /// What was asked of it, oldest first: `PowerOff(false)`, `Inhibit(sleep, delay)`.
    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says that the machine goes to sleep (`true`) or has woken (`false`).
    pub fn prepare_for_sleep(&self, start: bool) {
        let interface = "org.freedesktop.login1.Manager";
        self.bus.emit_signal(None::<&str>, PATH, interface, "PrepareForSleep", &start).expect("the bus runs");
    }

    /// Schedules a shutdown, as `shutdown -P` does: `poweroff`, microseconds since 1970.
    pub fn schedule_shutdown(&self, kind: &str, at_microseconds: u64) {
        self.manager.get_mut().scheduled = (kind.into(), at_microseconds);
    }
}
