//! The printers' naming scheme, decoded (guide, section 10): `I00YY-DIVX-C2`.

use vigie_profile::{NamedCode, Printing};

/// The parts of a queue's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Department number, `14`.
    pub department: String,
    /// Kind of site, `RC`.
    pub place: String,
    /// Division, `DSI`.
    pub division: String,
    /// Number, if the division has several.
    pub number: Option<u8>,
    /// Building, `B`.
    pub building: Option<char>,
    /// Floor, `4`; `None` for the ground floor (`RDC`).
    pub floor: Option<String>,
}

/// Decodes a queue's name, in either case; `None` if it does not follow the scheme.
///
/// A queue on the print server is listed as `\\172.26.66.73\I14RC-DSI-RDC` or, as in the guide's pictures,
/// "I14RC-DSI-RDC sur 172.26.66.73" ("on" in an English Windows): what surrounds the name is ignored.
pub fn decode(printing: &Printing, name: &str) -> Option<Name> {
    let name = name.rsplit(['\\', '/']).next()?.trim().to_ascii_uppercase();
    let name = name.split_whitespace().collect::<Vec<_>>();
    let ([name] | [name, "SUR" | "ON", _]) = name.as_slice() else { return None };
    let mut parts = name.strip_prefix('I')?.split('-');
    let (Some(site), Some(division), Some(location), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let known = |list: &[NamedCode], code: &str| list.iter().any(|coded| coded.code.eq_ignore_ascii_case(code));
    let (department, place) = site.split_at_checked(2)?;
    if !known(&printing.departments, department) || !known(&printing.places, place) {
        return None;
    }
    let (division, number) = numbered(division)?;
    let (building, floor) = located(location)?;
    Some(Name {
        department: department.into(),
        place: place.into(),
        division: division.into(),
        number: number.map(str::parse).transpose().ok()?,
        building,
        floor,
    })
}

/// `DSI04` → `DSI` and `04`.
fn numbered(division: &str) -> Option<(&str, Option<&str>)> {
    let letters = division.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = &division[letters.len()..];
    let is_name = !letters.is_empty() && letters.chars().all(|c| c.is_ascii_alphabetic());
    is_name.then_some((letters, (!number.is_empty()).then_some(number)))
}

/// `B4` → building B, floor 4; `RDC` and `BRDC` → ground floor.
fn located(location: &str) -> Option<(Option<char>, Option<String>)> {
    if location == "RDC" {
        return Some((None, None));
    }
    let floor = location.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let letters = &location[..location.len() - floor.len()];
    let (building, ground) = match letters.strip_suffix("RDC") {
        Some(building) if floor.is_empty() => (building, true),
        _ => (letters, false),
    };
    let mut building = building.chars();
    let (building, None) = (building.next(), building.next()) else { return None };
    if ground {
        return Some((building, None));
    }
    let is_floor = matches!(floor.len(), 1 | 2) && floor.chars().all(|c| c.is_ascii_digit());
    let number: u8 = is_floor.then(|| floor.parse().ok()).flatten()?;
    Some((building, (number > 0).then(|| number.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::guide;
    use proptest::prelude::*;

    fn name(department: &str, place: &str, division: &str, number: Option<u8>) -> Name {
        let [department, place, division] = [department, place, division].map(String::from);
        Name { department, place, division, number, building: None, floor: None }
    }

    fn decoded(text: &str) -> Option<Name> {
        decode(&guide().printing, text)
    }

    #[test]
    fn examples_of_the_guide_are_decoded() {
        let caen = Some(name("14", "RC", "DSI", None));
        let rouen = Some(Name { building: Some('B'), floor: Some("4".into()), ..name("76", "RC", "DSI", Some(4)) });
        for around in
            ["{}", r"\\172.26.66.73\{}", "{} sur 172.26.66.73", "{} on 172.26.66.73", "ipp://impression/{}", " {} "]
        {
            for case in [str::to_owned, str::to_ascii_lowercase as fn(&str) -> String] {
                assert_eq!(decoded(&around.replace("{}", &case("I14RC-DSI-RDC"))), caen, "{around}");
                assert_eq!(decoded(&around.replace("{}", &case("I76RC-DSI04-B4"))), rouen, "{around}");
            }
        }
    }

    #[test]
    fn every_part_of_the_scheme_is_decoded() {
        let ground = Name { building: Some('C'), ..name("50", "DN", "DIPER", Some(2)) };
        assert_eq!(decoded("I50DN-DIPER2-CRDC"), Some(ground.clone()));
        assert_eq!(decoded("I50DN-DIPER2-C0"), Some(ground));
        assert_eq!(decoded("I61CI-CIO-3"), Some(Name { floor: Some("3".into()), ..name("61", "CI", "CIO", None) }));
        let tenth = Name { building: Some('A'), floor: Some("10".into()), ..name("27", "CR", "IEN", Some(12)) };
        assert_eq!(decoded("I27CR-IEN12-A10"), Some(tenth));
    }

    #[test]
    fn other_names_are_not_decoded() {
        for text in [
            "",
            "I",
            "Microsoft Print to PDF",
            "I99RC-DSI-RDC",
            "I14XX-DSI-RDC",
            "14RC-DSI-RDC",
            "I14RC-DSI",
            "I14RC--RDC",
            "I14RC-04-RDC",
            "I14RC-DSI-",
            "I14RC-DSI-B",
            "I14RC-DSI-BC4",
            "I14RC-DSI-B123",
            "I14RC-DSI999-B4",
            "I14RC-DSI-B4-2",
            "I14RC-DSI-RDC chez moi",
            "I14RC-DSI-RDC sur",
            "Ié4RC-DSI-RDC",
            "I1éRC-DSI-RDC",
            "I14RC-DSé-RDC",
            "I14RC-DSI-é4",
        ] {
            assert_eq!(decoded(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_name_panics(text in "\\PC*", tail in "[A-Z0-9é-]{0,12}") {
            decoded(&text);
            decoded(&format!("I14RC-{tail}"));
            decoded(&format!("I{tail}"));
        }
    }
}
