//! Keeps the evidence fresh: drops what a change has made stale, and says when to probe again.

use super::assess;
use super::witness::proven;
use super::{
    Assessment, ClientState, Evidence, Gateway, Interface, Links, Path, Probe, Reason, Strength, Traffic, VpnStatus,
};
use crate::Now;
use crate::message::RequestId;
use jiff::ZonedDateTime;
use std::net::IpAddr;
use std::time::Duration;
use vigie_profile::VpnConfig;

/// First pause before a silent intranet is probed again; it doubles up to the profile's `probe_seconds`.
const RETRY: Duration = Duration::from_secs(5);
/// How long a probe waits for its answer while a tunnel is new: its routes are set after its address, and packets sent
/// in between leave by another interface and are lost.
const GRACE_RETRY: Duration = Duration::from_millis(500);
/// How long Cisco's report that it is connecting is believed without a tunnel.
const CONNECTING_TIMEOUT: Duration = Duration::from_secs(120);
/// Silent probes in a row before a tunnel counts as stalled.
const SILENCES_UNTIL_STALLED: u32 = 2;
/// Pause between two probes on site: no event says that the building has lost its line to the intranet.
const ON_SITE_INTERVAL: Duration = Duration::from_secs(600);
/// Pause between two readings of the counters of a tunnel that is in use.
const TRAFFIC_INTERVAL: Duration = Duration::from_secs(3);
/// The same, while nothing goes through it.
const IDLE_TRAFFIC_INTERVAL: Duration = Duration::from_secs(20);
/// Packets that were sent into the tunnel without any coming back, from which on it is probed at once.
const UNANSWERED_PACKETS: u64 = 3;
/// Within how long such a probe is sent: when a gateway fails, the tunnels of the whole fleet fall silent in one second.
const UNANSWERED_SPREAD: Duration = Duration::from_secs(7);
/// Pause between two probes for unanswered packets: some programs never get an answer.
const UNANSWERED_PAUSE: Duration = Duration::from_secs(30);
/// Bytes that must come through the tunnel between two readings: more than the gateway sends by itself (router
/// solicitations, "host unreachable").
const MIN_TRAFFIC_BYTES: u64 = 1024;
/// The same, for a tunnel from which the intranet has not answered yet.
const UNPROVEN_TRAFFIC_BYTES: u64 = 4096;

/// What the tracker wants done after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrackerRequests {
    /// Read interfaces and routes again.
    pub links: bool,
    /// Probe; the id that the answer must carry, and whether to probe the gateway too.
    pub probe: Option<(RequestId, bool)>,
    /// Read the counters of the interface with this index.
    pub traffic: Option<u32>,
    /// Ask Cisco's command line.
    pub client: bool,
}

/// Evidence over time, and the status with its age.
#[derive(Debug, Clone)]
pub struct Tracker {
    /// Between two probes (`probe_seconds` of the configuration).
    interval: Duration,
    /// How long silence of a new tunnel means nothing (`settle_seconds` of the configuration).
    grace_period: Duration,
    evidence: Evidence,
    /// The uptime at which the tunnel came up on its current underlay. It has `grace_period` to carry its first answer.
    tunnel_since: Option<Duration>,
    /// Whether the tunnel was seen to come up. (The status of one that existed before is unknown, not "connecting".)
    tunnel_new: bool,
    /// Whether a host of the profile has answered through this tunnel.
    tunnel_proven: bool,
    /// Whether one has answered in this network without a tunnel.
    network_proven: bool,
    /// The interfaces whose network the operating system has authenticated against the computer's domain.
    domain_interfaces: Vec<u32>,
    /// The uptime at which Cisco's command line last answered.
    client_since: Duration,
    /// Silent probes in a row, not counting those in a tunnel's grace period.
    silences: u32,
    /// Whether the gateway is only assumed to answer because a working tunnel existed a moment ago.
    gateway_inferred: bool,
    /// The tunnel's counters at the last reading.
    counters: Option<Traffic>,
    /// The uptime at which to read the counters next.
    traffic_at: Option<Duration>,
    /// Packets sent into the tunnel since something notable came out of it.
    unanswered: u64,
    /// The uptime at which a probe was last sent for unanswered packets.
    unanswered_at: Option<Duration>,
    /// The id of the latest probe; answers with another id are discarded.
    probe_id: RequestId,
    in_flight: bool,
    /// The wall-clock time at which the last probe was answered, or ended.
    probed_wall: Option<ZonedDateTime>,
    /// The uptime at which to probe next.
    probe_at: Option<Duration>,
    random: fastrand::Rng,
    assessment: Assessment,
    /// The wall-clock time at which the current status began, or was found.
    since_wall: ZonedDateTime,
    /// Whether that is the moment of a change, and not that of a first reading.
    since_seen: bool,
    /// The uptime at which the current status was found.
    since_uptime: Duration,
    /// Whether nothing can have changed unseen since the last lasting status, so that the next one begins when it is found.
    is_watching: bool,
    /// The last lasting status, its beginning, and whether that was seen.
    last_lasting: Option<(VpnStatus, ZonedDateTime, bool)>,
}

impl Tracker {
    /// Creates a tracker without evidence. `seed` spreads the probes of a fleet over time.
    pub fn new(config: &VpnConfig, seed: u64, now: &Now) -> Tracker {
        Tracker {
            interval: Duration::from_secs(config.probe_seconds.into()),
            grace_period: Duration::from_secs(config.settle_seconds.into()),
            evidence: Evidence::default(),
            tunnel_since: None,
            tunnel_new: false,
            tunnel_proven: false,
            network_proven: false,
            domain_interfaces: Vec::new(),
            client_since: Duration::ZERO,
            silences: 0,
            gateway_inferred: false,
            counters: None,
            traffic_at: None,
            unanswered: 0,
            unanswered_at: None,
            probe_id: RequestId::default(),
            in_flight: false,
            probed_wall: None,
            probe_at: None,
            random: fastrand::Rng::with_seed(seed),
            assessment: assess(&Evidence::default()),
            since_wall: now.wall.clone(),
            since_seen: false,
            since_uptime: now.uptime,
            is_watching: false,
            last_lasting: None,
        }
    }

    /// Applies the probe interval and the tunnel's grace period of a changed configuration. A probe already scheduled
    /// keeps its time.
    pub fn set_config(&mut self, config: &VpnConfig) {
        self.interval = Duration::from_secs(config.probe_seconds.into());
        self.grace_period = Duration::from_secs(config.settle_seconds.into());
    }

    /// The current status.
    pub fn status(&self) -> VpnStatus {
        self.assessment.status
    }

    /// Why the status is what it is.
    pub fn reason(&self) -> Reason {
        self.assessment.reason
    }

    /// The current status and why it is what it is.
    pub fn assessment(&self) -> Assessment {
        self.assessment
    }

    /// Whether a probe is under way.
    pub fn is_probing(&self) -> bool {
        self.in_flight
    }

    /// The wall-clock time at which the current status began, or was found. Looks that prove nothing and attempts that fail
    /// in between do not count.
    pub fn since_wall(&self) -> &ZonedDateTime {
        &self.since_wall
    }

    /// The wall-clock time at which the last probe was answered, or ended; `None` before the first one.
    pub fn probed_wall(&self) -> Option<&ZonedDateTime> {
        self.probed_wall.as_ref()
    }

    /// The same as [`Tracker::since_wall`], if the status was seen to begin: that of the first reading after the start or after sleep was not.
    pub fn seen_since(&self) -> Option<&ZonedDateTime> {
        self.since_seen.then_some(&self.since_wall)
    }

    /// The uptime at which the current status was found, to compute how long it has lasted: uptime never jumps.
    pub fn since_uptime(&self) -> Duration {
        self.since_uptime
    }

    /// Interfaces and routes as last seen.
    pub fn links(&self) -> Option<&Links> {
        self.evidence.links.as_ref()
    }

