//! The panel and the window for connecting. Each is a process `vigie-panel`, which runs only while its window is open, so
//! that the tray loads no browser engine (docs/decisions/0001-panel-process.md). The pinned panel stays on the desktop as
//! long as the profile wants it: it is `vigie-pinned` on Linux, where a browser engine would cost too much memory
//! (docs/decisions/0005-pinned-panel.md), and `vigie-panel` elsewhere.
//!
//! IPC is JSON, one value per line, on the process's standard input ([`ToPanel`]) and output ([`FromPanel`]). The end of
//! the input ends the process. A process that answers no [`ToPanel::Ping`] any more is killed.

use crate::{Events, send};
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use vigie_core::connect::Submission;
use vigie_core::message::{Action, Event, WindowError, WindowKind};
use vigie_view::connect::Form;
use vigie_view::page::{Page, Part};
use vigie_view::panel::Pinned;
use zeroize::{Zeroize, Zeroizing};

/// A message from the tray to a window's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToPanel {
    /// Show this page. The first message, this one, [`ToPanel::Pinned`] or [`ToPanel::Connect`], determines the window.
    Panel(Box<Page>),
    /// Show this part of the page, which has changed.
    Part(Part),
    /// Show this panel, pinned to the desktop.
    Pinned(Pinned),
    /// Show this form.
    Connect(Form),
    /// Come to the front; answered with [`FromPanel::Shown`].
    Raise,
    /// Answer with [`FromPanel::Alive`], through the page.
    Ping,
}

/// A message from a window's process to the tray.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromPanel {
    /// The window is on the screen, and the page shows the model.
    Shown,
    /// The window got the keyboard focus, or lost it.
    Focused(bool),
    /// The page still works.
    Alive,
    /// The user clicked a button.
    Requested(Action),
    /// The user sent the form. This line carries secrets: both ends overwrite it.
    Submitted(Submission),
}

/// The longest line to a window's process. (A page has about 25 kB.)
pub const MAX_LINE_TO_PANEL_BYTES: u64 = 1 << 20;

/// The longest line from a window's process.
const MAX_LINE_FROM_PANEL_BYTES: usize = 64 * 1024;

/// Pause before a pinned panel that crashed is started again.
const RESTART_BACKOFF: Duration = Duration::from_secs(10);

/// How often, at most, a window that crashed while the user was using it is opened again.
const REOPEN_INTERVAL: Duration = Duration::from_secs(60);

/// Pings without an answer after which a window counts as hung.
const MAX_MISSED_PINGS: u32 = 3;

/// The same before the window is shown for the first time: the engine starts slowly on a busy machine.
const MAX_MISSED_PINGS_AT_START: u32 = 6;

/// How long a process may take to read a message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a process may take to end once its input has ended.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);

/// The environment of a window on Linux. No window draws what would need a GPU: without the first, WebKitGTK takes some
/// 50 MB more on a machine that has none; without the second, GTK loads OpenGL, 26 MB, to choose the window's colours.
const LOW_MEMORY_ENV: [(&str, &str); 2] = [("WEBKIT_DISABLE_DMABUF_RENDERER", "1"), ("GDK_GL", "disable")];

/// The environment of a window in which secrets are typed: WebKit takes its memory from glibc, and glibc overwrites
/// memory as soon as it is freed
/// (<https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html>). The cache of each thread, which
/// it does not overwrite, is turned off.
const WIPE_MEMORY_ENV: [(&str, &str); 2] =
    [("Malloc", "1"), ("GLIBC_TUNABLES", "glibc.malloc.perturb=170:glibc.malloc.tcache_count=0")];

/// What a window shows.
pub trait WindowModel: Clone + PartialEq + Send + Sync + 'static {
    /// Which window it is.
    const KIND: WindowKind;
    /// Whether the user types secrets in this window.
    const HAS_SECRETS: bool = false;
    /// How often the window's process is pinged.
    const PING_INTERVAL: Duration = Duration::from_secs(10);
    /// Returns the messages for a window that shows the model `before`, or nothing yet.
    fn messages(&self, before: Option<&Self>) -> Vec<ToPanel>;
    /// Returns the event for the window's opening or closing, if there is one.
    fn opened(open: bool) -> Option<Event>;
    /// Returns the event for the window's getting or losing the keyboard focus, if there is one.
    fn focused(_focused: bool) -> Option<Event> {
        None
    }
}

