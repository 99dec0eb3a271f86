//! The report of every sensor, for the helpdesk.

use std::time::Duration;

/// The result of one sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which sensor.
    pub sensor: Sensor,
    /// What it found, as JSON, or why it failed.
    pub result: Result<String, String>,
    /// How long it took.
    pub took: Duration,
}

/// The sensors, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after the modules in `sensors` and `runtime`")]
pub enum Sensor {
    Config,
    Network,
    Probe,
    VpnClient,
    Site,
    Host,
    Drives,
    Printers,
    Wapt,
    Battery,
    MachineShutdown,
    Autostart,
    Running,
}

/// Returns one line per sensor: sign, name, time and finding.
pub fn report(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let took = finding.took.as_millis();
        let (sign, text) = match &finding.result {
            Ok(found) => ("✓", found),
            Err(why) => ("✗", why),
        };
        format!("{sign} {:<24} {took:>6} ms  {text}\n", name(finding.sensor))
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
