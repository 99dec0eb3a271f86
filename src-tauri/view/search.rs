//! The search: what a user types, to what Vigie has for it. For the panel's page and for `vigie find`.
//!
//! A question is not a query: "je n’arrive pas à imprimer" has one word that counts. Each word of the question is looked for
//! in the names, keywords and descriptions of all entries, and weighs the more the fewer entries have it; words that no
//! entry has count for nothing. A keyword of several words counts fully only if all of them are asked for.

use super::cards::CardButton;
use super::french::{self, fold, typeset};
use super::page::Page;
use super::panel::{self, Panel};
use super::{chain, drives, guide, shutdown};
use rust_stemmers::{Algorithm, Stemmer};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::LazyLock;
use vigie_core::message::{Action, Call};
use vigie_core::state::State;
use vigie_profile::{CardPart, Id, Profile, RowKind};

/// Characters of a question that are read.
const MAX_QUERY_CHARS: usize = 200;

/// Results that are returned: nobody reads more.
const MAX_RESULTS: usize = 10;

/// What is offered if nothing is found, beside the helpdesk.
const NEAR_RESULTS: usize = 3;

/// Something that the search finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchEntry {
    /// Its name for programs, and for [`Profile::keywords`].
    pub id: Id,
    /// What the user reads first.
    pub label: String,
    /// What it is for, or what a click does; empty for a row of the panel, whose value is read when it is found.
    pub detail: String,
    /// Other words and phrases that find it.
    pub keywords: Vec<String>,
    /// How often the user has used it.
    pub uses: u16,
    /// Where a click leads.
    pub target: Destination,
}

/// Where a result leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "to", content = "is", rename_all = "kebab-case")]
pub enum Destination {
    /// A click requests this action.
    Do(Action),
    /// The card of that id.
    Card(Id),
    /// The setting of that id.
    Setting(String),
    /// The row of that id in the panel.
    Row(String),
}

/// What the search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SearchResults {
    /// Whether these answer the question. Otherwise they are a few that come near, and the helpdesk.
    pub exact: bool,
    /// How many there are, in words.
    pub summary: String,
    /// The likeliest first.
    pub results: Vec<SearchResult>,
}

/// One result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SearchResult {
    /// The entry's id.
    pub id: Id,
    /// What the user reads first.
    pub label: String,
    /// What it is for, what a click does, or the value of a row.
    pub detail: String,
    /// Where a click leads.
    pub target: Destination,
}

/// Words that carry no subject.
const STOP_WORDS: &[&str] = &[
    "a", "ai", "aimerais", "après", "arrive", "arriver", "as", "au", "aux", "avec", "avez", "avoir", "avons", "besoin",
    "bien", "bonjour", "c", "ca", "car", "ce", "cela", "ces", "cet", "cette", "chez", "comment", "d", "dans", "de",
    "dedans", "depuis", "des", "dire", "dois", "doit", "donc", "du", "elle", "en", "encore", "es", "est", "et", "être",
    "eu", "faire", "fais", "fait", "faut", "il", "ils", "j", "je", "l", "la", "le", "les", "leur", "ma", "mais", "me",
    "merci", "mes", "mettre", "moi", "mon", "n", "ne", "ni", "nos", "notre", "nous", "on", "ont", "ou", "ouvre",
    "ouvrir", "par", "pas", "peut", "peux", "plus", "pour", "pourquoi", "pouvoir", "puis", "qu", "quand", "que",
    "quel", "quelle", "quelles", "quels", "qui", "quoi", "sa", "sais", "sans", "savoir", "se", "ses", "si", "son",
    "sont", "suis", "sur", "svp", "te", "tes", "toi", "ton", "tous", "tout", "toute", "toutes", "trouver", "tu", "un",
    "une", "utiliser", "va", "vais", "veut", "veux", "vois", "voir", "vos", "votre", "voudrais", "vous", "y",
];

/// The same as they are compared: folded once, not for each word of each text.
static FOLDED_STOP_WORDS: LazyLock<HashSet<String>> =
    LazyLock::new(|| STOP_WORDS.iter().map(|word| fold(word)).collect());

/// Words that lose their vowel before an apostrophe.
const ELIDED: &[&str] = &["l", "d", "j", "m", "s", "t", "n", "c", "qu", "jusqu", "lorsqu", "puisqu", "quelqu"];

