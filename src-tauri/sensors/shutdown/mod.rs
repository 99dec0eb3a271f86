//! The shutdown for which the machine itself has a time.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(any(target_os = "linux", windows)), path = "other.rs")]
mod system;

use crate::Events;
use jiff::Timestamp;
use vigie_core::message::Reading;

/// When the machine will go down (power off, halt or reboot), as far as it says; `Known(None)` where nothing is planned.
///
/// On Linux systemd's scheduled shutdown (`shutdown 21:30`), on Windows the tasks that run `shutdown.exe` (a pending
/// `shutdown /t` cannot be read there). Blocking.
pub fn read() -> Reading<Option<Timestamp>> {
    system::read()
}

/// Sends [`Event::MachineShutdown`] at first and after each change, until nobody listens any more. Ends at once, with
/// a word in the log, where the machine tells nothing.
///
/// [`Event::MachineShutdown`]: vigie_core::message::Event::MachineShutdown
pub async fn watch(events: Events) {
    system::watch(events).await;
}
