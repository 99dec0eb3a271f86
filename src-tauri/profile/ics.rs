//! School holidays from an .ics file in the ministry's form (data set fr-en-calendrier-scolaire).
//!
//! Its events are holidays ("Vacances de Noël - Zone B"), bridges ("Pont de l'Ascension"), and marks of one day: the
//! first day of the summer, whose end is not known yet ("Début des Vacances d'Été"), and days of return, which say only
//! how far the calendar reaches. `DTEND` is the day of return. In the file for all zones a stretch of holidays is cut
//! where another zone's begins or ends.

use super::error::ConfigError;
use super::{Calendar, CoveredDays, Holiday};
use icalendar::parser::{Component, read_calendar, unfold};
use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};

/// Adds the holidays of a file. Where it speaks of the same days as the calendar, the file is right.
pub(super) fn add(calendar: &mut Calendar, text: &str) -> Result<(), (Option<usize>, ConfigError)> {
    let unfolded = unfold(text.trim_start_matches('\u{feff}'));
    let read = read_calendar(&unfolded)
        .map_err(|error| (None, ConfigError::NotIcs(error.lines().collect::<Vec<_>>().join(" "))))?;
    let mut holidays = Vec::new();
    let mut reach: Option<CoveredDays> = None;
    for event in read.components.iter().filter(|component| component.name == "VEVENT") {
        let summary = value(event, "SUMMARY").unwrap_or_default();
        if !concerns(event, summary, &calendar.zone) {
            continue;
        }
        let unreadable = || (None, ConfigError::EventDates { event: summary.to_owned() });
        let from = value(event, "DTSTART").and_then(day).ok_or_else(unreadable)?;
        let back = match value(event, "DTEND") {
            Some(end) => day(end).ok_or_else(unreadable)?,
            None => from,
        };
        let name = summary.split(" - ").next().unwrap_or(summary).trim().replace('\'', "’");
        let holiday = (name.starts_with("Vacances") || name.starts_with("Pont")) && from < back;
        // The end of a summer that only has a beginning is not known: the calendar reaches to the day before.
        let last = if holiday || name.starts_with("Début") { back.yesterday() } else { Ok(back) };
        let last = last.map_err(|_| unreadable())?;
        reach = Some(match reach {
            None => CoveredDays { from: from.min(last), to: last },
            Some(reach) => CoveredDays { from: reach.from.min(from.min(last)), to: reach.to.max(last) },
        });
        if holiday {
            holidays.push(Holiday { name, from, back });
        }
    }
    let (false, Some(reach)) = (holidays.is_empty(), reach) else {
        return Err((None, ConfigError::NoHolidays { zone: calendar.zone.clone() }));
    };
    let touches = |day: Date| day.tomorrow().unwrap_or(day);
    if reach.from > touches(calendar.covers.to) || calendar.covers.from > touches(reach.to) {
        return Err((None, ConfigError::CalendarGap));
    }
    let mut holidays = joined(holidays);
    let elsewhere = |old: &Holiday| holidays.iter().all(|new| old.back <= new.from || new.back <= old.from);
    let old: Vec<Holiday> = calendar.holidays.iter().filter(|old| elsewhere(old)).cloned().collect();
    holidays.extend(old);
    holidays.sort_by_key(|holiday| holiday.from);
    calendar.holidays = holidays;
    calendar.covers.from = calendar.covers.from.min(reach.from);
    calendar.covers.to = calendar.covers.to.max(reach.to);
    Ok(())
}

/// Stretches that overlap or touch become one, under the name of the first.
fn joined(mut holidays: Vec<Holiday>) -> Vec<Holiday> {
    holidays.sort_by_key(|holiday| (holiday.from, std::cmp::Reverse(holiday.back)));
    let mut joined: Vec<Holiday> = Vec::new();
    for holiday in holidays {
        match joined.last_mut() {
            Some(last) if holiday.from <= last.back => last.back = last.back.max(holiday.back),
            _ => joined.push(holiday),
        }
    }
    joined
}

fn value<'a>(event: &'a Component<'_>, name: &str) -> Option<&'a str> {
    let property = event.properties.iter().find(|property| property.name == name)?;
    Some(property.val.as_ref().trim())
}

/// Whether an event concerns a zone: "Zone B", "Zones A/B/C", "Zones A B C - Corse". An event that names no place
/// concerns all; one that names only another place ("Corse") does not.
fn concerns(event: &Component<'_>, summary: &str, zone: &str) -> bool {
    let place = value(event, "LOCATION").unwrap_or_default();
    let named = [place, summary].into_iter().find_map(|text| text.split_once("Zone").map(|(_, zones)| zones));
    match named {
        Some(zones) => zones.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case(zone)),
        None => place.is_empty(),
    }
}

/// The day of a date or date-time. In UTC the ministry's days begin at 22:00 or 23:00 of the day before: two hours
/// later it is the day that is meant, in summer as in winter, with no need of a time zone database.
fn day(text: &str) -> Option<Date> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        let moment = moment.checked_add(SignedDuration::from_hours(2)).ok()?;
        return Some(moment.to_zoned_datetime(jiff::tz::TimeZone::UTC).date());
    }
    text.parse::<DateTime>().map(DateTime::date).or_else(|_| text.parse::<Date>()).ok()
}
