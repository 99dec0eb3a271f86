//! The form of identifier and passcode, the same for the tray and for the program that runs as root.

/// Returns whether an identifier may be handed to a VPN client, where it becomes a command-line argument and a line of
/// standard input: printable ASCII without blanks or line ends, no leading `-` (it would read as an option), at most
/// 128 bytes.
pub fn is_valid_identifier(identifier: &str) -> bool {
    !identifier.is_empty() && !identifier.starts_with('-') && identifier.len() <= 128 && is_graphic(identifier)
}

/// Returns whether a PIN or a passcode may be handed to a VPN client, where it becomes a line of standard input.
pub fn is_valid_passcode(passcode: &str) -> bool {
    !passcode.is_empty() && is_graphic(passcode)
}

fn is_graphic(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}
