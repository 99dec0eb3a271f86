//! Questions to the user, shown in a notification and in the panel, and what to do if the notification is not seen.

use super::message::{Category, Effect, Notification};
use super::shutdown::Reminder;
use super::state::{Question, State};
use std::time::Duration;
use vigie_profile::{Choice, Id};

/// How long a confirmation of the shutdown is not accepted after the question: a double click must not answer it.
const TIME_TO_READ: Duration = Duration::from_secs(1);

/// Handles the site that Cisco's files name. Asks for the site, once, if none is known. At the first start a card asks.
pub(super) fn on_site_found(state: &mut State, site: Option<Id>, effects: &mut Vec<Effect>) {
    state.found_site = site;
    if state.site().is_none() && !state.saved.asked_site {
        state.question = Some(Question::Site);
        if state.welcome.is_none() {
            ask_site(state, effects);
        }
    }
}

/// Asks for the site in the panel, and in a notification if the panel is closed.
pub(super) fn ask_site(state: &mut State, effects: &mut Vec<Effect>) {
    state.saved.asked_site = true;
    effects.push(Effect::SaveState(state.saved.clone()));
    if !state.panel_open {
        effects.push(notify_or_show(state, Notification::AskSite));
    }
}

/// Asks by a notification, or by the panel if no server shows notifications. Never by both: a server that comes in a
/// moment would ask again.
fn notify_or_show(state: &State, notification: Notification) -> Effect {
    if state.notifications { Effect::Notify(notification) } else { Effect::ShowPanel }
}

/// Closes the question for the site once it is known.
pub(super) fn close_if_site_is_known(state: &mut State, effects: &mut Vec<Effect>) {
    if state.site().is_some() {
        close_site(state, effects);
    }
}

/// Handles a choice of the user: a site answers the question.
pub(super) fn on_choice(state: &mut State, choice: &Choice, effects: &mut Vec<Effect>) {
    if matches!(choice, Choice::Site(_)) {
        if let Some(welcome) = &mut state.welcome {
            welcome.site_chosen = true;
        }
        close_site(state, effects);
    }
}

/// Withdraws the question for the site, if it is shown.
fn close_site(state: &mut State, effects: &mut Vec<Effect>) {
    if state.question.take_if(|question| *question == Question::Site).is_some() {
        effects.push(Effect::Withdraw(Category::Program));
    }
}

/// Asks for confirmation before the computer is switched off.
pub(super) fn ask_shutdown(state: &mut State, effects: &mut Vec<Effect>) {
    state.question = Some(Question::ShutDown);
    state.shutdown_asked = state.now.uptime;
    state.unanswered_until = None;
    effects.push(notify_or_show(state, Notification::ConfirmShutdown));
}

/// Switches the computer off if the user was asked, and had the time to read the question.
pub(super) fn on_shutdown_confirmed(state: &mut State, effects: &mut Vec<Effect>) {
    if state.question == Some(Question::ShutDown) && state.now.uptime < state.shutdown_asked + TIME_TO_READ {
        // A notification goes when it is clicked; the question is still open.
        effects.push(notify_or_show(state, Notification::ConfirmShutdown));
        return;
    }
    if state.question.take_if(|question| *question == Question::ShutDown).is_some() {
        effects.extend([Effect::Withdraw(Category::Shutdown), Effect::PowerOff]);
    }
}

/// Asks for confirmation before what the keyring holds is deleted. The window for connecting, if it is open, asks itself.
pub(super) fn ask_forget(state: &mut State, effects: &mut Vec<Effect>) {
    state.question = Some(Question::ForgetCredentials);
    if !state.connect.open {
        effects.push(notify_or_show(state, Notification::ConfirmForget));
    }
}

/// Deletes what the keyring holds if the user was asked.
pub(super) fn on_forget_confirmed(state: &mut State, effects: &mut Vec<Effect>) {
    if state.question == Some(Question::ForgetCredentials) {
        drop_forget(state);
        effects.extend([Effect::Withdraw(Category::Answer), Effect::ForgetCredentials]);
    }
}

/// Closes the question whether to delete what the keyring holds, if it is open.
pub(super) fn drop_forget(state: &mut State) {
    state.question.take_if(|question| *question == Question::ForgetCredentials);
}

/// Closes the question without doing anything.
pub(super) fn on_cancel(state: &mut State, effects: &mut Vec<Effect>) {
    state.unanswered_until = None;
    effects.push(Effect::Withdraw(match state.question.take() {
        Some(Question::Site) => Category::Program,
        Some(Question::ForgetCredentials) => Category::Answer,
        Some(Question::ShutDown) | None => Category::Shutdown,
    }));
}

/// Handles the coming or going of the notification server: what nobody can have seen is shown in the panel.
pub(super) fn on_notification_server(state: &mut State, available: bool, effects: &mut Vec<Effect>) {
    state.notifications = available;
    let unseen = match (&state.question, &state.reminded) {
        (Some(Question::Site), _) => Category::Program,
        (Some(Question::ForgetCredentials), _) => Category::Answer,
        (Some(Question::ShutDown), _) | (None, Some(Reminder { last: true, .. })) => Category::Shutdown,
        (None, Some(_) | None) => return,
    };
    if !available {
        // It would be shown a second time by a server that comes in a moment.
        effects.push(Effect::Withdraw(unseen));
        state.unanswered_until.take_if(|_| unseen == Category::Shutdown);
        if !state.panel_open {
            effects.push(Effect::ShowPanel);
        }
    }
}

/// Handles a notification that could not be shown in time: the panel replaces it.
pub(super) fn on_notification_failed(state: &mut State, category: Category, effects: &mut Vec<Effect>) {
    let question = state.question.as_ref();
    let last = state.reminded.as_ref().map(|reminder| reminder.last);
    let unseen = match category {
        Category::Shutdown => last.is_some() || question == Some(&Question::ShutDown),
        Category::Program => question == Some(&Question::Site),
        Category::Answer => question == Some(&Question::ForgetCredentials),
        Category::Vpn => false,
    };
    // Without a server the panel has already shown the question and the last reminder.
    let shown = !state.notifications && (question.is_some() || last == Some(true));
    if unseen && !shown && !state.panel_open {
        effects.push(Effect::ShowPanel);
    }
}

/// Handles a notification that ended with its server: shows it again if it is still true.
pub(super) fn on_notification_lost(state: &State, category: Category, effects: &mut Vec<Effect>) {
    if category != Category::Shutdown {
        return;
    }
    if state.question == Some(Question::ShutDown) {
        effects.push(Effect::Notify(Notification::ConfirmShutdown));
    } else if let Some(reminder) = &state.reminded {
        effects.push(Effect::Notify(Notification::Shutdown(reminder.as_of(&state.now))));
    }
}
