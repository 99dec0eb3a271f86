//! Asks WAPT's agent through its local service: plain HTTP on 127.0.0.1, which lists pending packages without a password.
//! The formats are those of the agent's public source (waptservice.py, `WaptEvents`).
//!
//! Nothing polls: the agent answers a request for `/events.json` only when something happens.

use super::{expand, http};
use crate::Events;
use anyhow::{Context, bail};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::HOST;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use vigie_core::message::{Event, Reading, Wapt};
use vigie_core::sanitize::sanitize;
use vigie_profile::{Profile, read_text};

/// The port that the agent listens on unless its own settings name another one.
const DEFAULT_PORT: u16 = 8088;
/// How long the agent may take to answer at once.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long the agent may hold a request for events.
const LONG_POLL: Duration = Duration::from_secs(600);
/// How long events and requests, which come in bursts, are collected before the agent is asked again.
const BURST: Duration = Duration::from_secs(2);
/// Pauses after a failure: the first, and the longest to which doubling leads.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
const MAX_RESPONSE_BYTES: usize = 1 << 20;
/// More pending packages than this are not listed.
const MAX_PACKAGES: usize = 500;

/// Asks the agent once for its version, the pending packages and the running task.
pub async fn read(profile: &Profile) -> Reading<Wapt> {
    read_from(port(profile)).await
}

/// Returns the agent's port. Its own settings count unless the profile names another port than the usual one.
fn port(profile: &Profile) -> u16 {
    let own = || {
        let files = SETTINGS.iter().filter_map(|path| expand(path));
        files.filter_map(|path| read_text(&path).ok()?).find_map(|text| own_port(&text))
    };
    let port = profile.wapt.service_port;
    if port == DEFAULT_PORT { own().unwrap_or(port) } else { port }
}

/// The agent's settings (wapt-get.ini) in its usual folders.
const SETTINGS: &[&str] = if cfg!(windows) {
    &[r"%ProgramFiles(x86)%\wapt\wapt-get.ini", r"%ProgramFiles%\wapt\wapt-get.ini", r"%SystemDrive%\wapt\wapt-get.ini"]
} else {
    &["/opt/wapt/wapt-get.ini"]
};

/// Returns `waptservice_port` of the section `[global]`.
fn own_port(settings: &str) -> Option<u16> {
    let lines = settings.lines().map(str::trim);
    let global = lines.skip_while(|line| !line.eq_ignore_ascii_case("[global]")).skip(1);
    let mut values = global.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once(['=', ':']));
    let (_, port) = values.find(|(key, _)| key.trim().eq_ignore_ascii_case("waptservice_port"))?;
    port.trim().parse().ok().filter(|port| *port != 0)
}

async fn read_from(port: u16) -> Reading<Wapt> {
    match ask(port).await {
        Ok(wapt) => Reading::Known(wapt),
        Err(error) => Reading::Unavailable(format!("{error:#}")),
    }
}

