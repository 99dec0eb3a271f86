//! The layers: the embedded guide, the machine's file, the user's file. Later wins, except for what the machine locks.
//!
//! A layer that does not stand (it cannot be read, or the whole is not right with it) is left out as a whole; what is
//! wrong with it is reported, and the layers below go on.

use super::error::{ConfigError, Problem};
use super::tree::{Found, Node, Origin, Value, written};
use super::{Calendar, Holiday, Profile, check, read, tree};
use jiff::civil::Date;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const GUIDE: &str = include_str!("guide.toml");

/// So many problems of one file are reported; more help nobody.
const MOST_PROBLEMS: usize = 50;

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

/// Where the files stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// The administrator's file.
    pub machine: PathBuf,
    /// The user's file; empty where the system names no place for it.
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
    locks: Vec<tree::Path>,
    pub(super) broken: Vec<Layer>,
}

/// One value of the profile and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValue {
    /// The key, `site.caen.gateway`.
    pub key: String,
    /// The value, as TOML.
    pub value: String,
    /// The layer that says so.
    pub layer: Layer,
    /// The layer's file; `None` for the guide.
    pub file: Option<PathBuf>,
    /// The line in that file (or in the guide).
    pub line: usize,
    /// Whether the machine's file locks the key.
    pub locked: bool,
}

impl Loaded {
    /// Every value, and where it comes from; for `vigie config show`.
    pub fn values(&self) -> Vec<ConfigValue> {
        let setting = |(path, node): (tree::Path, &Node)| ConfigValue {
            key: written(&path),
            value: node.toml(),
            layer: node.origin.layer,
            file: self.paths.of(node.origin.layer).map(Path::to_owned),
            line: node.origin.line,
            locked: self.locks.iter().any(|lock| path.starts_with(lock)),
        };
        self.tree.leaves().into_iter().map(setting).collect()
    }

    fn guide() -> Loaded {
        let tree = tree::parse(GUIDE, Layer::Guide).expect("a test reads the embedded guide");
        let profile = read::read(&tree).expect("a test reads the embedded guide");
        Loaded {
            profile: Arc::new(profile),
            problems: Arc::new([]),
            paths: Paths { machine: PathBuf::new(), user: PathBuf::new() },
            tree,
            locks: Vec::new(),
            broken: Vec::new(),
        }
    }

    /// Lays a file over what is there, or leaves it out and says why.
    fn add(&mut self, layer: Layer, file: &Path, source: &dyn ConfigSource, problems: &mut Vec<Problem>) {
        let problem = |line, key, error| Problem { file: file.to_owned(), line, key, error };
        let text = match source.text(file) {
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
        let report = |(path, error): Found| {
            let (node, there) = whole.nearest(&path);
            let line = (there || node != &whole).then_some(node.origin.line);
            problem(line, Some(written(&path)), error)
        };
        let locks = over.take("locked");
        if layer == Layer::User {
            if locks.is_some() {
                problems.push(report((vec!["locked".into()], ConfigError::OnlyMachineLocks)));
            }
            problems.extend(self.leave_out_locked(&mut over).into_iter().map(report));
        }
        match lay(&self.tree, over) {
            Ok((tree, profile)) => {
                self.tree = tree;
                self.profile = Arc::new(profile);
            }
            Err(found) => {
                problems.extend(found.into_iter().map(report));
                self.broken.push(layer);
            }
        }
        // Even where the rest of the machine's file does not stand, what it locks stays locked.
        if layer == Layer::Machine
            && let Some(locks) = locks
        {
            problems.extend(self.lock(&locks).into_iter().map(report));
        }
    }

    fn lock(&mut self, locks: &Node) -> Vec<Found> {
        let wrong = |path: &[&str], node: &Node, expected| {
            let path = path.iter().map(|step| (*step).to_owned()).collect();
            (path, ConfigError::WrongValue { found: node.toml(), expected })
        };
        let Value::List(keys) = &locks.value else {
            return vec![wrong(&["locked"], locks, super::Expected::List)];
        };
        let mut found = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let at = format!("[{index}]");
            let Some(text) = key.text() else {
                found.push(wrong(&["locked", &at], key, super::Expected::Text));
                continue;
            };
            let path: tree::Path = text.split('.').map(str::to_owned).collect();
            if knows(&self.tree, &path) {
                self.locks.push(path);
            } else {
                found.push((vec!["locked".into(), at], ConfigError::NothingToLock));
            }
        }
        found
    }

