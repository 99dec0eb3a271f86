//! "Se connecter" by its user: from the tray's menu through the real window to the tunnel, with a real ocserv that asks
//! for PIN and six digits, a real OpenConnect, and a real keyring.

use crate::harness::login1::FakeLogind;
use crate::harness::page::{WebPage, open_to_driver};
use crate::harness::processes::{descendants, files_containing, find_secret, process_name};
use crate::harness::tray::TrayItem;
use crate::harness::vpn::{INTRANET_HOST, PIN, TestVpn};
use crate::harness::{ChildProcess, DEADLINE, Desktop, owner, wait_for};
use crate::panel::{faults, overflow, resize, zoom};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;
use std::time::Duration;
use zbus::zvariant::{DynamicType, OwnedObjectPath};

const TITLE: &str = "Se connecter au VPN";

/// A desktop with a keyring that is open, in the light or the dark.
fn desktop(vpn: &TestVpn, dark: bool) -> (Desktop, ChildProcess) {
    vpn.require_otp();
    let desktop = Desktop::at_home(vpn);
    desktop.skip_first_run();
    if dark {
        desktop.write(".config/gtk-3.0/settings.ini", "[Settings]\ngtk-application-prefer-dark-theme=1\n");
    }
    let keyring = keyring(&desktop);
    (desktop, keyring)
}

/// Starts gnome-keyring, with the user's keyring open.
fn keyring(desktop: &Desktop) -> ChildProcess {
    let mut keyring = desktop.command("sh");
    keyring.args(["-c", "echo password | exec gnome-keyring-daemon --foreground --unlock --components=secrets"]);
    let keyring = desktop.spawn("keyring", &keyring);
    wait_for("the keyring", DEADLINE, || owner(desktop.session(), SECRETS));
    keyring
}

const SECRETS: &str = "org.freedesktop.secrets";

/// TrackerRequests the keyring, as any program of the session can.
fn ask_keyring<B: Serialize + DynamicType>(desktop: &Desktop, method: &str, body: &B) -> zbus::Message {
    let interface = Some("org.freedesktop.Secret.Service");
    let asked = desktop.session().call_method(Some(SECRETS), "/org/freedesktop/secrets", interface, method, body);
    asked.unwrap_or_else(|error| panic!("{method}: {error}"))
}

/// How much the keyring holds for Vigie, locked or not.
fn kept(desktop: &Desktop) -> usize {
    let found = ask_keyring(desktop, "SearchItems", &HashMap::from([("application", "vigie")]));
    let (open, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) = found.body().deserialize().expect("two lists");
    open.len() + locked.len()
}

fn lock_keyring(desktop: &Desktop) {
    let default = ask_keyring(desktop, "ReadAlias", &"default");
    let default: OwnedObjectPath = default.body().deserialize().expect("a path");
    ask_keyring(desktop, "Lock", &vec![default]);
}

/// Starts Vigie with these settings of the administrator's.
fn start(desktop: &Desktop, vpn: &TestVpn, settings: &str) -> (ChildProcess, TrayItem) {
    let vigie = desktop.spawn("vigie", open_to_driver(&mut desktop.vigie_with_real_window(vpn, settings)));
    let item = desktop.item_of(vigie.pid());
    item.wait_for_menu("VPN déconnecté");
    (vigie, item)
}

/// As [`start`], and opens the window by the menu.
fn open(desktop: &Desktop, vpn: &TestVpn, settings: &str) -> (ChildProcess, TrayItem, WebPage) {
    let (vigie, item) = start(desktop, vpn, settings);
    let page = again(desktop, &item);
    (vigie, item, page)
}

/// Opens the window by the menu, and waits until the form can be sent.
fn again(desktop: &Desktop, item: &TrayItem) -> WebPage {
    item.click(&["Se connecter au VPN…"]);
    opened(desktop)
}

/// Waits for the window, and until the form can be sent.
fn opened(desktop: &Desktop) -> WebPage {
    let page = WebPage::of_window(desktop, TITLE);
    wait_for("a form that can be sent", DEADLINE, || {
        page.run::<bool>("return document.querySelector('[type=submit]')?.disabled === false", &[]).then_some(())
    });
    page
}

