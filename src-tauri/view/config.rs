//! The configuration in French: what is wrong with a file, and every value with its origin.

use super::connect::{Message, Tone};
use super::french::{self, fold};
use super::helpdesk;
use super::panel::button;
use std::io::ErrorKind;
use vigie_core::message::{Action, HelpTopic};
use vigie_core::sanitize::sanitize_report;
use vigie_core::state::State;
use vigie_profile::{ConfigError, ConfigValue, Expected, Layer, Loaded, Problem};

/// Returns one sentence: the file, the place in it, what is wrong and what is expected.
pub fn problem(problem: &Problem) -> String {
    let mut text = problem.file.display().to_string();
    if let Some(line) = problem.line {
        text.push_str(&format!(", ligne {line}"));
    }
    if let Some(key) = &problem.key {
        text.push_str(&format!(", « {key} »"));
    }
    format!("{text} : {}", explanation(problem))
}

/// Returns the same for a reader who does not know the file: what is wrong first, then where.
pub fn sentence(problem: &Problem) -> String {
    format!("{} ({}).", what(problem), place(problem))
}

/// Returns what is wrong, as a sentence begins.
fn what(problem: &Problem) -> String {
    french::capitalised(&explanation(problem))
}

/// Returns what is wrong and what is expected.
fn explanation(problem: &Problem) -> String {
    let key = problem.key.as_deref().and_then(|key| key.rsplit('.').next()).unwrap_or_default();
    sanitize_report(&explain(&problem.error, key))
}

