//! Today as a picture, and the last days in words.

use super::french;
use jiff::civil::{Date, time};
use jiff::{ToSpan, ZonedDateTime};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use vigie_core::history::{KEPT_DAYS, Losses, Segment, losses};
use vigie_core::state::State;
use vigie_core::vpn::VpnStatus;

/// The last changes that a report names.
const MAX_CHANGES: usize = 12;

/// Today from morning to now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Today {
    /// How often access was lost, in words.
    pub summary: String,
    /// When the picture begins: "7 h".
    pub from: String,
    /// The stretches of time; what lies between them is unknown.
    pub stretches: Vec<TodayStretch>,
    /// The picture in words.
    pub description: String,
}

/// A stretch of time with one status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct TodayStretch {
    /// The status, for colour and pattern.
    pub status: VpnStatus,
    /// Where it begins, in thousandths of the picture's width.
    pub start: u16,
    /// How long it is, in the same.
    pub length: u16,
    /// What was when: "VPN connecté, de 8 h à 12 h".
    pub title: String,
}

/// Returns the picture of today.
pub fn today(state: &State) -> Today {
    let now = &state.now.wall;
    let segments = of_day(state, now.date());
    let from = morning(now, &segments);
    // In whole minutes, so that the picture does not change with each event.
    let whole = (from.duration_until(now).as_secs() / 60 * 60).max(60);
    let place = |at: jiff::Timestamp| -> u16 {
        let minutes = from.timestamp().duration_until(at).as_secs() / 60 * 60;
        u16::try_from((minutes * 1000 / whole).clamp(0, 1000)).unwrap_or(1000)
    };
    let stretches = segments.iter().map(|segment| {
        let (start, end) = (place(segment.from), place(segment.until));
        TodayStretch { status: segment.status, start, length: end.saturating_sub(start), title: said(segment, now) }
    });
    let stretches: Vec<TodayStretch> = stretches.collect();
    let summary = summary(state, &segments);
    let titles: Vec<&str> = stretches.iter().map(|stretch| &*stretch.title).collect();
    let description = if titles.is_empty() {
        "Rien n’a encore été vu".to_owned()
    } else {
        format!("{} ; {summary}", titles.join(" ; "))
    };
    Today {
        summary: french::typeset(&*summary),
        from: french::time(from.time()),
        stretches,
        description: french::typeset(description),
    }
}

/// Returns the last days in words, a line each, and the last changes of today.
pub fn text(state: &State) -> String {
    let now = &state.now.wall;
    let days = (0..KEPT_DAYS).filter_map(|back| {
        let date = now.date().checked_sub(back.days()).ok()?;
        let segments = of_day(state, date);
        (back == 0 || !segments.is_empty())
            .then(|| format!("  {} : {}\n", french::day(date, now.date()), summary(state, &segments)))
    });
    let days: String = days.collect();
    let today = of_day(state, now.date());
    let first = today.len().saturating_sub(MAX_CHANGES);
    let changes: String = today[first..].iter().map(|segment| format!("    {}\n", said(segment, now))).collect();
    let (today, before) = days.split_at(days.find('\n').map_or(days.len(), |end| end + 1));
    format!("Les derniers jours\n{today}{changes}{before}").replace('\u{a0}', " ")
}

fn of_day(state: &State, date: Date) -> Vec<Segment> {
    state.history.day(date, state.now.wall.time_zone())
}

/// Returns when the picture of a day begins: at seven, or at the hour of what was seen before.
fn morning(now: &ZonedDateTime, segments: &[Segment]) -> ZonedDateTime {
    let first = segments.first().map(|segment| segment.from.to_zoned_datetime(now.time_zone().clone()));
    let seen = first.map_or(now.hour(), |first| first.hour());
    let hour = seen.min(7).min(now.hour());
    now.with().time(time(hour, 0, 0, 0)).build().unwrap_or_else(|_| now.clone())
}

/// "VPN connecté, de 8 h à 12 h".
fn said(segment: &Segment, now: &ZonedDateTime) -> String {
    let at = |at: jiff::Timestamp| french::time(at.to_zoned_datetime(now.time_zone().clone()).time());
    let status = match segment.status {
        VpnStatus::Connected => "VPN connecté",
        VpnStatus::OnSite => "Sur site",
        VpnStatus::Disconnected => "VPN déconnecté",
        VpnStatus::Connecting => "Connexion en cours",
        VpnStatus::Stalled => "Le VPN ne répond plus",
        VpnStatus::Captive => "Connexion limitée",
        VpnStatus::Offline => "Hors ligne",
        VpnStatus::Unknown => "Inconnu",
    };
    let (from, until) = (at(segment.from), at(segment.until));
    if from == until { format!("{status}, à {from}") } else { format!("{status}, de {from} à {until}") }
}

