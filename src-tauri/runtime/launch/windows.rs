//! Starts programs with `CreateProcess`, and shortcuts, addresses and folders with the shell's `ShellExecuteEx`.

use super::{LaunchCommand, SearchPaths, ShortcutFolder, is_same_name, spawn};
use crate::win32::Com;
use std::ffi::{OsStr, OsString};
use std::os::windows::ffi::OsStringExt;
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use vigie_core::message::SystemSettings;
use windows::Win32::Foundation::ERROR_ELEVATION_REQUIRED;
use windows::Win32::System::Com::{
    CLSCTX_INPROC_SERVER, COINIT_APARTMENTTHREADED, COINIT_DISABLE_OLE1DDE, CoCreateInstance, CoTaskMemFree,
    IPersistFile, STGM_READ,
};
use windows::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW};
use windows::Win32::UI::Shell::{
    FOLDERID_CommonPrograms, FOLDERID_Desktop, FOLDERID_Programs, FOLDERID_PublicDesktop, IShellLinkW,
    KF_FLAG_DONT_VERIFY, SEE_MASK_FLAG_NO_UI, SEE_MASK_NOASYNC, SHELLEXECUTEINFOW, SHGetKnownFolderPath,
    ShellExecuteExW, ShellLink,
};
use windows::Win32::UI::WindowsAndMessaging::SW_SHOWNORMAL;
use windows::core::{GUID, HSTRING, Interface, PCWSTR};

/// How long the shell may take. It may ask the user for an administrator's password, or wait for an unreachable server.
const SHELL_TIMEOUT: Duration = Duration::from_secs(120);

/// Returns the public desktop and Start menu, followed by the user's.
///
/// The public folders come first because they are local, while the user's may be redirected to an unreachable server.
/// For the same reason the shell is asked not to verify that a folder exists.
pub fn shortcut_folders() -> Vec<ShortcutFolder> {
    let folders = [
        known_folder(&FOLDERID_PublicDesktop).map(ShortcutFolder::desktop),
        known_folder(&FOLDERID_CommonPrograms).map(ShortcutFolder::applications),
        known_folder(&FOLDERID_Programs).map(ShortcutFolder::applications),
        known_folder(&FOLDERID_Desktop).map(ShortcutFolder::desktop),
    ];
    folders.into_iter().flatten().collect()
}

/// Returns the path of a known folder, without looking whether it exists.
fn known_folder(id: &GUID) -> Option<PathBuf> {
    // SAFETY: the shell's text is freed here, after it was copied.
    unsafe {
        let text = SHGetKnownFolderPath(id, KF_FLAG_DONT_VERIFY, None).ok()?;
        let path = OsString::from_wide(text.as_wide());
        CoTaskMemFree(Some(text.0.cast_const().cast()));
        Some(path.into())
    }
}

/// Finds the shortcut with that name, unless its program is gone. The shell starts it as the user would (with its arguments,
/// its folder, "as administrator").
pub fn shortcut(paths: &SearchPaths, name: &str) -> Option<LaunchCommand> {
    let file = format!("{name}.lnk");
    let is_named =
        |path: &PathBuf| path.file_name().and_then(OsStr::to_str).is_some_and(|name| is_same_name(name, &file));
    let found = |folder: ShortcutFolder| folder.files().into_iter().filter(is_named).find(|path| has_target(path));
    (paths.shortcut_folders)().into_iter().find_map(found).map(LaunchCommand::new)
}

/// Returns whether the shortcut's target exists. A shortcut that names no file (a Store application, a program that the
/// Windows Installer installs at the first start), or that cannot be read here, is assumed to work.
fn has_target(shortcut: &Path) -> bool {
    let _com = shell_com();
    target(shortcut)
        .inspect_err(|error| tracing::debug!("{}: {error}", shortcut.display()))
        .map_or(true, |target| target.is_none_or(|target| target.exists()))
}

fn target(shortcut: &Path) -> windows::core::Result<Option<PathBuf>> {
    let name = HSTRING::from(shortcut);
    let mut path = [0; 1024];
    // SAFETY: COM is initialised; the strings and the buffer outlive the calls.
    unsafe {
        let link: IShellLinkW = CoCreateInstance(&ShellLink, None, CLSCTX_INPROC_SERVER)?;
        link.cast::<IPersistFile>()?.Load(&name, STGM_READ)?;
        link.GetPath(&mut path, std::ptr::null_mut(), 0)?;
    }
    let end = path.iter().position(|unit| *unit == 0).unwrap_or(path.len());
    let path = PathBuf::from(OsString::from_wide(&path[..end]));
    Ok(Some(path).filter(|path| path.is_absolute()))
}

