//! The panel as a value: the guide's "encadré" (section 11), which user and helpdesk read together.
//!
//! The page renders groups, rows and buttons without knowing each of them; what there is to show is decided here.

use super::{drives, french, helpdesk, shutdown, verdict};
use crate::core::shutdown::Reminder;
use crate::core::state::{Action, DriveMount, Reading};
use crate::core::update::{Question, State, can_connect};
use crate::core::vpn::Verdict;
use crate::profile::Choice;
use serde::{Deserialize, Serialize};

/// All that the panel shows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Panel {
    /// The heading: the verdict in a few words.
    pub title: String,
    /// One sentence under the heading.
    pub subtitle: String,
    /// The verdict, for the heading's colour and picture.
    pub verdict: Option<Verdict>,
    /// Something to answer first.
    pub question: Option<Asked>,
    /// What to do, most wanted first.
    pub buttons: Vec<Button>,
    /// The facts.
    pub groups: Vec<Group>,
}

/// Rows that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Group {
    /// Heading.
    pub title: String,
    /// Rows, in order.
    pub rows: Vec<Row>,
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Row {
    /// A stable name.
    pub id: String,
    /// What it is.
    pub label: String,
    /// The fact, or why there is none.
    pub value: String,
    /// How to take it.
    pub mark: Mark,
}

/// How to take a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// As it should be.
    Normal,
    /// The user should do something about it.
    Warning,
    /// The value cannot be had; `value` says why.
    Unavailable,
}

/// Something to click.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Button {
    /// What the user reads.
    pub label: String,
    /// What the click asks for.
    pub action: Action,
}

/// A question with its answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Asked {
    /// The question.
    pub title: String,
    /// What to know before answering.
    pub text: String,
    /// The answers.
    pub answers: Vec<Button>,
}

impl Panel {
    /// Whether it offers that action. The page may ask for nothing else.
    pub fn offers(&self, action: &Action) -> bool {
        let answers = self.question.iter().flat_map(|question| &question.answers);
        self.buttons.iter().chain(answers).any(|button| button.action == *action)
    }
}

/// The panel for a state.
pub fn panel(state: &State) -> Panel {
    Panel {
        title: french::typeset(verdict::headline(state)),
        subtitle: french::typeset(verdict::detail(state)),
        verdict: Some(state.vpn.verdict()),
        question: question(state),
        buttons: buttons(state),
        groups: vec![
            group("Réseau", network(state)),
            group("Cet ordinateur", computer(state)),
            group("Lecteurs réseau", drive_rows(state)),
            group("Imprimantes et logiciels", software(state)),
            group("Assistance et arrêt automatique", services(state)),
        ],
    }
}

fn buttons(state: &State) -> Vec<Button> {
    let profile = &state.profile;
    let mut buttons = vec![
        button("Télémaintenance", Action::Open(profile.remote_support.clone())),
        button("Installer un logiciel", Action::Open(profile.wapt.program.clone())),
        button("AMIGO", Action::Open(profile.helpdesk.link.clone())),
    ];
    if can_connect(state.vpn.verdict()) {
        buttons.insert(0, button("Se connecter au VPN", Action::Connect));
    }
    let intranet = |site: &str| profile.links.iter().find(|link| link.site.as_deref() == Some(site));
    if let Some(link) = state.site().and_then(|site| intranet(&site.id)) {
        buttons.push(button(&link.label, Action::Open(link.id.clone())));
    }
    buttons.push(button("Copier les infos pour l’assistance", Action::CopySupportInfo));
    buttons
}

/// What waits for an answer: a question, else the reminder that stands.
fn question(state: &State) -> Option<Asked> {
    let Some(question) = state.question else { return state.reminded.as_ref().map(reminder) };
    Some(match question {
        Question::ShutDown => Asked {
            title: french::typeset("Éteindre l’ordinateur maintenant ?"),
            text: "Enregistrez d’abord votre travail et fermez vos documents.".into(),
            answers: vec![button("Éteindre", Action::ConfirmShutDown), button("Annuler", Action::Cancel)],
        },
        Question::Site => Asked {
            title: french::typeset("Quel est votre site ?"),
            text: "Vigie choisit d’après lui le serveur VPN et les liens.".into(),
            answers: (state.profile.sites.iter())
                .map(|site| {
                    let label = format!("{} ({})", site.name, site.departments.join(", "));
                    button(label, Action::Choose(Choice::Site(site.id.clone())))
                })
                .collect(),
        },
    })
}

