//! "Se connecter au VPN" from the tray's menu through the real window to the tunnel, with a real ocserv that requires a PIN
//! and a one-time password, a real OpenConnect and a real keyring.

use crate::harness::keyring::{SECRETS, lock_keyring, start_keyring, stored_items};
use crate::harness::login1::FakeLogind;
use crate::harness::page::{WebPage, allow_webdriver};
use crate::harness::processes::{descendants, files_containing, find_secret, process_name};
use crate::harness::tray::TrayItem;
use crate::harness::vpn::{INTRANET_HOST, PIN, TestVpn};
use crate::harness::{ChildProcess, DEADLINE, Desktop, assert_holds_for, owner, wait_for, wait_for_described};
use crate::panel::{accessibility_faults, overflow, resize, zoom};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const TITLE: &str = "Se connecter au VPN";

/// Starts a desktop with an unlocked keyring, in light or dark appearance.
fn desktop(vpn: &TestVpn, dark: bool) -> (Desktop, ChildProcess) {
    vpn.require_otp();
    let desktop = Desktop::at_home(vpn);
    desktop.skip_first_run();
    if dark {
        desktop.write(".config/gtk-3.0/settings.ini", "[Settings]\ngtk-application-prefer-dark-theme=1\n");
    }
    let keyring = start_keyring(&desktop);
    (desktop, keyring)
}

/// Starts Vigie with these settings from the administrator.
fn start(desktop: &Desktop, vpn: &TestVpn, settings: &str) -> (ChildProcess, TrayItem) {
    let vigie = desktop.spawn("vigie", allow_webdriver(&mut desktop.vigie_with_real_window(vpn, settings)));
    let item = desktop.item_of(vigie.pid());
    item.wait_for_menu("VPN déconnecté");
    (vigie, item)
}

/// As [`start`], and opens the window from the menu.
fn open(desktop: &Desktop, vpn: &TestVpn, settings: &str) -> (ChildProcess, TrayItem, WebPage) {
    let (vigie, item) = start(desktop, vpn, settings);
    let page = open_window(desktop, &item);
    (vigie, item, page)
}

/// Opens the window from the menu, and waits until the form can be submitted.
fn open_window(desktop: &Desktop, item: &TrayItem) -> WebPage {
    item.click(&["Se connecter au VPN…"]);
    wait_for_open_form(desktop)
}

/// Waits for the window, and until the form can be submitted.
fn wait_for_open_form(desktop: &Desktop) -> WebPage {
    let page = WebPage::of_window(desktop, TITLE);
    wait_for("a form that can be submitted", DEADLINE, || {
        page.run::<bool>("return document.querySelector('[type=submit]')?.disabled === false", &[]).then_some(())
    });
    page
}

/// Checks that a secret is in no file of the user, and in no argument or environment of Vigie's programs.
fn assert_not_leaked(desktop: &Desktop, vigie: &ChildProcess, secret: &str) {
    assert_eq!(files_containing(desktop.home(), secret), [""; 0].map(std::path::PathBuf::from));
    for pid in descendants(vigie) {
        for file in ["cmdline", "environ"] {
            let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&text).contains(secret), "{file} of {pid}");
        }
    }
}

/// Types these keys, then presses Enter without the driver, which would get no answer if the window closed at once.
fn type_and_submit(desktop: &Desktop, page: &WebPage, keys: &str) {
    page.press_keys(keys);
    desktop.press_key(TITLE, "Return");
}

/// Types the PIN and the one-time password, and submits the form.
fn submit(desktop: &Desktop, page: &WebPage, digits: &str) {
    page.run::<Value>("document.getElementById('pin').focus()", &[]);
    type_and_submit(desktop, page, &format!("{PIN}{TAB}{digits}"));
}

/// As [`submit`], and waits for a new message that contains `message`.
fn submit_and_wait_for(desktop: &Desktop, page: &WebPage, digits: &str, message: &str) {
    page.run::<Value>("document.querySelector('[role=alert] > *')?.setAttribute('data-old', '')", &[]);
    submit(desktop, page, digits);
    page.wait_for_text("[role=alert] > :not([data-old])", message);
}

