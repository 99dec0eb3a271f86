//! Parses what Cisco's command line prints: lines of the form `>> KEY: VALUE`, with carriage returns between the lines
//! and `VPN> ` prompts around them.
//!
//! There is no specification of it; the format is known from output that users of versions 2 to 5 have published
//! (src-tauri/transcripts). Only whole keys and whole values are recognised, everything else is ignored. The keys are
//! English in every language; the values are in the language of the client, which is that of the system.

use super::ClientState;

const PROMPT: &str = "VPN>";

/// Returns a line without the prompts around it.
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

/// Returns the value of a line that has this key exactly; a longer one such as "Connection State" does not count.
pub fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (found, value) = without_prompts(line).strip_prefix(">>")?.split_once(':')?;
    found.trim().eq_ignore_ascii_case(key).then_some(value.trim())
}

/// Returns the state of that name. No French output was found; the two French names are those that can mean nothing
/// else. Only ASCII letters are compared, because a wrong code page may have garbled the others.
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
    fn states_are_recognised_in_english_and_in_french_despite_garbled_accents() {
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
