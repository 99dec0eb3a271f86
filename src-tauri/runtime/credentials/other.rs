//! Windows Credential Manager and the macOS Keychain, through `keyring`. Its calls block, so they run beside the loop.

use super::{Error, Kept};
use keyring_core::{Entry, Error as Fault, Result as Done};
use std::collections::HashMap;
use vigie_core::connect::Secret;
use zeroize::Zeroizing;

/// The service under which the system's own programs list what is kept.
const SERVICE: &str = "Vigie VPN";

/// The user's keyring.
pub struct Open;

/// Opens the keyring.
pub async fn open() -> Result<Open, Error> {
    match keyring::v1::Entry::store_status() {
        Ok(()) => Ok(Open),
        Err(error) => Err(Error::Absent(error.to_string())),
    }
}

impl Open {
    /// What is kept under that name.
    pub async fn get(&mut self, kept: Kept) -> Result<Option<Secret>, Error> {
        let bytes = found(beside(move || entry(kept)?.get_secret()).await?)?.map(Zeroizing::new);
        let Some(bytes) = bytes else { return Ok(None) };
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::Absent("what is kept is no text".into()))?;
        Ok(Some(Secret::from(text.to_owned())))
    }

    /// Whether something is kept under that name.
    pub async fn has(&mut self, kept: Kept) -> Result<bool, Error> {
        Ok(self.get(kept).await?.is_some())
    }

    /// Keeps this under that name; what stood there is replaced.
    pub async fn set(&mut self, kept: Kept, secret: &Secret) -> Result<(), Error> {
        let secret = secret.clone();
        beside(move || entry(kept)?.set_secret(secret.expose().as_bytes())).await?.map_err(absent)
    }

    /// Deletes what is kept under that name.
    pub async fn delete(&mut self, kept: Kept) -> Result<(), Error> {
        found(beside(move || entry(kept)?.delete_credential()).await?).map(|_| ())
    }
}

/// Windows keeps it on this computer alone; unless told so, it would let it go with a roaming profile
/// (<https://learn.microsoft.com/windows/win32/api/wincred/ns-wincred-credentialw>, `Persist`).
fn entry(kept: Kept) -> Done<Entry> {
    let modifiers = if cfg!(windows) { HashMap::from([("persistence", "Local")]) } else { HashMap::new() };
    Entry::new_with_modifiers(SERVICE, kept.name(), &modifiers)
}

async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Absent(error.to_string()))
}

/// That there is nothing is no fault.
fn found<T>(result: Done<T>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Fault::NoEntry) => Ok(None),
        Err(error) => Err(absent(error)),
    }
}

fn absent(error: Fault) -> Error {
    // The keychain is there, but does not open.
    if matches!(error, Fault::NoStorageAccess(_)) { Error::Locked } else { Error::Absent(error.to_string()) }
}
