//! `vigie status`, and the texts that go to the helpdesk: what the panel shows, as text and as JSON.

use super::panel::{Panel, panel};
use crate::core::update::State;
use crate::core::vpn::Verdict;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state for programs and for the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The verdict.
    pub verdict: Verdict,
    /// Since when it stands.
    pub since: Timestamp,
    /// Whether the drives and the business applications are within reach; `null` where that is not known.
    pub reaches_inside: Option<bool>,
    /// The site's id.
    pub site: Option<String>,
    /// The gateway of the site.
    pub gateway: Option<String>,
    /// The next automatic shutdown.
    pub shutdown: Option<Timestamp>,
    /// The panel's rows.
    pub panel: Panel,
}

/// The status of a state.
pub fn status(state: &State) -> Status {
    Status {
        verdict: state.vpn.verdict(),
        since: state.vpn.since().timestamp(),
        reaches_inside: state.reaches_inside(),
        site: state.site().map(|site| site.id.clone()),
        gateway: state.site().map(|site| site.gateway.clone()),
        shutdown: state.shutdown.next_shutdown(&state.now).map(|at| at.timestamp()),
        panel: panel(state),
    }
}

/// The status as text: one line a row, under its group's heading.
pub fn text(status: &Status) -> String {
    let mut text = format!("{}\n{}\n", status.panel.title, status.panel.subtitle);
    for group in &status.panel.groups {
        text.push_str(&format!("\n{}\n", group.title));
        for row in &group.rows {
            text.push_str(&format!("  {} : {}\n", row.label, row.value));
        }
    }
    text
}

/// What is copied for the helpdesk: the status, and when it was taken.
pub fn support_info(state: &State) -> String {
    let taken = state.now.wall.strftime("%d/%m/%Y %H:%M");
    format!("Vigie, le {taken}\n{}", text(&status(state)))
}
