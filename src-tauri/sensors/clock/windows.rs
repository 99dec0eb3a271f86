//! A thread-pool timer on the wall clock (`SetThreadpoolTimer` with an absolute time: it follows when the clock is set,
//! and expires at once after sleep), and a hidden window that receives `WM_TIMECHANGE` and `WM_SETTINGCHANGE`.

use crate::Events;
use crate::sensors::window::MessageWindow;
use crate::win32::UNIX_EPOCH_TICKS;
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

pub(super) fn uptime() -> Duration {
    // SAFETY: the call has no conditions. (It counts sleep too.)
    Duration::from_millis(unsafe { GetTickCount64() })
}

pub(super) async fn watch(mut alarm: watch::Receiver<Option<Timestamp>>, events: Events) {
    let timer = match Timer::new(events.clone()) {
        Ok(timer) => timer,
        Err(error) => return tracing::error!("no alarm timer: {error}"),
    };
    let _window =
        watch_zone(events).inspect_err(|error| tracing::warn!("a set clock is not noticed at once: {error}")).ok();
    loop {
        let due = *alarm.borrow_and_update();
        timer.set(due);
        if alarm.changed().await.is_err() {
            return;
        }
    }
}

/// Sends a tick at a wall clock time.
struct Timer {
    timer: PTP_TIMER,
    /// The callback's context, which lives as long as the timer.
    _events: Box<Events>,
}

impl Timer {
    fn new(events: Events) -> io::Result<Timer> {
        let mut events = Box::new(events);
        let context: *mut Events = &mut *events;
        // SAFETY: the context lives until the timer is closed, in `drop`.
        let timer = unsafe { CreateThreadpoolTimer(Some(on_expiry), Some(context.cast()), None) }?;
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
        // SAFETY: the timer is open; after these calls no callback runs any more.
        unsafe {
            WaitForThreadpoolTimerCallbacks(self.timer, true);
            CloseThreadpoolTimer(self.timer);
        }
    }
}

/// Converts to an absolute timer value, which must be positive; times before 1601 are past in any case.
fn file_time(at: Timestamp) -> FILETIME {
    let ticks =
        u64::try_from(at.as_nanosecond().div_euclid(100) + i128::from(UNIX_EPOCH_TICKS)).unwrap_or_default().max(1);
    let [high, low] = [ticks >> 32, ticks & u64::from(u32::MAX)].map(|half| u32::try_from(half).unwrap_or_default());
    FILETIME { dwLowDateTime: low, dwHighDateTime: high }
}

unsafe extern "system" fn on_expiry(_: PTP_CALLBACK_INSTANCE, context: *mut c_void, _: PTP_TIMER) {
    // SAFETY: the context is the timer's `Events`, which lives until the timer is closed.
    if let Some(events) = unsafe { context.cast_const().cast::<Events>().as_ref() } {
        let _ = events.send(Event::Tick);
    }
}

/// Sends an event when the clock or the time zone is set.
fn watch_zone(events: Events) -> io::Result<MessageWindow> {
    let zone = RefCell::new(TimeZone::system());
    MessageWindow::new(w!("Vigie clock"), move |message, _| {
        if message == WM_TIMECHANGE || message == WM_SETTINGCHANGE {
            super::reset_zone_cache();
            let now = TimeZone::system();
            let changed = zone.replace(now.clone()) != now;
            if changed || message == WM_TIMECHANGE {
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

    const DEADLINE: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn alarm_fires_once_at_the_latest_requested_time() {
        let (requests, alarm) = watch::channel(None);
        let (events, mut received) = unbounded_channel();
        let clock = tokio::spawn(super::watch(alarm, events));

        let second = Timestamp::now() + SignedDuration::from_millis(300);
        requests.send(Some(Timestamp::now() + SignedDuration::from_millis(100))).unwrap();
        requests.send(Some(second)).unwrap();
        assert_eq!(timeout(DEADLINE, received.recv()).await.unwrap(), Some(Event::Tick));
        // Not at the first time, 200 ms before. (The timer's clock is coarser than the system's.)
        let late = Timestamp::now().duration_since(second);
        assert!(late >= SignedDuration::from_millis(-100), "fired early: {late:#}");

        requests.send(Some(Timestamp::now() - 1.hour())).unwrap();
        assert_eq!(timeout(DEADLINE, received.recv()).await.unwrap(), Some(Event::Tick), "a past time is due at once");

        // SAFETY: messages without pointers, to the window that the sensor opened. A setting that is not the time zone
        // causes no event.
        unsafe {
            let window = FindWindowW(None, w!("Vigie clock")).unwrap();
            SendMessageW(window, WM_SETTINGCHANGE, None, None);
            SendMessageW(window, WM_TIMECHANGE, None, None);
        }
        assert_eq!(timeout(DEADLINE, received.recv()).await.unwrap(), Some(Event::ClockChanged));

        drop(requests);
        timeout(DEADLINE, clock).await.expect("ends with its sender").unwrap();
        // The window's thread may keep the sender a little longer.
        let rest = timeout(DEADLINE, received.recv()).await.expect("the window closes");
        assert_eq!(rest, None, "one event for each cause");
    }

    #[test]
    fn file_time_counts_from_1601() {
        let epoch = file_time(Timestamp::UNIX_EPOCH);
        assert_eq!((epoch.dwHighDateTime, epoch.dwLowDateTime), (0x019d_b1de, 0xd53e_8000));
        assert_eq!(file_time(Timestamp::MIN).dwHighDateTime, 0);
    }
}
