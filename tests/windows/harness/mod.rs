//! Starts the program, and finds what it has put on the screen.

use std::ffi::c_void;
use std::os::windows::io::AsRawHandle;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use windows::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE, HANDLE, HWND, LPARAM, RECT, WPARAM};
use windows::Win32::Graphics::Gdi::{GetDC, GetPixel, ReleaseDC};
use windows::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAGS_AND_ATTRIBUTES, FILE_SHARE_READ, FILE_SHARE_WRITE, OPEN_EXISTING,
};
use windows::Win32::System::Console::{
    AllocConsole, COORD, ReadConsoleOutputCharacterW, STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE,
    SetStdHandle,
};
use windows::Win32::System::Diagnostics::Debug::{ReadProcessMemory, WriteProcessMemory};
use windows::Win32::System::LibraryLoader::{GetProcAddress, LoadLibraryW};
use windows::Win32::UI::Input::KeyboardAndMouse::{
    INPUT, INPUT_0, INPUT_KEYBOARD, INPUT_MOUSE, KEYBD_EVENT_FLAGS, KEYBDINPUT, KEYEVENTF_KEYUP, MOUSE_EVENT_FLAGS,
    MOUSEEVENTF_LEFTDOWN, MOUSEEVENTF_LEFTUP, MOUSEEVENTF_RIGHTDOWN, MOUSEEVENTF_RIGHTUP, MOUSEINPUT, SendInput,
    VIRTUAL_KEY,
};
use windows::Win32::UI::WindowsAndMessaging::{
    EnumWindows, FindWindowW, GetClassNameW, GetWindowRect, GetWindowThreadProcessId, HWND_BROADCAST, IsWindowVisible,
    PostMessageW, SMTO_ABORTIFHUNG, SMTO_NORMAL, SendMessageTimeoutW, SetCursorPos, WM_CLOSE, WM_ENDSESSION,
    WM_QUERYENDSESSION, WM_SETTINGCHANGE,
};
use windows::core::{BOOL, s, w};
use winreg::RegKey;
use winreg::enums::{HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE};