/// A word as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SearchWord {
    /// Without case and accents.
    plain: String,
    /// Its stems: with accents, which tell verb forms apart, and without, as people type.
    stems: [String; 2],
}

impl SearchWord {
    fn new(lower: &str, stemmer: &Stemmer) -> SearchWord {
        let plain = fold(lower);
        let stems = [fold(&stemmer.stem(lower)), stemmer.stem(&plain).into_owned()];
        SearchWord { plain, stems }
    }

    fn same_stem(&self, other: &SearchWord) -> bool {
        self.plain.len() > 2 && self.stems.iter().any(|stem| other.stems.contains(stem))
    }

    /// Returns how well this word of a question matches one of an entry, from 0 to 1.
    fn matches(&self, other: &SearchWord) -> f64 {
        if self.plain == other.plain {
            return 1.0;
        }
        if self.same_stem(other) {
            return 0.9;
        }
        // The beginning of a word is found while it is typed.
        let (typed, whole) = (self.plain.chars().count(), other.plain.chars().count());
        if typed >= 2 && other.plain.starts_with(&self.plain) {
            return 0.5 + 0.3 * share(typed, whole);
        }
        0.0
    }

    /// Returns whether one wrong, missing, added or swapped letter makes this word the other one, or its stem.
    fn misspells(&self, other: &SearchWord) -> bool {
        let near = |one: &str, other: &str| one.chars().count() > 3 && strsim::osa_distance(one, other) == 1;
        let short = self.plain.len() == 3 && other.plain.len() == 3;
        let swapped = || {
            let (mut one, mut two) = (self.plain.clone().into_bytes(), other.plain.clone().into_bytes());
            one.sort_unstable();
            two.sort_unstable();
            one == two
        };
        near(&self.plain, &other.plain)
            || near(&self.stems[1], &other.stems[1])
            || (short && self.plain.is_ascii() && swapped())
    }
}

/// Returns `part` as a share of `whole`, from 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "a few words or letters")]
fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Splits a text into its words, without those that carry no subject; a telephone code keeps its star.
fn words(text: &str, stemmer: &Stemmer) -> Vec<SearchWord> {
    let lower: String = text.to_lowercase().replace('’', "\u{27}");
    let mut all = Vec::new();
    let mut word = String::new();
    for c in lower.chars().chain([' ']) {
        let is_mark = ('\u{300}'..='\u{36f}').contains(&c);
        if c.is_alphanumeric() || is_mark || (matches!(c, '*' | '#') && word.is_empty()) {
            word.push(c);
            continue;
        }
        let elided = c == '\'' && ELIDED.contains(&word.as_str());
        if !word.is_empty() && !elided {
            all.push(SearchWord::new(&word, stemmer));
        }
        word.clear();
    }
    let meaningful: Vec<SearchWord> =
        all.iter().filter(|word| !FOLDED_STOP_WORDS.contains(&word.plain)).cloned().collect();
    if meaningful.is_empty() { all } else { meaningful }
}

/// An entry with its words.
#[derive(Debug, Clone)]
struct IndexedEntry {
    entry: SearchEntry,
    label: Vec<SearchWord>,
    keywords: Vec<Vec<SearchWord>>,
    detail: Vec<SearchWord>,
}

impl IndexedEntry {
    /// Returns the words of label, keywords and detail.
    fn all_words(&self) -> impl Iterator<Item = &SearchWord> {
        self.label.iter().chain(self.keywords.iter().flatten()).chain(&self.detail)
    }

