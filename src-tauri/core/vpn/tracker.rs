//! Keeps the evidence fresh: drops what a change has made stale, and says when to look again.

use super::{ClientState, Evidence, Gateway, Interface, Intranet, Links, Probe, VpnStatus, verdict};
use crate::Now;
use jiff::ZonedDateTime;
use std::net::IpAddr;
use std::time::Duration;
use vigie_profile::VpnConfig;

/// First pause before a silent inside is tried again; it doubles until it reaches the profile's slow interval.
const RETRY: Duration = Duration::from_secs(5);
/// How long a question waits for its answer while a tunnel is young: its routes come after its address, and what was
/// asked in between went another way and is lost.
const GRACE_RETRY: Duration = Duration::from_millis(500);
/// How long Cisco's word that it is connecting is believed without a sign of it.
const CONNECTING_TIMEOUT: Duration = Duration::from_secs(120);

/// What the tracker wants done after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrackerRequests {
    /// Read interfaces and routes again.
    pub links: bool,
    /// Probe; the number that the answer must carry, and whether the gateway is to be asked too.
    pub probe: Option<(u64, bool)>,
    /// Ask Cisco's command line.
    pub client: bool,
}

/// Evidence over time, and the verdict with its age.
#[derive(Debug, Clone)]
pub struct Tracker {
    interval: Duration,
    grace_period: Duration,
    evidence: Evidence,
    /// Since when the tunnel stands on the way out that it has now; it gets [`Tracker::grace_period`] to carry something.
    tunnel_since: Option<Duration>,
    /// Whether the tunnel was seen to come up. (One that stood already is in doubt, but nobody is connecting.)
    tunnel_new: bool,
    client_since: Duration,
    /// Silent probes in a row, those of a tunnel that still in_grace apart.
    silences: u32,
    /// Whether the gateway is known to answer only because a working tunnel was there a moment ago.
    gateway_inferred: bool,
    number: u64,
    in_flight: bool,
    probe_at: Option<Duration>,
    random: u64,
    verdict: VpnStatus,
    since: ZonedDateTime,
    status_since: Duration,
}

impl Tracker {
    /// Knows nothing yet. `seed` spreads the probes of a fleet over time.
    pub fn new(profile: &VpnConfig, seed: u64, now: &Now) -> Tracker {
        Tracker {
            interval: Duration::from_secs(profile.probe_seconds.into()),
            grace_period: Duration::from_secs(profile.settle_seconds.into()),
            evidence: Evidence::default(),
            tunnel_since: None,
            tunnel_new: false,
            client_since: Duration::ZERO,
            silences: 0,
            gateway_inferred: false,
            number: 0,
            in_flight: false,
            probe_at: None,
            random: seed,
            verdict: VpnStatus::Unknown,
            since: now.wall.clone(),
            status_since: now.uptime,
        }
    }

    /// The profile has changed: its times count from now on.
    pub fn set_profile(&mut self, profile: &VpnConfig) {
        self.interval = Duration::from_secs(profile.probe_seconds.into());
        self.grace_period = Duration::from_secs(profile.settle_seconds.into());
    }

    /// The verdict as it stands.
    pub fn status(&self) -> VpnStatus {
        self.verdict
    }

    /// Since when it stands, by the wall clock.
    pub fn since(&self) -> &ZonedDateTime {
        &self.since
    }

    /// Since when it stands, by the clock that does not jump.
    pub fn status_since(&self) -> Duration {
        self.status_since
    }

    /// Interfaces and routes as last seen.
    pub fn links(&self) -> Option<&Links> {
        self.evidence.links.as_ref()
    }

    /// The evidence, for those who want to see it all.
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// When to call [`Tracker::tick`] next.
    pub fn next_wake(&self) -> Option<Duration> {
        let young_until =
            self.evidence.in_grace_period.then_some(self.tunnel_since).flatten().map(|at| at + self.grace_period);
        let believed_until = self.claims_connecting().then_some(self.client_since + CONNECTING_TIMEOUT);
        [self.probe_at, young_until, believed_until].into_iter().flatten().min()
    }