    /// The evidence for the current status.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// The uptime at which to call [`Tracker::tick`] next.
    pub fn next_wake(&self) -> Option<Duration> {
        let believed_until = self.claims_connecting().then_some(self.client_since + CONNECTING_TIMEOUT);
        [self.probe_at, self.traffic_at, believed_until].into_iter().flatten().min()
    }

    /// Handles interfaces and routes that were read just now.
    pub fn on_links(&mut self, links: Links, now: &Now) -> TrackerRequests {
        let old = self.evidence.links.take();
        let led_elsewhere = old.as_ref().is_some_and(|old| old.leads_elsewhere);
        // A tunnel that has just got its routes may be silent for a moment, as a new one. If it is still connected, they were
        // away for a moment only.
        let gained_routes = led_elsewhere && !links.leads_elsewhere && self.status() != VpnStatus::Connected;
        let same_tunnel = match (old.as_ref().and_then(Links::tunnel), links.tunnel()) {
            (Some(before), Some(tunnel)) => same_interface(before, tunnel) && !gained_routes,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let same_underlay = old.as_ref().is_some_and(|old| same_underlay(old, &links));
        let tunnel = links.tunnel().is_some();
        let route = links.default_route.is_some();
        if same_tunnel && same_underlay {
            let lost_routes = links.leads_elsewhere && !led_elsewhere && tunnel && route;
            self.evidence.links = Some(links);
            self.evidence.known_path = self.known_path();
            if !lost_routes {
                return TrackerRequests::default();
            }
            // Bytes through the tunnel no longer prove anything, and what answered must answer again.
            self.evidence.traffic = false;
            self.counters = None;
            return TrackerRequests { probe: Some(self.request(now)), ..TrackerRequests::default() };
        }
        // A tunnel or a network that was seen to come or go is a beginning.
        self.is_watching |= old.is_some() && (!same_tunnel || !route);
        let lost_tunnel = !tunnel && !same_tunnel && same_underlay;
        // On site with a tunnel up as well, the answer came by the direct path, which still exists.
        let still_answers = same_underlay
            && self
                .evidence
                .witnesses
                .as_ref()
                .is_some_and(|witnesses| proven(witnesses, Path::Direct, &links, None) >= Some(Strength::Strong));
        self.evidence.links = Some(links);
        self.tunnel_new = tunnel && !same_tunnel && old.is_some();
        self.tunnel_since = tunnel.then_some(now.uptime);
        self.tunnel_proven = false;
        self.silences = 0;
        self.evidence.client = None;
        self.evidence.traffic = false;
        self.counters = None;
        self.unanswered = 0;
        self.traffic_at = None;
        if !still_answers {
            self.evidence.witnesses = None;
        }
        self.gateway_inferred = false;
        let mut reread = false;
        if !same_underlay {
            self.network_proven = false;
            // They may be those of the previous network; the system is asked again.
            reread = !std::mem::take(&mut self.domain_interfaces).is_empty();
            self.evidence.gateway = None;
            self.evidence.gateway_local = None;
        }
        if lost_tunnel && self.status() == VpnStatus::Connected {
            // The tunnel is gone. As it worked, the gateway was within reach a moment ago; the probe that follows
            // confirms or corrects.
            self.evidence.witnesses = Some(Vec::new());
            self.evidence.gateway = Some(Gateway::Answered);
            self.gateway_inferred = true;
        }
        if !route {
            // Nothing can be probed, and the evidence belongs to another network.
            let (links, connecting) = (self.evidence.links.take(), self.evidence.connecting);
            self.evidence = Evidence { links, connecting, ..Evidence::default() };
            self.gateway_inferred = false;
            self.stop_probing();
        }
        self.judge(now);
        if route {
            let probe = Some(self.request(now));
            TrackerRequests { links: reread, probe, traffic: self.tunnel_index(), client: true }
        } else {
            TrackerRequests { links: reread, ..TrackerRequests::default() }
        }
    }

    /// The operating system has authenticated the networks of these interfaces against the computer's domain.
    pub fn on_domain_networks(&mut self, interfaces: Vec<u32>, now: &Now) {
        self.domain_interfaces = interfaces;
        self.judge(now);
    }

    /// Handles the end of a probe, or its first strong answer. An answer to an older request is discarded.
    pub fn on_probe(&mut self, probe: Probe, now: &Now) -> TrackerRequests {
        let Some(links) = &self.evidence.links else { return TrackerRequests::default() };
        if probe.id != self.probe_id {
            return TrackerRequests::default();
        }
        let answered = Evidence::is_answered(&probe.witnesses, links, self.evidence.known_path);
        if !probe.complete && !answered {
            return TrackerRequests::default();
        }
        self.probed_wall = Some(now.wall.clone());
        if answered {
            self.tunnel_proven |= proven(&probe.witnesses, Path::Tunnel, links, None) >= Some(Strength::Strong);
            self.network_proven |= proven(&probe.witnesses, Path::Direct, links, None) >= Some(Strength::Strong);
            self.in_flight = !probe.complete;
            // The probe's own bytes are not new evidence.
            self.counters = None;
            self.unanswered = 0;
            self.silences = 0;
            self.gateway_inferred = false;
            self.evidence.client = None;
            self.keep_gateway(&probe);
            self.evidence.witnesses = Some(probe.witnesses);
            return self.judge_and_pause(now);
        }
        self.in_flight = false;
        let reached = self.status().reaches_intranet() == Some(true);
        if self.in_grace_period(now) && !reached {
            // Too early to judge. A tunnel that came up is still connecting, one that existed before stays unknown.
            return self.judge_and_pause(now);
        }
        self.silences = self.silences.saturating_add(1);
        // One lost probe proves nothing: a second one must confirm that what worked no longer works, or that a tunnel
        // carries nothing.
        if (reached || self.has_tunnel()) && self.silences < SILENCES_UNTIL_STALLED {
            let probe = Some(self.request(now));
            return TrackerRequests { probe, traffic: self.tunnel_index(), ..TrackerRequests::default() };
        }
        if self.gateway_inferred && matches!(probe.gateway, Some(Gateway::Silent | Gateway::Refused)) {
            // It answered a moment ago: a second silence must confirm this too.
            self.gateway_inferred = false;
            self.evidence.witnesses = Some(probe.witnesses);
            self.judge(now);
            self.probe_at = Some(now.uptime + RETRY);
            return TrackerRequests::default();
        }
        self.gateway_inferred = false;
        self.keep_gateway(&probe);
        self.evidence.witnesses = Some(probe.witnesses);
        let client = self.has_tunnel() && self.silences <= SILENCES_UNTIL_STALLED;
        TrackerRequests { client, traffic: self.tunnel_index(), ..self.judge_and_pause(now) }
    }

    /// Keeps what the gateway answered, if the probe included it.
    fn keep_gateway(&mut self, probe: &Probe) {
        if probe.gateway.is_some() {
            self.evidence.gateway = probe.gateway;
            self.evidence.gateway_local = probe.gateway_local;
        }
    }

    /// Handles the counters of an interface. Packets that come through the tunnel prove that it works, so nothing needs to
    /// be probed; packets that are sent and not answered call for a probe.
    pub fn on_traffic(&mut self, traffic: Option<Traffic>, now: &Now) -> TrackerRequests {
        let Some(traffic) = traffic.filter(|traffic| self.tunnel_index() == Some(traffic.interface)) else {
            return TrackerRequests::default();
        };
        // Any VPN's tunnel carries traffic; only the academy's proves something.
        let least = if self.tunnel_proven {
            MIN_TRAFFIC_BYTES
        } else if self.known_path().is_some() {
            UNPROVEN_TRAFFIC_BYTES
        } else {
            u64::MAX
        };
        let before = self.counters.replace(traffic).unwrap_or(traffic);
        let received = traffic.received_bytes.saturating_sub(before.received_bytes);
        let sent = traffic.sent_packets.saturating_sub(before.sent_packets);
        self.unanswered = if received >= least { 0 } else { self.unanswered.saturating_add(sent) };
        if received >= least {
            self.evidence.traffic = true;
            if !self.in_flight && self.status() == VpnStatus::Connected {
                let pause = self.jittered(self.interval);
                self.probe_at = Some(now.uptime + pause);
            }
        } else if self.unanswered >= UNANSWERED_PACKETS {
            self.evidence.traffic = false;
            let pause_over = self.unanswered_at.is_none_or(|at| now.uptime >= at + UNANSWERED_PAUSE);
            let swallowed = sent > 0 && received == 0;
            if swallowed && pause_over && !self.in_flight && self.status() == VpnStatus::Connected {
                self.unanswered_at = Some(now.uptime);
                let soon = now.uptime + UNANSWERED_SPREAD * self.random.u32(..1000) / 1000;
                self.probe_at = Some(self.probe_at.map_or(soon, |at| at.min(soon)));
            }
        }
        self.judge(now);
        let pause =
            if received >= least || sent >= UNANSWERED_PACKETS { TRAFFIC_INTERVAL } else { IDLE_TRAFFIC_INTERVAL };
        self.traffic_at = Some(now.uptime + pause);
        TrackerRequests::default()
    }

    /// Handles the answer of Cisco's command line.
    pub fn on_client(&mut self, client: Option<ClientState>, now: &Now) -> TrackerRequests {
        self.evidence.client = client;
        self.client_since = now.uptime;
        self.judge(now);
        if self.status() == VpnStatus::Connecting && !self.in_flight && self.probe_at.is_none() {
            self.probe_at = Some(now.uptime + RETRY);
        }
        TrackerRequests::default()
    }

    /// Sets whether Vigie itself is connecting.
    pub fn set_connecting(&mut self, connecting: bool, now: &Now) {
        if self.evidence.connecting != connecting {
            self.evidence.connecting = connecting;
            self.judge(now);
        }
    }

    /// Discards all evidence: it may be wrong after sleep or a jump of the clock.
    pub fn reset(&mut self, now: &Now) {
        self.evidence = Evidence { connecting: self.evidence.connecting, ..Evidence::default() };
        self.tunnel_since = None;
        self.tunnel_new = false;
        self.tunnel_proven = false;
        self.network_proven = false;
        self.domain_interfaces = Vec::new();
        self.silences = 0;
        self.gateway_inferred = false;
        self.counters = None;
        self.unanswered = 0;
        self.stop_probing();
        self.judge(now);
    }

    /// The machine slept, or its clock was set: what has changed meanwhile was not seen, and no beginning is known.
    pub fn forget_beginning(&mut self) {
        self.is_watching = false;
        self.since_seen = false;
        self.last_lasting = None;
    }

    /// Asks for fresh evidence of every kind.
    pub fn refresh(&mut self, now: &Now) -> TrackerRequests {
        let can_probe = self.evidence.links.as_ref().is_some_and(|links| links.default_route.is_some());
        let probe = can_probe.then(|| self.request(now));
        TrackerRequests { links: true, probe, traffic: self.tunnel_index(), client: true }
    }

    /// Handles a report of the tunnel's client that it has lost its server: probes unless a probe is under way.
    pub fn doubt(&mut self, now: &Now) -> TrackerRequests {
        let probe = (self.has_tunnel() && !self.in_flight).then(|| self.request(now));
        TrackerRequests { probe, ..TrackerRequests::default() }
    }

    /// Handles a wake-up requested by [`Tracker::next_wake`].
    pub fn tick(&mut self, now: &Now) -> TrackerRequests {
        let mut requests = TrackerRequests::default();
        if self.claims_connecting() && now.uptime >= self.client_since + CONNECTING_TIMEOUT {
            self.evidence.client = None;
        }
        let due = self.probe_at.is_some_and(|at| now.uptime >= at);
        if self.traffic_at.is_some_and(|at| now.uptime >= at) {
            requests.traffic = self.tunnel_index();
            // If no answer comes, the request is repeated.
            self.traffic_at = requests.traffic.map(|_| now.uptime + IDLE_TRAFFIC_INTERVAL);
        }
        self.judge(now);
        if due {
            requests.client = self.claims_connecting();
            requests.probe = Some(self.request(now));
        }
        requests
    }

    /// Whether Cisco's command line has reported that it is connecting.
    fn claims_connecting(&self) -> bool {
        matches!(self.evidence.client, Some(ClientState::Connecting | ClientState::Reconnecting))
    }

    /// Whether the tunnel is so new that silence means nothing yet.
    fn in_grace_period(&self, now: &Now) -> bool {
        self.tunnel_since.is_some_and(|since| now.uptime < since + self.grace_period)
    }

    fn has_tunnel(&self) -> bool {
        self.evidence.links.as_ref().is_some_and(|links| links.tunnel().is_some())
    }

    /// Returns the path to the intranet that is known to be the academy's, if any.
    fn known_path(&self) -> Option<Path> {
        let links = self.evidence.links.as_ref()?;
        match links.tunnel() {
            Some(tunnel) => {
                let is_own_client = !tunnel.is_generic_tunnel() && !links.leads_elsewhere;
                (self.tunnel_proven || is_own_client).then_some(Path::Tunnel)
            }
            None => (self.network_proven || self.evidence.domain_network).then_some(Path::Direct),
        }
    }

    /// Returns the index of the tunnel's interface.
    fn tunnel_index(&self) -> Option<u32> {
        self.evidence.links.as_ref()?.tunnel().map(|tunnel| tunnel.index)
    }

    /// Invalidates answers that are under way, and schedules no more requests.
    fn stop_probing(&mut self) {
        self.probe_id = self.probe_id.next();
        self.in_flight = false;
        self.probe_at = None;
        self.traffic_at = None;
    }

    /// Starts a new probe; answers to older ones are then discarded.
    fn request(&mut self, now: &Now) -> (RequestId, bool) {
        self.probe_id = self.probe_id.next();
        self.in_flight = true;
        // If no answer comes, the request is repeated.
        self.probe_at =
            Some(now.uptime + if self.in_grace_period(now) { GRACE_RETRY } else { self.interval.max(RETRY) });
        // A tunnel that carries nothing may be another VPN's; the path to the gateway shows that.
        let doubtful = self.evidence.links.as_ref().and_then(Links::tunnel).is_none_or(|tunnel| {
            self.silences > 0 || (tunnel.is_generic_tunnel() && !self.tunnel_proven && !self.in_grace_period(now))
        });
        (self.probe_id, doubtful)
    }

    /// Updates the status after a probe, and schedules the next one.
    fn judge_and_pause(&mut self, now: &Now) -> TrackerRequests {
        self.judge(now);
        self.probe_at = self.pause(now).map(|pause| now.uptime + self.jittered(pause));
        TrackerRequests::default()
    }

    /// Returns how long to wait before the next probe, if one is needed without an event.
    fn pause(&self, now: &Now) -> Option<Duration> {
        match self.status() {
            VpnStatus::Unknown | VpnStatus::Connecting if self.in_grace_period(now) => Some(GRACE_RETRY),
            VpnStatus::Connecting => Some(RETRY),
            VpnStatus::Connected => Some(self.interval),
            // No event says that a portal has let the user through, or that a gateway is back.
            VpnStatus::Stalled | VpnStatus::Captive => {
                let doubled = RETRY.saturating_mul(1_u32 << self.silences.saturating_sub(1).min(16));
                Some(doubled.min(self.interval))
            }
            VpnStatus::OnSite if self.has_tunnel() => Some(self.interval),
            // The operating system tells when it leaves the domain's network.
            VpnStatus::OnSite if self.reason() == Reason::DomainNetwork => None,
            VpnStatus::OnSite => Some(self.interval.max(ON_SITE_INTERVAL)),
            VpnStatus::Disconnected | VpnStatus::Unknown if self.has_tunnel() => Some(self.interval),
            VpnStatus::Disconnected => {
                let events_tell =
                    matches!(self.reason(), Reason::NoTunnel | Reason::AddressConflict | Reason::OtherVpn);
                // No event says that a clock was corrected or a certificate renewed.
                (!events_tell).then_some(self.interval)
            }
            VpnStatus::Unknown if self.reason() == Reason::Unproven => Some(self.interval),
            VpnStatus::Unknown | VpnStatus::Offline => None,
        }
    }

    /// Returns how often at least an unreachable gateway or intranet is tried again; `None` if only an event leads to that.
    pub fn retry_interval(&self, now: &Now) -> Option<Duration> {
        let out_of_reach = self.status().reaches_intranet() == Some(false);
        self.pause(now).filter(|_| out_of_reach).map(|_| self.interval)
    }

    /// Returns the pause, up to a tenth longer or shorter, so that a fleet does not probe in step.
    fn jittered(&mut self, pause: Duration) -> Duration {
        pause * self.random.u32(900..=1100) / 1000
    }

    /// Computes the status from the evidence, and notes when it changes.
    fn judge(&mut self, now: &Now) {
        // Silence is only kept as evidence once it has been confirmed, after the grace period.
        self.evidence.in_grace_period = self.tunnel_new && self.evidence.witnesses.is_none();
        // A tunnel's network is the academy's too, and no proof of being on site.
        let underlay = self.evidence.links.as_ref().and_then(Links::underlay).map(|underlay| underlay.index);
        self.evidence.domain_network = underlay.is_some_and(|underlay| self.domain_interfaces.contains(&underlay));
        self.evidence.known_path = self.known_path();
        let status = self.status();
        self.assessment = assess(&self.evidence);
        if self.status() == VpnStatus::Connected && self.traffic_at.is_none() && self.has_tunnel() {
            self.traffic_at = Some(now.uptime + TRAFFIC_INTERVAL);
        }
        if status != self.status() {
            self.on_status_change(status, now);
        }
    }

    /// Notes when the status began that follows the one `before`.
    fn on_status_change(&mut self, before: VpnStatus, now: &Now) {
        self.since_uptime = now.uptime;
        if is_lasting(before) && self.is_watching {
            self.last_lasting = Some((before, self.since_wall.clone(), self.since_seen));
        }
        let has_route = self.evidence.links.as_ref().is_some_and(|links| links.default_route.is_some());
        self.last_lasting.take_if(|(status, ..)| {
            let network_came = *status == VpnStatus::Offline && has_route;
            let connects_anew = *status == VpnStatus::Connected && self.assessment.status == VpnStatus::Connecting;
            network_came || connects_anew
        });
        (self.since_wall, self.since_seen) = match &self.last_lasting {
            Some((last, since, seen)) if *last == self.status() => (since.clone(), *seen),
            _ => (now.wall.clone(), self.is_watching),
        };
        self.is_watching |= is_lasting(self.status());
    }
}

/// Whether a status is a finding, and not a check or an attempt that is under way.
fn is_lasting(status: VpnStatus) -> bool {
    !matches!(status, VpnStatus::Unknown | VpnStatus::Connecting)
}

/// Whether packets leave the machine by the same interface and router. A default route through the tunnel hides these;
/// they count as the same as long as the other interfaces exist.
fn same_underlay(old: &Links, new: &Links) -> bool {
    let exists = |way: &Interface, links: &Links| links.interfaces.iter().any(|other| same_interface(way, other));
    match (old.underlay(), new.underlay()) {
        (Some(before), Some(after)) => old.default_route == new.default_route && same_interface(before, after),
        (None, None) => {
            let mut ways = old.interfaces.iter().filter(|interface| !interface.tunnel);
            old.default_route.is_some() == new.default_route.is_some() && ways.all(|way| exists(way, new))
        }
        // The tunnel takes or gives back the default route.
        (Some(way), None) => new.default_route.is_some() && exists(way, new),
        (None, Some(way)) => old.default_route.is_some() && exists(way, old),
    }
}

/// Whether an interface is still the same one, with the same IPv4 addresses. (IPv6 privacy addresses come and go on a
/// network that stays.)
fn same_interface(old: &Interface, new: &Interface) -> bool {
    let addresses = |interface: &Interface| -> Vec<IpAddr> {
        let (four, six): (Vec<_>, Vec<_>) = interface.addresses.iter().copied().partition(IpAddr::is_ipv4);
        if four.is_empty() { six } else { four }
    };
    old.index == new.index && old.tunnel == new.tunnel && addresses(old) == addresses(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{
        HOME, TUNNEL, after, correct, guide, home, interface, network, probe, silent, with_tunnel, witness,
    };
    use crate::vpn::{Answer, DefaultRoute, Ends, Interface, Witness};
    use proptest::prelude::*;

    /// A simulated machine whose probes end at once if the intranet answers, after 3 s if it does not.
    struct World {
        tracker: Tracker,
        links: Links,
        /// This machine's end of the connection that the intranet answers.
        intranet: Option<IpAddr>,
        /// The tunnel's counters.
        traffic: Traffic,
        /// Bytes received and packets sent per second.
        flow: (u64, u64),
        gateway: Gateway,
        client: Option<ClientState>,
        seconds: f64,
        /// Probes under way: the second at which the answer comes, its id, whether the gateway is probed too.
        asked: Vec<(f64, RequestId, bool)>,
        /// When each probe was started.
        probes: Vec<f64>,
        wakes: usize,
    }

    impl World {
        fn new(links: Links) -> World {
            let mut world = World {
                tracker: Tracker::new(&guide().vpn, 7, &after(100.0)),
                links,
                intranet: None,
                traffic: Traffic { interface: 9, received_bytes: 0, sent_packets: 0 },
                flow: (0, 0),
                gateway: Gateway::Answered,
                client: None,
                seconds: 100.0,
                asked: Vec::new(),
                probes: Vec::new(),
                wakes: 0,
            };
            world.on_links();
            world
        }

        fn status(&self) -> VpnStatus {
            self.tracker.status()
        }

        fn now(&self) -> Now {
            after(self.seconds)
        }

        fn on_links(&mut self) {
            let requests = self.tracker.on_links(self.links.clone(), &self.now());
            self.obey(requests);
        }

        /// Changes the network.
        fn becomes(&mut self, links: Links, intranet: Option<IpAddr>) {
            self.links = links;
            self.intranet = intranet;
            self.on_links();
        }

        fn obey(&mut self, requests: TrackerRequests) {
            if requests.links {
                self.on_links();
            }
            if let Some((id, gateway)) = requests.probe {
                let delay = if self.intranet.is_some() { 0.02 } else { 3.0 };
                self.probes.push(self.seconds);
                // Through the tunnel, a probe is traffic too.
                self.traffic.sent_packets += 2;
                if self.intranet == Some(TUNNEL) {
                    self.traffic.received_bytes += 500;
                }
                self.asked.push((self.seconds + delay, id, gateway));
            }
            if requests.traffic.is_some() {
                let requests = self.tracker.on_traffic(Some(self.traffic), &self.now());
                self.obey(requests);
            }
            if requests.client {
                let requests = self.tracker.on_client(self.client, &self.now());
                self.obey(requests);
            }
        }

        /// Time passes; answers come in and wake-ups are kept.
        fn pass(&mut self, seconds: f64) {
            let end = self.seconds + seconds;
            loop {
                let answer = self.asked.iter().map(|asked| asked.0).fold(f64::INFINITY, f64::min);
                let wake = self.tracker.next_wake().map_or(f64::INFINITY, |at| at.as_secs_f64().max(self.seconds));
                let next = answer.min(wake);
                if next > end {
                    break;
                }
                self.flow_for(next - self.seconds);
                self.seconds = next;
                if answer <= wake {
                    let index = self.asked.iter().position(|asked| asked.0 == answer).expect("it was found just now");
                    let (_, id, gateway) = self.asked.remove(index);
                    let witnesses = self.intranet.map_or_else(silent, correct);
                    let probe = probe(id, witnesses, gateway.then_some(self.gateway));
                    let requests = self.tracker.on_probe(probe, &self.now());
                    self.obey(requests);
                } else {
                    self.wakes += 1;
                    let now = Now { uptime: self.tracker.next_wake().expect("it was found just now"), ..self.now() };
                    let requests = self.tracker.tick(&now);
                    assert!(self.tracker.next_wake().is_none_or(|at| at > now.uptime), "a wake-up that repeats itself");
                    self.obey(requests);
                }
            }
            self.flow_for(end - self.seconds);
            self.seconds = end;
        }

        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a test's small numbers")]
        fn flow_for(&mut self, seconds: f64) {
            // In whole seconds, so that nothing is lost by rounding.
            let whole = ((self.seconds + seconds).floor() - self.seconds.floor()) as u64;
            self.traffic.received_bytes += self.flow.0 * whole;
            self.traffic.sent_packets += self.flow.1 * whole;
        }

        /// Time passes until the status is this one.
        fn until(&mut self, status: VpnStatus, within: f64) {
            let mut passed = 0.0;
            while self.status() != status {
                assert!(passed < within, "{:?} instead of {status:?} after {within} s", self.status());
                self.pass(0.25);
                passed += 0.25;
            }
        }
    }

    #[test]
    fn at_home_without_the_vpn() {
        let mut world = World::new(home());
        assert_eq!(world.status(), VpnStatus::Unknown);
        world.until(VpnStatus::Disconnected, 3.5);
        // Nothing more to do until something changes.
        world.pass(7200.0);
        assert_eq!((world.status(), world.probes.len(), world.wakes), (VpnStatus::Disconnected, 1, 0));
        assert_eq!(world.tracker.next_wake(), None);
    }

    #[test]
    fn connecting_and_being_connected() {
        let mut world = World::new(home());
        world.until(VpnStatus::Disconnected, 3.5);
        world.client = Some(ClientState::Connecting);
        let requests = world.tracker.on_client(world.client, &world.now());
        world.obey(requests);
        assert_eq!(world.status(), VpnStatus::Connecting);
        world.becomes(with_tunnel(home()), None);
        assert_eq!(world.status(), VpnStatus::Connecting);
        world.pass(2.0);
        world.intranet = Some(TUNNEL);
        world.until(VpnStatus::Connected, 5.5);
        // Cisco's report is no longer needed, nor requested.
        world.pass(1.0);
        assert_eq!(world.tracker.evidence().client, None);
    }

    #[test]
    fn a_beginning_is_known_only_if_it_was_seen() {
        let mut world = World::new(home());
        let seen = |world: &World| world.tracker.seen_since().cloned();
        world.until(VpnStatus::Disconnected, 3.5);
        assert_eq!(seen(&world), None, "the first reading");
        let before = world.now().wall;
        world.becomes(with_tunnel(home()), Some(TUNNEL));
        world.until(VpnStatus::Connected, 5.5);
        let connected = seen(&world);
        assert!(connected > Some(before), "the tunnel was seen to come up");
        // Looked at again, at the user's request: it lasts.
        world.pass(600.0);
        world.tracker.reset(&world.now());
        world.on_links();
        world.until(VpnStatus::Connected, 5.5);
        assert_eq!(seen(&world), connected);
        // The machine slept, or its clock was set.
        world.tracker.forget_beginning();
        assert_eq!(seen(&world), None);
        world.tracker.reset(&world.now());
        world.on_links();
        world.until(VpnStatus::Connected, 5.5);
        assert_eq!(seen(&world), None);
        world.becomes(home(), None);
        assert_eq!((world.status(), seen(&world)), (VpnStatus::Disconnected, Some(world.now().wall)));
        // A new tunnel is a new beginning.
        world.pass(60.0);
        let before = world.now().wall;
        world.becomes(with_tunnel(home()), Some(TUNNEL));
        world.until(VpnStatus::Connected, 5.5);
        assert!(seen(&world) > Some(before));
    }

    #[test]
    fn what_is_said_to_be_tried_again_is() {
        for gateway in Gateway::ALL {
            for links in [home(), with_tunnel(home())] {
                let mut world = World::new(links);
                world.gateway = gateway;
                world.pass(600.0);
                let interval = world.tracker.retry_interval(&world.now());
                let before = world.probes.len();
                world.pass(interval.unwrap_or(Duration::from_secs(600)).as_secs_f64() * 1.1 + 3.0);
                let is_retried = world.probes.len() > before;
                assert_eq!(is_retried, interval.is_some(), "{gateway:?}: {:?}", world.tracker.reason());
            }
        }
    }

    #[test]
    fn attempts_that_fail_do_not_begin_anything() {
        let mut world = World::new(home());
        world.until(VpnStatus::Disconnected, 3.5);
        for (seen, links) in [(false, home()), (true, home())] {
            let since = world.tracker.since_wall().clone();
            assert_eq!(world.tracker.seen_since().is_some(), seen);
            world.pass(60.0);
            world.tracker.set_connecting(true, &world.now());
            assert_eq!(world.status(), VpnStatus::Connecting);
            world.pass(10.0);
            world.tracker.set_connecting(false, &world.now());
            assert_eq!((world.status(), world.tracker.since_wall()), (VpnStatus::Disconnected, &since));
            assert_eq!(world.tracker.seen_since().is_some(), seen, "an attempt shows no beginning");
            // The cable is out, and in again: that is one.
            world.becomes(Links::default(), None);
            assert_eq!(world.tracker.seen_since(), Some(&world.now().wall));
            world.pass(5.0);
            world.becomes(links, None);
            world.until(VpnStatus::Disconnected, 3.5);
        }
    }

    #[test]
    fn ciscos_report_that_it_connects_is_not_believed_for_ever() {
        let mut world = World::new(home());
        world.until(VpnStatus::Disconnected, 3.5);
        let requests = world.tracker.on_client(Some(ClientState::Connecting), &world.now());
        world.obey(requests);
        assert_eq!(world.status(), VpnStatus::Connecting);
        // When asked again, it no longer answers.
        world.pass(130.0);
        assert_eq!((world.status(), world.tracker.next_wake()), (VpnStatus::Disconnected, None));
    }

    fn connected() -> World {
        let mut world = World::new(home());
        world.until(VpnStatus::Disconnected, 3.5);
        world.becomes(with_tunnel(home()), Some(TUNNEL));
        world.until(VpnStatus::Connected, 0.5);
        world.pass(60.0);
        world
    }

    #[test]
    fn an_idle_tunnel_costs_one_probe_per_interval_and_one_counter_reading_per_20_s() {
        let mut world = connected();
        (world.probes, world.wakes) = (Vec::new(), 0);
        world.pass(86_400.0);
        let gaps: Vec<f64> = world.probes.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (54.0..=66.1).contains(gap)), "{gaps:?}");
        let (least, most) =
            gaps.iter().fold((f64::MAX, 0.0_f64), |(least, most), gap| (least.min(*gap), most.max(*gap)));
        assert!(least < 56.0 && most > 64.0, "a fleet would probe in step");
        assert!((4250..=4400).contains(&(world.wakes - world.probes.len())), "{} wake-ups", world.wakes);
        assert_eq!(world.status(), VpnStatus::Connected);
    }

