//! Shortcuts on Linux: desktop entries, by the freedesktop.org Desktop Entry Specification.

use super::{Places, Start, same};
use freedesktop_desktop_entry::{DesktopEntry, Iter};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Stands for a literal per cent sign while the field codes are taken out: a character that no entry can hold by chance.
const PERCENT: char = '\u{f8ff}';

/// The folders of applications, the user's before the system's (XDG Base Directory Specification).
pub fn applications() -> Vec<PathBuf> {
    let system = std::env::var_os("XDG_DATA_DIRS").filter(|dirs| !dirs.is_empty());
    let system = system.unwrap_or_else(|| "/usr/local/share:/usr/share".into());
    let all = dirs::data_dir().into_iter().chain(std::env::split_paths(&system));
    all.filter(|dir| dir.is_absolute()).map(|dir| dir.join("applications")).collect()
}

/// The application whose name, in any language, is the one asked for.
pub fn find(places: &Places, name: &str) -> Option<Start> {
    let mut seen = HashSet::new();
    for folder in &places.shortcuts {
        for path in Iter::new(std::iter::once(folder.clone())) {
            // An entry hides those of the same id further down the list, also when it says that it is deleted.
            if !seen.insert(id(folder, &path)) {
                continue;
            }
            let Ok(entry) = DesktopEntry::from_path(&path, None::<&[&str]>) else { continue };
            if is_named(&entry, name)
                && let Some(start) = start(places, &entry)
            {
                return Some(start);
            }
        }
    }
    None
}

/// The entry's id: its path below the folder.
fn id(folder: &Path, path: &Path) -> PathBuf {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    path.strip_prefix(&folder).unwrap_or(path).to_owned()
}

fn is_named(entry: &DesktopEntry, name: &str) -> bool {
    let Some((plain, localized)) = entry.groups.desktop_entry().and_then(|group| group.0.get("Name")) else {
        return false;
    };
    std::iter::once(plain).chain(localized.values()).any(|known| same(known, name))
}

/// How the application is started; `None` where the entry is no application that can be started here.
fn start(places: &Places, entry: &DesktopEntry) -> Option<Start> {
    let is = |key| entry.desktop_entry(key) == Some("true");
    if entry.desktop_entry("Type") != Some("Application") || is("Hidden") || is("Terminal") {
        return None;
    }
    let program = |name: &str| match Path::new(name) {
        path if path.is_absolute() => path.is_file().then(|| path.to_owned()),
        _ => places.on_path(name),
    };
    if let Some(needed) = entry.desktop_entry("TryExec") {
        program(needed)?;
    }
    let mut plain = entry.clone();
    plain.add_desktop_entry("Exec".into(), without_codes(entry.exec()?));
    let mut words = plain.parse_exec().ok()?.into_iter().map(|word| word.replace(PERCENT, "%"));
    Some(Start {
        program: program(&words.next()?)?,
        arguments: words.collect(),
        folder: entry.desktop_entry("Path").filter(|path| !path.is_empty()).map(PathBuf::from),
    })
}

/// The command line without its field codes (`%f`, `%U`, …), which stand for files that Vigie does not hand over.
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
