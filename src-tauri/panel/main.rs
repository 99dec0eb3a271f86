//! `vigie-panel`: one window, either the panel or the one for connecting. The tray starts it and sends what to show
//! ([`vigie::runtime::panel`]). It ends when its window is closed, when the page crashes, or when the tray has ended.

#![cfg_attr(windows, windows_subsystem = "windows")]

#[cfg(target_os = "linux")]
mod appearance;
mod connect;
mod engine;
mod ipc;
mod screen;

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
use vigie_view::panel::{self as view, Countdown, Pinned};
use vigie_view::search::{SearchIndex, SearchResults};

/// The panel's label, to which the capability `panel` is given.
const PANEL: &str = "panel";

/// Exit code if the window or its page fails.
const FAILED: i32 = 1;

/// The page's background before it is painted, as in the design system.
const LIGHT: Color = Color(0xff, 0xff, 0xff, 0xff);
const DARK: Color = Color(0x16, 0x16, 0x16, 0xff);

fn main() -> ExitCode {
    ipc::init_log();
    // The tray sends the first model at once.
    let (content, pinned) = match ipc::receive() {
        Some(ToPanel::Panel(page)) => (Content::Panel(Box::new(Watched::new(*page))), None),
        Some(ToPanel::Connect(form)) => (Content::Connect(Box::new(Watched::new(form))), None),
        // On Linux this is `vigie-pinned`.
        Some(ToPanel::Pinned(pinned)) if !cfg!(target_os = "linux") => {
            let page = Page { panel: pinned.panel.clone(), ..Page::default() };
            (Content::Panel(Box::new(Watched::new(page))), Some(pinned))
        }
        Some(ToPanel::Pinned(_) | ToPanel::Part(_) | ToPanel::Raise | ToPanel::Ping) | None => {
            tracing::error!("vigie-panel is started by vigie, which sends what to show");
            return ExitCode::from(2);
        }
    };
    let label = content.label();
    if let Err(error) = screen::open() {
        tracing::error!(error, "cannot open the display");
        return ExitCode::FAILURE;
    }
    let run = tauri::Builder::default()
        .manage(Current(Mutex::new(content)))
        .manage(CachedIndex::default())
        .manage(PinnedState(Mutex::new(pinned)))
        .invoke_handler(tauri::generate_handler![
            watch,
            connect::watch_form,
            rendered,
            alive,
            request,
            find,
            countdown,
            connect::submit,
            close
        ])
        .setup(move |app| {
            let app = app.handle().clone();
            // Tauri panics on errors that are returned here.
            if let Err(error) = open(&app, label) {
                tracing::error!(%error, "cannot create the window; on Windows, is WebView2 installed?");
                app.exit(FAILED);
                return Ok(());
            }
            std::thread::Builder::new().name("tray".into()).spawn(move || follow_tray(&app))?;
            Ok(())
        })
        .run(tauri::generate_context!());
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "cannot show the window");
            ExitCode::FAILURE
        }
    }
}

/// Place, size and opacity of the pinned panel, if this is it.
struct PinnedState(Mutex<Option<Pinned>>);

impl PinnedState {
    fn get(&self) -> Option<Pinned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, pinned: Pinned) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(pinned);
    }
}

/// The search's index, made when it is first asked and again when the entries have changed.
#[derive(Default)]
struct CachedIndex(Mutex<Option<SearchIndex>>);

impl CachedIndex {
    fn lock(&self) -> MutexGuard<'_, Option<SearchIndex>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is shown now.
struct Current(Mutex<Content>);

impl Current {
    fn lock(&self) -> MutexGuard<'_, Content> {
        // A model is replaced as a whole, so it is valid even if a thread panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Content {
    Panel(Box<Watched<Page, Part>>),
    Connect(Box<Watched<Form>>),
}

impl Content {
    fn label(&self) -> &'static str {
        match self {
            Content::Panel(_) => PANEL,
            Content::Connect(_) => connect::LABEL,
        }
    }

    fn offers(&self, action: &Action) -> bool {
        match self {
            Content::Panel(watched) => watched.model.offers(action),
            Content::Connect(watched) => watched.model.offers(action),
        }
    }
}

/// A model, and the page that is sent its changes, as a whole or in parts.
struct Watched<T, P = T> {
    model: T,
    page: Option<Channel<P>>,
}

impl<T, P: Serialize> Watched<T, P> {
    fn new(model: T) -> Watched<T, P> {
        Watched { model, page: None }
    }

