//! Probes whether the intranet hosts answer, each in its own protocol, and whether the gateway proves its name.

mod connect;
mod dns;
mod ipp;
mod names;
mod nfs;
mod smb;
mod tls;

use super::network;
use connect::{TcpConnectError, addresses, connect, ends};
use names::NameError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, timeout_at};
use vigie_core::vpn::{Answer, Ends, Gateway, GatewayAddress, LearnedHosts, Probe, ProbeRequest, Strength, Witness};
use vigie_profile::{IntranetHost, Protocol};

/// Pause before the next intranet host is asked as well, while those before it have not answered.
const STAGGER: Duration = Duration::from_millis(250);
/// How long a learned server may take: several are asked, one after the other, in the time that one host has.
const LEARNED_TIMEOUT: Duration = Duration::from_secs(1);

/// Letters of a name that nobody has.
const INVENTED_LABEL_CHARS: usize = 16;
/// How long the DNS server may take to say that there is no such name: it has just answered another question.
const INVENTED_TIMEOUT: Duration = Duration::from_secs(1);

/// What a server answered over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProtocolAnswer {
    /// A correct answer of the protocol.
    Correct,
    /// Something else.
    Wrong,
}

/// Probes the hosts and gateways of the request, and gives each up after `limit`; learned servers are asked until any host
/// has given a strong answer. Calls `report` with the first strong answer, unless the probe ends with it, and once more at
/// the end. Dropping the future cancels the probe.
pub async fn probe(request: ProbeRequest, limit: Duration, mut report: impl FnMut(Probe)) {
    let mut hosts = JoinSet::new();
    for (position, host) in request.hosts.iter().cloned().enumerate() {
        let wait = STAGGER.saturating_mul(u32::try_from(position).unwrap_or(u32::MAX));
        let servers = request.dns.clone();
        hosts.spawn(async move {
            sleep(wait).await;
            (position, ask(&host, &servers, limit).await)
        });
    }
    let wait = STAGGER.saturating_mul(u32::try_from(request.hosts.len()).unwrap_or(u32::MAX));
    let (sender, mut learned) = mpsc::unbounded_channel();
    // Dropping the set ends it.
    let mut learner = JoinSet::new();
    if let Some(servers) = request.learned {
        learner.spawn(ask_learned(servers, wait, limit, sender));
    } else {
        drop(sender);
    }
    let asked = !request.gateways.is_empty();
    let gateway = gateways(request.gateways, limit);
    tokio::pin!(gateway);
    // Those of the profile's hosts, in order, then those of the learned ones.
    let mut answers: Vec<Option<Witness>> = request.hosts.iter().map(|_| None).collect();
    let mut probe =
        Probe { id: request.id, witnesses: Vec::new(), gateway: None, gateway_local: None, complete: false };
    let (mut judged, mut reported) = (!asked, false);
    loop {
        let strong = tokio::select! {
            answer = hosts.join_next(), if !hosts.is_empty() => match answer {
                Some(Ok((position, witness))) => {
                    let strong = witness.strength() >= Some(Strength::Strong);
                    answers[position] = Some(witness);
                    strong
                }
                Some(Err(error)) => {
                    tracing::warn!("the probe of an intranet host failed: {error}");
                    false
                }
                None => false,
            },
            Some(witness) = learned.recv() => {
                let strong = witness.strength() >= Some(Strength::Strong);
                answers.push(Some(witness));
                strong
            }
            (answer, local) = &mut gateway, if !judged => {
                judged = true;
                (probe.gateway, probe.gateway_local) = (answer, local);
                false
            }
            else => break,
        };
        probe.witnesses = answers.iter().flatten().cloned().collect();
        if strong {
            learner.abort_all();
            learned.close();
            let is_the_end = hosts.is_empty() && judged;
            if !reported && !is_the_end {
                reported = true;
                report(probe.clone());
            }
        }
    }
    probe.complete = true;
    report(probe);
}

/// Asks one intranet host, and returns its answer as a witness.
async fn ask(host: &IntranetHost, dns: &[IpAddr], limit: Duration) -> Witness {
    let started = Instant::now();
    let until = started + limit;
    // `dns://` names a zone, which this network's DNS servers are to know.
    let found = if host.protocol == Protocol::Dns { Ok(dns.to_vec()) } else { addresses(&host.host, until).await };
    let answer = match found {
        Ok(addresses) => ask_at(host, &addresses, Some(&host.host), until).await,
        Err(error) => unanswered(error),
    };
    witness(host, answer, started)
}

