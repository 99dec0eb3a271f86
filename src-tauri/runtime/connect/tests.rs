use super::cisco::CiscoDriver;
use super::driver::*;
use super::output::{ClientOutput, OutputEvent};
use super::*;
use crate::cisco::transcript::Transcript;
use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use vigie_core::connect::Stage;
use vigie_core::sanitize::sanitize_report;
use zeroize::Zeroizing;

const IDENTIFIER: &str = "mdupont";
const PASSCODE: &str = "4321123456";
#[cfg(unix)]
const SECRETS: [&str; 2] = [PASSCODE, "123456"];

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn cisco(program: PathBuf) -> CiscoDriver {
    CiscoDriver::new(program, "vpn.example".into(), IDENTIFIER.into(), secret(PASSCODE))
}

fn line(text: &str) -> OutputEvent {
    OutputEvent::Line(Zeroizing::new(text.to_owned()))
}

fn partial(text: &str) -> OutputEvent {
    OutputEvent::Partial(Zeroizing::new(text.to_owned()))
}

fn quiet(text: &str) -> OutputEvent {
    OutputEvent::Quiet(Zeroizing::new(text.to_owned()))
}

/// What the program is to be given on its input, by the transcript's header.
fn expected_input(transcript: &Transcript) -> String {
    let answers = transcript.find("answers").unwrap().split(", ").filter(|answer| !answer.is_empty());
    let line = |answer| match answer {
        "empty" => "",
        "identifier" => IDENTIFIER,
        "passcode" => PASSCODE,
        other => other,
    };
    answers.map(|answer| format!("{}\n", line(answer))).collect()
}

/// The failure that a transcript shows, by its header.
fn expected_failure(transcript: &Transcript) -> Option<ConnectError> {
    Some(match transcript.find("means").unwrap() {
        "connected" => return None,
        "held" => ConnectError::Held,
        "service-stopped" => ConnectError::ServiceStopped,
        "locked" => ConnectError::Locked,
        "refused" => ConnectError::Refused,
        "remote-session" => ConnectError::RemoteSession,
        "untrusted" => ConnectError::Untrusted,
        "wrong-passcode" => ConnectError::WrongPasscode,
        "unreachable" => ConnectError::Unreachable,
        "asks" => ConnectError::UnsupportedPrompt,
        "browser-login" => ConnectError::BrowserLogin,
        "host-scan" => ConnectError::HostScan,
        "unknown" => ConnectError::Unknown(String::new()),
        other => panic!("{}: {other}", transcript.name),
    })
}

/// How many of these events have a consequence.
fn consequences(events: &[OutputEvent]) -> usize {
    let mut driver = cisco("vpn".into());
    events.iter().filter(|event| !matches!(driver.on_output(event), DriverStep::Unknown | DriverStep::Known)).count()
}

#[test]
fn cisco_output_without_consequence() {
    // An old state; a longer key; what only contains a word; a question that is not complete yet, or none.
    assert_eq!(consequences(&[line(">> state: Connected"), line(">> notice: Ready to connect.")]), 0);
    assert_eq!(
        consequences(&[line(">> Management Connection State: Connected"), line(">> notice: state: Connected")]),
        0
    );
    assert_eq!(consequences(&[line(">> Network error. Unable to lookup host names."), line("")]), 0);
    let texts = ["VPN>", "User", "Group:", "Group: [VP", "Second Password:", "accept? [y/n]:", "accept?", ">> error:"];
    for text in texts {
        assert_eq!(consequences(&[partial(text)]), 0, "{text}");
    }
    for text in ["", "VPN>", "VPN> VPN>", "Contacting", ">> error:"] {
        assert_eq!(consequences(&[quiet(text)]), 0, "{text}");
    }
    // The default that is shown with an answered question belongs to it.
    assert_eq!(consequences(&[partial("Username:"), partial("[mdu"), quiet("[mdupont]")]), 1);
    assert_eq!(consequences(&[partial("Username:"), partial("[mdupont] Password:")]), 2);
    // The server's own text asks nothing.
    let banner =
        [partial("Password:"), line(">> notice: Please respond to banner."), partial("Password:"), quiet("Group:")];
    assert_eq!(consequences(&banner), 1);
}

