//! A machine on which Vigie can connect: polkit on the desktop's system bus, an administrator's settings, and optionally a
//! fake window that the test controls. `/run`, `/etc` and the window's program are private to it (a mount namespace).

use super::vpn::{GATEWAY, TestVpn};
use super::{DEADLINE, Desktop, build, require_other_users, run, wait_for};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Sets up the mounts and polkit, then runs the program. The system bus of the desktop is at its usual place, because pkexec
/// looks for it only there.
const MACHINE: &str = r#"
machine=$1 window=$2 panel=$3; shift 3
hostname pc-14-042
mount -t tmpfs machine "$machine/own"
mkdir -p "$machine/own/etc" "$machine/own/work" "$machine/own/run/dbus" "$machine/own/run/systemd/shutdown"
cp /etc/hosts /etc/resolv.conf "$machine/own/etc/"
cp -r "$machine/etc/." "$machine/own/etc/"
mount -t overlay etc -o "lowerdir=/etc,upperdir=$machine/own/etc,workdir=$machine/own/work" /etc
if [ -d "$machine/run/cups" ]; then
    mkdir "$machine/own/run/cups"
    mount --bind "$machine/run/cups" "$machine/own/run/cups"
fi
mount --rbind "$machine/own/run" /run
[ -z "$window" ] || mount --bind "$window" "$panel"
[ -z "${HIDDEN-}" ] || mount --bind /dev/null "$HIDDEN"
ln -s "${DBUS_SYSTEM_BUS_ADDRESS#unix:path=}" /run/dbus/system_bus_socket
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket
# Not daemonized: the test ends by killing the process group.
/usr/lib/polkit-1/polkitd --no-debug &
exec "$@"
"#;

/// A fake of Cisco's command line in front of a real OpenConnect. Its output is that of version 5
/// (src-tauri/transcripts).
const CISCO_CLI: &str = r#"#!/bin/sh
cd "$HOME" || exit
say() { printf '\r  >> %s\r\n' "$1"; }
up() { ip -o link show cscotun0 >/dev/null 2>&1; }
printf '\r\nCisco Secure Client (version 5.1.2.42) .\r\n\r\n'
case "$*" in
state)
    if up; then say 'state: Connected'; else say 'state: Disconnected'; fi
    exit ;;
disconnect)
    say 'state: Disconnecting'
    [ ! -e vpn.pid ] || kill -INT "$(cat vpn.pid)"
    while up; do sleep 0.1; done
    say 'state: Disconnected'
    exit ;;
esac
say 'state: Unknown'
say 'state: Disconnected'
say 'notice: Ready to connect.'
say "contacting host ($3) for login information..."
if [ -e vpn.held ]; then
    say 'error: Connect capability is unavailable. Another Cisco Secure Client application acquired it.'
    printf '\rVPN> '
    exec cat
fi
say "notice: Contacting $3."
say 'Please enter your username and password.'
printf '\r\nUsername: [] '; read -r user
printf 'Password: '; read -r passcode; printf '\r\n'
if [ -e vpn.locked ]; then
    say 'warning: Login failed. Your account is locked.'
    say 'Please enter your username and password.'
    printf 'Username: [] '
    exec cat
fi
say 'state: Connecting'
if printf '%s\n' "$passcode" | openconnect --protocol=anyconnect --non-inter --user="$user" --passwd-on-stdin \
    --cafile="$SSL_CERT_FILE" --interface=cscotun0 --background --pid-file="$HOME/vpn.pid" "$3" >logs/cisco.log 2>&1
then
    say 'notice: Establishing VPN session...'
    say 'state: Connected'
    printf '\rVPN> '
else
    say 'warning: Login failed.'
    say 'Please enter your username and password.'
    printf '\r\nUsername: [] '
fi
exec cat
"#;

/// A fake of Cisco's window: while it is open it blocks the command line, and a second start brings it to the front.
const CISCO_WINDOW: &str = r#"#!/bin/sh
cd "$HOME" || exit
echo >>vpnui.starts
[ ! -e vpn.held ] || exit 0
touch vpn.held
xmessage -title 'Cisco Secure Client' -buttons Close -default Close 'Ready to connect.'
rm vpn.held
"#;

