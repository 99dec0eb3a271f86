//! A configuration file as a tree whose nodes know their line, and the rules by which one tree is merged into another.
//!
//! Every operation on a whole tree visits each node a bounded number of times, so that a large file of nonsense costs
//! no more than a large file.

use super::error::{ConfigError, Expected};
use super::load::Layer;
use indexmap::IndexMap;
use std::collections::{HashMap, HashSet};
use toml_edit::{Document, Item, TableLike};

/// The lists whose entries have a name, and the key that names them. A later layer changes such an entry by its name.
const NAMED_LISTS: [(&str, &str); 11] = [
    ("site", "id"),
    ("drive", "letter"),
    ("code", "id"),
    ("section", "id"),
    ("link", "id"),
    ("program", "id"),
    ("card", "id"),
    ("calendar.holiday", "from"),
    ("printing.department", "code"),
    ("printing.place", "code"),
    ("printing.example", "site"),
];

/// The key that, if true, makes an entry remove the lower layers' entry of the same name.
const REMOVE: &str = "remove";

/// A value and its origin.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub origin: Origin,
    pub value: Value,
}

/// The layer and line of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub layer: Layer,
    /// Counted from 1.
    pub line: usize,
}

/// The kinds of values in TOML. Tables keep the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// A date, a time or both, as written.
    DateTime(String),
    List(Vec<Node>),
    Table(IndexMap<String, Node>),
}

/// A path in the tree: keys, names of entries, and `[0]` for entries without a name.
pub(super) type KeyPath = Vec<String>;

/// An error, and the path to its value.
pub(super) type LocatedError = (KeyPath, ConfigError);

/// A set of paths as a prefix tree, to remove them from a [`Node`] in one pass.
#[derive(Debug, Default)]
struct PathSet {
    /// Whether a path of the set ends here.
    is_end: bool,
    /// By the next step.
    children: HashMap<String, PathSet>,
}

impl PathSet {
    /// Adds a path to the set.
    fn insert(&mut self, path: &[String]) {
        let mut set = self;
        for step in path {
            set = set.children.entry(step.clone()).or_default();
        }
        set.is_end = true;
    }
}

/// Counts a visit of a node, for the unit tests that bound the work.
pub(super) fn visit() {
    #[cfg(test)]
    visits::count();
}

/// Returns a path as users write it: `vpn.probe_seconds`, `helpdesk.school[0].from`.
pub(super) fn path_text(path: &[String]) -> String {
    let mut text = String::new();
    for step in path {
        if !text.is_empty() && !step.starts_with('[') {
            text.push('.');
        }
        text.push_str(step);
    }
    text
}

/// Parses a file's text. The error has the line if it is known.
pub(super) fn parse(text: &str, layer: Layer) -> Result<Node, (Option<usize>, ConfigError)> {
    let reader = Reader { starts: line_starts(text), layer };
    let document = Document::parse(text).map_err(|error| {
        let line = error.span().map(|span| reader.line(span.start));
        (line, ConfigError::Syntax(error.message().trim().replace('\n', " ; ")))
    })?;
    Ok(reader.table(document.as_table(), 1))
}

/// Returns the offset at which each line begins.
fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

/// Turns the parser's document into [`Node`]s.
struct Reader {
    /// See [`line_starts`].
    starts: Vec<usize>,
    layer: Layer,
}

impl Reader {
    /// Returns the line, counted from 1, that has this offset.
    fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    fn node(&self, line: usize, value: Value) -> Node {
        Node { origin: Origin { layer: self.layer, line }, value }
    }

    fn table(&self, table: &dyn TableLike, line: usize) -> Node {
        let entries = table.iter().map(|(name, item)| {
            let key = table.key(name).and_then(toml_edit::Key::span);
            let line = key.or_else(|| item.span()).map_or(line, |span| self.line(span.start));
            (name.to_owned(), self.item(item, line))
        });
        self.node(line, Value::Table(entries.collect()))
    }

