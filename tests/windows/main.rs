//! The real programs on Windows, as far as wine shows it (`make test-windows`; what it cannot show is walked by hand,
//! docs/windows-checklist.md). The user's Windows is not touched: each test wants wine.

#![cfg(windows)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use harness::{Console, DEADLINE, Vigie, log, run, tray_icon, until, vigie};
use std::os::windows::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use windows::Win32::UI::Input::KeyboardAndMouse::{VIRTUAL_KEY, VK_ESCAPE, VK_RETURN, VK_UP};
use winreg::RegKey;
use winreg::enums::HKEY_CURRENT_USER;

/// The subsystem in a program's header: 2 is graphical, 3 has a console (Microsoft, "PE Format").
fn subsystem(program: &str) -> u8 {
    let bytes = std::fs::read(program).unwrap();
    let at = u32::from_le_bytes(bytes[0x3c..0x40].try_into().unwrap()) as usize;
    assert_eq!(&bytes[at..at + 4], b"PE\0\0");
    bytes[at + 24 + 68]
}

#[test]
fn neither_program_ever_opens_a_console() {
    assert_eq!(subsystem(env!("CARGO_BIN_EXE_vigie")), 2);
    assert_eq!(subsystem(env!("CARGO_BIN_EXE_vigie-panel")), 2);
}

#[test]
fn both_programs_say_that_they_know_each_screens_scale() {
    for program in [env!("CARGO_BIN_EXE_vigie"), env!("CARGO_BIN_EXE_vigie-panel")] {
        let bytes = std::fs::read(program).unwrap();
        assert!(bytes.windows(13).any(|text| text == b">PerMonitorV2"), "{program} has no manifest");
    }
}

