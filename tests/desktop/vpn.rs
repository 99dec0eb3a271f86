//! The VPN status with a real server: what the tray shows, when, and which notifications are sent.

use crate::harness::login1::FakeLogind;
use crate::harness::notifications::ObservedNotification;
use crate::harness::tray::{TrayIcon, TrayItem};
use crate::harness::vpn::{TUNNEL, TestVpn};
use crate::harness::{CallRecorder, ChildProcess, DEADLINE, Desktop, assert_holds_for, run, wait_for};
use jiff::Timestamp;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// Within this time the tray shows what an interface reports, and the intranet behind a new tunnel. (Measured: 40 ms. If
/// Vigie missed the event, it would take up to 20 s, until the next look at the tunnel.)
const AT_ONCE: Duration = Duration::from_secs(10);
/// Probes that nobody answers take three seconds each, and it takes two of them to be sure.
const PROBED: Duration = DEADLINE;
/// How long a status must last before it is notified (`hold_seconds`).
const TIME_TO_VISIBLE: Duration = Duration::from_secs(5);
/// How much longer a test waits for a notification that must not come.
const MARGIN: Duration = Duration::from_millis(1500);

/// A status as the user sees it. `{}` is the time of day.
struct ShownStatus {
    verdict: &'static str,
    line: &'static str,
    detail: &'static str,
    connect: &'static str,
    /// Why the drives are disabled, if they are.
    drives: Option<&'static str>,
    /// The exit code of `vigie status`.
    code: i32,
}

const CONNECT: &str = "Se connecter au VPN…";
const OPEN_CISCO: &str = "Ouvrir Cisco Secure Client…";
const OUT_OF_REACH: &str = "Les lecteurs I, S, T et U et les applications métiers sont hors d’atteinte.";
const REACHABLE: &str = "Les applications métiers sont accessibles. Les lecteurs I, S, T et U s’ouvrent à la demande.";

const UNKNOWN: ShownStatus = ShownStatus {
    verdict: "unknown",
    line: "Vérification du réseau…",
    detail: "Un instant : l’accès aux lecteurs et aux applications métiers est vérifié.",
    connect: CONNECT,
    drives: None,
    code: 4,
};
const OFFLINE: ShownStatus = ShownStatus {
    verdict: "offline",
    line: "Hors ligne depuis {}",
    detail: "Aucun réseau : vérifiez le câble ou le Wi-Fi. Vigie remarque d’elle-même quand il revient ; sinon, cliquez sur \
             « Vérifier maintenant ».",
    connect: CONNECT,
    drives: Some("hors d’atteinte : pas de réseau"),
    code: 3,
};
const CAPTIVE: ShownStatus = ShownStatus {
    verdict: "captive",
    line: "Connexion limitée (portailotp.test)",
    detail: "Un autre serveur répond à la place du serveur VPN. Le réseau où vous êtes est en cause. Si c’est un Wi-Fi \
             public, cliquez sur « Se connecter au Wi-Fi public » ; sinon, sur « Demander à AMIGO ». Sans Internet, \
             appelez le 0806 000 488 ou le 0810 14 50 61. Vigie réessaie {}.",
    connect: CONNECT,
    drives: Some("hors d’atteinte : connexion limitée"),
    code: 3,
};
const UNREACHABLE: ShownStatus = ShownStatus {
    line: "Serveur VPN injoignable (portailotp.test)",
    detail: "Le serveur VPN refuse la connexion, ou ce réseau la refuse à sa place. Si c’est un Wi-Fi public, cliquez sur \
             « Se connecter au Wi-Fi public » ; sinon, attendez quelques minutes. Si cela dure, cliquez sur « Demander à \
             AMIGO ». Vigie réessaie {}.",
    ..CAPTIVE
};
const DISCONNECTED: ShownStatus = ShownStatus {
    verdict: "disconnected",
    line: "VPN déconnecté depuis {} (portailotp.test)",
    detail: "Les lecteurs réseau et les applications métiers sont hors d’atteinte. Connectez-vous au VPN.",
    connect: CONNECT,
    drives: Some("hors d’atteinte : VPN déconnecté"),
    code: 3,
};
const CONNECTING: ShownStatus = ShownStatus {
    verdict: "connecting",
    line: "Connexion en cours… (portailotp.test)",
    detail: "Les lecteurs réseau et les applications métiers ne sont pas encore accessibles.",
    connect: OPEN_CISCO,
    drives: Some("connexion en cours"),
    code: 4,
};
const CONNECTED: ShownStatus = ShownStatus {
    verdict: "connected",
    line: "VPN connecté depuis {} (portailotp.test)",
    detail: REACHABLE,
    connect: OPEN_CISCO,
    drives: None,
    code: 0,
};
const STALLED: ShownStatus = ShownStatus {
    verdict: "stalled",
    line: "Le VPN ne répond plus depuis {} (portailotp.test)",
    detail: "Les lecteurs réseau et les applications métiers ne répondent pas. Le VPN ou l’académie est en cause : cliquez \
             sur « Reconnecter ». Vigie réessaie {}.",
    connect: "Reconnecter…",
    drives: Some("hors d’atteinte : le VPN ne répond plus"),
    code: 3,
};
const ON_SITE: ShownStatus = ShownStatus {
    verdict: "on-site",
    line: "Sur site, VPN inutile",
    detail: REACHABLE,
    connect: OPEN_CISCO,
    drives: None,
    code: 0,
};

