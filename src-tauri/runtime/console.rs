//! Where a command's words go on Windows: both programs are of the graphical kind, so that no console window ever
//! opens, and such a program has no standard output unless somebody redirected it.

/// Writes into the console that started this program, where standard output or standard error leads nowhere. A
/// redirection stays what it is. Costs nothing from the second call on, and does nothing on other systems.
///
/// The icon never asks for it: it would end with the console's window.
#[cfg(windows)]
pub fn attach() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(windows::attach);
}

/// Writes into the console that started this program: elsewhere every program does.
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
        // SAFETY: a plain number. Refused where there is one already (wine hands it down); it fails otherwise where this
        // program was not started from a console: nobody reads then.
        if let Err(error) = unsafe { AttachConsole(ATTACH_PARENT_PROCESS) }
            && error.code() != ERROR_ACCESS_DENIED.to_hresult()
        {
            return;
        }
        for (output, redirected) in outputs {
            // Attaching may have replaced what was redirected.
            if let Some(handle) = redirected.or_else(console) {
                // SAFETY: the handle is open, and stays so to the end of the process.
                let _ = unsafe { SetStdHandle(output, handle) };
            }
        }
    }

    /// The handle, where it leads somewhere. (That of a console which was not handed down is only a number.)
    fn usable(output: STD_HANDLE) -> Option<HANDLE> {
        // SAFETY: a plain number.
        let handle =
            unsafe { GetStdHandle(output) }.ok().filter(|handle| !handle.is_invalid() && !handle.0.is_null())?;
        // SAFETY: the system checks the handle.
        (unsafe { GetFileType(handle) } != FILE_TYPE_UNKNOWN).then_some(handle)
    }

    fn console() -> Option<HANDLE> {
        let (access, share) = ((GENERIC_READ | GENERIC_WRITE).0, FILE_SHARE_READ | FILE_SHARE_WRITE);
        let plain = FILE_FLAGS_AND_ATTRIBUTES::default();
        // SAFETY: the name is a constant; the other pointers are none.
        unsafe { CreateFileW(w!("CONOUT$"), access, share, None, OPEN_EXISTING, plain, None) }.ok()
    }
}
