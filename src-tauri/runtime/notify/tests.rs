use super::Notifier;
use crate::runtime::test_bus::alone;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use vigie_core::message::{Action, Category, Event};
use vigie_view::notice::Notice;
use zbus::Connection;
use zbus::zvariant::{OwnedValue, Value};

fn notice(category: Category, title: &str, actions: &[(&str, Action)]) -> Notice {
    let actions = actions.iter().map(|(label, action)| ((*label).to_owned(), action.clone())).collect();
    let (title, body) = (title.to_owned(), "Rouen & <Caen>".to_owned());
    Notice { category, title, body, actions, urgent: false, transient: false }
}

/// What the server was asked.
#[derive(Debug)]
enum Asked {
    Show { replaces: u32, title: String, body: String, keys: Vec<String>, hints: Vec<String>, expires: i32 },
    Close(u32),
}

/// A notification server that shows nothing; the test plays the user.
struct Server {
    skills: Vec<&'static str>,
    last: u32,
    asked: UnboundedSender<Asked>,
}

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Server {
    fn get_capabilities(&self) -> Vec<&'static str> {
        self.skills.clone()
    }

    #[expect(clippy::too_many_arguments, reason = "the specification's")]
    fn notify(
        &mut self,
        _program: String,
        replaces: u32,
        _icon: String,
        title: String,
        body: String,
        actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        expires: i32,
    ) -> u32 {
        let keys = actions.into_iter().step_by(2).collect();
        let mut hints: Vec<_> =
            hints.iter().map(|(name, value)| format!("{name}={}", Value::from(value.clone()))).collect();
        hints.sort();
        let _ = self.asked.send(Asked::Show { replaces, title, body, keys, hints, expires });
        if replaces == 0 {
            self.last += 1;
        }
        if replaces == 0 { self.last } else { replaces }
    }

    fn close_notification(&self, id: u32) {
        let _ = self.asked.send(Asked::Close(id));
    }
}

