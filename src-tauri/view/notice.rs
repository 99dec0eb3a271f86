//! The texts of the notifications.

use super::panel::Button;
use super::{connect, drives, french, helpdesk, panel, shutdown, vpn};
use vigie_core::message::{
    Action, Category, ClipboardContent, HelpTopic, LaunchOutcome, LaunchResult, LaunchTarget, Notification,
    ReportResult, SaveFailure, WindowError, WindowKind,
};
use vigie_core::state::State;
use vigie_core::vpn::{Reason, VpnStatus};
use vigie_profile::Choice;

/// A notification as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// A notification replaces the one of the same category.
    pub category: Category,
    /// First line.
    pub title: String,
    /// The text.
    pub body: String,
    /// Buttons, in order.
    pub actions: Vec<(String, Action)>,
    /// Whether it stays until the user reacts, and may override "do not disturb".
    pub urgent: bool,
    /// Whether it is shown for a few seconds only and not listed (an answer to a click).
    pub transient: bool,
}

impl Notice {
    fn new(category: Category, title: impl Into<String>, body: impl Into<String>) -> Notice {
        let (title, body) = (french::typeset(title), french::typeset(body));
        Notice { category, title, body, actions: Vec::new(), urgent: false, transient: false }
    }

    fn button(mut self, label: impl Into<String>, action: Action) -> Notice {
        self.actions.push((french::typeset(label), action));
        self
    }

    fn buttons(self, buttons: impl IntoIterator<Item = Button>) -> Notice {
        buttons.into_iter().fold(self, |notice, Button { label, action }| notice.button(label, action))
    }

    fn urgent(self) -> Notice {
        Notice { urgent: true, ..self }
    }

    fn transient(self) -> Notice {
        Notice { transient: true, ..self }
    }
}

