//! With GTK. (Wayland places windows by itself.)

use super::Area;
use crate::appearance;
use gtk::gdk;
use gtk::prelude::{GtkWindowExt, MonitorExt};
use tauri::WebviewWindow;
use vigie_view::panel::Pinned;

/// Opens the display. Fails if there is none: Tauri would panic.
pub fn open() -> Result<(), String> {
    gtk::init().map_err(|error| error.to_string())?;
    appearance::follow();
    Ok(())
}

/// Returns whether the page will be dark.
pub fn is_dark(_window: &WebviewWindow) -> bool {
    appearance::is_dark()
}

/// Returns the window's position, frame included, and size.
pub fn area(window: &WebviewWindow) -> tauri::Result<Area> {
    let window = window.gtk_window()?;
    // Otherwise GTK returns the position of another corner.
    window.set_gravity(gdk::Gravity::NorthWest);
    let ((x, y), (width, height)) = (window.position(), window.size());
    Ok(Area { x, y, width, height })
}

/// Places the window, which is still hidden, where it was last; if that is nowhere or out of reach, at the lower right of
/// the primary monitor's work area, frame included.
pub fn place(window: &WebviewWindow, last: Option<Area>) -> tauri::Result<()> {
    let window = window.gtk_window()?;
    let Some(display) = gdk::Display::default() else { return Ok(()) };
    let areas: Vec<Area> =
        (0..display.n_monitors()).filter_map(|index| display.monitor(index)).map(work_area).collect();
    if let Some(last) = last.filter(|last| super::is_reachable(*last, &areas)) {
        window.resize(last.width, last.height);
        window.move_(last.x, last.y);
        return Ok(());
    }
    let Some(area) = display.primary_monitor().map(work_area).or(areas.first().copied()) else { return Ok(()) };
    // GTK counts in whole logical pixels.
    let (width, height) = super::page_size(area.width.into(), area.height.into());
    let (width, height, margin) = (width as i32, height as i32, super::MARGIN as i32);
    window.resize(width, height);
    // With this gravity, the position plus the window's size is the frame's lower right corner.
    window.set_gravity(gdk::Gravity::SouthEast);
    window.move_(area.x + area.width - margin - width, area.y + area.height - margin - height);
    Ok(())
}

fn work_area(monitor: gdk::Monitor) -> Area {
    let area = monitor.workarea();
    Area { x: area.x(), y: area.y(), width: area.width(), height: area.height() }
}

/// Does nothing: here the pinned panel is `vigie-pinned`.
pub fn pin(_window: &WebviewWindow, _pinned: &Pinned) -> tauri::Result<()> {
    Ok(())
}

/// Does nothing, as [`pin`].
pub fn follow(_window: &WebviewWindow, _place: impl Fn() + Send + 'static) -> tauri::Result<()> {
    Ok(())
}
