//! Cisco's files: the user's preferences, those of the machine, and the installed profiles.
//!
//! The formats are those of Cisco Secure Client 5 and AnyConnect 4.

use super::expand;
use crate::sensors::glob;
use std::cmp::Reverse;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use vigie_profile::{Id, Profile};

/// The size of the largest file that is read.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The element of a profile that says whether users of remote sessions may connect; each system reads its own.
const REMOTE_USERS: &str = if cfg!(windows) { "WindowsVPNEstablishment" } else { "LinuxVPNEstablishment" };

/// What Cisco's files say.
#[derive(Debug, Default)]
pub struct CiscoFiles {
    /// The server that was used last, by the preferences that count.
    last_server: Option<LastServer>,
    servers: Vec<HostEntry>,
    /// Whether an installed profile lets users of remote sessions connect.
    pub allows_remote_users: bool,
}

/// `DefaultHostName` and `DefaultHostAddress`, whichever are there.
#[derive(Debug)]
struct LastServer {
    /// The name of a server of the profiles, or an address.
    name: Option<String>,
    address: Option<String>,
}

/// `ServerList/HostEntry` of a profile.
#[derive(Debug)]
struct HostEntry {
    name: String,
    /// Its own address, then those of its backup servers.
    addresses: Vec<String>,
}

impl CiscoFiles {
    /// Reads the files that the profile names. Of several preferences the user's count before the machine's, and newer ones
    /// before older ones: a new version of the client leaves the file of the old one behind.
    pub fn read(profile: &Profile) -> CiscoFiles {
        let mut files: Vec<_> = profile.vpn.preferences.here().iter().flat_map(|pattern| matching(pattern)).collect();
        files.sort_by_key(|file| (is_global(file), Reverse(modified(file))));
        let mut found = CiscoFiles::default();
        for file in files {
            match read(&file) {
                Ok(text) => found.add(&text),
                Err(error) => tracing::debug!(%error, file = %file.display(), "reading a file of Cisco's failed"),
            }
        }
        found
    }

    fn add(&mut self, text: &str) {
        let Ok(document) = roxmltree::Document::parse(text) else { return };
        let (mut name, mut address) = (None, None);
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            match node.tag_name().name() {
                "DefaultHostName" => name = text_of(node),
                "DefaultHostAddress" => address = text_of(node),
                "HostEntry" => self.servers.extend(HostEntry::read(node)),
                name if name == REMOTE_USERS => {
                    self.allows_remote_users |= text_of(node).as_deref() == Some("AllowRemoteUsers");
                }
                _ => {}
            }
        }
        if self.last_server.is_none() && (name.is_some() || address.is_some()) {
            self.last_server = Some(LastServer { name, address });
        }
    }

    /// Returns the site of the server that was used last, or the only one that the installed profiles offer.
    pub fn site<'a>(&self, profile: &'a Profile) -> Option<&'a Id> {
        let with_gateway = |address: &String| {
            let host = host(address);
            profile.sites.iter().find(|site| site.gateway.eq_ignore_ascii_case(host)).map(|site| &site.id)
        };
        let of_server = |server: &HostEntry| server.addresses.iter().find_map(with_gateway);
        if let Some(LastServer { name, address }) = &self.last_server {
            let named = |name: &String| self.servers.iter().find(|server| server.name.eq_ignore_ascii_case(name));
            return (name.as_ref())
                .and_then(|name| with_gateway(name).or_else(|| of_server(named(name)?)))
                .or_else(|| with_gateway(address.as_ref()?));
        }
        let mut offered = self.servers.iter().filter_map(of_server);
        let first = offered.next()?;
        offered.all(|other| other == first).then_some(first)
    }
}

impl HostEntry {
    fn read(entry: roxmltree::Node) -> Option<HostEntry> {
        let addresses_in = |node: roxmltree::Node| -> Vec<String> {
            let addresses = node.children().filter(|child| child.tag_name().name() == "HostAddress");
            addresses.filter_map(text_of).collect()
        };
        let child = |name| entry.children().find(|child| child.tag_name().name() == name);
        let name = child("HostName").and_then(text_of);
        let mut addresses = addresses_in(entry);
        if addresses.is_empty() {
            // The name is the address.
            addresses.extend(name.clone());
        }
        let name = name.or_else(|| addresses.first().cloned())?;
        addresses.extend(child("BackupServerList").map(addresses_in).unwrap_or_default());
        Some(HostEntry { name, addresses })
    }
}

