//! Sleep as logind reports it, and battery changes as UPower reports them; the battery itself is read from the kernel.

use crate::Events;
use crate::sensors::inotify::FileWatch;
use futures_util::StreamExt;
use std::fs;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vigie_core::message::{Battery, Event, Reading};
use zbus::fdo::{DBusProxy, PropertiesProxy};
use zbus::names::{BusName, WellKnownName};

const POWER_SUPPLIES: &str = "/sys/class/power_supply";
const SYSTEM_BUS: &str = "unix:path=/run/dbus/system_bus_socket";
const LOGIND: &str = "org.freedesktop.login1";
const UPOWER: &str = "org.freedesktop.UPower";
/// Whether the mains is plugged in, and the sum of the batteries, <https://upower.freedesktop.org/docs/>.
const UPOWER_OBJECTS: [&str; 2] = ["/org/freedesktop/UPower", "/org/freedesktop/UPower/devices/DisplayDevice"];

/// Pauses between attempts to reach the system bus: the first, and the longest to which doubling leads. A bus that creates
/// its socket is noticed at once.
const RECONNECT_PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(600));

/// How long a service that has left the bus may take to come back before it is started.
const RESTART_PAUSE: Duration = Duration::from_secs(5);

/// logind, <https://www.freedesktop.org/software/systemd/man/org.freedesktop.login1.html>. No inhibitor lock is taken:
/// nothing has to be done before the machine sleeps, and a lock would delay it.
#[zbus::proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1",
    gen_blocking = false
)]
trait Logind {
    #[zbus(signal)]
    fn prepare_for_sleep(&self, start: bool) -> zbus::Result<()>;
}

pub(super) fn battery() -> Reading<Option<Battery>> {
    battery_in(Path::new(POWER_SUPPLIES))
}

pub(super) async fn watch(events: Events) {
    let address = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_else(|_| SYSTEM_BUS.into());
    watch_bus(&address, Path::new(POWER_SUPPLIES), &events).await;
}

/// Watches the bus, and connects again whenever it has gone, until the receiver is gone.
async fn watch_bus(address: &str, supplies: &Path, events: &Events) {
    let mut watcher = Watcher { supplies, events, battery: battery_in(supplies), asleep: false };
    let mut pause = RECONNECT_PAUSES.0;
    loop {
        // Before the attempt, so that a socket that is created meanwhile is noticed.
        let mut socket = watch_socket(address);
        let connected = async { zbus::connection::Builder::address(address)?.build().await };
        let ended = match connected.await {
            Ok(bus) => {
                pause = RECONNECT_PAUSES.0;
                // Not watched while connected: each file created beside the socket would wake the program.
                drop(socket.take());
                let ended = watcher.watch_on(&bus).await;
                socket = watch_socket(address);
                ended
            }
            Err(error) => Err(error),
        };
        if events.is_closed() {
            return;
        }
        match ended {
            Ok(()) => {
                tracing::warn!("connection to the system bus lost: sleep and battery are not watched until it is back")
            }
            Err(error) => tracing::warn!("sleep and battery are not watched: {error}"),
        }
        let created = async {
            match &mut socket {
                Some(socket) => drop(socket.changed().await),
                None => pending().await,
            }
        };
        tokio::select! {
            () = events.closed() => return,
            () = created => pause = RECONNECT_PAUSES.0,
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(RECONNECT_PAUSES.1),
        }
    }
}

/// Watches the socket of a bus, and the folder in which it will be created; `None` if that is not possible.
fn watch_socket(address: &str) -> Option<FileWatch> {
    let path = PathBuf::from(address.split(';').next()?.strip_prefix("unix:path=")?.split(',').next()?);
    let folder = path.parent()?.to_owned();
    FileWatch::new(&[path, folder]).ok()
}

struct Watcher<'a> {
    supplies: &'a Path,
    events: &'a Events,
    /// As it was last sent or read.
    battery: Reading<Option<Battery>>,
    /// Whether the last signal of logind was that the machine is about to sleep.
    asleep: bool,
}

