//! The texts about the helpdesk's hours.

use super::french;
use vigie_core::helpdesk::Helpdesk;
use vigie_core::state::State;

/// Returns the menu's entry.
pub fn line(state: &State) -> String {
    format!("Assistance AMIGO ({})", hours(state))
}

/// "ouverte jusqu’à 17 h", "fermée, ouvre demain à 8 h".
pub fn hours(state: &State) -> String {
    let now = &state.now.wall;
    match &state.helpdesk {
        Helpdesk::Open { until } => format!("ouverte jusqu’à {}", french::time(until.time())),
        Helpdesk::Closed { opens: Some(opens) } => format!("fermée, ouvre {}", french::moment(opens, now)),
        Helpdesk::Closed { opens: None } => "fermée".into(),
        Helpdesk::OutOfCalendar => "horaires inconnus : hors calendrier".into(),
    }
}
