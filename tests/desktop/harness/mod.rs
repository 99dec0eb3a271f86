//! A desktop to test on: X server, session and system bus, panel with a tray, notification server, home folder, all
//! real and all its own, gone when it is dropped. Where a test fails, it prints what they logged.

pub mod connect;
pub mod cups;
pub mod login1;
pub mod notifications;
pub mod page;
pub mod processes;
pub mod tray;
pub mod vpn;
pub mod wapt;

use notifications::NotificationMonitor;
use rustix::process::{Pid, Signal};
use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tray::TrayItem;
use vpn::{GATEWAY, INTRANET_HOST, TestVpn};
use zbus::blocking::{Connection, connection};

/// How long anything may take to appear that needs no waiting of its own. Long, because machines can be slow; nothing
/// waits longer than it must.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until `look` finds something.
///
/// # Panics
/// When it has not within `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A program that ends, with all that it started, when this is dropped or the test's thread ends.
pub struct ChildProcess {
    child: Child,
    log: PathBuf,
}

impl ChildProcess {
    /// Starts `command` in a process group of its own; what it prints goes to `log`.
    fn start(command: &Command, log: PathBuf) -> ChildProcess {
        let output = File::options().create(true).append(true).open(&log).expect("the log's folder is ours");
        let mut tied = prefixed(&["setpriv", "--pdeathsig", "KILL", "--"], command);
        let child = tied
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file can be held twice"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("setpriv (package util-linux) does not start: {error}"));
        ChildProcess { child, log }
    }

    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        wait_for(&format!("end of {}", self.log.display()), limit, || self.child.try_wait().ok().flatten())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).expect("not waited for yet");
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // The group may be gone already.
        let _ = rustix::process::kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// A program on PATH that does nothing but write down how it was called.
pub struct CallRecorder {
    file: PathBuf,
}

impl CallRecorder {
    /// The arguments of every call so far, oldest first.
    pub fn calls(&self) -> Vec<Vec<String>> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let calls = text.split_terminator('\u{1e}');
        calls.map(|call| call.split_terminator('\u{1f}').map(String::from).collect()).collect()
    }

    /// Waits for the next call after the first `seen` ones, and gives its arguments.
    pub fn next_call(&self, seen: usize) -> Vec<String> {
        wait_for(&format!("a call of {}", self.file.display()), DEADLINE, || self.calls().into_iter().nth(seen))
    }
}

/// The desktop.
pub struct Desktop {
    // In the order in which they must go.
    panel: RefCell<Option<ChildProcess>>,
    notifier: RefCell<Option<ChildProcess>>,
    notifications: NotificationMonitor,
    session: Connection,
    system_address: String,
    session_bus: RefCell<Option<ChildProcess>>,
    _system_bus: ChildProcess,
    _x: ChildProcess,
    network: Option<String>,
    env: Vec<(&'static str, OsString)>,
    home: tempfile::TempDir,
}

impl Desktop {
    /// A desktop in the machine's own network.
    pub fn start() -> Desktop {
        Desktop::set_up(None)
    }

    /// A desktop whose programs live in the test VPN's "home" network, and whose user's settings make its gateway and
    /// its inside machine those of the user's site.
    pub fn at_home(vpn: &TestVpn) -> Desktop {
        let desktop = Desktop::set_up(Some(vpn));
        desktop.configure("");
        desktop
    }

