//! The Secret Service (gnome-keyring, KWallet), with secrets encrypted on the bus.

use super::{Error, Kept};
use secret_service::{EncryptionType, Item, SecretService};
use std::collections::HashMap;
use vigie_core::connect::Secret;
use zeroize::Zeroizing;

/// The user's default keyring, unlocked.
pub struct Open {
    service: SecretService<'static>,
}

/// Opens the default keyring, where it is unlocked.
pub async fn open() -> Result<Open, Error> {
    let service = SecretService::connect(EncryptionType::Dh).await.map_err(absent)?;
    let open = Open { service };
    if open.service.get_default_collection().await.map_err(absent)?.is_locked().await.map_err(absent)? {
        return Err(Error::Locked);
    }
    Ok(open)
}

impl Open {
    /// What is kept under that name.
    pub async fn get(&mut self, kept: Kept) -> Result<Option<Secret>, Error> {
        let collection = self.service.get_default_collection().await.map_err(absent)?;
        let items = collection.search_items(attributes(kept)).await.map_err(absent)?;
        let Some(item) = items.first() else { return Ok(None) };
        let bytes = Zeroizing::new(item.get_secret().await.map_err(absent)?);
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::Absent("what is kept is no text".into()))?;
        Ok(Some(Secret::from(text.to_owned())))
    }

    /// Whether something is kept under that name. (It is not read.)
    pub async fn has(&mut self, kept: Kept) -> Result<bool, Error> {
        let collection = self.service.get_default_collection().await.map_err(absent)?;
        Ok(!collection.search_items(attributes(kept)).await.map_err(absent)?.is_empty())
    }

    /// Keeps this under that name; what stood there is replaced.
    pub async fn set(&mut self, kept: Kept, secret: &Secret) -> Result<(), Error> {
        let collection = self.service.get_default_collection().await.map_err(absent)?;
        let label = format!("Vigie : {} du VPN", kept.name());
        let bytes = secret.expose().as_bytes();
        collection.create_item(&label, attributes(kept), bytes, true, "text/plain").await.map_err(absent)?;
        Ok(())
    }

    /// Deletes what is kept under that name.
    pub async fn delete(&mut self, kept: Kept) -> Result<(), Error> {
        let collection = self.service.get_default_collection().await.map_err(absent)?;
        let items: Vec<Item<'_>> = collection.search_items(attributes(kept)).await.map_err(absent)?;
        for item in items {
            item.delete().await.map_err(absent)?;
        }
        Ok(())
    }
}

fn attributes(kept: Kept) -> HashMap<&'static str, &'static str> {
    HashMap::from([("application", "vigie"), ("vpn", kept.name())])
}

fn absent(error: secret_service::Error) -> Error {
    if matches!(error, secret_service::Error::Locked) { Error::Locked } else { Error::Absent(error.to_string()) }
}
