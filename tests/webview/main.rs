//! The real `vigie-panel` and `vigie-pinned` on a real X server, used by mouse and keyboard, with the tray's own end of the
//! IPC.
#![cfg(target_os = "linux")]

mod connect;
mod harness;
mod panel;
