//! What must stand before the sources are compiled.

#[path = "build/panel.rs"]
mod panel;

fn main() {
    panel::build();
}
