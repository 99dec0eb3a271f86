//! The layers: the embedded guide, the machine's file, the user's file. Later ones win, except for what the machine locks.
//!
//! A value that cannot be used is left out and reported; the rest of its file counts. A file is left out as a whole only
//! if it cannot be read or parsed, or if its values contradict the lower layers in more than one place.

use super::error::{ConfigError, Problem};
use super::tree::{LocatedError, Node, Origin, Value, path_text};
use super::{
    Calendar, Drive, GuideCard, Holiday, Link, NamedCode, PrinterExample, Profile, Program, Section, Site,
    TelephoneCode, check, encoding, read, tree,
};
use jiff::civil::Date;
use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const GUIDE: &str = include_str!("guide.toml");

/// The most problems of one file that are reported.
const MAX_PROBLEMS: usize = 50;

/// The most attempts to read a file, each without the errors found before: an attempt finds at least one error of each
/// table.
const MAX_ATTEMPTS: usize = 128;

/// The most values that are tried as the cause of a contradiction with the lower layers.
const MAX_SUSPECTS: usize = 256;

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// The guide, embedded in the program.
    Guide,
    /// The administrator's file.
    Machine,
    /// The user's file.
    User,
}

/// The paths of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The administrator's file.
    pub machine: PathBuf,
    /// The user's file; empty if the system names no place for it.
    pub user: PathBuf,
}

impl Paths {
    /// The administrator's file on Linux.
    pub const LINUX_MACHINE: &str = "/etc/vigie/vigie.toml";

    fn of(&self, layer: Layer) -> Option<&Path> {
        match layer {
            Layer::Guide => None,
            Layer::Machine => Some(&self.machine),
            Layer::User => Some(&self.user),
        }
    }
}

/// The profile in force, and what was left out of it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The profile.
    pub profile: Arc<Profile>,
    /// What is wrong with the files.
    pub problems: Arc<[Problem]>,
    pub(super) paths: Paths,
    pub(super) tree: Node,
    locks: Vec<tree::KeyPath>,
    pub(super) broken: Vec<Layer>,
}

/// One value of the profile and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValue {
    /// The key, `site.caen.gateway`.
    pub key: String,
    /// The value, as TOML.
    pub value: String,
    /// The layer that sets it.
    pub layer: Layer,
    /// The layer's file; `None` for the guide.
    pub file: Option<PathBuf>,
    /// The line in that file (or in the guide).
    pub line: usize,
    /// Whether the machine's file locks the key.
    pub locked: bool,
}

impl Loaded {
    /// Returns every value, and where it comes from; for `vigie config show`.
    pub fn values(&self) -> Vec<ConfigValue> {
        let value = |(path, node): (tree::KeyPath, &Node)| ConfigValue {
            key: path_text(&path),
            value: node.toml(),
            layer: node.origin.layer,
            file: self.paths.of(node.origin.layer).map(Path::to_owned),
            line: node.origin.line,
            locked: self.locks.iter().any(|lock| path.starts_with(lock)),
        };
        self.tree.leaves().into_iter().map(value).collect()
    }

    /// Returns the files on which the profile depends, whether they exist or not.
    pub fn files(&self) -> Vec<PathBuf> {
        let files = [Some(self.paths.machine.clone()), Some(self.paths.user.clone()), self.ics().map(|(_, file)| file)];
        files.into_iter().flatten().filter(|file| !file.as_os_str().is_empty()).collect()
    }

    /// Returns the .ics file that the calendar names, and where it is named.
    fn ics(&self) -> Option<(Origin, PathBuf)> {
        let node = self.tree.find(&["calendar".into(), "ics".into()])?;
        let folder = self.paths.of(node.origin.layer).and_then(Path::parent).unwrap_or(Path::new(""));
        Some((node.origin, folder.join(node.text()?)))
    }

    fn guide() -> Loaded {
        let tree = tree::parse(GUIDE, Layer::Guide).expect("a test reads the embedded guide");
        let profile = read::read(&tree).0.expect("a test reads the embedded guide");
        Loaded {
            profile: Arc::new(profile),
            problems: Arc::new([]),
            paths: Paths { machine: PathBuf::new(), user: PathBuf::new() },
            tree,
            locks: Vec::new(),
            broken: Vec::new(),
        }
    }

