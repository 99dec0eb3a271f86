//! A tree becomes a typed profile. What does not fit is a [`ConfigError`] with the path to it, not a sentence.

use super::error::{ConfigError, Expected};
use super::tree::{Node, Path, Value, step};
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};
use std::fmt;

/// The first thing that does not fit.
#[derive(Debug)]
pub(super) struct Error {
    /// The way to it, innermost step first.
    steps: Vec<String>,
    /// What is wrong.
    pub error: ConfigError,
}

impl Error {
    fn new(error: ConfigError) -> Error {
        Error { steps: Vec::new(), error }
    }

    fn under(mut self, step: String) -> Error {
        self.steps.push(step);
        self
    }

    pub fn path(&self) -> Path {
        self.steps.iter().rev().cloned().collect()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", super::tree::written(&self.path()), self.error)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Error {
        Error::new(ConfigError::Refused(message.to_string()))
    }

    fn unknown_field(_field: &str, known: &'static [&'static str]) -> Error {
        Error::new(ConfigError::UnknownKey { known })
    }

    fn missing_field(field: &'static str) -> Error {
        Error::new(ConfigError::MissingKey).under(field.to_owned())
    }
}

/// Reads a value from a tree.
pub(super) fn read<T: de::DeserializeOwned>(tree: &Node) -> Result<T, Error> {
    T::deserialize(At { node: tree, path: &Way::Root })
}

/// The way from the root to a node, kept on the stack: only lists of named entries need to know it.
enum Way<'a> {
    Root,
    Step(&'a Way<'a>, &'a str),
}

impl Way<'_> {
    fn path(&self) -> Path {
        match self {
            Way::Root => Path::new(),
            Way::Step(before, step) => {
                let mut path = before.path();
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
    path: &'a Way<'a>,
}

impl At<'_> {
    fn wrong(self, expected: Expected) -> Error {
        Error::new(ConfigError::WrongValue { found: self.node.toml(), expected })
    }

    fn number(self, from: i64, to: i64) -> Result<i64, Error> {
        if let Value::Integer(number) = self.node.value
            && (from..=to).contains(&number)
        {
            return Ok(number);
        }
        Err(self.wrong(Expected::Number(from, to)))
    }
}

/// What a visitor says that it expects.
struct Expecting<'a, V>(&'a V);

impl<'de, V: Visitor<'de>> fmt::Display for Expecting<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

/// jiff's dates and times and the standard library's addresses come as text; only their visitors' words tell them.
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
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_i64(self.number(<$type>::MIN.into(), <$type>::MAX.into())?)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for At<'_> {
    type Error = Error;

    numbers! {
        deserialize_i8 i8;
        deserialize_i16 i16;
        deserialize_i32 i32;
        deserialize_i64 i64;
        deserialize_u8 u8;
        deserialize_u16 u16;
        deserialize_u32 u32;
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Flag(flag) = self.node.value else { return Err(self.wrong(Expected::Flag)) };
        visitor.visit_bool(flag)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let expected = expected_text(&visitor);
        // A date without quotes is no text, but as a date it will do.
        let moment = matches!(self.node.value, Value::Moment(_));
        match self.node.text() {
            Some(text) if !moment || expected != Expected::Text => {
                visitor.visit_str(text).map_err(|_: Error| self.wrong(expected))
            }
            Some(_) | None => Err(self.wrong(expected)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut letters = self.node.text().unwrap_or_default().chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) => visitor.visit_char(letter),
            _ => Err(self.wrong(Expected::Letter)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text = self.node.text().unwrap_or_default();
        if !variants.contains(&text) {
            return Err(Error::new(ConfigError::NotOneOf { found: self.node.toml(), expected: variants }));
        }
        let name: StrDeserializer<'_, Error> = text.into_deserializer();
        visitor.visit_enum(name)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::List(nodes) = &self.node.value else { return Err(self.wrong(Expected::List)) };
        let path = if nodes.iter().any(Node::is_table) { self.path.path() } else { Path::new() };
        visitor.visit_seq(Entries { nodes: nodes.iter().enumerate(), way: self.path, path })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Table(entries) = &self.node.value else { return Err(self.wrong(Expected::Table)) };
        visitor.visit_map(Keys { entries: entries.iter(), value: None, way: self.path })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Text(text) | Value::Moment(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Flag(flag) => visitor.visit_bool(*flag),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Table(_) => self.deserialize_map(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        u64 i128 u128 f32 f64 bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Entries<'a> {
    nodes: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
    way: &'a Way<'a>,
    path: Path,
}

impl<'de> de::SeqAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some((index, node)) = self.nodes.next() else { return Ok(None) };
        let step = step(&self.path, index, node);
        let way = Way::Step(self.way, &step);
        seed.deserialize(At { node, path: &way }).map(Some).map_err(|error| error.under(step.clone()))
    }
}

struct Keys<'a> {
    entries: std::slice::Iter<'a, (String, Node)>,
    value: Option<(&'a str, &'a Node)>,
    way: &'a Way<'a>,
}

impl<'de> de::MapAccess<'de> for Keys<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((name, node)) = self.entries.next() else { return Ok(None) };
        self.value = Some((name, node));
        let key: StrDeserializer<'_, Error> = name.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| error.under(name.clone()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((name, node)) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        let way = Way::Step(self.way, name);
        seed.deserialize(At { node, path: &way }).map_err(|error| error.under(name.to_owned()))
    }
}
