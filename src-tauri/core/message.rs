//! What can happen ([`Event`], [`Action`]), what it asks of the runtime ([`Effect`]), and the values that both carry.

use super::digits::Digits;
use super::state::SavedState;
use super::welcome::WelcomeCard;
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
    /// Show the panel's settings.
    ShowSettings,
    /// Show the panel's form by which the helpdesk is asked, about that if it is known.
    AskHelpdesk(Option<HelpTopic>),
    /// Show that card of the first start.
    ShowWelcome(WelcomeCard),
    /// Show no more cards of the first start.
    EndWelcome,
    /// Open the program or the link of that id.
    Open(Id),
    /// Connect to the VPN: open the window for it, or the client's own if the profile says so.
    Connect,
    /// Disconnect the VPN.
    Disconnect,
    /// Cancel the attempt to connect that is under way.
    CancelConnect,
    /// Open the VPN client's own window.
    OpenClient,
    /// Delete what the keyring holds, identifier and PIN; the user is asked to confirm.
    ForgetCredentials,
    /// Delete it; the user has confirmed.
    ConfirmForget,
    /// Read everything again now and notify the resulting status.
    Refresh,
    /// Ask every sensor again, for the chain from the computer to the drives. What is known meanwhile stays.
    Diagnose,
    /// Open the system's settings at that page.
    OpenSettings(SystemSettings),
    /// Open a page that a public Wi-Fi replaces by its own, for the user to log in.
    OpenPortal,
    /// Read the configuration files again.
    Reload,
    /// Start the remote support program, and join the session of that number.
    Join(#[cfg_attr(feature = "typescript", ts(type = "string"))] Digits),
    /// Put a telephone code on the clipboard.
    CopyCode(Call),
    /// Put a printer's name on the clipboard.
    CopyPrinter(String),
    /// Hand a telephone code to the soft phone (`tel:`).
    Dial(Call),
    /// Open a network drive.
    OpenDrive(char),
    /// Put the texts that the helpdesk asks for on the clipboard.
    CopySupportInfo,
    /// Save the texts that the helpdesk asks for in a file, with what the user says of the problem, and put them on the
    /// clipboard.
    SaveReport(HelpRequest),
    /// Keep the panel's facts unfolded, or folded, until Vigie ends.
    ShowFacts(bool),
    /// Save this choice of the user's.
    Choose(Choice),
    /// Remove from the user's file the values that do not count because they are wrong.
    RestoreSettings,
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
    /// Remind again on the day that [`Action::NotTonight`] silenced.
    RemindAgain,
    /// Show what Vigie is.
    About,
    /// End the program.
    Quit,
}

impl Action {
    /// Returns the key under which uses of this action are counted; `None` if they are not.
    pub fn usage_key(&self) -> Option<String> {
        match self {
            Action::Open(id) => Some(id.clone()),
            Action::OpenDrive(letter) => Some(format!("drive-{}", letter.to_ascii_lowercase())),
            Action::CopyCode(call) | Action::Dial(call) => Some(call.code.clone()),
            Action::ShowPanel
            | Action::ShowSettings
            | Action::AskHelpdesk(_)
            | Action::ShowWelcome(_)
            | Action::EndWelcome
            | Action::Connect
            | Action::CopyPrinter(_)
            | Action::CopySupportInfo
            | Action::ShowFacts(_)
            | Action::SaveReport(_)
            | Action::Disconnect
            | Action::CancelConnect
            | Action::OpenClient
            | Action::ForgetCredentials
            | Action::ConfirmForget
            | Action::Refresh
            | Action::Diagnose
            | Action::OpenSettings(_)
            | Action::OpenPortal
            | Action::Reload
            | Action::Join(_)
            | Action::Choose(_)
            | Action::RestoreSettings
            | Action::SetAutostart(_)
            | Action::ShutDown
            | Action::ConfirmShutDown
            | Action::Cancel
            | Action::RemindLater
            | Action::NotTonight
            | Action::RemindAgain
            | Action::About
            | Action::Quit => None,
        }
    }
}

/// What the user says of a problem.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct HelpRequest {
    /// What it is about.
    pub topic: HelpTopic,
    /// One sentence, or nothing.
    pub sentence: String,
}

impl std::fmt::Debug for HelpRequest {
    /// Leaves out what the user wrote: it does not belong into the log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("HelpRequest").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// What a problem is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum HelpTopic {
    /// The VPN or the network.
    Vpn,
    /// The network drives.
    Drives,
    /// Printing.
    Printing,
    /// The telephone.
    Telephone,
    /// Programs and business applications.
    Applications,
    /// Password, PIN or one-time-password key.
    Credentials,
    /// Something else.
    Other,
}

