use super::Notifier;
use super::platform::TEXT_LIFETIME;
use crate::test_bus::with_session_bus;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use vigie_core::message::{Action, Category, Event};
use vigie_view::notice::Notice;
use zbus::zvariant::{OwnedValue, Value};
use zbus::{Connection, fdo};

fn notice(category: Category, title: &str, actions: &[(&str, Action)]) -> Notice {
    let actions = actions.iter().map(|(label, action)| ((*label).to_owned(), action.clone())).collect();
    let (title, body) = (title.to_owned(), "Rouen & <Caen>".to_owned());
    Notice { category, title, body, actions, urgent: false, transient: false }
}

/// A call that the server received.
#[derive(Debug)]
enum ServerCall {
    Show { replaces: u32, title: String, body: String, keys: Vec<String>, hints: Vec<String>, expires: i32 },
    Close(u32),
}

/// How the server answers the next calls of `Notify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Error,
    /// No answer until [`FakeServer::resume`] is notified.
    Hang,
}

/// A notification server that shows nothing; the test plays the user.
struct FakeServer {
    capabilities: Vec<&'static str>,
    last: u32,
    /// Whether every notification gets the id 0.
    unnumbered: bool,
    faults: Vec<Fault>,
    resume: Arc<Notify>,
    calls: UnboundedSender<ServerCall>,
}

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl FakeServer {
    fn get_capabilities(&self) -> Vec<&'static str> {
        self.capabilities.clone()
    }

    #[expect(clippy::too_many_arguments, reason = "the specification's")]
    async fn notify(
        &mut self,
        _program: String,
        replaces: u32,
        _icon: String,
        title: String,
        body: String,
        actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        expires: i32,
    ) -> fdo::Result<u32> {
        let keys = actions.into_iter().step_by(2).collect();
        let mut hints: Vec<_> =
            hints.iter().map(|(name, value)| format!("{name}={}", Value::from(value.clone()))).collect();
        hints.sort();
        let _ = self.calls.send(ServerCall::Show { replaces, title, body, keys, hints, expires });
        match self.faults.pop() {
            Some(Fault::Error) => return Err(fdo::Error::Failed("out of order".into())),
            Some(Fault::Hang) => self.resume.notified().await,
            None => {}
        }
        if self.unnumbered {
            return Ok(0);
        }
        if replaces == 0 {
            self.last += 1;
        }
        Ok(if replaces == 0 { self.last } else { replaces })
    }

    fn close_notification(&self, id: u32) {
        let _ = self.calls.send(ServerCall::Close(id));
    }
}

