//! The helpdesk's hours and numbers in words, and the buttons that lead there.

use super::french;
use super::panel::{Button, button};
use vigie_core::helpdesk::Helpdesk;
use vigie_core::message::{Action, HelpTopic};
use vigie_core::state::State;

/// The button that leads to the form by which the helpdesk is asked; it is there where advice names it.
pub(super) const ASK: &str = "Demander à AMIGO";

/// Returns the button that leads to the form, with that topic chosen.
pub fn ask(topic: HelpTopic) -> Button {
    button(ASK, Action::AskHelpdesk(Some(topic)))
}

/// Returns the button that opens the helpdesk's site.
pub fn open(state: &State) -> Button {
    button("Ouvrir AMIGO", Action::Open(state.profile.helpdesk.link.clone()))
}

/// Returns the menu's entry.
pub fn line(state: &State) -> String {
    // Its site takes a request at any time.
    if let Helpdesk::Closed { opens: Some(opens) } = &state.helpdesk {
        return format!("Assistance AMIGO (demande possible, ouvre {})", french::moment(opens, &state.now.wall));
    }
    format!("Assistance AMIGO ({})", hours(state))
}

/// Returns the numbers for urgent cases, each with whom it is for, as the end of a sentence.
pub fn urgent(state: &State) -> String {
    let numbers = state.profile.helpdesk.urgent.iter();
    let numbers: Vec<String> =
        numbers.map(|urgent| format!("{} ({})", french::numbers(&urgent.numbers), urgent.establishments)).collect();
    format!("En cas d’urgence : {}.", numbers.join(" ; "))
}

/// Returns whom to call if no site can be opened: the first number of the profile.
pub fn without_internet(state: &State) -> String {
    let numbers = state.profile.helpdesk.urgent.first().map(|urgent| french::numbers(&urgent.numbers));
    numbers
        .map(|numbers| format!(" Sans Internet, appelez le {}.", numbers.replace(" ou ", " ou le ")))
        .unwrap_or_default()
}

/// "ouverte jusqu’à 17 h", "fermée, ouvre demain à 8 h".
pub fn hours(state: &State) -> String {
    let now = &state.now.wall;
    match &state.helpdesk {
        Helpdesk::Open { until } => format!("ouverte jusqu’à {}", french::time(until.time())),
        Helpdesk::Closed { opens: Some(opens) } => format!("fermée, ouvre {}", french::moment(opens, now)),
        Helpdesk::Closed { opens: None } => "fermée".into(),
        Helpdesk::OutOfCalendar => "horaires inconnus à cette date".into(),
    }
}