/// Returns where it is wrong: key, line and file.
fn place(problem: &Problem) -> String {
    let place = [
        problem.key.as_ref().map(|key| format!("« {key} »")),
        problem.line.map(|line| format!("ligne {line}")),
        Some(problem.file.display().to_string()),
    ];
    place.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Returns the message at the top of the panel if something of the configuration does not count.
pub fn banner(state: &State) -> Option<Message> {
    let named = state.problems.get(in_banner(state)?)?;
    let of_user = state.problems.iter().filter(|problem| problem.restorable).count();
    let (title, advice, help) = match of_user {
        0 => (
            "Une erreur de configuration".to_owned(),
            "Ce qui est faux n’est pas pris en compte. Si cela gêne votre travail, cliquez sur « Demander à AMIGO ».",
            helpdesk::ask(HelpTopic::Other),
        ),
        of_user => (
            match of_user {
                1 => "Un de vos réglages n’est pas pris en compte".to_owned(),
                more => format!("{more} de vos réglages ne sont pas pris en compte"),
            },
            "« Rétablir » enlève du fichier ce qui est faux ; le reste est gardé.",
            button("Rétablir", Action::RestoreSettings),
        ),
    };
    let text = french::typeset(format!("{}. {advice} Détail : {}.", what(named), place(named)));
    Some(Message { tone: Tone::Warning, title: french::typeset(title), text, buttons: vec![help] })
}

/// Returns which of the problems the message at the top of the panel names, if there is one.
pub fn in_banner(state: &State) -> Option<usize> {
    let of_user = state.problems.iter().position(|problem| problem.restorable);
    of_user.or_else(|| (!state.problems.is_empty()).then_some(0))
}

/// Returns what `vigie config show` prints: one line per value, then what is wrong with the files.
pub fn show(loaded: &Loaded) -> String {
    let mut text: String = loaded.values().iter().map(|setting| line(setting) + "\n").collect();
    if !loaded.problems.is_empty() {
        text.push_str("\nCe qui n’est pas pris en compte :\n");
        text.extend(loaded.problems.iter().map(|problem| format!("- {}\n", self::problem(problem))));
    }
    text
}

/// Returns the value as it can be written in a file, followed by its origin.
fn line(setting: &ConfigValue) -> String {
    let layer = match setting.layer {
        Layer::Guide => "guide",
        Layer::Machine => "poste",
        Layer::User => "utilisateur",
    };
    let place = match &setting.file {
        Some(file) => format!(" ({}, ligne {})", file.display(), setting.line),
        None => String::new(),
    };
    let locked = if setting.locked { ", verrouillé" } else { "" };
    format!("{} = {}  # {layer}{place}{locked}", setting.key, setting.value)
}

/// Returns what is wrong and what is expected; `key` is the key itself, without those above it.
fn explain(error: &ConfigError, key: &str) -> String {
    match error {
        ConfigError::Unreadable(ErrorKind::NotFound) => "ce fichier n’existe pas".into(),
        ConfigError::Unreadable(ErrorKind::PermissionDenied) => "le fichier ne peut pas être lu : accès refusé".into(),
        ConfigError::Unreadable(ErrorKind::InvalidInput) => "ce n’est pas un fichier ordinaire".into(),
        ConfigError::Unreadable(why) => format!("le fichier ne peut pas être lu ({why})"),
        ConfigError::TooLarge => "le fichier est trop grand pour une configuration (1 Mo au plus)".into(),
        ConfigError::Untrusted(path) => format!(
            "ce fichier ne compte pas : « {} » appartient à un utilisateur ordinaire, ou un utilisateur ordinaire peut y \
             écrire ; seuls les administrateurs doivent le pouvoir",
            path.display()
        ),
        ConfigError::Utf16 => "le fichier est en UTF-16 ; enregistrez-le en UTF-8".into(),
        ConfigError::Contradiction { key, error } => {
            let other = key.rsplit('.').next().unwrap_or_default();
            format!("à cause d’elle, « {key} » ne convient plus : {}", explain(error, other))
        }
        ConfigError::NotUtf8 => "le fichier n’est pas en UTF-8 ; enregistrez-le dans ce codage".into(),
        ConfigError::Syntax(why) => format!("ce n’est pas du TOML ({why})"),
        ConfigError::UnknownKey { known } => match nearest(key, known.iter().copied()) {
            Some(near) => format!("cette clé n’existe pas ; vouliez-vous dire « {near} » ?"),
            None => format!("cette clé n’existe pas ; clés possibles : {}", known.join(", ")),
        },
        ConfigError::MissingKey => "cette clé manque".into(),
        ConfigError::WrongValue { found, expected } => {
            format!("la valeur {found} ne convient pas ; il faut {}", self::expected(expected))
        }
        ConfigError::NotOneOf { found, expected } => {
            format!("la valeur {found} ne convient pas ; valeurs possibles : {}", expected.join(", "))
        }
        ConfigError::Refused(why) => format!("la valeur est refusée ({why})"),
        ConfigError::Duplicate => "ce nom figure deux fois dans la liste ; il doit être unique".into(),
        ConfigError::NameTaken { by } => {
            format!("ce nom est déjà celui d’une entrée de la liste « {by} » ; il doit être unique")
        }
        ConfigError::NothingToRemove => "aucune entrée ne porte ce nom : il n’y a rien à retirer".into(),
        ConfigError::NoSuch { list, name } => {
            format!("« {name} » n’existe pas ; il faut le nom d’une entrée de la liste « {list} »")
        }
        ConfigError::Empty => "c’est vide ; il faut au moins une valeur, et aucun texte vide".into(),
        ConfigError::MatchesAll => "ce motif convient à toutes les interfaces ; il faut un nom plus précis".into(),
        ConfigError::HoursReversed => "l’heure de fermeture doit suivre l’heure d’ouverture".into(),
        ConfigError::HoursOverlap => {
            "ces heures en recouvrent d’autres du même jour ; il faut des plages séparées".into()
        }
        ConfigError::DatesReversed => "la date de fin doit suivre la date de début".into(),
        ConfigError::HolidaysOverlap => {
            "ces vacances commencent avant la fin des précédentes ; il faut des périodes séparées".into()
        }
        ConfigError::OutsideCalendar => {
            "ces vacances sortent des jours du calendrier ; il faut étendre « calendar.covers »".into()
        }
        ConfigError::LeadsNotDescending => {
            "il faut des minutes de la plus grande à la plus petite, toutes après zéro".into()
        }
        ConfigError::Locked => {
            "cette clé est verrouillée par l’administrateur ; votre valeur n’est pas prise en compte".into()
        }
        ConfigError::OnlyMachineLocks => "seul le fichier de la machine peut verrouiller des clés".into(),
        ConfigError::NothingToLock => "aucune clé ne porte ce nom : rien n’est verrouillé".into(),
        ConfigError::NotIcs(why) => format!("ce n’est pas un calendrier .ics ({why})"),
        ConfigError::EventDates { event } => {
            format!("les dates de l’événement « {event} » sont illisibles ; il faut DTSTART et DTEND de la RFC 5545")
        }
        ConfigError::NoHolidays { zone } => {
            format!("aucunes vacances de la zone {zone} n’y figurent ; il faut le calendrier scolaire de cette zone")
        }
        ConfigError::CalendarGap => {
            "il manque des jours entre lui et ceux déjà connus ; il faut un calendrier qui les prolonge, ou étendre \
             « calendar.covers »"
                .into()
        }
    }
}

/// Returns the candidate closest to `word`, if it is so close that it was probably meant: few letters were left out, added,
/// swapped or mistyped. Case and accents are ignored.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = fold(word);
    let allowed = (word.chars().count() / 3).min(3);
    let distance = |candidate: &'a str| (strsim::osa_distance(&word, &fold(candidate)), candidate);
    let nearest = candidates.into_iter().map(distance).min_by_key(|(distance, _)| *distance);
    nearest.filter(|(distance, _)| *distance <= allowed).map(|(_, candidate)| candidate)
}

