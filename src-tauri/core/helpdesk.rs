//! Whether the helpdesk AMIGO is open, and until when (guide, section 8).

use jiff::ZonedDateTime;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use vigie_profile::{Day, Hours, Profile};

/// How many days ahead the next opening is searched: the hours repeat weekly, and no holidays last a year.
const SEARCH_DAYS: i64 = 366;

/// The helpdesk's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Helpdesk {
    /// Open.
    Open {
        /// When it closes.
        until: ZonedDateTime,
    },
    /// Closed.
    Closed {
        /// When it opens next, as far as the calendar is known.
        opens: Option<ZonedDateTime>,
    },
    /// The calendar does not cover today.
    OutOfCalendar,
}

/// Returns the state of the helpdesk.
pub fn state(profile: &Profile, now: &ZonedDateTime) -> Helpdesk {
    let covers = &profile.calendar.covers;
    if !(covers.from..=covers.to).contains(&now.date()) {
        return Helpdesk::OutOfCalendar;
    }
    let until = periods(profile, now.date(), now.time_zone())
        .filter(|(from, to)| from <= now && now < to)
        .map(|(_, to)| to)
        .max();
    match until {
        Some(until) => Helpdesk::Open { until: through(profile, until) },
        None => Helpdesk::Closed { opens: next_opening(profile, now) },
    }
}

/// Returns when [`state`] changes next, as far as the calendar is known.
pub fn next_change(profile: &Profile, now: &ZonedDateTime) -> Option<ZonedDateTime> {
    let covers = &profile.calendar.covers;
    let zone = now.time_zone();
    match state(profile, now) {
        Helpdesk::Open { until } => Some(until),
        Helpdesk::Closed { opens: Some(opens) } => Some(opens),
        Helpdesk::Closed { opens: None } => midnight(horizon(profile, now.date()).tomorrow().ok()?, zone),
        Helpdesk::OutOfCalendar if now.date() < covers.from => midnight(covers.from, zone),
        Helpdesk::OutOfCalendar => None,
    }
}

/// Whether that day is one of the eleven French public holidays (Code du travail, article L3133-1).
pub fn is_public_holiday(date: Date) -> bool {
    let fixed = matches!(
        (date.month(), date.day()),
        (1, 1) | (5, 1) | (5, 8) | (7, 14) | (8, 15) | (11, 1) | (11, 11) | (12, 25)
    );
    // Easter Monday, Ascension, Whit Monday.
    fixed || matches!((date - easter(date.year())).get_days(), 1 | 39 | 50)
}

