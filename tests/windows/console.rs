//! In a console, a command writes to it. A process has one console, and its standard output is that of all its threads: this
//! is a program, not a test among others.

#[cfg(not(windows))]
fn main() {}

#[cfg(windows)]
fn main() {
    windows_only::run();
}

#[cfg(windows)]
#[expect(clippy::unwrap_used, reason = "clippy.toml allows it in tests, not in their helpers")]
mod windows_only {
    use std::process::Command;
    use windows::Win32::Foundation::{GENERIC_READ, GENERIC_WRITE, HANDLE};
    use windows::Win32::Storage::FileSystem::{
        CreateFileW, FILE_FLAGS_AND_ATTRIBUTES, FILE_SHARE_READ, FILE_SHARE_WRITE, OPEN_EXISTING,
    };
    use windows::Win32::System::Console::{
        AllocConsole, COORD, FreeConsole, GetStdHandle, ReadConsoleOutputCharacterW, STD_ERROR_HANDLE,
        STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, SetStdHandle,
    };
    use windows::core::w;

    pub fn run() {
        // SAFETY: a constant.
        let stderr = unsafe { GetStdHandle(STD_ERROR_HANDLE) }.unwrap();
        let console = Console::open();
        let status = Command::new(env!("CARGO_BIN_EXE_vigie")).arg("--version").status().unwrap();
        let printed = console.text();
        // SAFETY: the handle was this process's before.
        unsafe { SetStdHandle(STD_ERROR_HANDLE, stderr) }.unwrap();
        assert_eq!(status.code(), Some(0));
        assert!(printed.starts_with(&format!("vigie {}", env!("CARGO_PKG_VERSION"))), "{printed}");
    }

    /// A new console of this process.
    struct Console(HANDLE);

    impl Console {
        /// Opens the console. Programs that this process starts afterwards inherit it and no other output.
        fn open() -> Console {
            // SAFETY: constants and plain numbers; the process has no console any more.
            unsafe {
                // Fails if it had none.
                let _ = FreeConsole();
                AllocConsole().unwrap();
                for output in [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
                    SetStdHandle(output, HANDLE::default()).unwrap();
                }
                let (access, share) = ((GENERIC_READ | GENERIC_WRITE).0, FILE_SHARE_READ | FILE_SHARE_WRITE);
                let plain = FILE_FLAGS_AND_ATTRIBUTES::default();
                Console(CreateFileW(w!("CONOUT$"), access, share, None, OPEN_EXISTING, plain, None).unwrap())
            }
        }

        /// Returns its first line.
        fn text(&self) -> String {
            let mut line = [0; 80];
            let mut read = 0;
            // SAFETY: the buffer outlives the call.
            unsafe { ReadConsoleOutputCharacterW(self.0, &mut line, COORD::default(), &mut read) }.unwrap();
            String::from_utf16_lossy(&line).trim().to_owned()
        }
    }
}
