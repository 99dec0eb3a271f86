//! What the guide says, as typed data.
//!
//! `guide.toml` holds every fact of the academy's "Guide pour travailler en distanciel" once. A machine file and a
//! user file may change it; [`load`] merges the three, checks the result, and records where each value came from.

mod check;
mod credentials;
mod encoding;
mod error;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "files")]
mod ics;
mod intranet;
mod load;
#[cfg(feature = "read")]
mod open;
mod path;
mod read;
mod save;
mod tree;

pub use credentials::{is_valid_identifier, is_valid_passcode};
pub use error::{ConfigError, Expected, Problem};
#[cfg(feature = "files")]
pub use files::{FileSource, check_file, load, restore, save};
pub use intranet::{IntranetHost, NotAnIntranetHost, Protocol};
pub use load::{ConfigSource, ConfigValue, Layer, Loaded, Paths, check_with, guide, load_with};
#[cfg(feature = "read")]
pub use open::{open_regular, read_config, read_machine_config, read_regular, read_text};

pub use path::expand;
pub use save::{Choice, SaveError};

use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A short ASCII name (`caen`, `amigo`, `isl-light`) by which the profile, the command line and clicks refer to a thing.
pub type Id = String;

/// Everything that Vigie knows about its academy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Who the profile is for, for the "À propos" entry.
    pub about: About,
    /// The user's choices: what the user file usually holds.
    pub user: UserChoices,
    /// The sites of the academy (guide, sections 1 and 3).
    #[serde(rename = "site")]
    pub sites: Vec<Site>,
    /// How the VPN is watched (guide, section 1).
    pub vpn: VpnConfig,
    /// The network drives (guide, "Particularités communes" and section 1).
    #[serde(rename = "drive")]
    pub drives: Vec<Drive>,
    /// The telephone's function codes (guide, section 2).
    #[serde(rename = "code")]
    pub codes: Vec<TelephoneCode>,
    /// AMIGO's hours and numbers (guide, section 8).
    pub helpdesk: HelpdeskConfig,
    /// School holidays (guide, section 8: the hours depend on them).
    pub calendar: Calendar,
    /// The printers' server and naming schemes (guide, section 10).
    pub printing: Printing,
    /// The automatic shutdown (guide, section 13).
    pub shutdown: ShutdownConfig,
    /// Programs that Vigie can start.
    #[serde(rename = "program")]
    pub programs: Vec<Program>,
    /// Web addresses that Vigie can open, in the order in which the menu shows them.
    #[serde(rename = "link")]
    pub links: Vec<Link>,
    /// The menu's headings for links, in order.
    #[serde(rename = "section")]
    pub sections: Vec<Section>,
    /// The program (an id in `program`) with which the helpdesk takes the computer over (guide, section 9).
    pub remote_support: Id,
    /// WAPT's local service (guide, section 12).
    pub wapt: WaptConfig,
    /// What the panel shows and when it warns (guide, section 11).
    pub panel: PanelConfig,
    /// What the guide advises, in its words.
    #[serde(default)]
    pub advice: Advice,
    /// The guide's subjects, as the panel shows them, in order.
    #[serde(rename = "card", default)]
    pub cards: Vec<GuideCard>,
    /// Words and phrases by which users look for something, by the id of what the search finds.
    #[serde(default)]
    pub keywords: BTreeMap<Id, Vec<String>>,
    /// The keys that the machine's file locks; the user's file changes none of them, nor what is below them.
    #[serde(skip)]
    pub locked: Vec<String>,
}

/// Who the profile is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The organisation's name.
    pub organisation: String,
    /// The guide's title.
    pub guide: String,
    /// The guide's date.
    pub guide_date: Date,
    /// Whom the guide is for.
    #[serde(default)]
    pub audience: String,
    /// Who wrote it.
    #[serde(default)]
    pub author: String,
}

/// What the user may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserChoices {
    /// The user's site; absent until Cisco's files or the user name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Id>,
}

/// One site of the academy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// `caen`, `rouen`.
    pub id: Id,
    /// The name that the user reads.
    pub name: String,
    /// Department names, for "Calvados, Manche, Orne".
    pub departments: Vec<String>,
    /// The VPN gateway: a host name, or an address, without a port.
    pub gateway: String,
    /// The intranet hosts: servers that answer only from the intranet, as [`IntranetHost`] reads them: `smb://…`,
    /// `ipp://…`, `https://…`, `dns://…`, `tcp://…`, or `host:port`.
    pub inside: Vec<String>,
    /// Certificates of the gateway that OpenConnect takes though the system does not trust them (`pin-sha256:…`); if
    /// there are any, it takes no other.
    #[serde(default)]
    pub certificate_pins: Vec<String>,
}

