//! The state, and the one function that changes it.

use super::state::{
    Action, Battery, Category, Copied, DriveMount, DriveState, Effect, Event, Host, Launch, LaunchOutcome, Launchable,
    Look, Memory, Notification, Printer, Reading, Wapt,
};
use super::vpn::{Asks, ProbeRequest, Telling, Tracker, Verdict, Word};
use super::{Now, helpdesk, shutdown};
use crate::profile::{Id, Problem, Profile, Site};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use std::sync::Arc;
use std::time::Duration;

/// Wall clock and uptime may drift apart by so much between two looks; more means that the clock was set.
const JUMP: SignedDuration = SignedDuration::from_secs(5);

/// A timer that fires so long after the machine said that it is about to sleep shows that it does not, or no longer.
const SLEEP_DOUBTED: Duration = Duration::from_secs(60);

/// All that Vigie knows at one moment. One task owns it; the views turn it into pictures.
#[derive(Debug, Clone)]
pub struct State {
    /// What the guide and the configuration say.
    pub profile: Arc<Profile>,
    /// What is wrong with the configuration files.
    pub problems: Arc<[Problem]>,
    /// The moment of the last change.
    pub now: Now,
    /// The VPN's evidence and verdict.
    pub vpn: Tracker,
    /// The reminders of the automatic shutdown.
    pub shutdown: shutdown::Planner,
    /// AMIGO, open or closed.
    pub helpdesk: helpdesk::Helpdesk,
    /// The site that Cisco's files name.
    pub found_site: Option<Id>,
    /// Facts about the machine.
    pub host: Option<Arc<Host>>,
    /// The network drives.
    pub drives: Reading<Vec<DriveState>>,
    /// The installed printers.
    pub printers: Reading<Vec<Printer>>,
    /// What WAPT's agent says.
    pub wapt: Reading<Wapt>,
    /// The battery, where there is one.
    pub battery: Reading<Option<Battery>>,
    /// Whether Vigie starts with the session.
    pub autostart: bool,
    /// Whether the panel's window is open.
    pub panel_open: bool,
    /// What the user is asked just now.
    pub question: Option<Question>,
    memory: Memory,
    telling: Telling,
    helpdesk_changes: Option<ZonedDateTime>,
    /// The shutdown of which a reminder stands on the screen.
    reminded: Option<Timestamp>,
    /// The uptime at which the machine said that it is about to sleep.
    asleep: Option<Duration>,
    tray_host: Option<bool>,
    notifications: bool,
}

/// A question that waits for its answer, in a notification and in the panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Switch the computer off now?
    ShutDown,
    /// Which site?
    Site,
}

impl State {
    /// The state at the start of the program. `seed` spreads the probes of a fleet over time.
    pub fn new(profile: Arc<Profile>, problems: Arc<[Problem]>, memory: Memory, seed: u64, now: Now) -> State {
        State {
            vpn: Tracker::new(&profile.vpn, seed, &now),
            shutdown: shutdown::Planner::new(&profile.shutdown, memory.shutdown.clone()),
            helpdesk: helpdesk::state(&profile, &now.wall),
            helpdesk_changes: helpdesk::next_change(&profile, &now.wall),
            telling: Telling::new(hold(&profile)),
            found_site: None,
            host: None,
            drives: Reading::Pending,
            printers: Reading::Pending,
            wapt: Reading::Pending,
            battery: Reading::Pending,
            autostart: false,
            panel_open: false,
            question: None,
            reminded: None,
            asleep: None,
            tray_host: None,
            notifications: true,
            memory,
            profile,
            problems,
            now,
        }
    }

    /// The user's site: the one that the user (or the administrator) chose, else the one that Cisco's files name.
    pub fn site(&self) -> Option<&Site> {
        let found = || self.profile.sites.iter().find(|site| Some(&site.id) == self.found_site.as_ref());
        self.profile.site().or_else(found)
    }

    /// Whether the drives and the business applications are within reach; `None` where that is not known.
    pub fn reaches_inside(&self) -> Option<bool> {
        self.vpn.verdict().reaches_inside()
    }

