//! Decoding of files that an editor may have saved in another encoding than UTF-8.

use super::error::ConfigError;

/// The characters of Windows-1252 from 0x80 to 0x9F; all others are those of Latin-1.
#[cfg(feature = "files")]
const WINDOWS_1252: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";

/// Returns the text of a configuration file. TOML is UTF-8, and what the user chooses is written into the file in UTF-8:
/// another encoding is an error that names it if it can be recognised.
pub(super) fn toml_text(bytes: Vec<u8>) -> Result<String, ConfigError> {
    if is_utf16(&bytes).is_some() {
        return Err(ConfigError::Utf16);
    }
    String::from_utf8(bytes).map_err(|_| ConfigError::NotUtf8)
}

/// Returns the lines of an .ics file, unfolded. Folding counts bytes (RFC 5545, 3.1), so that a fold may be within a
/// character: bytes are joined before they are decoded. What is not UTF-8 is read as Windows-1252.
#[cfg(feature = "files")]
pub(super) fn ics_lines(bytes: &[u8]) -> Vec<String> {
    let decoded;
    let bytes = match is_utf16(bytes) {
        Some(from_bytes) => {
            let units = bytes.chunks_exact(2).map(|pair| from_bytes([pair[0], pair[1]]));
            decoded = char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')).collect::<String>();
            decoded.as_bytes()
        }
        None => bytes,
    };
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for line in bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).split(|byte| matches!(byte, b'\r' | b'\n')) {
        match (lines.last_mut(), line) {
            // Between \r and \n, and a blank line: neither means anything.
            (_, []) => {}
            (Some(before), [b' ' | b'\t', rest @ ..]) => before.extend(rest),
            (_, line) => lines.push(line.to_vec()),
        }
    }
    let windows_1252 = |byte: &u8| match byte {
        0x80..=0x9f => WINDOWS_1252.chars().nth(usize::from(byte - 0x80)).unwrap_or('\u{fffd}'),
        byte => char::from(*byte),
    };
    let decode = |line: Vec<u8>| {
        String::from_utf8(line).unwrap_or_else(|error| error.as_bytes().iter().map(windows_1252).collect())
    };
    lines.into_iter().map(decode).collect()
}

/// Returns how two bytes make a unit if the text is UTF-16: by its mark, or because every other byte of what must be
/// ASCII is zero.
fn is_utf16(bytes: &[u8]) -> Option<fn([u8; 2]) -> u16> {
    match bytes {
        [0xff, 0xfe, ..] | [1..=0x7f, 0, ..] => Some(u16::from_le_bytes),
        [0xfe, 0xff, ..] | [0, 1..=0x7f, ..] => Some(u16::from_be_bytes),
        _ => None,
    }
}
