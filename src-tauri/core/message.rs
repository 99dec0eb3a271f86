//! What can happen ([`Event`], [`Action`]), what it asks of the runtime ([`Effect`]), and the values that both carry.

use super::digits::Digits;
use super::state::SavedState;
use super::{connect, shutdown, vpn};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use vigie_profile::{Choice, Id, Problem, Profile};

/// What a click, a command or a button asks for. Menus and notifications carry the value itself, so what comes back
/// is exactly what was offered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "do", content = "with", rename_all = "kebab-case")]
pub enum Action {
    /// Show the panel, or bring it to the front.
    ShowPanel,
    /// Open the program or the link of that id.
    Open(Id),
    /// Connect to the VPN: open the window for it, or the client's own where the profile says so.
    Connect,
    /// Disconnect the VPN.
    Disconnect,
    /// Give up the attempt to connect that is under way.
    CancelConnect,
    /// Open the VPN client's own window.
    OpenClient,
    /// Delete what the keyring holds: identifier and PIN.
    ForgetCredentials,
    /// SensorRequest again at once, and say what is seen: is the inside within reach?
    Refresh,
    /// Start the remote support program, and join the session of that number.
    Join(#[cfg_attr(feature = "typescript", ts(type = "string"))] Digits),
    /// Put a telephone code on the clipboard.
    CopyCode(Call),
    /// Hand a telephone code to the soft phone (`tel:`).
    Dial(Call),
    /// Open a network drive.
    OpenDrive(char),
    /// Put the texts that the helpdesk asks for on the clipboard.
    CopySupportInfo,
    /// Keep this choice of the user's.
    Choose(Choice),
    /// Start with the session, or no longer.
    SetAutostart(bool),
    /// Switch the computer off; the user is asked to confirm.
    ShutDown,
    /// Switch the computer off; the user has confirmed.
    ConfirmShutDown,
    /// Close the question without doing anything.
    Cancel,
    /// Remind again at the next lead.
    RemindLater,
    /// No more reminders until the date changes.
    NotTonight,
    /// Say what Vigie is.
    About,
    /// End the program.
    Quit,
}

/// Identifies a request that is answered later. An answer with another id belongs to an older request and is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(u64);

impl RequestId {
    /// The id with that number.
    pub const fn new(number: u64) -> RequestId {
        RequestId(number)
    }

    /// The id of the next request.
    pub(crate) const fn next(self) -> RequestId {
        RequestId(self.0.wrapping_add(1))
    }
}

/// A telephone code of the profile, and the number behind it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Call {
    /// The code's id.
    pub code: Id,
    /// The number, for a code that takes one.
    #[cfg_attr(feature = "typescript", ts(type = "string | null"))]
    pub number: Option<Digits>,
}

impl Call {
    /// The code alone.
    pub fn of(code: impl Into<Id>) -> Call {
        Call { code: code.into(), number: None }
    }

