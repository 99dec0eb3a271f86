//! "Se connecter" by its user: from the tray's menu through the real window to the tunnel, with a real ocserv that asks
//! for PIN and six digits, a real OpenConnect, and a real keyring.

use crate::panel::{faults, overflow, resize, zoom};
use crate::rig::connecting::{family, files_with};
use crate::rig::page::{Page, open_to_driver};
use crate::rig::tray::Item;
use crate::rig::vpn::{INSIDE, PIN, Vpn};
use crate::rig::{Desktop, Running, SOON, wait_for};
use serde_json::{Value, json};
use std::fs;

const TITLE: &str = "Se connecter au VPN";

/// A desktop with a keyring that is open, in the light or the dark.
fn desktop(vpn: &Vpn, dark: bool) -> (Desktop, Running) {
    vpn.ask_for_digits();
    let desktop = Desktop::at_home(vpn);
    desktop.welcome();
    if dark {
        desktop.write(".config/gtk-3.0/settings.ini", "[Settings]\ngtk-application-prefer-dark-theme=1\n");
    }
    let mut keyring = desktop.command("sh");
    keyring.args(["-c", "echo password | exec gnome-keyring-daemon --foreground --unlock --components=secrets"]);
    let keyring = desktop.spawn("keyring", &keyring);
    (desktop, keyring)
}

/// Starts Vigie, and opens the window by the menu.
fn open(desktop: &Desktop, vpn: &Vpn) -> (Running, Item, Page) {
    let vigie = desktop.spawn("vigie", open_to_driver(&mut desktop.vigie_with_window(vpn)));
    let item = desktop.item_of(vigie.pid());
    item.wait_for_menu("VPN déconnecté");
    let page = again(desktop, &item);
    (vigie, item, page)
}

/// Opens the window by the menu, and waits until the form can be sent.
fn again(desktop: &Desktop, item: &Item) -> Page {
    item.click(&["Se connecter au VPN…"]);
    let page = Page::of_window(desktop, TITLE);
    wait_for("a form that can be sent", SOON, || {
        page.run::<bool>("return document.querySelector('[type=submit]')?.disabled === false", &[]).then_some(())
    });
    page
}

/// Where the keyboard is.
fn focused(page: &Page) -> String {
    page.run("return document.activeElement.id", &[])
}

/// What stands in a field.
fn value(page: &Page, id: &str) -> String {
    page.run("return document.getElementById(arguments[0]).value", &[json!(id)])
}

/// A picture of the window, and what is wrong with it for who cannot see it so.
fn portrait(desktop: &Desktop, page: &Page, name: &str) {
    page.run_async::<Value>("requestAnimationFrame(() => requestAnimationFrame(() => arguments[0](null)))", &[]);
    desktop.screenshot_of(TITLE, name);
    assert_eq!(faults(page), Vec::<String>::new(), "{name}");
}

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

