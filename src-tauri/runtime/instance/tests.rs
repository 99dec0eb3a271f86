//! With real sockets, and real processes where it takes several.

use super::*;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use vigie_view::panel::Panel;

fn status(title: &str) -> Arc<Status> {
    Arc::new(Status {
        verdict: vigie_core::vpn::VpnStatus::Unknown,
        since: jiff::Timestamp::UNIX_EPOCH,
        reaches_inside: None,
        site: None,
        gateway: None,
        shutdown: None,
        panel: Panel { title: title.into(), ..Panel::default() },
    })
}

/// The place that a test's folder stands for.
#[cfg(unix)]
fn place_of(folder: &Path) -> door::Place {
    folder.to_owned()
}

/// The place that a test's folder stands for: names of its own.
#[cfg(windows)]
fn place_of(folder: &Path) -> door::Place {
    door::named(&folder.display().to_string().replace(['\\', '/', ':'], "-"))
}

struct House {
    _dir: tempfile::TempDir,
    place: door::Place,
    client: Client,
    events: UnboundedReceiver<Event>,
    status: watch::Sender<Arc<Status>>,
    serving: JoinHandle<()>,
}

fn house() -> House {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let place = place_of(&dir.path().join("vigie"));
    let server = Server { door: door::IpcListener::claim(&place).expect("claimed").expect("first") };
    let (sender, events) = unbounded_channel();
    let (status, receiver) = watch::channel(status("one"));
    let serving = tokio::spawn(server.serve(sender, receiver));
    House { _dir: dir, client: Client { place: place.clone() }, place, events, status, serving }
}

#[tokio::test]
async fn requests_are_handed_over_and_answered() {
    let mut house = house();
    house.client.ask(Request::Show).await.expect("taken");
    assert_eq!(house.events.recv().await, Some(Event::Action(Action::ShowPanel)));
    let open = Action::Open("amigo".into());
    house.client.ask(Request::Ask(open.clone())).await.expect("taken");
    assert_eq!(house.events.recv().await, Some(Event::Action(open)));
    assert_eq!(house.client.status().await.expect("told"), *status("one"));
}

#[tokio::test]
async fn a_watcher_sees_each_change_once_and_the_end() {
    let house = house();
    let mut watch = house.client.watch().await.expect("let in");
    assert_eq!(watch.next().await.expect("told"), Some((*status("one")).clone()));
    house.status.send_replace(status("one"));
    // Let the server look at the status that is no change.
    tokio::time::sleep(Duration::from_millis(50)).await;
    house.status.send_replace(status("two"));
    assert_eq!(watch.next().await.expect("told"), Some((*status("two")).clone()));
    house.serving.abort();
    assert_eq!(watch.next().await.expect("an end is no error"), None);
}

#[tokio::test]
async fn who_asks_for_the_end_hears_of_it() {
    let mut house = house();
    let client = house.client.clone();
    let asked = tokio::spawn(async move { client.quit().await });
    assert_eq!(house.events.recv().await, Some(Event::Action(Action::Quit)));
    house.status.send_replace(status("two"));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!asked.is_finished(), "it has not ended yet");
    house.serving.abort();
    asked.await.expect("ran").expect("ended");
}

#[cfg(windows)]
#[tokio::test]
async fn a_full_house_is_no_empty_one() {
    let house = house();
    let connect = || tokio::time::timeout(Duration::from_millis(200), door::connect(&house.place));
    let mut crowd = Vec::new();
    while let Ok(stream) = connect().await {
        crowd.push(stream.expect("let in, or waiting"));
    }
    // And the one at the door.
    assert_eq!(crowd.len(), MOST_CLIENTS + 1);
    crowd.clear();
    assert_eq!(house.client.status().await.expect("told"), *status("one"));
}

#[cfg(unix)]
#[tokio::test]
async fn the_door_is_the_users_alone_and_closed_behind_him() {
    use std::os::unix::fs::PermissionsExt;
    let house = house();
    let mode = std::fs::metadata(&house.place).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(house.place.join("socket").exists());
    house.serving.abort();
    assert!(house.serving.await.expect_err("aborted").is_cancelled());
    assert!(!house.place.join("socket").exists());
    assert!(door::IpcListener::claim(&house.place).expect("claimed").is_some(), "free again");
}

