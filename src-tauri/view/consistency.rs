//! Property test: the views of one state never contradict each other, in whatever order the events come.

use crate::panel::Button;
use crate::{connect, notice, page, panel, status, tray};
use proptest::prelude::*;
use vigie_core::connect::{
    ClientDetection, ConnectError, ConnectMethod, ConnectProgress, Stage, StoredCredentials, Submission, VpnClient,
};
use vigie_core::fixture::{HOME, TUNNEL, after, correct, home, known, probe, silent, submission, with_tunnel};
use vigie_core::message::{Action, Effect, Event, Notification, RequestId, SensorRequest};
use vigie_core::state::State;
use vigie_core::update::update;
use vigie_core::vpn::{ClientState, Gateway, Links, Witness};

/// What happens next. Probes and attempts refer to the last request, or to the one before.
#[derive(Debug, Clone)]
enum Step {
    Event(Event),
    Probe { stale: bool, witnesses: Vec<Witness>, gateway: Option<Gateway> },
    Progress { stale: bool, progress: Result<ConnectProgress, ConnectError> },
}

fn step() -> impl Strategy<Value = Step> {
    let events = vec![
        Event::Tick,
        Event::ClockChanged,
        Event::Sleeping,
        Event::Woke,
        Event::Links(Links::default()),
        Event::Links(home()),
        Event::Links(with_tunnel(home())),
        Event::Links(Links { leads_elsewhere: true, ..with_tunnel(home()) }),
        Event::ClientState(None),
        Event::ClientState(Some(ClientState::Connected)),
        Event::ClientState(Some(ClientState::Connecting)),
        Event::ClientState(Some(ClientState::Disconnected)),
        Event::ConnectWindowOpen(true),
        Event::ConnectWindowOpen(false),
        Event::ConnectReady(ClientDetection::Found(VpnClient::Cisco), StoredCredentials::default()),
        Event::ConnectReady(ClientDetection::Found(VpnClient::OpenConnect), StoredCredentials::default()),
        Event::ConnectReady(ClientDetection::WindowOnly, StoredCredentials::default()),
        Event::ConnectReady(ClientDetection::Missing, StoredCredentials::default()),
        Event::FormSubmitted(submission()),
        Event::FormSubmitted(Submission { way: ConnectMethod::Clipboard, ..submission() }),
        Event::Disconnected(Ok(())),
        Event::Disconnected(Err("no".into())),
        Event::Action(Action::Connect),
        Event::Action(Action::CancelConnect),
        Event::Action(Action::Disconnect),
        Event::Action(Action::Refresh),
        Event::Action(Action::ForgetCredentials),
        Event::Action(Action::ShutDown),
        Event::Action(Action::Cancel),
    ];
    let progress = vec![
        Ok(ConnectProgress::Stage(Stage::Verifying)),
        Ok(ConnectProgress::Connected),
        Ok(ConnectProgress::Ended),
        Err(ConnectError::WrongPasscode),
        Err(ConnectError::Unreachable),
    ];
    let witnesses = vec![silent(), correct(HOME), correct(TUNNEL)];
    let gateway: Vec<Option<Gateway>> = std::iter::once(None).chain(Gateway::ALL.map(Some)).collect();
    let stale = proptest::bool::weighted(0.2);
    prop_oneof![
        3 => proptest::sample::select(events).prop_map(Step::Event),
        2 => (stale, proptest::sample::select(witnesses), proptest::sample::select(gateway))
            .prop_map(|(stale, witnesses, gateway)| Step::Probe { stale, witnesses, gateway }),
        2 => (stale, proptest::sample::select(progress)).prop_map(|(stale, progress)| Step::Progress { stale, progress }),
    ]
}

/// Every action of the menu.
fn menu_actions(entries: &[tray::Entry]) -> Vec<Action> {
    let actions = entries.iter().flat_map(|entry| match entry {
        tray::Entry::Item { action, .. } | tray::Entry::Check { action, .. } | tray::Entry::Radio { action, .. } => {
            action.iter().cloned().collect()
        }
        tray::Entry::Submenu { entries, .. } => menu_actions(entries),
        tray::Entry::Separator => Vec::new(),
    });
    actions.collect()
}

/// What stands in guillemets and is not the name of an interface: the buttons.
fn quoted(text: &str) -> Vec<String> {
    let parts = text.split("«\u{a0}").skip(1).filter_map(|part| part.split_once("\u{a0}»"));
    let tunnel = with_tunnel(home()).tunnel().map(|tunnel| tunnel.name.clone());
    parts.map(|(name, _)| name.to_owned()).filter(|name| Some(name) != tunnel.as_ref()).collect()
}

