//! `vigie status`, and the texts that go to the helpdesk: what the panel shows, as text and as JSON.

use super::panel::{Panel, panel};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vigie_core::state::State;
use vigie_core::vpn::{Links, Path, Reason, Strength, VpnStatus, Witness};

/// The state for programs and for the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The VPN status.
    #[serde(rename = "verdict")]
    pub vpn: VpnStatus,
    /// Why the status is what it is.
    pub reason: Reason,
    /// When the status began, or was found.
    pub since: Timestamp,
    /// Whether it was seen to begin then.
    pub since_seen: bool,
    /// Whether the drives and the business applications are within reach; `null` if that is not known.
    #[serde(rename = "reaches_inside")]
    pub reaches_intranet: Option<bool>,
    /// The intranet hosts that were asked, and what their answers prove.
    pub witnesses: Vec<WitnessReport>,
    /// The site's id.
    pub site: Option<String>,
    /// The gateway of the site.
    pub gateway: Option<String>,
    /// The next automatic shutdown.
    pub shutdown: Option<Timestamp>,
    /// The panel's rows.
    pub panel: Panel,
}

/// An intranet host that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessReport {
    /// The host, its answer, and how long it took.
    #[serde(flatten)]
    pub witness: Witness,
    /// How much that proves; `null` if it proves nothing.
    pub strength: Option<Strength>,
    /// Whether the answer came through the tunnel; `null` if none came, or it came from this computer's own network.
    pub through_tunnel: Option<bool>,
}

/// Returns what the status says about a witness.
fn report(witness: &Witness, links: &Links, known: Option<Path>) -> WitnessReport {
    let path = witness.path(links);
    WitnessReport {
        witness: witness.clone(),
        strength: path.and_then(|path| witness.proves(path, links, known)),
        through_tunnel: path.map(|path| path == Path::Tunnel),
    }
}

/// Returns the status for a state.
pub fn status(state: &State) -> Status {
    Status {
        vpn: state.vpn.status(),
        reason: state.vpn.reason(),
        since: state.vpn.since_wall().timestamp(),
        since_seen: state.vpn.seen_since().is_some(),
        reaches_intranet: state.reaches_intranet(),
        witnesses: witnesses(state),
        site: state.site().map(|site| site.id.clone()),
        gateway: state.site().map(|site| site.gateway.clone()),
        shutdown: state.shutdown.next_shutdown(&state.now).map(|at| at.timestamp()),
        panel: panel(state),
    }
}

fn witnesses(state: &State) -> Vec<WitnessReport> {
    let evidence = state.vpn.evidence();
    let Some((witnesses, links)) = evidence.witnesses.as_ref().zip(evidence.links.as_ref()) else { return Vec::new() };
    witnesses.iter().map(|witness| report(witness, links, evidence.known_path)).collect()
}

