//! Connecting: the client that is installed is driven, and the keyring asked.
//!
//! A client is a `Line`: the program to start, and what it makes of each thing that the program says: news, or an answer
//! that goes to its standard input (the only way that a secret takes), when it is asked for and once. `drive` does the
//! rest alike for all: it starts the client, reads it in bounds and in time, and ends it when the attempt is given up.

mod cisco;
#[cfg(target_os = "linux")]
pub mod openconnect;
#[cfg(test)]
mod tests;

use super::credentials;
use crate::Events;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use vigie_core::connect::{ConnectError, ConnectProgress, ConnectRequest, Pin, Secret, Stage, VpnClient};
use vigie_core::message::Event;
use vigie_profile::{Profile, Site};
use zeroize::Zeroizing;

/// How long a client that is to end may take.
const GRACE: Duration = Duration::from_secs(10);
/// How long Cisco's command line may take to disconnect.
const HANG_UP: Duration = Duration::from_secs(30);
/// Bytes that a client may print before the tunnel stands; more is a fault.
const OUTPUT_CAP: usize = 256 * 1024;
/// Bytes of one line that are looked at.
const LINE_CAP: usize = 4096;
/// Bytes that are read at once.
const PIECE: usize = 1024;
/// How long nothing follows a text without a line end before it counts as all that is said. A question has no other mark
/// of its end; those that are known do not wait for it.
const SETTLED: Duration = Duration::from_secs(2);

/// Does what the core asks about connecting; every answer is an event.
pub struct VpnConnector {
    events: Events,
    /// Ends the client that is under way, or holds the tunnel, when it is dropped.
    cancel: Option<oneshot::Sender<HangUp>>,
    /// The last attempt, which may still be ending its client.
    last: Option<JoinHandle<()>>,
}

/// Why a client is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HangUp {
    /// The attempt was given up.
    Cancelled,
    /// The user disconnects, and waits for an answer.
    Asked,
}

/// A client that can be driven.
trait Line: Send {
    /// The program with its arguments. None of them is secret.
    fn command(&self) -> Command;
    /// Whether it holds the tunnel, until its input ends.
    fn stays(&self) -> bool;
    /// What it makes of what it says.
    fn hear(&mut self, said: &Said) -> Option<Heard>;
    /// What its end means, where nothing else has told; `words` are the last lines that it printed.
    fn ended(&self, code: Option<i32>, words: String) -> ConnectError;
}

/// What a client says. Overwritten afterwards: it may repeat what it was told.
enum Said {
    /// A line.
    Line(Zeroizing<String>),
    /// What stands there without a line end: a question, or the beginning of a line.
    Open(Zeroizing<String>),
    /// The same, once nothing has followed for a while.
    Settled(Zeroizing<String>),
}

/// How far an attempt is, or why it failed.
type Progress = Result<ConnectProgress, ConnectError>;

/// What that means.
enum Heard {
    /// How far it is.
    Progress(Progress),
    /// It waits for this, and does that then.
    Answer(Zeroizing<Vec<u8>>, Stage),
    /// It has given up; its last words say why.
    Over,
}

/// Lines for a client's input. Their room is made at once: what grows leaves copies behind.
fn lines(texts: &[&str]) -> Zeroizing<Vec<u8>> {
    let mut lines = Zeroizing::new(Vec::with_capacity(texts.iter().map(|text| text.len() + 1).sum()));
    for text in texts {
        lines.extend_from_slice(text.as_bytes());
        lines.push(b'\n');
    }
    lines
}

impl VpnConnector {
    /// Nothing under way.
    pub fn new(events: Events) -> VpnConnector {
        VpnConnector { events, cancel: None, last: None }
    }

    /// Finds which client can be driven and what the keyring holds; tells [`Event::ConnectReady`].
    pub fn prepare(&self, profile: &Arc<Profile>) {
        let (profile, events) = (profile.clone(), self.events.clone());
        tokio::spawn(async move {
            let remembered = credentials::remembered().await;
            send(&events, Event::ConnectReady(client(&profile), remembered));
        });
    }

    /// Connects; tells [`Event::ConnectProgress`].
    pub fn dial(&mut self, profile: &Arc<Profile>, dial: ConnectRequest) {
        let (cancel, held) = oneshot::channel();
        // What was under way before ends with its cancel.
        self.cancel = Some(cancel);
        let (last, attempt) = (self.last.take(), connect(profile.clone(), dial, held, self.events.clone()));
        self.last = Some(tokio::spawn(async move {
            // Two clients at once would undo each other's routes.
            if let Some(last) = last {
                let _ = last.await;
            }
            attempt.await;
        }));
    }

