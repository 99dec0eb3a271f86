//! The window for connecting as a value.
//!
//! The window is `vigie-panel` with `ToPanel::Connect` as its first line; its label is `connect`. The page calls
//! `watch_form` with a channel, and receives a [`Form`] at once and whenever it changes. It calls `rendered` when it has
//! drawn the form, `request` with an action of [`Form::buttons`] or [`Message::buttons`], `submit` with a [`Submission`]
//! when the user sends the form, and `close`.
//!
//! The page keeps only what the user typed, in its own fields; the model never carries a secret. It empties PIN and
//! digits as soon as the form is accepted: when [`Form::submissions`] grows without [`Form::errors`], or while
//! [`Form::busy`]. It removes blanks from digits that were pasted ("123 456"); everything else is checked here
//! ([`Form::errors`]). While [`Form::busy`] nothing can be sent. The tray closes the window when the tunnel is up.

use super::panel::{self, Button, button};
use super::{french, helpdesk, vpn};
use serde::{Deserialize, Serialize};
use vigie_core::connect::{
    ClientDetection, ConnectError, ConnectMethod, Field, FormError, Keyring, Obstacle, Phase, Stage, Submission,
    VpnClient,
};
use vigie_core::message::{Action, HelpTopic};
use vigie_core::state::{Question, State};
use vigie_core::vpn::{Reason, VpnStatus};
use vigie_profile::{Id, VpnConfig};

/// All that the window shows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Form {
    /// The sites to choose from.
    pub sites: Vec<SiteChoice>,
    /// The one that is chosen at first.
    pub site: Option<Id>,
    /// The stored identifier; empty if there is none.
    pub identifier: String,
    /// What to type as identifier.
    pub identifier_hint: String,
    /// What to type as PIN and digits.
    pub passcode_hint: String,
    /// Whether the keyring holds a PIN: then the field may stay closed, and `Pin::Remembered` is sent.
    pub pin_remembered: bool,
    /// Whether the user may let the keyring hold the PIN.
    pub may_remember_pin: bool,
    /// Minimum length of a PIN, in characters.
    pub pin_min: u8,
    /// Maximum length of a PIN, in characters.
    pub pin_max: u8,
    /// How many characters a field takes: more than any identifier or PIN has.
    pub max_chars: u16,
    /// How many forms the user has sent; distinguishes an answer with the same errors from no answer yet.
    pub submissions: u32,
    /// What is wrong with the form that was sent, at most one error per field.
    pub errors: Vec<FieldError>,
    /// The message above the fields.
    pub message: Option<Message>,
    /// Whether an attempt is under way.
    pub busy: bool,
    /// Whether the form can be sent to connect: stricter than [`State::offers_connect`], as the client must be known
    /// and able to connect, and the account not about to be locked.
    pub can_connect: bool,
    /// Whether the form can be sent to put the passcode on the clipboard and open the client's own window
    /// ([`ConnectMethod::Clipboard`]): the button's label. Then it asks for PIN and digits only.
    pub by_hand: Option<String>,
    /// Other buttons.
    pub buttons: Vec<Button>,
}

/// A site to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SiteChoice {
    /// What [`Submission::site`] is to hold.
    pub id: Id,
    /// What the user reads.
    pub label: String,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct FieldError {
    /// The field.
    pub field: Field,
    /// What the user reads.
    pub text: String,
}

/// A message above the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Message {
    /// How serious it is.
    pub tone: Tone,
    /// The heading.
    pub title: String,
    /// What to do.
    pub text: String,
    /// Actions that may help.
    pub buttons: Vec<Button>,
}

/// How serious a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// Under way.
    Info,
    /// It succeeded.
    Success,
    /// Something is not as usual.
    Warning,
    /// It failed.
    Error,
}

impl Form {
    /// Whether the form offers that action. The page may request no other.
    pub fn offers(&self, action: &Action) -> bool {
        let helping = self.message.iter().flat_map(|message| &message.buttons);
        self.buttons.iter().chain(helping).any(|button| button.action == *action)
    }

    /// Whether the form can be sent in that way. The page may send it in no other.
    pub fn takes(&self, form: &Submission) -> bool {
        match form.way {
            ConnectMethod::Connect => self.can_connect,
            ConnectMethod::Clipboard => self.by_hand.is_some(),
        }
    }
}

/// The title of the question whether to forget identifier and PIN.
pub(super) const FORGET_TITLE: &str = "Oublier vos identifiants ?";
/// The text below [`FORGET_TITLE`].
pub(super) const FORGET_TEXT: &str = "Cet ordinateur ne gardera plus ni votre identifiant VPN ni votre code \
                                      PIN : vous les taperez à la prochaine connexion.";

/// Returns the answers to that question: first the one that changes nothing.
pub(super) fn forget_answers() -> [Button; 2] {
    [button("Non, les garder", Action::Cancel), button("Oui, les oublier", Action::ConfirmForget)]
}

