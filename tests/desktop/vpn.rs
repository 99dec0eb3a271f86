//! The VPN watch, from a real server to the tray: each verdict as the user sees it, when, and what is said of it.

use crate::harness::login1::FakeLogind;
use crate::harness::notifications::ObservedNotification;
use crate::harness::tray::{TrayIcon, TrayItem};
use crate::harness::vpn::{TUNNEL, TestVpn};
use crate::harness::{CallRecorder, ChildProcess, DEADLINE, Desktop, assert_holds_for, run, wait_for};
use jiff::{SignedDuration, Timestamp};
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

/// A verdict as the user sees it. `{}` stands for the time of day.
struct Face {
    verdict: &'static str,
    line: &'static str,
    detail: &'static str,
    connect: &'static str,
    /// Why the drives are greyed, where they are.
    drives: Option<&'static str>,
    /// What `vigie status` ends with.
    code: i32,
}

const CONNECT: &str = "Se connecter au VPN…";
const OPEN_CISCO: &str = "Ouvrir Cisco Secure Client…";
const LOST: &str = "Les lecteurs I:, S:, T:, U: et les applications métiers sont hors d’atteinte.";
const WITHIN_REACH: &str = "Les lecteurs réseau et les applications métiers sont accessibles.";

const UNKNOWN: Face = Face {
    verdict: "unknown",
    line: "Vérification du réseau…",
    detail: "Un instant : l’accès aux lecteurs et aux applications métiers est vérifié.",
    connect: CONNECT,
    drives: None,
    code: 4,
};
const OFFLINE: Face = Face {
    verdict: "offline",
    line: "Hors ligne depuis {}",
    detail: "Aucun réseau : vérifiez le câble ou le Wi-Fi.",
    connect: CONNECT,
    drives: Some("hors d’atteinte : pas de réseau"),
    code: 3,
};
const CAPTIVE: Face = Face {
    verdict: "captive",
    line: "Connexion limitée (portailotp.test)",
    detail: "Un autre serveur répond à la place du serveur VPN. Sur un Wi-Fi public, ouvrez un navigateur pour vous \
             identifier ; sinon, prévenez l’assistance.",
    connect: CONNECT,
    drives: Some("hors d’atteinte : connexion limitée"),
    code: 3,
};
const UNREACHABLE: Face = Face {
    line: "Serveur VPN injoignable (portailotp.test)",
    detail: "Le serveur VPN refuse la connexion. Vigie réessaie d’elle-même ; si cela dure, prévenez l’assistance.",
    ..CAPTIVE
};
const DISCONNECTED: Face = Face {
    verdict: "disconnected",
    line: "VPN déconnecté depuis {} (portailotp.test)",
    detail: "Les lecteurs réseau et les applications métiers sont hors d’atteinte. Connectez-vous au VPN.",
    connect: CONNECT,
    drives: Some("hors d’atteinte : VPN déconnecté"),
    code: 3,
};
const CONNECTING: Face = Face {
    verdict: "connecting",
    line: "Connexion en cours… (portailotp.test)",
    detail: "Les lecteurs réseau et les applications métiers seront bientôt accessibles.",
    connect: OPEN_CISCO,
    drives: Some("connexion en cours"),
    code: 4,
};
const CONNECTED: Face = Face {
    verdict: "connected",
    line: "VPN connecté depuis {} (portailotp.test)",
    detail: WITHIN_REACH,
    connect: OPEN_CISCO,
    drives: None,
    code: 0,
};
const STALLED: Face = Face {
    verdict: "stalled",
    line: "Le VPN ne répond plus depuis {} (portailotp.test)",
    detail: "Les lecteurs réseau et les applications métiers ne répondent pas. Déconnectez puis reconnectez le VPN.",
    connect: CONNECT,
    drives: Some("hors d’atteinte : le VPN ne répond plus"),
    code: 3,
};
const ON_SITE: Face = Face {
    verdict: "on-site",
    line: "Sur site, VPN inutile",
    detail: WITHIN_REACH,
    connect: OPEN_CISCO,
    drives: None,
    code: 0,
};

/// A user at home, with Vigie in the tray.
struct Home {
    // In the order in which they must go.
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
    /// Sits down at home, without the VPN; these are the user's settings under `[vpn]`.
    fn start(settings: &str) -> Home {
        Home::with(TestVpn::start(), settings)
    }

