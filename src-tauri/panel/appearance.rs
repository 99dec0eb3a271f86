//! Light or dark after the desktop's choice, which GTK 3 does not know by itself: the desktop portal tells it
//! (`color-scheme` of `org.freedesktop.appearance`, XDG Desktop Portal's Settings).
//!
//! GTK's preference is set, which GTK's widgets and WebKitGTK both follow.

use gtk::gio::{self, BusType, DBusCallFlags, DBusConnection, DBusSignalFlags};
use gtk::glib::Variant;
use gtk::glib::prelude::*;
use gtk::prelude::GtkSettingsExt;

const PORTAL: &str = "org.freedesktop.portal.Desktop";
const PATH: &str = "/org/freedesktop/portal/desktop";
const SETTINGS: &str = "org.freedesktop.portal.Settings";
const NAMESPACE: &str = "org.freedesktop.appearance";
const KEY: &str = "color-scheme";

/// Follows the desktop's choice as long as the program runs. Where there is no portal, GTK's theme decides alone.
/// To be called on the thread of GTK, once.
pub fn follow() {
    gio::bus_get(BusType::Session, gio::Cancellable::NONE, |session| match session {
        Ok(session) => listen(&session),
        Err(error) => tracing::debug!(%error, "no session bus: GTK's theme decides"),
    });
}

fn listen(session: &DBusConnection) {
    // The tray tells when the session ends.
    session.set_exit_on_close(false);
    let none = DBusSignalFlags::NONE;
    let changed = |_: &DBusConnection, _: &str, _: &str, _: &str, _: &str, said: &Variant| {
        let key = (said.n_children() == 3).then(|| said.child_value(1));
        if key.as_ref().and_then(Variant::str) == Some(KEY) {
            apply(&said.child_value(2));
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
    // One that starts later is asked then.
    let bus = "org.freedesktop.DBus";
    let came = |session: &DBusConnection, _: &str, _: &str, _: &str, _: &str, _: &Variant| read(session);
    let _ = session.signal_subscribe(Some(bus), Some(bus), Some("NameOwnerChanged"), None, Some(PORTAL), none, came);
    read(session);
    // GIO keeps the connection, and with it what was subscribed to, only as long as somebody holds it.
    std::mem::forget(session.clone());
}

fn read(session: &DBusConnection) {
    let asked = (NAMESPACE, KEY).to_variant();
    // No portal is started for this.
    let (none, flags) = (gio::Cancellable::NONE, DBusCallFlags::NO_AUTO_START);
    session.call(Some(PORTAL), PATH, SETTINGS, "Read", Some(&asked), None, flags, -1, none, |answer| match answer {
        Ok(answer) => apply(&answer.child_value(0)),
        Err(error) => tracing::debug!(%error, "no portal that knows light and dark"),
    });
}

/// 1 is dark, 2 light, anything else no preference. Version 1 of the portal wraps the answer twice.
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

/// Whether windows are dark just now.
pub fn is_dark() -> bool {
    let Some(settings) = gtk::Settings::default() else { return false };
    let dark_theme = |name: &str| name.to_lowercase().ends_with("-dark");
    // GTK itself lets this variable win over the settings: NAME or NAME:dark.
    let forced = std::env::var("GTK_THEME").ok().filter(|name| !name.is_empty());
    match forced {
        Some(name) => name.ends_with(":dark") || dark_theme(&name),
        None => {
            settings.is_gtk_application_prefer_dark_theme()
                || settings.gtk_theme_name().is_some_and(|name| dark_theme(&name))
        }
    }
}