/// Initialises COM as the shell needs it.
fn shell_com() -> Com {
    Com::new(COINIT_APARTMENTTHREADED | COINIT_DISABLE_OLE1DDE)
}

/// Starts a program or a shortcut.
///
/// # Errors
/// The system's message, if it cannot be started or fails at once.
pub async fn start(start: LaunchCommand) -> Result<(), String> {
    if start.program.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("lnk")) {
        return by_shell(start.program.into(), start.arguments).await;
    }
    let mut command = Command::new(&start.program);
    // No console window flashes up, and Ctrl+C in Vigie's console does not reach it.
    command.args(&start.arguments).creation_flags((CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP).0);
    if let Some(folder) = &start.folder {
        command.current_dir(folder);
    }
    // Only the shell can start a program that needs an administrator: it asks the user.
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
/// The system's message.
pub async fn open(_paths: &Arc<SearchPaths>, target: &OsStr) -> Result<(), String> {
    by_shell(target.to_owned(), Vec::new()).await
}

/// Opens a page of the system's settings
/// (<https://learn.microsoft.com/en-us/windows/apps/develop/launch/launch-settings>).
///
/// # Errors
/// The system's message.
pub async fn open_settings(paths: &Arc<SearchPaths>, page: SystemSettings) -> Result<(), String> {
    let address = match page {
        SystemSettings::DateTime => "ms-settings:dateandtime",
        SystemSettings::Network => "ms-settings:network",
        SystemSettings::Printers => "ms-settings:printers",
    };
    open(paths, OsStr::new(address)).await
}

/// Calls `ShellExecuteEx` on a thread that may wait for the shell's extensions or for a server.
async fn by_shell(file: OsString, arguments: Vec<String>) -> Result<(), String> {
    let name = file.to_string_lossy().into_owned();
    let task = tokio::task::spawn_blocking(move || shell_execute(&file, &arguments));
    match tokio::time::timeout(SHELL_TIMEOUT, task).await {
        Ok(done) => done.map_err(|error| error.to_string())?,
        Err(_) => Err(format!("{name}: the shell does not answer")),
    }
}

fn shell_execute(file: &OsStr, arguments: &[String]) -> Result<(), String> {
    let parameters: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
    let (name, parameters) = (HSTRING::from(file), HSTRING::from(parameters.join(" ")));
    let mut info = SHELLEXECUTEINFOW {
        cbSize: size_of::<SHELLEXECUTEINFOW>() as u32,
        // The thread has no message loop and ends soon; Vigie itself reports errors.
        fMask: SEE_MASK_NOASYNC | SEE_MASK_FLAG_NO_UI,
        lpFile: PCWSTR(name.as_ptr()),
        lpParameters: PCWSTR(parameters.as_ptr()),
        nShow: SW_SHOWNORMAL.0,
        ..SHELLEXECUTEINFOW::default()
    };
    let _com = shell_com();
    // SAFETY: the strings live until the call has returned.
    unsafe { ShellExecuteExW(&mut info) }.map_err(|error| format!("{}: {error}", file.to_string_lossy()))
}

