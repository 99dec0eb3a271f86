//! A machine on which Vigie connects by itself: polkit on a system bus, an administrator's file, and a page that the
//! test plays. `/run`, `/etc` and the page's program are this machine's own (a mount namespace).

use super::vpn::{GATEWAY, Vpn};
use super::{DEADLINE, Desktop, Running, run, wait_for};
use std::fs;
use std::io::{BufRead, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
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
        self.put_program("vpnui", CISCOS_WINDOW);
        self.put_program("vpn", CISCO);
        format!("[vpn.command_line]\nlinux = [\"{}\"]\n", self.home().join("bin/vpn").display())
    }

    /// How often Cisco's window was opened, or brought to the front.
    pub fn starts_of_ciscos_window(&self) -> usize {
        fs::read_to_string(self.home().join("vpnui.starts")).unwrap_or_default().lines().count()
    }

    /// Vigie on such a machine, not started yet. It logs all that it can.
    pub fn vigie_that_connects(&self, vpn: &Vpn, settings: &str) -> Command {
        let says = self.home().join("page.says");
        if !says.exists() {
            run(Command::new("mkfifo").arg(says));
        }
        self.vigie_with(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/desktop/rig/play-page"), vpn, settings)
    }

    /// The same with the window itself.
    pub fn vigie_with_window(&self, vpn: &Vpn, settings: &str) -> Command {
        self.vigie_with("", vpn, settings)
    }

    fn vigie_with(&self, page: &str, vpn: &Vpn, settings: &str) -> Command {
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
    pub fn system_bus_of(vigie: &Running) -> String {
        format!("unix:path=/proc/{}/root/run/dbus/system_bus_socket", vigie.pid())
    }

    /// The last form that the tray showed, once it fits.
    pub fn form(&self, what: &str, fits: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        self.form_after(0, what, fits)
    }

    /// As [`Desktop::form`], but not one of the first `seen` that it was told of.
    pub fn form_after(&self, seen: usize, what: &str, fits: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
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
    pub fn say(&self, line: &serde_json::Value) {
        let mut pipe = fs::OpenOptions::new().write(true).open(self.home().join("page.says")).expect("the page runs");
        writeln!(pipe, "{line}").expect("the page reads");
    }

    /// Sends the form with this PIN and these digits.
    pub fn submit(&self, pin: &str, digits: &str) {
        self.say(&serde_json::json!({"submitted": {
            "way": "connect", "site": "caen", "identifier": Vpn::USER, "pin": {"is": "typed", "text": pin},
            "digits": digits, "remember_pin": false,
        }}));
    }
}

/// All processes that a program has started, and itself.
pub fn family(program: &Running) -> Vec<u32> {
    let mut family = vec![program.pid()];
    let parent = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        status.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    loop {
        let all = fs::read_dir("/proc").expect("it is mounted").flatten();
        let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let more: Vec<u32> = all.filter(|pid| !family.contains(pid)).collect();
        let more: Vec<u32> =
            more.into_iter().filter(|pid| parent(*pid).is_some_and(|of| family.contains(&of))).collect();
        if more.is_empty() {
            return family;
        }
        family.extend(more);
    }
}

/// The name of a process.
pub fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// Where in a process a text is found: its arguments, its environment, its memory (there in UTF-16 too).
pub fn leaks(pid: u32, text: &str) -> Vec<String> {
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let contains = |bytes: &[u8]| holds(bytes, &[text.as_bytes(), &wide]);
    let mut found = Vec::new();
    for file in ["cmdline", "environ"] {
        if contains(&fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default()) {
            found.push(format!("/proc/{pid}/{file}"));
        }
    }
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    // Who has ended meanwhile has no memory.
    let open = |what: &str| fs::File::open(format!("/proc/{pid}/{what}"));
    let (Ok(memory), Ok(pages)) = (open("mem"), open("pagemap")) else { return found };
    for map in maps.lines().filter(|map| map.split_whitespace().nth(1).is_some_and(|rights| rights.starts_with("rw"))) {
        let range = map.split_whitespace().next().and_then(|range| range.split_once('-'));
        let Some((from, to)) = range else { continue };
        let (Ok(mut from), Ok(to)) = (u64::from_str_radix(from, 16), u64::from_str_radix(to, 16)) else { continue };
        // In pieces: some maps are larger than the machine's memory. What could stand across an edge is kept.
        let mut bytes = Vec::new();
        while from < to {
            let room = PIECE.min(usize::try_from(to - from).unwrap_or(PIECE));
            if is_used(&pages, from, room) {
                bytes.drain(..bytes.len().saturating_sub(wide.len()));
                let edge = bytes.len();
                bytes.resize(edge + room, 0);
                let read = memory.read_at(&mut bytes[edge..], from).unwrap_or(0);
                bytes.truncate(edge + read);
            } else {
                bytes.clear();
            }
            if contains(&bytes) {
                found.push(format!("the memory of {pid} ({}): {map}", name(pid)));
                break;
            }
            from += u64::try_from(room).expect("a small number");
        }
    }
    found
}

/// Bytes of a process's memory that are looked at in one go.
const PIECE: usize = 1 << 20;
const PAGE: usize = 4096;

/// Whether there is anything in a piece of memory: large maps are empty for the most part.
fn is_used(pages: &fs::File, from: u64, room: usize) -> bool {
    let mut entries = vec![0; room / PAGE * 8];
    let at = from / u64::try_from(PAGE).expect("a small number") * 8;
    // The two highest bits: present, swapped (<https://docs.kernel.org/admin-guide/mm/pagemap.html>).
    pages.read_exact_at(&mut entries, at).is_ok() && entries.chunks_exact(8).any(|entry| entry[7] & 0xc0 != 0)
}

/// Whether one of these forms of a text stands in there; they begin alike. (What searches is the standard library, which
/// is fast in a test too.)
fn holds(mut bytes: &[u8], forms: &[&[u8]]) -> bool {
    while bytes.skip_until(forms[0][0]).is_ok_and(|skipped| skipped > 0) {
        if forms.iter().any(|form| bytes.starts_with(&form[1..])) {
            return true;
        }
    }
    false
}

/// Files below the folder in which a text is found.
pub fn files_with(folder: &std::path::Path, text: &str) -> Vec<PathBuf> {
    let output = Command::new("grep").args(["-rlaF", "--devices=skip", "-e", text]).arg(folder).output();
    let output = output.expect("grep is there");
    String::from_utf8_lossy(&output.stdout).lines().map(PathBuf::from).collect()
}
