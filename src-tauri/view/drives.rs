//! The texts about the network drives.

use super::panel::{Button, Severity, button};
use super::{french, helpdesk};
use vigie_core::message::{Action, DriveMount, HelpTopic, Reading};
use vigie_core::state::State;
use vigie_core::vpn::VpnStatus;
use vigie_profile::{Drive, DriveUse};

/// "Lecteur U".
pub fn name(drive: &Drive) -> String {
    format!("Lecteur\u{a0}{}", drive.letter)
}

/// Returns the names of several drives, "lecteur U", "lecteurs I et U".
pub fn names<'a>(drives: impl IntoIterator<Item = &'a Drive>) -> String {
    let letters: Vec<String> = drives.into_iter().map(|drive| drive.letter.to_string()).collect();
    let plural = if letters.len() > 1 { "s" } else { "" };
    format!("lecteur{plural}\u{a0}{}", french::list(&letters))
}

/// "données personnelles", "données professionnelles" (guide, "Particularités communes").
pub fn purpose(holds: DriveUse) -> &'static str {
    match holds {
        DriveUse::Personal => "données personnelles",
        DriveUse::Professional => "données professionnelles",
    }
}

/// "Ouvrir le lecteur U".
pub fn open_label(letter: char) -> String {
    format!("Ouvrir le lecteur\u{a0}{letter}")
}

/// Returns the one thing to do with a drive, in every view: open it, or ask the helpdesk for it. `None`
/// while it cannot be done.
pub fn action(state: &State, drive: &Drive) -> Option<Button> {
    // One that is absent may be connected when the intranet comes within reach.
    if out_of_reach(state).is_some() {
        return None;
    }
    Some(match state.drive(drive.letter)? {
        // One that is remembered is connected by opening it.
        DriveMount::Connected(_) | DriveMount::Disconnected(_) => {
            button(open_label(drive.letter), Action::OpenDrive(drive.letter))
        }
        DriveMount::Absent => {
            let ask = format!("Demander le {} à AMIGO", names([drive]));
            button(ask, Action::AskHelpdesk(Some(HelpTopic::Drives)))
        }
    })
}

/// Returns the menu's entry: what to do with the drive, or why nothing can be done.
pub fn entry(state: &State, drive: &Drive) -> (String, Option<Action>) {
    let purpose = purpose(drive.holds);
    match action(state, drive) {
        Some(Button { label, action }) => (format!("{label} : {purpose}"), Some(action)),
        None => (format!("{} : {purpose} ({})", name(drive), value(state, drive).0), None),
    }
}

/// The value of a drive that the system remembers and has not connected yet.
const ON_DEMAND: &str = "s’ouvre à la demande";

/// Returns the panel's value for a drive, and how serious it is.
pub fn value(state: &State, drive: &Drive) -> (&'static str, Severity) {
    match (out_of_reach(state), state.drive(drive.letter)) {
        (Some(reason), Some(DriveMount::Connected(_) | DriveMount::Disconnected(_))) => (reason, Severity::Warning),
        (Some(reason), Some(DriveMount::Absent) | None) => (reason, Severity::Unavailable),
        (None, Some(DriveMount::Connected(_))) => ("accessible", Severity::Normal),
        // Windows connects a remembered drive when it is opened: no fault.
        (None, Some(DriveMount::Disconnected(_))) => (ON_DEMAND, Severity::Normal),
        (None, Some(DriveMount::Absent)) => ("absent de cet ordinateur, à demander à AMIGO", Severity::Unavailable),
        (None, None) => match state.drives {
            // A drive that the profile has just named is not in the last reading.
            Reading::Pending | Reading::Known(_) => ("en cours de lecture", Severity::Unavailable),
            Reading::Unavailable(_) => ("le système n’indique pas ses lecteurs", Severity::Unavailable),
        },
    }
}

/// Returns why no drive can be opened now.
pub fn out_of_reach(state: &State) -> Option<&'static str> {
    match state.vpn.status() {
        VpnStatus::Offline => Some("hors d’atteinte : pas de réseau"),
        VpnStatus::Captive => Some("hors d’atteinte : connexion limitée"),
        VpnStatus::Disconnected => Some("hors d’atteinte : VPN déconnecté"),
        VpnStatus::Connecting => Some("connexion en cours"),
        VpnStatus::Stalled => Some("hors d’atteinte : le VPN ne répond plus"),
        VpnStatus::Unknown | VpnStatus::Connected | VpnStatus::OnSite => None,
    }
}

/// Returns the drives of the profile that are mounted so.
fn mounted(state: &State, is: fn(&DriveMount) -> bool) -> Vec<&Drive> {
    let drives = state.profile.drives.iter();
    drives.filter(|drive| state.drive(drive.letter).is_some_and(is)).collect()
}

/// Returns the sentence about the drives that the computer does not have, if there are any.
pub fn absent(state: &State) -> Option<String> {
    let absent = mounted(state, |mount| *mount == DriveMount::Absent);
    let ask = helpdesk::ASK;
    let one = format!("est absent de cet ordinateur : s’il vous le faut, cliquez sur « {ask} »");
    let several = format!("sont absents de cet ordinateur : s’il vous en faut un, cliquez sur « {ask} »");
    sentence(&absent, &one, &several)
}

/// Returns the sentence about the drives that are connected when they are opened, if there are any.
pub fn on_demand(state: &State) -> Option<String> {
    let detached = mounted(state, |mount| matches!(mount, DriveMount::Disconnected(_)));
    sentence(&detached, "s’ouvre à la demande", "s’ouvrent à la demande")
}

