//! Thirty days of a user's life in some minutes: the real event loop, notifications, tray and state file, with the clock
//! and the sensors played by the test.
//!
//! Tools that fake the clock of a whole program, such as libfaketime, do not reach the timers of Linux that Vigie uses. The
//! clock is an argument of the event loop instead; that the sensor wakes it at the right moment is tested beside the sensor
//! (`src-tauri/sensors/clock`).

use crate::controlled_server::ControlledServer;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan, ZonedDateTime};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use vigie::runtime::app::{App, Parts};
use vigie::runtime::store::Store;
use vigie_core::Now;
use vigie_core::fixture::{HOME, TUNNEL, correct, home, probe, silent, with_tunnel};
use vigie_core::message::{Action, Event, SensorRequest};
use vigie_core::state::SavedState;
use vigie_core::vpn::{Gateway, Traffic};
use vigie_profile::Paths;
use zbus::fdo;

/// How long a reminder may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// How much more memory may be in use after thirty days than after ten, in percent.
const MAX_GROWTH_PERCENT: usize = 5;

/// What this process holds.
#[derive(Debug)]
struct ResourceUsage {
    /// Bytes that are allocated.
    memory: usize,
    descriptors: usize,
}

impl ResourceUsage {
    fn now() -> ResourceUsage {
        ResourceUsage {
            memory: crate::allocated_bytes(),
            descriptors: std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
        }
    }
}

/// The clock.
static CLOCK: Mutex<Option<Now>> = Mutex::new(None);

fn now() -> Now {
    let clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    clock.clone().expect("the clock was set")
}

/// A moment in Paris.
fn at(date: Date, time: &str) -> ZonedDateTime {
    format!("{date}T{time}[Europe/Paris]").parse().expect("a moment")
}

/// Plays the user, the machine and the sensors.
struct Life {
    events: vigie::Events,
    requests: UnboundedReceiver<SensorRequest>,
    server: ControlledServer,
    wake_at: Option<Timestamp>,
    is_asleep: bool,
    has_tunnel: bool,
    received_bytes: u64,
    /// The titles of the reminders that the user should have seen.
    expected: Vec<String>,
}

impl Life {
    /// Runs the event loop and answers its requests until it is idle.
    async fn wait_until_idle(&mut self) {
        loop {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            let Ok(request) = self.requests.try_recv() else { return };
            let links = || if self.has_tunnel { with_tunnel(home()) } else { home() };
            let answer = match request {
                SensorRequest::WakeAt(at) => {
                    self.wake_at = at;
                    continue;
                }
                SensorRequest::Links => Event::Links(links()),
                SensorRequest::Probe(request) => {
                    let witnesses = if self.has_tunnel { correct(TUNNEL) } else { silent() };
                    let mut answer = probe(request.id, witnesses, Some(Gateway::Answered));
                    answer.gateway_local = Some(HOME);
                    Event::Probed(answer)
                }
                SensorRequest::Traffic(interface) => {
                    self.received_bytes += 1000;
                    let traffic = Traffic { interface, received_bytes: self.received_bytes, sent_packets: 10 };
                    Event::Traffic(Some(traffic).filter(|_| self.has_tunnel))
                }
                SensorRequest::Client => Event::ClientState(None),
                SensorRequest::Host | SensorRequest::Profile(_) | SensorRequest::Config => continue,
            };
            self.send(answer);
        }
    }

    fn send(&self, event: Event) {
        assert!(self.events.send(event).is_ok(), "the event loop has ended");
    }

    /// Lets time pass until that moment.
    async fn until(&mut self, moment: &ZonedDateTime) {
        self.wait_until_idle().await;
        while let Some(due) = self.wake_at.filter(|due| !self.is_asleep && *due <= moment.timestamp()) {
            let wall = now().wall;
            set_clock(&due.max(wall.timestamp()).to_zoned_datetime(wall.time_zone().clone()), true);
            self.send(Event::Tick);
            self.wait_until_idle().await;
            assert_ne!(self.wake_at, Some(due), "it asks to be woken at the same moment again");
        }
        set_clock(moment, true);
    }

    async fn sleep(&mut self, moment: &ZonedDateTime) {
        self.until(moment).await;
        self.send(Event::Sleeping);
        self.wait_until_idle().await;
        self.is_asleep = true;
    }

