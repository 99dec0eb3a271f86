//! Messages to the event loop's own window: `WM_ENDSESSION` at the session's end and from installers that need the
//! program's files (the Restart Manager), `WM_CLOSE` from `taskkill`. A program with windows is told of the session's
//! end in no other way
//! (<https://learn.microsoft.com/windows/console/setconsolectrlhandler>, "Remarks").
//!
//! Windows waits some seconds for the answer to `WM_ENDSESSION`, and ends the process after it; so does `tao`, whose
//! window it is. So the answer waits until the program has taken its leave.

use super::Word;
use std::io;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use windows::Win32::Foundation::{HWND, LPARAM, LRESULT, WPARAM};
use windows::Win32::System::Threading::{GetCurrentProcess, GetCurrentThreadId, TerminateProcess};
use windows::Win32::UI::Shell::{DefSubclassProc, SetWindowSubclass};
use windows::Win32::UI::WindowsAndMessaging::{EnumThreadWindows, WM_CLOSE, WM_ENDSESSION, WM_QUERYENDSESSION};
use windows::core::BOOL;

/// How long the session's end waits for the program; Windows would wait 5 s
/// (<https://learn.microsoft.com/windows/win32/shutdown/shutdown-changes-for-windows-vista>).
const TIMEOUT: Duration = Duration::from_secs(3);

/// That the program has to end was heard.
static HEARD: Notify = Notify::const_new();

/// Whether the program has taken its leave.
static GONE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

pub(super) async fn ended() -> io::Result<Word> {
    HEARD.notified().await;
    Ok(Word::End)
}

/// Listens at the windows of this thread. To be called once, on the event loop's thread, before it runs.
pub fn hear() {
    // SAFETY: the callback keeps to its signature, and takes no parameter.
    let _ = unsafe { EnumThreadWindows(GetCurrentThreadId(), Some(listen_at), LPARAM(0)) };
}

/// Lets the session's end go on: nothing is left to be saved.
pub fn let_go() {
    *GONE.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    GONE.1.notify_all();
}

/// Ends the process at once, when nothing is left to be done. The libraries' own farewell, which the ordinary end would
/// wait for, may find their locks in the hands of threads that waited for one of Windows' services, and never return: COM's,
/// while its services start
/// (<https://learn.microsoft.com/windows/win32/api/processthreadsapi/nf-processthreadsapi-exitprocess>, "Remarks").
pub fn leave(code: u8) -> ! {
    // SAFETY: the process's own handle; it ends here.
    let _ = unsafe { TerminateProcess(GetCurrentProcess(), code.into()) };
    std::process::exit(code.into())
}

unsafe extern "system" fn listen_at(window: HWND, _: LPARAM) -> BOOL {
    // SAFETY: a window of this thread; `answer` needs no data, and stands as long as the program.
    let listens = unsafe { SetWindowSubclass(window, Some(answer), 1, 0) };
    if !listens.as_bool() {
        tracing::warn!("the session's end will not be heard");
    }
    true.into()
}

unsafe extern "system" fn answer(window: HWND, message: u32, w: WPARAM, l: LPARAM, _: usize, _: usize) -> LRESULT {
    match message {
        // The session may end, as far as Vigie is concerned; nothing is done before it is certain.
        WM_QUERYENDSESSION => LRESULT(1),
        WM_ENDSESSION if w.0 != 0 => {
            tracing::info!("the session ends");
            HEARD.notify_one();
            let gone = GONE.0.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = GONE.1.wait_timeout_while(gone, TIMEOUT, |gone| !*gone);
            // SAFETY: what the system called us with is handed on.
            unsafe { DefSubclassProc(window, message, w, l) }
        }
        WM_CLOSE => {
            HEARD.notify_one();
            LRESULT(0)
        }
        // SAFETY: as above.
        _ => unsafe { DefSubclassProc(window, message, w, l) },
    }
}