/// Returns the witness for a host's answer, just received, to a question asked at `started`.
fn witness(host: &IntranetHost, answer: Answer, started: Instant) -> Witness {
    let witness = Witness::new(host, answer, u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX));
    tracing::debug!("{}: {:?} in {} ms", witness.host, witness.answer, witness.milliseconds);
    witness
}

/// Returns the answer of a host to which the connection failed.
fn unanswered(error: TcpConnectError) -> Answer {
    match error {
        TcpConnectError::Name(NameError::NoSuchName) => Answer::Unresolved,
        TcpConnectError::Name(NameError::ResolverDown) => Answer::ResolverDown,
        TcpConnectError::Refused => Answer::Refused,
        TcpConnectError::Silent => Answer::Silent,
    }
}

/// Asks the learned servers after `wait`, one after the other, for `limit` in all. One to which the system would send
/// packets by another interface is left out.
async fn ask_learned(servers: LearnedHosts, wait: Duration, limit: Duration, answers: mpsc::UnboundedSender<Witness>) {
    sleep(wait).await;
    let end = Instant::now() + limit;
    for host in &servers.hosts {
        let started = Instant::now();
        let until = end.min(started + LEARNED_TIMEOUT);
        if started >= end {
            return;
        }
        let answer = match addresses(&host.host, until).await {
            Ok(mut found) => {
                found.retain(|address| network::interface_to(*address) == Some(servers.interface));
                if found.is_empty() {
                    continue;
                }
                ask_at(host, &found, None, until).await
            }
            Err(error) => unanswered(error),
        };
        if answers.send(Witness { learned: true, ..witness(host, answer, started) }).is_err() {
            return;
        }
    }
}

/// Asks at these addresses in the host's protocol; DNS servers for `zone`, if one is known.
async fn ask_at(host: &IntranetHost, addresses: &[IpAddr], zone: Option<&str>, until: Instant) -> Answer {
    match host.protocol {
        Protocol::Dns => ask_name_servers(host.port, addresses, zone, until).await,
        Protocol::Smb | Protocol::Nfs | Protocol::Ipp | Protocol::Https | Protocol::Tcp => {
            ask_server(host, addresses, until).await
        }
    }
}

/// Connects to the first address that accepts, and asks in the host's protocol.
async fn ask_server(host: &IntranetHost, addresses: &[IpAddr], until: Instant) -> Answer {
    let mut stream = match connect(addresses, host.port, until).await {
        Ok(stream) => stream,
        Err(error) => return unanswered(error),
    };
    let Ok(ends) = ends(&stream) else { return Answer::Silent };
    let outcome = match host.protocol {
        Protocol::Smb => timeout_at(until, smb::ask(&mut stream)).await.ok().and_then(Result::ok),
        Protocol::Nfs => timeout_at(until, nfs::ask(&mut stream)).await.ok().and_then(Result::ok),
        Protocol::Ipp => timeout_at(until, ipp::ask(&mut stream, host)).await.ok().and_then(Result::ok),
        Protocol::Https => identity(stream, host.host.clone(), host.pin.iter().cloned().collect(), until).await,
        Protocol::Tcp | Protocol::Dns => None,
    };
    match outcome {
        Some(ProtocolAnswer::Correct) => Answer::Correct(ends),
        Some(ProtocolAnswer::Wrong) => Answer::Wrong(ends),
        None => Answer::Accepted(ends),
    }
}

async fn identity(stream: TcpStream, name: String, pins: Vec<String>, until: Instant) -> Option<ProtocolAnswer> {
    let answer = tls_identity(stream, name, pins, until).await?;
    let answered = !matches!(answer, Gateway::Silent | Gateway::Refused);
    answered.then_some(if answer == Gateway::Answered { ProtocolAnswer::Correct } else { ProtocolAnswer::Wrong })
}

async fn tls_identity(stream: TcpStream, name: String, pins: Vec<String>, until: Instant) -> Option<Gateway> {
    let blocking = || -> io::Result<std::net::TcpStream> {
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    };
    let stream = match blocking() {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!("a connection cannot be used: {error}");
            return Some(Gateway::Refused);
        }
    };
    let handshake = spawn_blocking(move || tls::identity(stream, &name, &pins, until.into_std()));
    match timeout_at(until, handshake).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::warn!("a TLS handshake failed: {error}");
            None
        }
        Err(_) => Some(Gateway::Silent),
    }
}

