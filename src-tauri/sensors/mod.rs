//! Each watches one thing and sends events; event-driven wherever the system offers it, no polling.

pub mod clock;
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
use vigie_profile::Profile;

/// Where the sensors are asked to look.
pub type SensorRequests = mpsc::UnboundedSender<SensorRequest>;

/// Starts all sensors on the current tokio runtime. They end when the returned sender or the events' receiver is
/// gone.
pub fn start(profile: Arc<Profile>, events: Events) -> SensorRequests {
    let (looks, asked) = mpsc::unbounded_channel();
    tokio::spawn(serve(profile, events, asked));
    looks
}

async fn serve(profile: Arc<Profile>, events: Events, mut asked: UnboundedReceiver<SensorRequest>) {
    let (alarm, wake_at) = watch::channel(None);
    let (profiles, current) = watch::channel(profile);
    let (links, agent) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    // Dropped at the end, and all of it ends with it.
    let mut watchers = JoinSet::new();
    watchers.spawn(clock::watch(wake_at, events.clone()));
    watchers.spawn(network::watch(current.clone(), links.clone(), events.clone()));
    watchers.spawn(power::watch(events.clone()));
    watchers.spawn(shutdown::watch(events.clone()));
    #[cfg(windows)]
    {
        watchers.spawn(drives::watch(current.clone(), events.clone()));
        watchers.spawn(printers::watch(events.clone()));
    }
    watchers.spawn(wapt::watch(current.clone(), agent.clone(), events.clone()));
    let mut probe = AbortOnReplace::default();
    let mut client = AbortOnReplace::default();
    find_site(&current, &events);
    loop {
        let look = tokio::select! {
            look = asked.recv() => look,
            () = events.closed() => None,
        };
        let Some(look) = look else { return };
        let profile = current.borrow().clone();
        let events = events.clone();
        match look {
            SensorRequest::Links => links.notify_one(),
            SensorRequest::Host => {
                // One that waits hears it; one that looks already needs not.
                agent.notify_waiters();
                spawn_blocking(move || {
                    let _ = events.send(Event::Host(Arc::new(host::read())));
                    let _ = events.send(Event::Drives(drives::read(&profile)));
                    let _ = events.send(Event::Printers(printers::read()));
                    let _ = events.send(Event::Power(power::battery()));
                });
            }
            SensorRequest::Probe(request) => probe.replace(async move {
                let limit = Duration::from_secs(profile.vpn.probe_timeout_seconds.into());
                let _ = events.send(Event::Probed(probe::probe(request, limit).await));
            }),
            SensorRequest::Client => client.replace(async move {
                let _ = events.send(Event::ClientState(vpn_client::state(&profile).await));
            }),
            SensorRequest::WakeAt(at) => {
                alarm.send_replace(at);
            }
            SensorRequest::Profile(profile) => {
                profiles.send_replace(profile);
                find_site(&current, &events);
            }
        }
    }
}

fn find_site(profile: &watch::Receiver<Arc<Profile>>, events: &Events) {
    let (profile, events) = (profile.borrow().clone(), events.clone());
    spawn_blocking(move || {
        let _ = events.send(Event::SiteFound(vpn_client::site(&profile)));
    });
}

/// A question of which only the latest is still worth an answer.
#[derive(Default)]
struct AbortOnReplace(Option<AbortHandle>);

