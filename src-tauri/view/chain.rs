//! "Pourquoi ça ne marche pas ?": the chain from the computer to the drives in words.

use super::panel::{self, Button, button};
use super::{connect, drives, french, helpdesk, vpn};
use serde::{Deserialize, Serialize};
use vigie_core::chain::{ChainLink, ChainStage, LinkCause, LinkHealth, chain, first_broken, remedy};
use vigie_core::message::{Action, SystemSettings};
use vigie_core::state::State;
use vigie_core::vpn::Reason;

/// The question that the chain answers.
pub(super) const TITLE: &str = "Pourquoi ça ne marche pas ?";
/// What a click on that question does.
pub(super) const PURPOSE: &str = "Vérifie chaque étape, de l’ordinateur aux lecteurs, et montre la première à voir";

/// The button that opens the system's settings of date and time.
pub(super) const DATE_SETTINGS: &str = "Régler la date et l’heure";
/// The button that opens the system's settings of the printers.
pub(super) const PRINTER_SETTINGS: &str = "Ouvrir les réglages des imprimantes";

/// The chain, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Diagnosis {
    /// The question that it answers.
    pub title: String,
    /// Whether something is not as it should be, so that the panel offers it.
    pub offered: bool,
    /// What is wrong first, or that nothing is known to be.
    pub summary: String,
    /// The links, in order.
    pub links: Vec<DiagnosisLink>,
}

/// A link of the chain in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct DiagnosisLink {
    /// A stable name.
    pub stage: String,
    /// What it is.
    pub label: String,
    /// Whether it works.
    pub health: LinkHealth,
    /// The same in a word.
    pub verdict: String,
    /// What is known.
    pub sentence: String,
    /// What mends it, or shows more: every button that the sentence names, and what else helps.
    pub buttons: Vec<Button>,
}

impl Diagnosis {
    /// Whether it offers that action.
    pub fn offers(&self, action: &Action) -> bool {
        *action == Action::Diagnose
            || self.links.iter().flat_map(|link| &link.buttons).any(|button| button.action == *action)
    }
}

/// Returns the chain of a state in words.
pub fn diagnosis(state: &State) -> Diagnosis {
    let chain = chain(state);
    let broken = first_broken(&chain);
    let summary = match broken {
        Some(link) => format!("Le premier point à voir : {}. {}", label(link.stage), sentence(state, link)),
        None if state.reaches_intranet() == Some(true) => "Aucune panne n’est visible.".into(),
        None => format!("Aucune panne n’est certaine. {}", vpn::detail(state)),
    };
    let summary = if state.checking { "Vérification en cours…".to_owned() } else { summary };
    // Without a time, a second look that finds the same seems to do nothing.
    let summary = match state.vpn.probed_wall() {
        Some(at) if !state.checking => format!("{summary} Vérifié à {}.", french::time(at.time())),
        Some(_) | None => summary,
    };
    let is_checking = matches!(state.vpn.reason(), Reason::Checking | Reason::Connecting);
    Diagnosis {
        title: french::typeset(TITLE),
        offered: broken.is_some() || (state.reaches_intranet().is_none() && !is_checking),
        summary: french::typeset(summary),
        links: chain
            .iter()
            .map(|link| {
                let sentence = sentence(state, link);
                DiagnosisLink {
                    stage: id(link.stage).into(),
                    label: label(link.stage).into(),
                    health: link.health,
                    verdict: verdict(link.health).into(),
                    buttons: buttons(state, link, &sentence),
                    sentence: french::typeset(sentence),
                }
            })
            .collect(),
    }
}

/// Returns the chain as text: a line per link.
pub fn text(diagnosis: &Diagnosis) -> String {
    let line = |link: &DiagnosisLink| format!("  {} : {} – {}\n", link.label, link.verdict, link.sentence);
    let links: String = diagnosis.links.iter().map(line).collect();
    format!("De l’ordinateur aux lecteurs\n{links}").replace('\u{a0}', " ")
}

/// The stage's name for programs.
pub fn id(stage: ChainStage) -> &'static str {
    match stage {
        ChainStage::Computer => "computer",
        ChainStage::LocalNetwork => "local-network",
        ChainStage::Internet => "internet",
        ChainStage::Gateway => "gateway",
        ChainStage::Tunnel => "tunnel",
        ChainStage::Intranet => "intranet",
        ChainStage::Drives => "drives",
        ChainStage::Printers => "printers",
    }
}

fn label(stage: ChainStage) -> &'static str {
    match stage {
        ChainStage::Computer => "Cet ordinateur",
        ChainStage::LocalNetwork => "Box ou réseau local",
        ChainStage::Internet => "Internet",
        ChainStage::Gateway => "Serveur VPN",
        ChainStage::Tunnel => "Tunnel VPN",
        ChainStage::Intranet => "Réseau de l’académie",
        ChainStage::Drives => "Lecteurs réseau",
        ChainStage::Printers => "Imprimante",
    }
}

fn verdict(health: LinkHealth) -> &'static str {
    match health {
        LinkHealth::Good => "OK",
        LinkHealth::Broken => "à voir",
        LinkHealth::Unknown => "à confirmer",
    }
}

