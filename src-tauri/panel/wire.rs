//! The panel's end of the wire to the tray: JSON, one value a line ([`vigie::runtime::panel`]).

use std::io::{self, BufRead, IsTerminal, Read, Write};
use vigie::runtime::panel::{FromPanel, LINE_LIMIT, ToPanel};
use zeroize::Zeroizing;

/// Bytes that a form has at most on the wire, as a rule; room for it is made at once, since what grows leaves copies.
const FORM_ROOM: usize = 16 * 1024;

/// What goes wrong is written to standard error, which is the tray's.
pub fn log() {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).without_time().init();
}

/// The tray's next word; `None` at the end, or where it cannot be understood.
pub fn hear() -> Option<ToPanel> {
    let mut line = Vec::new();
    if let Err(error) = io::stdin().lock().take(LINE_LIMIT).read_until(b'\n', &mut line) {
        tracing::error!(%error, "the tray cannot be heard");
        return None;
    }
    if line.is_empty() {
        return None;
    }
    serde_json::from_slice(&line).inspect_err(|error| tracing::error!(%error, "the tray said something else")).ok()
}

/// Tells the tray. Where it is gone, so is its end of our input, and the panel ends on that.
pub fn say(word: &FromPanel) {
    // Written in one piece that ends with the line: standard output then keeps no copy.
    let mut line = Zeroizing::new(Vec::with_capacity(FORM_ROOM));
    let said = serde_json::to_writer(&mut *line, word).map_err(io::Error::from);
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    let said = said.and_then(|()| stdout.write_all(&line)).and_then(|()| stdout.flush());
    if let Err(error) = said {
        tracing::warn!(%error, "the tray does not listen");
    }
}
