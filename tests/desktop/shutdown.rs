//! The reminders of the automatic shutdown, at real times some seconds ahead, and switching off at once.

use crate::harness::login1::FakeLogind;
use crate::harness::notifications::ObservedNotification;
use crate::harness::page::{WebPage, allow_webdriver};
use crate::harness::vpn::TestVpn;
use crate::harness::{ChildProcess, DEADLINE, Desktop, around_noon, wait_for};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, ZonedDateTime};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::time::Duration;

const ONE_MINUTE: &str = "Arrêt automatique dans une minute";
const OFF: &str = "Éteindre maintenant";
const NOT_TONIGHT: &str = "Ce soir, ne plus me le rappeler";

/// Returns the local time of the desktop in this many seconds.
fn in_seconds(seconds: i64) -> ZonedDateTime {
    let zone = TimeZone::posix(&around_noon()).expect("the time zone is valid");
    (Timestamp::now() + SignedDuration::from_secs(seconds)).to_zoned_datetime(zone)
}

/// From the configuration to the first reminder: enough for Vigie to start on a busy machine.
const AHEAD: i64 = 20;

/// Starts a desktop whose automatic shutdown is in this many seconds, with reminders these minutes ahead. Returns also when
/// the shutdown is.
fn desktop_with_shutdown_in(vpn: &TestVpn, seconds: i64, leads: &str) -> (Desktop, Timestamp) {
    let desktop = Desktop::at_home(vpn);
    // The configured time has whole seconds.
    let at = in_seconds(seconds).with().subsec_nanosecond(0).build().expect("a valid time");
    desktop.configure(&format!("[shutdown]\nat = \"{}\"\nleads_minutes = [{leads}]\n", at.strftime("%H:%M:%S")));
    desktop.skip_first_run();
    (desktop, at.timestamp())
}

/// Checks that a reminder came at this moment, or a little later on a busy machine.
fn assert_on_time(reminder: &ObservedNotification, due: Timestamp) {
    let late = due.duration_until(reminder.sent_at());
    assert!((SignedDuration::ZERO..SignedDuration::from_secs(10)).contains(&late), "{late:#}: {reminder:?}");
}

fn reminders(desktop: &Desktop) -> Vec<ObservedNotification> {
    let all = desktop.notifications().all();
    all.into_iter().filter(|notification| notification.summary.starts_with("Arrêt automatique")).collect()
}

fn end(vigie: &mut ChildProcess) {
    vigie.signal(Signal::TERM);
    assert_eq!(vigie.wait(DEADLINE).code(), Some(0));
}

/// Waits until the question is a second old: what comes sooner is no answer.
fn wait_until_it_can_be_read(question: &ObservedNotification) {
    wait_for("the question to be a second old", DEADLINE, || (question.at.elapsed().as_secs() >= 1).then_some(()));
}

#[test]
fn reminders_are_shown_once_on_time_and_answers_survive_a_restart() {
    let vpn = TestVpn::start();
    let (desktop, shutdown) = desktop_with_shutdown_in(&vpn, 2 * 60 + AHEAD, "2, 1");
    let (mut vigie, item) = desktop.start_vigie();
    item.wait_for_menu("VPN déconnecté");
    let first = desktop.notifications().wait(0, "Arrêt automatique dans 2 minutes");
    assert_on_time(&first, shutdown - 2.minutes());
    assert!(first.body.ends_with("Enregistrez votre travail et fermez vos documents."), "{first:?}");
    assert_eq!(first.buttons(), [OFF, "Me le rappeler plus tard", NOT_TONIGHT]);
    assert_eq!((first.app.as_str(), first.urgency, first.transient), ("Vigie", 2, false));
    desktop.screenshot("reminder");
    desktop.press_button(&first, "Me le rappeler plus tard");
    end(&mut vigie);
    let (mut vigie, item) = desktop.start_vigie();

    let last = wait_for("the last reminder", Duration::from_secs(60) + DEADLINE, || {
        desktop.notifications().all().into_iter().find(|it| it.summary == ONE_MINUTE && it.id != 0)
    });
    assert_on_time(&last, shutdown - 1.minute());
    assert_eq!(last.buttons(), [OFF, "J’ai compris"]);
    item.wait_for_menu("\n  Plus de rappel ce soir (greyed)\n");
    desktop.press_button(&last, "J’ai compris");
    end(&mut vigie);
    let (_vigie, item) = desktop.start_vigie();
    item.wait_for_menu("VPN déconnecté");
    assert!(item.menu().contains("\n  Plus de rappel ce soir (greyed)\n"), "{}", item.menu());
    assert_eq!(reminders(&desktop).len(), 2, "{:#?}", reminders(&desktop));
}

