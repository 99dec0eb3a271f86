//! Connecting: one attempt at a time, from the form to the tunnel.
//!
//! The user opens the window ([`Action::Connect`](super::message::Action::Connect)), fills in the form and sends it ([`Submission`]). The runtime passes
//! the answers to a client ([`ConnectRequest`]) and reports its progress ([`ConnectProgress`]). Secrets only pass through:
//! no field of [`ConnectState`] holds one.

mod form;

pub use form::{ConnectMethod, Field, FormError, OTP_DIGITS, Pin, Secret, Submission, check};

use super::Now;
use super::message::{Effect, LaunchTarget, Notification, RequestId, SensorRequest};
use super::state::State;
use super::update;
use super::vpn::VpnStatus;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use vigie_profile::{ConnectMode, Id, VpnConfig};

/// How long a tunnel may take to appear after the client has reported it: OpenConnect prints its success before its script
/// has set up interface and routes.
const TUNNEL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long refused passcodes count. Gateways that count them forget them sooner.
pub const REFUSAL_LIFETIME: SignedDuration = SignedDuration::from_mins(30);

/// A form that was sent, for the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectRequest {
    /// Comes back in the answers; one with an older id is ignored.
    pub id: RequestId,
    /// The client.
    pub client: VpnClient,
    /// The site whose gateway to connect to.
    pub site: Id,
    /// "Username".
    pub identifier: String,
    /// The passcode's first part.
    pub pin: Pin,
    /// The passcode's second part.
    pub digits: Secret,
    /// Whether to store the PIN in the keyring once the gateway has accepted it.
    pub remember_pin: bool,
}

/// A VPN client that Vigie can drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VpnClient {
    /// Cisco Secure Client or AnyConnect, by its command line.
    Cisco,
    /// OpenConnect.
    OpenConnect,
}

/// How the user can connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientDetection {
    /// Not looked for yet.
    #[default]
    Pending,
    /// No client was found.
    Missing,
    /// None can be driven: the user types the passcode into the client's own window.
    WindowOnly,
    /// Vigie drives this one.
    Found(VpnClient),
}

/// What keeps an installed client from connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The client's own window runs: it holds the connection, and takes the passcode by hand.
    ClientWindow,
    /// The user sits at another computer, which the client's policy refuses unless an administrator allows it.
    RemoteSession,
}

/// How far an attempt is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectProgress {
    /// Under way.
    Stage(Stage),
    /// The tunnel is up.
    Connected,
    /// The client of a tunnel that is up has lost its server, and connects again by itself.
    Reconnecting,
    /// A tunnel that was up is gone.
    Ended,
}

/// What an attempt is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The client starts and contacts the gateway.
    Contacting,
    /// The gateway checks the passcode.
    Verifying,
    /// The gateway has accepted it; the tunnel comes up.
    Establishing,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectError {
    /// PIN or digits are wrong, or the digits have been used already.
    WrongPasscode,
    /// The gateway says that the account is locked.
    Locked,
    /// The gateway does not answer, or its name does not resolve.
    Unreachable,
    /// The gateway's certificate is not trusted.
    Untrusted,
    /// The gateway requires something that the computer lacks, such as a certificate of its own.
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
    NoDrivableClient,
    /// The client's service does not run.
    ServiceStopped,
    /// Another Cisco client holds the connection; its window is brought to the front.
    Held,
    /// The system did not allow the connection (polkit).
    NotAllowed,
    /// The keyring no longer gives the PIN that was to be taken from it.
    PinLost,
    /// It took too long.
    TimedOut,
    /// The user cancelled it.
    Cancelled,
    /// Something else; the client's own message, for the log.
    Unknown(String),
}

/// What the OS keyring holds for Vigie.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredCredentials {
    /// The identifier.
    pub identifier: Option<String>,
    /// Whether there is a PIN. The PIN itself stays in the keyring until it is needed.
    pub pin: bool,
    /// Whether the keyring can be used.
    pub keyring: Keyring,
}