    /// Interfaces and routes, seen just now.
    pub fn on_links(&mut self, links: Links, now: &Now) -> TrackerRequests {
        let old = self.evidence.links.take();
        let same_tunnel = match (old.as_ref().and_then(Links::tunnel), links.tunnel()) {
            (Some(before), Some(tunnel)) => same_interface(before, tunnel),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let same_underlay = old.as_ref().is_some_and(|old| same_underlay(old, &links));
        let tunnel = links.tunnel().is_some();
        let route = links.default_route.is_some();
        if same_tunnel && same_underlay {
            self.evidence.links = Some(links);
            return TrackerRequests::default();
        }
        let lost_tunnel = !tunnel && !same_tunnel && same_underlay;
        // With a tunnel beside the way on site, the answer came by the other way, which still stands.
        let still_answers = same_underlay
            && matches!(self.evidence.inside, Some(Intranet::Answered { local })
                if links.holder(local).is_some_and(|interface| !interface.tunnel));
        self.evidence.links = Some(links);
        self.tunnel_new = tunnel && !same_tunnel && old.is_some();
        self.tunnel_since = tunnel.then_some(now.uptime);
        self.silences = 0;
        self.evidence.client = None;
        if !still_answers {
            self.evidence.inside = None;
        }
        self.gateway_inferred = false;
        if !same_underlay {
            self.evidence.gateway = None;
        }
        if lost_tunnel && self.verdict == VpnStatus::Connected {
            // The way in is gone. A tunnel that worked proves that the gateway was within reach a moment ago; the
            // probe that follows confirms or corrects.
            self.evidence.inside = Some(Intranet::Silent);
            self.evidence.gateway = Some(Gateway::Answered);
            self.gateway_inferred = true;
        }
        if !route {
            // Nothing can be asked, and what was known is of another network.
            let (links, connecting) = (self.evidence.links.take(), self.evidence.connecting);
            self.evidence = Evidence { links, connecting, ..Evidence::default() };
            self.gateway_inferred = false;
            self.stop_probing();
        }
        self.judge(now);
        if route {
            TrackerRequests { probe: Some(self.request(now)), client: true, ..TrackerRequests::default() }
        } else {
            TrackerRequests::default()
        }
    }

    /// A probe has ended. An answer to an older question is thrown away.
    pub fn on_probe(&mut self, mut probe: Probe, now: &Now) -> TrackerRequests {
        if probe.number != self.number || self.evidence.links.is_none() {
            return TrackerRequests::default();
        }
        if probe.gateway == Some(Gateway::CertificateMismatch) {
            // A portal that answers in the gateway's name answers in everybody's: the inside was not heard.
            probe.inside = Intranet::Silent;
        }
        self.in_flight = false;
        if matches!(probe.inside, Intranet::Answered { .. }) {
            self.silences = 0;
            self.gateway_inferred = false;
            self.evidence.client = None;
            self.evidence.gateway = probe.gateway.or(self.evidence.gateway);
            self.evidence.inside = Some(probe.inside);
            return self.judge_and_pause(now);
        }
        let reached = self.verdict.reaches_inside() == Some(true);
        if self.in_grace(now) && !reached {
            // Too early to tell. A tunnel that came up is still connecting, one that stood already stays in doubt.
            if self.tunnel_new {
                self.evidence.inside = Some(probe.inside);
            }
            return self.judge_and_pause(now);
        }
        self.silences = self.silences.saturating_add(1);
        // One lost probe is no loss: a second one must confirm that what worked works no more.
        if reached && self.silences == 1 {
            return TrackerRequests { probe: Some(self.request(now)), ..TrackerRequests::default() };
        }
        self.evidence.inside = Some(probe.inside);
        if self.gateway_inferred && probe.gateway == Some(Gateway::Silent) {
            // It answered a moment ago: a second silence must confirm this too.
            self.gateway_inferred = false;
            self.judge(now);
            self.probe_at = Some(now.uptime + RETRY);
            return TrackerRequests::default();
        }
        self.gateway_inferred = false;
        self.evidence.gateway = probe.gateway.or(self.evidence.gateway);
        let client = self.has_tunnel() && self.silences <= 2;
        TrackerRequests { client, ..self.judge_and_pause(now) }
    }

    /// What Cisco's command line said.
    pub fn on_client(&mut self, client: Option<ClientState>, now: &Now) -> TrackerRequests {
        self.evidence.client = client;
        self.client_since = now.uptime;
        self.judge(now);
        if self.verdict == VpnStatus::Connecting && !self.in_flight && self.probe_at.is_none() {
            self.probe_at = Some(now.uptime + RETRY);
        }
        TrackerRequests::default()
    }

    /// Whether Vigie itself is connecting. Its end is looked at as a change of the network is: by the evidence.
    pub fn set_connecting(&mut self, connecting: bool, now: &Now) {
        if self.evidence.connecting != connecting {
            self.evidence.connecting = connecting;
            self.judge(now);
        }
    }

    /// What is known may be wrong (sleep, a jump of the clock): reset it.
    pub fn reset(&mut self, now: &Now) {
        self.evidence = Evidence { connecting: self.evidence.connecting, ..Evidence::default() };
        self.tunnel_since = None;
        self.tunnel_new = false;
        self.silences = 0;
        self.gateway_inferred = false;
        self.stop_probing();
        self.judge(now);
    }

    /// Somebody wants to know now: look at everything again.
    pub fn refresh(&mut self, now: &Now) -> TrackerRequests {
        let can_probe = self.evidence.links.as_ref().is_some_and(|links| links.default_route.is_some());
        TrackerRequests { links: true, probe: can_probe.then(|| self.request(now)), client: true }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: &Now) -> TrackerRequests {
        let mut requests = TrackerRequests::default();
        if self.claims_connecting() && now.uptime >= self.client_since + CONNECTING_TIMEOUT {
            self.evidence.client = None;
        }
        let due = self.probe_at.is_some_and(|at| now.uptime >= at);
        if due && self.tunnel_new && self.evidence.inside.is_none() {
            self.evidence.inside = Some(Intranet::Silent);
        }
        self.judge(now);
        if due {
            requests.client = self.claims_connecting();
            requests.probe = Some(self.request(now));
        }
        requests
    }

    fn claims_connecting(&self) -> bool {
        matches!(self.evidence.client, Some(ClientState::Connecting | ClientState::Reconnecting))
    }

    /// Whether the tunnel is so young on its way out that silence means nothing yet.
    fn in_grace(&self, now: &Now) -> bool {
        self.tunnel_since.is_some_and(|since| now.uptime < since + self.grace_period)
    }

    fn has_tunnel(&self) -> bool {
        self.evidence.links.as_ref().is_some_and(|links| links.tunnel().is_some())
    }

    /// No question stands; answers that are under way no longer count.
    fn stop_probing(&mut self) {
        self.number += 1;
        self.in_flight = false;
        self.probe_at = None;
    }

    /// A new question; answers to older ones no longer count.
    fn request(&mut self, now: &Now) -> (u64, bool) {
        self.number += 1;
        self.in_flight = true;
        // Should the answer not come, the question is put again.
        self.probe_at = Some(now.uptime + if self.in_grace(now) { GRACE_RETRY } else { self.interval.max(RETRY) });
        (self.number, !self.has_tunnel())
    }

    /// After a probe: the verdict, and when the next probe is due.
    fn judge_and_pause(&mut self, now: &Now) -> TrackerRequests {
        self.judge(now);
        self.probe_at = self.pause(now).map(|pause| now.uptime + self.jittered(pause));
        TrackerRequests::default()
    }

    /// How long to wait before the next probe, where one is needed without an event.
    fn pause(&self, now: &Now) -> Option<Duration> {
        match self.verdict {
            VpnStatus::Unknown | VpnStatus::Connecting if self.in_grace(now) => Some(GRACE_RETRY),
            VpnStatus::Connecting => Some(RETRY),
            VpnStatus::Connected => Some(self.interval),
            // A portal tells nobody that it has let the user through, and a gateway not that it is back.
            VpnStatus::Stalled | VpnStatus::Captive => {
                let doubled = RETRY.saturating_mul(1_u32 << self.silences.saturating_sub(1).min(16));
                Some(doubled.min(self.interval))
            }
            VpnStatus::OnSite => self.has_tunnel().then_some(self.interval),
            VpnStatus::Unknown | VpnStatus::Offline | VpnStatus::Disconnected => None,
        }
    }

    /// Up to a tenth more or less (splitmix64), so that a fleet does not probe in step.
    fn jittered(&mut self, pause: Duration) -> Duration {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let fraction = u32::try_from((z ^ (z >> 31)) % 201).unwrap_or(100);
        pause * (900 + fraction) / 1000
    }

    fn judge(&mut self, now: &Now) {
        self.evidence.in_grace_period = self.tunnel_new && self.in_grace(now);
        let verdict = verdict(&self.evidence);
        if verdict != self.verdict {
            self.verdict = verdict;
            self.since = now.wall.clone();
            self.status_since = now.uptime;
        }
    }
}

/// Whether the way out of the machine is the same: same interface, same router. A default route through the tunnel
/// hides the way out; it counts as the same as long as the other interfaces stand.
fn same_underlay(old: &Links, new: &Links) -> bool {
    let stands = |way: &Interface, links: &Links| links.interfaces.iter().any(|other| same_interface(way, other));
    match (old.underlay(), new.underlay()) {
        (Some(before), Some(after)) => old.default_route == new.default_route && same_interface(before, after),
        (None, None) => {
            let mut ways = old.interfaces.iter().filter(|interface| !interface.tunnel);
            old.default_route.is_some() == new.default_route.is_some() && ways.all(|way| stands(way, new))
        }
        // The tunnel takes or gives back the default route.
        (Some(way), None) => new.default_route.is_some() && stands(way, new),
        (None, Some(way)) => old.default_route.is_some() && stands(way, old),
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
    use crate::fixture::{HOME, TUNNEL, after, guide, home, interface, network, with_tunnel};
    use crate::vpn::{DefaultRoute, Interface, Intranet};
    use proptest::prelude::*;

    /// A machine whose sensors answer as the world is: at once where something answers, after 3 s where nothing does.
    struct World {
        tracker: Tracker,
        links: Links,
        /// The address from which the inside answers.
        inside: Option<IpAddr>,
        gateway: Gateway,
        client: Option<ClientState>,
        seconds: f64,
        /// Questions under way: when the answer comes, its number, whether the gateway is asked too.
        asked: Vec<(f64, u64, bool)>,
        /// When each question was put.
        probes: Vec<f64>,
        wakes: usize,
    }

    impl World {
        fn new(links: Links) -> World {
            let mut world = World {
                tracker: Tracker::new(&guide().vpn, 7, &after(100.0)),
                links,
                inside: None,
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

        /// The network becomes this one.
        fn becomes(&mut self, links: Links, inside: Option<IpAddr>) {
            self.links = links;
            self.inside = inside;
            self.on_links();
        }

        fn obey(&mut self, requests: TrackerRequests) {
            if requests.links {
                self.on_links();
            }
            if let Some((number, gateway)) = requests.probe {
                let delay = if self.inside.is_some() { 0.02 } else { 3.0 };
                self.probes.push(self.seconds);
                self.asked.push((self.seconds + delay, number, gateway));
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
                self.seconds = next;
                if answer <= wake {
                    let index = self.asked.iter().position(|asked| asked.0 == answer).expect("it was found just now");
                    let (_, number, gateway) = self.asked.remove(index);
                    let inside = self.inside.map_or(Intranet::Silent, |local| Intranet::Answered { local });
                    let probe = Probe { number, inside, gateway: gateway.then_some(self.gateway) };
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
            self.seconds = end;
        }

        /// Time passes until the verdict changes.
        fn until(&mut self, verdict: VpnStatus, within: f64) {
            let mut passed = 0.0;
            while self.status() != verdict {
                assert!(passed < within, "{:?} instead of {verdict:?} after {within} s", self.status());
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
        world.inside = Some(TUNNEL);
        world.until(VpnStatus::Connected, 5.5);
        // Cisco's word is no longer needed, nor asked for.
        world.pass(1.0);
        assert_eq!(world.tracker.evidence().client, None);
    }

    #[test]
    fn ciscos_word_that_it_connects_is_not_believed_for_ever() {
        let mut world = World::new(home());
        world.until(VpnStatus::Disconnected, 3.5);
        let requests = world.tracker.on_client(Some(ClientState::Connecting), &world.now());
        world.obey(requests);
        assert_eq!(world.status(), VpnStatus::Connecting);
        // Asked again, it says nothing any more.
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
    fn a_steady_tunnel_costs_one_probe_an_interval_and_no_other_wake_up() {
        let mut world = connected();
        (world.probes, world.wakes) = (Vec::new(), 0);
        world.pass(86_400.0);
        let gaps: Vec<f64> = world.probes.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|gap| (54.0..=66.1).contains(gap)), "{gaps:?}");
        let (least, most) =
            gaps.iter().fold((f64::MAX, 0.0_f64), |(least, most), gap| (least.min(*gap), most.max(*gap)));
        assert!(least < 56.0 && most > 64.0, "a fleet would probe in step");
        assert_eq!(world.wakes, world.probes.len());
        assert_eq!(world.status(), VpnStatus::Connected);
    }

    #[test]
    fn one_lost_probe_is_no_stall_a_second_one_is() {
        let mut world = connected();
        let since = world.tracker.since().clone();
        // Lost once.
        let requests = world.tracker.refresh(&world.now());
        world.inside = None;
        world.obey(requests);
        world.pass(2.9);
        world.inside = Some(TUNNEL);
        world.pass(0.2);
        world.pass(10.0);
        assert_eq!((world.status(), world.tracker.since()), (VpnStatus::Connected, &since));
        // Lost for good.
        world.inside = None;
        world.until(VpnStatus::Stalled, 66.0 + 6.5);
        // Back: noticed soon, and the pauses grow no longer than the interval.
        world.inside = Some(TUNNEL);
        world.until(VpnStatus::Connected, 12.0);
        world.inside = None;
        world.until(VpnStatus::Stalled, 66.0 + 6.5);
        let before = world.probes.len();
        world.pass(3600.0);
        assert!((50..=70).contains(&(world.probes.len() - before)), "{}", world.probes.len() - before);
        world.inside = Some(TUNNEL);
        world.until(VpnStatus::Connected, 70.0);
    }

    #[test]
    fn a_slow_tunnel_is_connecting_then_stalled() {
        let mut world = World::new(home());
        world.becomes(with_tunnel(home()), None);
        assert_eq!(world.status(), VpnStatus::Connecting);
        world.pass(4.9);
        assert_eq!(world.status(), VpnStatus::Connecting);
        world.until(VpnStatus::Stalled, 3.5);
        // Late, but not given up.
        world.inside = Some(TUNNEL);
        world.until(VpnStatus::Connected, 12.0);
    }

    #[test]
    fn routes_that_come_after_the_address_hold_nothing_up() {
        let mut world = World::new(home());
        // The first question goes out by the old way, where nothing answers.
        world.becomes(with_tunnel(home()), None);
        world.pass(0.1);
        world.inside = Some(TUNNEL);
        world.until(VpnStatus::Connected, 0.5);
    }

    #[test]
    fn the_tunnel_taken_down_shows_at_once() {
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
        world.gateway = Gateway::CertificateMismatch;
        world.becomes(home(), None);
        world.until(VpnStatus::Captive, 3.5);
    }

    #[test]
    fn cable_out_and_in_again() {
        let mut world = connected();
        world.becomes(Links::default(), None);
        assert_eq!((world.status(), world.tracker.next_wake()), (VpnStatus::Offline, None));
        // The answer to a question of before counts no more.
        world.pass(100.0);
        assert_eq!((world.status(), world.asked.len()), (VpnStatus::Offline, 0));
        world.becomes(home(), None);
        assert_eq!(world.status(), VpnStatus::Unknown);
        world.until(VpnStatus::Disconnected, 3.5);
    }

    #[test]
    fn another_wifi_leaves_nothing_of_the_old_one() {
        let mut world = connected();
        world.gateway = Gateway::CertificateMismatch;
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
        world.inside = Some(TUNNEL);
        world.until(VpnStatus::Connected, 4.5);
        world.becomes(with_tunnel(network([10, 1, 2, 4].into())), None);
        world.until(VpnStatus::Stalled, 12.0);
    }

    #[test]
    fn what_does_not_matter_changes_nothing() {
        let mut world = connected();
        let (since, probes) = (world.tracker.since().clone(), world.probes.len());
        // A privacy address, another DNS server, a bridge that comes and goes.
        let mut links = with_tunnel(home());
        links.interfaces[0].addresses.push("2001:db8::1".parse().expect("an address"));
        links.interfaces[1].addresses.push("2001:db8::2".parse().expect("an address"));
        links.interfaces.push(interface(30, "docker0", [172, 17, 0, 1].into()));
        links.dns = vec![[9, 9, 9, 9].into()];
        world.becomes(links, Some(TUNNEL));
        assert_eq!((world.status(), world.tracker.since(), world.probes.len()), (VpnStatus::Connected, &since, probes));
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
    fn a_portal_that_answers_for_everybody_is_no_inside() {
        let mut world = World::new(home());
        (world.inside, world.gateway) = (Some(HOME), Gateway::CertificateMismatch);
        world.until(VpnStatus::Captive, 3.5);
        let asked = world.probes.len();
        world.pass(600.0);
        assert_eq!(world.status(), VpnStatus::Captive);
        assert!(world.probes.len() - asked < 20, "asked {} times in ten minutes", world.probes.len() - asked);
        // The user has logged in at the portal.
        (world.inside, world.gateway) = (None, Gateway::Answered);
        world.until(VpnStatus::Disconnected, 70.0);
    }

    #[test]
    fn on_site_with_and_without_a_tunnel_beside_it() {
        let mut world = World::new(home());
        world.inside = Some(HOME);
        world.until(VpnStatus::OnSite, 3.5);
        world.pass(7200.0);
        assert_eq!((world.probes.len(), world.tracker.next_wake()), (1, None));
        world.becomes(with_tunnel(home()), Some(HOME));
        assert_eq!(world.status(), VpnStatus::OnSite);
        world.pass(30.0);
        world.becomes(home(), Some(HOME));
        assert_eq!(world.status(), VpnStatus::OnSite);
        // One lost probe on demand is no reason to say that the inside is gone.
        world.inside = None;
        let requests = world.tracker.refresh(&world.now());
        world.obey(requests);
        world.pass(2.9);
        world.inside = Some(HOME);
        world.pass(1.0);
        assert_eq!(world.status(), VpnStatus::OnSite);
    }

    #[test]
    fn after_sleep_nothing_is_claimed_until_it_was_seen() {
        let mut world = connected();
        world.tracker.reset(&world.now());
        assert_eq!((world.status(), world.tracker.next_wake()), (VpnStatus::Unknown, None));
        // An answer from before the sleep.
        world.pass(5.0);
        assert_eq!(world.status(), VpnStatus::Unknown);
        // The tunnel still stands but is dead: Connected is never said.
        world.inside = None;
        world.on_links();
        for _ in 0..100 {
            assert!(matches!(world.status(), VpnStatus::Unknown | VpnStatus::Stalled));
            world.pass(0.25);
        }
        assert_eq!(world.status(), VpnStatus::Stalled);
        // It lives.
        world.tracker.reset(&world.now());
        world.inside = Some(TUNNEL);
        world.on_links();
        world.until(VpnStatus::Connected, 0.5);
    }

    #[test]
    fn a_question_without_an_answer_is_put_again() {
        let mut world = World::new(with_tunnel(home()));
        world.asked.clear();
        world.inside = Some(TUNNEL);
        world.until(VpnStatus::Connected, 61.0);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Links(u8),
        Intranet(u8),
        Gateway(u8),
        Client(u8),
        Forget,
        Refresh,
        Stale(u64),
        Pass(f64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..6_u8).prop_map(Step::Links),
            (0..3_u8).prop_map(Step::Intranet),
            (0..3_u8).prop_map(Step::Gateway),
            (0..5_u8).prop_map(Step::Client),
            Just(Step::Forget),
            Just(Step::Refresh),
            any::<u64>().prop_map(Step::Stale),
            (0.0..200.0).prop_map(Step::Pass),
            (0.0..4.0).prop_map(Step::Pass),
        ]
    }

    impl World {
        fn take(&mut self, step: &Step) {
            match *step {
                Step::Links(kind) => {
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
                Step::Intranet(kind) => self.inside = [None, Some(HOME), Some(TUNNEL)][usize::from(kind)],
                Step::Gateway(kind) => {
                    self.gateway =
                        [Gateway::Answered, Gateway::CertificateMismatch, Gateway::Silent][usize::from(kind)];
                }
                Step::Client(kind) => {
                    use ClientState::{Connected, Connecting, Disconnected, Reconnecting};
                    self.client = [None, Some(Connecting), Some(Connected), Some(Disconnected), Some(Reconnecting)]
                        [usize::from(kind)];
                    let requests = self.tracker.on_client(self.client, &self.now());
                    self.obey(requests);
                }
                Step::Forget => {
                    self.tracker.reset(&self.now());
                    assert_eq!(self.status(), VpnStatus::Unknown);
                    self.on_links();
                }
                Step::Refresh => {
                    let requests = self.tracker.refresh(&self.now());
                    self.obey(requests);
                }
                Step::Stale(number) => {
                    if self.asked.iter().any(|asked| asked.1 == number) {
                        return;
                    }
                    let before = format!("{:?}", self.tracker);
                    let probe = Probe {
                        number: number.wrapping_add(1 << 32),
                        inside: Intranet::Answered { local: TUNNEL },
                        gateway: None,
                    };
                    let requests = self.tracker.on_probe(probe, &self.now());
                    assert_eq!((requests, format!("{:?}", self.tracker)), (TrackerRequests::default(), before));
                }
                Step::Pass(seconds) => self.pass(seconds),
            }
        }

        /// What is so, with the client silent.
        fn truth(&self) -> VpnStatus {
            // Without a tunnel, a portal may be what answers.
            let portal = self.gateway == Gateway::CertificateMismatch && self.links.tunnel().is_none();
            let inside = self.inside.filter(|_| !portal);
            let evidence = Evidence {
                links: Some(self.links.clone()),
                inside: Some(inside.map_or(Intranet::Silent, |local| Intranet::Answered { local })),
                gateway: Some(self.gateway),
                ..Evidence::default()
            };
            verdict(&evidence)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(120))]

        /// Whatever happens: no wake-up repeats itself, the inside is never claimed without an answer from it since the
        /// last change, and once the world holds still, the verdict is the truth.
        #[test]
        fn the_verdict_follows_the_world(steps in proptest::collection::vec(step(), 1..40)) {
            let mut world = World::new(home());
            for step in &steps {
                let (before, links, probes) = (world.status(), world.links.clone(), world.probes.len());
                world.take(step);
                // Something changed and no time passed: the inside cannot have answered.
                let claims = world.status().reaches_inside() == Some(true);
                if claims && matches!(step, Step::Forget) || claims && before != world.status() && !matches!(step, Step::Pass(_)) {
                    prop_assert!(false, "{:?} after {step:?} from {before:?}, links {links:?}, probes {probes}", world.status());
                }
            }
            world.client = None;
            let requests = world.tracker.refresh(&world.now());
            world.obey(requests);
            world.pass(400.0);
            prop_assert_eq!(world.status(), world.truth());
            // And holding still costs at most one probe an interval.
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
