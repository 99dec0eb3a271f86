//! The disk, and what lies where a file is meant.

use crate::FaultCase;
use crate::fixture::{Fixture, SETTINGS};
use crate::harness::{DEADLINE, run, wait_for};
use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

pub const FAULTS: &[FaultCase] = &[
    FaultCase {
        what: "the disk is full",
        may: "a choice that is not kept, with a notification that says so",
        never: "a state file that is lost or cut short; a reminder that is not shown",
        tests: &["files::disk_is_full"],
    },
    FaultCase {
        what: "the home folder becomes read-only",
        may: "a choice that is not kept, with a notification that says so",
        never: "a reminder that is not shown",
        tests: &["files::home_is_read_only"],
    },
    FaultCase {
        what: "the state file is truncated, empty, garbage, a pipe, a folder or a link",
        may: "the panel, as at the first start",
        never: "a start that fails or waits; a file elsewhere that is written through the link",
        tests: &[
            "files::state_is_damaged",
            "src-tauri/runtime/store.rs::links_and_pipes_are_replaced_and_not_followed",
        ],
    },
    FaultCase {
        what: "the user's configuration is a folder, a pipe, a device, 100 MB, or not UTF-8",
        may: "« Configuration de Vigie en partie ignorée »",
        never: "a start that fails, waits, or takes seconds",
        tests: &[
            "files::configuration_is_no_file",
            "tests/desktop/config.rs::a_broken_file_is_reported_and_the_tray_runs",
        ],
    },
    FaultCase {
        what: "the user's configuration has thousands of unknown keys",
        may: "« Configuration de Vigie en partie ignorée »",
        never: "a start that takes seconds",
        tests: &["files::configuration_has_many_unknown_keys"],
    },
    FaultCase {
        what: "the folder of the log cannot be written",
        may: "nothing",
        never: "a start that fails",
        tests: &["files::log_is_unwritable"],
    },
    FaultCase {
        what: "files of the desktop (autostart entry, user folders, bookmarks, CUPS options) are pipes",
        may: "« indisponible » in a row",
        never: "a start or a row that waits for a writer",
        tests: &["files::files_of_the_desktop_are_pipes"],
    },
];

/// How long the program may take to answer after its start, whatever lies in its way.
const START_TIMEOUT: Duration = Duration::from_secs(5);

fn make_pipe(path: &std::path::Path) {
    fs::create_dir_all(path.parent().expect("below the home folder")).expect("the home folder is writable");
    run(Command::new("mkfifo").arg(path));
}

/// The folders that Vigie writes to.
const FOLDERS: [&str; 2] = [".config/vigie", ".local/state/vigie"];

/// Moves what Vigie has written to small file systems of their own.
fn move_to_own_disks(fixture: &Fixture) {
    for folder in FOLDERS {
        let folder = fixture.desktop.home().join(folder).display().to_string();
        let script = "cp -a \"$0\" \"$0.copy\"; mount -t tmpfs -o size=1m disk \"$0\"; cp -a \"$0.copy/.\" \"$0\"";
        fixture.run_beside(&["sh", "-ec", script, &folder]);
    }
}

/// Changes these file systems.
fn remount(fixture: &Fixture, options: &str) {
    for folder in FOLDERS {
        let folder = fixture.desktop.home().join(folder).display().to_string();
        fixture.run_beside(&["mount", "-o", &format!("remount,{options}"), &folder]);
    }
}

/// Returns a path below the home folder, as Vigie sees it.
fn seen_by_vigie(fixture: &Fixture, path: &str) -> String {
    fixture.on_its_machine(&fixture.desktop.home().join(path).display().to_string())
}