/// Whether the OS keyring can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keyring {
    /// It can be used.
    #[default]
    Ready,
    /// It is locked.
    Locked,
    /// There is none, or it does not answer.
    Absent,
}

/// The state of the attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Phase {
    /// There is none: nothing was tried, or it succeeded.
    #[default]
    Idle,
    /// Under way.
    Connecting(Stage),
    /// It failed.
    Failed(ConnectError),
}

/// Refused passcodes, kept across restarts of Vigie.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AttemptHistory {
    /// Refused passcodes in a row.
    pub wrong: u8,
    /// Whether the gateway said that the account is locked.
    pub locked: bool,
    /// When the last passcode was refused.
    pub last: Option<Timestamp>,
}

/// The attempt to connect and what is known around it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectState {
    /// The attempt.
    pub phase: Phase,
    /// Whether the window is open.
    pub open: bool,
    /// What the keyring holds; `None` before the first reading.
    pub stored: Option<StoredCredentials>,
    /// The client that would be used.
    pub client: ClientDetection,
    /// What keeps that client from connecting.
    pub obstacle: Option<Obstacle>,
    /// Whether Cisco's command line has answered: it can close a tunnel that Vigie did not open.
    pub cisco_cli_available: bool,
    /// How many forms the user has sent, right or not.
    pub submissions: u32,
    /// What is wrong with the form that was sent last.
    pub form_errors: Vec<FormError>,
    /// Whether the window opened by itself because the VPN was lost during sleep.
    pub opened_after_sleep: bool,
    /// Whether a passcode was copied for the client's own window. The window for connecting stays open until the VPN is
    /// connected.
    pub(super) passcode_copied: bool,
    /// Whether a client that Vigie started opened a tunnel and has not reported its end.
    opened_by_vigie: bool,
    /// Until when, in uptime, the tunnel that the client has reported may take to appear among the interfaces.
    tunnel_due: Option<Duration>,
    /// The id of the latest attempt; reports with another id are ignored.
    request: RequestId,
    history: AttemptHistory,
}

impl ConnectState {
    /// Returns the state at the start of the program.
    pub fn new(history: AttemptHistory) -> ConnectState {
        ConnectState { history, ..ConnectState::default() }
    }

    /// Returns what to keep across a restart.
    pub fn history(&self) -> &AttemptHistory {
        &self.history
    }

    /// Whether another refused passcode might lock the account, or it is locked already.
    pub fn is_blocked(&self, now: &Now, vpn: &VpnConfig) -> bool {
        (self.is_locked() || self.history.wrong >= vpn.wrong_tries) && self.refusals_count(now)
    }

    /// Whether the gateway said that the account is locked.
    pub fn is_locked(&self) -> bool {
        self.history.locked
    }

    /// Returns how many more refused passcodes the profile allows.
    pub fn tries_left(&self, now: &Now, vpn: &VpnConfig) -> u8 {
        if self.refusals_count(now) { vpn.wrong_tries.saturating_sub(self.history.wrong) } else { vpn.wrong_tries }
    }

    /// Returns when the refused passcodes no longer count.
    pub fn blocked_until(&self) -> Option<Timestamp> {
        self.history.last?.checked_add(REFUSAL_LIFETIME).ok()
    }

    /// Whether refused passcodes still count. The absolute value keeps a clock that was set back from making them count
    /// for ever.
    fn refusals_count(&self, now: &Now) -> bool {
        let Some(last) = self.history.last else { return false };
        now.wall.timestamp().duration_since(last).abs() < REFUSAL_LIFETIME
    }

    /// Returns when the form can be used again.
    pub fn next_wake(&self, now: &Now, vpn: &VpnConfig) -> Option<Timestamp> {
        if self.open && self.is_blocked(now, vpn) { self.blocked_until() } else { None }
    }

