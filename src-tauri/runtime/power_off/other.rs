//! Not known how on this system.

/// Nothing is tried.
pub async fn power_off() -> Result<(), String> {
    Err("not available on this system".into())
}
