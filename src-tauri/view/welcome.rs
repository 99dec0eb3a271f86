//! The cards of the first start: what Vigie is, which site, where the icon is.

use super::french;
use super::panel::{Button, SITE_PURPOSE, SITE_QUESTION, button};
use serde::{Deserialize, Serialize};
use vigie_core::message::Action;
use vigie_core::state::State;
use vigie_core::vpn::VpnStatus;
use vigie_core::welcome::WelcomeCard;
use vigie_profile::Choice;

/// A card of the first start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Welcome {
    /// Which card of how many.
    pub progress: String,
    /// The heading.
    pub title: String,
    /// What it says, a paragraph each.
    pub text: Vec<String>,
    /// What the icon looks like.
    pub icons: Vec<IconMeaning>,
    /// The answers, if it asks something.
    pub answers: Vec<Button>,
    /// Whether the answer is still to be given.
    pub awaits_answer: bool,
    /// What the answer that was given means.
    pub noted: Option<String>,
    /// Where to go from here, the next card first.
    pub buttons: Vec<Button>,
}

/// A look of the tray icon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct IconMeaning {
    /// The status that it stands for.
    pub status: VpnStatus,
    /// What that means.
    pub label: String,
}

impl Welcome {
    /// Whether it offers that action.
    pub fn offers(&self, action: &Action) -> bool {
        self.answers.iter().chain(&self.buttons).any(|button| button.action == *action)
    }
}

/// Returns the card that is shown.
pub fn welcome(state: &State) -> Option<Welcome> {
    let welcome = state.welcome?;
    let number = WelcomeCard::ALL.iter().position(|card| *card == welcome.card).map_or(0, |index| index + 1);
    let card = match welcome.card {
        WelcomeCard::Vigie => vigie(state),
        WelcomeCard::Site => site(state, welcome.site_chosen),
        WelcomeCard::Icon => icon(state),
    };
    let typeset = |texts: Vec<String>| texts.into_iter().map(french::typeset).collect();
    Some(Welcome {
        progress: french::typeset(format!("{number} sur {}", WelcomeCard::ALL.len())),
        title: french::typeset(card.title),
        text: typeset(card.text),
        noted: card.noted.map(french::typeset),
        ..card
    })
}

const NEXT: &str = "Suivant";
const BACK: &str = "Précédent";

fn vigie(state: &State) -> Welcome {
    let shutdown = match state.shutdown.next_shutdown(&state.now) {
        Some(at) => format!(", et vous prévient avant l’arrêt automatique de {}", french::time(at.time())),
        None => String::new(),
    };
    Welcome {
        title: "Bienvenue dans Vigie".into(),
        text: vec![
            "Vigie vous aide à travailler à distance. Elle sait si vos lecteurs réseau et vos applications métiers sont \
             accessibles, et vous dit quoi faire quand ils ne le sont pas."
                .into(),
            format!("Elle vous connecte au VPN, ouvre les outils du guide « Travailler en distanciel »{shutdown}."),
            "Elle ne surveille pas ce que vous faites, et n’envoie rien à l’assistance d’elle-même.".into(),
        ],
        buttons: vec![
            button(NEXT, Action::ShowWelcome(WelcomeCard::Site)),
            button("Passer la présentation", Action::EndWelcome),
        ],
        ..Welcome::default()
    }
}

fn site(state: &State, chosen_now: bool) -> Welcome {
    let choices = || state.profile.sites.iter().map(|site| (site, Choice::Site(site.id.clone())));
    let locked = choices().any(|(_, choice)| choice.is_locked(&state.profile));
    let chosen_now = chosen_now && !locked;
    let (title, text) = match state.site() {
        Some(site) if !chosen_now => {
            let site = format!("Vous êtes du site de {}.", french::site(site));
            let why =
                if locked { "Il est fixé par votre administrateur." } else { "Ce n’est pas le bon ? Choisissez." };
            ("Votre site", vec![format!("{site} {SITE_PURPOSE}"), why.into()])
        }
        Some(_) | None => (SITE_QUESTION, vec![SITE_PURPOSE.into()]),
    };
    let noted = state.site().filter(|_| chosen_now).map(|site| {
        format!(
            "C’est noté : {}. Vigie utilisera le serveur VPN {} et les liens de {}. Vous pourrez changer de site dans les \
             réglages.",
            site.name, site.gateway, site.name
        )
    });
    let next = if state.site().is_some() { NEXT } else { "Choisir plus tard" };
    Welcome {
        title: title.into(),
        text,
        answers: choices()
            .filter(|_| !locked)
            .map(|(site, choice)| button(french::site(site), Action::Choose(choice)))
            .collect(),
        awaits_answer: state.site().is_none(),
        noted,
        buttons: vec![
            button(next, Action::ShowWelcome(WelcomeCard::Icon)),
            button(BACK, Action::ShowWelcome(WelcomeCard::Vigie)),
        ],
        ..Welcome::default()
    }
}

