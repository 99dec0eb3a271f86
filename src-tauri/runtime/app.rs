//! The loop: events in, effects out, and the pictures of the state brought up to date.

use super::clipboard::Clipboard;
use super::connect::{VpnConnector, passcode};
use super::notify::Notifier;
use super::store::Store;
use super::tray::Tray;
use super::{autostart, clipboard, launch, panel, power_off};
use crate::Events;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use vigie_core::Now;
use vigie_core::connect::{ConnectError, Pin, Secret};
use vigie_core::message::{ClipboardContent, Effect, Event, RequestId, SaveFailure, SensorRequest};
use vigie_core::state::{SavedState, State};
use vigie_core::update::update;
use vigie_profile::{Choice, Loaded, Paths, SaveError};
use vigie_view::notice::notice;
use vigie_view::status::{Status, status, support_info};

/// What the loop is given to work with.
pub struct Parts {
    /// The clock.
    pub now: fn() -> Now,
    /// Where the sensors are asked to look.
    pub looks: mpsc::UnboundedSender<SensorRequest>,
    /// A sender of the events, for those who answer later.
    pub events: Events,
    /// The configuration files.
    pub paths: Paths,
    /// What survives a restart.
    pub store: Store<SavedState>,
    /// The tray.
    pub tray: Tray,
}

/// The loop.
pub struct App {
    state: State,
    parts: Parts,
    status: watch::Sender<Arc<Status>>,
    notifier: Notifier,
    clipboard: Arc<tokio::sync::Mutex<Clipboard>>,
    panel: panel::Window<vigie_view::page::Page>,
    pin: panel::Pin,
    connect: panel::Window<vigie_view::connect::Form>,
    connector: VpnConnector,
    wake_at: Option<Timestamp>,
}

impl App {
    /// Everything ready, nothing shown. The status goes to those who ask from outside.
    pub fn new(loaded: &Loaded, memory: SavedState, parts: Parts) -> (App, watch::Receiver<Arc<Status>>) {
        let state = State::new(loaded.profile.clone(), loaded.problems.clone(), memory, seed(), (parts.now)());
        let (status, watched) = watch::channel(Arc::new(status(&state)));
        let app = App {
            state,
            status,
            notifier: Notifier::new(parts.events.clone()),
            clipboard: Arc::new(tokio::sync::Mutex::new(Clipboard::new())),
            panel: panel::Window::new(parts.events.clone()),
            pin: panel::Pin::new(parts.events.clone()),
            connect: panel::Window::new(parts.events.clone()),
            connector: VpnConnector::new(parts.events.clone()),
            wake_at: None,
            parts,
        };
        (app, watched)
    }

    /// Runs until somebody asks to quit, or nobody can send events any more.
    pub async fn run(mut self, mut events: mpsc::UnboundedReceiver<Event>) {
        let first = self.state.begin();
        // The icon comes before anything else: it is what the user waits for.
        self.show().await;
        let mut going = self.perform(first);
        while going.is_continue() {
            let Some(event) = events.recv().await else { break };
            tracing::debug!(?event, "event");
            let before = self.state.vpn.status();
            let effects = update(&mut self.state, event, (self.parts.now)());
            let after = self.state.vpn.status();
            if before != after {
                tracing::info!(?before, ?after, "verdict");
            }
            self.show().await;
            going = self.perform(effects);
        }
        self.notifier.close().await;
    }

