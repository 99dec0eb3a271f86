//! The OS keyring: the identifier, and the PIN where the user wants it kept. Never the six digits.
//!
//! Linux: the Secret Service, asked on Vigie's own runtime, and never so that it would prompt: a locked keyring is said,
//! and the field is asked again. Elsewhere: the `keyring` crate (Windows Credential Manager, macOS Keychain).

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
use other as system;
#[cfg(all(test, target_os = "linux"))]
mod tests;
#[cfg(all(test, windows))]
mod windows_tests;

use std::time::Duration;
use tokio::time::timeout;
use vigie_core::connect::{Keyring, Secret, StoredCredentials};

/// How long the keyring may take. (A daemon that was killed is started anew on demand.)
const LIMIT: Duration = Duration::from_secs(5);

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Identifier,
    Pin,
}

impl Kept {
    const ALL: [Kept; 2] = [Kept::Identifier, Kept::Pin];

    /// The name under which the keyring has it.
    fn name(self) -> &'static str {
        match self {
            Kept::Identifier => "identifiant",
            Kept::Pin => "pin",
        }
    }
}

/// Why the keyring did not do it.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the keyring is locked")]
    Locked,
    #[error("no keyring: {0}")]
    Absent(String),
}

/// What is kept; whether the keyring can be used.
pub async fn remembered() -> StoredCredentials {
    let read = async {
        let mut keyring = system::open().await?;
        let identifier = keyring.get(Kept::Identifier).await?;
        let pin = keyring.has(Kept::Pin).await?;
        Ok((identifier, pin))
    };
    match in_time(read).await {
        Ok((identifier, pin)) => StoredCredentials {
            identifier: identifier.map(|secret| secret.expose().to_owned()),
            pin,
            keyring: Keyring::Ready,
        },
        Err(error) => {
            tracing::info!(%error, "what is remembered cannot be read");
            let keyring = match error {
                Error::Locked => Keyring::Locked,
                Error::Absent(_) => Keyring::Absent,
            };
            StoredCredentials { keyring, ..StoredCredentials::default() }
        }
    }
}

/// The PIN that is kept.
///
/// # Errors
/// Why it cannot be had, for the log.
pub async fn pin() -> Result<Secret, String> {
    let read = async { system::open().await?.get(Kept::Pin).await };
    let pin = in_time(read).await.map_err(|error| error.to_string())?;
    pin.ok_or_else(|| "no PIN is kept".into())
}

/// Keeps the identifier, and with `pin` the PIN. Without it `forget_pin` says whether one that was kept is deleted.
///
/// # Errors
/// Why not, for the log.
pub async fn keep(identifier: &str, pin: Option<&Secret>, forget_pin: bool) -> Result<(), String> {
    let write = async {
        let mut keyring = system::open().await?;
        keyring.set(Kept::Identifier, &Secret::from(identifier.to_owned())).await?;
        match pin {
            Some(pin) => keyring.set(Kept::Pin, pin).await,
            None if forget_pin => keyring.delete(Kept::Pin).await,
            None => Ok(()),
        }
    };
    in_time(write).await.map_err(|error| error.to_string())
}

/// Deletes both, and looks whether they are gone.
///
/// # Errors
/// Why they may not be, for the log.
pub async fn forget() -> Result<(), String> {
    let delete = async {
        let mut keyring = system::open().await?;
        for kept in Kept::ALL {
            keyring.delete(kept).await?;
            if keyring.has(kept).await? {
                return Err(Error::Absent(format!("{} is still there after it was deleted", kept.name())));
            }
        }
        Ok(())
    };
    in_time(delete).await.map_err(|error| error.to_string())
}

async fn in_time<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(LIMIT, work).await.unwrap_or_else(|_| Err(Error::Absent("it does not answer".into())))
}