fn icon(state: &State) -> Welcome {
    Welcome {
        title: "Où retrouver Vigie ?".into(),
        text: place(state),
        icons: if has_tray(state) { icons() } else { Vec::new() },
        buttons: vec![button("Commencer", Action::EndWelcome), button(BACK, Action::ShowWelcome(WelcomeCard::Site))],
        ..Welcome::default()
    }
}

fn has_tray(state: &State) -> bool {
    state.tray_host != Some(false)
}

/// Returns the looks that users see most.
fn icons() -> Vec<IconMeaning> {
    let meanings = [
        (VpnStatus::Connected, "VPN connecté : tout est accessible"),
        (VpnStatus::OnSite, "Sur site : tout est accessible sans VPN"),
        (VpnStatus::Disconnected, "VPN déconnecté : lecteurs et applications hors d’atteinte"),
        (VpnStatus::Stalled, "Le VPN ne répond plus"),
    ];
    meanings.map(|(status, label)| IconMeaning { status, label: french::typeset(label) }).into()
}

/// Returns where the icon is, and how to keep it visible.
fn place(state: &State) -> Vec<String> {
    if !has_tray(state) {
        return vec![
            "Ce bureau n’a pas de zone de notification : l’icône de Vigie ne peut pas s’y afficher.".into(),
            "Pour revoir ce panneau, relancez Vigie depuis le menu des applications.".into(),
        ];
    }
    let system = state.host.as_ref().map_or("", |host| host.system.as_str());
    if !system.starts_with("Windows") {
        return vec![
            "L’icône de Vigie est dans la barre de votre bureau, près de l’horloge.".into(),
            "Un clic ouvre ce panneau (sous GNOME, un double clic) ; un clic droit, le menu.".into(),
            "Si vous ne la voyez pas, relancez Vigie depuis le menu des applications : ce panneau s’ouvre.".into(),
        ];
    }
    // The words of Windows 11 since 22H2.
    let setting = if system.starts_with("Windows 10") {
        "Sélectionner les icônes à afficher dans la barre des tâches"
    } else {
        "Autres icônes de la barre d’état système"
    };
    vec![
        "L’icône de Vigie est en bas à droite de l’écran, près de l’horloge.".into(),
        "Un clic ouvre ce panneau ; un clic droit, le menu. Au clavier : Windows + B, les flèches, puis Entrée ouvrent le menu, \
         dont la première ligne ouvre ce panneau."
            .into(),
        "Vous ne la voyez pas ? Windows range les nouvelles icônes derrière la flèche ^ : cliquez sur la flèche, puis faites \
         glisser l’icône de Vigie jusqu’à la barre des tâches."
            .into(),
        format!("Ou bien : Paramètres › Personnalisation › Barre des tâches › {setting}, et activez Vigie."),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use vigie_core::fixture::{guide, now, standing};
    use vigie_core::message::{Event, Host};
    use vigie_core::state::SavedState;
    use vigie_core::update::update;
    use vigie_profile::{Profile, UserChoices};

    /// A user who starts Vigie for the first time, on the computer of [`standing`].
    fn first() -> State {
        let mut state = State::new(guide(), [].into(), SavedState::default(), 7, now("2026-11-24T10:00"));
        state.host = standing(VpnStatus::Disconnected).host;
        state.begin();
        state
    }

    fn does(state: &mut State, action: Action) {
        assert!(welcome(state).expect("a card is shown").offers(&action), "{action:?}");
        update(state, Event::Action(action), now("2026-11-24T10:00"));
    }

    fn choose(state: &mut State, site: &str, locked: &[&str]) {
        let user = UserChoices { site: Some(site.into()) };
        let locked = locked.iter().map(|key| (*key).to_owned()).collect();
        let profile = Profile { user, locked, ..(*guide()).clone() };
        update(state, Event::Profile(Arc::new(profile), [].into()), now("2026-11-24T10:00"));
    }

    /// A card as lines, its buttons in brackets, its icons by their status.
    fn text(state: &State) -> String {
        let Some(card) = welcome(state) else { return String::new() };
        let buttons = |buttons: Vec<Button>| -> String {
            let labels: Vec<String> = buttons.into_iter().map(|button| format!("[{}]", button.label)).collect();
            labels.join(" ")
        };
        let icons = card.icons.into_iter().map(|icon| {
            let status = serde_json::to_string(&icon.status).expect("it is JSON");
            format!("({}) {}", status.trim_matches('"'), icon.label)
        });
        let lines = [vec![card.progress, card.title], card.text, icons.collect(), vec![buttons(card.answers)]];
        let lines = lines.into_iter().flatten().chain(card.noted).chain([buttons(card.buttons)]);
        let lines = lines.filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("\n").replace('\u{a0}', " ")
    }

    #[test]
    fn three_cards_lead_to_the_panel() {
        let mut state = first();
        assert_eq!(
            text(&state),
            "1 sur 3\n\
             Bienvenue dans Vigie\n\
             Vigie vous aide à travailler à distance. Elle sait si vos lecteurs réseau et vos applications métiers sont \
             accessibles, et vous dit quoi faire quand ils ne le sont pas.\n\
             Elle vous connecte au VPN, ouvre les outils du guide « Travailler en distanciel », et vous prévient avant \
             l’arrêt automatique de 21 h 30.\n\
             Elle ne surveille pas ce que vous faites, et n’envoie rien à l’assistance d’elle-même.\n\
             [Suivant] [Passer la présentation]"
        );
        does(&mut state, Action::ShowWelcome(WelcomeCard::Site));
        assert_eq!(
            text(&state),
            "2 sur 3\n\
             Quel est votre site ?\n\
             Le serveur VPN et les liens en dépendent.\n\
             [Caen (Calvados, Manche, Orne)] [Rouen (Seine-Maritime, Eure)]\n\
             [Choisir plus tard] [Précédent]"
        );
        does(&mut state, Action::Choose(Choice::Site("rouen".into())));
        choose(&mut state, "rouen", &[]);
        assert_eq!(
            text(&state),
            "2 sur 3\n\
             Quel est votre site ?\n\
             Le serveur VPN et les liens en dépendent.\n\
             [Caen (Calvados, Manche, Orne)] [Rouen (Seine-Maritime, Eure)]\n\
             C’est noté : Rouen. Vigie utilisera le serveur VPN api.ac-rouen.fr et les liens de Rouen. Vous pourrez changer \
             de site dans les réglages.\n\
             [Suivant] [Précédent]"
        );
        does(&mut state, Action::ShowWelcome(WelcomeCard::Icon));
        assert_eq!(
            text(&state),
            "3 sur 3\n\
             Où retrouver Vigie ?\n\
             L’icône de Vigie est en bas à droite de l’écran, près de l’horloge.\n\
             Un clic ouvre ce panneau ; un clic droit, le menu. Au clavier : Windows + B, les flèches, puis Entrée ouvrent le menu, dont la première ligne ouvre ce panneau.\n\
             Vous ne la voyez pas ? Windows range les nouvelles icônes derrière la flèche ^ : cliquez sur la flèche, puis \
             faites glisser l’icône de Vigie jusqu’à la barre des tâches.\n\
             Ou bien : Paramètres › Personnalisation › Barre des tâches › Autres icônes de la barre d’état système, et \
             activez Vigie.\n\
             (connected) VPN connecté : tout est accessible\n\
             (on-site) Sur site : tout est accessible sans VPN\n\
             (disconnected) VPN déconnecté : lecteurs et applications hors d’atteinte\n\
             (stalled) Le VPN ne répond plus\n\
             [Commencer] [Précédent]"
        );
        does(&mut state, Action::EndWelcome);
        assert_eq!(welcome(&state), None);
    }

    #[test]
    fn known_site_is_named_and_one_that_is_fixed_is_not_asked_for() {
        let mut state = first();
        does(&mut state, Action::ShowWelcome(WelcomeCard::Site));
        choose(&mut state, "caen", &[]);
        assert_eq!(
            text(&state),
            "2 sur 3\n\
             Votre site\n\
             Vous êtes du site de Caen (Calvados, Manche, Orne). Le serveur VPN et les liens en dépendent.\n\
             Ce n’est pas le bon ? Choisissez.\n\
             [Caen (Calvados, Manche, Orne)] [Rouen (Seine-Maritime, Eure)]\n\
             [Suivant] [Précédent]"
        );
        choose(&mut state, "caen", &["user"]);
        assert_eq!(
            text(&state),
            "2 sur 3\n\
             Votre site\n\
             Vous êtes du site de Caen (Calvados, Manche, Orne). Le serveur VPN et les liens en dépendent.\n\
             Il est fixé par votre administrateur.\n\
             [Suivant] [Précédent]"
        );
    }

    #[test]
    fn icon_is_where_the_system_has_it() {
        let mut state = first();
        let mut on = |system: &str| {
            let host = Host { system: system.into(), ..(**state.host.as_ref().expect("it is known")).clone() };
            state.host = Some(Arc::new(host));
            place(&state)
        };
        assert!(on("Windows 10 Pro 22H2")[3].contains("› Sélectionner les icônes à afficher"));
        let linux = on("Debian GNU/Linux 12");
        assert!(linux[0].contains("dans la barre de votre bureau") && !linux.concat().contains("Windows"), "{linux:?}");
        state.tray_host = Some(false);
        assert!(place(&state)[0].contains("ne peut pas s’y afficher"));
        assert_eq!(icon(&state).icons, []);
    }
}
