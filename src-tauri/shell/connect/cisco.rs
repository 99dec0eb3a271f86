//! Cisco's command line: `vpncli -s connect HOST` reads its answers (user name, passcode, "y" to a banner) from standard
//! input, `vpncli disconnect` disconnects. What it prints is known from the field, not from a specification: whole keys
//! are looked for, the last state counts, and what is not understood is no success.

use super::{Line, Output, spawn};
use crate::core::connect::{Progress, Reason, Stage};
use crate::profile::{Profile, expand};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Cisco's command line, where it is installed.
pub fn command_line(profile: &Profile) -> Option<PathBuf> {
    let here = |path: &String| expand(path, dirs::home_dir().as_deref(), |name| std::env::var_os(name));
    profile.vpn.command_line.here().iter().filter_map(here).find(|path| path.is_file())
}

/// `vpncli -s connect`.
pub struct Cisco {
    program: PathBuf,
    gateway: String,
    /// Whether it has begun: a state that it reports before is an old one.
    begun: bool,
}

impl Cisco {
    /// For that gateway.
    pub fn new(program: PathBuf, gateway: String) -> Cisco {
        Cisco { program, gateway, begun: false }
    }
}

impl Line for Cisco {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-s", "connect"]).arg(&self.gateway);
        command
    }

    fn answers(&self, identifier: &str, passcode: &str) -> Zeroizing<Vec<u8>> {
        let mut answers = Zeroizing::new(Vec::with_capacity(identifier.len() + passcode.len() + 8));
        for line in [identifier, passcode, "y"] {
            answers.extend_from_slice(line.as_bytes());
            answers.push(b'\n');
        }
        answers
    }

    fn stays(&self) -> bool {
        false
    }

    fn hear(&mut self, line: &str) -> Option<Progress> {
        let said = line.replace("VPN>", "");
        let said = said.trim();
        let lower = said.to_ascii_lowercase();
        let mentions = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if let Some(state) = key(said, "state") {
            return match state.to_ascii_lowercase().as_str() {
                "connecting" => {
                    self.begun = true;
                    Some(Progress::Stage(Stage::Contacting))
                }
                "connected" if self.begun => Some(Progress::Connected),
                _ => None,
            };
        }
        let failed = |reason| Some(Progress::Failed(reason));
        // Refusals come as errors, notices or bare words, by version.
        if mentions(&["connect not available", "client application is running", "anyconnect application is running"]) {
            return failed(Reason::Held);
        }
        if mentions(&["account is locked", "account locked", "account has been locked", "locked out"]) {
            return failed(Reason::Locked);
        }
        if mentions(&["login failed", "login denied", "authentication failed", "access denied", "invalid credentials"])
        {
            return failed(Reason::WrongPasscode);
        }
        if mentions(&["untrusted", "certificate validation failure", "certificate is invalid", "invalid certificate"]) {
            return failed(Reason::Untrusted);
        }
        if mentions(&[
            "could not be resolved",
            "could not connect to server",
            "unable to contact",
            "unable to resolve",
            "connection attempt has timed out",
            "connection attempt has failed",
            "not reachable",
        ]) {
            return failed(Reason::Unreachable);
        }
        if mentions(&["please enter your username", "username:", "contacting "]) {
            self.begun = true;
            return Some(Progress::Stage(Stage::Verifying));
        }
        if mentions(&[
            "establishing vpn",
            "checking for profile updates",
            "checking for customization",
            "initiating connection",
        ]) {
            self.begun = true;
            return Some(Progress::Stage(Stage::Establishing));
        }
        None
    }

    fn ended(&self, _code: Option<i32>, words: String) -> Reason {
        Reason::Unknown(words)
    }
}

/// The value of a line `>> KEY: VALUE`.
fn key<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (found, value) = line.strip_prefix(">>")?.split_once(':')?;
    found.trim().eq_ignore_ascii_case(key).then_some(value.trim())
}

/// `vpncli disconnect`.
///
/// # Errors
/// The client's last words, where it does not say at the end that it is disconnected.
pub async fn hang_up(program: &Path, limit: Duration) -> Result<(), String> {
    let mut command = Command::new(program);
    command.arg("disconnect");
    let ask = async {
        let mut child = spawn(command, false).map_err(|error| error.to_string())?;
        drop(child.stdin.take());
        let mut output = Output::of(&mut child);
        let mut last = None;
        while let Some(line) = output.next(true).await.map_err(|error| error.to_string())? {
            let line = line.replace("VPN>", "");
            last = key(line.trim(), "state").map(str::to_ascii_lowercase).or(last);
        }
        let status = child.wait().await.map_err(|error| error.to_string())?;
        match last.as_deref() {
            Some("disconnected") => Ok(()),
            _ => Err(format!("{status}: {}", output.words())),
        }
    };
    timeout(limit, ask).await.unwrap_or_else(|_| Err(format!("{} does not answer", program.display())))
}
