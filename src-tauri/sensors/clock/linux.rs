//! A timerfd on the wall clock, which the kernel cancels when the clock is set (timerfd_create(2),
//! `TFD_TIMER_CANCEL_ON_SET`), and inotify on `/etc/localtime` (localtime(5)).

use crate::Events;
use crate::sensors::inotify::{FileWatch, register};
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
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use vigie_core::message::Event;

/// In the year 2242, in seconds: without an alarm the timer must be armed too, to report that the clock was set.
const NO_ALARM_SECONDS: i64 = 1 << 33;

pub(super) fn uptime() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

pub(super) async fn watch(alarm: watch::Receiver<Option<Timestamp>>, events: Events) {
    if let Err(error) = run(alarm, events).await {
        tracing::error!("the alarm timer failed: {error}");
    }
}

async fn run(mut alarm: watch::Receiver<Option<Timestamp>>, events: Events) -> io::Result<()> {
    let fd = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let timer = register(fd, Interest::READABLE)?;
    let mut zone = FileWatch::new(&["/etc/localtime"])
        .inspect_err(|error| tracing::warn!("changes of the time zone are not noticed at once: {error}"))
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
            expired = wait_for_expiry(&timer) => match expired? {
                Expiry::Due => {
                    due = None;
                    let _ = events.send(Event::Tick);
                }
                Expiry::ClockSet => {
                    let _ = events.send(Event::ClockChanged);
                }
            },
            changed = wait_for_zone_change(zone.as_mut()) => {
                changed?;
                super::reset_zone_cache();
                let _ = events.send(Event::ClockChanged);
            }
        }
    }
}

/// Why the timer woke the task.
enum Expiry {
    /// The requested time has come.
    Due,
    /// The wall clock was set.
    ClockSet,
}

/// Arms the timer, and returns whether the clock was set since the last call (the timer is armed in either case).
fn arm(timer: &OwnedFd, due: Option<Timestamp>) -> io::Result<bool> {
    let moment = due.map_or(Timespec { tv_sec: NO_ALARM_SECONDS, tv_nsec: 0 }, |at| {
        // Zero would disarm the timer; the first second of 1970 is past in any case.
        Timespec { tv_sec: at.as_second().max(1), tv_nsec: at.subsec_nanosecond().max(0).into() }
    });
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: moment };
    match timerfd_settime(timer, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &once) {
        Ok(_) => Ok(false),
        Err(Errno::CANCELED) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Waits until the timer expires or the clock is set.
async fn wait_for_expiry(timer: &AsyncFd<OwnedFd>) -> io::Result<Expiry> {
    loop {
        let mut ready = timer.readable().await?;
        let mut count = [0; 8];
        match rustix::io::read(timer.get_ref(), &mut count) {
            Ok(_) => return Ok(Expiry::Due),
            Err(Errno::CANCELED) => return Ok(Expiry::ClockSet),
            Err(Errno::AGAIN) => ready.clear_ready(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until the file of the time zone changes; for ever if it cannot be watched.
async fn wait_for_zone_change(zone: Option<&mut FileWatch>) -> io::Result<()> {
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

    const DEADLINE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn alarm_fires_once_at_the_latest_requested_time() {
        let (requests, alarm) = watch::channel(None);
        let (events, mut received) = unbounded_channel();
        let clock = tokio::spawn(clock::watch(alarm, events));

        requests.send(Some(Timestamp::now() + SignedDuration::from_millis(100))).unwrap();
        let second = Timestamp::now() + SignedDuration::from_millis(300);
        requests.send(Some(second)).unwrap();
        assert_eq!(timeout(DEADLINE, received.recv()).await.unwrap(), Some(Event::Tick));
        assert!(Timestamp::now() >= second, "fired early");

        // Each of these would be followed by a tick too many if an alarm fired twice, or after it was withdrawn.
        requests.send(Some(Timestamp::now() - 1.hour())).unwrap();
        assert_eq!(timeout(DEADLINE, received.recv()).await.unwrap(), Some(Event::Tick), "a past time is due at once");
        requests.send(Some(Timestamp::now() + SignedDuration::from_millis(100))).unwrap();
        requests.send(None).unwrap();
        let sentinel = Timestamp::now() + SignedDuration::from_millis(300);
        requests.send(Some(sentinel)).unwrap();
        assert_eq!(timeout(DEADLINE, received.recv()).await.unwrap(), Some(Event::Tick));
        assert!(Timestamp::now() >= sentinel, "a withdrawn alarm fired");

        drop(requests);
        timeout(DEADLINE, clock).await.expect("ends with its sender").unwrap();
        assert_eq!(received.recv().await, None, "one tick for each alarm");
    }

    /// In a mount namespace with an `/etc` of its own.
    #[test]
    fn changed_time_zone_is_reported_and_used() {
        in_namespace(UnshareFlags::NEWNS, async {
            run("mount --make-rprivate /");
            run("mount -t tmpfs none /etc");
            run("ln -s /usr/share/zoneinfo/Europe/Paris /etc/localtime");
            super::super::reset_zone_cache();
            let (_requests, alarm) = watch::channel(None);
            let (events, mut received) = unbounded_channel();
            tokio::spawn(clock::watch(alarm, events));
            tokio::task::yield_now().await;
            assert_eq!(clock::now().wall.time_zone().iana_name(), Some("Europe/Paris"));

            run("ln -s /usr/share/zoneinfo/America/Martinique /etc/localtime.new");
            run("mv -T /etc/localtime.new /etc/localtime");
            assert_eq!(timeout(DEADLINE, received.recv()).await.unwrap(), Some(Event::ClockChanged));
            assert_eq!(clock::now().wall.time_zone().iana_name(), Some("America/Martinique"));
            super::super::reset_zone_cache();
        });
    }

    #[test]
    fn uptime_is_that_of_the_kernel() {
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds: f64 = text.split_whitespace().next().unwrap().parse().unwrap();
        assert!((uptime().as_secs_f64() - seconds).abs() < 1.0);
    }
}
