//! The configuration files of this computer: where they are, and how they are read and written.

use super::error::{ConfigError, Problem};
use super::load::{ConfigSource, Layer, Loaded, Paths, check_with, load_with};
use super::open::{read_config, read_machine_config};
use super::save::{Choice, SaveError};
use super::{Calendar, encoding, ics};
use std::io::{ErrorKind, Write};
use std::path::Path;

impl Paths {
    /// Returns the paths of this system: `/etc/vigie/vigie.toml` and `$XDG_CONFIG_HOME/vigie/vigie.toml`;
    /// `%ProgramData%\Vigie\vigie.toml` and `%APPDATA%\Vigie\vigie.toml`, as the system itself knows these folders.
    #[cfg(not(windows))]
    pub fn system() -> Paths {
        let user = dirs::config_dir().map(|config| config.join("vigie/vigie.toml"));
        Paths { machine: Paths::LINUX_MACHINE.into(), user: user.unwrap_or_default() }
    }

    /// Returns the paths of this system: `/etc/vigie/vigie.toml` and `$XDG_CONFIG_HOME/vigie/vigie.toml`;
    /// `%ProgramData%\Vigie\vigie.toml` and `%APPDATA%\Vigie\vigie.toml`, as the system itself knows these folders.
    #[cfg(windows)]
    pub fn system() -> Paths {
        use windows::Win32::UI::Shell::{FOLDERID_ProgramData, FOLDERID_RoamingAppData};
        let file = |folder| known_folder(folder).map(|folder| folder.join(r"Vigie\vigie.toml")).unwrap_or_default();
        Paths { machine: file(&FOLDERID_ProgramData), user: file(&FOLDERID_RoamingAppData) }
    }
}

/// Returns a known folder without checking whether it can be reached: it may be on a server that is down. It is not read
/// from an environment variable, which any process that starts Vigie could set.
#[cfg(windows)]
fn known_folder(id: &windows::core::GUID) -> Option<std::path::PathBuf> {
    use std::os::windows::ffi::OsStringExt;
    use windows::Win32::System::Com::CoTaskMemFree;
    use windows::Win32::UI::Shell::{KF_FLAG_DONT_VERIFY, SHGetKnownFolderPath};
    // SAFETY: the id is a constant; the path is freed below.
    let path = unsafe { SHGetKnownFolderPath(id, KF_FLAG_DONT_VERIFY, None) }.ok()?;
    // SAFETY: on success the path is not null and ends with a zero.
    let folder = std::ffi::OsString::from_wide(unsafe { path.as_wide() });
    // SAFETY: the path was allocated by the call above, and is not used any more.
    unsafe { CoTaskMemFree(Some(path.0.cast())) };
    Some(folder.into())
}

/// The files of this computer.
#[derive(Debug, Clone, Copy)]
pub struct FileSource {
    /// Whether the machine's file, and an .ics file that it names, count only if no ordinary user can have written them.
    pub check_owner: bool,
}

impl FileSource {
    /// The rules of this system.
    pub const SYSTEM: FileSource = FileSource { check_owner: true };

    /// Writes a choice into the user's file ([`Loaded::edited`]).
    ///
    /// # Errors
    /// As [`Loaded::edited`], and if the file cannot be written.
    pub fn save(&self, paths: &Paths, choice: &Choice) -> Result<(), SaveError> {
        self.edit(paths, |loaded, text| loaded.edited(choice, text))
    }

    /// Removes from the user's file the values that are left out of it ([`Loaded::restored`]).
    ///
    /// # Errors
    /// As [`Loaded::restored`], and if the file cannot be written.
    pub fn restore(&self, paths: &Paths) -> Result<(), SaveError> {
        self.edit(paths, Loaded::restored)
    }

    fn edit(
        &self,
        paths: &Paths,
        edit: impl FnOnce(&Loaded, &str) -> Result<String, SaveError>,
    ) -> Result<(), SaveError> {
        let loaded = load_with(paths, self);
        // A file that cannot be read is broken, which the edit reports.
        let text = self.read(Layer::User, &paths.user).ok().flatten().and_then(|text| encoding::toml_text(text).ok());
        let text = edit(&loaded, &text.unwrap_or_default())?;
        write(&paths.user, &text).map_err(|error| SaveError::Write(paths.user.clone(), error))
    }
}

impl ConfigSource for FileSource {
    fn read(&self, layer: Layer, file: &Path) -> Result<Option<Vec<u8>>, ConfigError> {
        if self.check_owner && layer == Layer::Machine { read_machine_config(file) } else { read_config(file) }
    }

    fn add_holidays(&self, calendar: &mut Calendar, bytes: &[u8]) -> Result<(), ConfigError> {
        ics::add(calendar, bytes)
    }
}

/// Merges the layers from their files. Never fails: what cannot be used is left out and reported.
pub fn load(paths: &Paths) -> Loaded {
    load_with(paths, &FileSource::SYSTEM)
}

/// Returns what is wrong with a file, read as a machine file over the guide; empty if nothing is. Who may write it
/// matters only if it is the machine's file itself, and not one that is still to be installed.
pub fn check_file(file: &Path) -> Vec<Problem> {
    if !file.exists() {
        let error = ConfigError::Unreadable(ErrorKind::NotFound);
        return vec![Problem { file: file.to_owned(), line: None, key: None, error, restorable: false }];
    }
    let same =
        |other: &Path| file.canonicalize().is_ok_and(|file| other.canonicalize().is_ok_and(|other| file == other));
    check_with(file, &FileSource { check_owner: same(&Paths::system().machine) })
}

/// Writes a choice into the user's file, as [`FileSource::save`].
///
/// # Errors
/// As [`FileSource::save`].
pub fn save(paths: &Paths, choice: &Choice) -> Result<(), SaveError> {
    FileSource::SYSTEM.save(paths, choice)
}

/// Removes from the user's file the values that are left out of it, as [`FileSource::restore`].
///
/// # Errors
/// As [`FileSource::restore`].
pub fn restore(paths: &Paths) -> Result<(), SaveError> {
    FileSource::SYSTEM.restore(paths)
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