    #[test]
    fn one_lost_probe_is_no_stall_a_second_one_is() {
        let mut world = connected();
        let since = world.tracker.since_wall().clone();
        // Lost once.
        let requests = world.tracker.refresh(&world.now());
        world.intranet = None;
        world.obey(requests);
        world.pass(2.9);
        world.intranet = Some(TUNNEL);
        world.pass(0.2);
        world.pass(10.0);
        assert_eq!((world.status(), world.tracker.since_wall()), (VpnStatus::Connected, &since));
        // Lost for good.
        world.intranet = None;
        world.until(VpnStatus::Stalled, 66.0 + 6.5);
        // Back: noticed soon, and the pauses grow no longer than the interval.
        world.intranet = Some(TUNNEL);
        world.until(VpnStatus::Connected, 12.0);
        world.intranet = None;
        world.until(VpnStatus::Stalled, 66.0 + 6.5);
        let before = world.probes.len();
        world.pass(3600.0);
        assert!((50..=70).contains(&(world.probes.len() - before)), "{}", world.probes.len() - before);
        world.intranet = Some(TUNNEL);
        world.until(VpnStatus::Connected, 70.0);
    }

    #[test]
    fn a_slow_tunnel_is_connecting_then_stalled() {
        let mut world = World::new(home());
        world.becomes(with_tunnel(home()), None);
        assert_eq!(world.status(), VpnStatus::Connecting);
        world.pass(4.9);
        assert_eq!(world.status(), VpnStatus::Connecting);
        world.until(VpnStatus::Stalled, 7.0);
        // Late, but not given up.
        world.intranet = Some(TUNNEL);
        world.until(VpnStatus::Connected, 12.0);
    }

