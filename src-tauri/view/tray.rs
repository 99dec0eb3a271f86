//! The tray as a value: icon, tooltip and menu. It is compared with the last one, and only differences reach the tray.

use super::cards::CardButton;
use super::{drives, french, guide, helpdesk, panel, shutdown, vpn};
use serde::Serialize;
use vigie_core::message::{Action, Call, SystemSettings};
use vigie_core::state::State;
use vigie_core::vpn::VpnStatus;
use vigie_profile::{Choice, ConnectMode, Link};

/// All that the tray shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tray {
    /// The icon.
    pub icon: Icon,
    /// First line of the tooltip.
    pub title: String,
    /// The tooltip's detail.
    pub detail: String,
    /// The menu.
    pub menu: Vec<Entry>,
}

/// Which icon: a shape for the status, and a badge if the panel has a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Icon {
    /// The shape and colour.
    pub status: VpnStatus,
    /// Whether the panel has a warning.
    pub badge: bool,
}

/// An entry of the menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// An entry to click; greyed if it has no action.
    Item {
        /// What the user reads.
        label: String,
        /// What a click requests.
        action: Option<Action>,
    },
    /// An entry with a check mark.
    Check {
        /// What the user reads.
        label: String,
        /// Whether it is ticked.
        checked: bool,
        /// What a click requests.
        action: Option<Action>,
    },
    /// One of several exclusive choices; consecutive `Radio` entries belong together.
    Radio {
        /// What the user reads.
        label: String,
        /// Whether it is the chosen one.
        chosen: bool,
        /// What a click requests.
        action: Option<Action>,
    },
    /// A submenu.
    Submenu {
        /// What the user reads.
        label: String,
        /// Its entries.
        entries: Vec<Entry>,
    },
    /// A separator.
    Separator,
}

/// Returns the tray for a state.
pub fn tray(state: &State) -> Tray {
    Tray {
        icon: Icon { status: state.vpn.status(), badge: state.badge() },
        title: french::typeset(vpn::tooltip(state)),
        detail: french::typeset(vpn::detail(state)),
        menu: menu(state),
    }
}

/// Returns the menu of the icon.
fn menu(state: &State) -> Vec<Entry> {
    let profile = &state.profile;
    let mut menu = vec![item(vpn::line(state), Action::ShowPanel)];
    if !state.problems.is_empty() {
        menu.push(item("Configuration en partie ignorée : voir le panneau", Action::ShowPanel));
    }
    menu.extend(vpn(state));
    menu.push(Entry::Separator);
    menu.extend([
        item("Télémaintenance", Action::Open(profile.remote_support.clone())),
        item("Installer un logiciel (WAPT)", Action::Open(profile.wapt.program.clone())),
        item(helpdesk::line(state), Action::AskHelpdesk(None)),
        Entry::Separator,
    ]);
    menu.extend(applications(state));
    menu.extend([
        submenu("Téléphone", telephony(state)),
        submenu("Lecteurs réseau", drives_menu(state)),
        submenu("Imprimantes", printers(state)),
        submenu("Arrêt automatique", shutdown_menu(state)),
        Entry::Separator,
        item("Panneau d’information", Action::ShowPanel),
        item("Copier les infos pour l’assistance", Action::CopySupportInfo),
        Entry::Separator,
        item("Réglages", Action::ShowSettings),
        submenu("Mon site", sites_menu(state)),
    ]);
    if profile.vpn.connect != ConnectMode::OpenClient {
        menu.push(item("Oublier mes identifiants", Action::ForgetCredentials));
    }
    menu.extend([
        Entry::Check {
            label: "Lancer Vigie à l’ouverture de session".into(),
            checked: state.autostart,
            action: Some(Action::SetAutostart(!state.autostart)),
        },
        item("À propos", Action::About),
        item("Quitter", Action::Quit),
    ]);
    menu
}

/// Returns the entries that help in the present status, and the client's own window if there is nothing to connect. A change
/// of the status adds none, as far as possible: a menu that is open would close.
fn vpn(state: &State) -> Vec<Entry> {
    let buttons = panel::vpn_buttons(state);
    let find = |wanted: &Action| buttons.iter().find(|button| button.action == *wanted);
    let connect = [Action::CancelConnect, Action::Connect].iter().find_map(find).cloned();
    let connect = connect.or_else(|| super::connect::offer_client(state));
    let check = [Action::OpenPortal, Action::OpenSettings(SystemSettings::DateTime), Action::Refresh]
        .iter()
        .find_map(find)
        .cloned();
    let check = check.unwrap_or_else(|| panel::button(panel::CHECK_NOW, Action::Refresh));
    let mut entries: Vec<Entry> = Vec::new();
    entries.extend(connect.map(|button| {
        // A window follows.
        let more = if button.action == Action::CancelConnect { "" } else { "…" };
        item(format!("{}{more}", button.label), button.action)
    }));
    entries.extend(find(&Action::Disconnect).map(|button| item(&*button.label, button.action.clone())));
    entries.push(item(check.label, check.action));
    entries
}

