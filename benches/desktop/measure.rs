//! Reads what the kernel counts for a program and all that it started.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// What was used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// Context switches of all threads, voluntary or not.
    pub switches: u64,
    /// Time on a processor, in user and kernel mode.
    pub cpu: Duration,
}

/// Watches what a process and its descendants use. The kernel forgets a thread's counts when it ends: look often.
pub struct Meter {
    pid: u32,
    first: HashMap<u32, Usage>,
    last: HashMap<u32, Usage>,
}

impl Meter {
    /// Begins now.
    pub fn start(pid: u32) -> Meter {
        let first = threads(pid);
        Meter { pid, last: first.clone(), first }
    }

    /// SensorRequests again.
    pub fn look(&mut self) {
        self.last.extend(threads(self.pid));
    }

    /// What was used from the start to the last look.
    pub fn used(&self) -> Usage {
        self.last.iter().fold(Usage::default(), |sum, (thread, last)| {
            let first = self.first.get(thread).copied().unwrap_or_default();
            Usage { switches: sum.switches + last.switches - first.switches, cpu: sum.cpu + last.cpu - first.cpu }
        })
    }
}

/// What each thread of `pid` and its descendants has used since its start.
fn threads(pid: u32) -> HashMap<u32, Usage> {
    let mut threads = HashMap::new();
    for pid in descendants(pid) {
        for task in numbers(&format!("/proc/{pid}/task")) {
            let status = read(&format!("/proc/{pid}/task/{task}/status"));
            // Nanoseconds, where `stat` counts ticks of 10 ms.
            let ran = read(&format!("/proc/{pid}/task/{task}/schedstat"));
            // Empty where the thread has just ended.
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

/// Proportional memory of `pid` and its descendants: pages that several processes share count in part. In bytes.
pub fn memory(pid: u32) -> u64 {
    let pss = |pid: u32| {
        let rollup = read(&format!("/proc/{pid}/smaps_rollup"));
        rollup.lines().find(|line| line.starts_with("Pss:")).and_then(number).unwrap_or_default() * 1024
    };
    descendants(pid).into_iter().map(pss).sum()
}

/// A process and all that descend from it.
fn descendants(pid: u32) -> Vec<u32> {
    let parent = |pid: u32| {
        let status = read(&format!("/proc/{pid}/status"));
        status.lines().find(|line| line.starts_with("PPid:")).and_then(number)
    };
    let all: Vec<(u32, Option<u64>)> = numbers("/proc").into_iter().map(|pid| (pid, parent(pid))).collect();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(elder) = family.get(next).copied() {
        next += 1;
        family.extend(all.iter().filter(|(_, parent)| *parent == Some(elder.into())).map(|(pid, _)| *pid));
    }
    family
}

/// The first number in a text.
fn number(text: &str) -> Option<u64> {
    text.split_whitespace().find_map(|word| word.parse().ok())
}

/// The entries of a folder that are numbers; none where its process has ended.
fn numbers(folder: &str) -> Vec<u32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
