//! By `CreateProcess`, and by the shell's own `ShellExecuteEx` for shortcuts, addresses and folders.

use super::{Places, Start, same, spawn};
use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::OsStringExt;
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use windows::Win32::Foundation::ERROR_ELEVATION_REQUIRED;
use windows::Win32::System::Com::{
    CLSCTX_INPROC_SERVER, COINIT_APARTMENTTHREADED, COINIT_DISABLE_OLE1DDE, CoCreateInstance, CoInitializeEx,
    CoTaskMemFree, CoUninitialize, IPersistFile, STGM_READ,
};
use windows::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW};
use windows::Win32::UI::Shell::{
    FOLDERID_CommonPrograms, FOLDERID_Desktop, FOLDERID_Programs, FOLDERID_PublicDesktop, IShellLinkW, KF_FLAG_DEFAULT,
    SEE_MASK_FLAG_NO_UI, SEE_MASK_NOASYNC, SHELLEXECUTEINFOW, SHGetKnownFolderPath, ShellExecuteExW, ShellLink,
};
use windows::Win32::UI::WindowsAndMessaging::SW_SHOWNORMAL;
use windows::core::{HSTRING, Interface, PCWSTR};

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

/// The shortcut of that name. The shell starts it as the user would (its arguments, its folder, "as administrator"); one
/// whose program is gone does not count.
pub fn shortcut(places: &Places, name: &str) -> Option<Start> {
    let file = format!("{name}.lnk");
    let found = |folder: &PathBuf| below(folder, &file, DEEPEST).filter(|shortcut| leads_somewhere(shortcut));
    places.shortcuts.iter().find_map(found).map(Start::program)
}

/// Whether what the shortcut names is there. One that names no file (a Store application, a program that Windows
/// Installer brings at the first start), or that cannot be read here, is taken at its word.
fn leads_somewhere(shortcut: &Path) -> bool {
    with_com(|| target(shortcut))
        .inspect_err(|error| tracing::debug!("{}: {error}", shortcut.display()))
        .map_or(true, |target| target.is_none_or(|target| target.exists()))
}

fn target(shortcut: &Path) -> windows::core::Result<Option<PathBuf>> {
    let name = HSTRING::from(shortcut);
    let mut path = [0; 1024];
    // SAFETY: COM is there (`with_com`); the strings and the buffer outlive the calls.
    unsafe {
        let link: IShellLinkW = CoCreateInstance(&ShellLink, None, CLSCTX_INPROC_SERVER)?;
        link.cast::<IPersistFile>()?.Load(&name, STGM_READ)?;
        link.GetPath(&mut path, std::ptr::null_mut(), 0)?;
    }
    let end = path.iter().position(|unit| *unit == 0).unwrap_or(path.len());
    let path = PathBuf::from(OsString::from_wide(&path[..end]));
    Ok(Some(path).filter(|path| path.is_absolute()))
}

