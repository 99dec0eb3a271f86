//! A configuration file as a tree in which every node knows where it stands, and the rules by which one tree is laid
//! over another.

use super::error::{ConfigError, Expected};
use super::load::Layer;
use toml_edit::{Document, Item, TableLike};

/// Lists whose entries have a name, and the key that holds it. A layer changes such an entry by its name.
const NAMED: [(&str, &str); 10] = [
    ("site", "id"),
    ("drive", "letter"),
    ("code", "id"),
    ("section", "id"),
    ("link", "id"),
    ("program", "id"),
    ("calendar.holiday", "from"),
    ("printing.department", "code"),
    ("printing.place", "code"),
    ("printing.example", "site"),
];

/// The key of an entry that takes it out.
const REMOVE: &str = "remove";

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub origin: Origin,
    pub value: Value,
}

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub layer: Layer,
    /// The first is 1.
    pub line: usize,
}

/// What a TOML file can say. Tables keep the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Flag(bool),
    /// A date, a time or both, as it is written.
    Moment(String),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

/// A path in the tree: keys, names of entries, and `[0]` for entries without a name.
pub(super) type Path = Vec<String>;

/// A error with its path.
pub(super) type Found = (Path, ConfigError);

/// `vpn.probe_seconds`, `helpdesk.school[0].from`.
pub(super) fn written(path: &[String]) -> String {
    let mut text = String::new();
    for step in path {
        if !text.is_empty() && !step.starts_with('[') {
            text.push('.');
        }
        text.push_str(step);
    }
    text
}

/// Reads a file's text. The error has the line, where it is known.
pub(super) fn parse(text: &str, layer: Layer) -> Result<Node, (Option<usize>, ConfigError)> {
    let reader = Reader { starts: line_starts(text), layer };
    let document = Document::parse(text).map_err(|error| {
        let line = error.span().map(|span| reader.line(span.start));
        (line, ConfigError::Syntax(error.message().trim().replace('\n', " ; ")))
    })?;
    Ok(reader.table(document.as_table(), 1))
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

struct Reader {
    starts: Vec<usize>,
    layer: Layer,
}

impl Reader {
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
            Item::None => self.node(line, Value::Table(Vec::new())),
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
            toml_edit::Value::Boolean(flag) => Value::Flag(*flag.value()),
            toml_edit::Value::Datetime(moment) => Value::Moment(moment.value().to_string()),
            toml_edit::Value::Array(list) => Value::List(list.iter().map(|value| self.value(value, line)).collect()),
            toml_edit::Value::InlineTable(table) => return self.table(table, line),
        };
        self.node(line, value)
    }
}

