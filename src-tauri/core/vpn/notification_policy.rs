//! When the user is told of a verdict: it must have held, matter, and not have been said already.

use super::VpnStatus;
use std::collections::VecDeque;
use std::time::Duration;

/// So many notifications in [`WINDOW`] are enough; a line that flaps must not shout.
const BURST: usize = 4;
/// See [`BURST`].
const WINDOW: Duration = Duration::from_secs(300);

/// What comes of a verdict that has held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Say it.
    Notify,
    /// What was said before is out of date: take it back.
    Withdraw,
}

/// Remembers what the user knows.
#[derive(Debug, Clone)]
pub struct NotificationPolicy {
    time_to_visible: Duration,
    /// The last verdict that held and meant something.
    settled: Option<VpnStatus>,
    /// What was said last, and not taken back.
    said: Option<VpnStatus>,
    /// Whether the user waits for an answer.
    asked: bool,
    recent: VecDeque<Duration>,
}

impl NotificationPolicy {
    /// Nothing said yet; a verdict must time_to_visible for so long.
    pub fn new(time_to_visible: Duration) -> NotificationPolicy {
        NotificationPolicy { time_to_visible, settled: None, said: None, asked: false, recent: VecDeque::new() }
    }

    /// The profile has changed: a verdict must time_to_visible for so long from now on.
    pub fn set_time_to_visible(&mut self, time_to_visible: Duration) {
        self.time_to_visible = time_to_visible;
    }

    /// The user wants to know: the next verdict is said at once, whatever it is.
    pub fn ask(&mut self) {
        self.asked = true;
    }

    /// When to ask again, for a verdict that stands since `status_since`.
    pub fn next_wake(&self, verdict: VpnStatus, status_since: Duration) -> Option<Duration> {
        if is_notable(verdict) && self.asked {
            return Some(status_since);
        }
        if !is_notable(verdict) || self.settled == Some(verdict) {
            return None;
        }
        let held = status_since + self.time_to_visible;
        // What is wrong by now is taken back in any case.
        let free = self.throttled_until().filter(|_| !self.outdates(verdict));
        Some(free.map_or(held, |free| held.max(free)))
    }

    /// What to say of a verdict that stands since `status_since`. `watching`: the user has the panel before their eyes, and
    /// needs no notification.
    pub fn decide(
        &mut self,
        verdict: VpnStatus,
        status_since: Duration,
        now: Duration,
        watching: bool,
    ) -> Option<Decision> {
        if now < self.next_wake(verdict, status_since)? {
            return None;
        }
        let asked = std::mem::take(&mut self.asked);
        if !asked && self.throttled_until().is_some_and(|free| now < free) {
            self.said = None;
            return Some(Decision::Withdraw);
        }
        let before = self.settled.replace(verdict);
        let reached = before.and_then(VpnStatus::reaches_inside);
        let tell = match verdict {
            VpnStatus::Unknown | VpnStatus::Connecting | VpnStatus::OnSite => false,
            VpnStatus::Connected => reached == Some(false),
            // One loss is told once, whatever it turns into.
            VpnStatus::Disconnected | VpnStatus::Offline => reached == Some(true) || before == Some(VpnStatus::Stalled),
            VpnStatus::Stalled | VpnStatus::Captive => true,
        };
        if (tell || asked) && !watching {
            self.recent.retain(|at| now < *at + WINDOW);
            self.recent.push_back(now);
            self.said = Some(verdict);
            return Some(Decision::Notify);
        }
        if watching || self.outdates(verdict) {
            self.said = None;
            return Some(Decision::Withdraw);
        }
        None
    }

    /// Whether what was said last is wrong now. "VPN déconnecté" is true of everything that is out of reach.
    fn outdates(&self, verdict: VpnStatus) -> bool {
        match self.said {
            None => false,
            Some(VpnStatus::Disconnected) => verdict.reaches_inside() != Some(false),
            Some(said) => said != verdict,
        }
    }

    fn throttled_until(&self) -> Option<Duration> {
        let nth = self.recent.len().checked_sub(BURST)?;
        self.recent.get(nth).map(|at| *at + WINDOW)
    }
}

