//! Vigie on a desktop at home, and what must hold whatever happens to it.

use crate::harness::processes::{descendants, files_containing};
use crate::harness::tray::TrayItem;
use crate::harness::vpn::{PIN, TestVpn};
use crate::harness::{ChildProcess, DEADLINE, Desktop, around_noon, run, wait_for, wait_for_described};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::cell::RefCell;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long the end of the program may take.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a wrong status may last once the evidence is there.
pub const PROMPTLY: Duration = Duration::from_secs(5);

/// How late a reminder may be seen: the panel, which replaces a notification, opens slowly on a busy machine.
const REMINDER_TIMEOUT: Duration = Duration::from_secs(30);

/// How much more memory and descriptors repetitions may take, in percent.
const MAX_GROWTH_PERCENT: u64 = 5;

/// The window of the panel.
pub const PANEL: &str = "Vigie";

/// Settings under which a plan of the machine's for the next hour leads to a reminder at once, and faults of the
/// network are seen soon.
pub const SETTINGS: &str = "\
    [shutdown]\nleads_minutes = [60, 1]\n\n[vpn]\nprobe_timeout_seconds = 2\nhold_seconds = 1\n\n\
    [panel]\nwarn_disk_free_percent = 0\nwarn_uptime_days = 10000\n\n";

/// A reminder that was due.
struct DueReminder {
    title: String,
    at: Timestamp,
    /// How often it may be shown: again after its server has ended.
    times: usize,
}

/// Vigie, and everything around it.
pub struct Fixture {
    // In the order in which they must be dropped.
    vigie: Option<ChildProcess>,
    /// What starts Vigie.
    pub command: Command,
    pub desktop: Desktop,
    pub vpn: TestVpn,
    reminders: RefCell<Vec<DueReminder>>,
    /// Programs that have to end with the test.
    pub others: Vec<ChildProcess>,
}

impl Fixture {
    /// Starts Vigie on a desktop at home, without the VPN.
    pub fn start() -> Fixture {
        let mut fixture = Fixture::prepare();
        fixture.run();
        fixture.wait_for_status("disconnected");
        fixture
    }

    /// As [`Fixture::start`], but does not start Vigie.
    pub fn prepare() -> Fixture {
        let vpn = TestVpn::start();
        let desktop = Desktop::at_home(&vpn);
        desktop.configure(SETTINGS);
        desktop.skip_first_run();
        let command = desktop.vigie_on_isolated_machine();
        Fixture { vigie: None, command, desktop, vpn, reminders: RefCell::default(), others: Vec::new() }
    }

    /// Starts Vigie, and waits until it answers.
    pub fn run(&mut self) {
        self.vigie = Some(self.desktop.spawn("vigie", &self.command));
        wait_for("the running Vigie", DEADLINE, || self.status());
    }

    /// The process of the tray.
    pub fn vigie(&self) -> &ChildProcess {
        self.vigie.as_ref().expect("Vigie was started")
    }

    /// Forgets the process, and returns it.
    pub fn take_vigie(&mut self) -> ChildProcess {
        self.vigie.take().expect("Vigie was started")
    }

    /// Its item in the tray.
    pub fn item(&self) -> TrayItem {
        self.desktop.item_of(self.vigie().pid())
    }

    /// What `vigie status --json` prints, asked over the socket as that command does; `None` if Vigie does not answer.
    pub fn status(&self) -> Option<Value> {
        let answer = self.ask("\"status\"")?;
        serde_json::from_str(&answer).ok()
    }

