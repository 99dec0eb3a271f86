//! Times, dates and sizes as a French reader expects them.

use jiff::ZonedDateTime;
use jiff::civil::{Date, Time, Weekday};
use std::time::Duration;
use vigie_core::printers::Name;
use vigie_profile::{Printing, Site};

/// A no-break space: it keeps a number and its unit on one line.
const NBSP: char = '\u{a0}';

/// Replaces spaces that must not break in French: before double signs and percent signs, within guillemets,
/// and between a number and what it counts. Every
/// text of a view passes through here, so the sources can be written with plain spaces.
pub fn typeset(text: impl Into<String>) -> String {
    let signs = [" :", " ;", " !", " ?", " »", " %"];
    let text = signs.iter().fold(text.into(), |text, sign| text.replace(sign, &sign.replace(' ', "\u{a0}")));
    let text = text.replace("« ", "«\u{a0}").replace("Ctrl + V", "Ctrl\u{a0}+\u{a0}V");
    let mut unbroken = String::with_capacity(text.len());
    for (number, word) in text.split(' ').enumerate() {
        if number > 0 {
            let is_counted = UNITS.iter().any(|unit| word.starts_with(unit));
            unbroken.push(if is_counted && unbroken.ends_with(|c: char| c.is_ascii_digit()) { NBSP } else { ' ' });
        }
        unbroken.push_str(word);
    }
    unbroken
}

/// How words begin that stay with the number before them.
const UNITS: [&str; 9] = ["chiffre", "nouveaux", "caractère", "seconde", "minute", "heure", "jour", "essai", "coupure"];

/// Returns a text without case and accents, as people type it.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            'à' | 'á' | 'â' | 'ã' | 'ä' => folded.push('a'),
            'ç' => folded.push('c'),
            'è' | 'é' | 'ê' | 'ë' => folded.push('e'),
            'ì' | 'í' | 'î' | 'ï' => folded.push('i'),
            'ñ' => folded.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' => folded.push('o'),
            'ù' | 'ú' | 'û' | 'ü' => folded.push('u'),
            'ÿ' => folded.push('y'),
            'œ' => folded.push_str("oe"),
            'æ' => folded.push_str("ae"),
            '’' => folded.push('\''),
            '\u{a0}' | '\u{202f}' => folded.push(' '),
            // Combining accents.
            '\u{300}'..='\u{36f}' => {}
            c => folded.push(c),
        }
    }
    folded
}

/// "chaque minute", "toutes les 2 minutes", "toutes les 90 secondes".
pub fn every(interval: Duration) -> String {
    match interval.as_secs() {
        60 => "chaque minute".into(),
        1 => "chaque seconde".into(),
        seconds if seconds > 0 && seconds % 60 == 0 => format!("toutes les {}{NBSP}minutes", seconds / 60),
        seconds => format!("toutes les {seconds}{NBSP}secondes"),
    }
}

/// Joins words as a sentence does, "I, S et U".
pub fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} et {last}", first.join(", ")),
    }
}

/// Returns the text with a capital first letter.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// "21 h 30", "17 h".
pub fn time(time: Time) -> String {
    match time.minute() {
        0 => format!("{}{NBSP}h", time.hour()),
        minute => format!("{}{NBSP}h{NBSP}{minute:02}", time.hour()),
    }
}

/// "9 mai 2023", "1er septembre 2026".
pub fn date(date: Date) -> String {
    format!("{} {}", day_and_month(date), date.year())
}

/// "aujourd’hui à 17 h", "demain à 8 h", "hier à 14 h 02", "lundi à 8 h" within the week, else "le 2 novembre à 8 h".
pub fn moment(at: &ZonedDateTime, now: &ZonedDateTime) -> String {
    format!("{} à {}", day(at.date(), now.date()), time(at.time()))
}

/// "depuis 14 h 02", with the day if it is not today.
pub fn since(at: &ZonedDateTime, now: &ZonedDateTime) -> String {
    if at.date() == now.date() {
        return format!("depuis {}", time(at.time()));
    }
    format!("depuis {}", moment(at, now))
}

/// "hier", "aujourd’hui", "demain", "lundi" within the coming week, else "le 2 novembre".
pub fn day(date: Date, today: Date) -> String {
    let ahead = (date - today).get_days();
    match ahead {
        -1 => "hier".into(),
        0 => "aujourd’hui".into(),
        1 => "demain".into(),
        2..=6 => weekday(date.weekday()).into(),
        _ if date.year() == today.year() => format!("le {}", day_and_month(date)),
        _ => format!("le {}", self::date(date)),
    }
}

fn day_and_month(date: Date) -> String {
    let month = match date.month() {
        1 => "janvier",
        2 => "février",
        3 => "mars",
        4 => "avril",
        5 => "mai",
        6 => "juin",
        7 => "juillet",
        8 => "août",
        9 => "septembre",
        10 => "octobre",
        11 => "novembre",
        _ => "décembre",
    };
    match date.day() {
        1 => format!("1er {month}"),
        day => format!("{day} {month}"),
    }
}

fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "lundi",
        Weekday::Tuesday => "mardi",
        Weekday::Wednesday => "mercredi",
        Weekday::Thursday => "jeudi",
        Weekday::Friday => "vendredi",
        Weekday::Saturday => "samedi",
        Weekday::Sunday => "dimanche",
    }
}

/// Groups the digits of a French telephone number, "06 12 34 56 78"; others stay as they are.
pub fn grouped(digits: &str) -> String {
    if digits.len() != 10 || !digits.is_ascii() {
        return digits.to_owned();
    }
    let pairs: Vec<&str> = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]).collect();
    pairs.join("\u{a0}")
}

/// A telephone code with the number that follows it, unbroken, "*21 06 12 34 56 78".
pub fn dialled(code: &str, number: &str) -> String {
    format!("{code}{NBSP}{}", grouped(number))
}

/// Telephone numbers as the guide writes them, unbroken, "0806 000 488 ou 0810 14 50 61".
pub fn numbers(numbers: &[String]) -> String {
    let unbroken: Vec<String> = numbers.iter().map(|number| number.replace(' ', "\u{a0}")).collect();
    unbroken.join(" ou ")
}

/// "512 Mo", "7,6 Go" (powers of 1024, as the systems' own dialogs count).
pub fn bytes(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    if bytes < GIB {
        return format!("{}{NBSP}Mo", bytes / MIB);
    }
    // Tenths, rounded down: free space is never overstated.
    let tenths = u128::from(bytes) * 10 / u128::from(GIB);
    if tenths >= 1000 {
        return format!("{}{NBSP}Go", tenths / 10);
    }
    format!("{},{}{NBSP}Go", tenths / 10, tenths % 10)
}

/// A site and its departments: "Caen (Calvados, Manche, Orne)".
pub fn site(site: &Site) -> String {
    typeset(format!("{} ({})", site.name, site.departments.join(", ")))
}

/// "Rectorat (Calvados), division DSI n° 4, bâtiment B, étage 4" (guide, section 10).
pub fn printer(name: &Name, printing: &Printing) -> String {
    let named = |list: &[vigie_profile::NamedCode], code: &str| -> String {
        list.iter().find(|coded| coded.code == code).map_or_else(|| code.to_owned(), |coded| coded.name.clone())
    };
    let place = named(&printing.places, &name.place);
    let department = named(&printing.departments, &name.department);
    let number = name.number.map(|number| format!(" n°{NBSP}{number}")).unwrap_or_default();
    let location = match (name.building, &name.floor) {
        (Some(building), Some(floor)) => format!("bâtiment {building}, étage {floor}"),
        (Some(building), None) => format!("bâtiment {building}, rez-de-chaussée"),
        (None, Some(floor)) => format!("étage {floor}"),
        (None, None) => "rez-de-chaussée".into(),
    };
    format!("{place} ({department}), division {}{number}, {location}", name.division)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> ZonedDateTime {
        format!("{text}[Europe/Paris]").parse().unwrap()
    }

    #[test]
    fn times_are_written_with_no_break_spaces() {
        assert_eq!(time(Time::constant(21, 30, 0, 0)), "21\u{a0}h\u{a0}30");
        assert_eq!(time(Time::constant(8, 0, 0, 0)), "8\u{a0}h");
        assert_eq!(time(Time::constant(14, 2, 0, 0)), "14\u{a0}h\u{a0}02");
    }

    #[test]
    fn moments_name_the_day_as_people_do() {
        let now = at("2026-11-24T16:00");
        let says = |text: &str| moment(&at(text), &now).replace('\u{a0}', " ");
        assert_eq!(says("2026-11-24T17:00"), "aujourd’hui à 17 h");
        assert_eq!(says("2026-11-25T08:00"), "demain à 8 h");
        assert_eq!(says("2026-11-23T14:02"), "hier à 14 h 02");
        assert_eq!(says("2026-11-30T08:00"), "lundi à 8 h");
        assert_eq!(says("2026-12-01T08:00"), "le 1er décembre à 8 h");
        assert_eq!(says("2027-01-04T09:00"), "le 4 janvier 2027 à 9 h");
        assert_eq!(says("2026-11-16T09:00"), "le 16 novembre à 9 h");
    }

    #[test]
    fn since_names_the_day_only_if_it_is_another() {
        let now = at("2026-11-24T16:00");
        assert_eq!(since(&at("2026-11-24T14:02"), &now).replace('\u{a0}', " "), "depuis 14 h 02");
        assert_eq!(since(&at("2026-11-23T14:02"), &now).replace('\u{a0}', " "), "depuis hier à 14 h 02");
    }

    #[test]
    fn sizes_have_a_comma_and_are_never_overstated() {
        assert_eq!(bytes(0), "0\u{a0}Mo");
        assert_eq!(bytes(8 * (1 << 30) - 1), "7,9\u{a0}Go");
        assert_eq!(bytes(252 << 30), "252\u{a0}Go");
    }
}
