//! The printers' naming scheme, decoded (guide, section 10): `I00YY-DIVX-C2`.

use crate::profile::Printing;

/// What a name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Department number, `14`.
    pub department: String,
    /// Kind of site, `RC`.
    pub place: String,
    /// Division, `DSI`.
    pub division: String,
    /// Number, where a division has several.
    pub number: Option<u8>,
    /// Building, `B`.
    pub building: Option<char>,
    /// Floor, `4`; `None` for the ground floor (`RDC`).
    pub floor: Option<String>,
}

/// Decodes a queue's name; `None` where it does not follow the scheme.
pub fn decode(_printing: &Printing, _name: &str) -> Option<Name> {
    todo!()
}
