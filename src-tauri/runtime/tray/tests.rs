use super::DesktopTray;
use super::platform::host;
use crate::test_bus::with_session_bus;
use futures_util::{FutureExt, StreamExt};
use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::mpsc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use vigie_core::message::{Action, Event};
use vigie_core::vpn::VpnStatus;
use vigie_profile::Choice;
use vigie_view::tray::{self as view, Entry, Icon};
use zbus::zvariant::{OwnedValue, Structure, Value};
use zbus::{Connection, MatchRule, MessageStream};

fn tray() -> DesktopTray {
    let (hand, taken) = mpsc::channel();
    host(move |tray| {
        hand.send(tray).expect("taken below");
        ExitCode::SUCCESS
    });
    taken.recv().expect("handed over")
}

fn item(label: &str, action: Option<Action>) -> Entry {
    Entry::Item { label: label.into(), action }
}

fn value() -> view::Tray {
    let radio = |label: &str, chosen| Entry::Radio {
        label: label.into(),
        chosen,
        action: Some(Action::Choose(Choice::Site(label.to_lowercase()))),
    };
    view::Tray {
        icon: Icon { status: VpnStatus::Connected, badge: false },
        title: "VPN connecté".into(),
        detail: "depuis 14:02, <Rouen> & Caen".into(),
        menu: vec![
            item("Panneau d’information", Some(Action::ShowPanel)),
            item("Lecteur_T", None),
            Entry::Separator,
            Entry::Submenu { label: "Mon site".into(), entries: vec![radio("Caen", false), radio("Rouen", true)] },
            Entry::Check { label: "Lancer".into(), checked: true, action: Some(Action::SetAutostart(false)) },
            item("Quitter", Some(Action::Quit)),
        ],
    }
}

/// A tray host that shows nothing, and tells which items were registered.
struct FakeWatcher {
    host: bool,
    items: UnboundedSender<String>,
}

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl FakeWatcher {
    fn register_status_notifier_item(&self, service: String) {
        let _ = self.items.send(service);
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        self.host
    }
}

async fn watcher(host: bool) -> (Connection, UnboundedReceiver<String>) {
    let (items, registered) = unbounded_channel();
    let builder = zbus::connection::Builder::session().expect("a bus");
    let builder = builder.serve_at("/StatusNotifierWatcher", FakeWatcher { host, items }).expect("a path");
    let builder = builder.name("org.kde.StatusNotifierWatcher").expect("a name");
    (builder.build().await.expect("connected"), registered)
}

async fn set_host(watcher: &Connection, host: bool) {
    let served = watcher.object_server().interface::<_, FakeWatcher>("/StatusNotifierWatcher").await.expect("served");
    served.get_mut().await.host = host;
    let signal = if host { "StatusNotifierHostRegistered" } else { "StatusNotifierHostUnregistered" };
    let name = "org.kde.StatusNotifierWatcher";
    watcher.emit_signal(None::<&str>, "/StatusNotifierWatcher", name, signal, &()).await.expect("sent");
}

async fn property(bus: &Connection, item: &str, name: &str) -> OwnedValue {
    let (properties, of) = ("org.freedesktop.DBus.Properties", ("org.kde.StatusNotifierItem", name));
    let answer = bus.call_method(Some(item), "/StatusNotifierItem", Some(properties), "Get", &of).await;
    answer.expect("answered").body().deserialize().expect("a value")
}

async fn menu_call(
    bus: &Connection,
    item: &str,
    method: &str,
    body: &(impl serde::Serialize + zbus::zvariant::DynamicType),
) -> zbus::Message {
    bus.call_method(Some(item), "/MenuBar", Some("com.canonical.dbusmenu"), method, body).await.expect("answered")
}

type LayoutNode = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

/// The menu as a host reads it: one line of text for each line, indented by its depth; and their ids.
async fn layout(bus: &Connection, item: &str) -> (Vec<String>, Vec<i32>) {
    let answer = menu_call(bus, item, "GetLayout", &(0, -1, Vec::<String>::new())).await;
    let (_revision, root): (u32, LayoutNode) = answer.body().deserialize().expect("a menu");
    let (mut lines, mut ids) = (Vec::new(), Vec::new());
    write(root.2, 0, &mut lines, &mut ids);
    (lines, ids)
}

