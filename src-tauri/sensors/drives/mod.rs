//! Reads whether the network drives are connected, known but not connected, or absent.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;
#[cfg(windows)]
pub use system::watch;

use super::servers::Server;
use vigie_core::message::{DriveState, Reading};
use vigie_profile::Profile;

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

/// Returns the servers of all drives of the user, whatever the profile says.
pub(super) fn servers() -> anyhow::Result<Vec<Server>> {
    system::servers()
}
