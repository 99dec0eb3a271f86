//! WAPT's agent, asked through its local service: plain HTTP on 127.0.0.1, which tells without a password what is
//! installed and what waits. Shapes as in the agent's public source (waptservice.py, `WaptEvents`).
//!
//! Nothing polls: a question to `/events.json` waits at the agent until something happens.

use super::http;
use crate::Events;
use anyhow::{Context, bail};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::HOST;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use vigie_core::message::{Event, Reading, Wapt};
use vigie_profile::Profile;

/// How long the agent may take for an answer that it has.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a question for news waits at the agent.
const HELD: Duration = Duration::from_secs(600);
/// News come in bursts, and so do looks; they are collected for so long.
const SETTLE: Duration = Duration::from_secs(2);
/// Pauses after a failure: the first, and what doubling them leads to.
const PAUSES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
const MOST_BYTES: usize = 4 << 20;

/// TrackerRequests the agent once: its version, what waits, what runs. [`Reading::Pending`] while the agent has not yet looked for
/// updates itself.
pub async fn read(port: u16) -> Reading<Wapt> {
    match ask(port).await {
        Ok(Some(wapt)) => Reading::Known(wapt),
        Ok(None) => Reading::Pending,
        Err(error) => Reading::Unavailable(format!("{error:#}")),
    }
}

/// Sends [`Event::Wapt`] at first and after each change, until nobody listens any more.
///
/// Where no agent has answered yet, it is looked for again when `look` asks, and when the profile names another port:
/// most machines without one will never have one. One that has answered and then fails is also looked for after a
/// minute, then after twice as long each time, up to once an hour.
pub async fn watch(mut profile: watch::Receiver<Arc<Profile>>, look: Arc<Notify>, events: Events) {
    loop {
        let port = profile.borrow_and_update().wapt.service_port;
        tokio::select! {
            () = events.closed() => return,
            () = follow(port, &look, &events, PAUSES, SETTLE) => return,
            changed = profile.wait_for(|profile| profile.wapt.service_port != port) => if changed.is_err() { return },
        }
    }
}

/// Ends only when nobody listens any more.
async fn follow(port: u16, look: &Notify, events: &Events, pauses: (Duration, Duration), settle: Duration) {
    let (mut told, mut met) = (None, false);
    let mut news = News::default();
    let mut pause = pauses.0;
    loop {
        let wapt = read(port).await;
        let mut failed = match &wapt {
            Reading::Known(_) | Reading::Pending => None,
            Reading::Unavailable(why) => Some(why.clone()),
        };
        met |= failed.is_none();
        if told.as_ref() != Some(&wapt) {
            told = Some(wapt.clone());
            if events.send(Event::Wapt(wapt)).is_err() {
                return;
            }
        }
        if failed.is_none() {
            failed = news.wait(port, settle).await.err().map(|error| format!("{error:#}"));
        }
        match failed {
            None => pause = pauses.0,
            Some(why) => {
                tracing::info!("WAPT's agent on port {port}: {why}");
                // At the start, everybody asks for a look at once. Who asks meanwhile has just been answered.
                sleep(settle).await;
                tokio::select! {
                    () = look.notified() => {}
                    () = sleep(pause), if met => pause = (pause * 2).min(pauses.1),
                }
            }
        }
    }
}

/// What of the agent's events was seen.
#[derive(Default)]
struct News {
    last: Option<i64>,
}

/// An event; what it says in detail is read from the agent's state.
#[derive(Deserialize)]
struct AgentEvent {
    id: i64,
    event_type: String,
}

impl News {
    /// Waits until something has happened that may change what is shown.
    async fn wait(&mut self, port: u16, settle: Duration) -> anyhow::Result<()> {
        loop {
            let (last, held) = (self.last.unwrap_or(-1), HELD.as_millis());
            let asked = Instant::now();
            let path = format!("/events.json?last_read={last}&timeout={held}");
            let news: Option<Vec<AgentEvent>> = get(port, &path, HELD + Duration::from_secs(30)).await?;
            let news = news.unwrap_or_default();
            // After a restart the agent counts from 0 again.
            let newest = news.last().map(|event| event.id);
            let first = self.last.is_none();
            if newest.is_none() || newest == self.last {
                // It was to wait. An agent that does not is not asked in a tight loop.
                if asked.elapsed() < HELD / 2 {
                    bail!("events.json does not wait");
                }
                continue;
            }
            self.last = newest;
            sleep(settle).await;
            // The first answer is history, which the state that was just read includes already; but something may
            // have happened between the two. PRINT repeats a task's output line by line.
            if first || news.iter().any(|event| event.event_type != "PRINT") {
                return Ok(());
            }
        }
    }
}

/// `/checkupgrades.json`: what the last update of the package list found.
#[derive(Deserialize)]
struct Upgrades {
    upgrades: Vec<Value>,
    #[serde(default)]
    running_tasks: Vec<Value>,
    pending: Option<Waiting>,
}

#[derive(Deserialize)]
struct Waiting {
    install: Vec<Value>,
    upgrade: Vec<Value>,
    #[serde(default)]
    additional: Vec<Value>,
}

#[derive(Deserialize)]
struct Ping {
    version: String,
}

/// `/tasks.json`: the tasks of this run of the agent.
#[derive(Deserialize)]
struct Tasks {
    running: Option<Value>,
}

async fn ask(port: u16) -> anyhow::Result<Option<Wapt>> {
    let Ping { version } = get(port, "/ping", TIMEOUT).await?;
    let Some(found): Option<Upgrades> = get(port, "/checkupgrades.json", TIMEOUT).await? else { return Ok(None) };
    // The running task as it is now; older agents only tell the one of the last update.
    let running = match get::<Tasks>(port, "/tasks.json", TIMEOUT).await {
        Ok(tasks) => tasks.running,
        Err(_) => found.running_tasks.first().cloned(),
    };
    let waiting = match found.pending {
        Some(waiting) => [waiting.install, waiting.upgrade, waiting.additional].concat(),
        None => found.upgrades,
    };
    let mut pending: Vec<String> = Vec::new();
    for package in &waiting {
        let package =
            text(package, &["package", "asrequirement"]).context("checkupgrades.json: a package without a name")?;
        if !pending.contains(&package) {
            pending.push(package);
        }
    }
    Ok(Some(Wapt { version, pending, running: running.and_then(|task| text(&task, &["description", "summary"])) }))
}

/// A package or a task comes as a text, or as an object that has one under the first of these keys.
fn text(value: &Value, keys: &[&str]) -> Option<String> {
    let text = match value.as_object() {
        Some(object) => keys.iter().find_map(|key| object.get(*key)?.as_str()),
        None => value.as_str(),
    };
    text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

async fn get<T: DeserializeOwned>(port: u16, path: &str, limit: Duration) -> anyhow::Result<T> {
    let asked = async {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.context("no agent")?;
        let request = Request::get(path).header(HOST, format!("127.0.0.1:{port}"));
        http::exchange(stream, request.body(Full::<Bytes>::default())?, MOST_BYTES).await
    };
    let name = || path.split('?').next().unwrap_or(path).to_owned();
    let body = timeout(limit, asked).await.with_context(|| format!("{}: no answer in time", name()))?;
    let body = body.with_context(name)?;
    serde_json::from_slice(&body).with_context(|| format!("{}: not the shape that is known", name()))
}

#[cfg(test)]
mod tests;
