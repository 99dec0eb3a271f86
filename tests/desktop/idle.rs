//! While nothing happens and no probe is due, the process of the tray does not run at all.

use crate::harness::login1::FakeLogind;
use crate::harness::vpn::TestVpn;
use crate::harness::{DEADLINE, Desktop, assert_holds_for, run, wait_for};
use crate::measure::Meter;
use std::time::{Duration, Instant};

/// tokio ends a thread after 10 s without work; after this time without a context switch, all such threads have ended.
const SETTLED: Duration = Duration::from_secs(11);
/// How long the process is then measured.
const MEASURED: Duration = Duration::from_secs(20);

#[test]
fn an_idle_tray_makes_no_context_switch() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    // The system's own packets, which nobody answers, would call for a probe.
    run(desktop.command("sh").args(["-c", "echo 0 >/proc/sys/net/ipv6/conf/default/router_solicitations"]));
    vpn.connect();
    let _login1 = FakeLogind::start(&desktop);
    desktop.skip_first_run();
    // No probe may be due while the process is measured.
    desktop.configure("[vpn]\nprobe_seconds = 3600\n");
    // With mounts of its own: it would wake for those that other tests make meanwhile.
    let vigie = desktop.spawn("vigie", desktop.command("unshare").arg("--mount").arg(env!("CARGO_BIN_EXE_vigie")));
    let item = desktop.item_of(vigie.pid());
    item.wait_for_menu("VPN connecté");
    // Nor does it cost anything to keep what was copied.
    item.click(&["Copier les infos pour l’assistance"]);
    desktop.notifications().wait(0, "Les infos pour l’assistance sont copiées");
    // The tunnel's counters are read every 20 s: the thread wakes, asks the kernel, and sleeps again.
    assert_stays_idle(vigie.pid(), 4, "with a steady tunnel");
    vpn.disconnect();
    item.wait_for_menu("VPN déconnecté");
    assert_stays_idle(vigie.pid(), 0, "without a tunnel");
}

/// Waits until the program has become idle, and checks that it then makes no more context switches than this.
fn assert_stays_idle(pid: u32, max_switches: u64, state: &str) {
    let mut meter = Meter::start(pid);
    let mut since = Instant::now();
    wait_for("an idle process", 2 * DEADLINE, || {
        meter.sample();
        if meter.used().switches > 0 {
            (meter, since) = (Meter::start(pid), Instant::now());
        }
        (since.elapsed() > SETTLED).then_some(())
    });
    assert_holds_for(&format!("at most {max_switches} context switches {state}"), MEASURED, || {
        meter.sample();
        meter.used().switches <= max_switches
    });
}
