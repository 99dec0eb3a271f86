//! The icon in the tray, its tooltip and its menu, as [`vigie_view::tray::Tray`] describes them.
//!
//! On Linux it is a StatusNotifierItem (`ksni`), because Tauri's tray has neither clicks nor a tooltip there. On Windows
//! it is Tauri's, whose event loop owns the main thread.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;
#[cfg(all(test, target_os = "linux"))]
mod tests;

pub use platform::{DesktopTray, host};

use vigie_core::vpn::VpnStatus;
use vigie_view::tray::Icon;

/// An icon in one size.
#[derive(Debug)]
pub struct Picture {
    /// Width and height in pixels.
    pub size: u8,
    /// Red, green, blue, alpha for each pixel, row by row from the top; not premultiplied.
    pub rgba: Vec<u8>,
}

/// Returns the icon in all its sizes, the smallest first, for a light background or for any (drawn by `build/icons.rs`).
pub fn pictures(icon: Icon, light: bool) -> Vec<Picture> {
    let file = miniz_oxide::inflate::decompress_to_vec(drawn(icon, light)).expect("packed by the build script");
    let mut pictures = Vec::new();
    let mut rest = file.as_slice();
    while let [size, after @ ..] = rest {
        let (rgba, next) = after.split_at(4 * usize::from(*size) * usize::from(*size));
        pictures.push(Picture { size: *size, rgba: rgba.to_vec() });
        rest = next;
    }
    pictures
}

fn drawn(icon: Icon, light: bool) -> &'static [u8] {
    macro_rules! drawn {
        ($name:literal) => {
            match (light, icon.badge) {
                (false, false) => include_bytes!(concat!(env!("OUT_DIR"), "/", $name)).as_slice(),
                (false, true) => include_bytes!(concat!(env!("OUT_DIR"), "/", $name, "-badge")).as_slice(),
                (true, false) => include_bytes!(concat!(env!("OUT_DIR"), "/", $name, "-light")).as_slice(),
                (true, true) => include_bytes!(concat!(env!("OUT_DIR"), "/", $name, "-light-badge")).as_slice(),
            }
        };
    }
    match icon.status {
        VpnStatus::Unknown => drawn!("unknown"),
        VpnStatus::Offline => drawn!("offline"),
        VpnStatus::Captive => drawn!("captive"),
        VpnStatus::Disconnected => drawn!("disconnected"),
        VpnStatus::Connecting => drawn!("connecting"),
        VpnStatus::Connected => drawn!("connected"),
        VpnStatus::Stalled => drawn!("stalled"),
        VpnStatus::OnSite => drawn!("on-site"),
    }
}
