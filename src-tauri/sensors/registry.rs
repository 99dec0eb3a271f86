//! That a part of the registry has changed.

use windows::Win32::Foundation::{CloseHandle, HANDLE, WAIT_OBJECT_0};
use windows::Win32::System::Registry::{
    HKEY, KEY_NOTIFY, REG_NOTIFY_FILTER, RegCloseKey, RegNotifyChangeKeyValue, RegOpenKeyExW,
};
use windows::Win32::System::Threading::{CreateEventW, INFINITE, WaitForMultipleObjects};
use windows::core::{PCWSTR, Result};

/// Tells that something below a key has changed.
pub struct Changes {
    key: HKEY,
    event: HANDLE,
    what: REG_NOTIFY_FILTER,
}

impl Changes {
    /// Opens the key; nothing is heard before [`Changes::listen`].
    pub fn below(root: HKEY, path: PCWSTR, what: REG_NOTIFY_FILTER) -> Result<Changes> {
        let mut key = HKEY::default();
        // SAFETY: the pointers are valid for the calls; both handles are closed in `drop`.
        unsafe {
            RegOpenKeyExW(root, path, None, KEY_NOTIFY, &mut key).ok()?;
            let event = CreateEventW(None, false, false, None);
            if event.is_err() {
                let _ = RegCloseKey(key);
            }
            Ok(Changes { key, event: event?, what })
        }
    }

    /// Listens for one change; on the thread that waits for it. Whether it does.
    pub fn listen(&self) -> bool {
        // SAFETY: key and event are open.
        unsafe { RegNotifyChangeKeyValue(self.key, true, self.what, Some(self.event), true) }.is_ok()
    }
}

/// Sleeps until there is a change, and says in which of these.
pub fn wait(all: &[Changes]) -> Option<&Changes> {
    let events: Vec<HANDLE> = all.iter().map(|changes| changes.event).collect();
    // SAFETY: the events are open. (With none of them the call fails at once.)
    let woken = unsafe { WaitForMultipleObjects(&events, false, INFINITE) };
    all.get(woken.0.checked_sub(WAIT_OBJECT_0.0)? as usize)
}

impl Drop for Changes {
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
    fn what_changes_below_a_key_is_noticed_and_which_of_several_it_was() {
        crate::wine::only();
        let path = format!(r"Software\Vigie-test-{}", std::process::id());
        let user = RegKey::predef(winreg::enums::HKEY_CURRENT_USER);
        let [names, values] = ["names", "values"].map(|name| format!(r"{path}\{name}"));
        let [name, value] = [&names, &values].map(|path| user.create_subkey(path).unwrap().0);
        let (woken, heard) = channel();
        let listener = std::thread::spawn(move || {
            let below =
                |path: &str, what| Changes::below(HKEY_CURRENT_USER, PCWSTR(HSTRING::from(path).as_ptr()), what);
            let all =
                [below(&names, REG_NOTIFY_CHANGE_NAME).unwrap(), below(&values, REG_NOTIFY_CHANGE_LAST_SET).unwrap()];
            assert!(all.iter().all(Changes::listen));
            woken.send(None).unwrap();
            for _ in 0..3 {
                let one = wait(&all).unwrap();
                assert!(one.listen(), "and the next one too");
                woken.send(all.iter().position(|changes| std::ptr::eq(changes, one))).unwrap();
            }
        });
        let next = || heard.recv_timeout(Duration::from_secs(5)).unwrap();
        assert_eq!(next(), None);
        value.set_value("Device", &"I14RC-DSI-RDC").unwrap();
        assert_eq!(next(), Some(1));
        for deep in [r"Académie\Extinction", r"Académie\Autre"] {
            name.create_subkey(deep).unwrap();
            assert_eq!(next(), Some(0));
        }
        listener.join().unwrap();
        user.delete_subkey_all(&path).unwrap();
        assert!(wait(&[]).is_none());
    }
}
