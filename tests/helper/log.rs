//! Logs something of each level, or panics.

use tracing::level_filters::LevelFilter;

pub fn every_level() {
    vigie::runtime::log::init(Some(LevelFilter::WARN), true);
    // As Vigie's own modules log.
    tracing::info!(target: "vigie", "an information");
    tracing::warn!(target: "vigie", answer = 42, "a warning");
    tracing::info!(target: "library", "a library's information");
    tracing::debug!(target: "vigie", "a detail");
}

pub fn panics() {
    vigie::runtime::log::init(Some(LevelFilter::WARN), true);
    panic!("all is lost");
}
