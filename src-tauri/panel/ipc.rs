//! The window's end of the IPC with the tray ([`vigie::runtime::panel`]): JSON, one value per line.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use vigie::runtime::panel::{FromPanel, MAX_LINE_TO_PANEL_BYTES, ToPanel};
use zeroize::Zeroizing;

/// Capacity of a line to the tray, allocated at once: reallocating would leave copies of a form's secrets.
const LINE_CAPACITY_BYTES: usize = 16 * 1024;

/// Logs to standard error, which is the tray's.
pub fn init_log() {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).without_time().init();
}

/// Waits for the next message of the tray. Returns `None` at the end of the input, or if the message is not understood.
pub fn receive() -> Option<ToPanel> {
    let mut line = Vec::new();
    if let Err(error) = io::stdin().lock().take(MAX_LINE_TO_PANEL_BYTES).read_until(b'\n', &mut line) {
        tracing::error!(%error, "cannot read from the tray");
        return None;
    }
    if line.is_empty() {
        return None;
    }
    serde_json::from_slice(&line).inspect_err(|error| tracing::error!(%error, "invalid message from the tray")).ok()
}

/// Sends a message to the tray. If the tray is gone, the end of the input ends this program.
pub fn send(message: &FromPanel) {
    // Written at once and up to the end of the line: standard output then keeps no copy.
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_CAPACITY_BYTES));
    let sent = serde_json::to_writer(&mut *line, message).map_err(io::Error::from);
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    let sent = sent.and_then(|()| stdout.write_all(&line)).and_then(|()| stdout.flush());
    if let Err(error) = sent {
        tracing::warn!(%error, "cannot write to the tray");
    }
}
