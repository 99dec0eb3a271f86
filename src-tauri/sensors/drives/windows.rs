//! Drives are letters that the network providers know.

use crate::core::state::{DriveMount, DriveState};
use crate::profile::Drive;
use windows::Win32::Foundation::{ERROR_CONNECTION_UNAVAIL, ERROR_MORE_DATA, NO_ERROR};
use windows::Win32::NetworkManagement::NetManagement::{
    NetApiBufferFree, NetUseGetInfo, USE_INFO_1, USE_NETERR, USE_SESSLOST,
};
use windows::Win32::NetworkManagement::WNet::WNetGetConnectionW;
use windows::core::{HSTRING, PCWSTR, PWSTR};

/// Where the drives of the profile stand.
pub(super) fn read(drives: &[Drive]) -> anyhow::Result<Vec<DriveState>> {
    Ok(drives.iter().map(|drive| DriveState { letter: drive.letter, mount: mount(drive.letter) }).collect())
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
mod tests {
    use super::*;

    #[test]
    fn a_letter_that_no_network_knows_is_absent() {
        assert_eq!(mount('Q'), DriveMount::Absent);
    }
}