/// Returns the notification's texts and buttons.
pub fn notice(notification: &Notification, state: &State) -> Notice {
    match notification {
        Notification::Vpn(status) => vpn(*status, state),
        Notification::Shutdown(reminder) => {
            Notice::new(Category::Shutdown, shutdown::title(reminder), shutdown::body(reminder))
                .urgent()
                .buttons(shutdown::answers(reminder))
        }
        Notification::ConfirmShutdown => {
            Notice::new(Category::Shutdown, shutdown::CONFIRM_TITLE, shutdown::CONFIRM_TEXT)
                .urgent()
                .buttons(shutdown::confirm_answers())
        }
        Notification::ConfirmForget => {
            Notice::new(Category::Answer, connect::FORGET_TITLE, connect::FORGET_TEXT).buttons(connect::forget_answers())
        }
        Notification::ShutdownFailed => Notice::new(
            Category::Shutdown,
            "L’ordinateur n’a pas pu être éteint",
            "Éteignez-le comme d’habitude, depuis le menu du système.",
        ),
        Notification::NoMoreReminders => {
            let body = match state.shutdown.next_shutdown(&state.now) {
                Some(at) => format!("L’ordinateur s’éteindra {}.", french::moment(&at, &state.now.wall)),
                None => "Aucun arrêt n’est prévu.".into(),
            };
            Notice::new(Category::Answer, "Plus de rappel ce soir", body).transient()
        }
        Notification::OthersLoggedOn => Notice::new(
            Category::Shutdown,
            "L’ordinateur n’a pas été éteint",
            "Une autre personne y a une session ouverte : son travail serait perdu. Demandez-lui de fermer sa session, ou \
             fermez seulement la vôtre.",
        ),
        Notification::WindowFailed(window, error) => window_failed(*window, error, state),
        Notification::Launch(launch) => launched(launch, state),
        Notification::ConfigBroken => {
            let banner = super::config::banner(state);
            let text = banner.as_ref().map(|banner| banner.text.clone()).unwrap_or_default();
            let notice = Notice::new(Category::Program, "Configuration de Vigie en partie ignorée", text);
            let buttons = banner.into_iter().flat_map(|banner| banner.buttons);
            notice
                .buttons(buttons)
                .button("Voir le panneau", Action::ShowPanel)
        }
        Notification::NoTrayHost => Notice::new(
            Category::Program,
            "L’icône de Vigie ne peut pas s’afficher",
            "Ce bureau n’a pas de zone de notification. Le panneau de Vigie la remplace ; relancez Vigie pour le revoir.",
        ),
        Notification::Copied(ClipboardContent::Code(call)) => {
            let (title, body) = match state.profile.code(&call.code) {
                Some(code) if let Some(number) = &call.number => {
                    (format!("{} est copié", french::dialled(&code.code, number.as_str())), to_dial(&code.label))
                }
                Some(code) if code.takes_number => (
                    format!("{} est copié", code.code),
                    format!("{} Ajoutez le n° de poste ou de portable.", to_dial(&code.label)),
                ),
                Some(code) => (format!("{} est copié", code.code), to_dial(&code.label)),
                None => ("Le code est copié".into(), String::new()),
            };
            Notice::new(Category::Answer, title, body).transient()
        }
        Notification::Copied(ClipboardContent::Printer(name)) => {
            Notice::new(Category::Answer, "Le nom de l’imprimante est copié", &**name).transient()
        }
        Notification::Copied(ClipboardContent::SupportInfo) => Notice::new(
            Category::Answer,
            "Les infos pour l’assistance sont copiées",
            "Collez-les dans votre message ou dans votre demande AMIGO (Ctrl + V).",
        )
        .transient(),
        Notification::ReportSaved(ReportResult { file, copied }) => {
            let saved = file.as_ref().map(|file| format!("Il est enregistré : « {file} ». "));
            let (saved, copied) = match (saved, copied) {
                (Some(saved), true) => (saved, "Il est aussi copié : collez-le dans votre demande AMIGO (Ctrl + V)."),
                (Some(saved), false) => (saved, "Joignez ce fichier à votre demande AMIGO."),
                (None, true) => (
                    String::new(),
                    "Le fichier n’a pas pu être écrit, mais le rapport est copié : collez-le dans votre demande AMIGO \
                     (Ctrl + V).",
                ),
                (None, false) => {
                    let title = "Le rapport n’a pas pu être enregistré";
                    return Notice::new(Category::Answer, title, "Ni le disque ni le presse-papiers ne répondent.");
                }
            };
            Notice::new(Category::Answer, "Votre rapport est prêt", format!("{saved}{copied}"))
                .buttons([helpdesk::open(state)])
        }
        Notification::CopyFailed => Notice::new(
            Category::Answer,
            "La copie n’a pas fonctionné",
            "Le presse-papiers ne répond pas. Réessayez dans un instant.",
        ),
        Notification::Copied(ClipboardContent::Passcode) => Notice::new(
            Category::Answer,
            "Votre code est copié pour 30 secondes",
            "Collez-le comme « Passcode » (Ctrl + V) : les 6 chiffres ne restent pas valables longtemps.",
        )
        .transient(),
        Notification::ConnectFailed(reason) => {
            let message = connect::failed(reason, state);
            let notice = Notice::new(Category::Vpn, message.title, message.text);
            // Not while the text says to try no more.
            let usable = state.offers_connect() && !state.connect.is_blocked(&state.now, &state.profile.vpn);
            let notice = if usable { notice.button("Réessayer", Action::Connect) } else { notice };
            notice.buttons(message.buttons)
        }
        Notification::DisconnectFailed => Notice::new(
            Category::Answer,
            "Le VPN n’a pas pu être déconnecté",
            format!("Déconnectez-le dans {}.", connect::client_window(state)),
        )
        .buttons([connect::open_client(state)]),
        Notification::PinNotKept => Notice::new(
            Category::Answer,
            "Votre code PIN n’a pas été retenu",
            "Cet ordinateur a refusé de le garder ; l’administrateur l’interdit peut-être. Vous le taperez aussi \
             à la prochaine connexion.",
        ),
        Notification::Forgotten(true) => Notice::new(
            Category::Answer,
            "Vos identifiants sont oubliés",
            "Cet ordinateur ne garde plus ni votre identifiant VPN ni votre code PIN.",
        )
        .transient(),
        Notification::Forgotten(false) => Notice::new(
            Category::Answer,
            "Vos identifiants n’ont pas pu être oubliés",
            "Le gestionnaire de mots de passe de cet ordinateur est verrouillé ou ne répond pas. Déverrouillez-le, puis recommencez.",
        )
        .button("Réessayer", Action::ForgetCredentials),
        Notification::NotSaved(why) => Notice::new(
            Category::Answer,
            "Votre choix n’a pas été enregistré",
            match why {
                SaveFailure::Locked => "Ce réglage est fixé par votre administrateur.",
                SaveFailure::Broken => {
                    "Le fichier de vos réglages contient une erreur, que le panneau montre. Corrigez-la, ou contactez \
                     l’assistance AMIGO."
                }
                SaveFailure::Unwritable => {
                    "Le fichier de vos réglages ne peut pas être modifié. Si cela se répète, contactez l’assistance AMIGO."
                }
            },
        ),
        Notification::About => Notice::new(
            Category::Answer,
            format!("Vigie {}", env!("CARGO_PKG_VERSION")),
            format!(
                "{}, d’après le « {} » du {}.",
                state.profile.about.organisation,
                state.profile.about.guide,
                french::date(state.profile.about.guide_date)
            ),
        ),
        Notification::AskSite => {
            let question = Notice::new(
                Category::Program,
                panel::SITE_QUESTION,
                format!("{} Vous pourrez en changer dans le menu.", panel::SITE_PURPOSE),
            );
            state.profile.sites.iter().fold(question, |notice, site| {
                notice.button(site.name.clone(), Action::Choose(Choice::Site(site.id.clone())))
            })
        }
    }
}

