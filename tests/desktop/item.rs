//! The tray item and its program: a single instance for each user, however it is started and ended.

use crate::harness::login1::FakeLogind;
use crate::harness::vpn::TestVpn;
use crate::harness::{ChildProcess, DEADLINE, Desktop, wait_for};
use rustix::process::Signal;

/// The title of the panel.
const PANEL: &str = "Vigie";

#[test]
fn the_first_start_opens_the_panel_and_a_left_click_opens_it_again() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    let _login1 = FakeLogind::start(&desktop);
    let (mut vigie, item) = desktop.start_vigie();
    assert_eq!(
        (item.text("Id"), item.text("Category"), item.text("Status")),
        ("vigie".into(), "ApplicationStatus".into(), "Active".into())
    );
    item.wait_for_menu("VPN déconnecté");
    let (title, detail) = item.tooltip();
    assert_eq!(title, "VPN déconnecté");
    assert_eq!(detail, "Les lecteurs réseau et les applications métiers sont hors d’atteinte. Connectez-vous au VPN.");
    assert!(item.text("Title").starts_with("Vigie"), "{}", item.text("Title"));
    let pixmaps = item.icon().pixmaps;
    assert!(!pixmaps.is_empty());
    for (width, height, bytes) in pixmaps {
        assert_eq!(bytes.len(), usize::try_from(width * height * 4).expect("the size is positive"));
        assert!(bytes.iter().any(|byte| *byte != 0), "{width}x{height} is blank");
    }
    desktop.wait_for_window(PANEL, true);
    desktop.screenshot("first-start");

    desktop.press_key(PANEL, "Escape");
    desktop.wait_for_window(PANEL, false);
    item.activate();
    desktop.wait_for_window(PANEL, true);
    // An open panel is not opened twice.
    item.activate();
    item.click(&["Panneau d’information"]);
    vigie.signal(Signal::TERM);
    assert_eq!(vigie.wait(DEADLINE).code(), Some(0));
    desktop.wait_for_window(PANEL, false);
    assert!(desktop.items().is_empty());

    // The second start.
    let (mut vigie, item) = desktop.start_vigie();
    item.wait_for_menu("VPN déconnecté");
    assert!(!desktop.window_titles().contains(&PANEL.to_owned()));
    item.click(&["Quitter"]);
    assert_eq!(vigie.wait(DEADLINE).code(), Some(0));
    assert!(desktop.vigie_log().contains("ended"), "{}", desktop.vigie_log());
    desktop.assert_no_warnings_logged();
}

#[test]
fn without_a_display_the_item_works_and_failures_are_notified() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    let mut vigie = desktop.vigie();
    let vigie = desktop.spawn("vigie", vigie.env("DISPLAY", ":987654"));
    let item = desktop.item_of(vigie.pid());
    item.wait_for_menu("VPN déconnecté");
    item.click(&["Copier les infos pour l’assistance"]);
    desktop.notifications().wait(0, "La copie n’a pas fonctionné");
    item.activate();
    let failure = desktop.notifications().wait(1, "Le panneau d’information ne s’est pas ouvert");
    assert_eq!(failure.buttons(), ["Réessayer", "Ouvrir AMIGO"]);
}

#[test]
fn a_second_start_opens_the_panel_of_the_first_and_ends() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    let (_vigie, _item) = desktop.start_vigie();
    let mut second = desktop.spawn("second", &desktop.vigie());
    assert_eq!(second.wait(DEADLINE).code(), Some(0));
    desktop.wait_for_window(PANEL, true);
    assert_eq!(desktop.items().len(), 1);
}

#[test]
fn of_concurrent_starts_one_keeps_running() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    let mut racers: Vec<ChildProcess> = (0..4).map(|n| desktop.spawn(&format!("racer{n}"), &desktop.vigie())).collect();
    wait_for("all but one to end", DEADLINE, || {
        (racers.iter_mut().filter_map(|racer| racer.is_alive().then_some(())).count() == 1).then_some(())
    });
    let winner = racers.iter_mut().find_map(|racer| racer.is_alive().then_some(racer.pid())).expect("one still runs");
    desktop.item_of(winner);
    assert_eq!(desktop.items().len(), 1);
    let lost = racers.iter_mut().filter(|racer| racer.pid() != winner).map(|racer| racer.wait(DEADLINE).code());
    assert_eq!(lost.collect::<Vec<_>>(), [Some(0); 3]);
    desktop.wait_for_window(PANEL, true);
}

#[test]
fn a_start_after_a_kill_works() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    let (mut vigie, _item) = desktop.start_vigie();
    desktop.wait_for_window(PANEL, true);
    vigie.signal(Signal::KILL);
    vigie.wait(DEADLINE);
    wait_for("the end of its item", DEADLINE, || desktop.items().is_empty().then_some(()));
    // The panel ends with the tray.
    desktop.wait_for_window(PANEL, false);

    let (mut vigie, item) = desktop.start_vigie();
    item.wait_for_menu("VPN déconnecté");
    assert_eq!(desktop.items().len(), 1);
    vigie.signal(Signal::TERM);
    assert_eq!(vigie.wait(DEADLINE).code(), Some(0));
}

#[test]
fn it_ends_with_the_session_bus() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    let (mut vigie, item) = desktop.start_vigie();
    item.wait_for_menu("VPN déconnecté");
    desktop.end_session();
    assert_eq!(vigie.wait(DEADLINE).code(), Some(0));
    assert!(!vigie.log().contains("panicked"), "{}", vigie.log());
}
