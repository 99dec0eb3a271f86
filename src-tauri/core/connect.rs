//! Connecting: one attempt at a time, from the form to the tunnel.
//!
//! The user opens the window ([`Action::Connect`](super::message::Action::Connect)), fills the form and sends it
//! ([`Submission`]); the shell hands the answers to a client ([`ConnectRequest`]) and tells how far it is ([`ConnectProgress`]). Here
//! stands what follows from that. Secrets pass through and are not kept: no field of [`ConnectState`] holds one.

use super::Now;
use super::message::RequestId;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;
use vigie_profile::{Id, VpnConfig, is_valid_identifier, is_valid_passcode};

/// Digits that the one-time-password key shows (guide, section 1: "6 chiffres de la clé OTP").
pub const DIGITS: usize = 6;

/// How long wrong tries count. A gateway that counts them forgets them in a shorter time.
const WRONG_TRIES_COUNT: SignedDuration = SignedDuration::from_mins(30);

/// A PIN, the six digits, or a passcode. Never printed; overwritten when the last holder lets go of it.
#[derive(Clone)]
pub struct Secret(Arc<SecretString>);

impl Secret {
    /// The text itself: only for who hands it over.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// How many characters it has.
    fn chars(&self) -> usize {
        self.expose().chars().count()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(Arc::new(SecretString::from(text)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        String::deserialize(from).map(Secret::from)
    }
}

/// Writes a secret on the wire between page and tray, and nowhere else: [`Secret`] itself cannot be serialised.
fn on_the_wire<S: Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose())
}

/// The PIN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "is", content = "text", rename_all = "kebab-case")]
pub enum Pin {
    /// The one that the keyring holds.
    Remembered,
    /// The one that the user typed.
    Typed(
        #[serde(serialize_with = "on_the_wire")]
        #[cfg_attr(feature = "typescript", ts(type = "string"))]
        Secret,
    ),
}

/// The form, as the user sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Submission {
    /// What to do with it.
    pub way: ConnectMethod,
    /// The site.
    pub site: Id,
    /// "Identifiant académique (celui de la messagerie)".
    pub identifier: String,
    /// The PIN.
    pub pin: Pin,
    /// The key's six digits.
    #[serde(serialize_with = "on_the_wire")]
    #[cfg_attr(feature = "typescript", ts(type = "string"))]
    pub digits: Secret,
    /// Whether the PIN shall be kept in the keyring. (Where it is not, one that was kept is deleted.)
    pub remember_pin: bool,
}

/// What to do with the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ConnectMethod {
    /// Connect.
    Connect,
    /// Put PIN and digits, one after the other, on the clipboard, and open the client's own window.
    Clipboard,
}

/// A field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "as in the form")]
pub enum Field {
    Site,
    Identifier,
    Pin,
    Digits,
}

/// What is wrong with the form. `view::connect` gives it words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormError {
    /// No site of that name.
    Site,
    /// No identifier.
    NoIdentifier,
    /// The identifier has a blank, an accent, or another character that none has.
    OddIdentifier,
    /// No PIN.
    NoPin,
    /// The PIN is shorter or longer than the profile says.
    PinLength,
    /// The PIN has a blank or an accent.
    OddPin,
    /// The keyring holds no PIN (any more).
    NothingRemembered,
    /// Not six digits.
    Digits,
}

impl FormError {
    /// Where it stands.
    pub fn field(self) -> Field {
        match self {
            FormError::Site => Field::Site,
            FormError::NoIdentifier | FormError::OddIdentifier => Field::Identifier,
            FormError::NoPin | FormError::PinLength | FormError::OddPin | FormError::NothingRemembered => Field::Pin,
            FormError::Digits => Field::Digits,
        }
    }
}