/// Returns the notice of a status.
fn vpn(status: VpnStatus, state: &State) -> Notice {
    let (title, detail) = (vpn::title(state), vpn::detail(state));
    let notice = match status {
        // The button says what to do.
        VpnStatus::Disconnected if state.vpn.reason() == Reason::NoTunnel => {
            Notice::new(Category::Vpn, title, lost(state))
        }
        VpnStatus::Offline => Notice::new(Category::Vpn, title, format!("{detail} {}", lost(state))),
        VpnStatus::Disconnected | VpnStatus::Stalled | VpnStatus::Captive => Notice::new(Category::Vpn, title, detail),
        VpnStatus::Connected | VpnStatus::Unknown | VpnStatus::Connecting | VpnStatus::OnSite => {
            Notice::new(Category::Vpn, title, detail).transient()
        }
    };
    let notice = match status {
        VpnStatus::Disconnected | VpnStatus::Stalled if state.offers_connect() => {
            notice.button(panel::RECONNECT, Action::Connect)
        }
        VpnStatus::Disconnected
        | VpnStatus::Stalled
        | VpnStatus::Captive
        | VpnStatus::Unknown
        | VpnStatus::Offline
        | VpnStatus::Connecting
        | VpnStatus::Connected
        | VpnStatus::OnSite => notice,
    };
    // The buttons that the text names.
    panel::vpn_buttons(state).into_iter().fold(notice, |notice, button| {
        let is_named = vpn::names_button(&notice.body, &button.label);
        let is_new = notice.actions.iter().all(|(_, action)| *action != button.action);
        let retries = status == VpnStatus::Captive && button.action == Action::Refresh;
        if (is_named || retries) && is_new { notice.button(button.label, button.action) } else { notice }
    })
}

/// What a telephone code is for: copying it does nothing yet.
fn to_dial(label: &str) -> String {
    format!("Pour « {label} », composez-le sur votre poste.")
}

/// What is out of reach, by name.
fn lost(state: &State) -> String {
    let drives = &state.profile.drives;
    match drives.as_slice() {
        [] => "Les applications métiers sont hors d’atteinte.".into(),
        [one] => format!("Le {} et les applications métiers sont hors d’atteinte.", drives::names([one])),
        all => format!("Les {} et les applications métiers sont hors d’atteinte.", drives::names(all)),
    }
}

/// The id of the telephone code that reads out which forwarding is on (guide, section 2).
const FORWARDING_STATE: &str = "etat-renvois";

