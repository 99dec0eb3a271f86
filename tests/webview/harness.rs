//! An X server, and the tray's own end of the IPC.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};
use vigie::runtime::panel::{PanelWindow, WindowModel};
use vigie_core::message::Event;

/// How long a test waits for anything.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A picture that has not changed for so long is the one of the last model.
const STILL: Duration = Duration::from_millis(300);

pub type TestResult = anyhow::Result<()>;

/// Runs a program on that display and returns what it printed.
fn output_of(display: &str, program: &str, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new(program).args(arguments).env("DISPLAY", display).output();
    let output = output.map_err(|error| not_started(program, &error))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{program} {arguments:?}: {stderr}");
    Ok(output.stdout)
}

/// Returns the error that a tool of the tests could not be started: what to do if it is missing.
fn not_started(program: &str, error: &std::io::Error) -> anyhow::Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return anyhow::anyhow!("{program} not found: run scripts/setup desktop test");
    }
    anyhow::anyhow!("{program}: {error}")
}

/// An X server, and other programs on it. All end when this is dropped.
pub struct Display {
    server: Child,
    others: Vec<Child>,
    pub name: String,
}

impl Display {
    pub fn new() -> anyhow::Result<Display> {
        Display::sized("1024x768")
    }

    fn sized(size: &str) -> anyhow::Result<Display> {
        // -noreset: the server must not reset when its last client leaves, and refuse the next one meanwhile.
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", &format!("{size}x24"), "-nolisten", "tcp", "-noreset"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| not_started("Xvfb", &error))?;
        let mut number = String::new();
        BufReader::new(server.stdout.take().expect("stdout is piped")).read_line(&mut number)?;
        Ok(Display { server, others: Vec::new(), name: format!(":{}", number.trim()) })
    }

    /// Starts a display with a window manager.
    pub async fn managed(size: &str) -> anyhow::Result<Display> {
        let mut display = Display::sized(size)?;
        display.start("openbox", &[])?;
        wait_for("a window manager", || Ok(display.root("_NET_WORKAREA")?.contains(" = "))).await?;
        Ok(display)
    }

    /// Starts a program on the display.
    pub fn start(&mut self, program: &str, arguments: &[&str]) -> TestResult {
        let mut command = Command::new(program);
        let command = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let command = command.env("DISPLAY", &self.name).env_remove("WAYLAND_DISPLAY");
        self.others.push(command.spawn().map_err(|error| not_started(program, &error))?);
        Ok(())
    }

    /// Runs a program on the display and returns its output.
    pub fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        Ok(String::from_utf8(output_of(&self.name, program, arguments)?)?)
    }

    /// Returns a property of the root window.
    pub fn root(&self, property: &str) -> anyhow::Result<String> {
        self.run("xprop", &["-root", property])
    }

    /// Returns a window's place without its frame: left, top, width, height, in pixels.
    pub fn place(&self, title: &str) -> anyhow::Result<[i32; 4]> {
        let output = self.run("xwininfo", &["-name", title])?;
        let number = |name: &str| -> anyhow::Result<i32> {
            let line = output.lines().find_map(|line| line.trim().strip_prefix(name));
            Ok(line.ok_or_else(|| anyhow::anyhow!("no {name} in {output}"))?.trim().parse()?)
        };
        Ok([
            number("Absolute upper-left X:")?,
            number("Absolute upper-left Y:")?,
            number("Width:")?,
            number("Height:")?,
        ])
    }

    /// Waits until a window has this place.
    pub async fn wait_for_place(&self, title: &str, wanted: [i32; 4]) -> TestResult {
        wait_for(&format!("{title} at {wanted:?}"), || Ok(self.place(title)? == wanted)).await
    }
}

