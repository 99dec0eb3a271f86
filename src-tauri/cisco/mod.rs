//! Cisco Secure Client and AnyConnect, as they are installed: their command line and their files.

pub mod files;
#[cfg(test)]
pub mod transcript;

use std::path::{Path, PathBuf};
use tokio::process::Command;
use vigie_profile::Profile;

/// Finds Cisco's command line.
pub fn command_line(profile: &Profile) -> Option<PathBuf> {
    profile.vpn.command_line.here().iter().filter_map(|path| expand(path)).find(|path| path.is_file())
}

/// Prepares a start of Cisco's command line: in English, if the client heeds it, and without a console window.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C");
    #[cfg(windows)]
    command.creation_flags(windows::Win32::System::Threading::CREATE_NO_WINDOW.0);
    command
}

fn expand(path: &str) -> Option<PathBuf> {
    vigie_profile::expand(path, dirs::home_dir().as_deref(), |name| std::env::var_os(name))
}
