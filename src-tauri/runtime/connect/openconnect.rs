//! OpenConnect, through `pkexec` and the small program `vigie-openconnect`, which alone runs as root
//! (docs/decisions/0006-openconnect.md). The end of its input ends the tunnel.

use super::{Heard, Line, Progress, Said, lines};
use std::path::PathBuf;
use tokio::process::Command;
use vigie_core::connect::{ConnectError, ConnectProgress, Secret, Stage};
use vigie_openconnect::{PROGRAMS, REFUSED, STARTED};

/// Where the package lays the program that runs as root; the polkit policy names this very path.
const INSTALLED: &str = "/usr/lib/vigie/vigie-openconnect";

/// Whether all of it is there.
pub fn installed() -> bool {
    let openconnect = PROGRAMS.iter().any(|path| std::path::Path::new(path).is_file());
    openconnect && helper().is_some() && which::which("pkexec").is_ok()
}

/// The program that runs as root: beside this one, else where the package lays it.
pub fn helper() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().map(|vigie| vigie.with_file_name("vigie-openconnect"));
    beside.into_iter().chain([INSTALLED.into()]).find(|path| path.is_file())
}

/// `pkexec vigie-openconnect`.
pub struct OpenConnect {
    helper: PathBuf,
    site: String,
    identifier: String,
    /// Until it is handed over.
    passcode: Option<Secret>,
}

impl OpenConnect {
    /// For the gateway of that site.
    pub fn new(helper: PathBuf, site: String, identifier: String, passcode: Secret) -> OpenConnect {
        OpenConnect { helper, site, identifier, passcode: Some(passcode) }
    }
}

impl Line for OpenConnect {
    fn command(&self) -> Command {
        let mut command = Command::new("pkexec");
        command.arg(&self.helper);
        command
    }

    fn stays(&self) -> bool {
        true
    }

    fn hear(&mut self, said: &Said) -> Option<Heard> {
        let Said::Line(line) = said else { return None };
        if line.as_str() == STARTED {
            let passcode = self.passcode.take()?;
            return Some(Heard::Answer(lines(&[&self.site, &self.identifier, passcode.expose()]), Stage::Contacting));
        }
        means(line).map(Heard::Progress)
    }

    fn ended(&self, code: Option<i32>, words: String) -> ConnectError {
        match code {
            // pkexec's own: the user closed its question, or is not allowed.
            Some(126 | 127) if self.passcode.is_some() => ConnectError::NotAllowed,
            _ => ConnectError::Unknown(words),
        }
    }
}

/// What a line of OpenConnect's means.
fn means(line: &str) -> Option<Progress> {
    let lower = line.to_ascii_lowercase();
    let mentions = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let failed = |reason| Some(Err(reason));
    if line.starts_with(REFUSED) {
        return failed(ConnectError::Unknown(line.to_owned()));
    }
    if mentions(&["configured as ", "connected as "]) {
        return Some(Ok(ConnectProgress::Connected));
    }
    if mentions(&["account is locked", "account locked", "account has been locked"]) {
        return failed(ConnectError::Locked);
    }
    if mentions(&["login failed", "user input required in non-interactive mode", "401 authentication failed"]) {
        return failed(ConnectError::WrongPasscode);
    }
    // "Server certificate verify failed" comes before a pin that saves it, too.
    if mentions(&["failed verification", "none of the", "certificate didn't match"]) {
        return failed(ConnectError::Untrusted);
    }
    if mentions(&["getaddrinfo failed", "failed to connect to", "failed to open https connection"]) {
        return failed(ConnectError::Unreachable);
    }
    if mentions(&["post https://", "ssl negotiation with"]) {
        return Some(Ok(ConnectProgress::Stage(Stage::Verifying)));
    }
    if mentions(&["got connect response", "cstp connected"]) {
        return Some(Ok(ConnectProgress::Stage(Stage::Establishing)));
    }
    None
}
