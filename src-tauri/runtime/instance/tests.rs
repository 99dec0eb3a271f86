//! Tests with real sockets, and with real processes if it takes several.

use super::*;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use vigie_view::panel::Panel;

fn status(title: &str) -> Arc<Status> {
    Arc::new(Status {
        verdict: vigie_core::vpn::VpnStatus::Unknown,
        reason: vigie_core::vpn::Reason::Checking,
        witnesses: Vec::new(),
        since: jiff::Timestamp::UNIX_EPOCH,
        reaches_inside: None,
        site: None,
        gateway: None,
        shutdown: None,
        panel: Panel { title: title.into(), ..Panel::default() },
    })
}

/// Returns the endpoint in a test's folder.
#[cfg(unix)]
fn endpoint_of(folder: &Path) -> transport::Endpoint {
    folder.to_owned()
}

/// Returns an endpoint that is named after a test's folder.
#[cfg(windows)]
fn endpoint_of(folder: &Path) -> transport::Endpoint {
    transport::named(&folder.display().to_string().replace(['\\', '/', ':'], "-"))
}

struct Fixture {
    _dir: tempfile::TempDir,
    endpoint: transport::Endpoint,
    client: IpcClient,
    events: UnboundedReceiver<Event>,
    status: watch::Sender<Arc<Status>>,
    serving: JoinHandle<()>,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let endpoint = endpoint_of(&dir.path().join("vigie"));
    let server = IpcServer { listener: transport::IpcListener::claim(&endpoint).expect("claimed").expect("first") };
    let (sender, events) = unbounded_channel();
    let (status, receiver) = watch::channel(status("one"));
    let serving = tokio::spawn(server.serve(sender, receiver));
    Fixture { _dir: dir, client: IpcClient { endpoint: endpoint.clone() }, endpoint, events, status, serving }
}

#[tokio::test]
async fn requests_are_accepted_and_answered() {
    let mut fixture = fixture();
    fixture.client.ask(Request::Show).await.expect("taken");
    assert_eq!(fixture.events.recv().await, Some(Event::Action(Action::ShowPanel)));
    let open = Action::Open("amigo".into());
    fixture.client.ask(Request::Ask(open.clone())).await.expect("taken");
    assert_eq!(fixture.events.recv().await, Some(Event::Action(open)));
    assert_eq!(fixture.client.status().await.expect("told"), *status("one"));
}

#[tokio::test]
async fn a_watcher_sees_each_change_once_and_the_end() {
    let fixture = fixture();
    let mut watch = fixture.client.watch().await.expect("accepted");
    assert_eq!(watch.next().await.expect("told"), Some((*status("one")).clone()));
    fixture.status.send_replace(status("one"));
    // By the time another request is answered, the server has seen the status that is no change.
    fixture.client.status().await.expect("told");
    fixture.status.send_replace(status("two"));
    assert_eq!(watch.next().await.expect("told"), Some((*status("two")).clone()));
    fixture.serving.abort();
    assert_eq!(watch.next().await.expect("an end is no error"), None);
}

#[tokio::test]
async fn quit_returns_when_the_server_has_ended() {
    let mut fixture = fixture();
    let client = fixture.client.clone();
    let asked = tokio::spawn(async move { client.quit().await });
    assert_eq!(fixture.events.recv().await, Some(Event::Action(Action::Quit)));
    fixture.status.send_replace(status("two"));
    fixture.client.status().await.expect("still served");
    assert!(!asked.is_finished(), "it has not ended yet");
    fixture.serving.abort();
    asked.await.expect("ran").expect("ended");
}

