//! Signals. `SIGUSR1` is sent by the package (`runtime/installer`); the others have their usual meaning.

use super::EndReason;
use std::io;
use tokio::signal::unix::{SignalKind, signal};

pub(super) async fn ended() -> io::Result<EndReason> {
    let (mut terminate, mut interrupt, mut hangup) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
    let mut renew = signal(SignalKind::user_defined1())?;
    Ok(tokio::select! {
        _ = terminate.recv() => EndReason::End,
        _ = interrupt.recv() => EndReason::End,
        _ = hangup.recv() => EndReason::End,
        _ = renew.recv() => EndReason::Renew,
    })
}
