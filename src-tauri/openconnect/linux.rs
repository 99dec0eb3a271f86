//! The Linux implementation.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, getppid, pidfd_open, pidfd_send_signal, set_parent_process_death_signal,
};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use vigie_openconnect::{GROUP_SEPARATOR, PROGRAMS, REFUSED, STARTED};
use vigie_profile::{
    Calendar, ConfigError, ConfigSource, Layer, Paths, Profile, Site, is_valid_identifier, is_valid_passcode,
    load_with, read_machine_config,
};
use zeroize::Zeroizing;

/// The length of the longest line of input that is accepted.
const MAX_LINE_BYTES: usize = 512;

/// The time to hand over the three lines of input.
const INPUT_TIMEOUT: Duration = Duration::from_secs(30);

/// The time that `openconnect` has to log off and to restore routes and name servers, before it is killed.
const TERMINATION_GRACE: Duration = Duration::from_secs(8);

/// The administrator's file, if nobody else may write it. The school calendar has no effect here: no parser for it runs
/// as root.
struct MachineFile;

impl ConfigSource for MachineFile {
    fn read(&self, layer: Layer, file: &Path) -> Result<Option<Vec<u8>>, ConfigError> {
        if layer == Layer::Machine && file == Path::new(Paths::LINUX_MACHINE) {
            read_machine_config(file)
        } else {
            Ok(None)
        }
    }

    fn add_holidays(&self, _: &mut Calendar, _: &[u8]) -> Result<(), ConfigError> {
        Ok(())
    }
}

/// Runs until the tunnel has ended; the exit code is `openconnect`'s.
pub fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(why) => {
            print(&format!("{REFUSED}: {why}"));
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, String> {
    if std::env::args_os().len() != 1 {
        return Err("no arguments are taken".into());
    }
    // pkexec has this program end with Vigie, at once: OpenConnect would be left behind if it does not heed a signal.
    // The end of the input is enough.
    set_parent_process_death_signal(None).map_err(message)?;
    print(STARTED);
    // Not through `io::stdin`, whose buffer would keep the passcode.
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned().map_err(message)?);
    let request = read_request(&mut input, Instant::now() + INPUT_TIMEOUT)?;
    let loaded = load_with(&Paths { machine: Paths::LINUX_MACHINE.into(), user: PathBuf::new() }, &MachineFile);
    let site = request.check(&loaded.profile)?;
    let program = PROGRAMS.iter().find(|path| Path::new(path).is_file()).ok_or("openconnect is not installed")?;
    let mut command = command(program, site, loaded.profile.vpn.gateway_port, &request);
    let mut child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
    if let Err(error) = send_passcode(&mut child, &request.passcode) {
        // It has ended already, and has printed why.
        print(&format!("vigie-openconnect: {error}"));
    }
    drop(request);
    let client = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("a process has an id")?;
    let client = pidfd_open(client, PidfdFlags::empty()).map_err(message)?;
    // Before there is a second thread.
    start_watchdog(&client)?;
    end_with_input(input, client);
    let status = child.wait().map_err(message)?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// The three lines of input.
struct TunnelRequest {
    site: Zeroizing<String>,
    identifier: Zeroizing<String>,
    passcode: Zeroizing<String>,
}

/// Reads the three lines of input.
fn read_request(input: &mut File, deadline: Instant) -> Result<TunnelRequest, String> {
    let mut line = || read_line(input, deadline);
    Ok(TunnelRequest { site: line()?, identifier: line()?, passcode: line()? })
}

impl TunnelRequest {
    /// Returns the id of the site, and the user's group at its gateway.
    fn site_and_group(&self) -> (&str, Option<&str>) {
        self.site.split_once(GROUP_SEPARATOR).map_or((&self.site, None), |(site, group)| (site, Some(group)))
    }

    /// Returns the site, if everything in the request may be handed to OpenConnect.
    fn check<'a>(&self, profile: &'a Profile) -> Result<&'a Site, String> {
        let (site, group) = self.site_and_group();
        let site = profile.sites.iter().find(|known| known.id == *site).ok_or("no such site")?;
        if group.is_some_and(|group| group.is_empty() || group.chars().any(char::is_control)) {
            return Err("no such group".into());
        }
        if !is_valid_identifier(&self.identifier) {
            return Err("no such identifier".into());
        }
        if !is_valid_passcode(&self.passcode) {
            return Err("no such passcode".into());
        }
        Ok(site)
    }
}

