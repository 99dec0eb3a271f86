//! The settings as a value: what the user may choose, what is chosen, and what the administrator has fixed.

use super::french;
use super::panel::{Button, SITE_PURPOSE, button, label};
use serde::{Deserialize, Serialize};
use vigie_core::message::Action;
use vigie_core::state::State;
use vigie_profile::{Choice, RowKind};

/// Something to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Setting {
    /// A stable name.
    pub id: String,
    /// What it is.
    pub title: String,
    /// An explanation to read before choosing.
    pub hint: String,
    /// Whether exactly one option can be chosen, or any number.
    pub kind: Kind,
    /// Whether the administrator has fixed it: then no option can be chosen.
    pub locked: bool,
    /// What can be chosen, in order.
    pub options: Vec<SettingOption>,
}

/// How many are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Each option is on or off independently.
    Each,
    /// Exactly one option is chosen.
    One,
}

/// What can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SettingOption {
    /// Its label, and what a click requests: to choose it, or, if the kind is [`Kind::Each`] and it is chosen, to undo that.
    pub button: Button,
    /// Whether it is chosen now.
    pub chosen: bool,
}

impl Setting {
    /// Whether the setting offers that action.
    pub fn offers(&self, action: &Action) -> bool {
        !self.locked && self.options.iter().any(|option| option.button.action == *action)
    }
}

/// Returns the settings for a state.
pub fn settings(state: &State) -> Vec<Setting> {
    vec![site(state), leads(state), pinned(state), opacity(state), size(state), rows(state), start(state)]
}

/// Returns the setting of the site.
fn site(state: &State) -> Setting {
    let chosen = state.site().map(|site| &site.id);
    let options = state.profile.sites.iter().map(|site| {
        let label = french::site(site);
        (label, chosen == Some(&site.id), Choice::Site(site.id.clone()))
    });
    setting(state, "site", "Mon site", SITE_PURPOSE, Kind::One, options.collect())
}

/// Returns the leads that can be chosen, and any other that a file names.
fn leads(state: &State) -> Setting {
    let chosen = &state.profile.shutdown.leads_minutes;
    let mut leads = [60, 30, 15, 10, 5].to_vec();
    leads.extend(chosen);
    leads.sort_unstable_by(|a, b| b.cmp(a));
    leads.dedup();
    let options = leads.into_iter().map(|lead| {
        let is_chosen = chosen.contains(&lead);
        let label = match lead {
            60 => "1 heure avant".into(),
            1 => "1 minute avant".into(),
            minutes => format!("{minutes} minutes avant"),
        };
        (label, is_chosen, Choice::Lead(lead, !is_chosen))
    });
    let hint = "Aucune case cochée : aucun rappel. L’ordinateur s’éteint quand même.";
    setting(state, "reminders", "Rappels de l’arrêt automatique", hint, Kind::Each, options.collect())
}

fn pinned(state: &State) -> Setting {
    let on = state.profile.panel.pinned;
    let hint = "Il reste sous vos fenêtres, en bas à droite de l’écran, et se lit à la souris : au clavier, ouvrez le panneau, qui dit la \
                même chose.";
    let options = vec![("Garder le panneau sur le bureau".into(), on, Choice::Pinned(!on))];
    setting(state, "pinned", "Panneau posé sur le bureau", hint, Kind::Each, options)
}

fn opacity(state: &State) -> Setting {
    let chosen = state.profile.panel.opacity_percent;
    let mut percents = [100, 90, 80, 70, 60].to_vec();
    percents.push(chosen);
    percents.sort_unstable_by(|a, b| b.cmp(a));
    percents.dedup();
    let options = percents.into_iter().map(|percent| {
        let label = if percent == 100 { "Aucune".into() } else { format!("{} %", 100 - percent) };
        (label, percent == chosen, Choice::Opacity(percent))
    });
    setting(state, "opacity", "Transparence du panneau posé", "", Kind::One, options.collect())
}

fn size(state: &State) -> Setting {
    let chosen = (state.profile.panel.width, state.profile.panel.height);
    let mut sizes: Vec<(String, (u16, u16))> = [("Petit", (320, 480)), ("Moyen", (420, 680)), ("Grand", (560, 900))]
        .map(|(name, size)| (name.into(), size))
        .into();
    if !sizes.iter().any(|(_, size)| *size == chosen) {
        sizes.push(("Sur mesure".into(), chosen));
    }
    let options = sizes.into_iter().map(|(name, (width, height))| {
        (format!("{name} ({width} × {height})"), (width, height) == chosen, Choice::Size(width, height))
    });
    setting(state, "size", "Taille du panneau posé", "", Kind::One, options.collect())
}

