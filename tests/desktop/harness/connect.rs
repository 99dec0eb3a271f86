//! A machine on which Vigie connects by itself: polkit on a system bus, an administrator's file, and a page that the
//! test plays. `/run`, `/etc` and the page's program are this machine's own (a mount namespace).

use super::vpn::{GATEWAY, TestVpn};
use super::{ChildProcess, DEADLINE, Desktop, run, wait_for};
use std::fs;
use std::io::Write;
use std::process::Command;

/// The system bus, polkit, and what else the machine has of its own; then the program.
const MACHINE: &str = r#"
machine=$1 page=$2 panel=$3; shift 3
mount -t tmpfs machine "$machine/own"
mkdir -p "$machine/own/etc" "$machine/own/work" "$machine/own/run/dbus"
cp /etc/hosts /etc/resolv.conf "$machine/own/etc/"
cp -r "$machine/etc/." "$machine/own/etc/"
mount -t overlay etc -o "lowerdir=/etc,upperdir=$machine/own/etc,workdir=$machine/own/work" /etc
mount --bind "$machine/own/run" /run
[ -z "$page" ] || mount --bind "$page" "$panel"
[ -z "${HIDDEN-}" ] || mount --bind /dev/null "$HIDDEN"
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket
# Not in the background by itself: it would outlive the test, which ends with this group of processes.
mkfifo "$machine/own/bus"
dbus-daemon --nofork --config-file="$machine/system.conf" --print-address=3 3>"$machine/own/bus" &
read -r _ <"$machine/own/bus"
/usr/lib/polkit-1/polkitd --no-debug &
exec "$@"
"#;

const SYSTEM_BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>
"#;

/// Cisco's command line, played over a real OpenConnect: the words are those of version 5 (src-tauri/transcripts), server
/// and tunnel are real.
const CISCO: &str = r#"#!/bin/sh
cd "$HOME" || exit
say() { printf '\r  >> %s\r\n' "$1"; }
up() { ip -o link show cscotun0 >/dev/null 2>&1; }
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

/// Cisco's window, played: as long as it stands it holds the connection, and a second start brings it to the front.
const CISCOS_WINDOW: &str = r#"#!/bin/sh
cd "$HOME" || exit
echo >>vpnui.starts
[ ! -e vpn.held ] || exit 0
touch vpn.held
xmessage -title 'Cisco Secure Client' -buttons Close -default Close 'Ready to connect.'
rm vpn.held
"#;

impl Desktop {
    /// Puts Cisco's client there, played; the settings by which Vigie finds its command line.
    pub fn install_cisco(&self) -> String {
        self.install_program("vpnui", CISCOS_WINDOW);
        self.install_program("vpn", CISCO);
        format!("[vpn.command_line]\nlinux = [\"{}\"]\n", self.home().join("bin/vpn").display())
    }

    /// How often Cisco's window was opened, or brought to the front.
    pub fn cisco_window_starts(&self) -> usize {
        fs::read_to_string(self.home().join("vpnui.starts")).unwrap_or_default().lines().count()
    }

    /// Vigie on such a machine, not started yet. It logs all that it can.
    pub fn vigie_with_fake_window(&self, vpn: &TestVpn, settings: &str) -> Command {
        let says = self.home().join("page.says");
        if !says.exists() {
            run(Command::new("mkfifo").arg(says));
        }
        self.vigie_with(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/desktop/harness/fake-window"), vpn, settings)
    }

    /// The same with the window itself.
    pub fn vigie_with_real_window(&self, vpn: &TestVpn, settings: &str) -> Command {
        self.vigie_with("", vpn, settings)
    }

    fn vigie_with(&self, page: &str, vpn: &TestVpn, settings: &str) -> Command {
        let machine = self.home().join("machine");
        fs::create_dir_all(machine.join("own")).expect("the home is ours");
        self.write("machine/system.conf", SYSTEM_BUS);
        let pin = vpn.certificate_pin("gateway");
        let site = format!("[[site]]\nid = \"caen\"\ngateway = \"{GATEWAY}\"\ncertificate_pins = [\"{pin}\"]\n");
        self.write("machine/etc/vigie/vigie.toml", &format!("{settings}\n{site}"));
        let mut command = self.command("unshare");
        command.args(["--mount", "--", "sh", "-ec", MACHINE, "sh"]).arg(machine);
        command.args([page, env!("CARGO_BIN_EXE_vigie-panel"), env!("CARGO_BIN_EXE_vigie")]);
        command.env("VIGIE_LOG", "debug");
        command
    }

    /// Where such a machine's system bus is found from outside.
    pub fn system_bus_address_of(vigie: &ChildProcess) -> String {
        format!("unix:path=/proc/{}/root/run/dbus/system_bus_socket", vigie.pid())
    }

    /// The last form that the tray showed, once it fits.
    pub fn wait_for_form(&self, what: &str, fits: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        self.wait_for_form_after(0, what, fits)
    }

    /// As [`Desktop::form`], but not one of the first `seen` that it was told of.
    pub fn wait_for_form_after(
        &self,
        seen: usize,
        what: &str,
        fits: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        wait_for(&format!("form: {what}"), DEADLINE, || {
            self.forms().into_iter().skip(seen).next_back().filter(|form| fits(form))
        })
    }

    /// The forms that the tray has shown.
    pub fn forms(&self) -> Vec<serde_json::Value> {
        let heard = fs::read_to_string(self.home().join("page.heard")).unwrap_or_default();
        let said = heard.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        said.filter_map(|said| said.get("connect").cloned()).collect()
    }

    /// Says something to the tray, as the page does.
    pub fn send_from_window(&self, line: &serde_json::Value) {
        let mut pipe = fs::OpenOptions::new().write(true).open(self.home().join("page.says")).expect("the page runs");
        writeln!(pipe, "{line}").expect("the page reads");
    }

    /// Sends the form with this PIN and these digits.
    pub fn submit_form(&self, pin: &str, digits: &str) {
        self.send_from_window(&serde_json::json!({"submitted": {
            "way": "connect", "site": "caen", "identifier": TestVpn::USER, "pin": {"is": "typed", "text": pin},
            "digits": digits, "remember_pin": false,
        }}));
    }
}
