//! Protects the registry and the certificates of a real Windows from tests that write to them.

use winreg::RegKey;
use winreg::enums::{HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE};

/// Panics unless the test runs under wine; `make test-windows` gives the tests a wine prefix of their own.
pub fn only() {
    let key = |root| RegKey::predef(root).open_subkey(r"Software\Wine");
    let wine = key(HKEY_CURRENT_USER).is_ok() || key(HKEY_LOCAL_MACHINE).is_ok();
    assert!(wine, "this test changes the user's settings: run it with `make test-windows`");
}
