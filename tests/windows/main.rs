//! Tests of the real programs under wine (`make test-windows`). What wine cannot show is in docs/windows-checklist.md.
//! Tests that start the tray refuse to run on a real Windows.

#![cfg(windows)]
#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in tests, not in their helpers")]

mod harness;

use harness::{DEADLINE, Vigie, log, run, tray_icon, until, vigie};
use std::process::Command;
use std::time::{Duration, Instant};
use windows::Win32::UI::Input::KeyboardAndMouse::{VIRTUAL_KEY, VK_ESCAPE, VK_RETURN, VK_UP};
use winreg::RegKey;
use winreg::enums::HKEY_CURRENT_USER;

/// Returns the subsystem in a program's header: 2 is graphical, 3 is console (Microsoft, "PE Format").
fn subsystem(program: &str) -> u8 {
    let bytes = std::fs::read(program).unwrap();
    let at = u32::from_le_bytes(bytes[0x3c..0x40].try_into().unwrap()) as usize;
    assert_eq!(&bytes[at..at + 4], b"PE\0\0");
    bytes[at + 24 + 68]
}

#[test]
fn both_programs_are_graphical() {
    assert_eq!(subsystem(env!("CARGO_BIN_EXE_vigie")), 2);
    assert_eq!(subsystem(env!("CARGO_BIN_EXE_vigie-panel")), 2);
}

#[test]
fn both_programs_are_aware_of_the_scale_of_each_monitor() {
    for program in [env!("CARGO_BIN_EXE_vigie"), env!("CARGO_BIN_EXE_vigie-panel")] {
        let bytes = std::fs::read(program).unwrap();
        assert!(bytes.windows(13).any(|text| text == b">PerMonitorV2"), "{program} has no manifest");
    }
}

#[test]
fn redirected_commands_write_there_and_return_their_codes() {
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.contains("Vigie veille sur le VPN, rappelle l’arrêt automatique"), "{text}");
    let wrong = run(&["cafetière"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(wrong.stderr).unwrap(),
        "Commande mal écrite\u{a0}: «\u{a0}cafetière\u{a0}». «\u{a0}vigie --help\u{a0}» affiche l’aide.\n"
    );
    assert_eq!(wrong.stdout, b"");
}

#[test]
fn a_batch_file_gets_the_status_and_the_exit_code() {
    let _lock = vigie();
    let dir = tempfile::tempdir().unwrap();
    let (file, batch) = (dir.path().join("état.json"), dir.path().join("status.bat"));
    // A batch file is read in the code page of the console, so that the file name comes from a variable.
    let lines = format!("@\"{}\" status --json > \"%ONTO%\"\r\n@exit /b %ERRORLEVEL%\r\n", env!("CARGO_BIN_EXE_vigie"));
    std::fs::write(&batch, lines).unwrap();
    let code = Command::new("cmd").arg("/c").arg(&batch).env("ONTO", &file).status().unwrap().code();
    let text = std::fs::read_to_string(&file).unwrap();
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    // The status depends on the machine.
    let expected = match status["reaches_inside"].as_bool() {
        Some(true) => 0,
        Some(false) => 3,
        None => 4,
    };
    assert_eq!(code, Some(expected), "{text}");
    let panel = status["panel"].to_string();
    let name = std::env::var("COMPUTERNAME").unwrap();
    assert!(panel.to_lowercase().contains(&name.to_lowercase()), "{name} in {panel}");
    assert!(panel.contains("Windows"), "{panel}");
}