    /// Handles the answer to [`Effect::PrepareConnect`]. A keyring that cannot be read keeps the identifier known before.
    pub fn on_ready(&mut self, client: ClientDetection, mut stored: StoredCredentials) {
        if stored.keyring != Keyring::Ready {
            stored.identifier = self.stored.take().and_then(|known| known.identifier);
        }
        (self.client, self.stored) = (client, Some(stored));
    }

    /// Whether an attempt to connect is under way.
    pub fn is_attempting(&self) -> bool {
        matches!(self.phase, Phase::Connecting(_))
    }

    /// Whether the status should be "connecting": also until a tunnel that was reported has appeared.
    pub fn is_connecting(&self) -> bool {
        self.is_attempting() || self.tunnel_due.is_some()
    }

    /// Notes whether the interfaces, read just now, include a tunnel.
    pub fn on_links(&mut self, tunnel: bool) {
        self.tunnel_due.take_if(|_| tunnel);
    }

    /// Gives up on a reported tunnel that did not appear in time.
    pub fn on_time(&mut self, now: &Now) {
        self.tunnel_due.take_if(|due| now.uptime >= *due);
    }

    /// Returns when to call [`ConnectState::on_time`], in uptime.
    pub fn tunnel_due(&self) -> Option<Duration> {
        self.tunnel_due
    }

    /// Whether there is a tunnel that Vigie can close. `tunnel`: whether the interfaces show one; one that the client
    /// has reported counts before it appears there.
    pub fn can_disconnect(&self, tunnel: bool) -> bool {
        (tunnel || self.tunnel_due.is_some()) && (self.opened_by_vigie || self.cisco_cli_available)
    }

    /// Prepares the window that is about to open: the result of an older attempt no longer matters.
    pub fn on_window_requested(&mut self) {
        if matches!(self.phase, Phase::Failed(_)) {
            self.phase = Phase::Idle;
        }
        self.form_errors.clear();
        self.opened_after_sleep = false;
        self.passcode_copied = false;
    }

    /// Checks the form, and whether it can be used at all now.
    fn accepts(&mut self, form: &Submission, site_exists: bool, now: &Now, vpn: &VpnConfig) -> bool {
        self.submissions = self.submissions.wrapping_add(1);
        if self.is_attempting() || self.is_blocked(now, vpn) {
            return false;
        }
        let pin_stored = self.stored.as_ref().is_some_and(|stored| stored.pin);
        self.form_errors = check(form, site_exists, pin_stored, vpn);
        self.form_errors.is_empty()
    }

