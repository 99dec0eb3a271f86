//! Notifications on Linux: `org.freedesktop.Notifications` on one connection of our own
//! (docs/decisions/0002-notifications-linux.md).

use super::escape_markup;
use crate::Events;
use futures_util::StreamExt;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use vigie_core::message::{Action, Category, Event};
use vigie_view::notice::Notice;
use zbus::message::{Header, Type};
use zbus::names::OwnedUniqueName;
use zbus::zvariant::Value;
use zbus::{Connection, MatchRule, Message, MessageStream};

/// Bus name and interface (Desktop Notifications specification 1.2).
const SERVER: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// Longer than the bus waits for a server that it starts on demand (25 s), so that one that comes late is not asked
/// twice.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a notice may wait for a server: afterwards what it says ("dans 15 minutes") is no longer so.
const FRESH: Duration = Duration::from_secs(60);

/// How long the program's end waits for the server to take notifications back.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long an answer to a click is shown, in milliseconds.
const SHORT_DISPLAY: i32 = 4000;

enum Order {
    Show(Notice),
    Withdraw(Category),
}

/// Hands orders to the task that talks with the server.
#[derive(Debug)]
pub struct Backend {
    orders: UnboundedSender<Order>,
    task: JoinHandle<()>,
}

impl Backend {
    pub fn new(events: Events) -> Backend {
        Backend::with_patience(events, FRESH)
    }

    /// As `new`, but a notice waits that long for a server.
    pub fn with_patience(events: Events, fresh: Duration) -> Backend {
        let (orders, inbox) = mpsc::unbounded_channel();
        Backend { orders, task: tokio::spawn(NotificationTask::new(events, fresh).run(inbox)) }
    }

    pub fn show(&self, notice: Notice) {
        // The task ends only with this sender or with the runtime.
        let _ = self.orders.send(Order::Show(notice));
    }

    pub fn withdraw(&self, category: Category) {
        let _ = self.orders.send(Order::Withdraw(category));
    }

    /// Takes back what stands. A server that does not answer is not waited for.
    pub async fn close(self) {
        drop(self.orders);
        if timeout(CLOSE_TIMEOUT, self.task).await.is_err() {
            tracing::debug!("notifications are left standing: the server does not answer");
        }
    }
}

/// What stands on the screen.
struct Standing {
    id: u32,
    /// Who shows it.
    server: OwnedUniqueName,
    /// Its number: a part of the buttons' keys, so that a click on what was replaced in that moment (its successor has
    /// the same id) means nothing.
    number: u64,
    actions: Vec<Action>,
}

/// What the server can do.
struct Capabilities {
    server: OwnedUniqueName,
    actions: bool,
    markup: bool,
}

/// The connection, and everything that comes in on it.
struct Line {
    bus: Connection,
    messages: MessageStream,
}

struct NotificationTask {
    events: Events,
    line: Option<Line>,
    skills: Option<Capabilities>,
    standing: BTreeMap<Category, Standing>,
    waiting: BTreeMap<Category, (Notice, Instant)>,
    shown: u64,
    told: bool,
    fresh: Duration,
}

impl NotificationTask {
    fn new(events: Events, fresh: Duration) -> NotificationTask {
        let (standing, waiting) = (BTreeMap::new(), BTreeMap::new());
        NotificationTask { events, line: None, skills: None, standing, waiting, shown: 0, told: true, fresh }
    }

