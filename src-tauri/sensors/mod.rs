//! Turns facts about the machine into events. Each sensor watches one subject, without polling.

pub mod clock;
mod config;
#[cfg(windows)]
mod domain_network;
pub mod drives;
pub mod host;
mod http;
#[cfg(target_os = "linux")]
pub mod inotify;
pub mod network;
pub mod power;
pub mod printers;
pub mod probe;
#[cfg(windows)]
mod registry;
pub mod servers;
pub mod shutdown;
pub mod vpn_client;
pub mod wapt;
#[cfg(windows)]
mod window;

use crate::Events;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet, spawn_blocking};
use vigie_core::message::{Event, SensorRequest};
use vigie_profile::{Paths, Profile};

/// Sends requests to the sensors.
pub type SensorRequests = mpsc::UnboundedSender<SensorRequest>;

/// Starts all sensors on the current tokio runtime. They begin with `profile`, and watch the files that it comes from.
/// They end when the returned sender is dropped or the events' receiver is gone.
pub fn start(profile: Arc<Profile>, paths: Paths, events: Events) -> SensorRequests {
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(serve(profile, paths, events, requests));
    sender
}

async fn serve(profile: Arc<Profile>, paths: Paths, events: Events, mut requests: UnboundedReceiver<SensorRequest>) {
    let (alarm, wake_at) = watch::channel(None);
    let (profiles, current) = watch::channel(profile);
    let (links, wapt_refresh) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let reload = Arc::new(Notify::new());
    // Dropping the set aborts all tasks in it.
    let mut watchers = JoinSet::new();
    watchers.spawn(clock::watch(wake_at, events.clone()));
    watchers.spawn(network::watch(current.clone(), links.clone(), events.clone()));
    watchers.spawn(config::watch(paths, reload.clone(), events.clone()));
    watchers.spawn(power::watch(events.clone()));
    watchers.spawn(shutdown::watch(events.clone()));
    watchers.spawn(drives::watch(current.clone(), events.clone()));
    #[cfg(windows)]
    let domain = Arc::new(Notify::new());
    #[cfg(windows)]
    {
        watchers.spawn(domain_network::watch(domain.clone(), events.clone()));
        watchers.spawn(printers::watch(events.clone()));
    }
    let host_requests = watch::Sender::new(());
    let readers: [fn(&Profile) -> Event; 5] = [
        |_| Event::Host(Arc::new(host::read())),
        |profile| Event::Drives(drives::read(profile)),
        |_| Event::Printers(printers::read()),
        |_| Event::Servers(servers::read()),
        |_| Event::Power(power::battery()),
    ];
    for read in readers {
        watchers.spawn(read_on_request(host_requests.subscribe(), current.clone(), events.clone(), read));
    }
    watchers.spawn(wapt::watch(current.clone(), wapt_refresh.clone(), events.clone()));
    let mut probe = AbortOnReplace::default();
    let mut client = AbortOnReplace::default();
    find_site(&current, &events);
    loop {
        let request = tokio::select! {
            request = requests.recv() => request,
            () = events.closed() => None,
        };
        let Some(request) = request else { return };
        let profile = current.borrow().clone();
        let events = events.clone();
        match request {
            SensorRequest::Links => {
                links.notify_one();
                #[cfg(windows)]
                domain.notify_one();
            }
            SensorRequest::Host => {
                // Wakes the sensor only if it waits: a read that is already under way is recent enough.
                wapt_refresh.notify_waiters();
                host_requests.send_replace(());
            }
            SensorRequest::Probe(request) => probe.replace(async move {
                let limit = Duration::from_secs(profile.vpn.probe_timeout_seconds.into());
                probe::probe(request, limit, |probe| drop(events.send(Event::Probed(probe)))).await;
            }),
            SensorRequest::Traffic(interface) => {
                let _ = events.send(Event::Traffic(network::traffic(interface)));
            }
            SensorRequest::Client => client.replace(async move {
                let client = vpn_client::read(&profile).await;
                let _ = events.send(Event::ClientState(client.state));
                if let Some(version) = client.version {
                    let _ = events.send(Event::ClientVersion(version));
                }
            }),
            SensorRequest::WakeAt(at) => {
                alarm.send_replace(at);
            }
            SensorRequest::Config => reload.notify_one(),
            SensorRequest::Profile(profile) => {
                profiles.send_replace(profile);
                find_site(&current, &events);
            }
        }
    }
}

