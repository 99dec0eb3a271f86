//! Ensures that each user runs one Vigie, and serves later starts, the command line and the panel's window (IPC).
//!
//! On Unix a lock (`flock`) decides which process is first, because the kernel releases it however the process ends; the
//! socket beside it is only for connecting. On Windows a named mutex and a named pipe do the same.
//!
//! Each connection carries one request, a line of JSON. The answer is a line too: empty for "done", a [`Status`] for
//! [`IpcRequest::Status`], and for [`IpcRequest::Watch`] one now and one at each change until the client leaves. A request
//! that cannot be parsed is answered by closing the connection.
//!
//! Only the same user can connect, who could start programs or switch the computer off anyway, so every [`Action`] is
//! accepted. It still goes through the core, which does only what the profile names, and asks before it switches the
//! computer off.

#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(windows), path = "unix.rs")]
mod transport;

use crate::Events;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use vigie_core::message::{Action, Event};
use vigie_view::status::Status;

/// Real requests have some tens of bytes.
const MAX_REQUEST_BYTES: u64 = 4096;

/// A real status has some thousands of bytes.
const MAX_STATUS_BYTES: u64 = 1 << 20;

/// How many connections are served at once.
const MAX_CONNECTIONS: usize = 32;

/// How many of them may watch the status. One more closes the oldest.
const MAX_WATCHERS: usize = 16;

/// Once all [`MAX_CONNECTIONS`] are taken, a connection this old is closed to make room, unless it watches the status.
/// A real request is answered much sooner.
const MAX_AGE_WHEN_FULL: Duration = Duration::from_millis(100);

/// How long a client may take to send its request, or to read its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long a second start waits for the first, which has the lock, to listen.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(3);

/// The result of [`claim`].
#[derive(Debug)]
pub enum InstanceLock {
    /// This process is the user's Vigie.
    First(IpcServer),
    /// Another process is.
    Second(IpcClient),
}

/// Why it cannot be determined which process is first.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// A folder or file in the user's own runtime folder belongs to somebody else, who probably ran Vigie there once.
    #[error("{} belongs to another user", .0.display())]
    ForeignOwner(PathBuf),
    /// The lock or the socket cannot be created.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a client may request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IpcRequest {
    /// Show the panel.
    Show,
    /// Carry out an action, as if the user had clicked it.
    Ask(Action),
    /// The status, once.
    Status,
    /// The status, now and at each change.
    Watch,
}

/// Becomes the user's Vigie, or finds the one that runs. Must be called within a tokio runtime.
///
/// # Errors
/// If neither the lock nor the socket can be created, or if they belong to another user.
pub fn claim() -> Result<InstanceLock, ClaimError> {
    let endpoint = transport::endpoint()?;
    Ok(match transport::IpcListener::claim(&endpoint)? {
        Some(listener) => InstanceLock::First(IpcServer { listener }),
        None => InstanceLock::Second(IpcClient { endpoint }),
    })
}

/// Serves the clients of the first process.
#[derive(Debug)]
pub struct IpcServer {
    listener: transport::IpcListener,
}

/// A connection that is being served.
struct Connection {
    task: AbortHandle,
    accepted_at: Instant,
    /// Whether its client watches the status; then it may stay open.
    is_watching: Arc<AtomicBool>,
}

impl Connection {
    /// Returns when the connection may be closed to make room for another; `None` while its client watches the status.
    fn expires_at(&self) -> Option<Instant> {
        (!self.is_watching.load(Ordering::Relaxed)).then_some(self.accepted_at + MAX_AGE_WHEN_FULL)
    }
}

