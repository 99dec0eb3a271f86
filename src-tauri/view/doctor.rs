//! The report of every sensor, for the helpdesk.

use std::time::Duration;
use vigie_core::vpn::{Answer, Gateway, Links, Path, Probe, Witness};
use vigie_profile::IntranetHost;

/// The result of one sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which sensor.
    pub sensor: Sensor,
    /// What it found, as JSON or in words, or why it failed. More lines than one are indented.
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
    Servers,
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
        format!("{sign} {:<24} {took:>6} ms  {}\n", name(finding.sensor), text.replace('\n', "\n    "))
    };
    findings.iter().map(line).collect()
}

/// What came of a probe: a line for the gateway, and one for each intranet host.
pub fn probe(probe: &Probe, links: Option<&Links>) -> String {
    let gateway = match probe.gateway {
        Some(gateway) => answer_of_gateway(gateway),
        None => "aucun certificat ne peut être vérifié",
    };
    let hosts = probe.witnesses.iter().map(|witness| format!("\n{}", answer_of_host(witness, links)));
    format!("serveur VPN : {gateway}{}", hosts.collect::<String>())
}

/// The servers that Vigie has learned, as the profile would write them.
pub fn servers(servers: &[IntranetHost]) -> String {
    match servers {
        [] => "aucun".into(),
        servers => servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

fn answer_of_host(witness: &Witness, links: Option<&Links>) -> String {
    let Witness { host, milliseconds, .. } = witness;
    let answer = match witness.answer {
        Answer::Correct(_) => "répond comme il faut",
        Answer::Accepted(_) => "accepte la connexion, sans répondre",
        Answer::Wrong(_) => "autre chose répond à sa place",
        Answer::Refused => "refuse la connexion",
        Answer::Silent => "ne répond pas",
        Answer::Unresolved => "son nom n’existe pas sur ce réseau",
        Answer::ResolverDown => "aucun serveur DNS ne répond",
    };
    let path = match (witness.answer.ends(), links.and_then(|links| witness.path(links))) {
        (None, _) => "",
        (Some(_), Some(Path::Tunnel)) => ", par le VPN",
        (Some(_), Some(Path::Direct)) => ", sans VPN",
        (Some(_), None) => ", depuis un réseau propre à cet ordinateur",
    };
    format!("{host} : {answer} ({milliseconds} ms{path})")
}

fn answer_of_gateway(gateway: Gateway) -> &'static str {
    match gateway {
        Gateway::Answered => "répond, certificat valable",
        Gateway::ClockWrong => "répond, mais l’heure de cet ordinateur est fausse",
        Gateway::Expired => "répond, certificat expiré",
        Gateway::Untrusted => "répond, émetteur du certificat inconnu",
        Gateway::Incomplete => "répond, certificat envoyé sans celui de son émetteur",
        Gateway::OtherName => "un autre serveur répond à sa place",
        Gateway::PinMismatch => "répond, avec une autre clé que celle attendue",
        Gateway::OldTls => "répond, en TLS 1.1 ou plus ancien seulement",
        Gateway::NotTls => "autre chose répond à sa place, sans TLS",
        Gateway::Refused => "refuse la connexion",
        Gateway::Silent => "ne répond pas",
        Gateway::Unresolved => "son nom n’existe pas sur ce réseau",
        Gateway::NameInvented => "son nom n’existe pas, et le serveur DNS invente une adresse",
        Gateway::ResolverDown => "aucun serveur DNS ne répond",
    }
}

fn name(sensor: Sensor) -> &'static str {
    match sensor {
        Sensor::Config => "Configuration",
        Sensor::Network => "Réseau",
        Sensor::Probe => "Intérieur et passerelle",
        Sensor::Servers => "Serveurs de l’utilisateur",
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

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_core::fixture::{TUNNEL, home, probe as probed, with_tunnel, witness};
    use vigie_core::vpn::Ends;

    #[test]
    fn each_witness_has_a_line_in_words() {
        let ends = Ends { local: TUNNEL, remote: [172, 26, 66, 73].into() };
        let witnesses = [("smb://172.26.66.73", Answer::Correct(ends)), ("ipp://172.26.66.73", Answer::Silent)]
            .map(|(host, answer)| witness(host, answer));
        let probed = probed(1, witnesses.into(), Some(Gateway::Answered));
        let result = Ok(probe(&probed, Some(&with_tunnel(home()))));
        let finding = Finding { sensor: Sensor::Probe, result, took: Duration::from_millis(3001) };
        let expected = "\
✓ Intérieur et passerelle    3001 ms  serveur VPN : répond, certificat valable
    smb://172.26.66.73 : répond comme il faut (12 ms, par le VPN)
    ipp://172.26.66.73 : ne répond pas (12 ms)
";
        assert_eq!(report(&[finding]), expected);
        let text = probe(&probed, Some(&home()));
        assert!(text.contains("(12 ms, depuis un réseau propre à cet ordinateur)"), "{text}");
    }
}
