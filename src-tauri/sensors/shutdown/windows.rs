//! The Task Scheduler: a task that runs `shutdown.exe` says when. The policies of a fleet are mostly such tasks.
//!
//! A pending `shutdown /t` itself cannot be read on Windows: no interface tells it (the event log notes that one was
//! asked for, without its time). Neither can a task that this user may not read, nor a shutdown from a server.

use crate::Events;
use crate::sensors::registry::{self, Changes};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use vigie_core::message::{Event, Reading};
use windows::Win32::System::Com::{
    CLSCTX_INPROC_SERVER, COINIT_MULTITHREADED, CoCreateInstance, CoInitializeEx, CoUninitialize,
};
use windows::Win32::System::Registry::{HKEY_LOCAL_MACHINE, REG_NOTIFY_CHANGE_LAST_SET, REG_NOTIFY_CHANGE_NAME};
use windows::Win32::System::TaskScheduler::{
    IExecAction, IRegisteredTask, ITaskFolder, ITaskService, TASK_ENUM_HIDDEN, TaskScheduler,
};
use windows::Win32::System::Variant::VARIANT;
use windows::core::{BSTR, Interface, PCWSTR, Result, w};

/// Windows' own tasks, some hundreds; none of them is a policy of the academy's.
const OF_WINDOWS: &str = r"\Microsoft";

