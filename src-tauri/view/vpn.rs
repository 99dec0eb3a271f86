//! The VPN status in words: what is known, and what to do.

use super::{drives, french, helpdesk};
use vigie_core::state::State;
use vigie_core::vpn::{Answer, Reason, VpnStatus, Witness};
use vigie_profile::IntranetHost;

/// The button that opens the log-in page of a public Wi-Fi.
pub(super) const OPEN_PORTAL: &str = "Se connecter au Wi-Fi public";

/// What users call the print server.
pub(super) const PRINT_SERVER: &str = "Le serveur d’impression";

/// Returns the status in a few words: the title of a notification.
pub fn title(state: &State) -> String {
    match (state.vpn.status(), state.vpn.reason()) {
        (_, Reason::ClockWrong) => {
            format!("L’heure de l’ordinateur semble fausse ({})", french::date(state.now.wall.date()))
        }
        (_, Reason::Portal) => "Ce réseau demande une connexion (Wi-Fi public)".into(),
        (_, Reason::GatewaySilent | Reason::GatewayRefused) => "Serveur VPN injoignable".into(),
        (_, Reason::GatewayUnresolved | Reason::NameInvented) => "Serveur VPN introuvable".into(),
        (_, Reason::Unproven) => "Réseau non reconnu".into(),
        (_, Reason::GatewayUntested) => "État du VPN inconnu".into(),
        (VpnStatus::Stalled, Reason::AddressConflict) => "VPN connecté, mais gêné par un réseau local".into(),
        (VpnStatus::Unknown, _) => "Vérification du réseau…".into(),
        (VpnStatus::Offline, _) => "Hors ligne".into(),
        (VpnStatus::Captive, _) => "Connexion limitée".into(),
        (VpnStatus::Disconnected, _) => "VPN déconnecté".into(),
        (VpnStatus::Connecting, _) => "Connexion en cours…".into(),
        (VpnStatus::Connected, _) => "VPN connecté".into(),
        (VpnStatus::Stalled, _) => "Le VPN ne répond plus".into(),
        (VpnStatus::OnSite, _) => "Sur site, VPN inutile".into(),
    }
}

/// Returns the title and, if it matters and was seen, since when: the tooltip's first line and the panel's value.
pub fn headline(state: &State) -> String {
    let title = title(state);
    let dated = match state.vpn.status() {
        VpnStatus::Offline | VpnStatus::Connected => true,
        VpnStatus::Disconnected => state.vpn.reason() != Reason::ClockWrong,
        VpnStatus::Stalled => state.vpn.reason() != Reason::AddressConflict,
        VpnStatus::Unknown | VpnStatus::Captive | VpnStatus::Connecting | VpnStatus::OnSite => false,
    };
    match state.vpn.seen_since().filter(|_| dated) {
        Some(since) => format!("{title} {}", french::since(since, &state.now.wall)),
        None => title,
    }
}

/// Returns the menu's first line: the headline and the gateway.
pub fn line(state: &State) -> String {
    let line = match gateway(state) {
        Some(gateway) => format!("{} ({gateway})", headline(state)),
        None => headline(state),
    };
    line + badge(state)
}

/// What the badge on the icon means.
fn badge(state: &State) -> &'static str {
    if state.badge() { ", à voir dans le panneau" } else { "" }
}

/// Returns the tooltip's first line.
pub fn tooltip(state: &State) -> String {
    headline(state) + badge(state)
}

/// Returns what is known, who is at fault, what to do, and what happens by itself. Buttons that it names in guillemets are
/// offered wherever it is shown.
pub fn detail(state: &State) -> String {
    let advice = with_number(advice(state), state);
    match state.vpn.retry_interval(&state.now) {
        Some(interval) => format!("{advice} Vigie réessaie {}.", french::every(interval)),
        None => advice,
    }
}

/// Adds the helpdesk's number where its site is the advice and the Internet itself may be at fault.
fn with_number(advice: String, state: &State) -> String {
    let may_fail = matches!(state.vpn.reason(), Reason::GatewaySilent | Reason::OtherServer | Reason::NameInvented);
    if may_fail { advice + &helpdesk::without_internet(state) } else { advice }
}