/// Reads on a blocking thread and sends the event, after each request. Requests during a read lead to one more, so that
/// a service that hangs never holds more than one thread.
async fn read_on_request(
    mut requests: watch::Receiver<()>,
    profile: watch::Receiver<Arc<Profile>>,
    events: Events,
    read: fn(&Profile) -> Event,
) {
    while requests.changed().await.is_ok() {
        let (profile, events) = (profile.borrow().clone(), events.clone());
        // Fails only when the runtime shuts down.
        let _ = spawn_blocking(move || drop(events.send(read(&profile)))).await;
    }
}

fn find_site(profile: &watch::Receiver<Arc<Profile>>, events: &Events) {
    let (profile, events) = (profile.borrow().clone(), events.clone());
    spawn_blocking(move || {
        let _ = events.send(Event::SiteFound(vpn_client::site(&profile)));
    });
}

/// A task that is aborted when a newer one replaces it: only the latest answer is of use.
#[derive(Default)]
struct AbortOnReplace(Option<AbortHandle>);

impl AbortOnReplace {
    fn replace(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(older) = self.0.replace(tokio::spawn(task).abort_handle()) {
            older.abort();
        }
    }
}

impl Drop for AbortOnReplace {
    fn drop(&mut self) {
        if let Some(last) = &self.0 {
            last.abort();
        }
    }
}

/// Returns whether the pattern matches the whole text, ignoring case. `*` matches any text, including none.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(end)
}

