//! The real `vigie-panel` and `vigie-pinned` on a real X server, used by mouse and keyboard, with the tray's own end of the
//! IPC.
#![cfg(target_os = "linux")]

mod connect;
mod harness;
mod panel;
#[path = "../../src-tauri/test_bus.rs"]
#[expect(dead_code, reason = "the unit tests use the rest")]
mod test_bus;