    /// Merges a file into the layers so far, and reports what is left out of it.
    fn add(&mut self, layer: Layer, file: &Path, source: &dyn ConfigSource, problems: &mut Vec<Problem>) {
        let problem = |line, key: Option<String>, error| {
            let restorable = layer == Layer::User && key.is_some() && error != ConfigError::MissingKey;
            Problem { file: file.to_owned(), line, key, error, restorable }
        };
        let text = match source.read(layer, file).and_then(|bytes| bytes.map(encoding::toml_text).transpose()) {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err(error) => {
                problems.push(problem(None, None, error));
                return self.broken.push(layer);
            }
        };
        let mut over = match tree::parse(&text, layer) {
            Ok(over) => over,
            Err((line, error)) => {
                problems.push(problem(line, None, error));
                return self.broken.push(layer);
            }
        };
        let whole = over.clone();
        let mut errors = Vec::new();
        let locks = over.take("locked");
        if layer == Layer::User {
            if locks.is_some() {
                errors.push((vec!["locked".into()], ConfigError::OnlyMachineLocks));
            }
            errors.extend(self.leave_out_locked(&mut over));
        }
        let merged = merge(&self.tree, over);
        errors.extend(merged.errors);
        match merged.result {
            Some((tree, profile)) => {
                self.tree = tree;
                self.profile = Arc::new(profile);
            }
            None => self.broken.push(layer),
        }
        // What the machine's file locks stays locked even if the rest of the file cannot be used.
        if layer == Layer::Machine
            && let Some(locks) = locks
        {
            errors.extend(self.lock(&locks));
        }
        errors.truncate(MAX_PROBLEMS);
        let first = problems.len();
        problems.extend(errors.into_iter().map(|(path, error)| {
            let (node, exact) = whole.nearest(&path);
            let line = (exact || node != &whole).then_some(node.origin.line);
            problem(line, Some(path_text(&path)), error)
        }));
        problems[first..].sort_by_key(|problem| problem.line);
    }

    fn lock(&mut self, locks: &Node) -> Vec<LocatedError> {
        let wrong = |path: &[&str], node: &Node, expected| {
            let path = path.iter().map(|step| (*step).to_owned()).collect();
            (path, ConfigError::WrongValue { found: node.toml(), expected })
        };
        let Value::List(keys) = &locks.value else {
            return vec![wrong(&["locked"], locks, super::Expected::List)];
        };
        let known = read::known_keys::<Profile>(&self.tree);
        // A key may be absent: then its table knows it.
        let exists = |tree: &Node, path: &[String]| {
            let optional = || {
                let (last, table) = path.split_last()?;
                known.get(table).map(|keys| keys.contains(&last.as_str()))
            };
            tree.find(path).is_some() || optional().unwrap_or(false)
        };
        let mut errors = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let at = format!("[{index}]");
            let Some(text) = key.text() else {
                errors.push(wrong(&["locked", &at], key, super::Expected::Text));
                continue;
            };
            let path: tree::KeyPath = text.split('.').map(str::to_owned).collect();
            if !exists(&self.tree, &path) {
                errors.push((vec!["locked".into(), at], ConfigError::NothingToLock));
            } else if !self.locks.contains(&path) {
                self.locks.push(path);
            }
        }
        errors
    }

    /// Removes from the user's layer what the machine locks.
    fn leave_out_locked(&self, over: &mut Node) -> Vec<LocatedError> {
        let mut errors = Vec::new();
        for lock in &self.locks {
            // Removing an entry would change what is locked in it.
            let removing = (1..lock.len()).map(|depth| &lock[..depth]);
            let removing = removing.filter(|entry| over.find(entry).is_some_and(tree::is_removal));
            let paths: Vec<&[String]> = std::iter::once(lock.as_slice()).chain(removing).collect();
            let removed = over.remove_all(paths.iter().copied());
            let removed = paths.into_iter().filter(|path| removed.contains(*path));
            errors.extend(removed.map(|path| (path.to_vec(), ConfigError::Locked)));
        }
        errors
    }

    /// Adds the holidays of the calendar's .ics file.
    fn add_ics(&mut self, source: &dyn ConfigSource, problems: &mut Vec<Problem>) {
        let Some((origin, file)) = self.ics() else { return };
        let mut calendar = self.profile.calendar.clone();
        let locked =
            |key: &str| self.locks.iter().any(|lock| lock[0] == "calendar" && lock.get(1).is_some_and(|k| k == key));
        let added = if origin.layer == Layer::User && (locked("holiday") || locked("covers")) {
            Err(ConfigError::Locked)
        } else {
            match source.read(origin.layer, &file) {
                Ok(Some(bytes)) => source.add_holidays(&mut calendar, &bytes),
                Ok(None) => Err(ConfigError::Unreadable(ErrorKind::NotFound)),
                Err(error) => Err(error),
            }
        };
        match added {
            Ok(()) => {
                show_calendar(&mut self.tree, &calendar, origin);
                let mut profile = Profile::clone(&self.profile);
                profile.calendar = calendar;
                self.profile = Arc::new(profile);
            }
            Err(error) => problems.push(Problem {
                file,
                line: None,
                key: Some("calendar.ics".into()),
                error,
                restorable: origin.layer == Layer::User,
            }),
        }
    }
}

