//! School holidays from an .ics file in the ministry's form (data set fr-en-calendrier-scolaire).
//!
//! Its events are holidays ("Vacances de Noël - Zone B"), long weekends ("Pont de l'Ascension"), and single days: the
//! first day of the summer, whose end is not known yet ("Début des Vacances d'Été"), and days of return, which only mark
//! the end of the calendar. `DTEND` is the day of return. In the file for all zones, holidays are split at the days on
//! which another zone's begin or end.

use super::encoding::ics_lines;
use super::error::ConfigError;
use super::tree::acts;
use super::{Calendar, CoveredDays, Holiday};
use icalendar::parser::{Component, read_calendar, unfold};
use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};

/// The deepest nesting of components: the parser is recursive.
const MAX_DEPTH: usize = 8;

/// Adds the holidays of a file. For the days that it covers, it replaces what the calendar has.
pub(super) fn add(calendar: &mut Calendar, bytes: &[u8]) -> Result<(), ConfigError> {
    let lines = ics_lines(bytes);
    if depth(&lines) > MAX_DEPTH {
        return Err(ConfigError::NotIcs("nested too deeply".into()));
    }
    let text = unfold(&lines.iter().map(|line| format!("{line}\r\n")).collect::<String>());
    let read = read_calendar(&text).map_err(|error| ConfigError::NotIcs(plain(&error)))?;
    let mut holidays = Vec::new();
    let mut reach: Option<CoveredDays> = None;
    for event in read.components.iter().filter(|component| component.name == "VEVENT") {
        let summary = value(event, "SUMMARY").unwrap_or_default();
        if !concerns(event, summary, &calendar.zone) {
            continue;
        }
        let unreadable = || ConfigError::EventDates { event: plain(summary) };
        let from = value(event, "DTSTART").and_then(day).ok_or_else(unreadable)?;
        let back = match value(event, "DTEND") {
            Some(end) => day(end).ok_or_else(unreadable)?,
            None => from,
        };
        let name = plain(summary.split(" - ").next().unwrap_or(summary).trim()).replace('\'', "’");
        let holiday = (name.starts_with("Vacances") || name.starts_with("Pont")) && from < back;
        // The end of such a summer is not known: the calendar reaches to the day before it.
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
        return Err(ConfigError::NoHolidays { zone: calendar.zone.clone() });
    };
    let touches = |day: Date| day.tomorrow().unwrap_or(day);
    if reach.from > touches(calendar.covers.to) || calendar.covers.from > touches(reach.to) {
        return Err(ConfigError::CalendarGap);
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

/// Returns the greatest number of components that are open at once.
fn depth(lines: &[String]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for line in lines {
        let name = line.get(..6).unwrap_or_default();
        if name.eq_ignore_ascii_case("BEGIN:") {
            depth += 1;
        } else if line.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("END:")) {
            depth = depth.saturating_sub(1);
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Returns a text of the file on one line, without characters that act.
fn plain(text: &str) -> String {
    let line = |line: &str| line.chars().filter(|c| !acts(*c)).collect::<String>();
    text.lines().map(line).collect::<Vec<_>>().join(" ")
}

/// Returns the holidays with those joined that overlap or touch, under the name of the first.
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

/// Returns the value of an event's property.
fn value<'a>(event: &'a Component<'_>, name: &str) -> Option<&'a str> {
    let property = event.properties.iter().find(|property| property.name == name)?;
    Some(property.val.as_ref().trim())
}

/// Returns whether an event concerns a zone: "Zone B", "Zones A/B/C", "Zones A B C - Corse". An event that names no place
/// concerns all; one that names only another place ("Corse") does not.
fn concerns(event: &Component<'_>, summary: &str, zone: &str) -> bool {
    let place = value(event, "LOCATION").unwrap_or_default();
    let named = [place, summary].into_iter().find_map(|text| text.split_once("Zone").map(|(_, zones)| zones));
    match named {
        Some(zones) => zones.split(|c: char| !c.is_alphanumeric()).any(|word| word.eq_ignore_ascii_case(zone)),
        None => place.is_empty(),
    }
}

/// Returns the day of a date or date-time. In UTC the ministry's days begin at 22:00 or 23:00 of the day before: two hours
/// later it is the intended day, in summer and in winter, without a time zone database.
fn day(text: &str) -> Option<Date> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        let moment = moment.checked_add(SignedDuration::from_hours(2)).ok()?;
        return Some(moment.to_zoned_datetime(jiff::tz::TimeZone::UTC).date());
    }
    text.parse::<DateTime>().map(DateTime::date).or_else(|_| text.parse::<Date>()).ok()
}
