//! Switches the computer off, in the way the system's own menu does: programs are asked to end, and may refuse.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

use vigie_core::message::PowerOffError;

/// Asks the system to switch the computer off. The user has confirmed it.
///
/// # Errors
/// Why the system does not.
pub async fn power_off() -> Result<(), PowerOffError> {
    tracing::info!("switching the computer off");
    system::power_off().await
}
