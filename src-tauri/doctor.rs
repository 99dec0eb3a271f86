//! `vigie doctor`: asks every sensor once, and reports what it found and how long it took.

use crate::runtime::{autostart, instance};
use crate::sensors::{clock, drives, host, network, power, printers, probe, servers, shutdown, vpn_client, wapt};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vigie_core::Now;
use vigie_core::message::{Action, Effect, Event, Reading, RequestId, SensorRequest};
use vigie_core::state::{SavedState, State};
use vigie_core::update::update;
use vigie_core::vpn::{Gateway, Probe, ProbeRequest};
use vigie_profile::{Loaded, Profile};
use vigie_view::chain::{Diagnosis, diagnosis};
use vigie_view::doctor::{self as view, Finding, Sensor};

/// Returns the report, in French or for a program, and whether every sensor succeeded.
pub async fn report(loaded: &Loaded, json: bool) -> (String, bool) {
    let (findings, state, diagnosis) = examine(loaded).await;
    let healthy = findings.iter().all(|finding| finding.data.is_ok());
    (if json { view::json(&findings, &diagnosis) } else { view::report(&findings, &state, &diagnosis) }, healthy)
}

/// Asks every sensor, and returns the state and the chain that follow from the answers as well.
async fn examine(loaded: &Loaded) -> (Vec<Finding>, State, Diagnosis) {
    let profile = &loaded.profile;
    let now = clock::now();
    let mut state = State::new(profile.clone(), loaded.problems.clone(), SavedState::default(), 0, now.clone());
    let mut learn = |event| drop(update(&mut state, event, now.clone()));
    let mut findings = Vec::new();
    let mut add = |sensor, started: Instant, data, words| {
        findings.push(Finding { sensor, data, words, took: started.elapsed() });
    };

    let problems: Vec<String> = loaded.problems.iter().map(vigie_view::config::problem).collect();
    let (data, words) = match &*problems {
        [] => (Ok(Value::Null), "aucun défaut".to_owned()),
        problems => (Err(problems.join("\n")), problems.join("\n")),
    };
    add(Sensor::Config, Instant::now(), data, Some(words));

    let started = Instant::now();
    let links = blocking(profile, network::read).await;
    let links = links.and_then(|links| links.map_err(|error| error.to_string()));
    if let Ok(links) = &links {
        learn(Event::Links(links.clone()));
    }
    add(Sensor::Network, started, links.as_ref().map_err(String::clone).and_then(json), None);

    let started = Instant::now();
    let site = blocking(profile, vpn_client::site).await;
    let words = site.as_ref().ok().map(|site| view::site(site.as_deref()));
    add(Sensor::Site, started, site.clone().and_then(json), words);

    let chosen = profile.user.site.clone().or(site.ok().flatten());
    let mut request = ProbeRequest::new(profile, chosen.as_deref(), RequestId::default(), true);
    request.dns = links.as_ref().map(|links| links.dns.clone()).unwrap_or_default();
    let started = Instant::now();
    let limit = Duration::from_secs(profile.vpn.probe_timeout_seconds.into());
    let mut probed = None;
    probe::probe(request, limit, |probe| probed = Some(probe)).await;
    let answered = probed.as_ref().is_some_and(|probe: &Probe| {
        probe.gateway == Some(Gateway::Answered) || probe.witnesses.iter().any(|witness| witness.strength().is_some())
    });
    let words = probed.as_ref().map(|probed| view::probe(probed, links.as_ref().ok())).unwrap_or_default();
    let data = if answered { json(&probed) } else { Err(words.clone()) };
    add(Sensor::Probe, started, data, Some(words));

    let started = Instant::now();
    let servers = blocking(profile, |_| servers::read()).await;
    let words = servers.as_ref().ok().map(|servers| view::servers(servers));
    let texts = servers.map(|servers| servers.iter().map(ToString::to_string).collect::<Vec<_>>());
    add(Sensor::Servers, started, texts.and_then(json), words);

    let started = Instant::now();
    let client = vpn_client::read(profile).await;
    let words = view::client(client.state, client.version.as_deref());
    add(Sensor::VpnClient, started, json(client), Some(words));
    let started = Instant::now();
    let host = blocking(profile, |_| host::read()).await;
    if let Ok(host) = &host {
        learn(Event::Host(Arc::new(host.clone())));
    }
    add(Sensor::Host, started, host.and_then(json), None);
    let started = Instant::now();
    let drives = blocking(profile, drives::read).await.unwrap_or_else(Reading::Unavailable);
    learn(Event::Drives(drives.clone()));
    add(Sensor::Drives, started, reading(drives), None);
    let started = Instant::now();
    let printers = blocking(profile, |_| printers::read()).await.unwrap_or_else(Reading::Unavailable);
    learn(Event::Printers(printers.clone()));
    add(Sensor::Printers, started, reading(printers), None);
    let started = Instant::now();
    let wapt = wapt::read(profile).await;
    learn(Event::Wapt(wapt.clone()));
    add(Sensor::Wapt, started, reading(wapt), None);
    let started = Instant::now();
    let battery = blocking(profile, |_| power::battery()).await.unwrap_or_else(Reading::Unavailable);
    learn(Event::Power(battery.clone()));
    add(Sensor::Battery, started, reading(battery), None);
    let started = Instant::now();
    let planned = blocking(profile, |_| shutdown::read()).await.unwrap_or_else(Reading::Unavailable);
    if let Reading::Known(at) = &planned {
        learn(Event::MachineShutdown(*at));
    }
    add(Sensor::MachineShutdown, started, reading(planned), None);
    let started = Instant::now();
    let autostart = autostart::enabled();
    add(Sensor::Autostart, started, json(autostart), Some(view::yes_or_no(autostart)));
    let started = Instant::now();
    let running = instance::IpcClient::running().await.is_some();
    add(Sensor::Running, started, json(running), Some(view::yes_or_no(running)));
    let diagnosis = diagnose(state.clone(), probed.as_ref());
    (findings, state, diagnosis)
}