/// No file of the user's, no argument and no environment of Vigie's programs holds this.
fn shows_nobody(desktop: &Desktop, vigie: &ChildProcess, secret: &str) {
    assert_eq!(files_containing(desktop.home(), secret), [""; 0].map(std::path::PathBuf::from));
    for pid in descendants(vigie) {
        for file in ["cmdline", "environ"] {
            let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            assert!(!String::from_utf8_lossy(&text).contains(secret), "{file} of {pid}");
        }
    }
}

/// Presses these keys, and then Enter. (Not through the driver: it would have no answer where the window closes at once.)
fn enter(desktop: &Desktop, page: &WebPage, keys: &str) {
    page.press_keys(keys);
    desktop.press_key(TITLE, "Return");
}

/// Types PIN and digits, and sends the form.
fn send(desktop: &Desktop, page: &WebPage, digits: &str) {
    page.run::<Value>("document.getElementById('pin').focus()", &[]);
    enter(desktop, page, &format!("{PIN}{TAB}{TAB}{digits}"));
}

/// As [`send`], and waits for what is said of it: not what was said before.
fn is_told(desktop: &Desktop, page: &WebPage, digits: &str, told: &str) {
    page.run::<Value>("document.querySelector('[role=alert] > *')?.setAttribute('data-old', '')", &[]);
    send(desktop, page, digits);
    page.wait_for_text("[role=alert] > :not([data-old])", told);
}

/// Where the keyboard is.
fn focused(page: &WebPage) -> String {
    page.run("return document.activeElement.id", &[])
}

/// What stands in a field.
fn value(page: &WebPage, id: &str) -> String {
    page.run("return document.getElementById(arguments[0]).value", &[json!(id)])
}

/// A picture of the window, and what is wrong with it for who cannot see it so.
fn portrait(desktop: &Desktop, page: &WebPage, name: &str) {
    page.run_async::<Value>("requestAnimationFrame(() => requestAnimationFrame(() => arguments[0](null)))", &[]);
    desktop.screenshot_of(TITLE, name);
    assert_eq!(faults(page), Vec::<String>::new(), "{name}");
}

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

#[test]
fn from_the_menu_to_the_tunnel_and_the_next_day_six_digits_are_enough() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    let (vigie, item, page) = open(&desktop, &vpn, "");
    assert_eq!((focused(&page).as_str(), value(&page, "site").as_str()), ("identifier", "caen"));
    portrait(&desktop, &page, "connexion-clair-vide");

    // Something is missing.
    page.press_keys(&format!("j dupont{TAB}{ENTER}"));
    page.press_keys(ENTER);
    page.wait_for_text("#digits-fault", "6 chiffres");
    assert_eq!(focused(&page), "identifier");
    portrait(&desktop, &page, "connexion-clair-fautes");

    // The server thinks it over; the user does not wait.
    page.run::<Value>("document.activeElement.select()", &[]);
    vpn.freeze_server();
    page.press_keys(&format!("{}{TAB}{PIN}{TAB}{TAB}000000{TAB} {ENTER}", TestVpn::USER));
    page.wait_for_text("[role=status]", "Le serveur VPN");
    assert_eq!((value(&page, "pin"), value(&page, "digits")), (String::new(), String::new()));
    portrait(&desktop, &page, "connexion-clair-en-cours");
    page.click("Annuler");
    page.wait_for_text("[role=status]", "Connexion annulée");
    vpn.resume_server();

    // A wrong code, then the right one.
    assert_eq!(focused(&page), "pin");
    is_told(&desktop, &page, "000000", "Code refusé");
    portrait(&desktop, &page, "connexion-clair-refus");
    let digits = TestVpn::otp(0);
    send(&desktop, &page, &digits);
    drop(page);
    desktop.wait_for_window(TITLE, false);
    item.wait_for_menu("VPN connecté");
    assert!(vpn.is_reachable(INTRANET_HOST));
    desktop.notifications().wait(0, "VPN connecté");
    desktop.screenshot("connexion-clair-connecte");

    // Nothing of it is written down, and nothing can be read by other programs.
    for secret in [PIN, &format!("{PIN}{digits}")] {
        shows_nobody(&desktop, &vigie, secret);
    }

    // The next day.
    item.click(&["Se déconnecter du VPN"]);
    item.wait_for_menu("VPN déconnecté");
    let page = again(&desktop, &item);
    wait_for("what the keyring holds", DEADLINE, || (focused(&page) == "digits").then_some(()));
    assert_eq!(value(&page, "identifier"), TestVpn::USER);
    portrait(&desktop, &page, "connexion-clair-retenu");
    enter(&desktop, &page, &TestVpn::otp(1));
    drop(page);
    desktop.wait_for_window(TITLE, false);
    item.wait_for_menu("VPN connecté");
    assert!(vpn.is_reachable(INTRANET_HOST));
}

