//! logind tells of sleep, UPower of the battery; the battery itself is read from the kernel.

use crate::Events;
use futures_util::StreamExt;
use std::fs;
use std::io;
use std::path::Path;
use vigie_core::message::{Battery, Event, Reading};
use zbus::fdo::{DBusProxy, PropertiesProxy};
use zbus::names::WellKnownName;

const CLASS: &str = "/sys/class/power_supply";
const LOGIND: &str = "org.freedesktop.login1";
const UPOWER: &str = "org.freedesktop.UPower";
/// Whether the mains is there, and the sum of the batteries, <https://upower.freedesktop.org/docs/>.
const UPOWER_OBJECTS: [&str; 2] = ["/org/freedesktop/UPower", "/org/freedesktop/UPower/devices/DisplayDevice"];

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
    battery_in(Path::new(CLASS))
}

pub(super) async fn watch(events: Events) {
    let watched = async {
        let bus = zbus::Connection::system().await?;
        watch_on(&bus, Path::new(CLASS), &events).await
    };
    match watched.await {
        Ok(()) if events.is_closed() => {}
        Ok(()) => tracing::warn!("the system bus has gone: sleep and battery are not watched any more"),
        Err(error) => tracing::warn!("sleep and battery are not watched: {error}"),
    }
}

/// Ends when nobody listens any more, or the bus has gone.
async fn watch_on(bus: &zbus::Connection, class: &Path, events: &Events) -> zbus::Result<()> {
    let mut sleep = LogindProxy::new(bus).await?.receive_prepare_for_sleep().await?;
    let mut changes = futures_util::stream::SelectAll::new();
    for path in UPOWER_OBJECTS {
        let object = PropertiesProxy::builder(bus).destination(UPOWER)?.path(path)?.build().await?;
        changes.push(object.receive_properties_changed().await?);
    }
    let mut last = battery_in(class);
    start(bus, LOGIND, "sleep").await?;
    if matches!(last, Reading::Known(Some(_))) {
        start(bus, UPOWER, "the battery").await?;
    }
    loop {
        let woke = tokio::select! {
            () = events.closed() => return Ok(()),
            signal = sleep.next() => match signal {
                Some(signal) => !signal.args()?.start,
                None => return Ok(()),
            },
            change = changes.next() => match change {
                Some(_) => {
                    let now = battery_in(class);
                    if now != last {
                        last = now.clone();
                        // Nobody listens: seen at the top.
                        let _ = events.send(Event::Power(now));
                    }
                    continue;
                }
                None => return Ok(()),
            },
        };
        let _ = events.send(if woke { Event::Woke } else { Event::Sleeping });
    }
}

/// Makes sure that a service runs; says in the log what is missed without it.
async fn start(bus: &zbus::Connection, name: &'static str, what: &str) -> zbus::Result<()> {
    let name = WellKnownName::try_from(name)?;
    let daemon = DBusProxy::new(bus).await?;
    // Asked first: a bus that has no file for the service refuses to start it even where it runs.
    if daemon.name_has_owner(name.as_ref().into()).await? {
        return Ok(());
    }
    if let Err(error) = daemon.start_service_by_name(name.as_ref(), 0).await {
        tracing::warn!("changes of {what} are not told: {name}: {error}");
    }
    Ok(())
}

