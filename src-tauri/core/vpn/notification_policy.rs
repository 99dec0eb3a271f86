//! Decides when a status becomes a notification: it must have lasted, must matter, and must be news to the user.

use super::VpnStatus;
use std::collections::VecDeque;
use std::time::Duration;

/// At most this many notifications within [`BURST_WINDOW`], however often the connection comes and goes.
const BURST: usize = 4;
/// See [`BURST`].
const BURST_WINDOW: Duration = Duration::from_secs(300);

/// What to do about a status that has lasted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Show a notification of it.
    Notify,
    /// Withdraw the last notification, which is out of date.
    Withdraw,
}

/// Remembers which status the user has been notified of.
#[derive(Debug, Clone)]
pub struct NotificationPolicy {
    /// How long a status must last before it is notified (`hold_seconds` of the configuration).
    time_to_visible: Duration,
    /// The last notable status that lasted.
    confirmed: Option<VpnStatus>,
    /// The status that the last notification reports, unless it was withdrawn.
    notified: Option<VpnStatus>,
    /// Whether the user has asked for the status and waits for the answer.
    asked: bool,
    recent: VecDeque<Duration>,
}

impl NotificationPolicy {
    /// Returns a policy that has notified nothing yet. A status must last for `time_to_visible` first.
    pub fn new(time_to_visible: Duration) -> NotificationPolicy {
        NotificationPolicy { time_to_visible, confirmed: None, notified: None, asked: false, recent: VecDeque::new() }
    }

    /// Applies the delay of a changed configuration (`hold_seconds`). A status that is visible already stays so.
    pub fn set_time_to_visible(&mut self, time_to_visible: Duration) {
        self.time_to_visible = time_to_visible;
    }

    /// The user asked for the status: the next notable one is notified at once, whatever it is.
    pub fn ask(&mut self) {
        self.asked = true;
    }

    /// The uptime at which to call [`NotificationPolicy::decide`] next, for a status that began at the uptime
    /// `status_since`.
    pub fn next_wake(&self, status: VpnStatus, status_since: Duration) -> Option<Duration> {
        if is_notable(status) && self.asked {
            return Some(status_since);
        }
        if !is_notable(status) || self.confirmed == Some(status) {
            return None;
        }
        let visible = status_since + self.time_to_visible;
        // A notification that has become wrong is withdrawn in any case.
        let free = self.throttled_until().filter(|_| !self.outdates(status));
        Some(free.map_or(visible, |free| visible.max(free)))
    }

    /// Decides about a status that began at the uptime `status_since`. `watching`: whether the panel has the
    /// user's focus, and shows what a notification would.
    pub fn decide(
        &mut self,
        status: VpnStatus,
        status_since: Duration,
        now: Duration,
        watching: bool,
    ) -> Option<Decision> {
        if now < self.next_wake(status, status_since)? {
            return None;
        }
        let asked = std::mem::take(&mut self.asked);
        if !asked && self.throttled_until().is_some_and(|free| now < free) {
            self.notified = None;
            return Some(Decision::Withdraw);
        }
        let before = self.confirmed.replace(status);
        let reached = before.and_then(VpnStatus::reaches_intranet);
        let is_news = match status {
            VpnStatus::Unknown | VpnStatus::Connecting | VpnStatus::OnSite => false,
            VpnStatus::Connected => reached == Some(false),
            // One loss is notified once, whatever it turns into.
            VpnStatus::Disconnected | VpnStatus::Offline => reached == Some(true) || before == Some(VpnStatus::Stalled),
            VpnStatus::Stalled | VpnStatus::Captive => true,
        };
        if (is_news || asked) && !watching {
            self.recent.retain(|at| now < *at + BURST_WINDOW);
            self.recent.push_back(now);
            self.notified = Some(status);
            return Some(Decision::Notify);
        }
        if watching || self.outdates(status) {
            self.notified = None;
            return Some(Decision::Withdraw);
        }
        None
    }

    /// Whether the last notification is wrong now. "VPN déconnecté" is true of everything that is out of reach.
    fn outdates(&self, status: VpnStatus) -> bool {
        match self.notified {
            None => false,
            Some(VpnStatus::Disconnected) => status.reaches_intranet() != Some(false),
            Some(notified) => notified != status,
        }
    }

    /// Returns the uptime until which [`BURST`] forbids another notification, if it does.
    fn throttled_until(&self) -> Option<Duration> {
        let nth = self.recent.len().checked_sub(BURST)?;
        self.recent.get(nth).map(|at| *at + BURST_WINDOW)
    }
}

