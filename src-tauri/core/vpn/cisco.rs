//! The form of what Cisco's command line prints: `>> KEY: VALUE`, with carriage returns between the lines and `VPN> `
//! prompts around them.
//!
//! Known from what users of the versions 2 to 5 have shown of it in public (src-tauri/transcripts), not from a
//! specification: whole keys and whole words count, and whatever else is said is nothing said. The keys are English in
//! every language; the words after them are the client's own, which is_notable the language of the system.

use super::ClientState;

const PROMPT: &str = "VPN>";

/// A line without the prompts around it.
pub fn without_prompts(line: &str) -> &str {
    let mut line = line.trim();
    while let Some(rest) = line.strip_prefix(PROMPT) {
        line = rest.trim_start();
    }
    while let Some(rest) = line.strip_suffix(PROMPT) {
        line = rest.trim_end();
    }
    line
}

/// The value of a line whose key is that one, and nothing longer ("Connection State", …).
pub fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (found, value) = without_prompts(line).strip_prefix(">>")?.split_once(':')?;
    found.trim().eq_ignore_ascii_case(key).then_some(value.trim())
}

/// The state of that name. No French output was found: the two French words are those that can mean nothing else. Only
/// the plain letters are compared, because a code page may have spoilt the others.
pub fn state(name: &str) -> Option<ClientState> {
    const NAMES: [(&str, ClientState); 9] = [
        ("Connected", ClientState::Connected),
        ("Connecting", ClientState::Connecting),
        ("Disconnecting", ClientState::Disconnecting),
        ("Disconnected", ClientState::Disconnected),
        ("Reconnecting", ClientState::Reconnecting),
        ("Paused", ClientState::Paused),
        ("Unknown", ClientState::Unknown),
        ("Connecté", ClientState::Connected),
        ("Déconnecté", ClientState::Disconnected),
    ];
    let plain = |text: &str| text.replace(|c: char| !c.is_ascii_alphabetic(), "").to_ascii_lowercase();
    let name = plain(name);
    NAMES.iter().find(|(known, _)| plain(known) == name).map(|(_, state)| *state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_keys_count() {
        assert_eq!(value("VPN> VPN>   >> State : PAUSED VPN>", "state"), Some("PAUSED"));
        for other in ["state: Connected", ">> notice: state: Connected", ">> Management Connection State: Connected"] {
            assert_eq!(value(other, "state"), None, "{other}");
        }
    }

    #[test]
    fn states_in_english_and_in_french_whatever_became_of_the_accents() {
        let rows = [
            ("connected", Some(ClientState::Connected)),
            ("Connecté", Some(ClientState::Connected)),
            ("D\u{fffd}connect\u{fffd}", Some(ClientState::Disconnected)),
            ("Verbunden", None),
            ("接続中", None),
            ("Connected to elsewhere", None),
            ("Not Available", None),
            ("", None),
        ];
        for (name, means) in rows {
            assert_eq!(state(name), means, "{name}");
        }
    }
}
