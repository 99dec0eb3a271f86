//! The guide's subjects as the panel shows them: its words, live facts, and the buttons that do it.

use super::panel::{Button, button, vpn_buttons};
use super::{chain, connect, drives, french, guide, helpdesk, shutdown, vpn};
use jiff::civil::Time;
use serde::{Deserialize, Serialize};
use vigie_core::message::{Action, HelpTopic, Printer, Printers, Reading, SystemSettings};
use vigie_core::state::State;
use vigie_profile::{CardPart, Day, GuideCard, Hours, RowKind};

/// A subject of the guide.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Card {
    /// A stable name.
    pub id: String,
    /// The heading.
    pub title: String,
    /// What it is about, in a line.
    pub summary: String,
    /// Whether the panel has a tile for it.
    pub tile: bool,
    /// What the guide says, a paragraph each.
    pub text: Vec<String>,
    /// What to do, step by step.
    pub steps: Vec<String>,
    /// Actions that belong to the card.
    pub buttons: Vec<CardButton>,
    /// Other cards to read.
    pub see: Vec<CardLink>,
    /// Rows of the panel that belong to it.
    pub rows: Vec<RowKind>,
    /// Facts of the guide.
    pub tables: Vec<CardTable>,
    /// Whether the telephone's codes belong to it.
    pub telephone: bool,
    /// Whether a remote support session is joined there.
    pub session: bool,
    /// Whether the user asks for help there.
    pub help: bool,
}

/// A button, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CardButton {
    /// The button.
    pub button: Button,
    /// What it is for, where its label does not say.
    pub note: String,
}

/// A way to another card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CardLink {
    /// The other card's id.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// What it is about, in a line.
    pub summary: String,
}

/// A table of the guide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CardTable {
    /// What it is about.
    pub caption: String,
    /// The headings of the columns.
    pub head: Vec<String>,
    /// The lines; the first cell of each is its heading.
    pub lines: Vec<Vec<String>>,
    /// The column, counted from 0, whose cells can be copied.
    pub copies: Option<usize>,
}

impl Card {
    /// Whether it offers that action.
    pub fn offers(&self, action: &Action) -> bool {
        self.buttons.iter().any(|known| known.button.action == *action)
    }
}

/// Returns the guide's subjects, in order.
pub fn cards(state: &State) -> Vec<Card> {
    state.profile.cards.iter().map(|card| self::card(state, card)).collect()
}

fn card(state: &State, from: &GuideCard) -> Card {
    let typeset = |texts: &[String]| texts.iter().map(|text| french::typeset(&**text)).collect();
    let mut card = Card {
        id: from.id.clone(),
        title: french::typeset(&*from.title),
        summary: french::typeset(&*from.summary),
        tile: from.tile,
        text: typeset(&from.text),
        steps: typeset(&from.steps),
        see: from.see.iter().filter_map(|id| see(state, id)).collect(),
        rows: from.rows.clone(),
        ..Card::default()
    };
    card.buttons.extend(from.open.iter().filter_map(|id| open(state, id)));
    for part in &from.parts {
        add_part(state, *part, &mut card);
    }
    card
}

/// The way to another card, unless an administrator has removed it.
fn see(state: &State, id: &str) -> Option<CardLink> {
    let card = state.profile.card(id)?;
    let (title, summary) = (french::typeset(&*card.title), french::typeset(&*card.summary));
    Some(CardLink { id: card.id.clone(), title, summary })
}

/// The button that opens a program, or a link of the user's site.
fn open(state: &State, id: &str) -> Option<CardButton> {
    let action = Action::Open(id.to_owned());
    if let Some(program) = state.profile.program(id) {
        return Some(button(format!("Ouvrir {}", program.label), action).into());
    }
    let link = state.profile.link(id).filter(|link| guide::is_for_site(state, link))?;
    let note = french::typeset(link.description.as_deref().unwrap_or_default());
    Some(CardButton { button: button(guide::link_label(state, link), action), note })
}

impl From<Button> for CardButton {
    /// The button alone, whose label says what it is for.
    fn from(button: Button) -> CardButton {
        CardButton { button, note: String::new() }
    }
}

