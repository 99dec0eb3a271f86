//! The model of the opened panel's page: the panel, what the guide offers, the settings, and the last answer. Each part is
//! sent again only when it has changed.

use super::attention::{AttentionItem, attention};
use super::cards::{Card, cards};
use super::chain::{Diagnosis, diagnosis};
use super::history::{Today, today};
use super::panel::{Button, Panel, button, panel};
use super::report::{HelpForm, help_form};
use super::search::{self, Destination, SearchEntry};
use super::settings::{Setting, settings};
use super::welcome::{Welcome, welcome};
use super::{french, notice};
use serde::{Deserialize, Serialize};
use vigie_core::digits::Digits;
use vigie_core::message::{Action, Call, PanelView};
use vigie_core::state::State;
use vigie_profile::Id;

/// What the page shows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Page {
    /// Status, question, buttons and facts.
    pub panel: Panel,
    /// The card of the first start that covers them.
    pub welcome: Option<Welcome>,
    /// The view that the user asked for elsewhere, such as in the menu, and a number that changes each time.
    pub view_asked: Option<(u32, PanelView)>,
    /// The chain from the computer to the drives.
    pub diagnosis: Diagnosis,
    /// What is not as it should be.
    pub attention: Vec<AttentionItem>,
    /// Whether the facts are unfolded.
    pub facts_unfolded: bool,
    /// The day so far.
    pub today: Today,
    /// How the user asks for help.
    pub help: Option<HelpForm>,
    /// What can be joined and dialled.
    pub guide: Guide,
    /// The guide's subjects.
    pub cards: Vec<Card>,
    /// What can be found. The page itself has no use for it.
    #[cfg_attr(test, ts(skip))]
    pub entries: Vec<SearchEntry>,
    /// The id among them of the helpdesk.
    #[cfg_attr(test, ts(skip))]
    pub helpdesk: Id,
    /// What the user may choose.
    pub settings: Vec<Setting>,
    /// The result of the user's last action.
    pub answer: Option<ActionResult>,
}

/// A part of the page that has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "part", content = "is", rename_all = "kebab-case")]
#[expect(missing_docs, reason = "they are the fields of `Page`")]
pub enum Part {
    Panel(Panel),
    Welcome(Option<Welcome>),
    ViewAsked(Option<(u32, PanelView)>),
    Diagnosis(Diagnosis),
    Attention(Vec<AttentionItem>),
    FactsUnfolded(bool),
    Today(Today),
    Help(HelpForm),
    Guide(Guide),
    Cards(Vec<Card>),
    #[cfg_attr(test, ts(skip))]
    Entries(Vec<SearchEntry>, Id),
    Settings(Vec<Setting>),
    Answer(Option<ActionResult>),
}

/// What the guide offers. It changes with the profile and the site alone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Guide {
    /// The remote support card.
    pub session: Option<Session>,
    /// The telephone card: what its codes are for.
    pub telephone: String,
    /// The telephone's codes.
    pub codes: Vec<Code>,
    /// Digits that the number of a session or of a telephone may have.
    pub max_digits: usize,
}

/// How a remote support session begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Session {
    /// Where its number comes from.
    pub advice: String,
    /// Opens the program without a number.
    pub open: Button,
}

/// A code of the telephone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Code {
    /// Its id, for [`Call`].
    pub id: String,
    /// What it does.
    pub label: String,
    /// The code itself.
    pub code: String,
    /// Whether a number follows it.
    pub takes_number: bool,
    /// What else there is to know.
    pub note: Option<String>,
}

/// The result of the user's last action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ActionResult {
    /// Differs from that of the answer before, even if the texts are the same.
    pub number: u32,
    /// The heading.
    pub title: String,
    /// One more sentence.
    pub text: String,
    /// What the user may do next, if anything went wrong.
    pub buttons: Vec<Button>,
    /// Whether nobody needs it a while later.
    pub transient: bool,
}

