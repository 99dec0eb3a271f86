//! The tray on Windows: Tauri's, without a window. Its event loop owns the main thread, and everything that touches the
//! menu runs there.

#[path = "taskbar.rs"]
mod taskbar;

use super::pictures;
use crate::Events;
use std::borrow::Cow;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use taskbar::bar;
use tauri::menu::{CheckMenuItem, IsMenuItem, Menu, MenuItem, MenuItemKind, PredefinedMenuItem, Submenu};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tauri::utils::assets::{AssetKey, AssetsIter, CspHash};
use tauri::{AppHandle, Assets, RunEvent, Wry};
use vigie_core::message::{Action, Event};
use vigie_view::tray::{self as view, Entry};

/// The longest tooltip in UTF-16 units (NOTIFYICONDATAW.szTip: 128 with the zero at its end).
const TOOLTIP: usize = 127;

/// How often the icon is looked for while other events show that the program is awake anyway.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// When to try again to add an icon that the taskbar has not taken, as often happens while the session begins. After two
/// minutes in all there is no tray.
const RETRY_SECONDS: [u64; 7] = [1, 2, 5, 10, 20, 40, 42];

/// Lets `body` run with a tray, and returns its exit code. Here it runs on a thread of its own beside the event loop,
/// which ends with it.
pub fn host(body: impl FnOnce(DesktopTray) -> ExitCode + Send + 'static) -> ExitCode {
    let context = tauri::generate_context!(assets = NoPage);
    let app = match tauri::Builder::default().build(context) {
        Ok(app) => app,
        Err(error) => {
            tracing::error!(%error, "the event loop cannot start");
            return ExitCode::FAILURE;
        }
    };
    crate::runtime::signals::listen();
    let tray = DesktopTray {
        app: app.handle().clone(),
        wanted: Arc::default(),
        shown: Arc::default(),
        checked: Instant::now(),
    };
    let end = ExitOnDrop(app.handle().clone());
    let body = std::thread::spawn(move || {
        let _end = end;
        body(tray)
    });
    app.run_return(|_, event| {
        // Tauri would end at once, as there is no window; only `ExitOnDrop` ends it.
        if let RunEvent::ExitRequested { api, code: None, .. } = event {
            api.prevent_exit();
        }
    });
    let code = body.join().unwrap_or(ExitCode::FAILURE);
    crate::runtime::signals::terminate((code != ExitCode::SUCCESS).into());
}

/// The panel's page is not shown by this process, so it is not embedded.
struct NoPage;

impl Assets<Wry> for NoPage {
    fn get(&self, _: &AssetKey) -> Option<Cow<'_, [u8]>> {
        None
    }

    fn iter(&self) -> Box<AssetsIter<'_>> {
        Box::new(std::iter::empty())
    }

    fn csp_hashes(&self, _: &AssetKey) -> Box<dyn Iterator<Item = CspHash<'_>> + '_> {
        Box::new(std::iter::empty())
    }
}

/// Ends the event loop when dropped: when the thread that owns it ends, even by a panic.
struct ExitOnDrop(AppHandle);

impl Drop for ExitOnDrop {
    fn drop(&mut self) {
        crate::runtime::signals::allow_session_end();
        self.0.exit(0);
    }
}

/// The tray. Nothing is shown before the first [`DesktopTray::show`].
#[derive(Debug)]
pub struct DesktopTray {
    app: AppHandle,
    /// What the main thread shows next; `None` once it has begun to.
    wanted: Arc<Mutex<Option<view::Tray>>>,
    /// What the taskbar shows; locked by the main thread while it changes.
    shown: Arc<Mutex<Option<Shown>>>,
    /// When the taskbar was last asked for the icon.
    checked: Instant,
}