    fn set_up(vpn: Option<&TestVpn>) -> Desktop {
        let home = tempfile::Builder::new().prefix("vigie-test-").tempdir().expect("/tmp can be written");
        let at = |path: &str| home.path().join(path);
        run(Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/desktop/harness/set_up_desktop")).arg(home.path()));
        fs::create_dir(at("logs")).expect("the home is ours");

        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([at("bin")].into_iter().chain(std::env::split_paths(&path)));
        let mut env: Vec<(&'static str, OsString)> = vec![
            ("HOME", home.path().into()),
            ("PATH", path.expect("PATH was one before")),
            ("XDG_RUNTIME_DIR", at("run").into()),
            ("XDG_CONFIG_HOME", at(".config").into()),
            ("XDG_DATA_HOME", at(".local/share").into()),
            ("XDG_STATE_HOME", at(".local/state").into()),
            ("XDG_CACHE_HOME", at(".cache").into()),
            ("XDG_CURRENT_DESKTOP", "XFCE".into()),
            ("LANG", "C.UTF-8".into()),
            ("TZ", around_noon().into()),
            ("NO_AT_BRIDGE", "1".into()),
            ("RUST_BACKTRACE", "1".into()),
        ];
        let x = "exec Xvfb -displayfd 3 -screen 0 1280x800x24 -nolisten tcp -noreset";
        let (x, number) = start_until_ready(&env, &at("display"), at("logs/x.log"), x);
        env.push(("DISPLAY", format!(":{number}").into()));
        if let Some(vpn) = vpn {
            env.push(("SSL_CERT_FILE", vpn.ca_file().into()));
        }
        let bus = |name: &str| {
            let config = at("bus/session.conf");
            let script = format!("exec dbus-daemon --nofork --config-file={} --print-address=3", config.display());
            start_until_ready(&env, &at(name), at(&format!("logs/{name}.log")), &script)
        };
        let (session_bus, session_address) = bus("session");
        let (system_bus, system_address) = bus("system");
        env.push(("DBUS_SESSION_BUS_ADDRESS", session_address.clone().into()));
        env.push(("DBUS_SYSTEM_BUS_ADDRESS", system_address.clone().into()));

        let desktop = Desktop {
            panel: RefCell::new(None),
            notifier: RefCell::new(None),
            notifications: NotificationMonitor::listen(&session_address),
            session: connect(&session_address),
            system_address,
            session_bus: RefCell::new(Some(session_bus)),
            _system_bus: system_bus,
            _x: x,
            network: vpn.map(|vpn| vpn.home_namespace().into()),
            env,
            home,
        };
        desktop.start_notification_server();
        desktop.start_xfce_panel();
        desktop
    }

    /// The home folder; `XDG_CONFIG_HOME` is `.config` in it, and so on.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file in the home folder.
    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.home().join(path);
        fs::create_dir_all(path.parent().expect("it stands in the home")).expect("the home is ours");
        fs::write(&path, text).expect("the home is ours");
        path
    }

    /// Writes the user's settings for Vigie: these (TOML, without `[user]` and the site `caen`), and those for the VPN
    /// VPN where the desktop is at home.
    pub fn configure(&self, settings: &str) -> PathBuf {
        let site = if self.network.is_some() {
            format!(
                "[user]\nsite = \"caen\"\n\n[[site]]\nid = \"caen\"\ngateway = \"{GATEWAY}\"\ninside = [\"{INTRANET_HOST}\"]\n\n"
            )
        } else {
            String::new()
        };
        self.write(".config/vigie/vigie.toml", &format!("{site}{settings}"))
    }

    /// The connection to the session bus.
    pub fn session(&self) -> &Connection {
        &self.session
    }

    /// The address of the desktop's own system bus.
    pub fn system_address(&self) -> &str {
        &self.system_address
    }

    /// A command in the desktop's environment and network, and in no other.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = match &self.network {
            Some(network) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", network]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.home());
        command
    }