/// Returns the id of the focused element.
fn focused(page: &WebPage) -> String {
    page.run("return document.activeElement.id", &[])
}

/// Returns the value of a field.
fn value(page: &WebPage, id: &str) -> String {
    page.run("return document.getElementById(arguments[0]).value", &[json!(id)])
}

/// Takes a picture of the window, and checks it for accessibility faults.
fn capture_accessible(desktop: &Desktop, page: &WebPage, name: &str) {
    page.run_async::<Value>("requestAnimationFrame(() => requestAnimationFrame(() => arguments[0](null)))", &[]);
    desktop.screenshot_of(TITLE, name);
    assert_eq!(accessibility_faults(page), Vec::<String>::new(), "{name}");
}

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

#[test]
fn the_window_connects_and_next_time_asks_only_for_the_digits() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    let (vigie, item, page) = open(&desktop, &vpn, "");
    assert_eq!((focused(&page).as_str(), value(&page, "site").as_str()), ("identifier", "caen"));
    capture_accessible(&desktop, &page, "connexion-clair-vide");

    // The button that lies over the PIN's field can be clicked, and leaves the focus alone.
    page.click("Afficher le code PIN");
    page.click("Masquer le code PIN");
    assert_eq!(focused(&page), "identifier");

    // Missing and malformed input.
    page.press_keys(&format!("j dupont{TAB}{ENTER}"));
    page.press_keys(ENTER);
    page.wait_for_text("#digits-error", "6 chiffres");
    assert_eq!(focused(&page), "identifier");
    capture_accessible(&desktop, &page, "connexion-clair-fautes");

    // The server does not answer, and the user cancels.
    page.run::<Value>("document.activeElement.select()", &[]);
    vpn.freeze_server();
    page.press_keys(&format!("{}{TAB}{PIN}{TAB}000000{TAB}{TAB} {ENTER}", TestVpn::USER));
    page.wait_for_text("[role=status]", "Le serveur VPN");
    assert_eq!((value(&page, "pin"), value(&page, "digits")), (String::new(), String::new()));
    capture_accessible(&desktop, &page, "connexion-clair-en-cours");
    page.click("Annuler");
    page.wait_for_text("[role=status]", "Connexion annulée");
    vpn.resume_server();

    // A wrong code, then the right one.
    assert_eq!(focused(&page), "pin");
    submit_and_wait_for(&desktop, &page, "000000", "Code refusé");
    capture_accessible(&desktop, &page, "connexion-clair-refus");
    let digits = TestVpn::otp(0);
    submit(&desktop, &page, &digits);
    drop(page);
    desktop.wait_for_window(TITLE, false);
    item.wait_for_menu("VPN connecté");
    assert!(vpn.is_reachable(INTRANET_HOST));
    desktop.notifications().wait(0, "VPN connecté");
    desktop.screenshot("connexion-clair-connecte");

    for secret in [PIN, &format!("{PIN}{digits}")] {
        assert_not_leaked(&desktop, &vigie, secret);
    }

    // The next connection.
    item.click(&["Se déconnecter du VPN"]);
    item.wait_for_menu("VPN déconnecté");
    let page = open_window(&desktop, &item);
    wait_for("what the keyring holds", DEADLINE, || (focused(&page) == "digits").then_some(()));
    assert_eq!(value(&page, "identifier"), TestVpn::USER);
    capture_accessible(&desktop, &page, "connexion-clair-retenu");
    type_and_submit(&desktop, &page, &TestVpn::otp(1));
    drop(page);
    desktop.wait_for_window(TITLE, false);
    item.wait_for_menu("VPN connecté");
    assert!(vpn.is_reachable(INTRANET_HOST));
}

