//! Waits for changes in the registry.

use windows::Win32::Foundation::{CloseHandle, HANDLE, WAIT_OBJECT_0};
use windows::Win32::System::Registry::{
    HKEY, KEY_NOTIFY, REG_NOTIFY_FILTER, RegCloseKey, RegNotifyChangeKeyValue, RegOpenKeyExW,
};
use windows::Win32::System::Threading::{CreateEventW, INFINITE, WaitForMultipleObjects};
use windows::core::{PCWSTR, Result};

/// Watches a key and all keys below it.
pub struct KeyWatch {
    key: HKEY,
    event: HANDLE,
    filter: REG_NOTIFY_FILTER,
}

impl KeyWatch {
    /// Opens the key. Changes are noticed only after [`KeyWatch::arm`].
    pub fn below(root: HKEY, path: PCWSTR, filter: REG_NOTIFY_FILTER) -> Result<KeyWatch> {
        let mut key = HKEY::default();
        // SAFETY: the pointers are valid for the calls; both handles are closed in `drop`.
        unsafe {
            RegOpenKeyExW(root, path, None, KEY_NOTIFY, &mut key).ok()?;
            let event = CreateEventW(None, false, false, None);
            if event.is_err() {
                let _ = RegCloseKey(key);
            }
            Ok(KeyWatch { key, event: event?, filter })
        }
    }

    /// Arms the watch for one change, and returns whether that succeeded. Must be called on the thread that waits: the
    /// request ends with its thread.
    pub fn arm(&self) -> bool {
        // SAFETY: key and event are open.
        unsafe { RegNotifyChangeKeyValue(self.key, true, self.filter, Some(self.event), true) }.is_ok()
    }
}

/// Blocks until one of the watches sees a change, and returns it.
pub fn wait(watches: &[KeyWatch]) -> Option<&KeyWatch> {
    let events: Vec<HANDLE> = watches.iter().map(|watch| watch.event).collect();
    // SAFETY: the events are open. (Without any the call fails at once.)
    let woken = unsafe { WaitForMultipleObjects(&events, false, INFINITE) };
    watches.get(woken.0.checked_sub(WAIT_OBJECT_0.0)? as usize)
}

impl Drop for KeyWatch {
    fn drop(&mut self) {
        // SAFETY: opened by `below`, closed once.
        unsafe {
            let _ = RegCloseKey(self.key);
            let _ = CloseHandle(self.event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;
    use windows::Win32::System::Registry::{HKEY_CURRENT_USER, REG_NOTIFY_CHANGE_LAST_SET, REG_NOTIFY_CHANGE_NAME};
    use windows::core::HSTRING;
    use winreg::RegKey;

    #[test]
    fn change_below_a_key_is_reported_with_the_watch_that_saw_it() {
        crate::wine::only();
        let path = format!(r"Software\Vigie-test-{}", std::process::id());
        let user = RegKey::predef(winreg::enums::HKEY_CURRENT_USER);
        let [names, values] = ["names", "values"].map(|name| format!(r"{path}\{name}"));
        let [name, value] = [&names, &values].map(|path| user.create_subkey(path).unwrap().0);
        let (sender, receiver) = channel();
        let waiter = std::thread::spawn(move || {
            let below =
                |path: &str, filter| KeyWatch::below(HKEY_CURRENT_USER, PCWSTR(HSTRING::from(path).as_ptr()), filter);
            let watches =
                [below(&names, REG_NOTIFY_CHANGE_NAME).unwrap(), below(&values, REG_NOTIFY_CHANGE_LAST_SET).unwrap()];
            assert!(watches.iter().all(KeyWatch::arm));
            sender.send(None).unwrap();
            for _ in 0..3 {
                let changed = wait(&watches).unwrap();
                assert!(changed.arm(), "armed for the next change");
                sender.send(watches.iter().position(|watch| std::ptr::eq(watch, changed))).unwrap();
            }
        });
        let next = || receiver.recv_timeout(Duration::from_secs(30)).unwrap();
        assert_eq!(next(), None);
        value.set_value("Device", &"I14RC-DSI-RDC").unwrap();
        assert_eq!(next(), Some(1));
        for deep in [r"Académie\Extinction", r"Académie\Autre"] {
            name.create_subkey(deep).unwrap();
            assert_eq!(next(), Some(0));
        }
        waiter.join().unwrap();
        user.delete_subkey_all(&path).unwrap();
        assert!(wait(&[]).is_none());
    }
}
