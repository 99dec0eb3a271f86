//! The one function that changes the state.

use super::connect::ClientDetection;
use super::message::{
    Action, Category, ClipboardContent, DriveMount, Effect, Event, LaunchOutcome, LaunchResult, LaunchTarget,
    Notification, PanelView, PowerOffError, SensorRequest, WindowKind,
};
use super::state::{State, time_to_visible};
use super::vpn::{Decision, Gateway, ProbeRequest, TrackerRequests};
use super::{Now, connect, question, shutdown, sleep, welcome};
use std::sync::Arc;
use std::time::Duration;
use vigie_profile::{ConnectMode, Problem, Profile};

/// How often the history is saved at most, after a change and while nothing changes.
const HISTORY_SAVE_INTERVAL: Duration = Duration::from_secs(10 * 60);
const STEADY_HISTORY_SAVE_INTERVAL: Duration = Duration::from_secs(3600);

/// Changes the state after an event, and returns what is to be done.
pub fn update(state: &mut State, event: Event, now: Now) -> Vec<Effect> {
    let mut effects = Vec::new();
    let jumped = sleep::clock_was_set(&state.now, &now);
    if jumped || sleep::ends_with(state, &event) {
        state.history.pause();
    }
    state.now = now.clone();
    let wakes = sleep::ends_with(state, &event);
    if wakes || jumped || event == Event::ClockChanged {
        state.vpn.forget_beginning();
    }
    if wakes {
        sleep::on_wake(state, &mut effects);
    } else if jumped && event != Event::ClockChanged {
        state.invalidate(&mut effects);
    }
    let site_before = state.site().cloned();
    handle_event(state, event, &mut effects);
    if state.site() != site_before.as_ref() {
        // Results for the previous gateway and intranet hosts no longer apply.
        state.invalidate(&mut effects);
    }
    if let Some(reaches) = state.reaches_intranet()
        && state.reached.replace(reaches).is_some_and(|before| before != reaches)
    {
        // Drives and printers come and go with the intranet.
        effects.push(Effect::Request(SensorRequest::Host));
        if reaches && std::mem::take(&mut state.connect.passcode_copied) {
            effects.push(Effect::CloseConnect);
        }
    }
    question::close_if_site_is_known(state, &mut effects);
    if state.helpdesk_changes.as_ref().is_none_or(|at| *at <= now.wall) {
        state.refresh_helpdesk();
    }
    if state.asleep.is_none() {
        state.connect.on_time(&now);
        state.vpn.set_connecting(state.connect.is_connecting(), &now);
        connect::reconnect_after_sleep(state, &mut effects);
        record(state);
        notify(state, &mut effects);
        shutdown::remind(state, &mut effects);
    }
    state.checking &= state.vpn.is_probing();
    if effects.contains(&Effect::ShowPanel) {
        state.unanswered_until = None;
    }
    for effect in &mut effects {
        if let Effect::Notify(notification) = effect
            && notification.is_answer()
        {
            let before = state.answer.as_ref().map_or(0, |(number, _)| *number);
            state.answer = Some((before.wrapping_add(1), notification.clone()));
            if state.is_panel_watched() {
                // The panel shows it. An older answer that is still notified no longer holds.
                *effect = Effect::Withdraw(Category::Answer);
            }
        }
    }
    if *state.shutdown.history() != state.saved.shutdown || *state.connect.history() != state.saved.connect {
        state.saved.shutdown = state.shutdown.history().clone();
        state.saved.connect = state.connect.history().clone();
        effects.push(Effect::SaveState(state.saved.clone()));
    }
    save_history(state, &mut effects);
    effects
}