/// Returns the failure that follows from these lines, after the passcode or before it.
fn conclusion(lines: &[&str], is_sent: bool) -> Option<ConnectError> {
    let mut driver = cisco("vpn".into());
    if is_sent {
        driver.on_output(&partial("Username:"));
        driver.on_output(&partial("Password:"));
    }
    for text in lines {
        let step = driver.on_output(&line(text));
        if let DriverStep::Failed(reason) = step {
            return Some(reason);
        }
        if let DriverStep::Connected = step {
            return None;
        }
    }
    let step = driver.on_output(&quiet("VPN>"));
    if let DriverStep::Failed(reason) = step {
        return Some(reason);
    }
    matches!(step, DriverStep::Exhausted).then(|| driver.exit_reason(None, String::new()))
}

#[test]
fn the_line_that_explains_most_decides() {
    let failed = ">> warning: Connection attempt has failed.";
    let untrusted = ">> error: AnyConnect cannot confirm it is connected to your secure gateway.";
    let unknown = || Some(ConnectError::Unknown(String::new()));
    let rows: [(&[&str], Option<ConnectError>); 13] = [
        (&[failed], Some(ConnectError::Unreachable)),
        (&[failed, untrusted], Some(ConnectError::Untrusted)),
        (&[untrusted, failed], Some(ConnectError::Untrusted)),
        (
            &[">> error: Connection attempt has failed.", ">> Untrusted Server Certificate"],
            Some(ConnectError::Untrusted),
        ),
        (
            &[">> warning: Untrusted Server Certificate", ">> error: Connection attempt has failed."],
            Some(ConnectError::Untrusted),
        ),
        (&[">> error: Unable to proceed.", "Cannot contact the VPN service."], Some(ConnectError::ServiceStopped)),
        // Another language, or an unknown message, after a warning.
        (&[failed, ">> error: Échec de l’établissement du VPN."], unknown()),
        (&[">> error: Échec de l’établissement du VPN."], unknown()),
        (&[failed, ">> notice: Contacting backup.example.", ">> state: Connected"], None),
        (
            &[">> error: The service provider in your current location is restricting access to the Internet."],
            Some(ConnectError::Unreachable),
        ),
        (
            &[
                ">> error: VPN establishment capability from a Remote Desktop is disabled.  A VPN connection will not be established.",
            ],
            Some(ConnectError::RemoteSession),
        ),
        // A greeting is no refusal.
        (&["Login failed attempts are logged."], None),
        (&[">> notice: Posture Assessment: Initiating..."], None),
    ];
    for (lines, reason) in rows {
        assert_eq!(conclusion(lines, false), reason, "{lines:?}");
    }
}

#[test]
fn only_a_refused_code_counts_as_one() {
    let rows: [(&[&str], Option<ConnectError>); 9] = [
        (&[">> warning: Login failed."], Some(ConnectError::WrongPasscode)),
        (&[">> Login failed.", ">> Your account is locked."], Some(ConnectError::Locked)),
        (
            &[">> warning: Login failed.", ">> error: Quelque chose d’autre."],
            Some(ConnectError::Unknown(String::new())),
        ),
        (&[">> warning: Échec de la connexion."], None),
        (&[">> error: Access denied. The VPN is closed."], Some(ConnectError::Refused)),
        (&[">> error: Certificate authentication failed."], Some(ConnectError::Refused)),
        (
            &[">> error: Authentication failed due to problem retrieving the single sign-on cookie."],
            Some(ConnectError::BrowserLogin),
        ),
        (
            &[">> error: Authentication failed due to problem verifying server certificate."],
            Some(ConnectError::Untrusted),
        ),
        (&[">> error: Proxy authentication failed."], Some(ConnectError::Unreachable)),
    ];
    for (lines, reason) in rows {
        assert_eq!(conclusion(lines, true), reason, "{lines:?}");
    }
    // A localised client asks again for an unknown reason.
    let mut driver = cisco("vpn".into());
    for event in [partial("Nom d’utilisateur :"), partial("Mot de passe :"), line(">> warning: Échec de la connexion.")]
    {
        driver.on_output(&event);
    }
    assert!(matches!(driver.on_output(&partial("Nom d’utilisateur :")), DriverStep::Exhausted));
    // A second password is asked for in the words of the first.
    let mut driver = cisco("vpn".into());
    for event in [partial("Username:"), partial("Password:")] {
        driver.on_output(&event);
    }
    let again = driver.on_output(&partial("Password:"));
    assert!(matches!(again, DriverStep::Failed(ConnectError::UnsupportedPrompt)));
}