impl Watcher<'_> {
    /// Returns when the receiver or the bus has gone.
    async fn watch_on(&mut self, bus: &zbus::Connection) -> zbus::Result<()> {
        let mut sleep = LogindProxy::new(bus).await?.receive_prepare_for_sleep().await?;
        let mut changes = futures_util::stream::SelectAll::new();
        for path in UPOWER_OBJECTS {
            let object = PropertiesProxy::builder(bus).destination(UPOWER)?.path(path)?.build().await?;
            changes.push(object.receive_properties_changed().await?);
        }
        let daemon = DBusProxy::new(bus).await?;
        let mut owners = futures_util::stream::SelectAll::new();
        for name in [LOGIND, UPOWER] {
            owners.push(daemon.receive_name_owner_changed_with_args(&[(0, name)]).await?);
        }
        self.start_services(bus).await?;
        // Reads what has changed while the bus was not watched.
        self.update_battery();
        self.assume_awake();
        let mut restart = None;
        loop {
            let restart_due = async {
                match restart {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = self.events.closed() => return Ok(()),
                signal = sleep.next() => match signal {
                    Some(signal) => {
                        self.asleep = signal.args()?.start;
                        // A closed channel is noticed at the top.
                        let _ = self.events.send(if self.asleep { Event::Sleeping } else { Event::Woke });
                    }
                    None => return Ok(()),
                },
                change = changes.next() => match change {
                    Some(_) => self.update_battery(),
                    None => return Ok(()),
                },
                change = owners.next() => {
                    let Some(change) = change else { return Ok(()) };
                    let change = change.args()?;
                    if change.new_owner.is_none() {
                        restart = Some(tokio::time::Instant::now() + RESTART_PAUSE);
                    } else if matches!(&change.name, BusName::WellKnown(name) if *name == LOGIND) {
                        self.assume_awake();
                    } else {
                        self.update_battery();
                    }
                },
                () = restart_due => {
                    restart = None;
                    self.start_services(bus).await?;
                }
            }
        }
    }

    async fn start_services(&self, bus: &zbus::Connection) -> zbus::Result<()> {
        start(bus, LOGIND, "sleep").await?;
        if matches!(self.battery, Reading::Known(Some(_))) {
            start(bus, UPOWER, "the battery").await?;
        }
        Ok(())
    }

    fn update_battery(&mut self) {
        let now = battery_in(self.supplies);
        if now != self.battery {
            self.battery = now.clone();
            let _ = self.events.send(Event::Power(now));
        }
    }

    /// Sends the wake-up that logind could not send because it was restarted meanwhile.
    fn assume_awake(&mut self) {
        if std::mem::take(&mut self.asleep) {
            let _ = self.events.send(Event::Woke);
        }
    }
}

/// Starts a service of the bus unless it runs. A failure is only logged.
async fn start(bus: &zbus::Connection, name: &'static str, purpose: &str) -> zbus::Result<()> {
    let name = WellKnownName::try_from(name)?;
    let daemon = DBusProxy::new(bus).await?;
    // Asked first: a bus without a service file refuses to start the service even if it runs.
    if daemon.name_has_owner(name.as_ref().into()).await? {
        return Ok(());
    }
    if let Err(error) = daemon.start_service_by_name(name.as_ref(), 0).await {
        tracing::warn!("changes of {purpose} are not reported: {name}: {error}");
    }
    Ok(())
}

