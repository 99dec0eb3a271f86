//! Registers callbacks with Windows, which needs neither a window nor a thread
//! (<https://learn.microsoft.com/windows/win32/api/powerbase/nf-powerbase-powerregistersuspendresumenotification>).

use crate::Events;
use std::ffi::c_void;
use vigie_core::message::{Battery, Event, Reading};
use windows::Win32::Foundation::{ERROR_SUCCESS, HANDLE, WIN32_ERROR};
use windows::Win32::System::Power::{
    DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS, GetSystemPowerStatus, HPOWERNOTIFY, PowerRegisterSuspendResumeNotification,
    PowerSettingRegisterNotification, PowerSettingUnregisterNotification, PowerUnregisterSuspendResumeNotification,
    SYSTEM_POWER_STATUS,
};
use windows::Win32::System::SystemServices::{GUID_ACDC_POWER_SOURCE, GUID_BATTERY_PERCENTAGE_REMAINING};
use windows::Win32::UI::WindowsAndMessaging::{
    DEVICE_NOTIFY_CALLBACK, PBT_APMRESUMEAUTOMATIC, PBT_APMSUSPEND, PBT_POWERSETTINGCHANGE,
};

pub(super) fn battery() -> Reading<Option<Battery>> {
    let mut status = SYSTEM_POWER_STATUS::default();
    // SAFETY: the pointer is valid for the call.
    match unsafe { GetSystemPowerStatus(&raw mut status) } {
        Ok(()) => parse(&status),
        Err(error) => Reading::Unavailable(format!("GetSystemPowerStatus: {error}")),
    }
}

/// <https://learn.microsoft.com/windows/win32/api/winbase/ns-winbase-system_power_status>
fn parse(status: &SYSTEM_POWER_STATUS) -> Reading<Option<Battery>> {
    const NO_BATTERY: u8 = 128;
    const UNKNOWN: u8 = 255;
    match (status.BatteryFlag, status.BatteryLifePercent) {
        (UNKNOWN, _) => Reading::Unavailable("Windows does not know the battery's state".into()),
        (flag, _) if flag & NO_BATTERY != 0 => Reading::Known(None),
        (_, percent) if percent > 100 => Reading::Unavailable("Windows does not know the battery's charge".into()),
        (_, percent) => Reading::Known(Some(Battery { percent, plugged: status.ACLineStatus == 1 })),
    }
}

pub(super) async fn watch(events: Events) {
    let registered = register(&events);
    events.closed().await;
    registered.unregister();
}

/// The registrations to undo at the end.
#[derive(Default)]
struct PowerRegistrations {
    sleep: Option<HPOWERNOTIFY>,
    settings: Vec<HPOWERNOTIFY>,
}

impl PowerRegistrations {
    fn unregister(self) {
        if let Some(handle) = self.sleep {
            // SAFETY: the handle came from PowerRegisterSuspendResumeNotification and is released once.
            check("sleep", unsafe { PowerUnregisterSuspendResumeNotification(handle) });
        }
        for handle in self.settings {
            // SAFETY: the handle came from PowerSettingRegisterNotification and is released once.
            check("battery", unsafe { PowerSettingUnregisterNotification(handle) });
        }
    }
}

fn register(events: &Events) -> PowerRegistrations {
    // Never freed: Windows does not document whether a callback may still run after unregistering. A few bytes, once.
    let context = Box::into_raw(Box::new(events.clone())).cast::<c_void>();
    let mut parameters = DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS { Callback: Some(on_change), Context: context };
    let recipient = HANDLE((&raw mut parameters).cast());
    let mut registered = PowerRegistrations::default();
    let mut handle = std::ptr::null_mut();
    // SAFETY: `parameters` is read only during the call; its context is never freed.
    let sleep = unsafe { PowerRegisterSuspendResumeNotification(DEVICE_NOTIFY_CALLBACK, recipient, &raw mut handle) };
    if check("sleep", sleep) {
        registered.sleep = Some(HPOWERNOTIFY(handle as isize));
    }
    for setting in [GUID_ACDC_POWER_SOURCE, GUID_BATTERY_PERCENTAGE_REMAINING] {
        let mut handle = std::ptr::null_mut();
        // SAFETY: as above.
        let battery = unsafe {
            PowerSettingRegisterNotification(&raw const setting, DEVICE_NOTIFY_CALLBACK, recipient, &raw mut handle)
        };
        if check("battery", battery) {
            registered.settings.push(HPOWERNOTIFY(handle as isize));
        }
    }
    registered
}

fn check(purpose: &str, result: WIN32_ERROR) -> bool {
    if result != ERROR_SUCCESS {
        tracing::warn!("changes of {purpose} are not reported by Windows: {}", result.to_hresult().message());
    }
    result == ERROR_SUCCESS
}

/// Windows calls this on a thread of its own.
unsafe extern "system" fn on_change(context: *const c_void, kind: u32, _setting: *const c_void) -> u32 {
    // SAFETY: the context is the `Events` of `register`, which is never freed.
    let events = unsafe { &*context.cast::<Events>() };
    let event = match kind {
        PBT_APMSUSPEND => Event::Sleeping,
        // Sent at each wake-up; PBT_APMRESUMESUSPEND follows only if a user is present.
        PBT_APMRESUMEAUTOMATIC => Event::Woke,
        PBT_POWERSETTINGCHANGE => Event::Power(battery()),
        _ => return ERROR_SUCCESS.0,
    };
    // A closed channel: the watch is about to end.
    let _ = events.send(event);
    ERROR_SUCCESS.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(flag: u8, percent: u8, line: u8) -> SYSTEM_POWER_STATUS {
        SYSTEM_POWER_STATUS { BatteryFlag: flag, BatteryLifePercent: percent, ACLineStatus: line, ..Default::default() }
    }

    #[test]
    fn power_status_is_parsed() {
        assert_eq!(parse(&status(1, 80, 0)), Reading::Known(Some(Battery { percent: 80, plugged: false })));
        assert_eq!(parse(&status(8 | 1, 80, 1)), Reading::Known(Some(Battery { percent: 80, plugged: true })));
        assert_eq!(parse(&status(128, 255, 1)), Reading::Known(None));
        assert!(matches!(parse(&status(255, 80, 1)), Reading::Unavailable(_)));
        assert!(matches!(parse(&status(0, 255, 1)), Reading::Unavailable(_)));
    }

    #[test]
    fn callback_sends_an_event() {
        let (events, mut seen) = tokio::sync::mpsc::unbounded_channel::<Event>();
        for kind in [PBT_APMSUSPEND, PBT_APMRESUMEAUTOMATIC, 7] {
            // SAFETY: the context is an `Events` that outlives the call.
            unsafe { on_change((&raw const events).cast(), kind, std::ptr::null()) };
        }
        assert_eq!(seen.try_recv(), Ok(Event::Sleeping));
        assert_eq!(seen.try_recv(), Ok(Event::Woke));
        assert!(seen.try_recv().is_err());
    }
}
