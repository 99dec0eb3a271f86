//! What the status was, today and on the six days before.
//!
//! Only what was seen is recorded: while the computer sleeps, Vigie does not run, or the status is unknown, there is a gap.

use super::Now;
use super::vpn::VpnStatus;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// The days that are kept, today included.
pub const KEPT_DAYS: i64 = 7;

/// The most segments that are kept: some 70 changes a day. A file with so many has about 100 kB.
const MAX_SEGMENTS: usize = 500;

/// A stretch of time with one status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// When it began.
    pub from: Timestamp,
    /// When it was last seen.
    pub until: Timestamp,
    /// The status.
    pub status: VpnStatus,
    /// Whether the user had asked to disconnect.
    #[serde(default)]
    pub wanted: bool,
}

impl Segment {
    /// Returns the part within a range of time, if it is not empty.
    fn within(&self, from: Timestamp, until: Timestamp) -> Option<Segment> {
        let part = Segment { from: self.from.max(from), until: self.until.min(until), ..*self };
        (part.from < part.until).then_some(part)
    }
}

/// How often the intranet was lost, and for how long in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// How many times.
    pub count: u32,
    /// How long in all.
    pub total: Duration,
    /// When the loss began that had not ended with the last segment.
    pub unfinished: Option<Timestamp>,
}

/// The statuses of the last days.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// Segments that have ended, in order. None overlaps another.
    past: Vec<Segment>,
    /// The segment that lasts.
    current: Option<Segment>,
    /// Whether the user has asked to disconnect, and the status does not show it yet.
    disconnect_wanted: bool,
}

impl History {
    /// Records the present status. `is_clock_right`: whether a server has confirmed the date, so that what is too old, or
    /// in the future, can be dropped.
    pub fn record(&mut self, status: VpnStatus, is_clock_right: bool, now: &Now) {
        let at = now.wall.timestamp();
        if let Some(current) = &mut self.current {
            current.until = current.until.max(at);
        }
        if self.current.is_none_or(|current| current.status != status) {
            let at = self.current.map_or(at, |current| current.until);
            self.pause();
            if status != VpnStatus::Unknown {
                let wanted = status.reaches_intranet() == Some(false) && std::mem::take(&mut self.disconnect_wanted);
                // Not empty, so that it counts at once.
                let until = at.checked_add(SignedDuration::from_millis(1)).unwrap_or(at);
                self.current = Some(Segment { from: at, until, status, wanted });
            }
        }
        if is_clock_right {
            let days = SignedDuration::from_hours(24 * KEPT_DAYS);
            let oldest = at.checked_sub(days).unwrap_or(Timestamp::MIN);
            if self.past.first().is_some_and(|first| first.from < oldest)
                || self.past.last().is_some_and(|last| last.until > at)
            {
                self.past = self.past.iter().filter_map(|segment| segment.within(oldest, at)).collect();
            }
        }
    }

    /// Ends the present segment: what follows is not seen, or the clock was set.
    pub fn pause(&mut self) {
        if let Some(current) = self.current.take() {
            self.insert(current);
        }
    }

    /// Notes that the user has asked to disconnect: what follows is no loss.
    pub fn on_disconnect(&mut self) {
        self.disconnect_wanted = true;
    }

    /// Adds a segment that has ended. It replaces what is recorded of the same time: the clock was set back since.
    fn insert(&mut self, new: Segment) {
        if new.from >= new.until {
            return;
        }
        let apart = |old: &Segment| [old.within(Timestamp::MIN, new.from), old.within(new.until, Timestamp::MAX)];
        self.past = self.past.iter().flat_map(apart).flatten().chain([new]).collect();
        self.past.sort_by_key(|segment| segment.from);
        // The oldest goes first, unless the clock was ahead once: then what lies in the future.
        while self.past.len() > MAX_SEGMENTS {
            let is_future = self.past.last().is_some_and(|last| last.from > new.until);
            self.past.remove(if is_future { self.past.len() - 1 } else { 0 });
        }
    }

    /// Returns when the last segment began.
    pub(crate) fn last_change(&self) -> Option<Timestamp> {
        self.current.or(self.past.last().copied()).map(|segment| segment.from)
    }

    /// Whether the same was seen.
    pub(crate) fn is_same(&self, other: &History) -> bool {
        (&self.past, self.current) == (&other.past, other.current)
    }

    /// Returns every segment, in order; none overlaps another.
    pub fn segments(&self) -> Vec<Segment> {
        let mut all = self.clone();
        all.pause();
        all.past
    }

