//! Connecting, with a real ocserv that asks for PIN and six digits, a real OpenConnect and a real polkit. The window is
//! simulated (tests/desktop/harness/fake-window): it sends what `vigie-panel` would send.

use crate::harness::connect::build_helper;
use crate::harness::processes::{descendants, files_containing, find_secret, process_name};
use crate::harness::tray::TrayItem;
use crate::harness::vpn::{INTRANET_HOST, PIN, TestVpn};
use crate::harness::{ChildProcess, DEADLINE, Desktop, run, wait_for, wait_for_described};
use jiff::{Timestamp, ToSpan};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

struct ConnectHarness {
    settings: String,
    /// How many forms there were before the window was opened.
    seen: usize,
    item: TrayItem,
    vigie: ChildProcess,
    desktop: Desktop,
    vpn: TestVpn,
}

impl ConnectHarness {
    /// Starts Vigie at home, with the connect window open.
    fn start(settings: &str) -> ConnectHarness {
        let vpn = TestVpn::start();
        vpn.require_otp();
        let desktop = Desktop::at_home(&vpn);
        desktop.skip_first_run();
        let home = ConnectHarness::open(settings.into(), desktop, vpn);
        home.desktop.wait_for_form("that can be sent", |form| form["can_connect"] == true);
        home
    }

    fn open(settings: String, desktop: Desktop, vpn: TestVpn) -> ConnectHarness {
        let vigie = desktop.spawn("vigie", &desktop.vigie_with_fake_window(&vpn, &settings));
        let item = desktop.item_of(vigie.pid());
        item.wait_for_menu("VPN déconnecté");
        let seen = desktop.forms().len();
        item.click(&["Se connecter au VPN…"]);
        ConnectHarness { settings, seen, item, vigie, desktop, vpn }
    }

    /// Opens the connect window again.
    fn open_again(&self) {
        let seen = self.desktop.forms().len();
        self.item.click(&["Se connecter au VPN…"]);
        self.desktop.wait_for_form_after(seen, "that can be sent", |form| form["can_connect"] == true);
    }

    /// Quits Vigie by its menu, and starts it again.
    fn restarted(self) -> ConnectHarness {
        self.restarted_after(|_| ())
    }

    /// As [`ConnectHarness::restarted`]; calls `meanwhile` while Vigie does not run.
    fn restarted_after(mut self, meanwhile: impl FnOnce(&ConnectHarness)) -> ConnectHarness {
        self.item.click(&["Quitter"]);
        assert!(self.vigie.wait(DEADLINE).success());
        meanwhile(&self);
        ConnectHarness::open(self.settings, self.desktop, self.vpn)
    }

    /// Returns the state that Vigie has saved for its next start.
    fn saved_state(&self) -> Value {
        let text = fs::read_to_string(self.desktop.home().join(".local/state/vigie/state.json"));
        serde_json::from_str(&text.expect("it is kept")).expect("JSON")
    }

    /// Sends the form, and checks that it starts no client: a request that was sent after it is answered, and the server was not
    /// contacted.
    fn assert_not_sent(&self, digits: &str) {
        let (asked, notified) =
            (self.vpn.logs().matches(TestVpn::USER).count(), self.desktop.notifications().all().len());
        self.desktop.submit_form(PIN, digits);
        self.desktop.send_from_window(&json!({"requested": {"do": "about"}}));
        wait_for("the answer to the later request", DEADLINE, || {
            self.desktop.notifications().all().get(notified).cloned()
        });
        self.assert_no_client_left();
        assert_eq!(self.vpn.logs().matches(TestVpn::USER).count(), asked);
    }

    /// Sends the form, and waits for a message with this title.
    fn submit_and_wait_for(&self, pin: &str, digits: &str, title: &str) -> Value {
        let seen = self.desktop.forms().len();
        self.desktop.submit_form(pin, digits);
        self.wait_for_message(seen, title)
    }

    fn wait_for_message(&self, seen: usize, title: &str) -> Value {
        let title_of = |form: &Value| form["message"]["title"].as_str().map(plain);
        self.desktop
            .wait_for_form_after(seen, title, |form| form["busy"] == false && title_of(form).as_deref() == Some(title))
    }

    /// Sends the form, and waits until the intranet is reachable.
    fn submit_and_connect(&self, digits: &str) {
        self.desktop.submit_form(PIN, digits);
        self.item.wait_for_menu("VPN connecté");
        assert!(self.vpn.is_reachable(INTRANET_HOST));
    }

