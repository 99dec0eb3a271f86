//! Reads whether the network drives are connected, known but not connected, or absent.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

use super::servers::Server;
use crate::Events;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use vigie_core::message::{DriveState, Event, Reading};
use vigie_profile::Profile;

/// How long changes are collected before the drives are read again: a logon script maps one after the other, and what the
/// system announces may not be in its tables yet.
const BURST: Duration = Duration::from_millis(200);

/// Returns the profile's drives, in its order. Only the system's own tables are read, never the drives themselves, so that
/// a server that is out of reach does not delay it. Blocking, but quick.
///
/// On Windows by letter. On Linux by `mount_points`, each the path at which the drive is mounted, or `smb://server/share`.
pub fn read(profile: &Profile) -> Reading<Vec<DriveState>> {
    match system::read(&profile.drives) {
        Ok(drives) => Reading::Known(drives),
        Err(error) => Reading::Unavailable(format!("{error:#}")),
    }
}

/// Sends the drives once at the start, and again when one is connected or removed.
pub async fn watch(profile: watch::Receiver<Arc<Profile>>, events: Events) {
    let (sender, mut changed) = watch::channel(());
    let read = async {
        loop {
            let (profile, events) = (profile.borrow().clone(), events.clone());
            // Fails only when the runtime shuts down.
            let _ = spawn_blocking(move || drop(events.send(Event::Drives(read(&profile))))).await;
            if changed.changed().await.is_err() {
                return;
            }
            tokio::time::sleep(BURST).await;
            changed.mark_unchanged();
        }
    };
    tokio::join!(read, system::watch(sender));
}

/// Returns the servers of all drives of the user, whatever the profile says.
pub(super) fn servers() -> anyhow::Result<Vec<Server>> {
    system::servers()
}