/// Checks that a choice that cannot be kept is reported.
fn assert_choice_is_refused(fixture: &Fixture) {
    let seen = fixture.desktop.notifications().all().len();
    fixture.act(r#"{"do":"choose","with":{"what":"site","to":"rouen"}}"#);
    fixture.desktop.notifications().wait(seen, "Votre choix n’a pas été enregistré");
}

#[test]
fn disk_is_full() {
    let mut fixture = Fixture::start();
    fixture.assert_reminds();
    wait_for("the saved state", DEADLINE, || fixture.remembers_last_reminder().then_some(()));
    move_to_own_disks(&fixture);
    let state = seen_by_vigie(&fixture, ".local/state/vigie/state.json");
    let fillers = FOLDERS.map(|folder| seen_by_vigie(&fixture, &format!("{folder}/filler")));
    for filler in &fillers {
        assert!(fs::write(filler, vec![0; 2 << 20]).is_err(), "the disk is not full");
    }
    fixture.assert_reminds();
    assert_choice_is_refused(&fixture);
    let saved: serde_json::Value =
        serde_json::from_slice(&fs::read(&state).expect("it is there")).expect("it is whole");
    assert_eq!(saved["welcomed"], true);
    for filler in &fillers {
        fs::remove_file(filler).expect("it was just written");
    }
    fixture.assert_works();
    fixture.assert_quits();
}

#[test]
fn home_is_read_only() {
    let mut fixture = Fixture::start();
    move_to_own_disks(&fixture);
    remount(&fixture, "ro");
    fixture.assert_reminds();
    assert_choice_is_refused(&fixture);
    remount(&fixture, "rw");
    fixture.assert_works();
    fixture.assert_quits();
}

#[test]
fn state_is_damaged() {
    let mut fixture = Fixture::start();
    fixture.assert_reminds();
    wait_for("the saved state", DEADLINE, || fixture.remembers_last_reminder().then_some(()));
    // A reminder of which nothing is known any more would come again.
    fixture.cancel_plan();
    let state = fixture.desktop.home().join(".local/state/vigie/state.json");
    let whole = fs::read(&state).expect("it was saved");
    let elsewhere = fixture.desktop.write("elsewhere", "mine");
    let remove = || {
        let _ = fs::remove_dir_all(&state);
        let _ = fs::remove_file(&state);
    };
    let damages: [&dyn Fn(); 6] = [
        &|| fs::write(&state, &whole[..whole.len() / 2]).expect("writable"),
        &|| fs::write(&state, "").expect("writable"),
        &|| fs::write(&state, [0xff; 4096]).expect("writable"),
        &|| make_pipe(&state),
        &|| fs::create_dir(&state).expect("writable"),
        &|| std::os::unix::fs::symlink(&elsewhere, &state).expect("writable"),
    ];
    for damage in damages {
        fixture.assert_quits();
        remove();
        damage();
        let start = Instant::now();
        fixture.run();
        assert!(start.elapsed() < START_TIMEOUT, "{:?}", start.elapsed());
        fixture.wait_for_status("disconnected");
    }
    assert_eq!(fs::read_to_string(elsewhere).expect("it is there"), "mine");
    fixture.assert_quits();
    remove();
    fixture.desktop.skip_first_run();
    fixture.run();
    fixture.assert_unharmed();
}

#[test]
fn configuration_is_no_file() {
    let mut fixture = Fixture::prepare();
    let config = fixture.desktop.home().join(".config/vigie/vigie.toml");
    let zeros = || std::os::unix::fs::symlink("/dev/zero", &config).expect("writable");
    let damages: [&dyn Fn(); 5] = [
        &|| fs::create_dir(&config).expect("writable"),
        &|| make_pipe(&config),
        &zeros,
        &|| fs::File::create(&config).and_then(|file| file.set_len(100 << 20)).expect("writable"),
        &|| fs::write(&config, b"[user]\nsite = \"\xff\"\n").expect("writable"),
    ];
    for damage in damages {
        let _ = fs::remove_dir_all(&config);
        let _ = fs::remove_file(&config);
        damage();
        let (start, seen) = (Instant::now(), fixture.desktop.notifications().all().len());
        fixture.run();
        assert!(start.elapsed() < START_TIMEOUT, "{:?}", start.elapsed());
        fixture.desktop.notifications().wait(seen, "Configuration de Vigie en partie ignorée");
        fixture.assert_quits();
    }
    let _ = fs::remove_file(&config);
    fixture.desktop.configure(SETTINGS);
    fixture.run();
    fixture.wait_for_status("disconnected");
    fixture.assert_unharmed();
}

#[test]
fn configuration_has_many_unknown_keys() {
    let mut fixture = Fixture::prepare();
    let mut settings = SETTINGS.to_owned();
    for number in 0..6_000 {
        if number % 1000 == 0 {
            writeln!(settings, "[other{number}]").expect("a string");
        }
        writeln!(settings, "key{number} = {number}").expect("a string");
    }
    assert!(settings.len() < 1 << 20, "{}", settings.len());
    fixture.desktop.configure(&settings);
    let start = Instant::now();
    fixture.run();
    assert!(start.elapsed() < 2 * START_TIMEOUT, "{:?}", start.elapsed());
    fixture.wait_for_status("disconnected");
    fixture.assert_unharmed();
}

#[test]
fn log_is_unwritable() {
    let mut fixture = Fixture::prepare();
    fixture.desktop.write(".local/state/vigie/log", "a file");
    fixture.run();
    fixture.wait_for_status("disconnected");
    fixture.assert_unharmed();
}

#[test]
fn files_of_the_desktop_are_pipes() {
    let mut fixture = Fixture::prepare();
    for path in [
        ".config/autostart/vigie.desktop",
        ".config/user-dirs.dirs",
        ".config/gtk-3.0/bookmarks",
        ".cups/lpoptions",
        ".anyconnect",
        "machine/run/systemd/shutdown/other",
    ] {
        make_pipe(&fixture.desktop.home().join(path));
    }
    let start = Instant::now();
    fixture.run();
    assert!(start.elapsed() < START_TIMEOUT, "{:?}", start.elapsed());
    fixture.wait_for_status("disconnected");
    wait_for("every row to be read", DEADLINE, || {
        let text = fixture.status_text();
        (!text.contains("en cours de lecture")).then_some(())
    });
    fixture.assert_unharmed();
}
