//! The chain from the computer to the drives and printers, and its first broken link: why it does not work.
//!
//! Each link follows from the evidence for the status and never contradicts it. What nothing proves is unknown.

use super::message::{Action, DriveMount, HelpTopic, Printers, Reading, SystemSettings};
use super::state::State;
use super::vpn::witness::proven;
use super::vpn::{Answer, Assessment, Evidence, Gateway, Path, Reason, Strength, VpnStatus, Witness, WitnessKind};
use serde::{Deserialize, Serialize};
use vigie_profile::IntranetHost;

/// A link of the chain, in the order of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChainStage {
    /// This computer: its network interface and its clock.
    Computer,
    /// The network that it is on: the box, the Wi-Fi.
    LocalNetwork,
    /// The way from there to the VPN server, its name included.
    Internet,
    /// The VPN server.
    Gateway,
    /// The VPN's tunnel.
    Tunnel,
    /// The intranet's servers.
    Intranet,
    /// The network drives.
    Drives,
    /// The printers.
    Printers,
}

impl ChainStage {
    /// Every stage, in order.
    pub const ALL: [ChainStage; 8] = [
        ChainStage::Computer,
        ChainStage::LocalNetwork,
        ChainStage::Internet,
        ChainStage::Gateway,
        ChainStage::Tunnel,
        ChainStage::Intranet,
        ChainStage::Drives,
        ChainStage::Printers,
    ];

    /// Returns what a request to the helpdesk is about that stage.
    pub fn help_topic(self) -> HelpTopic {
        match self {
            ChainStage::Drives => HelpTopic::Drives,
            ChainStage::Printers => HelpTopic::Printing,
            ChainStage::Computer
            | ChainStage::LocalNetwork
            | ChainStage::Internet
            | ChainStage::Gateway
            | ChainStage::Tunnel
            | ChainStage::Intranet => HelpTopic::Vpn,
        }
    }
}

/// What is known of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum LinkHealth {
    /// Evidence shows that it works.
    Good,
    /// Evidence shows that it does not.
    Broken,
    /// Nothing proves either.
    Unknown,
}

/// Why a link is what it is. `view::chain` gives it words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkCause {
    /// It works.
    Works,
    /// It is what makes the status what it is.
    Status(Reason),
    /// Nothing was asked that would show it.
    Unproven,
    /// The links before it do not work, or not yet.
    Unreached,
    /// Not needed: the intranet is reachable without it.
    NotNeeded,
    /// A connection is being made.
    Connecting,
    /// It has not been read yet.
    Reading,
    /// The system does not tell.
    Unreadable,
    /// This drive, at least, is known to the system, and no drive is connected yet.
    DriveDetached(char),
    /// No drive of the guide is known to the system.
    NoDrive,
    /// No printer is installed.
    NoPrinter,
    /// This computer's print service does not answer.
    PrintServiceSilent,
    /// The print server answers nothing.
    PrintServerSilent,
}

/// A link of the chain, and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainLink {
    /// Which one.
    pub stage: ChainStage,
    /// What is known.
    pub health: LinkHealth,
    /// Why.
    pub cause: LinkCause,
}

/// Returns the chain of a state: every stage, in order.
pub fn chain(state: &State) -> [ChainLink; 8] {
    ChainStage::ALL.map(|stage| link(state, stage))
}

/// Returns the first broken link: what to mend first.
pub fn first_broken(chain: &[ChainLink]) -> Option<&ChainLink> {
    chain.iter().find(|link| link.health == LinkHealth::Broken)
}

fn link(state: &State, stage: ChainStage) -> ChainLink {
    let (health, cause) = match stage {
        ChainStage::Drives => drives(state),
        ChainStage::Printers => printers(state),
        ChainStage::Computer
        | ChainStage::LocalNetwork
        | ChainStage::Internet
        | ChainStage::Gateway
        | ChainStage::Tunnel
        | ChainStage::Intranet => network(state.vpn.evidence(), state.vpn.assessment(), stage),
    };
    ChainLink { stage, health, cause }
}

