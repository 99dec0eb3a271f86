//! Whether only administrators can have written a file: it and its folder belong to them, and nobody else may write.

use super::super::error::ConfigError;
use super::acl::only_administrators_write;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use windows::Win32::Foundation::{HLOCAL, LocalFree};
use windows::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, GetNamedSecurityInfoW, SDDL_REVISION_1, SE_FILE_OBJECT,
};
use windows::Win32::Security::{DACL_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR};
use windows::core::{HSTRING, PWSTR};

/// Opens a file that only administrators can have written.
pub(super) fn open(file: &Path) -> Result<io::Result<File>, ConfigError> {
    let file = std::path::absolute(file).map_err(|error| ConfigError::Unreadable(error.kind()))?;
    // The folder first: nobody can replace the file in it afterwards. Neither may be a link or a junction.
    for path in file.parent().into_iter().chain([file.as_path()]) {
        match path.symlink_metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Err(error)),
            Ok(about) if about.is_symlink() => return Err(ConfigError::Untrusted(path.to_owned())),
            Ok(_) | Err(_) => {}
        }
        if !descriptor(path).is_some_and(|sddl| only_administrators_write(&sddl)) {
            return Err(ConfigError::Untrusted(path.to_owned()));
        }
    }
    Ok(super::open_regular(&file))
}

/// Returns the owner and the list of rights of a file or a folder, in SDDL.
fn descriptor(path: &Path) -> Option<String> {
    let what = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    let mut descriptor = PSECURITY_DESCRIPTOR::default();
    let name = HSTRING::from(path);
    // SAFETY: the name ends with a zero; the descriptor is freed below.
    let result = unsafe { GetNamedSecurityInfoW(&name, SE_FILE_OBJECT, what, None, None, None, None, &mut descriptor) };
    result.ok().ok()?;
    let mut text = PWSTR::null();
    // SAFETY: the descriptor is the system's; the text is freed below.
    let converted = unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(descriptor, SDDL_REVISION_1, what, &mut text, None)
    };
    // SAFETY: on success the text is there and ends with a zero.
    let sddl = converted.ok().and_then(|()| unsafe { text.to_string() }.ok());
    for memory in [descriptor.0, text.0.cast()] {
        // SAFETY: both were allocated by the calls above with LocalAlloc; null is allowed.
        unsafe { LocalFree(Some(HLOCAL(memory))) };
    }
    sddl
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptor_of_a_file_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let sddl = descriptor(folder.path()).expect("a descriptor");
        assert!(sddl.starts_with("O:") && sddl.contains("D:"), "{sddl}");
        assert_eq!(descriptor(&folder.path().join("nothing")), None);
    }
}