/// As under "do not disturb", or behind a program in full screen.
#[test]
fn unanswered_last_reminder_brings_the_panel_to_the_front() {
    let vpn = TestVpn::start();
    let (desktop, _) = desktop_with_shutdown_in(&vpn, 65, "1");
    let (_vigie, item) = desktop.start_vigie();
    item.wait_for_menu("VPN déconnecté");
    let reminder = desktop.notifications().wait(0, ONE_MINUTE);
    // Half of the minute that is left.
    wait_for("the panel", Duration::from_secs(45), || {
        desktop.window_titles().iter().any(|title| title == "Vigie").then_some(())
    });
    let waited = reminder.at.elapsed();
    assert!(waited > Duration::from_secs(25), "{waited:?}");
    assert_eq!(reminders(&desktop).len(), 1);
}

/// A panel that stays open behind other windows.
#[test]
fn a_panel_that_comes_to_the_front_has_its_reminder_read() {
    let vpn = TestVpn::start();
    let (desktop, _) = desktop_with_shutdown_in(&vpn, 75, "1");
    let vigie = desktop.spawn("vigie", allow_webdriver(&mut desktop.vigie()));
    let item = desktop.item_of(vigie.pid());
    item.activate();
    let page = WebPage::of(&desktop);
    let focused = || page.run::<String>("return document.activeElement.id", &[]);
    wait_for("the focus in the search", DEADLINE, || (focused() == "search").then_some(()));
    desktop.notifications().wait(0, ONE_MINUTE);
    page.wait_for_text("section:has(#prompt)", "C’est le dernier rappel.");
    assert_eq!(focused(), "search", "who types is not disturbed");
    wait_for("the focus on the reminder", Duration::from_secs(45), || (focused() == "prompt").then_some(()));
}

#[test]
fn switching_off_is_confirmed_and_requested_once() {
    let vpn = TestVpn::start();
    let (desktop, _) = desktop_with_shutdown_in(&vpn, 60 + 3, "1");
    let login1 = FakeLogind::start(&desktop);
    let off = || login1.calls().into_iter().filter(|call| call.starts_with("PowerOff")).collect::<Vec<_>>();
    let (_vigie, item) = desktop.start_vigie();
    let reminder = desktop.notifications().wait(0, ONE_MINUTE);
    desktop.press_button(&reminder, OFF);
    let question = desktop.notifications().wait(1, "Éteindre l’ordinateur maintenant ?");
    wait_for("the answered reminder to be closed", DEADLINE, || {
        desktop.notifications().all().into_iter().find(|it| it.id == reminder.id)?.closed.map(drop)
    });
    assert_eq!(question.buttons(), ["Annuler", "Éteindre"]);
    desktop.press_button(&question, "Annuler");
    // From the menu.
    let seen = desktop.notifications().all().len();
    item.click(&["Arrêt automatique", "Éteindre maintenant…"]);
    let question = desktop.notifications().wait(seen, "Éteindre l’ordinateur maintenant ?");
    desktop.screenshot("switch-off");
    assert_eq!(off(), Vec::<String>::new());
    wait_until_it_can_be_read(&question);
    desktop.press_button(&question, "Éteindre");
    wait_for("the call to logind", DEADLINE, || (!off().is_empty()).then_some(()));
    assert_eq!(off(), ["PowerOff(true)"]);
}

#[test]
fn a_failure_to_switch_off_is_notified() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    let (_vigie, item) = desktop.start_vigie();
    item.click(&["Arrêt automatique", "Éteindre maintenant…"]);
    let question = desktop.notifications().wait(0, "Éteindre l’ordinateur maintenant ?");
    wait_until_it_can_be_read(&question);
    desktop.press_button(&question, "Éteindre");
    desktop.notifications().wait(1, "L’ordinateur n’a pas pu être éteint");
}

#[test]
fn a_shutdown_scheduled_in_logind_is_followed_and_its_reminder_withdrawn() {
    let vpn = TestVpn::start();
    let desktop = Desktop::at_home(&vpn);
    desktop.skip_first_run();
    let vigie = desktop.spawn("vigie", &desktop.vigie_on_isolated_machine());
    let item = desktop.item_of(vigie.pid());
    item.wait_for_menu("Prochain arrêt : aujourd’hui à 21 h 30");
    // The format of update_schedule_file in systemd.
    let schedule = |at: &ZonedDateTime| {
        let usec = at.timestamp().as_microsecond();
        let text = format!("USEC={usec}\nWARN_WALL=1\nMODE=poweroff\n");
        let new = desktop.write("machine/run/systemd/shutdown/.new", &text);
        fs::rename(new, desktop.home().join("machine/run/systemd/shutdown/scheduled"))
            .expect("both names are in one folder");
    };
    let soon = in_seconds(20 * 60 - 1);
    schedule(&soon);
    item.wait_for_menu(&format!(
        "Prochain arrêt : aujourd’hui à {}",
        soon.strftime("%-H h %M").to_string().replace(" h 00", " h")
    ));
    let reminder = desktop.notifications().wait(0, "Arrêt automatique dans 20 minutes");
    assert_eq!(reminder.buttons(), [OFF, "Me le rappeler plus tard", NOT_TONIGHT]);
    fs::remove_file(desktop.home().join("machine/run/systemd/shutdown/scheduled")).expect("the file was just written");
    item.wait_for_menu("Prochain arrêt : aujourd’hui à 21 h 30");
    wait_for("the reminder to be withdrawn", DEADLINE, || reminders(&desktop)[0].closed);
    assert_eq!(reminders(&desktop).len(), 1);
}

