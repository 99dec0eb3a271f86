//! When the user is told of a verdict: it must have held, matter, and not have been said already.

use super::Verdict;
use std::collections::VecDeque;
use std::time::Duration;

/// So many notifications in [`WINDOW`] are enough; a line that flaps must not shout.
const BURST: usize = 4;
/// See [`BURST`].
const WINDOW: Duration = Duration::from_secs(300);

/// What comes of a verdict that has held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Say it.
    Tell,
    /// What was said before is out of date: take it back.
    Withdraw,
}

/// Remembers what the user knows.
#[derive(Debug, Clone)]
pub struct Telling {
    hold: Duration,
    /// The last verdict that held and meant something.
    settled: Option<Verdict>,
    recent: VecDeque<Duration>,
}

impl Telling {
    /// Nothing said yet; a verdict must hold for so long.
    pub fn new(hold: Duration) -> Telling {
        Telling { hold, settled: None, recent: VecDeque::new() }
    }

    /// The profile has changed: a verdict must hold for so long from now on.
    pub fn set_hold(&mut self, hold: Duration) {
        self.hold = hold;
    }

    /// When to ask again, for a verdict that stands since `held_from`.
    pub fn next_wake(&self, verdict: Verdict, held_from: Duration) -> Option<Duration> {
        if !speaks(verdict) || self.settled == Some(verdict) {
            return None;
        }
        let held = held_from + self.hold;
        Some(self.throttled_until().map_or(held, |free| held.max(free)))
    }

    /// What to say of a verdict that stands since `held_from`. `watching`: the user has the panel before their eyes, and
    /// needs no notification.
    pub fn word(&mut self, verdict: Verdict, held_from: Duration, now: Duration, watching: bool) -> Option<Word> {
        if now < self.next_wake(verdict, held_from)? {
            return None;
        }
        let before = self.settled.replace(verdict);
        let reached = before.and_then(Verdict::reaches_inside);
        let tell = match verdict {
            Verdict::Unknown | Verdict::Connecting | Verdict::OnSite => false,
            Verdict::Connected => reached == Some(false),
            // One loss is told once, whatever it turns into.
            Verdict::Disconnected | Verdict::Offline => reached == Some(true) || before == Some(Verdict::Stalled),
            Verdict::Stalled | Verdict::Captive => true,
        };
        if tell && !watching {
            self.recent.retain(|at| now < *at + WINDOW);
            self.recent.push_back(now);
            return Some(Word::Tell);
        }
        (verdict.reaches_inside() == Some(true) || watching).then_some(Word::Withdraw)
    }

    fn throttled_until(&self) -> Option<Duration> {
        let nth = self.recent.len().checked_sub(BURST)?;
        self.recent.get(nth).map(|at| *at + WINDOW)
    }
}

/// Whether a verdict says where the user stands (the others are on the way).
fn speaks(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Unknown | Verdict::Connecting)
}
