//! Notifications on Windows: toasts.
//!
//! A toast that has left the screen stays in the Action Centre, where its buttons still work. Windows delivers such a
//! click to the program's "toast activator", a COM class ([`Activator`]) that is registered with the program's identity
//! ([`identity`]); an event handler of the toast itself is called only while it is on the screen
//! (<https://learn.microsoft.com/windows/apps/design/shell/tiles-and-notifications/toast-desktop-apps>). Why
//! `notify-rust` cannot do this: docs/decisions/0002-notifications-linux.md.
//!
//! One thread does everything in order: the calls wait for Windows' notification service.

mod identity;

pub use identity::keys as identity_keys;

use super::BackendCommand;
use crate::Events;
use crate::win32::{Com, UNIX_EPOCH_TICKS};
use identity::{APP_ID, CLASS};
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;
use tokio::time::timeout;
use vigie_core::message::{Action, Category, Event};
use vigie_view::notice::Notice;
use windows::Data::Xml::Dom::XmlDocument;
use windows::Foundation::{DateTime, IReference, PropertyValue, TypedEventHandler};
use windows::UI::Notifications::{
    NotificationSetting, ToastDismissalReason, ToastDismissedEventArgs, ToastNotification, ToastNotificationManager,
};
use windows::Win32::Foundation::{CLASS_E_NOAGGREGATION, E_POINTER};
use windows::Win32::System::Com::{
    CLSCTX_LOCAL_SERVER, COINIT_MULTITHREADED, CoRegisterClassObject, IClassFactory, IClassFactory_Impl,
    REGCLS_MULTIPLEUSE,
};
use windows::Win32::UI::Notifications::{
    INotificationActivationCallback, INotificationActivationCallback_Impl, NOTIFICATION_USER_INPUT_DATA,
};
use windows::core::{BOOL, GUID, HSTRING, IUnknown, Interface, PCWSTR, Ref, implement};

/// The group of all of Vigie's toasts. The category is the tag in it: Windows replaces a toast by the next of its tag.
const GROUP: &str = "vigie";

/// How long a transient notice may stay in the Action Centre after it was shown.
const SHORT_DISPLAY: Duration = Duration::from_secs(10);

/// How long the program's end waits for Windows to remove notifications.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Shows notices, on a thread of its own.
#[derive(Debug)]
pub struct Backend {
    commands: Sender<BackendCommand>,
    /// Closed with the thread.
    ended: oneshot::Receiver<()>,
}

impl Backend {
    pub fn new(events: Events) -> Backend {
        Backend::with(move |inbox| run(events, inbox))
    }

    fn with(run: impl FnOnce(&Receiver<BackendCommand>) + Send + 'static) -> Backend {
        let (commands, inbox) = channel();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("notifications".into()).spawn(move || {
            let _end: oneshot::Sender<()> = end;
            run(&inbox);
        });
        if let Err(error) = thread {
            tracing::error!(%error, "no thread for notifications");
        }
        Backend { commands, ended }
    }

    pub fn show(&self, notice: Notice) {
        self.send(BackendCommand::Show(notice));
    }

    pub fn withdraw(&self, category: Category) {
        self.send(BackendCommand::Withdraw(category));
    }

    fn send(&self, command: BackendCommand) {
        // The thread ends with this value, or did not start, which was logged.
        let _ = self.commands.send(command);
    }

    /// Removes what is shown, from the screen and the Action Centre. Does not wait for a service that does not answer.
    pub async fn close(self) {
        drop(self.commands);
        if timeout(CLOSE_TIMEOUT, self.ended).await.is_err() {
            tracing::debug!("notifications stay open: Windows does not answer");
        }
    }
}

/// The number of the toast that is shown in each category, and what its buttons request. Shared with the activator.
type ActiveToasts = Arc<Mutex<BTreeMap<Category, (u64, Vec<Action>)>>>;