#[test]
fn after_three_wrong_codes_it_points_to_the_helpdesk_in_the_dark_zoomed_and_with_no_more_rights_than_needed() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, true);
    let (_vigie, item, page) = open(&desktop, &vpn, "");
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
        let told = if attempt < 2 { "Code refusé" } else { "Trop de codes refusés" };
        is_told(&desktop, &page, &format!("00000{attempt}"), told);
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
    let panel = WebPage::of(&desktop);
    for command in ["submit", "watch_form"] {
        assert!(refused(&panel, command).contains("not allowed"), "{command}: {}", refused(&panel, command));
    }
}

/// How long a passcode stays on the clipboard.
const PASSCODE_EXPIRY: Duration = Duration::from_secs(30);

#[test]
fn by_hand_the_passcode_waits_for_ciscos_window_on_the_clipboard_and_not_for_long() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    let settings = desktop.install_cisco();
    let (vigie, _item, page) = open(&desktop, &vpn, &format!("{settings}\n[vpn]\nconnect = \"by-hand\"\n"));
    page.wait_for_text("[role=status]", "La connexion se fait dans Cisco Secure Client");
    assert_eq!(focused(&page), "pin");
    portrait(&desktop, &page, "connexion-main");
    page.press_keys(ENTER);
    page.wait_for_text("#digits-fault", "6 chiffres");
    portrait(&desktop, &page, "connexion-main-fautes");
    assert_eq!(desktop.cisco_window_starts(), 0);

    let digits = TestVpn::otp(0);
    let passcode = format!("{PIN}{digits}");
    send(&desktop, &page, &digits);
    drop(page);
    let told = desktop.notifications().wait(0, "Votre code est copié pour 30 secondes");
    desktop.wait_for_window("Cisco Secure Client", true);
    assert_eq!(desktop.clipboard_text(), passcode);
    assert_eq!(desktop.clipboard("x-kde-passwordManagerHint").as_deref(), Some("secret"));
    // What is of no more use does not lie above Cisco's window.
    desktop.wait_for_window(TITLE, false);
    desktop.screenshot("connexion-main-cisco");
    assert_eq!(desktop.cisco_window_starts(), 1);
    wait_for("an empty clipboard", PASSCODE_EXPIRY + DEADLINE, || {
        desktop.clipboard("UTF8_STRING").is_none_or(|text| text.is_empty()).then_some(())
    });
    let lasted = told.at.elapsed();
    assert!(lasted > PASSCODE_EXPIRY - Duration::from_secs(2), "{lasted:?}");
    assert!(!vpn.logs().contains(TestVpn::USER), "nobody else was told");
    for secret in [PIN, &passcode] {
        shows_nobody(&desktop, &vigie, secret);
        for pid in descendants(&vigie) {
            assert_eq!(find_secret(pid, secret), [""; 0], "{}", process_name(pid));
        }
    }
}

#[test]
fn where_no_client_can_be_driven_it_goes_by_hand_and_what_was_copied_since_stays() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    // Cisco's window is there, its command line is not; and no OpenConnect.
    desktop.install_cisco();
    let mut vigie = desktop.vigie_with_real_window(&vpn, "");
    let vigie = desktop.spawn("vigie", open_to_driver(vigie.env("HIDDEN", "/usr/sbin/openconnect")));
    let item = desktop.item_of(vigie.pid());
    item.wait_for_menu("VPN déconnecté");
    let page = again(&desktop, &item);
    let digits = TestVpn::otp(0);
    send(&desktop, &page, &digits);
    drop(page);
    let told = desktop.notifications().wait(0, "Votre code est copié pour 30 secondes");
    assert_eq!(desktop.clipboard_text(), format!("{PIN}{digits}"));
    desktop.wait_for_window("Cisco Secure Client", true);
    let _copied = desktop.copy_to_clipboard("Compte rendu");
    let left = (PASSCODE_EXPIRY + Duration::from_secs(3)).saturating_sub(told.at.elapsed());
    std::thread::sleep(left);
    assert_eq!(desktop.clipboard_text(), "Compte rendu");
}