    /// Takes out of the user's layer what the machine locks.
    fn leave_out_locked(&self, over: &mut Node) -> Vec<Found> {
        let mut found = Vec::new();
        for lock in &self.locks {
            if over.prune(lock) {
                found.push((lock.clone(), ConfigError::Locked));
            }
            // Removing an entry would change what is locked in it.
            for depth in 1..lock.len() {
                if over.find(&lock[..depth]).is_some_and(tree::removes) && over.prune(&lock[..depth]) {
                    found.push((lock[..depth].to_vec(), ConfigError::Locked));
                }
            }
        }
        found
    }

    /// Adds the holidays of the calendar's .ics file.
    fn add_ics(&mut self, paths: &Paths, source: &dyn ConfigSource, problems: &mut Vec<Problem>) {
        let Some(node) = self.tree.find(&["calendar".into(), "ics".into()]) else { return };
        let (origin, Some(name)) = (node.origin, node.text()) else { return };
        let folder = paths.of(origin.layer).and_then(Path::parent).unwrap_or(Path::new(""));
        let file = folder.join(name);
        let mut calendar = self.profile.calendar.clone();
        let added = match source.text(&file) {
            Ok(Some(text)) => source.add_holidays(&mut calendar, &text),
            Ok(None) => Err((None, ConfigError::Unreadable(ErrorKind::NotFound))),
            Err(error) => Err((None, error)),
        };
        match added {
            Ok(()) => {
                show_calendar(&mut self.tree, &calendar, origin);
                let mut profile = Profile::clone(&self.profile);
                profile.calendar = calendar;
                self.profile = Arc::new(profile);
            }
            Err((line, error)) => problems.push(Problem { file, line, key: Some("calendar.ics".into()), error }),
        }
    }
}

/// The embedded guide alone.
pub fn guide() -> Profile {
    Profile::clone(&Loaded::guide().profile)
}

/// Where the layers come from: [`Disk`](super::FileSource), or texts in memory.
pub trait ConfigSource {
    /// Returns the text of a file; `None` if there is no such file.
    ///
    /// # Errors
    /// If it cannot be read.
    fn text(&self, file: &Path) -> Result<Option<String>, ConfigError>;

    /// Adds the holidays of an .ics file's text to the calendar.
    ///
    /// # Errors
    /// If the text is no calendar: the line, if it is known, and what is wrong.
    fn add_holidays(&self, calendar: &mut Calendar, text: &str) -> Result<(), (Option<usize>, ConfigError)>;
}

/// Merges the layers, as `source` reads them. Never fails: a broken file is left out and reported.
pub fn load_with(paths: &Paths, source: &dyn ConfigSource) -> Loaded {
    let mut loaded = Loaded::guide();
    loaded.paths = paths.clone();
    let mut problems = Vec::new();
    loaded.add(Layer::Machine, &paths.machine, source, &mut problems);
    loaded.add(Layer::User, &paths.user, source, &mut problems);
    loaded.add_ics(paths, source, &mut problems);
    let locked = loaded.locks.iter().map(|lock| written(lock)).collect();
    loaded.profile = Arc::new(Profile { locked, ..Profile::clone(&loaded.profile) });
    loaded.problems = problems.into();
    loaded
}