/// Adds a part to the card: buttons, rows or tables that are made of other values of the profile.
fn add_part(state: &State, part: CardPart, card: &mut Card) {
    let profile = &state.profile;
    match part {
        CardPart::Vpn => {
            let buttons = vpn_buttons(state);
            // The steps say how to connect.
            if !buttons.iter().any(|button| button.action == Action::Connect) {
                card.steps.clear();
            }
            card.buttons.extend(buttons.into_iter().map(CardButton::from));
            card.buttons.extend(connect::offer_client(state).map(CardButton::from));
            let lines = profile.sites.iter().map(|site| [french::site(site), site.gateway.clone()]);
            card.tables
                .push(CardTable { copies: Some(1), ..table("Adresse du serveur VPN", ["Site", "Adresse"], lines) });
        }
        CardPart::Drives => card.buttons.extend(drive_buttons(state)),
        CardPart::Telephone => card.telephone = true,
        CardPart::Session => card.session = true,
        CardPart::Copiers => copiers(state, card),
        CardPart::Hours => {
            let lines = DAYS.into_iter().filter_map(|(day, name)| {
                let (school, holidays) =
                    (open_on(&profile.helpdesk.school, day), open_on(&profile.helpdesk.holidays, day));
                (!school.is_empty() || !holidays.is_empty()).then_some([
                    name.to_owned(),
                    or_closed(school),
                    or_closed(holidays),
                ])
            });
            card.tables.push(table("Horaires d’AMIGO", ["Jour", "Période scolaire", "Hors période scolaire"], lines));
        }
        CardPart::Numbers => {
            let lines = profile
                .helpdesk
                .urgent
                .iter()
                .map(|urgent| [urgent.establishments.clone(), french::numbers(&urgent.numbers)]);
            card.tables.push(table("En cas d’urgence", ["Établissement", "Numéro"], lines));
        }
        // The report that is asked for there has the infos for the helpdesk in it. Often the chain makes it unnecessary.
        CardPart::SupportInfo => {
            let button = button(chain::TITLE, Action::Diagnose);
            card.buttons.push(CardButton { button, note: chain::PURPOSE.into() });
            card.help = true;
        }
        CardPart::Shutdown => {
            card.buttons.push(button(shutdown::SHUT_DOWN, Action::ShutDown).into());
            card.buttons.extend(shutdown::reminders(state));
        }
    }
}

/// One button for each drive, or those of the VPN while no drive is within reach.
fn drive_buttons(state: &State) -> Vec<CardButton> {
    let drives = state.profile.drives.iter().filter_map(|drive| {
        let note = drives::purpose(drive.holds).to_owned();
        Some(CardButton { button: drives::action(state, drive)?, note })
    });
    let drives: Vec<CardButton> = drives.collect();
    if drives.is_empty() { vpn_buttons(state).into_iter().map(CardButton::from).collect() } else { drives }
}

/// How copiers are named (guide, section 10), and the system's own settings of the printers.
fn copiers(state: &State, card: &mut Card) {
    let printing = &state.profile.printing;
    let named = |codes: &[vigie_profile::NamedCode]| -> String {
        let texts: Vec<String> = codes.iter().map(|coded| format!("{} {}", coded.code, coded.name)).collect();
        texts.join(", ")
    };
    let lines = [
        ["I", "Imprimante"].map(str::to_owned),
        ["00".to_owned(), format!("Département : {}", named(&printing.departments))],
        ["YY".to_owned(), format!("Site : {}", named(&printing.places))],
        ["DIV", "Division"].map(str::to_owned),
        ["X", "Chiffre, si plusieurs copieurs"].map(str::to_owned),
        ["C2", "Bâtiment et étage"].map(str::to_owned),
    ];
    let settings = Action::OpenSettings(SystemSettings::Printers);
    if let Some(reason) = drives::out_of_reach(state) {
        let reason = french::capitalised(reason);
        let needed = "Hors site, le VPN est nécessaire pour imprimer sur les copieurs de l’académie.";
        card.text.push(french::typeset(format!("{reason}. {needed}")));
        card.buttons.extend(vpn_buttons(state).into_iter().map(CardButton::from));
    }
    let ask = helpdesk::ask(HelpTopic::Printing);
    if let Some(silent) = vpn::silence(state).iter().find(|sentence| sentence.starts_with(vpn::PRINT_SERVER)) {
        let wait = "les copieurs de l’académie sont hors d’atteinte pour l’instant. Si cela dure, demandez à AMIGO.";
        card.text.push(french::typeset(format!("{silent} : {wait}")));
        card.buttons.push(ask.clone().into());
    }
    card.buttons.push(button(chain::PRINTER_SETTINGS, settings).into());
    let is_copier = |printer: &Printer| vigie_core::printers::decode(printing, &printer.name).is_some();
    let has_none = matches!(&state.printers, Reading::Known(Printers::Computer(all)) if !all.iter().any(is_copier));
    if has_none && !card.offers(&ask.action) {
        let note = "Vigie ne trouve aucun copieur de l’académie sur cet ordinateur".into();
        card.buttons.push(CardButton { button: ask, note });
    }
    let own = state.site().map(|site| &site.id);
    let mut examples: Vec<_> = printing.examples.iter().collect();
    examples.sort_by_key(|example| Some(&example.site) != own);
    let examples = examples.into_iter().map(|example| {
        let site = state.profile.sites.iter().find(|site| site.id == example.site);
        let place = vigie_core::printers::decode(printing, &example.name);
        let place = place.map(|name| french::printer(&name, printing)).unwrap_or_default();
        [
            site.map_or_else(String::new, |site| site.name.clone()),
            format!("{} sur {}", example.name, printing.server),
            place,
        ]
    });
    card.tables.push(table("Exemples", ["Site", "Copieur", "Où il se trouve"], examples));
    card.tables.push(table("Le nom d’un copieur : I00YY-DIVX-C2", ["Partie", "Sens"], lines));
}