impl IpcServer {
    /// Serves clients until the future is dropped, which also stops listening.
    ///
    /// Clients that send nothing are closed when others wait, and those that watch the status are limited in number, so
    /// neither keeps others out for long.
    pub async fn serve(mut self, events: Events, status: watch::Receiver<Arc<Status>>) {
        let (mut tasks, mut connections) = (JoinSet::new(), Vec::<Connection>::new());
        let watchers = Arc::new(Watchers::default());
        loop {
            connections.retain(|connection| !connection.task.is_finished());
            let full = connections.len() >= MAX_CONNECTIONS;
            let next_expiry = connections.iter().filter_map(Connection::expires_at).min();
            tokio::select! {
                stream = self.listener.accept(), if !full => match stream {
                    Ok(stream) => {
                        let is_watching = Arc::new(AtomicBool::new(false));
                        let slot = WatchSlot { watchers: watchers.clone(), is_watching: is_watching.clone() };
                        let task = tasks.spawn(answer(stream, events.clone(), status.clone(), slot));
                        connections.push(Connection { task, accepted_at: Instant::now(), is_watching });
                    }
                    Err(error) => {
                        // Probably out of file descriptors: without a pause this would spin.
                        tracing::warn!("cannot accept a client: {error}");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                },
                Some(ended) = tasks.join_next() => {
                    if let Ok(Err(error)) = ended {
                        tracing::debug!("a client was not served: {error}");
                    }
                }
                () = tokio::time::sleep_until(next_expiry.unwrap_or_else(Instant::now)), if full => {
                    let now = Instant::now();
                    for connection in &connections {
                        if connection.expires_at().is_some_and(|at| at <= now) {
                            connection.task.abort();
                        }
                    }
                }
            }
        }
    }
}

/// The connections that watch the status, the oldest first.
#[derive(Default)]
struct Watchers(Mutex<VecDeque<oneshot::Sender<()>>>);

impl Watchers {
    /// Adds a watcher. The receiver completes when newer watchers have replaced it.
    fn add(&self) -> oneshot::Receiver<()> {
        let (keep, replaced) = oneshot::channel();
        let mut watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|watcher| !watcher.is_closed());
        watchers.push_back(keep);
        if watchers.len() > MAX_WATCHERS {
            watchers.pop_front();
        }
        replaced
    }
}

/// Registers a connection among the [`Watchers`], once its client asks to watch the status.
struct WatchSlot {
    watchers: Arc<Watchers>,
    is_watching: Arc<AtomicBool>,
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    events: Events,
    mut status: watch::Receiver<Arc<Status>>,
    slot: WatchSlot,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let line = with_timeout(read_line(&mut stream, MAX_REQUEST_BYTES)).await?;
    let line = line.ok_or(io::ErrorKind::UnexpectedEof)?;
    let action = match serde_json::from_str(&line)? {
        IpcRequest::Show => Action::ShowPanel,
        IpcRequest::Ask(action) => action,
        IpcRequest::Status => {
            let now = status.borrow().clone();
            return write_status(&mut stream, &now).await;
        }
        IpcRequest::Watch => {
            let mut replaced = slot.watchers.add();
            slot.is_watching.store(true, Ordering::Relaxed);
            let mut sent = status.borrow_and_update().clone();
            write_status(&mut stream, &sent).await?;
            loop {
                let mut byte = [0];
                tokio::select! {
                    _ = &mut replaced => return Ok(()),
                    // The client has left, or violates the protocol: it has nothing more to send.
                    _ = stream.read(&mut byte) => return Ok(()),
                    changed = status.changed() => {
                        if changed.is_err() {
                            return Ok(());
                        }
                        let now = status.borrow_and_update().clone();
                        if now != sent {
                            write_status(&mut stream, &now).await?;
                            sent = now;
                        }
                    }
                }
            }
        }
    };
    if events.send(Event::Action(action)).is_err() {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    with_timeout(write_line(&mut stream, b"")).await
}

async fn write_status(stream: &mut (impl AsyncWrite + Unpin), status: &Status) -> io::Result<()> {
    with_timeout(write_line(stream, &serde_json::to_vec(status)?)).await
}

async fn write_line(stream: &mut (impl AsyncWrite + Unpin), line: &[u8]) -> io::Result<()> {
    stream.write_all(&[line, b"\n"].concat()).await?;
    stream.flush().await
}

/// Reads one line without its end; `None` if the other side has left.
async fn read_line(stream: &mut (impl AsyncBufReadExt + Unpin), max_bytes: u64) -> io::Result<Option<String>> {
    let mut line = String::new();
    stream.take(max_bytes).read_line(&mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    match line.strip_suffix('\n') {
        Some(line) => Ok(Some(line.to_owned())),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "an incomplete or too long line")),
    }
}