fn rows(state: &State) -> Setting {
    let hidden = &state.profile.panel.hidden;
    let options = RowKind::ALL.into_iter().map(|fact| {
        let shown = !hidden.contains(&fact);
        (label(fact).into(), shown, Choice::RowVisible(fact, !shown))
    });
    let hint = "Le panneau que vous ouvrez les montre toutes.";
    setting(state, "rows", "Lignes du panneau posé", hint, Kind::Each, options.collect())
}

fn start(state: &State) -> Setting {
    let on = state.autostart;
    let button = button("Lancer Vigie à l’ouverture de session", Action::SetAutostart(!on));
    let options = vec![SettingOption { button, chosen: on }];
    Setting { options, ..setting(state, "start", "Démarrage", "", Kind::Each, Vec::new()) }
}

fn setting(
    state: &State,
    id: &str,
    title: &str,
    hint: &str,
    kind: Kind,
    options: Vec<(String, bool, Choice)>,
) -> Setting {
    Setting {
        id: id.into(),
        title: super::french::typeset(title),
        hint: super::french::typeset(hint),
        kind,
        locked: options.iter().any(|(_, _, choice)| choice.is_locked(&state.profile)),
        options: (options.into_iter())
            .map(|(label, chosen, choice)| SettingOption { button: button(label, Action::Choose(choice)), chosen })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use vigie_core::fixture::known;
    use vigie_profile::Profile;

    fn of<'a>(settings: &'a [Setting], id: &str) -> &'a Setting {
        settings.iter().find(|setting| setting.id == id).expect("it is there")
    }

    fn chosen(setting: &Setting) -> Vec<String> {
        let chosen = setting.options.iter().filter(|option| option.chosen);
        chosen.map(|option| option.button.label.replace('\u{a0}', " ")).collect()
    }

    #[test]
    fn current_values_are_chosen() {
        let mut state = known();
        let mut profile = Profile::clone(&state.profile);
        profile.panel.hidden = vec![RowKind::Dns];
        profile.panel.opacity_percent = 83;
        profile.panel.width = 333;
        profile.shutdown.leads_minutes = vec![45, 5];
        state.profile = Arc::new(profile);
        let settings = settings(&state);
        assert_eq!(chosen(of(&settings, "site")), ["Caen (Calvados, Manche, Orne)"]);
        assert_eq!(chosen(of(&settings, "reminders")), ["45 minutes avant", "5 minutes avant"]);
        assert_eq!(chosen(of(&settings, "pinned")), [] as [&str; 0]);
        assert_eq!(chosen(of(&settings, "opacity")), ["17 %"]);
        assert_eq!(chosen(of(&settings, "size")), ["Sur mesure (333 × 680)"]);
        assert_eq!(chosen(of(&settings, "rows")).len(), RowKind::ALL.len() - 1);
        assert_eq!(chosen(of(&settings, "start")), [] as [&str; 0]);
        for setting in settings.iter().filter(|setting| setting.kind == Kind::One) {
            assert_eq!(chosen(setting).len(), 1, "{setting:?}");
        }
        // A click on what is on turns it off.
        let reminders = of(&settings, "reminders");
        assert!(reminders.offers(&Action::Choose(Choice::Lead(45, false))));
        assert!(reminders.offers(&Action::Choose(Choice::Lead(60, true))));
        assert!(!reminders.offers(&Action::Choose(Choice::Lead(45, true))));
        assert!(of(&settings, "rows").offers(&Action::Choose(Choice::RowVisible(RowKind::Dns, true))));
        assert!(of(&settings, "start").offers(&Action::SetAutostart(true)));
    }

    #[test]
    fn locked_settings_offer_nothing() {
        let mut state = known();
        let locked = ["panel.height", "user", "shutdown.leads_minutes"].map(String::from).into();
        state.profile = Arc::new(Profile { locked, ..Profile::clone(&state.profile) });
        let settings = settings(&state);
        let fixed: Vec<&str> = settings.iter().filter(|setting| setting.locked).map(|setting| &*setting.id).collect();
        assert_eq!(fixed, ["site", "reminders", "size"]);
        for setting in settings.iter().filter(|setting| setting.locked) {
            assert!(!setting.options.iter().any(|option| setting.offers(&option.button.action)), "{setting:?}");
        }
        assert_eq!(chosen(of(&settings, "site")), ["Caen (Calvados, Manche, Orne)"]);
    }
}
