//! systemd's journal.

use std::ffi::OsStr;
use tracing_subscriber::Layer;

/// The journal, where standard error leads there: then every line keeps its level and its fields.
pub fn layer() -> Option<super::Output> {
    let stream = std::env::var_os("JOURNAL_STREAM")?;
    let stderr = rustix::fs::fstat(std::io::stderr()).ok()?;
    if !is(&stream, stderr.st_dev, stderr.st_ino) {
        return None;
    }
    Some(tracing_journald::layer().ok()?.with_syslog_identifier("vigie".into()).boxed())
}

/// Whether `JOURNAL_STREAM`, `device:inode` (systemd.exec(5)), names this file. A child inherits the variable even
/// where its standard error leads elsewhere.
fn is(stream: &OsStr, device: u64, inode: u64) -> bool {
    stream.to_str() == Some(&format!("{device}:{inode}"))
}
