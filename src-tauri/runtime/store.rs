//! What is remembered from one start to the next: small JSON files in the user's state folder, Vigie's own and that of
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

/// Returns the folder of what Vigie keeps for the user: the state, the logs, and on a machine without a runtime folder
/// the lock. `$XDG_STATE_HOME/vigie` (XDG Base Directory Specification), `%LOCALAPPDATA%\Vigie`;
/// `None` where the user has no home.
pub fn state_dir() -> Option<PathBuf> {
    let name = if cfg!(windows) { "Vigie" } else { "vigie" };
    Some(dirs::state_dir().or_else(dirs::data_local_dir)?.join(name))
}

/// A file that holds a value: the [`SavedState`], or where the panel's window stood.
#[derive(Debug, Clone)]
pub struct Store<T> {
    path: Option<PathBuf>,
    value: PhantomData<fn(T) -> T>,
}

impl Store<SavedState> {
    /// The user's file, `state.json` in the [`state_dir`].
    pub fn system() -> Store<SavedState> {
        Store { path: state_dir().map(|dir| dir.join("state.json")), value: PhantomData }
    }
}

impl<T: Default + Serialize + DeserializeOwned> Store<T> {
    /// The window's file, `panel.json` in the [`state_dir`].
    pub fn panel() -> Store<T> {
        Store { path: state_dir().map(|dir| dir.join("panel.json")), value: PhantomData }
    }

    /// A file of the caller's choice.
    pub fn at(path: impl Into<PathBuf>) -> Store<T> {
        Store { path: Some(path.into()), value: PhantomData }
    }

    /// What was saved last; nothing remembered where there is no file. A file that cannot be understood is set aside
    /// (`state.json.broken`), so that it can be looked at and does not stand in the way.
    pub fn load(&self) -> T {
        let Some(path) = &self.path else { return T::default() };
        let text = match read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return T::default(),
            Err(error) => {
                tracing::warn!("cannot read {}: {error}; starting without", path.display());
                return T::default();
            }
        };
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            let aside = beside(path, ".broken");
            tracing::warn!("{} is broken ({error}); setting it aside as {}", path.display(), aside.display());
            if let Err(error) = fs::rename(path, &aside) {
                tracing::warn!("cannot set {} aside: {error}", path.display());
            }
            T::default()
        })
    }

    /// Saves the value. Whoever reads the file, after a crash or a power cut too, finds the old content or the new.
    ///
    /// # Errors
    /// Where the folder or the file cannot be written, or the user has no home.
    pub fn save(&self, value: &T) -> io::Result<()> {
        let Some(path) = &self.path else { return Err(io::Error::new(io::ErrorKind::NotFound, "no state folder")) };
        if let Some(folder) = path.parent() {
            create_private_dir(folder)?;
        }
        // Only one process writes here, so a fixed name does. What a crash left there, or somebody's link, goes.
        let new = beside(path, ".new");
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

/// Reads a state file. Neither a link nor a pipe is one, whoever has put it there.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    vigie_profile::read_regular(path, MAX_STATE_BYTES)
}

/// Makes a folder that only the user can enter, also if it is there already. (On Windows it inherits that from the
/// user's own folders.)
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

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
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
    fn what_was_saved_is_loaded() {
        let (_dir, path, store) = store();
        assert_eq!(store.load(), SavedState::default());
        let memory = SavedState { welcomed: true, asked_site: true, ..SavedState::default() };
        store.save(&memory).expect("saved");
        assert_eq!(store.load(), memory);
        store.save(&SavedState::default()).expect("saved over the old one");
        assert_eq!(store.load(), SavedState::default());
        let names: Vec<_> = fs::read_dir(path.parent().expect("a folder")).expect("readable").collect();
        assert_eq!(names.len(), 1, "nothing is left beside it: {names:?}");
    }

    #[test]
    fn a_broken_file_is_set_aside() {
        let (_dir, path, store) = store();
        store.save(&SavedState { welcomed: true, ..SavedState::default() }).expect("saved");
        let whole = fs::read(&path).expect("readable");
        for broken in [&whole[..whole.len() / 2], b"", b"\xff\xfe", b"[1,2]"] {
            fs::write(&path, broken).expect("written");
            assert_eq!(store.load(), SavedState::default());
            assert!(!path.exists());
            assert_eq!(fs::read(beside(&path, ".broken")).expect("kept"), broken);
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
    fn links_and_pipes_in_place_of_the_state_are_replaced_and_not_followed() {
        let (dir, path, store) = store();
        let saved = SavedState { welcomed: true, ..SavedState::default() };
        store.save(&saved).expect("saved");
        let elsewhere = dir.path().join("elsewhere");
        fs::rename(&path, &elsewhere).expect("moved");
        let whole = fs::read(&elsewhere).expect("readable");
        for link in [&path, &beside(&path, ".new")] {
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
    fn a_newer_versions_file_is_understood() {
        let (_dir, path, store) = store();
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, r#"{"welcomed": true, "to-come": 1}"#).expect("written");
        assert!(store.load().welcomed);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let (_dir, path, _) = store();
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, "").expect("written");
        assert!(Store::<SavedState>::at(path.join("below/state.json")).save(&SavedState::default()).is_err());
    }
}