    /// What `vigie status` prints.
    pub fn status_text(&self) -> String {
        let output = self.desktop.vigie().arg("status").output().expect("it starts");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Sends a request over the socket.
    pub fn ask(&self, request: &str) -> Option<String> {
        let mut socket = self.connect()?;
        socket.set_read_timeout(Some(PROMPTLY)).ok()?;
        writeln!(socket, "{request}").ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Opens a connection to the socket.
    pub fn connect(&self) -> Option<UnixStream> {
        UnixStream::connect(self.desktop.home().join(".run/vigie/socket")).ok()
    }

    /// Requests an action, as a click in the menu does.
    pub fn act(&self, action: &str) {
        let request = format!(r#"{{"ask":{action}}}"#);
        assert_eq!(self.ask(&request).as_deref(), Some("\n"), "{action}");
    }

    /// Waits for a status, which must be claimed soon.
    pub fn wait_for_status(&self, verdict: &str) {
        self.wait_for_status_within(PROMPTLY, verdict);
    }

    /// As [`Fixture::wait_for_status`], where the evidence takes time itself.
    pub fn wait_for_status_within(&self, limit: Duration, verdict: &str) {
        let status = || self.status().unwrap_or_default();
        let describe = || format!("status {verdict:?}, but {}, {}", status()["verdict"], status()["witnesses"]);
        wait_for_described(describe, limit, || (status()["verdict"] == verdict).then_some(()));
    }

    /// A path on Vigie's own machine.
    pub fn on_its_machine(&self, path: &str) -> String {
        format!("/proc/{}/root{path}", self.vigie().pid())
    }

    /// Runs a command in the mounts and the network of Vigie, and returns its output.
    pub fn run_beside(&self, command: &[&str]) -> String {
        let mut there = Command::new("nsenter");
        there.args(["--mount", "--uts", "--net", "--target", &self.vigie().pid().to_string()]).args(command);
        run(&mut there)
    }

    /// Has the machine plan a shutdown, and checks that the user is reminded of it, by a notification or by the panel.
    pub fn assert_reminds(&self) {
        self.plan_reminder();
        self.assert_reminded();
    }

    /// Has the machine plan a shutdown, of which Vigie is to remind the user at once.
    pub fn plan_reminder(&self) {
        let mut reminders = self.reminders.borrow_mut();
        // Two minutes earlier each time: a new shutdown, not the last one read again.
        let minutes = 59 - 2 * i64::try_from(reminders.len()).expect("a few");
        assert!(minutes > 1, "too many reminders for one test");
        let at = Timestamp::now() + SignedDuration::from_secs(minutes * 60 - 1);
        // As logind does it (systemd's `update_schedule_file`).
        let folder = self.on_its_machine("/run/systemd/shutdown");
        let plan = format!("USEC={}\nWARN_WALL=1\nMODE=poweroff\n", at.as_microsecond());
        fs::write(format!("{folder}/.new"), plan).expect("needs root");
        fs::rename(format!("{folder}/.new"), format!("{folder}/scheduled")).expect("both are in one folder");
        reminders.push(DueReminder { title: format!("Arrêt automatique dans {minutes} minutes"), at, times: 1 });
    }

    /// Calls the planned shutdown off.
    pub fn cancel_plan(&self) {
        fs::remove_file(self.on_its_machine("/run/systemd/shutdown/scheduled")).expect("one was planned");
    }

    /// The server that showed the last reminder has ended: it may be shown once more.
    pub fn expect_repeated_reminder(&self) {
        self.reminders.borrow_mut().last_mut().expect("one was planned").times += 1;
    }

    /// Waits until Vigie knows of the notification server.
    pub fn wait_for_notifications(&self) {
        let about = format!("Vigie {}", env!("CARGO_PKG_VERSION"));
        let seen = self.desktop.notifications().all().len();
        self.act(r#"{"do":"about"}"#);
        self.desktop.notifications().wait(seen, &about);
    }

    /// Waits until the user sees the last planned reminder.
    pub fn assert_reminded(&self) {
        let reminders = self.reminders.borrow();
        let reminder = reminders.last().expect("one was planned");
        wait_for(&format!("the reminder {:?} to be seen", reminder.title), REMINDER_TIMEOUT, || {
            (self.notified(reminder) > 0 || self.panel_reminds(reminder)).then_some(())
        });
    }

    /// Returns whether it is on the disk that the user has seen the last reminder.
    pub fn remembers_last_reminder(&self) -> bool {
        let text = fs::read_to_string(self.desktop.home().join(".local/state/vigie/state.json")).unwrap_or_default();
        let saved: Value = serde_json::from_str(&text).unwrap_or_default();
        let shown = saved["shutdown"]["shown"].as_array().and_then(|shown| shown.last()?["at"].as_str()?.parse().ok());
        let reminders = self.reminders.borrow();
        let last = reminders.last().expect("one was planned");
        shown.is_some_and(|at: Timestamp| at.duration_until(last.at).abs() < SignedDuration::from_secs(1))
    }

    /// Checks that a Vigie that was just started does not show the last reminder again. Events are handled in order: it
    /// would come before the answer to a click.
    pub fn assert_not_reminded_again(&self) {
        let seen = self.desktop.notifications().all().len();
        self.wait_for_notifications();
        let all = self.desktop.notifications().all();
        let again = all[seen..].iter().find(|notification| notification.summary.starts_with("Arrêt automatique"));
        assert!(again.is_none(), "{again:?}");
    }

    /// Returns how often a notification server has taken the reminder.
    fn notified(&self, reminder: &DueReminder) -> usize {
        let all = self.desktop.notifications().all();
        all.iter().filter(|notification| notification.taken && notification.summary == reminder.title).count()
    }

    fn panel_reminds(&self, reminder: &DueReminder) -> bool {
        let zone = TimeZone::posix(&around_noon()).expect("a POSIX time zone");
        let at = reminder.at.to_zoned_datetime(zone).strftime("%-H h %M").to_string().replace(" h 00", " h");
        let asks = |status: Value| {
            let title = status["panel"]["question"]["title"].as_str().unwrap_or_default().replace('\u{a0}', " ");
            title == format!("Arrêt automatique à {at}")
        };
        self.status().is_some_and(asks) && self.desktop.window_titles().iter().any(|title| title == PANEL)
    }

    /// Pulls the cable and plugs it in again; the status must follow.
    pub fn assert_follows_the_network(&self) {
        self.vpn.unplug();
        self.wait_for_status("offline");
        self.vpn.plug();
        self.wait_for_status("disconnected");
    }

    /// Checks what must hold after every fault, and ends Vigie.
    pub fn assert_unharmed(mut self) {
        self.assert_works();
        self.assert_ends();
    }

    /// Checks what must hold after every fault while Vigie runs.
    pub fn assert_works(&mut self) {
        assert!(self.vigie.as_mut().expect("Vigie was started").is_alive(), "Vigie has ended");
        self.assert_reminds();
        self.assert_follows_the_network();
        for reminder in self.reminders.borrow().iter() {
            let times = self.notified(reminder);
            assert!(times <= reminder.times, "{:?} was shown {times} times", reminder.title);
        }
        self.assert_no_secret(PIN);
        let printed = format!("{}{}", self.vigie().log(), self.desktop.vigie_log());
        assert!(!printed.contains("panicked"), "{printed}");
    }

    /// Checks that a secret is in no file of the user or of the machine, and in no argument or environment.
    pub fn assert_no_secret(&self, secret: &str) {
        for folder in [self.desktop.home().to_owned(), self.on_its_machine("/run").into()] {
            assert_eq!(files_containing(&folder, secret), [""; 0].map(std::path::PathBuf::from));
        }
        for pid in descendants(self.vigie()) {
            for file in ["cmdline", "environ"] {
                let text = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                assert!(!String::from_utf8_lossy(&text).contains(secret), "{file} of {pid}");
            }
        }
    }

    /// Ends Vigie by its command, starts it again, and ends it by a signal.
    pub fn assert_ends(&mut self) {
        self.assert_quits();
        self.run();
        self.assert_ends_by(Signal::TERM);
    }

    /// Ends Vigie by its command.
    pub fn assert_quits(&mut self) {
        let start = Instant::now();
        let quit = self.desktop.vigie().arg("quit").status().expect("it starts");
        assert_eq!(quit.code(), Some(0));
        self.assert_ended(start);
    }

    /// Ends Vigie by a signal.
    pub fn assert_ends_by(&mut self, signal: Signal) {
        let start = Instant::now();
        self.vigie().signal(signal);
        self.assert_ended(start);
    }

    fn assert_ended(&mut self, start: Instant) {
        let mut vigie = self.take_vigie();
        assert_eq!(vigie.wait(DEADLINE).code(), Some(0));
        assert!(start.elapsed() < END_TIMEOUT, "it took {:?} to end", start.elapsed());
    }

    /// Repeats something 50 times, and checks that Vigie then has no more memory and descriptors than after the first
    /// ten.
    pub fn assert_no_leak(&self, mut repeat: impl FnMut(&Fixture)) {
        for _ in 0..10 {
            repeat(self);
        }
        let before = ProcessUsage::of(self.vigie().pid());
        for _ in 0..50 {
            repeat(self);
        }
        // What is on its way to being freed: tasks that end, threads without work.
        let now = || ProcessUsage::of(self.vigie().pid());
        wait_for_described(
            || format!("{before:?}, then {:?}", now()),
            DEADLINE,
            || now().is_within(before).then_some(()),
        );
    }
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
pub struct ProcessUsage {
    pub descriptors: u64,
    pub threads: u64,
    /// Memory of its own, in kB.
    pub memory: u64,
}

impl ProcessUsage {
    /// Reads the kernel's counters.
    pub fn of(pid: u32) -> ProcessUsage {
        let count = |folder: &str| fs::read_dir(format!("/proc/{pid}/{folder}")).map_or(0, Iterator::count) as u64;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let memory =
            status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.split_whitespace().next()?.parse().ok());
        ProcessUsage { descriptors: count("fd"), threads: count("task"), memory: memory.unwrap_or_default() }
    }

    fn is_within(self, before: ProcessUsage) -> bool {
        let fits = |now: u64, before: u64| now * 100 <= before * (100 + MAX_GROWTH_PERCENT);
        // A descriptor more or less is a connection that is just being served.
        fits(self.descriptors, before.descriptors.max(40)) && fits(self.memory, before.memory)
    }
}

/// A process that is stopped until this is dropped.
pub struct StoppedProcess(Pid);

impl StoppedProcess {
    /// Stops the process that owns the name on the session bus; `org.freedesktop.DBus` is the bus itself.
    pub fn owner_of(desktop: &Desktop, name: &str) -> StoppedProcess {
        let bus = "org.freedesktop.DBus";
        let reply = desktop.session().call_method(Some(bus), "/", Some(bus), "GetConnectionUnixProcessID", &name);
        let pid: u32 = reply.expect("somebody owns the name").body().deserialize().expect("a process id");
        StoppedProcess::process(pid)
    }

    /// Stops a process.
    pub fn process(pid: u32) -> StoppedProcess {
        let pid = Pid::from_raw(pid.try_into().expect("in range")).expect("not 0");
        kill_process(pid, Signal::STOP).expect("it is the desktop's");
        StoppedProcess(pid)
    }
}

impl Drop for StoppedProcess {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}
