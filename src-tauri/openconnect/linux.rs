//! On Linux.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal, set_parent_process_death_signal};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;
use vigie_openconnect::{GROUP_SEPARATOR, PROGRAMS, REFUSED, STARTED};
use vigie_profile::{
    Calendar, ConfigError, ConfigSource, Paths, Site, is_valid_identifier, is_valid_passcode, load_with, read_text,
};
use zeroize::Zeroizing;

/// Bytes that a line of the input may have.
const LINE_ROOM: usize = 512;

/// How long `openconnect` may take to take leave of the gateway and to undo routes and name servers.
const GRACE: Duration = Duration::from_secs(8);

/// The administrator's file. The school calendar decides nothing here: no library for it runs as root.
struct MachineFile;

impl ConfigSource for MachineFile {
    fn text(&self, file: &Path) -> Result<Option<String>, ConfigError> {
        if file == Path::new(Paths::LINUX_MACHINE) { read_text(file) } else { Ok(None) }
    }

    fn add_holidays(&self, _: &mut Calendar, _: &str) -> Result<(), (Option<usize>, ConfigError)> {
        Ok(())
    }
}

/// Runs until the tunnel is gone; the exit code is `openconnect`'s.
pub fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(why) => {
            say(&format!("{REFUSED}: {why}"));
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, String> {
    if std::env::args_os().len() != 1 {
        return Err("no arguments are taken".into());
    }
    say(STARTED);
    // Not through `io::stdin`, whose buffer would keep the passcode.
    let mut input = std::fs::File::from(io::stdin().as_fd().try_clone_to_owned().map_err(words)?);
    let site = line(&mut input)?;
    let identifier = line(&mut input)?;
    let passcode = line(&mut input)?;
    let loaded = load_with(&Paths { machine: Paths::LINUX_MACHINE.into(), user: PathBuf::new() }, &MachineFile);
    let (site, group) =
        site.split_once(GROUP_SEPARATOR).map_or((site.as_str(), None), |(site, group)| (site, Some(group)));
    let site = loaded.profile.sites.iter().find(|known| known.id == *site).ok_or("no such site")?;
    if group.is_some_and(|group| group.is_empty() || group.chars().any(char::is_control)) {
        return Err("no such group".into());
    }
    if !is_valid_identifier(&identifier) {
        return Err("no such identifier".into());
    }
    if !is_valid_passcode(&passcode) {
        return Err("no such passcode".into());
    }
    let program = PROGRAMS.iter().find(|path| Path::new(path).is_file()).ok_or("openconnect is not installed")?;
    let mut child = command(program, site, loaded.profile.vpn.gateway_port, &identifier, group);
    let mut child = child.spawn().map_err(|error| format!("{program}: {error}"))?;
    if let Err(error) = tell(&mut child, &passcode) {
        // It is gone already, and has said why.
        say(&format!("vigie-openconnect: {error}"));
    }
    drop(passcode);
    end_with(input, &child)?;
    let status = child.wait().map_err(words)?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// `openconnect`, for the gateway of that site. The certificate must be one that the system trusts, or one that the
/// administrator's file pins.
fn command(program: &str, site: &Site, port: u16, identifier: &str, group: Option<&str>) -> Command {
    let host = if site.gateway.contains(':') { format!("[{}]", site.gateway) } else { site.gateway.clone() };
    let mut command = Command::new(program);
    command.args(["--protocol=anyconnect", "--non-inter", "--passwd-on-stdin"]).arg(format!("--user={identifier}"));
    command.args(group.map(|group| format!("--authgroup={group}")));
    command.args(site.certificate_pins.iter().map(|pin| format!("--servercert={pin}")));
    command.arg("--").arg(format!("{host}:{port}"));
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C").current_dir("/");
    command.stdin(Stdio::piped());
    // No tunnel without this program, which is the one that hears its end: not even where it is killed.
    let with_this_program = || Ok(set_parent_process_death_signal(Some(Signal::INT))?);
    // SAFETY: between fork and exec only one system call is made, prctl.
    unsafe { command.pre_exec(with_this_program) };
    command
}

fn tell(child: &mut Child, passcode: &str) -> io::Result<()> {
    let Some(mut stdin) = child.stdin.take() else { return Ok(()) };
    stdin.write_all(passcode.as_bytes())?;
    stdin.write_all(b"\n")
}

/// Ends the child when the input ends: first kindly.
fn end_with(mut input: std::fs::File, child: &Child) -> Result<(), String> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("a process has an id")?;
    let child = pidfd_open(pid, PidfdFlags::empty()).map_err(words)?;
    std::thread::spawn(move || {
        // What else may come is not for us.
        let mut rest = [0; 64];
        while input.read(&mut rest).is_ok_and(|read| read > 0) {}
        let _ = pidfd_send_signal(&child, Signal::INT);
        std::thread::sleep(GRACE);
        let _ = pidfd_send_signal(&child, Signal::KILL);
    });
    Ok(())
}

/// One line of the input, a byte at a time: what follows is not read, and nothing keeps a copy.
fn line(input: &mut std::fs::File) -> Result<Zeroizing<String>, String> {
    let mut line = Zeroizing::new(String::with_capacity(LINE_ROOM));
    loop {
        let mut byte = [0];
        if input.read(&mut byte).map_err(words)? == 0 {
            return Err("the input ended too early".into());
        }
        match byte[0] {
            b'\n' => return Ok(line),
            // Everything that is asked for is plain.
            byte if byte.is_ascii() && line.len() < LINE_ROOM => line.push(byte.into()),
            _ => return Err("a line is too long, or not plain".into()),
        }
    }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn say(line: &str) {
    // Nobody listens where Vigie is gone; then the input ends too.
    let _ = writeln!(io::stdout(), "{line}");
}
