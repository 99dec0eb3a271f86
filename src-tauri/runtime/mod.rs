//! Carries out the core's effects; nothing is decided here.

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
pub mod signals;
pub mod store;
pub mod tray;
