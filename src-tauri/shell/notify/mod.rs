//! Notifications.

/// For texts that the receiver takes as markup (Desktop Notifications specification, "Markup"; StatusNotifierItem,
/// "ToolTip").
pub(in crate::shell) fn escape_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
