//! The report of every sensor, for the helpdesk.

use super::chain::{self, Diagnosis};
use super::panel::panel;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use vigie_core::chain::LinkHealth;
use vigie_core::sanitize::sanitize_report;
use vigie_core::state::State;
use vigie_core::vpn::{Answer, ClientState, Gateway, Links, Path, Probe, Witness};
use vigie_profile::{IntranetHost, RowKind};

/// The result of one sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which sensor.
    pub sensor: Sensor,
    /// What it found, for programs, or why it failed, in English.
    pub data: Result<Value, String>,
    /// The same in words, where the panel has none for it.
    pub words: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// The sensors, in the order of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
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

/// Returns the report for the helpdesk: for each sensor a verdict, its name, the time that it took, and what it found, in
/// the words of the panel for that state; then the chain from the computer to the drives. More lines than one are indented.
pub fn report(findings: &[Finding], state: &State, diagnosis: &Diagnosis) -> String {
    let line = |finding: &Finding| {
        let took = finding.took.as_millis();
        let sign = if finding.data.is_ok() { "✓" } else { "✗" };
        let mut text = finding.words.clone().unwrap_or_else(|| rows(finding.sensor, state));
        if let (Err(why), None) = (&finding.data, &finding.words) {
            text.push_str(&format!("\n({why})"));
        }
        format!(
            "{sign} {:<24} {took:>6} ms  {}\n",
            name(finding.sensor),
            sanitize_report(&text).replace('\n', "\n    ")
        )
    };
    let findings: String = findings.iter().map(line).collect();
    format!("{findings}\n{}", sanitize_report(&chain::text(diagnosis))).replace('\u{a0}', " ")
}

/// Returns the report for programs, on one line. The chain is its last element.
pub fn json(findings: &[Finding], diagnosis: &Diagnosis) -> String {
    let finding = |finding: &Finding| {
        let (found, error) = match &finding.data {
            Ok(found) => (found.clone(), Value::Null),
            Err(why) => (Value::Null, Value::from(&**why)),
        };
        let took = u64::try_from(finding.took.as_millis()).unwrap_or(u64::MAX);
        json!({
            "sensor": finding.sensor, "ok": finding.data.is_ok(), "milliseconds": took, "found": found, "error": error
        })
    };
    let links = &diagnosis.links;
    let is_broken = links.iter().any(|link| link.health == LinkHealth::Broken);
    let links: Vec<Value> = links
        .iter()
        .map(|link| json!({ "stage": link.stage, "health": link.health, "sentence": link.sentence }))
        .collect();
    let chain = json!({ "sensor": "chain", "ok": !is_broken, "milliseconds": 0, "found": links, "error": null });
    let all: Vec<Value> = findings.iter().map(finding).chain([chain]).collect();
    format!("{}\n", sanitize_report(&Value::from(all).to_string()))
}

/// What the panel's rows say about a sensor.
fn rows(sensor: Sensor, state: &State) -> String {
    use RowKind::{Battery, Booted, Computer, Disk, Dns, Drives, LocalAddress, Memory, Printers, Router};
    use RowKind::{Shutdown, System, User, VpnAddress, Wapt};
    let kinds: &[RowKind] = match sensor {
        Sensor::Network => &[LocalAddress, VpnAddress, Router, Dns],
        Sensor::Host => &[Computer, User, System, Booted, Memory, Disk],
        Sensor::Drives => &[Drives],
        Sensor::Printers => &[Printers],
        Sensor::Wapt => &[Wapt],
        Sensor::Battery => &[Battery],
        Sensor::MachineShutdown => &[Shutdown],
        Sensor::Config
        | Sensor::Probe
        | Sensor::Servers
        | Sensor::VpnClient
        | Sensor::Site
        | Sensor::Autostart
        | Sensor::Running => &[],
    };
    let rows = panel(state).groups.into_iter().flat_map(|group| group.rows);
    let rows = rows.filter(|row| row.fact.is_some_and(|kind| kinds.contains(&kind)));
    let lines: Vec<String> = rows.map(|row| format!("{} : {}", row.label, row.value)).collect();
    if lines.is_empty() { "aucune".into() } else { lines.join("\n") }
}

/// "oui" or "non".
pub fn yes_or_no(yes: bool) -> String {
    if yes { "oui".into() } else { "non".into() }
}

