//! Notifications on Linux: `org.freedesktop.Notifications` over one connection of Vigie's own
//! (docs/decisions/0002-notifications-linux.md).
//!
//! The task never waits for a peer: connecting and calls are futures that are polled together with the commands and the
//! signals, so a bus or a server that hangs delays nothing else.

use super::{BackendCommand, escape_markup};
use crate::Events;
use crate::runtime::session_bus::{self, Backoff, Watch};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use vigie_core::message::{Category, Event};
use vigie_view::notice::Notice;
use zbus::message::{Flags, Header, Type};
use zbus::names::OwnedUniqueName;
use zbus::zvariant::Value;
use zbus::{Connection, Message};

/// Bus name and interface (Desktop Notifications specification 1.2).
const SERVER: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// How long after the request a text may still be shown: "dans 15 minutes" is wrong afterwards.
pub(super) const TEXT_LIFETIME: Duration = Duration::from_secs(60);

/// How long an available server may take to show an urgent notice before the core is notified that it failed.
const URGENT_TIMEOUT: Duration = Duration::from_secs(2);

/// The pauses before a failed call, or connecting to the bus, is tried again.
const RETRY_BACKOFF: Backoff = Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(30) };

/// How long the program's end waits for the server to close notifications.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// The reason of `NotificationClosed` if the user closed it.
const DISMISSED: u32 = 2;

/// How long an answer to a click is shown, in milliseconds.
const SHORT_DISPLAY: i32 = 4000;

/// Sends commands to the [`NotificationTask`].
#[derive(Debug)]
pub struct Backend {
    commands: UnboundedSender<BackendCommand>,
    task: JoinHandle<()>,
}

impl Backend {
    pub fn new(events: Events) -> Backend {
        let (commands, inbox) = mpsc::unbounded_channel();
        Backend { commands, task: tokio::spawn(NotificationTask::new(events).run(inbox)) }
    }

    pub fn show(&self, notice: Notice) {
        // The task ends only with this sender or with the runtime.
        let _ = self.commands.send(BackendCommand::Show(notice));
    }

    pub fn withdraw(&self, category: Category) {
        let _ = self.commands.send(BackendCommand::Withdraw(category));
    }

    /// Closes what is shown. Does not wait for a server that does not answer.
    pub async fn close(self) {
        drop(self.commands);
        if timeout(CLOSE_TIMEOUT, self.task).await.is_err() {
            tracing::debug!("notifications stay open: the server does not answer");
        }
    }
}

/// A notice that is to be shown.
struct PendingNotice {
    /// Part of the buttons' keys: a click on the predecessor, which had the same id, has no effect.
    number: u64,
    notice: Notice,
    requested: Instant,
    failures: u32,
    /// When to try again after a failure.
    retry_at: Option<Instant>,
    /// Whether the notice is no longer wanted: if the call under way shows it nevertheless, it is closed at once.
    obsolete: bool,
}

/// A notification that the server shows.
struct Active {
    /// The server's id; 0 if the server assigns none.
    id: u32,
    server: OwnedUniqueName,
    request: PendingNotice,
}

impl Active {
    /// Whether a signal is about this notification. Each server has its own ids.
    fn matches(&self, header: &Header, id: u32) -> bool {
        self.id == id && header.sender().is_some_and(|sender| self.server == *sender)
    }
}

/// What a server can do.
#[derive(Debug, Clone)]
struct Capabilities {
    server: OwnedUniqueName,
    actions: bool,
    markup: bool,
}

/// The result of a call.
enum Reply {
    Capabilities(zbus::Result<Capabilities>),
    /// The id, and the server that gave it.
    Shown(Category, zbus::Result<(Capabilities, u32, OwnedUniqueName)>),
}