/// Returns the window for a state.
pub fn form(state: &State) -> Form {
    let (profile, connect) = (&state.profile, &state.connect);
    let vpn = &profile.vpn;
    let stored = connect.stored.clone().unwrap_or_default();
    let busy = connect.is_attempting();
    // Connecting by hand uses up tries as well.
    let usable = state.offers_connect() && !connect.is_blocked(&state.now, vpn);
    let by_hand = match connect.client {
        ClientDetection::Pending | ClientDetection::Missing => false,
        ClientDetection::WindowOnly => true,
        ClientDetection::Found(_) => connect.obstacle == Some(Obstacle::ClientWindow),
    };
    let mut buttons = Vec::new();
    if busy {
        buttons.push(button("Annuler", Action::CancelConnect));
    }
    if state.question == Some(Question::ForgetCredentials) {
        buttons.extend(forget_answers());
    } else if stored.identifier.is_some() || stored.pin {
        buttons.push(button("Oublier mes identifiants", Action::ForgetCredentials));
    }
    Form {
        sites: (profile.sites.iter())
            .map(|site| SiteChoice { id: site.id.clone(), label: french::site(site) })
            .collect(),
        site: state.site().map(|site| site.id.clone()),
        identifier: stored.identifier.unwrap_or_default(),
        identifier_hint: french::typeset(&profile.advice.vpn_username),
        passcode_hint: french::typeset(&profile.advice.vpn_passcode),
        pin_remembered: stored.pin,
        // When connecting by hand, the gateway's answer is not known here.
        may_remember_pin: vpn.store_pin && stored.keyring == Keyring::Ready && !by_hand,
        pin_min: vpn.pin_min,
        pin_max: vpn.pin_max,
        max_chars: 256,
        submissions: connect.submissions,
        errors: (connect.form_errors.iter())
            .map(|error| FieldError { field: error.field(), text: french::typeset(error_text(*error, vpn)) })
            .collect(),
        message: message(state),
        busy,
        can_connect: usable && !by_hand && matches!(connect.client, ClientDetection::Found(_)),
        by_hand: (usable && by_hand).then(|| french::typeset(format!("Copier le code et ouvrir {}", client(state)))),
        buttons,
    }
}

/// Returns the client's name.
pub(super) fn client(state: &State) -> &str {
    state.profile.program(&state.profile.vpn.client).map_or("le client VPN", |program| &program.label)
}

/// "la fenêtre de Cisco Secure Client": the client's own window.
pub(super) fn client_window(state: &State) -> String {
    let label = state.profile.program(&state.profile.vpn.client).map(|program| program.label.as_str());
    match label {
        None => "la fenêtre du client VPN".into(),
        Some(label) if label.starts_with(['A', 'E', 'I', 'O', 'U', 'Y']) => format!("la fenêtre d’{label}"),
        Some(label) => format!("la fenêtre de {label}"),
    }
}

/// Returns the button that opens the client's own window.
pub(super) fn open_client(state: &State) -> Button {
    button(format!("Ouvrir {}", client(state)), Action::OpenClient)
}

/// Returns that button, unless another machine has the gateway's place, to which the window would send the PIN.
pub(super) fn offer_client(state: &State) -> Option<Button> {
    (state.vpn.reason() != Reason::PinMismatch).then(|| open_client(state))
}

/// Returns what is wrong with a field.
fn error_text(error: FormError, vpn: &VpnConfig) -> String {
    match error {
        FormError::Site => "Choisissez votre site.".into(),
        FormError::NoIdentifier => "Tapez votre identifiant académique, celui de la messagerie.".into(),
        FormError::OddIdentifier => "Un identifiant n’a ni espace ni accent : tapez celui de la messagerie.".into(),
        FormError::NoPin => "Tapez votre code PIN.".into(),
        FormError::OddPin => "Un code PIN n’a ni espace ni accent.".into(),
        FormError::PinWithDigits => "Tapez ici le code PIN seul ; les 6 chiffres vont dans l’autre champ.".into(),
        FormError::PinLength if vpn.pin_min == vpn.pin_max => format!("Le code PIN a {} caractères.", vpn.pin_min),
        FormError::PinLength => format!("Le code PIN a de {} à {} caractères.", vpn.pin_min, vpn.pin_max),
        FormError::NothingRemembered => "Votre code PIN n’est pas enregistré : tapez-le.".into(),
        FormError::Digits => "Tapez les 6 chiffres qu’affiche votre clé OTP.".into(),
    }
}