    /// Waits until no client is left.
    fn assert_no_client_left(&self) {
        wait_for("the end of every client", DEADLINE, || {
            let left = descendants(&self.vigie).into_iter().filter(|pid| {
                let name = process_name(*pid);
                name.starts_with("openconnect") || name.starts_with("vigie-openconn") || name.starts_with("pkexec")
            });
            (left.count() == 0).then_some(())
        });
        let links = run(Command::new("ip").args(["-n", self.vpn.home_namespace(), "-o", "link"]));
        assert!(!links.contains("tun"), "{links}");
    }

    /// Checks that no process and no file of Vigie's holds this secret.
    fn assert_nothing_holds(&self, secret: &str) {
        // OpenConnect itself keeps its input; its memory belongs to root.
        for pid in descendants(&self.vigie).into_iter().filter(|pid| process_name(*pid) != "openconnect") {
            assert_eq!(find_secret(pid, secret), [""; 0], "{}", process_name(pid));
        }
        assert_eq!(files_containing(self.desktop.home(), secret), [""; 0].map(std::path::PathBuf::from));
    }
}

/// Returns the text with plain spaces.
fn plain(text: &str) -> String {
    text.replace('\u{a0}', " ")
}

#[test]
fn the_right_code_connects_and_leaves_no_trace() {
    let home = ConnectHarness::start("");
    let digits = TestVpn::otp(0);
    home.submit_and_connect(&digits);
    // The window closes by itself, and the new status is notified.
    home.desktop.notifications().wait(0, "VPN connecté");
    home.assert_nothing_holds(PIN);
    home.assert_nothing_holds(&format!("{PIN}{digits}"));
    let log = home.desktop.vigie_log();
    assert!(log.contains("Submitted") && log.contains("[secret]") && log.contains("Connect("), "the log has details");

    home.item.click(&["Se déconnecter du VPN"]);
    home.item.wait_for_menu("VPN déconnecté");
    assert!(!home.vpn.is_reachable(INTRANET_HOST));
    home.assert_no_client_left();

    // The digits are valid once.
    home.open_again();
    home.submit_and_wait_for(PIN, &digits, "Code refusé");
    home.submit_and_connect(&TestVpn::otp(1));
    // The tunnel ends with Vigie.
    home.item.click(&["Quitter"]);
    wait_for("the end of the tunnel", DEADLINE, || (!home.vpn.is_reachable(INTRANET_HOST)).then_some(()));
}

#[test]
fn three_wrong_codes_end_all_attempts() {
    let home = ConnectHarness::start("");
    home.submit_and_wait_for("wrong", &TestVpn::otp(0), "Code refusé");
    home.submit_and_wait_for(PIN, "000000", "Code refusé");
    let form = home.submit_and_wait_for(PIN, "111111", "Trop de codes refusés");
    assert_eq!((&form["can_connect"], &form["by_hand"]), (&Value::Bool(false), &Value::Null));
    home.assert_no_client_left();
    // The right code is not tried either, not even after a restart.
    home.assert_not_sent(&TestVpn::otp(1));
    let home = home.restarted();
    let form = home.desktop.wait_for_form_after(home.seen, "a message", |form| form["message"]["title"].is_string());
    assert_eq!(form["message"]["title"].as_str().map(plain).as_deref(), Some("Trop de codes refusés"));
    assert_eq!(form["message"]["buttons"][0]["action"], json!({"do": "ask-helpdesk", "with": "credentials"}));
    assert_eq!(form["can_connect"], false);
    home.assert_not_sent(&TestVpn::otp(1));

    // Half an hour later, a right code resets the count.
    let state = home.saved_state();
    assert_eq!(state["connect"]["wrong"], 3);
    let last: Timestamp = state["connect"]["last"].as_str().expect("a moment").parse().expect("a moment");
    let home = home.restarted_after(|home| {
        let earlier = json!({"wrong": 3, "last": last - 31.minutes()});
        let state = json!({"welcomed": true, "asked_site": true, "connect": earlier});
        home.desktop.write(".local/state/vigie/state.json", &state.to_string());
    });
    home.desktop.wait_for_form_after(home.seen, "that can be sent", |form| form["can_connect"] == true);
    home.submit_and_connect(&TestVpn::otp(1));
    wait_for("that no wrong code is remembered", DEADLINE, || {
        (home.saved_state()["connect"]["wrong"] == 0).then_some(())
    });
}

