//! The event loop: events in, effects out, and the views of the state kept up to date.
//!
//! Nothing here waits for another program or for the disk: every such call is a task of its own, with a deadline.

use super::clipboard::Clipboard;
use super::connect::{VpnConnector, passcode};
use super::notify::Notifier;
use super::store::Store;
use super::tray::DesktopTray;
use super::{autostart, clipboard, launch, panel, power_off};
use crate::{Events, send};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use vigie_core::Now;
use vigie_core::connect::{ConnectError, Pin, Secret};
use vigie_core::message::{
    ClipboardContent, Effect, Event, HelpRequest, ReportResult, RequestId, SaveFailure, SensorRequest,
};
use vigie_core::state::{SavedState, State};
use vigie_core::update::update;
use vigie_profile::{Loaded, Paths, SaveError};
use vigie_view::notice::notice;
use vigie_view::report::{self, support_info};
use vigie_view::status::{Status, status};

/// What the event loop is given.
pub struct Parts {
    /// The clock.
    pub now: fn() -> Now,
    /// Requests to the sensors.
    pub requests: mpsc::UnboundedSender<SensorRequest>,
    /// A sender of the events, for the answers of tasks.
    pub events: Events,
    /// The configuration files.
    pub paths: Paths,
    /// What survives a restart.
    pub store: Store<SavedState>,
    /// The tray.
    pub tray: DesktopTray,
}

/// The event loop.
pub struct App {
    state: State,
    parts: Parts,
    status: watch::Sender<Arc<Status>>,
    notifier: Notifier,
    clipboard: Arc<tokio::sync::Mutex<Clipboard>>,
    panel: panel::PanelWindow<vigie_view::page::Page>,
    pin: panel::PinnedWindow,
    connect: panel::PanelWindow<vigie_view::connect::Form>,
    connector: VpnConnector,
    wake_at: Option<Timestamp>,
    files: mpsc::UnboundedSender<FileJob>,
    file_task: JoinHandle<()>,
}

/// How long reading or writing a file may take before a failure is reported; also how long the program waits for it at its
/// end.
const FILE_TIMEOUT: Duration = Duration::from_secs(5);
const FILE_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Work on files. A task carries out one job after the other, so that the event loop does not wait for the disk.
struct FileJob {
    work: Box<dyn FnOnce() -> Vec<Event> + Send>,
    /// What is reported if the disk does not answer in time.
    on_timeout: Option<Event>,
}

async fn run_file_jobs(mut jobs: mpsc::UnboundedReceiver<FileJob>, events: Events) {
    while let Some(FileJob { work, on_timeout }) = jobs.recv().await {
        let mut done = tokio::task::spawn_blocking(work);
        let result = match timeout(FILE_TIMEOUT, &mut done).await {
            Ok(result) => result,
            Err(_) => {
                tracing::error!("the disk does not answer");
                if let Some(event) = on_timeout {
                    send(&events, event);
                }
                // The next job may depend on this one.
                done.await
            }
        };
        result.unwrap_or_default().into_iter().for_each(|event| send(&events, event));
    }
}

impl App {
    /// Prepares everything without showing it. Also returns the status, for the programs that ask for it. Must be called
    /// within a tokio runtime.
    pub fn new(loaded: &Loaded, memory: SavedState, parts: Parts) -> (App, watch::Receiver<Arc<Status>>) {
        let state = State::new(loaded.profile.clone(), loaded.problems.clone(), memory, seed(), (parts.now)());
        let (status, watched) = watch::channel(Arc::new(status(&state)));
        let (files, jobs) = mpsc::unbounded_channel();
        let clipboard = Arc::new(tokio::sync::Mutex::new(Clipboard::new()));
        let app = App {
            state,
            status,
            notifier: Notifier::new(parts.events.clone()),
            clipboard: clipboard.clone(),
            panel: panel::PanelWindow::new(parts.events.clone()),
            pin: panel::PinnedWindow::new(parts.events.clone()),
            connect: panel::PanelWindow::new(parts.events.clone()),
            connector: VpnConnector::new(parts.events.clone(), clipboard),
            wake_at: None,
            files,
            file_task: tokio::spawn(run_file_jobs(jobs, parts.events.clone())),
            parts,
        };
        (app, watched)
    }