/// A user at home, with Vigie in the tray.
struct Home {
    // In the order in which they must be dropped.
    watch: ChildProcess,
    _vigie: ChildProcess,
    item: TrayItem,
    icons: RefCell<BTreeMap<&'static str, TrayIcon>>,
    cisco: CallRecorder,
    login1: FakeLogind,
    desktop: Desktop,
    vpn: TestVpn,
}

impl Home {
    /// Starts Vigie at home, without the VPN; these are the user's settings under `[vpn]`.
    fn start(settings: &str) -> Home {
        Home::with(TestVpn::start(), settings)
    }

    /// As [`Home::start`], with the VPN connected.
    fn connected(settings: &str) -> Home {
        let vpn = TestVpn::start();
        vpn.connect();
        let home = Home::with(vpn, settings);
        home.wait_for_status(&CONNECTED, AT_ONCE);
        // Only the loss of a status that was itself old enough to be notified is notified.
        home.desktop.wait_for_status_to_last(TIME_TO_VISIBLE + MARGIN);
        home
    }

    /// As [`Home::start`], in that network.
    fn with(vpn: TestVpn, settings: &str) -> Home {
        let desktop = Desktop::at_home(&vpn);
        let drives: String = ["I", "S", "T", "U"]
            .map(|letter| {
                format!("[[drive]]\nletter = \"{letter}\"\nmount_points = [\"smb://fichiers.test/{letter}\"]\n")
            })
            .concat();
        desktop.configure(&format!("[panel]\nwarn_disk_free_percent = 0\n[vpn]\n{settings}\n{drives}"));
        let bookmarks = ["I", "S", "T", "U"].map(|letter| format!("smb://fichiers.test/{letter}\n")).concat();
        desktop.write(".config/gtk-3.0/bookmarks", &bookmarks);
        desktop.skip_first_run();
        let cisco = desktop.record_program("vpnui");
        let login1 = FakeLogind::start(&desktop);
        let (_vigie, item) = desktop.start_vigie();
        let mut watch = desktop.vigie();
        let watch = desktop.spawn("watch", watch.args(["status", "--watch", "--json"]));
        wait_for("the status to be watched", DEADLINE, || watch.log().contains('\n').then_some(()));
        Home { watch, _vigie, item, icons: RefCell::default(), cisco, login1, desktop, vpn }
    }

