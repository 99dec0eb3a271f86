//! `vigie doctor`: asks every sensor once, and reports what it found and how long it took.

use crate::runtime::{autostart, instance};
use crate::sensors::{drives, host, network, power, printers, probe, servers, shutdown, vpn_client, wapt};
use serde::Serialize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vigie_core::message::Reading;
use vigie_core::vpn::{Gateway, Probe, ProbeRequest};
use vigie_profile::{Loaded, Profile};
use vigie_view::doctor::{Finding, Sensor};

/// Returns the report in French, and whether every sensor succeeded.
pub async fn report(loaded: &Loaded) -> (String, bool) {
    let findings = examine(loaded).await;
    let healthy = findings.iter().all(|finding| finding.result.is_ok());
    (vigie_view::doctor::report(&findings), healthy)
}

async fn examine(loaded: &Loaded) -> Vec<Finding> {
    let profile = &loaded.profile;
    let mut findings = Vec::new();
    let mut timed = |sensor, started: Instant, result| {
        findings.push(Finding { sensor, result, took: started.elapsed() });
    };

    let problems: Vec<String> = loaded.problems.iter().map(vigie_view::config::problem).collect();
    let config = if problems.is_empty() { Ok("[]".to_owned()) } else { Err(problems.join("\n")) };
    timed(Sensor::Config, Instant::now(), config);

    let started = Instant::now();
    let links = blocking(profile, network::read).await;
    let links = links.and_then(|links| links.map_err(|error| error.to_string()));
    timed(Sensor::Network, started, links.as_ref().map_err(String::clone).and_then(json));

    let started = Instant::now();
    let site = blocking(profile, vpn_client::site).await;
    timed(Sensor::Site, started, site.clone().and_then(json));

    let chosen = profile.user.site.clone().or(site.ok().flatten());
    let mut request = ProbeRequest::new(profile, chosen.as_deref(), 0, true);
    request.dns = links.as_ref().map(|links| links.dns.clone()).unwrap_or_default();
    let started = Instant::now();
    let limit = Duration::from_secs(profile.vpn.probe_timeout_seconds.into());
    let mut probed = None;
    probe::probe(request, limit, |probe| probed = Some(probe)).await;
    let answered = probed.as_ref().is_some_and(|probe: &Probe| {
        probe.gateway == Some(Gateway::Answered) || probe.witnesses.iter().any(|witness| witness.strength().is_some())
    });
    let result = probed.map(|probed| vigie_view::doctor::probe(&probed, links.as_ref().ok())).unwrap_or_default();
    timed(Sensor::Probe, started, if answered { Ok(result) } else { Err(result) });

    let started = Instant::now();
    let servers = blocking(profile, |_| servers::read()).await;
    timed(Sensor::Servers, started, servers.map(|servers| vigie_view::doctor::servers(&servers)));

    let started = Instant::now();
    timed(Sensor::VpnClient, started, json(vpn_client::state(profile).await));
    let started = Instant::now();
    timed(Sensor::Host, started, blocking(profile, |_| host::read()).await.and_then(json));
    let started = Instant::now();
    timed(Sensor::Drives, started, blocking(profile, drives::read).await.and_then(reading));
    let started = Instant::now();
    timed(Sensor::Printers, started, blocking(profile, |_| printers::read()).await.and_then(reading));
    let started = Instant::now();
    timed(Sensor::Wapt, started, reading(wapt::read(profile).await));
    let started = Instant::now();
    timed(Sensor::Battery, started, blocking(profile, |_| power::battery()).await.and_then(reading));
    let started = Instant::now();
    timed(Sensor::MachineShutdown, started, blocking(profile, |_| shutdown::read()).await.and_then(reading));
    let started = Instant::now();
    timed(Sensor::Autostart, started, json(autostart::enabled()));
    let started = Instant::now();
    timed(Sensor::Running, started, json(instance::IpcClient::running().await.is_some()));
    findings
}

/// Runs a blocking sensor on a thread for blocking work, as the running Vigie does.
async fn blocking<T: Send + 'static>(
    profile: &Arc<Profile>,
    read: impl FnOnce(&Profile) -> T + Send + 'static,
) -> Result<T, String> {
    let profile = profile.clone();
    tokio::task::spawn_blocking(move || read(&profile)).await.map_err(|error| error.to_string())
}

fn json(value: impl Serialize) -> Result<String, String> {
    serde_json::to_string(&value).map_err(|error| error.to_string())
}

fn reading<T: Serialize>(reading: Reading<T>) -> Result<String, String> {
    match reading {
        Reading::Known(value) => json(value),
        Reading::Unavailable(why) => Err(why),
        Reading::Pending => Err("not read".into()),
    }
}