/// Returns a link up to the intranet.
fn network(evidence: &Evidence, assessment: Assessment, stage: ChainStage) -> (LinkHealth, LinkCause) {
    let culprit = culprit(evidence, assessment);
    if culprit == Some(stage) {
        return (LinkHealth::Broken, LinkCause::Status(assessment.reason));
    }
    if is_proven(evidence, assessment, stage) {
        return (LinkHealth::Good, LinkCause::Works);
    }
    let cause = if assessment.status == VpnStatus::OnSite && stage < ChainStage::Intranet {
        LinkCause::NotNeeded
    } else if assessment.status == VpnStatus::Connecting && stage >= ChainStage::Tunnel {
        LinkCause::Connecting
    } else if assessment.reason == Reason::Checking {
        LinkCause::Reading
    } else if culprit.is_some_and(|culprit| culprit < stage) {
        LinkCause::Unreached
    } else {
        LinkCause::Unproven
    };
    (LinkHealth::Unknown, cause)
}

/// Returns the link that the status finds fault with, if any.
fn culprit(evidence: &Evidence, assessment: Assessment) -> Option<ChainStage> {
    match assessment.reason {
        Reason::NoNetwork | Reason::ClockWrong => Some(ChainStage::Computer),
        Reason::AddressConflict => {
            let links = evidence.links.as_ref()?;
            let is_uplink = links.address_conflict().is_some_and(|route| links.uplinks.contains(&route.interface));
            Some(if is_uplink { ChainStage::LocalNetwork } else { ChainStage::Computer })
        }
        // Through the tunnel, the academy's own DNS servers are silent.
        Reason::ResolverDown if assessment.status == VpnStatus::Stalled => Some(ChainStage::Intranet),
        Reason::ResolverDown
        | Reason::Portal
        | Reason::OtherServer
        | Reason::GatewayUnresolved
        | Reason::NameInvented => Some(ChainStage::Internet),
        Reason::NothingAnswers => Some(match evidence.gateway {
            Some(Gateway::Silent | Gateway::Refused) => ChainStage::Gateway,
            Some(_) | None => ChainStage::Internet,
        }),
        Reason::GatewaySilent
        | Reason::GatewayRefused
        | Reason::CertificateExpired
        | Reason::CertificateUntrusted
        | Reason::CertificateIncomplete
        | Reason::OldTls
        | Reason::PinMismatch => Some(ChainStage::Gateway),
        Reason::NoTunnel | Reason::OtherVpn | Reason::IntranetSilent => Some(ChainStage::Tunnel),
        Reason::Checking
        | Reason::Unproven
        | Reason::GatewayUntested
        | Reason::Connecting
        | Reason::IntranetAnswers
        | Reason::TunnelCarries
        | Reason::DomainNetwork => None,
    }
}

/// Whether evidence shows that a link works.
fn is_proven(evidence: &Evidence, assessment: Assessment, stage: ChainStage) -> bool {
    let status = assessment.status;
    // Without a way out, what answered before says nothing.
    let links = evidence.links.as_ref().filter(|links| links.default_route.is_some());
    let Some(links) = links else { return false };
    // Only a certificate that was checked proves who answered, and so that the way leads there.
    let gateway = evidence.gateway == Some(Gateway::Answered);
    let through_tunnel = status == VpnStatus::Connected;
    match stage {
        ChainStage::Computer => true,
        ChainStage::LocalNetwork => {
            // What answers in the gateway's place is on this network or beyond.
            let answered = matches!(evidence.gateway, Some(Gateway::OtherName | Gateway::NotTls));
            gateway || answered || through_tunnel || status == VpnStatus::OnSite
        }
        ChainStage::Internet | ChainStage::Gateway => gateway || through_tunnel,
        ChainStage::Tunnel => through_tunnel,
        ChainStage::Intranet => {
            let witnesses = evidence.witnesses.as_deref().unwrap_or_default();
            let proves = |path| proven(witnesses, path, links, evidence.known_path);
            let answers = proves(Path::Direct) >= Some(Strength::Strong) || proves(Path::Tunnel).is_some();
            status.reaches_intranet() == Some(true) && (answers || assessment.reason == Reason::DomainNetwork)
        }
        ChainStage::Drives | ChainStage::Printers => false,
    }
}