/// With the time of day alone: the minutes that are left would change while one reads.
fn reminder(reminder: &Reminder) -> Asked {
    let mut answers = vec![button("Éteindre maintenant", Action::ShutDown)];
    if !reminder.last {
        answers.push(button("Plus tard", Action::RemindLater));
    }
    answers.push(button("Ce soir, ne plus me le rappeler", Action::NotTonight));
    let title = format!("Arrêt automatique à {}", french::time(reminder.at.time()));
    Asked { title, text: "Enregistrez votre travail et fermez vos documents.".into(), answers }
}

fn network(state: &State) -> Vec<Row> {
    let site = match state.site() {
        Some(site) => normal("site", "Site", format!("{} ({})", site.name, site.departments.join(", "))),
        None => row("site", "Site", "à choisir dans le menu « Mon site »", Mark::Warning),
    };
    let warning = state.reaches_inside() == Some(false);
    let mark = if warning { Mark::Warning } else { Mark::Normal };
    let mut rows = vec![site, row("vpn", "VPN", verdict::line(state), mark)];
    let Some(links) = state.vpn.links() else {
        rows.push(unavailable("local-address", "Adresse locale", "en cours de lecture"));
        return rows;
    };
    let list = |addresses: &[std::net::IpAddr]| -> String {
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        texts.join(", ")
    };
    rows.push(match links.underlay().or_else(|| links.interfaces.iter().find(|interface| !interface.tunnel)) {
        Some(interface) => normal("local-address", "Adresse locale", list(&interface.addresses)),
        None => unavailable("local-address", "Adresse locale", "aucune"),
    });
    rows.push(match links.tunnel() {
        Some(tunnel) => normal("vpn-address", "Adresse VPN", list(&tunnel.addresses)),
        None => unavailable("vpn-address", "Adresse VPN", "aucune (pas de tunnel)"),
    });
    rows.push(match links.default_route.as_ref().and_then(|route| route.router) {
        Some(router) => normal("router", "Passerelle", router.to_string()),
        None => unavailable("router", "Passerelle", "aucune"),
    });
    rows.push(if links.dns.is_empty() {
        unavailable("dns", "Serveurs DNS", "aucun")
    } else {
        normal("dns", "Serveurs DNS", list(&links.dns))
    });
    rows
}

fn computer(state: &State) -> Vec<Row> {
    let Some(host) = &state.host else {
        return vec![unavailable("computer", "Nom de l’ordinateur", "en cours de lecture")];
    };
    let user = match &host.domain {
        Some(domain) => format!("{} ({domain})", host.user),
        None => host.user.clone(),
    };
    let booted = host.booted.to_zoned_datetime(state.now.wall.time_zone().clone());
    let started = french::moment(&booted, &state.now.wall);
    let started = match state.long_uptime() {
        Some(days) => row("booted", "Démarré", format!("{started} ({days} jours : redémarrez bientôt)"), Mark::Warning),
        None => normal("booted", "Démarré", started),
    };
    let disk = match (&host.disk, state.disk_low()) {
        (Reading::Known(space), Some(percent)) => {
            let text = format!("{} libres ({percent} % : faites de la place)", french::bytes(space.free));
            row("disk", "Disque système", text, Mark::Warning)
        }
        (Reading::Known(space), None) => {
            let text = format!("{} libres sur {}", french::bytes(space.free), french::bytes(space.total));
            normal("disk", "Disque système", text)
        }
        (Reading::Pending, _) => unavailable("disk", "Disque système", "en cours de lecture"),
        (Reading::Unavailable(_), _) => unavailable("disk", "Disque système", "illisible"),
    };
    let memory = format!("{} libres sur {}", french::bytes(host.memory.free), french::bytes(host.memory.total));
    let mut rows = vec![
        normal("computer", "Nom de l’ordinateur", host.name.clone()),
        normal("user", "Utilisateur", user),
        normal("system", "Système", host.system.clone()),
        started,
        normal("memory", "Mémoire", memory),
        disk,
    ];
    if let Reading::Known(Some(battery)) = &state.battery {
        let plugged = if battery.plugged { "sur secteur" } else { "sur batterie" };
        rows.push(normal("battery", "Batterie", format!("{} % ({plugged})", battery.percent)));
    }
    rows.push(normal("version", "Vigie", env!("CARGO_PKG_VERSION")));
    rows
}