/// Nobody is kept out by connections that send nothing, or by those that only watch.
#[tokio::test]
async fn idle_connections_and_watchers_lock_nobody_out() {
    let mut fixture = fixture();
    let (mut idle, mut watching) = (Vec::new(), Vec::new());
    for _ in 0..2 * MAX_CONNECTIONS {
        watching.push(fixture.client.watch().await.expect("accepted"));
        idle.push(transport::connect(&fixture.endpoint).await.expect("accepted"));
    }
    let client = fixture.client.clone();
    let requests = tokio::spawn(async move {
        client.ask(Request::Show).await?;
        let seen = client.status().await?;
        client.quit().await?;
        io::Result::Ok(seen)
    });
    let next = tokio::time::timeout(TIMEOUT, fixture.events.recv()).await.expect("not locked out");
    assert_eq!(next, Some(Event::Action(Action::ShowPanel)));
    assert_eq!(fixture.events.recv().await, Some(Event::Action(Action::Quit)));
    fixture.serving.abort();
    assert_eq!(requests.await.expect("ran").expect("answered"), *status("one"));
}

#[tokio::test]
async fn the_oldest_watcher_makes_room_for_a_new_one() {
    let fixture = fixture();
    let mut watching = Vec::new();
    for _ in 0..=MAX_WATCHERS {
        let mut stream = fixture.client.watch().await.expect("accepted");
        assert!(stream.next().await.expect("told").is_some());
        watching.push(stream);
    }
    assert_eq!(watching[0].next().await.expect("an end is no error"), None);
    fixture.status.send_replace(status("two"));
    for stream in &mut watching[1..] {
        assert_eq!(stream.next().await.expect("told"), Some((*status("two")).clone()));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_user_may_connect_and_the_socket_is_removed() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = fixture();
    let mode = std::fs::metadata(&fixture.endpoint).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(fixture.endpoint.join("socket").exists());
    fixture.serving.abort();
    assert!(fixture.serving.await.expect_err("aborted").is_cancelled());
    assert!(!fixture.endpoint.join("socket").exists());
    assert!(transport::IpcListener::claim(&fixture.endpoint).expect("claimed").is_some(), "free again");
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let mut fixture = fixture();
    let endless = vec![b'x'; 100_000];
    for request in [&b"\n"[..], b"{}\n", b"\"Show\"\n", b"\xff\n", br#"{"ask":{"do":"format-disk"}}"#, &endless] {
        let mut stream = transport::connect(&fixture.endpoint).await.expect("accepted");
        let _ = stream.write_all(request).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        // A reset counts as an end: the server has closed without reading everything.
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"", "{:?}", String::from_utf8_lossy(&request[..request.len().min(40)]));
    }
    assert!(fixture.events.try_recv().is_err(), "no event was sent");
    fixture.client.ask(Request::Show).await.expect("still served");
}

#[tokio::test]
async fn slow_client_delays_nobody() {
    let fixture = fixture();
    let mut slow = transport::connect(&fixture.endpoint).await.expect("accepted");
    slow.write_all(b"\"watch\"\n").await.expect("asked");
    let big = "x".repeat(400_000);
    for round in 0..20 {
        fixture.status.send_replace(status(&format!("{big}{round}")));
        tokio::task::yield_now().await;
    }
    let told = tokio::time::timeout(TIMEOUT, fixture.client.status()).await.expect("at once");
    assert!(told.expect("told").panel.title.ends_with("19"));
}

#[tokio::test]
async fn more_clients_than_connections_are_all_served() {
    let fixture = fixture();
    // Clients that find all instances of a pipe taken try again later, which takes longer.
    let crowd = if cfg!(windows) { MAX_CONNECTIONS + 4 } else { 4 * MAX_CONNECTIONS };
    let asked = (0..crowd).map(|_| {
        let client = fixture.client.clone();
        tokio::spawn(async move { client.status().await })
    });
    for answer in asked.collect::<Vec<_>>() {
        answer.await.expect("ran").expect("told");
    }
}

#[tokio::test]
async fn looking_for_the_running_instance_claims_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let client = IpcClient { endpoint: endpoint_of(&dir.path().join("vigie")) };
    assert!(transport::connect(&client.endpoint).await.is_err());
    assert!(transport::IpcListener::claim(&client.endpoint).expect("claimed").is_some());
}