/// Whether a verdict says where the user stands (the others are on the way).
fn is_notable(verdict: VpnStatus) -> bool {
    !matches!(verdict, VpnStatus::Unknown | VpnStatus::Connecting)
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

    /// Each verdict stands for ten minutes; what is said of it.
    fn story(verdicts: &[VpnStatus]) -> Vec<Option<Decision>> {
        let mut telling = NotificationPolicy::new(TIME_TO_VISIBLE);
        let words = verdicts.iter().zip(0..).map(|(verdict, index)| {
            let from = at(600 * index);
            assert_eq!(
                telling.decide(*verdict, from, from + TIME_TO_VISIBLE - Duration::from_millis(1), false),
                None,
                "too early"
            );
            let word = telling.decide(*verdict, from, from + TIME_TO_VISIBLE, false);
            assert_eq!(telling.decide(*verdict, from, from + at(60), false), None, "said twice");
            assert_eq!(telling.next_wake(*verdict, from), None);
            word
        });
        words.collect()
    }

    const NOTIFY: Option<Decision> = Some(Decision::Notify);
    const WITHDRAW: Option<Decision> = Some(Decision::Withdraw);

    #[test]
    fn what_the_user_is_told() {
        // At the start there is nothing to be lost.
        assert_eq!(story(&[Disconnected, Connected]), [None, NOTIFY]);
        assert_eq!(story(&[Connected, Disconnected, Connected]), [None, NOTIFY, NOTIFY]);
        // The same loss is not told again, but there is a network now.
        assert_eq!(story(&[Connected, Offline, Disconnected, Connected]), [None, NOTIFY, WITHDRAW, NOTIFY]);
        assert_eq!(story(&[Connected, Stalled, Connected]), [None, NOTIFY, NOTIFY]);
        assert_eq!(story(&[Connected, Stalled, Disconnected, Offline]), [None, NOTIFY, NOTIFY, None]);
        assert_eq!(story(&[Offline, Captive, Disconnected]), [None, NOTIFY, WITHDRAW]);
        // On the way from one to the other nothing is said.
        assert_eq!(story(&[Connected, Unknown, Connecting, Connected]), [None, None, None, None]);
        // On site there is nothing to say; what stood is taken back.
        assert_eq!(story(&[Connected, Disconnected, OnSite]), [None, NOTIFY, WITHDRAW]);
        assert_eq!(story(&[OnSite, Disconnected]), [None, NOTIFY]);
    }

    #[test]
    fn what_does_not_last_is_not_told() {
        let mut telling = NotificationPolicy::new(TIME_TO_VISIBLE);
        telling.decide(Connected, at(0), at(5), false);
        assert_eq!(telling.next_wake(Disconnected, at(100)), Some(at(105)));
        assert_eq!(telling.decide(Disconnected, at(100), at(104), false), None);
        assert_eq!(telling.decide(Connected, at(104), at(109), false), None);
        assert_eq!(telling.decide(Disconnected, at(200), at(205), false), NOTIFY);
    }

    #[test]
    fn with_the_panel_before_their_eyes_the_user_needs_no_notification() {
        let mut telling = NotificationPolicy::new(TIME_TO_VISIBLE);
        telling.decide(Connected, at(0), at(5), false);
        assert_eq!(telling.decide(Disconnected, at(10), at(15), true), WITHDRAW);
        // The panel is closed: they know already.
        assert_eq!(telling.decide(Disconnected, at(10), at(20), false), None);
    }

    #[test]
    fn who_asks_is_answered_at_once() {
        let mut telling = NotificationPolicy::new(TIME_TO_VISIBLE);
        assert_eq!(telling.decide(Captive, at(0), at(5), false), NOTIFY);
        for (verdict, from) in [(Captive, 10), (Captive, 20), (OnSite, 30), (Disconnected, 40), (Disconnected, 50)] {
            telling.ask();
            assert_eq!(telling.decide(Unknown, at(from), at(from), false), None);
            assert_eq!(telling.decide(verdict, at(from + 1), at(from + 1), false), NOTIFY);
            assert_eq!(telling.decide(verdict, at(from + 1), at(from + 9), false), None);
        }
    }

    #[test]
    fn a_line_that_flaps_is_told_four_times_then_its_last_word_later() {
        let mut telling = NotificationPolicy::new(TIME_TO_VISIBLE);
        telling.decide(Connected, at(0), at(5), false);
        for (verdict, from) in [(Stalled, 10), (Connected, 20), (Stalled, 30), (Connected, 40)] {
            assert_eq!(telling.decide(verdict, at(from), at(from + 5), false), NOTIFY);
        }
        // Too much to be told, but "VPN connecté" cannot stand.
        assert_eq!(telling.decide(Stalled, at(50), at(55), false), WITHDRAW);
        assert_eq!(telling.next_wake(Stalled, at(50)), Some(at(15 + 300)));
        // Back before then: nothing has changed for the user.
        assert_eq!(telling.decide(Connected, at(60), at(65), false), None);
        assert_eq!(telling.decide(Stalled, at(70), at(315), false), NOTIFY);
    }

    proptest! {
        #[test]
        fn never_early_never_twice_never_a_burst(
            changes in proptest::collection::vec((0..VpnStatus::ALL.len(), 0_u64..40, any::<bool>()), 1..200)
        ) {
            let mut telling = NotificationPolicy::new(TIME_TO_VISIBLE);
            let (mut now, mut told): (u64, Vec<(u64, VpnStatus)>) = (0, Vec::new());
            for (index, lasts, watching) in changes {
                let (verdict, from) = (VpnStatus::ALL[index], now);
                let mut here = 0;
                for second in from..=from + lasts {
                    let before = telling.next_wake(verdict, at(from));
                    let word = telling.decide(verdict, at(from), at(second), watching);
                    prop_assert_eq!(word.is_some() || telling.next_wake(verdict, at(from)) != before, before.is_some_and(|wake| wake <= at(second)));
                    if word == NOTIFY {
                        prop_assert!(!watching && second >= from + 5);
                        told.push((second, verdict));
                        here += 1;
                    }
                }
                prop_assert!(here <= 1);
                now = from + lasts;
            }
            for five in told.windows(BURST + 1) {
                prop_assert!(five[BURST].0 - five[0].0 >= WINDOW.as_secs());
            }
        }
    }
}