#[test]
fn a_second_start_asks_the_first_and_commands_use_it() {
    let _lock = vigie();
    let first = Vigie::start(&[]);
    until(DEADLINE, "the icon", tray_icon);
    let second = run(&[]);
    let complaint = String::from_utf8_lossy(&second.stderr);
    assert_eq!((second.status.code(), second.stdout), (Some(0), Vec::new()), "{complaint}");
    assert_eq!(first.windows("tray_icon_app").len(), 1);

    // The running instance answers.
    let asked = Instant::now();
    let status = run(&["status", "--json"]);
    assert!(serde_json::from_slice::<serde_json::Value>(&status.stdout).is_ok());
    assert!(asked.elapsed() < Duration::from_secs(5), "the command probed by itself");

    // wine has no WebView2, so that the panel cannot open.
    until(DEADLINE, "the warning about WebView2", || log().contains("WebView2 is not installed"));
    assert!(harness::folder("LOCALAPPDATA").join("state.json").is_file(), "the state file is missing");

    // The program is registered for toasts.
    let classes = RegKey::predef(HKEY_CURRENT_USER).open_subkey(r"Software\Classes").unwrap();
    let app = classes.open_subkey(r"AppUserModelId\fr.ac_normandie.vigie").unwrap();
    let activator: String = app.get_value("CustomActivator").unwrap();
    let server = classes.open_subkey(format!(r"CLSID\{activator}\LocalServer32")).unwrap();
    let command: String = server.get_value("").unwrap();
    assert_eq!(command.trim_matches('"').to_lowercase(), first.program().to_lowercase());
}

#[test]
fn an_icon_that_the_taskbar_lost_without_a_word_comes_back() {
    let _lock = vigie();
    let first = Vigie::start(&[]);
    until(DEADLINE, "the icon", tray_icon);
    let [window] = first.windows("tray_icon_app")[..] else { panic!("one window has the icon") };
    let mut removed = false;
    // Vigie, which has just started, may show it again at once.
    until(DEADLINE, "its end", || {
        removed |= harness::remove_tray_icon(window);
        removed && !tray_icon()
    });
    // Any event will do.
    until(3 * DEADLINE, "the icon again", || {
        assert!(run(&["reload"]).status.success());
        tray_icon()
    });
}

#[test]
fn a_start_by_the_action_centre_is_a_normal_start() {
    let _lock = vigie();
    let first = Vigie::start(&["-Embedding"]);
    until(DEADLINE, "the icon", tray_icon);
    drop(first);
}

#[test]
fn at_the_end_of_the_session_vigie_ends_before_it_lets_windows_go_on() {
    let _lock = vigie();
    let mut first = Vigie::start_and_log("debug");
    until(DEADLINE, "the icon", tray_icon);
    let ended = || log().matches("ended").count();
    let before = ended();
    assert_eq!(first.end_session(false), [1], "Vigie delays the end of the session");
    // Events are handled in order: had the first message ended the program, it would not handle this one.
    let panels = || log().matches("Action(ShowPanel)").count();
    let before_panel = panels();
    assert_eq!(run(&[]).status.code(), Some(0));
    until(DEADLINE, "the second start", || panels() > before_panel);
    assert!(tray_icon(), "a cancelled end of the session ended the program");
    first.end_session(true);
    assert_eq!(first.wait(), Some(0));
    assert_eq!(ended(), before + 1, "it ended in order: {}", log());
}

#[test]
fn quit_ends_it_and_removes_the_icon() {
    let _lock = vigie();
    let mut first = Vigie::start(&[]);
    until(DEADLINE, "the icon", tray_icon);
    let quit = run(&["quit"]);
    assert_eq!(quit.status.code(), Some(0), "{}", String::from_utf8_lossy(&quit.stderr));
    assert_eq!(first.wait(), Some(0));
    assert!(!tray_icon(), "the icon is left in the taskbar");
}

#[test]
fn taskkill_ends_it_properly() {
    let _lock = vigie();
    let mut first = Vigie::start(&[]);
    until(DEADLINE, "the icon", tray_icon);
    let before = log().matches("ended").count();
    first.close();
    assert_eq!(first.wait(), Some(0));
    assert_eq!(log().matches("ended").count(), before + 1);
}

/// Waits until the status is known, so that the icon stays the same.
fn wait_for_status() {
    until(DEADLINE, "a status", || {
        let status: serde_json::Value = serde_json::from_slice(&run(&["status", "--json"]).stdout).unwrap();
        status["reaches_inside"].is_boolean()
    });
}

