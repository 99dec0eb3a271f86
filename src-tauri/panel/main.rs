//! `vigie-panel`: the panel's window, and nothing else. Started by the tray, which sends what to show
//! ([`vigie::shell::panel`]); ends when its window is closed, or when the tray is gone.

#![cfg_attr(windows, windows_subsystem = "windows")]

mod screen;

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tauri::ipc::Channel;
use tauri::webview::NewWindowResponse;
use tauri::{AppHandle, Manager, State, WebviewUrl, WebviewWindow, WebviewWindowBuilder};
use vigie::core::state::Action;
use vigie::shell::panel::{FromPanel, LINE_LIMIT, ToPanel};
use vigie::view::panel::Panel;

/// The one window's label; the capability `panel` is given to it.
const WINDOW: &str = "panel";

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).without_time().init();
    // The tray sends the first model at once. Without a tray there is nothing to show.
    let Some(ToPanel::Panel(panel)) = hear() else {
        tracing::error!("vigie-panel is started by vigie, which tells it what to show");
        return ExitCode::from(2);
    };
    if let Err(error) = screen::open() {
        tracing::error!(error, "no screen");
        return ExitCode::FAILURE;
    }
    let run = tauri::Builder::default()
        .manage(Shown(Mutex::new(Model { panel, page: None })))
        .invoke_handler(tauri::generate_handler![watch, rendered, ask, close])
        .setup(|app| {
            let app = app.handle().clone();
            // An error that is handed on here makes Tauri panic.
            if let Err(error) = open(&app) {
                tracing::error!(%error, "the window cannot be made; on Windows, is WebView2 installed?");
                app.exit(1);
                return Ok(());
            }
            std::thread::Builder::new().name("tray".into()).spawn(move || follow(&app))?;
            Ok(())
        })
        .run(tauri::generate_context!());
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the panel cannot be shown");
            ExitCode::FAILURE
        }
    }
}

/// What is shown, and the page that wants to know when it changes.
struct Shown(Mutex<Model>);

struct Model {
    panel: Panel,
    page: Option<Channel<Panel>>,
}

impl Shown {
    fn lock(&self) -> MutexGuard<'_, Model> {
        // A model is replaced whole: it is right even where a thread panicked beside it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the page the model, now and whenever it changes.
#[tauri::command]
fn watch(models: Channel<Panel>, shown: State<'_, Shown>) -> Result<(), String> {
    let mut model = shown.lock();
    models.send(model.panel.clone()).map_err(|error| error.to_string())?;
    model.page = Some(models);
    Ok(())
}

/// The page has rendered its first model: now there is something to look at.
#[tauri::command]
fn rendered(window: WebviewWindow) -> Result<(), String> {
    if window.is_visible().unwrap_or(false) {
        return Ok(());
    }
    screen::lower_right(&window).map_err(|error| error.to_string())?;
    raise(&window).map_err(|error| error.to_string())
}

/// The user clicked. Only what the model offers is passed on.
#[tauri::command]
fn ask(action: Action, shown: State<'_, Shown>) -> Result<(), &'static str> {
    if !shown.lock().panel.offers(&action) {
        return Err("the panel does not offer that");
    }
    say(&FromPanel::Asked(action));
    Ok(())
}

/// Ends the program.
#[tauri::command]
fn close(app: AppHandle) {
    app.exit(0);
}

/// Makes the window, hidden: it is shown once the page has something to show.
fn open(app: &AppHandle) -> tauri::Result<()> {
    WebviewWindowBuilder::new(app, WINDOW, WebviewUrl::default())
        .title("Vigie")
        .inner_size(screen::WIDTH, screen::HEIGHT)
        .min_inner_size(280.0, 240.0)
        .visible(false)
        // Nothing is kept between two panels: no cache, no storage on the disk.
        .incognito(true)
        .zoom_hotkeys_enabled(true)
        .on_navigation(|address| address.scheme() == "tauri" || address.host_str() == Some("tauri.localhost"))
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .build()?;
    Ok(())
}

fn raise(window: &WebviewWindow) -> tauri::Result<()> {
    window.unminimize()?;
    window.show()?;
    window.set_focus()?;
    say(&FromPanel::Shown);
    Ok(())
}

/// Does what the tray says, until it says no more.
fn follow(app: &AppHandle) {
    while let Some(said) = hear() {
        match said {
            ToPanel::Panel(panel) => {
                let shown = app.state::<Shown>();
                let mut model = shown.lock();
                if let Some(Err(error)) = model.page.as_ref().map(|page| page.send(panel.clone())) {
                    tracing::warn!(%error, "the page did not take a model");
                }
                model.panel = panel;
            }
            ToPanel::Raise => {
                // Before the page has rendered, the window shows itself soon enough.
                let window = app.get_webview_window(WINDOW);
                let window = window.filter(|window| window.is_visible().unwrap_or(false));
                if let Some(Err(error)) = window.as_ref().map(raise) {
                    tracing::warn!(%error, "the window did not come to the front");
                }
            }
        }
    }
    app.exit(0);
}

/// The tray's next word; `None` at the end, or where it cannot be understood.
fn hear() -> Option<ToPanel> {
    let mut line = Vec::new();
    if let Err(error) = io::stdin().lock().take(LINE_LIMIT).read_until(b'\n', &mut line) {
        tracing::error!(%error, "the tray cannot be heard");
        return None;
    }
    if line.is_empty() {
        return None;
    }
    serde_json::from_slice(&line).inspect_err(|error| tracing::error!(%error, "the tray said something else")).ok()
}

/// Tells the tray. Where it is gone, so is its end of our input, and the panel ends on that.
fn say(word: &FromPanel) {
    let mut stdout = io::stdout().lock();
    let said = serde_json::to_writer(&mut stdout, word).map_err(io::Error::from);
    let said = said.and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
    if let Err(error) = said {
        tracing::warn!(%error, "the tray does not listen");
    }
}
