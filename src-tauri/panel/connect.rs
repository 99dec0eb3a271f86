//! The window for connecting: it shows a [`Form`] and passes on what the user sends. PIN and digits pass through this
//! process on their way to the tray, and are not kept.

use super::{Content, Current, ipc};
use tauri::ipc::{Channel, InvokeBody, Request};
use tauri::{AppHandle, State, WebviewUrl, WebviewWindowBuilder, Wry};
use vigie::runtime::panel::FromPanel;
use vigie_core::connect::Submission;
use vigie_view::connect::Form;

/// The window's label, to which the capability `connect` is given.
pub const LABEL: &str = "connect";

/// The page's size in logical pixels: the form with a message above it and an error at each field.
const SIZE: (f64, f64) = (420.0, 680.0);

/// The longest form that the page may send: four fields of [`Form::max_chars`] each, as JSON.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// Returns the builder of the window.
pub fn window(app: &AppHandle) -> WebviewWindowBuilder<'_, Wry, AppHandle> {
    WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App("connect.html".into()))
        .title("Se connecter au VPN")
        .inner_size(SIZE.0, SIZE.1)
        // The panel may be at the lower right.
        .center()
        // For WebView2; WebKitGTK stores nothing that is typed.
        .general_autofill_enabled(false)
}

/// Gives the page the form, now and whenever it changes.
#[tauri::command]
pub fn watch_form(forms: Channel<Form>, current: State<'_, Current>) -> Result<(), &'static str> {
    match &mut *current.lock() {
        Content::Connect(watched) => watched.watch(forms),
        Content::Panel(_) => return Err("this window is the panel"),
    }
    Ok(())
}

/// Passes on the form, a [`Submission`] as JSON in bytes, if it can be sent now. Not as an argument: Tauri copies
/// arguments, and quotes those that it cannot parse.
#[tauri::command]
pub fn submit(request: Request<'_>, current: State<'_, Current>) -> Result<(), &'static str> {
    let submission = parse(request.body()).ok_or("invalid form")?;
    if !matches!(&*current.lock(), Content::Connect(watched) if watched.model.takes(&submission)) {
        return Err("the form cannot be sent now");
    }
    ipc::send(&FromPanel::Submitted(submission));
    Ok(())
}

fn parse(body: &InvokeBody) -> Option<Submission> {
    match body {
        // The parser's error is dropped: it quotes the form.
        InvokeBody::Raw(bytes) if bytes.len() <= MAX_FORM_BYTES => serde_json::from_slice(bytes).ok(),
        InvokeBody::Raw(_) | InvokeBody::Json(_) => None,
    }
}
