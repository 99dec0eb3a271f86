//! Loading and saving, with files in a folder of the test's own.
#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in tests, not in their helpers")]

use jiff::civil::{date, time};
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use vigie_profile::*;
use vigie_view::config;

/// The files of a test belong to the user who runs it; `open` has tests of who may write them.
const SOURCE: FileSource = FileSource { check_owner: false };

fn save(paths: &Paths, choice: &Choice) -> Result<(), SaveError> {
    SOURCE.save(paths, choice)
}

/// A machine file and a user file in a temporary folder.
struct Files {
    _folder: tempfile::TempDir,
    paths: Paths,
}

impl Files {
    fn new() -> Files {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = Paths { machine: folder.path().join("machine.toml"), user: folder.path().join("user.toml") };
        Files { _folder: folder, paths }
    }

    fn with(machine: &str, user: &str) -> Files {
        let files = Files::new();
        for (path, text) in [(&files.paths.machine, machine), (&files.paths.user, user)] {
            if !text.is_empty() {
                fs::write(path, text).expect("the file is written");
            }
        }
        files
    }

    fn load(&self) -> Loaded {
        load_with(&self.paths, &SOURCE)
    }

    fn user_text(&self) -> String {
        fs::read_to_string(&self.paths.user).expect("the user's file")
    }
}

/// The problems of a user's file, as (line, key, error).
fn user_problems(text: &str) -> Vec<(Option<usize>, String, ConfigError)> {
    let files = Files::with("", text);
    let loaded = files.load();
    assert_eq!(*loaded.profile, guide(), "a broken layer is left out: {text}");
    problems_of(&loaded, &files.paths.user)
}

fn problems_of(loaded: &Loaded, file: &Path) -> Vec<(Option<usize>, String, ConfigError)> {
    let triple = |problem: &Problem| {
        assert_eq!(problem.file, file);
        (problem.line, problem.key.clone().unwrap_or_default(), problem.error.clone())
    };
    loaded.problems.iter().map(triple).collect()
}

#[test]
fn embedded_guide_has_the_facts_of_the_academys_guide() {
    let guide = guide();
    assert_eq!(guide.inconsistencies(), []);
    assert_eq!(guide.about.guide_date, date(2023, 5, 9));
    let sites: Vec<_> = guide.sites.iter().map(|site| (site.name.as_str(), site.gateway.as_str())).collect();
    assert_eq!(sites, [("Caen", "portailotp.ac-caen.fr"), ("Rouen", "api.ac-rouen.fr")]);
    assert_eq!(guide.sites[0].departments, ["Calvados", "Manche", "Orne"]);
    assert_eq!(guide.sites[1].departments, ["Seine-Maritime", "Eure"]);
    assert_eq!(guide.user.site, None);

    let drives: Vec<_> = guide.drives.iter().map(|drive| (drive.letter, drive.holds)).collect();
    let professional = DriveUse::Professional;
    assert_eq!(drives, [('I', professional), ('S', professional), ('T', professional), ('U', DriveUse::Personal)]);

    let codes: Vec<_> = guide.codes.iter().map(|code| (code.code.as_str(), code.takes_number)).collect();
    assert_eq!(
        codes,
        [("*21", true), ("*22", true), ("*23", true), ("*20", false), ("*10", false), ("*25", false), ("*98", false)]
    );

    let url = |id: &str| guide.link(id).map(|link| link.url.as_str());
    assert_eq!(url("intranet-caen"), Some("https://monintranet.ac-caen.fr/"));
    assert_eq!(url("intranet-rouen"), Some("http://portail-metier.ac-rouen.fr"));
    assert_eq!(url("amigo"), Some("http://assistance.ac-normandie.fr/"));
    assert_eq!(url("doc-filesender"), Some("https://services.renater.fr/groupware/filesender/guide_utilisateur/index"));
    assert_eq!(url("doc-visio-agents"), Some("https://visio-agents.education.fr/documentation"));
    assert_eq!(url("doc-tchap"), Some("https://www.tchap.gouv.fr/tchap-prise-en-main.pdf"));
    assert_eq!(
        url("doc-tribu"),
        Some("https://foad.phm.education.gouv.fr/sites/default/files/Documentation/livret_tribu.pdf")
    );
    assert_eq!(url("portail-apps"), Some("https://portail.apps.education.fr/"));

    let tools: Vec<_> = guide.links.iter().filter(|link| link.section == "ministere").collect();
    let labels = tools.iter().map(|link| link.label.as_str()).filter(|label| !label.contains("Portail apps"));
    assert_eq!(
        labels.collect::<Vec<_>>(),
        [
            "Agenda",
            "Evento",
            "Filesender",
            "France Transfert",
            "Le projet Apps",
            "Mezig",
            "Nuage",
            "Pad avancé - CodiMD",
            "Pod Educ",
            "Portail tubes",
            "Rendez-vous Renater",
            "Sondage",
            "Tchap",
            "Tribu",
            "Visio-Agents",
        ]
    );
    // Each site has its own links for the intranet, large files, web conferences and Tribu.
    for site in &guide.sites {
        let own: Vec<_> = guide.links.iter().filter(|link| link.site.as_ref() == Some(&site.id)).collect();
        let sections: Vec<_> = own.iter().map(|link| link.section.as_str()).collect();
        assert_eq!(sections, ["intranet", "fichiers", "webconference", "collaboratif"]);
    }

    let urgent: Vec<_> = guide.helpdesk.urgent.iter().map(|urgent| urgent.numbers.join(" ")).collect();
    assert_eq!(urgent, ["0806 000 488 0810 14 50 61", "09 70 80 97 97"]);
    let isl = guide.program(&guide.remote_support).expect("the remote support's program");
    assert_eq!(isl.download.as_deref(), Some("https://telemaintenance.ac-normandie.fr/start/ISLLightClient"));
    assert!(isl.candidates.windows.contains(&"shortcut:Telemaintenance acNormandie Client".to_owned()));
    assert_eq!(guide.wapt.service_port, 8088);
    assert_eq!(guide.printing.server.to_string(), "172.26.66.73");
    let examples: Vec<_> = guide.printing.examples.iter().map(|example| example.name.as_str()).collect();
    assert_eq!(examples, ["I14RC-DSI-RDC", "I76RC-DSI04-B4"]);
    let departments: Vec<_> = guide.printing.departments.iter().map(|coded| coded.code.as_str()).collect();
    assert_eq!(departments, ["14", "27", "50", "61", "76"]);
    let places: Vec<_> = guide.printing.places.iter().map(|coded| coded.code.as_str()).collect();
    assert_eq!(places, ["RC", "DN", "CI", "CR"]);
    assert_eq!(guide.shutdown.at, time(21, 30, 0, 0));
    assert_eq!(guide.shutdown.leads_minutes, [30, 15, 5]);
    assert_eq!(guide.cards.iter().filter(|card| card.tile).count(), 12);
    for id in guide.cards.iter().flat_map(|card| &card.open) {
        assert!(guide.program(id).is_some() || guide.link(id).is_some(), "{id}");
    }
}

