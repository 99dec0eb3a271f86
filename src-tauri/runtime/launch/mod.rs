//! Starts programs, opens links and drives, dials telephone codes: only what the profile names, and never through a shell.
//!
//! What is started is independent of Vigie: no terminal, no pipes, a process group of its own. It outlives Vigie.

#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(target_os = "linux", path = "linux.rs")]
mod system;

#[cfg(target_os = "linux")]
mod desktop;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use vigie_core::digits::Digits;
use vigie_core::message::{Call, LaunchOutcome, LaunchResult, LaunchTarget};
use vigie_profile::{Profile, Program};

/// A program that exits with an error within this time has failed to start.
const START_PERIOD: Duration = Duration::from_secs(1);

/// How long the search for a program may take. Folders on an unreachable server can delay it for minutes.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(10);

/// How many levels of folders below a folder of applications are searched.
const APPLICATIONS_DEPTH: usize = 4;

/// Starts the target, and returns the outcome after about a second: the time in which a program may fail to start.
pub async fn launch(profile: &Profile, what: &LaunchTarget) -> LaunchResult {
    Launcher { profile, paths: Arc::new(SearchPaths::system()) }.launch(what).await
}

/// Whether no candidate of that program exists. A search that fails has not shown that.
pub async fn is_missing(profile: &Profile, id: &str) -> bool {
    let launcher = Launcher { profile, paths: Arc::new(SearchPaths::system()) };
    match profile.program(id) {
        Some(program) => matches!(launcher.search(program).await, Ok(None)),
        None => true,
    }
}

/// Returns the value of a variable of the environment.
type Environment = dyn Fn(&str) -> Option<OsString> + Send + Sync;

/// Where programs and shortcuts are searched for.
struct SearchPaths {
    variable: Box<Environment>,
    /// The folder that `~` means.
    home: Option<PathBuf>,
    /// Lists the folders with shortcuts. Called only for a shortcut, and on a thread that may block.
    shortcut_folders: Box<dyn Fn() -> Vec<ShortcutFolder> + Send + Sync>,
}

/// A folder with shortcuts, and how many levels of folders below it are searched.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ShortcutFolder {
    path: PathBuf,
    depth: usize,
}

impl ShortcutFolder {
    /// A desktop, which may be full of other things and lie on a server: only its own entries count.
    fn desktop(path: PathBuf) -> ShortcutFolder {
        ShortcutFolder { path, depth: 0 }
    }

    fn applications(path: PathBuf) -> ShortcutFolder {
        ShortcutFolder { path, depth: APPLICATIONS_DEPTH }
    }

    /// Lists the files, those of each folder before those below it. Symbolic links to folders are not followed.
    fn files(&self) -> Vec<PathBuf> {
        let (mut files, mut folders) = (Vec::new(), vec![self.path.clone()]);
        for _ in 0..=self.depth {
            let mut below = Vec::new();
            for entry in folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => below.push(entry.path()),
                    Ok(_) => files.push(entry.path()),
                    Err(_) => {}
                }
            }
            folders = below;
        }
        files
    }
}

impl SearchPaths {
    fn system() -> SearchPaths {
        SearchPaths {
            variable: Box::new(|name| std::env::var_os(name)),
            home: dirs::home_dir(),
            shortcut_folders: Box::new(system::shortcut_folders),
        }
    }

    /// Finds a program on PATH by its bare name.
    fn on_path(&self, name: &str) -> Option<PathBuf> {
        which::which_in_global(name, (self.variable)("PATH")).ok()?.next()
    }

    /// Returns the first candidate that exists.
    fn find(&self, candidates: &[String]) -> Option<LaunchCommand> {
        candidates.iter().find_map(|candidate| {
            if let Some(name) = candidate.strip_prefix("shortcut:") {
                return system::shortcut(self, name);
            }
            if !candidate.contains(['/', '\\']) {
                return Some(LaunchCommand::new(self.on_path(candidate)?));
            }
            let path = self.expand(candidate)?;
            (path.is_absolute() && path.is_file()).then(|| LaunchCommand::new(path))
        })
    }