/// Returns the message above the fields. It follows the status, no matter who opened or closed the tunnel.
fn message(state: &State) -> Option<Message> {
    let connect = &state.connect;
    let status = state.vpn.status();
    let stage = match connect.phase {
        Phase::Connecting(stage) => Some(stage),
        // Cisco's own window may be connecting, or the sensors have not seen the new tunnel yet.
        Phase::Idle | Phase::Failed(_) => {
            let establishing =
                status == VpnStatus::Connecting || (connect.is_connecting() && status.reaches_intranet() != Some(true));
            establishing.then_some(Stage::Establishing)
        }
    };
    if let Some(stage) = stage {
        let title = match stage {
            Stage::Contacting => "Appel du serveur VPN…",
            Stage::Verifying => "Le serveur VPN vérifie votre code…",
            Stage::Establishing => "La connexion s’établit…",
        };
        return Some(say(Tone::Info, title, "Cela prend quelques secondes.", Vec::new()));
    }
    let asks = state.question == Some(Question::ForgetCredentials);
    if status.reaches_intranet() == Some(true) {
        let title = if status == VpnStatus::OnSite { "Sur site, VPN inutile" } else { "VPN connecté" };
        let disconnect = state.offers_disconnect().then(|| button(panel::DISCONNECT, Action::Disconnect));
        let buttons = disconnect.into_iter().collect();
        let question = format!("{FORGET_TITLE} {FORGET_TEXT}");
        let text = if asks { &question } else { "Vous pouvez fermer cette fenêtre." };
        return Some(say(Tone::Success, title, text, buttons));
    }
    if asks {
        return Some(say(Tone::Warning, FORGET_TITLE, FORGET_TEXT, Vec::new()));
    }
    if connect.is_blocked(&state.now, &state.profile.vpn) {
        return Some(blocked_message(state));
    }
    match &connect.phase {
        // A lock that no longer counts here may have been lifted: the form can be used.
        Phase::Idle | Phase::Connecting(_) | Phase::Failed(ConnectError::Locked) => idle(state),
        // What keeps the user from connecting was found after the attempt.
        Phase::Failed(_) if !state.offers_connect() => idle(state),
        Phase::Failed(error) => Some(failed(error, state)),
    }
}

/// Whether an attempt would fail, as far as is known.
fn would_fail(state: &State) -> bool {
    let without_network = matches!(state.vpn.status(), VpnStatus::Offline | VpnStatus::Captive);
    without_network
        || matches!(
            state.vpn.reason(),
            Reason::AddressConflict
                | Reason::ClockWrong
                | Reason::CertificateExpired
                | Reason::CertificateUntrusted
                | Reason::CertificateIncomplete
                | Reason::OldTls
                | Reason::PinMismatch
        )
}

/// Returns the message before anything was tried.
fn idle(state: &State) -> Option<Message> {
    let connect = &state.connect;
    if connect.client == ClientDetection::Missing {
        let text = format!("Sans « {} », le VPN ne s’ouvre pas. L’assistance AMIGO peut l’installer.", client(state));
        let ask = vec![helpdesk::ask(HelpTopic::Vpn)];
        return Some(say(Tone::Error, "Aucun client VPN n’a été trouvé sur cet ordinateur", &text, ask));
    }
    if would_fail(state) && connect.client != ClientDetection::Pending {
        // The digits would be typed in vain.
        let buttons = panel::vpn_buttons(state).into_iter().filter(|button| button.action != Action::Connect);
        return Some(say(Tone::Warning, vpn::title(state), &vpn::detail(state), buttons.collect()));
    }
    if connect.client == ClientDetection::WindowOnly {
        return Some(failed(&ConnectError::NoDrivableClient, state));
    }
    if connect.opened_after_sleep {
        let text = "Pour vous reconnecter, tapez les 6 nouveaux chiffres de votre clé OTP.";
        return Some(say(Tone::Info, "Le VPN s’est déconnecté pendant la veille", text, Vec::new()));
    }
    match connect.obstacle.filter(|_| connect.client != ClientDetection::Pending) {
        None => {}
        Some(Obstacle::ClientWindow) => {
            let title = format!("{} est déjà ouvert", client(state));
            return Some(say(Tone::Info, title, &by_hand(state), vec![open_client(state)]));
        }
        Some(Obstacle::RemoteSession) => {
            let text = "Le client VPN refuse en général de s’ouvrir d’ici, même avec le bon code. Mieux vaut ouvrir le VPN \
                        devant l’écran de cet ordinateur.";
            return Some(say(Tone::Warning, "Vous êtes dans une session à distance", text, Vec::new()));
        }
    }
    let text = "Vous pouvez vous connecter quand même : tapez votre code PIN et les 6 chiffres de la clé OTP.";
    match connect.stored.as_ref()?.keyring {
        Keyring::Ready => None,
        Keyring::Locked | Keyring::Absent => {
            Some(say(Tone::Warning, "Votre code PIN ne peut pas être retenu pour l’instant", text, Vec::new()))
        }
    }
}

