//! A fleet over a working day: how often all workstations together connect to the gateway and to the intranet. Each
//! runs the real [`Tracker`] in a network of its own; what happens to all of them at once happens in the same second.
//!
//! Times are in milliseconds since midnight unless a name or a doc says otherwise.

use super::Now;
use super::fixture::{HOME, TUNNEL, at, correct, guide, home, probe, silent, with_tunnel};
use super::message::RequestId;
use super::vpn::{Gateway, Links, Tracker, TrackerRequests, Traffic, VpnStatus};
use jiff::ZonedDateTime;
use std::ops::Range;
use std::time::Duration;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Power is cut at 08:30 and returns at 08:35; routers take one to three minutes to start. In seconds since midnight.
pub const POWER_CUT: Range<usize> = 8 * 3600 + 1800..8 * 3600 + 2100;
/// The gateway is down from 10:00 to 10:10; the clients connect again within a minute. In seconds since midnight.
pub const GATEWAY_DOWN: Range<usize> = 10 * 3600..10 * 3600 + 600;
/// How long an answer takes.
const ANSWER_MILLIS: u64 = 30;
/// How long a silent probe takes: the time limit of the guide.
const SILENCE_MILLIS: u64 = 3 * SECOND;
/// Pause between the two hosts of the guide.
const STAGGER_MILLIS: u64 = 250;
/// What a tunnel in use receives per second.
const BYTES_PER_SECOND: u64 = 20_000;
/// What a tunnel in use sends per second.
const PACKETS_PER_SECOND: u64 = 10;

/// Connections opened per second, for each second of the day.
#[derive(Debug, Clone)]
pub struct Load(Vec<u32>);

impl Load {
    fn new() -> Load {
        Load(vec![0; 24 * 3600])
    }

    /// Counts a connection opened at that time.
    fn count(&mut self, at_millis: u64) {
        let second = usize::try_from(at_millis / SECOND).unwrap_or(usize::MAX);
        if let Some(count) = self.0.get_mut(second) {
            *count += 1;
        }
    }

    /// Highest number per second in this range of seconds since midnight.
    pub fn peak(&self, time: Range<usize>) -> u32 {
        self.0.get(time).unwrap_or_default().iter().copied().max().unwrap_or_default()
    }

    /// Mean per second over the busiest minute in this range of seconds since midnight.
    pub fn busy_minute(&self, time: Range<usize>) -> f64 {
        let seconds = self.0.get(time).unwrap_or_default();
        f64::from(seconds.windows(60).map(|minute| minute.iter().sum::<u32>()).max().unwrap_or_default()) / 60.0
    }

    /// Mean per second over this range of seconds since midnight.
    pub fn mean(&self, time: Range<usize>) -> f64 {
        let length = u32::try_from(time.len().max(1)).unwrap_or(u32::MAX);
        f64::from(self.0.get(time).unwrap_or_default().iter().sum::<u32>()) / f64::from(length)
    }
}

/// Result of a simulated day.
#[derive(Debug, Clone)]
pub struct WorkingDay {
    /// Connections to the gateway.
    pub gateway: Load,
    /// Connections to hosts of the intranet.
    pub intranet: Load,
    /// The longest time that a workstation took to notice that its tunnel, in use, no longer worked, in seconds.
    pub longest_detection_seconds: f64,
}

impl WorkingDay {
    fn new() -> WorkingDay {
        WorkingDay { gateway: Load::new(), intranet: Load::new(), longest_detection_seconds: 0.0 }
    }
}

/// Simulates a working day of this many workstations.
pub fn simulate_day(workstations: u32) -> WorkingDay {
    let mut day = WorkingDay::new();
    let wall = at("2026-11-24T12:00");
    for number in 0..workstations {
        Workstation::new(number.into(), &wall).run(&mut day);
    }
    day
}

/// Returns how many connections a workstation opens while its tunnel is in use for `time`, the first minute left out.
pub fn connections_in_use(time: Duration) -> u32 {
    let wall = at("2026-11-24T12:00");
    let mut day = WorkingDay::new();
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let changes =
        vec![(MINUTE + millis, Change::Network(false)), (0, Change::Tunnel(true)), (0, Change::Network(true))];
    Workstation { changes, always_in_use: true, ..Workstation::new(0, &wall) }.run(&mut day);
    let counted = |load: &Load| load.0.iter().skip(60).sum::<u32>();
    counted(&day.gateway) + counted(&day.intranet)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// The network is there, or not.
    Network(bool),
    /// The tunnel is up, or not.
    Tunnel(bool),
    /// The gateway passes packets on, or not.
    Gateway(bool),
}

