//! An X server, and the tray's own end of the wire.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};
use vigie::runtime::panel::{Model, Window};
use vigie_core::message::Event;

/// How long anything may take on a slow machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub type Outcome = anyhow::Result<()>;

/// An X server of the test's own, and what else runs on it.
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
        // It would begin anew with the end of a client that was the only one: who just comes would be turned away.
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", &format!("{size}x24"), "-nolisten", "tcp", "-noreset"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut number = String::new();
        BufReader::new(server.stdout.take().expect("it is piped")).read_line(&mut number)?;
        Ok(Display { server, others: Vec::new(), name: format!(":{}", number.trim()) })
    }

    /// With a window manager, as on every desktop.
    pub async fn managed(size: &str) -> anyhow::Result<Display> {
        let mut display = Display::sized(size)?;
        display.start("openbox", &[])?;
        eventually("a window manager", || Ok(display.root("_NET_WORKAREA")?.contains(" = "))).await?;
        Ok(display)
    }

    /// Starts a program there; it ends with the display.
    pub fn start(&mut self, program: &str, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(program);
        let command = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.others.push(command.env("DISPLAY", &self.name).env_remove("WAYLAND_DISPLAY").spawn()?);
        Ok(())
    }

    /// What a program prints that looks at this display or changes something there.
    pub fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(program).args(arguments).env("DISPLAY", &self.name).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{program} {arguments:?}: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A property of the screen's root window.
    pub fn root(&self, property: &str) -> anyhow::Result<String> {
        self.run("xprop", &["-root", property])
    }

    /// Where the window of that title is on the screen, without its frame: left, top, width, height, in pixels.
    pub fn place(&self, title: &str) -> anyhow::Result<[i32; 4]> {
        let told = self.run("xwininfo", &["-name", title])?;
        let number = |name: &str| -> anyhow::Result<i32> {
            let line = told.lines().find_map(|line| line.trim().strip_prefix(name));
            Ok(line.ok_or_else(|| anyhow::anyhow!("no {name} in {told}"))?.trim().parse()?)
        };
        Ok([
            number("Absolute upper-left X:")?,
            number("Absolute upper-left Y:")?,
            number("Width:")?,
            number("Height:")?,
        ])
    }

    /// Waits until the window of that title is there.
    pub async fn placed(&self, title: &str, wanted: [i32; 4]) -> Outcome {
        eventually(&format!("{title} at {wanted:?}"), || Ok(self.place(title)? == wanted)).await
    }
}

/// Waits until it is so.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> Outcome {
    let mut last = anyhow::anyhow!("it is not so");
    let end = async {
        loop {
            match is_so() {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => last = error,
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let came = timeout(DEADLINE, end).await;
    came.map_err(|_| last.context(format!("never came: {what}")))
}

impl Drop for Display {
    fn drop(&mut self) {
        for program in self.others.iter_mut().chain([&mut self.server]) {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

/// The tray's end: the window, and what it tells.
pub struct Tray<M> {
    pub window: Option<Window<M>>,
    pub events: UnboundedReceiver<Event>,
    title: &'static str,
    display: String,
    pub folder: tempfile::TempDir,
}

impl<M: Model> Tray<M> {
    /// A tray whose window has that title.
    pub fn on(display: &str, title: &'static str) -> anyhow::Result<Tray<M>> {
        Tray::at_home(display, title, tempfile::tempdir()?)
    }

    /// In the home of another tray's.
    pub fn at_home(display: &str, title: &'static str, folder: tempfile::TempDir) -> anyhow::Result<Tray<M>> {
        let program = program(&folder, display, env!("CARGO_BIN_EXE_vigie-panel"), "")?;
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
        let told = timeout(DEADLINE, self.events.recv()).await;
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
        timeout(DEADLINE, changed).await?
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

/// A script that starts a panel's program: each leaves its number and its log, and finds this display and nothing of the
/// developer's desktop.
pub fn program(folder: &tempfile::TempDir, display: &str, panel: &str, exports: &str) -> anyhow::Result<PathBuf> {
    let program = folder.path().join("panel");
    let script = format!(
        "#!/bin/sh\necho $$ >>{home}/pids\nunset WAYLAND_DISPLAY DBUS_SESSION_BUS_ADDRESS\n\
         export DISPLAY={display} NO_AT_BRIDGE=1 GDK_BACKEND=x11 XDG_STATE_HOME={home} {exports}\nexec {panel} 2>>{home}/log\n",
        home = folder.path().display(),
    );
    std::fs::write(&program, script)?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    Ok(program)
}

/// Waits for the end of a process.
pub async fn gone(pid: u32) -> Outcome {
    let end = async {
        while std::fs::exists(format!("/proc/{pid}"))? {
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    timeout(DEADLINE, end).await?
}