    /// Where a drive of the profile stands.
    pub fn drive(&self, letter: char) -> Option<&DriveMount> {
        let Reading::Known(drives) = &self.drives else { return None };
        drives.iter().find(|drive| drive.letter == letter).map(|drive| &drive.mount)
    }

    /// When to send the next [`Event::Tick`].
    pub fn next_wake(&self) -> Option<Timestamp> {
        let now = &self.now;
        let telling = self.telling.next_wake(self.vpn.verdict(), self.vpn.held_from());
        let lasting = [self.vpn.next_wake(), telling].into_iter().flatten().min();
        let lasting = lasting.and_then(|at| {
            let ahead = SignedDuration::try_from(at.saturating_sub(now.uptime)).ok()?;
            now.wall.timestamp().checked_add(ahead).ok()
        });
        let lasting = if self.asleep.is_some() { None } else { lasting };
        let reminder = self.shutdown.next_wake(now);
        // At these moments only words change: the next shutdown, AMIGO's hours, "hier" and "demain".
        let shutdown = self.shutdown.next_shutdown(now).map(|at| at.timestamp());
        let helpdesk = self.helpdesk_changes.as_ref().map(ZonedDateTime::timestamp);
        let midnight = now.wall.tomorrow().and_then(|day| day.start_of_day()).ok().map(|day| day.timestamp());
        [lasting, reminder, shutdown, helpdesk, midnight].into_iter().flatten().min()
    }

    /// What to do first, before anything has happened.
    pub fn begin(&mut self) -> Vec<Effect> {
        let mut effects = vec![Effect::Look(Look::Links), Effect::Look(Look::Machine)];
        if !self.problems.is_empty() {
            effects.push(Effect::Notify(Notification::ConfigBroken));
        }
        if !self.memory.welcomed {
            self.memory.welcomed = true;
            effects.extend([Effect::ShowPanel, Effect::Remember(self.memory.clone())]);
        }
        effects
    }
}

/// Something happened: change the state, and say what is to be done.
pub fn update(state: &mut State, event: Event, now: Now) -> Vec<Effect> {
    let mut effects = Vec::new();
    let jumped = jumped(&state.now, &now);
    state.now = now.clone();
    let asleep_for = state.asleep.map(|since| now.uptime.saturating_sub(since));
    if event == Event::Woke || asleep_for.is_some_and(|lasted| is_awake(&event, lasted)) {
        wake(state, &mut effects);
    } else if jumped && event != Event::ClockChanged {
        distrust(state, &mut effects);
    }
    let site_before = state.site().cloned();
    take(state, event, &mut effects);
    if state.site() != site_before.as_ref() {
        // Another gateway and other inside hosts: what is known is of the old ones.
        distrust(state, &mut effects);
    }
    if state.question == Some(Question::Site) && state.site().is_some() {
        state.question = None;
        effects.push(Effect::Withdraw(Category::Program));
    }
    if state.helpdesk_changes.as_ref().is_none_or(|at| *at <= now.wall) {
        renew_helpdesk(state);
    }
    if state.asleep.is_none() {
        tell(state, &mut effects);
        remind(state, &mut effects);
    }
    if state.shutdown.memory() != state.memory.shutdown {
        state.memory.shutdown = state.shutdown.memory();
        effects.push(Effect::Remember(state.memory.clone()));
    }
    effects
}

/// Whether an event shows that the machine is awake, so long after it said that it is about to sleep. The news of the
/// waking itself can be lost.
fn is_awake(event: &Event, lasted: Duration) -> bool {
    matches!(event, Event::Asked(_)) || (*event == Event::Tick && lasted >= SLEEP_DOUBTED)
}

