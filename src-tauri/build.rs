//! Generates what the sources include: the icons and the web page.

#[path = "build/icons.rs"]
mod icons;
#[path = "build/panel.rs"]
mod panel;

fn main() {
    build_time();
    // First, as Tauri reads the program's icon.
    icons::render();
    panel::build();
}

/// Passes `SOURCE_DATE_EPOCH` to the program as its build time, or 0 if it is not set: a clock that shows an earlier time
/// is wrong.
fn build_time() {
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let named = std::env::var("SOURCE_DATE_EPOCH").ok().filter(|named| named.parse::<u64>().is_ok());
    println!("cargo:rustc-env=VIGIE_BUILD_TIME={}", named.unwrap_or_else(|| "0".into()));
}
