//! What each menu item does: start a program, open an address, copy a text.

use crate::harness::login1::FakeLogind;
use crate::harness::notifications::ObservedNotification;
use crate::harness::tray::{MenuItem, TrayItem};
use crate::harness::vpn::TestVpn;
use crate::harness::{DEADLINE, Desktop};
use std::fs;
use vigie_profile::{Link, Paths, Profile};

/// The profile without any configuration file.
fn guide() -> std::sync::Arc<Profile> {
    let nowhere = Paths { machine: "/nonexistent/vigie.toml".into(), user: "/nonexistent/vigie.toml".into() };
    vigie_profile::load(&nowhere).profile
}

fn labels(items: &[MenuItem]) -> Vec<String> {
    items.iter().map(MenuItem::label).collect()
}

fn submenu(item: &TrayItem, label: &str) -> Vec<MenuItem> {
    item.menu_items().into_iter().find(|line| line.label() == label).unwrap_or_else(|| panic!("no {label:?}")).children
}

fn plain(text: &str) -> String {
    text.replace('\u{a0}', " ")
}

#[test]
fn every_link_of_the_guide_opens_its_address() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    let _login1 = FakeLogind::start(&desktop);
    let browser = desktop.record_program("xdg-open");
    let (_vigie, item) = desktop.start_vigie();
    let guide = guide();
    let mut opened = 0;
    for site in ["caen", "rouen"] {
        let name =
            guide.sites.iter().find(|known| known.id == site).map(|site| &site.name).expect("the site is in the guide");
        let line =
            submenu(&item, "Mon site").iter().map(MenuItem::label).find(|label| label.starts_with(name.as_str()));
        item.click(&["Mon site", &line.expect("the site is in the menu")]);
        item.wait_for_menu(&format!("(o) {name} ("));
        let applications = labels(&submenu(&item, "Applications"));
        let mut alone = Vec::new();
        for section in &guide.sections {
            let here = |own: bool| {
                let wanted = own.then_some(site);
                guide.links.iter().filter(move |link| link.section == section.id && link.site.as_deref() == wanted)
            };
            let links: Vec<&Link> = here(true).chain(here(false)).collect();
            let names: Vec<String> = links.iter().map(|link| plain(&link.label)).collect();
            let parent = if links.len() == 1 { "Applications".to_owned() } else { plain(&section.label) };
            if links.len() == 1 {
                alone.extend(names);
            } else {
                assert_eq!(labels(&submenu(&item, &parent)), names);
            }
            for link in links {
                item.click(&[&parent, &plain(&link.label)]);
                assert_eq!(browser.next_call(opened), [link.url.as_str()], "{}", link.id);
                opened += 1;
            }
        }
        assert_eq!(applications, alone);
    }
    let amigo = item.menu_items().iter().map(MenuItem::label).find(|label| label.starts_with("Assistance AMIGO"));
    item.click(&[&amigo.expect("AMIGO is in the menu")]);
    // Its form, with the report, before its site.
    desktop.wait_for_window("Vigie", true);
    assert_eq!(browser.calls().len(), opened);
    assert!(desktop.notifications().all().is_empty(), "a notification for a link that was opened");
    desktop.assert_no_warnings_logged();
}

#[test]
fn programs_are_started_by_shortcut_or_from_path() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.configure("[vpn]\nconnect = \"open-client\"\n");
    desktop.skip_first_run();
    let [cisco, isl, wapt] = ["vpnui", "ISLLightClient", "waptself"].map(|name| desktop.record_program(name));
    let (_vigie, item) = desktop.start_vigie();
    item.wait_for_menu("VPN déconnecté");
    item.click(&["Se connecter au VPN…"]);
    item.click(&["Télémaintenance"]);
    item.click(&["Installer un logiciel (WAPT)"]);
    for program in [&cisco, &isl, &wapt] {
        assert_eq!(program.next_call(0), Vec::<String>::new());
    }
    // The shortcut named by the guide takes precedence over the program on PATH.
    let shortcut = desktop.record_program("telemaintenance");
    desktop.write(
        ".local/share/applications/isl.desktop",
        "[Desktop Entry]\nType=Application\nName=Telemaintenance acNormandie Client\nExec=telemaintenance --from \"the shortcut\" %u\n",
    );
    item.click(&["Télémaintenance"]);
    assert_eq!(shortcut.next_call(0), ["--from", "the shortcut"]);
    assert_eq!((isl.calls().len(), desktop.notifications().all().len()), (1, 0));
}

/// Clicks "Télémaintenance", and waits for the notification with this title.
fn start_remote_support(desktop: &Desktop, item: &TrayItem, title: &str) -> ObservedNotification {
    let seen = desktop.notifications().all().len();
    item.click(&["Télémaintenance"]);
    desktop.notifications().wait(seen, title)
}

