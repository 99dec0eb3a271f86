//! The keyring as it is: a real gnome-keyring on a session bus of its own, never the user's.

use super::{forget, keep, pin, remembered};
use crate::test_bus::with_session_bus;
use futures_util::StreamExt;
use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use vigie_core::connect::{Keyring, Secret, StoredCredentials};
use zbus::zvariant::{ObjectPath, OwnedObjectPath};

/// The keyring's name on the bus (Secret Service API 0.2).
const SERVICE: &str = "org.freedesktop.secrets";

/// Runs `body` on a bus of its own, with a keyring whose files are in a folder of its own, and checks that what it has
/// written holds no secret in clear.
fn with_keyring(body: impl Future<Output = ()>) {
    with_session_bus(async {
        let home = tempfile::tempdir().expect("/tmp can be written");
        start_daemon(home.path()).await;
        body.await;
        let grep = Command::new("grep").args(["-rlaF", "-e", "4321", "-e", "mdupont"]).arg(home.path()).output();
        let found = grep.expect("grep is there").stdout;
        assert!(found.is_empty(), "{}", String::from_utf8_lossy(&found));
    });
}

/// Starts gnome-keyring with a default keyring that is open; it ends with its bus.
async fn start_daemon(home: &Path) {
    let bus = zbus::Connection::session().await.expect("a bus");
    let bus = zbus::fdo::DBusProxy::new(&bus).await.expect("a bus");
    let mut owners = bus.receive_name_owner_changed_with_args(&[(0, SERVICE)]).await.expect("subscribed");
    let mut command = Command::new("gnome-keyring-daemon");
    command.args(["--unlock", "--components=secrets"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env("HOME", home).env("XDG_DATA_HOME", home.join("share"));
    command.env("XDG_RUNTIME_DIR", home).env("XDG_CONFIG_HOME", home.join("config"));
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env_remove("GNOME_KEYRING_CONTROL");
    let mut daemon = command.spawn().expect("gnome-keyring-daemon not found: run scripts/setup test");
    std::io::Write::write_all(&mut daemon.stdin.take().expect("piped"), b"password\n").expect("it reads");
    assert!(daemon.wait().expect("it goes into the background").success());
    owners.next().await.expect("it takes its name");
}

/// Kills the keyring, and waits until its name is free.
async fn kill_daemon() {
    let bus = zbus::Connection::session().await.expect("a bus");
    let bus = zbus::fdo::DBusProxy::new(&bus).await.expect("a bus");
    let mut owners = bus.receive_name_owner_changed_with_args(&[(0, SERVICE)]).await.expect("subscribed");
    let name = zbus::names::BusName::from_static_str(SERVICE).expect("a name");
    let pid = bus.get_connection_unix_process_id(name).await.expect("the keyring runs");
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
    owners.next().await.expect("its name is free");
}

/// A call of the keyring's service.
async fn call<T>(method: &str, body: &(impl serde::Serialize + zbus::zvariant::DynamicType)) -> T
where
    T: serde::de::DeserializeOwned + zbus::zvariant::Type,
{
    let bus = zbus::Connection::session().await.expect("a bus");
    let path = "/org/freedesktop/secrets";
    let reply = bus.call_method(Some(SERVICE), path, Some("org.freedesktop.Secret.Service"), method, body).await;
    reply.expect("answered").body().deserialize().expect("as the specification says")
}

async fn lock() {
    let default: OwnedObjectPath = call("ReadAlias", &"default").await;
    let (locked, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) = call("Lock", &(vec![&default],)).await;
    assert_eq!((locked, prompt.as_str()), (vec![default], "/"));
}

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

/// What is found if nothing is stored.
fn none(keyring: Keyring) -> StoredCredentials {
    StoredCredentials { keyring, ..StoredCredentials::default() }
}

#[test]
fn stored_credentials_are_found_again_and_deleted_for_good() {
    with_keyring(async {
        assert_eq!(remembered().await, none(Keyring::Ready));
        keep("mdupont", Some(&secret("4321")), false).await.expect("kept");
        let kept = StoredCredentials { identifier: Some("mdupont".into()), pin: true, keyring: Keyring::Ready };
        assert_eq!(remembered().await, kept);
        assert_eq!(pin().await, Ok(secret("4321")));
        // Another identifier replaces it; a PIN that is not to be kept any more is deleted.
        keep("jmartin", None, false).await.expect("kept");
        assert_eq!(remembered().await, StoredCredentials { identifier: Some("jmartin".into()), ..kept.clone() });
        keep("mdupont", None, true).await.expect("kept");
        assert_eq!(remembered().await, StoredCredentials { pin: false, ..kept.clone() });
        keep("mdupont", Some(&secret("4321")), false).await.expect("kept");
        forget().await.expect("deleted");
        assert_eq!(remembered().await, none(Keyring::Ready));
        assert!(pin().await.is_err());
        forget().await.expect("there is nothing to delete");
    });
}

#[test]
fn locked_keyring_is_reported_and_not_unlocked() {
    with_keyring(async {
        keep("mdupont", Some(&secret("4321")), false).await.expect("kept");
        lock().await;
        assert_eq!(remembered().await, none(Keyring::Locked));
        assert!(pin().await.is_err_and(|why| why.contains("locked")));
        assert!(keep("mdupont", None, false).await.is_err());
        assert!(forget().await.is_err(), "what is locked cannot be said to be gone");
    });
}

#[test]
fn killed_keyring_is_reported() {
    with_keyring(async {
        keep("mdupont", Some(&secret("4321")), false).await.expect("kept");
        kill_daemon().await;
        assert_eq!(remembered().await, none(Keyring::Absent));
        assert!(forget().await.is_err());
    });
}

/// A played service whose items are locked each, as those of KeePassXC; it serves what can be read without a prompt.
struct Service;

#[zbus::interface(name = "org.freedesktop.Secret.Service")]
impl Service {
    fn read_alias(&self, _name: &str) -> ObjectPath<'static> {
        ObjectPath::from_static_str_unchecked("/collection")
    }
}

struct Collection {
    locked: bool,
}

#[zbus::interface(name = "org.freedesktop.Secret.Collection")]
impl Collection {
    fn search_items(&self, attributes: HashMap<String, String>) -> Vec<OwnedObjectPath> {
        assert_eq!(attributes["service"], "Vigie VPN");
        vec![ObjectPath::try_from(format!("/{}", attributes["username"])).expect("a path").into()]
    }

    #[zbus(property)]
    fn locked(&self) -> bool {
        self.locked
    }
}

struct LockedItem;

#[zbus::interface(name = "org.freedesktop.Secret.Item")]
impl LockedItem {
    #[zbus(property)]
    fn attributes(&self) -> HashMap<String, String> {
        HashMap::from([("identifier".into(), "mdupont".into())])
    }

    #[zbus(property)]
    fn locked(&self) -> bool {
        true
    }
}

#[test]
fn looking_at_locked_items_shows_what_is_stored_and_prompts_for_nothing() {
    with_session_bus(async {
        for locked in [false, true] {
            let builder = zbus::connection::Builder::session().expect("a bus");
            let builder = builder.serve_at("/org/freedesktop/secrets", Service).expect("a path");
            let builder = builder.serve_at("/collection", Collection { locked }).expect("a path");
            let builder = builder.serve_at("/identifiant", LockedItem).expect("a path");
            let service = builder.name(SERVICE).expect("a name").build().await.expect("connected");
            let expected = match locked {
                true => StoredCredentials { keyring: Keyring::Locked, ..StoredCredentials::default() },
                false => StoredCredentials { identifier: Some("mdupont".into()), pin: true, keyring: Keyring::Ready },
            };
            assert_eq!(remembered().await, expected);
            service.close().await.expect("gone");
        }
    });
}
