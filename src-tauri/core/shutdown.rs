//! When tonight's reminders of the automatic shutdown are due. (guide, section 13)

use serde::{Deserialize, Serialize};

/// A reminder that is due now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminder {
    /// When the machine goes down.
    pub at: jiff::ZonedDateTime,
    /// Whole minutes until then, rounded up.
    pub minutes: u16,
    /// Whether no later reminder follows (then "Plus tard" makes no sense).
    pub last: bool,
}

/// What survives a restart of Vigie.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {}

/// Plans the reminders.
#[derive(Debug, Clone)]
pub struct Planner {}

impl Planner {
    /// Starts with what is remembered from before.
    pub fn new(_profile: &crate::profile::Shutdown, _memory: Memory) -> Planner {
        todo!()
    }

    /// The profile has changed.
    pub fn set_profile(&mut self, _profile: &crate::profile::Shutdown) {
        todo!()
    }

    /// The time for which the machine itself has planned a shutdown; it wins where it is earlier than the profile's.
    pub fn set_machine(&mut self, _at: Option<jiff::Timestamp>) {
        todo!()
    }

    /// The reminder that is due now, at most once. Call it whenever something happened.
    pub fn due(&mut self, _now: &super::Now) -> Option<Reminder> {
        todo!()
    }

    /// The one moment at which to call [`Planner::due`] next.
    pub fn next_wake(&self, _now: &super::Now) -> Option<jiff::Timestamp> {
        todo!()
    }

    /// When the machine goes down next.
    pub fn next_shutdown(&self, _now: &super::Now) -> Option<jiff::ZonedDateTime> {
        todo!()
    }

    /// Whether a reminder will still come today.
    pub fn reminds_tonight(&self, _now: &super::Now) -> bool {
        todo!()
    }

    /// No more reminders until the date changes.
    pub fn not_tonight(&mut self, _now: &super::Now) {
        todo!()
    }

    /// What must survive a restart.
    pub fn memory(&self) -> Memory {
        todo!()
    }
}