    /// Runs until [`Effect::Quit`], or until all senders of events are dropped.
    pub async fn run(mut self, mut events: mpsc::UnboundedReceiver<Event>) {
        let first = self.state.begin();
        // The icon comes first: it is what the user waits for.
        self.show();
        let mut going = self.perform(first);
        while going.is_continue() {
            let Some(event) = events.recv().await else { break };
            tracing::debug!(?event, "event");
            let before = self.state.vpn.status();
            let effects = update(&mut self.state, event, (self.parts.now)());
            let after = self.state.vpn.status();
            if before != after {
                tracing::info!(?before, ?after, "VPN status changed");
            }
            self.show();
            going = self.perform(effects);
        }
        self.notifier.close().await;
        drop(self.files);
        if timeout(FILE_CLOSE_TIMEOUT, self.file_task).await.is_err() {
            tracing::error!("not everything was saved: the disk does not answer");
        }
    }

    /// Brings every view up to date.
    fn show(&mut self) {
        let wanted = vigie_view::tray::tray(&self.state);
        self.parts.tray.show(wanted, &self.parts.events);
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
            self.request(SensorRequest::WakeAt(wake_at));
        }
    }

    /// Starts the effects. Breaks if the program is to end.
    fn perform(&mut self, effects: Vec<Effect>) -> std::ops::ControlFlow<()> {
        for effect in effects {
            tracing::debug!(?effect, "effect");
            match effect {
                Effect::Request(request) => self.request(request),
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
                Effect::SaveReport(request) => self.save_report(&request),
                Effect::ShowPanel => self.panel.show(&vigie_view::page::page(&self.state)),
                Effect::ShowConnect => self.connect.show(&vigie_view::connect::form(&self.state)),
                Effect::CloseConnect => self.connect.close(),
                Effect::PrepareConnect => self.connector.prepare(&self.state.profile),
                Effect::Connect(request) => self.connector.connect(&self.state.profile, request),
                Effect::CancelConnect => self.connector.cancel(),
                Effect::Disconnect => self.connector.disconnect(&self.state.profile),
                Effect::ForgetCredentials => self.connector.forget(),
                Effect::CopyPasscode(request, pin, digits) => self.copy_passcode(request, pin, digits),
                Effect::SaveState(saved) => {
                    let store = self.parts.store.clone();
                    self.file_job(None, move || {
                        if let Err(error) = store.save(&saved) {
                            tracing::error!(%error, "the state was not saved");
                        }
                        Vec::new()
                    });
                }
                Effect::SaveChoice(choice) => {
                    let paths = self.parts.paths.clone();
                    self.file_job(Some(Event::NotSaved(SaveFailure::Unwritable)), move || {
                        saved(&paths, vigie_profile::save(&paths, &choice))
                    });
                }
                Effect::RestoreSettings => {
                    let paths = self.parts.paths.clone();
                    let failed = Event::NotSaved(SaveFailure::Unwritable);
                    self.file_job(Some(failed), move || saved(&paths, vigie_profile::restore(&paths)));
                }
                Effect::SetAutostart(on) => {
                    self.file_job(Some(Event::NotSaved(SaveFailure::Unwritable)), move || set_autostart(on));
                }
                Effect::PowerOff => {
                    let events = self.parts.events.clone();
                    tokio::spawn(async move {
                        if let Err(why) = power_off::power_off().await {
                            tracing::error!(error = ?why, "the computer was not switched off");
                            send(&events, Event::PowerOffFailed(why));
                        }
                    });
                }
                Effect::Quit => return std::ops::ControlFlow::Break(()),
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    /// Passes a request on to the sensors.
    fn request(&self, request: SensorRequest) {
        if self.parts.requests.send(request).is_err() {
            tracing::error!("the sensors have ended");
        }
    }

    /// Puts a text on the clipboard on a task of its own; the answer is an [`Event::Copied`].
    fn copy(&self, what: ClipboardContent) {
        let text = match &what {
            ClipboardContent::Code(call) => call.dial_string(&self.state.profile),
            ClipboardContent::Printer(name) => Some(name.clone()),
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
                tracing::error!(error = %why, "the text was not copied");
            }
            send(&events, Event::Copied(what, copied));
        });
    }

    /// Writes the report into a file and copies it, on a task of its own: the folder may lie on a server.
    fn save_report(&self, request: &HelpRequest) {
        let (text, name) = (report::report(&self.state, request), report::file_name(&self.state));
        let (clipboard, events) = (self.clipboard.clone(), self.parts.events.clone());
        tokio::spawn(async move {
            let copied = clipboard.lock().await.set(text.clone()).await;
            if let Err(error) = &copied {
                tracing::error!(error, "the report was not copied");
            }
            let file = super::report::save(name, text).await;
            send(&events, Event::ReportSaved(ReportResult { file, copied: copied.is_ok() }));
        });
    }

    /// Carries out [`Effect::CopyPasscode`] on a task of its own.
    fn copy_passcode(&self, request: RequestId, pin: Pin, digits: Secret) {
        let (lender, events) = (self.clipboard.clone(), self.parts.events.clone());
        tokio::spawn(async move {
            let passcode = match passcode(&pin, &digits).await {
                Ok(passcode) => passcode,
                Err(why) => {
                    tracing::warn!(error = %why, "the PIN cannot be read");
                    return send(&events, Event::ConnectProgress(request, Err(ConnectError::PinLost)));
                }
            };
            let copied = Clipboard::copy_with_expiry(lender, passcode, clipboard::PASSCODE_EXPIRY).await;
            if let Err(why) = &copied {
                tracing::error!(error = %why, "the passcode was not copied");
            }
            send(&events, Event::Copied(ClipboardContent::Passcode, copied));
        });
    }

    fn file_job(&self, on_timeout: Option<Event>, work: impl FnOnce() -> Vec<Event> + Send + 'static) {
        // The task ends with this sender.
        let _ = self.files.send(FileJob { work: Box::new(work), on_timeout });
    }
}

