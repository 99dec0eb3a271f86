//! Who shows the toasts, as Windows is to know it: an AppUserModelID with a name, an icon and an activator.
//!
//! The installer registers it for everybody, under `HKLM\Software\Classes`. Where Vigie runs without an installer it does
//! so itself for its user, under `HKCU\Software\Classes`
//! (<https://learn.microsoft.com/windows/apps/develop/notifications/app-notifications/send-local-toast-other-apps>).

use crate::shell::store::state_dir;
use std::io;
use std::path::Path;
use windows::Win32::UI::Shell::SetCurrentProcessExplicitAppUserModelID;
use windows::core::{GUID, HSTRING};
use winreg::RegKey;
use winreg::enums::{HKEY_CLASSES_ROOT, HKEY_CURRENT_USER};

/// The name under which Windows knows the program. The installer's Start-menu shortcut carries the same.
pub const APP_ID: &str = "fr.ac_normandie.vigie";

/// The activator's class. The installer registers the same.
pub const CLASS: GUID = GUID::from_u128(0x7d1b0c7e_5f0a_4e0c_9d3e_2b6a1c5e8f47);

/// The icon in the Action Centre.
const ICON: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/icons/icon.png"));

/// Takes the identity, and sees to it that Windows knows it.
pub fn register() -> windows::core::Result<()> {
    // SAFETY: the string outlives the call.
    unsafe { SetCurrentProcessExplicitAppUserModelID(&HSTRING::from(APP_ID)) }?;
    let class = class();
    let known = RegKey::predef(HKEY_CLASSES_ROOT).open_subkey(format!(r"CLSID\{class}\LocalServer32"));
    let program = std::env::current_exe().map_err(windows::core::Error::from)?;
    let command = format!("\"{}\"", program.display());
    if known.and_then(|key| key.get_value("")).is_ok_and(|known: String| known.eq_ignore_ascii_case(&command)) {
        return Ok(());
    }
    let classes = RegKey::predef(HKEY_CURRENT_USER).create_subkey(r"Software\Classes").map(|(key, _)| key);
    classes.and_then(|classes| write(&classes, &class, &command)).map_err(windows::core::Error::from)
}

/// The class as the registry writes it.
fn class() -> String {
    format!("{{{CLASS:?}}}")
}

fn write(classes: &RegKey, class: &str, command: &str) -> io::Result<()> {
    let (app, _) = classes.create_subkey(format!(r"AppUserModelId\{APP_ID}"))?;
    app.set_value("DisplayName", &"Vigie")?;
    app.set_value("CustomActivator", &class)?;
    match state_dir().map(|folder| icon(&folder)) {
        Some(Ok(icon)) => app.set_value("IconUri", &icon)?,
        Some(Err(error)) => tracing::warn!("notifications have no icon: {error}"),
        None => {}
    }
    // COM starts it where no Vigie runs, with the argument -Embedding; see `cli`.
    classes.create_subkey(format!(r"CLSID\{class}\LocalServer32"))?.0.set_value("", &command)
}

/// Windows reads the icon from a file.
fn icon(folder: &Path) -> io::Result<String> {
    std::fs::create_dir_all(folder)?;
    let icon = folder.join("vigie.png");
    if std::fs::read(&icon).ok().as_deref() != Some(ICON) {
        std::fs::write(&icon, ICON)?;
    }
    Ok(icon.display().to_string())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_registry_names_the_program_its_icon_and_its_activator() {
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