/// Returns a table with its texts in French typography.
fn table<const N: usize>(caption: &str, head: [&str; N], lines: impl IntoIterator<Item = [String; N]>) -> CardTable {
    let lines = lines.into_iter().map(|line| line.into_iter().map(french::typeset).collect());
    let (caption, head) = (french::typeset(caption), head.map(french::typeset).into());
    CardTable { caption, head, lines: lines.collect(), copies: None }
}

const DAYS: [(Day, &str); 7] = [
    (Day::Monday, "Lundi"),
    (Day::Tuesday, "Mardi"),
    (Day::Wednesday, "Mercredi"),
    (Day::Thursday, "Jeudi"),
    (Day::Friday, "Vendredi"),
    (Day::Saturday, "Samedi"),
    (Day::Sunday, "Dimanche"),
];

/// "9 h à 12 h 30, 13 h 30 à 17 h".
fn open_on(hours: &[Hours], day: Day) -> String {
    let mut open: Vec<(Time, Time)> =
        hours.iter().filter(|hours| hours.days.contains(&day)).map(|hours| (hours.from, hours.to)).collect();
    open.sort_unstable();
    let texts: Vec<String> =
        open.into_iter().map(|(from, to)| format!("{} à {}", french::time(from), french::time(to))).collect();
    texts.join(", ")
}

