//! The panel in its real window: each row compared with what the system's own commands print, and what each button does.

use crate::harness::cups::CupsServer;
use crate::harness::login1::FakeLogind;
use crate::harness::page::{PageRow, WebPage, allow_webdriver};
use crate::harness::tray::TrayItem;
use crate::harness::vpn::{GATEWAY, TUNNEL, TestVpn};
use crate::harness::wapt::FakeWaptAgent;
use crate::harness::{ChildProcess, DEADLINE, Desktop, run, wait_for};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

/// Starts a desktop at home with a short probe timeout, as nothing answers for an unreachable host here. Connecting is
/// left to Cisco's client; the tests of Vigie's window for it are in `connect_window`.
pub fn at_home(vpn: &TestVpn, settings: &str) -> Desktop {
    let desktop = Desktop::at_home(vpn);
    desktop.configure(&format!("[vpn]\nprobe_timeout_seconds = 1\nconnect = \"open-client\"\n\n{settings}"));
    desktop.skip_first_run();
    desktop
}

/// As [`open_folded`], with the facts unfolded.
pub fn open(desktop: &Desktop, status: &str) -> (ChildProcess, TrayItem, WebPage) {
    let (vigie, item, page) = open_folded(desktop, status);
    page.click("Toutes les informations");
    (vigie, item, page)
}

/// Starts Vigie on an isolated machine, and opens its panel once the menu contains `status`.
pub fn open_folded(desktop: &Desktop, status: &str) -> (ChildProcess, TrayItem, WebPage) {
    let vigie = desktop.spawn("vigie", allow_webdriver(&mut desktop.vigie_on_isolated_machine()));
    let item = desktop.item_of(vigie.pid());
    item.wait_for_menu(status);
    item.activate();
    let page = WebPage::of(desktop);
    (vigie, item, page)
}

/// Returns the trimmed output of a command on the desktop.
fn output_of(desktop: &Desktop, command: &[&str]) -> String {
    run(desktop.command(command[0]).args(&command[1..])).trim().to_owned()
}

/// Returns the trimmed output of a command in the namespaces of this Vigie.
fn output_beside(desktop: &Desktop, vigie: &ChildProcess, command: &[&str]) -> String {
    run(desktop.command_beside(vigie, command[0]).args(&command[1..])).trim().to_owned()
}

/// Takes a picture of the panel for the documentation (`make images`), scrolled to the element of a selector.
pub fn capture(desktop: &Desktop, page: &WebPage, name: &str, top: &str) {
    // The page is drawn when the second frame begins.
    page.run_async::<Value>(
        "document.querySelector(arguments[0]).scrollIntoView({ block: 'start', behavior: 'instant' });
         requestAnimationFrame(() => requestAnimationFrame(() => arguments[1](null)))",
        &[json!(top)],
    );
    desktop.screenshot_of("Vigie", name);
}

/// Returns the sizes in a text such as "3,2 Go libres sur 7,6 Go", in bytes.
fn sizes(text: &str) -> Vec<f64> {
    let words: Vec<&str> = text.split(' ').collect();
    let size = |pair: &[&str]| {
        let unit = match pair[1] {
            "Mo" => f64::from(1 << 20),
            "Go" => f64::from(1 << 30),
            _ => return None,
        };
        Some(pair[0].replace(',', ".").parse::<f64>().ok()? * unit)
    };
    words.windows(2).filter_map(size).collect()
}

/// Returns whether two sizes are equal, apart from rounding and changes on a busy machine.
fn is_about(shown: f64, said: f64) -> bool {
    (shown - said).abs() < 0.1 * said + f64::from(1 << 28)
}

/// Returns the time of day in French notation: "9 h", "9 h 05".
fn french_time(time: jiff::civil::Time) -> String {
    match time.minute() {
        0 => format!("{} h", time.hour()),
        minute => format!("{} h {minute:02}", time.hour()),
    }
}

