//! Reads the kernel's counters of a program and of everything that it started.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// Resources used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Context switches of all threads, voluntary or not.
    pub switches: u64,
    /// Time on a processor, in user and kernel mode.
    pub cpu: Duration,
}

/// Measures what a process and its descendants use. The kernel drops the counters of a thread that ends, so that samples
/// must be frequent.
pub struct Meter {
    pid: u32,
    first: HashMap<u32, Usage>,
    last: HashMap<u32, Usage>,
}

impl Meter {
    /// Starts to measure.
    pub fn start(pid: u32) -> Meter {
        let first = threads(pid);
        Meter { pid, last: first.clone(), first }
    }

    /// Takes a sample.
    pub fn sample(&mut self) {
        self.last.extend(threads(self.pid));
    }

    /// Returns what was used from the start to the last sample.
    pub fn used(&self) -> Usage {
        self.last.iter().fold(Usage::default(), |sum, (thread, last)| {
            let first = self.first.get(thread).copied().unwrap_or_default();
            Usage { switches: sum.switches + last.switches - first.switches, cpu: sum.cpu + last.cpu - first.cpu }
        })
    }
}

/// Returns what each thread of `pid` and its descendants has used since the thread was started.
fn threads(pid: u32) -> HashMap<u32, Usage> {
    let mut threads = HashMap::new();
    for pid in descendants(pid) {
        for task in numbers(&format!("/proc/{pid}/task")) {
            let status = read(&format!("/proc/{pid}/task/{task}/status"));
            // In nanoseconds; `stat` counts ticks of 10 ms.
            let ran = read(&format!("/proc/{pid}/task/{task}/schedstat"));
            // Empty if the thread has just ended.
            let Some(cpu) = number(&ran).map(Duration::from_nanos) else { continue };
            let switches: Vec<u64> =
                status.lines().filter(|line| line.contains("ctxt_switches")).filter_map(number).collect();
            if let [voluntary, involuntary] = switches[..] {
                threads.insert(task, Usage { switches: voluntary + involuntary, cpu });
            }
        }
    }
    threads
}

/// Returns the proportional set size (PSS) of `pid` and its descendants, in bytes.
pub fn memory(pid: u32) -> u64 {
    let pss = |pid: u32| {
        let rollup = read(&format!("/proc/{pid}/smaps_rollup"));
        rollup.lines().find(|line| line.starts_with("Pss:")).and_then(number).unwrap_or_default() * 1024
    };
    descendants(pid).into_iter().map(pss).sum()
}

/// Returns a process and all its descendants.
fn descendants(pid: u32) -> Vec<u32> {
    let parent = |pid: u32| {
        let status = read(&format!("/proc/{pid}/status"));
        status.lines().find(|line| line.starts_with("PPid:")).and_then(number)
    };
    let all: Vec<(u32, Option<u64>)> = numbers("/proc").into_iter().map(|pid| (pid, parent(pid))).collect();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(ancestor) = found.get(next).copied() {
        next += 1;
        found.extend(all.iter().filter(|(_, parent)| *parent == Some(ancestor.into())).map(|(pid, _)| *pid));
    }
    found
}

/// Returns the first number in a text.
fn number(text: &str) -> Option<u64> {
    text.split_whitespace().find_map(|word| word.parse().ok())
}

/// Returns the entries of a folder that are numbers; none if its process has ended.
fn numbers(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