    async fn wake(&mut self, moment: &ZonedDateTime) {
        self.until(moment).await;
        (self.is_asleep, self.has_tunnel) = (false, false);
        self.send(Event::Woke);
        self.wait_until_idle().await;
    }

    /// The tunnel comes up or goes down.
    async fn tunnel(&mut self, moment: &ZonedDateTime, up: bool) {
        self.until(moment).await;
        self.has_tunnel = up;
        self.send(Event::Links(if up { with_tunnel(home()) } else { home() }));
        self.wait_until_idle().await;
    }

    /// Lets time pass until the moment of a reminder, and waits until the user sees it.
    async fn reminder(&mut self, moment: &ZonedDateTime, minutes: u16) {
        self.until(moment).await;
        self.send(Event::Tick);
        self.wait_until_idle().await;
        self.expect(minutes).await;
    }

    async fn expect(&mut self, minutes: u16) {
        self.expected.push(format!("Arrêt automatique dans {minutes} minutes"));
        let start = Instant::now();
        while self.server.reminders().len() < self.expected.len() {
            assert!(start.elapsed() < DEADLINE, "{:?} at {} is not shown", self.expected.last(), now().wall);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(self.server.reminders(), self.expected, "at {}", now().wall);
    }
}

/// Sets the clock; the uptime goes on with it unless somebody sets it.
fn set_clock(wall: &ZonedDateTime, time_passes: bool) {
    let mut clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let uptime = clock.as_ref().map_or(Duration::ZERO, |before| {
        let passed = before.wall.duration_until(wall);
        before.uptime + if time_passes { passed.try_into().unwrap_or_default() } else { Duration::ZERO }
    });
    *clock = Some(Now { wall: wall.clone(), uptime });
}

/// Runs Vigie from that moment on, with what the test plays.
fn run(begin: &ZonedDateTime, live: impl AsyncFnOnce(&mut Life)) {
    set_clock(begin, true);
    let folder = dirs_of_this_user();
    let server = ControlledServer::on(&std::env::var("DBUS_SESSION_BUS_ADDRESS").expect("the desktop's"), |_| ());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let paths = Paths { machine: folder.join("none.toml"), user: folder.join("vigie.toml") };
        std::fs::write(&paths.user, "[user]\nsite = \"caen\"\n").expect("the folder is writable");
        let loaded = vigie_profile::load(&paths);
        assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
        let (events, received) = mpsc::unbounded_channel();
        let (requests, received_requests) = mpsc::unbounded_channel();
        let (sender, tray) = std::sync::mpsc::channel();
        vigie::runtime::tray::host(move |tray| sender.send(tray).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS));
        let tray = tray.recv().expect("the tray was handed over");
        let store = Store::at(folder.join("state.json"));
        let saved = SavedState { welcomed: true, asked_site: true, ..SavedState::default() };
        let parts = Parts { now, requests, events: events.clone(), paths, store, tray };
        let (app, _status) = App::new(&loaded, saved, parts);
        let mut life = Life {
            events,
            requests: received_requests,
            server,
            wake_at: None,
            is_asleep: false,
            has_tunnel: false,
            received_bytes: 0,
            expected: Vec::new(),
        };
        let play = async {
            live(&mut life).await;
            life.send(Event::Action(Action::Quit));
        };
        tokio::join!(app.run(received), play);
        // What came at the end is counted too.
        assert_eq!(life.server.reminders(), life.expected);
    });
}

/// The home folder of the desktop.
fn dirs_of_this_user() -> std::path::PathBuf {
    std::env::var_os("HOME").expect("the desktop's").into()
}

/// Lives through thirty days. From the tenth on, neither memory nor descriptors may grow.
pub fn thirty_days() {
    // With the end of summer time in the night of 25 October.
    let first = jiff::civil::date(2026, 10, 12);
    run(&at(first, "08:00"), async |life| {
        let mut before = None;
        for day in first.series(1.day()).take(30) {
            if day == first + 10.days() {
                before = Some(ResourceUsage::now());
            }
            live_through(life, day).await;
        }
        let (before, after) = (before.expect("after ten days"), ResourceUsage::now());
        let limit = before.memory + before.memory * MAX_GROWTH_PERCENT / 100;
        assert!(after.memory <= limit, "memory grows: {before:?}, then {after:?}");
        assert!(after.descriptors <= before.descriptors + 1, "descriptors stay open: {before:?}, then {after:?}");
    });
}

