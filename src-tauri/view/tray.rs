//! The tray as a value: icon, tooltip and menu. Compared with the last one; only differences reach the tray.

use super::{drives, french, helpdesk, vpn};
use serde::Serialize;
use vigie_core::message::{Action, Call};
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

/// Which icon: a base shape for the verdict, and a badge laid over it when the panel has a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Icon {
    /// The shape and colour.
    pub verdict: VpnStatus,
    /// Whether the panel has a warning.
    pub badge: bool,
}

/// One line of the menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// A line to click; greyed where it has no action.
    Item {
        /// What the user reads.
        label: String,
        /// What the click asks for.
        action: Option<Action>,
    },
    /// A line that is ticked or not.
    Check {
        /// What the user reads.
        label: String,
        /// Whether it is ticked.
        checked: bool,
        /// What the click asks for.
        action: Option<Action>,
    },
    /// A choice of one in several; the lines of one run of `Radio` belong together.
    Radio {
        /// What the user reads.
        label: String,
        /// Whether it is the chosen one.
        chosen: bool,
        /// What the click asks for.
        action: Option<Action>,
    },
    /// A menu in the menu.
    Submenu {
        /// What the user reads.
        label: String,
        /// Its lines.
        entries: Vec<Entry>,
    },
    /// A thin line.
    Separator,
}

/// The tray for a state.
pub fn tray(state: &State) -> Tray {
    Tray {
        icon: Icon { verdict: state.vpn.status(), badge: state.badge() },
        title: french::typeset(vpn::headline(state)),
        detail: french::typeset(vpn::detail(state)),
        menu: menu(state),
    }
}

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
        item(helpdesk::line(state), Action::Open(profile.helpdesk.link.clone())),
        Entry::Separator,
        submenu("Applications", applications(state)),
        submenu("Téléphonie", telephony(state)),
        submenu("Lecteurs réseau", drives_menu(state)),
        submenu("Arrêt automatique", shutdown_menu(state)),
        Entry::Separator,
        item("Panneau d’information", Action::ShowPanel),
        item("Copier les infos pour l’assistance", Action::CopySupportInfo),
        Entry::Separator,
        submenu("Mon site", sites_menu(state)),
    ]);
    if profile.vpn.connect != ConnectMode::OpenClient {
        menu.push(item("Oublier mes identifiants", Action::ForgetCredentials));
    }
    menu.extend([
        Entry::Check {
            label: "Lancer à l’ouverture de session".into(),
            checked: state.autostart,
            action: Some(Action::SetAutostart(!state.autostart)),
        },
        item("À propos", Action::About),
        item("Quitter", Action::Quit),
    ]);
    menu
}

/// Connecting and disconnecting; and the client's own window, where that is what there is to do.
fn vpn(state: &State) -> Vec<Entry> {
    let mut entries = Vec::new();
    if state.connect.is_busy() {
        entries.push(item("Annuler la connexion", Action::CancelConnect));
    } else if state.can_connect() {
        entries.push(item("Se connecter au VPN…", Action::Connect));
    } else {
        entries.push(item("Ouvrir Cisco…", Action::OpenClient));
    }
    if state.can_disconnect() {
        entries.push(item("Se déconnecter du VPN", Action::Disconnect));
    }
    entries
}

/// The guide's sections, each with the site's own links first.
fn applications(state: &State) -> Vec<Entry> {
    let site = state.site().map(|site| site.id.as_str());
    let shown = |link: &&Link| link.site.is_none() || site.is_none() || link.site.as_deref() == site;
    let sections = state.profile.sections.iter().map(|section| {
        let links = || state.profile.links.iter().filter(|link| link.section == section.id).filter(shown);
        let own = links().filter(|link| link.site.is_some());
        let common = links().filter(|link| link.site.is_none());
        let entries = own.chain(common).map(|link| item(label(state, link), Action::Open(link.id.clone()))).collect();
        submenu(&section.label, entries)
    });
    sections.filter(|section| !matches!(section, Entry::Submenu { entries, .. } if entries.is_empty())).collect()
}

