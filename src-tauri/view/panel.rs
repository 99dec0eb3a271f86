//! The panel as a value: the guide's "encadré" (section 11), which user and helpdesk read together.
//!
//! The page renders groups, rows and buttons without knowing each of them; what there is to show is decided here.

use super::connect::Message;
use super::{chain, drives, french, helpdesk, shutdown, vpn};
use serde::{Deserialize, Serialize};
use vigie_core::message::{Action, HelpTopic, Host, Printers, Reading, SystemSettings};
use vigie_core::shutdown::Reminder;
use vigie_core::state::{Question, State};
use vigie_core::vpn::{Reason, VpnStatus};
use vigie_profile::{Choice, RowKind};

/// All that the panel shows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Panel {
    /// The heading: the status in a few words.
    pub title: String,
    /// One sentence under the heading.
    pub subtitle: String,
    /// What of the configuration does not count, above everything.
    pub banner: Option<Message>,
    /// The status, for the heading's colour and picture.
    pub status: Option<VpnStatus>,
    /// A question to answer first.
    pub question: Option<Prompt>,
    /// What the user can do, most useful first.
    pub buttons: Vec<Button>,
    /// The facts.
    pub groups: Vec<Group>,
}

/// The panel pinned to the desktop, under every window.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pinned {
    /// Its content: rows, and a button that opens the whole panel.
    pub panel: Panel,
    /// Opacity of its ground, in percent.
    pub opacity_percent: u8,
    /// Width in logical pixels, if the screen is large enough.
    pub width: u16,
    /// Height in logical pixels, if the screen is large enough.
    pub height: u16,
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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Row {
    /// A stable name.
    pub id: String,
    /// Its kind; absent for rows that cannot be hidden.
    pub fact: Option<RowKind>,
    /// What it is.
    pub label: String,
    /// The fact, or why there is none.
    pub value: String,
    /// What is copied, if not the value, and is named with the label.
    pub copy: Option<String>,
    /// How serious it is.
    pub mark: Severity,
    /// Details shown on request.
    pub details: Vec<String>,
    /// The moment to count down to ([`countdown`]), in seconds since 1970.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub until: Option<i64>,
}

/// The time that is left until a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Countdown {
    /// How long it is.
    pub text: String,
    /// Milliseconds until the text changes.
    #[cfg_attr(test, ts(type = "number"))]
    pub changes_ms: u64,
}

/// How serious a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// As it should be.
    #[default]
    Normal,
    /// The user should do something about it.
    Warning,
    /// The value cannot be read; `value` gives the reason.
    Unavailable,
}

/// Something to click.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Button {
    /// What the user reads.
    pub label: String,
    /// What a click requests.
    pub action: Action,
}

/// A question with its answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Prompt {
    /// Differs from that of the prompt before, if that is the same but for it: this one is to be read again.
    pub number: u16,
    /// The question.
    pub title: String,
    /// What to know before answering.
    pub text: String,
    /// The answers.
    pub answers: Vec<Button>,
}

impl Panel {
    /// Whether the panel offers that action. The page may request no other.
    pub fn offers(&self, action: &Action) -> bool {
        let answers = self.question.iter().flat_map(|question| &question.answers);
        let banner = self.banner.iter().flat_map(|banner| &banner.buttons);
        self.buttons.iter().chain(answers).chain(banner).any(|button| button.action == *action)
    }
}

impl Panel {
    /// Returns the panel without rows of these kinds.
    pub fn without(mut self, hidden: &[RowKind]) -> Panel {
        for group in &mut self.groups {
            group.rows.retain(|row| row.fact.is_none_or(|fact| !hidden.contains(&fact)));
        }
        self.groups.retain(|group| !group.rows.is_empty());
        self
    }
}

/// Returns the time left until a moment, in seconds since 1970; `None` once it has come. In hours as long as there are many,
/// so that the text changes once an hour.
pub fn countdown(until: i64, now: jiff::Timestamp) -> Option<Countdown> {
    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;
    let left = until.saturating_mul(1000).saturating_sub(now.as_millisecond());
    let left = u64::try_from(left).ok().filter(|left| *left > 0)?;
    if left >= 2 * HOUR {
        let hours = left / HOUR;
        return Some(Countdown {
            text: format!("dans plus de {hours}\u{a0}heures"),
            changes_ms: left - hours * HOUR + 1,
        });
    }
    // Rounded up, so that the text is at most a minute too long.
    let minutes = left.div_ceil(MINUTE);
    let text = match (minutes / 60, minutes % 60) {
        (0, 1) => "dans moins d’une minute".to_owned(),
        (0, minutes) => format!("dans {minutes}\u{a0}minutes"),
        (hours, 0) => format!("dans {hours}\u{a0}h"),
        (hours, minutes) => format!("dans {hours}\u{a0}h\u{a0}{minutes:02}"),
    };
    Some(Countdown { text, changes_ms: left - (minutes - 1) * MINUTE })
}