#[test]
fn from_the_menu_to_the_tunnel_and_the_next_day_six_digits_are_enough() {
    let vpn = Vpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    let (vigie, item, page) = open(&desktop, &vpn);
    assert_eq!((focused(&page).as_str(), value(&page, "site").as_str()), ("identifier", "caen"));
    portrait(&desktop, &page, "connexion-clair-vide");

    // Something is missing.
    page.press(&format!("j dupont{TAB}{ENTER}"));
    page.press(ENTER);
    page.wait_for_text("#digits-fault", "6 chiffres");
    assert_eq!(focused(&page), "identifier");
    portrait(&desktop, &page, "connexion-clair-fautes");

    // The server thinks it over; the user does not wait.
    page.run::<Value>("document.activeElement.select()", &[]);
    vpn.freeze_server(true);
    page.press(&format!("{}{TAB}{PIN}{TAB}{TAB}000000{TAB} {ENTER}", Vpn::USER));
    page.wait_for_text("[role=status]", "Le serveur VPN");
    assert_eq!((value(&page, "pin"), value(&page, "digits")), (String::new(), String::new()));
    portrait(&desktop, &page, "connexion-clair-en-cours");
    page.click("Annuler");
    page.wait_for_text("[role=status]", "Connexion annulée");
    vpn.freeze_server(false);

    // A wrong code, then the right one.
    assert_eq!(focused(&page), "pin");
    page.press(&format!("{PIN}{TAB}{TAB}000000{ENTER}"));
    page.wait_for_text("[role=alert]", "Code refusé");
    portrait(&desktop, &page, "connexion-clair-refus");
    let digits = Vpn::digits(0);
    page.press(&format!("{PIN}{TAB}{TAB}{digits}{ENTER}"));
    drop(page);
    desktop.wait_for_window(TITLE, false);
    item.wait_for_menu("VPN connecté");
    assert!(vpn.answers(INSIDE));
    desktop.notifications().wait(0, "VPN connecté");
    desktop.screenshot("connexion-clair-connecte");

    // Nothing of it is written down, and nothing can be read by other programs.
    for secret in [PIN, &format!("{PIN}{digits}")] {
        assert_eq!(files_with(desktop.home(), secret), [""; 0].map(std::path::PathBuf::from));
        for pid in family(&vigie) {
            for file in ["cmdline", "environ"] {
                let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                assert!(!String::from_utf8_lossy(&text).contains(secret), "{file} of {pid}");
            }
        }
    }

    // The next day.
    item.click(&["Se déconnecter du VPN"]);
    item.wait_for_menu("VPN déconnecté");
    let page = again(&desktop, &item);
    wait_for("what the keyring holds", SOON, || (focused(&page) == "digits").then_some(()));
    assert_eq!(value(&page, "identifier"), Vpn::USER);
    portrait(&desktop, &page, "connexion-clair-retenu");
    page.press(&format!("{}{ENTER}", Vpn::digits(1)));
    drop(page);
    desktop.wait_for_window(TITLE, false);
    item.wait_for_menu("VPN connecté");
    assert!(vpn.answers(INSIDE));
}

#[test]
fn after_three_wrong_codes_it_points_to_the_helpdesk_in_the_dark_zoomed_and_with_no_more_rights_than_needed() {
    let vpn = Vpn::start();
    let (desktop, _keyring) = desktop(&vpn, true);
    let (_vigie, item, page) = open(&desktop, &vpn);
    assert_eq!(page.run::<String>("return document.documentElement.dataset.frTheme", &[]), "dark");
    portrait(&desktop, &page, "connexion-sombre-vide");

    // 320 CSS pixels wide, and twice as large (WCAG 2.1, 1.4.10 and 1.4.4).
    resize(&desktop, &page, 320, 680);
    assert_eq!(overflow(&page), (0, 320));
    resize(&desktop, &page, 640, 680);
    zoom(&desktop, &page, 2.0);
    assert_eq!(overflow(&page), (0, 320));
    portrait(&desktop, &page, "connexion-sombre-grand");
    zoom(&desktop, &page, 1.0);
    resize(&desktop, &page, 420, 680);

    // Each window has the rights of its own page, and no others.
    let refused = |page: &Page, command: &str| -> String {
        page.run_async(
            "window.__TAURI_INTERNALS__.invoke(arguments[0], new Uint8Array()).then(() => arguments[1]('done'),
                 (error) => arguments[1](String(error)))",
            &[json!(command)],
        )
    };
    assert!(refused(&page, "watch").contains("not allowed"), "{}", refused(&page, "watch"));
    assert!(!refused(&page, "submit").contains("not allowed"), "{}", refused(&page, "submit"));

    page.run::<Value>("document.getElementById('identifier').focus()", &[]);
    page.press(Vpn::USER);
    for attempt in 0..3 {
        let told = if attempt < 2 { "Code refusé" } else { "Trop de codes refusés" };
        page.run::<Value>("document.getElementById('pin').focus()", &[]);
        page.press(&format!("{PIN}{TAB}{TAB}00000{attempt}{ENTER}"));
        if attempt > 0 {
            page.wait_for_text("[role=status]", "Le serveur VPN");
        }
        page.wait_for_text("[role=alert]", told);
        if attempt == 1 {
            portrait(&desktop, &page, "connexion-sombre-refus");
        }
    }
    assert_eq!(page.run::<usize>("return document.querySelectorAll('input, select').length", &[]), 0);
    portrait(&desktop, &page, "connexion-sombre-arret");
    drop(page);
    desktop.press_key(TITLE, "Escape");
    desktop.wait_for_window(TITLE, false);

    item.activate();
    let panel = Page::of(&desktop);
    for command in ["submit", "watch_form"] {
        assert!(refused(&panel, command).contains("not allowed"), "{command}: {}", refused(&panel, command));
    }
}
