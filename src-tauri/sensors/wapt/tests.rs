//! A stand-in for the agent, which speaks its shapes over real connections.

use super::*;
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
const IDLE: &str = r#"{"running": null, "pending": [], "done": [], "errors": []}"#;

/// How the stand-in answers a path.
#[derive(Clone)]
enum Answer {
    Json(String),
    Status(u16),
    /// Takes the request and says nothing.
    Silence,
    /// More than any answer may be.
    Huge,
    /// Announces more than it sends.
    Cut,
}

#[derive(Default)]
struct Agent {
    answers: Mutex<HashMap<&'static str, Answer>>,
    events: Mutex<Vec<String>>,
    asked: Mutex<Vec<String>>,
    happened: Notify,
}

impl Agent {
    fn answer(&self, path: &'static str, json: &str) {
        self.set(path, Answer::Json(json.into()));
    }

    fn set(&self, path: &'static str, answer: Answer) {
        self.answers.lock().expect("no test panics in here").insert(path, answer);
    }

    fn happen(&self, kind: &str) {
        let mut events = self.events.lock().expect("no test panics in here");
        let id = events.len();
        events.push(format!(r#"{{"id": {id}, "event_type": "{kind}", "date": 1795510000.5, "data": {{"x": 1}}}}"#));
        self.happened.notify_waiters();
    }

    fn asked(&self, path: &str) -> usize {
        self.asked.lock().expect("no test panics in here").iter().filter(|asked| asked.starts_with(path)).count()
    }

    async fn start() -> (Arc<Agent>, u16) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let agent = Arc::new(Agent::default());
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
        self.asked.lock().expect("no test panics in here").push(target.clone());
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let set = self.answers.lock().expect("no test panics in here").get(path).cloned();
        let answer = match set {
            Some(answer) => answer,
            None if path == "/events.json" => {
                let last = query.split('&').find_map(|pair| pair.strip_prefix("last_read=")).expect("last_read");
                Answer::Json(self.news(last.parse().expect("a number")).await)
            }
            None => Answer::Status(404),
        };
        let (head, body) = match answer {
            Answer::Json(json) => (format!("200 OK\r\nContent-Length: {}", json.len()), json),
            Answer::Status(status) => (format!("{status} No\r\nContent-Length: 0"), String::new()),
            Answer::Silence => return std::future::pending().await,
            Answer::Huge => ("200 OK\r\nConnection: close".into(), " ".repeat(MOST_BYTES + 1)),
            Answer::Cut => ("200 OK\r\nContent-Length: 100".into(), "{".into()),
        };
        // The other side may have enough of it.
        let _ = stream.write_all(format!("HTTP/1.1 {head}\r\n\r\n{body}").as_bytes()).await;
    }

    async fn news(&self, last: i64) -> String {
        loop {
            let happened = self.happened.notified();
            let after = usize::try_from(last + 1).expect("ids count from 0");
            let news = self.events.lock().expect("no test panics in here").get(after..).unwrap_or_default().join(",");
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
        pending: pending.iter().map(|package| (*package).to_owned()).collect(),
        running: running.map(str::to_owned),
    }
}

async fn unavailable(port: u16) -> String {
    match read(port).await {
        Reading::Unavailable(why) => why,
        other @ (Reading::Pending | Reading::Known(_)) => panic!("{other:?}"),
    }
}

async fn next(events: &mut UnboundedReceiver<Event>) -> Reading<Wapt> {
    match timeout(Duration::from_secs(20), events.recv()).await.expect("an event in time") {
        Some(Event::Wapt(wapt)) => wapt,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_agent_tells_its_state() {
    let (agent, port) = Agent::start().await;
    assert_eq!(read(port).await, Reading::Known(wapt(&["tis-isl-light", "tis-firefox-esr"], None)));
    agent.answer("/tasks.json", r#"{"running": {"id": 7, "description": "Installation de tis-isl-light"}}"#);
    agent.answer("/checkupgrades.json", r#"{"upgrades": []}"#);
    assert_eq!(read(port).await, Reading::Known(wapt(&[], Some("Installation de tis-isl-light"))));
}

#[tokio::test]
async fn an_older_agent_tells_less() {
    let (agent, port) = Agent::start().await;
    agent.set("/tasks.json", Answer::Status(404));
    agent.answer("/checkupgrades.json", r#"{"running_tasks": ["Mise à jour"], "upgrades": ["a (=1)", "b (=2)"]}"#);
    assert_eq!(read(port).await, Reading::Known(wapt(&["a (=1)", "b (=2)"], Some("Mise à jour"))));
}

#[tokio::test]
async fn before_its_first_update_nothing_is_claimed() {
    let (agent, port) = Agent::start().await;
    agent.answer("/checkupgrades.json", "null");
    assert_eq!(read(port).await, Reading::Pending);
}

#[tokio::test]
async fn wrong_shapes_are_said() {
    let (agent, port) = Agent::start().await;
    for wrong in ["", "[]", "{}", "{\"upgrades\": {}}", "{\"upgrades\": [1]}", "{\"pending\": []}", "<html>", "\"\""] {
        agent.answer("/checkupgrades.json", wrong);
        let why = unavailable(port).await;
        assert!(why.starts_with("checkupgrades.json:") || why.starts_with("/checkupgrades.json:"), "{wrong}: {why}");
    }
    agent.set("/ping", Answer::Status(401));
    assert_eq!(unavailable(port).await, "/ping: HTTP status 401");
    agent.answer("/ping", "{}");
    assert!(unavailable(port).await.starts_with("/ping: not the shape that is known"));
}

#[tokio::test]
async fn a_huge_or_broken_answer_is_given_up() {
    let (agent, port) = Agent::start().await;
    agent.set("/checkupgrades.json", Answer::Huge);
    assert_eq!(unavailable(port).await, format!("/checkupgrades.json: more than {MOST_BYTES} bytes"));
    agent.set("/checkupgrades.json", Answer::Cut);
    assert!(unavailable(port).await.starts_with("/checkupgrades.json: the answer broke off"));
}

#[tokio::test]
async fn a_slow_agent_is_given_up() {
    let (agent, port) = Agent::start().await;
    agent.set("/ping", Answer::Silence);
    assert_eq!(unavailable(port).await, "/ping: no answer in time: deadline has elapsed");
}

#[tokio::test]
async fn an_absent_agent_is_said() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    assert!(unavailable(port).await.starts_with("/ping: no agent"));
}

const QUICK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(100));

#[tokio::test]
async fn news_are_told_and_nothing_else_is_asked() {
    let (agent, port) = Agent::start().await;
    agent.happen("STATUS");
    let (events, mut seen) = unbounded_channel();
    let watch =
        tokio::spawn(async move { follow(port, &Notify::new(), &events, QUICK, Duration::from_millis(10)).await });
    assert_eq!(next(&mut seen).await, Reading::Known(wapt(&["tis-isl-light", "tis-firefox-esr"], None)));
    // The agent's history is taken once; then one question waits.
    while agent.asked("/events.json?last_read=0&") == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    let reads = agent.asked("/ping");
    sleep(Duration::from_millis(200)).await;
    assert_eq!((agent.asked("/ping"), agent.asked("/events.json")), (reads, 2));
    // A task's output changes nothing.
    agent.happen("PRINT");
    while agent.asked("/events.json?last_read=1&") == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(agent.asked("/ping"), reads);
    agent.answer("/checkupgrades.json", r#"{"upgrades": []}"#);
    agent.happen("TASK_FINISH");
    assert_eq!(next(&mut seen).await, Reading::Known(wapt(&[], None)));
    // The agent is started anew: its events count from 0 again.
    agent.answer("/ping", r#"{"version": "2.6"}"#);
    agent.answer("/events.json", r#"[{"id": 0, "event_type": "STATUS"}]"#);
    agent.happen("STATUS");
    assert_eq!(next(&mut seen).await, Reading::Known(Wapt { version: "2.6".into(), ..wapt(&[], None) }));
    watch.abort();
}

#[tokio::test]
async fn an_agent_that_does_not_wait_is_left_in_peace() {
    let (agent, port) = Agent::start().await;
    agent.answer("/events.json", "[]");
    let (events, mut seen) = unbounded_channel();
    let pauses = (Duration::from_millis(100), Duration::from_secs(3600));
    let watch = tokio::spawn(async move { follow(port, &Notify::new(), &events, pauses, Duration::ZERO).await });
    next(&mut seen).await;
    sleep(Duration::from_millis(500)).await;
    // At 0, 100 and 300 ms.
    assert!((1..=3).contains(&agent.asked("/events.json")), "{}", agent.asked("/events.json"));
    watch.abort();
}

#[tokio::test]
async fn an_agent_that_comes_and_goes_is_followed() {
    let (agent, port) = Agent::start().await;
    agent.set("/ping", Answer::Status(500));
    let (events, mut seen) = unbounded_channel();
    let look = Arc::new(Notify::new());
    let asks = look.clone();
    let watch = tokio::spawn(async move { follow(port, &look, &events, QUICK, Duration::ZERO).await });
    assert_eq!(next(&mut seen).await, Reading::Unavailable("/ping: HTTP status 500".into()));
    sleep(5 * QUICK.1).await;
    assert_eq!(agent.asked("/ping"), 1, "nobody waits for an agent that was never there");
    agent.answer("/ping", PING);
    asks.notify_waiters();
    assert!(matches!(next(&mut seen).await, Reading::Known(_)));
    agent.set("/ping", Answer::Status(500));
    agent.happen("STATUS");
    assert!(matches!(next(&mut seen).await, Reading::Unavailable(_)));
    agent.answer("/ping", PING);
    assert!(matches!(next(&mut seen).await, Reading::Known(_)), "it comes back by itself");
    watch.abort();
}

#[tokio::test]
async fn looks_in_a_burst_are_one() {
    let (agent, port) = Agent::start().await;
    agent.set("/ping", Answer::Status(404));
    let (events, mut seen) = unbounded_channel();
    let look = Arc::new(Notify::new());
    let asks = look.clone();
    let settle = Duration::from_millis(300);
    let watch = tokio::spawn(async move { follow(port, &look, &events, QUICK, settle).await });
    next(&mut seen).await;
    for _ in 0..3 {
        asks.notify_waiters();
        sleep(Duration::from_millis(10)).await;
    }
    sleep(2 * settle).await;
    assert_eq!(agent.asked("/ping"), 1);
    asks.notify_waiters();
    while agent.asked("/ping") == 1 {
        sleep(Duration::from_millis(10)).await;
    }
    watch.abort();
}

#[tokio::test]
async fn another_port_is_asked_at_once_and_the_watch_ends() {
    let (_, first) = Agent::start().await;
    let (second_agent, second) = Agent::start().await;
    second_agent.answer("/ping", r#"{"version": "2"}"#);
    let mut profile = crate::sensors::test_support::profile();
    profile.wapt.service_port = first;
    let (profiles, current) = watch::channel(Arc::new(profile.clone()));
    let (events, mut seen) = unbounded_channel();
    let watching = tokio::spawn(watch(current, Arc::default(), events));
    assert!(matches!(next(&mut seen).await, Reading::Known(wapt) if wapt.version == "2.5.5.15697"));
    profile.wapt.service_port = second;
    profiles.send_replace(Arc::new(profile));
    assert!(matches!(next(&mut seen).await, Reading::Known(wapt) if wapt.version == "2"));
    drop(seen);
    timeout(Duration::from_secs(5), watching).await.expect("it ends").expect("no panic");
}