fn advice(state: &State) -> String {
    let text = match state.vpn.reason() {
        Reason::Checking => "Un instant : l’accès aux lecteurs et aux applications métiers est vérifié.",
        Reason::Unproven => {
            "Ce réseau accepte les connexions, mais rien ne prouve que celui de l’académie y répond. Ouvrez un lecteur \
             réseau pour le savoir."
        }
        Reason::GatewayUntested => {
            "Cet ordinateur ne peut vérifier aucun certificat, donc pas celui du serveur VPN. Cliquez sur « Demander à \
             AMIGO »."
        }
        Reason::NoNetwork => {
            "Aucun réseau : vérifiez le câble ou le Wi-Fi. Vigie remarque d’elle-même quand il revient ; sinon, cliquez sur \
             « Vérifier maintenant »."
        }
        Reason::GatewaySilent => {
            "Le serveur VPN ne répond pas. Il est en panne, ou votre connexion à Internet est coupée : vérifiez-la en \
             ouvrant un site, puis cliquez sur « Vérifier maintenant ». Si cela dure, cliquez sur « Demander à AMIGO »."
        }
        Reason::GatewayRefused => {
            "Le serveur VPN refuse la connexion, ou ce réseau la refuse à sa place. Si c’est un Wi-Fi public, cliquez sur \
             « Se connecter au Wi-Fi public » ; sinon, attendez quelques minutes. Si cela dure, cliquez sur « Demander à \
             AMIGO »."
        }
        Reason::GatewayUnresolved => {
            "L’adresse du serveur VPN est introuvable sur ce réseau. Votre connexion à Internet est en cause : vérifiez-la, \
             ou essayez un autre réseau, puis cliquez sur « Vérifier maintenant »."
        }
        Reason::NameInvented => {
            "Le nom du serveur VPN n’existe pas pour ce réseau, dont le fournisseur répond à sa place. Ce réseau est en \
             cause : essayez-en un autre, puis cliquez sur « Vérifier maintenant ». Si cela dure, cliquez sur « Demander à \
             AMIGO »."
        }
        Reason::ResolverDown if state.vpn.status() == VpnStatus::Stalled => {
            "Aucun serveur de l’académie n’est trouvé par son nom (le DNS ne répond pas). Le VPN est en cause : cliquez sur \
             « Reconnecter »."
        }
        Reason::ResolverDown => {
            "Ce réseau ne trouve aucune adresse d’Internet (le DNS ne répond pas). Ce réseau est en cause : redémarrez votre \
             box, ou essayez un autre réseau, puis cliquez sur « Vérifier maintenant »."
        }
        Reason::OtherServer => {
            "Un autre serveur répond à la place du serveur VPN. Le réseau où vous êtes est en cause. Si c’est un Wi-Fi \
             public, cliquez sur « Se connecter au Wi-Fi public » ; sinon, sur « Demander à AMIGO »."
        }
        Reason::Portal => {
            "Ce réseau ne laisse rien passer avant que vous soyez identifié. Cliquez sur « Se connecter au Wi-Fi public », \
             et suivez la page qui s’ouvre dans le navigateur."
        }
        Reason::NoTunnel => {
            "Les lecteurs réseau et les applications métiers sont hors d’atteinte. Connectez-vous au VPN."
        }
        Reason::OtherVpn => {
            let name = state.vpn.links().and_then(|links| links.tunnel()).map_or("", |tunnel| &tunnel.name);
            return format!(
                "Un VPN est actif (« {name} »), mais il ne mène pas à l’académie. Connectez-vous au VPN de l’académie."
            );
        }
        Reason::AddressConflict => {
            let name = state.vpn.links().and_then(|links| links.address_conflict()).map_or("", |route| &route.name);
            let (when, why) = if state.vpn.status() == VpnStatus::Stalled {
                ("", " : se reconnecter n’y change rien")
            } else {
                (" avant de vous connecter", "")
            };
            return format!(
                "Le réseau local « {name} » utilise les mêmes adresses que l’académie. Arrêtez-le{when}, ou cliquez sur \
                 « Demander à AMIGO » pour faire changer ses adresses{why}."
            );
        }
        Reason::ClockWrong => {
            "Le certificat du serveur VPN ne peut pas être vérifié. Cliquez sur « Régler la date et l’heure »."
        }
        Reason::CertificateExpired => {
            "Le certificat du serveur VPN a expiré. Votre ordinateur n’est pas en cause : cliquez sur « Demander à AMIGO »."
        }
        Reason::CertificateUntrusted => {
            "Le certificat du serveur VPN ne peut pas être vérifié : cet ordinateur ne connaît pas son émetteur. Essayez \
             un autre réseau ; si cela dure, cliquez sur « Demander à AMIGO »."
        }
        Reason::CertificateIncomplete => {
            "Le certificat du serveur VPN ne peut pas être vérifié : le serveur ne l’envoie pas en entier. Cliquez sur \
             « Demander à AMIGO »."
        }
        Reason::OldTls => {
            "Le serveur VPN n’accepte que d’anciennes connexions, qui ne sont plus sûres. Cliquez sur « Demander à AMIGO »."
        }
        Reason::PinMismatch => {
            "Le serveur VPN n’a pas la clé attendue. Ne saisissez pas votre code PIN, et cliquez sur « Demander à AMIGO »."
        }
        Reason::Connecting => "Les lecteurs réseau et les applications métiers ne sont pas encore accessibles.",
        Reason::IntranetAnswers => return with_silent_hosts(&drives::within_reach(state), state),
        Reason::DomainNetwork => return drives::within_reach(state),
        Reason::TunnelCarries => return with_silent_hosts("Le VPN transmet des données.", state),
        Reason::IntranetSilent => {
            "Les lecteurs réseau et les applications métiers ne répondent pas. Le VPN ou l’académie est en cause : cliquez \
             sur « Reconnecter »."
        }
        Reason::NothingAnswers => {
            "Plus rien ne répond, pas même le serveur VPN. Vérifiez votre connexion à Internet, puis cliquez sur \
             « Vérifier maintenant »."
        }
    };
    text.into()
}

