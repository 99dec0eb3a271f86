//! Cisco's command line: `vpncli -s connect HOST` asks for group, user name and passcode, and whether the server's text
//! is accepted, one after the other, and reads the answers from standard input; `vpncli disconnect` disconnects.
//!
//! Each question is answered when it stands there, each once, and none that is not known: what is answered ahead is
//! taken for the answer to whatever is asked (docs/decisions/0009-ciscos-questions.md). What the client says is known
//! from what users have shown of it (src-tauri/transcripts), not from a specification; what is not understood is no
//! success.

use super::{Heard, Line, Output, Said, lines, spawn};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;
use vigie_core::connect::{ConnectError, ConnectProgress, Secret, Stage};
use vigie_core::vpn::{ClientState, cisco};
use vigie_profile::{Profile, expand};

/// The question that follows the server's text, in every language.
const ACCEPT: &str = "accept? [y/n]";

/// Cisco's command line, where it is installed.
pub fn command_line(profile: &Profile) -> Option<PathBuf> {
    let here = |path: &String| expand(path, dirs::home_dir().as_deref(), |name| std::env::var_os(name));
    profile.vpn.command_line.here().iter().filter_map(here).find(|path| path.is_file())
}

/// `vpncli -s connect`.
pub struct Cisco {
    program: PathBuf,
    gateway: String,
    /// Until it is handed over.
    identifier: Option<String>,
    /// Until it is handed over.
    passcode: Option<Secret>,
    /// Whether the server's choice of group was taken.
    group: bool,
    /// Whether the gateway is called: a state that is reported before is an old one, or another client's.
    called: bool,
    /// Whether the server shows a text that wants to be accepted.
    banner: bool,
    /// Whether it has said that it cannot go on, in words that are not known.
    at_its_end: bool,
}

impl Cisco {
    /// For that gateway.
    pub fn new(program: PathBuf, gateway: String, identifier: String, passcode: Secret) -> Cisco {
        let (identifier, passcode) = (Some(identifier), Some(passcode));
        let (group, called, banner, at_its_end) = (false, false, false, false);
        Cisco { program, gateway, identifier, passcode, group, called, banner, at_its_end }
    }

    fn hear_line(&mut self, line: &str) -> Option<Heard> {
        let line = cisco::without_prompts(line);
        if line.is_empty() {
            return None;
        }
        // Once the passcode is handed over, what stands without the mark is the server's own text, which may say
        // anything.
        if (self.passcode.is_some() || line.starts_with(">>"))
            && let Some(reason) = refusal(line, self.passcode.is_none())
        {
            return failed(reason);
        }
        if self.at_its_end {
            return Some(Heard::Over);
        }
        if let Some(state) = cisco::value(line, "state").and_then(cisco::state) {
            return match state {
                ClientState::Connecting => at(Stage::Establishing),
                ClientState::Connected if self.called => Some(Heard::Progress(Ok(ConnectProgress::Connected))),
                ClientState::Disconnected if self.called => Some(Heard::Over),
                ClientState::Connected
                | ClientState::Disconnecting
                | ClientState::Disconnected
                | ClientState::Reconnecting
                | ClientState::Paused
                | ClientState::Unknown => None,
            };
        }
        if cisco::value(line, "error").is_some() {
            // Some are explained in the line that follows.
            self.at_its_end = true;
            return None;
        }
        let notice = cisco::value(line, "notice")?.to_ascii_lowercase();
        if notice.starts_with("connected to ") && !self.called {
            return failed(ConnectError::Held);
        }
        if notice.starts_with("contacting ") {
            self.called = true;
            return at(Stage::Contacting);
        }
        if notice.starts_with("establishing vpn") || notice.starts_with("checking for ") {
            return at(Stage::Establishing);
        }
        // In German, too. A certificate is never asked about so late.
        self.banner = self.passcode.is_none() && notice.contains("bann");
        None
    }

    /// `settled`: whether nothing has followed for a while.
    fn hear_question(&mut self, said: &str, settled: bool) -> Option<Heard> {
        if self.at_its_end {
            return settled.then_some(Heard::Over);
        }
        let (asked, offered) = question(said)?;
        // The server's own text may look like a question.
        if self.banner && asked != ACCEPT {
            return None;
        }
        let handed_over = self.passcode.is_none();
        let again = if handed_over { ConnectError::WrongPasscode } else { ConnectError::UnsupportedPrompt };
        match asked.as_str() {
            // By an empty line the server's own choice is taken. What stands without one cannot be answered.
            "group" if offered && self.group => failed(again),
            "group" if offered => {
                self.group = true;
                answer("", Stage::Contacting)
            }
            "username" | "nom d'utilisateur" | "nom d’utilisateur" => match self.identifier.take() {
                Some(identifier) => answer(&identifier, Stage::Contacting),
                None => failed(again),
            },
            "passcode" | "password" | "mot de passe" => match self.passcode.take() {
                Some(passcode) => {
                    self.called = true;
                    answer(passcode.expose(), Stage::Verifying)
                }
                None => failed(again),
            },
            ACCEPT if self.banner => {
                self.banner = false;
                answer("y", Stage::Establishing)
            }
            other if settled => failed(refusal(other, handed_over).unwrap_or(ConnectError::UnsupportedPrompt)),
            // More of it may follow.
            _ => None,
        }
    }
}

