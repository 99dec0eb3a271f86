//! Reads the facts about a Windows machine.

use std::iter;
use vigie_core::message::{Reading, Space};
use windows::Win32::NetworkManagement::NetManagement::{
    NETSETUP_JOIN_STATUS, NetApiBufferFree, NetGetJoinInformation, NetSetupDomainName,
};
use windows::Win32::Storage::FileSystem::GetDiskFreeSpaceExW;
use windows::Win32::System::Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_DWORD, RRF_RT_REG_SZ, RegGetValueW};
use windows::Win32::System::SystemInformation::{ComputerNameDnsDomain, GetComputerNameExW};
use windows::core::{HSTRING, PCWSTR, PWSTR, w};

/// Returns "Windows 11 Pro 23H2 (22631)".
pub(super) fn version() -> String {
    let value = |name: PCWSTR| registry_text(name).filter(|text| !text.is_empty());
    let product = value(w!("ProductName"));
    // "23H2"; its predecessor ReleaseId ("2009") has not changed since Windows 10 20H2.
    let release = value(w!("DisplayVersion")).or_else(|| value(w!("ReleaseId")));
    worded(product.as_deref().unwrap_or("Windows"), release.as_deref(), value(w!("CurrentBuildNumber")).as_deref())
}

/// Windows 11 calls itself Windows 10 in the registry; its builds begin at 22000
/// (<https://learn.microsoft.com/windows/release-health/windows11-release-information>).
fn worded(product: &str, release: Option<&str>, build: Option<&str>) -> String {
    let eleven = build.and_then(|build| build.parse().ok()).is_some_and(|build: u32| build >= 22_000);
    let product = if eleven { product.replace("Windows 10", "Windows 11") } else { product.to_owned() };
    let release = release.map(|release| format!(" {release}")).unwrap_or_default();
    let build = build.map(|build| format!(" ({build})")).unwrap_or_default();
    format!("{product}{release}{build}")
}

/// Returns the Active Directory domain: its DNS name, otherwise its short one.
pub(super) fn domain(_name: &str) -> Option<String> {
    let mut buffer = [0; 256];
    let mut length = 256;
    // SAFETY: the buffer outlives the call and `length` is its size in characters.
    let read = unsafe { GetComputerNameExW(ComputerNameDnsDomain, Some(PWSTR(buffer.as_mut_ptr())), &raw mut length) };
    let dns = read.is_ok().then(|| text(&buffer)).filter(|domain| !domain.is_empty());
    dns.or_else(joined)
}

/// Returns the domain that the computer has joined.
fn joined() -> Option<String> {
    let mut name = PWSTR::null();
    let mut status = NETSETUP_JOIN_STATUS::default();
    // SAFETY: both pointers are valid for the call; a null server means this machine.
    if unsafe { NetGetJoinInformation(PCWSTR::null(), &raw mut name, &raw mut status) } != 0 || name.is_null() {
        return None;
    }
    // SAFETY: on success `name` is a string that ends in 0, which we must free.
    let domain = unsafe { name.to_string() }.ok();
    // SAFETY: `name` came from NetGetJoinInformation and is not used any more.
    unsafe { NetApiBufferFree(Some(name.0.cast())) };
    domain.filter(|domain| status == NetSetupDomainName && !domain.is_empty())
}

/// Returns the size and the free space of the drive with Windows.
pub(super) fn disk() -> Reading<Space> {
    let root = std::env::var("SystemDrive").unwrap_or_else(|_| "C:".into()) + "\\";
    let mut space = Space { total: 0, free: 0 };
    // SAFETY: the pointers are valid for the call.
    let read = unsafe {
        let (free, total) = (&raw mut space.free, &raw mut space.total);
        GetDiskFreeSpaceExW(&HSTRING::from(&root), Some(free), Some(total), None)
    };
    match read {
        Ok(()) => Reading::Known(space),
        Err(error) => Reading::Unavailable(format!("{root}: {error}")),
    }
}

/// Returns whether shutting down keeps the kernel (Fast Startup, "démarrage rapide"), which needs hibernation.
pub(super) fn fast_startup() -> bool {
    let enabled = |key: PCWSTR, name: PCWSTR| registry_number(key, name).is_some_and(|number| number != 0);
    enabled(w!(r"SYSTEM\CurrentControlSet\Control\Session Manager\Power"), w!("HiberbootEnabled"))
        && enabled(w!(r"SYSTEM\CurrentControlSet\Control\Power"), w!("HibernateEnabled"))
}

fn registry_number(key: PCWSTR, name: PCWSTR) -> Option<u32> {
    let mut number = 0_u32;
    let mut size = 4;
    // SAFETY: the number outlives the call, and `size` is its size in bytes.
    let read = unsafe {
        let (into, size) = ((&raw mut number).cast(), &raw mut size);
        RegGetValueW(HKEY_LOCAL_MACHINE, key, name, RRF_RT_REG_DWORD, None, Some(into), Some(size))
    };
    read.is_ok().then_some(number)
}

/// Reads a text from the key that holds the version of Windows.
fn registry_text(name: PCWSTR) -> Option<String> {
    let mut buffer = [0u16; 256];
    let mut size = u32::try_from(size_of_val(&buffer)).ok()?;
    let key = w!(r"SOFTWARE\Microsoft\Windows NT\CurrentVersion");
    // SAFETY: the buffer outlives the call and `size` is its size in bytes; RegGetValueW ends the text in 0.
    let read = unsafe {
        let (into, size) = (buffer.as_mut_ptr().cast(), &raw mut size);
        RegGetValueW(HKEY_LOCAL_MACHINE, key, name, RRF_RT_REG_SZ, None, Some(into), Some(size))
    };
    read.is_ok().then(|| text(&buffer))
}

/// Returns the text before the first 0.
fn text(buffer: &[u16]) -> String {
    let end = iter::zip(0.., buffer).find_map(|(at, unit)| (*unit == 0).then_some(at)).unwrap_or(buffer.len());
    String::from_utf16_lossy(&buffer[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_11_is_recognised_by_its_build() {
        assert_eq!(worded("Windows 10 Pro", Some("23H2"), Some("22631")), "Windows 11 Pro 23H2 (22631)");
        assert_eq!(worded("Windows 10 Enterprise", Some("22H2"), Some("19045")), "Windows 10 Enterprise 22H2 (19045)");
        assert_eq!(worded("Windows", None, None), "Windows");
    }

    #[test]
    fn fast_startup_needs_hibernation() {
        use winreg::RegKey;
        use winreg::enums::HKEY_LOCAL_MACHINE;
        crate::wine::only();
        let control = RegKey::predef(HKEY_LOCAL_MACHINE).create_subkey(r"SYSTEM\CurrentControlSet\Control").unwrap().0;
        let set = |key: &str, name: &str, value: u32| {
            control.create_subkey(key).unwrap().0.set_value(name, &value).unwrap();
        };
        for (fast, hibernation) in [(0, 1), (1, 0), (1, 1)] {
            set(r"Session Manager\Power", "HiberbootEnabled", fast);
            set("Power", "HibernateEnabled", hibernation);
            assert_eq!(fast_startup(), fast == 1 && hibernation == 1);
        }
        set(r"Session Manager\Power", "HiberbootEnabled", 0);
    }

    #[test]
    fn text_ends_at_the_first_zero() {
        assert_eq!(text(&[104, 105, 0, 106]), "hi");
        assert_eq!(text(&[104]), "h");
    }
}