    /// Waits until the tray shows this status, and checks menu, tooltip, icon and command line. Returns since when Vigie has had
    /// it.
    fn wait_for_status(&self, expected: &ShownStatus, limit: Duration) -> Timestamp {
        let menu = wait_for(&format!("{} in {:?}", expected.line, self.verdicts()), limit, || {
            let menu = self.item.menu();
            matches_line(expected.line, menu.lines().next()?).then_some(menu)
        });
        assert_eq!(menu.lines().nth(1), Some(expected.connect));
        for (drive, purpose) in [('I', "données professionnelles"), ('U', "données personnelles")] {
            let line = match expected.drives {
                Some(reason) => format!("  Lecteur {drive} : {purpose} ({reason}) (greyed)"),
                None => format!("  Ouvrir le lecteur {drive} : {purpose}"),
            };
            assert!(menu.lines().any(|other| other == line), "{line:?} is missing in\n{menu}");
        }
        let (title, detail) = self.item.tooltip();
        assert!(
            matches_line(expected.line.trim_end_matches(" (portailotp.test)"), &title.replace('\u{a0}', " ")),
            "{title}"
        );
        let (before, after) = expected.detail.split_once("{}").unwrap_or((expected.detail, ""));
        let detail = detail.replace('\u{a0}', " ");
        assert!(detail.starts_with(before) && detail.ends_with(after), "{detail}");
        self.assert_own_icon(expected.verdict);

        let status = self.desktop.vigie().args(["status", "--json"]).output().expect("it starts");
        let output: serde_json::Value = serde_json::from_slice(&status.stdout).expect("one line of JSON");
        assert_eq!((output["verdict"].as_str(), status.status.code()), (Some(expected.verdict), Some(expected.code)));
        if expected.line.contains("depuis") {
            assert_eq!(title.contains("depuis"), output["since_seen"] == true, "{title}: {output}");
        }
        output["since"].as_str().expect("a status has a beginning").parse().expect("a time")
    }

    /// Checks that the icon of a verdict is always the same, and at no size that of another.
    fn assert_own_icon(&self, verdict: &'static str) {
        let icon = self.item.icon();
        let sizes: Vec<i32> = icon.pixmaps.iter().map(|(width, _, _)| *width).collect();
        assert!([16, 22, 32].iter().all(|size| sizes.contains(size)), "{icon:?}");
        let mut icons = self.icons.borrow_mut();
        for (other, known) in icons.iter() {
            let alike = icon.pixmaps.iter().any(|picture| known.pixmaps.contains(picture));
            assert!(alike == (verdict == *other), "the icons of {verdict} and {other}");
        }
        icons.insert(verdict, icon);
    }

    /// Returns the verdicts since the start, as `vigie status --watch` prints them.
    fn verdicts(&self) -> Vec<String> {
        let log = self.watch.log();
        let output = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let mut verdicts: Vec<String> = output
            .map(|line| {
                let status: serde_json::Value = serde_json::from_str(line).expect("one line of JSON each");
                status["verdict"].as_str().expect("a status has a verdict").to_owned()
            })
            .collect();
        verdicts.dedup();
        verdicts
    }

    /// Waits until the last of these verdicts was reached, and checks that all verdicts after the first `before` ones are in this
    /// list, in its order. (A verdict of a moment may be missing.)
    fn assert_history(&self, before: usize, path: &[&str]) {
        let history = wait_for("the last verdict", DEADLINE, || {
            let verdicts = self.verdicts();
            (verdicts.last().map(String::as_str) == path.last().copied()).then_some(verdicts)
        });
        let mut rest = path.iter();
        let is_in_order = history[before..].iter().all(|verdict| rest.any(|other| other == verdict));
        assert!(is_in_order && rest.next().is_none(), "{:?} is not {path:?}", &history[before..]);
    }

    /// Returns the titles of all notifications so far.
    fn notification_titles(&self) -> Vec<String> {
        self.desktop.notifications().all().into_iter().map(|notification| notification.summary).collect()
    }

    /// Waits for the notification of a status that Vigie has had since `since`, and checks that it is the only one after the
    /// first `before`.
    fn wait_for_notification(&self, before: usize, summary: &str, since: Timestamp) -> ObservedNotification {
        let notification = self.desktop.notifications().wait(before, summary);
        assert_eq!(
            (notification.app.as_str(), &self.notification_titles()[before..]),
            ("Vigie", &[summary.to_owned()][..])
        );
        let lasted = since.duration_until(notification.sent_at()).unsigned_abs();
        assert!(lasted >= TIME_TO_VISIBLE, "notified after {lasted:?}");
        notification
    }