    #[test]
    fn routes_that_come_after_the_address_hold_nothing_up() {
        let mut world = World::new(home());
        // The first probe goes out by the old way, where nothing answers.
        world.becomes(with_tunnel(home()), None);
        world.pass(0.1);
        world.intranet = Some(TUNNEL);
        world.until(VpnStatus::Connected, 0.5);
    }

    #[test]
    fn a_tunnel_whose_routes_go_is_probed_and_one_that_gets_them_is_new() {
        let elsewhere = Links { leads_elsewhere: true, ..with_tunnel(home()) };
        let mut world = connected();
        // In use until then.
        world.flow = (20_000, 10);
        world.pass(10.0);
        let probes = world.probes.len();
        world.flow = (0, 0);
        world.becomes(elsewhere.clone(), None);
        assert_eq!((world.probes.len(), world.status()), (probes + 1, VpnStatus::Connected));
        world.until(VpnStatus::Disconnected, 7.0);
        assert_eq!(world.tracker.reason(), Reason::OtherVpn);
        world.becomes(with_tunnel(home()), Some(TUNNEL));
        world.until(VpnStatus::Connected, 0.5);
        // The first moments of a connection: the address comes before the routes.
        let mut world = World::new(home());
        world.until(VpnStatus::Disconnected, 3.5);
        world.becomes(elsewhere, None);
        world.pass(0.1);
        assert_eq!(world.status(), VpnStatus::Connecting);
        world.becomes(with_tunnel(home()), Some(TUNNEL));
        world.until(VpnStatus::Connected, 0.5);
    }