    /// What is dialled, `*210612345678`; `None` where there is no such code, or where it takes no number.
    pub fn dialled(&self, profile: &Profile) -> Option<String> {
        let code = profile.code(&self.code)?;
        match &self.number {
            Some(number) => code.takes_number.then(|| format!("{}{}", code.code, number.as_str())),
            None => Some(code.code.clone()),
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The asked-for moment has come, or may have: look at the clock.
    Tick,
    /// The wall clock or the time zone was set.
    ClockChanged,
    /// The machine is about to sleep.
    Sleeping,
    /// The machine is awake again.
    Woke,
    /// The interfaces and routes, whole, after something about them changed.
    Links(vpn::Links),
    /// A probe has ended, or has a strong answer.
    Probed(vpn::Probe),
    /// The counters of an interface; `None` where they cannot be read.
    Traffic(Option<vpn::Traffic>),
    /// What Cisco's command line says; `None` where it could not be asked or understood.
    ClientState(Option<vpn::ClientState>),
    /// The site that Cisco's files name, or that they name none.
    SiteFound(Option<Id>),
    /// The time for which the machine itself has planned a shutdown.
    MachineShutdown(Option<jiff::Timestamp>),
    /// Facts about the machine.
    Host(Arc<Host>),
    /// The network drives.
    Drives(Reading<Vec<DriveState>>),
    /// The installed printers.
    Printers(Reading<Printers>),
    /// What WAPT's agent says.
    Wapt(Reading<Wapt>),
    /// Battery and mains.
    Power(Reading<Option<Battery>>),
    /// Whether a tray host shows the icon.
    TrayHost(bool),
    /// Whether a notification server takes notifications.
    NotificationServer(bool),
    /// The last notification of this category could not be shown in time.
    NotificationFailed(Category),
    /// The last urgent notification of this category ended with its server, and another server is there; its text is
    /// out of date.
    NotificationLost(Category),
    /// Whether Vigie starts with the session.
    Autostart(bool),
    /// Whether the panel's window is open.
    PanelOpen(bool),
    /// Whether the window for connecting is open.
    ConnectWindowOpen(bool),
    /// What keeps the client from connecting was looked for.
    ConnectObstacle(Option<connect::Obstacle>),
    /// The client that would be used, where one can be driven, and what the keyring holds.
    ConnectReady(Option<connect::VpnClient>, connect::StoredCredentials),
    /// The user sent the form. (Its secrets print as `[secret]`.)
    FormSubmitted(connect::Submission),
    /// How far that attempt to connect is, or why it failed.
    ConnectProgress(RequestId, Result<connect::ConnectProgress, connect::ConnectError>),
    /// The VPN was to be disconnected; why it was not, for the log.
    Disconnected(Result<(), String>),
    /// Whether what the keyring held is gone (if not, why, for the log), and what it holds now.
    CredentialsForgotten(Result<(), String>, connect::StoredCredentials),
    /// How the start of something ended.
    Launched(LaunchResult),
    /// A window did not open.
    WindowFailed(WindowKind, WindowError),
    /// The computer could not be switched off; why, for the log.
    PowerOffFailed(PowerOffError),
    /// A choice of the user's could not be kept.
    NotSaved(SaveFailure),
    /// Whether the clipboard took what was to be copied; if not, why, for the log.
    Copied(ClipboardContent, Result<(), String>),
    /// The configuration was read: the profile in force, and what is wrong with the files.
    Profile(Arc<Profile>, Arc<[Problem]>),
    /// The user asked for something.
    Action(Action),
}

/// A value that a sensor was asked for: had, not had yet, or not to be had, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "state", content = "value", rename_all = "kebab-case")]
pub enum Reading<T> {
    /// Not read yet.
    #[default]
    Pending,
    /// The value.
    Known(T),
    /// It cannot be had; why, in English, for the log and the doctor.
    Unavailable(String),
}

/// Facts about the machine that change rarely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The computer's name.
    pub name: String,
    /// The user's login name.
    pub user: String,
    /// Windows domain, or DNS domain on Linux; `None` where there is none.
    pub domain: Option<String>,
    /// System and version, "Windows 11 Pro 23H2 (22631)".
    pub system: String,
    /// When the machine was started last.
    pub booted: jiff::Timestamp,
    /// Whether Windows keeps its kernel over a shutdown (Fast Startup), so that only a restart starts it anew.
    pub fast_startup: bool,
    /// Memory in bytes: all of it, and what is available.
    pub memory: Space,
    /// The system disk in bytes.
    pub disk: Reading<Space>,
}

/// So much room, so much of it free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// All of it, in bytes.
    pub total: u64,
    /// What is free, in bytes.
    pub free: u64,
}

/// A network drive as the system sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveState {
    /// The letter of the profile's drive.
    pub letter: char,
    /// Where it stands.
    pub mount: DriveMount,
}

/// Where a drive stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", content = "at", rename_all = "kebab-case")]
pub enum DriveMount {
    /// Connected; the path to open.
    Connected(String),
    /// Known to the system, but not connected now; the path to open, which may connect it.
    Disconnected(String),
    /// The system does not know it.
    Absent,
}

