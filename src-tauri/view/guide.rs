//! What the guide offers.

use super::config::nearest;
use super::french::{fold, typeset};
use vigie_core::state::State;
use vigie_profile::{Id, Link, Profile, Section};

/// Returns everything that `vigie open` accepts, one per line: identifier and name, programs first.
pub fn openable(profile: &Profile) -> String {
    let programs = profile.programs.iter().map(|program| (&program.id, &program.label));
    let links = profile.links.iter().map(|link| (&link.id, &link.label));
    let all: Vec<_> = programs.chain(links).collect();
    let width = all.iter().map(|(id, _)| id.chars().count()).max().unwrap_or(0);
    all.iter().map(|(id, label)| format!("{id:width$}  {label}\n")).collect()
}

/// Whether a program or link has that id.
pub fn opens(profile: &Profile, id: &str) -> bool {
    profile.program(id).is_some() || profile.link(id).is_some()
}

/// Returns the id of the program or link that a user names on the command line by its id or its label, whatever the case
/// and the accents; of several links with that label the one of the user's site, else the first.
///
/// # Errors
/// A sentence that says so, and what may have been meant, if there is none.
pub fn resolve(state: &State, name: &str) -> Result<Id, String> {
    let profile = &state.profile;
    let programs = profile.programs.iter().map(|program| (&program.id, &program.label));
    let site = state.site().map(|site| &site.id);
    let (own, other): (Vec<&Link>, Vec<&Link>) =
        profile.links.iter().partition(|link| link.site.is_none() || link.site.as_ref() == site);
    let links = own.into_iter().chain(other).map(|link| (&link.id, &link.label));
    let all: Vec<(&Id, &String)> = programs.chain(links).collect();
    let wanted = fold(name.trim());
    let by_id = all.iter().find(|(id, _)| fold(id) == wanted);
    let found = by_id.or_else(|| all.iter().find(|(_, label)| fold(label) == wanted));
    if let Some((id, _)) = found {
        return Ok((*id).clone());
    }
    let names = all.iter().flat_map(|(id, label)| [id.as_str(), label.as_str()]);
    let meant = nearest(name, names).map(|near| format!(" Vouliez-vous dire « {near} » ?")).unwrap_or_default();
    Err(typeset(format!("« {name} » n’est pas dans le guide.{meant} « vigie open » affiche la liste.")))
}

/// Returns a section's links for the user's site, the site's own first; those of every site while none is known.
pub fn links<'a>(state: &'a State, section: &Section) -> Vec<&'a Link> {
    let is_shown = |link: &&Link| link.section == section.id && is_for_site(state, link);
    let mut links: Vec<&Link> = state.profile.links.iter().filter(is_shown).collect();
    links.sort_by_key(|link| link.site.is_none());
    links
}

/// Whether the link is of the user's site or of all; of any site while none is known.
pub fn is_for_site(state: &State, link: &Link) -> bool {
    let site = state.site().map(|site| &site.id);
    link.site.is_none() || site.is_none() || link.site.as_ref() == site
}

/// Returns the link's name, with its site's while none is known and the links of every site are shown.
pub fn link_label(state: &State, link: &Link) -> String {
    let site = link.site.as_ref().and_then(|id| state.profile.sites.iter().find(|site| site.id == *id));
    match site {
        Some(site) if state.site().is_none() => format!("{} ({})", link.label, site.name),
        Some(_) | None => link.label.clone(),
    }
}
