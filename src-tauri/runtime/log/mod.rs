//! The log, in English: a file a day in the state folder, and standard error or the journal.
//!
//! Everything is written at once and by whoever says it. The log is sparse, so nothing is gained by a thread that
//! writes it later, and nothing is lost in a crash.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod journal;

use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// The variable that says what is logged, in the form of `tracing_subscriber::EnvFilter`; it overrules the levels
/// below.
pub const VARIABLE: &str = "VIGIE_LOG";

/// So many days are kept.
const DAYS: usize = 7;

type Output = Box<dyn Layer<Registry> + Send + Sync>;

/// Begins to log. With `to_file`, into `log/vigie.DATE.log` in the state folder (on Unix `vigie.log` leads to the
/// newest), and a banner says what runs. Under systemd into the journal; else to standard error where that is a
/// terminal, or where a `stderr_level` (`error`, …, `trace`) asks for it. Levels unless said otherwise: `info` for
/// Vigie, `warn` for the libraries. Panics are logged too.
///
/// A log that cannot be had is reported in the others, and stops nothing.
pub fn init(stderr_level: Option<&str>, to_file: bool) {
    let folder = to_file.then(folder).flatten();
    let variable = std::env::var(VARIABLE).ok();
    let filter = |level| filter(variable.as_deref(), level);
    let mut outputs: Vec<Output> = Vec::new();
    let mut trouble = None;
    if let Some(folder) = &folder {
        match file(folder) {
            Ok(file) => {
                let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(file);
                outputs.push(layer.with_filter(filter("info")).boxed());
            }
            Err(error) => trouble = Some(error),
        }
    }
    let level = stderr_level.unwrap_or("info");
    if let Some(journal) = journal::layer() {
        outputs.push(journal.with_filter(filter(level)).boxed());
    } else if stderr_level.is_some() || stderr().is_terminal() {
        let layer = tracing_subscriber::fmt::layer().with_ansi(stderr().is_terminal()).with_writer(stderr);
        outputs.push(layer.with_filter(filter(level)).boxed());
    }
    if let Err(error) = tracing_subscriber::registry().with(outputs).try_init() {
        // Somebody logs already (a test); the panics are his too.
        tracing::warn!("the log was begun before: {error}");
        return;
    }
    log_panics();
    if let Some(error) = trouble {
        tracing::warn!("no log file: {error:#}");
    }
    if to_file {
        let system = sysinfo::System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.into());
        tracing::info!("Vigie {} on {system}, {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    }
}

/// Where the log files stand; `None` where the user has no home.
pub fn folder() -> Option<PathBuf> {
    Some(super::store::state_dir()?.join("log"))
}

fn file(folder: &Path) -> anyhow::Result<RollingFileAppender> {
    // The folder keeps others out of the files, whatever rights these are made with.
    super::store::create_private_dir(folder)?;
    let mut files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("vigie")
        .filename_suffix("log")
        .max_log_files(DAYS);
    // On Windows a link is the administrator's to make.
    if cfg!(unix) {
        files = files.latest_symlink("vigie.log");
    }
    Ok(files.build(folder)?)
}

fn filter(variable: Option<&str>, level: &str) -> EnvFilter {
    match variable.filter(|variable| !variable.is_empty()) {
        Some(variable) => EnvFilter::builder().parse_lossy(variable),
        // The verifier takes every certificate that it refuses for an error; here it is a portal, and the probe says why.
        None => EnvFilter::builder().parse_lossy(format!("warn,rustls_platform_verifier=off,vigie={level}")),
    }
}

fn log_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        tracing::error!("thread '{}' {panic}", thread.name().unwrap_or("unnamed"));
        before(panic);
    }));
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