/// Waits until a condition holds.
pub async fn wait_for(what: &str, mut condition: impl FnMut() -> anyhow::Result<bool>) -> TestResult {
    let mut last = anyhow::anyhow!("the condition does not hold");
    let end = async {
        loop {
            match condition() {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => last = error,
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let result = timeout(DEADLINE, end).await;
    result.map_err(|_| last.context(format!("timed out: {what}")))
}

impl Drop for Display {
    fn drop(&mut self) {
        for program in self.others.iter_mut().chain([&mut self.server]) {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

/// The tray's end of the IPC.
pub struct FakeTray<M> {
    pub window: Option<PanelWindow<M>>,
    pub events: UnboundedReceiver<Event>,
    title: &'static str,
    display: String,
    pub folder: tempfile::TempDir,
}

/// Returns the next event. Which window has the focus is up to the window manager, and is left out.
pub async fn next_event(events: &mut UnboundedReceiver<Event>, deadline: Duration) -> anyhow::Result<Event> {
    loop {
        let event = timeout(deadline, events.recv()).await.map_err(|_| anyhow::anyhow!("no event"))?;
        let event = event.ok_or_else(|| anyhow::anyhow!("no sender of events is left"))?;
        if !matches!(event, Event::PanelFocused(_)) {
            return Ok(event);
        }
    }
}

impl<M: WindowModel> FakeTray<M> {
    /// Returns a tray for the window with that title.
    pub fn on(display: &str, title: &'static str) -> anyhow::Result<FakeTray<M>> {
        FakeTray::with_home(display, title, tempfile::tempdir()?)
    }

    /// As [`FakeTray::on`], with the home folder of an earlier tray.
    pub fn with_home(display: &str, title: &'static str, folder: tempfile::TempDir) -> anyhow::Result<FakeTray<M>> {
        let program = program(&folder, display, env!("CARGO_BIN_EXE_vigie-panel"), "")?;
        let (sender, events) = unbounded_channel();
        let window = Some(PanelWindow::of(program, sender));
        Ok(FakeTray { window, events, title, display: display.into(), folder })
    }

    pub fn show(&mut self, model: &M) {
        self.window.as_mut().expect("the window lasts as long as the tray").show(model);
    }

    pub fn push(&mut self, model: &M) {
        self.window.as_mut().expect("the window lasts as long as the tray").push(model);
    }

    /// Waits for the next event.
    pub async fn event(&mut self) -> anyhow::Result<Event> {
        self.event_within(DEADLINE).await
    }

    /// As [`FakeTray::event`], with another deadline.
    pub async fn event_within(&mut self, deadline: Duration) -> anyhow::Result<Event> {
        next_event(&mut self.events, deadline).await
    }

    /// Returns the process ids of the windows, first to last.
    pub fn pids(&self) -> anyhow::Result<Vec<u32>> {
        let text = std::fs::read_to_string(self.folder.path().join("pids"))?;
        text.lines().map(|line| Ok(line.parse()?)).collect()
    }

    /// Returns the log of the windows' processes.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.folder.path().join("log"))?)
    }

    pub fn xdotool(&self, arguments: &[&str]) -> anyhow::Result<String> {
        Ok(String::from_utf8(output_of(&self.display, "xdotool", arguments)?)?)
    }

    /// Gives the window the keyboard focus, in the place of a window manager.
    pub fn focus(&self) -> TestResult {
        let title = format!("^{}$", self.title);
        self.xdotool(&["search", "--sync", "--onlyvisible", "--name", &title, "windowfocus", "--sync"]).map(drop)
    }

    /// Returns the window's place: left, top, width, height.
    pub fn place(&self) -> anyhow::Result<[i32; 4]> {
        let title = format!("^{}$", self.title);
        let search = ["search", "--sync", "--onlyvisible", "--name", &title, "getwindowgeometry", "--shell"];
        let place = self.xdotool(&search)?;
        let number = |name: &str| -> anyhow::Result<i32> {
            let line = place.lines().find_map(|line| line.strip_prefix(name));
            Ok(line.ok_or_else(|| anyhow::anyhow!("no {name} in {place}"))?.parse()?)
        };
        Ok([number("X=")?, number("Y=")?, number("WIDTH=")?, number("HEIGHT=")?])
    }

    /// Returns the pixels of the screen.
    pub fn screen(&self) -> anyhow::Result<Vec<u8>> {
        output_of(&self.display, "import", &["-window", "root", "rgb:-"])
    }

    /// Shows another model, and waits until the page has drawn it: until the picture is another one and stays the same,
    /// since the focus may move after the first change.
    pub async fn update(&mut self, model: &M) -> TestResult {
        let before = self.screen()?;
        self.push(model);
        let (mut last, mut since) = (before.clone(), Instant::now());
        wait_for("another picture, which stays", || {
            let picture = self.screen()?;
            if picture != last {
                (last, since) = (picture, Instant::now());
            }
            Ok(last != before && since.elapsed() > STILL)
        })
        .await
    }

    /// Closes the window, and returns the events that it has sent and that were not received yet.
    pub async fn close(&mut self) -> anyhow::Result<Vec<Event>> {
        self.window = None;
        let mut rest = Vec::new();
        // Ends when nothing is left that could send one.
        while let Some(event) = timeout(DEADLINE, self.events.recv()).await? {
            rest.push(event);
        }
        Ok(rest)
    }

    pub fn press(&self, keys: &[&str]) -> TestResult {
        self.xdotool(&[&["key", "--delay", "100"], keys].concat()).map(drop)
    }

    /// Types a text. (From standard input: any user could read an argument.)
    pub fn type_text(&self, text: &str) -> TestResult {
        self.feed(Command::new("xdotool").args(["type", "--delay", "50", "--file", "-"]), text)
    }

    /// Puts a text on the clipboard.
    pub fn copy(&self, text: &str) -> TestResult {
        self.feed(Command::new("xclip").args(["-selection", "clipboard", "-in"]), text)
    }

    fn feed(&self, command: &mut Command, text: &str) -> TestResult {
        let mut child = command
            .env("DISPLAY", &self.display)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        child.stdin.take().expect("stdin is piped").write_all(text.as_bytes())?;
        let status = child.wait()?;
        anyhow::ensure!(status.success(), "{command:?}: {status}");
        Ok(())
    }
}

/// Creates a script that starts a window's program on this display, apart from the developer's desktop. It records the
/// process id, and its log. No cursor blinks, so that the picture changes with the model alone.
pub fn program(folder: &tempfile::TempDir, display: &str, panel: &str, exports: &str) -> anyhow::Result<PathBuf> {
    let program = folder.path().join("panel");
    std::fs::create_dir_all(folder.path().join("gtk-3.0"))?;
    std::fs::write(folder.path().join("gtk-3.0/settings.ini"), "[Settings]\ngtk-cursor-blink=0\n")?;
    let script = format!(
        "#!/bin/sh\necho $$ >>{home}/pids\nunset WAYLAND_DISPLAY DBUS_SESSION_BUS_ADDRESS\n\
         export DISPLAY={display} NO_AT_BRIDGE=1 GDK_BACKEND=x11 XDG_CONFIG_HOME={home} XDG_STATE_HOME={home} {exports}\n\
         exec {panel} 2>>{home}/log\n",
        home = folder.path().display(),
    );
    std::fs::write(&program, script)?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    Ok(program)
}

/// Waits until a process has ended.
pub async fn wait_for_end(pid: u32) -> TestResult {
    let end = async {
        while std::fs::exists(format!("/proc/{pid}"))? {
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    timeout(DEADLINE, end).await?
}
