//! A system that Vigie does not know closely.

use vigie_core::message::Printer;

/// Not read here.
pub(super) fn read() -> anyhow::Result<Vec<Printer>> {
    anyhow::bail!("not read on this system")
}