struct NotificationTask {
    events: Events,
    watch: Option<Watch>,
    connecting: Option<BoxFuture<'static, zbus::Result<Watch>>>,
    capabilities: Option<Capabilities>,
    calls: FuturesUnordered<BoxFuture<'static, Reply>>,
    waiting: BTreeMap<Category, PendingNotice>,
    /// One call at a time in each category, so that each notice replaces the last.
    in_flight: BTreeMap<Category, PendingNotice>,
    active: BTreeMap<Category, Active>,
    /// Urgent notifications that ended with their server, and whose text is out of date.
    lost: BTreeSet<Category>,
    last_number: u64,
    /// When to connect, or to ask for the capabilities, again, and how often that has failed.
    probe_at: Option<Instant>,
    probe_failures: u32,
    /// The last value of [`Event::NotificationServer`].
    available: bool,
}

impl NotificationTask {
    fn new(events: Events) -> NotificationTask {
        NotificationTask {
            events,
            watch: None,
            connecting: None,
            capabilities: None,
            calls: FuturesUnordered::new(),
            waiting: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            active: BTreeMap::new(),
            lost: BTreeSet::new(),
            last_number: 0,
            probe_at: None,
            probe_failures: 0,
            available: true,
        }
    }

    async fn run(mut self, mut inbox: UnboundedReceiver<BackendCommand>) {
        loop {
            let deadline = self.next_deadline();
            let connected = async {
                match &mut self.connecting {
                    Some(connecting) => connecting.await,
                    None => std::future::pending().await,
                }
            };
            let message = async {
                match &mut self.watch {
                    Some(watch) => watch.messages.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // A reply is handled before the signals that followed it on the bus.
                biased;
                command = inbox.recv() => match command {
                    Some(BackendCommand::Show(notice)) => self.show(notice),
                    Some(BackendCommand::Withdraw(category)) => self.withdraw(category).await,
                    None => break,
                },
                Some(reply) = self.calls.next(), if !self.calls.is_empty() => self.on_reply(reply).await,
                watch = connected => self.on_connected(watch),
                message = message => match message {
                    Some(Ok(message)) => self.on_message(&message).await,
                    Some(Err(error)) => tracing::debug!(%error, "invalid message on the session bus"),
                    None => self.watch = None,
                },
                () = until(deadline) => self.on_deadline(),
            }
        }
        // Nothing would receive the signals of their buttons any more.
        for category in self.active.keys().chain(self.in_flight.keys()).copied().collect::<Vec<_>>() {
            self.withdraw(category).await;
        }
        while let Some(reply) = self.calls.next().await {
            self.on_reply(reply).await;
        }
    }

    fn show(&mut self, notice: Notice) {
        self.last_number += 1;
        let category = notice.category;
        let (number, requested) = (self.last_number, Instant::now());
        self.lost.remove(&category);
        let request = PendingNotice { number, notice, requested, failures: 0, retry_at: None, obsolete: false };
        self.waiting.insert(category, request);
        self.start(category);
    }

    /// Calls the server for the waiting notice of that category, unless a call for its predecessor is under way.
    fn start(&mut self, category: Category) {
        if self.in_flight.contains_key(&category) {
            return;
        }
        let Some(watch) = &self.watch else { return self.connect() };
        let Some(mut request) = self.waiting.remove(&category) else { return };
        request.retry_at = None;
        let replaces = self.active.get(&category).map_or(0, |active| active.id);
        let (bus, known, notice) = (watch.bus.clone(), self.capabilities.clone(), request.notice.clone());
        let number = request.number;
        self.in_flight.insert(category, request);
        let call = async move { Reply::Shown(category, notify(&bus, known, &notice, number, replaces).await) };
        self.calls.push(call.boxed());
    }

    fn connect(&mut self) {
        if self.connecting.is_none() {
            self.probe_at = None;
            let signals = format!("interface='{SERVER}'");
            self.connecting = Some(async move { session_bus::watch(SERVER, &signals, None).await }.boxed());
        }
    }

    fn on_connected(&mut self, watch: zbus::Result<Watch>) {
        self.connecting = None;
        match watch {
            Ok(watch) => {
                self.watch = Some(watch);
                self.probe_failures = 0;
                for category in self.waiting.keys().copied().collect::<Vec<_>>() {
                    self.start(category);
                }
                if !self.available {
                    self.probe();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "no session bus for notifications");
                self.set_available(false);
                self.probe_later();
            }
        }
    }

    /// Finds out whether notifications can be shown, without showing one.
    fn probe(&mut self) {
        self.probe_at = None;
        let Some(watch) = &self.watch else { return self.connect() };
        let bus = watch.bus.clone();
        self.calls.push(async move { Reply::Capabilities(capabilities(&bus).await) }.boxed());
    }

    fn probe_later(&mut self) {
        self.probe_at = Some(Instant::now() + RETRY_BACKOFF.after(self.probe_failures));
        self.probe_failures += 1;
    }

    async fn on_reply(&mut self, reply: Reply) {
        match reply {
            Reply::Capabilities(Ok(capabilities)) => self.on_server(capabilities),
            // The next owner of the name is probed anew.
            Reply::Capabilities(Err(error)) if is_absent(&error) => {}
            Reply::Capabilities(Err(error)) => {
                tracing::debug!(%error, "the notification server does not answer");
                if !self.available || !self.lost.is_empty() {
                    self.probe_later();
                }
            }
            Reply::Shown(category, result) => {
                let Some(request) = self.in_flight.remove(&category) else { return };
                match result {
                    Ok((capabilities, id, server)) => {
                        self.on_server(capabilities);
                        if request.obsolete {
                            self.close(id).await;
                        } else {
                            self.active.insert(category, Active { id, server, request });
                        }
                    }
                    Err(error) => self.on_failure(category, request, &error),
                }
                // One that came in the meantime replaces it.
                if self.waiting.get(&category).is_some_and(|waiting| waiting.retry_at.is_none()) {
                    self.start(category);
                }
            }
        }
    }

    /// Tries again later: for a missing server when one appears, after any other error soon.
    fn on_failure(&mut self, category: Category, mut request: PendingNotice, error: &zbus::Error) {
        tracing::warn!(%error, "cannot be shown yet: {}", request.notice.title);
        if is_absent(error) {
            self.capabilities = None;
            self.set_available(false);
        }
        if request.obsolete || self.waiting.contains_key(&category) {
            return;
        }
        if is_absent(error) {
            request.retry_at = Some(Instant::now() + RETRY_BACKOFF.longest);
        } else {
            request.retry_at = Some(Instant::now() + RETRY_BACKOFF.after(request.failures));
            request.failures += 1;
        }
        self.waiting.insert(category, request);
    }

    fn on_server(&mut self, capabilities: Capabilities) {
        self.capabilities = Some(capabilities);
        self.probe_failures = 0;
        self.set_available(true);
        for category in std::mem::take(&mut self.lost) {
            let _ = self.events.send(Event::NotificationLost(category));
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let unseen = self.waiting.values().chain(self.in_flight.values()).filter(|request| !request.obsolete);
        let ends = unseen.map(|request| self.expiry(request));
        let retries = self.waiting.values().filter_map(|request| request.retry_at);
        ends.chain(retries).chain(self.probe_at).min()
    }

    /// When the notice is given up.
    fn expiry(&self, request: &PendingNotice) -> Instant {
        let waits_for_server = !self.available || !request.notice.urgent;
        request.requested + if waits_for_server { TEXT_LIFETIME } else { URGENT_TIMEOUT }
    }

    fn on_deadline(&mut self) {
        let now = Instant::now();
        let unseen = self.waiting.values().chain(self.in_flight.values()).filter(|request| !request.obsolete);
        let expired: Vec<u64> =
            unseen.filter(|request| self.expiry(request) <= now).map(|request| request.number).collect();
        for (category, request) in self.waiting.iter_mut().chain(self.in_flight.iter_mut()) {
            if expired.contains(&request.number) {
                tracing::warn!("given up, not shown in time: {}", request.notice.title);
                request.obsolete = true;
                if request.notice.urgent {
                    let _ = self.events.send(Event::NotificationFailed(*category));
                }
            }
        }
        self.waiting.retain(|_, request| !request.obsolete);
        if self.probe_at.is_some_and(|at| at <= now) {
            self.probe();
        }
        let due = self.waiting.iter().filter(|(_, request)| request.retry_at.is_some_and(|at| at <= now));
        for category in due.map(|(category, _)| *category).collect::<Vec<_>>() {
            self.start(category);
        }
    }

    async fn withdraw(&mut self, category: Category) {
        self.waiting.remove(&category);
        self.lost.remove(&category);
        if let Some(request) = self.in_flight.get_mut(&category) {
            request.obsolete = true;
        }
        if let Some(active) = self.active.remove(&category) {
            self.close(active.id).await;
        }
    }

    /// Does not wait for the answer.
    async fn close(&mut self, id: u32) {
        // 0 is not an id, so the server could not identify the notification.
        let (Some(watch), true) = (&self.watch, id != 0) else { return };
        let call = async {
            let message = Message::method_call(PATH, "CloseNotification")?.destination(SERVER)?.interface(SERVER)?;
            let message = message.with_flags(Flags::NoReplyExpected)?.with_flags(Flags::NoAutoStart)?;
            watch.bus.send(&message.build(&id)?).await
        };
        if let Err(error) = call.await {
            tracing::debug!(%error, "a notification was not closed");
        }
    }

    async fn on_message(&mut self, message: &Message) {
        let header = message.header();
        let (Type::Signal, Some(member)) = (header.message_type(), header.member()) else { return };
        let body = message.body();
        match member.as_str() {
            "ActionInvoked" => {
                let Ok((id, key)) = body.deserialize::<(u32, &str)>() else { return };
                self.on_action(&header, id, key).await;
            }
            "NotificationClosed" => {
                let Ok((id, reason)) = body.deserialize::<(u32, u32)>() else { return };
                // Without ids it may be any of them.
                let closed = self.active.extract_if(.., |_, active| id != 0 && active.matches(&header, id));
                for (category, _) in closed {
                    if reason == DISMISSED {
                        let _ = self.events.send(Event::NotificationDismissed(category));
                    }
                }
            }
            "NameOwnerChanged" => {
                let Ok((SERVER, old, new)) = body.deserialize::<(&str, &str, &str)>() else { return };
                self.on_owner(old, new);
            }
            _ => {}
        }
    }

    /// Handles a change of the server: notifications of the old one are gone, and are shown again if they are still true.
    fn on_owner(&mut self, old: &str, new: &str) {
        self.capabilities.take_if(|capabilities| capabilities.server != new);
        let gone: Vec<Category> =
            self.active.iter().filter(|(_, active)| active.server == old).map(|(category, _)| *category).collect();
        for category in gone {
            let Some(Active { mut request, .. }) = self.active.remove(&category) else { continue };
            if self.waiting.contains_key(&category) || request.notice.transient {
                continue;
            }
            if request.requested.elapsed() < TEXT_LIFETIME {
                // A server that ends because of this very notice is not asked in a tight loop.
                request.retry_at = Some(Instant::now() + RETRY_BACKOFF.after(request.failures));
                request.failures += 1;
                self.waiting.insert(category, request);
            } else if request.notice.urgent {
                self.lost.insert(category);
            }
        }
        if new.is_empty() {
            return;
        }
        self.probe_failures = 0;
        if self.waiting.is_empty() {
            return self.probe();
        }
        let ready = self.waiting.iter().filter(|(_, request)| request.failures <= 1);
        for category in ready.map(|(category, _)| *category).collect::<Vec<_>>() {
            self.start(category);
        }
    }

    /// A button was clicked: its action is requested once.
    async fn on_action(&mut self, header: &Header<'_>, id: u32, clicked: &str) {
        let found = self.active.iter().find_map(|(category, active)| {
            let mut actions = active.request.notice.actions.iter().enumerate();
            let number = active.request.number;
            let (_, (_, action)) = actions.find(|(index, _)| key(number, *index) == clicked)?;
            active.matches(header, id).then(|| (*category, action.clone()))
        });
        if let Some((category, action)) = found {
            let _ = self.events.send(Event::Action(action));
            // Many servers close it by themselves; dunst leaves it open.
            self.withdraw(category).await;
        }
    }

    fn set_available(&mut self, available: bool) {
        if std::mem::replace(&mut self.available, available) != available {
            let _ = self.events.send(Event::NotificationServer(available));
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Whether the error says that nobody owns the server's name, and that the bus can start nobody.
fn is_absent(error: &zbus::Error) -> bool {
    const ABSENT: [&str; 2] =
        ["org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner"];
    matches!(error, zbus::Error::MethodError(name, ..) if ABSENT.contains(&name.as_str()))
}

async fn capabilities(bus: &Connection) -> zbus::Result<Capabilities> {
    let answer = call(bus, "GetCapabilities", &()).await?;
    let names: Vec<String> = answer.body().deserialize()?;
    let has = |name: &str| names.iter().any(|known| known == name);
    Ok(Capabilities { server: sender(&answer.header())?, actions: has("actions"), markup: has("body-markup") })
}

async fn notify(
    bus: &Connection,
    known: Option<Capabilities>,
    notice: &Notice,
    number: u64,
    replaces: u32,
) -> zbus::Result<(Capabilities, u32, OwnedUniqueName)> {
    let capabilities = match known {
        Some(known) => known,
        None => capabilities(bus).await?,
    };
    let buttons = notice.actions.iter().enumerate().filter(|_| capabilities.actions);
    let buttons: Vec<String> = buttons.flat_map(|(index, (label, _))| [key(number, index), label.clone()]).collect();
    let body = if capabilities.markup { escape_markup(&notice.body) } else { notice.body.clone() };
    let expires = match (notice.urgent, notice.transient) {
        (true, _) => 0,
        (false, true) => SHORT_DISPLAY,
        (false, false) => -1,
    };
    let content = ("Vigie", replaces, "vigie", &notice.title, body, buttons, hints(notice), expires);
    let answer = call(bus, "Notify", &content).await?;
    Ok((capabilities, answer.body().deserialize()?, sender(&answer.header())?))
}

async fn call<B>(bus: &Connection, method: &str, body: &B) -> zbus::Result<Message>
where
    B: serde::Serialize + zbus::zvariant::DynamicType,
{
    bus.call_method(Some(SERVER), PATH, Some(SERVER), method, body).await
}

fn sender(header: &Header) -> zbus::Result<OwnedUniqueName> {
    header.sender().map(|name| name.to_owned().into()).ok_or(zbus::Error::InvalidReply)
}

/// Returns the key of a button, which the server sends back when it is clicked.
fn key(number: u64, index: usize) -> String {
    format!("{number}.{index}")
}

fn hints(notice: &Notice) -> HashMap<&'static str, Value<'static>> {
    // Low, normal, critical: the specification's "urgency".
    let urgency: u8 = match (notice.urgent, notice.transient) {
        (true, _) => 2,
        (false, false) => 1,
        (false, true) => 0,
    };
    let category = match notice.category {
        Category::Vpn => "network",
        Category::Shutdown => "x-vigie.shutdown",
        Category::Answer => "x-vigie.answer",
        Category::Program => "x-vigie.program",
    };
    let mut hints = HashMap::from([
        ("desktop-entry", Value::from("vigie")),
        ("urgency", Value::from(urgency)),
        ("category", Value::from(category)),
    ]);
    if notice.transient {
        hints.insert("transient", Value::from(true));
    }
    hints
}
