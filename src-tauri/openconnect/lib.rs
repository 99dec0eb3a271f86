//! The protocol between the tray and the program that runs as root (docs/decisions/0006-openconnect.md).

/// First line that `vigie-openconnect` prints: it now waits for its three lines of input. If the program ends before this
/// line, polkit refused.
pub const STARTED: &str = "vigie-openconnect: started";

/// First word of the line that `vigie-openconnect` prints if it refuses the site, the identifier or the passcode.
pub const REFUSED: &str = "vigie-openconnect: refused";

/// The paths at which `openconnect` may be installed. `PATH` is not searched.
pub const PROGRAMS: [&str; 2] = ["/usr/sbin/openconnect", "/usr/bin/openconnect"];

/// Separates, in the first line of `vigie-openconnect`'s input, the id of the site from the group that the user belongs to at
/// its gateway. Most gateways have none.
pub const GROUP_SEPARATOR: char = '\t';
