//! The command line, with and without a running Vigie: output, effect and exit code.

use crate::harness::login1::FakeLogind;
use crate::harness::vpn::TestVpn;
use crate::harness::{DEADLINE, Desktop, wait_for};
use rustix::process::Signal;
use serde_json::Value;
use std::process::Stdio;

/// Runs a command, and returns its standard output, standard error and exit code.
fn vigie(desktop: &Desktop, arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = desktop.vigie().args(arguments).stdin(Stdio::null()).output().expect("vigie starts");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the output is UTF-8");
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

#[test]
fn status_is_printed_with_and_without_a_running_vigie() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.configure("[vpn]\nprobe_timeout_seconds = 1\n");
    desktop.skip_first_run();
    let assert_status = |status: &str, first: &str, reaches: Option<bool>, code: i32| {
        let (text, errors, exit) = vigie(&desktop, &["status"]);
        assert!(text.starts_with(first), "{text}");
        assert!(text.contains("\n  Site : Caen (Calvados, Manche, Orne)\n"), "{text}");
        assert_eq!((errors.as_str(), exit), ("", Some(code)));
        let (json, _, exit) = vigie(&desktop, &["status", "--json"]);
        assert_eq!((json.lines().count(), exit), (1, Some(code)));
        let json: Value = serde_json::from_str(&json).expect("the output is JSON");
        assert_eq!(json["verdict"], status);
        assert_eq!(json["reaches_inside"], Value::from(reaches));
        assert_eq!((&json["site"], &json["gateway"]), (&"caen".into(), &"portailotp.test".into()));
    };
    let away = ("disconnected", "VPN déconnecté\n", Some(false), 3);
    let on_site = ("on-site", "Sur site, VPN inutile\n", Some(true), 0);
    assert_status(away.0, away.1, away.2, away.3);
    vpn.move_on_site();
    assert_status(on_site.0, on_site.1, on_site.2, on_site.3);

    let login1 = FakeLogind::start(&desktop);
    let (_vigie, item) = desktop.start_vigie();
    item.wait_for_menu("Sur site");
    assert_status(on_site.0, on_site.1, on_site.2, on_site.3);
    login1.prepare_for_sleep(true);
    item.wait_for_menu("Vérification");
    assert_status("unknown", "Vérification du réseau…\n", None, 4);
    vpn.move_home();
    login1.prepare_for_sleep(false);
    item.wait_for_menu("VPN déconnecté");
    assert_status(away.0, away.1, away.2, away.3);
}

#[test]
fn status_watch_prints_each_change_once() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.configure("[vpn]\nprobe_timeout_seconds = 1\n");
    desktop.skip_first_run();
    let (text, errors, code) = vigie(&desktop, &["status", "--watch"]);
    let expected = "Vigie n’est pas lancée. Lancez-la, puis recommencez.\n";
    assert_eq!((text.as_str(), errors.as_str(), code), ("", expected, Some(1)));

    let (mut running, item) = desktop.start_vigie();
    item.wait_for_menu("VPN déconnecté");
    let mut watch = desktop.vigie();
    watch.args(["status", "--watch", "--json"]);
    let mut watch = desktop.spawn("watch", &watch);
    let printed = || -> Vec<Value> {
        let log = watch.log();
        let whole = &log[..log.rfind('\n').map_or(0, |end| end + 1)];
        whole.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    };
    let last_is = |status: &str| {
        wait_for(&format!("{status} as the last line"), DEADLINE, || {
            printed().last().is_some_and(|line| line["verdict"] == status).then_some(())
        });
    };
    last_is("disconnected");
    vpn.unplug();
    last_is("offline");
    vpn.plug();
    last_is("disconnected");
    let lines = printed();
    assert!(lines.windows(2).all(|pair| pair[0] != pair[1]), "a status was printed twice");
    running.signal(Signal::TERM);
    running.wait(DEADLINE);
    assert_eq!(watch.wait(DEADLINE).code(), Some(0));
}