/// Reads the kernel's power supplies, batteries and what charges them:
/// <https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-class-power>.
fn battery_in(supplies: &Path) -> Reading<Option<Battery>> {
    let directories = match fs::read_dir(supplies) {
        Ok(directories) => directories,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Reading::Known(None),
        Err(error) => return Reading::Unavailable(format!("{}: {error}", supplies.display())),
    };
    let mut batteries = Vec::new();
    let mut feeds = Vec::new();
    for supply in directories.flatten() {
        let value = |name: &str| Some(fs::read_to_string(supply.path().join(name)).ok()?.trim().to_owned());
        let number = |name: &str| value(name)?.parse::<u64>().ok();
        match value("type").as_deref() {
            // Batteries of a mouse or a headset, and empty bays.
            Some("Battery") if value("scope").as_deref() == Some("Device") || number("present") == Some(0) => {}
            Some("Battery") => {
                let Some(percent) = number("capacity") else { continue };
                let full = number("energy_full").or_else(|| number("charge_full"));
                batteries.push((percent.min(100), full, value("status").as_deref() == Some("Discharging")));
            }
            Some("UPS") | None => {}
            Some(_) => feeds.extend(number("online")),
        }
    }
    if batteries.is_empty() {
        return Reading::Known(None);
    }
    // Several batteries are weighted by their size, if all report it.
    let sized = batteries.iter().all(|(_, full, _)| full.is_some_and(|full| full > 0));
    let weight = |full: Option<u64>| u128::from(if sized { full.unwrap_or(1) } else { 1 });
    let all: u128 = batteries.iter().map(|(_, full, _)| weight(*full)).sum();
    let charged: u128 = batteries.iter().map(|(percent, full, _)| u128::from(*percent) * weight(*full)).sum();
    let plugged = match feeds.is_empty() {
        true => !batteries.iter().any(|(_, _, discharging)| *discharging),
        false => feeds.iter().any(|online| *online > 0),
    };
    match u8::try_from(charged / all) {
        Ok(percent) => Reading::Known(Some(Battery { percent, plugged })),
        Err(_) => Reading::Unavailable("a charge of more than 100 %".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_bus::TestBus;
    use tempfile::TempDir;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    const DEADLINE: Duration = Duration::from_secs(30);

    async fn next(events: &mut UnboundedReceiver<Event>) -> Event {
        tokio::time::timeout(DEADLINE, events.recv()).await.expect("an event in time").expect("the watch runs")
    }

    async fn send_sleep(from: &zbus::Connection, start: bool) {
        let (path, interface) = ("/org/freedesktop/login1", "org.freedesktop.login1.Manager");
        from.emit_signal(None::<&str>, path, interface, "PrepareForSleep", &(start,)).await.expect("sent");
    }

    /// Sends the signal until the watch, which subscribes at its own pace, has received it.
    async fn sleep_until_noticed(from: &zbus::Connection, events: &mut UnboundedReceiver<Event>) {
        let noticed = async {
            loop {
                send_sleep(from, true).await;
                match tokio::time::timeout(Duration::from_millis(100), events.recv()).await {
                    Ok(Some(Event::Sleeping)) => return,
                    Ok(Some(Event::Woke)) | Err(_) => {}
                    Ok(other) => panic!("{other:?}"),
                }
            }
        };
        tokio::time::timeout(DEADLINE, noticed).await.expect("noticed in time");
    }

    fn supply(class: &TempDir, name: &str, files: &[(&str, &str)]) {
        let directory = class.path().join(name);
        fs::create_dir_all(&directory).expect("a directory");
        for (file, value) in files {
            fs::write(directory.join(file), format!("{value}\n")).expect("a file");
        }
    }

    fn known(percent: u8, plugged: bool) -> Reading<Option<Battery>> {
        Reading::Known(Some(Battery { percent, plugged }))
    }

    fn class() -> TempDir {
        tempfile::tempdir().expect("a directory")
    }

    #[test]
    fn laptop_battery_is_read() {
        let class = class();
        supply(&class, "AC", &[("type", "Mains"), ("online", "1")]);
        supply(&class, "BAT0", &[("type", "Battery"), ("present", "1"), ("capacity", "80"), ("status", "Charging")]);
        assert_eq!(battery_in(class.path()), known(80, true));
        supply(&class, "AC", &[("online", "0")]);
        supply(&class, "BAT0", &[("capacity", "79"), ("status", "Discharging")]);
        assert_eq!(battery_in(class.path()), known(79, false));
    }

    #[test]
    fn batteries_are_weighted_by_their_size() {
        let class = class();
        supply(&class, "BAT0", &[("type", "Battery"), ("capacity", "100"), ("energy_full", "30000000")]);
        supply(&class, "BAT1", &[("type", "Battery"), ("capacity", "20"), ("energy_full", "10000000")]);
        assert_eq!(battery_in(class.path()), known(80, true));
        supply(&class, "BAT1", &[("energy_full", "unknown"), ("status", "Discharging")]);
        assert_eq!(battery_in(class.path()), known(60, false));
    }

    #[test]
    fn desktop_has_no_battery() {
        let class = class();
        assert_eq!(battery_in(class.path()), Reading::Known(None));
        supply(&class, "AC", &[("type", "Mains"), ("online", "1")]);
        supply(&class, "mouse", &[("type", "Battery"), ("scope", "Device"), ("capacity", "5")]);
        supply(&class, "BAT1", &[("type", "Battery"), ("present", "0"), ("capacity", "0")]);
        supply(&class, "BAT2", &[("type", "Battery"), ("capacity", "?")]);
        assert_eq!(battery_in(class.path()), Reading::Known(None));
        assert_eq!(battery_in(Path::new("/nowhere")), Reading::Known(None));
    }

    fn spawn_watch(bus: &TestBus, class: &TempDir) -> (tokio::task::JoinHandle<()>, UnboundedReceiver<Event>) {
        let (sender, events) = unbounded_channel();
        let (address, path) = (bus.address(), class.path().to_owned());
        (tokio::spawn(async move { watch_bus(&address, &path, &sender).await }), events)
    }

    #[tokio::test]
    async fn sleep_and_battery_are_reported_by_their_services() {
        let bus = TestBus::start();
        let class = class();
        supply(&class, "BAT0", &[("type", "Battery"), ("capacity", "50"), ("status", "Discharging")]);
        let logind = bus.connect(Some(LOGIND)).await;
        let upower = bus.connect(Some(UPOWER)).await;
        let stranger = bus.connect(None).await;
        let (watch, mut events) = spawn_watch(&bus, &class);
        sleep_until_noticed(&logind, &mut events).await;
        // Signals that were repeated arrive before the one that ends them.
        send_sleep(&logind, false).await;
        while next(&mut events).await != Event::Woke {}
        // Only logind's signals count.
        send_sleep(&stranger, true).await;
        send_sleep(&logind, false).await;
        assert_eq!(next(&mut events).await, Event::Woke);
        let changed = async |path: &str, property: &str| {
            let values = std::collections::HashMap::from([(property, zbus::zvariant::Value::from(true))]);
            let body = ("org.freedesktop.UPower.Device", values, Vec::<&str>::new());
            let interface = "org.freedesktop.DBus.Properties";
            upower.emit_signal(None::<&str>, path, interface, "PropertiesChanged", &body).await.expect("sent");
        };
        // No event without a change of what the panel shows.
        changed(UPOWER_OBJECTS[1], "UpdateTime").await;
        supply(&class, "AC", &[("type", "Mains"), ("online", "1")]);
        changed(UPOWER_OBJECTS[0], "OnBattery").await;
        assert_eq!(next(&mut events).await, Event::Power(known(50, true)));
        supply(&class, "BAT0", &[("capacity", "51")]);
        changed(UPOWER_OBJECTS[1], "Percentage").await;
        assert_eq!(next(&mut events).await, Event::Power(known(51, true)));
        drop(events);
        watch.await.expect("no panic");
    }

    #[tokio::test]
    async fn restarted_logind_is_watched_again_and_a_lost_wake_up_is_sent() {
        let bus = TestBus::start();
        let (watch, mut events) = spawn_watch(&bus, &class());
        let logind = bus.connect(Some(LOGIND)).await;
        sleep_until_noticed(&logind, &mut events).await;
        logind.close().await.expect("closed");
        let logind = bus.connect(Some(LOGIND)).await;
        while next(&mut events).await != Event::Woke {}
        send_sleep(&logind, true).await;
        assert_eq!(next(&mut events).await, Event::Sleeping);
        watch.abort();
    }

    #[tokio::test]
    async fn restarted_system_bus_is_watched_again() {
        let mut bus = TestBus::start();
        let class = class();
        supply(&class, "BAT0", &[("type", "Battery"), ("capacity", "50"), ("status", "Discharging")]);
        let logind = bus.connect(Some(LOGIND)).await;
        let (watch, mut events) = spawn_watch(&bus, &class);
        sleep_until_noticed(&logind, &mut events).await;
        bus.stop();
        // What changed meanwhile is read afterwards.
        supply(&class, "BAT0", &[("capacity", "40")]);
        bus.restart_after_stop();
        let mut seen = Vec::new();
        while !(seen.contains(&Event::Woke) && seen.contains(&Event::Power(known(40, false)))) {
            seen.push(next(&mut events).await);
        }
        let logind = bus.connect(Some(LOGIND)).await;
        sleep_until_noticed(&logind, &mut events).await;
        drop(events);
        tokio::time::timeout(DEADLINE, watch).await.expect("ends with its receiver").expect("no panic");
    }

    #[tokio::test]
    async fn bus_that_starts_later_is_watched() {
        let mut bus = TestBus::start();
        bus.stop();
        let (watch, mut events) = spawn_watch(&bus, &class());
        bus.restart_after_stop();
        let logind = bus.connect(Some(LOGIND)).await;
        sleep_until_noticed(&logind, &mut events).await;
        watch.abort();
    }
}
