//! The layers: the embedded guide, the machine's file, the user's file. Later wins, except for what the machine locks.

use super::Profile;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// The guide, embedded in the program.
    Guide,
    /// The administrator's file.
    Machine,
    /// The user's file.
    User,
}

/// Where the files stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The administrator's file.
    pub machine: PathBuf,
    /// The user's file.
    pub user: PathBuf,
}

/// What is wrong with a file, and where. `view::config` gives it words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, where it is known; the first is 1.
    pub line: Option<usize>,
    /// The key, `vpn.probe_seconds`.
    pub key: Option<String>,
}

/// The profile in force, and what was left out of it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The profile.
    pub profile: Arc<Profile>,
    /// What is wrong with the files; their layers are left out.
    pub problems: Arc<[Problem]>,
}

/// Why the user's choice was not written.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The file could not be written.
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, std::io::Error),
}

/// Lays the layers over each other. Never fails: a broken file is left out and reported.
pub fn load(_paths: &Paths) -> Loaded {
    todo!()
}

/// Writes the chosen site into the user's file, and leaves the rest of it as it stands, comments too.
///
/// # Errors
/// Where the file cannot be read or written, or the machine's file locks the site.
pub fn save_site(_paths: &Paths, _site: &str) -> Result<(), Refused> {
    todo!()
}
