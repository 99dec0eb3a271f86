//! Numbers that are typed: of a telephone, of a session.

use serde::{Deserialize, Serialize};

/// Digits alone, at least one. What is handed to programs and telephones is made of nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digits(String);

impl Digits {
    /// More than any number has: a telephone number has 15 at most (ITU-T E.164), a session's has 8 or so.
    pub const MOST: usize = 20;

    /// The digits, where there is nothing else.
    pub fn new(text: &str) -> Option<Digits> {
        let fits = (1..=Digits::MOST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| Digits(text.to_owned()))
    }

    /// As text.
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
    fn digits_and_nothing_else() {
        for good in ["0", "12345678", "06123456780612345678"] {
            assert_eq!(Digits::new(good).as_ref().map(Digits::as_str), Some(good));
        }
        for bad in ["", " 1", "1 2", "-1", "+33", "1;ls", "١٢", "--connect", "061234567806123456789"] {
            assert_eq!(Digits::new(bad), None, "{bad:?}");
            assert!(serde_json::from_value::<Digits>(bad.into()).is_err(), "{bad:?}");
        }
    }
}