/// Returns the pinned panel for a state; `None` if none is wanted. It shows facts only: questions and actions are in the
/// opened panel and in notifications.
pub fn pinned(state: &State) -> Option<Pinned> {
    let wanted = &state.profile.panel;
    if !wanted.pinned {
        return None;
    }
    let Panel { title, subtitle, status, groups, .. } = panel(state).without(&wanted.hidden);
    let buttons = vec![button("Ouvrir le panneau", Action::ShowPanel)];
    Some(Pinned {
        panel: Panel { title, subtitle, status, groups, buttons, ..Panel::default() },
        opacity_percent: wanted.opacity_percent,
        width: wanted.width,
        height: wanted.height,
    })
}

/// Returns the panel for a state.
pub fn panel(state: &State) -> Panel {
    Panel {
        title: french::typeset(vpn::headline(state)),
        subtitle: french::typeset(vpn::detail(state)),
        banner: super::config::banner(state),
        status: Some(state.vpn.status()),
        question: question(state),
        buttons: vpn_buttons(state),
        groups: vec![
            group("Réseau", network(state)),
            group("Cet ordinateur", computer(state)),
            group("Lecteurs réseau", drive_rows(state)),
            group("Imprimantes et logiciels", software(state)),
            group("Assistance et arrêt automatique", services(state)),
        ],
    }
}

/// Returns the buttons that help in the present status.
pub(super) fn vpn_buttons(state: &State) -> Vec<Button> {
    let mut buttons = Vec::new();
    if state.connect.is_attempting() {
        buttons.push(button("Annuler la connexion", Action::CancelConnect));
    }
    // What the network needs comes before the VPN.
    if matches!(state.vpn.reason(), Reason::Portal | Reason::OtherServer | Reason::GatewayRefused) {
        buttons.push(button(vpn::OPEN_PORTAL, Action::OpenPortal));
    }
    if state.vpn.reason() == Reason::ClockWrong {
        buttons.push(button(chain::DATE_SETTINGS, Action::OpenSettings(SystemSettings::DateTime)));
    }
    // Before and while the answer is awaited in one place, so that the focus stays on it.
    let (status, reason) = (state.vpn.status(), state.vpn.reason());
    if matches!(status, VpnStatus::Offline | VpnStatus::Captive | VpnStatus::Unknown) || reason == Reason::PinMismatch {
        buttons.push(button(CHECK_NOW, Action::Refresh));
    }
    if state.offers_connect() {
        let again = status == VpnStatus::Stalled;
        buttons.push(button(if again { RECONNECT } else { CONNECT }, Action::Connect));
    }
    if state.offers_disconnect() {
        buttons.push(button(DISCONNECT, Action::Disconnect));
    }
    if status == VpnStatus::Stalled {
        buttons.push(button(CHECK_NOW, Action::Refresh));
    }
    if vpn::names_button(&vpn::detail(state), helpdesk::ASK) {
        buttons.push(helpdesk::ask(HelpTopic::Vpn));
    }
    buttons
}

/// The button that opens the window for connecting.
pub(super) const CONNECT: &str = "Se connecter au VPN";
/// The button that closes the tunnel.
pub(super) const DISCONNECT: &str = "Se déconnecter du VPN";
/// The button that asks the sensors at once.
pub(super) const CHECK_NOW: &str = "Vérifier maintenant";
/// The button that connects again after the VPN was lost.
pub(super) const RECONNECT: &str = "Reconnecter";

/// The question for the site.
pub(super) const SITE_QUESTION: &str = "Quel est votre site ?";
/// What the answer is for.
pub(super) const SITE_PURPOSE: &str = "Le serveur VPN et les liens en dépendent.";

/// Returns what waits for an answer: a question, else the reminder that is shown.
fn question(state: &State) -> Option<Prompt> {
    // At the first start a card asks for the site.
    let question = state.question.filter(|question| state.welcome.is_none() || *question != Question::Site);
    let Some(question) = question else { return state.reminded.as_ref().map(reminder) };
    Some(match question {
        Question::ShutDown => Prompt {
            number: 0,
            title: french::typeset(shutdown::CONFIRM_TITLE),
            text: shutdown::CONFIRM_TEXT.into(),
            answers: shutdown::confirm_answers().into(),
        },
        Question::ForgetCredentials => Prompt {
            number: 0,
            title: french::typeset(super::connect::FORGET_TITLE),
            text: french::typeset(super::connect::FORGET_TEXT),
            answers: super::connect::forget_answers().into(),
        },
        Question::Site => Prompt {
            number: 0,
            title: french::typeset(SITE_QUESTION),
            text: SITE_PURPOSE.into(),
            answers: (state.profile.sites.iter())
                .map(|site| {
                    let label = french::site(site);
                    button(label, Action::Choose(Choice::Site(site.id.clone())))
                })
                .collect(),
        },
    })
}

