//! Shortcuts on Linux: desktop entries, by the freedesktop.org Desktop Entry Specification.

use super::{LaunchCommand, SearchPaths, is_same_name};
use freedesktop_desktop_entry::DesktopEntry;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use vigie_profile::read_text;

/// Replaces a literal per cent sign while the field codes are removed: no entry contains this private character by chance.
const PERCENT: char = '\u{f8ff}';

/// Returns the folders of applications, the user's before the system's (XDG Base Directory Specification).
pub fn application_folders() -> impl Iterator<Item = PathBuf> {
    let system = std::env::var_os("XDG_DATA_DIRS").filter(|dirs| !dirs.is_empty());
    let system = system.unwrap_or_else(|| "/usr/local/share:/usr/share".into());
    let all: Vec<PathBuf> = dirs::data_dir().into_iter().chain(std::env::split_paths(&system)).collect();
    all.into_iter().filter(|dir| dir.is_absolute()).map(|dir| dir.join("applications"))
}

/// Returns the user's desktop.
pub fn desktop_folder() -> Option<PathBuf> {
    // Not `dirs::desktop_dir`, which would wait for a writer if user-dirs.dirs were a FIFO.
    let home = dirs::home_dir()?;
    let settings = read_text(&dirs::config_dir()?.join("user-dirs.dirs")).ok().flatten().unwrap_or_default();
    Some(desktop_in(&settings, &home).unwrap_or_else(|| home.join("Desktop")))
}

/// Parses `XDG_DESKTOP_DIR="$HOME/Bureau"` in user-dirs.dirs(5), which allows only the home folder and absolute paths.
fn desktop_in(settings: &str, home: &Path) -> Option<PathBuf> {
    let mut values = settings.lines().filter_map(|line| line.trim().strip_prefix("XDG_DESKTOP_DIR="));
    let path = values.next_back()?.trim().trim_matches('"').replace(r"\", "");
    match path.strip_prefix("$HOME") {
        Some(below) => Some(home.join(below.trim_start_matches('/'))),
        None => Some(PathBuf::from(path)).filter(|path| path.is_absolute()),
    }
}

/// Finds the application with that name in any language.
pub fn find(paths: &SearchPaths, name: &str) -> Option<LaunchCommand> {
    let mut seen = HashSet::new();
    for folder in (paths.shortcut_folders)() {
        for path in folder.files() {
            // An entry hides those with the same id in later folders, even if it says that it is deleted.
            let id = path.strip_prefix(&folder.path).unwrap_or(&path).to_owned();
            if path.extension().is_none_or(|extension| extension != "desktop") || !seen.insert(id) {
                continue;
            }
            let Ok(Some(text)) = read_text(&path) else { continue };
            let Ok(entry) = DesktopEntry::from_str(&path, &text, None::<&[&str]>) else { continue };
            if is_named(&entry, name)
                && let Some(command) = command(paths, &entry)
            {
                return Some(command);
            }
        }
    }
    None
}

fn is_named(entry: &DesktopEntry, name: &str) -> bool {
    let Some((plain, localized)) = entry.groups.desktop_entry().and_then(|group| group.0.get("Name")) else {
        return false;
    };
    std::iter::once(plain).chain(localized.values()).any(|known| is_same_name(known, name))
}

/// Returns how to start the application; `None` if the entry is not an application that can be started here.
fn command(paths: &SearchPaths, entry: &DesktopEntry) -> Option<LaunchCommand> {
    let is = |key| entry.desktop_entry(key) == Some("true");
    if entry.desktop_entry("Type") != Some("Application") || is("Hidden") || is("Terminal") {
        return None;
    }
    let program = |name: &str| match Path::new(name) {
        path if path.is_absolute() => path.is_file().then(|| path.to_owned()),
        _ => paths.on_path(name),
    };
    if let Some(needed) = entry.desktop_entry("TryExec") {
        program(needed)?;
    }
    let mut plain = entry.clone();
    plain.add_desktop_entry("Exec".into(), without_codes(entry.exec()?));
    let mut words = plain.parse_exec().ok()?.into_iter().map(|word| word.replace(PERCENT, "%"));
    Some(LaunchCommand {
        program: program(&words.next()?)?,
        arguments: words.collect(),
        folder: entry.desktop_entry("Path").filter(|path| !path.is_empty()).map(PathBuf::from),
    })
}

/// Removes the field codes (`%f`, `%U`, …) from the command line: they mean files, and Vigie passes none.
fn without_codes(exec: &str) -> String {
    let mut plain = String::with_capacity(exec.len());
    let mut chars = exec.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            plain.push(c);
        } else if chars.next() == Some('%') {
            plain.push(PERCENT);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn desktop_folder_is_parsed() {
        let home = Path::new("/home/a");
        let parsed = |settings: &str| desktop_in(settings, home);
        assert_eq!(parsed("# x\nXDG_DESKTOP_DIR=\"$HOME/Bureau\"\n"), Some("/home/a/Bureau".into()));
        assert_eq!(parsed("XDG_DESKTOP_DIR=\"$HOME\"\n"), Some("/home/a/".into()));
        assert_eq!(parsed("XDG_DESKTOP_DIR=\"/srv/bureau\"\n"), Some("/srv/bureau".into()));
        assert_eq!(parsed("XDG_DESKTOP_DIR=\"Bureau\"\n"), None);
        assert_eq!(parsed("#XDG_DESKTOP_DIR=\"$HOME/Bureau\"\n"), None);
    }
}