#[cfg(target_os = "linux")]
mod openconnect_output {
    use super::*;
    use crate::runtime::connect::openconnect::OpenConnectDriver;
    use vigie_openconnect::{REFUSED, STARTED};

    fn driver() -> OpenConnectDriver {
        OpenConnectDriver::new("helper".into(), "caen".into(), IDENTIFIER.into(), secret(PASSCODE))
    }

    /// Returns the step that follows from this output at its end.
    fn conclusion(driver: &mut OpenConnectDriver, output: &str) -> Result<DriverStep, ConnectError> {
        for text in output.lines() {
            let step = driver.on_output(&line(text));
            if matches!(step, DriverStep::Failed(_) | DriverStep::Connected | DriverStep::Restart) {
                return Ok(step);
            }
        }
        Err(driver.exit_reason(Some(1), String::new()))
    }

    #[track_caller]
    fn assert_fails(output: &str, expected: &ConnectError) {
        let reason = match conclusion(&mut driver(), output) {
            Ok(DriverStep::Failed(reason)) | Err(reason) => reason,
            Ok(_) => panic!("{output}"),
        };
        assert_eq!(reason, *expected, "{output}");
    }

    #[test]
    fn lines_have_their_meaning() {
        for (text, reason) in [
            ("Login failed.", ConnectError::WrongPasscode),
            ("Got HTTP response: HTTP/1.1 401 Authentication failed", ConnectError::WrongPasscode),
            ("Certificate from VPN server \"vpn.example\" failed verification.", ConnectError::Untrusted),
            (
                "None of the 1 fingerprint(s) specified via --servercert match server's certificate: pin-sha256:x",
                ConnectError::Untrusted,
            ),
            ("getaddrinfo failed for host 'vpn.example': Name or service not known", ConnectError::Unreachable),
            ("Failed to connect to 192.0.2.1:443: Connection refused", ConnectError::Unreachable),
            ("Login failed attempts are logged.", ConnectError::Unknown(String::new())),
            // The gateway's greeting, before it has the passcode.
            ("Your account is locked after 3 failures.", ConnectError::Unknown(String::new())),
            ("None of the information here is public.", ConnectError::Unknown(String::new())),
            ("You are connected as a guest.", ConnectError::Unknown(String::new())),
        ] {
            assert_fails(text, &reason);
        }
        let step = |text| driver().on_output(&line(text));
        let configured = "Configured as 10.20.30.93, with SSL connected and DTLS in progress";
        assert!(matches!(step(configured), DriverStep::Connected));
        assert!(matches!(step("Server certificate verify failed: signer not found"), DriverStep::Known));
        let connecting = step("Got CONNECT response: HTTP/1.1 200 CONNECTED");
        assert!(matches!(connecting, DriverStep::Stage(Stage::Establishing)));
        assert!(matches!(step("Set up UDP failed; using SSL instead"), DriverStep::Known));
        assert!(matches!(step("Something of the gateway's"), DriverStep::Unknown));
        for text in [
            "Failed to reconnect to host vpn.example: Connection refused",
            "CSTP Dead Peer Detection detected dead peer!",
            "Reconnect failed",
        ] {
            assert!(matches!(step(text), DriverStep::Reconnecting), "{text}");
        }
        let refused = step(&format!("{REFUSED}: no such site"));
        assert!(matches!(refused, DriverStep::Failed(ConnectError::Unknown(_))));
    }

