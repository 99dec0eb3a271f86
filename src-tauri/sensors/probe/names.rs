//! Resolves names by the system's resolver, with at most one lookup per name at a time: a lookup cannot be cancelled, takes
//! up to half a minute with a dead DNS server, and occupies a thread for as long.

use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Why a name has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameError {
    /// The DNS server says that there is no such name, or no address for it.
    NoSuchName,
    /// No DNS server answers.
    ResolverDown,
}

type LookupResult = Result<Vec<IpAddr>, NameError>;
type Lookups = Mutex<HashMap<String, watch::Receiver<Option<(LookupResult, Instant)>>>>;

/// How long an answer that came too late for the probe that asked may serve the next probe: otherwise a DNS server
/// slower than a probe would never be of use.
const LATE_ANSWER_LIFETIME: Duration = Duration::from_secs(90);

/// Resolves a name; an address is returned as it is. The caller limits the time.
pub(super) async fn resolve(host: &str) -> LookupResult {
    static LOOKUPS: std::sync::LazyLock<Lookups> = std::sync::LazyLock::new(Lookups::default);
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    shared(&LOOKUPS, host, look_up).await
}

/// Joins the lookup of that name that is under way, or starts one.
async fn shared(
    lookups: &'static Lookups,
    host: &str,
    look_up: impl FnOnce(&str) -> LookupResult + Send + 'static,
) -> LookupResult {
    let mut answer = {
        let mut under_way = lookups.lock().unwrap_or_else(PoisonError::into_inner);
        // One that has ended is an answer that nobody waited for.
        let late = under_way.get(host).and_then(|answer| answer.borrow().clone());
        if let Some((answer, at)) = late {
            under_way.remove(host);
            if at.elapsed() < LATE_ANSWER_LIFETIME {
                return answer;
            }
        }
        match under_way.get(host) {
            Some(answer) => answer.clone(),
            None => {
                let (sender, receiver) = watch::channel(None);
                let name = host.to_owned();
                let started = std::thread::Builder::new().name("lookup".into()).spawn(move || {
                    let answer = look_up(&name);
                    let mut under_way = lookups.lock().unwrap_or_else(PoisonError::into_inner);
                    // The map holds a receiver itself. A failure may be over by the time of the next lookup.
                    let is_late = answer.is_ok() && sender.receiver_count() == 1;
                    sender.send_replace(Some((answer, Instant::now())));
                    if !is_late {
                        under_way.remove(&name);
                    }
                });
                if let Err(error) = started {
                    tracing::warn!("no thread for a DNS lookup: {error}");
                    return Err(NameError::ResolverDown);
                }
                under_way.insert(host.to_owned(), receiver.clone());
                receiver
            }
        }
    };
    match answer.wait_for(Option::is_some).await {
        Ok(answer) => answer.clone().map_or(Err(NameError::ResolverDown), |(answer, _)| answer),
        Err(_) => Err(NameError::ResolverDown),
    }
}

fn look_up(host: &str) -> LookupResult {
    let hints = AddrInfoHints { socktype: SockType::Stream.into(), ..AddrInfoHints::default() };
    match getaddrinfo(Some(host), None, Some(hints)) {
        Ok(found) => {
            let mut addresses: Vec<IpAddr> = Vec::new();
            for info in found.flatten() {
                if !addresses.contains(&info.sockaddr.ip()) {
                    addresses.push(info.sockaddr.ip());
                }
            }
            if addresses.is_empty() { Err(NameError::NoSuchName) } else { Ok(addresses) }
        }
        Err(error) => {
            tracing::debug!("lookup of {host}: {error:?}");
            let unknown = matches!(error.kind(), LookupErrorKind::NoName | LookupErrorKind::NoData);
            Err(if unknown { NameError::NoSuchName } else { NameError::ResolverDown })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    #[tokio::test]
    async fn addresses_and_local_names_are_resolved() {
        assert_eq!(resolve("172.26.66.73").await, Ok(vec![[172, 26, 66, 73].into()]));
        assert_eq!(resolve("::1").await, Ok(vec!["::1".parse().unwrap()]));
        assert!(resolve("localhost").await.unwrap().iter().all(IpAddr::is_loopback));
    }

    #[tokio::test]
    async fn concurrent_calls_for_one_name_share_a_lookup() {
        static LOOKUPS: LazyLock<Lookups> = LazyLock::new(Lookups::default);
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        static JOINED: AtomicUsize = AtomicUsize::new(0);
        let (release, released) = channel();
        let released = std::sync::Arc::new(Mutex::new(released));
        let ask = || {
            let released = released.clone();
            let shared = shared(&LOOKUPS, "slow.test", move |_| {
                STARTED.fetch_add(1, Ordering::Relaxed);
                released.lock().unwrap().recv().unwrap();
                Ok(vec![[10, 0, 0, 1].into()])
            });
            tokio::spawn(async move {
                JOINED.fetch_add(1, Ordering::Relaxed);
                shared.await
            })
        };
        let askers: Vec<_> = (0..400).map(|_| ask()).collect();
        // A caller that gives up does not start another one either.
        let impatient = ask();
        // A call after the answer starts a new lookup.
        while JOINED.load(Ordering::Relaxed) < 401 {
            tokio::task::yield_now().await;
        }
        impatient.abort();
        release.send(()).unwrap();
        for asker in askers {
            assert_eq!(asker.await.unwrap(), Ok(vec![[10, 0, 0, 1].into()]));
        }
        assert_eq!(STARTED.load(Ordering::Relaxed), 1);
        // Results are not cached: the next call starts a lookup again.
        release.send(()).unwrap();
        ask().await.unwrap().unwrap();
        assert_eq!(STARTED.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn an_answer_that_comes_too_late_serves_the_next_asker_once() {
        static LOOKUPS: LazyLock<Lookups> = LazyLock::new(Lookups::default);
        for (answer, is_kept) in [(Ok(vec![[10, 0, 0, 1].into()]), true), (Err(NameError::ResolverDown), false)] {
            let (release, released) = channel();
            let late = answer.clone();
            let asker = tokio::spawn(shared(&LOOKUPS, "slow.test", move |_| {
                released.recv().unwrap();
                late
            }));
            while LOOKUPS.lock().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            asker.abort();
            assert!(asker.await.unwrap_err().is_cancelled());
            release.send(()).unwrap();
            let is_done = |lookups: &HashMap<_, watch::Receiver<Option<_>>>| {
                lookups.get("slow.test").is_none_or(|answer: &watch::Receiver<Option<_>>| answer.borrow().is_some())
            };
            while !is_done(&LOOKUPS.lock().unwrap()) {
                tokio::task::yield_now().await;
            }
            let other = || Ok(vec![[10, 0, 0, 2].into()]);
            let next = shared(&LOOKUPS, "slow.test", move |_| other()).await;
            assert_eq!(next, if is_kept { answer } else { other() });
            assert_eq!(shared(&LOOKUPS, "slow.test", move |_| other()).await, other(), "kept for one asker");
        }
    }
}
