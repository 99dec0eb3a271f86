//! The window for connecting.

use super::rig::{DEADLINE, Display, Outcome, Tray, gone};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{sleep, timeout};
use vigie::runtime::panel::Window;
use vigie_core::connect::{ConnectMethod, Field, Pin, Submission};
use vigie_core::message::{Action, Event, WindowError, WindowKind};
use vigie_view::connect::{FieldError, Form, Message, SiteChoice, Tone};
use vigie_view::panel::Button;

const TITLE: &str = "Se connecter au VPN";
/// Found nowhere by chance.
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
    Form { busy: true, can_connect: false, message: Some(message), buttons: vec![cancel], ..empty() }
}

fn refused() -> Form {
    let message = Message {
        tone: Tone::Error,
        title: "Code refusé".into(),
        text: "Attendez 6 nouveaux chiffres.".into(),
        buttons: Vec::new(),
    };
    Form { message: Some(message), ..empty() }
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

fn sent(pin: &str, digits: &str) -> Event {
    Event::FormSubmitted(Submission {
        way: ConnectMethod::Connect,
        site: "caen".into(),
        identifier: "mdupont".into(),
        pin: Pin::Typed(pin.to_owned().into()),
        digits: digits.to_owned().into(),
        remember_pin: false,
    })
}

async fn open(form: &Form) -> anyhow::Result<(Display, Tray<Form>)> {
    let display = Display::new()?;
    let mut tray = Tray::on(&display.name, TITLE)?;
    tray.show(form);
    assert_eq!(tray.told().await?, Event::ConnectWindowOpen(true));
    tray.focus()?;
    Ok((display, tray))
}

#[tokio::test]
async fn by_keyboard_alone_what_was_typed_and_pasted_arrives_and_is_nowhere_else() -> Outcome {
    let (_display, mut tray) = open(&empty()).await?;
    tray.copy("704 193\n")?;
    tray.write("mdupont")?;
    tray.press(&["Tab"])?;
    tray.write(PIN)?;
    // "Afficher", the digits.
    tray.press(&["Tab", "Tab", "ctrl+v", "Return"])?;
    let told = tray.told().await?;
    assert_eq!(told, sent(PIN, DIGITS));
    assert!(!format!("{told:?}").contains(PIN), "an event can be logged");

    // Sent again there is nothing left to send, and nothing comes back by "undo".
    tray.see(&busy()).await?;
    tray.see(&refused()).await?;
    tray.press(&["ctrl+z", "Tab", "Tab", "ctrl+z", "Return"])?;
    assert_eq!(tray.told().await?, sent("", ""));

    let pid = tray.pids()?[0];
    for file in ["cmdline", "environ"] {
        let text = fs::read(format!("/proc/{pid}/{file}"))?;
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains(PIN) && !text.contains(DIGITS), "{file}");
    }
    tray.press(&["Escape"])?;
    assert_eq!(tray.told().await?, Event::ConnectWindowOpen(false));
    gone(pid).await?;
    let log = tray.log()?;
    assert!(!log.contains(PIN) && !log.contains(DIGITS), "{log}");
    Ok(())
}

/// A word that is not understood is not quoted: it could be a form.
#[tokio::test]
async fn nonsense_of_the_window_is_not_repeated() -> Outcome {
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("vigie-panel");
    let nonsense = format!(r#"{{"submitted":{{"pin":"{PIN}","digits":"{DIGITS}"}}}}"#);
    fs::write(&program, format!("#!/bin/sh\nread -r form\necho '{nonsense}'\ncat >/dev/null\n"))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let (sender, mut events) = unbounded_channel();
    let mut window = Window::of(program, sender);
    window.show(&empty());
    let told = timeout(DEADLINE, events.recv()).await?;
    let Some(Event::WindowFailed(WindowKind::Connect, WindowError::Failed(why))) = told else { panic!("{told:?}") };
    assert!(why.contains("said something else") && !why.contains(PIN) && !why.contains(DIGITS), "{why}");
    Ok(())
}

#[tokio::test]
async fn with_identifier_and_pin_remembered_six_digits_are_enough() -> Outcome {
    // The keyring answers when the window stands already.
    let (_display, mut tray) = open(&Form { can_connect: false, ..empty() }).await?;
    tray.see(&remembered()).await?;
    tray.write(DIGITS)?;
    tray.press(&["Return"])?;
    let Event::FormSubmitted(form) = tray.told().await? else { panic!("the form was sent") };
    assert_eq!((form.pin, form.digits), (Pin::Remembered, DIGITS.to_owned().into()));
    assert_eq!((form.identifier.as_str(), form.remember_pin), ("mdupont", true));
    Ok(())
}

#[tokio::test]
async fn leads_to_what_is_wrong() -> Outcome {
    let (_display, mut tray) = open(&empty()).await?;
    tray.write("mdupont")?;
    tray.press(&["Return"])?;
    assert_eq!(tray.told().await?, sent("", ""));
    let fault = |field, text: &str| FieldError { field, text: text.into() };
    let faults = vec![fault(Field::Pin, "Tapez votre code PIN."), fault(Field::Digits, "Tapez les 6 chiffres.")];
    tray.see(&Form { faults, ..empty() }).await?;
    tray.write(PIN)?;
    tray.press(&["Tab", "Tab"])?;
    tray.write("704 193")?;
    tray.press(&["Return"])?;
    assert_eq!(tray.told().await?, sent(PIN, DIGITS));
    Ok(())
}

#[tokio::test]
async fn escape_gives_up_first_and_closes_then() -> Outcome {
    let (_display, mut tray) = open(&remembered()).await?;
    tray.write(DIGITS)?;
    tray.press(&["Return"])?;
    assert!(matches!(tray.told().await?, Event::FormSubmitted(_)));
    tray.see(&busy()).await?;
    // A second Return, of who is in a hurry, does nothing.
    tray.press(&["Return", "Escape"])?;
    assert_eq!(tray.told().await?, Event::Action(Action::CancelConnect));
    // By the keyboard too.
    tray.press(&["Tab", "space"])?;
    assert_eq!(tray.told().await?, Event::Action(Action::CancelConnect));
    tray.see(&refused()).await?;
    tray.press(&["Escape"])?;
    assert_eq!(tray.told().await?, Event::ConnectWindowOpen(false));
    gone(tray.pids()?[0]).await
}

#[tokio::test]
async fn stands_in_the_middle_and_closes_when_the_tray_says_so() -> Outcome {
    let (_display, mut tray) = open(&stopped()).await?;
    let [left, top, width, height] = tray.place()?;
    assert_eq!((width, height), (420, 680));
    assert_eq!((left, top), ((1024 - width) / 2, (768 - height) / 2));
    // Nothing can be sent where the account may be locked.
    tray.press(&["Return"])?;
    tray.write(DIGITS)?;
    tray.press(&["Return", "Tab", "Return"])?;
    assert_eq!(tray.told().await?, Event::Action(Action::Open("amigo".into())));
    tray.window.as_mut().expect("it is open").close();
    assert_eq!(tray.told().await?, Event::ConnectWindowOpen(false));
    gone(tray.pids()?[0]).await?;
    sleep(Duration::from_millis(200)).await;
    assert!(tray.events.try_recv().is_err(), "nothing else was told");
    Ok(())
}