    fn item(&self, item: &Item, line: usize) -> Node {
        match item {
            Item::None => self.node(line, Value::Table(IndexMap::new())),
            Item::Value(value) => self.value(value, line),
            Item::Table(table) => self.table(table, line),
            Item::ArrayOfTables(tables) => {
                let tables = tables.iter().map(|table| {
                    let line = table.span().map_or(line, |span| self.line(span.start));
                    self.table(table, line)
                });
                self.node(line, Value::List(tables.collect()))
            }
        }
    }

    fn value(&self, value: &toml_edit::Value, line: usize) -> Node {
        let line = value.span().map_or(line, |span| self.line(span.start));
        let value = match value {
            toml_edit::Value::String(text) => Value::Text(text.value().clone()),
            toml_edit::Value::Integer(number) => Value::Integer(*number.value()),
            toml_edit::Value::Float(number) => Value::Float(*number.value()),
            toml_edit::Value::Boolean(flag) => Value::Boolean(*flag.value()),
            toml_edit::Value::Datetime(moment) => Value::DateTime(moment.value().to_string()),
            toml_edit::Value::Array(list) => Value::List(list.iter().map(|value| self.value(value, line)).collect()),
            toml_edit::Value::InlineTable(table) => return self.table(table, line),
        };
        self.node(line, value)
    }
}

