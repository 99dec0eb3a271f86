//! Carries out the core's effects; it makes no decisions of its own.

pub mod app;
pub mod autostart;
pub mod clipboard;
pub mod connect;
pub mod console;
pub mod credentials;
pub mod installer;
pub mod instance;
pub mod launch;
pub mod log;
pub mod notify;
pub mod panel;
pub mod power_off;
mod report;
#[cfg(target_os = "linux")]
mod session_bus;
pub mod signals;
pub mod store;
pub mod tray;
