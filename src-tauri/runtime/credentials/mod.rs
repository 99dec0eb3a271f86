//! The OS keyring: the identifier, and the PIN if the user wants it stored. Never the six digits.
//!
//! Listing what is stored never prompts: a locked keyring is reported, and the form asks for its fields again. Only an
//! action that the user has just requested (connecting, storing, deleting) may make the keyring ask for permission.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;
#[cfg(all(test, target_os = "linux"))]
mod tests;
#[cfg(all(test, windows))]
mod windows_tests;

use std::time::Duration;
use tokio::time::timeout;
use vigie_core::connect::{Keyring, Secret, StoredCredentials};

/// How long listing may take. (A daemon that was killed is started again on demand.)
const INSPECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a call may take if the keyring may ask the user for permission.
const PROMPT_TIMEOUT: Duration = Duration::from_secs(120);

/// What is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CredentialKind {
    Identifier,
    Pin,
}

impl CredentialKind {
    const ALL: [CredentialKind; 2] = [CredentialKind::Identifier, CredentialKind::Pin];

    /// Its name in the keyring.
    fn name(self) -> &'static str {
        match self {
            CredentialKind::Identifier => "identifiant",
            CredentialKind::Pin => "pin",
        }
    }
}

/// Why a call of the keyring failed.
#[derive(Debug, thiserror::Error)]
enum KeyringError {
    #[error("the keyring is locked")]
    Locked,
    #[error("no keyring: {0}")]
    Absent(String),
}

/// Returns what is stored, and whether the keyring can be used.
pub async fn remembered() -> StoredCredentials {
    match inspect().await {
        Ok((identifier, pin)) => StoredCredentials { identifier, pin, keyring: Keyring::Ready },
        Err(error) => {
            tracing::info!(%error, "the stored credentials cannot be read");
            let keyring = match error {
                KeyringError::Locked => Keyring::Locked,
                KeyringError::Absent(_) => Keyring::Absent,
            };
            StoredCredentials { keyring, ..StoredCredentials::default() }
        }
    }
}

/// Returns the stored PIN.
///
/// # Errors
/// Why it cannot be read, for the log.
pub async fn pin() -> Result<Secret, String> {
    let pin = call(platform::get(CredentialKind::Pin)).await.map_err(|error| error.to_string())?;
    pin.ok_or_else(|| "no PIN is stored".into())
}

/// Stores the identifier, and the PIN if one is given. Otherwise `forget_pin` says whether a stored one is deleted.
///
/// # Errors
/// Why it failed, for the log.
pub async fn keep(identifier: &str, pin: Option<&Secret>, forget_pin: bool) -> Result<(), String> {
    let store = async {
        platform::set(CredentialKind::Identifier, &Secret::from(identifier.to_owned())).await?;
        match pin {
            Some(pin) => platform::set(CredentialKind::Pin, pin).await,
            None if forget_pin => platform::delete(CredentialKind::Pin).await,
            None => Ok(()),
        }
    };
    call(store).await.map_err(|error| error.to_string())
}

/// Deletes both, and checks that they are gone.
///
/// # Errors
/// Why they may not be, for the log.
pub async fn forget() -> Result<(), String> {
    let delete = async {
        for item in CredentialKind::ALL {
            platform::delete(item).await?;
        }
        match inspect().await? {
            (None, false) => Ok(()),
            _ => Err(KeyringError::Absent("the credentials are still there after they were deleted".into())),
        }
    };
    call(delete).await.map_err(|error| error.to_string())
}

async fn inspect() -> Result<(Option<String>, bool), KeyringError> {
    in_time(INSPECT_TIMEOUT, platform::inspect()).await
}

/// Calls a keyring that exists and is unlocked: only then is it worth waiting for the user.
async fn call<T>(work: impl Future<Output = Result<T, KeyringError>>) -> Result<T, KeyringError> {
    inspect().await?;
    in_time(PROMPT_TIMEOUT, work).await
}

/// Gives `work` up after `limit`: the keyring then counts as absent.
async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, KeyringError>>) -> Result<T, KeyringError> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(KeyringError::Absent("it does not answer".into())))
}
