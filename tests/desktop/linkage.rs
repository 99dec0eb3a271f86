//! What the tray's program brings along.

use crate::harness::run;
use std::process::Command;

/// docs/decisions/0001-panel-process.md: a browser engine, and the toolkit under it, cost the tray more memory than all
/// else together.
#[test]
fn no_browser_engine_is_linked_into_the_tray() {
    let engines = ["webkit", "javascriptcore", "gtk", "gdk", "libsoup"];
    let heavy = |program: &str| -> Vec<String> {
        let libraries = run(Command::new("ldd").arg(program));
        let heavy = |line: &&str| engines.iter().any(|engine| line.to_lowercase().contains(engine));
        libraries.lines().filter(heavy).map(|line| line.trim().to_owned()).collect()
    };
    assert_eq!(heavy(env!("CARGO_BIN_EXE_vigie")), Vec::<String>::new());
    // docs/decisions/0005-pinned-panel.md: this one has the toolkit alone.
    let pinned = heavy(env!("CARGO_BIN_EXE_vigie-pinned"));
    let engine = |line: &&String| ["webkit", "javascriptcore", "libsoup"].iter().any(|name| line.contains(name));
    assert_eq!(pinned.iter().filter(engine).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_ne!(
        heavy(env!("CARGO_BIN_EXE_vigie-panel")),
        Vec::<String>::new(),
        "the panel's program shows that ldd tells"
    );
}
