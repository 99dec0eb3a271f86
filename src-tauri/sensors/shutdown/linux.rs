//! Reads systemd's scheduled shutdown.
//!
//! logind's property `ScheduledShutdown` sends no signal when it changes. But logind keeps the same facts in a file
//! that it replaces or removes, which inotify reports.

use crate::Events;
use crate::sensors::inotify::FileWatch;
use jiff::Timestamp;
use std::fs;
use std::io;
use std::path::Path;
use vigie_core::message::{Event, Reading};

/// systemd's runtime directory, which exists only if systemd runs.
const SYSTEMD: &str = "/run/systemd";
/// Created when a shutdown is scheduled for the first time.
const DIRECTORY: &str = "shutdown";
const FILE: &str = "scheduled";

pub(super) fn read() -> Reading<Option<Timestamp>> {
    match Path::new(SYSTEMD).is_dir() {
        true => read_in(Path::new(SYSTEMD)),
        false => Reading::Unavailable("systemd does not run here".into()),
    }
}

pub(super) async fn watch(events: Events) {
    if let Err(error) = watch_in(Path::new(SYSTEMD), &events).await {
        tracing::warn!("scheduled shutdowns are not watched: {SYSTEMD}: {error}");
    }
}

fn read_in(root: &Path) -> Reading<Option<Timestamp>> {
    let file = root.join(DIRECTORY).join(FILE);
    match fs::read_to_string(&file) {
        Ok(text) => Reading::Known(scheduled(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Reading::Known(None),
        Err(error) => Reading::Unavailable(format!("{}: {error}", file.display())),
    }
}

async fn watch_in(root: &Path, events: &Events) -> io::Result<()> {
    let directory = root.join(DIRECTORY);
    let files = [directory.join(FILE), directory];
    let mut sent = None;
    loop {
        // Created anew after each change: a directory that has just appeared is not watched yet.
        let mut watched = FileWatch::new(&files)?;
        let at = match read_in(root) {
            Reading::Known(at) => at,
            Reading::Pending => None,
            Reading::Unavailable(why) => {
                tracing::warn!("scheduled shutdown: {why}");
                None
            }
        };
        if sent != Some(at) {
            sent = Some(at);
            if events.send(Event::MachineShutdown(at)).is_err() {
                return Ok(());
            }
        }
        tokio::select! {
            () = events.closed() => return Ok(()),
            changed = watched.changed() => changed?,
        }
    }
}

/// Parses the file as logind writes it (`update_schedule_file` in systemd's logind-dbus.c): `USEC` is the time in
/// microseconds since 1970, `MODE` the action. A dry run (`dry-…`, or `DRY_RUN` in old versions) only warns.
fn scheduled(text: &str) -> Option<Timestamp> {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let goes_down = matches!(value("MODE")?, "poweroff" | "halt" | "reboot" | "kexec" | "soft-reboot");
    let only_warns = value("DRY_RUN").is_some_and(|value| value == "1");
    let at = Timestamp::from_microsecond(value("USEC")?.parse().ok()?).ok()?;
    (goes_down && !only_warns).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    const AT: &str = "USEC=1795552200000000\nWARN_WALL=1\nMODE=poweroff\nWALL_MESSAGE=Bonne\\nsoir\\303\\251e\n";

    fn at(microseconds: i64) -> Option<Timestamp> {
        Some(Timestamp::from_microsecond(microseconds).expect("a valid time"))
    }

    #[test]
    fn logind_file_is_parsed() {
        assert_eq!(scheduled(AT), at(1_795_552_200_000_000));
        assert_eq!(scheduled("USEC=1000000\nWARN_WALL=0\nMODE=reboot\n"), at(1_000_000));
        assert_eq!(scheduled("MODE=halt\nUSEC=1000000"), at(1_000_000));
    }

    #[test]
    fn dry_runs_and_suspends_are_ignored() {
        assert_eq!(scheduled("USEC=1000000\nWARN_WALL=1\nMODE=dry-poweroff\n"), None);
        assert_eq!(scheduled("USEC=1000000\nWARN_WALL=1\nMODE=poweroff\nDRY_RUN=1\n"), None);
        assert_eq!(scheduled("USEC=1000000\nMODE=suspend\n"), None);
    }

    #[test]
    fn fuzz_scheduled() {
        crate::fuzz::fuzz(&[AT.as_bytes(), b"USEC=1\nMODE=dry-poweroff\nDRY_RUN=1\n"], |text| {
            scheduled(&String::from_utf8_lossy(text));
        });
    }

    #[test]
    fn malformed_files_give_no_time() {
        for text in ["", "USEC=\nMODE=poweroff", "USEC=-\nMODE=poweroff", "MODE=poweroff", "USEC=1000000"] {
            assert_eq!(scheduled(text), None, "{text:?}");
        }
        assert_eq!(scheduled("USEC=18446744073709551615\nMODE=poweroff\n"), None);
    }

    async fn next(events: &mut UnboundedReceiver<Event>) -> Option<Timestamp> {
        let event = tokio::time::timeout(Duration::from_secs(30), events.recv()).await.expect("an event in time");
        match event {
            Some(Event::MachineShutdown(at)) => at,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn changes_are_sent_as_logind_makes_them() {
        let root = tempfile::tempdir().expect("a directory");
        let below = root.path().join(DIRECTORY);
        let (sender, mut events) = unbounded_channel();
        let path = root.path().to_owned();
        let watch = tokio::spawn(async move { watch_in(&path, &sender).await });
        assert_eq!(next(&mut events).await, None);
        // logind creates the directory, writes a temporary file and renames it.
        fs::create_dir(&below).expect("the directory");
        fs::write(below.join(".#scheduled1"), AT).expect("a temporary file");
        fs::rename(below.join(".#scheduled1"), below.join(FILE)).expect("renamed");
        assert_eq!(next(&mut events).await, at(1_795_552_200_000_000));
        fs::write(below.join(".#scheduled2"), "USEC=1000000\nMODE=reboot\n").expect("a temporary file");
        fs::rename(below.join(".#scheduled2"), below.join(FILE)).expect("renamed");
        assert_eq!(next(&mut events).await, at(1_000_000));
        // `shutdown -c`
        fs::remove_file(below.join(FILE)).expect("removed");
        assert_eq!(next(&mut events).await, None);
        fs::remove_dir(&below).expect("removed");
        fs::create_dir(&below).expect("created again");
        fs::write(below.join(FILE), AT).expect("scheduled again");
        assert_eq!(next(&mut events).await, at(1_795_552_200_000_000));
        drop(events);
        watch.await.expect("no panic").expect("it ends by itself");
    }

    #[tokio::test]
    async fn watch_ends_without_systemd() {
        let (sender, mut events) = unbounded_channel();
        assert!(watch_in(Path::new("/nowhere"), &sender).await.is_err());
        drop(sender);
        assert_eq!(events.recv().await, None);
    }
}