    /// Returns how well each word of the question is answered, its weight included.
    fn score(&self, question: &[QueryWord]) -> f64 {
        let mut best = vec![0.0_f64; question.len()];
        let mut take = |phrase: &[SearchWord], weight: f64, partly: f64| {
            let matched: Vec<f64> = question.iter().map(|asked| asked.best_in(phrase)).collect();
            let found = phrase.iter().filter(|word| question.iter().any(|asked| asked.matches(word) > 0.0)).count();
            // A phrase that is asked for in full says more than each of its words.
            let factor = if found == phrase.len() {
                1.0 + 0.2 * share(found.saturating_sub(1), 1)
            } else {
                partly * (0.5 + 0.5 * share(found, phrase.len()))
            };
            for ((best, matched), asked) in best.iter_mut().zip(matched).zip(question) {
                *best = best.max(matched * weight * factor * asked.weight);
            }
        };
        // A tool is what its name says; a fact is looked up less often than the thing that it is about.
        let label = if matches!(self.entry.target, Destination::Row(_)) { 0.85 } else { 1.1 };
        take(&self.label, label, 0.9);
        for keyword in &self.keywords {
            take(keyword, 1.0, 0.5);
        }
        take(&self.detail, 0.4, 1.0);
        let uses = f64::from(self.entry.uses);
        best.iter().sum::<f64>() * (1.0 + 0.03 * (1.0 + uses).log2()).min(1.25)
    }
}

/// A word of the question.
struct QueryWord {
    word: SearchWord,
    /// How much the word counts: more if few entries have it.
    weight: f64,
    /// Whether no entry has it as it is written, so that one letter may be wrong.
    misspelt: bool,
}

impl QueryWord {
    fn matches(&self, other: &SearchWord) -> f64 {
        let found = self.word.matches(other);
        if found == 0.0 && self.misspelt && self.word.misspells(other) { 0.6 } else { found }
    }

    /// Returns how well the best word of a phrase matches, from 0 to 1.
    fn best_in(&self, phrase: &[SearchWord]) -> f64 {
        phrase.iter().map(|word| self.matches(word)).fold(0.0, f64::max)
    }
}

/// The entries, ready to be searched.
pub struct SearchIndex {
    entries: Vec<IndexedEntry>,
    helpdesk: Option<SearchEntry>,
    stemmer: Stemmer,
}

impl std::fmt::Debug for SearchIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|indexed| &indexed.entry.id)).finish()
    }
}

impl SearchIndex {
    /// Prepares the entries of a page.
    pub fn new(page: &Page) -> SearchIndex {
        let stemmer = Stemmer::create(Algorithm::French);
        let indexed = |entry: &SearchEntry| IndexedEntry {
            label: words(&entry.label, &stemmer),
            keywords: entry.keywords.iter().map(|keyword| words(keyword, &stemmer)).collect(),
            detail: words(&entry.detail, &stemmer),
            entry: entry.clone(),
        };
        let entries: Vec<IndexedEntry> = page.entries.iter().map(indexed).collect();
        let helpdesk = page.entries.iter().find(|entry| entry.id == page.helpdesk).cloned();
        SearchIndex { entries, helpdesk, stemmer }
    }

    /// Returns what answers a question, the likeliest first; if nothing does, what comes near, and the helpdesk. The
    /// present values of rows are taken from the panel.
    pub fn find(&self, question: &str, panel: &Panel) -> SearchResults {
        let question: String = question.chars().take(MAX_QUERY_CHARS).collect();
        let asked = self.asked(&question);
        if asked.is_empty() {
            return SearchResults { exact: true, summary: String::new(), results: Vec::new() };
        }
        let mut scored: Vec<(f64, &SearchEntry)> =
            self.entries.iter().map(|indexed| (indexed.score(&asked), &indexed.entry)).collect();
        scored.retain(|(score, _)| *score > 0.0);
        scored.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let enough = scored.first().map_or(0.0, |(best, _)| best * 0.35);
        scored.retain(|(score, _)| *score >= enough);
        let found: Vec<&SearchEntry> = scored.into_iter().map(|(_, entry)| entry).collect();
        if found.is_empty() {
            return self.near(&asked, panel);
        }
        // Enter opens the first.
        let first = &found[0].label;
        let summary = match found.len() {
            1 => format!("1 résultat : {first}"),
            count if count > MAX_RESULTS => {
                format!("{count} résultats, les {MAX_RESULTS} premiers sont affichés, le premier : {first}")
            }
            count => format!("{count} résultats, le premier : {first}"),
        };
        let results = found.into_iter().take(MAX_RESULTS).map(|entry| result(entry, panel)).collect();
        SearchResults { exact: true, summary: typeset(summary), results }
    }

