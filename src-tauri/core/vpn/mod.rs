//! The VPN verdict: evidence in, verdict out.

pub mod cisco;
mod notification_policy;
mod tracker;

pub use notification_policy::{Decision, NotificationPolicy};
pub use tracker::{Tracker, TrackerRequests};

use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use vigie_profile::Profile;

/// Where the user stands, in one word (docs: architecture, "The VPN verdict").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum VpnStatus {
    /// No fresh evidence: nothing is claimed.
    Unknown,
    /// No interface with a default route.
    Offline,
    /// A route, but the gateway does not answer, or somebody answers in its name.
    Captive,
    /// The gateway answers, the inside does not, and there is no tunnel.
    Disconnected,
    /// A connection is being made.
    Connecting,
    /// A tunnel is up, and the inside answers through it.
    Connected,
    /// A tunnel is up, but the inside does not answer.
    Stalled,
    /// The inside answers without a tunnel.
    OnSite,
}

impl VpnStatus {
    /// Every verdict, in the order of the design's table.
    pub const ALL: [VpnStatus; 8] = [
        VpnStatus::Unknown,
        VpnStatus::Offline,
        VpnStatus::Captive,
        VpnStatus::Disconnected,
        VpnStatus::Connecting,
        VpnStatus::Connected,
        VpnStatus::Stalled,
        VpnStatus::OnSite,
    ];

    /// Whether the shared drives and the business applications are within reach; `None` where that is not known.
    pub fn reaches_inside(self) -> Option<bool> {
        match self {
            VpnStatus::Unknown | VpnStatus::Connecting => None,
            VpnStatus::Connected | VpnStatus::OnSite => Some(true),
            VpnStatus::Offline | VpnStatus::Captive | VpnStatus::Disconnected | VpnStatus::Stalled => Some(false),
        }
    }
}

/// The machine's interfaces and routes at one moment. Only what matters stands here, so that two equal values mean
/// that nothing that matters has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Links {
    /// Interfaces that are up and have an address that can leave the machine (no loopback, no link-local), by name.
    pub interfaces: Vec<Interface>,
    /// The interface of the default route and the gateway on it.
    pub default_route: Option<DefaultRoute>,
    /// DNS servers.
    pub dns: Vec<IpAddr>,
}

/// An interface that is up and has an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The system's number for it.
    pub index: u32,
    /// `eth0`, `cscotun0`; on Windows the alias, "Ethernet 2".
    pub name: String,
    /// The driver's description, where the system has one.
    pub description: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether the profile's patterns say that it is the VPN's tunnel.
    pub tunnel: bool,
}

/// The default route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultRoute {
    /// The index of its interface.
    pub interface: u32,
    /// The router, where the route has one (a tunnel's has none).
    pub router: Option<IpAddr>,
}

/// What to probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRequest {
    /// Comes back in the answer; an answer with an old number is thrown away.
    pub number: u64,
    /// `host:port` of inside machines.
    pub inside: Vec<String>,
    /// Gateways to try (host, port): the site's, or every site's while none is chosen. Empty where the gateway need
    /// not be asked (a tunnel is up).
    pub gateways: Vec<(String, u16)>,
}

impl ProbeRequest {
    /// What the profile names for that site (an id); while none is chosen, every site's hosts may answer. `gateway`:
    /// whether the gateway is asked too.
    pub fn new(profile: &Profile, site: Option<&str>, number: u64, gateway: bool) -> ProbeRequest {
        let sites = || profile.sites.iter().filter(|one| site.is_none_or(|site| one.id == site));
        let mut inside: Vec<String> = Vec::new();
        for host in sites().flat_map(|site| &site.inside) {
            if !inside.contains(host) {
                inside.push(host.clone());
            }
        }
        let port = profile.vpn.gateway_port;
        let gateways = if gateway { sites().map(|site| (site.gateway.clone(), port)).collect() } else { Vec::new() };
        ProbeRequest { number, inside, gateways }
    }
}

/// The outcome of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The request's number.
    pub number: u64,
    /// Whether the inside answered.
    pub inside: Intranet,
    /// Whether the gateway answered; `None` where it was not asked.
    pub gateway: Option<Gateway>,
}

/// Whether an inside machine answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intranet {
    /// A TCP connection succeeded from this local address (which tells the interface).
    Answered {
        /// The connection's own end.
        local: IpAddr,
    },
    /// None did within the time limit.
    Silent,
}

/// Whether the gateway answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gateway {
    /// TLS, with a certificate in its own name.
    Answered,
    /// Something answered, but not in the gateway's name (a captive portal).
    CertificateMismatch,
    /// Nothing answered within the time limit, or its name did not resolve.
    Silent,
}

/// The state that Cisco's command line reports (`>> state: …`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "Cisco's own words")]
pub enum ClientState {
    Connected,
    Connecting,
    Disconnecting,
    Disconnected,
    Reconnecting,
    Paused,
    Unknown,
}

impl Links {
    /// The tunnel, where one is up.
    pub fn tunnel(&self) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.tunnel)
    }

    /// The interface that carries the default route, unless that is the tunnel.
    pub fn underlay(&self) -> Option<&Interface> {
        let route = self.default_route.as_ref()?;
        self.interfaces.iter().find(|interface| interface.index == route.interface && !interface.tunnel)
    }

    /// The interface that has this address.
    fn holder(&self, address: IpAddr) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.addresses.contains(&address))
    }
}