/// Returns what is wrong with a file, read as a machine file over the guide; empty if nothing is.
pub fn check_with(file: &Path, source: &dyn ConfigSource) -> Vec<Problem> {
    let mut loaded = Loaded::guide();
    let mut problems = Vec::new();
    loaded.add(Layer::Machine, file, source, &mut problems);
    loaded.add_ics(&Paths { machine: file.to_owned(), user: PathBuf::new() }, source, &mut problems);
    problems
}

/// Lays a layer over a tree and reads the whole. Where something does not fit, it is taken out and the rest is looked
/// at, so that one check names all that is wrong.
pub(super) fn lay(base: &Node, mut over: Node) -> Result<(Node, Profile), Vec<Found>> {
    let mut found = Vec::new();
    loop {
        let mut tree = base.clone();
        let mut laid = tree.lay(over.clone());
        match read::read::<Profile>(&tree) {
            Ok(mut profile) => {
                profile.calendar.holidays.sort_by_key(|holiday| holiday.from);
                found.append(&mut laid);
                found.extend(check::check(&profile));
                found.truncate(MOST_PROBLEMS);
                return if found.is_empty() { Ok((tree, profile)) } else { Err(found) };
            }
            Err(error) => {
                let path = error.path();
                let missing = error.error == ConfigError::MissingKey;
                found.push((path.clone(), error.error));
                let culprit = if missing { &path[..path.len() - 1] } else { &path[..] };
                if found.len() >= MOST_PROBLEMS || !over.prune(culprit) {
                    found.append(&mut laid);
                    return Err(found);
                }
            }
        }
    }
}

/// Whether a key exists, be it set or not.
fn knows(tree: &Node, path: &[String]) -> bool {
    let (Some((last, way)), None) = (path.split_last(), tree.find(path)) else { return !path.is_empty() };
    let Some(table) = tree.find(way) else { return false };
    if !table.is_table() {
        return false;
    }
    // A key that may be absent is known by its being refused for its value, not for its name.
    let mut tried = tree.clone();
    let nonsense = Node { origin: table.origin, value: Value::Float(0.5) };
    if let Some(table) = tried.find_mut(way) {
        table.set(last, nonsense);
    }
    match read::read::<Profile>(&tried) {
        Ok(_) => true,
        Err(error) => !matches!(error.error, ConfigError::UnknownKey { .. }),
    }
}

/// Shows the calendar in the tree: what the file said stands where the file was named.
fn show_calendar(tree: &mut Node, calendar: &Calendar, origin: Origin) {
    let steps = ["calendar".to_owned()];
    let Some(shown) = tree.find_mut(&steps) else { return };
    let node = |value| Node { origin, value };
    let moment = |date: Date| node(Value::Moment(date.to_string()));
    let table = |entries: Vec<(&str, Node)>| {
        node(Value::Table(entries.into_iter().map(|(name, node)| (name.to_owned(), node)).collect()))
    };
    let known: Vec<Node> = match shown.get("holiday").map(|node| &node.value) {
        Some(Value::List(list)) => list.clone(),
        _ => Vec::new(),
    };
    let says = |node: &Node, holiday: &Holiday| {
        let is = |key: &str, date: Date| node.get(key).and_then(Node::text) == Some(&date.to_string());
        is("from", holiday.from) && is("back", holiday.back)
    };
    let holidays = calendar.holidays.iter().map(|holiday| {
        let same = known.iter().find(|node| says(node, holiday)).cloned();
        same.unwrap_or_else(|| {
            let name = node(Value::Text(holiday.name.clone()));
            table(vec![("name", name), ("from", moment(holiday.from)), ("back", moment(holiday.back))])
        })
    });
    let holidays = node(Value::List(holidays.collect()));
    shown.set("holiday", holidays);
    let covers = [("from", calendar.covers.from), ("to", calendar.covers.to)];
    for (key, date) in covers {
        if let Some(covers) = shown.find_mut(&["covers".to_owned()])
            && covers.get(key).and_then(Node::text) != Some(&date.to_string())
        {
            covers.set(key, moment(date));
        }
    }
}
