//! The keyring as it is: a real gnome-keyring on a session bus of its own, never the user's.

use super::{forget, keep, pin, remembered};
use crate::test_bus::with_session_bus;
use std::collections::HashMap;
use std::process::{Command, Stdio};
use vigie_core::connect::{Keyring, Secret, StoredCredentials};
use zbus::zvariant::{ObjectPath, OwnedObjectPath};

const ROLE: &str = "VIGIE_TEST_KEYRING";

/// Runs the named test below once more, on a bus of its own.
fn on_a_bus_of_its_own(role: &str) {
    let home = tempfile::tempdir().expect("/tmp can be written");
    let mut command = Command::new("dbus-run-session");
    command.arg("--").arg(std::env::current_exe().expect("this program"));
    command.args(["--exact", "--nocapture", "runtime::credentials::tests::a_process_with_a_keyring"]);
    command.env(ROLE, role).env("HOME", home.path()).env("XDG_DATA_HOME", home.path().join("share"));
    command.env("XDG_RUNTIME_DIR", home.path()).env("XDG_CONFIG_HOME", home.path().join("config"));
    command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY").env_remove("GNOME_KEYRING_CONTROL");
    let output = command.output().expect("dbus-run-session is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &*String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    // What it wrote holds no secret in clear.
    let grep = Command::new("grep").args(["-rlaF", "-e", "4321", "-e", "mdupont"]).arg(home.path()).output();
    let found = grep.expect("grep is there").stdout;
    assert!(found.is_empty(), "{}", String::from_utf8_lossy(&found));
}

/// Starts gnome-keyring with a default keyring that is open; it ends with its bus.
fn start_daemon() {
    let mut command = Command::new("gnome-keyring-daemon");
    command
        .args(["--unlock", "--components=secrets"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut daemon = command.spawn().expect("gnome-keyring is installed");
    std::io::Write::write_all(&mut daemon.stdin.take().expect("piped"), b"password\n").expect("it reads");
    assert!(daemon.wait().expect("it goes into the background").success());
}

fn kill_daemon() {
    let mut owner = Command::new("dbus-send");
    owner.args(["--session", "--print-reply=literal", "--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"]);
    owner.args(["org.freedesktop.DBus.GetConnectionUnixProcessID", "string:org.freedesktop.secrets"]);
    let output = owner.output().expect("dbus-send is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pid = text.split_whitespace().next_back().expect("a process id");
    assert!(Command::new("kill").args(["-9", pid]).status().expect("kill is there").success(), "{text}");
}

/// A call of the keyring's service.
async fn call<T>(method: &str, body: &(impl serde::Serialize + zbus::zvariant::DynamicType)) -> T
where
    T: serde::de::DeserializeOwned + zbus::zvariant::Type,
{
    let bus = zbus::Connection::session().await.expect("a bus");
    let (service, path) = ("org.freedesktop.secrets", "/org/freedesktop/secrets");
    let reply = bus.call_method(Some(service), path, Some("org.freedesktop.Secret.Service"), method, body).await;
    reply.expect("answered").body().deserialize().expect("as the specification says")
}

async fn lock() {
    let default: OwnedObjectPath = call("ReadAlias", &"default").await;
    let (locked, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) = call("Lock", &(vec![&default],)).await;
    assert_eq!((locked, prompt.as_str()), (vec![default], "/"));
}

/// Not a test of its own: what the processes of the tests below run.
#[tokio::test]
async fn a_process_with_a_keyring() {
    let secret = |text: &str| Secret::from(text.to_owned());
    let none = |keyring| StoredCredentials { keyring, ..StoredCredentials::default() };
    match std::env::var(ROLE).unwrap_or_default().as_str() {
        "kept" => {
            start_daemon();
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
        }
        "locked" => {
            start_daemon();
            keep("mdupont", Some(&secret("4321")), false).await.expect("kept");
            lock().await;
            assert_eq!(remembered().await, none(Keyring::Locked));
            assert!(pin().await.is_err_and(|why| why.contains("locked")));
            assert!(keep("mdupont", None, false).await.is_err());
            assert!(forget().await.is_err(), "what is locked cannot be said to be gone");
        }
        "killed" => {
            start_daemon();
            keep("mdupont", Some(&secret("4321")), false).await.expect("kept");
            kill_daemon();
            // The bus may start another one, which is locked; either way the form asks again.
            let after = remembered().await;
            assert_ne!(after.keyring, Keyring::Ready, "{after:?}");
            assert!(forget().await.is_err());
        }
        _ => {}
    }
}

#[test]
fn stored_credentials_are_found_again_and_deleted_for_good() {
    on_a_bus_of_its_own("kept");
}

#[test]
fn locked_keyring_is_reported_and_not_unlocked() {
    on_a_bus_of_its_own("locked");
}

#[test]
fn killed_keyring_is_reported() {
    on_a_bus_of_its_own("killed");
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
            let service = builder.name("org.freedesktop.secrets").expect("a name").build().await.expect("connected");
            let expected = match locked {
                true => StoredCredentials { keyring: Keyring::Locked, ..StoredCredentials::default() },
                false => StoredCredentials { identifier: Some("mdupont".into()), pin: true, keyring: Keyring::Ready },
            };
            assert_eq!(remembered().await, expected);
            service.close().await.expect("gone");
        }
    });
}