#[test]
fn ciscos_window_holds_the_connection_and_comes_to_the_front_until_it_is_closed() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    let settings = desktop.install_cisco();
    let _window = desktop.spawn("vpnui", &desktop.command("vpnui"));
    desktop.wait_for_window("Cisco Secure Client", true);
    let (vigie, item, page) = open(&desktop, &vpn, &settings);
    let digits = TestVpn::otp(0);
    page.press_keys(&format!("{}{TAB}", TestVpn::USER));
    send(&desktop, &page, &digits);
    page.wait_for_text("[role=status]", "Cisco Secure Client est déjà ouvert");
    wait_for("Cisco's window to be called", DEADLINE, || (desktop.cisco_window_starts() == 2).then_some(()));
    portrait(&desktop, &page, "connexion-cisco-ouvert");
    page.click("Ouvrir Cisco Secure Client");
    wait_for("Cisco's window to be called again", DEADLINE, || (desktop.cisco_window_starts() == 3).then_some(()));

    // The digits were told to nobody: they are good still.
    desktop.press_key("Cisco Secure Client", "Return");
    desktop.wait_for_window("Cisco Secure Client", false);
    send(&desktop, &page, &digits);
    drop(page);
    desktop.wait_for_window(TITLE, false);
    item.wait_for_menu("VPN connecté");
    assert!(vpn.is_reachable(INTRANET_HOST));
    for secret in [PIN, &format!("{PIN}{digits}")] {
        shows_nobody(&desktop, &vigie, secret);
    }
    item.click(&["Se déconnecter du VPN"]);
    item.wait_for_menu("VPN déconnecté");
    assert!(!vpn.is_reachable(INTRANET_HOST));
}

#[test]
fn a_locked_account_is_left_alone_also_after_a_restart() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    let settings = desktop.install_cisco();
    desktop.write("vpn.locked", "");
    let browser = desktop.record_program("xdg-open");
    let (vigie, item, page) = open(&desktop, &vpn, &settings);
    page.press_keys(&format!("{}{TAB}", TestVpn::USER));
    send(&desktop, &page, &TestVpn::otp(0));
    page.wait_for_text("[role=alert]", "Votre compte est verrouillé");
    portrait(&desktop, &page, "connexion-verrouille");
    assert_eq!(page.run::<usize>("return document.querySelectorAll('input, select').length", &[]), 0);
    page.click("Ouvrir AMIGO");
    assert_eq!(browser.next_call(0), ["http://assistance.ac-normandie.fr/"]);
    drop(page);
    quit(vigie, &item);

    let (_vigie, item) = start(&desktop, &vpn, &settings);
    item.click(&["Se connecter au VPN…"]);
    let page = WebPage::of_window(&desktop, TITLE);
    page.wait_for_text("[role=alert]", "Votre compte est verrouillé");
    assert_eq!(page.run::<usize>("return document.querySelectorAll('input, select').length", &[]), 0);
}

/// Ends Vigie by its menu.
fn quit(mut vigie: ChildProcess, item: &TrayItem) {
    item.click(&["Quitter"]);
    assert!(vigie.wait(DEADLINE).success());
}