#[test]
fn helpdesk_hours_are_those_of_the_guide() {
    let open = |hours: &[Hours]| -> Vec<String> {
        let days = [Day::Monday, Day::Tuesday, Day::Wednesday, Day::Thursday, Day::Friday, Day::Saturday, Day::Sunday];
        let on = |day: &Day| -> String {
            let of_day = hours.iter().filter(|hours| hours.days.contains(day));
            of_day.map(|hours| format!("{:.5}-{:.5} ", hours.from.to_string(), hours.to.to_string())).collect()
        };
        days.iter().map(on).collect()
    };
    let helpdesk = guide().helpdesk;
    let long = "08:00-17:00 ";
    assert_eq!(open(&helpdesk.school), [long, long, "08:00-13:00 ", long, long, "", ""]);
    let short = "09:00-12:30 13:30-17:00 ";
    assert_eq!(open(&helpdesk.holidays), [short, short, short, short, short, "", ""]);
}

#[test]
fn missing_files_are_no_problem() {
    let loaded = Files::new().load();
    assert_eq!(*loaded.profile, guide());
    assert!(loaded.problems.is_empty());
    assert!(loaded.values().iter().all(|setting| setting.layer == Layer::Guide && !setting.locked));
}

#[test]
fn later_layers_win_key_by_key_and_entry_by_entry() {
    let files = Files::with(
        "[vpn]\nprobe_seconds = 30\nhold_seconds = 8\n\
         [[link]]\nid = \"amigo\"\nurl = \"https://amigo.example/\"\n\
         [[link]]\nid = \"cantine\"\nlabel = \"Cantine\"\nurl = \"https://cantine.example/\"\nsection = \"intranet\"\n\
         [[link]]\nid = \"mezig\"\nremove = true\n\
         [[helpdesk.school]]\ndays = [\"monday\"]\nfrom = 10:00\nto = \"11:00\"\n",
        "vpn.probe_seconds = 90\nuser.site = \"rouen\"\n[[link]]\nid = \"cantine\"\nlabel = \"Repas\"\n",
    );
    let loaded = files.load();
    assert_eq!(*loaded.problems, []);
    let profile = &loaded.profile;
    assert_eq!((profile.vpn.probe_seconds, profile.vpn.hold_seconds, profile.vpn.settle_seconds), (90, 8, 5));
    let amigo = profile.link("amigo").expect("AMIGO");
    assert_eq!((amigo.label.as_str(), amigo.url.as_str()), ("AMIGO", "https://amigo.example/"));
    let last = profile.links.last().expect("links");
    assert_eq!((last.label.as_str(), last.url.as_str()), ("Repas", "https://cantine.example/"));
    assert!(profile.link("mezig").is_none());
    assert_eq!(profile.helpdesk.school.len(), 1);
    assert_eq!(profile.helpdesk.school[0].from, time(10, 0, 0, 0));
    assert_eq!(profile.site().map(|site| site.name.as_str()), Some("Rouen"));

    let from = |key: &str| {
        let settings = loaded.values();
        let setting = settings.iter().find(|setting| setting.key == key).expect(key);
        (setting.value.clone(), setting.layer, setting.line)
    };
    assert_eq!(from("vpn.probe_seconds"), ("90".into(), Layer::User, 1));
    assert_eq!(from("vpn.hold_seconds"), ("8".into(), Layer::Machine, 3));
    assert_eq!(from("link.amigo.url"), ("\"https://amigo.example/\"".into(), Layer::Machine, 6));
    assert_eq!(from("link.amigo.label").1, Layer::Guide);
    assert_eq!(from("link.cantine.label"), ("\"Repas\"".into(), Layer::User, 5));
    let shown = config::show(&loaded);
    let user = files.paths.user.display();
    assert!(shown.contains(&format!("vpn.probe_seconds = 90  # utilisateur ({user}, ligne 1)\n")), "{shown}");
    assert!(shown.contains("link.amigo.label = \"AMIGO\"  # guide\n"), "{shown}");
}

#[test]
fn holidays_are_added_by_their_dates() {
    let files = Files::with(
        "[calendar]\ncovers.to = 2027-11-15\n\
         [[calendar.holiday]]\nname = \"Toussaint\"\nfrom = 2027-10-23\nback = 2027-11-08\n\
         [[calendar.holiday]]\nname = \"Été\"\nfrom = 2027-07-03\nback = \"2027-09-01\"\n\
         [[calendar.holiday]]\nfrom = 2026-12-19\nback = 2027-01-05\n",
        "",
    );
    let loaded = files.load();
    assert_eq!(*loaded.problems, []);
    let calendar = &loaded.profile.calendar;
    assert!(calendar.holidays.windows(2).all(|pair| pair[0].back <= pair[1].from), "in order");
    assert_eq!(calendar.holidays.len(), guide().calendar.holidays.len() + 2);
    assert_eq!(calendar.covers.to, date(2027, 11, 15));
    let christmas = calendar.holidays.iter().find(|holiday| holiday.from == date(2026, 12, 19)).expect("Christmas");
    assert_eq!((christmas.name.as_str(), christmas.back), ("Vacances de Noël", date(2027, 1, 5)));
}