impl WindowModel for Page {
    const KIND: WindowKind = WindowKind::Panel;
    fn messages(&self, before: Option<&Page>) -> Vec<ToPanel> {
        match before {
            Some(before) => self.parts(Some(before)).into_iter().map(ToPanel::Part).collect(),
            None => vec![ToPanel::Panel(Box::new(self.clone()))],
        }
    }
    fn opened(open: bool) -> Option<Event> {
        Some(Event::PanelOpen(open))
    }
    fn focused(focused: bool) -> Option<Event> {
        Some(Event::PanelFocused(focused))
    }
}

impl WindowModel for Form {
    const KIND: WindowKind = WindowKind::Connect;
    const HAS_SECRETS: bool = true;
    fn messages(&self, before: Option<&Form>) -> Vec<ToPanel> {
        if before == Some(self) { Vec::new() } else { vec![ToPanel::Connect(self.clone())] }
    }
    fn opened(open: bool) -> Option<Event> {
        Some(Event::ConnectWindowOpen(open))
    }
}

impl WindowModel for Pinned {
    const KIND: WindowKind = WindowKind::Panel;
    // It runs all day.
    const PING_INTERVAL: Duration = Duration::from_secs(60);
    fn messages(&self, before: Option<&Pinned>) -> Vec<ToPanel> {
        if before == Some(self) { Vec::new() } else { vec![ToPanel::Pinned(self.clone())] }
    }
    fn opened(_open: bool) -> Option<Event> {
        // Other windows may cover it.
        None
    }
}

/// A window, open or not.
#[derive(Debug)]
pub struct PanelWindow<M = Page> {
    events: Events,
    program: PathBuf,
    target: Option<watch::Sender<Target<M>>>,
}

/// What the window is to show. Only the last value counts, so that a hung window delays nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target<M> {
    model: M,
    /// How many times the window was requested.
    shows: u64,
}

impl<M: WindowModel> PanelWindow<M> {
    /// Returns a window that is closed. It sends [`WindowModel::opened`], [`Event::Action`], [`Event::FormSubmitted`],
    /// and, if it does not open, [`Event::WindowFailed`]. Its functions need a tokio runtime; none of them blocks.
    pub fn new(events: Events) -> PanelWindow<M> {
        PanelWindow::of(sibling_program("vigie-panel"), events)
    }

    /// As [`PanelWindow::new`], with another program.
    pub fn of(program: PathBuf, events: Events) -> PanelWindow<M> {
        PanelWindow { events, program, target: None }
    }

    /// Shows the window, or brings it to the front.
    pub fn show(&mut self, model: &M) {
        match &self.target {
            Some(target) if !target.is_closed() => target.send_modify(|target| {
                target.model = model.clone();
                target.shows += 1;
            }),
            Some(_) | None => {
                let (sender, target) = watch::channel(Target { model: model.clone(), shows: 1 });
                tokio::spawn(run_window(self.program.clone(), target, self.events.clone()));
                self.target = Some(sender);
            }
        }
    }

    /// Updates the window, if it is open.
    pub fn push(&mut self, model: &M) {
        if let Some(target) = &self.target {
            update(target, model);
        }
    }
}

impl<M> PanelWindow<M> {
    /// Closes the window, if it is open.
    pub fn close(&mut self) {
        self.target = None;
    }
}

/// The pinned panel, on the desktop or not.
#[derive(Debug)]
pub struct PinnedWindow {
    events: Events,
    program: PathBuf,
    target: Option<watch::Sender<Target<Pinned>>>,
}

impl PinnedWindow {
    /// Returns a pinned panel that is not shown. It sends [`Event::Action`]. Its functions need a tokio runtime; none of
    /// them blocks.
    pub fn new(events: Events) -> PinnedWindow {
        let program = if cfg!(target_os = "linux") { "vigie-pinned" } else { "vigie-panel" };
        PinnedWindow::of(sibling_program(program), events)
    }

