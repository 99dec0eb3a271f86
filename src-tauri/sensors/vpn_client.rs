//! What Cisco's client says: its command line about the connection, its files about the user's site.
//!
//! The forms are those of Cisco Secure Client 5 and AnyConnect 4. Whatever is not understood is nothing said; it never
//! becomes "disconnected".

use super::{expand, glob};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use vigie_core::vpn::{ClientState, cisco};
use vigie_profile::{Id, Profile};

/// How long the command line may take. (It answers in well under a second where its service runs.)
const LIMIT: Duration = Duration::from_secs(5);
/// How much of its output is read, in bytes.
const OUTPUT_CAP: u64 = 64 * 1024;
/// How large a file of Cisco's may be, in bytes, to be read.
const FILE_CAP: u64 = 1024 * 1024;

/// What Cisco's command line says; `None` where there is none, it fails, or it is not understood.
pub async fn state(profile: &Profile) -> Option<ClientState> {
    let program = command_line(profile)?;
    let asked = ask(&program).await;
    let output = asked.inspect_err(|error| tracing::debug!("{}: {error}", program.display())).ok()?;
    parse(&output)
}

/// Cisco's command line, where it is installed.
pub fn command_line(profile: &Profile) -> Option<PathBuf> {
    profile.vpn.command_line.here().iter().filter_map(|path| expand(path)).find(|path| path.is_file())
}

async fn ask(program: &Path) -> std::io::Result<String> {
    let mut command = Command::new(program);
    // "C": in English, where the client heeds it.
    command
        .arg("state")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    #[cfg(windows)]
    command.creation_flags(windows::Win32::System::Threading::CREATE_NO_WINDOW.0);
    let answer = async {
        let mut child = command.spawn()?;
        let mut output = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(OUTPUT_CAP).read_to_end(&mut output).await?;
        }
        // A child that wants to say more than that finds a closed pipe.
        let status = child.wait().await?;
        if !status.success() {
            return Err(std::io::Error::other(format!("{status}")));
        }
        Ok(String::from_utf8_lossy(&output).into_owned())
    };
    tokio::time::timeout(LIMIT, answer).await?
}

/// The last state that the output speaks of: the first may be stale.
fn parse(output: &str) -> Option<ClientState> {
    output.split(['\r', '\n']).filter_map(|line| cisco::value(line, "state")).next_back().and_then(cisco::state)
}

/// The site that Cisco's files name: the one whose gateway the user chose last (`DefaultHostName` in
/// `preferences.xml`), else the only one that the installed profiles (`ServerList/HostEntry`) offer.
pub fn site(profile: &Profile) -> Option<Id> {
    let mut said = Said::default();
    for file in profile.vpn.preferences.here().iter().flat_map(|pattern| files(pattern)) {
        match read(&file) {
            Ok(text) => said.read(&text),
            Err(error) => tracing::debug!("{}: {error}", file.display()),
        }
    }
    said.site(profile).cloned()
}

/// The files that a pattern of the profile names, in the order of their names.
fn files(pattern: &str) -> Vec<PathBuf> {
    let Some(path) = expand(pattern) else { return Vec::new() };
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.filter(|entry| entry.file_name().to_str().is_some_and(|known| glob(name, known)));
    let mut files: Vec<PathBuf> = named.map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn read(file: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(FILE_CAP).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// What Cisco's files said.
#[derive(Debug, Default)]
struct Said {
    /// `DefaultHostName`: the name of an entry, or an address. The first file that has one wins.
    default: Option<String>,
    /// Names and addresses of the entries.
    entries: Vec<(String, String)>,
}

impl Said {
    fn read(&mut self, text: &str) {
        let Ok(document) = roxmltree::Document::parse(text) else { return };
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            match node.tag_name().name() {
                "DefaultHostName" if self.default.is_none() => self.default = text_of(node),
                "HostEntry" => {
                    let child = |name| node.children().find(|child| child.tag_name().name() == name).and_then(text_of);
                    let name = child("HostName");
                    if let Some(address) = child("HostAddress").or_else(|| name.clone()) {
                        self.entries.push((name.unwrap_or_else(|| address.clone()), address));
                    }
                }
                _ => {}
            }
        }
    }

    fn site<'a>(&self, profile: &'a Profile) -> Option<&'a Id> {
        let with_gateway = |address: &str| {
            let host = host(address);
            profile.sites.iter().find(|site| site.gateway.eq_ignore_ascii_case(host)).map(|site| &site.id)
        };
        if let Some(default) = &self.default {
            let named = self.entries.iter().find(|(name, _)| name.eq_ignore_ascii_case(default));
            return with_gateway(default).or_else(|| with_gateway(&named?.1));
        }
        let mut offered = self.entries.iter().filter_map(|(_, address)| with_gateway(address));
        let first = offered.next()?;
        offered.all(|other| other == first).then_some(first)
    }
}