impl Node {
    /// Returns the text of a string, date or time.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::DateTime(text) => Some(text),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::List(_) | Value::Table(_) => None,
        }
    }

    pub fn is_table(&self) -> bool {
        matches!(self.value, Value::Table(_))
    }

    /// Returns the value of a table's key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Table(entries) = &self.value else { return None };
        entries.get(key)
    }

    /// Sets a key of a table.
    pub fn set(&mut self, key: &str, node: Node) {
        if let Value::Table(entries) = &mut self.value {
            entries.insert(key.to_owned(), node);
        }
    }

    /// Removes a key from a table, and returns its value.
    pub fn take(&mut self, key: &str) -> Option<Node> {
        let Value::Table(entries) = &mut self.value else { return None };
        entries.shift_remove(key)
    }

    /// Returns the node at a path and `true`, or if there is none the deepest node on the way to it and `false`.
    pub fn nearest(&self, path: &[String]) -> (&Node, bool) {
        let mut node = self;
        for (depth, step) in path.iter().enumerate() {
            let next = match &node.value {
                Value::Table(entries) => entries.get(step),
                Value::List(list) => position(list, &path[..depth], step).and_then(|at| list.get(at)),
                Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::DateTime(_) => None,
            };
            match next {
                Some(next) => node = next,
                None => return (node, false),
            }
        }
        (node, true)
    }

    /// Returns the node at a path.
    pub fn find(&self, path: &[String]) -> Option<&Node> {
        let (node, exact) = self.nearest(path);
        exact.then_some(node)
    }

    /// Returns the node at a path, to change it.
    pub fn find_mut(&mut self, path: &[String]) -> Option<&mut Node> {
        let mut node = self;
        for (depth, step) in path.iter().enumerate() {
            node = match &mut node.value {
                Value::List(list) => {
                    let at = position(list, &path[..depth], step)?;
                    list.get_mut(at)?
                }
                Value::Table(entries) => entries.get_mut(step)?,
                Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::DateTime(_) => {
                    return None;
                }
            };
        }
        Some(node)
    }

    /// Removes the nodes at the paths, and returns the paths that led to a node.
    pub fn remove_all<'a>(&mut self, paths: impl IntoIterator<Item = &'a [String]>) -> HashSet<KeyPath> {
        let mut set = PathSet::default();
        paths.into_iter().for_each(|path| set.insert(path));
        let mut removed = HashSet::new();
        self.remove_set(&set, &mut Vec::new(), &mut removed);
        removed
    }

    /// Removes the nodes of `set` below this node, whose path is `path`, and adds their paths to `removed`.
    fn remove_set(&mut self, set: &PathSet, path: &mut KeyPath, removed: &mut HashSet<KeyPath>) {
        visit();
        // Removes what is below the node, and returns whether the node itself is retained.
        let mut retain = |step: String, node: &mut Node, path: &mut KeyPath| {
            let Some(child) = set.children.get(&step) else { return true };
            path.push(step);
            // Several entries may have the same name, so the step is not taken out of the set.
            if child.is_end {
                removed.insert(path.clone());
            } else {
                node.remove_set(child, path, removed);
            }
            path.pop();
            !child.is_end
        };
        match &mut self.value {
            Value::Table(entries) => entries.retain(|name, node| retain(name.clone(), node, path)),
            Value::List(list) => {
                let mut index = 0;
                list.retain_mut(|node| {
                    let step = entry_step(path, index, node);
                    index += 1;
                    retain(step, node, path)
                });
            }
            Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::DateTime(_) => {}
        }
    }

    /// Returns every value that is not a table, with its path, in order. A list of plain values is one value.
    pub fn leaves(&self) -> Vec<(KeyPath, &Node)> {
        let mut leaves = Vec::new();
        self.collect_leaves(&mut Vec::new(), &mut leaves);
        leaves
    }

    /// Adds the leaves below this node, whose path is `path`, to `leaves`.
    fn collect_leaves<'a>(&'a self, path: &mut KeyPath, leaves: &mut Vec<(KeyPath, &'a Node)>) {
        match &self.value {
            Value::Table(entries) => {
                for (name, node) in entries {
                    path.push(name.clone());
                    node.collect_leaves(path, leaves);
                    path.pop();
                }
            }
            Value::List(list) if list.iter().any(Node::is_table) => {
                for (at, node) in list.iter().enumerate() {
                    path.push(entry_step(path, at, node));
                    node.collect_leaves(path, leaves);
                    path.pop();
                }
            }
            Value::List(_)
            | Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::DateTime(_) => {
                leaves.push((path.clone(), self));
            }
        }
    }

    /// Returns the paths of everything that can be left out by itself: values, and entries of named lists.
    pub fn units(&self) -> Vec<KeyPath> {
        let mut units: Vec<KeyPath> = Vec::new();
        for (path, _) in self.leaves() {
            let unnamed = path.iter().position(|step| step.starts_with('['));
            let path = &path[..unnamed.unwrap_or(path.len())];
            let entry = path.split_last().map(|(_, entry)| entry).filter(|_| is_entry_name(path));
            let unit = entry.unwrap_or(path);
            if units.last().is_none_or(|last| last != unit) {
                units.push(unit.to_vec());
            }
        }
        units
    }

    /// Merges `over`, the tree of a later layer, into this one: tables key by key, lists of named entries entry by
    /// entry; everything else is replaced. Returns the errors of entries, which are left out.
    pub fn merge(&mut self, over: Node) -> Vec<LocatedError> {
        let mut errors = Vec::new();
        self.merge_at(over, &mut Vec::new(), &mut errors);
        errors
    }

    /// Merges `over` into this node, whose path is `path`, and adds the errors to `errors`.
    fn merge_at(&mut self, over: Node, path: &mut KeyPath, errors: &mut Vec<LocatedError>) {
        visit();
        match (&mut self.value, over.value) {
            (Value::Table(lower), Value::Table(entries)) => {
                for (name, node) in entries {
                    path.push(name.clone());
                    let empty = if node.is_table() { Value::Table(IndexMap::new()) } else { Value::List(Vec::new()) };
                    let empty = Node { origin: node.origin, value: empty };
                    lower.entry(name).or_insert(empty).merge_at(node, path, errors);
                    path.pop();
                }
            }
            (Value::List(list), Value::List(entries)) => match name_key(path) {
                Some(key) => merge_entries(list, entries, key, path, errors),
                None => *self = Node { origin: over.origin, value: Value::List(entries) },
            },
            (_, value) => *self = Node { origin: over.origin, value },
        }
    }

    /// Returns the value as TOML, on one line.
    pub fn toml(&self) -> String {
        let list = |texts: Vec<String>| texts.join(", ");
        match &self.value {
            Value::Text(text) => text_as_toml(text),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(flag) => flag.to_string(),
            Value::DateTime(moment) => moment.clone(),
            Value::List(nodes) => format!("[{}]", list(nodes.iter().map(Node::toml).collect())),
            Value::Table(entries) => {
                let entries = entries.iter().map(|(name, node)| format!("{name} = {}", node.toml()));
                format!("{{ {} }}", list(entries.collect()))
            }
        }
    }
}

