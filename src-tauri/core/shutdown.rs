//! Reminders of the automatic shutdown (guide, section 13).
//!
//! The wall clock alone decides: whatever happened in between (sleep, a late start, a changed clock or time zone), the
//! reminder that is due is the one whose lead was reached last, and it is due once.

use super::message::{Category, Effect, Notification};
use super::state::{Question, State};
use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How many shutdowns are remembered, because a clock or time zone that changes back brings a moment again.
const MAX_HISTORY: usize = 16;
/// Moments closer than this are the same shutdown: Windows reports the time left, which wavers by seconds.
const SAME_SHUTDOWN: SignedDuration = SignedDuration::from_secs(60);

/// How long the last reminder waits for an answer before the panel shows it: "do not disturb" and programs in full screen
/// hide notifications, and systems do not say so. At most half of the time that is left.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A reminder that is due now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reminder {
    /// When the machine goes down.
    pub at: ZonedDateTime,
    /// Whole minutes until then, rounded up.
    pub minutes: u16,
    /// Whether no later reminder follows.
    pub last: bool,
}

impl Reminder {
    /// Returns the same reminder with the minutes that are left now.
    pub fn as_of(&self, now: &super::Now) -> Reminder {
        Reminder { minutes: whole_minutes(now.wall.duration_until(&self.at)), ..self.clone() }
    }
}

/// Rounded up.
fn whole_minutes(left: SignedDuration) -> u16 {
    let seconds = left.as_secs() + i64::from(left.subsec_nanos() > 0);
    u16::try_from((seconds + 59) / 60).unwrap_or(if left.is_negative() { 0 } else { u16::MAX })
}

/// What survives a restart of Vigie.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReminderHistory {
    /// What was shown, oldest first.
    shown: Vec<ShownReminder>,
    /// The day on which the user wanted no more reminders.
    not_tonight: Option<Date>,
}

/// A shutdown of which the user was reminded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct ShownReminder {
    at: Timestamp,
    /// The smallest lead shown so far, in minutes.
    lead: u16,
}

/// Plans the reminders.
#[derive(Debug, Clone)]
pub struct Planner {
    /// The profile's time of day, if its policy applies.
    policy: Option<Time>,
    /// Minutes ahead, greatest first.
    leads: Vec<u16>,
    machine: Option<Timestamp>,
    history: ReminderHistory,
}

impl Planner {
    /// Returns a planner that continues from what was shown before.
    pub fn new(config: &vigie_profile::ShutdownConfig, history: ReminderHistory) -> Planner {
        let mut planner = Planner { policy: None, leads: Vec::new(), machine: None, history };
        planner.set_config(config);
        planner
    }

    /// Applies the time and the leads of a changed configuration. The history of reminders is kept.
    pub fn set_config(&mut self, config: &vigie_profile::ShutdownConfig) {
        self.policy = config.enabled.then_some(config.at);
        self.leads = config.leads_minutes.iter().copied().filter(|lead| *lead > 0).collect();
        self.leads.sort_unstable_by(|a, b| b.cmp(a));
        self.leads.dedup();
    }

    /// Sets the shutdown that the machine itself has planned; it applies if it is earlier than the profile's.
    pub fn set_machine(&mut self, at: Option<Timestamp>) {
        self.machine = at;
    }

    /// Returns the reminder that is due now, once. To be called after every event.
    pub fn due(&mut self, now: &super::Now) -> Option<Reminder> {
        let (reminder, lead) = self.reminder_at(&now.wall)?;
        let at = reminder.at.timestamp();
        self.history.shown.retain(|shown| !same(shown.at, at));
        self.history.shown.push(ShownReminder { at, lead });
        let surplus = self.history.shown.len().saturating_sub(MAX_HISTORY);
        self.history.shown.drain(..surplus);
        Some(reminder)
    }

    /// Returns the reminder that [`Planner::due`] would return, without marking it as shown.
    pub fn pending(&self, now: &super::Now) -> Option<Reminder> {
        self.reminder_at(&now.wall).map(|(reminder, _)| reminder)
    }

