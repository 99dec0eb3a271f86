//! The measurements, with a steady tunnel: the usual working day.

use crate::harness::login1::FakeLogind;
use crate::harness::tray::TrayItem;
use crate::harness::vpn::{TUNNEL, TestVpn};
use crate::harness::{ChildProcess, DEADLINE, Desktop, run, wait_for};
use crate::measure::{Meter, Usage, memory};
use crate::report::{BarValue, Report};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use vigie_core::fleet;
use zbus::MatchRule;
use zbus::blocking::{Connection, MessageIterator};

const STARTS: usize = 15;
const FLAPS: usize = 60;
/// Two of the slow intervals, so that at least one probe happens in this time.
const IDLE: Duration = Duration::from_secs(120);
const QUIET: Duration = Duration::from_secs(60);
const IN_USE: Duration = Duration::from_secs(600);
/// How long a program is left alone before it is measured: longer than its start, and than the 10 s for which tokio keeps an
/// idle thread.
const SETTLED: Duration = Duration::from_secs(20);

const OPENINGS: usize = 20;
const OUTAGES: usize = 20;
/// Pause between two outages: a real one does not come every half minute.
const OUTAGE_PAUSE: Duration = Duration::from_secs(35);
const WORKSTATIONS: u32 = 5000;

/// The windows' titles.
const PANEL: &str = "Vigie";
const PINNED: &str = "Vigie sur le bureau";

