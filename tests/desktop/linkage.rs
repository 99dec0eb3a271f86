//! The libraries that the programs link.

use crate::harness::run;
use std::process::Command;

/// A browser engine and its toolkit would take more memory than the rest of the tray: docs/decisions/0001-panel-process.md.
#[test]
fn tray_and_pinned_panel_link_no_browser_engine() {
    let engines = ["webkit", "javascriptcore", "gtk", "gdk", "libsoup"];
    let heavy = |program: &str| -> Vec<String> {
        let libraries = run(Command::new("ldd").arg(program));
        let heavy = |line: &&str| engines.iter().any(|engine| line.to_lowercase().contains(engine));
        libraries.lines().filter(heavy).map(|line| line.trim().to_owned()).collect()
    };
    assert_eq!(heavy(env!("CARGO_BIN_EXE_vigie")), Vec::<String>::new());
    // This one links the toolkit, but no engine: docs/decisions/0005-pinned-panel.md.
    let pinned = heavy(env!("CARGO_BIN_EXE_vigie-pinned"));
    let engine = |line: &&String| ["webkit", "javascriptcore", "libsoup"].iter().any(|name| line.contains(name));
    assert_eq!(pinned.iter().filter(engine).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_ne!(
        heavy(env!("CARGO_BIN_EXE_vigie-panel")),
        Vec::<String>::new(),
        "ldd does not list the engine of the panel"
    );
}
