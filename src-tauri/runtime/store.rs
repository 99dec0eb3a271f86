//! State that is kept from one start to the next: small JSON files in the user's state folder, one of the tray and one of
//! the panel's window.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use vigie_core::state::SavedState;

/// The size of the largest state file that is read.
const MAX_STATE_BYTES: u64 = 1 << 20;

/// Returns the folder of Vigie's files for the user: the state, the logs, and, on a machine without a runtime folder, the
/// lock. `$XDG_STATE_HOME/vigie` (XDG Base Directory Specification) or `%LOCALAPPDATA%\Vigie`; `None` if the user has
/// no home folder.
pub fn state_dir() -> Option<PathBuf> {
    let name = if cfg!(windows) { "Vigie" } else { "vigie" };
    Some(dirs::state_dir().or_else(dirs::data_local_dir)?.join(name))
}

/// A file that keeps a value from one start to the next: the [`SavedState`], or the position of the panel's window.
#[derive(Debug, Clone)]
pub struct Store<T> {
    path: Option<PathBuf>,
    value: PhantomData<fn(T) -> T>,
}

impl Store<SavedState> {
    /// Returns the store of the tray's state, `state.json` in the [`state_dir`].
    pub fn system() -> Store<SavedState> {
        Store { path: state_dir().map(|dir| dir.join("state.json")), value: PhantomData }
    }
}

impl<T: Default + Serialize + DeserializeOwned> Store<T> {
    /// Returns the store of the panel's window, `panel.json` in the [`state_dir`].
    pub fn panel() -> Store<T> {
        Store { path: state_dir().map(|dir| dir.join("panel.json")), value: PhantomData }
    }

    /// Returns a store for a file.
    pub fn at(path: impl Into<PathBuf>) -> Store<T> {
        Store { path: Some(path.into()), value: PhantomData }
    }

    /// Loads the value that was saved last, or the default if there is none or the file cannot be read. A file that
    /// cannot be parsed gets the suffix `.broken`, so that it can be examined later.
    pub fn load(&self) -> T {
        let Some(path) = &self.path else { return T::default() };
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return T::default(),
            Err(error) => {
                tracing::warn!("cannot read {}: {error}; using defaults", path.display());
                return T::default();
            }
        };
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            let aside = with_suffix(path, ".broken");
            tracing::warn!("cannot parse {}: {error}; renaming it to {}", path.display(), aside.display());
            if let Err(error) = fs::rename(path, &aside) {
                tracing::warn!("cannot rename {}: {error}", path.display());
            }
            T::default()
        })
    }

    /// Saves the value atomically: a reader finds the old content or the new one, also after a crash or a power failure.
    ///
    /// # Errors
    /// If the folder or the file cannot be written, or the user has no home folder.
    pub fn save(&self, value: &T) -> io::Result<()> {
        let Some(path) = &self.path else { return Err(io::Error::new(io::ErrorKind::NotFound, "no state folder")) };
        if let Some(folder) = path.parent() {
            create_private_dir(folder)?;
        }
        // Only one process writes here, so a fixed name will do. A file that a crash left there, or a link that another
        // program made, is removed.
        let new = with_suffix(path, ".new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&new)?;
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&new, path)
    }
}

/// Reads a state file, which must be a regular file: links and pipes are refused.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    vigie_profile::read_regular(path, MAX_STATE_BYTES)
}

/// Creates a folder that only the user can enter, or restricts an existing one to the user. (On Windows it inherits these
/// rights from the user's own folders.)
pub fn create_private_dir(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
        builder.mode(0o700).create(folder)?;
        let private = fs::Permissions::from_mode(0o700);
        if fs::metadata(folder)?.permissions().mode() & 0o777 != 0o700 {
            fs::set_permissions(folder, private)?;
        }
        Ok(())
    }
    #[cfg(not(unix))]
    builder.create(folder)
}

/// Returns the path with `suffix` after the file's name.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, PathBuf, Store<SavedState>) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("vigie/state.json");
        let store = Store::at(&path);
        (dir, path, store)
    }

    #[test]
    fn a_saved_value_is_loaded() {
        let (_dir, path, store) = store();
        assert_eq!(store.load(), SavedState::default());
        let saved = SavedState { welcomed: true, asked_site: true, ..SavedState::default() };
        store.save(&saved).expect("saved");
        assert_eq!(store.load(), saved);
        store.save(&SavedState::default()).expect("saved over the old one");
        assert_eq!(store.load(), SavedState::default());
        let names: Vec<_> = fs::read_dir(path.parent().expect("a folder")).expect("readable").collect();
        assert_eq!(names.len(), 1, "nothing else is in the folder: {names:?}");
    }

    #[test]
    fn a_broken_file_is_kept_under_another_name() {
        let (_dir, path, store) = store();
        store.save(&SavedState { welcomed: true, ..SavedState::default() }).expect("saved");
        let whole = fs::read(&path).expect("readable");
        for broken in [&whole[..whole.len() / 2], b"", b"\xff\xfe", b"[1,2]"] {
            fs::write(&path, broken).expect("written");
            assert_eq!(store.load(), SavedState::default());
            assert!(!path.exists());
            assert_eq!(fs::read(with_suffix(&path, ".broken")).expect("kept"), broken);
        }
        store.save(&SavedState::default()).expect("saved");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_user_can_read_the_state() {
        use std::os::unix::fs::PermissionsExt;
        let (_dir, path, store) = store();
        let folder = path.parent().expect("a folder");
        fs::create_dir_all(folder).expect("made");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("the test's own");
        store.save(&SavedState::default()).expect("saved");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(folder), mode(&path)), (0o700, 0o600));
    }

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_are_replaced_and_not_followed() {
        let (dir, path, store) = store();
        let saved = SavedState { welcomed: true, ..SavedState::default() };
        store.save(&saved).expect("saved");
        let elsewhere = dir.path().join("elsewhere");
        fs::rename(&path, &elsewhere).expect("moved");
        let whole = fs::read(&elsewhere).expect("readable");
        for link in [&path, &with_suffix(&path, ".new")] {
            std::os::unix::fs::symlink(&elsewhere, link).expect("a link");
            assert_eq!(store.load(), SavedState::default());
            store.save(&SavedState::default()).expect("saved in its place");
            assert_eq!(fs::read(&elsewhere).expect("readable"), whole, "it was not written");
            fs::remove_file(&path).expect("it is there");
        }
        assert!(std::process::Command::new("mkfifo").arg(&path).status().expect("it starts").success());
        assert_eq!(store.load(), SavedState::default());
        store.save(&saved).expect("saved in its place");
        assert_eq!(store.load(), saved);
    }

    #[test]
    fn the_file_of_a_newer_version_is_loaded() {
        let (_dir, path, store) = store();
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, r#"{"welcomed": true, "to-come": 1}"#).expect("written");
        assert!(store.load().welcomed);
    }

    #[test]
    fn a_folder_that_cannot_be_created_is_an_error() {
        let (_dir, path, _) = store();
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, "").expect("written");
        assert!(Store::<SavedState>::at(path.join("below/state.json")).save(&SavedState::default()).is_err());
    }
}
