//! GTK. (Wayland places windows itself and ignores it.)

use super::Area;
use crate::appearance;
use gtk::gdk;
use gtk::prelude::{GtkWindowExt, MonitorExt};
use tauri::WebviewWindow;
use vigie_view::panel::Pinned;

/// Fails where there is no screen, with a word on why. (Tauri would panic.)
pub fn open() -> Result<(), String> {
    gtk::init().map_err(|error| error.to_string())?;
    appearance::follow();
    Ok(())
}

/// Whether the page will be dark.
pub fn is_dark(_window: &WebviewWindow) -> bool {
    appearance::is_dark()
}

/// Where the window stands, its frame included, and how large it is.
pub fn stands(window: &WebviewWindow) -> tauri::Result<Area> {
    let window = window.gtk_window()?;
    // Else GTK tells of another corner.
    window.set_gravity(gdk::Gravity::NorthWest);
    let ((x, y), (width, height)) = (window.position(), window.size());
    Ok(Area { x, y, width, height })
}

/// Lays the window, which is still hidden, where it stood last; where it never stood, or would be out of reach, its
/// lower right corner, frame included, at that of the primary monitor's work area.
pub fn place(window: &WebviewWindow, last: Option<Area>) -> tauri::Result<()> {
    let window = window.gtk_window()?;
    let Some(display) = gdk::Display::default() else { return Ok(()) };
    let areas: Vec<Area> = (0..display.n_monitors()).filter_map(|index| display.monitor(index)).map(area).collect();
    if let Some(last) = last.filter(|last| super::reachable(*last, &areas)) {
        window.resize(last.width, last.height);
        window.move_(last.x, last.y);
        return Ok(());
    }
    let Some(area) = display.primary_monitor().map(area).or(areas.first().copied()) else { return Ok(()) };
    // GTK counts in logical pixels, in whole ones.
    let (width, height) = super::size(area.width.into(), area.height.into());
    let (width, height, margin) = (width as i32, height as i32, super::MARGIN as i32);
    window.resize(width, height);
    // With this gravity a position is that of the frame's lower right corner, once the window's own size is added.
    window.set_gravity(gdk::Gravity::SouthEast);
    window.move_(area.x + area.width - margin - width, area.y + area.height - margin - height);
    Ok(())
}

fn area(monitor: gdk::Monitor) -> Area {
    let area = monitor.workarea();
    Area { x: area.x(), y: area.y(), width: area.width(), height: area.height() }
}

/// Nothing to do: `vigie-pinned` is the pinned panel here.
pub fn pin(_window: &WebviewWindow, _pinned: &Pinned) -> tauri::Result<()> {
    Ok(())
}

/// Nothing to do, as in [`pin`].
pub fn follow(_window: &WebviewWindow, _put: impl Fn() + Send + 'static) -> tauri::Result<()> {
    Ok(())
}
