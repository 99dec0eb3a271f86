//! By `CreateProcess`, and by the shell's own `ShellExecuteEx` for shortcuts, addresses and folders.

use super::{Places, Start, same, spawn};
use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::OsStringExt;
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use windows::Win32::Foundation::ERROR_ELEVATION_REQUIRED;
use windows::Win32::System::Com::{
    COINIT_APARTMENTTHREADED, COINIT_DISABLE_OLE1DDE, CoInitializeEx, CoTaskMemFree, CoUninitialize,
};
use windows::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW};
use windows::Win32::UI::Shell::{
    FOLDERID_CommonPrograms, FOLDERID_Desktop, FOLDERID_Programs, FOLDERID_PublicDesktop, KF_FLAG_DEFAULT,
    SEE_MASK_FLAG_NO_UI, SEE_MASK_NOASYNC, SHELLEXECUTEINFOW, SHGetKnownFolderPath, ShellExecuteExW,
};
use windows::Win32::UI::WindowsAndMessaging::SW_SHOWNORMAL;
use windows::core::{HSTRING, PCWSTR};

/// So deep are Start menus nested.
const DEEPEST: usize = 4;

/// The user's desktop and Start menu, then everybody's.
pub fn shortcut_folders() -> Vec<PathBuf> {
    [FOLDERID_Desktop, FOLDERID_PublicDesktop, FOLDERID_Programs, FOLDERID_CommonPrograms]
        .iter()
        .filter_map(|folder| {
            // SAFETY: the text is the shell's until it is freed here, after it was copied.
            unsafe {
                let text = SHGetKnownFolderPath(folder, KF_FLAG_DEFAULT, None).ok()?;
                let path = OsString::from_wide(text.as_wide());
                CoTaskMemFree(Some(text.0.cast_const().cast()));
                Some(path.into())
            }
        })
        .collect()
}

/// The shortcut of that name.
pub fn shortcut(places: &Places, name: &str) -> Option<Start> {
    let file = format!("{name}.lnk");
    places.shortcuts.iter().find_map(|folder| below(folder, &file, DEEPEST)).map(Start::program)
}

fn below(folder: &Path, file: &str, deepest: usize) -> Option<PathBuf> {
    let mut folders = Vec::new();
    for entry in folder.read_dir().ok()?.flatten() {
        // A symbolic link is neither here, so no loop is walked.
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            folders.push(entry.path());
        } else if kind.is_file() && entry.file_name().to_str().is_some_and(|name| same(name, file)) {
            return Some(entry.path());
        }
    }
    let deeper = deepest.checked_sub(1)?;
    folders.iter().find_map(|folder| below(folder, file, deeper))
}

/// Starts a program or a shortcut.
///
/// # Errors
/// The system's words, where it cannot be started or gives up at once.
pub async fn start(start: Start) -> Result<(), String> {
    if start.program.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("lnk")) {
        return by_shell(start.program.into(), start.arguments).await;
    }
    let mut command = Command::new(&start.program);
    // No console of its own flashes up, and a Ctrl+C in Vigie's does not reach it.
    command.args(&start.arguments).creation_flags((CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP).0);
    if let Some(folder) = &start.folder {
        command.current_dir(folder);
    }
    // What asks for an administrator is only started by the shell, which puts the question.
    match spawn(command).await {
        Err(error) if error.raw_os_error() == Some(ERROR_ELEVATION_REQUIRED.0.cast_signed()) => {
            by_shell(start.program.into(), start.arguments).await
        }
        done => done.map_err(|error| format!("{}: {error}", start.program.display())),
    }
}

/// Opens an address or a folder with the user's program for it.
///
/// # Errors
/// The system's words.
pub async fn open(_places: &Places, target: &OsStr) -> Result<(), String> {
    by_shell(target.to_owned(), Vec::new()).await
}

/// `ShellExecuteEx`, on a thread that may wait for the shell's extensions.
async fn by_shell(file: OsString, arguments: Vec<String>) -> Result<(), String> {
    tokio::task::spawn_blocking(move || shell_execute(&file, &arguments)).await.map_err(|error| error.to_string())?
}

fn shell_execute(file: &OsStr, arguments: &[String]) -> Result<(), String> {
    let parameters: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
    let (name, parameters) = (HSTRING::from(file), HSTRING::from(parameters.join(" ")));
    let mut info = SHELLEXECUTEINFOW {
        cbSize: size_of::<SHELLEXECUTEINFOW>() as u32,
        // The thread has no message loop and ends soon; Vigie says itself what went wrong.
        fMask: SEE_MASK_NOASYNC | SEE_MASK_FLAG_NO_UI,
        lpFile: PCWSTR(name.as_ptr()),
        lpParameters: PCWSTR(parameters.as_ptr()),
        nShow: SW_SHOWNORMAL.0,
        ..SHELLEXECUTEINFOW::default()
    };
    // SAFETY: the strings live until the call has returned; each successful CoInitializeEx has its CoUninitialize.
    let done = unsafe {
        let com = CoInitializeEx(None, COINIT_APARTMENTTHREADED | COINIT_DISABLE_OLE1DDE);
        let done = ShellExecuteExW(&mut info);
        if com.is_ok() {
            CoUninitialize();
        }
        done
    };
    done.map_err(|error| format!("{}: {error}", file.to_string_lossy()))
}

/// An argument as `CommandLineToArgvW` reads it back.
fn quoted(argument: &str) -> String {
    if !argument.is_empty() && !argument.contains([' ', '\t', '"']) {
        return argument.into();
    }
    let mut text = String::from('"');
    let mut backslashes = 0;
    for c in argument.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                text.push_str(&"\\".repeat(backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        text.push(c);
    }
    text.push_str(&"\\".repeat(backslashes));
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn arguments_are_read_back_as_they_were() {
        assert_eq!(quoted("--search=isl"), "--search=isl");
        assert_eq!(quoted(""), r#""""#);
        assert_eq!(quoted("two words"), r#""two words""#);
        assert_eq!(quoted(r#"say "no""#), r#""say \"no\"""#);
        assert_eq!(quoted(r"C:\a b\"), r#""C:\a b\\""#);
        assert_eq!(quoted(r#"a \" b"#), r#""a \\\" b""#);
    }
}