/// Returns the files that a pattern of the profile names, in the order of their names.
fn matching(pattern: &str) -> Vec<PathBuf> {
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

/// Returns whether the file holds the machine's preferences: `preferences_global.xml`, `.anyconnect_global`.
fn is_global(file: &Path) -> bool {
    file.file_stem().is_some_and(|name| name.to_string_lossy().to_lowercase().ends_with("_global"))
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}

fn read(file: &Path) -> io::Result<String> {
    // Opening a pipe would wait for its other end.
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(decode(&bytes))
}

/// Decodes XML: UTF-8 or UTF-16, with a byte order mark or without; what is neither, as Latin-1.
fn decode(bytes: &[u8]) -> String {
    let utf16 = |decode: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.as_chunks().0.iter().map(|pair| decode(*pair)).collect();
        String::from_utf16_lossy(&units)
    };
    let text = match bytes {
        [0xff, 0xfe, ..] | [b'<', 0, ..] => utf16(u16::from_le_bytes),
        [0xfe, 0xff, ..] | [0, b'<', ..] => utf16(u16::from_be_bytes),
        _ => match str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
        },
    };
    text.trim_start_matches('\u{feff}').to_owned()
}

/// Returns an element's text without surrounding quotes and superfluous white space; `None` if it is empty.
fn text_of(node: roxmltree::Node) -> Option<String> {
    let text = node.text()?.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.trim_matches('"');
    (!text.is_empty()).then(|| text.to_owned())
}