/// Measures everything, prints it, writes `docs/benchmarks.md`, and returns whether every goal is met. With `only`, measures
/// that part, and writes nothing.
pub fn measure(only: Option<&str>) -> bool {
    let mut report = Report::new();
    match only {
        Some("in-use") => {
            in_use(&mut report);
            return report.is_met();
        }
        Some("outage") => {
            outages(&mut report);
            return report.is_met();
        }
        Some("panel") => {
            let (_vpn, desktop, _login1) = connected_desktop();
            panel_openings(&desktop, &mut report);
            return report.is_met();
        }
        Some("fleet") => {
            fleet_day(&mut report);
            return report.is_met();
        }
        Some(other) => panic!("there is no part {other:?}"),
        None => {}
    }
    let (vpn, desktop, _login1) = connected_desktop();
    let (vigie, applet, bare_tray) = (desktop.vigie(), applet(&desktop), bare(&desktop));

    report.section("From the start to the item in the tray", &format!("Median of {STARTS} starts."));
    let starts = [("vigie", &vigie), ("nm-applet", &applet), ("bare Tauri tray", &bare_tray)]
        .map(|(name, command)| BarValue(name, starts(&desktop, command)));
    report.table("ms", &starts);

    let subject = watching(&desktop);
    report.section(
        "From a change of the network to the tray",
        &format!(
            "The tunnel's link goes down or comes up, {FLAPS} times each: from the start of the command that changes it to \
             the tray's signal on D-Bus (a new icon), and to the line of `ip monitor`.",
        ),
    );
    let times = reaction(&desktop, &vpn, &subject.item);
    let at = |share, time: fn(&Reaction) -> f64| quantile(times.iter().map(time).collect(), share);
    for (name, share) in [("median", 0.5), ("p99", 0.99)] {
        let rows =
            [BarValue("vigie", at(share, |time| time.drawn)), BarValue("ip monitor", at(share, |time| time.printed))];
        report.table(&format!("ms, {name}"), &rows);
    }
    let (median, p99) = (at(0.5, Reaction::late), at(0.99, Reaction::late));
    report.text(&format!("Vigie follows {median:.1} ms (median) and {p99:.1} ms (p99) later."));
    report.goal("a change is in the tray at most 10 ms after `ip monitor` prints it (p99)", p99, 10.0, "ms");
    drop(subject);

    let subject = watching(&desktop);
    let peers = [("nm-applet", applet), ("conky", desktop.command("conky")), ("bare Tauri tray", bare_tray)]
        .map(|(name, command)| (name, desktop.spawn(name, &command)));
    std::thread::sleep(SETTLED);
    let subjects = [("vigie", &subject.program)].into_iter().chain(peers.iter().map(|(name, peer)| (*name, peer)));
    let subjects: Vec<(&str, &ChildProcess)> = subjects.collect();

    let minutes = IDLE.as_secs_f64() / 60.0;
    report.section(
        "Idle, the tunnel steady",
        "All threads and children, per minute, with the slow probe (every 60 s). nm-applet has no NetworkManager \
         here.",
    );
    let used = idle(&subjects, IDLE);
    let rows = |of: fn(&Usage) -> f64| {
        used.iter().map(|(name, usage)| BarValue(name, of(usage) / minutes)).collect::<Vec<_>>()
    };
    let switches = rows(|usage| usage.switches as f64);
    report.table("context switches", &switches);
    report.table("ms of processor time", &rows(|usage| millis(usage.cpu)));
    report.goal("at most 30 context switches a minute, the slow probe included", switches[0].1, 30.0, "");

    report.section("Memory", "Proportional (PSS), all processes of each program; the panel was never opened.");
    let sizes: Vec<BarValue> = subjects.iter().map(|(name, program)| BarValue(name, megabytes(program))).collect();
    report.table("MB", &sizes);
    report.goal("the tray takes at most what a bare Tauri tray takes", sizes[0].1, sizes[sizes.len() - 1].1, "MB");
    report.goal("the tray takes at most 0.9 of nm-applet", sizes[0].1, sizes[1].1 * 0.9, "MB");
    drop(subjects);
    drop(peers);
    drop(subject);

    panel_openings(&desktop, &mut report);

    // With a probe every hour, none happens in this minute.
    desktop.configure("[vpn]\nprobe_seconds = 3600\n");
    let subject = watching(&desktop);
    std::thread::sleep(SETTLED);
    let used = idle(&[("vigie", &subject.program)], QUIET);
    report.section("Idle, between two probes", "One minute; the tunnel's counters are read every 20 s.");
    let switches = used[0].1.switches as f64;
    report.table("context switches", &[BarValue("vigie", switches)]);
    report.goal("at most 10 context switches in a minute without a probe, counters included", switches, 10.0, "");

    report.section("Memory after the panel", "PSS of the tray, alone in the session, before and after.");
    let before = megabytes(&subject.program);
    open_and_close_panel(&desktop, &subject);
    std::thread::sleep(SETTLED);
    let after = megabytes(&subject.program);
    report.table("MB", &[BarValue("after", after), BarValue("before", before)]);
    report.goal("once the panel is closed, at most 15 % more than before", after, before * 1.15, "MB");
    drop(subject);

    report.section(
        "Memory with the panel on the desktop",
        "PSS of all processes of each program, one after the other, so that they share no pages: tray and pinned panel; \
         the same while the panel is open, too, and after it was closed; a plain Tauri window of the same size with an empty \
         page; conky.",
    );
    desktop.configure("[panel]\npinned = true\nwidth = 420\nheight = 680\n");
    let subject = watching(&desktop);
    desktop.wait_for_window(PINNED, true);
    std::thread::sleep(SETTLED);
    let pinned = megabytes(&subject.program);
    subject.item.activate();
    desktop.wait_for_window(PANEL, true);
    std::thread::sleep(SETTLED);
    let both = megabytes(&subject.program);
    desktop.press_key(PANEL, "Escape");
    desktop.wait_for_window(PANEL, false);
    std::thread::sleep(SETTLED);
    let after = megabytes(&subject.program);
    drop(subject);
    let mut bare = bare(&desktop);
    bare.arg("window");
    let [window, conky] = [("bare window", bare), ("conky", desktop.command("conky"))].map(|(name, command)| {
        let program = desktop.spawn(name, &command);
        std::thread::sleep(SETTLED);
        megabytes(&program)
    });
    let rows = [
        BarValue("vigie, panel pinned", pinned),
        BarValue("… and opened", both),
        BarValue("… and closed again", after),
        BarValue("bare Tauri window", window),
        BarValue("conky", conky),
    ];
    report.table("MB", &rows);
    report.goal("pinned, at most 0.65 of a bare Tauri window", pinned, window * 0.65, "MB");
    report.goal("once the opened panel is closed, at most 15 % more than before", after, pinned * 1.15, "MB");

    drop(desktop);
    drop(vpn);

    in_use(&mut report);
    outages(&mut report);
    fleet_day(&mut report);
    report.finish()
}

/// Sets up a desktop of a user at home, with the tunnel up.
fn connected_desktop() -> (TestVpn, Desktop, FakeLogind) {
    let vpn = TestVpn::start();
    vpn.connect();
    let desktop = Desktop::at_home(&vpn);
    let login1 = FakeLogind::start(&desktop);
    desktop.skip_first_run();
    (vpn, desktop, login1)
}

