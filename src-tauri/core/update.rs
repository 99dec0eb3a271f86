//! The one function that changes the state.

use super::message::{
    Action, Category, ClipboardContent, DriveMount, Effect, Event, LaunchOutcome, LaunchResult, LaunchTarget,
    Notification, PowerOffError, SensorRequest, WindowKind,
};
use super::state::{Question, State, time_to_visible};
use super::vpn::{Decision, ProbeRequest, TrackerRequests, VpnStatus};
use super::{Now, connect, helpdesk, shutdown};
use jiff::SignedDuration;
use std::sync::Arc;
use std::time::Duration;
use vigie_profile::{Choice, ConnectMode, Problem, Profile};

/// Wall clock and uptime may drift apart by so much between two looks; more means that the clock was set.
const JUMP: SignedDuration = SignedDuration::from_secs(5);

/// A timer that fires so long after the machine said that it is about to sleep shows that it does not, or no longer.
const SLEEP_DOUBTED: Duration = Duration::from_secs(60);

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
        // The site changed; results for the previous gateway and intranet hosts no longer apply.
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
        state.connect.on_time(&now);
        state.vpn.set_connecting(state.connect.is_connecting(), &now);
        connect::reconnect_after_sleep(state, &mut effects);
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
    if state.shutdown.memory() != state.memory.shutdown || *state.connect.history() != state.memory.connect {
        state.memory.shutdown = state.shutdown.memory();
        state.memory.connect = state.connect.history().clone();
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
        Event::Tick | Event::Links(_) | Event::Probed(_) | Event::Traffic(_) | Event::ClientState(_)
            if state.asleep.is_some() => {}
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
            state.connect.on_links(links.tunnel().is_some());
            let requests = state.vpn.on_links(links, &now);
            request(state, requests, effects);
        }
        Event::Probed(probe) => {
            let requests = state.vpn.on_probe(probe, &now);
            request(state, requests, effects);
        }
        Event::Traffic(traffic) => {
            let requests = state.vpn.on_traffic(traffic, &now);
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
        Event::NotificationFailed(category) => {
            let question = state.question.as_ref();
            let last = state.reminded.as_ref().map(|reminder| reminder.last);
            let unseen = match category {
                Category::Shutdown => last.is_some() || question == Some(&Question::ShutDown),
                Category::Program => question == Some(&Question::Site),
                Category::Vpn | Category::Answer => false,
            };
            // Without a server the panel has already shown the question and the last reminder.
            let shown = !state.notifications && (question.is_some() || last == Some(true));
            if unseen && !shown && !state.panel_open {
                effects.push(Effect::ShowPanel);
            }
        }
        Event::NotificationLost(category) => {
            if category == Category::Shutdown && state.question == Some(Question::ShutDown) {
                effects.push(Effect::Notify(Notification::ConfirmShutdown));
            } else if let (Category::Shutdown, Some(reminder)) = (category, &state.reminded) {
                effects.push(Effect::Notify(Notification::Shutdown(reminder.as_of(&now))));
            }
        }
        Event::Autostart(on) => state.autostart = on,
        Event::PanelOpen(open) => {
            state.panel_open = open;
            state.welcoming = false;
        }
        Event::ConnectWindowOpen(open) => state.connect.open = open,
        Event::ConnectObstacle(obstacle) => state.connect.obstacle = obstacle,
        Event::ConnectReady(client, stored) => {
            state.connect.on_ready(client.filter(|_| state.profile.vpn.connect == ConnectMode::Auto), stored);
        }
        Event::FormSubmitted(form) => connect::on_form(state, form, effects),
        Event::ConnectProgress(request, progress) => connect::on_progress(state, request, progress, effects),
        Event::Disconnected(done) => {
            if done.is_err() {
                effects.push(Effect::Notify(Notification::DisconnectFailed));
            }
        }
        Event::CredentialsForgotten(done, stored) => {
            state.connect.stored = Some(stored);
            effects.push(Effect::Notify(Notification::Forgotten(done.is_ok())));
        }
        Event::WindowFailed(window, error) => {
            if window == WindowKind::Panel && std::mem::take(&mut state.welcoming) {
                ask_site(state, effects);
            }
            effects.push(Effect::Notify(Notification::WindowFailed(window, error)));
        }
        Event::Launched(launch) => {
            if launch.outcome != LaunchOutcome::Started {
                effects.push(Effect::Notify(Notification::Launch(launch)));
            }
        }
        Event::PowerOffFailed(PowerOffError::OthersLoggedOn) => {
            effects.push(Effect::Notify(Notification::OthersLoggedOn));
        }
        Event::PowerOffFailed(PowerOffError::Other(_)) => effects.push(Effect::Notify(Notification::ShutdownFailed)),
        Event::NotSaved(why) => effects.push(Effect::Notify(Notification::NotSaved(why))),
        Event::Copied(what, Ok(())) => {
            if what == ClipboardContent::Passcode {
                // It is of use in the client's own window, and there alone.
                connect::open_client(effects);
                effects.push(Effect::CloseConnect);
            }
            effects.push(Effect::Notify(Notification::Copied(what)));
        }
        Event::Copied(_, Err(_)) => effects.push(Effect::Notify(Notification::CopyFailed)),
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
                effects.push(missing(LaunchTarget::Link(id)));
            }
        }
        Action::Connect => connect::on_connect_action(state, effects),
        Action::Disconnect => effects.push(Effect::Disconnect),
        Action::CancelConnect => {
            if state.connect.cancel() {
                effects.push(Effect::CancelConnect);
            }
        }
        Action::OpenClient => connect::open_client(effects),
        Action::ForgetCredentials => effects.push(Effect::ForgetCredentials),
        Action::Join(number) => effects.push(Effect::Launch(LaunchTarget::Session(number))),
        Action::CopyCode(call) | Action::Dial(call) if call.dialled(&state.profile).is_none() => {
            effects.push(missing(LaunchTarget::Call(call)));
        }
        Action::CopyCode(call) => effects.push(Effect::Copy(ClipboardContent::Code(call))),
        Action::Dial(call) => effects.push(Effect::Launch(LaunchTarget::Call(call))),
        Action::OpenDrive(letter) => effects.push(match state.drive(letter) {
            Some(DriveMount::Connected(path) | DriveMount::Disconnected(path)) => {
                Effect::Launch(LaunchTarget::Drive(letter, Some(path.clone())))
            }
            Some(DriveMount::Absent) | None => missing(LaunchTarget::Drive(letter, None)),
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

fn missing(target: LaunchTarget) -> Effect {
    Effect::Notify(Notification::Launch(LaunchResult { target, outcome: LaunchOutcome::Missing }))
}

/// Turns the tracker's wishes into effects.
fn request(state: &State, requests: TrackerRequests, effects: &mut Vec<Effect>) {
    if requests.links {
        effects.push(Effect::Request(SensorRequest::Links));
    }
    if let Some((number, gateway)) = requests.probe {
        let site = state.site().map(|site| site.id.as_str());
        let mut request = ProbeRequest::new(&state.profile, site, number, gateway);
        request.dns = state.vpn.links().map(|links| links.dns.clone()).unwrap_or_default();
        effects.push(Effect::Request(SensorRequest::Probe(request)));
    }
    if let Some(interface) = requests.traffic {
        effects.push(Effect::Request(SensorRequest::Traffic(interface)));
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

#[cfg(test)]
mod tests;