/// Returns the links of the guide: those that are alone in their section in one submenu, each other section in its own.
/// So no link is more than two levels deep.
fn applications(state: &State) -> Vec<Entry> {
    let (mut single, mut sections) = (Vec::new(), Vec::new());
    for section in &state.profile.sections {
        let links = guide::links(state, section);
        let entry = |link: &&Link| item(guide::link_label(state, link), Action::Open(link.id.clone()));
        match links.as_slice() {
            [link] => single.push(entry(link)),
            [] => {}
            links => sections.push(submenu(&section.label, links.iter().map(entry).collect())),
        }
    }
    let single = (!single.is_empty()).then(|| submenu("Applications", single));
    single.into_iter().chain(sections).collect()
}

/// Returns the telephone codes: each can be copied, those that take no number can be dialled.
fn telephony(state: &State) -> Vec<Entry> {
    let codes = &state.profile.codes;
    let copy = codes.iter().map(|code| {
        let number = if code.takes_number { " + n°" } else { "" };
        item(format!("Copier {}{number} : {}", code.code, code.label), Action::CopyCode(Call::of(&*code.id)))
    });
    let dial = codes.iter().filter(|code| !code.takes_number);
    let dial =
        dial.map(|code| item(format!("Composer {} ({})", code.code, code.label), Action::Dial(Call::of(&*code.id))));
    copy.chain([Entry::Separator]).chain(dial).collect()
}

/// Returns the printers; a click copies the name.
fn printers(state: &State) -> Vec<Entry> {
    let rows = panel::printer_rows(state).into_iter();
    rows.map(|row| match row.copy {
        Some(name) => item(format!("Copier le nom : {}", row.value), Action::CopyPrinter(name)),
        None => entry(row.value, None),
    })
    .collect()
}

fn drives_menu(state: &State) -> Vec<Entry> {
    let drives = state.profile.drives.iter().map(|drive| {
        let (label, action) = drives::entry(state, drive);
        entry(label, action)
    });
    drives.collect()
}

fn shutdown_menu(state: &State) -> Vec<Entry> {
    let now = &state.now;
    let next = match state.shutdown.next_shutdown(now) {
        Some(at) => format!("Prochain arrêt : {}", french::moment(&at, &now.wall)),
        None => "Aucun arrêt prévu".into(),
    };
    let mut entries = vec![entry(next, None)];
    let reminders = shutdown::reminders(state).map(|CardButton { button, .. }| item(button.label, button.action));
    entries.push(reminders.unwrap_or_else(|| entry("Plus de rappel ce soir", None)));
    entries.push(item(format!("{}…", shutdown::SHUT_DOWN), Action::ShutDown));
    entries
}

fn sites_menu(state: &State) -> Vec<Entry> {
    let chosen = state.site().map(|site| &site.id);
    let sites = state.profile.sites.iter().map(|site| Entry::Radio {
        label: french::site(site),
        chosen: chosen == Some(&site.id),
        action: Some(Action::Choose(Choice::Site(site.id.clone()))),
    });
    sites.collect()
}

fn item(label: impl Into<String>, action: Action) -> Entry {
    entry(label, Some(action))
}

fn entry(label: impl Into<String>, action: Option<Action>) -> Entry {
    Entry::Item { label: french::typeset(label), action }
}

