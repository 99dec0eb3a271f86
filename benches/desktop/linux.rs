//! The measurements, with a steady tunnel: the usual working day.

use crate::measure::{Meter, Usage, memory};
use crate::rig::tray::Item;
use crate::rig::vpn::Vpn;
use crate::rig::{Desktop, Running, SOON};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use zbus::MatchRule;
use zbus::blocking::{Connection, MessageIterator};

const STARTS: usize = 10;
const FLAPS: usize = 50;
const IDLE: Duration = Duration::from_secs(60);

/// Measures everything, and prints it.
pub fn run() {
    let vpn = Vpn::start();
    vpn.connect();
    let desktop = Desktop::at_home(&vpn);

    say("Start → item in the tray (median of 10)");
    let vigie = starts(&desktop, &desktop.vigie());
    let applet = starts(&desktop, &applet(&desktop));
    compare(&[("vigie", millis(vigie)), ("nm-applet", millis(applet))], "ms");

    let vigie = desktop.spawn("vigie", &desktop.vigie());
    let applet = desktop.spawn("nm-applet", &self::applet(&desktop));
    let conky = desktop.spawn("conky", &desktop.command("conky"));
    let item = desktop.item_of(vigie.pid());
    // Past the starts' own work.
    std::thread::sleep(Duration::from_secs(10));
    let subjects = [("vigie", &vigie), ("nm-applet", &applet), ("conky", &conky)];

    say("Idle for 60 s with a steady tunnel");
    let used = idle(&subjects);
    compare(&used.map(|(name, usage)| (name, usage.switches as f64)), "context switches");
    compare(&used.map(|(name, usage)| (name, millis(usage.cpu))), "ms of processor time");

    say("Proportional memory (PSS), all processes");
    compare(&subjects.map(|(name, program)| (name, memory(program.pid()) as f64 / 1e6)), "MB");

    say("Link up or down → the tray's signal on D-Bus, after `ip monitor` prints it");
    let mut late = reaction(&desktop, &vpn, &item);
    late.sort_by(f64::total_cmp);
    let at = |share: f64| late[((late.len() - 1) as f64 * share).round() as usize];
    say(&format!("  median {:.2} ms, p99 {:.2} ms of {} events", at(0.5), at(0.99), late.len()));
}

/// The peer that shows a tray item.
fn applet(desktop: &Desktop) -> Command {
    let mut applet = desktop.command("nm-applet");
    applet.arg("--indicator");
    applet
}

/// The median time from a program's start until the tray has its item.
fn starts(desktop: &Desktop, command: &Command) -> Duration {
    let registered = signals(desktop.session(), "org.kde.StatusNotifierWatcher", "org.kde.StatusNotifierWatcher");
    let mut times: Vec<Duration> = (0..STARTS)
        .map(|_| {
            drain(&registered);
            let start = Instant::now();
            let program = desktop.spawn("start", command);
            loop {
                let (at, member) = registered.recv_timeout(SOON).expect("the item registers");
                if member == "StatusNotifierItemRegistered" {
                    // The panel is still asking the item.
                    std::thread::sleep(Duration::from_millis(500));
                    drop(program);
                    return at - start;
                }
            }
        })
        .collect();
    times.sort();
    times[STARTS / 2]
}

/// What each used in the time `IDLE`.
fn idle<'a, const N: usize>(subjects: &[(&'a str, &Running); N]) -> [(&'a str, Usage); N] {
    let mut meters = subjects.map(|(name, program)| (name, Meter::start(program.pid())));
    let start = Instant::now();
    while start.elapsed() < IDLE {
        std::thread::sleep(Duration::from_millis(500));
        meters.iter_mut().for_each(|(_, meter)| meter.look());
    }
    meters.map(|(name, meter)| (name, meter.used()))
}

/// Milliseconds by which the item's first signal came after `ip monitor`'s first line, for each flap of the link.
fn reaction(desktop: &Desktop, vpn: &Vpn, item: &Item) -> Vec<f64> {
    let mut monitor = desktop.command("setpriv");
    monitor.args(["--pdeathsig", "KILL", "--", "ip", "-o", "monitor", "link", "address", "route"]);
    let mut monitor = monitor.stdout(Stdio::piped()).spawn().expect("util-linux is installed");
    let lines = BufReader::new(monitor.stdout.take().expect("piped")).lines();
    let (sender, printed) = channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send((Instant::now(), line))));
    let drawn = signals(desktop.session(), item.service(), "org.kde.StatusNotifierItem");

    let mut late = Vec::new();
    for flap in 0..FLAPS * 2 {
        std::thread::sleep(Duration::from_millis(700));
        drain(&printed);
        drain(&drawn);
        if flap % 2 == 0 {
            vpn.unplug()
        } else {
            vpn.plug()
        }
        let (printed, _) = printed.recv_timeout(SOON).expect("ip monitor prints");
        let (drawn, _) = drawn.recv_timeout(SOON).expect("the tray shows the change");
        late.push(if drawn > printed { millis(drawn - printed) } else { -millis(printed - drawn) });
    }
    let _ = monitor.kill();
    let _ = monitor.wait();
    late
}

/// The signals of an interface as they arrive: when, and their names.
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

fn drain<T>(receiver: &Receiver<T>) {
    while receiver.try_recv().is_ok() {}
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Prints the values, and the first one's ratio to each other.
fn compare(values: &[(&str, f64)], unit: &str) {
    let first = values[0].1;
    for (index, (name, value)) in values.iter().enumerate() {
        let ratio = if index == 0 { String::new() } else { format!("  ratio {:.2}", first / value) };
        say(&format!("  {name:<10} {value:>9.1} {unit}{ratio}"));
    }
}

#[expect(clippy::print_stdout, reason = "what the benchmark is for")]
fn say(line: &str) {
    println!("{line}");
}
