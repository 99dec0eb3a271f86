//! An icon and a menu of one line; or, with the argument `window`, a window of the panel's size with an empty page, shown once
//! the page reports that it is rendered, as the panel is.

use tauri::image::Image;
use tauri::menu::MenuBuilder;
use tauri::tray::TrayIconBuilder;
use tauri::{WebviewUrl, WebviewWindow, WebviewWindowBuilder};

#[tauri::command]
fn rendered(window: WebviewWindow) -> Result<(), String> {
    window.show().map_err(|error| error.to_string())
}

fn main() -> tauri::Result<()> {
    let mut context = tauri::generate_context!();
    context.set_default_window_icon(None);
    tauri::Builder::default()
        .invoke_handler(tauri::generate_handler![rendered])
        .setup(|app| {
            if std::env::args().nth(1).as_deref() == Some("window") {
                let window = WebviewWindowBuilder::new(app, "bare", WebviewUrl::default());
                window.title("bare").inner_size(420.0, 680.0).visible(false).build()?;
                return Ok(());
            }
            let menu = MenuBuilder::new(app).text("quit", "Quit").build()?;
            let green = [0, 128, 0, 255].repeat(22 * 22);
            TrayIconBuilder::new().icon(Image::new_owned(green, 22, 22)).menu(&menu).build(app)?;
            Ok(())
        })
        .run(context)
}
