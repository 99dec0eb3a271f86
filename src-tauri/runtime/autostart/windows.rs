//! The `Run` keys, and beside them the `StartupApproved` keys, in which Settings and the Task Manager note what was
//! switched off. Both exist for the user and for the machine.
//!
//! The installer writes the machine's entry, which only an administrator can switch off. A user's "no" is therefore a
//! value of Vigie's own ([`KEY`]): the entry starts `vigie --at-login`, which ends at once where it says so.

use std::io;
use winreg::enums::{HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, KEY_SET_VALUE, RegType};
use winreg::{HKEY, RegKey, RegValue};

const NAME: &str = "Vigie";
const RUN: &str = r"Software\Microsoft\Windows\CurrentVersion\Run";
const APPROVED: &str = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run";

/// Vigie's own key, the user's.
const KEY: &str = r"Software\Vigie";
/// There and not 0 where the user does not want what the machine's entry starts.
const DECLINED: &str = "NoAutostart";

/// Whether an entry starts Vigie, and the user has nothing against it.
pub fn enabled() -> bool {
    starts(HKEY_CURRENT_USER) || starts(HKEY_LOCAL_MACHINE) && !declined()
}

/// Whether the machine's entry is to start nothing for this user.
pub fn declined() -> bool {
    let value = RegKey::predef(HKEY_CURRENT_USER).open_subkey(KEY).and_then(|key| key.get_value::<u32, _>(DECLINED));
    value.is_ok_and(|value| value != 0)
}

/// Writes the user's choice.
pub fn set(on: bool) -> io::Result<()> {
    let user = RegKey::predef(HKEY_CURRENT_USER);
    let machine = starts(HKEY_LOCAL_MACHINE);
    if on && !machine {
        let program = std::env::current_exe()?;
        user.create_subkey(RUN)?.0.set_value(NAME, &format!("\"{}\"", program.display()))?;
        return approve();
    }
    // Either it is not to start, or the machine's entry starts it already: the user's has to go, and what he has said.
    forget(HKEY_CURRENT_USER, "")?;
    if machine && !on { decline() } else { Ok(()) }
}

fn decline() -> io::Result<()> {
    RegKey::predef(HKEY_CURRENT_USER).create_subkey(KEY)?.0.set_value(DECLINED, &1_u32)
}

/// Removes the entry and what was noted of it below a root's key (empty, or with a `\` at its end). The installer's own
/// entry goes with its note: it is called when Vigie is removed.
pub fn forget(root: HKEY, below: &str) -> io::Result<()> {
    for (key, value) in [(RUN, NAME), (APPROVED, NAME), (KEY, DECLINED)] {
        let key = RegKey::predef(root).open_subkey_with_flags(format!("{below}{key}"), KEY_SET_VALUE);
        match key.and_then(|key| key.delete_value(value)) {
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

/// Notes that the user's entry is on: it may have been switched off in the Task Manager before.
fn approve() -> io::Result<()> {
    let note = [2_u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let value = RegValue { vtype: RegType::REG_BINARY, bytes: note.to_vec().into() };
    RegKey::predef(HKEY_CURRENT_USER).create_subkey_with_flags(APPROVED, KEY_SET_VALUE)?.0.set_raw_value(NAME, &value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_off_where_it_has_a_time() {
        assert!(approved(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert!(approved(&[6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert!(approved(&[]));
        assert!(!approved(&[3, 0, 0, 0, 0x1c, 0x4d, 0x0f, 0x8c, 0xaf, 0xd6, 0xd9, 1]));
    }

    fn write(root: HKEY, key: &str, value: RegValue) {
        RegKey::predef(root).create_subkey(key).unwrap().0.set_raw_value(NAME, &value).unwrap();
    }

    #[test]
    fn the_users_choice_beside_the_machines_entry() {
        use winreg::types::ToRegValue;
        crate::wine::only();
        assert!(!enabled());
        set(true).unwrap();
        assert!(enabled());
        let run = RegKey::predef(HKEY_CURRENT_USER).open_subkey(RUN).unwrap();
        let command: String = run.get_value(NAME).unwrap();
        assert_eq!(command, format!("\"{}\"", std::env::current_exe().unwrap().display()));

        let off = [3, 0, 0, 0, 0x1c, 0x4d, 0x0f, 0x8c, 0xaf, 0xd6, 0xd9, 1];
        let off = || RegValue { vtype: RegType::REG_BINARY, bytes: off.to_vec().into() };
        write(HKEY_CURRENT_USER, APPROVED, off());
        assert!(!enabled(), "switched off in the Task Manager");
        set(true).unwrap();
        assert!(enabled(), "and on again here");
        set(false).unwrap();
        assert!(!enabled());
        assert!(run.get_raw_value(NAME).is_err());

        write(HKEY_LOCAL_MACHINE, RUN, r#""C:\Vigie\vigie.exe" --at-login"#.to_reg_value());
        assert!(enabled(), "the machine's entry");
        set(false).unwrap();
        assert!(!enabled() && declined());
        set(true).unwrap();
        assert!(enabled() && !declined());
        assert!(run.get_raw_value(NAME).is_err(), "one entry is enough");
        write(HKEY_LOCAL_MACHINE, APPROVED, off());
        assert!(!enabled(), "the administrator has switched it off");
        for key in [RUN, APPROVED] {
            RegKey::predef(HKEY_LOCAL_MACHINE)
                .open_subkey_with_flags(key, KEY_SET_VALUE)
                .unwrap()
                .delete_value(NAME)
                .unwrap();
        }
        assert!(!enabled());
    }
}