/// Returns the embedded guide alone.
pub fn guide() -> Profile {
    Profile::clone(&Loaded::guide().profile)
}

/// The source of the layers: [`FileSource`](super::FileSource), or something in memory.
pub trait ConfigSource {
    /// Returns the contents of a file that belongs to a layer; `None` if there is no such file.
    ///
    /// # Errors
    /// If it cannot be read, or must not count for that layer.
    fn read(&self, layer: Layer, file: &Path) -> Result<Option<Vec<u8>>, ConfigError>;

    /// Adds the holidays of an .ics file to the calendar.
    ///
    /// # Errors
    /// If it is no calendar, or its holidays do not fit.
    fn add_holidays(&self, calendar: &mut Calendar, ics: &[u8]) -> Result<(), ConfigError>;
}

/// Merges the layers, as `source` reads them. Never fails: what cannot be used is left out and reported.
pub fn load_with(paths: &Paths, source: &dyn ConfigSource) -> Loaded {
    let mut loaded = Loaded::guide();
    loaded.paths = paths.clone();
    let mut problems = Vec::new();
    loaded.add(Layer::Machine, &paths.machine, source, &mut problems);
    loaded.add(Layer::User, &paths.user, source, &mut problems);
    loaded.add_ics(source, &mut problems);
    let locked = loaded.locks.iter().map(|lock| path_text(lock)).collect();
    loaded.profile = Arc::new(Profile { locked, ..Profile::clone(&loaded.profile) });
    loaded.problems = problems.into();
    loaded
}

/// Returns what is wrong with a file, read as a machine file over the guide; empty if nothing is.
pub fn check_with(file: &Path, source: &dyn ConfigSource) -> Vec<Problem> {
    let mut loaded = Loaded::guide();
    loaded.paths = Paths { machine: file.to_owned(), user: PathBuf::new() };
    let mut problems = Vec::new();
    loaded.add(Layer::Machine, file, source, &mut problems);
    loaded.add_ics(source, &mut problems);
    problems
}

/// The outcome of merging a layer.
pub(super) struct Merged {
    /// The values that are left out, and why.
    pub errors: Vec<LocatedError>,
    /// The tree and the profile with the others; `None` if nothing of the layer can be used.
    pub result: Option<(Node, Profile)>,
}