#[test]
fn three_wrong_codes_lead_to_the_helpdesk_in_an_accessible_dark_window_with_few_rights() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, true);
    let (_vigie, item, page) = open(&desktop, &vpn, "");
    assert_eq!(page.run::<String>("return document.documentElement.dataset.frTheme", &[]), "dark");
    capture_accessible(&desktop, &page, "connexion-sombre-vide");

    // 320 CSS pixels wide, and zoomed to 200 % (WCAG 2.1, 1.4.10 and 1.4.4).
    resize(&desktop, &page, 320, 680);
    assert_eq!(overflow(&page), (0, 320));
    resize(&desktop, &page, 640, 680);
    zoom(&desktop, &page, 2.0);
    assert_eq!(overflow(&page), (0, 320));
    capture_accessible(&desktop, &page, "connexion-sombre-grand");
    zoom(&desktop, &page, 1.0);
    resize(&desktop, &page, 420, 680);

    // Each window may call only the commands of its own page.
    let refused = |page: &WebPage, command: &str| -> String {
        page.run_async(
            "window.__TAURI_INTERNALS__.invoke(arguments[0], new Uint8Array()).then(() => arguments[1]('done'),
                 (error) => arguments[1](String(error)))",
            &[json!(command)],
        )
    };
    assert!(refused(&page, "watch").contains("not allowed"), "{}", refused(&page, "watch"));
    assert!(!refused(&page, "submit").contains("not allowed"), "{}", refused(&page, "submit"));

    page.run::<Value>("document.getElementById('identifier').focus()", &[]);
    page.press_keys(TestVpn::USER);
    for attempt in 0..3 {
        let message = if attempt < 2 { "Code refusé" } else { "Trop de codes refusés" };
        submit_and_wait_for(&desktop, &page, &format!("00000{attempt}"), message);
        if attempt == 1 {
            capture_accessible(&desktop, &page, "connexion-sombre-refus");
        }
    }
    assert_eq!(page.run::<usize>("return document.querySelectorAll('input, select').length", &[]), 0);
    capture_accessible(&desktop, &page, "connexion-sombre-arret");
    drop(page);
    desktop.press_key(TITLE, "Escape");
    desktop.wait_for_window(TITLE, false);

    item.activate();
    let panel = WebPage::of(&desktop);
    for command in ["submit", "watch_form"] {
        assert!(refused(&panel, command).contains("not allowed"), "{command}: {}", refused(&panel, command));
    }
}

/// How long a passcode stays on the clipboard.
const PASSCODE_EXPIRY: Duration = Duration::from_secs(30);

#[test]
fn by_hand_the_passcode_is_copied_for_ciscos_window_and_expires() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    let settings = desktop.install_cisco();
    let (vigie, _item, page) = open(&desktop, &vpn, &format!("{settings}\n[vpn]\nconnect = \"by-hand\"\n"));
    page.wait_for_text("[role=status]", "La connexion se fait dans Cisco Secure Client");
    assert_eq!(focused(&page), "pin");
    capture_accessible(&desktop, &page, "connexion-main");
    page.press_keys(ENTER);
    page.wait_for_text("#digits-error", "6 chiffres");
    capture_accessible(&desktop, &page, "connexion-main-fautes");
    assert_eq!(desktop.cisco_window_starts(), 0);

    let digits = TestVpn::otp(0);
    let passcode = format!("{PIN}{digits}");
    submit(&desktop, &page, &digits);
    drop(page);
    let message = desktop.notifications().wait(0, "Votre code est copié pour 30 secondes");
    desktop.wait_for_window("Cisco Secure Client", true);
    assert_eq!(desktop.clipboard_text(), passcode);
    assert_eq!(desktop.clipboard("x-kde-passwordManagerHint").as_deref(), Some("secret"));
    // The steps stay beside it.
    assert!(desktop.window_titles().contains(&TITLE.to_owned()));
    desktop.screenshot("connexion-main-cisco");
    assert_eq!(desktop.cisco_window_starts(), 1);
    wait_for("an empty clipboard", PASSCODE_EXPIRY + DEADLINE, || {
        desktop.clipboard("UTF8_STRING").is_none_or(|text| text.is_empty()).then_some(())
    });
    let lasted = message.at.elapsed();
    assert!(lasted > PASSCODE_EXPIRY - Duration::from_secs(2), "{lasted:?}");
    assert!(!vpn.logs().contains(TestVpn::USER), "the identifier reached the server");
    for secret in [PIN, &passcode] {
        assert_not_leaked(&desktop, &vigie, secret);
        for pid in descendants(&vigie) {
            assert_eq!(find_secret(pid, secret), [""; 0], "{}", process_name(pid));
        }
    }
}