/// Returns the notice of how a start ended.
fn launched(LaunchResult { target, outcome }: &LaunchResult, state: &State) -> Notice {
    let name = name(target, state);
    let answer = |title: String, body: &str| Notice::new(Category::Answer, title, body);
    if let LaunchTarget::Call(call) = target
        && let Some(code) = state.profile.code(&call.code)
    {
        if *outcome == LaunchOutcome::Started {
            let dialled = call.number.as_ref().map(|number| french::dialled(&code.code, number.as_str()));
            let state_code = state.profile.code(FORWARDING_STATE).filter(|_| code.takes_number);
            let check = state_code.map(|check| format!("Pour vérifier : {}.", check.code)).unwrap_or_default();
            let dialled = dialled.unwrap_or_else(|| code.code.clone());
            return answer(format!("{dialled} est confié au téléphone de cet ordinateur"), &check).transient();
        }
        return answer(
            format!("Le {} n’a pas pu être composé", code.code),
            "Aucun téléphone logiciel ne répond sur cet ordinateur. Composez le code sur votre poste.",
        )
        .button("Copier le code", Action::CopyCode(call.clone()));
    }
    let ask = helpdesk::ask(help_topic(target));
    match outcome {
        LaunchOutcome::Started => answer(format!("{name} s’ouvre"), "").transient(),
        LaunchOutcome::MissingOpenedSelfService => answer(
            format!("{name} n’est pas installé"),
            "WAPT Self Service s’ouvre sur ce logiciel : cliquez sur « Installer », puis recommencez.",
        ),
        LaunchOutcome::MissingOpenedDownload => answer(
            format!("{name} n’est pas installé"),
            "La page de téléchargement s’ouvre dans votre navigateur : enregistrez le programme, puis lancez-le.",
        ),
        LaunchOutcome::Missing => {
            answer(format!("{name} est introuvable sur cet ordinateur"), "L’assistance AMIGO peut vous aider.")
                .buttons([ask])
        }
        LaunchOutcome::Failed(_) => {
            answer(not_opened(&name), TRY_AGAIN).button("Réessayer", retry(target)).buttons([ask])
        }
    }
}

/// What to do if something did not open.
const TRY_AGAIN: &str = "Réessayez ; si cela se répète, contactez l’assistance AMIGO.";

/// Returns what a request to the helpdesk is about if that does not open.
fn help_topic(target: &LaunchTarget) -> HelpTopic {
    match target {
        LaunchTarget::Client | LaunchTarget::Portal => HelpTopic::Vpn,
        LaunchTarget::Drive(..) => HelpTopic::Drives,
        LaunchTarget::Call(_) => HelpTopic::Telephone,
        LaunchTarget::Program(_) | LaunchTarget::Session(_) | LaunchTarget::Link(_) | LaunchTarget::Settings(_) => {
            HelpTopic::Applications
        }
    }
}

/// Returns the name by which the user knows what was to be started.
fn name(target: &LaunchTarget, state: &State) -> String {
    let profile = &state.profile;
    let program = |id: &str| profile.program(id).map_or_else(|| quoted(id), |program| quoted(&program.label));
    match target {
        LaunchTarget::Program(id) => program(id),
        LaunchTarget::Client => program(&profile.vpn.client),
        LaunchTarget::Session(_) => program(&profile.remote_support),
        LaunchTarget::Link(id) => profile.link(id).map_or_else(|| quoted(id), |link| quoted(&link.label)),
        LaunchTarget::Portal => "La page de connexion du réseau".into(),
        LaunchTarget::Settings(_) => "La page des réglages de l’ordinateur".into(),
        LaunchTarget::Drive(letter, _) => match profile.drives.iter().find(|drive| drive.letter == *letter) {
            Some(drive) => format!("Le {} ({})", drives::names([drive]), drives::purpose(drive.holds)),
            None => format!("Le lecteur\u{a0}{letter}"),
        },
        LaunchTarget::Call(call) => quoted(&call.code),
    }
}

/// "La page … ne s’est pas ouverte".
fn not_opened(name: &str) -> String {
    let agreement = if name.starts_with("La ") { "e" } else { "" };
    format!("{name} ne s’est pas ouvert{agreement}")
}

