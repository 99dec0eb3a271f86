//! Notifications: one at a time in each category, a later one replaces it. What was replaced or taken back never
//! answers.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(any(target_os = "linux", windows)), path = "macos.rs")]
mod platform;
#[cfg(all(test, target_os = "linux"))]
mod tests;

#[cfg(windows)]
pub use platform::identity_keys;

use crate::Events;
use vigie_core::message::Category;
use vigie_view::notice::Notice;

/// Shows notifications. Its calls never wait: what is asked is done in order, beside the caller.
#[derive(Debug)]
pub struct Notifier {
    desk: platform::Backend,
}

impl Notifier {
    /// Buttons come back as [`Event::Action`](vigie_core::message::Event::Action); whether notifications can be shown is
    /// told with [`Event::NotificationServer`](vigie_core::message::Event::NotificationServer) when it changes (it is
    /// taken for granted at first). Needs the runtime.
    pub fn new(events: Events) -> Notifier {
        Notifier { desk: platform::Backend::new(events) }
    }

    /// Shows this in place of the last one of its category.
    pub fn show(&mut self, notice: Notice) {
        self.desk.show(notice);
    }

    /// Takes back what was shown in that category, if it still stands.
    pub fn withdraw(&mut self, category: Category) {
        self.desk.withdraw(category);
    }

    /// The program ends: takes back what stands, where the system lets us.
    pub async fn close(self) {
        self.desk.close().await;
    }
}

/// For texts that the receiver takes as markup (Desktop Notifications specification, "Markup"; StatusNotifierItem,
/// "ToolTip").
#[cfg(target_os = "linux")]
pub(in crate::runtime) fn escape_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