    /// Returns the words of a question with their weights. A code that is typed with its star is that code alone.
    fn asked(&self, question: &str) -> Vec<QueryWord> {
        let mut seen = HashSet::new();
        let mut words = words(question, &self.stemmer);
        words.retain(|word| seen.insert(word.plain.clone()));
        let weigh = |word: SearchWord| {
            let has = |indexed: &&IndexedEntry| indexed.all_words().any(|other| word.matches(other) > 0.0);
            let misspells = |indexed: &&IndexedEntry| indexed.all_words().any(|other| word.misspells(other));
            let mut having = self.entries.iter().filter(has).count();
            let misspelt = having == 0;
            if misspelt {
                having = self.entries.iter().filter(misspells).count();
            }
            let weight = (1.0 + share(self.entries.len(), having)).ln();
            QueryWord { word, weight, misspelt }
        };
        words.into_iter().map(weigh).collect()
    }

    /// Returns what looks most like the question, by letters, and the helpdesk.
    fn near(&self, asked: &[QueryWord], panel: &Panel) -> SearchResults {
        let likeness = |indexed: &IndexedEntry| {
            let pairs = asked.iter().flat_map(|asked| indexed.all_words().map(|word| (&asked.word.plain, &word.plain)));
            pairs.map(|(one, other)| strsim::normalized_damerau_levenshtein(one, other)).fold(0.0, f64::max)
        };
        let others = self.entries.iter().filter(|indexed| Some(&indexed.entry) != self.helpdesk.as_ref());
        let mut near: Vec<(f64, &SearchEntry)> = others.map(|indexed| (likeness(indexed), &indexed.entry)).collect();
        near.sort_by(|(one, first), (other, second)| {
            other.total_cmp(one).then_with(|| Reverse(first.uses).cmp(&Reverse(second.uses)))
        });
        let near = near.into_iter().take(NEAR_RESULTS).map(|(_, entry)| entry);
        SearchResults {
            exact: false,
            summary: typeset("Aucun résultat. Voici ce qui s’en approche ; sinon, demandez à AMIGO."),
            results: near.chain(&self.helpdesk).map(|entry| result(entry, panel)).collect(),
        }
    }
}

/// Returns what is shown of an entry; a row's present value replaces its detail.
fn result(entry: &SearchEntry, panel: &Panel) -> SearchResult {
    let SearchEntry { id, label, detail, target, .. } = entry.clone();
    let row = match &target {
        Destination::Row(id) => panel.groups.iter().flat_map(|group| &group.rows).find(|row| row.id == *id),
        Destination::Do(_) | Destination::Card(_) | Destination::Setting(_) => None,
    };
    let detail = row.map_or(detail, |row| row.value.clone());
    SearchResult { id, label, detail, target }
}

/// Returns what `vigie find` prints: one line each, and how to open it from the command line.
pub fn text(found: &SearchResults, profile: &Profile) -> String {
    let mut text = String::new();
    if !found.exact {
        text.push_str(&format!("{}\n", found.summary));
    }
    let width = found.results.iter().map(|result| result.label.chars().count()).max().unwrap_or(0);
    for SearchResult { id, label, detail, target } in &found.results {
        let open = match target {
            Destination::Do(Action::Open(_)) if guide::opens(profile, id) => format!("  [vigie open {id}]"),
            Destination::Do(_) | Destination::Card(_) | Destination::Setting(_) | Destination::Row(_) => String::new(),
        };
        let detail = if detail.is_empty() { String::new() } else { format!("  {detail}") };
        text.push_str(&format!("{label:width$}{detail}{open}\n"));
    }
    text.replace('\u{a0}', " ")
}

