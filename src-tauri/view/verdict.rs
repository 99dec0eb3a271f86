//! The verdict in words.

use super::french;
use vigie_core::update::State;
use vigie_core::vpn::Verdict;

/// A few words, as the tooltip's first line and the panel's value.
pub fn headline(state: &State) -> String {
    let since = || french::since(state.vpn.since(), &state.now.wall);
    match state.vpn.verdict() {
        Verdict::Unknown => "Vérification du réseau…".into(),
        Verdict::Offline => format!("Hors ligne {}", since()),
        Verdict::Captive => "Connexion limitée (portail captif ?)".into(),
        Verdict::Disconnected => format!("VPN déconnecté {}", since()),
        Verdict::Connecting => "Connexion en cours…".into(),
        Verdict::Connected => format!("VPN connecté {}", since()),
        Verdict::Stalled => format!("Le VPN ne répond plus {}", since()),
        Verdict::OnSite => "Sur site, VPN inutile".into(),
    }
}

/// The menu's first line: the headline and the gateway.
pub fn line(state: &State) -> String {
    match gateway(state) {
        Some(gateway) => format!("{} ({gateway})", headline(state)),
        None => headline(state),
    }
}

/// One sentence: what is within reach, and what to do.
pub fn detail(state: &State) -> String {
    match state.vpn.verdict() {
        Verdict::Unknown => "Un instant : l’accès aux lecteurs et aux applications métiers est vérifié.",
        Verdict::Offline => "Aucun réseau : vérifiez le câble ou le Wi-Fi.",
        Verdict::Captive => {
            "Le serveur VPN ne répond pas. Si le réseau demande une identification, ouvrez un navigateur ; sinon, \
             réessayez plus tard."
        }
        Verdict::Disconnected => "Les lecteurs réseau et les applications métiers sont hors d’atteinte.",
        Verdict::Connecting => "Les lecteurs réseau et les applications métiers seront bientôt accessibles.",
        Verdict::Connected | Verdict::OnSite => "Les lecteurs réseau et les applications métiers sont accessibles.",
        Verdict::Stalled => {
            "Les lecteurs réseau et les applications métiers ne répondent pas. Déconnectez puis reconnectez le VPN."
        }
    }
    .into()
}

/// The gateway that goes with the verdict: the site's, where it plays a part.
pub fn gateway(state: &State) -> Option<&str> {
    match state.vpn.verdict() {
        Verdict::Offline | Verdict::OnSite | Verdict::Unknown => None,
        Verdict::Captive | Verdict::Disconnected | Verdict::Connecting | Verdict::Connected | Verdict::Stalled => {
            Some(&state.site()?.gateway)
        }
    }
}
