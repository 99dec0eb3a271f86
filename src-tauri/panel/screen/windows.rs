//! Places the window, whose frame is known before it is shown, and does for the pinned one what Tauri does not offer.

use super::Area;
use tauri::{LogicalSize, Monitor, PhysicalPosition, PhysicalSize, Theme, WebviewWindow};
use vigie_view::panel::Pinned;
use windows::Win32::Foundation::{COLORREF, HWND, LPARAM, LRESULT, WPARAM};
use windows::Win32::UI::Shell::{DefSubclassProc, RemoveWindowSubclass, SetWindowSubclass};
use windows::Win32::UI::WindowsAndMessaging::{
    GWL_EXSTYLE, GetWindowLongPtrW, LWA_ALPHA, MA_ACTIVATE, SPI_SETWORKAREA, SetForegroundWindow,
    SetLayeredWindowAttributes, SetWindowLongPtrW, WA_INACTIVE, WM_ACTIVATE, WM_DISPLAYCHANGE, WM_DPICHANGED,
    WM_LBUTTONDOWN, WM_MOUSEACTIVATE, WM_NCDESTROY, WM_PARENTNOTIFY, WM_SETTINGCHANGE, WS_EX_LAYERED, WS_EX_NOACTIVATE,
};

/// The id of this subclass of the window.
const SUBCLASS_ID: usize = 1;

type Place = Box<dyn Fn() + Send>;

/// Does nothing: there is always a display.
pub fn open() -> Result<(), String> {
    Ok(())
}

/// Returns whether the page will be dark.
pub fn is_dark(window: &WebviewWindow) -> bool {
    window.theme().is_ok_and(|theme| theme == Theme::Dark)
}

/// Returns the window's position, frame included, and size.
pub fn area(window: &WebviewWindow) -> tauri::Result<Area> {
    let (at, size) = (window.outer_position()?, window.inner_size()?);
    Ok(Area { x: at.x, y: at.y, width: size.width as i32, height: size.height as i32 })
}

/// Places the window, which is still hidden, where it was last; if that is nowhere or out of reach, at the lower right of
/// the primary monitor's work area.
pub fn place(window: &WebviewWindow, last: Option<Area>) -> tauri::Result<()> {
    let areas: Vec<Area> = window.available_monitors()?.iter().map(work_area).collect();
    if let Some(last) = last.filter(|last| super::is_reachable(*last, &areas)) {
        // Position first, so that the size is not scaled for another monitor.
        window.set_position(PhysicalPosition::new(last.x, last.y))?;
        return window.set_size(PhysicalSize::new(last.width as u32, last.height as u32));
    }
    let Some(monitor) = window.primary_monitor()? else { return Ok(()) };
    let available = monitor.work_area().size.to_logical::<f64>(monitor.scale_factor());
    place_lower_right(window, &monitor, super::page_size(available.width, available.height))
}

/// Places the window, with that size in logical pixels, at the lower right of the monitor's work area.
fn place_lower_right(window: &WebviewWindow, monitor: &Monitor, (width, height): (f64, f64)) -> tauri::Result<()> {
    let area = monitor.work_area();
    // Position first, so that the size is scaled for this monitor.
    window.set_position(area.position)?;
    window.set_size(LogicalSize::new(width, height))?;
    let frame = window.outer_size()?;
    let margin = (super::MARGIN * monitor.scale_factor()) as i32;
    let right = area.position.x + area.size.width as i32 - margin;
    let bottom = area.position.y + area.size.height as i32 - margin;
    window.set_position(PhysicalPosition::new(right - frame.width as i32, bottom - frame.height as i32))
}

fn work_area(monitor: &Monitor) -> Area {
    let area = monitor.work_area();
    let (at, size) = (area.position, area.size);
    Area { x: at.x, y: at.y, width: size.width as i32, height: size.height as i32 }
}

/// Gives the pinned window its place, at the lower right of the primary monitor's work area, its size and its opacity.
pub fn pin(window: &WebviewWindow, pinned: &Pinned) -> tauri::Result<()> {
    let Some(monitor) = window.primary_monitor()? else { return Ok(()) };
    let available = monitor.work_area().size.to_logical::<f64>(monitor.scale_factor());
    let fit = |wanted: u16, available: f64| f64::from(wanted).min(available - 2.0 * super::MARGIN).max(1.0);
    place_lower_right(window, &monitor, (fit(pinned.width, available.width), fit(pinned.height, available.height)))?;
    set_opacity(window, pinned.opacity_percent)
}

