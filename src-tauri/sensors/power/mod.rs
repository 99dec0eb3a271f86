//! Sleep and wake, battery and mains.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(any(target_os = "linux", windows)), path = "other.rs")]
mod system;

use crate::Events;
use vigie_core::message::{Battery, Reading};

/// The computer's own battery, not a mouse's; `Known(None)` where it has none. Blocking, and quick.
pub fn battery() -> Reading<Option<Battery>> {
    system::battery()
}

/// Sends [`Event::Sleeping`] and [`Event::Woke`], and [`Event::Power`] when battery or mains have changed, until nobody
/// listens any more. The system tells; nothing is asked in turns. What cannot be watched is said in the log.
///
/// [`Event::Sleeping`]: vigie_core::message::Event::Sleeping
/// [`Event::Woke`]: vigie_core::message::Event::Woke
/// [`Event::Power`]: vigie_core::message::Event::Power
pub async fn watch(events: Events) {
    system::watch(events).await;
}