fn sentence(state: &State, link: &ChainLink) -> String {
    let text = match (link.cause, link.stage) {
        (LinkCause::Works, ChainStage::Computer) => "Il est relié à un réseau.",
        (LinkCause::Works, ChainStage::LocalNetwork) => "Le réseau où vous êtes laisse passer la connexion.",
        (LinkCause::Works, ChainStage::Internet) => "La connexion va jusqu’au serveur VPN.",
        (LinkCause::Works, ChainStage::Gateway) => "Il répond.",
        (LinkCause::Works, ChainStage::Tunnel) => "Il est ouvert et transmet des données.",
        (LinkCause::Works, ChainStage::Intranet) => "Il répond.",
        (LinkCause::Works, ChainStage::Drives) => return connected_drives(state),
        (LinkCause::Works, ChainStage::Printers) => "Le serveur d’impression répond.",
        (LinkCause::Status(_), _) => return vpn::detail(state),
        (LinkCause::Unproven, ChainStage::Internet) => "Rien ne le prouve : seul le serveur VPN est interrogé.",
        (LinkCause::Unproven, ChainStage::Intranet) if state.reaches_intranet() == Some(true) => {
            "Des données en viennent, mais les serveurs interrogés ne répondent pas."
        }
        (LinkCause::Unproven, _) => "Rien ne prouve encore que ce point fonctionne.",
        (LinkCause::Unreached, _) => "Ne peut pas être vérifié tant qu’un point précédent reste à voir.",
        (LinkCause::NotNeeded, ChainStage::Internet) => {
            "Pas nécessaire : vous êtes sur site. Vigie ne teste pas les sites web : si l’un d’eux ne s’ouvre pas, cliquez sur \
             « Demander à AMIGO »."
        }
        (LinkCause::NotNeeded, _) => "Pas nécessaire : vous êtes sur site.",
        (LinkCause::Connecting, _) => "La connexion est en cours.",
        (LinkCause::Reading, _) => "La vérification est en cours.",
        (LinkCause::Unreadable, _) => "Le système n’indique pas ses lecteurs.",
        (LinkCause::DriveDetached(letter), _) => {
            let on_demand = drives::on_demand(state);
            return on_demand.unwrap_or_else(|| format!("Le lecteur {letter} s’ouvre à la demande."));
        }
        (LinkCause::NoDrive, _) => "Cet ordinateur ne connaît aucun des lecteurs réseau.",
        (LinkCause::NoPrinter, _) => "Aucune imprimante n’est installée sur cet ordinateur.",
        (LinkCause::PrintServiceSilent, _) => "Le service d’impression de cet ordinateur ne répond pas.",
        (LinkCause::PrintServerSilent, _) => "Le serveur d’impression ne répond pas.",
    };
    text.into()
}

