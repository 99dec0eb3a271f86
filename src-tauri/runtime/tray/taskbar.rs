//! The taskbar's theme and scale, and notice of their changes.
//!
//! Windows broadcasts `WM_SETTINGCHANGE` ("ImmersiveColorSet") when the user chooses another theme, and
//! `WM_DISPLAYCHANGE` or `TaskbarCreated` when the scale of the taskbar's screen changes
//! (<https://learn.microsoft.com/windows/win32/shell/taskbar>, "Taskbar Creation Notification").

use super::Bar;
use std::cell::Cell;
use std::time::Duration;
use windows::Win32::Foundation::{HWND, LPARAM, LRESULT, WPARAM};
use windows::Win32::UI::Accessibility::{HCF_HIGHCONTRASTON, HIGHCONTRASTW};
use windows::Win32::UI::HiDpi::{GetDpiForSystem, GetDpiForWindow, GetSystemMetricsForDpi};
use windows::Win32::UI::Shell::{DefSubclassProc, RemoveWindowSubclass, SetWindowSubclass};
use windows::Win32::UI::WindowsAndMessaging::{
    FindWindowW, KillTimer, PostMessageW, RegisterWindowMessageW, SM_CXSMICON, SPI_GETHIGHCONTRAST, SendMessageW,
    SetTimer, SystemParametersInfoW, WM_APP, WM_DISPLAYCHANGE, WM_DPICHANGED, WM_NCDESTROY, WM_SETTINGCHANGE, WM_TIMER,
};
use windows::core::w;
use winreg::RegKey;
use winreg::enums::HKEY_CURRENT_USER;

/// The key of the user's themes. `SystemUsesLightTheme` is the taskbar's, since Windows 10 1903; before, all taskbars
/// were dark.
const THEMES: &str = r"Software\Microsoft\Windows\CurrentVersion\Themes\Personalize";

/// The id of this subclass among those of the window.
const SUBCLASS: usize = 1;

/// Posted to the window by itself, so that a change is handled when nothing else is under way on its thread.
const CHECK: u32 = WM_APP;

/// The id of the timer after which the icon is looked for again.
const RETRY_TIMER: usize = 1;

/// Returns the taskbar's present properties.
pub fn bar() -> Bar {
    Bar { edge: edge(), light: light() }
}

/// The edge of a tray icon in pixels at the scale of the taskbar's screen.
fn edge() -> i32 {
    // SAFETY: the name is a constant; the other calls take and return plain numbers.
    unsafe {
        let taskbar = FindWindowW(w!("Shell_TrayWnd"), None).map(|taskbar| GetDpiForWindow(taskbar));
        let scale = taskbar.ok().filter(|scale| *scale != 0).unwrap_or_else(|| GetDpiForSystem());
        GetSystemMetricsForDpi(SM_CXSMICON, scale)
    }
}

/// Whether the taskbar is light. A contrast theme has its own colour, whatever the underlying theme.
fn light() -> bool {
    let themes = RegKey::predef(HKEY_CURRENT_USER).open_subkey(THEMES);
    let light = themes.and_then(|themes| themes.get_value::<u32, _>("SystemUsesLightTheme"));
    light.is_ok_and(|light| light != 0) && !contrast()
}

fn contrast() -> bool {
    let size = size_of::<HIGHCONTRASTW>() as u32;
    let mut contrast = HIGHCONTRASTW { cbSize: size, ..HIGHCONTRASTW::default() };
    let into = Some((&raw mut contrast).cast());
    // SAFETY: the structure outlives the call, and `size` is its size.
    let read = unsafe { SystemParametersInfoW(SPI_GETHIGHCONTRAST, size, into, Default::default()) };
    read.is_ok() && contrast.dwFlags.contains(HCF_HIGHCONTRASTON)
}

/// The data of the window procedure.
struct Follower {
    /// "TaskbarCreated" as a number.
    created: u32,
    changed: Box<dyn Fn()>,
}

thread_local! {
    /// Whether the window is adding its icon just now: that is no change of the taskbar.
    static ADDING: Cell<bool> = const { Cell::new(false) };
}

/// Lets the window of a tray icon add it again. (The tray's library does so for this message, and has no function for it.)
pub fn add_again(window: HWND) {
    ADDING.set(true);
    // SAFETY: a message without pointers to a window of this thread.
    unsafe { SendMessageW(window, RegisterWindowMessageW(w!("TaskbarCreated")), None, None) };
    ADDING.set(false);
}

/// Lets the window check the taskbar again after this time, in place of the time set before.
pub fn check_after(window: HWND, delay: Duration) {
    let milliseconds = u32::try_from(delay.as_millis()).unwrap_or(u32::MAX);
    // SAFETY: the window exists, and is of this thread. The timer ends with it.
    if unsafe { SetTimer(Some(window), RETRY_TIMER, milliseconds, None) } == 0 {
        tracing::warn!("no timer for the icon");
    }
}

