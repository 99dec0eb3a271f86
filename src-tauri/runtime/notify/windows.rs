//! Notifications on Windows: toasts.
//!
//! A toast that has left the screen waits in the Action Centre, where its buttons still ask for something. Windows
//! brings that to the program's "toast activator", a COM class ([`Activator`]) that is registered with the program's
//! identity ([`identity`]); an event handler of the toast itself would be called only while it stands on the screen
//! (<https://learn.microsoft.com/windows/apps/design/shell/tiles-and-notifications/toast-desktop-apps>). `notify-rust`
//! has no activator, and no way to take a toast back.
//!
//! One thread does it all in order: the calls wait for Windows' notification service.

mod identity;

pub use identity::keys as identity_keys;

use crate::Events;
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
use windows::Foundation::{DateTime, IReference, PropertyValue};
use windows::UI::Notifications::{NotificationSetting, ToastNotification, ToastNotificationManager};
use windows::Win32::Foundation::{CLASS_E_NOAGGREGATION, E_POINTER};
use windows::Win32::System::Com::{
    CLSCTX_LOCAL_SERVER, COINIT_MULTITHREADED, CoInitializeEx, CoRegisterClassObject, IClassFactory,
    IClassFactory_Impl, REGCLS_MULTIPLEUSE,
};
use windows::Win32::UI::Notifications::{
    INotificationActivationCallback, INotificationActivationCallback_Impl, NOTIFICATION_USER_INPUT_DATA,
};
use windows::core::{BOOL, GUID, HSTRING, IUnknown, Interface, PCWSTR, Ref, implement};

/// All of Vigie's toasts are of one group; within it the category is the tag, by which Windows replaces one by the next.
const GROUP: &str = "vigie";

/// How long a transient notice may stay in the Action Centre after it was shown.
const SHORT_DISPLAY: Duration = Duration::from_secs(10);

/// How long the program's end waits for Windows to take notifications back.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Shows notices, on a thread of its own.
#[derive(Debug)]
pub struct Backend {
    orders: Sender<Order>,
    /// Closed with the thread.
    ended: oneshot::Receiver<()>,
}

#[derive(Debug)]
enum Order {
    Show(Notice),
    Withdraw(Category),
}

impl Backend {
    pub fn new(events: Events) -> Backend {
        Backend::with(move |inbox| run(events, inbox))
    }

    fn with(run: impl FnOnce(&Receiver<Order>) + Send + 'static) -> Backend {
        let (orders, inbox) = channel();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("notifications".into()).spawn(move || {
            let _end: oneshot::Sender<()> = end;
            run(&inbox);
        });
        if let Err(error) = thread {
            tracing::error!("no thread for notifications: {error}");
        }
        Backend { orders, ended }
    }

    pub fn show(&self, notice: Notice) {
        self.order(Order::Show(notice));
    }

    pub fn withdraw(&self, category: Category) {
        self.order(Order::Withdraw(category));
    }

    fn order(&self, order: Order) {
        // The thread ends with this value only, or was never there, which was said.
        let _ = self.orders.send(order);
    }

    /// Takes back what stands, on the screen and in the Action Centre. Where Windows does not answer it is not waited for.
    pub async fn close(self) {
        drop(self.orders);
        if timeout(CLOSE_TIMEOUT, self.ended).await.is_err() {
            tracing::debug!("notifications are left standing: Windows does not answer");
        }
    }
}

/// What stands: by category the number of its toast, and what its buttons ask for. Shared with the activator.
type Standing = Arc<Mutex<BTreeMap<Category, (u64, Vec<Action>)>>>;

fn lock(standing: &Standing) -> MutexGuard<'_, BTreeMap<Category, (u64, Vec<Action>)>> {
    // An entry is replaced whole.
    standing.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(events: Events, inbox: &Receiver<Order>) {
    let standing = Standing::default();
    // SAFETY: this thread ends with the program, and so does COM on it.
    let com = unsafe { CoInitializeEx(None, COINIT_MULTITHREADED) }.ok();
    if let Err(error) = com.and_then(|()| identity::register()).and_then(|()| listen(&standing, &events)) {
        tracing::warn!("the buttons of notifications will do nothing: {error}");
    }
    // Numbers of an earlier run never come again: its toasts answer nothing.
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut number = u64::try_from(started.as_millis()).unwrap_or_default();
    let mut told = true;
    while let Ok(order) = inbox.recv() {
        match order {
            Order::Show(notice) => {
                number += 1;
                let actions = notice.actions.iter().map(|(_, action)| action.clone()).collect();
                lock(&standing).insert(notice.category, (number, actions));
                let shown = show(&notice, number);
                if let Err(error) = &shown {
                    lock(&standing).remove(&notice.category);
                    tracing::warn!("cannot be shown: {} ({error})", notice.title);
                }
                if std::mem::replace(&mut told, shown.is_ok()) != shown.is_ok() {
                    let _ = events.send(Event::NotificationServer(shown.is_ok()));
                }
            }
            Order::Withdraw(category) => {
                if lock(&standing).remove(&category).is_some() {
                    said(withdraw(category));
                }
            }
        }
    }
    for category in std::mem::take(&mut *lock(&standing)).into_keys() {
        said(withdraw(category));
    }
}