#[test]
fn a_gateway_with_another_certificate_gets_nothing_until_the_administrator_pins_it() {
    let home = ConnectHarness::start("");
    home.submit_and_connect(&TestVpn::otp(0));
    home.item.click(&["Se déconnecter du VPN"]);
    home.item.wait_for_menu("VPN déconnecté");
    home.assert_no_client_left();

    home.vpn.start_server_with_renewed_certificate();
    home.open_again();
    let asked = home.vpn.logs().matches(TestVpn::USER).count();
    let digits = TestVpn::otp(1);
    let form = home.submit_and_wait_for(PIN, &digits, "Le serveur VPN n’est pas reconnu");
    assert_eq!(form["message"]["buttons"][0]["action"], json!({"do": "ask-helpdesk", "with": "vpn"}));
    assert_eq!(home.vpn.logs().matches(TestVpn::USER).count(), asked);
    home.assert_no_client_left();

    let file = format!("/proc/{}/root/etc/vigie/vigie.toml", home.vigie.pid());
    let named = fs::read_to_string(&file).expect("the machine has it");
    let named = named.replace(&home.vpn.certificate_pin("gateway"), &home.vpn.certificate_pin("renewed"));
    fs::write(&file, named).expect("needs root");
    home.submit_and_connect(&digits);
}

#[test]
fn a_silent_or_wrong_gateway_is_reported() {
    let home = ConnectHarness::start("[vpn]\nconnect_seconds = 10");
    home.vpn.kill_server();
    home.submit_and_wait_for(PIN, &TestVpn::otp(0), "Le serveur VPN ne répond pas");
    // Another server answers: it is sent nothing.
    home.vpn.start_impostor_server();
    home.submit_and_wait_for(PIN, &TestVpn::otp(0), "Le serveur VPN n’est pas reconnu");
    home.vpn.kill_server();
    home.vpn.start_server();
    // The cable is pulled in the middle.
    home.vpn.freeze_server();
    home.desktop.submit_form(PIN, &TestVpn::otp(0));
    home.desktop.wait_for_form("under way", |form| form["busy"] == true);
    home.vpn.unplug();
    let form = home.desktop.wait_for_form("the end", |form| form["busy"] == false && !form["message"].is_null());
    let title = form["message"]["title"].as_str().unwrap_or_default().to_owned();
    assert!(["La connexion a pris trop de temps", "Le serveur VPN ne répond pas"].contains(&title.as_str()), "{title}");
    home.assert_no_client_left();
    home.vpn.resume_server();
    home.vpn.plug();
    home.vpn.kill_server();
    home.vpn.start_server();
    home.submit_and_connect(&TestVpn::otp(0));
    // The server restarts, and the user disconnects before the client gives up.
    home.vpn.kill_server();
    home.vpn.start_server();
    home.item.click(&["Se déconnecter du VPN"]);
    home.item.wait_for_menu("VPN déconnecté");
    home.assert_no_client_left();
}

#[test]
fn a_form_sent_twice_starts_one_client_and_cancelling_ends_it() {
    let home = ConnectHarness::start("");
    home.vpn.freeze_server();
    let digits = TestVpn::otp(0);
    home.desktop.submit_form(PIN, &digits);
    home.desktop.submit_form(PIN, &digits);
    home.desktop.wait_for_form("under way", |form| form["busy"] == true);
    wait_for("one client", DEADLINE, || {
        let clients = descendants(&home.vigie).into_iter().filter(|pid| process_name(*pid) == "openconnect");
        (clients.count() == 1).then_some(())
    });
    assert!(home.item.menu().contains("Connexion en cours"), "{}", home.item.menu());
    home.item.click(&["Annuler la connexion"]);
    home.wait_for_message(0, "Connexion annulée");
    home.assert_no_client_left();
    home.vpn.resume_server();
    home.submit_and_connect(&digits);
}

#[test]
fn the_first_of_two_groups_is_chosen() {
    let home = ConnectHarness::start("");
    home.vpn.offer_groups();
    home.submit_and_connect(&TestVpn::otp(0));
    home.item.click(&["Se déconnecter du VPN"]);
    home.item.wait_for_menu("VPN déconnecté");
    home.assert_no_client_left();
    // A wrong code is one, with groups too.
    home.open_again();
    home.submit_and_wait_for(PIN, "000000", "Code refusé");
}

#[test]
fn a_second_question_is_not_a_refused_code() {
    let home = ConnectHarness::start("");
    home.vpn.require_second_answer();
    for number in 0..4 {
        let form =
            home.submit_and_wait_for(PIN, &TestVpn::otp(number), "Le serveur VPN demande autre chose qu’un code");
        assert_eq!(form["can_connect"], true, "after {number}");
        home.assert_no_client_left();
    }
}

