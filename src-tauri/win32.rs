//! Helpers for the Windows API that several modules use.

use std::marker::PhantomData;
use windows::Win32::System::Com::{COINIT, CoInitializeEx, CoUninitialize};

/// The Unix epoch in the ticks of a FILETIME, 100 ns since 1601.
pub const UNIX_EPOCH_TICKS: i64 = 116_444_736_000_000_000;

/// Keeps COM initialised on the current thread until it is dropped.
///
/// A thread that COM already serves in another apartment can use it as it is, so this never fails.
pub struct Com {
    initialized: bool,
    _this_thread: PhantomData<*const ()>,
}

impl Com {
    /// Initialises COM on this thread.
    pub fn new(model: COINIT) -> Com {
        // SAFETY: a successful call is balanced in `drop`, on the same thread, because `Com` is not `Send`.
        let initialized = unsafe { CoInitializeEx(None, model) }.is_ok();
        Com { initialized, _this_thread: PhantomData }
    }
}

impl Drop for Com {
    fn drop(&mut self) {
        if self.initialized {
            // SAFETY: balances the call in `new`.
            unsafe { CoUninitialize() };
        }
    }
}