    /// Starts an attempt with the form that the user sent, unless it cannot be used.
    pub fn submit(
        &mut self,
        form: Submission,
        site_exists: bool,
        now: &Now,
        vpn: &VpnConfig,
    ) -> Option<ConnectRequest> {
        if !self.accepts(&form, site_exists, now, vpn) {
            return None;
        }
        let ClientDetection::Found(client) = self.client else {
            self.phase = Phase::Failed(ConnectError::NoDrivableClient);
            return None;
        };
        self.request = self.request.next();
        self.phase = Phase::Connecting(Stage::Contacting);
        self.opened_by_vigie = false;
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

    /// Accepts the form that the user sent to connect by hand; returns the id under which a lost PIN is reported.
    pub fn copy_passcode(&mut self, form: &Submission, now: &Now, vpn: &VpnConfig) -> Option<RequestId> {
        self.accepts(form, true, now, vpn).then(|| {
            self.request = self.request.next();
            self.phase = Phase::Idle;
            self.request
        })
    }

    /// Cancels the attempt; returns whether there was one.
    pub fn cancel(&mut self) -> bool {
        let attempting = self.is_attempting();
        if attempting {
            // Later answers of the client are of no interest.
            self.request = self.request.next();
            self.phase = Phase::Failed(ConnectError::Cancelled);
        }
        attempting
    }

    /// Handles what the client reports; returns whether it is news of the current attempt.
    pub fn on_progress(
        &mut self,
        request: RequestId,
        progress: &Result<ConnectProgress, ConnectError>,
        now: &Now,
    ) -> bool {
        if request != self.request {
            return false;
        }
        let before = (self.phase.clone(), self.opened_by_vigie);
        match progress {
            Ok(ConnectProgress::Stage(stage)) => self.phase = Phase::Connecting(*stage),
            Ok(ConnectProgress::Connected) => {
                self.history = AttemptHistory::default();
                self.phase = Phase::Idle;
                if !std::mem::replace(&mut self.opened_by_vigie, true) {
                    self.tunnel_due = Some(now.uptime + TUNNEL_TIMEOUT);
                }
            }
            Ok(ConnectProgress::Reconnecting) => return self.opened_by_vigie,
            Ok(ConnectProgress::Ended) => {
                (self.phase, self.opened_by_vigie, self.tunnel_due) = (Phase::Idle, false, None);
            }
            Err(error) => {
                self.count_refusal(error, now);
                if let Some(stored) = self.stored.as_mut().filter(|_| *error == ConnectError::PinLost) {
                    stored.pin = false;
                }
                self.phase = Phase::Failed(error.clone());
            }
        }
        before != (self.phase.clone(), self.opened_by_vigie)
    }

    /// Counts the error if it is a refused passcode or a locked account.
    fn count_refusal(&mut self, error: &ConnectError, now: &Now) {
        let AttemptHistory { wrong, locked, .. } = self.history;
        let (wrong, locked) = if *error == ConnectError::Locked {
            (wrong, true)
        } else if *error != ConnectError::WrongPasscode {
            return;
        } else if self.refusals_count(now) {
            (wrong.saturating_add(1), locked)
        } else {
            (1, false)
        };
        self.history = AttemptHistory { wrong, locked, last: Some(now.wall.timestamp()) };
    }
}

/// Opens the VPN client's own window.
pub(super) fn open_client(effects: &mut Vec<Effect>) {
    effects.push(Effect::Launch(LaunchTarget::Client));
}

/// Opens the window for connecting, or the client's own if the profile says so.
pub(super) fn on_connect_action(state: &mut State, effects: &mut Vec<Effect>) {
    match state.profile.vpn.connect {
        ConnectMode::Auto | ConnectMode::ByHand => show_window(state, effects),
        ConnectMode::OpenClient => open_client(effects),
    }
}

/// Opens the window for connecting, and requests what it shows ([`Effect::PrepareConnect`]).
fn show_window(state: &mut State, effects: &mut Vec<Effect>) {
    state.connect.on_window_requested();
    effects.extend([Effect::PrepareConnect, Effect::ShowConnect]);
}

/// Handles the form that the user sent.
pub(super) fn on_form(state: &mut State, form: Submission, effects: &mut Vec<Effect>) {
    let (now, profile) = (state.now.clone(), state.profile.clone());
    if profile.vpn.connect == ConnectMode::OpenClient {
        return;
    }
    match form.way {
        ConnectMethod::Connect => {
            let site_exists = profile.sites.iter().any(|site| site.id == form.site);
            effects.extend(state.connect.submit(form, site_exists, &now, &profile.vpn).map(Effect::Connect));
        }
        ConnectMethod::Clipboard => {
            let request = state.connect.copy_passcode(&form, &now, &profile.vpn);
            effects.extend(request.map(|request| Effect::CopyPasscode(request, form.pin, form.digits)));
        }
    }
}

/// Handles the progress of an attempt.
pub(super) fn on_progress(
    state: &mut State,
    id: RequestId,
    progress: Result<ConnectProgress, ConnectError>,
    effects: &mut Vec<Effect>,
) {
    let now = state.now.clone();
    if !state.connect.on_progress(id, &progress, &now) {
        return;
    }
    match progress {
        Ok(ConnectProgress::Stage(_)) => {}
        Ok(ConnectProgress::Connected) => {
            // The user waits for the new status.
            state.policy.ask();
            effects.extend([Effect::CloseConnect, Effect::Request(SensorRequest::Links)]);
        }
        Ok(ConnectProgress::Reconnecting) => {
            let requests = state.vpn.doubt(&now);
            update::request(state, requests, effects);
        }
        Ok(ConnectProgress::Ended) => effects.push(Effect::Request(SensorRequest::Links)),
        Err(error) => {
            if error == ConnectError::Held {
                open_client(effects);
            }
            if error == ConnectError::PinLost {
                // The form shows what else the keyring no longer gives.
                effects.push(Effect::PrepareConnect);
            }
            if !state.connect.open {
                effects.push(Effect::Notify(Notification::ConnectFailed(error)));
            }
        }
    }
}

/// After sleep: opens the window for connecting if the VPN was connected before and no longer is.
pub(super) fn reconnect_after_sleep(state: &mut State, effects: &mut Vec<Effect>) {
    match state.vpn.status() {
        VpnStatus::Disconnected if std::mem::take(&mut state.reconnect) => {
            if state.profile.vpn.connect != ConnectMode::OpenClient {
                show_window(state, effects);
                state.connect.opened_after_sleep = true;
            }
        }
        VpnStatus::Connected | VpnStatus::OnSite => state.reconnect = false,
        VpnStatus::Unknown
        | VpnStatus::Offline
        | VpnStatus::Captive
        | VpnStatus::Disconnected
        | VpnStatus::Connecting
        | VpnStatus::Stalled => {}
    }
}

#[cfg(test)]
mod tests {
    use super::form::tests::{form, vpn};
    use super::*;
    use crate::fixture::now;

