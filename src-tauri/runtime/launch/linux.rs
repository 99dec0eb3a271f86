//! Starts programs with `exec`, and opens addresses with the desktop's own opener.

use super::{LaunchCommand, SearchPaths, ShortcutFolder, desktop, spawn};
use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use vigie_core::message::SystemSettings;

/// Returns the user's desktop, followed by the applications of the XDG data folders.
pub fn shortcut_folders() -> Vec<ShortcutFolder> {
    let applications = desktop::application_folders().map(ShortcutFolder::applications);
    desktop::desktop_folder().map(ShortcutFolder::desktop).into_iter().chain(applications).collect()
}

/// Finds the shortcut with that name.
pub fn shortcut(paths: &SearchPaths, name: &str) -> Option<LaunchCommand> {
    desktop::find(paths, name)
}

/// Starts a program.
///
/// # Errors
/// The system's message, if it cannot be started or fails at once.
pub async fn start(start: LaunchCommand) -> Result<(), String> {
    let mut command = Command::new(&start.program);
    // A process group of its own: Ctrl+C in the terminal from which Vigie was started does not reach it.
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
pub async fn open(paths: &Arc<SearchPaths>, target: &OsStr) -> Result<(), String> {
    first_that_starts(paths, open::commands(target), "no program to open it with (xdg-open)").await
}

/// Opens a page of the desktop's settings. There is no standard for it: each desktop has its own program, which fails
/// elsewhere.
///
/// # Errors
/// Why none can.
pub async fn open_settings(paths: &Arc<SearchPaths>, page: SystemSettings) -> Result<(), String> {
    let programs: &[&[&str]] = match page {
        SystemSettings::DateTime => {
            &[&["gnome-control-center", "datetime"], &["systemsettings", "kcm_clock"], &["time-admin"]]
        }
        SystemSettings::Network => &[
            &["gnome-control-center", "network"],
            &["systemsettings", "kcm_networkmanagement"],
            &["nm-connection-editor"],
        ],
        SystemSettings::Printers => &[
            &["gnome-control-center", "printers"],
            &["systemsettings", "kcm_printer_manager"],
            &["system-config-printer"],
        ],
    };
    let mut commands = Vec::new();
    for program in programs {
        let mut command = Command::new(program[0]);
        command.args(&program[1..]);
        commands.push(command);
    }
    commands.push(Command::new("xfce4-settings-manager"));
    first_that_starts(paths, commands, "no program for the settings").await
}

/// Starts the first of these programs that is installed and does not fail at once.
async fn first_that_starts(
    paths: &Arc<SearchPaths>,
    candidates: impl IntoIterator<Item = Command>,
    none: &str,
) -> Result<(), String> {
    let mut why = none.to_owned();
    for candidate in candidates {
        let (paths, name) = (paths.clone(), candidate.get_program().to_owned());
        let program = tokio::task::spawn_blocking(move || paths.on_path(name.to_str()?)).await;
        let Some(program) = program.ok().flatten() else { continue };
        let mut command = Command::new(&program);
        command.args(candidate.get_args()).process_group(0);
        match spawn(command).await {
            Ok(()) => return Ok(()),
            Err(error) => why = format!("{}: {error}", program.display()),
        }
    }
    Err(why)
}
