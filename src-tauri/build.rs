//! What must stand before the sources are compiled.

#[path = "build/icons.rs"]
mod icons;
#[path = "build/panel.rs"]
mod panel;

fn main() {
    // The program's icon first: Tauri reads it.
    icons::compose();
    panel::build();
}