/// Returns everything that can be found, in the order in which equally good results are shown.
pub(super) fn entries(state: &State, page: &Page) -> Vec<SearchEntry> {
    let profile = &state.profile;
    let mut entries: Vec<SearchEntry> = page
        .cards
        .iter()
        .map(|card| entry(&format!("card-{}", card.id), &card.title, &card.summary, Destination::Card(card.id.clone())))
        .collect();
    for program in &profile.programs {
        let (detail, action) = if program.id == profile.vpn.client {
            (panel::CONNECT, Action::Connect)
        } else if program.id == profile.remote_support {
            ("Prise en main à distance par l’assistance", Action::Open(program.id.clone()))
        } else if program.id == profile.wapt.program {
            ("Installer ou mettre à jour un logiciel", Action::Open(program.id.clone()))
        } else {
            ("Ouvrir le programme", Action::Open(program.id.clone()))
        };
        entries.push(entry(&program.id, &program.label, detail, Destination::Do(action)));
    }
    for section in &profile.sections {
        entries.extend(guide::links(state, section).into_iter().map(|link| {
            let detail = link.description.as_deref().unwrap_or(&section.label);
            let target = Destination::Do(Action::Open(link.id.clone()));
            let mut entry = entry(&link.id, guide::link_label(state, link), detail, target);
            entry.keywords.extend([section.label.clone(), host(&link.url).to_owned()]);
            entry
        }));
    }
    for code in &profile.codes {
        // A code that wants a number is dialled or copied on the telephone's card.
        let (number, detail, target) = if code.takes_number {
            (" + n°", "Taper le numéro, puis composer ou copier", Destination::Card("telephone".into()))
        } else {
            ("", "Copier le code", Destination::Do(Action::CopyCode(Call::of(&*code.id))))
        };
        let label = format!("{} : {}{number}", code.label, code.code);
        let mut copy = entry(&code.id, label, detail, target);
        copy.keywords.push(code.code.replace('*', ""));
        entries.push(copy);
        if !code.takes_number {
            let label = format!("Composer {} : {}", code.code, code.label);
            let action = Action::Dial(Call::of(&*code.id));
            entries.push(entry(
                &format!("dial-{}", code.id),
                label,
                "Avec le téléphone logiciel",
                Destination::Do(action),
            ));
        }
    }
    let card = profile.cards.iter().find(|card| card.parts.contains(&CardPart::Drives));
    entries.extend(profile.drives.iter().map(|drive| {
        let id = format!("drive-{}", drive.letter.to_ascii_lowercase());
        let purpose = drives::purpose(drive.holds);
        let Some(button) = drives::action(state, drive) else {
            // The card says more, and offers what can be done.
            let target = card.map_or(Destination::Row(id.clone()), |card| Destination::Card(card.id.clone()));
            let reason = drives::out_of_reach(state).map(french::capitalised);
            let detail = reason.unwrap_or_else(|| format!("Lecteur réseau : {purpose}"));
            return entry(&id, drives::name(drive), detail, target);
        };
        let detail = format!("{} : {purpose}", button.label);
        entry(&id, drives::name(drive), detail, Destination::Do(button.action))
    }));
    entries.extend(actions(state));
    entries.extend(page.settings.iter().map(|setting| {
        let target = Destination::Setting(setting.id.clone());
        entry(&format!("setting-{}", setting.id), &setting.title, "Réglage de Vigie", target)
    }));
    entries.extend(rows(profile, &page.panel));
    for entry in &mut entries {
        entry.keywords.extend(profile.keywords.get(&entry.id).into_iter().flatten().cloned());
        if let Destination::Do(action) = &entry.target {
            entry.uses = state.uses(action);
        }
    }
    entries
}

/// What a click does that is no tool of the guide.
fn actions(state: &State) -> Vec<SearchEntry> {
    let mut actions = vec![
        ("diagnosis", chain::TITLE, chain::PURPOSE, Action::Diagnose),
        ("shut-down", "Éteindre l’ordinateur", "Une confirmation est demandée", Action::ShutDown),
        ("support-info", "Copier les infos pour l’assistance", "Pour votre demande AMIGO", Action::CopySupportInfo),
        ("retry", panel::CHECK_NOW, "Le réseau et le VPN, tout de suite", Action::Refresh),
        (
            "forget-credentials",
            "Oublier mes identifiants",
            "Efface l’identifiant et le code PIN gardés, après une question",
            Action::ForgetCredentials,
        ),
        ("about", "À propos de Vigie", "Sa version, et le guide qu’elle suit", Action::About),
    ];
    if state.offers_disconnect() {
        actions.insert(0, ("disconnect", panel::DISCONNECT, "Ferme la connexion au rectorat", Action::Disconnect));
    }
    let reminders = shutdown::reminders(state)
        .map(|CardButton { button, note }| entry("not-tonight", button.label, note, Destination::Do(button.action)));
    let entries =
        actions.into_iter().map(|(id, label, detail, action)| entry(id, label, detail, Destination::Do(action)));
    entries.chain(reminders).collect()
}

