//! The command line: its commands, and the exit code of each.
//!
//! The exit codes are part of the interface (docs/commande.md): the helpdesk's scripts rely on them.

use crate::runtime::app::{App, Parts, status_once};
use crate::runtime::instance::{self, ClaimError, InstanceLock, IpcClient, IpcRequest};
use crate::runtime::signals::{self, EndReason};
use crate::runtime::store::Store;
use crate::runtime::tray::{self, DesktopTray};
use crate::runtime::{autostart, console, installer, launch, log};
use crate::{doctor, sensors};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use vigie_core::message::{Action, Event, LaunchOutcome, LaunchTarget, Notification};
use vigie_core::state::State;
use vigie_profile::{Loaded, Paths, Problem};
use vigie_view::notice::notice;
use vigie_view::panel::Panel;
use vigie_view::search::SearchIndex;
use vigie_view::status::Status;

/// Success; for `status`: the intranet is within reach.
pub const OK: u8 = 0;
/// The command failed, or `config check` or `doctor` found something wrong.
pub const FAILED: u8 = 1;
/// The command line is wrong (clap's own code).
pub const USAGE: u8 = 2;
/// `status`: the intranet is out of reach.
pub const OUT_OF_REACH: u8 = 3;
/// `status`: unknown.
pub const UNKNOWN: u8 = 4;

/// How long the icon waits for the user's configuration.
const LOAD_TIMEOUT: Duration = Duration::from_secs(1);

const TEMPLATE: &str = "{about}\n\nUtilisation : {usage}\n\n{all-args}{after-help}\n";
const EXIT_CODES: &str = "\
Codes de retour :
  0  tout va bien ; pour « status » : le réseau de l’académie est à portée
  1  la demande n’a pas abouti, ou un défaut a été trouvé
  2  commande mal écrite
  3  « status » : lecteurs et applications métiers hors d’atteinte
  4  « status » : état inconnu";

/// Vigie veille sur le VPN, rappelle l’arrêt automatique et ouvre les outils du guide. Sans commande : affiche
/// l’icône ; si elle est déjà là, montre le panneau.
#[derive(Debug, Parser)]
#[command(name = "vigie", version, help_template = TEMPLATE, after_help = EXIT_CODES, disable_help_flag = true)]
#[command(disable_version_flag = true, disable_help_subcommand = true, subcommand_help_heading = "Commandes")]
#[command(subcommand_value_name = "COMMANDE")]
struct Arguments {
    /// Affiche cette aide
    #[arg(short, long, global = true, action = clap::ArgAction::Help, help_heading = "Options")]
    help: Option<bool>,
    /// Affiche la version
    #[arg(short = 'V', long, action = clap::ArgAction::Version, help_heading = "Options")]
    version: Option<bool>,
    /// Started with the session, by the installer's autostart entry: exits at once if the user has switched that off.
    #[arg(long, hide = true)]
    at_login: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Montre le panneau ; lance Vigie si elle ne l’est pas
    #[command(help_template = TEMPLATE)]
    Panel,
    #[command(flatten)]
    OneShot(OneShotCommand),
}

