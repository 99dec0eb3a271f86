//! Fuzzing within a time budget, for tests: kept inputs are changed at random, and nothing may panic, hang, or take much
//! memory.
//!
//! `cargo test fuzz` gives each target a second; `VIGIE_FUZZ_SECONDS=600 cargo test fuzz` looks longer. An input that was
//! found so is kept as a seed of its target.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Bytes that mean something to the formats that are read.
const TOKENS: [&[u8]; 18] = [
    b"\"",
    b"'",
    b"\\",
    b"%",
    b"<",
    b">",
    b"&",
    b"[",
    b"{",
    b"=",
    b":",
    b"\n",
    b"\r",
    b"\t",
    b"\xff",
    b"\x1b[2J",
    "\u{202e}é\u{0}".as_bytes(),
    "\u{2066}\u{61c}\u{9b}".as_bytes(),
];

/// The length to which an input may grow, and the time and the memory that one may take.
const MAX_BYTES: usize = 1 << 14;
const MAX_TIME: Duration = Duration::from_secs(2);
const MAX_MEMORY_BYTES: isize = 64 << 20;

/// How many changed inputs are tried at least, even by a target that is slow.
const MIN_INPUTS: usize = 30;

/// The system's allocator, which counts the memory of each thread.
struct PerThreadAllocator;

thread_local! {
    /// What this thread has allocated and not freed, and the most that it was.
    static IN_USE: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

fn count(bytes: usize, is_freed: bool) {
    // On Windows the look at a thread's variable would reset the system's last error, which somebody has yet to read.
    if cfg!(windows) {
        return;
    }
    let bytes = isize::try_from(bytes).unwrap_or(isize::MAX);
    // Fails at the end of a thread.
    let _ = IN_USE.try_with(|in_use| {
        let (now, peak) = in_use.get();
        let now = if is_freed { now.saturating_sub(bytes) } else { now.saturating_add(bytes) };
        in_use.set((now, peak.max(now)));
    });
}

// SAFETY: every call is passed on to the system's allocator; counting neither allocates nor panics.
unsafe impl GlobalAlloc for PerThreadAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), false);
        // SAFETY: the caller's promises are those that are asked here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(layout.size(), true);
        // SAFETY: the caller's promises are those that are asked here; the memory is the system allocator's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: PerThreadAllocator = PerThreadAllocator;

/// Runs the target with each seed, then with changed ones until the time is up.
pub fn fuzz(seeds: &[&[u8]], mut target: impl FnMut(&[u8])) {
    let budget = std::env::var("VIGIE_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(1);
    let mut random = fastrand::Rng::new();
    let mut inputs: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_vec()).collect();
    for seed in inputs.clone() {
        run(&seed, &mut target);
    }
    let end = Instant::now() + Duration::from_secs(budget);
    let mut tried = 0;
    while tried < MIN_INPUTS || Instant::now() < end {
        tried += 1;
        let mut input = inputs[random.usize(..inputs.len())].clone();
        for _ in 0..random.usize(1..8) {
            change(&mut input, &inputs, &mut random);
        }
        input.truncate(MAX_BYTES);
        run(&input, &mut target);
        // Some changes go on from other changes.
        if random.u8(..) == 0 && inputs.len() < 1000 {
            inputs.push(input);
        }
    }
}

fn run(input: &[u8], target: &mut impl FnMut(&[u8])) {
    /// Prints the input if the target panics.
    struct Input<'a>(&'a [u8]);
    impl Drop for Input<'_> {
        #[expect(clippy::print_stderr, reason = "libtest shows it with the failure")]
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("input: b\"{}\"", self.0.escape_ascii());
            }
        }
    }
    let input = Input(input);
    IN_USE.set((0, 0));
    let start = Instant::now();
    target(input.0);
    assert!(start.elapsed() < MAX_TIME, "{:?}", start.elapsed());
    let (_, peak) = IN_USE.get();
    assert!(peak < MAX_MEMORY_BYTES, "{peak} bytes");
}

fn change(input: &mut Vec<u8>, others: &[Vec<u8>], random: &mut fastrand::Rng) {
    let from = random.usize(..=input.len());
    let to = from + random.usize(..=(input.len() - from).min(32));
    match random.u8(..6) {
        0 => drop(input.drain(from..to)),
        1 => {
            let piece = input[from..to].repeat(random.usize(1..64));
            input.splice(from..from, piece);
        }
        2 => {
            input.splice(from..to, TOKENS[random.usize(..TOKENS.len())].iter().copied());
        }
        3 => {
            let other = &others[random.usize(..others.len())];
            let start = random.usize(..=other.len());
            input.splice(from..to, other[start..].iter().copied().take(64));
        }
        4 => {
            let number = random.choice([0, 1, -1, i64::MAX, i64::MIN, 1 << 32]).unwrap_or_default().to_string();
            input.splice(from..to, number.into_bytes());
        }
        _ => {
            if let Some(byte) = input.get_mut(from) {
                *byte = random.u8(..);
            }
        }
    }
}