#[test]
fn each_row_agrees_with_the_systems_own_commands() {
    let vpn = TestVpn::start();
    let desktop = at_home(
        &vpn,
        "[[drive]]\nletter = \"I\"\nmount_points = [\"~/machine/shares/i\"]\n\
         [[drive]]\nletter = \"S\"\nmount_points = [\"smb://fichiers.test/services\"]\n\
         [[drive]]\nletter = \"U\"\nmount_points = [\"~/machine/shares/u\"]\n",
    );
    fs::write(
        format!("/etc/netns/{}/resolv.conf", vpn.home_namespace()),
        "nameserver 192.168.77.1\nnameserver 9.9.9.9\n",
    )
    .expect("the harness made the folder");
    let hosts = format!("/etc/netns/{}/hosts", vpn.home_namespace());
    let known = fs::read_to_string(&hosts).expect("the harness wrote it");
    fs::write(hosts, format!("{known}127.0.1.1 pc-14-042.ac-caen.fr pc-14-042\n")).expect("the harness wrote it");
    for share in ["i", "u"] {
        fs::create_dir_all(desktop.home().join("machine/shares").join(share)).expect("the home folder is writable");
    }
    desktop.write(".config/gtk-3.0/bookmarks", "smb://fichiers.test/services Services\n");
    for (file, text) in [
        ("BAT0/type", "Battery"),
        ("BAT0/capacity", "63"),
        ("BAT0/status", "Discharging"),
        ("AC/type", "Mains"),
        ("AC/online", "0"),
    ] {
        desktop.write(&format!("machine/power/{file}"), &format!("{text}\n"));
    }
    let cups = CupsServer::start(&desktop);
    cups.add_queue("I14RC-DSI-RDC");
    cups.add_queue("I76RC-DSI04-B4");
    cups.add_queue("Bureau");
    cups.set_default_queue("I76RC-DSI04-B4");
    let wapt = FakeWaptAgent::start(&desktop);
    wapt.set_response(
        "/checkupgrades.json",
        r#"{"upgrades": [], "pending": {"install": ["tis-isl-light"], "upgrade": []}}"#,
    );
    let _login1 = FakeLogind::start(&desktop);
    vpn.connect();
    let (vigie, item, page) = open(&desktop, "VPN connecté");
    page.wait_for_row("wapt", "version");
    let rows = page.rows();
    let row = |id: &str| -> PageRow {
        let found = rows.iter().find(|row| row.id == id);
        found.unwrap_or_else(|| panic!("no row {id:?}: {rows:#?}")).clone()
    };
    let normal = |id: &str| -> String {
        let row = row(id);
        assert_eq!(row.mark, "normal", "{row:?}");
        row.value
    };

    // Network.
    let address = |interface: &str| -> String {
        let show =
            run(Command::new("ip").args(["-n", vpn.home_namespace(), "-4", "-o", "address", "show", "dev", interface]));
        show.split("inet ")
            .nth(1)
            .and_then(|rest| rest.split(['/', ' ']).next())
            .expect("the interface has an address")
            .to_owned()
    };
    assert_eq!(normal("site"), "Caen (Calvados, Manche, Orne)");
    assert_eq!(normal("vpn"), format!("VPN connecté ({GATEWAY})"));
    assert_eq!(normal("local-address"), address("eth0"));
    assert_eq!(normal("vpn-address"), address(TUNNEL));
    let route = output_of(&desktop, &["ip", "route", "show", "default"]);
    assert_eq!(Some(normal("router").as_str()), route.split(' ').nth(2));
    let servers = output_of(&desktop, &["awk", "$1 == \"nameserver\" {print $2}", "/etc/resolv.conf"]);
    assert_eq!(normal("dns").split(", ").collect::<Vec<_>>(), servers.lines().collect::<Vec<_>>());

    // This computer.
    let there = |command: &[&str]| output_beside(&desktop, &vigie, command);
    assert_eq!(normal("computer"), there(&["hostname"]));
    assert_eq!(normal("user"), format!("{} ({})", there(&["id", "-un"]), there(&["hostname", "--domain"])));
    let release = output_of(&desktop, &["sh", "-c", ". /etc/os-release; echo \"$NAME $VERSION_ID\""]);
    assert_eq!(normal("system"), release.trim());
    let booted: jiff::civil::DateTime =
        output_of(&desktop, &["uptime", "--since"]).parse().expect("uptime prints date and time");
    // `uptime` counts back from now, and may differ by a second.
    let mut about =
        [-1, 0, 1].map(|second| french_time((booted + jiff::SignedDuration::from_secs(second)).time())).into_iter();
    assert!(about.any(|time| row("booted").value.contains(&format!("à {time}"))), "{:?} {booted}", row("booted"));
    let memory = output_of(&desktop, &["sh", "-c", "free --bytes | awk '/^Mem:/ {print $7, $2}'"]);
    let memory: Vec<f64> = memory.split(' ').map(|bytes| bytes.parse().expect("it is a number")).collect();
    let shown = sizes(&normal("memory"));
    assert!(is_about(shown[0], memory[0]) && (shown[1] - memory[1]).abs() < 1.1e8, "{shown:?} {memory:?}");
    let disk = output_of(&desktop, &["df", "--block-size=1", "--output=avail", "/"]);
    let disk: f64 = disk.lines().nth(1).and_then(|bytes| bytes.trim().parse().ok()).expect("it is a number");
    assert!(is_about(sizes(&row("disk").value)[0], disk), "{:?} {disk}", row("disk"));
    let charge = output_beside(&desktop, &vigie, &["cat", "/sys/class/power_supply/BAT0/capacity"]);
    assert_eq!(normal("battery"), format!("{charge} % (sur batterie)"));
    assert_eq!(normal("version"), env!("CARGO_PKG_VERSION"));

    // Drives.
    let mounts = output_beside(
        &desktop,
        &vigie,
        &["findmnt", "--list", "--noheadings", "--output", "TARGET", "--types", "tmpfs"],
    );
    for (letter, label) in [("i", "Lecteur I (données professionnelles)"), ("u", "Lecteur U (données personnelles)")]
    {
        let folder = desktop.home().join("machine/shares").join(letter).display().to_string();
        assert!(mounts.lines().any(|mount| mount == folder), "{folder} in {mounts}");
        let row = row(&format!("drive-{letter}"));
        assert_eq!((row.label.as_str(), row.value.as_str(), row.mark.as_str()), (label, "accessible", "normal"));
    }
    assert_eq!((row("drive-s").value.as_str(), row("drive-s").mark.as_str()), ("s’ouvre à la demande", "normal"));
    assert_eq!(
        (row("drive-t").value.as_str(), row("drive-t").mark.as_str()),
        ("absent de cet ordinateur, à demander à AMIGO", "unavailable")
    );

    // Printers: the default one first.
    let queues = cups.run_tool("lpstat", &["-e"]);
    let preferred = cups.run_tool("lpstat", &["-d"]);
    let printers: Vec<&PageRow> = rows.iter().filter(|row| row.id.starts_with("printer")).collect();
    assert_eq!(printers.len(), queues.lines().count(), "{queues}");
    for queue in queues.lines() {
        let mark = if preferred.trim().ends_with(queue) { " (par défaut)" } else { "" };
        assert!(normal(&format!("printer-{queue}")).starts_with(&format!("{queue}{mark}")), "{printers:?}");
    }
    let decoded = "I76RC-DSI04-B4 (par défaut) : Rectorat (Seine-Maritime), division DSI n° 4, bâtiment B, étage 4";
    assert_eq!(printers[0].value, decoded);
    assert!(normal("printer-I14RC-DSI-RDC").contains("Rectorat (Calvados), division DSI"), "{printers:?}");
    assert_eq!(normal("printer-Bureau"), "Bureau");

    assert_eq!(normal("wapt"), "version 2.5.5.15697, 1 mise à jour en attente");
    let hours = normal("amigo");
    assert!(
        ["ouverte jusqu’à ", "fermée, ouvre ", "horaires inconnus"].iter().any(|known| hours.starts_with(known)),
        "{hours}"
    );
    assert_eq!(normal("urgent-0"), "0806 000 488 ou 0810 14 50 61");
    assert_eq!(normal("urgent-1"), "09 70 80 97 97");
    assert_eq!(normal("shutdown"), "aujourd’hui à 21 h 30");
    assert!(rows.iter().all(|row| !row.label.is_empty() && !row.value.is_empty()), "{rows:#?}");
    assert_eq!(page.text("h1"), normal("vpn").trim_end_matches(&format!(" ({GATEWAY})")));

    capture(&desktop, &page, "panneau-clair", "main");
    capture(&desktop, &page, "panneau-faits", "section:has([data-id=computer])");

    // In the menu a click on a printer copies its name alone.
    item.click(&["Imprimantes", &format!("Copier le nom : {decoded}")]);
    desktop.notifications().wait(0, "Le nom de l’imprimante est copié");
    assert_eq!(desktop.clipboard_text(), "I76RC-DSI04-B4");

    // Changes appear by themselves: a WAPT task, the end of the tunnel and its consequences.
    let (pings, events) = (wapt.request_count("/ping"), wapt.request_count("/events.json"));
    wapt.set_response("/tasks.json", r#"{"running": {"id": 7, "description": "Installation de tis-isl-light"}}"#);
    wapt.emit_event("TASK_START");
    page.wait_for_row(
        "wapt",
        "version 2.5.5.15697, 1 mise à jour en attente, en cours : Installation de tis-isl-light",
    );
    vpn.disconnect();
    page.wait_for_row("vpn", "VPN déconnecté depuis ");
    assert_eq!(
        (page.row("vpn-address").mark.as_str(), page.row("vpn-address").value.as_str()),
        ("unavailable", "aucune (pas de tunnel)")
    );
    assert_eq!(page.wait_for_row("drive-i", "hors d’atteinte : VPN déconnecté").mark, "warning");
    page.wait_for_text("h1", "VPN déconnecté depuis ");
    // Nothing is polled: one reading for the event, perhaps one for the end of the VPN, and one pending long poll.
    assert!((1..=2).contains(&(wapt.request_count("/ping") - pings)), "{} {pings}", wapt.request_count("/ping"));
    assert!(
        (1..=2).contains(&(wapt.request_count("/events.json") - events)),
        "{} {events}",
        wapt.request_count("/events.json")
    );

    // What comes and goes is shown, with the reason: a drive at once, the others when the panel is asked for.
    vpn.connect();
    page.wait_for_row("drive-i", "accessible");
    let share = desktop.home().join("machine/shares/i").display().to_string();
    output_beside(&desktop, &vigie, &["umount", &share]);
    assert_eq!(page.wait_for_row("drive-i", "absent de cet ordinateur, à demander à AMIGO").mark, "unavailable");
    output_beside(&desktop, &vigie, &["mount", "-t", "tmpfs", "share", &share]);
    page.wait_for_row("drive-i", "accessible");
    fs::remove_dir_all(desktop.home().join("machine/power/BAT0")).expect("the folder was written before");
    drop(cups);
    item.activate();
    let printers = page.wait_for_row("printers", "le service d’impression ne répond pas");
    assert_eq!((printers.label.as_str(), printers.mark.as_str()), ("Imprimantes", "unavailable"));
    wait_for("the battery's row to go", DEADLINE, || page.rows().iter().all(|row| row.id != "battery").then_some(()));
}

#[test]
fn each_button_does_what_its_label_says() {
    let vpn = TestVpn::start();
    let desktop = at_home(&vpn, "");
    let [cisco, isl, wapt, browser] =
        ["vpnui", "ISLLightClient", "waptself", "xdg-open"].map(|name| desktop.record_program(name));
    let _login1 = FakeLogind::start(&desktop);
    let (_vigie, _item, page) = open(&desktop, "VPN déconnecté");

    page.click("Se connecter au VPN");
    assert_eq!(cisco.next_call(0), Vec::<String>::new());
    page.click("Installer");
    page.click("Ouvrir WAPT Self Service");
    assert_eq!(wapt.next_call(0), Vec::<String>::new());
    page.click("Retour au panneau");
    page.click("Intranet");
    page.click("Intranet");
    assert_eq!(browser.next_call(0), ["https://monintranet.ac-caen.fr/"]);
    page.click("Retour au panneau");
    page.click("Aide");
    page.click("Ouvrir sans numéro");
    assert_eq!(isl.next_call(0), Vec::<String>::new());
    page.click("Ouvrir AMIGO");
    assert_eq!(browser.next_call(1), ["http://assistance.ac-normandie.fr/"]);

    // The info for the helpdesk is the status as the command line prints it, under the date and time; then the chain to the
    // drives, and the last days.
    page.click("Retour au panneau");
    page.fill("#search", "copier les infos");
    page.wait_for_text("[data-result=support-info]", "Copier les infos pour l’assistance");
    page.click_on("[data-result=support-info]");
    let copied = wait_for("the helpdesk's text to paste", DEADLINE, || {
        let text = desktop.clipboard_text();
        text.starts_with("Vigie, le ").then_some(text)
    });
    let status = desktop.vigie().arg("status").output().expect("it starts");
    let status = String::from_utf8(status.stdout).expect("UTF-8");
    // Free memory and disk space may have changed.
    let steady = |text: &str| -> Vec<String> {
        let moves = |line: &&str| ["  Mémoire : ", "  Disque système : "].iter().any(|label| line.starts_with(label));
        text.lines().filter(|line| !moves(line)).map(str::to_owned).collect()
    };
    let (first, rest) = copied.split_once('\n').expect("it has several lines");
    assert_eq!(first.len(), "Vigie, le 24/11/2026 14:02".len(), "{first}");
    let (rest, more) = rest.split_once("\nDe l’ordinateur aux lecteurs\n").expect("the chain follows");
    assert_eq!(steady(rest), steady(&status));
    assert!(more.contains("\n\nLes derniers jours\n  aujourd’hui : "), "{more}");
    assert!(rest.contains("\n  Mémoire : ") && rest.contains("\n  Disque système : "), "{rest}");

    // The page confirms it for a moment at its lower edge.
    page.wait_for_text(".answer", "Les infos pour l’assistance sont copiées");
    wait_for("the end of the confirmation", DEADLINE, || page.text(".answer").is_empty().then_some(()));

    // The button of each row copies its value, a printer's its name alone.
    let rows = page.rows();
    assert!(rows.len() > 20, "{rows:#?}");
    // Announcements for screen readers are removed after a moment.
    page.run::<Value>(
        "const region = document.querySelector('p[role=status]');
         window.announced = [];
         new MutationObserver(() => announced.push(region.textContent)).observe(region, { childList: true, characterData: true, subtree: true })",
        &[],
    );
    for row in &rows {
        page.click_on(&format!("[data-id={}] button", json!(row.id)));
        let printer = row.id.strip_prefix("printer-");
        let name = printer.map_or(row.label.clone(), |printer| format!("{} {printer}", row.label));
        let expected = format!("{name} : copié");
        wait_for(&format!("{expected:?} to be announced"), DEADLINE, || {
            let announced: Vec<String> = page.run("return announced", &[]);
            announced.iter().any(|text| text.replace('\u{a0}', " ") == expected).then_some(())
        });
        let wanted = printer.map_or_else(|| page.row(&row.id).value, str::to_owned);
        assert_eq!(desktop.clipboard_text().replace('\u{a0}', " "), wanted, "{row:?}");
    }
    for (recorder, calls) in [(&cisco, 1), (&isl, 1), (&wapt, 1), (&browser, 2)] {
        assert_eq!(recorder.calls().len(), calls, "something was opened twice");
    }
    desktop.assert_no_warnings_logged();
}

#[test]
fn the_panel_asks_for_the_site_and_before_it_switches_off() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    // The user has not chosen a site yet.
    let settings = fs::read_to_string(desktop.configure("")).expect("just written");
    desktop.write(".config/vigie/vigie.toml", &settings.replace("[user]\nsite = \"caen\"\n", ""));
    desktop.write(".local/state/vigie/state.json", r#"{"welcomed": true}"#);
    let login1 = FakeLogind::start(&desktop);
    let vigie = desktop.spawn("vigie", allow_webdriver(&mut desktop.vigie()));
    let item = desktop.item_of(vigie.pid());
    item.activate();
    let page = WebPage::of(&desktop);
    page.wait_for_text("main", "Quel est votre site ?");
    page.click("Toutes les informations");
    assert_eq!(
        (page.row("site").mark.as_str(), page.row("site").value.as_str()),
        ("warning", "à choisir dans les réglages ou dans le menu « Mon site »")
    );
    page.click("Caen (Calvados, Manche, Orne)");
    page.wait_for_row("site", "Caen (Calvados, Manche, Orne)");
    wait_for("the question to go", DEADLINE, || (!page.text("main").contains("Quel est votre site ?")).then_some(()));
    let settings = fs::read_to_string(desktop.home().join(".config/vigie/vigie.toml")).expect("it was written");
    assert!(settings.contains("site = \"caen\""), "{settings}");

    // Questions appear in the open panel.
    let ask = || {
        item.click(&["Arrêt automatique", "Éteindre maintenant…"]);
        page.wait_for_text("main", "Éteindre l’ordinateur maintenant ?");
    };
    ask();
    page.click("Annuler");
    wait_for("the question to go", DEADLINE, || (!page.text("main").contains("Éteindre l’ordinateur")).then_some(()));
    let offs = || login1.calls().iter().filter(|call| call.starts_with("PowerOff")).count();
    assert_eq!(offs(), 0);
    ask();
    page.click("Éteindre");
    wait_for("the machine to be switched off", DEADLINE, || (offs() > 0).then_some(()));
    assert_eq!(offs(), 1);
}

#[test]
fn guide_entries_are_found_sessions_joined_and_codes_dialled() {
    let vpn = TestVpn::start();
    let desktop = at_home(&vpn, "");
    let _login1 = FakeLogind::start(&desktop);
    let [isl, browser] = ["ISLLightClient", "xdg-open"].map(|name| desktop.record_program(name));
    let (_vigie, _item, page) = open(&desktop, "VPN déconnecté");
    let found = || -> Vec<String> {
        page.run("return [...document.querySelectorAll('[role=search] li strong')].map((one) => one.innerText)", &[])
    };
    let search = |words: &str, wanted: &str| {
        page.fill("#search", words);
        let first = || found().first().map(|first| first.replace('\u{a0}', " "));
        wait_for(&format!("{wanted:?} as the first of what {words:?} finds: {:?}", found()), DEADLINE, || {
            (first().as_deref() == Some(wanted)).then_some(())
        });
    };

    // Without accents, in capitals, by purpose, with several words.
    search("telemaintenance", "Télémaintenance");
    page.press_keys("\u{e007}");
    assert_eq!(isl.next_call(0), Vec::<String>::new());
    search("PAD AVANCÉ", "Pad avancé - CodiMD");
    page.click_on("[role=search] li button");
    assert_eq!(browser.next_call(0).len(), 1);
    search("messagerie vocale *98", "Consulter la messagerie vocale : *98");
    page.click_on("[role=search] li button");
    wait_for("the code to paste", DEADLINE, || (desktop.clipboard_text() == "*98").then_some(()));
    page.wait_for_text("main", "*98 est copié");
    page.fill("#search", "xyzzy");
    page.wait_for_text("[role=search]", "Aucun résultat.");
    assert_eq!(found().len(), 4);
    assert_eq!(found()[3], "AMIGO");
    // Escape clears the field and leaves the panel open.
    page.press_keys("\u{e00c}");
    wait_for("the field to be empty", DEADLINE, || {
        page.run::<String>("return document.querySelector('#search').value", &[]).is_empty().then_some(())
    });

    // The session number as the operator gives it, and mistyped.
    page.click("Aide");
    let join = "form:has(#session) button[type=submit]";
    page.fill("#session", "12 34-56 78");
    page.click_on(join);
    assert_eq!(isl.next_call(1), ["--connect", "12345678"]);
    page.fill("#session", "12 34; rm");
    page.click_on(join);
    page.wait_for_text("form:has(#session)", "Un numéro de session n’a que des chiffres");
    page.fill("#session", "");
    page.click_on(join);
    assert_eq!(isl.next_call(2), Vec::<String>::new());

    // Codes with and without a number, copied and dialled.
    page.click("Retour au panneau");
    page.click("Téléphone");
    page.fill("#telephone", "+33 (0)2 31 30 15 15");
    page.wait_for_text("main", "*21 02 31 30 15 15");
    page.click("Copier *21 02 31 30 15 15 : Renvoi immédiat");
    wait_for("the code to paste", DEADLINE, || (desktop.clipboard_text() == "*210231301515").then_some(()));
    capture(&desktop, &page, "panneau-telephonie", "main");
    page.click("Composer *22 02 31 30 15 15 : Renvoi sur non-réponse");
    assert_eq!(browser.next_call(1), ["tel:*220231301515"]);
    page.click("Composer *20 : Désactiver tous les renvois");
    assert_eq!(browser.next_call(2), ["tel:*20"]);
    page.fill("#telephone", "poste 12");
    page.click("Composer *23 + n° : Renvoi sur occupation");
    page.wait_for_text("main", "Un numéro de téléphone n’a que des chiffres");
    assert_eq!((isl.calls().len(), browser.calls().len()), (3, 3));
    desktop.assert_no_warnings_logged();
}

#[test]
fn settings_are_saved_and_applied_at_once_unless_locked() {
    let vpn = TestVpn::start();
    let desktop = at_home(&vpn, "# Mon serveur de fichiers\n[[drive]]\nletter = \"I\"\nmount_points = [\"/mnt/i\"]\n");
    let _login1 = FakeLogind::start(&desktop);
    desktop.write("machine/etc/vigie/vigie.toml", "locked = [\"panel.opacity_percent\", \"panel.hidden\"]\n");
    let browser = desktop.record_program("xdg-open");
    let (_vigie, item, page) = open(&desktop, "VPN déconnecté");
    let file = || fs::read_to_string(desktop.home().join(".config/vigie/vigie.toml")).expect("it is there");
    let chosen = |setting: &str| -> Vec<String> {
        page.run(
            "return [...document.querySelectorAll(`[data-setting=${arguments[0]}] :is(input:checked + label, option:checked)`)]
                 .map((one) => one.innerText.replace(/\\s+/g, ' ').trim())",
            &[json!(setting)],
        )
    };
    page.click("Réglages");
    page.wait_for_text("h1", "Réglages");
    assert_eq!(chosen("site"), ["Caen (Calvados, Manche, Orne)"]);
    assert_eq!(chosen("reminders"), ["30 minutes avant", "15 minutes avant", "5 minutes avant"]);

    // Reminders.
    page.click_on("label[for=reminders-0]");
    wait_for("the reminder in the user's file", DEADLINE, || {
        file().contains("leads_minutes = [60, 30, 15, 5]").then_some(())
    });
    wait_for("the check mark", DEADLINE, || (chosen("reminders")[0] == "1 heure avant").then_some(()));
    assert!(file().contains("# Mon serveur de fichiers\n"), "the rest of the file is kept: {}", file());

    // The site: the menu and the buttons follow at once.
    page.click_on("#site option[value='1']");
    wait_for("the site in the user's file", DEADLINE, || file().contains("site = \"rouen\"").then_some(()));
    item.wait_for_menu("(o) Rouen");

    // Autostart.
    page.click_on("label[for=start-0]");
    let entry = desktop.home().join(".config/autostart/vigie.desktop");
    wait_for("the autostart entry", DEADLINE, || entry.exists().then_some(()));

    // Locked settings are shown but disabled.
    let locked = |setting: &str| -> (bool, bool) {
        page.run(
            "const one = document.querySelector(`[data-setting=${arguments[0]}]`);
             return [[...one.querySelectorAll('input, select')].every((field) => field.matches(':disabled')),
                 one.innerText.includes('Fixé par votre administrateur')]",
            &[json!(setting)],
        )
    };
    for setting in ["opacity", "rows"] {
        assert_eq!(locked(setting), (true, true), "{setting}");
    }
    for setting in ["site", "reminders", "size", "start"] {
        assert_eq!(locked(setting), (false, false), "{setting}");
    }
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    capture(&desktop, &page, "panneau-reglages", "main");

    page.click("Retour au panneau");
    page.wait_for_row("site", "Rouen (Seine-Maritime, Eure)");
    page.click("Intranet");
    page.click("Intranet");
    assert_eq!(browser.next_call(0), ["http://portail-metier.ac-rouen.fr"]);
    desktop.assert_no_warnings_logged();
}

const AXE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/ui/node_modules/axe-core/axe.min.js");

/// Returns the accessibility faults that axe-core finds in the page; checks that it has tested the contrast.
pub fn accessibility_faults(page: &WebPage) -> Vec<String> {
    let axe = fs::read_to_string(AXE).expect("npm has installed axe-core: run scripts/setup build");
    page.run::<Value>(&format!("{axe}; return null"), &[]);
    let found: (Vec<String>, Vec<String>) = page.run_async(
        "const done = arguments[arguments.length - 1];
         axe.run(document).then(
             (found) => done([
                 found.violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) =>
                     `${id}: ${target.join(' ')}: ${failureSummary}`)),
                 found.passes.map(({ id }) => id),
             ]),
             (error) => done([[String(error)], []]),
         );",
        &[],
    );
    let (faults, passed) = found;
    for rule in ["color-contrast", "button-name", "document-title", "html-has-lang"] {
        assert!(passed.iter().any(|pass| pass == rule), "{rule} was not tested: {passed:?} {faults:?}");
    }
    faults
}

