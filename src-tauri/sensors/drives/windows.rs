//! Finds the drives among the letters that the network providers know.

use crate::sensors::servers::{Server, of_unc_path};
use crate::sensors::window::MessageWindow;
use tokio::sync::watch;
use vigie_core::message::{DriveMount, DriveState};
use vigie_profile::{Drive, Protocol};
use windows::Win32::Foundation::{ERROR_CONNECTION_UNAVAIL, ERROR_MORE_DATA, NO_ERROR, WIN32_ERROR};
use windows::Win32::NetworkManagement::NetManagement::{NetApiBufferFree, NetUseGetInfo, USE_INFO_1, USE_NETERR};
use windows::Win32::NetworkManagement::WNet::WNetGetConnectionW;
use windows::Win32::UI::WindowsAndMessaging::{DBT_DEVICEARRIVAL, DBT_DEVICEREMOVECOMPLETE, WM_DEVICECHANGE};
use windows::core::{HSTRING, PCWSTR, PWSTR, w};

/// Returns the state of each drive.
pub(super) fn read(drives: &[Drive]) -> anyhow::Result<Vec<DriveState>> {
    Ok(drives.iter().map(|drive| DriveState { letter: drive.letter, mount: mount(drive.letter) }).collect())
}

/// Returns the servers of all mapped letters, connected or not.
pub(super) fn servers() -> anyhow::Result<Vec<Server>> {
    let connections = ('A'..='Z').filter_map(|letter| connection(&HSTRING::from(format!("{letter}:"))).1);
    Ok(connections.filter_map(|remote| Some((Protocol::Smb, of_unc_path(&remote)?.to_owned()))).collect())
}

/// Notifies when a letter is mapped or removed.
pub(super) async fn watch(changed: watch::Sender<()>) {
    // Broadcast for network drives too (DBTF_NET). The letter is not needed, because all drives are read again.
    let window = MessageWindow::new(w!("Vigie drives"), move |message, kind| {
        if message == WM_DEVICECHANGE && [DBT_DEVICEARRIVAL, DBT_DEVICEREMOVECOMPLETE].contains(&(kind.0 as u32)) {
            changed.send_replace(());
        }
    });
    match window {
        Ok(_window) => std::future::pending().await,
        Err(error) => tracing::warn!("changes of drives are not noticed at once: {error}"),
    }
}

/// Returns the state of a drive letter.
fn mount(letter: char) -> DriveMount {
    let name = HSTRING::from(format!("{letter}:"));
    let path = format!("{letter}:\\");
    state(connection(&name).0, || failed(&name), path)
}

/// Asks which share that letter is mapped to.
fn connection(name: &HSTRING) -> (WIN32_ERROR, Option<String>) {
    let mut remote = [0; 512];
    let mut length = 512;
    // SAFETY: the buffer outlives the call and `length` is its size in characters.
    let found = unsafe { WNetGetConnectionW(name, Some(PWSTR(remote.as_mut_ptr())), &raw mut length) };
    let end = remote.iter().position(|unit| *unit == 0).unwrap_or(remote.len());
    let is_mapped = matches!(found, NO_ERROR | ERROR_CONNECTION_UNAVAIL) && end > 0;
    (found, is_mapped.then(|| String::from_utf16_lossy(&remote[..end])))
}

/// Interprets the result (<https://learn.microsoft.com/windows/win32/api/winnetwk/nf-winnetwk-wnetgetconnectionw>):
/// an unavailable connection is remembered, but not connected now.
fn state(found: WIN32_ERROR, failed: impl Fn() -> bool, path: String) -> DriveMount {
    match found {
        ERROR_CONNECTION_UNAVAIL => DriveMount::Disconnected(path),
        NO_ERROR | ERROR_MORE_DATA if failed() => DriveMount::Disconnected(path),
        NO_ERROR | ERROR_MORE_DATA => DriveMount::Connected(path),
        _ => DriveMount::Absent,
    }
}

/// Returns whether Windows could not reach the server any more.
///
/// Its redirector answers without asking the network; the drive of another provider, which it does not know, is taken to be
/// connected. `USE_SESSLOST` is no failure: servers end idle sessions, and the next access opens a new one.
fn failed(name: &HSTRING) -> bool {
    let mut buffer: *mut u8 = std::ptr::null_mut();
    // SAFETY: the pointers are valid for the call; a null server means this machine.
    if unsafe { NetUseGetInfo(PCWSTR::null(), name, 1, Some(&raw mut buffer)) } != 0 || buffer.is_null() {
        return false;
    }
    // SAFETY: on success of level 1 the buffer holds one USE_INFO_1, aligned by its allocator.
    let status = unsafe { (*buffer.cast::<USE_INFO_1>()).ui1_status };
    // SAFETY: the buffer came from NetUseGetInfo and is not used any more.
    unsafe { NetApiBufferFree(Some(buffer.cast())) };
    is_failure(status)
}

