//! Starts programs, opens links and drives, dials. Only what the profile names, and never through a shell.
//!
//! What is started stands on its own: no terminal, no pipes, a process group of its own; it goes on when Vigie ends.

#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(windows), path = "unix.rs")]
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

/// A program that gives up within this time has not started.
const GIVES_UP_WITHIN: Duration = Duration::from_secs(1);

/// Starts it, and says what came of it. Takes about a second, because a program that gives up at once is told apart
/// from one that runs.
pub async fn launch(profile: &Profile, what: &LaunchTarget) -> LaunchResult {
    Launcher { profile, places: Arc::new(Places::system()) }.launch(what).await
}

/// The value of a variable, where it is set.
type Environment = dyn Fn(&str) -> Option<OsString> + Send + Sync;

/// Where things are looked for.
struct Places {
    /// The environment.
    variable: Box<Environment>,
    /// What `~` stands for.
    home: Option<PathBuf>,
    /// Folders with shortcuts, the nearest to the user first.
    shortcuts: Vec<PathBuf>,
}

impl Places {
    fn system() -> Places {
        Places {
            variable: Box::new(|name| std::env::var_os(name)),
            home: dirs::home_dir(),
            shortcuts: system::shortcut_folders(),
        }
    }

    /// The program of that bare name on PATH.
    fn on_path(&self, name: &str) -> Option<PathBuf> {
        which::which_in_global(name, (self.variable)("PATH")).ok()?.next()
    }

    /// The first of the candidates that is there.
    fn find(&self, candidates: &[String]) -> Option<Start> {
        candidates.iter().find_map(|candidate| {
            if let Some(name) = candidate.strip_prefix("shortcut:") {
                return system::shortcut(self, name);
            }
            if !candidate.contains(['/', '\\']) {
                return Some(Start::program(self.on_path(candidate)?));
            }
            let path = self.expand(candidate)?;
            (path.is_absolute() && path.is_file()).then(|| Start::program(path))
        })
    }

    /// The path that the profile means.
    fn expand(&self, text: &str) -> Option<PathBuf> {
        vigie_profile::expand(text, self.home.as_deref(), &self.variable)
    }
}

/// A program that was found, and how it is started.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Start {
    /// The program, or on Windows a shortcut.
    program: PathBuf,
    /// Its arguments.
    arguments: Vec<String>,
    /// The folder it is started in, where a shortcut says so.
    folder: Option<PathBuf>,
}

impl Start {
    fn program(program: PathBuf) -> Start {
        Start { program, arguments: Vec::new(), folder: None }
    }
}

struct Launcher<'a> {
    profile: &'a Profile,
    places: Arc<Places>,
}

