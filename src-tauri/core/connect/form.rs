//! The form of the window for connecting, and the secrets in it.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;
use vigie_profile::{Id, VpnConfig, is_valid_identifier, is_valid_passcode};

/// Number of digits that the one-time-password key shows (guide, section 1: "6 chiffres de la clé OTP").
pub const OTP_DIGITS: usize = 6;

/// A PIN, the six digits, or a passcode. Never printed; overwritten when the last clone is dropped.
#[derive(Clone)]
pub struct Secret(Arc<SecretString>);

impl Secret {
    /// Returns the text itself, for handing it over.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Returns the number of characters.
    pub(super) fn chars(&self) -> usize {
        self.expose().chars().count()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(Arc::new(SecretString::from(text)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Secret) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        String::deserialize(from).map(Secret::from)
    }
}

/// Serialises a secret for the IPC between page and tray only: [`Secret`] itself cannot be serialised.
fn serialize_for_ipc<S: Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.expose())
}

/// The PIN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(tag = "is", content = "text", rename_all = "kebab-case")]
pub enum Pin {
    /// The one that the keyring holds.
    Remembered,
    /// The one that the user typed.
    Typed(
        #[serde(serialize_with = "serialize_for_ipc")]
        #[cfg_attr(feature = "typescript", ts(type = "string"))]
        Secret,
    ),
}

/// The form as the user sent it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct Submission {
    /// What to do with it.
    pub way: ConnectMethod,
    /// The site.
    pub site: Id,
    /// "Identifiant académique (celui de la messagerie)".
    pub identifier: String,
    /// The PIN.
    pub pin: Pin,
    /// The key's six digits.
    #[serde(serialize_with = "serialize_for_ipc")]
    #[cfg_attr(feature = "typescript", ts(type = "string"))]
    pub digits: Secret,
    /// Whether to store the PIN in the keyring. If not, a stored one is deleted.
    pub remember_pin: bool,
}

/// What to do with a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
pub enum ConnectMethod {
    /// Connect.
    Connect,
    /// Put PIN and digits, one after the other, on the clipboard and open the client's own window.
    Clipboard,
}

/// A field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "as in the form")]
pub enum Field {
    Site,
    Identifier,
    Pin,
    Digits,
}

/// What is wrong with the form. `view::connect` has the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormError {
    /// No site of that name.
    Site,
    /// No identifier.
    NoIdentifier,
    /// The identifier has a blank, an accent, or another character that none has.
    OddIdentifier,
    /// No PIN.
    NoPin,
    /// The PIN is shorter or longer than the profile allows.
    PinLength,
    /// The PIN has a blank or an accent.
    OddPin,
    /// The digits are typed behind the PIN: sent in both fields, they would be refused.
    PinWithDigits,
    /// The keyring holds no PIN, or no longer.
    NothingRemembered,
    /// Not six digits.
    Digits,
}

impl FormError {
    /// Returns the field that it concerns.
    pub fn field(self) -> Field {
        match self {
            FormError::Site => Field::Site,
            FormError::NoIdentifier | FormError::OddIdentifier => Field::Identifier,
            FormError::NoPin
            | FormError::PinLength
            | FormError::OddPin
            | FormError::PinWithDigits
            | FormError::NothingRemembered => Field::Pin,
            FormError::Digits => Field::Digits,
        }
    }
}

