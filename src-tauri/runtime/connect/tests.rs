use super::cisco::Cisco;
use super::*;
use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use vigie_core::connect::Stage;

const IDENTIFIER: &str = "mdupont";
const SECRETS: [&str; 2] = ["4321123456", "123456"];

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn cisco(program: PathBuf) -> Cisco {
    Cisco::new(program, "vpn.example".into(), IDENTIFIER.into(), secret(SECRETS[0]))
}

/// What Cisco's command line was seen to print (src-tauri/transcripts).
struct Transcript {
    name: String,
    head: Vec<(String, String)>,
    body: String,
}

impl Transcript {
    /// Those whose name begins so.
    fn all(kind: &str) -> Vec<Transcript> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src-tauri/transcripts");
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let named = |path: &PathBuf| Some(path.file_name()?.to_str()?.strip_suffix(".txt")?.to_owned());
        let mut names: Vec<_> = files.filter_map(|path| named(&path).map(|name| (name, path))).collect();
        names.retain(|(name, _)| name.starts_with(kind));
        names.sort();
        let read = |(name, path): (String, PathBuf)| {
            let text = fs::read_to_string(path).unwrap();
            let (head, body) = text.split_once("\n\n").unwrap();
            let head = head.lines().map(|line| line.split_once(':').unwrap());
            let head = head.map(|(key, value)| (key.to_owned(), value.trim().to_owned())).collect();
            Transcript { name, head, body: body.strip_suffix('\n').unwrap().replace("\\r", "\r") }
        };
        names.into_iter().map(read).collect()
    }

    #[cfg(unix)]
    fn named(name: &str) -> Transcript {
        let [one] = Transcript::all(name).try_into().ok().unwrap();
        one
    }

    fn head(&self, key: &str) -> &str {
        &self.head.iter().find(|(known, _)| known == key).unwrap().1
    }

    /// What the program is told, as it stands in its input.
    fn told(&self) -> String {
        let answers = self.head("told").split(", ").filter(|answer| !answer.is_empty());
        let line = |answer| match answer {
            "empty" => "",
            "identifier" => IDENTIFIER,
            "passcode" => SECRETS[0],
            other => other,
        };
        answers.map(|answer| format!("{}\n", line(answer))).collect()
    }

    /// What Vigie makes of it.
    fn means(&self) -> Option<ConnectError> {
        Some(match self.head("means") {
            "connected" => return None,
            "held" => ConnectError::Held,
            "service-stopped" => ConnectError::ServiceStopped,
            "locked" => ConnectError::Locked,
            "refused" => ConnectError::Refused,
            "untrusted" => ConnectError::Untrusted,
            "wrong-passcode" => ConnectError::WrongPasscode,
            "unreachable" => ConnectError::Unreachable,
            "asks" => ConnectError::UnsupportedPrompt,
            "unknown" => ConnectError::Unknown(String::new()),
            other => panic!("{}: {other}", self.name),
        })
    }
}