/// Asks all DNS servers at the same time; the first correct answer decides. Without a zone any response is correct.
async fn ask_name_servers(port: u16, servers: &[IpAddr], zone: Option<&str>, until: Instant) -> Answer {
    let mut attempts = JoinSet::new();
    for server in servers {
        let (server, zone) = (SocketAddr::new(*server, port), zone.map(str::to_owned));
        attempts.spawn(async move {
            let answered = timeout_at(until, dns::ask(server, zone.as_deref())).await;
            answered.ok().and_then(Result::ok).map(|(outcome, local)| {
                (outcome, Ends { local: local.ip().to_canonical(), remote: server.ip().to_canonical() })
            })
        });
    }
    let mut best = Answer::Silent;
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Some((ProtocolAnswer::Correct, ends))) => return Answer::Correct(ends),
            Ok(Some((ProtocolAnswer::Wrong, ends))) => best = Answer::Wrong(ends),
            Ok(None) => {}
            Err(error) => tracing::warn!("the probe of a DNS server failed: {error}"),
        }
    }
    best
}

/// Returns the best answer of the gateways, and this computer's end of that connection.
async fn gateways(gateways: Vec<GatewayAddress>, limit: Duration) -> (Option<Gateway>, Option<IpAddr>) {
    let mut attempts = JoinSet::new();
    for gateway in gateways {
        attempts.spawn(ask_gateway(gateway, limit));
    }
    let rank = |answer: Option<Gateway>| answer.and_then(|one| Gateway::ALL.iter().position(|other| *other == one));
    let mut best: (Option<Gateway>, Option<IpAddr>) = (None, None);
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(answer @ (Some(Gateway::Answered), _)) => return answer,
            Ok(answer) => {
                if rank(answer.0).is_some_and(|this| rank(best.0).is_none_or(|that| this < that)) {
                    best = answer;
                }
            }
            Err(error) => tracing::warn!("the probe of a gateway failed: {error}"),
        }
    }
    best
}

/// Asks one gateway. The answer is `None` if this machine has no trusted certificates to judge by.
async fn ask_gateway(gateway: GatewayAddress, limit: Duration) -> (Option<Gateway>, Option<IpAddr>) {
    let until = Instant::now() + limit;
    let GatewayAddress { host, port, pins } = gateway;
    let addresses = match addresses(&host, until).await {
        Ok(addresses) => addresses,
        Err(error) => return (Some(absence(error)), None),
    };
    let (answer, local) = match connect(&addresses, port, until).await {
        Ok(stream) => {
            let local = ends(&stream).ok().map(|ends| ends.local);
            (tls_identity(stream, host.clone(), pins, until).await, local)
        }
        Err(error) => (Some(absence(error)), None),
    };
    let is_there = answer.is_none_or(Gateway::is_there);
    let answer = if !is_there && is_invented(&host, &addresses).await { Some(Gateway::NameInvented) } else { answer };
    tracing::debug!("gateway {host}: {answer:?}");
    (answer, local)
}

/// Returns the answer of a gateway to which the connection failed.
fn absence(error: TcpConnectError) -> Gateway {
    match error {
        TcpConnectError::Name(NameError::NoSuchName) => Gateway::Unresolved,
        TcpConnectError::Name(NameError::ResolverDown) => Gateway::ResolverDown,
        TcpConnectError::Refused => Gateway::Refused,
        TcpConnectError::Silent => Gateway::Silent,
    }
}

/// Whether the DNS server gives one of these addresses to a name beside the host's that nobody has: some providers answer
/// so for every name that does not exist.
async fn is_invented(host: &str, addresses: &[IpAddr]) -> bool {
    let Some((_, domain)) = host.split_once('.').filter(|_| host.parse::<IpAddr>().is_err()) else { return false };
    let label: String = std::iter::repeat_with(fastrand::lowercase).take(INVENTED_LABEL_CHARS).collect();
    let invented = connect::addresses(&format!("{label}.{domain}"), Instant::now() + INVENTED_TIMEOUT).await;
    invented.is_ok_and(|invented| invented.iter().any(|address| addresses.contains(address)))
}

#[cfg(test)]
#[path = "probe/tests.rs"]
mod tests;