/// Commands that do one thing and exit, without an icon.
#[derive(Debug, Subcommand)]
enum OneShotCommand {
    /// Dit où en sont le VPN, l’ordinateur et l’assistance
    #[command(help_template = TEMPLATE)]
    Status {
        /// En JSON, pour un programme
        #[arg(long, help_heading = "Options")]
        json: bool,
        /// Continue, et redit l’état à chaque changement (Vigie doit être lancée)
        #[arg(long, help_heading = "Options")]
        watch: bool,
    },
    /// Ouvre un programme ou un lien du guide
    #[command(help_template = TEMPLATE)]
    Open {
        /// Son identifiant ou son nom ; sans lui, la liste s’affiche
        #[arg(value_name = "NOM", help_heading = "Arguments")]
        name: Vec<String>,
    },
    /// Cherche dans le guide, les réglages et l’état de l’ordinateur
    #[command(help_template = TEMPLATE)]
    Find {
        /// Ce que vous cherchez, avec vos mots
        #[arg(value_name = "MOTS", help_heading = "Arguments", required = true)]
        words: Vec<String>,
        /// En JSON, pour un programme
        #[arg(long, help_heading = "Options")]
        json: bool,
    },
    /// Montre ou vérifie la configuration
    #[command(help_template = TEMPLATE, subcommand_help_heading = "Commandes", subcommand_value_name = "COMMANDE")]
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Fait relire les fichiers de configuration à la Vigie lancée, et dit leurs défauts
    #[command(help_template = TEMPLATE)]
    Reload,
    /// Ferme Vigie
    #[command(help_template = TEMPLATE)]
    Quit,
    /// Pour les programmes d’installation
    #[command(hide = true, help_template = TEMPLATE, subcommand_help_heading = "Commandes")]
    #[command(subcommand_value_name = "COMMANDE")]
    Installer {
        #[command(subcommand)]
        command: InstallerCommand,
    },
    /// Interroge chaque capteur : ce qu’il voit, et en combien de temps
    #[command(help_template = TEMPLATE)]
    Doctor {
        /// En JSON, pour un programme
        #[arg(long, help_heading = "Options")]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Affiche chaque valeur et le fichier d’où elle vient
    #[command(help_template = TEMPLATE)]
    Show,
    /// Vérifie un fichier avant de l’installer
    #[command(help_template = TEMPLATE)]
    Check {
        /// Le fichier
        #[arg(value_name = "FICHIER", help_heading = "Arguments")]
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum InstallerCommand {
    /// Ferme Vigie chez tous les utilisateurs de la machine
    #[command(help_template = TEMPLATE)]
    End {
        /// Note les sessions où Vigie était lancée (Windows)
        #[arg(long = "for-now", help_heading = "Options")]
        note_sessions: bool,
    },
    /// Relance Vigie dans les sessions notées (Windows), ou là où elle est lancée (Linux)
    #[command(help_template = TEMPLATE)]
    StartAgain,
    /// Efface les réglages des utilisateurs dont la session est ouverte (Windows)
    #[command(help_template = TEMPLATE)]
    Forget {
        /// Seulement les vôtres, avec l’identifiant et le PIN que l’ordinateur garde
        #[arg(long = "own", help_heading = "Options")]
        own_only: bool,
    },
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let command = Arguments::command();
    let arguments = command.try_get_matches_from(arguments()).and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match arguments {
        Ok(arguments) => arguments,
        // Help and version arrive here as well. A closed standard output is not an error.
        Err(error) if !error.use_stderr() => {
            return print(&vigie_view::french::typeset(error.render().to_string()));
        }
        Err(error) => {
            print_error(&usage_message(&error));
            return ExitCode::from(USAGE);
        }
    };
    let command = match arguments.command {
        None if arguments.at_login && autostart::declined() => return ExitCode::from(OK),
        None => return start(AtStart::IconOnly),
        Some(Command::Panel) => return start(AtStart::OpenPanel),
        Some(Command::OneShot(command)) => command,
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("Vigie n’a pas pu démarrer : {error}")),
    };
    let code = runtime.block_on(async {
        match command {
            OneShotCommand::Status { json, watch } => print_status(json, watch).await,
            OneShotCommand::Open { name } => open(&name).await,
            OneShotCommand::Find { words, json } => find(&words.join(" "), json).await,
            OneShotCommand::Config { command: ConfigCommand::Show } => {
                print(&vigie_view::config::show(&vigie_profile::load(&Paths::system())))
            }
            OneShotCommand::Config { command: ConfigCommand::Check { file } } => check(&file),
            OneShotCommand::Reload => reload().await,
            OneShotCommand::Quit => quit().await,
            OneShotCommand::Installer { command } => install(command).await,
            OneShotCommand::Doctor { json } => {
                let loaded = vigie_profile::load(&Paths::system());
                let (report, healthy) = doctor::report(&loaded, json).await;
                let printed = print(&report);
                if healthy { printed } else { ExitCode::from(FAILED) }
            }
        }
    });
    // Does not wait for a sensor that still waits for the network.
    runtime.shutdown_background();
    code
}

/// Returns the arguments, the program's name included, without `-Embedding`: Windows passes that option when it starts
/// Vigie for a click in the Action Centre, which is an ordinary start.
fn arguments() -> impl Iterator<Item = std::ffi::OsString> {
    std::env::args_os().filter(|word| !(cfg!(windows) && word == "-Embedding"))
}

/// Returns the message for a command line that cannot be parsed, in French; clap's own messages are English.
fn usage_message(error: &clap::Error) -> String {
    use clap::error::{ContextKind, ContextValue};
    let kinds = [ContextKind::InvalidSubcommand, ContextKind::InvalidValue, ContextKind::InvalidArg];
    let culprit = kinds
        .into_iter()
        .find_map(|kind| error.get(kind))
        .map(|value| if let ContextValue::Strings(texts) = value { texts.join(" ") } else { value.to_string() });
    let culprit = culprit.map(|text| format!(" : « {text} »")).unwrap_or_default();
    vigie_view::french::typeset(format!("Commande mal écrite{culprit}. « vigie --help » affiche l’aide."))
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// What the tray shows when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtStart {
    /// The icon.
    IconOnly,
    /// The icon and the panel.
    OpenPanel,
}

/// Starts the tray. If Vigie runs already, shows its panel instead.
fn start(at_start: AtStart) -> ExitCode {
    log::init(None, true);
    tray::host(move |tray| {
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(%error, "the runtime did not start");
                return ExitCode::from(FAILED);
            }
        };
        let code = runtime.block_on(run(tray, at_start));
        runtime.shutdown_background();
        code
    })
}