/// Returns how far the page overflows the window horizontally, and the width of the window, in CSS pixels.
pub fn overflow(page: &WebPage) -> (i64, i64) {
    let script = "const root = document.documentElement; return [root.scrollWidth - root.clientWidth, innerWidth]";
    page.run(script, &[])
}

/// Resizes the window, in pixels of the screen.
pub fn resize(desktop: &Desktop, page: &WebPage, width: u32, height: u32) {
    let (width, height) = (width.to_string(), height.to_string());
    run(desktop.command("xdotool").args([
        "search",
        "--onlyvisible",
        "--name",
        &format!("^{}$", page.title),
        "windowsize",
        "--sync",
        &width,
        &height,
    ]));
    wait_for("the page to have the window's width", DEADLINE, || {
        let (inner, zoom): (f64, f64) = page.run("return [innerWidth, devicePixelRatio]", &[]);
        ((inner * zoom).round() == width.parse::<f64>().expect("it is a number")).then_some(())
    });
}

/// Zooms the page with the keyboard until one CSS pixel takes this many pixels of the screen.
pub fn zoom(desktop: &Desktop, page: &WebPage, wanted: f64) {
    let factor = || page.run::<f64>("return outerWidth / innerWidth", &[]);
    for _ in 0..30 {
        let now = factor();
        if (now - wanted).abs() < 0.05 {
            return;
        }
        desktop.press_key(page.title, if now < wanted { "ctrl+plus" } else { "ctrl+minus" });
        wait_for("another zoom", DEADLINE, || ((factor() - now).abs() > 0.01).then_some(()));
    }
    panic!("no zoom of {wanted}: {}", factor());
}