    #[test]
    fn routes_that_are_away_for_a_moment_change_nothing() {
        let mut world = connected();
        let since = world.tracker.since_wall().clone();
        world.becomes(Links { leads_elsewhere: true, ..with_tunnel(home()) }, Some(TUNNEL));
        world.becomes(with_tunnel(home()), Some(TUNNEL));
        assert_eq!((world.status(), world.tracker.since_wall()), (VpnStatus::Connected, &since));
    }

    #[test]
    fn bytes_through_a_tunnel_that_leads_elsewhere_prove_nothing() {
        let mut world = World::new(home());
        world.until(VpnStatus::Disconnected, 3.5);
        world.becomes(Links { leads_elsewhere: true, ..with_tunnel(home()) }, None);
        for _ in 0..20 {
            world.traffic.received_bytes += 100_000;
            world.pass(3.0);
        }
        assert_eq!((world.status(), world.tracker.reason()), (VpnStatus::Disconnected, Reason::OtherVpn));
    }

    #[test]
    fn a_tunnel_that_is_taken_down_is_noticed_at_once() {
        let mut world = connected();
        world.becomes(home(), None);
        assert_eq!(world.status(), VpnStatus::Disconnected);
        world.pass(60.0);
        assert_eq!((world.status(), world.tracker.next_wake()), (VpnStatus::Disconnected, None));
    }

