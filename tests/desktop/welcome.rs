//! The first start, in the real window.

use crate::harness::login1::FakeLogind;
use crate::harness::page::{WebPage, allow_webdriver};
use crate::harness::tray::TrayItem;
use crate::harness::vpn::{GATEWAY, INTRANET_HOST, TestVpn};
use crate::harness::{ChildProcess, DEADLINE, Desktop, wait_for};
use crate::panel::{accessibility_faults, capture, overflow, resize, zoom};
use rustix::process::Signal;
use std::fs;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

fn start(desktop: &Desktop) -> (ChildProcess, TrayItem) {
    let vigie = desktop.spawn("vigie", allow_webdriver(&mut desktop.vigie()));
    let item = desktop.item_of(vigie.pid());
    item.wait_for_menu("VPN déconnecté");
    (vigie, item)
}

fn end(mut vigie: ChildProcess) {
    vigie.signal(Signal::TERM);
    assert_eq!(vigie.wait(DEADLINE).code(), Some(0));
}

/// Waits for a card, on which the focus is on the heading.
fn wait_for_card(page: &WebPage, heading: &str) {
    wait_for(&format!("{heading:?} to have the focus"), DEADLINE, || {
        let script = "return document.activeElement.innerText.replace(/\\s+/g, ' ').trim()";
        (page.run::<String>(script, &[]) == heading).then_some(())
    });
}

fn assert_accessible(page: &WebPage) {
    assert_eq!(accessibility_faults(page), Vec::<String>::new());
    assert_eq!(overflow(page).0, 0);
}

#[test]
fn three_cards_are_walked_by_keyboard_and_never_return() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    let _login1 = FakeLogind::start(&desktop);
    // As in `Desktop::at_home`, but without a chosen site.
    let site = |id: &str| format!("[[site]]\nid = \"{id}\"\ngateway = \"{GATEWAY}\"\ninside = [\"{INTRANET_HOST}\"]\n");
    let settings = desktop.write(".config/vigie/vigie.toml", &[site("caen"), site("rouen")].join("\n"));
    let (vigie, _item) = start(&desktop);
    let page = WebPage::of(&desktop);
    wait_for_card(&page, "Bienvenue dans Vigie");
    assert_accessible(&page);
    capture(&desktop, &page, "bienvenue-1", "main");

    page.press_keys(&[TAB, ENTER].concat());
    wait_for_card(&page, "Quel est votre site ?");
    assert_accessible(&page);
    capture(&desktop, &page, "bienvenue-2", "main");
    page.press_keys(&[TAB, ENTER].concat());
    page.wait_for_text("section [role=status]", "C’est noté : Caen.");
    assert!(fs::read_to_string(&settings).expect("it is there").contains("[user]\nsite = \"caen\"\n"));
    assert_accessible(&page);
    capture(&desktop, &page, "panneau-bienvenue", "main");

    page.press_keys(&[TAB, TAB, ENTER].concat());
    wait_for_card(&page, "Où retrouver Vigie ?");
    assert_accessible(&page);
    capture(&desktop, &page, "bienvenue-3", "main");
    resize(&desktop, &page, 640, 680);
    zoom(&desktop, &page, 2.0);
    assert_eq!(overflow(&page), (0, 320));
    assert_accessible(&page);
    capture(&desktop, &page, "bienvenue-3-200", "main");
    zoom(&desktop, &page, 1.0);
    resize(&desktop, &page, 420, 680);

    page.run::<serde_json::Value>("document.querySelector('h1').focus()", &[]);
    page.press_keys(&[TAB, ENTER].concat());
    wait_for("the panel, with the cursor in its search", DEADLINE, || {
        page.run::<bool>("return document.activeElement.id === 'search' && !document.querySelector('#prompt')", &[])
            .then_some(())
    });
    page.wait_for_text("h1", "VPN déconnecté");
    desktop.press_key("Vigie", "Escape");
    desktop.wait_for_window("Vigie", false);
    drop(page);
    end(vigie);

    let (vigie, item) = start(&desktop);
    item.click(&["Panneau d’information"]);
    let page = WebPage::of(&desktop);
    page.wait_for_text("h1", "VPN déconnecté");
    drop(page);
    end(vigie);
    assert_eq!(desktop.notifications().all().len(), 0, "the card has asked for the site");
    desktop.assert_no_warnings_logged();
}

#[test]
fn a_card_that_is_closed_does_not_return() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    let _login1 = FakeLogind::start(&desktop);
    desktop.write(".config/gtk-3.0/settings.ini", "[Settings]\ngtk-application-prefer-dark-theme=1\n");
    let (vigie, _item) = start(&desktop);
    let page = WebPage::of(&desktop);
    wait_for_card(&page, "Bienvenue dans Vigie");
    assert_accessible(&page);
    page.press_keys(&[TAB, ENTER].concat());
    wait_for_card(&page, "Votre site");
    page.wait_for_text("section", "Vous êtes du site de Caen (Calvados, Manche, Orne).");
    assert_accessible(&page);
    capture(&desktop, &page, "bienvenue-sombre", "main");
    desktop.press_key("Vigie", "Escape");
    desktop.wait_for_window("Vigie", false);
    drop(page);
    end(vigie);

    let (vigie, item) = start(&desktop);
    assert!(!desktop.window_titles().contains(&"Vigie".to_owned()));
    // The settings, from the menu.
    item.click(&["Réglages"]);
    let page = WebPage::of(&desktop);
    wait_for_card(&page, "Réglages");
    page.click("Retour au panneau");
    page.wait_for_text("h1", "VPN déconnecté");
    item.click(&["Réglages"]);
    wait_for_card(&page, "Réglages");
    drop(page);
    end(vigie);
}
