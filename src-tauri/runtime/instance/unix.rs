//! A lock file and a Unix socket in a folder that only the user can enter.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;
use tokio::net::{UnixListener, UnixStream};

/// The folder of lock and socket.
pub type Place = PathBuf;

/// One conversation.
pub type Stream = UnixStream;

/// `$XDG_RUNTIME_DIR/vigie`, which is the user's own and gone with his last session; else a folder in the state
/// folder.
pub fn place() -> io::Result<Place> {
    let runtime = dirs::runtime_dir().map(|dir| dir.join("vigie"));
    let state = || crate::runtime::store::state_dir().map(|dir| dir.join("run"));
    runtime.or_else(state).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no runtime and no state folder"))
}

/// The door, held by the first.
#[derive(Debug)]
pub struct IpcListener {
    listener: UnixListener,
    socket: PathBuf,
    user: u32,
    _lock: File,
}

impl IpcListener {
    /// The door, or `None` where another process holds it.
    pub fn claim(place: &Place) -> io::Result<Option<IpcListener>> {
        DirBuilder::new().recursive(true).mode(0o700).create(place)?;
        // Fails where the folder is another user's.
        fs::set_permissions(place, Permissions::from_mode(0o700))?;
        // The lock's file stays for good: if it were removed, two starts could each lock their own.
        let lock = File::options().create(true).truncate(false).write(true).open(place.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let socket = socket(place);
        // What a crash has left; with the lock in hand it is nobody's.
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&socket)?;
        Ok(Some(IpcListener { listener, socket, user: fs::metadata(place)?.uid(), _lock: lock }))
    }

    /// The next conversation with a process of the same user.
    pub async fn accept(&mut self) -> io::Result<Stream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let user = stream.peer_cred()?.uid();
            if user == self.user {
                return Ok(stream);
            }
            tracing::warn!("user {user} knocked and was sent away");
        }
    }
}

impl Drop for IpcListener {
    fn drop(&mut self) {
        // Before the lock goes, so that it is never the next one's socket.
        if let Err(error) = fs::remove_file(&self.socket) {
            tracing::debug!("cannot remove {}: {error}", self.socket.display());
        }
    }
}

/// Knocks.
pub async fn connect(place: &Place) -> io::Result<Stream> {
    UnixStream::connect(socket(place)).await
}

/// Whether the door may open in a moment: the first has the lock, but its socket not yet.
pub fn not_open_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn socket(place: &Place) -> PathBuf {
    place.join("socket")
}
