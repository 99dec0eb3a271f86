//! Probes whether the intranet hosts answer, each in its own protocol, and whether the gateway proves its name.

mod connect;
mod dns;
mod ipp;
mod names;
mod smb;
mod tls;

use connect::{TcpConnectError, connect, ends};
use names::NameError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep, timeout_at};
use vigie_core::vpn::{Answer, Ends, Gateway, GatewayAddress, Probe, ProbeRequest, Strength, Witness};
use vigie_profile::{IntranetHost, Protocol};

/// Pause before the next intranet host is asked as well, while those before it have not answered.
const STAGGER: Duration = Duration::from_millis(250);

/// What a server answered over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProtocolAnswer {
    /// A correct answer of the protocol.
    Correct,
    /// Something else.
    Wrong,
}

/// Probes the hosts and gateways of the request, and gives each up after `limit`. Calls `report` with the first strong
/// answer, unless the probe ends with it, and once more at the end. Dropping the future cancels the probe.
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
    let asked = !request.gateways.is_empty();
    let gateway = gateways(request.gateways, limit);
    tokio::pin!(gateway);
    let mut answers: Vec<Option<Witness>> = request.hosts.iter().map(|_| None).collect();
    let mut probe =
        Probe { number: request.number, witnesses: Vec::new(), gateway: None, gateway_local: None, complete: false };
    let (mut judged, mut reported) = (!asked, false);
    loop {
        tokio::select! {
            answer = hosts.join_next(), if !hosts.is_empty() => match answer {
                Some(Ok((position, witness))) => {
                    let strong = witness.strength() >= Some(Strength::Strong);
                    answers[position] = Some(witness);
                    probe.witnesses = answers.iter().flatten().cloned().collect();
                    if strong && !reported && !(hosts.is_empty() && judged) {
                        reported = true;
                        report(probe.clone());
                    }
                }
                Some(Err(error)) => tracing::warn!("the probe of an intranet host failed: {error}"),
                None => {}
            },
            (answer, local) = &mut gateway, if !judged => {
                judged = true;
                (probe.gateway, probe.gateway_local) = (answer, local);
            }
            else => break,
        }
    }
    probe.complete = true;
    report(probe);
}

/// Asks one intranet host, and returns its answer as a witness.
async fn ask(host: &IntranetHost, dns: &[IpAddr], limit: Duration) -> Witness {
    let started = Instant::now();
    let answer = match host.protocol {
        Protocol::Dns => ask_name_servers(host, dns, started + limit).await,
        Protocol::Smb | Protocol::Ipp | Protocol::Https | Protocol::Tcp => ask_server(host, started + limit).await,
    };
    let witness = Witness::new(host, answer, u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX));
    tracing::debug!("{}: {:?} in {} ms", witness.host, witness.answer, witness.milliseconds);
    witness
}

async fn ask_server(host: &IntranetHost, until: Instant) -> Answer {
    let mut stream = match connect(&host.host, host.port, until).await {
        Ok(stream) => stream,
        Err(TcpConnectError::Name(NameError::NoSuchName)) => return Answer::Unresolved,
        Err(TcpConnectError::Refused) => return Answer::Refused,
        Err(TcpConnectError::Silent | TcpConnectError::Name(NameError::ResolverDown)) => return Answer::Silent,
    };
    let Ok(ends) = ends(&stream) else { return Answer::Silent };
    let outcome = match host.protocol {
        Protocol::Smb => timeout_at(until, smb::ask(&mut stream)).await.ok().and_then(Result::ok),
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

/// Asks all DNS servers at the same time; the first correct answer decides.
async fn ask_name_servers(host: &IntranetHost, servers: &[IpAddr], until: Instant) -> Answer {
    let mut attempts = JoinSet::new();
    for server in servers {
        let (server, zone) = (SocketAddr::new(*server, host.port), host.host.clone());
        attempts.spawn(async move {
            let answered = timeout_at(until, dns::ask(server, &zone)).await;
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
    let stream = match connect(&gateway.host, gateway.port, until).await {
        Ok(stream) => stream,
        Err(error) => {
            let answer = match error {
                TcpConnectError::Name(NameError::NoSuchName) => Gateway::Unresolved,
                TcpConnectError::Name(NameError::ResolverDown) => Gateway::ResolverDown,
                TcpConnectError::Refused => Gateway::Refused,
                TcpConnectError::Silent => Gateway::Silent,
            };
            tracing::debug!("gateway {}: {answer:?}", gateway.host);
            return (Some(answer), None);
        }
    };
    let local = ends(&stream).ok().map(|ends| ends.local);
    (tls_identity(stream, gateway.host, gateway.pins, until).await, local)
}

#[cfg(test)]
#[path = "probe/tests.rs"]
mod tests;
