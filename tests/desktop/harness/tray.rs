//! The tray, read and clicked as a panel would: StatusNotifierItem and com.canonical.dbusmenu on the session bus.

use super::{DEADLINE, wait_for};
use std::collections::HashMap;
use std::fmt;
use zbus::blocking::Connection;
use zbus::names::OwnedBusName;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const ITEM: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Whether a tray is there to show items.
pub fn has_host(session: &Connection) -> bool {
    let get = (WATCHER, "IsStatusNotifierHostRegistered");
    let reply = session.call_method(Some(WATCHER), "/StatusNotifierWatcher", Some(PROPERTIES), "Get", &get);
    reply.is_ok_and(|reply| {
        reply.body().deserialize::<OwnedValue>().is_ok_and(|value| bool::try_from(value).unwrap_or_default())
    })
}

/// The items that are registered with the tray.
pub fn items(session: &Connection) -> Vec<TrayItem> {
    let get = (WATCHER, "RegisteredStatusNotifierItems");
    let reply = session.call_method(Some(WATCHER), "/StatusNotifierWatcher", Some(PROPERTIES), "Get", &get);
    let Ok(reply) = reply else { return Vec::new() };
    let value: OwnedValue = reply.body().deserialize().expect("a property is a variant");
    let names: Vec<String> = value.try_into().expect("the items are strings");
    let item = |name: String| {
        // ":1.5/StatusNotifierItem"; the path may be missing.
        let (service, path) = name.split_at(name.find('/').unwrap_or(name.len()));
        let path = if path.is_empty() { "/StatusNotifierItem" } else { path };
        TrayItem {
            session: session.clone(),
            service: service.try_into().expect("the watcher checked it"),
            path: path.try_into().expect("the watcher checked it"),
        }
    };
    names.into_iter().map(item).collect()
}

/// An item of the tray.
pub struct TrayItem {
    session: Connection,
    service: OwnedBusName,
    path: OwnedObjectPath,
}

/// What the item shows as its icon.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TrayIcon {
    /// A name in the icon theme, or empty.
    pub name: String,
    /// Pictures: width, height, ARGB bytes.
    pub pixmaps: Vec<(i32, i32, Vec<u8>)>,
}

impl fmt::Debug for TrayIcon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<String> = self.pixmaps.iter().map(|(w, h, _)| format!("{w}x{h}")).collect();
        write!(f, "TrayIcon({:?} {})", self.name, sizes.join(" "))
    }
}

/// A line of the menu.
#[derive(Debug, Clone)]
pub struct MenuItem {
    id: i32,
    properties: HashMap<String, OwnedValue>,
    /// The lines under it.
    pub children: Vec<MenuItem>,
}

impl TrayItem {
    /// The process that it belongs to; `None` once that is gone.
    pub fn pid(&self) -> Option<u32> {
        let bus = "org.freedesktop.DBus";
        let ask = self.session.call_method(Some(bus), "/", Some(bus), "GetConnectionUnixProcessID", &self.service);
        ask.ok()?.body().deserialize().ok()
    }

    /// The service's name on the bus, for match rules.
    pub fn service(&self) -> &str {
        self.service.as_str()
    }

    fn get<T: TryFrom<OwnedValue>>(&self, property: &str) -> Option<T> {
        let get = (ITEM, property);
        let reply = self.session.call_method(Some(&self.service), &self.path, Some(PROPERTIES), "Get", &get).ok()?;
        let value: OwnedValue = reply.body().deserialize().ok()?;
        value.try_into().ok()
    }

    /// A property that is text: `Id`, `Title`, `Status`, `Category`.
    pub fn text(&self, property: &str) -> String {
        self.get(property).unwrap_or_default()
    }

    /// The tooltip: its title and its text.
    pub fn tooltip(&self) -> (String, String) {
        type ToolTip = (String, Vec<(i32, i32, Vec<u8>)>, String, String);
        let value: Option<OwnedValue> = self.get("ToolTip");
        let tip = value.and_then(|value| ToolTip::try_from(value).ok());
        tip.map(|(_, _, title, text)| (title, text)).unwrap_or_default()
    }

    /// The icon.
    pub fn icon(&self) -> TrayIcon {
        let pixmaps: Option<OwnedValue> = self.get("IconPixmap");
        let pixmaps = pixmaps.and_then(|value| value.try_into().ok()).unwrap_or_default();
        TrayIcon { name: self.text("IconName"), pixmaps }
    }