/// "2 coupures, 9 minutes".
fn summary(state: &State, segments: &[Segment]) -> String {
    let least = Duration::from_secs(state.profile.vpn.hold_seconds.into());
    let Losses { count, total, unfinished } = losses(segments, least);
    let minutes = total.as_secs().div_ceil(60);
    let lasted = match (minutes / 60, minutes % 60) {
        (0, 0 | 1) => "1 minute".to_owned(),
        (0, minutes) => format!("{minutes} minutes"),
        (hours, minutes) => format!("{hours} h {minutes:02}"),
    };
    let is_reached = segments.iter().any(|segment| segment.status.reaches_intranet() == Some(true));
    let counted = match count {
        0 if is_reached => "aucune coupure".into(),
        0 if segments.is_empty() => "pas encore de relevé".into(),
        0 => "pas d’accès à l’académie".into(),
        1 => format!("1 coupure, {lasted}"),
        count => format!("{count} coupures, {lasted}"),
    };
    let now = &state.now.wall;
    let unfinished = unfinished.filter(|_| state.reaches_intranet() == Some(false));
    let began = unfinished.map(|at| at.to_zoned_datetime(now.time_zone().clone())).filter(|at| at.date() == now.date());
    match began {
        None => counted,
        Some(at) if count == 0 => format!("accès interrompu {}", french::since(&at, now)),
        Some(at) => format!("{counted} ; accès interrompu {}", french::since(&at, now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_core::fixture::{known, now, standing};

    fn state(steps: &[(&str, VpnStatus)]) -> State {
        let mut state = known();
        for (at, status) in steps {
            state.now = now(&format!("2026-11-24T{at}"));
            let now = state.now.clone();
            state.history.record(*status, false, &now);
        }
        state
    }

    fn day() -> State {
        use VpnStatus::{Connected, Disconnected, Stalled};
        state(&[
            ("08:00", Connected),
            ("09:30", Stalled),
            ("09:34", Connected),
            ("10:00", Disconnected),
            ("10:05", Connected),
            ("12:00", Connected),
        ])
    }

    #[test]
    fn losses_are_counted_in_words() {
        let today = today(&day());
        assert_eq!(today.summary, "2\u{a0}coupures, 9\u{a0}minutes");
        assert_eq!(today.from.replace('\u{a0}', " "), "7 h");
        let first = &today.stretches[0];
        assert_eq!((first.status, first.start, first.length), (VpnStatus::Connected, 200, 300));
        assert_eq!(first.title.replace('\u{a0}', " "), "VPN connecté, de 8 h à 9 h 30");
        assert!(today.description.replace('\u{a0}', " ").ends_with("à 12 h ; 2 coupures, 9 minutes"), "{today:?}");
    }

    #[test]
    fn a_loss_that_lasts_is_said() {
        use VpnStatus::{Connected, Offline, OnSite};
        let mut state = standing(VpnStatus::Disconnected);
        state.history = vigie_core::history::History::default();
        for (at, status) in [("08:00", Connected), ("09:00", Offline), ("09:10", Offline)] {
            state.now = now(&format!("2026-11-24T{at}"));
            let now = state.now.clone();
            state.history.record(status, false, &now);
        }
        let summary = |state: &State| today(state).summary.replace('\u{a0}', " ");
        assert_eq!(summary(&state), "accès interrompu depuis 9 h");
        for (at, status) in [("09:20", OnSite), ("09:30", Offline), ("09:40", Offline)] {
            state.now = now(&format!("2026-11-24T{at}"));
            let now = state.now.clone();
            state.history.record(status, false, &now);
        }
        assert_eq!(summary(&state), "1 coupure, 20 minutes ; accès interrompu depuis 9 h 30");
        // While the status is not known, nothing is said of it.
        let mut unknown = known();
        unknown.history = std::mem::take(&mut state.history);
        assert_eq!(summary(&unknown), "1 coupure, 20 minutes");
    }

    #[test]
    fn what_was_not_seen_is_no_claim() {
        let today = today(&known());
        assert_eq!((today.stretches, &*today.summary), (Vec::new(), "pas encore de relevé"));
    }

    #[test]
    fn the_last_days_are_a_line_each() {
        let mut state = day();
        state.history.pause();
        for at in ["2026-11-25T08:00", "2026-11-25T09:00"] {
            state.now = now(at);
            let now = state.now.clone();
            state.history.record(VpnStatus::OnSite, false, &now);
        }
        assert_eq!(
            text(&state),
            "Les derniers jours\n  aujourd’hui : aucune coupure\n    Sur site, de 8 h à 9 h\n  hier : 2 coupures, 9 minutes\n"
        );
    }

    #[test]
    fn stretches_lie_within_the_picture_in_order() {
        for state in [day(), state(&[("00:10", VpnStatus::Offline), ("00:20", VpnStatus::OnSite)]), known()] {
            let stretches = today(&state).stretches;
            assert!(stretches.iter().all(|stretch| stretch.start + stretch.length <= 1000), "{stretches:?}");
            assert!(stretches.windows(2).all(|pair| pair[0].start + pair[0].length <= pair[1].start), "{stretches:?}");
        }
    }
}
