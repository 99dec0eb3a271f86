//! The screen, and the window's place on it: at the lower right of the work area, as the guide's "encadré" (section 11),
//! unless the user has moved the opened panel.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use linux::{area, follow, is_dark, open, pin, place};
#[cfg(windows)]
pub use windows::{area, follow, is_dark, open, pin, place};

use serde::{Deserialize, Serialize};

/// The page's width in logical pixels.
pub const WIDTH: f64 = 420.0;
/// The page's height in logical pixels, if the work area is high enough.
pub const HEIGHT: f64 = 680.0;
/// Distance to the work area's edges in logical pixels.
const MARGIN: f64 = 16.0;
/// Height of a title bar in logical pixels, until the window's own is known.
const TITLE_BAR_HEIGHT: f64 = 40.0;
/// Width and height of the upper edge that must be on a screen, in the units of [`Area`]: enough to drag the window.
const MIN_HANDLE: (i32, i32) = (96, 24);

/// A rectangle in the units in which the system places windows: logical pixels with GTK, physical ones on Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width; for a window, without its frame.
    pub width: i32,
    /// Height; for a window, without its frame.
    pub height: i32,
}

/// Returns the page's size in a work area of that size.
fn page_size(width: f64, height: f64) -> (f64, f64) {
    (WIDTH.min(width - 2.0 * MARGIN).max(1.0), HEIGHT.min(height - 2.0 * MARGIN - TITLE_BAR_HEIGHT).max(1.0))
}

/// Returns whether a window can be seen and dragged on monitors with these work areas: monitors come and go.
fn is_reachable(window: Area, areas: &[Area]) -> bool {
    areas.iter().any(|area| {
        let left = window.x.max(area.x);
        let right = window.x.saturating_add(window.width).min(area.x + area.width);
        let below = window.y >= area.y && window.y.saturating_add(MIN_HANDLE.1) <= area.y + area.height;
        window.height > 0 && below && right.saturating_sub(left) >= MIN_HANDLE.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Area = Area { x: 0, y: 0, width: 1024, height: 740 };
    const RIGHT: Area = Area { x: 1024, y: 0, width: 1280, height: 1024 };

    #[test]
    fn window_is_restored_only_where_it_can_be_dragged() {
        let at = |x, y| Area { x, y, width: 420, height: 600 };
        for (window, on_both, on_left) in [
            (at(500, 100), true, true),
            (at(1500, 300), true, false),
            (at(1000, 100), true, false),
            (at(928, 716), true, true),
            (at(928, 717), true, false),
            (at(-324, 0), true, true),
            (at(-325, 0), false, false),
            (at(500, -1), false, false),
            (at(i32::MAX, i32::MIN), false, false),
            (Area { x: 10, y: 10, width: 0, height: 0 }, false, false),
        ] {
            assert_eq!(is_reachable(window, &[LEFT, RIGHT]), on_both, "{window:?}");
            assert_eq!(is_reachable(window, &[LEFT]), on_left, "{window:?}");
        }
    }

    #[test]
    fn window_fits_on_a_small_screen() {
        assert_eq!(page_size(1280.0, 760.0), (WIDTH, HEIGHT));
        assert_eq!(page_size(400.0, 300.0), (368.0, 228.0));
        assert_eq!(page_size(10.0, 10.0), (1.0, 1.0));
    }
}
