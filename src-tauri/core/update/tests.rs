//! The state over time: events in, effects out.

use super::*;
use crate::digits::Digits;
use crate::fixture::{
    HOME, TUNNEL, correct, guide, home, known, now, probe, silent, standing, submission, with_tunnel,
};
use crate::helpdesk;
use crate::message::{
    Battery, Call, DriveState, HelpTopic, Host, PowerOffError, Printer, Printers, Reading, RequestId, Space, Wapt,
    WindowError,
};
use crate::state::{Question, SavedState};
use crate::vpn::{ClientState, Gateway, Links, Traffic, VpnStatus};
use crate::welcome::{WelcomeCard, WelcomeState};
use std::time::Duration;
use vigie_profile::Choice;
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
        restorable: false,
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

    /// The probe that is requested among the effects.
    fn probe(effects: &[Effect]) -> ProbeRequest {
        let request = effects.iter().find_map(|effect| {
            let Effect::Request(SensorRequest::Probe(request)) = effect else { return None };
            Some(request.clone())
        });
        request.expect("a probe was asked for")
    }

    /// Reports `links`, and a probe in which the intranet answers from the address `intranet`, or is silent.
    fn see(&mut self, links: Links, intranet: Option<std::net::IpAddr>, time: &str) -> Vec<Effect> {
        let asked = self.on(Event::Links(links), time);
        let witnesses = intranet.map_or_else(silent, correct);
        let probe = probe(State::probe(&asked).id, witnesses, Some(Gateway::Answered));
        self.on(Event::Probed(probe), time)
    }

    /// A steady tunnel, about which the user has been notified already.
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
const READ_HOST: Effect = Effect::Request(SensorRequest::Host);

#[test]
fn first_start_shows_the_cards_once() {
    let mut state = stranger();
    assert_eq!(state.begin(), [LINKS, READ_HOST, Effect::ShowPanel]);
    let card = |state: &State| state.welcome.map(|welcome| welcome.card);
    assert_eq!(card(&state), Some(WelcomeCard::Vigie));
    // Seen once, they do not return, whenever Vigie ends.
    let seen = SavedState { welcomed: true, ..SavedState::default() };
    assert_eq!(state.on(Event::PanelOpen(true), "10:00"), [Effect::SaveState(seen)]);
    assert_eq!(state.on(Event::PanelOpen(true), "10:00"), []);
    for next in WelcomeCard::ALL.into_iter().rev() {
        state.asked(Action::ShowWelcome(next));
        assert_eq!(card(&state), Some(next));
    }
    assert_eq!(state.asked(Action::EndWelcome), []);
    assert_eq!(card(&state), None);
    state.asked(Action::ShowWelcome(WelcomeCard::Icon));
    assert_eq!(card(&state), None, "they are over");
    let saved = state.saved.clone();
    let mut next = State::new(guide(), [].into(), saved, 7, now("2026-11-24T11:00"));
    assert_eq!((next.begin(), next.welcome), (vec![LINKS, READ_HOST], None));
    assert_eq!(known().begin(), [LINKS, READ_HOST]);
}

#[test]
fn closed_window_ends_the_first_start_on_any_card() {
    for card in WelcomeCard::ALL {
        let mut state = stranger();
        state.begin();
        state.on(Event::PanelOpen(true), "10:00");
        state.asked(Action::ShowWelcome(card));
        state.on(Event::PanelOpen(false), "10:01");
        assert_eq!(state.welcome, None);
        assert!(state.saved.welcomed);
    }
}

#[test]
fn first_start_asks_for_the_site_on_its_card() {
    let mut state = stranger();
    state.begin();
    state.on(Event::PanelOpen(true), "10:00");
    assert_eq!(state.on(Event::SiteFound(None), "10:00"), []);
    let asked = SavedState { welcomed: true, asked_site: true, ..SavedState::default() };
    assert_eq!(state.asked(Action::ShowWelcome(WelcomeCard::Site)), [Effect::SaveState(asked)]);
    assert_eq!(
        state.asked(Action::Choose(Choice::Site("rouen".into()))),
        [Effect::Withdraw(Category::Program), Effect::SaveChoice(Choice::Site("rouen".into()))]
    );
    assert_eq!(state.question, None);
    assert_eq!(state.welcome, Some(WelcomeState { card: WelcomeCard::Site, site_chosen: true }));
}

#[test]
fn site_is_asked_for_after_the_first_start_unless_its_card_was_shown() {
    let end = |cards: &[WelcomeCard], event: Event| {
        let mut state = stranger();
        state.begin();
        state.on(Event::PanelOpen(true), "10:00");
        state.on(Event::SiteFound(None), "10:00");
        for card in cards {
            state.asked(Action::ShowWelcome(*card));
        }
        let effects = state.on(event, "10:01");
        let notified = effects.contains(&Effect::Notify(Notification::AskSite));
        assert_eq!(state.on(Event::SiteFound(None), "10:02"), [], "asked once");
        assert!(state.saved.asked_site);
        (state.question, notified)
    };
    let skipped = Event::Action(Action::EndWelcome);
    let closed = Event::PanelOpen(false);
    assert_eq!(end(&[], skipped.clone()), (Some(Question::Site), false), "the open panel asks");
    assert_eq!(end(&[], closed.clone()), (Some(Question::Site), true));
    let cards = [WelcomeCard::Site, WelcomeCard::Icon];
    assert_eq!(end(&cards, skipped), (None, false));
    assert_eq!(end(&cards, closed), (None, false));
}

#[test]
fn an_answer_is_not_notified_beside_the_panel_that_the_user_looks_at() {
    let copied = || Event::Copied(ClipboardContent::SupportInfo, Ok(()));
    let mut state = known();
    for (open, focused, notified) in [(false, false, true), (true, false, true), (true, true, false)] {
        let before = state.answer.as_ref().map_or(0, |(number, _)| *number);
        state.on(Event::PanelOpen(open), "10:00");
        state.on(Event::PanelFocused(focused), "10:00");
        let effects = state.on(copied(), "10:00");
        let answer = Notification::Copied(ClipboardContent::SupportInfo);
        let expected = if notified { Effect::Notify(answer.clone()) } else { Effect::Withdraw(Category::Answer) };
        assert_eq!(effects, [expected], "{open} {focused}");
        assert_eq!(state.answer, Some((before + 1, answer)));
    }
    // A question waits in both.
    assert!(state.asked(Action::ShutDown).contains(&Effect::Notify(Notification::ConfirmShutdown)));
}