impl DesktopTray {
    /// Shows `wanted`, without waiting for the main thread, which may itself wait for a taskbar that hangs. Only what
    /// differs from the current icon and menu is changed, and an icon that the taskbar has lost is added again.
    ///
    /// Sends [`Event::TrayHost`] (whether the taskbar has the icon) the first time and at each change, and clicks as
    /// [`Event::Action`].
    pub fn show(&mut self, wanted: view::Tray, events: &Events) {
        let shown = self.shown.try_lock().is_ok_and(|shown| shown.as_ref().is_some_and(|shown| shown.value == wanted));
        if shown && self.checked.elapsed() < CHECK_INTERVAL {
            lock(&self.wanted).take();
            return;
        }
        self.checked = Instant::now();
        if lock(&self.wanted).replace(wanted).is_some() {
            // The main thread has not yet taken the previous value, and will take this one instead.
            return;
        }
        let (app, wanted, shared, events) = (self.app.clone(), self.wanted.clone(), self.shown.clone(), events.clone());
        let queued = self.app.run_on_main_thread(move || {
            let mut shown = lock(&shared);
            let Some(wanted) = lock(&wanted).take() else { return };
            let result = match shown.as_mut() {
                Some(shown) => shown.set(&app, wanted),
                None => Shown::new(&app, wanted, &events).map(|new| {
                    new.follow(app.clone(), Arc::downgrade(&shared));
                    *shown = Some(new);
                }),
            };
            if let Err(error) = result {
                tracing::warn!(%error, "the tray is incomplete");
            }
        });
        if let Err(error) = queued {
            tracing::warn!(%error, "the event loop has ended");
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The taskbar's properties that decide which picture fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bar {
    /// The edge of an icon in pixels.
    edge: i32,
    /// Whether its background is light.
    light: bool,
}

/// The icon and its menu. Used on the main thread only.
struct Shown {
    /// What it was last to show. The taskbar refuses it while Explorer is not running.
    wanted: view::Tray,
    /// What it shows.
    value: view::Tray,
    /// The bar that the picture was chosen for.
    bar: Bar,
    icon: TrayIcon,
    menu: Menu<Wry>,
    events: Events,
    /// Whether the taskbar has the icon; `None` while that may still change.
    reported: Option<bool>,
    /// How many attempts to add the icon have failed.
    attempts: usize,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").field("value", &self.value).finish_non_exhaustive()
    }
}

impl Shown {
    fn new(app: &AppHandle, value: view::Tray, events: &Events) -> tauri::Result<Shown> {
        let menu = Menu::new(app)?;
        for (index, entry) in value.menu.iter().enumerate() {
            menu.append(item(app, entry, index)?.as_ref())?;
        }
        let (clicked, chosen) = (events.clone(), events.clone());
        let bar = bar();
        let icon = TrayIconBuilder::with_id("vigie")
            .icon(image(value.icon, bar))
            .tooltip(tooltip(&value))
            .menu(&menu)
            .show_menu_on_left_click(false)
            .on_tray_icon_event(move |_, event| {
                if let TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. } =
                    event
                {
                    let _ = clicked.send(Event::Action(Action::ShowPanel));
                }
            })
            .on_menu_event(move |_, event| {
                if let Some(action) = action_of(event.id().as_ref()) {
                    let _ = chosen.send(Event::Action(action));
                }
            })
            .build(app);
        let icon = icon.inspect_err(|_| drop(events.send(Event::TrayHost(false))))?;
        let events = events.clone();
        let mut shown = Shown { wanted: value.clone(), value, bar, icon, menu, events, reported: None, attempts: 0 };
        shown.keep();
        Ok(shown)
    }

    /// Whether the taskbar has the icon. That it was added is no proof: while a session begins the taskbar may refuse it,
    /// and the tray's library does not say so.
    fn is_there(&self) -> bool {
        self.icon.rect().is_ok_and(|place| place.is_some())
            // Some taskbars give no place for a hidden icon, but change it.
            || self.icon.set_tooltip(Some(tooltip(&self.value))).is_ok()
    }

