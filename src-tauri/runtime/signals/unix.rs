//! Signals. `SIGUSR1` is the package's (`runtime/installer`); the others are everybody's.

use super::Word;
use std::io;
use tokio::signal::unix::{SignalKind, signal};

pub(super) async fn ended() -> io::Result<Word> {
    let (mut terminate, mut interrupt, mut hangup) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
    let mut renew = signal(SignalKind::user_defined1())?;
    Ok(tokio::select! {
        _ = terminate.recv() => Word::End,
        _ = interrupt.recv() => Word::End,
        _ = hangup.recv() => Word::End,
        _ = renew.recv() => Word::Renew,
    })
}
