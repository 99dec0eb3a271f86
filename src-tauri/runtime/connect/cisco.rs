//! Cisco's command line.
//!
//! A question is answered only when it is asked, once, and if it is known: a client that is given its input in advance
//! takes each line as the answer to whatever it asks (docs/decisions/0009-ciscos-questions.md). There is no specification
//! of its output; it is known from what users have published (src-tauri/transcripts). Output that is not recognised never
//! counts as success.

use super::driver::{ClientDriver, DriverStep, answer_lines, spawn};
use super::output::{ClientOutput, OutputEvent};
use crate::cisco::command;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;
use vigie_core::connect::{ConnectError, Secret, Stage};
use vigie_core::vpn::{ClientState, cisco};

/// The question that follows the server's text, in every language.
const ACCEPT: &str = "accept? [y/n]";

/// `vpncli -s connect`.
pub struct CiscoDriver {
    program: PathBuf,
    gateway: String,
    /// The identifier, until it is sent.
    identifier: Option<String>,
    /// The passcode, until it is sent.
    passcode: Option<Secret>,
    /// Whether the server's default group was accepted.
    group_sent: bool,
    /// Whether the gateway was contacted: a state that is reported earlier is an old one, or another client's.
    contacted: bool,
    /// Whether the server shows a banner that has to be accepted.
    has_banner: bool,
    /// Whether the client has printed an unknown line since the passcode was sent.
    unknown_line: bool,
    /// The failure reported so far. It takes effect when the client asks, falls silent or ends: the next lines may say more.
    failure: Option<Failure>,
}

/// A line that reports a failure.
#[derive(Debug, PartialEq, Eq)]
struct Failure {
    weight: Weight,
    /// `None` if the line is not known.
    reason: Option<ConnectError>,
}

/// How much a line explains, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// The state at the end.
    State,
    /// A warning or a notice that the connection failed.
    GeneralNotice,
    /// An error that says no more than that.
    GeneralError,
    /// A warning with a reason.
    Warning,
    /// An error that is not known: it is more than a warning.
    UnknownError,
    /// A line with a reason.
    Line,
    /// An error with a reason.
    Error,
}

impl CiscoDriver {
    /// Connects to that gateway.
    pub fn new(program: PathBuf, gateway: String, identifier: String, passcode: Secret) -> CiscoDriver {
        CiscoDriver {
            program,
            gateway,
            identifier: Some(identifier),
            passcode: Some(passcode),
            group_sent: false,
            contacted: false,
            has_banner: false,
            unknown_line: false,
            failure: None,
        }
    }

    fn on_line(&mut self, line: &str) -> DriverStep {
        let line = cisco::without_prompts(line);
        if line.is_empty() {
            return DriverStep::Known;
        }
        let is_sent = self.passcode.is_none();
        // After the passcode, what lacks the mark is the server's own text, which may say anything.
        if (!is_sent || line.starts_with(">>"))
            && let Some(failure) = failure(line, is_sent)
        {
            self.note(failure);
            return DriverStep::Known;
        }
        if let Some(state) = cisco::value(line, "state").and_then(cisco::state) {
            return self.on_state(state);
        }
        let notice = cisco::value(line, "notice").unwrap_or_default().to_ascii_lowercase();
        if notice.starts_with("connected to ") && !self.contacted {
            return DriverStep::Failed(ConnectError::Held);
        }
        if notice.starts_with("contacting ") {
            self.contacted = true;
            // A backup server is tried.
            self.failure = None;
            return DriverStep::Stage(Stage::Contacting);
        }
        if notice.starts_with("establishing vpn") || notice.starts_with("checking for ") {
            return DriverStep::Stage(Stage::Establishing);
        }
        // In German, too. A certificate is never asked about so late.
        if is_sent && notice.contains("bann") {
            self.has_banner = true;
            return DriverStep::Known;
        }
        if is_request(line) {
            return DriverStep::Known;
        }
        self.unknown_line |= is_sent;
        DriverStep::Unknown
    }

    fn on_state(&mut self, state: ClientState) -> DriverStep {
        match state {
            ClientState::Connecting => DriverStep::Stage(Stage::Establishing),
            ClientState::Connected if self.contacted => DriverStep::Connected,
            ClientState::Disconnected if self.contacted => {
                self.note(Failure { weight: Weight::State, reason: None });
                DriverStep::Known
            }
            ClientState::Connected
            | ClientState::Disconnecting
            | ClientState::Disconnected
            | ClientState::Reconnecting
            | ClientState::Paused
            | ClientState::Unknown => DriverStep::Known,
        }
    }

    /// Keeps the failure if it outweighs the one kept so far.
    fn note(&mut self, new: Failure) {
        // Of two equal weights the first is the cause, except that a locked account outweighs a refused code.
        let outweighs = |old: &Failure| {
            new.weight > old.weight || new.weight == old.weight && old.reason == Some(ConnectError::WrongPasscode)
        };
        if self.failure.as_ref().is_none_or(outweighs) {
            self.failure = Some(new);
        }
    }

