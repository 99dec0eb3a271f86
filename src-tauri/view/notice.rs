//! What a notification says.

use super::{drives, french, shutdown, verdict};
use crate::core::state::{Action, Category, Copied, Launch, LaunchOutcome, Notification};
use crate::core::update::State;
use crate::core::vpn::Verdict;

/// A notification in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// It replaces the one of the same category.
    pub category: Category,
    /// First line.
    pub title: String,
    /// The text.
    pub body: String,
    /// Buttons, in order.
    pub actions: Vec<(String, Action)>,
    /// Whether it stays until it is dealt with, and may break through "do not disturb".
    pub urgent: bool,
    /// Whether it needs no place in the notification list (an answer to a click, shown a few seconds).
    pub transient: bool,
}

impl Notice {
    fn new(category: Category, title: impl Into<String>, body: impl Into<String>) -> Notice {
        let (title, body) = (title.into(), body.into());
        Notice { category, title, body, actions: Vec::new(), urgent: false, transient: false }
    }

    fn button(mut self, label: impl Into<String>, action: Action) -> Notice {
        self.actions.push((label.into(), action));
        self
    }

    fn urgent(self) -> Notice {
        Notice { urgent: true, ..self }
    }

    fn transient(self) -> Notice {
        Notice { transient: true, ..self }
    }
}

/// Puts a notification into words.
pub fn notice(notification: &Notification, state: &State) -> Notice {
    match notification {
        Notification::Vpn(verdict) => vpn(*verdict, state),
        Notification::Shutdown(reminder) => {
            let mut notice = Notice::new(Category::Shutdown, shutdown::title(reminder), shutdown::body(reminder))
                .urgent()
                .button("Éteindre maintenant", Action::ShutDown);
            if !reminder.last {
                notice = notice.button("Plus tard", Action::RemindLater);
            }
            notice.button("Ce soir, ne plus me le rappeler", Action::NotTonight)
        }
        Notification::ConfirmShutdown => Notice::new(
            Category::Shutdown,
            "Éteindre l’ordinateur maintenant ?",
            "Enregistrez d’abord votre travail et fermez vos documents.",
        )
        .urgent()
        .button("Éteindre", Action::ConfirmShutDown)
        .button("Annuler", Action::Cancel),
        Notification::ShutdownFailed => Notice::new(
            Category::Shutdown,
            "L’ordinateur n’a pas pu être éteint",
            "Éteignez-le comme d’habitude, depuis le menu du système.",
        ),
        Notification::Launch(launch) => launched(launch, state),
        Notification::ConfigBroken => {
            let where_ = state
                .problems
                .first()
                .map(|problem| format!(" ({})", super::config::problem(problem)))
                .unwrap_or_default();
            Notice::new(
                Category::Program,
                "Configuration de Vigie en partie ignorée",
                format!("Un fichier de configuration contient une erreur{where_}. Vigie fonctionne sans lui."),
            )
            .button("Voir le panneau", Action::ShowPanel)
        }
        Notification::NoTrayHost => Notice::new(
            Category::Program,
            "L’icône de Vigie ne peut pas s’afficher",
            "Ce bureau n’a pas de zone de notification. Le panneau de Vigie la remplace ; relancez Vigie pour le revoir.",
        ),
        Notification::Copied(Copied::Code(id)) => {
            let code = state.profile.code(id);
            let (code, label) = code.map_or(("", ""), |code| (&code.code, &code.label));
            Notice::new(Category::Answer, format!("{code} est copié"), label).transient()
        }
        Notification::Copied(Copied::SupportInfo) => Notice::new(
            Category::Answer,
            "Les infos pour l’assistance sont copiées",
            "Collez-les dans votre message ou dans votre demande AMIGO (Ctrl + V).",
        )
        .transient(),
        Notification::CopyFailed => Notice::new(
            Category::Answer,
            "La copie n’a pas fonctionné",
            "Le presse-papiers ne répond pas. Réessayez dans un instant.",
        ),
        Notification::About => Notice::new(
            Category::Answer,
            format!("Vigie {}", env!("CARGO_PKG_VERSION")),
            format!(
                "{}, d’après le {} du {}.",
                state.profile.about.organisation,
                state.profile.about.guide,
                french::date(state.profile.about.guide_date)
            ),
        ),
        Notification::AskSite => {
            let question = Notice::new(
                Category::Program,
                "Quel est votre site ?",
                "Vigie choisit d’après lui le serveur VPN et les liens. Vous pourrez en changer dans le menu.",
            );
            state
                .profile
                .sites
                .iter()
                .fold(question, |notice, site| notice.button(site.name.clone(), Action::SetSite(site.id.clone())))
        }
    }
}

