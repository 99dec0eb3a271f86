//! Measures speed and memory against their goals, beside well-known programs: `make bench`.
//!
//! Everything runs in one session on one machine; on another machine, only the ratios can be compared. Exits with 1 if a goal
//! is missed. With a name (`cargo bench --bench desktop -- outage`, `in-use`, `panel`, `fleet`) only that part is measured, and
//! the page is not written.

#[cfg(target_os = "linux")]
#[path = "../../tests/desktop/harness/mod.rs"]
#[expect(dead_code, reason = "the tests' harness; the benchmarks need only a part of it")]
mod harness;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod report;

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    if !linux::measure(std::env::args().skip(1).find(|argument| !argument.starts_with('-')).as_deref()) {
        return std::process::ExitCode::FAILURE;
    }
    std::process::ExitCode::SUCCESS
}
