//! A plain fallback: tokio's timer, and no news of a clock that was set (the core finds out at the next event).

use crate::Events;
use jiff::Timestamp;
use std::future::pending;
use std::time::Duration;
use tokio::sync::watch;
use vigie_core::message::Event;

pub(super) fn uptime() -> Duration {
    Duration::from_secs(sysinfo::System::uptime())
}

pub(super) async fn watch(mut alarm: watch::Receiver<Option<Timestamp>>, events: Events) {
    let mut due = *alarm.borrow_and_update();
    loop {
        let ring = async {
            match due {
                Some(at) => {
                    let ahead = at.duration_since(Timestamp::now());
                    tokio::time::sleep(Duration::try_from(ahead).unwrap_or_default()).await;
                }
                None => pending().await,
            }
        };
        tokio::select! {
            changed = alarm.changed() => {
                if changed.is_err() {
                    return;
                }
                due = *alarm.borrow_and_update();
            }
            () = ring => {
                due = None;
                let _ = events.send(Event::Tick);
            }
        }
    }
}
