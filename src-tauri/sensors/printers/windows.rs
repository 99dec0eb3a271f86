//! Reads the printers from the spooler.

use super::listed;
use crate::Events;
use crate::sensors::registry::{self, KeyWatch};
use crate::sensors::servers::{Server, of_unc_path};
use anyhow::Context;
use std::time::Duration;
use vigie_core::message::{Event, Printers};
use vigie_profile::Protocol;
use windows::Win32::Foundation::ERROR_INSUFFICIENT_BUFFER;
use windows::Win32::Graphics::Printing::{
    EnumPrintersW, GetDefaultPrinterW, PRINTER_ENUM_CONNECTIONS, PRINTER_ENUM_LOCAL, PRINTER_INFO_4W,
};
use windows::Win32::System::Registry::{
    HKEY, HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, REG_NOTIFY_CHANGE_LAST_SET, REG_NOTIFY_CHANGE_NAME, REG_NOTIFY_FILTER,
};
use windows::core::{PCWSTR, PWSTR, w};

/// The keys that hold the list and the default printer: the machine's printers and the user's connections to a server's
/// printers are keys, the default printer is a value.
const WATCHED_KEYS: [(HKEY, PCWSTR, REG_NOTIFY_FILTER); 3] = [
    (HKEY_LOCAL_MACHINE, w!(r"SYSTEM\CurrentControlSet\Control\Print\Printers"), REG_NOTIFY_CHANGE_NAME),
    (HKEY_CURRENT_USER, w!("Printers"), REG_NOTIFY_CHANGE_NAME),
    (HKEY_CURRENT_USER, w!(r"Software\Microsoft\Windows NT\CurrentVersion\Windows"), REG_NOTIFY_CHANGE_LAST_SET),
];

/// How long changes are collected before the list is read again: a new printer causes dozens of them.
const BURST: Duration = Duration::from_secs(1);

/// Local queues and connections to a print server's queues. Level 4 reads the registry alone, and so does not wait for
/// a server (<https://learn.microsoft.com/windows/win32/printdocs/enumprinters>).
pub(super) fn read() -> anyhow::Result<Printers> {
    let names: Vec<String> = names().context("EnumPrinters")?.iter().map(|name| queue(name).to_owned()).collect();
    Ok(Printers::Computer(listed(names, default().as_deref().map(queue))))
}

/// Returns the servers of the connections: each shares its queues by SMB too.
pub(super) fn servers() -> anyhow::Result<Vec<Server>> {
    let names = names().context("EnumPrinters")?.into_iter();
    Ok(names.filter_map(|name| Some((Protocol::Smb, of_unc_path(&name)?.to_owned()))).collect())
}

/// Sends the list once at the start, and again when a printer is added or removed or the default one changes.
pub async fn watch(events: Events) {
    // The thread sleeps until something changes, and ends with the program.
    let spawned = std::thread::Builder::new().name("printers".into()).spawn(move || follow(&events));
    if let Err(error) = spawned {
        tracing::warn!("no thread for printers: {error}");
    }
}

fn follow(events: &Events) {
    let watched = WATCHED_KEYS.map(|(root, path, filter)| KeyWatch::below(root, path, filter));
    let watched = watched.into_iter().flat_map(|watch| {
        watch.inspect_err(|error| tracing::warn!("some changes of printers will not be noticed: {error}")).ok()
    });
    let watched: Vec<KeyWatch> = watched.filter(KeyWatch::arm).collect();
    while events.send(Event::Printers(super::read())).is_ok() {
        let Some(changed) = registry::wait(&watched) else { return };
        std::thread::sleep(BURST);
        // Before the list is read, so that a change meanwhile is noticed afterwards.
        if !changed.arm() {
            return tracing::warn!("changes of printers will not be noticed any more");
        }
    }
}