    fn ready() -> ConnectState {
        ConnectState {
            client: ClientDetection::Found(VpnClient::Cisco),
            ..ConnectState::new(AttemptHistory::default())
        }
    }

    fn try_at(connect: &mut ConnectState, time: &str, progress: Result<ConnectProgress, ConnectError>) {
        let now = now(&format!("2026-11-24T{time}"));
        let request = connect.submit(form(), true, &now, &vpn()).expect("a form that is right");
        assert!(connect.on_progress(request.id, &progress, &now));
    }

    #[test]
    fn secrets_are_never_printed() {
        let request = ready().submit(form(), true, &now("2026-11-24T10:00"), &vpn());
        for text in [format!("{:?}", form()), format!("{request:#?}")] {
            assert!(text.contains("[secret]"), "{text}");
            assert!(!text.contains("4321") && !text.contains("123456"), "{text}");
        }
    }

    #[test]
    fn pin_lost_by_the_keyring_is_asked_again() {
        let kept = StoredCredentials { identifier: Some("jdupont".into()), pin: true, keyring: Keyring::Ready };
        let mut connect = ConnectState { stored: Some(kept.clone()), ..ready() };
        let form = Submission { pin: Pin::Remembered, ..form() };
        let at = now("2026-11-24T10:00");
        let request = connect.submit(form.clone(), true, &at, &vpn()).expect("it is stored");
        assert!(connect.on_progress(request.id, &Err(ConnectError::PinLost), &at));
        assert_eq!(connect.stored, Some(StoredCredentials { pin: false, ..kept }));
        assert_eq!(connect.submit(form, true, &at, &vpn()), None);
        assert_eq!(connect.form_errors, [FormError::NothingRemembered]);
        let locked = StoredCredentials { keyring: Keyring::Locked, ..StoredCredentials::default() };
        connect.on_ready(ClientDetection::Found(VpnClient::Cisco), locked.clone());
        assert_eq!(connect.stored, Some(StoredCredentials { identifier: Some("jdupont".into()), ..locked }));
        connect.on_ready(ClientDetection::Found(VpnClient::Cisco), StoredCredentials::default());
        assert_eq!(connect.stored, Some(StoredCredentials::default()), "an unlocked keyring decides");
    }

