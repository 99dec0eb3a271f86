//! A system that Vigie does not know closely.

use crate::Events;
use vigie_core::message::{Battery, Reading};

/// Not read here.
pub(super) fn battery() -> Reading<Option<Battery>> {
    Reading::Unavailable("not read on this system".into())
}

/// Nothing to watch.
pub(super) async fn watch(_events: Events) {
    tracing::warn!("sleep and battery are not watched on this system");
}
