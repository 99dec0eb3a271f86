//! One Vigie for a user, and the door at which later starts, the command line and the panel's window connect.
//!
//! On Unix a lock (`flock`) decides who is first, because the kernel takes it back whatever way a process ends; the
//! socket beside it is only the door. On Windows the same with a named mutex and a named pipe.
//!
//! One connection carries one request, a line of JSON. The answer is a line too: empty for "done", a [`Status`] for
//! [`Request::Status`], and for [`Request::Watch`] one now and one at each change until the client leaves. A request
//! that cannot be understood is answered by closing the connection.
//!
//! Whoever may connect could as well start programs or switch the computer off himself: the door is the same user's
//! alone, so every [`Action`] is taken. It still goes through the core, which keeps to what the profile names, and
//! switches the computer off only after its own question.

#[cfg_attr(windows, path = "windows.rs")]
#[cfg_attr(not(windows), path = "unix.rs")]
mod door;

use crate::Events;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::watch;
use tokio::task::JoinSet;
use vigie_core::message::{Action, Event};
use vigie_view::status::Status;

/// A request is no longer than this, in bytes; the longest real one has some tens.
const LONGEST_REQUEST: u64 = 4096;

/// A status is no longer than this, in bytes; a real one has some thousands.
const LONGEST_STATUS: u64 = 1 << 20;

/// So many clients are served at once; more wait at the door.
const MOST_CLIENTS: usize = 32;

/// How long a client may take to say what it wants, or to take its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long a second start waits for the first, which has the lock, to open its door.
const OPENING: Duration = Duration::from_secs(3);

/// What came of [`claim`].
#[derive(Debug)]
pub enum InstanceLock {
    /// This process is the user's Vigie.
    First(Server),
    /// Another one is.
    Second(Client),
}

/// What is asked at the door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Show the panel.
    Show,
    /// Do this, as if it had been clicked.
    Ask(Action),
    /// The status, once.
    Status,
    /// The status, now and at each change.
    Watch,
}

/// Becomes the user's Vigie, or finds the one that is. To be called within a tokio runtime.
///
/// # Errors
/// Where neither the lock nor the door can be had: a folder that cannot be written, a door that is somebody else's.
pub fn claim() -> io::Result<InstanceLock> {
    Ok(match door::IpcListener::claim(&door::place()?)? {
        Some(door) => InstanceLock::First(Server { door }),
        None => InstanceLock::Second(Client { place: door::place()? }),
    })
}

/// The door of the first.
#[derive(Debug)]
pub struct Server {
    door: door::IpcListener,
}

