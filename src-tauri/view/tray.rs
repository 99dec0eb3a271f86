//! The tray as a value: icon, tooltip and menu. Compared with the last one; only differences reach the tray.

use super::{drives, french, helpdesk, verdict};
use crate::core::state::Action;
use crate::core::update::{State, can_connect};
use crate::core::vpn::Verdict;
use crate::profile::Link;
use serde::Serialize;

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
    pub verdict: Verdict,
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
        icon: Icon { verdict: state.vpn.verdict(), badge: state.badge() },
        title: verdict::headline(state),
        detail: verdict::detail(state),
        menu: menu(state),
    }
}

fn menu(state: &State) -> Vec<Entry> {
    let profile = &state.profile;
    let mut menu = vec![item(verdict::line(state), Action::ShowPanel)];
    if !state.problems.is_empty() {
        menu.push(item("Configuration en partie ignorée : voir le panneau", Action::ShowPanel));
    }
    let connect =
        if can_connect(state.vpn.verdict()) { "Se connecter au VPN…" } else { "Ouvrir Cisco Secure Client" };
    menu.extend([item(connect, Action::Connect), Entry::Separator]);
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

/// The guide's sections, each with the site's own links first.
fn applications(state: &State) -> Vec<Entry> {
    let site = state.site().map(|site| site.id.as_str());
    let shown = |link: &&Link| link.site.is_none() || site.is_none() || link.site.as_deref() == site;
    let sections = state.profile.sections.iter().map(|section| {
        let links = || state.profile.links.iter().filter(|link| link.section == section.id).filter(shown);
        let own = links().filter(|link| link.site.is_some());
        let common = links().filter(|link| link.site.is_none());
        let entries = own.chain(common).map(|link| item(&link.label, Action::Open(link.id.clone()))).collect();
        submenu(&section.label, entries)
    });
    sections.filter(|section| !matches!(section, Entry::Submenu { entries, .. } if entries.is_empty())).collect()
}

/// Each code copies itself; those that need no number can be dialled.
fn telephony(state: &State) -> Vec<Entry> {
    let codes = &state.profile.codes;
    let mut entries: Vec<Entry> = codes
        .iter()
        .map(|code| {
            let number = if code.takes_number { " + n°" } else { "" };
            item(format!("{} : {}{number}", code.label, code.code), Action::CopyCode(code.id.clone()))
        })
        .collect();
    let dialled = codes.iter().filter(|code| !code.takes_number);
    let dialled = dialled.map(|code| item(format!("{} : {}", code.label, code.code), Action::Dial(code.id.clone())));
    entries.extend([Entry::Separator, submenu("Composer avec le téléphone logiciel", dialled.collect())]);
    entries
}

fn drives_menu(state: &State) -> Vec<Entry> {
    let drives = state.profile.drives.iter().map(|drive| {
        let action = drives::can_open(state, drive).then_some(Action::OpenDrive(drive.letter));
        Entry::Item { label: drives::line(state, drive), action }
    });
    drives.collect()
}

fn shutdown_menu(state: &State) -> Vec<Entry> {
    let now = &state.now;
    let next = match state.shutdown.next_shutdown(now) {
        Some(at) => format!("Prochain arrêt : {}", french::moment(&at, &now.wall)),
        None => "Aucun arrêt prévu".into(),
    };
    let mut entries = vec![Entry::Item { label: next, action: None }];
    if state.shutdown.reminds_tonight(now) {
        entries.push(item("Ce soir, ne plus me le rappeler", Action::NotTonight));
    } else {
        entries.push(Entry::Item { label: "Pas de rappel ce soir".into(), action: None });
    }
    entries.push(item("Éteindre maintenant…", Action::ShutDown));
    entries
}

fn sites_menu(state: &State) -> Vec<Entry> {
    let chosen = state.site().map(|site| &site.id);
    let sites = state.profile.sites.iter().map(|site| Entry::Radio {
        label: format!("{} ({})", site.name, site.departments.join(", ")),
        chosen: chosen == Some(&site.id),
        action: Some(Action::SetSite(site.id.clone())),
    });
    sites.collect()
}

fn item(label: impl Into<String>, action: Action) -> Entry {
    Entry::Item { label: label.into(), action: Some(action) }
}

fn submenu(label: impl Into<String>, entries: Vec<Entry>) -> Entry {
    Entry::Submenu { label: label.into(), entries }
}