fn write(entries: Vec<OwnedValue>, depth: usize, lines: &mut Vec<String>, ids: &mut Vec<i32>) {
    for entry in entries {
        let entry = Structure::try_from(entry).expect("a structure");
        let (id, properties, entries): LayoutNode = entry.try_into().expect("a line");
        let text = |name: &str| properties.get(name).map(|value| String::try_from(value.clone()).expect("text"));
        let mut line = text("type").or(text("label")).unwrap_or_default();
        if let Some(kind) = text("toggle-type") {
            let on = properties.get("toggle-state").map(|state| i32::try_from(state.clone()).expect("a number"));
            line = format!("{line} [{kind} {}]", on.unwrap_or_default());
        }
        if properties.get("enabled").is_some_and(|enabled| enabled == &OwnedValue::from(false)) {
            line += " (grey)";
        }
        lines.push("  ".repeat(depth) + line.as_str());
        ids.push(id);
        write(entries, depth + 1, lines, ids);
    }
}

async fn next(events: &mut UnboundedReceiver<Event>) -> Event {
    events.recv().await.expect("an event")
}

#[test]
fn the_desktop_reads_what_the_view_says_and_clicks_come_back() {
    with_session_bus(async {
        let (bus, mut registered) = watcher(true).await;
        let (sender, mut events) = unbounded_channel();
        let mut tray = tray();
        tray.show(value(), &sender);
        let name = registered.recv().await.expect("registered");
        assert_eq!(next(&mut events).await, Event::TrayHost(true));

        assert_eq!(property(&bus, &name, "Id").await, Value::from("vigie").try_to_owned().expect("a value"));
        assert_eq!(property(&bus, &name, "Status").await, Value::from("Active").try_to_owned().expect("a value"));
        let tip = Structure::try_from(property(&bus, &name, "ToolTip").await).expect("a structure");
        assert_eq!(tip.fields()[2..], ["VPN connecté", "depuis 14:02, &lt;Rouen&gt; &amp; Caen"].map(Value::from));
        let pixmaps: Vec<(i32, i32, Vec<u8>)> = property(&bus, &name, "IconPixmap").await.try_into().expect("pictures");
        let sizes: Vec<_> = pixmaps.iter().map(|(width, ..)| *width).collect();
        assert_eq!(sizes, [16, 20, 22, 24, 32, 40, 48]);
        for (width, height, pixels) in &pixmaps {
            assert_eq!(pixels.len() as i32, 4 * width * height);
            // The shield's body, under the tick: opaque, and green.
            let below = 4 * (width * (height * 4 / 5) + width / 2) as usize;
            assert_eq!(pixels[below..below + 4], [0xff, 0x18, 0x80, 0x3c], "{width} pixels");
        }

        let (lines, ids) = layout(&bus, &name).await;
        let expected = [
            "Panneau d’information",
            "Lecteur__T (grey)",
            "separator",
            "Mon site",
            "  Caen [radio 0]",
            "  Rouen [radio 1]",
            "Lancer [checkmark 1]",
            "Quitter",
        ];
        assert_eq!(lines, expected);

        for (line, action) in [
            (0, Action::ShowPanel),
            (4, Action::Choose(Choice::Site("caen".into()))),
            (5, Action::Choose(Choice::Site("rouen".into()))),
            (6, Action::SetAutostart(false)),
            (7, Action::Quit),
        ] {
            menu_call(&bus, &name, "Event", &(ids[line], "clicked", Value::from(0), 0_u32)).await;
            assert_eq!(next(&mut events).await, Event::Action(action));
        }
        menu_call(&bus, &name, "Event", &(ids[1], "clicked", Value::from(0), 0_u32)).await;
        let (path, interface) = ("/StatusNotifierItem", Some("org.kde.StatusNotifierItem"));
        bus.call_method(Some(name.as_str()), path, interface, "Activate", &(0, 0)).await.expect("answered");
        assert_eq!(next(&mut events).await, Event::Action(Action::ShowPanel), "the grey line asked for nothing");
        assert!(events.try_recv().is_err());
    });
}