#[test]
fn a_reminder_missed_in_sleep_is_shown_once_on_waking() {
    let vpn = TestVpn::start();
    vpn.move_on_site();
    let (desktop, shutdown) = desktop_with_shutdown_in(&vpn, 60 + AHEAD, "1");
    let login1 = FakeLogind::start(&desktop);
    let (_vigie, item) = desktop.start_vigie();
    item.wait_for_menu("Sur site");
    login1.prepare_for_sleep(true);
    item.wait_for_menu("Vérification du réseau…");
    vpn.move_home();
    assert_eq!(reminders(&desktop).len(), 0);
    wait_for("the reminder's moment to pass", DEADLINE, || {
        (Timestamp::now() > shutdown - 1.minute() + 3.seconds()).then_some(())
    });
    assert_eq!((item.menu().lines().next(), reminders(&desktop).len()), (Some("Vérification du réseau…"), 0));
    login1.prepare_for_sleep(false);
    desktop.notifications().wait(0, ONE_MINUTE);
    item.wait_for_menu("VPN déconnecté");
    assert_eq!(reminders(&desktop).len(), 1);
}

#[test]
fn without_a_notification_server_the_panel_shows_reminder_and_question() {
    let vpn = TestVpn::start();
    let (desktop, _) = desktop_with_shutdown_in(&vpn, 60 + 4, "1");
    let login1 = FakeLogind::start(&desktop);
    desktop.stop_notification_server();
    let vigie = desktop.spawn("vigie", allow_webdriver(&mut desktop.vigie()));
    let item = desktop.item_of(vigie.pid());
    desktop.wait_for_window("Vigie", true);
    let question = || {
        let status = desktop.vigie().args(["status", "--json"]).output().expect("vigie starts");
        let status: Value = serde_json::from_slice(&status.stdout).expect("the output is JSON");
        status["panel"]["question"]["title"].as_str().unwrap_or_default().to_owned()
    };
    assert!(question().starts_with("Arrêt automatique à "), "{}", question());
    desktop.screenshot("panel-reminds");
    desktop.press_key("Vigie", "Escape");
    desktop.wait_for_window("Vigie", false);
    item.click(&["Arrêt automatique", "Éteindre maintenant…"]);
    let page = WebPage::of(&desktop);
    page.wait_for_text("section:has(#prompt)", "Éteindre l’ordinateur maintenant ?");
    let wait_for_focus = |label: &str| {
        let focused = "return document.activeElement.closest('section:has(#prompt) button')?.innerText ?? ''";
        wait_for(&format!("the focus on {label:?}"), DEADLINE, || {
            (page.run::<String>(focused, &[]) == label).then_some(())
        });
    };
    wait_for_focus("Annuler");
    desktop.screenshot("panel-asks");
    assert!(!login1.calls().iter().any(|call| call.starts_with("PowerOff")));
    // For a moment, a key or click meant for what was there before must not answer.
    let inert = "return document.querySelector('section:has(#prompt) button[inert]') !== null";
    wait_for("the answers to become active", DEADLINE, || (!page.run::<bool>(inert, &[])).then_some(()));
    desktop.press_key("Vigie", "Tab");
    wait_for_focus("Éteindre");
    desktop.press_key("Vigie", "Return");
    wait_for("the call to logind", DEADLINE, || login1.calls().contains(&"PowerOff(true)".into()).then_some(()));
}

#[test]
fn a_reminder_waits_for_the_notification_server() {
    let vpn = TestVpn::start();
    let (desktop, _) = desktop_with_shutdown_in(&vpn, 10 * 60, "15, 5");
    desktop.stop_notification_server();
    let (_vigie, _item) = desktop.start_vigie();
    wait_for("the attempt to show it", DEADLINE, || desktop.vigie_log().contains("cannot be shown yet").then_some(()));
    desktop.start_notification_server();
    let shown = desktop.notifications().wait(0, "Arrêt automatique dans 10 minutes");
    assert_eq!(shown.buttons(), [OFF, "Me le rappeler plus tard", NOT_TONIGHT]);
    assert_eq!(reminders(&desktop).iter().filter(|reminder| reminder.id != 0).count(), 1);
}