    /// Checks that a status that Vigie has had since `since` is not notified: nothing comes after the first `before`
    /// notifications.
    fn assert_not_notified(&self, before: usize, since: Timestamp) {
        let lasted = since.duration_until(Timestamp::now()).unsigned_abs();
        let left = (TIME_TO_VISIBLE + MARGIN).saturating_sub(lasted);
        assert_holds_for("no notification", left, || self.notification_titles().len() == before);
    }

    /// Waits until the status is old enough to be notified with `hold_seconds = 1`, and for these notifications; there is no
    /// other.
    fn assert_notified(&self, summaries: &[&str]) {
        self.desktop.wait_for_status_to_last(Duration::from_secs(1) + MARGIN / 2);
        wait_for("the notifications", DEADLINE, || (self.notification_titles().len() >= summaries.len()).then_some(()));
        assert_eq!(self.notification_titles(), summaries);
    }

    /// Waits until Vigie has withdrawn a notification.
    fn wait_for_withdrawal(&self, notification: &ObservedNotification) {
        wait_for("the notification to be withdrawn", DEADLINE, || {
            let all = self.desktop.notifications().all();
            all.iter().rfind(|other| other.id == notification.id).and_then(|other| other.closed)
        });
    }

    fn ip(&self, arguments: &str) {
        run(self.desktop.command("ip").args(arguments.split(' ')));
    }
}

/// Returns whether a line is the expected one, with a time of the last few minutes in place of `{}`.
fn matches_line(expected: &str, line: &str) -> bool {
    let Some((before, after)) = expected.split_once("{}") else { return line == expected };
    if line == expected.replace(" depuis {}", "") {
        return true;
    }
    let Some(time) = line.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) else { return false };
    let now = jiff::ZonedDateTime::now().with_time_zone(jiff::tz::TimeZone::UTC);
    (0..5).any(|minutes| {
        let minute = match (now.clone() - jiff::Span::new().minutes(minutes)).minute() {
            0 => String::new(),
            minute => format!(" {minute:02}"),
        };
        // The desktop was started around noon.
        ["12", "13"].iter().any(|hour| time == format!("{hour} h{minute}"))
    })
}

#[test]
fn a_whole_day_with_a_real_server() {
    // Longer than a status must last and the client takes to give up: no probe happens while the server is dying.
    let home = Home::start("probe_seconds = 20\nconnect = \"open-client\"");
    let seen = home.wait_for_status(&DISCONNECTED, PROBED);
    // At the start nothing was lost, and nothing was seen to begin.
    assert_eq!(home.item.menu().lines().next(), Some("VPN déconnecté (portailotp.test)"));
    home.assert_not_notified(0, seen);
    home.vpn.start_client();
    let seen = home.wait_for_status(&CONNECTED, AT_ONCE);
    home.wait_for_notification(0, "VPN connecté", seen);
    assert!(home.item.menu().starts_with("VPN connecté depuis "), "it was seen to begin");
    home.assert_history(0, &["unknown", "disconnected", "connecting", "connected"]);
    let status = run(home.desktop.vigie().arg("status"));
    assert!(status.contains("  Adresse IP locale : 192.168.77.2\n  Adresse IP du VPN : 10.20.30."), "{status}");

    // The intranet falls silent: the next probe notices it, and a second one confirms it.
    home.vpn.cut_intranet();
    let seen = home.wait_for_status(&STALLED, Duration::from_secs(20) + PROBED);
    let stalled = home.wait_for_notification(1, "Le VPN ne répond plus", seen);
    assert_eq!(stalled.buttons(), ["Reconnecter"]);
    home.vpn.restore_intranet();
    let seen = home.wait_for_status(&CONNECTED, PROBED);
    let back = home.wait_for_notification(2, "VPN connecté", seen);
    assert_eq!(
        (back.replaces, back.transient, back.body.replace('\u{a0}', " ").as_str()),
        (stalled.id, true, REACHABLE)
    );

    let before = home.verdicts().len();
    home.vpn.kill_server();
    wait_for("the client to give up", DEADLINE, || (!home.vpn.has_tunnel()).then_some(()));
    let seen = home.wait_for_status(&DISCONNECTED, AT_ONCE);
    let lost = home.wait_for_notification(3, "VPN déconnecté", seen);
    assert_eq!((lost.body.replace('\u{a0}', " ").as_str(), lost.buttons()), (OUT_OF_REACH, vec!["Reconnecter"]));
    home.desktop.screenshot("vpn-lost");
    home.desktop.press_button(&lost, "Reconnecter");
    assert_eq!(home.cisco.next_call(0), [""; 0]);

    home.vpn.unplug();
    home.wait_for_status(&OFFLINE, AT_ONCE);
    home.assert_history(before, &["disconnected", "captive", "offline"]);
    assert_eq!(home.notification_titles().len(), 4);
}

