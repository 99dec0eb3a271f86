//! The panel that is pinned to the desktop, and the command that opens the other one.

use crate::harness::vpn::TestVpn;
use crate::harness::{DEADLINE, Desktop, run, wait_for};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

const OPENED: &str = "Vigie";
const PINNED: &str = "Vigie sur le bureau";

/// Sends an action to the running Vigie, as its menu would.
fn send_action(desktop: &Desktop, action: &str) {
    let mut socket = UnixStream::connect(desktop.home().join(".run/vigie/socket")).expect("Vigie listens");
    writeln!(socket, r#"{{"ask":{action}}}"#).expect("Vigie reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("Vigie answers");
    assert_eq!(answer, "\n");
}

#[test]
fn the_panel_command_starts_vigie_and_later_opens_the_panel_of_the_running_one() {
    let desktop = Desktop::start();
    desktop.skip_first_run();
    let mut command = desktop.vigie();
    command.arg("panel");
    let mut vigie = desktop.spawn("vigie", &command);
    desktop.wait_for_window(OPENED, true);
    let open_again = || {
        let output = desktop.vigie().arg("panel").stdin(Stdio::null()).output().expect("vigie starts");
        let printed = [output.stdout, output.stderr].concat();
        assert_eq!((String::from_utf8_lossy(&printed).as_ref(), output.status.code()), ("", Some(0)));
    };
    open_again();
    desktop.press_key(OPENED, "Escape");
    desktop.wait_for_window(OPENED, false);
    open_again();
    desktop.wait_for_window(OPENED, true);
    assert!(vigie.is_alive());
}

#[test]
fn the_pinned_panel_follows_its_setting_and_suppresses_no_notification() {
    let vpn = TestVpn::start();
    vpn.connect();
    let desktop = Desktop::at_home(&vpn);
    desktop.configure("[panel]\npinned = true\n\n[vpn]\nhold_seconds = 1\n");
    desktop.skip_first_run();
    let _manager = desktop.spawn("openbox", &desktop.command("openbox"));
    let vigie = desktop.spawn("vigie", &desktop.vigie_on_isolated_machine());
    let item = desktop.item_of(vigie.pid());
    desktop.wait_for_window(PINNED, true);
    item.wait_for_menu("VPN connecté");
    // Only the loss of a status that has lasted for `hold_seconds` is notified.
    desktop.wait_for_status_to_last(Duration::from_secs(2));
    desktop.screenshot_of(PINNED, "panel-pinned");

    // The pinned panel may be covered, so that a lost VPN needs a notification.
    vpn.disconnect();
    desktop.notifications().wait(0, "VPN déconnecté");
    desktop.screenshot("pinned");

    // The opened panel is a second window, and closes alone.
    item.activate();
    desktop.wait_for_window(OPENED, true);
    desktop.screenshot("pinned-and-opened");
    desktop.press_key(OPENED, "Escape");
    desktop.wait_for_window(OPENED, false);
    desktop.wait_for_window(PINNED, true);

    send_action(&desktop, r#"{"do":"choose","with":{"what":"pinned","to":false}}"#);
    desktop.wait_for_window(PINNED, false);
    desktop.write(".config/gtk-3.0/settings.ini", "[Settings]\ngtk-application-prefer-dark-theme=1\n");
    send_action(&desktop, r#"{"do":"choose","with":{"what":"pinned","to":true}}"#);
    desktop.wait_for_window(PINNED, true);
    desktop.screenshot_of(PINNED, "panel-pinned-dark");
    send_action(&desktop, r#"{"do":"choose","with":{"what":"size","to":[300,400]}}"#);
    wait_for("the new size", DEADLINE, || {
        let geometry = run(desktop.command("xwininfo").args(["-name", PINNED]));
        (geometry.contains("Width: 300\n") && geometry.contains("Height: 400\n")).then_some(())
    });
    send_action(&desktop, r#"{"do":"quit"}"#);
    desktop.wait_for_window(PINNED, false);
}
