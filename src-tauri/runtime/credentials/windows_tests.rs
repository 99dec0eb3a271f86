//! Tests with the real Credential Manager (wine's), whose contents are read through the Windows API.

use super::{forget, keep, pin, remembered};
use std::ffi::c_void;
use vigie_core::connect::{Keyring, Secret, StoredCredentials};
use windows::core::{BOOL, PCWSTR, PWSTR};

/// The beginning of a CREDENTIALW.
#[repr(C)]
#[derive(Clone, Copy)]
struct Credential {
    flags: u32,
    kind: u32,
    target: PWSTR,
    comment: PWSTR,
    written: [u32; 2],
    size: u32,
    blob: *const u8,
    persist: u32,
}

/// It stays on this computer.
const CRED_PERSIST_LOCAL_MACHINE: u32 = 2;

windows::core::link!("advapi32.dll" "system" fn CredEnumerateW(filter: PCWSTR, flags: u32, count: *mut u32, found: *mut *mut *const Credential) -> BOOL);
windows::core::link!("advapi32.dll" "system" fn CredFree(found: *const c_void));

/// The targets of all that this user keeps.
fn targets() -> Vec<String> {
    let (mut count, mut found) = (0, std::ptr::null_mut());
    // SAFETY: the pointers are valid for the call; on success `found` holds `count` credentials until it is freed, each
    // with a target that ends in 0.
    unsafe {
        if !CredEnumerateW(PCWSTR::null(), 0, &raw mut count, &raw mut found).as_bool() {
            return Vec::new();
        }
        let all = std::slice::from_raw_parts(found, count as usize);
        let targets = all.iter().map(|one| {
            // wine lays them one after the other, without the gaps that would align them.
            let one = one.read_unaligned();
            assert_eq!(one.persist, CRED_PERSIST_LOCAL_MACHINE);
            let units = (0..).map(|at| one.target.0.add(at).read_unaligned()).take_while(|unit| *unit != 0);
            String::from_utf16_lossy(&units.collect::<Vec<u16>>())
        });
        let mut targets: Vec<String> = targets.collect();
        CredFree(found.cast_const().cast());
        targets.sort();
        targets
    }
}

#[tokio::test]
async fn stored_credentials_are_found_again_and_deleted_for_good() {
    crate::wine::only();
    let secret = |text: &str| Secret::from(text.to_owned());
    let none = StoredCredentials { keyring: Keyring::Ready, ..StoredCredentials::default() };
    let kept = StoredCredentials { identifier: Some("mdupont".into()), pin: true, keyring: Keyring::Ready };
    assert_eq!(remembered().await, none);
    assert_eq!(targets(), [""; 0]);

    keep("mdupont", Some(&secret("4321")), false).await.expect("kept");
    assert_eq!(remembered().await, kept);
    assert_eq!(pin().await, Ok(secret("4321")));
    assert_eq!(targets(), ["identifiant.Vigie VPN", "pin.Vigie VPN"]);
    keep("jmartin", None, false).await.expect("another identifier replaces it");
    assert_eq!(remembered().await, StoredCredentials { identifier: Some("jmartin".into()), ..kept.clone() });

    keep("mdupont", None, true).await.expect("kept");
    assert_eq!(remembered().await, StoredCredentials { pin: false, ..kept.clone() });
    assert_eq!(targets(), ["identifiant.Vigie VPN"], "a PIN that is not to be kept any more is gone");
    assert!(pin().await.is_err());

    keep("mdupont", Some(&secret("4321")), false).await.expect("kept");
    forget().await.expect("deleted");
    assert_eq!(remembered().await, none);
    assert_eq!(targets(), [""; 0]);
    forget().await.expect("there is nothing to delete");

    // Longer than Windows keeps (CRED_MAX_CREDENTIAL_BLOB_SIZE): as where a policy forbids it, the store refuses.
    let refused = keep("mdupont", Some(&secret(&"4".repeat(3000))), false).await;
    assert!(refused.is_err(), "the user is told that the PIN was not kept");
    assert_eq!(remembered().await, StoredCredentials { pin: false, ..kept });
    forget().await.expect("deleted");
}