fn connected_drives(state: &State) -> String {
    let sentences = [drives::connected(state), drives::on_demand(state), drives::absent(state)];
    sentences.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Returns the buttons that the sentence names, in its order, and what mends the link if that is another.
fn buttons(state: &State, link: &ChainLink, sentence: &str) -> Vec<Button> {
    let named = [
        (panel::RECONNECT, Action::Connect),
        (vpn::OPEN_PORTAL, Action::OpenPortal),
        (panel::CHECK_NOW, Action::Diagnose),
        (helpdesk::ASK, Action::AskHelpdesk(Some(link.stage.help_topic()))),
    ];
    let named = named.into_iter().filter(|(label, _)| vpn::names_button(sentence, label));
    let mut buttons: Vec<Button> = named.map(|(label, action)| button(label, action)).collect();
    if let Some(action) = remedy(state, link).filter(|action| buttons.iter().all(|known| known.action != *action)) {
        buttons.push(button(remedy_label(state, &action), action));
    }
    buttons
}

fn remedy_label(state: &State, action: &Action) -> String {
    if let Action::OpenDrive(letter) = action {
        return drives::open_label(*letter);
    }
    if *action == Action::OpenClient {
        return connect::open_client(state).label;
    }
    let labels = [
        (Action::Connect, panel::CONNECT),
        (Action::Disconnect, panel::DISCONNECT),
        (Action::OpenSettings(SystemSettings::DateTime), DATE_SETTINGS),
        (Action::OpenSettings(SystemSettings::Network), "Ouvrir les réglages du réseau"),
        (Action::OpenSettings(SystemSettings::Printers), PRINTER_SETTINGS),
        (Action::OpenPortal, vpn::OPEN_PORTAL),
        (Action::Diagnose, panel::CHECK_NOW),
    ];
    let label = labels.into_iter().find(|(known, _)| known == action).map(|(_, label)| label);
    label.unwrap_or(helpdesk::ASK).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_core::fixture::{HOME, correct, home, known, now, probe, silent, standing};
    use vigie_core::message::{Effect, Event, HelpTopic, SensorRequest};
    use vigie_core::update::update;
    use vigie_core::vpn::{Gateway, VpnStatus, Witness};

    fn lines(status: VpnStatus) -> Vec<String> {
        text(&diagnosis(&standing(status))).lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_chain_reads_from_the_computer_to_the_printer() {
        assert_eq!(
            lines(VpnStatus::Disconnected),
            [
                "De l’ordinateur aux lecteurs",
                "  Cet ordinateur : OK – Il est relié à un réseau.",
                "  Box ou réseau local : OK – Le réseau où vous êtes laisse passer la connexion.",
                "  Internet : OK – La connexion va jusqu’au serveur VPN.",
                "  Serveur VPN : OK – Il répond.",
                &format!("  Tunnel VPN : à voir – {}", vpn::detail(&standing(VpnStatus::Disconnected))),
                "  Réseau de l’académie : à confirmer – Ne peut pas être vérifié tant qu’un point précédent reste à voir.",
                "  Lecteurs réseau : à confirmer – Ne peut pas être vérifié tant qu’un point précédent reste à voir.",
                "  Imprimante : à confirmer – Ne peut pas être vérifié tant qu’un point précédent reste à voir.",
            ]
        );
        let drives = diagnosis(&standing(VpnStatus::Connected)).links.into_iter();
        let drives = drives.rev().find(|link| link.stage == id(ChainStage::Drives)).expect("it is in the chain");
        assert_eq!(drives.buttons.last(), Some(&helpdesk::ask(HelpTopic::Drives)), "about what is missing");
        let connected = lines(VpnStatus::Connected);
        let drives = "Les lecteurs I et U sont accessibles. Le lecteur S s’ouvre à la demande. Le lecteur T est absent de cet ordinateur : s’il vous le faut, cliquez sur « Demander à AMIGO ».";
        assert_eq!(connected[7], format!("  Lecteurs réseau : OK – {drives}"));
    }

    #[test]
    fn on_site_who_misses_the_internet_is_led_to_the_helpdesk() {
        let mut state = known();
        let effects = update(&mut state, Event::Links(home()), now("2026-11-24T10:00"));
        answer(&mut state, &effects, correct(HOME), None);
        assert_eq!(state.vpn.status(), VpnStatus::OnSite);
        let links = diagnosis(&state).links;
        let internet = links.iter().find(|link| link.stage == id(ChainStage::Internet)).expect("it is in the chain");
        assert!(internet.sentence.contains("Vigie ne teste pas les sites web"), "{internet:?}");
        assert_eq!(internet.buttons, [helpdesk::ask(HelpTopic::Vpn)]);
    }

    #[test]
    fn it_is_offered_where_something_is_not_well() {
        for status in VpnStatus::ALL {
            let diagnosis = diagnosis(&standing(status));
            let well = !matches!(status.reaches_intranet(), Some(false));
            assert_eq!(diagnosis.offered, !well, "{status:?}: {}", diagnosis.summary);
            assert!(diagnosis.summary.ends_with('.'), "{}", diagnosis.summary);
        }
        assert!(!diagnosis(&known()).offered, "nothing is known yet");
    }

    #[test]
    fn the_summary_says_when_it_was_checked() {
        let summary = |state: &State| diagnosis(state).summary.replace('\u{a0}', " ");
        let state = standing(VpnStatus::Connected);
        assert_eq!(summary(&state), "Aucune panne n’est visible. Vérifié à 14 h 02.");
        assert!(!summary(&known()).contains("Vérifié"), "nothing was probed yet");
    }

    #[test]
    fn a_check_that_finds_the_same_is_seen_to_run_and_to_end() {
        let mut state = at_home();
        let found = diagnosis(&state).summary;
        assert!(found.contains("Vérifié à"), "{found}");
        let effects = update(&mut state, Event::Action(Action::Diagnose), now("2026-11-24T10:00:05"));
        assert_eq!(diagnosis(&state).summary, "Vérification en cours…");
        update(&mut state, Event::Tick, now("2026-11-24T10:00:06"));
        assert_eq!(diagnosis(&state).summary, "Vérification en cours…");
        answer(&mut state, &effects, silent(), Some(Gateway::Answered));
        assert_eq!(diagnosis(&state).summary, found);
    }

    /// The state at home without the VPN.
    fn at_home() -> State {
        let mut state = known();
        let effects = update(&mut state, Event::Links(home()), now("2026-11-24T10:00"));
        answer(&mut state, &effects, silent(), Some(Gateway::Answered));
        state
    }

    /// Answers the probe that is requested.
    fn answer(state: &mut State, effects: &[Effect], witnesses: Vec<Witness>, gateway: Option<Gateway>) {
        let id = effects.iter().find_map(|effect| {
            let Effect::Request(SensorRequest::Probe(request)) = effect else { return None };
            Some(request.id)
        });
        let answered = probe(id.expect("a probe is requested"), witnesses, gateway);
        update(state, Event::Probed(answered), now("2026-11-24T10:00:07"));
    }

    #[test]
    fn each_button_of_the_chain_is_offered() {
        for status in VpnStatus::ALL {
            let page = crate::page::page(&standing(status));
            for link in &page.diagnosis.links {
                assert!(link.buttons.iter().all(|button| page.offers(&button.action)), "{link:?}");
            }
            assert!(page.offers(&Action::Diagnose));
        }
    }
}
