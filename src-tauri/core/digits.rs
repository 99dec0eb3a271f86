//! Numbers that the user types: of a telephone or a session.

use serde::{Deserialize, Serialize};

/// At least one digit and nothing else, so that it is safe to pass to programs and telephones.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digits(String);

impl Digits {
    /// The most digits accepted: a telephone number has 15 at most (ITU-T E.164), a session's about 8.
    pub const MAX_LEN: usize = 20;

    /// Returns the digits if the text holds nothing else.
    pub fn new(text: &str) -> Option<Digits> {
        let fits = (1..=Digits::MAX_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| Digits(text.to_owned()))
    }

    /// Returns the digits as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Digits {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Digits, &'static str> {
        Digits::new(&text).ok_or("1 to 20 digits are expected, and nothing else")
    }
}

impl From<Digits> for String {
    fn from(digits: Digits) -> String {
        digits.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_are_accepted() {
        for good in ["0", "12345678", "06123456780612345678"] {
            assert_eq!(Digits::new(good).as_ref().map(Digits::as_str), Some(good));
        }
        for bad in ["", " 1", "1 2", "-1", "+33", "1;ls", "١٢", "--connect", "061234567806123456789"] {
            assert_eq!(Digits::new(bad), None, "{bad:?}");
            assert!(serde_json::from_value::<Digits>(bad.into()).is_err(), "{bad:?}");
        }
    }
}