/// The client's version, and the state that Cisco's command line reports. (OpenConnect reports none.)
pub fn client(state: Option<ClientState>, version: Option<&str>) -> String {
    let state = state.map(|state| match state {
        ClientState::Connected => "Cisco est connecté",
        ClientState::Connecting => "Cisco se connecte",
        ClientState::Disconnecting => "Cisco se déconnecte",
        ClientState::Disconnected => "Cisco est déconnecté",
        ClientState::Reconnecting => "Cisco se reconnecte",
        ClientState::Paused => "Cisco est en pause",
        ClientState::Unknown => "Cisco ne connaît pas son état",
    });
    match (version, state) {
        (Some(version), Some(state)) => format!("{version} : {state}"),
        (Some(known), None) | (None, Some(known)) => known.into(),
        (None, None) => "la ligne de commande de Cisco est absente, ou ne répond pas".into(),
    }
}

/// The site that Cisco's files name.
pub fn site(site: Option<&str>) -> String {
    site.map_or_else(|| "les fichiers de Cisco n’en nomment aucun".into(), str::to_owned)
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

/// Returns a sensor's name in French.
fn name(sensor: Sensor) -> &'static str {
    match sensor {
        Sensor::Config => "Configuration",
        Sensor::Network => "Réseau",
        Sensor::Probe => "Intranet et serveur VPN",
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
    use vigie_core::fixture::{TUNNEL, home, known, probe as probed, with_tunnel, witness};
    use vigie_core::message::RequestId;
    use vigie_core::vpn::Ends;

    #[test]
    fn client_is_named_with_its_state_where_it_has_one() {
        let cisco = Some("Cisco Secure Client 5.1.2.42");
        assert_eq!(client(Some(ClientState::Paused), cisco), "Cisco Secure Client 5.1.2.42 : Cisco est en pause");
        assert_eq!(client(None, Some("OpenConnect 9.01-3")), "OpenConnect 9.01-3");
        assert!(client(None, None).contains("est absente"));
    }

    #[test]
    fn each_witness_has_a_line_in_words() {
        let ends = Ends { local: TUNNEL, remote: [172, 26, 66, 73].into() };
        let witnesses = [("smb://172.26.66.73", Answer::Correct(ends)), ("ipp://172.26.66.73", Answer::Silent)]
            .map(|(host, answer)| witness(host, answer));
        let probed = probed(RequestId::new(1), witnesses.into(), Some(Gateway::Answered));
        let words = Some(probe(&probed, Some(&with_tunnel(home()))));
        let data = serde_json::to_value(&probed).map_err(|error| error.to_string());
        let finding = Finding { sensor: Sensor::Probe, data, words, took: Duration::from_millis(3001) };
        let expected = "\
✓ Intranet et serveur VPN    3001 ms  serveur VPN : répond, certificat valable
    smb://172.26.66.73 : répond comme il faut (12 ms, par le VPN)
    ipp://172.26.66.73 : ne répond pas (12 ms)
";
        let diagnosis = chain::diagnosis(&known());
        let chain = chain::text(&diagnosis);
        assert_eq!(report(std::slice::from_ref(&finding), &known(), &diagnosis), format!("{expected}\n{chain}"));
        let json: Vec<Value> = serde_json::from_str(&json(&[finding], &diagnosis)).expect("it is JSON");
        assert_eq!((&json[1]["sensor"], &json[1]["found"][4]["health"]), (&"chain".into(), &"unknown".into()));
        assert_eq!((&json[0]["sensor"], &json[0]["ok"]), (&"probe".into(), &true.into()));
        assert_eq!(json[0]["found"]["gateway"], "answered");
        let failed = Finding {
            sensor: Sensor::Printers,
            data: Err("no CUPS".into()),
            words: None,
            took: Duration::from_millis(2),
        };
        let mut state = known();
        state.printers = vigie_core::message::Reading::Unavailable("no CUPS".into());
        let expected = "\
✗ Imprimantes                   2 ms  Imprimantes : le service d’impression ne répond pas
    (no CUPS)
";
        assert_eq!(report(&[failed], &state, &diagnosis), format!("{expected}\n{chain}"));
        let text = probe(&probed, Some(&home()));
        assert!(text.contains("(12 ms, depuis un réseau propre à cet ordinateur)"), "{text}");
    }
}
