//! The panel, opened and pinned.

use super::rig::{DEADLINE, Display, Outcome, Tray, eventually, gone, program};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};
use vigie::runtime::panel::{Pin, Window};
use vigie_core::message::{Action, Event, WindowError, WindowKind};
use vigie_core::vpn::VpnStatus;
use vigie_view::page::Page;
use vigie_view::panel::{self as view, Button, Group, Panel, Prompt, Row, Severity};

/// The windows' titles.
const OPENED: &str = "Vigie";
const PINNED: &str = "Vigie sur le bureau";

fn model() -> Page {
    let panel = Panel {
        title: "VPN connecté depuis 14 h 02".into(),
        subtitle: "Les lecteurs réseau et les applications métiers sont accessibles.".into(),
        verdict: Some(VpnStatus::Connected),
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
                mark: Severity::Normal,
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
    let question =
        Prompt { title: "Éteindre l’ordinateur ?".into(), text: "Enregistrez d’abord.".into(), answers };
    let page = model();
    Page { panel: Panel { question: Some(question), ..page.panel.clone() }, ..page }
}

#[tokio::test]
async fn is_used_by_keyboard_alone() -> Outcome {
    let display = Display::new()?;
    let mut tray = Tray::on(&display.name, OPENED)?;
    tray.show(&model());
    assert_eq!(tray.told().await?, Event::PanelOpen(true));
    tray.focus()?;
    tray.press(&["Tab", "Return"])?;
    assert_eq!(tray.told().await?, Event::Action(Action::Open("isl-light".into())));
    tray.press(&["Tab", "space"])?;
    assert_eq!(tray.told().await?, Event::Action(Action::CopySupportInfo));

    // The question comes before the buttons, and the keyboard stays where it was.
    tray.see(&asking()).await?;
    tray.press(&["shift+Tab", "shift+Tab", "Return"])?;
    assert_eq!(tray.told().await?, Event::Action(Action::Cancel));

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
    let mut tray = Tray::on(&display.name, OPENED)?;
    tray.show(&model());
    tray.show(&model());
    assert_eq!(tray.told().await?, Event::PanelOpen(true));
    tray.show(&asking());
    let [left, top, width, height] = tray.place()?;
    assert_eq!((left + width, top + height, width), (1024 - 16, 768 - 16, 420));
    assert_eq!(tray.pids()?.len(), 1);
    assert!(tray.events.try_recv().is_err(), "it opened once");
    Ok(())
}

#[tokio::test]
async fn ends_with_the_tray() -> Outcome {
    let display = Display::new()?;
    let mut tray = Tray::on(&display.name, OPENED)?;
    tray.show(&model());
    assert_eq!(tray.told().await?, Event::PanelOpen(true));
    tray.window = None;
    gone(tray.pids()?[0]).await
}

#[tokio::test]
async fn is_closed_when_it_crashed() -> Outcome {
    let display = Display::new()?;
    let mut tray = Tray::on(&display.name, OPENED)?;
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
    let failed = |event| matches!(event, Event::WindowFailed(WindowKind::Panel, WindowError::Failed(_)));
    // No such display.
    let mut tray = Tray::on(":987654", OPENED)?;
    tray.show(&model());
    assert!(failed(tray.told().await?));
    // No such program.
    let (sender, events) = unbounded_channel();
    tray.events = events;
    tray.window = Some(Window::of("/nonexistent/vigie-panel".into(), sender));
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

#[tokio::test]
async fn stands_where_it_stood_unless_nobody_could_reach_it() -> Outcome {
    let display = Display::managed("1280x1024").await?;
    let mut tray = Tray::on(&display.name, OPENED)?;
    tray.show(&model());
    assert_eq!(tray.told().await?, Event::PanelOpen(true));
    tray.xdotool(&["search", "--name", "^Vigie$", "windowsize", "500", "640", "windowmove", "150", "120"])?;
    eventually("the new size", || Ok(display.place(OPENED)?[2..] == [500, 640])).await?;
    sleep(Duration::from_millis(500)).await;
    let place = display.place(OPENED)?;
    assert!(place[0] < 200 && place[1] < 200, "the window manager has moved it: {place:?}");
    tray.press(&["Escape"])?;
    assert_eq!(tray.told().await?, Event::PanelOpen(false));
    tray.show(&model());
    assert_eq!(tray.told().await?, Event::PanelOpen(true));
    display.placed(OPENED, place).await?;

    // The program's own end keeps it too.
    tray.xdotool(&["search", "--name", "^Vigie$", "windowmove", "700", "300"])?;
    eventually("the move", || Ok(display.place(OPENED)?[0] > 600)).await?;
    sleep(Duration::from_millis(500)).await;
    let place = display.place(OPENED)?;
    tray.window = None;
    gone(tray.pids()?[1]).await?;
    let mut tray = Tray::at_home(&display.name, OPENED, tray.folder)?;
    tray.show(&model());
    assert_eq!(tray.told().await?, Event::PanelOpen(true));
    display.placed(OPENED, place).await?;
    tray.window = None;
    gone(tray.pids()?[2]).await?;

    // The monitor at which it stood is gone.
    let small = Display::managed("800x600").await?;
    let mut tray = Tray::at_home(&small.name, OPENED, tray.folder)?;
    tray.show(&model());
    assert_eq!(tray.told().await?, Event::PanelOpen(true));
    eventually("the window at the lower right", || {
        let [left, top, width, height] = small.place(OPENED)?;
        Ok(left < 700 && left + width > 700 && top >= 0 && top + height <= 600)
    })
    .await
}

/// The pinned panel, and what it tells.
struct Pinned {
    pin: Pin,
    events: UnboundedReceiver<Event>,
    folder: tempfile::TempDir,
}

impl Pinned {
    fn on(display: &Display, exports: &str) -> anyhow::Result<Pinned> {
        let folder = tempfile::tempdir()?;
        let program = program(&folder, &display.name, env!("CARGO_BIN_EXE_vigie-pinned"), exports)?;
        let (sender, events) = unbounded_channel();
        Ok(Pinned { pin: Pin::of(program, sender), events, folder })
    }
}

fn pinned(width: u16, height: u16) -> Option<view::Pinned> {
    let buttons = vec![Button { label: "Ouvrir le panneau".into(), action: Action::ShowPanel }];
    let panel = Panel { buttons, ..model().panel };
    Some(view::Pinned { panel, opacity_percent: 90, width, height })
}

/// Lets the window with that name keep so many pixels of the lower edge for itself, as a task bar does.
fn keep_below(display: &Display, name: &str, pixels: u32) -> Outcome {
    let strut = format!("0,0,0,{pixels}");
    let set = ["-name", name, "-f", "_NET_WM_STRUT", "32c", "-set", "_NET_WM_STRUT", &strut];
    display.run("xprop", &set).map(drop)
}

#[tokio::test]
async fn is_pinned_under_everything_and_in_no_list() -> Outcome {
    let mut display = Display::managed("1280x800").await?;
    display.start("display", &["-title", "other", "xc:gray[900x700]"])?;
    eventually("another window", || display.run("xwininfo", &["-name", "other"]).map(|_| true)).await?;
    let mut tray = Pinned::on(&display, "")?;
    tray.pin.show(pinned(420, 680));
    display.placed(PINNED, [1280 - 16 - 420, 800 - 16 - 680, 420, 680]).await?;
    let told = display.run("xprop", &["-name", PINNED])?;
    let property = |name: &str| told.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    for state in ["_NET_WM_STATE_BELOW", "_NET_WM_STATE_SKIP_TASKBAR", "_NET_WM_STATE_SKIP_PAGER"] {
        assert!(property("_NET_WM_STATE(").contains(state), "{state}: {told}");
    }
    assert!(property("_NET_FRAME_EXTENTS").ends_with("= 0, 0, 0, 0"), "{told}");
    // Every desktop (EWMH).
    assert!(property("_NET_WM_DESKTOP").ends_with("= 4294967295"), "{told}");
    let focusable = |display: &Display| -> anyhow::Result<bool> {
        Ok(!display.run("xprop", &["-name", PINNED, "WM_HINTS"])?.contains("input focus: False"))
    };
    assert!(!focusable(&display)?);
    let order = display.root("_NET_CLIENT_LIST_STACKING")?;
    let id = display.run("xdotool", &["search", "--name", "^Vigie sur le bureau$"])?;
    let id = format!("{:#x}", id.trim().parse::<u32>()?);
    assert!(order.contains(&format!("# {id},")), "the lowest is not {id}: {order}");

    // The keyboard is another window's, until a click.
    let active = |display: &Display| -> anyhow::Result<String> {
        Ok(display.run("xdotool", &["getactivewindow", "getwindowname"])?.trim().to_owned())
    };
    let other = display.run("xdotool", &["search", "--name", "^other$"])?;
    display.run("xdotool", &["windowmove", other.trim(), "0", "0"])?;
    display.run("xdotool", &["windowactivate", other.trim()])?;
    eventually("the other window has the keyboard", || Ok(active(&display)? == "other")).await?;
    display.run("xdotool", &["mousemove", "1200", "160", "click", "1"])?;
    eventually("the pinned panel has the keyboard", || Ok(active(&display)? == PINNED)).await?;
    // It is on the one row; next is the way to the opened panel.
    display.run("xdotool", &["key", "--delay", "100", "Tab", "Return"])?;
    let told = timeout(DEADLINE, tray.events.recv()).await?;
    assert_eq!(told, Some(Event::Action(Action::ShowPanel)), "not told that the panel is open: it may be covered");
    display.run("xdotool", &["windowactivate", other.trim()])?;
    eventually("the keyboard is given back", || Ok(!focusable(&display)?)).await?;

    // Gone at once, and back again.
    tray.pin.show(None);
    eventually("no window", || Ok(display.place(PINNED).is_err())).await?;
    tray.pin.show(pinned(300, 260));
    display.placed(PINNED, [1280 - 16 - 300, 800 - 16 - 260, 300, 260]).await
}

#[tokio::test]
async fn copies_a_row_where_it_is_pinned() -> Outcome {
    let display = Display::managed("1280x800").await?;
    let mut tray = Pinned::on(&display, "")?;
    tray.pin.show(pinned(420, 680));
    display.placed(PINNED, [844, 104, 420, 680]).await?;
    display.run("xdotool", &["mousemove", "1000", "105", "click", "1"])?;
    eventually("the keyboard", || Ok(display.run("xdotool", &["getactivewindow", "getwindowname"])?.trim() == PINNED))
        .await?;
    // To the button, and round to the row.
    display.run("xdotool", &["key", "--delay", "100", "Tab", "Tab", "Return"])?;
    eventually("the clipboard", || Ok(display.run("xclip", &["-o", "-selection", "clipboard"])? == "PC-14RC-DSI-0421"))
        .await
}

#[tokio::test]
async fn is_pinned_anew_when_the_screen_changes() -> Outcome {
    for (scale, exports) in [(1, ""), (2, "GDK_SCALE=2")] {
        let mut display = Display::managed("2560x1600").await?;
        display.start("display", &["-title", "bar", "xc:gray[50x50]"])?;
        eventually("a task bar", || keep_below(&display, "bar", 40).map(|()| true)).await?;
        let mut tray = Pinned::on(&display, exports)?;
        tray.pin.show(pinned(420, 680));
        let (margin, width, height) = (16 * scale, 420 * scale, 680 * scale);
        let at = |right: i32, bottom: i32| [right - margin - width, bottom - margin - height, width, height];
        display.placed(PINNED, at(2560, 1560)).await?;

        keep_below(&display, "bar", 120)?;
        display.placed(PINNED, at(2560, 1480)).await?;
        keep_below(&display, "bar", 0)?;
        display.placed(PINNED, at(2560, 1600)).await?;

        // Two monitors, the left one the primary; the server tells of them with the next change of an output.
        display.run("xrandr", &["--setmonitor", "*left", "1280/300x1600/400+0+0", "screen"])?;
        display.run("xrandr", &["--setmonitor", "right", "1280/300x1600/400+1280+0", "none"])?;
        display.run("xrandr", &["--output", "screen", "--primary"])?;
        display.placed(PINNED, at(1280, 1600)).await?;
        display.run("xrandr", &["--delmonitor", "left"])?;
        display.run("xrandr", &["--delmonitor", "right"])?;
        display.run("xrandr", &["--output", "screen", "--noprimary"])?;
        display.placed(PINNED, at(2560, 1600)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn is_pinned_again_after_a_crash() -> Outcome {
    let display = Display::managed("1280x800").await?;
    let mut tray = Pinned::on(&display, "")?;
    tray.pin.show(pinned(420, 680));
    display.placed(PINNED, [844, 104, 420, 680]).await?;
    let pids = || -> anyhow::Result<Vec<u32>> {
        let text = std::fs::read_to_string(tray.folder.path().join("pids"))?;
        text.lines().map(|line| Ok(line.parse()?)).collect()
    };
    Command::new("kill").args(["-KILL", &pids()?[0].to_string()]).status()?;
    eventually("a second panel", || Ok(pids()?.len() == 2)).await?;
    display.placed(PINNED, [844, 104, 420, 680]).await
}

/// The desktop portal, as far as it tells of light and dark (XDG Desktop Portal, Settings version 1).
struct Portal(u32);

#[zbus::interface(name = "org.freedesktop.portal.Settings")]
impl Portal {
    fn read(&self, namespace: &str, key: &str) -> zbus::fdo::Result<zbus::zvariant::OwnedValue> {
        if (namespace, key) != ("org.freedesktop.appearance", "color-scheme") {
            return Err(zbus::fdo::Error::Failed("no such setting".into()));
        }
        // This version wraps it twice.
        let inner = zbus::zvariant::Value::Value(Box::new(self.0.into()));
        inner.try_into().map_err(|_| zbus::fdo::Error::Failed("a number".into()))
    }
}

#[tokio::test]
async fn is_dark_when_the_desktop_is() -> Outcome {
    let display = Display::managed("1280x800").await?;
    let mut bus = tokio::process::Command::new("dbus-daemon")
        .args(["--session", "--nofork", "--print-address"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut address = String::new();
    let told = bus.stdout.take().expect("it is piped");
    tokio::io::AsyncBufReadExt::read_line(&mut tokio::io::BufReader::new(told), &mut address).await?;
    let address = address.trim();
    let path = "/org/freedesktop/portal/desktop";
    let portal = zbus::connection::Builder::address(address)?
        .serve_at(path, Portal(1))?
        .name("org.freedesktop.portal.Desktop")?
        .build()
        .await?;
    let exports = format!("DBUS_SESSION_BUS_ADDRESS={address}");
    let (folder, (sender, _events)) = (tempfile::tempdir()?, unbounded_channel());
    let opened = program(&folder, &display.name, env!("CARGO_BIN_EXE_vigie-panel"), &exports)?;
    let mut window = Window::of(opened, sender);
    let mut tray = Pinned::on(&display, &exports)?;
    // Beside the pinned one, so that both are seen.
    std::fs::create_dir_all(folder.path().join("vigie"))?;
    std::fs::write(folder.path().join("vigie/panel.json"), r#"{"x":100,"y":60,"width":420,"height":600}"#)?;
    tray.pin.show(pinned(420, 680).map(|pinned| view::Pinned { opacity_percent: 100, ..pinned }));
    window.show(&model());
    display.placed(PINNED, [844, 104, 420, 680]).await?;
    let ground = |title: &str| -> anyhow::Result<String> {
        let [x, y, _, height] = display.place(title)?;
        let pixel = format!("%[pixel:u.p{{{},{}}}]", x + 6, y + height - 80);
        display.run("convert", &["x:root", "-depth", "8", "-format", &pixel, "info:"])
    };
    eventually("dark from the start", || Ok(ground(PINNED)?.contains("22,22,22"))).await?;
    eventually("dark from the start", || Ok(ground(OPENED)?.contains("22,22,22"))).await?;
    for (scheme, wanted) in [(2, "255,255,255"), (1_u32, "22,22,22"), (0, "255,255,255")] {
        let changed = ("org.freedesktop.appearance", "color-scheme", zbus::zvariant::Value::from(scheme));
        portal.emit_signal(None::<&str>, path, "org.freedesktop.portal.Settings", "SettingChanged", &changed).await?;
        for title in [PINNED, OPENED] {
            let what = format!("{title} in {wanted}");
            eventually(&what, || {
                let ground = ground(title)?;
                anyhow::ensure!(
                    ground.contains(wanted) || (wanted.starts_with("255") && ground.contains("white")),
                    "{ground}"
                );
                Ok(true)
            })
            .await?;
        }
    }
    // Without a bus they stand as before.
    bus.kill().await?;
    sleep(Duration::from_millis(500)).await;
    assert!(ground(PINNED).is_ok() && ground(OPENED).is_ok());
    Ok(())
}
