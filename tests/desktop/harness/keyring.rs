//! A real keyring on the desktop.

use super::{ChildProcess, DEADLINE, Desktop, owner, wait_for};
use serde::Serialize;
use std::collections::HashMap;
use zbus::zvariant::{DynamicType, OwnedObjectPath};

/// Starts gnome-keyring and unlocks the user's keyring.
pub fn start_keyring(desktop: &Desktop) -> ChildProcess {
    let mut keyring = desktop.command("sh");
    keyring.args(["-c", "echo password | exec gnome-keyring-daemon --foreground --unlock --components=secrets"]);
    let keyring = desktop.spawn("keyring", &keyring);
    wait_for("the keyring", DEADLINE, || owner(desktop.session(), SECRETS));
    keyring
}

/// The bus name of the keyring.
pub const SECRETS: &str = "org.freedesktop.secrets";

/// Calls the keyring, as any program of the session can.
fn call_keyring<B: Serialize + DynamicType>(desktop: &Desktop, method: &str, body: &B) -> zbus::Message {
    let interface = Some("org.freedesktop.Secret.Service");
    let reply = desktop.session().call_method(Some(SECRETS), "/org/freedesktop/secrets", interface, method, body);
    reply.unwrap_or_else(|error| panic!("{method}: {error}"))
}

/// Returns how many items of Vigie are in the keyring, locked or not.
pub fn stored_items(desktop: &Desktop) -> usize {
    let found = call_keyring(desktop, "SearchItems", &HashMap::from([("application", "vigie")]));
    let (open, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
        found.body().deserialize().expect("the reply is two lists");
    open.len() + locked.len()
}

/// Locks the user's keyring.
pub fn lock_keyring(desktop: &Desktop) {
    let default = call_keyring(desktop, "ReadAlias", &"default");
    let default: OwnedObjectPath = default.body().deserialize().expect("the reply is a path");
    call_keyring(desktop, "Lock", &vec![default]);
}
