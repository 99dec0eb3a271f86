//! Reads from the Task Scheduler when a task runs `shutdown.exe`. The policies of a fleet are mostly such tasks.
//!
//! A pending `shutdown /t` cannot be read on Windows: no interface reports it (the event log only notes that one was
//! requested, without its time). A shutdown that a server starts cannot be known either.

use super::command::shutdown_delay;
use crate::Events;
use crate::sensors::registry::{self, KeyWatch};
use crate::win32::Com;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use std::time::Duration;
use vigie_core::message::{Event, Reading};
use windows::Win32::System::Com::{CLSCTX_INPROC_SERVER, COINIT_MULTITHREADED, CoCreateInstance};
use windows::Win32::System::Registry::{HKEY_LOCAL_MACHINE, REG_NOTIFY_CHANGE_LAST_SET, REG_NOTIFY_CHANGE_NAME};
use windows::Win32::System::TaskScheduler::{
    IExecAction, IRegisteredTask, ITaskFolder, ITaskService, TASK_ENUM_HIDDEN, TaskScheduler,
};
use windows::Win32::System::Variant::VARIANT;
use windows::core::{BSTR, HSTRING, Interface, PCWSTR, Result};
use winreg::RegKey;

/// Where the scheduler keeps the list of its tasks, below `HKEY_LOCAL_MACHINE`.
const TASKS: &str = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache\Tree";

/// Tasks of Windows itself, hundreds of them. Those that a user may not read are no sign of a policy.
const OF_WINDOWS: &str = r"\Microsoft\";

/// How long changes are collected before the tasks are read again.
const BURST: Duration = Duration::from_secs(1);

pub(super) fn read() -> Reading<Option<Timestamp>> {
    let _com = Com::new(COINIT_MULTITHREADED);
    match ScheduledTasks::read() {
        Ok(tasks) => tasks.reading(&registered()),
        Err(error) => Reading::Unavailable(format!("the Task Scheduler: {error}")),
    }
}

pub(super) async fn watch(events: Events) {
    // The thread sleeps until a task is registered, changed or deleted, and ends with the program.
    let spawned = std::thread::Builder::new().name("shutdown".into()).spawn(move || follow(&events));
    if let Err(error) = spawned {
        tracing::warn!("no thread for scheduled shutdowns: {error}");
    }
}

fn follow(events: &Events) {
    let tree = HSTRING::from(TASKS);
    let changes = REG_NOTIFY_CHANGE_NAME | REG_NOTIFY_CHANGE_LAST_SET;
    let changes = KeyWatch::below(HKEY_LOCAL_MACHINE, PCWSTR(tree.as_ptr()), changes)
        .inspect_err(|error| tracing::warn!("changes of scheduled shutdowns will not be noticed: {error}"))
        .ok();
    let mut sent = None;
    loop {
        // Before the tasks are read, so that a change meanwhile is noticed afterwards.
        let armed = changes.as_ref().is_some_and(KeyWatch::arm);
        let at = match read() {
            Reading::Known(at) => at,
            Reading::Unavailable(why) => {
                tracing::info!("{why}: the profile's time applies");
                None
            }
            Reading::Pending => None,
        };
        if sent != Some(at) {
            sent = Some(at);
            if events.send(Event::MachineShutdown(at)).is_err() {
                return;
            }
        }
        if !armed || events.is_closed() {
            return;
        }
        registry::wait(changes.as_slice());
        std::thread::sleep(BURST);
    }
}

/// What this user can read of the Task Scheduler.
#[derive(Debug, Default)]
struct ScheduledTasks {
    /// When the next task shuts the computer down.
    next: Option<Timestamp>,
    /// The paths of the tasks that were read, in lower case.
    readable: HashSet<String>,
}

