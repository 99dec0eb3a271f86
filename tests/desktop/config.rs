//! The configuration files: `vigie config`, and a tray that runs in spite of a broken file.

use crate::harness::vpn::TestVpn;
use crate::harness::{DEADLINE, Desktop, wait_for};
use std::path::Path;

/// Runs a command, and returns its standard output, standard error and exit code.
fn vigie(desktop: &Desktop, arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = desktop.vigie().args(arguments).output().expect("vigie starts");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

/// Keeps the state of the machine that runs the tests out of the icon.
const NO_MACHINE_WARNINGS: &str = "[panel]\nwarn_disk_free_percent = 0\nwarn_uptime_days = 10000\n";

fn path(path: &Path) -> &str {
    path.to_str().expect("the path is UTF-8")
}

#[test]
fn a_broken_file_is_reported_and_the_tray_runs() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.configure(NO_MACHINE_WARNINGS);
    desktop.skip_first_run();
    vpn.unplug();
    let (vigie, item) = desktop.start_vigie();
    item.wait_for_menu("Hors ligne");
    assert!(!item.menu().contains("Configuration"), "{}", item.menu());
    let plain = item.icon();
    drop(vigie);

    let file = desktop
        .configure(&format!("[vpn]\nprobe_timeout_seconds = 1\nprobe_seconds = \"souvent\"\n\n{NO_MACHINE_WARNINGS}"));
    let (_vigie, item) = desktop.start_vigie();
    let warning = desktop.notifications().wait(0, "Configuration de Vigie en partie ignorée");
    let place = format!("«\u{a0}vpn.probe_seconds\u{a0}», ligne 11, {}.", file.display());
    assert!(warning.body.contains(&place), "{warning:?}");
    assert!(warning.body.contains("il faut un nombre entier"), "{warning:?}");
    let menu = item.menu();
    assert_eq!(menu.lines().nth(1), Some("Configuration en partie ignorée : voir le panneau"), "{menu}");
    // The icon has a badge in addition to the status.
    item.wait_for_menu("Hors ligne");
    assert_ne!(item.icon(), plain);
    desktop.screenshot("broken");
    // Events are handled in order: a second warning would come before this notification.
    item.click(&["À propos"]);
    desktop.notifications().wait(1, &format!("Vigie {}", env!("CARGO_PKG_VERSION")));
    assert_eq!(desktop.notifications().all().len(), 2);
    desktop.press_button(&warning, "Rétablir");
    wait_for("the bad value to be removed", DEADLINE, || {
        let text = std::fs::read_to_string(&file).expect("it is there");
        (!text.contains("souvent") && text.contains("probe_timeout_seconds = 1")).then_some(())
    });
    wait_for("the end of the warning", DEADLINE, || (!item.menu().contains("Configuration")).then_some(()));
}

#[test]
fn config_check_reports_the_faults_of_a_file() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    let good = desktop.write("good.toml", "[shutdown]\nat = \"20:00\"\n");
    assert_eq!(
        vigie(&desktop, &["config", "check", path(&good)]),
        (format!("{} : aucun défaut.\n", good.display()), String::new(), Some(0))
    );
    let wrong = desktop.write("wrong.toml", "[vpn]\nprobe_seconds = \"x\"\n\n[shutdown]\nwhen = \"20:00\"\n");
    let (text, errors, code) = vigie(&desktop, &["config", "check", path(&wrong)]);
    assert_eq!((text.as_str(), code), ("", Some(1)));
    let file = wrong.display();
    assert_eq!(
        errors,
        format!(
            "{file}, ligne 2, « vpn.probe_seconds » : la valeur \"x\" ne convient pas ; il faut un nombre entier de 0 à 4294967295\n\
             {file}, ligne 5, « shutdown.when » : cette clé n’existe pas ; clés possibles : at, enabled, leads_minutes\n"
        )
    );
    let torn = desktop.write("torn.toml", "[vpn]\nprobe_seconds = \n");
    let (_, errors, code) = vigie(&desktop, &["config", "check", path(&torn)]);
    assert!(errors.starts_with(&format!("{}, ligne 2 : ce n’est pas du TOML (", torn.display())), "{errors}");
    assert_eq!(code, Some(1));
    let (_, errors, code) = vigie(&desktop, &["config", "check", "/nonexistent"]);
    assert_eq!((errors.as_str(), code), ("/nonexistent : ce fichier n’existe pas\n", Some(1)));
}