#[test]
fn a_view_opens_each_time_it_is_asked_for() {
    let mut state = known();
    assert!(state.asked(Action::ShowSettings).contains(&Effect::ShowPanel));
    state.on(Event::PanelOpen(true), "10:00");
    assert_eq!(state.view_asked, Some((1, PanelView::Settings)));
    state.asked(Action::ShowSettings);
    assert_eq!(state.view_asked, Some((2, PanelView::Settings)));
    assert!(state.asked(Action::AskHelpdesk(Some(HelpTopic::Drives))).contains(&Effect::ShowPanel));
    assert_eq!(state.view_asked, Some((3, PanelView::HelpForm(Some(HelpTopic::Drives)))));
    state.on(Event::PanelOpen(false), "10:00");
    assert_eq!(state.view_asked, None, "the panel opens as usual the next time");
    state.asked(Action::ShowSettings);
    state.on(Event::WindowFailed(WindowKind::Panel, WindowError::EngineMissing), "10:00");
    assert_eq!(state.view_asked, None);
    // A user who looks for the settings has found the icon.
    let mut state = stranger();
    state.begin();
    state.on(Event::PanelOpen(true), "10:00");
    state.asked(Action::ShowSettings);
    assert_eq!((state.welcome, state.view_asked), (None, Some((1, PanelView::Settings))));
}

#[test]
fn host_is_read_again_when_the_intranet_comes_or_goes() {
    let mut state = known();
    assert!(state.begin().contains(&READ_HOST));
    let reads_host = |effects: Vec<Effect>| effects.contains(&READ_HOST);
    assert!(!reads_host(state.see(home(), None, "10:00")), "what is known so far was read a moment ago");
    assert!(reads_host(state.see(with_tunnel(home()), Some(TUNNEL), "10:01")));
    // In doubt meanwhile, and the same afterwards.
    assert!(!reads_host(state.on(Event::ClockChanged, "10:02")));
    assert_eq!(state.reaches_intranet(), None);
    assert!(!reads_host(state.see(with_tunnel(home()), Some(TUNNEL), "10:02")));
    assert!(reads_host(state.on(Event::Links(home()), "10:03")));
}

#[test]
fn notification_asks_for_the_site_if_the_panel_does_not() {
    let mut state = stranger();
    state.begin();
    state.on(Event::SiteFound(None), "10:00");
    let failed = WindowError::Failed("no screen".into());
    let effects = state.on(Event::WindowFailed(WindowKind::Panel, failed.clone()), "10:00");
    let asks = Notification::AskSite;
    assert_eq!(notified(&effects), [&asks, &Notification::WindowFailed(WindowKind::Panel, failed)]);
    assert_eq!((state.welcome, state.saved.welcomed), (None, true));

    let mut welcomed = stranger();
    assert_eq!(notified(&welcomed.on(Event::SiteFound(None), "10:00")), [&asks]);
}

#[test]
fn site_of_ciscos_files_applies_if_the_user_has_chosen_none() {
    let mut state = stranger();
    state.on(Event::SiteFound(None), "10:00");
    let effects = state.on(Event::SiteFound(Some("rouen".into())), "10:01");
    assert_eq!(effects, [LINKS, Effect::Withdraw(Category::Program)]);
    assert_eq!((state.site().map(|site| site.id.as_str()), state.question), (Some("rouen"), None));
    // The user's own choice takes precedence.
    let mut state = known();
    assert_eq!(state.on(Event::SiteFound(Some("rouen".into())), "10:00"), []);
    assert_eq!(state.site().map(|site| site.id.as_str()), Some("caen"));
}

#[test]
fn every_gateway_is_probed_until_the_site_is_known() {
    let gateways = |state: &mut State| -> Vec<String> {
        let effects = state.on(Event::Links(home()), "10:00");
        State::probe(&effects).gateways.into_iter().map(|gateway| gateway.host).collect()
    };
    assert_eq!(gateways(&mut stranger()), ["portailotp.ac-caen.fr", "api.ac-rouen.fr"]);
    assert_eq!(gateways(&mut known()), ["portailotp.ac-caen.fr"]);
    // The same intranet host of both sites is asked once; with a tunnel the gateway is not asked.
    let effects = stranger().on(Event::Links(with_tunnel(home())), "10:00");
    let hosts = guide().sites[0].intranet_hosts().collect::<Vec<_>>();
    assert_eq!((State::probe(&effects).hosts, State::probe(&effects).gateways), (hosts, vec![]));
}

#[test]
fn changed_site_discards_the_evidence() {
    let mut state = known().connected();
    let rouen = Profile { user: UserChoices { site: Some("rouen".into()) }, ..(*guide()).clone() };
    let rouen = Arc::new(rouen);
    let effects = state.on(Event::Profile(rouen.clone(), [].into()), "10:01");
    assert_eq!(effects, [Effect::Request(SensorRequest::Profile(rouen)), LINKS]);
    assert_eq!(state.vpn.status(), VpnStatus::Unknown);
    assert_eq!(State::probe(&state.on(Event::Links(home()), "10:01")).gateways[0].host, "api.ac-rouen.fr");
}

#[test]
fn profile_with_the_same_vpn_settings_keeps_the_status() {
    let mut state = known().connected();
    let profile = state.profile.clone();
    assert_eq!(
        state.on(Event::Profile(profile.clone(), problems()), "10:01"),
        [Effect::Notify(Notification::ConfigBroken), Effect::Request(SensorRequest::Profile(profile.clone())),]
    );
    assert!(state.badge());
    // Read again, nothing is new.
    assert_eq!(state.on(Event::Profile(profile.clone(), problems()), "10:02"), []);
    let mut other = (*profile).clone();
    other.panel.warn_uptime_days += 1;
    let other = Arc::new(other);
    assert_eq!(
        state.on(Event::Profile(other.clone(), problems()), "10:02"),
        [Effect::Request(SensorRequest::Profile(other.clone()))],
        "the same problems are not notified again"
    );
    assert_eq!(
        state.on(Event::Profile(other.clone(), [].into()), "10:03"),
        [Effect::Withdraw(Category::Program), Effect::Request(SensorRequest::Profile(other))]
    );
    assert!(!state.badge());
    assert_eq!(state.vpn.status(), VpnStatus::Connected);
}