#[test]
fn every_error_has_its_line_and_key() {
    use Expected as E;
    let wrong = |found: &str, expected| ConfigError::WrongValue { found: found.into(), expected };
    let no_such = |list, name: &str| ConfigError::NoSuch { list, name: name.into() };
    let entry = |list: &str, rest: &str| format!("\n[[{list}]]\n{rest}\n");
    let cases: Vec<(String, usize, &str, ConfigError)> = vec![
        // Kinds of values.
        (
            "\n[vpn]\nprobe_seconds = \"60\"".into(),
            3,
            "vpn.probe_seconds",
            wrong("\"60\"", E::Number(0, u32::MAX.into())),
        ),
        // What controls a terminal is printed as it can be written.
        (
            "vpn.probe_seconds = \"\\u202e\\u009b\\\"\"".into(),
            1,
            "vpn.probe_seconds",
            wrong("\"\\u202E\\u009B\\\"\"", E::Number(0, u32::MAX.into())),
        ),
        ("vpn.gateway_port = 70000".into(), 1, "vpn.gateway_port", wrong("70000", E::Number(0, 65_535))),
        ("vpn.gateway_port = 4.5".into(), 1, "vpn.gateway_port", wrong("4.5", E::Number(0, 65_535))),
        ("vpn = 3".into(), 1, "vpn", wrong("3", E::Table)),
        ("link = 3".into(), 1, "link", wrong("3", E::List)),
        ("link = [3]".into(), 1, "link[0]", wrong("3", E::Table)),
        ("helpdesk.urgent = \"x\"".into(), 1, "helpdesk.urgent", wrong("\"x\"", E::List)),
        ("shutdown.enabled = 1".into(), 1, "shutdown.enabled", wrong("1", E::Boolean)),
        ("about.guide = 1".into(), 1, "about.guide", wrong("1", E::Text)),
        ("about.guide_date = \"hier\"".into(), 1, "about.guide_date", wrong("\"hier\"", E::Date)),
        ("shutdown.at = \"25:00\"".into(), 1, "shutdown.at", wrong("\"25:00\"", E::Time)),
        ("printing.server = \"1.2.3\"".into(), 1, "printing.server", wrong("\"1.2.3\"", E::IpAddress)),
        (
            entry("drive", "letter = \"Long\"\nholds = \"personal\""),
            3,
            "drive.Long.letter",
            wrong("\"Long\"", E::Letter),
        ),
        (
            entry("drive", "letter = \"I\"\nholds = \"secret\""),
            4,
            "drive.I.holds",
            ConfigError::NotOneOf { found: "\"secret\"".into(), expected: &["personal", "professional"] },
        ),
        ("\n[user]\ncity = \"Caen\"".into(), 3, "user.city", ConfigError::UnknownKey { known: &["site"] }),
        (
            entry("link", "id = \"new\"\nlabel = \"Neu\"\nsection = \"intranet\""),
            2,
            "link.new.url",
            ConfigError::MissingKey,
        ),
        (entry("link", "label = \"Neu\""), 2, "link[0].id", ConfigError::MissingKey),
        (entry("link", "id = 3"), 3, "link[0].id", wrong("3", E::Text)),
        ("\n[[link]]\nid = \"amigo\"\n[[link]]\nid = \"amigo\"".into(), 2, "link.amigo", ConfigError::Duplicate),
        (entry("link", "id = \"nowhere\"\nremove = true"), 2, "link.nowhere", ConfigError::NothingToRemove),
        // The whole.
        ("user.site = \"paris\"".into(), 1, "user.site", no_such("site", "paris")),
        ("vpn.client = \"none\"".into(), 1, "vpn.client", no_such("program", "none")),
        ("remote_support = \"none\"".into(), 1, "remote_support", no_such("program", "none")),
        ("wapt.program = \"none\"".into(), 1, "wapt.program", no_such("program", "none")),
        ("helpdesk.link = \"none\"".into(), 1, "helpdesk.link", no_such("link", "none")),
        (entry("link", "id = \"amigo\"\nsection = \"x\""), 4, "link.amigo.section", no_such("section", "x")),
        (entry("link", "id = \"amigo\"\nsite = \"x\""), 4, "link.amigo.site", no_such("site", "x")),
        (entry("printing.example", "site = \"x\"\nname = \"I\""), 3, "printing.example.x.site", no_such("site", "x")),
        (
            entry("link", "id = \"amigo\"\nurl = \"file:///etc/passwd\""),
            4,
            "link.amigo.url",
            wrong("\"file:///etc/passwd\"", E::WebAddress),
        ),
        (
            entry("program", "id = \"cisco\"\ndownload = \"https://\""),
            4,
            "program.cisco.download",
            wrong("\"https://\"", E::WebAddress),
        ),
        (
            entry("link", "id = \"Été\"\nlabel = \"E\"\nurl = \"http://a\"\nsection = \"intranet\""),
            3,
            "link.Été.id",
            wrong("\"Été\"", E::Id),
        ),
        (
            entry("link", "id = \"cisco\"\nlabel = \"E\"\nurl = \"http://a\"\nsection = \"intranet\""),
            3,
            "link.cisco.id",
            ConfigError::NameTaken { by: "program" },
        ),
        (
            entry("code", "id = \"amigo\"\nlabel = \"E\"\ncode = \"*1\""),
            3,
            "code.amigo.id",
            ConfigError::NameTaken { by: "link" },
        ),
        (
            entry("code", "id = \"sans-renvoi\"\ncode = \"*21;ext\""),
            4,
            "code.sans-renvoi.code",
            wrong("\"*21;ext\"", E::TelephoneCode),
        ),
        (
            entry("site", "id = \"caen\"\ngateway = \"https://x\""),
            4,
            "site.caen.gateway",
            wrong("\"https://x\"", E::Host),
        ),
        (
            entry("site", "id = \"caen\"\ninside = [\"a:1\", \"a:0\"]"),
            4,
            "site.caen.inside",
            wrong("\"a:0\"", E::IntranetHost),
        ),
        (entry("site", "id = \"caen\"\ninside = []"), 4, "site.caen.inside", ConfigError::Empty),
        (entry("site", "id = \"caen\"\nname = \" \""), 4, "site.caen.name", ConfigError::Empty),
        ("vpn.gateway_port = 0".into(), 1, "vpn.gateway_port", wrong("0", E::Number(1, 65_535))),
        ("wapt.service_port = 0".into(), 1, "wapt.service_port", wrong("0", E::Number(1, 65_535))),
        ("vpn.probe_seconds = 1".into(), 1, "vpn.probe_seconds", wrong("1", E::Number(5, 86_400))),
        (
            "panel.warn_disk_free_percent = 101".into(),
            1,
            "panel.warn_disk_free_percent",
            wrong("101", E::Number(0, 100)),
        ),
        ("vpn.tunnel_names = [\"**\"]".into(), 1, "vpn.tunnel_names", ConfigError::MatchesAll),
        ("vpn.tunnel_names = [\"\"]".into(), 1, "vpn.tunnel_names", ConfigError::Empty),
        ("vpn.command_line.linux = [\"\"]".into(), 1, "vpn.command_line.linux", ConfigError::Empty),
        (entry("drive", "letter = \"i\"\nholds = \"personal\""), 3, "drive.i.letter", wrong("\"i\"", E::DriveLetter)),
        (
            entry("helpdesk.school", "days = [\"monday\"]\nfrom = \"17:00\"\nto = \"08:00\""),
            5,
            "helpdesk.school[0].to",
            ConfigError::HoursReversed,
        ),
        (
            entry("helpdesk.school", "days = []\nfrom = \"07:00\"\nto = \"08:00\""),
            3,
            "helpdesk.school[0].days",
            ConfigError::Empty,
        ),
        (
            entry("helpdesk.school", "days = [\"monday\"]\nfrom = \"08:00\"\nto = \"12:00\"")
                + "[[helpdesk.school]]\ndays = [\"monday\"]\nfrom = \"11:59\"\nto = \"13:00\"",
            7,
            "helpdesk.school[1].days",
            ConfigError::HoursOverlap,
        ),
        (
            entry("helpdesk.urgent", "establishments = \"Tous\"\nnumbers = [\"dix\"]"),
            4,
            "helpdesk.urgent[0].numbers",
            wrong("\"dix\"", E::TelephoneNumber),
        ),
        ("shutdown.leads_minutes = [5, 15]".into(), 1, "shutdown.leads_minutes", ConfigError::LeadsNotDescending),
        ("shutdown.leads_minutes = [5, 0]".into(), 1, "shutdown.leads_minutes", ConfigError::LeadsNotDescending),
        ("calendar.covers.to = 2020-01-01".into(), 1, "calendar.covers.to", ConfigError::DatesReversed),
        (
            entry("calendar.holiday", "name = \"x\"\nfrom = 2027-05-10\nback = 2027-05-10"),
            5,
            "calendar.holiday.2027-05-10.back",
            ConfigError::DatesReversed,
        ),
        (
            entry("calendar.holiday", "name = \"x\"\nfrom = 2026-12-20\nback = 2026-12-22"),
            4,
            "calendar.holiday.2026-12-20.from",
            ConfigError::HolidaysOverlap,
        ),
        (
            entry("calendar.holiday", "name = \"x\"\nfrom = 2028-12-20\nback = 2028-12-22"),
            4,
            "calendar.holiday.2028-12-20.from",
            ConfigError::OutsideCalendar,
        ),
        (
            entry("printing.place", "code = \"rect\"\nname = \"Rectorat\""),
            3,
            "printing.place.rect.code",
            wrong("\"rect\"", E::PrinterCode),
        ),
        ("locked = [\"vpn\"]\n".into(), 1, "locked", ConfigError::OnlyMachineLocks),
    ];
    for (text, line, key, error) in cases {
        let problems = user_problems(&text);
        let wanted = (Some(line), key.to_owned(), error);
        assert!(problems.contains(&wanted), "{text}\nwanted {wanted:?}\nfound {problems:?}");
        // As a machine file it has the same errors, except for locks.
        if key != "locked" {
            let files = Files::with(&text, "");
            let found = check_file(&files.paths.machine);
            assert!(found.iter().any(|problem| problem.key.as_deref() == Some(key)), "{text}: {found:?}");
            for problem in &found {
                let words = config::problem(problem);
                assert!(words.starts_with(&format!("{}, ligne ", files.paths.machine.display())), "{words}");
            }
        }
    }
}