/// Does this where COM is there.
fn with_com<T>(done: impl FnOnce() -> T) -> T {
    // SAFETY: each successful CoInitializeEx has its CoUninitialize, on the same thread.
    unsafe {
        let com = CoInitializeEx(None, COINIT_APARTMENTTHREADED | COINIT_DISABLE_OLE1DDE);
        let done = done();
        if com.is_ok() {
            CoUninitialize();
        }
        done
    }
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
    // SAFETY: the strings live until the call has returned.
    let done = with_com(|| unsafe { ShellExecuteExW(&mut info) });
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
    use super::*;

    /// Writes a shortcut, as an installer does.
    fn write(shortcut: &Path, target: &Path) {
        std::fs::create_dir_all(shortcut.parent().unwrap()).unwrap();
        // SAFETY: COM is there; the strings outlive the calls.
        with_com(|| unsafe {
            let link: IShellLinkW = CoCreateInstance(&ShellLink, None, CLSCTX_INPROC_SERVER).unwrap();
            link.SetPath(&HSTRING::from(target)).unwrap();
            link.cast::<IPersistFile>().unwrap().Save(&HSTRING::from(shortcut), true).unwrap();
        });
    }

    #[test]
    fn a_shortcut_counts_where_its_program_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let [user, all] = ["user", "all"].map(|name| dir.path().join(name));
        let places = Places { variable: Box::new(|_| None), home: None, shortcuts: vec![user.clone(), all.clone()] };
        let name = "Telemaintenance acNormandie Client";
        assert_eq!(shortcut(&places, name), None);

        let program = dir.path().join("ISLLightClient.exe");
        let (dead, living) = (user.join(format!("{name}.lnk")), all.join(format!("Outils/{name}.LNK")));
        write(&dead, &dir.path().join("gone.exe"));
        assert_eq!(with_com(|| target(&dead)).unwrap(), Some(dir.path().join("gone.exe")));
        assert_eq!(shortcut(&places, name), None, "its program is gone");
        std::fs::write(&program, "").unwrap();
        write(&living, &program);
        assert_eq!(shortcut(&places, name), Some(Start::program(living)), "everybody's, in a folder of the Start menu");
        write(&dead, &program);
        assert_eq!(shortcut(&places, &name.to_uppercase()), Some(Start::program(dead)), "the user's comes first");

        let odd = all.join("odd.lnk");
        std::fs::write(&odd, "no shortcut").unwrap();
        assert_eq!(shortcut(&places, "odd"), Some(Start::program(odd)), "Windows may know more than we do");
    }

    /// Says in the file "said" beside it with what it was started.
    const RECORDS: &str = "@echo [%*]>\"%~dp0saying\"\r\n@move \"%~dp0saying\" \"%~dp0said\" >nul\r\n";

    /// As on a computer of the academy's: a shortcut on the desktop, WAPT in its folder, programs for addresses.
    #[tokio::test]
    async fn a_shortcut_a_program_an_address_and_a_code_are_opened_as_windows_would() {
        use std::time::{Duration, Instant};
        use vigie_core::digits::Digits;
        use vigie_core::message::{Call, LaunchOutcome::Started, LaunchTarget};
        use winreg::RegKey;
        use winreg::enums::HKEY_CLASSES_ROOT;
        crate::wine::only();
        let dir = tempfile::tempdir().unwrap();
        let (program, said) = (dir.path().join("records.bat"), dir.path().join("said"));
        std::fs::write(&program, RECORDS).unwrap();
        write(&dir.path().join("desktop/Telemaintenance acNormandie Client.lnk"), &program);
        let classes = RegKey::predef(HKEY_CLASSES_ROOT);
        for scheme in ["http", "tel"] {
            let (class, _) = classes.create_subkey(scheme).unwrap();
            class.set_value("URL Protocol", &"").unwrap();
            let (command, _) = class.create_subkey(r"shell\open\command").unwrap();
            command.set_value("", &format!("\"{}\" \"%1\"", program.display())).unwrap();
            // wine's own way to a browser outside.
            let _ = class.delete_subkey_all(r"shell\open\ddeexec");
        }
        let mut profile = vigie_profile::guide();
        let wapt = profile.wapt.program.clone();
        let service = profile.programs.iter_mut().find(|program| program.id == wapt).unwrap();
        service.candidates.windows = vec![program.display().to_string()];
        let places = Places { variable: Box::new(|_| None), home: None, shortcuts: vec![dir.path().join("desktop")] };
        let launcher = super::super::Launcher { profile: &profile, places: std::sync::Arc::new(places) };

        let session = Digits::new("12345678").unwrap();
        for (what, expected) in [
            (LaunchTarget::Program("isl-light".into()), "[]"),
            (LaunchTarget::Session(session), "[--connect 12345678]"),
            (LaunchTarget::Program(wapt), "[]"),
            (LaunchTarget::Link("amigo".into()), "[\"http://assistance.ac-normandie.fr/\"]"),
            (LaunchTarget::Call(Call::of("sans-renvoi")), "[\"tel:*20\"]"),
        ] {
            assert_eq!(launcher.launch(&what).await.outcome, Started, "{what:?}");
            let end = Instant::now() + Duration::from_secs(20);
            while std::fs::read_to_string(&said).map(|text| text.trim_end().to_owned()).ok().as_deref()
                != Some(expected)
            {
                assert!(Instant::now() < end, "{what:?}: {:?}", std::fs::read_to_string(&said));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            std::fs::remove_file(&said).unwrap();
        }
    }

    #[test]
    fn the_user_and_everybody_have_a_desktop_and_a_start_menu() {
        let folders = shortcut_folders();
        assert_eq!(folders.len(), 4, "{folders:?}");
        assert!(folders.iter().all(|folder| folder.is_absolute()));
    }

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
