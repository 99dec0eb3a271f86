//! One timerfd on the wall clock, cancelled by the kernel when that is set (timerfd_create(2),
//! `TFD_TIMER_CANCEL_ON_SET`), and inotify on `/etc/localtime` (localtime(5)).

use crate::Events;
use crate::sensors::inotify::{Files, readable};
use jiff::Timestamp;
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use vigie_core::message::Event;

/// A moment that never comes (in the year 2242): the timer must be armed to learn that the clock was set.
const NEVER: i64 = 1 << 33;

pub(super) fn uptime() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

pub(super) async fn watch(alarm: watch::Receiver<Option<Timestamp>>, events: Events) {
    if let Err(error) = run(alarm, events).await {
        tracing::error!("the alarm clock stopped: {error}");
    }
}

async fn run(mut alarm: watch::Receiver<Option<Timestamp>>, events: Events) -> io::Result<()> {
    let fd = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let timer = readable(fd)?;
    let mut zone = Files::new(&["/etc/localtime"])
        .inspect_err(|error| tracing::warn!("a change of the time zone will be noticed late: {error}"))
        .ok();
    let mut due = *alarm.borrow_and_update();
    loop {
        if arm(timer.get_ref(), due)? {
            let _ = events.send(Event::ClockChanged);
        }
        tokio::select! {
            changed = alarm.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                due = *alarm.borrow_and_update();
            }
            rang = rings(&timer) => match rang? {
                Ring::Due => {
                    due = None;
                    let _ = events.send(Event::Tick);
                }
                Ring::ClockSet => {
                    let _ = events.send(Event::ClockChanged);
                }
            },
            changed = zone_changed(zone.as_mut()) => {
                changed?;
                super::forget_zone();
                let _ = events.send(Event::ClockChanged);
            }
        }
    }
}

enum Ring {
    Due,
    ClockSet,
}

/// Arms the timer. Says whether the clock was set since it was last looked at (the timer is armed all the same).
fn arm(timer: &OwnedFd, due: Option<Timestamp>) -> io::Result<bool> {
    let moment = due.map_or(Timespec { tv_sec: NEVER, tv_nsec: 0 }, |at| {
        // A zero moment would disarm the timer; the first second of 1970 is past in any case.
        Timespec { tv_sec: at.as_second().max(1), tv_nsec: at.subsec_nanosecond().max(0).into() }
    });
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: moment };
    match timerfd_settime(timer, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &once) {
        Ok(_) => Ok(false),
        Err(Errno::CANCELED) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

async fn rings(timer: &AsyncFd<OwnedFd>) -> io::Result<Ring> {
    loop {
        let mut ready = timer.readable().await?;
        let mut count = [0; 8];
        match rustix::io::read(timer.get_ref(), &mut count) {
            Ok(_) => return Ok(Ring::Due),
            Err(Errno::CANCELED) => return Ok(Ring::ClockSet),
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn zone_changed(zone: Option<&mut Files>) -> io::Result<()> {
    match zone {
        Some(zone) => zone.changed().await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensors::clock;
    use crate::sensors::test_support::{in_namespace, run};
    use jiff::{SignedDuration, ToSpan};
    use rustix::thread::UnshareFlags;
    use tokio::sync::mpsc::unbounded_channel;
    use tokio::time::timeout;

    const DEADLINE: Duration = Duration::from_secs(5);
    const QUIET: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn the_alarm_rings_once_at_the_moment_that_was_asked_for_last() {
        let (asks, alarm) = watch::channel(None);
        let (events, mut heard) = unbounded_channel();
        let clock = tokio::spawn(clock::watch(alarm, events));
        assert!(timeout(QUIET, heard.recv()).await.is_err(), "no alarm, no tick");

        let first = Timestamp::now() + SignedDuration::from_millis(100);
        let second = Timestamp::now() + SignedDuration::from_millis(300);
        asks.send(Some(first)).unwrap();
        asks.send(Some(second)).unwrap();
        assert_eq!(timeout(DEADLINE, heard.recv()).await.unwrap(), Some(Event::Tick));
        let late = Timestamp::now().duration_since(second);
        assert!(late >= SignedDuration::ZERO, "rang {late:#} early");
        assert!(late < SignedDuration::from_millis(200), "rang {late:#} late");
        assert!(timeout(QUIET, heard.recv()).await.is_err(), "it rings once");

        asks.send(Some(Timestamp::now() - 1.hour())).unwrap();
        assert_eq!(timeout(DEADLINE, heard.recv()).await.unwrap(), Some(Event::Tick), "a past moment is due at once");

        asks.send(Some(Timestamp::now() + SignedDuration::from_millis(100))).unwrap();
        asks.send(None).unwrap();
        assert!(timeout(QUIET, heard.recv()).await.is_err(), "a moment that was taken back does not ring");

        drop(asks);
        timeout(DEADLINE, clock).await.expect("ends with its sender").unwrap();
    }

    /// In a mount namespace with an `/etc` of its own.
    #[test]
    fn another_time_zone_is_told_and_seen() {
        in_namespace(UnshareFlags::NEWNS, async {
            run("mount --make-rprivate /");
            run("mount -t tmpfs none /etc");
            run("ln -s /usr/share/zoneinfo/Europe/Paris /etc/localtime");
            super::super::forget_zone();
            let (_asks, alarm) = watch::channel(None);
            let (events, mut heard) = unbounded_channel();
            tokio::spawn(clock::watch(alarm, events));
            tokio::task::yield_now().await;
            assert_eq!(clock::now().wall.time_zone().iana_name(), Some("Europe/Paris"));

            run("ln -s /usr/share/zoneinfo/America/Martinique /etc/localtime.new");
            run("mv -T /etc/localtime.new /etc/localtime");
            assert_eq!(timeout(DEADLINE, heard.recv()).await.unwrap(), Some(Event::ClockChanged));
            assert_eq!(clock::now().wall.time_zone().iana_name(), Some("America/Martinique"));
            super::super::forget_zone();
        });
    }

    #[test]
    fn uptime_is_the_kernels() {
        let told = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds: f64 = told.split_whitespace().next().unwrap().parse().unwrap();
        assert!((uptime().as_secs_f64() - seconds).abs() < 1.0);
    }
}