    /// Returns the step that follows from the reported failure.
    fn conclude(&mut self) -> DriverStep {
        match self.failure.take() {
            Some(Failure { reason: Some(reason), .. }) => DriverStep::Failed(reason),
            Some(_) => DriverStep::Exhausted,
            None => DriverStep::Unknown,
        }
    }

    /// `is_quiet`: whether nothing has followed for a while.
    fn on_unterminated(&mut self, text: &str, is_quiet: bool) -> DriverStep {
        let Some((label, has_default)) = question(text) else {
            return if is_quiet { self.conclude() } else { DriverStep::Unknown };
        };
        // The server's banner may look like a question.
        if self.has_banner && label != ACCEPT {
            return DriverStep::Unknown;
        }
        let known = matches!(
            label.as_str(),
            "group" | "username" | "nom d'utilisateur" | "nom d’utilisateur" | "passcode" | "password" | "mot de passe"
        );
        if self.failure.as_ref().is_some_and(|failure| failure.weight > Weight::GeneralNotice) && (known || is_quiet) {
            return self.conclude();
        }
        match label.as_str() {
            // An empty line takes the server's default. A group without one cannot be chosen.
            "group" if has_default && !self.group_sent => {
                self.group_sent = true;
                answer("", Stage::Contacting)
            }
            "group" if has_default => self.asked_again(),
            "username" | "nom d'utilisateur" | "nom d’utilisateur" => match self.identifier.take() {
                Some(identifier) => answer(&identifier, Stage::Contacting),
                None => self.asked_again(),
            },
            "passcode" | "password" | "mot de passe" => match self.passcode.take() {
                Some(passcode) => {
                    self.contacted = true;
                    answer(passcode.expose(), Stage::Verifying)
                }
                // A second factor is requested in the same words.
                None => DriverStep::Failed(ConnectError::UnsupportedPrompt),
            },
            ACCEPT if self.has_banner => {
                self.has_banner = false;
                answer("y", Stage::Establishing)
            }
            other if is_quiet => {
                let reason = known_reason(other, self.passcode.is_none()).unwrap_or(ConnectError::UnsupportedPrompt);
                DriverStep::Failed(reason)
            }
            // More of it may follow.
            _ => DriverStep::Unknown,
        }
    }

    /// Returns the step if the log-in begins again, and no line has said why.
    fn asked_again(&self) -> DriverStep {
        if self.passcode.is_some() {
            DriverStep::Failed(ConnectError::UnsupportedPrompt)
        } else if self.unknown_line {
            DriverStep::Exhausted
        } else {
            DriverStep::Failed(ConnectError::WrongPasscode)
        }
    }
}

impl ClientDriver for CiscoDriver {
    fn command(&self) -> Command {
        let mut command = command(&self.program);
        command.args(["-s", "connect"]).arg(&self.gateway);
        command
    }

    fn holds_tunnel(&self) -> bool {
        false
    }

    fn passcode(&self) -> Option<&Secret> {
        self.passcode.as_ref()
    }

    fn on_output(&mut self, event: &OutputEvent) -> DriverStep {
        match event {
            OutputEvent::Line(line) => self.on_line(line),
            OutputEvent::Partial(text) => self.on_unterminated(text, false),
            OutputEvent::Quiet(text) => self.on_unterminated(text, true),
        }
    }

    fn exit_reason(&self, _code: Option<i32>, lines: String) -> ConnectError {
        let reason = self.failure.as_ref().and_then(|failure| failure.reason.clone());
        reason.unwrap_or(ConnectError::Unknown(lines))
    }
}

fn answer(text: &str, stage: Stage) -> DriverStep {
    DriverStep::Answer(answer_lines(&[text]), stage)
}

/// Whether a line announces the questions that follow.
fn is_request(line: &str) -> bool {
    let text = line.trim_start_matches('>').trim();
    text.starts_with("Please enter your ") || text == "Awaiting user input."
}

/// Returns the failure that a line reports. Refusals come as errors, warnings, notices or without a key, by version.
fn failure(line: &str, is_sent: bool) -> Option<Failure> {
    let is_error = cisco::value(line, "error").is_some();
    let is_warning = cisco::value(line, "warning").is_some();
    // The examination of the computer is reported in notices, too, while it goes well.
    let reason = known_reason(line, is_sent).filter(|reason| *reason != ConnectError::HostScan || is_error);
    let weight = match &reason {
        Some(ConnectError::Unreachable) if is_error => Weight::GeneralError,
        Some(ConnectError::Unreachable) => Weight::GeneralNotice,
        Some(_) if is_error => Weight::Error,
        Some(_) if is_warning => Weight::Warning,
        Some(_) => Weight::Line,
        None if is_error && is_general(line) => Weight::GeneralError,
        None if is_error => Weight::UnknownError,
        None => return None,
    };
    Some(Failure { weight, reason })
}