/// Runs the tray until it ends, unless Vigie runs already.
async fn run(tray: DesktopTray, at_start: AtStart) -> ExitCode {
    let server = match instance::claim() {
        Ok(InstanceLock::First(server)) => server,
        Ok(InstanceLock::Second(client)) => {
            return match client.ask(IpcRequest::Show).await {
                Ok(()) => ExitCode::from(OK),
                Err(error) => {
                    tracing::error!(%error, "the running Vigie did not answer");
                    failed("Vigie est déjà lancée, mais ne répond pas. Fermez la session et rouvrez-la.")
                }
            };
        }
        Err(ClaimError::ForeignOwner(path)) => {
            tracing::error!(path = %path.display(), "belongs to another user");
            return failed(&format!(
                "Vigie n’a pas pu démarrer : « {0} » appartient à un autre utilisateur. Demandez à un administrateur de \
                 le supprimer (sudo rm -r {0}).",
                path.display()
            ));
        }
        Err(ClaimError::Io(error)) => {
            tracing::error!(%error, "cannot determine whether Vigie runs already");
            return failed(&format!("Vigie n’a pas pu démarrer : {error}"));
        }
    };
    let (events, received) = mpsc::unbounded_channel();
    let paths = Paths::system();
    let loaded = load_in_time(&paths).await;
    let store = Store::system();
    let saved = store.load();
    let requests = sensors::start(loaded.profile.clone(), paths.clone(), events.clone());
    let parts = Parts { now: sensors::clock::now, requests, events: events.clone(), paths, store, tray };
    let (app, status) = App::new(&loaded, saved, parts);
    let serving = tokio::spawn(server.serve(events.clone(), status));
    let quitting = tokio::spawn(quit_on_signal(events.clone()));
    let _ = events.send(Event::Autostart(autostart::enabled()));
    if at_start == AtStart::OpenPanel {
        let _ = events.send(Event::Action(Action::ShowPanel));
    }
    app.run(received).await;
    serving.abort();
    // Once it has ended, no client can connect any more.
    let _ = serving.await;
    quitting.abort();
    tracing::info!("ended");
    if matches!(quitting.await, Ok(Ok(EndReason::Renew))) {
        let error = installer::renew();
        tracing::error!(%error, "the new version was not started");
        return ExitCode::from(FAILED);
    }
    ExitCode::from(OK)
}

