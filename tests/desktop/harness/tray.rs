//! The tray as a panel uses it: StatusNotifierItem and com.canonical.dbusmenu on the session bus.

use super::{DEADLINE, wait_for, wait_for_described};
use std::collections::HashMap;
use std::fmt;
use zbus::blocking::Connection;
use zbus::names::OwnedBusName;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const ITEM: &str = "org.kde.StatusNotifierItem";
const MENU: &str = "com.canonical.dbusmenu";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// Returns whether a host is registered that shows items.
pub fn has_host(session: &Connection) -> bool {
    let get = (WATCHER, "IsStatusNotifierHostRegistered");
    let reply = session.call_method(Some(WATCHER), "/StatusNotifierWatcher", Some(PROPERTIES), "Get", &get);
    reply.is_ok_and(|reply| {
        reply.body().deserialize::<OwnedValue>().is_ok_and(|value| bool::try_from(value).unwrap_or_default())
    })
}

/// Returns the registered items.
pub fn items(session: &Connection) -> Vec<TrayItem> {
    let get = (WATCHER, "RegisteredStatusNotifierItems");
    let reply = session.call_method(Some(WATCHER), "/StatusNotifierWatcher", Some(PROPERTIES), "Get", &get);
    let Ok(reply) = reply else { return Vec::new() };
    let value: OwnedValue = reply.body().deserialize().expect("a property is a variant");
    let names: Vec<String> = value.try_into().expect("the items are strings");
    let item = |name: String| {
        // Such as ":1.5/StatusNotifierItem"; the path is optional.
        let (service, path) = name.split_at(name.find('/').unwrap_or(name.len()));
        let path = if path.is_empty() { "/StatusNotifierItem" } else { path };
        TrayItem {
            session: session.clone(),
            service: service.try_into().expect("the watcher has checked the name"),
            path: path.try_into().expect("the watcher has checked the name"),
        }
    };
    names.into_iter().map(item).collect()
}

/// An item in the tray.
pub struct TrayItem {
    session: Connection,
    service: OwnedBusName,
    path: OwnedObjectPath,
}

/// The icon of a tray item.
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
    /// Returns the id of the process that owns the item; `None` once that has ended.
    pub fn pid(&self) -> Option<u32> {
        let bus = "org.freedesktop.DBus";
        let reply = self.session.call_method(Some(bus), "/", Some(bus), "GetConnectionUnixProcessID", &self.service);
        reply.ok()?.body().deserialize().ok()
    }

    /// Returns the item's bus name, for match rules.
    pub fn service(&self) -> &str {
        self.service.as_str()
    }

    fn get<T: TryFrom<OwnedValue>>(&self, property: &str) -> Option<T> {
        let get = (ITEM, property);
        let reply = self.session.call_method(Some(&self.service), &self.path, Some(PROPERTIES), "Get", &get).ok()?;
        let value: OwnedValue = reply.body().deserialize().ok()?;
        value.try_into().ok()
    }

    /// Returns a text property: `Id`, `Title`, `Status` or `Category`.
    pub fn text(&self, property: &str) -> String {
        self.get(property).unwrap_or_default()
    }

    /// Returns the title and the text of the tooltip.
    pub fn tooltip(&self) -> (String, String) {
        type ToolTip = (String, Vec<(i32, i32, Vec<u8>)>, String, String);
        let value: Option<OwnedValue> = self.get("ToolTip");
        let tip = value.and_then(|value| ToolTip::try_from(value).ok());
        tip.map(|(_, _, title, text)| (title, text)).unwrap_or_default()
    }

    /// Returns the icon.
    pub fn icon(&self) -> TrayIcon {
        let pixmaps: Option<OwnedValue> = self.get("IconPixmap");
        let pixmaps = pixmaps.and_then(|value| value.try_into().ok()).unwrap_or_default();
        TrayIcon { name: self.text("IconName"), pixmaps }
    }

    /// Activates the item, as a left click does.
    pub fn activate(&self) {
        let call = self.session.call_method(Some(&self.service), &self.path, Some(ITEM), "Activate", &(0i32, 0i32));
        call.expect("the item can be activated");
    }

    fn menu_call<B>(&self, method: &str, body: &B) -> zbus::Result<zbus::Message>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        let path: OwnedObjectPath = self.get("Menu").expect("the item has a menu");
        self.session.call_method(Some(&self.service), path, Some(MENU), method, body)
    }

    /// Returns the items of the menu.
    pub fn menu_items(&self) -> Vec<MenuItem> {
        self.menu_call("AboutToShow", &0i32).expect("the menu may be shown");
        let reply = self.menu_call("GetLayout", &(0i32, -1i32, Vec::<String>::new())).expect("the menu has a layout");
        type Layout = (u32, (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>));
        let (_, root): Layout = reply.body().deserialize().expect("the reply is a dbusmenu layout");
        menu_item(root).children
    }

    /// Returns the visible menu as text, one indented line for each item: `[x]` and `[ ]` are check marks, `(o)` and `( )`
    /// radio buttons, `---` separators, `label ▸` submenus; ` (greyed)` follows a disabled item.
    pub fn menu(&self) -> String {
        let mut text = String::new();
        write_items(&self.menu_items(), 0, &mut text);
        text
    }

    /// Waits until the menu as text contains `text`, and returns it.
    pub fn wait_for_menu(&self, text: &str) -> String {
        let menu = || Some(self.menu()).filter(|menu| menu.contains(text));
        wait_for_described(|| format!("{text:?} in the menu:\n{}", self.menu()), DEADLINE, menu)
    }

    /// Clicks the menu item with this path of labels, such as `&["Applications", "AMIGO"]`.
    ///
    /// # Panics
    /// Panics if there is no such item, or if it or a submenu on the path is disabled.
    pub fn click(&self, labels: &[&str]) {
        wait_for(&format!("a click on {labels:?}"), DEADLINE, || {
            match self.menu_call("Event", &(self.id_of(labels), "clicked", Value::from(0i32), 0u32)) {
                Ok(_) => Some(()),
                // The menu was built anew after it was read.
                Err(error) if error.to_string().contains("id not found") => None,
                Err(error) => panic!("{labels:?}: {error}"),
            }
        });
    }

    fn id_of(&self, labels: &[&str]) -> i32 {
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
        found.expect("the path is not empty")
    }
}

