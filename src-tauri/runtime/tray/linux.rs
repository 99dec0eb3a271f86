//! The tray on Linux: a StatusNotifierItem with a com.canonical.dbusmenu menu on the session bus.
//!
//! One task keeps the item registered and up to date, another one follows the tray hosts. A watcher that does not answer
//! delays only these two.

use super::pictures;
use crate::Events;
use crate::runtime::session_bus::{self, Backoff, Watch};
use futures_util::{FutureExt, StreamExt};
use ksni::TrayMethods;
use ksni::menu::{CheckmarkItem, MenuItem, RadioGroup, RadioItem, StandardItem, SubMenu};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use vigie_core::message::{Action, Event};
use vigie_view::tray::{self as view, Entry};
use zbus::zvariant::Value;
use zbus::{Connection, Message, MessageStream};

/// The service that items register with, and its object (StatusNotifierItem specification, "StatusNotifierWatcher").
const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const WATCHER_PATH: &str = "/StatusNotifierWatcher";

/// How long a tray host may be missing before that is reported: at the beginning of a session it starts at the same time
/// as Vigie, and while the desktop's panel restarts there is none.
const HOST_GRACE_PERIOD: Duration = Duration::from_secs(5);

/// How long the watcher may take to answer.
const WATCHER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a registration may take before its absence from the watcher's list means something.
const REGISTRATION_TIME: Duration = Duration::from_secs(1);

/// The pauses before registering, or connecting to the bus, is tried again.
const RETRY_BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };

/// A click and the opening of the menu this close to each other are one click. Under GNOME the first click after log-in
/// does both (<https://github.com/ubuntu/gnome-shell-extension-appindicator/issues/575>).
const SAME_CLICK: Duration = Duration::from_millis(300);

/// Lets `body` run with a tray, and returns its exit code. On Linux it runs in place.
pub fn host(body: impl FnOnce(DesktopTray) -> ExitCode + Send + 'static) -> ExitCode {
    body(DesktopTray { wanted: None })
}

/// The tray. Nothing is shown before the first [`DesktopTray::show`].
#[derive(Debug)]
pub struct DesktopTray {
    wanted: Option<watch::Sender<view::Tray>>,
}

impl DesktopTray {
    /// Shows `wanted`, without waiting for the desktop. Only what differs from the current item is sent on the bus.
    ///
    /// The first call registers the item. From then on [`Event::TrayHost`] says whether a tray host is there to show it,
    /// and clicks are sent as [`Event::Action`]. Needs the runtime.
    pub fn show(&mut self, wanted: view::Tray, events: &Events) {
        let Some(sender) = &self.wanted else {
            let (sender, receiver) = watch::channel(wanted);
            let forgotten = Arc::new(Notify::new());
            tokio::spawn(keep_item(receiver, forgotten.clone(), events.clone()));
            tokio::spawn(watch_host(forgotten, events.clone()));
            self.wanted = Some(sender);
            return;
        };
        sender.send_if_modified(|value| {
            let differs = *value != wanted;
            if differs {
                *value = wanted;
            }
            differs
        });
    }
}

