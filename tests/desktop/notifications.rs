//! Notifications and their buttons, with and without a notification server and a tray.

use crate::harness::vpn::{GATEWAY, INTRANET_HOST, TestVpn};
use crate::harness::{DEADLINE, Desktop, assert_holds_for, wait_for};
use rustix::process::Signal;
use std::fs;
use std::time::Duration;

/// The title of the panel.
const PANEL: &str = "Vigie";

/// The delay before a status is notified, as the test configures it (`hold_seconds`).
const TIME_TO_VISIBLE: Duration = Duration::from_secs(1);

#[test]
fn the_site_is_asked_for_once_and_the_answer_is_saved() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    // As in `Desktop::at_home`, but without a chosen site.
    let site = |id: &str| format!("[[site]]\nid = \"{id}\"\ngateway = \"{GATEWAY}\"\ninside = [\"{INTRANET_HOST}\"]\n");
    let file = desktop.write(".config/vigie/vigie.toml", &[site("caen"), site("rouen")].join("\n"));
    desktop.write(".local/state/vigie/state.json", r#"{"welcomed": true}"#);
    let (mut vigie, item) = desktop.start_vigie();
    let question = desktop.notifications().wait(0, "Quel est votre site ?");
    assert_eq!(question.buttons(), ["Caen", "Rouen"]);
    let menu = item.wait_for_menu("\n  ( ) Caen (Calvados, Manche, Orne)\n  ( ) Rouen (Seine-Maritime, Eure)\n");
    assert!(menu.contains("\nIntranet ▸\n  Intranet (Caen)\n  Intranet (Rouen)\n"), "{menu}");
    desktop.screenshot("site");

    vigie.signal(Signal::TERM);
    vigie.wait(DEADLINE);
    let (mut vigie, item) = desktop.start_vigie();
    item.wait_for_menu("VPN déconnecté");
    assert_eq!(desktop.notifications().all().len(), 1, "asked again");
    vigie.signal(Signal::TERM);
    vigie.wait(DEADLINE);

    desktop.write(".local/state/vigie/state.json", r#"{"welcomed": true}"#);
    let (_vigie, item) = desktop.start_vigie();
    let question = desktop.notifications().wait(1, "Quel est votre site ?");
    desktop.press_button(&question, "Rouen");
    item.wait_for_menu("\n  (o) Rouen (Seine-Maritime, Eure)\n");
    let text = fs::read_to_string(&file).expect("the settings file exists");
    assert!(text.contains("[user]\nsite = \"rouen\"\n"), "{text}");
}

#[test]
fn without_a_tray_the_panel_opens_and_the_icon_follows_when_a_tray_appears() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    desktop.stop_xfce_panel();
    let vigie = desktop.spawn("vigie", &desktop.vigie());
    let notice = desktop.notifications().wait(0, "L’icône de Vigie ne peut pas s’afficher");
    assert!(notice.body.contains("relancez Vigie pour le revoir"), "{notice:?}");
    desktop.wait_for_window(PANEL, true);
    desktop.screenshot("no-tray");
    desktop.start_xfce_panel();
    desktop.item_of(vigie.pid()).wait_for_menu("VPN déconnecté");
    wait_for("the notification to be withdrawn", DEADLINE, || desktop.notifications().all()[0].closed);
    // The desktop's panel restarts.
    desktop.stop_xfce_panel();
    desktop.start_xfce_panel();
    desktop.item_of(vigie.pid());
    assert_eq!(desktop.notifications().all().len(), 1, "a notification for a tray that was gone only for a moment");
}

#[test]
fn a_notification_waits_for_the_notification_server() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.configure("[vpn]\nconnect = \"open-client\"\n");
    desktop.skip_first_run();
    let (_vigie, item) = desktop.start_vigie();
    item.wait_for_menu("VPN déconnecté");
    let about = format!("Vigie {}", env!("CARGO_PKG_VERSION"));
    item.click(&["À propos"]);
    let first = desktop.notifications().wait(0, &about);
    assert_eq!(first.replaces, 0);
    item.click(&["À propos"]);
    let second = desktop.notifications().wait(1, &about);
    assert_eq!(second.replaces, first.id, "a second notification beside the first");

    desktop.stop_notification_server();
    let seen = desktop.notifications().all().len();
    item.click(&["À propos"]);
    wait_for("the attempt to show it", DEADLINE, || desktop.vigie_log().contains("cannot be shown yet").then_some(()));
    desktop.start_notification_server();
    desktop.notifications().wait(seen, &about);
    // The buttons work with the new server.
    item.click(&["Se connecter au VPN…"]);
    let missing = desktop.notifications().wait(seen, "« Cisco Secure Client » est introuvable sur cet ordinateur");
    desktop.press_button(&missing, "Demander à AMIGO");
    desktop.wait_for_window(PANEL, true);
}

#[test]
fn a_captive_portal_is_notified_and_its_button_probes_again() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.configure("[vpn]\nprobe_timeout_seconds = 1\nhold_seconds = 1\n");
    desktop.skip_first_run();
    let (_vigie, item) = desktop.start_vigie();
    item.wait_for_menu("VPN déconnecté");
    vpn.start_impostor_server();
    vpn.unplug();
    item.wait_for_menu("Hors ligne");
    vpn.plug();
    let limited = desktop.notifications().wait(0, "Connexion limitée");
    assert_eq!(limited.buttons(), ["Se connecter au Wi-Fi public", "Vérifier maintenant", "Demander à AMIGO"]);
    vpn.kill_server();
    vpn.start_server();
    desktop.press_button(&limited, "Vérifier maintenant");
    item.wait_for_menu("VPN déconnecté");

    // No notification while the user looks at the panel.
    item.click(&["Panneau d’information"]);
    desktop.wait_for_window(PANEL, true);
    desktop.focus_window(PANEL);
    let seen = desktop.notifications().all().len();
    vpn.unplug();
    item.wait_for_menu("Hors ligne");
    let unnotified = || desktop.notifications().all().len() == seen;
    assert_holds_for("no notification beside the focused panel", TIME_TO_VISIBLE + Duration::from_secs(2), unnotified);
}

#[test]
fn the_site_is_not_asked_for_if_ciscos_client_knows_it() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    let settings = format!("[[site]]\nid = \"caen\"\ngateway = \"{GATEWAY}\"\ninside = [\"{INTRANET_HOST}\"]\n");
    desktop.write(".config/vigie/vigie.toml", &settings);
    desktop.write(".local/state/vigie/state.json", r#"{"welcomed": true}"#);
    // The format of Cisco's client.
    let choice = |host: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AnyConnectPreferences>\n<DefaultUser>jdupont</DefaultUser>\n\
             <DefaultHostName>{host}</DefaultHostName>\n</AnyConnectPreferences>\n"
        )
    };
    desktop.write(".anyconnect", &choice(GATEWAY));
    let (_vigie, item) = desktop.start_vigie();
    item.wait_for_menu("\n  (o) Caen (Calvados, Manche, Orne)\n  ( ) Rouen (Seine-Maritime, Eure)\n");
    item.wait_for_menu("VPN déconnecté");
    assert!(desktop.notifications().all().is_empty(), "{:#?}", desktop.notifications().all());
    assert!(!desktop.vigie_log().contains("jdupont"), "{}", desktop.vigie_log());
}
