//! The state of the program, and what follows from it.

use super::message::{
    Battery, DriveMount, DriveState, Effect, Host, Notification, Printers, Reading, SensorRequest, Wapt,
};
use super::vpn::{NotificationPolicy, Tracker, VpnStatus};
use super::{Now, connect, helpdesk, shutdown};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use vigie_profile::{Id, Problem, Profile, Site};

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
    pub printers: Reading<Printers>,
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
    pub(super) welcoming: bool,
    pub(super) memory: SavedState,
    pub(super) policy: NotificationPolicy,
    pub(super) helpdesk_changes: Option<ZonedDateTime>,
    /// The last answer to what the user did, and how many there were.
    pub answer: Option<(u32, Notification)>,
    /// Whether the inside was within reach when that was last known.
    pub(super) reached: Option<bool>,
    /// The reminder that stands on the screen.
    pub reminded: Option<shutdown::Reminder>,
    /// The VPN was connected when the machine fell asleep, and the window for connecting shall open if it no longer is.
    pub(super) reconnect: bool,
    /// The uptime at which the machine said that it is about to sleep.
    pub(super) asleep: Option<Duration>,
    pub(super) tray_host: Option<bool>,
    pub(super) notifications: bool,
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
        let lasting = [self.vpn.next_wake(), policy, self.connect.tunnel_due()].into_iter().flatten().min();
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

/// What the user can ask for now.
impl State {
    /// Whether connecting makes sense now.
    pub fn can_connect(&self) -> bool {
        if self.connect.is_busy() {
            return false;
        }
        match self.vpn.status() {
            VpnStatus::Disconnected
            | VpnStatus::Stalled
            | VpnStatus::Captive
            | VpnStatus::Unknown
            | VpnStatus::Offline => true,
            VpnStatus::Connecting | VpnStatus::Connected | VpnStatus::OnSite => false,
        }
    }

    /// Whether there is a tunnel that Vigie can end: its own, or one of Cisco's.
    pub fn can_disconnect(&self) -> bool {
        // With the status "disconnected" the tunnel belongs to another VPN.
        let tunnel = self.vpn.links().is_some_and(|links| links.tunnel().is_some());
        self.connect.can_disconnect(tunnel && self.vpn.status() != VpnStatus::Disconnected)
    }
}

pub(super) fn time_to_visible(profile: &Profile) -> Duration {
    Duration::from_secs(profile.vpn.hold_seconds.into())
}

/// What survives a restart of Vigie.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedState {
    /// Reminders of the shutdown: what was shown, what was put off.
    pub shutdown: shutdown::ReminderHistory,
    /// Whether the panel was shown at a first run.
    pub welcomed: bool,
    /// Whether the user was asked for the site (once is enough).
    pub asked_site: bool,
    /// Wrong passcodes.
    pub connect: connect::AttemptHistory,
}