impl Page {
    /// Whether the page offers that action. It may request no other.
    pub fn offers(&self, action: &Action) -> bool {
        let guide = &self.guide;
        if let Action::ShowFacts(_) = action {
            return !self.cards.is_empty();
        }
        // Any sentence may be sent; it is cut and cleaned.
        if let Action::SaveReport(_) = action {
            return self.help.is_some();
        }
        // Any number may be joined or dialled; the type admits digits only.
        if let Action::Join(_) = action {
            return guide.session.is_some();
        }
        if let Action::CopyCode(Call { code, number }) | Action::Dial(Call { code, number }) = action {
            return guide.codes.iter().any(|known| known.id == *code && (known.takes_number || number.is_none()));
        }
        let attention = self.attention.iter().flat_map(|item| &item.remedy).map(|offered| &offered.button);
        let answer = self.answer.iter().flat_map(|answer| &answer.buttons);
        self.panel.offers(action)
            || self.welcome.as_ref().is_some_and(|card| card.offers(action))
            || attention.chain(answer).any(|button| button.action == *action)
            || self.diagnosis.offers(action)
            || guide.session.as_ref().is_some_and(|session| session.open.action == *action)
            || self.cards.iter().any(|card| card.offers(action))
            || self.entries.iter().any(|entry| matches!(&entry.target, Destination::Do(known) if known == action))
            || self.settings.iter().any(|setting| setting.offers(action))
    }

    /// Returns the parts that differ from another page's, or all of them.
    pub fn parts(&self, before: Option<&Page>) -> Vec<Part> {
        let known = before.map(Page::all_parts).unwrap_or_default();
        let mut parts = self.all_parts();
        parts.retain(|part| !known.contains(part));
        parts
    }

    /// Returns every part. The panel comes last: with it the page is complete.
    fn all_parts(&self) -> Vec<Part> {
        let help = self.help.clone().map(Part::Help);
        let parts = [
            Part::Welcome(self.welcome.clone()),
            Part::ViewAsked(self.view_asked),
            Part::Diagnosis(self.diagnosis.clone()),
            Part::Attention(self.attention.clone()),
            Part::FactsUnfolded(self.facts_unfolded),
            Part::Today(self.today.clone()),
            Part::Guide(self.guide.clone()),
            Part::Cards(self.cards.clone()),
            Part::Entries(self.entries.clone(), self.helpdesk.clone()),
            Part::Settings(self.settings.clone()),
            Part::Answer(self.answer.clone()),
            Part::Panel(self.panel.clone()),
        ];
        help.into_iter().chain(parts).collect()
    }

    /// Replaces a part.
    pub fn take(&mut self, part: Part) {
        match part {
            Part::Panel(panel) => self.panel = panel,
            Part::Welcome(card) => self.welcome = card,
            Part::ViewAsked(asked) => self.view_asked = asked,
            Part::Diagnosis(diagnosis) => self.diagnosis = diagnosis,
            Part::Attention(attention) => self.attention = attention,
            Part::FactsUnfolded(unfolded) => self.facts_unfolded = unfolded,
            Part::Today(today) => self.today = today,
            Part::Help(help) => self.help = Some(help),
            Part::Guide(guide) => self.guide = guide,
            Part::Cards(cards) => self.cards = cards,
            Part::Entries(entries, helpdesk) => (self.entries, self.helpdesk) = (entries, helpdesk),
            Part::Settings(settings) => self.settings = settings,
            Part::Answer(answer) => self.answer = answer,
        }
    }
}

/// Returns the page for a state.
pub fn page(state: &State) -> Page {
    let answer = state.answer.as_ref().map(|(number, notification)| {
        let notice = notice::notice(notification, state);
        let buttons = notice.actions.into_iter().map(|(label, action)| button(label, action)).collect();
        ActionResult { number: *number, title: notice.title, text: notice.body, buttons, transient: notice.transient }
    });
    let mut page = Page {
        panel: panel(state),
        welcome: welcome(state),
        view_asked: state.view_asked,
        diagnosis: diagnosis(state),
        facts_unfolded: state.facts_unfolded,
        today: today(state),
        help: Some(help_form(state)),
        guide: guide_model(state),
        cards: cards(state),
        settings: settings(state),
        helpdesk: state.profile.helpdesk.link.clone(),
        answer,
        ..Page::default()
    };
    page.attention = attention(state, &page.panel);
    page.entries = search::entries(state, &page);
    page
}