fn take(state: &mut State, event: Event, effects: &mut Vec<Effect>) {
    let now = state.now.clone();
    match event {
        // What is seen on the way to sleep is out of date on waking, and a question would be asked for nothing.
        Event::Tick | Event::Links(_) | Event::Probed(_) | Event::Client(_) if state.asleep.is_some() => {}
        Event::Tick => {
            let asks = state.vpn.tick(&now);
            ask(state, asks, effects);
        }
        Event::ClockChanged => distrust(state, effects),
        Event::Sleeping => {
            state.asleep = Some(now.uptime);
            state.vpn.forget(&now);
        }
        // Done in `update`: other events can bring the same news.
        Event::Woke => {}
        Event::Links(links) => {
            let asks = state.vpn.see_links(links, &now);
            ask(state, asks, effects);
        }
        Event::Probed(probe) => {
            let asks = state.vpn.see_probe(probe, &now);
            ask(state, asks, effects);
        }
        Event::Client(client) => {
            let asks = state.vpn.see_client(client, &now);
            ask(state, asks, effects);
        }
        Event::SiteFound(site) => {
            state.found_site = site;
            if state.site().is_none() && !state.memory.asked_site {
                state.memory.asked_site = true;
                state.question = Some(Question::Site);
                effects.push(Effect::Remember(state.memory.clone()));
                effects.push(Effect::Notify(Notification::AskSite));
            }
        }
        Event::MachineShutdown(at) => state.shutdown.set_machine(at),
        Event::Host(host) => state.host = Some(host),
        Event::Drives(drives) => state.drives = drives,
        Event::Printers(printers) => state.printers = printers,
        Event::Wapt(wapt) => state.wapt = wapt,
        Event::Power(battery) => state.battery = battery,
        Event::TrayHost(there) => tray_host(state, there, effects),
        Event::NotificationServer(there) => state.notifications = there,
        Event::Autostart(on) => state.autostart = on,
        Event::PanelOpen(open) => state.panel_open = open,
        Event::Launched(launch) => {
            if launch.outcome != LaunchOutcome::Started {
                effects.push(Effect::Notify(Notification::Launch(launch)));
            }
        }
        Event::PowerOffFailed(_) => effects.push(Effect::Notify(Notification::ShutdownFailed)),
        Event::Copied(what, true) => effects.push(Effect::Notify(Notification::Copied(what))),
        Event::Copied(_, false) => effects.push(Effect::Notify(Notification::CopyFailed)),
        Event::Profile(profile, problems) => set_profile(state, profile, problems, effects),
        Event::Asked(action) => obey(state, action, effects),
    }
}

fn obey(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let now = state.now.clone();
    match action {
        Action::ShowPanel => {
            let asks = state.vpn.refresh(&now);
            ask(state, asks, effects);
            effects.extend([Effect::Look(Look::Machine), Effect::ShowPanel]);
        }
        Action::Refresh => {
            let asks = state.vpn.refresh(&now);
            ask(state, asks, effects);
            effects.push(Effect::Look(Look::Machine));
        }
        Action::Open(id) => {
            if state.profile.program(&id).is_some() {
                effects.push(Effect::Launch(Launchable::Program(id)));
            } else if state.profile.link(&id).is_some() {
                effects.push(Effect::Launch(Launchable::Link(id)));
            } else {
                effects.push(missing(id));
            }
        }
        Action::Connect => effects.push(Effect::Launch(Launchable::Program(state.profile.vpn.client.clone()))),
        Action::CopyCode(id) if state.profile.code(&id).is_some() => effects.push(Effect::Copy(Copied::Code(id))),
        Action::Dial(id) if state.profile.code(&id).is_some() => effects.push(Effect::Launch(Launchable::Dial(id))),
        Action::CopyCode(id) | Action::Dial(id) => effects.push(missing(id)),
        Action::OpenDrive(letter) => effects.push(match state.drive(letter) {
            Some(DriveMount::Connected(path) | DriveMount::Disconnected(path)) => {
                Effect::Launch(Launchable::Drive(letter, path.clone()))
            }
            Some(DriveMount::Absent) | None => missing(letter.to_string()),
        }),
        Action::CopySupportInfo => effects.push(Effect::Copy(Copied::SupportInfo)),
        Action::SetSite(id) => {
            if state.question == Some(Question::Site) {
                state.question = None;
                effects.push(Effect::Withdraw(Category::Program));
            }
            if state.profile.sites.iter().any(|site| site.id == id) {
                effects.push(Effect::SaveSite(id));
            }
        }
        Action::SetAutostart(on) => effects.push(Effect::SetAutostart(on)),
        Action::ShutDown => {
            state.question = Some(Question::ShutDown);
            effects.push(Effect::Notify(Notification::ConfirmShutdown));
            if !state.notifications {
                effects.push(Effect::ShowPanel);
            }
        }
        // Only a confirmation of a question that was put switches the computer off.
        Action::ConfirmShutDown => {
            if state.question.take_if(|question| *question == Question::ShutDown).is_some() {
                effects.extend([Effect::Withdraw(Category::Shutdown), Effect::PowerOff]);
            }
        }
        Action::Cancel => {
            let category = match state.question.take() {
                Some(Question::Site) => Category::Program,
                Some(Question::ShutDown) | None => Category::Shutdown,
            };
            effects.push(Effect::Withdraw(category));
        }
        Action::RemindLater => withdraw_reminder(state, effects),
        Action::NotTonight => {
            state.shutdown.not_tonight(&now);
            withdraw_reminder(state, effects);
        }
        Action::About => effects.push(Effect::Notify(Notification::About)),
        Action::Quit => effects.push(Effect::Quit),
    }
}

