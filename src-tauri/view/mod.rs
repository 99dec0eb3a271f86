//! Pure: State → what is shown. Everything that a user reads is French and stands here (and in `ui/`).

pub mod notice;
pub mod panel;
pub mod status;
pub mod tray;
