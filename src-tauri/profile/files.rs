//! The configuration files on the disk: where they are, and how they are read and written.

use super::error::{ConfigError, Problem};
use super::load::{ConfigSource, Loaded, Paths, check_with, load_with};
use super::save::{Choice, SaveError};
use super::text::read_text;
use super::{Calendar, ics};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

impl Paths {
    /// The places of this system: `/etc/vigie/vigie.toml` and `$XDG_CONFIG_HOME/vigie/vigie.toml`;
    /// `%ProgramData%\Vigie\vigie.toml` and `%APPDATA%\Vigie\vigie.toml`.
    pub fn system() -> Paths {
        let machine = if cfg!(windows) {
            let data = std::env::var_os("ProgramData").map_or_else(|| r"C:\ProgramData".into(), PathBuf::from);
            data.join(r"Vigie\vigie.toml")
        } else {
            Paths::LINUX_MACHINE.into()
        };
        let folder = if cfg!(windows) { "Vigie" } else { "vigie" };
        let user = dirs::config_dir().map(|config| config.join(folder).join("vigie.toml"));
        Paths { machine, user: user.unwrap_or_default() }
    }
}

/// The files of this machine.
pub struct FileSource;

impl ConfigSource for FileSource {
    fn text(&self, file: &Path) -> Result<Option<String>, ConfigError> {
        read_text(file)
    }

    fn add_holidays(&self, calendar: &mut Calendar, text: &str) -> Result<(), (Option<usize>, ConfigError)> {
        ics::add(calendar, text)
    }
}

/// Merges the layers from their files. Never fails: a broken file is left out and reported.
pub fn load(paths: &Paths) -> Loaded {
    load_with(paths, &FileSource)
}

/// Returns what is wrong with a file, read as a machine file over the guide; empty if nothing is.
pub fn check_file(file: &Path) -> Vec<Problem> {
    if !file.exists() {
        let error = ConfigError::Unreadable(ErrorKind::NotFound);
        return vec![Problem { file: file.to_owned(), line: None, key: None, error }];
    }
    check_with(file, &FileSource)
}

/// Writes a choice into the user's file ([`Loaded::edited`]).
///
/// # Errors
/// As [`Loaded::edited`], and if the file cannot be written.
pub fn save(paths: &Paths, choice: &Choice) -> Result<(), SaveError> {
    let loaded = load(paths);
    // A file that cannot be read is broken, which `edited` reports.
    let text = read_text(&paths.user).ok().flatten().unwrap_or_default();
    let text = loaded.edited(choice, &text)?;
    write(&paths.user, &text).map_err(|error| SaveError::Write(paths.user.clone(), error))
}

fn write(file: &Path, text: &str) -> std::io::Result<()> {
    // If the file is a link, its target is written, and the link stays.
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.ok_or(ErrorKind::NotFound)?;
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    if let Ok(before) = std::fs::metadata(&file) {
        new.as_file().set_permissions(before.permissions())?;
    }
    new.as_file().sync_all()?;
    new.persist(&file)?;
    Ok(())
}