    /// As [`PinnedWindow::new`], with another program.
    pub fn of(program: PathBuf, events: Events) -> PinnedWindow {
        PinnedWindow { events, program, target: None }
    }

    /// Shows `pinned`, or closes the panel if it is `None`. A panel that the user closed comes back only after the next
    /// `None`.
    pub fn show(&mut self, pinned: Option<Pinned>) {
        match (pinned, &self.target) {
            (None, _) => self.target = None,
            (Some(pinned), Some(target)) => update(target, &pinned),
            (Some(pinned), None) => {
                let (sender, target) = watch::channel(Target { model: pinned, shows: 1 });
                tokio::spawn(run_pinned(self.program.clone(), target, self.events.clone()));
                self.target = Some(sender);
            }
        }
    }
}

/// Returns the program of that name in this program's folder, else the one in `PATH`.
fn sibling_program(name: &str) -> PathBuf {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    std::env::current_exe().map_or_else(|_| PathBuf::from(&name), |vigie| vigie.with_file_name(&name))
}

/// Replaces the window's model, if it differs.
fn update<M: WindowModel>(target: &watch::Sender<Target<M>>, model: &M) {
    target.send_if_modified(|target| {
        let differs = target.model != *model;
        if differs {
            target.model = model.clone();
        }
        differs
    });
}

/// Runs the pinned panel until the user closes it or it is no longer wanted.
async fn run_pinned(program: PathBuf, mut target: watch::Receiver<Target<Pinned>>, events: Events) {
    loop {
        let mut process = PanelProcess::default();
        let ended = process.run(&program, &mut target, &events).await;
        if target.has_changed().is_err() || matches!(&ended, Ok(status) if status.success()) {
            return;
        }
        tracing::warn!(?ended, shown = process.shown, "the pinned panel failed");
        // One that was never shown will not be shown the next time either.
        if !process.shown {
            return;
        }
        let closed = async { while target.changed().await.is_ok() {} };
        if timeout(RESTART_BACKOFF, closed).await.is_ok() {
            return;
        }
    }
}

/// Returns whether the system has the browser engine: on Windows that is the WebView2 runtime, which is part of
/// Windows 11, but not of every Windows 10.
fn has_engine() -> bool {
    #[cfg(windows)]
    if let Err(error) = tauri::webview_version() {
        tracing::warn!("WebView2 is not installed, the panel cannot be shown: {error}");
        return false;
    }
    true
}

/// Lets the process come to the front: Windows allows that only to the program that the user has just clicked.
#[cfg(windows)]
fn allow_foreground(process: Option<u32>) {
    use windows::Win32::UI::WindowsAndMessaging::AllowSetForegroundWindow;
    // SAFETY: a plain number. If Vigie itself was not clicked, the call fails without effect.
    let _ = process.map(|process| unsafe { AllowSetForegroundWindow(process) });
}

/// Does nothing: the window manager decides.
#[cfg(not(windows))]
fn allow_foreground(_: Option<u32>) {}

/// Runs the window's process until the user closes the window or the tray ends.
async fn run_window<M: WindowModel>(program: PathBuf, mut target: watch::Receiver<Target<M>>, events: Events) {
    if !has_engine() {
        return send(&events, Event::WindowFailed(M::KIND, WindowError::EngineMissing));
    }
    let mut reopened: Option<Instant> = None;
    loop {
        let mut process = PanelProcess::default();
        let ended = process.run(&program, &mut target, &events).await;
        if process.focused {
            send_if_any(&events, M::focused(false));
        }
        if process.shown {
            send_if_any(&events, M::opened(false));
        }
        if target.has_changed().is_err() {
            return;
        }
        // Requested again while it closed or hung.
        let requested = process.shown && target.borrow().shows != process.answered;
        let failure = match ended {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!("{} ended: {status}", program.display())),
            Err(error) => Some(format!("{}: {error}", program.display())),
        };
        if let Some(failure) = failure {
            tracing::warn!(failure, shown = process.shown, focused = process.focused, "the window failed");
            if !process.shown {
                return send(&events, Event::WindowFailed(M::KIND, WindowError::Failed(failure)));
            }
            let in_use = process.focused || requested;
            if !in_use || reopened.is_some_and(|at| at.elapsed() < REOPEN_INTERVAL) {
                return;
            }
            reopened = Some(Instant::now());
        } else if !requested {
            return;
        }
    }
}

