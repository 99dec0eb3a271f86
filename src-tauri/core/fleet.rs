//! A fleet over a working day: how often all seats together connect to the gateway and to the intranet. Each seat is the
//! real [`Tracker`] in a network of its own; what happens to all of them at once happens in the same second.

use super::Now;
use super::fixture::{HOME, TUNNEL, at, correct, guide, home, probe, silent, with_tunnel};
use super::vpn::{Gateway, Links, Tracker, TrackerRequests, Traffic, VpnStatus};
use jiff::ZonedDateTime;
use std::ops::Range;
use std::time::Duration;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Power is cut at 08:30 and returns at 08:35; routers take one to three minutes to start. In seconds of the day.
pub const POWER_CUT: Range<usize> = 8 * 3600 + 1800..8 * 3600 + 2100;
/// The gateway is down from 10:00 to 10:10; the clients connect again within a minute.
pub const GATEWAY_DOWN: Range<usize> = 10 * 3600..10 * 3600 + 600;
/// An answer takes 30 ms, silence the time limit of the guide.
const ANSWER: u64 = 30;
const SILENCE: u64 = 3 * SECOND;
/// Pause between the two hosts of the guide.
const STAGGER: u64 = 250;
/// What a tunnel in use carries in a second.
const BYTES_PER_SECOND: u64 = 20_000;
const PACKETS_PER_SECOND: u64 = 10;

/// Connections in each second of the day.
#[derive(Debug, Clone)]
pub struct Load(Vec<u32>);

impl Load {
    fn new() -> Load {
        Load(vec![0; 24 * 3600])
    }

    fn count(&mut self, at: u64) {
        let second = usize::try_from(at / SECOND).unwrap_or(usize::MAX);
        if let Some(count) = self.0.get_mut(second) {
            *count += 1;
        }
    }

    /// The most in a second of this time.
    pub fn peak(&self, time: Range<usize>) -> u32 {
        self.0.get(time).unwrap_or_default().iter().copied().max().unwrap_or_default()
    }

    /// The mean, in a second, of the busiest minute of this time.
    pub fn busy_minute(&self, time: Range<usize>) -> f64 {
        let seconds = self.0.get(time).unwrap_or_default();
        f64::from(seconds.windows(60).map(|minute| minute.iter().sum::<u32>()).max().unwrap_or_default()) / 60.0
    }

    /// The mean, in a second, of this time.
    pub fn mean(&self, time: Range<usize>) -> f64 {
        let length = u32::try_from(time.len().max(1)).unwrap_or(u32::MAX);
        f64::from(self.0.get(time).unwrap_or_default().iter().sum::<u32>()) / f64::from(length)
    }
}

/// What a day brings.
#[derive(Debug, Clone)]
pub struct WorkingDay {
    /// Connections to the gateway.
    pub gateway: Load,
    /// Connections to hosts of the intranet.
    pub inside: Load,
    /// The longest that a tunnel in use was dead before its seat said so, in seconds.
    pub noticed_after: f64,
}

/// Simulates a day of so many seats.
pub fn day(seats: u32) -> WorkingDay {
    let mut day = WorkingDay { gateway: Load::new(), inside: Load::new(), noticed_after: 0.0 };
    let wall = at("2026-11-24T12:00");
    for number in 0..seats {
        Seat::new(number.into(), &wall).run(&mut day);
    }
    day
}

/// How many connections a seat opens in that time while its tunnel is in use, after the first minute.
pub fn connections_in_use(time: Duration) -> u32 {
    let wall = at("2026-11-24T12:00");
    let mut day = WorkingDay { gateway: Load::new(), inside: Load::new(), noticed_after: 0.0 };
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let changes =
        vec![(MINUTE + millis, Change::Network(false)), (0, Change::Tunnel(true)), (0, Change::Network(true))];
    Seat { changes, always_in_use: true, ..Seat::new(0, &wall) }.run(&mut day);
    let counted = |load: &Load| load.0.iter().skip(60).sum::<u32>();
    counted(&day.gateway) + counted(&day.inside)
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

struct Seat<'a> {
    number: u64,
    wall: &'a ZonedDateTime,
    tracker: Tracker,
    now: u64,
    changes: Vec<(u64, Change)>,
    network: bool,
    tunnel: bool,
    gateway: bool,
    always_in_use: bool,
    traffic: Traffic,
    /// The probe under way: when it ends, its number, whether the gateway is asked, whether the intranet answers.
    asked: Option<(u64, u64, bool, bool)>,
    random: fastrand::Rng,
}