fn said(done: windows::core::Result<()>) {
    if let Err(error) = done {
        tracing::debug!("a notification was not taken back: {error}");
    }
}

fn show(notice: &Notice, number: u64) -> windows::core::Result<()> {
    let id = HSTRING::from(APP_ID);
    let xml = XmlDocument::new()?;
    xml.LoadXml(&HSTRING::from(toast(notice, number)))?;
    let toast = ToastNotification::CreateToastNotification(&xml)?;
    toast.SetTag(&tag(notice.category))?;
    toast.SetGroup(&HSTRING::from(GROUP))?;
    if notice.transient {
        let until = SystemTime::now() + SHORT_DISPLAY;
        let until: IReference<DateTime> = PropertyValue::CreateDateTime(date_time(until))?.cast()?;
        toast.SetExpirationTime(&until)?;
    }
    let notifier = ToastNotificationManager::CreateToastNotifierWithId(&id)?;
    // An identity that Windows has not met yet has no setting; then the attempt tells.
    if let Ok(setting) = notifier.Setting()
        && setting != NotificationSetting::Enabled
    {
        let why = format!("the user or the administrator has switched them off ({})", setting.0);
        return Err(windows::core::Error::new(windows::Win32::Foundation::E_ACCESSDENIED, why));
    }
    notifier.Show(&toast)
}

fn withdraw(category: Category) -> windows::core::Result<()> {
    let (tag, group, id) = (tag(category), HSTRING::from(GROUP), HSTRING::from(APP_ID));
    ToastNotificationManager::History()?.RemoveGroupedTagWithId(&tag, &group, &id)
}

fn tag(category: Category) -> HSTRING {
    HSTRING::from(format!("{category:?}"))
}

/// 100 ns since 1601.
fn date_time(at: SystemTime) -> DateTime {
    let unix = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() / 100;
    DateTime { UniversalTime: i64::try_from(unix).unwrap_or_default() + 116_444_736_000_000_000 }
}

/// The toast (<https://learn.microsoft.com/uwp/schemas/tiles/toastschema/schema-root>). A reminder stays until it is
/// answered, which Windows grants only where there is a button.
fn toast(notice: &Notice, number: u64) -> String {
    let stays = match (notice.urgent, notice.actions.is_empty()) {
        (true, false) => " scenario=\"reminder\"",
        (true, true) => " duration=\"long\"",
        (false, _) => "",
    };
    let buttons: String = notice.actions.iter().enumerate().fold(String::new(), |buttons, (place, (label, _))| {
        buttons + &format!("<action content=\"{}\" arguments=\"{number}/{place}\"/>", escape(label))
    });
    format!(
        "<toast launch=\"{number}\"{stays}><visual><binding template=\"ToastGeneric\"><text>{}</text><text>{}</text>\
         </binding></visual><actions>{buttons}</actions></toast>",
        escape(&notice.title),
        escape(&notice.body)
    )
}

/// For a text or an attribute of XML 1.0, which has no place for most control characters.
fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    text.chars().filter(|c| !c.is_control() || *c == '\n').collect()
}

/// From now on Windows brings what is clicked in a toast.
fn listen(standing: &Standing, events: &Events) -> windows::core::Result<()> {
    let factory: IClassFactory = Factory { standing: standing.clone(), events: events.clone() }.into();
    // SAFETY: the factory lives as long as it is registered, which is to the end of the process.
    unsafe { CoRegisterClassObject(&CLASS, &factory, CLSCTX_LOCAL_SERVER, REGCLS_MULTIPLEUSE) }.map(drop)
}

/// Makes [`Activator`]s.
#[implement(IClassFactory)]
struct Factory {
    standing: Standing,
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
            Activator { standing: self.standing.clone(), events: self.events.clone() }.into();
        // SAFETY: both pointers are COM's, and not null.
        unsafe { activator.query(interface, object) }.ok()
    }

    fn LockServer(&self, _: BOOL) -> windows::core::Result<()> {
        Ok(())
    }
}

/// Hears what was clicked in a toast, on the screen or in the Action Centre. COM calls it on a thread of its own.
#[implement(INotificationActivationCallback)]
struct Activator {
    standing: Standing,
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
        // SAFETY: COM gives a string that ends in 0 and stands during the call.
        let arguments = unsafe { arguments.to_string() }.unwrap_or_default();
        if let Some(action) = clicked(&mut lock(&self.standing), &arguments) {
            let _ = self.events.send(Event::Action(action));
        }
        Ok(())
    }
}