impl Server {
    /// Answers whoever knocks; ends only when it is dropped, and closes the door then.
    pub async fn serve(mut self, events: Events, status: watch::Receiver<Arc<Status>>) {
        let mut clients = JoinSet::new();
        loop {
            tokio::select! {
                stream = self.door.accept(), if clients.len() < MOST_CLIENTS => match stream {
                    Ok(stream) => {
                        clients.spawn(answer(stream, events.clone(), status.clone()));
                    }
                    Err(error) => {
                        // Out of file descriptors, most likely: without a rest this would spin.
                        tracing::warn!("cannot let a client in: {error}");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                },
                Some(ended) = clients.join_next() => {
                    if let Ok(Err(error)) = ended {
                        tracing::debug!("a client was not served: {error}");
                    }
                }
            }
        }
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    events: Events,
    mut status: watch::Receiver<Arc<Status>>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let line = patiently(read_line(&mut stream, LONGEST_REQUEST)).await?;
    let line = line.ok_or(io::ErrorKind::UnexpectedEof)?;
    let action = match serde_json::from_str(&line)? {
        Request::Show => Action::ShowPanel,
        Request::Ask(action) => action,
        Request::Status => {
            let now = status.borrow().clone();
            return write_status(&mut stream, &now).await;
        }
        Request::Watch => {
            let mut told = status.borrow_and_update().clone();
            write_status(&mut stream, &told).await?;
            loop {
                let mut byte = [0];
                tokio::select! {
                    // The client says nothing more: it leaves, or it does not keep to the protocol.
                    _ = stream.read(&mut byte) => return Ok(()),
                    changed = status.changed() => {
                        if changed.is_err() {
                            return Ok(());
                        }
                        let now = status.borrow_and_update().clone();
                        if now != told {
                            write_status(&mut stream, &now).await?;
                            told = now;
                        }
                    }
                }
            }
        }
    };
    if events.send(Event::Action(action)).is_err() {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    patiently(write_line(&mut stream, b"")).await
}

async fn write_status(stream: &mut (impl AsyncWrite + Unpin), status: &Status) -> io::Result<()> {
    patiently(write_line(stream, &serde_json::to_vec(status)?)).await
}

async fn write_line(stream: &mut (impl AsyncWrite + Unpin), line: &[u8]) -> io::Result<()> {
    stream.write_all(&[line, b"\n"].concat()).await?;
    stream.flush().await
}

/// One line without its end; `None` where the other side has left.
async fn read_line(stream: &mut (impl AsyncBufReadExt + Unpin), longest: u64) -> io::Result<Option<String>> {
    let mut line = String::new();
    stream.take(longest).read_line(&mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    match line.strip_suffix('\n') {
        Some(line) => Ok(Some(line.to_owned())),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "a line that is cut off or too long")),
    }
}

async fn patiently<T>(what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(TIMEOUT, what).await.map_err(io::Error::from)?
}

/// A way to the running Vigie.
#[derive(Debug, Clone)]
pub struct Client {
    place: door::Place,
}

impl Client {
    /// The running Vigie, or `None` where none runs. Unlike [`claim`] it takes nobody's place.
    pub async fn running() -> Option<Client> {
        let client = Client { place: door::place().ok()? };
        let knocked = tokio::time::timeout(OPENING, door::connect(&client.place)).await;
        // A crowd at the door is a Vigie that runs.
        (!matches!(knocked, Ok(Err(_)))).then_some(client)
    }

    /// Another user's Vigie, or another session's: only the system and its administrators are let in there.
    #[cfg(windows)]
    pub fn of(user: &str, session: u32) -> Client {
        Client { place: door::place_of(user, session) }
    }

    /// TrackerRequests the running Vigie to end; returns when it has, or after some seconds.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] where it has not; where it cannot be reached, or does not take the request.
    pub async fn quit(&self) -> io::Result<()> {
        // Watched beforehand: the end closes this conversation.
        let mut watch = self.watch().await?;
        self.ask(Request::Ask(Action::Quit)).await?;
        // What it still says, maybe in another version's language, is of no interest.
        let mut said = [0; 4096];
        patiently(async {
            while watch.stream.read(&mut said).await.is_ok_and(|length| length > 0) {}
            Ok(())
        })
        .await
    }

    /// Hands a request over; returns when the running Vigie has taken it.
    ///
    /// # Errors
    /// Where the running Vigie cannot be reached, or does not take the request.
    pub async fn ask(&self, request: Request) -> io::Result<()> {
        let mut stream = self.send(&request).await?;
        patiently(read_line(&mut stream, LONGEST_STATUS)).await?.ok_or(io::ErrorKind::ConnectionAborted)?;
        Ok(())
    }

    /// The status, once.
    ///
    /// # Errors
    /// Where the running Vigie cannot be reached, or speaks another version's language.
    pub async fn status(&self) -> io::Result<Status> {
        let mut watch = Watch { stream: self.send(&Request::Status).await? };
        Ok(patiently(watch.next()).await?.ok_or(io::ErrorKind::ConnectionAborted)?)
    }

    /// The status, now and at each change.
    ///
    /// # Errors
    /// Where the running Vigie cannot be reached.
    pub async fn watch(&self) -> io::Result<Watch> {
        Ok(Watch { stream: self.send(&Request::Watch).await? })
    }

    async fn send(&self, request: &Request) -> io::Result<BufReader<door::Stream>> {
        let open = async {
            loop {
                match door::connect(&self.place).await {
                    Err(error) if door::not_open_yet(&error) => tokio::time::sleep(Duration::from_millis(20)).await,
                    done => return done,
                }
            }
        };
        let mut stream = BufReader::new(tokio::time::timeout(OPENING, open).await??);
        patiently(write_line(&mut stream, &serde_json::to_vec(request)?)).await?;
        Ok(stream)
    }
}

/// The status at each change.
#[derive(Debug)]
pub struct Watch {
    stream: BufReader<door::Stream>,
}

impl Watch {
    /// The status now at the first call, then the next one that differs; `None` when the running Vigie has ended.
    ///
    /// # Errors
    /// Where the running Vigie speaks another version's language.
    pub async fn next(&mut self) -> io::Result<Option<Status>> {
        match read_line(&mut self.stream, LONGEST_STATUS).await? {
            Some(line) => Ok(Some(serde_json::from_str(&line)?)),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