fn drive_rows(state: &State) -> Vec<Row> {
    let rows = state.profile.drives.iter().map(|drive| {
        let id = format!("drive-{}", drive.letter.to_ascii_lowercase());
        let label = format!("{}: {}", drive.letter, drives::purpose(drive.holds));
        let (value, mark) = match (drives::why_not(state, drive), state.drive(drive.letter)) {
            (Some(reason), Some(DriveMount::Absent) | None) => (reason.to_owned(), Mark::Unavailable),
            (Some(reason), Some(_)) => (reason.to_owned(), Mark::Warning),
            (None, Some(DriveMount::Connected(_))) => ("accessible".to_owned(), Mark::Normal),
            (None, _) => ("déconnecté : ouvrez-le pour le reconnecter".to_owned(), Mark::Warning),
        };
        row(&id, &label, value, mark)
    });
    rows.collect()
}

fn software(state: &State) -> Vec<Row> {
    let mut rows = Vec::new();
    match &state.printers {
        Reading::Known(printers) if printers.is_empty() => {
            rows.push(unavailable("printers", "Imprimantes", "aucune n’est installée"));
        }
        Reading::Known(printers) => rows.extend(printers.iter().map(|printer| {
            let decoded = crate::core::printers::decode(&state.profile.printing, &printer.name);
            let place = decoded.map(|name| french::printer(&name, &state.profile.printing));
            let value = match (&place, printer.default) {
                (Some(place), true) => format!("{} (par défaut) : {place}", printer.name),
                (Some(place), false) => format!("{} : {place}", printer.name),
                (None, true) => format!("{} (par défaut)", printer.name),
                (None, false) => printer.name.clone(),
            };
            normal(&format!("printer-{}", printer.name), "Imprimante", value)
        })),
        Reading::Pending => rows.push(unavailable("printers", "Imprimantes", "en cours de lecture")),
        Reading::Unavailable(_) => {
            rows.push(unavailable("printers", "Imprimantes", "le service d’impression ne répond pas"));
        }
    }
    rows.push(match &state.wapt {
        Reading::Known(wapt) => {
            let mut text = format!("version {}", wapt.version);
            match wapt.pending.len() {
                0 => text.push_str(", à jour"),
                1 => text.push_str(", 1 mise à jour en attente"),
                many => text.push_str(&format!(", {many} mises à jour en attente")),
            }
            if let Some(task) = &wapt.running {
                text.push_str(&format!(", en cours : {task}"));
            }
            normal("wapt", "WAPT", text)
        }
        Reading::Pending => unavailable("wapt", "WAPT", "en cours de lecture"),
        Reading::Unavailable(_) => unavailable("wapt", "WAPT", "absent, ou ne répond pas"),
    });
    rows
}

fn services(state: &State) -> Vec<Row> {
    let mut rows = vec![normal("amigo", "AMIGO", helpdesk::hours(state))];
    for (index, urgent) in state.profile.helpdesk.urgent.iter().enumerate() {
        let label = format!("En cas d’urgence ({})", urgent.establishments);
        rows.push(normal(&format!("urgent-{index}"), &label, urgent.numbers.join(" ou ")));
    }
    let mark = if shutdown::is_near(state) { Mark::Warning } else { Mark::Normal };
    rows.push(row("shutdown", "Arrêt automatique", shutdown::next(state), mark));
    rows.extend(state.problems.iter().enumerate().map(|(index, problem)| {
        row(&format!("problem-{index}"), "Configuration ignorée", super::config::problem(problem), Mark::Warning)
    }));
    rows
}

fn group(title: &str, rows: Vec<Row>) -> Group {
    Group { title: french::typeset(title), rows }
}

fn button(label: impl Into<String>, action: Action) -> Button {
    Button { label: french::typeset(label), action }
}

