//! The VPN status: takes evidence, returns a status and its reason.

pub mod cisco;
mod notification_policy;
mod tracker;
pub mod witness;

pub use notification_policy::{Decision, NotificationPolicy};
pub use tracker::{Tracker, TrackerRequests};
pub use witness::{Answer, Ends, Path, Strength, Witness, WitnessKind};

use crate::message::RequestId;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use vigie_profile::{IntranetHost, Profile, Protocol};
use witness::proven;

/// Whether the intranet is within reach, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum VpnStatus {
    /// The evidence proves nothing, or there is none yet.
    Unknown,
    /// No interface has a default route.
    Offline,
    /// There is a route, but it does not lead to the VPN gateway, or another server answers in its place.
    Captive,
    /// There is no tunnel, and the intranet does not answer without one.
    Disconnected,
    /// A connection is being made.
    Connecting,
    /// The intranet answers through the tunnel.
    Connected,
    /// There is a tunnel, but nothing comes through it.
    Stalled,
    /// The intranet answers without a tunnel.
    OnSite,
}

impl VpnStatus {
    /// Every status. Written out for the tests that go through all of them; `strum` would be one more dependency of the
    /// pure crates.
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

    /// Whether the shared drives and the business applications are within reach; `None` if that is not known.
    pub fn reaches_intranet(self) -> Option<bool> {
        match self {
            VpnStatus::Unknown | VpnStatus::Connecting => None,
            VpnStatus::Connected | VpnStatus::OnSite => Some(true),
            VpnStatus::Offline | VpnStatus::Captive | VpnStatus::Disconnected | VpnStatus::Stalled => Some(false),
        }
    }
}

/// Why the status is what it is. `view::vpn` gives it words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Unknown: nothing has answered yet.
    Checking,
    /// Unknown: connections are accepted, but nothing proves that the intranet accepts them.
    Unproven,
    /// Unknown: this computer cannot check the gateway's certificate.
    GatewayUntested,
    /// Offline: there is no default route.
    NoNetwork,
    /// Captive: the gateway does not answer.
    GatewaySilent,
    /// Captive: the gateway refuses the connection.
    GatewayRefused,
    /// Captive: the gateway's name does not exist here.
    GatewayUnresolved,
    /// Captive: the gateway's name does not exist here, and the DNS server invents an address for such names.
    NameInvented,
    /// Captive or stalled: no DNS server answers.
    ResolverDown,
    /// Captive: another server answers in the gateway's place.
    OtherServer,
    /// Captive: something answers in everybody's place, as a public Wi-Fi does before the log-in.
    Portal,
    /// Disconnected: there is no tunnel.
    NoTunnel,
    /// Disconnected: there is a tunnel, but not the academy's.
    OtherVpn,
    /// Disconnected or stalled: a network of this computer or of the home owns the intranet's addresses.
    AddressConflict,
    /// Disconnected: the computer's clock is wrong, so no certificate can be checked.
    ClockWrong,
    /// Disconnected: the gateway's certificate has expired.
    CertificateExpired,
    /// Disconnected: the issuer of the gateway's certificate is not trusted here.
    CertificateUntrusted,
    /// Disconnected: the gateway does not send the whole chain of its certificate.
    CertificateIncomplete,
    /// Disconnected: the gateway speaks outdated versions of TLS only.
    OldTls,
    /// Disconnected: the gateway's key is none of the pinned ones.
    PinMismatch,
    /// Connecting: a client is connecting, or the tunnel has just come up.
    Connecting,
    /// Connected or on site: the intranet answers.
    IntranetAnswers,
    /// Connected: the tunnel carries traffic, but the hosts that were asked are silent.
    TunnelCarries,
    /// On site: the operating system has authenticated the network against the academy's domain.
    DomainNetwork,
    /// Stalled: every host is silent.
    IntranetSilent,
    /// Stalled: neither the intranet nor the gateway answers.
    NothingAnswers,
}

/// A status and its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assessment {
    /// The status.
    pub status: VpnStatus,
    /// Why.
    pub reason: Reason,
}

/// The machine's interfaces and routes at one moment, reduced to what matters: two equal values mean that nothing that
/// matters has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Links {
    /// Interfaces that are up and have an address that can leave the machine (no loopback, no link-local), by name.
    pub interfaces: Vec<Interface>,
    /// The interface of the default route and the gateway on it.
    pub default_route: Option<DefaultRoute>,
    /// The interfaces that have a default route of any metric, by index.
    pub uplinks: Vec<u32>,
    /// Where the kernel would send packets to the intranet hosts that the profile names by address.
    pub intranet: Vec<IntranetRoute>,
    /// Whether the kernel has routes to the intranet hosts of the user's site, and none leads through a tunnel. If a tunnel is
    /// up nevertheless, it is known by the name of the academy's own client alone.
    pub leads_elsewhere: bool,
    /// DNS servers.
    pub dns: Vec<IpAddr>,
}