#[test]
fn only_differences_reach_the_bus() {
    with_session_bus(async {
        let (bus, mut registered) = watcher(true).await;
        let (sender, _events) = unbounded_channel();
        let mut tray = tray();
        tray.show(value(), &sender);
        let name = registered.recv().await.expect("registered");
        let rule = MatchRule::builder().msg_type(zbus::message::Type::Signal).sender(name.as_str()).expect("a name");
        let mut signals = MessageStream::for_match_rule(rule.build(), &bus, None).await.expect("subscribed");
        let (_, ids) = layout(&bus, &name).await;

        // What the bus has carried of our signals once the item has answered.
        macro_rules! received {
            () => {{
                property(&bus, &name, "Id").await;
                let mut received = Vec::new();
                while let Some(Some(Ok(message))) = signals.next().now_or_never() {
                    received.push(message);
                }
                received
            }};
        }
        let names = |received: &[zbus::Message]| -> Vec<String> {
            received.iter().map(|message| message.header().member().expect("a name").to_string()).collect()
        };

        tray.show(value(), &sender);
        assert_eq!(names(&received!()), [""; 0], "nothing new");

        let mut other = value();
        other.menu[1] = item("Lecteur T: connecté", Some(Action::OpenDrive('T')));
        tray.show(other.clone(), &sender);
        let changed = received!();
        assert_eq!(names(&changed), ["ItemsPropertiesUpdated"], "in place");
        type Properties = Vec<(i32, HashMap<String, OwnedValue>)>;
        let body = changed[0].body();
        let (updated, _): (Properties, Vec<(i32, Vec<String>)>) = body.deserialize().expect("properties");
        let lines: Vec<_> = updated.iter().map(|(id, _)| *id).collect();
        assert_eq!(lines, [ids[1]], "this line alone");

        other.icon.badge = true;
        tray.show(other.clone(), &sender);
        assert_eq!(names(&received!()), ["NewIcon"]);
        other.detail = "depuis 14:03".into();
        tray.show(other.clone(), &sender);
        assert_eq!(names(&received!()), ["NewToolTip"]);
        other.menu.remove(2);
        tray.show(other, &sender);
        assert_eq!(names(&received!()), ["LayoutUpdated"]);
    });
}

#[test]
fn a_host_that_comes_and_goes_is_told_and_the_item_is_registered_with_each() {
    with_session_bus(async {
        let (sender, mut events) = unbounded_channel();
        let mut tray = tray();
        tray.show(value(), &sender);
        assert_eq!(next(&mut events).await, Event::TrayHost(false), "nobody is there");

        let (bus, mut registered) = watcher(false).await;
        registered.recv().await.expect("registered");
        set_host(&bus, true).await;
        assert_eq!(next(&mut events).await, Event::TrayHost(true));

        // A panel that restarts is not worth a word.
        bus.close().await.expect("gone");
        let (bus, mut registered) = watcher(true).await;
        registered.recv().await.expect("registered again");
        set_host(&bus, true).await;
        tray.show(value(), &sender);

        set_host(&bus, false).await;
        assert_eq!(next(&mut events).await, Event::TrayHost(false), "and nothing before");
        assert!(events.try_recv().is_err());
    });
}

#[test]
fn every_status_has_a_shape_of_its_own() {
    // Without colour, on a dark bar and on a light one: how light each pixel is.
    for (light, ground) in [(false, 0x1c), (true, 0xf3)] {
        let shapes: Vec<Vec<u32>> = VpnStatus::ALL
            .iter()
            .map(|status| {
                let pictures = super::pictures(Icon { status: *status, badge: false }, light);
                let small = &pictures[0];
                assert_eq!(small.size, 16);
                small.rgba.chunks_exact(4).map(|pixel| shade(pixel, ground)).collect()
            })
            .collect();
        for (place, one) in shapes.iter().enumerate() {
            for other in &shapes[..place] {
                let different = one.iter().zip(other).filter(|(one, other)| one.abs_diff(**other) > 0x40).count();
                assert!(different >= 32, "{:?} on {ground:x}: {different} of 256 pixels", VpnStatus::ALL[place]);
            }
        }
    }
}

/// The lightness of a pixel over a grey ground (ITU-R BT.601).
fn shade(pixel: &[u8], ground: u32) -> u32 {
    let [red, green, blue, alpha] = [0, 1, 2, 3].map(|place| u32::from(pixel[place]));
    ((red * 299 + green * 587 + blue * 114) / 1000 * alpha + ground * (255 - alpha)) / 255
}

/// A watcher that keeps a list, as real ones do, and announces a host by its property alone.
struct ListingWatcher {
    host: bool,
    items: Vec<String>,
    registered: UnboundedSender<String>,
}

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl ListingWatcher {
    fn register_status_notifier_item(&mut self, service: String) {
        self.items.push(service.clone());
        let _ = self.registered.send(service);
    }

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.items.clone()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        self.host
    }
}