/// One day of the user's.
async fn live_through(life: &mut Life, day: Date) {
    use jiff::civil::Weekday;
    let at = |time: &str| at(day, time);
    // All Saints: the computer stays at the office.
    let on_holiday = (jiff::civil::date(2026, 10, 30)..jiff::civil::date(2026, 11, 3)).contains(&day);
    let weekday = day.weekday();
    if on_holiday || weekday == Weekday::Sunday && day != jiff::civil::date(2026, 10, 25) {
        return;
    }
    if matches!(weekday, Weekday::Saturday | Weekday::Sunday) {
        // On the computer all weekend, in the night of the clock change too, or on Saturday only.
        if weekday == Weekday::Saturday {
            life.wake(&at("10:00")).await;
        }
        life.server.fail_once(fdo::Error::Failed("once a day".into()));
        life.reminder(&at("21:00"), 30).await;
        life.reminder(&at("21:15"), 15).await;
        life.reminder(&at("21:25"), 5).await;
        if day != jiff::civil::date(2026, 10, 24) {
            life.sleep(&at("23:30")).await;
        }
        return;
    }
    life.wake(&at("08:00")).await;
    life.tunnel(&at("08:05"), true).await;
    // Lost for a moment, and for longer.
    life.tunnel(&at("09:00"), false).await;
    life.tunnel(&at("09:00:02"), true).await;
    life.tunnel(&at("09:20"), false).await;
    life.tunnel(&at("09:30"), true).await;
    life.sleep(&at("10:00")).await;
    life.server.restart();
    life.wake(&at("13:00")).await;
    life.sleep(&at("17:00")).await;
    life.server.fail_once(fdo::Error::NoReply("once a day".into()));
    match weekday {
        Weekday::Monday | Weekday::Wednesday => {
            life.wake(&at("20:00")).await;
            life.reminder(&at("21:00"), 30).await;
            life.reminder(&at("21:15"), 15).await;
            life.reminder(&at("21:25"), 5).await;
            life.sleep(&at("23:00")).await;
        }
        Weekday::Tuesday => {
            // Asleep over two of them: one on waking.
            life.wake(&at("20:30")).await;
            life.sleep(&at("20:50")).await;
            life.wake(&at("21:20")).await;
            life.expect(10).await;
            life.reminder(&at("21:25"), 5).await;
            life.sleep(&at("21:29")).await;
        }
        Weekday::Thursday => {
            // Enough for tonight.
            life.wake(&at("20:30")).await;
            life.reminder(&at("21:00"), 30).await;
            life.send(Event::Action(Action::NotTonight));
            life.wait_until_idle().await;
            life.sleep(&at("22:00")).await;
        }
        // Asleep over the moment itself.
        Weekday::Friday | Weekday::Saturday | Weekday::Sunday => {}
    }
}

/// Sets the clock and the time zone, there and back.
pub fn set_clocks() {
    let day = jiff::civil::date(2026, 11, 24);
    run(&at(day, "20:00"), async |life| {
        life.reminder(&at(day, "21:00"), 30).await;
        let times = [SignedDuration::from_hours(24), SignedDuration::from_hours(24 * 365 * 3)];
        for away in times.into_iter().flat_map(|by| [by, -by]) {
            // Another evening, of which the user has not been reminded.
            let wall = now().wall.saturating_add(away);
            set_clock(&wall, false);
            life.send(Event::ClockChanged);
            life.wait_until_idle().await;
            life.expect(30 - u16::try_from(wall.minute()).expect("it is after nine")).await;
            // And back: of that evening they were reminded before. One reminder too many would be seen by the next wait.
            set_clock(&at(day, "21:05"), false);
            life.send(Event::ClockChanged);
            life.wait_until_idle().await;
        }
        life.reminder(&at(day, "21:15"), 15).await;
        // To London, where it is 20:16, and back.
        let london = now().wall.saturating_add(1.minute()).in_tz("Europe/London").expect("a zone");
        set_clock(&london, true);
        life.send(Event::ClockChanged);
        life.wait_until_idle().await;
        set_clock(&at(day, "21:20"), true);
        life.send(Event::ClockChanged);
        life.wait_until_idle().await;
        life.reminder(&at(day, "21:25"), 5).await;
    });
}