/// Measures how long the panel takes to open, beside a bare Tauri window.
fn panel_openings(desktop: &Desktop, report: &mut Report) {
    report.section(
        "From the click on the icon to the panel",
        &format!(
            "{OPENINGS} times each, in turn: from the click until the window is mapped, once its page is rendered; for the bare \
             window, from the start of the program."
        ),
    );
    let subject = watching(desktop);
    let mut bare = bare(desktop);
    bare.arg("window");
    let monitor = Monitor::start(desktop, &["stdbuf", "-oL", "xev", "-root", "-event", "substructure"]);
    // A program also maps windows that are never seen.
    let opened = |start: Instant, title: &str| {
        desktop.wait_for_window(title, true);
        let name = format!("^{title}$");
        let found = run(desktop.command("xdotool").args(["search", "--onlyvisible", "--name", &name]));
        let id = format!("window {:#x},", found.trim().parse::<u32>().expect("one window has that title"));
        let mut lines = monitor.lines.try_iter();
        // The window is in the line after the event's name.
        let mapped = std::iter::from_fn(|| {
            lines.find(|(_, line)| line.starts_with("MapNotify"))?;
            lines.next()
        });
        let (at, _) = mapped.into_iter().find(|(_, line)| line.contains(&id)).expect("xev prints its mapping");
        millis(at - start)
    };
    let (mut vigie, mut window) = (Vec::new(), Vec::new());
    for _ in 0..OPENINGS {
        drain(&monitor.lines);
        let start = Instant::now();
        subject.item.activate();
        vigie.push(opened(start, PANEL));
        desktop.press_key(PANEL, "Escape");
        desktop.wait_for_window(PANEL, false);
        drain(&monitor.lines);
        let start = Instant::now();
        let program = desktop.spawn("bare window", &bare);
        window.push(opened(start, "bare"));
        drop(program);
        desktop.wait_for_window("bare", false);
    }
    for (name, share) in [("median", 0.5), ("p95", 0.95)] {
        let of = |times: &Vec<f64>| quantile(times.clone(), share);
        let (vigie, bare) = (of(&vigie), of(&window));
        report.table(&format!("ms, {name}"), &[BarValue("vigie", vigie), BarValue("bare Tauri window", bare)]);
        let goal = format!("the panel opens in at most 1.25 times a bare Tauri window's time ({name})");
        report.goal(&goal, vigie, bare * 1.25, "ms");
    }
}

/// Sends five packets of 1000 bytes a second through the tunnel, until this is dropped.
fn use_tunnel(desktop: &Desktop) -> ChildProcess {
    let mut traffic = desktop.command("ping");
    traffic.args(["-q", "-i", "0.2", "-s", "1000", "172.26.66.73"]);
    desktop.spawn("traffic", &traffic)
}

/// Measures what a tunnel costs that is in use.
fn in_use(report: &mut Report) {
    let minutes = IN_USE.as_secs_f64() / 60.0;
    report.section(
        "Idle, the tunnel in use",
        &format!(
            "Five packets of 1000 bytes a second go through it for {minutes} minutes; its counters are read every 3 s."
        ),
    );
    let (vpn, desktop, _login1) = connected_desktop();
    let _traffic = use_tunnel(&desktop);
    let subject = watching(&desktop);
    std::thread::sleep(SETTLED);
    let connections = vpn.intranet_connections();
    let used = idle(&[("vigie", &subject.program)], IN_USE);
    let switches = used[0].1.switches as f64 / minutes;
    let opened = (vpn.intranet_connections() - connections) as f64;
    report.table("context switches a minute", &[BarValue("vigie", switches)]);
    report.goal("at most 30 context switches a minute while the tunnel is in use", switches, 30.0, "");
    report.goal("no connection to the intranet in ten minutes", opened, 0.0, "");
}

/// Measures how long it takes to notice that a tunnel in use has died.
fn outages(report: &mut Report) {
    report.section(
        "From the death of a tunnel in use to the tray",
        &format!(
            "Five packets of 1000 bytes a second go through it; then the gateway drops every packet, {OUTAGES} times. \
             Beside it, a `ping` every second that counts an answer as lost after one second."
        ),
    );
    let (vpn, desktop, _login1) = connected_desktop();
    let _traffic = use_tunnel(&desktop);
    let ping = Monitor::start(&desktop, &["ping", "-O", "-i", "1", "-W", "1", "172.26.66.73"]);
    let subject = watching(&desktop);
    let says = |words: &str| subject.item.tooltip().0.starts_with(words).then_some(());
    let (mut vigie, mut lost) = (Vec::new(), Vec::new());
    for outage in 0..OUTAGES {
        // Each time at another moment between two readings of the counters.
        std::thread::sleep(OUTAGE_PAUSE + Duration::from_millis(250 * outage as u64));
        drain(&ping.lines);
        let begun = Instant::now();
        vpn.cut_intranet();
        wait_for("the loss", 3 * DEADLINE, || says("Le VPN ne répond plus"));
        vigie.push(begun.elapsed().as_secs_f64());
        let first = ping.lines.try_iter().find(|(_, line)| line.starts_with("no answer yet"));
        lost.extend(first.map(|(at, _)| (at - begun).as_secs_f64()));
        vpn.restore_intranet();
        wait_for("the verdict Connected", 4 * DEADLINE, || says("VPN connecté"));
    }
    for (name, share) in [("median", 0.5), ("worst", 1.0)] {
        let of = |times: &Vec<f64>| quantile(times.clone(), share);
        report
            .table(&format!("s, {name}"), &[BarValue("vigie", of(&vigie)), BarValue("a ping every second", of(&lost))]);
    }
    report.goal("a tunnel that dies in use is noticed within 20 s (worst)", quantile(vigie, 1.0), 20.0, "s");
}