fn vpn(verdict: Verdict, state: &State) -> Notice {
    let detail = verdict::detail(state);
    let notice = match verdict {
        Verdict::Disconnected => Notice::new(Category::Vpn, "VPN déconnecté", lost(state)),
        Verdict::Offline => Notice::new(Category::Vpn, "Hors ligne", format!("{detail} {}", lost(state))),
        Verdict::Stalled => Notice::new(Category::Vpn, "Le VPN ne répond plus", detail),
        Verdict::Captive => Notice::new(Category::Vpn, "Connexion limitée", detail),
        Verdict::Connected => Notice::new(Category::Vpn, "VPN connecté", detail).transient(),
        Verdict::Unknown | Verdict::Connecting | Verdict::OnSite => {
            Notice::new(Category::Vpn, verdict::headline(state), detail).transient()
        }
    };
    match verdict {
        Verdict::Disconnected | Verdict::Stalled => notice.button("Se reconnecter", Action::Connect),
        Verdict::Captive => notice.button("Réessayer", Action::Refresh),
        Verdict::Unknown | Verdict::Offline | Verdict::Connecting | Verdict::Connected | Verdict::OnSite => notice,
    }
}

/// What is out of reach, by name.
fn lost(state: &State) -> String {
    let letters: Vec<String> = state.profile.drives.iter().map(|drive| format!("{}:", drive.letter)).collect();
    format!("Les lecteurs {} et les applications métiers sont hors d’atteinte.", letters.join(", "))
}

fn launched(launch: &Launch, state: &State) -> Notice {
    let name = name(&launch.id, state);
    let answer = |title: String, body: &str| Notice::new(Category::Answer, title, body);
    match &launch.outcome {
        LaunchOutcome::Started => answer(format!("{name} s’ouvre"), "").transient(),
        LaunchOutcome::MissingOpenedSelfService => answer(
            format!("{name} n’est pas installé"),
            "WAPT Self Service s’ouvre sur ce logiciel : cliquez sur « Installer », puis recommencez.",
        ),
        LaunchOutcome::MissingOpenedDownload => answer(
            format!("{name} n’est pas installé"),
            "La page de téléchargement s’ouvre dans votre navigateur : enregistrez le programme, puis lancez-le.",
        ),
        LaunchOutcome::Missing => answer(
            format!("{name} est introuvable sur cet ordinateur"),
            "Contactez l’assistance AMIGO pour le faire installer.",
        )
        .button("Ouvrir AMIGO", Action::Open(state.profile.helpdesk.link.clone())),
        LaunchOutcome::Failed(_) => answer(
            format!("{name} ne s’est pas ouvert"),
            "Réessayez ; si cela se répète, contactez l’assistance AMIGO.",
        )
        .button("Réessayer", retry(&launch.id, state))
        .button("Ouvrir AMIGO", Action::Open(state.profile.helpdesk.link.clone())),
    }
}

/// What the user calls the thing that was to be started.
fn name(id: &str, state: &State) -> String {
    let profile = &state.profile;
    let drive = || profile.drives.iter().find(|drive| id == drive.letter.to_string());
    (profile.program(id).map(|program| program.label.clone()))
        .or_else(|| profile.link(id).map(|link| link.label.clone()))
        .or_else(|| profile.code(id).map(|code| format!("{} ({})", code.label, code.code)))
        .or_else(|| drive().map(|drive| format!("Le lecteur {}: ({})", drive.letter, drives::purpose(drive.holds))))
        .unwrap_or_else(|| format!("« {id} »"))
}

fn retry(id: &str, state: &State) -> Action {
    let mut letters = state.profile.drives.iter().map(|drive| drive.letter);
    match letters.find(|letter| id == letter.to_string()) {
        Some(letter) => Action::OpenDrive(letter),
        None if state.profile.code(id).is_some() => Action::Dial(id.into()),
        None => Action::Open(id.into()),
    }
}