/// Returns the sentence about the drives that are connected, if there are any.
pub fn connected(state: &State) -> Option<String> {
    let connected = mounted(state, |mount| matches!(mount, DriveMount::Connected(_)));
    sentence(&connected, "est accessible", "sont accessibles")
}

/// Returns a sentence about drives, with what is said of one or of several.
fn sentence(drives: &[&Drive], one: &str, several: &str) -> Option<String> {
    let names = names(drives.iter().copied());
    match drives {
        [] => None,
        [_] => Some(format!("Le {names} {one}.")),
        _ => Some(format!("Les {names} {several}.")),
    }
}

/// Returns the sentence about what is within reach, for a status in which the intranet is, and one about the drives that are
/// connected when they are opened. A drive that the computer does not have is not mentioned: not everybody has each.
pub fn within_reach(state: &State) -> String {
    let drives = &state.profile.drives;
    let connected = mounted(state, |mount| matches!(mount, DriveMount::Connected(_)));
    let reachable = match connected.as_slice() {
        [] => "Les applications métiers sont accessibles.".to_owned(),
        all if all.len() == drives.len() => {
            "Les lecteurs réseau et les applications métiers sont accessibles.".to_owned()
        }
        [one] => format!("Les applications métiers et le {} sont accessibles.", names([*one])),
        some => format!("Les applications métiers et les {} sont accessibles.", names(some.iter().copied())),
    };
    match on_demand(state) {
        Some(on_demand) => format!("{reachable} {on_demand}"),
        None => reachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cards, notice, panel, status, tray};
    use vigie_core::fixture::{now, standing};
    use vigie_core::message::{DriveState, Event, Notification};
    use vigie_core::update::update;

    fn with_drives(status: VpnStatus, mounts: &[(char, &str)]) -> State {
        let drives = mounts.iter().map(|(letter, mount)| DriveState {
            letter: *letter,
            mount: match *mount {
                "connected" => DriveMount::Connected("/mnt".into()),
                "disconnected" => DriveMount::Disconnected("/mnt".into()),
                _ => DriveMount::Absent,
            },
        });
        let mut state = standing(status);
        update(&mut state, Event::Drives(Reading::Known(drives.collect())), now("2026-11-24T14:03"));
        state
    }

    #[test]
    fn every_view_says_which_drives_are_within_reach() {
        let rows = [
            (["connected"; 4], "Les lecteurs réseau et les applications métiers sont accessibles."),
            (["absent"; 4], "Les applications métiers sont accessibles."),
            (
                ["disconnected"; 4],
                "Les applications métiers sont accessibles. Les lecteurs I, S, T et U s’ouvrent à la demande.",
            ),
            (["connected", "absent", "absent", "absent"], "Les applications métiers et le lecteur I sont accessibles."),
            (
                ["connected", "disconnected", "absent", "connected"],
                "Les applications métiers et les lecteurs I et U sont accessibles. Le lecteur S s’ouvre à la demande.",
            ),
        ];
        for status in [VpnStatus::Connected, VpnStatus::OnSite] {
            for (mounts, text) in rows {
                let mounts: Vec<(char, &str)> = "ISTU".chars().zip(mounts).collect();
                let state = with_drives(status, &mounts);
                let shown = [
                    panel::panel(&state).subtitle,
                    tray::tray(&state).detail,
                    notice::notice(&Notification::Vpn(status), &state).body,
                    status::text(&status::status(&state)).lines().nth(1).unwrap_or_default().to_owned(),
                ];
                for shown in shown {
                    assert_eq!(shown.replace('\u{a0}', " "), text);
                }
            }
        }
    }

    #[test]
    fn what_is_not_read_is_not_claimed() {
        let mut state = standing(VpnStatus::Connected);
        for drives in [Reading::Pending, Reading::Unavailable("for the log".into())] {
            update(&mut state, Event::Drives(drives), now("2026-11-24T14:03"));
            assert_eq!(within_reach(&state), "Les applications métiers sont accessibles.");
        }
    }

    #[test]
    fn card_panel_and_menu_agree_on_what_to_do_with_a_drive() {
        for status in VpnStatus::ALL {
            let state = standing(status);
            let card = cards::cards(&state).into_iter().find(|card| card.id == "lecteurs").expect("the guide has it");
            let menu = tray::tray(&state).menu.into_iter().find_map(|entry| {
                let tray::Entry::Submenu { label, entries } = entry else { return None };
                (label == "Lecteurs réseau").then_some(entries)
            });
            for (drive, entry) in state.profile.drives.iter().zip(menu.expect("the menu has it")) {
                let tray::Entry::Item { label, action } = entry else { panic!("{entry:?}") };
                let on_card = card.buttons.iter().find(|button| button.button.label.contains(&names([drive])));
                let on_card = on_card.map(|button| &button.button);
                assert_eq!(on_card.map(|button| &button.action), action.as_ref(), "{status:?}");
                assert!(on_card.is_none_or(|button| label.starts_with(&button.label)), "{label}");
                let value = value(&state, drive).0;
                let verb = on_card.map(|button| button.label.split(' ').next().unwrap_or_default().to_lowercase());
                match verb.as_deref() {
                    Some("ouvrir") => assert!(["accessible", ON_DEMAND].contains(&value), "{value}"),
                    Some(verb) => assert!(value.contains(&format!("à {verb}")), "{value}: {verb}"),
                    None => assert!(out_of_reach(&state).is_some(), "{status:?}: {drive:?}"),
                }
            }
        }
    }
}