/// Returns the host of an address that may have a scheme, a port and a group (`https://host:443/group`).
fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest).trim();
    if let Some((host, _)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return host;
    }
    let end = rest.find(['/', ':', '?', '#']).unwrap_or(rest.len());
    rest[..end].trim().trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensors::test_support::profile;
    use proptest::prelude::*;
    use std::time::Duration;

    fn preferences(name: &str, address: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AnyConnectPreferences>\n<DefaultUser>jdupont</DefaultUser>\n\
             <DefaultHostName>{name}</DefaultHostName>\n<DefaultHostAddress>{address}</DefaultHostAddress>\n\
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

    fn both() -> String {
        installed(&[entry("VPN Caen", "portailotp.ac-caen.fr"), entry("VPN Rouen", "https://api.ac-rouen.fr/agents")])
    }

    /// Reads these files, each an hour newer than the one before.
    fn read_bytes(files: &[(&str, Vec<u8>)]) -> (CiscoFiles, Profile) {
        let folder = tempfile::tempdir().unwrap();
        for (hours, (name, bytes)) in (0..).zip(files) {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_hours(400_000 + hours);
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        let mut profile = profile();
        let path = folder.path().to_str().unwrap();
        let patterns =
            ["*_global.xml", ".vpn/.anyconnect", ".anyconnect", "preferences.xml", "profile/*.XML", "none/*"];
        let patterns: Vec<_> = patterns.iter().map(|pattern| format!("{path}/{pattern}")).collect();
        let preferences = &mut profile.vpn.preferences;
        (preferences.linux, preferences.windows) = (patterns.clone(), patterns);
        (CiscoFiles::read(&profile), profile)
    }

    fn found_bytes(files: &[(&str, Vec<u8>)]) -> Option<Id> {
        let (files, profile) = read_bytes(files);
        files.site(&profile).cloned()
    }

    fn found(files: &[(&str, &str)]) -> Option<Id> {
        found_bytes(&files.iter().map(|(name, text)| (*name, text.as_bytes().to_vec())).collect::<Vec<_>>())
    }

    #[test]
    fn site_is_that_of_the_last_server() {
        let find = |name: &str, address: &str| {
            found(&[("preferences.xml", &preferences(name, address)), ("profile/academie.xml", &both())])
        };
        let rows = [
            ("api.ac-rouen.fr", "", Some("rouen")),
            ("API.AC-ROUEN.FR:443", "", Some("rouen")),
            ("VPN Rouen", "", Some("rouen")),
            ("vpn caen", "", Some("caen")),
            (" VPN \n Rouen ", "", Some("rouen")),
            // A port and a group; quoted, as some versions write it.
            ("api.ac-rouen.fr:8443/Agents", "", Some("rouen")),
            ("\"https://api.ac-rouen.fr:443/Agents\"", "api.ac-rouen.fr:443", Some("rouen")),
            ("api.ac-rouen.fr.", "", Some("rouen")),
            // The address alone; a name that no profile explains.
            ("", "api.ac-rouen.fr:443", Some("rouen")),
            ("Mon VPN", "api.ac-rouen.fr:443", Some("rouen")),
            ("VPN Caen", "api.ac-rouen.fr", Some("caen")),
            // Another employer's; two to choose from, none chosen.
            ("vpn.elsewhere.example", "", None),
            ("[2001:db8::1]:443", "", None),
            ("", "", None),
        ];
        for (name, address, site) in rows {
            assert_eq!(find(name, address).as_deref(), site, "{name} {address}");
        }
    }

    #[test]
    fn newer_preferences_and_the_users_count() {
        let (caen, rouen) = (preferences("portailotp.ac-caen.fr", ""), preferences("api.ac-rouen.fr", ""));
        assert_eq!(found(&[(".vpn/.anyconnect", &rouen)]).as_deref(), Some("rouen"));
        assert_eq!(found(&[(".anyconnect", &caen), (".vpn/.anyconnect", &rouen)]).as_deref(), Some("rouen"));
        assert_eq!(found(&[(".vpn/.anyconnect", &rouen), (".anyconnect", &caen)]).as_deref(), Some("caen"));
        assert_eq!(found(&[("preferences.xml", &caen), ("preferences_global.xml", &rouen)]).as_deref(), Some("caen"));
        assert_eq!(found(&[("preferences_global.xml", &rouen)]).as_deref(), Some("rouen"));
        // A user who has not chosen yet.
        let unset = preferences("", "");
        assert_eq!(found(&[("preferences.xml", &unset), ("preferences_global.xml", &rouen)]).as_deref(), Some("rouen"));
    }

    #[test]
    fn without_preferences_the_only_site_of_the_profiles_is_found() {
        let one = installed(&[entry("portailotp.ac-caen.fr", ""), entry("Secours", "portailotp.ac-caen.fr/secours")]);
        assert_eq!(found(&[("profile/academie.xml", &one)]).as_deref(), Some("caen"));
        assert_eq!(found(&[("profile/academie.xml", &both())]), None);
        assert_eq!(found(&[("profile/academie.xml", &installed(&[entry("x", "vpn.example")]))]), None);
        assert_eq!(found(&[("profile/academie.xml", "<AnyConnectProfile><ServerList>")]), None, "broken");
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn backup_servers_name_the_site_if_the_server_itself_does_not() {
        let with_backup = |address: &str, backup: &str| {
            let backup = format!("<BackupServerList><HostAddress>{backup}</HostAddress></BackupServerList>");
            installed(&[format!("<HostEntry><HostName>VPN</HostName>{address}{backup}</HostEntry>")])
        };
        let find = |address: &str, backup| found(&[("profile/a.xml", &with_backup(address, backup))]);
        let caen = "<HostAddress>portailotp.ac-caen.fr</HostAddress>";
        assert_eq!(find(caen, "api.ac-rouen.fr").as_deref(), Some("caen"));
        assert_eq!(find("<HostAddress>192.0.2.1</HostAddress>", "api.ac-rouen.fr").as_deref(), Some("rouen"));
        assert_eq!(find("", "api.ac-rouen.fr").as_deref(), Some("rouen"));
    }

    #[test]
    fn files_may_be_in_any_encoding_of_xml() {
        let profile = installed(&[entry("Accès académie", "api.ac-rouen.fr")]);
        let profile = profile.trim_start_matches('\u{feff}');
        let units = |mark: bool| mark.then_some(0xfeff).into_iter().chain(profile.encode_utf16());
        let encodings: [Vec<u8>; 7] = [
            profile.as_bytes().to_vec(),
            format!("\u{feff}{profile}").into_bytes(),
            units(true).flat_map(u16::to_le_bytes).collect(),
            units(false).flat_map(u16::to_le_bytes).collect(),
            units(true).flat_map(u16::to_be_bytes).collect(),
            units(false).flat_map(u16::to_be_bytes).collect(),
            profile.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(),
        ];
        let preferences = preferences("Accès académie", "").into_bytes();
        for bytes in encodings {
            let files = [("preferences.xml", preferences.clone()), ("profile/academie.xml", bytes.clone())];
            assert_eq!(found_bytes(&files).as_deref(), Some("rouen"), "{:x?}", &bytes[..8]);
        }
    }

    #[test]
    fn remote_users_are_allowed_only_if_a_profile_says_so() {
        let [own, other] = ["Windows", "Linux"].map(|system| format!("{system}VPNEstablishment"));
        let (own, other) = if cfg!(windows) { (own, other) } else { (other, own) };
        assert_eq!(own, REMOTE_USERS);
        let policy = |value: &str| {
            let text = format!(
                "<AnyConnectProfile><{other}>AllowRemoteUsers</{other}><{own}>{value}</{own}></AnyConnectProfile>"
            );
            read_bytes(&[("profile/academie.xml", text.into_bytes())]).0.allows_remote_users
        };
        assert!(policy("AllowRemoteUsers") && !policy("LocalUsersOnly") && !policy(""));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_place_of_a_file_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("preferences.xml");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(read(&pipe).is_err());
    }

    #[test]
    fn fuzz_files() {
        let profile = profile();
        let utf16: Vec<u8> = both().encode_utf16().flat_map(u16::to_le_bytes).collect();
        let entities = "<!DOCTYPE a [<!ENTITY b \"bbbb\"><!ENTITY c \"&b;&b;&b;&b;\">]><a><HostName>&c;</HostName></a>";
        let seeds =
            [preferences("VPN Rouen", "api.ac-rouen.fr:443").into_bytes(), both().into_bytes(), utf16, entities.into()];
        let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
        crate::fuzz::fuzz(&seeds, |bytes| {
            let mut files = CiscoFiles::default();
            files.add(&decode(bytes));
            files.add(&both());
            // Never another gateway than those of the profile.
            assert!(files.site(&profile).is_none_or(|found| profile.sites.iter().any(|site| site.id == *found)));
        });
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in any::<Vec<u8>>()) {
            CiscoFiles::default().add(&decode(&bytes));
        }
    }
}
