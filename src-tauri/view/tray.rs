//! The tray as a value: icon, tooltip and menu. Compared with the last one; only differences reach the tray.

use crate::core::state::Action;
use crate::core::vpn::Verdict;
use serde::Serialize;

/// All that the tray shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tray {
    /// The icon.
    pub icon: Icon,
    /// First line of the tooltip.
    pub title: String,
    /// The tooltip's detail.
    pub detail: String,
    /// The menu.
    pub menu: Vec<Entry>,
}

/// Which icon: a base shape for the verdict, and a badge laid over it when the panel has a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Icon {
    /// The shape and colour.
    pub verdict: Verdict,
    /// Whether the panel has a warning.
    pub badge: bool,
}

/// One line of the menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// A line to click; greyed where it has no action.
    Item {
        /// What the user reads.
        label: String,
        /// What the click asks for.
        action: Option<Action>,
    },
    /// A line that is ticked or not.
    Check {
        /// What the user reads.
        label: String,
        /// Whether it is ticked.
        checked: bool,
        /// What the click asks for.
        action: Option<Action>,
    },
    /// A choice of one in several; the lines of one run of `Radio` belong together.
    Radio {
        /// What the user reads.
        label: String,
        /// Whether it is the chosen one.
        chosen: bool,
        /// What the click asks for.
        action: Option<Action>,
    },
    /// A menu in the menu.
    Submenu {
        /// What the user reads.
        label: String,
        /// Its lines.
        entries: Vec<Entry>,
    },
    /// A thin line.
    Separator,
}