/// Loads the configuration. If the user's folder is on a server that does not answer, only the machine's is loaded:
/// the icon comes first, and the sensor of the configuration reads the user's as soon as it can.
async fn load_in_time(paths: &Paths) -> Loaded {
    let all = paths.clone();
    let loading = tokio::task::spawn_blocking(move || vigie_profile::load(&all));
    match timeout(LOAD_TIMEOUT, loading).await {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(_)) | Err(_) => {
            tracing::warn!(file = %paths.user.display(), "the user's configuration cannot be read in time");
            vigie_profile::load(&Paths { user: PathBuf::new(), ..paths.clone() })
        }
    }
}

/// Quits on the session's end, `systemctl stop` and Ctrl-C, as the menu does.
async fn quit_on_signal(events: crate::Events) -> io::Result<EndReason> {
    let reason = signals::ended().await.inspect_err(|error| tracing::warn!(%error, "cannot listen for signals"))?;
    let _ = events.send(Event::Action(Action::Quit));
    Ok(reason)
}

/// Prints the status of the running Vigie, or of one started for the purpose; with `watch`, one more at each change.
async fn print_status(json: bool, watch: bool) -> ExitCode {
    let running = IpcClient::running().await;
    if watch {
        let Some(client) = running else {
            return failed("Vigie n’est pas lancée. Lancez-la, puis recommencez.");
        };
        return match watch_status(&client, json).await {
            Ok(code) => code,
            Err(error) => failed(&format!("Vigie ne répond plus : {error}")),
        };
    }
    let status = match running {
        Some(client) => match client.status().await {
            Ok(status) => status,
            Err(error) => return failed(&format!("Vigie ne répond pas : {error}")),
        },
        None => {
            let (events, received) = mpsc::unbounded_channel();
            let paths = Paths::system();
            let loaded = vigie_profile::load(&paths);
            let requests = sensors::start(loaded.profile.clone(), paths, events);
            status_once(&loaded, Store::system().load(), sensors::clock::now, requests, received).await
        }
    };
    if let Err(code) = write(&format_status(&status, json)) {
        return code;
    }
    ExitCode::from(exit_code(&status))
}

/// Prints the status at each change, until Vigie ends or nobody reads any more.
async fn watch_status(client: &IpcClient, json: bool) -> io::Result<ExitCode> {
    let mut changes = client.watch().await?;
    while let Some(status) = changes.next().await? {
        if let Err(code) = write(&format_status(&status, json)) {
            return Ok(code);
        }
    }
    Ok(ExitCode::from(OK))
}

fn format_status(status: &Status, json: bool) -> String {
    if json {
        return to_json(status);
    }
    vigie_view::status::text(status)
}

/// Returns the value as JSON on one line, so that `--watch` can be read line by line.
fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).map_or_else(|error| format!("{{\"error\":\"{error}\"}}\n"), |line| line + "\n")
}

/// Returns the exit code of `vigie status`.
fn exit_code(status: &Status) -> u8 {
    match status.reaches_intranet {
        Some(true) => OK,
        Some(false) => OUT_OF_REACH,
        None => UNKNOWN,
    }
}

/// The state of a Vigie that has just started, for the texts that depend on the profile alone.
fn fresh_state(loaded: &Loaded) -> State {
    State::new(loaded.profile.clone(), loaded.problems.clone(), Store::system().load(), 0, sensors::clock::now())
}