/// What is wrong with a form, one fault a field at most; empty where it can be sent. `site`: whether its site exists;
/// `remembered`: whether the keyring holds a PIN. Site and identifier count only where Vigie connects: by hand, the
/// client's own window asks for them.
pub fn check(form: &Submission, site: bool, remembered: bool, vpn: &VpnConfig) -> Vec<FormError> {
    let connects = form.way == ConnectMethod::Connect;
    let identifier = form.identifier.trim();
    let identifier = match identifier {
        _ if !connects => None,
        "" => Some(FormError::NoIdentifier),
        odd if !is_valid_identifier(odd) => Some(FormError::OddIdentifier),
        _ => None,
    };
    let length = usize::from(vpn.pin_min)..=usize::from(vpn.pin_max);
    let pin = match &form.pin {
        Pin::Remembered => (!remembered).then_some(FormError::NothingRemembered),
        Pin::Typed(pin) if pin.expose().is_empty() => Some(FormError::NoPin),
        Pin::Typed(pin) if !is_valid_passcode(pin.expose()) => Some(FormError::OddPin),
        Pin::Typed(pin) => (!length.contains(&pin.chars())).then_some(FormError::PinLength),
    };
    let digits = form.digits.expose();
    let digits = digits.len() != DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit());
    let faults = [(connects && !site).then_some(FormError::Site), identifier, pin, digits.then_some(FormError::Digits)];
    faults.into_iter().flatten().collect()
}

/// What the shell is to do with a form that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectRequest {
    /// Comes back in the answers; one with an older id is ignored.
    pub id: RequestId,
    /// The client.
    pub client: VpnClient,
    /// The site whose gateway is meant.
    pub site: Id,
    /// "Username".
    pub identifier: String,
    /// The passcode's first part.
    pub pin: Pin,
    /// The passcode's second part.
    pub digits: Secret,
    /// Whether the keyring shall hold the PIN once it has proven right.
    pub remember_pin: bool,
}

/// A client that can be driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VpnClient {
    /// Cisco Secure Client or AnyConnect, by its command line.
    Cisco,
    /// OpenConnect.
    OpenConnect,
}

/// Which client Vigie would drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientDetection {
    /// Not looked for yet.
    #[default]
    Pending,
    /// None can be driven.
    None,
    /// This one.
    Found(VpnClient),
}

impl From<Option<VpnClient>> for ClientDetection {
    fn from(client: Option<VpnClient>) -> ClientDetection {
        client.map_or(ClientDetection::None, ClientDetection::Found)
    }
}

/// How far an attempt is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectProgress {
    /// Under way.
    Stage(Stage),
    /// The tunnel stands.
    Connected,
    /// A tunnel that was up is gone.
    Ended,
}

/// What an attempt is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The client starts, and looks for the gateway.
    Contacting,
    /// The gateway has the answers.
    Verifying,
    /// The gateway has taken them; the tunnel comes up.
    Establishing,
}

/// Why an attempt came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectError {
    /// PIN or digits are wrong, or the digits were used already.
    WrongPasscode,
    /// The gateway says that the account is locked.
    Locked,
    /// The gateway does not answer, or its name does not resolve.
    Unreachable,
    /// The gateway's certificate is not trusted.
    Untrusted,
    /// The gateway wants something of the computer that it has not: a certificate of its own, a state of protection.
    Refused,
    /// The client, or the gateway through it, asks a question that Vigie does not answer: a second password, a new PIN.
    UnsupportedPrompt,
    /// The gateway wants the user to log in with a browser (SAML, single sign-on).
    BrowserLogin,
    /// The gateway wants the computer to be examined first (HostScan, CSD), which the client cannot do.
    HostScan,
    /// The client's policy allows no connection from a remote session (RDP, SSH).
    RemoteSession,
    /// No client is installed that can be driven.
    ClientMissing,
    /// The client's service does not run.
    ServiceStopped,
    /// Another Cisco client holds the connection; it is brought to the front.
    Held,
    /// The system did not allow the connection (polkit).
    NotAllowed,
    /// The keyring no longer gives the PIN that was to be taken from it.
    PinLost,
    /// It took too long.
    TimedOut,
    /// The user gave it up.
    Cancelled,
    /// Something else; the client's own words, for the log.
    Unknown(String),
}

/// What the OS keyring holds for Vigie.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredCredentials {
    /// The identifier.
    pub identifier: Option<String>,
    /// Whether there is a PIN. (The PIN itself stays in the keyring until it is handed over.)
    pub pin: bool,
    /// Whether the keyring can be used.
    pub keyring: Keyring,
}

/// Whether the OS keyring can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keyring {
    /// It can.
    #[default]
    Ready,
    /// It is locked.
    Locked,
    /// There is none, or it does not answer.
    Absent,
}