/// How the VPN is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VpnConfig {
    /// TCP port of the gateways.
    pub gateway_port: u16,
    /// Case-insensitive glob patterns (`*`) on the interface's name that mark a tunnel (`cscotun*`, `tun*`, …).
    pub tunnel_names: Vec<String>,
    /// Case-insensitive glob patterns on the adapter's description (`Cisco AnyConnect*`, …).
    pub tunnel_descriptions: Vec<String>,
    /// Seconds between two probes while a tunnel is up.
    pub probe_seconds: u32,
    /// Seconds that a server may take to answer a probe. (Not the time limit for connecting the VPN:
    /// `connect_seconds`.)
    pub probe_timeout_seconds: u32,
    /// Seconds that a status must last before the user is notified (`time_to_visible` in the core).
    pub hold_seconds: u32,
    /// Seconds that a new tunnel has to pass its first answer before it counts as stalled (`grace_period` in the core).
    pub settle_seconds: u32,
    /// The program that opens the VPN client's window (an id in `program`).
    pub client: Id,
    /// How "Se connecter" connects.
    pub connect: ConnectMode,
    /// Whether the user may let the keyring hold the PIN.
    pub store_pin: bool,
    /// Minimum length of a PIN, in characters.
    pub pin_min: u8,
    /// Maximum length of a PIN, in characters.
    pub pin_max: u8,
    /// Wrong passcodes after which Vigie refuses to try for half an hour, so that the account is not locked.
    pub wrong_tries: u8,
    /// Seconds that an attempt to connect the VPN may take in all. (Not the time limit of a probe:
    /// `probe_timeout_seconds`.)
    pub connect_seconds: u32,
    /// The page to open in a browser on a network that asks for a log-in: unencrypted, so that the network can replace it.
    pub portal_url: String,
    /// Whether the window for connecting opens by itself after sleep, if the VPN was connected before.
    pub reconnect_after_wake: bool,
    /// The paths of Cisco's command-line program, per operating system; the first that exists is used.
    pub command_line: PerOs<Vec<String>>,
    /// Files in which Cisco keeps the user's choice and its profiles; `~`, `%VAR%` and a `*` in the file name are
    /// expanded. Per operating system.
    pub preferences: PerOs<Vec<String>>,
}

/// How "Se connecter" connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectMode {
    /// In Vigie's own window, through the client that is installed.
    Auto,
    /// In the client's own window, with the passcode that Vigie's window puts on the clipboard.
    ByHand,
    /// In the client's own window; Vigie asks for no secret.
    OpenClient,
}

/// A value that differs by operating system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerOs<T> {
    /// On Windows.
    #[serde(default)]
    pub windows: T,
    /// On Linux.
    #[serde(default)]
    pub linux: T,
}

impl<T> PerOs<T> {
    /// The value for the system that this program was built for.
    pub fn here(&self) -> &T {
        if cfg!(windows) { &self.windows } else { &self.linux }
    }
}

/// A network drive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drive {
    /// `I`, `S`, `T`, `U`.
    pub letter: char,
    /// What the drive is for.
    pub holds: DriveUse,
    /// Where the drive is found on a machine without letters, first that is mounted wins (`~` is expanded).
    #[serde(default)]
    pub mount_points: Vec<String>,
}

/// What belongs on a drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriveUse {
    /// "données personnelles"
    Personal,
    /// "données professionnelles"
    Professional,
}

/// A function code of the telephone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelephoneCode {
    /// `renvoi-immediat`, …
    pub id: Id,
    /// What it does, in the user's words.
    pub label: String,
    /// The code itself, `*21`.
    pub code: String,
    /// Whether a number follows the code ("n° de poste ou n° de portable").
    #[serde(default)]
    pub takes_number: bool,
    /// The guide's explanation, if it gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// AMIGO.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelpdeskConfig {
    /// The link (an id in `link`) that opens it.
    pub link: Id,
    /// Opening hours in school periods.
    pub school: Vec<Hours>,
    /// Opening hours outside school periods.
    pub holidays: Vec<Hours>,
    /// Whom to call in an emergency.
    pub urgent: Vec<EmergencyNumbers>,
}

/// A stretch of opening hours on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// Days of the week.
    pub days: Vec<Day>,
    /// Opens at.
    pub from: Time,
    /// Closes at (not open any more at this time).
    pub to: Time,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// Emergency numbers for a kind of establishment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmergencyNumbers {
    /// "Services académiques et autres", "Lycées publics, EREA, ERPD, LPA, LPM".
    pub establishments: String,
    /// Numbers, as the guide writes them.
    pub numbers: Vec<String>,
}