/// Whether an error gives no reason for the missing connection.
fn is_general(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    ["unable to proceed", "unable to establish vpn", "connection attempt has failed"]
        .iter()
        .any(|text| lower.contains(text))
}

/// Returns the reason that a text gives. Before the passcode is sent it cannot be wrong: a text that says so is the
/// server's greeting.
fn known_reason(text: &str, is_sent: bool) -> Option<ConnectError> {
    let lower = text.to_ascii_lowercase();
    let known: [(ConnectError, &[&str]); 12] = [
        // AnyConnect's words, and Secure Client's.
        (ConnectError::Held, &["connect not available", "connect capability is unavailable"]),
        (
            ConnectError::ServiceStopped,
            &["vpn service is not available", "vpn service is unavailable", "cannot contact the vpn service"],
        ),
        // "VPN establishment capability for a remote user is disabled", "… from a Remote Desktop is disabled".
        (
            ConnectError::RemoteSession,
            &["capability for a remote", "capability from a remote", "remote user is disabled"],
        ),
        (ConnectError::Locked, &["account is locked", "account locked", "account has been locked", "locked out"]),
        // The computer's own certificate; and what the gateway's rules ask of a computer or a user.
        (
            ConnectError::Refused,
            &["certificate validation failure", "certificate authentication failed", "login denied", "access denied"],
        ),
        (
            ConnectError::Untrusted,
            &[
                "untrusted",
                "trust this server",
                "connect anyway",
                "cannot verify",
                "cannot confirm it is connected to your secure gateway",
                "may not be trustworthy",
                "server certificate acceptance",
                "server certificate problem",
                "certificate is invalid",
                "verifying server certificate",
                "invalid certificate",
            ],
        ),
        // "Authentication failed due to problem retrieving the single sign-on cookie."
        (
            ConnectError::BrowserLogin,
            &["authentication type is not supported", "single sign-on", "saml", "external browser"],
        ),
        (ConnectError::Unreachable, &["proxy authentication"]),
        (ConnectError::WrongPasscode, &["login failed", "authentication failed", "invalid credentials"]),
        (ConnectError::HostScan, &["hostscan", "posture assessment", "secure desktop"]),
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
                // A captive portal.
                "restricting access to the internet",
            ],
        ),
        (ConnectError::UnsupportedPrompt, &["password has expired", "password expired", "new pin"]),
    ];
    let is_greeting = |reason: &ConnectError| {
        !is_sent
            && (matches!(reason, ConnectError::WrongPasscode | ConnectError::Locked) || lower.contains("access denied"))
    };
    let mut matching = known.into_iter().filter(|(_, words)| words.iter().any(|word| lower.contains(word)));
    matching.find_map(|(reason, _)| (!is_greeting(&reason)).then_some(reason))
}

/// Returns what an unterminated text asks for, in small letters, and whether an empty line takes a default:
/// `LABEL: ` or `LABEL: [DEFAULT] `. `None` if it is no question, or not one yet.
fn question(text: &str) -> Option<(String, bool)> {
    let mut text = cisco::without_prompts(text);
    // The default of the previous question, which has been answered.
    if let Some(left) = text.strip_prefix('[') {
        text = left.split_once(']')?.1.trim_start();
    }
    let (label, has_default) = match text.strip_suffix(']').and_then(|text| text.rsplit_once(": [")) {
        Some((label, _)) => (label, true),
        None => (text.strip_suffix(':').or_else(|| text.strip_suffix('?'))?, false),
    };
    (!label.starts_with(">>")).then(|| (label.trim().to_lowercase(), has_default))
}

/// `vpncli disconnect`.
///
/// # Errors
/// The client's last lines, if it does not report at the end that it is disconnected.
pub async fn disconnect(program: &Path, limit: Duration) -> Result<(), String> {
    let mut command = command(program);
    command.arg("disconnect");
    let run = async {
        let mut child = spawn(command, false).map_err(|error| error.to_string())?;
        drop(child.stdin.take());
        let mut output = ClientOutput::new(&mut child, None);
        let mut last = None;
        while let Some(event) = output.next(true).await.map_err(|error| error.to_string())? {
            if let OutputEvent::Line(line) = event {
                output.keep_line();
                last = cisco::value(&line, "state").map_or(last, cisco::state);
            }
        }
        let status = child.wait().await.map_err(|error| error.to_string())?;
        match last {
            Some(ClientState::Disconnected) => Ok(()),
            _ => Err(format!("{status}: {}", output.kept_lines())),
        }
    };
    timeout(limit, run).await.unwrap_or_else(|_| Err(format!("{} does not answer", program.display())))
}
