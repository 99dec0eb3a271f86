//! The windows as their user and the tray meet them: the real `vigie-panel` and `vigie-pinned` on a real X server, with
//! the tray's own end of the wire.
#![cfg(target_os = "linux")]

mod connect;
mod panel;
mod rig;
