//! Reads files that may not be regular files, or may belong to another user than expected.

use super::error::ConfigError;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

#[cfg_attr(unix, path = "open/unix.rs")]
#[cfg_attr(windows, path = "open/windows.rs")]
mod trust;

#[cfg(any(windows, test))]
mod acl;

/// The size of the largest configuration file that is read.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Opens a regular file for reading, without waiting: opening a pipe in the usual way would wait for a writer.
///
/// # Errors
/// If it cannot be opened, or is not a regular file but a pipe, a directory or a device (`InvalidInput`).
pub fn open_regular(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
    }
    require_regular(options.open(path)?)
}

/// Returns the file if it is a regular one.
fn require_regular(file: File) -> io::Result<File> {
    // The open file is examined rather than its path, which could be made to name another file between the check and
    // the opening (TOCTOU).
    if file.metadata()?.is_file() { Ok(file) } else { Err(ErrorKind::InvalidInput.into()) }
}

/// Reads a regular file that has at most `max_bytes`.
///
/// # Errors
/// As [`open_regular`], and if it cannot be read or is larger (`FileTooLarge`).
pub fn read_regular(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    read_at_most(open_regular(path)?, max_bytes)
}

/// Reads the file to its end, unless it has more than `max_bytes`.
fn read_at_most(file: File, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes { Err(ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// Returns the contents of a configuration file; `None` if there is none, or the path is empty.
///
/// # Errors
/// If it cannot be read, is not a regular file, or is larger than 1 MiB.
pub fn read_config(file: &Path) -> Result<Option<Vec<u8>>, ConfigError> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    read_opened_config(open_regular(file))
}

/// Returns the text of a small file, a configuration of the desktop's for example; `None` if there is none.
///
/// # Errors
/// As [`read_config`], and if it is not UTF-8.
pub fn read_text(file: &Path) -> Result<Option<String>, ConfigError> {
    let text = |bytes| String::from_utf8(bytes).map_err(|_| ConfigError::NotUtf8);
    read_config(file)?.map(text).transpose()
}

/// Returns the contents of a configuration file that only administrators can have written; `None` if there is none.
///
/// # Errors
/// As [`read_config`], and if an ordinary user owns the file or its folder or may write there.
pub fn read_machine_config(file: &Path) -> Result<Option<Vec<u8>>, ConfigError> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    match trust::open(file) {
        // A folder in which ordinary users may write does no harm while the file is not there.
        Err(ConfigError::Untrusted(_)) if matches!(file.try_exists(), Ok(false)) => Ok(None),
        Err(error) => Err(error),
        Ok(opened) => read_opened_config(opened),
    }
}

/// Reads a configuration file that [`open_regular`] or `trust::open` has opened; `None` if there was none.
fn read_opened_config(opened: io::Result<File>) -> Result<Option<Vec<u8>>, ConfigError> {
    match opened.and_then(|file| read_at_most(file, MAX_CONFIG_BYTES)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => Err(ConfigError::TooLarge),
        Err(error) => Err(ConfigError::Unreadable(error.kind())),
    }
}
