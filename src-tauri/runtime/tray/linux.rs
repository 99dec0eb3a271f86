//! The tray on Linux: a StatusNotifierItem with a com.canonical.dbusmenu menu on the session bus.

use super::pictures;
use crate::Events;
use futures_util::StreamExt;
use ksni::TrayMethods;
use ksni::menu::{CheckmarkItem, MenuItem, RadioGroup, RadioItem, StandardItem, SubMenu};
use std::process::ExitCode;
use std::time::Duration;
use vigie_core::message::{Action, Event};
use vigie_view::tray::{self as view, Entry};
use zbus::{MatchRule, MessageStream};

/// Where tray hosts announce themselves (StatusNotifierItem specification, "StatusNotifierWatcher").
const WATCHER: &str = "org.kde.StatusNotifierWatcher";

/// How long a tray host may be missing before that is told: at the start of a session it comes up beside us, and a
/// restart of the panel takes it away for a moment.
const GRACE: Duration = Duration::from_secs(5);

/// How long the watcher may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Lets `body` run with a tray; the program's exit code is what it returns. On Linux it runs in place.
pub fn host(body: impl FnOnce(Tray) -> ExitCode + Send + 'static) -> ExitCode {
    body(Tray { item: None })
}

/// The tray. Nothing is shown before the first [`Tray::show`].
#[derive(Debug)]
pub struct Tray {
    item: Option<Shown>,
}

impl Tray {
    /// Shows this. Only what differs from what is shown reaches the bus; an equal value costs nothing.
    ///
    /// The first call registers the item and from then on tells with [`Event::TrayHost`] whether a tray host is there
    /// to show it. Clicks come back as [`Event::Action`].
    pub async fn show(&mut self, wanted: view::Tray, events: &Events) {
        let shown = self.item.get_or_insert_with(|| {
            tokio::spawn(watch_host(events.clone()));
            Shown::default()
        });
        match &shown.handle {
            Some(_) if shown.value.as_ref() == Some(&wanted) => return,
            Some(handle) => {
                let value = wanted.clone();
                handle.update(|item| item.set(value)).await;
            }
            // Registers later by itself where the watcher is not there yet; what fails otherwise (no bus) is tried
            // again with the next call.
            None => {
                let item = Item::new(wanted.clone(), events.clone());
                match item.assume_sni_available(true).spawn().await {
                    Ok(handle) => shown.handle = Some(handle),
                    Err(error) => tracing::warn!("the icon cannot be registered: {error}"),
                }
            }
        }
        shown.value = Some(wanted);
    }
}

/// What the bus has from us.
#[derive(Default)]
struct Shown {
    handle: Option<ksni::Handle<Item>>,
    value: Option<view::Tray>,
}

impl Drop for Shown {
    fn drop(&mut self) {
        // `ksni` panics where it is let go of without a word once the bus is gone, as at the end of a session.
        if let Some(handle) = &self.handle {
            drop(handle.shutdown());
        }
    }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").field("value", &self.value).finish_non_exhaustive()
    }
}

/// The item as `ksni` asks for it. It compares each answer with the last one and sends signals for the differences.
struct Item {
    value: view::Tray,
    pictures: Vec<ksni::Icon>,
    events: Events,
}

impl Item {
    fn new(value: view::Tray, events: Events) -> Item {
        Item { pictures: argb(value.icon), value, events }
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
        asks(Some(Action::ShowPanel))(self);
    }

    fn menu(&self) -> Vec<MenuItem<Item>> {
        menu(&self.value.menu)
    }
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
            activate: asks(action.clone()),
            ..Default::default()
        })),
        [Entry::Check { label, checked, action }] => Some(MenuItem::Checkmark(CheckmarkItem {
            label: escape_access_key(label),
            checked: *checked,
            enabled: action.is_some(),
            activate: asks(action.clone()),
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
    let mut asks_of_each = Vec::new();
    for entry in run {
        let Entry::Radio { label, chosen, action } = entry else { return None };
        if *chosen {
            group.selected = group.options.len();
        }
        let (label, enabled) = (escape_access_key(label), action.is_some());
        group.options.push(RadioItem { label, enabled, ..Default::default() });
        asks_of_each.push(asks(action.clone()));
    }
    group.select = Box::new(move |item, index| {
        if let Some(ask) = asks_of_each.get(index) {
            ask(item);
        }
    });
    Some(group)
}

fn asks(action: Option<Action>) -> Box<dyn Fn(&mut Item) + Send> {
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

/// Tells whether a tray host is there, each time that changes. With the session bus the session ends, and Vigie with it:
/// nobody would see the icon any more, and the next session, which starts its own, would find the place taken.
async fn watch_host(events: Events) {
    let mut told = None;
    match follow_host(&events, &mut told).await {
        Ok(()) => {
            tracing::info!("the session bus is gone");
            let _ = events.send(Event::Action(Action::Quit));
        }
        Err(error) => {
            tracing::warn!("no tray host can be found on the session bus: {error}");
            tell_host(&events, &mut told, false);
        }
    }
}

/// Returns when the bus is gone. An error where there never was one.
async fn follow_host(events: &Events, told: &mut Option<bool>) -> zbus::Result<()> {
    let bus = zbus::connection::Builder::session()?.method_timeout(TIMEOUT).build().await?;
    let mut signals = MessageStream::from(&bus);
    let daemon = zbus::fdo::DBusProxy::new(&bus).await?;
    for rule in [
        format!("type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{WATCHER}'"),
        format!("type='signal',sender='{WATCHER}',interface='{WATCHER}'"),
    ] {
        daemon.add_match_rule(MatchRule::try_from(rule.as_str())?).await?;
    }
    loop {
        let there = has_host(&bus).await;
        if there {
            tell_host(events, told, true);
        }
        tokio::select! {
            more = signal(&mut signals) => {
                if !more {
                    return Ok(());
                }
            }
            () = tokio::time::sleep(GRACE), if !there && *told != Some(false) => tell_host(events, told, false),
        }
    }
}

/// Waits for the next signal; `false` where none can come any more.
async fn signal(messages: &mut MessageStream) -> bool {
    while let Some(message) = messages.next().await {
        match message {
            Ok(message) if message.message_type() == zbus::message::Type::Signal => return true,
            Ok(_) => {}
            Err(error) => tracing::debug!("not understood on the session bus: {error}"),
        }
    }
    false
}

/// Whether the watcher is there and knows a host.
async fn has_host(bus: &zbus::Connection) -> bool {
    let property = (WATCHER, "IsStatusNotifierHostRegistered");
    let properties = Some("org.freedesktop.DBus.Properties");
    let answer = bus.call_method(Some(WATCHER), "/StatusNotifierWatcher", properties, "Get", &property).await;
    let value = answer.and_then(|answer| Ok(bool::try_from(answer.body().deserialize::<zbus::zvariant::Value>()?)?));
    value.unwrap_or_else(|error| {
        tracing::debug!("no StatusNotifierWatcher: {error}");
        false
    })
}

fn tell_host(events: &Events, told: &mut Option<bool>, there: bool) {
    if told.replace(there) != Some(there) {
        let _ = events.send(Event::TrayHost(there));
    }
}
