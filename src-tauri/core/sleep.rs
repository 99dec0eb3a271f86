//! Sleep and jumps of the clock: what was known before may be wrong afterwards.

use super::Now;
use super::message::{Effect, Event, SensorRequest};
use super::shutdown;
use super::state::{Question, State};
use super::vpn::VpnStatus;
use jiff::SignedDuration;
use std::time::Duration;

/// How far wall clock and uptime may drift apart between two events; more means that the clock was set.
const MAX_CLOCK_DRIFT: SignedDuration = SignedDuration::from_secs(5);

/// A timer that fires this long after the machine announced its sleep shows that it is awake.
const SLEEP_TIMEOUT: Duration = Duration::from_secs(60);

/// Whether the clock was set between these two moments.
pub(super) fn clock_was_set(before: &Now, now: &Now) -> bool {
    let wall = now.wall.timestamp() - before.wall.timestamp();
    let elapsed = now.uptime.saturating_sub(before.uptime);
    SignedDuration::try_from(elapsed).map_or(true, |elapsed| (wall - elapsed).abs() > MAX_CLOCK_DRIFT)
}

/// Whether the event shows that the machine is awake again. The event of waking itself can be lost.
pub(super) fn ends_with(state: &State, event: &Event) -> bool {
    let Some(since) = state.asleep else { return *event == Event::Woke };
    let lasted = state.now.uptime.saturating_sub(since);
    matches!(event, Event::Woke | Event::Action(_)) || (*event == Event::Tick && lasted >= SLEEP_TIMEOUT)
}

/// Handles the announcement of sleep.
pub(super) fn on_sleep(state: &mut State) {
    let now = state.now.clone();
    state.history.record(state.vpn.status(), false, &now);
    state.history.pause();
    state.asleep = Some(now.uptime);
    state.reconnect = state.profile.vpn.reconnect_after_wake && state.vpn.status() == VpnStatus::Connected;
    state.vpn.reset(&now);
}

/// Reads everything again. A question from before the sleep is closed.
pub(super) fn on_wake(state: &mut State, effects: &mut Vec<Effect>) {
    state.asleep = None;
    if state.question == Some(Question::ShutDown) {
        shutdown::withdraw(state, effects);
    }
    state.invalidate(effects);
    effects.push(Effect::Request(SensorRequest::Host));
}
