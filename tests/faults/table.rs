//! docs/faults.md, made of the declarations.

use crate::FaultCase;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The groups of faults, in the order of the document.
const GROUPS: [(&str, &[FaultCase]); 8] = [
    ("Session, start and end", crate::session::FAULTS),
    ("Tray", crate::tray::FAULTS),
    ("Notifications", crate::notifications::FAULTS),
    ("Windows", crate::windows::FAULTS),
    ("Network and services", crate::network::FAULTS),
    ("Files", crate::files::FAULTS),
    ("Connecting, keyring", crate::connect::FAULTS),
    ("Time", crate::time::FAULTS),
];

const HEAD: &str = "\
# Faults

What the user may see when something around Vigie fails, and what must never happen. Generated from the declarations in
`tests/faults`, by `VIGIE_WRITE_DOCS=1 cargo test --test faults documentation`; `make test` runs the tests that are named.

Whatever the fault, the tests of `tests/faults` also check that each reminder that falls due is seen, and once (by a
notification or in the panel); that the status is right at most 5 s after the evidence is there; that nobody has to start
Vigie again, and that it ends within 2 s when asked to; that it has not panicked; and that PIN and passcode are in no
file, argument or environment.
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> String {
    let mut text = HEAD.to_owned();
    for (title, faults) in GROUPS {
        write!(text, "\n## {title}\n\n| fault | the user may see | never | tests |\n| --- | --- | --- | --- |\n")
            .expect("a string takes everything");
        for FaultCase { what, may, never, tests } in faults {
            let tests: Vec<String> = tests.iter().map(|test| format!("`{test}`")).collect();
            writeln!(text, "| {what} | {may} | {never} | {} |", tests.join(", ")).expect("a string takes everything");
        }
    }
    text
}

/// Returns the file of a test, and its name.
fn locate(test: &str) -> (PathBuf, &str) {
    let (place, name) = test.rsplit_once("::").expect("a test is in a module");
    let file = if place.contains('/') { place.to_owned() } else { format!("tests/faults/{place}.rs") };
    (root().join(file), name)
}

/// Returns the names of the tests in a file.
fn tests_in(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let tests =
        lines.iter().enumerate().filter(|(_, line)| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    let name = |at: usize| lines[at..].iter().find_map(|line| line.trim_start_matches("async ").strip_prefix("fn "));
    tests.filter_map(|(at, _)| Some(name(at)?.split('(').next()?.to_owned())).collect()
}

#[test]
fn documentation_lists_every_fault() {
    let file = root().join("docs/faults.md");
    if std::env::var_os("VIGIE_WRITE_DOCS").is_some() {
        fs::write(&file, document()).expect("the folder is writable");
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    let how = "run VIGIE_WRITE_DOCS=1 cargo test --test faults documentation";
    assert_eq!(written, document(), "docs/faults.md is out of date: {how}");
}

#[test]
fn every_fault_has_a_test_and_every_test_a_fault() {
    let named: Vec<(PathBuf, &str)> =
        GROUPS.iter().flat_map(|(_, faults)| *faults).flat_map(|fault| fault.tests).map(|test| locate(test)).collect();
    for (file, name) in &named {
        assert!(tests_in(file).iter().any(|test| test == name), "no test {name:?} in {}", file.display());
    }
    for (_, faults) in GROUPS {
        assert!(faults.iter().all(|fault| !fault.tests.is_empty()));
    }
    for entry in fs::read_dir(root().join("tests/faults")).expect("the folder is there").flatten() {
        let file = entry.path();
        if file.file_name().is_some_and(|name| name == "table.rs") {
            continue;
        }
        for test in tests_in(&file) {
            assert!(named.contains(&(file.clone(), &test)), "{test} in {} belongs to no fault", file.display());
        }
    }
}
