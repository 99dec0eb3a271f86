//! The program's identity for Windows' notifications: an AppUserModelID with a name, an icon and an activator.
//!
//! The installer registers it for all users, under `HKLM\Software\Classes`. Without an installer Vigie registers it
//! itself for its user, under `HKCU\Software\Classes`
//! (<https://learn.microsoft.com/windows/apps/develop/notifications/app-notifications/send-local-toast-other-apps>).

use crate::runtime::store::state_dir;
use std::io;
use std::path::Path;
use windows::Win32::UI::Shell::SetCurrentProcessExplicitAppUserModelID;
use windows::core::{GUID, HSTRING};
use winreg::enums::{HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE};
use winreg::{HKEY, RegKey};

/// The program's AppUserModelID. The installer's Start-menu shortcut has the same.
pub const APP_ID: &str = "fr.ac_normandie.vigie";

/// The activator's class. The installer registers the same.
pub const CLASS: GUID = GUID::from_u128(0x7d1b0c7e_5f0a_4e0c_9d3e_2b6a1c5e8f47);

/// The classes, in the user's registry and the machine's.
const CLASSES: &str = r"Software\Classes";

/// The icon in the Action Centre.
const ICON: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/icons/icon.png"));

/// Gives this process the identity, and registers it unless the installer has.
pub fn register() -> windows::core::Result<()> {
    // SAFETY: the string outlives the call.
    unsafe { SetCurrentProcessExplicitAppUserModelID(&HSTRING::from(APP_ID)) }?;
    let program = std::env::current_exe()?;
    let command = format!("\"{}\"", program.display());
    let user = RegKey::predef(HKEY_CURRENT_USER);
    if names(HKEY_LOCAL_MACHINE, &command) {
        // The user's key would take precedence over the installer's: remove what a run without it has left.
        for key in keys() {
            match user.delete_subkey_all(key) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        return Ok(());
    }
    let (classes, _) = user.create_subkey(CLASSES)?;
    Ok(write(&classes, &class(), &command)?)
}

/// Whether this registry names this command as the activator.
fn names(root: HKEY, command: &str) -> bool {
    let key = RegKey::predef(root).open_subkey(format!(r"{CLASSES}\CLSID\{}\LocalServer32", class()));
    key.and_then(|key| key.get_value("")).is_ok_and(|known: String| known.eq_ignore_ascii_case(command))
}

/// The keys that `register` writes, relative to the user's.
pub fn keys() -> [String; 2] {
    [format!(r"{CLASSES}\AppUserModelId\{APP_ID}"), format!(r"{CLASSES}\CLSID\{}", class())]
}

/// The class in the registry's notation.
fn class() -> String {
    format!("{{{CLASS:?}}}")
}

fn write(classes: &RegKey, class: &str, command: &str) -> io::Result<()> {
    let (app, _) = classes.create_subkey(format!(r"AppUserModelId\{APP_ID}"))?;
    app.set_value("DisplayName", &"Vigie")?;
    app.set_value("CustomActivator", &class)?;
    match state_dir().map(|folder| icon(&folder)) {
        Some(Ok(icon)) => app.set_value("IconUri", &icon)?,
        Some(Err(error)) => tracing::warn!(%error, "notifications have no icon"),
        None => {}
    }
    // COM starts this if Vigie is not running, with the argument -Embedding; see `cli`.
    classes.create_subkey(format!(r"CLSID\{class}\LocalServer32"))?.0.set_value("", &command)
}

/// Writes the icon to a file, from which Windows reads it.
fn icon(folder: &Path) -> io::Result<String> {
    std::fs::create_dir_all(folder)?;
    let icon = folder.join("vigie.png");
    if std::fs::read(&icon).ok().as_deref() != Some(ICON) {
        std::fs::write(&icon, ICON)?;
    }
    Ok(icon.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_names_the_program_its_icon_and_its_activator() {
        assert_eq!(class(), "{7D1B0C7E-5F0A-4E0C-9D3E-2B6A1C5E8F47}");
        let path = format!(r"Software\Vigie-test-{}", std::process::id());
        let user = RegKey::predef(HKEY_CURRENT_USER);
        let (classes, _) = user.create_subkey(&path).unwrap();
        write(&classes, &class(), r#""C:\Vigie\vigie.exe""#).unwrap();
        let app = classes.open_subkey(format!(r"AppUserModelId\{APP_ID}")).unwrap();
        let value = |key: &RegKey, name| -> String { key.get_value(name).unwrap() };
        assert_eq!(value(&app, "DisplayName"), "Vigie");
        assert_eq!(value(&app, "CustomActivator"), class());
        assert!(std::fs::read(value(&app, "IconUri")).unwrap().starts_with(b"\x89PNG"));
        let server = classes.open_subkey(format!(r"CLSID\{}\LocalServer32", class())).unwrap();
        assert_eq!(value(&server, ""), r#""C:\Vigie\vigie.exe""#);
        user.delete_subkey_all(&path).unwrap();
    }
}
