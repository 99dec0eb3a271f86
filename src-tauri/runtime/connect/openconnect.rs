//! OpenConnect, through `pkexec` and the small program `vigie-openconnect`, which alone runs as root
//! (docs/decisions/0006-openconnect.md). The end of its input ends the tunnel.

use super::driver::{ClientDriver, DriverStep, answer_lines};
use super::output::OutputEvent;
use std::path::PathBuf;
use tokio::process::Command;
use vigie_core::connect::{ConnectError, Secret, Stage};
use vigie_openconnect::{GROUP_SEPARATOR, PROGRAMS, REFUSED, STARTED};

/// Where the package installs the program that runs as root; the polkit policy names this path.
const INSTALLED: &str = "/usr/lib/vigie/vigie-openconnect";

/// How lines begin that are OpenConnect's own, not the gateway's: they explain a failure in the log.
const KNOWN_LINES: [&str; 28] = [
    "attempting to connect",
    "auth choice",
    "cannot ",
    "certificate ",
    "connected to ",
    "could not ",
    "creating ssl connection failed",
    "dtls ",
    "error: server asked us",
    "established ",
    "failed to ",
    "fgets (stdin)",
    "get https://",
    "getaddrinfo ",
    "got http response",
    "http/1.",
    "no sso handler",
    "none of the ",
    "post https://",
    "rtnetlink answers",
    "script ",
    "server certificate ",
    "set up ",
    "ssl connection ",
    "unexpected ",
    "user input required",
    "vigie-openconnect",
    "xml post enabled",
];

/// Whether everything is installed.
pub fn is_installed() -> bool {
    let openconnect = PROGRAMS.iter().any(|path| std::path::Path::new(path).is_file());
    openconnect && helper().is_some() && which::which("pkexec").is_ok()
}

/// Finds the program that runs as root: beside this one, or where the package installs it.
pub fn helper() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().map(|vigie| vigie.with_file_name("vigie-openconnect"));
    beside.into_iter().chain([INSTALLED.into()]).find(|path| path.is_file())
}

/// `pkexec vigie-openconnect`.
pub struct OpenConnectDriver {
    helper: PathBuf,
    site: String,
    identifier: String,
    /// The passcode, until the gateway has it.
    passcode: Option<Secret>,
    /// Whether the program that runs as root was given its input.
    input_sent: bool,
    /// Whether the gateway has sent a form.
    form_received: bool,
    /// Whether a form was sent to the gateway: it may have the passcode.
    form_submitted: bool,
    /// The group: the first that the gateway offered. OpenConnect does not choose one, and ends; the passcode is not sent.
    group: Option<String>,
    /// The choice that the gateway offers and OpenConnect does not make.
    offered: Option<String>,
    /// Why there will be no tunnel. The gateway's own text may look alike, so this takes effect only when the client ends.
    failure: Option<ConnectError>,
}

impl OpenConnectDriver {
    /// Connects to the gateway of that site.
    pub fn new(helper: PathBuf, site: String, identifier: String, passcode: Secret) -> OpenConnectDriver {
        OpenConnectDriver {
            helper,
            site,
            identifier,
            passcode: Some(passcode),
            input_sent: false,
            form_received: false,
            form_submitted: false,
            group: None,
            offered: None,
            failure: None,
        }
    }