/// Returns what is wrong with a form, at most one error per field; empty if it can be sent.
///
/// `site_exists` says whether the profile has its site, `pin_stored` whether the keyring holds a PIN. Site and identifier
/// count only if Vigie connects; otherwise the client's own window asks for them.
pub fn check(form: &Submission, site_exists: bool, pin_stored: bool, vpn: &VpnConfig) -> Vec<FormError> {
    let connects = form.way == ConnectMethod::Connect;
    let identifier = form.identifier.trim();
    let identifier = match identifier {
        _ if !connects => None,
        "" => Some(FormError::NoIdentifier),
        odd if !is_valid_identifier(odd) => Some(FormError::OddIdentifier),
        _ => None,
    };
    let length = usize::from(vpn.pin_min)..=usize::from(vpn.pin_max);
    let digits = form.digits.expose();
    let wrong_digits = digits.len() != OTP_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit());
    // The other field's digits, or any if it is empty.
    let has_digits = |pin: &str| {
        let rest = if digits.is_empty() {
            let letters = pin.trim_end_matches(|character: char| character.is_ascii_digit());
            (pin.len() >= letters.len() + OTP_DIGITS).then(|| pin.len() - OTP_DIGITS)
        } else {
            pin.strip_suffix(digits).filter(|_| !wrong_digits).map(str::len)
        };
        rest.is_some_and(|rest| length.contains(&rest))
    };
    let pin = match &form.pin {
        Pin::Remembered => (!pin_stored).then_some(FormError::NothingRemembered),
        Pin::Typed(pin) if pin.expose().is_empty() => Some(FormError::NoPin),
        Pin::Typed(pin) if !is_valid_passcode(pin.expose()) => Some(FormError::OddPin),
        Pin::Typed(pin) if has_digits(pin.expose()) => Some(FormError::PinWithDigits),
        Pin::Typed(pin) => (!length.contains(&pin.chars())).then_some(FormError::PinLength),
    };
    let site = (connects && !site_exists).then_some(FormError::Site);
    let errors = [site, identifier, pin, wrong_digits.then_some(FormError::Digits)];
    errors.into_iter().flatten().collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::fixture::{guide, submission};

    pub(in crate::connect) fn form() -> Submission {
        Submission { identifier: " jdupont ".into(), remember_pin: true, ..submission() }
    }

    pub(in crate::connect) fn vpn() -> VpnConfig {
        guide().vpn.clone()
    }

    #[test]
    fn form_survives_the_ipc() {
        let line = serde_json::to_string(&form()).expect("plain values");
        assert_eq!(serde_json::from_str::<Submission>(&line).expect("what was written"), form());
        assert!(line.contains(r#""pin":{"is":"typed","text":"4321"}"#), "{line}");
    }

    #[test]
    fn check_reports_one_error_per_field() {
        let check = |change: &dyn Fn(&mut Submission)| {
            let mut form = form();
            change(&mut form);
            check(&form, form.site == "caen", false, &vpn())
        };
        let typed = |text: &str| Pin::Typed(text.to_owned().into());
        assert_eq!(check(&|_| {}), []);
        assert_eq!(check(&|form| form.site = "paris".into()), [FormError::Site]);
        assert_eq!(check(&|form| form.identifier = "  ".into()), [FormError::NoIdentifier]);
        for odd in ["jean dupont", "jdupont\nyes", "--config=/tmp/x"] {
            assert_eq!(check(&|form| form.identifier = odd.into()), [FormError::OddIdentifier], "{odd}");
        }
        assert_eq!(check(&|form| form.pin = typed("")), [FormError::NoPin]);
        assert_eq!(check(&|form| form.pin = typed("12\n34")), [FormError::OddPin]);
        assert_eq!(check(&|form| form.pin = typed("123")), [FormError::PinLength]);
        assert_eq!(check(&|form| form.pin = typed(&"1".repeat(60))), [FormError::PinLength]);
        let digits = form().digits.expose().to_owned();
        let with_digits = |pin: &str| check(&|form| form.pin = typed(&format!("{pin}{digits}")));
        assert_eq!(with_digits("4321"), [FormError::PinWithDigits]);
        assert_eq!(with_digits("123"), [], "what is left is no PIN: this is one that ends so by chance");
        assert_eq!(check(&|form| form.pin = typed("4321000000")), []);
        let alone = |pin: &str| check(&|form| (form.pin, form.digits) = (typed(pin), String::new().into()));
        assert_eq!(alone("Kx9v000000"), [FormError::PinWithDigits, FormError::Digits], "as the guide writes it");
        assert_eq!(alone("Kx9vP00000"), [FormError::Digits], "one digit less");
        assert_eq!(alone("123000000"), [FormError::Digits]);
        assert_eq!(check(&|form| form.pin = Pin::Remembered), [FormError::NothingRemembered]);
        for odd in ["", "12345", "1234567", "12 456", "12345a", "１２３４５６"] {
            assert_eq!(check(&|form| form.digits = odd.to_owned().into()), [FormError::Digits], "{odd}");
        }
        assert_eq!(
            check(&|form| (form.identifier, form.digits) = (String::new(), String::new().into())),
            [FormError::NoIdentifier, FormError::Digits]
        );
        let by_hand = |form: &mut Submission| {
            form.way = ConnectMethod::Clipboard;
            (form.site, form.identifier, form.digits) = ("paris".into(), String::new(), String::new().into());
        };
        assert_eq!(check(&by_hand), [FormError::Digits], "the client's own window asks for the rest");
    }
}
