//! The menu and the icon on D-Bus, in the states without a tunnel, and how the desktop's panel shows them.

use crate::harness::login1::FakeLogind;
use crate::harness::tray::{TrayIcon, TrayItem};
use crate::harness::vpn::TestVpn;
use crate::harness::{DEADLINE, Desktop, run, wait_for};
use std::collections::HashSet;

/// A short probe timeout, as nothing answers for an unreachable host here.
const SHORT_PROBES: &str = "[vpn]\nprobe_timeout_seconds = 1\n\n";

/// The size of an icon in the desktop's panel, in pixels.
const ICON_SIZE: u32 = 22;

/// Returns a line of the menu without its time: since when the status lasts, or AMIGO's hours.
fn without_time(line: &str) -> String {
    if let Some(hours) = line.strip_prefix("Assistance AMIGO (") {
        let known = ["ouverte jusqu’à ", "demande possible, ouvre ", "horaires inconnus à cette date"];
        assert!(known.iter().any(|known| hours.starts_with(known)), "{line}");
        return "Assistance AMIGO (…)".into();
    }
    let Some((before, after)) = line.split_once(" depuis ") else { return line.into() };
    let rest = after.split_once(" (").map(|(_, gateway)| format!(" ({gateway}")).unwrap_or_default();
    format!("{before} depuis …{rest}")
}

fn first_line(item: &TrayItem) -> String {
    without_time(item.menu().lines().next().unwrap_or_default())
}

#[test]
fn the_menu_is_complete_and_in_order() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.configure(SHORT_PROBES);
    desktop.skip_first_run();
    let (_vigie, item) = desktop.start_vigie();
    item.wait_for_menu("VPN déconnecté");
    // The drives are read separately.
    let menu = item.wait_for_menu("Lecteur I : données professionnelles (hors d’atteinte");
    // What the printers' submenu lists depends on the computer.
    let mut in_printers = false;
    let lines = menu.lines().filter(|line| {
        in_printers = line.starts_with("Imprimantes") || (in_printers && line.starts_with("  "));
        !in_printers
    });
    let menu: String = lines.map(|line| without_time(line) + "\n").collect();

    let expected = "\
VPN déconnecté (portailotp.test)
Se connecter au VPN…
Vérifier maintenant
---
Télémaintenance
Installer un logiciel (WAPT)
Assistance AMIGO (…)
---
Applications ▸
  Intranet
  Envoi de fichiers (par l’intranet)
  Webconférence (par l’intranet)
  Messagerie académique
  Tchap
  Tribu (par l’intranet)
  AMIGO
Documentation ▸
  Guide de Filesender
  Guide de Visio-Agents
  Prise en main de Tchap
  Livret de Tribu
Outils du ministère (apps.education.fr) ▸
  Portail apps.education.fr
  Agenda
  Evento
  Filesender
  France Transfert
  Le projet Apps
  Mezig
  Nuage
  Pad avancé - CodiMD
  Pod Educ
  Portail tubes
  Rendez-vous Renater
  Sondage
  Tchap
  Tribu
  Visio-Agents
Téléphone ▸
  Copier *21 + n° : Renvoi immédiat
  Copier *22 + n° : Renvoi sur non-réponse
  Copier *23 + n° : Renvoi sur occupation
  Copier *20 : Désactiver tous les renvois
  Copier *10 : État des renvois
  Copier *25 : Ne pas déranger : activer ou désactiver
  Copier *98 : Consulter la messagerie vocale
  ---
  Composer *20 (Désactiver tous les renvois)
  Composer *10 (État des renvois)
  Composer *25 (Ne pas déranger : activer ou désactiver)
  Composer *98 (Consulter la messagerie vocale)
Lecteurs réseau ▸
  Lecteur I : données professionnelles (hors d’atteinte : VPN déconnecté) (greyed)
  Lecteur S : données professionnelles (hors d’atteinte : VPN déconnecté) (greyed)
  Lecteur T : données professionnelles (hors d’atteinte : VPN déconnecté) (greyed)
  Lecteur U : données personnelles (hors d’atteinte : VPN déconnecté) (greyed)
Arrêt automatique ▸
  Prochain arrêt : aujourd’hui à 21 h 30 (greyed)
  Ce soir, ne plus me le rappeler
  Éteindre maintenant…
---
Panneau d’information
Copier les infos pour l’assistance
---
Réglages
Mon site ▸
  (o) Caen (Calvados, Manche, Orne)
  ( ) Rouen (Seine-Maritime, Eure)
Oublier mes identifiants
[ ] Lancer Vigie à l’ouverture de session
À propos
Quitter
";
    assert_eq!(menu, expected);
}