#[test]
fn a_silent_gateway_is_first_disconnected_then_unreachable() {
    let home = Home::connected("");
    let before = home.verdicts().len();
    home.vpn.kill_server();
    // The client tries to reach it for some seconds; then the tunnel is gone.
    wait_for("the client to give up", DEADLINE, || (!home.vpn.has_tunnel()).then_some(()));
    let seen = home.wait_for_status(&DISCONNECTED, AT_ONCE);
    let lost = home.wait_for_notification(0, "VPN déconnecté", seen);
    // After two probes without an answer the gateway counts as unreachable.
    let seen = home.wait_for_status(&UNREACHABLE, PROBED);
    let silent = home.wait_for_notification(1, "Serveur VPN injoignable", seen);
    let buttons = vec!["Se connecter au Wi-Fi public", "Vérifier maintenant", "Demander à AMIGO"];
    assert_eq!((silent.replaces, silent.buttons()), (lost.id, buttons));
    home.assert_history(before, &["disconnected", "captive"]);

    home.vpn.unplug();
    let seen = home.wait_for_status(&OFFLINE, AT_ONCE);
    // The loss was notified; "injoignable" is no longer true.
    home.assert_not_notified(2, seen);
    home.wait_for_withdrawal(&silent);
    assert_eq!(home.icons.borrow().len(), 4);
}

#[test]
fn a_brief_loss_is_not_notified_a_lasting_one_is() {
    let home = Home::connected("");
    let before = home.verdicts().len();
    home.vpn.unplug();
    home.wait_for_status(&OFFLINE, AT_ONCE);
    home.vpn.plug();
    home.wait_for_status(&CONNECTED, AT_ONCE);
    // Another address of the interface below the tunnel, as in another network.
    home.ip("address add 192.168.77.3/24 dev eth0");
    wait_for("the change to be noticed", AT_ONCE, || {
        home.verdicts()[before..].iter().filter(|verdict| *verdict == "unknown").nth(1)?;
        Some(())
    });
    let seen = home.wait_for_status(&CONNECTED, AT_ONCE);
    home.assert_history(before, &["offline", "unknown", "connected", "unknown", "connected"]);
    home.assert_not_notified(0, seen);

    home.vpn.unplug();
    let seen = home.wait_for_status(&OFFLINE, AT_ONCE);
    let offline = home.wait_for_notification(0, "Hors ligne", seen);
    assert_eq!(offline.body.replace('\u{a0}', " "), format!("{} {OUT_OF_REACH}", OFFLINE.detail));
    assert_eq!(offline.buttons(), ["Vérifier maintenant"]);
    // In the meantime the client gives up.
    home.vpn.disconnect();
    home.vpn.plug();
    let seen = home.wait_for_status(&DISCONNECTED, PROBED);
    // It is still the same loss, but there is a network.
    home.assert_not_notified(1, seen);
    home.wait_for_withdrawal(&offline);
}

