//! The screen, and where the window stands on it: at the lower right of the work area, where the guide's "encadré"
//! is (section 11).

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{lower_right, open};
#[cfg(target_os = "linux")]
pub use linux::{lower_right, open};

/// Width of the page, in logical pixels.
pub const WIDTH: f64 = 420.0;
/// Height of the page, in logical pixels, where the work area has room for it.
pub const HEIGHT: f64 = 680.0;
/// Distance from the work area's edges, in logical pixels.
const MARGIN: f64 = 16.0;
/// Room for a title bar, in logical pixels, as long as the window has not told its own.
const TITLE_BAR: f64 = 40.0;

/// The page's size in a work area of that size.
fn size(width: f64, height: f64) -> (f64, f64) {
    (WIDTH.min(width - 2.0 * MARGIN).max(1.0), HEIGHT.min(height - 2.0 * MARGIN - TITLE_BAR).max(1.0))
}
