//! A guided tour of the main job on a miniature of the academy, all on this machine: a VPN server that asks for PIN and
//! six digits, an intranet host behind it, a keyring, a desktop. Each step checks what the program shows, and takes a
//! picture. `make run` without a display and `make tour` run it.
//!
//! Prints a line per step, and writes `index.html`, the pictures and one contact sheet into `target/tour`. With `--stay`
//! the desktop stays until Ctrl-C, and the terminal prints each new code.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "it is a program that one watches")]

#[path = "../desktop/harness/mod.rs"]
#[expect(dead_code, reason = "the desktop tests use the rest")]
mod harness;

use harness::page::{WebPage, allow_webdriver};
use harness::tray::TrayItem;
use harness::vpn::{INTRANET_HOST, PIN, TestVpn};
use harness::{ChildProcess, DEADLINE, Desktop, around_noon, owner, run, wait_for};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// From the start of Vigie to the automatic shutdown of the tour; its one reminder comes a minute ahead.
const SHUTDOWN_AFTER: SignedDuration = SignedDuration::from_secs(130);

const CONNECT_WINDOW: &str = "Se connecter au VPN";
const PANEL: &str = "Vigie";
const PINNED: &str = "Vigie sur le bureau";
/// What the panel's tiles open, and its settings.
const CARDS: [&str; 13] = [
    "VPN",
    "Lecteurs réseau",
    "Téléphone",
    "Intranet",
    "Messagerie",
    "Fichiers",
    "Visio",
    "Tchap",
    "Imprimer",
    "Installer",
    "Aide",
    "Arrêt",
    "Réglages",
];

const TAB: &str = "\u{e004}";

/// The pictures so far, and the step under way.
struct Tour {
    folder: PathBuf,
    pictures: Vec<(String, String)>,
    step: Instant,
}

impl Tour {
    fn start() -> Tour {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tour");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the target folder can be written");
        Tour { folder, pictures: Vec::new(), step: Instant::now() }
    }

    /// Ends a step: prints its line and takes its picture.
    fn picture(&mut self, desktop: &Desktop, title: &str) {
        let name = format!("{:02}.png", self.pictures.len() + 1);
        run(desktop.command("import").args(["-window", "root"]).arg(self.folder.join(&name)));
        println!("{:5.1} s  {title}", self.step.elapsed().as_secs_f64());
        self.pictures.push((name, title.to_owned()));
        self.step = Instant::now();
    }

    /// Writes the page and the contact sheet.
    fn finish(&self) {
        let figures: String = self
            .pictures
            .iter()
            .map(|(name, title)| {
                format!("<figure><img src=\"{name}\" alt=\"\"><figcaption>{title}</figcaption></figure>\n")
            })
            .collect();
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Vigie: the tour</title>\n\
             <style>body{{font:16px sans-serif;margin:2em}}figure{{margin:0 0 2em}}img{{max-width:100%}}</style>\n{figures}</html>\n"
        );
        fs::write(self.folder.join("index.html"), page).expect("the folder is ours");
        let sheet = self.folder.with_file_name("tour.png");
        let mut montage = Command::new("montage");
        montage.current_dir(&self.folder);
        for (name, title) in &self.pictures {
            montage.args(["-label", title, name]);
        }
        montage.args(["-tile", "4x", "-geometry", "640x400+8+8", "-pointsize", "16"]).arg(&sheet);
        run(&mut montage);
        println!("Pictures: {} and {}", sheet.display(), self.folder.join("index.html").display());
    }
}

/// Wallpaper, window manager and a document, as on a desk.
fn set_up_screen(desktop: &Desktop) -> [ChildProcess; 2] {
    let wallpaper = desktop.home().join("wallpaper.png");
    run(desktop.command("convert").args(["-size", "1280x800", "gradient:#3d5a80-#98c1d9"]).arg(&wallpaper));
    run(desktop.command("feh").args(["--no-fehbg", "--bg-fill"]).arg(&wallpaper));
    let manager = desktop.spawn("openbox", &desktop.command("openbox"));
    desktop.write(
        "Compte rendu.txt",
        "Compte rendu de la réunion du 24 novembre\n\n1. Ouverture des plis\n2. Calendrier\n",
    );
    let mut document = desktop.command("l3afpad");
    document.arg(desktop.home().join("Compte rendu.txt"));
    let document = desktop.spawn("l3afpad", &document);
    wait_for("the document's window", DEADLINE, || {
        desktop.window_titles().iter().any(|title| title.contains("Compte rendu")).then_some(())
    });
    let window = run(desktop.command("xdotool").args(["search", "--onlyvisible", "--name", "Compte rendu"]));
    run(desktop.command("xdotool").args(["windowmove", window.lines().next().unwrap_or_default(), "40", "60"]));
    [manager, document]
}

/// Waits until icon and tooltip show this status.
fn wait_for_status(item: &TrayItem, status: &str) {
    wait_for(&format!("the status {status:?}"), DEADLINE, || item.tooltip().0.starts_with(status).then_some(()));
}