    /// Returns when to call [`Planner::due`] next.
    pub fn next_wake(&self, now: &super::Now) -> Option<Timestamp> {
        if self.leads.is_empty() {
            return None;
        }
        let zone = now.wall.time_zone();
        // A reminder is due when its lead is reached, when the shutdown before it is past, or when the date changes
        // after "not tonight". Only shutdowns already reminded of or silenced give none.
        let mut from = now.wall.clone();
        for _ in 0..MAX_HISTORY + 2 {
            let at = self.shutdown_after(&from)?;
            let ahead = |lead: &u16| at.checked_sub(SignedDuration::from_mins(i64::from(*lead))).ok();
            let mut moments: Vec<ZonedDateTime> = self.leads.iter().filter_map(ahead).collect();
            moments.push(from.clone());
            if let Some(date) = self.history.not_tonight.and_then(|date| date.tomorrow().ok()) {
                moments.extend(date.to_zoned_datetime(zone.clone()).ok());
            }
            moments.retain(|moment| from <= *moment && *moment < at && *moment > now.wall);
            moments.sort_by_key(ZonedDateTime::timestamp);
            if let Some(moment) = moments.into_iter().find(|moment| self.reminder_at(moment).is_some()) {
                return Some(moment.timestamp());
            }
            from = at;
        }
        None
    }

    /// Returns when the machine goes down next.
    pub fn next_shutdown(&self, now: &super::Now) -> Option<ZonedDateTime> {
        self.shutdown_after(&now.wall)
    }

    /// Whether the machine itself has planned the next shutdown, by a task or a command; otherwise the profile names its time.
    pub fn is_planned_by_machine(&self, now: &super::Now) -> bool {
        let next = self.shutdown_after(&now.wall).map(|at| at.timestamp());
        next.is_some() && next == self.machine
    }

    /// Whether another reminder will come today.
    pub fn reminds_tonight(&self, now: &super::Now) -> bool {
        let today = |at: Timestamp| at.to_zoned_datetime(now.wall.time_zone().clone()).date() == now.wall.date();
        self.pending(now).is_some() || self.next_wake(now).is_some_and(today)
    }

    /// Silences the reminders until the date changes.
    pub fn not_tonight(&mut self, now: &super::Now) {
        self.history.not_tonight = Some(now.wall.date());
    }

    /// Whether reminders would come today if the user had not silenced them.
    pub fn is_silenced(&self, now: &super::Now) -> bool {
        if self.history.not_tonight != Some(now.wall.date()) {
            return false;
        }
        let mut again = self.clone();
        again.remind_again();
        again.reminds_tonight(now)
    }

    /// Takes [`Planner::not_tonight`] back.
    pub fn remind_again(&mut self) {
        self.history.not_tonight = None;
    }

    /// Returns what to keep across a restart.
    pub fn history(&self) -> &ReminderHistory {
        &self.history
    }

    /// Returns the reminder for that moment, and its lead in minutes.
    fn reminder_at(&self, now: &ZonedDateTime) -> Option<(Reminder, u16)> {
        if self.history.not_tonight == Some(now.date()) {
            return None;
        }
        let at = self.shutdown_after(now)?;
        let left = now.duration_until(&at);
        let reached = |lead: &u16| left <= SignedDuration::from_mins(i64::from(*lead));
        let lead = *self.leads.iter().rev().find(|lead| reached(lead))?;
        let shown = self.history.shown.iter().find(|shown| same(shown.at, at.timestamp()));
        if shown.is_some_and(|shown| shown.lead <= lead) {
            return None;
        }
        let last = self.leads.last() == Some(&lead);
        Some((Reminder { at, minutes: whole_minutes(left), last }, lead))
    }

    /// Returns the first shutdown after that moment: the profile's, or the machine's own if that is earlier.
    fn shutdown_after(&self, now: &ZonedDateTime) -> Option<ZonedDateTime> {
        let zone = now.time_zone();
        let policy = self.policy.and_then(|time| {
            // From the day before to two days ahead: a zone can skip a day, and a gap can move a time past midnight.
            let days = now.date().yesterday().unwrap_or(Date::MIN).series(jiff::Span::new().days(1)).take(4);
            days.filter_map(|day| day.to_datetime(time).to_zoned_datetime(zone.clone()).ok()).find(|at| at > now)
        });
        let machine = self.machine.filter(|at| *at > now.timestamp()).map(|at| at.to_zoned_datetime(zone.clone()));
        [policy, machine].into_iter().flatten().min()
    }
}

