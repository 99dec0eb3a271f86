//! What Windows tells by broadcasting a message: a window that is never shown, on a thread that sleeps until one comes.
//! (Broadcasts reach top-level windows alone, so it cannot be a message-only one.)

use std::io;
use std::sync::mpsc;
use windows::Win32::Foundation::{HWND, LPARAM, LRESULT, WPARAM};
use windows::Win32::System::Threading::GetCurrentThreadId;
use windows::Win32::UI::WindowsAndMessaging::{
    CreateWindowExW, DefWindowProcW, DestroyWindow, DispatchMessageW, GWLP_USERDATA, GWLP_WNDPROC, GetMessageW,
    GetWindowLongPtrW, MSG, PostThreadMessageW, SetWindowLongPtrW, WINDOW_EX_STYLE, WINDOW_STYLE, WM_QUIT,
};
use windows::core::{PCWSTR, w};

/// What is called with each message and its first parameter.
type Hear = Box<dyn Fn(u32, WPARAM) + Send>;

/// The window; it closes with this value.
pub struct Listener {
    thread: u32,
}

impl Listener {
    /// Opens a window of that title, which nobody sees, and calls `hear` on its thread.
    pub fn new(title: PCWSTR, hear: impl Fn(u32, WPARAM) + Send + 'static) -> io::Result<Listener> {
        let (started, start) = mpsc::channel();
        let hear: Hear = Box::new(hear);
        // SAFETY: the title ends in 0.
        let title = unsafe { title.to_hstring() };
        std::thread::Builder::new().name(title.to_string_lossy()).spawn(move || match open(&title, &hear) {
            Ok(window) => {
                // SAFETY: the call has no conditions.
                let _ = started.send(Ok(unsafe { GetCurrentThreadId() }));
                listen(window);
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        })?;
        let thread = start.recv().map_err(io::Error::other)??;
        Ok(Listener { thread })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // SAFETY: plain numbers. Where the thread is gone already, the call fails, and there is nothing to end.
        let _ = unsafe { PostThreadMessageW(self.thread, WM_QUIT, WPARAM(0), LPARAM(0)) };
    }
}

fn open(title: &windows::core::HSTRING, hear: &Hear) -> windows::core::Result<HWND> {
    let (style, extended) = (WINDOW_STYLE::default(), WINDOW_EX_STYLE::default());
    // SAFETY: a window of a class that the system has; the pointers are none.
    let window = unsafe { CreateWindowExW(extended, w!("STATIC"), title, style, 0, 0, 0, 0, None, None, None, None) }?;
    // SAFETY: the window is ours and of this thread. `hear` outlives it (see `listen`), and `told` is a window
    // procedure; the pointers fit, since both calls take what is as wide as one.
    unsafe {
        SetWindowLongPtrW(window, GWLP_USERDATA, std::ptr::from_ref(hear) as isize);
        SetWindowLongPtrW(window, GWLP_WNDPROC, told as *const () as isize);
    }
    Ok(window)
}

/// Dispatches messages until it is told to quit, then closes the window.
fn listen(window: HWND) {
    let mut message = MSG::default();
    // SAFETY: the message is ours; the window is of this thread and closed once.
    unsafe {
        while GetMessageW(&mut message, None, 0, 0).0 > 0 {
            DispatchMessageW(&message);
        }
        let _ = DestroyWindow(window);
    }
}

unsafe extern "system" fn told(window: HWND, message: u32, w: WPARAM, l: LPARAM) -> LRESULT {
    // SAFETY: the value is the `Hear` that `open` put there, and stands as long as the window.
    if let Some(hear) = unsafe { (GetWindowLongPtrW(window, GWLP_USERDATA) as *const Hear).as_ref() } {
        hear(message, w);
    }
    // SAFETY: what the system called us with is handed on.
    unsafe { DefWindowProcW(window, message, w, l) }
}