/// What a click asks for: `NUMBER/PLACE` for a button, `NUMBER` for the toast itself, which shows the panel. A toast
/// answers once, and only while it is the last one of its category.
fn clicked(standing: &mut BTreeMap<Category, (u64, Vec<Action>)>, arguments: &str) -> Option<Action> {
    let (number, place) = arguments.split_once('/').map_or((arguments, None), |(number, place)| (number, Some(place)));
    let number: u64 = number.parse().ok()?;
    let category = *standing.iter().find(|(_, (last, _))| *last == number)?.0;
    let Some(place) = place else { return Some(Action::ShowPanel) };
    let place: usize = place.parse().ok()?;
    let action = standing.get(&category)?.1.get(place).cloned()?;
    standing.remove(&category);
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
    fn a_toast_says_it_and_names_its_buttons_by_number() {
        let buttons = [("Plus \"tard\"", Action::RemindLater), ("Non", Action::NotTonight)];
        let expected = "<toast launch=\"7\" scenario=\"reminder\"><visual><binding template=\"ToastGeneric\">\
                        <text>Arrêt &amp; &lt;fin&gt;</text><text>À 21 h 30.</text></binding></visual><actions>\
                        <action content=\"Plus &quot;tard&quot;\" arguments=\"7/0\"/>\
                        <action content=\"Non\" arguments=\"7/1\"/></actions></toast>";
        assert_eq!(toast(&notice(true, &buttons), 7), expected);
        for notice in [notice(true, &buttons), notice(true, &[]), notice(false, &buttons), notice(false, &[])] {
            let text = toast(&notice, 1);
            assert!(roxmltree::Document::parse(&text).is_ok(), "{text}");
        }
        assert!(toast(&notice(true, &[]), 1).contains("duration=\"long\""), "without a button no reminder is allowed");
    }

    #[test]
    fn a_toast_answers_once_and_only_while_it_is_the_last_one() {
        let new = || BTreeMap::from([(Category::Shutdown, (8, vec![Action::ShutDown, Action::RemindLater]))]);
        let mut standing = new();
        for nobodys in ["7/0", "8/2", "8/", "8/x", "", "/", "x", "8/0/0"] {
            assert_eq!(clicked(&mut standing, nobodys), None, "{nobodys}");
        }
        assert_eq!(clicked(&mut standing, "8"), Some(Action::ShowPanel));
        assert_eq!(clicked(&mut standing, "8/1"), Some(Action::RemindLater), "the panel was not its answer");
        assert_eq!(clicked(&mut standing, "8/1"), None);
        assert_eq!(clicked(&mut new(), "8/0"), Some(Action::ShutDown));
    }

    /// As Windows does it, all but the way from its process to ours.
    #[test]
    fn windows_finds_the_activator_and_a_click_becomes_an_event() {
        // SAFETY: this thread uses COM to its end.
        unsafe { CoInitializeEx(None, COINIT_MULTITHREADED) }.unwrap();
        let standing = Standing::default();
        lock(&standing).insert(Category::Vpn, (3, vec![Action::Connect]));
        let (events, mut heard) = unbounded_channel();
        listen(&standing, &events).unwrap();
        // SAFETY: the class is registered; the strings outlive the calls.
        unsafe {
            let anywhere = CLSCTX_INPROC_SERVER | CLSCTX_LOCAL_SERVER;
            let factory: IClassFactory = CoGetClassObject(&CLASS, anywhere, None).unwrap();
            let activator: INotificationActivationCallback = factory.CreateInstance(None).unwrap();
            let (id, arguments) = (HSTRING::from(APP_ID), HSTRING::from("3/0"));
            activator.Activate(&id, &arguments, &[]).unwrap();
        }
        assert_eq!(heard.try_recv().unwrap(), Event::Action(Action::Connect));
        assert!(lock(&standing).is_empty());
    }

    /// As when Vigie quits while COM still starts its services: some seconds.
    #[tokio::test]
    async fn the_end_does_not_wait_for_windows() {
        let (answer, never) = channel::<()>();
        let desk = Backend::with(move |_| {
            let _ = never.recv();
        });
        timeout(2 * CLOSE_TIMEOUT, desk.close()).await.unwrap();
        drop(answer);
    }

    #[tokio::test]
    async fn the_end_waits_for_what_is_still_to_be_done() {
        let (done, told) = channel();
        let desk = Backend::with(move |inbox| {
            while inbox.recv().is_ok() {}
            done.send(()).unwrap();
        });
        desk.withdraw(Category::Vpn);
        desk.close().await;
        told.try_recv().unwrap();
    }

    #[test]
    fn times_count_from_1601() {
        assert_eq!(date_time(UNIX_EPOCH + Duration::from_secs(1)).UniversalTime, 116_444_736_010_000_000);
    }
}