/// One process of a window, from its start to its end.
#[derive(Debug, Default)]
struct PanelProcess {
    /// Whether it has shown its window.
    shown: bool,
    /// Whether its window has the keyboard focus.
    focused: bool,
    /// The last [`Target::shows`] that it was sent.
    sent: u64,
    /// The last [`Target::shows`] that it answered.
    answered: u64,
}

impl PanelProcess {
    async fn run<M: WindowModel>(
        &mut self,
        program: &Path,
        target: &mut watch::Receiver<Target<M>>,
        events: &Events,
    ) -> io::Result<ExitStatus> {
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        // With the engine's own processes, to be killed together.
        #[cfg(unix)]
        command.process_group(0);
        for (name, value) in LOW_MEMORY_ENV.iter().chain(WIPE_MEMORY_ENV.iter().filter(|_| M::HAS_SECRETS)) {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        let mut child = command.spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        // Drops the process's input, which ends the process.
        let result = self.exchange(child.id(), stdin, LineReader::new(stdout), target, events).await;
        let hung = matches!(&result, Err(error) if error.kind() == ErrorKind::TimedOut);
        let exit_timeout = if hung { Duration::ZERO } else { EXIT_TIMEOUT };
        let Ok(status) = timeout(exit_timeout, child.wait()).await else {
            kill(&mut child).await?;
            return Err(result.err().unwrap_or_else(|| io::Error::new(ErrorKind::TimedOut, "did not end, was killed")));
        };
        match result {
            // A process that has ended reads nothing more; its status tells why.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            Err(_) | Ok(()) => status,
        }
    }

    /// Sends and receives messages until the process or the tray ends. Fails with [`ErrorKind::TimedOut`] if the process
    /// hangs.
    async fn exchange<M: WindowModel>(
        &mut self,
        process: Option<u32>,
        mut stdin: ChildStdin,
        mut lines: LineReader<ChildStdout>,
        target: &mut watch::Receiver<Target<M>>,
        events: &Events,
    ) -> io::Result<()> {
        let mut ping = interval_at(Instant::now() + M::PING_INTERVAL, M::PING_INTERVAL);
        // After sleep, pings that are overdue must not follow one another faster than the page can answer.
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut missed_pings = 0;
        let mut last = None;
        loop {
            let now = target.borrow_and_update().clone();
            self.sent = now.shows;
            allow_foreground(process);
            write(&mut stdin, &changes(last.as_ref(), &now)).await?;
            last = Some(now);
            loop {
                tokio::select! {
                    changed = target.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return Ok(()),
                    },
                    message = lines.next() => match message? {
                        Some(FromPanel::Shown) => {
                            self.answered = self.sent;
                            if !std::mem::replace(&mut self.shown, true) {
                                send_if_any(events, M::opened(true));
                            }
                        }
                        Some(FromPanel::Focused(focused)) => {
                            self.focused = focused;
                            send_if_any(events, M::focused(focused));
                        }
                        Some(FromPanel::Alive) => missed_pings = 0,
                        Some(FromPanel::Requested(action)) => send(events, Event::Action(action)),
                        Some(FromPanel::Submitted(form)) => send(events, Event::FormSubmitted(form)),
                        None => return Ok(()),
                    },
                    _ = ping.tick() => {
                        // Counted, not timed: a machine that wakes from sleep has missed one at most.
                        let max = if self.shown { MAX_MISSED_PINGS } else { MAX_MISSED_PINGS_AT_START };
                        if missed_pings == max {
                            return Err(io::Error::new(ErrorKind::TimedOut, "does not respond"));
                        }
                        missed_pings += 1;
                        write(&mut stdin, &[ToPanel::Ping]).await?;
                    }
                }
            }
        }
    }
}

/// Kills the process, and those that it has started.
async fn kill(child: &mut Child) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if let Some(group) = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL)?;
    }
    child.kill().await
}

