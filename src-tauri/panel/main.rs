//! `vigie-panel`: one window, and nothing else: the panel's, or the one for connecting. Started by the tray, which sends
//! what to show ([`vigie::runtime::panel`]); ends when its window is closed, or when the tray is gone.

#![cfg_attr(windows, windows_subsystem = "windows")]

#[cfg(target_os = "linux")]
mod appearance;
mod connect;
mod screen;
mod wire;

use screen::Area;
use serde::Serialize;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tauri::ipc::Channel;
use tauri::webview::{Color, NewWindowResponse};
use tauri::{AppHandle, Manager, State, WebviewUrl, WebviewWindow, WebviewWindowBuilder, WindowEvent};
use vigie::runtime::panel::{FromPanel, ToPanel};
use vigie::runtime::store::Store;
use vigie_core::message::Action;
use vigie_view::connect::Form;
use vigie_view::page::{Page, Part};
use vigie_view::panel::Pinned;
use wire::{hear, say};

/// The panel's window's label; the capability `panel` is given to it.
const PANEL: &str = "panel";

fn main() -> ExitCode {
    wire::log();
    // The tray sends the first model at once. Without a tray there is nothing to show.
    let (model, pinned) = match hear() {
        Some(ToPanel::Panel(page)) => (Model::Panel(View { model: *page, page: None }), None),
        Some(ToPanel::Connect(form)) => (Model::Connect(View { model: form, page: None }), None),
        // On Linux `vigie-pinned` takes it.
        Some(ToPanel::Pinned(pinned)) if !cfg!(target_os = "linux") => {
            let page = Page { panel: pinned.panel.clone(), ..Page::default() };
            (Model::Panel(View { model: page, page: None }), Some(pinned))
        }
        Some(ToPanel::Pinned(_) | ToPanel::Part(_) | ToPanel::Raise) | None => {
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
        .manage(Standing(Mutex::new(pinned)))
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

/// How the window stands on the desktop, where it is the pinned panel.
struct Standing(Mutex<Option<Pinned>>);

impl Standing {
    fn get(&self) -> Option<Pinned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, pinned: Pinned) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(pinned);
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
    appear(&window).map_err(|error| error.to_string())
}

/// Shows the window for the first time.
fn appear(window: &WebviewWindow) -> tauri::Result<()> {
    // Until the page is painted, its ground is seen: it must not flash.
    let ground = if screen::is_dark(window) { Color(0x16, 0x16, 0x16, 0xff) } else { Color(0xff, 0xff, 0xff, 0xff) };
    window.set_background_color(Some(ground))?;
    let Some(pinned) = window.state::<Standing>().get() else {
        if window.label() == PANEL {
            screen::place(window, last_place().load())?;
        }
        return raise(window);
    };
    let handle = window.clone();
    screen::follow(window, move || pin(&handle))?;
    screen::pin(window, &pinned)?;
    window.show()?;
    say(&FromPanel::Shown);
    Ok(())
}

/// Puts the pinned window where it belongs, in its size.
fn pin(window: &WebviewWindow) {
    let pinned = window.state::<Standing>().get();
    if let Some(Err(error)) = pinned.map(|pinned| screen::pin(window, &pinned)) {
        tracing::warn!(%error, "the pinned panel was not put in its place");
    }
}

/// Where the opened panel stood when it was closed last.
fn last_place() -> Store<Option<Area>> {
    Store::panel()
}

/// Keeps where the opened panel stands.
fn remember(window: &WebviewWindow) {
    let opened = window.label() == PANEL && window.state::<Standing>().get().is_none();
    let usual = |large: tauri::Result<bool>| !large.unwrap_or(false);
    if !opened
        || !window.is_visible().unwrap_or(false)
        || !usual(window.is_maximized())
        || !usual(window.is_minimized())
    {
        return;
    }
    let saved = screen::stands(window).map_err(|error| error.to_string());
    let saved = saved.and_then(|place| last_place().save(&Some(place)).map_err(|error| error.to_string()));
    if let Err(error) = saved {
        tracing::warn!(error, "the window's place was not kept");
    }
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

/// Closes the window; with it the program ends.
#[tauri::command]
fn close(window: WebviewWindow) -> Result<(), String> {
    window.close().map_err(|error| error.to_string())
}

/// Makes the window, hidden: it is shown once the page has something to show.
fn open(app: &AppHandle, label: &str) -> tauri::Result<()> {
    let mut builder = if label == connect::LABEL {
        connect::window(app)
    } else {
        WebviewWindowBuilder::new(app, PANEL, WebviewUrl::default())
            .title("Vigie")
            .inner_size(screen::WIDTH, screen::HEIGHT)
    };
    builder = builder
        .visible(false)
        // Nothing is kept between two panels: no cache, no storage on the disk. (Tauri's own switch for a WebDriver
        // has no effect on a private window.)
        .incognito(std::env::var_os("TAURI_WEBVIEW_AUTOMATION").is_none())
        .zoom_hotkeys_enabled(true)
        .on_navigation(|address| address.scheme() == "tauri" || address.host_str() == Some("tauri.localhost"))
        .on_new_window(|_, _| NewWindowResponse::Deny);
    if app.state::<Standing>().get().is_some() {
        builder = builder
            .title("Vigie sur le bureau")
            .decorations(false)
            .resizable(false)
            .always_on_bottom(true)
            .skip_taskbar(true)
            .focused(false)
            .focusable(false);
    } else {
        builder = builder.min_inner_size(280.0, 240.0);
    }
    let window = builder.build()?;
    let closing = window.clone();
    window.on_window_event(move |event| {
        if matches!(event, WindowEvent::CloseRequested { .. }) {
            remember(&closing);
        }
    });
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
            ToPanel::Pinned(pinned) => {
                take(app, Part::Panel(pinned.panel.clone()));
                app.state::<Standing>().set(pinned);
                app.webview_windows().values().for_each(pin);
            }
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
    // As if the user had closed it; where that cannot be, it ends all the same.
    if app.webview_windows().values().all(|window| window.close().is_err()) {
        app.exit(0);
    }
}

fn take(app: &AppHandle, part: Part) {
    if let Model::Panel(view) = &mut *app.state::<Shown>().lock() {
        view.take(part);
    }
}
