//! What every sensor saw, as lines for the helpdesk.

use crate::doctor::{Finding, Sensor};

/// One line a sensor: sign, name, time, and what it saw.
pub fn report(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let took = finding.took.as_millis();
        let (sign, seen) = match &finding.seen {
            Ok(seen) => ("✓", seen),
            Err(why) => ("✗", why),
        };
        format!("{sign} {:<24} {took:>6} ms  {seen}\n", name(finding.sensor))
    };
    findings.iter().map(line).collect()
}

fn name(sensor: Sensor) -> &'static str {
    match sensor {
        Sensor::Config => "Configuration",
        Sensor::Network => "Réseau",
        Sensor::Probe => "Intérieur et passerelle",
        Sensor::VpnClient => "Client VPN",
        Sensor::Site => "Site d’après Cisco",
        Sensor::Host => "Ordinateur",
        Sensor::Drives => "Lecteurs réseau",
        Sensor::Printers => "Imprimantes",
        Sensor::Wapt => "WAPT",
        Sensor::Battery => "Batterie",
        Sensor::MachineShutdown => "Arrêt programmé",
        Sensor::Autostart => "Lancement automatique",
        Sensor::Running => "Vigie lancée",
    }
}