/// Serves it on the session bus, and returns the items that register.
async fn listing_watcher(host: bool) -> (Connection, UnboundedReceiver<String>) {
    let (registered, items) = unbounded_channel();
    let watcher = ListingWatcher { host, items: Vec::new(), registered };
    let builder = zbus::connection::Builder::session().expect("a bus");
    let builder = builder.serve_at("/StatusNotifierWatcher", watcher).expect("a path");
    let bus = builder.name("org.kde.StatusNotifierWatcher").expect("a name").build().await.expect("connected");
    (bus, items)
}

#[test]
fn host_that_comes_late_and_changes_only_a_property_is_noticed() {
    with_session_bus(async {
        let (bus, mut items) = listing_watcher(false).await;
        let (sender, mut events) = unbounded_channel();
        let mut tray = tray();
        tray.show(value(), &sender);
        items.recv().await.expect("registered");
        assert_eq!(next(&mut events).await, Event::TrayHost(false));

        let served =
            bus.object_server().interface::<_, ListingWatcher>("/StatusNotifierWatcher").await.expect("served");
        served.get_mut().await.host = true;
        let watcher = served.get().await;
        watcher.is_status_notifier_host_registered_changed(served.signal_emitter()).await.expect("sent");
        drop(watcher);
        assert_eq!(next(&mut events).await, Event::TrayHost(true));
        assert!(items.try_recv().is_err(), "it was registered all the time");
    });
}

#[test]
fn item_that_its_watcher_has_forgotten_is_registered_again() {
    with_session_bus(async {
        let (bus, mut items) = listing_watcher(true).await;
        let (sender, mut events) = unbounded_channel();
        let mut tray = tray();
        tray.show(value(), &sender);
        let mut item = items.recv().await.expect("registered");
        assert_eq!(next(&mut events).await, Event::TrayHost(true));
        let served =
            bus.object_server().interface::<_, ListingWatcher>("/StatusNotifierWatcher").await.expect("served");
        for title in ["VPN déconnecté", "VPN connecté"] {
            served.get_mut().await.items.clear();
            let (path, name) = ("/StatusNotifierWatcher", "org.kde.StatusNotifierWatcher");
            let arguments = (format!("{item}/StatusNotifierItem"),);
            bus.emit_signal(None::<&str>, path, name, "StatusNotifierItemUnregistered", &arguments)
                .await
                .expect("sent");
            item = items.recv().await.expect("registered again");
            tray.show(view::Tray { title: title.into(), ..value() }, &sender);
            assert_eq!(property(&bus, &item, "Id").await, Value::from("vigie").try_to_owned().expect("a value"));
        }
        // Another program's item that leaves is nothing to this one.
        let arguments = (":1.999/StatusNotifierItem",);
        let (path, name) = ("/StatusNotifierWatcher", "org.kde.StatusNotifierWatcher");
        bus.emit_signal(None::<&str>, path, name, "StatusNotifierItemUnregistered", &arguments).await.expect("sent");
        served.get_mut().await.host = false;
        bus.emit_signal(None::<&str>, path, name, "StatusNotifierHostUnregistered", &()).await.expect("sent");
        assert_eq!(next(&mut events).await, Event::TrayHost(false));
        assert!(items.try_recv().is_err());
    });
}

#[test]
fn watcher_that_does_not_answer_delays_nobody_and_shows_the_latest_value_in_the_end() {
    with_session_bus(async {
        // Owns the name, and answers nothing yet: its messages wait in the stream.
        let bus = Connection::session().await.expect("connected");
        bus.request_name("org.kde.StatusNotifierWatcher").await.expect("the name is free");
        let (sender, mut events) = unbounded_channel();
        let mut tray = tray();
        tray.show(value(), &sender);
        tray.show(view::Tray { title: "VPN déconnecté".into(), ..value() }, &sender);
        assert_eq!(next(&mut events).await, Event::TrayHost(false));
        let mut messages = MessageStream::from(&bus);
        bus.release_name("org.kde.StatusNotifierWatcher").await.expect("released");
        drop(messages.next().now_or_never());

        let (bus, mut registered) = watcher(true).await;
        let item = registered.recv().await.expect("registered");
        assert_eq!(next(&mut events).await, Event::TrayHost(true));
        let tip = Structure::try_from(property(&bus, &item, "ToolTip").await).expect("a structure");
        assert_eq!(tip.fields()[2], Value::from("VPN déconnecté"));
    });
}