fn text_of(node: roxmltree::Node) -> Option<String> {
    node.text().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The host of an address that may carry a scheme, a port and a group (`https://host:443/group`).
fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let end = rest.find(['/', ':', '?']).unwrap_or(rest.len());
    rest[..end].trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensors::test_support::profile;
    use proptest::prelude::*;

    #[test]
    fn the_last_state_of_each_transcript_counts() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src-tauri/transcripts");
        let mut read = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            let Some((head, output)) = text.split_once("\n\n") else { continue };
            let Some(means) = head.lines().find_map(|line| line.strip_prefix("state: ")) else { continue };
            let state = parse(&output.replace("\\r", "\r"));
            let named = state.map_or("none".to_owned(), |state| format!("{state:?}").to_lowercase());
            assert_eq!(named, means, "{head}");
            read += 1;
        }
        assert!(read > 8);
    }

    #[test]
    fn what_is_not_understood_is_nothing_said() {
        for nothing in ["", ">> state: Not Available", ">> state:", ">> state: Connected\n>> state: Not Available"] {
            assert_eq!(parse(nothing), None, "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_before_the_last_state_wins(before in any::<String>(), ends in "[\r\n]+", prompt in "( *VPN> ?){0,3}") {
            let output = format!("{before}{ends}{prompt}>> state: Disconnecting{ends}");
            prop_assert_eq!(parse(&output), Some(ClientState::Disconnecting));
        }

        #[test]
        fn no_text_without_the_mark_is_a_state(text in "[^>]*") {
            prop_assert_eq!(parse(&text), None);
        }
    }

    #[cfg(unix)]
    fn with_command(script: &str) -> (tempfile::TempDir, Profile) {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vpn");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut profile = profile();
        profile.vpn.command_line.linux = vec!["/no/such/vpn".to_owned(), path.to_str().unwrap().to_owned()];
        (folder, profile)
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn the_command_line_is_asked_with_closed_input_and_in_bounds() {
        let (_kept, profile) =
            with_command("[ \"$*\" = state ] && ! read line && printf '  >> state: Connecting\\r\\n'");
        assert_eq!(state(&profile).await, Some(ClientState::Connecting));

        let (_kept, profile) = with_command("echo '>> state: Connected'; exit 1");
        assert_eq!(state(&profile).await, None, "a failure says nothing");

        let (_kept, profile) = with_command("echo '>> state: Connected'; yes");
        assert_eq!(state(&profile).await, None, "too much is a failure");

        let (_kept, profile) = with_command("echo '>> state: Connected'; exec sleep 60");
        let begun = std::time::Instant::now();
        assert_eq!(state(&profile).await, None, "so is too late");
        assert!(begun.elapsed() < LIMIT + Duration::from_secs(2));

        assert_eq!(state(&crate::sensors::test_support::profile()).await, None, "not installed");
    }

    fn preferences(default: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AnyConnectPreferences>\n<DefaultUser>jdupont</DefaultUser>\n\
             <DefaultHostName>{default}</DefaultHostName>\n<DefaultHostAddress></DefaultHostAddress>\n\
             <ControllablePreferences>\n</ControllablePreferences>\n</AnyConnectPreferences>\n"
        )
    }

    fn entry(name: &str, address: &str) -> String {
        let address = if address.is_empty() { String::new() } else { format!("<HostAddress>{address}</HostAddress>") };
        format!("<HostEntry><HostName>{name}</HostName>{address}</HostEntry>")
    }

    fn installed(entries: &[String]) -> String {
        format!(
            "\u{feff}<AnyConnectProfile xmlns=\"http://schemas.xmlsoap.org/encoding/\"><ServerList>{}</ServerList>\
             </AnyConnectProfile>",
            entries.concat()
        )
    }

    fn found(files: &[(&str, &str)]) -> Option<Id> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let mut profile = profile();
        let path = folder.path().to_str().unwrap();
        let patterns = vec![format!("{path}/preferences.xml"), format!("{path}/*.XML"), format!("{path}/none/*.xml")];
        let preferences = &mut profile.vpn.preferences;
        (preferences.linux, preferences.windows) = (patterns.clone(), patterns);
        site(&profile)
    }

    #[test]
    fn the_site_is_that_of_the_users_last_choice() {
        let both = installed(&[
            entry("VPN Caen", "portailotp.ac-caen.fr"),
            entry("VPN Rouen", "https://api.ac-rouen.fr/agents"),
        ]);
        let find = |default: &str| found(&[("preferences.xml", &preferences(default)), ("academie.xml", &both)]);
        assert_eq!(find("api.ac-rouen.fr").as_deref(), Some("rouen"));
        assert_eq!(find("API.AC-ROUEN.FR:443").as_deref(), Some("rouen"));
        assert_eq!(find("VPN Rouen").as_deref(), Some("rouen"), "by the entry's name");
        assert_eq!(find("vpn caen").as_deref(), Some("caen"));
        assert_eq!(find("vpn.elsewhere.example"), None, "another employer's VPN");
        assert_eq!(find(""), None, "two to choose from, none chosen");
    }

    #[test]
    fn without_a_choice_the_only_site_offered_is_meant() {
        let one = installed(&[entry("portailotp.ac-caen.fr", ""), entry("Secours", "portailotp.ac-caen.fr/secours")]);
        assert_eq!(found(&[("academie.xml", &one)]).as_deref(), Some("caen"));
        assert_eq!(found(&[("academie.xml", &installed(&[entry("x", "vpn.example")]))]), None);
        assert_eq!(found(&[("academie.xml", "<AnyConnectProfile><ServerList>")]), None, "broken");
        assert_eq!(found(&[]), None);
    }
}