/// Whether the advice names that button.
pub(super) fn names_button(advice: &str, label: &str) -> bool {
    french::typeset(advice).replace('\u{a0}', " ").contains(&format!("« {} »", label.replace('\u{a0}', " ")))
}

/// Returns the sentence, and one for each intranet host that is silent while others answer.
fn with_silent_hosts(sentence: &str, state: &State) -> String {
    let silent = silence(state).into_iter().map(|sentence| format!("{sentence}."));
    std::iter::once(sentence.to_owned()).chain(silent).collect::<Vec<_>>().join(" ")
}

/// Returns the intranet hosts of which every service is silent beside others that answer, each in a sentence.
pub(crate) fn silence(state: &State) -> Vec<String> {
    let is_reachable = state.reaches_intranet() == Some(true);
    silent_hosts(state).into_iter().filter(|_| is_reachable).map(|name| format!("{name} ne répond pas")).collect()
}

/// Returns the intranet hosts of which every service is silent, by the names that users know.
fn silent_hosts(state: &State) -> Vec<String> {
    let witnesses = state.vpn.evidence().witnesses.as_deref().unwrap_or_default();
    let parsed: Vec<(IntranetHost, &Witness)> =
        witnesses.iter().filter_map(|witness| Some((witness.host.parse().ok()?, witness))).collect();
    let is_silent = |witness: &Witness| matches!(witness.answer, Answer::Silent | Answer::Unresolved);
    let mut names: Vec<String> = Vec::new();
    for (host, _) in &parsed {
        let services = parsed.iter().filter(|(other, _)| other.host == host.host);
        if services.clone().all(|(_, witness)| is_silent(witness)) {
            let name = if host.address() == Some(state.profile.printing.server) {
                PRINT_SERVER.to_owned()
            } else {
                format!("Le serveur {}", host.host)
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// Returns the site's gateway, if it plays a part in the status.
pub fn gateway(state: &State) -> Option<&str> {
    let plays_a_part = match state.vpn.status() {
        VpnStatus::Offline | VpnStatus::OnSite | VpnStatus::Unknown => false,
        VpnStatus::Captive => state.vpn.reason() != Reason::Portal,
        VpnStatus::Disconnected => state.vpn.reason() != Reason::ClockWrong,
        VpnStatus::Connecting | VpnStatus::Connected | VpnStatus::Stalled => true,
    };
    plays_a_part.then(|| state.site().map(|site| site.gateway.as_str()))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_core::fixture::{HOST, TUNNEL, home, known, now, probe, silent, standing, with_tunnel, witness};
    use vigie_core::message::{Action, Effect, Event, HelpTopic, RequestId, SensorRequest};
    use vigie_core::update::update;
    use vigie_core::vpn::{Ends, Gateway, IntranetRoute, Links};

    /// What a user of Caen reads at home when the gateway answers so, and the intranet is silent.
    fn reads(gateway: Gateway, links: Links) -> String {
        let state = at_home(gateway, links);
        format!("{} | {}", headline(&state), detail(&state)).replace('\u{a0}', " ")
    }

    /// The state of that user.
    fn at_home(gateway: Gateway, links: Links) -> State {
        let mut state = known();
        let effects = update(&mut state, Event::Links(links), now("2026-11-24T10:00"));
        let id = probe_id(&effects);
        update(&mut state, Event::Probed(probe(id, silent(), Some(gateway))), now("2026-11-24T10:00"));
        state
    }

    fn probe_id(effects: &[Effect]) -> RequestId {
        let id = effects.iter().find_map(|effect| {
            let Effect::Request(SensorRequest::Probe(request)) = effect else { return None };
            Some(request.id)
        });
        id.expect("links that lead out are probed")
    }

    #[test]
    fn each_answer_of_the_gateway_has_its_own_words() {
        let rows = [
            (Gateway::Answered, "VPN déconnecté | Les lecteurs réseau et les applications métiers sont"),
            (
                Gateway::ClockWrong,
                "L’heure de l’ordinateur semble fausse (24 novembre 2026) | Le certificat du serveur VPN ne peut pas",
            ),
            (Gateway::Expired, "VPN déconnecté | Le certificat du serveur VPN a expiré."),
            (Gateway::Untrusted, "VPN déconnecté | Le certificat du serveur VPN ne peut pas être vérifié"),
            (Gateway::Incomplete, "VPN déconnecté | Le certificat du serveur VPN ne peut pas être vérifié"),
            (Gateway::OtherName, "Connexion limitée | Un autre serveur répond à la place du serveur VPN."),
            (Gateway::PinMismatch, "VPN déconnecté | Le serveur VPN n’a pas la clé attendue."),
            (Gateway::OldTls, "VPN déconnecté | Le serveur VPN n’accepte que d’anciennes connexions"),
            (Gateway::NotTls, "Connexion limitée | Un autre serveur répond à la place du serveur VPN."),
            (Gateway::Refused, "Serveur VPN injoignable | Le serveur VPN refuse la connexion, ou ce réseau la refuse"),
            (Gateway::Silent, "Serveur VPN injoignable | Le serveur VPN ne répond pas."),
            (Gateway::Unresolved, "Serveur VPN introuvable | L’adresse du serveur VPN est introuvable"),
            (Gateway::NameInvented, "Serveur VPN introuvable | Le nom du serveur VPN n’existe pas pour ce réseau"),
            (Gateway::ResolverDown, "Connexion limitée | Ce réseau ne trouve aucune adresse d’Internet"),
        ];
        assert_eq!(rows.map(|row| row.0), Gateway::ALL);
        for (gateway, text) in rows {
            let read = reads(gateway, home());
            assert!(read.starts_with(text), "{read}");
            assert!(read.ends_with('.') && !read.contains("portail"), "{read}");
        }
    }

    #[test]
    fn advice_to_ask_the_helpdesk_comes_with_its_button() {
        for gateway in Gateway::ALL {
            let state = at_home(gateway, home());
            let offered = crate::panel::panel(&state).offers(&Action::AskHelpdesk(Some(HelpTopic::Vpn)));
            assert_eq!(offered, names_button(&detail(&state), helpdesk::ASK), "{gateway:?}");
        }
    }

    #[test]
    fn where_the_internet_may_fail_the_helpdesk_has_a_number() {
        for gateway in Gateway::ALL {
            let read = reads(gateway, home());
            let fails =
                matches!(gateway, Gateway::Silent | Gateway::OtherName | Gateway::NotTls | Gateway::NameInvented);
            assert_eq!(read.contains("Sans Internet, appelez le 0806 000 488"), fails, "{read}");
        }
    }

    /// A local network that has the intranet host's address.
    fn hidden_by_docker() -> Vec<IntranetRoute> {
        vec![IntranetRoute { host: HOST, interface: 30, name: "docker0".into(), on_link: true, own_network: true }]
    }

    #[test]
    fn to_connect_again_is_not_offered_where_it_changes_nothing() {
        let mut links = with_tunnel(home());
        links.intranet = hidden_by_docker();
        let mut state = known();
        let mut effects = update(&mut state, Event::Links(links), now("2026-11-24T10:00"));
        // One lost probe is none.
        for minute in 1..6 {
            let probed = effects.iter().find_map(|effect| {
                let Effect::Request(SensorRequest::Probe(request)) = effect else { return None };
                Some(Event::Probed(probe(request.id, silent(), Some(Gateway::Answered))))
            });
            effects = update(&mut state, probed.unwrap_or(Event::Tick), now(&format!("2026-11-24T10:0{minute}")));
        }
        assert_eq!((state.vpn.status(), state.vpn.reason()), (VpnStatus::Stalled, Reason::AddressConflict));
        let panel = crate::panel::panel(&state);
        assert!(!panel.offers(&Action::Connect) && panel.offers(&Action::Refresh), "{:?}", panel.buttons);
        assert!(detail(&state).contains("se reconnecter n’y change rien"), "{}", detail(&state));
    }

    #[test]
    fn with_another_machine_in_the_gateways_place_nothing_leads_to_a_field_for_the_pin() {
        let state = at_home(Gateway::PinMismatch, home());
        let connects = |entry: &crate::tray::Entry| {
            matches!(entry, crate::tray::Entry::Item { action: Some(Action::Connect | Action::OpenClient), .. })
        };
        assert!(!crate::tray::tray(&state).menu.iter().any(connects), "{:?}", crate::tray::tray(&state).menu);
        for card in crate::cards::cards(&state) {
            assert!(!card.offers(&Action::Connect) && !card.offers(&Action::OpenClient), "{card:?}");
        }
        assert!(crate::tray::tray(&at_home(Gateway::Answered, home())).menu.iter().any(connects));
    }

    #[test]
    fn a_local_network_in_the_way_is_named() {
        let mut links = home();
        links.interfaces.push(vigie_core::fixture::interface(30, "docker0", [172, 26, 0, 1].into()));
        links.intranet = hidden_by_docker();
        let read = reads(Gateway::Answered, links);
        assert!(read.contains("Arrêtez-le avant de vous connecter,"), "{read}");
        assert!(read.contains("Le réseau local « docker0 » utilise les mêmes adresses que l’académie."), "{read}");
    }

    #[test]
    fn a_silent_print_server_is_a_sentence_not_a_status() {
        let mut state = known();
        let effects = update(&mut state, Event::Links(with_tunnel(home())), now("2026-11-24T10:00"));
        let answered = Answer::Correct(Ends { local: TUNNEL, remote: [172, 26, 1, 2].into() });
        let witnesses = [silent(), vec![witness("smb://172.26.1.2", answered)]].concat();
        update(&mut state, Event::Probed(probe(probe_id(&effects), witnesses, None)), now("2026-11-24T10:00"));
        assert_eq!(state.vpn.status(), VpnStatus::Connected);
        assert_eq!(detail(&state), "Les applications métiers sont accessibles. Le serveur d’impression ne répond pas.");
        let card =
            crate::cards::cards(&state).into_iter().find(|card| card.id == "imprimer").expect("the guide has it");
        assert!(card.text.concat().contains("Le serveur d’impression ne répond pas"), "{card:?}");
        assert!(card.offers(&Action::AskHelpdesk(Some(HelpTopic::Printing))), "{card:?}");
        let row = |state: &State| {
            let rows = crate::panel::panel(state).groups.remove(0).rows;
            rows.into_iter().find(|row| row.label == "Serveurs").map(|row| (row.value, row.mark))
        };
        let warning = crate::panel::Severity::Warning;
        assert_eq!(row(&state), Some(("Le serveur d’impression ne répond pas".into(), warning)));
        assert_eq!(row(&standing(VpnStatus::Connected)), None);
        assert_eq!(row(&standing(VpnStatus::Stalled)), None, "there the status says it");
    }
}
