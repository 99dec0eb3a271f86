//! A desktop to test on: X server, session and system bus, panel with a tray, notification server and home folder, all
//! real and private to one test. Everything ends when the desktop is dropped; a failing test prints their logs.

pub mod academy;
pub mod connect;
pub mod cups;
pub mod intranet;
pub mod keyring;
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
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tray::TrayItem;
use vpn::{GATEWAY, INTRANET_HOST, TestVpn};
use zbus::blocking::{Connection, connection};

/// Time limit for anything that should happen at once. It is long because machines can be slow; a test waits no longer
/// than it must.
pub const DEADLINE: Duration = Duration::from_secs(30);

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Polls `condition` until it returns a value, and returns that value.
///
/// # Panics
/// Panics after `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, condition: impl FnMut() -> Option<T>) -> T {
    wait_for_described(|| what.to_owned(), limit, condition)
}

/// As [`wait_for`], with a description that is made only for the panic.
pub fn wait_for_described<T>(
    what: impl Fn() -> String,
    limit: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(start.elapsed() < limit, "not within {limit:?}: {}", what());
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Checks that `condition` holds for this long. For what the real program may do only after a real delay; if another
/// event shows that the moment has passed, wait for that event instead.
///
/// # Panics
/// Panics as soon as `condition` does not hold.
pub fn assert_holds_for(what: &str, time: Duration, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while start.elapsed() < time {
        assert!(condition(), "after {:?} no longer: {what}", start.elapsed());
        std::thread::sleep(5 * POLL_INTERVAL);
    }
}

/// A running program. It is killed, with everything that it started, when this is dropped or the test's thread ends.
pub struct ChildProcess {
    child: Child,
    log: PathBuf,
}

impl ChildProcess {
    /// Starts `command` in its own process group; its output goes to `log`.
    fn start(command: &Command, log: PathBuf) -> ChildProcess {
        let output = File::options().create(true).append(true).open(&log).expect("the log folder is writable");
        let mut bound = prefixed(&["setpriv", "--pdeathsig", "KILL", "--"], command);
        let child = bound
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file handle can be cloned"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("setpriv: {error}"));
        ChildProcess { child, log }
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns what it has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Returns whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it ends.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        wait_for(&format!("end of {}", self.log.display()), limit, || self.child.try_wait().ok().flatten())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).expect("the process was not reaped yet");
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        // The group may be gone already.
        let _ = rustix::process::kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// A program on PATH that only records the arguments of each call.
pub struct CallRecorder {
    file: PathBuf,
}

impl CallRecorder {
    /// Returns the arguments of each call so far, oldest first.
    pub fn calls(&self) -> Vec<Vec<String>> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let calls = text.split_terminator('\u{1e}');
        calls.map(|call| call.split_terminator('\u{1f}').map(String::from).collect()).collect()
    }

    /// Waits for the call that follows the first `seen` ones, and returns its arguments.
    pub fn next_call(&self, seen: usize) -> Vec<String> {
        wait_for(&format!("a call of {}", self.file.display()), DEADLINE, || self.calls().into_iter().nth(seen))
    }
}

/// The desktop; see the module documentation.
pub struct Desktop {
    // In the order in which they must be dropped.
    panel: RefCell<Option<ChildProcess>>,
    notifier: RefCell<Option<ChildProcess>>,
    notifications: NotificationMonitor,
    session: Connection,
    system_address: String,
    session_bus: RefCell<Option<ChildProcess>>,
    system_bus: RefCell<Option<ChildProcess>>,
    _x: ChildProcess,
    network: Option<String>,
    env: Vec<(&'static str, OsString)>,
    home: PathBuf,
    _folder: tempfile::TempDir,
}

impl Desktop {
    /// Starts a desktop in the network of the machine.
    pub fn start() -> Desktop {
        Desktop::set_up(None, &[]).with_panel()
    }

    /// Starts a desktop in the "home" network of the test VPN. The user's settings name its gateway and its intranet host
    /// as those of the user's site.
    pub fn at_home(vpn: &TestVpn) -> Desktop {
        let desktop = Desktop::set_up(Some(vpn), &[]).with_panel();
        desktop.configure("");
        desktop
    }

    /// As [`Desktop::at_home`], without panel, notification server and settings for Vigie. These variables replace others
    /// of the same name; if `DISPLAY` is among them, the desktop is a window there, and closing it is like Ctrl-C.
    pub fn bare_at_home(vpn: &TestVpn, variables: &[(&'static str, OsString)]) -> Desktop {
        Desktop::set_up(Some(vpn), variables)
    }

    fn with_panel(self) -> Desktop {
        self.start_notification_server();
        self.start_xfce_panel();
        self
    }

    fn set_up(vpn: Option<&TestVpn>, variables: &[(&'static str, OsString)]) -> Desktop {
        let folder = tempfile::Builder::new().prefix("vigie-test-").tempdir().expect("/tmp is writable");
        // Its name is seen in the file manager.
        let home = folder.path().join(TestVpn::USER);
        let at = |path: &str| home.join(path);
        run(Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/desktop/harness/set_up_desktop")).arg(&home));
        fs::create_dir(at("logs")).expect("the home folder is writable");

        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([at("bin")].into_iter().chain(std::env::split_paths(&path)));
        let mut env: Vec<(&'static str, OsString)> = vec![
            ("HOME", home.clone().into()),
            ("PATH", path.expect("PATH was valid before")),
            ("XDG_RUNTIME_DIR", at(".run").into()),
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
        env.retain(|(name, _)| variables.iter().all(|(other, _)| other != name));
        env.extend_from_slice(variables);
        let (server, screen, then) = if variables.iter().any(|(name, _)| *name == "DISPLAY") {
            ("Xephyr", "-screen 1280x800 -resizeable -no-host-grab -title 'Vigie : la visite'", "kill -INT $PPID")
        } else {
            ("Xvfb", "-screen 0 1280x800x24", "exit")
        };
        for tool in [server, "dbus-daemon"] {
            require_tool(tool.as_ref(), None);
        }
        let script = format!("{server} -displayfd 3 {screen} -nolisten tcp -noreset; {then}");
        let (x, number) = start_until_ready(&env, &at("display"), at("logs/x.log"), &script);
        env.retain(|(name, _)| *name != "DISPLAY");
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
        // Without the bus's identity, which is another one after a restart, as in the address that systems use.
        let system_address = system_address.split(',').next().unwrap_or_default().to_owned();
        env.push(("DBUS_SESSION_BUS_ADDRESS", session_address.clone().into()));
        env.push(("DBUS_SYSTEM_BUS_ADDRESS", system_address.clone().into()));

        Desktop {
            panel: RefCell::new(None),
            notifier: RefCell::new(None),
            notifications: NotificationMonitor::listen(&session_address),
            session: connect(&session_address),
            system_address,
            session_bus: RefCell::new(Some(session_bus)),
            system_bus: RefCell::new(Some(system_bus)),
            _x: x,
            network: vpn.map(|vpn| vpn.home_namespace().into()),
            env,
            home,
            _folder: folder,
        }
    }

    /// Returns the home folder; `XDG_CONFIG_HOME` is `.config` in it, and so on.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Writes a file in the home folder.
    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.home().join(path);
        fs::create_dir_all(path.parent().expect("the path is below the home folder"))
            .expect("the home folder is writable");
        fs::write(&path, text).expect("the home folder is writable");
        path
    }

    /// Writes the user's settings for Vigie: these (TOML, without `[user]` and the site `caen`), and on a desktop at home
    /// those for the test VPN.
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

    /// Returns a connection to the session bus.
    pub fn session(&self) -> &Connection {
        &self.session
    }

    /// Returns the address of the session bus.
    pub fn session_address(&self) -> String {
        self.variable("DBUS_SESSION_BUS_ADDRESS")
    }

    /// Returns an environment variable of the desktop, such as `DISPLAY`.
    pub fn variable(&self, name: &str) -> String {
        let value = self.env.iter().find_map(|(other, value)| (*other == name).then_some(value));
        value.map(|value| value.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Returns the address of the desktop's system bus.
    pub fn system_address(&self) -> &str {
        &self.system_address
    }

    /// Returns a command that runs in the environment and the network of the desktop.
    ///
    /// # Panics
    /// Panics if the program is not installed.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let path = self.env.iter().find_map(|(name, value)| (*name == "PATH").then_some(value.as_os_str()));
        require_tool(program.as_ref(), path);
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

    /// Returns a command that runs in the environment of the desktop and the namespaces of this Vigie, whose mounts are its
    /// own.
    ///
    /// # Panics
    /// Panics if the program is not installed.
    pub fn command_beside(&self, vigie: &ChildProcess, program: impl AsRef<OsStr>) -> Command {
        require_tool(program.as_ref(), None);
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--uts", "--net", "--target", &vigie.pid().to_string()]).arg(program);
        command.env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Returns a closure that moves the calling thread into the desktop's network.
    fn enter_network(&self) -> impl FnOnce() + Send + 'static {
        let network = self.network.clone();
        move || network.iter().for_each(|name| vpn::enter(name))
    }

    /// Starts a command made by [`Desktop::command`]; its output goes to the log `name`.
    pub fn spawn(&self, name: &str, command: &Command) -> ChildProcess {
        ChildProcess::start(command, self.home().join(format!("logs/{name}.log")))
    }

    /// Returns the command that starts Vigie: the program named by `VIGIE_BIN`, or else the one built with the tests.
    pub fn vigie(&self) -> Command {
        self.command(std::env::var_os("VIGIE_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_vigie").into()))
    }

    /// Returns the command that starts Vigie in mount and UTS namespaces of its own, on a machine named `pc-14-042` where
    /// root is called `mdupont`. In the home folder, `machine/etc` is overlaid on `/etc`, `machine/etc/vigie` is
    /// `/etc/vigie` (changes are seen while Vigie runs), `machine/run` is `/run`,
    /// `machine/power` holds the power supplies (none by default), and each folder in `machine/shares` is a mount point.
    pub fn vigie_on_isolated_machine(&self) -> Command {
        require_root("a machine with mounts of its own");
        let machine = self.home().join("machine");
        for folder in ["run/systemd/shutdown", "power", "shares"] {
            fs::create_dir_all(machine.join(folder)).expect("the home folder is writable");
        }
        let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd is readable");
        self.write("machine/etc/passwd", &users.replacen("root:", "mdupont:", 1));
        let mut command = self.command("unshare");
        // `ip netns exec` bind-mounts these two files; the overlay would hide them.
        let script = "machine=$1; shift; hostname pc-14-042
            cp /etc/hosts /etc/resolv.conf \"$machine/etc\"
            mount -t overlay -o \"lowerdir=$machine/etc:/etc\" etc /etc
            [ ! -d \"$machine/etc/vigie\" ] || mount --bind \"$machine/etc/vigie\" /etc/vigie
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

    /// Writes the state of a Vigie that has run before: it opens no panel and asks no question at start.
    pub fn skip_first_run(&self) {
        self.write(".local/state/vigie/state.json", r#"{"welcomed": true, "asked_site": true}"#);
    }

    /// Starts Vigie, and waits for its tray item.
    pub fn start_vigie(&self) -> (ChildProcess, TrayItem) {
        let vigie = self.spawn("vigie", &self.vigie());
        let item = self.item_of(vigie.pid());
        (vigie, item)
    }

    /// Waits until the running Vigie has had its current status for this long.
    pub fn wait_for_status_to_last(&self, time: Duration) {
        wait_for(&format!("a status that has lasted {time:?}"), time + DEADLINE, || {
            let status = self.vigie().args(["status", "--json"]).output().expect("vigie starts");
            let status: serde_json::Value = serde_json::from_slice(&status.stdout).expect("one line of JSON");
            let since: jiff::Timestamp = status["since"].as_str()?.parse().expect("a time");
            (since.duration_until(jiff::Timestamp::now()).unsigned_abs() > time).then_some(())
        });
    }

    /// Returns the content of Vigie's log file.
    pub fn vigie_log(&self) -> String {
        fs::read_to_string(self.home().join(".local/state/vigie/log/vigie.log")).unwrap_or_default()
    }

    /// Checks that Vigie has logged no warning and no error.
    pub fn assert_no_warnings_logged(&self) {
        let log = self.vigie_log();
        assert!(log.contains(" INFO "), "{log}");
        assert!(!log.contains(" WARN ") && !log.contains(" ERROR "), "{log}");
    }

    /// Puts a program on PATH that records its calls.
    pub fn record_program(&self, name: &str) -> CallRecorder {
        let file = self.home().join(format!("logs/{name}.calls"));
        // One printf is one write, so that concurrent calls do not mix.
        let script = format!(
            "#!/bin/sh\n{{ if [ $# -gt 0 ]; then printf '%s\\036' \"$(printf '%s\\037' \"$@\")\"; else printf '\\036'; fi; }} >>'{}'\n",
            file.display()
        );
        self.install_program(name, &script);
        CallRecorder { file }
    }

    /// Puts a script on PATH.
    pub fn install_program(&self, name: &str, script: &str) {
        let program = self.write(&format!("bin/{name}"), script);
        run(Command::new("chmod").arg("+x").arg(program));
    }

    /// Removes a program that [`Desktop::install_program`] put on PATH.
    pub fn remove_program(&self, name: &str) {
        fs::remove_file(self.home().join("bin").join(name)).expect("the program was installed before");
    }

    /// Returns the text on the clipboard, as another program would paste it; empty if there is none.
    pub fn clipboard_text(&self) -> String {
        self.clipboard("UTF8_STRING").unwrap_or_default()
    }

    /// Returns what the clipboard holds for an X11 target, if anything.
    pub fn clipboard(&self, target: &str) -> Option<String> {
        let mut paste = self.command("xclip");
        let output = paste.args(["-selection", "clipboard", "-out", "-target", target]).output();
        let output = output.expect("xclip starts");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Copies a text as another program does. It can be pasted until the returned process is dropped.
    pub fn copy_to_clipboard(&self, text: &str) -> ChildProcess {
        let mut copy = self.command("sh");
        copy.args(["-c", "printf %s \"$0\" | exec xclip -selection clipboard -in -quiet", text]);
        let copied = self.spawn("xclip", &copy);
        wait_for("the clipboard", DEADLINE, || (self.clipboard("UTF8_STRING").as_deref() == Some(text)).then_some(()));
        copied
    }

    /// Ends the session bus, as the end of a session does.
    pub fn end_session(&self) {
        self.session_bus.borrow_mut().take();
    }

    /// Ends the system bus, and starts another one at the same address.
    pub fn restart_system_bus(&self) {
        drop(self.system_bus.borrow_mut().take());
        let address = &self.system_address;
        let config = self.home().join("bus/session.conf");
        let script = format!(
            "rm -f '{}'; exec dbus-daemon --nofork --config-file='{}' --address='{address}' --print-address=3",
            address.trim_start_matches("unix:path="),
            config.display()
        );
        let (pipe, log) = (self.home().join("system-again"), self.home().join("logs/system.log"));
        *self.system_bus.borrow_mut() = Some(start_until_ready(&self.env, &pipe, log, &script).0);
        fs::remove_file(pipe).expect("the pipe was just made");
    }

    /// Starts the desktop's panel, and waits for its tray.
    pub fn start_xfce_panel(&self) {
        let mut command = self.command("xfce4-panel");
        command.arg("--disable-wm-check");
        *self.panel.borrow_mut() = Some(self.spawn("panel", &command));
        wait_for("tray of xfce4-panel", DEADLINE, || tray::has_host(&self.session).then_some(()));
    }

    /// Ends the desktop's panel, and waits until there is no tray.
    pub fn stop_xfce_panel(&self) {
        self.panel.borrow_mut().take();
        wait_for("end of the tray", DEADLINE, || (!tray::has_host(&self.session)).then_some(()));
    }

    /// Starts the notification server, and waits for it.
    pub fn start_notification_server(&self) {
        *self.notifier.borrow_mut() = Some(self.spawn("dunst", &self.command("dunst")));
        wait_for("notification server", DEADLINE, || {
            owner(&self.session, "org.freedesktop.Notifications").is_some().then_some(())
        });
    }

    /// Ends the notification server, and waits until its bus name is free.
    pub fn stop_notification_server(&self) {
        self.notifier.borrow_mut().take();
        wait_for("end of the notification server", DEADLINE, || {
            owner(&self.session, "org.freedesktop.Notifications").is_none().then_some(())
        });
    }

    /// Returns the monitor of the notifications sent since the desktop was started.
    pub fn notifications(&self) -> &NotificationMonitor {
        &self.notifications
    }

    /// Presses a button of a notification in dunst.
    pub fn press_button(&self, notification: &notifications::ObservedNotification, label: &str) {
        let action = notification.actions.iter().find(|(_, text)| text == label);
        let (key, _) = action.unwrap_or_else(|| panic!("no button {label:?} in {notification:?}"));
        self.write(".choice", &format!("[{},{key}]", notification.id));
        run(self.command("dunstctl").arg("context"));
        wait_for("the action signal", DEADLINE, || {
            self.notifications
                .all()
                .iter()
                .any(|n| n.id == notification.id && n.pressed.as_ref() == Some(key))
                .then_some(())
        });
    }

    /// Returns the items in the tray.
    pub fn items(&self) -> Vec<TrayItem> {
        tray::items(self.session())
    }

    /// Waits for the tray item of a process.
    pub fn item_of(&self, pid: u32) -> TrayItem {
        wait_for("its item in the tray", DEADLINE, || self.items().into_iter().find(|item| item.pid() == Some(pid)))
    }

    /// Returns the titles of the visible windows.
    pub fn window_titles(&self) -> Vec<String> {
        let mut search = self.command("xdotool");
        // xdotool fails if it finds no window.
        let found = search.args(["search", "--onlyvisible", "--name", "."]).output().expect("xdotool starts");
        let ids = String::from_utf8_lossy(&found.stdout).into_owned();
        let title = |id: &str| self.command("xdotool").args(["getwindowname", id]).output().ok();
        let titles = ids.lines().filter_map(title).map(|name| String::from_utf8_lossy(&name.stdout).trim().to_owned());
        titles.collect()
    }

    /// Waits until a window with this title is visible, or until none is.
    pub fn wait_for_window(&self, title: &str, there: bool) {
        wait_for(&format!("window {title:?} (there: {there})"), DEADLINE, || {
            (self.window_titles().iter().any(|found| found == title) == there).then_some(())
        });
    }

    /// Gives a window the keyboard focus: without a window manager, nobody else does.
    pub fn focus_window(&self, title: &str) {
        run(self.command("xdotool").args(["windowfocus", "--sync", &self.window_named(title)]));
    }

    /// Waits until a window with this title is visible, and returns its id. (A search also fails if any window closes
    /// meanwhile.)
    pub fn window_named(&self, title: &str) -> String {
        let name = format!("^{title}$");
        wait_for(&format!("the window {title:?}"), DEADLINE, || {
            let mut search = self.command("xdotool");
            let found = search.args(["search", "--onlyvisible", "--name", &name]).output().expect("xdotool starts");
            let ids = String::from_utf8_lossy(&found.stdout).into_owned();
            ids.lines().next().filter(|_| found.status.success()).map(str::to_owned)
        })
    }

    /// Focuses a window and presses a key. The key goes to whatever has the focus, as from a keyboard: a window that closes
    /// on the press does not miss the release.
    pub fn press_key(&self, window: &str, key: &str) {
        self.focus_window(window);
        run(self.command("xdotool").args(["key", key]));
    }

    /// Focuses a window and types a text, which xdotool reads from standard input: arguments can be read by others.
    pub fn type_into(&self, window: &str, text: &str) {
        self.focus_window(window);
        let mut typing = self.command("xdotool");
        typing.args(["type", "--delay", "20", "--file", "-"]).stdin(Stdio::piped());
        let mut typing = typing.spawn().expect("xdotool starts");
        typing.stdin.take().expect("piped").write_all(text.as_bytes()).expect("xdotool reads its input");
        assert!(typing.wait().is_ok_and(|status| status.success()), "xdotool type");
    }

    /// Saves the screen as a PNG file in `target/tmp/screenshots/`, and returns its path.
    pub fn screenshot(&self, name: &str) -> PathBuf {
        self.capture("root", name)
    }

    /// As [`Desktop::screenshot`], but of one window.
    pub fn screenshot_of(&self, title: &str, name: &str) -> PathBuf {
        self.capture(&self.window_named(title), name)
    }

    fn capture(&self, window: &str, name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        fs::create_dir_all(&folder).expect("the target folder is writable");
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

/// Returns a time zone in which it is now between 12:00 and 13:00, so that no test fails around midnight.
pub fn around_noon() -> String {
    let hours = 12 - jiff::ZonedDateTime::now().with_time_zone(jiff::tz::TimeZone::UTC).hour();
    // POSIX offsets count westward.
    format!("<noon>{}", -hours)
}

/// Returns the command with another program in front of it, such as `timeout 60`.
fn prefixed(prefix: &[&str], command: &Command) -> Command {
    let path = command.get_envs().find_map(|(name, value)| if name == "PATH" { value } else { None });
    require_tool(command.get_program(), path);
    let mut whole = Command::new(prefix[0]);
    whole.args(&prefix[1..]).arg(command.get_program()).args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        whole.current_dir(folder);
    }
    // `env_clear` cannot be read back from a command: every command here sets all that it needs, except PATH.
    whole.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    whole.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    whole
}

/// Returns the program that runs parts of tests in a process of its own (`tests/helper`). Cargo builds it with all tests, but
/// not with one of them alone.
pub fn test_helper() -> &'static Path {
    static HELPER: LazyLock<PathBuf> = LazyLock::new(|| build(&["--example", "test-helper"], "examples/test-helper"));
    &HELPER
}

/// Has Cargo build something beside Vigie, and returns its path.
fn build(arguments: &[&str], path: &str) -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked"]).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = build.output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let built = Path::new(env!("CARGO_BIN_EXE_vigie")).with_file_name(path);
    assert!(built.is_file(), "{} not found", built.display());
    built
}

/// Checks that a program exists, given by a path or on this PATH (by default that of the tests).
///
/// # Panics
/// Panics if it does not, and says how to install it.
fn require_tool(program: &OsStr, path: Option<&OsStr>) {
    let path = path.map_or_else(|| std::env::var_os("PATH").unwrap_or_default(), OsStr::to_owned);
    let found = if program.as_encoded_bytes().contains(&b'/') {
        Path::new(program).exists()
    } else {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    };
    assert!(found, "{} not found: run scripts/setup desktop test", program.display());
}

/// Checks that the tests run as root, of the machine or of a user namespace.
///
/// # Panics
/// Panics for an ordinary user, and says what needs root and how to run it.
pub fn require_root(what: &str) {
    assert!(
        rustix::process::geteuid().is_root(),
        "{what} needs root: run `scripts/in-user-namespace cargo test --test desktop`, or run the tests as root"
    );
}

/// Checks that programs such as polkit can switch to other users.
///
/// # Panics
/// Panics as an ordinary user and in a user namespace with a single user, and says what needs them.
pub fn require_other_users(what: &str) {
    require_root(what);
    assert!(
        maps_other_users(),
        "{what} needs other users: give your user a range in /etc/subuid and /etc/subgid, or run the tests as root"
    );
}

/// Returns whether programs can switch to other users: as root of the machine, or of a user namespace that maps a range of
/// users.
fn maps_other_users() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().nth(2).is_some_and(|count| count != "1") || map.lines().count() > 1
}

/// Runs a command to its end, and returns its output.
///
/// # Panics
/// Panics if the command is not installed, fails, or takes longer than a minute.
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
    let builder = connection::Builder::address(address).expect("the bus printed a valid address");
    builder.build().expect("the bus runs")
}

/// Returns the unique name of the owner of a bus name, if it has one.
pub fn owner(bus: &Connection, name: &str) -> Option<String> {
    let call = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus");
    let reply = bus.call_method(Some(call.0), call.1, Some(call.2), "GetNameOwner", &name).ok()?;
    reply.body().deserialize().ok()
}

/// Returns the last lines of a log under its name.
fn tail(path: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    format!("==> {}\n{}\n", path.display(), lines[lines.len().saturating_sub(40)..].join("\n"))
}

#[expect(clippy::print_stderr, reason = "libtest shows it with the failure")]
fn eprint(text: &str) {
    eprintln!("{text}");
}

/// Starts a server by a shell script, and returns the line that it writes to file descriptor 3 when it is ready.
fn start_until_ready(env: &[(&str, OsString)], pipe: &Path, log: PathBuf, script: &str) -> (ChildProcess, String) {
    run(Command::new("mkfifo").arg(pipe));
    // Opened for reading and writing, so that opening does not block.
    let reader = File::options().read(true).write(true).open(pipe).expect("the pipe was just made");
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