/// What is known, all of it fresh. Whoever holds it drops what a change has made stale.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Interfaces and routes.
    pub links: Option<Links>,
    /// Whether the inside answers.
    pub inside: Option<Intranet>,
    /// Whether the gateway answers.
    pub gateway: Option<Gateway>,
    /// What Cisco's command line says.
    pub client: Option<ClientState>,
    /// Whether the tunnel is so young that silence means nothing yet.
    pub in_grace_period: bool,
    /// Whether Vigie itself is connecting.
    pub connecting: bool,
}

/// The verdict that the evidence allows. Where it allows none, `Unknown`: better no word than a wrong one.
pub fn verdict(evidence: &Evidence) -> VpnStatus {
    let Some(links) = &evidence.links else { return VpnStatus::Unknown };
    if links.default_route.is_none() {
        return VpnStatus::Offline;
    }
    let tunnel = links.tunnel();
    if let Some(Intranet::Answered { local }) = &evidence.inside {
        let through_tunnel = tunnel.is_some() && links.holder(*local).is_none_or(|interface| interface.tunnel);
        return if through_tunnel { VpnStatus::Connected } else { VpnStatus::OnSite };
    }
    let client = matches!(evidence.client, Some(ClientState::Connecting | ClientState::Reconnecting));
    if client || evidence.connecting {
        return VpnStatus::Connecting;
    }
    match (tunnel, &evidence.inside) {
        (Some(_), _) if evidence.in_grace_period => VpnStatus::Connecting,
        (Some(_), Some(_)) => VpnStatus::Stalled,
        (Some(_), None) | (None, None) => VpnStatus::Unknown,
        (None, Some(_)) => match evidence.gateway {
            Some(Gateway::Answered) => VpnStatus::Disconnected,
            Some(Gateway::CertificateMismatch | Gateway::Silent) => VpnStatus::Captive,
            None => VpnStatus::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{HOME, TUNNEL, home, with_tunnel};

    /// Every combination of evidence, and the one row of the table that is_notable of it.
    #[test]
    fn the_table_of_verdicts() {
        // links, inside (answered by …), gateway, client (or Vigie: connecting), young
        let table = "
            none    *                    *                *                        *      Unknown
            cut     *                    *                *                        *      Offline
            tunnel  tunnel|elsewhere     *                *                        *      Connected
            tunnel  home                 *                *                        *      OnSite
            plain   tunnel|elsewhere|home *               *                        *      OnSite
            tunnel|plain none|silent     *                connecting|reconnecting|connecting  *      Connecting
            tunnel  none|silent          *                none|said                young  Connecting
            tunnel  silent               *                none|said                old    Stalled
            tunnel  none                 *                none|said                old    Unknown
            plain   none                 *                none|said                *      Unknown
            plain   silent               none             none|said                *      Unknown
            plain   silent               answered         none|said                *      Disconnected
            plain   silent               impostor|silent  none|said                *      Captive";
        let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
        let answered = |local: IpAddr| Some(Intranet::Answered { local });
        let links = [
            ("none", None),
            ("cut", Some(Links { default_route: None, ..with_tunnel(home()) })),
            ("plain", Some(home())),
            ("tunnel", Some(with_tunnel(home()))),
        ];
        let inside = [
            ("none", None),
            ("silent", Some(Intranet::Silent)),
            ("home", answered(HOME)),
            ("tunnel", answered(TUNNEL)),
            ("elsewhere", answered([10, 0, 0, 1].into())),
        ];
        let gateway = [
            ("none", None),
            ("answered", Some(Gateway::Answered)),
            ("impostor", Some(Gateway::CertificateMismatch)),
            ("silent", Some(Gateway::Silent)),
        ];
        let client = [
            ("none", None),
            ("connecting", Some(ClientState::Connecting)),
            ("reconnecting", Some(ClientState::Reconnecting)),
            ("said", Some(ClientState::Connected)),
            ("said", Some(ClientState::Disconnecting)),
            ("said", Some(ClientState::Disconnected)),
            ("said", Some(ClientState::Paused)),
            ("said", Some(ClientState::Unknown)),
            ("connecting", None),
        ];
        let mut seen = std::collections::BTreeSet::new();
        for (links_name, links) in &links {
            for (inside_name, inside) in &inside {
                for (gateway_name, gateway) in gateway {
                    for (client_name, client) in client {
                        for (young_name, in_grace_period) in [("old", false), ("young", true)] {
                            let names = [*links_name, *inside_name, gateway_name, client_name, young_name];
                            let matching: Vec<_> = rows
                                .iter()
                                .filter(|row| {
                                    row.iter()
                                        .zip(names)
                                        .all(|(cell, name)| *cell == "*" || cell.split('|').any(|one| one == name))
                                })
                                .collect();
                            assert_eq!(matching.len(), 1, "{names:?} stands in the table {} times", matching.len());
                            let evidence = Evidence {
                                links: links.clone(),
                                inside: inside.clone(),
                                gateway,
                                client,
                                in_grace_period,
                                connecting: client_name == "connecting",
                            };
                            assert_eq!(format!("{:?}", verdict(&evidence)), matching[0][5], "{names:?}");
                            seen.insert(verdict(&evidence));
                        }
                    }
                }
            }
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), VpnStatus::ALL);
    }
}
