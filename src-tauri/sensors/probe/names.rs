//! Resolves names by the system's resolver, with at most one lookup per name at a time: a lookup cannot be cancelled, takes
//! up to half a minute with a dead DNS server, and occupies a thread for as long.

use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
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
type Lookups = Mutex<HashMap<String, watch::Receiver<Option<LookupResult>>>>;

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
        match under_way.get(host) {
            Some(answer) => answer.clone(),
            None => {
                let (sender, receiver) = watch::channel(None);
                let name = host.to_owned();
                let started = std::thread::Builder::new().name("lookup".into()).spawn(move || {
                    let answer = look_up(&name);
                    lookups.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
                    sender.send_replace(Some(answer));
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
        Ok(answer) => answer.clone().unwrap_or(Err(NameError::ResolverDown)),
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
}
