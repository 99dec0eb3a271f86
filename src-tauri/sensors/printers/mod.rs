//! The installed printers, and which one is the default.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(any(target_os = "linux", windows)), path = "other.rs")]
mod system;
#[cfg(windows)]
pub use system::watch;

use vigie_core::message::{Printer, Reading};

/// TrackerRequests the machine's own print service; a print server on the network is not asked. Blocking, and quick; a service
/// that hangs is given up after some seconds.
pub fn read() -> Reading<Vec<Printer>> {
    match system::read() {
        Ok(printers) => Reading::Known(printers),
        Err(error) => Reading::Unavailable(format!("{error:#}")),
    }
}

/// The queues by name, the default one first.
fn listed(mut names: Vec<String>, default: Option<&str>) -> Vec<Printer> {
    names.sort();
    names.dedup();
    let mut printers: Vec<Printer> =
        names.into_iter().map(|name| Printer { default: default == Some(&*name), name }).collect();
    printers.sort_by_key(|printer| !printer.default);
    printers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_one_stands_first() {
        let names = ["b", "a", "c", "a"].map(str::to_owned).to_vec();
        let printers = listed(names, Some("c"));
        let shown: Vec<_> = printers.iter().map(|printer| (&*printer.name, printer.default)).collect();
        assert_eq!(shown, [("c", true), ("a", false), ("b", false)]);
    }
}
