//! Connecting, with a real ocserv, OpenConnect and polkit; the window is played by the test.

use crate::FaultCase;
use crate::fixture::{Fixture, PROMPTLY, ProcessUsage, SETTINGS, StoppedProcess};
use crate::harness::keyring::{SECRETS, lock_keyring, start_keyring, stored_items};
use crate::harness::vpn::{INTRANET_HOST, PIN, TestVpn};
use crate::harness::{DEADLINE, run, wait_for, wait_for_described};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;
use zbus::zvariant::ObjectPath;

pub const FAULTS: &[FaultCase] = &[
    FaultCase {
        what: "OpenConnect is killed, while it connects and afterwards",
        may: "the form again, with what happened; « VPN déconnecté »",
        never: "« VPN connecté » without a tunnel; a form that cannot be sent again",
        tests: &["connect::client_is_killed"],
    },
    FaultCase {
        what: "the root helper is killed, while the gateway is silent as well",
        may: "the same",
        never: "an OpenConnect, or its routes, that stays behind",
        tests: &["connect::helper_is_killed", "src-tauri/openconnect/tests.rs::client_ends_if_the_program_is_killed"],
    },
    FaultCase {
        what: "OpenConnect prints without end, and repeats the passcode",
        may: "the form again, with what happened",
        never: "the passcode in the log; memory that grows",
        tests: &[
            "connect::client_prints_without_end",
            "src-tauri/runtime/connect/output.rs::no_kept_line_has_a_piece_of_the_passcode",
        ],
    },
    FaultCase {
        what: "the profile changes while it connects",
        may: "the connection that was asked for, or the form again",
        never: "an attempt without end; two clients",
        tests: &["connect::profile_changes"],
    },
    FaultCase {
        what: "SIGTERM, SIGHUP, SIGKILL while the form is open, while it connects, is connected, or disconnects; and a new start",
        may: "no VPN afterwards",
        never: "a client or a tunnel that stays behind; a wrong status, or a secret that is kept; a form that cannot be sent",
        tests: &["connect::vigie_is_ended_in_each_phase", "tests/desktop/connect.rs::no_client_outlives_vigie"],
    },
    FaultCase {
        what: "the gateway falls silent while it connects; the cable is pulled",
        may: "« La connexion a pris trop de temps », « Le serveur VPN ne répond pas »",
        never: "an attempt without end; a client that stays behind",
        tests: &["tests/desktop/connect.rs::a_silent_or_wrong_gateway_is_reported"],
    },
    FaultCase {
        what: "there is no keyring, or it is locked",
        may: "« Votre code PIN ne peut pas être retenu pour l’instant »: the PIN is asked for; \
              « Votre code PIN n’a pas été retenu »",
        never: "an attempt that waits for it; a claim that something was forgotten",
        tests: &[
            "connect::keyring_is_absent_or_locked",
            "tests/desktop/connect_window.rs::stored_credentials_are_used_and_deleted_and_a_failing_keyring_is_reported",
        ],
    },
    FaultCase {
        what: "the keyring is open, and locks each item (KeePassXC)",
        may: "the identifier, and that a PIN is kept; the PIN is asked for",
        never: "« Votre code PIN ne peut pas être retenu pour l’instant »",
        tests: &[
            "connect::keyring_locks_each_item",
            "src-tauri/runtime/credentials/tests.rs::looking_at_locked_items_shows_what_is_stored_and_prompts_for_nothing",
        ],
    },
    FaultCase {
        what: "the keyring hangs, and is killed while it writes",
        may: "the PIN is asked for again the next time",
        never: "a tray or an attempt that waits for it; the PIN anywhere else",
        tests: &["connect::keyring_hangs_and_is_killed"],
    },
];

/// Vigie with the window for connecting open, played by the test.
fn start(settings: &str) -> Fixture {
    let mut fixture = prepare(settings);
    fixture.run();
    open_form(&fixture);
    fixture
}

fn prepare(settings: &str) -> Fixture {
    let mut fixture = Fixture::prepare();
    fixture.vpn.require_otp();
    fixture.desktop.configure(SETTINGS);
    fixture.command = fixture.desktop.vigie_with_fake_window(&fixture.vpn, settings);
    fixture
}