/// Returns a reminder as a prompt. It gives the time of day only: minutes left would change while the user reads.
fn reminder(reminder: &Reminder) -> Prompt {
    let title = format!("Arrêt automatique à {}", french::time(reminder.at.time()));
    Prompt { number: reminder.minutes, title, text: shutdown::advice(reminder), answers: shutdown::answers(reminder) }
}

/// Returns the rows about the network.
fn network(state: &State) -> Vec<Row> {
    let site = match state.site() {
        Some(site) => normal(RowKind::Site, french::site(site)),
        None => warning(RowKind::Site, "à choisir dans les réglages ou dans le menu « Mon site »"),
    };
    let vpn = match state.reaches_intranet() {
        Some(false) => warning(RowKind::Vpn, vpn::line(state)),
        Some(true) | None => normal(RowKind::Vpn, vpn::line(state)),
    };
    let mut rows = vec![vpn];
    let silent = vpn::silence(state).into_iter().enumerate();
    rows.extend(silent.map(|(number, sentence)| Row {
        id: format!("silent-{number}"),
        ..warning(RowKind::Vpn, sentence).labelled("Serveurs")
    }));
    rows.push(site);
    let Some(links) = state.vpn.links() else {
        rows.push(unavailable(RowKind::LocalAddress, PENDING_TEXT));
        return rows;
    };
    let list = |addresses: &[std::net::IpAddr]| -> String {
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        texts.join(", ")
    };
    rows.push(match links.underlay().or_else(|| links.interfaces.iter().find(|interface| !interface.tunnel)) {
        Some(interface) => normal(RowKind::LocalAddress, list(&interface.addresses)),
        None => unavailable(RowKind::LocalAddress, "aucune (pas de réseau)"),
    });
    rows.push(match links.tunnel() {
        Some(tunnel) => normal(RowKind::VpnAddress, list(&tunnel.addresses)),
        None => unavailable(RowKind::VpnAddress, "aucune (pas de tunnel)"),
    });
    rows.push(match links.default_route.as_ref().and_then(|route| route.router) {
        Some(router) => normal(RowKind::Router, router.to_string()),
        None => unavailable(RowKind::Router, "aucune (pas de route par défaut)"),
    });
    rows.push(if links.dns.is_empty() {
        unavailable(RowKind::Dns, "aucun (le système n’en nomme pas)")
    } else {
        normal(RowKind::Dns, list(&links.dns))
    });
    rows
}

/// Returns the rows about the computer.
fn computer(state: &State) -> Vec<Row> {
    let mut rows = match &state.host {
        Some(host) => machine(state, host),
        None => vec![unavailable(RowKind::Computer, PENDING_TEXT)],
    };
    match &state.battery {
        Reading::Known(Some(battery)) => {
            let plugged = if battery.plugged { "sur secteur" } else { "sur batterie" };
            rows.push(normal(RowKind::Battery, format!("{} % ({plugged})", battery.percent)));
        }
        Reading::Unavailable(_) => {
            rows.push(unavailable(RowKind::Battery, "le système n’indique pas son état"));
        }
        // A computer without a battery has no such row.
        Reading::Known(None) | Reading::Pending => {}
    }
    rows.push(normal(RowKind::Version, env!("CARGO_PKG_VERSION")).labelled("Vigie"));
    rows
}

/// Returns the rows about the computer, whose facts are known.
fn machine(state: &State, host: &Host) -> Vec<Row> {
    let user = match &host.domain {
        Some(domain) => format!("{} ({domain})", host.user),
        None => format!("{} (hors domaine)", host.user),
    };
    let booted = host.booted.to_zoned_datetime(state.now.wall.time_zone().clone());
    let started = french::moment(&booted, &state.now.wall);
    let started = match (state.long_uptime(), host.fast_startup) {
        (Some(days), false) => warning(RowKind::Booted, format!("{started} ({days} jours : redémarrez bientôt)")),
        (Some(days), true) => {
            let advice = "éteindre ne suffit pas : choisissez Redémarrer";
            warning(RowKind::Booted, format!("{started} ({days} jours ; {advice})"))
        }
        (None, _) => normal(RowKind::Booted, started),
    };
    // Windows with Fast Startup keeps its kernel over a shutdown.
    let started = started.labelled(if host.fast_startup { "Dernier redémarrage complet" } else { "Démarré" });
    let disk = match (&host.disk, state.disk_low()) {
        (Reading::Known(space), Some(percent)) => {
            let text = format!("{} libres ({percent} % : faites de la place)", french::bytes(space.free));
            warning(RowKind::Disk, text)
        }
        (Reading::Known(space), None) => {
            let text = format!("{} libres sur {}", french::bytes(space.free), french::bytes(space.total));
            normal(RowKind::Disk, text)
        }
        (Reading::Pending, _) => unavailable(RowKind::Disk, PENDING_TEXT),
        (Reading::Unavailable(_), _) => unavailable(RowKind::Disk, "le système n’indique pas la place qui reste"),
    };
    let memory = format!("{} libres sur {}", french::bytes(host.memory.free), french::bytes(host.memory.total));
    vec![
        normal(RowKind::Computer, host.name.clone()),
        normal(RowKind::User, user),
        normal(RowKind::System, host.system.clone()),
        started,
        normal(RowKind::Memory, memory),
        disk,
    ]
}