#[test]
fn a_server_in_the_gateways_place_limits_the_connection() {
    let vpn = TestVpn::start();
    vpn.start_impostor_server();
    let home = Home::with(vpn, "");
    let seen = home.wait_for_status(&CAPTIVE, PROBED);
    let limited = home.wait_for_notification(0, "Connexion limitée", seen);
    let advice = CAPTIVE.detail.split("{}").next().unwrap_or_default();
    assert!(limited.body.replace('\u{a0}', " ").starts_with(advice), "{limited:?}");
    assert_eq!(limited.buttons(), ["Se connecter au Wi-Fi public", "Vérifier maintenant", "Demander à AMIGO"]);
    let browser = home.desktop.record_program("xdg-open");
    home.item.click(&["Se connecter au Wi-Fi public"]);
    assert_eq!(browser.next_call(0), ["http://detectportal.firefox.com/canonical.html"]);
    home.assert_history(0, &["unknown", "captive"]);
    // A user who asks gets an answer even if nothing has changed.
    home.desktop.press_button(&limited, "Vérifier maintenant");
    let again = home.desktop.notifications().wait(1, "Connexion limitée");
    home.wait_for_status(&CAPTIVE, AT_ONCE);
    // The user logs in at the portal.
    home.vpn.start_server();
    home.desktop.press_button(&again, "Vérifier maintenant");
    home.desktop.notifications().wait(2, "VPN déconnecté");
    home.wait_for_status(&DISCONNECTED, AT_ONCE);
    home.assert_history(0, &["unknown", "captive", "unknown", "captive", "unknown", "disconnected"]);
    assert_eq!(home.notification_titles().len(), 3);

    // A tunnel that carries no traffic from the start.
    let before = home.verdicts().len();
    home.vpn.cut_intranet();
    home.vpn.start_client();
    home.wait_for_status(&CONNECTING, AT_ONCE);
    home.wait_for_status(&STALLED, PROBED);
    home.assert_history(before, &["connecting", "stalled"]);
}

#[test]
fn after_sleep_the_status_is_unknown_until_it_was_probed() {
    let home = Home::connected("");
    home.login1.prepare_for_sleep(true);
    home.wait_for_status(&UNKNOWN, AT_ONCE);
    home.login1.prepare_for_sleep(false);
    home.wait_for_status(&CONNECTED, AT_ONCE);

    // The tunnel carries nothing any more when the machine wakes.
    let before = home.verdicts().len();
    home.login1.prepare_for_sleep(true);
    home.wait_for_status(&UNKNOWN, AT_ONCE);
    home.vpn.cut_intranet();
    home.login1.prepare_for_sleep(false);
    let seen = home.wait_for_status(&STALLED, PROBED);
    home.assert_history(before, &["unknown", "stalled"]);
    home.wait_for_notification(0, "Le VPN ne répond plus", seen);
    home.vpn.restore_intranet();
    let seen = home.wait_for_status(&CONNECTED, PROBED);
    home.wait_for_notification(1, "VPN connecté", seen);

    // It is gone.
    let before = home.verdicts().len();
    home.login1.prepare_for_sleep(true);
    home.wait_for_status(&UNKNOWN, AT_ONCE);
    home.vpn.disconnect();
    home.login1.prepare_for_sleep(false);
    let seen = home.wait_for_status(&DISCONNECTED, PROBED);
    home.wait_for_notification(2, "VPN déconnecté", seen);
    home.assert_history(before, &["unknown", "disconnected"]);
}