/// Calls `changed` when the taskbar may have changed. Call it on the window's thread, with a top-level window: others do
/// not receive broadcasts.
pub fn follow(window: HWND, changed: Box<dyn Fn()>) {
    // SAFETY: the name is a constant.
    let created = unsafe { RegisterWindowMessageW(w!("TaskbarCreated")) };
    let follower = Box::into_raw(Box::new(Follower { created, changed })) as usize;
    // SAFETY: this is the window's thread; `window_proc` frees the follower with the window, and not before.
    if !unsafe { SetWindowSubclass(window, Some(window_proc), SUBCLASS, follower) }.as_bool() {
        tracing::warn!("the icon does not follow the taskbar");
    }
}

unsafe extern "system" fn window_proc(
    window: HWND,
    message: u32,
    wparam: WPARAM,
    lparam: LPARAM,
    _: usize,
    follower: usize,
) -> LRESULT {
    let follower = follower as *mut Follower;
    if message == WM_NCDESTROY {
        // SAFETY: the window's last message, after which the follower is not used any more.
        unsafe {
            let _ = RemoveWindowSubclass(window, Some(window_proc), SUBCLASS);
            drop(Box::from_raw(follower));
        }
    } else {
        // SAFETY: set with the subclass, and freed only above.
        let Follower { created, changed } = unsafe { &*follower };
        match message {
            CHECK => {
                changed();
                return LRESULT(0);
            }
            WM_TIMER if wparam.0 == RETRY_TIMER => {
                // SAFETY: the window's own timer. (Unless it is ended, it fires again.)
                let _ = unsafe { KillTimer(Some(window), RETRY_TIMER) };
                changed();
                return LRESULT(0);
            }
            WM_SETTINGCHANGE | WM_DISPLAYCHANGE | WM_DPICHANGED => check_later(window),
            _ if message == *created && !ADDING.get() => check_later(window),
            _ => {}
        }
    }
    // SAFETY: the arguments are those that this was called with.
    unsafe { DefSubclassProc(window, message, wparam, lparam) }
}

/// Defers the check: a broadcast may arrive during a call that waits for the taskbar.
fn check_later(window: HWND) {
    // SAFETY: a message without pointers; the window exists, as it has just received a message.
    if let Err(error) = unsafe { PostMessageW(Some(window), CHECK, WPARAM(0), LPARAM(0)) } {
        tracing::debug!(%error, "a change of the taskbar was missed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;
    use std::time::Instant;
    use windows::Win32::UI::WindowsAndMessaging::{
        CreateWindowExW, DestroyWindow, DispatchMessageW, GetMessageW, MSG, PM_REMOVE, PeekMessageW, WM_NULL, WM_USER,
    };

    #[test]
    fn messages_that_may_mean_another_taskbar_are_handled_and_no_others() {
        let seen = Rc::new(Cell::new(0));
        // SAFETY: a window of a class that the system has, on this thread; messages without pointers.
        unsafe {
            let plain = Default::default();
            let window =
                CreateWindowExW(plain, w!("STATIC"), None, Default::default(), 0, 0, 0, 0, None, None, None, None)
                    .unwrap();
            let counted = seen.clone();
            follow(window, Box::new(move || counted.set(counted.get() + 1)));
            let after = |message| {
                SendMessageW(window, message, None, None);
                let during = seen.get();
                let mut next = MSG::default();
                while PeekMessageW(&mut next, Some(window), 0, 0, PM_REMOVE).as_bool() {
                    DispatchMessageW(&next);
                }
                (during, seen.replace(0))
            };
            let created = RegisterWindowMessageW(w!("TaskbarCreated"));
            for message in [WM_SETTINGCHANGE, WM_DISPLAYCHANGE, created] {
                assert_eq!(after(message), (0, 1), "{message}: not before the loop's next turn");
            }
            for message in [WM_NULL, WM_USER, created + 1] {
                assert_eq!(after(message), (0, 0), "{message}");
            }
            add_again(window);
            assert_eq!(after(WM_NULL), (0, 0), "its own message");
            let start = Instant::now();
            check_after(window, Duration::from_millis(20));
            let mut next = MSG::default();
            while seen.get() == 0 && GetMessageW(&mut next, None, 0, 0).as_bool() {
                DispatchMessageW(&next);
            }
            assert!(start.elapsed() >= Duration::from_millis(10), "{:?}", start.elapsed());
            assert_eq!(seen.replace(0), 1);
            DestroyWindow(window).unwrap();
        }
        assert_eq!(Rc::strong_count(&seen), 1, "it ends with the window");
    }

    #[test]
    fn light_and_dark_taskbars_are_distinguished() {
        crate::wine::only();
        let (themes, _) = RegKey::predef(HKEY_CURRENT_USER).create_subkey(THEMES).unwrap();
        for (value, is_light) in [(1_u32, true), (0, false)] {
            themes.set_value("SystemUsesLightTheme", &value).unwrap();
            assert_eq!(bar(), Bar { edge: 16, light: is_light });
        }
        themes.delete_value("SystemUsesLightTheme").unwrap();
        assert!(!light(), "before Windows 10 1903");
    }
}
