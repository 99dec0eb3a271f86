//! The window: its place, and the hints for the window manager.

use super::widgets::Widgets;
use super::{appearance, ipc};
use gtk::gdk::{self, EventMask, EventProperty, Geometry, Gravity, WindowHints, WindowTypeHint};
use gtk::glib::{MainContext, Propagation};
use gtk::prelude::*;
use std::cell::{Cell, RefCell};
use std::process::ExitCode;
use std::rc::Rc;
use tokio::sync::mpsc::unbounded_channel;
use vigie::runtime::panel::{FromPanel, ToPanel};
use vigie_view::panel::Pinned;

/// Distance to the work area's edges in logical pixels.
const MARGIN: i32 = 16;

pub fn main() -> ExitCode {
    ipc::init_log();
    let Some(ToPanel::Pinned(pinned)) = ipc::receive() else {
        tracing::error!("vigie-pinned is started by vigie, which sends what to show");
        return ExitCode::from(2);
    };
    if let Err(error) = gtk::init() {
        tracing::error!(%error, "cannot open the display");
        return ExitCode::FAILURE;
    }
    appearance::follow();
    let window = PinnedView::open(pinned);
    let (sender, mut messages) = unbounded_channel();
    let receive = move || {
        while let Some(message) = ipc::receive() {
            if sender.send(message).is_err() {
                return;
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("tray".into()).spawn(receive) {
        tracing::error!(%error, "cannot start the thread for the tray");
        return ExitCode::FAILURE;
    }
    MainContext::default().spawn_local(async move {
        while let Some(message) = messages.recv().await {
            match message {
                ToPanel::Pinned(pinned) => window.show(pinned),
                ToPanel::Ping => ipc::send(&FromPanel::Alive),
                ToPanel::Panel(_) | ToPanel::Part(_) | ToPanel::Connect(_) | ToPanel::Raise => {
                    tracing::warn!("received a message for another window");
                }
            }
        }
        gtk::main_quit();
    });
    gtk::main();
    ExitCode::SUCCESS
}

/// The window and what it shows.
struct PinnedView {
    window: gtk::Window,
    widgets: Widgets,
    pinned: RefCell<Pinned>,
    /// The last place and size: x, y, width, height.
    place: Cell<Option<(i32, i32, i32, i32)>>,
    /// Whether the window can be placed: Wayland does that by itself, and has none of the hints.
    can_place: bool,
}

impl PinnedView {
    fn open(pinned: Pinned) -> Rc<PinnedView> {
        let window = gtk::Window::new(gtk::WindowType::Toplevel);
        let display = WidgetExt::display(&window);
        let this = Rc::new(PinnedView {
            widgets: Widgets::new(),
            pinned: RefCell::new(pinned),
            place: Cell::new(None),
            can_place: display.type_().name() == "GdkX11Display",
            window,
        });
        let window = &this.window;
        window.set_title("Vigie sur le bureau");
        window.style_context().add_class("pinned");
        window.add(this.widgets.root());
        window.connect_delete_event(|_, _| {
            gtk::main_quit();
            Propagation::Proceed
        });
        if this.can_place {
            this.set_hints();
            this.follow_screen();
        }
        // The colours depend on the theme, and on whether a compositor lets the desktop show through.
        let repaint = |this: &Rc<PinnedView>| {
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
        // Again, as the window manager may have placed it elsewhere.
        this.place.set(None);
        this.place_window();
        ipc::send(&FromPanel::Shown);
        this
    }

    fn show(&self, pinned: Pinned) {
        self.pinned.replace(pinned);
        self.update();
    }

    fn update(&self) {
        self.widgets.show(&self.pinned.borrow().panel);
        self.paint();
        self.place_window();
    }

    fn paint(&self) {
        let is_composited = gdk::Screen::default().is_some_and(|screen| screen.is_composited());
        let opacity = if is_composited { self.pinned.borrow().opacity_percent } else { 100 };
        self.widgets.paint(appearance::is_dark(), opacity);
    }

    /// Asks the window manager to keep it below all windows, on all desktops, out of the lists of windows, without a
    /// frame, and without the keyboard focus until it is clicked.
    fn set_hints(self: &Rc<Self>) {
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

    /// Takes the keyboard focus after a click, until another window takes it.
    fn take_focus(&self, time: u32) {
        self.window.set_accept_focus(true);
        if let Some(surface) = self.window.window() {
            surface.focus(time);
        }
    }

    /// Follows changes of monitors, scale and task bars: GTK reports the first two, the root window's properties the
    /// last. A click in the window passes here, too, before its widget gets it.
    fn follow_screen(self: &Rc<Self>) {
        let this = Rc::downgrade(self);
        let place = move || {
            if let Some(this) = this.upgrade() {
                this.place_window();
            }
        };
        if let Some(screen) = gdk::Screen::default() {
            let (changed, resized) = (place.clone(), place.clone());
            screen.connect_monitors_changed(move |_| changed());
            screen.connect_size_changed(move |_| resized());
            if let Some(root) = screen.root_window() {
                root.set_events(root.events() | EventMask::PROPERTY_CHANGE_MASK);
            }
        }
        self.window.connect_scale_factor_notify({
            let place = place.clone();
            move |_| place()
        });
        self.window.connect_focus_out_event(|window, _| {
            window.set_accept_focus(false);
            Propagation::Proceed
        });
        let this = Rc::downgrade(self);
        gdk::Event::set_handler(Some(move |event: &mut gdk::Event| {
            let changed = event.downcast_ref::<EventProperty>().map(EventProperty::atom);
            if changed.is_some_and(|atom| is_work_area(&atom.name())) {
                place();
            }
            if event.event_type() == gdk::EventType::ButtonPress
                && let Some(this) = this.upgrade()
                && !this.window.accepts_focus()
            {
                this.take_focus(event.time());
            }
            gtk::main_do_event(event);
        }));
    }

    /// Places it at the lower right of the primary monitor's work area, as the guide's "encadré" (section 11).
    fn place_window(&self) {
        let (width, height) = {
            let pinned = self.pinned.borrow();
            (i32::from(pinned.width), i32::from(pinned.height))
        };
        if !self.can_place {
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
        // Fixes the size. (GTK would give a window that is not resizable the size of its content.)
        let (hints, exactly) = (WindowHints::MIN_SIZE | WindowHints::MAX_SIZE, -1.0);
        let size = Geometry::new(width, height, width, height, -1, -1, -1, -1, exactly, exactly, Gravity::Static);
        self.window.set_geometry_hints(None::<&gtk::Widget>, Some(&size), hints);
        self.window.resize(width, height);
        self.window.move_(x, y);
    }
}

/// Returns whether this property of the root window describes the work area: of all monitors (EWMH) or of each (GTK).
fn is_work_area(property: &str) -> bool {
    property == "_NET_WORKAREA" || property == "_NET_CURRENT_DESKTOP" || property.starts_with("_GTK_WORKAREAS")
}