/// The kernel's route to an intranet host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IntranetRoute {
    /// The host.
    pub host: IpAddr,
    /// The interface through which the kernel would reach it; it may be without a carrier.
    pub interface: u32,
    /// The interface's name.
    pub name: String,
    /// Whether there is no router in between.
    pub on_link: bool,
    /// Whether the host belongs to the interface's own network: not so with a VPN, which may have no router either.
    pub own_network: bool,
}

/// An interface that is up and has an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The system's number for the interface.
    pub index: u32,
    /// `eth0`, `cscotun0`; on Windows the alias, "Ethernet 2".
    pub name: String,
    /// The driver's description, if the system has one.
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
    /// The router, if the route has one (a tunnel's has none).
    pub router: Option<IpAddr>,
}

/// What to probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeRequest {
    /// Returned in the answer; an answer with an older id is discarded.
    pub id: RequestId,
    /// The intranet hosts to ask.
    pub hosts: Vec<IntranetHost>,
    /// The gateways to try: the site's, or every site's while none is chosen. Empty if the gateway need not be
    /// asked.
    pub gateways: Vec<GatewayAddress>,
    /// DNS servers for [`Protocol::Dns`].
    pub dns: Vec<IpAddr>,
    /// The servers that the profile does not name, to ask after the hosts while none has answered.
    pub learned: Option<LearnedHosts>,
}

/// Servers of the user's drives and printers, and DNS servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedHosts {
    /// Only those to which the kernel sends packets through the interface with this index are asked.
    pub interface: u32,
    /// The servers; a DNS server by its address.
    pub hosts: Vec<IntranetHost>,
}

/// How many servers of drives and printers are asked at most.
const MAX_LEARNED_SERVERS: usize = 4;
/// How many DNS servers are asked at most (as many as resolv.conf(5) may list).
const MAX_LEARNED_NAME_SERVERS: usize = 3;

/// A gateway to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayAddress {
    /// Its name or address.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// Hashes of its public keys (`pin-sha256:…`); if there are any, no other key is accepted.
    pub pins: Vec<String>,
}

impl ProbeRequest {
    /// Returns a request for the hosts that the profile names for `site` (its id), or for every site if that is `None`.
    /// `gateway`: whether to probe the gateway too.
    pub fn new(profile: &Profile, site: Option<&str>, id: RequestId, gateway: bool) -> ProbeRequest {
        let sites = || profile.sites.iter().filter(|one| site.is_none_or(|site| one.id == site));
        let mut hosts: Vec<IntranetHost> = Vec::new();
        for host in sites().flat_map(|site| site.intranet_hosts()) {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        let gateways = sites().filter(|_| gateway).map(|site| GatewayAddress {
            host: site.gateway.clone(),
            port: profile.vpn.gateway_port,
            pins: site.certificate_pins.clone(),
        });
        ProbeRequest { id, hosts, gateways: gateways.collect(), dns: Vec::new(), learned: None }
    }

    /// Adds what is known of the network: its DNS servers, and those of the user's `servers` that the profile does not
    /// name, where there is a path that is known to be the academy's. Elsewhere a server is not asked, nor its name.
    pub fn in_network(mut self, evidence: &Evidence, servers: &[IntranetHost]) -> ProbeRequest {
        let Some(links) = &evidence.links else { return self };
        self.dns.clone_from(&links.dns);
        let interface = match evidence.known_path {
            Some(Path::Tunnel) => links.tunnel().map(|tunnel| tunnel.index),
            Some(Path::Direct) => links.default_route.as_ref().map(|route| route.interface),
            None => None,
        };
        self.learned = interface.map(|interface| {
            let is_new = |server: &&IntranetHost| {
                !self.hosts.iter().any(|host| host.protocol == server.protocol && host.host == server.host)
            };
            let servers = servers.iter().filter(is_new).take(MAX_LEARNED_SERVERS).cloned();
            // A public DNS server answers through any tunnel.
            let name_servers = links.dns.iter().filter(|server| is_private(**server));
            let name_servers = name_servers.filter(|_| evidence.known_path == Some(Path::Tunnel));
            let name_servers = name_servers.filter_map(|one| IntranetHost::of_server(Protocol::Dns, &one.to_string()));
            LearnedHosts { interface, hosts: servers.chain(name_servers.take(MAX_LEARNED_NAME_SERVERS)).collect() }
        });
        self
    }
}

/// Whether it is an address of a private network (RFC 1918, RFC 4193).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

/// The result of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// The request's id.
    #[serde(rename = "number")]
    pub id: RequestId,
    /// The hosts that have answered or have been given up so far, in the request's order.
    pub witnesses: Vec<Witness>,
    /// What the gateway answered; `None` if it was not asked, or cannot be judged.
    pub gateway: Option<Gateway>,
    /// This computer's end of the connection to the gateway.
    pub gateway_local: Option<IpAddr>,
    /// Whether this is the end of the probe. The first strong answer is reported before.
    pub complete: bool,
}