/// Returns the program that connects as root. It belongs to another package, which Cargo does not build for these tests.
pub fn build_helper() -> &'static Path {
    static HELPER: LazyLock<PathBuf> =
        LazyLock::new(|| build(&["--package", "vigie-openconnect"], "vigie-openconnect"));
    &HELPER
}

impl Desktop {
    /// Installs the fake of Cisco's client, and returns the settings by which Vigie finds its command line.
    pub fn install_cisco(&self) -> String {
        self.install_program("vpnui", CISCO_WINDOW);
        self.install_program("vpn", CISCO_CLI);
        format!("[vpn.command_line]\nlinux = [\"{}\"]\n", self.home().join("bin/vpn").display())
    }

    /// Returns how often Cisco's window was opened or brought to the front.
    pub fn cisco_window_starts(&self) -> usize {
        fs::read_to_string(self.home().join("vpnui.starts")).unwrap_or_default().lines().count()
    }

    /// Returns the command that starts Vigie on such a machine with a fake window, at the most verbose log level.
    pub fn vigie_with_fake_window(&self, vpn: &TestVpn, settings: &str) -> Command {
        let pipe = self.home().join("window.to-tray");
        if !pipe.exists() {
            run(Command::new("mkfifo").arg(pipe));
        }
        self.vigie_with(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/desktop/harness/fake-window"), vpn, settings)
    }

    /// As [`Desktop::vigie_with_fake_window`], with the real window.
    pub fn vigie_with_real_window(&self, vpn: &TestVpn, settings: &str) -> Command {
        self.vigie_with("", vpn, settings)
    }

    fn vigie_with(&self, window: &str, vpn: &TestVpn, settings: &str) -> Command {
        require_other_users("a machine with polkit of its own");
        build_helper();
        let machine = self.home().join("machine");
        fs::create_dir_all(machine.join("own")).expect("the home folder is writable");
        let pin = vpn.certificate_pin("gateway");
        let site = format!("[[site]]\nid = \"caen\"\ngateway = \"{GATEWAY}\"\ncertificate_pins = [\"{pin}\"]\n");
        self.write("machine/etc/vigie/vigie.toml", &format!("{settings}\n{site}"));
        let mut command = self.command("unshare");
        command.args(["--mount", "--uts", "--", "sh", "-ec", MACHINE, "sh"]).arg(machine);
        command.args([window, env!("CARGO_BIN_EXE_vigie-panel"), env!("CARGO_BIN_EXE_vigie")]);
        command.env("VIGIE_LOG", "debug");
        command
    }

    /// Waits until the last form that the tray sent to the fake window matches, and returns it.
    pub fn wait_for_form(&self, what: &str, matches: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        self.wait_for_form_after(0, what, matches)
    }

    /// As [`Desktop::wait_for_form`], but ignores the first `seen` forms.
    pub fn wait_for_form_after(
        &self,
        seen: usize,
        what: &str,
        matches: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        wait_for(&format!("form: {what}"), DEADLINE, || {
            self.forms().into_iter().skip(seen).next_back().filter(|form| matches(form))
        })
    }

    /// Returns the forms that the tray has sent to the fake window.
    pub fn forms(&self) -> Vec<serde_json::Value> {
        let received = fs::read_to_string(self.home().join("window.from-tray")).unwrap_or_default();
        let messages = received.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        messages.filter_map(|message| message.get("connect").cloned()).collect()
    }

    /// Sends a message to the tray, as the window does.
    pub fn send_from_window(&self, message: &serde_json::Value) {
        let mut pipe =
            fs::OpenOptions::new().write(true).open(self.home().join("window.to-tray")).expect("the fake window runs");
        writeln!(pipe, "{message}").expect("the fake window reads");
    }

    /// Submits the form with this PIN and one-time password.
    pub fn submit_form(&self, pin: &str, digits: &str) {
        self.send_from_window(&serde_json::json!({"submitted": {
            "way": "connect", "site": "caen", "identifier": TestVpn::USER, "pin": {"is": "typed", "text": pin},
            "digits": digits, "remember_pin": false,
        }}));
    }
}