#[test]
fn after_sleep_it_opens_by_itself_only_where_the_profile_wants_it_and_the_vpn_was_lost_in_sleep() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    let (vigie, item, page) = open(&desktop, &vpn, "");
    let login1 = FakeLogind::on(&Desktop::system_bus_address_of(&vigie));
    enter(&desktop, &page, &format!("{}{TAB}{PIN}{TAB}{TAB}{}{TAB} ", TestVpn::USER, TestVpn::otp(0)));
    drop(page);
    item.wait_for_menu("VPN connecté");
    // Where the profile does not say so, a notification is all.
    sleep_without(&vpn, &login1, &item);
    let lost = desktop.notifications().wait(0, "VPN déconnecté");
    assert!(lost.buttons().contains(&"Se reconnecter"), "{lost:?}");
    assert_eq!(openings(&desktop), 1);
    drop(login1);
    quit(vigie, &item);

    let (vigie, item) = start(&desktop, &vpn, "[vpn]\nreconnect_after_wake = true\n");
    let login1 = FakeLogind::on(&Desktop::system_bus_address_of(&vigie));
    // Not connected before: nobody misses it.
    login1.prepare_for_sleep(true);
    item.wait_for_menu("Vérification du réseau");
    login1.prepare_for_sleep(false);
    item.wait_for_menu("VPN déconnecté");
    let page = again(&desktop, &item);
    assert_eq!(openings(&desktop), 2, "by the menu");
    enter(&desktop, &page, &TestVpn::otp(1));
    drop(page);
    item.wait_for_menu("VPN connecté");
    // Ended by the user before he went.
    item.click(&["Se déconnecter du VPN"]);
    item.wait_for_menu("VPN déconnecté");
    login1.prepare_for_sleep(true);
    item.wait_for_menu("Vérification du réseau");
    login1.prepare_for_sleep(false);
    item.wait_for_menu("VPN déconnecté");
    let page = again(&desktop, &item);
    assert_eq!(openings(&desktop), 3, "by the menu");
    enter(&desktop, &page, &TestVpn::otp(2));
    drop(page);
    item.wait_for_menu("VPN connecté");

    // Lost in sleep: nobody opens the window, and six digits are enough.
    desktop.wait_for_window(TITLE, false);
    sleep_without(&vpn, &login1, &item);
    let page = opened(&desktop);
    page.wait_for_text("[role=status]", "Le VPN s’est déconnecté pendant la veille");
    wait_for("the digits' field", DEADLINE, || (focused(&page) == "digits").then_some(()));
    portrait(&desktop, &page, "connexion-reveil");
    enter(&desktop, &page, &TestVpn::otp(3));
    drop(page);
    item.wait_for_menu("VPN connecté");
    assert!(vpn.is_reachable(INTRANET_HOST));
    assert_eq!(openings(&desktop), 4);
}

/// The machine sleeps, and the tunnel does not live through it.
fn sleep_without(vpn: &TestVpn, login1: &FakeLogind, item: &TrayItem) {
    login1.prepare_for_sleep(true);
    item.wait_for_menu("Vérification du réseau");
    vpn.kill_server();
    vpn.start_server();
    wait_for("the tunnel's end", DEADLINE, || (!vpn.is_reachable(INTRANET_HOST)).then_some(()));
    login1.prepare_for_sleep(false);
    item.wait_for_menu("VPN déconnecté");
}

/// How often the window was opened: what Vigie logs of it.
fn openings(desktop: &Desktop) -> usize {
    desktop.vigie_log().matches("effect=ShowConnect").count()
}

