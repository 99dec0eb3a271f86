//! The real program on a real desktop.
#![cfg(target_os = "linux")]

mod cli;
mod config;
mod connect;
mod idle;
mod item;
mod launch;
mod linked;
#[path = "../../benches/desktop/measure.rs"]
#[expect(dead_code, reason = "the benchmarks measure memory too")]
mod measure;
mod menu;
mod notices;
mod panel;
mod pinned;
mod rig;
mod rig_works;
mod shutdown;
mod vpn;
mod window;