#[test]
fn broken_file_is_reported_once_at_the_start() {
    let mut state = State::new(
        guide(),
        problems(),
        SavedState { welcomed: true, ..SavedState::default() },
        7,
        now("2026-11-24T10:00"),
    );
    assert_eq!(state.begin(), [LINKS, READ_HOST, Effect::Notify(Notification::ConfigBroken)]);
}

#[test]
fn loss_and_return_are_notified_once_they_have_lasted() {
    let mut state = known().connected();
    assert_eq!(notified(&state.see(home(), None, "11:00")), Vec::<&Notification>::new());
    assert_eq!(state.vpn.status(), VpnStatus::Disconnected);
    assert_eq!(state.next_wake(), Some(now("2026-11-24T11:00:05").wall.timestamp()));
    assert_eq!(state.on(Event::Tick, "11:00:05"), [Effect::Notify(Notification::Vpn(VpnStatus::Disconnected))]);
    state.see(with_tunnel(home()), Some(TUNNEL), "11:10");
    let effects = state.on(Event::Tick, "11:10:05");
    assert_eq!(notified(&effects), [&Notification::Vpn(VpnStatus::Connected)]);
}

#[test]
fn status_is_not_notified_while_the_panel_has_the_focus() {
    let effects = |events: &[Event]| {
        let mut state = known().connected();
        for event in events {
            state.on(event.clone(), "10:59");
        }
        state.see(home(), None, "11:00");
        state.on(Event::Tick, "11:00:05")
    };
    let opened = [Event::PanelOpen(true), Event::PanelFocused(true)];
    assert_eq!(effects(&opened), [Effect::Withdraw(Category::Vpn)]);
    let lost = [Effect::Notify(Notification::Vpn(VpnStatus::Disconnected))];
    // Open only, minimised or behind another window, closed.
    assert_eq!(effects(&opened[..1]), lost);
    for last in [Event::PanelFocused(false), Event::PanelOpen(false)] {
        assert_eq!(effects(&[opened.as_slice(), &[last]].concat()), lost);
    }
}

#[test]
fn a_steady_tunnel_needs_probes_and_readings_of_its_counters() {
    let mut state = known().connected();
    let (mut probes, mut readings, mut saves) = (0, 0, 0);
    let mut wakes = Vec::new();
    // An hour, in which AMIGO does not open or close.
    while let Some(at) = state.next_wake().filter(|at| *at < now("2026-11-24T11:00").wall.timestamp()) {
        assert!(at > state.now.wall.timestamp());
        wakes.push(at);
        let time = at.to_zoned_datetime(state.now.wall.time_zone().clone());
        let now = Now {
            uptime: state.now.uptime + Duration::try_from(state.now.wall.duration_until(&time)).expect("it lies ahead"),
            wall: time,
        };
        let effects = update(&mut state, Event::Tick, now.clone());
        for effect in effects {
            if matches!(effect, Effect::SaveState(_)) {
                saves += 1;
                continue;
            }
            let Effect::Request(request) = effect else { panic!("{effect:?}") };
            let answer = if let SensorRequest::Traffic(interface) = request {
                readings += 1;
                Event::Traffic(Some(Traffic { interface, received_bytes: 7, sent_packets: 7 }))
            } else {
                let SensorRequest::Probe(request) = request else { panic!("{request:?}") };
                probes += 1;
                Event::Probed(probe(request.id, correct(TUNNEL), None))
            };
            assert_eq!(update(&mut state, answer, now.clone()), []);
        }
    }
    assert!(wakes.len() <= probes + readings && readings <= 361, "{} wake-ups", wakes.len());
    assert!((54..=67).contains(&probes), "{probes} probes");
    assert_eq!(saves, 1, "the history");
}

#[test]
fn idle_state_wakes_only_when_a_text_changes() {
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
    let expected = ["24 17:00", "24 21:00", "24 21:15", "24 21:25", "24 21:26", "24 21:30", "25 00:00", "25 08:00"];
    assert_eq!(moments, expected);
}

#[test]
fn nothing_is_requested_or_notified_during_sleep() {
    let mut state = known().connected();
    let effects = state.on(Event::Sleeping, "20:59:58");
    assert!(matches!(&effects[..], [Effect::SaveState(saved)] if saved.history.segments().len() == 1), "{effects:?}");
    assert_eq!(state.vpn.status(), VpnStatus::Unknown);
    assert_eq!(state.on(Event::Links(home()), "20:59:59"), []);
    assert_eq!(state.on(Event::ClientState(Some(ClientState::Connecting)), "20:59:59"), []);
    assert_eq!(state.on(Event::Tick, "21:00"), []);
    assert_eq!(state.vpn.status(), VpnStatus::Unknown);
    // Awake: one reminder, and everything is looked at again.
    let effects = state.on(Event::Woke, "21:20");
    assert_eq!(effects[..2], [LINKS, READ_HOST]);
    assert!(matches!(notified(&effects)[..], [Notification::Shutdown(reminder)] if reminder.minutes == 10));
    assert_eq!(state.vpn.status(), VpnStatus::Unknown);
}

#[test]
fn click_or_late_timer_shows_that_the_machine_is_awake() {
    let mut state = known();
    state.on(Event::Sleeping, "10:00");
    assert_eq!(state.on(Event::Tick, "10:00:30"), []);
    assert_eq!(state.on(Event::Tick, "17:00"), [LINKS, READ_HOST]);
    let mut state = known();
    state.on(Event::Sleeping, "10:00");
    assert_eq!(state.on(Event::Action(Action::Quit), "10:00:01"), [LINKS, READ_HOST, Effect::Quit]);
}

#[test]
fn changed_clock_discards_the_evidence() {
    let mut state = known().connected();
    assert_eq!(state.on(Event::ClockChanged, "10:00:10"), [LINKS]);
    assert_eq!(state.vpn.status(), VpnStatus::Unknown);
    // Without an event it is noticed too: the wall clock has advanced by an hour, the uptime by a second.
    let mut state = known().connected();
    let jumped = Now { wall: now("2026-11-24T11:00").wall, uptime: state.now.uptime + Duration::from_secs(1) };
    assert_eq!(update(&mut state, Event::Autostart(true), jumped), [LINKS]);
    assert_eq!((state.vpn.status(), state.autostart), (VpnStatus::Unknown, true));
}