#[test]
fn open_accepts_only_what_the_guide_names() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    let browser = desktop.record_program("xdg-open");
    let isl = desktop.record_program("ISLLightClient");
    assert_eq!(vigie(&desktop, &["open", "tchap"]).2, Some(0));
    assert_eq!(browser.next_call(0), ["https://www.tchap.gouv.fr/"]);
    let (_, errors, code) = vigie(&desktop, &["open", "isl-light"]);
    assert_eq!((errors.trim(), code), ("«\u{a0}Télémaintenance\u{a0}» s’ouvre", Some(0)));
    assert_eq!(isl.next_call(0), Vec::<String>::new());
    desktop.remove_program("ISLLightClient");
    let (_, errors, code) = vigie(&desktop, &["open", "isl-light"]);
    assert!(errors.contains("n’est pas installé La page de téléchargement s’ouvre"), "{errors}");
    assert_eq!(code, Some(1));
    assert_eq!(browser.next_call(1), ["https://telemaintenance.ac-normandie.fr/start/ISLLightClient"]);

    for unknown in ["nix", "https://example.org/", "/bin/true", ""] {
        let (text, errors, code) = vigie(&desktop, &["open", unknown]);
        let expected = format!("« {unknown} » n’est pas dans le guide. « vigie open » affiche la liste.\n");
        assert_eq!((text.as_str(), errors, code), ("", expected, Some(1)));
    }
    let (_, errors, code) = vigie(&desktop, &["open", "tchpa"]);
    assert!(errors.contains("Vouliez-vous dire « Tchap » ?"), "{errors}");
    assert_eq!(code, Some(1));
    let (list, _, code) = vigie(&desktop, &["open"]);
    assert!(list.contains("isl-light            Télémaintenance\n") && list.contains("amigo                AMIGO\n"));
    assert_eq!((list.lines().count(), code), (34, Some(0)));
    assert_eq!(browser.calls().len(), 2);
    // By its name, in any case and without accents; of two sites the user's own.
    desktop.configure("");
    for (at, name, url) in
        [(2, "Tchap", "https://www.tchap.gouv.fr/"), (3, "INTRANET", "https://monintranet.ac-caen.fr/")]
    {
        assert_eq!(vigie(&desktop, &["open", name]).2, Some(0), "{name}");
        assert_eq!(browser.next_call(at), [url]);
    }
    assert_eq!(vigie(&desktop, &["open", "rendez-vous", "renater"]).2, Some(0));
}

#[test]
fn find_prints_what_answers_a_question() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    let (text, errors, code) = vigie(&desktop, &["find", "renvoi", "immédiat"]);
    assert!(text.starts_with("Renvoi immédiat : *21 + n°  "), "{text}");
    assert_eq!((errors.as_str(), code), ("", Some(0)));
    let (json, _, code) = vigie(&desktop, &["find", "--json", "numero amigo"]);
    let json: Value = serde_json::from_str(&json).expect("the output is JSON");
    assert_eq!((&json["exact"], code), (&Value::from(true), Some(0)));
    assert!(json["results"][0]["label"].is_string(), "{json}");
    let (text, _, code) = vigie(&desktop, &["find", "xyzzy"]);
    assert!(text.starts_with("Aucun résultat.") && text.contains("[vigie open amigo]"), "{text}");
    assert_eq!((text.lines().count(), code), (5, Some(1)));
}

