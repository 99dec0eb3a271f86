//! The panel, opened and pinned.

use super::harness::{DEADLINE, Display, FakeTray, TestResult, next_event, program, wait_for, wait_for_end};
use super::test_bus::TestBus;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;
use vigie::runtime::panel::{PanelWindow, PinnedWindow};
use vigie_core::message::{Action, Event, WindowError, WindowKind};
use vigie_core::vpn::VpnStatus;
use vigie_view::cards::{Card, CardButton};
use vigie_view::page::Page;
use vigie_view::panel::{self as view, Button, Group, Panel, Prompt, Row, Severity};

/// The windows' titles.
const OPENED: &str = "Vigie";
const PINNED: &str = "Vigie sur le bureau";

fn model() -> Page {
    let panel = Panel {
        title: "VPN connecté depuis 14 h 02".into(),
        subtitle: "Les lecteurs réseau et les applications métiers sont accessibles.".into(),
        banner: None,
        status: Some(VpnStatus::Connected),
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

/// The panel with the guide's cards. Without them it is a pinned one, which Escape does not close.
fn with_cards() -> Page {
    Page { cards: vec![Card { id: "vpn".into(), title: "VPN".into(), ..Card::default() }], ..model() }
}

fn asking() -> Page {
    let answers = vec![
        Button { label: "Annuler".into(), action: Action::Cancel },
        Button { label: "Éteindre".into(), action: Action::ConfirmShutDown },
    ];
    let question =
        Prompt {
            number: 0, title: "Éteindre l’ordinateur ?".into(), text: "Enregistrez d’abord.".into(), answers
        };
    let page = model();
    Page { panel: Panel { question: Some(question), ..page.panel.clone() }, ..page }
}

#[tokio::test]
async fn panel_is_used_by_keyboard_alone() -> TestResult {
    let display = Display::new()?;
    let mut tray = open(&display).await?;
    tray.focus()?;
    // Pressed twice, as by a double click: the program opens once.
    tray.press(&["Tab", "Return", "Return"])?;
    assert_eq!(tray.event().await?, Event::Action(Action::Open("isl-light".into())));
    tray.press(&["Tab", "space"])?;
    assert_eq!(tray.event().await?, Event::Action(Action::CopySupportInfo));

    // The question takes the focus, on the answer that changes nothing.
    tray.update(&asking()).await?;
    tray.press(&["Return"])?;
    assert_eq!(tray.event().await?, Event::Action(Action::Cancel));
    tray.update(&with_cards()).await?;

    tray.press(&["Escape"])?;
    assert_eq!(tray.event().await?, Event::PanelOpen(false));
    wait_for_end(tray.pids()?[0]).await?;

    tray.show(&model());
    assert_eq!(tray.event().await?, Event::PanelOpen(true));
    assert_eq!(tray.pids()?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn opens_once_at_the_lower_right() -> TestResult {
    let display = Display::new()?;
    let mut tray = FakeTray::on(&display.name, OPENED)?;
    tray.show(&model());
    tray.show(&model());
    assert_eq!(tray.event().await?, Event::PanelOpen(true));
    tray.show(&asking());
    let [left, top, width, height] = tray.place()?;
    assert_eq!((left + width, top + height, width), (1024 - 16, 768 - 16, 420));
    assert_eq!(tray.pids()?.len(), 1);
    assert!(tray.events.try_recv().is_err(), "it opened once");
    Ok(())
}

#[tokio::test]
async fn panel_ends_with_the_tray() -> TestResult {
    let display = Display::new()?;
    let mut tray = open(&display).await?;
    tray.window = None;
    wait_for_end(tray.pids()?[0]).await
}

/// Opens the panel.
async fn open(display: &Display) -> anyhow::Result<FakeTray<Page>> {
    let mut tray = FakeTray::on(&display.name, OPENED)?;
    tray.show(&model());
    assert_eq!(tray.event().await?, Event::PanelOpen(true));
    Ok(tray)
}

#[tokio::test]
async fn the_countdown_counts_by_itself() -> TestResult {
    let display = Display::new()?;
    let mut tray = open(&display).await?;
    let mut page = model();
    // "dans 2 minutes" for some seconds more.
    page.panel.groups[0].rows[0].until = Some(jiff::Timestamp::now().as_second() + 75);
    tray.update(&page).await?;
    let before = tray.screen()?;
    wait_for("less than a minute to be left", || Ok(tray.screen()? != before)).await
}

/// How long it takes at most until a window that hangs is closed.
const HANG_LIMIT: Duration = Duration::from_secs(90);

/// Opens the panel, and uses it until it has noticed that it has the focus.
async fn open_in_use(display: &Display) -> anyhow::Result<FakeTray<Page>> {
    let mut tray = open(display).await?;
    tray.focus()?;
    tray.press(&["Tab", "Return"])?;
    assert_eq!(tray.event().await?, Event::Action(Action::Open("isl-light".into())));
    Ok(tray)
}

/// Returns the engine's process that runs the page of a window.
fn web_process(window: u32) -> anyhow::Result<u32> {
    let children = Command::new("pgrep").args(["--parent", &window.to_string(), "WebKitWebProces"]).output()?;
    Ok(String::from_utf8(children.stdout)?.trim().parse()?)
}

fn signal(name: &str, process: u32) -> TestResult {
    anyhow::ensure!(Command::new("kill").args([name, &process.to_string()]).status()?.success());
    Ok(())
}

#[tokio::test]
async fn panel_that_crashes_in_use_opens_again_once() -> TestResult {
    let display = Display::new()?;
    let mut tray = open_in_use(&display).await?;
    signal("-KILL", tray.pids()?[0])?;
    assert_eq!(tray.event().await?, Event::PanelOpen(false));
    assert_eq!(tray.event().await?, Event::PanelOpen(true));
    tray.focus()?;
    tray.press(&["Tab", "Return"])?;
    assert_eq!(tray.event().await?, Event::Action(Action::Open("isl-light".into())));
    signal("-KILL", tray.pids()?[1])?;
    assert_eq!(tray.event().await?, Event::PanelOpen(false));
    // Only when the user requests it.
    tray.show(&model());
    assert_eq!(tray.event().await?, Event::PanelOpen(true));
    assert_eq!(tray.pids()?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn panel_whose_web_process_is_killed_opens_again_in_its_place() -> TestResult {
    let display = Display::managed("1280x1024").await?;
    let mut tray = open_in_use(&display).await?;
    tray.xdotool(&["search", "--name", "^Vigie$", "windowmove", "150", "120"])?;
    wait_for("the move", || Ok(display.place(OPENED)?[0] < 200)).await?;
    let place = display.place(OPENED)?;
    signal("-KILL", web_process(tray.pids()?[0])?)?;
    assert_eq!(tray.event().await?, Event::PanelOpen(false));
    assert_eq!(tray.event().await?, Event::PanelOpen(true));
    display.wait_for_place(OPENED, place).await?;
    wait_for_end(tray.pids()?[0]).await
}

#[tokio::test]
async fn panel_whose_web_process_hangs_opens_again() -> TestResult {
    let display = Display::new()?;
    let mut tray = open_in_use(&display).await?;
    let (window, web) = (tray.pids()?[0], web_process(tray.pids()?[0])?);
    signal("-STOP", web)?;
    assert_eq!(tray.event_within(HANG_LIMIT).await?, Event::PanelOpen(false));
    assert_eq!(tray.event().await?, Event::PanelOpen(true));
    wait_for_end(window).await?;
    wait_for_end(web).await
}

/// A panel that nobody uses is closed, and no longer keeps notifications back.
#[tokio::test]
async fn panel_that_hangs_unused_is_closed() -> TestResult {
    let display = Display::new()?;
    let mut tray = open(&display).await?;
    let window = tray.pids()?[0];
    signal("-STOP", window)?;
    assert_eq!(tray.event_within(HANG_LIMIT).await?, Event::PanelOpen(false));
    wait_for_end(window).await?;
    tray.show(&model());
    assert_eq!(tray.event().await?, Event::PanelOpen(true));
    assert_eq!(tray.pids()?.len(), 2, "opened by request alone");
    Ok(())
}

#[tokio::test]
async fn a_double_click_does_not_confirm_or_cancel_the_shutdown() -> TestResult {
    let display = Display::new()?;
    let mut tray = FakeTray::on(&display.name, OPENED)?;
    let answers = vec![Button { label: "Éteindre maintenant".into(), action: Action::ShutDown }];
    let reminder =
        Prompt {
            number: 0, title: "Arrêt automatique à 21 h 30".into(), text: "Enregistrez d’abord.".into(), answers
        };
    let page = model();
    tray.show(&Page { panel: Panel { question: Some(reminder), ..page.panel.clone() }, ..page });
    assert_eq!(tray.event().await?, Event::PanelOpen(true));
    tray.focus()?;
    // Finds the button. It takes no click in its own first second.
    let [left, top, ..] = tray.place()?;
    let mut y = top + 80;
    loop {
        tray.xdotool(&["mousemove", &(left + 80).to_string(), &y.to_string(), "click", "1"])?;
        if tray.event_within(Duration::from_millis(200)).await.is_ok() {
            break;
        }
        y = if y < top + 380 { y + 8 } else { top + 80 };
    }
    let mut clicks = Command::new("xdotool")
        .args(["click", "--repeat", "8", "--delay", "100", "1"])
        .env("DISPLAY", &display.name)
        .spawn()?;
    tray.push(&asking());
    let status = tokio::task::spawn_blocking(move || clicks.wait()).await??;
    assert!(status.success());
    // "Annuler" has the focus.
    tray.press(&["Return"])?;
    let mut event = Event::Action(Action::ShutDown);
    // Clicked before the question was there.
    while event == Event::Action(Action::ShutDown) {
        event = tray.event().await?;
    }
    assert_eq!(event, Event::Action(Action::Cancel));
    Ok(())
}

#[tokio::test]
async fn a_double_click_on_a_tile_does_not_reach_its_card() -> TestResult {
    let display = Display::new()?;
    let mut tray = FakeTray::on(&display.name, OPENED)?;
    // So tall that wherever the tile is, the button is beneath it once the card is open.
    let button = Button { label: "Se déconnecter du VPN ".repeat(60), action: Action::Disconnect };
    let buttons = vec![CardButton { button, note: String::new() }];
    let card = Card { id: "vpn".into(), title: "VPN".into(), tile: true, buttons, ..Card::default() };
    let page = model();
    let panel = Panel { buttons: Vec::new(), groups: Vec::new(), ..page.panel.clone() };
    tray.show(&Page { panel, cards: vec![card], ..page });
    assert_eq!(tray.event().await?, Event::PanelOpen(true));
    tray.focus()?;
    let [left, top, ..] = tray.place()?;
    let x = (left + 60).to_string();
    let clicked = Event::Action(Action::Disconnect);
    for y in (top + 110..top + 400).step_by(12) {
        let y = y.to_string();
        tray.xdotool(&["mousemove", &x, &y, "click", "--repeat", "2", "--delay", "100", "1"])?;
        if let Ok(event) = tray.event_within(Duration::from_millis(800)).await {
            anyhow::ensure!(event != clicked, "the second click went through, at {y}");
        }
        // A click for its own sake: the button takes it if the card is open.
        tray.xdotool(&["click", "1"])?;
        if tray.event_within(Duration::from_millis(300)).await.is_ok_and(|event| event == clicked) {
            return Ok(());
        }
    }
    anyhow::bail!("no click has opened the card")
}

#[tokio::test]
async fn a_window_that_cannot_open_is_reported() -> TestResult {
    let failed = |event| matches!(event, Event::WindowFailed(WindowKind::Panel, WindowError::Failed(_)));
    // No such display.
    let mut tray = FakeTray::on(":987654", OPENED)?;
    tray.show(&model());
    assert!(failed(tray.event().await?));
    // No such program.
    let (sender, events) = unbounded_channel();
    tray.events = events;
    tray.window = Some(PanelWindow::of("/nonexistent/vigie-panel".into(), sender));
    tray.show(&model());
    assert!(failed(tray.event().await?));
    Ok(())
}

#[test]
fn input_that_no_tray_sends_ends_the_program() -> TestResult {
    for input in ["", "hello\n", "\"raise\"\n"] {
        let mut panel = Command::new(env!("CARGO_BIN_EXE_vigie-panel"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        std::io::Write::write_all(&mut panel.stdin.take().expect("stdin is piped"), input.as_bytes())?;
        let output = panel.wait_with_output()?;
        assert_eq!(output.status.code(), Some(2), "{input:?}");
        assert!(output.stdout.is_empty());
    }
    Ok(())
}

/// Asks for another place of the panel until it has it and keeps it: a window that has just opened may still be placed by
/// GTK or the window manager.
async fn change_place(
    tray: &FakeTray<Page>,
    display: &Display,
    request: &[&str],
    reached: impl Fn(&[i32; 4]) -> bool,
) -> anyhow::Result<[i32; 4]> {
    let mut last = [0; 4];
    wait_for("the panel in its new place", || {
        let place = display.place(OPENED)?;
        let kept = place == last;
        last = place;
        if !reached(&place) {
            tray.xdotool(request)?;
        }
        Ok(kept && reached(&place))
    })
    .await?;
    Ok(last)
}

#[tokio::test]
async fn opens_in_its_last_place_if_that_can_be_reached() -> TestResult {
    let display = Display::managed("1280x1024").await?;
    let mut tray = open(&display).await?;
    let resize = ["search", "--name", "^Vigie$", "windowsize", "500", "640"];
    change_place(&tray, &display, &resize, |place| place[2..] == [500, 640]).await?;
    let move_left = ["search", "--name", "^Vigie$", "windowmove", "150", "120"];
    let place = change_place(&tray, &display, &move_left, |place| place[0] < 200 && place[1] < 200).await?;
    tray.update(&with_cards()).await?;
    tray.press(&["Escape"])?;
    assert_eq!(tray.event().await?, Event::PanelOpen(false));
    tray.show(&model());
    assert_eq!(tray.event().await?, Event::PanelOpen(true));
    display.wait_for_place(OPENED, place).await?;

    // The place is saved, too, when the tray ends.
    let move_right = ["search", "--name", "^Vigie$", "windowmove", "700", "300"];
    let place = change_place(&tray, &display, &move_right, |place| place[0] > 600).await?;
    tray.window = None;
    wait_for_end(tray.pids()?[1]).await?;
    let mut tray = FakeTray::with_home(&display.name, OPENED, tray.folder)?;
    tray.show(&model());
    assert_eq!(tray.event().await?, Event::PanelOpen(true));
    display.wait_for_place(OPENED, place).await?;
    tray.window = None;
    wait_for_end(tray.pids()?[2]).await?;

    // On a smaller monitor.
    let small = Display::managed("800x600").await?;
    let mut tray = FakeTray::with_home(&small.name, OPENED, tray.folder)?;
    tray.show(&model());
    assert_eq!(tray.event().await?, Event::PanelOpen(true));
    wait_for("the window at the lower right", || {
        let [left, top, width, height] = small.place(OPENED)?;
        Ok(left < 700 && left + width > 700 && top >= 0 && top + height <= 600)
    })
    .await
}

/// The tray's end of the pinned panel's IPC.
struct PinnedTray {
    window: PinnedWindow,
    events: UnboundedReceiver<Event>,
    folder: tempfile::TempDir,
}

impl PinnedTray {
    fn on(display: &Display, exports: &str) -> anyhow::Result<PinnedTray> {
        let folder = tempfile::tempdir()?;
        let program = program(&folder, &display.name, env!("CARGO_BIN_EXE_vigie-pinned"), exports)?;
        let (sender, events) = unbounded_channel();
        Ok(PinnedTray { window: PinnedWindow::of(program, sender), events, folder })
    }
}

fn pinned(width: u16, height: u16) -> Option<view::Pinned> {
    let buttons = vec![Button { label: "Ouvrir le panneau".into(), action: Action::ShowPanel }];
    let panel = Panel { buttons, ..model().panel };
    Some(view::Pinned { panel, opacity_percent: 90, width, height })
}

/// Reserves pixels at the lower edge for that window, as a task bar does.
fn reserve_bottom(display: &Display, name: &str, pixels: u32) -> TestResult {
    let strut = format!("0,0,0,{pixels}");
    let set = ["-name", name, "-f", "_NET_WM_STRUT", "32c", "-set", "_NET_WM_STRUT", &strut];
    display.run("xprop", &set).map(drop)
}

#[tokio::test]
async fn pinned_panel_is_below_all_windows_and_in_no_list() -> TestResult {
    let mut display = Display::managed("1280x800").await?;
    display.start("display", &["-title", "other", "xc:gray[900x700]"])?;
    wait_for("another window", || display.run("xwininfo", &["-name", "other"]).map(|_| true)).await?;
    let mut tray = PinnedTray::on(&display, "")?;
    tray.window.show(pinned(420, 680));
    display.wait_for_place(PINNED, [1280 - 16 - 420, 800 - 16 - 680, 420, 680]).await?;
    let properties = display.run("xprop", &["-name", PINNED])?;
    let property = |name: &str| properties.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    for state in ["_NET_WM_STATE_BELOW", "_NET_WM_STATE_SKIP_TASKBAR", "_NET_WM_STATE_SKIP_PAGER"] {
        assert!(property("_NET_WM_STATE(").contains(state), "{state}: {properties}");
    }
    assert!(property("_NET_FRAME_EXTENTS").ends_with("= 0, 0, 0, 0"), "{properties}");
    // Every desktop (EWMH).
    assert!(property("_NET_WM_DESKTOP").ends_with("= 4294967295"), "{properties}");
    let focusable = |display: &Display| -> anyhow::Result<bool> {
        Ok(!display.run("xprop", &["-name", PINNED, "WM_HINTS"])?.contains("input focus: False"))
    };
    assert!(!focusable(&display)?);
    let order = display.root("_NET_CLIENT_LIST_STACKING")?;
    let id = display.run("xdotool", &["search", "--name", "^Vigie sur le bureau$"])?;
    let id = format!("{:#x}", id.trim().parse::<u32>()?);
    assert!(order.contains(&format!("# {id},")), "the lowest is not {id}: {order}");

    // Another window has the keyboard focus, until a click.
    let active = |display: &Display| -> anyhow::Result<String> {
        Ok(display.run("xdotool", &["getactivewindow", "getwindowname"])?.trim().to_owned())
    };
    let other = display.run("xdotool", &["search", "--name", "^other$"])?;
    display.run("xdotool", &["windowmove", other.trim(), "0", "0"])?;
    display.run("xdotool", &["windowactivate", other.trim()])?;
    wait_for("the other window has the focus", || Ok(active(&display)? == "other")).await?;
    display.run("xdotool", &["mousemove", "1200", "160", "click", "1"])?;
    wait_for("the pinned panel has the focus", || Ok(active(&display)? == PINNED)).await?;
    // From the one row to the button that opens the panel.
    display.run("xdotool", &["key", "--delay", "100", "Tab", "Return"])?;
    let event = timeout(DEADLINE, tray.events.recv()).await?;
    assert_eq!(event, Some(Event::Action(Action::ShowPanel)), "no event that the panel is open: it may be covered");
    display.run("xdotool", &["windowactivate", other.trim()])?;
    wait_for("the focus is given back", || Ok(!focusable(&display)?)).await?;

    // Hidden, and shown again.
    tray.window.show(None);
    wait_for("no window", || Ok(display.place(PINNED).is_err())).await?;
    tray.window.show(pinned(300, 260));
    display.wait_for_place(PINNED, [1280 - 16 - 300, 800 - 16 - 260, 300, 260]).await
}

#[tokio::test]
async fn pinned_panel_copies_a_row() -> TestResult {
    let display = Display::managed("1280x800").await?;
    let mut tray = PinnedTray::on(&display, "")?;
    let mut model = pinned(420, 680);
    let row = model.as_mut().expect("it is wanted").panel.groups[0].rows.first_mut().expect("it has a row");
    row.copy = Some(std::mem::replace(&mut row.value, "PC-14RC-DSI-0421 (le vôtre)".into()));
    tray.window.show(model);
    display.wait_for_place(PINNED, [844, 104, 420, 680]).await?;
    display.run("xdotool", &["mousemove", "1000", "105", "click", "1"])?;
    wait_for("the focus", || Ok(display.run("xdotool", &["getactivewindow", "getwindowname"])?.trim() == PINNED))
        .await?;
    // From the button around to the row.
    display.run("xdotool", &["key", "--delay", "100", "Tab", "Tab", "Return"])?;
    wait_for("the clipboard", || Ok(display.run("xclip", &["-o", "-selection", "clipboard"])? == "PC-14RC-DSI-0421"))
        .await
}

#[tokio::test]
async fn pinned_panel_follows_changes_of_the_screen() -> TestResult {
    for (scale, exports) in [(1, ""), (2, "GDK_SCALE=2")] {
        let mut display = Display::managed("2560x1600").await?;
        display.start("display", &["-title", "bar", "xc:gray[50x50]"])?;
        wait_for("a task bar", || reserve_bottom(&display, "bar", 40).map(|()| true)).await?;
        let mut tray = PinnedTray::on(&display, exports)?;
        tray.window.show(pinned(420, 680));
        let (margin, width, height) = (16 * scale, 420 * scale, 680 * scale);
        let at = |right: i32, bottom: i32| [right - margin - width, bottom - margin - height, width, height];
        display.wait_for_place(PINNED, at(2560, 1560)).await?;

        reserve_bottom(&display, "bar", 120)?;
        display.wait_for_place(PINNED, at(2560, 1480)).await?;
        reserve_bottom(&display, "bar", 0)?;
        display.wait_for_place(PINNED, at(2560, 1600)).await?;

        // Two monitors, the left one primary. The server reports them with the next change of an output.
        display.run("xrandr", &["--setmonitor", "*left", "1280/300x1600/400+0+0", "screen"])?;
        display.run("xrandr", &["--setmonitor", "right", "1280/300x1600/400+1280+0", "none"])?;
        display.run("xrandr", &["--output", "screen", "--primary"])?;
        display.wait_for_place(PINNED, at(1280, 1600)).await?;
        display.run("xrandr", &["--delmonitor", "left"])?;
        display.run("xrandr", &["--delmonitor", "right"])?;
        display.run("xrandr", &["--output", "screen", "--noprimary"])?;
        display.wait_for_place(PINNED, at(2560, 1600)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn pinned_panel_comes_back_after_a_crash() -> TestResult {
    let display = Display::managed("1280x800").await?;
    let mut tray = PinnedTray::on(&display, "")?;
    tray.window.show(pinned(420, 680));
    display.wait_for_place(PINNED, [844, 104, 420, 680]).await?;
    let pids = || -> anyhow::Result<Vec<u32>> {
        let text = std::fs::read_to_string(tray.folder.path().join("pids"))?;
        text.lines().map(|line| Ok(line.parse()?)).collect()
    };
    Command::new("kill").args(["-KILL", &pids()?[0].to_string()]).status()?;
    wait_for("a second panel", || Ok(pids()?.len() == 2)).await?;
    display.wait_for_place(PINNED, [844, 104, 420, 680]).await
}

/// The appearance setting of the desktop portal (XDG Desktop Portal, Settings version 1).
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
async fn both_panels_follow_the_desktops_appearance() -> TestResult {
    let display = Display::managed("1280x800").await?;
    let mut bus = TestBus::start();
    let path = "/org/freedesktop/portal/desktop";
    let portal = bus.builder().serve_at(path, Portal(1))?.name("org.freedesktop.portal.Desktop")?.build().await?;
    let exports = format!("DBUS_SESSION_BUS_ADDRESS={}", bus.address());
    let (folder, (sender, mut events)) = (tempfile::tempdir()?, unbounded_channel());
    let opened = program(&folder, &display.name, env!("CARGO_BIN_EXE_vigie-panel"), &exports)?;
    let mut window = PanelWindow::of(opened, sender);
    let mut tray = PinnedTray::on(&display, &exports)?;
    // Beside the pinned one.
    std::fs::create_dir_all(folder.path().join("vigie"))?;
    std::fs::write(folder.path().join("vigie/panel.json"), r#"{"x":100,"y":60,"width":420,"height":600}"#)?;
    tray.window.show(pinned(420, 680).map(|pinned| view::Pinned { opacity_percent: 100, ..pinned }));
    window.show(&model());
    display.wait_for_place(PINNED, [844, 104, 420, 680]).await?;
    let background = |title: &str| -> anyhow::Result<String> {
        let [x, y, _, height] = display.place(title)?;
        let pixel = format!("%[pixel:u.p{{{},{}}}]", x + 6, y + height - 80);
        display.run("convert", &["x:root", "-depth", "8", "-format", &pixel, "info:"])
    };
    wait_for("dark from the start", || Ok(background(PINNED)?.contains("22,22,22"))).await?;
    wait_for("dark from the start", || Ok(background(OPENED)?.contains("22,22,22"))).await?;
    for (scheme, wanted) in [(2, "255,255,255"), (1_u32, "22,22,22"), (0, "255,255,255")] {
        let changed = ("org.freedesktop.appearance", "color-scheme", zbus::zvariant::Value::from(scheme));
        portal.emit_signal(None::<&str>, path, "org.freedesktop.portal.Settings", "SettingChanged", &changed).await?;
        for title in [PINNED, OPENED] {
            let what = format!("{title} in {wanted}");
            wait_for(&what, || {
                let background = background(title)?;
                anyhow::ensure!(
                    background.contains(wanted) || (wanted.starts_with("255") && background.contains("white")),
                    "{background}"
                );
                Ok(true)
            })
            .await?;
        }
    }
    // Both outlive the bus, and go on working.
    bus.stop();
    tray.window.show(pinned(300, 260));
    display.wait_for_place(PINNED, [1280 - 16 - 300, 800 - 16 - 260, 300, 260]).await?;
    let title = format!("^{OPENED}$");
    display.run("xdotool", &["search", "--name", &title, "windowactivate", "--sync"])?;
    display.run("xdotool", &["key", "--delay", "100", "Tab", "Return"])?;
    assert_eq!(next_event(&mut events, DEADLINE).await?, Event::PanelOpen(true));
    assert_eq!(next_event(&mut events, DEADLINE).await?, Event::Action(Action::Open("isl-light".into())));
    Ok(())
}