fn row(id: &str, label: &str, value: impl Into<String>, mark: Mark) -> Row {
    Row { id: id.into(), label: french::typeset(label), value: french::typeset(value), mark }
}

fn normal(id: &str, label: &str, value: impl Into<String>) -> Row {
    row(id, label, value, Mark::Normal)
}

fn unavailable(id: &str, label: &str, why: impl Into<String>) -> Row {
    row(id, label, why, Mark::Unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::fixture::{known, now};
    use crate::core::state::Event;
    use crate::core::update::update;
    use std::path::Path;

    #[test]
    fn offers_its_buttons_and_answers_and_nothing_else() {
        let question = Asked {
            title: "Éteindre ?".into(),
            text: String::new(),
            answers: vec![button("Éteindre", Action::ConfirmShutDown)],
        };
        let panel = Panel {
            question: Some(question),
            buttons: vec![button("AMIGO", Action::Open("amigo".into()))],
            ..Panel::default()
        };
        assert!(panel.offers(&Action::Open("amigo".into())));
        assert!(panel.offers(&Action::ConfirmShutDown));
        assert!(!panel.offers(&Action::Open("cisco".into())));
        assert!(!panel.offers(&Action::Quit));
        let answered = Panel { question: None, ..panel };
        assert!(!answered.offers(&Action::ConfirmShutDown));
    }

    #[test]
    fn reminds_as_long_as_the_reminder_stands() {
        let mut state = known();
        let asked = |state: &State| {
            let asked = panel(state).question?;
            Some((asked.title, asked.answers.into_iter().map(|answer| answer.label).collect::<Vec<_>>()))
        };
        let title = "Arrêt automatique à 21\u{a0}h\u{a0}30".to_owned();
        let [off, later, not_tonight] = ["Éteindre maintenant", "Plus tard", "Ce soir, ne plus me le rappeler"];
        update(&mut state, Event::Tick, now("2026-11-24T21:00"));
        assert_eq!(asked(&state), Some((title.clone(), [off, later, not_tonight].map(String::from).to_vec())));
        update(&mut state, Event::Asked(Action::RemindLater), now("2026-11-24T21:01"));
        assert_eq!(asked(&state), None);
        update(&mut state, Event::Tick, now("2026-11-24T21:25"));
        assert_eq!(asked(&state), Some((title.clone(), [off, not_tonight].map(String::from).to_vec())));
        update(&mut state, Event::Asked(Action::ShutDown), now("2026-11-24T21:26"));
        assert_eq!(asked(&state).map(|(title, _)| title), Some("Éteindre l’ordinateur maintenant\u{a0}?".into()));
        update(&mut state, Event::Asked(Action::Cancel), now("2026-11-24T21:26"));
        assert_eq!(asked(&state).map(|(title, _)| title), Some(title));
        update(&mut state, Event::Tick, now("2026-11-24T21:30"));
        assert_eq!(asked(&state), None);
    }

    /// The page's types are these types. A stale file is written anew, so that running the tests a second time passes.
    #[test]
    fn the_page_knows_the_model() -> anyhow::Result<()> {
        use ts_rs::TS;
        let fresh = tempfile::tempdir()?;
        let config = ts_rs::Config::new().with_out_dir(fresh.path());
        Panel::export_all(&config)?;
        crate::view::connect::Form::export_all(&config)?;
        crate::core::connect::Submission::export_all(&config)?;
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/src/lib/bindings");
        let mut stale = Vec::new();
        let mut names = Vec::new();
        for entry in std::fs::read_dir(fresh.path())? {
            let name = entry?.file_name();
            let text = std::fs::read_to_string(fresh.path().join(&name))?;
            if std::fs::read_to_string(kept.join(&name)).unwrap_or_default() != text {
                std::fs::create_dir_all(&kept)?;
                std::fs::write(kept.join(&name), text)?;
                stale.push(name.clone());
            }
            names.push(name);
        }
        assert!(stale.is_empty(), "these were stale and are written anew: {stale:?}");
        for entry in std::fs::read_dir(kept)? {
            let name = entry?.file_name();
            assert!(names.contains(&name), "{name:?} belongs to no type any more");
        }
        Ok(())
    }
}