#[test]
fn commands_write_where_they_are_redirected_and_end_with_their_codes() {
    let help = run(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.contains("Vigie veille sur le VPN, rappelle l’arrêt automatique"), "{text}");
    let wrong = run(&["cafetière"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(
        String::from_utf8(wrong.stderr).unwrap(),
        "Commande mal écrite : « cafetière ». « vigie --help » affiche l’aide.\n"
    );
    assert_eq!(wrong.stdout, b"");
}

#[test]
fn a_batch_file_finds_the_status_in_its_file_and_the_code() {
    let _lock = vigie();
    let dir = tempfile::tempdir().unwrap();
    let (file, batch) = (dir.path().join("état.json"), dir.path().join("look.bat"));
    // A batch file is read in the console's own code page; the file's name comes from outside.
    let lines = format!("@\"{}\" status --json > \"%ONTO%\"\r\n@exit /b %ERRORLEVEL%\r\n", env!("CARGO_BIN_EXE_vigie"));
    std::fs::write(&batch, lines).unwrap();
    let code = Command::new("cmd").arg("/c").arg(&batch).env("ONTO", &file).status().unwrap().code();
    let text = std::fs::read_to_string(&file).unwrap();
    let status: serde_json::Value = serde_json::from_str(&text).unwrap();
    // What is within reach is the machine's business.
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

/// Not a test of its own: what the process of the test below runs. It stands in for a shell that has a console.
#[test]
fn a_shell_with_a_console() {
    let Some(answer) = std::env::var_os("VIGIE_TEST_SHELL") else { return };
    let console = Console::own();
    let status = Command::new(env!("CARGO_BIN_EXE_vigie")).arg("--version").status().unwrap();
    std::fs::write(answer, format!("{:?} {}", status.code(), console.text())).unwrap();
}

#[test]
fn in_a_console_a_command_writes_there() {
    let dir = tempfile::tempdir().unwrap();
    let answer = dir.path().join("answer");
    let shell = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_shell_with_a_console"])
        .env("VIGIE_TEST_SHELL", &answer)
        .creation_flags(windows::Win32::System::Threading::DETACHED_PROCESS.0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(shell.success());
    let said = std::fs::read_to_string(&answer).unwrap();
    assert!(said.starts_with(&format!("Some(0) vigie {}", env!("CARGO_PKG_VERSION"))), "{said}");
}

#[test]
fn the_tray_stands_once_and_a_second_start_asks_the_first() {
    let _lock = vigie();
    let first = Vigie::start(&[]);
    until(DEADLINE, "the icon", tray_icon);
    let second = run(&[]);
    let complaint = String::from_utf8_lossy(&second.stderr);
    assert_eq!((second.status.code(), second.stdout), (Some(0), Vec::new()), "{complaint}");
    assert_eq!(first.windows("tray_icon_app").len(), 1);

    // The first answers for the second.
    let asked = Instant::now();
    let status = run(&["status", "--json"]);
    assert!(serde_json::from_slice::<serde_json::Value>(&status.stdout).is_ok());
    assert!(asked.elapsed() < Duration::from_secs(5), "it looked for itself");

    // Here is no WebView2, so the panel that both starts ask for cannot come.
    until(DEADLINE, "a word on WebView2", || log().contains("WebView2 is not installed"));
    assert!(harness::folder("LOCALAPPDATA").join("state.json").is_file(), "the memory");

    // Windows knows who shows the toasts.
    let classes = RegKey::predef(HKEY_CURRENT_USER).open_subkey(r"Software\Classes").unwrap();
    let app = classes.open_subkey(r"AppUserModelId\fr.ac_normandie.vigie").unwrap();
    let activator: String = app.get_value("CustomActivator").unwrap();
    let server = classes.open_subkey(format!(r"CLSID\{activator}\LocalServer32")).unwrap();
    let command: String = server.get_value("").unwrap();
    assert_eq!(command.trim_matches('"').to_lowercase(), first.program().to_lowercase());
}

#[test]
fn a_click_in_the_action_centre_starts_vigie_like_any_other_start() {
    let _lock = vigie();
    let first = Vigie::start(&["-Embedding"]);
    until(DEADLINE, "the icon", tray_icon);
    drop(first);
}

#[test]
fn at_the_sessions_end_vigie_takes_its_leave_before_it_lets_it_go_on() {
    let _lock = vigie();
    let mut first = Vigie::start(&[]);
    until(DEADLINE, "the icon", tray_icon);
    let ended = || log().matches("ended").count();
    let before = ended();
    assert_eq!(first.session_end(false), [1], "nobody is held up by Vigie");
    std::thread::sleep(Duration::from_millis(300));
    assert!(tray_icon(), "a session's end that was called off ends nothing");
    first.session_end(true);
    assert_eq!(first.ended(), Some(0));
    assert_eq!(ended(), before + 1, "it ended in order: {}", log());
}

#[test]
fn asked_to_end_it_takes_its_icon_along() {
    let _lock = vigie();
    let mut first = Vigie::start(&[]);
    until(DEADLINE, "the icon", tray_icon);
    let quit = run(&["quit"]);
    assert_eq!(quit.status.code(), Some(0), "{}", String::from_utf8_lossy(&quit.stderr));
    assert_eq!(first.ended(), Some(0));
    assert!(!tray_icon(), "the icon is left to the taskbar");
}

#[test]
fn taskkill_ends_it_in_order() {
    let _lock = vigie();
    let mut first = Vigie::start(&[]);
    until(DEADLINE, "the icon", tray_icon);
    let before = log().matches("ended").count();
    first.close();
    assert_eq!(first.ended(), Some(0));
    assert_eq!(log().matches("ended").count(), before + 1);
}

/// Waits until the verdict is known: the icon stays as it is from now on.
fn settled() {
    until(DEADLINE, "a verdict", || {
        let status: serde_json::Value = serde_json::from_slice(&run(&["status", "--json"]).stdout).unwrap();
        status["reaches_inside"].is_boolean()
    });
}

#[test]
fn the_icon_follows_the_taskbars_theme() {
    let _lock = vigie();
    let path = r"Software\Microsoft\Windows\CurrentVersion\Themes\Personalize";
    let (themes, _) = RegKey::predef(HKEY_CURRENT_USER).create_subkey(path).unwrap();
    let choose = |light: u32| {
        themes.set_value("SystemUsesLightTheme", &light).unwrap();
        harness::tell_theme();
    };
    choose(1);
    let _first = Vigie::start(&[]);
    until(DEADLINE, "the icon", tray_icon);
    settled();
    let on_light = harness::icon_picture();
    choose(0);
    until(DEADLINE, "another picture", || harness::icon_picture() != on_light);
    choose(1);
    until(DEADLINE, "the first picture", || harness::icon_picture() == on_light);
    themes.delete_value("SystemUsesLightTheme").unwrap();
}

#[test]
fn a_click_asks_for_the_panel_and_a_right_one_opens_the_menu_whose_lines_do_what_they_say() {
    let _lock = vigie();
    let run = || RegKey::predef(HKEY_CURRENT_USER).open_subkey(r"Software\Microsoft\Windows\CurrentVersion\Run");
    let starts = || run().and_then(|key| key.get_value::<String, _>("Vigie")).is_ok();
    assert!(!starts());
    let asked = || log().matches("event=Asked(ShowPanel)").count();
    let before = asked();
    let mut first = Vigie::start_and_log("debug");
    until(DEADLINE, "the icon", tray_icon);
    first.tell_icons_place();
    harness::click_icon(harness::LEFT);
    until(DEADLINE, "the click", || asked() > before);
    let choose = |keys: &[VIRTUAL_KEY]| {
        until(DEADLINE, "the end of another menu", || !harness::menu());
        harness::click_icon(harness::RIGHT);
        until(DEADLINE, "the menu", harness::menu);
        harness::press(keys);
    };
    // Counted from the end: "Lancer à l’ouverture de session".
    choose(&[VK_UP, VK_UP, VK_UP, VK_RETURN]);
    until(DEADLINE, "the entry", starts);
    choose(&[VK_UP, VK_UP, VK_UP, VK_RETURN]);
    until(DEADLINE, "its end", || !starts());
    choose(&[VK_ESCAPE]);
    // "Quitter".
    choose(&[VK_UP, VK_RETURN]);
    assert_eq!(first.ended(), Some(0));
}

#[test]
fn at_login_it_stays_away_from_who_declined() {
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
fn both_configuration_files_are_read_where_windows_keeps_them() {
    let _lock = vigie();
    let (user, machine) =
        (harness::folder("APPDATA").join("vigie.toml"), harness::folder("ProgramData").join("vigie.toml"));
    for (file, text) in [(&user, "[vpn]\nprobe_seconds = 77\n"), (&machine, "[vpn]\nprobe_timeout_seconds = 7\n")] {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let shown = String::from_utf8(run(&["config", "show"]).stdout).unwrap();
    for (value, file) in [("probe_seconds = 77", &user), ("probe_timeout_seconds = 7", &machine)] {
        let line = shown.lines().find(|line| line.contains(value));
        let line = line.unwrap_or_else(|| panic!("{value} is missing in\n{shown}"));
        assert!(shown.contains(&file.display().to_string()), "{line}: {}", file.display());
        std::fs::remove_file(file).unwrap();
    }
}
