//! The Secret Service (gnome-keyring, KWallet, KeePassXC).
//!
//! Listing what is stored must never ask for a password, but the keyring's store for this service unlocks whatever it
//! touches. So [`inspect`] reads properties only, over zbus: the collection's `Locked`, and the items' attributes. Secrets
//! are read, written and deleted through `keyring` (docs/decisions/0008-keyring.md).

use super::{CredentialKind, KeyringError};
use keyring_core::api::CredentialStoreApi;
use keyring_core::{Entry, Error as StoreError, Result as StoreResult};
use std::collections::HashMap;
use tokio::sync::Semaphore;
use vigie_core::connect::Secret;
use zbus::Connection;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};
use zbus_secret_service_keyring_store::Store;
use zeroize::Zeroizing;

/// The service's name on the bus and its root object (Secret Service API 0.2).
const SERVICE: &str = "org.freedesktop.secrets";
const PATH: &str = "/org/freedesktop/secrets";

/// The value of the items' attribute `service`.
const APPLICATION: &str = "Vigie VPN";

/// The attribute in which the identifier's item repeats its secret. Attributes can be read while the item is locked, as
/// KeePassXC locks each one until the user allows the program to read it.
const IDENTIFIER: &str = "identifier";

/// The store's calls block their thread until the service answers, so at most one is under way.
static CALLS: Semaphore = Semaphore::const_new(1);

/// Returns the identifier that is stored, and whether a PIN is. Never prompts.
pub async fn inspect() -> Result<(Option<String>, bool), KeyringError> {
    let bus = Connection::session().await.map_err(absent)?;
    let collection = unlocked_collection(&bus).await?;
    let identifier = items(&bus, &collection, CredentialKind::Identifier).await?;
    let identifier = match identifier.first() {
        Some(item) => attributes(&bus, item).await?.remove(IDENTIFIER),
        None => None,
    };
    Ok((identifier, !items(&bus, &collection, CredentialKind::Pin).await?.is_empty()))
}

/// Returns what is stored; asks the user to allow it if the service wants that.
pub async fn get(item: CredentialKind) -> Result<Option<Secret>, KeyringError> {
    let secret = call(move |store| entry(store, item)?.get_secret().map(Zeroizing::new)).await?;
    let Some(secret) = secret else { return Ok(None) };
    let text =
        std::str::from_utf8(&secret).map_err(|_| KeyringError::Absent("the stored secret is not text".into()))?;
    Ok(Some(Secret::from(text.to_owned())))
}

/// Stores the secret, in place of an older one.
pub async fn set(item: CredentialKind, secret: &Secret) -> Result<(), KeyringError> {
    let secret = secret.clone();
    let stored = call(move |store| {
        let entry = entry(store, item)?;
        entry.set_secret(secret.expose().as_bytes())?;
        let identifier = (item == CredentialKind::Identifier).then(|| (IDENTIFIER, secret.expose()));
        entry.update_attributes(&[("application", "vigie")].into_iter().chain(identifier).collect())
    });
    stored.await.map(|_| ())
}

/// Deletes what is stored, if anything is.
pub async fn delete(item: CredentialKind) -> Result<(), KeyringError> {
    call(move |store| entry(store, item)?.delete_credential()).await.map(|_| ())
}

/// Runs a call of the store beside the event loop; `None` if there is no such item.
async fn call<T: Send + 'static>(
    work: impl FnOnce(&Store) -> StoreResult<T> + Send + 'static,
) -> Result<Option<T>, KeyringError> {
    let permit = CALLS.acquire().await.map_err(absent)?;
    // A new store each time: the session with a service that was restarted is of no use.
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work(&*Store::new()?)
    });
    match done.await.map_err(absent)? {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::NoEntry) => Ok(None),
        Err(error @ StoreError::NoStorageAccess(_)) => {
            tracing::info!(%error, "the keyring refuses access");
            Err(KeyringError::Locked)
        }
        Err(error) => Err(absent(error)),
    }
}

fn entry(store: &Store, item: CredentialKind) -> StoreResult<Entry> {
    let label = format!("Vigie : {} du VPN", item.name());
    store.build(APPLICATION, item.name(), Some(&HashMap::from([("label", label.as_str())])))
}

async fn unlocked_collection(bus: &Connection) -> Result<OwnedObjectPath, KeyringError> {
    let service = Some("org.freedesktop.Secret.Service");
    let answer = bus.call_method(Some(SERVICE), PATH, service, "ReadAlias", &"default").await.map_err(absent)?;
    let collection: OwnedObjectPath = answer.body().deserialize().map_err(absent)?;
    if collection.as_str() == "/" {
        return Err(KeyringError::Absent("there is no default keyring".into()));
    }
    let locked = property(bus, &collection, "org.freedesktop.Secret.Collection", "Locked").await?;
    if bool::try_from(locked).map_err(absent)? { Err(KeyringError::Locked) } else { Ok(collection) }
}

async fn items(
    bus: &Connection,
    collection: &OwnedObjectPath,
    item: CredentialKind,
) -> Result<Vec<OwnedObjectPath>, KeyringError> {
    let wanted = HashMap::from([("service", APPLICATION), ("username", item.name())]);
    let interface = Some("org.freedesktop.Secret.Collection");
    let answer = bus.call_method(Some(SERVICE), collection, interface, "SearchItems", &wanted).await;
    answer.map_err(absent)?.body().deserialize().map_err(absent)
}

async fn attributes(bus: &Connection, item: &OwnedObjectPath) -> Result<HashMap<String, String>, KeyringError> {
    let attributes = property(bus, item, "org.freedesktop.Secret.Item", "Attributes").await?;
    attributes.try_into().map_err(absent)
}

/// Reads a property of an object on the bus.
async fn property(
    bus: &Connection,
    object: &OwnedObjectPath,
    interface: &str,
    name: &str,
) -> Result<OwnedValue, KeyringError> {
    let properties = Some("org.freedesktop.DBus.Properties");
    let answer = bus.call_method(Some(SERVICE), object, properties, "Get", &(interface, name)).await;
    answer.map_err(absent)?.body().deserialize().map_err(absent)
}

fn absent(error: impl std::fmt::Display) -> KeyringError {
    KeyringError::Absent(error.to_string())
}