/// Opens the connect window by the menu, types PIN and digits, and waits for the tunnel.
fn connect(tour: &mut Tour, desktop: &Desktop, vpn: &TestVpn, item: &TrayItem, digits: &str, first: bool) {
    item.click(&["Se connecter au VPN…"]);
    let page = WebPage::of_window(desktop, CONNECT_WINDOW);
    wait_for("a form that can be sent", DEADLINE, || {
        page.run::<bool>("return document.querySelector('[type=submit]')?.disabled === false", &[]).then_some(())
    });
    if first {
        page.press_keys(TestVpn::USER);
        tour.picture(desktop, "Se connecter au VPN : identifiant, code PIN, six chiffres");
    }
    page.run::<serde_json::Value>("document.getElementById('pin').focus()", &[]);
    page.press_keys(PIN);
    page.run::<serde_json::Value>("document.getElementById('digits').focus()", &[]);
    page.press_keys(&format!("{digits}{TAB}"));
    page.run::<serde_json::Value>("document.getElementById('digits').focus()", &[]);
    desktop.press_key(CONNECT_WINDOW, "Return");
    let seen = desktop.notifications().all().len();
    wait_for_status(item, "VPN connecté");
    // A loss is notified once the connection has lasted.
    desktop.notifications().wait(seen, "VPN connecté");
    assert!(vpn.is_reachable(INTRANET_HOST), "the tunnel carries");
    desktop.wait_for_window(CONNECT_WINDOW, false);
}

fn main() {
    let stay = std::env::args().any(|argument| argument == "--stay");
    let begin = Instant::now();
    let mut tour = Tour::start();
    println!("The academy in miniature: VPN server, intranet host, keyring, desktop");
    let vpn = TestVpn::start();
    vpn.require_otp();
    let desktop = Desktop::at_home(&vpn);
    let zone = TimeZone::posix(&around_noon()).expect("a POSIX time zone");
    let shutdown = (Timestamp::now() + SHUTDOWN_AFTER).to_zoned_datetime(zone).strftime("%H:%M:%S").to_string();
    desktop.configure(&format!(
        "[vpn]\nhold_seconds = 2\nprobe_seconds = 5\nprobe_timeout_seconds = 2\n\n[panel]\npinned = true\n\n[shutdown]\nat = \"{shutdown}\"\nleads_minutes = [1]\n"
    ));
    desktop.skip_first_run();
    let mut keyring = desktop.command("sh");
    keyring.args(["-c", "echo password | exec gnome-keyring-daemon --foreground --unlock --components=secrets"]);
    let _keyring = desktop.spawn("keyring", &keyring);
    wait_for("the keyring", DEADLINE, || owner(desktop.session(), "org.freedesktop.secrets"));
    let _screen = set_up_screen(&desktop);

    let vigie = desktop.spawn("vigie", allow_webdriver(&mut desktop.vigie_with_real_window(&vpn, "")));
    let item = desktop.item_of(vigie.pid());
    wait_for_status(&item, "VPN déconnecté");
    desktop.wait_for_window(PINNED, true);
    tour.picture(&desktop, "Déconnecté : l’icône et l’encadré le disent");

    let mut otp = 0;
    connect(&mut tour, &desktop, &vpn, &item, &TestVpn::otp(otp), true);
    tour.picture(&desktop, "Connecté");

    let seen = desktop.notifications().all().len();
    vpn.kill_server();
    desktop.notifications().wait(seen, "Le VPN ne répond plus");
    tour.picture(&desktop, "Le serveur VPN tombe : une notification le dit");
    item.click(&["Se déconnecter du VPN"]);
    wait_for_status(&item, "Serveur VPN injoignable");

    vpn.start_server();
    otp += 1;
    connect(&mut tour, &desktop, &vpn, &item, &TestVpn::otp(otp), false);
    tour.picture(&desktop, "Reconnecté");

    let reminder = Duration::from_secs(90);
    wait_for("the reminder of the shutdown", reminder, || {
        let all = desktop.notifications().all();
        all.into_iter().find(|one| one.id != 0 && one.summary.starts_with("Arrêt automatique"))
    });
    tour.picture(&desktop, "Rappel avant l’arrêt automatique");

    item.activate();
    desktop.wait_for_window(PANEL, true);
    let page = WebPage::of_window(&desktop, PANEL);
    wait_for("the panel's rows", DEADLINE, || (!page.rows().is_empty()).then_some(()));
    tour.picture(&desktop, "Le panneau");
    for card in CARDS {
        page.click(card);
        page.wait_for_text("main", "Retour au panneau");
        tour.picture(&desktop, &format!("Le panneau : {card}"));
        page.click("Retour au panneau");
    }
    desktop.press_key(PANEL, "Escape");
    desktop.wait_for_window(PANEL, false);
    tour.finish();
    println!("{:5.1} s in all", begin.elapsed().as_secs_f64());
    if stay {
        println!("The desktop stays until Ctrl-C.");
        // Returns, so that whatever was started and mounted is ended and removed.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(tokio::signal::ctrl_c()).expect("the signal can be awaited");
    }
}