#[test]
fn no_client_outlives_vigie() {
    for signal in [Signal::TERM, Signal::KILL] {
        for is_connected in [false, true] {
            let mut home = ConnectHarness::start("");
            if is_connected {
                home.submit_and_connect(&TestVpn::otp(0));
            } else {
                home.vpn.freeze_server();
                home.desktop.submit_form(PIN, &TestVpn::otp(0));
            }
            let is_running = || home.vpn.client_processes().iter().any(|name| name.starts_with("openconnect"));
            wait_for("the client", DEADLINE, || is_running().then_some(()));
            // Vigie alone, not its group: the programs that run as root do not get the user's signals.
            let vigie = Pid::from_raw(i32::try_from(home.vigie.pid()).expect("a pid")).expect("a pid");
            kill_process(vigie, signal).expect("it runs");
            home.vigie.wait(DEADLINE);
            let what =
                || format!("{signal:?}, connected: {is_connected}: the end of {:?}", home.vpn.client_processes());
            wait_for_described(what, DEADLINE, || home.vpn.client_processes().is_empty().then_some(()));
            let links = run(Command::new("ip").args(["-n", home.vpn.home_namespace(), "-o", "link"]));
            assert!(!links.contains("tun"), "{links}");
        }
    }
}

/// Checks the policy file, as an ordinary user, with the program where the package installs it.
#[test]
fn polkit_asks_for_this_program_by_name() {
    let folder = tempfile::Builder::new().prefix("vigie-polkit-").tempdir().expect("/tmp can be written");
    let script = r#"
mount -t tmpfs own "$1"
cd "$1"
mkdir -p run/dbus lib libwork actions actionswork rules ruleswork lib/vigie
cp "$2" actions/; cp "$3" lib/vigie/vigie-openconnect
mount -t overlay lib -o "lowerdir=/usr/lib,upperdir=$1/lib,workdir=$1/libwork" /usr/lib
mount -t overlay actions -o "lowerdir=/usr/share/polkit-1/actions,upperdir=$1/actions,workdir=$1/actionswork" /usr/share/polkit-1/actions
if [ "$4" = allowed ]; then
    # Simulates a user at the computer: there is no session here.
    echo 'polkit.addRule(function(action, subject) {
        if (action.id == "fr.ac-normandie.vigie.connect") { return polkit.Result.YES; } });' >rules/10.rules
fi
chmod -R a+rX rules
mount -t overlay rules -o "lowerdir=/etc/polkit-1/rules.d,upperdir=$1/rules,workdir=$1/ruleswork" /etc/polkit-1/rules.d
chmod a+rx /etc/polkit-1/rules.d
mount --bind run /run
cat >system.conf <<'X'
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>
X
dbus-daemon --fork --config-file=system.conf
/usr/lib/polkit-1/polkitd --no-debug >polkitd.log 2>&1 & polkitd=$!
timeout 30 sh -c 'until dbus-send --system --print-reply --dest=org.freedesktop.DBus / \
    org.freedesktop.DBus.NameHasOwner string:org.freedesktop.PolicyKit1 | grep -q true; do sleep 0.05; done'
# pkexec refuses children of process 1.
printf 'nowhere\njdupont\n1234567890\n' | setpriv --reuid 65534 --regid 65534 --clear-groups sh -c \
    'pkexec --disable-internal-agent /usr/lib/vigie/vigie-openconnect 2>&1; echo "status $?"'
printf 'caen\n--config=/tmp/x\n1234567890\n' | /usr/lib/vigie/vigie-openconnect || echo "status $?"
/usr/lib/vigie/vigie-openconnect 192.0.2.1 </dev/null || echo "status $?"
kill $polkitd $(pidof -s dbus-daemon) 2>/dev/null || true
cat polkitd.log
"#;
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/linux/fr.ac-normandie.vigie.policy");
    let as_who = |who: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--", "sh", "-c", script, "sh"]);
        run(command.arg(folder.path()).arg(policy).arg(build_helper()).arg(who))
    };
    let output = as_who("allowed");
    assert!(output.contains("vigie-openconnect: refused: no such site\nstatus 2\n"), "{output}");
    assert!(output.contains("vigie-openconnect: refused: no such identifier\nstatus 2\n"), "{output}");
    assert!(output.contains("vigie-openconnect: refused: no arguments are taken\nstatus 2\n"), "{output}");
    let output = as_who("stranger");
    assert!(output.contains("status 127\n") && !output.contains("no such site"), "{output}");
}