#[test]
fn what_is_no_news_of_ciscos() {
    let heard = |said: &[Said]| {
        let mut line = cisco("vpn".into());
        said.iter().filter_map(|said| line.hear(said)).count()
    };
    let line = |text: &str| Said::Line(Zeroizing::new(text.to_owned()));
    let open = |text: &str| Said::Open(Zeroizing::new(text.to_owned()));
    let settled = |text: &str| Said::Settled(Zeroizing::new(text.to_owned()));
    // An old state; a longer key; what only contains a word; a question that is not whole yet, or none.
    assert_eq!(heard(&[line(">> state: Connected"), line(">> notice: Ready to connect.")]), 0);
    assert_eq!(heard(&[line(">> Management Connection State: Connected"), line(">> notice: state: Connected")]), 0);
    assert_eq!(heard(&[line(">> Network error. Unable to lookup host names."), line("")]), 0);
    let texts = ["VPN>", "User", "Group:", "Group: [VP", "Second Password:", "accept? [y/n]:", "accept?", ">> error:"];
    for text in texts {
        assert_eq!(heard(&[open(text)]), 0, "{text}");
    }
    for text in ["VPN>", "VPN> VPN>", "Contacting", ">> error:"] {
        assert_eq!(heard(&[settled(text)]), 0, "{text}");
    }
    // What was offered with a question that is answered belongs to it.
    assert_eq!(heard(&[open("Username:"), open("[mdu"), settled("[mdupont]")]), 1);
    assert_eq!(heard(&[open("Username:"), open("[mdupont] Password:")]), 2);
    // What the server's text asks for is not asked.
    let banner =
        [open("Password:"), line(">> notice: Please respond to banner."), open("Password:"), settled("Group:")];
    assert_eq!(heard(&banner), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn openconnects_words() {
    use super::openconnect::OpenConnect;
    use vigie_openconnect::{REFUSED, STARTED};
    let client = || OpenConnect::new("helper".into(), "caen".into(), IDENTIFIER.into(), secret(SECRETS[0]));
    let line = |text: &str| Said::Line(Zeroizing::new(text.to_owned()));
    let hear = |said: &str| match client().hear(&line(said)) {
        Some(Heard::Progress(progress)) => Some(progress),
        Some(Heard::Answer(..) | Heard::Over) => panic!("{said}"),
        None => None,
    };
    let failed = |reason| Some(Err(reason));
    let rows = [
        ("Configured as 10.20.30.93, with SSL connected and DTLS in progress", Some(Ok(ConnectProgress::Connected))),
        ("Login failed.", failed(ConnectError::WrongPasscode)),
        ("Got HTTP response: HTTP/1.1 401 Authentication failed", failed(ConnectError::WrongPasscode)),
        ("Server certificate verify failed: signer not found", None),
        ("Certificate from VPN server \"vpn.example\" failed verification.", failed(ConnectError::Untrusted)),
        (
            "None of the 1 fingerprint(s) specified via --servercert match server's certificate: pin-sha256:x",
            failed(ConnectError::Untrusted),
        ),
        ("getaddrinfo failed for host 'vpn.example': Name or service not known", failed(ConnectError::Unreachable)),
        ("Failed to connect to 192.0.2.1:443: Connection refused", failed(ConnectError::Unreachable)),
        ("Got CONNECT response: HTTP/1.1 200 CONNECTED", Some(Ok(ConnectProgress::Stage(Stage::Establishing)))),
        ("Set up UDP failed; using SSL instead", None),
    ];
    for (said, means) in rows {
        assert_eq!(hear(said), means, "{said}");
    }
    assert!(matches!(hear(&format!("{REFUSED}: no such site")), Some(Err(ConnectError::Unknown(_)))));
    // polkit refuses before the program runs, and asks for its lines; afterwards the code is openconnect's.
    let mut client = client();
    assert_eq!(client.ended(Some(127), String::new()), ConnectError::NotAllowed);
    let told = client.hear(&line(STARTED));
    assert!(matches!(told, Some(Heard::Answer(told, _)) if told.as_slice() == b"caen\nmdupont\n4321123456\n"));
    assert!(client.hear(&line(STARTED)).is_none(), "once");
    assert!(matches!(client.ended(Some(127), String::new()), ConnectError::Unknown(_)));
}

/// Puts a file out at once.
const WHOLE: &str = if cfg!(windows) { "type" } else { "cat" };
const PROGRAM: &str = if cfg!(windows) { "vpn.cmd" } else { "vpn" };

/// The playing program's parts.
#[cfg(unix)]
mod script {
    pub const BEGINS: &str = "#!/bin/bash\ncd \"${0%/*}\"\necho \"$@\" >>calls\n\
        cp /proc/$$/environ /proc/$$/cmdline .\n\
        if [ \"$1\" = disconnect ]; then cat disconnects; exit; fi\n";
    /// What stands in the input before it was asked for is an answer to something else.
    pub const NOTHING_AHEAD: &str = "IFS= read -r -t 0.02 ahead && echo \"ahead: $ahead\" >>told\n";
    pub const ASKS: &str = "if IFS= read -r answer; then printf '%s\\n' \"$answer\" >>told; fi\n";
    pub const REPEATS: &str = "printf %s \"$answer\"\n";
}
#[cfg(windows)]
mod script {
    pub const BEGINS: &str = "@echo off\nsetlocal enabledelayedexpansion\ncd /d \"%~dp0\"\necho %*>>calls\n\
        if \"%1\"==\"disconnect\" (\ntype disconnects\nexit /b\n)\n";
    /// Answers that come ahead are read as one.
    pub const NOTHING_AHEAD: &str = "";
    /// An empty answer looks like the end of the input: it is a dot.
    pub const ASKS: &str = "set answer=.\nset /p answer=\necho !answer!>>told\n";
    pub const REPEATS: &str = "<nul set /p =!answer!\n";
}

/// A program that plays Cisco's command line, and writes down how it was called and what it was told.
struct Player {
    folder: tempfile::TempDir,
}

impl Player {
    /// Says this and waits for an answer where it stands (`{?}`, `{!}`); `then` is what it does after.
    fn says(transcript: &str, then: &str) -> Player {
        Player::puts(WHOLE, transcript, then)
    }

    /// The same, by that command.
    fn puts(by: &str, transcript: &str, then: &str) -> Player {
        let player = Player { folder: tempfile::tempdir().unwrap() };
        player.disconnects("  >> state: Disconnecting\n  >> state: Disconnected\n");
        let mut script = script::BEGINS.to_owned();
        let mut rest = transcript;
        for piece in 0.. {
            let [asks, repeats] = ["{?}", "{!}"].map(|mark| rest.find(mark));
            let end = [asks, repeats].into_iter().flatten().min();
            player.write(&format!("piece{piece}"), &rest[..end.unwrap_or(rest.len())]);
            script += &format!("{}{by} piece{piece}\n", script::NOTHING_AHEAD);
            let Some(end) = end else { break };
            script += script::ASKS;
            script += if repeats == Some(end) { script::REPEATS } else { "" };
            rest = &rest[end + "{?}".len()..];
        }
        player.write(PROGRAM, &(script + then + "\n"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(player.program(), fs::Permissions::from_mode(0o755)).unwrap();
        }
        player
    }

    /// What it says when it is to disconnect.
    fn disconnects(&self, says: &str) {
        self.write("disconnects", says);
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
    }

    /// Whether it got these answers, each in its line, and no others.
    fn was_told(&self, answers: &str) -> bool {
        let told = self.read("told");
        if cfg!(not(windows)) {
            return told == answers;
        }
        // An empty answer is a dot; one more is the end of the input, cut off where it is ended just then.
        let dotted: String =
            answers.lines().map(|answer| format!("{}\n", if answer.is_empty() { "." } else { answer })).collect();
        matches!(told.strip_prefix(&dotted), Some("" | "." | ".\n"))
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join(PROGRAM)
    }

    /// Drives it; what it came to, and what was told on the way. `cancel_at`: at what the attempt is given up.
    async fn drive(&self, limit: Duration, cancel_at: Option<&Path>) -> (Outcome, Vec<Progress>) {
        let line = Box::new(cisco(self.program()));
        let (cancel, held) = oneshot::channel();
        let told = RefCell::new(Vec::new());
        let tell = |progress| told.borrow_mut().push(progress);
        let driven = drive(line, held, Instant::now() + limit, &tell, || {});
        let outcome = async {
            let Some(file) = cancel_at else {
                let outcome = driven.await;
                drop(cancel);
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
            cancel.send(HangUp::Cancelled).unwrap();
            driven.await
        };
        let outcome = outcome.await;
        (outcome, told.into_inner())
    }
}

/// Plays every transcript, and looks what it came to.
async fn plays_all(by: &str) {
    let transcripts = Transcript::all("connect-");
    assert!(transcripts.len() > 30);
    for transcript in transcripts {
        let player = Player::puts(by, &transcript.body, "");
        let (mut outcome, told) = player.drive(Duration::from_secs(20), None).await;
        let what = format!("{}: {outcome:?}, {told:?}", transcript.name);
        if let Some(ConnectError::Unknown(words)) = &mut outcome.failed {
            assert!(!words.is_empty() && !words.contains(SECRETS[0]), "{what}");
            words.clear();
        }
        assert_eq!(outcome.failed, transcript.means(), "{what}");
        assert!(player.was_told(&transcript.told()), "{what}: {:?}", player.read("told"));
        // Another client's tunnel is left alone.
        assert_eq!(outcome.half, !matches!(outcome.failed, None | Some(ConnectError::Held)), "{what}");
        assert_eq!(told.contains(&Ok(ConnectProgress::Connected)), outcome.failed.is_none(), "{what}");
        let handed_over = player.read("told").contains(SECRETS[0]);
        assert_eq!(told.contains(&Ok(ConnectProgress::Stage(Stage::Verifying))), handed_over, "{what}");
    }
}

#[tokio::test]
async fn each_question_of_ciscos_is_answered_when_it_stands_there_and_no_other() {
    plays_all(WHOLE).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_question_may_come_a_byte_at_a_time() {
    plays_all("dd bs=1 status=none <").await;
}

#[cfg(unix)]
#[tokio::test]
async fn cisco_is_told_the_answers_on_its_input_alone() {
    let player = Player::says(&Transcript::named("connect-5.1-connects").body, "");
    let (outcome, told) = player.drive(Duration::from_secs(20), None).await;
    assert_eq!(outcome, Outcome::default());
    let stages =
        [Stage::Contacting, Stage::Verifying, Stage::Establishing].map(|stage| Ok(ConnectProgress::Stage(stage)));
    let mut seen = told.clone();
    seen.dedup();
    assert_eq!(seen, [&stages[..], &[Ok(ConnectProgress::Connected)]].concat());
    assert_eq!(player.read("calls"), "-s connect vpn.example\n");
    for file in ["environ", "cmdline"] {
        let text = player.read(file);
        assert!(!text.is_empty() && SECRETS.iter().all(|secret| !text.contains(secret)), "{file}");
    }
    assert!(player.read("environ").split('\0').any(|variable| variable == "LC_ALL=C"));
}

#[tokio::test]
async fn what_stands_there_is_told_as_it_comes_and_once_more_when_nothing_follows() {
    let (mut client, pipe) = tokio::io::duplex(64);
    let mut output =
        Output { ways: [Way::of(Some(pipe)), Way::of(None::<tokio::io::Empty>)], read: 0, last: Default::default() };
    let rows = [
        ("", vec![]),
        ("VPN> ", vec!["open VPN>", "settled VPN>"]),
        ("\r\nUser", vec!["line VPN>", "line", "open User", "settled User"]),
        (" \n", vec!["line User"]),
    ];
    for (says, expected) in rows {
        client.write_all(says.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        // And then no more: a tunnel stands for hours.
        while let Ok(said) = timeout(SETTLED * 3 / 2, output.next(true)).await {
            let (how, text) = match said.unwrap().unwrap() {
                Said::Line(text) => ("line", text),
                Said::Open(text) => ("open", text),
                Said::Settled(text) => ("settled", text),
            };
            heard.push(format!("{how} {}", *text).trim().to_owned());
            assert!(heard.len() <= expected.len(), "{heard:?}");
        }
        assert_eq!(heard, expected);
    }
}

#[tokio::test]
async fn a_client_that_shows_no_question_is_told_nothing() {
    let player = Player::says("{?}{?}", "");
    let (outcome, told) = player.drive(Duration::from_secs(2), None).await;
    assert_eq!(outcome, Outcome { failed: Some(ConnectError::TimedOut), half: true, ..Outcome::default() });
    assert_eq!(told, []);
    assert!(player.was_told(""), "{}", player.read("told"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_refusal_ends_the_client_at_once() {
    // It would ask again.
    let player = Player::says("Password: {?}\n  >> Login failed.\n", "exec sleep 60");
    let begun = std::time::Instant::now();
    let (outcome, _) = player.drive(Duration::from_secs(30), None).await;
    assert_eq!(outcome, Outcome { failed: Some(ConnectError::WrongPasscode), half: true, ..Outcome::default() });
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[cfg(unix)]
#[tokio::test]
async fn a_client_is_read_in_time_and_in_bounds() {
    let player = Player::says(">> notice: Contacting vpn.example.\n", "exec sleep 60");
    let (outcome, told) = player.drive(Duration::from_secs(1), None).await;
    assert_eq!(outcome, Outcome { failed: Some(ConnectError::TimedOut), half: true, ..Outcome::default() });
    assert_eq!(told, [Ok(ConnectProgress::Stage(Stage::Contacting))]);

    for endless in ["exec yes", "exec tr '\\0' x </dev/zero"] {
        let (outcome, _) = Player::says("", endless).drive(Duration::from_secs(20), None).await;
        assert!(
            matches!(outcome.failed, Some(ConnectError::Unknown(ref why)) if why.contains("without end")),
            "{outcome:?}"
        );
    }

    let player = Player::says("something else\nPassword: 4321123456\n", "exit 3");
    let (outcome, _) = player.drive(Duration::from_secs(20), None).await;
    assert_eq!(
        outcome.failed,
        Some(ConnectError::Unknown("something else".into())),
        "what may echo a secret is left out"
    );

    let (_leash, held) = oneshot::channel();
    let line = Box::new(cisco("/no/such/vpn".into()));
    let outcome = drive(line, held, Instant::now() + Duration::from_secs(5), &|_| {}, || {}).await;
    assert!(matches!(outcome.failed, Some(ConnectError::Unknown(_))), "{outcome:?}");
}

#[cfg(unix)]
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
    for transcript in Transcript::all("disconnect-") {
        player.disconnects(&transcript.body);
        let done = cisco::hang_up(&player.program(), Duration::from_secs(10)).await;
        assert_eq!(done.is_ok(), transcript.head("means") == "done", "{}: {done:?}", transcript.name);
    }
    let mut profile = vigie_profile::guide();
    let lines = &mut profile.vpn.command_line;
    for places in [&mut lines.linux, &mut lines.windows] {
        *places = vec!["/no/such/vpn".into(), player.program().display().to_string()];
    }
    assert_eq!(client(&profile), Some(VpnClient::Cisco));
    player.disconnects(">> state: Disconnecting\n>> error: The VPN is always on.");
    let why = cisco_hangs_up(&profile).await.unwrap_err();
    assert!(why.ends_with(">> error: The VPN is always on."), "{why}");
}

#[tokio::test]
async fn the_passcode_is_the_pin_and_then_the_digits() {
    let made = passcode(&Pin::Typed(secret("4321")), &secret("123456")).await;
    assert_eq!(made, Ok(secret(SECRETS[0])));
}