/// Where the scheduler keeps the list of its tasks, below `HKEY_LOCAL_MACHINE`.
const TASKS: PCWSTR = w!(r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache\Tree");

/// How long a burst of changes is gathered.
const BURST: Duration = Duration::from_secs(1);

/// How long `shutdown.exe` waits unless it is told otherwise
/// (<https://learn.microsoft.com/windows-server/administration/windows-commands/shutdown>).
const DELAY: SignedDuration = SignedDuration::from_secs(30);

pub(super) fn read() -> Reading<Option<Timestamp>> {
    // SAFETY: a successful CoInitializeEx has its CoUninitialize, on the same thread.
    let next = unsafe {
        let com = CoInitializeEx(None, COINIT_MULTITHREADED);
        let next = next();
        if com.is_ok() {
            CoUninitialize();
        }
        next
    };
    match next {
        Ok(at) => Reading::Known(at),
        Err(error) => Reading::Unavailable(format!("the Task Scheduler: {error}")),
    }
}

pub(super) async fn watch(events: Events) {
    // It sleeps until a task is registered, changed or deleted, and ends with the program.
    let spawned = std::thread::Builder::new().name("shutdown".into()).spawn(move || follow(&events));
    if let Err(error) = spawned {
        tracing::warn!("no thread for scheduled shutdowns: {error}");
    }
}

fn follow(events: &Events) {
    let changes = Changes::below(HKEY_LOCAL_MACHINE, TASKS, REG_NOTIFY_CHANGE_NAME | REG_NOTIFY_CHANGE_LAST_SET)
        .inspect_err(|error| tracing::warn!("changes of scheduled shutdowns will not be noticed: {error}"))
        .ok();
    let mut told = None;
    loop {
        // First, so that a change while the tasks are read is heard afterwards.
        let listens = changes.as_ref().is_some_and(Changes::listen);
        match read() {
            Reading::Known(at) if told != Some(at) => {
                told = Some(at);
                if events.send(Event::MachineShutdown(at)).is_err() {
                    return;
                }
            }
            Reading::Unavailable(why) => tracing::info!("{why}: the profile's time holds"),
            Reading::Known(_) | Reading::Pending => {}
        }
        if !listens || events.is_closed() {
            return;
        }
        registry::wait(changes.as_slice());
        std::thread::sleep(BURST);
    }
}

/// When the next task shuts the computer down. COM must be there.
fn next() -> Result<Option<Timestamp>> {
    let none = VARIANT::default();
    // SAFETY: COM is there; what the calls take lives until they have returned.
    let root = unsafe {
        let service: ITaskService = CoCreateInstance(&TaskScheduler, None, CLSCTX_INPROC_SERVER)?;
        service.Connect(&none, &none, &none, &none)?;
        service.GetFolder(&BSTR::from(r"\"))?
    };
    let mut next = None;
    visit(&root, &mut |task| {
        // A task that cannot be read says nothing.
        if let Ok(Some(at)) = shutdown_of(task) {
            next = next.into_iter().chain([at]).min();
        }
    })?;
    Ok(next)
}

fn visit(folder: &ITaskFolder, seen: &mut dyn FnMut(&IRegisteredTask)) -> Result<()> {
    // SAFETY: COM is there; collections count from 1.
    unsafe {
        let tasks = folder.GetTasks(TASK_ENUM_HIDDEN.0)?;
        for place in 1..=tasks.Count()? {
            seen(&tasks.get_Item(&VARIANT::from(place))?);
        }
        let folders = folder.GetFolders(0)?;
        for place in 1..=folders.Count()? {
            let below = folders.get_Item(&VARIANT::from(place))?;
            if below.Path()? != OF_WINDOWS {
                // One that may not be entered hides nothing of the others.
                let _ = visit(&below, seen);
            }
        }
    }
    Ok(())
}

fn shutdown_of(task: &IRegisteredTask) -> Result<Option<Timestamp>> {
    // SAFETY: COM is there; collections count from 1.
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
            if let Some(delay) = shuts_down(&path.to_string(), &arguments.to_string()) {
                return Ok(at(runs, &TimeZone::system()).and_then(|at| at.checked_add(delay).ok()));
            }
        }
    }
    Ok(None)
}

/// Whether the command shuts down or restarts, and after how long. `shutdown.exe`, also through another program
/// (`cmd /c shutdown /s`), and PowerShell's commands.
fn shuts_down(path: &str, arguments: &str) -> Option<SignedDuration> {
    let line = format!("{} {arguments}", path.replace(' ', "\u{a0}")).to_lowercase();
    let words: Vec<&str> = line.split([' ', '\t', '"', '\'', ';', '&']).filter(|word| !word.is_empty()).collect();
    if words.iter().any(|word| ["stop-computer", "restart-computer"].contains(word)) {
        return Some(SignedDuration::ZERO);
    }
    let program = |word: &&str| {
        let name = word.rsplit(['\\', '/']).next().unwrap_or_default();
        name == "shutdown" || name == "shutdown.exe"
    };
    let own = &words[words.iter().position(program)? + 1..];
    let mut options = own.iter().filter_map(|word| word.strip_prefix(['/', '-']));
    let goes_down = |option: &str| ["s", "sg", "r", "g", "p"].contains(&option);
    if options.clone().any(|option| ["a", "l", "h"].contains(&option)) || !options.clone().any(goes_down) {
        return None;
    }
    if options.any(|option| option == "p") {
        return Some(SignedDuration::ZERO);
    }
    let seconds = own.iter().skip_while(|word| **word != "/t" && **word != "-t").nth(1);
    Some(seconds.and_then(|seconds| seconds.parse().ok()).map_or(DELAY, SignedDuration::from_secs))
}

/// An OLE date, days since 30 December 1899, by the clock on the wall.
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
    fn what_shuts_down_is_told_from_what_does_not() {
        let after = |path, arguments| shuts_down(path, arguments).map(|delay| delay.as_secs());
        assert_eq!(after(r"C:\Windows\System32\shutdown.exe", "/s /f /t 300"), Some(300));
        assert_eq!(after("SHUTDOWN", "-r"), Some(30));
        assert_eq!(after("shutdown.exe", "/p /t 60"), Some(0), "at once, whatever else is said");
        assert_eq!(after("cmd.exe", "/c \"shutdown /s /t 60\""), Some(60));
        assert_eq!(after(r#""C:\Program Files\Outils\shutdown.exe""#, "/s"), Some(30));
        assert_eq!(after("powershell.exe", "-NoProfile -Command \"Stop-Computer -Force\""), Some(0));
        assert_eq!(after("shutdown.exe", "/a"), None, "calls one off");
        assert_eq!(after("shutdown.exe", "/l"), None, "logs off");
        assert_eq!(after("shutdown.exe", "/h"), None, "hibernates: nothing is lost");
        assert_eq!(after("shutdown.exe", ""), None, "shows its help");
        assert_eq!(after("backup.exe", "/s"), None);
        assert_eq!(after("backup.exe", "--before-shutdown /s"), None);
    }

    #[test]
    fn dates_are_those_of_the_wall() {
        let paris = TimeZone::get("Europe/Paris").unwrap();
        assert_eq!(at(2.0, &TimeZone::UTC), Some("1900-01-01T00:00:00Z".parse().unwrap()));
        let evening = 46_350.0 + 21.5 / 24.0;
        assert_eq!(at(evening, &paris), Some("2026-11-24T20:30:00Z".parse().unwrap()));
        for nonsense in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert_eq!(at(nonsense, &paris), None);
        }
    }
}
