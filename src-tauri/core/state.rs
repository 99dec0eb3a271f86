//! The state of the program, and what follows from it.

use super::history::History;
use super::message::{
    Action, Battery, DriveMount, DriveState, Effect, Host, Notification, PanelView, Printers, Reading, SensorRequest,
    Wapt,
};
use super::vpn::{NotificationPolicy, Reason, Tracker, VpnStatus};
use super::welcome::{self, WelcomeState};
use super::{Now, connect, helpdesk, shutdown};
use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use vigie_profile::{Id, IntranetHost, Problem, Profile, Site};

/// How often an open panel shows the picture of today anew, at least.
const PICTURE_INTERVAL: SignedDuration = SignedDuration::from_secs(5 * 60);

/// Things whose uses are counted, at most.
const MAX_COUNTED: usize = 100;

/// Uses of one thing at which all counts are halved.
const MAX_USES: u16 = 100;

/// All that Vigie knows at one moment. One task owns it; the views show it.
#[derive(Debug, Clone)]
pub struct State {
    /// The guide and the configuration.
    pub profile: Arc<Profile>,
    /// What is wrong with the configuration files.
    pub problems: Arc<[Problem]>,
    /// The moment of the last change.
    pub now: Now,
    /// The VPN's evidence and status.
    pub vpn: Tracker,
    /// The reminders of the automatic shutdown.
    pub shutdown: shutdown::Planner,
    /// Whether the helpdesk is open.
    pub helpdesk: helpdesk::Helpdesk,
    /// The attempt to connect.
    pub connect: connect::ConnectState,
    /// Name and version of the VPN client.
    pub client_version: Option<String>,
    /// The site that Cisco's files name.
    pub found_site: Option<Id>,
    /// Facts about the machine.
    pub host: Option<Arc<Host>>,
    /// The network drives.
    pub drives: Reading<Vec<DriveState>>,
    /// The installed printers.
    pub printers: Reading<Printers>,
    /// The servers of the user's drives and printers; `None` until they are read.
    pub servers: Option<Vec<IntranetHost>>,
    /// What WAPT's agent reports.
    pub wapt: Reading<Wapt>,
    /// The battery, if there is one.
    pub battery: Reading<Option<Battery>>,
    /// Whether Vigie starts with the session.
    pub autostart: bool,
    /// Whether the panel's window is open.
    pub panel_open: bool,
    /// Whether the panel's window has the keyboard focus. An open window may be minimised, or behind others.
    pub panel_focused: bool,
    /// Whether the user has asked for a check whose answers are awaited.
    pub checking: bool,
    /// Whether the panel's facts are unfolded.
    pub facts_unfolded: bool,
    /// What the user is asked just now.
    pub question: Option<Question>,
    /// The uptime at which the question whether to switch the computer off was asked.
    pub(super) shutdown_asked: Duration,
    /// The cards of the first start, while they are shown.
    pub welcome: Option<WelcomeState>,
    /// The view that the user asked for last since the panel opened, and how many were asked for.
    pub view_asked: Option<(u32, PanelView)>,
    /// The statuses of the last days.
    pub history: History,
    /// The uptime at which they were saved last.
    pub(super) history_saved: Duration,
    /// How often each action was used, by [`Action::usage_key`].
    pub(super) uses: BTreeMap<String, u16>,
    pub(super) saved: SavedState,
    pub(super) policy: NotificationPolicy,
    pub(super) helpdesk_changes: Option<ZonedDateTime>,
    /// The last answer to what the user did, and its number.
    pub answer: Option<(u32, Notification)>,
    /// Whether the intranet was reachable when that was last known.
    pub(super) reached: Option<bool>,
    /// The reminder that is shown.
    pub reminded: Option<shutdown::Reminder>,
    /// Whether to open the window for connecting after sleep if the VPN is no longer connected.
    pub(super) reconnect: bool,
    /// The uptime at which the machine announced its sleep.
    pub(super) asleep: Option<Duration>,
    /// The uptime at which the panel shows the last reminder, which nobody has answered.
    pub(super) unanswered_until: Option<Duration>,
    /// Whether a tray host shows the icon; `None` if unknown.
    pub tray_host: Option<bool>,
    pub(super) notifications: bool,
}

/// A question to the user, in a notification and in the panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Switch the computer off now?
    ShutDown,
    /// Which site?
    Site,
    /// Delete what the keyring holds?
    ForgetCredentials,
}