async fn server(capabilities: &[&'static str]) -> (Connection, UnboundedReceiver<ServerCall>) {
    faulty_server(capabilities, &[], false, Arc::default()).await
}

/// A server whose first calls of `Notify` fail in these ways, the last one first.
async fn faulty_server(
    capabilities: &[&'static str],
    faults: &[Fault],
    unnumbered: bool,
    resume: Arc<Notify>,
) -> (Connection, UnboundedReceiver<ServerCall>) {
    let (sender, calls) = unbounded_channel();
    let server = FakeServer {
        capabilities: capabilities.to_vec(),
        last: 40,
        unnumbered,
        faults: faults.to_vec(),
        resume,
        calls: sender,
    };
    let builder = zbus::connection::Builder::session().expect("a bus");
    let builder = builder.serve_at("/org/freedesktop/Notifications", server).expect("a path");
    let builder = builder.name("org.freedesktop.Notifications").expect("a name");
    (builder.build().await.expect("connected"), calls)
}

async fn leave(server: &Connection) {
    assert!(server.release_name("org.freedesktop.Notifications").await.expect("released"));
}

async fn click(server: &Connection, id: u32, key: &str) {
    let (path, name) = ("/org/freedesktop/Notifications", "org.freedesktop.Notifications");
    server.emit_signal(None::<&str>, path, name, "ActionInvoked", &(id, key)).await.expect("sent");
}

/// Lets this time pass at once.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Waits for this notification, and returns the keys of its buttons.
async fn shown(calls: &mut UnboundedReceiver<ServerCall>, wanted_title: &str, wanted_replaces: u32) -> Vec<String> {
    match calls.recv().await.expect("a call") {
        ServerCall::Show { replaces, title, keys, .. } => {
            assert_eq!((title.as_str(), replaces), (wanted_title, wanted_replaces));
            keys
        }
        ServerCall::Close(id) => panic!("{id} was closed"),
    }
}

#[test]
fn button_works_once_and_only_on_the_current_notification() {
    with_session_bus(async {
        let (server, mut calls) = server(&["actions", "body", "body-markup"]).await;
        let (sender, mut events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        let lost = notice(Category::Vpn, "VPN déconnecté", &[("Se reconnecter", Action::Connect)]);
        let stalled = notice(Category::Vpn, "Le VPN ne répond plus", &[("Réessayer", Action::Refresh)]);
        let night = [("Plus tard", Action::RemindLater), ("Ce soir, non", Action::NotTonight)];
        notifier.show(lost.clone());
        let old = shown(&mut calls, "VPN déconnecté", 0).await;
        notifier.show(stalled);
        let new = shown(&mut calls, "Le VPN ne répond plus", 41).await;
        notifier.show(notice(Category::Shutdown, "Arrêt", &night));
        let other = shown(&mut calls, "Arrêt", 0).await;
        assert_eq!((old.len(), new.len(), other.len()), (1, 1, 2));

        // Another program claims that a button was clicked.
        let stranger = Connection::session().await.expect("connected");
        click(&stranger, 41, &new[0]).await;
        click(&server, 41, &old[0]).await;
        click(&server, 42, &new[0]).await;
        click(&server, 7, &new[0]).await;
        click(&server, 42, &other[1]).await;
        click(&server, 42, &other[0]).await;
        click(&server, 41, &new[0]).await;
        click(&server, 41, &new[0]).await;
        assert_eq!(events.recv().await, Some(Event::Action(Action::NotTonight)));
        assert_eq!(events.recv().await, Some(Event::Action(Action::Refresh)));
        // A server may leave a notification open after a click.
        assert!(matches!(calls.recv().await, Some(ServerCall::Close(42))));
        assert!(matches!(calls.recv().await, Some(ServerCall::Close(41))));

        notifier.show(lost.clone());
        let keys = shown(&mut calls, "VPN déconnecté", 0).await;
        notifier.withdraw(Category::Vpn);
        notifier.withdraw(Category::Vpn);
        assert!(matches!(calls.recv().await, Some(ServerCall::Close(43))));
        click(&server, 43, &keys[0]).await;
        // Once this one is shown, everything before it has been handled.
        notifier.show(lost);
        let keys = shown(&mut calls, "VPN déconnecté", 0).await;
        click(&server, 44, &keys[0]).await;
        assert_eq!(events.recv().await, Some(Event::Action(Action::Connect)));
        assert!(matches!(calls.recv().await, Some(ServerCall::Close(44))));
        assert!(events.try_recv().is_err());
        assert!(calls.try_recv().is_err());
    });
}

#[test]
fn only_the_user_dismisses_a_notification() {
    with_session_bus(async {
        let (server, mut calls) = server(&["actions"]).await;
        let (sender, mut events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        let (path, name) = ("/org/freedesktop/Notifications", "org.freedesktop.Notifications");
        for (category, id) in [(Category::Vpn, 41), (Category::Shutdown, 42)] {
            notifier.show(notice(category, "Arrêt", &[]));
            shown(&mut calls, "Arrêt", 0).await;
            // It has expired, or it is another one, or it was closed by the user.
            let (expired, other) = ((id, if id == 41 { 1_u32 } else { 2 }), (7_u32, 2_u32));
            for body in [other, expired] {
                server.emit_signal(None::<&str>, path, name, "NotificationClosed", &body).await.expect("sent");
            }
        }
        assert_eq!(events.recv().await, Some(Event::NotificationDismissed(Category::Shutdown)));
        assert!(events.try_recv().is_err());
    });
}

#[test]
fn server_gets_only_what_it_supports() {
    with_session_bus(async {
        let (full, mut calls) = server(&["actions", "body-markup"]).await;
        let (sender, _events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        let mut urgent = notice(Category::Shutdown, "Arrêt", &[("Plus tard", Action::RemindLater)]);
        urgent.urgent = true;
        notifier.show(urgent.clone());
        let Some(ServerCall::Show { body, keys, hints, expires, .. }) = calls.recv().await else {
            panic!("nothing shown")
        };
        assert_eq!((body.as_str(), keys.len(), expires), ("Rouen &amp; &lt;Caen&gt;", 1, 0));
        assert_eq!(hints, ["category=\"x-vigie.shutdown\"", "desktop-entry=\"vigie\"", "urgency=byte 0x02"]);

        let mut brief = notice(Category::Answer, "Copié", &[]);
        brief.transient = true;
        notifier.show(brief);
        let Some(ServerCall::Show { hints, expires, .. }) = calls.recv().await else { panic!("nothing shown") };
        assert_eq!(expires, 4000);
        assert!(
            hints.contains(&"transient=true".to_owned()) && hints.contains(&"urgency=byte 0x00".to_owned()),
            "{hints:?}"
        );

        leave(&full).await;
        let (_plain, mut calls) = server(&["body"]).await;
        notifier.show(urgent);
        let Some(ServerCall::Show { replaces, body, keys, .. }) = calls.recv().await else { panic!("nothing shown") };
        assert_eq!(
            (replaces, body.as_str(), keys.len()),
            (0, "Rouen & <Caen>", 0),
            "another server, with other capabilities"
        );
    });
}

#[test]
fn late_server_gets_the_latest_notice_of_each_category_and_nothing_stale() {
    with_session_bus(async {
        let (sender, mut events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        notifier.show(notice(Category::Shutdown, "dans 30 minutes", &[]));
        assert_eq!(events.recv().await, Some(Event::NotificationServer(false)));
        notifier.show(notice(Category::Shutdown, "dans 15 minutes", &[]));
        notifier.show(notice(Category::Vpn, "VPN déconnecté", &[]));
        notifier.withdraw(Category::Vpn);
        let (first, mut calls) = server(&[]).await;
        shown(&mut calls, "dans 15 minutes", 0).await;
        assert_eq!(events.recv().await, Some(Event::NotificationServer(true)), "once each");
        leave(&first).await;

        notifier.show(notice(Category::Shutdown, "dans 5 minutes", &[]));
        assert_eq!(events.recv().await, Some(Event::NotificationServer(false)));
        pass(TEXT_LIFETIME).await;
        let (_second, mut calls) = server(&[]).await;
        notifier.show(notice(Category::Program, "Bonjour", &[]));
        shown(&mut calls, "Bonjour", 0).await;
        assert!(calls.try_recv().is_err());
        assert_eq!(events.recv().await, Some(Event::NotificationServer(true)));
    });
}

#[test]
fn close_leaves_no_notification_open() {
    with_session_bus(async {
        let (_server, mut calls) = server(&["actions"]).await;
        let (sender, _events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        notifier.show(notice(Category::Vpn, "VPN déconnecté", &[]));
        shown(&mut calls, "VPN déconnecté", 0).await;
        notifier.close().await;
        assert!(matches!(calls.recv().await, Some(ServerCall::Close(41))));
    });
}

fn reminder(title: &str) -> Notice {
    Notice { urgent: true, ..notice(Category::Shutdown, title, &[("Plus tard", Action::RemindLater)]) }
}

#[test]
fn notice_is_tried_again_after_an_error() {
    with_session_bus(async {
        let (_server, mut calls) = faulty_server(&["actions"], &[Fault::Error], false, Arc::default()).await;
        let (sender, mut events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        notifier.show(reminder("dans 30 minutes"));
        shown(&mut calls, "dans 30 minutes", 0).await;
        let keys = shown(&mut calls, "dans 30 minutes", 0).await;
        click(&_server, 41, &keys[0]).await;
        assert_eq!(events.recv().await, Some(Event::Action(Action::RemindLater)), "tried again, and nothing else said");
    });
}

#[test]
fn reminder_that_cannot_be_shown_is_reported_and_the_next_one_is_attempted() {
    with_session_bus(async {
        let faults = [Fault::Error; 12];
        let (broken, mut calls) = faulty_server(&["actions"], &faults, false, Arc::default()).await;
        let (sender, mut events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        for title in ["dans 30 minutes", "dans 15 minutes"] {
            notifier.show(reminder(title));
            shown(&mut calls, title, 0).await;
            assert_eq!(events.recv().await, Some(Event::NotificationFailed(Category::Shutdown)));
            while calls.try_recv().is_ok() {}
        }
        leave(&broken).await;
        let (_working, mut calls) = server(&[]).await;
        notifier.show(reminder("dans 5 minutes"));
        shown(&mut calls, "dans 5 minutes", 0).await;
        assert!(events.try_recv().is_err());
    });
}

#[test]
fn reminder_that_a_hung_server_shows_too_late_is_closed_at_once() {
    with_session_bus(async {
        let resume = Arc::new(Notify::new());
        let (_server, mut calls) = faulty_server(&["actions"], &[Fault::Hang], false, resume.clone()).await;
        let (sender, mut events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        notifier.show(reminder("dans 30 minutes"));
        shown(&mut calls, "dans 30 minutes", 0).await;
        assert_eq!(events.recv().await, Some(Event::NotificationFailed(Category::Shutdown)));
        resume.notify_one();
        assert!(matches!(calls.recv().await, Some(ServerCall::Close(41))));
        notifier.show(reminder("dans 15 minutes"));
        shown(&mut calls, "dans 15 minutes", 0).await;
        assert!(events.try_recv().is_err());
    });
}

#[test]
fn notice_queued_in_a_hung_server_is_replaced_by_the_next_one() {
    with_session_bus(async {
        let resume = Arc::new(Notify::new());
        let (_server, mut calls) = faulty_server(&["actions"], &[Fault::Hang], false, resume.clone()).await;
        let (sender, _events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        notifier.show(notice(Category::Vpn, "VPN déconnecté", &[]));
        shown(&mut calls, "VPN déconnecté", 0).await;
        notifier.show(notice(Category::Vpn, "VPN rétabli", &[]));
        notifier.show(notice(Category::Program, "Bonjour", &[]));
        resume.notify_one();
        let mut titles = Vec::new();
        for _ in 0..2 {
            let Some(ServerCall::Show { replaces, title, .. }) = calls.recv().await else {
                panic!("nothing is closed")
            };
            titles.push((title, replaces));
        }
        titles.sort();
        assert_eq!(titles, [("Bonjour".into(), 0), ("VPN rétabli".into(), 41)]);
    });
}

#[test]
fn notice_that_ended_with_its_server_is_shown_again_while_it_is_true() {
    with_session_bus(async {
        let (first, mut calls) = server(&["actions"]).await;
        let (sender, mut events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        notifier.show(reminder("dans 30 minutes"));
        shown(&mut calls, "dans 30 minutes", 0).await;
        // Shown only once the next one is: calls of one category follow each other.
        notifier.show(reminder("dans 15 minutes"));
        shown(&mut calls, "dans 15 minutes", 41).await;
        first.close().await.expect("gone");
        let (second, mut calls) = server(&["actions"]).await;
        let keys = shown(&mut calls, "dans 15 minutes", 0).await;

        // By the time that another notification is closed, the answer about this one has been handled.
        notifier.show(notice(Category::Program, "Bonjour", &[]));
        shown(&mut calls, "Bonjour", 0).await;
        notifier.withdraw(Category::Program);
        assert!(matches!(calls.recv().await, Some(ServerCall::Close(42))));

        // Its text is out of date when the third server comes: the core is to say what is true now.
        pass(TEXT_LIFETIME).await;
        second.close().await.expect("gone");
        let (third, mut calls) = server(&["actions"]).await;
        assert_eq!(events.recv().await, Some(Event::NotificationLost(Category::Shutdown)));
        click(&third, 41, &keys[0]).await;
        notifier.show(reminder("dans 11 minutes"));
        let keys = shown(&mut calls, "dans 11 minutes", 0).await;
        click(&third, 41, &keys[0]).await;
        assert_eq!(events.recv().await, Some(Event::Action(Action::RemindLater)));
        assert!(events.try_recv().is_err());
    });
}

#[test]
fn server_that_crashes_at_each_notice_is_not_available() {
    with_session_bus(async {
        let (sender, mut events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        notifier.show(reminder("dans 30 minutes"));
        assert_eq!(events.recv().await, Some(Event::NotificationServer(false)));
        for _ in 0..2 {
            let (crashes, mut calls) = faulty_server(&[], &[Fault::Hang], false, Arc::default()).await;
            shown(&mut calls, "dans 30 minutes", 0).await;
            crashes.close().await.expect("gone");
        }
        let (_works, mut calls) = server(&[]).await;
        shown(&mut calls, "dans 30 minutes", 0).await;
        assert_eq!(events.recv().await, Some(Event::NotificationServer(true)));
        assert!(events.try_recv().is_err());
    });
}

#[test]
fn buttons_work_with_a_server_that_gives_every_id_0() {
    with_session_bus(async {
        let (server, mut calls) = faulty_server(&["actions"], &[], true, Arc::default()).await;
        let (sender, mut events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        notifier.show(reminder("dans 30 minutes"));
        let first = shown(&mut calls, "dans 30 minutes", 0).await;
        notifier.show(notice(Category::Vpn, "VPN déconnecté", &[("Se reconnecter", Action::Connect)]));
        let second = shown(&mut calls, "VPN déconnecté", 0).await;
        click(&server, 0, &second[0]).await;
        click(&server, 0, &first[0]).await;
        assert_eq!(events.recv().await, Some(Event::Action(Action::Connect)));
        assert_eq!(events.recv().await, Some(Event::Action(Action::RemindLater)));
    });
}

#[test]
fn notice_waits_for_a_bus_that_comes_late() {
    with_session_bus(async {
        let address = std::env::var("DBUS_SESSION_BUS_ADDRESS").expect("set for this process");
        let socket = address.split('=').nth(1).expect("unix:path=").to_owned();
        let moved = format!("{socket}-moved");
        let (_server, mut calls) = server(&[]).await;
        std::fs::rename(&socket, &moved).expect("the socket is ours");
        let (sender, mut events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        notifier.show(reminder("dans 30 minutes"));
        assert_eq!(events.recv().await, Some(Event::NotificationServer(false)));
        std::fs::rename(&moved, &socket).expect("the socket is ours");
        shown(&mut calls, "dans 30 minutes", 0).await;
        assert_eq!(events.recv().await, Some(Event::NotificationServer(true)));
    });
}
