//! The panel's window: a process of its own, `vigie-panel`, started when the panel is shown and gone when it is
//! closed. So the tray carries no browser engine (docs/decisions/0001-panel-process.md).
//!
//! The two talk in JSON, one value a line, over the panel's standard input and output: [`ToPanel`] and [`FromPanel`].
//! The end of the input ends the panel.

use crate::Events;
use crate::core::state::{Action, Event, Launch, LaunchOutcome};
use crate::view::panel::Panel;
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::timeout;

/// What the tray tells the panel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToPanel {
    /// Show this from now on. Always the first line.
    Panel(Panel),
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
}

/// Bytes that a line may have in either direction; a longer one is taken as a fault. (A model has about 5 kB.)
pub const LINE_LIMIT: u64 = 1 << 20;

/// How long a panel that was told to end may take.
const GRACE: Duration = Duration::from_secs(2);

/// The panel's window, open or not.
#[derive(Debug)]
pub struct Window {
    events: Events,
    program: PathBuf,
    wanted: Option<watch::Sender<Wanted>>,
}

/// What the window shall show. Only the last value counts, so that a panel that hangs holds nothing up.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    panel: Panel,
    /// How many times the window was asked for.
    shows: u64,
}

impl Window {
    /// A window that is closed. Tells [`Event::PanelOpen`], [`Event::Asked`], and [`Event::Launched`] with the id
    /// [`Launch::PANEL`] where it does not open. Call its functions on a tokio runtime; none of them waits.
    pub fn new(events: Events) -> Window {
        let name = format!("vigie-panel{}", std::env::consts::EXE_SUFFIX);
        // Where the system does not tell where this program lies, PATH is left.
        let program =
            std::env::current_exe().map_or_else(|_| PathBuf::from(&name), |vigie| vigie.with_file_name(&name));
        Window::of(program, events)
    }

    /// As [`Window::new`], with the panel's program at that path.
    pub fn of(program: PathBuf, events: Events) -> Window {
        Window { events, program, wanted: None }
    }

    /// Shows the window, or brings it to the front.
    pub fn show(&mut self, panel: &Panel) {
        match &self.wanted {
            Some(wanted) if !wanted.is_closed() => wanted.send_modify(|wanted| {
                wanted.panel = panel.clone();
                wanted.shows += 1;
            }),
            Some(_) | None => {
                let (sender, wanted) = watch::channel(Wanted { panel: panel.clone(), shows: 1 });
                tokio::spawn(keep(self.program.clone(), wanted, self.events.clone()));
                self.wanted = Some(sender);
            }
        }
    }

    /// Lets the window, where it is open, show this.
    pub fn push(&mut self, panel: &Panel) {
        if let Some(wanted) = &self.wanted {
            wanted.send_if_modified(|wanted| {
                let differs = wanted.panel != *panel;
                if differs {
                    wanted.panel = panel.clone();
                }
                differs
            });
        }
    }
}

/// Keeps the process until the user closes the window or the tray ends.
async fn keep(program: PathBuf, mut wanted: watch::Receiver<Wanted>, events: Events) {
    loop {
        let mut life = Life::default();
        let ended = life.run(&program, &mut wanted, &events).await;
        if life.shown {
            send(&events, Event::PanelOpen(false));
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
                let outcome = LaunchOutcome::Failed(failure);
                send(&events, Event::Launched(Launch { id: Launch::PANEL.into(), outcome }));
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
    async fn run(
        &mut self,
        program: &PathBuf,
        wanted: &mut watch::Receiver<Wanted>,
        events: &Events,
    ) -> io::Result<ExitStatus> {
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        // Without it WebKitGTK takes some 50 MB more on a machine without a GPU, and the panel draws no pictures that
        // would need one.
        if std::env::var_os("WEBKIT_DISABLE_DMABUF_RENDERER").is_none() {
            command.env("WEBKIT_DISABLE_DMABUF_RENDERER", "1");
        }
        let mut child = command.spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        // The talk takes the panel's input along, and with its end the panel ends.
        let talk = self.talk(stdin, BufReader::new(stdout), wanted, events).await;
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
    async fn talk(
        &mut self,
        mut stdin: ChildStdin,
        mut stdout: BufReader<ChildStdout>,
        wanted: &mut watch::Receiver<Wanted>,
        events: &Events,
    ) -> io::Result<()> {
        let mut last = None;
        let mut line = Vec::new();
        loop {
            let now = wanted.borrow_and_update().clone();
            self.told = now.shows;
            tell(&mut stdin, last.as_ref(), &now).await?;
            last = Some(now);
            loop {
                tokio::select! {
                    changed = wanted.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return Ok(()),
                    },
                    said = hear(&mut stdout, &mut line) => match said? {
                        Some(FromPanel::Shown) => {
                            self.answered = self.told;
                            if !std::mem::replace(&mut self.shown, true) {
                                send(events, Event::PanelOpen(true));
                            }
                        }
                        Some(FromPanel::Asked(action)) => send(events, Event::Asked(action)),
                        None => return Ok(()),
                    },
                }
            }
        }
    }
}

/// Tells the panel what differs from what it was told last.
async fn tell(stdin: &mut ChildStdin, last: Option<&Wanted>, now: &Wanted) -> io::Result<()> {
    let mut lines = Vec::new();
    if last.is_none_or(|last| last.panel != now.panel) {
        serde_json::to_writer(&mut lines, &ToPanel::Panel(now.panel.clone()))?;
        lines.push(b'\n');
    }
    if last.is_some_and(|last| last.shows != now.shows) {
        serde_json::to_writer(&mut lines, &ToPanel::Raise)?;
        lines.push(b'\n');
    }
    stdin.write_all(&lines).await
}

/// The panel's next word; `None` at the end. Keeps what it has of a line in `line` when it is cancelled.
async fn hear(stdout: &mut BufReader<ChildStdout>, line: &mut Vec<u8>) -> io::Result<Option<FromPanel>> {
    let left = LINE_LIMIT.saturating_sub(line.len() as u64);
    stdout.take(left).read_until(b'\n', line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    let said = serde_json::from_slice(line)?;
    line.clear();
    Ok(Some(said))
}

fn send(events: &Events, event: Event) {
    // Nobody listens any more: the program is ending, and then nobody needs to know.
    let _ = events.send(event);
}