/// Expands a path of the profile for this user.
fn expand(path: &str) -> Option<PathBuf> {
    vigie_profile::expand(path, dirs::home_dir().as_deref(), |name| std::env::var_os(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// In a network namespace, so that only the test's own changes are seen.
    #[cfg(target_os = "linux")]
    #[test]
    fn sensors_answer_requests_and_end_with_their_sender() {
        use test_support::{in_namespace, profile, run};
        use tokio::time::timeout;
        use vigie_core::message::RequestId;
        use vigie_core::vpn::ProbeRequest;
        const DEADLINE: Duration = Duration::from_secs(30);

        async fn next(received: &mut UnboundedReceiver<Event>, wanted: impl Fn(&Event) -> bool) -> Event {
            loop {
                let event =
                    timeout(DEADLINE, received.recv()).await.expect("an answer in time").expect("the sensors run");
                if wanted(&event) {
                    return event;
                }
            }
        }

        in_namespace(rustix::thread::UnshareFlags::NEWNET, async {
            run("ip link set lo up");
            run("ip link add eth0 type veth peer name far0");
            run("ip link set far0 up");
            run("ip address add 10.9.0.2/24 dev eth0");
            run("ip link set eth0 up");
            let (events, mut received) = mpsc::unbounded_channel();
            let nowhere = Paths { machine: Default::default(), user: Default::default() };
            let requests = start(Arc::new(profile()), nowhere, events);
            assert_eq!(next(&mut received, |event| matches!(event, Event::SiteFound(_))).await, Event::SiteFound(None));

            requests.send(SensorRequest::Links).unwrap();
            next(&mut received, |event| matches!(event, Event::Links(_))).await;
            requests.send(SensorRequest::Client).unwrap();
            assert_eq!(
                next(&mut received, |event| matches!(event, Event::ClientState(_))).await,
                Event::ClientState(None)
            );
            requests.send(SensorRequest::WakeAt(Some(jiff::Timestamp::now()))).unwrap();
            next(&mut received, |event| *event == Event::Tick).await;
            requests.send(SensorRequest::Host).unwrap();
            next(&mut received, |event| matches!(event, Event::Power(_))).await;

            // Nobody has the address 10.9.0.9, which takes a while to find out; the newer request does not wait for it.
            let request = |number, host: &str| {
                let hosts = vec![host.parse().unwrap()];
                SensorRequest::Probe(ProbeRequest {
                    id: RequestId::new(number),
                    hosts,
                    gateways: Vec::new(),
                    dns: Vec::new(),
                    learned: None,
                })
            };
            requests.send(request(1, "10.9.0.9:445")).unwrap();
            requests.send(request(2, "127.0.0.1:1")).unwrap();
            let Event::Probed(probe) = next(&mut received, |event| matches!(event, Event::Probed(_))).await else {
                unreachable!("only a probe matches")
            };
            assert_eq!(probe.id, RequestId::new(2));

            requests.send(request(3, "10.9.0.9:445")).unwrap();
            drop(requests);
            while let Some(event) = timeout(DEADLINE, received.recv()).await.expect("the sensors end") {
                assert!(!matches!(event, Event::Probed(_)), "{event:?}");
            }
        });
    }

    #[test]
    fn glob_matches_whole_text_ignoring_case() {
        for (pattern, text) in [
            ("cscotun*", "cscotun0"),
            ("*", ""),
            ("tun0", "TUN0"),
            ("Cisco*AnyConnect*", "Cisco AnyConnect Virtual Miniport Adapter"),
            ("*Secure Client*", "Cisco Secure Client"),
            ("a*a", "aa"),
            ("**x", "x"),
        ] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("tun*", "utun0"), ("tun", "tun0"), ("a*a", "a"), ("*ab*b", "ab"), ("", "x")] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    #[tokio::test]
    async fn requests_during_a_read_lead_to_one_more() {
        use std::sync::{LazyLock, Mutex};
        static GATE: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);
        const DEADLINE: Duration = Duration::from_secs(30);
        let requests = watch::Sender::new(());
        let (_profiles, profile) = watch::channel(Arc::new(test_support::profile()));
        let (events, mut received) = mpsc::unbounded_channel();
        let reader = read_on_request(requests.subscribe(), profile, events.clone(), |_| {
            drop(GATE.lock());
            Event::Tick
        });
        let reader = tokio::spawn(reader);
        {
            let hung = GATE.lock();
            for _ in 0..100 {
                requests.send_replace(());
                tokio::task::yield_now().await;
            }
            drop(hung);
        }
        for _ in 0..2 {
            assert_eq!(tokio::time::timeout(DEADLINE, received.recv()).await, Ok(Some(Event::Tick)));
        }
        drop((requests, events));
        reader.await.expect("ends with its requests");
        assert_eq!(received.recv().await, None, "no more than two reads");
    }

    proptest! {
        #[test]
        fn glob_matches_any_text_in_place_of_the_star(text in ".{0,30}", cut in any::<(usize, usize)>()) {
            let chars: Vec<char> = text.to_lowercase().chars().collect();
            let from = cut.0 % (chars.len() + 1);
            let to = from + cut.1 % (chars.len() - from + 1);
            let pattern: String = chars[..from].iter().chain(&['*']).chain(&chars[to..]).collect();
            prop_assert!(glob(&pattern, &text));
        }

        #[test]
        fn glob_never_panics(pattern in ".{0,20}", text in ".{0,20}") {
            glob(&pattern, &text);
        }
    }
}

/// Helpers for the tests of the sensors.
#[cfg(test)]
pub(crate) mod test_support {
    use vigie_profile::{PerOs, Profile, VpnConfig, guide};

    #[cfg(target_os = "linux")]
    pub(super) use linux::{in_namespace, run};

    /// Returns the guide for a machine without Cisco's client.
    pub(crate) fn profile() -> Profile {
        let mut profile = guide();
        profile.vpn.command_line = PerOs { windows: vec![], linux: vec![] };
        profile.vpn.preferences = PerOs { windows: vec![], linux: vec![] };
        profile
    }

    pub(super) fn vpn() -> VpnConfig {
        profile().vpn
    }

    /// A TCP port of this machine on which nothing listens. It stays bound, so that no server gets it meanwhile, nor any
    /// connection as its own end.
    pub(super) struct ClosedPort {
        pub number: u16,
        _bound: tokio::net::TcpSocket,
    }

    impl ClosedPort {
        pub(super) fn new() -> ClosedPort {
            let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
            socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
            ClosedPort { number: socket.local_addr().expect("it is bound").port(), _bound: socket }
        }
    }

    #[cfg(target_os = "linux")]
    mod linux {
        use rustix::thread::{UnshareFlags, unshare_unsafe};
        use std::process::Command;

        /// Runs a test on a thread of its own in new namespaces, which its child processes inherit.
        pub(in crate::sensors) fn in_namespace(flags: UnshareFlags, test: impl Future<Output = ()> + Send + 'static) {
            assert!(rustix::process::geteuid().is_root(), "this test creates namespaces: run it as root");
            let thread = std::thread::spawn(move || {
                // SAFETY: files and memory stay shared with the other threads; only the network or the mounts differ.
                unsafe { unshare_unsafe(flags) }.expect("new namespaces");
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
            });
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }

        /// Runs a command, whose words contain no blanks, and asserts that it succeeds.
        pub(in crate::sensors) fn run(command: &str) {
            let mut words = command.split(' ');
            let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
            assert!(status.success(), "{command}: {status}");
        }
    }
}