    #[test]
    fn input_is_sent_once_and_only_when_polkit_has_allowed_it() {
        let mut driver = driver();
        assert_eq!(driver.exit_reason(Some(127), String::new()), ConnectError::NotAllowed);
        let step = driver.on_output(&line(STARTED));
        assert!(matches!(step, DriverStep::Answer(input, _) if input.as_slice() == b"caen\nmdupont\n4321123456\n"));
        assert!(!matches!(driver.on_output(&line(STARTED)), DriverStep::Answer(..)), "once");
        assert!(matches!(driver.exit_reason(Some(127), String::new()), ConnectError::Unknown(_)));
    }

    const GROUPS: &str = "POST https://vpn.example/\nConnected to 192.0.2.1:443\nXML POST enabled\n\
                          Please enter your username.\n\
                          Group: [Agents|Secours]:***\nUser input required in non-interactive mode\n";

    #[test]
    fn the_first_group_is_chosen_once() {
        let mut driver = driver();
        driver.on_output(&line(STARTED));
        assert!(matches!(conclusion(&mut driver, GROUPS), Ok(DriverStep::Restart)));
        let step = driver.on_output(&line(STARTED));
        let expected = b"caen\tAgents\nmdupont\n4321123456\n";
        assert!(matches!(step, DriverStep::Answer(input, _) if input.as_slice() == expected));
        let again = conclusion(&mut driver, GROUPS);
        assert!(matches!(again, Ok(DriverStep::Failed(ConnectError::UnsupportedPrompt))));
    }

    #[test]
    fn a_choice_after_the_passcode_is_not_made() {
        let output = GROUPS.replace("Please enter your username.\n", "POST https://vpn.example/auth\n");
        assert_fails(&output, &ConnectError::UnsupportedPrompt);
        // Beginnings of names are enough, but there must be one.
        assert_fails(&GROUPS.replace("Agents", "Élèves"), &ConnectError::UnsupportedPrompt);
        let mut driver = driver();
        assert!(matches!(conclusion(&mut driver, &GROUPS.replace("Agents", "Académie")), Ok(DriverStep::Restart)));
        let step = driver.on_output(&line(STARTED));
        assert!(matches!(step, DriverStep::Answer(input, _) if input.starts_with(b"caen\tAcad\n")));
    }

    #[test]
    fn second_questions_host_scan_and_browser_logins_are_no_refused_codes() {
        let begin = "POST https://vpn.example/\nXML POST enabled\n";
        let end = "Failed to complete authentication\n";
        let asked = "***\nUser input required in non-interactive mode\n";
        for (output, reason) in [
            (
                format!("POST https://vpn.example/\nEnter the new one.\nResponse:{asked}"),
                ConnectError::UnsupportedPrompt,
            ),
            (format!("POST https://vpn.example/\nPassword1:\n{asked}"), ConnectError::UnsupportedPrompt),
            ("Error: Server asked us to run CSD hostscan.\n".into(), ConnectError::HostScan),
            (
                "Please complete the authentication process in the AnyConnect Login window.\nNo SSO handler\n".into(),
                ConnectError::BrowserLogin,
            ),
            (format!("POST https://vpn.example/\nLogin failed.\nPassword:\n{asked}"), ConnectError::WrongPasscode),
            ("POST https://vpn.example/auth\nYour account has been locked.\n".into(), ConnectError::Locked),
        ] {
            assert_fails(&format!("{begin}{output}{end}"), &reason);
        }
    }
}

/// Prints a file at once.
const PRINT: &str = if cfg!(windows) { "type" } else { "cat" };
const PROGRAM: &str = if cfg!(windows) { "vpn.cmd" } else { "vpn" };

