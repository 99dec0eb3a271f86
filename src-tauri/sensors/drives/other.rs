//! A system that Vigie does not know closely.

use vigie_core::message::DriveState;
use vigie_profile::Drive;

/// Not read here.
pub(super) fn read(_drives: &[Drive]) -> anyhow::Result<Vec<DriveState>> {
    anyhow::bail!("not read on this system")
}
