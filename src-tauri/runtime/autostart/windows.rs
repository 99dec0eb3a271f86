//! The `Run` keys, and the `StartupApproved` keys in which Settings and the Task Manager record what was disabled. Both
//! exist for the user and for the machine.
//!
//! The installer writes the machine's entry, which only an administrator can disable. A user's "no" is therefore a value of
//! Vigie's own ([`KEY`]): the entry starts `vigie --at-login`, which then ends at once.

use std::io;
use winreg::enums::{HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, KEY_SET_VALUE, RegType};
use winreg::{HKEY, RegKey, RegValue};

const NAME: &str = "Vigie";
const RUN: &str = r"Software\Microsoft\Windows\CurrentVersion\Run";
const APPROVED: &str = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run";

/// Vigie's own key of the user.
const KEY: &str = r"Software\Vigie";
/// Exists and is not 0 if the user does not want the machine's entry to start Vigie.
const DECLINED: &str = "NoAutostart";

/// Returns whether an entry starts Vigie and the user has not declined it.
pub fn enabled() -> bool {
    starts(HKEY_CURRENT_USER) || starts(HKEY_LOCAL_MACHINE) && !declined()
}

/// Returns whether the user has declined the machine's entry.
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
    // Either Vigie must not start, or the machine's entry starts it already: the user's entry and choice go.
    forget(HKEY_CURRENT_USER, "")?;
    if machine && !on { decline() } else { Ok(()) }
}

/// Records that the user has switched autostart off.
fn decline() -> io::Result<()> {
    RegKey::predef(HKEY_CURRENT_USER).create_subkey(KEY)?.0.set_value(DECLINED, &1_u32)
}

/// Removes the entry and its records below a key (empty, or with a `\` at its end). The installer calls this when Vigie is
/// removed, for its own entry too.
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

/// Whether this root key has an entry for Vigie that is not disabled.
fn starts(root: HKEY) -> bool {
    let root = RegKey::predef(root);
    let there = root.open_subkey(RUN).and_then(|key| key.get_raw_value(NAME)).is_ok();
    there
        && root
            .open_subkey(APPROVED)
            .and_then(|key| key.get_raw_value(NAME))
            .map_or(true, |record| approved(&record.bytes))
}

/// Parses twelve bytes: flags, and the time at which the entry was disabled.
///
/// Microsoft does not document them. Settings and the Task Manager write an odd first byte and the time to disable an entry;
/// scripts often write the flags alone.
fn approved(record: &[u8]) -> bool {
    let disabled = record.first().is_some_and(|flags| flags & 1 != 0);
    !disabled && record.get(4..).is_none_or(|time| time.iter().all(|byte| *byte == 0))
}

/// Records that the user's entry is enabled: it may have been disabled in the Task Manager before.
fn approve() -> io::Result<()> {
    let record = [2_u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let value = RegValue { vtype: RegType::REG_BINARY, bytes: record.to_vec().into() };
    RegKey::predef(HKEY_CURRENT_USER).create_subkey_with_flags(APPROVED, KEY_SET_VALUE)?.0.set_raw_value(NAME, &value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_flags_or_a_time_disable_an_entry() {
        assert!(approved(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert!(approved(&[6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        assert!(approved(&[]));
        assert!(!approved(&[3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "as scripts write it");
        assert!(!approved(&[3]));
        assert!(!approved(&[2, 0, 0, 0, 0x1c, 0x4d, 0x0f, 0x8c, 0xaf, 0xd6, 0xd9, 1]));
        assert!(!approved(&[3, 0, 0, 0, 0x1c, 0x4d, 0x0f, 0x8c, 0xaf, 0xd6, 0xd9, 1]));
    }

    fn write(root: HKEY, key: &str, value: RegValue) {
        RegKey::predef(root).create_subkey(key).unwrap().0.set_raw_value(NAME, &value).unwrap();
    }

    #[test]
    fn user_choice_overrides_the_machine_entry() {
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
