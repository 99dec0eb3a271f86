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
    window.run_on_main_thread(move || listen(HWND(handle as *mut _), put))
}

/// To be called on the window's thread.
fn listen(window: HWND, put: Put) {
    let put = Box::into_raw(Box::new(put)) as usize;
    // SAFETY: this is the window's thread; `told` frees `put` with the window, and not before.
    if !unsafe { SetWindowSubclass(window, Some(told), SUBCLASS, put) }.as_bool() {
        tracing::warn!("the pinned panel does not follow the screen");
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use windows::Win32::UI::WindowsAndMessaging::{
        CreateWindowExW, DestroyWindow, SendMessageW, WA_ACTIVE, WM_MOVE, WS_POPUP,
    };
    use windows::core::w;

    #[test]
    fn the_pinned_window_follows_the_screen_and_takes_the_keyboard_only_when_clicked() {
        let count = Arc::new(AtomicUsize::new(0));
        // SAFETY: a window of a class that the system has, on this thread; messages without pointers.
        unsafe {
            let style = WS_EX_NOACTIVATE;
            let window =
                CreateWindowExW(style, w!("STATIC"), None, WS_POPUP, 0, 0, 9, 9, None, None, None, None).unwrap();
            let counted = count.clone();
            listen(
                window,
                Box::new(move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                }),
            );
            let put = |message, first: u32| {
                SendMessageW(window, message, Some(WPARAM(first as usize)), None);
                count.swap(0, Ordering::Relaxed)
            };
            assert_eq!(put(WM_DISPLAYCHANGE, 32), 1);
            assert_eq!(put(WM_SETTINGCHANGE, SPI_SETWORKAREA.0), 1);
            assert_eq!(put(WM_SETTINGCHANGE, 0), 0);
            assert_eq!(put(WM_MOVE, 0), 0);

            let refuses = || GetWindowLongPtrW(window, GWL_EXSTYLE) & WS_EX_NOACTIVATE.0 as isize != 0;
            assert!(refuses());
            put(WM_MOUSEACTIVATE, 0);
            assert!(!refuses(), "a click takes the keyboard");
            put(WM_ACTIVATE, WA_ACTIVE);
            assert!(!refuses());
            put(WM_ACTIVATE, WA_INACTIVE);
            assert!(refuses(), "another window has it again");
            DestroyWindow(window).unwrap();
        }
        assert_eq!(Arc::strong_count(&count), 1, "it ends with the window");
    }
}