/// Returns the messages that lead from one target to the next.
fn changes<M: WindowModel>(last: Option<&Target<M>>, now: &Target<M>) -> Vec<ToPanel> {
    let raise = last.is_some_and(|last| last.shows != now.shows);
    let mut messages = now.model.messages(last.map(|last| &last.model));
    messages.extend(raise.then_some(ToPanel::Raise));
    messages
}

/// Sends the messages to the window's process, a line each.
async fn write(stdin: &mut ChildStdin, messages: &[ToPanel]) -> io::Result<()> {
    let mut lines = Vec::new();
    for message in messages {
        serde_json::to_writer(&mut lines, message)?;
        lines.push(b'\n');
    }
    timeout(WRITE_TIMEOUT, stdin.write_all(&lines)).await?
}

/// Reads messages, and overwrites each once it is parsed: a form carries secrets.
struct LineReader<R> {
    stdout: R,
    buffer: Zeroizing<Vec<u8>>,
    filled: usize,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    fn new(stdout: R) -> LineReader<R> {
        // Allocated at full size: reallocating would leave copies of the secrets.
        LineReader { stdout, buffer: Zeroizing::new(vec![0; MAX_LINE_FROM_PANEL_BYTES]), filled: 0 }
    }

    /// Returns the next message, or `None` at the end. Can be cancelled.
    async fn next(&mut self) -> io::Result<Option<FromPanel>> {
        loop {
            if let Some(end) = self.buffer[..self.filled].iter().position(|byte| *byte == b'\n') {
                // The parser's own error would quote the line, and is logged.
                let message = serde_json::from_slice(&self.buffer[..end])
                    .map_err(|_| io::Error::new(ErrorKind::InvalidData, "invalid message"));
                self.buffer.copy_within(end + 1..self.filled, 0);
                let left = self.filled - end - 1;
                self.buffer[left..self.filled].zeroize();
                self.filled = left;
                return Ok(Some(message?));
            }
            if self.filled == self.buffer.len() {
                return Err(ErrorKind::InvalidData.into());
            }
            let read = self.stdout.read(&mut self.buffer[self.filled..]).await?;
            if read == 0 {
                return if self.filled == 0 { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
            self.filled += read;
        }
    }
}

/// Sends what happened to the window, if anybody needs to know.
fn send_if_any(events: &Events, event: Option<Event>) {
    if let Some(event) = event {
        send(events, event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_core::fixture::{standing, submission};
    use vigie_core::vpn::VpnStatus;

    /// Checks that a message is read back as it was written, on one line.
    fn assert_same_when_read_back<T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
        message: &T,
    ) {
        let line = serde_json::to_vec(message).expect("a message is JSON");
        assert!(!line.contains(&b'\n'));
        assert_eq!(serde_json::from_slice::<T>(&line).as_ref().ok(), Some(message));
    }

    #[test]
    fn fuzz_messages() {
        let state = standing(VpnStatus::Connected);
        let page = vigie_view::page::page(&state);
        let mut messages: Vec<ToPanel> = page.parts(None).into_iter().map(ToPanel::Part).collect();
        messages.extend([ToPanel::Raise, ToPanel::Ping, ToPanel::Connect(vigie_view::connect::form(&state))]);
        let answers = [
            FromPanel::Shown,
            FromPanel::Alive,
            FromPanel::Focused(true),
            FromPanel::Requested(Action::Choose(vigie_profile::Choice::Size(300, 400))),
            FromPanel::Submitted(submission()),
        ];
        let messages = messages.iter().map(serde_json::to_string);
        let lines: Vec<String> = messages.chain(answers.iter().map(serde_json::to_string)).flatten().collect();
        let lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).collect();
        let seeds: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        crate::fuzz::fuzz(&seeds, |bytes| {
            // What the window reads of the tray.
            for line in bytes.split(|byte| *byte == b'\n') {
                if let Ok(message) = serde_json::from_slice::<ToPanel>(line) {
                    assert_same_when_read_back(&message);
                }
            }
            // What the tray reads of the window.
            let mut reader = LineReader::new(bytes);
            while let Ok(Some(message)) = runtime.block_on(reader.next()) {
                assert_same_when_read_back(&message);
            }
        });
    }
}
