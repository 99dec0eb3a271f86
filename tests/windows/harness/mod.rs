//! Starts the program, sends it messages and input, and reads the taskbar.

use std::ffi::c_void;
use std::os::windows::io::AsRawHandle;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use windows::Win32::Foundation::{HANDLE, HWND, LPARAM, RECT, WPARAM};
use windows::Win32::Graphics::Gdi::{GetDC, GetPixel, ReleaseDC};
use windows::Win32::System::Diagnostics::Debug::{ReadProcessMemory, WriteProcessMemory};
use windows::Win32::System::LibraryLoader::{GetProcAddress, LoadLibraryW};
use windows::Win32::UI::Input::KeyboardAndMouse::{
    INPUT, INPUT_0, INPUT_KEYBOARD, INPUT_MOUSE, KEYBD_EVENT_FLAGS, KEYBDINPUT, KEYEVENTF_KEYUP, MOUSE_EVENT_FLAGS,
    MOUSEEVENTF_LEFTDOWN, MOUSEEVENTF_LEFTUP, MOUSEEVENTF_RIGHTDOWN, MOUSEEVENTF_RIGHTUP, MOUSEINPUT, SendInput,
    VIRTUAL_KEY,
};
use windows::Win32::UI::Shell::{NIM_DELETE, NOTIFYICONDATAW, Shell_NotifyIconW};
use windows::Win32::UI::WindowsAndMessaging::{
    EnumWindows, FindWindowW, GetClassNameW, GetWindowRect, GetWindowThreadProcessId, HWND_BROADCAST, IsWindowVisible,
    PostMessageW, SMTO_ABORTIFHUNG, SMTO_NORMAL, SendMessageTimeoutW, SetCursorPos, WM_CLOSE, WM_ENDSESSION,
    WM_QUERYENDSESSION, WM_SETTINGCHANGE,
};
use windows::core::{BOOL, s, w};
use winreg::RegKey;
use winreg::enums::{HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE};

/// Time limit for anything that should happen at once, on a slow machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Lets one test at a time start Vigie, which is a single instance.
///
/// # Panics
/// Panics on a real Windows.
pub fn vigie() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    let wine = [HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE].map(|root| RegKey::predef(root).open_subkey(r"Software\Wine"));
    assert!(wine.iter().any(Result::is_ok), "run this with `make test-windows`");
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Polls `condition` until it holds.
///
/// # Panics
/// Panics after `limit`.
pub fn until(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < end, "not within {limit:?}: {what}; the log:\n{}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a command to its end.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vigie")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Returns Vigie's folder below the one in an environment variable.
pub fn folder(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(variable).unwrap()).join("Vigie")
}

/// Returns the content of the log.
pub fn log() -> String {
    let files = folder("LOCALAPPDATA").join("log").read_dir().into_iter().flatten().flatten();
    files.map(|file| std::fs::read_to_string(file.path()).unwrap_or_default()).collect()
}

/// A running Vigie. It is killed when this is dropped.
pub struct Vigie(Child);

impl Vigie {
    /// Starts the tray.
    pub fn start(arguments: &[&str]) -> Vigie {
        Vigie::spawn(Command::new(env!("CARGO_BIN_EXE_vigie")).args(arguments))
    }

    /// As [`Vigie::start`], with this log level.
    pub fn start_and_log(level: &str) -> Vigie {
        Vigie::spawn(Command::new(env!("CARGO_BIN_EXE_vigie")).env("VIGIE_LOG", level))
    }