#[tokio::test]
async fn who_does_not_keep_to_the_protocol_is_sent_away() {
    let mut house = house();
    let endless = vec![b'x'; 100_000];
    for request in [&b"\n"[..], b"{}\n", b"\"Show\"\n", b"\xff\n", br#"{"ask":{"do":"format-disk"}}"#, &endless] {
        let mut stream = door::connect(&house.place).await.expect("let in");
        let _ = stream.write_all(request).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        // A reset is an end too: the server has left without reading all of it.
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"", "{:?}", String::from_utf8_lossy(&request[..request.len().min(40)]));
    }
    assert!(house.events.try_recv().is_err(), "nothing came of it");
    house.client.ask(Request::Show).await.expect("still served");
}

#[tokio::test]
async fn a_slow_client_harms_nobody() {
    let house = house();
    let mut slow = door::connect(&house.place).await.expect("let in");
    slow.write_all(b"\"watch\"\n").await.expect("asked");
    let big = "x".repeat(400_000);
    for round in 0..20 {
        house.status.send_replace(status(&format!("{big}{round}")));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let told = tokio::time::timeout(Duration::from_secs(2), house.client.status()).await.expect("at once");
    assert!(told.expect("told").panel.title.ends_with("19"));
}

#[tokio::test]
async fn more_clients_than_places_are_all_served_in_turn() {
    let house = house();
    // Whoever finds all instances of a pipe taken asks again a little later: there a crowd takes longer.
    let crowd = if cfg!(windows) { MOST_CLIENTS + 4 } else { 4 * MOST_CLIENTS };
    let asked = (0..crowd).map(|_| {
        let client = house.client.clone();
        tokio::spawn(async move { client.status().await })
    });
    for answer in asked.collect::<Vec<_>>() {
        answer.await.expect("ran").expect("told");
    }
}

#[tokio::test]
async fn who_only_looks_takes_nobodys_place() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let client = Client { place: place_of(&dir.path().join("vigie")) };
    assert!(door::connect(&client.place).await.is_err());
    assert!(door::IpcListener::claim(&client.place).expect("claimed").is_some());
}

/// Not a test of its own: what the processes below run. It claims the place, says what came of it and, as the first,
/// serves until it is killed.
#[test]
fn a_process_that_claims() {
    let Some(place) = std::env::var_os("VIGIE_TEST_CLAIM").map(PathBuf::from) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        // All processes of the race start at one moment.
        while !place.join("go").exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let said = place.join(format!("said-{}", std::process::id()));
        let place = place_of(&place);
        match door::IpcListener::claim(&place).expect("claimed") {
            Some(door) => {
                std::fs::write(said, "first").expect("said");
                let (events, _kept) = unbounded_channel();
                let (_status, receiver) = watch::channel(status("race"));
                Server { door }.serve(events, receiver).await;
            }
            None => {
                let seen = Client { place: place.clone() }.status().await.expect("the first answers");
                std::fs::write(said, seen.panel.title).expect("said");
            }
        }
    });
}

fn racer(place: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "runtime::instance::tests::a_process_that_claims"])
        .env("VIGIE_TEST_CLAIM", place)
        .stdout(Stdio::null())
        .spawn()
        .expect("started")
}

fn said(place: &Path, child: &std::process::Child) -> Option<String> {
    std::fs::read_to_string(place.join(format!("said-{}", child.id()))).ok().filter(|said| !said.is_empty())
}

#[test]
fn of_racing_processes_one_is_first_and_after_its_crash_the_next_one_is() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let place = dir.path();
    let mut racers: Vec<_> = (0..6).map(|_| racer(place)).collect();
    std::thread::sleep(Duration::from_millis(100));
    std::fs::write(place.join("go"), "").expect("started");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while racers.iter().any(|racer| said(place, racer).is_none()) {
        assert!(std::time::Instant::now() < deadline, "not all have said what they are");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut words: Vec<_> = racers.iter().filter_map(|racer| said(place, racer)).collect();
    words.sort();
    assert_eq!(words, ["first", "race", "race", "race", "race", "race"]);
    for racer in &mut racers {
        // SIGKILL for the first; the others have ended.
        racer.kill().expect("killed");
        racer.wait().expect("ended");
    }
    #[cfg(unix)]
    assert!(place.join("socket").exists(), "a crash leaves it");
    let mut next = racer(place);
    while said(place, &next).is_none() {
        assert!(std::time::Instant::now() < deadline, "the next one has not said what it is");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(said(place, &next).as_deref(), Some("first"));
    next.kill().expect("killed");
    next.wait().expect("ended");
}