    #[test]
    fn a_dead_server_is_a_lost_tunnel_first_and_a_silent_gateway_when_confirmed() {
        let mut world = connected();
        world.gateway = Gateway::Silent;
        world.becomes(home(), None);
        assert_eq!(world.status(), VpnStatus::Disconnected);
        world.pass(7.9);
        assert_eq!(world.status(), VpnStatus::Disconnected);
        world.until(VpnStatus::Captive, 3.5);
        // The server is back: noticed within an interval, without any event.
        world.pass(600.0);
        world.gateway = Gateway::Answered;
        world.until(VpnStatus::Disconnected, 70.0);
    }

    #[test]
    fn a_portal_in_the_gateways_name_needs_no_confirmation() {
        let mut world = connected();
        world.gateway = Gateway::OtherName;
        world.becomes(home(), None);
        world.until(VpnStatus::Captive, 3.5);
    }

    #[test]
    fn cable_out_and_in_again() {
        let mut world = connected();
        world.becomes(Links::default(), None);
        assert_eq!((world.status(), world.tracker.next_wake()), (VpnStatus::Offline, None));
        // The answer to an earlier probe no longer counts.
        world.pass(100.0);
        assert_eq!((world.status(), world.asked.len()), (VpnStatus::Offline, 0));
        world.becomes(home(), None);
        assert_eq!(world.status(), VpnStatus::Unknown);
        world.until(VpnStatus::Disconnected, 3.5);
    }

    #[test]
    fn another_wifi_leaves_nothing_of_the_old_one() {
        let mut world = connected();
        world.gateway = Gateway::OtherName;
        world.becomes(network([10, 1, 2, 3].into()), None);
        assert_eq!(world.status(), VpnStatus::Unknown);
        assert_eq!(world.tracker.evidence().gateway, None);
        world.until(VpnStatus::Captive, 3.5);
    }

    #[test]
    fn a_tunnel_that_outlives_its_network_is_in_doubt() {
        let mut world = connected();
        world.becomes(with_tunnel(network([10, 1, 2, 3].into())), None);
        assert_eq!(world.status(), VpnStatus::Unknown);
        world.pass(4.0);
        assert_eq!(world.status(), VpnStatus::Unknown);
        world.intranet = Some(TUNNEL);
        world.until(VpnStatus::Connected, 4.5);
        world.becomes(with_tunnel(network([10, 1, 2, 4].into())), None);
        world.until(VpnStatus::Stalled, 12.0);
    }

    #[test]
    fn irrelevant_changes_of_the_network_are_ignored() {
        let mut world = connected();
        let (since, probes) = (world.tracker.since_wall().clone(), world.probes.len());
        // A privacy address, another DNS server, a bridge that comes and goes.
        let mut links = with_tunnel(home());
        links.interfaces[0].addresses.push("2001:db8::1".parse().expect("an address"));
        links.interfaces[1].addresses.push("2001:db8::2".parse().expect("an address"));
        links.interfaces.push(interface(30, "docker0", [172, 17, 0, 1].into()));
        links.dns = vec![[9, 9, 9, 9].into()];
        world.becomes(links, Some(TUNNEL));
        assert_eq!(
            (world.status(), world.tracker.since_wall(), world.probes.len()),
            (VpnStatus::Connected, &since, probes)
        );
    }

    #[test]
    fn a_tunnel_that_takes_the_default_route_keeps_the_way_out() {
        let mut links = with_tunnel(home());
        links.default_route = Some(DefaultRoute { interface: 9, router: None });
        let mut world = World::new(home());
        world.until(VpnStatus::Disconnected, 3.5);
        world.becomes(links.clone(), Some(TUNNEL));
        world.until(VpnStatus::Connected, 0.5);
        // Beneath it, the network changes.
        let mut other = links.clone();
        other.interfaces[0].addresses = vec![[10, 1, 2, 3].into()];
        world.becomes(other, None);
        assert_eq!(world.status(), VpnStatus::Unknown);
        world.becomes(links, Some(TUNNEL));
        world.until(VpnStatus::Connected, 0.5);
        world.becomes(home(), None);
        assert_eq!(world.status(), VpnStatus::Disconnected);
    }

    #[test]
    fn a_portal_is_probed_until_it_lets_the_user_through() {
        let mut world = World::new(home());
        world.gateway = Gateway::OtherName;
        world.until(VpnStatus::Captive, 3.5);
        let asked = world.probes.len();
        world.pass(600.0);
        assert_eq!(world.status(), VpnStatus::Captive);
        assert!(world.probes.len() - asked < 20, "asked {} times in ten minutes", world.probes.len() - asked);
        world.gateway = Gateway::Answered;
        world.until(VpnStatus::Disconnected, 70.0);
    }