/// The kernel's power supplies, <https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-class-power>: batteries,
/// and what feeds them.
fn battery_in(class: &Path) -> Reading<Option<Battery>> {
    let supplies = match fs::read_dir(class) {
        Ok(supplies) => supplies,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Reading::Known(None),
        Err(error) => return Reading::Unavailable(format!("{}: {error}", class.display())),
    };
    let mut batteries = Vec::new();
    let mut feeds = Vec::new();
    for supply in supplies.flatten() {
        let value = |name: &str| Some(fs::read_to_string(supply.path().join(name)).ok()?.trim().to_owned());
        let number = |name: &str| value(name)?.parse::<u64>().ok();
        match value("type").as_deref() {
            // A mouse, a headset; or an empty bay.
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
    // Two batteries count by their size, where both tell it.
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
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;
    use tempfile::TempDir;
    use tokio::sync::mpsc::unbounded_channel;

    /// A message bus of its own.
    struct Bus {
        daemon: Child,
        address: String,
    }

    impl Bus {
        fn start() -> Bus {
            let mut daemon = Command::new("dbus-daemon")
                .args(["--session", "--nofork", "--print-address=1"])
                .stdout(Stdio::piped())
                .spawn()
                .expect("dbus-daemon is installed");
            let mut address = String::new();
            let output = daemon.stdout.as_mut().expect("its output is piped");
            BufReader::new(output).read_line(&mut address).expect("it tells its address");
            Bus { daemon, address: address.trim().to_owned() }
        }

        async fn connect(&self, name: Option<&'static str>) -> zbus::Connection {
            let address = self.address.as_str();
            let builder = zbus::connection::Builder::address(address).expect("an address");
            let builder = match name {
                Some(name) => builder.name(name).expect("a name"),
                None => builder,
            };
            builder.build().await.expect("a connection")
        }
    }

    impl Drop for Bus {
        fn drop(&mut self) {
            self.daemon.kill().expect("it runs until here");
            self.daemon.wait().expect("it was ours");
        }
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
    fn a_laptop_has_a_battery() {
        let class = class();
        supply(&class, "AC", &[("type", "Mains"), ("online", "1")]);
        supply(&class, "BAT0", &[("type", "Battery"), ("present", "1"), ("capacity", "80"), ("status", "Charging")]);
        assert_eq!(battery_in(class.path()), known(80, true));
        supply(&class, "AC", &[("online", "0")]);
        supply(&class, "BAT0", &[("capacity", "79"), ("status", "Discharging")]);
        assert_eq!(battery_in(class.path()), known(79, false));
    }

    #[test]
    fn two_batteries_count_by_their_size() {
        let class = class();
        supply(&class, "BAT0", &[("type", "Battery"), ("capacity", "100"), ("energy_full", "30000000")]);
        supply(&class, "BAT1", &[("type", "Battery"), ("capacity", "20"), ("energy_full", "10000000")]);
        assert_eq!(battery_in(class.path()), known(80, true));
        supply(&class, "BAT1", &[("energy_full", "unknown"), ("status", "Discharging")]);
        assert_eq!(battery_in(class.path()), known(60, false));
    }

    #[test]
    fn a_desktop_has_none() {
        let class = class();
        assert_eq!(battery_in(class.path()), Reading::Known(None));
        supply(&class, "AC", &[("type", "Mains"), ("online", "1")]);
        supply(&class, "mouse", &[("type", "Battery"), ("scope", "Device"), ("capacity", "5")]);
        supply(&class, "BAT1", &[("type", "Battery"), ("present", "0"), ("capacity", "0")]);
        supply(&class, "BAT2", &[("type", "Battery"), ("capacity", "?")]);
        assert_eq!(battery_in(class.path()), Reading::Known(None));
        assert_eq!(battery_in(Path::new("/nowhere")), Reading::Known(None));
    }

    #[tokio::test]
    async fn sleep_and_battery_are_told_by_their_services() {
        let bus = Bus::start();
        let class = class();
        supply(&class, "BAT0", &[("type", "Battery"), ("capacity", "50"), ("status", "Discharging")]);
        let logind = bus.connect(Some(LOGIND)).await;
        let upower = bus.connect(Some(UPOWER)).await;
        let stranger = bus.connect(None).await;
        let ours = bus.connect(None).await;
        let (sender, mut events) = unbounded_channel();
        let path = class.path().to_owned();
        let watch = tokio::spawn(async move { watch_on(&ours, &path, &sender).await });
        let sleep = async |from: &zbus::Connection, start: bool| {
            let (path, interface) = ("/org/freedesktop/login1", "org.freedesktop.login1.Manager");
            from.emit_signal(None::<&str>, path, interface, "PrepareForSleep", &(start,)).await.expect("sent");
        };
        // The watch asks the bus to start its services when all is set up: until then signals are sent again.
        let first = loop {
            sleep(&logind, true).await;
            match tokio::time::timeout(Duration::from_millis(100), events.recv()).await {
                Ok(event) => break event,
                Err(_) => continue,
            }
        };
        assert_eq!(first, Some(Event::Sleeping));
        while tokio::time::timeout(Duration::from_millis(100), events.recv()).await.is_ok() {}
        // Only logind may say so.
        sleep(&stranger, true).await;
        sleep(&logind, false).await;
        let next = async |events: &mut tokio::sync::mpsc::UnboundedReceiver<Event>| {
            tokio::time::timeout(Duration::from_secs(5), events.recv()).await.expect("an event in time")
        };
        assert_eq!(next(&mut events).await, Some(Event::Woke));
        let changed = async |path: &str, property: &str| {
            let values = std::collections::HashMap::from([(property, zbus::zvariant::Value::from(true))]);
            let body = ("org.freedesktop.UPower.Device", values, Vec::<&str>::new());
            let interface = "org.freedesktop.DBus.Properties";
            upower.emit_signal(None::<&str>, path, interface, "PropertiesChanged", &body).await.expect("sent");
        };
        // Without a change of what the panel shows there is no event.
        changed(UPOWER_OBJECTS[1], "UpdateTime").await;
        supply(&class, "AC", &[("type", "Mains"), ("online", "1")]);
        changed(UPOWER_OBJECTS[0], "OnBattery").await;
        assert_eq!(next(&mut events).await, Some(Event::Power(known(50, true))));
        supply(&class, "BAT0", &[("capacity", "51")]);
        changed(UPOWER_OBJECTS[1], "Percentage").await;
        assert_eq!(next(&mut events).await, Some(Event::Power(known(51, true))));
        drop(events);
        watch.await.expect("no panic").expect("it ends by itself");
    }

    #[tokio::test]
    async fn the_watch_ends_with_the_bus() {
        let bus = Bus::start();
        let ours = bus.connect(None).await;
        let (sender, mut events) = unbounded_channel();
        let class = class();
        let path = class.path().to_owned();
        let watch = tokio::spawn(async move { watch_on(&ours, &path, &sender).await });
        // Neither service is there: it waits all the same.
        assert!(tokio::time::timeout(Duration::from_millis(300), events.recv()).await.is_err());
        drop(bus);
        tokio::time::timeout(Duration::from_secs(5), watch).await.expect("it ends").expect("no panic").ok();
    }
}