#[test]
fn without_any_client_it_asks_for_no_code() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    // OpenConnect, which is installed, has no window for the code.
    let (vigie, item) = start(&desktop, &vpn, "[vpn]\nconnect = \"by-hand\"\n");
    item.click(&["Se connecter au VPN…"]);
    let page = WebPage::of_window(&desktop, TITLE);
    page.wait_for_text("[role=alert]", "Aucun client VPN n’a été trouvé sur cet ordinateur");
    assert_eq!(page.run::<usize>("return document.querySelectorAll('input, select').length", &[]), 0);
    capture_accessible(&desktop, &page, "connexion-sans-client");
    page.click("Demander à AMIGO");
    desktop.wait_for_window("Vigie", true);
    drop(page);
    quit(vigie, &item);
}

#[test]
fn without_a_client_to_drive_it_connects_by_hand_and_keeps_what_is_copied_later() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    // Cisco's window is installed, but neither its command line nor OpenConnect.
    desktop.install_cisco();
    let mut vigie = desktop.vigie_with_real_window(&vpn, "");
    let vigie = desktop.spawn("vigie", allow_webdriver(vigie.env("HIDDEN", "/usr/sbin/openconnect")));
    let item = desktop.item_of(vigie.pid());
    item.wait_for_menu("VPN déconnecté");
    let page = open_window(&desktop, &item);
    let digits = TestVpn::otp(0);
    submit(&desktop, &page, &digits);
    drop(page);
    let message = desktop.notifications().wait(0, "Votre code est copié pour 30 secondes");
    assert_eq!(desktop.clipboard_text(), format!("{PIN}{digits}"));
    desktop.wait_for_window("Cisco Secure Client", true);
    let _copied = desktop.copy_to_clipboard("Compte rendu");
    let left = (PASSCODE_EXPIRY + Duration::from_secs(3)).saturating_sub(message.at.elapsed());
    assert_holds_for("the later text on the clipboard", left, || desktop.clipboard_text() == "Compte rendu");
}

#[test]
fn an_open_cisco_window_is_given_the_passcode_by_hand() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    let settings = desktop.install_cisco();
    let _window = desktop.spawn("vpnui", &desktop.command("vpnui"));
    desktop.wait_for_window("Cisco Secure Client", true);
    let (vigie, _item, page) = open(&desktop, &vpn, &settings);
    // Known before anything is typed.
    page.wait_for_text("[role=status]", "Cisco Secure Client est déjà ouvert");
    capture_accessible(&desktop, &page, "connexion-cisco-ouvert");
    let digits = TestVpn::otp(0);
    submit(&desktop, &page, &digits);
    drop(page);
    desktop.notifications().wait(0, "Votre code est copié pour 30 secondes");
    assert_eq!(desktop.clipboard_text(), format!("{PIN}{digits}"));
    wait_for("Cisco's window to be called", DEADLINE, || (desktop.cisco_window_starts() == 2).then_some(()));
    for secret in [PIN, &format!("{PIN}{digits}")] {
        assert_not_leaked(&desktop, &vigie, secret);
    }
}

