//! A mutex, and a named pipe that only the user and the machine's administrators can open.
//!
//! The mutex decides which process is first: it is gone with its process, however that ends.
//! (`FILE_FLAG_FIRST_PIPE_INSTANCE` alone would do the same on Windows; wine 8 does not honour it. It stays, so that
//! nobody else holds a pipe of that name.)

use super::ClaimError;
use std::ffi::c_void;
use std::io;
use std::time::Duration;
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeClient, NamedPipeServer, ServerOptions};
use windows::Win32::Foundation::{
    CloseHandle, ERROR_ALREADY_EXISTS, ERROR_FILE_NOT_FOUND, ERROR_PIPE_BUSY, GetLastError, HANDLE, HLOCAL, LocalFree,
    WIN32_ERROR,
};
use windows::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows::Win32::Security::{
    GetTokenInformation, PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows::Win32::System::RemoteDesktop::ProcessIdToSessionId;
use windows::Win32::System::Threading::{CreateMutexW, GetCurrentProcess, GetCurrentProcessId, OpenProcessToken};
use windows::core::{HSTRING, PWSTR};

/// The names of mutex and pipe, and the user they are for.
#[derive(Debug, Clone)]
pub struct Endpoint {
    mutex: String,
    pipe: String,
    sid: String,
}

/// One connection, as the client sees it.
pub type Stream = NamedPipeClient;

/// Returns the endpoint of this user in this logon session: pipes are machine-wide, and a terminal server has many of both.
pub fn endpoint() -> io::Result<Endpoint> {
    let sid = user_sid()?;
    let mut session = 0;
    // SAFETY: the pointer is valid for the call.
    unsafe { ProcessIdToSessionId(GetCurrentProcessId(), &mut session) }?;
    Ok(endpoint_of(&sid, session))
}

/// Returns the endpoint of that user in that logon session.
pub fn endpoint_of(sid: &str, session: u32) -> Endpoint {
    // Names in `Local` belong to the session.
    Endpoint { mutex: format!(r"Local\vigie-{sid}"), pipe: format!(r"\\.\pipe\vigie-{sid}-{session}"), sid: sid.into() }
}

/// Returns an endpoint with that name, for a test.
#[cfg(test)]
pub fn named(name: &str) -> Endpoint {
    let sid = user_sid().expect("every process has a user");
    Endpoint { mutex: format!(r"Local\{name}"), pipe: format!(r"\\.\pipe\{name}"), sid }
}

/// The mutex of the first process, and the instance of the pipe that waits for the next client.
#[derive(Debug)]
pub struct IpcListener {
    endpoint: Endpoint,
    next: NamedPipeServer,
    _first: OwnedMutex,
}

/// A named mutex. Only its existence counts; nobody waits for it.
#[derive(Debug)]
struct OwnedMutex(HANDLE);

// SAFETY: the handle is the process's, and may be closed on any thread.
unsafe impl Send for OwnedMutex {}

impl Drop for OwnedMutex {
    fn drop(&mut self) {
        // SAFETY: opened by `first`, closed once.
        let _ = unsafe { CloseHandle(self.0) };
    }
}

impl IpcListener {
    /// Claims the mutex and listens; `None` if another process has the mutex.
    pub fn claim(endpoint: &Endpoint) -> Result<Option<IpcListener>, ClaimError> {
        let Some(first) = first(endpoint)? else { return Ok(None) };
        Ok(Some(IpcListener { endpoint: endpoint.clone(), next: instance(endpoint, true)?, _first: first }))
    }

    /// Accepts the next connection. (The pipe's access list admits nobody else.)
    pub async fn accept(&mut self) -> io::Result<NamedPipeServer> {
        self.next.connect().await?;
        // The next instance is created before this one is returned, so that the pipe never disappears in between.
        let next = instance(&self.endpoint, false)?;
        Ok(std::mem::replace(&mut self.next, next))
    }
}

/// Creates the mutex; `None` if another process has created it.
fn first(endpoint: &Endpoint) -> io::Result<Option<OwnedMutex>> {
    let name = HSTRING::from(&endpoint.mutex);
    let made = with_user_access(endpoint, |attributes| {
        // SAFETY: the attributes and the name live until the call has returned. The error is read before any other call.
        unsafe { CreateMutexW(Some(attributes), false, &name).map(|mutex| (OwnedMutex(mutex), GetLastError())) }
    })?;
    let (first, error) = made?;
    Ok((error != ERROR_ALREADY_EXISTS).then_some(first))
}

fn instance(endpoint: &Endpoint, first: bool) -> io::Result<NamedPipeServer> {
    with_user_access(endpoint, |attributes| {
        let mut options = ServerOptions::new();
        options.first_pipe_instance(first).reject_remote_clients(true);
        // SAFETY: the attributes and their descriptor live until the call has returned.
        unsafe { options.create_with_security_attributes_raw(&endpoint.pipe, attributes.cast_mut().cast::<c_void>()) }
    })?
}

/// Creates an object that only the user and the machine's administrators may open.
fn with_user_access<T>(endpoint: &Endpoint, make: impl FnOnce(*const SECURITY_ATTRIBUTES) -> T) -> io::Result<T> {
    // Protected (nothing inherited): all rights for the user, and for the system and its administrators, whose installer
    // asks Vigie to end (`runtime/installer`). Without a list of our own, everybody could read.
    let sddl = HSTRING::from(format!("D:P(A;;GA;;;{})(A;;GA;;;SY)(A;;GA;;;BA)", endpoint.sid));
    let mut descriptor = PSECURITY_DESCRIPTOR::default();
    // SAFETY: both pointers are valid for the call; the descriptor is freed below.
    unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(&sddl, SDDL_REVISION_1, &mut descriptor, None)?;
    }
    let attributes = SECURITY_ATTRIBUTES {
        nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: false.into(),
    };
    let made = make(&raw const attributes);
    // SAFETY: allocated by the conversion above, and not used any more.
    unsafe { LocalFree(Some(HLOCAL(descriptor.0))) };
    Ok(made)
}