fn expected(expected: &Expected) -> String {
    match expected {
        Expected::Text => "un texte entre guillemets".into(),
        Expected::Letter => "un seul caractère entre guillemets".into(),
        Expected::Boolean => "true ou false".into(),
        Expected::Number(from, to) => format!("un nombre entier de {from} à {to}"),
        Expected::List => "une liste, entre crochets".into(),
        Expected::Table => "une table".into(),
        Expected::Date => "une date comme 2026-09-01".into(),
        Expected::Time => "une heure comme \"21:30\"".into(),
        Expected::IpAddress => "une adresse IP comme \"172.26.66.73\"".into(),
        Expected::WebAddress => "une adresse http:// ou https:// avec un nom de serveur".into(),
        Expected::Host => "un nom de serveur ou une adresse IP, sans port".into(),
        Expected::CertificatePin => "l’empreinte d’un certificat, comme \"pin-sha256:…\"".into(),
        Expected::IntranetHost => {
            "un serveur de l’intranet, comme \"smb://172.26.66.73\" ou \"172.26.66.73:445\"".into()
        }
        Expected::Id => "des minuscules, des chiffres et des tirets".into(),
        Expected::DriveLetter => "une lettre de A à Z, en majuscule".into(),
        Expected::TelephoneCode => "des chiffres, * et #".into(),
        Expected::TelephoneNumber => "des chiffres et des espaces".into(),
        Expected::PrinterCode => "deux majuscules ou chiffres".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant_is_found_and_no_other() {
        let keys = ["probe_seconds", "hold_seconds", "pin_min", "pin_max", "url"];
        for (word, expected) in [
            ("probe_second", Some("probe_seconds")),
            ("prob_secnods", Some("probe_seconds")),
            ("Pin_Mim", Some("pin_min")),
            ("ulr", Some("url")),
            ("when", None),
            ("u", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), expected, "{word}");
        }
        assert_eq!(nearest("telemaintenence", ["Télémaintenance", "Tchap"]), Some("Télémaintenance"));
    }

    #[test]
    fn a_misspelt_key_is_answered_with_the_right_one() {
        let error = ConfigError::UnknownKey { known: &["at", "enabled", "leads_minutes"] };
        let problem = |key: &str| Problem {
            file: "vigie.toml".into(),
            line: Some(2),
            key: Some(key.to_owned()),
            error: error.clone(),
            restorable: true,
        };
        assert_eq!(
            super::problem(&problem("shutdown.lead_minutes")),
            "vigie.toml, ligne 2, « shutdown.lead_minutes » : cette clé n’existe pas ; vouliez-vous dire « leads_minutes » ?"
        );
        assert!(super::problem(&problem("shutdown.when")).ends_with("clés possibles : at, enabled, leads_minutes"));
    }
}