#[test]
fn a_passcode_that_cisco_did_not_take_is_copied() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    let settings = desktop.install_cisco();
    let (vigie, item, page) = open(&desktop, &vpn, &settings);
    // Another program of Cisco's takes the connection while the user types.
    desktop.write("vpn.held", "");
    let digits = TestVpn::otp(0);
    page.press_keys(&format!("{}{TAB}", TestVpn::USER));
    submit(&desktop, &page, &digits);
    page.wait_for_text("[role=status]", "Cisco Secure Client est déjà ouvert");
    wait_for("Cisco's window to be called", DEADLINE, || (desktop.cisco_window_starts() == 1).then_some(()));
    desktop.notifications().wait(0, "Votre code est copié pour 30 secondes");
    assert_eq!(desktop.clipboard_text(), format!("{PIN}{digits}"));
    assert_eq!(desktop.clipboard("x-kde-passwordManagerHint").as_deref(), Some("secret"));
    page.click("Ouvrir Cisco Secure Client");
    wait_for("Cisco's window to be called again", DEADLINE, || (desktop.cisco_window_starts() == 2).then_some(()));

    // The digits were not sent and are still valid.
    fs::remove_file(desktop.home().join("vpn.held")).expect("it was just written");
    submit(&desktop, &page, &digits);
    drop(page);
    desktop.wait_for_window(TITLE, false);
    item.wait_for_menu("VPN connecté");
    assert!(vpn.is_reachable(INTRANET_HOST));
    for secret in [PIN, &format!("{PIN}{digits}")] {
        assert_not_leaked(&desktop, &vigie, secret);
    }
    item.click(&["Se déconnecter du VPN"]);
    item.wait_for_menu("VPN déconnecté");
    assert!(!vpn.is_reachable(INTRANET_HOST));
}

#[test]
fn a_locked_account_is_not_tried_again_even_after_a_restart() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    let settings = desktop.install_cisco();
    desktop.write("vpn.locked", "");
    let (vigie, item, page) = open(&desktop, &vpn, &settings);
    page.press_keys(&format!("{}{TAB}", TestVpn::USER));
    submit(&desktop, &page, &TestVpn::otp(0));
    page.wait_for_text("[role=alert]", "Votre compte est verrouillé");
    capture_accessible(&desktop, &page, "connexion-verrouille");
    assert_eq!(page.run::<usize>("return document.querySelectorAll('input, select').length", &[]), 0);
    page.click("Demander à AMIGO");
    desktop.wait_for_window("Vigie", true);
    drop(page);
    quit(vigie, &item);

    let (_vigie, item) = start(&desktop, &vpn, &settings);
    item.click(&["Se connecter au VPN…"]);
    let page = WebPage::of_window(&desktop, TITLE);
    page.wait_for_text("[role=alert]", "Votre compte est verrouillé");
    assert_eq!(page.run::<usize>("return document.querySelectorAll('input, select').length", &[]), 0);
}

/// Ends Vigie from its menu.
fn quit(mut vigie: ChildProcess, item: &TrayItem) {
    item.click(&["Quitter"]);
    assert!(vigie.wait(DEADLINE).success());
}

#[test]
fn after_sleep_the_window_opens_only_if_configured_and_the_vpn_was_lost_in_sleep() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    let (vigie, item, page) = open(&desktop, &vpn, "");
    let login1 = FakeLogind::start(&desktop);
    type_and_submit(&desktop, &page, &format!("{}{TAB}{PIN}{TAB}{}{TAB}{TAB} ", TestVpn::USER, TestVpn::otp(0)));
    drop(page);
    item.wait_for_menu("VPN connecté");
    // Not configured: only a notification.
    lose_vpn_in_sleep(&vpn, &login1, &item);
    let lost = desktop.notifications().wait(0, "VPN déconnecté");
    assert!(lost.buttons().contains(&"Reconnecter"), "{lost:?}");
    assert_eq!(openings(&desktop), 1);
    drop(login1);
    quit(vigie, &item);

    let (_vigie, item) = start(&desktop, &vpn, "[vpn]\nreconnect_after_wake = true\n");
    let login1 = FakeLogind::start(&desktop);
    // Not connected before sleep.
    login1.prepare_for_sleep(true);
    item.wait_for_menu("Vérification du réseau");
    login1.prepare_for_sleep(false);
    item.wait_for_menu("VPN déconnecté");
    let page = open_window(&desktop, &item);
    assert_eq!(openings(&desktop), 2, "by the menu");
    type_and_submit(&desktop, &page, &TestVpn::otp(1));
    drop(page);
    item.wait_for_menu("VPN connecté");
    // Disconnected by the user before sleep.
    item.click(&["Se déconnecter du VPN"]);
    item.wait_for_menu("VPN déconnecté");
    login1.prepare_for_sleep(true);
    item.wait_for_menu("Vérification du réseau");
    login1.prepare_for_sleep(false);
    item.wait_for_menu("VPN déconnecté");
    let page = open_window(&desktop, &item);
    assert_eq!(openings(&desktop), 3, "by the menu");
    type_and_submit(&desktop, &page, &TestVpn::otp(2));
    drop(page);
    item.wait_for_menu("VPN connecté");

    // Lost in sleep: the window opens, and asks only for the digits.
    desktop.wait_for_window(TITLE, false);
    lose_vpn_in_sleep(&vpn, &login1, &item);
    let page = wait_for_open_form(&desktop);
    page.wait_for_text("[role=status]", "Le VPN s’est déconnecté pendant la veille");
    wait_for("the digits' field", DEADLINE, || (focused(&page) == "digits").then_some(()));
    capture_accessible(&desktop, &page, "connexion-reveil");
    type_and_submit(&desktop, &page, &TestVpn::otp(3));
    drop(page);
    item.wait_for_menu("VPN connecté");
    assert!(vpn.is_reachable(INTRANET_HOST));
    assert_eq!(openings(&desktop), 4);
}