    /// Ends the attempt that is under way.
    pub fn cancel(&mut self) {
        if let Some(cancel) = self.cancel.take() {
            let _ = cancel.send(HangUp::Cancelled);
        }
    }

    /// Disconnects; tells [`Event::Disconnected`].
    pub fn hang_up(&mut self, profile: &Arc<Profile>) {
        // Where a client holds the tunnel, it answers.
        if self.cancel.take().is_some_and(|cancel| cancel.send(HangUp::Asked).is_ok()) {
            return;
        }
        let (profile, events) = (profile.clone(), self.events.clone());
        tokio::spawn(async move {
            let done = cisco_hangs_up(&profile).await;
            if let Err(why) = &done {
                tracing::error!(%why, "the VPN was not disconnected");
            }
            send(&events, Event::Disconnected(done));
        });
    }

    /// Deletes what the keyring holds; tells [`Event::CredentialsForgotten`].
    pub fn forget(&self) {
        let events = self.events.clone();
        tokio::spawn(async move {
            let done = credentials::forget().await;
            if let Err(why) = &done {
                tracing::error!(%why, "what is remembered was not deleted");
            }
            let remembered = credentials::remembered().await;
            send(&events, Event::CredentialsForgotten(done, remembered));
        });
    }
}

/// PIN and digits, one after the other: the passcode (guide, section 1).
///
/// # Errors
/// Why the keyring does not give the PIN, for the log.
pub async fn passcode(pin: &Pin, digits: &Secret) -> Result<Secret, String> {
    let kept;
    let pin = match pin {
        Pin::Typed(pin) => pin,
        Pin::Remembered => {
            kept = credentials::pin().await?;
            &kept
        }
    };
    let mut passcode = String::with_capacity(pin.expose().len() + digits.expose().len());
    passcode.push_str(pin.expose());
    passcode.push_str(digits.expose());
    Ok(Secret::from(passcode))
}

/// The client that would be used: Cisco's where it is installed, else OpenConnect.
fn client(profile: &Profile) -> Option<VpnClient> {
    if cisco::command_line(profile).is_some() {
        return Some(VpnClient::Cisco);
    }
    #[cfg(target_os = "linux")]
    if openconnect::installed() {
        return Some(VpnClient::OpenConnect);
    }
    None
}

fn line(
    client: VpnClient,
    profile: &Profile,
    site: &Site,
    identifier: String,
    passcode: Secret,
) -> Option<Box<dyn Line>> {
    match client {
        VpnClient::Cisco => {
            let (program, gateway) = (cisco::command_line(profile)?, site.gateway.clone());
            Some(Box::new(cisco::Cisco::new(program, gateway, identifier, passcode)))
        }
        #[cfg(target_os = "linux")]
        VpnClient::OpenConnect => {
            let (helper, site) = (openconnect::helper()?, site.id.clone());
            Some(Box::new(openconnect::OpenConnect::new(helper, site, identifier, passcode)))
        }
        #[cfg(not(target_os = "linux"))]
        VpnClient::OpenConnect => None,
    }
}

async fn connect(profile: Arc<Profile>, dial: ConnectRequest, held: oneshot::Receiver<HangUp>, events: Events) {
    let ConnectRequest { id, client, site, identifier, pin, digits, remember_pin } = dial;
    let tell = |progress| send(&events, Event::ConnectProgress(id, progress));
    let site = profile.sites.iter().find(|one| one.id == site);
    tracing::info!(?client, site = site.map(|site| &site.id), "connecting");
    let passcode = match passcode(&pin, &digits).await {
        Ok(passcode) => passcode,
        Err(why) => {
            tracing::warn!(%why, "the PIN cannot be had");
            return tell(Err(ConnectError::PinLost));
        }
    };
    drop(digits);
    // Only a PIN that is to be kept, and was not before, outlives the handing over: until it has proven right.
    let (forget_pin, kept) = match pin {
        Pin::Typed(pin) => (!remember_pin, Some(pin).filter(|_| remember_pin)),
        Pin::Remembered => (false, None),
    };
    let line = site.and_then(|site| line(client, &profile, site, identifier.clone(), passcode));
    let Some(line) = line else {
        return tell(Err(ConnectError::ClientMissing));
    };
    let limit = Instant::now() + Duration::from_secs(profile.vpn.connect_seconds.into());
    let connected = || {
        tokio::spawn(async move {
            if let Err(why) = credentials::keep(&identifier, kept.as_ref(), forget_pin).await {
                tracing::warn!(%why, "identifier and PIN are not kept");
            }
        });
    };
    let outcome = drive(line, held, limit, &tell, connected).await;
    tracing::info!(?client, ?outcome, "the client has ended");
    if outcome.half && client == VpnClient::Cisco {
        // Cisco's service may go on by itself.
        let _ = cisco_hangs_up(&profile).await;
    }
    if let Some(reason) = outcome.failed {
        tell(Err(reason));
    }
    if outcome.gone {
        tell(Ok(ConnectProgress::Ended));
    }
    if outcome.asked {
        send(&events, Event::Disconnected(Ok(())));
    }
}

