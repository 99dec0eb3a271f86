//! What can be wrong with a configuration file. `view::config` gives it words.

use std::path::PathBuf;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, if it is known; the first is 1.
    pub line: Option<usize>,
    /// The key, `vpn.probe_seconds`, `link.amigo.url`.
    pub key: Option<String>,
    /// What is wrong, and what is expected.
    pub error: ConfigError,
    /// Whether it is a value of the user's file that [`restore`](crate::restore) can remove.
    pub restorable: bool,
}

/// What is wrong, and what is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// The file cannot be read, and why; `InvalidInput` if it is no regular file.
    Unreadable(std::io::ErrorKind),
    /// The file is larger than a configuration file may be.
    TooLarge,
    /// An ordinary user owns or may write this file, or this folder on the way to it, so its contents need not be the
    /// administrator's.
    Untrusted(PathBuf),
    /// The file is not UTF-8.
    NotUtf8,
    /// The file is UTF-16.
    Utf16,
    /// The file is not TOML; why, in the parser's words.
    Syntax(String),
    /// No such key exists.
    UnknownKey {
        /// The keys known there.
        known: &'static [&'static str],
    },
    /// The key is needed.
    MissingKey,
    /// The value is of the wrong kind, or out of range.
    WrongValue {
        /// The value, as TOML.
        found: String,
        /// What is expected.
        expected: Expected,
    },
    /// The value is none of the possible ones.
    NotOneOf {
        /// The value.
        found: String,
        /// The possible values.
        expected: &'static [&'static str],
    },
    /// The value was refused; why, in the words of its parser.
    Refused(String),
    /// Because of this value, that of another key is wrong.
    Contradiction {
        /// The other key.
        key: String,
        /// What is wrong with its value.
        error: Box<ConfigError>,
    },
    /// Two entries of one list have the same name.
    Duplicate,
    /// An entry of another list has the same name, and clicks could not tell them apart.
    NameTaken {
        /// The other list, `program`.
        by: &'static str,
    },
    /// The entry that is to be removed is not there.
    NothingToRemove,
    /// Nothing of that name exists.
    NoSuch {
        /// The list in which it is looked for, `link`.
        list: &'static str,
        /// The name.
        name: String,
    },
    /// A text or list that must not be empty is.
    Empty,
    /// The pattern matches every interface.
    MatchesAll,
    /// Opens no earlier than it closes.
    HoursReversed,
    /// Overlaps the hours before it on this day, or names a day twice.
    HoursOverlap,
    /// Ends no later than it begins.
    DatesReversed,
    /// Overlaps the holidays before it.
    HolidaysOverlap,
    /// The holiday is not within the days that the calendar covers.
    OutsideCalendar,
    /// The minutes do not go down, or are none.
    LeadsNotDescending,
    /// The administrator has locked the key; what the user's file says about it is left out.
    Locked,
    /// Only the machine's file may lock keys.
    OnlyMachineLocks,
    /// No key of that name exists, so nothing is locked.
    NothingToLock,
    /// Not an .ics file; why, in the parser's words.
    NotIcs(String),
    /// The event's dates cannot be read.
    EventDates {
        /// The event's title.
        event: String,
    },
    /// The .ics file has no holidays of that zone.
    NoHolidays {
        /// The zone.
        zone: String,
    },
    /// The .ics file neither touches nor overlaps the days that the calendar covers.
    CalendarGap,
}

/// What is expected of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Any text.
    Text,
    /// One character.
    Letter,
    /// `true` or `false`.
    Boolean,
    /// A whole number from … to …, both included.
    Number(i64, i64),
    /// A list.
    List,
    /// A table.
    Table,
    /// A date, `2026-09-01`.
    Date,
    /// A time of day, `21:30`.
    Time,
    /// An IP address.
    IpAddress,
    /// An http or https address with a host.
    WebAddress,
    /// A host's name or IP address, no port.
    Host,
    /// A server of the intranet: `smb://host`, …, or `host:port`.
    IntranetHost,
    /// `pin-sha256:` and the hash of a certificate's key.
    CertificatePin,
    /// Small letters, digits and hyphens.
    Id,
    /// A capital letter from A to Z.
    DriveLetter,
    /// Digits, `*` and `#`.
    TelephoneCode,
    /// Digits and spaces.
    TelephoneNumber,
    /// Two capital letters or digits.
    PrinterCode,
}
