//! A stand-in for WAPT's agent at home: plain HTTP on 127.0.0.1:8088, with the shapes of the agent's public source.

use super::Desktop;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Where Vigie looks for the agent.
const ADDRESS: &str = "127.0.0.1:8088";

/// The agent. Its threads end with the test program; its network with the desktop.
#[derive(Clone)]
pub struct FakeWaptAgent(Arc<(Mutex<Agent>, Condvar)>);

struct Agent {
    answers: HashMap<&'static str, String>,
    /// The kinds of what happened.
    events: Vec<&'static str>,
    asked: Vec<String>,
}

impl FakeWaptAgent {
    /// Starts an agent that has nothing to do.
    pub fn start(desktop: &Desktop) -> FakeWaptAgent {
        let answers = [
            ("/ping", r#"{"version": "2.5.5.15697"}"#),
            ("/checkupgrades.json", r#"{"running_tasks": [], "upgrades": []}"#),
            ("/tasks.json", r#"{"running": null, "pending": [], "done": [], "errors": []}"#),
        ];
        let answers = answers.map(|(path, json)| (path, json.to_owned())).into();
        let wapt =
            FakeWaptAgent(Arc::new((Mutex::new(Agent { answers, events: vec![], asked: vec![] }), Condvar::new())));
        let (agent, enter) = (wapt.clone(), desktop.enter_network());
        let (sender, ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            enter();
            let listener = TcpListener::bind(ADDRESS).expect("nobody else listens in this network");
            let _ = sender.send(());
            for stream in listener.incoming().flatten() {
                let agent = agent.clone();
                // Who does not wait for the answer is no fault of the agent's.
                std::thread::spawn(move || agent.serve(stream));
            }
        });
        ready.recv().expect("the agent listens");
        wapt
    }

    /// From now on `path` is answered so.
    pub fn set_response(&self, path: &'static str, json: &str) {
        self.lock().answers.insert(path, json.into());
    }

    /// Something happens: who waits for news hears it.
    pub fn emit_event(&self, kind: &'static str) {
        self.lock().events.push(kind);
        self.0.1.notify_all();
    }

    /// How often a path was asked for.
    pub fn request_count(&self, path: &str) -> usize {
        self.lock().asked.iter().filter(|asked| asked.split('?').next() == Some(path)).count()
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
        self.lock().asked.push(target.clone());
        let answer = match path {
            "/events.json" => {
                let last = query.split('&').find_map(|pair| pair.strip_prefix("last_read=")?.parse().ok());
                Some(self.news(last.unwrap_or(-1)))
            }
            _ => self.lock().answers.get(path).cloned(),
        };
        let (status, body) = match answer {
            Some(json) => ("200 OK", json),
            None => ("404 Not Found", String::new()),
        };
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    /// What happened after the event with that number; waits until something has.
    fn news(&self, last: i64) -> String {
        let after = usize::try_from(last + 1).unwrap_or_default();
        let agent = self.0.1.wait_while(self.lock(), |agent| agent.events.len() <= after);
        let agent = agent.unwrap_or_else(PoisonError::into_inner);
        let news = agent.events.iter().enumerate().skip(after);
        let news = news.map(|(id, kind)| format!(r#"{{"id": {id}, "event_type": "{kind}", "data": {{}}}}"#));
        format!("[{}]", news.collect::<Vec<_>>().join(","))
    }
}