impl Seat<'_> {
    fn new(number: u64, wall: &ZonedDateTime) -> Seat<'_> {
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
        // What comes first is taken first.
        changes.reverse();
        let begin = Now { wall: wall.clone(), uptime: Duration::ZERO };
        Seat {
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
                self.becomes(change)
            } else if let Some((_, number, gateway, answers)) = self.asked.filter(|(at, ..)| *at <= next) {
                self.asked = None;
                let witnesses = match (answers, self.tunnel) {
                    (true, true) => correct(TUNNEL),
                    (true, false) => correct(HOME),
                    (false, _) => silent(),
                };
                let gateway = gateway.then_some(if self.gateway { Gateway::Answered } else { Gateway::Silent });
                self.tracker.on_probe(probe(number, witnesses, gateway), &self.moment())
            } else {
                self.tracker.tick(&self.moment())
            };
            self.carry_out(requests, day);
            if self.tracker.status() == VpnStatus::Stalled
                && let Some(since) = dead_since.take()
            {
                let seconds = Duration::from_millis(self.now - since).as_secs_f64();
                day.noticed_after = day.noticed_after.max(seconds);
            }
        }
    }

    fn moment(&self) -> Now {
        Now { wall: self.wall.clone(), uptime: Duration::from_millis(self.now) }
    }

    fn becomes(&mut self, change: Change) -> TrackerRequests {
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
        self.tracker.on_links(links, &self.moment())
    }

    /// Whether somebody works at that moment: half of the time, five minutes and more.
    fn is_in_use(&self, at: u64) -> bool {
        // Not everybody begins at a full minute.
        let turn = (at + self.number * 997) / (5 * MINUTE);
        self.always_in_use || fastrand::Rng::with_seed((self.number << 32) + turn).bool()
    }

    fn pass(&mut self, time: u64) {
        if self.tunnel && self.is_in_use(self.now) {
            self.traffic.sent_packets += PACKETS_PER_SECOND * time / SECOND;
            if self.gateway {
                self.traffic.received_bytes += BYTES_PER_SECOND * time / SECOND;
            }
        }
        self.now += time;
    }

    fn carry_out(&mut self, requests: TrackerRequests, day: &mut WorkingDay) {
        if let Some((number, gateway)) = requests.probe {
            let answers = self.tunnel && self.gateway;
            if self.tunnel {
                day.inside.count(self.now);
                day.inside.count(self.now + STAGGER);
                self.traffic.sent_packets += 4;
                self.traffic.received_bytes += if answers { 500 } else { 0 };
            }
            if gateway && self.network {
                day.gateway.count(self.now);
            }
            let takes = if answers { ANSWER + self.random.u64(0..ANSWER) } else { SILENCE };
            self.asked = Some((self.now + takes, number, gateway, answers));
        }
        if requests.traffic.is_some() {
            let requests = self.tracker.on_traffic(self.tunnel.then_some(self.traffic), &self.moment());
            self.carry_out(requests, day);
        }
        if requests.client {
            let requests = self.tracker.on_client(None, &self.moment());
            self.carry_out(requests, day);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same as `make bench` with all 5,000 seats.
    #[test]
    fn a_fleet_does_not_connect_in_step() {
        const SEATS: u32 = 300;
        let day = day(SEATS);
        let hour = 3600;
        // Only those who come later than half past eight, one by one.
        assert!(day.gateway.peak(POWER_CUT) <= 5);
        for (name, time) in [
            ("after the power cut", POWER_CUT.end..POWER_CUT.end + 900),
            ("while the gateway is down", GATEWAY_DOWN.start..GATEWAY_DOWN.end),
            ("when it is back", GATEWAY_DOWN.end..GATEWAY_DOWN.end + 900),
        ] {
            for (place, load) in [("gateway", &day.gateway), ("inside", &day.inside)] {
                let (peak, busy) = (load.peak(time.clone()), load.busy_minute(time.clone()));
                // Of few seats, as many in a second are chance; the share of them all must stay small.
                let allowed = (3.0 * busy).max(f64::from(SEATS) * 0.1);
                assert!(
                    f64::from(peak) <= allowed,
                    "{place}, {name}: {peak} in a second, {busy:.1} in the busiest minute"
                );
            }
        }
        // In the afternoon only the tunnels that are not in use are probed, once a minute at most.
        let afternoon = 14 * hour..16 * hour;
        assert_eq!(day.gateway.peak(afternoon.clone()), 0);
        let inside = day.inside.mean(afternoon);
        assert!(inside > 0.0 && inside <= f64::from(SEATS) * 2.0 / 60.0, "{inside}");
        assert_eq!(connections_in_use(Duration::from_secs(600)), 0);
        assert!(day.noticed_after > 0.0 && day.noticed_after <= 20.0, "{} s", day.noticed_after);
    }
}