fn missing(id: Id) -> Effect {
    Effect::Notify(Notification::Launch(Launch { id, outcome: LaunchOutcome::Missing }))
}

/// Turns the tracker's wishes into effects.
fn ask(state: &State, asks: Asks, effects: &mut Vec<Effect>) {
    if asks.links {
        effects.push(Effect::Look(Look::Links));
    }
    if let Some((number, gateway)) = asks.probe {
        let chosen = state.site();
        // While no site is chosen, every site's hosts may answer.
        let sites = || state.profile.sites.iter().filter(|site| chosen.is_none_or(|chosen| chosen.id == site.id));
        let mut inside: Vec<String> = Vec::new();
        for host in sites().flat_map(|site| &site.inside) {
            if !inside.contains(host) {
                inside.push(host.clone());
            }
        }
        let port = state.profile.vpn.gateway_port;
        let gateways = if gateway { sites().map(|site| (site.gateway.clone(), port)).collect() } else { Vec::new() };
        effects.push(Effect::Look(Look::Probe(ProbeRequest { number, inside, gateways })));
    }
    if asks.client {
        effects.push(Effect::Look(Look::Client));
    }
}

/// The machine is awake again.
fn wake(state: &mut State, effects: &mut Vec<Effect>) {
    state.asleep = None;
    if state.question == Some(Question::ShutDown) {
        withdraw_reminder(state, effects);
    }
    distrust(state, effects);
    effects.push(Effect::Look(Look::Machine));
}

/// What was known may be out of date: nothing is claimed until it was looked at again.
fn distrust(state: &mut State, effects: &mut Vec<Effect>) {
    let now = state.now.clone();
    state.vpn.forget(&now);
    renew_helpdesk(state);
    if state.asleep.is_none() {
        effects.push(Effect::Look(Look::Links));
    }
}

fn jumped(before: &Now, now: &Now) -> bool {
    let wall = now.wall.timestamp() - before.wall.timestamp();
    let Ok(lasted) = SignedDuration::try_from(now.uptime.saturating_sub(before.uptime)) else { return true };
    (wall - lasted).abs() > JUMP
}

/// Tells the user of a verdict that has held.
fn tell(state: &mut State, effects: &mut Vec<Effect>) {
    let verdict = state.vpn.verdict();
    match state.telling.word(verdict, state.vpn.held_from(), state.now.uptime, state.panel_open) {
        Some(Word::Tell) => effects.push(Effect::Notify(Notification::Vpn(verdict))),
        Some(Word::Withdraw) => effects.push(Effect::Withdraw(Category::Vpn)),
        None => {}
    }
}