/// The printers, as far as they can be read without the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "on", content = "is", rename_all = "kebab-case")]
pub enum Printers {
    /// Those of this computer.
    Computer(Vec<Printer>),
    /// The computer prints through a server of that name, which is not asked.
    Server(String),
}

/// An installed printer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Printer {
    /// The queue's name.
    pub name: String,
    /// Whether it is the default one.
    pub default: bool,
    /// Whether this computer has a queue for it. The user's default may be a printer that CUPS only finds on the network.
    pub installed: bool,
}

/// What WAPT's agent says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wapt {
    /// The agent's version.
    pub version: String,
    /// Packages that wait for an upgrade or an installation; `None` before the agent's first look for updates.
    pub pending: Option<Vec<String>>,
    /// The description of the task that runs.
    pub running: Option<String>,
}

/// The battery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Battery {
    /// Charge in percent.
    pub percent: u8,
    /// Whether the mains is plugged in.
    pub plugged: bool,
}

/// How the start of something ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchResult {
    /// What was to be started.
    pub target: LaunchTarget,
    /// What came of it.
    pub outcome: LaunchOutcome,
}

/// Why the system did not switch the computer off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PowerOffError {
    /// Another user is logged on.
    OthersLoggedOn,
    /// The system's message, for the log.
    Other(String),
}

/// What came of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchOutcome {
    /// It was started.
    Started,
    /// It is missing; WAPT's Self Service was opened, searching for it.
    MissingOpenedSelfService,
    /// It is missing; the download address was opened.
    MissingOpenedDownload,
    /// It is missing, and nothing helps.
    Missing,
    /// It was there but did not start; why, in the system's words, for the log.
    Failed(String),
}

/// A window of its own process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowKind {
    /// The panel, opened or pinned.
    Panel,
    /// The window for connecting.
    Connect,
}

/// Why a window did not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowError {
    /// The system lacks the browser engine that draws it (WebView2).
    EngineMissing,
    /// Its process failed; why, for the log.
    Failed(String),
}

/// Something worth telling the user. `view::notice` gives it words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// A verdict has held long enough, and the user has to know.
    Vpn(vpn::VpnStatus),
    /// The shutdown comes in so many minutes, at that time of day; `last` where no later reminder follows.
    Shutdown(shutdown::Reminder),
    /// "Éteindre maintenant" was asked for: confirm.
    ConfirmShutdown,
    /// The shutdown could not be started; why, for the log.
    ShutdownFailed,
    /// The shutdown was refused because another user is logged on.
    OthersLoggedOn,
    /// A start that did not go as asked.
    Launch(LaunchResult),
    /// A window did not open.
    WindowFailed(WindowKind, WindowError),
    /// A configuration file is broken, and Vigie runs without it.
    ConfigBroken,
    /// No tray host: the panel stands in for the icon.
    NoTrayHost,
    /// Something is on the clipboard now.
    Copied(ClipboardContent),
    /// The clipboard did not take it.
    CopyFailed,
    /// A choice of the user's could not be kept.
    NotSaved(SaveFailure),
    /// An attempt to connect came to nothing, and its window is closed.
    ConnectFailed(connect::ConnectError),
    /// The VPN could not be disconnected.
    DisconnectFailed,
    /// Whether the keyring forgot identifier and PIN.
    Forgotten(bool),
    /// What Vigie is.
    About,
    /// The site is not known: choose one.
    AskSite,
}

impl Notification {
    /// Whether it answers what the user just did; the open panel says it too.
    pub fn is_answer(&self) -> bool {
        match self {
            Notification::Launch(_)
            | Notification::WindowFailed(..)
            | Notification::Copied(_)
            | Notification::CopyFailed
            | Notification::NotSaved(_)
            | Notification::ConnectFailed(_)
            | Notification::DisconnectFailed
            | Notification::Forgotten(_)
            | Notification::ShutdownFailed
            | Notification::OthersLoggedOn => true,
            Notification::Vpn(_)
            | Notification::Shutdown(_)
            | Notification::ConfirmShutdown
            | Notification::ConfigBroken
            | Notification::NoTrayHost
            | Notification::About
            | Notification::AskSite => false,
        }
    }
}

