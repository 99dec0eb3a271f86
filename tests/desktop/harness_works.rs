//! Tests of the harness itself. If one fails, failures of other tests say nothing about Vigie.

use crate::harness::academy::Academy;
use crate::harness::login1::FakeLogind;
use crate::harness::processes::process_name;
use crate::harness::tray::TrayIcon;
use crate::harness::vpn::{INTRANET_HOST, PIN, TestVpn};
use crate::harness::{DEADLINE, Desktop, connect, owner, run, wait_for};
use std::fs;
use std::process::Command;

/// Vigie knows the academy's addresses, and would ask for them wherever it runs.
#[test]
fn no_test_can_send_a_packet_out_of_the_machine() {
    let routes = |family: &str| run(Command::new("ip").args([family, "route", "show", "default"]));
    let (four, six) = (routes("-4"), routes("-6"));
    assert_eq!((four.as_str(), six.as_str()), ("", ""), "run the tests through scripts/in-user-namespace");
}

#[test]
fn a_tray_item_is_found_with_its_menu() {
    let desktop = Desktop::start();
    let mut applet = desktop.command("nm-applet");
    applet.arg("--indicator");
    let mut applet = desktop.spawn("nm-applet", &applet);
    let item = desktop.item_of(applet.pid());
    assert_eq!(item.text("Id"), "nm-applet");
    assert_ne!(item.icon(), TrayIcon { name: String::new(), pixmaps: Vec::new() });
    assert!(item.menu().contains("\n---\n"), "{}", item.menu());
    item.click(&["Edit Connections…"]);
    wait_for("the window that the click opens", DEADLINE, || {
        desktop.window_titles().iter().any(|title| title == "Network Connections").then_some(())
    });
    desktop.screenshot("applet");
    assert!(applet.is_alive());

    desktop.stop_xfce_panel();
    assert!(desktop.items().is_empty());
    desktop.start_xfce_panel();
    desktop.item_of(applet.pid());
}

#[test]
fn a_notification_is_recorded_and_its_button_pressed() {
    let desktop = Desktop::start();
    let mut send = desktop.command("notify-send");
    send.args(["--wait", "--urgency=critical", "--action=again=Se reconnecter", "--action=later=Plus tard"]);
    send.args(["VPN déconnecté", "Les lecteurs sont hors d’atteinte."]);
    let mut other = desktop.command("notify-send");
    other.args(["--action=again=Se reconnecter", "Une autre"]);
    let _other = desktop.spawn("other", &other);
    desktop.notifications().wait(0, "Une autre");
    let mut sender = desktop.spawn("notify-send", &send);
    let notification = desktop.notifications().wait(0, "VPN déconnecté");
    assert_eq!(notification.body, "Les lecteurs sont hors d’atteinte.");
    assert_eq!(notification.buttons(), ["Se reconnecter", "Plus tard"]);
    assert_eq!((notification.urgency, notification.pressed.clone()), (2, None));
    desktop.screenshot("notification");
    desktop.press_button(&notification, "Plus tard");
    sender.wait(DEADLINE);
    assert_eq!(sender.log().trim(), "later");
    desktop.stop_notification_server();
    assert!(!desktop.command("notify-send").arg("personne n’écoute").status().expect("notify-send starts").success());
    desktop.start_notification_server();
}

const LOGIN1: &str = "/org/freedesktop/login1";

#[test]
fn calls_to_logind_reach_the_fake() {
    let desktop = Desktop::start();
    let login1 = FakeLogind::start(&desktop);
    let call_logind = |call: &[&str]| {
        let mut send = desktop.command("dbus-send");
        run(send.args(["--system", "--print-reply=literal", "--dest=org.freedesktop.login1", LOGIN1]).args(call))
    };
    call_logind(&["org.freedesktop.login1.Manager.PowerOff", "boolean:false"]);
    assert_eq!(login1.calls(), ["PowerOff(false)"]);
    let mut monitor = desktop.command("dbus-monitor");
    let monitor = desktop.spawn("monitor", monitor.args(["--system", "type=signal"]));
    wait_for("the signal", DEADLINE, || {
        login1.prepare_for_sleep(true);
        monitor.log().contains("PrepareForSleep").then_some(())
    });
    login1.schedule_shutdown("poweroff", 1_800_000_000_000_000);
    let get =
        ["org.freedesktop.DBus.Properties.Get", "string:org.freedesktop.login1.Manager", "string:ScheduledShutdown"];
    let scheduled = call_logind(&get);
    assert!(scheduled.contains("poweroff") && scheduled.contains("1800000000000000"), "{scheduled}");
}

#[test]
fn a_recorded_program_returns_its_calls() {
    let desktop = Desktop::start();
    let recorder = desktop.record_program("xdg-open");
    run(desktop.command("xdg-open").args(["https://amigo.test/?a=1&b=2", "deux mots", ""]));
    run(&mut desktop.command("xdg-open"));
    assert_eq!(recorder.calls(), [vec!["https://amigo.test/?a=1&b=2", "deux mots", ""], vec![]]);
    assert_eq!(recorder.next_call(1), Vec::<String>::new());
}