/// Returns how to connect by hand in the client's own window: a step per line.
fn by_hand(state: &State) -> String {
    let server = state.site().map_or_else(
        || "l’adresse du serveur de votre site".to_owned(),
        |site| format!("l’adresse du serveur {}", site.gateway),
    );
    let stored = state.connect.stored.as_ref().and_then(|stored| stored.identifier.as_ref());
    let identifier = stored.map_or_else(
        || "votre identifiant académique, celui de la messagerie".to_owned(),
        |identifier| format!("votre identifiant académique, {identifier}"),
    );
    format!(
        "1. Dans {}, choisissez {server}, puis cliquez sur son bouton de connexion.\n\
         2. Sous « Username », tapez {identifier}.\n\
         3. Dans la fenêtre de Vigie, tapez votre code PIN et les 6 chiffres, puis copiez le code.\n\
         4. Sous « Passcode », collez-le (Ctrl + V), dans les 30 secondes. Si rien ne se colle, reprenez à l’étape 3.",
        client_window(state)
    )
}

/// Returns the message while no passcode may be sent: the account is locked, or one more refusal could lock it.
fn blocked_message(state: &State) -> Message {
    let (title, text) = if state.connect.is_locked() {
        (
            "Votre compte est verrouillé",
            "N’essayez plus : aucun code ne sera accepté. Contactez l’assistance AMIGO, qui peut le déverrouiller.",
        )
    } else {
        (
            "Trop de codes refusés",
            "N’essayez plus : un essai de trop verrouille le compte. L’assistance AMIGO vérifie votre code PIN et votre \
             clé OTP.",
        )
    };
    // A locked account stays so until AMIGO unlocks it: a time to try again would contradict that.
    let until = state.connect.blocked_until().filter(|_| !state.connect.is_locked());
    let until = until.map(|at| at.to_zoned_datetime(state.now.wall.time_zone().clone()));
    let until = until.map(|at| format!(" Vigie permet un nouvel essai à partir de {}.", french::time(at.time())));
    let text = format!("{text}{} {}", until.unwrap_or_default(), helpdesk::urgent(state));
    say(Tone::Error, title, &text, vec![helpdesk::ask(HelpTopic::Credentials)])
}

/// Returns how many more codes may be refused: " Il reste 2 essais.".
fn tries_left(state: &State) -> String {
    match state.connect.tries_left(&state.now, &state.profile.vpn) {
        0 => String::new(),
        1 => " Il reste un seul essai.".into(),
        tries => format!(" Il reste {tries} essais."),
    }
}

/// Returns why an attempt failed, and what to do.
pub fn failed(reason: &ConnectError, state: &State) -> Message {
    let by_hand = by_hand(state);
    let (tone, title, text, buttons) = match reason {
        ConnectError::WrongPasscode if state.connect.is_blocked(&state.now, &state.profile.vpn) => {
            return blocked_message(state);
        }
        ConnectError::WrongPasscode => (
            Tone::Error,
            "Code refusé".into(),
            "Vérifiez votre identifiant et votre code PIN, puis attendez que la clé OTP affiche 6 nouveaux chiffres : \
             un code ne sert qu’une fois.",
            Vec::new(),
        ),
        ConnectError::Locked => return blocked_message(state),
        ConnectError::Unreachable => (
            Tone::Error,
            "Le serveur VPN ne répond pas".into(),
            "Vérifiez votre connexion à Internet. Si c’est un Wi-Fi public, cliquez sur « Se connecter au Wi-Fi public ».",
            vec![button(vpn::OPEN_PORTAL, Action::OpenPortal)],
        ),
        ConnectError::Untrusted => (
            Tone::Error,
            "Le serveur VPN n’est pas reconnu".into(),
            "Son certificat n’est pas celui attendu : rien ne lui a été envoyé. Essayez depuis un autre réseau ; si cela \
             se répète, contactez l’assistance AMIGO.",
            vec![helpdesk::ask(HelpTopic::Vpn)],
        ),
        ConnectError::Refused => (
            Tone::Error,
            "Le serveur VPN n’accepte pas cet ordinateur".into(),
            "Il manque à cet ordinateur un certificat ou une autorisation. Contactez l’assistance AMIGO.",
            vec![helpdesk::ask(HelpTopic::Vpn)],
        ),
        ConnectError::UnsupportedPrompt => {
            return by_other_means("Le serveur VPN demande autre chose qu’un code", state);
        }
        ConnectError::BrowserLogin => {
            return by_other_means("Le serveur VPN demande une connexion par navigateur", state);
        }
        ConnectError::HostScan => return by_other_means("Le serveur VPN veut contrôler cet ordinateur", state),
        ConnectError::RemoteSession => (
            Tone::Error,
            "Le VPN ne s’ouvre pas depuis une session à distance".into(),
            "Votre code n’est pas en cause : ouvrez le VPN devant l’écran de cet ordinateur, ou contactez l’assistance \
             AMIGO.",
            vec![helpdesk::ask(HelpTopic::Vpn)],
        ),
        ConnectError::ServiceStopped => (
            Tone::Error,
            "Le service du client VPN est arrêté".into(),
            "Redémarrez l’ordinateur ; si cela se répète, contactez l’assistance AMIGO.",
            vec![helpdesk::ask(HelpTopic::Vpn)],
        ),
        ConnectError::NoDrivableClient => {
            (Tone::Info, format!("La connexion se fait dans {}", client(state)), &*by_hand, vec![open_client(state)])
        }
        ConnectError::Held => (
            Tone::Warning,
            format!("{} est déjà ouvert", client(state)),
            "C’est lui qui gère la connexion : collez votre code, déjà copié, dans sa fenêtre (Ctrl + V), ou fermez-le puis \
             recommencez ici.",
            vec![open_client(state)],
        ),
        ConnectError::NotAllowed => (
            Tone::Error,
            "Le système n’a pas autorisé la connexion".into(),
            "Cet ordinateur demande une autorisation pour ouvrir le VPN. Recommencez, ou contactez l’assistance AMIGO.",
            vec![helpdesk::ask(HelpTopic::Vpn)],
        ),
        ConnectError::PinLost => (
            Tone::Warning,
            "Votre code PIN n’a pas pu être relu".into(),
            "Le gestionnaire de mots de passe de cet ordinateur est verrouillé ou ne répond pas : tapez simplement votre code PIN.",
            Vec::new(),
        ),
        ConnectError::TimedOut => (
            Tone::Error,
            "La connexion a pris trop de temps".into(),
            "Attendez que la clé OTP affiche 6 nouveaux chiffres, puis recommencez.",
            // Its window may know why.
            if state.connect.client == ClientDetection::Found(VpnClient::Cisco) {
                vec![open_client(state)]
            } else {
                Vec::new()
            },
        ),
        ConnectError::Cancelled => (
            Tone::Info,
            "Connexion annulée".into(),
            "Pour recommencer, attendez que la clé OTP affiche 6 nouveaux chiffres.",
            Vec::new(),
        ),
        ConnectError::Unknown(_) => (
            Tone::Error,
            "La connexion n’a pas abouti".into(),
            "Recommencez avec 6 nouveaux chiffres ; si cela se répète, contactez l’assistance AMIGO.",
            vec![helpdesk::ask(HelpTopic::Vpn)],
        ),
    };
    let tries = if matches!(reason, ConnectError::WrongPasscode) { tries_left(state) } else { String::new() };
    say(tone, title, &format!("{text}{tries}"), buttons)
}