#[test]
fn helpdesk_hours_follow_the_clock() {
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
fn reminders_of_an_evening_can_be_delayed_and_silenced() {
    let mut state = known();
    let remembered = |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::SaveState(_)));
    let effects = state.on(Event::Tick, "21:00");
    assert!(matches!(notified(&effects)[..], [Notification::Shutdown(reminder)] if reminder.minutes == 30));
    assert!(remembered(&effects));
    assert_eq!(state.asked(Action::RemindLater), [Effect::Withdraw(Category::Shutdown)]);
    assert_eq!(notified(&state.on(Event::Tick, "21:15")).len(), 1);
    let effects = state.asked(Action::NotTonight);
    assert_eq!(effects[0], Effect::Withdraw(Category::Shutdown));
    assert_eq!(notified(&effects), [&Notification::NoMoreReminders], "the user is answered");
    assert!(remembered(&effects));
    assert_eq!(state.on(Event::Tick, "21:25"), []);
    let effects = state.on(Event::Action(Action::RemindAgain), "21:26");
    assert!(
        matches!(notified(&effects)[..], [Notification::Shutdown(reminder)] if reminder.minutes == 4),
        "{effects:?}"
    );
    assert!(remembered(&effects));
}

#[test]
fn unanswered_last_reminder_is_shown_in_the_panel_once() {
    let reminded = || {
        let mut state = known();
        state.on(Event::Tick, "21:15");
        assert_eq!(state.on(Event::Tick, "21:17"), [], "another one follows");
        assert_eq!(notified(&state.on(Event::Tick, "21:25")).len(), 1);
        state
    };
    let mut state = reminded();
    assert_eq!(state.next_wake(), Some(now("2026-11-24T21:26").wall.timestamp()));
    assert_eq!(state.on(Event::Tick, "21:25:59"), []);
    assert_eq!(state.on(Event::Tick, "21:26"), [Effect::ShowPanel]);
    assert_eq!(state.on(Event::Tick, "21:28"), [], "once");

    // In front of it, an open panel counts as well as none.
    let mut state = known();
    state.on(Event::PanelOpen(true), "21:24");
    state.on(Event::Tick, "21:25");
    assert_eq!(state.on(Event::Tick, "21:26"), [Effect::ShowPanel]);

    for answer in [
        Event::NotificationDismissed(Category::Shutdown),
        Event::Action(Action::RemindLater),
        Event::Action(Action::NotTonight),
        Event::Action(Action::ShutDown),
        Event::Action(Action::ShowPanel),
        Event::PanelOpen(true),
    ] {
        let mut state = reminded();
        state.on(answer.clone(), "21:25:30");
        assert_eq!(state.on(Event::Tick, "21:26"), [], "{answer:?}");
    }
    let mut state = reminded();
    state.on(Event::NotificationDismissed(Category::Vpn), "21:25:30");
    assert_eq!(state.on(Event::Tick, "21:26"), [Effect::ShowPanel], "another notification");

    // There is less time: half of it.
    let mut state = known();
    assert_eq!(notified(&state.on(Event::Tick, "21:29:00")).len(), 1);
    assert_eq!(state.on(Event::Tick, "21:29:30"), [Effect::ShowPanel]);
}