/// Opens a program or link of the guide by its id or name; lists them if there is none.
async fn open(name: &[String]) -> ExitCode {
    let loaded = vigie_profile::load(&Paths::system());
    let (profile, state) = (&loaded.profile, fresh_state(&loaded));
    if name.is_empty() {
        return print(&vigie_view::guide::openable(profile));
    }
    let what = match vigie_view::guide::resolve(&state, &name.join(" ")) {
        Ok(id) if profile.program(&id).is_some() => LaunchTarget::Program(id),
        Ok(id) => LaunchTarget::Link(id),
        Err(why) => return failed(&why.replace('\u{a0}', " ")),
    };
    let launched = launch::launch(profile, &what).await;
    let code = if launched.outcome == LaunchOutcome::Started { OK } else { FAILED };
    // The same text as in the notification that a click in the menu would have shown.
    let notice = notice(&Notification::Launch(launched), &state);
    print_error(format!("{} {}", notice.title, notice.body).trim_end());
    ExitCode::from(code)
}

/// Searches as the panel does, among the facts of the running Vigie if there is one.
async fn find(question: &str, json: bool) -> ExitCode {
    let loaded = vigie_profile::load(&Paths::system());
    let mut state = fresh_state(&loaded);
    let status = match IpcClient::running().await {
        Some(client) => client.status().await.ok(),
        None => None,
    };
    state.found_site = status.as_ref().and_then(|status| status.site.clone());
    let page = vigie_view::page::page(&state);
    let panel = status.map_or_else(Panel::default, |status| status.panel);
    let found = SearchIndex::new(&page).find(question, &panel);
    let text = if json { to_json(&found) } else { vigie_view::search::text(&found, &loaded.profile) };
    let printed = print(&text);
    if found.exact { printed } else { ExitCode::from(FAILED) }
}

async fn reload() -> ExitCode {
    if let Some(client) = IpcClient::running().await
        && let Err(error) = client.ask(IpcRequest::Ask(Action::Reload)).await
    {
        return failed(&format!("Vigie ne répond pas : {error}"));
    }
    let problems = vigie_profile::load(&Paths::system()).problems;
    print_problems(&problems)
}

async fn quit() -> ExitCode {
    let Some(client) = IpcClient::running().await else { return print("Vigie n’est pas lancée.\n") };
    match client.quit().await {
        Ok(()) => ExitCode::from(OK),
        Err(error) => failed(&format!("Vigie ne répond pas : {error}")),
    }
}

/// Runs a step of an installer.
async fn install(command: InstallerCommand) -> ExitCode {
    let done = match command {
        InstallerCommand::End { note_sessions } => installer::end(note_sessions).await,
        InstallerCommand::StartAgain => installer::start_again(),
        InstallerCommand::Forget { own_only: true } => installer::forget_own().await,
        InstallerCommand::Forget { own_only: false } => installer::forget(),
    };
    match done {
        Ok(()) => ExitCode::from(OK),
        Err(error) => failed(&format!("Cette étape de l’installation n’a pas abouti : {error}")),
    }
}

fn check(file: &std::path::Path) -> ExitCode {
    let problems = vigie_profile::check_file(file);
    if problems.is_empty() {
        return print(&format!("{} : aucun défaut.\n", file.display()));
    }
    print_problems(&problems)
}

fn print_problems(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        print_error(&vigie_view::config::problem(problem));
    }
    ExitCode::from(if problems.is_empty() { OK } else { FAILED })
}

fn print(text: &str) -> ExitCode {
    match write(text) {
        Ok(()) => ExitCode::from(OK),
        Err(code) => code,
    }
}

/// Writes to standard output. A reader that has closed it (`vigie status | head -1`) ends the command with success.
fn write(text: &str) -> Result<(), ExitCode> {
    console::attach();
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ExitCode::from(OK)),
        Err(_) => Err(ExitCode::from(FAILED)),
    }
}

/// Writes a line to standard error; a failure to do so is ignored.
fn print_error(text: &str) {
    console::attach();
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints the text to standard error, and returns the exit code of a failure.
fn failed(text: &str) -> ExitCode {
    print_error(text);
    ExitCode::from(FAILED)
}
