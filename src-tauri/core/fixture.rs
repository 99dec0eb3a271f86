//! What the tests of core and view start from.

use super::Now;
use crate::profile::Profile;
use jiff::ZonedDateTime;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The guide.
pub(crate) fn guide() -> Arc<Profile> {
    static GUIDE: LazyLock<Arc<Profile>> = LazyLock::new(|| {
        Arc::new(toml_edit::de::from_str(include_str!("fixture.toml")).expect("the fixture is a profile"))
    });
    GUIDE.clone()
}

/// A moment in Paris, `2026-11-24T14:02`.
pub(crate) fn at(text: &str) -> ZonedDateTime {
    format!("{text}[Europe/Paris]").parse().expect("a test names a moment")
}

/// A moment in Paris, on a machine that was booted at midnight, 24 November 2026.
pub(crate) fn now(text: &str) -> Now {
    let wall = at(text);
    let uptime = at("2026-11-24T00:00").duration_until(&wall);
    Now { wall, uptime: Duration::try_from(uptime).expect("a test plays after midnight") }
}