#[test]
fn from_home_to_the_office_and_every_route_through_the_tunnel() {
    let vpn = TestVpn::start();
    vpn.start_full_tunnel_server();
    let home = Home::with(vpn, "");
    home.wait_for_status(&DISCONNECTED, PROBED);
    let before = home.verdicts().len();
    home.vpn.start_client();
    home.wait_for_status(&CONNECTED, AT_ONCE);
    let route = run(home.desktop.command("ip").args(["route", "show", "default"]));
    assert!(route.contains(TUNNEL), "{route}");
    home.vpn.disconnect();
    home.wait_for_status(&DISCONNECTED, AT_ONCE);
    home.assert_history(before, &["connecting", "connected", "disconnected"]);

    let before = home.verdicts().len();
    home.vpn.unplug();
    home.wait_for_status(&OFFLINE, AT_ONCE);
    home.ip("address delete 192.168.77.2/24 dev eth0");
    home.ip("address add 192.168.77.40/24 dev eth0");
    home.vpn.move_on_site();
    // On site the gateway may be unreachable.
    home.vpn.kill_server();
    home.vpn.plug();
    let seen = home.wait_for_status(&ON_SITE, AT_ONCE);
    home.assert_not_notified(0, seen);
    home.assert_history(before, &["offline", "unknown", "on-site"]);
}

#[test]
fn the_focused_panel_takes_the_place_of_notifications() {
    let home = Home::connected("");
    home.item.activate();
    home.desktop.wait_for_window("Vigie", true);
    home.desktop.focus_window("Vigie");
    home.vpn.disconnect();
    let seen = home.wait_for_status(&DISCONNECTED, AT_ONCE);
    home.assert_not_notified(0, seen);
    run(home.desktop.command("xdotool").args(["search", "--name", "^Vigie$", "windowclose"]));
    home.desktop.wait_for_window("Vigie", false);
    // The user has seen the loss in the panel.
    home.assert_not_notified(0, Timestamp::now());
    home.vpn.start_client();
    let seen = home.wait_for_status(&CONNECTED, AT_ONCE);
    home.wait_for_notification(0, "VPN connecté", seen);
}

#[test]
fn a_flapping_connection_is_notified_four_times_at_most() {
    let home = Home::connected("hold_seconds = 1");
    let expected = ["VPN déconnecté", "VPN connecté", "VPN déconnecté", "VPN connecté"];
    for round in 0..5 {
        home.vpn.disconnect();
        home.wait_for_status(&DISCONNECTED, AT_ONCE);
        home.assert_notified(&expected[..expected.len().min(2 * round + 1)]);
        home.vpn.start_client();
        home.wait_for_status(&CONNECTED, AT_ONCE);
        home.assert_notified(&expected[..expected.len().min(2 * round + 2)]);
    }
}

/// Makes Cisco's command line print this state.
fn set_cisco_state(home: &Desktop, state: &str) {
    let text = format!(
        "Cisco Secure Client (version 5.1.2.42) .\r\n\r\nCopyright (c) 2004 - 2024 Cisco Systems, Inc.  All Rights \
         Reserved.\r\n\r\n\r\n  >> state: Disconnected\r\n  >> notice: Ready to connect.\r\nVPN> \r  >> state: {state}\r\n\
         VPN> "
    );
    home.write("cisco-output", &text);
}

#[test]
fn ciscos_client_reports_that_it_connects() {
    let home = Home::start("command_line = { linux = [\"~/bin/cisco\"] }");
    home.desktop.install_program("cisco", "#!/bin/sh\n[ \"$*\" = state ] && exec cat \"$HOME/cisco-output\"\n");
    set_cisco_state(&home.desktop, "Disconnected");
    home.wait_for_status(&DISCONNECTED, PROBED);
    // Another network; Cisco's client connects anew by itself.
    set_cisco_state(&home.desktop, "Reconnecting");
    home.ip("address add 192.168.77.3/24 dev eth0");
    home.wait_for_status(&CONNECTING, AT_ONCE);
    // It gives up.
    set_cisco_state(&home.desktop, "Disconnected");
    home.wait_for_status(&DISCONNECTED, PROBED);
    // It tries again, and gets through.
    set_cisco_state(&home.desktop, "Connecting");
    home.ip("address delete 192.168.77.3/24 dev eth0");
    home.wait_for_status(&CONNECTING, AT_ONCE);
    home.vpn.start_client();
    home.wait_for_status(&CONNECTED, AT_ONCE);
    home.assert_history(
        0,
        &["unknown", "disconnected", "unknown", "connecting", "disconnected", "unknown", "connecting", "connected"],
    );
}
