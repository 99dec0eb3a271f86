//! Cleans text that comes from outside before anybody reads it.

/// How many characters of a name are shown.
pub const MAX_CHARS: usize = 200;

/// Returns the text on one line, without characters that have an effect but no shape of their own.
///
/// Names of hosts, shares, printers and packages come from services and networks that Vigie does not control. Control
/// characters would control a terminal, bidirectional ones would reorder the text around them in a menu or a page, and
/// invisible ones would make two different names look the same. White space becomes a space; text of more than
/// [`MAX_CHARS`] is cut.
pub fn sanitize(text: &str) -> String {
    let mut clean: String = text
        .chars()
        .map(|c| if c.is_whitespace() && !matches!(c, '\u{a0}' | '\u{202f}') { ' ' } else { c })
        .filter(|c| !acts(*c))
        .take(MAX_CHARS + 1)
        .collect();
    if let Some((end, _)) = clean.char_indices().nth(MAX_CHARS) {
        clean.truncate(end);
        clean.push('…');
    }
    clean.trim().to_owned()
}

/// Returns the text without characters that act, except line ends. For reports, which are as long as they are.
pub fn sanitize_report(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || !acts(*c)).collect()
}

/// Whether the character has an effect but no shape of its own.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Soft hyphen; bidirectional marks, embeddings, overrides and isolates; zero-width characters and fillers.
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
            // Interlinear annotations; tags and variation selectors.
            | '\u{fff9}'..='\u{fffb}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_names_are_left_as_they_are() {
        for name in ["I14RC-DSI-RDC", "Données communes", "l’académie : 2 %", "東京", "21\u{a0}h\u{202f}30"] {
            assert_eq!(sanitize(name), name);
        }
    }

    #[test]
    fn control_and_bidirectional_characters_are_removed() {
        assert_eq!(sanitize("a\u{1b}[31mb\u{7}\r\nc\td\u{85}e"), "a[31mb  c d e");
        assert_eq!(sanitize("\u{202e}txt.exe\u{2066}\u{200b}"), "txt.exe");
        assert_eq!(sanitize("  \n "), "");
        assert_eq!(sanitize(&"é".repeat(500)).chars().count(), MAX_CHARS + 1);
    }

    #[test]
    fn reports_keep_their_lines_and_their_length() {
        let long = "é".repeat(500);
        assert_eq!(sanitize_report(&format!("{long}\n\u{9b}2J\u{202e}b\r\n")), format!("{long}\n2Jb\n"));
    }

    proptest! {
        #[test]
        fn sanitized_text_is_short_inert_and_stable(
            text in prop_oneof![any::<String>(), "[\u{0}-\u{20}\u{80}-\u{9f}\u{200b}-\u{206f}a-c]{0,250}"]
        ) {
            let clean = sanitize(&text);
            prop_assert!(!clean.chars().any(acts));
            let breaks = clean.contains(['\n', '\r', '\t', '\u{2028}', '\u{2029}']);
            prop_assert!(!breaks);
            prop_assert!(clean.chars().count() <= MAX_CHARS + 1);
            prop_assert_eq!(sanitize(&clean), clean);
        }
    }
}