/// Reminds of the shutdown, and takes back a reminder of one that is past or called off.
fn remind(state: &mut State, effects: &mut Vec<Effect>) {
    let now = state.now.clone();
    let next = state.shutdown.next_shutdown(&now);
    let stands =
        |told: &Timestamp| next.as_ref().is_some_and(|next| next.timestamp() < *told + SignedDuration::from_mins(1));
    if state.reminded.as_ref().is_some_and(|told| !stands(told)) {
        withdraw_reminder(state, effects);
    }
    // Without a notification server the reminder waits for it; the last one brings the panel instead.
    let by_panel = !state.notifications;
    if by_panel && !state.shutdown.pending(&now).is_some_and(|reminder| reminder.last) {
        return;
    }
    let Some(reminder) = state.shutdown.due(&now) else { return };
    state.reminded = Some(reminder.at.timestamp());
    effects.push(if by_panel { Effect::ShowPanel } else { Effect::Notify(Notification::Shutdown(reminder)) });
}

fn withdraw_reminder(state: &mut State, effects: &mut Vec<Effect>) {
    state.reminded = None;
    state.question.take_if(|question| *question == Question::ShutDown);
    effects.push(Effect::Withdraw(Category::Shutdown));
}

fn tray_host(state: &mut State, there: bool, effects: &mut Vec<Effect>) {
    let before = state.tray_host.replace(there);
    if !there && before != Some(false) {
        effects.extend([Effect::Notify(Notification::NoTrayHost), Effect::ShowPanel]);
    }
    if there && before == Some(false) {
        effects.push(Effect::Withdraw(Category::Program));
    }
}

fn set_profile(state: &mut State, profile: Arc<Profile>, problems: Arc<[Problem]>, effects: &mut Vec<Effect>) {
    state.vpn.set_profile(&profile.vpn);
    state.shutdown.set_profile(&profile.shutdown);
    state.telling.set_hold(hold(&profile));
    if !problems.is_empty() && problems != state.problems {
        effects.push(Effect::Notify(Notification::ConfigBroken));
    }
    effects.push(Effect::Look(Look::Profile(profile.clone())));
    let watched_otherwise = profile.vpn != state.profile.vpn;
    state.profile = profile;
    state.problems = problems;
    renew_helpdesk(state);
    if watched_otherwise {
        distrust(state, effects);
    }
}

fn renew_helpdesk(state: &mut State) {
    state.helpdesk = helpdesk::state(&state.profile, &state.now.wall);
    state.helpdesk_changes = helpdesk::next_change(&state.profile, &state.now.wall);
}

fn hold(profile: &Profile) -> Duration {
    Duration::from_secs(profile.vpn.hold_seconds.into())
}

/// What the user should notice in the panel, and what raises a badge on the icon.
impl State {
    /// Days since the last start, where they are more than the profile allows.
    pub fn long_uptime(&self) -> Option<u32> {
        let days = u32::try_from(self.now.uptime.as_secs() / 86_400).ok()?;
        (days > self.profile.panel.warn_uptime_days).then_some(days)
    }

    /// Free space of the system disk in percent, where it is below the profile's threshold.
    pub fn disk_low(&self) -> Option<u8> {
        let Reading::Known(space) = self.host.as_ref()?.disk else { return None };
        let percent = u8::try_from(space.free.saturating_mul(100).checked_div(space.total)?).ok()?;
        (percent < self.profile.panel.warn_disk_free_percent).then_some(percent)
    }

    /// Whether anything deserves the badge. (What the verdict says, the icon's shape says already.)
    pub fn badge(&self) -> bool {
        !self.problems.is_empty() || self.disk_low().is_some() || self.long_uptime().is_some()
    }
}

/// Whether a verdict is one in which connecting makes sense.
pub fn can_connect(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Disconnected | Verdict::Stalled | Verdict::Captive | Verdict::Unknown | Verdict::Offline => true,
        Verdict::Connecting | Verdict::Connected | Verdict::OnSite => false,
    }
}
