//! Deserializes a tree into a typed profile. An error is a [`ConfigError`] with the path of the value.

use super::error::{ConfigError, Expected};
use super::tree::{KeyPath, LocatedError, Node, Value, entry_step, visit};
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;

/// The first value that cannot be read.
#[derive(Debug)]
pub(super) struct ReadError {
    /// The path to it, innermost step first.
    steps: Vec<String>,
    /// What is wrong.
    pub error: ConfigError,
}

impl ReadError {
    fn new(error: ConfigError) -> ReadError {
        ReadError { steps: Vec::new(), error }
    }

    /// Adds a step in front of the path.
    fn under(mut self, step: String) -> ReadError {
        self.steps.push(step);
        self
    }

    pub fn path(&self) -> KeyPath {
        self.steps.iter().rev().cloned().collect()
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", super::tree::path_text(&self.path()), self.error)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> ReadError {
        ReadError::new(ConfigError::Refused(message.to_string()))
    }

    fn unknown_field(_field: &str, known: &'static [&'static str]) -> ReadError {
        ReadError::new(ConfigError::UnknownKey { known })
    }

    fn missing_field(field: &'static str) -> ReadError {
        ReadError::new(ConfigError::MissingKey).under(field.to_owned())
    }
}

/// Findings that are collected while reading, whether or not the value can be read.
#[derive(Default)]
pub(super) struct Notes {
    /// Keys that no field has; they are skipped.
    unknown: RefCell<Vec<LocatedError>>,
    /// The keys of every table, if they are wanted.
    keys: Option<RefCell<HashMap<KeyPath, &'static [&'static str]>>>,
}

/// Reads a value from a tree, and returns the unknown keys as well.
pub(super) fn read<T: de::DeserializeOwned>(tree: &Node) -> (Result<T, ReadError>, Vec<LocatedError>) {
    let notes = Notes::default();
    let value = T::deserialize(At { node: tree, position: &Position::Root, notes: &notes });
    (value, notes.unknown.into_inner())
}

/// Returns the keys that each table of the tree may have, as far as the tree can be read as a `T`.
pub(super) fn known_keys<T: de::DeserializeOwned>(tree: &Node) -> HashMap<KeyPath, &'static [&'static str]> {
    let notes = Notes { keys: Some(RefCell::default()), ..Notes::default() };
    // An error ends the search early; the tree in force has none.
    let _ = T::deserialize(At { node: tree, position: &Position::Root, notes: &notes });
    notes.keys.map(RefCell::into_inner).unwrap_or_default()
}

/// The position of a node, kept on the stack: a path is only built for lists of named entries and for errors.
enum Position<'a> {
    Root,
    Below(&'a Position<'a>, &'a str),
}

impl Position<'_> {
    fn path(&self) -> KeyPath {
        match self {
            Position::Root => KeyPath::new(),
            Position::Below(parent, step) => {
                let mut path = parent.path();
                path.push((*step).to_owned());
                path
            }
        }
    }
}

/// A node that is being read.
#[derive(Clone, Copy)]
struct At<'a> {
    node: &'a Node,
    position: &'a Position<'a>,
    notes: &'a Notes,
}

impl At<'_> {
    fn wrong(self, expected: Expected) -> ReadError {
        ReadError::new(ConfigError::WrongValue { found: self.node.toml(), expected })
    }

    fn number(self, from: i64, to: i64) -> Result<i64, ReadError> {
        if let Value::Integer(number) = self.node.value
            && (from..=to).contains(&number)
        {
            return Ok(number);
        }
        Err(self.wrong(Expected::Number(from, to)))
    }
}

/// Displays what a visitor expects.
struct Expecting<'a, V>(&'a V);

impl<'de, V: Visitor<'de>> fmt::Display for Expecting<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

/// Returns which kind of text a visitor expects. Dates, times (jiff) and addresses (the standard library) are all
/// deserialized from text; only the visitor's message distinguishes them.
fn expected_text<'de, V: Visitor<'de>>(visitor: &V) -> Expected {
    match Expecting(visitor).to_string().as_str() {
        "a date string" => Expected::Date,
        "a time string" => Expected::Time,
        "IP address" => Expected::IpAddress,
        _ => Expected::Text,
    }
}