impl Launcher<'_> {
    async fn launch(&self, what: &LaunchTarget) -> LaunchResult {
        let outcome = match what {
            LaunchTarget::Program(id) => self.program(id, None).await,
            LaunchTarget::Client => self.program(&self.profile.vpn.client, None).await,
            LaunchTarget::Session(number) => self.program(&self.profile.remote_support, Some(number)).await,
            LaunchTarget::Link(id) => self.link(id).await,
            LaunchTarget::Drive(_, Some(path)) => self.drive(path).await,
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

    /// A program that takes no session's number is started all the same: there the user types it.
    async fn program(&self, id: &str, session: Option<&Digits>) -> LaunchOutcome {
        let Some(program) = self.profile.program(id) else { return LaunchOutcome::Missing };
        match self.find(program).await {
            Some(mut start) => {
                let session = session.map(|number| option(program.session_option.as_deref(), number.as_str()));
                start.arguments.extend(session.into_iter().flatten());
                outcome(system::start(start).await)
            }
            None => self.missing(program).await,
        }
    }

    /// The next step for a user whose program is missing: WAPT, else the download address.
    async fn missing(&self, program: &Program) -> LaunchOutcome {
        let service = self.profile.program(&self.profile.wapt.program).filter(|service| service.id != program.id);
        if let (Some(service), Some(text)) = (service, &program.wapt_search)
            && let Some(mut start) = self.find(service).await
        {
            start.arguments.extend(option(service.search_option.as_deref(), text));
            match system::start(start).await {
                Ok(()) => return LaunchOutcome::MissingOpenedSelfService,
                Err(why) => tracing::warn!("{} was not started: {why}", service.id),
            }
        }
        if let Some(url) = &program.download {
            match self.web(url).await {
                Ok(()) => return LaunchOutcome::MissingOpenedDownload,
                Err(why) => tracing::warn!("{url} was not opened: {why}"),
            }
        }
        LaunchOutcome::Missing
    }

    /// SensorRequests for the program, on a thread where a slow disk or a lost network folder holds nobody up.
    async fn find(&self, program: &Program) -> Option<Start> {
        let (places, candidates) = (self.places.clone(), program.candidates.here().clone());
        let found = tokio::task::spawn_blocking(move || places.find(&candidates)).await;
        let mut start = found.ok().flatten()?;
        start.arguments.extend(program.arguments.iter().cloned());
        Some(start)
    }

    async fn link(&self, id: &str) -> LaunchOutcome {
        match self.profile.link(id) {
            Some(link) => outcome(self.web(&link.url).await),
            None => LaunchOutcome::Missing,
        }
    }

    async fn web(&self, url: &str) -> Result<(), String> {
        if !is_address(url, &["http", "https"]) {
            return Err(format!("{url} is not a web address"));
        }
        system::open(&self.places, OsStr::new(url)).await
    }

    async fn drive(&self, path: &str) -> LaunchOutcome {
        // Anything else could be an option or another kind of address.
        if !Path::new(path).is_absolute() && !is_address(path, &["smb"]) {
            return LaunchOutcome::Failed(format!("{path} is neither an absolute path nor a share's address"));
        }
        outcome(system::open(&self.places, OsStr::new(path)).await)
    }

    async fn dial(&self, call: &Call) -> LaunchOutcome {
        let Some(dialled) = call.dialled(self.profile) else { return LaunchOutcome::Missing };
        match tel(&dialled) {
            Some(uri) => outcome(system::open(&self.places, OsStr::new(&uri)).await),
            None => LaunchOutcome::Failed(format!("{dialled} cannot be dialled")),
        }
    }
}

fn outcome(done: Result<(), String>) -> LaunchOutcome {
    match done {
        Ok(()) => LaunchOutcome::Started,
        Err(why) => LaunchOutcome::Failed(why),
    }
}

/// An option and its value: `--search=TEXT`, or two arguments where the option ends otherwise.
fn option(option: Option<&str>, value: &str) -> Vec<String> {
    match option {
        Some(option) if option.ends_with('=') => vec![format!("{option}{value}")],
        Some(option) => vec![option.into(), value.into()],
        None => Vec::new(),
    }
}

/// One of these schemes, a host, and nothing that could be taken for more than one argument.
fn is_address(url: &str, schemes: &[&str]) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known))
        && rest.starts_with(|first: char| first.is_alphanumeric() || first == '[')
        && !url.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '"' | '<' | '>' | '\\'))
}

/// The `tel:` address of a code (RFC 3966: `*` and digits stand as they are, `#` would begin a fragment).
fn tel(code: &str) -> Option<String> {
    let fits = !code.is_empty() && code.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '#' | '+'));
    fits.then(|| format!("tel:{}", code.replace('#', "%23")))
}

/// Names are compared as file systems and people do, whatever the case, accents included.
fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// Starts the program, and watches it for the first moment.
async fn spawn(mut command: std::process::Command) -> io::Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = tokio::process::Command::from(command).spawn()?;
    match tokio::time::timeout(GIVES_UP_WITHIN, child.wait()).await {
        Ok(status) => match status? {
            status if status.success() => Ok(()),
            status => Err(io::Error::other(format!("it gave up at once: {status}"))),
        },
        Err(_) => {
            // It runs. Whenever it ends, it is not to stay a zombie.
            tokio::spawn(async move { child.wait().await });
            Ok(())
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