impl Node {
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Moment(text) => Some(text),
            Value::Integer(_) | Value::Float(_) | Value::Flag(_) | Value::List(_) | Value::Table(_) => None,
        }
    }

    pub fn is_table(&self) -> bool {
        matches!(self.value, Value::Table(_))
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Table(entries) = &self.value else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let Value::Table(entries) = &mut self.value else { return None };
        entries.iter_mut().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// Sets a key of a table, and takes the place of what is there.
    pub fn set(&mut self, key: &str, node: Node) {
        if let Some(there) = self.get_mut(key) {
            *there = node;
        } else if let Value::Table(entries) = &mut self.value {
            entries.push((key.to_owned(), node));
        }
    }

    /// Takes a key out of a table.
    pub fn take(&mut self, key: &str) -> Option<Node> {
        let Value::Table(entries) = &mut self.value else { return None };
        let at = entries.iter().position(|(name, _)| name == key)?;
        Some(entries.remove(at).1)
    }

    /// The node at a path, and where it is missing the last one on the way to it.
    pub fn nearest(&self, path: &[String]) -> (&Node, bool) {
        let mut node = self;
        for (depth, step) in path.iter().enumerate() {
            let next = match &node.value {
                Value::Table(_) => node.get(step),
                Value::List(list) => place(list, &path[..depth], step).and_then(|at| list.get(at)),
                Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Flag(_) | Value::Moment(_) => None,
            };
            match next {
                Some(next) => node = next,
                None => return (node, false),
            }
        }
        (node, true)
    }

    /// The node at a path.
    pub fn find(&self, path: &[String]) -> Option<&Node> {
        let (node, there) = self.nearest(path);
        there.then_some(node)
    }

    /// The node at a path, to change it.
    pub fn find_mut(&mut self, path: &[String]) -> Option<&mut Node> {
        let mut node = self;
        for (depth, step) in path.iter().enumerate() {
            node = match &mut node.value {
                Value::List(list) => {
                    let at = place(list, &path[..depth], step)?;
                    list.get_mut(at)?
                }
                Value::Table(entries) => entries.iter_mut().find(|(name, _)| name == step).map(|(_, node)| node)?,
                Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Flag(_) | Value::Moment(_) => {
                    return None;
                }
            };
        }
        Some(node)
    }

    /// Takes out the node at a path; false where there is none.
    pub fn prune(&mut self, path: &[String]) -> bool {
        let Some((last, way)) = path.split_last() else { return false };
        let Some(node) = self.find_mut(way) else { return false };
        match &mut node.value {
            Value::List(list) => {
                let at = place(list, way, last);
                at.map(|at| list.remove(at)).is_some()
            }
            Value::Table(_) => node.take(last).is_some(),
            Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Flag(_) | Value::Moment(_) => false,
        }
    }

    /// Every value that is no table, with its path, in order. A list of plain values is one value.
    pub fn leaves(&self) -> Vec<(Path, &Node)> {
        let mut leaves = Vec::new();
        self.walk(&mut Vec::new(), &mut leaves);
        leaves
    }

    fn walk<'a>(&'a self, path: &mut Path, leaves: &mut Vec<(Path, &'a Node)>) {
        match &self.value {
            Value::Table(entries) => {
                for (name, node) in entries {
                    path.push(name.clone());
                    node.walk(path, leaves);
                    path.pop();
                }
            }
            Value::List(list) if list.iter().any(Node::is_table) => {
                for (at, node) in list.iter().enumerate() {
                    path.push(step(path, at, node));
                    node.walk(path, leaves);
                    path.pop();
                }
            }
            Value::List(_)
            | Value::Text(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Flag(_)
            | Value::Moment(_) => {
                leaves.push((path.clone(), self));
            }
        }
    }

    /// Lays a tree over this one: tables key by key, lists of named entries entry by entry, all else whole.
    pub fn lay(&mut self, over: Node) -> Vec<Found> {
        let mut found = Vec::new();
        self.lay_at(over, &mut Vec::new(), &mut found);
        found
    }

    fn lay_at(&mut self, over: Node, path: &mut Path, found: &mut Vec<Found>) {
        match (&mut self.value, over.value) {
            (Value::Table(_), Value::Table(entries)) => {
                for (name, node) in entries {
                    path.push(name.clone());
                    if self.get(&name).is_none() {
                        let nothing = if node.is_table() { Value::Table(Vec::new()) } else { Value::List(Vec::new()) };
                        self.set(&name, Node { origin: node.origin, value: nothing });
                    }
                    if let Some(there) = self.get_mut(&name) {
                        there.lay_at(node, path, found);
                    }
                    path.pop();
                }
            }
            (Value::List(list), Value::List(entries)) => match name_key(path) {
                Some(key) => lay_entries(list, entries, key, path, found),
                None => *self = Node { origin: over.origin, value: Value::List(entries) },
            },
            (_, value) => *self = Node { origin: over.origin, value },
        }
    }

    /// As TOML, on one line.
    pub fn toml(&self) -> String {
        let list = |texts: Vec<String>| texts.join(", ");
        match &self.value {
            Value::Text(text) => toml_edit::Value::from(text.as_str()).to_string(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::Moment(moment) => moment.clone(),
            Value::List(nodes) => format!("[{}]", list(nodes.iter().map(Node::toml).collect())),
            Value::Table(entries) => {
                let entries = entries.iter().map(|(name, node)| format!("{name} = {}", node.toml()));
                format!("{{ {} }}", list(entries.collect()))
            }
        }
    }
}

fn lay_entries(list: &mut Vec<Node>, entries: Vec<Node>, key: &str, path: &mut Path, found: &mut Vec<Found>) {
    let mut seen: Vec<String> = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let Some(name) = entry.get(key).and_then(Node::text).map(str::to_owned) else {
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
            found.push((at, error));
            continue;
        };
        path.push(name.clone());
        let at = list.iter().position(|there| there.get(key).and_then(Node::text) == Some(&name));
        let remove = removes(&entry);
        match at {
            _ if seen.contains(&name) => found.push((path.clone(), ConfigError::Duplicate)),
            Some(at) if remove => {
                list.remove(at);
            }
            None if remove => found.push((path.clone(), ConfigError::NothingToRemove)),
            Some(at) => list[at].lay_at(entry, path, found),
            None => list.push(entry),
        }
        path.pop();
        seen.push(name);
    }
}

/// The key that names the entries of the list at that path.
fn name_key(path: &[String]) -> Option<&'static str> {
    let path = written(path);
    NAMED.iter().find(|(list, _)| *list == path).map(|(_, key)| *key)
}

/// The last step of the path to an entry of the list at `path`.
pub(super) fn step(path: &[String], index: usize, entry: &Node) -> String {
    let name = name_key(path).and_then(|key| entry.get(key)).and_then(Node::text);
    name.map_or_else(|| format!("[{index}]"), str::to_owned)
}

/// The index of the entry to which a step leads.
fn place(list: &[Node], path: &[String], wanted: &str) -> Option<usize> {
    list.iter().enumerate().position(|(index, entry)| step(path, index, entry) == wanted)
}

/// Whether the node takes an entry out of its list.
pub(super) fn removes(node: &Node) -> bool {
    node.get(REMOVE).is_some_and(|node| node.value == Value::Flag(true))
}
