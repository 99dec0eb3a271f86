//! By inotify.

use crate::sensors::inotify::FileWatch;
use std::io;
use std::path::{Path, PathBuf};

/// Watches files and folders.
pub struct ConfigWatch(FileWatch);

impl ConfigWatch {
    pub fn new(files: &[PathBuf], folders: &[PathBuf]) -> io::Result<ConfigWatch> {
        let paths: Vec<&Path> = files.iter().chain(folders).map(PathBuf::as_path).collect();
        FileWatch::new(&paths).map(ConfigWatch)
    }

    /// Waits for a change. Cancel safe.
    pub async fn changed(&mut self) -> io::Result<()> {
        self.0.changed().await
    }
}