fn submenu(label: impl Into<String>, entries: Vec<Entry>) -> Entry {
    Entry::Submenu { label: french::typeset(label), entries }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fmt::Write;
    use std::sync::Arc;
    use vigie_core::fixture::{guide, known, now, standing};
    use vigie_core::message::Event;
    use vigie_core::state::SavedState;
    use vigie_core::update::update;
    use vigie_profile::{Id, Profile, UserChoices};

    /// The menu as lines; greyed entries in brackets.
    fn text(entries: &[Entry]) -> String {
        fn print(entries: &[Entry], depth: usize, text: &mut String) {
            for entry in entries {
                let greyed = |label: &String, action: &Option<Action>| {
                    if action.is_some() { label.clone() } else { format!("[{label}]") }
                };
                let line = match entry {
                    Entry::Item { label, action } => greyed(label, action),
                    Entry::Check { label, checked, action } => {
                        format!("{} {}", if *checked { "☑" } else { "☐" }, greyed(label, action))
                    }
                    Entry::Radio { label, chosen, action } => {
                        format!("{} {}", if *chosen { "●" } else { "○" }, greyed(label, action))
                    }
                    Entry::Submenu { label, .. } => format!("{label} ▸"),
                    Entry::Separator => "—".into(),
                };
                writeln!(text, "{}{line}", "  ".repeat(depth)).expect("writing to a String never fails");
                if let Entry::Submenu { entries, .. } = entry {
                    print(entries, depth + 1, text);
                }
            }
        }
        let mut text = String::new();
        print(entries, 0, &mut text);
        text.replace('\u{a0}', " ")
    }

    fn submenu_text(state: &State, label: &str) -> String {
        let menu = tray(state).menu;
        let entries = menu.iter().find_map(|entry| {
            let Entry::Submenu { label: found, entries } = entry else { return None };
            (found == label).then_some(entries)
        });
        text(entries.expect("the menu has that submenu"))
    }

    /// Adds every link, with the clicks on menu entries that open it.
    fn clicks(entries: &[Entry], before: usize, found: &mut BTreeMap<Id, usize>) {
        for entry in entries {
            match entry {
                Entry::Item { action: Some(Action::Open(id)), .. } => {
                    let clicks = found.entry(id.clone()).or_insert(usize::MAX);
                    *clicks = (before + 1).min(*clicks);
                }
                Entry::Submenu { entries, .. } => clicks(entries, before + 1, found),
                Entry::Item { .. } | Entry::Check { .. } | Entry::Radio { .. } | Entry::Separator => {}
            }
        }
    }

    #[test]
    fn every_link_of_the_guide_is_at_most_two_clicks_into_the_menu() {
        for site in ["caen", "rouen"] {
            let mut state = standing(VpnStatus::Connected);
            let profile = Profile { user: UserChoices { site: Some(site.into()) }, ..(*guide()).clone() };
            update(&mut state, Event::Profile(Arc::new(profile), [].into()), now("2026-11-24T14:02:10"));
            let mut found = BTreeMap::new();
            clicks(&tray(&state).menu, 0, &mut found);
            for link in state.profile.links.iter().filter(|link| crate::guide::is_for_site(&state, link)) {
                let clicks = found.get(&link.id);
                assert!(clicks.is_some_and(|clicks| *clicks <= 2), "{site}: {}: {clicks:?}", link.id);
            }
        }
    }

    #[test]
    fn the_whole_menu() {
        let expected = "\
VPN connecté depuis 14 h 02 (portailotp.ac-caen.fr)
Ouvrir Cisco Secure Client…
Vérifier maintenant
—
Télémaintenance
Installer un logiciel (WAPT)
Assistance AMIGO (ouverte jusqu’à 17 h)
—
Applications ▸
  Intranet
  Envoi de fichiers (par l’intranet)
  Webconférence (par l’intranet)
  Messagerie académique
  Tchap
  Tribu (par l’intranet)
  AMIGO
Documentation ▸
  Guide de Filesender
  Guide de Visio-Agents
  Prise en main de Tchap
  Livret de Tribu
Outils du ministère (apps.education.fr) ▸
  Portail apps.education.fr
  Agenda
  Evento
  Filesender
  France Transfert
  Le projet Apps
  Mezig
  Nuage
  Pad avancé - CodiMD
  Pod Educ
  Portail tubes
  Rendez-vous Renater
  Sondage
  Tchap
  Tribu
  Visio-Agents
Téléphone ▸
  Copier *21 + n° : Renvoi immédiat
  Copier *22 + n° : Renvoi sur non-réponse
  Copier *23 + n° : Renvoi sur occupation
  Copier *20 : Désactiver tous les renvois
  Copier *10 : État des renvois
  Copier *25 : Ne pas déranger : activer ou désactiver
  Copier *98 : Consulter la messagerie vocale
  —
  Composer *20 (Désactiver tous les renvois)
  Composer *10 (État des renvois)
  Composer *25 (Ne pas déranger : activer ou désactiver)
  Composer *98 (Consulter la messagerie vocale)
Lecteurs réseau ▸
  Ouvrir le lecteur I : données professionnelles
  Ouvrir le lecteur S : données professionnelles
  Demander le lecteur T à AMIGO : données professionnelles
  Ouvrir le lecteur U : données personnelles
Imprimantes ▸
  Copier le nom : I76RC-DSI04-B4 (par défaut) : Rectorat (Seine-Maritime), division DSI n° 4, bâtiment B, étage 4
  Copier le nom : Bureau
Arrêt automatique ▸
  [Prochain arrêt : aujourd’hui à 21 h 30]
  Ce soir, ne plus me le rappeler
  Éteindre maintenant…
—
Panneau d’information
Copier les infos pour l’assistance
—
Réglages
Mon site ▸
  ● Caen (Calvados, Manche, Orne)
  ○ Rouen (Seine-Maritime, Eure)
Oublier mes identifiants
☐ Lancer Vigie à l’ouverture de session
À propos
Quitter
";
        assert_eq!(text(&tray(&standing(VpnStatus::Connected)).menu), expected);
    }

    #[test]
    fn each_status_in_menu_tooltip_and_drives() {
        let rows = [
            (
                VpnStatus::Unknown,
                "Vérification du réseau…",
                "Se connecter au VPN…",
                "Ouvrir le lecteur I : données professionnelles",
            ),
            (
                VpnStatus::Offline,
                "Hors ligne depuis 14 h 02",
                "Se connecter au VPN…",
                "[Lecteur I : données professionnelles (hors d’atteinte : pas de réseau)]",
            ),
            (
                VpnStatus::Captive,
                "Connexion limitée (portailotp.ac-caen.fr)",
                "Se connecter au VPN…",
                "[Lecteur I : données professionnelles (hors d’atteinte : connexion limitée)]",
            ),
            (
                VpnStatus::Disconnected,
                "VPN déconnecté depuis 14 h 02 (portailotp.ac-caen.fr)",
                "Se connecter au VPN…",
                "[Lecteur I : données professionnelles (hors d’atteinte : VPN déconnecté)]",
            ),
            (
                VpnStatus::Connecting,
                "Connexion en cours… (portailotp.ac-caen.fr)",
                "Ouvrir Cisco Secure Client…",
                "[Lecteur I : données professionnelles (connexion en cours)]",
            ),
            (
                VpnStatus::Connected,
                "VPN connecté depuis 14 h 02 (portailotp.ac-caen.fr)",
                "Ouvrir Cisco Secure Client…",
                "Ouvrir le lecteur I : données professionnelles",
            ),
            (
                VpnStatus::Stalled,
                "Le VPN ne répond plus depuis 14 h 02 (portailotp.ac-caen.fr)",
                "Reconnecter…",
                "[Lecteur I : données professionnelles (hors d’atteinte : le VPN ne répond plus)]",
            ),
            (
                VpnStatus::OnSite,
                "Sur site, VPN inutile",
                "Ouvrir Cisco Secure Client…",
                "Ouvrir le lecteur I : données professionnelles",
            ),
        ];
        assert_eq!(rows.map(|row| row.0), VpnStatus::ALL);
        for (status, first, second, drive) in rows {
            let state = standing(status);
            let tray = tray(&state);
            let menu = text(&tray.menu);
            let mut lines = menu.lines();
            assert_eq!((lines.next(), lines.next()), (Some(first), Some(second)));
            assert_eq!(submenu_text(&state, "Lecteurs réseau").lines().next(), Some(drive));
            assert_eq!(tray.icon, Icon { status, badge: false });
            assert!(first.starts_with(&tray.title.replace('\u{a0}', " ")));
            assert!(!tray.detail.is_empty());
        }
    }

    #[test]
    fn submenus_have_two_entries_or_more_and_no_submenus() {
        for state in [
            standing(VpnStatus::Connected),
            State::new(guide(), [].into(), SavedState::default(), 7, now("2026-11-24T10:00")),
        ] {
            for entry in tray(&state).menu {
                let Entry::Submenu { label, entries } = entry else { continue };
                assert!(entries.len() > 1 || label == "Imprimantes", "{label}");
                assert!(!entries.iter().any(|entry| matches!(entry, Entry::Submenu { .. })), "{label}");
            }
        }
    }

    #[test]
    fn connecting_and_disconnecting_in_the_menu() {
        use vigie_core::connect::{ClientDetection, ConnectProgress, StoredCredentials, VpnClient};
        use vigie_core::fixture::{home, submission};
        let second = |state: &State| -> Vec<String> {
            text(&tray(state).menu).lines().skip(1).take_while(|line| *line != "—").map(str::to_owned).collect()
        };
        let mut state = standing(VpnStatus::Disconnected);
        let mut on = |event| update(&mut state, event, now("2026-11-24T14:02:10"));
        on(Event::ConnectReady(ClientDetection::Found(VpnClient::Cisco), StoredCredentials::default()));
        on(Event::FormSubmitted(submission()));
        assert_eq!(second(&state), ["Annuler la connexion", "Vérifier maintenant"]);
        assert_eq!(tray(&state).icon.status, VpnStatus::Connecting);
        let mut on = |event| update(&mut state, event, now("2026-11-24T14:02:10"));
        on(Event::ConnectProgress(vigie_core::message::RequestId::new(1), Ok(ConnectProgress::Connected)));
        assert_eq!(second(&state), ["Ouvrir Cisco Secure Client…", "Se déconnecter du VPN", "Vérifier maintenant"]);
        // A tunnel of Cisco's can be ended too, one of another program cannot.
        let mut state = standing(VpnStatus::Connected);
        assert_eq!(second(&state), ["Ouvrir Cisco Secure Client…", "Vérifier maintenant"]);
        let said = Event::ClientState(Some(vigie_core::vpn::ClientState::Connected));
        update(&mut state, said, now("2026-11-24T14:02:10"));
        assert_eq!(second(&state), ["Ouvrir Cisco Secure Client…", "Se déconnecter du VPN", "Vérifier maintenant"]);
        update(&mut state, Event::Links(home()), now("2026-11-24T14:02:11"));
        assert_eq!(second(&state), ["Se connecter au VPN…", "Vérifier maintenant"]);
    }

    #[test]
    fn tray_changes_only_with_its_contents() {
        let mut state = standing(VpnStatus::Connected);
        let before = tray(&state);
        for time in ["14:03", "15:30", "16:59:59"] {
            update(&mut state, Event::Tick, now(&format!("2026-11-24T{time}")));
            assert_eq!(tray(&state), before, "{time}");
        }
        update(&mut state, Event::Tick, now("2026-11-24T17:00"));
        assert!(text(&tray(&state).menu).contains("\nAssistance AMIGO (demande possible, ouvre demain à 8 h)\n"));
        update(&mut state, Event::Tick, now("2026-11-25T00:00"));
        assert!(text(&tray(&state).menu).contains("VPN connecté depuis hier à 14 h 02"));
        assert!(text(&tray(&state).menu).contains("Assistance AMIGO (demande possible, ouvre aujourd’hui à 8 h)"));
    }

    #[test]
    fn the_shutdown_in_the_menu() {
        let mut state = known();
        update(&mut state, Event::Action(Action::NotTonight), now("2026-11-24T20:00"));
        let quiet = "[Prochain arrêt : aujourd’hui à 21 h 30]\nMe le rappeler de nouveau\nÉteindre maintenant…\n";
        assert_eq!(submenu_text(&state, "Arrêt automatique"), quiet);
        update(&mut state, Event::Tick, now("2026-11-24T21:30"));
        assert!(submenu_text(&state, "Arrêt automatique").starts_with("[Prochain arrêt : demain à 21 h 30]\n"));
    }

    #[test]
    fn without_a_site_links_of_every_site_are_named_after_it() {
        let state = State::new(guide(), [].into(), SavedState::default(), 7, now("2026-11-24T10:00"));
        assert_eq!(submenu_text(&state, "Intranet"), "Intranet (Caen)\nIntranet (Rouen)\n");
        assert_eq!(
            submenu_text(&state, "Mon site"),
            "○ Caen (Calvados, Manche, Orne)\n○ Rouen (Seine-Maritime, Eure)\n"
        );
    }

    #[test]
    fn broken_configuration_is_reported_in_the_second_entry() {
        let mut state = known();
        let problem = vigie_profile::Problem {
            file: "/etc/vigie/vigie.toml".into(),
            line: Some(3),
            key: None,
            error: vigie_profile::ConfigError::TooLarge,
            restorable: false,
        };
        let profile = state.profile.clone();
        update(&mut state, Event::Profile(profile, [problem].into()), now("2026-11-24T10:01"));
        let tray = tray(&state);
        assert_eq!(text(&tray.menu).lines().nth(1), Some("Configuration en partie ignorée : voir le panneau"));
        assert!(tray.icon.badge);
        assert!(tray.title.ends_with(", à voir dans le panneau"), "{}", tray.title);
        assert!(text(&tray.menu).lines().next().is_some_and(|line| line.ends_with(", à voir dans le panneau")));
    }
}
