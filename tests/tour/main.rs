//! A guided tour of the main job on a miniature of the academy, all on this machine: a VPN server that asks for PIN and
//! six digits; behind it a file server, a print server, a web server and a DNS server; a keyring, and a desktop. Each step
//! checks what the program shows, and takes a picture. `make run` without a display, `make tour` and `make demo` run it.
//!
//! Prints a line per step, and writes `index.html`, the pictures and one contact sheet into `target/tour`. With `--stay`
//! the desktop stays until Ctrl-C, and the terminal prints the digits of the key. With `--demo` the desktop is a window on
//! the display in `DISPLAY`; no pictures are taken, and each step waits for Enter.
#![cfg(target_os = "linux")]
#![expect(clippy::print_stdout, reason = "it is a program that one watches")]

#[path = "../desktop/harness/mod.rs"]
#[expect(dead_code, reason = "the desktop tests use the rest")]
mod harness;

mod pictures;

use harness::academy::{Academy, COPIERS, DRIVES};
use harness::cups::CupsServer;
use harness::keyring::start_keyring;
use harness::login1::FakeLogind;
use harness::page::{WebPage, allow_webdriver};
use harness::tray::TrayItem;
use harness::vpn::{GATEWAY, INTRANET_ADDRESS, INTRANET_HOST, PIN, TestVpn};
use harness::wapt::FakeWaptAgent;
use harness::{ChildProcess, DEADLINE, Desktop, owner, run, wait_for, wait_for_described};
use jiff::{SignedDuration, Timestamp};
use pictures::{PictureGroup, Pictures};
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const CONNECT_WINDOW: &str = "Se connecter au VPN";
const PANEL: &str = "Vigie";
const PINNED: &str = "Vigie sur le bureau";
const TAB: &str = "\u{e004}";

/// What the panel's tiles open, and its settings.
const CARDS: [&[&str]; 17] = [
    &["VPN"],
    &["Lecteurs réseau"],
    &["Téléphone"],
    &["Intranet"],
    &["Intranet", "Outils du ministère"],
    &["Intranet", "Espaces collaboratifs"],
    &["Messagerie"],
    &["Fichiers"],
    &["Visio"],
    &["Tchap"],
    &["Imprimer"],
    &["Installer"],
    &["Aide"],
    &["Aide", "Prise en main à distance"],
    &["Aide", "Pourquoi ça ne marche pas ?"],
    &["Arrêt"],
    &["Réglages"],
];

/// The time of day at which the tour's desktop starts: its one reminder of the guide's shutdown at 21:30 comes at 21:25.
const BEGIN: jiff::civil::Time = jiff::civil::time(21, 24, 10, 0);
/// That of the demo, whose steps last as long as one likes: its reminder comes when its step does.
const BEGIN_DEMO: jiff::civil::Time = jiff::civil::time(17, 0, 0, 0);
/// Relative to the home folder.
const SETTINGS: &str = ".config/vigie/vigie.toml";

fn main() {
    let option = |name: &str| std::env::args().any(|argument| argument == name);
    let (stay, demo) = (option("--stay"), option("--demo"));
    let begin = Instant::now();
    println!("L’académie en miniature : serveurs VPN, de fichiers, d’impression, intranet et DNS, trousseau, bureau");
    let academy = Academy::start();
    let mut tour = Tour::start(&academy, demo);
    tour.walk();
    tour.finish();
    println!("{:5.1} s en tout", begin.elapsed().as_secs_f64());
    if stay || demo {
        print_digits_until_interrupted();
    }
}

/// The user's computer, and the tour so far.
struct Tour<'a> {
    // In the order in which they must be dropped.
    item: TrayItem,
    _programs: Vec<ChildProcess>,
    _wapt: FakeWaptAgent,
    _login1: FakeLogind,
    _printing: CupsServer,
    vigie: ChildProcess,
    desktop: Desktop,
    academy: &'a Academy,
    pictures: Option<Pictures>,
    step: Instant,
    last_digits: String,
}