#[test]
fn each_status_has_an_icon_and_texts_of_its_own() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.configure(SHORT_PROBES);
    desktop.skip_first_run();
    let login1 = FakeLogind::start(&desktop);
    let (_vigie, item) = desktop.start_vigie();
    let mut icons: Vec<TrayIcon> = Vec::new();
    let mut assert_shows = |line: &str, second: &str, tooltip: &str| {
        wait_for(&format!("{line:?} in the menu"), DEADLINE, || (first_line(&item) == line).then_some(()));
        assert_eq!(item.menu().lines().nth(1), Some(second));
        let (title, detail) = item.tooltip();
        assert!(line.starts_with(&without_time(&title.replace('\u{a0}', " "))), "{title}");
        assert!(detail.starts_with(tooltip), "{detail}");
        icons.push(item.icon());
    };
    assert_shows("VPN déconnecté (portailotp.test)", "Se connecter au VPN…", "Les lecteurs réseau et les applications");
    vpn.unplug();
    assert_shows("Hors ligne depuis …", "Se connecter au VPN…", "Aucun réseau");
    vpn.move_on_site();
    vpn.plug();
    assert_shows("Sur site, VPN inutile", "Ouvrir Cisco Secure Client…", "Les applications métiers sont accessibles.");
    login1.prepare_for_sleep(true);
    assert_shows("Vérification du réseau…", "Se connecter au VPN…", "Un instant");
    vpn.move_home();
    vpn.start_impostor_server();
    login1.prepare_for_sleep(false);
    assert_shows(
        "Connexion limitée (portailotp.test)",
        "Se connecter au VPN…",
        "Un autre serveur répond à la place du serveur VPN",
    );
    desktop.screenshot("captive");
    assert_eq!(icons.iter().collect::<HashSet<_>>().len(), icons.len(), "{icons:?}");
    assert!(icons.iter().all(|icon| icon.pixmaps.len() >= 3), "16, 22 and 32 px: {icons:?}");
    desktop.assert_no_warnings_logged();
}

#[test]
fn probes_without_news_emit_no_signal_and_a_change_updates_the_menu_in_place() {
    let vpn = TestVpn::start();
    vpn.connect();
    let desktop = Desktop::at_home(&vpn);
    desktop.configure("[vpn]\nprobe_seconds = 5\n");
    desktop.skip_first_run();
    let (_vigie, item) = desktop.start_vigie();
    item.wait_for_menu("VPN connecté");
    item.wait_for_menu("Demander le lecteur U à AMIGO");
    let mut monitor = desktop.command("dbus-monitor");
    monitor.args(["--session", &format!("type='signal',sender='{}'", item.service())]);
    let monitor = desktop.spawn("monitor", &monitor);
    wait_for("the monitor to listen", DEADLINE, || monitor.log().contains("NameAcquired").then_some(()));
    let (before, probes) = (item.menu(), vpn.intranet_connections());
    wait_for("two more probes", DEADLINE, || (vpn.intranet_connections() >= probes + 2).then_some(()));
    assert!(!monitor.log().contains(item.service()), "{}", monitor.log());
    assert_eq!(item.menu(), before);
    vpn.unplug();
    wait_for("icon and menu to change", DEADLINE, || {
        let log = monitor.log();
        (log.contains("member=NewIcon") && log.contains("member=ItemsPropertiesUpdated")).then_some(())
    });
    // A new layout would close an open menu.
    assert!(!monitor.log().contains("member=LayoutUpdated"), "{}", monitor.log());
}

/// The only test of this folder that reads pixels: the panel draws the icon, and passes on clicks and keys.
#[test]
fn the_desktops_panel_draws_the_icon_and_passes_on_mouse_and_keyboard() {
    let vpn = TestVpn::start();
    vpn.move_on_site();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    let isl = desktop.record_program("ISLLightClient");
    let empty = desktop.screenshot("tray-empty");
    let (_vigie, item) = desktop.start_vigie();
    item.wait_for_menu("Sur site");
    let xdotool = |arguments: &[&str]| run(desktop.command("xdotool").args(arguments));
    // The left edge of what has changed in the right half of the lower edge, without the clock at its end: the panel draws
    // it in several steps.
    let left = wait_for("the icon on the screen", DEADLINE, || {
        let mut difference = desktop.command("convert");
        difference.arg(&empty).arg(desktop.screenshot("tray")).args(["-compose", "difference", "-composite"]);
        difference.args(["-crop", "565x32+640+768", "-threshold", "20%", "-trim", "-format", "%w %X", "info:"]);
        let box_of_change = run(&mut difference);
        let (width, left) = box_of_change.split_once(' ')?;
        let left: u32 = left.trim().parse().ok()?;
        (width.parse::<u32>().ok()? >= ICON_SIZE / 2 && left >= 640).then_some(left)
    });
    let place = (left + ICON_SIZE / 2).to_string();
    xdotool(&["mousemove", &place, "784", "click", "1"]);
    desktop.wait_for_window("Vigie", true);
    desktop.press_key("Vigie", "Escape");
    desktop.wait_for_window("Vigie", false);

    let before = desktop.window_titles().len();
    xdotool(&["mousemove", &place, "784", "click", "3"]);
    wait_for("the menu on the screen", DEADLINE, || (desktop.window_titles().len() > before).then_some(()));
    desktop.screenshot("menu");
    let items = item.menu_items();
    let mut selectable = items.iter().filter(|item| item.is_visible() && item.is_enabled() && !item.is_separator());
    let index = selectable.position(|item| item.label() == "Télémaintenance").expect("it is in the menu");
    xdotool(&[&["key"], &*vec!["Down"; index + 1], &["Return"]].concat());
    assert_eq!(isl.next_call(0), Vec::<String>::new());
}