async fn server(skills: &[&'static str]) -> (Connection, UnboundedReceiver<Asked>) {
    let (asked, heard) = unbounded_channel();
    let server = Server { skills: skills.to_vec(), last: 40, asked };
    let builder = zbus::connection::Builder::session().expect("a bus");
    let builder = builder.serve_at("/org/freedesktop/Notifications", server).expect("a path");
    let builder = builder.name("org.freedesktop.Notifications").expect("a name");
    (builder.build().await.expect("connected"), heard)
}

async fn leave(server: &Connection) {
    assert!(server.release_name("org.freedesktop.Notifications").await.expect("released"));
}

async fn press(server: &Connection, id: u32, key: &str) {
    let (path, name) = ("/org/freedesktop/Notifications", "org.freedesktop.Notifications");
    server.emit_signal(None::<&str>, path, name, "ActionInvoked", &(id, key)).await.expect("sent");
}

/// The keys of the buttons that were shown.
async fn shown(heard: &mut UnboundedReceiver<Asked>, wanted_title: &str, wanted_replaces: u32) -> Vec<String> {
    match heard.recv().await.expect("asked") {
        Asked::Show { replaces, title, keys, .. } => {
            assert_eq!((title.as_str(), replaces), (wanted_title, wanted_replaces));
            keys
        }
        Asked::Close(id) => panic!("{id} was closed"),
    }
}

#[test]
fn a_button_is_answered_once_and_what_was_replaced_or_taken_back_never_is() {
    alone(async {
        let (server, mut heard) = server(&["actions", "body", "body-markup"]).await;
        let (sender, mut events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        let lost = notice(Category::Vpn, "VPN déconnecté", &[("Se reconnecter", Action::Connect)]);
        let stalled = notice(Category::Vpn, "Le VPN ne répond plus", &[("Réessayer", Action::Refresh)]);
        let night = [("Plus tard", Action::RemindLater), ("Ce soir, non", Action::NotTonight)];
        notifier.show(lost.clone());
        let old = shown(&mut heard, "VPN déconnecté", 0).await;
        notifier.show(stalled);
        let new = shown(&mut heard, "Le VPN ne répond plus", 41).await;
        notifier.show(notice(Category::Shutdown, "Arrêt", &night));
        let other = shown(&mut heard, "Arrêt", 0).await;
        assert_eq!((old.len(), new.len(), other.len()), (1, 1, 2));

        // Another program says that a button was pressed: not the server, so not the user.
        let stranger = Connection::session().await.expect("connected");
        press(&stranger, 41, &new[0]).await;
        press(&server, 41, &old[0]).await;
        press(&server, 42, &new[0]).await;
        press(&server, 7, &new[0]).await;
        press(&server, 42, &other[1]).await;
        press(&server, 42, &other[0]).await;
        press(&server, 41, &new[0]).await;
        press(&server, 41, &new[0]).await;
        assert_eq!(events.recv().await, Some(Event::Action(Action::NotTonight)));
        assert_eq!(events.recv().await, Some(Event::Action(Action::Refresh)));
        // A server may leave standing what was answered.
        assert!(matches!(heard.recv().await, Some(Asked::Close(42))));
        assert!(matches!(heard.recv().await, Some(Asked::Close(41))));

        notifier.show(lost.clone());
        let keys = shown(&mut heard, "VPN déconnecté", 0).await;
        notifier.withdraw(Category::Vpn);
        notifier.withdraw(Category::Vpn);
        assert!(matches!(heard.recv().await, Some(Asked::Close(43))));
        press(&server, 43, &keys[0]).await;
        // What is shown after all that tells that all that was heard.
        notifier.show(lost);
        let keys = shown(&mut heard, "VPN déconnecté", 0).await;
        press(&server, 44, &keys[0]).await;
        assert_eq!(events.recv().await, Some(Event::Action(Action::Connect)));
        assert!(matches!(heard.recv().await, Some(Asked::Close(44))));
        assert!(events.try_recv().is_err());
        assert!(heard.try_recv().is_err());
    });
}

#[test]
fn the_server_gets_what_it_understands() {
    alone(async {
        let (full, mut heard) = server(&["actions", "body-markup"]).await;
        let (sender, _events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        let mut urgent = notice(Category::Shutdown, "Arrêt", &[("Plus tard", Action::RemindLater)]);
        urgent.urgent = true;
        notifier.show(urgent.clone());
        let Some(Asked::Show { body, keys, hints, expires, .. }) = heard.recv().await else { panic!("nothing shown") };
        assert_eq!((body.as_str(), keys.len(), expires), ("Rouen &amp; &lt;Caen&gt;", 1, 0));
        assert_eq!(hints, ["category=\"x-vigie.shutdown\"", "desktop-entry=\"vigie\"", "urgency=byte 0x02"]);

        let mut glance = notice(Category::Answer, "Copié", &[]);
        glance.transient = true;
        notifier.show(glance);
        let Some(Asked::Show { hints, expires, .. }) = heard.recv().await else { panic!("nothing shown") };
        assert_eq!(expires, 4000);
        assert!(
            hints.contains(&"transient=true".to_owned()) && hints.contains(&"urgency=byte 0x00".to_owned()),
            "{hints:?}"
        );

        leave(&full).await;
        let (_plain, mut heard) = server(&["body"]).await;
        notifier.show(urgent);
        let Some(Asked::Show { replaces, body, keys, .. }) = heard.recv().await else { panic!("nothing shown") };
        assert_eq!(
            (replaces, body.as_str(), keys.len()),
            (0, "Rouen & <Caen>", 0),
            "another server, with other skills"
        );
    });
}

#[test]
fn a_server_that_comes_late_gets_the_last_of_each_category_and_nothing_stale() {
    alone(async {
        let (sender, mut events) = unbounded_channel();
        let desk = super::platform::Backend::with_patience(sender, Duration::from_secs(2));
        let mut notifier = Notifier { desk };
        notifier.show(notice(Category::Shutdown, "dans 30 minutes", &[]));
        assert_eq!(events.recv().await, Some(Event::NotificationServer(false)));
        notifier.show(notice(Category::Shutdown, "dans 15 minutes", &[]));
        notifier.show(notice(Category::Vpn, "VPN déconnecté", &[]));
        notifier.withdraw(Category::Vpn);
        let (first, mut heard) = server(&[]).await;
        shown(&mut heard, "dans 15 minutes", 0).await;
        assert_eq!(events.recv().await, Some(Event::NotificationServer(true)), "told once, and once again");
        leave(&first).await;

        notifier.show(notice(Category::Shutdown, "dans 5 minutes", &[]));
        assert_eq!(events.recv().await, Some(Event::NotificationServer(false)));
        tokio::time::sleep(Duration::from_millis(2100)).await;
        let (_second, mut heard) = server(&[]).await;
        notifier.show(notice(Category::Program, "Bonjour", &[]));
        shown(&mut heard, "Bonjour", 0).await;
        assert!(heard.try_recv().is_err());
        assert_eq!(events.recv().await, Some(Event::NotificationServer(true)));
    });
}

#[test]
fn nothing_is_left_standing_at_the_end() {
    alone(async {
        let (_server, mut heard) = server(&["actions"]).await;
        let (sender, _events) = unbounded_channel();
        let mut notifier = Notifier::new(sender);
        notifier.show(notice(Category::Vpn, "VPN déconnecté", &[]));
        shown(&mut heard, "VPN déconnecté", 0).await;
        notifier.close().await;
        assert!(matches!(heard.recv().await, Some(Asked::Close(41))));
    });
}
