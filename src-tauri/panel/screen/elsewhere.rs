//! Windows and macOS: the frame is known before the window is shown.

use super::Area;
use tauri::{LogicalSize, Monitor, PhysicalPosition, PhysicalSize, Theme, WebviewWindow};
use vigie_view::panel::Pinned;

/// There always is a screen.
pub fn open() -> Result<(), String> {
    Ok(())
}

/// Whether the page will be dark.
pub fn is_dark(window: &WebviewWindow) -> bool {
    window.theme().is_ok_and(|theme| theme == Theme::Dark)
}

/// Where the window stands, its frame included, and how large it is.
pub fn stands(window: &WebviewWindow) -> tauri::Result<Area> {
    let (at, size) = (window.outer_position()?, window.inner_size()?);
    Ok(Area { x: at.x, y: at.y, width: size.width as i32, height: size.height as i32 })
}

/// Lays the window, which is still hidden, where it stood last; where it never stood, or would be out of reach, at the
/// lower right of the primary monitor's work area.
pub fn place(window: &WebviewWindow, last: Option<Area>) -> tauri::Result<()> {
    let areas: Vec<Area> = window.available_monitors()?.iter().map(area).collect();
    if let Some(last) = last.filter(|last| super::reachable(*last, &areas)) {
        // On the monitor first, so that the size is not taken in another one's scale.
        window.set_position(PhysicalPosition::new(last.x, last.y))?;
        return window.set_size(PhysicalSize::new(last.width as u32, last.height as u32));
    }
    let Some(monitor) = window.primary_monitor()? else { return Ok(()) };
    let room = monitor.work_area().size.to_logical::<f64>(monitor.scale_factor());
    lower_right(window, &monitor, super::size(room.width, room.height))
}

/// Lays the window, of that size in logical pixels, at the lower right of the monitor's work area.
fn lower_right(window: &WebviewWindow, monitor: &Monitor, (width, height): (f64, f64)) -> tauri::Result<()> {
    let area = monitor.work_area();
    // On the monitor first, so that the size is taken in its scale.
    window.set_position(area.position)?;
    window.set_size(LogicalSize::new(width, height))?;
    let frame = window.outer_size()?;
    let margin = (super::MARGIN * monitor.scale_factor()) as i32;
    let right = area.position.x + area.size.width as i32 - margin;
    let bottom = area.position.y + area.size.height as i32 - margin;
    window.set_position(PhysicalPosition::new(right - frame.width as i32, bottom - frame.height as i32))
}

fn area(monitor: &Monitor) -> Area {
    let area = monitor.work_area();
    let (at, size) = (area.position, area.size);
    Area { x: at.x, y: at.y, width: size.width as i32, height: size.height as i32 }
}

/// Pins the window: at the lower right of the primary monitor's work area, that large, that opaque.
pub fn pin(window: &WebviewWindow, pinned: &Pinned) -> tauri::Result<()> {
    let Some(monitor) = window.primary_monitor()? else { return Ok(()) };
    let room = monitor.work_area().size.to_logical::<f64>(monitor.scale_factor());
    let fit = |wanted: u16, room: f64| f64::from(wanted).min(room - 2.0 * super::MARGIN).max(1.0);
    lower_right(window, &monitor, (fit(pinned.width, room.width), fit(pinned.height, room.height)))?;
    #[cfg(windows)]
    super::windows::fade(window, pinned.opacity_percent)?;
    Ok(())
}

/// Calls `put` whenever monitors, scale or task bar may have changed, and lets a click, and nothing else, give the
/// window the keyboard.
pub fn follow(window: &WebviewWindow, put: impl Fn() + Send + 'static) -> tauri::Result<()> {
    #[cfg(windows)]
    return super::windows::follow(window, Box::new(put));
    #[cfg(not(windows))]
    {
        window.on_window_event(move |event| {
            if matches!(event, tauri::WindowEvent::ScaleFactorChanged { .. }) {
                put();
            }
        });
        Ok(())
    }
}
