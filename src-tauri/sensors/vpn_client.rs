//! The VPN's client: its version; the state that Cisco's command line reports, and the site that Cisco's files name.
//!
//! The forms are those of Cisco Secure Client 5 and AnyConnect 4. What is not understood is unknown, never "disconnected".

use crate::cisco::{command, command_line, files::CiscoFiles};
use serde::Serialize;
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use vigie_core::sanitize::sanitize;
use vigie_core::vpn::{ClientState, cisco};
use vigie_profile::{Id, Profile};

/// How long a command line may take. (Cisco's answers in well under a second if its service runs.)
const TIMEOUT: Duration = Duration::from_secs(5);
/// How much of its output is read.
const MAX_OUTPUT_BYTES: u64 = 64 * 1024;

/// What is known of the client.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Client {
    /// The state that Cisco's command line reports; `None` if there is none, it fails, or it is not understood.
    pub state: Option<ClientState>,
    /// Name and version.
    pub version: Option<String>,
}

/// Asks the client: Cisco's if it is installed, otherwise OpenConnect.
pub async fn read(profile: &Profile) -> Client {
    let Some(program) = command_line(profile) else {
        #[cfg(target_os = "linux")]
        return Client { state: None, version: openconnect_version().await };
        #[cfg(not(target_os = "linux"))]
        return Client::default();
    };
    let output = output(command(&program).arg("state")).await.unwrap_or_default();
    Client { state: parse_state(&output), version: parse_version(&output) }
}

/// Returns OpenConnect's version. It is asked once: it has no state, and the version changes with its package alone.
#[cfg(target_os = "linux")]
async fn openconnect_version() -> Option<String> {
    static VERSION: tokio::sync::OnceCell<Option<String>> = tokio::sync::OnceCell::const_new();
    let ask = || async {
        let program = vigie_openconnect::PROGRAMS.map(std::path::Path::new).into_iter().find(|path| path.is_file())?;
        parse_openconnect(&output(command(program).arg("--version")).await?)
    };
    VERSION.get_or_init(ask).await.clone()
}

/// Runs a command line without input, and returns what it prints; `None` if it fails or takes too long.
async fn output(command: &mut Command) -> Option<String> {
    let output = tokio::time::timeout(TIMEOUT, run(command)).await.map_err(io::Error::from).flatten();
    output.inspect_err(|error| tracing::debug!(%error, ?command, "asking the client failed")).ok()
}

async fn run(command: &mut Command) -> io::Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_OUTPUT_BYTES).read_to_end(&mut output).await?;
    }
    // A child that wants to print more than that finds a closed pipe.
    let status = child.wait().await?;
    if !status.success() {
        return Err(io::Error::other(status.to_string()));
    }
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Returns the last state in the output: the first may be stale.
fn parse_state(output: &str) -> Option<ClientState> {
    output.split(['\r', '\n']).filter_map(|line| cisco::value(line, "state")).next_back().and_then(cisco::state)
}

/// Returns name and version from the line with which Cisco's command line begins:
/// "Cisco Secure Client (version 5.1.2.42) .".
fn parse_version(output: &str) -> Option<String> {
    let (name, version) = output.split(['\r', '\n']).find_map(|line| line.split_once(" (version "))?;
    let (version, _) = version.split_once(')')?;
    Some(sanitize(&format!("{name} {version}")))
}

/// Returns name and version from "OpenConnect version v9.01-3".
#[cfg(target_os = "linux")]
fn parse_openconnect(output: &str) -> Option<String> {
    let version = output.lines().next()?.strip_prefix("OpenConnect version ")?;
    Some(sanitize(&format!("OpenConnect {}", version.trim_start_matches('v'))))
}

