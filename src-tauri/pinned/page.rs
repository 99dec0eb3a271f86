//! What stands in the window: the verdict, the rows, and the way to the whole panel.

use super::wire;
use gtk::atk::{self, prelude::AtkObjectExt};
use gtk::gdk_pixbuf::{Colorspace, Pixbuf};
use gtk::glib::{self, Bytes, SourceId};
use gtk::pango::WrapMode;
use gtk::prelude::*;
use gtk::{Align, Orientation, PolicyType};
use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vigie::runtime::panel::FromPanel;
use vigie::runtime::tray;
use vigie_core::vpn::VpnStatus;
use vigie_view::panel::{self as view, Panel, Row, Severity};
use vigie_view::tray::Icon;

/// Edge of the verdict's picture, in logical pixels.
const PICTURE: i32 = 24;

/// How long a row says that it was copied.
const TOLD: Duration = Duration::from_secs(2);

/// The widgets.
pub struct Page {
    root: gtk::Box,
    picture: gtk::Image,
    title: gtk::Label,
    subtitle: gtk::Label,
    groups: gtk::Box,
    buttons: gtk::Box,
    colours: gtk::CssProvider,
    /// What `colours` were made of.
    painted: RefCell<Option<(bool, u8)>>,
    shown: RefCell<Panel>,
    rows: RefCell<Vec<Rc<RowKind>>>,
}

impl Page {
    /// An empty page.
    pub fn new() -> Page {
        let picture = gtk::Image::new();
        picture.set_valign(Align::Start);
        let [title, subtitle] = ["title", "subtitle"].map(|class| label("", class));
        let words = gtk::Box::new(Orientation::Vertical, 0);
        words.pack_start(&title, false, false, 0);
        words.pack_start(&subtitle, false, false, 0);
        let header = gtk::Box::new(Orientation::Horizontal, 12);
        header.pack_start(&picture, false, false, 0);
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
        Page {
            root,
            picture,
            title,
            subtitle,
            groups,
            buttons,
            colours,
            painted: RefCell::default(),
            shown: RefCell::default(),
            rows: RefCell::default(),
        }
    }

    /// All of it.
    pub fn root(&self) -> &gtk::Box {
        &self.root
    }

    /// Shows this. Where the same rows come with other values, the widgets stay, and the keyboard where it was.
    pub fn show(&self, panel: &Panel) {
        let shown = self.shown.replace(panel.clone());
        let verdict = panel.verdict.unwrap_or(VpnStatus::Unknown);
        if shown.verdict != panel.verdict {
            self.draw(verdict);
        }
        self.title.set_text(&panel.title);
        self.subtitle.set_text(&panel.subtitle);
        if outline(&shown) == outline(panel) {
            let rows = panel.groups.iter().flat_map(|group| &group.rows);
            self.rows.borrow().iter().zip(rows).for_each(|(fact, row)| fact.show(row));
        } else {
            self.build(panel);
        }
        if shown.buttons != panel.buttons {
            self.buttons.foreach(|old| self.buttons.remove(old));
            for button in &panel.buttons {
                let (widget, action) = (gtk::Button::with_label(&button.label), button.action.clone());
                widget.connect_clicked(move |_| wire::say(&FromPanel::Asked(action.clone())));
                self.buttons.pack_start(&widget, false, false, 0);
            }
            self.buttons.show_all();
        }
    }

    fn build(&self, panel: &Panel) {
        self.groups.foreach(|old| self.groups.remove(old));
        let mut facts = Vec::new();
        for group in panel.groups.iter().filter(|group| !group.rows.is_empty()) {
            let title = label(&group.title, "heading");
            if let Some(accessible) = title.accessible() {
                accessible.set_role(atk::Role::Heading);
            }
            self.groups.pack_start(&title, false, false, 0);
            for row in &group.rows {
                let fact = RowKind::new(row);
                self.groups.pack_start(&fact.button, false, false, 0);
                facts.push(fact);
            }
        }
        self.groups.show_all();
        self.rows.replace(facts);
    }

    /// The tray's own picture.
    fn draw(&self, verdict: VpnStatus) {
        let scale = self.picture.scale_factor();
        let edge = PICTURE * scale;
        let mut pictures = tray::pictures(Icon { verdict, badge: false }, false);
        let Some(last) = pictures.pop() else { return };
        let picture = pictures.into_iter().find(|picture| i32::from(picture.size) >= edge).unwrap_or(last);
        let size = i32::from(picture.size);
        let pixels =
            Pixbuf::from_bytes(&Bytes::from_owned(picture.rgba), Colorspace::Rgb, true, 8, size, size, 4 * size);
        self.picture.set_from_surface(pixels.create_surface(scale, None::<&gtk::gdk::Window>).as_ref());
    }

    /// Paints it light or dark; the ground lets the desktop shine through where its opacity is below 100 %, the words
    /// do not.
    pub fn paint(&self, dark: bool, opacity_percent: u8) {
        if self.painted.replace(Some((dark, opacity_percent))) == Some((dark, opacity_percent)) {
            return;
        }
        let css = css(dark, opacity_percent);
        if let Err(error) = self.colours.load_from_data(css.as_bytes()) {
            tracing::error!(%error, "GTK does not take the colours");
        }
    }
}

