//! The window for connecting: it shows a [`Form`], and takes what the user sends. PIN and digits come through here on
//! their way to the tray, and stay nowhere.

use super::{Model, Shown, say};
use tauri::ipc::{Channel, InvokeBody, Request};
use tauri::{AppHandle, State, WebviewUrl, WebviewWindowBuilder, Wry};
use vigie::runtime::panel::FromPanel;
use vigie_core::connect::Submission;
use vigie_view::connect::Form;

/// The window's label; the capability `connect` is given to it.
pub const LABEL: &str = "connect";

/// The page's size, in logical pixels: the form with a message above it and a fault at each field.
const SIZE: (f64, f64) = (420.0, 680.0);

/// Bytes that a form has at most. (The page's fields hold 256 characters each.)
const LIMIT: usize = 16 * 1024;

/// The window, before it is built.
pub fn window(app: &AppHandle) -> WebviewWindowBuilder<'_, Wry, AppHandle> {
    WebviewWindowBuilder::new(app, LABEL, WebviewUrl::App("connect.html".into()))
        .title("Se connecter au VPN")
        .inner_size(SIZE.0, SIZE.1)
        // The panel may stand at the lower right.
        .center()
        // What is typed here is not kept for the next time. (Windows; WebKitGTK keeps nothing anyway.)
        .general_autofill_enabled(false)
}

/// Gives the page the form, now and whenever it changes.
#[tauri::command]
pub fn watch_form(models: Channel<Form>, shown: State<'_, Shown>) -> Result<(), &'static str> {
    match &mut *shown.lock() {
        Model::Connect(view) => view.watch(models),
        Model::Panel(_) => return Err("this window is the panel's"),
    }
    Ok(())
}

/// The user sent the form, a [`Submission`] in JSON, as bytes: an argument that Tauri reads is copied on the way, and
/// where it is not understood, quoted. Only what the form takes now is passed on.
#[tauri::command]
pub fn submit(request: Request<'_>, shown: State<'_, Shown>) -> Result<(), &'static str> {
    let submission = read(request.body()).ok_or("this is not what a form sends")?;
    if !matches!(&*shown.lock(), Model::Connect(view) if view.model.takes(&submission)) {
        return Err("the form cannot be sent now");
    }
    say(&FromPanel::Submitted(submission));
    Ok(())
}

fn read(body: &InvokeBody) -> Option<Submission> {
    match body {
        // What is wrong with it is not told: the parser's words quote it.
        InvokeBody::Raw(bytes) if bytes.len() <= LIMIT => serde_json::from_slice(bytes).ok(),
        InvokeBody::Raw(_) | InvokeBody::Json(_) => None,
    }
}
