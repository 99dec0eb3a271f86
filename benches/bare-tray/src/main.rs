//! An icon and a menu of one line.

use tauri::image::Image;
use tauri::menu::MenuBuilder;
use tauri::tray::TrayIconBuilder;

fn main() -> tauri::Result<()> {
    let mut context = tauri::generate_context!();
    context.set_default_window_icon(None);
    tauri::Builder::default()
        .setup(|app| {
            let menu = MenuBuilder::new(app).text("quit", "Quit").build()?;
            let green = [0, 128, 0, 255].repeat(22 * 22);
            TrayIconBuilder::new().icon(Image::new_owned(green, 22, 22)).menu(&menu).build(app)?;
            Ok(())
        })
        .run(context)
}
