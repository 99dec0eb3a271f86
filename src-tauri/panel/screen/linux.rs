//! GTK: the window's lower right corner is laid there, frame included. (Wayland places windows itself and ignores it.)

use gtk::gdk;
use gtk::prelude::{GtkWindowExt, MonitorExt};
use tauri::WebviewWindow;

/// Fails where there is no screen, with a word on why. (Tauri would panic.)
pub fn open() -> Result<(), String> {
    gtk::init().map_err(|error| error.to_string())
}

/// Lays the window, which is still hidden, at the lower right of the primary monitor's work area.
pub fn lower_right(window: &WebviewWindow) -> tauri::Result<()> {
    let window = window.gtk_window()?;
    let display = gdk::Display::default();
    let monitor = display.and_then(|display| display.primary_monitor().or_else(|| display.monitor(0)));
    let Some(area) = monitor.map(|monitor| monitor.workarea()) else { return Ok(()) };
    // GTK counts in logical pixels, in whole ones.
    let (width, height) = super::size(area.width().into(), area.height().into());
    let (width, height, margin) = (width as i32, height as i32, super::MARGIN as i32);
    window.resize(width, height);
    // With this gravity a position is that of the frame's lower right corner, once the window's own size is added.
    window.set_gravity(gdk::Gravity::SouthEast);
    window.move_(area.x() + area.width() - margin - width, area.y() + area.height() - margin - height);
    Ok(())
}
