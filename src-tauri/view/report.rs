//! "Demander de l’aide": what is written down for the helpdesk. Nothing is sent by itself.

use super::panel::Button;
use super::{chain, connect, french, helpdesk, history, status};
use serde::{Deserialize, Serialize};
use vigie_core::connect::Phase;
use vigie_core::helpdesk::Helpdesk;
use vigie_core::message::{HelpRequest, HelpTopic};
use vigie_core::sanitize::{MAX_CHARS, sanitize};
use vigie_core::state::State;

/// The form by which the user asks for help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct HelpForm {
    /// What it may be about.
    pub topics: Vec<HelpChoice>,
    /// How many characters the user's sentence may have.
    pub max_chars: usize,
    /// What the helpdesk will read, below what the user says.
    pub preview: String,
    /// Whether the helpdesk is open, and whom to call if it is not.
    pub contact: String,
    /// The way to the helpdesk.
    pub open: Button,
}

/// What a problem may be about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct HelpChoice {
    /// The topic.
    pub topic: HelpTopic,
    /// What the user reads.
    pub label: String,
    /// The report's first line.
    pub heading: String,
}

/// Returns the form for a state.
pub fn help_form(state: &State) -> HelpForm {
    HelpForm {
        topics: HelpTopic::ALL
            .map(|topic| HelpChoice { topic, label: label(topic).into(), heading: french::typeset(heading(topic)) })
            .into(),
        max_chars: MAX_CHARS,
        preview: support_info(state),
        contact: french::typeset(contact(state)),
        open: helpdesk::open(state),
    }
}

fn label(topic: HelpTopic) -> &'static str {
    match topic {
        HelpTopic::Vpn => "VPN ou réseau",
        HelpTopic::Drives => "Lecteurs réseau",
        HelpTopic::Printing => "Impression",
        HelpTopic::Telephone => "Téléphone",
        HelpTopic::Applications => "Logiciels et applications",
        HelpTopic::Credentials => "Mot de passe, code PIN ou clé OTP",
        HelpTopic::Other => "Autre chose",
    }
}

fn heading(topic: HelpTopic) -> String {
    format!("Demande d’aide : {}", label(topic))
}

/// Whether the helpdesk is open; if not, when it opens and whom to call.
fn contact(state: &State) -> String {
    let (hours, urgent) = (helpdesk::hours(state), helpdesk::urgent(state));
    let request = "Vous pouvez déjà y déposer votre demande, qui sera vue à l’ouverture.";
    match &state.helpdesk {
        Helpdesk::Open { .. } => format!("AMIGO est {hours}.{}", helpdesk::without_internet(state)),
        Helpdesk::Closed { opens: Some(opens) } => {
            let opens = french::moment(opens, &state.now.wall);
            format!("AMIGO est fermée et ouvre {opens}. {request} {urgent}")
        }
        Helpdesk::Closed { opens: None } => format!("AMIGO est {hours}. {request} {urgent}"),
        Helpdesk::OutOfCalendar => format!("AMIGO : {hours}. {urgent}"),
    }
}

/// Returns what is copied for the helpdesk: the status and when it was taken, the chain to the drives, the last days, the
/// VPN client's version, and why the last attempt to connect failed.
pub fn support_info(state: &State) -> String {
    let taken = state.now.wall.strftime("%d/%m/%Y %H:%M");
    let facts = status::text(&status::status(state));
    let (chain, days) = (chain::text(&chain::diagnosis(state)), history::text(state));
    let client = state.client_version.as_deref().unwrap_or("version inconnue");
    let failure = match &state.connect.phase {
        Phase::Failed(error) => format!("Dernière connexion : {}\n", connect::failed(error, state).title),
        Phase::Idle | Phase::Connecting(_) => String::new(),
    };
    format!("Vigie, le {taken}\n{facts}\n{chain}\n{days}\nClient VPN : {client}\n{failure}").replace('\u{a0}', " ")
}

/// Returns the report with what the user says of the problem.
pub fn report(state: &State, request: &HelpRequest) -> String {
    let sentence = sanitize(&request.sentence);
    let sentence = if sentence.is_empty() { String::new() } else { format!("« {sentence} »\n") };
    format!("{}\n{sentence}\n{}", heading(request.topic), support_info(state))
}

/// Returns the name of the report's file.
pub fn file_name(state: &State) -> String {
    let wall = &state.now.wall;
    ["rapport-vigie", &wall.date().to_string(), &format!("{:02}h{:02}.txt", wall.hour(), wall.minute())].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_core::connect::ConnectError;
    use vigie_core::fixture::{now, standing};
    use vigie_core::message::Event;
    use vigie_core::update::update;
    use vigie_core::vpn::VpnStatus;

    #[test]
    fn a_report_has_the_users_words_first_and_the_facts_below() {
        let mut state = standing(VpnStatus::Disconnected);
        state.connect.phase = Phase::Failed(ConnectError::Untrusted);
        assert!(support_info(&state).contains("\nClient VPN : version inconnue\n"));
        let version = Event::ClientVersion("Cisco Secure Client 5.1.2.42".into());
        update(&mut state, version, now("2026-11-24T14:02"));
        let request = HelpRequest { topic: HelpTopic::Drives, sentence: "Le lecteur S\u{202e}\na disparu ".into() };
        let report = report(&state, &request);
        let begin = "Demande d’aide : Lecteurs réseau\n« Le lecteur S a disparu »\n\nVigie, le 24/11/2026 14:02\n";
        assert!(report.starts_with(begin), "{report}");
        for part in [
            "\n  Tunnel VPN : à voir – ",
            "\nLes derniers jours\n  aujourd’hui : ",
            "\nClient VPN : Cisco Secure Client 5.1.2.42\nDernière connexion : Le serveur VPN n’est pas reconnu\n",
            "\n  Nom de l’ordinateur : PC-14-042\n",
        ] {
            assert!(report.contains(part), "{part} in {report}");
        }
        assert_eq!(file_name(&state), "rapport-vigie-2026-11-24-14h02.txt");
        assert!(!format!("{request:?}").contains("disparu"), "what the user writes is not logged");
    }

    #[test]
    fn where_the_helpdesk_is_closed_the_urgent_numbers_are_named() {
        let mut state = standing(VpnStatus::Connected);
        assert_eq!(
            help_form(&state).contact.replace('\u{a0}', " "),
            "AMIGO est ouverte jusqu’à 17 h. Sans Internet, appelez le 0806 000 488 ou le 0810 14 50 61."
        );
        update(&mut state, Event::Tick, now("2026-11-24T18:00"));
        let contact = help_form(&state).contact.replace('\u{a0}', " ");
        assert!(
            contact.starts_with(
                "AMIGO est fermée et ouvre demain à 8 h. Vous pouvez déjà y déposer votre demande, qui sera vue à \
                 l’ouverture. En cas d’urgence : 0806 000 488"
            ),
            "{contact}"
        );
        assert!(contact.contains("09 70 80 97 97"), "{contact}");
    }
}