/// What the gateway answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gateway {
    /// TLS, with a certificate that the system trusts for its name, or with a pinned key.
    Answered,
    /// The certificate is not valid at the time that this computer's clock shows, which is wrong.
    ClockWrong,
    /// The certificate has expired.
    Expired,
    /// The certificate is for the gateway's name, from an issuer that the system does not trust.
    Untrusted,
    /// The same, and the server sent no certificate of the issuer.
    Incomplete,
    /// The certificate is for another name.
    OtherName,
    /// The certificate's key is none of the pinned ones.
    PinMismatch,
    /// The server speaks TLS 1.1 or older only.
    OldTls,
    /// The server does not speak TLS.
    NotTls,
    /// The server refused the connection or closed it.
    Refused,
    /// Nothing came within the time limit.
    Silent,
    /// The gateway's name does not exist.
    Unresolved,
    /// The gateway's name does not exist: the DNS server gives the same address to names that nobody has.
    NameInvented,
    /// No DNS server answers.
    ResolverDown,
}

impl Gateway {
    /// Every answer, from the best to the worst. (Written out, as [`VpnStatus::ALL`].)
    pub const ALL: [Gateway; 14] = [
        Gateway::Answered,
        Gateway::ClockWrong,
        Gateway::Expired,
        Gateway::Untrusted,
        Gateway::Incomplete,
        Gateway::OtherName,
        Gateway::PinMismatch,
        Gateway::OldTls,
        Gateway::NotTls,
        Gateway::Refused,
        Gateway::Silent,
        Gateway::Unresolved,
        Gateway::NameInvented,
        Gateway::ResolverDown,
    ];

    /// Whether a server answered in the gateway's name, trusted or not.
    pub fn is_there(self) -> bool {
        match self {
            Gateway::Answered
            | Gateway::ClockWrong
            | Gateway::Expired
            | Gateway::Untrusted
            | Gateway::Incomplete
            | Gateway::PinMismatch
            | Gateway::OldTls => true,
            Gateway::OtherName
            | Gateway::NotTls
            | Gateway::Refused
            | Gateway::Silent
            | Gateway::Unresolved
            | Gateway::NameInvented
            | Gateway::ResolverDown => false,
        }
    }
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
    /// The tunnel, if one is up.
    pub fn tunnel(&self) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.tunnel)
    }

    /// The interface that carries the default route, unless that is the tunnel.
    pub fn underlay(&self) -> Option<&Interface> {
        let route = self.default_route.as_ref()?;
        self.interfaces.iter().find(|interface| interface.index == route.interface && !interface.tunnel)
    }

    /// The interface that has this address.
    pub(crate) fn holder(&self, address: IpAddr) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.addresses.contains(&address))
    }

    /// Whether a host behind this interface is in a network that this computer shares with nobody but its own virtual
    /// machines and containers: the interface has no default route, and no router leads to the host.
    pub(crate) fn is_local_only(&self, interface: &Interface, host: IpAddr) -> bool {
        let on_link = self.intranet.iter().find(|route| route.host == host).is_none_or(|route| route.on_link);
        on_link && !self.uplinks.contains(&interface.index)
    }

    /// The local network that owns an intranet host's address in place of the academy: that of an interface that is neither
    /// the tunnel nor the way out. With a tunnel, also the way out itself (a home network with the academy's addresses).
    pub fn address_conflict(&self) -> Option<&IntranetRoute> {
        let tunnel = self.tunnel();
        self.intranet.iter().find(|route| {
            let is_tunnel = self.interfaces.iter().any(|one| one.index == route.interface && one.tunnel);
            route.own_network && !is_tunnel && (tunnel.is_some() || !self.uplinks.contains(&route.interface))
        })
    }
}

impl Interface {
    /// Whether its name is one that any program's tunnel may have: `tun0`, `utun3`, `tunl0`, `tun-home`.
    pub fn is_generic_tunnel(&self) -> bool {
        ["utun", "tun", "tap"].iter().any(|prefix| self.name.starts_with(prefix))
    }
}

/// An interface's counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// The interface's index.
    pub interface: u32,
    /// Bytes received since it came up.
    pub received_bytes: u64,
    /// Packets sent since it came up.
    pub sent_packets: u64,
}

/// What is known at present. The tracker removes what a change has made out of date.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Interfaces and routes.
    pub links: Option<Links>,
    /// What the intranet hosts answered; `None` if they have not been asked since the last change.
    pub witnesses: Option<Vec<Witness>>,
    /// What the gateway answered.
    pub gateway: Option<Gateway>,
    /// This computer's end of the connection to the gateway.
    pub gateway_local: Option<IpAddr>,
    /// Whether bytes came through the academy's tunnel since the last reading.
    pub traffic: bool,
    /// The path that is known to be the academy's: a host of the profile has answered on it, or it is the tunnel of the
    /// academy's own client. Only there do learned servers count.
    pub known_path: Option<Path>,
    /// Whether the operating system has authenticated the network against the academy's domain.
    pub domain_network: bool,
    /// What Cisco's command line reports.
    pub client: Option<ClientState>,
    /// Whether the tunnel is so young that silence means nothing yet.
    pub in_grace_period: bool,
    /// Whether Vigie itself is connecting.
    pub connecting: bool,
}

