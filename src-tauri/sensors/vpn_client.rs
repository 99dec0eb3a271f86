//! Cisco's client: the state that its command line reports, and the site that its files name.
//!
//! The forms are those of Cisco Secure Client 5 and AnyConnect 4. What is not understood is unknown, never "disconnected".

use crate::cisco::{command, command_line, files::CiscoFiles};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use vigie_core::vpn::{ClientState, cisco};
use vigie_profile::{Id, Profile};

/// How long the command line may take. (It answers in well under a second if its service runs.)
const STATE_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of its output is read.
const MAX_OUTPUT_BYTES: u64 = 64 * 1024;

/// Returns the state that Cisco's command line reports; `None` if there is none, it fails, or it is not understood.
pub async fn state(profile: &Profile) -> Option<ClientState> {
    let program = command_line(profile)?;
    match tokio::time::timeout(STATE_TIMEOUT, run_state(&program)).await.map_err(io::Error::from).flatten() {
        Ok(output) => parse_state(&output),
        Err(error) => {
            tracing::debug!(%error, program = %program.display(), "reading the client's state failed");
            None
        }
    }
}

async fn run_state(program: &Path) -> io::Result<String> {
    let mut command = command(program);
    command.arg("state").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
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
            parse_state(&String::from_utf8_lossy(output));
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
        assert_eq!(state(&profile).await, Some(ClientState::Connecting));

        let (_folder, profile) = with_command("echo '>> state: Connected'; exit 1");
        assert_eq!(state(&profile).await, None, "the exit code is not zero");

        let (_folder, profile) = with_command("echo '>> state: Connected'; yes");
        assert_eq!(state(&profile).await, None, "it prints too much");

        let (_folder, profile) = with_command("echo '>> state: Connected'; exec sleep 60");
        let begun = std::time::Instant::now();
        assert_eq!(state(&profile).await, None, "it takes too long");
        assert!(begun.elapsed() < STATE_TIMEOUT + Duration::from_secs(2));

        assert_eq!(state(&crate::sensors::test_support::profile()).await, None, "not installed");
    }
}
