//! Tests of the real program on a real desktop.
#![cfg(target_os = "linux")]

mod cli;
mod config;
mod connect;
mod connect_window;
mod harness;
mod harness_works;
mod help;
mod idle;
mod item;
mod launch;
mod linkage;
mod log;
#[path = "../../benches/desktop/measure.rs"]
#[expect(dead_code, reason = "the benchmarks measure memory too")]
mod measure;
mod menu;
mod notifications;
mod panel;
mod pinned;
mod shutdown;
mod situations;
mod vpn;
mod welcome;