/// Parts of the script that replays a transcript.
#[cfg(unix)]
mod script {
    pub const BEGIN: &str = "#!/bin/bash\ncd \"${0%/*}\"\necho \"$@\" >>calls\n\
        cp /proc/$$/environ /proc/$$/cmdline .\n\
        if [ \"$1\" = disconnect ]; then cat disconnects; exit; fi\n";
    /// Input that is there before a question answers something else.
    pub const CHECK_EARLY_INPUT: &str = "IFS= read -r -t 0.02 early && echo \"early: $early\" >>input\n";
    pub const READ: &str = "if IFS= read -r answer; then printf '%s\\n' \"$answer\" >>input; fi\n";
    pub const ECHO: &str = "printf %s \"$answer\"\n";
}
#[cfg(windows)]
mod script {
    pub const BEGIN: &str = "@echo off\nsetlocal enabledelayedexpansion\ncd /d \"%~dp0\"\necho %*>>calls\n\
        if \"%1\"==\"disconnect\" (\ntype disconnects\nexit /b\n)\n";
    /// Early answers are read as one.
    pub const CHECK_EARLY_INPUT: &str = "";
    /// An empty answer looks like the end of the input: it is a dot.
    pub const READ: &str = "set answer=.\nset /p answer=\necho !answer!>>input\n";
    pub const ECHO: &str = "<nul set /p =!answer!\n";
}

/// A program that simulates Cisco's command line, and records its arguments and its input.
struct FakeClient {
    folder: tempfile::TempDir,
}

impl FakeClient {
    /// Prints this and reads an answer at each mark (`{?}`, `{!}`); `then` is what it does after.
    fn new(transcript: &str, then: &str) -> FakeClient {
        FakeClient::printing_by(PRINT, transcript, then)
    }

