//! `vigie doctor`: asks every sensor once, and says what it saw and how long it took.

use crate::profile::Loaded;

/// The report, and whether nothing is amiss.
pub async fn report(_loaded: &Loaded) -> (String, bool) {
    todo!()
}
