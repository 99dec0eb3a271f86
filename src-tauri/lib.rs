//! Vigie: the academy's guide, live on the desktop.
//!
//! Data goes one way. Sensors turn the machine's facts into [`vigie_core::message::Event`]s; one task owns the state and lets
//! [`vigie_core::update::update`] change it; the views turn it into pictures (tray, panel, status), and the shell does what
//! the core asked.
//!
//! - [`profile`]: what the guide says, as typed data, and the files that may change it
//! - [`core`]: pure; verdicts, reminders, hours. Told what time it is
//! - [`view`]: pure; the state in French
//! - [`sensors`]: each watches one thing and sends events
//! - [`shell`]: the loop, the tray, notifications, starting programs
//! - [`cli`]: the command line; [`doctor`]: every sensor, asked once

mod cisco;
pub mod cli;
pub mod doctor;
pub mod runtime;
pub mod sensors;
#[cfg(all(test, target_os = "linux"))]
mod test_bus;
#[cfg(windows)]
pub mod win32;
#[cfg(all(test, windows))]
mod wine;

/// Where everything that happens is sent; one task reads it and owns the state.
pub type Events = tokio::sync::mpsc::UnboundedSender<vigie_core::message::Event>;

/// Sends an event. Without the loop, which then is ending, nobody needs it any more.
fn send(events: &Events, event: vigie_core::message::Event) {
    if let Err(lost) = events.send(event) {
        tracing::debug!(event = ?lost.0, "the loop has ended; an event is lost");
    }
}
