//! What helps a user on their own, in the real window: why it does not work.

use crate::harness::login1::FakeLogind;
use crate::harness::run;
use crate::harness::vpn::TestVpn;
use crate::panel::{accessibility_faults, at_home, capture, open, overflow, resize, zoom};
use serde_json::Value;
use std::fs;

#[test]
fn the_chain_names_the_first_fault_and_follows_the_network() {
    let vpn = TestVpn::start();
    let desktop = at_home(&vpn, "");
    let _login1 = FakeLogind::start(&desktop);
    let (_vigie, _item, page) = open(&desktop, "VPN déconnecté");
    page.click("Pourquoi ça ne marche pas ?");
    page.wait_for_text("[aria-current=step]", "Tunnel VPN : en panne");
    page.wait_for_text("[data-stage=gateway]", "Serveur VPN : bon");
    page.wait_for_text("[data-stage=drives]", "Lecteurs réseau : inconnu");
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    capture(&desktop, &page, "panneau-pourquoi", "main");
    resize(&desktop, &page, 640, 680);
    zoom(&desktop, &page, 2.0);
    assert_eq!(overflow(&page), (0, 320));
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    zoom(&desktop, &page, 1.0);
    resize(&desktop, &page, 420, 680);
    vpn.connect();
    page.wait_for_text("[data-stage=tunnel]", "Tunnel VPN : bon");
    page.wait_for_text("[data-stage=intranet]", "Réseau de l’académie : bon");

    page.click("Retour au panneau");
    page.wait_for_text("[data-today] p", "Aujourd’hui : aucune coupure");
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    run(desktop.vigie().arg("quit"));
    let saved = fs::read_to_string(desktop.home().join(".local/state/vigie/state.json")).expect("the state is saved");
    let saved: Value = serde_json::from_str(&saved).expect("it is JSON");
    let seen: Vec<_> =
        saved["history"].as_array().expect("the day is saved").iter().map(|one| &one["status"]).collect();
    assert!(seen.contains(&&"disconnected".into()) && seen.contains(&&"connected".into()), "{saved}");
    desktop.assert_no_warnings_logged();
}
