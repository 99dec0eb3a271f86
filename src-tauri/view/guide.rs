//! What the guide offers, as a list for the command line.

use vigie_profile::Profile;

/// Everything that `vigie open` takes: identifier and name, programs first.
pub fn openable(profile: &Profile) -> String {
    let programs = profile.programs.iter().map(|program| (&program.id, &program.label));
    let links = profile.links.iter().map(|link| (&link.id, &link.label));
    let all: Vec<_> = programs.chain(links).collect();
    let width = all.iter().map(|(id, _)| id.chars().count()).max().unwrap_or(0);
    all.iter().map(|(id, label)| format!("{id:width$}  {label}\n")).collect()
}