/// Returns the text in French quotation marks.
fn quoted(text: &str) -> String {
    format!("« {text} »")
}

/// Returns the action that starts the target again.
fn retry(target: &LaunchTarget) -> Action {
    match target {
        LaunchTarget::Program(id) | LaunchTarget::Link(id) => Action::Open(id.clone()),
        LaunchTarget::Client => Action::OpenClient,
        LaunchTarget::Session(number) => Action::Join(number.clone()),
        LaunchTarget::Portal => Action::OpenPortal,
        LaunchTarget::Settings(page) => Action::OpenSettings(*page),
        LaunchTarget::Drive(letter, _) => Action::OpenDrive(*letter),
        LaunchTarget::Call(call) => Action::Dial(call.clone()),
    }
}

/// Returns the notice that a window did not open.
fn window_failed(window: WindowKind, error: &WindowError, state: &State) -> Notice {
    let (name, retry) = match window {
        WindowKind::Panel => ("Le panneau d’information", Action::ShowPanel),
        WindowKind::Connect => ("La fenêtre de connexion", Action::Connect),
    };
    let notice = match error {
        WindowError::EngineMissing => Notice::new(
            Category::Answer,
            format!("{name} a besoin de « Microsoft Edge WebView2 »"),
            "Ce composant manque sur cet ordinateur : l’assistance peut l’installer. L’icône, son menu et les rappels \
             fonctionnent sans lui.",
        ),
        WindowError::Failed(_) => Notice::new(Category::Answer, not_opened(name), TRY_AGAIN).button("Réessayer", retry),
    };
    // Without Vigie's window, the client's own is the way to connect.
    let notice = match window {
        WindowKind::Panel => notice,
        WindowKind::Connect => notice.buttons([connect::open_client(state)]),
    };
    // The panel, and the form in it, need the same engine.
    notice.buttons([helpdesk::open(state)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_core::connect::{AttemptHistory, ConnectError};
    use vigie_core::fixture::{at, standing};
    use vigie_core::message::Call;
    use vigie_core::shutdown::Reminder;

    /// Title, text and buttons in one line.
    fn says(notification: &Notification, state: &State) -> String {
        let notice = notice(notification, state);
        let buttons: Vec<String> = notice.actions.iter().map(|(label, _)| format!("[{label}]")).collect();
        [&[notice.title, notice.body][..], &buttons].concat().join(" | ").replace('\u{a0}', " ")
    }

    #[test]
    fn each_status_has_its_texts() {
        let rows = [
            (
                VpnStatus::Offline,
                "Hors ligne | Aucun réseau : vérifiez le câble ou le Wi-Fi. Vigie remarque d’elle-même quand il revient ; sinon, cliquez sur « Vérifier maintenant ». Les lecteurs I, S, T et U et les applications métiers sont hors d’atteinte. | [Vérifier maintenant]",
            ),
            (
                VpnStatus::Captive,
                "Connexion limitée | Un autre serveur répond à la place du serveur VPN. Le réseau où vous êtes est en cause. Si c’est un Wi-Fi public, cliquez sur « Se connecter au Wi-Fi public » ; sinon, sur « Demander à AMIGO ». Sans Internet, appelez le 0806 000 488 ou le 0810 14 50 61. Vigie réessaie chaque minute. | [Se connecter au Wi-Fi public] | [Vérifier maintenant] | [Demander à AMIGO]",
            ),
            (
                VpnStatus::Disconnected,
                "VPN déconnecté | Les lecteurs I, S, T et U et les applications métiers sont hors d’atteinte. | [Reconnecter]",
            ),
            (
                VpnStatus::Connected,
                "VPN connecté | Les applications métiers et les lecteurs I et U sont accessibles. Le lecteur S s’ouvre à la demande.",
            ),
            (
                VpnStatus::Stalled,
                "Le VPN ne répond plus | Les lecteurs réseau et les applications métiers ne répondent pas. Le VPN ou l’académie est en cause : cliquez sur « Reconnecter ». Vigie réessaie chaque minute. | [Reconnecter]",
            ),
        ];
        for (status, text) in rows {
            assert_eq!(says(&Notification::Vpn(status), &standing(status)), text);
        }
    }

    #[test]
    fn reminders_have_their_texts() {
        let state = standing(VpnStatus::Connected);
        let reminder = |minutes, last| Notification::Shutdown(Reminder { at: at("2026-11-24T21:30"), minutes, last });
        let work = "Cet ordinateur s’éteindra à 21 h 30. Enregistrez votre travail et fermez vos documents.";
        assert_eq!(
            says(&reminder(30, false), &state),
            format!(
                "Arrêt automatique dans 30 minutes | {work} | [Éteindre maintenant] | [Me le rappeler plus tard] | [Ce soir, ne plus me le rappeler]"
            )
        );
        assert_eq!(
            says(&reminder(1, true), &state),
            format!(
                "Arrêt automatique dans une minute | {work} C’est le dernier rappel. | [Éteindre maintenant] | [J’ai compris]"
            )
        );
        assert!(notice(&reminder(5, true), &state).urgent);
        assert_eq!(
            says(&Notification::ConfirmShutdown, &state),
            "Éteindre l’ordinateur maintenant ? | Enregistrez d’abord votre travail et fermez vos documents. | [Annuler] | [Éteindre]"
        );
        assert_eq!(
            says(&Notification::ShutdownFailed, &state),
            "L’ordinateur n’a pas pu être éteint | Éteignez-le comme d’habitude, depuis le menu du système."
        );
        let refused = says(&Notification::OthersLoggedOn, &state);
        assert!(
            refused.starts_with("L’ordinateur n’a pas été éteint | Une autre personne y a une session ouverte"),
            "{refused}"
        );
    }

    #[test]
    fn results_of_a_start_have_their_texts() {
        let state = standing(VpnStatus::Connected);
        let launch = |target, outcome| says(&Notification::Launch(LaunchResult { target, outcome }), &state);
        let isl = || LaunchTarget::Program("isl-light".into());
        let failed = || LaunchOutcome::Failed("no such file".into());
        assert_eq!(
            launch(isl(), LaunchOutcome::MissingOpenedSelfService),
            "« Télémaintenance » n’est pas installé | WAPT Self Service s’ouvre sur ce logiciel : cliquez sur « Installer », puis recommencez."
        );
        assert_eq!(
            launch(isl(), LaunchOutcome::MissingOpenedDownload),
            "« Télémaintenance » n’est pas installé | La page de téléchargement s’ouvre dans votre navigateur : enregistrez le programme, puis lancez-le."
        );
        assert_eq!(
            launch(LaunchTarget::Client, LaunchOutcome::Missing),
            "« Cisco Secure Client » est introuvable sur cet ordinateur | L’assistance AMIGO peut vous aider. | [Demander à AMIGO]"
        );
        assert_eq!(
            launch(LaunchTarget::Client, failed()),
            "« Cisco Secure Client » ne s’est pas ouvert | Réessayez ; si cela se répète, contactez l’assistance AMIGO. | [Réessayer] | [Demander à AMIGO]"
        );
        assert_eq!(
            launch(LaunchTarget::Call(Call::of("sans-renvoi")), failed()),
            "Le *20 n’a pas pu être composé | Aucun téléphone logiciel ne répond sur cet ordinateur. Composez le code sur votre poste. | [Copier le code]"
        );
        let forwarded = Call { number: vigie_core::digits::Digits::new("0612345678"), ..Call::of("renvoi-immediat") };
        assert_eq!(
            launch(LaunchTarget::Call(forwarded), LaunchOutcome::Started),
            "*21 06 12 34 56 78 est confié au téléphone de cet ordinateur | Pour vérifier : *10."
        );
        let none = launch(LaunchTarget::Call(Call::of("sans-renvoi")), LaunchOutcome::Started);
        assert!(none.starts_with("*20 est confié au téléphone de cet ordinateur"), "{none}");
        assert_eq!(
            launch(LaunchTarget::Drive('T', None), LaunchOutcome::Missing),
            "Le lecteur T (données professionnelles) est introuvable sur cet ordinateur | L’assistance AMIGO peut vous aider. | [Demander à AMIGO]"
        );
        assert_eq!(
            says(&Notification::WindowFailed(WindowKind::Panel, WindowError::EngineMissing), &state),
            "Le panneau d’information a besoin de « Microsoft Edge WebView2 » | Ce composant manque sur cet ordinateur : l’assistance peut l’installer. L’icône, son menu et les rappels fonctionnent sans lui. | [Ouvrir AMIGO]"
        );
    }

    #[test]
    fn a_start_that_failed_leads_to_the_helpdesk_about_it() {
        let state = standing(VpnStatus::Connected);
        for (target, topic, title) in [
            (
                LaunchTarget::Drive('T', None),
                HelpTopic::Drives,
                "Le lecteur T (données professionnelles) ne s’est pas ouvert",
            ),
            (LaunchTarget::Portal, HelpTopic::Vpn, "La page de connexion du réseau ne s’est pas ouverte"),
            (LaunchTarget::Link("tchap".into()), HelpTopic::Applications, "« Tchap » ne s’est pas ouvert"),
        ] {
            let outcome = LaunchOutcome::Failed("no".into());
            let notice = notice(&Notification::Launch(LaunchResult { target, outcome }), &state);
            assert_eq!(notice.title.replace('\u{a0}', " "), title);
            assert_eq!(notice.actions[1].1, Action::AskHelpdesk(Some(topic)));
        }
    }

    #[test]
    fn retry_repeats_exactly_what_failed() {
        let state = standing(VpnStatus::Connected);
        let first_action = |notification: Notification| notice(&notification, &state).actions.swap_remove(0);
        let number = vigie_core::digits::Digits::new("12345678").expect("digits");
        for (target, action) in [
            (LaunchTarget::Program("isl-light".into()), Action::Open("isl-light".into())),
            (LaunchTarget::Client, Action::OpenClient),
            (LaunchTarget::Link("tchap".into()), Action::Open("tchap".into())),
            (LaunchTarget::Drive('T', Some("/mnt/t".into())), Action::OpenDrive('T')),
            (LaunchTarget::Session(number.clone()), Action::Join(number)),
        ] {
            let outcome = LaunchOutcome::Failed("no".into());
            let retry = first_action(Notification::Launch(LaunchResult { target, outcome }));
            assert_eq!(retry, ("Réessayer".into(), action));
        }
        for (window, action) in [(WindowKind::Panel, Action::ShowPanel), (WindowKind::Connect, Action::Connect)] {
            let failed = Notification::WindowFailed(window, WindowError::Failed("no".into()));
            assert_eq!(first_action(failed), ("Réessayer".into(), action));
        }
    }

    #[test]
    fn the_clients_window_has_a_name_if_the_profile_gives_one() {
        let mut state = standing(VpnStatus::Connected);
        for (label, window) in [
            (Some("OpenConnect"), "dans la fenêtre d’OpenConnect."),
            (Some("Cisco Secure Client"), "dans la fenêtre de Cisco Secure Client."),
            (None, "dans la fenêtre du client VPN."),
        ] {
            let mut profile = (*state.profile).clone();
            let client = profile.vpn.client.clone();
            profile.programs.retain_mut(|program| {
                if program.id == client {
                    program.label = label.unwrap_or_default().into();
                }
                program.id != client || label.is_some()
            });
            state.profile = profile.into();
            let said = says(&Notification::DisconnectFailed, &state);
            assert!(said.contains(window), "{said}");
        }
    }

    #[test]
    fn a_failed_attempt_is_repeated_only_if_that_can_help() {
        let mut state = standing(VpnStatus::Disconnected);
        let failed = |reason, state: &State| says(&Notification::ConnectFailed(reason), state);
        assert_eq!(
            failed(ConnectError::Untrusted, &state),
            "Le serveur VPN n’est pas reconnu | Son certificat n’est pas celui attendu : rien ne lui a été envoyé. Essayez depuis un autre réseau ; si cela se répète, contactez l’assistance AMIGO. | [Réessayer] | [Demander à AMIGO]"
        );
        assert!(failed(ConnectError::WrongPasscode, &state).ends_with("Il reste 3 essais. | [Réessayer]"));
        let last = Some(state.now.wall.timestamp());
        for (reason, history) in [
            (ConnectError::WrongPasscode, AttemptHistory { wrong: 3, locked: false, last }),
            (ConnectError::Locked, AttemptHistory { wrong: 0, locked: true, last }),
        ] {
            state.connect = vigie_core::connect::ConnectState::new(history);
            let said = failed(reason, &state);
            assert!(said.contains("N’essayez plus") && said.contains("0806 000 488"), "{said}");
            assert!(!said.contains("Réessayer"), "{said}");
        }
    }

    #[test]
    fn other_notifications_have_their_texts() {
        let state = standing(VpnStatus::Connected);
        let rows = [
            (Notification::NoTrayHost, "L’icône de Vigie ne peut pas s’afficher | Ce bureau n’a pas de zone de notification. Le panneau de Vigie la remplace ; relancez Vigie pour le revoir.".to_owned()),
            (Notification::Copied(ClipboardContent::Code(Call::of("renvoi-immediat"))), "*21 est copié | Pour « Renvoi immédiat », composez-le sur votre poste. Ajoutez le n° de poste ou de portable.".into()),
            (Notification::Copied(ClipboardContent::Code(Call::of("sans-renvoi"))), "*20 est copié | Pour « Désactiver tous les renvois », composez-le sur votre poste.".into()),
            (Notification::Copied(ClipboardContent::Code(Call { code: "renvoi-immediat".into(), number: vigie_core::digits::Digits::new("0612345678") })), "*21 06 12 34 56 78 est copié | Pour « Renvoi immédiat », composez-le sur votre poste.".into()),
            (Notification::NotSaved(SaveFailure::Locked), "Votre choix n’a pas été enregistré | Ce réglage est fixé par votre administrateur.".into()),
            (Notification::Copied(ClipboardContent::Printer("I14RC-DSI-RDC".into())), "Le nom de l’imprimante est copié | I14RC-DSI-RDC".into()),
            (Notification::Copied(ClipboardContent::SupportInfo), "Les infos pour l’assistance sont copiées | Collez-les dans votre message ou dans votre demande AMIGO (Ctrl + V).".into()),
            (Notification::CopyFailed, "La copie n’a pas fonctionné | Le presse-papiers ne répond pas. Réessayez dans un instant.".into()),
            (Notification::Copied(ClipboardContent::Passcode), "Votre code est copié pour 30 secondes | Collez-le comme « Passcode » (Ctrl + V) : les 6 chiffres ne restent pas valables longtemps.".into()),
            (Notification::DisconnectFailed, "Le VPN n’a pas pu être déconnecté | Déconnectez-le dans la fenêtre de Cisco Secure Client. | [Ouvrir Cisco Secure Client]".into()),
            (Notification::NoMoreReminders, "Plus de rappel ce soir | L’ordinateur s’éteindra aujourd’hui à 21 h 30.".into()),
            (Notification::PinNotKept, "Votre code PIN n’a pas été retenu | Cet ordinateur a refusé de le garder ; l’administrateur l’interdit peut-être. Vous le taperez aussi à la prochaine connexion.".into()),
            (Notification::Forgotten(true), "Vos identifiants sont oubliés | Cet ordinateur ne garde plus ni votre identifiant VPN ni votre code PIN.".into()),
            (Notification::Forgotten(false), "Vos identifiants n’ont pas pu être oubliés | Le gestionnaire de mots de passe de cet ordinateur est verrouillé ou ne répond pas. Déverrouillez-le, puis recommencez. | [Réessayer]".into()),
            (Notification::About, format!("Vigie {} | Académie de Normandie, d’après le « Guide pour travailler en distanciel » du 9 mai 2023.", env!("CARGO_PKG_VERSION"))),
            (Notification::AskSite, "Quel est votre site ? | Le serveur VPN et les liens en dépendent. Vous pourrez en changer dans le menu. | [Caen] | [Rouen]".into()),
            (Notification::ConfigBroken, "Configuration de Vigie en partie ignorée |  | [Voir le panneau]".into()),
        ];
        for (notification, text) in rows {
            assert_eq!(says(&notification, &state), text);
        }
    }
}