#[test]
fn a_missing_program_is_offered_for_installation_or_download() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.configure("[vpn]\nconnect = \"open-client\"\n");
    desktop.skip_first_run();
    let browser = desktop.record_program("xdg-open");
    let wapt = desktop.record_program("waptself");
    let (_vigie, item) = desktop.start_vigie();
    item.wait_for_menu("VPN déconnecté");

    let missing = "« Télémaintenance » n’est pas installé";
    let notification = start_remote_support(&desktop, &item, missing);
    assert_eq!(wapt.next_call(0), ["--search=telemaintenance"]);
    assert!(notification.body.contains("WAPT Self Service s’ouvre sur ce logiciel"), "{notification:?}");

    desktop.remove_program("waptself");
    let notification = start_remote_support(&desktop, &item, missing);
    assert_eq!(browser.next_call(0), ["https://telemaintenance.ac-normandie.fr/start/ISLLightClient"]);
    assert!(notification.body.contains("La page de téléchargement s’ouvre"), "{notification:?}");
    desktop.screenshot("missing");

    // The guide has no download address for Cisco's client.
    let seen = desktop.notifications().all().len();
    item.click(&["Se connecter au VPN…"]);
    let title = "« Cisco Secure Client » est introuvable sur cet ordinateur";
    let notification = desktop.notifications().wait(seen, title);
    assert_eq!(notification.buttons(), ["Demander à AMIGO"]);
}

#[test]
fn a_failed_launch_is_notified_with_the_next_step() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    desktop.install_program("ISLLightClient", "#!/bin/sh\nexit 7\n");
    let (_vigie, item) = desktop.start_vigie();
    let title = "« Télémaintenance » ne s’est pas ouvert";
    let notification = start_remote_support(&desktop, &item, title);
    assert_eq!(notification.buttons(), ["Réessayer", "Demander à AMIGO"]);
    let isl = desktop.record_program("ISLLightClient");
    desktop.press_button(&notification, "Réessayer");
    assert_eq!(isl.next_call(0), Vec::<String>::new());

    desktop.install_program("ISLLightClient", "not a program");
    let seen = desktop.notifications().all().len();
    item.click(&["Télémaintenance"]);
    desktop.notifications().wait(seen, title);

    desktop.install_program("xdg-open", "#!/bin/sh\nexit 3\n");
    for other in ["gio", "gnome-open", "kde-open"] {
        desktop.install_program(other, "#!/bin/sh\nexit 3\n");
    }
    let seen = desktop.notifications().all().len();
    item.click(&["Téléphone", "Composer *98 (Consulter la messagerie vocale)"]);
    let notification = desktop.notifications().wait(seen, "Le *98 n’a pas pu être composé");
    desktop.press_button(&notification, "Copier le code");
    desktop.notifications().wait(seen, "*98 est copié");
    assert_eq!(desktop.clipboard_text(), "*98");
}

#[test]
fn each_telephone_code_is_copied_or_dialled() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    let phone = desktop.record_program("xdg-open");
    let (_vigie, item) = desktop.start_vigie();
    let guide = guide();
    for code in &guide.codes {
        let number = if code.takes_number { " + n°" } else { "" };
        let seen = desktop.notifications().all().len();
        item.click(&["Téléphone", &format!("Copier {}{number} : {}", code.code, code.label)]);
        desktop.notifications().wait(seen, &format!("{} est copié", code.code));
        assert_eq!(desktop.clipboard_text(), code.code);
        assert_ne!(desktop.clipboard("x-kde-passwordManagerHint").as_deref(), Some("secret"));
    }
    let dialled: Vec<_> = guide.codes.iter().filter(|code| !code.takes_number).collect();
    assert_eq!(dialled.len(), 4);
    for (n, code) in dialled.iter().enumerate() {
        item.click(&["Téléphone", &format!("Composer {} ({})", code.code, code.label)]);
        assert_eq!(phone.next_call(n), [format!("tel:{}", code.code)]);
    }
}

#[test]
fn what_is_copied_can_be_pasted_as_long_as_vigie_runs() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    let (mut vigie, item) = desktop.start_vigie();
    for code in ["*20", "*98"] {
        let seen = desktop.notifications().all().len();
        item.click(&["Téléphone", &copy_entry(code)]);
        desktop.notifications().wait(seen, &format!("{code} est copié"));
    }
    // Pasting takes nothing away.
    assert_eq!([desktop.clipboard_text(), desktop.clipboard_text()], ["*98", "*98"]);
    item.click(&["Quitter"]);
    vigie.wait(DEADLINE);
    assert_eq!(desktop.clipboard_text(), "");
}

/// Returns the entry of the menu that copies this code.
fn copy_entry(code: &str) -> String {
    let guide = guide();
    let entry = guide.codes.iter().find(|known| known.code == code).expect("a code of the guide");
    format!("Copier {code} : {}", entry.label)
}

