//! The panel's window and the window for connecting: a process each, `vigie-panel`, started when the window is shown and
//! gone when it is closed. So the tray carries no browser engine (docs/decisions/0001-panel-process.md). The pinned
//! panel stands on the desktop as long as the profile wants it: `vigie-pinned` on Linux, where a browser engine would
//! cost too much (docs/decisions/0005-pinned-panel.md), and `vigie-panel` elsewhere.
//!
//! The two talk in JSON, one value a line, over the panel's standard input and output: [`ToPanel`] and [`FromPanel`].
//! The end of the input ends the panel.

use crate::Events;
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::timeout;
use vigie_core::connect::Submission;
use vigie_core::message::{Action, Event, WindowError, WindowKind};
use vigie_view::connect::Form;
use vigie_view::page::{Page, Part};
use vigie_view::panel::Pinned;
use zeroize::{Zeroize, Zeroizing};

/// What the tray tells the panel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToPanel {
    /// Show this page. The first line is this, [`ToPanel::Pinned`] or [`ToPanel::Connect`], and says what the window is.
    Panel(Box<Page>),
    /// This part of the page has changed.
    Part(Part),
    /// Show this panel from now on, pinned to the desktop.
    Pinned(Pinned),
    /// Show this form from now on.
    Connect(Form),
    /// Come to the front; answered with [`FromPanel::Shown`].
    Raise,
}

/// What the panel tells the tray.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromPanel {
    /// The window is on the screen, and the page shows a model.
    Shown,
    /// The user clicked.
    Asked(Action),
    /// The user sent the form. This line carries secrets: both ends overwrite it.
    Submitted(Submission),
}

/// Bytes that a line to the panel may have; a longer one is taken as a fault. (A page has about 25 kB.)
pub const LINE_LIMIT: u64 = 1 << 20;

/// Bytes that a line from the panel may have.
const SAID_LIMIT: usize = 64 * 1024;

/// How long the tray waits until it starts a pinned panel anew that has crashed.
const RESTART_BACKOFF: Duration = Duration::from_secs(10);

/// The environment of a window on Linux. None draws pictures that would need a GPU. Without the first, WebKitGTK takes
/// some 50 MB more on a machine that has none; without the second, GTK loads OpenGL, 26 MB, to choose the window's
/// colours.
const LOW_MEMORY_ENV: [(&str, &str); 2] = [("WEBKIT_DISABLE_DMABUF_RENDERER", "1"), ("GDK_GL", "disable")];

/// The environment of one where secrets are typed: WebKit takes its memory from glibc, and glibc overwrites what is
/// given back at once (<https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html>). The cache
/// of each thread, which it does not overwrite, is turned off.
const WIPE_MEMORY_ENV: [(&str, &str); 2] =
    [("Malloc", "1"), ("GLIBC_TUNABLES", "glibc.malloc.perturb=170:glibc.malloc.tcache_count=0")];

/// How long a panel that was told to end may take.
const GRACE: Duration = Duration::from_secs(2);

/// What a window shows.
pub trait Model: Clone + PartialEq + Send + Sync + 'static {
    /// Which window it is.
    const KIND: WindowKind;
    /// Whether the user types secrets there.
    const SECRET: bool = false;
    /// The lines that tell it, to a window that shows the model before, or none.
    fn lines(&self, before: Option<&Self>) -> Vec<ToPanel>;
    /// The news that its window is open, or no longer, before the user's eyes.
    fn opened(open: bool) -> Option<Event>;
}

impl Model for Page {
    const KIND: WindowKind = WindowKind::Panel;
    fn lines(&self, before: Option<&Page>) -> Vec<ToPanel> {
        match before {
            Some(before) => self.parts(Some(before)).into_iter().map(ToPanel::Part).collect(),
            None => vec![ToPanel::Panel(Box::new(self.clone()))],
        }
    }
    fn opened(open: bool) -> Option<Event> {
        Some(Event::PanelOpen(open))
    }
}

