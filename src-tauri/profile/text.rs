//! Reading a configuration file.

use super::error::ConfigError;
use std::io::ErrorKind;
use std::path::Path;

/// More than any configuration needs; a larger file is not read.
const MOST_BYTES: u64 = 1 << 20;

/// Returns the text of a file; `None` if there is none.
///
/// # Errors
/// If it cannot be read, is not a regular file, is larger than 1 MiB or is not UTF-8.
pub fn read_text(file: &Path) -> Result<Option<String>, ConfigError> {
    if file.as_os_str().is_empty() {
        return Ok(None);
    }
    let unreadable = |error: std::io::Error| ConfigError::Unreadable(error.kind());
    let about = match std::fs::metadata(file) {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    // A pipe or a device would keep the start waiting.
    if !about.is_file() {
        return Err(ConfigError::Unreadable(ErrorKind::InvalidInput));
    }
    if about.len() > MOST_BYTES {
        return Err(ConfigError::TooLarge);
    }
    let bytes = std::fs::read(file).map_err(unreadable)?;
    String::from_utf8(bytes).map(Some).map_err(|_| ConfigError::NotUtf8)
}
