//! The texts about the network drives.

use vigie_core::message::{DriveMount, Reading};
use vigie_core::state::State;
use vigie_core::vpn::VpnStatus;
use vigie_profile::{Drive, DriveUse};

/// Whether the drive can be opened now.
pub fn can_open(state: &State, drive: &Drive) -> bool {
    why_not(state, drive).is_none()
}

/// "Lecteur U".
pub fn name(drive: &Drive) -> String {
    format!("Lecteur\u{a0}{}", drive.letter)
}

/// Returns the menu's entry: letter, purpose, and why it cannot be opened.
pub fn line(state: &State, drive: &Drive) -> String {
    let what = format!("{} : {}", name(drive), purpose(drive.holds));
    match why_not(state, drive) {
        None => what,
        Some(reason) => format!("{what} ({reason})"),
    }
}

/// "données personnelles", "données professionnelles" (guide, "Particularités communes").
pub fn purpose(holds: DriveUse) -> &'static str {
    match holds {
        DriveUse::Personal => "données personnelles",
        DriveUse::Professional => "données professionnelles",
    }
}

/// Returns why the drive cannot be opened now.
pub fn why_not(state: &State, drive: &Drive) -> Option<&'static str> {
    match state.vpn.status() {
        VpnStatus::Offline => return Some("hors d’atteinte : pas de réseau"),
        VpnStatus::Captive => return Some("hors d’atteinte : connexion limitée"),
        VpnStatus::Disconnected => return Some("hors d’atteinte : VPN déconnecté"),
        VpnStatus::Connecting => return Some("connexion en cours"),
        VpnStatus::Stalled => return Some("hors d’atteinte : le VPN ne répond plus"),
        VpnStatus::Unknown | VpnStatus::Connected | VpnStatus::OnSite => {}
    }
    match state.drive(drive.letter) {
        Some(DriveMount::Connected(_) | DriveMount::Disconnected(_)) => None,
        Some(DriveMount::Absent) => Some("absent de cet ordinateur"),
        None => Some(match state.drives {
            Reading::Pending => "en cours de lecture",
            Reading::Known(_) => "absent de cet ordinateur",
            Reading::Unavailable(_) => "le système n’indique pas ses lecteurs",
        }),
    }
}