    /// As [`Home::start`], with the VPN.
    fn connected(settings: &str) -> Home {
        let vpn = TestVpn::start();
        vpn.connect();
        let home = Home::with(vpn, settings);
        home.sees(&CONNECTED, AT_ONCE);
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

    /// Waits until the tray shows this verdict, and checks all that it shows. Returns since when Vigie has had it.
    fn sees(&self, face: &Face, limit: Duration) -> Timestamp {
        let menu = wait_for(&format!("{} in {:?}", face.line, self.verdicts()), limit, || {
            let menu = self.item.menu();
            is_line(face.line, menu.lines().next()?).then_some(menu)
        });
        assert_eq!(menu.lines().nth(1), Some(face.connect));
        let reason = |reason| format!(" ({reason}) (greyed)");
        for drive in ["Lecteur I : données professionnelles", "Lecteur U : données personnelles"] {
            let line = format!("  {drive}{}", face.drives.map(reason).unwrap_or_default());
            assert!(menu.lines().any(|other| other == line), "{line:?} is missing in\n{menu}");
        }
        let (title, detail) = self.item.tooltip();
        assert!(is_line(face.line.trim_end_matches(" (portailotp.test)"), &title.replace('\u{a0}', " ")), "{title}");
        assert_eq!(detail.replace('\u{a0}', " "), face.detail);
        self.sees_icon(face.verdict);

        let status = self.desktop.vigie().args(["status", "--json"]).output().expect("it starts");
        let said: serde_json::Value = serde_json::from_slice(&status.stdout).expect("one line of JSON");
        assert_eq!((said["verdict"].as_str(), status.status.code()), (Some(face.verdict), Some(face.code)));
        said["since"].as_str().expect("a status has a beginning").parse().expect("a time")
    }

    /// The icon of a verdict is always the same, and at no size that of another.
    fn sees_icon(&self, verdict: &'static str) {
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

    /// The verdicts since the start, as `vigie status --watch` tells them.
    fn verdicts(&self) -> Vec<String> {
        let log = self.watch.log();
        let said = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let mut verdicts: Vec<String> = said
            .map(|line| {
                let status: serde_json::Value = serde_json::from_str(line).expect("one line of JSON each");
                status["verdict"].as_str().expect("a status has a verdict").to_owned()
            })
            .collect();
        verdicts.dedup();
        verdicts
    }

    /// The verdicts after the first `before` ones went this way, to its end. (One that is left at once may be missed.)
    fn went(&self, before: usize, way: &[&str]) {
        let went = wait_for("the last verdict", DEADLINE, || {
            let verdicts = self.verdicts();
            (verdicts.last().map(String::as_str) == way.last().copied()).then_some(verdicts)
        });
        let mut way_on = way.iter();
        let on_the_way = went[before..].iter().all(|verdict| way_on.any(|other| other == verdict));
        assert!(on_the_way && way_on.next().is_none(), "{:?} is not {way:?}", &went[before..]);
    }

    /// First lines of all notifications so far.
    fn told(&self) -> Vec<String> {
        self.desktop.notifications().all().into_iter().map(|notification| notification.summary).collect()
    }

    /// Waits for the notification of a verdict that Vigie has had since `since`; it is the only one after the first
    /// `before`.
    fn is_told(&self, before: usize, summary: &str, since: Timestamp) -> ObservedNotification {
        let notification = self.desktop.notifications().wait(before, summary);
        assert_eq!((notification.app.as_str(), &self.told()[before..]), ("Vigie", &[summary.to_owned()][..]));
        let at = Timestamp::now() - SignedDuration::try_from(notification.at.elapsed()).expect("short");
        let lasted = since.duration_until(at).unsigned_abs();
        assert!(lasted >= TIME_TO_VISIBLE, "notified after {lasted:?}");
        notification
    }

    /// Checks that nothing is notified after the first `before` notifications of a verdict that Vigie has had since
    /// `since`.
    fn stays_silent(&self, before: usize, since: Timestamp) {
        let lasted = since.duration_until(Timestamp::now()).unsigned_abs();
        let left = (TIME_TO_VISIBLE + MARGIN).saturating_sub(lasted);
        assert_holds_for("no notification", left, || self.told().len() == before);
    }

    /// Waits until the status is old enough to be notified with `hold_seconds = 1`, and for these notifications; there is no
    /// other.
    fn has_told(&self, summaries: &[&str]) {
        self.desktop.wait_for_status_to_last(Duration::from_secs(1) + MARGIN / 2);
        wait_for("the notifications", DEADLINE, || (self.told().len() >= summaries.len()).then_some(()));
        assert_eq!(self.told(), summaries);
    }

    /// Waits until Vigie has taken back a notification.
    fn is_closed(&self, notification: &ObservedNotification) {
        wait_for("the notification to be taken back", DEADLINE, || {
            let all = self.desktop.notifications().all();
            all.iter().rfind(|other| other.id == notification.id).and_then(|other| other.closed)
        });
    }

    fn ip(&self, arguments: &str) {
        run(self.desktop.command("ip").args(arguments.split(' ')));
    }
}

/// Whether a line is this one, with a time of the last few minutes in the place of `{}`.
fn is_line(expected: &str, line: &str) -> bool {
    let Some((before, after)) = expected.split_once("{}") else { return line == expected };
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
    // Longer than a verdict must hold and the client needs to give up: no probe falls into the server's death.
    let home = Home::start("probe_seconds = 20\nconnect = \"open-client\"");
    let seen = home.sees(&DISCONNECTED, PROBED);
    // At the start there is nothing to be lost.
    home.stays_silent(0, seen);
    home.vpn.start_client();
    let seen = home.sees(&CONNECTED, AT_ONCE);
    home.is_told(0, "VPN connecté", seen);
    home.went(0, &["unknown", "disconnected", "connecting", "connected"]);
    let status = run(home.desktop.vigie().arg("status"));
    assert!(status.contains("  Adresse locale : 192.168.77.2\n  Adresse VPN : 10.20.30."), "{status}");

    // The inside falls silent: the next probe finds out, and a second one confirms.
    home.vpn.cut_intranet();
    let seen = home.sees(&STALLED, Duration::from_secs(20) + PROBED);
    let stalled = home.is_told(1, "Le VPN ne répond plus", seen);
    assert_eq!(stalled.buttons(), ["Se reconnecter"]);
    home.vpn.restore_intranet();
    let seen = home.sees(&CONNECTED, PROBED);
    let back = home.is_told(2, "VPN connecté", seen);
    assert_eq!((back.replaces, back.transient, back.body.as_str()), (stalled.id, true, WITHIN_REACH));

    let before = home.verdicts().len();
    home.vpn.kill_server();
    wait_for("the client to give up", DEADLINE, || (!home.vpn.has_tunnel()).then_some(()));
    let seen = home.sees(&DISCONNECTED, AT_ONCE);
    let lost = home.is_told(3, "VPN déconnecté", seen);
    assert_eq!((lost.body.as_str(), lost.buttons()), (LOST, vec!["Se reconnecter"]));
    home.desktop.screenshot("vpn-lost");
    home.desktop.press_button(&lost, "Se reconnecter");
    assert_eq!(home.cisco.next_call(0), [""; 0]);

    home.vpn.unplug();
    home.sees(&OFFLINE, AT_ONCE);
    home.went(before, &["disconnected", "captive", "offline"]);
    assert_eq!(home.told().len(), 4);
}

#[test]
fn a_silent_gateway_is_lost_first_and_limited_when_confirmed() {
    let home = Home::connected("");
    let before = home.verdicts().len();
    home.vpn.kill_server();
    // The client tries to reach it for some seconds; then the tunnel is gone.
    wait_for("the client to give up", DEADLINE, || (!home.vpn.has_tunnel()).then_some(()));
    let seen = home.sees(&DISCONNECTED, AT_ONCE);
    let lost = home.is_told(0, "VPN déconnecté", seen);
    // Two probes into silence, and the gateway is out of reach for good.
    let seen = home.sees(&UNREACHABLE, PROBED);
    let silent = home.is_told(1, "Serveur VPN injoignable", seen);
    assert_eq!((silent.replaces, silent.buttons()), (lost.id, vec!["Réessayer"]));
    home.went(before, &["disconnected", "captive"]);

    home.vpn.unplug();
    let seen = home.sees(&OFFLINE, AT_ONCE);
    // The loss was told; that the network is limited is no longer true.
    home.stays_silent(2, seen);
    home.is_closed(&silent);
    assert_eq!(home.icons.borrow().len(), 4);
}

#[test]
fn a_loose_plug_is_not_told_a_pulled_one_is() {
    let home = Home::connected("");
    let before = home.verdicts().len();
    home.vpn.unplug();
    home.sees(&OFFLINE, AT_ONCE);
    home.vpn.plug();
    home.sees(&CONNECTED, AT_ONCE);
    // Another address beneath the tunnel, as of another network.
    home.ip("address add 192.168.77.3/24 dev eth0");
    wait_for("the change to be noticed", AT_ONCE, || {
        home.verdicts()[before..].iter().filter(|verdict| *verdict == "unknown").nth(1)?;
        Some(())
    });
    let seen = home.sees(&CONNECTED, AT_ONCE);
    home.went(before, &["offline", "unknown", "connected", "unknown", "connected"]);
    home.stays_silent(0, seen);

    home.vpn.unplug();
    let seen = home.sees(&OFFLINE, AT_ONCE);
    let offline = home.is_told(0, "Hors ligne", seen);
    assert_eq!(offline.body.replace('\u{a0}', " "), format!("{} {LOST}", OFFLINE.detail));
    assert_eq!(offline.buttons(), [""; 0]);
    // In the meantime the client gives up.
    home.vpn.disconnect();
    home.vpn.plug();
    let seen = home.sees(&DISCONNECTED, PROBED);
    // It is still the same loss, but the network is there.
    home.stays_silent(1, seen);
    home.is_closed(&offline);
}

#[test]
fn a_server_in_the_gateways_place_limits_the_connection() {
    let vpn = TestVpn::start();
    vpn.start_impostor_server();
    let home = Home::with(vpn, "");
    let seen = home.sees(&CAPTIVE, PROBED);
    let limited = home.is_told(0, "Connexion limitée", seen);
    assert_eq!((limited.body.replace('\u{a0}', " ").as_str(), limited.buttons()), (CAPTIVE.detail, vec!["Réessayer"]));
    home.went(0, &["unknown", "captive"]);
    // Who asks is answered, also where nothing has changed.
    home.desktop.press_button(&limited, "Réessayer");
    let again = home.desktop.notifications().wait(1, "Connexion limitée");
    home.sees(&CAPTIVE, AT_ONCE);
    // The user logs in at the portal.
    home.vpn.start_server();
    home.desktop.press_button(&again, "Réessayer");
    home.desktop.notifications().wait(2, "VPN déconnecté");
    home.sees(&DISCONNECTED, AT_ONCE);
    home.went(0, &["unknown", "captive", "unknown", "captive", "unknown", "disconnected"]);
    assert_eq!(home.told().len(), 3);

    // A tunnel that carries nothing from the start.
    let before = home.verdicts().len();
    home.vpn.cut_intranet();
    home.vpn.start_client();
    home.sees(&CONNECTING, AT_ONCE);
    home.sees(&STALLED, PROBED);
    home.went(before, &["connecting", "stalled"]);
}

#[test]
fn after_sleep_nothing_is_claimed_before_it_was_seen() {
    let home = Home::connected("");
    home.login1.prepare_for_sleep(true);
    home.sees(&UNKNOWN, AT_ONCE);
    home.login1.prepare_for_sleep(false);
    home.sees(&CONNECTED, AT_ONCE);

    // The tunnel is dead when the machine wakes.
    let before = home.verdicts().len();
    home.login1.prepare_for_sleep(true);
    home.sees(&UNKNOWN, AT_ONCE);
    home.vpn.cut_intranet();
    home.login1.prepare_for_sleep(false);
    let seen = home.sees(&STALLED, PROBED);
    home.went(before, &["unknown", "stalled"]);
    home.is_told(0, "Le VPN ne répond plus", seen);
    home.vpn.restore_intranet();
    let seen = home.sees(&CONNECTED, PROBED);
    home.is_told(1, "VPN connecté", seen);

    // It is gone.
    let before = home.verdicts().len();
    home.login1.prepare_for_sleep(true);
    home.sees(&UNKNOWN, AT_ONCE);
    home.vpn.disconnect();
    home.login1.prepare_for_sleep(false);
    let seen = home.sees(&DISCONNECTED, PROBED);
    home.is_told(2, "VPN déconnecté", seen);
    home.went(before, &["unknown", "disconnected"]);
}

#[test]
fn from_home_to_the_office_and_every_route_through_the_tunnel() {
    let vpn = TestVpn::start();
    vpn.start_full_tunnel_server();
    let home = Home::with(vpn, "");
    home.sees(&DISCONNECTED, PROBED);
    let before = home.verdicts().len();
    home.vpn.start_client();
    home.sees(&CONNECTED, AT_ONCE);
    let route = run(home.desktop.command("ip").args(["route", "show", "default"]));
    assert!(route.contains(TUNNEL), "{route}");
    home.vpn.disconnect();
    home.sees(&DISCONNECTED, AT_ONCE);
    home.went(before, &["connecting", "connected", "disconnected"]);

    let before = home.verdicts().len();
    home.vpn.unplug();
    home.sees(&OFFLINE, AT_ONCE);
    home.ip("address delete 192.168.77.2/24 dev eth0");
    home.ip("address add 192.168.77.40/24 dev eth0");
    home.vpn.move_on_site();
    // Whoever sits inside may not see the gateway.
    home.vpn.kill_server();
    home.vpn.plug();
    let seen = home.sees(&ON_SITE, AT_ONCE);
    home.stays_silent(0, seen);
    home.went(before, &["offline", "unknown", "on-site"]);
}

#[test]
fn the_open_panel_takes_the_place_of_notifications() {
    let home = Home::connected("");
    home.item.activate();
    home.desktop.wait_for_window("Vigie", true);
    home.vpn.disconnect();
    let seen = home.sees(&DISCONNECTED, AT_ONCE);
    home.stays_silent(0, seen);
    run(home.desktop.command("xdotool").args(["search", "--name", "^Vigie$", "windowclose"]));
    home.desktop.wait_for_window("Vigie", false);
    // The user has seen it there.
    home.stays_silent(0, Timestamp::now());
    home.vpn.start_client();
    let seen = home.sees(&CONNECTED, AT_ONCE);
    home.is_told(0, "VPN connecté", seen);
}

#[test]
fn a_line_that_flaps_does_not_shout() {
    let home = Home::connected("hold_seconds = 1");
    let expected = ["VPN déconnecté", "VPN connecté", "VPN déconnecté", "VPN connecté"];
    for round in 0..5 {
        home.vpn.disconnect();
        home.sees(&DISCONNECTED, AT_ONCE);
        home.has_told(&expected[..expected.len().min(2 * round + 1)]);
        home.vpn.start_client();
        home.sees(&CONNECTED, AT_ONCE);
        home.has_told(&expected[..expected.len().min(2 * round + 2)]);
    }
}

/// A transcript of Cisco's command line.
fn cisco_says(home: &Desktop, state: &str) {
    let text = format!(
        "Cisco Secure Client (version 5.1.2.42) .\r\n\r\nCopyright (c) 2004 - 2024 Cisco Systems, Inc.  All Rights \
         Reserved.\r\n\r\n\r\n  >> state: Disconnected\r\n  >> notice: Ready to connect.\r\nVPN> \r  >> state: {state}\r\n\
         VPN> "
    );
    home.write("cisco-says", &text);
}

#[test]
fn ciscos_word_that_it_connects() {
    let home = Home::start("command_line = { linux = [\"~/bin/cisco\"] }");
    home.desktop.install_program("cisco", "#!/bin/sh\n[ \"$*\" = state ] && exec cat \"$HOME/cisco-says\"\n");
    cisco_says(&home.desktop, "Disconnected");
    home.sees(&DISCONNECTED, PROBED);
    // Another network; Cisco's client connects anew by itself.
    cisco_says(&home.desktop, "Reconnecting");
    home.ip("address add 192.168.77.3/24 dev eth0");
    home.sees(&CONNECTING, AT_ONCE);
    // It gives up.
    cisco_says(&home.desktop, "Disconnected");
    home.sees(&DISCONNECTED, PROBED);
    // It tries again, and gets through.
    cisco_says(&home.desktop, "Connecting");
    home.ip("address delete 192.168.77.3/24 dev eth0");
    home.sees(&CONNECTING, AT_ONCE);
    home.vpn.start_client();
    home.sees(&CONNECTED, AT_ONCE);
    home.went(
        0,
        &["unknown", "disconnected", "unknown", "connecting", "disconnected", "unknown", "connecting", "connected"],
    );
}