impl<'a> Tour<'a> {
    fn start(academy: &'a Academy, demo: bool) -> Tour<'a> {
        let step = Instant::now();
        let mut variables = french(if demo { BEGIN_DEMO } else { BEGIN });
        if demo {
            variables
                .extend(["DISPLAY", "XAUTHORITY"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        }
        let desktop = Desktop::bare_at_home(&academy.vpn, &variables);
        configure(&desktop);
        let login1 = FakeLogind::start(&desktop);
        let wapt = FakeWaptAgent::start(&desktop);
        let printing = CupsServer::start(&desktop);
        for name in COPIERS {
            printing.add_queue_to(name, &format!("ipp://{INTRANET_ADDRESS}/printers/{name}"));
        }
        printing.set_default_queue(COPIERS[0]);
        let [manager, document] = set_up_screen(&desktop);
        let mut programs = vec![start_keyring(&desktop), manager, document];
        desktop.start_notification_server();
        desktop.start_xfce_panel();
        let vigie = desktop.spawn("vigie", allow_webdriver(&mut desktop.vigie_with_real_window(&academy.vpn, "")));
        let item = desktop.item_of(vigie.pid());
        // The file manager mounts shares through it; Vigie has its mounts in a namespace of its own.
        programs.push(desktop.spawn("gvfsd", &desktop.command_beside(&vigie, "/usr/libexec/gvfsd")));
        wait_for("gvfsd", DEADLINE, || owner(desktop.session(), "org.gtk.vfs.Daemon"));
        Tour {
            item,
            _programs: programs,
            _wapt: wapt,
            _login1: login1,
            _printing: printing,
            vigie,
            desktop,
            academy,
            pictures: (!demo).then(Pictures::start),
            step,
            last_digits: String::new(),
        }
    }

    /// Ends a step: prints its line, and takes its picture or waits for Enter.
    fn step(&mut self, title: &str) {
        self.step_in(PictureGroup::Desktop, title);
    }

    fn step_in(&mut self, group: PictureGroup, title: &str) {
        println!("{:5.1} s  {title}", self.step.elapsed().as_secs_f64());
        match &mut self.pictures {
            Some(pictures) => pictures.take(&self.desktop, group, title),
            None => {
                println!("         Entrée pour continuer");
                let _ = std::io::stdin().read_line(&mut String::new());
            }
        }
        self.step = Instant::now();
    }

    /// Saves a picture of a window for the documentation.
    fn save(&self, window: &str, name: &str) {
        if let Some(pictures) = &self.pictures {
            pictures.save(&self.desktop, window, name);
        }
    }

    fn walk(&mut self) {
        self.wait_for_status("VPN déconnecté");
        self.item.wait_for_menu("VPN déconnecté");
        self.show_menu();

        self.connect(true);
        self.step("Connecté");

        self.open_drive();
        self.stop_print_server();
        self.lose_tunnel();

        self.connect(false);
        self.step("Reconnecté");

        self.answer_reminder();
        let page = self.open_panel();
        self.step("Le panneau");
        self.open_cards(&page, PictureGroup::Light);
        self.show_pinned(page, "panneau-bureau-clair", "Le panneau posé sur le bureau");

        // Programs read this when they start.
        self.desktop.write(".config/gtk-3.0/settings.ini", "[Settings]\ngtk-application-prefer-dark-theme=1\n");
        let page = self.open_panel();
        page.click("Réglages");
        self.pin(&page, false);
        page.click("Retour au panneau");
        self.open_cards(&page, PictureGroup::Dark);
        self.show_pinned(page, "panneau-bureau-sombre", "Le panneau posé sur le bureau, sombre");
        self.desktop.assert_no_warnings_logged();
    }

    /// Opens the menu as the user does, and closes it.
    fn show_menu(&mut self) {
        let tray = self.window_of_class("wrapper-2.0", None).expect("the tray is a window of the panel");
        let mouse = ["mousemove", "--window", &tray, "16", "16", "click", "3"];
        run(self.desktop.command("xdotool").args(mouse));
        let menu = wait_for("the menu's window", DEADLINE, || {
            self.windows_of_class("wrapper-2.0").into_iter().find(|window| *window != tray)
        });
        self.save(&menu, "menu");
        self.step("Déconnecté : l’icône et le menu le disent");
        // And away from the icon, whose tooltip would cover later pictures.
        run(self.desktop.command("xdotool").args(["key", "Escape", "mousemove", "600", "650"]));
        wait_for("the end of the menu", DEADLINE, || (self.windows_of_class("wrapper-2.0").len() == 1).then_some(()));
    }

    /// Opens each card, and leaves the last one open.
    fn open_cards(&mut self, page: &WebPage, group: PictureGroup) {
        let scheme = if group == PictureGroup::Dark { "sombre" } else { "clair" };
        for (number, path) in CARDS.into_iter().enumerate() {
            if number > 0 {
                page.click("Retour au panneau");
            }
            for card in path {
                page.click(card);
                page.wait_for_text("h1", card);
            }
            page.wait_for_text("main", "Retour au panneau");
            self.step_in(group, &format!("{} ({scheme})", path[path.len() - 1]));
        }
    }

    /// Keeps the panel on the desktop, or no longer, in the settings, which are open.
    fn pin(&self, page: &WebPage, pinned: bool) {
        page.wait_for_text("h1", "Réglages");
        page.click_on("label[for=pinned-0]");
        self.desktop.wait_for_window(PINNED, pinned);
    }

    /// Keeps the panel on the desktop from the settings, which are open, and leaves it there alone.
    fn show_pinned(&mut self, page: WebPage, picture: &str, step: &str) {
        self.pin(&page, true);
        self.close_panel(page);
        self.save(&self.desktop.window_named(PINNED), picture);
        self.step(step);
    }

    fn finish(&self) {
        if let Some(pictures) = &self.pictures {
            let [sheet, index] = pictures.write_index();
            println!("Images : {} et {}", sheet.display(), index.display());
        }
    }

    fn wait_for_status(&self, status: &str) {
        let tooltip = || self.item.tooltip().0;
        wait_for_described(
            || format!("the status {status:?}: {:?}", tooltip()),
            DEADLINE,
            || tooltip().starts_with(status).then_some(()),
        );
    }

    /// What the running Vigie says of an intranet host, and its status.
    fn answer_of(&self, host: &str) -> (Value, Value) {
        let output = self.desktop.vigie().args(["status", "--json"]).output().expect("vigie starts");
        let status: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
        let witnesses = status["witnesses"].as_array().cloned().unwrap_or_default();
        let found = witnesses.into_iter().find(|witness| witness["host"].to_string().contains(host));
        (found.unwrap_or_default(), status["verdict"].clone())
    }

    /// Opens the connect window by the menu, types PIN and digits, and waits for the tunnel.
    fn connect(&mut self, first: bool) {
        self.item.click(&["Se connecter au VPN…"]);
        let page = WebPage::of_window(&self.desktop, CONNECT_WINDOW);
        wait_for("a form that can be sent", DEADLINE, || {
            page.run::<bool>("return document.querySelector('[type=submit]')?.disabled === false", &[]).then_some(())
        });
        if first {
            page.press_keys(TestVpn::USER);
        }
        let digits = self.next_digits();
        page.run::<Value>("document.getElementById('pin').focus()", &[]);
        page.press_keys(PIN);
        page.run::<Value>("document.getElementById('digits').focus()", &[]);
        page.press_keys(&format!("{digits}{TAB}"));
        if first {
            self.step("Se connecter au VPN : identifiant, code PIN, six chiffres de la clé");
        }
        page.run::<Value>("document.getElementById('digits').focus()", &[]);
        let seen = self.desktop.notifications().all().len();
        self.desktop.press_key(CONNECT_WINDOW, "Return");
        self.wait_for_status("VPN connecté");
        // A loss is notified once the connection has lasted.
        self.desktop.notifications().wait(seen, "VPN connecté");
        assert!(self.academy.vpn.is_reachable(INTRANET_HOST), "the tunnel carries");
        self.desktop.wait_for_window(CONNECT_WINDOW, false);
    }

    /// Returns the digits that the key shows, or shows next if these were used already.
    fn next_digits(&mut self) -> String {
        let now = Timestamp::now();
        let mut digits = TestVpn::otp_at(now);
        if digits == self.last_digits {
            digits = TestVpn::otp_at(now + SignedDuration::from_secs(30));
        }
        self.last_digits.clone_from(&digits);
        digits
    }

    fn open_drive(&mut self) {
        self.item.wait_for_menu("Ouvrir le lecteur I");
        self.item.click(&["Lecteurs réseau", "Ouvrir le lecteur I : données professionnelles"]);
        // The file manager asks as whom to open it, and proposes "anonymous".
        let dialog = wait_for("the file manager's question", DEADLINE, || self.window_of_class("thunar", None));
        run(self.desktop.command("xdotool").args(["windowfocus", "--sync", &dialog, "key", "Return"]));
        let window = wait_for("the drive's window", DEADLINE, || self.window_of_class("thunar", Some("fichiers")));
        let folder = self.desktop.home().join(".run/gvfs/smb-share:server=fichiers.in.test,share=i");
        let list = || self.desktop.command_beside(&self.vigie, "ls").arg(&folder).output().ok();
        wait_for("the drive's document", DEADLINE, || {
            String::from_utf8_lossy(&list()?.stdout).contains("Note de service.txt").then_some(())
        });
        wait_for_described(
            || format!("the drive within reach: {:?}", self.item.tooltip()),
            DEADLINE,
            || self.item.tooltip().1.replace('\u{a0}', " ").contains("le lecteur I sont accessibles").then_some(()),
        );
        self.step("Un lecteur réseau s’ouvre");
        run(self.desktop.command("xdotool").args(["windowclose", &window]));
    }

    fn windows_of_class(&self, class: &str) -> Vec<String> {
        let mut search = self.desktop.command("xdotool");
        // xdotool fails if it finds no window.
        let found = search.args(["search", "--onlyvisible", "--class", class]).output().expect("xdotool starts");
        String::from_utf8_lossy(&found.stdout).lines().map(str::to_owned).collect()
    }

    fn window_of_class(&self, class: &str, title: Option<&str>) -> Option<String> {
        self.windows_of_class(class).into_iter().find(|id| {
            let name = self.desktop.command("xdotool").args(["getwindowname", id]).output().ok();
            let name = name.map(|name| String::from_utf8_lossy(&name.stdout).into_owned()).unwrap_or_default();
            title.is_none_or(|title| name.contains(title))
        })
    }

    fn stop_print_server(&mut self) {
        let seen = self.desktop.notifications().all().len();
        wait_for_described(
            || format!("the print server among the answers: {:?}", self.answer_of("impressions")),
            DEADLINE,
            || self.answer_of("impressions").0["strength"].is_string().then_some(()),
        );
        self.academy.stop_print_server();
        wait_for_described(
            || format!("the print server's silence: {:?}", self.answer_of("impressions")),
            DEADLINE,
            || self.answer_of("impressions").0["strength"].is_null().then_some(()),
        );
        assert_eq!(self.answer_of("impressions").1, "connected", "the others answer");
        self.wait_for_status("VPN connecté");
        let mut notified = self.desktop.notifications().all().into_iter().skip(seen);
        // On a slow machine it may be time for the reminder.
        assert!(notified.all(|one| one.summary.starts_with("Arrêt automatique")), "nothing to notify");
        let page = self.open_panel();
        page.click("Lecteurs réseau");
        page.wait_for_row("drive-i", "accessible");
        page.click("Retour au panneau");
        page.click("Imprimer");
        for copier in COPIERS {
            page.wait_for_row(&format!("printer-{copier}"), copier);
        }
        self.step("Le serveur d’impression tombe : le reste répond, le VPN reste connecté");
        self.close_panel(page);
        self.academy.start_print_server();
    }

    fn lose_tunnel(&mut self) {
        let seen = self.desktop.notifications().all().len();
        self.academy.vpn.kill_server();
        self.desktop.notifications().wait(seen, "Le VPN ne répond plus");
        self.wait_for_status("Le VPN ne répond plus");
        self.save(&self.window_of_class("Dunst", None).expect("the notification is shown"), "notification");
        self.step("Le tunnel meurt : une notification le dit");
        self.item.click(&["Se déconnecter du VPN"]);
        self.wait_for_status("Serveur VPN injoignable");
        self.academy.vpn.start_server();
    }

    fn answer_reminder(&mut self) {
        if self.pictures.is_none() {
            self.bring_shutdown_near();
        }
        let reminder = wait_for("the reminder of the shutdown", Duration::from_secs(120), || {
            let all = self.desktop.notifications().all();
            all.into_iter().find(|one| one.id != 0 && one.summary.starts_with("Arrêt automatique"))
        });
        self.step("Rappel avant l’arrêt automatique");
        self.desktop.press_button(&reminder, "J’ai compris");
        let is_closed = || {
            let all = self.desktop.notifications().all();
            all.into_iter().find(|one| one.id == reminder.id)?.closed.map(drop)
        };
        wait_for("the end of the reminder", DEADLINE, is_closed);
        // It would cover the panel.
        run(self.desktop.command("dunstctl").arg("close-all"));
    }

    /// Moves the automatic shutdown so that its reminder comes within a minute.
    fn bring_shutdown_near(&self) {
        let minute = run(self.desktop.command("date").args(["--date", "6 minutes", "+%H:%M"]));
        let settings = fs::read_to_string(self.desktop.home().join(SETTINGS)).expect("written at the start");
        let (before, shutdown) = settings.split_once("[shutdown]\n").expect("it names the reminder");
        self.desktop.write(SETTINGS, &format!("{before}[shutdown]\nat = \"{}\"\n{shutdown}", minute.trim()));
    }

    fn open_panel(&self) -> WebPage {
        self.item.activate();
        self.desktop.wait_for_window(PANEL, true);
        let page = WebPage::of_window(&self.desktop, PANEL);
        wait_for_described(
            || format!("the panel's rows in {:?}", page.text("body")),
            DEADLINE,
            || (!page.rows().is_empty()).then_some(()),
        );
        page
    }

    fn close_panel(&self, page: WebPage) {
        if page.text("main").contains("Retour au panneau") {
            page.click("Retour au panneau");
        }
        // Its driver ends first: the next one needs the port.
        drop(page);
        self.desktop.press_key(PANEL, "Escape");
        self.desktop.wait_for_window(PANEL, false);
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

/// Vigie's settings, and what it finds on the user's computer.
fn configure(desktop: &Desktop) {
    desktop.skip_first_run();
    let share = |letter: &str| format!("smb://fichiers.in.test/{letter}");
    let drives: String = DRIVES
        .iter()
        .map(|letter| format!("[[drive]]\nletter = \"{letter}\"\nmount_points = [\"{}\"]\n\n", share(letter)))
        .collect();
    let inside = "\"ipp://impressions.in.test\", \"https://intranet.in.test\", \"smb://fichiers.in.test\"";
    desktop.write(
        SETTINGS,
        &format!(
            "[user]\nsite = \"caen\"\n\n[[site]]\nid = \"caen\"\ngateway = \"{GATEWAY}\"\ninside = [{inside}]\n\n{drives}\
             [vpn]\nhold_seconds = 2\nprobe_seconds = 5\nprobe_timeout_seconds = 2\n\n[shutdown]\nleads_minutes = [5]\n"
        ),
    );
    let bookmarks: String = DRIVES.iter().map(|letter| format!("{} Lecteur {letter}\n", share(letter))).collect();
    desktop.write(".config/gtk-3.0/bookmarks", &bookmarks);
    // Hides the file manager's warning that it runs as root, which it does only here.
    desktop.write(
        ".config/gtk-3.0/gtk.css",
        "infobar { font-size: 0; margin: -8px 0; opacity: 0; } infobar * { padding: 0; border: 0; }\n",
    );
    // The first name of a user id is the one that is shown.
    let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd is readable");
    let user = TestVpn::USER;
    desktop.write("machine/etc/passwd", &format!("{user}:x:0:0:Jeanne Dupont:/root:/bin/sh\n{users}"));
}

/// Returns the variables of a French desktop on which it is now this time of day. The locale is compiled into the target
/// folder, because few machines have it.
fn french(time: jiff::civil::Time) -> Vec<(&'static str, OsString)> {
    let locales = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("locale");
    let locale = locales.join("fr_FR.UTF-8");
    if !locale.exists() {
        fs::create_dir_all(&locales).expect("the target folder is writable");
        run(Command::new("localedef").args(["-i", "fr_FR", "-f", "UTF-8"]).arg(&locale));
    }
    let now = jiff::ZonedDateTime::now().with_time_zone(jiff::tz::TimeZone::UTC).time();
    // POSIX offsets count westward.
    let west = now.duration_since(time).as_secs();
    let zone = format!("<soir>{}{}", if west < 0 { "-" } else { "" }, clock(west.unsigned_abs()));
    vec![("LANG", "fr_FR.UTF-8".into()), ("LANGUAGE", "fr".into()), ("LOCPATH", locales.into()), ("TZ", zone.into())]
}

/// "21:23:30".
fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Prints the digits of the key whenever they change, as its display would, until Ctrl-C.
fn print_digits_until_interrupted() {
    println!("Tout reste jusqu’à Ctrl-C. Identifiant : {}, code PIN : {PIN}", TestVpn::USER);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    loop {
        let now = Timestamp::now();
        println!("Clé : {}", TestVpn::otp_at(now));
        let left = Duration::from_secs(30 - now.as_second().unsigned_abs() % 30);
        let interrupted = runtime.block_on(async { tokio::time::timeout(left, tokio::signal::ctrl_c()).await.is_ok() });
        if interrupted {
            // Returns, so that whatever was started and mounted is ended and removed.
            return;
        }
    }
}
