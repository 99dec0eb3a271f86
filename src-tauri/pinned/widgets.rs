//! The content of the window: the status, the rows, and the button that opens the panel.

use super::ipc;
use gtk::atk::{self, prelude::AtkObjectExt};
use gtk::gdk_pixbuf::{Colorspace, Pixbuf};
use gtk::glib::{self, Bytes, SourceId};
use gtk::pango::WrapMode;
use gtk::prelude::*;
use gtk::{Align, Orientation, PolicyType};
use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use std::time::Duration;
use vigie::runtime::panel::FromPanel;
use vigie::runtime::tray;
use vigie_core::vpn::VpnStatus;
use vigie_view::panel::{self as view, Panel, Row, Severity};
use vigie_view::tray::Icon;

/// Edge length of the status icon in logical pixels.
const ICON_SIZE: i32 = 24;

/// How long a row shows that it was copied.
const COPIED_FEEDBACK: Duration = Duration::from_secs(2);

/// The widgets, and what they show.
pub struct Widgets {
    root: gtk::Box,
    icon: gtk::Image,
    title: gtk::Label,
    subtitle: gtk::Label,
    groups: gtk::Box,
    buttons: gtk::Box,
    colours: gtk::CssProvider,
    /// The arguments of the last [`Widgets::paint`].
    painted: RefCell<Option<(bool, u8)>>,
    panel: RefCell<Panel>,
    rows: RefCell<Vec<Rc<RowWidget>>>,
}

impl Widgets {
    /// Creates the widgets, without content.
    pub fn new() -> Widgets {
        let icon = gtk::Image::new();
        icon.set_valign(Align::Start);
        let [title, subtitle] = ["title", "subtitle"].map(|class| label("", class));
        let words = gtk::Box::new(Orientation::Vertical, 0);
        words.pack_start(&title, false, false, 0);
        words.pack_start(&subtitle, false, false, 0);
        let header = gtk::Box::new(Orientation::Horizontal, 12);
        header.pack_start(&icon, false, false, 0);
        header.pack_start(&words, true, true, 0);
        let [groups, buttons, root] = [(); 3].map(|()| gtk::Box::new(Orientation::Vertical, 0));
        let scrolled = gtk::ScrolledWindow::new(gtk::Adjustment::NONE, gtk::Adjustment::NONE);
        scrolled.set_policy(PolicyType::Never, PolicyType::Automatic);
        scrolled.add(&groups);
        header.style_context().add_class("header");
        buttons.style_context().add_class("buttons");
        root.pack_start(&header, false, false, 0);
        root.pack_start(&scrolled, true, true, 0);
        root.pack_start(&buttons, false, false, 0);
        let colours = gtk::CssProvider::new();
        if let Some(screen) = gtk::gdk::Screen::default() {
            gtk::StyleContext::add_provider_for_screen(&screen, &colours, gtk::STYLE_PROVIDER_PRIORITY_APPLICATION);
        }
        Widgets {
            root,
            icon,
            title,
            subtitle,
            groups,
            buttons,
            colours,
            painted: RefCell::default(),
            panel: RefCell::default(),
            rows: RefCell::default(),
        }
    }

    /// Returns the widget that contains all others.
    pub fn root(&self) -> &gtk::Box {
        &self.root
    }

    /// Shows a panel. If only the values differ, the widgets stay, and with them the focus.
    pub fn show(&self, panel: &Panel) {
        let before = self.panel.replace(panel.clone());
        if before.status != panel.status {
            self.draw_icon(panel.status.unwrap_or(VpnStatus::Unknown));
        }
        self.title.set_text(&panel.title);
        self.subtitle.set_text(&panel.subtitle);
        if outline(&before) == outline(panel) {
            let rows = panel.groups.iter().flat_map(|group| &group.rows);
            self.rows.borrow().iter().zip(rows).for_each(|(widget, row)| widget.show(row));
        } else {
            self.build(panel);
        }
        if before.buttons != panel.buttons {
            self.buttons.foreach(|old| self.buttons.remove(old));
            for button in &panel.buttons {
                let (widget, action) = (gtk::Button::with_label(&button.label), button.action.clone());
                widget.connect_clicked(move |_| ipc::send(&FromPanel::Requested(action.clone())));
                self.buttons.pack_start(&widget, false, false, 0);
            }
            self.buttons.show_all();
        }
    }

