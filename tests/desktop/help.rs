//! What helps a user on their own, in the real window.

use crate::harness::login1::FakeLogind;
use crate::harness::page::{WebPage, allow_webdriver};
use crate::harness::vpn::TestVpn;
use crate::harness::{DEADLINE, run, wait_for};
use crate::panel::{accessibility_faults, at_home, capture, open_folded, overflow, resize, zoom};
use serde_json::{Value, json};
use std::fs;

#[test]
fn the_chain_names_the_first_fault_and_follows_the_network() {
    let vpn = TestVpn::start();
    let desktop = at_home(&vpn, "");
    let _login1 = FakeLogind::start(&desktop);
    let (_vigie, _item, page) = open_folded(&desktop, "VPN déconnecté");
    page.click("Pourquoi ça ne marche pas ?");
    page.wait_for_text("[aria-current=step]", "Tunnel VPN : à voir");
    page.wait_for_text("[data-stage=gateway]", "Serveur VPN : OK");
    page.wait_for_text("[data-stage=drives]", "Lecteurs réseau : à confirmer");
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    capture(&desktop, &page, "panneau-pourquoi", "main");
    resize(&desktop, &page, 640, 680);
    zoom(&desktop, &page, 2.0);
    assert_eq!(overflow(&page), (0, 320));
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    zoom(&desktop, &page, 1.0);
    resize(&desktop, &page, 420, 680);
    vpn.connect();
    page.wait_for_text("[data-stage=tunnel]", "Tunnel VPN : OK");
    page.wait_for_text("[data-stage=intranet]", "Réseau de l’académie : OK");

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

/// What a user needs at once is on the screen of a panel that was just opened.
#[test]
fn the_panel_shows_what_matters_without_scrolling() {
    let vpn = TestVpn::start();
    let desktop = at_home(&vpn, "");
    let _login1 = FakeLogind::start(&desktop);
    let (_vigie, item, page) = open_folded(&desktop, "VPN déconnecté");
    let size: (u32, u32) = page.run("return [innerWidth, innerHeight]", &[]);
    assert_eq!(size, (420, 680));
    wait_for("the cursor in the search", DEADLINE, || {
        page.run::<bool>("return document.activeElement.id === 'search'", &[]).then_some(())
    });
    for selector in ["header", "#diagnosis", "[data-today]", "#search", "nav li:last-child", "details.facts > summary"]
    {
        let script = "return document.querySelector(arguments[0]).getBoundingClientRect().bottom";
        let bottom: f64 = page.run(script, &[json!(selector)]);
        assert!(bottom > 0.0 && bottom <= 680.0, "{selector} ends at {bottom}");
    }
    assert_eq!(page.run::<usize>("return document.querySelectorAll('nav li').length", &[]), 12);
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    capture(&desktop, &page, "panneau-coup-d-oeil", "main");
    // Unfolded facts stay so for the session.
    page.click("Toutes les informations");
    desktop.press_key("Vigie", "Escape");
    desktop.wait_for_window("Vigie", false);
    drop(page);
    item.activate();
    let page = WebPage::of(&desktop);
    let is_unfolded = || page.run::<bool>("return document.querySelector('details.facts').open", &[]).then_some(());
    wait_for("the facts unfolded", DEADLINE, is_unfolded);
    // A wide window uses its width.
    resize(&desktop, &page, 960, 680);
    let left = |id: &str| -> f64 {
        let script = "return document.querySelector(arguments[0]).getBoundingClientRect().left";
        page.run(script, &[json!(format!("[data-id={id}]"))])
    };
    assert!(left("amigo") > left("site") + 300.0, "{} {}", left("site"), left("amigo"));
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    capture(&desktop, &page, "panneau-large", "main");
    desktop.assert_no_warnings_logged();
}

#[test]
fn a_notification_leads_to_the_form_for_the_helpdesk() {
    let vpn = TestVpn::start();
    let desktop = at_home(&vpn, "");
    let _login1 = FakeLogind::start(&desktop);
    let browser = desktop.record_program("xdg-open");
    let vigie = desktop.spawn("vigie", allow_webdriver(&mut desktop.vigie_on_isolated_machine()));
    let item = desktop.item_of(vigie.pid());
    item.wait_for_menu("VPN déconnecté");
    item.click(&["Se connecter au VPN…"]);
    let missing = desktop.notifications().wait(0, "« Cisco Secure Client » est introuvable sur cet ordinateur");
    desktop.press_button(&missing, "Demander à AMIGO");
    let page = WebPage::of(&desktop);
    page.wait_for_text("h1", "Demander à AMIGO");
    assert_eq!(page.run::<String>("return document.querySelector('[name=help-topic]:checked').value", &[]), "vpn");
    let ends: (f64, f64) = page.run(
        "const form = document.querySelector('main > section').getBoundingClientRect(); return [form.top, form.bottom]",
        &[],
    );
    assert!(ends.0 >= 0.0 && ends.1 <= 680.0, "all of the form is on the screen: {ends:?}");
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    desktop.screenshot_of("Vigie", "demander-a-amigo");
    page.click("Ouvrir AMIGO");
    assert_eq!(browser.next_call(0), ["http://assistance.ac-normandie.fr/"]);
    desktop.assert_no_warnings_logged();
}

#[test]
fn a_report_is_saved_and_copied_with_the_users_words() {
    let vpn = TestVpn::start();
    let desktop = at_home(&vpn, "");
    let cisco = desktop.install_cisco();
    desktop.configure(&format!("[vpn]\nprobe_timeout_seconds = 1\n{cisco}"));
    let _login1 = FakeLogind::start(&desktop);
    let (_vigie, _item, page) = open_folded(&desktop, "VPN déconnecté");
    page.click("Aide");
    page.click("Voir le rapport");
    page.wait_for_text("#help-preview", "Tunnel VPN : à voir");
    page.wait_for_text("#help-preview", "Client VPN : Cisco Secure Client 5.1.2.42");
    page.click_on("input[name=help-topic][value=drives]");
    page.fill("#help-sentence", "Plus de lecteur S");
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    capture(&desktop, &page, "carte-demande", "#help-title");
    page.click("Enregistrer et copier le rapport");
    page.wait_for_text(".answer", "Votre rapport est prêt");
    let begin = "Demande d’aide : Lecteurs réseau\n« Plus de lecteur S »\n\nVigie, le ";
    let copied = desktop.clipboard_text();
    assert!(copied.starts_with(begin) && copied.contains("\nLes derniers jours\n"), "{copied}");
    let files = fs::read_dir(desktop.home()).expect("the home folder is readable").flatten();
    let report = files.map(|file| file.path()).find(|path| path.to_string_lossy().contains("rapport-vigie-"));
    let saved = fs::read_to_string(report.expect("the report is in the home folder")).expect("it is readable");
    assert_eq!(saved.trim_start_matches('\u{feff}').replace("\r\n", "\n"), copied);
    desktop.assert_no_warnings_logged();
}
