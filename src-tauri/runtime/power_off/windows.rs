//! By `InitiateShutdown`, with a reason that the event log shows as planned.

use vigie_core::message::PowerOffError;
use windows::Win32::Foundation::{CloseHandle, ERROR_SHUTDOWN_USERS_LOGGED_ON, HANDLE, LUID, WIN32_ERROR};
use windows::Win32::Security::{
    AdjustTokenPrivileges, LUID_AND_ATTRIBUTES, LookupPrivilegeValueW, SE_PRIVILEGE_ENABLED, SE_SHUTDOWN_NAME,
    TOKEN_ADJUST_PRIVILEGES, TOKEN_PRIVILEGES, TOKEN_QUERY,
};
use windows::Win32::System::Shutdown::{
    InitiateShutdownW, SHTDN_REASON_FLAG_PLANNED, SHTDN_REASON_MAJOR_OTHER, SHTDN_REASON_MINOR_OTHER, SHUTDOWN_POWEROFF,
};
use windows::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// Asks Windows, on a thread that may wait for its service.
pub async fn power_off() -> Result<(), PowerOffError> {
    let done = tokio::task::spawn_blocking(|| allow().and_then(|()| initiate())).await;
    done.map_err(|error| PowerOffError::Other(error.to_string()))?.map_err(reason)
}

/// Windows refuses without force if other users are logged on, which `InitiateShutdown` reports as an error of its own.
fn reason(error: windows::core::Error) -> PowerOffError {
    if error.code() == ERROR_SHUTDOWN_USERS_LOGGED_ON.to_hresult() {
        return PowerOffError::OthersLoggedOn;
    }
    PowerOffError::Other(error.to_string())
}

/// Every user has the privilege to switch a workstation off, but a process must enable it first.
fn allow() -> windows::core::Result<()> {
    let mut token = HANDLE::default();
    // SAFETY: the pointer is valid for the call.
    unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY, &mut token) }?;
    let mut luid = LUID::default();
    // SAFETY: the pointers are valid for the calls, and the token is open until it is closed once.
    unsafe {
        let found = LookupPrivilegeValueW(None, SE_SHUTDOWN_NAME, &mut luid);
        let privileges = TOKEN_PRIVILEGES {
            PrivilegeCount: 1,
            Privileges: [LUID_AND_ATTRIBUTES { Luid: luid, Attributes: SE_PRIVILEGE_ENABLED }],
        };
        // Says "done" also if the user has no such privilege; the shutdown itself is refused then.
        let done = found.and_then(|()| AdjustTokenPrivileges(token, false, Some(&privileges), 0, None, None));
        CloseHandle(token)?;
        done
    }
}

fn initiate() -> windows::core::Result<()> {
    let reason = SHTDN_REASON_MAJOR_OTHER | SHTDN_REASON_MINOR_OTHER | SHTDN_REASON_FLAG_PLANNED;
    // No flag that forces anybody: a program with unsaved work may hold the shutdown up, as it does from the Start menu.
    // SAFETY: no pointers are passed.
    let error = unsafe { InitiateShutdownW(None, None, 0, SHUTDOWN_POWEROFF, reason) };
    WIN32_ERROR(error).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use windows::Win32::Foundation::ERROR_ACCESS_DENIED;

    #[test]
    fn refusal_for_other_users_is_recognised() {
        assert_eq!(reason(ERROR_SHUTDOWN_USERS_LOGGED_ON.into()), PowerOffError::OthersLoggedOn);
        assert_eq!(reason(WIN32_ERROR(1191).into()), PowerOffError::OthersLoggedOn);
        assert!(matches!(reason(ERROR_ACCESS_DENIED.into()), PowerOffError::Other(_)));
    }
}