fn handle_event(state: &mut State, event: Event, effects: &mut Vec<Effect>) {
    let now = state.now.clone();
    match event {
        // Evidence collected while falling asleep is out of date on waking.
        Event::Tick
        | Event::Links(_)
        | Event::DomainNetworks(_)
        | Event::Probed(_)
        | Event::Traffic(_)
        | Event::ClientState(_)
            if state.asleep.is_some() => {}
        Event::Tick => {
            let requests = state.vpn.tick(&now);
            request(state, requests, effects);
        }
        Event::ClockChanged => state.invalidate(effects),
        Event::Sleeping => sleep::on_sleep(state),
        // Handled in `update`, because other events show it as well.
        Event::Woke => {}
        Event::Links(links) => {
            state.connect.on_links(links.tunnel().is_some());
            let requests = state.vpn.on_links(links, &now);
            request(state, requests, effects);
        }
        Event::DomainNetworks(interfaces) => state.vpn.on_domain_networks(interfaces, &now),
        Event::Probed(probe) => {
            let requests = state.vpn.on_probe(probe, &now);
            request(state, requests, effects);
        }
        Event::Traffic(traffic) => {
            let requests = state.vpn.on_traffic(traffic, &now);
            request(state, requests, effects);
        }
        Event::ClientState(client) => {
            state.connect.cisco_cli_available |= client.is_some();
            let requests = state.vpn.on_client(client, &now);
            request(state, requests, effects);
        }
        Event::ClientVersion(version) => state.client_version = Some(version),
        Event::SiteFound(site) => question::on_site_found(state, site, effects),
        Event::MachineShutdown(at) => state.shutdown.set_machine(at),
        Event::Host(host) => state.host = Some(host),
        Event::Drives(drives) => state.drives = drives,
        Event::Printers(printers) => state.printers = printers,
        Event::Servers(servers) => state.servers = Some(servers),
        Event::Wapt(wapt) => state.wapt = wapt,
        Event::Power(battery) => state.battery = battery,
        Event::TrayHost(available) => on_tray_host(state, available, effects),
        Event::NotificationServer(available) => question::on_notification_server(state, available, effects),
        Event::NotificationFailed(category) => question::on_notification_failed(state, category, effects),
        Event::NotificationDismissed(Category::Shutdown) => state.unanswered_until = None,
        Event::NotificationDismissed(Category::Answer) => question::drop_forget(state),
        Event::NotificationDismissed(_) => {}
        Event::NotificationLost(category) => question::on_notification_lost(state, category, effects),
        Event::Autostart(on) => state.autostart = on,
        Event::PanelOpen(open) => {
            state.panel_open = open;
            if open {
                state.unanswered_until = None;
                welcome::on_shown(state, effects);
            } else {
                state.view_asked = None;
                welcome::end(state, effects);
            }
            // Not at each use: a few that are lost with the power do not matter.
            if !open && state.uses != state.saved.uses {
                state.saved.uses = state.uses.clone();
                effects.push(Effect::SaveState(state.saved.clone()));
            }
        }
        Event::PanelFocused(focused) => state.panel_focused = focused,
        Event::ConnectWindowOpen(open) => {
            state.connect.open = open;
            if !open {
                state.connect.passcode_copied = false;
                question::drop_forget(state);
            }
        }
        Event::ConnectObstacle(obstacle) => state.connect.obstacle = obstacle,
        Event::ConnectReady(client, stored) => {
            // The administrator may forbid driving a client.
            let may_drive = state.profile.vpn.connect == ConnectMode::Auto;
            let is_found = matches!(client, ClientDetection::Found(_));
            let client = if is_found && !may_drive { ClientDetection::WindowOnly } else { client };
            state.connect.on_ready(client, stored);
        }
        Event::FormSubmitted(form) => connect::on_form(state, form, effects),
        Event::ConnectProgress(request, progress) => connect::on_progress(state, request, progress, effects),
        Event::Disconnected(done) => {
            if done.is_err() {
                effects.push(Effect::Notify(Notification::DisconnectFailed));
            }
        }
        Event::PinNotKept => effects.push(Effect::Notify(Notification::PinNotKept)),
        Event::CredentialsForgotten(done, stored) => {
            state.connect.stored = Some(stored);
            effects.push(Effect::Notify(Notification::Forgotten(done.is_ok())));
        }
        Event::WindowFailed(window, error) => {
            if window == WindowKind::Panel {
                state.view_asked = None;
                welcome::on_window_failed(state, effects);
            }
            effects.push(Effect::Notify(Notification::WindowFailed(window, error)));
        }
        Event::Launched(launch) => match (&launch.outcome, &launch.target) {
            // Opening a drive that the system remembers connects it.
            (LaunchOutcome::Started, LaunchTarget::Drive(..)) => effects.push(Effect::Request(SensorRequest::Host)),
            // What opens is seen; a telephone that dials may be in another window.
            (LaunchOutcome::Started, LaunchTarget::Call(_)) => {
                effects.push(Effect::Notify(Notification::Launch(launch)))
            }
            (LaunchOutcome::Started, _) => {}
            _ => effects.push(Effect::Notify(Notification::Launch(launch))),
        },
        Event::PowerOffFailed(PowerOffError::OthersLoggedOn) => {
            effects.push(Effect::Notify(Notification::OthersLoggedOn));
        }
        Event::PowerOffFailed(PowerOffError::Other(_)) => effects.push(Effect::Notify(Notification::ShutdownFailed)),
        Event::NotSaved(why) => effects.push(Effect::Notify(Notification::NotSaved(why))),
        Event::Copied(what, Ok(())) => {
            // An attempt that the client's window has prevented raised it already, and the form says why.
            if what == ClipboardContent::Passcode && state.connect.phase == connect::Phase::Idle {
                // The user pastes it into the client's own window. This one stays: it says how.
                connect::open_client(effects);
                state.connect.passcode_copied = true;
            }
            effects.push(Effect::Notify(Notification::Copied(what)));
        }
        Event::ReportSaved(result) => effects.push(Effect::Notify(Notification::ReportSaved(result))),
        Event::Copied(_, Err(_)) => effects.push(Effect::Notify(Notification::CopyFailed)),
        Event::Profile(profile, problems) => set_profile(state, profile, problems, effects),
        Event::Action(action) => handle_action(state, action, effects),
    }
}

