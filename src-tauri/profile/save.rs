//! The user's choices, and how one is written into the user's file.

use super::error::{ConfigError, Problem};
use super::load::{Layer, Loaded, merge};
use super::{Id, Profile, RowKind, tree};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A setting that the user may change, and its new value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "what", content = "to", rename_all = "kebab-case")]
pub enum Choice {
    /// The site.
    Site(Id),
    /// Whether to be reminded of the automatic shutdown this many minutes ahead.
    Lead(u16, bool),
    /// Whether the panel is pinned to the desktop.
    Pinned(bool),
    /// Opacity of the pinned panel, in percent.
    Opacity(u8),
    /// Width and height of the pinned panel, in logical pixels.
    Size(u16, u16),
    /// Whether the pinned panel shows a row.
    RowVisible(RowKind, bool),
}

impl Choice {
    /// Returns the table and the keys in it that hold the choice.
    pub fn keys(&self) -> (&'static str, &'static [&'static str]) {
        match self {
            Choice::Site(_) => ("user", &["site"]),
            Choice::Lead(..) => ("shutdown", &["leads_minutes"]),
            Choice::Pinned(_) => ("panel", &["pinned"]),
            Choice::Opacity(_) => ("panel", &["opacity_percent"]),
            Choice::Size(..) => ("panel", &["width", "height"]),
            Choice::RowVisible(..) => ("panel", &["hidden"]),
        }
    }

    /// Returns whether the machine's file locks it.
    pub fn is_locked(&self, profile: &Profile) -> bool {
        let (table, keys) = self.keys();
        keys.iter().any(|key| profile.locks(&format!("{table}.{key}")))
    }

    /// Returns the new values of its keys, based on those in force.
    fn values(&self, profile: &Profile) -> Vec<toml_edit::Value> {
        match self {
            Choice::Site(id) => vec![id.as_str().into()],
            Choice::Lead(lead, on) => {
                let mut leads = profile.shutdown.leads_minutes.clone();
                leads.retain(|other| other != lead);
                leads.extend(on.then_some(*lead));
                leads.sort_unstable_by(|a, b| b.cmp(a));
                vec![leads.into_iter().map(i64::from).collect()]
            }
            Choice::Pinned(on) => vec![(*on).into()],
            Choice::Opacity(percent) => vec![i64::from(*percent).into()],
            Choice::Size(width, height) => [*width, *height].map(|pixels| i64::from(pixels).into()).into(),
            Choice::RowVisible(row, on) => {
                let hidden = |other: &RowKind| if other == row { !on } else { profile.panel.hidden.contains(other) };
                vec![RowKind::ALL.into_iter().filter(hidden).map(RowKind::id).collect()]
            }
        }
    }
}

/// Why the user's choice was not written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The file could not be written.
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, std::io::Error),
    /// The file cannot be read or parsed; writing would destroy its contents.
    #[error("{} is broken", .0.file.display())]
    Broken(Box<Problem>),
    /// The machine's file locks it.
    #[error("locked by {0}")]
    Locked(PathBuf),
    /// There is no such value.
    #[error("not possible: {0:?}")]
    Unfit(ConfigError),
}

impl Loaded {
    /// Returns the user's file with a choice written into it; everything else, including comments, is kept. `text` is the
    /// present file, empty if there is none.
    ///
    /// # Errors
    /// If nothing of the file can be used, the choice is not possible, or the machine's file locks it. Single values that
    /// are left out are no error: the choice replaces its own, the others stay as they are.
    pub fn edited(&self, choice: &Choice, text: &str) -> Result<String, SaveError> {
        if choice.is_locked(&self.profile) {
            return Err(SaveError::Locked(self.paths.machine.clone()));
        }
        self.refuse_broken()?;
        let (table, keys) = choice.keys();
        let entries: Vec<_> = keys.iter().copied().zip(choice.values(&self.profile)).collect();
        let change: String = entries.iter().map(|(key, value)| format!("{table}.{key} = {value}\n")).collect();
        let change = tree::parse(&change, Layer::User).map_err(|(_, error)| SaveError::Unfit(error))?;
        if let Some((_, error)) = merge(&self.tree, change).errors.into_iter().next() {
            return Err(SaveError::Unfit(error));
        }
        edit(text, table, entries).map_err(|error| SaveError::Write(self.paths.user.clone(), error))
    }
}