/// Returns the chain from the computer to the drives, as a Vigie that has run for a while would judge the same answers: a
/// tunnel is not new, and its silence is confirmed.
fn diagnose(mut state: State, probed: Option<&Probe>) -> Diagnosis {
    let grace_period = Duration::from_secs(state.profile.vpn.settle_seconds.into());
    let Ok(wall) = state.now.wall.checked_add(grace_period) else { return diagnosis(&state) };
    let later = Now { wall, uptime: state.now.uptime + grace_period };
    let mut effects = update(&mut state, Event::Action(Action::Diagnose), later.clone());
    for _ in 0..2 {
        let id = effects.iter().find_map(|effect| {
            let Effect::Request(SensorRequest::Probe(request)) = effect else { return None };
            Some(request.id)
        });
        let (Some(id), Some(probe)) = (id, probed) else { break };
        effects = update(&mut state, Event::Probed(Probe { id, ..probe.clone() }), later.clone());
    }
    diagnosis(&state)
}

/// Runs a blocking sensor on a thread for blocking work, as the running Vigie does.
async fn blocking<T: Send + 'static>(
    profile: &Arc<Profile>,
    read: impl FnOnce(&Profile) -> T + Send + 'static,
) -> Result<T, String> {
    let profile = profile.clone();
    tokio::task::spawn_blocking(move || read(&profile)).await.map_err(|error| error.to_string())
}

fn json(value: impl Serialize) -> Result<Value, String> {
    serde_json::to_value(&value).map_err(|error| error.to_string())
}

fn reading<T: Serialize>(reading: Reading<T>) -> Result<Value, String> {
    match reading {
        Reading::Known(value) => json(value),
        Reading::Unavailable(why) => Err(why),
        Reading::Pending => Err("not read".into()),
    }
}
