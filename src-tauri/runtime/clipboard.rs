//! The clipboard.
//!
//! On Linux copied text can be pasted only as long as the program that copied it runs and serves it. So the connection
//! to the display is made for the first copy, and kept afterwards (`arboard` serves requests on a thread of its own).

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
        tokio::time::sleep(2 * LASTS).await;
        assert_eq!(text().as_deref(), Some("*21"), "what was copied since stays");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    /// A process that ends with the test.
    struct Ended(Child);

    impl Drop for Ended {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn this_program(test: &str, role: &str, display: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "--nocapture", &format!("runtime::clipboard::tests::{test}")]);
        command.env("VIGIE_TEST_CLIPBOARD", role).env("DISPLAY", display).env_remove("WAYLAND_DISPLAY");
        command
    }

    /// Not a test by itself: the child processes of the tests below run it.
    #[test]
    fn a_process_with_a_clipboard() {
        let role = std::env::var("VIGIE_TEST_CLIPBOARD").unwrap_or_default();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        // The end of tokio's own thread, after ten seconds without work, is not what is measured below.
        let runtime = runtime.enable_all().thread_keep_alive(Duration::from_secs(600)).build().expect("a runtime");
        match role.as_str() {
            "owner" => {
                let mut clipboard = Clipboard::new();
                runtime.block_on(clipboard.set("first".into())).expect("copied");
                runtime.block_on(clipboard.set("*21 é".into())).expect("copied over it");
                std::thread::sleep(Duration::from_secs(60));
            }
            "copier" => runtime.block_on(async {
                let clipboard = Arc::new(Mutex::new(Clipboard::new()));
                let copy = |secret: &str| {
                    Clipboard::copy_with_expiry(clipboard.clone(), Secret::from(secret.to_owned()), LASTS)
                };
                copy("4321123456").await.expect("copied");
                tokio::time::sleep(2 * LASTS).await;
                copy("4321654321").await.expect("copied");
                clipboard.lock().await.set("*21".into()).await.expect("copied over it");
                tokio::time::sleep(Duration::from_secs(60)).await;
            }),
            "reader" => {
                let text = arboard::Clipboard::new().and_then(|mut clipboard| clipboard.get_text());
                assert_eq!(text.expect("pasted"), "*21 é");
            }
            "alone" => {
                assert!(runtime.block_on(Clipboard::new().set("x".into())).is_err(), "no display");
            }
            _ => {}
        }
    }

    const LASTS: Duration = Duration::from_secs(3);

    /// Returns what another program pastes, in that format.
    fn pasted(display: &str, form: &str) -> Option<String> {
        let mut command = Command::new("xclip");
        command.args(["-selection", "clipboard", "-out", "-target", form]).env("DISPLAY", display);
        let output = command.output().expect("xclip is installed");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !so() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn start_x() -> (Ended, String) {
        // Without -noreset it restarts when its only client ends, and refuses one that connects in that moment.
        let mut xvfb = Command::new("Xvfb");
        xvfb.args(["-displayfd", "1", "-nolisten", "tcp", "-noreset"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut xvfb = Ended(xvfb.spawn().expect("Xvfb is installed"));
        let mut number = String::new();
        let said = xvfb.0.stdout.take().expect("piped");
        BufReader::new(said).read_line(&mut number).expect("Xvfb says its display");
        (xvfb, format!(":{}", number.trim()))
    }

    #[test]
    fn secret_is_marked_and_removed_but_nothing_else_is() {
        let (_xvfb, display) = start_x();
        let copier = this_program("a_process_with_a_clipboard", "copier", &display).stdout(Stdio::null()).spawn();
        let _copier = Ended(copier.expect("started"));
        let text = || pasted(&display, "UTF8_STRING");
        wait_until("it is lent", || text().as_deref() == Some("4321123456"));
        assert_eq!(pasted(&display, "x-kde-passwordManagerHint").as_deref(), Some("secret"));
        wait_until("it is taken away", || text().unwrap_or_default().is_empty());
        wait_until("something else is copied", || text().as_deref() == Some("*21"));
        assert_ne!(pasted(&display, "x-kde-passwordManagerHint").as_deref(), Some("secret"));
        std::thread::sleep(2 * LASTS);
        assert_eq!(text().as_deref(), Some("*21"), "what was copied since stays");
    }

    #[test]
    fn copied_text_can_be_pasted_as_long_as_vigie_runs() {
        let (_xvfb, display) = start_x();
        let test = "a_process_with_a_clipboard";
        let owner = this_program(test, "owner", &display).stdout(Stdio::null()).spawn().expect("started");
        let owner = Ended(owner);
        let reads = || {
            let status = this_program(test, "reader", &display).stdout(Stdio::null()).stderr(Stdio::null()).status();
            status.expect("started").success()
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !reads() {
            assert!(Instant::now() < deadline, "it cannot be pasted");
            std::thread::sleep(Duration::from_millis(50));
        }
        // The text can be pasted again, and keeping it costs no CPU time.
        std::thread::sleep(Duration::from_millis(300));
        let before = switches(owner.0.id());
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(switches(owner.0.id()), before, "a thread woke up for nothing");
        assert!(reads());
        drop(owner);
        assert!(!reads());
    }

    #[test]
    fn without_a_display_it_is_an_error() {
        let status = this_program("a_process_with_a_clipboard", "alone", ":987").stdout(Stdio::null()).status();
        assert!(status.expect("started").success());
    }

    /// Context switches of all threads of a process.
    fn switches(pid: u32) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
        let texts = tasks.flatten().map(|task| std::fs::read_to_string(task.path().join("status")).unwrap_or_default());
        texts
            .map(|text| {
                text.lines()
                    .filter_map(|line| line.split_once("ctxt_switches:")?.1.trim().parse::<u64>().ok())
                    .sum::<u64>()
            })
            .sum()
    }
}