impl State {
    /// Returns the state at the start of the program. `seed` spreads the probes of a fleet over time.
    pub fn new(profile: Arc<Profile>, problems: Arc<[Problem]>, saved: SavedState, seed: u64, now: Now) -> State {
        State {
            vpn: Tracker::new(&profile.vpn, seed, &now),
            shutdown: shutdown::Planner::new(&profile.shutdown, saved.shutdown.clone()),
            helpdesk: helpdesk::state(&profile, &now.wall),
            helpdesk_changes: helpdesk::next_change(&profile, &now.wall),
            answer: None,
            policy: NotificationPolicy::new(time_to_visible(&profile)),
            connect: connect::ConnectState::new(saved.connect.clone()),
            reconnect: false,
            client_version: None,
            found_site: None,
            host: None,
            drives: Reading::Pending,
            printers: Reading::Pending,
            servers: None,
            wapt: Reading::Pending,
            battery: Reading::Pending,
            autostart: false,
            panel_open: false,
            panel_focused: false,
            checking: false,
            facts_unfolded: false,
            question: None,
            shutdown_asked: Duration::ZERO,
            welcome: None,
            view_asked: None,
            reached: None,
            reminded: None,
            asleep: None,
            unanswered_until: None,
            tray_host: None,
            notifications: true,
            history: saved.history.clone(),
            history_saved: now.uptime,
            uses: saved.uses.clone(),
            saved,
            profile,
            problems,
            now,
        }
    }

    /// Whether the user has the panel before them, so that what it shows needs no notification.
    pub(super) fn is_panel_watched(&self) -> bool {
        self.panel_open && self.panel_focused
    }

    /// Returns the user's site: the one chosen by the user or the administrator, else the one that Cisco's files name.
    pub fn site(&self) -> Option<&Site> {
        let found = || self.profile.sites.iter().find(|site| Some(&site.id) == self.found_site.as_ref());
        self.profile.site().or_else(found)
    }

    /// Whether the drives and the business applications are reachable; `None` if unknown.
    pub fn reaches_intranet(&self) -> Option<bool> {
        self.vpn.status().reaches_intranet()
    }

    /// Whether every sensor has reported what it was asked for at the start, even if only that it cannot be read.
    pub fn has_initial_readings(&self) -> bool {
        self.vpn.reason() != Reason::Checking
            && self.vpn.status() != VpnStatus::Connecting
            && !self.vpn.is_probing()
            && self.host.is_some()
            && self.drives != Reading::Pending
            && self.printers != Reading::Pending
            && self.servers.is_some()
            && self.wapt != Reading::Pending
            && self.battery != Reading::Pending
    }

    /// Returns how a drive of the profile is mounted.
    pub fn drive(&self, letter: char) -> Option<&DriveMount> {
        let Reading::Known(drives) = &self.drives else { return None };
        drives.iter().find(|drive| drive.letter == letter).map(|drive| &drive.mount)
    }

    /// Discards evidence that may be out of date: nothing is claimed until the sensors have read it again.
    pub(super) fn invalidate(&mut self, effects: &mut Vec<Effect>) {
        let now = self.now.clone();
        self.vpn.reset(&now);
        self.refresh_helpdesk();
        if self.asleep.is_none() {
            effects.push(Effect::Request(SensorRequest::Links));
        }
    }

    /// Computes the helpdesk's hours for the present moment.
    pub(super) fn refresh_helpdesk(&mut self) {
        self.helpdesk = helpdesk::state(&self.profile, &self.now.wall);
        self.helpdesk_changes = helpdesk::next_change(&self.profile, &self.now.wall);
    }

    /// Returns when to send the next [`Event::Tick`](super::message::Event::Tick).
    pub fn next_wake(&self) -> Option<Timestamp> {
        let now = &self.now;
        let policy = self.policy.next_wake(self.vpn.status(), self.vpn.since_uptime());
        let lasting = [self.vpn.next_wake(), policy, self.connect.tunnel_due(), self.unanswered_until]
            .into_iter()
            .flatten()
            .min();
        let lasting = lasting.and_then(|at| {
            let ahead = SignedDuration::try_from(at.saturating_sub(now.uptime)).ok()?;
            now.wall.timestamp().checked_add(ahead).ok()
        });
        let lasting = if self.asleep.is_some() { None } else { lasting };
        let reminder = self.shutdown.next_wake(now);
        // At these moments only texts change: the next shutdown, the helpdesk's hours, "hier" and "demain".
        let shutdown = self.shutdown.next_shutdown(now).map(|at| at.timestamp());
        let helpdesk = self.helpdesk_changes.as_ref().map(ZonedDateTime::timestamp);
        let midnight = now.wall.tomorrow().and_then(|day| day.start_of_day()).ok().map(|day| day.timestamp());
        let connect = self.connect.next_wake(now, &self.profile.vpn);
        // The picture of today moves on.
        let picture = now.wall.timestamp().checked_add(PICTURE_INTERVAL).ok().filter(|_| self.panel_open);
        [lasting, reminder, shutdown, helpdesk, midnight, connect, picture].into_iter().flatten().min()
    }

