//! What the guide offers.

use vigie_core::state::State;
use vigie_profile::{Link, Profile, Section};

/// Returns everything that `vigie open` accepts, one per line: identifier and name, programs first.
pub fn openable(profile: &Profile) -> String {
    let programs = profile.programs.iter().map(|program| (&program.id, &program.label));
    let links = profile.links.iter().map(|link| (&link.id, &link.label));
    let all: Vec<_> = programs.chain(links).collect();
    let width = all.iter().map(|(id, _)| id.chars().count()).max().unwrap_or(0);
    all.iter().map(|(id, label)| format!("{id:width$}  {label}\n")).collect()
}

/// Returns a section's links for the user's site, the site's own first; those of every site while none is known.
pub fn links<'a>(state: &'a State, section: &Section) -> Vec<&'a Link> {
    let site = state.site().map(|site| &site.id);
    let is_shown = |link: &&Link| {
        link.section == section.id && (link.site.is_none() || site.is_none() || link.site.as_ref() == site)
    };
    let mut links: Vec<&Link> = state.profile.links.iter().filter(is_shown).collect();
    links.sort_by_key(|link| link.site.is_none());
    links
}

/// Returns the link's name, with its site's while none is known and the links of every site are shown.
pub fn link_label(state: &State, link: &Link) -> String {
    let site = link.site.as_ref().and_then(|id| state.profile.sites.iter().find(|site| site.id == *id));
    match site {
        Some(site) if state.site().is_none() => format!("{} ({})", link.label, site.name),
        Some(_) | None => link.label.clone(),
    }
}
