//! Messages to the event loop's own window: `WM_ENDSESSION` at the session's end and from installers that need the
//! program's files (the Restart Manager), `WM_CLOSE` from `taskkill`. A program with windows is notified of the session's
//! end in no other way
//! (<https://learn.microsoft.com/windows/console/setconsolectrlhandler>, "Remarks").
//!
//! Windows waits some seconds for the answer to `WM_ENDSESSION`, and ends the process after it; so does `tao`, whose
//! window it is. So the answer waits until the program has finished.

use super::EndReason;
use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use windows::Win32::Foundation::{HWND, LPARAM, LRESULT, WPARAM};
use windows::Win32::System::Threading::{GetCurrentProcess, GetCurrentThreadId, TerminateProcess};
use windows::Win32::UI::Shell::{DefSubclassProc, SetWindowSubclass};
use windows::Win32::UI::WindowsAndMessaging::{EnumThreadWindows, WM_CLOSE, WM_ENDSESSION, WM_QUERYENDSESSION};
use windows::core::BOOL;

/// How long the session's end is delayed for the program; Windows would wait 5 s
/// (<https://learn.microsoft.com/windows/win32/shutdown/shutdown-changes-for-windows-vista>).
const SESSION_END_TIMEOUT: Duration = Duration::from_secs(3);

/// Notified when the program has to end.
static END_REQUESTED: Notify = Notify::const_new();

/// Whether the program has finished.
static FINISHED: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

pub(super) async fn ended() -> io::Result<EndReason> {
    END_REQUESTED.notified().await;
    Ok(EndReason::End)
}

/// Subclasses the windows of this thread. Call it once, on the event loop's thread, before it runs.
pub fn listen() {
    // SAFETY: the callback keeps to its signature, and takes no parameter.
    let _ = unsafe { EnumThreadWindows(GetCurrentThreadId(), Some(subclass), LPARAM(0)) };
}

/// Lets the session end: nothing is left to be saved.
pub fn allow_session_end() {
    *FINISHED.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    FINISHED.1.notify_all();
}

/// Ends the process at once, when nothing is left to be done. An ordinary exit runs the libraries' own cleanup, which can
/// wait for ever for a lock of a thread that was ended while it waited for a Windows service, such as COM's while it starts
/// (<https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-exitprocess>, "Remarks").
pub fn terminate(code: u8) -> ! {
    // SAFETY: the process's own handle; it ends here.
    let _ = unsafe { TerminateProcess(GetCurrentProcess(), code.into()) };
    std::process::exit(code.into())
}

unsafe extern "system" fn subclass(window: HWND, _: LPARAM) -> BOOL {
    // SAFETY: a window of this thread; `window_proc` needs no data, and is never unloaded.
    let listens = unsafe { SetWindowSubclass(window, Some(window_proc), 1, 0) };
    if !listens.as_bool() {
        tracing::warn!("the end of the session will not be noticed");
    }
    true.into()
}

unsafe extern "system" fn window_proc(window: HWND, message: u32, w: WPARAM, l: LPARAM, _: usize, _: usize) -> LRESULT {
    match message {
        // Vigie does not object. Nothing is done until the end is certain.
        WM_QUERYENDSESSION => LRESULT(1),
        WM_ENDSESSION if w.0 != 0 => {
            tracing::info!("the session ends");
            END_REQUESTED.notify_one();
            let finished = FINISHED.0.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = FINISHED.1.wait_timeout_while(finished, SESSION_END_TIMEOUT, |finished| !*finished);
            // SAFETY: the arguments are passed on unchanged.
            unsafe { DefSubclassProc(window, message, w, l) }
        }
        WM_CLOSE => {
            END_REQUESTED.notify_one();
            LRESULT(0)
        }
        // SAFETY: as above.
        _ => unsafe { DefSubclassProc(window, message, w, l) },
    }
}