/// Simulates how often a whole fleet connects, with the pure core.
fn fleet_day(report: &mut Report) {
    report.section(
        &format!("A working day of {WORKSTATIONS} workstations, simulated"),
        "The core of each workstation in a network of its own. Power is cut at 08:30 and returns at 08:35; routers take one to \
         three minutes. The gateway is down from 10:00 to 10:10. Connections per second, of all workstations.",
    );
    let day = fleet::simulate_day(WORKSTATIONS);
    let hour = 3600;
    for (place, load) in [("the gateway", &day.gateway), ("the intranet", &day.intranet)] {
        let rows = [
            BarValue("mean from 08:00 to 18:00", load.mean(8 * hour..18 * hour)),
            BarValue("mean of the busiest minute", load.busy_minute(0..24 * hour)),
            BarValue("peak of the day", load.peak(0..24 * hour).into()),
        ];
        report.table(&format!("connections a second, {place}"), &rows);
        for (event, time) in [
            ("power returns", fleet::POWER_CUT.end..fleet::POWER_CUT.end + 900),
            ("the gateway fails", fleet::GATEWAY_DOWN),
            ("the gateway returns", fleet::GATEWAY_DOWN.end..fleet::GATEWAY_DOWN.end + 900),
        ] {
            let limit = 3.0 * load.busy_minute(time.clone());
            let goal = format!("{place}, {event}: the peak is at most three times the mean of the busiest minute");
            report.goal(&goal, load.peak(time).into(), limit, "/s");
        }
    }
    let opened = fleet::connections_in_use(Duration::from_secs(600));
    report.goal("a steady tunnel in use: no connection in ten minutes", opened.into(), 0.0, "");
    report.goal(
        "of all tunnels in use that die, each is noticed within 20 s",
        day.longest_detection_seconds,
        20.0,
        "s",
    );
}

/// A program that prints what it sees, and its lines with the moment of each. It ends when this is dropped.
struct Monitor {
    program: Child,
    lines: Receiver<(Instant, String)>,
}

impl Monitor {
    fn start(desktop: &Desktop, command: &[&str]) -> Monitor {
        let mut program = desktop.command("setpriv");
        program.args(["--pdeathsig", "KILL", "--"]).args(command).stdout(Stdio::piped());
        let mut program = program.spawn().expect("setpriv not found: install util-linux");
        let read = BufReader::new(program.stdout.take().expect("piped")).lines();
        let (sender, lines) = channel();
        std::thread::spawn(move || read.map_while(Result::ok).try_for_each(|line| sender.send((Instant::now(), line))));
        Monitor { program, lines }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// A running Vigie, and its item in the tray.
struct Subject {
    program: ChildProcess,
    item: TrayItem,
}

/// Starts Vigie, and waits until it shows that the VPN is connected.
fn watching(desktop: &Desktop) -> Subject {
    let (program, item) = desktop.start_vigie();
    connected(&item);
    Subject { program, item }
}

fn connected(item: &TrayItem) {
    wait_for("the status \"connected\"", DEADLINE, || item.tooltip().0.starts_with("VPN connecté").then_some(()));
}

/// Returns the command of a known program with a tray item.
fn applet(desktop: &Desktop) -> Command {
    let mut applet = desktop.command("nm-applet");
    applet.arg("--indicator");
    applet
}

/// Returns the command of a minimal Tauri program.
fn bare(desktop: &Desktop) -> Command {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bare-tray/release/bare-tray");
    assert!(Path::new(program).exists(), "`make bench` builds {program}");
    desktop.command(program)
}

/// Returns the median time from a program's start until the tray has its item, in milliseconds.
fn starts(desktop: &Desktop, command: &Command) -> f64 {
    let registered = signals(desktop.session(), "org.kde.StatusNotifierWatcher", "org.kde.StatusNotifierWatcher");
    let times = (0..STARTS)
        .map(|_| {
            let start = Instant::now();
            let program = desktop.spawn("start", command);
            let came = next(&registered, "StatusNotifierItemRegistered");
            // The panel is still reading the item's properties.
            std::thread::sleep(Duration::from_millis(500));
            drop(program);
            next(&registered, "StatusNotifierItemUnregistered");
            millis(came - start)
        })
        .collect();
    quantile(times, 0.5)
}

fn next(signals: &Receiver<(Instant, String)>, wanted: &str) -> Instant {
    loop {
        let (at, member) = signals.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("no {wanted}"));
        if member == wanted {
            return at;
        }
    }
}

/// Returns what each program uses in that time.
fn idle<'a>(subjects: &[(&'a str, &ChildProcess)], time: Duration) -> Vec<(&'a str, Usage)> {
    let mut meters: Vec<_> = subjects.iter().map(|(name, program)| (*name, Meter::start(program.pid()))).collect();
    let start = Instant::now();
    while start.elapsed() < time {
        std::thread::sleep(Duration::from_millis(500));
        meters.iter_mut().for_each(|(_, meter)| meter.sample());
    }
    meters.into_iter().map(|(name, meter)| (name, meter.used())).collect()
}