    /// The same, with that command to print a file.
    fn printing_by(print: &str, transcript: &str, then: &str) -> FakeClient {
        let client = FakeClient { folder: tempfile::tempdir().unwrap() };
        client.set_disconnect_output("  >> state: Disconnecting\n  >> state: Disconnected\n");
        let mut script = script::BEGIN.to_owned();
        let mut rest = transcript;
        for piece in 0.. {
            let [read, echo] = ["{?}", "{!}"].map(|mark| rest.find(mark));
            let end = [read, echo].into_iter().flatten().min();
            client.write(&format!("piece{piece}"), &rest[..end.unwrap_or(rest.len())]);
            script += &format!("{}{print} piece{piece}\n", script::CHECK_EARLY_INPUT);
            let Some(end) = end else { break };
            script += script::READ;
            script += if echo == Some(end) { script::ECHO } else { "" };
            rest = &rest[end + "{?}".len()..];
        }
        client.write(PROGRAM, &(script + then + "\n"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(client.program(), fs::Permissions::from_mode(0o755)).unwrap();
        }
        client
    }

    /// Sets what it prints when it is to disconnect.
    fn set_disconnect_output(&self, output: &str) {
        self.write("disconnects", output);
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
    }

    /// Whether it got these answers, each in a line, and no others.
    fn has_input(&self, answers: &str) -> bool {
        let input = self.read("input");
        if cfg!(not(windows)) {
            return input == answers;
        }
        // An empty answer is a dot; one more is the end of the input, cut off if the client is ended just then.
        let dotted: String =
            answers.lines().map(|answer| format!("{}\n", if answer.is_empty() { "." } else { answer })).collect();
        matches!(input.strip_prefix(&dotted), Some("" | "." | ".\n"))
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join(PROGRAM)
    }

    /// Drives it; returns the outcome and the progress. The attempt is given up as soon as `cancel_at` exists.
    async fn drive(&self, limit: Duration, cancel_at: Option<&Path>) -> (DriveOutcome, Vec<Progress>) {
        let (stop, stopped) = oneshot::channel();
        let progress = RefCell::new(Vec::new());
        let report = |step| progress.borrow_mut().push(step);
        let driven = drive(Box::new(cisco(self.program())), stopped, Instant::now() + limit, &report, || {});
        let outcome = async {
            let Some(file) = cancel_at else {
                let outcome = driven.await;
                drop(stop);
                return outcome;
            };
            tokio::pin!(driven);
            let begin = std::time::Instant::now();
            while !file.exists() {
                tokio::select! {
                    outcome = &mut driven => return outcome,
                    () = tokio::time::sleep(Duration::from_millis(20)) => {}
                }
                assert!(begin.elapsed() < Duration::from_secs(20), "{} does not come", file.display());
            }
            stop.send(StopReason::Cancelled).unwrap();
            driven.await
        };
        let outcome = outcome.await;
        (outcome, progress.into_inner())
    }
}

fn interrupted(reason: ConnectError) -> DriveOutcome {
    DriveOutcome { failed: Some(reason), interrupted: true, ..DriveOutcome::default() }
}

/// Replays every transcript, and checks its outcome.
async fn play_all(print: &str) {
    let transcripts = Transcript::all("connect-");
    assert!(transcripts.len() > 30);
    for transcript in transcripts {
        let client = FakeClient::printing_by(print, &transcript.output, "");
        let (mut outcome, progress) = client.drive(Duration::from_secs(30), None).await;
        let what = format!("{}: {outcome:?}, {progress:?}", transcript.name);
        if let Some(ConnectError::Unknown(lines)) = &mut outcome.failed {
            assert!(!lines.is_empty() && !lines.contains(PASSCODE), "{what}");
            lines.clear();
        }
        assert_eq!(outcome.failed, expected_failure(&transcript), "{what}");
        assert!(client.has_input(&expected_input(&transcript)), "{what}: {:?}", client.read("input"));
        // Another client's tunnel is left alone.
        assert_eq!(outcome.interrupted, !matches!(outcome.failed, None | Some(ConnectError::Held)), "{what}");
        assert_eq!(progress.contains(&Ok(ConnectProgress::Connected)), outcome.failed.is_none(), "{what}");
        let is_sent = client.read("input").contains(PASSCODE);
        assert_eq!(progress.contains(&Ok(ConnectProgress::Stage(Stage::Verifying))), is_sent, "{what}");
    }
}

#[tokio::test]
async fn each_known_question_of_cisco_is_answered_when_it_is_asked() {
    play_all(PRINT).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_question_may_come_a_byte_at_a_time() {
    play_all("dd bs=1 status=none <").await;
}

#[cfg(unix)]
#[tokio::test]
async fn secrets_reach_cisco_on_its_input_alone() {
    let [transcript] = Transcript::all("connect-5.1-connects").try_into().ok().unwrap();
    let client = FakeClient::new(&transcript.output, "");
    let (outcome, mut progress) = client.drive(Duration::from_secs(120), None).await;
    assert_eq!(outcome, DriveOutcome::default());
    let stages =
        [Stage::Contacting, Stage::Verifying, Stage::Establishing].map(|stage| Ok(ConnectProgress::Stage(stage)));
    progress.dedup();
    assert_eq!(progress, [&stages[..], &[Ok(ConnectProgress::Connected)]].concat());
    assert_eq!(client.read("calls"), "-s connect vpn.example\n");
    for file in ["environ", "cmdline"] {
        let text = client.read(file);
        assert!(!text.is_empty() && SECRETS.iter().all(|secret| !text.contains(secret)), "{file}");
    }
    assert!(client.read("environ").split('\0').any(|variable| variable == "LC_ALL=C"));
}

#[tokio::test]
async fn a_client_that_asks_nothing_is_given_nothing() {
    let client = FakeClient::new("{?}{?}", "");
    let (outcome, progress) = client.drive(Duration::from_secs(2), None).await;
    assert_eq!(outcome, interrupted(ConnectError::TimedOut));
    assert_eq!(progress, []);
    assert!(client.has_input(""), "{}", client.read("input"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_refusal_ends_the_client_at_once() {
    // It would ask again.
    let client = FakeClient::new("Password: {?}\n  >> Login failed.\n", "exec sleep 60");
    let begin = std::time::Instant::now();
    let (outcome, _) = client.drive(Duration::from_secs(120), None).await;
    assert_eq!(outcome, interrupted(ConnectError::WrongPasscode));
    assert!(begin.elapsed() < Duration::from_secs(50), "the client was not ended");
}

#[cfg(unix)]
#[tokio::test]
async fn a_client_is_read_in_time_and_in_bounds() {
    let client = FakeClient::new(">> notice: Contacting vpn.example.\n", "exec sleep 60");
    let (outcome, progress) = client.drive(Duration::from_secs(5), None).await;
    assert_eq!(outcome, interrupted(ConnectError::TimedOut));
    assert_eq!(progress, [Ok(ConnectProgress::Stage(Stage::Contacting))]);

    for endless in ["exec yes", "exec tr '\\0' x </dev/zero", "exec yes >&2"] {
        let (outcome, _) = FakeClient::new("", endless).drive(Duration::from_secs(120), None).await;
        assert!(
            matches!(outcome.failed, Some(ConnectError::Unknown(ref why)) if why.contains("without end")),
            "{outcome:?}"
        );
    }

    let client = FakeClient::new("something else\nPassword: 4321123456\n", "exit 3");
    let (outcome, _) = client.drive(Duration::from_secs(120), None).await;
    assert_eq!(
        outcome.failed,
        Some(ConnectError::Unknown("something else".into())),
        "what may repeat a secret is left out"
    );

    let (_stop, stopped) = oneshot::channel();
    let driver = Box::new(cisco("/no/such/vpn".into()));
    let outcome = drive(driver, stopped, Instant::now() + Duration::from_secs(5), &|_| {}, || {}).await;
    assert!(matches!(outcome.failed, Some(ConnectError::Unknown(_))), "{outcome:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn lines_that_are_not_known_are_dropped_after_an_answer() {
    let output = "first\nUsername: {!}\n123-4\nPassword: {!}\n65432 1\nuwxyz\n>> error: 21123\n>> error: Ended.\n";
    let client = FakeClient::new(output, "exit 3");
    let (outcome, _) = client.drive(Duration::from_secs(120), None).await;
    assert_eq!(outcome.failed, Some(ConnectError::Unknown("first / >> error: Ended.".into())));
}

#[cfg(unix)]
#[tokio::test]
async fn an_attempt_that_is_given_up_ends_its_client() {
    let client = FakeClient::new(">> state: Connecting\n", "echo $$ >pid; exec sleep 60");
    let pid = client.folder.path().join("pid");
    let (outcome, _) = client.drive(Duration::from_secs(30), Some(&pid)).await;
    assert_eq!(outcome, DriveOutcome { interrupted: true, ..DriveOutcome::default() });
    let pid = client.read("pid");
    assert!(!Path::new(&format!("/proc/{}", pid.trim())).exists(), "it still runs");
}

#[tokio::test]
async fn cisco_is_disconnected_only_when_it_says_so() {
    let client = FakeClient::new("", "");
    assert_eq!(cisco::disconnect(&client.program(), Duration::from_secs(10)).await, Ok(()));
    assert_eq!(client.read("calls"), "disconnect\n");
    for transcript in Transcript::all("disconnect-") {
        client.set_disconnect_output(&transcript.output);
        let result = cisco::disconnect(&client.program(), Duration::from_secs(10)).await;
        assert_eq!(result.is_ok(), transcript.find("means") == Some("done"), "{}: {result:?}", transcript.name);
    }
    let mut profile = vigie_profile::guide();
    let paths = &mut profile.vpn.command_line;
    for paths in [&mut paths.linux, &mut paths.windows] {
        *paths = vec!["/no/such/vpn".into(), client.program().display().to_string()];
    }
    assert_eq!(super::client(&profile), Some(VpnClient::Cisco));
    client.set_disconnect_output(">> state: Disconnecting\n>> error: The VPN is always on.");
    let error = disconnect_cisco(&profile).await.unwrap_err();
    assert!(error.ends_with(">> error: The VPN is always on."), "{error}");
}

#[tokio::test]
async fn passcode_is_the_pin_and_then_the_digits() {
    let passcode = passcode(&Pin::Typed(secret("4321")), &secret("123456")).await;
    assert_eq!(passcode, Ok(secret(PASSCODE)));
}

/// Reads fuzzed output with a driver as an attempt does, and checks what follows from it. A passcode may be written as often
/// as a client is started.
fn fuzz_driver(seeds: &[&[u8]], driver: impl Fn() -> Box<dyn ClientDriver>, lines_of_answer: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    crate::fuzz::fuzz(seeds, |printed| {
        let printed = printed.to_vec();
        let mut driver = driver();
        let (starts, mut given) = (Cell::new(1), 0);
        runtime.block_on(async {
            let passcode = secret(PASSCODE);
            let mut output = ClientOutput::from_pipes(
                Some(std::io::Cursor::new(printed)),
                None::<tokio::io::Empty>,
                Some(&passcode),
            );
            while let Ok(Some(event)) = output.next(true).await {
                match driver.on_output(&event) {
                    DriverStep::Answer(answer, _) => {
                        let text = String::from_utf8_lossy(&answer);
                        assert_eq!(text.matches('\n').count(), lines_of_answer, "{text:?}");
                        given += usize::from(text.contains(PASSCODE));
                        output.mark_answered();
                    }
                    #[cfg(target_os = "linux")]
                    DriverStep::Restart => starts.update(|starts| starts + 1),
                    DriverStep::Failed(ConnectError::Unknown(why)) => assert!(!why.contains('\n'), "{why:?}"),
                    DriverStep::Failed(_) => break,
                    _ => {}
                }
                output.keep_line();
            }
            // Nothing that is logged or shown repeats the passcode, or has characters that act.
            let kept = output.kept_lines();
            assert_eq!(sanitize_report(&kept), kept);
            assert!(!kept.contains(PASSCODE) && !kept.contains("123456"), "{kept:?}");
        });
        let starts = starts.get();
        assert!(given <= starts && starts <= 2, "the passcode was given {given} times");
    });
}

#[test]
fn fuzz_cisco_dialogue() {
    let outputs: Vec<String> = Transcript::all("connect").into_iter().map(|transcript| transcript.output).collect();
    // At a mark the client waits: what follows is another question.
    let outputs: Vec<String> =
        outputs.iter().map(|output| output.replace("{?}", "\n").replace("{!}", PASSCODE)).collect();
    let seeds: Vec<&[u8]> = outputs.iter().map(String::as_bytes).collect();
    fuzz_driver(&seeds, || Box::new(cisco("vpn".into())), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn fuzz_openconnect_output() {
    let seeds = [
        "vigie-openconnect: started\nPOST https://vpn.example/\nXML POST enabled\nPlease enter your username.\n\
         POST https://vpn.example/\nGot CONNECT response: HTTP/1.1 200 OK\nConfigured as 172.26.200.7, with SSL connected\n",
        "vigie-openconnect: started\nXML POST enabled\nGROUP: [Agents|Secours]:***\n\
         User input required in non-interactive mode\nvigie-openconnect: started\n",
        "vigie-openconnect: started\nLogin failed.\nfgets (stdin): Success\nServer certificate verify failed: signer not found\n",
        "vigie-openconnect: refused: no such site\ngetaddrinfo failed for host 'x': Name or service not known\n",
        "vigie-openconnect: started\n4321 123456\n1 2 3 4 5 6\nGROUP: [\u{202e}|]:***\nFailed to reconnect to host x\n",
    ];
    let driver = || -> Box<dyn ClientDriver> {
        let helper = "/usr/lib/vigie/vigie-openconnect".into();
        Box::new(super::openconnect::OpenConnectDriver::new(helper, "caen".into(), IDENTIFIER.into(), secret(PASSCODE)))
    };
    fuzz_driver(&seeds.map(str::as_bytes), driver, 3);
}
