//! Watches sleep and wake-up, battery and mains.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

use crate::Events;
use vigie_core::message::{Battery, Reading};

/// Returns the state of the computer's own battery, not a mouse's; `Known(None)` if it has none. Blocking, but quick.
pub fn battery() -> Reading<Option<Battery>> {
    system::battery()
}

/// Sends [`Event::Sleeping`] and [`Event::Woke`], and [`Event::Power`] when battery or mains change, until the receiver
/// is gone. Nothing is polled. What cannot be watched is logged.
///
/// [`Event::Sleeping`]: vigie_core::message::Event::Sleeping
/// [`Event::Woke`]: vigie_core::message::Event::Woke
/// [`Event::Power`]: vigie_core::message::Event::Power
pub async fn watch(events: Events) {
    system::watch(events).await;
}