/// The kinds of rows in the panel: the first row of each kind, and each of the urgent numbers, which differ in whom they are
/// for.
fn rows(profile: &Profile, panel: &Panel) -> Vec<SearchEntry> {
    let mut kinds = HashSet::new();
    let rows = panel.groups.iter().flat_map(|group| &group.rows);
    let rows = rows.filter_map(|row| {
        let kind = row.fact?;
        let (id, target) = (format!("row-{}", kind.id()), Destination::Row(row.id.clone()));
        if kinds.insert(kind) {
            return Some(entry(&id, &row.label, "", target));
        }
        if kind != RowKind::Urgent {
            return None;
        }
        let keywords = profile.keywords.get(&*id).cloned().unwrap_or_default();
        Some(SearchEntry { keywords, ..entry(&format!("row-{}", row.id), &row.label, "", target) })
    });
    rows.collect()
}

fn entry(id: &str, label: impl Into<String>, detail: impl Into<String>, target: Destination) -> SearchEntry {
    let (label, detail) = (typeset(label), typeset(detail));
    SearchEntry { id: id.into(), label, detail, keywords: Vec::new(), uses: 0, target }
}

/// The host of a web address.
fn host(url: &str) -> &str {
    url.split('/').nth(2).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::page;
    use proptest::prelude::*;
    use vigie_core::fixture::{known, now, standing};
    use vigie_core::message::{Event, Reading};
    use vigie_core::update::update;
    use vigie_core::vpn::VpnStatus;

    fn find_in(state: &State, question: &str) -> SearchResults {
        let page = page(state);
        SearchIndex::new(&page).find(question, &page.panel)
    }

    fn ids(found: &SearchResults) -> Vec<&str> {
        found.results.iter().map(|result| result.id.as_str()).collect()
    }

    #[test]
    fn real_questions_find_what_answers_them() {
        let text = include_str!("../../tests/search.toml");
        let questions: toml_edit::Document<String> =
            toml_edit::Document::parse(text.to_owned()).expect("the questions are TOML");
        let mut state = standing(VpnStatus::Connected);
        state.connect.cisco_cli_available = true;
        let page = page(&state);
        let index = SearchIndex::new(&page);
        let (mut asked, mut wrong) = (0, Vec::new());
        for (question, first) in questions.as_table() {
            let expected: Vec<&str> = first.as_array().into_iter().flatten().filter_map(|id| id.as_str()).collect();
            assert!(
                expected.iter().all(|id| page.entries.iter().any(|entry| entry.id == *id)),
                "{question}: {expected:?}"
            );
            asked += 1;
            let found = index.find(question, &page.panel);
            let first = found.results.first().filter(|_| found.exact);
            if !first.is_some_and(|first| expected.contains(&first.id.as_str())) {
                wrong.push(format!("{question:?}: {:?}, not {expected:?}", ids(&found)));
            }
        }
        assert!(asked >= 150, "{asked} questions");
        assert!(wrong.len() * 20 <= asked, "{} of {asked} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn words_without_a_subject_do_not_count() {
        let state = known();
        for (question, first) in [
            ("je ne vois plus mes dossiers", "card-lecteurs"),
            ("faire une visio avec des gens de l’extérieur", "card-visio"),
            ("après, comment imprimer ?", "card-imprimer"),
        ] {
            assert_eq!(ids(&find_in(&state, question))[0], first, "{question}");
        }
    }

    #[test]
    fn keywords_are_those_of_something_that_can_be_found() {
        let mut state = standing(VpnStatus::Connected);
        let mut profile = Profile::clone(&state.profile);
        profile.user.site = None;
        state.profile = profile.into();
        state.connect.cisco_cli_available = true;
        let entries = page(&state).entries;
        for id in state.profile.keywords.keys() {
            assert!(entries.iter().any(|entry| entry.id == *id), "{id}");
        }
    }

    #[test]
    fn accents_case_forms_and_single_wrong_letters_do_not_matter() {
        let state = known();
        for question in
            ["imprimantes", "IMPRIMANTE", "imprimmante", "impriment", "imprmante", "l’imprimante", "imprimé"]
        {
            assert_eq!(ids(&find_in(&state, question))[0], "card-imprimer", "{question}");
        }
        for question in ["télémaintenance", "TELEMAINTENANCE", "te\u{301}le\u{301}maintenance"] {
            assert_eq!(ids(&find_in(&state, question))[0], "isl-light", "{question}");
        }
    }

    #[test]
    fn what_is_used_more_comes_first_among_equals() {
        let mut state = known();
        let first = |state: &State| ids(&find_in(state, "doodle"))[0].to_owned();
        let before = first(&state);
        let other = if before == "evento" { "sondage" } else { "evento" };
        for _ in 0..3 {
            update(&mut state, Event::Action(Action::Open(other.into())), now("2026-11-24T10:01"));
        }
        assert_eq!(first(&state), other);
    }

    #[test]
    fn rows_are_found_with_their_present_value() {
        let found = find_in(&standing(VpnStatus::Connected), "nom du pc");
        assert_eq!((found.results[0].id.as_str(), found.results[0].detail.as_str()), ("row-computer", "PC-14-042"));
    }

    #[test]
    fn each_urgent_number_is_found_the_offices_own_first() {
        for question in ["numéro amigo", "numéro assistance", "urgence"] {
            let found = find_in(&standing(VpnStatus::Connected), question);
            let numbers = found.results.iter().filter(|result| result.id.starts_with("row-urgent"));
            let numbers: Vec<String> = numbers.map(|result| result.detail.replace('\u{a0}', " ")).collect();
            assert_eq!(numbers, ["0806 000 488 ou 0810 14 50 61", "09 70 80 97 97"], "{question}");
        }
    }

    #[test]
    fn that_nothing_works_leads_to_the_chain_and_to_help() {
        let state = standing(VpnStatus::Disconnected);
        for question in ["pourquoi ça ne marche pas ?", "pourquoi", "marche pas", "rien ne marche", "diagnostic"] {
            let found = find_in(&state, question);
            assert_eq!(ids(&found)[0], "diagnosis", "{question}");
            assert_eq!(found.results[0].target, Destination::Do(Action::Diagnose));
        }
        for question in ["panne", "bloqué"] {
            assert_eq!(ids(&find_in(&state, question))[0], "card-aide", "{question}");
        }
        assert_eq!(ids(&find_in(&state, "le copieur ne marche pas"))[0], "card-imprimer");
    }

    #[test]
    fn a_drive_that_is_out_of_reach_leads_to_its_card() {
        let found = find_in(&standing(VpnStatus::Disconnected), "lecteur s");
        let first = &found.results[0];
        assert_eq!(first.detail.replace('\u{a0}', " "), "Hors d’atteinte : VPN déconnecté");
        assert_eq!((first.id.as_str(), &first.target), ("drive-s", &Destination::Card("lecteurs".into())));
        let found = find_in(&standing(VpnStatus::Connected), "lecteur s");
        assert_eq!(found.results[0].target, Destination::Do(Action::OpenDrive('S')));
        for drives in [Reading::Pending, Reading::Unavailable("no".into())] {
            let mut state = standing(VpnStatus::Connected);
            state.drives = drives;
            let found = find_in(&state, "lecteur s");
            assert_eq!(found.results[0].target, Destination::Card("lecteurs".into()));
        }
    }

    #[test]
    fn nothing_found_offers_three_that_come_near_and_the_helpdesk() {
        let state = known();
        for question in ["xyzzy", "quiche lorraine", "zzzzzzzzzzzz 999"] {
            let found = find_in(&state, question);
            assert!(!found.exact, "{question}: {:?}", ids(&found));
            assert_eq!((found.results.len(), ids(&found)[3]), (4, "amigo"), "{question}");
        }
        assert_eq!(find_in(&state, "").results, []);
        assert_eq!(find_in(&state, " ’ - ").results, []);
    }

    #[test]
    fn the_command_line_prints_a_line_for_each() {
        let state = known();
        let text = text(&find_in(&state, "tchap"), &state.profile);
        assert!(
            text.lines().any(|line| line.starts_with("Tchap") && line.ends_with("[vigie open tchap-messagerie]")),
            "{text}"
        );
    }

    #[test]
    fn no_question_harms_it() {
        let page = page(&known());
        let index = SearchIndex::new(&page);
        proptest!(|(question: String)| {
            prop_assert!(index.find(&question, &page.panel).results.len() <= MAX_RESULTS);
        });
    }
}