#[test]
fn config_show_prints_each_value_with_its_source() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    let assert_shown = |lines: &[String]| {
        let (text, errors, code) = vigie(&desktop, &["config", "show"]);
        for line in lines {
            assert!(text.lines().any(|shown| shown == line), "no {line:?} in\n{text}");
        }
        assert_eq!((errors.as_str(), code), ("", Some(0)));
    };
    let file = desktop.configure("[shutdown]\nat = \"20:00\"\n");
    let user = |line: u32| format!("  # utilisateur ({}, ligne {line})", file.display());
    assert_shown(&[
        "link.amigo.url = \"http://assistance.ac-normandie.fr/\"  # guide".into(),
        "vpn.probe_seconds = 60  # guide".into(),
        format!("user.site = \"caen\"{}", user(2)),
        format!("site.caen.gateway = \"portailotp.test\"{}", user(6)),
        format!("shutdown.at = \"20:00\"{}", user(10)),
    ]);
    // Only what is wrong in a file is ignored.
    desktop.configure("[shutdown]\nat = \"20:00\"\nbogus = 1\n");
    let fault = "« shutdown.bogus » : cette clé n’existe pas ; clés possibles : at, enabled, leads_minutes";
    assert_shown(&[format!("shutdown.at = \"20:00\"{}", user(10)), format!("- {}, ligne 11, {fault}", file.display())]);
}

#[test]
fn changed_files_of_user_and_machine_are_taken_over_while_vigie_runs() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    desktop.configure(NO_MACHINE_WARNINGS);
    // So that the folder is there; it says nothing.
    let machine = desktop.write("machine/etc/vigie/vigie.toml", "# rien\n");
    let tray = desktop.spawn("vigie", &desktop.vigie_on_isolated_machine());
    let item = desktop.item_of(tray.pid());
    item.wait_for_menu("à 21 h 30 (greyed)\n");

    let user = desktop.configure(&format!("[shutdown]\nat = \"20:10\"\n{NO_MACHINE_WARNINGS}"));
    item.wait_for_menu("à 20 h 10 (greyed)\n");
    // The machine locks it, in a file that replaces the old one.
    let new = desktop.write("machine/etc/vigie/new", "locked = [\"shutdown.at\"]\n[shutdown]\nat = \"20:20\"\n");
    std::fs::rename(new, &machine).expect("the file is replaced");
    item.wait_for_menu("à 20 h 20 (greyed)\n");
    let locked = desktop.notifications().wait(0, "Configuration de Vigie en partie ignorée");
    assert!(locked.body.contains(&user.display().to_string()), "{locked:?}");
    // Who may write the machine's file does not matter before it is right again.
    let mode = std::os::unix::fs::PermissionsExt::from_mode;
    std::fs::set_permissions(&machine, mode(0o666)).expect("permissions");
    item.wait_for_menu("à 20 h 10 (greyed)\n");
    std::fs::set_permissions(&machine, mode(0o644)).expect("permissions");
    item.wait_for_menu("à 20 h 20 (greyed)\n");
    std::fs::remove_file(&user).expect("removed");
    wait_for("the end of the warning", DEADLINE, || (!item.menu().contains("Configuration en partie")).then_some(()));
    std::fs::remove_file(&machine).expect("removed");
    item.wait_for_menu("à 21 h 30 (greyed)\n");
}

#[test]
fn reload_reports_the_faults_and_needs_no_running_vigie() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    desktop.configure(NO_MACHINE_WARNINGS);
    assert_eq!(vigie(&desktop, &["reload"]), (String::new(), String::new(), Some(0)));
    let (_tray, item) = desktop.start_vigie();
    item.wait_for_menu("à 21 h 30 (greyed)\n");
    assert_eq!(vigie(&desktop, &["reload"]), (String::new(), String::new(), Some(0)));
    let file = desktop.configure("[shutdown]\nat = \"20:10\"\nbogus = 1\n");
    let (text, errors, code) = vigie(&desktop, &["reload"]);
    assert!(errors.starts_with(&format!("{}, ligne 11, « shutdown.bogus »", file.display())), "{errors}");
    assert_eq!((text.as_str(), code), ("", Some(1)));
    item.wait_for_menu("à 20 h 10 (greyed)\n");
}
