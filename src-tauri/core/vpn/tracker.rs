//! Keeps the evidence fresh: drops what a change has made stale, and says when to look again.

use super::{ClientState, Evidence, Gateway, Inside, Links, Probe, Verdict, verdict};
use crate::core::Now;
use crate::profile::Vpn;
use jiff::ZonedDateTime;
use std::time::Duration;

/// First pause before a silent inside is tried again; it doubles until it reaches the profile's slow interval.
const RETRY: Duration = Duration::from_secs(5);
/// Pause between two tries while a tunnel is young.
const YOUNG_RETRY: Duration = Duration::from_secs(1);
/// How long Cisco's word that it is connecting is believed without a sign of it.
const CONNECTING_BELIEVED: Duration = Duration::from_secs(120);

/// What the tracker wants done after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asks {
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
    settle: Duration,
    evidence: Evidence,
    tunnel_since: Option<Duration>,
    client_since: Duration,
    /// Silent probes in a row.
    silences: u32,
    number: u64,
    in_flight: bool,
    probe_at: Option<Duration>,
    random: u64,
    verdict: Verdict,
    since: ZonedDateTime,
    held_from: Duration,
}

impl Tracker {
    /// Knows nothing yet. `seed` spreads the probes of a fleet over time.
    pub fn new(profile: &Vpn, seed: u64, now: &Now) -> Tracker {
        Tracker {
            interval: Duration::from_secs(profile.probe_seconds.into()),
            settle: Duration::from_secs(profile.settle_seconds.into()),
            evidence: Evidence::default(),
            tunnel_since: None,
            client_since: Duration::ZERO,
            silences: 0,
            number: 0,
            in_flight: false,
            probe_at: None,
            random: seed,
            verdict: Verdict::Unknown,
            since: now.wall.clone(),
            held_from: now.uptime,
        }
    }

    /// The profile has changed: its times count from now on.
    pub fn set_profile(&mut self, profile: &Vpn) {
        self.interval = Duration::from_secs(profile.probe_seconds.into());
        self.settle = Duration::from_secs(profile.settle_seconds.into());
    }

    /// The verdict as it stands.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Since when it stands, by the wall clock.
    pub fn since(&self) -> &ZonedDateTime {
        &self.since
    }

    /// Since when it stands, by the clock that does not jump.
    pub fn held_from(&self) -> Duration {
        self.held_from
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
        let young_until = self.evidence.young_tunnel.then_some(self.tunnel_since).flatten().map(|at| at + self.settle);
        let believed_until = self.claims_connecting().then_some(self.client_since + CONNECTING_BELIEVED);
        [self.probe_at, young_until, believed_until].into_iter().flatten().min()
    }

    /// Interfaces and routes, seen just now.
    pub fn see_links(&mut self, links: Links, now: &Now) -> Asks {
        let old = self.evidence.links.take();
        let had_tunnel = old.as_ref().and_then(Links::tunnel);
        let tunnel = links.tunnel();
        let same_tunnel = had_tunnel == tunnel;
        let same_underlay = old.as_ref().is_some_and(|old| same_way_out(old, &links));

        if !same_tunnel {
            self.tunnel_since = tunnel.map(|_| now.uptime);
            self.silences = 0;
            match (had_tunnel, tunnel) {
                // The way in is gone. A tunnel that worked proves that the gateway was within reach a moment ago;
                // the probe that follows confirms or corrects.
                (Some(_), None) if self.verdict == Verdict::Connected && same_underlay => {
                    self.evidence.inside = Some(Inside::Silent);
                    self.evidence.gateway = Some(Gateway::Answered);
                }
                // On site with a tunnel beside it: the answer came by the other way, which still stands.
                _ if self.verdict == Verdict::OnSite && same_underlay => {}
                _ => self.evidence.inside = None,
            }
        } else if !same_underlay && tunnel.is_none() {
            self.evidence.inside = None;
            self.evidence.gateway = None;
        }
        if !same_underlay {
            self.evidence.gateway = None;
        }
        let matters = old.is_none() || !same_tunnel || !same_underlay;
        let route = links.default_route.is_some();
        self.evidence.links = Some(links);
        if !route {
            // Nothing can be asked, and what was known is of another network.
            self.evidence = Evidence { links: self.evidence.links.take(), ..Evidence::default() };
            self.probe_at = None;
            self.number += 1;
            self.in_flight = false;
        }
        if matters {
            self.evidence.client = None;
        }
        self.judge(now);
        if matters && route {
            Asks { probe: Some(self.request(now)), client: true, ..Asks::default() }
        } else {
            Asks::default()
        }
    }