/// Where the attempt stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Phase {
    /// Nothing was tried, or nothing is left of it.
    #[default]
    Idle,
    /// Under way.
    Connecting(Stage),
    /// It came to nothing.
    Failed(ConnectError),
    /// The tunnel was made by Vigie, and stands.
    Connected,
}

/// What survives a restart of Vigie: wrong tries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AttemptHistory {
    /// Wrong passcodes in a row.
    pub wrong: u8,
    /// Whether the gateway said that the account is locked.
    pub locked: bool,
    /// When the last passcode was refused.
    pub last: Option<Timestamp>,
}

/// The one attempt, and what is known around it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectState {
    /// Where it stands.
    pub phase: Phase,
    /// Whether the window is open.
    pub open: bool,
    /// What the keyring holds; `None` until it was read.
    pub remembered: Option<StoredCredentials>,
    /// The client that would be used.
    pub client: ClientDetection,
    /// Whether Cisco's command line has answered: it can end a tunnel that Vigie did not make.
    pub cisco: bool,
    /// What is wrong with the form that was sent last.
    pub faults: Vec<FormError>,
    /// The window opened by itself: the VPN was lost in sleep.
    pub woken: bool,
    /// The tunnel stands, but was not seen yet.
    unseen: bool,
    request: RequestId,
    memory: AttemptHistory,
}

impl ConnectState {
    /// Nothing tried yet but what is remembered.
    pub fn new(memory: AttemptHistory) -> ConnectState {
        ConnectState { memory, ..ConnectState::default() }
    }

    /// What is to survive a restart.
    pub fn memory(&self) -> &AttemptHistory {
        &self.memory
    }

    /// Whether so many passcodes were wrong that one more might lock the account.
    pub fn stopped(&self, now: &Now, vpn: &VpnConfig) -> bool {
        (self.locked() || self.memory.wrong >= vpn.wrong_tries) && self.counts(now)
    }

    /// Whether the gateway said that the account is locked already.
    pub fn locked(&self) -> bool {
        self.memory.locked
    }

    /// Whether the wrong tries still count. A clock that was set back must not make them count for ever.
    fn counts(&self, now: &Now) -> bool {
        let Some(last) = self.memory.last else { return false };
        now.wall.timestamp().duration_since(last).abs() < WRONG_TRIES_COUNT
    }

    /// When wrong tries no longer count: then the form opens again.
    pub fn next_wake(&self, now: &Now, vpn: &VpnConfig) -> Option<Timestamp> {
        if !self.open || !self.stopped(now, vpn) {
            return None;
        }
        self.memory.last?.checked_add(WRONG_TRIES_COUNT).ok()
    }

    /// The client was looked for, and the keyring read. One that cannot be read takes no identifier out of the form.
    pub fn ready(&mut self, client: Option<VpnClient>, mut remembered: StoredCredentials) {
        if remembered.keyring != Keyring::Ready {
            remembered.identifier = self.remembered.take().and_then(|known| known.identifier);
        }
        (self.client, self.remembered) = (client.into(), Some(remembered));
    }

    /// Whether an attempt is under way.
    pub fn busy(&self) -> bool {
        matches!(self.phase, Phase::Connecting(_))
    }

    /// Whether the verdict is that a connection is being made: until the tunnel that stands was looked for.
    pub fn connecting(&self) -> bool {
        self.busy() || self.unseen
    }

    /// The interfaces were looked at.
    pub fn looked(&mut self) {
        self.unseen = false;
    }

