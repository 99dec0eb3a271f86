//! What tests run in a process of its own: its environment, its clock, its log or its memory must be that of nobody else.
//! It is an example, which Cargo builds with the tests, and not with what is shipped.

#[cfg(target_os = "linux")]
#[path = "../faults/controlled_server.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod controlled_server;
#[cfg(target_os = "linux")]
mod life;
mod log;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

fn main() {
    match std::env::args().nth(1).as_deref() {
        #[cfg(target_os = "linux")]
        Some("thirty-days") => life::thirty_days(),
        #[cfg(target_os = "linux")]
        Some("set-clocks") => life::set_clocks(),
        Some("log") => log::every_level(),
        Some("log-panic") => log::panics(),
        other => panic!("what is {other:?}?"),
    }
}

/// The system's allocator, which counts.
struct CountingAllocator;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

/// Returns how many bytes are allocated now.
#[cfg(target_os = "linux")]
fn allocated_bytes() -> usize {
    ALLOCATED.load(Ordering::Relaxed)
}

// SAFETY: every call is passed on to the system's allocator; counting neither allocates nor panics.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are those that are asked here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are those that are asked here; the memory is the system allocator's.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;
