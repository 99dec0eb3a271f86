//! What needs the user's attention, each with what can be done about it.

use super::cards::CardButton;
use super::panel::{Panel, Severity, button};
use super::shutdown;
use serde::{Deserialize, Serialize};
use vigie_core::message::Action;
use vigie_core::state::State;
use vigie_profile::RowKind;

/// A fact that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct AttentionItem {
    /// The id of the row that has it.
    pub row: String,
    /// What it is.
    pub label: String,
    /// What is wrong.
    pub text: String,
    /// What can be done here.
    pub remedy: Option<CardButton>,
}

/// Returns the warnings among the panel's rows. The status itself has its own place, and so have
/// what only follows from it and the problem that the banner names.
pub fn attention(state: &State, panel: &Panel) -> Vec<AttentionItem> {
    let rows = panel.groups.iter().flat_map(|group| &group.rows);
    let follows = |fact| matches!(fact, Some(RowKind::Vpn | RowKind::Drives));
    let warnings = rows.filter(|row| row.mark == Severity::Warning && !follows(row.fact));
    let in_banner = super::config::in_banner(state).map(|index| format!("problem-{index}"));
    let warnings = warnings.filter(|row| in_banner.as_ref() != Some(&row.id));
    let items = warnings.map(|row| AttentionItem {
        row: row.id.clone(),
        label: row.label.clone(),
        text: row.value.clone(),
        remedy: remedy(state, row.fact),
    });
    items.collect()
}

/// Returns what can be done about a fact here.
fn remedy(state: &State, fact: Option<RowKind>) -> Option<CardButton> {
    if fact == Some(RowKind::Site) {
        return Some(button("Choisir mon site", Action::ShowSettings).into());
    }
    shutdown::reminders(state).filter(|_| fact == Some(RowKind::Shutdown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::page;
    use vigie_core::fixture::{now, standing};
    use vigie_core::message::Action;
    use vigie_core::message::Event;
    use vigie_core::update::update;
    use vigie_core::vpn::VpnStatus;

    fn rows(state: &State) -> Vec<(String, Option<Action>)> {
        let page = page(state);
        let items: Vec<_> = page.attention.clone();
        assert!(items.iter().flat_map(|item| &item.remedy).all(|offered| page.offers(&offered.button.action)));
        items.into_iter().map(|item| (item.row, item.remedy.map(|offered| offered.button.action))).collect()
    }

    #[test]
    fn only_what_the_status_does_not_say_is_listed() {
        let mut state = standing(VpnStatus::Connected);
        for status in VpnStatus::ALL {
            assert_eq!(rows(&standing(status)), [], "{status:?}: the drives follow from it");
        }
        update(&mut state, Event::Tick, now("2026-11-24T21:20"));
        assert!(rows(&state).contains(&("shutdown".to_owned(), Some(Action::NotTonight))), "{:?}", rows(&state));
        let mut profile = (*state.profile).clone();
        profile.user.site = None;
        state.profile = profile.into();
        assert!(rows(&state).contains(&("site".to_owned(), Some(Action::ShowSettings))), "{:?}", rows(&state));
    }
}
