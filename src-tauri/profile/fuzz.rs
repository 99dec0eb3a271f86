//! Fuzzes the configuration files and the school calendar.

use std::path::Path;
use vigie_profile::{
    Calendar, Choice, ConfigError, ConfigSource, FileSource, Layer, Loaded, Paths, RowKind, guide, load_with,
};
use vigie_view::config;

#[path = "../fuzz.rs"]
mod fuzz;

/// Separates the machine's file from the user's in an input.
const SEPARATOR: &str = "\n#---\n";

/// Two files in memory, and a calendar beside them.
struct MemorySource<'a> {
    machine: &'a [u8],
    user: &'a [u8],
}

impl ConfigSource for MemorySource<'_> {
    fn read(&self, layer: Layer, file: &Path) -> Result<Option<Vec<u8>>, ConfigError> {
        let is_calendar = file.extension().is_some_and(|extension| extension == "ics");
        Ok(match layer {
            _ if is_calendar => Some(ICS.as_bytes().to_vec()),
            Layer::Machine => Some(self.machine.to_vec()),
            Layer::User => Some(self.user.to_vec()),
            Layer::Guide => None,
        })
    }

    fn add_holidays(&self, calendar: &mut Calendar, bytes: &[u8]) -> Result<(), ConfigError> {
        FileSource::SYSTEM.add_holidays(calendar, bytes)
    }
}

fn load(machine: &[u8], user: &[u8]) -> Loaded {
    let paths = Paths { machine: "/m/vigie.toml".into(), user: "/u/vigie.toml".into() };
    load_with(&paths, &MemorySource { machine, user })
}

/// Whether a terminal or a menu would obey one of the characters, rather than show it.
fn acts(text: &str) -> bool {
    let is_bidirectional =
        |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().any(|c| c.is_control() && c != '\n' || is_bidirectional(c))
}

/// A choice of the user's, and whether it is in force.
type ChoiceCase = (Choice, fn(&Loaded) -> bool);

fn choices() -> [ChoiceCase; 6] {
    [
        (Choice::Site("rouen".into()), |loaded| loaded.profile.user.site.as_deref() == Some("rouen")),
        (Choice::Lead(7, true), |loaded| loaded.profile.shutdown.leads_minutes.contains(&7)),
        (Choice::Pinned(true), |loaded| loaded.profile.panel.pinned),
        (Choice::Opacity(77), |loaded| loaded.profile.panel.opacity_percent == 77),
        (Choice::Size(333, 444), |loaded| (loaded.profile.panel.width, loaded.profile.panel.height) == (333, 444)),
        (Choice::RowVisible(RowKind::Dns, false), |loaded| loaded.profile.panel.hidden.contains(&RowKind::Dns)),
    ]
}

const FILES: [&str; 7] = [
    "[user]\nsite = \"caen\"\n\n[panel]\npinned = true # always\nhidden = [\"dns\", \"router\"]\n",
    "locked = [\"vpn.probe_seconds\", \"site.caen\", \"panel\"]\n#---\nvpn.probe_seconds = 30\npanel.width = 300\n",
    "[[site]]\nid = \"caen\"\ninside = [\"smb://srv.in.ac-caen.fr\", \"https://nom#pin-sha256:AAAA\", \"dns://zone\"]\n\
     [[link]]\nid = \"mezig\"\nremove = true\n[[link]]\nid = \"agenda\"\nurl = \"https://agenda.example.fr/\"\n",
    "[calendar]\nics = \"zone-b.ics\"\n[calendar.covers]\nto = 2028-07-01\n[[calendar.holiday]]\n\
     name = \"Vacances de la Toussaint\"\nfrom = 2027-10-23\nback = 2027-11-08\n",
    "[shutdown]\nat = 21:30:00\nleads_minutes = [60, 1]\n[vpn]\nconnect = \"by-hand\"\ncandidates.linux = ['a']\n",
    "[[drive]]\nletter = \"U\"\nmount_points = [\"~/U\", \"smb://srv/u\"]\n[[program]]\nid = 'x'\nlabel = '''X\n'''\n",
    "a = {b = [[[[1]]]], \"\\u202e\" = nan}\n[user.x.y]\n[[user.z]]\n",
];

#[test]
fn fuzz_configuration_files() {
    let choices = choices();
    fuzz::fuzz(&FILES.map(str::as_bytes), |input| {
        let cut = input.windows(SEPARATOR.len()).position(|window| window == SEPARATOR.as_bytes());
        let (machine, user) = cut.map_or((&[][..], input), |at| (&input[..at], &input[at + SEPARATOR.len()..]));
        let loaded = load(machine, user);
        // Whatever is in the files, the profile in force is consistent, and what the machine locks is not the user's.
        assert_eq!(loaded.profile.inconsistencies(), []);
        assert!(loaded.values().iter().all(|value| !value.locked || value.layer != Layer::User));
        for problem in &*loaded.problems {
            let text = config::problem(problem);
            assert!(!acts(&text), "{text:?}");
        }
        let shown = config::show(&loaded);
        assert!(!acts(&shown), "{shown:?}");
        // What is written is read back, and makes nothing else wrong.
        let (choice, is_in_force) = &choices[input.len() % choices.len()];
        let Ok(text) = str::from_utf8(user) else { return };
        if let Ok(edited) = loaded.edited(choice, text) {
            let again = load(machine, edited.as_bytes());
            assert!(is_in_force(&again), "{choice:?} in {edited:?}: {:?}", again.problems);
            assert!(again.problems.len() <= loaded.problems.len(), "{:?}", again.problems);
        }
    });
}

const ICS: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//essai//FR\r\nBEGIN:VEVENT\r\n\
    DTSTART;VALUE=DATE:20271023\r\nDTEND;VALUE=DATE:20271108\r\nSUMMARY:Vacances de la \r\n Toussaint - Zone B\r\n\
    LOCATION:Zones A/B/C\r\nUID:1@x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

#[test]
fn fuzz_calendar() {
    let summer = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20270702T220000Z\nSUMMARY:Début des Vacances d'Été - Zones A B\n\
                  END:VEVENT\nBEGIN:VEVENT\nDTSTART:20270525\nDTEND:20270529\nSUMMARY:Pont de l'Ascension\nEND:VEVENT\n\
                  END:VCALENDAR\n";
    let utf16: Vec<u8> = ICS.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let before = guide().calendar;
    fuzz::fuzz(&[ICS.as_bytes(), summer.as_bytes(), &utf16], |bytes| {
        let mut calendar = before.clone();
        if FileSource::SYSTEM.add_holidays(&mut calendar, bytes).is_err() {
            assert_eq!(calendar, before);
            return;
        }
        assert!(calendar.covers.from <= before.covers.from && before.covers.to <= calendar.covers.to);
        assert!(calendar.holidays.iter().all(|holiday| holiday.from < holiday.back && !acts(&holiday.name)));
        assert!(calendar.holidays.is_sorted_by(|one, next| one.back <= next.from), "{:?}", calendar.holidays);
    });
}
