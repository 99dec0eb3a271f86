//! The panel on the desktop beside the opened one, and the command that opens it.

use crate::harness::vpn::TestVpn;
use crate::harness::{DEADLINE, Desktop, run, wait_for};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

const OPENED: &str = "Vigie";
const PINNED: &str = "Vigie sur le bureau";

/// TrackerRequests the running Vigie for something, as its menu would.
fn ask(desktop: &Desktop, action: &str) {
    let mut door = UnixStream::connect(desktop.home().join("run/vigie/socket")).expect("it runs");
    writeln!(door, r#"{{"ask":{action}}}"#).expect("it listens");
    let mut answer = String::new();
    door.read_to_string(&mut answer).expect("it answers");
    assert_eq!(answer, "\n");
}

#[test]
fn the_command_starts_vigie_with_its_panel_and_brings_it_to_the_front_later() {
    let desktop = Desktop::start();
    desktop.skip_first_run();
    let mut command = desktop.vigie();
    command.arg("panel");
    let mut vigie = desktop.spawn("vigie", &command);
    desktop.wait_for_window(OPENED, true);
    let again = || {
        let output = desktop.vigie().arg("panel").stdin(Stdio::null()).output().expect("it starts");
        let said = [output.stdout, output.stderr].concat();
        assert_eq!((String::from_utf8_lossy(&said).as_ref(), output.status.code()), ("", Some(0)));
    };
    again();
    desktop.press_key(OPENED, "Escape");
    desktop.wait_for_window(OPENED, false);
    again();
    desktop.wait_for_window(OPENED, true);
    assert!(vigie.is_alive());
}

#[test]
fn the_pinned_panel_comes_and_goes_with_its_setting_and_silences_nothing() {
    let vpn = TestVpn::start();
    vpn.connect();
    let desktop = Desktop::at_home(&vpn);
    desktop.configure("[panel]\npinned = true\n\n[vpn]\nhold_seconds = 1\n");
    desktop.skip_first_run();
    let _manager = desktop.spawn("openbox", &desktop.command("openbox"));
    let vigie = desktop.spawn("vigie", &desktop.vigie_on_isolated_machine());
    let item = desktop.item_of(vigie.pid());
    desktop.wait_for_window(PINNED, true);
    wait_for("the verdict Connected", DEADLINE, || item.tooltip().0.starts_with("VPN connecté").then_some(()));

    // Only what has held is missed.
    std::thread::sleep(Duration::from_secs(3));
    desktop.screenshot_of(PINNED, "panel-pinned");

    // It may be covered: who has lost the VPN is told.
    vpn.disconnect();
    desktop.notifications().wait(0, "VPN déconnecté");
    desktop.screenshot("pinned");

    // The opened one comes beside it, and goes again alone.
    item.activate();
    desktop.wait_for_window(OPENED, true);
    desktop.screenshot("pinned-and-opened");
    desktop.press_key(OPENED, "Escape");
    desktop.wait_for_window(OPENED, false);
    desktop.wait_for_window(PINNED, true);

    ask(&desktop, r#"{"do":"choose","with":{"what":"pinned","to":false}}"#);
    desktop.wait_for_window(PINNED, false);
    desktop.write(".config/gtk-3.0/settings.ini", "[Settings]\ngtk-application-prefer-dark-theme=1\n");
    ask(&desktop, r#"{"do":"choose","with":{"what":"pinned","to":true}}"#);
    desktop.wait_for_window(PINNED, true);
    desktop.screenshot_of(PINNED, "panel-pinned-dark");
    ask(&desktop, r#"{"do":"choose","with":{"what":"size","to":[300,400]}}"#);
    wait_for("the new size", DEADLINE, || {
        let told = run(desktop.command("xwininfo").args(["-name", PINNED]));
        (told.contains("Width: 300\n") && told.contains("Height: 400\n")).then_some(())
    });
    ask(&desktop, r#"{"do":"quit"}"#);
    desktop.wait_for_window(PINNED, false);
}
