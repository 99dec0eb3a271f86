//! The current time, the alarm behind [`SensorRequest::WakeAt`](vigie_core::message::SensorRequest::WakeAt), and events when the
//! clock or the time zone is set.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

use crate::Events;
use jiff::{Timestamp, ZonedDateTime};
use tokio::sync::watch;
use vigie_core::Now;

/// Returns the current time.
pub fn now() -> Now {
    Now { wall: ZonedDateTime::now(), uptime: system::uptime() }
}

/// Sends [`Event::Tick`](vigie_core::message::Event::Tick) at the time in `alarm`, by the wall clock: at once if the
/// machine slept or the clock jumped past it. Sends
/// [`Event::ClockChanged`](vigie_core::message::Event::ClockChanged) when the clock or the time zone is set (on Linux
/// also after sleep, when the kernel sets the clock). Ends with the sender of `alarm`.
pub async fn watch(alarm: watch::Receiver<Option<Timestamp>>, events: Events) {
    system::watch(alarm, events).await;
}

/// Makes the next [`now`] read the system's time zone again, which `jiff` caches for some minutes.
fn reset_zone_cache() {
    jiff::tz::reset_system_time_zone_cache();
}