/// Returns a row per network drive.
fn drive_rows(state: &State) -> Vec<Row> {
    let rows = state.profile.drives.iter().map(|drive| {
        let label = format!("{} ({})", drives::name(drive), drives::purpose(drive.holds));
        let (value, mark) = drives::value(state, drive);
        let id = format!("drive-{}", drive.letter.to_ascii_lowercase());
        Row { id, mark, ..normal(RowKind::Drives, value).labelled(label) }
    });
    rows.collect()
}

/// Returns the rows about printers.
pub(super) fn printer_rows(state: &State) -> Vec<Row> {
    let mut rows = Vec::new();
    match &state.printers {
        Reading::Known(Printers::Server(server)) => {
            let text = format!("sur un serveur : {server} (liste non lue)");
            rows.push(normal(RowKind::Printers, text));
        }
        Reading::Known(Printers::Computer(printers)) if printers.is_empty() => {
            rows.push(unavailable(RowKind::Printers, "aucune n’est installée"));
        }
        Reading::Known(Printers::Computer(printers)) => rows.extend(printers.iter().map(|printer| {
            let decoded = vigie_core::printers::decode(&state.profile.printing, &printer.name);
            let place = decoded.map(|name| french::printer(&name, &state.profile.printing));
            let remark = match (printer.default, printer.installed) {
                (true, true) => " (par défaut)",
                (true, false) => " (par défaut, trouvée sur le réseau et non installée)",
                (false, true) => "",
                (false, false) => " (non installée)",
            };
            // A copier of the academy is behind the VPN; a printer at home is not.
            let reason = drives::out_of_reach(state).filter(|_| place.is_some());
            let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            let place = place.map(|place| format!(" : {place}")).unwrap_or_default();
            let value = format!("{}{remark}{place}{reason}", printer.name);
            Row {
                id: format!("printer-{}", printer.name),
                copy: Some(printer.name.clone()),
                ..normal(RowKind::Printers, value).labelled("Imprimante")
            }
        })),
        Reading::Pending => rows.push(unavailable(RowKind::Printers, PENDING_TEXT)),
        Reading::Unavailable(_) => {
            rows.push(unavailable(RowKind::Printers, "le service d’impression ne répond pas"));
        }
    }
    rows
}

/// Returns the rows about printers and WAPT.
fn software(state: &State) -> Vec<Row> {
    let mut rows = printer_rows(state);
    rows.push(match &state.wapt {
        Reading::Known(wapt) => {
            let mut text = format!("version {}", wapt.version);
            match wapt.pending.as_ref().map(Vec::len) {
                None => text.push_str(", serveur pas encore interrogé"),
                Some(0) => text.push_str(", à jour"),
                Some(1) => text.push_str(", 1 mise à jour en attente"),
                Some(many) => text.push_str(&format!(", {many} mises à jour en attente")),
            }
            if let Some(task) = &wapt.running {
                text.push_str(&format!(", en cours : {task}"));
            }
            Row { details: wapt.pending.clone().unwrap_or_default(), ..normal(RowKind::Wapt, text) }
        }
        Reading::Pending => unavailable(RowKind::Wapt, PENDING_TEXT),
        Reading::Unavailable(_) => unavailable(RowKind::Wapt, "absent, ou ne répond pas"),
    });
    rows
}

