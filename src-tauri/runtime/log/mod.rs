//! The log, in English: daily files in the state folder, and standard error or the journal.
//!
//! Entries are written synchronously, by the thread that logs them. There are few of them, so a background thread would
//! gain nothing, and a crash loses none.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod journal;

use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// The environment variable that overrides the log levels, in the syntax of [`Targets`]: `debug`, `vigie=debug,zbus=warn`.
pub const VARIABLE: &str = "VIGIE_LOG";

/// Number of daily log files that are kept.
const MAX_LOG_FILES: usize = 7;

type Output = Box<dyn Layer<Registry> + Send + Sync>;

/// Initialises logging, and logs panics.
///
/// With `to_file`, writes `log/vigie.DATE.log` in the state folder (on Unix `vigie.log` is a link to the newest one),
/// beginning with Vigie's version and the system's. Under systemd, writes to the journal; otherwise to standard error, if
/// that is a terminal or a `stderr_level` is given. The default levels are `info` for Vigie and `warn` for libraries.
///
/// If one of these outputs is not available, the others report it.
pub fn init(stderr_level: Option<LevelFilter>, to_file: bool) {
    let folder = to_file.then(folder).flatten();
    let variable = std::env::var(VARIABLE).ok();
    let filter = |level| filter(variable.as_deref(), level);
    let mut outputs: Vec<Output> = Vec::new();
    let mut file_error = None;
    if let Some(folder) = &folder {
        match file(folder) {
            Ok(file) => {
                let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(file);
                outputs.push(layer.with_filter(filter(LevelFilter::INFO)).boxed());
            }
            Err(error) => file_error = Some(error),
        }
    }
    let level = stderr_level.unwrap_or(LevelFilter::INFO);
    if let Some(journal) = journal::layer() {
        outputs.push(journal.with_filter(filter(level)).boxed());
    } else if stderr_level.is_some() || stderr().is_terminal() {
        let layer = tracing_subscriber::fmt::layer().with_ansi(stderr().is_terminal()).with_writer(stderr);
        outputs.push(layer.with_filter(filter(level)).boxed());
    }
    if let Err(error) = tracing_subscriber::registry().with(outputs).try_init() {
        // A test has initialised it, and handles panics.
        tracing::warn!("logging is initialised already: {error}");
        return;
    }
    log_panics();
    if let Some(error) = file_error {
        tracing::warn!("no log file: {error:#}");
    }
    for directive in directives(variable.as_deref()).filter(|directive| !is_valid(directive)) {
        tracing::error!("{VARIABLE}: `{directive}` is ignored; expected a level or TARGET=LEVEL");
    }
    if to_file {
        let system = sysinfo::System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.into());
        tracing::info!("Vigie {} on {system}, {}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    }
}

/// Returns the folder of the log files; `None` if the user has no home folder.
pub fn folder() -> Option<PathBuf> {
    Some(super::store::state_dir()?.join("log"))
}

fn file(folder: &Path) -> anyhow::Result<RollingFileAppender> {
    // The folder's rights protect the files, whatever theirs are.
    super::store::create_private_dir(folder)?;
    let mut files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("vigie")
        .filename_suffix("log")
        .max_log_files(MAX_LOG_FILES);
    // On Windows only administrators may create links.
    if cfg!(unix) {
        files = files.latest_symlink("vigie.log");
    }
    Ok(files.build(folder)?)
}

/// Returns the levels that the variable gives, without the directives that are invalid; by default `level` for Vigie.
fn filter(variable: Option<&str>, level: LevelFilter) -> Targets {
    let given = directives(variable).filter(|directive| is_valid(directive)).collect::<Vec<_>>();
    if given.is_empty() {
        // The verifier logs each refused certificate as an error. In a probe that is an ordinary result, which is reported.
        return Targets::new()
            .with_default(LevelFilter::WARN)
            .with_target("rustls_platform_verifier", LevelFilter::OFF)
            .with_target("vigie", level);
    }
    given.join(",").parse().unwrap_or_default()
}

fn directives(variable: Option<&str>) -> impl Iterator<Item = &str> {
    variable.unwrap_or_default().split(',').filter(|directive| !directive.is_empty())
}

fn is_valid(directive: &str) -> bool {
    directive.parse::<Targets>().is_ok()
}

fn log_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        tracing::error!("thread '{}' {panic}", thread.name().unwrap_or("unnamed"));
        before(panic);
    }));
}
