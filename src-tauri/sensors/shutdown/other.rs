//! A system that does not tell.

use crate::Events;
use jiff::Timestamp;
use vigie_core::message::Reading;

/// Not told here.
pub(super) fn read() -> Reading<Option<Timestamp>> {
    Reading::Unavailable("this system does not tell a planned shutdown".into())
}

/// Nothing to watch.
pub(super) async fn watch(_events: Events) {
    tracing::info!("this system does not tell a planned shutdown: the profile's time holds");
}