async fn with_timeout<T>(operation: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(TIMEOUT, operation).await.map_err(io::Error::from)?
}

/// Talks to the running Vigie.
#[derive(Debug, Clone)]
pub struct IpcClient {
    endpoint: transport::Endpoint,
}

impl IpcClient {
    /// Returns the running Vigie, or `None` if none runs. Unlike [`claim`] it never becomes the first process.
    pub async fn running() -> Option<IpcClient> {
        let client = IpcClient { endpoint: transport::endpoint().ok()? };
        let connected = tokio::time::timeout(LISTEN_TIMEOUT, transport::connect(&client.endpoint)).await;
        // If it has no time for another client, it runs.
        (!matches!(connected, Ok(Err(_)))).then_some(client)
    }

    /// Returns another user's Vigie, or another session's, which only the system and its administrators may reach.
    #[cfg(windows)]
    pub fn of(user: &str, session: u32) -> IpcClient {
        IpcClient { endpoint: transport::endpoint_of(user, session) }
    }

    /// Asks the running Vigie to end, and returns when it has.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] if it has not ended after some seconds; or if it cannot be reached or does not accept the
    /// request.
    pub async fn quit(&self) -> io::Result<()> {
        // Watched beforehand: the end closes this connection.
        let mut watch = self.watch().await?;
        self.ask(IpcRequest::Ask(Action::Quit)).await?;
        // What it still sends, maybe in the format of another version, is of no interest.
        let mut ignored = [0; 4096];
        with_timeout(async {
            while watch.stream.read(&mut ignored).await.is_ok_and(|length| length > 0) {}
            Ok(())
        })
        .await
    }

    /// Sends a request, and returns when the running Vigie has accepted it.
    ///
    /// # Errors
    /// If the running Vigie cannot be reached or does not accept the request.
    pub async fn ask(&self, request: IpcRequest) -> io::Result<()> {
        let mut stream = self.send(&request).await?;
        with_timeout(read_line(&mut stream, MAX_STATUS_BYTES)).await?.ok_or(io::ErrorKind::ConnectionAborted)?;
        Ok(())
    }

    /// Returns the status.
    ///
    /// # Errors
    /// If the running Vigie cannot be reached, or answers in the format of another version.
    pub async fn status(&self) -> io::Result<Status> {
        let mut watch = StatusStream { stream: self.send(&IpcRequest::Status).await? };
        Ok(with_timeout(watch.next()).await?.ok_or(io::ErrorKind::ConnectionAborted)?)
    }

    /// Returns the status now and at each change.
    ///
    /// # Errors
    /// If the running Vigie cannot be reached.
    pub async fn watch(&self) -> io::Result<StatusStream> {
        Ok(StatusStream { stream: self.send(&IpcRequest::Watch).await? })
    }

    async fn send(&self, request: &IpcRequest) -> io::Result<BufReader<transport::Stream>> {
        let open = async {
            loop {
                match transport::connect(&self.endpoint).await {
                    Err(error) if transport::may_listen_soon(&error) => {
                        tokio::time::sleep(Duration::from_millis(20)).await
                    }
                    done => return done,
                }
            }
        };
        let mut stream = BufReader::new(tokio::time::timeout(LISTEN_TIMEOUT, open).await??);
        with_timeout(write_line(&mut stream, &serde_json::to_vec(request)?)).await?;
        Ok(stream)
    }
}

/// The status at each change.
#[derive(Debug)]
pub struct StatusStream {
    stream: BufReader<transport::Stream>,
}

impl StatusStream {
    /// Returns the current status at the first call, afterwards the next one that differs; `None` when the running Vigie has
    /// ended.
    ///
    /// # Errors
    /// If the running Vigie answers in the format of another version.
    pub async fn next(&mut self) -> io::Result<Option<Status>> {
        match read_line(&mut self.stream, MAX_STATUS_BYTES).await? {
            Some(line) => Ok(Some(serde_json::from_str(&line)?)),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