impl MenuItem {
    fn property<T: TryFrom<OwnedValue>>(&self, name: &str) -> Option<T> {
        self.properties.get(name)?.try_clone().ok()?.try_into().ok()
    }

    /// Returns the label without access-key underscores, and with plain spaces in place of non-breaking ones.
    pub fn label(&self) -> String {
        let label: String = self.property("label").unwrap_or_default();
        label.replace("__", "\u{0}").replace('_', "").replace('\u{0}', "_").replace('\u{a0}', " ")
    }

    /// Returns whether the item is a separator.
    pub fn is_separator(&self) -> bool {
        self.property::<String>("type").as_deref() == Some("separator")
    }

    /// Returns whether the item is enabled.
    pub fn is_enabled(&self) -> bool {
        self.property("enabled").unwrap_or(true)
    }

    /// Returns whether the item is visible.
    pub fn is_visible(&self) -> bool {
        self.property("visible").unwrap_or(true)
    }
}

fn menu_item((id, properties, children): (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>)) -> MenuItem {
    type DbusMenuNode = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);
    let children = children
        .into_iter()
        .map(|child| menu_item(DbusMenuNode::try_from(child).expect("the reply is a dbusmenu layout")));
    MenuItem { id, properties, children: children.collect() }
}

fn write_items(items: &[MenuItem], depth: usize, text: &mut String) {
    for item in items.iter().filter(|item| item.is_visible()) {
        text.push_str(&"  ".repeat(depth));
        if item.is_separator() {
            text.push_str("---\n");
            continue;
        }
        let on = item.property::<i32>("toggle-state") == Some(1);
        match item.property::<String>("toggle-type").as_deref() {
            Some("checkmark") => text.push_str(if on { "[x] " } else { "[ ] " }),
            Some("radio") => text.push_str(if on { "(o) " } else { "( ) " }),
            _ => {}
        }
        text.push_str(&item.label());
        if !item.children.is_empty() {
            text.push_str(" ▸");
        }
        text.push_str(if item.is_enabled() { "\n" } else { " (greyed)\n" });
        write_items(&item.children, depth + 1, text);
    }
}