#[test]
fn the_doctor_prints_what_each_sensor_reads() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    let doctor = || {
        let mut command = desktop.vigie_on_isolated_machine();
        let output = command.arg("doctor").output().expect("vigie starts");
        (String::from_utf8(output.stdout).expect("the output is UTF-8"), output.status.code())
    };
    let (report, code) = doctor();
    let line = |name: &str| {
        let found = report.lines().find(|line| line.get(3..).is_some_and(|line| line.trim_start().starts_with(name)));
        found.unwrap_or_else(|| panic!("no {name:?} in\n{report}")).to_owned()
    };
    let verdicts = report.lines().filter(|line| line.starts_with(['✓', '✗'])).count();
    assert_eq!(verdicts, 14, "{report}");
    let host = report.lines().find(|line| line.starts_with("    ipp://172.26.66.73 : ne répond pas ("));
    assert!(host.is_some(), "{report}");
    for (name, reading) in [
        ("Configuration", "aucun défaut"),
        ("Réseau", "Adresse IP locale : 192.168.77.2"),
        ("Intranet et serveur VPN", "serveur VPN : répond, certificat valable"),
        ("Serveurs de l’utilisateur", "aucun"),
        ("Client VPN", "OpenConnect "),
        ("Site d’après Cisco", "n’en nomment aucun"),
        ("Ordinateur", "Nom de l’ordinateur : "),
        ("Lecteurs réseau", "Lecteur I (données professionnelles) : absent"),
        ("Batterie", ""),
        ("Arrêt programmé", "Arrêt automatique : "),
        ("Lancement automatique", "non"),
        ("Vigie lancée", "non"),
    ] {
        let line = line(name);
        assert!(line.starts_with('✓') && line.contains(" ms  ") && line.contains(reading), "{line}");
    }
    // This machine has neither CUPS nor WAPT.
    assert!(line("Imprimantes").starts_with('✗') && report.contains("\n    (no CUPS"), "{report}");
    assert!(line("WAPT").starts_with('✗') && report.contains("no agent"), "{report}");
    let mut command = desktop.vigie_on_isolated_machine();
    let output = command.args(["doctor", "--json"]).output().expect("vigie starts");
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).expect("the output is JSON");
    let of = |sensor: &str| findings.iter().find(|finding| finding["sensor"] == sensor).expect("it is there");
    assert_eq!((findings.len(), of("drives")["found"][0]["letter"].as_str()), (15, Some("I")));
    let chain = of("chain");
    let health = |stage: &str| {
        let links = chain["found"].as_array().expect("the chain is a list");
        links.iter().find(|link| link["stage"] == stage).expect("it is a link")["health"].clone()
    };
    assert_eq!((&chain["ok"], health("gateway"), health("tunnel")), (&false.into(), "good".into(), "broken".into()));
    assert_eq!(health("intranet"), "unknown");
    for link in ["  Serveur VPN : OK – ", "  Tunnel VPN : à voir – ", "  Lecteurs réseau : à confirmer – "] {
        assert!(report.contains(link), "{report}");
    }
    assert_eq!((&of("printers")["ok"], &of("printers")["found"]), (&Value::from(false), &Value::Null));
    assert_eq!(code, Some(1));

    desktop.skip_first_run();
    let (_vigie, _item) = desktop.start_vigie();
    let (report, _) = doctor();
    assert!(report.lines().any(|line| line.starts_with("✓ Vigie lancée") && line.ends_with("oui")), "{report}");
}

#[test]
fn version_help_and_unknown_commands() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    let version = format!("vigie {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(vigie(&desktop, &["--version"]), (version, String::new(), Some(0)));
    let (help, errors, code) = vigie(&desktop, &["--help"]);
    assert!(help.contains("Codes de retour") && help.contains("doctor"), "{help}");
    assert_eq!((errors.as_str(), code), ("", Some(0)));
    let (text, errors, code) = vigie(&desktop, &["bogus"]);
    assert_eq!((text.as_str(), code), ("", Some(2)));
    assert!(errors.contains("bogus"), "{errors}");
    // A closed pipe is no error.
    let mut pipe = desktop.command("sh");
    pipe.args(["-c", "\"$0\" config show | head -n 1", env!("CARGO_BIN_EXE_vigie")]);
    let output = pipe.output().expect("vigie starts");
    assert_eq!((output.stderr.len(), output.stdout.iter().filter(|byte| **byte == b'\n').count()), (0, 1));
}

#[test]
fn quit_ends_the_running_vigie() {
    let desktop = Desktop::start();
    desktop.skip_first_run();
    let (mut running, _item) = desktop.start_vigie();
    let (text, errors, code) = vigie(&desktop, &["quit"]);
    assert_eq!((text.as_str(), errors.as_str(), code), ("", "", Some(0)));
    assert!(running.wait(DEADLINE).success());
    let (text, errors, code) = vigie(&desktop, &["quit"]);
    assert_eq!((text.as_str(), errors.as_str(), code), ("Vigie n’est pas lancée.\n", "", Some(0)));
}
