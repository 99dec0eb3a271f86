//! By change notifications of the folders, for which a thread waits.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::Notify;
use windows::Win32::Foundation::{CloseHandle, HANDLE, WAIT_OBJECT_0};
use windows::Win32::Storage::FileSystem::{
    FILE_NOTIFY_CHANGE, FILE_NOTIFY_CHANGE_ATTRIBUTES, FILE_NOTIFY_CHANGE_DIR_NAME, FILE_NOTIFY_CHANGE_FILE_NAME,
    FILE_NOTIFY_CHANGE_LAST_WRITE, FILE_NOTIFY_CHANGE_SECURITY, FILE_NOTIFY_CHANGE_SIZE, FindCloseChangeNotification,
    FindFirstChangeNotificationW, FindNextChangeNotification,
};
use windows::Win32::System::Threading::{CreateEventW, INFINITE, SetEvent, WaitForMultipleObjects};
use windows::core::HSTRING;

/// Watches files and folders. Its thread, and the hold on the folders, end with it: a folder that is being removed may
/// otherwise stay.
pub struct ConfigWatch {
    stop: Arc<StopEvent>,
    changed: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl ConfigWatch {
    /// May wait for a folder on an unreachable server.
    pub fn new(files: &[PathBuf], folders: &[PathBuf]) -> io::Result<ConfigWatch> {
        let contents = FILE_NOTIFY_CHANGE_FILE_NAME
            | FILE_NOTIFY_CHANGE_LAST_WRITE
            | FILE_NOTIFY_CHANGE_SIZE
            | FILE_NOTIFY_CHANGE_ATTRIBUTES
            | FILE_NOTIFY_CHANGE_SECURITY;
        let of_files = parents(files).into_iter().map(|folder| (folder, contents));
        let of_folders = parents(folders).into_iter().map(|folder| (folder, FILE_NOTIFY_CHANGE_DIR_NAME));
        let (mut watched, mut refused) = (Vec::new(), None);
        for (folder, filter) in of_files.chain(of_folders) {
            match FolderWatch::new(folder, filter) {
                Ok(folder) => watched.push(folder),
                Err(error) => refused = Some(error),
            }
        }
        if let (Some(error), true) = (refused, watched.is_empty()) {
            return Err(error);
        }
        let (stop, changed) = (Arc::new(StopEvent::new()?), Arc::new(Notify::new()));
        let (until, report) = (stop.clone(), changed.clone());
        let thread =
            std::thread::Builder::new().name("settings".into()).spawn(move || wait(watched, &until, &report))?;
        Ok(ConfigWatch { stop, changed, thread: Some(thread) })
    }

    /// Waits for a change in one of the folders. Cancel safe.
    pub async fn changed(&mut self) -> io::Result<()> {
        self.changed.notified().await;
        Ok(())
    }
}

impl Drop for ConfigWatch {
    fn drop(&mut self) {
        // SAFETY: the event is open.
        match unsafe { SetEvent(self.stop.0) } {
            Ok(()) => drop(self.thread.take().map(JoinHandle::join)),
            Err(error) => tracing::warn!(%error, "a thread that watches the settings is left"),
        }
    }
}

/// Returns the folders that the paths lie in.
fn parents(paths: &[PathBuf]) -> BTreeSet<&Path> {
    paths.iter().filter_map(|path| path.parent()).collect()
}

/// Reports changes until it is to stop.
fn wait(mut folders: Vec<FolderWatch>, stop: &StopEvent, changed: &Notify) {
    loop {
        let handles: Vec<HANDLE> = std::iter::once(stop.0).chain(folders.iter().map(|folder| folder.0)).collect();
        // SAFETY: the handles are open.
        let woken = unsafe { WaitForMultipleObjects(&handles, false, INFINITE) };
        let index = woken.0.wrapping_sub(WAIT_OBJECT_0.0) as usize;
        if index == 0 || index >= handles.len() {
            return;
        }
        // SAFETY: the handle is open.
        if unsafe { FindNextChangeNotification(handles[index]) }.is_err() {
            // The folder is gone: the change that is now reported leads to another watch.
            folders.remove(index - 1);
        }
        changed.notify_one();
    }
}

/// Signalled when the thread is to end.
struct StopEvent(HANDLE);

// SAFETY: a handle belongs to the process.
unsafe impl Send for StopEvent {}
// SAFETY: an event may be set by one thread while another waits for it.
unsafe impl Sync for StopEvent {}

impl StopEvent {
    fn new() -> io::Result<StopEvent> {
        // SAFETY: takes no pointers.
        Ok(StopEvent(unsafe { CreateEventW(None, true, false, None) }?))
    }
}

impl Drop for StopEvent {
    fn drop(&mut self) {
        // SAFETY: created by `new`, closed once.
        let _ = unsafe { CloseHandle(self.0) };
    }
}

/// A change notification of a folder.
struct FolderWatch(HANDLE);

// SAFETY: a handle belongs to the process.
unsafe impl Send for FolderWatch {}

impl FolderWatch {
    fn new(folder: &Path, filter: FILE_NOTIFY_CHANGE) -> io::Result<FolderWatch> {
        // SAFETY: the name ends with a zero.
        Ok(FolderWatch(unsafe { FindFirstChangeNotificationW(&HSTRING::from(folder), false, filter) }?))
    }
}

impl Drop for FolderWatch {
    fn drop(&mut self) {
        // SAFETY: opened by `new`, closed once.
        let _ = unsafe { FindCloseChangeNotification(self.0) };
    }
}