/// Returns why what lies behind the intranet is not judged, if the intranet is not reachable.
fn unreached(state: &State) -> Option<LinkCause> {
    match (state.reaches_intranet(), state.vpn.status()) {
        (Some(true), _) => None,
        (_, VpnStatus::Connecting) => Some(LinkCause::Connecting),
        (Some(false), _) => Some(LinkCause::Unreached),
        (None, _) if state.vpn.reason() == Reason::Checking => Some(LinkCause::Reading),
        (None, _) => Some(LinkCause::Unproven),
    }
}

fn drives(state: &State) -> (LinkHealth, LinkCause) {
    if let Some(cause) = unreached(state) {
        return (LinkHealth::Unknown, cause);
    }
    let mounts = match &state.drives {
        Reading::Known(drives) => drives,
        Reading::Pending => return (LinkHealth::Unknown, LinkCause::Reading),
        Reading::Unavailable(_) => return (LinkHealth::Unknown, LinkCause::Unreadable),
    };
    if mounts.iter().any(|drive| matches!(drive.mount, DriveMount::Connected(_))) {
        return (LinkHealth::Good, LinkCause::Works);
    }
    // A remembered drive is no fault: Windows connects it when it is opened. A drive that the system does not know may be one
    // that this user does not have.
    let detached = mounts.iter().find(|drive| matches!(drive.mount, DriveMount::Disconnected(_)));
    (LinkHealth::Unknown, detached.map_or(LinkCause::NoDrive, |drive| LinkCause::DriveDetached(drive.letter)))
}

fn printers(state: &State) -> (LinkHealth, LinkCause) {
    match &state.printers {
        Reading::Unavailable(_) => return (LinkHealth::Broken, LinkCause::PrintServiceSilent),
        Reading::Known(Printers::Computer(printers)) if printers.is_empty() => {
            // Not everybody has a printer.
            return (LinkHealth::Unknown, LinkCause::NoPrinter);
        }
        Reading::Pending => return (LinkHealth::Unknown, LinkCause::Reading),
        Reading::Known(Printers::Computer(_) | Printers::Server(_)) => {}
    }
    if let Some(cause) = unreached(state) {
        return (LinkHealth::Unknown, cause);
    }
    let (Some(witnesses), Some(links)) = (&state.vpn.evidence().witnesses, state.vpn.links()) else {
        return (LinkHealth::Unknown, LinkCause::Unproven);
    };
    let server = witnesses.iter().filter(|witness| {
        let host = witness.host.parse::<IntranetHost>().ok();
        host.and_then(|host| host.address()) == Some(state.profile.printing.server)
    });
    let prints = |witness: &&Witness| {
        witness.kind == WitnessKind::Ipp && witness.path(links).is_some() && witness.strength().is_some()
    };
    if server.clone().any(|witness| prints(&witness)) {
        return (LinkHealth::Good, LinkCause::Works);
    }
    let is_silent = |witness: &Witness| matches!(witness.answer, Answer::Silent | Answer::Unresolved);
    if server.clone().next().is_some() && server.clone().all(is_silent) {
        return (LinkHealth::Broken, LinkCause::PrintServerSilent);
    }
    (LinkHealth::Unknown, LinkCause::Unproven)
}

