//! The rig of the tests of `vigie-panel`'s windows: an X server, and the tray's own end of the wire.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};
use vigie::core::state::Event;
use vigie::shell::panel::{Model, Window};

/// How long anything may take on a slow machine.
pub const SOON: Duration = Duration::from_secs(30);

pub type Outcome = anyhow::Result<()>;

/// An X server of the test's own.
pub struct Display {
    server: Child,
    pub name: String,
}

impl Display {
    pub fn new() -> anyhow::Result<Display> {
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut number = String::new();
        BufReader::new(server.stdout.take().expect("it is piped")).read_line(&mut number)?;
        Ok(Display { server, name: format!(":{}", number.trim()) })
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The tray's end: the window, and what it tells.
pub struct Tray<M> {
    pub window: Option<Window<M>>,
    pub events: UnboundedReceiver<Event>,
    title: &'static str,
    display: String,
    folder: tempfile::TempDir,
}

impl<M: Model> Tray<M> {
    /// A tray whose window has that title.
    pub fn on(display: &str, title: &'static str) -> anyhow::Result<Tray<M>> {
        let folder = tempfile::tempdir()?;
        // Each panel leaves its number and its log, and finds this display and nothing of the developer's desktop.
        let program = folder.path().join("vigie-panel");
        let script = format!(
            "#!/bin/sh\necho $$ >>{folder}/pids\nunset WAYLAND_DISPLAY DBUS_SESSION_BUS_ADDRESS\n\
             export DISPLAY={display} NO_AT_BRIDGE=1 GDK_BACKEND=x11\nexec {panel} 2>>{folder}/log\n",
            folder = folder.path().display(),
            panel = env!("CARGO_BIN_EXE_vigie-panel"),
        );
        std::fs::write(&program, script)?;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
        let (sender, events) = unbounded_channel();
        let window = Some(Window::of(program, sender));
        Ok(Tray { window, events, title, display: display.into(), folder })
    }

    pub fn show(&mut self, model: &M) {
        self.window.as_mut().expect("it is there until the tray ends").show(model);
    }

    pub fn push(&mut self, model: &M) {
        self.window.as_mut().expect("it is there until the tray ends").push(model);
    }

    /// The next event.
    pub async fn told(&mut self) -> anyhow::Result<Event> {
        let told = timeout(SOON, self.events.recv()).await;
        told.map_err(|_| anyhow::anyhow!("nothing was told"))?.ok_or_else(|| anyhow::anyhow!("nobody tells any more"))
    }

    /// The windows' process numbers, first to last.
    pub fn pids(&self) -> anyhow::Result<Vec<u32>> {
        let text = std::fs::read_to_string(self.folder.path().join("pids"))?;
        text.lines().map(|line| Ok(line.parse()?)).collect()
    }

    /// What the windows' processes have logged.
    pub fn log(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.folder.path().join("log"))?)
    }

    pub fn xdotool(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("xdotool").args(arguments).env("DISPLAY", &self.display).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "xdotool {arguments:?}: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Gives the window the keyboard. (No window manager runs here that would.)
    pub fn focus(&self) -> Outcome {
        let title = format!("^{}$", self.title);
        self.xdotool(&["search", "--sync", "--onlyvisible", "--name", &title, "windowfocus", "--sync"]).map(drop)
    }

    /// The window's place on the screen: left, top, width, height.
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

    /// What the screen shows, as pixels.
    pub fn picture(&self) -> anyhow::Result<Vec<u8>> {
        let arguments = ["-display", &self.display, "-window", "root", "rgb:-"];
        let output = Command::new("import").args(arguments).output()?;
        anyhow::ensure!(output.status.success(), "import: {}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    }

    /// Shows another model, and waits until it is to be seen.
    pub async fn see(&mut self, model: &M) -> Outcome {
        let before = self.picture()?;
        self.push(model);
        let changed = async {
            while self.picture()? == before {
                sleep(Duration::from_millis(50)).await;
            }
            // The page is drawn as a whole, but the keyboard is led on a moment later.
            sleep(Duration::from_millis(200)).await;
            Outcome::Ok(())
        };
        timeout(SOON, changed).await?
    }

    pub fn press(&self, keys: &[&str]) -> Outcome {
        self.xdotool(&[&["key", "--delay", "100"], keys].concat()).map(drop)
    }

    /// Types a text. (By the input, not by an argument that every user of the machine can read.)
    pub fn write(&self, text: &str) -> Outcome {
        self.feed(Command::new("xdotool").args(["type", "--delay", "50", "--file", "-"]), text)
    }

    /// Puts a text on the clipboard.
    pub fn copy(&self, text: &str) -> Outcome {
        self.feed(Command::new("xclip").args(["-selection", "clipboard", "-in"]), text)
    }

    fn feed(&self, command: &mut Command, text: &str) -> Outcome {
        let mut child = command
            .env("DISPLAY", &self.display)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        child.stdin.take().expect("it is piped").write_all(text.as_bytes())?;
        let status = child.wait()?;
        anyhow::ensure!(status.success(), "{command:?}: {status}");
        Ok(())
    }
}

/// Waits for the end of a process.
pub async fn gone(pid: u32) -> Outcome {
    let end = async {
        while std::fs::exists(format!("/proc/{pid}"))? {
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    timeout(SOON, end).await?
}
