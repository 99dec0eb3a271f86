//! The state, and the one function that changes it.

use super::state::{
    Action, Battery, Category, ClipboardContent, DriveMount, DriveState, Effect, Event, Host, LaunchOutcome,
    LaunchResult, LaunchTarget, Notification, Printer, Reading, SavedState, SensorRequest, Wapt,
};
use super::vpn::{Decision, NotificationPolicy, ProbeRequest, Tracker, TrackerRequests, VpnStatus};
use super::{Now, connect, helpdesk, shutdown};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use std::sync::Arc;
use std::time::Duration;
use vigie_profile::{Choice, ConnectMode, Id, Problem, Profile, Site};

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
    /// The VPN's evidence and status.
    pub vpn: Tracker,
    /// The reminders of the automatic shutdown.
    pub shutdown: shutdown::Planner,
    /// AMIGO, open or closed.
    pub helpdesk: helpdesk::Helpdesk,
    /// The attempt to connect, and what is known around it.
    pub connect: connect::ConnectState,
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
    /// The panel is on its way for the first time.
    welcoming: bool,
    memory: SavedState,
    policy: NotificationPolicy,
    helpdesk_changes: Option<ZonedDateTime>,
    /// The last answer to what the user did, and how many there were.
    pub answer: Option<(u32, Notification)>,
    /// Whether the inside was within reach when that was last known.
    reached: Option<bool>,
    /// The reminder that stands on the screen.
    pub reminded: Option<shutdown::Reminder>,
    /// The VPN was connected when the machine fell asleep, and the window for connecting shall open if it no longer is.
    reconnect: bool,
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
    pub fn new(profile: Arc<Profile>, problems: Arc<[Problem]>, memory: SavedState, seed: u64, now: Now) -> State {
        State {
            vpn: Tracker::new(&profile.vpn, seed, &now),
            shutdown: shutdown::Planner::new(&profile.shutdown, memory.shutdown.clone()),
            helpdesk: helpdesk::state(&profile, &now.wall),
            helpdesk_changes: helpdesk::next_change(&profile, &now.wall),
            answer: None,
            policy: NotificationPolicy::new(time_to_visible(&profile)),
            connect: connect::ConnectState::new(memory.connect.clone()),
            reconnect: false,
            found_site: None,
            host: None,
            drives: Reading::Pending,
            printers: Reading::Pending,
            wapt: Reading::Pending,
            battery: Reading::Pending,
            autostart: false,
            panel_open: false,
            question: None,
            welcoming: false,
            reached: None,
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
        self.vpn.status().reaches_inside()
    }

    /// Whether everything that was asked for at the start has been answered.
    pub fn settled(&self) -> bool {
        self.vpn.status() != VpnStatus::Unknown
            && self.vpn.status() != VpnStatus::Connecting
            && self.host.is_some()
            && self.drives != Reading::Pending
            && self.printers != Reading::Pending
            && self.battery != Reading::Pending
    }

    /// Where a drive of the profile stands.
    pub fn drive(&self, letter: char) -> Option<&DriveMount> {
        let Reading::Known(drives) = &self.drives else { return None };
        drives.iter().find(|drive| drive.letter == letter).map(|drive| &drive.mount)
    }

    /// When to send the next [`Event::Tick`].
    pub fn next_wake(&self) -> Option<Timestamp> {
        let now = &self.now;
        let policy = self.policy.next_wake(self.vpn.status(), self.vpn.status_since());
        let lasting = [self.vpn.next_wake(), policy].into_iter().flatten().min();
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
        let connect = self.connect.next_wake(now, &self.profile.vpn);
        [lasting, reminder, shutdown, helpdesk, midnight, connect].into_iter().flatten().min()
    }

    /// What to do first, before anything has happened.
    pub fn begin(&mut self) -> Vec<Effect> {
        let mut effects = vec![Effect::Request(SensorRequest::Links), Effect::Request(SensorRequest::Host)];
        if !self.problems.is_empty() {
            effects.push(Effect::Notify(Notification::ConfigBroken));
        }
        if !self.memory.welcomed {
            self.memory.welcomed = true;
            self.welcoming = true;
            effects.extend([Effect::ShowPanel, Effect::SaveState(self.memory.clone())]);
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
        invalidate(state, &mut effects);
    }
    let site_before = state.site().cloned();
    handle_event(state, event, &mut effects);
    if state.site() != site_before.as_ref() {
        // Another gateway and other inside hosts: what is known is of the old ones.
        invalidate(state, &mut effects);
    }
    if let Some(reaches) = state.reaches_inside()
        && state.reached.replace(reaches).is_some_and(|before| before != reaches)
    {
        // Drives and printers come and go with the inside.
        effects.push(Effect::Request(SensorRequest::Host));
    }
    if state.question == Some(Question::Site) && state.site().is_some() {
        state.question = None;
        effects.push(Effect::Withdraw(Category::Program));
    }
    if state.helpdesk_changes.as_ref().is_none_or(|at| *at <= now.wall) {
        renew_helpdesk(state);
    }
    if state.asleep.is_none() {
        state.vpn.set_connecting(state.connect.connecting(), &now);
        reconnect(state, &mut effects);
        notify(state, &mut effects);
        remind(state, &mut effects);
    }
    for effect in &effects {
        if let Effect::Notify(told) = effect
            && told.is_answer()
        {
            let before = state.answer.as_ref().map_or(0, |(number, _)| *number);
            state.answer = Some((before.wrapping_add(1), told.clone()));
        }
    }
    if state.shutdown.memory() != state.memory.shutdown || *state.connect.memory() != state.memory.connect {
        state.memory.shutdown = state.shutdown.memory();
        state.memory.connect = state.connect.memory().clone();
        effects.push(Effect::SaveState(state.memory.clone()));
    }
    effects
}

/// Whether an event shows that the machine is awake, so long after it said that it is about to sleep. The news of the
/// waking itself can be lost.
fn is_awake(event: &Event, lasted: Duration) -> bool {
    matches!(event, Event::Action(_)) || (*event == Event::Tick && lasted >= SLEEP_DOUBTED)
}

fn handle_event(state: &mut State, event: Event, effects: &mut Vec<Effect>) {
    let now = state.now.clone();
    match event {
        // What is seen on the way to sleep is out of date on waking, and a question would be asked for nothing.
        Event::Tick | Event::Links(_) | Event::Probed(_) | Event::ClientState(_) if state.asleep.is_some() => {}
        Event::Tick => {
            let requests = state.vpn.tick(&now);
            request(state, requests, effects);
        }
        Event::ClockChanged => invalidate(state, effects),
        Event::Sleeping => {
            state.asleep = Some(now.uptime);
            state.reconnect = state.profile.vpn.reconnect_after_wake && state.vpn.status() == VpnStatus::Connected;
            state.vpn.reset(&now);
        }
        // Done in `update`: other events can bring the same news.
        Event::Woke => {}
        Event::Links(links) => {
            state.connect.looked();
            let requests = state.vpn.on_links(links, &now);
            request(state, requests, effects);
        }
        Event::Probed(probe) => {
            let requests = state.vpn.on_probe(probe, &now);
            request(state, requests, effects);
        }
        Event::ClientState(client) => {
            state.connect.cisco |= client.is_some();
            let requests = state.vpn.on_client(client, &now);
            request(state, requests, effects);
        }
        Event::SiteFound(site) => {
            state.found_site = site;
            if state.site().is_none() && !state.memory.asked_site {
                state.memory.asked_site = true;
                state.question = Some(Question::Site);
                effects.push(Effect::SaveState(state.memory.clone()));
                ask_site(state, effects);
            }
        }
        Event::MachineShutdown(at) => state.shutdown.set_machine(at),
        Event::Host(host) => state.host = Some(host),
        Event::Drives(drives) => state.drives = drives,
        Event::Printers(printers) => state.printers = printers,
        Event::Wapt(wapt) => state.wapt = wapt,
        Event::Power(battery) => state.battery = battery,
        Event::TrayHost(there) => tray_host(state, there, effects),
        Event::NotificationServer(there) => {
            state.notifications = there;
            // It has just turned out that nobody saw these.
            let unseen = state.question.is_some() || state.reminded.as_ref().is_some_and(|reminder| reminder.last);
            if !there && unseen && !state.panel_open {
                effects.push(Effect::ShowPanel);
            }
        }
        Event::Autostart(on) => state.autostart = on,
        Event::PanelOpen(open) => {
            state.panel_open = open;
            state.welcoming = false;
        }
        Event::ConnectWindowOpen(open) => state.connect.open = open,
        Event::ConnectReady(client, remembered) => {
            state.connect.ready(client.filter(|_| state.profile.vpn.connect == ConnectMode::Auto), remembered);
        }
        Event::FormSubmitted(form) => on_form(state, form, effects),
        Event::ConnectProgress(number, progress) => on_progress(state, number, progress, effects),
        Event::Disconnected(done) => {
            if done.is_err() {
                effects.push(Effect::Notify(Notification::DisconnectFailed));
            }
        }
        Event::CredentialsForgotten(done, remembered) => {
            state.connect.remembered = Some(remembered);
            effects.push(Effect::Notify(Notification::Forgotten(done)));
        }
        Event::Launched(launch) => {
            if launch.id == LaunchResult::PANEL && std::mem::take(&mut state.welcoming) {
                ask_site(state, effects);
            }
            if launch.outcome != LaunchOutcome::Started {
                effects.push(Effect::Notify(Notification::Launch(launch)));
            }
        }
        Event::PowerOffFailed(_) => effects.push(Effect::Notify(Notification::ShutdownFailed)),
        Event::NotSaved(why) => effects.push(Effect::Notify(Notification::NotSaved(why))),
        Event::Copied(what, true) => {
            if what == ClipboardContent::Passcode {
                // It is of use in the client's own window, and there alone.
                open_client(state, effects);
                effects.push(Effect::CloseConnect);
            }
            effects.push(Effect::Notify(Notification::Copied(what)));
        }
        Event::Copied(_, false) => effects.push(Effect::Notify(Notification::CopyFailed)),
        Event::Profile(profile, problems) => set_profile(state, profile, problems, effects),
        Event::Action(action) => handle_action(state, action, effects),
    }
}

/// TrackerRequests for the site in a notification, unless the panel, which requests too, is before the user's eyes or will be at once.
fn ask_site(state: &State, effects: &mut Vec<Effect>) {
    if state.question == Some(Question::Site) && !state.panel_open && !state.welcoming {
        effects.push(Effect::Notify(Notification::AskSite));
    }
}

fn handle_action(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let now = state.now.clone();
    match action {
        Action::ShowPanel => {
            let requests = state.vpn.refresh(&now);
            request(state, requests, effects);
            effects.extend([Effect::Request(SensorRequest::Host), Effect::ShowPanel]);
        }
        Action::Refresh => {
            // Somebody waits for an answer: nothing of before counts, and the new status is told.
            invalidate(state, effects);
            state.policy.ask();
            effects.push(Effect::Request(SensorRequest::Host));
        }
        Action::Open(id) => {
            if state.profile.program(&id).is_some() {
                effects.push(Effect::Launch(LaunchTarget::Program(id)));
            } else if state.profile.link(&id).is_some() {
                effects.push(Effect::Launch(LaunchTarget::Link(id)));
            } else {
                effects.push(missing(id));
            }
        }
        Action::Connect => match state.profile.vpn.connect {
            ConnectMode::Auto | ConnectMode::ByHand => show_connect(state, effects),
            ConnectMode::OpenClient => open_client(state, effects),
        },
        Action::Disconnect => effects.push(Effect::Disconnect),
        Action::CancelConnect => {
            if state.connect.cancel() {
                effects.push(Effect::CancelConnect);
            }
        }
        Action::OpenClient => open_client(state, effects),
        Action::ForgetCredentials => effects.push(Effect::ForgetCredentials),
        Action::Join(number) => effects.push(Effect::Launch(LaunchTarget::Session(number))),
        Action::CopyCode(call) | Action::Dial(call) if call.dialled(&state.profile).is_none() => {
            effects.push(missing(call.code));
        }
        Action::CopyCode(call) => effects.push(Effect::Copy(ClipboardContent::Code(call))),
        Action::Dial(call) => effects.push(Effect::Launch(LaunchTarget::Dial(call))),
        Action::OpenDrive(letter) => effects.push(match state.drive(letter) {
            Some(DriveMount::Connected(path) | DriveMount::Disconnected(path)) => {
                Effect::Launch(LaunchTarget::Drive(letter, path.clone()))
            }
            Some(DriveMount::Absent) | None => missing(letter.to_string()),
        }),
        Action::CopySupportInfo => effects.push(Effect::Copy(ClipboardContent::SupportInfo)),
        Action::Choose(choice) => {
            let is_site = matches!(choice, Choice::Site(_));
            if is_site && state.question.take_if(|question| *question == Question::Site).is_some() {
                effects.push(Effect::Withdraw(Category::Program));
            }
            effects.push(Effect::SaveChoice(choice));
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

fn open_client(state: &State, effects: &mut Vec<Effect>) {
    effects.push(Effect::Launch(LaunchTarget::Program(state.profile.vpn.client.clone())));
}

fn show_connect(state: &mut State, effects: &mut Vec<Effect>) {
    state.connect.open();
    effects.extend([Effect::PrepareConnect, Effect::ShowConnect]);
}

fn on_form(state: &mut State, form: connect::Submission, effects: &mut Vec<Effect>) {
    let now = state.now.clone();
    let profile = state.profile.clone();
    if profile.vpn.connect == ConnectMode::OpenClient {
        return;
    }
    let site = profile.sites.iter().any(|site| site.id == form.site);
    match form.way {
        connect::ConnectMethod::Connect => {
            effects.extend(state.connect.submit(form, site, &now, &profile.vpn).map(Effect::Connect));
        }
        connect::ConnectMethod::Clipboard => {
            let number = state.connect.copy_passcode(&form, &now, &profile.vpn);
            effects.extend(number.map(|number| Effect::CopyPasscode(number, form.pin, form.digits)));
        }
    }
}

fn on_progress(state: &mut State, number: u64, progress: connect::ConnectProgress, effects: &mut Vec<Effect>) {
    let now = state.now.clone();
    if !state.connect.progress(number, progress, &now) {
        return;
    }
    match &state.connect.phase {
        connect::Phase::Connected => {
            // The new status is the answer to who waits for it.
            state.policy.ask();
            effects.extend([Effect::CloseConnect, Effect::Request(SensorRequest::Links)]);
        }
        connect::Phase::Failed(reason) => {
            if *reason == connect::Reason::Held {
                open_client(state, effects);
            }
            if *reason == connect::Reason::PinLost {
                // The form requests for it; what else the keyring no longer gives is to be seen.
                effects.push(Effect::PrepareConnect);
            }
            if !state.connect.open {
                effects.push(Effect::Notify(Notification::ConnectFailed(reason.clone())));
            }
        }
        connect::Phase::Idle => effects.push(Effect::Request(SensorRequest::Links)),
        connect::Phase::Connecting(_) => {}
    }
}

/// After sleep: opens the window for connecting where the VPN was connected before and is no longer.
fn reconnect(state: &mut State, effects: &mut Vec<Effect>) {
    match state.vpn.status() {
        VpnStatus::Disconnected if std::mem::take(&mut state.reconnect) => {
            if state.profile.vpn.connect != ConnectMode::OpenClient {
                show_connect(state, effects);
                state.connect.woken = true;
            }
        }
        VpnStatus::Connected | VpnStatus::OnSite => state.reconnect = false,
        VpnStatus::Unknown
        | VpnStatus::Offline
        | VpnStatus::Captive
        | VpnStatus::Disconnected
        | VpnStatus::Connecting
        | VpnStatus::Stalled => {}
    }
}

fn missing(id: Id) -> Effect {
    Effect::Notify(Notification::Launch(LaunchResult { id, outcome: LaunchOutcome::Missing }))
}

/// Turns the tracker's wishes into effects.
fn request(state: &State, requests: TrackerRequests, effects: &mut Vec<Effect>) {
    if requests.links {
        effects.push(Effect::Request(SensorRequest::Links));
    }
    if let Some((number, gateway)) = requests.probe {
        let site = state.site().map(|site| site.id.as_str());
        let request = ProbeRequest::new(&state.profile, site, number, gateway);
        effects.push(Effect::Request(SensorRequest::Probe(request)));
    }
    if requests.client {
        effects.push(Effect::Request(SensorRequest::Client));
    }
}

/// The machine is awake again.
fn wake(state: &mut State, effects: &mut Vec<Effect>) {
    state.asleep = None;
    if state.question == Some(Question::ShutDown) {
        withdraw_reminder(state, effects);
    }
    invalidate(state, effects);
    effects.push(Effect::Request(SensorRequest::Host));
}

/// What was known may be out of date: nothing is claimed until it was looked at again.
fn invalidate(state: &mut State, effects: &mut Vec<Effect>) {
    let now = state.now.clone();
    state.vpn.reset(&now);
    renew_helpdesk(state);
    if state.asleep.is_none() {
        effects.push(Effect::Request(SensorRequest::Links));
    }
}

fn jumped(before: &Now, now: &Now) -> bool {
    let wall = now.wall.timestamp() - before.wall.timestamp();
    let Ok(lasted) = SignedDuration::try_from(now.uptime.saturating_sub(before.uptime)) else { return true };
    (wall - lasted).abs() > JUMP
}

/// Tells the user of a status that has held.
fn notify(state: &mut State, effects: &mut Vec<Effect>) {
    let status = state.vpn.status();
    match state.policy.decide(status, state.vpn.status_since(), state.now.uptime, state.panel_open) {
        Some(Decision::Notify) => effects.push(Effect::Notify(Notification::Vpn(status))),
        Some(Decision::Withdraw) => effects.push(Effect::Withdraw(Category::Vpn)),
        None => {}
    }
}

/// Reminds of the shutdown, and takes back a reminder of one that is past or called off.
fn remind(state: &mut State, effects: &mut Vec<Effect>) {
    let now = state.now.clone();
    let next = state.shutdown.next_shutdown(&now);
    let until = |told: &shutdown::Reminder| told.at.timestamp() + SignedDuration::from_mins(1);
    let stands = |told| next.as_ref().is_some_and(|next| next.timestamp() < until(told));
    if state.reminded.as_ref().is_some_and(|told| !stands(told)) {
        withdraw_reminder(state, effects);
    }
    // Without a notification server the reminder waits for it; the last one brings the panel instead.
    let by_panel = !state.notifications;
    if by_panel && !state.shutdown.pending(&now).is_some_and(|reminder| reminder.last) {
        return;
    }
    let Some(reminder) = state.shutdown.due(&now) else { return };
    state.reminded = Some(reminder.clone());
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
    state.policy.set_time_to_visible(time_to_visible(&profile));
    if !problems.is_empty() && problems != state.problems {
        effects.push(Effect::Notify(Notification::ConfigBroken));
    }
    effects.push(Effect::Request(SensorRequest::Profile(profile.clone())));
    let watched_otherwise = profile.vpn != state.profile.vpn;
    state.profile = profile;
    state.problems = problems;
    renew_helpdesk(state);
    if watched_otherwise {
        invalidate(state, effects);
    }
}

fn renew_helpdesk(state: &mut State) {
    state.helpdesk = helpdesk::state(&state.profile, &state.now.wall);
    state.helpdesk_changes = helpdesk::next_change(&state.profile, &state.now.wall);
}

fn time_to_visible(profile: &Profile) -> Duration {
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

    /// Whether anything deserves the badge. What the status says, the icon's shape says already; the site is asked for; a
    /// drive that is disconnected comes back when it is opened.
    pub fn badge(&self) -> bool {
        !self.problems.is_empty() || self.disk_low().is_some() || self.long_uptime().is_some()
    }
}

/// Whether a status is one in which connecting makes sense.
pub fn can_connect(status: VpnStatus) -> bool {
    match status {
        VpnStatus::Disconnected | VpnStatus::Stalled | VpnStatus::Captive | VpnStatus::Unknown | VpnStatus::Offline => {
            true
        }
        VpnStatus::Connecting | VpnStatus::Connected | VpnStatus::OnSite => false,
    }
}

impl State {
    /// Whether there is a tunnel that Vigie can end: its own, or one of Cisco's.
    pub fn can_disconnect(&self) -> bool {
        let tunnel = self.vpn.links().is_some_and(|links| links.tunnel().is_some());
        self.connect.ours() || (tunnel && self.connect.cisco)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digits::Digits;
    use crate::fixture::{HOME, TUNNEL, guide, home, known, now, with_tunnel};
    use crate::state::{Call, Space, Wapt};
    use crate::vpn::{ClientState, Gateway, Intranet, Links, Probe};
    use vigie_profile::UserChoices;

    fn stranger() -> State {
        State::new(guide(), [].into(), SavedState::default(), 7, now("2026-11-24T10:00"))
    }

    fn problems() -> Arc<[Problem]> {
        [Problem {
            file: "/etc/vigie/vigie.toml".into(),
            line: None,
            key: None,
            error: vigie_profile::ConfigError::TooLarge,
        }]
        .into()
    }

    impl State {
        fn on(&mut self, event: Event, time: &str) -> Vec<Effect> {
            update(self, event, now(&format!("2026-11-24T{time}")))
        }

        fn asked(&mut self, action: Action) -> Vec<Effect> {
            let now = self.now.clone();
            update(self, Event::Action(action), now)
        }

        /// The number of the question that stands among the effects.
        fn probe(effects: &[Effect]) -> ProbeRequest {
            let request = effects.iter().find_map(|effect| {
                let Effect::Request(SensorRequest::Probe(request)) = effect else { return None };
                Some(request.clone())
            });
            request.expect("a probe was asked for")
        }

        /// The network as given; the inside answers from that address, or nothing does.
        fn see(&mut self, links: Links, inside: Option<std::net::IpAddr>, time: &str) -> Vec<Effect> {
            let asked = self.on(Event::Links(links), time);
            let inside = inside.map_or(Intranet::Silent, |local| Intranet::Answered { local });
            let probe = Probe { number: State::probe(&asked).number, inside, gateway: Some(Gateway::Answered) };
            self.on(Event::Probed(probe), time)
        }

        /// A steady tunnel, of which the user was told whatever there is to tell.
        fn connected(mut self) -> State {
            self.see(with_tunnel(home()), Some(TUNNEL), "10:00");
            self.on(Event::Tick, "10:00:05");
            assert_eq!(self.vpn.status(), VpnStatus::Connected);
            self
        }
    }

    fn notified(effects: &[Effect]) -> Vec<&Notification> {
        let notifications = effects.iter().filter_map(|effect| {
            let Effect::Notify(notification) = effect else { return None };
            Some(notification)
        });
        notifications.collect()
    }

    const LINKS: Effect = Effect::Request(SensorRequest::Links);
    const MACHINE: Effect = Effect::Request(SensorRequest::Host);

    #[test]
    fn the_first_run_shows_the_panel_and_asks_for_the_site_once() {
        let mut state = stranger();
        let remembered = SavedState { welcomed: true, ..SavedState::default() };
        assert_eq!(state.begin(), [LINKS, MACHINE, Effect::ShowPanel, Effect::SaveState(remembered)]);
        let asked = SavedState { welcomed: true, asked_site: true, ..SavedState::default() };
        // The panel is on its way, and requests; a notification beside it would ask twice.
        let effects = state.on(Event::SiteFound(None), "10:00");
        assert_eq!(effects, [Effect::SaveState(asked)]);
        assert_eq!(state.question, Some(Question::Site));
        state.on(Event::PanelOpen(true), "10:00");
        assert_eq!(state.on(Event::SiteFound(None), "10:01"), []);
        assert_eq!(
            state.asked(Action::Choose(Choice::Site("rouen".into()))),
            [Effect::Withdraw(Category::Program), Effect::SaveChoice(Choice::Site("rouen".into()))]
        );
        assert_eq!(state.question, None);
        assert_eq!(known().begin(), [LINKS, MACHINE]);
    }

    #[test]
    fn the_machine_is_looked_at_again_when_the_inside_comes_or_goes() {
        let mut state = known();
        assert!(state.begin().contains(&MACHINE));
        let looks = |effects: Vec<Effect>| effects.contains(&MACHINE);
        assert!(!looks(state.see(home(), None, "10:00")), "what is known so far was read a moment ago");
        assert!(looks(state.see(with_tunnel(home()), Some(TUNNEL), "10:01")));
        // In doubt meanwhile, and the same afterwards.
        assert!(!looks(state.on(Event::ClockChanged, "10:02")));
        assert_eq!(state.reaches_inside(), None);
        assert!(!looks(state.see(with_tunnel(home()), Some(TUNNEL), "10:02")));
        assert!(looks(state.on(Event::Links(home()), "10:03")));
    }

    #[test]
    fn a_notification_asks_for_the_site_where_the_panel_does_not() {
        let mut state = stranger();
        state.begin();
        state.on(Event::SiteFound(None), "10:00");
        let broken =
            LaunchResult { id: LaunchResult::PANEL.into(), outcome: LaunchOutcome::Failed("no screen".into()) };
        let effects = state.on(Event::Launched(broken.clone()), "10:00");
        let requests = Effect::Notify(Notification::AskSite);
        assert_eq!(effects, [requests.clone(), Effect::Notify(Notification::Launch(broken))]);

        let mut welcomed = stranger();
        assert!(welcomed.on(Event::SiteFound(None), "10:00").contains(&requests));
    }

    #[test]
    fn ciscos_files_tell_the_site_where_the_user_has_not() {
        let mut state = stranger();
        state.on(Event::SiteFound(None), "10:00");
        let effects = state.on(Event::SiteFound(Some("rouen".into())), "10:01");
        assert_eq!(effects, [LINKS, Effect::Withdraw(Category::Program)]);
        assert_eq!((state.site().map(|site| site.id.as_str()), state.question), (Some("rouen"), None));
        // The user's own choice stands above them.
        let mut state = known();
        assert_eq!(state.on(Event::SiteFound(Some("rouen".into())), "10:00"), []);
        assert_eq!(state.site().map(|site| site.id.as_str()), Some("caen"));
    }

    #[test]
    fn while_no_site_is_known_every_gateway_may_answer_and_then_only_its_own() {
        let gateways = |state: &mut State| -> Vec<String> {
            let effects = state.on(Event::Links(home()), "10:00");
            State::probe(&effects).gateways.into_iter().map(|(host, _)| host).collect()
        };
        assert_eq!(gateways(&mut stranger()), ["portailotp.ac-caen.fr", "api.ac-rouen.fr"]);
        assert_eq!(gateways(&mut known()), ["portailotp.ac-caen.fr"]);
        // The same inside host of both sites is asked once; with a tunnel the gateway is not asked.
        let effects = stranger().on(Event::Links(with_tunnel(home())), "10:00");
        let mut inside = guide().sites[0].inside.clone();
        inside.extend(guide().sites[1].inside.iter().filter(|host| !guide().sites[0].inside.contains(host)).cloned());
        assert_eq!((State::probe(&effects).inside, State::probe(&effects).gateways), (inside, vec![]));
    }

    #[test]
    fn another_site_is_another_question() {
        let mut state = known().connected();
        let rouen = Profile { user: UserChoices { site: Some("rouen".into()) }, ..(*guide()).clone() };
        let rouen = Arc::new(rouen);
        let effects = state.on(Event::Profile(rouen.clone(), [].into()), "10:01");
        assert_eq!(effects, [Effect::Request(SensorRequest::Profile(rouen)), LINKS]);
        assert_eq!(state.vpn.status(), VpnStatus::Unknown);
        assert_eq!(State::probe(&state.on(Event::Links(home()), "10:01")).gateways[0].0, "api.ac-rouen.fr");
    }

    #[test]
    fn a_profile_that_changes_nothing_of_the_watch_keeps_the_verdict() {
        let mut state = known().connected();
        let profile = state.profile.clone();
        assert_eq!(
            state.on(Event::Profile(profile.clone(), problems()), "10:01"),
            [Effect::Notify(Notification::ConfigBroken), Effect::Request(SensorRequest::Profile(profile.clone())),]
        );
        assert!(state.badge());
        // The same problems again are not told again.
        assert_eq!(
            state.on(Event::Profile(profile.clone(), problems()), "10:02"),
            [Effect::Request(SensorRequest::Profile(profile))]
        );
        assert_eq!(state.vpn.status(), VpnStatus::Connected);
    }

    #[test]
    fn a_broken_file_at_the_start_is_told_once() {
        let mut state = State::new(
            guide(),
            problems(),
            SavedState { welcomed: true, ..SavedState::default() },
            7,
            now("2026-11-24T10:00"),
        );
        assert_eq!(state.begin(), [LINKS, MACHINE, Effect::Notify(Notification::ConfigBroken)]);
    }

    #[test]
    fn lost_is_told_when_it_has_held_and_back_too() {
        let mut state = known().connected();
        assert_eq!(notified(&state.see(home(), None, "11:00")), Vec::<&Notification>::new());
        assert_eq!(state.vpn.status(), VpnStatus::Disconnected);
        assert_eq!(state.next_wake(), Some(now("2026-11-24T11:00:05").wall.timestamp()));
        assert_eq!(state.on(Event::Tick, "11:00:05"), [Effect::Notify(Notification::Vpn(VpnStatus::Disconnected))]);
        state.see(with_tunnel(home()), Some(TUNNEL), "11:10");
        assert_eq!(state.on(Event::Tick, "11:10:05"), [Effect::Notify(Notification::Vpn(VpnStatus::Connected))]);
    }

    #[test]
    fn with_the_panel_open_nothing_pops_up() {
        let mut state = known().connected();
        state.on(Event::PanelOpen(true), "10:59");
        state.see(home(), None, "11:00");
        assert_eq!(state.on(Event::Tick, "11:00:05"), [Effect::Withdraw(Category::Vpn)]);
    }

    #[test]
    fn a_steady_tunnel_wants_nothing_but_its_probe() {
        let mut state = known().connected();
        let mut probes = 0;
        let mut wakes = Vec::new();
        // An hour, in which AMIGO does not open or close.
        while let Some(at) = state.next_wake().filter(|at| *at < now("2026-11-24T11:00").wall.timestamp()) {
            assert!(at > state.now.wall.timestamp());
            wakes.push(at);
            let time = at.to_zoned_datetime(state.now.wall.time_zone().clone());
            let now = Now {
                uptime: state.now.uptime
                    + Duration::try_from(state.now.wall.duration_until(&time)).expect("it lies ahead"),
                wall: time,
            };
            let effects = update(&mut state, Event::Tick, now.clone());
            if !effects.is_empty() {
                let [Effect::Request(SensorRequest::Probe(request))] = effects.as_slice() else {
                    panic!("{effects:?}")
                };
                probes += 1;
                let probe =
                    Probe { number: request.number, inside: Intranet::Answered { local: TUNNEL }, gateway: None };
                assert_eq!(update(&mut state, Event::Probed(probe), now), []);
            }
        }
        assert_eq!(probes, wakes.len());
        assert!((54..=67).contains(&probes), "{probes} probes");
    }

    #[test]
    fn at_rest_only_words_that_change_want_a_wake_up() {
        let mut state = known();
        state.see(home(), None, "10:00");
        state.on(Event::Tick, "10:00:05");
        let mut moments = Vec::new();
        while moments.len() < 8 {
            let at = state.next_wake().expect("midnight comes");
            let wall = at.to_zoned_datetime(state.now.wall.time_zone().clone());
            moments.push(wall.strftime("%d %H:%M").to_string());
            let uptime =
                state.now.uptime + Duration::try_from(state.now.wall.duration_until(&wall)).expect("it lies ahead");
            update(&mut state, Event::Tick, Now { wall, uptime });
        }
        let expected = ["24 17:00", "24 21:00", "24 21:15", "24 21:25", "24 21:30", "25 00:00", "25 08:00", "25 13:00"];
        assert_eq!(moments, expected);
    }

    #[test]
    fn asleep_nothing_is_asked_and_nothing_is_said() {
        let mut state = known().connected();
        assert_eq!(state.on(Event::Sleeping, "20:59:58"), []);
        assert_eq!(state.vpn.status(), VpnStatus::Unknown);
        assert_eq!(state.on(Event::Links(home()), "20:59:59"), []);
        assert_eq!(state.on(Event::ClientState(Some(ClientState::Connecting)), "20:59:59"), []);
        assert_eq!(state.on(Event::Tick, "21:00"), []);
        assert_eq!(state.vpn.status(), VpnStatus::Unknown);
        // Awake: one reminder, and everything is looked at again.
        let effects = state.on(Event::Woke, "21:20");
        assert_eq!(effects[..2], [LINKS, MACHINE]);
        assert!(matches!(notified(&effects)[..], [Notification::Shutdown(reminder)] if reminder.minutes == 10));
        assert_eq!(state.vpn.status(), VpnStatus::Unknown);
    }

    #[test]
    fn where_the_news_of_the_waking_is_lost_a_click_or_a_late_timer_brings_it() {
        let mut state = known();
        state.on(Event::Sleeping, "10:00");
        assert_eq!(state.on(Event::Tick, "10:00:30"), []);
        assert_eq!(state.on(Event::Tick, "17:00"), [LINKS, MACHINE]);
        let mut state = known();
        state.on(Event::Sleeping, "10:00");
        assert_eq!(state.on(Event::Action(Action::Quit), "10:00:01"), [LINKS, MACHINE, Effect::Quit]);
    }

    #[test]
    fn a_clock_that_was_set_leaves_nothing_certain() {
        let mut state = known().connected();
        assert_eq!(state.on(Event::ClockChanged, "10:00:10"), [LINKS]);
        assert_eq!(state.vpn.status(), VpnStatus::Unknown);
        // Told by nobody, it shows: the wall clock has gone on for an hour, the machine for a second.
        let mut state = known().connected();
        let jumped = Now { wall: now("2026-11-24T11:00").wall, uptime: state.now.uptime + Duration::from_secs(1) };
        assert_eq!(update(&mut state, Event::Autostart(true), jumped), [LINKS]);
        assert_eq!((state.vpn.status(), state.autostart), (VpnStatus::Unknown, true));
    }

    #[test]
    fn the_hours_of_amigo_follow_the_clock() {
        let mut state = known();
        let open = helpdesk::Helpdesk::Open { until: now("2026-11-24T17:00").wall };
        assert_eq!(state.helpdesk, open);
        state.on(Event::Tick, "17:00");
        assert_eq!(state.helpdesk, helpdesk::Helpdesk::Closed { opens: Some(now("2026-11-25T08:00").wall) });
        // The clock is set back.
        let back = Now { wall: now("2026-11-24T16:00").wall, uptime: state.now.uptime };
        update(&mut state, Event::ClockChanged, back);
        assert_eq!(state.helpdesk, open);
    }

    #[test]
    fn an_evening_of_reminders() {
        let mut state = known();
        let remembered = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::SaveState(_)));
        let effects = state.on(Event::Tick, "21:00");
        assert!(matches!(notified(&effects)[..], [Notification::Shutdown(reminder)] if reminder.minutes == 30));
        assert!(remembered(&effects));
        assert_eq!(state.asked(Action::RemindLater), [Effect::Withdraw(Category::Shutdown)]);
        assert_eq!(notified(&state.on(Event::Tick, "21:15")).len(), 1);
        let effects = state.asked(Action::NotTonight);
        assert_eq!(effects[0], Effect::Withdraw(Category::Shutdown));
        assert!(remembered(&effects));
        assert_eq!(state.on(Event::Tick, "21:25"), []);
    }

    #[test]
    fn a_reminder_does_not_outlive_its_shutdown() {
        let mut state = known();
        state.on(Event::Tick, "21:25");
        assert_eq!(state.on(Event::Tick, "21:29"), []);
        assert_eq!(state.on(Event::Tick, "21:30"), [Effect::Withdraw(Category::Shutdown)]);
        assert_eq!(state.on(Event::Tick, "21:31"), []);
        // The machine's own plan is called off.
        let mut state = known();
        let plan = now("2026-11-24T18:00").wall.timestamp();
        assert_eq!(notified(&state.on(Event::MachineShutdown(Some(plan)), "17:40")).len(), 1);
        assert_eq!(state.on(Event::MachineShutdown(None), "17:41"), [Effect::Withdraw(Category::Shutdown)]);
    }

    #[test]
    fn a_reminder_waits_for_the_notification_server_and_the_last_one_does_without() {
        let mut state = known();
        state.on(Event::NotificationServer(false), "20:59");
        assert_eq!(state.on(Event::Tick, "21:00"), []);
        let effects = state.on(Event::NotificationServer(true), "21:01");
        assert!(matches!(notified(&effects)[..], [Notification::Shutdown(reminder)] if reminder.minutes == 29));
        state.on(Event::NotificationServer(false), "21:10");
        assert_eq!(state.on(Event::Tick, "21:15"), []);
        assert_eq!(state.on(Event::Tick, "21:25")[0], Effect::ShowPanel);
        assert_eq!(state.on(Event::Tick, "21:26"), []);
        // That there is none may turn out by the last one itself.
        let mut state = known();
        state.on(Event::Tick, "21:15");
        assert_eq!(state.on(Event::NotificationServer(false), "21:15"), []);
        state.on(Event::NotificationServer(true), "21:16");
        assert_eq!(notified(&state.on(Event::Tick, "21:25")).len(), 1);
        assert_eq!(state.on(Event::NotificationServer(false), "21:25"), [Effect::ShowPanel]);
    }

    #[test]
    fn the_computer_is_switched_off_only_after_the_question() {
        let mut state = known();
        assert_eq!(state.asked(Action::ConfirmShutDown), []);
        assert_eq!(state.asked(Action::ShutDown), [Effect::Notify(Notification::ConfirmShutdown)]);
        assert_eq!(state.asked(Action::Cancel), [Effect::Withdraw(Category::Shutdown)]);
        assert_eq!(state.asked(Action::ConfirmShutDown), []);
        state.asked(Action::ShutDown);
        assert_eq!(state.question, Some(Question::ShutDown));
        assert_eq!(state.asked(Action::ConfirmShutDown), [Effect::Withdraw(Category::Shutdown), Effect::PowerOff]);
        assert_eq!(state.asked(Action::ConfirmShutDown), []);
        assert_eq!(
            state.on(Event::PowerOffFailed("no".into()), "10:01"),
            [Effect::Notify(Notification::ShutdownFailed)]
        );
        // A question that nobody answered before the night is not found in the morning.
        state.asked(Action::ShutDown);
        state.on(Event::Woke, "10:10");
        assert_eq!(state.question, None);
        // Without a notification server the panel requests.
        state.asked(Action::ShutDown);
        assert_eq!(state.on(Event::NotificationServer(false), "10:11"), [Effect::ShowPanel]);
        assert_eq!(state.asked(Action::ShutDown), [Effect::Notify(Notification::ConfirmShutdown), Effect::ShowPanel]);
    }

    #[test]
    fn what_each_click_starts() {
        let missing = |id: &str| {
            Effect::Notify(Notification::Launch(LaunchResult { id: id.into(), outcome: LaunchOutcome::Missing }))
        };
        let digits = |text| Digits::new(text).expect("digits");
        let mobile = |code: &str| Call { code: code.into(), number: Some(digits("0612345678")) };
        let mut state = known();
        state.on(
            Event::Drives(Reading::Known(vec![
                DriveState { letter: 'I', mount: DriveMount::Connected("/mnt/i".into()) },
                DriveState { letter: 'S', mount: DriveMount::Disconnected(r"S:\".into()) },
                DriveState { letter: 'T', mount: DriveMount::Absent },
            ])),
            "10:00",
        );
        let drive = |letter, path: &str| Effect::Launch(LaunchTarget::Drive(letter, path.into()));
        let (amigo, code) = (state.profile.helpdesk.link.clone(), state.profile.codes[0].id.clone());
        let cases = [
            (Action::OpenClient, Effect::Launch(LaunchTarget::Program(state.profile.vpn.client.clone()))),
            (Action::Disconnect, Effect::Disconnect),
            (Action::ForgetCredentials, Effect::ForgetCredentials),
            (Action::Open(amigo.clone()), Effect::Launch(LaunchTarget::Link(amigo))),
            (
                Action::Open(state.profile.remote_support.clone()),
                Effect::Launch(LaunchTarget::Program(state.profile.remote_support.clone())),
            ),
            (Action::Open("rien".into()), missing("rien")),
            (Action::CopyCode(Call::of(&*code)), Effect::Copy(ClipboardContent::Code(Call::of(&*code)))),
            (Action::CopyCode(Call::of("rien")), missing("rien")),
            (Action::CopyCode(mobile(&code)), Effect::Copy(ClipboardContent::Code(mobile(&code)))),
            (Action::Dial(Call::of(&*code)), Effect::Launch(LaunchTarget::Dial(Call::of(&*code)))),
            (Action::Dial(mobile(&code)), Effect::Launch(LaunchTarget::Dial(mobile(&code)))),
            (Action::Dial(mobile("sans-renvoi")), missing("sans-renvoi")),
            (Action::Dial(Call::of("rien")), missing("rien")),
            (Action::Join(digits("12345678")), Effect::Launch(LaunchTarget::Session(digits("12345678")))),
            (Action::OpenDrive('I'), drive('I', "/mnt/i")),
            (Action::OpenDrive('S'), drive('S', r"S:\")),
            (Action::OpenDrive('T'), missing("T")),
            (Action::OpenDrive('U'), missing("U")),
            (Action::CopySupportInfo, Effect::Copy(ClipboardContent::SupportInfo)),
            (Action::SetAutostart(true), Effect::SetAutostart(true)),
            (Action::Choose(Choice::Pinned(true)), Effect::SaveChoice(Choice::Pinned(true))),
            (Action::About, Effect::Notify(Notification::About)),
            (Action::Quit, Effect::Quit),
        ];
        for (action, effect) in cases {
            assert_eq!(state.asked(action.clone()), [effect], "{action:?}");
        }
    }

    fn form() -> connect::Submission {
        connect::Submission {
            way: connect::ConnectMethod::Connect,
            site: "caen".into(),
            identifier: "mdupont".into(),
            pin: connect::Pin::Typed("4321".to_owned().into()),
            digits: "123456".to_owned().into(),
            remember_pin: false,
        }
    }

    /// The window is open, and Cisco's client there.
    fn at_the_form() -> State {
        let mut state = known();
        state.see(home(), None, "10:00");
        state.on(Event::Tick, "10:00:05");
        assert_eq!(state.asked(Action::Connect), [Effect::PrepareConnect, Effect::ShowConnect]);
        state.on(Event::ConnectWindowOpen(true), "10:00:06");
        let ready = Event::ConnectReady(Some(connect::VpnClient::Cisco), connect::StoredCredentials::default());
        assert_eq!(state.on(ready, "10:00:06"), []);
        state
    }

    fn dial(effects: &[Effect]) -> connect::ConnectRequest {
        let [Effect::Connect(dial)] = effects else { panic!("{effects:?}") };
        dial.clone()
    }

    #[test]
    fn a_form_that_is_right_connects_and_the_verdict_says_so_meanwhile() {
        use connect::{ConnectProgress, Phase, Stage};
        let mut state = at_the_form();
        let wrong = connect::Submission { digits: "12".to_owned().into(), ..form() };
        assert_eq!(state.on(Event::FormSubmitted(wrong), "10:01"), []);
        assert_eq!(state.connect.faults, [connect::FormError::Digits]);
        let number = dial(&state.on(Event::FormSubmitted(form()), "10:01")).number;
        assert_eq!((state.vpn.status(), &state.connect.faults[..]), (VpnStatus::Connecting, &[][..]));
        assert_eq!(state.on(Event::FormSubmitted(form()), "10:01"), [], "twice at once");
        let verifying = ConnectProgress::Stage(Stage::Verifying);
        assert_eq!(state.on(Event::ConnectProgress(number, verifying), "10:01:01"), []);
        let connected = Event::ConnectProgress(number, ConnectProgress::Connected);
        assert_eq!(state.on(connected, "10:01:02"), [Effect::CloseConnect, LINKS]);
        state.see(with_tunnel(home()), Some(TUNNEL), "10:01:03");
        let effects = state.on(Event::Tick, "10:01:08");
        assert_eq!(notified(&effects), [] as [&Notification; 0], "told before");
        assert_eq!((state.vpn.status(), &state.connect.phase), (VpnStatus::Connected, &Phase::Connected));
    }

    #[test]
    fn an_attempt_that_fails_is_told_where_its_window_is_closed_and_wrong_tries_are_remembered() {
        use connect::{ConnectProgress, Reason};
        let mut state = at_the_form();
        let failed = |state: &mut State, reason: Reason| {
            let now = state.now.clone();
            let number = dial(&update(state, Event::FormSubmitted(form()), now.clone())).number;
            update(state, Event::ConnectProgress(number, ConnectProgress::Failed(reason)), now)
        };
        let effects = failed(&mut state, Reason::WrongPasscode);
        assert!(matches!(&effects[..], [Effect::SaveState(memory)] if memory.connect.wrong == 1), "{effects:?}");
        assert_eq!(state.vpn.status(), VpnStatus::Disconnected);
        let client = Effect::Launch(LaunchTarget::Program(state.profile.vpn.client.clone()));
        assert_eq!(failed(&mut state, Reason::Held), [client], "brought to the front");
        state.on(Event::ConnectWindowOpen(false), "10:02");
        let told = Effect::Notify(Notification::ConnectFailed(Reason::Unreachable));
        assert_eq!(failed(&mut state, Reason::Unreachable), [told]);
    }

    #[test]
    fn an_attempt_can_be_given_up() {
        let mut state = at_the_form();
        assert_eq!(state.asked(Action::CancelConnect), []);
        let number = dial(&state.on(Event::FormSubmitted(form()), "10:01")).number;
        assert_eq!(state.asked(Action::CancelConnect), [Effect::CancelConnect]);
        assert_eq!(state.vpn.status(), VpnStatus::Disconnected);
        assert_eq!(state.on(Event::ConnectProgress(number, connect::ConnectProgress::Connected), "10:01:01"), []);
    }

    #[test]
    fn the_clients_own_window_gets_the_passcode_by_the_clipboard() {
        let mut state = at_the_form();
        let by_hand = connect::Submission { way: connect::ConnectMethod::Clipboard, ..form() };
        // Who he is, and where he connects, its own window requests.
        let by_hand = connect::Submission { site: "".into(), identifier: String::new(), ..by_hand };
        let client = Effect::Launch(LaunchTarget::Program(state.profile.vpn.client.clone()));
        let copied = ClipboardContent::Passcode;
        for number in [1, 2] {
            let copy = Effect::CopyPasscode(number, form().pin, form().digits);
            assert_eq!(state.on(Event::FormSubmitted(by_hand.clone()), "10:01"), [copy]);
        }
        let told = Effect::Notify(Notification::Copied(copied.clone()));
        assert_eq!(state.on(Event::Copied(copied, true), "10:01"), [client, Effect::CloseConnect, told]);
        let wrong = connect::Submission { digits: "12".to_owned().into(), ..by_hand };
        assert_eq!(state.on(Event::FormSubmitted(wrong), "10:01"), []);
        // The keyring was locked meanwhile.
        let lost = connect::ConnectProgress::Failed(connect::Reason::PinLost);
        assert_eq!(state.on(Event::ConnectProgress(2, lost), "10:01"), [Effect::PrepareConnect]);
    }

    #[test]
    fn where_the_administrator_wants_it_no_client_is_driven() {
        let mut state = known();
        let mut profile = (*state.profile).clone();
        profile.vpn.connect = ConnectMode::ByHand;
        state.profile = Arc::new(profile);
        assert_eq!(state.asked(Action::Connect), [Effect::PrepareConnect, Effect::ShowConnect]);
        state.on(Event::ConnectWindowOpen(true), "10:00");
        state.on(Event::ConnectReady(Some(connect::VpnClient::Cisco), connect::StoredCredentials::default()), "10:00");
        assert_eq!(state.on(Event::FormSubmitted(form()), "10:01"), []);
        let by_hand = connect::Submission { way: connect::ConnectMethod::Clipboard, ..form() };
        assert!(matches!(state.on(Event::FormSubmitted(by_hand), "10:01")[..], [Effect::CopyPasscode(..)]));
    }

    #[test]
    fn where_the_administrator_wants_it_only_the_clients_window_opens() {
        let mut state = known();
        let mut profile = (*state.profile).clone();
        profile.vpn.connect = ConnectMode::OpenClient;
        state.profile = Arc::new(profile);
        let client = Effect::Launch(LaunchTarget::Program(state.profile.vpn.client.clone()));
        assert_eq!(state.asked(Action::Connect), [client]);
        assert_eq!(state.on(Event::FormSubmitted(form()), "10:01"), []);
    }

    #[test]
    fn after_sleep_the_window_opens_where_the_profile_wants_it_and_the_vpn_is_lost() {
        let sleeps = |wanted: bool, connected: bool| {
            let mut state = if connected { known().connected() } else { known() };
            let mut profile = (*state.profile).clone();
            profile.vpn.reconnect_after_wake = wanted;
            state.profile = Arc::new(profile);
            state.on(Event::Sleeping, "10:30");
            state.on(Event::Woke, "11:00");
            let opens = state.see(home(), None, "11:00:05").contains(&Effect::ShowConnect);
            assert_eq!(state.connect.woken, opens);
            state.asked(Action::Connect);
            assert!(!state.connect.woken, "by the user");
            opens
        };
        assert!(sleeps(true, true));
        assert!(!sleeps(true, false));
        assert!(!sleeps(false, true));
    }

    #[test]
    fn showing_the_panel_looks_at_everything_again() {
        let mut state = known().connected();
        let effects = state.asked(Action::ShowPanel);
        assert!([LINKS, MACHINE, Effect::Request(SensorRequest::Client)].iter().all(|look| effects.contains(look)));
        State::probe(&effects);
        assert!(effects.contains(&Effect::ShowPanel));
        assert_eq!(state.vpn.status(), VpnStatus::Connected);
    }

    #[test]
    fn who_looks_again_is_answered_even_where_nothing_has_changed() {
        let mut state = known();
        state.see(home(), None, "10:00");
        state.on(Event::Tick, "10:00:05");
        assert_eq!(state.vpn.status(), VpnStatus::Disconnected);
        assert_eq!(state.on(Event::Action(Action::Refresh), "10:01"), [LINKS, MACHINE]);
        assert_eq!(state.vpn.status(), VpnStatus::Unknown);
        let effects = state.see(home(), None, "10:01");
        assert_eq!(notified(&effects), [&Notification::Vpn(VpnStatus::Disconnected)]);
        assert_eq!(notified(&state.on(Event::Tick, "10:02")), [] as [&Notification; 0]);
    }

    #[test]
    fn what_the_sensors_say_is_kept() {
        let mut state = known();
        let host = Arc::new(Host {
            name: "PC-14-042".into(),
            user: "mdupont".into(),
            domain: None,
            system: "Debian GNU/Linux 12".into(),
            booted: now("2026-11-24T00:00").wall.timestamp(),
            memory: Space { total: 8 << 30, free: 4 << 30 },
            disk: Reading::Known(Space { total: 100, free: 9 }),
        });
        let wapt = Reading::Known(Wapt { version: "2.5".into(), pending: vec![], running: None });
        let printers = Reading::Known(vec![Printer { name: "I14RC-DSI-RDC".into(), default: true }]);
        let battery = Reading::Known(Some(Battery { percent: 80, plugged: false }));
        let events = [
            Event::Host(host.clone()),
            Event::Wapt(wapt.clone()),
            Event::Printers(printers.clone()),
            Event::Power(battery.clone()),
            Event::Autostart(true),
            Event::PanelOpen(true),
        ];
        for event in events {
            assert_eq!(state.on(event, "10:00"), []);
        }
        assert_eq!(
            (&state.host, &state.wapt, &state.printers, &state.battery),
            (&Some(host), &wapt, &printers, &battery)
        );
        assert!(state.autostart && state.panel_open);
        assert_eq!((state.disk_low(), state.long_uptime(), state.badge()), (Some(9), None, true));
        let later = Now { wall: state.now.wall.clone(), uptime: Duration::from_secs(86_400 * 30) };
        state.now = later;
        assert_eq!(state.long_uptime(), Some(30));
    }

    #[test]
    fn without_a_tray_the_panel_stands_in() {
        let mut state = known();
        assert_eq!(
            state.on(Event::TrayHost(false), "10:00"),
            [Effect::Notify(Notification::NoTrayHost), Effect::ShowPanel]
        );
        assert_eq!(state.on(Event::TrayHost(false), "10:01"), []);
        assert_eq!(state.on(Event::TrayHost(true), "10:02"), [Effect::Withdraw(Category::Program)]);
        assert_eq!(known().on(Event::TrayHost(true), "10:00"), []);
    }

    #[test]
    fn what_came_of_a_click_is_told_where_it_is_not_seen() {
        let mut state = known();
        let launch = |outcome| LaunchResult { id: "cisco".into(), outcome };
        assert_eq!(state.on(Event::Launched(launch(LaunchOutcome::Started)), "10:00"), []);
        let failed = launch(LaunchOutcome::Failed("no".into()));
        assert_eq!(state.on(Event::Launched(failed.clone()), "10:00"), [Effect::Notify(Notification::Launch(failed))]);
        let copied = Event::Copied(ClipboardContent::SupportInfo, true);
        assert_eq!(state.on(copied, "10:00"), [Effect::Notify(Notification::Copied(ClipboardContent::SupportInfo))]);
        assert_eq!(
            state.on(Event::Copied(ClipboardContent::SupportInfo, false), "10:00"),
            [Effect::Notify(Notification::CopyFailed)]
        );
    }

    #[test]
    fn on_site_the_drives_are_within_reach() {
        let mut state = known();
        assert_eq!(state.reaches_inside(), None);
        state.see(home(), Some(HOME), "10:00");
        assert_eq!((state.vpn.status(), state.reaches_inside()), (VpnStatus::OnSite, Some(true)));
        for status in VpnStatus::ALL {
            let reached = status.reaches_inside() == Some(true);
            assert!(!(reached && can_connect(status)));
        }
    }
}
