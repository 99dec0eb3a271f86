//! The clipboard.
//!
//! On Linux copied text can be pasted only as long as the program that copied it runs and serves it. So the connection
//! to the display is made for the first copy, and kept afterwards (`arboard` serves requests on a thread of its own).
//! (tests/desktop/launch.rs pastes what the real program has copied.)

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use vigie_core::connect::Secret;
use zeroize::Zeroizing;

/// How long a passcode stays on the clipboard: its six digits are not valid for longer.
pub const PASSCODE_EXPIRY: Duration = Duration::from_secs(30);

/// How long the display may take to accept a text.
const DISPLAY_TIMEOUT: Duration = Duration::from_secs(5);

/// What Vigie has copied.
#[derive(Default)]
pub struct Clipboard {
    owner: Option<arboard::Clipboard>,
    /// A call that the display has not answered in time.
    stuck: Option<JoinHandle<Result<arboard::Clipboard, arboard::Error>>>,
}

impl Clipboard {
    /// Returns a clipboard on which Vigie has put nothing yet.
    pub fn new() -> Clipboard {
        Clipboard::default()
    }

    /// Puts a text on the clipboard.
    ///
    /// # Errors
    /// The system's message, if there is no clipboard (no display) or it does not answer in time.
    pub async fn set(&mut self, text: String) -> Result<(), String> {
        self.put(move |owner| owner.set_text(text.as_str())).await
    }

    /// Puts a secret on the clipboard, marked so that no history and no cloud keeps it, and removes it after that time
    /// if it is still there.
    ///
    /// # Errors
    /// As [`Clipboard::set`].
    pub async fn copy_with_expiry(this: Arc<Mutex<Clipboard>>, secret: Secret, lasts: Duration) -> Result<(), String> {
        let copy = secret.clone();
        this.lock().await.put(move |owner| mark(owner.set()).text(copy.expose())).await?;
        tokio::spawn(async move {
            tokio::time::sleep(lasts).await;
            let remove = move |owner: &mut arboard::Clipboard| match owner.get_text().map(Zeroizing::new) {
                Ok(text) if *text == secret.expose() => owner.clear(),
                // Something else was copied since.
                Ok(_) | Err(_) => Ok(()),
            };
            if let Err(error) = this.lock().await.put(remove).await {
                tracing::warn!(%error, "the passcode may still be on the clipboard");
            }
        });
        Ok(())
    }

    async fn put(
        &mut self,
        work: impl Fn(&mut arboard::Clipboard) -> Result<(), arboard::Error> + Send + 'static,
    ) -> Result<(), String> {
        // One thread at most waits for a display that does not answer.
        if self.stuck.as_ref().is_some_and(|stuck| !stuck.is_finished()) {
            return Err("the display does not answer".into());
        }
        self.stuck = None;
        let owner = self.owner.take();
        let mut call = tokio::task::spawn_blocking(move || put(owner, work));
        let Ok(done) = timeout(DISPLAY_TIMEOUT, &mut call).await else {
            self.stuck = Some(call);
            return Err("the display does not answer".into());
        };
        self.owner = Some(done.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?);
        Ok(())
    }
}

/// Sets `x-kde-passwordManagerHint`, which clipboard managers on Linux respect.
#[cfg(not(windows))]
fn mark(set: arboard::Set<'_>) -> arboard::Set<'_> {
    use arboard::SetExtLinux as _;
    set.exclude_from_history()
}

/// Sets `ExcludeClipboardContentFromMonitorProcessing`, and excludes history and cloud.
#[cfg(windows)]
fn mark(set: arboard::Set<'_>) -> arboard::Set<'_> {
    use arboard::SetExtWindows as _;
    set.exclude_from_monitoring().exclude_from_history().exclude_from_cloud()
}

fn put(
    owner: Option<arboard::Clipboard>,
    work: impl Fn(&mut arboard::Clipboard) -> Result<(), arboard::Error>,
) -> Result<arboard::Clipboard, arboard::Error> {
    if let Some(mut owner) = owner {
        match work(&mut owner) {
            Ok(()) => return Ok(owner),
            // Its display may have ended: try a new connection.
            Err(error) => tracing::debug!(%error, "connecting to the clipboard again"),
        }
    }
    let mut owner = arboard::Clipboard::new()?;
    work(&mut owner)?;
    Ok(owner)
}

#[cfg(test)]
#[cfg(windows)]
mod windows_tests {
    use super::*;
    use std::time::Instant;
    use windows::Win32::System::DataExchange::{IsClipboardFormatAvailable, RegisterClipboardFormatW};
    use windows::core::{PCWSTR, w};

    /// The names are Microsoft's
    /// (<https://learn.microsoft.com/windows/win32/dataxchg/clipboard-formats>, "Cloud Clipboard and Clipboard History
    /// Formats"). Each is there while a secret is, and says no.
    const MARKS: [PCWSTR; 3] = [
        w!("ExcludeClipboardContentFromMonitorProcessing"),
        w!("CanIncludeInClipboardHistory"),
        w!("CanUploadToCloudClipboard"),
    ];

    fn marked() -> usize {
        // SAFETY: the names are constants.
        MARKS
            .iter()
            .filter(|mark| unsafe { IsClipboardFormatAvailable(RegisterClipboardFormatW(**mark)) }.is_ok())
            .count()
    }

    fn text() -> Option<String> {
        arboard::Clipboard::new().unwrap().get_text().ok()
    }

    #[tokio::test]
    async fn secret_is_kept_out_of_the_history_and_removed_but_nothing_else_is() {
        const LASTS: Duration = Duration::from_secs(1);
        crate::wine::only();
        let clipboard = Arc::new(Mutex::new(Clipboard::new()));
        let copy =
            |secret: &str| Clipboard::copy_with_expiry(clipboard.clone(), Secret::from(secret.to_owned()), LASTS);
        copy("4321123456").await.unwrap();
        assert_eq!((text().as_deref(), marked()), (Some("4321123456"), 3));
        let end = Instant::now() + 10 * LASTS;
        while text().is_some_and(|text| !text.is_empty()) {
            assert!(Instant::now() < end, "it is taken away");
            tokio::time::sleep(LASTS / 10).await;
        }
        copy("4321654321").await.unwrap();
        clipboard.lock().await.set("*21".into()).await.unwrap();
        assert_eq!(marked(), 0, "a telephone code is no secret");
        // The task that removes the secret owns the clipboard, too, until it has ended.
        let end = Instant::now() + 10 * LASTS;
        while Arc::strong_count(&clipboard) > 1 {
            assert!(Instant::now() < end, "the secret's time ends");
            tokio::time::sleep(LASTS / 10).await;
        }
        assert_eq!(text().as_deref(), Some("*21"), "what was copied since stays");
    }
}
