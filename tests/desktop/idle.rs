//! Idle costs nothing: where nothing happens and no probe is due, the tray's process does not run at all.

use crate::harness::Desktop;
use crate::harness::login1::FakeLogind;
use crate::harness::vpn::TestVpn;
use crate::measure::Meter;
use std::time::Duration;

/// Past the start's and the verdict's own work; tokio keeps an idle thread for 10 s.
const SETTLED: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_secs(20);

#[test]
fn nothing_runs_while_nothing_happens() {
    let vpn = TestVpn::start();
    vpn.connect();
    let desktop = Desktop::at_home(&vpn);
    let _login1 = FakeLogind::start(&desktop);
    desktop.skip_first_run();
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
