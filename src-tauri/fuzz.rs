//! Fuzzing within a time budget, for tests: kept inputs are changed at random, and nothing may panic or hang.
//!
//! `cargo test fuzz` gives each target a second; `VIGIE_FUZZ_SECONDS=600 cargo test fuzz` looks longer. An input that was
//! found so is kept as a seed of its target.

use std::time::{Duration, Instant};

/// Bytes that mean something to the formats that are read.
const TOKENS: [&[u8]; 14] =
    [b"\"", b"'", b"\\", b"%", b"<", b">", b"&", b"[", b"{", b"=", b"\n", b"\r", b"\xff", "\u{202e}é\u{0}".as_bytes()];

/// The length to which an input may grow, and the time that one may take.
const MAX_BYTES: usize = 1 << 14;
const MAX_TIME: Duration = Duration::from_secs(2);

/// Runs the target with each seed, then with changed ones until the time is up.
pub fn fuzz(seeds: &[&[u8]], mut target: impl FnMut(&[u8])) {
    let budget = std::env::var("VIGIE_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(budget);
    let mut random = fastrand::Rng::new();
    let mut inputs: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_vec()).collect();
    for seed in inputs.clone() {
        run(&seed, &mut target);
    }
    while Instant::now() < end {
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
    let start = Instant::now();
    target(input.0);
    assert!(start.elapsed() < MAX_TIME, "{:?}", start.elapsed());
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