/// Returns the command that connects to the site's gateway. The gateway's certificate must be one that the system trusts,
/// or one that the administrator's file pins.
fn command(program: &str, site: &Site, port: u16, request: &TunnelRequest) -> Command {
    let host = if site.gateway.contains(':') { format!("[{}]", site.gateway) } else { site.gateway.clone() };
    let mut command = Command::new(program);
    command.args(["--protocol=anyconnect", "--non-inter", "--passwd-on-stdin"]);
    command.arg(format!("--user={}", *request.identifier));
    command.args(request.site_and_group().1.map(|group| format!("--authgroup={group}")));
    command.args(site.certificate_pins.iter().map(|pin| format!("--servercert={pin}")));
    command.arg("--").arg(format!("{host}:{port}"));
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C").current_dir("/");
    command.stdin(Stdio::piped());
    // The tunnel must not outlive this program, which alone ends it: not even if this program is killed.
    let parent = getpid();
    let end_with_parent = move || {
        set_parent_process_death_signal(Some(Signal::INT))?;
        // Killed before that call: no signal will come.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: between fork and exec only two system calls are made, prctl and getppid; neither error allocates.
    unsafe { command.pre_exec(end_with_parent) };
    command
}

/// Writes the passcode to OpenConnect's standard input, and closes it.
fn send_passcode(child: &mut Child, passcode: &str) -> io::Result<()> {
    let Some(mut stdin) = child.stdin.take() else { return Ok(()) };
    stdin.write_all(passcode.as_bytes())?;
    stdin.write_all(b"\n")
}

/// Interrupts the child when the input ends, and kills it if it does not end by itself.
fn end_with_input(mut input: File, client: OwnedFd) {
    std::thread::spawn(move || {
        // A fourth line is not Vigie's: it ends the tunnel as the end of the input does.
        let _ = input.read(&mut [0]);
        let _ = pidfd_send_signal(&client, Signal::INT);
        std::thread::sleep(TERMINATION_GRACE);
        let _ = pidfd_send_signal(&client, Signal::KILL);
    });
}

/// Starts a process that kills the client if this one is killed and the client does not heed the signal that it then gets:
/// OpenConnect does not while it waits for a silent gateway. It ends with the client.
fn start_watchdog(client: &OwnedFd) -> Result<(), String> {
    let program = pidfd_open(getpid(), PidfdFlags::empty()).map_err(message)?;
    // SAFETY: this process has a single thread, so that nothing in the new one is locked or half done.
    match unsafe { libc::fork() } {
        -1 => return Err(message(io::Error::last_os_error())),
        0 => {}
        _ => return Ok(()),
    }
    let has_ended = |process: &OwnedFd| matches!(wait_for([process], Some(Duration::ZERO)), Ok(1..));
    let _ = wait_for([client, &program], None);
    if !has_ended(client) {
        let _ = wait_for([client], Some(TERMINATION_GRACE));
        let _ = pidfd_send_signal(client, Signal::KILL);
    }
    std::process::exit(0);
}

/// Waits until one of these processes has ended; returns how many have.
fn wait_for<const COUNT: usize>(processes: [&OwnedFd; COUNT], limit: Option<Duration>) -> rustix::io::Result<usize> {
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    let mut polled = processes.map(|process| PollFd::new(process, PollFlags::IN));
    rustix::io::retry_on_intr(|| poll(&mut polled, limit.as_ref()))
}

/// Reads one line of the input, a byte at a time: what follows is not read, and no buffer keeps a copy.
fn read_line(input: &mut File, deadline: Instant) -> Result<Zeroizing<String>, String> {
    let mut line = Zeroizing::new(String::with_capacity(MAX_LINE_BYTES));
    loop {
        wait_for_input(input, deadline)?;
        let mut byte = [0];
        if input.read(&mut byte).map_err(message)? == 0 {
            return Err("the input ended too early".into());
        }
        match byte[0] {
            b'\n' => return Ok(line),
            // Ids, identifiers and passcodes are ASCII.
            byte if byte.is_ascii() && line.len() < MAX_LINE_BYTES => line.push(byte.into()),
            _ => return Err("a line is too long, or not plain".into()),
        }
    }
}

/// Waits until the input can be read.
fn wait_for_input(input: &File, deadline: Instant) -> Result<(), String> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(message)?;
        match poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Err("the input came too late".into()),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(message(error)),
        }
    }
}

