//! Windows' Credential Manager, through `keyring`. Its calls block, so they run beside the event loop.

use super::{CredentialKind, KeyringError};
use keyring_core::{Entry, Error as StoreError, Result as StoreResult};
use std::collections::HashMap;
use vigie_core::connect::Secret;
use zeroize::Zeroizing;

/// The service under which Windows lists the credentials.
const SERVICE: &str = "Vigie VPN";

/// Returns the identifier that is stored, and whether a PIN is.
pub async fn inspect() -> Result<(Option<String>, bool), KeyringError> {
    let identifier = get(CredentialKind::Identifier).await?.map(|secret| secret.expose().to_owned());
    Ok((identifier, get(CredentialKind::Pin).await?.is_some()))
}

/// Returns what is stored.
pub async fn get(item: CredentialKind) -> Result<Option<Secret>, KeyringError> {
    let secret = call(move || entry(item)?.get_secret().map(Zeroizing::new)).await?;
    let Some(secret) = secret else { return Ok(None) };
    let text =
        std::str::from_utf8(&secret).map_err(|_| KeyringError::Absent("the stored secret is not text".into()))?;
    Ok(Some(Secret::from(text.to_owned())))
}

/// Stores the secret, in place of an older one.
pub async fn set(item: CredentialKind, secret: &Secret) -> Result<(), KeyringError> {
    let secret = secret.clone();
    call(move || entry(item)?.set_secret(secret.expose().as_bytes())).await.map(|_| ())
}

/// Deletes what is stored, if anything is.
pub async fn delete(item: CredentialKind) -> Result<(), KeyringError> {
    call(move || entry(item)?.delete_credential()).await.map(|_| ())
}

/// The credentials stay on this computer; by default they would follow a roaming profile
/// (<https://learn.microsoft.com/windows/win32/api/wincred/ns-wincred-credentialw>, `Persist`).
fn entry(item: CredentialKind) -> StoreResult<Entry> {
    Entry::new_with_modifiers(SERVICE, item.name(), &HashMap::from([("persistence", "Local")]))
}

/// `None` if there is no such item.
async fn call<T: Send + 'static>(
    work: impl FnOnce() -> StoreResult<T> + Send + 'static,
) -> Result<Option<T>, KeyringError> {
    if let Err(error) = keyring::v1::Entry::store_status() {
        return Err(KeyringError::Absent(error.to_string()));
    }
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| KeyringError::Absent(error.to_string()))?;
    match done {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::NoEntry) => Ok(None),
        Err(StoreError::NoStorageAccess(_)) => Err(KeyringError::Locked),
        Err(error) => Err(KeyringError::Absent(error.to_string())),
    }
}