/// Which widgets a model needs: group and row, by name.
fn outline(panel: &Panel) -> Vec<[&str; 3]> {
    panel
        .groups
        .iter()
        .flat_map(|group| group.rows.iter().map(|row| [group.title.as_str(), row.id.as_str(), row.label.as_str()]))
        .collect()
}

/// A row: a button that copies its value.
struct RowKind {
    button: gtk::Button,
    warning: gtk::Image,
    value: gtk::Label,
    icon: gtk::Image,
    row: RefCell<Row>,
    /// When the words about the moment that it speaks of change.
    timer: RefCell<Option<SourceId>>,
}

impl Drop for RowKind {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            timer.remove();
        }
    }
}

impl RowKind {
    fn new(row: &Row) -> Rc<RowKind> {
        let name = label(&row.label, "name");
        name.set_valign(Align::Start);
        let value = label("", "value");
        value.set_valign(Align::Start);
        let warning = gtk::Image::from_icon_name(Some("dialog-warning-symbolic"), gtk::IconSize::Menu);
        warning.style_context().add_class("warning");
        // `show_all` leaves it alone.
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
        let fact = Rc::new(RowKind {
            button,
            warning,
            value,
            icon,
            row: RefCell::new(row.clone()),
            timer: RefCell::default(),
        });
        fact.show(row);
        let weak = Rc::downgrade(&fact);
        fact.button.connect_clicked(move |_| {
            if let Some(fact) = weak.upgrade() {
                fact.copy();
            }
        });
        fact
    }

    fn show(self: &Rc<Self>, row: &Row) {
        self.row.replace(row.clone());
        self.count();
        let style = self.value.style_context();
        for (class, on) in [("warned", row.mark == Severity::Warning), ("missing", row.mark == Severity::Unavailable)] {
            if on { style.add_class(class) } else { style.remove_class(class) }
        }
        self.warning.set_visible(row.mark == Severity::Warning);
        let hint: Vec<&str> = row.details.iter().map(String::as_str).chain(["Copier"]).collect();
        self.button.set_tooltip_text(Some(&hint.join("\n")));
        self.settle();
    }

    /// Writes the value, and below it how long it is until the moment that it speaks of.
    fn count(self: &Rc<Self>) {
        if let Some(timer) = self.timer.take() {
            timer.remove();
        }
        let row = self.row.borrow();
        let until = row.until.and_then(|until| u64::try_from(until).ok()).map(Duration::from_secs);
        let until = until.and_then(|until| UNIX_EPOCH.checked_add(until));
        let ahead = until.map(|until| until.duration_since(SystemTime::now()).unwrap_or_default());
        let Some((words, next)) = ahead.and_then(view::left) else {
            self.value.set_text(&row.value);
            return;
        };
        self.value.set_text(&format!("{}\n{words}", row.value));
        let this = Rc::downgrade(self);
        let count = move || {
            if let Some(this) = this.upgrade() {
                // It has just run, and is gone.
                this.timer.take();
                this.count();
            }
        };
        self.timer.replace(Some(glib::timeout_add_local_once(next, count)));
    }

    /// As it looks and reads when it was not just copied.
    fn settle(&self) {
        let row = self.row.borrow();
        let said = match row.mark {
            Severity::Warning => "Attention : ",
            Severity::Unavailable => "Indisponible : ",
            Severity::Normal => "",
        };
        self.icon.set_from_icon_name(Some("edit-copy-symbolic"), gtk::IconSize::Menu);
        self.name(&format!("{} : {said}{}", row.label, row.value));
    }

    fn copy(self: &Rc<Self>) {
        let clipboard = gtk::Clipboard::get(&gtk::gdk::SELECTION_CLIPBOARD);
        clipboard.set_text(&self.row.borrow().value);
        self.icon.set_from_icon_name(Some("object-select-symbolic"), gtk::IconSize::Menu);
        self.name(&format!("{} : copié", self.row.borrow().label));
        let this = Rc::downgrade(self);
        glib::timeout_add_local_once(TOLD, move || {
            if let Some(this) = this.upgrade() {
                this.settle();
            }
        });
    }

    /// What a screen reader says.
    fn name(&self, name: &str) {
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

/// The State's design system (DSFR 1.14) as GTK understands it: grounds, words, borders, what can be clicked. Only its
/// strongest colours, which keep their contrast (WCAG 2.1, 1.4.3) with whatever shines through.
fn css(dark: bool, opacity_percent: u8) -> String {
    let (ground, words, border, blue, warning) = if dark {
        ("#161616", "#ffffff", "#353535", "#ffffff", "#fc5d00")
    } else {
        ("#ffffff", "#161616", "#dddddd", "#000091", "#b34000")
    };
    let opacity = f32::from(opacity_percent) / 100.0;
    let mut css = String::new();
    // Writing into a string does not fail.
    let _ = write!(
        css,
        r#"
        window.pinned {{ background: alpha({ground}, {opacity}); color: {words}; border: 1px solid {border};
            font-family: Marianne, sans-serif; font-size: 14px; }}
        window.pinned * {{ color: {words}; background-image: none; text-shadow: none; -gtk-icon-shadow: none; }}
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