/// Sends [`Event::Wapt`] once at the start and after each change, until the receiver is gone.
///
/// If no agent has answered yet, the next attempt is made at the next `refresh` or when the profile names another port:
/// most machines without an agent will never have one. One that has answered and then fails is also asked again after a
/// minute, then after twice as long each time, up to once an hour.
pub async fn watch(mut profile: watch::Receiver<Arc<Profile>>, refresh: Arc<Notify>, events: Events) {
    loop {
        let current = profile.borrow_and_update().clone();
        let configured = current.wapt.service_port;
        // The agent's settings are read anew with each attempt to find it.
        let port = || port(&current);
        tokio::select! {
            () = events.closed() => return,
            () = follow(port, &refresh, &events, RETRY_PAUSES, BURST) => return,
            changed = profile.wait_for(|profile| profile.wapt.service_port != configured) => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Returns only when the receiver is gone.
async fn follow(
    port: impl Fn() -> u16,
    refresh: &Notify,
    events: &Events,
    pauses: (Duration, Duration),
    burst: Duration,
) {
    let (mut sent, mut has_answered) = (None, false);
    let mut agent_events = AgentEvents::default();
    let mut pause = pauses.0;
    loop {
        let port = port();
        let wapt = read_from(port).await;
        let mut failed = match &wapt {
            Reading::Known(_) | Reading::Pending => None,
            Reading::Unavailable(why) => Some(why.clone()),
        };
        has_answered |= failed.is_none();
        if sent.as_ref() != Some(&wapt) {
            sent = Some(wapt.clone());
            if events.send(Event::Wapt(wapt)).is_err() {
                return;
            }
        }
        if failed.is_none() {
            failed = agent_events.wait(port, burst).await.err().map(|error| format!("{error:#}"));
        }
        match failed {
            None => pause = pauses.0,
            Some(why) => {
                tracing::info!("WAPT's agent on port {port}: {why}");
                // Requests that come in the meantime, several at the start, have just been answered.
                sleep(burst).await;
                tokio::select! {
                    () = refresh.notified() => {}
                    () = sleep(pause), if has_answered => pause = (pause * 2).min(pauses.1),
                }
            }
        }
    }
}

/// Which of the agent's events were seen.
#[derive(Default)]
struct AgentEvents {
    last: Option<i64>,
}

/// An event of the agent. Its details are not needed: the agent's state is read anew.
#[derive(Deserialize)]
struct AgentEvent {
    id: i64,
    event_type: String,
}

impl AgentEvents {
    /// Waits for an event that may change what is shown.
    async fn wait(&mut self, port: u16, burst: Duration) -> anyhow::Result<()> {
        loop {
            let (last, timeout) = (self.last.unwrap_or(-1), LONG_POLL.as_millis());
            let asked = Instant::now();
            let path = format!("/events.json?last_read={last}&timeout={timeout}");
            let new: Option<Vec<AgentEvent>> = get(port, &path, LONG_POLL + TIMEOUT).await?;
            let new = new.unwrap_or_default();
            // After a restart the agent counts from 0 again.
            let newest = new.last().map(|event| event.id);
            let first = self.last.is_none();
            if newest.is_none() || newest == self.last {
                // An agent that answers at once instead of waiting must not be asked in a tight loop.
                if asked.elapsed() < LONG_POLL / 2 {
                    bail!("events.json does not wait");
                }
                continue;
            }
            self.last = newest;
            sleep(burst).await;
            // The first answer is the past, which the state that was just read includes; but something may have happened
            // in between. PRINT repeats the output of a task line by line.
            if first || new.iter().any(|event| event.event_type != "PRINT") {
                return Ok(());
            }
        }
    }
}

/// `/checkupgrades.json`: what the last update of the package list found. Before the first one the agent answers `""` or
/// `null`.
#[derive(Deserialize)]
struct Upgrades {
    upgrades: Option<Vec<Value>>,
    #[serde(default)]
    running_tasks: Vec<Value>,
    pending: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Ping {
    version: String,
}

/// `/tasks.json`: the tasks since the agent was started.
#[derive(Deserialize)]
struct AgentTasks {
    running: Option<Value>,
}

async fn ask(port: u16) -> anyhow::Result<Wapt> {
    let ping = get(port, "/ping", TIMEOUT).await?;
    let found = get(port, "/checkupgrades.json", TIMEOUT).await?;
    let tasks = get(port, "/tasks.json", TIMEOUT).await.ok();
    read_answers(ping, found, tasks)
}

/// Returns what the agent's answers say; not every agent has a list of tasks.
fn read_answers(ping: Ping, found: Value, tasks: Option<AgentTasks>) -> anyhow::Result<Wapt> {
    let found = if found.is_null() || found == "" {
        None
    } else {
        Some(serde_json::from_value::<Upgrades>(found).context("/checkupgrades.json: unknown format")?)
    };
    // The task that runs now; older agents only report the one of the last update.
    let running = match tasks {
        Some(tasks) => tasks.running,
        None => found.as_ref().and_then(|found| found.running_tasks.first().cloned()),
    };
    let pending = found.map(pending_packages).transpose()?;
    let running = running.and_then(|task| text(&task, &["description", "summary"]));
    Ok(Wapt { version: sanitize(&ping.version), pending, running })
}

/// Returns the names of the packages that wait to be installed or upgraded.
fn pending_packages(found: Upgrades) -> anyhow::Result<Vec<String>> {
    let packages = match (found.pending, found.upgrades) {
        (Some(mut pending), _) => {
            let lists = ["install", "upgrade", "additional"].iter().filter_map(|list| pending.remove(*list));
            let lists: Result<Vec<Vec<Value>>, _> = lists.map(serde_json::from_value).collect();
            lists.context("/checkupgrades.json: unknown format")?.concat()
        }
        (None, Some(upgrades)) => upgrades,
        (None, None) => bail!("/checkupgrades.json: no list of packages"),
    };
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    for package in packages {
        let name = text(&package, &["package", "asrequirement"]);
        let name = name.context("/checkupgrades.json: a package without a name")?;
        if names.len() < MAX_PACKAGES && seen.insert(name.clone()) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Returns the text of a package or a task: a string, or an object with one under the first of these keys.
fn text(value: &Value, keys: &[&str]) -> Option<String> {
    let text = match value.as_object() {
        Some(object) => keys.iter().find_map(|key| object.get(*key)?.as_str()),
        None => value.as_str(),
    };
    text.map(sanitize).filter(|text| !text.is_empty())
}

/// Gets a path from the agent, and parses its answer as JSON.
async fn get<T: DeserializeOwned>(port: u16, path: &str, limit: Duration) -> anyhow::Result<T> {
    let exchange = async {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.context("no agent")?;
        let request = Request::get(path).header(HOST, format!("127.0.0.1:{port}"));
        http::exchange(stream, request.body(Full::<Bytes>::default())?, MAX_RESPONSE_BYTES).await
    };
    let name = || path.split('?').next().unwrap_or(path).to_owned();
    let body = timeout(limit, exchange).await.with_context(|| format!("{}: no response in time", name()))?;
    let body = body.with_context(name)?;
    serde_json::from_slice(&body).with_context(|| format!("{}: unknown format", name()))
}

#[cfg(test)]
mod tests;
