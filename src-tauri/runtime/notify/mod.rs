//! Notifications: at most one in each category; a later one replaces it. The buttons of a replaced or withdrawn notification
//! have no effect.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;
#[cfg(all(test, target_os = "linux"))]
mod tests;

#[cfg(windows)]
pub use platform::identity_keys;

use crate::Events;
use vigie_core::message::Category;
use vigie_view::notice::Notice;

/// Shows notifications. Its calls never wait: a task or thread of its own carries them out in order.
#[derive(Debug)]
pub struct Notifier {
    backend: platform::Backend,
}

/// What the backend's task or thread is to do.
#[derive(Debug)]
enum BackendCommand {
    Show(Notice),
    Withdraw(Category),
}

impl Notifier {
    /// Starts the backend; needs the runtime.
    ///
    /// Buttons are sent as [`Event::Action`](vigie_core::message::Event::Action).
    /// [`Event::NotificationServer`](vigie_core::message::Event::NotificationServer) says whether notifications can be
    /// shown, when that changes; at first they are assumed to be.
    pub fn new(events: Events) -> Notifier {
        Notifier { backend: platform::Backend::new(events) }
    }

    /// Shows `notice` in place of the last one of its category.
    pub fn show(&mut self, notice: Notice) {
        self.backend.show(notice);
    }

    /// Closes what is shown in that category.
    pub fn withdraw(&mut self, category: Category) {
        self.backend.withdraw(category);
    }

    /// Closes everything that is shown, as far as the system allows, before the program ends.
    pub async fn close(self) {
        self.backend.close().await;
    }
}

/// Escapes a text for receivers that take it as markup (Desktop Notifications specification, "Markup";
/// StatusNotifierItem, "ToolTip").
#[cfg(target_os = "linux")]
pub(in crate::runtime) fn escape_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