/// Merges a layer into a tree. Whatever is wrong is left out and the rest is tried again, so that one check reports
/// every error.
pub(super) fn merge(base: &Node, mut over: Node) -> Merged {
    let mut errors = Vec::new();
    let mut reported = HashSet::new();
    for attempt in 0..MAX_ATTEMPTS {
        let Attempt { skipped, result } = try_merge(base, &over);
        if attempt == 0 {
            errors.extend(skipped);
        }
        let wrong = match result {
            Ok(result) => return Merged { errors, result: Some(result) },
            Err(wrong) => wrong,
        };
        let culprits: Vec<tree::KeyPath> = wrong.iter().map(culprit).collect();
        let removed = over.remove_all(culprits.iter().map(Vec::as_slice));
        if removed.is_empty() {
            return find_contradiction(base, &over, errors, wrong);
        }
        // What the layer does not set itself may be right again without its errors.
        let own = wrong.into_iter().zip(culprits).filter(|(_, culprit)| removed.contains(culprit));
        let new: Vec<LocatedError> = own.map(|(error, _)| error).filter(|(path, _)| !reported.contains(path)).collect();
        reported.extend(new.iter().map(|(path, _)| path.clone()));
        errors.extend(new);
    }
    Merged { errors, result: None }
}

struct Attempt {
    /// Entries of lists that were left out.
    skipped: Vec<LocatedError>,
    result: Result<(Node, Profile), Vec<LocatedError>>,
}

fn try_merge(base: &Node, over: &Node) -> Attempt {
    let mut tree = base.clone();
    let skipped = tree.merge(over.clone());
    let (profile, mut wrong) = read::read::<Profile>(&tree);
    let result = match profile {
        Ok(mut profile) if wrong.is_empty() => {
            profile.calendar.holidays.sort_by_key(|holiday| holiday.from);
            let wrong = check::check(&profile);
            if wrong.is_empty() { Ok((tree, profile)) } else { Err(wrong) }
        }
        Ok(_) => Err(wrong),
        Err(error) => {
            let entries = wrong_entries(&tree);
            if entries.is_empty() {
                wrong.push((error.path(), error.error));
            }
            wrong.extend(entries);
            Err(wrong)
        }
    };
    Attempt { skipped, result }
}

/// Returns the first error of every entry of the lists that may be long.
fn wrong_entries(tree: &Node) -> Vec<LocatedError> {
    fn add<T: serde::de::DeserializeOwned>(tree: &Node, list: &str, errors: &mut Vec<LocatedError>) {
        let path: tree::KeyPath = list.split('.').map(str::to_owned).collect();
        let Some(Node { value: Value::List(entries), .. }) = tree.find(&path) else { return };
        for (index, entry) in entries.iter().enumerate() {
            if let (Err(error), _) = read::read::<T>(entry) {
                let steps = std::iter::once(tree::entry_step(&path, index, entry)).chain(error.path());
                errors.push((path.iter().cloned().chain(steps).collect(), error.error));
            }
        }
    }
    let mut errors = Vec::new();
    add::<Site>(tree, "site", &mut errors);
    add::<Drive>(tree, "drive", &mut errors);
    add::<TelephoneCode>(tree, "code", &mut errors);
    add::<Section>(tree, "section", &mut errors);
    add::<Link>(tree, "link", &mut errors);
    add::<Program>(tree, "program", &mut errors);
    add::<GuideCard>(tree, "card", &mut errors);
    add::<Holiday>(tree, "calendar.holiday", &mut errors);
    add::<NamedCode>(tree, "printing.department", &mut errors);
    add::<NamedCode>(tree, "printing.place", &mut errors);
    add::<PrinterExample>(tree, "printing.example", &mut errors);
    errors
}

/// Returns the path of what has to be left out because of an error: a list without names as a whole, an entry without
/// a key that it needs or with a bad name, else the value itself.
fn culprit((path, error): &LocatedError) -> tree::KeyPath {
    if let Some(index) = path.iter().position(|step| step.starts_with('[')) {
        return path[..index].to_vec();
    }
    let whole_entry = *error == ConfigError::MissingKey || tree::is_entry_name(path);
    path[..path.len() - usize::from(whole_entry)].to_vec()
}

