//! The window for connecting.

use super::harness::{DEADLINE, Display, FakeTray, TestResult, wait_for_end};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;
use vigie::runtime::panel::PanelWindow;
use vigie_core::connect::{ConnectMethod, Field, Pin, Submission};
use vigie_core::message::{Action, Event, WindowError, WindowKind};
use vigie_view::connect::{FieldError, Form, Message, SiteChoice, Tone};
use vigie_view::panel::Button;

const TITLE: &str = "Se connecter au VPN";
/// Occurs nowhere by chance.
const PIN: &str = "Qx7vKz91";
const DIGITS: &str = "704193";

fn empty() -> Form {
    Form {
        sites: vec![
            SiteChoice { id: "caen".into(), label: "Caen (14, 50, 61)".into() },
            SiteChoice { id: "rouen".into(), label: "Rouen (27, 76)".into() },
        ],
        site: Some("caen".into()),
        identifier_hint: "Identifiant académique (celui de la messagerie)".into(),
        passcode_hint: "Votre code PIN + les 6 chiffres de la clé OTP".into(),
        max_chars: 256,
        may_remember_pin: true,
        pin_min: 4,
        pin_max: 16,
        can_connect: true,
        ..Form::default()
    }
}

fn remembered() -> Form {
    Form { identifier: "mdupont".into(), pin_remembered: true, ..empty() }
}

fn busy() -> Form {
    let message = Message {
        tone: Tone::Info,
        title: "Le serveur VPN vérifie votre code…".into(),
        text: "Cela prend quelques secondes.".into(),
        buttons: Vec::new(),
    };
    let cancel = Button { label: "Annuler".into(), action: Action::CancelConnect };
    Form { submissions: 1, busy: true, can_connect: false, message: Some(message), buttons: vec![cancel], ..empty() }
}

fn refused() -> Form {
    let message = Message {
        tone: Tone::Error,
        title: "Code refusé".into(),
        text: "Attendez 6 nouveaux chiffres.".into(),
        buttons: Vec::new(),
    };
    Form { submissions: 1, message: Some(message), ..empty() }
}

fn stopped() -> Form {
    let amigo = Button { label: "Ouvrir AMIGO".into(), action: Action::Open("amigo".into()) };
    let message = Message {
        tone: Tone::Error,
        title: "Trop de codes refusés".into(),
        text: "N’essayez plus.".into(),
        buttons: vec![amigo],
    };
    Form { can_connect: false, message: Some(message), ..empty() }
}

fn submitted(pin: &str, digits: &str) -> Event {
    Event::FormSubmitted(Submission {
        way: ConnectMethod::Connect,
        site: "caen".into(),
        identifier: "mdupont".into(),
        pin: Pin::Typed(pin.to_owned().into()),
        digits: digits.to_owned().into(),
        remember_pin: false,
    })
}

async fn open(form: &Form) -> anyhow::Result<(Display, FakeTray<Form>)> {
    let display = Display::new()?;
    let mut tray = FakeTray::on(&display.name, TITLE)?;
    tray.show(form);
    assert_eq!(tray.event().await?, Event::ConnectWindowOpen(true));
    tray.focus()?;
    Ok((display, tray))
}

#[tokio::test]
async fn what_is_typed_and_pasted_arrives_and_is_nowhere_else() -> TestResult {
    let (_display, mut tray) = open(&empty()).await?;
    tray.copy("704 193\n")?;
    tray.type_text("mdupont")?;
    tray.press(&["Tab"])?;
    tray.type_text(PIN)?;
    tray.press(&["Tab", "ctrl+v", "Return"])?;
    let event = tray.event().await?;
    assert_eq!(event, submitted(PIN, DIGITS));
    assert!(!format!("{event:?}").contains(PIN), "events are logged");

    // Nothing is left to be sent again, and undo brings nothing back.
    tray.update(&busy()).await?;
    tray.update(&refused()).await?;
    tray.press(&["ctrl+z", "Tab", "ctrl+z", "Return"])?;
    assert_eq!(tray.event().await?, submitted("", ""));

    let pid = tray.pids()?[0];
    for file in ["cmdline", "environ"] {
        let text = fs::read(format!("/proc/{pid}/{file}"))?;
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains(PIN) && !text.contains(DIGITS), "{file}");
    }
    tray.press(&["Escape"])?;
    assert_eq!(tray.event().await?, Event::ConnectWindowOpen(false));
    wait_for_end(pid).await?;
    let log = tray.log()?;
    assert!(!log.contains(PIN) && !log.contains(DIGITS), "{log}");
    Ok(())
}