#[test]
fn reachable_drives_open_and_others_are_disabled() {
    let vpn = TestVpn::start();
    vpn.move_on_site();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    let point = desktop.home().join("machine/shares/données de I");
    fs::create_dir_all(&point).expect("the home folder is writable");
    desktop
        .configure("[[drive]]\nletter = \"I\"\nmount_points = [\"/mnt/nowhere\", \"~/machine/shares/données de I\"]\n");
    let files = desktop.record_program("xdg-open");
    let vigie = desktop.spawn("vigie", &desktop.vigie_on_isolated_machine());
    let item = desktop.item_of(vigie.pid());
    item.wait_for_menu("Sur site");
    let menu = item.wait_for_menu("Demander le lecteur T à AMIGO : données professionnelles\n");
    assert!(menu.contains("\n  Ouvrir le lecteur I : données professionnelles\n"), "{menu}");
    item.click(&["Lecteurs réseau", "Ouvrir le lecteur I : données professionnelles"]);
    assert_eq!(files.next_call(0), [point.display().to_string()]);
    vpn.unplug();
    item.wait_for_menu("\n  Lecteur I : données professionnelles (hors d’atteinte : pas de réseau) (greyed)\n");
}

#[test]
fn the_site_is_saved_without_other_changes_to_the_users_file() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    let file = desktop.configure("# À moi : ne pas effacer.\n[panel]\nwarn_uptime_days = 21 # jours\n");
    let before = fs::read_to_string(&file).expect("the file was just written");
    let (_vigie, item) = desktop.start_vigie();
    let menu = item.wait_for_menu("\n  (o) Caen (Calvados, Manche, Orne)\n  ( ) Rouen (Seine-Maritime, Eure)\n");
    assert!(menu.contains("\n  Tribu (par l’intranet)\n"), "{menu}");
    item.click(&["Mon site", "Rouen (Seine-Maritime, Eure)"]);
    let menu = item.wait_for_menu("\n  ( ) Caen (Calvados, Manche, Orne)\n  (o) Rouen (Seine-Maritime, Eure)\n");
    assert!(menu.contains("\n  Envoi de fichiers (Filesender)\n") && !menu.contains("par l’intranet"), "{menu}");
    let after = fs::read_to_string(&file).expect("the file exists");
    assert_eq!(after, before.replace("site = \"caen\"", "site = \"rouen\""));

    // A failure to save is notified, and the menu keeps the old site.
    fs::remove_file(&file).expect("the file exists");
    fs::create_dir(&file).expect("the home folder is writable");
    item.click(&["Mon site", "Caen (Calvados, Manche, Orne)"]);
    desktop.notifications().wait(0, "Votre choix n’a pas été enregistré");
    item.wait_for_menu("\n  (o) Rouen (Seine-Maritime, Eure)\n");
}

#[test]
fn autostart_is_switched_on_and_off() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    let (_vigie, item) = desktop.start_vigie();
    let entry = desktop.home().join(".config/autostart/vigie.desktop");
    item.wait_for_menu("\n[ ] Lancer Vigie à l’ouverture de session\n");
    item.click(&["Lancer Vigie à l’ouverture de session"]);
    item.wait_for_menu("\n[x] Lancer Vigie à l’ouverture de session\n");
    let text = fs::read_to_string(&entry).expect("the autostart entry exists");
    assert!(text.contains(&format!("Exec=\"{}\"\n", env!("CARGO_BIN_EXE_vigie"))), "{text}");
    item.click(&["Lancer Vigie à l’ouverture de session"]);
    item.wait_for_menu("\n[ ] Lancer Vigie à l’ouverture de session\n");
    assert!(!entry.exists());
}

#[test]
fn the_info_for_the_helpdesk_is_copied_and_about_is_shown() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    let (_vigie, item) = desktop.start_vigie();
    item.wait_for_menu("VPN déconnecté");
    item.wait_for_menu("hors d’atteinte : VPN déconnecté");
    item.click(&["Copier les infos pour l’assistance"]);
    desktop.notifications().wait(0, "Les infos pour l’assistance sont copiées");
    let pasted = desktop.clipboard_text();
    let (taken, infos) = pasted.split_once('\n').expect("it has several lines");
    assert!(taken.starts_with("Vigie, le "), "{taken}");
    let status = desktop.vigie().arg("status").output().expect("vigie starts");
    let status = String::from_utf8_lossy(&status.stdout);
    assert!(infos.starts_with(&*status), "{infos}\nis not\n{status}");
    assert!(infos.contains("Adresse IP locale : 192.168.77.2\n"), "{infos}");

    item.click(&["À propos"]);
    let about = desktop.notifications().wait(0, &format!("Vigie {}", env!("CARGO_PKG_VERSION")));
    assert!(about.body.contains("Académie de Normandie") && about.body.contains("9 mai 2023"), "{about:?}");
    desktop.screenshot("about");
}
