//! What is shown for a state. Everything that users read is French and is defined here (and in `ui/`).

pub mod attention;
pub mod cards;
pub mod chain;
pub mod config;
pub mod connect;
#[cfg(test)]
mod consistency;
pub mod doctor;
pub mod drives;
pub mod french;
pub mod guide;
pub mod helpdesk;
pub mod history;
pub mod notice;
pub mod page;
pub mod panel;
pub mod report;
pub mod search;
pub mod settings;
pub mod shutdown;
pub mod status;
pub mod tray;
pub mod vpn;
pub mod welcome;