    fn on_line(&mut self, line: &str) -> DriverStep {
        if line == STARTED && !self.input_sent {
            self.input_sent = true;
            let Some(passcode) = &self.passcode else { return DriverStep::Exhausted };
            let site = match &self.group {
                Some(group) => format!("{}{GROUP_SEPARATOR}{group}", self.site),
                None => self.site.clone(),
            };
            let input = answer_lines(&[&site, &self.identifier, passcode.expose()]);
            return DriverStep::Answer(input, Stage::Contacting);
        }
        let lower = line.to_ascii_lowercase();
        let mentions = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if line.starts_with(REFUSED) {
            return DriverStep::Failed(ConnectError::Unknown(line.to_owned()));
        }
        if mentions(&["failed to reconnect", "reconnect failed", "detected dead peer"]) {
            return DriverStep::Reconnecting;
        }
        if ["configured as ", "connected as "].iter().any(|words| lower.starts_with(words)) {
            self.passcode = None;
            return DriverStep::Connected;
        }
        // Before a form was sent, it is the gateway's greeting.
        if self.form_submitted && mentions(&["account is locked", "account locked", "account has been locked"]) {
            return DriverStep::Failed(ConnectError::Locked);
        }
        if is_refusal(&lower) {
            return DriverStep::Failed(ConnectError::WrongPasscode);
        }
        if let Some(choice) = first_choice(line) {
            self.offered = Some(choice);
            return DriverStep::Known;
        }
        // A question without an answer: the group, a second password, a new PIN. What was refused says so before.
        if lower.contains("user input required in non-interactive mode") {
            return match self.offered.take() {
                Some(choice) if self.group.is_none() && !self.form_submitted => {
                    self.group = Some(choice);
                    (self.input_sent, self.form_received) = (false, false);
                    DriverStep::Restart
                }
                _ => DriverStep::Failed(ConnectError::UnsupportedPrompt),
            };
        }
        if mentions(&["hostscan", "csd-wrapper", "csd trojan", "csd script", "secure desktop", "sdesktop"]) {
            self.failure.get_or_insert(ConnectError::HostScan);
        } else if mentions(&["no sso handler", "anyconnect login window", "saml", "single sign-on", "external browser"])
        {
            self.failure.get_or_insert(ConnectError::BrowserLogin);
        }
        // "Server certificate verify failed" comes before a pin that saves it, too.
        if mentions(&["failed verification", "specified via --servercert", "certificate didn't match"]) {
            return DriverStep::Failed(ConnectError::Untrusted);
        }
        if mentions(&["getaddrinfo failed", "failed to connect to", "failed to open https connection"]) {
            return DriverStep::Failed(ConnectError::Unreachable);
        }
        self.form_submitted |= self.form_received && lower.starts_with("post https://");
        self.form_received |= lower.starts_with("xml post enabled") || lower.starts_with("get https://");
        if mentions(&["post https://", "ssl negotiation with"]) {
            return DriverStep::Stage(Stage::Verifying);
        }
        if mentions(&["got connect response", "cstp connected"]) {
            self.passcode = None;
            return DriverStep::Stage(Stage::Establishing);
        }
        if KNOWN_LINES.iter().any(|known| lower.starts_with(known)) { DriverStep::Known } else { DriverStep::Unknown }
    }
}

/// Whether a line, in small letters, says that the passcode was refused. "Login failed attempts are logged" does not.
fn is_refusal(line: &str) -> bool {
    let refused = line.strip_prefix("login failed");
    refused.is_some_and(|rest| !rest.starts_with([' ', '-']) || rest.trim().is_empty())
        || line.contains("401 authentication failed")
}

/// Returns the first choice of a list that is asked for (`GROUP: [Agents|Secours]:***`), as far as it is plain: OpenConnect
/// takes the beginning of a name for the name.
fn first_choice(line: &str) -> Option<String> {
    let (_, choices) = line.strip_suffix("***")?.trim_end().strip_suffix("]:")?.split_once('[')?;
    let first = choices.split('|').next().unwrap_or_default();
    let plain: String = first.chars().take_while(|c| c.is_ascii() && !c.is_ascii_control()).collect();
    (!plain.is_empty()).then_some(plain)
}

impl ClientDriver for OpenConnectDriver {
    fn command(&self) -> Command {
        let mut command = Command::new("pkexec");
        command.arg(&self.helper);
        command
    }

    fn holds_tunnel(&self) -> bool {
        true
    }

    fn passcode(&self) -> Option<&Secret> {
        self.passcode.as_ref()
    }

    fn on_output(&mut self, event: &OutputEvent) -> DriverStep {
        match event {
            OutputEvent::Line(line) => self.on_line(line),
            OutputEvent::Partial(_) | OutputEvent::Quiet(_) => DriverStep::Unknown,
        }
    }

    fn exit_reason(&self, code: Option<i32>, lines: String) -> ConnectError {
        match (&self.failure, code) {
            (Some(reason), _) => reason.clone(),
            // pkexec's own: the user closed its question, or is not allowed.
            (None, Some(126 | 127)) if !self.input_sent => ConnectError::NotAllowed,
            _ => ConnectError::Unknown(lines),
        }
    }
}