/// Long enough for what comes at once, on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// One Vigie for a user, so one test at a time; and none on a Windows that somebody uses.
pub fn vigie() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    let wine = [HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE].map(|root| RegKey::predef(root).open_subkey(r"Software\Wine"));
    assert!(wine.iter().any(Result::is_ok), "run this with `make test-windows`");
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until it is so.
pub fn until(limit: Duration, what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !so() {
        assert!(Instant::now() < end, "{what} did not come within {limit:?}; the log:\n{}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a command to its end.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vigie")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Vigie's own folder below that of a variable.
pub fn folder(variable: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(variable).unwrap()).join("Vigie")
}

/// Everything in the log.
pub fn log() -> String {
    let files = folder("LOCALAPPDATA").join("log").read_dir().into_iter().flatten().flatten();
    files.map(|file| std::fs::read_to_string(file.path()).unwrap_or_default()).collect()
}

/// The running program; ended with this value.
pub struct Vigie(Child);

impl Vigie {
    pub fn start(arguments: &[&str]) -> Vigie {
        Vigie::spawn(Command::new(env!("CARGO_BIN_EXE_vigie")).args(arguments))
    }

    /// As [`Vigie::start`], with that much in the log.
    pub fn start_and_log(level: &str) -> Vigie {
        Vigie::spawn(Command::new(env!("CARGO_BIN_EXE_vigie")).env("VIGIE_LOG", level))
    }

    fn spawn(command: &mut Command) -> Vigie {
        Vigie(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    pub fn program(&self) -> String {
        std::fs::canonicalize(env!("CARGO_BIN_EXE_vigie"))
            .unwrap()
            .display()
            .to_string()
            .trim_start_matches(r"\\?\")
            .to_owned()
    }

    /// The code with which it ends by itself.
    pub fn ended(&mut self) -> Option<i32> {
        let mut status = None;
        until(DEADLINE, "the end", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }

    /// Its windows of that class.
    pub fn windows(&self, class: &str) -> Vec<HWND> {
        all().into_iter().filter(|window| process_of(*window) == self.0.id() && self::class(*window) == class).collect()
    }

    fn loops(&self) -> Vec<HWND> {
        let all = all().into_iter().filter(|window| process_of(*window) == self.0.id());
        let loops: Vec<HWND> = all.filter(|window| class(*window).contains("Event Target")).collect();
        assert_eq!(loops.len(), 1, "the event loop's window");
        loops
    }

    /// Tells the session's end, as Windows does: asked first; then called off, or certain. What was answered to the
    /// question.
    pub fn session_end(&self, certain: bool) -> Vec<usize> {
        let windows = self.loops();
        let tell = |message, certain: bool| -> Vec<usize> {
            windows
                .iter()
                .map(|window| {
                    let mut answer = 0;
                    let (w, l) = (WPARAM(certain.into()), LPARAM(0));
                    // SAFETY: a message without pointers; the answer outlives the call.
                    unsafe { SendMessageTimeoutW(*window, message, w, l, SMTO_NORMAL, 10_000, Some(&mut answer)) };
                    answer
                })
                .collect()
        };
        let answers = tell(WM_QUERYENDSESSION, false);
        tell(WM_ENDSESSION, certain);
        answers
    }

    /// Tells the program where its icon stands. Wine 8 does not (`Shell_NotifyIconGetRect` is not implemented there), and
    /// without it the tray's library takes no click: so the function is written anew in the program's memory.
    pub fn tell_icons_place(&self) {
        let (x, y) = icon_place().unwrap();
        let corner = |x: i32, y: i32| (i64::from(y) << 32 | i64::from(x)).to_le_bytes();
        let code = [
            // mov rax, left and top; mov [rdx], rax
            &[0x48, 0xb8][..],
            &corner(x - ICON / 2, y - ICON / 2),
            &[0x48, 0x89, 0x02],
            // mov rax, right and bottom; mov [rdx + 8], rax
            &[0x48, 0xb8],
            &corner(x + ICON / 2, y + ICON / 2),
            &[0x48, 0x89, 0x42, 0x08],
            // xor eax, eax; ret
            &[0x31, 0xc0, 0xc3],
        ]
        .concat();
        // SAFETY: the library stands where it stands here, which is compared first; the buffers outlive the calls.
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

    /// As `taskkill` does.
    pub fn close(&self) {
        for window in self.loops() {
            // SAFETY: a message without pointers.
            unsafe { PostMessageW(Some(window), WM_CLOSE, WPARAM(0), LPARAM(0)) }.unwrap();
        }
    }
}

impl Drop for Vigie {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        // The taskbar notices an icon without a program within two seconds.
        until(DEADLINE, "the end of the icon", || !tray_icon());
    }
}

unsafe extern "system" fn gather(window: HWND, list: LPARAM) -> BOOL {
    // SAFETY: the list of `all`, which waits for this.
    unsafe { (*(list.0 as *mut Vec<HWND>)).push(window) };
    true.into()
}

/// All windows.
fn all() -> Vec<HWND> {
    let mut list: Vec<HWND> = Vec::new();
    // SAFETY: the list outlives the call.
    unsafe { EnumWindows(Some(gather), LPARAM(&raw mut list as isize)) }.unwrap();
    list
}

fn process_of(window: HWND) -> u32 {
    let mut process = 0;
    // SAFETY: the pointer is valid for the call.
    unsafe { GetWindowThreadProcessId(window, Some(&mut process)) };
    process
}

fn class(window: HWND) -> String {
    let mut name = [0; 128];
    // SAFETY: the buffer outlives the call.
    let length = unsafe { GetClassNameW(window, &mut name) };
    String::from_utf16_lossy(&name[..usize::try_from(length).unwrap()])
}

/// The edge of an icon in wine's tray.
const ICON: i32 = 16;

/// Where the first icon of wine's tray stands: the middle of it. `None` before there is a taskbar.
fn icon_place() -> Option<(i32, i32)> {
    let mut bar = RECT::default();
    // SAFETY: the name is a constant; the pointer is valid for the call.
    unsafe { FindWindowW(w!("Shell_TrayWnd"), None).and_then(|taskbar| GetWindowRect(taskbar, &mut bar)) }.ok()?;
    Some((bar.right - ICON / 2 - 2, (bar.top + bar.bottom) / 2))
}

/// Whether an icon stands in the tray: the end of the taskbar is not as blank as its middle.
pub fn tray_icon() -> bool {
    let Some((x, y)) = icon_place() else { return false };
    let [blank] = pixels([(x / 2, y)])[..] else { unreachable!("one was asked for") };
    pixels((x - ICON / 2..x + ICON / 2).step_by(3).map(|x| (x, y))).into_iter().filter(|pixel| *pixel != blank).count()
        > 2
}

/// The icon as it is drawn, row by row.
pub fn icon_picture() -> Vec<u32> {
    let (x, y) = icon_place().unwrap();
    let row = |y| (x - ICON / 2..x + ICON / 2).map(move |x| (x, y));
    pixels((y - ICON / 2..y + ICON / 2).flat_map(row))
}

/// The colours at these places of the screen.
fn pixels(places: impl IntoIterator<Item = (i32, i32)>) -> Vec<u32> {
    // SAFETY: the screen's picture is given back; the others are plain numbers.
    unsafe {
        let screen = GetDC(None);
        let colours = places.into_iter().map(|(x, y)| GetPixel(screen, x, y).0).collect();
        ReleaseDC(None, screen);
        colours
    }
}

/// A button of the mouse: what is told when it goes down, and up.
pub type Button = [MOUSE_EVENT_FLAGS; 2];
pub const LEFT: Button = [MOUSEEVENTF_LEFTDOWN, MOUSEEVENTF_LEFTUP];
pub const RIGHT: Button = [MOUSEEVENTF_RIGHTDOWN, MOUSEEVENTF_RIGHTUP];

/// Clicks the icon, as a hand does.
pub fn click_icon(button: Button) {
    let (x, y) = icon_place().unwrap();
    // SAFETY: plain numbers.
    unsafe { SetCursorPos(x, y) }.unwrap();
    let mouse = |what| INPUT {
        r#type: INPUT_MOUSE,
        Anonymous: INPUT_0 { mi: MOUSEINPUT { dwFlags: what, ..MOUSEINPUT::default() } },
    };
    send(&button.map(mouse));
}

/// Presses these keys, one after the other.
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

/// Whether a menu stands open.
pub fn menu() -> bool {
    // SAFETY: the class is the system's own for menus (number 32768).
    unsafe { FindWindowW(w!("#32768"), None) }.is_ok_and(|menu| unsafe { IsWindowVisible(menu) }.as_bool())
}

/// Tells every program that the user has chosen another theme, as Settings does.
pub fn tell_theme() {
    let area = w!("ImmersiveColorSet");
    let (w, l) = (WPARAM(0), LPARAM(area.as_ptr() as isize));
    // SAFETY: the text is a constant, which the system hands to the other processes.
    unsafe { SendMessageTimeoutW(HWND_BROADCAST, WM_SETTINGCHANGE, w, l, SMTO_ABORTIFHUNG, 5000, None) };
}

/// A console of this process's own.
pub struct Console(HANDLE);

impl Console {
    /// Opens it; what this process starts from now on has it, and no other output.
    pub fn own() -> Console {
        // SAFETY: constants and plain numbers; the process has no console yet.
        unsafe {
            AllocConsole().unwrap();
            for output in [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
                SetStdHandle(output, HANDLE::default()).unwrap();
            }
            let (access, share) = ((GENERIC_READ | GENERIC_WRITE).0, FILE_SHARE_READ | FILE_SHARE_WRITE);
            let plain = FILE_FLAGS_AND_ATTRIBUTES::default();
            Console(CreateFileW(w!("CONOUT$"), access, share, None, OPEN_EXISTING, plain, None).unwrap())
        }
    }

    /// Its first line.
    pub fn text(&self) -> String {
        let mut line = [0; 80];
        let mut read = 0;
        // SAFETY: the buffer outlives the call.
        unsafe { ReadConsoleOutputCharacterW(self.0, &mut line, COORD::default(), &mut read) }.unwrap();
        String::from_utf16_lossy(&line).trim().to_owned()
    }
}