fn names() -> windows::core::Result<Vec<String>> {
    let flags = PRINTER_ENUM_LOCAL | PRINTER_ENUM_CONNECTIONS;
    let (mut needed, mut count) = (0, 0);
    // Words, so that the records in the buffer are aligned.
    let mut buffer: Vec<u64> = Vec::new();
    loop {
        // SAFETY: a `u64` may be seen as 8 bytes, and the slice ends before `buffer` is used again.
        let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.as_mut_ptr().cast::<u8>(), buffer.len() * 8) };
        // SAFETY: the buffer and the counters outlive the call.
        match unsafe { EnumPrintersW(flags, PCWSTR::null(), 4, Some(bytes), &raw mut needed, &raw mut count) } {
            Ok(()) => break,
            Err(error) if error.code() == ERROR_INSUFFICIENT_BUFFER.to_hresult() => {
                buffer.resize((needed as usize).div_ceil(8), 0);
            }
            Err(error) => return Err(error),
        }
    }
    if count == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: on success the buffer begins with `count` records of level 4.
    let records = unsafe { std::slice::from_raw_parts(buffer.as_ptr().cast::<PRINTER_INFO_4W>(), count as usize) };
    // SAFETY: a record's name, if it has one, is a string in the same buffer that ends in 0.
    let name = |record: &PRINTER_INFO_4W| unsafe { record.pPrinterName.to_string() }.ok();
    let named = records.iter().filter(|record| !record.pPrinterName.is_null());
    Ok(named.filter_map(name).collect())
}

fn default() -> Option<String> {
    let mut buffer = [0; 512];
    let mut length = 512;
    // SAFETY: the buffer outlives the call and `length` is its size in characters.
    let found = unsafe { GetDefaultPrinterW(Some(PWSTR(buffer.as_mut_ptr())), &raw mut length) };
    // Counts the 0 at the end.
    let end = usize::try_from(length).ok()?.checked_sub(1)?;
    found.as_bool().then(|| String::from_utf16_lossy(buffer.get(..end).unwrap_or_default()))
}

/// Returns the queue's name; a connection to a server is called `\\server\queue`.
fn queue(name: &str) -> &str {
    name.strip_prefix(r"\\").and_then(|rest| rest.split_once('\\')).map_or(name, |(_, queue)| queue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_is_named_by_its_queue() {
        assert_eq!(queue(r"\\172.26.66.73\I14RC-DSI-RDC"), "I14RC-DSI-RDC");
        assert_eq!(of_unc_path(r"\\172.26.66.73\I14RC-DSI-RDC"), Some("172.26.66.73"));
        assert_eq!(queue("Microsoft Print to PDF"), "Microsoft Print to PDF");
        assert_eq!(of_unc_path("Microsoft Print to PDF"), None);
        assert_eq!(queue(r"\\server"), r"\\server");
    }

    /// Writes the keys that Windows keeps of a printer; wine's spooler reads them.
    #[tokio::test]
    async fn added_default_and_removed_printers_are_sent() {
        use std::path::Path;
        use winreg::RegKey;
        crate::wine::only();
        let machine = RegKey::predef(winreg::enums::HKEY_LOCAL_MACHINE);
        let user = RegKey::predef(winreg::enums::HKEY_CURRENT_USER);
        let name = "I14RC-DSI-RDC";
        let path = format!(r"SYSTEM\CurrentControlSet\Control\Print\Printers\{name}");
        let (windows, _) = user.create_subkey(r"Software\Microsoft\Windows NT\CurrentVersion\Windows").unwrap();
        user.create_subkey("Printers").unwrap();
        machine.create_subkey(Path::new(&path).parent().unwrap()).unwrap();
        let (events, mut sent) = tokio::sync::mpsc::unbounded_channel();
        watch(events).await;
        let mut now = async || {
            let next = tokio::time::timeout(Duration::from_secs(30), sent.recv()).await.unwrap().unwrap();
            let Event::Printers(vigie_core::message::Reading::Known(Printers::Computer(list))) = next else {
                panic!("{next:?}")
            };
            list.into_iter().find(|printer| printer.name == name).map(|printer| printer.default)
        };
        assert_eq!(now().await, None);
        let (printer, _) = machine.create_subkey(&path).unwrap();
        for (value, text) in [("Name", name), ("Port", "LPT1:"), ("Printer Driver", "wineps.drv")] {
            printer.set_value(value, &text).unwrap();
        }
        assert_eq!(now().await, Some(false));
        windows.set_value("Device", &format!("{name},winspool,LPT1:")).unwrap();
        assert_eq!(now().await, Some(true));
        windows.delete_value("Device").unwrap();
        assert_eq!(now().await, Some(false));
        machine.delete_subkey_all(&path).unwrap();
        assert_eq!(now().await, None);
    }

    #[test]
    fn spooler_lists_printers() {
        let Printers::Computer(printers) = read().expect("every Windows has a spooler") else { panic!("a server") };
        assert!(printers.iter().filter(|printer| printer.default).count() <= 1);
    }
}