/// As another user, for whom the files are root's.
#[cfg(unix)]
#[test]
fn files_of_another_user_are_named() {
    use std::os::unix::fs::PermissionsExt;
    assert!(rustix::process::geteuid().is_root(), "this test needs files of another user: run it as root");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let endpoint = endpoint_of(&dir.path().join("vigie"));
    std::fs::create_dir(&endpoint).expect("created");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("readable");
    let claimed = std::thread::scope(|scope| {
        let claim = scope.spawn(|| {
            let nobody = rustix::process::Uid::from_raw(65_534);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("another user, for this thread alone");
            transport::IpcListener::claim(&endpoint).map(drop)
        });
        claim.join().expect("no panic")
    });
    assert!(matches!(&claimed, Err(ClaimError::ForeignOwner(path)) if *path == endpoint), "{claimed:?}");
}

#[cfg(unix)]
#[test]
fn a_fifo_in_place_of_the_lock_is_an_error() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let fifo = dir.path().join("lock");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a FIFO");
    assert!(transport::IpcListener::claim(&endpoint_of(dir.path())).is_err());
}

/// Not a test of its own: the processes below run it. It claims the endpoint, writes down the result and, if it is the
/// first, serves until it is killed.
#[test]
fn a_process_that_claims() {
    let Some(folder) = std::env::var_os("VIGIE_TEST_CLAIM").map(PathBuf::from) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        std::fs::write(folder.join(format!("ready-{}", std::process::id())), "").expect("written");
        // All processes of the race start at one moment.
        while !folder.join("go").exists() {
            std::thread::yield_now();
        }
        let result = folder.join(format!("result-{}", std::process::id()));
        let endpoint = endpoint_of(&folder);
        match transport::IpcListener::claim(&endpoint).expect("claimed") {
            Some(listener) => {
                std::fs::write(result, "first").expect("written");
                let (events, _kept) = unbounded_channel();
                let (_status, receiver) = watch::channel(status("race"));
                IpcServer { listener }.serve(events, receiver).await;
            }
            None => {
                let seen = IpcClient { endpoint }.status().await.expect("the first answers");
                std::fs::write(result, seen.panel.title).expect("written");
            }
        }
    });
}

fn racer(folder: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "runtime::instance::tests::a_process_that_claims"])
        .env("VIGIE_TEST_CLAIM", folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("started")
}

/// Waits for a file that each of the processes writes, and returns their contents.
fn written(folder: &Path, name: &str, children: &[std::process::Child]) -> Vec<String> {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let read = |child: &std::process::Child| std::fs::read_to_string(folder.join(format!("{name}-{}", child.id())));
    loop {
        let texts: Vec<String> = children.iter().filter_map(|child| read(child).ok()).collect();
        // An empty result is still being written.
        if texts.len() == children.len() && (name == "ready" || texts.iter().all(|text| !text.is_empty())) {
            return texts;
        }
        assert!(std::time::Instant::now() < deadline, "not all processes have written {name}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Lets that many processes start at one moment, and returns what they have become.
fn race(folder: &Path, processes: usize) -> Vec<String> {
    let _ = std::fs::remove_file(folder.join("go"));
    let mut racers: Vec<_> = (0..processes).map(|_| racer(folder)).collect();
    written(folder, "ready", &racers);
    std::fs::write(folder.join("go"), "").expect("started");
    let mut results = written(folder, "result", &racers);
    results.sort();
    for racer in &mut racers {
        // SIGKILL for the first; the others have ended.
        racer.kill().expect("killed");
        racer.wait().expect("ended");
    }
    results
}

#[test]
fn one_of_several_racing_processes_is_first_and_the_next_one_after_its_crash() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    assert_eq!(race(dir.path(), 6), ["first", "race", "race", "race", "race", "race"]);
    #[cfg(unix)]
    assert!(dir.path().join("socket").exists(), "left by the crash");
    assert_eq!(race(dir.path(), 1), ["first"]);
}

#[test]
fn one_of_two_starts_is_first_fifty_times() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // Under wine a process takes seconds to start.
    for round in 0..if cfg!(windows) { 3 } else { 50 } {
        assert_eq!(race(dir.path(), 2), ["first", "race"], "round {round}");
    }
}