    fn build(&self, panel: &Panel) {
        self.groups.foreach(|old| self.groups.remove(old));
        let mut rows = Vec::new();
        for group in panel.groups.iter().filter(|group| !group.rows.is_empty()) {
            let title = label(&group.title, "heading");
            if let Some(accessible) = title.accessible() {
                accessible.set_role(atk::Role::Heading);
            }
            self.groups.pack_start(&title, false, false, 0);
            for row in &group.rows {
                let widget = RowWidget::new(row);
                self.groups.pack_start(&widget.button, false, false, 0);
                rows.push(widget);
            }
        }
        self.groups.show_all();
        self.rows.replace(rows);
    }

    /// Draws the tray's icon of the status.
    fn draw_icon(&self, status: VpnStatus) {
        let scale = self.icon.scale_factor();
        let edge = ICON_SIZE * scale;
        let mut sizes = tray::pictures(Icon { status, badge: false }, false);
        let Some(last) = sizes.pop() else { return };
        let icon = sizes.into_iter().find(|icon| i32::from(icon.size) >= edge).unwrap_or(last);
        let size = i32::from(icon.size);
        let pixels = Pixbuf::from_bytes(&Bytes::from_owned(icon.rgba), Colorspace::Rgb, true, 8, size, size, 4 * size);
        self.icon.set_from_surface(pixels.create_surface(scale, None::<&gtk::gdk::Window>).as_ref());
    }

    /// Paints everything light or dark. Only the background is translucent, the text is not.
    pub fn paint(&self, dark: bool, opacity_percent: u8) {
        if self.painted.replace(Some((dark, opacity_percent))) == Some((dark, opacity_percent)) {
            return;
        }
        let css = css(dark, opacity_percent);
        if let Err(error) = self.colours.load_from_data(css.as_bytes()) {
            tracing::error!(%error, "GTK rejects the style sheet");
        }
    }
}

/// Returns what decides about the widgets of a panel: the names of its groups and rows.
fn outline(panel: &Panel) -> Vec<[&str; 3]> {
    panel
        .groups
        .iter()
        .flat_map(|group| group.rows.iter().map(|row| [group.title.as_str(), row.id.as_str(), row.label.as_str()]))
        .collect()
}

/// A row: a button that copies its value.
struct RowWidget {
    button: gtk::Button,
    warning: gtk::Image,
    value: gtk::Label,
    icon: gtk::Image,
    row: RefCell<Row>,
    /// Fires when the text of the countdown changes.
    timer: RefCell<Option<SourceId>>,
}

impl Drop for RowWidget {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.remove();
        }
    }
}

impl RowWidget {
    fn new(row: &Row) -> Rc<RowWidget> {
        let name = label(&row.label, "name");
        name.set_valign(Align::Start);
        let value = label("", "value");
        value.set_valign(Align::Start);
        let warning = gtk::Image::from_icon_name(Some("dialog-warning-symbolic"), gtk::IconSize::Menu);
        warning.style_context().add_class("warning");
        // Otherwise `show_all` would show it.
        warning.set_no_show_all(true);
        let icon = gtk::Image::new();
        let line = gtk::Box::new(Orientation::Horizontal, 8);
        name.set_width_chars(16);
        name.set_max_width_chars(16);
        line.pack_start(&name, false, false, 0);
        line.pack_start(&warning, false, false, 0);
        line.pack_start(&value, true, true, 0);
        line.pack_start(&icon, false, false, 0);
        for image in [&warning, &icon] {
            image.set_valign(Align::Start);
        }
        let button = gtk::Button::new();
        button.style_context().add_class("row");
        button.set_relief(gtk::ReliefStyle::None);
        button.add(&line);
        let widget = Rc::new(RowWidget {
            button,
            warning,
            value,
            icon,
            row: RefCell::new(row.clone()),
            timer: RefCell::default(),
        });
        widget.show(row);
        let weak = Rc::downgrade(&widget);
        widget.button.connect_clicked(move |_| {
            if let Some(widget) = weak.upgrade() {
                widget.copy();
            }
        });
        widget
    }

    fn show(self: &Rc<Self>, row: &Row) {
        self.row.replace(row.clone());
        self.show_value();
        let style = self.value.style_context();
        for (class, on) in [("warned", row.mark == Severity::Warning), ("missing", row.mark == Severity::Unavailable)] {
            if on { style.add_class(class) } else { style.remove_class(class) }
        }
        self.warning.set_visible(row.mark == Severity::Warning);
        let hint: Vec<&str> = row.details.iter().map(String::as_str).chain(["Copier"]).collect();
        self.button.set_tooltip_text(Some(&hint.join("\n")));
        self.show_copyable();
    }

