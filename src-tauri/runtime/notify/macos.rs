//! Notifications on macOS, through `notify-rust`.

use crate::Events;
use notify_rust::{Notification, Timeout};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vigie_core::message::{Category, Event};
use vigie_view::notice::Notice;

/// Shows each notice on a thread of its own, which waits for its answer and ends with it. One that leaves the screen
/// answers too: it was dismissed.
#[derive(Debug)]
pub struct Backend {
    events: Events,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug)]
struct Counts {
    /// How many were shown or taken back in each category: a notice answers only while it is the last one.
    last: BTreeMap<Category, u64>,
    /// Whether notifications can be shown, as it was told last.
    told: bool,
}

impl Backend {
    pub fn new(events: Events) -> Backend {
        Backend { events, counts: Arc::new(Mutex::new(Counts { last: BTreeMap::new(), told: true })) }
    }

    pub fn show(&self, notice: Notice) {
        let number = self.withdraw(notice.category);
        let (events, counts) = (self.events.clone(), self.counts.clone());
        let spawned = std::thread::Builder::new().name("notification".into()).spawn(move || {
            let shown = notification(&notice).show();
            if let Err(error) = &shown {
                tracing::warn!("cannot be shown: {} ({error})", notice.title);
            }
            let before = std::mem::replace(&mut lock(&counts).told, shown.is_ok());
            if before != shown.is_ok() {
                let _ = events.send(Event::NotificationServer(shown.is_ok()));
            }
            let Ok(handle) = shown else { return };
            handle.wait_for_action(|key| {
                let last = lock(&counts).last.get(&notice.category) == Some(&number);
                let pressed = key.parse().ok().and_then(|place: usize| notice.actions.get(place));
                if let (true, Some((_, action))) = (last, pressed) {
                    let _ = events.send(Event::Action(action.clone()));
                }
            });
        });
        if let Err(error) = spawned {
            tracing::warn!("no thread for a notification: {error}");
        }
    }

    /// What was shown no longer answers. (It cannot be taken from the screen: `notify-rust` has no handle for that.)
    pub fn withdraw(&self, category: Category) -> u64 {
        let mut counts = lock(&self.counts);
        let count = counts.last.entry(category).or_default();
        *count += 1;
        *count
    }

    /// They stay on the screen, as with [`Backend::withdraw`]; their threads end with the program.
    pub async fn close(self) {}
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

fn notification(notice: &Notice) -> Notification {
    let mut notification = Notification::new();
    notification.summary(&notice.title).body(&notice.body);
    notification.timeout(match (notice.urgent, notice.transient) {
        (true, _) => Timeout::Never,
        (false, true) => Timeout::Milliseconds(4000),
        (false, false) => Timeout::Default,
    });
    for (place, (label, _)) in notice.actions.iter().enumerate() {
        notification.action(&place.to_string(), label);
    }
    notification
}