macro_rules! numbers {
    ($($method:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            visitor.visit_i64(self.number(<$type>::MIN.into(), <$type>::MAX.into())?)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for At<'_> {
    type Error = ReadError;

    numbers! {
        deserialize_i8 i8;
        deserialize_i16 i16;
        deserialize_i32 i32;
        deserialize_i64 i64;
        deserialize_u8 u8;
        deserialize_u16 u16;
        deserialize_u32 u32;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let Value::Boolean(flag) = self.node.value else { return Err(self.wrong(Expected::Boolean)) };
        visitor.visit_bool(flag)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let expected = expected_text(&visitor);
        // A date may be written without quotes if a date is expected; elsewhere it is not a text.
        let unquoted = matches!(self.node.value, Value::DateTime(_));
        match self.node.text() {
            Some(text) if !unquoted || expected != Expected::Text => {
                visitor.visit_str(text).map_err(|_: ReadError| self.wrong(expected))
            }
            Some(_) | None => Err(self.wrong(expected)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let mut letters = self.node.text().unwrap_or_default().chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) => visitor.visit_char(letter),
            _ => Err(self.wrong(Expected::Letter)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let text = self.node.text().unwrap_or_default();
        if !variants.contains(&text) {
            return Err(ReadError::new(ConfigError::NotOneOf { found: self.node.toml(), expected: variants }));
        }
        let name: StrDeserializer<'_, ReadError> = text.into_deserializer();
        visitor.visit_enum(name)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let Value::List(nodes) = &self.node.value else { return Err(self.wrong(Expected::List)) };
        let path = if nodes.iter().any(Node::is_table) { self.position.path() } else { KeyPath::new() };
        visitor.visit_seq(ListItems { nodes: nodes.iter().enumerate(), at: self, path })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let Value::Table(entries) = &self.node.value else { return Err(self.wrong(Expected::Table)) };
        visitor.visit_map(TableEntries { entries: entries.iter(), fields: None, value: None, at: self })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let Value::Table(entries) = &self.node.value else { return Err(self.wrong(Expected::Table)) };
        if let Some(keys) = &self.notes.keys {
            keys.borrow_mut().insert(self.position.path(), fields);
        }
        visitor.visit_map(TableEntries { entries: entries.iter(), fields: Some(fields), value: None, at: self })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Text(text) | Value::DateTime(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(flag) => visitor.visit_bool(*flag),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Table(_) => self.deserialize_map(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        u64 i128 u128 f32 f64 bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct ListItems<'a> {
    nodes: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
    at: At<'a>,
    path: KeyPath,
}

impl<'de> de::SeqAccess<'de> for ListItems<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some((index, node)) = self.nodes.next() else { return Ok(None) };
        visit();
        let step = entry_step(&self.path, index, node);
        let position = Position::Below(self.at.position, &step);
        let at = At { node, position: &position, ..self.at };
        seed.deserialize(at).map(Some).map_err(|error| error.under(step.clone()))
    }
}

struct TableEntries<'a> {
    entries: indexmap::map::Iter<'a, String, Node>,
    /// The known keys; `None` if any key will do.
    fields: Option<&'static [&'static str]>,
    value: Option<(&'a str, &'a Node)>,
    at: At<'a>,
}

impl<'de> de::MapAccess<'de> for TableEntries<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let (name, node) = loop {
            let Some((name, node)) = self.entries.next() else { return Ok(None) };
            visit();
            match self.fields {
                // Noted here and not left to serde, which would end at the first.
                Some(known) if !known.contains(&name.as_str()) => {
                    let path = Position::Below(self.at.position, name).path();
                    self.at.notes.unknown.borrow_mut().push((path, ConfigError::UnknownKey { known }));
                }
                Some(_) | None => break (name, node),
            }
        };
        self.value = Some((name, node));
        let key: StrDeserializer<'_, ReadError> = name.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| error.under(name.clone()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some((name, node)) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        let position = Position::Below(self.at.position, name);
        let at = At { node, position: &position, ..self.at };
        seed.deserialize(at).map_err(|error| error.under(name.to_owned()))
    }
}