/// Keeps the item registered, and shows what is wanted, until the [`DesktopTray`] is dropped.
async fn keep_item(mut wanted: watch::Receiver<view::Tray>, forgotten: Arc<Notify>, events: Events) {
    let mut failures = 0;
    loop {
        let value = wanted.borrow_and_update().clone();
        // It registers later by itself if the watcher is not there yet.
        let item = Item::new(value, events.clone()).assume_sni_available(true);
        // A watcher that hangs may be replaced by another one, which will not answer this call.
        let registered = tokio::select! {
            registered = timeout(WATCHER_TIMEOUT, item.spawn()) => registered,
            () = closed(&wanted) => return,
        };
        let registered = match registered {
            Ok(registered) => registered.map_err(|error| error.to_string()),
            Err(_) => Err("the watcher does not answer".into()),
        };
        match registered {
            Ok(handle) => {
                failures = 0;
                let item = RegisteredItem(handle);
                // A notification from before the registration is out of date.
                let _ = forgotten.notified().now_or_never();
                loop {
                    tokio::select! {
                        changed = wanted.changed() => {
                            if changed.is_err() {
                                return;
                            }
                            let value = wanted.borrow_and_update().clone();
                            if item.0.update(|item| item.set(value)).await.is_none() {
                                break;
                            }
                        }
                        () = forgotten.notified() => break,
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the icon cannot be registered");
                tokio::select! {
                    () = sleep(RETRY_BACKOFF.after(failures)) => {}
                    () = forgotten.notified() => {}
                    () = closed(&wanted) => return,
                }
                failures += 1;
            }
        }
    }
}

/// Waits until nobody can send another value.
async fn closed(wanted: &watch::Receiver<view::Tray>) {
    let mut wanted = wanted.clone();
    while wanted.changed().await.is_ok() {}
}

/// The item on the bus; dropping it removes it.
struct RegisteredItem(ksni::Handle<Item>);

impl Drop for RegisteredItem {
    fn drop(&mut self) {
        // `ksni` panics if its handle is dropped without this after the bus has gone, as at the end of a session.
        drop(self.0.shutdown());
    }
}

/// The item as `ksni` reads it. It compares each value with the last one and sends signals for the differences.
struct Item {
    value: view::Tray,
    pictures: Vec<ksni::Icon>,
    events: Events,
    /// When the menu was last opened.
    menu_opened: watch::Sender<Option<Instant>>,
}

impl Item {
    fn new(value: view::Tray, events: Events) -> Item {
        Item { pictures: argb(value.icon), value, events, menu_opened: watch::Sender::new(None) }
    }

    fn set(&mut self, value: view::Tray) {
        if value.icon != self.value.icon {
            self.pictures = argb(value.icon);
        }
        self.value = value;
    }
}

impl ksni::Tray for Item {
    fn id(&self) -> String {
        "vigie".into()
    }

    fn title(&self) -> String {
        "Vigie".into()
    }

    fn icon_pixmap(&self) -> Vec<ksni::Icon> {
        self.pictures.clone()
    }

    fn tool_tip(&self) -> ksni::ToolTip {
        // The specification lets the description, but not the title, carry markup.
        let description = crate::runtime::notify::escape_markup(&self.value.detail);
        ksni::ToolTip { title: self.value.title.clone(), description, ..Default::default() }
    }

    fn activate(&mut self, _x: i32, _y: i32) {
        let show = Event::Action(Action::ShowPanel);
        if !is_gnome() {
            // The receiver is gone only when the program ends.
            let _ = self.events.send(show);
            return;
        }
        let (events, mut opened) = (self.events.clone(), self.menu_opened.subscribe());
        if opened.borrow_and_update().is_some_and(|opened| opened.elapsed() < SAME_CLICK) {
            return;
        }
        tokio::spawn(async move {
            if timeout(SAME_CLICK, opened.changed()).await.is_err() {
                let _ = events.send(show);
            }
        });
    }

    fn menu_about_to_show(&mut self) {
        self.menu_opened.send_replace(Some(Instant::now()));
    }

    fn menu(&self) -> Vec<MenuItem<Item>> {
        menu(&self.value.menu)
    }
}

fn is_gnome() -> bool {
    std::env::var("XDG_CURRENT_DESKTOP").is_ok_and(|names| names.split(':').any(|name| name == "GNOME"))
}

fn argb(icon: view::Icon) -> Vec<ksni::Icon> {
    let to_icon = |picture: super::Picture| {
        let mut data = picture.rgba;
        data.chunks_exact_mut(4).for_each(|pixel| pixel.rotate_right(1));
        ksni::Icon { width: picture.size.into(), height: picture.size.into(), data }
    };
    pictures(icon, false).into_iter().map(to_icon).collect()
}

fn menu(entries: &[Entry]) -> Vec<MenuItem<Item>> {
    let is_radio = |entry: &Entry| matches!(entry, Entry::Radio { .. });
    let runs = entries.chunk_by(|one, next| is_radio(one) && is_radio(next));
    let items = runs.flat_map(|run| match run {
        [Entry::Item { label, action }] => Some(MenuItem::Standard(StandardItem {
            label: escape_access_key(label),
            enabled: action.is_some(),
            activate: request(action.clone()),
            ..Default::default()
        })),
        [Entry::Check { label, checked, action }] => Some(MenuItem::Checkmark(CheckmarkItem {
            label: escape_access_key(label),
            checked: *checked,
            enabled: action.is_some(),
            activate: request(action.clone()),
            ..Default::default()
        })),
        [Entry::Submenu { label, entries }] => Some(MenuItem::SubMenu(SubMenu {
            label: escape_access_key(label),
            submenu: menu(entries),
            ..Default::default()
        })),
        [Entry::Separator] => Some(MenuItem::Separator),
        choice => radio_group(choice).map(MenuItem::RadioGroup),
    });
    items.collect()
}

/// One group for a run of [`Entry::Radio`].
fn radio_group(run: &[Entry]) -> Option<RadioGroup<Item>> {
    let mut group = RadioGroup { selected: usize::MAX, select: Box::new(|_, _| {}), options: Vec::new() };
    let mut on_select = Vec::new();
    for entry in run {
        let Entry::Radio { label, chosen, action } = entry else { return None };
        if *chosen {
            group.selected = group.options.len();
        }
        let (label, enabled) = (escape_access_key(label), action.is_some());
        group.options.push(RadioItem { label, enabled, ..Default::default() });
        on_select.push(request(action.clone()));
    }
    group.select = Box::new(move |item, index| {
        if let Some(request) = on_select.get(index) {
            request(item);
        }
    });
    Some(group)
}

fn request(action: Option<Action>) -> Box<dyn Fn(&mut Item) + Send> {
    Box::new(move |item| {
        if let Some(action) = &action {
            // The receiver is gone only when the program ends.
            let _ = item.events.send(Event::Action(action.clone()));
        }
    })
}

/// A single underscore would mark an access key (com.canonical.dbusmenu, property "label").
fn escape_access_key(label: &str) -> String {
    label.replace('_', "__")
}

/// Reports the coming and going of tray hosts. When the session bus ends, so does the session, and Vigie quits: otherwise
/// the next session would find this process still running, without an icon.
async fn watch_host(forgotten: Arc<Notify>, events: Events) {
    let mut hosts = Hosts { forgotten, events, reported: None };
    let mut failures = 0;
    let Watch { bus, messages } = loop {
        match connect().await {
            Ok(connected) => break connected,
            Err(error) => {
                tracing::warn!(%error, "no session bus for the tray");
                hosts.report(false);
                sleep(RETRY_BACKOFF.after(failures)).await;
                failures += 1;
            }
        }
    };
    hosts.follow(&bus, messages).await;
    tracing::info!("the session bus has ended");
    let _ = hosts.events.send(Event::Action(Action::Quit));
}

async fn connect() -> zbus::Result<Watch> {
    // By the path, because some watchers announce a host only by PropertiesChanged.
    session_bus::watch(WATCHER, &format!("path='{WATCHER_PATH}'"), Some(WATCHER_TIMEOUT)).await
}

/// What is known about the tray hosts.
struct Hosts {
    /// Notified when the watcher no longer knows the item.
    forgotten: Arc<Notify>,
    events: Events,
    /// What [`Event::TrayHost`] said last.
    reported: Option<bool>,
}

impl Hosts {
    /// Returns when the bus has ended.
    async fn follow(&mut self, bus: &Connection, mut signals: MessageStream) {
        loop {
            let present = has_host(bus).await;
            if present {
                self.report(true);
            }
            tokio::select! {
                message = next_signal(&mut signals) => match message {
                    Some(message) => self.check_item(bus, &message).await,
                    None => return,
                },
                () = sleep(HOST_GRACE_PERIOD), if !present && self.reported != Some(false) => self.report(false),
            }
        }
    }

    /// Has the item registered again if the watcher has dropped it; some do when the screen wakes up.
    async fn check_item(&self, bus: &Connection, signal: &Message) {
        const SIGNALS: [&str; 3] =
            ["StatusNotifierItemUnregistered", "StatusNotifierHostRegistered", "PropertiesChanged"];
        let header = signal.header();
        if !header.member().is_some_and(|member| SIGNALS.contains(&member.as_str())) {
            return;
        }
        if is_registered(bus).await == Some(false) {
            // The registration with a watcher that has just started may be under way.
            sleep(REGISTRATION_TIME).await;
            if is_registered(bus).await == Some(false) {
                tracing::info!("the tray has forgotten the icon; registering it again");
                self.forgotten.notify_one();
            }
        }
    }

    /// Sends [`Event::TrayHost`] if that has changed.
    fn report(&mut self, present: bool) {
        if self.reported.replace(present) != Some(present) {
            let _ = self.events.send(Event::TrayHost(present));
        }
    }
}

/// Waits for the next signal; `None` when none can come any more.
async fn next_signal(messages: &mut MessageStream) -> Option<Message> {
    loop {
        match messages.next().await? {
            Ok(message) if message.message_type() == zbus::message::Type::Signal => return Some(message),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "invalid message on the session bus"),
        }
    }
}

/// Returns whether the watcher runs and knows a host.
async fn has_host(bus: &Connection) -> bool {
    let host = property(bus, "IsStatusNotifierHostRegistered", |value| bool::try_from(value).ok()).await;
    host.unwrap_or_else(|error| {
        tracing::debug!(%error, "no StatusNotifierWatcher");
        false
    })
}

/// Returns whether the item is in the watcher's list; `None` if there is no list.
async fn is_registered(bus: &Connection) -> Option<bool> {
    let items =
        property(bus, "RegisteredStatusNotifierItems", |value| Vec::<String>::try_from(value).ok()).await.ok()?;
    if items.iter().any(|item| item.starts_with(&own_name_prefix())) {
        return Some(true);
    }
    // Some watchers list connections instead of names.
    let daemon = zbus::fdo::DBusProxy::new(bus).await.ok()?;
    for item in items {
        let Ok(name) = zbus::names::BusName::try_from(item.split('/').next().unwrap_or_default()) else { continue };
        if daemon.get_connection_unix_process_id(name).await.is_ok_and(|pid| pid == std::process::id()) {
            return Some(true);
        }
    }
    Some(false)
}

/// How the item's name on the bus begins (StatusNotifierItem specification, "Registration").
fn own_name_prefix() -> String {
    format!("org.kde.StatusNotifierItem-{}-", std::process::id())
}

async fn property<T>(bus: &Connection, name: &str, read: fn(Value<'_>) -> Option<T>) -> zbus::Result<T> {
    let properties = Some("org.freedesktop.DBus.Properties");
    let answer = bus.call_method(Some(WATCHER), WATCHER_PATH, properties, "Get", &(WATCHER, name)).await?;
    read(answer.body().deserialize()?).ok_or(zbus::Error::InvalidReply)
}