    /// Whether Vigie made the tunnel that stands.
    pub fn ours(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// The window opens: what was said of an older attempt is old, unless it is still under way or stands.
    pub fn open(&mut self) {
        if matches!(self.phase, Phase::Failed(_)) {
            self.phase = Phase::Idle;
        }
        self.faults.clear();
        self.woken = false;
    }

    /// Whether the form can be used now: no attempt is under way, too many were not wrong, and nothing is wrong with it.
    fn right(&mut self, form: &Submission, site: bool, now: &Now, vpn: &VpnConfig) -> bool {
        if self.busy() || self.stopped(now, vpn) {
            return false;
        }
        let remembered = self.remembered.as_ref().is_some_and(|remembered| remembered.pin);
        self.faults = check(form, site, remembered, vpn);
        self.faults.is_empty()
    }

    /// The user sent the form: an attempt, unless one is under way, too many were wrong, or the form is not right.
    pub fn submit(&mut self, form: Submission, site: bool, now: &Now, vpn: &VpnConfig) -> Option<ConnectRequest> {
        if !self.right(&form, site, now, vpn) {
            return None;
        }
        let ClientDetection::Found(client) = self.client else {
            self.phase = Phase::Failed(ConnectError::ClientMissing);
            return None;
        };
        self.request = self.request.next();
        self.phase = Phase::Connecting(Stage::Contacting);
        Some(ConnectRequest {
            id: self.request,
            client,
            site: form.site,
            identifier: form.identifier.trim().to_owned(),
            pin: form.pin,
            digits: form.digits,
            remember_pin: form.remember_pin && vpn.store_pin,
        })
    }

    /// The user sent the form to connect by hand: returns the id under which the loss of the PIN is reported. Nothing is
    /// tried, so nothing is under way.
    pub fn copy_passcode(&mut self, form: &Submission, now: &Now, vpn: &VpnConfig) -> Option<RequestId> {
        self.right(form, true, now, vpn).then(|| {
            self.request = self.request.next();
            self.phase = Phase::Idle;
            self.request
        })
    }

    /// Gives the attempt up; whether there was one.
    pub fn cancel(&mut self) -> bool {
        let busy = self.busy();
        if busy {
            // Whatever the client still says is of an attempt that is over.
            self.request = self.request.next();
            self.phase = Phase::Failed(ConnectError::Cancelled);
        }
        busy
    }

    /// The shell tells how far it is; whether that is news of this attempt.
    pub fn progress(&mut self, request: RequestId, progress: Result<ConnectProgress, ConnectError>, now: &Now) -> bool {
        if request != self.request {
            return false;
        }
        let phase = match progress {
            Ok(ConnectProgress::Stage(stage)) => Phase::Connecting(stage),
            Ok(ConnectProgress::Connected) => {
                self.memory = AttemptHistory::default();
                Phase::Connected
            }
            Ok(ConnectProgress::Ended) => Phase::Idle,
            Err(reason) => {
                self.count(&reason, now);
                if let Some(remembered) = self.remembered.as_mut().filter(|_| reason == ConnectError::PinLost) {
                    remembered.pin = false;
                }
                Phase::Failed(reason)
            }
        };
        let news = self.phase != phase;
        self.unseen = news && phase == Phase::Connected;
        self.phase = phase;
        news
    }

    fn count(&mut self, reason: &ConnectError, now: &Now) {
        let AttemptHistory { wrong, locked, .. } = self.memory;
        let (wrong, locked) = match reason {
            ConnectError::WrongPasscode if self.counts(now) => (wrong.saturating_add(1), locked),
            ConnectError::WrongPasscode => (1, false),
            ConnectError::Locked => (wrong, true),
            ConnectError::Unreachable
            | ConnectError::Untrusted
            | ConnectError::Refused
            | ConnectError::UnsupportedPrompt
            | ConnectError::BrowserLogin
            | ConnectError::HostScan
            | ConnectError::RemoteSession
            | ConnectError::ClientMissing
            | ConnectError::ServiceStopped
            | ConnectError::Held
            | ConnectError::NotAllowed
            | ConnectError::PinLost
            | ConnectError::TimedOut
            | ConnectError::Cancelled
            | ConnectError::Unknown(_) => return,
        };
        self.memory = AttemptHistory { wrong, locked, last: Some(now.wall.timestamp()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{guide, now};

    fn form() -> Submission {
        Submission {
            way: ConnectMethod::Connect,
            site: "caen".into(),
            identifier: " jdupont ".into(),
            pin: Pin::Typed("4321".to_owned().into()),
            digits: "123456".to_owned().into(),
            remember_pin: true,
        }
    }

    fn ready() -> ConnectState {
        ConnectState {
            client: ClientDetection::Found(VpnClient::Cisco),
            ..ConnectState::new(AttemptHistory::default())
        }
    }

    fn vpn() -> VpnConfig {
        guide().vpn.clone()
    }

    fn try_at(connect: &mut ConnectState, time: &str, progress: Result<ConnectProgress, ConnectError>) {
        let now = now(&format!("2026-11-24T{time}"));
        let request = connect.submit(form(), true, &now, &vpn()).expect("a form that is right");
        assert!(connect.progress(request.id, progress, &now));
    }

    #[test]
    fn a_secret_is_never_printed() {
        let request = ready().submit(form(), true, &now("2026-11-24T10:00"), &vpn());
        for text in [format!("{:?}", form()), format!("{request:#?}")] {
            assert!(text.contains("[secret]"), "{text}");
            assert!(!text.contains("4321") && !text.contains("123456"), "{text}");
        }
    }

    #[test]
    fn the_form_crosses_the_wire() {
        let line = serde_json::to_string(&form()).expect("plain values");
        assert_eq!(serde_json::from_str::<Submission>(&line).expect("what was written"), form());
        assert!(line.contains(r#""pin":{"is":"typed","text":"4321"}"#), "{line}");
    }

    #[test]
    fn what_is_wrong_with_a_form() {
        let check = |change: &dyn Fn(&mut Submission)| {
            let mut form = form();
            change(&mut form);
            check(&form, form.site == "caen", false, &vpn())
        };
        let typed = |text: &str| Pin::Typed(text.to_owned().into());
        assert_eq!(check(&|_| {}), []);
        assert_eq!(check(&|form| form.site = "paris".into()), [FormError::Site]);
        assert_eq!(check(&|form| form.identifier = "  ".into()), [FormError::NoIdentifier]);
        for odd in ["jean dupont", "jdupont\nyes", "--config=/tmp/x"] {
            assert_eq!(check(&|form| form.identifier = odd.into()), [FormError::OddIdentifier], "{odd}");
        }
        assert_eq!(check(&|form| form.pin = typed("")), [FormError::NoPin]);
        assert_eq!(check(&|form| form.pin = typed("12\n34")), [FormError::OddPin]);
        assert_eq!(check(&|form| form.pin = typed("123")), [FormError::PinLength]);
        assert_eq!(check(&|form| form.pin = typed(&"1".repeat(60))), [FormError::PinLength]);
        assert_eq!(check(&|form| form.pin = Pin::Remembered), [FormError::NothingRemembered]);
        for odd in ["", "12345", "1234567", "12 456", "12345a", "１２３４５６"] {
            assert_eq!(check(&|form| form.digits = odd.to_owned().into()), [FormError::Digits], "{odd}");
        }
        assert_eq!(
            check(&|form| (form.identifier, form.digits) = (String::new(), String::new().into())),
            [FormError::NoIdentifier, FormError::Digits]
        );
        let by_hand = |form: &mut Submission| {
            form.way = ConnectMethod::Clipboard;
            (form.site, form.identifier, form.digits) = ("paris".into(), String::new(), String::new().into());
        };
        assert_eq!(check(&by_hand), [FormError::Digits], "the client's own window asks for the rest");
    }

    #[test]
    fn a_pin_that_the_keyring_lost_is_asked_again() {
        let kept = StoredCredentials { identifier: Some("jdupont".into()), pin: true, keyring: Keyring::Ready };
        let mut connect = ConnectState { remembered: Some(kept.clone()), ..ready() };
        let form = Submission { pin: Pin::Remembered, ..form() };
        let moment = now("2026-11-24T10:00");
        let request = connect.submit(form.clone(), true, &moment, &vpn()).expect("it is remembered");
        assert!(connect.progress(request.id, Err(ConnectError::PinLost), &moment));
        assert_eq!(connect.remembered, Some(StoredCredentials { pin: false, ..kept }));
        assert_eq!(connect.submit(form, true, &moment, &vpn()), None);
        assert_eq!(connect.faults, [FormError::NothingRemembered]);
        let locked = StoredCredentials { keyring: Keyring::Locked, ..StoredCredentials::default() };
        connect.ready(Some(VpnClient::Cisco), locked.clone());
        assert_eq!(connect.remembered, Some(StoredCredentials { identifier: Some("jdupont".into()), ..locked }));
        connect.ready(Some(VpnClient::Cisco), StoredCredentials::default());
        assert_eq!(connect.remembered, Some(StoredCredentials::default()), "an open keyring has the last word");
    }

    #[test]
    fn one_attempt_at_a_time() {
        let mut connect = ready();
        let moment = now("2026-11-24T10:00");
        let request = connect.submit(form(), true, &moment, &vpn()).expect("the form is right");
        assert_eq!((request.identifier.as_str(), request.client), ("jdupont", VpnClient::Cisco));
        assert_eq!(connect.submit(form(), true, &moment, &vpn()), None, "twice at once");
        assert!(connect.progress(request.id, Ok(ConnectProgress::Stage(Stage::Verifying)), &moment));
        assert!(connect.progress(request.id, Ok(ConnectProgress::Connected), &moment));
        assert!(connect.ours());
        assert!(connect.progress(request.id, Ok(ConnectProgress::Ended), &moment));
        assert_eq!(connect.phase, Phase::Idle);
    }

    #[test]
    fn what_comes_of_an_attempt_that_was_given_up_does_not_count() {
        let mut connect = ready();
        let moment = now("2026-11-24T10:00");
        assert!(!connect.cancel());
        let request = connect.submit(form(), true, &moment, &vpn()).expect("the form is right");
        assert!(connect.cancel());
        assert!(!connect.progress(request.id, Err(ConnectError::WrongPasscode), &moment));
        assert_eq!(connect.phase, Phase::Failed(ConnectError::Cancelled));
        assert_eq!(connect.memory(), &AttemptHistory::default());
    }

    #[test]
    fn three_wrong_tries_stop_it_for_a_while() {
        let wrong = || Err(ConnectError::WrongPasscode);
        let mut connect = ready();
        for time in ["10:00", "10:01", "10:02"] {
            assert!(!connect.stopped(&now(&format!("2026-11-24T{time}")), &vpn()));
            try_at(&mut connect, time, wrong());
        }
        // Closing the window changes nothing, nor does a restart.
        connect.open();
        let mut connect = ConnectState {
            client: ClientDetection::Found(VpnClient::Cisco),
            ..ConnectState::new(connect.memory().clone())
        };
        let moment = now("2026-11-24T10:31");
        assert!(connect.stopped(&moment, &vpn()));
        assert_eq!(connect.submit(form(), true, &moment, &vpn()), None);
        assert!(!connect.stopped(&now("2026-11-24T10:32"), &vpn()));
        try_at(&mut connect, "10:32", wrong());
        assert_eq!(connect.memory().wrong, 1, "it counts from the start again");
    }

    #[test]
    fn a_success_forgets_wrong_tries_and_other_failures_are_none() {
        let mut connect = ready();
        try_at(&mut connect, "10:00", Err(ConnectError::WrongPasscode));
        let others = [
            ConnectError::Unreachable,
            ConnectError::Refused,
            ConnectError::UnsupportedPrompt,
            ConnectError::BrowserLogin,
            ConnectError::HostScan,
            ConnectError::RemoteSession,
            ConnectError::Held,
            ConnectError::TimedOut,
        ];
        for reason in others {
            try_at(&mut connect, "10:01", Err(reason));
        }
        assert_eq!(connect.memory().wrong, 1);
        try_at(&mut connect, "10:02", Ok(ConnectProgress::Connected));
        assert_eq!(connect.memory(), &AttemptHistory::default());
        connect.phase = Phase::Idle;
        try_at(&mut connect, "10:03", Err(ConnectError::Locked));
        assert!(connect.stopped(&now("2026-11-24T10:04"), &vpn()), "a locked account is not tried on");
        // It is known as locked after a restart, and no number of wrong tries is taken for it.
        assert!(ConnectState::new(connect.memory().clone()).locked());
        let wrong = AttemptHistory { wrong: u8::MAX, ..AttemptHistory::default() };
        let mut connect = ConnectState { memory: wrong, ..ready() };
        connect.memory.last = Some(now("2026-11-24T10:04").wall.timestamp());
        connect.count(&ConnectError::WrongPasscode, &now("2026-11-24T10:05"));
        assert!(!connect.locked());
    }

    #[test]
    fn without_a_client_nothing_is_dialled() {
        let mut connect = ConnectState { client: ClientDetection::None, ..ConnectState::default() };
        assert_eq!(connect.submit(form(), true, &now("2026-11-24T10:00"), &vpn()), None);
        assert_eq!(connect.phase, Phase::Failed(ConnectError::ClientMissing));
    }

    #[test]
    fn the_pin_is_not_kept_where_the_administrator_forbids_it() {
        let vpn = VpnConfig { store_pin: false, ..vpn() };
        let request = ready().submit(form(), true, &now("2026-11-24T10:00"), &vpn).expect("the form is right");
        assert!(!request.remember_pin);
    }
}