/// Returns the status as text: one line per row, under its group's heading, with plain spaces so that it can be searched.
pub fn text(status: &Status) -> String {
    let mut text = format!("{}\n{}\n", status.panel.title, status.panel.subtitle);
    for group in &status.panel.groups {
        text.push_str(&format!("\n{}\n", group.title));
        for row in &group.rows {
            text.push_str(&format!("  {} : {}\n", row.label, row.value));
        }
    }
    text.replace('\u{a0}', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::notice;
    use crate::tray::tray;
    use vigie_core::fixture::{known, standing};
    use vigie_core::message::Action;
    use vigie_core::state::{Question, State};

    #[test]
    fn the_status_as_text() {
        let expected = format!(
            "\
VPN connecté depuis 14 h 02
Les applications métiers et les lecteurs I et U sont accessibles. Le lecteur S s’ouvre à la demande.

Réseau
  VPN : VPN connecté depuis 14 h 02 (portailotp.ac-caen.fr)
  Site : Caen (Calvados, Manche, Orne)
  Adresse IP locale : 192.168.1.10
  Adresse IP du VPN : 172.26.200.7
  Passerelle : 192.168.1.1
  Serveurs DNS : 192.168.1.1

Cet ordinateur
  Nom de l’ordinateur : PC-14-042
  Utilisateur : mdupont (ac-caen)
  Système : Windows 11 Pro 23H2
  Démarré : aujourd’hui à 0 h
  Mémoire : 4,0 Go libres sur 8,0 Go
  Disque système : 50,0 Go libres sur 200 Go
  Batterie : 80 % (sur secteur)
  Vigie : {}

Lecteurs réseau
  Lecteur I (données professionnelles) : accessible
  Lecteur S (données professionnelles) : s’ouvre à la demande
  Lecteur T (données professionnelles) : absent de cet ordinateur, à demander à AMIGO
  Lecteur U (données personnelles) : accessible

Imprimantes et logiciels
  Imprimante : I76RC-DSI04-B4 (par défaut) : Rectorat (Seine-Maritime), division DSI n° 4, bâtiment B, étage 4
  Imprimante : Bureau
  WAPT : version 2.5.4, 1 mise à jour en attente

Assistance et arrêt automatique
  AMIGO : ouverte jusqu’à 17 h
  En cas d’urgence (Services académiques et autres) : 0806 000 488 ou 0810 14 50 61
  En cas d’urgence (Lycées publics, EREA, ERPD, LPA, LPM) : 09 70 80 97 97
  Arrêt automatique : aujourd’hui à 21 h 30
",
            env!("CARGO_PKG_VERSION")
        );
        let state = standing(VpnStatus::Connected);
        assert_eq!(text(&status(&state)), expected);
        let info = crate::report::support_info(&state);
        assert!(info.starts_with(&format!("Vigie, le 24/11/2026 14:02\n{expected}\n")), "{info}");
    }

    #[test]
    fn the_status_as_json_and_back() {
        for vpn in VpnStatus::ALL {
            let status = status(&standing(vpn));
            let json = serde_json::to_string(&status).expect("a status is JSON");
            assert_eq!(serde_json::from_str::<Status>(&json).expect("its own JSON is read"), status);
            assert_eq!((status.vpn, status.reaches_intranet), (vpn, vpn.reaches_intranet()));
        }
        let json = serde_json::to_value(status(&standing(VpnStatus::OnSite))).expect("a status is JSON");
        assert_eq!((&json["verdict"], &json["reason"]), (&"on-site".into(), &"intranet-answers".into()));
        let expected = serde_json::json!({
            "kind": "smb", "host": "smb://172.26.66.73", "learned": false, "answer": "correct", "local": "192.168.1.10",
            "remote": "172.26.66.73", "milliseconds": 12, "strength": "strong", "through_tunnel": false
        });
        assert_eq!(json["witnesses"][0], expected);
        assert_eq!(json["site"], "caen");
        assert_eq!(json["gateway"], "portailotp.ac-caen.fr");
        assert_eq!(json["since"], "2026-11-24T13:02:00Z");
        assert_eq!(json["shutdown"], "2026-11-24T20:30:00Z");
    }

    #[test]
    fn before_anything_is_known_each_row_says_so() {
        let text = text(&status(&known()));
        for line in [
            "Vérification du réseau…",
            "  Adresse IP locale : en cours de lecture",
            "  Nom de l’ordinateur : en cours de lecture",
            "  Lecteur I (données professionnelles) : en cours de lecture",
            "  Imprimantes : en cours de lecture",
            "  WAPT : en cours de lecture",
        ] {
            assert!(text.lines().any(|other| other == line), "{line:?} is missing in\n{text}");
        }
        assert!(text.lines().all(|line| !line.ends_with(": ")));
    }

    /// Every text of tray, panel and notifications, in every status.
    #[test]
    fn french_spaces_and_apostrophes() {
        let check = |text: &str| {
            for sign in ["'", " :", " ;", " !", " ?", " »", " %", "« ", "  ", "..."] {
                assert!(!text.contains(sign), "{sign:?} in {text:?}");
            }
        };
        fn walk(value: &serde_json::Value, check: &impl Fn(&str)) {
            match value {
                serde_json::Value::String(text) => check(text),
                serde_json::Value::Array(values) => values.iter().for_each(|value| walk(value, check)),
                serde_json::Value::Object(values) => values.values().for_each(|value| walk(value, check)),
                serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
            }
        }
        let json = |state: &State| {
            let mut page = crate::page::page(state);
            // What users type has other signs.
            page.entries.iter_mut().for_each(|entry| entry.keywords.clear());
            // A plain text, with plain spaces.
            page.help.as_mut().expect("the page has it").preview.clear();
            let form = crate::connect::form(state);
            serde_json::to_value((tray(state), status(state), page, form)).expect("views are JSON")
        };
        for vpn in VpnStatus::ALL {
            let mut state = standing(vpn);
            for question in [None, Some(Question::ShutDown), Some(Question::Site), Some(Question::ForgetCredentials)] {
                state.question = question;
                walk(&json(&state), &check);
            }
            let words = notice(&vigie_core::message::Notification::Vpn(vpn), &state);
            for text in [words.title, words.body].into_iter().chain(words.actions.into_iter().map(|(label, _)| label)) {
                check(&text);
            }
        }
    }

    #[test]
    fn the_panel_asks_and_offers() {
        let mut state = standing(VpnStatus::Disconnected);
        let labels =
            |state: &State| -> Vec<String> { panel(state).buttons.into_iter().map(|button| button.label).collect() };
        assert_eq!(labels(&state), ["Se connecter au VPN"]);
        assert_eq!(labels(&standing(VpnStatus::Connected)), [] as [&str; 0]);
        assert_eq!(panel(&state).question, None);
        state.question = Some(Question::ShutDown);
        let asked = panel(&state).question.expect("the question is open");
        let answers: Vec<Action> = asked.answers.into_iter().map(|answer| answer.action).collect();
        assert_eq!(answers, [Action::Cancel, Action::ConfirmShutDown]);
    }
}