/// Easter Sunday in the Gregorian calendar (the computus as published by Meeus, Jones and Butcher).
fn easter(year: i16) -> Date {
    let year32 = i32::from(year);
    let a = year32 % 19;
    let (b, c) = (year32 / 100, year32 % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (b - (b + 8) / 25 + 1) / 3;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let first_of_march = Date::new(year, 3, 1).unwrap_or(Date::MAX);
    first_of_march.saturating_add(jiff::Span::new().days(h + l - 7 * m + 21))
}

/// Returns the hours of that day: none on public holidays, else by the school calendar.
fn hours(profile: &Profile, date: Date) -> impl Iterator<Item = &Hours> {
    let away = profile.calendar.holidays.iter().any(|holiday| holiday.from <= date && date < holiday.back);
    let table = if away { &profile.helpdesk.holidays } else { &profile.helpdesk.school };
    let open = !is_public_holiday(date);
    table.iter().filter(move |hours| open && hours.days.iter().any(|day| weekday(*day) == date.weekday()))
}

/// Returns the opening periods of that day. A time that a clock change skips is moved by jiff.
fn periods(profile: &Profile, date: Date, zone: &TimeZone) -> impl Iterator<Item = (ZonedDateTime, ZonedDateTime)> {
    let at = move |time: Time| date.to_datetime(time).to_zoned_datetime(zone.clone()).ok();
    hours(profile, date).filter_map(move |hours| Some((at(hours.from)?, at(hours.to)?)))
}

/// Returns the end of the opening that contains or touches `until`: 8 to 12 and 12 to 17 are one period.
fn through(profile: &Profile, until: ZonedDateTime) -> ZonedDateTime {
    let mut periods: Vec<_> = periods(profile, until.date(), until.time_zone()).collect();
    periods.sort();
    periods.into_iter().fold(until, |until, (from, to)| if from <= until && until < to { to } else { until })
}

/// Returns when the helpdesk opens next.
fn next_opening(profile: &Profile, now: &ZonedDateTime) -> Option<ZonedDateTime> {
    let last = horizon(profile, now.date());
    let days = now.date().series(jiff::Span::new().days(1)).take_while(|date| *date <= last);
    days.filter_map(|date| {
        let from = periods(profile, date, now.time_zone()).filter(|(from, to)| now < from && from < to);
        from.map(|(from, _)| from).min()
    })
    .next()
}

/// Returns the last day to search.
fn horizon(profile: &Profile, today: Date) -> Date {
    profile.calendar.covers.to.min(today.saturating_add(jiff::Span::new().days(SEARCH_DAYS)))
}

/// Returns midnight at the beginning of a day.
fn midnight(date: Date, zone: &TimeZone) -> Option<ZonedDateTime> {
    date.to_zoned_datetime(zone.clone()).ok()
}

fn weekday(day: Day) -> Weekday {
    match day {
        Day::Monday => Weekday::Monday,
        Day::Tuesday => Weekday::Tuesday,
        Day::Wednesday => Weekday::Wednesday,
        Day::Thursday => Weekday::Thursday,
        Day::Friday => Weekday::Friday,
        Day::Saturday => Weekday::Saturday,
        Day::Sunday => Weekday::Sunday,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, guide};
    use proptest::prelude::*;

    fn open(until: &str) -> Helpdesk {
        Helpdesk::Open { until: at(until) }
    }

    fn closed(opens: &str) -> Helpdesk {
        Helpdesk::Closed { opens: Some(at(opens)) }
    }

    #[test]
    fn hours_follow_the_guide() {
        let says = |now: &str| state(&guide(), &at(now));
        // School period, Tuesday 24 and Wednesday 25 November 2026.
        assert_eq!(says("2026-11-24T07:59:59"), closed("2026-11-24T08:00"));
        assert_eq!(says("2026-11-24T08:00"), open("2026-11-24T17:00"));
        assert_eq!(says("2026-11-24T12:45"), open("2026-11-24T17:00"));
        assert_eq!(says("2026-11-24T17:00"), closed("2026-11-25T08:00"));
        assert_eq!(says("2026-11-25T12:59"), open("2026-11-25T13:00"));
        assert_eq!(says("2026-11-25T13:00"), closed("2026-11-26T08:00"));
        // Friday evening: Monday morning.
        assert_eq!(says("2026-11-27T18:00"), closed("2026-11-30T08:00"));
        // Outside school periods: Wednesday 21 October 2026, in the Toussaint holidays.
        assert_eq!(says("2026-10-21T08:30"), closed("2026-10-21T09:00"));
        assert_eq!(says("2026-10-21T12:29"), open("2026-10-21T12:30"));
        assert_eq!(says("2026-10-21T12:30"), closed("2026-10-21T13:30"));
        assert_eq!(says("2026-10-21T16:59"), open("2026-10-21T17:00"));
        // The day of return is a school day.
        assert_eq!(says("2026-11-02T08:00"), open("2026-11-02T17:00"));
    }

    #[test]
    fn helpdesk_is_closed_on_public_holidays() {
        let says = |now: &str| state(&guide(), &at(now));
        assert_eq!(says("2026-11-11T10:00"), closed("2026-11-12T08:00"));
        // Christmas 2026 is a Friday in the holidays; the next opening is Monday at 9.
        assert_eq!(says("2026-12-25T10:00"), closed("2026-12-28T09:00"));
        // Easter Monday 2027: 29 March, a school Monday.
        assert_eq!(says("2027-03-29T10:00"), closed("2027-03-30T08:00"));
    }

    #[test]
    fn the_eleven_public_holidays_of_a_year() {
        let year = |year: i16| -> Vec<String> {
            let days =
                Date::constant(year, 1, 1).series(jiff::Span::new().days(1)).take_while(|day| day.year() == year);
            days.filter(|day| is_public_holiday(*day)).map(|day| day.strftime("%m-%d").to_string()).collect()
        };
        assert_eq!(
            year(2026),
            ["01-01", "04-06", "05-01", "05-08", "05-14", "05-25", "07-14", "08-15", "11-01", "11-11", "12-25"]
        );
        // Ascension 2008 fell on 1 May.
        assert_eq!(year(2008).len(), 10);
        assert_eq!(year(2027)[1..6], ["03-29", "05-01", "05-06", "05-08", "05-17"]);
    }

    #[test]
    fn easter_matches_published_dates() {
        // The bounds (22 March, 25 April) among them.
        let dates = [(1818, 3, 22), (1943, 4, 25), (1999, 4, 4), (2000, 4, 23), (2024, 3, 31), (2025, 4, 20)];
        for (year, month, day) in dates.into_iter().chain([(2026, 4, 5), (2027, 3, 28), (2038, 4, 25)]) {
            assert_eq!(easter(year), Date::constant(year, month, day));
        }
    }

    #[test]
    fn outside_the_calendar_the_state_is_unknown() {
        let mut profile = (*guide()).clone();
        profile.calendar.covers.from = Date::constant(2026, 9, 1);
        profile.calendar.covers.to = Date::constant(2026, 11, 24);
        let (says, changes) = (|now: &str| state(&profile, &at(now)), |now: &str| next_change(&profile, &at(now)));
        assert_eq!(says("2026-08-31T10:00"), Helpdesk::OutOfCalendar);
        assert_eq!(changes("2026-08-31T10:00"), Some(at("2026-09-01T00:00")));
        // The last day counts whole; then the calendar is silent.
        assert_eq!(says("2026-11-24T10:00"), open("2026-11-24T17:00"));
        assert_eq!(says("2026-11-24T23:59:59"), Helpdesk::Closed { opens: None });
        assert_eq!(changes("2026-11-24T18:00"), Some(at("2026-11-25T00:00")));
        assert_eq!(says("2026-11-25T00:00"), Helpdesk::OutOfCalendar);
        assert_eq!(changes("2026-11-25T00:00"), None);
    }

    #[test]
    fn search_for_an_opening_is_bounded() {
        let mut profile = (*guide()).clone();
        profile.helpdesk.school.clear();
        profile.helpdesk.holidays.clear();
        profile.calendar.covers.to = Date::MAX;
        let now = at("2026-11-24T10:00");
        assert_eq!(state(&profile, &now), Helpdesk::Closed { opens: None });
        assert_eq!(next_change(&profile, &now), Some(at("2027-11-26T00:00")));
    }

    #[test]
    fn adjacent_periods_are_merged() {
        let mut profile = (*guide()).clone();
        let afternoon =
            Hours { days: vec![Day::Wednesday], from: Time::constant(13, 0, 0, 0), to: Time::constant(16, 0, 0, 0) };
        profile.helpdesk.school.insert(0, afternoon);
        assert_eq!(state(&profile, &at("2026-11-25T09:00")), open("2026-11-25T16:00"));
    }

    #[test]
    fn hours_span_a_clock_change() {
        let mut profile = (*guide()).clone();
        // Sunday 25 October 2026: 3:00 becomes 2:00. Sunday 28 March 2027: 2:00 becomes 3:00.
        let night = Hours { days: vec![Day::Sunday], from: Time::constant(1, 0, 0, 0), to: Time::constant(4, 0, 0, 0) };
        profile.helpdesk.holidays.push(night.clone());
        profile.helpdesk.school.push(night);
        for (from, hours) in [("2026-10-25T01:00", 4), ("2027-03-28T01:00", 2)] {
            let from = at(from);
            let Helpdesk::Open { until } = state(&profile, &from) else { panic!("closed at {from}") };
            assert_eq!(from.duration_until(&until).as_hours(), hours);
        }
    }

    proptest! {
        /// Between now and `next_change` nothing changes; at that moment something does, and it lies ahead.
        #[test]
        fn next_change_is_exact(seconds in 1_750_000_000_i64..1_830_000_000, part in 0.0..1.0) {
            let profile = guide();
            let now = jiff::Timestamp::from_second(seconds).unwrap().to_zoned_datetime(TimeZone::get("Europe/Paris").unwrap());
            let before = state(&profile, &now);
            let Some(change) = next_change(&profile, &now) else {
                prop_assert_eq!(before, Helpdesk::OutOfCalendar);
                return Ok(());
            };
            prop_assert!(change > now);
            prop_assert_ne!(&state(&profile, &change), &before);
            let between = now.checked_add(now.duration_until(&change).mul_f64(part * 0.999_999)).unwrap();
            prop_assert_eq!(state(&profile, &between), before);
        }
    }
}