#[test]
fn unreadable_files_are_left_out() {
    let (line, key, error) = user_problems("[vpn]\nprobe_seconds = \n").remove(0);
    assert_eq!((line, key.as_str()), (Some(2), ""));
    assert!(matches!(error, ConfigError::Syntax(_)), "{error:?}");

    let files = Files::with("", "user.site = \"caen\"");
    fs::write(&files.paths.machine, b"# \xe9t\xe9").unwrap();
    let loaded = files.load();
    assert_eq!(problems_of(&loaded, &files.paths.machine), [(None, String::new(), ConfigError::NotUtf8)]);
    assert_eq!(loaded.profile.user.site.as_deref(), Some("caen"), "the other layer counts");

    fs::write(&files.paths.machine, " ".repeat((1 << 20) + 1)).unwrap();
    assert_eq!(problems_of(&files.load(), &files.paths.machine), [(None, String::new(), ConfigError::TooLarge)]);

    fs::remove_file(&files.paths.machine).unwrap();
    fs::create_dir(&files.paths.machine).unwrap();
    let problems = problems_of(&files.load(), &files.paths.machine);
    assert!(matches!(problems[..], [(None, _, ConfigError::Unreadable(_))]), "{problems:?}");

    let missing = check_file(Path::new("/nowhere/vigie.toml"));
    assert!(matches!(missing[..], [Problem { error: ConfigError::Unreadable(_), .. }]), "{missing:?}");
}

#[test]
fn byte_order_mark_and_crlf_are_accepted() {
    let files = Files::with("", "\u{feff}[vpn]\r\nprobe_seconds = 90\r\nholds = 1\r\n");
    let loaded = files.load();
    assert_eq!(loaded.problems[0].line, Some(3));
    let files = Files::with("", "\u{feff}[vpn]\r\nprobe_seconds = 90\r\n");
    assert_eq!(files.load().profile.vpn.probe_seconds, 90);
}

#[test]
fn one_check_reports_all_errors() {
    let problems = user_problems("vpn.gateway_port = \"x\"\nvpn.x = 1\nuser.site = \"paris\"\n[[link]]\nid = \"a\"\n");
    let keys: Vec<_> = problems.iter().map(|(line, key, _)| (line.unwrap_or(0), key.as_str())).collect();
    for wanted in [(1, "vpn.gateway_port"), (2, "vpn.x"), (3, "user.site"), (4, "link.a.label")] {
        assert!(keys.contains(&wanted), "{wanted:?} in {keys:?}");
    }
}

#[test]
fn locked_keys_cannot_be_changed_by_the_user() {
    let files = Files::with(
        "locked = [\"vpn.probe_seconds\", \"user.site\", \"link.amigo.url\", \"calendar\"]\nuser.site = \"rouen\"\n",
        "[user]\nsite = \"caen\"\n[vpn]\nprobe_seconds = 7\nhold_seconds = 9\n[calendar]\nzone = \"A\"\n\
         [[link]]\nid = \"amigo\"\nurl = \"https://evil.example/\"\nlabel = \"Aide\"\n",
    );
    let loaded = files.load();
    let profile = &loaded.profile;
    assert_eq!(profile.user.site.as_deref(), Some("rouen"));
    assert_eq!((profile.vpn.probe_seconds, profile.vpn.hold_seconds), (60, 9));
    assert_eq!(profile.calendar.zone, "B");
    let amigo = profile.link("amigo").expect("AMIGO");
    assert_eq!((amigo.url.as_str(), amigo.label.as_str()), ("http://assistance.ac-normandie.fr/", "Aide"));
    let problems = problems_of(&loaded, &files.paths.user);
    let locked = |line, key: &str| (Some(line), key.to_owned(), ConfigError::Locked);
    assert_eq!(
        problems,
        [locked(2, "user.site"), locked(4, "vpn.probe_seconds"), locked(6, "calendar"), locked(10, "link.amigo.url")]
    );
    let shown = config::show(&loaded);
    assert!(shown.contains("ligne 2), verrouillé\n"), "{shown}");
    assert!(matches!(save(&files.paths, &Choice::Site("caen".into())), Err(SaveError::Locked(_))));
    assert!(files.user_text().contains("site = \"caen\""), "the file is as it was");

    let files = Files::with("locked = [\"link.amigo.url\"]", "[[link]]\nid = \"amigo\"\nremove = true\n");
    let loaded = files.load();
    assert!(loaded.profile.link("amigo").is_some());
    assert_eq!(problems_of(&loaded, &files.paths.user), [locked(1, "link.amigo")]);
}

#[test]
fn locks_hold_if_the_rest_of_the_machine_file_is_wrong() {
    let files = Files::with("locked = [\"vpn.probe_seconds\", \"vpn.prob\", 3]\nx = 1\n", "vpn.probe_seconds = 7");
    let loaded = files.load();
    assert_eq!(loaded.profile.vpn.probe_seconds, 60);
    let faults: Vec<_> = loaded.problems.iter().map(|problem| (problem.key.as_deref(), &problem.error)).collect();
    assert!(
        matches!(
            faults[..],
            [
                (Some("locked[1]"), ConfigError::NothingToLock),
                (Some("locked[2]"), ConfigError::WrongValue { expected: Expected::Text, .. }),
                (Some("x"), ConfigError::UnknownKey { .. }),
                (Some("vpn.probe_seconds"), ConfigError::Locked),
            ]
        ),
        "{faults:?}"
    );
    let files = Files::with("locked = true", "");
    assert_eq!(
        problems_of(&files.load(), &files.paths.machine),
        [(Some(1), "locked".into(), ConfigError::WrongValue { found: "true".into(), expected: Expected::List })]
    );
}

#[test]
fn saving_the_site_keeps_the_rest_of_the_file() {
    let files = Files::new();
    save(&files.paths, &Choice::Site("caen".into())).expect("a new file");
    assert_eq!(files.load().profile.user.site.as_deref(), Some("caen"));

    for text in [
        "# mine\n[vpn]\nprobe_seconds = 90 # slow line\n\n[user] # me\nsite = \"caen\"   # home\n\n# the end\n",
        "# mine\nuser = { site = \"caen\" }\n# the end\n",
        "# mine\nuser.site = 'caen'\n# the end\n",
    ] {
        let files = Files::with("", text);
        save(&files.paths, &Choice::Site("rouen".into())).expect("the site is written");
        let expected = text.replace("\"caen\"", "\"rouen\"").replace("'caen'", "\"rouen\"");
        assert_eq!(files.user_text(), expected);
        assert_eq!(files.load().profile.user.site.as_deref(), Some("rouen"));
    }
    let files = Files::with("", "# mine\n[vpn]\nprobe_seconds = 90\n");
    save(&files.paths, &Choice::Site("rouen".into())).expect("the site is written");
    assert!(files.user_text().starts_with("# mine\n[vpn]\nprobe_seconds = 90\n"));
    assert_eq!(files.load().profile.user.site.as_deref(), Some("rouen"));
    let others = fs::read_dir(files.paths.user.parent().unwrap()).unwrap().count();
    assert_eq!(others, 1, "no temporary file stays");
}