/// It could be a form.
#[tokio::test]
async fn an_invalid_message_is_not_quoted() -> TestResult {
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("vigie-panel");
    let invalid = format!(r#"{{"submitted":{{"pin":"{PIN}","digits":"{DIGITS}"}}}}"#);
    fs::write(&program, format!("#!/bin/sh\nread -r form\necho '{invalid}'\ncat >/dev/null\n"))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let (sender, mut events) = unbounded_channel();
    let mut window = PanelWindow::of(program, sender);
    window.show(&empty());
    let event = timeout(DEADLINE, events.recv()).await?;
    let Some(Event::WindowFailed(WindowKind::Connect, WindowError::Failed(why))) = event else { panic!("{event:?}") };
    assert!(why.contains("invalid message") && !why.contains(PIN) && !why.contains(DIGITS), "{why}");
    Ok(())
}

#[tokio::test]
async fn digits_are_enough_if_identifier_and_pin_are_stored() -> TestResult {
    // The keyring answers once the window is open.
    let (_display, mut tray) = open(&Form { can_connect: false, ..empty() }).await?;
    tray.update(&remembered()).await?;
    tray.type_text(DIGITS)?;
    tray.press(&["Return"])?;
    let Event::FormSubmitted(form) = tray.event().await? else { panic!("expected the form") };
    assert_eq!((form.pin, form.digits), (Pin::Remembered, DIGITS.to_owned().into()));
    assert_eq!((form.identifier.as_str(), form.remember_pin), ("mdupont", true));
    Ok(())
}

#[tokio::test]
async fn focus_moves_to_the_first_error() -> TestResult {
    let (_display, mut tray) = open(&empty()).await?;
    tray.type_text("mdupont")?;
    tray.press(&["Return"])?;
    assert_eq!(tray.event().await?, submitted("", ""));
    let error = |field, text: &str| FieldError { field, text: text.into() };
    let errors = vec![error(Field::Pin, "Tapez votre code PIN."), error(Field::Digits, "Tapez les 6 chiffres.")];
    tray.update(&Form { submissions: 1, errors, ..empty() }).await?;
    tray.type_text(PIN)?;
    tray.press(&["Tab"])?;
    tray.type_text("704 193")?;
    tray.press(&["Return"])?;
    assert_eq!(tray.event().await?, submitted(PIN, DIGITS));
    Ok(())
}

#[tokio::test]
async fn a_connection_by_keyboard_alone_keeps_the_pin_when_the_digits_are_wrong() -> TestResult {
    let (_display, mut tray) = open(&empty()).await?;
    tray.type_text("mdupont")?;
    tray.press(&["Tab"])?;
    tray.type_text(PIN)?;
    tray.press(&["Tab"])?;
    tray.type_text("70419")?;
    tray.press(&["Return"])?;
    assert_eq!(tray.event().await?, submitted(PIN, "70419"));
    let wrong = |submissions, text: &str| {
        let errors = vec![FieldError { field: Field::Digits, text: text.into() }];
        Form { submissions, errors, ..empty() }
    };
    tray.update(&wrong(1, "Tapez les 6 chiffres.")).await?;
    // The wrong digits have the focus and are selected. Sent again, they stay.
    tray.press(&["Return"])?;
    assert_eq!(tray.event().await?, submitted(PIN, "70419"));
    tray.update(&wrong(2, "Tapez tous les chiffres.")).await?;
    tray.type_text(DIGITS)?;
    tray.press(&["Return"])?;
    assert_eq!(tray.event().await?, submitted(PIN, DIGITS));
    tray.update(&Form { submissions: 3, ..busy() }).await?;
    // Once they are in use, neither is left.
    tray.update(&Form { submissions: 3, ..refused() }).await?;
    tray.press(&["Return"])?;
    assert_eq!(tray.event().await?, submitted("", ""));
    Ok(())
}

#[tokio::test]
async fn escape_cancels_the_attempt_then_closes() -> TestResult {
    let (_display, mut tray) = open(&remembered()).await?;
    tray.type_text(DIGITS)?;
    tray.press(&["Return"])?;
    assert!(matches!(tray.event().await?, Event::FormSubmitted(_)));
    tray.update(&busy()).await?;
    // A second, hurried Return does nothing.
    tray.press(&["Return", "Escape"])?;
    assert_eq!(tray.event().await?, Event::Action(Action::CancelConnect));
    // "Annuler" by keyboard. The same again within a second does nothing.
    tray.press(&["Tab"])?;
    let again = timeout(DEADLINE, async {
        loop {
            tray.press(&["space"])?;
            if let Ok(event) = tray.event_within(Duration::from_millis(200)).await {
                return anyhow::Ok(event);
            }
        }
    });
    assert_eq!(again.await??, Event::Action(Action::CancelConnect));
    tray.update(&refused()).await?;
    tray.press(&["Escape"])?;
    assert_eq!(tray.event().await?, Event::ConnectWindowOpen(false));
    wait_for_end(tray.pids()?[0]).await
}

#[tokio::test]
async fn opens_in_the_middle_and_closes_when_the_tray_requests_it() -> TestResult {
    let (_display, mut tray) = open(&stopped()).await?;
    let [left, top, width, height] = tray.place()?;
    assert_eq!((width, height), (420, 680));
    assert_eq!((left, top), ((1024 - width) / 2, (768 - height) / 2));
    // Nothing can be sent if the account may be locked.
    tray.press(&["Return"])?;
    tray.type_text(DIGITS)?;
    tray.press(&["Return", "Tab", "Return"])?;
    assert_eq!(tray.event().await?, Event::Action(Action::Open("amigo".into())));
    assert_eq!(tray.close().await?, [Event::ConnectWindowOpen(false)]);
    wait_for_end(tray.pids()?[0]).await
}
