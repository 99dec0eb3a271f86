//! Tests with real sockets. (tests/desktop/item.rs kills a real process, and starts the next one.)

use super::*;
use std::path::Path;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;
use vigie_view::panel::Panel;

fn status(title: &str) -> Arc<Status> {
    Arc::new(Status {
        vpn: vigie_core::vpn::VpnStatus::Unknown,
        reason: vigie_core::vpn::Reason::Checking,
        witnesses: Vec::new(),
        since: jiff::Timestamp::UNIX_EPOCH,
        since_seen: true,
        reaches_intranet: None,
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

struct ServerFixture {
    _dir: tempfile::TempDir,
    endpoint: transport::Endpoint,
    client: IpcClient,
    events: UnboundedReceiver<Event>,
    status: watch::Sender<Arc<Status>>,
    serving: JoinHandle<()>,
}

fn fixture() -> ServerFixture {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let endpoint = endpoint_of(&dir.path().join("vigie"));
    let server = IpcServer { listener: transport::IpcListener::claim(&endpoint).expect("claimed").expect("first") };
    let (sender, events) = unbounded_channel();
    let (status, receiver) = watch::channel(status("one"));
    let serving = tokio::spawn(server.serve(sender, receiver));
    ServerFixture { _dir: dir, client: IpcClient { endpoint: endpoint.clone() }, endpoint, events, status, serving }
}

#[tokio::test]
async fn requests_are_accepted_and_answered() {
    let mut fixture = fixture();
    fixture.client.ask(IpcRequest::Show).await.expect("taken");
    assert_eq!(fixture.events.recv().await, Some(Event::Action(Action::ShowPanel)));
    let open = Action::Open("amigo".into());
    fixture.client.ask(IpcRequest::Ask(open.clone())).await.expect("taken");
    assert_eq!(fixture.events.recv().await, Some(Event::Action(open)));
    assert_eq!(fixture.client.status().await.expect("an answer"), *status("one"));
}

#[tokio::test]
async fn a_watcher_sees_each_change_once_and_the_end() {
    let fixture = fixture();
    let mut watch = fixture.client.watch().await.expect("accepted");
    assert_eq!(watch.next().await.expect("an answer"), Some((*status("one")).clone()));
    fixture.status.send_replace(status("one"));
    // By the time another request is answered, the server has seen the status that is no change.
    fixture.client.status().await.expect("an answer");
    fixture.status.send_replace(status("two"));
    assert_eq!(watch.next().await.expect("an answer"), Some((*status("two")).clone()));
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
        client.ask(IpcRequest::Show).await?;
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
        assert!(stream.next().await.expect("an answer").is_some());
        watching.push(stream);
    }
    assert_eq!(watching[0].next().await.expect("an end is no error"), None);
    fixture.status.send_replace(status("two"));
    for stream in &mut watching[1..] {
        assert_eq!(stream.next().await.expect("an answer"), Some((*status("two")).clone()));
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
    fixture.client.ask(IpcRequest::Show).await.expect("still served");
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
    let answer = tokio::time::timeout(TIMEOUT, fixture.client.status()).await.expect("at once");
    assert!(answer.expect("an answer").panel.title.ends_with("19"));
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
        answer.await.expect("ran").expect("an answer");
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

/// Lets that many threads, each in the place of a process, claim the endpoint at one moment, and serves the first. Returns
/// what each has become: the first, or a client that the first has answered.
fn race(endpoint: &transport::Endpoint, threads: usize) -> Vec<String> {
    let start = std::sync::Barrier::new(threads);
    // The first must serve until all others are answered.
    let done = tokio::sync::Semaphore::new(0);
    let contender = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            start.wait();
            match transport::IpcListener::claim(endpoint).expect("claimed") {
                Some(listener) => {
                    let (events, _kept) = unbounded_channel();
                    let (_status, receiver) = watch::channel(status("race"));
                    let serving = tokio::spawn(IpcServer { listener }.serve(events, receiver));
                    let others = u32::try_from(threads - 1).expect("a few");
                    done.acquire_many(others).await.expect("never closed").forget();
                    serving.abort();
                    let _ = serving.await;
                    "first".to_owned()
                }
                None => {
                    let seen = IpcClient { endpoint: endpoint.clone() }.status().await;
                    done.add_permits(1);
                    seen.expect("the first answers").panel.title.clone()
                }
            }
        })
    };
    let mut results: Vec<String> = std::thread::scope(|scope| {
        let contenders: Vec<_> = (0..threads).map(|_| scope.spawn(contender)).collect();
        contenders.into_iter().map(|contender| contender.join().expect("no panic")).collect()
    });
    results.sort();
    results
}

#[test]
fn one_of_several_is_first_each_time() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // A child that another test forks holds the lock, too, until it executes its program: each round has a lock of its own.
    let endpoint = |round: usize| endpoint_of(&dir.path().join(round.to_string()));
    for round in 0..50 {
        assert_eq!(race(&endpoint(round), 2), ["first", "race"], "round {round}");
    }
    assert_eq!(race(&endpoint(50), 6), ["first", "race", "race", "race", "race", "race"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_socket_that_a_crash_has_left_is_replaced() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    drop(std::os::unix::net::UnixListener::bind(dir.path().join("socket")).expect("bound"));
    assert!(dir.path().join("socket").exists());
    assert!(transport::connect(&endpoint_of(dir.path())).await.is_err(), "nobody listens");
    let _listener = transport::IpcListener::claim(&endpoint_of(dir.path())).expect("claimed").expect("first");
    assert!(transport::connect(&endpoint_of(dir.path())).await.is_ok());
}

/// Whatever a client sends: it gets one answer at most, and what it asks for panics nothing.
#[test]
fn fuzz_requests() {
    use vigie_core::fixture::{now, standing};
    use vigie_core::vpn::VpnStatus;
    let connected = standing(VpnStatus::Connected);
    let requests = [
        r#""show""#,
        r#""status""#,
        r#""watch""#,
        r#"{"ask":{"do":"open","with":"amigo"}}"#,
        r#"{"ask":{"do":"join","with":"12345678"}}"#,
        r#"{"ask":{"do":"dial","with":{"code":"*21","number":"0612345678"}}}"#,
        r#"{"ask":{"do":"open-drive","with":"I"}}"#,
        r#"{"ask":{"do":"choose","with":{"what":"size","to":[300,65535]}}}"#,
        r#"{"ask":{"do":"choose","with":{"what":"lead","to":[0,true]}}}"#,
        r#"{"ask":{"do":"choose","with":{"what":"site","to":"\u202e"}}}"#,
        r#"{"ask":{"do":"confirm-shut-down"}}"#,
        r#"{"ask":{"do":"forget-credentials"}}"#,
    ];
    let lines: Vec<String> = requests.iter().map(|request| format!("{request}\n")).collect();
    for request in requests {
        assert!(serde_json::from_str::<IpcRequest>(request).is_ok(), "{request}");
    }
    let seeds: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    crate::fuzz::fuzz(&seeds, |bytes| {
        let (events, mut received) = unbounded_channel();
        let shown = status("one");
        let (_keep, statuses) = watch::channel(shown.clone());
        let slot = WatchSlot { watchers: Arc::default(), is_watching: Arc::default() };
        let mut printed = String::new();
        runtime.block_on(async {
            let (mut client, server) = tokio::io::duplex(1 << 17);
            client.write_all(bytes).await.expect("it fits");
            client.shutdown().await.expect("it is open");
            let _ = answer(server, events, statuses, slot).await;
            client.read_to_string(&mut printed).await.expect("UTF-8");
        });
        let action = received.try_recv().ok();
        assert!(received.try_recv().is_err(), "a request for two actions");
        match (&action, printed.strip_suffix('\n')) {
            (Some(_), answer) => assert_eq!(answer, Some("")),
            (None, Some(answer)) => assert_eq!(serde_json::from_str::<Status>(answer).ok().as_ref(), Some(&*shown)),
            (None, None) => assert_eq!(printed, ""),
        }
        if let Some(action) = action {
            let mut state = connected.clone();
            vigie_core::update::update(&mut state, action, now("2026-11-24T14:03"));
            drop((vigie_view::tray::tray(&state), vigie_view::page::page(&state), vigie_view::status::status(&state)));
        }
    });
}