    fn spawn(command: &mut Command) -> Vigie {
        Vigie(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Returns the path of the program.
    pub fn program(&self) -> String {
        std::fs::canonicalize(env!("CARGO_BIN_EXE_vigie"))
            .unwrap()
            .display()
            .to_string()
            .trim_start_matches(r"\\?\")
            .to_owned()
    }

    /// Waits until it ends, and returns its exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let mut status = None;
        until(DEADLINE, "the end", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }

    /// Returns its windows of a class.
    pub fn windows(&self, class: &str) -> Vec<HWND> {
        all_windows()
            .into_iter()
            .filter(|window| process_of(*window) == self.0.id() && class_of(*window) == class)
            .collect()
    }

    fn event_loops(&self) -> Vec<HWND> {
        let all = all_windows().into_iter().filter(|window| process_of(*window) == self.0.id());
        let loops: Vec<HWND> = all.filter(|window| class_of(*window).contains("Event Target")).collect();
        assert_eq!(loops.len(), 1, "the event loop's window");
        loops
    }

    /// Sends the messages of the end of a session: the query, then whether the session does end. Returns the answers to
    /// the query.
    pub fn end_session(&self, ends: bool) -> Vec<usize> {
        let windows = self.event_loops();
        let send = |message, ends: bool| -> Vec<usize> {
            windows
                .iter()
                .map(|window| {
                    let mut answer = 0;
                    let (w, l) = (WPARAM(ends.into()), LPARAM(0));
                    // SAFETY: a message without pointers; the answer outlives the call.
                    unsafe { SendMessageTimeoutW(*window, message, w, l, SMTO_NORMAL, 10_000, Some(&mut answer)) };
                    answer
                })
                .collect()
        };
        let answers = send(WM_QUERYENDSESSION, false);
        send(WM_ENDSESSION, ends);
        answers
    }

    /// Makes `Shell_NotifyIconGetRect` return the position of the icon, by replacing its code in the program's memory:
    /// wine 8 does not implement it, and the tray's library ignores clicks without it.
    pub fn patch_icon_position(&self) {
        let (x, y) = icon_centre().unwrap();
        let corner = |x: i32, y: i32| (i64::from(y) << 32 | i64::from(x)).to_le_bytes();
        let code = [
            // mov rax, left and top; mov [rdx], rax
            &[0x48, 0xb8][..],
            &corner(x - ICON_SIZE / 2, y - ICON_SIZE / 2),
            &[0x48, 0x89, 0x02],
            // mov rax, right and bottom; mov [rdx + 8], rax
            &[0x48, 0xb8],
            &corner(x + ICON_SIZE / 2, y + ICON_SIZE / 2),
            &[0x48, 0x89, 0x42, 0x08],
            // xor eax, eax; ret
            &[0x31, 0xc0, 0xc3],
        ]
        .concat();
        // SAFETY: the library has the same address in both processes, which is compared first; the buffers outlive the calls.
        unsafe {
            let library = LoadLibraryW(w!("shell32.dll")).unwrap();
            let at = GetProcAddress(library, s!("Shell_NotifyIconGetRect")).unwrap() as *const c_void;
            let process = HANDLE(self.0.as_raw_handle());
            let mut there = vec![0_u8; code.len()];
            ReadProcessMemory(process, at, there.as_mut_ptr().cast(), there.len(), None).unwrap();
            assert_eq!(there, std::slice::from_raw_parts(at.cast::<u8>(), code.len()));
            WriteProcessMemory(process, at, code.as_ptr().cast(), code.len(), None).unwrap();
        }
    }

    /// Asks it to close, as `taskkill` does.
    pub fn close(&self) {
        for window in self.event_loops() {
            // SAFETY: a message without pointers.
            unsafe { PostMessageW(Some(window), WM_CLOSE, WPARAM(0), LPARAM(0)) }.unwrap();
        }
    }
}

impl Drop for Vigie {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        // The taskbar removes the icon of an ended program within two seconds.
        until(DEADLINE, "the end of the icon", || !tray_icon());
    }
}

unsafe extern "system" fn collect(window: HWND, list: LPARAM) -> BOOL {
    // SAFETY: the pointer is that of `all_windows`, which outlives the enumeration.
    unsafe { (*(list.0 as *mut Vec<HWND>)).push(window) };
    true.into()
}

/// Returns all top-level windows.
fn all_windows() -> Vec<HWND> {
    let mut list: Vec<HWND> = Vec::new();
    // SAFETY: the list outlives the call.
    unsafe { EnumWindows(Some(collect), LPARAM(&raw mut list as isize)) }.unwrap();
    list
}

fn process_of(window: HWND) -> u32 {
    let mut process = 0;
    // SAFETY: the pointer is valid for the call.
    unsafe { GetWindowThreadProcessId(window, Some(&mut process)) };
    process
}

fn class_of(window: HWND) -> String {
    let mut name = [0; 128];
    // SAFETY: the buffer outlives the call.
    let length = unsafe { GetClassNameW(window, &mut name) };
    String::from_utf16_lossy(&name[..usize::try_from(length).unwrap()])
}

/// The size of an icon in wine's tray, in pixels.
const ICON_SIZE: i32 = 16;

/// Returns the centre of the first icon in wine's tray; `None` before there is a taskbar.
fn icon_centre() -> Option<(i32, i32)> {
    let mut bar = RECT::default();
    // SAFETY: the name is a constant; the pointer is valid for the call.
    unsafe { FindWindowW(w!("Shell_TrayWnd"), None).and_then(|taskbar| GetWindowRect(taskbar, &mut bar)) }.ok()?;
    Some((bar.right - ICON_SIZE / 2 - 2, (bar.top + bar.bottom) / 2))
}

/// Takes the icon of a window away, as a taskbar that loses it without a word.
pub fn remove_tray_icon(window: HWND) -> bool {
    (1..9).any(|id| {
        let size = size_of::<NOTIFYICONDATAW>() as u32;
        let icon = NOTIFYICONDATAW { cbSize: size, hWnd: window, uID: id, ..NOTIFYICONDATAW::default() };
        // SAFETY: the structure is as long as it says, and outlives the call.
        unsafe { Shell_NotifyIconW(NIM_DELETE, &raw const icon) }.as_bool()
    })
}

/// Returns whether there is an icon in the tray: whether the end of the taskbar differs from its middle.
pub fn tray_icon() -> bool {
    let Some((x, y)) = icon_centre() else { return false };
    let [blank] = pixels([(x / 2, y)])[..] else { unreachable!("one pixel was requested") };
    pixels((x - ICON_SIZE / 2..x + ICON_SIZE / 2).step_by(3).map(|x| (x, y)))
        .into_iter()
        .filter(|pixel| *pixel != blank)
        .count()
        > 2
}

/// Returns the pixels of the icon, row by row.
pub fn icon_picture() -> Vec<u32> {
    let (x, y) = icon_centre().unwrap();
    let row = |y| (x - ICON_SIZE / 2..x + ICON_SIZE / 2).map(move |x| (x, y));
    pixels((y - ICON_SIZE / 2..y + ICON_SIZE / 2).flat_map(row))
}

/// Returns the colours at these points of the screen.
fn pixels(places: impl IntoIterator<Item = (i32, i32)>) -> Vec<u32> {
    // SAFETY: the device context is released; the other arguments are plain numbers.
    unsafe {
        let screen = GetDC(None);
        let colours = places.into_iter().map(|(x, y)| GetPixel(screen, x, y).0).collect();
        ReleaseDC(None, screen);
        colours
    }
}

/// A mouse button: the events of pressing and releasing it.
pub type MouseButton = [MOUSE_EVENT_FLAGS; 2];
pub const LEFT: MouseButton = [MOUSEEVENTF_LEFTDOWN, MOUSEEVENTF_LEFTUP];
pub const RIGHT: MouseButton = [MOUSEEVENTF_RIGHTDOWN, MOUSEEVENTF_RIGHTUP];

/// Moves the mouse to the icon, and clicks.
pub fn click_icon(button: MouseButton) {
    let (x, y) = icon_centre().unwrap();
    // SAFETY: plain numbers.
    unsafe { SetCursorPos(x, y) }.unwrap();
    let mouse = |what| INPUT {
        r#type: INPUT_MOUSE,
        Anonymous: INPUT_0 { mi: MOUSEINPUT { dwFlags: what, ..MOUSEINPUT::default() } },
    };
    send(&button.map(mouse));
}

/// Presses these keys one after the other.
pub fn press(keys: &[VIRTUAL_KEY]) {
    let key = |key, flags| INPUT {
        r#type: INPUT_KEYBOARD,
        Anonymous: INPUT_0 { ki: KEYBDINPUT { wVk: key, dwFlags: flags, ..KEYBDINPUT::default() } },
    };
    for one in keys {
        send(&[key(*one, KEYBD_EVENT_FLAGS::default()), key(*one, KEYEVENTF_KEYUP)]);
    }
}

fn send(inputs: &[INPUT]) {
    // SAFETY: the slice outlives the call.
    let sent = unsafe { SendInput(inputs, i32::try_from(size_of::<INPUT>()).unwrap()) };
    assert_eq!(sent as usize, inputs.len());
}

/// Returns whether a menu is open.
pub fn menu_is_open() -> bool {
    // SAFETY: the class name is a constant: that of menus.
    unsafe { FindWindowW(w!("#32768"), None) }.is_ok_and(|menu| unsafe { IsWindowVisible(menu) }.as_bool())
}

/// Announces a change of the theme to every program, as Settings does.
pub fn announce_theme() {
    let area = w!("ImmersiveColorSet");
    let (w, l) = (WPARAM(0), LPARAM(area.as_ptr() as isize));
    // SAFETY: the text is a constant, which the system copies to the other processes.
    unsafe { SendMessageTimeoutW(HWND_BROADCAST, WM_SETTINGCHANGE, w, l, SMTO_ABORTIFHUNG, 5000, None) };
}
