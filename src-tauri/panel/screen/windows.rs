//! What Tauri does not tell or set of a window that is pinned to the desktop.

use tauri::WebviewWindow;
use windows::Win32::Foundation::{COLORREF, HWND, LPARAM, LRESULT, WPARAM};
use windows::Win32::UI::Shell::{DefSubclassProc, RemoveWindowSubclass, SetWindowSubclass};
use windows::Win32::UI::WindowsAndMessaging::{
    GWL_EXSTYLE, GetWindowLongPtrW, LWA_ALPHA, MA_ACTIVATE, SPI_SETWORKAREA, SetForegroundWindow,
    SetLayeredWindowAttributes, SetWindowLongPtrW, WA_INACTIVE, WM_ACTIVATE, WM_DISPLAYCHANGE, WM_DPICHANGED,
    WM_LBUTTONDOWN, WM_MOUSEACTIVATE, WM_NCDESTROY, WM_PARENTNOTIFY, WM_SETTINGCHANGE, WS_EX_LAYERED, WS_EX_NOACTIVATE,
};

/// This subclass among those of the window.
const SUBCLASS: usize = 1;

type Put = Box<dyn Fn() + Send>;

/// Lets the desktop shine through the window.
pub fn fade(window: &WebviewWindow, opacity_percent: u8) -> tauri::Result<()> {
    let window = HWND(window.hwnd()?.0);
    set_style(window, WS_EX_LAYERED.0, true);
    let alpha = (u16::from(opacity_percent.min(100)) * 255 / 100) as u8;
    // SAFETY: the window lives as long as its Tauri handle, which the caller holds.
    if let Err(error) = unsafe { SetLayeredWindowAttributes(window, COLORREF(0), alpha, LWA_ALPHA) } {
        tracing::warn!(%error, "the pinned panel stays opaque");
    }
    Ok(())
}

/// Calls `put` when monitors, scale or task bar have changed; a click takes the keyboard, which goes again with the
/// next window's.
pub fn follow(window: &WebviewWindow, put: Put) -> tauri::Result<()> {
    let handle = window.hwnd()?.0 as usize;
    // Only the window's own thread may do it.
    window.run_on_main_thread(move || {
        let put = Box::into_raw(Box::new(put)) as usize;
        // SAFETY: this is the window's thread; `told` frees `put` with the window, and not before.
        let set = unsafe { SetWindowSubclass(HWND(handle as *mut _), Some(told), SUBCLASS, put) };
        if !set.as_bool() {
            tracing::warn!("the pinned panel does not follow the screen");
        }
    })
}

unsafe extern "system" fn told(
    window: HWND,
    message: u32,
    wparam: WPARAM,
    lparam: LPARAM,
    _: usize,
    put: usize,
) -> LRESULT {
    match message {
        WM_NCDESTROY => {
            // SAFETY: on the window's thread; its last message, after which nobody has `put` any more.
            unsafe {
                let _ = RemoveWindowSubclass(window, Some(told), SUBCLASS);
                drop(Box::from_raw(put as *mut Put));
            }
        }
        WM_MOUSEACTIVATE => {
            set_style(window, WS_EX_NOACTIVATE.0, false);
            return LRESULT(MA_ACTIVATE as isize);
        }
        // A click into the page, which is a window of its own.
        WM_PARENTNOTIFY if wparam.0 as u32 & 0xffff == WM_LBUTTONDOWN => {
            set_style(window, WS_EX_NOACTIVATE.0, false);
            // SAFETY: the window is there: it is being told something.
            let _ = unsafe { SetForegroundWindow(window) };
        }
        WM_ACTIVATE if wparam.0 as u32 & 0xffff == WA_INACTIVE => set_style(window, WS_EX_NOACTIVATE.0, true),
        _ => {}
    }
    // SAFETY: the arguments are those that this was called with.
    let answer = unsafe { DefSubclassProc(window, message, wparam, lparam) };
    let work_area = message == WM_SETTINGCHANGE && wparam.0 as u32 == SPI_SETWORKAREA.0;
    if work_area || message == WM_DISPLAYCHANGE || message == WM_DPICHANGED {
        // SAFETY: set with the subclass, and freed only with the window.
        unsafe { (*(put as *const Put))() };
    }
    answer
}

fn set_style(window: HWND, style: u32, on: bool) {
    // SAFETY: reads and writes a number of the window's; where the window is gone, both fail and do nothing.
    unsafe {
        let old = GetWindowLongPtrW(window, GWL_EXSTYLE);
        let new = if on { old | style as isize } else { old & !(style as isize) };
        if old != new {
            SetWindowLongPtrW(window, GWL_EXSTYLE, new);
        }
    }
}