impl AbortOnReplace {
    fn replace(&mut self, answer: impl Future<Output = ()> + Send + 'static) {
        if let Some(older) = self.0.replace(tokio::spawn(answer).abort_handle()) {
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

/// Whether a pattern in which `*` stands for any text, also none, matches the whole text, whatever the case.
fn glob(pattern: &str, text: &str) -> bool {
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

/// The path that the profile means, in this user's session.
fn expand(path: &str) -> Option<PathBuf> {
    vigie_profile::expand(path, dirs::home_dir().as_deref(), |name| std::env::var_os(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// In a network namespace, where nobody else's changes are seen.
    #[cfg(target_os = "linux")]
    #[test]
    fn sensors_answer_what_they_are_asked_and_end_with_the_asker() {
        use test_support::{in_namespace, profile, run};
        use tokio::time::timeout;
        use vigie_core::vpn::ProbeRequest;
        const DEADLINE: Duration = Duration::from_secs(10);

        async fn hear(heard: &mut UnboundedReceiver<Event>, wanted: impl Fn(&Event) -> bool) -> Event {
            loop {
                let event = timeout(DEADLINE, heard.recv()).await.expect("an answer comes").expect("the sensors live");
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
            let (events, mut heard) = mpsc::unbounded_channel();
            let looks = start(Arc::new(profile()), events);
            assert_eq!(hear(&mut heard, |event| matches!(event, Event::SiteFound(_))).await, Event::SiteFound(None));

            looks.send(SensorRequest::Links).unwrap();
            hear(&mut heard, |event| matches!(event, Event::Links(_))).await;
            looks.send(SensorRequest::Client).unwrap();
            assert_eq!(
                hear(&mut heard, |event| matches!(event, Event::ClientState(_))).await,
                Event::ClientState(None)
            );
            looks.send(SensorRequest::WakeAt(Some(jiff::Timestamp::now()))).unwrap();
            hear(&mut heard, |event| *event == Event::Tick).await;
            looks.send(SensorRequest::Host).unwrap();
            hear(&mut heard, |event| matches!(event, Event::Power(_))).await;

            // Nobody has the address 10.9.0.9, and to find that out takes a while; the newer question does not wait.
            let request = |number, host: &str| {
                SensorRequest::Probe(ProbeRequest { number, inside: vec![host.to_owned()], gateways: Vec::new() })
            };
            looks.send(request(1, "10.9.0.9:445")).unwrap();
            looks.send(request(2, "127.0.0.1:1")).unwrap();
            let Event::Probed(probe) = hear(&mut heard, |event| matches!(event, Event::Probed(_))).await else {
                unreachable!("only a probe was waited for")
            };
            assert_eq!(probe.number, 2);

            looks.send(request(3, "10.9.0.9:445")).unwrap();
            drop(looks);
            while let Some(event) = timeout(DEADLINE, heard.recv()).await.expect("the sensors end") {
                assert!(!matches!(event, Event::Probed(_)), "{event:?}");
            }
        });
    }

    #[test]
    fn globs() {
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

    proptest! {
        #[test]
        fn a_glob_matches_what_was_cut_out_of_a_text(text in ".{0,30}", cut in any::<(usize, usize)>()) {
            let chars: Vec<char> = text.to_lowercase().chars().collect();
            let from = cut.0 % (chars.len() + 1);
            let to = from + cut.1 % (chars.len() - from + 1);
            let pattern: String = chars[..from].iter().chain(&['*']).chain(&chars[to..]).collect();
            prop_assert!(glob(&pattern, &text));
        }

        #[test]
        fn a_glob_never_panics(pattern in ".{0,20}", text in ".{0,20}") {
            glob(&pattern, &text);
        }
    }
}

/// What the sensors' tests share.
#[cfg(test)]
mod test_support {
    use vigie_profile::{PerOs, Profile, VpnConfig, guide};

    #[cfg(target_os = "linux")]
    pub(super) use linux::{in_namespace, run};

    /// The guide, on a machine without Cisco's client.
    pub(super) fn profile() -> Profile {
        let mut profile = guide();
        profile.vpn.command_line = PerOs { windows: vec![], linux: vec![] };
        profile.vpn.preferences = PerOs { windows: vec![], linux: vec![] };
        profile
    }

    pub(super) fn vpn() -> VpnConfig {
        profile().vpn
    }

    #[cfg(target_os = "linux")]
    mod linux {
        use rustix::thread::{UnshareFlags, unshare_unsafe};
        use std::process::Command;

        /// Runs a test on a thread of its own in new namespaces; all that it starts is in them too.
        pub(in crate::sensors) fn in_namespace(flags: UnshareFlags, test: impl Future<Output = ()> + Send + 'static) {
            assert!(rustix::process::geteuid().is_root(), "this test makes namespaces: run it as root");
            let thread = std::thread::spawn(move || {
                // SAFETY: files and memory stay shared with the other threads; only this one gets another network or
                // other mounts.
                unsafe { unshare_unsafe(flags) }.expect("new namespaces");
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
            });
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }

        /// Runs a command of words without blanks, which must succeed.
        pub(in crate::sensors) fn run(command: &str) {
            let mut words = command.split(' ');
            let status = Command::new(words.next().unwrap()).args(words).status().unwrap();
            assert!(status.success(), "{command}: {status}");
        }
    }
}