/// Returns the security identifier of this process's user, `S-1-5-21-…`.
fn user_sid() -> io::Result<String> {
    let mut token = HANDLE::default();
    // SAFETY: the pointer is valid for the call.
    unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token) }?;
    // A TOKEN_USER and the longest SID after it (SECURITY_MAX_SID_SIZE is 68 bytes), aligned for its pointers.
    let mut user = [0_u64; 32];
    let mut used = 0;
    // SAFETY: the buffer has the given size; the token is open.
    let got = unsafe {
        let into = Some(user.as_mut_ptr().cast::<c_void>());
        GetTokenInformation(token, TokenUser, into, size_of_val(&user) as u32, &mut used)
    };
    // SAFETY: opened above, closed once.
    unsafe { CloseHandle(token) }?;
    got?;
    let mut text = PWSTR::null();
    // SAFETY: the call above has stored a TOKEN_USER there, whose SID is in the same buffer.
    unsafe {
        let user = &*user.as_ptr().cast::<TOKEN_USER>();
        ConvertSidToStringSidW(user.User.Sid, &mut text)?;
    }
    // SAFETY: a string that ends with zero, allocated by the conversion.
    let sid = unsafe { text.to_string() };
    // SAFETY: allocated by the conversion, and not used any more.
    unsafe { LocalFree(Some(HLOCAL(text.0.cast()))) };
    sid.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Connects to the running Vigie; waits while all instances of the pipe are taken.
pub async fn connect(endpoint: &Endpoint) -> io::Result<Stream> {
    loop {
        match ClientOptions::new().open(&endpoint.pipe) {
            // Only a blocking call would report when an instance is free.
            Err(error) if is(&error, ERROR_PIPE_BUSY) => tokio::time::sleep(Duration::from_millis(20)).await,
            done => return done,
        }
    }
}

/// Returns whether the first process may listen in a moment: it has the mutex, but maybe no pipe yet.
pub fn may_listen_soon(error: &io::Error) -> bool {
    is(error, ERROR_FILE_NOT_FOUND)
}

fn is(error: &io::Error, code: WIN32_ERROR) -> bool {
    error.raw_os_error() == Some(code.0.cast_signed())
}