    /// Adds the icon if the taskbar does not have it, and tries again later if that fails. Returns whether the taskbar
    /// has it.
    fn keep(&mut self) -> bool {
        let Ok(window) = self.icon.with_inner_tray_icon(|icon| icon.window_handle() as usize) else { return false };
        let window = windows::Win32::Foundation::HWND(window as *mut _);
        let there = self.is_there() || {
            taskbar::add_again(window);
            self.is_there()
        };
        let known = if there {
            self.attempts = 0;
            Some(true)
        } else if let Some(seconds) = RETRY_SECONDS.get(self.attempts) {
            self.attempts += 1;
            tracing::info!(attempts = self.attempts, "the taskbar does not have the icon");
            taskbar::check_after(window, Duration::from_secs(*seconds));
            self.reported
        } else {
            Some(false)
        };
        if known != self.reported {
            self.reported = known;
            let _ = self.events.send(Event::TrayHost(there));
        }
        there
    }

    /// Shows `wanted` if the taskbar has the icon, otherwise as soon as it has.
    fn set(&mut self, app: &AppHandle, wanted: view::Tray) -> tauri::Result<()> {
        self.wanted = wanted.clone();
        if !self.keep() {
            return Ok(());
        }
        let bar = bar();
        if wanted.icon != self.value.icon || bar != self.bar {
            self.icon.set_icon(Some(image(wanted.icon, bar)))?;
            self.bar = bar;
        }
        let tip = tooltip(&wanted);
        if tip != tooltip(&self.value) {
            self.icon.set_tooltip(Some(tip))?;
        }
        change(app, &AnyMenu::Menu(&self.menu), &self.value.menu, &wanted.menu)?;
        self.value = wanted;
        Ok(())
    }

    /// Adapts the icon whenever the taskbar changes, and shows it again when the taskbar is back. (The callback holds the
    /// icon weakly, so that it is removed when the program ends.)
    fn follow(&self, app: AppHandle, shared: Weak<Mutex<Option<Shown>>>) {
        let changed = move || {
            if let Some(shared) = shared.upgrade()
                && let Some(shown) = lock(&shared).as_mut()
                && let Err(error) = shown.set(&app, shown.wanted.clone())
            {
                tracing::warn!(%error, "the icon does not fit the taskbar");
            }
        };
        let followed = self.icon.with_inner_tray_icon(|icon| {
            taskbar::follow(windows::Win32::Foundation::HWND(icon.window_handle()), Box::new(changed));
        });
        if let Err(error) = followed {
            tracing::warn!(%error, "the icon does not follow the taskbar");
        }
    }
}

/// A menu or a submenu.
enum AnyMenu<'a> {
    Menu(&'a Menu<Wry>),
    Submenu(&'a Submenu<Wry>),
}

impl AnyMenu<'_> {
    fn items(&self) -> tauri::Result<Vec<MenuItemKind<Wry>>> {
        match self {
            AnyMenu::Menu(menu) => menu.items(),
            AnyMenu::Submenu(menu) => menu.items(),
        }
    }

    fn insert(&self, item: &dyn IsMenuItem<Wry>, index: usize) -> tauri::Result<()> {
        match self {
            AnyMenu::Menu(menu) => menu.insert(item, index),
            AnyMenu::Submenu(menu) => menu.insert(item, index),
        }
    }

    fn remove(&self, index: usize) -> tauri::Result<()> {
        match self {
            AnyMenu::Menu(menu) => menu.remove_at(index).map(drop),
            AnyMenu::Submenu(menu) => menu.remove_at(index).map(drop),
        }
    }
}

/// Turns the items of `old` into those of `new`, one by one: in place if the action is the same, else replaced. So an
/// open menu stays open.
fn change(app: &AppHandle, menu: &AnyMenu, old: &[Entry], new: &[Entry]) -> tauri::Result<()> {
    let items = menu.items()?;
    for index in (new.len()..old.len()).rev() {
        menu.remove(index)?;
    }
    for (index, wanted) in new.iter().enumerate() {
        let kept = match (old.get(index), items.get(index)) {
            (Some(before), _) if before == wanted => true,
            (Some(before), Some(item)) => change_item(app, item, before, wanted)?,
            _ => false,
        };
        if !kept {
            if index < old.len() {
                menu.remove(index)?;
            }
            menu.insert(item(app, wanted, index)?.as_ref(), index)?;
        }
    }
    Ok(())
}