fn say(tone: Tone, title: impl Into<String>, text: &str, buttons: Vec<Button>) -> Message {
    Message { tone, title: french::typeset(title), text: french::typeset(text), buttons }
}

/// Returns what to do if the gateway asks for something that Vigie cannot have the client send: Cisco's own window can
/// send it, OpenConnect has no window.
fn by_other_means(title: &str, state: &State) -> Message {
    let (text, button) = if state.connect.client == ClientDetection::Found(VpnClient::OpenConnect) {
        ("Vigie ne peut pas répondre à votre place : contactez l’assistance AMIGO.", helpdesk::ask(HelpTopic::Vpn))
    } else {
        (
            &*format!(
                "Vigie ne peut pas répondre à votre place : connectez-vous dans {}, avec 6 nouveaux chiffres.",
                client_window(state)
            ),
            open_client(state),
        )
    };
    say(Tone::Warning, title, text, vec![button])
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_core::connect::{AttemptHistory, ConnectProgress, Pin, StoredCredentials};
    use vigie_core::fixture::{TUNNEL, correct, home, known, now, probe, silent, submission, with_tunnel};
    use vigie_core::message::{Effect, Event, RequestId, SensorRequest};
    use vigie_core::update::update;
    use vigie_core::vpn::{Gateway, Links, Witness};

    fn on(state: &mut State, event: Event) {
        update(state, event, now("2026-11-24T10:00"));
    }

    fn at_the_form(client: Option<VpnClient>, remembered: StoredCredentials) -> State {
        let mut state = known();
        on(&mut state, Event::Action(Action::Connect));
        let client = client.map_or(ClientDetection::WindowOnly, ClientDetection::Found);
        on(&mut state, Event::ConnectReady(client, remembered));
        state
    }

    fn after(progress: Result<ConnectProgress, ConnectError>) -> State {
        let mut state = at_the_form(Some(VpnClient::Cisco), StoredCredentials::default());
        on(&mut state, Event::FormSubmitted(submission()));
        on(&mut state, Event::ConnectProgress(RequestId::new(1), progress));
        state
    }

    /// Returns the message above the fields, in one line.
    fn says(state: &State) -> String {
        let Some(message) = form(state).message else { return String::new() };
        let buttons: Vec<String> = message.buttons.iter().map(|button| format!("[{}]", button.label)).collect();
        let text = [&[message.title, message.text][..], &buttons].concat().join(" | ");
        text.replace('\u{a0}', " ")
    }

    #[test]
    fn form_is_prefilled_with_what_is_known() {
        let state = at_the_form(Some(VpnClient::Cisco), StoredCredentials::default());
        let empty = form(&state);
        assert_eq!(empty.sites.iter().map(|site| site.id.as_str()).collect::<Vec<_>>(), ["caen", "rouen"]);
        assert_eq!(empty.site.as_deref(), Some("caen"));
        assert_eq!((empty.identifier.as_str(), empty.pin_remembered, empty.may_remember_pin), ("", false, true));
        assert!(empty.can_connect && !empty.busy && empty.by_hand.is_none() && empty.message.is_none());
        assert!(empty.buttons.is_empty());

        let remembered = StoredCredentials { identifier: Some("mdupont".into()), pin: true, keyring: Keyring::Ready };
        let filled = form(&at_the_form(Some(VpnClient::Cisco), remembered));
        assert_eq!((filled.identifier.as_str(), filled.pin_remembered), ("mdupont", true));
        assert!(filled.offers(&Action::ForgetCredentials) && !filled.offers(&Action::CancelConnect));
    }

    #[test]
    fn window_that_opens_by_itself_gives_the_reason() {
        let mut state = at_the_form(Some(VpnClient::Cisco), StoredCredentials::default());
        assert_eq!(says(&state), "");
        state.connect.opened_after_sleep = true;
        assert!(says(&state).starts_with("Le VPN s’est déconnecté pendant la veille | Pour vous reconnecter"));
        assert!(form(&state).can_connect);
    }

    #[test]
    fn errors_belong_to_their_fields() {
        let mut state = at_the_form(Some(VpnClient::Cisco), StoredCredentials::default());
        let wrong = Submission {
            site: "paris".into(),
            identifier: String::new(),
            pin: Pin::Typed("12".to_owned().into()),
            digits: "12".to_owned().into(),
            ..submission()
        };
        on(&mut state, Event::FormSubmitted(wrong));
        let errors: Vec<String> =
            form(&state).errors.iter().map(|error| format!("{:?}: {}", error.field, error.text)).collect();
        assert_eq!(
            errors,
            [
                "Site: Choisissez votre site.",
                "Identifier: Tapez votre identifiant académique, celui de la messagerie.",
                "Pin: Le code PIN a de 4 à 16\u{a0}caractères.",
                "Digits: Tapez les 6\u{a0}chiffres qu’affiche votre clé OTP.",
            ]
        );
    }

    #[test]
    fn progress_has_its_messages() {
        let rows = [
            (Ok(ConnectProgress::Stage(Stage::Contacting)), "Appel du serveur VPN… | Cela prend quelques secondes."),
            (
                Ok(ConnectProgress::Stage(Stage::Verifying)),
                "Le serveur VPN vérifie votre code… | Cela prend quelques secondes.",
            ),
            (
                Ok(ConnectProgress::Stage(Stage::Establishing)),
                "La connexion s’établit… | Cela prend quelques secondes.",
            ),
            (
                // Until the sensors have read the interfaces.
                Ok(ConnectProgress::Connected),
                "La connexion s’établit… | Cela prend quelques secondes.",
            ),
        ];
        for (progress, text) in rows {
            let busy = progress != Ok(ConnectProgress::Connected);
            let state = after(progress);
            assert_eq!(says(&state), text);
            assert_eq!((form(&state).busy, form(&state).offers(&Action::CancelConnect)), (busy, busy));
        }
    }

    #[test]
    fn success_is_shown_only_while_the_tunnel_works() {
        let mut state = after(Ok(ConnectProgress::Connected));
        let mut see = |links: Links, witnesses: Vec<Witness>, time: &str| {
            let now = now(&format!("2026-11-24T{time}"));
            let effects = update(&mut state, Event::Links(links), now.clone());
            let id = effects.iter().find_map(|effect| {
                let Effect::Request(SensorRequest::Probe(request)) = effect else { return None };
                Some(request.id)
            });
            let probe = probe(id.unwrap(), witnesses, Some(Gateway::Answered));
            update(&mut state, Event::Probed(probe), now);
            says(&state)
        };
        let connected = "VPN connecté | Vous pouvez fermer cette fenêtre. | [Se déconnecter du VPN]";
        assert_eq!(see(with_tunnel(home()), correct(TUNNEL), "10:00:01"), connected);
        // Ended in Cisco's own window: only the interfaces show it.
        assert_eq!(see(home(), silent(), "10:30"), "");
        assert!(form(&state).can_connect && !state.offers_disconnect());
        let again = vigie_core::fixture::standing(VpnStatus::Connected);
        assert_eq!(says(&again), "VPN connecté | Vous pouvez fermer cette fenêtre.");
        assert!(!form(&again).can_connect);
    }

    #[test]
    fn each_failure_says_what_to_do() {
        let rows = [
            (ConnectError::WrongPasscode, "Code refusé", ""),
            (ConnectError::Unreachable, "Le serveur VPN ne répond pas", ""),
            (ConnectError::Untrusted, "Le serveur VPN n’est pas reconnu", "[Demander à AMIGO]"),
            (ConnectError::Refused, "Le serveur VPN n’accepte pas cet ordinateur", "[Demander à AMIGO]"),
            (
                ConnectError::UnsupportedPrompt,
                "Le serveur VPN demande autre chose qu’un code",
                "[Ouvrir Cisco Secure Client]",
            ),
            (
                ConnectError::BrowserLogin,
                "Le serveur VPN demande une connexion par navigateur",
                "[Ouvrir Cisco Secure Client]",
            ),
            (ConnectError::HostScan, "Le serveur VPN veut contrôler cet ordinateur", "[Ouvrir Cisco Secure Client]"),
            (ConnectError::RemoteSession, "Le VPN ne s’ouvre pas depuis une session à distance", "[Demander à AMIGO]"),
            (ConnectError::ServiceStopped, "Le service du client VPN est arrêté", "[Demander à AMIGO]"),
            (
                ConnectError::NoDrivableClient,
                "La connexion se fait dans Cisco Secure Client",
                "[Ouvrir Cisco Secure Client]",
            ),
            (ConnectError::Held, "Cisco Secure Client est déjà ouvert", "[Ouvrir Cisco Secure Client]"),
            (ConnectError::NotAllowed, "Le système n’a pas autorisé la connexion", "[Demander à AMIGO]"),
            (ConnectError::PinLost, "Votre code PIN n’a pas pu être relu", ""),
            (ConnectError::TimedOut, "La connexion a pris trop de temps", "[Ouvrir Cisco Secure Client]"),
            (ConnectError::Cancelled, "Connexion annulée", ""),
            (ConnectError::Unknown("secret words".into()), "La connexion n’a pas abouti", "[Demander à AMIGO]"),
            (ConnectError::Locked, "Votre compte est verrouillé", "[Demander à AMIGO]"),
        ];
        for (reason, begins, ends) in rows {
            let locked = reason == ConnectError::Locked;
            let state = after(Err(reason));
            let said = says(&state);
            assert!(said.starts_with(begins) && said.ends_with(ends), "{said}");
            assert!(!said.contains("secret words"));
            assert!(!(locked && said.contains("nouvel essai")), "a locked account stays locked: {said}");
            assert_eq!(form(&state).can_connect, !locked);
        }
    }

    #[test]
    fn a_lock_that_no_longer_counts_leaves_no_message_over_the_form() {
        let mut state = after(Err(ConnectError::Locked));
        assert!(says(&state).starts_with("Votre compte est verrouillé") && !form(&state).can_connect);
        update(&mut state, Event::Tick, now("2026-11-24T11:00"));
        assert_eq!((says(&state).as_str(), form(&state).can_connect), ("", true));
    }

    #[test]
    fn what_would_fail_is_said_before_a_code_is_typed() {
        use vigie_core::vpn::Gateway;
        let rows = [
            (Gateway::Answered, "", true),
            (Gateway::ClockWrong, "[Régler la date et l’heure]", true),
            (Gateway::Expired, "[Demander à AMIGO]", true),
            (Gateway::OldTls, "[Demander à AMIGO]", true),
            (Gateway::PinMismatch, "[Vérifier maintenant] | [Demander à AMIGO]", false),
        ];
        for (gateway, ends, usable) in rows {
            let mut state = at_the_form(Some(VpnClient::Cisco), StoredCredentials::default());
            let effects = update(&mut state, Event::Links(home()), now("2026-11-24T10:01"));
            let id = effects.iter().find_map(|effect| {
                let Effect::Request(SensorRequest::Probe(request)) = effect else { return None };
                Some(request.id)
            });
            update(&mut state, Event::Probed(probe(id.unwrap(), silent(), Some(gateway))), now("2026-11-24T10:01"));
            let said = says(&state);
            assert!(said.ends_with(ends) && said.is_empty() == ends.is_empty(), "{gateway:?}: {said}");
            assert_eq!(form(&state).can_connect, usable, "{gateway:?}");
            assert_eq!(crate::panel::panel(&state).offers(&Action::Connect), usable, "{gateway:?}");
        }
    }

    #[test]
    fn after_too_many_refusals_only_the_helpdesk_is_offered() {
        let mut state = at_the_form(None, StoredCredentials::default());
        let wrong = AttemptHistory { wrong: 3, locked: false, last: Some(state.now.wall.timestamp()) };
        state.connect = vigie_core::connect::ConnectState::new(wrong);
        state.connect.client = ClientDetection::WindowOnly;
        let form = form(&state);
        assert!(!form.can_connect && form.by_hand.is_none());
        assert!(form.offers(&Action::AskHelpdesk(Some(HelpTopic::Credentials))));
        assert!(says(&state).starts_with("Trop de codes refusés | N’essayez plus"), "{}", says(&state));
    }

    #[test]
    fn clients_window_is_offered_if_no_client_can_be_driven() {
        let form = form(&at_the_form(None, StoredCredentials::default()));
        assert!(!form.can_connect && !form.may_remember_pin && form.offers(&Action::OpenClient));
        assert_eq!(form.by_hand.as_deref(), Some("Copier le code et ouvrir Cisco Secure Client"));
        assert!(
            !form.takes(&submission()) && form.takes(&Submission { way: ConnectMethod::Clipboard, ..submission() })
        );
    }

    #[test]
    fn a_network_that_is_down_is_said_before_a_code_is_typed() {
        for client in [None, Some(VpnClient::OpenConnect)] {
            let mut state = at_the_form(client, StoredCredentials::default());
            on(&mut state, Event::Links(Links::default()));
            assert_eq!(state.vpn.status(), VpnStatus::Offline);
            assert!(says(&state).starts_with("Hors ligne | Aucun réseau"), "{}", says(&state));
            assert!(form(&state).offers(&Action::Refresh), "as its text says");
            state.connect.client = ClientDetection::Pending;
            assert_eq!(says(&state), "", "the fields are there at once");
        }
    }

    #[test]
    fn without_any_client_no_code_is_asked_for() {
        let mut state = at_the_form(None, StoredCredentials::default());
        on(&mut state, Event::ConnectReady(ClientDetection::Missing, StoredCredentials::default()));
        let form = form(&state);
        assert!(!form.can_connect && form.by_hand.is_none() && form.offers(&Action::AskHelpdesk(Some(HelpTopic::Vpn))));
        assert!(says(&state).starts_with("Aucun client VPN n’a été trouvé sur cet ordinateur | "), "{}", says(&state));
    }

    #[test]
    fn by_hand_is_offered_while_the_clients_window_is_open() {
        let mut state = at_the_form(Some(VpnClient::Cisco), StoredCredentials::default());
        on(&mut state, Event::ConnectObstacle(Some(Obstacle::ClientWindow)));
        let held = form(&state);
        assert!(!held.can_connect && !held.may_remember_pin);
        assert_eq!(held.by_hand.as_deref(), Some("Copier le code et ouvrir Cisco Secure Client"));
        assert!(
            says(&state).starts_with("Cisco Secure Client est déjà ouvert | 1. Dans la fenêtre de Cisco"),
            "{}",
            says(&state)
        );
        on(&mut state, Event::ConnectObstacle(None));
        assert!(form(&state).can_connect && form(&state).by_hand.is_none() && says(&state).is_empty());
    }

    #[test]
    fn connecting_by_hand_is_told_in_steps_with_what_is_known() {
        let by_hand = |state: &State| by_hand(state).lines().map(str::to_owned).collect::<Vec<_>>();
        let stored = StoredCredentials { identifier: Some("mdupont".into()), ..StoredCredentials::default() };
        let known = by_hand(&at_the_form(None, stored));
        assert!(known.iter().zip(1..).all(|(step, number)| step.starts_with(&format!("{number}. "))), "{known:?}");
        assert_eq!(known.len(), 4);
        assert!(known[0].contains("l’adresse du serveur portailotp.ac-caen.fr"), "{known:?}");
        assert!(known[1].ends_with("tapez votre identifiant académique, mdupont."), "{known:?}");
        let unknown = by_hand(&at_the_form(None, StoredCredentials::default()));
        assert!(unknown[1].ends_with("celui de la messagerie."), "{unknown:?}");
    }

    #[test]
    fn forgetting_is_asked_with_what_it_means() {
        let stored =
            StoredCredentials { identifier: Some("mdupont".into()), pin: true, ..StoredCredentials::default() };
        let mut state = at_the_form(Some(VpnClient::OpenConnect), stored);
        on(&mut state, Event::Action(Action::ForgetCredentials));
        assert_eq!(says(&state).replace('\u{a0}', " "), format!("{FORGET_TITLE} | {FORGET_TEXT}"));
        assert!(form(&state).offers(&Action::ConfirmForget));
        on(&mut state, Event::Action(Action::Cancel));
        assert_eq!(says(&state), "");
    }

    #[test]
    fn a_remote_session_is_mentioned_before_the_digits_are_typed() {
        let mut state = at_the_form(Some(VpnClient::Cisco), StoredCredentials::default());
        on(&mut state, Event::ConnectObstacle(Some(Obstacle::RemoteSession)));
        assert!(says(&state).starts_with("Vous êtes dans une session à distance"));
        assert!(form(&state).can_connect, "an administrator may allow it");
    }

    #[test]
    fn unusable_keyring_is_reported_and_blocks_nothing() {
        for keyring in [Keyring::Locked, Keyring::Absent] {
            let remembered = StoredCredentials { keyring, ..StoredCredentials::default() };
            let state = at_the_form(Some(VpnClient::OpenConnect), remembered);
            assert!(says(&state).starts_with("Votre code PIN ne peut pas être retenu pour l’instant |"));
            assert!(form(&state).can_connect && !form(&state).may_remember_pin);
        }
    }
}