impl Model for Form {
    const KIND: WindowKind = WindowKind::Connect;
    const SECRET: bool = true;
    fn lines(&self, before: Option<&Form>) -> Vec<ToPanel> {
        if before == Some(self) { Vec::new() } else { vec![ToPanel::Connect(self.clone())] }
    }
    fn opened(open: bool) -> Option<Event> {
        Some(Event::ConnectWindowOpen(open))
    }
}

impl Model for Pinned {
    const KIND: WindowKind = WindowKind::Panel;
    fn lines(&self, before: Option<&Pinned>) -> Vec<ToPanel> {
        if before == Some(self) { Vec::new() } else { vec![ToPanel::Pinned(self.clone())] }
    }
    fn opened(_open: bool) -> Option<Event> {
        // It may lie under other windows: what it shows may not be seen.
        None
    }
}

/// A window, open or not.
#[derive(Debug)]
pub struct Window<M = Page> {
    events: Events,
    program: PathBuf,
    wanted: Option<watch::Sender<Wanted<M>>>,
}

/// What the window shall show. Only the last value counts, so that a panel that hangs holds nothing up.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted<M> {
    model: M,
    /// How many times the window was asked for.
    shows: u64,
}

impl<M: Model> Window<M> {
    /// A window that is closed. Tells [`Model::opened`], [`Event::Action`], [`Event::FormSubmitted`], and [`Event::WindowFailed`]
    /// if it does not open. Call its functions on a tokio runtime; none of them waits.
    pub fn new(events: Events) -> Window<M> {
        Window::of(beside("vigie-panel"), events)
    }

    /// As [`Window::new`], with the panel's program at that path.
    pub fn of(program: PathBuf, events: Events) -> Window<M> {
        Window { events, program, wanted: None }
    }

    /// Shows the window, or brings it to the front.
    pub fn show(&mut self, model: &M) {
        match &self.wanted {
            Some(wanted) if !wanted.is_closed() => wanted.send_modify(|wanted| {
                wanted.model = model.clone();
                wanted.shows += 1;
            }),
            Some(_) | None => {
                let (sender, wanted) = watch::channel(Wanted { model: model.clone(), shows: 1 });
                tokio::spawn(keep(self.program.clone(), wanted, self.events.clone()));
                self.wanted = Some(sender);
            }
        }
    }

    /// Lets the window, where it is open, show this.
    pub fn push(&mut self, model: &M) {
        if let Some(wanted) = &self.wanted {
            replace(wanted, model);
        }
    }
}

impl<M> Window<M> {
    /// Closes the window, where it is open.
    pub fn close(&mut self) {
        self.wanted = None;
    }
}

/// The pinned panel, there or not.
#[derive(Debug)]
pub struct Pin {
    events: Events,
    program: PathBuf,
    wanted: Option<watch::Sender<Wanted<Pinned>>>,
}

impl Pin {
    /// No panel is pinned. Tells [`Event::Action`]. Call its functions on a tokio runtime; none of them waits.
    pub fn new(events: Events) -> Pin {
        Pin::of(beside(if cfg!(target_os = "linux") { "vigie-pinned" } else { "vigie-panel" }), events)
    }

    /// As [`Pin::new`], with the panel's program at that path.
    pub fn of(program: PathBuf, events: Events) -> Pin {
        Pin { events, program, wanted: None }
    }

    /// Lets the pinned panel show this, or be gone. One that its user closed comes back after the next `None`.
    pub fn show(&mut self, pinned: Option<Pinned>) {
        match (pinned, &self.wanted) {
            (None, _) => self.wanted = None,
            (Some(pinned), Some(wanted)) => replace(wanted, &pinned),
            (Some(pinned), None) => {
                let (sender, wanted) = watch::channel(Wanted { model: pinned, shows: 1 });
                tokio::spawn(keep_pinned(self.program.clone(), wanted, self.events.clone()));
                self.wanted = Some(sender);
            }
        }
    }
}