fn handle_action(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    let now = state.now.clone();
    state.count_use(&action);
    match action {
        Action::ShowPanel => show_panel(state, effects),
        Action::ShowSettings => show_view(state, PanelView::Settings, effects),
        Action::AskHelpdesk(topic) => show_view(state, PanelView::HelpForm(topic), effects),
        Action::ShowWelcome(card) => welcome::on_card(state, card, effects),
        Action::EndWelcome => welcome::end(state, effects),
        Action::Refresh => {
            // The user waits for an answer: older evidence does not count, and the new status is notified.
            state.invalidate(effects);
            state.policy.ask();
            effects.push(Effect::Request(SensorRequest::Host));
        }
        Action::Diagnose => state.checking = read_again(state, effects),
        Action::OpenSettings(page) => effects.push(Effect::Launch(LaunchTarget::Settings(page))),
        Action::Reload => effects.push(Effect::Request(SensorRequest::Config)),
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
        Action::Disconnect => {
            state.history.on_disconnect();
            effects.push(Effect::Disconnect);
        }
        Action::CancelConnect => {
            if state.connect.cancel() {
                effects.push(Effect::CancelConnect);
            }
        }
        Action::OpenClient => connect::open_client(effects),
        Action::OpenPortal => effects.push(Effect::Launch(LaunchTarget::Portal)),
        Action::ForgetCredentials => question::ask_forget(state, effects),
        Action::ConfirmForget => question::on_forget_confirmed(state, effects),
        Action::Join(number) => effects.push(Effect::Launch(LaunchTarget::Session(number))),
        Action::CopyCode(call) | Action::Dial(call) if call.dial_string(&state.profile).is_none() => {
            effects.push(missing(LaunchTarget::Call(call)));
        }
        Action::CopyCode(call) => effects.push(Effect::Copy(ClipboardContent::Code(call))),
        Action::CopyPrinter(name) => effects.push(Effect::Copy(ClipboardContent::Printer(name))),
        Action::Dial(call) => effects.push(Effect::Launch(LaunchTarget::Call(call))),
        Action::OpenDrive(letter) => effects.push(match state.drive(letter) {
            Some(DriveMount::Connected(path) | DriveMount::Disconnected(path)) => {
                Effect::Launch(LaunchTarget::Drive(letter, Some(path.clone())))
            }
            Some(DriveMount::Absent) | None => missing(LaunchTarget::Drive(letter, None)),
        }),
        Action::CopySupportInfo => effects.push(Effect::Copy(ClipboardContent::SupportInfo)),
        Action::ShowFacts(unfolded) => state.facts_unfolded = unfolded,
        Action::SaveReport(request) => effects.push(Effect::SaveReport(request)),
        Action::Choose(choice) => {
            question::on_choice(state, &choice, effects);
            effects.push(Effect::SaveChoice(choice));
        }
        Action::RestoreSettings => effects.push(Effect::RestoreSettings),
        Action::SetAutostart(on) => effects.push(Effect::SetAutostart(on)),
        Action::ShutDown => question::ask_shutdown(state, effects),
        Action::ConfirmShutDown => question::on_shutdown_confirmed(state, effects),
        Action::Cancel => question::on_cancel(state, effects),
        Action::RemindLater => shutdown::withdraw(state, effects),
        Action::NotTonight => {
            state.shutdown.not_tonight(&now);
            shutdown::withdraw(state, effects);
            effects.push(Effect::Notify(Notification::NoMoreReminders));
        }
        Action::RemindAgain => state.shutdown.remind_again(),
        Action::About => effects.push(Effect::Notify(Notification::About)),
        Action::Quit => effects.push(Effect::Quit),
    }
}