/// Puts the machine to sleep, ends the tunnel meanwhile, and wakes the machine.
fn lose_vpn_in_sleep(vpn: &TestVpn, login1: &FakeLogind, item: &TrayItem) {
    login1.prepare_for_sleep(true);
    item.wait_for_menu("Vérification du réseau");
    vpn.kill_server();
    vpn.start_server();
    wait_for("the tunnel's end", DEADLINE, || (!vpn.is_reachable(INTRANET_HOST)).then_some(()));
    login1.prepare_for_sleep(false);
    item.wait_for_menu("VPN déconnecté");
}

/// Returns how often the window was opened, from Vigie's log.
fn openings(desktop: &Desktop) -> usize {
    desktop.vigie_log().matches("effect=ShowConnect").count()
}

#[test]
fn stored_credentials_are_used_and_deleted_and_a_failing_keyring_is_reported() {
    let vpn = TestVpn::start();
    let (desktop, daemon) = desktop(&vpn, false);
    let (_vigie, item, page) = open(&desktop, &vpn, "");
    let connected = |page: WebPage| {
        drop(page);
        desktop.wait_for_window(TITLE, false);
        item.wait_for_menu("VPN connecté");
        item.click(&["Se déconnecter du VPN"]);
        item.wait_for_menu("VPN déconnecté");
    };
    type_and_submit(&desktop, &page, &format!("{}{TAB}{PIN}{TAB}{}{TAB}{TAB} ", TestVpn::USER, TestVpn::otp(0)));
    connected(page);
    wait_for("identifier and PIN in the keyring", DEADLINE, || (stored_items(&desktop) == 2).then_some(()));

    // Locked while the window is open: the PIN is asked for again.
    let page = open_window(&desktop, &item);
    wait_for("what the keyring holds", DEADLINE, || (focused(&page) == "digits").then_some(()));
    lock_keyring(&desktop);
    let digits = TestVpn::otp(1);
    type_and_submit(&desktop, &page, &digits);
    page.wait_for_text("[role=status]", "Votre code PIN n’a pas pu être relu");
    wait_for("the PIN's field", DEADLINE, || (focused(&page) == "pin").then_some(()));
    capture_accessible(&desktop, &page, "connexion-trousseau-pin");
    submit(&desktop, &page, &digits);
    connected(page);

    // Locked before: the keyring's password is not asked for.
    let page = open_window(&desktop, &item);
    page.wait_for_text("[role=status]", "Votre code PIN ne peut pas être retenu pour l’instant");
    assert_eq!((focused(&page).as_str(), value(&page, "identifier").as_str()), ("pin", TestVpn::USER));
    assert_eq!(page.run::<usize>("return document.querySelectorAll('#remember').length", &[]), 0);
    capture_accessible(&desktop, &page, "connexion-trousseau-verrouille");
    let seen = desktop.notifications().all().len();
    item.click(&["Oublier mes identifiants"]);
    page.wait_for_text("main", "Non, les garder");
    page.click("Oui, les oublier");
    desktop.notifications().wait(seen, "Vos identifiants n’ont pas pu être oubliés");
    assert_eq!(stored_items(&desktop), 2);
    wait_for("the identifier's field", DEADLINE, || (focused(&page) == "identifier").then_some(()));
    page.press_keys(&format!("{}{TAB}", TestVpn::USER));
    submit(&desktop, &page, &TestVpn::otp(2));
    connected(page);

    // Killed.
    drop(daemon);
    wait_for("the keyring's end", DEADLINE, || owner(desktop.session(), SECRETS).is_none().then_some(()));
    let page = open_window(&desktop, &item);
    page.wait_for_text("[role=status]", "Votre code PIN ne peut pas être retenu pour l’instant");
    assert_eq!(focused(&page), "identifier");
    capture_accessible(&desktop, &page, "connexion-trousseau-absent");
    page.press_keys(&format!("{}{TAB}", TestVpn::USER));
    submit(&desktop, &page, &TestVpn::otp(3));
    connected(page);

    // Running again, and the credentials are deleted.
    let _daemon = start_keyring(&desktop);
    let page = open_window(&desktop, &item);
    wait_for("what the keyring holds", DEADLINE, || (focused(&page) == "digits").then_some(()));
    let seen = desktop.notifications().all().len();
    page.click("Oublier mes identifiants");
    page.wait_for_text("main", "Non, les garder");
    page.click("Oui, les oublier");
    desktop.notifications().wait(seen, "Vos identifiants sont oubliés");
    wait_for("empty fields", DEADLINE, || (value(&page, "identifier").is_empty()).then_some(()));
    assert_eq!(page.run::<usize>("return document.querySelectorAll('#pin').length", &[]), 1);
    assert_eq!(stored_items(&desktop), 0);
}