/// The program of that name which lies beside this one.
fn beside(name: &str) -> PathBuf {
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    // Where the system does not tell where this program lies, PATH is left.
    std::env::current_exe().map_or_else(|_| PathBuf::from(&name), |vigie| vigie.with_file_name(&name))
}

fn replace<M: Model>(wanted: &watch::Sender<Wanted<M>>, model: &M) {
    wanted.send_if_modified(|wanted| {
        let differs = wanted.model != *model;
        if differs {
            wanted.model = model.clone();
        }
        differs
    });
}

/// Keeps the pinned panel until its user closes it or it is wanted no more.
async fn keep_pinned(program: PathBuf, mut wanted: watch::Receiver<Wanted<Pinned>>, events: Events) {
    loop {
        let mut life = Life::default();
        let ended = life.run(&program, &mut wanted, &events).await;
        if wanted.has_changed().is_err() || matches!(&ended, Ok(status) if status.success()) {
            return;
        }
        tracing::warn!(?ended, shown = life.shown, "the pinned panel failed");
        // One that never came will not come the next time either.
        if !life.shown {
            return;
        }
        let given_up = async { while wanted.changed().await.is_ok() {} };
        if timeout(RESTART_BACKOFF, given_up).await.is_ok() {
            return;
        }
    }
}

/// Whether the system has what draws the panel: on Windows the WebView2 runtime, which is part of Windows 11, but not
/// of every Windows 10.
fn engine_is_there() -> bool {
    #[cfg(windows)]
    if let Err(error) = tauri::webview_version() {
        tracing::warn!("WebView2 is not installed, and without it there is no panel: {error}");
        return false;
    }
    true
}

/// Windows lets a program come to the front only with leave of the one that the user has just clicked.
#[cfg(windows)]
fn let_to_front(panel: Option<u32>) {
    use windows::Win32::UI::WindowsAndMessaging::AllowSetForegroundWindow;
    // SAFETY: a plain number. Where Vigie was not clicked it has no leave to give, and nothing comes of it.
    let _ = panel.map(|panel| unsafe { AllowSetForegroundWindow(panel) });
}

/// Elsewhere the window manager decides.
#[cfg(not(windows))]
fn let_to_front(_: Option<u32>) {}

/// Keeps the process until the user closes the window or the tray ends.
async fn keep<M: Model>(program: PathBuf, mut wanted: watch::Receiver<Wanted<M>>, events: Events) {
    if !engine_is_there() {
        return send(&events, Event::WindowFailed(M::KIND, WindowError::EngineMissing));
    }
    loop {
        let mut life = Life::default();
        let ended = life.run(&program, &mut wanted, &events).await;
        if life.shown {
            tell_opened::<M>(&events, false);
        }
        let tray_ends = wanted.has_changed().is_err();
        let failure = match ended {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!("{} ended: {status}", program.display())),
            Err(error) => Some(format!("{}: {error}", program.display())),
        };
        if let Some(failure) = failure.filter(|_| !tray_ends) {
            tracing::warn!(failure, shown = life.shown, "the panel failed");
            if !life.shown {
                send(&events, Event::WindowFailed(M::KIND, WindowError::Failed(failure)));
            }
            return;
        }
        // Asked for again while it was closing: then it opens again.
        let missed = life.shown && wanted.borrow().shows != life.answered;
        if tray_ends || !missed {
            return;
        }
    }
}

/// One process, from its start to its end.
#[derive(Debug, Default)]
struct Life {
    /// Whether it has shown its window.
    shown: bool,
    /// The last [`Wanted::shows`] that it was told of.
    told: u64,
    /// The last [`Wanted::shows`] that it answered.
    answered: u64,
}

