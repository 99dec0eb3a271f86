//! What the user sees under each fault, and what never happens: tests of the running program.
//!
//! Each module declares its faults, and shows them by tests; docs/faults.md is made of these declarations. What holds
//! under every fault is in [`fixture::Fixture::assert_unharmed`].
#![cfg(target_os = "linux")]

mod connect;
#[expect(dead_code, reason = "the helper program uses the rest")]
mod controlled_server;
mod files;
mod fixture;
#[path = "../desktop/harness/mod.rs"]
#[expect(dead_code, reason = "the desktop tests use the rest")]
mod harness;
mod network;
mod notifications;
mod session;
mod table;
mod time;
mod tray;
mod windows;

/// A fault, and what is promised under it.
pub struct FaultCase {
    /// What goes wrong.
    pub what: &'static str,
    /// What the user may see.
    pub may: &'static str,
    /// What must never happen.
    pub never: &'static str,
    /// The tests that show it: `module::test` of these ones, or `FILE::test`.
    pub tests: &'static [&'static str],
}