impl ScheduledTasks {
    /// Reads all tasks. COM must be initialised.
    fn read() -> Result<ScheduledTasks> {
        let none = VARIANT::default();
        // SAFETY: COM is initialised; what the calls take lives until they have returned.
        let root = unsafe {
            let service: ITaskService = CoCreateInstance(&TaskScheduler, None, CLSCTX_INPROC_SERVER)?;
            service.Connect(&none, &none, &none, &none)?;
            service.GetFolder(&BSTR::from(r"\"))?
        };
        let mut tasks = ScheduledTasks::default();
        tasks.visit(&root)?;
        Ok(tasks)
    }

    fn visit(&mut self, folder: &ITaskFolder) -> Result<()> {
        // SAFETY: COM is initialised; collections count from 1.
        unsafe {
            let tasks = folder.GetTasks(TASK_ENUM_HIDDEN.0)?;
            for place in 1..=tasks.Count()? {
                let task = tasks.get_Item(&VARIANT::from(place))?;
                if let Ok(shutdown) = shutdown_of(&task) {
                    self.next = self.next.into_iter().chain(shutdown).min();
                    self.readable.insert(task.Path()?.to_string().to_lowercase());
                }
            }
            let folders = folder.GetFolders(0)?;
            for place in 1..=folders.Count()? {
                // A folder that cannot be entered does not hide the others.
                let _ = self.visit(&folders.get_Item(&VARIANT::from(place))?);
            }
        }
        Ok(())
    }

    /// Returns the next shutdown. Without one, tasks that this user may not read leave the time unknown: an ordinary user
    /// usually does not see the tasks of an administrator.
    fn reading(&self, registered: &[String]) -> Reading<Option<Timestamp>> {
        let unreadable = registered.iter().filter(|task| {
            let task = task.to_lowercase();
            !task.starts_with(&OF_WINDOWS.to_lowercase()) && !self.readable.contains(&task)
        });
        match (self.next, unreadable.count()) {
            (None, hidden @ 1..) => {
                Reading::Unavailable(format!("the Task Scheduler: {hidden} task(s) that this user cannot read"))
            }
            (next, _) => Reading::Known(next),
        }
    }
}

/// Returns the paths of all registered tasks, those included that the scheduler does not show to this user.
fn registered() -> Vec<String> {
    let mut tasks = Vec::new();
    if let Ok(tree) = RegKey::predef(winreg::enums::HKEY_LOCAL_MACHINE).open_subkey(TASKS) {
        collect(&tree, "", &mut tasks);
    }
    tasks
}

/// A task's key has the value `Id`, a folder's has not.
fn collect(key: &RegKey, path: &str, tasks: &mut Vec<String>) {
    if key.get_raw_value("Id").is_ok() {
        tasks.push(path.to_owned());
    }
    for name in key.enum_keys().flatten() {
        if let Ok(below) = key.open_subkey(&name) {
            collect(&below, &format!(r"{path}\{name}"), tasks);
        }
    }
}

/// Returns when the task shuts the computer down the next time.
fn shutdown_of(task: &IRegisteredTask) -> Result<Option<Timestamp>> {
    // SAFETY: COM is initialised; collections count from 1.
    unsafe {
        let runs = task.NextRunTime()?;
        if runs == 0.0 || !task.Enabled()?.as_bool() {
            return Ok(None);
        }
        let actions = task.Definition()?.Actions()?;
        let mut count = 0;
        actions.Count(&mut count)?;
        for place in 1..=count {
            let Ok(action) = actions.get_Item(place)?.cast::<IExecAction>() else { continue };
            let (mut path, mut arguments) = (BSTR::new(), BSTR::new());
            action.Path(&mut path)?;
            action.Arguments(&mut arguments)?;
            if let Some(delay) = shutdown_delay(&path.to_string(), &arguments.to_string()) {
                return Ok(at(runs, &TimeZone::system()).and_then(|at| at.checked_add(delay).ok()));
            }
        }
    }
    Ok(None)
}

/// Converts an OLE date: days since 30 December 1899, in local time.
fn at(date: f64, zone: &TimeZone) -> Option<Timestamp> {
    let seconds = (date * 86_400.0).round();
    if !(0.0..1e12).contains(&seconds) {
        return None;
    }
    let civil = DateTime::constant(1899, 12, 30, 0, 0, 0, 0).checked_add(SignedDuration::from_secs(seconds as i64));
    zone.to_timestamp(civil.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_tasks_leave_the_time_unknown() {
        let at = Timestamp::UNIX_EPOCH;
        let tasks = |next, readable: &[&str]| ScheduledTasks {
            next,
            readable: readable.iter().map(|task| (*task).to_owned()).collect(),
        };
        let registered = [r"\Extinction", r"\Microsoft\Windows\Defrag"].map(str::to_owned);
        assert_eq!(tasks(None, &[r"\extinction"]).reading(&registered), Reading::Known(None));
        assert_eq!(tasks(Some(at), &[]).reading(&registered), Reading::Known(Some(at)));
        let Reading::Unavailable(why) = tasks(None, &[]).reading(&registered) else { panic!("it may be one") };
        assert!(why.contains("1 task(s) that this user cannot read"), "{why}");
        assert_eq!(tasks(None, &[]).reading(&registered[1..]), Reading::Known(None));
    }

    #[test]
    fn registered_tasks_are_listed_with_their_folders() {
        crate::wine::only();
        let path = format!(r"Software\Vigie-test-{}", std::process::id());
        let (tree, _) = RegKey::predef(winreg::enums::HKEY_CURRENT_USER).create_subkey(&path).unwrap();
        for task in ["Extinction", r"Académie\Soir"] {
            tree.create_subkey(task).unwrap().0.set_value("Id", &"{1}").unwrap();
        }
        let mut tasks = Vec::new();
        collect(&tree, "", &mut tasks);
        tasks.sort();
        assert_eq!(tasks, [r"\Académie\Soir", r"\Extinction"]);
        RegKey::predef(winreg::enums::HKEY_CURRENT_USER).delete_subkey_all(&path).unwrap();
    }

    #[test]
    fn ole_dates_are_local_time() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        assert_eq!(at(2.0, &TimeZone::UTC), Some("1900-01-01T00:00:00Z".parse().unwrap()));
        let evening = 46_350.0 + 21.5 / 24.0;
        assert_eq!(at(evening, &paris), Some("2026-11-24T20:30:00Z".parse().unwrap()));
        for nonsense in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert_eq!(at(nonsense, &paris), None);
        }
    }
}
