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