impl HelpTopic {
    /// Every topic.
    pub const ALL: [HelpTopic; 7] = [
        HelpTopic::Vpn,
        HelpTopic::Drives,
        HelpTopic::Printing,
        HelpTopic::Telephone,
        HelpTopic::Applications,
        HelpTopic::Credentials,
        HelpTopic::Other,
    ];
}

/// A view of the panel's that an action leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "to", content = "is", rename_all = "kebab-case")]
pub enum PanelView {
    /// The settings.
    Settings,
    /// The form by which the helpdesk is asked, with that topic chosen if there is one.
    HelpForm(Option<HelpTopic>),
}

/// A page of the system's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum SystemSettings {
    /// Date and time.
    DateTime,
    /// Networks.
    Network,
    /// Printers.
    Printers,
}

/// Identifies a request that is answered later. An answer with another id belongs to an older request and is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(u64);

impl RequestId {
    /// Returns the id with that number.
    pub const fn new(number: u64) -> RequestId {
        RequestId(number)
    }

    /// Returns the id of the next request.
    pub(crate) const fn next(self) -> RequestId {
        RequestId(self.0.wrapping_add(1))
    }
}

/// A PBX feature code of the profile (such as `*21`) and the phone number that follows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Call {
    /// The code's id.
    pub code: Id,
    /// The phone number, for a code that takes one.
    #[cfg_attr(feature = "typescript", ts(type = "string | null"))]
    pub number: Option<Digits>,
}

impl Call {
    /// Returns the call of a code without a phone number.
    pub fn of(code: impl Into<Id>) -> Call {
        Call { code: code.into(), number: None }
    }

    /// Returns the characters to dial, such as `*210612345678`. `None` if the profile has no such code, or if a number
    /// is given and the code takes none.
    pub fn dial_string(&self, profile: &Profile) -> Option<String> {
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
    /// The requested time may have come.
    Tick,
    /// The wall clock or the time zone was set.
    ClockChanged,
    /// The machine is about to sleep.
    Sleeping,
    /// The machine is awake again.
    Woke,
    /// All interfaces and routes, after a change.
    Links(vpn::Links),
    /// The interfaces, by index, whose network the operating system has authenticated against the computer's domain.
    DomainNetworks(Vec<u32>),
    /// A probe has ended, or has a strong answer.
    Probed(vpn::Probe),
    /// The counters of an interface; `None` if they cannot be read.
    Traffic(Option<vpn::Traffic>),
    /// The state that Cisco's command line reports; `None` if there was no usable answer.
    ClientState(Option<vpn::ClientState>),
    /// Name and version of the VPN client.
    ClientVersion(String),
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
    /// The servers of the user's drives and printers, wherever they are.
    Servers(Vec<vigie_profile::IntranetHost>),
    /// What WAPT's agent reports.
    Wapt(Reading<Wapt>),
    /// Battery and mains.
    Power(Reading<Option<Battery>>),
    /// Whether a tray host shows the icon.
    TrayHost(bool),
    /// Whether a notification server takes notifications.
    NotificationServer(bool),
    /// The last notification of this category could not be shown in time.
    NotificationFailed(Category),
    /// The user has closed the last notification of this category without choosing anything.
    NotificationDismissed(Category),
    /// The last urgent notification of this category ended with its server, and another server is there; its text is
    /// out of date.
    NotificationLost(Category),
    /// Whether Vigie starts with the session.
    Autostart(bool),
    /// Whether the panel's window is open.
    PanelOpen(bool),
    /// The panel's window got the keyboard focus, or lost it.
    PanelFocused(bool),
    /// Whether the window for connecting is open.
    ConnectWindowOpen(bool),
    /// What keeps the client from connecting; `None` if nothing was found.
    ConnectObstacle(Option<connect::Obstacle>),
    /// How the user can connect, and what the keyring holds.
    ConnectReady(connect::ClientDetection, connect::StoredCredentials),
    /// The user sent the form. (Its secrets print as `[secret]`.)
    FormSubmitted(connect::Submission),
    /// How far that attempt to connect is, or why it failed.
    ConnectProgress(RequestId, Result<connect::ConnectProgress, connect::ConnectError>),
    /// Whether the VPN was disconnected; if not, why, for the log.
    Disconnected(Result<(), String>),
    /// The keyring refused the PIN that the user wanted to be kept.
    PinNotKept,
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
    /// The texts for the helpdesk were put where they could be.
    ReportSaved(ReportResult),
    /// Whether the clipboard took what was to be copied; if not, why, for the log.
    Copied(ClipboardContent, Result<(), String>),
    /// The configuration was read: the profile in force, and what is wrong with the files.
    Profile(Arc<Profile>, Arc<[Problem]>),
    /// The user asked for something.
    Action(Action),
}

/// A value that a sensor reads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "state", content = "value", rename_all = "kebab-case")]
pub enum Reading<T> {
    /// Not read yet.
    #[default]
    Pending,
    /// The value.
    Known(T),
    /// It cannot be read; why, in English, for the log and the doctor.
    Unavailable(String),
}

/// Facts about the machine that change rarely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The computer's name.
    pub name: String,
    /// The user's login name.
    pub user: String,
    /// Windows domain, or DNS domain on Linux; `None` if there is none.
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

/// Storage and how much of it is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// Total size in bytes.
    pub total: u64,
    /// Free space in bytes.
    pub free: u64,
}

