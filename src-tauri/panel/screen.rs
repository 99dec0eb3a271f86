//! The screen, and where the window stands on it. The pinned panel, and the opened one that was never moved, stand at
//! the lower right of the work area, where the guide's "encadré" is (section 11).

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{follow, is_dark, open, pin, place, stands};
#[cfg(target_os = "linux")]
pub use linux::{follow, is_dark, open, pin, place, stands};

use serde::{Deserialize, Serialize};

/// Width of the page, in logical pixels.
pub const WIDTH: f64 = 420.0;
/// Height of the page, in logical pixels, where the work area has room for it.
pub const HEIGHT: f64 = 680.0;
/// Distance from the work area's edges, in logical pixels.
const MARGIN: f64 = 16.0;
/// Room for a title bar, in logical pixels, as long as the window has not told its own.
const TITLE_BAR: f64 = 40.0;
/// So much of the window's upper edge must be on a screen, in the units of [`Area`]: enough to take hold of it.
const HANDLE: (i32, i32) = (96, 24);

/// A rectangle, in the units in which the system places windows: GTK's logical pixels, physical ones elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width; of a window, without its frame.
    pub width: i32,
    /// Height; of a window, without its frame.
    pub height: i32,
}

/// The page's size in a work area of that size.
fn size(width: f64, height: f64) -> (f64, f64) {
    (WIDTH.min(width - 2.0 * MARGIN).max(1.0), HEIGHT.min(height - 2.0 * MARGIN - TITLE_BAR).max(1.0))
}

/// Whether a window there can be seen and moved by hand, on a screen with these work areas: monitors come and go.
fn reachable(window: Area, areas: &[Area]) -> bool {
    areas.iter().any(|area| {
        let left = window.x.max(area.x);
        let right = window.x.saturating_add(window.width).min(area.x + area.width);
        let below = window.y >= area.y && window.y.saturating_add(HANDLE.1) <= area.y + area.height;
        window.height > 0 && below && right.saturating_sub(left) >= HANDLE.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Area = Area { x: 0, y: 0, width: 1024, height: 740 };
    const RIGHT: Area = Area { x: 1024, y: 0, width: 1280, height: 1024 };

    #[test]
    fn a_window_is_put_back_where_it_can_be_taken_hold_of() {
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
            assert_eq!(reachable(window, &[LEFT, RIGHT]), on_both, "{window:?}");
            assert_eq!(reachable(window, &[LEFT]), on_left, "{window:?}");
        }
    }

    #[test]
    fn a_small_screen_has_the_whole_window() {
        assert_eq!(size(1280.0, 760.0), (WIDTH, HEIGHT));
        assert_eq!(size(400.0, 300.0), (368.0, 228.0));
        assert_eq!(size(10.0, 10.0), (1.0, 1.0));
    }
}