/// Shows the reminder that is due, and withdraws one whose shutdown is past or cancelled.
pub(super) fn remind(state: &mut State, effects: &mut Vec<Effect>) {
    let now = state.now.clone();
    let next = state.shutdown.next_shutdown(&now);
    // A plan read from Windows wavers by seconds.
    let is_current =
        |shown: &Reminder| next.as_ref().is_some_and(|next| next.timestamp() < shown.at.timestamp() + SAME_SHUTDOWN);
    if state.reminded.as_ref().is_some_and(|shown| !is_current(shown)) {
        withdraw(state, effects);
    }
    let Some(reminder) = state.shutdown.due(&now) else {
        if state.unanswered_until.take_if(|until| *until <= now.uptime).is_some() {
            effects.push(Effect::ShowPanel);
        }
        return;
    };
    super::question::drop_forget(state);
    state.reminded = Some(reminder.clone());
    let left = Duration::try_from(now.wall.duration_until(&reminder.at)).unwrap_or_default();
    state.unanswered_until = (reminder.last && state.notifications).then(|| now.uptime + ANSWER_TIMEOUT.min(left / 2));
    // Without a notification server the panel shows it.
    effects.push(if state.notifications {
        Effect::Notify(Notification::Shutdown(reminder))
    } else {
        Effect::ShowPanel
    });
}

/// Takes back the reminder, and the question that it led to.
pub(super) fn withdraw(state: &mut State, effects: &mut Vec<Effect>) {
    state.reminded = None;
    state.unanswered_until = None;
    state.question.take_if(|question| *question == Question::ShutDown);
    effects.push(Effect::Withdraw(Category::Shutdown));
}