/// A network drive as the system sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveState {
    /// The letter of the profile's drive.
    pub letter: char,
    /// How it is mounted.
    pub mount: DriveMount,
}

/// How a drive is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", content = "at", rename_all = "kebab-case")]
pub enum DriveMount {
    /// Connected; the path to open.
    Connected(String),
    /// Known to the system, but not connected now; the path to open, which may connect it.
    Disconnected(String),
    /// Unknown to the system.
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

/// What WAPT's agent reports.
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

/// Where the texts for the helpdesk are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportResult {
    /// The file, if it could be written.
    pub file: Option<String>,
    /// Whether they are on the clipboard.
    pub copied: bool,
}

/// Why the system did not switch the computer off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PowerOffError {
    /// Another user is logged on.
    OthersLoggedOn,
    /// The system's message, for the log.
    Other(String),
}

/// How a start ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchOutcome {
    /// It was started.
    Started,
    /// It is missing; WAPT's Self Service was opened, searching for it.
    MissingOpenedSelfService,
    /// It is missing; the download address was opened.
    MissingOpenedDownload,
    /// It is missing, and nothing could be opened instead.
    Missing,
    /// It did not start; the system's message, for the log.
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

/// Something to notify the user of. `view::notice` has the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notification {
    /// A status that has lasted.
    Vpn(vpn::VpnStatus),
    /// A reminder of the automatic shutdown.
    Shutdown(shutdown::Reminder),
    /// "Éteindre maintenant" was asked for: confirm.
    ConfirmShutdown,
    /// "Oublier mes identifiants" was asked for: confirm.
    ConfirmForget,
    /// The shutdown could not be started.
    ShutdownFailed,
    /// The shutdown was refused because another user is logged on.
    OthersLoggedOn,
    /// A start that did not go as asked.
    Launch(LaunchResult),
    /// A window did not open.
    WindowFailed(WindowKind, WindowError),
    /// A configuration file is broken, and Vigie runs without it.
    ConfigBroken,
    /// No tray host: the panel replaces the icon.
    NoTrayHost,
    /// Something is on the clipboard now.
    Copied(ClipboardContent),
    /// The texts for the helpdesk are in a file, on the clipboard, or nowhere.
    ReportSaved(ReportResult),
    /// The clipboard refused it.
    CopyFailed,
    /// A choice of the user's could not be kept.
    NotSaved(SaveFailure),
    /// An attempt to connect failed while its window was closed.
    ConnectFailed(connect::ConnectError),
    /// The VPN could not be disconnected.
    DisconnectFailed,
    /// The keyring refused the PIN that the user wanted to be kept.
    PinNotKept,
    /// Whether the keyring forgot identifier and PIN.
    Forgotten(bool),
    /// No more reminders come tonight: the user wanted none.
    NoMoreReminders,
    /// What Vigie is.
    About,
    /// The site is not known: choose one.
    AskSite,
}

impl Notification {
    /// Whether the notification answers what the user just did. An open panel shows it; one that has the focus, instead.
    pub fn is_answer(&self) -> bool {
        match self {
            Notification::Launch(_)
            | Notification::WindowFailed(..)
            | Notification::Copied(_)
            | Notification::ReportSaved(_)
            | Notification::CopyFailed
            | Notification::NotSaved(_)
            | Notification::ConnectFailed(_)
            | Notification::DisconnectFailed
            | Notification::PinNotKept
            | Notification::Forgotten(_)
            | Notification::NoMoreReminders
            | Notification::ShutdownFailed
            | Notification::OthersLoggedOn => true,
            Notification::Vpn(_)
            | Notification::Shutdown(_)
            | Notification::ConfirmShutdown
            | Notification::ConfirmForget
            | Notification::ConfigBroken
            | Notification::NoTrayHost
            | Notification::About
            | Notification::AskSite => false,
        }
    }
}

