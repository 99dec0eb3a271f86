//! The tray on Windows and macOS: Tauri's, without a window. Its event loop owns the main thread, and everything that
//! touches the menu runs there.

use super::pictures;
use crate::Events;
use crate::core::state::{Action, Event};
use crate::view::tray::{self as view, Entry};
use std::borrow::Cow;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use tauri::menu::{CheckMenuItem, IsMenuItem, Menu, MenuItem, MenuItemKind, PredefinedMenuItem, Submenu};
use tauri::tray::{MouseButton, MouseButtonState, TrayIcon, TrayIconBuilder, TrayIconEvent};
use tauri::utils::assets::{AssetKey, AssetsIter, CspHash};
use tauri::{AppHandle, Assets, RunEvent, Wry};

/// The longest tooltip in UTF-16 units (NOTIFYICONDATAW.szTip: 128 with the zero at its end).
const TOOLTIP: usize = 127;

/// Lets `body` run with a tray; the program's exit code is what it returns. Here `body` runs on a thread of its own,
/// beside the event loop, and the program ends with it.
pub fn host(body: impl FnOnce(Tray) -> ExitCode + Send + 'static) -> ExitCode {
    let context = tauri::generate_context!(assets = NoPage);
    let app = match tauri::Builder::default().build(context) {
        Ok(app) => app,
        Err(error) => {
            tracing::error!("the event loop cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    #[cfg(windows)]
    crate::shell::signals::hear();
    let (end, tray) = (EndWith(app.handle().clone()), Tray { app: app.handle().clone(), shown: Arc::default() });
    let body = std::thread::spawn(move || {
        let _end = end;
        body(tray)
    });
    app.run_return(|_, event| {
        // Without a window Tauri would end at once; only `EndWith` ends it.
        if let RunEvent::ExitRequested { api, code: None, .. } = event {
            api.prevent_exit();
        }
    });
    body.join().unwrap_or(ExitCode::FAILURE)
}

/// The panel's page is not for this process: nothing of it is embedded.
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

/// Ends the event loop with the thread that holds this, a panic included.
struct EndWith(AppHandle);

impl Drop for EndWith {
    fn drop(&mut self) {
        #[cfg(windows)]
        crate::shell::signals::let_go();
        self.0.exit(0);
    }
}

/// The tray. Nothing is shown before the first [`Tray::show`].
#[derive(Debug)]
pub struct Tray {
    app: AppHandle,
    shown: Arc<Mutex<Option<Shown>>>,
}

impl Tray {
    /// Shows this. Only what differs from what is shown is touched; an equal value costs nothing.
    ///
    /// The first call that succeeds tells [`Event::TrayHost`]. Clicks come back as [`Event::Asked`].
    pub async fn show(&mut self, wanted: view::Tray, events: &Events) {
        if self.lock().as_ref().is_some_and(|shown| shown.value == wanted) {
            return;
        }
        let (app, shown, events) = (self.app.clone(), self.shown.clone(), events.clone());
        let (done, end) = tokio::sync::oneshot::channel();
        let asked = self.app.run_on_main_thread(move || {
            let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
            let result = match shown.as_mut() {
                Some(shown) => shown.set(&app, wanted),
                None => Shown::new(&app, wanted, &events).map(|new| *shown = Some(new)),
            };
            if let Err(error) = result {
                tracing::warn!("the tray cannot show all: {error}");
            }
            // The receiver waits, unless the program ends.
            let _ = done.send(());
        });
        if let Err(error) = asked {
            tracing::warn!("the tray cannot be reached: {error}");
        }
        // An error means that the event loop has ended.
        let _ = end.await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Shown>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the tray has from us. Used on the main thread only.
struct Shown {
    value: view::Tray,
    /// The edge that the picture was chosen for.
    edge: i32,
    icon: TrayIcon,
    menu: Menu<Wry>,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").field("value", &self.value).finish_non_exhaustive()
    }
}

impl Shown {
    fn new(app: &AppHandle, value: view::Tray, events: &Events) -> tauri::Result<Shown> {
        let menu = Menu::new(app)?;
        for (place, entry) in value.menu.iter().enumerate() {
            menu.append(line(app, entry, place)?.as_ref())?;
        }
        let (clicked, chosen) = (events.clone(), events.clone());
        let edge = edge();
        let icon = TrayIconBuilder::with_id("vigie")
            .icon(image(value.icon, edge))
            .tooltip(tooltip(&value))
            .menu(&menu)
            .show_menu_on_left_click(false)
            .on_tray_icon_event(move |_, event| {
                if let TrayIconEvent::Click { button: MouseButton::Left, button_state: MouseButtonState::Up, .. } =
                    event
                {
                    let _ = clicked.send(Event::Asked(Action::ShowPanel));
                }
            })
            .on_menu_event(move |_, event| {
                if let Some(action) = asked_by(event.id().as_ref()) {
                    let _ = chosen.send(Event::Asked(action));
                }
            })
            .build(app);
        let _ = events.send(Event::TrayHost(icon.is_ok()));
        Ok(Shown { value, edge, icon: icon?, menu })
    }

    fn set(&mut self, app: &AppHandle, wanted: view::Tray) -> tauri::Result<()> {
        let edge = edge();
        if wanted.icon != self.value.icon || edge != self.edge {
            self.icon.set_icon(Some(image(wanted.icon, edge)))?;
            self.edge = edge;
        }
        let tip = tooltip(&wanted);
        if tip != tooltip(&self.value) {
            self.icon.set_tooltip(Some(tip))?;
        }
        change(app, &Lines::Menu(&self.menu), &self.value.menu, &wanted.menu)?;
        self.value = wanted;
        Ok(())
    }
}

/// A menu or a menu in the menu.
enum Lines<'a> {
    Menu(&'a Menu<Wry>),
    Submenu(&'a Submenu<Wry>),
}

impl Lines<'_> {
    fn all(&self) -> tauri::Result<Vec<MenuItemKind<Wry>>> {
        match self {
            Lines::Menu(menu) => menu.items(),
            Lines::Submenu(menu) => menu.items(),
        }
    }

    fn insert(&self, item: &dyn IsMenuItem<Wry>, place: usize) -> tauri::Result<()> {
        match self {
            Lines::Menu(menu) => menu.insert(item, place),
            Lines::Submenu(menu) => menu.insert(item, place),
        }
    }

    fn remove(&self, place: usize) -> tauri::Result<()> {
        match self {
            Lines::Menu(menu) => menu.remove_at(place).map(drop),
            Lines::Submenu(menu) => menu.remove_at(place).map(drop),
        }
    }
}

/// Makes the lines of `old` those of `new`, line by line: in place where it asks for the same, else exchanged alone. So
/// a menu that stands open stays open.
fn change(app: &AppHandle, lines: &Lines, old: &[Entry], new: &[Entry]) -> tauri::Result<()> {
    let standing = lines.all()?;
    for place in (new.len()..old.len()).rev() {
        lines.remove(place)?;
    }
    for (place, wanted) in new.iter().enumerate() {
        let kept = match (old.get(place), standing.get(place)) {
            (Some(before), _) if before == wanted => true,
            (Some(before), Some(item)) => change_line(app, item, before, wanted)?,
            _ => false,
        };
        if !kept {
            if place < old.len() {
                lines.remove(place)?;
            }
            lines.insert(line(app, wanted, place)?.as_ref(), place)?;
        }
    }
    Ok(())
}

/// Changes a line in place; `false` where that cannot be.
fn change_line(app: &AppHandle, item: &MenuItemKind<Wry>, old: &Entry, new: &Entry) -> tauri::Result<bool> {
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
            change(app, &Lines::Submenu(item), old, entries)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn line(app: &AppHandle, entry: &Entry, place: usize) -> tauri::Result<Box<dyn IsMenuItem<Wry>>> {
    let none = None::<&str>;
    Ok(match entry {
        Entry::Item { label, action } => {
            let id = id(action.as_ref(), place);
            Box::new(MenuItem::with_id(app, id, escape_access_key(label), action.is_some(), none)?)
        }
        // There is no radio item; the tick says the same.
        Entry::Check { label, checked, action } | Entry::Radio { label, chosen: checked, action } => {
            let (id, label) = (id(action.as_ref(), place), escape_access_key(label));
            Box::new(CheckMenuItem::with_id(app, id, label, action.is_some(), *checked, none)?)
        }
        Entry::Submenu { label, entries } => {
            let menu = Submenu::new(app, escape_access_key(label), true)?;
            for (place, entry) in entries.iter().enumerate() {
                menu.append(line(app, entry, place)?.as_ref())?;
            }
            Box::new(menu)
        }
        Entry::Separator => Box::new(PredefinedMenuItem::separator(app)?),
    })
}

/// The line's id carries what it asks for, so that a click can never mean another line; the place tells equal ones
/// apart.
fn id(action: Option<&Action>, place: usize) -> String {
    serde_json::to_string(&(action, place)).expect("an action has no map and no foreign type in it")
}

fn asked_by(id: &str) -> Option<Action> {
    let (action, _place): (Option<Action>, usize) = serde_json::from_str(id).ok()?;
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

/// The picture in the size that the tray asks for, or the next larger one.
fn image(icon: view::Icon, edge: i32) -> tauri::image::Image<'static> {
    let pictures = pictures(icon);
    let fits = pictures.iter().position(|picture| i32::from(picture.size) >= edge);
    let place = fits.unwrap_or(pictures.len() - 1);
    let picture = pictures.into_iter().nth(place).expect("every icon has pictures");
    tauri::image::Image::new_owned(picture.rgba, picture.size.into(), picture.size.into())
}

/// The edge of a tray icon in pixels, as the scale of the taskbar's screen wants it.
#[cfg(windows)]
fn edge() -> i32 {
    use windows::Win32::UI::HiDpi::{GetDpiForSystem, GetDpiForWindow, GetSystemMetricsForDpi};
    use windows::Win32::UI::WindowsAndMessaging::{FindWindowW, SM_CXSMICON};
    use windows::core::w;
    // SAFETY: the name is a constant; the other calls take and return plain numbers.
    unsafe {
        let taskbar = FindWindowW(w!("Shell_TrayWnd"), None).map(|taskbar| GetDpiForWindow(taskbar));
        let scale = taskbar.ok().filter(|scale| *scale != 0).unwrap_or_else(|| GetDpiForSystem());
        GetSystemMetricsForDpi(SM_CXSMICON, scale)
    }
}

/// The edge of a tray icon in pixels: 22 points on a fine screen.
#[cfg(not(windows))]
fn edge() -> i32 {
    48
}
