//! Reads the installed printers, and which one is the default.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;
#[cfg(windows)]
pub use system::watch;

use super::servers::Server;
use vigie_core::message::{Printer, Printers, Reading};
use vigie_core::sanitize::sanitize;

/// Asks the machine's own print service, but no server on the network. Blocking, but quick; a service that hangs is given up
/// after some seconds.
pub fn read() -> Reading<Printers> {
    match system::read() {
        Ok(printers) => Reading::Known(printers),
        Err(error) => Reading::Unavailable(format!("{error:#}")),
    }
}

/// Returns the print servers of this computer's queues, those that speak IPP or SMB.
pub(super) fn servers() -> anyhow::Result<Vec<Server>> {
    system::servers()
}

/// Returns the queues by name, the default one first, even if it is not installed on this computer.
fn listed(names: Vec<String>, default: Option<&str>) -> Vec<Printer> {
    let clean = |name: &str| Some(sanitize(name)).filter(|name| !name.is_empty());
    let mut names: Vec<String> = names.iter().filter_map(|name| clean(name)).collect();
    names.sort();
    names.dedup();
    let default = default.and_then(clean);
    let elsewhere = default.iter().filter(|default| !names.contains(default)).cloned();
    let elsewhere = elsewhere.map(|name| Printer { name, default: true, installed: false }).collect::<Vec<_>>();
    let installed = names.into_iter();
    let installed = installed.map(|name| Printer { default: default.as_ref() == Some(&name), name, installed: true });
    let mut printers: Vec<Printer> = elsewhere.into_iter().chain(installed).collect();
    printers.sort_by_key(|printer| !printer.default);
    printers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_printer_is_listed_first() {
        let names = ["b", "a", "c", "a"].map(str::to_owned).to_vec();
        let listed = |default| -> Vec<_> {
            let printers = listed(names.clone(), Some(default)).into_iter();
            printers.map(|printer| (printer.name, printer.default, printer.installed)).collect()
        };
        let shown = |name: &str, default, installed| (name.to_owned(), default, installed);
        assert_eq!(listed("c"), [shown("c", true, true), shown("a", false, true), shown("b", false, true)]);
        let installed = [shown("a", false, true), shown("b", false, true), shown("c", false, true)];
        assert_eq!(listed("x"), [&[shown("x", true, false)][..], &installed].concat());
        assert_eq!(listed("\u{1b}"), installed);
    }

    #[test]
    fn names_are_sanitized() {
        let printers = listed(vec!["I14\u{1b}[2J\u{202e}RC".into(), "\u{200b}".into()], None);
        assert_eq!(printers.len(), 1);
        assert_eq!(printers[0].name, "I14[2JRC");
    }
}
