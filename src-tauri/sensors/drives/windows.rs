//! Drives are letters that the network providers know.

use crate::Events;
use crate::sensors::window::Listener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use vigie_core::message::{DriveMount, DriveState, Event};
use vigie_profile::{Drive, Profile};
use windows::Win32::Foundation::{ERROR_CONNECTION_UNAVAIL, ERROR_MORE_DATA, NO_ERROR, WIN32_ERROR};
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
    let (told, mut changed) = watch::channel(());
    // Broadcast for network drives too (DBTF_NET). Which letter it is is not asked: the tables are read whole.
    let listener = Listener::new(w!("Vigie drives"), move |message, kind| {
        if message == WM_DEVICECHANGE && [DBT_DEVICEARRIVAL, DBT_DEVICEREMOVECOMPLETE].contains(&(kind.0 as u32)) {
            told.send_replace(());
        }
    });
    if let Err(error) = &listener {
        return tracing::warn!("drives that come or go will be noticed late: {error}");
    }
    loop {
        let (profile, events) = (profile.borrow().clone(), events.clone());
        // It fails where the program ends.
        let _ = spawn_blocking(move || events.send(Event::Drives(super::read(&profile)))).await;
        if changed.changed().await.is_err() {
            return;
        }
        tokio::time::sleep(BURST).await;
        changed.mark_unchanged();
    }
}

fn mount(letter: char) -> DriveMount {
    let name = HSTRING::from(format!("{letter}:"));
    let path = format!("{letter}:\\");
    let mut remote = [0; 512];
    let mut length = 512;
    // SAFETY: the buffer outlives the call and `length` is its size in characters.
    let found = unsafe { WNetGetConnectionW(&name, Some(PWSTR(remote.as_mut_ptr())), &raw mut length) };
    stands(found, || lost(&name), path)
}

/// What the answer means (<https://learn.microsoft.com/windows/win32/api/winnetwk/nf-winnetwk-wnetgetconnectionw>):
/// unavailable is remembered, but not connected now.
fn stands(found: WIN32_ERROR, lost: impl Fn() -> bool, path: String) -> DriveMount {
    match found {
        ERROR_CONNECTION_UNAVAIL => DriveMount::Disconnected(path),
        NO_ERROR | ERROR_MORE_DATA if lost() => DriveMount::Disconnected(path),
        NO_ERROR | ERROR_MORE_DATA => DriveMount::Connected(path),
        _ => DriveMount::Absent,
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
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_letter_that_comes_or_goes_is_told() {
        use vigie_core::message::Reading;
        use windows::Win32::UI::WindowsAndMessaging::{DBT_DEVNODES_CHANGED, FindWindowW, SendMessageW, WM_NULL};
        crate::wine::only();
        let (_profiles, profile) = watch::channel(Arc::new(vigie_profile::guide()));
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
        // Where wine looks for shares; it asks whether the folder is there.
        let share = "unc/172.26.66.73/services";
        let windows = std::env::var("WINEPREFIX").unwrap();
        std::fs::create_dir_all(format!("Z:{windows}/dosdevices/{share}")).unwrap();
        let connected = DriveMount::Connected(r"S:\".into());
        for (share, kind, expected) in
            [(Some(share), DBT_DEVICEARRIVAL, connected), (None, DBT_DEVICEREMOVECOMPLETE, DriveMount::Absent)]
        {
            map('S', share);
            // As Windows broadcasts it; wine does not.
            say(WM_DEVICECHANGE, kind);
            say(WM_DEVICECHANGE, kind);
            let event = next().await.unwrap();
            let Some(Event::Drives(Reading::Known(drives))) = &event else { panic!("{event:?}") };
            assert_eq!(drives.len(), 4);
            assert_eq!(drives.iter().find(|drive| drive.letter == 'S').unwrap().mount, expected);
        }
        say(WM_DEVICECHANGE, DBT_DEVNODES_CHANGED);
        say(WM_NULL, DBT_DEVICEARRIVAL);
        assert!(next().await.is_err(), "told once for a burst, and for no other message");
        watch.abort();
    }

    /// Maps the letter to a share, or takes it away, as wine's own settings do
    /// (`IOCTL_MOUNTMGR_DEFINE_UNIX_DRIVE`, wine's include/ddk/mountmgr.h).
    fn map(letter: char, share: Option<&str>) {
        use windows::Win32::Foundation::{CloseHandle, GENERIC_READ, GENERIC_WRITE, HANDLE};
        use windows::Win32::Storage::FileSystem::{
            CreateFileW, FILE_FLAGS_AND_ATTRIBUTES, FILE_SHARE_READ, FILE_SHARE_WRITE, OPEN_EXISTING,
        };
        windows::core::link!("kernel32.dll" "system" fn DeviceIoControl(device: HANDLE, code: u32, data: *const u8, size: u32, out: *const u8, room: u32, written: *mut u32, later: *const u8) -> windows::core::BOOL);
        const DEFINE_UNIX_DRIVE: u32 = 0x6d << 16 | 3 << 14 | 32 << 2;
        const DRIVE_REMOTE: u32 = 4;
        const HEAD: u16 = 32;
        let mut order = vec![0; HEAD.into()];
        order[4..8].copy_from_slice(&DRIVE_REMOTE.to_le_bytes());
        order[24..26].copy_from_slice(&(letter as u16).to_le_bytes());
        if let Some(share) = share {
            order[26..28].copy_from_slice(&HEAD.to_le_bytes());
            order.extend(share.bytes().chain([0]));
        }
        let size = order.len() as u32;
        order[..4].copy_from_slice(&size.to_le_bytes());
        let (access, share) = ((GENERIC_READ | GENERIC_WRITE).0, FILE_SHARE_READ | FILE_SHARE_WRITE);
        let plain = FILE_FLAGS_AND_ATTRIBUTES::default();
        let mut written = 0;
        // SAFETY: the name is a constant; the order outlives the call, and its size is told; nothing is written back.
        unsafe {
            let manager =
                CreateFileW(w!(r"\\.\MountPointManager"), access, share, None, OPEN_EXISTING, plain, None).unwrap();
            let none = std::ptr::null();
            assert!(
                DeviceIoControl(manager, DEFINE_UNIX_DRIVE, order.as_ptr(), size, none, 0, &raw mut written, none)
                    .as_bool()
            );
            CloseHandle(manager).unwrap();
        }
    }

    #[test]
    fn what_is_remembered_or_lost_is_disconnected_and_what_nobody_knows_is_absent() {
        use windows::Win32::Foundation::{ERROR_BAD_DEVICE, ERROR_NOT_CONNECTED};
        let stands = |found, lost| stands(found, || lost, r"S:\".into());
        let (connected, disconnected) = (DriveMount::Connected(r"S:\".into()), DriveMount::Disconnected(r"S:\".into()));
        for found in [NO_ERROR, ERROR_MORE_DATA] {
            assert_eq!((stands(found, false), stands(found, true)), (connected.clone(), disconnected.clone()));
        }
        assert_eq!(stands(ERROR_CONNECTION_UNAVAIL, false), disconnected);
        for found in [ERROR_NOT_CONNECTED, ERROR_BAD_DEVICE] {
            assert_eq!(stands(found, false), DriveMount::Absent);
        }
    }

    #[test]
    fn a_letter_that_no_network_knows_is_absent() {
        assert_eq!(mount('Q'), DriveMount::Absent);
    }
}