    #[test]
    fn a_gateway_that_changes_its_certificate_does_not_send_the_user_home() {
        let mut world = World::new(home());
        (world.intranet, world.gateway) = (Some(HOME), Gateway::Expired);
        world.until(VpnStatus::OnSite, 3.5);
        let requests = world.tracker.refresh(&world.now());
        world.obey(requests);
        world.pass(600.0);
        assert_eq!(world.status(), VpnStatus::OnSite);
    }

    #[test]
    fn a_certificate_that_is_renewed_is_noticed() {
        let mut world = World::new(home());
        world.gateway = Gateway::Expired;
        world.until(VpnStatus::Disconnected, 3.5);
        assert_eq!(world.tracker.reason(), Reason::CertificateExpired);
        world.gateway = Gateway::Answered;
        world.pass(70.0);
        assert_eq!(world.tracker.reason(), Reason::NoTunnel);
    }

    #[test]
    fn while_the_tunnel_is_in_use_nothing_is_probed() {
        let mut world = connected();
        world.flow = (20_000, 10);
        world.pass(10.0);
        let before = world.probes.len();
        world.pass(600.0);
        assert_eq!((world.status(), world.probes.len()), (VpnStatus::Connected, before));
    }

    #[test]
    fn a_tunnel_that_dies_in_use_is_noticed_within_20_s() {
        for offset in 0..20 {
            let mut world = connected();
            world.flow = (20_000, 10);
            world.pass(60.0 + f64::from(offset));
            // What is sent is lost.
            (world.flow, world.intranet) = ((0, 40), None);
            world.until(VpnStatus::Stalled, 20.0);
        }
    }

    #[test]
    fn a_print_server_that_restarts_is_no_loss_while_the_tunnel_carries() {
        let mut world = connected();
        (world.flow, world.intranet) = ((20_000, 10), None);
        for _ in 0..10 {
            let requests = world.tracker.refresh(&world.now());
            world.obey(requests);
            world.pass(10.0);
            assert_eq!(world.status(), VpnStatus::Connected);
        }
        assert_eq!(world.tracker.reason(), Reason::TunnelCarries);
    }

    #[test]
    fn a_probed_tunnel_that_swallows_everything_is_stalled() {
        let mut world = connected();
        // Something came a while ago; since then only the probes' own packets go out.
        world.flow = (100, 1);
        world.pass(30.0);
        (world.flow, world.intranet) = ((0, 1), None);
        world.until(VpnStatus::Stalled, 70.0);
    }

    #[test]
    fn packets_that_nobody_answers_are_no_reason_to_probe_all_the_time() {
        let mut world = connected();
        world.flow = (0, 5);
        let before = world.probes.len();
        world.pass(600.0);
        assert!(world.probes.len() - before <= 21, "{} probes", world.probes.len() - before);
    }

    #[test]
    fn traffic_through_a_tunnel_that_was_never_proven_is_no_evidence() {
        let mut links = with_tunnel(home());
        links.interfaces[1].name = "tun0".into();
        let mut world = World::new(home());
        world.flow = (1_000_000, 1000);
        world.becomes(links, None);
        world.pass(5.0);
        for _ in 0..600 {
            world.pass(0.5);
            assert_ne!(world.status(), VpnStatus::Connected);
        }
    }

    #[test]
    fn the_first_strong_answer_counts_before_the_probe_ends() {
        let mut tracker = Tracker::new(&guide().vpn, 7, &after(100.0));
        let (id, _) = tracker.on_links(home(), &after(100.0)).probe.expect("links that lead out are probed");
        tracker.on_probe(Probe { complete: false, ..probe(id, silent(), None) }, &after(100.1));
        assert_eq!(tracker.status(), VpnStatus::Unknown);
        tracker.on_probe(Probe { complete: false, ..probe(id, correct(HOME), None) }, &after(100.2));
        assert_eq!(tracker.status(), VpnStatus::OnSite);
    }

    #[test]
    fn on_site_with_and_without_a_tunnel_beside_it() {
        let mut world = World::new(home());
        world.intranet = Some(HOME);
        world.until(VpnStatus::OnSite, 3.5);
        world.pass(7200.0);
        assert!((11..=14).contains(&world.probes.len()), "every ten minutes: {} in two hours", world.probes.len());
        world.becomes(with_tunnel(home()), Some(HOME));
        assert_eq!(world.status(), VpnStatus::OnSite);
        world.pass(30.0);
        world.becomes(home(), Some(HOME));
        assert_eq!(world.status(), VpnStatus::OnSite);
        // One lost probe on demand does not mean that the intranet is gone.
        world.intranet = None;
        let requests = world.tracker.refresh(&world.now());
        world.obey(requests);
        world.pass(2.9);
        world.intranet = Some(HOME);
        world.pass(1.0);
        assert_eq!(world.status(), VpnStatus::OnSite);
        // The building loses its line, and no event says so.
        world.intranet = None;
        world.until(VpnStatus::Disconnected, 666.0);
    }

    fn learned(local: IpAddr) -> Vec<Witness> {
        let ends = Ends { local, remote: [172, 26, 1, 2].into() };
        [silent(), vec![Witness { learned: true, ..witness("smb://172.26.1.2", Answer::Correct(ends)) }]].concat()
    }

    /// The tracker's next probe is answered so.
    fn answer(tracker: &mut Tracker, witnesses: Vec<Witness>, seconds: f64) {
        let (id, _) = tracker.refresh(&after(seconds)).probe.expect("a network is probed");
        tracker.on_probe(probe(id, witnesses, Some(Gateway::Answered)), &after(seconds));
    }

    #[test]
    fn a_learned_server_keeps_on_site_what_another_has_proven() {
        let mut tracker = Tracker::new(&guide().vpn, 7, &after(100.0));
        tracker.on_links(home(), &after(100.0));
        answer(&mut tracker, learned(HOME), 101.0);
        assert_eq!((tracker.status(), tracker.evidence().known_path), (VpnStatus::Disconnected, None));
        answer(&mut tracker, correct(HOME), 102.0);
        assert_eq!((tracker.status(), tracker.evidence().known_path), (VpnStatus::OnSite, Some(Path::Direct)));
        // The print server restarts.
        for seconds in [103.0, 104.0, 105.0] {
            answer(&mut tracker, learned(HOME), seconds);
            assert_eq!(tracker.status(), VpnStatus::OnSite);
        }
        // At home the user has a file server too.
        tracker.on_links(network([10, 1, 2, 3].into()), &after(106.0));
        assert_eq!(tracker.evidence().known_path, None);
        answer(&mut tracker, learned([10, 1, 2, 3].into()), 107.0);
        assert_eq!(tracker.status(), VpnStatus::Disconnected);
        // And after sleep.
        tracker.on_links(home(), &after(108.0));
        answer(&mut tracker, correct(HOME), 109.0);
        tracker.reset(&after(110.0));
        tracker.on_links(home(), &after(110.0));
        assert_eq!(tracker.evidence().known_path, None);
    }

    #[test]
    fn a_domain_network_is_proof_until_the_network_changes() {
        let mut world = World::new(home());
        world.tracker.on_domain_networks(vec![2], &world.now());
        assert_eq!((world.status(), world.tracker.reason()), (VpnStatus::OnSite, Reason::DomainNetwork));
        // The print server is down: what the system has proven stays.
        world.pass(60.0);
        assert_eq!(world.status(), VpnStatus::OnSite);
        // With the same interface, at home. The system is asked anew, whichever of the two events comes first.
        world.links = network([10, 1, 2, 3].into());
        let requests = world.tracker.on_links(world.links.clone(), &world.now());
        assert!(requests.links);
        world.obey(requests);
        assert_ne!(world.status(), VpnStatus::OnSite);
        world.until(VpnStatus::Disconnected, 3.5);
        world.tracker.on_domain_networks(vec![2], &world.now());
        assert_eq!(world.status(), VpnStatus::OnSite);
        world.tracker.on_domain_networks(Vec::new(), &world.now());
        assert_eq!(world.status(), VpnStatus::Disconnected);
        // The academy's tunnel is in its domain, and so is its interface.
        world.becomes(with_tunnel(home()), None);
        world.tracker.on_domain_networks(vec![9], &world.now());
        assert_ne!(world.status(), VpnStatus::OnSite);
        world.tracker.on_domain_networks(vec![2], &world.now());
        world.tracker.reset(&world.now());
        world.on_links();
        assert_eq!(world.status(), VpnStatus::Unknown);
    }