impl Life {
    async fn run<M: Model>(
        &mut self,
        program: &PathBuf,
        wanted: &mut watch::Receiver<Wanted<M>>,
        events: &Events,
    ) -> io::Result<ExitStatus> {
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        for (name, value) in LOW_MEMORY_ENV.iter().chain(WIPE_MEMORY_ENV.iter().filter(|_| M::SECRET)) {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        let mut child = command.spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        // The talk takes the panel's input along, and with its end the panel ends.
        let talk = self.talk(child.id(), stdin, Heard::new(stdout), wanted, events).await;
        let Ok(status) = timeout(GRACE, child.wait()).await else {
            child.kill().await?;
            return Err(io::Error::new(ErrorKind::TimedOut, "did not end, and was killed"));
        };
        match talk {
            // A panel that ended takes no more lines; its status says why.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            Err(_) | Ok(()) => status,
        }
    }

    /// Tells and hears until the panel or the tray ends.
    async fn talk<M: Model>(
        &mut self,
        panel: Option<u32>,
        mut stdin: ChildStdin,
        mut heard: Heard,
        wanted: &mut watch::Receiver<Wanted<M>>,
        events: &Events,
    ) -> io::Result<()> {
        let mut last = None;
        loop {
            let now = wanted.borrow_and_update().clone();
            self.told = now.shows;
            let_to_front(panel);
            tell(&mut stdin, last.as_ref(), &now).await?;
            last = Some(now);
            loop {
                tokio::select! {
                    changed = wanted.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return Ok(()),
                    },
                    said = heard.next() => match said? {
                        Some(FromPanel::Shown) => {
                            self.answered = self.told;
                            if !std::mem::replace(&mut self.shown, true) {
                                tell_opened::<M>(events, true);
                            }
                        }
                        Some(FromPanel::Asked(action)) => send(events, Event::Action(action)),
                        Some(FromPanel::Submitted(form)) => send(events, Event::FormSubmitted(form)),
                        None => return Ok(()),
                    },
                }
            }
        }
    }
}

/// Tells the panel what differs from what it was told last.
async fn tell<M: Model>(stdin: &mut ChildStdin, last: Option<&Wanted<M>>, now: &Wanted<M>) -> io::Result<()> {
    let mut lines = Vec::new();
    let raised = last.is_some_and(|last| last.shows != now.shows);
    for line in now.model.lines(last.map(|last| &last.model)).into_iter().chain(raised.then_some(ToPanel::Raise)) {
        serde_json::to_writer(&mut lines, &line)?;
        lines.push(b'\n');
    }
    stdin.write_all(&lines).await
}

/// The panel's words. What was read is overwritten once it was understood: a form carries secrets.
struct Heard {
    stdout: ChildStdout,
    bytes: Zeroizing<Vec<u8>>,
    filled: usize,
}

impl Heard {
    fn new(stdout: ChildStdout) -> Heard {
        // Of its full size from the start: what grows leaves copies behind.
        Heard { stdout, bytes: Zeroizing::new(vec![0; SAID_LIMIT]), filled: 0 }
    }

    /// The next word; `None` at the end. Can be cancelled.
    async fn next(&mut self) -> io::Result<Option<FromPanel>> {
        loop {
            if let Some(end) = self.bytes[..self.filled].iter().position(|byte| *byte == b'\n') {
                // The parser's words would quote what was sent, and they are logged.
                let said = serde_json::from_slice(&self.bytes[..end])
                    .map_err(|_| io::Error::new(ErrorKind::InvalidData, "said something else"));
                self.bytes.copy_within(end + 1..self.filled, 0);
                let left = self.filled - end - 1;
                self.bytes[left..self.filled].zeroize();
                self.filled = left;
                return Ok(Some(said?));
            }
            if self.filled == self.bytes.len() {
                return Err(ErrorKind::InvalidData.into());
            }
            let read = self.stdout.read(&mut self.bytes[self.filled..]).await?;
            if read == 0 {
                return if self.filled == 0 { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
            self.filled += read;
        }
    }
}

fn tell_opened<M: Model>(events: &Events, open: bool) {
    if let Some(event) = M::opened(open) {
        send(events, event);
    }
}

fn send(events: &Events, event: Event) {
    // Nobody listens any more: the program is ending, and then nobody needs to know.
    let _ = events.send(event);
}