/// The school calendar of the academy's zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// `B`.
    pub zone: String,
    /// First and last day that the calendar speaks of.
    pub covers: CoveredDays,
    /// Holidays, in order.
    #[serde(rename = "holiday")]
    pub holidays: Vec<Holiday>,
    /// An .ics file in the ministry's form whose holidays are added (and may extend `covers`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ics: Option<String>,
}

/// The days that the calendar speaks of, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoveredDays {
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
}

/// A stretch of school holidays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    /// "Vacances de la Toussaint".
    pub name: String,
    /// First day without school.
    pub from: Date,
    /// The day of return (school again).
    pub back: Date,
}

/// Printing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Printing {
    /// The print server's address.
    pub server: IpAddr,
    /// Department numbers that the scheme knows, with their names.
    #[serde(rename = "department")]
    pub departments: Vec<NamedCode>,
    /// Kinds of site (`RC`: Rectorat, …).
    #[serde(rename = "place")]
    pub places: Vec<NamedCode>,
    /// Names of copiers that the guide gives as examples, one per site.
    #[serde(rename = "example")]
    pub examples: Vec<PrinterExample>,
}

/// A code and its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedCode {
    /// The code, `RC`.
    pub code: String,
    /// Its meaning, "Rectorat".
    pub name: String,
}

/// An example of a copier's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrinterExample {
    /// The copier's site.
    pub site: Id,
    /// The name, `I14RC-DSI-RDC`.
    pub name: String,
}

/// The automatic shutdown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownConfig {
    /// Local time at which machines are switched off, every day; absent if the profile says that nothing is.
    /// (A machine file switches the policy off with `enabled = false`.)
    pub at: Time,
    /// Whether the policy applies.
    pub enabled: bool,
    /// Minutes ahead at which the user is reminded, greatest first.
    pub leads_minutes: Vec<u16>,
}

/// A program that Vigie can start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// `cisco`, `isl-light`, `wapt-self-service`.
    pub id: Id,
    /// The name that the user reads.
    pub label: String,
    /// What to try, in order: an absolute path (`%VAR%` and `~` expanded), a bare name for PATH, or
    /// `shortcut:NAME` for a Start-menu or desktop shortcut (.lnk, .desktop) of that name.
    pub candidates: PerOs<Vec<String>>,
    /// Arguments given always.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// The option before a search text (`--search=`), if the program has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_option: Option<String>,
    /// The option before a session number (`--connect`), if the program has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_option: Option<String>,
    /// What to search for in the Self Service (`wapt.program`) when the program is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wapt_search: Option<String>,
    /// The web address (an http(s) URL) that helps when the program is missing and WAPT too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download: Option<String>,
}

/// A web address that Vigie can open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// `intranet-caen`, `amigo`, `tchap`.
    pub id: Id,
    /// The name that the user reads.
    pub label: String,
    /// The guide's description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// http or https.
    pub url: String,
    /// Its heading in the menu (an id in `section`).
    pub section: Id,
    /// The only site it concerns; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Id>,
    /// Whether it answers only from the intranet (on site or through the VPN).
    #[serde(default)]
    pub inside_only: bool,
}

/// A heading of the menu "Applications".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// `intranet`, `fichiers`, `outils-ministere`.
    pub id: Id,
    /// The heading that the user reads.
    pub label: String,
}

/// WAPT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaptConfig {
    /// The Self Service program (an id in `program`).
    pub program: Id,
    /// TCP port of the agent's local service on 127.0.0.1.
    pub service_port: u16,
}

/// What the panel shows and when it warns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PanelConfig {
    /// Days since the last start past which the panel warns.
    pub warn_uptime_days: u32,
    /// Free space on the system disk, in percent, below which the panel warns.
    pub warn_disk_free_percent: u8,
    /// Whether the panel is shown on the desktop as long as Vigie runs, below all windows.
    pub pinned: bool,
    /// Opacity of the pinned panel, in percent: 100 hides what is behind it.
    pub opacity_percent: u8,
    /// Width of the pinned panel, in logical pixels.
    pub width: u16,
    /// Height of the pinned panel, in logical pixels; a lower work area makes it less.
    pub height: u16,
    /// Rows that the pinned panel does not show.
    pub hidden: Vec<RowKind>,
}

/// Declares an enum with its variants in order and their names in configuration files. `strum` could do the same, but
/// would be one more crate in the program that runs as root.
macro_rules! named_variants {
    ($(#[$attribute:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident = $id:literal,)* }) => {
        $(#[$attribute])*
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $id)] $variant,)*
        }

        impl $name {
            /// Every variant, in the order of the panel.
            pub const ALL: [$name; [$($id),*].len()] = [$($name::$variant),*];

            /// Returns the name in configuration files.
            pub fn id(self) -> &'static str {
                match self {
                    $($name::$variant => $id,)*
                }
            }
        }
    };
}

