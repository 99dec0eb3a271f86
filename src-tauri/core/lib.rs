//! Pure: no I/O, no clock, no tauri, no tokio. Takes [`Now`] as an argument. This is where the product is.

pub mod connect;
pub mod digits;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
pub mod helpdesk;
pub mod message;
pub mod printers;
pub mod sanitize;
pub mod shutdown;
pub mod state;
pub mod update;
pub mod vpn;

use jiff::ZonedDateTime;
use std::time::Duration;

/// The present, as the shell read it just before it called the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// Wall clock in the user's time zone: what people mean by "21 h 30".
    pub wall: ZonedDateTime,
    /// Time since the machine was booted, sleep included (Linux `CLOCK_BOOTTIME`, Windows interrupt time). It never
    /// jumps, so it measures how long something has lasted, and where it disagrees with the wall clock, that was set.
    pub uptime: Duration,
}
