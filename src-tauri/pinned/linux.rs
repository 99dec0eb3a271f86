//! The window: where it stands, and what the window manager is asked for.

use super::page::Page;
use super::{appearance, wire};
use gtk::gdk::{self, EventMask, EventProperty, Geometry, Gravity, WindowHints, WindowTypeHint};
use gtk::glib::{MainContext, Propagation};
use gtk::prelude::*;
use std::cell::{Cell, RefCell};
use std::process::ExitCode;
use std::rc::Rc;
use tokio::sync::mpsc::unbounded_channel;
use vigie::runtime::panel::{FromPanel, ToPanel};
use vigie_view::panel::Pinned;

/// Distance from the work area's edges, in logical pixels.
const MARGIN: i32 = 16;

pub fn main() -> ExitCode {
    wire::log();
    let Some(ToPanel::Pinned(pinned)) = wire::hear() else {
        tracing::error!("vigie-pinned is started by vigie, which tells it what to show");
        return ExitCode::from(2);
    };
    if let Err(error) = gtk::init() {
        tracing::error!(%error, "no screen");
        return ExitCode::FAILURE;
    }
    appearance::follow();
    let window = Window::open(pinned);
    let (sender, mut said) = unbounded_channel();
    let hear = move || {
        while let Some(word) = wire::hear() {
            if sender.send(word).is_err() {
                return;
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("tray".into()).spawn(hear) {
        tracing::error!(%error, "no thread to hear the tray with");
        return ExitCode::FAILURE;
    }
    MainContext::default().spawn_local(async move {
        while let Some(word) = said.recv().await {
            if let ToPanel::Pinned(pinned) = word {
                window.show(pinned);
            } else {
                tracing::warn!("the tray takes this for another window");
            }
        }
        gtk::main_quit();
    });
    gtk::main();
    ExitCode::SUCCESS
}

/// The window and what it shows.
struct Window {
    window: gtk::Window,
    page: Page,
    pinned: RefCell<Pinned>,
    /// Where it was put last, and how large: x, y, width, height.
    place: Cell<Option<(i32, i32, i32, i32)>>,
    /// Wayland places windows itself, and knows none of the hints.
    placed_by_us: bool,
}

impl Window {
    /// Opens it.
    fn open(pinned: Pinned) -> Rc<Window> {
        let window = gtk::Window::new(gtk::WindowType::Toplevel);
        let display = WidgetExt::display(&window);
        let this = Rc::new(Window {
            page: Page::new(),
            pinned: RefCell::new(pinned),
            place: Cell::new(None),
            placed_by_us: display.type_().name() == "GdkX11Display",
            window,
        });
        let window = &this.window;
        window.set_title("Vigie sur le bureau");
        window.style_context().add_class("pinned");
        window.add(this.page.root());
        window.connect_delete_event(|_, _| {
            gtk::main_quit();
            Propagation::Proceed
        });
        if this.placed_by_us {
            this.ask_window_manager();
            this.follow_screen();
        }
        // The theme, and whether a compositor lets the desktop shine through, both decide about the colours.
        let repaint = |this: &Rc<Window>| {
            let this = Rc::downgrade(this);
            move || {
                if let Some(this) = this.upgrade() {
                    this.paint();
                }
            }
        };
        if let Some(screen) = gdk::Screen::default() {
            if let Some(visual) = screen.rgba_visual() {
                window.set_visual(Some(&visual));
            }
            let repaint = repaint(&this);
            screen.connect_composited_changed(move |_| repaint());
        }
        if let Some(settings) = gtk::Settings::default() {
            for property in ["gtk-theme-name", "gtk-application-prefer-dark-theme"] {
                let repaint = repaint(&this);
                settings.connect_notify_local(Some(property), move |_, _| repaint());
            }
        }
        this.update();
        window.show_all();
        // A window manager may have had its own idea.
        this.place.set(None);
        this.put();
        wire::say(&FromPanel::Shown);
        this
    }

    /// Shows this from now on.
    fn show(&self, pinned: Pinned) {
        self.pinned.replace(pinned);
        self.update();
    }

    fn update(&self) {
        self.page.show(&self.pinned.borrow().panel);
        self.paint();
        self.put();
    }

    fn paint(&self) {
        let shines_through = gdk::Screen::default().is_some_and(|screen| screen.is_composited());
        let opacity = if shines_through { self.pinned.borrow().opacity_percent } else { 100 };
        self.page.paint(appearance::is_dark(), opacity);
    }

    /// Under every window, on every desktop, in no list of windows; without a frame; without the keyboard, until it
    /// is clicked.
    fn ask_window_manager(self: &Rc<Self>) {
        let window = &self.window;
        window.set_decorated(false);
        window.set_type_hint(WindowTypeHint::Normal);
        window.set_keep_below(true);
        window.set_skip_taskbar_hint(true);
        window.set_skip_pager_hint(true);
        window.stick();
        window.set_focus_on_map(false);
        window.set_accept_focus(false);
        window.add_events(EventMask::BUTTON_PRESS_MASK | EventMask::FOCUS_CHANGE_MASK);
    }

    /// Takes the keyboard, because it was clicked, and keeps it until another window has it.
    fn take_keyboard(&self, time: u32) {
        self.window.set_accept_focus(true);
        if let Some(surface) = self.window.window() {
            surface.focus(time);
        }
    }

    /// Moves when monitors, scale or task bars do: GTK tells of the first two, the root window's properties of the
    /// last. A click anywhere in the window passes here too, before the widget under it has it.
    fn follow_screen(self: &Rc<Self>) {
        let this = Rc::downgrade(self);
        let put = move || {
            if let Some(this) = this.upgrade() {
                this.put();
            }
        };
        if let Some(screen) = gdk::Screen::default() {
            let (changed, resized) = (put.clone(), put.clone());
            screen.connect_monitors_changed(move |_| changed());
            screen.connect_size_changed(move |_| resized());
            if let Some(root) = screen.root_window() {
                root.set_events(root.events() | EventMask::PROPERTY_CHANGE_MASK);
            }
        }
        self.window.connect_scale_factor_notify({
            let put = put.clone();
            move |_| put()
        });
        self.window.connect_focus_out_event(|window, _| {
            window.set_accept_focus(false);
            Propagation::Proceed
        });
        let this = Rc::downgrade(self);
        gdk::Event::set_handler(Some(move |event: &mut gdk::Event| {
            let changed = event.downcast_ref::<EventProperty>().map(EventProperty::atom);
            if changed.is_some_and(|atom| is_work_area(&atom.name())) {
                put();
            }
            if event.event_type() == gdk::EventType::ButtonPress
                && let Some(this) = this.upgrade()
                && !this.window.accepts_focus()
            {
                this.take_keyboard(event.time());
            }
            gtk::main_do_event(event);
        }));
    }

    /// Puts it at the lower right of the primary monitor's work area, where the guide's "encadré" is (section 11).
    fn put(&self) {
        let (width, height) = {
            let pinned = self.pinned.borrow();
            (i32::from(pinned.width), i32::from(pinned.height))
        };
        if !self.placed_by_us {
            self.window.resize(width, height);
            return;
        }
        let display = gdk::Display::default();
        let monitor = display.and_then(|display| display.primary_monitor().or_else(|| display.monitor(0)));
        let Some(area) = monitor.map(|monitor| monitor.workarea()) else { return };
        let width = width.min(area.width() - 2 * MARGIN).max(1);
        let height = height.min(area.height() - 2 * MARGIN).max(1);
        let x = area.x() + area.width() - MARGIN - width;
        let y = area.y() + area.height() - MARGIN - height;
        if self.place.replace(Some((x, y, width, height))) == Some((x, y, width, height)) {
            return;
        }
        self.window.set_gravity(Gravity::Static);
        // Not to be resized by hand. (GTK gives a window that is not resizable the size of what it shows.)
        let (hints, exactly) = (WindowHints::MIN_SIZE | WindowHints::MAX_SIZE, -1.0);
        let size = Geometry::new(width, height, width, height, -1, -1, -1, -1, exactly, exactly, Gravity::Static);
        self.window.set_geometry_hints(None::<&gtk::Widget>, Some(&size), hints);
        self.window.resize(width, height);
        self.window.move_(x, y);
    }
}

/// Whether that property of the root window tells where the work area is: for all monitors (EWMH), or for each (GTK's).
fn is_work_area(property: &str) -> bool {
    property == "_NET_WORKAREA" || property == "_NET_CURRENT_DESKTOP" || property.starts_with("_GTK_WORKAREAS")
}
