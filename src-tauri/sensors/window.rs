//! Receives the messages that Windows broadcasts: a hidden window, on a thread that sleeps until one arrives.
//!
//! Broadcasts reach only top-level windows, so it cannot be a message-only window.

use std::io;
use std::sync::mpsc;
use windows::Win32::Foundation::{HWND, LPARAM, LRESULT, WPARAM};
use windows::Win32::System::Threading::GetCurrentThreadId;
use windows::Win32::UI::WindowsAndMessaging::{
    CreateWindowExW, DefWindowProcW, DestroyWindow, DispatchMessageW, GWLP_USERDATA, GWLP_WNDPROC, GetMessageW,
    GetWindowLongPtrW, MSG, PostThreadMessageW, SetWindowLongPtrW, WINDOW_EX_STYLE, WINDOW_STYLE, WM_QUIT,
};
use windows::core::{PCWSTR, w};

/// Called with each message and its first parameter.
type Callback = Box<dyn Fn(u32, WPARAM) + Send>;

/// A hidden window, closed when this value is dropped.
pub struct MessageWindow {
    thread: u32,
}

impl MessageWindow {
    /// Opens a hidden window with this title, and calls `on_message` on its thread.
    pub fn new(title: PCWSTR, on_message: impl Fn(u32, WPARAM) + Send + 'static) -> io::Result<MessageWindow> {
        let (started, start) = mpsc::channel();
        let callback: Callback = Box::new(on_message);
        // SAFETY: the title ends in 0.
        let title = unsafe { title.to_hstring() };
        std::thread::Builder::new().name(title.to_string_lossy()).spawn(move || match open(&title, &callback) {
            Ok(window) => {
                // SAFETY: the call has no conditions.
                let _ = started.send(Ok(unsafe { GetCurrentThreadId() }));
                run_message_loop(window);
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        })?;
        let thread = start.recv().map_err(io::Error::other)??;
        Ok(MessageWindow { thread })
    }
}

impl Drop for MessageWindow {
    fn drop(&mut self) {
        // SAFETY: plain numbers. If the thread has already ended, the call fails, which is fine.
        let _ = unsafe { PostThreadMessageW(self.thread, WM_QUIT, WPARAM(0), LPARAM(0)) };
    }
}

/// Creates a hidden window whose messages go to `callback`.
fn open(title: &windows::core::HSTRING, callback: &Callback) -> windows::core::Result<HWND> {
    let (style, extended) = (WINDOW_STYLE::default(), WINDOW_EX_STYLE::default());
    // SAFETY: a window of a system class, without pointers.
    let window = unsafe { CreateWindowExW(extended, w!("STATIC"), title, style, 0, 0, 0, 0, None, None, None, None) }?;
    // SAFETY: the window belongs to this thread. `callback` outlives it (see `run_message_loop`), and
    // `window_procedure` is a window procedure; both calls take values as wide as a pointer.
    unsafe {
        SetWindowLongPtrW(window, GWLP_USERDATA, std::ptr::from_ref(callback) as isize);
        SetWindowLongPtrW(window, GWLP_WNDPROC, window_procedure as *const () as isize);
    }
    Ok(window)
}

/// Runs the message loop of this thread until `WM_QUIT`, then destroys the window.
fn run_message_loop(window: HWND) {
    let mut message = MSG::default();
    // SAFETY: `message` is valid for the calls; the window belongs to this thread and is destroyed once.
    unsafe {
        while GetMessageW(&mut message, None, 0, 0).0 > 0 {
            DispatchMessageW(&message);
        }
        let _ = DestroyWindow(window);
    }
}

unsafe extern "system" fn window_procedure(window: HWND, message: u32, w: WPARAM, l: LPARAM) -> LRESULT {
    // SAFETY: the value is the `Callback` that `open` stored, which outlives the window.
    if let Some(callback) = unsafe { (GetWindowLongPtrW(window, GWLP_USERDATA) as *const Callback).as_ref() } {
        callback(message, w);
    }
    // SAFETY: the arguments are those of the system.
    unsafe { DefWindowProcW(window, message, w, l) }
}