/// Why a choice of the user's could not be saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveFailure {
    /// The administrator has locked the setting.
    Locked,
    /// The user's file is broken, and would be overwritten without having been understood.
    Broken,
    /// The file, or the system's own place for it, could not be written.
    Unwritable,
}

/// What was put on the clipboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClipboardContent {
    /// The code, and the phone number that follows it.
    Code(Call),
    /// A printer's name.
    Printer(String),
    /// The texts for the helpdesk.
    SupportInfo,
    /// PIN and digits, for the client's own window; for a short while only.
    Passcode,
}

/// What the core asks of the runtime.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Let a sensor read something; the result comes back as an event.
    Request(SensorRequest),
    /// Show a notification; it replaces the one of its category.
    Notify(Notification),
    /// Withdraw what is shown in that category.
    Withdraw(Category),
    /// Start a program, open a link or a drive.
    Launch(LaunchTarget),
    /// Put a text on the clipboard; the answer is an [`Event::Copied`].
    Copy(ClipboardContent),
    /// Save the texts for the helpdesk in a file and copy them; the answer is an [`Event::ReportSaved`].
    SaveReport(HelpRequest),
    /// Show the panel's window, or bring it to the front.
    ShowPanel,
    /// Show the window for connecting, or bring it to the front.
    ShowConnect,
    /// Close the window for connecting.
    CloseConnect,
    /// Find the client and what the keyring holds; the answer is an [`Event::ConnectReady`].
    PrepareConnect,
    /// Connect; the answers are [`Event::ConnectProgress`].
    Connect(connect::ConnectRequest),
    /// Cancel the attempt that is under way and end its client.
    CancelConnect,
    /// Put PIN and digits on the clipboard for a short while; the answer is an [`Event::Copied`], or an
    /// [`Event::ConnectProgress`] with that id if the keyring no longer gives the PIN.
    CopyPasscode(RequestId, connect::Pin, connect::Secret),
    /// Disconnect the VPN; the answer is an [`Event::Disconnected`].
    Disconnect,
    /// Delete what the keyring holds; the answer is an [`Event::CredentialsForgotten`].
    ForgetCredentials,
    /// Save the state for the next start of Vigie.
    SaveState(SavedState),
    /// Write the choice into the user's file.
    SaveChoice(Choice),
    /// Remove from the user's file the values that do not count because they are wrong.
    RestoreSettings,
    /// Start with the session, or no longer.
    SetAutostart(bool),
    /// Switch the computer off, reason "planned".
    PowerOff,
    /// End the program.
    Quit,
}

/// What a sensor is asked to read.
#[derive(Debug, Clone, PartialEq)]
pub enum SensorRequest {
    /// Interfaces, routes and networks; the answers are [`Event::Links`] and, on Windows, [`Event::DomainNetworks`].
    Links,
    /// The facts about the machine; the answers are [`Event::Host`], [`Event::Drives`], [`Event::Printers`], ….
    Host,
    /// Intranet and gateway; the answer is an [`Event::Probed`] with the request's id.
    Probe(vpn::ProbeRequest),
    /// The counters of the interface with this index; the answer is an [`Event::Traffic`].
    Traffic(u32),
    /// The VPN's client; the answers are [`Event::ClientState`] and [`Event::ClientVersion`].
    Client,
    /// The clock: send [`Event::Tick`] at that time, or never if `None`. Replaces the time requested before.
    WakeAt(Option<jiff::Timestamp>),
    /// The profile has changed: use this one from now on.
    Profile(Arc<Profile>),
    /// The configuration files; the answer is an [`Event::Profile`].
    Config,
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
    /// The page that a public Wi-Fi replaces (`vpn.portal_url`).
    Portal,
    /// A page of the system's settings.
    Settings(SystemSettings),
    /// A drive, and the path at which the system has it; `None` if it has none.
    Drive(char, Option<String>),
    /// The remote support program, joining the session of that number.
    Session(Digits),
    /// A telephone code of the profile, through `tel:`.
    Call(Call),
}

/// Notifications of one category replace each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// The VPN's status.
    Vpn,
    /// The automatic shutdown.
    Shutdown,
    /// The answer to what the user just did.
    Answer,
    /// Vigie itself: its configuration, its place on the desktop.
    Program,
}