async fn cisco_hangs_up(profile: &Profile) -> Result<(), String> {
    let program = cisco::command_line(profile).ok_or("no client holds a tunnel that Vigie could end")?;
    cisco::hang_up(&program, HANG_UP).await
}

/// What came of a client.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// The tunnel did not come to stand, and why.
    failed: Option<ConnectError>,
    /// A tunnel that the client held is gone.
    gone: bool,
    /// The client was ended before the tunnel stood.
    half: bool,
    /// Somebody waits for the answer that it is disconnected.
    asked: bool,
}

/// Starts a client, answers what it asks, and follows it to its end; or, where the tunnel stands without it, until then.
async fn drive(
    mut line: Box<dyn Line>,
    mut held: oneshot::Receiver<HangUp>,
    limit: Instant,
    tell: &impl Fn(Progress),
    connected: impl FnOnce(),
) -> Outcome {
    let failed = |reason| Outcome { failed: Some(reason), ..Outcome::default() };
    let mut child = match spawn(line.command(), line.stays()) {
        Ok(child) => child,
        Err(error) => return failed(ConnectError::Unknown(error.to_string())),
    };
    let mut stdin = child.stdin.take();
    let mut output = Output::of(&mut child);
    let mut connected = Some(connected);
    loop {
        let stands = connected.is_none();
        let said = tokio::select! {
            why = &mut held => {
                end(child, stdin, line.stays()).await;
                // Whoever let go without a word waits for nothing.
                let asked = why == Ok(HangUp::Asked);
                return Outcome { gone: stands || asked, half: !stands, asked, failed: None };
            }
            () = tokio::time::sleep_until(limit), if !stands => {
                end(child, stdin, line.stays()).await;
                return Outcome { half: true, ..failed(ConnectError::TimedOut) };
            }
            said = output.next(!stands) => said,
        };
        let heard = match said {
            Ok(Some(said)) => line.hear(&said),
            Ok(None) => {
                let code =
                    timeout(GRACE, child.wait()).await.ok().and_then(Result::ok).and_then(|status| status.code());
                drop(stdin);
                tracing::info!(code, words = output.words(), "the client ended by itself");
                return if stands {
                    Outcome { gone: true, ..Outcome::default() }
                } else {
                    failed(line.ended(code, output.words()))
                };
            }
            Err(error) => Some(Heard::Progress(Err(ConnectError::Unknown(error.to_string())))),
        };
        let progress = match heard {
            Some(Heard::Answer(answer, stage)) => {
                output.answered();
                if let Some(stdin) = &mut stdin {
                    // A client that is gone already says why.
                    let _ = timeout_at(limit, stdin.write_all(&answer)).await;
                }
                Ok(ConnectProgress::Stage(stage))
            }
            Some(Heard::Over) => Err(line.ended(None, output.words())),
            Some(Heard::Progress(progress)) => progress,
            None => continue,
        };
        match progress {
            Ok(ConnectProgress::Stage(stage)) if !stands => tell(Ok(ConnectProgress::Stage(stage))),
            Ok(ConnectProgress::Connected) if !stands => {
                if let Some(connected) = connected.take() {
                    connected();
                }
                tell(Ok(ConnectProgress::Connected));
                if !line.stays() {
                    end(child, stdin, true).await;
                    return Outcome::default();
                }
            }
            // It would only ask again.
            Err(reason) if !stands => {
                end(child, stdin, line.stays()).await;
                // What another client holds is not ours to end.
                return Outcome { half: reason != ConnectError::Held, ..failed(reason) };
            }
            Ok(ConnectProgress::Stage(_)) | Ok(ConnectProgress::Connected) | Err(_) | Ok(ConnectProgress::Ended) => {}
        }
    }
}

/// `ends_by_itself`: with its input, where Vigie ends in the middle.
fn spawn(mut command: Command, ends_by_itself: bool) -> io::Result<Child> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(!ends_by_itself);
    #[cfg(windows)]
    command.creation_flags(windows::Win32::System::Threading::CREATE_NO_WINDOW.0);
    command.spawn().map_err(|error| {
        let program = command.as_std().get_program().display().to_string();
        io::Error::new(error.kind(), format!("{program}: {error}"))
    })
}