/// Makes the window translucent.
fn set_opacity(window: &WebviewWindow, opacity_percent: u8) -> tauri::Result<()> {
    let window = HWND(window.hwnd()?.0);
    set_style(window, WS_EX_LAYERED.0, true);
    let alpha = (u16::from(opacity_percent.min(100)) * 255 / 100) as u8;
    // SAFETY: the window lives as long as its Tauri handle, which the caller holds.
    if let Err(error) = unsafe { SetLayeredWindowAttributes(window, COLORREF(0), alpha, LWA_ALPHA) } {
        tracing::warn!(%error, "cannot make the pinned panel translucent");
    }
    Ok(())
}

/// Calls `place` when monitors, scale or task bar have changed. A click gives the window the keyboard focus, until another
/// window takes it.
pub fn follow(window: &WebviewWindow, place: impl Fn() + Send + 'static) -> tauri::Result<()> {
    let handle = window.hwnd()?.0 as usize;
    let place = Box::new(place);
    // A subclass must be set on the window's own thread.
    window.run_on_main_thread(move || subclass(HWND(handle as *mut _), place))
}

/// Must be called on the window's thread.
fn subclass(window: HWND, place: Place) {
    let place = Box::into_raw(Box::new(place)) as usize;
    // SAFETY: on the window's thread; `handle_message` frees `place` with the window, and not before.
    if !unsafe { SetWindowSubclass(window, Some(handle_message), SUBCLASS_ID, place) }.as_bool() {
        tracing::warn!("the pinned panel will not follow changes of the screen");
    }
}

unsafe extern "system" fn handle_message(
    window: HWND,
    message: u32,
    wparam: WPARAM,
    lparam: LPARAM,
    _: usize,
    place: usize,
) -> LRESULT {
    match message {
        WM_NCDESTROY => {
            // SAFETY: on the window's thread, in its last message, after which nothing uses `place`.
            unsafe {
                let _ = RemoveWindowSubclass(window, Some(handle_message), SUBCLASS_ID);
                drop(Box::from_raw(place as *mut Place));
            }
        }
        WM_MOUSEACTIVATE => {
            set_style(window, WS_EX_NOACTIVATE.0, false);
            return LRESULT(MA_ACTIVATE as isize);
        }
        // A click into the page, which is a window of its own.
        WM_PARENTNOTIFY if wparam.0 as u32 & 0xffff == WM_LBUTTONDOWN => {
            set_style(window, WS_EX_NOACTIVATE.0, false);
            // SAFETY: the window exists while it handles a message.
            let _ = unsafe { SetForegroundWindow(window) };
        }
        WM_ACTIVATE if wparam.0 as u32 & 0xffff == WA_INACTIVE => set_style(window, WS_EX_NOACTIVATE.0, true),
        _ => {}
    }
    // SAFETY: passes on the arguments unchanged.
    let answer = unsafe { DefSubclassProc(window, message, wparam, lparam) };
    let work_area = message == WM_SETTINGCHANGE && wparam.0 as u32 == SPI_SETWORKAREA.0;
    if work_area || message == WM_DISPLAYCHANGE || message == WM_DPICHANGED {
        // SAFETY: set with the subclass, and freed only with the window.
        unsafe { (*(place as *const Place))() };
    }
    answer
}

fn set_style(window: HWND, style: u32, on: bool) {
    // SAFETY: reads and writes a number of the window; if it is gone, both fail without effect.
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
    fn pinned_window_follows_the_screen_and_takes_the_focus_only_when_clicked() {
        let count = Arc::new(AtomicUsize::new(0));
        // SAFETY: a window of a system class, on this thread; messages without pointers.
        unsafe {
            let style = WS_EX_NOACTIVATE;
            let window =
                CreateWindowExW(style, w!("STATIC"), None, WS_POPUP, 0, 0, 9, 9, None, None, None, None).unwrap();
            let counted = count.clone();
            subclass(
                window,
                Box::new(move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                }),
            );
            let places = |message, first: u32| {
                SendMessageW(window, message, Some(WPARAM(first as usize)), None);
                count.swap(0, Ordering::Relaxed)
            };
            assert_eq!(places(WM_DISPLAYCHANGE, 32), 1);
            assert_eq!(places(WM_SETTINGCHANGE, SPI_SETWORKAREA.0), 1);
            assert_eq!(places(WM_SETTINGCHANGE, 0), 0);
            assert_eq!(places(WM_MOVE, 0), 0);

            let refuses = || GetWindowLongPtrW(window, GWL_EXSTYLE) & WS_EX_NOACTIVATE.0 as isize != 0;
            assert!(refuses());
            places(WM_MOUSEACTIVATE, 0);
            assert!(!refuses(), "a click takes the focus");
            places(WM_ACTIVATE, WA_ACTIVE);
            assert!(!refuses());
            places(WM_ACTIVATE, WA_INACTIVE);
            assert!(refuses(), "another window has the focus");
            DestroyWindow(window).unwrap();
        }
        assert_eq!(Arc::strong_count(&count), 1, "freed with the window");
    }
}