fn same(a: Timestamp, b: Timestamp) -> bool {
    a.duration_until(b).abs() < SAME_SHUTDOWN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Now;
    use crate::fixture::{at, guide, now};
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    fn planner() -> Planner {
        Planner::new(&guide().shutdown, ReminderHistory::default())
    }

    fn policy(at: &str, leads: &[u16]) -> vigie_profile::ShutdownConfig {
        vigie_profile::ShutdownConfig { at: at.parse().unwrap(), enabled: true, leads_minutes: leads.to_vec() }
    }

    /// Minutes and `last` of what is due.
    fn due(planner: &mut Planner, text: &str) -> Option<(u16, bool)> {
        planner.due(&now(text)).map(|reminder| (reminder.minutes, reminder.last))
    }

    #[test]
    fn each_lead_of_an_evening_is_due_once() {
        let mut planner = planner();
        assert_eq!(due(&mut planner, "2026-11-24T20:59:59"), None);
        for (at, reminder, next) in [
            ("2026-11-24T21:00", (30, false), "2026-11-24T21:15"),
            ("2026-11-24T21:15", (15, false), "2026-11-24T21:25"),
            ("2026-11-24T21:25", (5, true), "2026-11-25T21:00"),
        ] {
            assert_eq!(due(&mut planner, at), Some(reminder));
            assert_eq!(due(&mut planner, at), None);
            assert_eq!(planner.next_wake(&now(at)), Some(super::tests::at(next).timestamp()));
        }
        assert_eq!(due(&mut planner, "2026-11-24T21:29:59"), None);
        assert_eq!(due(&mut planner, "2026-11-24T21:30"), None);
        assert_eq!(planner.next_shutdown(&now("2026-11-24T21:29:59")), Some(at("2026-11-24T21:30")));
        assert_eq!(planner.next_shutdown(&now("2026-11-24T21:30")), Some(at("2026-11-25T21:30")));
    }

    #[test]
    fn late_start_gives_one_reminder_with_the_minutes_left() {
        let mut planner = planner();
        assert_eq!(due(&mut planner, "2026-11-24T21:20"), Some((10, false)));
        assert_eq!(due(&mut planner, "2026-11-24T21:20:01"), None);
        assert_eq!(due(&mut planner, "2026-11-24T21:25"), Some((5, true)));
        assert_eq!(due(&mut self::planner(), "2026-11-24T21:29:30"), Some((1, true)));
        assert_eq!(due(&mut self::planner(), "2026-11-24T21:17:59"), Some((13, false)));
    }

    #[test]
    fn sleep_over_several_leads_gives_one_reminder_on_waking() {
        let mut planner = planner();
        assert_eq!(due(&mut planner, "2026-11-24T20:50"), None);
        assert_eq!(due(&mut planner, "2026-11-24T21:26"), Some((4, true)));
        assert_eq!(due(&mut planner, "2026-11-24T21:27"), None);
        // Asleep over the moment itself: nothing of the past, the next evening as ever.
        assert_eq!(due(&mut planner, "2026-11-25T08:00"), None);
        assert_eq!(due(&mut planner, "2026-11-25T21:00"), Some((30, false)));
    }

    #[test]
    fn restart_does_not_repeat_a_reminder() {
        let mut planner = planner();
        assert_eq!(due(&mut planner, "2026-11-24T21:15"), Some((15, false)));
        let text = serde_json::to_string(planner.history()).unwrap();
        let mut planner = Planner::new(&guide().shutdown, serde_json::from_str(&text).unwrap());
        assert_eq!(due(&mut planner, "2026-11-24T21:16"), None);
        assert_eq!(due(&mut planner, "2026-11-24T21:25"), Some((5, true)));
        // A state file of a version that remembered nothing.
        assert_eq!(serde_json::from_str::<ReminderHistory>("{}").unwrap(), ReminderHistory::default());
    }

    #[test]
    fn not_tonight_lasts_until_the_date_changes() {
        let mut planner = planner();
        assert!(planner.reminds_tonight(&now("2026-11-24T10:00")));
        planner.not_tonight(&now("2026-11-24T10:00"));
        assert!(!planner.reminds_tonight(&now("2026-11-24T10:00")));
        assert_eq!(planner.next_wake(&now("2026-11-24T10:00")), Some(at("2026-11-25T21:00").timestamp()));
        let mut planner = Planner::new(&guide().shutdown, planner.history().clone());
        for time in ["21:00", "21:15", "21:25", "21:29"] {
            assert_eq!(due(&mut planner, &format!("2026-11-24T{time}")), None);
        }
        assert_eq!(due(&mut planner, "2026-11-25T21:00"), Some((30, false)));
        // Taken back, what is still ahead comes; after the shutdown nothing is left to take back.
        planner.not_tonight(&now("2026-11-26T10:00"));
        assert!(planner.is_silenced(&now("2026-11-26T21:10")) && !planner.is_silenced(&now("2026-11-26T21:30")));
        planner.remind_again();
        assert!(!planner.is_silenced(&now("2026-11-26T21:10")) && planner.reminds_tonight(&now("2026-11-26T21:10")));
        assert_eq!(due(&mut planner, "2026-11-26T21:15"), Some((15, false)));
        // A shutdown just after midnight: the date changes while its leads run.
        let mut planner = Planner::new(&policy("00:10", &[30, 5]), ReminderHistory::default());
        planner.not_tonight(&now("2026-11-24T23:30"));
        assert_eq!(due(&mut planner, "2026-11-24T23:50"), None);
        assert_eq!(planner.next_wake(&now("2026-11-24T23:50")), Some(at("2026-11-25T00:00").timestamp()));
        assert_eq!(due(&mut planner, "2026-11-25T00:00"), Some((10, false)));
    }

    #[test]
    fn earlier_plan_of_the_machine_applies() {
        let mut planner = planner();
        planner.set_machine(Some(at("2026-11-24T18:00").timestamp()));
        assert_eq!(due(&mut planner, "2026-11-24T17:30"), Some((30, false)));
        assert_eq!(planner.next_shutdown(&now("2026-11-24T17:30")), Some(at("2026-11-24T18:00")));
        // Read again, it wavers by seconds: the same shutdown.
        planner.set_machine(Some(at("2026-11-24T18:00:02").timestamp()));
        assert_eq!(due(&mut planner, "2026-11-24T17:30:05"), None);
        assert_eq!(due(&mut planner, "2026-11-24T17:45:02"), Some((15, false)));
        assert!(planner.is_planned_by_machine(&now("2026-11-24T17:46")));
        assert!(!planner.is_planned_by_machine(&now("2026-11-24T18:01")));
        // Called off: the profile's time again.
        planner.set_machine(None);
        assert!(!planner.is_planned_by_machine(&now("2026-11-24T17:46")));
        assert_eq!(due(&mut planner, "2026-11-24T17:56"), None);
        assert_eq!(planner.next_shutdown(&now("2026-11-24T17:56")), Some(at("2026-11-24T21:30")));
        // Later than the profile's: the profile's wins.
        planner.set_machine(Some(at("2026-11-24T22:00").timestamp()));
        assert_eq!(due(&mut planner, "2026-11-24T21:00"), Some((30, false)));
    }

    #[test]
    fn without_a_policy_only_the_machines_plan_applies() {
        let off = vigie_profile::ShutdownConfig { enabled: false, ..guide().shutdown.clone() };
        let mut planner = Planner::new(&off, ReminderHistory::default());
        assert_eq!((due(&mut planner, "2026-11-24T21:25"), planner.next_wake(&now("2026-11-24T21:00"))), (None, None));
        assert_eq!(planner.next_shutdown(&now("2026-11-24T21:00")), None);
        assert!(!planner.reminds_tonight(&now("2026-11-24T21:00")));
        planner.set_machine(Some(at("2026-11-24T23:00").timestamp()));
        assert_eq!(planner.next_wake(&now("2026-11-24T21:00")), Some(at("2026-11-24T22:30").timestamp()));
        assert_eq!(due(&mut planner, "2026-11-24T22:50"), Some((10, false)));
        // A plan that is past is none.
        assert_eq!(planner.next_shutdown(&now("2026-11-24T23:00")), None);
    }

    #[test]
    fn profile_without_leads_never_reminds() {
        let mut planner = Planner::new(&policy("21:30", &[]), ReminderHistory::default());
        assert_eq!((due(&mut planner, "2026-11-24T21:29"), planner.next_wake(&now("2026-11-24T21:00"))), (None, None));
    }

    #[test]
    fn clock_set_back_repeats_nothing_and_another_zone_is_another_moment() {
        let mut planner = planner();
        assert_eq!(due(&mut planner, "2026-11-24T21:00"), Some((30, false)));
        assert_eq!(due(&mut planner, "2026-11-24T21:15"), Some((15, false)));
        assert_eq!(due(&mut planner, "2026-11-24T20:50"), None);
        assert_eq!(due(&mut planner, "2026-11-24T21:00"), None);
        assert_eq!(due(&mut planner, "2026-11-24T21:15"), None);
        assert_eq!(due(&mut planner, "2026-11-24T21:25"), Some((5, true)));
        // To London and back: 21:30 is an hour later there.
        let in_london = |text: &str| {
            let Now { wall, uptime } = now(text);
            Now { wall: wall.with_time_zone(TimeZone::get("Europe/London").unwrap()), uptime }
        };
        assert_eq!(planner.due(&in_london("2026-11-24T22:16")).map(|reminder| reminder.minutes), Some(14));
        assert_eq!(due(&mut planner, "2026-11-24T21:26"), None);
        assert_eq!(planner.due(&in_london("2026-11-24T22:17")), None);
        assert_eq!(planner.due(&in_london("2026-11-24T22:25")).map(|reminder| reminder.minutes), Some(5));
    }

    #[test]
    fn clock_changes_at_night_are_handled() {
        // 28 March 2027: 2:30 does not exist and becomes 3:30. 25 October 2026: the first 2:30.
        for (date, at, lead) in [
            ("2027-03-28T00:30", "2027-03-28T03:30+02:00", "2027-03-28T01:30+01:00"),
            ("2026-10-25T00:30", "2026-10-25T02:30+02:00", "2026-10-25T01:30+02:00"),
        ] {
            let mut planner = Planner::new(&policy("02:30", &[60]), ReminderHistory::default());
            let now = Now { wall: super::tests::at(date), uptime: Duration::ZERO };
            let instant = |text: &str| text.parse::<Timestamp>().unwrap();
            assert_eq!(planner.next_shutdown(&now).unwrap().timestamp(), instant(at));
            assert_eq!(planner.next_wake(&now), Some(instant(lead)));
            let due =
                Now { wall: instant(lead).to_zoned_datetime(now.wall.time_zone().clone()), uptime: Duration::ZERO };
            assert_eq!(planner.due(&due).unwrap().minutes, 60);
        }
    }

    /// Zones with every kind of clock change: at 2:00, at midnight, by half an hour, by a whole day (Apia, 2011).
    const ZONES: [&str; 7] = [
        "Europe/Paris",
        "America/New_York",
        "America/Sao_Paulo",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Africa/Cairo",
        "Indian/Reunion",
    ];

    fn zone(index: usize) -> TimeZone {
        TimeZone::get(ZONES[index]).unwrap()
    }

    fn there(instant: Timestamp, zone: &TimeZone) -> Now {
        Now { wall: instant.to_zoned_datetime(zone.clone()), uptime: Duration::ZERO }
    }

    /// Lets the machine run, awake, until `end`; every wake-up must yield a reminder.
    fn run(
        planner: &mut Planner,
        instant: &mut Timestamp,
        end: Timestamp,
        zone: &TimeZone,
        said: &mut Vec<(Timestamp, Reminder)>,
    ) {
        said.extend(planner.due(&there(*instant, zone)).map(|reminder| (*instant, reminder)));
        loop {
            let wake = planner.next_wake(&there(*instant, zone));
            assert!(wake.is_none_or(|wake| wake > *instant), "a wake-up in the past");
            let Some(wake) = wake.filter(|wake| *wake < end) else { break };
            *instant = wake;
            let reminder = planner.due(&there(wake, zone)).expect("a wake-up yields a reminder");
            assert_eq!(planner.due(&there(wake, zone)), None);
            said.push((wake, reminder));
        }
        *instant = end;
    }

    fn check(at: Timestamp, reminder: &Reminder, leads: &[u16]) {
        let left = reminder.at.timestamp().duration_since(at);
        assert!(left.is_positive(), "a reminder of a moment that has passed");
        let minutes = i64::from(reminder.minutes);
        assert!(SignedDuration::from_mins(minutes - 1) < left && left <= SignedDuration::from_mins(minutes));
        assert_eq!(reminder.last, leads.iter().all(|lead| SignedDuration::from_mins(i64::from(*lead)) >= left));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Periods awake and asleep over years: every lead that falls while awake is due at that very moment; leads that
        /// fall in a sleep yield one reminder on waking if the shutdown is still ahead; nothing else is due.
        #[test]
        fn exactly_the_reminders_that_are_due(
            start in 1_100_000_000_i64..1_900_000_000,
            zone_index in 0..ZONES.len(),
            minute in 0..1440_i32,
            leads in proptest::collection::vec(1..200_u16, 1..5),
            stretches in proptest::collection::vec((1_u32..200_000, 0_u32..200_000, any::<bool>()), 1..400),
        ) {
            let zone = zone(zone_index);
            let time = Time::midnight() + jiff::Span::new().minutes(minute);
            let profile = vigie_profile::ShutdownConfig { at: time, enabled: true, leads_minutes: leads.clone() };
            let mut planner = Planner::new(&profile, ReminderHistory::default());
            let begin = Timestamp::from_second(start).unwrap();
            let mut instant = begin;
            let mut said = Vec::new();
            let mut awake: Vec<(Timestamp, Timestamp)> = Vec::new();
            for (seconds_awake, seconds_asleep, restart) in stretches {
                let end = instant + SignedDuration::from_secs(seconds_awake.into());
                awake.push((instant, end));
                run(&mut planner, &mut instant, end, &zone, &mut said);
                instant += SignedDuration::from_secs(seconds_asleep.into());
                if restart {
                    let history = serde_json::to_string(planner.history()).unwrap();
                    planner = Planner::new(&profile, serde_json::from_str(&history).unwrap());
                }
            }
            // What should have been shown, from the calendar alone.
            let mut expected: Vec<(Timestamp, Timestamp)> = Vec::new();
            let mut shutdowns: Vec<Timestamp> = Vec::new();
            let first = begin.to_zoned_datetime(zone.clone()).date().yesterday().unwrap();
            for day in first.series(jiff::Span::new().days(1)) {
                let at = day.to_datetime(time).to_zoned_datetime(zone.clone()).unwrap().timestamp();
                if at > instant + SignedDuration::from_hours(48) { break }
                if shutdowns.last() != Some(&at) { shutdowns.push(at) }
            }
            for at in shutdowns {
                let mut fallen: Vec<Timestamp> = leads.iter().map(|lead| at - SignedDuration::from_mins(i64::from(*lead))).collect();
                fallen.sort();
                fallen.dedup();
                let mut shown_until = Timestamp::MIN;
                for (from, to) in &awake {
                    let late = fallen.iter().any(|lead| shown_until < *lead && lead < from) && *from < at;
                    if late {
                        expected.push((*from, at));
                        shown_until = *from;
                    }
                    // Woken at the very moment of a lead: one reminder for both.
                    for lead in fallen.iter().filter(|lead| from <= *lead && *lead < to && !(late && *lead == from)) {
                        expected.push((*lead, at));
                        shown_until = *lead;
                    }
                }
            }
            expected.sort();
            let reminded: Vec<(Timestamp, Timestamp)> = said.iter().map(|(when, reminder)| (*when, reminder.at.timestamp())).collect();
            prop_assert_eq!(reminded, expected);
            for (when, reminder) in &said { check(*when, reminder, &leads) }
        }

        /// The clock is set, the zone changes, the machine plans and calls off, the user has had enough: never twice the
        /// same moment and lead, never a past one, never on a day that was put off, always the right minutes.
        #[test]
        fn never_twice_and_never_late(
            start in 1_100_000_000_i64..1_900_000_000,
            minute in 0..1440_i32,
            leads in proptest::collection::vec(1..200_u16, 1..5),
            steps in proptest::collection::vec((0..8_u8, -90_000_i64..90_000, 0..ZONES.len()), 1..300),
        ) {
            let time = Time::midnight() + jiff::Span::new().minutes(minute);
            let profile = vigie_profile::ShutdownConfig { at: time, enabled: true, leads_minutes: leads.clone() };
            let mut planner = Planner::new(&profile, ReminderHistory::default());
            let mut zone = self::zone(0);
            let mut instant = Timestamp::from_second(start).unwrap();
            let mut said: Vec<(Timestamp, Timestamp, u16)> = Vec::new();
            for (kind, seconds, index) in steps {
                let step = SignedDuration::from_secs(seconds);
                match kind {
                    // The clock is set, by up to a day.
                    0 => instant += step,
                    1 => zone = self::zone(index),
                    2 => planner.set_machine(Some(instant + step.abs())),
                    3 => planner.set_machine(None),
                    4 => planner.not_tonight(&there(instant, &zone)),
                    6 => planner.remind_again(),
                    // Asleep.
                    5 => instant += step.abs(),
                    _ => {}
                }
                let put_off = planner.history.not_tonight;
                let mut new = Vec::new();
                let end = instant + step.abs();
                run(&mut planner, &mut instant, end, &zone, &mut new);
                for (when, reminder) in new {
                    check(when, &reminder, &leads);
                    prop_assert_ne!(Some(there(when, &zone).wall.date()), put_off);
                    let left = reminder.at.timestamp().duration_since(when);
                    let lead = *leads.iter().filter(|lead| left <= SignedDuration::from_mins(i64::from(**lead))).min().unwrap();
                    let shown = (reminder.at.timestamp(), lead);
                    let recent = said.iter().rev().take(MAX_HISTORY);
                    prop_assert!(recent.clone().all(|(_, at, lead)| (*at, *lead) != shown), "shown twice: {shown:?}");
                    said.push((when, shown.0, shown.1));
                }
            }
        }

        /// However close a plan of the machine's lies to the policy, waking at `next_wake` yields the reminder.
        #[test]
        fn every_wake_up_yields_a_reminder(
            start in 1_100_000_000_i64..1_900_000_000,
            minute in 0..1440_i32,
            leads in proptest::collection::vec(0..4000_u16, 0..5),
            machine in proptest::option::of(-100_000_i64..200_000),
            put_off in any::<bool>(),
            zone_index in 0..ZONES.len(),
        ) {
            let zone = zone(zone_index);
            let time = Time::midnight() + jiff::Span::new().minutes(minute);
            let profile = vigie_profile::ShutdownConfig { at: time, enabled: true, leads_minutes: leads };
            let mut planner = Planner::new(&profile, ReminderHistory::default());
            let mut instant = Timestamp::from_second(start).unwrap();
            planner.set_machine(machine.map(|seconds| instant + SignedDuration::from_secs(seconds)));
            if put_off { planner.not_tonight(&there(instant, &zone)) }
            let end = instant + SignedDuration::from_hours(24 * 5);
            run(&mut planner, &mut instant, end, &zone, &mut Vec::new());
        }
    }
}