/// Returns the layer without the one value because of which values of lower layers are wrong, if it is one.
fn find_contradiction(base: &Node, over: &Node, mut errors: Vec<LocatedError>, wrong: Vec<LocatedError>) -> Merged {
    let mut suspects = over.units();
    // The last value in the file is the most likely cause.
    suspects.reverse();
    for suspect in suspects.iter().take(MAX_SUSPECTS) {
        let mut rest = over.clone();
        rest.remove_all([suspect.as_slice()]);
        if let Ok(result) = try_merge(base, &rest).result {
            let of = |(path, error): LocatedError| {
                let error = ConfigError::Contradiction { key: path_text(&path), error: Box::new(error) };
                (suspect.clone(), error)
            };
            errors.extend(wrong.into_iter().next().map(of));
            return Merged { errors, result: Some(result) };
        }
    }
    errors.extend(wrong);
    Merged { errors, result: None }
}

/// Writes the calendar into the tree; what the .ics file added has the origin of the key that names the file.
fn show_calendar(tree: &mut Node, calendar: &Calendar, origin: Origin) {
    let Some(shown) = tree.find_mut(&["calendar".to_owned()]) else { return };
    let node = |value| Node { origin, value };
    let date_time = |date: Date| node(Value::DateTime(date.to_string()));
    let known: HashMap<(String, String), Node> = match shown.get("holiday").map(|node| &node.value) {
        Some(Value::List(list)) => list.iter().filter_map(|node| Some((dates(node)?, node.clone()))).collect(),
        _ => HashMap::new(),
    };
    let holidays = calendar.holidays.iter().map(|holiday| {
        let same = known.get(&(holiday.from.to_string(), holiday.back.to_string())).cloned();
        same.unwrap_or_else(|| {
            let name = node(Value::Text(holiday.name.clone()));
            let entries = [("name", name), ("from", date_time(holiday.from)), ("back", date_time(holiday.back))];
            node(Value::Table(entries.map(|(key, node)| (key.to_owned(), node)).into_iter().collect()))
        })
    });
    let holidays = node(Value::List(holidays.collect()));
    shown.set("holiday", holidays);
    let Some(covers) = shown.find_mut(&["covers".to_owned()]) else { return };
    for (key, date) in [("from", calendar.covers.from), ("to", calendar.covers.to)] {
        if covers.get(key).and_then(Node::text) != Some(&date.to_string()) {
            covers.set(key, date_time(date));
        }
    }
}

/// Returns the first day and the day of return of a holiday, as written.
fn dates(holiday: &Node) -> Option<(String, String)> {
    let text = |key: &str| Some(holiday.get(key)?.text()?.to_owned());
    Some((text("from")?, text("back")?))
}

#[cfg(test)]
mod tests {
    use super::super::tree::visits;
    use super::*;

    /// Returns the nodes that are visited to merge a user's file into the guide.
    fn work(text: &str) -> usize {
        let guide = Loaded::guide();
        let over = tree::parse(text, Layer::User).expect("TOML");
        visits::take();
        merge(&guide.tree, over);
        visits::take()
    }

    /// Asserts that ten times the file costs about ten times the work.
    #[track_caller]
    fn assert_linear(file: impl Fn(usize) -> String) {
        let (small, large) = (work(&file(200)), work(&file(2000)));
        assert!(large < small * 11, "{small} visits, then {large}");
        assert!(large < 400 * 2000, "{large} visits");
    }

    #[test]
    fn work_grows_with_the_file_and_not_with_its_square() {
        let repeat = |line: fn(usize) -> String| move |lines| (0..lines).map(line).collect::<String>();
        assert_linear(repeat(|line| format!("unknown{line} = {line}\n")));
        assert_linear(repeat(|line| format!("[unknown{line}]\nkey = 1\n")));
        assert_linear(repeat(|line| format!("[[link]]\nid = \"l{line}\"\nurl = 3\nunknown = 1\n")));
        assert_linear(repeat(|line| format!("[[link]]\nid = \"l{line}\"\n")));
        assert_linear(repeat(|line| format!("[[link]]\nid = {line}\n")));
        assert_linear(repeat(|line| format!("[[site]]\nid = \"Site {line}\"\nname = \"x\"\n")));
        assert_linear(repeat(|_| "[[helpdesk.urgent]]\nnumbers = 3\n".into()));
    }
}