impl Evidence {
    /// Whether the intranet answered: with a strong answer, or with a weak one through the tunnel.
    pub(crate) fn is_answered(witnesses: &[Witness], links: &Links, known: Option<Path>) -> bool {
        proven(witnesses, Path::Tunnel, links, known).is_some()
            || proven(witnesses, Path::Direct, links, known) >= Some(Strength::Strong)
    }

    fn is_connecting(&self) -> bool {
        self.connecting || matches!(self.client, Some(ClientState::Connecting | ClientState::Reconnecting))
    }
}

/// Returns the status that the evidence proves, and why. If it proves none, that is [`VpnStatus::Unknown`]: a wrong
/// "connected" or "on site" is worse than none.
pub fn assess(evidence: &Evidence) -> Assessment {
    let (status, reason) = judge(evidence);
    Assessment { status, reason }
}

fn judge(evidence: &Evidence) -> (VpnStatus, Reason) {
    let Some(links) = &evidence.links else { return (VpnStatus::Unknown, Reason::Checking) };
    if links.default_route.is_none() {
        return (VpnStatus::Offline, Reason::NoNetwork);
    }
    let tunnel = links.tunnel();
    let witnesses = evidence.witnesses.as_deref().unwrap_or_default();
    let [direct, through] =
        [Path::Direct, Path::Tunnel].map(|path| proven(witnesses, path, links, evidence.known_path));
    if direct >= Some(Strength::Strong) {
        return (VpnStatus::OnSite, Reason::IntranetAnswers);
    }
    if evidence.domain_network && tunnel.is_none() {
        return (VpnStatus::OnSite, Reason::DomainNetwork);
    }
    let carries = tunnel.is_some() && evidence.traffic;
    if through >= Some(Strength::Strong) || (through.is_some() && carries) {
        return (VpnStatus::Connected, Reason::IntranetAnswers);
    }
    if carries {
        return (VpnStatus::Connected, Reason::TunnelCarries);
    }
    if evidence.is_connecting() || (tunnel.is_some() && evidence.in_grace_period && through.is_none()) {
        return (VpnStatus::Connecting, Reason::Connecting);
    }
    if evidence.witnesses.is_none() {
        return (VpnStatus::Unknown, Reason::Checking);
    }
    if through.is_some() || direct.is_some() {
        return (VpnStatus::Unknown, Reason::Unproven);
    }
    match tunnel {
        Some(tunnel) if evidence.gateway_local.is_some_and(|local| tunnel.addresses.contains(&local)) => {
            // No tunnel carries the packets to its own gateway.
            (VpnStatus::Disconnected, Reason::OtherVpn)
        }
        Some(_) if links.address_conflict().is_some() => (VpnStatus::Stalled, Reason::AddressConflict),
        Some(_) if links.leads_elsewhere => (VpnStatus::Disconnected, Reason::OtherVpn),
        Some(_) if are_nameless(witnesses) => (VpnStatus::Stalled, Reason::ResolverDown),
        Some(_) if evidence.gateway.is_some_and(|gateway| !gateway.is_there()) => {
            (VpnStatus::Stalled, Reason::NothingAnswers)
        }
        Some(_) => (VpnStatus::Stalled, Reason::IntranetSilent),
        None => without_tunnel(evidence.gateway, witnesses, links),
    }
}

/// Whether the hosts were not asked, for want of a DNS server that answers.
fn are_nameless(witnesses: &[Witness]) -> bool {
    let mut hosts = witnesses.iter().filter(|witness| witness.kind != WitnessKind::Dns).peekable();
    hosts.peek().is_some() && hosts.all(|host| host.answer == Answer::ResolverDown)
}

