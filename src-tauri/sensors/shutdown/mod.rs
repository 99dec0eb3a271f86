//! Reads and watches the shutdown that the machine itself has scheduled.

#[cfg(any(windows, test))]
mod command;
#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

use crate::Events;
use jiff::Timestamp;
use vigie_core::message::Reading;

/// Returns when the machine will power off, halt or reboot, as far as it says; `Known(None)` if nothing is scheduled.
///
/// On Linux this is systemd's scheduled shutdown (`shutdown 21:30`), on Windows the tasks that run `shutdown.exe` (a
/// pending `shutdown /t` cannot be read there). Blocking.
pub fn read() -> Reading<Option<Timestamp>> {
    system::read()
}

/// Sends [`Event::MachineShutdown`] once at the start and after each change, until the receiver is gone. Logs and
/// returns at once if the system offers nothing to watch.
///
/// [`Event::MachineShutdown`]: vigie_core::message::Event::MachineShutdown
pub async fn watch(events: Events) {
    system::watch(events).await;
}