/// Returns a text as TOML. What would act on a terminal is escaped, because the text may be printed.
fn text_as_toml(text: &str) -> String {
    if !text.contains(acts) {
        return toml_edit::Value::from(text).to_string();
    }
    let escaped = |c: char| match c {
        '"' | '\\' => format!("\\{c}"),
        c if acts(c) => format!("\\u{:04X}", u32::from(c)),
        c => c.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

/// Whether the character controls a terminal, or the order of the text around it.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Merges the entries of a later layer's list into `list`, at `path`, whose entries are named by `key`.
fn merge_entries(
    list: &mut Vec<Node>,
    entries: Vec<Node>,
    key: &str,
    path: &mut KeyPath,
    errors: &mut Vec<LocatedError>,
) {
    let name_of = |entry: &Node| entry.get(key).and_then(Node::text).map(str::to_owned);
    let mut known: HashMap<String, usize> = HashMap::new();
    for (index, entry) in list.iter().enumerate() {
        visit();
        if let Some(name) = name_of(entry) {
            known.entry(name).or_insert(index);
        }
    }
    let mut seen = HashSet::new();
    let mut removed = HashSet::new();
    for (index, entry) in entries.into_iter().enumerate() {
        visit();
        let Some(name) = name_of(&entry) else {
            let mut at = path.clone();
            at.push(format!("[{index}]"));
            let error = match (&entry.value, entry.get(key)) {
                (Value::Table(_), None) => {
                    at.push(key.to_owned());
                    ConfigError::MissingKey
                }
                (Value::Table(_), Some(other)) => {
                    at.push(key.to_owned());
                    ConfigError::WrongValue { found: other.toml(), expected: Expected::Text }
                }
                _ => ConfigError::WrongValue { found: entry.toml(), expected: Expected::Table },
            };
            errors.push((at, error));
            continue;
        };
        path.push(name.clone());
        let at = known.get(&name).copied();
        match at {
            _ if seen.contains(&name) => errors.push((path.clone(), ConfigError::Duplicate)),
            Some(at) if is_removal(&entry) => {
                removed.insert(at);
            }
            None if is_removal(&entry) => errors.push((path.clone(), ConfigError::NothingToRemove)),
            Some(at) => list[at].merge_at(entry, path, errors),
            None => list.push(entry),
        }
        path.pop();
        seen.insert(name);
    }
    let mut index = 0..;
    list.retain(|_| index.next().is_none_or(|index: usize| !removed.contains(&index)));
}

/// Returns the key that names the entries of the list at `path`.
pub(super) fn name_key(path: &[String]) -> Option<&'static str> {
    // No named list is deeper.
    if path.len() > 2 {
        return None;
    }
    let path = path_text(path);
    NAMED_LISTS.iter().find(|(list, _)| *list == path).map(|(_, key)| *key)
}

/// Returns whether a path leads to the key that names an entry of a list.
pub(super) fn is_entry_name(path: &[String]) -> bool {
    let Some((key, entry)) = path.split_last() else { return false };
    entry.split_last().is_some_and(|(_, list)| name_key(list) == Some(key.as_str()))
}

/// Returns the last step of the path to an entry of the list at `path`: its name, or `[index]` if it has none.
pub(super) fn entry_step(path: &[String], index: usize, entry: &Node) -> String {
    visit();
    let name = name_key(path).and_then(|key| entry.get(key)).and_then(Node::text);
    name.map_or_else(|| format!("[{index}]"), str::to_owned)
}

/// Returns the index of the entry of the list at `path` that the step `wanted` names.
fn position(list: &[Node], path: &[String], wanted: &str) -> Option<usize> {
    list.iter().enumerate().position(|(index, entry)| entry_step(path, index, entry) == wanted)
}

/// Returns whether an entry asks for the removal of the lower layers' entry of the same name.
pub(super) fn is_removal(node: &Node) -> bool {
    node.get(REMOVE).is_some_and(|node| node.value == Value::Boolean(true))
}

#[cfg(test)]
pub(super) mod visits {
    use std::cell::Cell;

    thread_local!(static VISITS: Cell<usize> = const { Cell::new(0) });

    pub fn count() {
        VISITS.set(VISITS.get() + 1);
    }

    /// Returns the visits since the last call.
    pub fn take() -> usize {
        VISITS.take()
    }
}
