//! The user's choices, written into the user's file.

use super::fault::{Fault, Problem};
use super::load::{Layer, Paths, lay, load, text_of};
use super::{Fact, Id, Profile, tree};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Something that the user may choose, and what is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "what", content = "to", rename_all = "kebab-case")]
pub enum Choice {
    /// The site.
    Site(Id),
    /// Be reminded of the automatic shutdown so many minutes ahead, or no longer.
    Lead(u16, bool),
    /// The panel stands on the desktop, or opens when it is asked for.
    Pinned(bool),
    /// How much the pinned panel covers what is behind it, in percent.
    Opacity(u8),
    /// Width and height of the pinned panel, in logical pixels.
    Size(u16, u16),
    /// Show a row of the pinned panel, or no longer.
    Shown(Fact, bool),
}

impl Choice {
    /// The keys that hold it: all in one table, and that table.
    pub fn keys(&self) -> (&'static str, &'static [&'static str]) {
        match self {
            Choice::Site(_) => ("user", &["site"]),
            Choice::Lead(..) => ("shutdown", &["leads_minutes"]),
            Choice::Pinned(_) => ("panel", &["pinned"]),
            Choice::Opacity(_) => ("panel", &["opacity_percent"]),
            Choice::Size(..) => ("panel", &["width", "height"]),
            Choice::Shown(..) => ("panel", &["hidden"]),
        }
    }

    /// Whether the machine's file locks it.
    pub fn is_locked(&self, profile: &Profile) -> bool {
        let (table, keys) = self.keys();
        keys.iter().any(|key| profile.locks(&format!("{table}.{key}")))
    }

    /// The values of its keys, given what is in force.
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
            Choice::Shown(fact, on) => {
                let hidden = |other: &Fact| if other == fact { !on } else { profile.panel.hidden.contains(other) };
                vec![Fact::ALL.into_iter().filter(hidden).map(Fact::id).collect()]
            }
        }
    }
}

/// Why the user's choice was not written.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The file could not be written.
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, std::io::Error),
    /// The file is broken: it would be overwritten without having been understood.
    #[error("{} is broken", .0.file.display())]
    Broken(Problem),
    /// The machine's file locks it.
    #[error("locked by {0}")]
    Locked(PathBuf),
    /// Nothing of the kind can be chosen.
    #[error("not possible: {0:?}")]
    Unfit(Fault),
}

/// Writes a choice into the user's file, and leaves the rest of it as it stands, comments too.
///
/// # Errors
/// Where the file is broken or cannot be written, the choice is not possible, or the machine's file locks it.
pub fn save(paths: &Paths, choice: &Choice) -> Result<(), Refused> {
    let loaded = load(paths);
    if choice.is_locked(&loaded.profile) {
        return Err(Refused::Locked(paths.machine.clone()));
    }
    if loaded.broken.contains(&Layer::User)
        && let Some(problem) = loaded.problems.iter().find(|problem| problem.file == paths.user)
    {
        return Err(Refused::Broken(problem.clone()));
    }
    let (table, keys) = choice.keys();
    let entries: Vec<_> = keys.iter().copied().zip(choice.values(&loaded.profile)).collect();
    let change: String = entries.iter().map(|(key, value)| format!("{table}.{key} = {value}\n")).collect();
    let change = tree::parse(&change, Layer::User).map_err(|(_, fault)| Refused::Unfit(fault))?;
    if let Err(found) = lay(&loaded.tree, change)
        && let Some((_, fault)) = found.into_iter().next()
    {
        return Err(Refused::Unfit(fault));
    }
    write(&paths.user, table, entries).map_err(|error| Refused::Write(paths.user.clone(), error))
}

fn write(file: &Path, table: &str, entries: Vec<(&str, toml_edit::Value)>) -> std::io::Result<()> {
    let text = text_of(file).map_err(|fault| std::io::Error::other(format!("{fault:?}")))?.unwrap_or_default();
    let mut document: toml_edit::DocumentMut = text.parse().map_err(std::io::Error::other)?;
    let there = document.entry(table).or_insert_with(toml_edit::table);
    let Some(there) = there.as_table_like_mut() else {
        return Err(std::io::Error::other(format!("`{table}` is no table")));
    };
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
    // Where the file is a link, what it leads to is written, and the link stays.
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.ok_or(std::io::ErrorKind::NotFound)?;
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(document.to_string().as_bytes())?;
    if let Ok(before) = std::fs::metadata(&file) {
        new.as_file().set_permissions(before.permissions())?;
    }
    new.as_file().sync_all()?;
    new.persist(&file)?;
    Ok(())
}
