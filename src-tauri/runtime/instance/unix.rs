//! A lock file and a Unix socket in a folder that only the user may enter.

use super::ClaimError;
use rustix::fs::OFlags;
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

/// The folder of lock and socket.
pub type Endpoint = PathBuf;

/// One connection.
pub type Stream = UnixStream;

/// Returns `$XDG_RUNTIME_DIR/vigie`, which belongs to the user and is removed with their last session; otherwise a folder
/// in the state folder.
pub fn endpoint() -> io::Result<Endpoint> {
    let runtime = dirs::runtime_dir().map(|dir| dir.join("vigie"));
    let state = || crate::runtime::store::state_dir().map(|dir| dir.join("run"));
    runtime.or_else(state).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no runtime and no state folder"))
}

/// The lock and the listening socket of the first process.
#[derive(Debug)]
pub struct IpcListener {
    listener: UnixListener,
    socket: PathBuf,
    user: u32,
    _lock: File,
}

impl IpcListener {
    /// Claims the lock and listens; `None` if another process has the lock.
    pub fn claim(endpoint: &Endpoint) -> Result<Option<IpcListener>, ClaimError> {
        let owned = |path: &Path, error: io::Error| match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.uid() != rustix::process::geteuid().as_raw() => {
                ClaimError::ForeignOwner(path.to_owned())
            }
            Ok(_) | Err(_) => error.into(),
        };
        DirBuilder::new().recursive(true).mode(0o700).create(endpoint)?;
        // Fails if the folder belongs to another user.
        fs::set_permissions(endpoint, Permissions::from_mode(0o700)).map_err(|error| owned(endpoint, error))?;
        // The lock file is never removed: otherwise two processes could each lock a file of their own.
        let path = endpoint.join("lock");
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        // Does not wait if somebody put a FIFO there.
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed());
        let lock = options.open(&path).map_err(|error| owned(&path, error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let socket = socket(endpoint);
        // Left by a crash: nobody uses it while this process has the lock.
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(owned(&socket, error)),
            _ => {}
        }
        let listener = UnixListener::bind(&socket)?;
        Ok(Some(IpcListener { listener, socket, user: fs::metadata(endpoint)?.uid(), _lock: lock }))
    }

    /// Accepts the next connection of a process of the same user.
    pub async fn accept(&mut self) -> io::Result<Stream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let user = stream.peer_cred()?.uid();
            if user == self.user {
                return Ok(stream);
            }
            tracing::warn!("connection of user {user} refused");
        }
    }
}

impl Drop for IpcListener {
    fn drop(&mut self) {
        // Before the lock is released, so that it is never the socket of the next process.
        if let Err(error) = fs::remove_file(&self.socket) {
            tracing::debug!("cannot remove {}: {error}", self.socket.display());
        }
    }
}

/// Connects to the running Vigie.
pub async fn connect(endpoint: &Endpoint) -> io::Result<Stream> {
    UnixStream::connect(socket(endpoint)).await
}

/// Returns whether the first process may listen in a moment: it has the lock, but maybe no socket yet.
pub fn may_listen_soon(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn socket(endpoint: &Endpoint) -> PathBuf {
    endpoint.join("socket")
}