/// Quotes an argument for `CommandLineToArgvW`.
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
        let _com = shell_com();
        // SAFETY: COM is initialised; the strings outlive the calls.
        unsafe {
            let link: IShellLinkW = CoCreateInstance(&ShellLink, None, CLSCTX_INPROC_SERVER).unwrap();
            link.SetPath(&HSTRING::from(target)).unwrap();
            link.cast::<IPersistFile>().unwrap().Save(&HSTRING::from(shortcut), true).unwrap();
        }
    }

    #[test]
    fn shortcut_is_found_if_its_program_exists() {
        let dir = tempfile::tempdir().unwrap();
        let [user, all] = ["user", "all"].map(|name| dir.path().join(name));
        let folders = [ShortcutFolder::desktop(user.clone()), ShortcutFolder::applications(all.clone())];
        let shortcut_folders = Box::new(move || folders.to_vec());
        let paths = SearchPaths { variable: Box::new(|_| None), home: None, shortcut_folders };
        let name = "Telemaintenance acNormandie Client";
        assert_eq!(shortcut(&paths, name), None);

        let program = dir.path().join("ISLLightClient.exe");
        let (dead, living) = (user.join(format!("{name}.lnk")), all.join(format!("Outils/{name}.LNK")));
        write(&dead, &dir.path().join("gone.exe"));
        let com = shell_com();
        assert_eq!(target(&dead).unwrap(), Some(dir.path().join("gone.exe")));
        drop(com);
        assert_eq!(shortcut(&paths, name), None, "its program is gone");
        std::fs::write(&program, "").unwrap();
        write(&living, &program);
        assert_eq!(shortcut(&paths, name), Some(LaunchCommand::new(living)), "in a folder of the Start menu");
        write(&dead, &program);
        assert_eq!(
            shortcut(&paths, &name.to_uppercase()),
            Some(LaunchCommand::new(dead)),
            "the first folder takes precedence"
        );

        let odd = all.join("odd.lnk");
        std::fs::write(&odd, "no shortcut").unwrap();
        assert_eq!(shortcut(&paths, "odd"), Some(LaunchCommand::new(odd)), "Windows may know more than we do");

        write(&user.join("dossier/deep.lnk"), &program);
        assert_eq!(shortcut(&paths, "deep"), None, "folders on the desktop are not searched");
    }

    /// Writes its arguments to the file "said" beside it.
    const RECORDER: &str = "@echo [%*]>\"%~dp0saying\"\r\n@move \"%~dp0saying\" \"%~dp0said\" >nul\r\n";

    /// With a shortcut on the desktop, WAPT in its folder and programs for addresses.
    #[tokio::test]
    async fn shortcuts_programs_addresses_and_codes_are_opened_by_windows() {
        use std::time::{Duration, Instant};
        use vigie_core::digits::Digits;
        use vigie_core::message::{Call, LaunchOutcome::Started, LaunchTarget};
        use winreg::RegKey;
        use winreg::enums::HKEY_CLASSES_ROOT;
        crate::wine::only();
        let dir = tempfile::tempdir().unwrap();
        let (program, said) = (dir.path().join("records.bat"), dir.path().join("said"));
        std::fs::write(&program, RECORDER).unwrap();
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
        let paths = SearchPaths {
            variable: Box::new(|_| None),
            home: None,
            shortcut_folders: Box::new({
                let desktop = dir.path().join("desktop");
                move || vec![ShortcutFolder::desktop(desktop.clone())]
            }),
        };
        let launcher = super::super::Launcher { profile: &profile, paths: std::sync::Arc::new(paths) };

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

        // Folders on a server that is down: a link still opens at once, and this task, the event loop, goes on.
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let shortcut_folders = Box::new(move || {
            let _ = held.lock().unwrap().recv_timeout(Duration::from_secs(30));
            Vec::new()
        });
        let paths = SearchPaths { variable: Box::new(|_| None), home: None, shortcut_folders };
        let launcher = super::super::Launcher { profile: &profile, paths: std::sync::Arc::new(paths) };
        let (program, link) = (LaunchTarget::Program("isl-light".into()), LaunchTarget::Link("amigo".into()));
        let (mut search, mut opening) =
            (std::pin::pin!(launcher.launch(&program)), std::pin::pin!(launcher.launch(&link)));
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
        let opened = loop {
            tokio::select! {
                biased;
                result = &mut search => panic!("the folders have not answered: {result:?}"),
                opened = &mut opening => break opened,
                _ = ticks.tick() => {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
            }
        };
        assert_eq!(opened.outcome, Started);
        assert!(longest < Duration::from_secs(2), "the loop stood still for {longest:?}");
        drop(release);
        let end = Instant::now() + Duration::from_secs(20);
        while !said.exists() {
            assert!(Instant::now() < end, "the link is not opened");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    #[test]
    fn public_folders_precede_those_of_the_user() {
        let folders = shortcut_folders();
        assert_eq!(folders.len(), 4, "{folders:?}");
        assert!(folders.iter().all(|folder| folder.path.is_absolute()));
        let depths: Vec<usize> = folders.iter().map(|folder| folder.depth).collect();
        assert_eq!(depths, [0, super::super::APPLICATIONS_DEPTH, super::super::APPLICATIONS_DEPTH, 0]);
        let public = std::env::var("PUBLIC").unwrap().to_lowercase();
        assert!(folders[0].path.to_string_lossy().to_lowercase().starts_with(&public), "{folders:?}");
    }

    #[test]
    fn quoted_arguments_are_read_back_unchanged() {
        assert_eq!(quoted("--search=isl"), "--search=isl");
        assert_eq!(quoted(""), r#""""#);
        assert_eq!(quoted("two words"), r#""two words""#);
        assert_eq!(quoted(r#"say "no""#), r#""say \"no\"""#);
        assert_eq!(quoted(r"C:\a b\"), r#""C:\a b\\""#);
        assert_eq!(quoted(r#"a \" b"#), r#""a \\\" b""#);
    }
}