fn lock(active: &ActiveToasts) -> MutexGuard<'_, BTreeMap<Category, (u64, Vec<Action>)>> {
    // An entry is replaced whole.
    active.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(events: Events, inbox: &Receiver<BackendCommand>) {
    let active = ActiveToasts::default();
    let _com = Com::new(COINIT_MULTITHREADED);
    if let Err(error) = identity::register().and_then(|()| listen(&active, &events)) {
        tracing::warn!(%error, "the buttons of notifications will not work");
    }
    // The numbers of an earlier run are not used again: clicks on its toasts have no effect.
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut number = u64::try_from(started.as_millis()).unwrap_or_default();
    while let Ok(command) = inbox.recv() {
        match command {
            BackendCommand::Show(notice) => {
                number += 1;
                let actions = notice.actions.iter().map(|(_, action)| action.clone()).collect();
                lock(&active).insert(notice.category, (number, actions));
                if let Err(error) = show(&notice, number, &events) {
                    lock(&active).remove(&notice.category);
                    tracing::warn!(%error, "cannot be shown: {}", notice.title);
                    // The next one is attempted all the same: the service may be back by then.
                    let _ = events.send(Event::NotificationFailed(notice.category));
                }
            }
            BackendCommand::Withdraw(category) => {
                if lock(&active).remove(&category).is_some() {
                    log_failure(withdraw(category));
                }
            }
        }
    }
    for category in std::mem::take(&mut *lock(&active)).into_keys() {
        log_failure(withdraw(category));
    }
}

fn log_failure(result: windows::core::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a notification was not removed");
    }
}

fn show(notice: &Notice, number: u64, events: &Events) -> windows::core::Result<()> {
    let id = HSTRING::from(APP_ID);
    let xml = XmlDocument::new()?;
    xml.LoadXml(&HSTRING::from(toast(notice, number)))?;
    let toast = ToastNotification::CreateToastNotification(&xml)?;
    toast.SetTag(&tag(notice.category))?;
    toast.SetGroup(&HSTRING::from(GROUP))?;
    let (category, events) = (notice.category, events.clone());
    toast.Dismissed(&TypedEventHandler::new(move |_, arguments: Ref<'_, ToastDismissedEventArgs>| {
        // One that moved to the Action Centre, or that Vigie has withdrawn, was not closed by the user.
        if arguments.ok()?.Reason()? == ToastDismissalReason::UserCanceled {
            let _ = events.send(Event::NotificationDismissed(category));
        }
        Ok(())
    }))?;
    if notice.transient {
        let until = SystemTime::now() + SHORT_DISPLAY;
        let until: IReference<DateTime> = PropertyValue::CreateDateTime(date_time(until))?.cast()?;
        toast.SetExpirationTime(&until)?;
    }
    let notifier = ToastNotificationManager::CreateToastNotifierWithId(&id)?;
    // An identity that is new to Windows has no setting yet; then the attempt shows whether it works.
    if let Ok(setting) = notifier.Setting()
        && setting != NotificationSetting::Enabled
    {
        let why = format!("the user or the administrator has switched them off ({})", setting.0);
        return Err(windows::core::Error::new(windows::Win32::Foundation::E_ACCESSDENIED, why));
    }
    notifier.Show(&toast)
}

/// Removes a toast from the screen and the Action Centre.
fn withdraw(category: Category) -> windows::core::Result<()> {
    let (tag, group, id) = (tag(category), HSTRING::from(GROUP), HSTRING::from(APP_ID));
    ToastNotificationManager::History()?.RemoveGroupedTagWithId(&tag, &group, &id)
}

/// Returns the tag under which Windows keeps the category's toast.
fn tag(category: Category) -> HSTRING {
    HSTRING::from(format!("{category:?}"))
}

/// 100 ns since 1601.
fn date_time(at: SystemTime) -> DateTime {
    let unix = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() / 100;
    DateTime { UniversalTime: i64::try_from(unix).unwrap_or_default() + UNIX_EPOCH_TICKS }
}

/// Returns the toast's XML (<https://learn.microsoft.com/uwp/schemas/tiles/toastschema/schema-root>). An urgent one stays
/// on the screen until it is answered, which Windows allows only with a button.
fn toast(notice: &Notice, number: u64) -> String {
    let stays = match (notice.urgent, notice.actions.is_empty()) {
        (true, false) => " scenario=\"reminder\"",
        (true, true) => " duration=\"long\"",
        (false, _) => "",
    };
    let buttons: String = notice.actions.iter().enumerate().fold(String::new(), |buttons, (index, (label, action))| {
        let how = if opens_nothing(action) { " activationType=\"background\"" } else { "" };
        buttons + &format!("<action content=\"{}\" arguments=\"{number}/{index}\"{how}/>", escape(label))
    });
    format!(
        "<toast launch=\"{number}\"{stays}><visual><binding template=\"ToastGeneric\"><text>{}</text><text>{}</text>\
         </binding></visual><actions>{buttons}</actions></toast>",
        escape(&notice.title),
        escape(&notice.body)
    )
}