fn check(state: &State) -> Result<(), TestCaseError> {
    let (form, page, tray, status) =
        (connect::form(state), page::page(state), tray::tray(state), status::status(state));
    let menu = menu_actions(&tray.menu);
    let reached = state.reaches_intranet() == Some(true);

    prop_assert_eq!(Some(tray.icon.status), page.panel.status);
    prop_assert_eq!(tray.icon.status, status.vpn);
    prop_assert_eq!(&tray.title, &page.panel.title);
    prop_assert_eq!(&tray.detail, &page.panel.subtitle);

    let success = form.message.as_ref().is_some_and(|message| message.tone == connect::Tone::Success);
    prop_assert!(!success || reached, "the form reports a success, the status does not");
    prop_assert!(!reached || form.busy || success, "the status reports a success, the form does not");
    prop_assert!(!(reached || form.busy) || !form.can_connect, "nothing to connect, but the form connects");

    let busy = menu.contains(&Action::CancelConnect);
    prop_assert_eq!(form.busy, busy);
    prop_assert_eq!(form.offers(&Action::CancelConnect), busy);
    let offered = menu.contains(&Action::Connect);
    prop_assert_eq!(page.panel.offers(&Action::Connect), offered);
    prop_assert!(!offered || !(reached || busy));
    prop_assert!(!form.can_connect || offered, "the form connects, the menu does not");
    let disconnects = menu.contains(&Action::Disconnect);
    prop_assert_eq!(disconnects, state.offers_disconnect());
    prop_assert!(!form.offers(&Action::Disconnect) || disconnects);
    prop_assert!(!(tray.title.contains("déconnecté") && disconnects), "disconnected, but it can be disconnected");
    let questions = page.panel.question.iter().map(|question| &question.text);
    let messages = form.message.iter().map(|message| &message.text);
    for text in questions.chain(messages).chain([&page.panel.subtitle]) {
        prop_assert!(text.ends_with(['.', '?', '!']), "no sentence: {text:?}");
    }
    // Advice names buttons that are there.
    let buttons = &page.panel.buttons;
    for name in quoted(&page.panel.subtitle) {
        let named = buttons.iter().find(|button| button.label == name);
        prop_assert!(named.is_some(), "{name:?} is not in the panel: {}", page.panel.subtitle);
        // In the menu, the way to the helpdesk names no topic.
        let in_menu = |Button { action, .. }: &Button| {
            let asks = matches!(action, Action::AskHelpdesk(_));
            menu.contains(if asks { &Action::AskHelpdesk(None) } else { action })
        };
        prop_assert!(named.is_none_or(in_menu), "{name:?} is not in the menu");
    }
    if let Some(message) = &form.message {
        // Those of the client's own window are no buttons, nor is its name.
        let others = ["Username", "Passcode", connect::client(state)];
        for name in quoted(&message.text).into_iter().filter(|name| !others.contains(&name.as_str())) {
            let named = message.buttons.iter().any(|button| button.label == name);
            prop_assert!(named, "{name:?} is not in the form: {}", message.text);
        }
    }
    for link in &page.diagnosis.links {
        for name in quoted(&link.sentence) {
            let named = link.buttons.iter().any(|button| button.label == name);
            prop_assert!(named, "{name:?} is not in the link: {link:?}");
        }
        prop_assert!(!link.buttons.iter().any(|button| button.action == Action::Connect) || offered, "{link:?}");
    }
    let notice = notice::notice(&Notification::Vpn(status.vpn), state);
    for name in quoted(&notice.body) {
        let offered = notice.actions.iter().any(|(label, _)| *label == name);
        prop_assert!(offered, "{name:?} is not in the notification: {}", notice.body);
    }
    if let Some(pinned) = panel::pinned(state) {
        prop_assert_eq!(pinned.panel.title, tray.title);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn views_never_contradict_each_other(steps in proptest::collection::vec((step(), 0.1..40.0), 1..60)) {
        let mut state = known();
        let (mut probes, mut attempts, mut seconds) = (vec![RequestId::new(0)], vec![RequestId::new(0)], 36_000.0);
        for (step, lasts) in steps {
            let of = |list: &[RequestId], stale: bool| list[list.len().saturating_sub(1 + usize::from(stale))];
            let event = match step {
                Step::Event(event) => event,
                Step::Probe { stale, witnesses, gateway } => {
                    Event::Probed(probe(of(&probes, stale), witnesses, gateway))
                }
                Step::Progress { stale, progress } => {
                    let attempt = attempts[attempts.len().saturating_sub(1 + usize::from(stale))];
                    Event::ConnectProgress(attempt, progress)
                }
            };
            seconds += lasts;
            for effect in update(&mut state, event, after(seconds)) {
                if let Effect::Request(SensorRequest::Probe(request)) = effect {
                    probes.push(request.id);
                } else if let Effect::Connect(request) = effect {
                    attempts.push(request.id);
                }
            }
            check(&state)?;
        }
    }
}