    #[test]
    fn only_one_attempt_runs_at_a_time() {
        let mut connect = ready();
        let at = now("2026-11-24T10:00");
        let request = connect.submit(form(), true, &at, &vpn()).expect("the form is right");
        assert_eq!((request.identifier.as_str(), request.client), ("jdupont", VpnClient::Cisco));
        assert_eq!(connect.submit(form(), true, &at, &vpn()), None, "twice at once");
        assert!(connect.on_progress(request.id, &Ok(ConnectProgress::Stage(Stage::Verifying)), &at));
        assert!(connect.on_progress(request.id, &Ok(ConnectProgress::Connected), &at));
        assert!(connect.on_progress(request.id, &Ok(ConnectProgress::Ended), &at));
        assert_eq!(connect.phase, Phase::Idle);
    }

    #[test]
    fn answers_to_a_cancelled_attempt_are_ignored() {
        let mut connect = ready();
        let at = now("2026-11-24T10:00");
        assert!(!connect.cancel());
        let request = connect.submit(form(), true, &at, &vpn()).expect("the form is right");
        assert!(connect.cancel());
        assert!(!connect.on_progress(request.id, &Err(ConnectError::WrongPasscode), &at));
        assert_eq!(connect.phase, Phase::Failed(ConnectError::Cancelled));
        assert_eq!(connect.history(), &AttemptHistory::default());
    }

    #[test]
    fn three_refusals_block_the_form_for_half_an_hour() {
        let wrong = || Err(ConnectError::WrongPasscode);
        let mut connect = ready();
        for time in ["10:00", "10:01", "10:02"] {
            assert!(!connect.is_blocked(&now(&format!("2026-11-24T{time}")), &vpn()));
            try_at(&mut connect, time, wrong());
        }
        // Closing the window changes nothing, nor does a restart.
        connect.on_window_requested();
        let mut connect = ConnectState {
            client: ClientDetection::Found(VpnClient::Cisco),
            ..ConnectState::new(connect.history().clone())
        };
        let at = now("2026-11-24T10:31");
        assert!(connect.is_blocked(&at, &vpn()));
        assert_eq!(connect.submit(form(), true, &at, &vpn()), None);
        assert!(!connect.is_blocked(&now("2026-11-24T10:32"), &vpn()));
        try_at(&mut connect, "10:32", wrong());
        assert_eq!(connect.history().wrong, 1, "it counts from the start again");
    }

    #[test]
    fn success_clears_refusals_and_other_errors_add_none() {
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
        assert_eq!(connect.history().wrong, 1);
        try_at(&mut connect, "10:02", Ok(ConnectProgress::Connected));
        assert_eq!(connect.history(), &AttemptHistory::default());
        connect.phase = Phase::Idle;
        try_at(&mut connect, "10:03", Err(ConnectError::Locked));
        assert!(connect.is_blocked(&now("2026-11-24T10:04"), &vpn()), "a locked account is not tried again");
        // A restart keeps the lock, and it is not mistaken for a number of wrong tries.
        assert!(ConnectState::new(connect.history().clone()).is_locked());
        let wrong = AttemptHistory { wrong: u8::MAX, ..AttemptHistory::default() };
        let mut connect = ConnectState { history: wrong, ..ready() };
        connect.history.last = Some(now("2026-11-24T10:04").wall.timestamp());
        connect.count_refusal(&ConnectError::WrongPasscode, &now("2026-11-24T10:05"));
        assert!(!connect.is_locked());
    }

    #[test]
    fn without_a_client_nothing_is_tried() {
        for client in [ClientDetection::Missing, ClientDetection::WindowOnly] {
            let mut connect = ConnectState { client, ..ConnectState::default() };
            assert_eq!(connect.submit(form(), true, &now("2026-11-24T10:00"), &vpn()), None);
            assert_eq!(connect.phase, Phase::Failed(ConnectError::NoDrivableClient));
        }
    }

    #[test]
    fn pin_is_not_stored_if_the_administrator_forbids_it() {
        let vpn = VpnConfig { store_pin: false, ..vpn() };
        let request = ready().submit(form(), true, &now("2026-11-24T10:00"), &vpn).expect("the form is right");
        assert!(!request.remember_pin);
    }
}