/// Whether the action shows no window. Windows calls Vigie in the background then, and lets the program in front keep the
/// keyboard. (Without such a button the scenario "reminder" is ignored:
/// <https://learn.microsoft.com/uwp/schemas/tiles/toastschema/element-toast>.)
fn opens_nothing(action: &Action) -> bool {
    matches!(action, Action::RemindLater | Action::NotTonight | Action::Cancel)
}

/// Escapes a text or an attribute of XML 1.0, which excludes most control characters.
fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    text.chars().filter(|c| !c.is_control() || *c == '\n').collect()
}

/// Registers the activator: from now on Windows delivers the clicks.
fn listen(active: &ActiveToasts, events: &Events) -> windows::core::Result<()> {
    let factory: IClassFactory = Factory { active: active.clone(), events: events.clone() }.into();
    // SAFETY: the factory lives as long as it is registered, which is to the end of the process.
    unsafe { CoRegisterClassObject(&CLASS, &factory, CLSCTX_LOCAL_SERVER, REGCLS_MULTIPLEUSE) }.map(drop)
}

/// Makes [`Activator`]s.
#[implement(IClassFactory)]
struct Factory {
    active: ActiveToasts,
    events: Events,
}

impl IClassFactory_Impl for Factory_Impl {
    fn CreateInstance(
        &self,
        outer: Ref<'_, IUnknown>,
        interface: *const GUID,
        object: *mut *mut c_void,
    ) -> windows::core::Result<()> {
        if object.is_null() || interface.is_null() {
            return Err(E_POINTER.into());
        }
        if outer.is_some() {
            return Err(CLASS_E_NOAGGREGATION.into());
        }
        let activator: INotificationActivationCallback =
            Activator { active: self.active.clone(), events: self.events.clone() }.into();
        // SAFETY: both pointers are COM's, and not null.
        unsafe { activator.query(interface, object) }.ok()
    }

    fn LockServer(&self, _: BOOL) -> windows::core::Result<()> {
        Ok(())
    }
}

/// Receives the clicks on a toast, on the screen or in the Action Centre. COM calls it on a thread of its own.
#[implement(INotificationActivationCallback)]
struct Activator {
    active: ActiveToasts,
    events: Events,
}

impl INotificationActivationCallback_Impl for Activator_Impl {
    fn Activate(
        &self,
        _: &PCWSTR,
        arguments: &PCWSTR,
        _: *const NOTIFICATION_USER_INPUT_DATA,
        _: u32,
    ) -> windows::core::Result<()> {
        if arguments.is_null() {
            return Ok(());
        }
        // SAFETY: COM passes a string that ends in 0 and is valid during the call.
        let arguments = unsafe { arguments.to_string() }.unwrap_or_default();
        if let Some(action) = clicked(&mut lock(&self.active), &arguments) {
            let _ = self.events.send(Event::Action(action));
        }
        Ok(())
    }
}

