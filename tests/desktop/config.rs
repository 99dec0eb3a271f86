//! The configuration files: shown, checked, and no reason for the tray not to run when they are broken.

use crate::harness::Desktop;
use crate::harness::vpn::TestVpn;
use std::path::Path;
use std::time::Duration;

fn vigie(desktop: &Desktop, arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = desktop.vigie().args(arguments).output().expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn a_broken_file_is_told_and_the_tray_runs() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    vpn.unplug();
    let (vigie, item) = desktop.start_vigie();
    item.wait_for_menu("Hors ligne");
    assert!(!item.menu().contains("Configuration"), "{}", item.menu());
    let plain = item.icon();
    drop(vigie);

    let file = desktop.configure("[vpn]\nprobe_timeout_seconds = 1\nprobe_seconds = \"souvent\"\n");
    let (_vigie, item) = desktop.start_vigie();
    let told = desktop.notifications().wait(0, "Configuration de Vigie en partie ignorée");
    let place = format!("{}, ligne 11, «\u{a0}vpn.probe_seconds\u{a0}»", file.display());
    assert!(told.body.contains(&place), "{told:?}");
    assert!(told.body.contains("il faut un nombre entier"), "{told:?}");
    let menu = item.menu();
    assert_eq!(menu.lines().nth(1), Some("Configuration en partie ignorée : voir le panneau"), "{menu}");
    // The icon has a mark beside its verdict.
    item.wait_for_menu("Hors ligne");
    assert_ne!(item.icon(), plain);
    desktop.screenshot("broken");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(desktop.notifications().all().len(), 1);
    desktop.press_button(&told, "Voir le panneau");
    desktop.wait_for_window("Vigie", true);
}

#[test]
fn a_file_is_checked_before_it_is_installed() {
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
fn every_value_is_shown_with_its_source() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    let holds = |lines: &[String]| {
        let (text, errors, code) = vigie(&desktop, &["config", "show"]);
        for line in lines {
            assert!(text.lines().any(|shown| shown == line), "no {line:?} in\n{text}");
        }
        assert_eq!((errors.as_str(), code), ("", Some(0)));
    };
    let file = desktop.configure("[shutdown]\nat = \"20:00\"\n");
    let user = |line: u32| format!("  # utilisateur ({}, ligne {line})", file.display());
    holds(&[
        "link.amigo.url = \"http://assistance.ac-normandie.fr/\"  # guide".into(),
        "vpn.probe_seconds = 60  # guide".into(),
        format!("user.site = \"caen\"{}", user(2)),
        format!("site.caen.gateway = \"portailotp.test\"{}", user(6)),
        format!("shutdown.at = \"20:00\"{}", user(10)),
    ]);
    // With a fault in it, the file does not count.
    desktop.configure("[shutdown]\nat = \"20:00\"\nbogus = 1\n");
    let fault = "« shutdown.bogus » : cette clé n’existe pas ; clés possibles : at, enabled, leads_minutes";
    holds(&["shutdown.at = \"21:30\"  # guide".into(), format!("- {}, ligne 11, {fault}", file.display())]);
}