fn is_failure(status: u32) -> bool {
    status == USE_NETERR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn mapped_and_removed_letters_are_sent() {
        use crate::sensors::drives;
        use std::sync::Arc;
        use std::time::Duration;
        use vigie_core::message::{Event, Reading};
        use windows::Win32::UI::WindowsAndMessaging::{DBT_DEVNODES_CHANGED, FindWindowW, SendMessageW, WM_NULL};
        crate::wine::only();
        let (_profiles, profile) = watch::channel(Arc::new(vigie_profile::guide()));
        let (events, mut received) = tokio::sync::mpsc::unbounded_channel();
        let watch = tokio::spawn(drives::watch(profile, events));
        let mut next = async || {
            let event = tokio::time::timeout(Duration::from_secs(20), received.recv()).await.expect("an event in time");
            let Some(Event::Drives(Reading::Known(drives))) = event else { panic!("{event:?}") };
            assert_eq!(drives.len(), 4);
            drives.into_iter().find(|drive| drive.letter == 'S').unwrap().mount
        };
        assert_eq!(next().await, DriveMount::Absent, "sent at the start");
        // SAFETY: messages without pointers, to the window that the sensor opened.
        let send = |message, kind: u32| unsafe {
            let window = FindWindowW(None, w!("Vigie drives")).unwrap();
            SendMessageW(window, message, Some(windows::Win32::Foundation::WPARAM(kind as usize)), None);
        };
        // Wine looks for shares below this folder, which must exist.
        let share = "unc/172.26.66.73/services";
        let windows = std::env::var("WINEPREFIX").unwrap();
        std::fs::create_dir_all(format!("Z:{windows}/dosdevices/{share}")).unwrap();
        let connected = DriveMount::Connected(r"S:\".into());
        for (share, kind, expected) in
            [(Some(share), DBT_DEVICEARRIVAL, connected), (None, DBT_DEVICEREMOVECOMPLETE, DriveMount::Absent)]
        {
            map('S', share);
            // Messages that concern no drive; an event for one of them would come before the mapping is seen as changed.
            send(WM_DEVICECHANGE, DBT_DEVNODES_CHANGED);
            send(WM_NULL, DBT_DEVICEARRIVAL);
            // Windows broadcasts these, wine does not. A burst causes one event: the next one shows the next change.
            send(WM_DEVICECHANGE, kind);
            send(WM_DEVICECHANGE, kind);
            assert_eq!(next().await, expected);
        }
        watch.abort();
    }

    /// Maps the letter to a share or removes it, as wine's own settings do
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
        let mut request = vec![0; HEAD.into()];
        request[4..8].copy_from_slice(&DRIVE_REMOTE.to_le_bytes());
        request[24..26].copy_from_slice(&(letter as u16).to_le_bytes());
        if let Some(share) = share {
            request[26..28].copy_from_slice(&HEAD.to_le_bytes());
            request.extend(share.bytes().chain([0]));
        }
        let size = request.len() as u32;
        request[..4].copy_from_slice(&size.to_le_bytes());
        let (access, share) = ((GENERIC_READ | GENERIC_WRITE).0, FILE_SHARE_READ | FILE_SHARE_WRITE);
        let plain = FILE_FLAGS_AND_ATTRIBUTES::default();
        let mut written = 0;
        // SAFETY: the name is a constant; the request outlives the call and has the given size; nothing is written back.
        unsafe {
            let manager =
                CreateFileW(w!(r"\\.\MountPointManager"), access, share, None, OPEN_EXISTING, plain, None).unwrap();
            let none = std::ptr::null();
            assert!(
                DeviceIoControl(manager, DEFINE_UNIX_DRIVE, request.as_ptr(), size, none, 0, &raw mut written, none)
                    .as_bool()
            );
            CloseHandle(manager).unwrap();
        }
    }

    #[test]
    fn remembered_or_failed_connection_is_disconnected_and_unknown_letter_is_absent() {
        use windows::Win32::Foundation::{ERROR_BAD_DEVICE, ERROR_NOT_CONNECTED};
        let state = |found, failed| state(found, || failed, r"S:\".into());
        let (connected, disconnected) = (DriveMount::Connected(r"S:\".into()), DriveMount::Disconnected(r"S:\".into()));
        for found in [NO_ERROR, ERROR_MORE_DATA] {
            assert_eq!((state(found, false), state(found, true)), (connected.clone(), disconnected.clone()));
        }
        assert_eq!(state(ERROR_CONNECTION_UNAVAIL, false), disconnected);
        for found in [ERROR_NOT_CONNECTED, ERROR_BAD_DEVICE] {
            assert_eq!(state(found, false), DriveMount::Absent);
        }
    }

    #[test]
    fn idle_session_is_no_failure() {
        use windows::Win32::NetworkManagement::NetManagement::USE_SESSLOST;
        use windows::Win32::NetworkManagement::NetManagement::{USE_CONN, USE_DISCONN, USE_OK, USE_PAUSED, USE_RECONN};
        assert!(is_failure(USE_NETERR));
        for status in [USE_OK, USE_PAUSED, USE_SESSLOST, USE_DISCONN, USE_CONN, USE_RECONN] {
            assert!(!is_failure(status), "{status}");
        }
    }

    #[test]
    fn the_server_of_a_share_is_named() {
        assert_eq!(of_unc_path(r"\\172.26.66.73\services"), Some("172.26.66.73"));
        assert_eq!(of_unc_path(r"C:\folder"), None);
    }

    #[test]
    fn unmapped_letter_is_absent() {
        assert_eq!(mount('Q'), DriveMount::Absent);
    }
}