/// Returns the profile loaded anew after a change of the user's file, or that the file was not changed.
fn saved(paths: &Paths, result: Result<(), SaveError>) -> Vec<Event> {
    if let Err(error) = result {
        tracing::error!(%error, "the user's file was not changed");
        let failure = match error {
            SaveError::Locked(_) => SaveFailure::Locked,
            SaveError::Broken(_) => SaveFailure::Broken,
            SaveError::Write(..) | SaveError::Unfit(_) => SaveFailure::Unwritable,
        };
        return vec![Event::NotSaved(failure)];
    }
    let loaded = vigie_profile::load(paths);
    vec![Event::Profile(loaded.profile, loaded.problems)]
}

/// Switches autostart on or off. Returns whether it is on now, after the failure if there was one.
fn set_autostart(on: bool) -> Vec<Event> {
    let mut events = Vec::new();
    if let Err(error) = autostart::set(on) {
        tracing::error!(%error, on, "autostart was not changed");
        events.push(Event::NotSaved(SaveFailure::Unwritable));
    }
    events.push(Event::Autostart(autostart::enabled()));
    events
}

/// Returns a random number, which spreads the probes of a fleet over time. (The standard library's hasher keys are random.)
fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// How long a one-off status may take.
pub const STATUS_TIMEOUT: Duration = Duration::from_secs(15);

/// Returns the status without a tray: asks every sensor once, and answers when all have reported
/// ([`State::has_initial_readings`]), or after [`STATUS_TIMEOUT`].
pub async fn status_once(
    loaded: &Loaded,
    saved: SavedState,
    now: fn() -> Now,
    requests: mpsc::UnboundedSender<SensorRequest>,
    mut events: mpsc::UnboundedReceiver<Event>,
) -> Status {
    let mut state = State::new(loaded.profile.clone(), loaded.problems.clone(), saved, seed(), now());
    let mut effects = state.begin();
    let deadline = tokio::time::sleep(STATUS_TIMEOUT);
    tokio::pin!(deadline);
    loop {
        let wake_at = SensorRequest::WakeAt(state.next_wake());
        for effect in effects.drain(..) {
            if let Effect::Request(request) = effect {
                // A sensor that has ended cannot answer; the time limit ends the wait.
                let _ = requests.send(request);
            }
        }
        let _ = requests.send(wake_at);
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => effects = update(&mut state, event, now()),
                None => return status(&state),
            },
            () = &mut deadline => return status(&state),
        }
        if state.has_initial_readings() {
            return status(&state);
        }
    }
}