/// Ends a client: by the end of its input where it heeds that, else (or where that takes too long) by force.
async fn end(mut child: Child, stdin: Option<ChildStdin>, by_itself: bool) {
    drop(stdin);
    if by_itself && timeout(GRACE, child.wait()).await.is_ok() {
        return;
    }
    if let Err(error) = child.kill().await {
        tracing::warn!(%error, "the client does not end");
    }
}

/// What a client says, whichever way.
struct Output {
    ways: [Way; 2],
    read: usize,
    last: std::collections::VecDeque<String>,
}

struct Way {
    pipe: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// The line that has not ended yet.
    line: Zeroizing<Vec<u8>>,
    /// How much of it was answered.
    answered: usize,
    told: Told,
}

/// How much was told of a line that has not ended yet.
#[derive(PartialEq, PartialOrd)]
enum Told {
    No,
    Open,
    Settled,
}

impl Way {
    fn of(pipe: Option<impl AsyncRead + Send + Unpin + 'static>) -> Way {
        let line = Zeroizing::new(Vec::with_capacity(LINE_CAP + PIECE));
        Way { pipe: pipe.map(|pipe| Box::new(pipe) as Box<_>), line, answered: 0, told: Told::No }
    }

    /// Reads on; how many bytes, 0 at the end. Can be cancelled.
    async fn read(&mut self) -> usize {
        let Some(pipe) = &mut self.pipe else { return 0 };
        let read = pipe.take(PIECE as u64).read_buf(&mut *self.line).await.unwrap_or(0);
        if read == 0 {
            self.pipe = None;
        }
        self.told = Told::No;
        read
    }

    /// The next line: all of it, and what was not answered of it.
    fn next_line(&mut self) -> Option<(Zeroizing<String>, Zeroizing<String>)> {
        let end = self.line.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let cut = self.line.len() >= LINE_CAP || (self.pipe.is_none() && !self.line.is_empty());
        let end = end.or(cut.then_some(self.line.len()))?;
        let (whole, rest) = (text(&self.line[..end]), text(&self.line[self.answered.min(end)..end]));
        let through = end.saturating_add(1).min(self.line.len());
        self.line.drain(..through);
        self.answered = 0;
        Some((whole, rest))
    }

    /// What stands there without a line end, unless that was told.
    fn open(&mut self, told: Told) -> Option<Zeroizing<String>> {
        let text = text(&self.line[self.answered..]);
        let news = self.told < told && !text.is_empty();
        if news {
            self.told = told;
        }
        news.then_some(text)
    }
}

fn text(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(String::from_utf8_lossy(bytes).trim().to_owned())
}

impl Output {
    fn of(child: &mut Child) -> Output {
        Output { ways: [Way::of(child.stdout.take()), Way::of(child.stderr.take())], read: 0, last: Default::default() }
    }

    /// What is said next; `None` at the end. `capped`: whether there must not be too much. Can be cancelled.
    async fn next(&mut self, capped: bool) -> io::Result<Option<Said>> {
        loop {
            if let Some((whole, rest)) = self.ways.iter_mut().find_map(Way::next_line) {
                // What may echo an answer is neither logged nor remembered.
                if !whole.is_empty() && !whole.to_ascii_lowercase().contains("pass") {
                    tracing::debug!(line = whole.as_str(), "the client says");
                    self.last.truncate(4);
                    self.last.push_front(whole.to_string());
                }
                return Ok(Some(Said::Line(rest)));
            }
            if let Some(text) = self.ways.iter_mut().find_map(|way| way.open(Told::Open)) {
                return Ok(Some(Said::Open(text)));
            }
            let [out, err] = &mut self.ways;
            if out.pipe.is_none() && err.pipe.is_none() {
                return Ok(None);
            }
            let open = out.told == Told::Open || err.told == Told::Open;
            tokio::select! {
                read = out.read(), if out.pipe.is_some() => self.read += read,
                read = err.read(), if err.pipe.is_some() => self.read += read,
                () = tokio::time::sleep(SETTLED), if open => {
                    if let Some(text) = self.ways.iter_mut().find_map(|way| way.open(Told::Settled)) {
                        return Ok(Some(Said::Settled(text)));
                    }
                }
            }
            if capped && self.read > OUTPUT_CAP {
                return Err(io::Error::other("the client prints without end"));
            }
        }
    }

    /// What stands there without a line end was answered.
    fn answered(&mut self) {
        for way in &mut self.ways {
            way.answered = way.line.len();
        }
    }

    /// The last lines, for the log.
    fn words(&self) -> String {
        self.last.iter().rev().cloned().collect::<Vec<_>>().join(" / ")
    }
}

fn send(events: &Events, event: Event) {
    // Nobody listens any more: the program is ending, and then nobody needs to know.
    let _ = events.send(event);
}