/// How long it took to report a change, from the start of the command that made it, in milliseconds.
struct Reaction {
    /// Until the item's first signal.
    drawn: f64,
    /// Until `ip monitor`'s first line.
    printed: f64,
}

impl Reaction {
    fn late(&self) -> f64 {
        self.drawn - self.printed
    }
}

/// Takes the tunnel down and up, and returns how long both took to report each change.
fn reaction(desktop: &Desktop, vpn: &TestVpn, item: &TrayItem) -> Vec<Reaction> {
    let monitor = Monitor::start(desktop, &["ip", "-o", "monitor", "link", "address", "route"]);
    let drawn = signals(desktop.session(), item.service(), "org.kde.StatusNotifierItem");

    // Without the client. The link's route is lost with it, and must be restored at once.
    let changes = [
        desktop.write("lower", &format!("link set {TUNNEL} down\n")),
        desktop.write("raise", &format!("link set {TUNNEL} up\nroute add 172.26.66.0/24 dev {TUNNEL}\n")),
    ];
    let mut times = Vec::new();
    for flap in 0..FLAPS * 2 {
        // Until all events of the last change have arrived.
        std::thread::sleep(Duration::from_millis(500));
        drain(&monitor.lines);
        drain(&drawn);
        let start = Instant::now();
        run(Command::new("ip").args(["-n", vpn.home_namespace(), "-batch"]).arg(&changes[flap % 2]));
        let (printed, _) = monitor.lines.recv_timeout(DEADLINE).expect("ip monitor prints");
        let (drawn, _) = drawn.recv_timeout(DEADLINE).expect("the tray shows the change");
        times.push(Reaction { drawn: millis(drawn - start), printed: millis(printed - start) });
        if flap % 2 == 1 {
            connected(item);
        }
    }
    times
}

fn open_and_close_panel(desktop: &Desktop, subject: &Subject) {
    subject.item.activate();
    desktop.wait_for_window(PANEL, true);
    // As long as a user may look at it.
    std::thread::sleep(Duration::from_secs(5));
    desktop.press_key(PANEL, "Escape");
    desktop.wait_for_window(PANEL, false);
}

/// Returns a channel of an interface's signals as they arrive: when, and their names.
fn signals(session: &Connection, sender: &str, interface: &str) -> Receiver<(Instant, String)> {
    let rule = MatchRule::builder().msg_type(zbus::message::Type::Signal).interface(interface.to_owned());
    let rule = rule.and_then(|rule| rule.sender(sender.to_owned())).expect("names from the bus").build();
    let messages = MessageIterator::for_match_rule(rule, session, None).expect("the bus runs");
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        messages.map_while(Result::ok).try_for_each(|message| {
            let at = Instant::now();
            let member = message.header().member().map(|member| member.to_string());
            sender.send((at, member.unwrap_or_default()))
        })
    });
    receiver
}

/// Returns the value that this share of all values does not exceed.
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

fn drain<T>(receiver: &Receiver<T>) {
    while receiver.try_recv().is_ok() {}
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn megabytes(program: &ChildProcess) -> f64 {
    memory(program.pid()) as f64 / 1e6
}
