//! Windows and macOS: the frame is known before the window is shown.

use tauri::{LogicalSize, PhysicalPosition, WebviewWindow};

/// There always is a screen.
pub fn open() -> Result<(), String> {
    Ok(())
}

/// Lays the window, which is still hidden, at the lower right of the primary monitor's work area.
pub fn lower_right(window: &WebviewWindow) -> tauri::Result<()> {
    let Some(monitor) = window.primary_monitor()? else { return Ok(()) };
    let area = monitor.work_area();
    let scale = monitor.scale_factor();
    let room = area.size.to_logical::<f64>(scale);
    let (width, height) = super::size(room.width, room.height);
    // On the monitor first, so that the size is taken in its scale.
    window.set_position(area.position)?;
    window.set_size(LogicalSize::new(width, height))?;
    let frame = window.outer_size()?;
    let margin = (super::MARGIN * scale) as i32;
    let right = area.position.x + area.size.width as i32 - margin;
    let bottom = area.position.y + area.size.height as i32 - margin;
    window.set_position(PhysicalPosition::new(right - frame.width as i32, bottom - frame.height as i32))
}