impl Line for Cisco {
    fn command(&self) -> Command {
        let mut command = command(&self.program);
        command.args(["-s", "connect"]).arg(&self.gateway);
        command
    }

    fn stays(&self) -> bool {
        false
    }

    fn hear(&mut self, said: &Said) -> Option<Heard> {
        match said {
            Said::Line(line) => self.hear_line(line),
            Said::Open(text) => self.hear_question(text, false),
            Said::Settled(text) => self.hear_question(text, true),
        }
    }

    fn ended(&self, _code: Option<i32>, words: String) -> ConnectError {
        ConnectError::Unknown(words)
    }
}

fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    // In English, where the client heeds it.
    command.env("LC_ALL", "C");
    command
}

fn failed(reason: ConnectError) -> Option<Heard> {
    Some(Heard::Progress(Err(reason)))
}

fn at(stage: Stage) -> Option<Heard> {
    Some(Heard::Progress(Ok(ConnectProgress::Stage(stage))))
}

fn answer(text: &str, stage: Stage) -> Option<Heard> {
    Some(Heard::Answer(lines(&[text]), stage))
}

/// Why it comes to nothing. Refusals come as errors, warnings, notices or without a key, by version. Before the passcode is
/// handed over it cannot be wrong: what sounds so is the server's greeting.
fn refusal(line: &str, handed_over: bool) -> Option<ConnectError> {
    let lower = line.to_ascii_lowercase();
    let known: [(ConnectError, &[&str]); 8] = [
        // AnyConnect's words, and Secure Client's.
        (ConnectError::Held, &["connect not available", "connect capability is unavailable"]),
        (
            ConnectError::ServiceStopped,
            &["vpn service is not available", "vpn service is unavailable", "cannot contact the vpn service"],
        ),
        (ConnectError::Locked, &["account is locked", "account locked", "account has been locked", "locked out"]),
        // The computer's own certificate; and what the gateway's rules ask of a computer.
        (ConnectError::Refused, &["certificate validation failure", "login denied"]),
        (
            ConnectError::Untrusted,
            &[
                "untrusted",
                "trust this server",
                "connect anyway",
                "cannot verify",
                "server certificate acceptance",
                "server certificate problem",
                "certificate is invalid",
                "invalid certificate",
            ],
        ),
        (
            ConnectError::WrongPasscode,
            &["login failed", "authentication failed", "access denied", "invalid credentials"],
        ),
        (
            ConnectError::Unreachable,
            &[
                "could not be resolved",
                "unable to resolve",
                "domain name resolution",
                "could not connect to server",
                "unable to contact",
                "connection attempt has timed out",
                "connection attempt has failed",
                "not reachable",
            ],
        ),
        (ConnectError::UnsupportedPrompt, &["authentication type is not supported"]),
    ];
    let mut said = known.into_iter().filter(|(_, words)| words.iter().any(|word| lower.contains(word)));
    said.find_map(|(reason, _)| {
        (handed_over || !matches!(reason, ConnectError::WrongPasscode | ConnectError::Locked)).then_some(reason)
    })
}

/// What a text without a line end asks for, in small letters, and whether an empty line takes what is offered:
/// `LABEL: ` or `LABEL: [OFFERED] `. `None` where it is no question, or not one yet.
fn question(said: &str) -> Option<(String, bool)> {
    let mut text = cisco::without_prompts(said);
    // What was offered with the question before, which is answered.
    if let Some(left) = text.strip_prefix('[') {
        text = left.split_once(']')?.1.trim_start();
    }
    let (label, offered) = match text.strip_suffix(']').and_then(|text| text.rsplit_once(": [")) {
        Some((label, _)) => (label, true),
        None => (text.strip_suffix(':').or_else(|| text.strip_suffix('?'))?, false),
    };
    (!label.starts_with(">>")).then(|| (label.trim().to_lowercase(), offered))
}

/// `vpncli disconnect`.
///
/// # Errors
/// The client's last words, where it does not say at the end that it is disconnected.
pub async fn hang_up(program: &Path, limit: Duration) -> Result<(), String> {
    let mut command = command(program);
    command.arg("disconnect");
    let ask = async {
        let mut child = spawn(command, false).map_err(|error| error.to_string())?;
        drop(child.stdin.take());
        let mut output = Output::of(&mut child);
        let mut last = None;
        while let Some(said) = output.next(true).await.map_err(|error| error.to_string())? {
            if let Said::Line(line) = said
                && let Some(state) = cisco::value(&line, "state")
            {
                last = cisco::state(state);
            }
        }
        let status = child.wait().await.map_err(|error| error.to_string())?;
        match last {
            Some(ClientState::Disconnected) => Ok(()),
            _ => Err(format!("{status}: {}", output.words())),
        }
    };
    timeout(limit, ask).await.unwrap_or_else(|_| Err(format!("{} does not answer", program.display())))
}