/// Whether a status is worth a notification; the others are transitional.
fn is_notable(status: VpnStatus) -> bool {
    !matches!(status, VpnStatus::Unknown | VpnStatus::Connecting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use VpnStatus::{Captive, Connected, Connecting, Disconnected, Offline, OnSite, Stalled, Unknown};
    use proptest::prelude::*;

    const TIME_TO_VISIBLE: Duration = Duration::from_secs(5);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Returns the decision about each status, if each lasts for ten minutes.
    fn decisions(statuses: &[VpnStatus]) -> Vec<Option<Decision>> {
        let mut policy = NotificationPolicy::new(TIME_TO_VISIBLE);
        let decisions = statuses.iter().zip(0..).map(|(status, index)| {
            let from = at(600 * index);
            assert_eq!(
                policy.decide(*status, from, from + TIME_TO_VISIBLE - Duration::from_millis(1), false),
                None,
                "too early"
            );
            let decision = policy.decide(*status, from, from + TIME_TO_VISIBLE, false);
            assert_eq!(policy.decide(*status, from, from + at(60), false), None, "decided twice");
            assert_eq!(policy.next_wake(*status, from), None);
            decision
        });
        decisions.collect()
    }

    const NOTIFY: Option<Decision> = Some(Decision::Notify);
    const WITHDRAW: Option<Decision> = Some(Decision::Withdraw);

    #[test]
    fn losses_and_recoveries_are_notified() {
        // At the start there is nothing to be lost.
        assert_eq!(decisions(&[Disconnected, Connected]), [None, NOTIFY]);
        assert_eq!(decisions(&[Connected, Disconnected, Connected]), [None, NOTIFY, NOTIFY]);
        // The same loss is not notified again, but "no network" is withdrawn.
        assert_eq!(decisions(&[Connected, Offline, Disconnected, Connected]), [None, NOTIFY, WITHDRAW, NOTIFY]);
        assert_eq!(decisions(&[Connected, Stalled, Connected]), [None, NOTIFY, NOTIFY]);
        assert_eq!(decisions(&[Connected, Stalled, Disconnected, Offline]), [None, NOTIFY, NOTIFY, None]);
        assert_eq!(decisions(&[Offline, Captive, Disconnected]), [None, NOTIFY, WITHDRAW]);
        // Transitional statuses are not notified.
        assert_eq!(decisions(&[Connected, Unknown, Connecting, Connected]), [None, None, None, None]);
        // On site is not notified either; the earlier notification is withdrawn.
        assert_eq!(decisions(&[Connected, Disconnected, OnSite]), [None, NOTIFY, WITHDRAW]);
        assert_eq!(decisions(&[OnSite, Disconnected]), [None, NOTIFY]);
    }

    #[test]
    fn a_status_that_does_not_last_is_not_notified() {
        let mut policy = NotificationPolicy::new(TIME_TO_VISIBLE);
        policy.decide(Connected, at(0), at(5), false);
        assert_eq!(policy.next_wake(Disconnected, at(100)), Some(at(105)));
        assert_eq!(policy.decide(Disconnected, at(100), at(104), false), None);
        assert_eq!(policy.decide(Connected, at(104), at(109), false), None);
        assert_eq!(policy.decide(Disconnected, at(200), at(205), false), NOTIFY);
    }

    #[test]
    fn nothing_is_notified_while_the_user_watches_the_panel() {
        let mut policy = NotificationPolicy::new(TIME_TO_VISIBLE);
        policy.decide(Connected, at(0), at(5), false);
        assert_eq!(policy.decide(Disconnected, at(10), at(15), true), WITHDRAW);
        // The panel is closed: the user knows already.
        assert_eq!(policy.decide(Disconnected, at(10), at(20), false), None);
    }

    #[test]
    fn a_user_who_asks_is_notified_at_once() {
        let mut policy = NotificationPolicy::new(TIME_TO_VISIBLE);
        assert_eq!(policy.decide(Captive, at(0), at(5), false), NOTIFY);
        for (status, from) in [(Captive, 10), (Captive, 20), (OnSite, 30), (Disconnected, 40), (Disconnected, 50)] {
            policy.ask();
            assert_eq!(policy.decide(Unknown, at(from), at(from), false), None);
            assert_eq!(policy.decide(status, at(from + 1), at(from + 1), false), NOTIFY);
            assert_eq!(policy.decide(status, at(from + 1), at(from + 9), false), None);
        }
    }

    #[test]
    fn a_flapping_connection_is_notified_four_times_then_once_later() {
        let mut policy = NotificationPolicy::new(TIME_TO_VISIBLE);
        policy.decide(Connected, at(0), at(5), false);
        for (status, from) in [(Stalled, 10), (Connected, 20), (Stalled, 30), (Connected, 40)] {
            assert_eq!(policy.decide(status, at(from), at(from + 5), false), NOTIFY);
        }
        // One too many to be notified, but "VPN connecté" is withdrawn.
        assert_eq!(policy.decide(Stalled, at(50), at(55), false), WITHDRAW);
        assert_eq!(policy.next_wake(Stalled, at(50)), Some(at(15 + 300)));
        // Back before then: nothing has changed for the user.
        assert_eq!(policy.decide(Connected, at(60), at(65), false), None);
        assert_eq!(policy.decide(Stalled, at(70), at(315), false), NOTIFY);
    }

    proptest! {
        #[test]
        fn never_early_never_twice_never_a_burst(
            changes in proptest::collection::vec((0..VpnStatus::ALL.len(), 0_u64..40, any::<bool>()), 1..200)
        ) {
            let mut policy = NotificationPolicy::new(TIME_TO_VISIBLE);
            let (mut now, mut notified): (u64, Vec<(u64, VpnStatus)>) = (0, Vec::new());
            for (index, lasts, watching) in changes {
                let (status, from) = (VpnStatus::ALL[index], now);
                let mut here = 0;
                for second in from..=from + lasts {
                    let before = policy.next_wake(status, at(from));
                    let decision = policy.decide(status, at(from), at(second), watching);
                    prop_assert_eq!(decision.is_some() || policy.next_wake(status, at(from)) != before, before.is_some_and(|wake| wake <= at(second)));
                    if decision == NOTIFY {
                        prop_assert!(!watching && second >= from + 5);
                        notified.push((second, status));
                        here += 1;
                    }
                }
                prop_assert!(here <= 1);
                now = from + lasts;
            }
            for five in notified.windows(BURST + 1) {
                prop_assert!(five[BURST].0 - five[0].0 >= BURST_WINDOW.as_secs());
            }
        }
    }
}
