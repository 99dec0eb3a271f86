use super::cisco::Cisco;
use super::*;
use crate::core::connect::Stage;
use std::cell::RefCell;
use std::fs;
use std::path::Path;

const SECRETS: [&str; 2] = ["4321123456", "123456"];

/// What each line of Cisco's output means, and what its end does.
fn heard(transcript: &str) -> Option<Progress> {
    let mut line = Cisco::new("vpn".into(), "vpn.example".into());
    let told: Vec<Progress> = transcript.split(['\r', '\n']).filter_map(|said| line.hear(said.trim())).collect();
    told.into_iter().find(|progress| !matches!(progress, Progress::Stage(_)))
}

/// The form of Cisco Secure Client's answers to `vpncli -s connect`, as it is known from the field.
const CONNECTS: &str = "Cisco Secure Client (version 5.1.2.42) .\r\n\r\nCopyright (c) 2004 - 2024 Cisco Systems, Inc.\r\n\r\n\
    \x20 >> state: Disconnected\r\n  >> notice: Ready to connect.\r\n  >> registered with local VPN subsystem.\r\n\
    \x20 >> contacting host (portailotp.ac-caen.fr) for login information...\r\n  >> notice: Contacting portailotp.ac-caen.fr.\r\nVPN> \r\n\
    \x20 >> Please enter your username and password.\r\n\r\nUsername: [jdupont] Password: ******\r\n  >> state: Connecting\r\n\
    \x20 >> notice: Establishing VPN session...\r\n  >> notice: Checking for profile updates...\r\n\
    \x20 >> notice: Establishing VPN - Configuring system...\r\n  >> state: Connected\r\n  >> notice: Connected to portailotp.ac-caen.fr.\r\nVPN> ";

