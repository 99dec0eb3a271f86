//! Follows the desktop's light or dark appearance, which GTK 3 does not do by itself: reads `color-scheme` of
//! `org.freedesktop.appearance` from the desktop portal (XDG Desktop Portal, Settings) and sets GTK's preference, which
//! GTK's widgets and WebKitGTK follow.

use gtk::gio::{self, BusType, DBusCallFlags, DBusConnection, DBusSignalFlags};
use gtk::glib::Variant;
use gtk::glib::prelude::*;
use gtk::prelude::GtkSettingsExt;

const PORTAL: &str = "org.freedesktop.portal.Desktop";
const PATH: &str = "/org/freedesktop/portal/desktop";
const SETTINGS: &str = "org.freedesktop.portal.Settings";
const NAMESPACE: &str = "org.freedesktop.appearance";
const KEY: &str = "color-scheme";

/// Follows the desktop's appearance as long as the program runs. Without a portal, GTK's theme alone decides. Must be
/// called once, on GTK's thread.
pub fn follow() {
    gio::bus_get(BusType::Session, gio::Cancellable::NONE, |session| match session {
        Ok(session) => subscribe(&session),
        Err(error) => tracing::debug!(%error, "no session bus; following GTK's theme"),
    });
}

fn subscribe(session: &DBusConnection) {
    // The tray ends this program with the session.
    session.set_exit_on_close(false);
    let none = DBusSignalFlags::NONE;
    let changed = |_: &DBusConnection, _: &str, _: &str, _: &str, _: &str, setting: &Variant| {
        let key = (setting.n_children() == 3).then(|| setting.child_value(1));
        if key.as_ref().and_then(Variant::str) == Some(KEY) {
            apply(&setting.child_value(2));
        }
    };
    let _ = session.signal_subscribe(
        Some(PORTAL),
        Some(SETTINGS),
        Some("SettingChanged"),
        Some(PATH),
        Some(NAMESPACE),
        none,
        changed,
    );
    // A portal that starts later is read then.
    let bus = "org.freedesktop.DBus";
    let on_owner_changed = |session: &DBusConnection, _: &str, _: &str, _: &str, _: &str, _: &Variant| read(session);
    let _ = session.signal_subscribe(
        Some(bus),
        Some(bus),
        Some("NameOwnerChanged"),
        None,
        Some(PORTAL),
        none,
        on_owner_changed,
    );
    read(session);
    // GIO drops the connection, and its subscriptions, with the last reference.
    std::mem::forget(session.clone());
}

fn read(session: &DBusConnection) {
    let arguments = (NAMESPACE, KEY).to_variant();
    // Does not start a portal.
    let (none, flags) = (gio::Cancellable::NONE, DBusCallFlags::NO_AUTO_START);
    session.call(Some(PORTAL), PATH, SETTINGS, "Read", Some(&arguments), None, flags, -1, none, |reply| match reply {
        Ok(reply) => apply(&reply.child_value(0)),
        Err(error) => tracing::debug!(%error, "no portal with the appearance setting"),
    });
}

/// Applies a `color-scheme`: 1 is dark, 2 light, anything else no preference. Version 1 of the portal wraps it twice.
fn apply(value: &Variant) {
    let mut value = value.clone();
    while let Some(inner) = value.as_variant() {
        value = inner;
    }
    let (Some(scheme), Some(settings)) = (value.get::<u32>(), gtk::Settings::default()) else { return };
    if settings.is_gtk_application_prefer_dark_theme() != (scheme == 1) {
        settings.set_gtk_application_prefer_dark_theme(scheme == 1);
    }
}

/// Returns whether windows are dark now.
pub fn is_dark() -> bool {
    let Some(settings) = gtk::Settings::default() else { return false };
    let dark_theme = |name: &str| name.to_lowercase().ends_with("-dark");
    // For GTK, too, this variable overrides the settings: NAME or NAME:dark.
    let forced = std::env::var("GTK_THEME").ok().filter(|name| !name.is_empty());
    match forced {
        Some(name) => name.ends_with(":dark") || dark_theme(&name),
        None => {
            settings.is_gtk_application_prefer_dark_theme()
                || settings.gtk_theme_name().is_some_and(|name| dark_theme(&name))
        }
    }
}
