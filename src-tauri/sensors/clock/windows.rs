//! A thread-pool timer for a moment of the wall clock (`SetThreadpoolTimer` with an absolute time: it follows when the
//! clock is set, and is due at once after a sleep over it), and a hidden window that hears `WM_TIMECHANGE` and
//! `WM_SETTINGCHANGE`.

use crate::Events;
use crate::core::state::Event;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::cell::RefCell;
use std::ffi::c_void;
use std::io;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::watch;
use windows::Win32::Foundation::{FILETIME, HWND, LPARAM, LRESULT, WPARAM};
use windows::Win32::System::SystemInformation::GetTickCount64;
use windows::Win32::System::Threading::{
    CloseThreadpoolTimer, CreateThreadpoolTimer, GetCurrentThreadId, PTP_CALLBACK_INSTANCE, PTP_TIMER,
    SetThreadpoolTimer, WaitForThreadpoolTimerCallbacks,
};
use windows::Win32::UI::WindowsAndMessaging::{
    CreateWindowExW, DefWindowProcW, DestroyWindow, DispatchMessageW, GWLP_USERDATA, GWLP_WNDPROC, GetMessageW,
    GetWindowLongPtrW, MSG, PostThreadMessageW, SetWindowLongPtrW, WINDOW_EX_STYLE, WINDOW_STYLE, WM_QUIT,
    WM_SETTINGCHANGE, WM_TIMECHANGE,
};
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
    let _listener = Listener::new(events)
        .inspect_err(|error| tracing::warn!("that the clock was set will be noticed late: {error}"))
        .ok();
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

/// A window that is never shown, on a thread that sleeps until a message comes. (Broadcasts reach top-level windows
/// alone, so it cannot be a message-only one.)
struct Listener {
    thread: u32,
}

/// What the window's procedure works with.
struct Heard {
    events: Events,
    zone: RefCell<TimeZone>,
}

impl Listener {
    fn new(events: Events) -> io::Result<Listener> {
        let (started, start) = mpsc::channel();
        std::thread::Builder::new().name("clock".to_owned()).spawn(move || {
            let heard = Heard { events, zone: RefCell::new(TimeZone::system()) };
            match open(&heard) {
                Ok(window) => {
                    // SAFETY: the call has no conditions.
                    let _ = started.send(Ok(unsafe { GetCurrentThreadId() }));
                    listen(window);
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            }
        })?;
        let thread = start.recv().map_err(io::Error::other)??;
        Ok(Listener { thread })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // SAFETY: plain numbers. Where the thread is gone already, the call fails, and there is nothing to end.
        let _ = unsafe { PostThreadMessageW(self.thread, WM_QUIT, WPARAM(0), LPARAM(0)) };
    }
}

fn open(heard: &Heard) -> windows::core::Result<HWND> {
    let (style, extended) = (WINDOW_STYLE::default(), WINDOW_EX_STYLE::default());
    // SAFETY: a window of a class that the system has; the pointers are none.
    let window = unsafe {
        CreateWindowExW(extended, w!("STATIC"), w!("Vigie clock"), style, 0, 0, 0, 0, None, None, None, None)
    }?;
    // SAFETY: the window is ours and of this thread. `heard` outlives it (see `listen`), and `hear` is a window
    // procedure; the pointers fit, since both calls take what is as wide as one.
    unsafe {
        SetWindowLongPtrW(window, GWLP_USERDATA, std::ptr::from_ref(heard) as isize);
        SetWindowLongPtrW(window, GWLP_WNDPROC, hear as *const () as isize);
    }
    Ok(window)
}

/// Dispatches messages until it is told to quit, then closes the window.
fn listen(window: HWND) {
    let mut message = MSG::default();
    // SAFETY: the message is ours; the window is of this thread and closed once.
    unsafe {
        while GetMessageW(&mut message, None, 0, 0).0 > 0 {
            DispatchMessageW(&message);
        }
        let _ = DestroyWindow(window);
    }
}

unsafe extern "system" fn hear(window: HWND, message: u32, w: WPARAM, l: LPARAM) -> LRESULT {
    // SAFETY: the value is the `Heard` that `open` put there, and stands as long as the window.
    let heard = unsafe { (GetWindowLongPtrW(window, GWLP_USERDATA) as *const Heard).as_ref() };
    if let Some(heard) = heard
        && (message == WM_TIMECHANGE || message == WM_SETTINGCHANGE)
    {
        super::forget_zone();
        let zone = TimeZone::system();
        let moved = heard.zone.replace(zone.clone()) != zone;
        if moved || message == WM_TIMECHANGE {
            let _ = heard.events.send(Event::ClockChanged);
        }
    }
    // SAFETY: what the system called us with is handed on.
    unsafe { DefWindowProcW(window, message, w, l) }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use jiff::{SignedDuration, ToSpan};
    use tokio::sync::mpsc::unbounded_channel;
    use tokio::time::timeout;
    use windows::Win32::UI::WindowsAndMessaging::{FindWindowW, SendMessageW};

    const SOON: Duration = Duration::from_secs(5);
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
        assert_eq!(timeout(SOON, heard.recv()).await.unwrap(), Some(Event::Tick));
        let late = Timestamp::now().duration_since(second);
        assert!(late.abs() < SignedDuration::from_millis(200), "rang {late:#} late");
        assert!(timeout(QUIET, heard.recv()).await.is_err(), "it rings once");

        asks.send(Some(Timestamp::now() - 1.hour())).unwrap();
        assert_eq!(timeout(SOON, heard.recv()).await.unwrap(), Some(Event::Tick), "a past moment is due at once");

        // SAFETY: a message without pointers, to the window that the sensor opened.
        unsafe {
            let window = FindWindowW(None, w!("Vigie clock")).unwrap();
            SendMessageW(window, WM_SETTINGCHANGE, None, None);
            SendMessageW(window, WM_TIMECHANGE, None, None);
        }
        assert_eq!(timeout(SOON, heard.recv()).await.unwrap(), Some(Event::ClockChanged));
        assert!(timeout(QUIET, heard.recv()).await.is_err(), "a setting that is not the zone is nobody's business");

        drop(asks);
        timeout(SOON, clock).await.expect("ends with its sender").unwrap();
    }

    #[test]
    fn file_times_count_from_1601() {
        let epoch = file_time(Timestamp::UNIX_EPOCH);
        assert_eq!((epoch.dwHighDateTime, epoch.dwLowDateTime), (0x019d_b1de, 0xd53e_8000));
        assert_eq!(file_time(Timestamp::MIN).dwHighDateTime, 0);
    }
}