/// Shows the panel at that view. Who asks for it has found the icon.
fn show_view(state: &mut State, view: PanelView, effects: &mut Vec<Effect>) {
    welcome::end(state, effects);
    let asked = state.view_asked.map_or(0, |(asked, _)| asked);
    state.view_asked = Some((asked.wrapping_add(1), view));
    show_panel(state, effects);
}

/// Shows the panel, as the sensors see everything now.
fn show_panel(state: &mut State, effects: &mut Vec<Effect>) {
    read_again(state, effects);
    effects.push(Effect::ShowPanel);
}

/// Requests what the panel shows from the sensors. Returns whether a probe is among the requests.
fn read_again(state: &mut State, effects: &mut Vec<Effect>) -> bool {
    let requests = state.vpn.refresh(&state.now.clone());
    let probes = requests.probe.is_some();
    request(state, requests, effects);
    effects.push(Effect::Request(SensorRequest::Host));
    probes
}

/// Returns the notification that the target does not exist.
fn missing(target: LaunchTarget) -> Effect {
    Effect::Notify(Notification::Launch(LaunchResult { target, outcome: LaunchOutcome::Missing }))
}

/// Turns the tracker's requests into effects.
pub(super) fn request(state: &State, requests: TrackerRequests, effects: &mut Vec<Effect>) {
    if requests.links {
        effects.push(Effect::Request(SensorRequest::Links));
    }
    if let Some((id, gateway)) = requests.probe {
        let site = state.site().map(|site| site.id.as_str());
        let request = ProbeRequest::new(&state.profile, site, id, gateway);
        let request = request.in_network(state.vpn.evidence(), state.servers.as_deref().unwrap_or_default());
        effects.push(Effect::Request(SensorRequest::Probe(request)));
    }
    if let Some(interface) = requests.traffic {
        effects.push(Effect::Request(SensorRequest::Traffic(interface)));
    }
    if requests.client {
        effects.push(Effect::Request(SensorRequest::Client));
    }
}

