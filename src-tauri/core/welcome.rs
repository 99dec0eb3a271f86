//! The first start: three cards in the panel, once for each user.

use super::message::Effect;
use super::question;
use super::state::{Question, State};
use serde::{Deserialize, Serialize};

/// The cards of the first start, while they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WelcomeState {
    /// The one that is shown.
    pub card: WelcomeCard,
    /// Whether the user has chosen a site there.
    pub site_chosen: bool,
}

/// A card of the first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum WelcomeCard {
    /// What Vigie is.
    Vigie,
    /// Which site.
    Site,
    /// Where the icon is.
    Icon,
}

impl WelcomeCard {
    /// Every card, in order.
    pub const ALL: [WelcomeCard; 3] = [WelcomeCard::Vigie, WelcomeCard::Site, WelcomeCard::Icon];
}

/// Opens the panel with the first card if this user has never seen it.
pub(super) fn begin(state: &mut State, effects: &mut Vec<Effect>) {
    if !state.saved.welcomed {
        state.welcome = Some(WelcomeState { card: WelcomeCard::Vigie, site_chosen: false });
        effects.push(Effect::ShowPanel);
    }
}

/// Handles that the cards are on the screen: they are not shown at the next start.
pub(super) fn on_shown(state: &mut State, effects: &mut Vec<Effect>) {
    if state.welcome.is_some() && !state.saved.welcomed {
        state.saved.welcomed = true;
        effects.push(Effect::SaveState(state.saved.clone()));
    }
}

/// Shows a card.
pub(super) fn on_card(state: &mut State, card: WelcomeCard, effects: &mut Vec<Effect>) {
    let Some(welcome) = &mut state.welcome else { return };
    welcome.card = card;
    if card == WelcomeCard::Site && state.site().is_none() && !state.saved.asked_site {
        state.saved.asked_site = true;
        effects.push(Effect::SaveState(state.saved.clone()));
    }
}

/// Ends the first start, on whatever card. The question for the site is asked elsewhere if its card was not shown.
pub(super) fn end(state: &mut State, effects: &mut Vec<Effect>) {
    if state.welcome.take().is_none() || state.question != Some(Question::Site) {
        return;
    }
    if state.saved.asked_site {
        state.question = None;
    } else {
        question::ask_site(state, effects);
    }
}

/// Ends the first start without a window to show it.
pub(super) fn on_window_failed(state: &mut State, effects: &mut Vec<Effect>) {
    on_shown(state, effects);
    end(state, effects);
}
