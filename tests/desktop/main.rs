//! The real program on a real desktop.
#![cfg(target_os = "linux")]

mod cli;
mod config;
mod item;
mod launch;
mod linked;
mod menu;
mod notices;
mod rig;
mod rig_works;
mod shutdown;
mod vpn;