/// Returns what a click requests. `NUMBER/INDEX` is a button, `NUMBER` the toast itself, which shows the panel. A button
/// works once, and only while its toast is the last one of its category.
fn clicked(active: &mut BTreeMap<Category, (u64, Vec<Action>)>, arguments: &str) -> Option<Action> {
    let (number, index) = arguments.split_once('/').map_or((arguments, None), |(number, index)| (number, Some(index)));
    let number: u64 = number.parse().ok()?;
    let category = *active.iter().find(|(_, (last, _))| *last == number)?.0;
    let Some(index) = index else { return Some(Action::ShowPanel) };
    let index: usize = index.parse().ok()?;
    let action = active.get(&category)?.1.get(index).cloned()?;
    active.remove(&category);
    Some(action)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc::unbounded_channel;
    use windows::Win32::System::Com::{CLSCTX_INPROC_SERVER, CoGetClassObject};

    fn notice(urgent: bool, actions: &[(&str, Action)]) -> Notice {
        let actions = actions.iter().map(|(label, action)| ((*label).to_owned(), action.clone())).collect();
        let (title, body) = ("Arrêt & <fin>".into(), "À 21 h 30.\u{1}".into());
        Notice { category: Category::Shutdown, title, body, actions, urgent, transient: false }
    }

    #[test]
    fn toast_holds_the_text_and_numbered_buttons() {
        let buttons = [("Plus \"tard\"", Action::RemindLater), ("Éteindre", Action::ShutDown)];
        let expected = "<toast launch=\"7\" scenario=\"reminder\"><visual><binding template=\"ToastGeneric\">\
                        <text>Arrêt &amp; &lt;fin&gt;</text><text>À 21 h 30.</text></binding></visual><actions>\
                        <action content=\"Plus &quot;tard&quot;\" arguments=\"7/0\" activationType=\"background\"/>\
                        <action content=\"Éteindre\" arguments=\"7/1\"/></actions></toast>";
        assert_eq!(toast(&notice(true, &buttons), 7), expected);
        for notice in [notice(true, &buttons), notice(true, &[]), notice(false, &buttons), notice(false, &[])] {
            let text = toast(&notice, 1);
            assert!(roxmltree::Document::parse(&text).is_ok(), "{text}");
        }
        assert!(toast(&notice(true, &[]), 1).contains("duration=\"long\""), "without a button no reminder is allowed");
    }

    #[test]
    fn button_works_once_and_only_on_the_last_toast() {
        let new = || BTreeMap::from([(Category::Shutdown, (8, vec![Action::ShutDown, Action::RemindLater]))]);
        let mut active = new();
        for nobodys in ["7/0", "8/2", "8/", "8/x", "", "/", "x", "8/0/0"] {
            assert_eq!(clicked(&mut active, nobodys), None, "{nobodys}");
        }
        assert_eq!(clicked(&mut active, "8"), Some(Action::ShowPanel));
        assert_eq!(clicked(&mut active, "8/1"), Some(Action::RemindLater), "the panel was not its answer");
        assert_eq!(clicked(&mut active, "8/1"), None);
        assert_eq!(clicked(&mut new(), "8/0"), Some(Action::ShutDown));
    }

    /// As Windows does it, except for the call from its process to this one.
    #[test]
    fn com_finds_the_activator_and_a_click_becomes_an_event() {
        let _com = Com::new(COINIT_MULTITHREADED);
        let active = ActiveToasts::default();
        lock(&active).insert(Category::Vpn, (3, vec![Action::Connect]));
        let (events, mut received) = unbounded_channel();
        listen(&active, &events).unwrap();
        // SAFETY: the class is registered; the strings outlive the calls.
        unsafe {
            let anywhere = CLSCTX_INPROC_SERVER | CLSCTX_LOCAL_SERVER;
            let factory: IClassFactory = CoGetClassObject(&CLASS, anywhere, None).unwrap();
            let activator: INotificationActivationCallback = factory.CreateInstance(None).unwrap();
            let (id, arguments) = (HSTRING::from(APP_ID), HSTRING::from("3/0"));
            activator.Activate(&id, &arguments, &[]).unwrap();
        }
        assert_eq!(received.try_recv().unwrap(), Event::Action(Action::Connect));
        assert!(lock(&active).is_empty());
    }

    /// As when Vigie quits while COM is still starting its services, which takes some seconds.
    #[tokio::test]
    async fn close_does_not_wait_for_a_service_that_hangs() {
        let (answer, never) = channel::<()>();
        let backend = Backend::with(move |_| {
            let _ = never.recv();
        });
        timeout(2 * CLOSE_TIMEOUT, backend.close()).await.unwrap();
        drop(answer);
    }

    #[tokio::test]
    async fn close_waits_for_pending_commands() {
        let (done, finished) = channel();
        let backend = Backend::with(move |inbox| {
            while inbox.recv().is_ok() {}
            done.send(()).unwrap();
        });
        backend.withdraw(Category::Vpn);
        backend.close().await;
        finished.try_recv().unwrap();
    }

    #[test]
    fn times_count_from_1601() {
        assert_eq!(date_time(UNIX_EPOCH + Duration::from_secs(1)).UniversalTime, 116_444_736_010_000_000);
    }
}