/// Returns what mends a link, or shows more of it: at most one thing, which the state offers. Its sentence may name more.
pub fn remedy(state: &State, link: &ChainLink) -> Option<Action> {
    let helpdesk = || Action::AskHelpdesk(Some(link.stage.help_topic()));
    let connect = || state.offers_connect().then_some(Action::Connect);
    // A tunnel that Vigie cannot close is closed in its client's window.
    let disconnect = || Some(if state.offers_disconnect() { Action::Disconnect } else { Action::OpenClient });
    match link.cause {
        LinkCause::Status(reason) => match reason {
            Reason::ResolverDown if link.stage == ChainStage::Intranet => disconnect(),
            Reason::NoNetwork | Reason::AddressConflict | Reason::GatewayUnresolved | Reason::ResolverDown => {
                Some(Action::OpenSettings(SystemSettings::Network))
            }
            Reason::ClockWrong => Some(Action::OpenSettings(SystemSettings::DateTime)),
            Reason::Portal | Reason::OtherServer => Some(Action::OpenPortal),
            Reason::GatewaySilent | Reason::GatewayRefused | Reason::NothingAnswers => Some(Action::Diagnose),
            Reason::NoTunnel | Reason::OtherVpn => connect(),
            Reason::IntranetSilent => disconnect(),
            Reason::NameInvented
            | Reason::CertificateExpired
            | Reason::CertificateUntrusted
            | Reason::CertificateIncomplete
            | Reason::OldTls
            | Reason::PinMismatch => Some(helpdesk()),
            Reason::Checking
            | Reason::Unproven
            | Reason::GatewayUntested
            | Reason::Connecting
            | Reason::IntranetAnswers
            | Reason::TunnelCarries
            | Reason::DomainNetwork => None,
        },
        LinkCause::DriveDetached(letter) => Some(Action::OpenDrive(letter)),
        LinkCause::NoPrinter | LinkCause::PrintServiceSilent => Some(Action::OpenSettings(SystemSettings::Printers)),
        LinkCause::NoDrive | LinkCause::PrintServerSilent => Some(helpdesk()),
        LinkCause::Works
        | LinkCause::Unproven
        | LinkCause::Unreached
        | LinkCause::NotNeeded
        | LinkCause::Connecting
        | LinkCause::Reading
        | LinkCause::Unreadable => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{
        HOME, HOST, TUNNEL, correct, home, interface, known, now, probe, silent, standing, with_tunnel,
    };
    use crate::message::{DriveState, Effect, Event, Printer, SensorRequest};
    use crate::update::update;
    use crate::vpn::{ClientState, DefaultRoute, Ends, IntranetRoute, Links, assess};
    use proptest::prelude::*;

    const NETWORK: [ChainStage; 6] = [
        ChainStage::Computer,
        ChainStage::LocalNetwork,
        ChainStage::Internet,
        ChainStage::Gateway,
        ChainStage::Tunnel,
        ChainStage::Intranet,
    ];

    fn any_links() -> impl Strategy<Value = Option<Links>> {
        let conflict = |interface, name: &str| IntranetRoute {
            host: HOST,
            interface,
            name: name.into(),
            on_link: true,
            own_network: true,
        };
        let mut container = home();
        container.interfaces.push(interface(30, "docker0", [172, 26, 0, 1].into()));
        container.intranet = vec![conflict(30, "docker0")];
        let elsewhere = Links { leads_elsewhere: true, ..with_tunnel(home()) };
        let mut same_addresses = with_tunnel(home());
        same_addresses.intranet = vec![conflict(2, "eth0")];
        let cut = Links { default_route: None::<DefaultRoute>, ..with_tunnel(home()) };
        proptest::sample::select(vec![
            None,
            Some(cut),
            Some(home()),
            Some(with_tunnel(home())),
            Some(elsewhere),
            Some(with_tunnel(container.clone())),
            Some(container),
            Some(same_addresses),
        ])
    }

    fn any_evidence() -> impl Strategy<Value = Evidence> {
        let accepted = |local| crate::fixture::witnesses(Answer::Accepted(Ends { local, remote: HOST }));
        let witnesses = proptest::sample::select(vec![
            None,
            Some(silent()),
            Some(crate::fixture::witnesses(Answer::ResolverDown)),
            Some(correct(HOME)),
            Some(correct(TUNNEL)),
            Some(accepted(HOME)),
            Some(accepted(TUNNEL)),
        ]);
        let gateways: Vec<_> = std::iter::once(None).chain(Gateway::ALL.map(Some)).collect();
        let client = proptest::sample::select(vec![None, Some(ClientState::Connecting), Some(ClientState::Connected)]);
        let local = proptest::sample::select(vec![None, Some(HOME), Some(TUNNEL)]);
        let flags = any::<(bool, bool, bool, bool)>();
        (any_links(), witnesses, proptest::sample::select(gateways), client, local, flags).prop_map(
            |(
                links,
                witnesses,
                gateway,
                client,
                gateway_local,
                (traffic, domain_network, in_grace_period, connecting),
            )| {
                Evidence {
                    links,
                    witnesses,
                    gateway,
                    gateway_local,
                    client,
                    traffic,
                    domain_network,
                    in_grace_period,
                    connecting,
                    ..Evidence::default()
                }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// A link is good only where evidence shows it, and the chain says what the status says.
        #[test]
        fn the_chain_follows_the_evidence_and_the_status(evidence in any_evidence()) {
            let assessment = assess(&evidence);
            let health = |stage| network(&evidence, assessment, stage).0;
            let broken: Vec<_> =
                NETWORK.into_iter().filter(|stage| health(*stage) == LinkHealth::Broken).collect();
            let reaches = assessment.status.reaches_intranet();
            prop_assert_eq!(broken.len(), usize::from(reaches == Some(false)), "{:?}: {:?}", assessment, &broken);
            if reaches != Some(true) {
                prop_assert_ne!(health(ChainStage::Intranet), LinkHealth::Good);
            }
            let links = evidence.links.clone().unwrap_or_default();
            let answered = |path| {
                let witnesses = evidence.witnesses.as_deref().unwrap_or_default();
                proven(witnesses, path, &links, evidence.known_path)
            };
            let through = links.tunnel().is_some() && (answered(Path::Tunnel).is_some() || evidence.traffic);
            let direct = answered(Path::Direct) >= Some(Strength::Strong) || evidence.domain_network;
            let gateway = evidence.gateway == Some(Gateway::Answered);
            let other = matches!(evidence.gateway, Some(Gateway::OtherName | Gateway::NotTls));
            for stage in NETWORK {
                let evident = match stage {
                    ChainStage::Computer => links.default_route.is_some(),
                    ChainStage::LocalNetwork => gateway || other || through || direct,
                    ChainStage::Internet | ChainStage::Gateway => gateway || through,
                    ChainStage::Tunnel => through,
                    // Bytes through the tunnel are no answer.
                    ChainStage::Intranet => direct || answered(Path::Tunnel).is_some(),
                    ChainStage::Drives | ChainStage::Printers => false,
                };
                prop_assert!(health(stage) != LinkHealth::Good || evident, "{:?} of {:?}", stage, assessment);
            }
            // What lies before a good link works, unless something of its own shows a fault there.
            let good = NETWORK.into_iter().filter(|stage| health(*stage) == LinkHealth::Good).max();
            let own_fault = matches!(
                assessment.reason,
                Reason::ClockWrong | Reason::AddressConflict | Reason::Portal | Reason::OtherServer
            );
            for stage in &broken {
                prop_assert!(good.is_none_or(|good| good < *stage) || own_fault, "{:?}", assessment);
            }
        }
    }

    /// The state at home when the gateway answers so.
    fn at_home(gateway: Gateway) -> State {
        let mut state = known();
        let effects = update(&mut state, Event::Links(home()), now("2026-11-24T10:00"));
        let id = effects.iter().find_map(|effect| {
            let Effect::Request(SensorRequest::Probe(request)) = effect else { return None };
            Some(request.id)
        });
        let probed = probe(id.expect("links that lead out are probed"), silent(), Some(gateway));
        update(&mut state, Event::Probed(probed), now("2026-11-24T10:00"));
        state
    }

    fn all_states() -> Vec<State> {
        let standing = VpnStatus::ALL.into_iter().map(standing);
        standing.chain(Gateway::ALL.into_iter().map(at_home)).chain([known()]).collect()
    }

    #[test]
    fn each_remedy_is_offered_by_the_state() {
        for mut state in all_states() {
            for drives in [state.drives.clone(), Reading::Pending, Reading::Unavailable("no".into())] {
                state.drives = drives;
                for link in chain(&state) {
                    let offered = match remedy(&state, &link) {
                        Some(Action::Connect) => state.offers_connect(),
                        Some(Action::Disconnect) => state.offers_disconnect(),
                        Some(Action::OpenDrive(letter)) => {
                            matches!(state.drive(letter), Some(DriveMount::Disconnected(_)))
                        }
                        Some(
                            Action::AskHelpdesk(_)
                            | Action::OpenSettings(_)
                            | Action::OpenPortal
                            | Action::OpenClient
                            | Action::Diagnose,
                        )
                        | None => true,
                        Some(_) => false,
                    };
                    assert!(offered, "{link:?} in {:?}", state.vpn.reason());
                }
            }
        }
    }

    #[test]
    fn a_fault_of_each_kind_has_something_to_do() {
        for state in all_states() {
            if let Some(link) = first_broken(&chain(&state)) {
                assert!(remedy(&state, link).is_some(), "{link:?} in {:?}", state.vpn.reason());
            }
        }
    }

    fn found(state: &State, stage: ChainStage) -> (LinkHealth, LinkCause) {
        let link = link(state, stage);
        (link.health, link.cause)
    }

    #[test]
    fn a_detached_drive_is_no_fault_and_proves_nothing() {
        let mut state = standing(VpnStatus::Connected);
        assert_eq!(found(&state, ChainStage::Drives), (LinkHealth::Good, LinkCause::Works));
        assert_eq!(first_broken(&chain(&state)), None);
        let mount = DriveMount::Disconnected("S:".into());
        state.drives = Reading::Known(vec![DriveState { letter: 'S', mount }]);
        assert_eq!(found(&state, ChainStage::Drives), (LinkHealth::Unknown, LinkCause::DriveDetached('S')));
        assert_eq!(first_broken(&chain(&state)), None);
        let state = standing(VpnStatus::Disconnected);
        assert_eq!(found(&state, ChainStage::Drives), (LinkHealth::Unknown, LinkCause::Unreached));
        assert_eq!(first_broken(&chain(&state)).map(|link| link.stage), Some(ChainStage::Tunnel));
    }

    #[test]
    fn printers_are_judged_by_this_computer_and_by_the_print_server() {
        let mut state = standing(VpnStatus::Connected);
        assert_eq!(found(&state, ChainStage::Printers), (LinkHealth::Good, LinkCause::Works));
        state.printers = Reading::Known(Printers::Computer(Vec::new()));
        assert_eq!(found(&state, ChainStage::Printers), (LinkHealth::Unknown, LinkCause::NoPrinter));
        state.printers = Reading::Unavailable("no CUPS".into());
        assert_eq!(found(&state, ChainStage::Printers), (LinkHealth::Broken, LinkCause::PrintServiceSilent));
        let mut away = standing(VpnStatus::Disconnected);
        let printer = Printer { name: "Bureau".into(), default: true, installed: true };
        away.printers = Reading::Known(Printers::Computer(vec![printer]));
        assert_eq!(found(&away, ChainStage::Printers), (LinkHealth::Unknown, LinkCause::Unreached));
    }
}
