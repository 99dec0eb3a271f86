//! On Windows, the frame is known before the window is shown.

use super::Area;
use tauri::{LogicalSize, Monitor, PhysicalPosition, PhysicalSize, Theme, WebviewWindow};
use vigie_view::panel::Pinned;

/// Does nothing: there is always a display.
pub fn open() -> Result<(), String> {
    Ok(())
}

/// Returns whether the page will be dark.
pub fn is_dark(window: &WebviewWindow) -> bool {
    window.theme().is_ok_and(|theme| theme == Theme::Dark)
}

/// Returns the window's position, frame included, and size.
pub fn area(window: &WebviewWindow) -> tauri::Result<Area> {
    let (at, size) = (window.outer_position()?, window.inner_size()?);
    Ok(Area { x: at.x, y: at.y, width: size.width as i32, height: size.height as i32 })
}

/// Places the window, which is still hidden, where it was last; if that is nowhere or out of reach, at the lower right of
/// the primary monitor's work area.
pub fn place(window: &WebviewWindow, last: Option<Area>) -> tauri::Result<()> {
    let areas: Vec<Area> = window.available_monitors()?.iter().map(work_area).collect();
    if let Some(last) = last.filter(|last| super::is_reachable(*last, &areas)) {
        // Position first, so that the size is not scaled for another monitor.
        window.set_position(PhysicalPosition::new(last.x, last.y))?;
        return window.set_size(PhysicalSize::new(last.width as u32, last.height as u32));
    }
    let Some(monitor) = window.primary_monitor()? else { return Ok(()) };
    let available = monitor.work_area().size.to_logical::<f64>(monitor.scale_factor());
    place_lower_right(window, &monitor, super::page_size(available.width, available.height))
}

/// Places the window, with that size in logical pixels, at the lower right of the monitor's work area.
fn place_lower_right(window: &WebviewWindow, monitor: &Monitor, (width, height): (f64, f64)) -> tauri::Result<()> {
    let area = monitor.work_area();
    // Position first, so that the size is scaled for this monitor.
    window.set_position(area.position)?;
    window.set_size(LogicalSize::new(width, height))?;
    let frame = window.outer_size()?;
    let margin = (super::MARGIN * monitor.scale_factor()) as i32;
    let right = area.position.x + area.size.width as i32 - margin;
    let bottom = area.position.y + area.size.height as i32 - margin;
    window.set_position(PhysicalPosition::new(right - frame.width as i32, bottom - frame.height as i32))
}

fn work_area(monitor: &Monitor) -> Area {
    let area = monitor.work_area();
    let (at, size) = (area.position, area.size);
    Area { x: at.x, y: at.y, width: size.width as i32, height: size.height as i32 }
}

/// Gives the pinned window its place, at the lower right of the primary monitor's work area, its size and its opacity.
pub fn pin(window: &WebviewWindow, pinned: &Pinned) -> tauri::Result<()> {
    let Some(monitor) = window.primary_monitor()? else { return Ok(()) };
    let available = monitor.work_area().size.to_logical::<f64>(monitor.scale_factor());
    let fit = |wanted: u16, available: f64| f64::from(wanted).min(available - 2.0 * super::MARGIN).max(1.0);
    place_lower_right(window, &monitor, (fit(pinned.width, available.width), fit(pinned.height, available.height)))?;
    #[cfg(windows)]
    super::windows::set_opacity(window, pinned.opacity_percent)?;
    Ok(())
}

/// Calls `place` whenever monitors, scale or task bar may have changed, and lets nothing but a click give the window the
/// keyboard focus.
pub fn follow(window: &WebviewWindow, place: impl Fn() + Send + 'static) -> tauri::Result<()> {
    #[cfg(windows)]
    return super::windows::follow(window, Box::new(place));
    #[cfg(not(windows))]
    {
        window.on_window_event(move |event| {
            if matches!(event, tauri::WindowEvent::ScaleFactorChanged { .. }) {
                place();
            }
        });
        Ok(())
    }
}
