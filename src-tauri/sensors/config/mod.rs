//! The configuration files: read again when they change, with the same checks as at the start.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

use crate::Events;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use system::ConfigWatch;
use tokio::sync::Notify;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, timeout, timeout_at};
use vigie_core::message::Event;
use vigie_profile::Paths;

/// How long the files must be left alone before they are read: editors and installers write in several steps.
const QUIET_TIME: Duration = Duration::from_millis(200);

/// How long to wait at most for [`QUIET_TIME`] without a change.
const MAX_DELAY: Duration = Duration::from_secs(2);

/// Reads the files at once, and again after each change and each notice in `reload`. (A change may fall between the
/// read at the program's start and the first watch; and that read is cut short if the user's folder is on an
/// unreachable server.)
pub async fn watch(paths: Paths, reload: Arc<Notify>, events: Events) {
    let named = [&paths.machine, &paths.user].into_iter().filter(|file| !file.as_os_str().is_empty());
    let mut files: Vec<PathBuf> = named.cloned().collect();
    let mut watch = None;
    loop {
        // Watched before they are read, so that no change is missed.
        watch = match start(files.clone(), watch.take()).await {
            Ok(watch) => watch,
            Err(_) => return,
        };
        let paths = paths.clone();
        let Ok(loaded) = spawn_blocking(move || vigie_profile::load(&paths)).await else { return };
        let named = loaded.files();
        if events.send(Event::Profile(loaded.profile, loaded.problems)).is_err() {
            return;
        }
        // The files may name another .ics file.
        if named != files {
            files = named;
            continue;
        }
        tokio::select! {
            () = changed(&mut watch) => wait_for_quiet(&mut watch).await,
            () = reload.notified() => {}
        }
    }
}

/// Starts a watch, in place of an earlier one, on a thread that may wait for a folder on an unreachable server. Fails
/// when the runtime shuts down.
async fn start(files: Vec<PathBuf>, earlier: Option<ConfigWatch>) -> Result<Option<ConfigWatch>, JoinError> {
    spawn_blocking(move || {
        drop(earlier);
        let watch = ConfigWatch::new(&files, &folders(&files));
        watch.inspect_err(|error| tracing::warn!(%error, "changes of the configuration are not noticed")).ok()
    })
    .await
}

/// Waits for a change; for ever if there is no watch.
async fn changed(watch: &mut Option<ConfigWatch>) {
    if let Some(watching) = watch {
        match watching.changed().await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "changes of the configuration are no longer noticed"),
        }
    }
    *watch = None;
    std::future::pending().await
}

/// Waits until nothing has changed for [`QUIET_TIME`], at most for [`MAX_DELAY`].
async fn wait_for_quiet(watch: &mut Option<ConfigWatch>) {
    let end = Instant::now() + MAX_DELAY;
    while timeout_at(end, timeout(QUIET_TIME, changed(watch))).await.is_ok_and(|changed| changed.is_ok()) {}
}

/// Returns the folders whose coming and going matters: those of the files, and those above that do not exist either.
fn folders(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for folder in files.iter().filter_map(|file| file.parent()) {
        let missing = folder.ancestors().skip(1).take_while(|folder| !folder.exists());
        let found = std::iter::once(folder).chain(missing).filter(|folder| folder.parent().is_some());
        folders.extend(found.map(Path::to_owned));
    }
    folders.sort();
    folders.dedup();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
    use vigie_profile::{Problem, Profile};

    const DEADLINE: Duration = Duration::from_secs(20);

    async fn next(received: &mut UnboundedReceiver<Event>) -> (Arc<Profile>, Arc<[Problem]>) {
        match timeout(DEADLINE, received.recv()).await {
            Ok(Some(Event::Profile(profile, problems))) => (profile, problems),
            other => panic!("no profile: {other:?}"),
        }
    }

    /// Waits for a reading that is as wanted. (One change may be read twice.)
    async fn until(received: &mut UnboundedReceiver<Event>, wanted: impl Fn(&Profile, &[Problem]) -> bool) {
        loop {
            let (profile, problems) = next(received).await;
            if wanted(&profile, &problems) {
                return;
            }
        }
    }

    #[tokio::test]
    async fn changed_files_and_their_calendar_are_read_again() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("config").join("Vigie");
        let user = folder.join("vigie.toml");
        let (events, mut received) = unbounded_channel();
        let reload = Arc::new(Notify::new());
        let paths = Paths { machine: PathBuf::new(), user: user.clone() };
        let watching = tokio::spawn(watch(paths, reload.clone(), events));
        assert_eq!(*next(&mut received).await.0, vigie_profile::guide());

        // Folders that did not exist.
        fs::create_dir_all(&folder).unwrap();
        fs::write(&user, "[shutdown]\nat = \"20:00\"\n").unwrap();
        until(&mut received, |profile, _| profile.shutdown.at.to_string() == "20:00:00").await;

        // Replaced, as editors do it.
        let new = folder.join("new");
        fs::write(&new, "[shutdown]\nat = \"19:00\"\n[calendar]\nics = \"zone-b.ics\"\n").unwrap();
        fs::rename(&new, &user).unwrap();
        until(&mut received, |profile, problems| profile.shutdown.at.to_string() == "19:00:00" && problems.len() == 1)
            .await;

        // The calendar that it names.
        let holiday = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261119\r\nDTEND;VALUE=DATE:20261121\r\n\
                       SUMMARY:Pont d’essai - Zone B\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        fs::write(folder.join("zone-b.ics"), holiday).unwrap();
        let toussaint = "2026-11-19".parse().unwrap();
        until(&mut received, |profile, problems| {
            problems.is_empty() && profile.calendar.holidays.iter().any(|holiday| holiday.from == toussaint)
        })
        .await;

        fs::write(&user, "[shutdown]\nat = 7\n").unwrap();
        until(&mut received, |profile, problems| *profile == vigie_profile::guide() && problems.len() == 1).await;

        // Wine does not remove a folder that is watched; Windows does.
        if cfg!(windows) {
            fs::remove_file(&user).unwrap();
        } else {
            fs::remove_dir_all(&folder).unwrap();
        }
        until(&mut received, |profile, problems| *profile == vigie_profile::guide() && problems.is_empty()).await;
        fs::create_dir_all(&folder).unwrap();
        fs::write(&user, "[shutdown]\nat = \"18:00\"\n").unwrap();
        until(&mut received, |profile, _| profile.shutdown.at.to_string() == "18:00:00").await;

        // Asked for, whatever the watch has seen.
        while timeout(QUIET_TIME * 3, received.recv()).await.is_ok_and(|event| event.is_some()) {}
        assert!(!watching.is_finished(), "{:?}", watching.await);
        reload.notify_one();
        until(&mut received, |profile, _| profile.shutdown.at.to_string() == "18:00:00").await;
        // Wine does not remove a folder that is watched.
        watching.abort();
        assert!(watching.await.unwrap_err().is_cancelled());
    }
}