/// Returns the rows about the helpdesk, the shutdown and what is wrong with the configuration.
fn services(state: &State) -> Vec<Row> {
    let mut rows = vec![normal(RowKind::Amigo, helpdesk::hours(state)).labelled("AMIGO")];
    rows.extend(state.profile.helpdesk.urgent.iter().enumerate().map(|(index, urgent)| {
        let label = format!("En cas d’urgence ({})", urgent.establishments);
        Row {
            id: format!("urgent-{index}"),
            ..normal(RowKind::Urgent, french::numbers(&urgent.numbers)).labelled(label)
        }
    }));
    let mark = if shutdown::is_near(state) { Severity::Warning } else { Severity::Normal };
    let until = state.shutdown.next_shutdown(&state.now).map(|at| at.timestamp().as_second());
    rows.push(Row { mark, until, ..normal(RowKind::Shutdown, shutdown::next(state)) });
    rows.extend(state.problems.iter().enumerate().map(|(index, problem)| Row {
        id: format!("problem-{index}"),
        label: "Configuration ignorée".into(),
        value: french::typeset(super::config::sentence(problem)),
        mark: Severity::Warning,
        ..Row::default()
    }));
    rows
}

fn group(title: &str, rows: Vec<Row>) -> Group {
    Group { title: french::typeset(title), rows }
}

pub(super) fn button(label: impl Into<String>, action: Action) -> Button {
    Button { label: french::typeset(label), action }
}

/// Shown in place of a value that has not been read yet.
const PENDING_TEXT: &str = "en cours de lecture";

/// Returns the label of a kind of row, in the settings and, unless the row has one of its own, in the panel.
pub(super) fn label(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Site => "Site",
        RowKind::Vpn => "VPN",
        RowKind::LocalAddress => "Adresse IP locale",
        RowKind::VpnAddress => "Adresse IP du VPN",
        RowKind::Router => "Passerelle",
        RowKind::Dns => "Serveurs DNS",
        RowKind::Computer => "Nom de l’ordinateur",
        RowKind::User => "Utilisateur",
        RowKind::System => "Système",
        RowKind::Booted => "Dernier démarrage",
        RowKind::Memory => "Mémoire",
        RowKind::Disk => "Disque système",
        RowKind::Battery => "Batterie",
        RowKind::Version => "Version de Vigie",
        RowKind::Drives => "Lecteurs réseau",
        RowKind::Printers => "Imprimantes",
        RowKind::Wapt => "WAPT",
        RowKind::Amigo => "Horaires d’AMIGO",
        RowKind::Urgent => "Numéros d’urgence",
        RowKind::Shutdown => "Arrêt automatique",
    }
}

/// Returns a row with a value that needs no attention.
fn normal(kind: RowKind, value: impl Into<String>) -> Row {
    let (label, value) = (french::typeset(label(kind)), french::typeset(value));
    Row { id: kind.id().into(), fact: Some(kind), label, value, ..Row::default() }
}

/// Returns a row with a value that needs attention.
fn warning(kind: RowKind, value: impl Into<String>) -> Row {
    Row { mark: Severity::Warning, ..normal(kind, value) }
}

/// Returns a row without a value, which says why.
fn unavailable(kind: RowKind, why: impl Into<String>) -> Row {
    Row { mark: Severity::Unavailable, ..normal(kind, why) }
}

