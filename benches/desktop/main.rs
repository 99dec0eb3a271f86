//! What speed and memory Vigie promises, measured beside programs that are known: `make bench`.
//!
//! Everything runs in one session on one machine; only the ratios mean something on another one. Ends with status 1
//! where a goal is not met. With a name (`cargo bench --bench desktop -- outage`, `fleet`) only that part is measured, and
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
