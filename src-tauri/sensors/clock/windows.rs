//! A thread-pool timer for a moment of the wall clock (`SetThreadpoolTimer` with an absolute time: it follows when the
//! clock is set, and is due at once after a sleep over it), and a window that hears `WM_TIMECHANGE` and
//! `WM_SETTINGCHANGE`.

use crate::Events;
use crate::sensors::window::Listener;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::cell::RefCell;
use std::ffi::c_void;
use std::io;
use std::time::Duration;
use tokio::sync::watch;
use vigie_core::message::Event;
use windows::Win32::Foundation::FILETIME;
use windows::Win32::System::SystemInformation::GetTickCount64;
use windows::Win32::System::Threading::{
    CloseThreadpoolTimer, CreateThreadpoolTimer, PTP_CALLBACK_INSTANCE, PTP_TIMER, SetThreadpoolTimer,
    WaitForThreadpoolTimerCallbacks,
};
use windows::Win32::UI::WindowsAndMessaging::{WM_SETTINGCHANGE, WM_TIMECHANGE};
use windows::core::w;

/// The Unix epoch in the units of a FILETIME: 100 ns since 1601.
const EPOCH: i128 = 116_444_736_000_000_000;

pub(super) fn uptime() -> Duration {
    // SAFETY: the call has no conditions. (It counts sleep too.)
    Duration::from_millis(unsafe { GetTickCount64() })
}

pub(super) async fn watch(mut alarm: watch::Receiver<Option<Timestamp>>, events: Events) {
    let timer = match Timer::new(events.clone()) {
        Ok(timer) => timer,
        Err(error) => return tracing::error!("there is no alarm clock: {error}"),
    };
    let _listener =
        listen(events).inspect_err(|error| tracing::warn!("that the clock was set will be noticed late: {error}")).ok();
    loop {
        let due = *alarm.borrow_and_update();
        timer.set(due);
        if alarm.changed().await.is_err() {
            return;
        }
    }
}

/// Sends a tick at a moment of the wall clock.
struct Timer {
    timer: PTP_TIMER,
    /// What the callback is given; it stands as long as the timer.
    _events: Box<Events>,
}

impl Timer {
    fn new(events: Events) -> io::Result<Timer> {
        let mut events = Box::new(events);
        let context: *mut Events = &mut *events;
        // SAFETY: the context stands until the timer is closed, in `drop`.
        let timer = unsafe { CreateThreadpoolTimer(Some(rings), Some(context.cast()), None) }?;
        Ok(Timer { timer, _events: events })
    }

    fn set(&self, at: Option<Timestamp>) {
        let due = at.map(file_time);
        // SAFETY: the timer is open, and the time is read during the call.
        unsafe { SetThreadpoolTimer(self.timer, due.as_ref().map(std::ptr::from_ref), 0, None) };
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.set(None);
        // SAFETY: the timer is open; after these calls no callback runs, nor will.
        unsafe {
            WaitForThreadpoolTimerCallbacks(self.timer, true);
            CloseThreadpoolTimer(self.timer);
        }
    }
}

/// An absolute time is positive; one before 1601 is as past as any.
fn file_time(at: Timestamp) -> FILETIME {
    let ticks = u64::try_from(at.as_nanosecond().div_euclid(100) + EPOCH).unwrap_or_default().max(1);
    let [high, low] = [ticks >> 32, ticks & u64::from(u32::MAX)].map(|half| u32::try_from(half).unwrap_or_default());
    FILETIME { dwLowDateTime: low, dwHighDateTime: high }
}

unsafe extern "system" fn rings(_: PTP_CALLBACK_INSTANCE, context: *mut c_void, _: PTP_TIMER) {
    // SAFETY: the context is the timer's `Events`, which stands until the timer is closed.
    if let Some(events) = unsafe { context.cast_const().cast::<Events>().as_ref() } {
        let _ = events.send(Event::Tick);
    }
}

/// Tells that the clock or the zone was set.
fn listen(events: Events) -> io::Result<Listener> {
    let zone = RefCell::new(TimeZone::system());
    Listener::new(w!("Vigie clock"), move |message, _| {
        if message == WM_TIMECHANGE || message == WM_SETTINGCHANGE {
            super::forget_zone();
            let now = TimeZone::system();
            let moved = zone.replace(now.clone()) != now;
            if moved || message == WM_TIMECHANGE {
                let _ = events.send(Event::ClockChanged);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::{SignedDuration, ToSpan};
    use tokio::sync::mpsc::unbounded_channel;
    use tokio::time::timeout;
    use windows::Win32::UI::WindowsAndMessaging::{FindWindowW, SendMessageW};

    const DEADLINE: Duration = Duration::from_secs(5);
    const QUIET: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn the_alarm_rings_once_at_the_moment_that_was_asked_for_last() {
        let (asks, alarm) = watch::channel(None);
        let (events, mut heard) = unbounded_channel();
        let clock = tokio::spawn(super::watch(alarm, events));
        assert!(timeout(QUIET, heard.recv()).await.is_err(), "no alarm, no tick");

        let second = Timestamp::now() + SignedDuration::from_millis(300);
        asks.send(Some(Timestamp::now() + SignedDuration::from_millis(100))).unwrap();
        asks.send(Some(second)).unwrap();
        assert_eq!(timeout(DEADLINE, heard.recv()).await.unwrap(), Some(Event::Tick));
        let late = Timestamp::now().duration_since(second);
        // Not at the first moment, 200 ms before; a busy machine may be late.
        let fits = SignedDuration::from_millis(-100)..SignedDuration::from_secs(2);
        assert!(fits.contains(&late), "rang {late:#} late");
        assert!(timeout(QUIET, heard.recv()).await.is_err(), "it rings once");

        asks.send(Some(Timestamp::now() - 1.hour())).unwrap();
        assert_eq!(timeout(DEADLINE, heard.recv()).await.unwrap(), Some(Event::Tick), "a past moment is due at once");

        // SAFETY: a message without pointers, to the window that the sensor opened.
        unsafe {
            let window = FindWindowW(None, w!("Vigie clock")).unwrap();
            SendMessageW(window, WM_SETTINGCHANGE, None, None);
            SendMessageW(window, WM_TIMECHANGE, None, None);
        }
        assert_eq!(timeout(DEADLINE, heard.recv()).await.unwrap(), Some(Event::ClockChanged));
        assert!(timeout(QUIET, heard.recv()).await.is_err(), "a setting that is not the zone is nobody's business");

        drop(asks);
        timeout(DEADLINE, clock).await.expect("ends with its sender").unwrap();
    }

    #[test]
    fn file_times_count_from_1601() {
        let epoch = file_time(Timestamp::UNIX_EPOCH);
        assert_eq!((epoch.dwHighDateTime, epoch.dwLowDateTime), (0x019d_b1de, 0xd53e_8000));
        assert_eq!(file_time(Timestamp::MIN).dwHighDateTime, 0);
    }
}