    /// Shows the value, and below it the countdown if the row has one.
    fn show_value(self: &Rc<Self>) {
        if let Some(timer) = self.timer.take() {
            timer.remove();
        }
        let row = self.row.borrow();
        let countdown = row.until.and_then(|until| view::countdown(until, jiff::Timestamp::now()));
        let Some(view::Countdown { text, changes_ms }) = countdown else {
            self.value.set_text(&row.value);
            return;
        };
        self.value.set_text(&format!("{}\n{text}", row.value));
        let this = Rc::downgrade(self);
        let tick = move || {
            if let Some(this) = this.upgrade() {
                // It fires once: GLib has removed it.
                this.timer.take();
                this.show_value();
            }
        };
        self.timer.replace(Some(glib::timeout_add_local_once(Duration::from_millis(changes_ms), tick)));
    }

    /// Shows that the row can be copied.
    fn show_copyable(&self) {
        let row = self.row.borrow();
        let prefix = match row.mark {
            Severity::Warning => "Attention : ",
            Severity::Unavailable => "Indisponible : ",
            Severity::Normal => "",
        };
        self.icon.set_from_icon_name(Some("edit-copy-symbolic"), gtk::IconSize::Menu);
        self.set_name(&format!("{} : {prefix}{}", row.label, row.value));
    }

    fn copy(self: &Rc<Self>) {
        let clipboard = gtk::Clipboard::get(&gtk::gdk::SELECTION_CLIPBOARD);
        let row = self.row.borrow();
        clipboard.set_text(row.copy.as_ref().unwrap_or(&row.value));
        self.icon.set_from_icon_name(Some("object-select-symbolic"), gtk::IconSize::Menu);
        self.set_name(&format!("{} : copié", row.label));
        let this = Rc::downgrade(self);
        glib::timeout_add_local_once(COPIED_FEEDBACK, move || {
            if let Some(this) = this.upgrade() {
                this.show_copyable();
            }
        });
    }

    /// Sets what screen readers read.
    fn set_name(&self, name: &str) {
        if let Some(accessible) = self.button.accessible() {
            accessible.set_name(name);
            let details = self.row.borrow().details.join(", ");
            accessible.set_description(format!("{details} Copier").trim_start());
        }
    }
}

fn label(text: &str, class: &str) -> gtk::Label {
    let label = gtk::Label::new(Some(text));
    label.style_context().add_class(class);
    label.set_xalign(0.0);
    label.set_line_wrap(true);
    label.set_line_wrap_mode(WrapMode::WordChar);
    label
}

/// Returns GTK's style sheet after the State's design system (DSFR 1.14). It uses the strongest colours alone, which keep
/// their contrast (WCAG 2.1, 1.4.3) whatever shows through the background.
fn css(dark: bool, opacity_percent: u8) -> String {
    let (background, text, border, blue, warning) = if dark {
        ("#161616", "#ffffff", "#353535", "#ffffff", "#fc5d00")
    } else {
        ("#ffffff", "#161616", "#dddddd", "#000091", "#b34000")
    };
    let opacity = f32::from(opacity_percent) / 100.0;
    let mut css = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        css,
        r#"
        window.pinned {{ background: alpha({background}, {opacity}); color: {text}; border: 1px solid {border};
            font-family: Marianne, sans-serif; font-size: 14px; }}
        window.pinned * {{ color: {text}; background-image: none; text-shadow: none; -gtk-icon-shadow: none; }}
        window.pinned scrolledwindow, window.pinned viewport {{ background: none; border: none; }}
        .pinned .header {{ padding: 12px 16px; border-bottom: 1px solid {border}; }}
        .pinned .title {{ font-size: 16px; font-weight: bold; }}
        .pinned .heading {{ font-weight: bold; padding: 12px 16px 4px; border-bottom: 1px solid {border}; }}
        .pinned button.row {{ padding: 4px 16px; border: none; border-radius: 0; background: none; box-shadow: none;
            border-bottom: 1px solid {border}; min-height: 24px; font-weight: normal; }}
        .pinned button.row:hover {{ background-color: alpha({blue}, 0.15); }}
        .pinned button.row image {{ color: {blue}; }}
        .pinned button.row image.warning {{ color: {warning}; }}
        .pinned .value.warned {{ font-weight: bold; }}
        .pinned .value.missing {{ font-style: italic; }}
        .pinned .buttons {{ padding: 12px 16px; border-top: 1px solid {border}; }}
        .pinned .buttons button {{ padding: 4px 12px; border: 1px solid {blue}; border-radius: 0; background: none;
            box-shadow: none; min-height: 24px; }}
        .pinned .buttons button:hover {{ background-color: alpha({blue}, 0.15); }}
        .pinned .buttons button label {{ color: {blue}; }}
        .pinned button:focus {{ outline: 2px solid #0a76f6; outline-offset: -2px; }}
        "#
    );
    css
}