impl Row {
    /// Returns the row with a label of its own.
    fn labelled(self, label: impl Into<String>) -> Row {
        Row { label: french::typeset(label), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;
    use vigie_core::fixture::{at, known, now, standing};
    use vigie_core::message::Event;
    use vigie_core::update::update;

    #[test]
    fn panel_offers_only_its_buttons_and_answers() {
        let question = Prompt {
            number: 0,
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

    /// Returns the countdown when so many milliseconds are left.
    fn with_left(millis: i64) -> Option<Countdown> {
        let end = jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(48);
        countdown(end.as_second(), end - jiff::SignedDuration::from_millis(millis))
    }

    #[test]
    fn time_left_is_worded() {
        for (seconds, text) in [
            (1, "dans moins d’une minute"),
            (60, "dans moins d’une minute"),
            (61, "dans 2 minutes"),
            (29 * 60, "dans 29 minutes"),
            (3600, "dans 1 h"),
            (65 * 60, "dans 1 h 05"),
            (7199, "dans 2 h"),
            (7200, "dans plus de 2 heures"),
            (9 * 3600 + 100, "dans plus de 9 heures"),
        ] {
            let countdown = with_left(seconds * 1000).expect("time is left");
            assert_eq!(countdown.text.replace('\u{a0}', " "), text, "{seconds}");
        }
        assert_eq!((with_left(0), with_left(-5)), (None, None));
    }

    proptest! {
        #[test]
        fn time_left_stays_until_it_changes(left in 1_i64..24 * 60 * 60_000) {
            let countdown = with_left(left).expect("time is left");
            let changes = i64::try_from(countdown.changes_ms).expect("at most an hour");
            prop_assert!(changes > 0);
            let text = |left| with_left(left).map(|countdown| countdown.text);
            prop_assert_eq!(text(left - changes + 1), text(left));
            prop_assert_ne!(text(left - changes), text(left));
        }
    }

    #[test]
    fn time_left_changes_seldom() {
        let (mut left, mut changes) = (8 * 60 * 60_000, 0);
        while let Some(countdown) = with_left(left) {
            left -= i64::try_from(countdown.changes_ms).expect("at most an hour");
            changes += 1;
        }
        assert!(changes < 130, "{changes}");
    }

    #[test]
    fn pinned_panel_shows_facts_if_the_profile_wants_it() {
        let mut state = known();
        assert_eq!(pinned(&state), None);
        let mut profile = (*state.profile).clone();
        profile.panel.pinned = true;
        profile.panel.width = 333;
        state.profile = profile.into();
        // What waits for an answer is asked in the opened panel.
        update(&mut state, Event::Action(Action::ShutDown), now("2026-11-24T14:02"));
        let pinned = pinned(&state).expect("it is wanted");
        let wanted = &state.profile.panel;
        assert_eq!((pinned.width, pinned.height, pinned.opacity_percent), (333, wanted.height, wanted.opacity_percent));
        assert_eq!(pinned.panel.question, None);
        assert_eq!(pinned.panel.groups, panel(&state).groups);
        assert!(pinned.panel.offers(&Action::ShowPanel));
        assert!(!pinned.panel.offers(&Action::CopySupportInfo));
    }

    #[test]
    fn countdown_stays_in_both_panels_until_the_shutdown() {
        let mut state = known();
        let mut profile = vigie_profile::Profile::clone(&state.profile);
        profile.panel.pinned = true;
        state.profile = std::sync::Arc::new(profile);
        let countdown = |panel: &Panel| {
            let rows = panel.groups.iter().flat_map(|group| &group.rows);
            let row = rows.clone().find(|row| row.fact == Some(RowKind::Shutdown)).expect("the row is there");
            (row.mark, row.until)
        };
        update(&mut state, Event::Tick, now("2026-11-24T21:00"));
        let at = Some(at("2026-11-24T21:30").timestamp().as_second());
        for (action, time) in [(Action::RemindLater, "21:01"), (Action::NotTonight, "21:29")] {
            update(&mut state, Event::Action(action), now(&format!("2026-11-24T{time}")));
            assert_eq!(countdown(&panel(&state)), (Severity::Warning, at));
            assert_eq!(countdown(&pinned(&state).expect("it is wanted").panel), (Severity::Warning, at));
        }
        update(&mut state, Event::Tick, now("2026-11-24T21:30"));
        assert_eq!(countdown(&panel(&state)).0, Severity::Normal);
    }

    #[test]
    fn each_status_offers_the_buttons_that_help() {
        let vpn = |status| -> Vec<String> {
            panel(&standing(status)).buttons.into_iter().map(|button| button.label).collect()
        };
        let (connect, retry) = ("Se connecter au VPN", "Vérifier maintenant");
        assert_eq!(vpn(VpnStatus::Offline), [retry, connect]);
        assert_eq!(vpn(VpnStatus::Unknown), [retry, connect], "in the same place, for the focus");
        assert_eq!(vpn(VpnStatus::Stalled), ["Reconnecter", retry]);
        // Another server answers in the gateway's place.
        assert_eq!(vpn(VpnStatus::Captive), ["Se connecter au Wi-Fi public", retry, connect, "Demander à AMIGO"]);
        assert_eq!(vpn(VpnStatus::Disconnected), [connect]);
        assert_eq!(vpn(VpnStatus::OnSite), [] as [&str; 0]);
        let mut state = standing(VpnStatus::Stalled);
        state.connect.cisco_cli_available = true;
        assert!(panel(&state).offers(&Action::Disconnect));
    }

    #[test]
    fn a_reminder_that_nobody_answered_is_another_prompt_the_next_time() {
        let mut state = known();
        update(&mut state, Event::Tick, now("2026-11-24T21:00"));
        let first = panel(&state).question.expect("the reminder");
        update(&mut state, Event::Tick, now("2026-11-24T21:10"));
        assert_eq!(panel(&state).question.as_ref(), Some(&first));
        update(&mut state, Event::Tick, now("2026-11-24T21:15"));
        let second = panel(&state).question.expect("the reminder");
        assert_ne!(second.number, first.number);
        assert_eq!(Prompt { number: first.number, ..second }, first);
    }

    #[test]
    fn panel_shows_the_reminder_as_long_as_it_is_valid() {
        let mut state = known();
        let asked = |state: &State| {
            let asked = panel(state).question?;
            Some((asked.title, asked.answers.into_iter().map(|answer| answer.label).collect::<Vec<_>>()))
        };
        let title = "Arrêt automatique à 21\u{a0}h\u{a0}30".to_owned();
        let [off, later, not_tonight] =
            ["Éteindre maintenant", "Me le rappeler plus tard", "Ce soir, ne plus me le rappeler"];
        update(&mut state, Event::Tick, now("2026-11-24T21:00"));
        assert_eq!(asked(&state), Some((title.clone(), [off, later, not_tonight].map(String::from).to_vec())));
        update(&mut state, Event::Action(Action::RemindLater), now("2026-11-24T21:01"));
        assert_eq!(asked(&state), None);
        update(&mut state, Event::Tick, now("2026-11-24T21:25"));
        assert_eq!(asked(&state), Some((title.clone(), [off, "J’ai compris"].map(String::from).to_vec())));
        update(&mut state, Event::Action(Action::ShutDown), now("2026-11-24T21:26"));
        assert_eq!(asked(&state).map(|(title, _)| title), Some("Éteindre l’ordinateur maintenant\u{a0}?".into()));
        update(&mut state, Event::Action(Action::Cancel), now("2026-11-24T21:26"));
        assert_eq!(asked(&state).map(|(title, _)| title), Some(title));
        update(&mut state, Event::Tick, now("2026-11-24T21:30"));
        assert_eq!(asked(&state), None);
    }

    #[test]
    fn rows_can_be_hidden_except_configuration_problems() {
        let mut state = standing(VpnStatus::Connected);
        let problem = vigie_profile::Problem {
            file: "/etc/vigie/vigie.toml".into(),
            line: Some(3),
            key: None,
            error: vigie_profile::ConfigError::TooLarge,
            restorable: false,
        };
        state.problems = [problem].into();
        let ids = |panel: Panel| -> Vec<String> {
            panel.groups.into_iter().flat_map(|group| group.rows).map(|row| row.id).collect()
        };
        let all = panel(&state);
        let groups = all.groups.len();
        let left = all.clone().without(&[RowKind::Drives, RowKind::Wapt, RowKind::Urgent]);
        assert_eq!(left.groups.len(), groups - 1, "a group without rows is gone");
        let gone: Vec<String> = ids(all.clone()).into_iter().filter(|id| !ids(left.clone()).contains(id)).collect();
        assert_eq!(gone, ["drive-i", "drive-s", "drive-t", "drive-u", "wapt", "urgent-0", "urgent-1"]);
        assert_eq!(ids(all.clone().without(&RowKind::ALL)), ["problem-0"]);
        // Each row can be hidden, and each name hides something.
        let shown: Vec<RowKind> = all.groups.iter().flat_map(|group| &group.rows).filter_map(|row| row.fact).collect();
        assert!(RowKind::ALL.iter().all(|fact| shown.contains(fact)));
    }

    #[test]
    fn a_bad_value_is_explained_above_everything_and_can_be_removed() {
        use vigie_profile::{ConfigError, Expected, Problem};
        let mut state = standing(VpnStatus::Connected);
        assert_eq!(panel(&state).banner, None);
        let error = ConfigError::WrongValue { found: "0".into(), expected: Expected::Number(5, 86_400) };
        let bad = Problem {
            file: "/home/m/vigie.toml".into(),
            line: Some(3),
            key: Some("vpn.probe_seconds".into()),
            error,
            restorable: true,
        };
        let banner = |state: &State| panel(state).banner.expect("there is a problem");
        state.problems = [bad.clone()].into();
        let said = banner(&state);
        assert_eq!(
            said.text.replace('\u{a0}', " "),
            "La valeur 0 ne convient pas ; il faut un nombre entier de 5 à 86400. « Rétablir » enlève du fichier ce qui est \
             faux ; le reste est gardé. Détail : « vpn.probe_seconds », ligne 3, /home/m/vigie.toml."
        );
        assert_eq!(said.buttons, [button("Rétablir", Action::RestoreSettings)]);
        assert!(panel(&state).offers(&Action::RestoreSettings));
        let machine = Problem { restorable: false, ..bad.clone() };
        state.problems = [machine.clone(), bad.clone(), bad].into();
        assert_eq!(banner(&state).title, "2 de vos réglages ne sont pas pris en compte");
        let shown = |state: &State| -> Vec<String> {
            let items = crate::attention::attention(state, &panel(state)).into_iter();
            items.map(|item| item.row).filter(|row| row.starts_with("problem")).collect()
        };
        assert_eq!(shown(&state), ["problem-0", "problem-2"], "each once: the banner names the other one");
        // The machine's file is the administrator's.
        state.problems = [machine].into();
        assert!(!panel(&state).offers(&Action::RestoreSettings));
        assert_eq!(banner(&state).buttons[0].label, "Demander à AMIGO");
    }

    #[test]
    fn unavailable_values_give_their_reason() {
        let mut state = standing(VpnStatus::OnSite);
        let why = || Reading::Unavailable("for the log".into());
        let host = state.host.take().expect("it is known");
        let events = [
            Event::Host(std::sync::Arc::new(Host { disk: why_space(), domain: None, ..(*host).clone() })),
            Event::Drives(Reading::Unavailable("for the log".into())),
            Event::Printers(Reading::Unavailable("for the log".into())),
            Event::Wapt(Reading::Unavailable("for the log".into())),
            Event::Power(why()),
            Event::Links(vigie_core::vpn::Links::default()),
        ];
        for event in events {
            update(&mut state, event, now("2026-11-24T14:03"));
        }
        let rows: Vec<Row> = panel(&state).groups.into_iter().flat_map(|group| group.rows).collect();
        for (id, why) in [
            ("local-address", "aucune (pas de réseau)"),
            ("vpn-address", "aucune (pas de tunnel)"),
            ("router", "aucune (pas de route par défaut)"),
            ("dns", "aucun (le système n’en nomme pas)"),
            ("disk", "le système n’indique pas la place qui reste"),
            ("battery", "le système n’indique pas son état"),
            ("printers", "le service d’impression ne répond pas"),
            ("wapt", "absent, ou ne répond pas"),
        ] {
            let row = rows.iter().find(|row| row.id == id).expect("it is never left out");
            assert_eq!((row.value.as_str(), row.mark), (why, Severity::Unavailable), "{id}");
        }
        assert!(rows.iter().all(|row| !row.value.is_empty() && !row.value.contains("for the log")));
    }

    #[test]
    fn printers_wapt_and_fast_startup_are_worded() {
        use vigie_core::message::{Printer, Wapt};
        let mut state = standing(VpnStatus::OnSite);
        let host = state.host.take().expect("it is known");
        let shown = |state: &mut State, event: Event, id: &str| -> String {
            update(state, event, now("2026-11-24T14:03"));
            let rows = panel(state).groups.into_iter().flat_map(|group| group.rows);
            let row = rows.into_iter().find(|row| row.id == id).expect("it is shown");
            format!("{} : {}", row.label, row.value).replace('\u{a0}', " ")
        };
        let server = Event::Printers(Reading::Known(Printers::Server("10.9.0.5".into())));
        assert_eq!(shown(&mut state, server, "printers"), "Imprimantes : sur un serveur : 10.9.0.5 (liste non lue)");
        let found = Printer { name: "Copieur_DSI".into(), default: true, installed: false };
        let found = Event::Printers(Reading::Known(Printers::Computer(vec![found])));
        assert_eq!(
            shown(&mut state, found, "printer-Copieur_DSI"),
            "Imprimante : Copieur_DSI (par défaut, trouvée sur le réseau et non installée)"
        );
        let rows = panel(&state).groups.into_iter().flat_map(|group| group.rows);
        let copied: Vec<String> = rows.filter_map(|row| row.copy).collect();
        assert_eq!(copied, ["Copieur_DSI"], "its name alone");
        let wapt = Wapt { version: "2.5".into(), pending: None, running: None };
        let wapt = Event::Wapt(Reading::Known(wapt));
        assert_eq!(shown(&mut state, wapt, "wapt"), "WAPT : version 2.5, serveur pas encore interrogé");
        let booted = Event::Host(std::sync::Arc::new(Host { fast_startup: true, ..(*host).clone() }));
        assert_eq!(shown(&mut state, booted, "booted"), "Dernier redémarrage complet : aujourd’hui à 0 h");
    }

    fn why_space() -> Reading<vigie_core::message::Space> {
        Reading::Unavailable("for the log".into())
    }

    #[test]
    fn rows_carry_pending_packages_and_the_time_of_the_shutdown() {
        let panel = panel(&standing(VpnStatus::Connected));
        let rows: Vec<&Row> = panel.groups.iter().flat_map(|group| &group.rows).collect();
        let row = |id: &str| *rows.iter().find(|row| row.id == id).expect("it is there");
        assert_eq!(row("wapt").details, ["firefox"]);
        assert_eq!(row("shutdown").until, Some(now("2026-11-24T21:30").wall.timestamp().as_second()));
        assert!(rows.iter().all(|row| row.until.is_none() || row.id == "shutdown"));
    }

    /// The page's types are generated from these. An outdated file is rewritten, so a second run of the tests passes.
    #[test]
    fn the_page_knows_the_model() -> Result<(), Box<dyn std::error::Error>> {
        use ts_rs::TS;
        let fresh = tempfile::tempdir()?;
        let config = ts_rs::Config::new().with_out_dir(fresh.path());
        crate::page::Page::export_all(&config)?;
        crate::page::Part::export_all(&config)?;
        Countdown::export_all(&config)?;
        crate::search::SearchResults::export_all(&config)?;
        crate::connect::Form::export_all(&config)?;
        vigie_core::connect::Submission::export_all(&config)?;
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/lib/bindings");
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
