//! AMIGO, open or closed, and until when (guide, section 8).

use crate::profile::Profile;
use jiff::ZonedDateTime;

/// Whether somebody is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Helpdesk {
    /// Open.
    Open {
        /// When it closes.
        until: ZonedDateTime,
    },
    /// Closed.
    Closed {
        /// When it opens next, as far as the calendar tells.
        opens: Option<ZonedDateTime>,
    },
    /// The calendar does not speak of today: nothing is claimed.
    OutOfCalendar,
}

/// The state of the helpdesk.
pub fn state(_profile: &Profile, _now: &ZonedDateTime) -> Helpdesk {
    todo!()
}

/// When [`state`] says something else next, as far as the calendar tells.
pub fn next_change(_profile: &Profile, _now: &ZonedDateTime) -> Option<ZonedDateTime> {
    todo!()
}