#[test]
fn ciscos_words() {
    let failed = |reason| Some(Progress::Failed(reason));
    let rows = [
        (CONNECTS, Some(Progress::Connected)),
        // An old state is no success, and neither is a word that only contains one.
        ("  >> state: Connected\r\n  >> notice: Ready", None),
        (">> state: Connecting\r\n>> state: Disconnected\r\n>> Management Connection State: Connected", None),
        (">> state: Connecting\r\n>> notice: state: Connected", None),
        (
            ">> error: Connect not available. Another AnyConnect application is running\r\nor this functionality was not requested by this application.",
            failed(Reason::Held),
        ),
        (">> Login failed.\r\n>> Please enter your username and password.\r\nUsername:", failed(Reason::WrongPasscode)),
        (">> error: Your account is locked. Contact your administrator.", failed(Reason::Locked)),
        (">> error: The VPN server could not be resolved.", failed(Reason::Unreachable)),
        (
            ">> notice: Connection attempt has timed out. Please verify Internet connectivity.",
            failed(Reason::Unreachable),
        ),
        (">> error: Could not connect to server. Please verify Internet connectivity.", failed(Reason::Unreachable)),
        (">> warning: Untrusted VPN Server Certificate!", failed(Reason::Untrusted)),
        (">> error: Certificate Validation Failure", failed(Reason::Untrusted)),
        (">> erreur : connexion impossible", None),
        ("", None),
    ];
    for (said, means) in rows {
        assert_eq!(heard(said), means, "{said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn openconnects_words() {
    use super::openconnect::{OpenConnect, REFUSED, STARTED};
    let failed = |reason| Some(Progress::Failed(reason));
    let rows = [
        (STARTED, Some(Progress::Stage(Stage::Contacting))),
        ("Configured as 10.20.30.93, with SSL connected and DTLS in progress", Some(Progress::Connected)),
        ("Login failed.", failed(Reason::WrongPasscode)),
        ("Got HTTP response: HTTP/1.1 401 Authentication failed", failed(Reason::WrongPasscode)),
        ("Server certificate verify failed: signer not found", None),
        ("Certificate from VPN server \"vpn.example\" failed verification.", failed(Reason::Untrusted)),
        (
            "None of the 1 fingerprint(s) specified via --servercert match server's certificate: pin-sha256:x",
            failed(Reason::Untrusted),
        ),
        ("getaddrinfo failed for host 'vpn.example': Name or service not known", failed(Reason::Unreachable)),
        ("Failed to connect to 192.0.2.1:443: Connection refused", failed(Reason::Unreachable)),
        ("Got CONNECT response: HTTP/1.1 200 CONNECTED", Some(Progress::Stage(Stage::Establishing))),
        ("Set up UDP failed; using SSL instead", None),
    ];
    for (said, means) in rows {
        assert_eq!(OpenConnect::new("helper".into(), "caen".into()).hear(said), means, "{said}");
    }
    let refused = OpenConnect::new("helper".into(), "caen".into()).hear(&format!("{REFUSED}: no such site"));
    assert!(matches!(refused, Some(Progress::Failed(Reason::Unknown(_)))));
    // polkit refuses before the program runs; afterwards the code is openconnect's.
    let mut line = OpenConnect::new("helper".into(), "caen".into());
    assert_eq!(line.ended(Some(127), String::new()), Reason::NotAllowed);
    line.hear(STARTED);
    assert!(matches!(line.ended(Some(127), String::new()), Reason::Unknown(_)));
}

/// A program that plays Cisco's command line, and writes down how it was called and what it was told.
struct Player {
    folder: tempfile::TempDir,
}

impl Player {
    /// Says this once it was told everything; `then` is what it does after.
    fn says(transcript: &str, then: &str) -> Player {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("transcript"), transcript).unwrap();
        let script = format!(
            "#!/bin/sh\ncd '{}'\necho \"$@\" >>calls\ncp /proc/$$/environ environ\ncp /proc/$$/cmdline cmdline\n\
             if [ \"$1\" = disconnect ]; then echo '  >> state: Disconnecting'; echo '  >> state: Disconnected'; exit; fi\n\
             cat >told\ncat transcript\n{then}\n",
            folder.path().display()
        );
        fs::write(at("vpn"), script).unwrap();
        fs::set_permissions(at("vpn"), fs::Permissions::from_mode(0o755)).unwrap();
        Player { folder }
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join(name)).unwrap_or_default()).into_owned()
    }

    fn program(&self) -> std::path::PathBuf {
        self.folder.path().join("vpn")
    }

    /// Drives it; what it came to, and what was told on the way. `cancel_at`: at what the attempt is given up.
    async fn drive(&self, limit: Duration, cancel_at: Option<&Path>) -> (Outcome, Vec<Progress>) {
        let line = Box::new(Cisco::new(self.program(), "vpn.example".into()));
        let answers = line.answers("mdupont", SECRETS[0]);
        let (leash, held) = oneshot::channel();
        let told = RefCell::new(Vec::new());
        let tell = |progress| told.borrow_mut().push(progress);
        let driven = drive(line, answers, held, Instant::now() + limit, &tell, || {});
        let outcome = async {
            let Some(file) = cancel_at else {
                let outcome = driven.await;
                drop(leash);
                return outcome;
            };
            tokio::pin!(driven);
            let begun = std::time::Instant::now();
            loop {
                tokio::select! {
                    outcome = &mut driven => return outcome,
                    () = tokio::time::sleep(Duration::from_millis(20)) => {}
                }
                assert!(begun.elapsed() < Duration::from_secs(20), "{} does not come", file.display());
                if file.exists() {
                    break;
                }
            }
            leash.send(HangUp::Cancelled).unwrap();
            driven.await
        };
        let outcome = outcome.await;
        (outcome, told.into_inner())
    }
}

#[tokio::test]
async fn cisco_is_told_the_answers_on_its_input_alone() {
    let player = Player::says(CONNECTS, "");
    let (outcome, told) = player.drive(Duration::from_secs(20), None).await;
    assert_eq!(outcome, Outcome::default());
    assert_eq!(told.last(), Some(&Progress::Connected));
    assert!(told.contains(&Progress::Stage(Stage::Verifying)) && told.contains(&Progress::Stage(Stage::Establishing)));
    assert_eq!(player.read("told"), "mdupont\n4321123456\ny\n");
    assert_eq!(player.read("calls"), "-s connect vpn.example\n");
    for file in ["environ", "cmdline"] {
        let text = player.read(file);
        assert!(!text.is_empty() && SECRETS.iter().all(|secret| !text.contains(secret)), "{file}");
    }
}