#[test]
fn what_the_keyring_holds_is_used_and_deleted_and_a_keyring_that_fails_is_said_and_done_without() {
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
    enter(&desktop, &page, &format!("{}{TAB}{PIN}{TAB}{TAB}{}{TAB} ", TestVpn::USER, TestVpn::otp(0)));
    connected(page);
    wait_for("identifier and PIN in the keyring", DEADLINE, || (kept(&desktop) == 2).then_some(()));

    // Locked while the window stands: the PIN is asked again.
    let page = again(&desktop, &item);
    wait_for("what the keyring holds", DEADLINE, || (focused(&page) == "digits").then_some(()));
    lock_keyring(&desktop);
    let digits = TestVpn::otp(1);
    enter(&desktop, &page, &digits);
    page.wait_for_text("[role=status]", "Votre code PIN n’a pas pu être relu");
    wait_for("the PIN's field", DEADLINE, || (focused(&page) == "pin").then_some(()));
    portrait(&desktop, &page, "connexion-trousseau-pin");
    send(&desktop, &page, &digits);
    connected(page);

    // Locked from the start. Nobody is asked for its password.
    let page = again(&desktop, &item);
    page.wait_for_text("[role=status]", "Le trousseau de clés est verrouillé");
    assert_eq!((focused(&page).as_str(), value(&page, "identifier").as_str()), ("pin", TestVpn::USER));
    assert_eq!(page.run::<usize>("return document.querySelectorAll('#remember').length", &[]), 0);
    portrait(&desktop, &page, "connexion-trousseau-verrouille");
    let seen = desktop.notifications().all().len();
    item.click(&["Oublier mes identifiants"]);
    desktop.notifications().wait(seen, "Vos identifiants n’ont pas pu être oubliés");
    assert_eq!(kept(&desktop), 2);
    wait_for("the identifier's field", DEADLINE, || (focused(&page) == "identifier").then_some(()));
    page.press_keys(&format!("{}{TAB}", TestVpn::USER));
    send(&desktop, &page, &TestVpn::otp(2));
    connected(page);

    // Killed.
    drop(daemon);
    wait_for("the keyring's end", DEADLINE, || owner(desktop.session(), SECRETS).is_none().then_some(()));
    let page = again(&desktop, &item);
    page.wait_for_text("[role=status]", "Aucun trousseau de clés ne répond");
    assert_eq!(focused(&page), "identifier");
    portrait(&desktop, &page, "connexion-trousseau-absent");
    page.press_keys(&format!("{}{TAB}", TestVpn::USER));
    send(&desktop, &page, &TestVpn::otp(3));
    connected(page);

    // There again, and what it holds is forgotten for good.
    let _daemon = keyring(&desktop);
    let page = again(&desktop, &item);
    wait_for("what the keyring holds", DEADLINE, || (focused(&page) == "digits").then_some(()));
    let seen = desktop.notifications().all().len();
    page.click("Oublier mes identifiants");
    desktop.notifications().wait(seen, "Vos identifiants sont oubliés");
    wait_for("empty fields", DEADLINE, || (value(&page, "identifier").is_empty()).then_some(()));
    assert_eq!(page.run::<usize>("return document.querySelectorAll('#pin').length", &[]), 1);
    assert_eq!(kept(&desktop), 0);
}

/// What the user typed, in the memory of the window that stays open after a refusal: typed as by a keyboard, since a
/// WebDriver keeps what it is told to type.
#[test]
fn what_was_sent_is_gone_from_the_memory_of_the_open_window() {
    let vpn = TestVpn::start();
    let (desktop, _keyring) = desktop(&vpn, false);
    let vigie = desktop.spawn("vigie", &desktop.vigie_with_real_window(&vpn, ""));
    let item = desktop.item_of(vigie.pid());
    item.wait_for_menu("VPN déconnecté");
    item.click(&["Se connecter au VPN…"]);
    wait_for("the window", DEADLINE, || desktop.vigie_log().contains("ConnectOpen(true)").then_some(()));
    desktop.wait_for_window(TITLE, true);
    // Mistyped, mended, in part pasted.
    let (pin, rest) = PIN.split_at(3);
    desktop.type_into(TITLE, &format!("{}\t{pin}xy\u{8}\u{8}", TestVpn::USER));
    let copied = desktop.copy_to_clipboard(rest);
    desktop.press_key(TITLE, "ctrl+v");
    desktop.type_into(TITLE, "\t\t731946");
    let has = |text: &str| -> Vec<String> {
        descendants(&vigie).into_iter().flat_map(|pid| find_secret(pid, text)).collect()
    };
    assert_ne!(has(PIN), [""; 0], "it is found where it is");
    desktop.press_key(TITLE, "Return");
    wait_for("the refusal", DEADLINE, || desktop.vigie_log().contains("Failed(WrongPasscode)").then_some(()));
    drop(copied);
    wait_for(&format!("a memory without the PIN; it is in {:?}", has(PIN)), DEADLINE, || {
        has(PIN).is_empty().then_some(())
    });
    assert!(desktop.window_titles().iter().any(|title| title == TITLE), "it is open still");
    for secret in [PIN, &format!("{PIN}731946")] {
        shows_nobody(&desktop, &vigie, secret);
    }
}