#[test]
fn the_panel_is_accessible_in_light_and_dark_zoomed_and_by_keyboard() {
    let vpn = TestVpn::start();
    let desktop = at_home(&vpn, "");
    let (_login1, _cups) = (FakeLogind::start(&desktop), CupsServer::start(&desktop));
    let (_vigie, item, page) = open(&desktop, "VPN déconnecté");
    let scheme = |page: &WebPage| -> (bool, String) {
        page.run(
            "return [matchMedia('(prefers-color-scheme: dark)').matches, document.documentElement.dataset.frTheme]",
            &[],
        )
    };
    assert_eq!(scheme(&page), (false, "light".into()));
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    // axe-core finds a fault.
    page.run::<Value>("const one = document.querySelector('button[aria-label^=\"Copier\u{a0}: \"]'); one.dataset.was = one.ariaLabel; one.ariaLabel = ''; one.title = ''", &[]);
    assert!(accessibility_faults(&page).iter().any(|fault| fault.starts_with("button-name")));
    page.run::<Value>("const one = document.querySelector('[data-was]'); one.ariaLabel = one.dataset.was", &[]);

    // 320 CSS pixels wide, as a window of 1280 pixels at 400 % (WCAG 2.1, 1.4.10).
    resize(&desktop, &page, 320, 680);
    assert_eq!(overflow(&page), (0, 320));
    resize(&desktop, &page, 640, 680);
    zoom(&desktop, &page, 2.0);
    assert_eq!(overflow(&page), (0, 320));
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    zoom(&desktop, &page, 1.0);
    resize(&desktop, &page, 420, 680);

    // Tab reaches each control in reading order, with a visible focus.
    let script =
        "return [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')]
        .filter((one) => one.tabIndex >= 0 && !one.disabled && one.checkVisibility())
        .map((one, index) => one.dataset.order = String(index)).length";
    let all: usize = page.run(script, &[]);
    assert!(all > 20, "{all}");
    page.run::<Value>("document.activeElement?.blur(); scrollTo(0, 0)", &[]);
    for index in 0..all {
        page.press_keys("\u{e004}");
        let (order, outline, inside): (String, String, bool) = page.run(
            "const one = document.activeElement, { top, bottom } = one.getBoundingClientRect();
             return [one.dataset.order ?? one.outerHTML, getComputedStyle(one).outlineStyle, top >= 0 && bottom <= innerHeight]",
            &[],
        );
        assert_eq!((order, outline, inside), (index.to_string(), "solid".into(), true));
    }
    desktop.press_key("Vigie", "Escape");
    desktop.wait_for_window("Vigie", false);
    drop(page);

    // The page follows the appearance of the system.
    desktop.write(".config/gtk-3.0/settings.ini", "[Settings]\ngtk-application-prefer-dark-theme=1\n");
    item.activate();
    let page = WebPage::of(&desktop);
    assert_eq!(scheme(&page), (true, "dark".into()));
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    capture(&desktop, &page, "panneau-sombre", "main");
    page.fill("#search", "renvoi");
    page.wait_for_text("[role=search]", "résultats");
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    page.fill("#search", "");
    let titles: Vec<String> =
        page.run("return [...document.querySelectorAll('nav button')].map((one) => one.innerText)", &[]);
    assert_eq!(titles.len(), 12);
    // By keyboard: under the pointer, the design system's buttons have another colour.
    page.run::<Value>("document.querySelector('#search').focus()", &[]);
    for title in &titles {
        page.press_keys("\u{e004}\u{e007}");
        page.wait_for_text("h1", title);
        assert_eq!(accessibility_faults(&page), Vec::<String>::new(), "{title}");
        assert_eq!(overflow(&page).0, 0, "{title}");
        capture(&desktop, &page, &format!("carte-{}", title.to_lowercase().replace(' ', "-")), "main");
        page.press_keys("\u{e00c}");
        page.wait_for_text("h1", "VPN déconnecté");
    }
    page.click("Aide");
    page.fill("#session", "12a");
    page.click_on("form:has(#session) button[type=submit]");
    page.wait_for_text("form:has(#session)", "Un numéro de session n’a que des chiffres");
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    item.click(&["Arrêt automatique", "Éteindre maintenant…"]);
    page.wait_for_text("main", "Éteindre l’ordinateur maintenant ?");
    assert_eq!(accessibility_faults(&page), Vec::<String>::new());
    desktop.assert_no_warnings_logged();
}
