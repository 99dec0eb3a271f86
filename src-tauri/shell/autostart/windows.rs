//! The `Run` keys, and beside them the `StartupApproved` keys, in which Settings and the Task Manager note what the
//! user has switched off. Both exist for the user and for the machine; the installer writes the machine's.

use std::io;
use winreg::enums::{HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, KEY_SET_VALUE, RegType};
use winreg::{HKEY, RegKey, RegValue};

const NAME: &str = "Vigie";
const RUN: &str = r"Software\Microsoft\Windows\CurrentVersion\Run";
const APPROVED: &str = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run";

/// Whether an entry starts Vigie.
pub fn enabled() -> bool {
    starts(HKEY_CURRENT_USER) || starts(HKEY_LOCAL_MACHINE)
}

/// Writes the user's choice.
pub fn set(on: bool) -> io::Result<()> {
    let user = RegKey::predef(HKEY_CURRENT_USER);
    if on && !starts(HKEY_LOCAL_MACHINE) {
        let program = std::env::current_exe()?;
        user.create_subkey(RUN)?.0.set_value(NAME, &format!("\"{}\"", program.display()))?;
        return approve(HKEY_CURRENT_USER, true);
    }
    // Either it is not to start, or the machine's entry starts it already: the user's has to go.
    forget(HKEY_CURRENT_USER, "")?;
    if !on && starts(HKEY_LOCAL_MACHINE) {
        return approve(HKEY_LOCAL_MACHINE, false);
    }
    Ok(())
}

/// Removes the entry and its note below a root's key (empty, or with a `\` at its end). The installer's own entry goes
/// with the note: it is called when Vigie is removed.
pub fn forget(root: HKEY, below: &str) -> io::Result<()> {
    for key in [RUN, APPROVED].map(|key| format!("{below}{key}")) {
        match RegKey::predef(root).open_subkey_with_flags(key, KEY_SET_VALUE).and_then(|key| key.delete_value(NAME)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn starts(root: HKEY) -> bool {
    let root = RegKey::predef(root);
    let there = root.open_subkey(RUN).and_then(|key| key.get_raw_value(NAME)).is_ok();
    there
        && root.open_subkey(APPROVED).and_then(|key| key.get_raw_value(NAME)).map_or(true, |note| approved(&note.bytes))
}

/// Twelve bytes: flags, and the time at which the entry was switched off. (Not documented by Microsoft. Seen: the flags
/// differ from system to system, and the time is zero exactly where the entry is on.)
fn approved(note: &[u8]) -> bool {
    note.get(4..).is_none_or(|time| time.iter().all(|byte| *byte == 0))
}

fn approve(root: HKEY, on: bool) -> io::Result<()> {
    let mut bytes = vec![0_u8; 12];
    if on {
        bytes[0] = 2;
    } else {
        bytes[0] = 3;
        // A FILETIME: 100 ns since 1601.
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let time = (unix.as_secs() + 11_644_473_600) * 10_000_000;
        bytes[4..].copy_from_slice(&time.to_le_bytes());
    }
    let value = RegValue { vtype: RegType::REG_BINARY, bytes: bytes.into() };
    RegKey::predef(root).create_subkey_with_flags(APPROVED, KEY_SET_VALUE)?.0.set_raw_value(NAME, &value)
}

#[cfg(test)]
mod tests {
    use super::approved;

    #[test]
    fn a_note_says_off_where_it_has_a_time() {
        assert!(approved(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert!(approved(&[6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert!(approved(&[]));
        assert!(!approved(&[3, 0, 0, 0, 0x1c, 0x4d, 0x0f, 0x8c, 0xaf, 0xd6, 0xd9, 1]));
    }
}