struct Workstation<'a> {
    number: u64,
    wall: &'a ZonedDateTime,
    tracker: Tracker,
    /// Milliseconds since midnight.
    now: u64,
    /// What is to happen and when, in milliseconds since midnight; the next is last.
    changes: Vec<(u64, Change)>,
    network: bool,
    tunnel: bool,
    gateway: bool,
    always_in_use: bool,
    traffic: Traffic,
    /// The probe under way: when it ends (milliseconds since midnight), its id, whether it includes the gateway,
    /// whether the intranet answers.
    asked: Option<(u64, RequestId, bool, bool)>,
    random: fastrand::Rng,
}

impl Workstation<'_> {
    fn new(number: u64, wall: &ZonedDateTime) -> Workstation<'_> {
        let mut random = fastrand::Rng::with_seed(number);
        let between = |random: &mut fastrand::Rng, from: u64, to: u64| random.u64(from..to);
        let start = between(&mut random, 7 * HOUR + 30 * MINUTE, 9 * HOUR + 15 * MINUTE);
        let mut changes = vec![
            (start, Change::Network(true)),
            (start + between(&mut random, MINUTE, 5 * MINUTE), Change::Tunnel(true)),
        ];
        let seconds = |at: usize| u64::try_from(at).unwrap_or_default() * SECOND;
        let (cut, back) = (seconds(POWER_CUT.start), seconds(POWER_CUT.end));
        if start < cut {
            changes.retain(|(at, _)| *at < cut);
            let router = back + between(&mut random, MINUTE, 3 * MINUTE);
            let connects = router + between(&mut random, MINUTE / 2, 5 * MINUTE);
            changes.extend([
                (cut, Change::Network(false)),
                (cut, Change::Tunnel(false)),
                (router, Change::Network(true)),
                (connects, Change::Tunnel(true)),
            ]);
        }
        let returns = seconds(GATEWAY_DOWN.end) + between(&mut random, 0, MINUTE);
        let end = between(&mut random, 16 * HOUR + 30 * MINUTE, 18 * HOUR);
        changes.extend([
            (seconds(GATEWAY_DOWN.start), Change::Gateway(false)),
            (returns, Change::Gateway(true)),
            (end, Change::Tunnel(false)),
            (end + MINUTE, Change::Network(false)),
        ]);
        // Changes are taken from the end.
        changes.reverse();
        let begin = Now { wall: wall.clone(), uptime: Duration::ZERO };
        Workstation {
            number,
            wall,
            tracker: Tracker::new(&guide().vpn, number, &begin),
            now: 0,
            changes,
            network: false,
            tunnel: false,
            gateway: true,
            always_in_use: false,
            traffic: Traffic { interface: 9, received_bytes: 0, sent_packets: 0 },
            asked: None,
            random,
        }
    }

    fn run(mut self, day: &mut WorkingDay) {
        let mut dead_since = None;
        loop {
            let change = self.changes.last().map(|(at, _)| *at);
            let answer = self.asked.map(|(at, ..)| at);
            let wake = self.tracker.next_wake().map(|at| u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
            let Some(next) = [change, answer, wake].into_iter().flatten().min().map(|at| at.max(self.now)) else {
                return;
            };
            self.pass(next - self.now);
            let requests = if change.is_some_and(|at| at <= next) {
                let Some((_, change)) = self.changes.pop() else { return };
                // An idle tunnel's counters are read every 20 s; one that has just been taken into use is noticed later.
                let stays_in_use = self.is_in_use(self.now.saturating_sub(MINUTE)) && self.is_in_use(self.now + MINUTE);
                if change == Change::Gateway(false) && self.tunnel && stays_in_use {
                    dead_since = Some(self.now);
                }
                self.apply(change)
            } else if let Some((_, id, gateway, answers)) = self.asked.filter(|(at, ..)| *at <= next) {
                self.asked = None;
                let witnesses = match (answers, self.tunnel) {
                    (true, true) => correct(TUNNEL),
                    (true, false) => correct(HOME),
                    (false, _) => silent(),
                };
                let gateway = gateway.then_some(if self.gateway { Gateway::Answered } else { Gateway::Silent });
                self.tracker.on_probe(probe(id, witnesses, gateway), &self.now())
            } else {
                self.tracker.tick(&self.now())
            };
            self.carry_out(requests, day);
            if self.tracker.status() == VpnStatus::Stalled
                && let Some(since) = dead_since.take()
            {
                let seconds = Duration::from_millis(self.now - since).as_secs_f64();
                day.longest_detection_seconds = day.longest_detection_seconds.max(seconds);
            }
        }
    }

    fn now(&self) -> Now {
        Now { wall: self.wall.clone(), uptime: Duration::from_millis(self.now) }
    }

    fn apply(&mut self, change: Change) -> TrackerRequests {
        match change {
            Change::Network(there) => self.network = there,
            Change::Tunnel(up) => self.tunnel = up,
            Change::Gateway(up) => {
                self.gateway = up;
                // Nothing on this computer changes.
                return TrackerRequests::default();
            }
        }
        let links = match (self.network, self.tunnel) {
            (false, _) => Links::default(),
            (true, false) => home(),
            (true, true) => with_tunnel(home()),
        };
        if self.tunnel {
            self.traffic = Traffic { received_bytes: 0, sent_packets: 0, ..self.traffic };
        }
        self.tracker.on_links(links, &self.now())
    }

    /// Whether the user works at that time: half of the day, for five minutes or more each time.
    fn is_in_use(&self, at_millis: u64) -> bool {
        // Not everybody begins at a full minute.
        let turn = (at_millis + self.number * 997) / (5 * MINUTE);
        self.always_in_use || fastrand::Rng::with_seed((self.number << 32) + turn).bool()
    }

    /// Lets time pass: a tunnel in use carries its traffic.
    fn pass(&mut self, millis: u64) {
        if self.tunnel && self.is_in_use(self.now) {
            self.traffic.sent_packets += PACKETS_PER_SECOND * millis / SECOND;
            if self.gateway {
                self.traffic.received_bytes += BYTES_PER_SECOND * millis / SECOND;
            }
        }
        self.now += millis;
    }

    /// Carries out the tracker's requests, and counts the connections that they open.
    fn carry_out(&mut self, requests: TrackerRequests, day: &mut WorkingDay) {
        if let Some((id, gateway)) = requests.probe {
            let answers = self.tunnel && self.gateway;
            if self.tunnel {
                day.intranet.count(self.now);
                day.intranet.count(self.now + STAGGER_MILLIS);
                self.traffic.sent_packets += 4;
                self.traffic.received_bytes += if answers { 500 } else { 0 };
            }
            if gateway && self.network {
                day.gateway.count(self.now);
            }
            let takes = if answers { ANSWER_MILLIS + self.random.u64(0..ANSWER_MILLIS) } else { SILENCE_MILLIS };
            self.asked = Some((self.now + takes, id, gateway, answers));
        }
        if requests.traffic.is_some() {
            let requests = self.tracker.on_traffic(self.tunnel.then_some(self.traffic), &self.now());
            self.carry_out(requests, day);
        }
        if requests.client {
            let requests = self.tracker.on_client(None, &self.now());
            self.carry_out(requests, day);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same as `make bench` with all 5,000 workstations.
    #[test]
    fn a_fleet_does_not_connect_in_step() {
        const WORKSTATIONS: u32 = 300;
        let day = simulate_day(WORKSTATIONS);
        let hour = 3600;
        // Only those who come later than half past eight, one by one.
        assert!(day.gateway.peak(POWER_CUT) <= 5);
        for (name, time) in [
            ("after the power cut", POWER_CUT.end..POWER_CUT.end + 900),
            ("while the gateway is down", GATEWAY_DOWN.start..GATEWAY_DOWN.end),
            ("when it is back", GATEWAY_DOWN.end..GATEWAY_DOWN.end + 900),
        ] {
            for (place, load) in [("gateway", &day.gateway), ("intranet", &day.intranet)] {
                let (peak, busy) = (load.peak(time.clone()), load.busy_minute(time.clone()));
                // Of few workstations, as many in one second are chance; their share of the fleet must stay small.
                let allowed = (3.0 * busy).max(f64::from(WORKSTATIONS) * 0.1);
                assert!(
                    f64::from(peak) <= allowed,
                    "{place}, {name}: {peak} in a second, {busy:.1} in the busiest minute"
                );
            }
        }
        // In the afternoon only the tunnels that are not in use are probed, once a minute at most.
        let afternoon = 14 * hour..16 * hour;
        assert_eq!(day.gateway.peak(afternoon.clone()), 0);
        let intranet = day.intranet.mean(afternoon);
        assert!(intranet > 0.0 && intranet <= f64::from(WORKSTATIONS) * 2.0 / 60.0, "{intranet}");
        assert_eq!(connections_in_use(Duration::from_secs(600)), 0);
        assert!(
            day.longest_detection_seconds > 0.0 && day.longest_detection_seconds <= 20.0,
            "{} s",
            day.longest_detection_seconds
        );
    }
}