fn open_form(fixture: &Fixture) {
    fixture.wait_for_status("disconnected");
    let seen = fixture.desktop.forms().len();
    fixture.act(r#"{"do":"connect"}"#);
    fixture.desktop.wait_for_form_after(seen, "one that can be sent", |form| form["can_connect"] == true);
}

/// Sends the form, and waits for the tunnel.
fn connect(fixture: &Fixture, digits: &str) {
    fixture.desktop.submit_form(PIN, digits);
    fixture.wait_for_status_within(DEADLINE, "connected");
    assert!(fixture.vpn.is_reachable(INTRANET_HOST));
}

fn disconnect(fixture: &Fixture) {
    fixture.act(r#"{"do":"disconnect"}"#);
    fixture.wait_for_status_within(DEADLINE, "disconnected");
    assert_no_client(fixture);
}

/// Waits until no client and no tunnel is left.
fn assert_no_client(fixture: &Fixture) {
    let left = || (fixture.vpn.client_processes(), tunnels(fixture));
    wait_for_described(
        || format!("no client; left: {:?}", left()),
        DEADLINE,
        || (fixture.vpn.client_processes().is_empty() && tunnels(fixture).is_empty()).then_some(()),
    );
}

fn tunnels(fixture: &Fixture) -> Vec<String> {
    let links = run(Command::new("ip").args(["-n", fixture.vpn.home_namespace(), "-o", "link"]));
    links.lines().filter(|line| line.contains("tun")).map(str::to_owned).collect()
}

/// Waits for a program at home, by the beginning of its name.
fn client(fixture: &Fixture, name: &str) -> Pid {
    wait_for(name, DEADLINE, || {
        let pids = run(Command::new("ip").args(["netns", "pids", fixture.vpn.home_namespace()]));
        let mut pids = pids.lines().filter_map(|pid| pid.trim().parse::<i32>().ok());
        let comm = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        pids.find(|pid| comm(*pid).starts_with(name)).and_then(Pid::from_raw)
    })
}

fn kill(pid: Pid) {
    kill_process(pid, Signal::KILL).expect("it runs");
}

/// Waits until the attempt has failed, and the form can be sent again.
fn wait_for_failure(fixture: &Fixture, seen: usize) -> Value {
    let failed = |form: &Value| form["busy"] == false && form["can_connect"] == true && !form["message"].is_null();
    fixture.desktop.wait_for_form_after(seen, "a failure", failed)
}

#[test]
fn client_is_killed() {
    let fixture = start("");
    fixture.vpn.freeze_server();
    let seen = fixture.desktop.forms().len();
    fixture.desktop.submit_form(PIN, &TestVpn::otp(0));
    kill(client(&fixture, "openconnect"));
    wait_for_failure(&fixture, seen);
    assert_no_client(&fixture);
    fixture.vpn.resume_server();

    connect(&fixture, &TestVpn::otp(0));
    fixture.assert_reminds();
    kill(client(&fixture, "openconnect"));
    fixture.wait_for_status("disconnected");
    assert_no_client(&fixture);
    open_form(&fixture);
    connect(&fixture, &TestVpn::otp(1));
    disconnect(&fixture);
    fixture.assert_unharmed();
}

#[test]
fn helper_is_killed() {
    let fixture = start("");
    for (number, is_connected) in [(0, false), (0, true)] {
        if is_connected {
            connect(&fixture, &TestVpn::otp(number));
            fixture.vpn.freeze_server();
        } else {
            fixture.vpn.freeze_server();
            fixture.desktop.submit_form(PIN, &TestVpn::otp(number));
            client(&fixture, "openconnect");
        }
        kill(client(&fixture, "vigie-openconn"));
        assert_no_client(&fixture);
        fixture.vpn.resume_server();
        fixture.wait_for_status("disconnected");
        fixture.assert_reminds();
        open_form(&fixture);
    }
    connect(&fixture, &TestVpn::otp(1));
    disconnect(&fixture);
    fixture.assert_unharmed();
}

#[test]
fn client_prints_without_end() {
    let mut fixture = prepare("[vpn]\nconnect_seconds = 10\n");
    fixture.desktop.install_program(
        "endless",
        "#!/bin/sh\nread -r passcode\necho \"user $passcode\"\nexec yes \"POST https://$passcode\"\n",
    );
    fixture.run();
    let endless = fixture.desktop.home().join("bin/endless").display().to_string();
    fixture.run_beside(&["mount", "--bind", &endless, "/usr/sbin/openconnect"]);
    open_form(&fixture);
    let before = ProcessUsage::of(fixture.vigie().pid());
    let digits = TestVpn::otp(0);
    let seen = fixture.desktop.forms().len();
    fixture.desktop.submit_form(PIN, &digits);
    wait_for_failure(&fixture, seen);
    fixture.assert_reminds();
    wait_for("the end of the client", DEADLINE, || fixture.vpn.client_processes().is_empty().then_some(()));
    let now = ProcessUsage::of(fixture.vigie().pid());
    assert!(now.memory < before.memory + 16 * 1024, "{before:?}, then {now:?}");
    for secret in [&digits, &format!("{PIN}{digits}")] {
        fixture.assert_no_secret(secret);
    }
    fixture.run_beside(&["umount", "/usr/sbin/openconnect"]);
    connect(&fixture, &digits);
    disconnect(&fixture);
    fixture.assert_unharmed();
}

#[test]
fn profile_changes() {
    let fixture = start("[vpn]\nconnect_seconds = 20\n");
    fixture.vpn.freeze_server();
    fixture.desktop.submit_form(PIN, &TestVpn::otp(0));
    client(&fixture, "openconnect");
    for change in
        [r#"{"what":"site","to":"rouen"}"#, r#"{"what":"lead","to":[15,true]}"#, r#"{"what":"site","to":"caen"}"#]
    {
        fixture.act(&format!(r#"{{"do":"choose","with":{change}}}"#));
    }
    fixture.vpn.resume_server();
    fixture.wait_for_status_within(DEADLINE, "connected");
    assert_eq!(fixture.vpn.client_processes().iter().filter(|name| name.starts_with("openconnect")).count(), 1);
    disconnect(&fixture);
    fixture.assert_unharmed();
}

/// How far a connect is when Vigie is ended.
#[derive(Debug, Clone, Copy)]
enum ConnectPhase {
    /// The form is open.
    Asking,
    /// The client has the passcode, and waits for the gateway.
    Authenticating,
    Connected,
    /// The client says goodbye to the gateway, which does not answer.
    Disconnecting,
}

#[test]
fn vigie_is_ended_in_each_phase() {
    let mut fixture = start("");
    let mut passcodes = (0..).map(TestVpn::otp);
    for phase in
        [ConnectPhase::Asking, ConnectPhase::Authenticating, ConnectPhase::Connected, ConnectPhase::Disconnecting]
    {
        for signal in [Signal::TERM, Signal::HUP, Signal::KILL] {
            let digits = passcodes.next().expect("there is no end of them");
            match phase {
                ConnectPhase::Asking => {}
                ConnectPhase::Authenticating => {
                    fixture.vpn.freeze_server();
                    fixture.desktop.submit_form(PIN, &digits);
                    client(&fixture, "openconnect");
                }
                ConnectPhase::Connected => connect(&fixture, &digits),
                ConnectPhase::Disconnecting => {
                    connect(&fixture, &digits);
                    fixture.vpn.freeze_server();
                    fixture.act(r#"{"do":"disconnect"}"#);
                }
            }
            // Vigie alone, not its group: the programs that run as root do not get the user's signals.
            fixture.vigie().signal(signal);
            let mut vigie = fixture.take_vigie();
            vigie.wait(DEADLINE);
            let left = || (fixture.vpn.client_processes(), tunnels(&fixture));
            wait_for_described(
                || format!("{phase:?}, {signal:?}: no client; left: {:?}", left()),
                DEADLINE,
                || (left() == Default::default()).then_some(()),
            );
            drop(vigie);
            fixture.vpn.resume_server();
            // It knows that it is not connected, remembers no secret, and can connect again.
            fixture.run();
            fixture.wait_for_status("disconnected");
            fixture.assert_no_secret(PIN);
            fixture.assert_no_secret(&digits);
            open_form(&fixture);
        }
    }
    connect(&fixture, &passcodes.next().expect("there is no end of them"));
    disconnect(&fixture);
    fixture.assert_unharmed();
}

/// Submits the form, and has the PIN remembered.
fn submit_to_remember(fixture: &Fixture, digits: &str) {
    fixture.desktop.send_from_window(&json!({"submitted": {
        "way": "connect", "site": "caen", "identifier": TestVpn::USER, "pin": {"is": "typed", "text": PIN},
        "digits": digits, "remember_pin": true,
    }}));
}

#[test]
fn keyring_is_absent_or_locked() {
    let mut fixture = start("");
    let form = fixture.desktop.wait_for_form("what the keyring said", |form| !form["message"].is_null());
    assert_eq!(form["can_connect"], true, "{form}");
    submit_to_remember(&fixture, &TestVpn::otp(0));
    fixture.wait_for_status_within(DEADLINE, "connected");
    fixture.desktop.notifications().wait(0, "Votre code PIN n’a pas été retenu");
    fixture.assert_reminds();
    disconnect(&fixture);

    let keyring = start_keyring(&fixture.desktop);
    fixture.others.push(keyring);
    lock_keyring(&fixture.desktop);
    open_form(&fixture);
    submit_to_remember(&fixture, &TestVpn::otp(1));
    fixture.wait_for_status_within(DEADLINE, "connected");
    fixture.assert_reminds();
    disconnect(&fixture);
    assert_eq!(stored_items(&fixture.desktop), 0);
    fixture.assert_unharmed();
}

#[test]
fn keyring_hangs_and_is_killed() {
    let mut fixture = prepare("");
    let keyring = start_keyring(&fixture.desktop);
    fixture.run();
    open_form(&fixture);
    let stopped = StoppedProcess::owner_of(&fixture.desktop, SECRETS);
    submit_to_remember(&fixture, &TestVpn::otp(0));
    fixture.wait_for_status_within(DEADLINE, "connected");
    fixture.assert_reminds();
    disconnect(&fixture);
    open_form(&fixture);
    submit_to_remember(&fixture, &TestVpn::otp(1));
    fixture.wait_for_status_within(DEADLINE, "connected");
    // In the middle of the write, which never gets an answer.
    drop(keyring);
    drop(stopped);
    fixture.assert_reminds();
    disconnect(&fixture);
    fixture.others.push(start_keyring(&fixture.desktop));
    crate::harness::assert_holds_for("no half of an entry", Duration::from_secs(1), || {
        stored_items(&fixture.desktop) != 1
    });
    open_form(&fixture);
    connect(&fixture, &TestVpn::otp(2));
    disconnect(&fixture);
    assert!(fixture.status().is_some(), "within {PROMPTLY:?}");
    fixture.assert_unharmed();
}

/// A keyring that is open, and whose items are locked each: it serves what can be read without a prompt.
struct ItemLockingService;

#[zbus::interface(name = "org.freedesktop.Secret.Service")]
impl ItemLockingService {
    fn read_alias(&self, _name: &str) -> ObjectPath<'static> {
        ObjectPath::from_static_str_unchecked("/collection")
    }
}

struct OpenCollection;

#[zbus::interface(name = "org.freedesktop.Secret.Collection")]
impl OpenCollection {
    fn search_items(&self, _attributes: HashMap<String, String>) -> Vec<ObjectPath<'static>> {
        vec![ObjectPath::from_static_str_unchecked("/item")]
    }

    #[zbus(property)]
    fn locked(&self) -> bool {
        false
    }
}

struct ClosedItem;

#[zbus::interface(name = "org.freedesktop.Secret.Item")]
impl ClosedItem {
    #[zbus(property)]
    fn attributes(&self) -> HashMap<String, String> {
        HashMap::from([("identifier".into(), TestVpn::USER.into())])
    }

    #[zbus(property)]
    fn locked(&self) -> bool {
        true
    }
}

#[test]
fn keyring_locks_each_item() {
    let mut fixture = prepare("");
    let address = fixture.desktop.session_address();
    let builder = zbus::blocking::connection::Builder::address(address.as_str()).expect("the desktop's");
    let builder = builder.serve_at("/org/freedesktop/secrets", ItemLockingService).expect("a path");
    let builder = builder.serve_at("/collection", OpenCollection).expect("a path");
    let builder = builder.serve_at("/item", ClosedItem).expect("a path");
    let _keyring = builder.name(SECRETS).and_then(|builder| builder.build()).expect("the name is free");
    fixture.run();
    open_form(&fixture);
    let form = fixture.desktop.wait_for_form("what is kept", |form| form["can_connect"] == true);
    let kept = (&form["identifier"], &form["pin_remembered"], &form["message"]);
    assert_eq!(kept, (&json!(TestVpn::USER), &json!(true), &Value::Null), "{form}");
    // The user does not allow it: the PIN is asked for.
    let seen = fixture.desktop.forms().len();
    fixture.desktop.send_from_window(&json!({"submitted": {
        "way": "connect", "site": "caen", "identifier": TestVpn::USER, "pin": {"is": "remembered"},
        "digits": TestVpn::otp(0), "remember_pin": true,
    }}));
    wait_for_failure(&fixture, seen);
    connect(&fixture, &TestVpn::otp(0));
    disconnect(&fixture);
    fixture.assert_unharmed();
}