named_variants! {
    /// The kinds of rows in the panel.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
    pub enum RowKind {
        /// The VPN's status.
        Vpn = "vpn",
        /// The user's site.
        Site = "site",
        /// The computer's own address.
        LocalAddress = "local-address",
        /// The tunnel's address.
        VpnAddress = "vpn-address",
        /// The default route's gateway.
        Router = "router",
        /// The name servers.
        Dns = "dns",
        /// The computer's name.
        Computer = "computer",
        /// The user and the domain.
        User = "user",
        /// The operating system and its version.
        System = "system",
        /// When the computer was started.
        Booted = "booted",
        /// The memory.
        Memory = "memory",
        /// The system disk.
        Disk = "disk",
        /// The battery.
        Battery = "battery",
        /// Vigie's version.
        Version = "version",
        /// The network drives, one row each.
        Drives = "drives",
        /// The printers, one row each.
        Printers = "printers",
        /// WAPT.
        Wapt = "wapt",
        /// AMIGO's hours.
        Amigo = "amigo",
        /// The emergency numbers, one row for each kind of establishment.
        Urgent = "urgent",
        /// The automatic shutdown.
        Shutdown = "shutdown",
    }
}

/// What the guide advises where something is typed, a sentence or two; empty where nothing is said. What it says about a
/// subject is in [`GuideCard`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Advice {
    /// What to type as "Username" in the VPN client (section 1).
    pub vpn_username: String,
    /// What to type as "Passcode" (section 1).
    pub vpn_passcode: String,
    /// Forwarding calls (section 2).
    pub forwarding: String,
    /// How a remote support session begins (section 9).
    pub remote_session: String,
}

/// A subject of the guide: its own words, the facts that belong to it, and what does it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuideCard {
    /// `vpn`, `imprimer`.
    pub id: Id,
    /// The heading.
    pub title: String,
    /// What it is about, in a line.
    pub summary: String,
    /// Whether the panel has a tile for it; the search finds it in any case.
    #[serde(default)]
    pub tile: bool,
    /// What the guide says, a paragraph each.
    #[serde(default)]
    pub text: Vec<String>,
    /// What to do, step by step.
    #[serde(default)]
    pub steps: Vec<String>,
    /// Rows of the panel that belong to it.
    #[serde(default)]
    pub rows: Vec<RowKind>,
    /// Parts that are made of other values of the profile.
    #[serde(default)]
    pub parts: Vec<CardPart>,
    /// Programs and links (ids in `program` and `link`) that it opens; an administrator may have removed some.
    #[serde(default)]
    pub open: Vec<Id>,
    /// Other cards (ids in `card`) that it leads to; an administrator may have removed some.
    #[serde(default)]
    pub see: Vec<Id>,
}

/// A part of a card that is made of other values of the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CardPart {
    /// Connecting and disconnecting, and the gateway of each site.
    Vpn,
    /// The network drives, to be opened.
    Drives,
    /// The telephone's codes.
    Telephone,
    /// How copiers are named, with an example for each site.
    Copiers,
    /// The helpdesk's hours.
    Hours,
    /// The emergency numbers.
    Numbers,
    /// The texts for the helpdesk, to be copied.
    SupportInfo,
    /// The number of a remote support session.
    Session,
    /// Reminders, and switching the computer off.
    Shutdown,
}

impl Site {
    /// The servers of [`Site::inside`].
    pub fn intranet_hosts(&self) -> impl Iterator<Item = IntranetHost> {
        self.inside.iter().filter_map(|text| text.parse().ok())
    }
}

impl Profile {
    /// The user's site, if it is known.
    pub fn site(&self) -> Option<&Site> {
        let id = self.user.site.as_deref()?;
        self.sites.iter().find(|site| site.id == id)
    }

    /// The program of that id.
    pub fn program(&self, id: &str) -> Option<&Program> {
        self.programs.iter().find(|program| program.id == id)
    }

    /// The link of that id.
    pub fn link(&self, id: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.id == id)
    }

    /// Whether the machine's file locks a key, `panel.pinned`.
    pub fn locks(&self, key: &str) -> bool {
        let below = |lock: &str| key.strip_prefix(lock).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.locked.iter().any(|lock| below(lock))
    }

    /// The card of that id.
    pub fn card(&self, id: &str) -> Option<&GuideCard> {
        self.cards.iter().find(|card| card.id == id)
    }

    /// The telephone code of that id.
    pub fn code(&self, id: &str) -> Option<&TelephoneCode> {
        self.codes.iter().find(|code| code.id == id)
    }
}
