//! The verdict in words.

use super::french;
use vigie_core::state::State;
use vigie_core::vpn::VpnStatus;

/// A few words, as the tooltip's first line and the panel's value.
pub fn headline(state: &State) -> String {
    let since = || french::since(state.vpn.since(), &state.now.wall);
    match state.vpn.status() {
        VpnStatus::Unknown => "Vérification du réseau…".into(),
        VpnStatus::Offline => format!("Hors ligne {}", since()),
        VpnStatus::Captive => "Connexion limitée (portail captif ?)".into(),
        VpnStatus::Disconnected => format!("VPN déconnecté {}", since()),
        VpnStatus::Connecting => "Connexion en cours…".into(),
        VpnStatus::Connected => format!("VPN connecté {}", since()),
        VpnStatus::Stalled => format!("Le VPN ne répond plus {}", since()),
        VpnStatus::OnSite => "Sur site, VPN inutile".into(),
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
    match state.vpn.status() {
        VpnStatus::Unknown => "Un instant : l’accès aux lecteurs et aux applications métiers est vérifié.",
        VpnStatus::Offline => "Aucun réseau : vérifiez le câble ou le Wi-Fi.",
        VpnStatus::Captive => {
            "Le serveur VPN ne répond pas. Si le réseau demande une identification, ouvrez un navigateur ; sinon, \
             réessayez plus tard."
        }
        VpnStatus::Disconnected => "Les lecteurs réseau et les applications métiers sont hors d’atteinte.",
        VpnStatus::Connecting => "Les lecteurs réseau et les applications métiers seront bientôt accessibles.",
        VpnStatus::Connected | VpnStatus::OnSite => "Les lecteurs réseau et les applications métiers sont accessibles.",
        VpnStatus::Stalled => {
            "Les lecteurs réseau et les applications métiers ne répondent pas. Déconnectez puis reconnectez le VPN."
        }
    }
    .into()
}

/// The gateway that goes with the verdict: the site's, where it plays a part.
pub fn gateway(state: &State) -> Option<&str> {
    match state.vpn.status() {
        VpnStatus::Offline | VpnStatus::OnSite | VpnStatus::Unknown => None,
        VpnStatus::Captive
        | VpnStatus::Disconnected
        | VpnStatus::Connecting
        | VpnStatus::Connected
        | VpnStatus::Stalled => Some(&state.site()?.gateway),
    }
}