fn message(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Writes a line to Vigie.
fn print(line: &str) {
    // Fails if Vigie has ended; then the input ends too.
    let _ = writeln!(io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A pipe, and a deadline that a test can wait for.
    fn input() -> (File, io::PipeWriter, Instant) {
        let (reader, writer) = io::pipe().expect("a pipe");
        (OwnedFd::from(reader).into(), writer, Instant::now() + Duration::from_millis(20))
    }

    #[test]
    fn waiting_for_input_ends_at_the_deadline() {
        let (mut input, mut writer, deadline) = input();
        writer.write_all(b"cae").expect("it fits");
        assert_eq!(read_line(&mut input, deadline), Err("the input came too late".into()));
        // Not even input that keeps coming is read past it.
        writer.write_all(b"n\n").expect("it fits");
        let in_time = read_line(&mut input, Instant::now() + INPUT_TIMEOUT);
        assert_eq!(in_time.as_deref().map(String::as_str), Ok("n"));
    }

    #[test]
    fn endless_lines_are_refused_before_they_end() {
        let (mut input, mut writer, _) = input();
        let endless = std::thread::spawn(move || while writer.write_all(&[b'x'; 1024]).is_ok() {});
        let line = read_line(&mut input, Instant::now() + INPUT_TIMEOUT);
        assert_eq!(line, Err("a line is too long, or not plain".into()));
        drop(input);
        endless.join().expect("it ends with the reader");
    }

    #[test]
    fn fuzz_input() {
        let profile = vigie_profile::guide();
        let seeds: [&[u8]; 4] = [
            b"caen\nmdupont\n1234123456\n",
            b"rouen\tAgents\nmdupont\n1234123456\nmore\n",
            b"caen\n--script=/tmp/x\n1234123456\n",
            b"caen\t--csd-wrapper=/tmp/x -\nm\n-1\n",
        ];
        crate::fuzz::fuzz(&seeds, |bytes| {
            let (mut input, mut writer, _) = input();
            writer.write_all(bytes).expect("it fits");
            drop(writer);
            let Ok(request) = read_request(&mut input, Instant::now() + INPUT_TIMEOUT) else { return };
            let Ok(site) = request.check(&profile) else { return };
            let command = command(PROGRAMS[0], site, 443, &request);
            let arguments: Vec<&str> = command.get_args().map(|argument| argument.to_str().expect("ASCII")).collect();
            // Of the input, only the identifier and the group are in the arguments, each within an option of its own.
            let user = format!("--user={}", *request.identifier);
            let group = request.site_and_group().1.map(|group| format!("--authgroup={group}"));
            let mut expected = vec!["--protocol=anyconnect", "--non-inter", "--passwd-on-stdin", &user];
            expected.extend(group.as_deref());
            let gateway = format!("{}:443", site.gateway);
            expected.extend(["--", &gateway]);
            assert_eq!(arguments, expected);
            assert!(profile.sites.contains(site));
            assert!(!arguments.iter().any(|argument| argument.contains(char::is_control)));
            assert!(!user.starts_with("--user=-") && !user.contains(char::is_whitespace), "{user:?}");
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_input_is_three_short_plain_lines_or_refused(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                "([ -~]{0,520}\n){0,4}[ -~é]{0,20}".prop_map(String::into_bytes),
            ],
        ) {
            let (mut input, mut writer, deadline) = input();
            writer.write_all(&bytes).expect("it fits");
            drop(writer);
            let mut rest = bytes.as_slice();
            for _ in 0..3 {
                let end = rest.iter().position(|byte| *byte == b'\n');
                let plain = |line: &[u8]| line.is_ascii() && line.len() <= MAX_LINE_BYTES;
                let deadline = deadline + INPUT_TIMEOUT;
                match (end, read_line(&mut input, deadline)) {
                    (Some(end), Ok(line)) => {
                        prop_assert_eq!(line.as_bytes(), &rest[..end]);
                        prop_assert!(plain(&rest[..end]));
                        rest = &rest[end + 1..];
                    }
                    (Some(end), Err(_)) => {
                        prop_assert!(!plain(&rest[..end]));
                        break;
                    }
                    (None, line) => {
                        prop_assert!(line.is_err());
                        break;
                    }
                }
            }
        }
    }
}
