//! Who may change a file or a folder, by its Windows security descriptor in SDDL
//! (<https://learn.microsoft.com/windows/win32/secauthz/security-descriptor-string-format>).

/// Rights to change what a file holds, what a folder holds, or who has these rights: write or add a file, append or add
/// a folder, delete what is in it, delete it, change the list of rights, take it over; and the generic ones.
const WRITE: u32 = 0x2 | 0x4 | 0x40 | 0x1_0000 | 0x4_0000 | 0x8_0000 | 0x1000_0000 | 0x4000_0000;

/// The rights by their names in SDDL, for a file.
const RIGHTS: [(&str, u32); 19] = [
    ("GA", 0x1000_0000),
    ("GR", 0x8000_0000),
    ("GW", 0x4000_0000),
    ("GX", 0x2000_0000),
    ("RC", 0x2_0000),
    ("SD", 0x1_0000),
    ("WD", 0x4_0000),
    ("WO", 0x8_0000),
    ("CC", 0x1),
    ("DC", 0x2),
    ("LC", 0x4),
    ("SW", 0x8),
    ("RP", 0x10),
    ("WP", 0x20),
    ("DT", 0x40),
    ("LO", 0x80),
    ("CR", 0x100),
    ("FR", 0x12_0089),
    ("FX", 0x12_00a0),
];

/// The system, the local administrators, the built-in administrator, and those of the domain and the forest.
const ADMINISTRATORS: [&str; 8] = [
    "SY",
    "BA",
    "LA",
    "DA",
    "EA",
    "S-1-5-18",
    "S-1-5-32-544",
    // TrustedInstaller
    "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464",
];

/// Returns whether the owner is an administrator and nobody else may write; false if the descriptor cannot be parsed.
pub(super) fn only_administrators_write(sddl: &str) -> bool {
    parse(sddl).unwrap_or(false)
}

fn parse(sddl: &str) -> Option<bool> {
    let owner = sddl.strip_prefix("O:")?;
    let end = ["G:", "D:"].iter().filter_map(|section| owner.find(section)).min()?;
    let list = &owner[owner.find("D:")? + 2..];
    let start = list.find('(');
    // Without a list of rights, everybody has every right.
    if list[..start.unwrap_or(list.len())].contains("NO_ACCESS_CONTROL") {
        return Some(false);
    }
    let mut rest = start.map_or("", |start| &list[start..]);
    let mut denied = is_administrator(&owner[..end]);
    while let Some(entry) = rest.strip_prefix('(') {
        let end = closing(entry)?;
        denied &= !lets_others_write(&entry[..end])?;
        rest = &entry[end + 1..];
    }
    // What may follow is the list of what is audited.
    (rest.is_empty() || rest.starts_with("S:")).then_some(denied)
}

/// Returns the index of the parenthesis that closes the open one; a condition contains others.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

/// Returns whether an entry, `type;flags;rights;object;inherited object;who`, lets an ordinary user write.
fn lets_others_write(entry: &str) -> Option<bool> {
    let fields: Vec<&str> = entry.split(';').collect();
    let [kind, flags, rights, _, _, who, ..] = fields[..] else { return None };
    let denies = matches!(kind, "D" | "OD" | "XD");
    // An entry that is only there to be inherited says nothing about the folder itself.
    let inherit_only = flags.as_bytes().chunks(2).any(|flag| flag == b"IO");
    Some(!denies && !inherit_only && !is_administrator(who) && mask(rights) & WRITE != 0)
}

fn is_administrator(sid: &str) -> bool {
    let of_domain = || {
        let relative = sid.strip_prefix("S-1-5-21-").and_then(|rest| rest.rsplit('-').next());
        relative.is_some_and(|relative| matches!(relative, "500" | "512" | "519"))
    };
    ADMINISTRATORS.contains(&sid) || of_domain()
}

/// Returns the rights as a mask; a name that is not known counts as all.
fn mask(rights: &str) -> u32 {
    if let Some(number) = rights.strip_prefix("0x") {
        return u32::from_str_radix(number, 16).unwrap_or(u32::MAX);
    }
    let right =
        |name: &[u8]| RIGHTS.iter().find(|(known, _)| known.as_bytes() == name).map_or(u32::MAX, |right| right.1);
    rights.as_bytes().chunks(2).map(right).fold(0, |all, one| all | one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_administrators_may_write_what_counts() {
        // What an MSI makes: inheritance cut off, SYSTEM and Administrators write, users read.
        for sddl in [
            "O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)",
            "O:BAG:DUD:P(A;;GA;;;SY)(A;;0x1f01ff;;;BA)(A;;FRFX;;;AU)",
            "O:S-1-5-32-544G:S-1-5-18D:(A;ID;FA;;;S-1-5-18)(A;ID;0x1200a9;;;S-1-5-32-545)",
            "O:BAG:SYD:PAI(A;OICIIO;GA;;;CO)(A;OICI;FA;;;BA)(D;;FA;;;BU)S:AI(AU;SAFA;FA;;;WD)",
            "O:S-1-5-21-1-2-3-512G:DUD:P(A;;FA;;;S-1-5-21-1-2-3-500)(A;;FR;;;WD)",
            "O:S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464G:SYD:P(A;;FA;;;SY)",
            "O:BAG:SYD:P",
            "O:BAG:SYD:P(XA;;FR;;;BU;(Member_of {SID(BA)}))(A;;FA;;;BA)",
        ] {
            assert!(only_administrators_write(sddl), "{sddl}");
        }
    }

    #[test]
    fn owners_and_writers_that_are_ordinary_users_are_found() {
        for sddl in [
            // The folder that any user can make below ProgramData: it belongs to them.
            "O:S-1-5-21-1-2-3-1001G:DUD:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIID;0x1200a9;;;BU)",
            // The same of an administrator, with what it inherits: users may add files (DC) and folders (LC).
            "O:BAG:DUD:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIIOID;GA;;;CO)(A;CIID;DCLCRPCR;;;BU)",
            "O:BAG:SYD:P(A;;FA;;;SY)(A;;0x1301bf;;;BU)",
            "O:BAG:SYD:P(A;;FA;;;WD)",
            "O:BAG:SYD:P(A;;GW;;;AU)",
            "O:BAG:SYD:P(A;;FW;;;IU)",
            "O:BAG:SYD:P(A;;WD;;;BU)",
            "O:BAG:SYD:P(A;;WO;;;S-1-5-21-1-2-3-1001)",
            "O:BAG:SYD:P(A;;SD;;;BU)",
            "O:BAG:SYD:P(XA;;FA;;;BU;(Member_of {SID(BA)}))",
            "O:BAG:SYD:P(OA;;0x2;;;PU)",
            "O:S-1-5-21-1-2-3-5120G:SYD:P(A;;FA;;;SY)",
            "O:BUG:SYD:P(A;;FA;;;SY)",
            "O:BAG:SYD:NO_ACCESS_CONTROL",
        ] {
            assert!(!only_administrators_write(sddl), "{sddl}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_not_trusted() {
        for sddl in [
            "",
            "O:BA",
            "O:BAG:SY",
            "D:(A;;FA;;;SY)",
            "O:BAG:SYD:(A;;FA;;",
            "O:BAG:SYD:(A;;FA)",
            "O:BAG:SYD:P(A;;FA;;;SY)x",
        ] {
            assert!(!only_administrators_write(sddl), "{sddl}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_descriptor_panics(sddl in "(O:)?[A-Z]{0,2}(G:)?(D:)?[(;)A-Z0-9x-]{0,40}\\PC{0,10}") {
            only_administrators_write(&sddl);
        }
    }
}