impl Loaded {
    /// Returns the user's file without the values that are left out of it; everything else, including comments, is kept.
    /// `text` is the present file.
    ///
    /// # Errors
    /// If nothing of the file can be used.
    pub fn restored(&self, text: &str) -> Result<String, SaveError> {
        self.refuse_broken()?;
        let failed = |error| SaveError::Write(self.paths.user.clone(), error);
        let mut document: toml_edit::DocumentMut = text.parse().map_err(std::io::Error::other).map_err(failed)?;
        // The last first: an index stays that of the file.
        for problem in self.problems.iter().rev().filter(|problem| problem.restorable) {
            let Some(key) = &problem.key else { continue };
            let steps = key.replace('[', ".[");
            let steps: Vec<&str> = steps.split('.').collect();
            remove(document.as_table_mut(), &[], &steps);
        }
        Ok(document.to_string())
    }

    /// Returns an error if nothing of the user's file can be used.
    fn refuse_broken(&self) -> Result<(), SaveError> {
        let of_user = |problem: &&Problem| problem.file == self.paths.user;
        match self.problems.iter().find(of_user).filter(|_| self.broken.contains(&Layer::User)) {
            Some(problem) => Err(SaveError::Broken(Box::new(problem.clone()))),
            None => Ok(()),
        }
    }
}

/// Removes the value to which the steps lead from a table that is at `path`. A value in a list takes the list with it, an
/// entry of a list of tables goes alone.
fn remove(table: &mut dyn toml_edit::TableLike, path: &[String], steps: &[&str]) {
    let Some((first, rest)) = steps.split_first() else { return };
    let path = [path, &[(*first).to_owned()]].concat();
    let entry = |name: &str, entry: Option<&toml_edit::Item>, index: usize| {
        let named = entry.map(|name| name.as_str().map_or_else(|| name.to_string().trim().to_owned(), str::to_owned));
        named.map_or_else(|| name == format!("[{index}]"), |named| named == name)
    };
    let name_key = tree::name_key(&path).unwrap_or_default();
    match (table.get_mut(first), rest) {
        (None, _) => {}
        (Some(_), []) => remove_key(table, first),
        (Some(toml_edit::Item::ArrayOfTables(tables)), [name, rest @ ..]) => {
            let index = tables.iter().enumerate().position(|(index, one)| entry(name, one.get(name_key), index));
            let Some(index) = index else { return };
            if rest.is_empty() {
                tables.remove(index);
            } else if let Some(one) = tables.get_mut(index) {
                remove(one, &[path.as_slice(), &[(*name).to_owned()]].concat(), rest);
            }
        }
        (Some(item), rest) => match item.as_table_like_mut() {
            Some(below) => remove(below, &path, rest),
            None => remove_key(table, first),
        },
    }
}

/// Removes a key and its value. What stands above it, such as a comment, goes to the key that follows.
fn remove_key(table: &mut dyn toml_edit::TableLike, key: &str) {
    let keys: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
    let next = keys.iter().skip_while(|other| *other != key).nth(1);
    let above = |decor: &toml_edit::Decor| decor.prefix().and_then(toml_edit::RawString::as_str).map(str::to_owned);
    let comment = table.key(key).and_then(|key| above(key.leaf_decor())).filter(|above| above.contains('#'));
    if let (Some(comment), Some(mut next)) = (comment, next.and_then(|next| table.key_mut(next))) {
        let own = above(next.leaf_decor()).unwrap_or_default();
        next.leaf_decor_mut().set_prefix(comment + &own);
    }
    table.remove(key);
}

fn edit(text: &str, table: &str, entries: Vec<(&str, toml_edit::Value)>) -> std::io::Result<String> {
    let mut document: toml_edit::DocumentMut = text.parse().map_err(std::io::Error::other)?;
    let item = document.entry(table).or_insert_with(toml_edit::table);
    if !item.is_table_like() {
        // It does not count: nothing is lost.
        *item = toml_edit::Item::Value(toml_edit::InlineTable::new().into());
    }
    let Some(there) = item.as_table_like_mut() else { return Err(std::io::ErrorKind::InvalidData.into()) };
    for (key, mut value) in entries {
        if let Some(before) = there.get(key).and_then(toml_edit::Item::as_value) {
            *value.decor_mut() = before.decor().clone();
        }
        match there.get_mut(key) {
            Some(item) => *item = toml_edit::Item::Value(value),
            None => {
                there.insert(key, toml_edit::Item::Value(value));
            }
        }
    }
    Ok(document.to_string())
}