#[test]
fn reminder_is_withdrawn_after_its_shutdown() {
    let mut state = known();
    state.on(Event::Tick, "21:25");
    state.on(Event::NotificationDismissed(Category::Shutdown), "21:25:10");
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
fn without_a_notification_server_each_reminder_is_shown_in_the_panel() {
    let mut state = known();
    state.on(Event::NotificationServer(false), "20:59");
    assert_eq!(state.on(Event::Tick, "21:00")[0], Effect::ShowPanel);
    assert_eq!(state.on(Event::NotificationServer(true), "21:01"), [], "seen in the panel");
    state.on(Event::NotificationServer(false), "21:10");
    assert_eq!(state.on(Event::Tick, "21:15")[0], Effect::ShowPanel);
    assert_eq!(state.on(Event::Tick, "21:25")[0], Effect::ShowPanel);
    assert_eq!(state.on(Event::Tick, "21:26"), []);
    // That there is none may turn out by the last one itself.
    let mut state = known();
    state.on(Event::Tick, "21:15");
    assert_eq!(state.on(Event::NotificationServer(false), "21:15"), []);
    state.on(Event::NotificationServer(true), "21:16");
    assert_eq!(notified(&state.on(Event::Tick, "21:25")).len(), 1);
    let to_panel = [Effect::Withdraw(Category::Shutdown), Effect::ShowPanel];
    assert_eq!(state.on(Event::NotificationServer(false), "21:25"), to_panel, "not by a late server as well");
}

#[test]
fn panel_replaces_a_reminder_that_could_not_be_shown() {
    let failed = || Event::NotificationFailed(Category::Shutdown);
    let mut state = known();
    assert_eq!(state.on(failed(), "20:59"), [], "nothing to be reminded of");
    state.on(Event::Tick, "21:00");
    assert_eq!(state.on(Event::NotificationFailed(Category::Vpn), "21:00"), []);
    assert_eq!(state.on(failed(), "21:00"), [Effect::ShowPanel]);
    assert_eq!(notified(&state.on(Event::Tick, "21:15")).len(), 1, "the next one is attempted again");
    state.on(Event::PanelOpen(true), "21:15");
    assert_eq!(state.on(failed(), "21:15"), [], "the panel is open");
    state.on(Event::PanelOpen(false), "21:16");
    state.on(Event::Tick, "21:25");
    let to_panel = [Effect::Withdraw(Category::Shutdown), Effect::ShowPanel];
    assert_eq!(state.on(Event::NotificationServer(false), "21:25"), to_panel);
    assert_eq!(state.on(failed(), "21:26"), [], "the panel was shown already");
}

#[test]
fn reminder_that_ended_with_its_server_is_shown_again_with_the_minutes_left() {
    let lost = || Event::NotificationLost(Category::Shutdown);
    let mut state = known();
    assert_eq!(state.on(lost(), "20:59"), []);
    state.on(Event::Tick, "21:00");
    let effects = state.on(lost(), "21:04");
    assert!(matches!(notified(&effects)[..], [Notification::Shutdown(reminder)] if reminder.minutes == 26));
    state.asked(Action::NotTonight);
    assert_eq!(state.on(lost(), "21:05"), [], "the user answered it");
}

#[test]
fn computer_is_switched_off_only_after_confirmation() {
    let mut state = known();
    assert_eq!(state.asked(Action::ConfirmShutDown), []);
    assert_eq!(state.asked(Action::ShutDown), [Effect::Notify(Notification::ConfirmShutdown)]);
    assert_eq!(state.asked(Action::Cancel), [Effect::Withdraw(Category::Shutdown)]);
    assert_eq!(state.asked(Action::ConfirmShutDown), []);
    state.on(Event::Action(Action::ShutDown), "10:00:20");
    // The second click of a double click, whatever the view.
    for time in ["10:00:20", "10:00:20.999"] {
        let again = [Effect::Notify(Notification::ConfirmShutdown)];
        assert_eq!(state.on(Event::Action(Action::ConfirmShutDown), time), again);
        assert_eq!(state.question, Some(Question::ShutDown));
    }
    let off = [Effect::Withdraw(Category::Shutdown), Effect::PowerOff];
    assert_eq!(state.on(Event::Action(Action::ConfirmShutDown), "10:00:21"), off);
    assert_eq!(state.on(Event::Action(Action::ConfirmShutDown), "10:00:30"), []);
    let failed = |error| Event::PowerOffFailed(error);
    assert_eq!(
        state.on(failed(PowerOffError::Other("no".into())), "10:01"),
        [Effect::Notify(Notification::ShutdownFailed)]
    );
    assert_eq!(
        state.on(failed(PowerOffError::OthersLoggedOn), "10:01"),
        [Effect::Notify(Notification::OthersLoggedOn)]
    );
    // A question that nobody answered before the night is not found in the morning.
    state.asked(Action::ShutDown);
    state.on(Event::Woke, "10:10");
    assert_eq!(state.question, None);
    // Without a notification server the panel asks.
    state.asked(Action::ShutDown);
    let to_panel = [Effect::Withdraw(Category::Shutdown), Effect::ShowPanel];
    assert_eq!(state.on(Event::NotificationServer(false), "10:11"), to_panel);
    assert_eq!(state.asked(Action::ShutDown), [Effect::ShowPanel]);
}

#[test]
fn credentials_are_forgotten_only_after_confirmation() {
    let mut state = known();
    assert_eq!(state.asked(Action::ConfirmForget), []);
    assert_eq!(state.asked(Action::ForgetCredentials), [Effect::Notify(Notification::ConfirmForget)]);
    assert_eq!(state.asked(Action::Cancel), [Effect::Withdraw(Category::Answer)]);
    assert_eq!(state.asked(Action::ConfirmForget), []);
    state.asked(Action::ForgetCredentials);
    let forgotten = [Effect::Withdraw(Category::Answer), Effect::ForgetCredentials];
    assert_eq!(state.asked(Action::ConfirmForget), forgotten);
    assert_eq!(state.asked(Action::ConfirmForget), []);
    // The window for connecting asks itself, and nothing is asked any more once it is closed.
    state.on(Event::ConnectWindowOpen(true), "10:01");
    assert_eq!(state.asked(Action::ForgetCredentials), []);
    assert_eq!(state.question, Some(Question::ForgetCredentials));
    state.on(Event::ConnectWindowOpen(false), "10:02");
    assert_eq!(state.question, None);
    // It does not hide a reminder.
    state.asked(Action::ForgetCredentials);
    state.on(Event::Tick, "21:00");
    assert_eq!(state.question, None);
}

#[test]
fn each_action_has_its_effect() {
    let missing =
        |target| Effect::Notify(Notification::Launch(LaunchResult { target, outcome: LaunchOutcome::Missing }));
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
    let drive = |letter, path: &str| Effect::Launch(LaunchTarget::Drive(letter, Some(path.into())));
    let (amigo, code) = (state.profile.helpdesk.link.clone(), state.profile.codes[0].id.clone());
    let cases = [
        (Action::OpenClient, Effect::Launch(LaunchTarget::Client)),
        (Action::RestoreSettings, Effect::RestoreSettings),
        (Action::OpenPortal, Effect::Launch(LaunchTarget::Portal)),
        (Action::Disconnect, Effect::Disconnect),
        (Action::ForgetCredentials, Effect::Notify(Notification::ConfirmForget)),
        (Action::Open(amigo.clone()), Effect::Launch(LaunchTarget::Link(amigo))),
        (
            Action::Open(state.profile.remote_support.clone()),
            Effect::Launch(LaunchTarget::Program(state.profile.remote_support.clone())),
        ),
        (Action::Open("rien".into()), missing(LaunchTarget::Link("rien".into()))),
        (Action::CopyCode(Call::of(&*code)), Effect::Copy(ClipboardContent::Code(Call::of(&*code)))),
        (Action::CopyCode(Call::of("rien")), missing(LaunchTarget::Call(Call::of("rien")))),
        (Action::CopyCode(mobile(&code)), Effect::Copy(ClipboardContent::Code(mobile(&code)))),
        (Action::Dial(Call::of(&*code)), Effect::Launch(LaunchTarget::Call(Call::of(&*code)))),
        (Action::Dial(mobile(&code)), Effect::Launch(LaunchTarget::Call(mobile(&code)))),
        (Action::Dial(mobile("sans-renvoi")), missing(LaunchTarget::Call(mobile("sans-renvoi")))),
        (Action::Dial(Call::of("rien")), missing(LaunchTarget::Call(Call::of("rien")))),
        (Action::Join(digits("12345678")), Effect::Launch(LaunchTarget::Session(digits("12345678")))),
        (Action::OpenDrive('I'), drive('I', "/mnt/i")),
        (Action::OpenDrive('S'), drive('S', r"S:\")),
        (Action::OpenDrive('T'), missing(LaunchTarget::Drive('T', None))),
        (Action::OpenDrive('U'), missing(LaunchTarget::Drive('U', None))),
        (Action::CopySupportInfo, Effect::Copy(ClipboardContent::SupportInfo)),
        (Action::SetAutostart(true), Effect::SetAutostart(true)),
        (Action::Choose(Choice::Pinned(true)), Effect::SaveChoice(Choice::Pinned(true))),
        (Action::About, Effect::Notify(Notification::About)),
        (Action::Reload, Effect::Request(SensorRequest::Config)),
        (Action::Quit, Effect::Quit),
    ];
    for (action, effect) in cases {
        assert_eq!(state.asked(action.clone()), [effect], "{action:?}");
    }
}

/// The window is open, and Cisco's client there.
fn at_the_form() -> State {
    let mut state = known();
    state.see(home(), None, "10:00");
    state.on(Event::Tick, "10:00:05");
    assert_eq!(state.asked(Action::Connect), [Effect::PrepareConnect, Effect::ShowConnect]);
    state.on(Event::ConnectWindowOpen(true), "10:00:06");
    let ready =
        Event::ConnectReady(ClientDetection::Found(connect::VpnClient::Cisco), connect::StoredCredentials::default());
    assert_eq!(state.on(ready, "10:00:06"), []);
    state
}

fn connect_request(effects: &[Effect]) -> connect::ConnectRequest {
    let [Effect::Connect(request)] = effects else { panic!("{effects:?}") };
    request.clone()
}

#[test]
fn valid_form_connects_and_the_status_is_connecting_meanwhile() {
    use connect::{ConnectProgress, Phase, Stage};
    let mut state = at_the_form();
    let wrong = connect::Submission { digits: "12".to_owned().into(), ..submission() };
    assert_eq!(state.on(Event::FormSubmitted(wrong), "10:01"), []);
    assert_eq!(state.connect.form_errors, [connect::FormError::Digits]);
    let id = connect_request(&state.on(Event::FormSubmitted(submission()), "10:01")).id;
    assert_eq!((state.vpn.status(), &state.connect.form_errors[..]), (VpnStatus::Connecting, &[][..]));
    assert_eq!(state.on(Event::FormSubmitted(submission()), "10:01"), [], "twice at once");
    let verifying = Ok(ConnectProgress::Stage(Stage::Verifying));
    assert_eq!(state.on(Event::ConnectProgress(id, verifying), "10:01:01"), []);
    let connected = Event::ConnectProgress(id, Ok(ConnectProgress::Connected));
    assert_eq!(state.on(connected, "10:01:02"), [Effect::CloseConnect, LINKS]);
    state.see(with_tunnel(home()), Some(TUNNEL), "10:01:03");
    let effects = state.on(Event::Tick, "10:01:08");
    assert_eq!(notified(&effects), [] as [&Notification; 0], "notified before");
    assert_eq!((state.vpn.status(), &state.connect.phase), (VpnStatus::Connected, &Phase::Idle));
}

/// Sends the form, and lets the client report its tunnel at 10:01:02.
fn reported_tunnel() -> State {
    let mut state = at_the_form();
    let id = connect_request(&state.on(Event::FormSubmitted(submission()), "10:01")).id;
    let connected = Event::ConnectProgress(id, Ok(connect::ConnectProgress::Connected));
    state.on(connected, "10:01:02");
    state
}

#[test]
fn a_tunnel_that_appears_after_its_report_is_never_a_loss() {
    let mut state = reported_tunnel();
    // OpenConnect's script has not set up the interface yet.
    let effects = state.on(Event::Links(home()), "10:01:02");
    assert_eq!(notified(&effects), [] as [&Notification; 0]);
    assert_eq!(state.vpn.status(), VpnStatus::Connecting);
    let effects = state.see(with_tunnel(home()), Some(TUNNEL), "10:01:03");
    assert_eq!(notified(&effects), [&Notification::Vpn(VpnStatus::Connected)]);
}

#[test]
fn a_reported_tunnel_that_never_appears_is_not_waited_for_long() {
    let mut state = reported_tunnel();
    state.on(Event::Links(home()), "10:01:02");
    let due = state.next_wake().unwrap();
    assert_eq!(due, now("2026-11-24T10:01:12").wall.timestamp());
    let effects = state.on(Event::Tick, "10:01:12");
    assert_eq!(notified(&effects), [&Notification::Vpn(VpnStatus::Disconnected)]);
}

#[test]
fn failed_attempt_is_notified_if_its_window_is_closed_and_refusals_are_kept() {
    use connect::ConnectError;
    let mut state = at_the_form();
    let failed = |state: &mut State, reason: ConnectError| {
        let now = state.now.clone();
        let id = connect_request(&update(state, Event::FormSubmitted(submission()), now.clone())).id;
        update(state, Event::ConnectProgress(id, Err(reason)), now)
    };
    let effects = failed(&mut state, ConnectError::WrongPasscode);
    assert!(matches!(&effects[..], [Effect::SaveState(memory)] if memory.connect.wrong == 1), "{effects:?}");
    assert_eq!(state.vpn.status(), VpnStatus::Disconnected);
    let client = Effect::Launch(LaunchTarget::Client);
    assert_eq!(failed(&mut state, ConnectError::Held), [client], "brought to the front");
    let copied = ClipboardContent::Passcode;
    let notified = Effect::Notify(Notification::Copied(copied.clone()));
    assert_eq!(state.on(Event::Copied(copied, Ok(())), "10:01"), [notified], "the form says why, and stays");
    state.on(Event::ConnectWindowOpen(false), "10:02");
    let notified = Effect::Notify(Notification::ConnectFailed(ConnectError::Unreachable));
    assert_eq!(failed(&mut state, ConnectError::Unreachable), [notified]);
}

#[test]
fn attempt_can_be_cancelled() {
    let mut state = at_the_form();
    assert_eq!(state.asked(Action::CancelConnect), []);
    let id = connect_request(&state.on(Event::FormSubmitted(submission()), "10:01")).id;
    assert_eq!(state.asked(Action::CancelConnect), [Effect::CancelConnect]);
    assert_eq!(state.vpn.status(), VpnStatus::Disconnected);
    assert_eq!(state.on(Event::ConnectProgress(id, Ok(connect::ConnectProgress::Connected)), "10:01:01"), []);
}

#[test]
fn passcode_reaches_the_clients_window_by_the_clipboard() {
    let mut state = at_the_form();
    let by_hand = connect::Submission { way: connect::ConnectMethod::Clipboard, ..submission() };
    // Its own window asks for the identifier and the gateway.
    let by_hand = connect::Submission { site: "".into(), identifier: String::new(), ..by_hand };
    let client = Effect::Launch(LaunchTarget::Client);
    let copied = ClipboardContent::Passcode;
    for number in [1, 2] {
        let copy = Effect::CopyPasscode(RequestId::new(number), submission().pin, submission().digits);
        assert_eq!(state.on(Event::FormSubmitted(by_hand.clone()), "10:01"), [copy]);
    }
    let notified = Effect::Notify(Notification::Copied(copied.clone()));
    assert_eq!(state.on(Event::Copied(copied, Ok(())), "10:01"), [client, notified]);
    let wrong = connect::Submission { digits: "12".to_owned().into(), ..by_hand };
    assert_eq!(state.on(Event::FormSubmitted(wrong), "10:01"), []);
    // The keyring was locked meanwhile.
    let lost = Err(connect::ConnectError::PinLost);
    assert_eq!(state.on(Event::ConnectProgress(RequestId::new(2), lost), "10:01"), [Effect::PrepareConnect]);
}

#[test]
fn the_steps_by_hand_stay_until_the_vpn_is_connected() {
    for copies in [false, true] {
        let mut state = at_the_form();
        if copies {
            state.on(Event::Copied(ClipboardContent::Passcode, Ok(())), "10:01");
        }
        let effects = state.see(with_tunnel(home()), Some(TUNNEL), "10:01:20");
        assert_eq!(effects.contains(&Effect::CloseConnect), copies, "{effects:?}");
        state.see(home(), None, "10:02");
        let effects = state.see(with_tunnel(home()), Some(TUNNEL), "10:03");
        assert!(!effects.contains(&Effect::CloseConnect), "once");
    }
}

#[test]
fn administrator_can_forbid_driving_the_client() {
    let mut state = known();
    let mut profile = (*state.profile).clone();
    profile.vpn.connect = ConnectMode::ByHand;
    state.profile = Arc::new(profile);
    assert_eq!(state.asked(Action::Connect), [Effect::PrepareConnect, Effect::ShowConnect]);
    state.on(Event::ConnectWindowOpen(true), "10:00");
    state.on(
        Event::ConnectReady(ClientDetection::Found(connect::VpnClient::Cisco), connect::StoredCredentials::default()),
        "10:00",
    );
    assert_eq!(state.on(Event::FormSubmitted(submission()), "10:01"), []);
    let by_hand = connect::Submission { way: connect::ConnectMethod::Clipboard, ..submission() };
    assert!(matches!(state.on(Event::FormSubmitted(by_hand), "10:01")[..], [Effect::CopyPasscode(..)]));
}

#[test]
fn administrator_can_require_the_clients_window() {
    let mut state = known();
    let mut profile = (*state.profile).clone();
    profile.vpn.connect = ConnectMode::OpenClient;
    state.profile = Arc::new(profile);
    let client = Effect::Launch(LaunchTarget::Client);
    assert_eq!(state.asked(Action::Connect), [client]);
    assert_eq!(state.on(Event::FormSubmitted(submission()), "10:01"), []);
}

#[test]
fn window_opens_after_sleep_if_configured_and_the_vpn_is_lost() {
    let sleeps = |wanted: bool, connected: bool| {
        let mut state = if connected { known().connected() } else { known() };
        let mut profile = (*state.profile).clone();
        profile.vpn.reconnect_after_wake = wanted;
        state.profile = Arc::new(profile);
        state.on(Event::Sleeping, "10:30");
        state.on(Event::Woke, "11:00");
        let opens = state.see(home(), None, "11:00:05").contains(&Effect::ShowConnect);
        assert_eq!(state.connect.opened_after_sleep, opens);
        state.asked(Action::Connect);
        assert!(!state.connect.opened_after_sleep, "by the user");
        opens
    };
    assert!(sleeps(true, true));
    assert!(!sleeps(true, false));
    assert!(!sleeps(false, true));
}

#[test]
fn showing_the_panel_reads_everything_again() {
    let mut state = known().connected();
    let effects = state.asked(Action::ShowPanel);
    assert!([LINKS, READ_HOST, Effect::Request(SensorRequest::Client)].iter().all(|look| effects.contains(look)));
    State::probe(&effects);
    assert!(effects.contains(&Effect::ShowPanel));
    assert_eq!(state.vpn.status(), VpnStatus::Connected);
}

#[test]
fn refresh_is_answered_even_if_nothing_has_changed() {
    let mut state = known();
    state.see(home(), None, "10:00");
    state.on(Event::Tick, "10:00:05");
    assert_eq!(state.vpn.status(), VpnStatus::Disconnected);
    assert_eq!(state.on(Event::Action(Action::Refresh), "10:01"), [LINKS, READ_HOST]);
    assert_eq!(state.vpn.status(), VpnStatus::Unknown);
    let effects = state.see(home(), None, "10:01");
    assert_eq!(notified(&effects), [&Notification::Vpn(VpnStatus::Disconnected)]);
    assert_eq!(notified(&state.on(Event::Tick, "10:02")), [] as [&Notification; 0]);
}

#[test]
fn sensor_readings_are_kept() {
    let mut state = known();
    let host = Arc::new(Host {
        name: "PC-14-042".into(),
        user: "mdupont".into(),
        domain: None,
        system: "Debian GNU/Linux 12".into(),
        booted: now("2026-11-24T00:00").wall.timestamp(),
        fast_startup: false,
        memory: Space { total: 8 << 30, free: 4 << 30 },
        disk: Reading::Known(Space { total: 100, free: 9 }),
    });
    let wapt = Reading::Known(Wapt { version: "2.5".into(), pending: Some(vec![]), running: None });
    let printers = Reading::Known(Printers::Computer(vec![Printer {
        name: "I14RC-DSI-RDC".into(),
        default: true,
        installed: true,
    }]));
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
    assert_eq!((&state.host, &state.wapt, &state.printers, &state.battery), (&Some(host), &wapt, &printers, &battery));
    assert!(state.autostart && state.panel_open);
    assert_eq!((state.disk_low(), state.long_uptime(), state.badge()), (Some(9), None, true));
    let later = Now { wall: state.now.wall.clone(), uptime: Duration::from_secs(86_400 * 30) };
    state.now = later;
    assert_eq!(state.long_uptime(), Some(30));
}

#[test]
fn initial_readings_are_complete_when_every_sensor_has_reported() {
    let mut complete = standing(VpnStatus::Connected);
    complete.on(Event::Servers(Vec::new()), "14:03");
    assert!(complete.has_initial_readings());
    let pending: [fn(&mut State); 6] = [
        |state| state.host = None,
        |state| state.drives = Reading::Pending,
        |state| state.printers = Reading::Pending,
        |state| state.servers = None,
        |state| state.wapt = Reading::Pending,
        |state| state.battery = Reading::Pending,
    ];
    for (position, reset) in pending.into_iter().enumerate() {
        let mut state = complete.clone();
        reset(&mut state);
        assert!(!state.has_initial_readings(), "reading {position} is pending");
    }
}

#[test]
fn without_a_tray_the_panel_is_shown() {
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
fn drives_are_read_again_after_one_was_opened() {
    let launch =
        |outcome| Event::Launched(LaunchResult { target: LaunchTarget::Drive('S', Some(r"S:\".into())), outcome });
    let mut state = known();
    assert_eq!(state.on(launch(LaunchOutcome::Started), "10:00"), [Effect::Request(SensorRequest::Host)]);
    let failed = state.on(launch(LaunchOutcome::Failed("no".into())), "10:00");
    assert!(matches!(failed.as_slice(), [Effect::Notify(Notification::Launch(_))]), "{failed:?}");
}

#[test]
fn failed_starts_and_copies_are_notified() {
    let mut state = known();
    let launch = |outcome| LaunchResult { target: LaunchTarget::Client, outcome };
    assert_eq!(state.on(Event::Launched(launch(LaunchOutcome::Started)), "10:00"), []);
    let failed = launch(LaunchOutcome::Failed("no".into()));
    assert_eq!(state.on(Event::Launched(failed.clone()), "10:00"), [Effect::Notify(Notification::Launch(failed))]);
    let copied = Event::Copied(ClipboardContent::SupportInfo, Ok(()));
    assert_eq!(state.on(copied, "10:00"), [Effect::Notify(Notification::Copied(ClipboardContent::SupportInfo))]);
    assert_eq!(
        state.on(Event::Copied(ClipboardContent::SupportInfo, Err("no".into())), "10:00"),
        [Effect::Notify(Notification::CopyFailed)]
    );
}

#[test]
fn on_site_the_intranet_is_reachable() {
    let mut state = known();
    assert_eq!(state.reaches_intranet(), None);
    state.see(home(), Some(HOME), "10:00");
    assert_eq!((state.vpn.status(), state.reaches_intranet()), (VpnStatus::OnSite, Some(true)));
    for status in VpnStatus::ALL {
        let state = standing(status);
        assert!(!(state.reaches_intranet() == Some(true) && state.offers_connect()));
    }
}

/// What the notification server does with requests.
#[derive(Debug, Clone, Copy)]
enum ServerState {
    Works,
    /// Answers with errors, or hangs.
    Fails,
    /// Nobody owns its name.
    Absent,
    /// It comes while the text is still true, and is then handed what waits for it.
    Late,
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(128))]
    /// Whatever the server does, each lead is seen exactly once, in a notification or in the panel.
    #[test]
    fn each_reminder_is_seen_exactly_once(
        servers in proptest::collection::vec(
            proptest::sample::select(vec![ServerState::Works, ServerState::Fails, ServerState::Absent, ServerState::Late]), 3),
        panel_open in proptest::arbitrary::any::<bool>(),
        lost in proptest::arbitrary::any::<bool>(),
    ) {
        let mut state = known();
        let mut known_absent = false;
        state.on(Event::PanelOpen(panel_open), "20:58");
        for (server, lead) in servers.into_iter().zip(["21:00", "21:15", "21:25"]) {
            let absent = matches!(server, ServerState::Absent);
            // The runtime reports a server that comes back; that one is gone, it often learns from a request.
            let mut effects = Vec::new();
            if known_absent && !absent {
                effects.extend(state.on(Event::NotificationServer(true), lead));
                known_absent = false;
            }
            effects.extend(state.on(Event::Tick, lead));
            let requested = |effects: &[Effect]| {
                notified(effects).iter().filter(|one| matches!(one, Notification::Shutdown(_))).count()
            };
            let mut seen = 0;
            match (requested(&effects), server) {
                (0, _) => {}
                (count, ServerState::Works) => seen += count,
                (_, ServerState::Fails) => effects.extend(state.on(Event::NotificationFailed(Category::Shutdown), lead)),
                (_, ServerState::Absent) => {
                    known_absent = true;
                    effects.extend(state.on(Event::NotificationServer(false), lead));
                    effects.extend(state.on(Event::NotificationFailed(Category::Shutdown), lead));
                }
                (waiting, ServerState::Late) => {
                    effects.extend(state.on(Event::NotificationServer(false), lead));
                    let withdrawn = effects.contains(&Effect::Withdraw(Category::Shutdown));
                    effects.extend(state.on(Event::NotificationServer(true), lead));
                    seen += if withdrawn { 0 } else { waiting };
                }
            }
            let in_panel = effects.iter().filter(|effect| **effect == Effect::ShowPanel).count();
            seen += if in_panel == 0 && panel_open && seen == 0 { 1 } else { in_panel };
            proptest::prop_assert_eq!(seen, 1, "{:?} at {}: {:?}", server, lead, effects);
            proptest::prop_assert!(state.reminded.is_some());
            if lost && matches!(server, ServerState::Works) {
                // Its server died and came back: the same reminder again, and nothing else.
                let again = state.on(Event::NotificationLost(Category::Shutdown), lead);
                proptest::prop_assert_eq!(requested(&again), 1);
            }
        }
    }
}

#[test]
fn the_history_has_what_was_seen_and_survives_a_restart() {
    let mut state = known().connected();
    state.on(Event::Tick, "10:30");
    state.on(Event::Sleeping, "11:00");
    state.on(Event::Tick, "11:00:10");
    state.on(Event::Woke, "12:00");
    assert_eq!(state.history.segments().len(), 1, "nothing is claimed of the sleep");
    state.see(home(), None, "12:01");
    let effects = state.on(Event::Action(Action::Quit), "12:30");
    let [Effect::SaveState(saved), Effect::Quit, ..] = &effects[..] else { panic!("{effects:?}") };
    let text = serde_json::to_string(saved).expect("it is JSON");
    let saved: SavedState = serde_json::from_str(&text).expect("its own JSON is read");
    let again = State::new(state.profile.clone(), [].into(), saved, 1, now("2026-11-24T12:40"));
    assert!(again.history.is_same(&saved_history(&state)), "{:?}", again.history);
    let first = again.history.segments()[0];
    assert_eq!(
        (first.status, first.until.duration_since(first.from)),
        (VpnStatus::Connected, jiff::SignedDuration::from_hours(1))
    );
}

fn saved_history(state: &State) -> crate::history::History {
    let mut history = state.history.clone();
    history.pause();
    history
}
