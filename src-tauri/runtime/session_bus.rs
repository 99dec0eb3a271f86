//! Connects to the session bus on Linux, and watches a service there.

use std::time::Duration;
use zbus::connection::Builder;
use zbus::{Connection, MatchRule, MessageStream};

/// A connection, and its incoming messages: changes of the service's owner, and the signals that were asked for.
pub struct Watch {
    /// The connection.
    pub bus: Connection,
    /// Its messages.
    pub messages: MessageStream,
}

/// Connects, and watches a service: `NameOwnerChanged` for its name, and those of its signals that `rule` matches, such
/// as `path='/…'`. A limit is the longest that the service may take to answer a call.
///
/// # Errors
/// If there is no session bus.
pub async fn watch(service: &str, rule: &str, limit: Option<Duration>) -> zbus::Result<Watch> {
    let builder = Builder::session()?;
    let bus = match limit {
        Some(limit) => builder.method_timeout(limit).build().await?,
        None => builder.build().await?,
    };
    let messages = MessageStream::from(&bus);
    let daemon = zbus::fdo::DBusProxy::new(&bus).await?;
    for rule in [
        format!("type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{service}'"),
        format!("type='signal',sender='{service}',{rule}"),
    ] {
        daemon.add_match_rule(MatchRule::try_from(rule.as_str())?).await?;
    }
    Ok(Watch { bus, messages })
}

/// The pauses between attempts: the first one, doubled each time up to the longest.
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Backoff {
    /// Returns the pause after this many failures in a row.
    pub fn after(&self, failures: u32) -> Duration {
        self.first.saturating_mul(1 << failures.min(16)).min(self.longest)
    }
}