    #[test]
    fn a_learned_server_proves_the_academys_tunnel_and_no_other() {
        let mut tracker = Tracker::new(&guide().vpn, 7, &after(100.0));
        tracker.on_links(with_tunnel(home()), &after(100.0));
        assert_eq!(tracker.evidence().known_path, Some(Path::Tunnel));
        answer(&mut tracker, learned(TUNNEL), 101.0);
        assert_eq!(tracker.status(), VpnStatus::Connected);
        let mut links = with_tunnel(home());
        links.interfaces[1].name = "tun0".into();
        let mut tracker = Tracker::new(&guide().vpn, 7, &after(100.0));
        tracker.on_links(links, &after(100.0));
        for seconds in [120.0, 121.0, 122.0] {
            answer(&mut tracker, learned(TUNNEL), seconds);
            assert_ne!(tracker.status(), VpnStatus::Connected);
        }
        answer(&mut tracker, correct(TUNNEL), 123.0);
        answer(&mut tracker, learned(TUNNEL), 124.0);
        assert_eq!((tracker.status(), tracker.evidence().known_path), (VpnStatus::Connected, Some(Path::Tunnel)));
    }

    #[test]
    fn after_sleep_nothing_is_claimed_until_it_is_observed() {
        let mut world = connected();
        world.tracker.reset(&world.now());
        assert_eq!((world.status(), world.tracker.next_wake()), (VpnStatus::Unknown, None));
        // An answer from before the sleep.
        world.pass(5.0);
        assert_eq!(world.status(), VpnStatus::Unknown);
        // The tunnel still exists but is dead: the status is never Connected.
        world.intranet = None;
        world.on_links();
        for _ in 0..100 {
            assert!(matches!(world.status(), VpnStatus::Unknown | VpnStatus::Stalled));
            world.pass(0.25);
        }
        assert_eq!(world.status(), VpnStatus::Stalled);
        // This one works.
        world.tracker.reset(&world.now());
        world.intranet = Some(TUNNEL);
        world.on_links();
        world.until(VpnStatus::Connected, 0.5);
    }

    #[test]
    fn a_probe_without_an_answer_is_repeated() {
        let mut world = World::new(with_tunnel(home()));
        world.asked.clear();
        world.intranet = Some(TUNNEL);
        world.until(VpnStatus::Connected, 61.0);
    }

    #[derive(Debug, Clone)]
    enum WorldStep {
        Links(u8),
        Answers(u8),
        Gateway(u8),
        Client(u8),
        Forget,
        Refresh,
        Stale(u64),
        Pass(f64),
    }

    fn step() -> impl Strategy<Value = WorldStep> {
        prop_oneof![
            (0..6_u8).prop_map(WorldStep::Links),
            (0..3_u8).prop_map(WorldStep::Answers),
            (0..3_u8).prop_map(WorldStep::Gateway),
            (0..5_u8).prop_map(WorldStep::Client),
            Just(WorldStep::Forget),
            Just(WorldStep::Refresh),
            any::<u64>().prop_map(WorldStep::Stale),
            (0.0..200.0).prop_map(WorldStep::Pass),
            (0.0..4.0).prop_map(WorldStep::Pass),
        ]
    }

    impl World {
        fn take(&mut self, step: &WorldStep) {
            match *step {
                WorldStep::Links(kind) => {
                    self.links = match kind {
                        0 => Links::default(),
                        1 => home(),
                        2 => network([10, 1, 2, 3].into()),
                        3 => with_tunnel(network([10, 1, 2, 3].into())),
                        4 => Links {
                            default_route: Some(DefaultRoute { interface: 9, router: None }),
                            ..with_tunnel(home())
                        },
                        _ => with_tunnel(home()),
                    };
                    self.on_links();
                }
                WorldStep::Answers(kind) => self.intranet = [None, Some(HOME), Some(TUNNEL)][usize::from(kind)],
                WorldStep::Gateway(kind) => {
                    self.gateway = [Gateway::Answered, Gateway::OtherName, Gateway::Silent][usize::from(kind)];
                }
                WorldStep::Client(kind) => {
                    use ClientState::{Connected, Connecting, Disconnected, Reconnecting};
                    self.client = [None, Some(Connecting), Some(Connected), Some(Disconnected), Some(Reconnecting)]
                        [usize::from(kind)];
                    let requests = self.tracker.on_client(self.client, &self.now());
                    self.obey(requests);
                }
                WorldStep::Forget => {
                    self.tracker.reset(&self.now());
                    assert_eq!(self.status(), VpnStatus::Unknown);
                    self.on_links();
                }
                WorldStep::Refresh => {
                    let requests = self.tracker.refresh(&self.now());
                    self.obey(requests);
                }
                WorldStep::Stale(number) => {
                    if self.asked.iter().any(|asked| asked.1 == RequestId::new(number)) {
                        return;
                    }
                    let before = format!("{:?}", self.tracker);
                    let probe = probe(RequestId::new(number.wrapping_add(1 << 32)), correct(TUNNEL), None);
                    let requests = self.tracker.on_probe(probe, &self.now());
                    assert_eq!((requests, format!("{:?}", self.tracker)), (TrackerRequests::default(), before));
                }
                WorldStep::Pass(seconds) => self.pass(seconds),
            }
        }

        /// The status that is true in the simulated world, with the client silent.
        fn truth(&self) -> VpnStatus {
            let evidence = Evidence {
                links: Some(self.links.clone()),
                witnesses: Some(self.intranet.map_or_else(silent, correct)),
                gateway: Some(self.gateway),
                ..Evidence::default()
            };
            assess(&evidence).status
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(120))]

        /// Whatever happens: no wake-up repeats itself, the intranet is never claimed without an answer from it since the
        /// last change, and once nothing changes any more, the status is true.
        #[test]
        fn the_status_follows_the_world(steps in proptest::collection::vec(step(), 1..40)) {
            let mut world = World::new(home());
            for step in &steps {
                let (before, links, probes) = (world.status(), world.links.clone(), world.probes.len());
                world.take(step);
                // Something changed and no time passed: the intranet cannot have answered.
                let claims = world.status().reaches_intranet() == Some(true);
                if claims && matches!(step, WorldStep::Forget) || claims && before != world.status() && !matches!(step, WorldStep::Pass(_)) {
                    prop_assert!(false, "{:?} after {step:?} from {before:?}, links {links:?}, probes {probes}", world.status());
                }
            }
            world.client = None;
            let requests = world.tracker.refresh(&world.now());
            world.obey(requests);
            world.pass(400.0);
            prop_assert_eq!(world.status(), world.truth());
            // Without changes, at most one probe per interval.
            let before = world.probes.len();
            world.pass(1800.0);
            prop_assert!(world.probes.len() - before <= 36, "{} probes", world.probes.len() - before);
        }
    }

    #[test]
    fn an_interface_is_the_same_by_number_and_address() {
        let eth = |index, address: [u8; 4]| -> Interface { interface(index, "eth0", address.into()) };
        assert!(same_interface(&eth(2, [10, 0, 0, 1]), &eth(2, [10, 0, 0, 1])));
        assert!(!same_interface(&eth(2, [10, 0, 0, 1]), &eth(3, [10, 0, 0, 1])));
        assert!(!same_interface(&eth(2, [10, 0, 0, 1]), &eth(2, [10, 0, 0, 2])));
    }
}
