//! What time it is, the alarm behind [`SensorRequest::WakeAt`](vigie_core::message::SensorRequest::WakeAt), and the news that the clock
//! or the time zone was set.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(any(target_os = "linux", windows)), path = "other.rs")]
mod sys;

use crate::Events;
use jiff::{Timestamp, ZonedDateTime};
use tokio::sync::watch;
use vigie_core::Now;

/// The present.
pub fn now() -> Now {
    Now { wall: ZonedDateTime::now(), uptime: sys::uptime() }
}

/// Sends [`Event::Tick`](vigie_core::message::Event::Tick) at the moment that `alarm` holds, by the wall clock: after a
/// sleep or a jump of the clock over that moment, at once. Sends
/// [`Event::ClockChanged`](vigie_core::message::Event::ClockChanged) when the clock or the time zone was set (on Linux
/// also after a sleep: the kernel then sets the clock). Ends with the sender of `alarm`.
pub async fn watch(alarm: watch::Receiver<Option<Timestamp>>, events: Events) {
    sys::watch(alarm, events).await;
}

/// Makes the next [`now`] read the system's time zone anew; `jiff` remembers it for some minutes.
#[cfg(any(target_os = "linux", windows))]
fn forget_zone() {
    jiff::tz::reset_system_time_zone_cache();
}
