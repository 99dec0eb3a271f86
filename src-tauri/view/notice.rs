//! What a notification says.

use crate::core::state::{Action, Category};

/// A notification in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// It replaces the one of the same category.
    pub category: Category,
    /// First line.
    pub title: String,
    /// The text.
    pub body: String,
    /// Buttons, in order.
    pub actions: Vec<(String, Action)>,
    /// Whether it stays until it is dealt with, and may break through "do not disturb".
    pub urgent: bool,
    /// Whether it needs no place in the notification list (an answer to a click, shown a few seconds).
    pub transient: bool,
}
