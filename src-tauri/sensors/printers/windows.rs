//! The spooler's list.

use super::listed;
use crate::core::state::Printer;
use anyhow::Context;
use windows::Win32::Foundation::ERROR_INSUFFICIENT_BUFFER;
use windows::Win32::Graphics::Printing::{
    EnumPrintersW, GetDefaultPrinterW, PRINTER_ENUM_CONNECTIONS, PRINTER_ENUM_LOCAL, PRINTER_INFO_4W,
};
use windows::core::{PCWSTR, PWSTR};

/// Local queues and connections to a print server's queues. Level 4 reads the registry alone, and so does not wait for
/// a server (<https://learn.microsoft.com/windows/win32/printdocs/enumprinters>).
pub(super) fn read() -> anyhow::Result<Vec<Printer>> {
    let names = names().context("EnumPrinters")?;
    Ok(listed(names, default().as_deref().map(queue)))
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
    // SAFETY: a record's name, where there is one, is a string in the same buffer that ends in 0.
    let name = |record: &PRINTER_INFO_4W| unsafe { record.pPrinterName.to_string() }.ok();
    let named = records.iter().filter(|record| !record.pPrinterName.is_null());
    Ok(named.filter_map(name).map(|name| queue(&name).to_owned()).collect())
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

/// A connection is called `\\server\queue`.
fn queue(name: &str) -> &str {
    name.strip_prefix(r"\\").and_then(|rest| rest.split_once('\\')).map_or(name, |(_, queue)| queue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_known_by_its_queue() {
        assert_eq!(queue(r"\\172.26.66.73\I14RC-DSI-RDC"), "I14RC-DSI-RDC");
        assert_eq!(queue("Microsoft Print to PDF"), "Microsoft Print to PDF");
        assert_eq!(queue(r"\\server"), r"\\server");
    }

    #[test]
    fn the_spooler_answers() {
        let printers = read().expect("every Windows has a spooler");
        assert!(printers.iter().filter(|printer| printer.default).count() <= 1);
    }
}