/// Why a choice of the user's could not be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveFailure {
    /// The administrator has locked it.
    Locked,
    /// The user's file is broken, and would be overwritten without having been understood.
    Broken,
    /// The file, or the system's own place for it, could not be written.
    Unwritable,
}

/// What was put on the clipboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClipboardContent {
    /// The code, and the number behind it.
    Code(Call),
    /// The texts for the helpdesk.
    SupportInfo,
    /// PIN and digits, for the client's own window; for a short while only.
    Passcode,
}

/// What the core asks of the shell.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Let a sensor look; what it sees comes back as an event.
    Request(SensorRequest),
    /// Show a notification; it replaces the one of its category.
    Notify(Notification),
    /// Take back what was shown in that category, if it still stands.
    Withdraw(Category),
    /// Start a program, open a link or a drive.
    Launch(LaunchTarget),
    /// Put this on the clipboard; the answer is an [`Event::Copied`].
    Copy(ClipboardContent),
    /// Show the panel's window, or bring it to the front.
    ShowPanel,
    /// Show the window for connecting, or bring it to the front.
    ShowConnect,
    /// Close it.
    CloseConnect,
    /// SensorRequest which client can be driven and what the keyring holds; the answer is an [`Event::ConnectReady`].
    PrepareConnect,
    /// Connect; the answers are [`Event::ConnectProgress`].
    Connect(connect::ConnectRequest),
    /// Give up the attempt that is under way: its client is ended.
    CancelConnect,
    /// Put PIN and digits on the clipboard for a short while; the answer is an [`Event::Copied`], or an
    /// [`Event::ConnectProgress`] with that id if the keyring no longer gives the PIN.
    CopyPasscode(RequestId, connect::Pin, connect::Secret),
    /// Disconnect the VPN; the answer is an [`Event::Disconnected`].
    Disconnect,
    /// Delete what the keyring holds; the answer is an [`Event::CredentialsForgotten`].
    ForgetCredentials,
    /// Keep this for the next start of Vigie.
    SaveState(SavedState),
    /// Write the choice into the user's file.
    SaveChoice(Choice),
    /// Start with the session, or no longer.
    SetAutostart(bool),
    /// Switch the computer off, reason "planned".
    PowerOff,
    /// End the program.
    Quit,
}

/// What a sensor is asked to look at.
#[derive(Debug, Clone, PartialEq)]
pub enum SensorRequest {
    /// Interfaces and routes; the answer is an [`Event::Links`].
    Links,
    /// The facts about the machine; the answers are [`Event::Host`], [`Event::Drives`], [`Event::Printers`], ….
    Host,
    /// Intranet and gateway; the answer is an [`Event::Probed`] with that number.
    Probe(vpn::ProbeRequest),
    /// The counters of the interface with this index; the answer is an [`Event::Traffic`].
    Traffic(u32),
    /// Cisco's command line; the answer is an [`Event::ClientState`].
    Client,
    /// The clock: send [`Event::Tick`] at that moment (and none where it is `None`). Replaces the moment asked for
    /// before.
    WakeAt(Option<jiff::Timestamp>),
    /// The profile has changed: use this one from now on.
    Profile(Arc<Profile>),
}

/// What can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchTarget {
    /// A program of the profile.
    Program(Id),
    /// The VPN client's own window.
    Client,
    /// A link of the profile.
    Link(Id),
    /// A drive, and the path at which the system has it; `None` if it has none.
    Drive(char, Option<String>),
    /// The remote support program, joining the session of that number.
    Session(Digits),
    /// A telephone code of the profile, through `tel:`.
    Call(Call),
}

/// Notifications of one category replace one another; two never stand side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// The VPN's verdict.
    Vpn,
    /// The automatic shutdown.
    Shutdown,
    /// Starts and clipboard: the answer to what the user just did.
    Answer,
    /// Vigie itself: its configuration, its place on the desktop.
    Program,
}
