//! Standard output of commands on Windows. Vigie is a graphical program, so that no console window opens; such a program
//! has no standard output unless it is redirected.

/// Directs standard output and standard error to the console that started this program, unless they are redirected.
/// Only the first call has an effect.
///
/// The tray does not call this: it would be ended when the console's window is closed.
#[cfg(windows)]
pub fn attach() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(windows::attach);
}

/// Does nothing: on this system every program has the standard output of its terminal.
#[cfg(not(windows))]
pub fn attach() {}

#[cfg(windows)]
mod windows {
    use windows::Win32::Foundation::{ERROR_ACCESS_DENIED, GENERIC_READ, GENERIC_WRITE, HANDLE};
    use windows::Win32::Storage::FileSystem::{
        CreateFileW, FILE_FLAGS_AND_ATTRIBUTES, FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_TYPE_UNKNOWN, GetFileType,
        OPEN_EXISTING,
    };
    use windows::Win32::System::Console::{
        ATTACH_PARENT_PROCESS, AttachConsole, GetStdHandle, STD_ERROR_HANDLE, STD_HANDLE, STD_OUTPUT_HANDLE,
        SetStdHandle,
    };
    use windows::core::w;

    pub(super) fn attach() {
        let outputs = [STD_OUTPUT_HANDLE, STD_ERROR_HANDLE].map(|output| (output, usable(output)));
        if outputs.iter().all(|(_, handle)| handle.is_some()) {
            return;
        }
        // Access is denied if the program has a console already (under wine it is inherited). Any other error means that
        // it was not started from a console, so there is no output to direct.
        // SAFETY: the argument is a plain number.
        if let Err(error) = unsafe { AttachConsole(ATTACH_PARENT_PROCESS) }
            && error.code() != ERROR_ACCESS_DENIED.to_hresult()
        {
            return;
        }
        for (output, redirected) in outputs {
            // Attaching may have replaced redirected handles.
            if let Some(handle) = redirected.or_else(console) {
                // SAFETY: the handle stays open until the process ends.
                let _ = unsafe { SetStdHandle(output, handle) };
            }
        }
    }

    /// Returns the handle if it is usable: that of a console which was not inherited is invalid.
    fn usable(output: STD_HANDLE) -> Option<HANDLE> {
        // SAFETY: the argument is a plain number.
        let handle =
            unsafe { GetStdHandle(output) }.ok().filter(|handle| !handle.is_invalid() && !handle.0.is_null())?;
        // SAFETY: the system checks the handle.
        (unsafe { GetFileType(handle) } != FILE_TYPE_UNKNOWN).then_some(handle)
    }

    fn console() -> Option<HANDLE> {
        let (access, share) = ((GENERIC_READ | GENERIC_WRITE).0, FILE_SHARE_READ | FILE_SHARE_WRITE);
        let plain = FILE_FLAGS_AND_ATTRIBUTES::default();
        // SAFETY: the name is a constant; the other pointers are null.
        unsafe { CreateFileW(w!("CONOUT$"), access, share, None, OPEN_EXISTING, plain, None) }.ok()
    }
}
