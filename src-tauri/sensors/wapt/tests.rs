//! Tests with a fake agent over real connections.

use super::*;
use crate::sensors::test_support::ClosedPort;
use std::collections::HashMap;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const PING: &str = r#"{"version": "2.5.5.15697", "hostname": "pc"}"#;
const UPGRADES: &str = r#"{
    "running_tasks": ["Mise à jour"], "pending_tasks": [], "errors": [], "date": "2026-11-24T09:12:00.123",
    "upgrades": ["tis-firefox-esr (=128.4)"],
    "pending": {"install": ["tis-isl-light"], "upgrade": [{"package": "tis-firefox-esr", "version": "128.4",
        "description": "Navigateur"}], "additional": ["tis-isl-light"]},
    "wua_status": "OK", "wua_pending_count": 0}"#;
const DEADLINE: Duration = Duration::from_secs(30);
const IDLE: &str = r#"{"running": null, "pending": [], "done": [], "errors": []}"#;

/// How the fake agent answers a path.
#[derive(Clone)]
enum FakeResponse {
    Json(String),
    Status(u16),
    /// Reads the request and does not answer.
    Silence,
    /// A body that never ends.
    Endless,
    /// A header that never ends, a byte at a time.
    SlowHeader,
    /// Announces more than it sends.
    Truncated,
    /// Sends the client elsewhere.
    Redirect,
}

#[derive(Default)]
struct FakeAgent {
    answers: Mutex<HashMap<&'static str, FakeResponse>>,
    events: Mutex<Vec<String>>,
    asked: Mutex<Vec<String>>,
    happened: Notify,
    requests: watch::Sender<usize>,
}

impl FakeAgent {
    fn answer(&self, path: &'static str, json: &str) {
        self.set(path, FakeResponse::Json(json.into()));
    }

    fn set(&self, path: &'static str, answer: FakeResponse) {
        self.answers.lock().expect("no test panics with the lock").insert(path, answer);
    }

    fn happen(&self, kind: &str) {
        let mut events = self.events.lock().expect("no test panics with the lock");
        let id = events.len();
        events.push(format!(r#"{{"id": {id}, "event_type": "{kind}", "date": 1795510000.5, "data": {{"x": 1}}}}"#));
        self.happened.notify_waiters();
    }

    fn asked(&self, path: &str) -> usize {
        self.asked.lock().expect("no test panics with the lock").iter().filter(|asked| asked.starts_with(path)).count()
    }

    /// Waits until `path` was requested `times` times.
    async fn requested(&self, path: &str, times: usize) {
        let mut requests = self.requests.subscribe();
        let enough = requests.wait_for(|_| self.asked(path) >= times);
        timeout(DEADLINE, enough).await.expect("requested in time").expect("the agent runs");
    }

    async fn start() -> (Arc<FakeAgent>, u16) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let agent = Arc::new(FakeAgent::default());
        agent.answer("/ping", PING);
        agent.answer("/checkupgrades.json", UPGRADES);
        agent.answer("/tasks.json", IDLE);
        let served = agent.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(served.clone().serve(stream));
            }
        });
        (agent, port)
    }

    async fn serve(self: Arc<Self>, mut stream: TcpStream) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => request.push(byte),
                Err(_) => return,
            }
        }
        let request = String::from_utf8(request).expect("HTTP is ASCII");
        let target = request.split(' ').nth(1).expect("a request line").to_owned();
        self.asked.lock().expect("no test panics with the lock").push(target.clone());
        self.requests.send_modify(|count| *count += 1);
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let set = self.answers.lock().expect("no test panics with the lock").get(path).cloned();
        let answer = match set {
            Some(answer) => answer,
            None if path == "/events.json" => {
                let last = query.split('&').find_map(|pair| pair.strip_prefix("last_read=")).expect("last_read");
                FakeResponse::Json(self.news(last.parse().expect("a number")).await)
            }
            None => FakeResponse::Status(404),
        };
        let (head, body) = match answer {
            FakeResponse::Json(json) => (format!("200 OK\r\nContent-Length: {}", json.len()), json),
            FakeResponse::Status(status) => (format!("{status} No\r\nContent-Length: 0"), String::new()),
            FakeResponse::Silence => return std::future::pending().await,
            FakeResponse::Endless => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await;
                while stream.write_all(&[b' '; 1 << 16]).await.is_ok() {}
                return;
            }
            FakeResponse::SlowHeader => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").await;
                while stream.write_all(b"x").await.is_ok() {
                    sleep(Duration::from_millis(1)).await;
                }
                return;
            }
            FakeResponse::Redirect => ("302 Found\r\nLocation: /ping\r\nContent-Length: 0".into(), String::new()),
            FakeResponse::Truncated => ("200 OK\r\nContent-Length: 100".into(), "{".into()),
        };
        // The client may have closed the connection.
        let _ = stream.write_all(format!("HTTP/1.1 {head}\r\n\r\n{body}").as_bytes()).await;
    }

    async fn news(&self, last: i64) -> String {
        loop {
            let happened = self.happened.notified();
            let after = usize::try_from(last + 1).expect("ids count from 0");
            let news =
                self.events.lock().expect("no test panics with the lock").get(after..).unwrap_or_default().join(",");
            if !news.is_empty() {
                return format!("[{news}]");
            }
            happened.await;
        }
    }
}

