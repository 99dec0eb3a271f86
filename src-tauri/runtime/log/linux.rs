//! Logging to systemd's journal.

use std::ffi::OsStr;
use tracing_subscriber::Layer;

/// Returns a layer that writes to the journal, if standard error is connected to it: so entries keep their level and
/// fields.
pub fn layer() -> Option<super::Output> {
    let stream = std::env::var_os("JOURNAL_STREAM")?;
    let stderr = rustix::fs::fstat(std::io::stderr()).ok()?;
    if !names(&stream, stderr.st_dev, stderr.st_ino) {
        return None;
    }
    Some(tracing_journald::layer().ok()?.with_syslog_identifier("vigie".into()).boxed())
}

/// Returns whether `JOURNAL_STREAM`, `device:inode` (systemd.exec(5)), names this file. A child process inherits the
/// variable even if its standard error is redirected.
fn names(stream: &OsStr, device: u64, inode: u64) -> bool {
    stream.to_str() == Some(&format!("{device}:{inode}"))
}