/// Records the present status.
fn record(state: &mut State) {
    let answered = state.vpn.evidence().gateway == Some(Gateway::Answered);
    let is_clock_right = answered || state.reaches_intranet() == Some(true);
    state.history.record(state.vpn.status(), is_clock_right, &state.now);
}

/// Saves the history with whatever else is saved, from time to time, before sleep and at the end.
fn save_history(state: &mut State, effects: &mut Vec<Effect>) {
    let ends = effects.contains(&Effect::Quit) || state.asleep.is_some();
    let has_changed = state.history.last_change() != state.saved.history.last_change();
    let interval = if has_changed { HISTORY_SAVE_INTERVAL } else { STEADY_HISTORY_SAVE_INTERVAL };
    let is_due = ends || state.now.uptime.saturating_sub(state.history_saved) >= interval;
    let is_saving = effects.iter().any(|effect| matches!(effect, Effect::SaveState(_)));
    if !is_saving && (!is_due || state.history.is_same(&state.saved.history)) {
        return;
    }
    state.history_saved = state.now.uptime;
    state.saved.history = state.history.clone();
    let mut saves = effects.iter_mut().filter(|effect| matches!(effect, Effect::SaveState(_))).peekable();
    if saves.peek().is_some() {
        saves.for_each(|save| *save = Effect::SaveState(state.saved.clone()));
    } else {
        // Nothing is done after the end.
        let place = effects.iter().position(|effect| *effect == Effect::Quit).unwrap_or(effects.len());
        effects.insert(place, Effect::SaveState(state.saved.clone()));
    }
}

/// Notifies the user of a status that has lasted.
fn notify(state: &mut State, effects: &mut Vec<Effect>) {
    let status = state.vpn.status();
    let watched = state.is_panel_watched();
    match state.policy.decide(status, state.vpn.since_uptime(), state.now.uptime, watched) {
        Some(Decision::Notify) => effects.push(Effect::Notify(Notification::Vpn(status))),
        Some(Decision::Withdraw) => effects.push(Effect::Withdraw(Category::Vpn)),
        None => {}
    }
}

fn on_tray_host(state: &mut State, available: bool, effects: &mut Vec<Effect>) {
    let before = state.tray_host.replace(available);
    if !available && before != Some(false) {
        effects.extend([Effect::Notify(Notification::NoTrayHost), Effect::ShowPanel]);
    }
    if available && before == Some(false) {
        effects.push(Effect::Withdraw(Category::Program));
    }
}

fn set_profile(state: &mut State, profile: Arc<Profile>, problems: Arc<[Problem]>, effects: &mut Vec<Effect>) {
    // The files are read again whenever one of them may have changed, by Vigie itself too.
    if profile == state.profile && problems == state.problems {
        return;
    }
    state.vpn.set_config(&profile.vpn);
    state.shutdown.set_config(&profile.shutdown);
    state.policy.set_time_to_visible(time_to_visible(&profile));
    if !problems.is_empty() && problems != state.problems {
        effects.push(Effect::Notify(Notification::ConfigBroken));
    }
    // The notice that there is no tray has the same category.
    if problems.is_empty() && !state.problems.is_empty() && state.tray_host != Some(false) {
        effects.push(Effect::Withdraw(Category::Program));
    }
    effects.push(Effect::Request(SensorRequest::Profile(profile.clone())));
    let vpn_changed = profile.vpn != state.profile.vpn;
    state.profile = profile;
    state.problems = problems;
    state.refresh_helpdesk();
    if vpn_changed {
        state.invalidate(effects);
        if state.connect.open {
            // Another client may be allowed now, or none.
            effects.push(Effect::PrepareConnect);
        }
    }
}

#[cfg(test)]
mod tests;