    /// Expands a path of the profile.
    fn expand(&self, text: &str) -> Option<PathBuf> {
        vigie_profile::expand(text, self.home.as_deref(), &self.variable)
    }
}

/// A program that was found, and how to start it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LaunchCommand {
    /// The program, or on Windows a shortcut.
    program: PathBuf,
    arguments: Vec<String>,
    /// The working directory, if a shortcut names one.
    folder: Option<PathBuf>,
}

impl LaunchCommand {
    fn new(program: PathBuf) -> LaunchCommand {
        LaunchCommand { program, arguments: Vec::new(), folder: None }
    }
}

struct Launcher<'a> {
    profile: &'a Profile,
    paths: Arc<SearchPaths>,
}

impl Launcher<'_> {
    async fn launch(&self, what: &LaunchTarget) -> LaunchResult {
        let outcome = match what {
            LaunchTarget::Program(id) => self.start_program(id, None).await,
            LaunchTarget::Client => self.start_program(&self.profile.vpn.client, None).await,
            LaunchTarget::Session(number) => self.start_program(&self.profile.remote_support, Some(number)).await,
            LaunchTarget::Link(id) => self.open_link(id).await,
            LaunchTarget::Portal => outcome(self.open_web(&self.profile.vpn.portal_url).await),
            LaunchTarget::Settings(page) => outcome(system::open_settings(&self.paths, *page).await),
            LaunchTarget::Drive(_, Some(path)) => self.open_drive(path).await,
            LaunchTarget::Drive(_, None) => LaunchOutcome::Missing,
            LaunchTarget::Call(call) => self.dial(call).await,
        };
        match &outcome {
            LaunchOutcome::Failed(why) => tracing::warn!("{what:?} was not started: {why}"),
            LaunchOutcome::Started
            | LaunchOutcome::MissingOpenedSelfService
            | LaunchOutcome::MissingOpenedDownload
            | LaunchOutcome::Missing => tracing::info!("{what:?}: {outcome:?}"),
        }
        LaunchResult { target: what.clone(), outcome }
    }

    /// Starts a program, with the number of a session if it takes one; otherwise the user types it there.
    async fn start_program(&self, id: &str, session: Option<&Digits>) -> LaunchOutcome {
        let Some(program) = self.profile.program(id) else { return LaunchOutcome::Missing };
        match self.find(program).await {
            Some(mut command) => {
                let session = session.map(|number| option(program.session_option.as_deref(), number.as_str()));
                command.arguments.extend(session.into_iter().flatten());
                outcome(system::start(command).await)
            }
            None => self.offer_replacement(program).await,
        }
    }

    /// Offers the next step for a missing program: WAPT, otherwise the download address.
    async fn offer_replacement(&self, program: &Program) -> LaunchOutcome {
        let service = self.profile.program(&self.profile.wapt.program).filter(|service| service.id != program.id);
        if let (Some(service), Some(text)) = (service, &program.wapt_search)
            && let Some(mut command) = self.find(service).await
        {
            command.arguments.extend(option(service.search_option.as_deref(), text));
            match system::start(command).await {
                Ok(()) => return LaunchOutcome::MissingOpenedSelfService,
                Err(why) => tracing::warn!("{} was not started: {why}", service.id),
            }
        }
        if let Some(url) = &program.download {
            match self.open_web(url).await {
                Ok(()) => return LaunchOutcome::MissingOpenedDownload,
                Err(why) => tracing::warn!("{url} was not opened: {why}"),
            }
        }
        LaunchOutcome::Missing
    }

    /// Returns how to start the program, if it is found in time.
    async fn find(&self, program: &Program) -> Option<LaunchCommand> {
        let mut command = self.search(program).await.ok().flatten()?;
        command.arguments.extend(program.arguments.iter().cloned());
        Some(command)
    }

    /// Searches for the program on another thread. Fails if that takes too long.
    async fn search(&self, program: &Program) -> io::Result<Option<LaunchCommand>> {
        let (paths, candidates) = (self.paths.clone(), program.candidates.here().clone());
        let search = tokio::task::spawn_blocking(move || paths.find(&candidates));
        let found = tokio::time::timeout(SEARCH_TIMEOUT, search).await;
        let found = found.inspect_err(|_| tracing::warn!("{}: search timed out", program.id));
        Ok(found??)
    }

    /// Opens a link of the profile in the browser.
    async fn open_link(&self, id: &str) -> LaunchOutcome {
        match self.profile.link(id) {
            Some(link) => outcome(self.open_web(&link.url).await),
            None => LaunchOutcome::Missing,
        }
    }

    /// Opens a web address in the browser; refuses any other address.
    async fn open_web(&self, url: &str) -> Result<(), String> {
        if !is_address(url, &["http", "https"]) {
            return Err(format!("{url} is not a web address"));
        }
        system::open(&self.paths, OsStr::new(url)).await
    }

    /// Opens a network drive in the file manager.
    async fn open_drive(&self, path: &str) -> LaunchOutcome {
        // Any other text could be taken for an option or another kind of address.
        if !Path::new(path).is_absolute() && !is_address(path, &["smb"]) {
            return LaunchOutcome::Failed(format!("{path} is neither an absolute path nor a share's address"));
        }
        outcome(system::open(&self.paths, OsStr::new(path)).await)
    }

    /// Opens the `tel:` address of a call with the program that the system has for it. `Missing` if the profile has no
    /// such code, or if a number is given and the code takes none.
    async fn dial(&self, call: &Call) -> LaunchOutcome {
        let Some(dial_string) = call.dial_string(self.profile) else { return LaunchOutcome::Missing };
        match tel_uri(&dial_string) {
            Some(uri) => outcome(system::open(&self.paths, OsStr::new(&uri)).await),
            None => LaunchOutcome::Failed(format!("{dial_string} cannot be dialled")),
        }
    }
}