    /// Brings every picture of the state up to date.
    async fn show(&mut self) {
        let wanted = vigie_view::tray::tray(&self.state);
        self.parts.tray.show(wanted, &self.parts.events).await;
        if self.state.panel_open {
            self.panel.push(&vigie_view::page::page(&self.state));
        }
        if self.state.connect.open {
            self.connect.push(&vigie_view::connect::form(&self.state));
        }
        self.pin.show(vigie_view::panel::pinned(&self.state));
        let new = status(&self.state);
        self.status.send_if_modified(|old| {
            let differs = **old != new;
            if differs {
                *old = Arc::new(new);
            }
            differs
        });
        let wake_at = self.state.next_wake();
        if wake_at != self.wake_at {
            self.wake_at = wake_at;
            self.look(SensorRequest::WakeAt(wake_at));
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) -> std::ops::ControlFlow<()> {
        for effect in effects {
            tracing::debug!(?effect, "effect");
            match effect {
                Effect::Request(look) => self.look(look),
                Effect::Notify(notification) => self.notifier.show(notice(&notification, &self.state)),
                Effect::Withdraw(category) => self.notifier.withdraw(category),
                Effect::Launch(what) => {
                    let (profile, events) = (self.state.profile.clone(), self.parts.events.clone());
                    tokio::spawn(async move {
                        let launched = launch::launch(&profile, &what).await;
                        tracing::info!(?launched, "launch");
                        send(&events, Event::Launched(launched));
                    });
                }
                Effect::Copy(what) => self.copy(what),
                Effect::ShowPanel => self.panel.show(&vigie_view::page::page(&self.state)),
                Effect::ShowConnect => self.connect.show(&vigie_view::connect::form(&self.state)),
                Effect::CloseConnect => self.connect.close(),
                Effect::PrepareConnect => self.connector.prepare(&self.state.profile),
                Effect::Connect(dial) => self.connector.dial(&self.state.profile, dial),
                Effect::CancelConnect => self.connector.cancel(),
                Effect::Disconnect => self.connector.hang_up(&self.state.profile),
                Effect::ForgetCredentials => self.connector.forget(),
                Effect::CopyPasscode(request, pin, digits) => self.copy_passcode(request, pin, digits),
                Effect::SaveState(memory) => {
                    if let Err(error) = self.parts.store.save(&memory) {
                        tracing::error!(%error, "what must survive a restart was not written");
                    }
                }
                Effect::SaveChoice(choice) => self.save(&choice),
                Effect::SetAutostart(on) => {
                    if let Err(error) = autostart::set(on) {
                        tracing::error!(%error, on, "start with the session was not changed");
                        send(&self.parts.events, Event::NotSaved(SaveFailure::Unwritable));
                    }
                    send(&self.parts.events, Event::Autostart(autostart::enabled()));
                }
                Effect::PowerOff => {
                    let events = self.parts.events.clone();
                    tokio::spawn(async move {
                        if let Err(why) = power_off::power_off().await {
                            tracing::error!(%why, "the computer was not switched off");
                            send(&events, Event::PowerOffFailed(why));
                        }
                    });
                }
                Effect::Quit => return std::ops::ControlFlow::Break(()),
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    fn look(&self, look: SensorRequest) {
        if self.parts.looks.send(look).is_err() {
            tracing::error!("the sensors have ended");
        }
    }

    fn copy(&self, what: ClipboardContent) {
        let text = match &what {
            ClipboardContent::Code(call) => call.dialled(&self.state.profile),
            ClipboardContent::SupportInfo => Some(support_info(&self.state)),
            ClipboardContent::Passcode => None,
        };
        let Some(text) = text else {
            send(&self.parts.events, Event::Copied(what, Err("there is nothing to copy".into())));
            return;
        };
        let (clipboard, events) = (self.clipboard.clone(), self.parts.events.clone());
        tokio::spawn(async move {
            let copied = clipboard.lock().await.set(text).await;
            if let Err(why) = &copied {
                tracing::error!(%why, "the clipboard did not take the text");
            }
            send(&events, Event::Copied(what, copied));
        });
    }

    fn copy_passcode(&self, request: RequestId, pin: Pin, digits: Secret) {
        let (lender, events) = (self.clipboard.clone(), self.parts.events.clone());
        tokio::spawn(async move {
            let passcode = match passcode(&pin, &digits).await {
                Ok(passcode) => passcode,
                Err(why) => {
                    tracing::warn!(%why, "the PIN cannot be had");
                    return send(&events, Event::ConnectProgress(request, Err(ConnectError::PinLost)));
                }
            };
            let copied = Clipboard::copy_with_expiry(lender, passcode, clipboard::PASSCODE_EXPIRY).await;
            if let Err(why) = &copied {
                tracing::error!(%why, "the clipboard did not take the passcode");
            }
            send(&events, Event::Copied(ClipboardContent::Passcode, copied));
        });
    }

    fn save(&self, choice: &Choice) {
        if let Err(error) = vigie_profile::save(&self.parts.paths, choice) {
            tracing::error!(%error, ?choice, "a choice was not saved");
            let why = match error {
                SaveError::Locked(_) => SaveFailure::Locked,
                SaveError::Broken(_) => SaveFailure::Broken,
                SaveError::Write(..) | SaveError::Unfit(_) => SaveFailure::Unwritable,
            };
            send(&self.parts.events, Event::NotSaved(why));
            return;
        }
        let loaded = vigie_profile::load(&self.parts.paths);
        send(&self.parts.events, Event::Profile(loaded.profile, loaded.problems));
    }
}

fn send(events: &Events, event: Event) {
    if let Err(lost) = events.send(event) {
        tracing::debug!(event = ?lost.0, "the loop has ended; an answer is lost");
    }
}

/// Spreads the probes of a fleet over time: the standard library's hasher keys are random.
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// How long a one-off status may take to find its verdict.
pub const STATUS_LIMIT: Duration = Duration::from_secs(15);

/// The status without a tray: looks at everything once, and answers when the verdict is known and the machine was
/// read, or when [`STATUS_LIMIT`] has passed.
pub async fn status_once(
    loaded: &Loaded,
    memory: SavedState,
    now: fn() -> Now,
    looks: mpsc::UnboundedSender<SensorRequest>,
    mut events: mpsc::UnboundedReceiver<Event>,
) -> Status {
    let mut state = State::new(loaded.profile.clone(), loaded.problems.clone(), memory, seed(), now());
    let mut effects = state.begin();
    let limit = tokio::time::sleep(STATUS_LIMIT);
    tokio::pin!(limit);
    loop {
        let wake_at = SensorRequest::WakeAt(state.next_wake());
        for effect in effects.drain(..) {
            if let Effect::Request(look) = effect {
                // A sensor that has ended cannot answer; the limit ends the wait.
                let _ = looks.send(look);
            }
        }
        let _ = looks.send(wake_at);
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => effects = update(&mut state, event, now()),
                None => return status(&state),
            },
            () = &mut limit => return status(&state),
        }
        if state.settled() {
            return status(&state);
        }
    }
}
