//! The system's word that the program has to end.

use std::io;

/// Waits until the session ends, the service manager stops the program, or somebody presses Ctrl-C.
///
/// # Errors
/// Where the system does not let the program listen.
#[cfg(unix)]
pub async fn ended() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt, mut hangup) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

/// Waits until the session ends or somebody presses Ctrl-C.
///
/// # Errors
/// Where the system does not let the program listen.
#[cfg(windows)]
pub async fn ended() -> io::Result<()> {
    use tokio::signal::windows::{ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
    let (mut c, mut close, mut logoff, mut shutdown) = (ctrl_c()?, ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?);
    tokio::select! {
        _ = c.recv() => {}
        _ = close.recv() => {}
        _ = logoff.recv() => {}
        _ = shutdown.recv() => {}
    }
    Ok(())
}
