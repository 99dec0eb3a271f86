//! The automatic shutdown in words (guide, section 13).

use super::french;
use vigie_core::shutdown::Reminder;
use vigie_core::state::State;

/// "aujourd’hui à 21 h 30", or that none is planned.
pub fn next(state: &State) -> String {
    match state.shutdown.next_shutdown(&state.now) {
        Some(at) => french::moment(&at, &state.now.wall),
        None => "aucun arrêt prévu".into(),
    }
}

/// Whether the user should be reminded of it now.
pub fn is_near(state: &State) -> bool {
    let lead = state.profile.shutdown.leads_minutes.iter().max().copied().unwrap_or_default();
    let left = state.shutdown.next_shutdown(&state.now).map(|at| state.now.wall.duration_until(&at));
    left.is_some_and(|left| left <= jiff::SignedDuration::from_mins(i64::from(lead)))
}

/// The reminder's title.
pub fn title(reminder: &Reminder) -> String {
    match reminder.minutes {
        0 | 1 => "Arrêt automatique dans une minute".into(),
        minutes => format!("Arrêt automatique dans {minutes} minutes"),
    }
}

/// The reminder's text: what happens, and what to do.
pub fn body(reminder: &Reminder) -> String {
    let at = french::time(reminder.at.time());
    format!("Cet ordinateur s’éteindra à {at}. Enregistrez votre travail et fermez vos documents.")
}