/// Returns the site that Cisco's files name. Blocking.
pub fn site(profile: &Profile) -> Option<Id> {
    CiscoFiles::read(profile).site(profile).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cisco::transcript::Transcript;
    use proptest::prelude::*;

    #[test]
    fn fuzz_cisco_state() {
        let outputs: Vec<String> = Transcript::all("").into_iter().map(|transcript| transcript.output).collect();
        let seeds: Vec<&[u8]> = outputs.iter().map(String::as_bytes).collect();
        crate::fuzz::fuzz(&seeds, |output| {
            let output = String::from_utf8_lossy(output);
            parse_state(&output);
            parse_version(&output);
        });
    }

    #[test]
    fn last_state_of_each_transcript_counts() {
        let mut count = 0;
        for transcript in Transcript::all("") {
            let Some(expected) = transcript.find("state") else { continue };
            let state = parse_state(&transcript.output);
            let named = state.map_or("none".to_owned(), |state| format!("{state:?}").to_lowercase());
            assert_eq!(named, expected, "{}", transcript.name);
            count += 1;
        }
        assert!(count > 8);
    }

    #[test]
    fn each_transcript_that_names_the_client_gives_its_version() {
        let mut count = 0;
        for transcript in Transcript::all("") {
            let named = transcript.output.lines().any(|line| line.contains("(version"));
            let version = parse_version(&transcript.output);
            let full = version.as_deref().is_some_and(|version| {
                let (name, number) = version.rsplit_once(' ').unwrap_or_default();
                name.starts_with("Cisco ") && number.len() > 6 && number.chars().all(|c| c == '.' || c.is_ascii_digit())
            });
            assert_eq!(full, named, "{}: {version:?}", transcript.name);
            count += usize::from(full);
        }
        assert!(count > 20);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn openconnect_names_its_version_first() {
        let output = "OpenConnect version v9.01-3\nUsing GnuTLS 3.7.9.\n";
        assert_eq!(parse_openconnect(output).as_deref(), Some("OpenConnect 9.01-3"));
        assert_eq!(parse_openconnect("Usage: openconnect"), None);
    }

    #[test]
    fn output_that_is_not_understood_is_no_state() {
        for nothing in ["", ">> state: Not Available", ">> state:", ">> state: Connected\n>> state: Not Available"] {
            assert_eq!(parse_state(nothing), None, "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn last_state_wins_over_anything_before(before in any::<String>(), ends in "[\r\n]+", prompt in "( *VPN> ?){0,3}") {
            let output = format!("{before}{ends}{prompt}>> state: Disconnecting{ends}");
            prop_assert_eq!(parse_state(&output), Some(ClientState::Disconnecting));
        }

        #[test]
        fn text_without_the_mark_is_no_state(text in "[^>]*") {
            prop_assert_eq!(parse_state(&text), None);
        }
    }

    #[cfg(unix)]
    fn with_command(script: &str) -> (tempfile::TempDir, Profile) {
        use std::fs;
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vpn");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut profile = crate::sensors::test_support::profile();
        profile.vpn.command_line.linux = vec!["/no/such/vpn".to_owned(), path.to_str().unwrap().to_owned()];
        (folder, profile)
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn command_line_is_run_with_closed_input_and_in_bounds() {
        let (_folder, profile) =
            with_command("[ \"$*\" = state ] && ! read line && printf '  >> state: Connecting\\r\\n'");
        assert_eq!(read(&profile).await.state, Some(ClientState::Connecting));

        let (_folder, profile) = with_command("echo '>> state: Connected'; exit 1");
        assert_eq!(read(&profile).await.state, None, "the exit code is not zero");

        let (_folder, profile) = with_command("echo '>> state: Connected'; yes");
        assert_eq!(read(&profile).await.state, None, "it prints too much");

        let (_folder, profile) = with_command("echo '>> state: Connected'; exec sleep 60");
        let begun = std::time::Instant::now();
        assert_eq!(read(&profile).await.state, None, "it takes too long");
        assert!(begun.elapsed() < TIMEOUT + Duration::from_secs(2));

        assert_eq!(read(&crate::sensors::test_support::profile()).await.state, None, "not installed");

        let begin = "echo 'Cisco Secure Client (version 5.1.2.42) .'; echo '>> state: Connected'";
        let (_folder, profile) = with_command(begin);
        let client =
            Client { state: Some(ClientState::Connected), version: Some("Cisco Secure Client 5.1.2.42".into()) };
        assert_eq!(read(&profile).await, client);
    }
}
