//! Builds the web page, and runs Tauri's build script.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;
use std::{env, fs};

/// The page's sources in `ui/`.
const SOURCES: [&str; 7] =
    ["src", "index.html", "connect.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts"];

/// Builds the page if it is missing or older than its sources, then lets Tauri read its configuration.
pub fn build() {
    let ui = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it for build scripts")).join("ui");
    page(&ui);
    let commands = tauri_build::AppManifest::new().permissions_path_pattern("src-tauri/capabilities/*.toml");
    let attributes = tauri_build::Attributes::new()
        .capabilities_path_pattern("src-tauri/capabilities/*.json")
        .windows_attributes(tauri_build::WindowsAttributes::new().app_manifest(include_str!("vigie.manifest")))
        .app_manifest(commands);
    println!("cargo:rerun-if-changed=src-tauri/capabilities");
    if let Err(error) = tauri_build::try_build(attributes) {
        panic!("{error:#}");
    }
}

fn page(ui: &Path) {
    let page = ui.join("dist/index.html");
    for source in SOURCES {
        println!("cargo:rerun-if-changed={}", ui.join(source).display());
    }
    println!("cargo:rerun-if-changed={}", page.display());
    // The page shows the tray's icons.
    let icons = fs::read_dir(ui.join("../icons")).into_iter().flatten().flatten().map(|entry| entry.path());
    let icons = icons.filter(|path| path.extension().is_some_and(|extension| extension == "svg"));
    let sources = latest(SOURCES.iter().map(|source| ui.join(source)).chain(icons).collect());
    if modified(&page).is_some_and(|page| page >= sources) {
        return;
    }
    let lock = modified(&ui.join("package-lock.json"));
    if modified(&ui.join("node_modules/.package-lock.json")) < lock {
        npm(ui, &["ci"]);
    }
    npm(ui, &["run", "build"]);
    // Dated like its sources: Cargo would run this script again for a file that is younger than the last run.
    let dated = fs::File::options().write(true).open(&page).and_then(|file| file.set_modified(sources));
    dated.expect("the build has just written the page");
}

fn npm(ui: &Path, arguments: &[&str]) {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let command = format!("`npm {}` in ui/, which builds the panel's page,", arguments.join(" "));
    let output = match Command::new(program).args(arguments).current_dir(ui).output() {
        Ok(output) => output,
        Err(error) => panic!("{command} could not be started: {error}. Install Node.js 20.19 or later with npm."),
    };
    if !output.status.success() {
        let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        panic!("{command} failed ({}):\n{text}", output.status);
    }
}

/// Returns the latest modification among these paths and what is below them. (A directory's is that of the last file
/// added or removed.)
fn latest(mut paths: Vec<PathBuf>) -> SystemTime {
    let mut latest = SystemTime::UNIX_EPOCH;
    while let Some(path) = paths.pop() {
        latest = latest.max(modified(&path).unwrap_or(latest));
        paths.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
    }
    latest
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