/// Turns the system's result into an outcome.
fn outcome(result: Result<(), String>) -> LaunchOutcome {
    match result {
        Ok(()) => LaunchOutcome::Started,
        Err(why) => LaunchOutcome::Failed(why),
    }
}

/// Returns an option and its value: `--search=TEXT`, or two arguments if the option does not end with `=`.
fn option(option: Option<&str>, value: &str) -> Vec<String> {
    match option {
        Some(option) if option.ends_with('=') => vec![format!("{option}{value}")],
        Some(option) => vec![option.into(), value.into()],
        None => Vec::new(),
    }
}

/// Returns whether an address has one of these schemes and a host, and no character at which it could be split into
/// several arguments.
fn is_address(url: &str, schemes: &[&str]) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known))
        && rest.starts_with(|first: char| first.is_alphanumeric() || first == '[')
        && !url.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '"' | '<' | '>' | '\\'))
}

/// Returns the `tel:` address of a dial string (RFC 3966: `*` and digits are literal, `#` would begin a fragment).
fn tel_uri(dial_string: &str) -> Option<String> {
    let fits =
        !dial_string.is_empty() && dial_string.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '#' | '+'));
    fits.then(|| format!("tel:{}", dial_string.replace('#', "%23")))
}

/// Compares names ignoring case, also that of accented letters.
fn is_same_name(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// Starts the program, and waits a moment for it to fail.
async fn spawn(mut command: std::process::Command) -> io::Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = tokio::process::Command::from(command).spawn()?;
    match tokio::time::timeout(START_PERIOD, child.wait()).await {
        Ok(status) => match status? {
            status if status.success() => Ok(()),
            status => Err(io::Error::other(format!("exited at once: {status}"))),
        },
        Err(_) => {
            // It runs. Reap it when it ends.
            tokio::spawn(async move { child.wait().await });
            Ok(())
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
