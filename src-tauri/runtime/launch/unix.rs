//! By `exec`, and by the desktop's own opener.

use super::{Places, Start, spawn};
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// The user's desktop, then the applications of the XDG data folders.
pub fn shortcut_folders() -> Vec<PathBuf> {
    #[cfg(target_os = "linux")]
    let applications = super::desktop::applications();
    #[cfg(not(target_os = "linux"))]
    let applications = Vec::new();
    dirs::desktop_dir().into_iter().chain(applications).collect()
}

/// The shortcut of that name.
#[cfg(target_os = "linux")]
pub fn shortcut(places: &Places, name: &str) -> Option<Start> {
    super::desktop::find(places, name)
}

/// No shortcuts are known here.
#[cfg(not(target_os = "linux"))]
pub fn shortcut(_places: &Places, _name: &str) -> Option<Start> {
    None
}

/// Starts a program.
///
/// # Errors
/// The system's words, where it cannot be started or gives up at once.
pub async fn start(start: Start) -> Result<(), String> {
    let mut command = Command::new(&start.program);
    // A group of its own: Ctrl+C in the terminal from which Vigie was started does not reach it.
    command.args(&start.arguments).process_group(0);
    if let Some(folder) = &start.folder {
        command.current_dir(folder);
    }
    spawn(command).await.map_err(|error| format!("{}: {error}", start.program.display()))
}

/// Opens an address or a folder with the first opener of the desktop (`xdg-open`, `gio open`, …) that can.
///
/// # Errors
/// Why none can.
pub async fn open(places: &Places, target: &OsStr) -> Result<(), String> {
    let mut why = String::from("no program to open it with (xdg-open)");
    for known in open::commands(target) {
        let Some(program) = known.get_program().to_str().and_then(|name| places.on_path(name)) else { continue };
        let mut command = Command::new(&program);
        command.args(known.get_args()).process_group(0);
        match spawn(command).await {
            Ok(()) => return Ok(()),
            Err(error) => why = format!("{}: {error}", program.display()),
        }
    }
    Err(why)
}