fn wapt(pending: &[&str], running: Option<&str>) -> Wapt {
    Wapt {
        version: "2.5.5.15697".into(),
        pending: Some(pending.iter().map(|package| (*package).to_owned()).collect()),
        running: running.map(str::to_owned),
    }
}

async fn unavailable(port: u16) -> String {
    match read_from(port).await {
        Reading::Unavailable(why) => why,
        other @ (Reading::Pending | Reading::Known(_)) => panic!("{other:?}"),
    }
}

async fn next(events: &mut UnboundedReceiver<Event>) -> Reading<Wapt> {
    match timeout(DEADLINE, events.recv()).await.expect("an event in time") {
        Some(Event::Wapt(wapt)) => wapt,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn agent_state_is_read() {
    let (agent, port) = FakeAgent::start().await;
    assert_eq!(read_from(port).await, Reading::Known(wapt(&["tis-isl-light", "tis-firefox-esr"], None)));
    agent.answer("/tasks.json", r#"{"running": {"id": 7, "description": "Installation de tis-isl-light"}}"#);
    agent.answer("/checkupgrades.json", r#"{"upgrades": []}"#);
    assert_eq!(read_from(port).await, Reading::Known(wapt(&[], Some("Installation de tis-isl-light"))));
}

#[tokio::test]
async fn older_agent_without_tasks_is_read() {
    let (agent, port) = FakeAgent::start().await;
    agent.set("/tasks.json", FakeResponse::Status(404));
    agent.answer("/checkupgrades.json", r#"{"running_tasks": ["Mise à jour"], "upgrades": ["a (=1)", "b (=2)"]}"#);
    assert_eq!(read_from(port).await, Reading::Known(wapt(&["a (=1)", "b (=2)"], Some("Mise à jour"))));
}

#[tokio::test]
async fn before_its_first_update_only_the_version_is_known() {
    let (agent, port) = FakeAgent::start().await;
    for nothing in ["null", "\"\""] {
        agent.answer("/checkupgrades.json", nothing);
        assert_eq!(read_from(port).await, Reading::Known(Wapt { pending: None, ..wapt(&[], None) }), "{nothing}");
    }
}

#[tokio::test]
async fn missing_and_new_fields_are_accepted() {
    let (agent, port) = FakeAgent::start().await;
    agent.answer("/checkupgrades.json", r#"{"pending": {"upgrade": ["a"], "removals": ["b"]}, "new": {}}"#);
    agent.answer("/tasks.json", "{}");
    assert_eq!(read_from(port).await, Reading::Known(wapt(&["a"], None)));
}

#[tokio::test]
async fn unknown_formats_are_reported() {
    let (agent, port) = FakeAgent::start().await;
    for wrong in ["", "[]", "{}", "{\"upgrades\": {}}", "{\"upgrades\": [1]}", "{\"pending\": []}", "<html>", "\"x\""] {
        agent.answer("/checkupgrades.json", wrong);
        let why = unavailable(port).await;
        assert!(why.starts_with("/checkupgrades.json:"), "{wrong}: {why}");
    }
    agent.set("/ping", FakeResponse::Status(401));
    assert_eq!(unavailable(port).await, "/ping: HTTP status 401");
    agent.answer("/ping", "{}");
    assert!(unavailable(port).await.starts_with("/ping: unknown format"));
}

#[tokio::test]
async fn endless_and_truncated_responses_are_given_up() {
    let (agent, port) = FakeAgent::start().await;
    agent.set("/checkupgrades.json", FakeResponse::Endless);
    assert_eq!(unavailable(port).await, format!("/checkupgrades.json: more than {MAX_RESPONSE_BYTES} bytes"));
    agent.set("/checkupgrades.json", FakeResponse::Truncated);
    assert!(unavailable(port).await.starts_with("/checkupgrades.json: the response is incomplete"));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (agent, port) = FakeAgent::start().await;
    agent.set("/checkupgrades.json", FakeResponse::Redirect);
    assert_eq!(unavailable(port).await, "/checkupgrades.json: HTTP status 302");
    assert_eq!(agent.asked("/ping"), 1);
}

#[tokio::test]
async fn silent_and_slow_agents_are_given_up() {
    let (agent, port) = FakeAgent::start().await;
    for slow in [FakeResponse::Silence, FakeResponse::SlowHeader] {
        agent.set("/ping", slow);
        assert_eq!(unavailable(port).await, "/ping: no response in time: deadline has elapsed");
    }
}

#[tokio::test]
async fn long_lists_and_control_characters_are_bounded() {
    let (agent, port) = FakeAgent::start().await;
    let names: Vec<String> = (0..60_000).map(|number| format!("\"p{number}\"")).collect();
    agent.answer("/checkupgrades.json", &format!("{{\"upgrades\": [{}]}}", names.join(",")));
    let Reading::Known(wapt) = read_from(port).await else { panic!("a list") };
    assert_eq!(wapt.pending.map(|pending| pending.len()), Some(MAX_PACKAGES));
    agent.answer("/ping", r#"{"version": "2\u001b[2J.5\u202e"}"#);
    agent.answer("/tasks.json", r#"{"running": {"description": "a\u0007\nb"}}"#);
    agent.answer("/checkupgrades.json", r#"{"upgrades": ["x\u202e\u001b]0;y"]}"#);
    let clean = Wapt { version: "2[2J.5".into(), pending: Some(vec!["x]0;y".into()]), running: Some("a b".into()) };
    assert_eq!(read_from(port).await, Reading::Known(clean));
}

#[tokio::test]
async fn a_missing_agent_is_reported() {
    let closed = ClosedPort::new();
    assert!(unavailable(closed.number).await.starts_with("/ping: no agent"));
}

#[test]
fn the_port_is_read_from_the_agents_own_settings() {
    let settings = "[global]\nrepo_url = https://wapt/\n WaptService_Port = 8099 \n[other]\nwaptservice_port=1\n";
    assert_eq!(own_port(settings), Some(8099));
    for none in ["", "[global]\nwaptservice_port=None\n", "[other]\nwaptservice_port=8099", "waptservice_port=8099"] {
        assert_eq!(own_port(none), None, "{none:?}");
    }
}

const SHORT_PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(100));
const NO_BURST: Duration = Duration::ZERO;

/// Follows an agent on that port with these pauses, until the test ends.
fn spawn_follow(
    port: u16,
    pauses: (Duration, Duration),
    burst: Duration,
) -> (Arc<Notify>, UnboundedReceiver<Event>, AbortOnDrop) {
    let (events, received) = unbounded_channel();
    let refresh = Arc::new(Notify::new());
    let notified = refresh.clone();
    let task = tokio::spawn(async move { follow(|| port, &notified, &events, pauses, burst).await });
    (refresh, received, AbortOnDrop(task.abort_handle()))
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Returns when another agent, which reports no events, was asked again `times` times after its pauses.
async fn pauses_have_passed(pauses: (Duration, Duration), burst: Duration, times: usize) {
    let (agent, port) = FakeAgent::start().await;
    agent.set("/events.json", FakeResponse::Status(404));
    let _following = spawn_follow(port, pauses, burst);
    agent.requested("/ping", times + 1).await;
}

#[tokio::test]
async fn agent_is_asked_again_only_after_events() {
    let (agent, port) = FakeAgent::start().await;
    agent.happen("STATUS");
    let (_refresh, mut received, _task) = spawn_follow(port, SHORT_PAUSES, Duration::from_millis(10));
    assert_eq!(next(&mut received).await, Reading::Known(wapt(&["tis-isl-light", "tis-firefox-esr"], None)));
    // The agent's history is read once; then a request waits.
    agent.requested("/events.json?last_read=0&", 1).await;
    assert_eq!((agent.asked("/ping"), agent.asked("/events.json")), (2, 2));
    // A task's output changes nothing.
    agent.happen("PRINT");
    agent.requested("/events.json?last_read=1&", 1).await;
    assert_eq!((agent.asked("/ping"), agent.asked("/events.json")), (2, 3));
    agent.answer("/checkupgrades.json", r#"{"upgrades": []}"#);
    agent.happen("TASK_FINISH");
    assert_eq!(next(&mut received).await, Reading::Known(wapt(&[], None)));
    // After a restart the agent's events count from 0 again.
    agent.answer("/ping", r#"{"version": "2.6"}"#);
    agent.answer("/events.json", r#"[{"id": 0, "event_type": "STATUS"}]"#);
    agent.happen("STATUS");
    assert_eq!(next(&mut received).await, Reading::Known(Wapt { version: "2.6".into(), ..wapt(&[], None) }));
}

#[tokio::test]
async fn first_update_of_the_agent_is_noticed() {
    let (agent, port) = FakeAgent::start().await;
    agent.answer("/checkupgrades.json", "\"\"");
    let (_refresh, mut received, _task) = spawn_follow(port, SHORT_PAUSES, NO_BURST);
    assert_eq!(next(&mut received).await, Reading::Known(Wapt { pending: None, ..wapt(&[], None) }));
    agent.answer("/checkupgrades.json", UPGRADES);
    agent.happen("TASK_FINISH");
    assert_eq!(next(&mut received).await, Reading::Known(wapt(&["tis-isl-light", "tis-firefox-esr"], None)));
}

#[tokio::test]
async fn agent_that_does_not_hold_requests_is_asked_ever_less_often() {
    let (agent, port) = FakeAgent::start().await;
    agent.answer("/events.json", "[]");
    let started = std::time::Instant::now();
    let _following = spawn_follow(port, (Duration::from_millis(50), Duration::from_secs(3600)), NO_BURST);
    agent.requested("/events.json", 4).await;
    assert!(started.elapsed() >= Duration::from_millis(50 + 100 + 200), "{:?}", started.elapsed());
}

#[tokio::test]
async fn agent_that_comes_and_goes_is_followed() {
    let (agent, port) = FakeAgent::start().await;
    agent.set("/ping", FakeResponse::Status(500));
    let (refresh, mut received, _task) = spawn_follow(port, SHORT_PAUSES, NO_BURST);
    assert_eq!(next(&mut received).await, Reading::Unavailable("/ping: HTTP status 500".into()));
    pauses_have_passed(SHORT_PAUSES, NO_BURST, 4).await;
    assert_eq!(agent.asked("/ping"), 1, "an agent that has never answered is not waited for");
    agent.answer("/ping", PING);
    refresh.notify_waiters();
    assert!(matches!(next(&mut received).await, Reading::Known(_)));
    agent.set("/ping", FakeResponse::Status(500));
    agent.happen("STATUS");
    assert!(matches!(next(&mut received).await, Reading::Unavailable(_)));
    agent.answer("/ping", PING);
    assert!(matches!(next(&mut received).await, Reading::Known(_)), "it comes back by itself");
}

#[tokio::test]
async fn requests_in_a_burst_are_ignored() {
    let (agent, port) = FakeAgent::start().await;
    agent.set("/ping", FakeResponse::Status(404));
    // Longer than a busy machine takes for three notifications.
    let burst = Duration::from_secs(3);
    let (refresh, mut received, _task) = spawn_follow(port, SHORT_PAUSES, burst);
    next(&mut received).await;
    for _ in 0..3 {
        refresh.notify_waiters();
        tokio::task::yield_now().await;
    }
    pauses_have_passed(SHORT_PAUSES, burst, 2).await;
    assert_eq!(agent.asked("/ping"), 1);
    refresh.notify_waiters();
    agent.requested("/ping", 2).await;
}

#[tokio::test]
async fn another_port_is_asked_at_once_and_the_watch_ends_with_its_receiver() {
    let (_, first) = FakeAgent::start().await;
    let (second_agent, second) = FakeAgent::start().await;
    second_agent.answer("/ping", r#"{"version": "2"}"#);
    let mut profile = crate::sensors::test_support::profile();
    profile.wapt.service_port = first;
    let (profiles, current) = watch::channel(Arc::new(profile.clone()));
    let (events, mut received) = unbounded_channel();
    let watching = tokio::spawn(watch(current, Arc::default(), events));
    assert!(matches!(next(&mut received).await, Reading::Known(wapt) if wapt.version == "2.5.5.15697"));
    profile.wapt.service_port = second;
    profiles.send_replace(Arc::new(profile));
    assert!(matches!(next(&mut received).await, Reading::Known(wapt) if wapt.version == "2"));
    drop(received);
    timeout(DEADLINE, watching).await.expect("it ends").expect("no panic");
}

#[test]
fn fuzz_answers() {
    let answers =
        [PING, UPGRADES, IDLE, "[{\"id\": 3, \"event_type\": \"PRINT\", \"data\": {\"x\": [1e999, null]}}]", "\"\""];
    let old =
        r#"{"running_tasks": [{"summary": "a\u001b[2J\u202eb"}], "upgrades": ["tis-7zip", {"package": "\u2066"}]}"#;
    let settings = "[global]\nwaptservice_port = 8089\n[other]\n";
    let seeds: Vec<&[u8]> = answers.into_iter().chain([old, settings]).map(str::as_bytes).collect();
    crate::fuzz::fuzz(&seeds, |bytes| {
        own_port(&String::from_utf8_lossy(bytes));
        let _ = serde_json::from_slice::<Option<Vec<AgentEvent>>>(bytes);
        // The same bytes as each of the answers.
        let ping =
            serde_json::from_slice(bytes).unwrap_or_else(|_| Ping { version: String::from_utf8_lossy(bytes).into() });
        let found = serde_json::from_slice(bytes).unwrap_or_default();
        let Ok(wapt) = read_answers(ping, found, serde_json::from_slice(bytes).ok()) else { return };
        let pending = wapt.pending.unwrap_or_default();
        assert!(pending.len() <= MAX_PACKAGES);
        for text in pending.iter().chain(wapt.running.iter()).chain([&wapt.version]) {
            assert_eq!(*text, sanitize(text), "what is shown has no characters that act");
        }
    });
}