    /// What a thread does to be in the desktop's network.
    fn enter_network(&self) -> impl FnOnce() + Send + 'static {
        let network = self.network.clone();
        move || network.iter().for_each(|name| vpn::enter(name))
    }

    /// Starts a command that [`Desktop::command`] made; what it prints goes to the log `name`.
    pub fn spawn(&self, name: &str, command: &Command) -> ChildProcess {
        ChildProcess::start(command, self.home().join(format!("logs/{name}.log")))
    }

    /// Vigie, not started yet: the program that `VIGIE_BIN` names, else the one that was built with the tests.
    pub fn vigie(&self) -> Command {
        self.command(std::env::var_os("VIGIE_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_vigie").into()))
    }

    /// Vigie on a machine of its own, `pc-14-042`, where root is called `mdupont`: the files in `machine/etc` in the home
    /// folder lie over those of `/etc`, `/run` is the folder `machine/run`, the power supplies are those in
    /// `machine/power` (none), and on every folder in `machine/shares` stands a mount.
    pub fn vigie_on_isolated_machine(&self) -> Command {
        let machine = self.home().join("machine");
        for folder in ["run/systemd/shutdown", "power", "shares"] {
            fs::create_dir_all(machine.join(folder)).expect("the home is ours");
        }
        let users = fs::read_to_string("/etc/passwd").expect("every system has one");
        self.write("machine/etc/passwd", &users.replacen("root:", "mdupont:", 1));
        let mut command = self.command("unshare");
        // What the network has of its own in /etc is a mount each, which the one over them all would hide.
        let script = "machine=$1; shift; hostname pc-14-042
            cp /etc/hosts /etc/resolv.conf \"$machine/etc\"
            mount -t overlay -o \"lowerdir=$machine/etc:/etc\" etc /etc
            mount --bind \"$machine/run\" /run
            mount --bind \"$machine/power\" /sys/class/power_supply
            find \"$machine/shares\" -mindepth 1 -maxdepth 1 \
                -exec mount -t tmpfs share {} \\;
            exec \"$@\"";
        command
            .args(["--mount", "--uts", "--", "sh", "-ec", script, "sh"])
            .arg(machine)
            .arg(env!("CARGO_BIN_EXE_vigie"));
        command
    }

    /// Marks this desktop as one where Vigie ran before: no panel and no question at its start.
    pub fn skip_first_run(&self) {
        self.write(".local/state/vigie/state.json", r#"{"welcomed": true, "asked_site": true}"#);
    }

    /// Starts Vigie in the tray, and waits for its item.
    pub fn start_vigie(&self) -> (ChildProcess, TrayItem) {
        let vigie = self.spawn("vigie", &self.vigie());
        let item = self.item_of(vigie.pid());
        (vigie, item)
    }

    /// What Vigie has written into its log file.
    pub fn vigie_log(&self) -> String {
        fs::read_to_string(self.home().join(".local/state/vigie/log/vigie.log")).unwrap_or_default()
    }

    /// A run in which nothing went wrong leaves no warning in the log.
    pub fn assert_no_warnings_logged(&self) {
        let log = self.vigie_log();
        assert!(log.contains(" INFO "), "{log}");
        assert!(!log.contains(" WARN ") && !log.contains(" ERROR "), "{log}");
    }

    /// Puts a program on PATH that writes down how it is called.
    pub fn record_program(&self, name: &str) -> CallRecorder {
        let file = self.home().join(format!("logs/{name}.calls"));
        // One printf is one write: calls do not mix.
        let script = format!(
            "#!/bin/sh\n{{ if [ $# -gt 0 ]; then printf '%s\\036' \"$(printf '%s\\037' \"$@\")\"; else printf '\\036'; fi; }} >>'{}'\n",
            file.display()
        );
        self.install_program(name, &script);
        CallRecorder { file }
    }

    /// Puts a program on PATH.
    pub fn install_program(&self, name: &str, script: &str) {
        let program = self.write(&format!("bin/{name}"), script);
        run(Command::new("chmod").arg("+x").arg(program));
    }

    /// Takes a program from PATH that was put there.
    pub fn remove_program(&self, name: &str) {
        fs::remove_file(self.home().join("bin").join(name)).expect("it was put there");
    }

    /// What another program pastes.
    pub fn clipboard_text(&self) -> String {
        self.clipboard("UTF8_STRING").expect("something was copied")
    }

    /// What another program finds on the clipboard in that form (an X11 target), where there is something.
    pub fn clipboard(&self, form: &str) -> Option<String> {
        let mut paste = self.command("xclip");
        let output = paste.args(["-selection", "clipboard", "-out", "-target", form]).output();
        let output = output.expect("xclip is installed");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Copies a text, as another program does: it can be pasted until what is given here is dropped.
    pub fn copy_to_clipboard(&self, text: &str) -> ChildProcess {
        let mut copy = self.command("sh");
        copy.args(["-c", "printf %s \"$0\" | exec xclip -selection clipboard -in -quiet", text]);
        let copied = self.spawn("xclip", &copy);
        wait_for("the clipboard", DEADLINE, || (self.clipboard("UTF8_STRING").as_deref() == Some(text)).then_some(()));
        copied
    }

    /// Ends the session's bus, as the end of a session does.
    pub fn end_session(&self) {
        self.session_bus.borrow_mut().take();
    }

    /// Starts the panel, and waits for its tray.
    pub fn start_xfce_panel(&self) {
        let mut command = self.command("xfce4-panel");
        command.arg("--disable-wm-check");
        *self.panel.borrow_mut() = Some(self.spawn("panel", &command));
        wait_for("tray of xfce4-panel", DEADLINE, || tray::has_host(&self.session).then_some(()));
    }

    /// Ends the panel, and waits until there is no tray any more.
    pub fn stop_xfce_panel(&self) {
        self.panel.borrow_mut().take();
        wait_for("end of the tray", DEADLINE, || (!tray::has_host(&self.session)).then_some(()));
    }

    /// Starts the notification server.
    pub fn start_notification_server(&self) {
        *self.notifier.borrow_mut() = Some(self.spawn("dunst", &self.command("dunst")));
        wait_for("notification server", DEADLINE, || {
            owner(&self.session, "org.freedesktop.Notifications").is_some().then_some(())
        });
    }

    /// Ends the notification server.
    pub fn stop_notification_server(&self) {
        self.notifier.borrow_mut().take();
        wait_for("end of the notification server", DEADLINE, || {
            owner(&self.session, "org.freedesktop.Notifications").is_none().then_some(())
        });
    }

    /// The notifications that programs asked for, since the desktop's start.
    pub fn notifications(&self) -> &NotificationMonitor {
        &self.notifications
    }

    /// Presses a notification's button in dunst.
    pub fn press_button(&self, notification: &notifications::ObservedNotification, label: &str) {
        let action = notification.actions.iter().find(|(_, text)| text == label);
        let (key, _) = action.unwrap_or_else(|| panic!("no button {label:?} in {notification:?}"));
        self.write(".choice", &format!("[{},{key}]", notification.id));
        run(self.command("dunstctl").arg("context"));
        wait_for("the button to be taken", DEADLINE, || {
            self.notifications
                .all()
                .iter()
                .any(|n| n.id == notification.id && n.pressed.as_ref() == Some(key))
                .then_some(())
        });
    }

    /// The items in the tray.
    pub fn items(&self) -> Vec<TrayItem> {
        tray::items(self.session())
    }

    /// Waits for the item of this program (a process's number).
    pub fn item_of(&self, pid: u32) -> TrayItem {
        wait_for("its item in the tray", DEADLINE, || self.items().into_iter().find(|item| item.pid() == Some(pid)))
    }

    /// The titles of the windows on the screen.
    pub fn window_titles(&self) -> Vec<String> {
        let mut search = self.command("xdotool");
        // Fails where it finds none.
        let found = search.args(["search", "--onlyvisible", "--name", "."]).output().expect("xdotool is installed");
        let ids = String::from_utf8_lossy(&found.stdout).into_owned();
        let title = |id: &str| self.command("xdotool").args(["getwindowname", id]).output().ok();
        let titles = ids.lines().filter_map(title).map(|name| String::from_utf8_lossy(&name.stdout).trim().to_owned());
        titles.collect()
    }

    /// Waits until a window with this title is on the screen, or no longer.
    pub fn wait_for_window(&self, title: &str, there: bool) {
        wait_for(&format!("window {title:?} (there: {there})"), DEADLINE, || {
            (self.window_titles().iter().any(|found| found == title) == there).then_some(())
        });
    }

    /// Presses a key in a window. The key goes to whatever has the focus, as from a keyboard: a window that closes at
    /// the press does not miss the release.
    pub fn press_key(&self, window: &str, key: &str) {
        let window = format!("^{window}$");
        run(self.command("xdotool").args(["search", "--onlyvisible", "--name", &window, "windowfocus", "--sync"]));
        run(self.command("xdotool").args(["key", key]));
    }

    /// Types into a window, as from a keyboard. (By xdotool's input, not by an argument that others can read.)
    pub fn type_into(&self, window: &str, text: &str) {
        let window = format!("^{window}$");
        run(self.command("xdotool").args(["search", "--onlyvisible", "--name", &window, "windowfocus", "--sync"]));
        let mut typing = self.command("xdotool");
        typing.args(["type", "--delay", "20", "--file", "-"]).stdin(Stdio::piped());
        let mut typing = typing.spawn().expect("xdotool is installed");
        typing.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
        assert!(typing.wait().is_ok_and(|status| status.success()), "xdotool type");
    }

    /// Writes what the screen shows into a PNG file under `target/tmp/screenshots/`, and gives its path.
    pub fn screenshot(&self, name: &str) -> PathBuf {
        self.picture("root", name)
    }

    /// As [`Desktop::screenshot`], of the window with this title alone.
    pub fn screenshot_of(&self, title: &str, name: &str) -> PathBuf {
        let window = format!("^{title}$");
        let id = run(self.command("xdotool").args(["search", "--onlyvisible", "--name", &window]));
        self.picture(id.trim(), name)
    }

    fn picture(&self, window: &str, name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        fs::create_dir_all(&folder).expect("the target folder can be written");
        let path = folder.join(format!("{name}.png"));
        run(self.command("import").args(["-window", window]).arg(&path));
        path
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let logs = fs::read_dir(self.home().join("logs")).into_iter().flatten().flatten();
        let mut report: String = logs.map(|log| tail(&log.path())).collect();
        report.push_str(&tail(&self.home().join(".local/state/vigie/log/vigie.log")));
        report.push_str(&format!("==> notifications\n{:#?}\n", self.notifications.all()));
        eprint(&report);
    }
}

/// A time zone in which it is between 12:00 and 13:00 now: no test may fail because midnight comes.
pub fn around_noon() -> String {
    let hours = 12 - jiff::ZonedDateTime::now().with_time_zone(jiff::tz::TimeZone::UTC).hour();
    // POSIX counts westward.
    format!("<noon>{}", -hours)
}

/// The same command, started by another program.
fn prefixed(starter: &[&str], command: &Command) -> Command {
    let mut whole = Command::new(starter[0]);
    whole.args(&starter[1..]).arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        whole.current_dir(folder);
    }
    // `env_clear` cannot be read back from a command: every command here names all that it needs, but for PATH.
    whole.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    whole.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    whole
}

