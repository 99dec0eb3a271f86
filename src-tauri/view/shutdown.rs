//! The texts about the automatic shutdown (guide, section 13).

use super::cards::CardButton;
use super::french;
use super::panel::{Button, button};
use vigie_core::message::Action;
use vigie_core::shutdown::Reminder;
use vigie_core::state::State;

/// Returns when the next shutdown is ("aujourd’hui à 21 h 30") and whether this computer has planned it itself, or that
/// none is planned.
pub fn next(state: &State) -> String {
    match state.shutdown.next_shutdown(&state.now) {
        Some(at) if state.shutdown.is_planned_by_machine(&state.now) => {
            format!("{} (programmé sur cet ordinateur)", french::moment(&at, &state.now.wall))
        }
        Some(at) => french::moment(&at, &state.now.wall),
        None => "aucun arrêt prévu".into(),
    }
}

/// Whether the next shutdown is no further away than the first reminder: the panel then marks its row.
pub fn is_near(state: &State) -> bool {
    let lead = state.profile.shutdown.leads_minutes.iter().max().copied().unwrap_or_default();
    let left = state.shutdown.next_shutdown(&state.now).map(|at| state.now.wall.duration_until(&at));
    left.is_some_and(|left| left <= jiff::SignedDuration::from_mins(i64::from(lead)))
}

/// Returns the reminder's title.
pub fn title(reminder: &Reminder) -> String {
    match reminder.minutes {
        0 | 1 => "Arrêt automatique dans une minute".into(),
        minutes => format!("Arrêt automatique dans {minutes} minutes"),
    }
}

/// The title of the question whether to switch the computer off now.
pub const CONFIRM_TITLE: &str = "Éteindre l’ordinateur maintenant ?";
/// The text below [`CONFIRM_TITLE`]: what to do before confirming.
pub const CONFIRM_TEXT: &str = "Enregistrez d’abord votre travail et fermez vos documents.";
/// Returns the answers to that question. "Annuler" is where [`SHUT_DOWN`] was: a double click must not switch the computer
/// off.
pub(super) fn confirm_answers() -> [Button; 2] {
    [button("Annuler", Action::Cancel), button("Éteindre", Action::ConfirmShutDown)]
}

/// The label of the button that closes a reminder until the next one is due.
pub const REMIND_LATER: &str = "Me le rappeler plus tard";
/// The label of the button that ends the reminders until the date changes.
pub const NOT_TONIGHT: &str = "Ce soir, ne plus me le rappeler";
/// The label of the button that closes the last reminder.
pub const UNDERSTOOD: &str = "J’ai compris";
/// The label of the button that takes [`NOT_TONIGHT`] back.
pub const REMIND_AGAIN: &str = "Me le rappeler de nouveau";
/// The label of the button that asks whether to switch the computer off now.
pub const SHUT_DOWN: &str = "Éteindre maintenant";

/// Returns the button that silences the reminders of today, or takes that back; none when no more would come. The note
/// says that the computer is switched off all the same.
pub(super) fn reminders(state: &State) -> Option<CardButton> {
    let silenced = state.shutdown.is_silenced(&state.now).then(|| button(REMIND_AGAIN, Action::RemindAgain));
    let reminds = state.shutdown.reminds_tonight(&state.now).then(|| button(NOT_TONIGHT, Action::NotTonight));
    let button = reminds.or(silenced)?;
    Some(CardButton { button, note: "L’ordinateur s’éteint quand même".into() })
}

/// Returns the answers to a reminder. The last one has none to silence; a later shutdown of the day still has its own.
pub(super) fn answers(reminder: &Reminder) -> Vec<Button> {
    let mut answers = vec![button(SHUT_DOWN, Action::ShutDown)];
    if reminder.last {
        answers.push(button(UNDERSTOOD, Action::RemindLater));
    } else {
        answers.extend([button(REMIND_LATER, Action::RemindLater), button(NOT_TONIGHT, Action::NotTonight)]);
    }
    answers
}

/// Returns what to do before the shutdown, and whether another reminder will come.
pub fn advice(reminder: &Reminder) -> String {
    let last = if reminder.last { " C’est le dernier rappel." } else { "" };
    format!("Enregistrez votre travail et fermez vos documents.{last}")
}

/// Returns the reminder's text: what happens, and what to do.
pub fn body(reminder: &Reminder) -> String {
    let at = french::time(reminder.at.time());
    format!("Cet ordinateur s’éteindra à {at}. {}", advice(reminder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_core::fixture::{at, known, now};
    use vigie_core::message::Event;
    use vigie_core::update::update;

    #[test]
    fn who_has_read_the_last_reminder_silences_no_other() {
        let reminder = |last| Reminder { at: at("2026-11-24T21:30"), minutes: 5, last };
        let actions = |last| answers(&reminder(last)).into_iter().map(|answer| answer.action).collect::<Vec<_>>();
        assert_eq!(actions(true), [Action::ShutDown, Action::RemindLater]);
        assert_eq!(actions(false), [Action::ShutDown, Action::RemindLater, Action::NotTonight]);
    }

    #[test]
    fn a_time_that_the_machine_has_planned_is_named_as_such() {
        let mut state = known();
        assert_eq!(next(&state), "aujourd’hui à 21\u{a0}h\u{a0}30");
        let plan = Event::MachineShutdown(Some(at("2026-11-24T20:00").timestamp()));
        update(&mut state, plan, now("2026-11-24T14:03"));
        assert_eq!(next(&state), "aujourd’hui à 20\u{a0}h (programmé sur cet ordinateur)");
    }
}