    async fn run(mut self, mut inbox: UnboundedReceiver<Order>) {
        loop {
            let message = async {
                match &mut self.line {
                    Some(line) => line.messages.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                order = inbox.recv() => match order {
                    Some(Order::Show(notice)) => {
                        self.waiting.insert(notice.category, (notice, Instant::now()));
                        self.show_waiting().await;
                    }
                    Some(Order::Withdraw(category)) => self.withdraw(category).await,
                    None => break,
                },
                message = message => match message {
                    Some(Ok(message)) => self.hear(&message).await,
                    Some(Err(error)) => tracing::debug!("not understood on the session bus: {error}"),
                    // The next notice connects again.
                    None => self.line = None,
                },
            }
        }
        // Nobody would hear their buttons any more.
        for category in self.standing.keys().copied().collect::<Vec<_>>() {
            self.withdraw(category).await;
        }
    }

    /// Shows what waits. What cannot be shown goes on waiting for a server to appear.
    async fn show_waiting(&mut self) {
        for (category, (notice, since)) in std::mem::take(&mut self.waiting) {
            if since.elapsed() > self.fresh {
                tracing::info!("not shown, no longer true: {}", notice.title);
                continue;
            }
            match self.send(&notice).await {
                Ok(standing) => {
                    self.standing.insert(category, standing);
                    self.tell(true);
                }
                Err(error) => {
                    tracing::warn!("cannot be shown yet: {} ({error})", notice.title);
                    self.waiting.insert(category, (notice, since));
                    self.tell(false);
                }
            }
        }
    }

    async fn send(&mut self, notice: &Notice) -> zbus::Result<Standing> {
        let bus = self.bus().await?;
        let (actions, markup) = match &self.skills {
            Some(skills) => (skills.actions, skills.markup),
            None => {
                let answer = call(&bus, "GetCapabilities", &()).await?;
                let skills: Vec<String> = answer.body().deserialize()?;
                let can = |skill: &str| skills.iter().any(|name| name == skill);
                let (actions, markup) = (can("actions"), can("body-markup"));
                self.skills = Some(Capabilities { server: sender(&answer.header())?, actions, markup });
                (actions, markup)
            }
        };
        self.shown += 1;
        let number = self.shown;
        let buttons = notice.actions.iter().enumerate().filter(|_| actions);
        let buttons: Vec<String> =
            buttons.flat_map(|(place, (label, _))| [key(number, place), label.clone()]).collect();
        let body = if markup { escape_markup(&notice.body) } else { notice.body.clone() };
        let replaces = self.standing.get(&notice.category).map_or(0, |standing| standing.id);
        let expires = match (notice.urgent, notice.transient) {
            (true, _) => 0,
            (false, true) => SHORT_DISPLAY,
            (false, false) => -1,
        };
        let content = ("Vigie", replaces, "vigie", &notice.title, body, buttons, hints(notice), expires);
        let answer = call(&bus, "Notify", &content).await?;
        let actions = notice.actions.iter().map(|(_, action)| action.clone()).collect();
        Ok(Standing { id: answer.body().deserialize()?, server: sender(&answer.header())?, number, actions })
    }

    async fn withdraw(&mut self, category: Category) {
        self.waiting.remove(&category);
        let (Some(standing), Some(line)) = (self.standing.remove(&category), &self.line) else { return };
        if let Err(error) = call(&line.bus, "CloseNotification", &standing.id).await {
            tracing::debug!("cannot be taken back: {error}");
        }
    }

    async fn hear(&mut self, message: &Message) {
        let header = message.header();
        let (Type::Signal, Some(member)) = (header.message_type(), header.member()) else { return };
        let body = message.body();
        match member.as_str() {
            "ActionInvoked" => {
                let Ok((id, key)) = body.deserialize::<(u32, &str)>() else { return };
                self.invoked(&header, id, key).await;
            }
            "NotificationClosed" => {
                let Ok((id, _reason)) = body.deserialize::<(u32, u32)>() else { return };
                self.standing.retain(|_, standing| !standing.is(&header, id));
            }
            "NameOwnerChanged" => {
                let Ok((name, old, new)) = body.deserialize::<(&str, &str, &str)>() else { return };
                if name != SERVER {
                    return;
                }
                self.standing.retain(|_, standing| standing.server != old);
                self.skills = self.skills.take().filter(|skills| skills.server == new);
                if !new.is_empty() {
                    self.show_waiting().await;
                    // Also where nothing waited: reminders do, in the core.
                    self.tell(true);
                }
            }
            _ => {}
        }
    }

    /// A button was pressed: what belongs to it is asked for once.
    async fn invoked(&mut self, header: &Header<'_>, id: u32, pressed: &str) {
        let found = self.standing.iter().find(|(_, standing)| standing.is(header, id));
        let action = found.and_then(|(category, standing)| {
            let mut actions = standing.actions.iter().enumerate();
            let (_, action) = actions.find(|(place, _)| key(standing.number, *place) == pressed)?;
            Some((*category, action.clone()))
        });
        if let Some((category, action)) = action {
            let _ = self.events.send(Event::Action(action));
            // Many servers close it by themselves; dunst leaves it standing.
            self.withdraw(category).await;
        }
    }

    /// The connection. Where there is none yet, connects and asks for the signals.
    async fn bus(&mut self) -> zbus::Result<Connection> {
        if let Some(line) = &self.line {
            return Ok(line.bus.clone());
        }
        let bus = zbus::connection::Builder::session()?.method_timeout(TIMEOUT).build().await?;
        let messages = MessageStream::from(&bus);
        let daemon = zbus::fdo::DBusProxy::new(&bus).await?;
        for rule in [
            format!("type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{SERVER}'"),
            format!("type='signal',sender='{SERVER}',interface='{SERVER}'"),
        ] {
            daemon.add_match_rule(MatchRule::try_from(rule.as_str())?).await?;
        }
        self.line = Some(Line { bus: bus.clone(), messages });
        Ok(bus)
    }

    fn tell(&mut self, there: bool) {
        if std::mem::replace(&mut self.told, there) != there {
            let _ = self.events.send(Event::NotificationServer(there));
        }
    }
}

impl Standing {
    /// Whether this signal is about it. Servers count their notifications each for themselves.
    fn is(&self, header: &Header, id: u32) -> bool {
        self.id == id && header.sender().is_some_and(|sender| self.server == *sender)
    }
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

fn key(number: u64, place: usize) -> String {
    format!("{number}.{place}")
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
