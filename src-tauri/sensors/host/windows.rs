//! What Windows says about itself.

use std::iter;
use vigie_core::message::{Reading, Space};
use windows::Win32::NetworkManagement::NetManagement::{
    NETSETUP_JOIN_STATUS, NetApiBufferFree, NetGetJoinInformation, NetSetupDomainName,
};
use windows::Win32::Storage::FileSystem::GetDiskFreeSpaceExW;
use windows::Win32::System::Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_SZ, RegGetValueW};
use windows::Win32::System::SystemInformation::{ComputerNameDnsDomain, GetComputerNameExW};
use windows::core::{HSTRING, PCWSTR, PWSTR, w};

/// "Windows 11 Pro 23H2 (22631)".
pub(super) fn version() -> String {
    let value = |name: PCWSTR| registry(name).filter(|text| !text.is_empty());
    let product = value(w!("ProductName"));
    // "23H2"; ReleaseId ("2009") is its predecessor, which stopped with Windows 10 20H2.
    let release = value(w!("DisplayVersion")).or_else(|| value(w!("ReleaseId")));
    in_words(product.as_deref().unwrap_or("Windows"), release.as_deref(), value(w!("CurrentBuildNumber")).as_deref())
}

/// Windows 11 calls itself Windows 10 in the registry; its builds begin at 22000
/// (<https://learn.microsoft.com/windows/release-health/windows11-release-information>).
fn in_words(product: &str, release: Option<&str>, build: Option<&str>) -> String {
    let eleven = build.and_then(|build| build.parse().ok()).is_some_and(|build: u32| build >= 22_000);
    let product = if eleven { product.replace("Windows 10", "Windows 11") } else { product.to_owned() };
    let release = release.map(|release| format!(" {release}")).unwrap_or_default();
    let build = build.map(|build| format!(" ({build})")).unwrap_or_default();
    format!("{product}{release}{build}")
}

/// The Active Directory domain: its DNS name, else its short one.
pub(super) fn domain(_name: &str) -> Option<String> {
    let mut buffer = [0; 256];
    let mut length = 256;
    // SAFETY: the buffer outlives the call and `length` is its size in characters.
    let read = unsafe { GetComputerNameExW(ComputerNameDnsDomain, Some(PWSTR(buffer.as_mut_ptr())), &raw mut length) };
    let dns = read.is_ok().then(|| text(&buffer)).filter(|domain| !domain.is_empty());
    dns.or_else(joined)
}

fn joined() -> Option<String> {
    let mut name = PWSTR::null();
    let mut status = NETSETUP_JOIN_STATUS::default();
    // SAFETY: both pointers are valid for the call; a null server means this machine.
    if unsafe { NetGetJoinInformation(PCWSTR::null(), &raw mut name, &raw mut status) } != 0 || name.is_null() {
        return None;
    }
    // SAFETY: on success `name` is a string that ends in 0, and ours to free.
    let domain = unsafe { name.to_string() }.ok();
    // SAFETY: `name` came from NetGetJoinInformation and is not used any more.
    unsafe { NetApiBufferFree(Some(name.0.cast())) };
    domain.filter(|domain| status == NetSetupDomainName && !domain.is_empty())
}

/// The drive that Windows stands on.
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

/// A text from the key in which Windows names its version.
fn registry(name: PCWSTR) -> Option<String> {
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

/// What stands before the first 0.
fn text(buffer: &[u16]) -> String {
    let end = iter::zip(0.., buffer).find_map(|(at, unit)| (*unit == 0).then_some(at)).unwrap_or(buffer.len());
    String::from_utf16_lossy(&buffer[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eleven_is_told_by_its_build() {
        assert_eq!(in_words("Windows 10 Pro", Some("23H2"), Some("22631")), "Windows 11 Pro 23H2 (22631)");
        assert_eq!(
            in_words("Windows 10 Enterprise", Some("22H2"), Some("19045")),
            "Windows 10 Enterprise 22H2 (19045)"
        );
        assert_eq!(in_words("Windows", None, None), "Windows");
    }

    #[test]
    fn text_ends_at_the_first_zero() {
        assert_eq!(text(&[104, 105, 0, 106]), "hi");
        assert_eq!(text(&[104]), "h");
    }
}
