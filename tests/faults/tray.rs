//! The tray host: the program that shows the icon.

use crate::FaultCase;
use crate::fixture::{Fixture, PANEL, StoppedProcess};
use crate::harness::{DEADLINE, Desktop, wait_for};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use zbus::blocking::object_server::InterfaceRef;
use zbus::blocking::{Connection, connection};
use zbus::zvariant::Value;

pub const FAULTS: &[FaultCase] = &[
    FaultCase {
        what: "the tray host is killed and started again",
        may: "no icon in between",
        never: "a notice for a host that is gone for a moment, or no icon afterwards",
        tests: &["tray::host_is_killed"],
    },
    FaultCase {
        what: "the tray host owns its name and does not answer",
        may: "no icon",
        never: "a reminder, `vigie quit` or SIGTERM that waits for it",
        tests: &["tray::host_hangs"],
    },
    FaultCase {
        what: "the tray host comes 20 s after Vigie, and only a changed property says so",
        may: "a notice and the panel after 5 s",
        never: "the notice once the icon is there",
        tests: &[
            "tray::host_is_late",
            "tests/desktop/notifications.rs::without_a_tray_the_panel_opens_and_the_icon_follows_when_a_tray_appears",
        ],
    },
    FaultCase {
        what: "the tray host forgets its items, 60 times",
        may: "no icon for a second or two",
        never: "no icon from then on, or two",
        tests: &["tray::host_forgets_its_items"],
    },
];

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const PATH: &str = "/StatusNotifierWatcher";

/// How long the host is late.
const LATE: Duration = Duration::from_secs(20);

#[test]
fn host_is_killed() {
    let mut fixture = Fixture::start();
    fixture.item();
    fixture.desktop.stop_xfce_panel();
    fixture.assert_reminds();
    fixture.desktop.start_xfce_panel();
    fixture.item().wait_for_menu("VPN déconnecté");
    fixture.assert_works();
    let all = fixture.desktop.notifications().all();
    assert!(!all.iter().any(|it| it.summary == NO_TRAY && it.closed.is_none()), "{all:#?}");
    fixture.assert_unharmed();
}

const NO_TRAY: &str = "L’icône de Vigie ne peut pas s’afficher";

#[test]
fn host_hangs() {
    let mut fixture = Fixture::prepare();
    let stopped = StoppedProcess::owner_of(&fixture.desktop, WATCHER);
    fixture.run();
    fixture.wait_for_status("disconnected");
    fixture.assert_works();
    fixture.assert_ends();
    fixture.run();
    drop(stopped);
    fixture.item().wait_for_menu("VPN déconnecté");
    fixture.assert_unharmed();
}

/// A watcher that the test controls.
struct ControlledTray {
    items: Arc<Mutex<Vec<String>>>,
    object: InterfaceRef<ControlledWatcher>,
    bus: Connection,
}

struct ControlledWatcher {
    has_host: bool,
    items: Arc<Mutex<Vec<String>>>,
}

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl ControlledWatcher {
    fn register_status_notifier_item(&self, service: String) {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).push(service);
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        self.has_host
    }
}

impl ControlledTray {
    /// Takes the place of the desktop's own.
    fn start(desktop: &Desktop, has_host: bool) -> ControlledTray {
        desktop.stop_xfce_panel();
        let items = Arc::<Mutex<Vec<String>>>::default();
        let watcher = ControlledWatcher { has_host, items: items.clone() };
        let builder = connection::Builder::address(&*desktop.session_address()).expect("the bus printed an address");
        let builder = builder.serve_at(PATH, watcher).and_then(|builder| builder.name(WATCHER));
        let bus = builder.and_then(connection::Builder::build).expect("the name is free");
        let object = bus.object_server().interface(PATH).expect("the object was just added");
        ControlledTray { items, object, bus }
    }

    /// Has a host from now on, and announces it by nothing but the changed property.
    fn gain_host(&self) {
        self.object.get_mut().has_host = true;
        let changed = HashMap::from([("IsStatusNotifierHostRegistered", Value::from(true))]);
        let body = (WATCHER, changed, Vec::<String>::new());
        let properties = "org.freedesktop.DBus.Properties";
        self.bus.emit_signal(None::<&str>, PATH, properties, "PropertiesChanged", &body).expect("the bus runs");
    }

    /// Forgets every item, and says so; keeps its name.
    fn forget(&self) {
        for item in std::mem::take(&mut *self.items.lock().unwrap_or_else(PoisonError::into_inner)) {
            let signal = "StatusNotifierItemUnregistered";
            self.bus.emit_signal(None::<&str>, PATH, WATCHER, signal, &item).expect("the bus runs");
        }
    }

    fn wait_for_item(&self) {
        wait_for("its item", DEADLINE, || (self.count() > 0).then_some(()));
    }

    fn count(&self) -> usize {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[test]
fn host_is_late() {
    let mut fixture = Fixture::prepare();
    let watcher = ControlledTray::start(&fixture.desktop, false);
    fixture.run();
    let started = std::time::Instant::now();
    let notice = fixture.desktop.notifications().wait(0, NO_TRAY);
    fixture.desktop.wait_for_window(PANEL, true);
    fixture.assert_reminds();
    wait_for("the host's time", 2 * DEADLINE, || (started.elapsed() > LATE).then_some(()));
    watcher.gain_host();
    watcher.wait_for_item();
    wait_for("the notice to be withdrawn", DEADLINE, || {
        fixture.desktop.notifications().all().into_iter().find(|it| it.id == notice.id)?.closed
    });
    fixture.assert_unharmed();
}

#[test]
fn host_forgets_its_items() {
    let mut fixture = Fixture::prepare();
    let watcher = ControlledTray::start(&fixture.desktop, true);
    fixture.run();
    fixture.wait_for_status("disconnected");
    watcher.wait_for_item();
    fixture.assert_no_leak(|_| {
        watcher.forget();
        watcher.wait_for_item();
    });
    assert_eq!(watcher.count(), 1);
    fixture.assert_unharmed();
}
