//! Vigie: the academy's guide, live on the desktop.
//!
//! Data flows one way. Sensors turn facts about the machine into [`vigie_core::message::Event`]s; one task owns the state,
//! and [`vigie_core::update::update`] changes it; the views show it (tray, panel, status), and the runtime carries out the
//! effects.
//!
//! - [`vigie_profile`]: the guide as typed data, and the configuration files
//! - [`vigie_core`]: events in, state and effects out; pure
//! - [`vigie_view`]: the state in French; pure
//! - [`sensors`]: each watches one subject and sends events
//! - [`runtime`]: the event loop, the tray, notifications, starting programs
//! - [`cli`]: the command line; [`doctor`]: the report of every sensor

mod cisco;
pub mod cli;
pub mod doctor;
#[cfg(test)]
mod fuzz;
pub mod runtime;
pub mod sensors;
#[cfg(all(test, target_os = "linux"))]
mod test_bus;
#[cfg(windows)]
pub mod win32;
#[cfg(all(test, windows))]
mod wine;

/// The channel of events; the task that owns the state reads it.
pub type Events = tokio::sync::mpsc::UnboundedSender<vigie_core::message::Event>;

/// Sends an event. If the event loop has ended, the program is ending too, and the event is dropped.
fn send(events: &Events, event: vigie_core::message::Event) {
    if let Err(lost) = events.send(event) {
        tracing::debug!(event = ?lost.0, "the event loop has ended, event dropped");
    }
}
