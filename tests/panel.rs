//! The panel's window as its user and the tray meet it: the real `vigie-panel` on a real X server, with the tray's own
//! end of the wire.
#![cfg(target_os = "linux")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};
use vigie::core::state::{Action, Event, LaunchOutcome};
use vigie::core::vpn::Verdict;
use vigie::shell::panel::Window;
use vigie::view::page::Page;
use vigie::view::panel::{Asked, Button, Group, Mark, Panel, Row};

/// How long anything may take on a slow machine.
const SOON: Duration = Duration::from_secs(30);

type Outcome = anyhow::Result<()>;

/// An X server of the test's own.
struct Display {
    server: Child,
    name: String,
}

impl Display {
    fn new() -> anyhow::Result<Display> {
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
struct Tray {
    window: Option<Window>,
    events: UnboundedReceiver<Event>,
    display: String,
    folder: tempfile::TempDir,
}

impl Tray {
    fn on(display: &str) -> anyhow::Result<Tray> {
        let folder = tempfile::tempdir()?;
        // Each panel leaves its number, and finds this display and nothing of the developer's desktop.
        let program = folder.path().join("vigie-panel");
        let script = format!(
            "#!/bin/sh\necho $$ >>{pids}\nunset WAYLAND_DISPLAY DBUS_SESSION_BUS_ADDRESS\n\
             export DISPLAY={display} NO_AT_BRIDGE=1 GDK_BACKEND=x11\nexec {panel}\n",
            pids = folder.path().join("pids").display(),
            panel = env!("CARGO_BIN_EXE_vigie-panel"),
        );
        std::fs::write(&program, script)?;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
        let (sender, events) = unbounded_channel();
        let window = Some(Window::of(program, sender));
        Ok(Tray { window, events, display: display.into(), folder })
    }

    fn show(&mut self, page: &Page) {
        self.window.as_mut().expect("it is there until the tray ends").show(page);
    }

    fn push(&mut self, page: &Page) {
        self.window.as_mut().expect("it is there until the tray ends").push(page);
    }

    /// The next event.
    async fn told(&mut self) -> anyhow::Result<Event> {
        let told = timeout(SOON, self.events.recv()).await;
        told.map_err(|_| anyhow::anyhow!("nothing was told"))?.ok_or_else(|| anyhow::anyhow!("nobody tells any more"))
    }

    /// The panels' process numbers, first to last.
    fn pids(&self) -> anyhow::Result<Vec<u32>> {
        let text = std::fs::read_to_string(self.folder.path().join("pids"))?;
        text.lines().map(|line| Ok(line.parse()?)).collect()
    }

    fn xdotool(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("xdotool").args(arguments).env("DISPLAY", &self.display).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "xdotool {arguments:?}: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Gives the window the keyboard. (No window manager runs here that would.)
    fn focus(&self) -> Outcome {
        self.xdotool(&["search", "--sync", "--onlyvisible", "--name", "^Vigie$", "windowfocus", "--sync"]).map(drop)
    }

    /// What the screen shows, as pixels.
    fn picture(&self) -> anyhow::Result<Vec<u8>> {
        let arguments = ["-display", &self.display, "-window", "root", "rgb:-"];
        let output = Command::new("import").args(arguments).output()?;
        anyhow::ensure!(output.status.success(), "import: {}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    }

    fn press(&self, keys: &[&str]) -> Outcome {
        self.xdotool(&[&["key", "--delay", "100"], keys].concat()).map(drop)
    }
}

fn model() -> Page {
    let panel = Panel {
        title: "VPN connecté depuis 14 h 02".into(),
        subtitle: "Les lecteurs réseau et les applications métiers sont accessibles.".into(),
        verdict: Some(Verdict::Connected),
        question: None,
        buttons: vec![
            Button { label: "Télémaintenance".into(), action: Action::Open("isl-light".into()) },
            Button { label: "Copier les infos".into(), action: Action::CopySupportInfo },
        ],
        groups: vec![Group {
            title: "Cet ordinateur".into(),
            rows: vec![Row {
                id: "computer".into(),
                label: "Nom de l’ordinateur".into(),
                value: "PC-14RC-DSI-0421".into(),
                mark: Mark::Normal,
                ..Row::default()
            }],
        }],
    };
    Page { panel, ..Page::default() }
}

fn asking() -> Page {
    let answers = vec![
        Button { label: "Éteindre".into(), action: Action::ConfirmShutDown },
        Button { label: "Annuler".into(), action: Action::Cancel },
    ];
    let question = Asked { title: "Éteindre l’ordinateur ?".into(), text: "Enregistrez d’abord.".into(), answers };
    let page = model();
    Page { panel: Panel { question: Some(question), ..page.panel.clone() }, ..page }
}

async fn gone(pid: u32) -> Outcome {
    let end = async {
        while std::fs::exists(format!("/proc/{pid}"))? {
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    timeout(SOON, end).await?
}

#[tokio::test]
async fn is_used_by_keyboard_alone() -> Outcome {
    let display = Display::new()?;
    let mut tray = Tray::on(&display.name)?;
    tray.show(&model());
    assert_eq!(tray.told().await?, Event::PanelOpen(true));
    tray.focus()?;
    tray.press(&["Tab", "Return"])?;
    assert_eq!(tray.told().await?, Event::Asked(Action::Open("isl-light".into())));
    tray.press(&["Tab", "space"])?;
    assert_eq!(tray.told().await?, Event::Asked(Action::CopySupportInfo));

    // The question comes before the buttons, and the keyboard stays where it was.
    let before = tray.picture()?;
    tray.push(&asking());
    timeout(SOON, async {
        while tray.picture()? == before {
            sleep(Duration::from_millis(50)).await;
        }
        Outcome::Ok(())
    })
    .await??;
    tray.press(&["shift+Tab", "shift+Tab", "Return"])?;
    assert_eq!(tray.told().await?, Event::Asked(Action::Cancel));

    tray.press(&["Escape"])?;
    assert_eq!(tray.told().await?, Event::PanelOpen(false));
    gone(tray.pids()?[0]).await?;

    tray.show(&model());
    assert_eq!(tray.told().await?, Event::PanelOpen(true));
    assert_eq!(tray.pids()?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn stands_at_the_lower_right_and_opens_once() -> Outcome {
    let display = Display::new()?;
    let mut tray = Tray::on(&display.name)?;
    tray.show(&model());
    tray.show(&model());
    assert_eq!(tray.told().await?, Event::PanelOpen(true));
    tray.show(&asking());
    let place =
        tray.xdotool(&["search", "--sync", "--onlyvisible", "--name", "^Vigie$", "getwindowgeometry", "--shell"])?;
    let number = |name: &str| -> anyhow::Result<i32> {
        let line = place.lines().find_map(|line| line.strip_prefix(name));
        Ok(line.ok_or_else(|| anyhow::anyhow!("no {name} in {place}"))?.parse()?)
    };
    assert_eq!(number("X=")? + number("WIDTH=")?, 1024 - 16);
    assert_eq!(number("Y=")? + number("HEIGHT=")?, 768 - 16);
    assert_eq!(number("WIDTH=")?, 420);
    assert_eq!(tray.pids()?.len(), 1);
    assert!(tray.events.try_recv().is_err(), "it opened once");
    Ok(())
}

#[tokio::test]
async fn ends_with_the_tray() -> Outcome {
    let display = Display::new()?;
    let mut tray = Tray::on(&display.name)?;
    tray.show(&model());
    assert_eq!(tray.told().await?, Event::PanelOpen(true));
    tray.window = None;
    gone(tray.pids()?[0]).await
}

#[tokio::test]
async fn is_closed_when_it_crashed() -> Outcome {
    let display = Display::new()?;
    let mut tray = Tray::on(&display.name)?;
    tray.show(&model());
    assert_eq!(tray.told().await?, Event::PanelOpen(true));
    Command::new("kill").args(["-KILL", &tray.pids()?[0].to_string()]).status()?;
    assert_eq!(tray.told().await?, Event::PanelOpen(false));
    tray.show(&model());
    assert_eq!(tray.told().await?, Event::PanelOpen(true));
    Ok(())
}

#[tokio::test]
async fn says_that_it_cannot_open() -> Outcome {
    let failed = |event: Event| {
        let Event::Launched(launch) = event else { return false };
        launch.id == "panel" && matches!(launch.outcome, LaunchOutcome::Failed(_))
    };
    // No such display.
    let mut tray = Tray::on(":987654")?;
    tray.show(&model());
    assert!(failed(tray.told().await?));
    // No such program.
    let (sender, events) = unbounded_channel();
    tray.events = events;
    tray.window = Some(Window::of(PathBuf::from("/nonexistent/vigie-panel"), sender));
    tray.show(&model());
    assert!(failed(tray.told().await?));
    Ok(())
}

/// What does not come from a tray is refused, and nothing waits.
#[test]
fn takes_no_nonsense() -> Outcome {
    for input in ["", "hello\n", "\"raise\"\n"] {
        let mut panel = Command::new(env!("CARGO_BIN_EXE_vigie-panel"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        std::io::Write::write_all(&mut panel.stdin.take().expect("it is piped"), input.as_bytes())?;
        let output = panel.wait_with_output()?;
        assert_eq!(output.status.code(), Some(2), "{input:?}");
        assert!(output.stdout.is_empty());
    }
    Ok(())
}
