//! Idle costs nothing: where nothing happens and no probe is due, the tray's process does not run at all.

use crate::measure::Meter;
use crate::rig::Desktop;
use crate::rig::login1::Login1;
use crate::rig::vpn::Vpn;
use std::time::Duration;

/// Past the start's and the verdict's own work; tokio keeps an idle thread for 10 s.
const SETTLED: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_secs(20);

#[test]
fn nothing_runs_while_nothing_happens() {
    let vpn = Vpn::start();
    vpn.connect();
    let desktop = Desktop::at_home(&vpn);
    let _login1 = Login1::start(&desktop);
    desktop.welcome();
    // A probe would fall into the time.
    desktop.configure("[vpn]\nprobe_seconds = 3600\n");
    let (vigie, item) = desktop.start_vigie();
    item.wait_for_menu("VPN connecté");
    assert_eq!(switches(vigie.pid()), 0, "with a steady tunnel");
    vpn.disconnect();
    item.wait_for_menu("VPN déconnecté");
    assert_eq!(switches(vigie.pid()), 0, "without a tunnel");
}

/// How many times a thread of the program came or went.
fn switches(pid: u32) -> u64 {
    std::thread::sleep(SETTLED);
    let mut meter = Meter::start(pid);
    std::thread::sleep(QUIET);
    meter.look();
    meter.used().switches
}
