//! `vigie-panel`: one window, and nothing else: the panel's, or the one for connecting. Started by the tray, which sends
//! what to show ([`vigie::shell::panel`]); ends when its window is closed, or when the tray is gone.

#![cfg_attr(windows, windows_subsystem = "windows")]

mod connect;
mod screen;

use serde::Serialize;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tauri::ipc::Channel;
use tauri::webview::NewWindowResponse;
use tauri::{AppHandle, Manager, State, WebviewUrl, WebviewWindow, WebviewWindowBuilder};
use vigie::core::state::Action;
use vigie::shell::panel::{FromPanel, LINE_LIMIT, ToPanel};
use vigie::view::connect::Form;
use vigie::view::page::{Page, Part};
use zeroize::Zeroizing;

/// The panel's window's label; the capability `panel` is given to it.
const PANEL: &str = "panel";

/// Bytes that a form has at most on the wire, as a rule; room for it is made at once, since what grows leaves copies.
const FORM_ROOM: usize = 16 * 1024;

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).without_time().init();
    // The tray sends the first model at once. Without a tray there is nothing to show.
    let model = match hear() {
        Some(ToPanel::Panel(page)) => Model::Panel(View { model: *page, page: None }),
        Some(ToPanel::Connect(form)) => Model::Connect(View { model: form, page: None }),
        Some(ToPanel::Part(_) | ToPanel::Raise) | None => {
            tracing::error!("vigie-panel is started by vigie, which tells it what to show");
            return ExitCode::from(2);
        }
    };
    let label = model.label();
    if let Err(error) = screen::open() {
        tracing::error!(error, "no screen");
        return ExitCode::FAILURE;
    }
    let run = tauri::Builder::default()
        .manage(Shown(Mutex::new(model)))
        .invoke_handler(tauri::generate_handler![watch, connect::watch_form, rendered, ask, connect::submit, close])
        .setup(move |app| {
            let app = app.handle().clone();
            // An error that is handed on here makes Tauri panic.
            if let Err(error) = open(&app, label) {
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

enum Model {
    Panel(View<Page, Part>),
    Connect(View<Form>),
}

/// A model, and the page that is told of it, whole or in parts.
struct View<T, P = T> {
    model: T,
    page: Option<Channel<P>>,
}

impl Model {
    fn label(&self) -> &'static str {
        match self {
            Model::Panel(_) => PANEL,
            Model::Connect(_) => connect::LABEL,
        }
    }

    fn offers(&self, action: &Action) -> bool {
        match self {
            Model::Panel(view) => view.model.offers(action),
            Model::Connect(view) => view.model.offers(action),
        }
    }
}

impl<T, P: Serialize> View<T, P> {
    fn tell(&self, what: P) {
        if let Some(Err(error)) = self.page.as_ref().map(|page| page.send(what)) {
            tracing::warn!(%error, "the page did not take a model");
        }
    }
}

impl View<Form> {
    fn watch(&mut self, page: Channel<Form>) {
        self.page = Some(page);
        self.tell(self.model.clone());
    }

    fn show(&mut self, model: Form) {
        self.tell(model.clone());
        self.model = model;
    }
}

impl View<Page, Part> {
    fn watch(&mut self, page: Channel<Part>) {
        self.page = Some(page);
        for part in self.model.parts(None) {
            self.tell(part);
        }
    }

    fn take(&mut self, part: Part) {
        self.tell(part.clone());
        self.model.take(part);
    }
}

impl Shown {
    fn lock(&self) -> MutexGuard<'_, Model> {
        // A model is replaced whole: it is right even where a thread panicked beside it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the page every part of the model now, and each again whenever it changes. The panel itself comes last.
#[tauri::command]
fn watch(parts: Channel<Part>, shown: State<'_, Shown>) -> Result<(), &'static str> {
    match &mut *shown.lock() {
        Model::Panel(view) => view.watch(parts),
        Model::Connect(_) => return Err("this window connects"),
    }
    Ok(())
}

/// The page has rendered its first model: now there is something to look at.
#[tauri::command]
fn rendered(window: WebviewWindow) -> Result<(), String> {
    if window.is_visible().unwrap_or(false) {
        return Ok(());
    }
    if window.label() == PANEL {
        screen::lower_right(&window).map_err(|error| error.to_string())?;
    }
    raise(&window).map_err(|error| error.to_string())
}

/// The user clicked. Only what the model offers is passed on.
#[tauri::command]
fn ask(action: Action, shown: State<'_, Shown>) -> Result<(), &'static str> {
    if !shown.lock().offers(&action) {
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
fn open(app: &AppHandle, label: &str) -> tauri::Result<()> {
    let window = if label == connect::LABEL {
        connect::window(app)
    } else {
        WebviewWindowBuilder::new(app, PANEL, WebviewUrl::default())
            .title("Vigie")
            .inner_size(screen::WIDTH, screen::HEIGHT)
    };
    window
        .min_inner_size(280.0, 240.0)
        .visible(false)
        // Nothing is kept between two panels: no cache, no storage on the disk. (Tauri's own switch for a WebDriver
        // has no effect on a private window.)
        .incognito(std::env::var_os("TAURI_WEBVIEW_AUTOMATION").is_none())
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
            ToPanel::Panel(page) => {
                for part in page.parts(None) {
                    take(app, part);
                }
            }
            ToPanel::Part(part) => take(app, part),
            ToPanel::Connect(form) => {
                if let Model::Connect(view) = &mut *app.state::<Shown>().lock() {
                    view.show(form);
                }
            }
            ToPanel::Raise => {
                // Before the page has rendered, the window shows itself soon enough.
                let window = app.webview_windows().into_values().next();
                let window = window.filter(|window| window.is_visible().unwrap_or(false));
                if let Some(Err(error)) = window.as_ref().map(raise) {
                    tracing::warn!(%error, "the window did not come to the front");
                }
            }
        }
    }
    app.exit(0);
}

fn take(app: &AppHandle, part: Part) {
    if let Model::Panel(view) = &mut *app.state::<Shown>().lock() {
        view.take(part);
    }
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
    // Written in one piece that ends with the line: standard output then keeps no copy.
    let mut line = Zeroizing::new(Vec::with_capacity(FORM_ROOM));
    let said = serde_json::to_writer(&mut *line, word).map_err(io::Error::from);
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    let said = said.and_then(|()| stdout.write_all(&line)).and_then(|()| stdout.flush());
    if let Err(error) = said {
        tracing::warn!(%error, "the tray does not listen");
    }
}