#[tokio::test]
async fn a_refusal_ends_the_client_at_once() {
    // It would ask again, and take what is left of the answers.
    let player = Player::says(">> Login failed.\n>> Please enter your username and password.\n", "exec sleep 60");
    let begun = std::time::Instant::now();
    let (outcome, _) = player.drive(Duration::from_secs(30), None).await;
    assert_eq!(outcome, Outcome { failed: Some(Reason::WrongPasscode), half: true, ..Outcome::default() });
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_client_is_read_in_time_and_in_bounds() {
    let player = Player::says(">> state: Connecting\n", "exec sleep 60");
    let (outcome, told) = player.drive(Duration::from_secs(1), None).await;
    assert_eq!(outcome, Outcome { failed: Some(Reason::TimedOut), half: true, ..Outcome::default() });
    assert_eq!(told, [Progress::Stage(Stage::Contacting)]);

    let player = Player::says("", "exec yes");
    let (outcome, _) = player.drive(Duration::from_secs(20), None).await;
    assert!(matches!(outcome.failed, Some(Reason::Unknown(ref why)) if why.contains("without end")), "{outcome:?}");

    let player = Player::says("something else\nPassword: 4321123456\n", "exit 3");
    let (outcome, _) = player.drive(Duration::from_secs(20), None).await;
    assert_eq!(outcome.failed, Some(Reason::Unknown("something else".into())), "what may echo a secret is left out");

    let line = Box::new(Cisco::new("/no/such/vpn".into(), "vpn.example".into()));
    let (_leash, held) = oneshot::channel();
    let outcome =
        drive(line, Zeroizing::default(), held, Instant::now() + Duration::from_secs(5), &|_| {}, || {}).await;
    assert!(matches!(outcome.failed, Some(Reason::Unknown(_))), "{outcome:?}");
}

#[tokio::test]
async fn an_attempt_that_is_given_up_ends_its_client() {
    let player = Player::says(">> state: Connecting\n", "echo $$ >pid; exec sleep 60");
    let pid = player.folder.path().join("pid");
    let (outcome, _) = player.drive(Duration::from_secs(30), Some(&pid)).await;
    assert_eq!(outcome, Outcome { half: true, ..Outcome::default() });
    let pid = player.read("pid");
    assert!(!Path::new(&format!("/proc/{}", pid.trim())).exists(), "it still runs");
}

#[tokio::test]
async fn ciscos_tunnel_is_ended() {
    let player = Player::says("", "");
    assert_eq!(cisco::hang_up(&player.program(), Duration::from_secs(10)).await, Ok(()));
    assert_eq!(player.read("calls"), "disconnect\n");
    let mut profile = crate::profile::guide();
    for places in [&mut profile.vpn.command_line.linux, &mut profile.vpn.command_line.macos] {
        *places = vec!["/no/such/vpn".into(), player.program().display().to_string()];
    }
    assert_eq!(client(&profile), Some(Client::Cisco));
    let refuses = "#!/bin/sh\necho '>> state: Disconnecting'; echo '>> error: The VPN is always on.'\n";
    fs::write(player.program(), refuses).unwrap();
    let why = cisco_hangs_up(&profile).await.unwrap_err();
    assert!(why.ends_with(">> error: The VPN is always on."), "{why}");
}

#[tokio::test]
async fn the_passcode_is_the_pin_and_then_the_digits() {
    let secret = |text: &str| Secret::from(text.to_owned());
    let made = passcode(&Pin::Typed(secret("4321")), &secret("123456")).await;
    assert_eq!(made, Ok(secret(SECRETS[0])));
}