fn or_closed(hours: String) -> String {
    if hours.is_empty() { "fermée".into() } else { hours }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_core::fixture::standing;
    use vigie_core::vpn::VpnStatus;

    fn labels(state: &State, id: &str) -> Vec<String> {
        let card = cards(state).into_iter().find(|card| card.id == id).expect("the guide has it");
        card.buttons.into_iter().map(|CardButton { button, .. }| button.label.replace('\u{a0}', " ")).collect()
    }

    #[test]
    fn each_drive_has_one_verb() {
        let expected =
            ["Ouvrir le lecteur I", "Ouvrir le lecteur S", "Demander le lecteur T à AMIGO", "Ouvrir le lecteur U"];
        assert_eq!(labels(&standing(VpnStatus::Connected), "lecteurs"), expected);
        assert_eq!(labels(&standing(VpnStatus::Disconnected), "lecteurs"), ["Se connecter au VPN"]);
    }

    #[test]
    fn printing_opens_the_systems_settings_and_only_ones_own_copiers_can_be_copied() {
        let page = crate::page::page(&standing(VpnStatus::Connected));
        let card = page.cards.iter().find(|card| card.id == "imprimer").expect("the guide has it");
        assert!(page.offers(&Action::OpenSettings(SystemSettings::Printers)), "{:?}", card.buttons);
        assert!(card.tables.iter().all(|table| table.copies.is_none()), "they are examples: {:?}", card.tables);
        let installed = page.panel.groups.iter().flat_map(|group| &group.rows);
        let installed: Vec<_> =
            installed.filter(|row| row.fact.is_some_and(|kind| card.rows.contains(&kind))).collect();
        assert_eq!(installed[0].copy.as_deref(), Some("I76RC-DSI04-B4"));
    }

    #[test]
    fn printing_off_site_needs_the_vpn_and_a_printer_is_asked_for() {
        let settings = "Ouvrir les réglages des imprimantes";
        let card =
            |state: &State| cards(state).into_iter().find(|card| card.id == "imprimer").expect("the guide has it");
        let mut state = standing(VpnStatus::Disconnected);
        assert_eq!(labels(&state, "imprimer"), ["Se connecter au VPN", settings]);
        let said = card(&state).text.pop().expect("a sentence").replace('\u{a0}', " ");
        assert!(said.starts_with("Hors d’atteinte : VPN déconnecté. Hors site, le VPN est nécessaire"), "{said}");
        state.printers = Reading::Known(Printers::Computer(Vec::new()));
        assert_eq!(labels(&state, "imprimer"), ["Se connecter au VPN", settings, "Demander à AMIGO"]);
        let reached = standing(VpnStatus::Connected);
        assert_eq!(labels(&reached, "imprimer"), [settings]);
        assert!(!card(&reached).text.concat().contains("VPN est nécessaire"));
    }

    #[test]
    fn a_computer_with_a_printer_of_its_own_alone_can_ask_for_a_copier() {
        let mut state = standing(VpnStatus::Connected);
        let own = Printer { name: "Bureau".into(), default: true, installed: true };
        state.printers = Reading::Known(Printers::Computer(vec![own]));
        assert!(labels(&state, "imprimer").contains(&helpdesk::ASK.to_owned()), "{:?}", labels(&state, "imprimer"));
    }

    #[test]
    fn the_steps_to_connect_are_there_while_their_button_is() {
        for status in VpnStatus::ALL {
            let state = standing(status);
            let card = cards(&state).into_iter().find(|card| card.id == "vpn").expect("the guide has it");
            assert_eq!(!card.steps.is_empty(), card.offers(&Action::Connect), "{status:?}");
        }
    }

    #[test]
    fn the_shutdown_cards_first_button_silences_nothing() {
        let mut state = standing(VpnStatus::Connected);
        assert_eq!(labels(&state, "arret"), [shutdown::SHUT_DOWN, shutdown::NOT_TONIGHT]);
        state.shutdown.not_tonight(&state.now);
        assert_eq!(labels(&state, "arret"), [shutdown::SHUT_DOWN, shutdown::REMIND_AGAIN]);
    }

    #[test]
    fn help_begins_with_what_the_user_can_find_out() {
        let page = crate::page::page(&standing(VpnStatus::Connected));
        let help = page.cards.iter().find(|card| card.id == "aide").expect("the guide has it");
        assert!(help.offers(&Action::Diagnose) && page.offers(&Action::Diagnose), "{:?}", help.buttons);
    }

    #[test]
    fn hours_and_numbers_are_those_of_the_guide() {
        let cards = cards(&standing(VpnStatus::OnSite));
        let help = cards.iter().find(|card| card.id == "aide").expect("the guide has it");
        let lines = |table: usize| -> Vec<String> {
            help.tables[table].lines.iter().map(|line| line.join(" | ").replace('\u{a0}', " ")).collect()
        };
        assert_eq!(lines(0)[0], "Lundi | 8 h à 17 h | 9 h à 12 h 30, 13 h 30 à 17 h");
        assert_eq!(lines(0)[2], "Mercredi | 8 h à 13 h | 9 h à 12 h 30, 13 h 30 à 17 h");
        assert_eq!(lines(0).len(), 5);
        assert_eq!(lines(1)[0], "Services académiques et autres | 0806 000 488 ou 0810 14 50 61");
    }

    #[test]
    fn no_card_says_the_same_twice() {
        let page = crate::page::page(&standing(VpnStatus::Connected));
        for card in page.cards {
            let telephone = card.telephone.then(|| page.guide.telephone.clone());
            let session = page.guide.session.as_ref().filter(|_| card.session).map(|session| session.advice.clone());
            let texts: Vec<String> =
                [card.text, card.steps].concat().into_iter().chain(telephone).chain(session).collect();
            let mut said = std::collections::HashSet::new();
            for text in &texts {
                let words: Vec<String> = text.split_whitespace().map(french::fold).collect();
                for phrase in words.windows(6) {
                    assert!(said.insert(phrase.to_vec()), "{}: {phrase:?} in {texts:#?}", card.id);
                }
            }
        }
    }

    #[test]
    fn links_are_those_of_the_users_site() {
        let state = standing(VpnStatus::Connected);
        assert_eq!(labels(&state, "intranet"), ["Intranet", "Portail apps.education.fr"]);
        assert!(cards(&state).iter().all(|card| !card.title.is_empty() && !card.summary.is_empty()));
    }
}
