//! Expands the profile's paths.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Returns the path with a leading `~` and every `%VAR%` replaced; a single `%` is part of a name. `None` if the home
/// folder or a variable is not known.
pub fn expand(text: &str, home: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let mut path = OsString::new();
    let mut rest = text;
    if let Some(below) = text.strip_prefix('~').filter(|below| below.is_empty() || below.starts_with(['/', '\\'])) {
        path.push(home?);
        rest = below;
    }
    while let Some((before, after)) = rest.split_once('%') {
        let Some((name, after)) = after.split_once('%') else { break };
        path.push(before);
        path.push(variable(name).filter(|value| !value.is_empty())?);
        rest = after;
    }
    path.push(rest);
    Some(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_expanded_or_dropped() {
        let expanded = |text: &str, home: Option<&str>| {
            let variable = |name: &str| match name {
                "ProgramFiles(x86)" => Some("C:/Programmes".into()),
                "EMPTY" => Some("".into()),
                _ => None,
            };
            expand(text, home.map(Path::new), variable)
        };
        let home = Some("/home/u");
        assert_eq!(expanded("~/.anyconnect", home), Some("/home/u/.anyconnect".into()));
        assert_eq!(expanded("~", home), Some("/home/u".into()));
        assert_eq!(expanded("~/x", None), None);
        assert_eq!(expanded("/a/~b", home), Some("/a/~b".into()));
        assert_eq!(expanded("%ProgramFiles(x86)%/Cisco", home), Some("C:/Programmes/Cisco".into()));
        assert_eq!(expanded("%UNKNOWN%/x", home), None);
        assert_eq!(expanded("%EMPTY%/x", home), None);
        assert_eq!(expanded("100%", home), Some("100%".into()));
    }
}
