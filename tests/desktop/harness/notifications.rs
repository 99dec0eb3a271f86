//! The notifications on the session bus. dunst shows them; a bus monitor records the calls and the signals.

use super::{DEADLINE, connect, wait_for};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use zbus::blocking::MessageIterator;
use zbus::blocking::fdo::MonitoringProxy;
use zbus::message::{Message, Type};
use zbus::zvariant::OwnedValue;

/// A notification as it was sent, and what became of it.
#[derive(Debug, Clone)]
pub struct ObservedNotification {
    /// Its id; 0 until the server has replied.
    pub id: u32,
    /// Whether the server has taken it.
    pub taken: bool,
    /// When it was sent.
    pub at: Instant,
    /// The name of the program.
    pub app: String,
    /// The id of the notification that it replaces, or 0.
    pub replaces: u32,
    /// The title, with plain spaces.
    pub summary: String,
    /// The text.
    pub body: String,
    /// The key and the label of each button.
    pub actions: Vec<(String, String)>,
    /// 0 low, 1 normal, 2 critical.
    pub urgency: u8,
    /// Whether it is left out of the notification history.
    pub transient: bool,
    /// The key of the button that was pressed.
    pub pressed: Option<String>,
    /// The reason why it was closed: 1 expired, 2 dismissed, 3 withdrawn by its program.
    pub closed: Option<u32>,
}

impl ObservedNotification {
    /// Returns the labels of the buttons.
    pub fn buttons(&self) -> Vec<&str> {
        self.actions.iter().map(|(_, label)| label.as_str()).collect()
    }

    /// Returns when it was sent, by the clock.
    pub fn sent_at(&self) -> Timestamp {
        Timestamp::now() - SignedDuration::try_from(self.at.elapsed()).expect("a test is short")
    }
}

/// Records all notifications since the desktop was started.
pub struct NotificationMonitor {
    seen: Arc<Mutex<Vec<ObservedNotification>>>,
}

impl NotificationMonitor {
    /// Starts to monitor a session bus.
    pub(super) fn listen(address: &str) -> NotificationMonitor {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let bus = connect(address);
        let messages = MessageIterator::from(&bus);
        let rules = [
            "type='method_call',interface='org.freedesktop.Notifications'",
            "type='method_return'",
            "type='signal',interface='org.freedesktop.Notifications'",
        ];
        let rules: Vec<_> = rules.iter().map(|&rule| rule.try_into().expect("the match rules are valid")).collect();
        let monitor = MonitoringProxy::new(&bus).expect("the bus runs");
        monitor.become_monitor(&rules, 0).expect("the bus can be monitored");
        let recorded = seen.clone();
        std::thread::spawn(move || {
            let mut pending = HashMap::new();
            // Ends with the bus.
            for message in messages.map_while(Result::ok) {
                let mut seen = recorded.lock().unwrap_or_else(PoisonError::into_inner);
                record(&message, &mut pending, &mut seen);
            }
        });
        NotificationMonitor { seen }
    }

    /// Returns every notification so far, oldest first.
    pub fn all(&self) -> Vec<ObservedNotification> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the server has taken a notification with this title that is not among the first `seen` ones.
    pub fn wait(&self, seen: usize, summary: &str) -> ObservedNotification {
        wait_for(&format!("notification {summary:?}"), DEADLINE, || {
            self.all()
                .into_iter()
                .skip(seen)
                .find(|notification| notification.summary == summary && notification.id != 0)
        })
    }
}

/// The sender of a call, and its serial number.
type NotifyCall = (Option<String>, u32);

fn record(message: &Message, pending: &mut HashMap<NotifyCall, usize>, seen: &mut Vec<ObservedNotification>) {
    let header = message.header();
    let body = message.body();
    let member = header.member().map(|member| member.as_str());
    match (message.message_type(), member) {
        (Type::MethodCall, Some("Notify")) => {
            type Notify = (String, u32, String, String, String, Vec<String>, HashMap<String, OwnedValue>, i32);
            let Ok((app, replaces, _, summary, text, actions, hints, _)) = body.deserialize::<Notify>() else { return };
            let hint = |name: &str| hints.get(name).and_then(|value| value.try_clone().ok());
            let caller = header.sender().map(|name| name.to_string());
            pending.insert((caller, header.primary().serial_num().get()), seen.len());
            seen.push(ObservedNotification {
                id: 0,
                taken: false,
                at: Instant::now(),
                app,
                replaces,
                summary: summary.replace('\u{a0}', " "),
                body: text,
                actions: actions.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
                urgency: hint("urgency").and_then(|value| value.try_into().ok()).unwrap_or(1),
                transient: hint("transient").and_then(|value| value.try_into().ok()).unwrap_or_default(),
                pressed: None,
                closed: None,
            });
        }
        (Type::MethodReturn, _) => {
            let caller = header.destination().map(|name| name.to_string());
            let Some(answers) = header.reply_serial() else { return };
            let Some(index) = pending.remove(&(caller, answers.get())) else { return };
            let id = body.deserialize();
            seen[index].taken = id.is_ok();
            seen[index].id = id.unwrap_or_default();
        }
        (Type::Signal, Some("ActionInvoked")) => {
            let Ok((id, key)) = body.deserialize::<(u32, String)>() else { return };
            if let Some(notification) = seen.iter_mut().rfind(|notification| notification.id == id) {
                notification.pressed = Some(key);
            }
        }
        (Type::Signal, Some("NotificationClosed")) => {
            let Ok((id, reason)) = body.deserialize::<(u32, u32)>() else { return };
            if let Some(notification) = seen.iter_mut().rfind(|notification| notification.id == id) {
                notification.closed = Some(reason);
            }
        }
        _ => {}
    }
}