/// Changes an item in place; returns `false` if that is impossible.
fn change_item(app: &AppHandle, item: &MenuItemKind<Wry>, old: &Entry, new: &Entry) -> tauri::Result<bool> {
    match (item, old, new) {
        (MenuItemKind::MenuItem(item), Entry::Item { action: before, .. }, Entry::Item { label, action })
            if before == action =>
        {
            item.set_text(escape_access_key(label))?;
        }
        (
            MenuItemKind::Check(item),
            Entry::Check { action: before, .. } | Entry::Radio { action: before, .. },
            Entry::Check { label, checked, action } | Entry::Radio { label, chosen: checked, action },
        ) if before == action => {
            item.set_text(escape_access_key(label))?;
            item.set_checked(*checked)?;
        }
        (
            MenuItemKind::Submenu(item),
            Entry::Submenu { label: before, entries: old },
            Entry::Submenu { label, entries },
        ) => {
            if before != label {
                item.set_text(escape_access_key(label))?;
            }
            change(app, &AnyMenu::Submenu(item), old, entries)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn item(app: &AppHandle, entry: &Entry, index: usize) -> tauri::Result<Box<dyn IsMenuItem<Wry>>> {
    let none = None::<&str>;
    Ok(match entry {
        Entry::Item { label, action } => {
            let id = id(action.as_ref(), index);
            Box::new(MenuItem::with_id(app, id, escape_access_key(label), action.is_some(), none)?)
        }
        // There is no radio item; a check mark serves as well.
        Entry::Check { label, checked, action } | Entry::Radio { label, chosen: checked, action } => {
            let (id, label) = (id(action.as_ref(), index), escape_access_key(label));
            Box::new(CheckMenuItem::with_id(app, id, label, action.is_some(), *checked, none)?)
        }
        Entry::Submenu { label, entries } => {
            let menu = Submenu::new(app, escape_access_key(label), true)?;
            for (index, entry) in entries.iter().enumerate() {
                menu.append(item(app, entry, index)?.as_ref())?;
            }
            Box::new(menu)
        }
        Entry::Separator => Box::new(PredefinedMenuItem::separator(app)?),
    })
}

/// Returns an id that contains the action, so that a click can never mean another item; the index distinguishes equal
/// ones.
fn id(action: Option<&Action>, index: usize) -> String {
    serde_json::to_string(&(action, index)).expect("an action has no map and no foreign type in it")
}

/// Returns the action that the id of a menu entry carries.
fn action_of(id: &str) -> Option<Action> {
    let (action, _index): (Option<Action>, usize) = serde_json::from_str(id).ok()?;
    action
}

/// A single ampersand would mark an access key.
fn escape_access_key(label: &str) -> String {
    label.replace('&', "&&")
}

fn tooltip(value: &view::Tray) -> String {
    let mut left = TOOLTIP;
    let whole = format!("{}\n{}", value.title, value.detail);
    let fits = |letter: &char| {
        let fits = left >= letter.len_utf16();
        left = left.saturating_sub(letter.len_utf16());
        fits
    };
    whole.trim_end().chars().take_while(fits).collect()
}

/// Returns the picture of the size that the taskbar wants, or the next larger one.
fn image(icon: view::Icon, bar: Bar) -> tauri::image::Image<'static> {
    let pictures = pictures(icon, bar.light);
    let fits = pictures.iter().position(|picture| i32::from(picture.size) >= bar.edge);
    let index = fits.unwrap_or(pictures.len() - 1);
    let picture = pictures.into_iter().nth(index).expect("every icon has pictures");
    tauri::image::Image::new_owned(picture.rgba, picture.size.into(), picture.size.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tauri::menu::ContextMenu;
    use vigie_core::fixture::standing;
    use vigie_core::vpn::VpnStatus;
    use windows::Win32::Foundation::HWND;
    use windows::Win32::UI::Shell::{NIM_DELETE, NOTIFYICONDATAW, Shell_NotifyIconW};
    use windows::Win32::UI::WindowsAndMessaging::{
        DispatchMessageW, GetMenuItemCount, GetMenuItemID, GetMenuItemInfoW, HMENU, MENUITEMINFOW, MFS_CHECKED,
        MFS_DISABLED, MFT_SEPARATOR, MIIM_FTYPE, MIIM_STATE, MIIM_STRING, MIIM_SUBMENU, MSG, PM_REMOVE, PeekMessageW,
        RegisterWindowMessageW, SendMessageW,
    };
    use windows::core::{PWSTR, w};

    /// A line as Windows has it.
    #[derive(Debug, PartialEq)]
    struct MenuLine {
        text: String,
        enabled: bool,
        ticked: bool,
        below: Vec<MenuLine>,
    }

    fn shown(menu: HMENU) -> Vec<MenuLine> {
        // SAFETY: the menu exists; the buffers outlive the calls, which are given their length.
        unsafe {
            (0..u32::try_from(GetMenuItemCount(Some(menu))).unwrap())
                .map(|place| {
                    let mut text = [0; 256];
                    let mut info = MENUITEMINFOW {
                        cbSize: size_of::<MENUITEMINFOW>() as u32,
                        fMask: MIIM_FTYPE | MIIM_STATE | MIIM_STRING | MIIM_SUBMENU,
                        dwTypeData: PWSTR(text.as_mut_ptr()),
                        cch: 256,
                        ..MENUITEMINFOW::default()
                    };
                    GetMenuItemInfoW(menu, place, true, &raw mut info).unwrap();
                    if info.fType.contains(MFT_SEPARATOR) {
                        return separator();
                    }
                    MenuLine {
                        text: String::from_utf16(&text[..info.cch as usize]).unwrap(),
                        enabled: (info.fState & MFS_DISABLED).0 == 0,
                        ticked: info.fState.contains(MFS_CHECKED),
                        below: if info.hSubMenu.is_invalid() { Vec::new() } else { shown(info.hSubMenu) },
                    }
                })
                .collect()
        }
    }

    fn separator() -> MenuLine {
        MenuLine { text: "—".into(), enabled: false, ticked: false, below: Vec::new() }
    }

    fn wanted(entries: &[Entry]) -> Vec<MenuLine> {
        let line = |label: &str, enabled, ticked| MenuLine {
            text: label.replace('&', "&&"),
            enabled,
            ticked,
            below: Vec::new(),
        };
        let lines = entries.iter().map(|entry| match entry {
            Entry::Item { label, action } => line(label, action.is_some(), false),
            Entry::Check { label, checked: ticked, action } | Entry::Radio { label, chosen: ticked, action } => {
                line(label, action.is_some(), *ticked)
            }
            Entry::Submenu { label, entries } => MenuLine { below: wanted(entries), ..line(label, true, false) },
            Entry::Separator => separator(),
        });
        lines.collect()
    }

    #[test]
    fn windows_menu_is_the_states_also_after_a_restart_of_explorer() {
        crate::wine::only();
        let app = tauri::Builder::default().any_thread().build(tauri::generate_context!(assets = NoPage)).unwrap();
        let (events, mut received) = tokio::sync::mpsc::unbounded_channel();
        let handle = app.handle();
        let tray = |status| view::tray(&standing(status));
        let new = Shown::new(handle, tray(VpnStatus::Connected), &events).unwrap();
        assert_eq!(received.try_recv(), Ok(Event::TrayHost(true)));
        let menu = HMENU(new.menu.hpopupmenu().unwrap() as *mut _);
        assert_eq!(shown(menu), wanted(&tray(VpnStatus::Connected).menu));
        // SAFETY: the menu exists.
        let first = || unsafe { GetMenuItemID(menu, 0) };
        let line = first();
        let window = new.icon.with_inner_tray_icon(|icon| icon.window_handle() as usize).unwrap();
        let window = HWND(window as *mut _);
        let all = Arc::new(Mutex::new(None));
        new.follow(handle.clone(), Arc::downgrade(&all));
        *lock(&all) = Some(new);
        let set = |value: view::Tray| lock(&all).as_mut().unwrap().set(handle, value);
        for status in VpnStatus::ALL.into_iter().chain([VpnStatus::Connected]) {
            set(tray(status)).unwrap();
            assert_eq!(shown(menu), wanted(&tray(status).menu), "{status:?}");
            assert_eq!(first(), line, "changed in place: an open menu stays open");
        }

        // Explorer goes, and comes again: it has lost the icon, and says so to every window.
        // SAFETY: the numbers are those of the tray's library; messages without pointers.
        unsafe {
            let size = size_of::<NOTIFYICONDATAW>() as u32;
            let lost = (1..9).filter(|id| {
                let icon = NOTIFYICONDATAW { cbSize: size, hWnd: window, uID: *id, ..NOTIFYICONDATAW::default() };
                Shell_NotifyIconW(NIM_DELETE, &raw const icon).as_bool()
            });
            assert_eq!(lost.count(), 1);
            lock(&all).as_mut().unwrap().wanted = tray(VpnStatus::Offline);
            SendMessageW(window, RegisterWindowMessageW(w!("TaskbarCreated")), None, None);
            let mut next = MSG::default();
            while PeekMessageW(&mut next, Some(window), 0, 0, PM_REMOVE).as_bool() {
                DispatchMessageW(&next);
            }
        }
        assert_eq!(lock(&all).as_ref().unwrap().value, tray(VpnStatus::Offline));
        assert_eq!(shown(menu), wanted(&tray(VpnStatus::Offline).menu));
        assert!(lock(&all).as_ref().unwrap().is_there());

        // Lost without a word: the next check adds it again.
        // SAFETY: as above.
        let lost = (1..9).filter(|id| unsafe {
            let size = size_of::<NOTIFYICONDATAW>() as u32;
            let icon = NOTIFYICONDATAW { cbSize: size, hWnd: window, uID: *id, ..NOTIFYICONDATAW::default() };
            Shell_NotifyIconW(NIM_DELETE, &raw const icon).as_bool()
        });
        assert_eq!(lost.count(), 1);
        assert!(!lock(&all).as_ref().unwrap().is_there());
        set(tray(VpnStatus::Offline)).unwrap();
        assert!(lock(&all).as_ref().unwrap().is_there());
        assert!(received.try_recv().is_err(), "the tray was there all the time");
        assert_eq!(RETRY_SECONDS.iter().sum::<u64>(), 120);

        let mut odd = tray(VpnStatus::Connected);
        odd.menu.truncate(3);
        odd.menu.push(Entry::Item { label: "Rouen & Caen".into(), action: None });
        set(odd.clone()).unwrap();
        assert_eq!(shown(menu), wanted(&odd.menu));
        app.remove_tray_by_id("vigie");
    }

    #[test]
    fn a_click_asks_for_what_the_line_says() {
        let action = Action::Open("amigo".into());
        assert_eq!(action_of(&id(Some(&action), 7)), Some(action));
        assert_eq!(action_of(&id(None, 7)), None);
        assert_eq!(action_of("7"), None);
    }

    #[test]
    fn a_tooltip_is_cut_where_windows_would_cut_it() {
        let mut value = view::tray(&standing(VpnStatus::Connected));
        assert!(tooltip(&value).starts_with("VPN connecté"));
        value.detail = "é😀".repeat(100);
        let units = tooltip(&value).encode_utf16().count();
        assert!((TOOLTIP - 1..=TOOLTIP).contains(&units), "{units}: whole characters, as many as fit");
    }
}
