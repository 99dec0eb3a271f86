//! A fake WAPT agent: HTTP on 127.0.0.1:8088 in the home network, with the JSON of the agent's public source code.

use super::Desktop;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The address at which Vigie expects the agent.
const ADDRESS: &str = "127.0.0.1:8088";

/// The agent. Its threads end with the test program.
#[derive(Clone)]
pub struct FakeWaptAgent(Arc<(Mutex<Agent>, Condvar)>);

struct Agent {
    answers: HashMap<&'static str, String>,
    /// The types of the events so far.
    events: Vec<&'static str>,
    requests: Vec<String>,
}

impl FakeWaptAgent {
    /// Starts an agent without updates and tasks.
    pub fn start(desktop: &Desktop) -> FakeWaptAgent {
        let answers = [
            ("/ping", r#"{"version": "2.5.5.15697"}"#),
            ("/checkupgrades.json", r#"{"running_tasks": [], "upgrades": []}"#),
            ("/tasks.json", r#"{"running": null, "pending": [], "done": [], "errors": []}"#),
        ];
        let answers = answers.map(|(path, json)| (path, json.to_owned())).into();
        let wapt =
            FakeWaptAgent(Arc::new((Mutex::new(Agent { answers, events: vec![], requests: vec![] }), Condvar::new())));
        let (agent, enter) = (wapt.clone(), desktop.enter_network());
        let (sender, ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            enter();
            let listener = TcpListener::bind(ADDRESS).expect("the port is free in this network");
            let _ = sender.send(());
            for stream in listener.incoming().flatten() {
                let agent = agent.clone();
                // A client may close the connection early.
                std::thread::spawn(move || agent.serve(stream));
            }
        });
        ready.recv().expect("the agent listens");
        wapt
    }

    /// Sets the response for a path.
    pub fn set_response(&self, path: &'static str, json: &str) {
        self.lock().answers.insert(path, json.into());
    }

    /// Emits an event to the clients that wait for one.
    pub fn emit_event(&self, kind: &'static str) {
        self.lock().events.push(kind);
        self.0.1.notify_all();
    }

    /// Returns the number of requests for a path.
    pub fn request_count(&self, path: &str) -> usize {
        self.lock().requests.iter().filter(|target| target.split('?').next() == Some(path)).count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Agent> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let request = lines.next().transpose()?.unwrap_or_default();
        for line in lines {
            if line?.is_empty() {
                break;
            }
        }
        let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        self.lock().requests.push(target.clone());
        let answer = match path {
            "/events.json" => {
                let last = query.split('&').find_map(|pair| pair.strip_prefix("last_read=")?.parse().ok());
                Some(self.events_after(last.unwrap_or(-1)))
            }
            _ => self.lock().answers.get(path).cloned(),
        };
        let (status, body) = match answer {
            Some(json) => ("200 OK", json),
            None => ("404 Not Found", String::new()),
        };
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    /// Returns the events after the one with this number, and waits until there is one.
    fn events_after(&self, last: i64) -> String {
        let after = usize::try_from(last + 1).unwrap_or_default();
        let agent = self.0.1.wait_while(self.lock(), |agent| agent.events.len() <= after);
        let agent = agent.unwrap_or_else(PoisonError::into_inner);
        let events = agent.events.iter().enumerate().skip(after);
        let events = events.map(|(id, kind)| format!(r#"{{"id": {id}, "event_type": "{kind}", "data": {{}}}}"#));
        format!("[{}]", events.collect::<Vec<_>>().join(","))
    }
}