    /// Returns the segments of a day, in order, cut off at its ends.
    pub fn day(&self, date: Date, zone: &TimeZone) -> Vec<Segment> {
        let begin = |date: Date| date.to_zoned_datetime(zone.clone()).map(|at| at.timestamp());
        let Ok(next) = date.checked_add(1.day()) else { return Vec::new() };
        let (Ok(from), Ok(until)) = (begin(date), begin(next)) else { return Vec::new() };
        self.segments().iter().filter_map(|segment| segment.within(from, until)).collect()
    }
}

/// Counts the losses: the intranet was reachable, then not for at least `least`, then again. What the user asked for is
/// none. One that had not ended with the last segment is not counted; [`Losses::unfinished`] says when it began.
pub fn losses(segments: &[Segment], least: Duration) -> Losses {
    let mut losses = Losses::default();
    // When the present loss began, and whether the user wanted it.
    let mut loss: Option<(Timestamp, bool)> = None;
    let lasted = |began: Timestamp, until: Timestamp| until.duration_since(began).unsigned_abs();
    let mut before: Option<Segment> = None;
    for segment in segments {
        let follows = before.is_some_and(|before| before.until == segment.from);
        let reached = before.is_some_and(|before| before.status.reaches_intranet() == Some(true));
        if !follows {
            loss = None;
        }
        if segment.status.reaches_intranet() == Some(true) {
            if let Some((began, false)) = loss.take()
                && lasted(began, segment.from) >= least
            {
                losses.count += 1;
                losses.total += lasted(began, segment.from);
            }
        } else if let Some((_, wanted)) = &mut loss {
            *wanted |= segment.wanted;
        } else if follows && reached {
            loss = Some((segment.from, segment.wanted));
        }
        before = Some(*segment);
    }
    if let (Some(last), Some((began, false))) = (before, loss)
        && lasted(began, last.until) >= least
    {
        losses.unfinished = Some(began);
    }
    losses
}

impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.segments().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for History {
    /// Takes what can be understood: a file that was damaged or comes from a newer version costs no more than that.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<History, D::Error> {
        /// A segment, or what is none.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum SavedSegment {
            Known(Segment),
            Other(serde::de::IgnoredAny),
        }
        let mut history = History::default();
        for entry in Vec::<SavedSegment>::deserialize(deserializer)? {
            if let SavedSegment::Known(segment) = entry {
                history.insert(segment);
            }
        }
        Ok(history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::after;
    use proptest::prelude::*;

    /// Records statuses, each at that second.
    fn recorded(steps: &[(f64, VpnStatus)]) -> History {
        let mut history = History::default();
        for (second, status) in steps {
            history.record(*status, false, &after(*second));
        }
        history
    }

    fn spans(history: &History) -> Vec<(i64, VpnStatus)> {
        history
            .segments()
            .iter()
            .map(|segment| (segment.until.as_second() - segment.from.as_second(), segment.status))
            .collect()
    }

    #[test]
    fn a_status_lasts_until_the_next() {
        use VpnStatus::{Connected, Disconnected, Unknown};
        let history = recorded(&[
            (0.0, Connected),
            (30.0, Connected),
            (60.0, Disconnected),
            (90.0, Connected),
            (100.0, Connected),
        ]);
        assert_eq!(spans(&history), [(60, Connected), (30, Disconnected), (10, Connected)]);
        let lost = Losses { count: 1, total: Duration::from_secs(30), unfinished: None };
        assert_eq!(losses(&history.segments(), Duration::ZERO), lost);
        assert_eq!(losses(&history.segments(), Duration::from_secs(31)), Losses::default());
        // What is unknown is a gap.
        let history =
            recorded(&[(0.0, Connected), (60.0, Unknown), (90.0, Disconnected), (99.0, Connected), (100.0, Connected)]);
        assert_eq!(spans(&history), [(60, Connected), (9, Disconnected), (1, Connected)]);
        assert_eq!(losses(&history.segments(), Duration::ZERO), Losses::default());
    }

    #[test]
    fn a_loss_that_lasts_is_told_and_not_counted() {
        use VpnStatus::{Connected, Connecting, Disconnected, Stalled};
        let mut history = recorded(&[
            (0.0, Connected),
            (60.0, Stalled),
            (70.0, Disconnected),
            (80.0, Connecting),
            (90.0, Connecting),
        ]);
        let unfinished = Some(after(60.0).wall.timestamp());
        assert_eq!(losses(&history.segments(), Duration::from_secs(30)), Losses { unfinished, ..Losses::default() });
        assert_eq!(losses(&history.segments(), Duration::from_secs(31)), Losses::default(), "too short");
        history.record(Connected, false, &after(100.0));
        history.on_disconnect();
        history.record(Disconnected, false, &after(110.0));
        history.record(Disconnected, false, &after(150.0));
        assert_eq!(losses(&history.segments(), Duration::from_secs(30)).unfinished, None, "the user wanted it");
    }

    #[test]
    fn what_the_user_asked_for_is_no_loss() {
        use VpnStatus::{Connected, Connecting, Disconnected};
        let mut history = recorded(&[(0.0, Connected)]);
        history.on_disconnect();
        for (second, status) in
            [(10.0, Connected), (20.0, Disconnected), (60.0, Connecting), (70.0, Connected), (80.0, Connected)]
        {
            history.record(status, false, &after(second));
        }
        assert_eq!(losses(&history.segments(), Duration::ZERO), Losses::default());
        for (second, status) in [(90.0, Disconnected), (100.0, Connecting), (110.0, Connected)] {
            history.record(status, false, &after(second));
        }
        history.record(Connected, false, &after(111.0));
        let lost = Losses { count: 1, total: Duration::from_secs(20), unfinished: None };
        assert_eq!(losses(&history.segments(), Duration::ZERO), lost, "the next one is");
    }

    #[test]
    fn what_is_not_seen_is_a_gap() {
        use VpnStatus::Connected;
        let mut history = recorded(&[(0.0, Connected), (60.0, Connected)]);
        history.pause();
        history.record(Connected, false, &after(3600.0));
        history.record(Connected, false, &after(3660.0));
        assert_eq!(spans(&history), [(60, Connected), (60, Connected)]);
    }

    #[test]
    fn only_a_clock_that_is_right_drops_what_is_old() {
        use VpnStatus::Connected;
        let mut history = recorded(&[(0.0, Connected), (60.0, Connected)]);
        let week = 7.0 * 86_400.0;
        history.pause();
        history.record(Connected, false, &after(week + 100.0));
        assert_eq!(history.segments().len(), 2, "the old one is kept");
        history.record(Connected, true, &after(week + 200.0));
        assert_eq!(spans(&history), [(100, Connected)]);
    }

    #[test]
    fn a_damaged_list_costs_what_is_damaged() {
        let text = r#"[{"from": "2026-11-24T08:00:00Z", "until": "2026-11-24T09:00:00Z", "status": "connected"},
            {"from": "2026-11-24T08:30:00Z", "until": "2026-11-24T10:00:00Z", "status": "offline"},
            {"from": "2026-11-24T12:00:00Z", "until": "2026-11-24T11:00:00Z", "status": "offline"},
            {"from": "2026-11-24T12:00:00Z", "until": "2026-11-24T13:00:00Z", "status": "to-come"}, 7, null]"#;
        let history: History = serde_json::from_str(text).expect("it is read");
        assert_eq!(spans(&history), [(1800, VpnStatus::Connected), (5400, VpnStatus::Offline)]);
        let again = serde_json::to_string(&history).expect("it is JSON");
        assert_eq!(serde_json::from_str::<History>(&again).expect("its own JSON is read"), history);
    }

    proptest! {
        /// Whatever the clock does, segments are in order, never overlap, are bounded, and their parts of a day lie in it.
        #[test]
        fn segments_never_overlap(
            steps in proptest::collection::vec((0..8_usize, -100_000_i64..100_000, any::<bool>(), any::<bool>()), 0..700)
        ) {
            let mut history = History::default();
            let mut now = after(1_000_000.0);
            for (status, ahead, is_clock_right, sees) in steps {
                let Ok(wall) = now.wall.checked_add(SignedDuration::from_secs(ahead)) else { continue };
                if ahead < 0 || !sees {
                    history.pause();
                }
                now = Now { wall, uptime: now.uptime + Duration::from_secs(ahead.unsigned_abs()) };
                history.record(VpnStatus::ALL[status], is_clock_right, &now);
            }
            let segments = history.segments();
            prop_assert!(segments.len() <= MAX_SEGMENTS);
            prop_assert!(segments.iter().all(|segment| segment.from < segment.until));
            prop_assert!(segments.windows(2).all(|pair| pair[0].until <= pair[1].from));
            prop_assert!(segments.iter().all(|segment| segment.status != VpnStatus::Unknown));
            let zone = now.wall.time_zone();
            let date = now.wall.date();
            for segment in history.day(date, zone) {
                prop_assert_eq!(segment.from.to_zoned_datetime(zone.clone()).date(), date);
            }
            let lost = losses(&segments, Duration::ZERO);
            prop_assert!(lost.count as usize <= segments.len() / 2);
        }
    }
}