fn guide_model(state: &State) -> Guide {
    let profile = &state.profile;
    Guide {
        session: profile.program(&profile.remote_support).map(|program| Session {
            advice: french::typeset(&*profile.advice.remote_session),
            open: button("Ouvrir sans numéro", Action::Open(program.id.clone())),
        }),
        telephone: french::typeset(&*profile.advice.forwarding),
        codes: (profile.codes.iter())
            .map(|code| Code {
                id: code.id.clone(),
                label: french::typeset(&*code.label),
                code: code.code.clone(),
                takes_number: code.takes_number,
                note: code.note.as_deref().map(french::typeset),
            })
            .collect(),
        max_digits: Digits::MAX_LEN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use vigie_core::fixture::{known, now, standing};
    use vigie_core::message::{ClipboardContent, Event, LaunchOutcome, LaunchResult, LaunchTarget};
    use vigie_core::state::State;
    use vigie_core::update::update;
    use vigie_core::vpn::VpnStatus;
    use vigie_profile::{Choice, Profile};

    fn tool_lines(state: &State) -> Vec<String> {
        let entries = page(state).entries.into_iter();
        entries.map(|entry| format!("{} | {}", entry.label, entry.detail).replace('\u{a0}', " ")).collect()
    }

    #[test]
    fn search_covers_the_whole_guide() {
        let state = known();
        let (profile, page) = (&state.profile, page(&state));
        let finds = |target: Destination| page.entries.iter().any(|entry| entry.target == target);
        let does = |action: Action| finds(Destination::Do(action));
        for program in profile.programs.iter().filter(|program| program.id != profile.vpn.client) {
            assert!(does(Action::Open(program.id.clone())), "{program:?}");
        }
        assert!(does(Action::Connect));
        for link in &profile.links {
            let elsewhere = link.site.as_deref() == Some("rouen");
            assert_eq!(does(Action::Open(link.id.clone())), !elsewhere, "{link:?}");
        }
        for code in &profile.codes {
            assert_eq!(does(Action::CopyCode(Call::of(&*code.id))), !code.takes_number, "{code:?}");
            assert_eq!(does(Action::Dial(Call::of(&*code.id))), !code.takes_number, "{code:?}");
        }
        for drive in &profile.drives {
            let id = format!("drive-{}", drive.letter.to_ascii_lowercase());
            assert!(page.entries.iter().any(|entry| entry.id == id), "{drive:?}");
        }
        for card in &page.cards {
            assert!(finds(Destination::Card(card.id.clone())), "{card:?}");
        }
        for setting in &page.settings {
            assert!(finds(Destination::Setting(setting.id.clone())), "{setting:?}");
        }
        let ids: std::collections::HashSet<_> = page.entries.iter().map(|entry| &entry.id).collect();
        assert_eq!(ids.len(), page.entries.len(), "each has an id of its own");
        let lines = tool_lines(&state);
        for line in [
            "Cisco Secure Client | Se connecter au VPN",
            "Renvoi immédiat : *21 + n° | Taper le numéro, puis composer ou copier",
            "Consulter la messagerie vocale : *98 | Copier le code",
            "Lecteur U | Lecteur réseau : données personnelles",
            "Imprimer | Imprimer sur le copieur de votre division, sur site ou en télétravail",
        ] {
            assert!(lines.iter().any(|other| other == line), "{line} in {lines:#?}");
        }
    }

    #[test]
    fn without_a_site_links_of_every_site_are_found_by_name() {
        let mut state = known();
        let mut profile = Profile::clone(&state.profile);
        profile.user.site = None;
        state.profile = Arc::new(profile);
        let lines = tool_lines(&state);
        for label in ["Intranet (Caen) | ", "Intranet (Rouen) | "] {
            assert!(lines.iter().any(|line| line.starts_with(label)), "{lines:?}");
        }
    }

    #[test]
    fn answer_to_what_failed_has_the_next_step() {
        let mut state = standing(VpnStatus::Connected);
        let target = LaunchTarget::Call(Call::of("sans-renvoi"));
        let failed = Event::Launched(LaunchResult { target, outcome: LaunchOutcome::Missing });
        update(&mut state, failed, now("2026-11-24T10:00"));
        let answer = page(&state).answer.expect("it is answered");
        assert_eq!(answer.buttons, [button("Copier le code", Action::CopyCode(Call::of("sans-renvoi")))]);
        assert!(!answer.transient);
        let copied = Event::Copied(ClipboardContent::SupportInfo, Ok(()));
        update(&mut state, copied, now("2026-11-24T10:00"));
        assert!(page(&state).answer.expect("it is answered").transient);
    }

    #[test]
    fn page_offers_only_what_it_shows() {
        let page = page(&standing(VpnStatus::Disconnected));
        let number = || Digits::new("0612345678");
        let call = |code: &str, number| Call { code: code.into(), number };
        for action in [
            Action::Connect,
            Action::Open("tchap".into()),
            Action::Join(Digits::new("12345678").expect("digits")),
            Action::Dial(call("renvoi-immediat", number())),
            Action::CopyCode(call("renvoi-immediat", number())),
            Action::CopyCode(call("renvoi-immediat", None)),
            Action::Dial(call("sans-renvoi", None)),
            Action::Choose(Choice::Site("rouen".into())),
            Action::SetAutostart(true),
            Action::CopySupportInfo,
        ] {
            assert!(page.offers(&action), "{action:?}");
        }
        for action in [
            Action::Open("rien".into()),
            Action::OpenDrive('C'),
            // Out of reach: its card offers to connect.
            Action::OpenDrive('U'),
            Action::Dial(call("sans-renvoi", number())),
            Action::Dial(call("rien", None)),
            Action::Choose(Choice::Site("paris".into())),
            Action::Choose(Choice::Opacity(1)),
            Action::ConfirmShutDown,
            Action::Quit,
        ] {
            assert!(!page.offers(&action), "{action:?}");
        }
        let nothing = Page::default();
        assert!(!nothing.offers(&Action::Join(Digits::new("1").expect("digits"))));
    }

    #[test]
    fn only_changed_parts_are_sent_again() {
        let mut state = standing(VpnStatus::Connected);
        let first = page(&state);
        let mut shown = Page::default();
        for part in first.parts(None) {
            shown.take(part);
        }
        assert_eq!(shown, first);
        assert_eq!(page(&state).parts(Some(&first)), []);

        update(&mut state, Event::Tick, now("2026-11-25T00:00"));
        let second = page(&state);
        assert!(matches!(second.parts(Some(&first))[..], [Part::Help(_), Part::Today(_), Part::Panel(_)]));
        update(&mut state, Event::Autostart(true), now("2026-11-25T00:00"));
        let third = page(&state);
        assert!(matches!(third.parts(Some(&second))[..], [Part::Settings(_)]));
        update(&mut state, Event::Copied(ClipboardContent::SupportInfo, Ok(())), now("2026-11-25T00:00"));
        let fourth = page(&state);
        let parts = fourth.parts(Some(&third));
        let [Part::Answer(Some(answer))] = &parts[..] else { panic!("{parts:?}") };
        assert_eq!((answer.number, &*answer.title), (1, "Les infos pour l’assistance sont copiées"));
        update(&mut state, Event::Copied(ClipboardContent::SupportInfo, Ok(())), now("2026-11-25T00:00"));
        assert_eq!(page(&state).parts(Some(&fourth)).len(), 1, "the same words, said again");
        let mut profile = Profile::clone(&state.profile);
        profile.links.truncate(3);
        let before = page(&state);
        update(&mut state, Event::Profile(Arc::new(profile), [].into()), now("2026-11-25T00:00"));
        assert!(page(&state).parts(Some(&before)).iter().any(|part| matches!(part, Part::Entries(..))));
        // What is sent each time is small beside what is sent once.
        let bytes = |part: &Part| serde_json::to_string(part).expect("a part is JSON").len();
        for part in first.parts(None).iter().filter(|part| !matches!(part, Part::Entries(..))) {
            assert!(bytes(part) < 20_000, "{}", bytes(part));
        }
    }
}