/// Searches the memory of the window that stays open after a refusal. The input comes from the keyboard, as a WebDriver
/// would keep it in memory.
#[test]
fn submitted_secrets_are_erased_from_the_memory_of_the_open_window() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    let vigie = desktop.spawn("vigie", &desktop.vigie_with_real_window(&vpn, ""));
    let item = desktop.item_of(vigie.pid());
    item.wait_for_menu("VPN déconnecté");
    item.click(&["Se connecter au VPN…"]);
    wait_for("the window", DEADLINE, || desktop.vigie_log().contains("ConnectWindowOpen(true)").then_some(()));
    desktop.wait_for_window(TITLE, true);
    // Typed with a correction, and partly pasted.
    let (pin, rest) = PIN.split_at(3);
    desktop.type_into(TITLE, &format!("{}\t{pin}xy\u{8}\u{8}", TestVpn::USER));
    let copied = desktop.copy_to_clipboard(rest);
    desktop.press_key(TITLE, "ctrl+v");
    desktop.type_into(TITLE, "\t731946");
    let find = |text: &str| -> Vec<String> {
        descendants(&vigie).into_iter().flat_map(|pid| find_secret(pid, text)).collect()
    };
    assert_ne!(find(PIN), [""; 0], "the search does not find the PIN that was typed");
    desktop.press_key(TITLE, "Return");
    wait_for("the refusal", DEADLINE, || desktop.vigie_log().contains("Err(WrongPasscode)").then_some(()));
    drop(copied);
    wait_for_described(
        || format!("memory without the PIN; found: {:?}", find(PIN)),
        DEADLINE,
        || find(PIN).is_empty().then_some(()),
    );
    assert!(desktop.window_titles().iter().any(|title| title == TITLE), "the window has closed");
    for secret in [PIN, &format!("{PIN}731946")] {
        assert_not_leaked(&desktop, &vigie, secret);
    }
}