/// The link's name; with its site's while none is chosen and both sites' links stand there.
fn label(state: &State, link: &Link) -> String {
    let site = |id: &str| state.profile.sites.iter().find(|site| site.id == id).map(|site| &site.name);
    match link.site.as_deref().and_then(site) {
        Some(site) if state.site().is_none() => format!("{} ({site})", link.label),
        Some(_) | None => link.label.clone(),
    }
}

/// Each code copies itself; those that need no number can be dialled.
fn telephony(state: &State) -> Vec<Entry> {
    let codes = &state.profile.codes;
    let mut entries: Vec<Entry> = codes
        .iter()
        .map(|code| {
            let number = if code.takes_number { " + n°" } else { "" };
            item(format!("{} : {}{number}", code.label, code.code), Action::CopyCode(Call::of(&*code.id)))
        })
        .collect();
    let dialled = codes.iter().filter(|code| !code.takes_number);
    let dialled =
        dialled.map(|code| item(format!("{} : {}", code.label, code.code), Action::Dial(Call::of(&*code.id))));
    entries.extend([Entry::Separator, submenu("Composer avec le téléphone logiciel", dialled.collect())]);
    entries
}

fn drives_menu(state: &State) -> Vec<Entry> {
    let drives = state.profile.drives.iter().map(|drive| {
        let action = drives::can_open(state, drive).then_some(Action::OpenDrive(drive.letter));
        entry(drives::line(state, drive), action)
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
    if state.shutdown.reminds_tonight(now) {
        entries.push(item("Ce soir, ne plus me le rappeler", Action::NotTonight));
    } else {
        entries.push(entry("Plus de rappel ce soir", None));
    }
    entries.push(item("Éteindre maintenant…", Action::ShutDown));
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
    use std::fmt::Write;
    use vigie_core::fixture::{guide, known, now, standing};
    use vigie_core::message::Event;
    use vigie_core::state::SavedState;
    use vigie_core::update::update;

    /// The menu as lines; greyed lines stand in brackets.
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
                writeln!(text, "{}{line}", "  ".repeat(depth)).expect("a String takes all");
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

    #[test]
    fn the_whole_menu() {
        let expected = "\
VPN connecté depuis 14 h 02 (portailotp.ac-caen.fr)
Ouvrir Cisco…
—
Télémaintenance
Installer un logiciel (WAPT)
Assistance AMIGO (ouverte jusqu’à 17 h)
—
Applications ▸
  Intranet ▸
    Intranet
  Envoyer des fichiers volumineux ▸
    Envoi de fichiers (par l’intranet)
  Webconférences ▸
    Webconférence (par l’intranet)
  Messagerie instantanée ▸
    Tchap
  Espaces collaboratifs ▸
    Tribu (par l’intranet)
  Assistance ▸
    AMIGO
  Documentation ▸
    Guide de FileSender
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
Téléphonie ▸
  Renvoi immédiat : *21 + n°
  Renvoi sur non-réponse : *22 + n°
  Renvoi sur occupation : *23 + n°
  Désactiver tous les renvois : *20
  État des renvois : *10
  Ne pas déranger : activer ou désactiver : *25
  Consulter la messagerie vocale : *98
  —
  Composer avec le téléphone logiciel ▸
    Désactiver tous les renvois : *20
    État des renvois : *10
    Ne pas déranger : activer ou désactiver : *25
    Consulter la messagerie vocale : *98
Lecteurs réseau ▸
  I: données professionnelles
  S: données professionnelles
  [T: données professionnelles (absent de cet ordinateur)]
  U: données personnelles
Arrêt automatique ▸
  [Prochain arrêt : aujourd’hui à 21 h 30]
  Ce soir, ne plus me le rappeler
  Éteindre maintenant…
—
Panneau d’information
Copier les infos pour l’assistance
—
Mon site ▸
  ● Caen (Calvados, Manche, Orne)
  ○ Rouen (Seine-Maritime, Eure)
Oublier mes identifiants
☐ Lancer à l’ouverture de session
À propos
Quitter
";
        assert_eq!(text(&tray(&standing(VpnStatus::Connected)).menu), expected);
    }

    #[test]
    fn each_verdict_in_the_menu_the_tooltip_and_the_drives() {
        let rows = [
            (VpnStatus::Unknown, "Vérification du réseau…", "Se connecter au VPN…", "I: données professionnelles"),
            (
                VpnStatus::Offline,
                "Hors ligne depuis 14 h 02",
                "Se connecter au VPN…",
                "[I: données professionnelles (hors d’atteinte : pas de réseau)]",
            ),
            (
                VpnStatus::Captive,
                "Connexion limitée (portailotp.ac-caen.fr)",
                "Se connecter au VPN…",
                "[I: données professionnelles (hors d’atteinte : connexion limitée)]",
            ),
            (
                VpnStatus::Disconnected,
                "VPN déconnecté depuis 14 h 02 (portailotp.ac-caen.fr)",
                "Se connecter au VPN…",
                "[I: données professionnelles (hors d’atteinte : VPN déconnecté)]",
            ),
            (
                VpnStatus::Connecting,
                "Connexion en cours… (portailotp.ac-caen.fr)",
                "Ouvrir Cisco…",
                "[I: données professionnelles (connexion en cours)]",
            ),
            (
                VpnStatus::Connected,
                "VPN connecté depuis 14 h 02 (portailotp.ac-caen.fr)",
                "Ouvrir Cisco…",
                "I: données professionnelles",
            ),
            (
                VpnStatus::Stalled,
                "Le VPN ne répond plus depuis 14 h 02 (portailotp.ac-caen.fr)",
                "Se connecter au VPN…",
                "[I: données professionnelles (hors d’atteinte : le VPN ne répond plus)]",
            ),
            (VpnStatus::OnSite, "Sur site, VPN inutile", "Ouvrir Cisco…", "I: données professionnelles"),
        ];
        assert_eq!(rows.map(|row| row.0), VpnStatus::ALL);
        for (verdict, first, second, drive) in rows {
            let state = standing(verdict);
            let tray = tray(&state);
            let menu = text(&tray.menu);
            let mut lines = menu.lines();
            assert_eq!((lines.next(), lines.next()), (Some(first), Some(second)));
            assert_eq!(submenu_text(&state, "Lecteurs réseau").lines().next(), Some(drive));
            assert_eq!(tray.icon, Icon { verdict, badge: false });
            assert!(first.starts_with(&tray.title.replace('\u{a0}', " ")));
            assert!(!tray.detail.is_empty());
        }
    }

    #[test]
    fn connecting_and_disconnecting_in_the_menu() {
        use vigie_core::connect::{ConnectProgress, StoredCredentials, VpnClient};
        use vigie_core::fixture::home;
        let second = |state: &State| -> Vec<String> {
            text(&tray(state).menu).lines().skip(1).take_while(|line| *line != "—").map(str::to_owned).collect()
        };
        let mut state = standing(VpnStatus::Disconnected);
        let mut on = |event| update(&mut state, event, now("2026-11-24T14:02:10"));
        on(Event::ConnectReady(Some(VpnClient::Cisco), StoredCredentials::default()));
        on(Event::FormSubmitted(vigie_core::connect::Submission {
            way: vigie_core::connect::ConnectMethod::Connect,
            site: "caen".into(),
            identifier: "mdupont".into(),
            pin: vigie_core::connect::Pin::Typed("4321".to_owned().into()),
            digits: "123456".to_owned().into(),
            remember_pin: false,
        }));
        assert_eq!(second(&state), ["Annuler la connexion"]);
        assert_eq!(tray(&state).icon.verdict, VpnStatus::Connecting);
        let mut on = |event| update(&mut state, event, now("2026-11-24T14:02:10"));
        on(Event::ConnectProgress(vigie_core::message::RequestId::new(1), Ok(ConnectProgress::Connected)));
        assert_eq!(second(&state), ["Ouvrir Cisco…", "Se déconnecter du VPN"]);
        // Cisco's own tunnel can be ended too, one of somebody else's cannot.
        let mut state = standing(VpnStatus::Connected);
        assert_eq!(second(&state), ["Ouvrir Cisco…"]);
        let said = Event::ClientState(Some(vigie_core::vpn::ClientState::Connected));
        update(&mut state, said, now("2026-11-24T14:02:10"));
        assert_eq!(second(&state), ["Ouvrir Cisco…", "Se déconnecter du VPN"]);
        update(&mut state, Event::Links(home()), now("2026-11-24T14:02:11"));
        assert_eq!(second(&state), ["Se connecter au VPN…"]);
    }

    #[test]
    fn only_what_changes_changes_the_tray() {
        let mut state = standing(VpnStatus::Connected);
        let before = tray(&state);
        for time in ["14:03", "15:30", "16:59:59"] {
            update(&mut state, Event::Tick, now(&format!("2026-11-24T{time}")));
            assert_eq!(tray(&state), before, "{time}");
        }
        update(&mut state, Event::Tick, now("2026-11-24T17:00"));
        assert!(text(&tray(&state).menu).contains("\nAssistance AMIGO (fermée, ouvre demain à 8 h)\n"));
        update(&mut state, Event::Tick, now("2026-11-25T00:00"));
        assert!(text(&tray(&state).menu).contains("VPN connecté depuis hier à 14 h 02"));
        assert!(text(&tray(&state).menu).contains("Assistance AMIGO (fermée, ouvre aujourd’hui à 8 h)"));
    }

    #[test]
    fn the_shutdown_in_the_menu() {
        let mut state = known();
        update(&mut state, Event::Action(Action::NotTonight), now("2026-11-24T20:00"));
        let quiet = "[Prochain arrêt : aujourd’hui à 21 h 30]\n[Plus de rappel ce soir]\nÉteindre maintenant…\n";
        assert_eq!(submenu_text(&state, "Arrêt automatique"), quiet);
        update(&mut state, Event::Tick, now("2026-11-24T21:30"));
        assert!(submenu_text(&state, "Arrêt automatique").starts_with("[Prochain arrêt : demain à 21 h 30]\n"));
    }

    #[test]
    fn without_a_site_both_sites_links_stand_there_with_their_names() {
        let state = State::new(guide(), [].into(), SavedState::default(), 7, now("2026-11-24T10:00"));
        let applications = submenu_text(&state, "Applications");
        assert!(applications.starts_with("Intranet ▸\n  Intranet (Caen)\n  Intranet (Rouen)\n"), "{applications}");
        assert_eq!(
            submenu_text(&state, "Mon site"),
            "○ Caen (Calvados, Manche, Orne)\n○ Rouen (Seine-Maritime, Eure)\n"
        );
    }

    #[test]
    fn a_broken_file_is_said_in_the_second_line() {
        let mut state = known();
        let problem = vigie_profile::Problem {
            file: "/etc/vigie/vigie.toml".into(),
            line: Some(3),
            key: None,
            error: vigie_profile::ConfigError::TooLarge,
        };
        let profile = state.profile.clone();
        update(&mut state, Event::Profile(profile, [problem].into()), now("2026-11-24T10:01"));
        let tray = tray(&state);
        assert_eq!(text(&tray.menu).lines().nth(1), Some("Configuration en partie ignorée : voir le panneau"));
        assert!(tray.icon.badge);
    }
}