    fn send(&self, change: P) {
        if let Some(Err(error)) = self.page.as_ref().map(|page| page.send(change)) {
            tracing::warn!(%error, "cannot send a model to the page");
        }
    }
}

impl Watched<Form> {
    fn watch(&mut self, page: Channel<Form>) {
        self.page = Some(page);
        self.send(self.model.clone());
    }

    fn set(&mut self, model: Form) {
        self.send(model.clone());
        self.model = model;
    }
}

impl Watched<Page, Part> {
    fn watch(&mut self, page: Channel<Part>) {
        self.page = Some(page);
        for part in self.model.parts(None) {
            self.show(part);
        }
    }

    fn set(&mut self, part: Part) {
        self.show(part.clone());
        self.model.take(part);
    }

    /// Sends a part to the page, which asks for results and not for the entries.
    fn show(&self, part: Part) {
        if !matches!(part, Part::Entries(..)) {
            self.send(part);
        }
    }
}

/// Gives the page each part of the model now, and again whenever it changes. The panel itself comes last.
#[tauri::command]
fn watch(parts: Channel<Part>, current: State<'_, Current>) -> Result<(), &'static str> {
    match &mut *current.lock() {
        Content::Panel(watched) => watched.watch(parts),
        Content::Connect(_) => return Err("this window is the one for connecting"),
    }
    Ok(())
}

/// Shows the window, once the page has rendered its first model.
#[tauri::command]
fn rendered(window: WebviewWindow) -> Result<(), String> {
    if window.is_visible().unwrap_or(false) {
        return Ok(());
    }
    show(&window).map_err(|error| error.to_string())
}

/// Reports that the page still works ([`ToPanel::Ping`]).
#[tauri::command]
fn alive() {
    ipc::send(&FromPanel::Alive);
}

/// Shows the window for the first time.
fn show(window: &WebviewWindow) -> tauri::Result<()> {
    // Visible until the page is painted: it must not flash.
    window.set_background_color(Some(if screen::is_dark(window) { DARK } else { LIGHT }))?;
    if let Some(pinned) = window.state::<PinnedState>().get() {
        let handle = window.clone();
        screen::follow(window, move || pin(&handle))?;
        screen::pin(window, &pinned)?;
    } else {
        if window.label() == PANEL {
            screen::place(window, saved_place().load())?;
        }
        if !opens_by_itself(window) {
            return raise(window);
        }
    }
    window.show()?;
    ipc::send(&FromPanel::Shown);
    Ok(())
}

/// Whether nobody has asked for the window, as at the first start, so that the system decides whether it gets the focus:
/// the user may be typing elsewhere.
fn opens_by_itself(window: &WebviewWindow) -> bool {
    matches!(&*window.state::<Current>().lock(), Content::Panel(watched) if watched.model.welcome.is_some())
}

/// Puts the pinned panel into its place and size.
fn pin(window: &WebviewWindow) {
    let pinned = window.state::<PinnedState>().get();
    if let Some(Err(error)) = pinned.map(|pinned| screen::pin(window, &pinned)) {
        tracing::warn!(%error, "cannot place the pinned panel");
    }
}

/// The place of the opened panel when it was closed last.
fn saved_place() -> Store<Option<Area>> {
    Store::panel()
}

/// Saves the place of the opened panel.
fn save_place(window: &WebviewWindow) {
    let opened = window.label() == PANEL && window.state::<PinnedState>().get().is_none();
    let is_false = |result: tauri::Result<bool>| !result.unwrap_or(false);
    if !opened || is_false(window.is_visible()) || !is_false(window.is_maximized()) || !is_false(window.is_minimized())
    {
        return;
    }
    let saved = screen::area(window).map_err(|error| error.to_string());
    let saved = saved.and_then(|area| saved_place().save(&Some(area)).map_err(|error| error.to_string()));
    if let Err(error) = saved {
        tracing::warn!(error, "cannot save the window's place");
    }
}

/// Passes on an action, if the model offers it.
#[tauri::command]
fn request(action: Action, current: State<'_, Current>) -> Result<(), &'static str> {
    if !current.lock().offers(&action) {
        return Err("the model does not offer this action");
    }
    ipc::send(&FromPanel::Requested(action));
    Ok(())
}

/// Returns what the search finds.
#[tauri::command(async)]
fn find(
    question: &str,
    current: State<'_, Current>,
    index: State<'_, CachedIndex>,
) -> Result<SearchResults, &'static str> {
    let Content::Panel(watched) = &*current.lock() else { return Err("this window is the one for connecting") };
    let page = &watched.model;
    Ok(index.lock().get_or_insert_with(|| SearchIndex::new(page)).find(question, &page.panel))
}

/// Returns the time left until a moment, in seconds since 1970.
#[tauri::command]
fn countdown(until: i64) -> Option<Countdown> {
    view::countdown(until, jiff::Timestamp::now())
}

/// Closes the window, which ends the program.
#[tauri::command]
fn close(window: WebviewWindow) -> Result<(), String> {
    window.close().map_err(|error| error.to_string())
}

/// Creates the window, hidden until the page has something to show.
fn open(app: &AppHandle, label: &str) -> tauri::Result<()> {
    let mut builder = if label == connect::LABEL {
        connect::window(app)
    } else {
        WebviewWindowBuilder::new(app, PANEL, WebviewUrl::default())
            .title("Vigie")
            .inner_size(screen::WIDTH, screen::HEIGHT)
    };
    let pinned = app.state::<PinnedState>().get().is_some();
    if let Some(folder) = engine::data_folder(if pinned { "pinned" } else { label }) {
        builder = builder.data_directory(folder);
    }
    builder = builder
        .visible(false)
        // A private session: no cache and no storage on the disk. (Tauri lets no WebDriver into one.)
        .incognito(std::env::var_os("TAURI_WEBVIEW_AUTOMATION").is_none())
        .zoom_hotkeys_enabled(true)
        .on_navigation(|address| address.scheme() == "tauri" || address.host_str() == Some("tauri.localhost"))
        .on_new_window(|_, _| NewWindowResponse::Deny);
    if pinned {
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
    let handle = window.clone();
    window.on_window_event(move |event| {
        if let WindowEvent::Focused(focused) = event {
            ipc::send(&FromPanel::Focused(*focused));
        } else if let WindowEvent::CloseRequested { .. } = event {
            save_place(&handle);
        }
    });
    let handle = window.clone();
    engine::on_crash(&window, move |reason| {
        tracing::error!(reason, "the page's process failed");
        save_place(&handle);
        handle.app_handle().exit(FAILED);
    })
}

/// Moves the focus to a question or reminder that may have come while the window was behind others, so that a screen reader
/// reads it; not if the focus is in it already.
const READ_PROMPT: &str = "{ const prompt = document.getElementById('prompt');
    if (!prompt?.parentElement.contains(document.activeElement)) prompt?.focus(); }";

fn raise(window: &WebviewWindow) -> tauri::Result<()> {
    window.unminimize()?;
    window.show()?;
    window.set_focus()?;
    window.eval(READ_PROMPT)?;
    ipc::send(&FromPanel::Shown);
    Ok(())
}

/// Handles the tray's messages until there are no more.
fn follow_tray(app: &AppHandle) {
    while let Some(message) = ipc::receive() {
        match message {
            ToPanel::Panel(page) => {
                for part in page.parts(None) {
                    show_part(app, part);
                }
            }
            ToPanel::Part(part) => show_part(app, part),
            ToPanel::Pinned(pinned) => {
                show_part(app, Part::Panel(pinned.panel.clone()));
                app.state::<PinnedState>().set(pinned);
                app.webview_windows().values().for_each(pin);
            }
            ToPanel::Connect(form) => {
                if let Content::Connect(watched) = &mut *app.state::<Current>().lock() {
                    watched.set(form);
                }
            }
            ToPanel::Raise => {
                // Before the page has rendered, the window is about to show itself.
                let window = app.webview_windows().into_values().next();
                let window = window.filter(|window| window.is_visible().unwrap_or(false));
                if let Some(Err(error)) = window.as_ref().map(raise) {
                    tracing::warn!(%error, "cannot bring the window to the front");
                }
            }
            // Through the page, so that no answer comes if it hangs or shows nothing.
            ToPanel::Ping => {
                for window in app.webview_windows().values() {
                    if let Err(error) = window.eval("__TAURI_INTERNALS__.invoke('alive')") {
                        tracing::warn!(%error, "cannot reach the page");
                    }
                }
            }
        }
    }
    // As if the user had closed it; if that fails, the program ends all the same.
    if app.webview_windows().values().all(|window| window.close().is_err()) {
        app.exit(0);
    }
}

fn show_part(app: &AppHandle, part: Part) {
    if let Content::Panel(watched) = &mut *app.state::<Current>().lock() {
        if matches!(part, Part::Entries(..)) {
            *app.state::<CachedIndex>().lock() = None;
        }
        watched.set(part);
    }
}
