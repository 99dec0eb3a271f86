//! What Vigie knows and decides: events in, state and effects out. No I/O and no clock; [`Now`] is an argument.

pub mod chain;
pub mod connect;
pub mod digits;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
#[cfg(any(test, feature = "fixture"))]
pub mod fleet;
pub mod helpdesk;
pub mod history;
pub mod message;
pub mod printers;
mod question;
pub mod sanitize;
pub mod shutdown;
mod sleep;
pub mod state;
pub mod update;
pub mod vpn;
pub mod welcome;

use jiff::ZonedDateTime;
use std::time::Duration;

/// The present moment, read by the runtime just before it calls the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Now {
    /// Wall clock in the user's time zone: what people mean by "21 h 30".
    pub wall: ZonedDateTime,
    /// Time since boot, including sleep (Linux `CLOCK_BOOTTIME`, Windows interrupt time). It never jumps, so it measures
    /// durations, and a disagreement with the wall clock shows that the clock was set.
    pub uptime: Duration,
}