#[test]
fn the_vpn_connects_stalls_and_fails() {
    let vpn = TestVpn::start();
    assert!(!vpn.is_reachable(INTRANET_HOST), "the intranet is reachable without a tunnel");
    assert!(vpn.gateway_certificate_is_valid());

    vpn.connect();
    assert!(vpn.has_tunnel());
    vpn.cut_intranet();
    assert!(!vpn.is_reachable(INTRANET_HOST) && vpn.has_tunnel());
    vpn.restore_intranet();
    assert!(vpn.is_reachable(INTRANET_HOST));
    vpn.disconnect();
    assert!(!vpn.is_reachable(INTRANET_HOST));

    vpn.connect();
    vpn.stop_server();
    wait_for("the client to be disconnected", DEADLINE, || (!vpn.has_tunnel()).then_some(()));
    assert!(!vpn.is_reachable("192.168.77.1:443"));
    vpn.start_impostor_server();
    assert!(!vpn.gateway_certificate_is_valid());
    vpn.kill_server();
    vpn.start_server();
    vpn.connect();
    vpn.kill_server();
    wait_for("the client to give up", DEADLINE, || (!vpn.has_tunnel()).then_some(()));

    vpn.move_on_site();
    assert!(vpn.is_reachable(INTRANET_HOST));
    vpn.unplug();
    assert!(!vpn.is_reachable(INTRANET_HOST));
    vpn.plug();
    assert!(vpn.is_reachable(INTRANET_HOST));
    vpn.move_home();
    assert!(!vpn.is_reachable(INTRANET_HOST));
}

#[test]
fn a_desktop_at_home_is_in_the_home_network() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    let addresses = run(desktop.command("ip").args(["-o", "-4", "address"]));
    assert!(addresses.contains("192.168.77.2") && !addresses.contains("172.26.66.1"), "{addresses}");
    run(desktop.command("notify-send").arg("depuis la maison"));
    desktop.notifications().wait(0, "depuis la maison");
}

#[test]
fn a_machine_with_polkit_leaves_no_process_behind() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    let vigie = desktop.spawn("vigie", &desktop.vigie_with_real_window(&vpn, ""));
    desktop.item_of(vigie.pid());
    let home = desktop.home().display().to_string();
    let text = |pid: u32, file: &str| {
        let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let running = || -> Vec<String> {
        let all = fs::read_dir("/proc").expect("/proc is mounted").flatten();
        let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let polkit = |pid| process_name(pid) == "polkitd" && text(pid, "environ").contains(&home);
        all.filter(|pid| polkit(*pid)).map(process_name).collect()
    };
    assert_eq!(running().len(), 1, "{:?}", running());
    drop(vigie);
    wait_for("the end of the machine's polkit", DEADLINE, || running().is_empty().then_some(()));
}

#[test]
fn the_academy_in_miniature_is_reached_through_the_tunnel_alone() {
    let academy = Academy::start();
    let vpn = &academy.vpn;
    let desktop = Desktop::bare_at_home(vpn, &[("TZ", "<soir>-9".into())]);
    let hour = run(desktop.command("date").arg("+%H"));
    assert_eq!(hour, run(Command::new("date").env("TZ", "<soir>-9").arg("+%H")));
    let servers = ["172.26.66.73:53", "172.26.66.73:443", "172.26.66.73:445", "172.26.66.73:631"];
    assert!(servers.iter().all(|server| !vpn.is_reachable(server)));
    vpn.start_client_with(&format!("{PIN}{}", TestVpn::otp_at(jiff::Timestamp::now())));
    for server in servers {
        wait_for(server, DEADLINE, || vpn.is_reachable(server).then_some(()));
    }
    vpn.set_names("", "nameserver 172.26.66.73\n");
    for name in ["fichiers", "impressions", "intranet"] {
        let address = run(desktop.command("getent").args(["ahostsv4", &format!("{name}.in.test")]));
        assert!(address.starts_with("172.26.66.73 "), "{name}: {address}");
    }
    academy.stop_print_server();
    assert!(!vpn.is_reachable(INTRANET_HOST));
    academy.start_print_server();
    assert!(vpn.is_reachable(INTRANET_HOST));
}

#[test]
fn the_buses_are_found_at_their_addresses() {
    let desktop = Desktop::start();
    assert!(owner(&connect(&desktop.session_address()), "org.freedesktop.Notifications").is_some());
    let before = connect(desktop.system_address());
    desktop.restart_system_bus();
    assert!(owner(&before, "org.freedesktop.DBus").is_none(), "it is still the old one");
    let _login1 = FakeLogind::start(&desktop);
    assert!(owner(&connect(desktop.system_address()), "org.freedesktop.login1").is_some());
}
