//! Reports when files are written or replaced, by inotify(7).

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Lets tokio wait until this descriptor is ready.
///
/// # Errors
/// If the runtime cannot register it.
pub fn register(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` stays open, and the same, until it is dropped, and the `AsyncFd` owns it.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(io::Error::from)
}

/// Watches files by name, so that files that are replaced by a rename or do not exist yet are noticed too.
pub struct FileWatch {
    fd: AsyncFd<OwnedFd>,
    names: Vec<(i32, CString)>,
}

impl FileWatch {
    /// Watches these files; those whose directory does not exist are left out.
    ///
    /// # Errors
    /// If no inotify instance is available, or none of the directories can be watched.
    pub fn new<P: AsRef<Path>>(paths: &[P]) -> io::Result<FileWatch> {
        let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let events = WatchFlags::CREATE
            | WatchFlags::MOVE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE
            | WatchFlags::MOVE_SELF;
        let mut names = Vec::new();
        let mut refused = None;
        for path in paths {
            let path = path.as_ref();
            let (Some(directory), Some(name)) = (path.parent(), path.file_name().map(OsStr::as_bytes)) else {
                continue;
            };
            match (inotify::add_watch(&fd, directory, events), CString::new(name)) {
                (Ok(number), Ok(name)) => names.push((number, name)),
                (Err(error), _) => refused = Some(error),
                (Ok(_), Err(_)) => {}
            }
        }
        match refused {
            Some(error) if names.is_empty() => Err(error.into()),
            Some(_) | None => Ok(FileWatch { fd: register(fd, Interest::READABLE)?, names }),
        }
    }

    /// Waits until one of the files was created, written, replaced or removed, or has another owner or other permissions.
    /// Pending changes count as one. Cancel safe.
    ///
    /// # Errors
    /// If the inotify instance fails; it will not recover.
    pub async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.fd.readable().await?;
            let mut ours = false;
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut reader = Reader::new(self.fd.get_ref(), &mut buffer);
            loop {
                match reader.next() {
                    Ok(event) => {
                        // Without a name: the queue overflowed, or the directory was changed, moved or removed, so the files
                        // may have changed.
                        let named = |name: &std::ffi::CStr| {
                            self.names.iter().any(|(wd, known)| *wd == event.wd() && known.as_c_str() == name)
                        };
                        ours |= event.file_name().is_none_or(named);
                    }
                    Err(Errno::WOULDBLOCK) => break,
                    Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            ready.clear_ready();
            if ours {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    const DEADLINE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn replaced_file_is_reported_and_its_neighbours_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("localtime");
        let mut files = FileWatch::new(&[&file]).unwrap();

        // The kernel has queued the event before the write returns: one poll reads the whole queue.
        std::fs::write(folder.path().join("passwd"), "x").unwrap();
        assert!(timeout(Duration::ZERO, files.changed()).await.is_err(), "another file");

        std::os::unix::fs::symlink("/a", &file).unwrap();
        timeout(DEADLINE, files.changed()).await.expect("created").unwrap();

        let new = folder.path().join("new");
        std::os::unix::fs::symlink("/b", &new).unwrap();
        std::fs::rename(&new, &file).unwrap();
        timeout(DEADLINE, files.changed()).await.expect("renamed over").unwrap();

        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, "x").unwrap();
        timeout(DEADLINE, files.changed()).await.expect("replaced").unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        timeout(DEADLINE, files.changed()).await.expect("other permissions").unwrap();
        std::fs::rename(&file, &new).unwrap();
        timeout(DEADLINE, files.changed()).await.expect("moved away").unwrap();
    }

    #[test]
    fn missing_directory_is_an_error_only_if_nothing_else_is_watched() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _context = runtime.enter();
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing/file");
        assert!(FileWatch::new(&[&missing]).is_err());
        assert!(FileWatch::new(&[&missing, &folder.path().join("there")]).is_ok());
    }
}