/// Runs a command to its end, and gives what it printed.
///
/// # Panics
/// When it is missing, fails, or takes longer than a minute.
pub fn run(command: &mut Command) -> String {
    let output = prefixed(&["timeout", "60"], command)
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}

/// Connects to a bus.
pub fn connect(address: &str) -> Connection {
    let builder = connection::Builder::address(address).expect("the bus printed it");
    builder.build().expect("the bus runs")
}

/// The unique name of a bus name's owner.
pub fn owner(bus: &Connection, name: &str) -> Option<String> {
    let call = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus");
    let reply = bus.call_method(Some(call.0), call.1, Some(call.2), "GetNameOwner", &name).ok()?;
    reply.body().deserialize().ok()
}

/// The last lines of a log, with its name above.
fn tail(path: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    format!("==> {}\n{}\n", path.display(), lines[lines.len().saturating_sub(40)..].join("\n"))
}

#[expect(clippy::print_stderr, reason = "the test harness shows it with the failure")]
fn eprint(text: &str) {
    eprintln!("{text}");
}

/// Starts a server through `script` for sh, and reads the line that it writes to descriptor 3 when it is ready.
fn start_until_ready(env: &[(&str, OsString)], pipe: &Path, log: PathBuf, script: &str) -> (ChildProcess, String) {
    run(Command::new("mkfifo").arg(pipe));
    // Opened for reading and writing, so that no end waits for the other.
    let reader = File::options().read(true).write(true).open(pipe).expect("just made");
    let mut shell = Command::new("sh");
    shell.envs(env.iter().cloned()).arg("-c").arg(format!("exec 3>'{}'; {script}", pipe.display()));
    let running = ChildProcess::start(&shell, log);
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(reader).read_line(&mut line);
        sender.send(line.trim().to_owned())
    });
    let line = receiver.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("{script}: not ready\n{}", running.log()));
    (running, line)
}
