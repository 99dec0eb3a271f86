//! The notifications that programs ask for. dunst shows them; what is said to it and what it answers is read off the
//! bus, so that tests can be exact.

use super::{DEADLINE, connect, wait_for};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use zbus::blocking::MessageIterator;
use zbus::blocking::fdo::MonitoringProxy;
use zbus::message::{Message, Type};
use zbus::zvariant::OwnedValue;

/// A notification, as its program asked for it, and what became of it.
#[derive(Debug, Clone)]
pub struct ObservedNotification {
    /// The number that the server gave it; 0 until it has answered.
    pub id: u32,
    /// When it was asked for.
    pub at: Instant,
    /// The program's name.
    pub app: String,
    /// The number of the one that it replaces, or 0.
    pub replaces: u32,
    /// First line.
    pub summary: String,
    /// The text.
    pub body: String,
    /// Buttons: key and label.
    pub actions: Vec<(String, String)>,
    /// 0 low, 1 normal, 2 critical.
    pub urgency: u8,
    /// Whether it needs no place in the list.
    pub transient: bool,
    /// The key of the button that was pressed.
    pub pressed: Option<String>,
    /// Why it was closed (1 expired, 2 dismissed, 3 withdrawn by its program), once it is.
    pub closed: Option<u32>,
}

impl ObservedNotification {
    /// The buttons' labels.
    pub fn buttons(&self) -> Vec<&str> {
        self.actions.iter().map(|(_, label)| label.as_str()).collect()
    }
}

/// All notifications since the desktop's start.
pub struct NotificationMonitor {
    seen: Arc<Mutex<Vec<ObservedNotification>>>,
}

impl NotificationMonitor {
    /// Listens on a session bus.
    pub(super) fn listen(address: &str) -> NotificationMonitor {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let bus = connect(address);
        let messages = MessageIterator::from(&bus);
        let rules = [
            "type='method_call',interface='org.freedesktop.Notifications'",
            "type='method_return'",
            "type='signal',interface='org.freedesktop.Notifications'",
        ];
        let rules: Vec<_> = rules.iter().map(|&rule| rule.try_into().expect("a match rule")).collect();
        let monitor = MonitoringProxy::new(&bus).expect("the bus runs");
        monitor.become_monitor(&rules, 0).expect("the bus lets itself be watched");
        let book = seen.clone();
        std::thread::spawn(move || {
            let mut asked = HashMap::new();
            // Ends when the bus does.
            for message in messages.map_while(Result::ok) {
                let mut seen = book.lock().unwrap_or_else(PoisonError::into_inner);
                note(&message, &mut asked, &mut seen);
            }
        });
        NotificationMonitor { seen }
    }

    /// Every notification so far, oldest first.
    pub fn all(&self) -> Vec<ObservedNotification> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the one with this first line after the first `seen` notifications, shown by the server.
    pub fn wait(&self, seen: usize, summary: &str) -> ObservedNotification {
        wait_for(&format!("notification {summary:?}"), DEADLINE, || {
            self.all()
                .into_iter()
                .skip(seen)
                .find(|notification| notification.summary == summary && notification.id != 0)
        })
    }
}

/// Where the answer to a message goes, and which message it answers.
type Call = (Option<String>, u32);

fn note(message: &Message, asked: &mut HashMap<Call, usize>, seen: &mut Vec<ObservedNotification>) {
    let header = message.header();
    let body = message.body();
    let member = header.member().map(|member| member.as_str());
    match (message.message_type(), member) {
        (Type::MethodCall, Some("Notify")) => {
            type Notify = (String, u32, String, String, String, Vec<String>, HashMap<String, OwnedValue>, i32);
            let Ok((app, replaces, _, summary, text, actions, hints, _)) = body.deserialize::<Notify>() else { return };
            let hint = |name: &str| hints.get(name).and_then(|value| value.try_clone().ok());
            let caller = header.sender().map(|name| name.to_string());
            asked.insert((caller, header.primary().serial_num().get()), seen.len());
            seen.push(ObservedNotification {
                id: 0,
                at: Instant::now(),
                app,
                replaces,
                summary,
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
            let Some(index) = asked.remove(&(caller, answers.get())) else { return };
            seen[index].id = body.deserialize().unwrap_or_default();
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
