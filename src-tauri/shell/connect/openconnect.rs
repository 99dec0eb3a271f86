//! OpenConnect, through `pkexec` and the small program `vigie-openconnect`, which alone runs as root
//! (docs/decisions/0006-openconnect.md). The end of its input ends the tunnel.

use super::Line;
use crate::core::connect::{Progress, Reason, Stage};
use std::path::PathBuf;
use tokio::process::Command;
use zeroize::Zeroizing;

/// What `vigie-openconnect` prints first: from then on what is refused is not refused by polkit.
pub const STARTED: &str = "vigie-openconnect: started";
/// What it prints where it refuses the site or the identifier.
pub const REFUSED: &str = "vigie-openconnect: refused";

/// Where `openconnect` may stand; PATH is not asked.
pub const PROGRAMS: [&str; 2] = ["/usr/sbin/openconnect", "/usr/bin/openconnect"];

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
    started: bool,
}

impl OpenConnect {
    /// For the gateway of that site.
    pub fn new(helper: PathBuf, site: String) -> OpenConnect {
        OpenConnect { helper, site, started: false }
    }
}

impl Line for OpenConnect {
    fn command(&self) -> Command {
        let mut command = Command::new("pkexec");
        command.arg(&self.helper);
        command
    }

    fn answers(&self, identifier: &str, passcode: &str) -> Zeroizing<Vec<u8>> {
        let room = self.site.len() + identifier.len() + passcode.len() + 8;
        let mut answers = Zeroizing::new(Vec::with_capacity(room));
        for line in [&self.site, identifier, passcode] {
            answers.extend_from_slice(line.as_bytes());
            answers.push(b'\n');
        }
        answers
    }

    fn stays(&self) -> bool {
        true
    }

    fn hear(&mut self, line: &str) -> Option<Progress> {
        let lower = line.to_ascii_lowercase();
        let mentions = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        let failed = |reason| Some(Progress::Failed(reason));
        if line == STARTED {
            self.started = true;
            return Some(Progress::Stage(Stage::Contacting));
        }
        if line.starts_with(REFUSED) {
            return failed(Reason::Unknown(line.to_owned()));
        }
        if mentions(&["configured as ", "connected as "]) {
            return Some(Progress::Connected);
        }
        if mentions(&["account is locked", "account locked", "account has been locked"]) {
            return failed(Reason::Locked);
        }
        if mentions(&["login failed", "user input required in non-interactive mode", "401 authentication failed"]) {
            return failed(Reason::WrongPasscode);
        }
        // "Server certificate verify failed" comes before a pin that saves it, too.
        if mentions(&["failed verification", "none of the", "certificate didn't match"]) {
            return failed(Reason::Untrusted);
        }
        if mentions(&["getaddrinfo failed", "failed to connect to", "failed to open https connection"]) {
            return failed(Reason::Unreachable);
        }
        if mentions(&["post https://", "ssl negotiation with"]) {
            return Some(Progress::Stage(Stage::Verifying));
        }
        if mentions(&["got connect response", "cstp connected"]) {
            return Some(Progress::Stage(Stage::Establishing));
        }
        None
    }

    fn ended(&self, code: Option<i32>, words: String) -> Reason {
        match code {
            // pkexec's own: the user closed its question, or is not allowed.
            Some(126 | 127) if !self.started => Reason::NotAllowed,
            _ => Reason::Unknown(words),
        }
    }
}
