//! An installed Cisco Secure Client or AnyConnect: its command line and its files.

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

/// Returns a command that starts a client's command line without a console window, and asks for English output.
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