    /// A left click.
    pub fn activate(&self) {
        let call = self.session.call_method(Some(&self.service), &self.path, Some(ITEM), "Activate", &(0i32, 0i32));
        call.expect("the item takes a left click");
    }

    fn menu_call<B>(&self, method: &str, body: &B) -> zbus::Message
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        let path: OwnedObjectPath = self.get("Menu").expect("the item has a menu");
        let call = self.session.call_method(Some(&self.service), path, Some(MENU), method, body);
        call.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The menu's lines.
    pub fn menu_items(&self) -> Vec<MenuItem> {
        self.menu_call("AboutToShow", &0i32);
        let reply = self.menu_call("GetLayout", &(0i32, -1i32, Vec::<String>::new()));
        type Layout = (u32, (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>));
        let (_, root): Layout = reply.body().deserialize().expect("dbusmenu's layout");
        line(root).children
    }

    /// The menu as text, one line each, indented: `[x]`, `[ ]` ticks, `(o)`, `( )` choices, `---` separators,
    /// `label ▸` menus in the menu, and ` (greyed)` behind what cannot be clicked. Hidden lines are left out.
    pub fn menu(&self) -> String {
        let mut text = String::new();
        write_lines(&self.menu_items(), 0, &mut text);
        text
    }

    /// Waits until the menu holds this text, and gives the menu.
    pub fn wait_for_menu(&self, text: &str) -> String {
        let menu = || Some(self.menu()).filter(|menu| menu.contains(text));
        wait_for(&format!("{text:?} in the menu; it says {:?}", self.menu().lines().next()), DEADLINE, menu)
    }

    /// Clicks a line, found by the labels on the way to it: `&["Applications", "Intranet", "AMIGO"]`.
    ///
    /// # Panics
    /// When there is no such line, or it is greyed.
    pub fn click(&self, labels: &[&str]) {
        let mut lines = self.menu_items();
        let mut found = None;
        for label in labels {
            let at = lines.iter().position(|line| line.is_visible() && line.label() == *label);
            let line =
                lines.swap_remove(at.unwrap_or_else(|| panic!("no {label:?} of {labels:?} in\n{}", self.menu())));
            assert!(line.is_enabled(), "{label:?} of {labels:?} is greyed in\n{}", self.menu());
            found = Some(line.id);
            lines = line.children;
        }
        let id = found.expect("labels are given");
        self.menu_call("Event", &(id, "clicked", Value::from(0i32), 0u32));
    }
}

impl MenuItem {
    fn property<T: TryFrom<OwnedValue>>(&self, name: &str) -> Option<T> {
        self.properties.get(name)?.try_clone().ok()?.try_into().ok()
    }

    /// The label, without the underscores that mark access keys, and with plain spaces for those that do not break.
    pub fn label(&self) -> String {
        let label: String = self.property("label").unwrap_or_default();
        label.replace("__", "\u{0}").replace('_', "").replace('\u{0}', "_").replace('\u{a0}', " ")
    }

    /// Whether it can be clicked.
    pub fn is_enabled(&self) -> bool {
        self.property("enabled").unwrap_or(true)
    }

    /// Whether it is shown.
    pub fn is_visible(&self) -> bool {
        self.property("visible").unwrap_or(true)
    }
}

fn line((id, properties, children): (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>)) -> MenuItem {
    type Node = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);
    let children = children.into_iter().map(|child| line(Node::try_from(child).expect("dbusmenu's layout")));
    MenuItem { id, properties, children: children.collect() }
}

fn write_lines(lines: &[MenuItem], depth: usize, text: &mut String) {
    for line in lines.iter().filter(|line| line.is_visible()) {
        text.push_str(&"  ".repeat(depth));
        if line.property::<String>("type").as_deref() == Some("separator") {
            text.push_str("---\n");
            continue;
        }
        let on = line.property::<i32>("toggle-state") == Some(1);
        match line.property::<String>("toggle-type").as_deref() {
            Some("checkmark") => text.push_str(if on { "[x] " } else { "[ ] " }),
            Some("radio") => text.push_str(if on { "(o) " } else { "( ) " }),
            _ => {}
        }
        text.push_str(&line.label());
        if !line.children.is_empty() {
            text.push_str(" ▸");
        }
        text.push_str(if line.is_enabled() { "\n" } else { " (greyed)\n" });
        write_lines(&line.children, depth + 1, text);
    }
}