/// There is no tunnel, and the intranet is silent: what the gateway's answer means.
fn without_tunnel(gateway: Option<Gateway>, witnesses: &[Witness], links: &Links) -> (VpnStatus, Reason) {
    let disconnected = |reason| (VpnStatus::Disconnected, reason);
    // A portal that takes the gateway's place takes everybody's.
    let taken = witnesses.iter().any(|witness| witness.answer.ends().is_some());
    match gateway {
        None => (VpnStatus::Unknown, Reason::GatewayUntested),
        Some(Gateway::Answered) if links.address_conflict().is_some() => disconnected(Reason::AddressConflict),
        Some(Gateway::Answered) => disconnected(Reason::NoTunnel),
        Some(Gateway::ClockWrong) => disconnected(Reason::ClockWrong),
        Some(Gateway::Expired) => disconnected(Reason::CertificateExpired),
        Some(Gateway::Untrusted) => disconnected(Reason::CertificateUntrusted),
        Some(Gateway::Incomplete) => disconnected(Reason::CertificateIncomplete),
        Some(Gateway::OldTls) => disconnected(Reason::OldTls),
        Some(Gateway::PinMismatch) => disconnected(Reason::PinMismatch),
        Some(Gateway::OtherName | Gateway::NotTls) if taken => (VpnStatus::Captive, Reason::Portal),
        Some(Gateway::OtherName | Gateway::NotTls) => (VpnStatus::Captive, Reason::OtherServer),
        Some(Gateway::Refused) => (VpnStatus::Captive, Reason::GatewayRefused),
        Some(Gateway::Silent) => (VpnStatus::Captive, Reason::GatewaySilent),
        Some(Gateway::Unresolved) => (VpnStatus::Captive, Reason::GatewayUnresolved),
        Some(Gateway::NameInvented) => (VpnStatus::Captive, Reason::NameInvented),
        Some(Gateway::ResolverDown) => (VpnStatus::Captive, Reason::ResolverDown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{HOME, HOST, TUNNEL, correct, home, interface, silent, with_tunnel, witness};
    use proptest::prelude::*;

    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn accepted(local: IpAddr) -> Vec<Witness> {
        vec![witness("tcp://172.26.66.73:8080", Answer::Accepted(Ends { local, remote: HOST }))]
    }

    fn all_links() -> [(&'static str, Option<Links>); 4] {
        [
            ("none", None),
            ("cut", Some(Links { default_route: None, ..with_tunnel(home()) })),
            ("plain", Some(home())),
            ("tunnel", Some(with_tunnel(home()))),
        ]
    }

    fn all_clients() -> [(&'static str, Option<ClientState>); 9] {
        [
            ("idle", None),
            ("connecting", Some(ClientState::Connecting)),
            ("connecting", Some(ClientState::Reconnecting)),
            ("idle", Some(ClientState::Connected)),
            ("idle", Some(ClientState::Disconnecting)),
            ("idle", Some(ClientState::Disconnected)),
            ("idle", Some(ClientState::Paused)),
            ("idle", Some(ClientState::Unknown)),
            ("vigie", None),
        ]
    }

    /// Every combination of evidence, and the one row of the table that describes it.
    #[test]
    fn each_combination_of_evidence_has_one_status_and_reason() {
        // links, who answered (strength and path), gateway, client, age of the tunnel, traffic
        let table = "
            none    *                        *            *                 *     *       Unknown Checking
            cut     *                        *            *                 *     *       Offline NoNetwork
            plain|tunnel strong-direct       *            *                 *     *       OnSite IntranetAnswers
            tunnel  strong-tunnel            *            *                 *     *       Connected IntranetAnswers
            tunnel  weak-tunnel              *            *                 *     traffic Connected IntranetAnswers
            tunnel  none|silent|nameless|weak-direct|strong-elsewhere * *   *     traffic Connected TunnelCarries
            tunnel  none|silent|nameless|weak-tunnel|weak-direct|strong-elsewhere * connecting|vigie * quiet Connecting Connecting
            plain   none|silent|weak-tunnel|weak-direct|strong-tunnel|strong-elsewhere * connecting|vigie * * Connecting Connecting
            tunnel  none|silent|nameless|weak-direct|strong-elsewhere * idle young quiet   Connecting Connecting
            tunnel  none                     *            idle              old   quiet   Unknown Checking
            plain   none                     *            idle              *     *       Unknown Checking
            tunnel  weak-tunnel              *            idle              *     quiet   Unknown Unproven
            tunnel  weak-direct              *            idle              old   quiet   Unknown Unproven
            plain   weak-direct              *            idle              *     *       Unknown Unproven
            tunnel  nameless                 *            idle              old   quiet   Stalled ResolverDown
            tunnel  silent|strong-elsewhere  none|is-there idle             old   quiet   Stalled IntranetSilent
            tunnel  silent|strong-elsewhere  gone         idle              old   quiet   Stalled NothingAnswers
            plain   silent                   none         idle              *     *       Unknown GatewayUntested
            plain   silent                   Answered     idle              *     *       Disconnected NoTunnel
            plain   silent                   ClockWrong   idle              *     *       Disconnected ClockWrong
            plain   silent                   Expired      idle              *     *       Disconnected CertificateExpired
            plain   silent                   Untrusted    idle              *     *       Disconnected CertificateUntrusted
            plain   silent                   Incomplete   idle              *     *       Disconnected CertificateIncomplete
            plain   silent                   OldTls       idle              *     *       Disconnected OldTls
            plain   silent                   PinMismatch  idle              *     *       Disconnected PinMismatch
            plain   silent                   OtherName|NotTls idle          *     *       Captive OtherServer
            plain   silent                   Silent       idle              *     *       Captive GatewaySilent
            plain   silent                   Refused      idle              *     *       Captive GatewayRefused
            plain   silent                   Unresolved   idle              *     *       Captive GatewayUnresolved
            plain   silent                   NameInvented idle              *     *       Captive NameInvented
            plain   silent                   ResolverDown idle              *     *       Captive ResolverDown";
        let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
        let witnesses = [
            ("none", None),
            ("silent", Some(silent())),
            (
                "nameless",
                Some(vec![
                    witness("smb://fichiers.test", Answer::ResolverDown),
                    witness("dns://in.ac-caen.fr", Answer::Silent),
                ]),
            ),
            ("strong-direct", Some(correct(HOME))),
            ("strong-tunnel", Some(correct(TUNNEL))),
            ("strong-elsewhere", Some(correct(ELSEWHERE))),
            ("weak-direct", Some(accepted(HOME))),
            ("weak-tunnel", Some(accepted(TUNNEL))),
        ];
        let gateways = || std::iter::once(None).chain(Gateway::ALL.map(Some));
        let mut seen = std::collections::BTreeSet::new();
        for (links_name, links) in &all_links() {
            for (witness_name, witnesses) in &witnesses {
                let no_tunnel = *links_name == "plain";
                // Without a tunnel its address belongs to nobody.
                let witness_name = match *witness_name {
                    "strong-elsewhere" | "strong-tunnel" | "weak-tunnel" if no_tunnel => continue,
                    // Without a tunnel the gateway's answer decides.
                    "nameless" if no_tunnel => "silent",
                    name => name,
                };
                for gateway in gateways() {
                    let gateway_name = gateway.map_or("none".to_owned(), |gateway| format!("{gateway:?}"));
                    let gateway_kind = gateway.map(|gateway| if gateway.is_there() { "is-there" } else { "gone" });
                    for (client_name, client) in all_clients() {
                        for (age, young) in [("old", false), ("young", true)] {
                            for (traffic_name, traffic) in [("quiet", false), ("traffic", true)] {
                                let names =
                                    [*links_name, witness_name, gateway_name.as_str(), client_name, age, traffic_name];
                                let fits = |cell: &str, name: &str| {
                                    cell == "*" || cell.split('|').any(|one| one == name || Some(one) == gateway_kind)
                                };
                                let matching: Vec<_> = rows
                                    .iter()
                                    .filter(|row| row.iter().zip(names).all(|(cell, name)| fits(cell, name)))
                                    .collect();
                                assert_eq!(matching.len(), 1, "{names:?} is in {} rows", matching.len());
                                let evidence = Evidence {
                                    links: links.clone(),
                                    witnesses: witnesses.clone(),
                                    gateway,
                                    client,
                                    traffic,
                                    in_grace_period: young,
                                    connecting: client_name == "vigie",
                                    ..Evidence::default()
                                };
                                let Assessment { status, reason } = assess(&evidence);
                                let [.., expected_status, expected_reason] = &matching[0][..] else { unreachable!() };
                                assert_eq!(
                                    (format!("{status:?}"), format!("{reason:?}")),
                                    ((*expected_status).to_owned(), (*expected_reason).to_owned()),
                                    "{names:?}"
                                );
                                seen.insert(status);
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), VpnStatus::ALL);
    }

    fn status_of(evidence: Evidence) -> (VpnStatus, Reason) {
        let Assessment { status, reason } = assess(&evidence);
        (status, reason)
    }

    fn route(interface: u32, name: &str, on_link: bool) -> IntranetRoute {
        IntranetRoute { host: HOST, interface, name: name.into(), on_link, own_network: on_link }
    }

    #[test]
    fn a_container_with_the_academys_address_is_not_the_academy() {
        let mut links = home();
        links.interfaces.push(interface(30, "docker0", [172, 26, 0, 1].into()));
        links.intranet = vec![route(30, "docker0", true)];
        let evidence = Evidence {
            witnesses: Some(correct([172, 26, 0, 1].into())),
            gateway: Some(Gateway::Answered),
            links: Some(links.clone()),
            ..Evidence::default()
        };
        assert_eq!(status_of(evidence), (VpnStatus::Disconnected, Reason::AddressConflict));
        let evidence = Evidence {
            witnesses: Some(silent()),
            links: Some(Links { intranet: links.intranet.clone(), ..with_tunnel(links) }),
            ..Evidence::default()
        };
        assert_eq!(status_of(evidence), (VpnStatus::Stalled, Reason::AddressConflict));
    }

    #[test]
    fn another_vpn_without_a_router_is_neither_the_academy_nor_a_local_network() {
        let mut links = home();
        let here = [10, 8, 0, 2].into();
        links.interfaces.push(interface(31, "wg0", here));
        links.intranet = vec![IntranetRoute { own_network: false, ..route(31, "wg0", true) }];
        for witnesses in [silent(), correct(here)] {
            let evidence = Evidence {
                witnesses: Some(witnesses),
                gateway: Some(Gateway::Answered),
                links: Some(links.clone()),
                ..Evidence::default()
            };
            assert_eq!(status_of(evidence), (VpnStatus::Disconnected, Reason::NoTunnel));
        }
    }

    #[test]
    fn a_home_network_with_the_academys_addresses_hides_it_behind_the_tunnel() {
        let links = Links { intranet: vec![route(2, "eth0", true)], ..home() };
        let with = |links| Evidence { links: Some(links), witnesses: Some(silent()), ..Evidence::default() };
        let stalled = with_tunnel(links.clone());
        assert_eq!(status_of(with(stalled)), (VpnStatus::Stalled, Reason::AddressConflict));
        // On site in the print server's own network.
        let on_site = Evidence { witnesses: Some(correct(HOME)), ..with(links) };
        assert_eq!(status_of(on_site), (VpnStatus::OnSite, Reason::IntranetAnswers));
    }

    #[test]
    fn a_host_behind_a_router_without_a_default_route_is_the_academys() {
        let mut links = home();
        links.interfaces.push(interface(3, "eth1", [10, 1, 0, 9].into()));
        links.intranet = vec![route(3, "eth1", false)];
        let evidence =
            Evidence { links: Some(links), witnesses: Some(correct([10, 1, 0, 9].into())), ..Evidence::default() };
        assert_eq!(status_of(evidence), (VpnStatus::OnSite, Reason::IntranetAnswers));
    }

    #[test]
    fn a_tunnel_that_carries_its_own_gateways_packets_is_somebody_elses() {
        let evidence = Evidence {
            links: Some(with_tunnel(home())),
            witnesses: Some(silent()),
            gateway: Some(Gateway::Answered),
            gateway_local: Some(TUNNEL),
            ..Evidence::default()
        };
        assert_eq!(status_of(evidence.clone()), (VpnStatus::Disconnected, Reason::OtherVpn));
        let beside = Evidence { gateway_local: Some(HOME), ..evidence };
        assert_eq!(status_of(beside), (VpnStatus::Stalled, Reason::IntranetSilent));
    }

    #[test]
    fn a_portal_takes_the_place_of_the_intranet_too() {
        let page = Answer::Wrong(Ends { local: HOME, remote: HOST });
        let evidence = Evidence {
            links: Some(home()),
            witnesses: Some(vec![witness("smb://172.26.66.73", page)]),
            gateway: Some(Gateway::OtherName),
            ..Evidence::default()
        };
        assert_eq!(status_of(evidence), (VpnStatus::Captive, Reason::Portal));
    }

    #[test]
    fn a_bad_gateway_certificate_does_not_void_the_intranets_answer() {
        for gateway in Gateway::ALL {
            let evidence = Evidence {
                links: Some(home()),
                witnesses: Some(correct(HOME)),
                gateway: Some(gateway),
                ..Evidence::default()
            };
            assert_eq!(status_of(evidence), (VpnStatus::OnSite, Reason::IntranetAnswers), "{gateway:?}");
        }
    }

    #[test]
    fn a_dns_server_proves_something_behind_the_tunnel_only() {
        let answer = |local| Some(vec![witness("dns://in.ac-caen.fr", Answer::Correct(Ends { local, remote: HOST }))]);
        let with = |links, witnesses| Evidence { links: Some(links), witnesses, ..Evidence::default() };
        assert_eq!(status_of(with(with_tunnel(home()), answer(TUNNEL))).0, VpnStatus::Connected);
        assert_eq!(status_of(with(home(), answer(HOME))).0, VpnStatus::Unknown);
    }

    fn learned(local: IpAddr) -> Vec<Witness> {
        let ends = Ends { local, remote: [172, 26, 1, 2].into() };
        vec![Witness { learned: true, ..witness("smb://172.26.1.2", Answer::Correct(ends)) }]
    }

    #[test]
    fn a_learned_server_proves_something_on_a_known_path_only() {
        let with = |links: Links, local, known_path| {
            let gateway = Some(Gateway::Answered);
            let evidence = Evidence {
                links: Some(links),
                witnesses: Some(learned(local)),
                gateway,
                known_path,
                ..Evidence::default()
            };
            assess(&evidence).status
        };
        // The user's own file server, at home.
        assert_eq!(with(home(), HOME, None), VpnStatus::Disconnected);
        assert_eq!(with(home(), HOME, Some(Path::Tunnel)), VpnStatus::Disconnected);
        assert_eq!(with(with_tunnel(home()), HOME, Some(Path::Tunnel)), VpnStatus::Stalled);
        // Behind a private VPN.
        assert_eq!(with(with_tunnel(home()), TUNNEL, None), VpnStatus::Stalled);
        assert_eq!(with(with_tunnel(home()), TUNNEL, Some(Path::Tunnel)), VpnStatus::Connected);
        assert_eq!(with(home(), HOME, Some(Path::Direct)), VpnStatus::OnSite);
    }

    #[test]
    fn a_tunnel_through_which_nothing_leads_to_the_academy_is_another_vpns() {
        let links = Links { leads_elsewhere: true, ..with_tunnel(home()) };
        let with = |witnesses| {
            let gateway = Some(Gateway::Answered);
            assess(&Evidence { links: Some(links.clone()), witnesses: Some(witnesses), gateway, ..Evidence::default() })
        };
        let other = Assessment { status: VpnStatus::Disconnected, reason: Reason::OtherVpn };
        assert_eq!([with(silent()), with(learned(TUNNEL))], [other, other]);
        assert_eq!(with(correct(HOME)).status, VpnStatus::OnSite);
    }

    #[test]
    fn learned_servers_are_asked_on_a_known_path_only() {
        let servers: Vec<IntranetHost> = ["smb://172.26.66.73", "nfs://n", "smb://a", "smb://b", "ipp://c", "ipp://d"]
            .map(|server| server.parse().expect("a server"))
            .into();
        let asked = |links: Links, known_path| {
            let evidence = Evidence { links: Some(links), known_path, ..Evidence::default() };
            let request = ProbeRequest::new(&crate::fixture::guide(), None, RequestId::new(1), false)
                .in_network(&evidence, &servers);
            let learned = request.learned?;
            Some((learned.interface, learned.hosts.iter().map(ToString::to_string).collect::<Vec<String>>().join(" ")))
        };
        assert_eq!(asked(home(), None), None);
        assert_eq!(asked(with_tunnel(home()), None), None);
        let hosts = "nfs://n smb://a smb://b ipp://c";
        assert_eq!(asked(home(), Some(Path::Direct)), Some((2, hosts.into())));
        // A public DNS server, which is reached through any tunnel, proves nothing.
        let dns = [[8, 8, 8, 8], [172, 26, 1, 53], [192, 168, 1, 1]].map(IpAddr::from).into();
        let hosts = format!("{hosts} dns://172.26.1.53 dns://192.168.1.1");
        assert_eq!(asked(Links { dns, ..with_tunnel(home()) }, Some(Path::Tunnel)), Some((9, hosts)));
    }

    fn any_weak_answer() -> impl Strategy<Value = Answer> {
        let local = prop_oneof![Just(HOME), Just(TUNNEL), Just(ELSEWHERE), Just(IpAddr::V4([127, 0, 0, 1].into()))];
        let ends = local.prop_map(|local| Ends { local, remote: HOST });
        prop_oneof![
            ends.clone().prop_map(Answer::Accepted),
            ends.prop_map(Answer::Wrong),
            Just(Answer::Refused),
            Just(Answer::Silent),
            Just(Answer::Unresolved),
            Just(Answer::ResolverDown),
        ]
    }

    fn any_evidence_without_a_strong_witness() -> impl Strategy<Value = Evidence> {
        let hosts = ["smb://h", "ipp://h", "https://h", "dns://h", "tcp://h:8080"];
        let witnesses = proptest::collection::vec((0..hosts.len(), any_weak_answer()), 0..6).prop_map(move |all| {
            all.into_iter().map(|(index, answer)| witness(hosts[index], answer)).collect::<Vec<Witness>>()
        });
        let gateway = proptest::option::of((0..Gateway::ALL.len()).prop_map(|index| Gateway::ALL[index]));
        let local = proptest::option::of(prop_oneof![Just(HOME), Just(TUNNEL)]);
        // If no path is known, what a learned server answers proves nothing.
        let known = prop_oneof![
            Just((None, Some(HOME))),
            Just((None, Some(TUNNEL))),
            Just((Some(Path::Direct), None)),
            Just((Some(Path::Tunnel), None)),
            Just((Some(Path::Direct), Some(TUNNEL))),
            Just((Some(Path::Tunnel), Some(HOME))),
        ];
        let flags = any::<(bool, bool)>();
        (0..4_usize, proptest::option::of(witnesses), gateway, local, 0..9_usize, flags, known).prop_map(
            |(links, witnesses, gateway, gateway_local, client, (in_grace_period, connecting), (known_path, other))| {
                Evidence {
                    links: all_links()[links].1.clone(),
                    witnesses: witnesses.map(|witnesses| [witnesses, other.map(learned).unwrap_or_default()].concat()),
                    gateway,
                    gateway_local,
                    client: all_clients()[client].1,
                    in_grace_period,
                    connecting,
                    known_path,
                    traffic: false,
                    domain_network: false,
                }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn without_a_strong_witness_nothing_is_within_reach(evidence in any_evidence_without_a_strong_witness()) {
            let status = assess(&evidence).status;
            prop_assert!(!matches!(status, VpnStatus::Connected | VpnStatus::OnSite), "{:?}", status);
        }

        #[test]
        fn without_a_strong_witness_off_the_tunnel_nobody_is_on_site(
            evidence in any_evidence_without_a_strong_witness(), traffic: bool
        ) {
            let status = assess(&Evidence { traffic, ..evidence }).status;
            prop_assert_ne!(status, VpnStatus::OnSite);
        }
    }
}