#[test]
fn the_icon_follows_the_theme_of_the_taskbar() {
    let _lock = vigie();
    let path = r"Software\Microsoft\Windows\CurrentVersion\Themes\Personalize";
    let (themes, _) = RegKey::predef(HKEY_CURRENT_USER).create_subkey(path).unwrap();
    let choose = |light: u32| {
        themes.set_value("SystemUsesLightTheme", &light).unwrap();
        harness::announce_theme();
    };
    choose(1);
    let _first = Vigie::start(&[]);
    until(DEADLINE, "the icon", tray_icon);
    wait_for_status();
    let on_light = harness::icon_picture();
    choose(0);
    until(DEADLINE, "another picture", || harness::icon_picture() != on_light);
    choose(1);
    until(DEADLINE, "the first picture", || harness::icon_picture() == on_light);
    themes.delete_value("SystemUsesLightTheme").unwrap();
}

#[test]
fn a_left_click_opens_the_panel_and_a_right_click_a_working_menu() {
    let _lock = vigie();
    let run = || RegKey::predef(HKEY_CURRENT_USER).open_subkey(r"Software\Microsoft\Windows\CurrentVersion\Run");
    let starts = || run().and_then(|key| key.get_value::<String, _>("Vigie")).is_ok();
    assert!(!starts());
    let panels = || log().matches("event=Action(ShowPanel)").count();
    let before = panels();
    let mut first = Vigie::start_and_log("debug");
    until(DEADLINE, "the icon", tray_icon);
    first.patch_icon_position();
    harness::click_icon(harness::LEFT);
    until(DEADLINE, "the click", || panels() > before);
    let choose = |keys: &[VIRTUAL_KEY]| {
        until(DEADLINE, "the end of another menu", || !harness::menu_is_open());
        harness::click_icon(harness::RIGHT);
        until(DEADLINE, "the menu", harness::menu_is_open);
        harness::press(keys);
    };
    // Counted from the end: "Lancer Vigie à l’ouverture de session".
    choose(&[VK_UP, VK_UP, VK_UP, VK_RETURN]);
    until(DEADLINE, "the autostart entry", starts);
    choose(&[VK_UP, VK_UP, VK_UP, VK_RETURN]);
    until(DEADLINE, "the end of the autostart entry", || !starts());
    choose(&[VK_ESCAPE]);
    // "Quitter".
    choose(&[VK_UP, VK_RETURN]);
    assert_eq!(first.wait(), Some(0));
}

#[test]
fn at_login_it_does_not_start_if_the_user_declined() {
    let _lock = vigie();
    let (key, _) = RegKey::predef(HKEY_CURRENT_USER).create_subkey(r"Software\Vigie").unwrap();
    key.set_value("NoAutostart", &1_u32).unwrap();
    let declined = run(&["--at-login"]);
    assert_eq!(declined.status.code(), Some(0));
    assert!(!tray_icon());
    key.delete_value("NoAutostart").unwrap();
    let _first = Vigie::start(&["--at-login"]);
    until(DEADLINE, "the icon", tray_icon);
}

#[test]
fn configuration_files_are_where_windows_keeps_them_and_only_administrators_write_the_machines() {
    let _lock = vigie();
    let (user, machine) =
        (harness::folder("APPDATA").join("vigie.toml"), harness::folder("ProgramData").join("vigie.toml"));
    for (file, text) in [(&user, "[vpn]\nprobe_seconds = 77\n"), (&machine, "[vpn]\nprobe_timeout_seconds = 7\n")] {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let shown = String::from_utf8(run(&["config", "show"]).stdout).unwrap();
    let value = format!("probe_seconds = 77  # utilisateur ({}, ligne 2)", user.display());
    assert!(shown.contains(&value), "{shown}");
    // An ordinary user has written the machine's file: it is reported, and does not count.
    let reported = shown.lines().find(|line| line.starts_with(&format!("- {}", machine.display())));
    assert!(reported.is_some_and(|line| line.contains("utilisateur ordinaire")), "{shown}");
    assert!(!shown.contains("probe_timeout_seconds = 7 "), "{shown}");
    for file in [user, machine] {
        std::fs::remove_file(file).unwrap();
    }
}