    /// A probe has ended. An answer to an older question is thrown away.
    pub fn see_probe(&mut self, probe: Probe, now: &Now) -> Asks {
        if probe.number != self.number || self.evidence.links.is_none() {
            return Asks::default();
        }
        self.in_flight = false;
        if probe.gateway.is_some() {
            self.evidence.gateway = probe.gateway;
        }
        let answered = matches!(probe.inside, Inside::Answered { .. });
        let mut asks = Asks::default();
        if answered {
            self.silences = 0;
            self.evidence.client = None;
        } else {
            self.silences = self.silences.saturating_add(1);
        }
        // One lost probe is no stall: while the tunnel stands, a second one must confirm.
        let doubtful = !answered && self.silences == 1 && self.verdict == Verdict::Connected && self.has_tunnel();
        if doubtful {
            asks.probe = Some(self.request(now));
        } else {
            self.evidence.inside = Some(probe.inside);
            asks.client = !answered && self.has_tunnel() && self.silences <= 2;
        }
        self.judge(now);
        if !doubtful {
            self.probe_at = self.pause().map(|pause| now.uptime + self.jittered(pause));
        }
        asks
    }

    /// What Cisco's command line said.
    pub fn see_client(&mut self, client: Option<ClientState>, now: &Now) -> Asks {
        self.evidence.client = client;
        self.client_since = now.uptime;
        self.judge(now);
        if self.verdict == Verdict::Connecting && !self.in_flight && self.probe_at.is_none() {
            self.probe_at = Some(now.uptime + RETRY);
        }
        Asks::default()
    }

    /// What is known may be wrong (sleep, a jump of the clock): forget it.
    pub fn forget(&mut self, now: &Now) {
        self.evidence = Evidence::default();
        self.tunnel_since = None;
        self.silences = 0;
        self.number += 1;
        self.in_flight = false;
        self.probe_at = None;
        self.judge(now);
    }

    /// Somebody wants to know now: look at everything again.
    pub fn refresh(&mut self, now: &Now) -> Asks {
        let can_probe = self.evidence.links.as_ref().is_some_and(|links| links.default_route.is_some());
        Asks { links: true, probe: can_probe.then(|| self.request(now)), client: true }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: &Now) -> Asks {
        let mut asks = Asks::default();
        if self.claims_connecting() && now.uptime >= self.client_since + CONNECTING_BELIEVED {
            self.evidence.client = None;
        }
        self.judge(now);
        if self.probe_at.is_some_and(|at| now.uptime >= at) {
            asks.client = self.claims_connecting();
            asks.probe = Some(self.request(now));
        }
        asks
    }

    fn claims_connecting(&self) -> bool {
        matches!(self.evidence.client, Some(ClientState::Connecting | ClientState::Reconnecting))
    }

    fn has_tunnel(&self) -> bool {
        self.evidence.links.as_ref().is_some_and(|links| links.tunnel().is_some())
    }

    /// A new question; answers to older ones no longer count.
    fn request(&mut self, now: &Now) -> (u64, bool) {
        self.number += 1;
        self.in_flight = true;
        // Should the answer never come, the question is put again.
        self.probe_at = Some(now.uptime + self.interval.max(RETRY));
        (self.number, !self.has_tunnel())
    }

    /// How long to wait before the next probe, where one is needed without an event.
    fn pause(&self) -> Option<Duration> {
        match self.verdict {
            Verdict::Connecting if self.evidence.young_tunnel => Some(YOUNG_RETRY),
            Verdict::Connecting => Some(RETRY),
            Verdict::Connected => Some(self.interval),
            // A portal tells nobody that it has let the user through, and a gateway not that it is back.
            Verdict::Stalled | Verdict::Captive => {
                let doubled = RETRY.saturating_mul(1_u32 << self.silences.saturating_sub(1).min(16));
                Some(doubled.min(self.interval))
            }
            Verdict::OnSite => self.has_tunnel().then_some(self.interval),
            Verdict::Unknown | Verdict::Offline | Verdict::Disconnected => None,
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
        self.evidence.young_tunnel = self.tunnel_since.is_some_and(|since| now.uptime < since + self.settle);
        let verdict = verdict(&self.evidence);
        if verdict != self.verdict {
            self.verdict = verdict;
            self.since = now.wall.clone();
            self.held_from = now.uptime;
        }
    }
}

/// Whether the way out of the machine is the same: same interface, same router, same IPv4 addresses. (IPv6 privacy
/// addresses come and go on a network that stays.) A default route through the tunnel hides the way out, and counts as
/// the same as long as the other interfaces stand.
fn same_way_out(old: &Links, new: &Links) -> bool {
    let addresses = |links: &Links| -> Option<Vec<std::net::IpAddr>> {
        let interface = links.underlay()?;
        let (four, six): (Vec<_>, Vec<_>) = interface.addresses.iter().copied().partition(std::net::IpAddr::is_ipv4);
        Some(if four.is_empty() { six } else { four })
    };
    match (old.underlay(), new.underlay()) {
        (Some(_), Some(_)) => old.default_route == new.default_route && addresses(old) == addresses(new),
        (None, None) => old.default_route.is_some() == new.default_route.is_some(),
        // The tunnel takes or gives back the default route.
        (Some(way), None) => new.default_route.is_some() && new.interfaces.contains(way),
        (None, Some(way)) => old.default_route.is_some() && old.interfaces.contains(way),
    }
}
