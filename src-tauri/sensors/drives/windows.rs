//! Drives are letters that the network providers know.

use crate::Events;
use crate::core::state::{DriveMount, DriveState, Event};
use crate::profile::{Drive, Profile};
use crate::sensors::window::Listener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use windows::Win32::Foundation::{ERROR_CONNECTION_UNAVAIL, ERROR_MORE_DATA, NO_ERROR};
use windows::Win32::NetworkManagement::NetManagement::{
    NetApiBufferFree, NetUseGetInfo, USE_INFO_1, USE_NETERR, USE_SESSLOST,
};
use windows::Win32::NetworkManagement::WNet::WNetGetConnectionW;
use windows::Win32::UI::WindowsAndMessaging::{DBT_DEVICEARRIVAL, DBT_DEVICEREMOVECOMPLETE, WM_DEVICECHANGE};
use windows::core::{HSTRING, PCWSTR, PWSTR, w};

/// How long a burst of changes is gathered: a login script maps one drive after the other.
const BURST: Duration = Duration::from_millis(200);

/// Where the drives of the profile stand.
pub(super) fn read(drives: &[Drive]) -> anyhow::Result<Vec<DriveState>> {
    Ok(drives.iter().map(|drive| DriveState { letter: drive.letter, mount: mount(drive.letter) }).collect())
}

/// Tells where the profile's drives stand, and tells it anew when a letter has come or gone.
pub async fn watch(profile: watch::Receiver<Arc<Profile>>, events: Events) {
    let changed = Arc::new(Notify::new());
    let told = changed.clone();
    // Broadcast for network drives too (DBTF_NET). Which letter it is is not asked: the tables are read whole.
    let listener = Listener::new(w!("Vigie drives"), move |message, kind| {
        if message == WM_DEVICECHANGE && [DBT_DEVICEARRIVAL, DBT_DEVICEREMOVECOMPLETE].contains(&(kind.0 as u32)) {
            told.notify_one();
        }
    });
    if let Err(error) = &listener {
        return tracing::warn!("drives that come or go will be noticed late: {error}");
    }
    loop {
        let (profile, events) = (profile.borrow().clone(), events.clone());
        // It fails where the program ends.
        let _ = spawn_blocking(move || events.send(Event::Drives(super::read(&profile)))).await;
        changed.notified().await;
        tokio::time::sleep(BURST).await;
    }
}

fn mount(letter: char) -> DriveMount {
    let name = HSTRING::from(format!("{letter}:"));
    let path = format!("{letter}:\\");
    let mut remote = [0; 512];
    let mut length = 512;
    // SAFETY: the buffer outlives the call and `length` is its size in characters.
    let found = unsafe { WNetGetConnectionW(&name, Some(PWSTR(remote.as_mut_ptr())), &raw mut length) };
    // https://learn.microsoft.com/windows/win32/api/winnetwk/nf-winnetwk-wnetgetconnectionw: unavailable means
    // remembered, but not connected now.
    if found == ERROR_CONNECTION_UNAVAIL {
        DriveMount::Disconnected(path)
    } else if found == NO_ERROR || found == ERROR_MORE_DATA {
        if lost(&name) { DriveMount::Disconnected(path) } else { DriveMount::Connected(path) }
    } else {
        DriveMount::Absent
    }
}

/// Whether Windows has lost the session to the server. Its redirector answers without asking the network; another
/// provider's drive is unknown to it, and taken at its word.
fn lost(name: &HSTRING) -> bool {
    let mut buffer: *mut u8 = std::ptr::null_mut();
    // SAFETY: the pointers are valid for the call; a null server means this machine.
    if unsafe { NetUseGetInfo(PCWSTR::null(), name, 1, Some(&raw mut buffer)) } != 0 || buffer.is_null() {
        return false;
    }
    // SAFETY: on success of level 1 the buffer holds one USE_INFO_1, aligned by its allocator.
    let status = unsafe { (*buffer.cast::<USE_INFO_1>()).ui1_status };
    // SAFETY: the buffer came from NetUseGetInfo and is not used any more.
    unsafe { NetApiBufferFree(Some(buffer.cast())) };
    status == USE_SESSLOST || status == USE_NETERR
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_letter_that_comes_or_goes_is_told() {
        use crate::core::state::Reading;
        use windows::Win32::UI::WindowsAndMessaging::{DBT_DEVNODES_CHANGED, FindWindowW, SendMessageW, WM_NULL};
        let (_profiles, profile) = watch::channel(Arc::new(crate::profile::guide()));
        let (events, mut told) = tokio::sync::mpsc::unbounded_channel();
        let watch = tokio::spawn(super::watch(profile, events));
        let mut next = async || tokio::time::timeout(10 * BURST, told.recv()).await;
        assert!(next().await.is_ok(), "as they stand");
        assert!(next().await.is_err(), "nothing has changed");
        // SAFETY: messages without pointers, to the window that the sensor opened.
        let say = |message, kind: u32| unsafe {
            let window = FindWindowW(None, w!("Vigie drives")).unwrap();
            SendMessageW(window, message, Some(windows::Win32::Foundation::WPARAM(kind as usize)), None);
        };
        for kind in [DBT_DEVICEARRIVAL, DBT_DEVICEREMOVECOMPLETE] {
            say(WM_DEVICECHANGE, kind);
            say(WM_DEVICECHANGE, kind);
            let event = next().await.unwrap();
            let Some(Event::Drives(Reading::Known(drives))) = &event else { panic!("{event:?}") };
            assert_eq!(drives.len(), 4);
        }
        say(WM_DEVICECHANGE, DBT_DEVNODES_CHANGED);
        say(WM_NULL, DBT_DEVICEARRIVAL);
        assert!(next().await.is_err(), "told once for a burst, and for no other message");
        watch.abort();
    }

    #[test]
    fn a_letter_that_no_network_knows_is_absent() {
        assert_eq!(mount('Q'), DriveMount::Absent);
    }
}