    /// Returns what to do at the start.
    pub fn begin(&mut self) -> Vec<Effect> {
        let mut effects = vec![Effect::Request(SensorRequest::Links), Effect::Request(SensorRequest::Host)];
        if !self.problems.is_empty() {
            effects.push(Effect::Notify(Notification::ConfigBroken));
        }
        welcome::begin(self, &mut effects);
        effects
    }
}

/// Warnings.
impl State {
    /// Returns the days since the last start if they exceed the profile's threshold.
    pub fn long_uptime(&self) -> Option<u32> {
        let days = u32::try_from(self.now.uptime.as_secs() / 86_400).ok()?;
        (days > self.profile.panel.warn_uptime_days).then_some(days)
    }

    /// Returns the free space of the system disk in percent if it is below the profile's threshold.
    pub fn disk_low(&self) -> Option<u8> {
        let Reading::Known(space) = self.host.as_ref()?.disk else { return None };
        let percent = u8::try_from(space.free.saturating_mul(100).checked_div(space.total)?).ok()?;
        (percent < self.profile.panel.warn_disk_free_percent).then_some(percent)
    }

    /// Whether to lay the badge over the icon. The status has its own shapes, a missing site is asked for, and a
    /// disconnected drive comes back when it is opened.
    pub fn badge(&self) -> bool {
        !self.problems.is_empty() || self.disk_low().is_some() || self.long_uptime().is_some()
    }
}

/// Uses.
impl State {
    /// Returns how often an action was used.
    pub fn uses(&self, action: &Action) -> u16 {
        action.usage_key().and_then(|key| self.uses.get(&key).copied()).unwrap_or(0)
    }

    /// Counts a use. Old habits fade: all counts are halved when one reaches its limit.
    pub(super) fn count_use(&mut self, action: &Action) {
        let Some(key) = action.usage_key() else { return };
        if !self.uses.contains_key(&key) && self.uses.len() >= MAX_COUNTED {
            return;
        }
        let uses = self.uses.entry(key).or_default();
        *uses += 1;
        if *uses >= MAX_USES {
            self.uses.values_mut().for_each(|uses| *uses /= 2);
            self.uses.retain(|_, uses| *uses > 0);
        }
    }
}

/// Available actions.
impl State {
    /// Whether to offer connecting: no attempt is under way, the intranet is not known to be reachable, and connecting is
    /// not known to be useless (a local network has the same addresses) or unsafe (another machine has the gateway's place).
    ///
    /// `Offline` and `Captive` count as well: the network may be back before the evidence shows it, and an attempt that
    /// fails says why.
    pub fn offers_connect(&self) -> bool {
        if self.connect.is_attempting() {
            return false;
        }
        match self.vpn.status() {
            VpnStatus::Disconnected => self.vpn.reason() != Reason::PinMismatch,
            VpnStatus::Stalled => self.vpn.reason() != Reason::AddressConflict,
            VpnStatus::Captive | VpnStatus::Unknown | VpnStatus::Offline => true,
            VpnStatus::Connecting | VpnStatus::Connected | VpnStatus::OnSite => false,
        }
    }

    /// Whether to offer disconnecting: a tunnel exists or is about to appear, and either Vigie's client opened it or
    /// Cisco's command line is available to close it.
    pub fn offers_disconnect(&self) -> bool {
        // With the status "disconnected" the tunnel belongs to another VPN.
        let tunnel = self.vpn.links().is_some_and(|links| links.tunnel().is_some());
        self.connect.can_disconnect(tunnel && self.vpn.status() != VpnStatus::Disconnected)
    }
}

/// Returns how long a status must last before it is notified.
pub(super) fn time_to_visible(profile: &Profile) -> Duration {
    Duration::from_secs(profile.vpn.hold_seconds.into())
}

/// State saved across restarts of Vigie.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedState {
    /// Which reminders of the shutdown were shown or silenced.
    pub shutdown: shutdown::ReminderHistory,
    /// Whether the cards of the first start were shown.
    pub welcomed: bool,
    /// Whether the user was asked for the site, which happens once.
    pub asked_site: bool,
    /// Refused passcodes.
    pub connect: connect::AttemptHistory,
    /// How often each action was used, by [`Action::usage_key`]; the search ranks frequent ones first.
    pub uses: BTreeMap<String, u16>,
    /// The statuses of the last days.
    pub history: History,
}