#[test]
fn restoring_removes_bad_values_alone() {
    let files = Files::with(
        "locked = [\"shutdown.at\"]\n",
        "\
# Mes réglages.
user.site = \"caen\"

[vpn]
# Moins souvent.
probe_seconds = \"souvent\"
hold_seconds = 8 # assez

[shutdown]
at = \"20:00\"
leads_minutes = [30, \"dix\"]

[panel]
pined = true
opacity_percent = 80

[[link]]
id = \"amigo\"
url = \"file:///etc/passwd\"
label = \"Aide\"
",
    );
    let loaded = files.load();
    let keys: Vec<_> = loaded.problems.iter().filter_map(|problem| problem.key.as_deref()).collect();
    assert_eq!(keys.len(), 5, "{keys:?}");
    assert!(loaded.problems.iter().all(|problem| problem.restorable));
    SOURCE.restore(&files.paths).expect("it is written");
    let expected = "\
# Mes réglages.
user.site = \"caen\"

[vpn]
# Moins souvent.
hold_seconds = 8 # assez

[shutdown]

[panel]
opacity_percent = 80

[[link]]
id = \"amigo\"
label = \"Aide\"
";
    assert_eq!(std::fs::read_to_string(&files.paths.user).expect("it is there"), expected);
    let restored = files.load();
    assert_eq!(restored.problems[..], []);
    assert_eq!(restored.profile, loaded.profile, "they did not count before either");
    // The machine's file is the administrator's, and what is not TOML is nobody's guess.
    let files = Files::with("[vpn]\nprobe_seconds = 0\n", "");
    assert!(files.load().problems.iter().all(|problem| !problem.restorable));
    let files = Files::with("", "[vpn\n");
    assert!(files.load().problems.iter().all(|problem| !problem.restorable));
    assert!(matches!(SOURCE.restore(&files.paths), Err(SaveError::Broken(_))));
}

#[test]
fn a_users_file_that_cannot_be_used_is_not_overwritten() {
    for text in ["[user", "user = {", "\u{0}u\u{0}s"] {
        let files = Files::with("", text);
        let refused = save(&files.paths, &Choice::Site("caen".into()));
        assert!(matches!(&refused, Err(SaveError::Broken(problem)) if problem.file == files.paths.user), "{refused:?}");
        assert_eq!(files.user_text(), text);
    }
    let files = Files::new();
    assert!(matches!(
        save(&files.paths, &Choice::Site("paris".into())),
        Err(SaveError::Unfit(ConfigError::NoSuch { list: "site", .. }))
    ));
    assert!(!files.paths.user.exists());
    // The folder cannot be made: there is a file of that name.
    let files = Files::with("x = 1", "");
    let paths = Paths { machine: files.paths.user.clone(), user: files.paths.machine.join("vigie.toml") };
    let refused = save(&paths, &Choice::Site("caen".into()));
    assert!(matches!(refused, Err(SaveError::Write(..) | SaveError::Broken(_))), "{refused:?}");
}

#[test]
fn saving_each_choice_keeps_the_rest_of_the_file() {
    let text = "# mine\n[panel] # look\nopacity_percent = 60 # thin\nhidden = [\"dns\"] # short\n";
    let files = Files::with("", text);
    let choices = [
        Choice::Lead(10, true),
        Choice::Lead(30, false),
        Choice::Pinned(true),
        Choice::Opacity(80),
        Choice::Size(360, 720),
        Choice::RowVisible(RowKind::Memory, false),
        Choice::RowVisible(RowKind::Router, false),
        Choice::RowVisible(RowKind::Memory, true),
    ];
    for choice in &choices {
        save(&files.paths, choice).expect("it is written");
    }
    let loaded = files.load();
    assert_eq!(*loaded.problems, []);
    assert_eq!(loaded.profile.shutdown.leads_minutes, [15, 10, 5]);
    let hidden = vec![RowKind::Router, RowKind::Dns];
    let expected = PanelConfig { pinned: true, opacity_percent: 80, width: 360, height: 720, hidden, ..guide().panel };
    assert_eq!(loaded.profile.panel, expected);
    let text = files.user_text();
    for kept in
        ["# mine\n[panel] # look\n", "opacity_percent = 80 # thin\n", "hidden = [\"router\", \"dns\"] # short\n"]
    {
        assert!(text.contains(kept), "{text}");
    }
    for lead in [15, 10, 5] {
        save(&files.paths, &Choice::Lead(lead, false)).expect("it is written");
    }
    assert_eq!(files.load().profile.shutdown.leads_minutes, [] as [u16; 0]);
    let text = files.user_text();
    for (choice, from, to) in [(Choice::Opacity(59), 60, 100), (Choice::Size(279, 700), 280, 1600)] {
        let refused = save(&files.paths, &choice);
        let expected = Expected::Number(from, to);
        let fits = matches!(&refused, Err(SaveError::Unfit(ConfigError::WrongValue { expected: said, .. })) if *said == expected);
        assert!(fits, "{refused:?}");
    }
    assert!(matches!(
        save(&files.paths, &Choice::Lead(0, true)),
        Err(SaveError::Unfit(ConfigError::LeadsNotDescending))
    ));
    assert_eq!(files.user_text(), text);
}

#[test]
fn locked_choices_are_not_saved() {
    let files =
        Files::with("locked = [\"panel.height\", \"shutdown\", \"panel.hidden\"]\n[panel]\nhidden = [\"dns\"]", "");
    let profile = files.load().profile;
    assert_eq!(profile.panel.hidden, [RowKind::Dns]);
    let locked = [Choice::Size(300, 300), Choice::Lead(5, false), Choice::RowVisible(RowKind::Dns, true)];
    for choice in locked {
        assert!(choice.is_locked(&profile), "{choice:?}");
        assert!(matches!(save(&files.paths, &choice), Err(SaveError::Locked(_))), "{choice:?}");
    }
    let free = [Choice::Site("caen".into()), Choice::Pinned(true), Choice::Opacity(70)];
    for choice in free {
        assert!(!choice.is_locked(&profile), "{choice:?}");
        save(&files.paths, &choice).expect("it is written");
    }
}

#[test]
fn each_row_has_its_name_in_files() {
    for fact in RowKind::ALL {
        let file = format!("panel.hidden = [\"{}\"]", fact.id());
        let loaded = Files::with("", &file).load();
        assert_eq!((&*loaded.problems, &*loaded.profile.panel.hidden), (&[][..], &[fact][..]));
    }
}

#[test]
fn unknown_rows_are_reported() {
    let files = Files::with("", "[panel]\nhidden = [\"dns\", \"cafe\"]\n");
    let loaded = files.load();
    let problem = loaded.problems.first().expect("it is reported");
    assert_eq!((problem.line, problem.key.as_deref()), (Some(2), Some("panel.hidden[1]")));
    let said = config::problem(problem);
    assert!(said.contains("\"cafe\"") && said.contains("local-address"), "{said}");
}

#[cfg(unix)]
#[test]
fn saving_keeps_a_symbolic_link() {
    let files = Files::with("", "");
    let real = files.paths.user.with_file_name("real.toml");
    fs::write(&real, "# mine\n").unwrap();
    std::os::unix::fs::symlink(&real, &files.paths.user).unwrap();
    save(&files.paths, &Choice::Site("caen".into())).expect("the site is written");
    assert!(files.paths.user.is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("site = \"caen\""));
}

/// A file in which one value is wrong.
fn with_one_wrong(wrong: &str) -> (Files, Loaded) {
    let files = Files::with("", &format!("# mine\nuser.site = \"rouen\"\n{wrong}\n[panel]\nheight = 600\n"));
    let loaded = files.load();
    (files, loaded)
}

#[test]
fn one_wrong_value_is_left_out_and_the_rest_counts() {
    for (wrong, line, key) in [
        ("vpn.probe_seconds = \"souvent\"", 3, "vpn.probe_seconds"),
        ("vpn = 3", 3, "vpn"),
        ("vpn.unknown = 3", 3, "vpn.unknown"),
        ("shutdown.leads_minutes = [5, 15]", 3, "shutdown.leads_minutes"),
        ("[[link]]\nid = \"new\"\nlabel = \"Neu\"", 3, "link.new.url"),
        ("[[link]]\nid = \"amigo\"\nurl = \"file:///x\"", 5, "link.amigo.url"),
        ("[[link]]\nid = \"amigo\"\n[[link]]\nid = \"amigo\"", 3, "link.amigo"),
        ("[[helpdesk.school]]\ndays = []\nfrom = \"07:00\"\nto = \"08:00\"", 4, "helpdesk.school[0].days"),
        // What is wrong is a value of the guide, because of one here.
        ("vpn.pin_min = 20", 3, "vpn.pin_min"),
        ("[[section]]\nid = \"intranet\"\nremove = true", 5, "section.intranet.remove"),
        ("calendar.covers.from = 2026-12-01", 3, "calendar.covers.from"),
        ("[[program]]\nid = \"amigo\"\nlabel = \"A\"\n[program.candidates]\nlinux = [\"a\"]", 3, "program.amigo"),
    ] {
        let (files, loaded) = with_one_wrong(wrong);
        let expected = Profile { user: UserChoices { site: Some("rouen".into()) }, ..guide() };
        let expected = Profile { panel: PanelConfig { height: 600, ..expected.panel.clone() }, ..expected };
        assert_eq!(*loaded.profile, expected, "{wrong}");
        let problems = problems_of(&loaded, &files.paths.user);
        assert_eq!(problems.len(), 1, "{wrong}: {problems:?}");
        assert_eq!((problems[0].0, problems[0].1.as_str()), (Some(line), key), "{wrong}");
        // It can still be saved, and the rest of the file stays.
        save(&files.paths, &Choice::Pinned(true)).expect("the file can be used");
        let text = files.user_text();
        assert!(text.starts_with("# mine\nuser.site = \"rouen\"\n") && text.contains(wrong), "{text}");
        assert!(files.load().profile.panel.pinned);
    }
}

#[test]
fn saving_replaces_the_wrong_value_of_its_key() {
    for text in ["[user]\nsite = \"paris\"\n", "user.site = 3\n", "user = 3\n", "user.site = []\nvpn.x = 1\n"] {
        let files = Files::with("", text);
        assert_eq!(*files.load().profile, guide(), "{text}");
        save(&files.paths, &Choice::Site("caen".into())).expect("the file can be used");
        let loaded = files.load();
        assert_eq!(loaded.profile.user.site.as_deref(), Some("caen"), "{}", files.user_text());
        assert!(loaded.problems.iter().all(|problem| problem.key.as_deref() == Some("vpn.x")), "{:?}", loaded.problems);
    }
}

#[test]
fn locks_hold_beside_wrong_values() {
    let machine = "locked = [\"site.caen\", \"vpn.probe_seconds\", \"calendar.holiday\"]\n";
    for user in [
        "[[site]]\nid = \"caen\"\nname = 3\n[[site]]\nid = \"caen\"\ngateway = \"evil.example\"\n",
        "[[site]]\nid = \"caen\"\n[[site]]\nid = \"caen\"\ngateway = \"evil.example\"\n",
        "[[site]]\nid = \"caen\"\nremove = true\n[[site]]\nid = \"caen\"\ngateway = \"evil.example\"\n",
        "[[site]]\ngateway = \"evil.example\"\nid = \"caen\"\nunknown = 1\n[vpn]\nprobe_seconds = 7\nx = 2\n",
        "vpn = 3\nsite = \"caen\"\n",
        "calendar.ics = \"zone-b.ics\"\n",
    ] {
        let files = Files::with(machine, user);
        fs::write(files.paths.user.with_file_name("zone-b.ics"), ICS).unwrap();
        let loaded = files.load();
        assert!(!loaded.problems.is_empty(), "{user}");
        let calendar = Calendar { ics: loaded.profile.calendar.ics.clone(), ..guide().calendar };
        assert_eq!((&loaded.profile.sites, &loaded.profile.calendar), (&guide().sites, &calendar), "{user}");
        assert_eq!(loaded.profile.vpn, guide().vpn, "{user}");
    }
}

#[test]
fn problems_are_in_the_order_of_the_file() {
    let files = Files::with("", "vpn.x = 1\nuser.site = \"paris\"\nlocked = []\nabout.guide = 3\n[[link]]\nid = 1\n");
    let problems = problems_of(&files.load(), &files.paths.user);
    let lines: Vec<_> = problems.iter().map(|(line, ..)| line.expect("it is known")).collect();
    assert_eq!(lines, [1, 2, 3, 4, 6]);
}

#[test]
fn encodings_of_configuration_files_are_named() {
    let files = Files::with("", "user.site = \"caen\"");
    let utf16 = |mark: &str| -> Vec<u8> {
        format!("{mark}user.site = \"rouen\"\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    for mark in ["", "\u{feff}"] {
        fs::write(&files.paths.machine, utf16(mark)).unwrap();
        assert_eq!(problems_of(&files.load(), &files.paths.machine), [(None, String::new(), ConfigError::Utf16)]);
    }
}

#[test]
fn only_the_administrators_machine_file_counts() {
    // That of the test is in a folder that everybody may write.
    let files = Files::with("user.site = \"rouen\"\nlocked = [\"user\"]\n", "user.site = \"caen\"\n");
    let loaded = load(&files.paths);
    assert_eq!(loaded.profile.user.site.as_deref(), Some("caen"));
    let [problem] = &loaded.problems[..] else { panic!("{:?}", loaded.problems) };
    assert!(matches!(problem.error, ConfigError::Untrusted(_)), "{problem:?}");
    assert_eq!(problem.file, files.paths.machine);
    assert!(config::problem(problem).contains("utilisateur ordinaire"), "{}", config::problem(problem));
    // What is not there is no problem, whatever the folder.
    fs::remove_file(&files.paths.machine).unwrap();
    assert_eq!(*load(&files.paths).problems, []);
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_not_waited_for() {
    let files = Files::new();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &files.paths.user,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let not_a_file = ConfigError::Unreadable(std::io::ErrorKind::InvalidInput);
    assert_eq!(problems_of(&files.load(), &files.paths.user), [(None, String::new(), not_a_file.clone())]);
    for device in ["/dev/null", "/dev/zero", "/dev/tty0"] {
        let opened = open_regular(Path::new(device));
        assert!(opened.is_err(), "{device}");
    }
    assert!(open_regular(Path::new("/proc/self/status")).is_ok());
    assert!(
        read_regular(Path::new("/proc/self/status"), 10).is_err_and(|e| e.kind() == std::io::ErrorKind::FileTooLarge)
    );
}

/// The ministry's file for all zones: holidays are split where another zone's begin or end.
const ICS: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//education.gouv.fr//FR\r\n\
    BEGIN:VEVENT\r\nDTSTAMP:20270114T124531Z\r\nDTSTART;VALUE=DATE:20270703\r\nDTEND;VALUE=DATE:20270901\r\n\
    SUMMARY:Vacances d'Été - Zones A/B/C\r\nLOCATION:Zones A/B/C\r\nUID:1@x\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20270831\r\nDTEND;VALUE=DATE:20270901\r\n\
    SUMMARY:Vacances d'Été(prérentrée Enseignants) - Zones A/B/C\r\nLOCATION:Zones A/B/C\r\nUID:2@x\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nDTSTART:20271022T220000Z\r\nDTEND:20271107T230000Z\r\n\
    SUMMARY:Vacances de la Toussaint -\r\n  Zone B\r\nLOCATION:Zone B\r\nUID:3@x\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20280212\r\nDTEND;VALUE=DATE:20280219\r\n\
    SUMMARY:Vacances d'Hiver - Zone B\r\nLOCATION:Zone B\r\nUID:4@x\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20280219\r\nDTEND;VALUE=DATE:20280228\r\n\
    SUMMARY:Vacances d'Hiver - Zones A/B\r\nLOCATION:Zones A/B\r\nUID:5@x\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20280228\r\nDTEND;VALUE=DATE:20280306\r\n\
    SUMMARY:Vacances d'Hiver - Zone A\r\nLOCATION:Zone A\r\nUID:6@x\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20280415\r\nDTEND;VALUE=DATE:20280501\r\n\
    SUMMARY:Vacances de Printemps - Corse\r\nLOCATION:Corse\r\nUID:7@x\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nDTSTART;TZID=Europe/Paris:20280525T000000\r\nDTEND;TZID=Europe/Paris:20280529T000000\r\n\
    SUMMARY:Pont de l'Ascension - Zones A/B/C\r\nLOCATION:Zones A/B/C\r\nUID:8@x\r\nEND:VEVENT\r\n\
    BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20280708\r\nDTEND;VALUE=DATE:20280708\r\n\
    SUMMARY:Début des Vacances d'Été - Zones A/B/C\r\nLOCATION:Zones A/B/C\r\nUID:9@x\r\nEND:VEVENT\r\n\
    END:VCALENDAR\r\n";

fn with_ics(text: &str) -> (Files, Loaded) {
    let files = Files::with("", "# mine\ncalendar.ics = \"zone-b.ics\"\n");
    fs::write(files.paths.user.with_file_name("zone-b.ics"), text).unwrap();
    let loaded = files.load();
    (files, loaded)
}

#[test]
fn holidays_are_read_from_the_ministrys_file() {
    let (files, loaded) = with_ics(ICS);
    assert_eq!(*loaded.problems, []);
    let calendar = &loaded.profile.calendar;
    let added = &calendar.holidays[guide().calendar.holidays.len()..];
    let added: Vec<_> = added.iter().map(|holiday| (holiday.name.as_str(), holiday.from, holiday.back)).collect();
    assert_eq!(
        added,
        [
            ("Vacances d’Été", date(2027, 7, 3), date(2027, 9, 1)),
            ("Vacances de la Toussaint", date(2027, 10, 23), date(2027, 11, 8)),
            ("Vacances d’Hiver", date(2028, 2, 12), date(2028, 2, 28)),
            ("Pont de l’Ascension", date(2028, 5, 25), date(2028, 5, 29)),
        ]
    );
    assert_eq!(calendar.covers.from, guide().calendar.covers.from);
    assert_eq!(calendar.covers.to, date(2028, 7, 7));
    let shown = config::show(&loaded);
    let place = format!("# utilisateur ({}, ligne 2)", files.paths.user.display());
    assert!(shown.contains(&format!("calendar.holiday.2027-10-23.back = 2027-11-08  {place}\n")), "{shown}");
    assert!(shown.contains(&format!("calendar.covers.to = 2028-07-07  {place}\n")), "{shown}");
    assert!(shown.contains("calendar.holiday.2026-10-17.back = 2026-11-02  # guide\n"), "{shown}");
}

#[test]
fn ics_file_replaces_holidays_that_it_overlaps() {
    let (_, loaded) = with_ics(
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261219\nDTEND;VALUE=DATE:20270106\n\
         SUMMARY:Vacances de Noël\nEND:VEVENT\nEND:VCALENDAR\n",
    );
    assert_eq!(*loaded.problems, []);
    let calendar = &loaded.profile.calendar;
    assert_eq!(calendar.holidays.len(), guide().calendar.holidays.len());
    assert!(calendar.holidays.iter().any(|holiday| holiday.back == date(2027, 1, 6)));
    assert_eq!(calendar.covers, guide().calendar.covers);
}

/// Asserts that the bytes are read as the same two holidays.
#[track_caller]
fn assert_ics(bytes: &[u8]) {
    let mut calendar = guide().calendar;
    calendar.covers.to = date(2027, 10, 22);
    SOURCE.add_holidays(&mut calendar, bytes).expect("a calendar");
    let added = &calendar.holidays[guide().calendar.holidays.len()..];
    let added: Vec<_> = added.iter().map(|holiday| (holiday.name.as_str(), holiday.from, holiday.back)).collect();
    let expected = [
        ("Vacances de la Toussaint", date(2027, 10, 23), date(2027, 11, 8)),
        ("Vacances de Noël", date(2027, 12, 18), date(2028, 1, 3)),
    ];
    assert_eq!(added, expected);
}

#[test]
fn ics_files_of_every_encoding_and_line_end_are_read() {
    // In Windows-1252, as an editor on Windows saves it.
    let event = |from: &str, back: &str, name: &str| {
        format!(
            "BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:{from}\r\nDTEND;VALUE=DATE:{back}\r\nSUMMARY:{name} - Zone B\r\n\
             LOCATION:Zone B\r\nEND:VEVENT\r\n"
        )
    };
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//essai//FR\r\n{}{}END:VCALENDAR\r\n",
        event("20271023", "20271108", "Vacances de la Toussaint"),
        event("20271218", "20280103", "Vacances de Noël")
    );
    let latin = |text: &str| -> Vec<u8> { text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect() };
    assert_ics(text.as_bytes());
    assert_ics(format!("\u{feff}{text}").as_bytes());
    assert_ics(&latin(&text));
    assert_ics(&latin(&text.replace("\r\n", "\n")));
    assert_ics(text.replace("\r\n", "\r").as_bytes());
    for mark in ["", "\u{feff}"] {
        let units = || format!("{mark}{text}").encode_utf16().collect::<Vec<_>>();
        assert_ics(&units().into_iter().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
        assert_ics(&units().into_iter().flat_map(u16::to_be_bytes).collect::<Vec<_>>());
    }
    // Folded at every byte of the name, also within a character and within the line end of a fold.
    let bytes = text.as_bytes();
    let name = text.find("Vacances de No").unwrap();
    for at in name..name + "Vacances de Noël".len() {
        for fold in ["\r\n ", "\n\t"] {
            assert_ics(&[&bytes[..at], fold.as_bytes(), &bytes[at..]].concat());
        }
    }
    // One line in another encoding than the others.
    let mixed = [text.replace("Noël", "No").as_bytes(), b""].concat();
    let at = name + "Vacances de No".len();
    assert_ics(&[&mixed[..at], b"\xebl", &mixed[at..]].concat());
}

#[test]
fn names_from_an_ics_file_have_no_control_characters() {
    let mut calendar = guide().calendar;
    calendar.covers.to = date(2027, 10, 22);
    let text = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20271023\nDTEND:20271108\n\
                SUMMARY:Vacances\u{1b}[31m de\u{202e} la\u{85} Toussaint\nEND:VEVENT\nEND:VCALENDAR\n";
    SOURCE.add_holidays(&mut calendar, text.as_bytes()).expect("a calendar");
    assert_eq!(calendar.holidays.last().expect("one").name, "Vacances[31m de la Toussaint");
}

#[test]
fn deeply_nested_files_are_refused() {
    let mut calendar = guide().calendar;
    for text in ["BEGIN:A\n".repeat(100_000), "begin:a\r\n".repeat(100_000)] {
        assert!(matches!(SOURCE.add_holidays(&mut calendar, text.as_bytes()), Err(ConfigError::NotIcs(_))));
    }
    for text in [
        "a.".repeat(200_000) + "a = 1",
        "a = ".to_owned() + &"[".repeat(500_000),
        "[".to_owned() + &"a.".repeat(200_000) + "a]",
        "a = ".to_owned() + &"{a=".repeat(200_000),
    ] {
        let files = Files::with("", &text);
        assert_eq!(*files.load().profile, guide());
    }
}

#[test]
fn wrong_ics_file_is_reported_and_the_rest_counts() {
    let event = |rest: &str| format!("BEGIN:VCALENDAR\nBEGIN:VEVENT\n{rest}\nEND:VEVENT\nEND:VCALENDAR\n");
    type Is = fn(&ConfigError) -> bool;
    let cases: [(String, Is); 5] = [
        ("<html>".into(), |error| matches!(error, ConfigError::NotIcs(_))),
        (String::new(), |error| matches!(error, ConfigError::NotIcs(_) | ConfigError::NoHolidays { .. })),
        (
            event("DTSTART:demain\nDTEND:20270901\nSUMMARY:Vacances"),
            |error| matches!(error, ConfigError::EventDates { event } if event == "Vacances"),
        ),
        (
            event("DTSTART:20270703\nDTEND:20270901\nSUMMARY:Vacances - Zone C\nLOCATION:Zone C"),
            |error| matches!(error, ConfigError::NoHolidays { zone } if zone == "B"),
        ),
        (event("DTSTART:20300703\nDTEND:20300901\nSUMMARY:Vacances"), |error| {
            matches!(error, ConfigError::CalendarGap)
        }),
    ];
    for (text, is) in cases {
        let (files, loaded) = with_ics(&text);
        let [problem] = &loaded.problems[..] else { unreachable!("one problem for {text}: {:?}", loaded.problems) };
        assert!(is(&problem.error), "{text}: {:?}", problem.error);
        assert_eq!(problem.file, files.paths.user.with_file_name("zone-b.ics"));
        assert_eq!(problem.key.as_deref(), Some("calendar.ics"));
        assert_eq!(loaded.profile.calendar.holidays, guide().calendar.holidays);
        assert_eq!(loaded.profile.calendar.ics.as_deref(), Some("zone-b.ics"));
        save(&files.paths, &Choice::Site("caen".into())).expect("the user's file itself is not broken");
    }
    let files = Files::with("calendar.ics = \"nowhere.ics\"", "");
    let problem = &files.load().problems[0];
    assert!(matches!(problem.error, ConfigError::Unreadable(_)));
    assert_eq!(check_file(&files.paths.machine).len(), 1);
}

/// Returns TOML texts that are nearly right: keys of the profile with values of any kind.
fn nearly() -> impl Strategy<Value = String> {
    let keys = [
        "vpn",
        "vpn.probe_seconds",
        "user.site",
        "link",
        "site",
        "calendar.holiday",
        "calendar.covers",
        "helpdesk.school",
        "shutdown.at",
        "drive",
        "locked",
        "printing.server",
        "x",
        "calendar.ics",
    ];
    let values = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_filter("TOML", |number| number.is_finite()).prop_map(|number| format!("{number:?}")),
        any::<bool>().prop_map(|flag| flag.to_string()),
        "[a-z0-9.:/-]{0,12}".prop_map(|text| format!("\"{text}\"")),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("2026-12-19".to_owned()),
        Just("21:30:00".to_owned()),
        "[a-z]{1,6}".prop_map(|id| format!("[{{ id = \"{id}\", letter = \"I\", from = \"{id}\" }}]")),
        Just("[{ from = 2026-12-19, back = 0001-01-01, name = \"x\" }]".to_owned()),
        Just("[{ from = -9999-01-01, back = 9999-12-31, name = \"x\" }]".to_owned()),
        Just("[\"vpn\", \"link.amigo\", \"\", \".\", 3]".to_owned()),
        Just("[{ id = \"amigo\", remove = true }]".to_owned()),
    ];
    prop::collection::vec((prop::sample::select(keys.to_vec()), values), 0..6)
        .prop_map(|lines| lines.iter().map(|(key, value)| format!("{key} = {value}\n")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_file_panics_the_loader(machine in nearly(), user in prop_oneof![nearly(), any::<String>()]) {
        let files = Files::with(&machine, &user);
        let loaded = files.load();
        prop_assert!(!loaded.profile.sites.is_empty());
        config::show(&loaded);
        // The profile in force is consistent, whatever the files contain.
        prop_assert!(loaded.profile.inconsistencies().is_empty());
    }

    #[test]
    fn no_ics_file_panics_the_loader(text in prop_oneof![any::<String>(), "(BEGIN:VEVENT\n|END:VEVENT\n|DTSTART:[0-9TZ]{0,16}\n|DTEND:[0-9TZ]{0,16}\n|SUMMARY:Vacances\n| x\n){0,12}"]) {
        let text = format!("BEGIN:VCALENDAR\n{text}END:VCALENDAR\n");
        let mut calendar = guide().calendar;
        let before = calendar.clone();
        if SOURCE.add_holidays(&mut calendar, text.as_bytes()).is_err() {
            prop_assert_eq!(calendar, before);
        }
    }

    #[test]
    fn valid_values_win_by_their_layer(machine in 5u32..=86_400, user in 5u32..=86_400, locked: bool) {
        let lock = if locked { "locked = [\"vpn\"]\n" } else { "" };
        let files = Files::with(
            &format!("{lock}vpn.probe_seconds = {machine}\n"),
            &format!("vpn.probe_seconds = {user}\n"),
        );
        let loaded = files.load();
        prop_assert_eq!(loaded.profile.vpn.probe_seconds, if locked { machine } else { user });
        prop_assert_eq!(loaded.problems.is_empty(), !locked);
    }

    #[test]
    fn saving_the_site_changes_nothing_else(seconds in 5u32..=86_400, comment in "[ a-zé#]{0,20}", rouen: bool) {
        let text = format!("# {comment}\n[vpn] # {comment}\nprobe_seconds = {seconds} # {comment}\n");
        let files = Files::with("", &text);
        let site = if rouen { "rouen" } else { "caen" };
        prop_assert!(save(&files.paths, &Choice::Site(site.into())).is_ok());
        let after = files.user_text();
        prop_assert!(after.starts_with(&text), "{}", after);
        let loaded = files.load();
        prop_assert_eq!(loaded.profile.user.site.as_deref(), Some(site));
        prop_assert_eq!(loaded.profile.vpn.probe_seconds, seconds);
        prop_assert!(save(&files.paths, &Choice::Site(site.into())).is_ok());
        prop_assert_eq!(files.user_text(), after);
    }
}
