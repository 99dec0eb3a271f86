//! A mutex, and a named pipe that only the user and the machine's administrators can open.
//!
//! The mutex decides who is first: it is gone with its process, whatever way that ends.
//! (`FILE_FLAG_FIRST_PIPE_INSTANCE` alone would do the same on Windows; wine 8 does not honour it. It stays, so that
//! nobody else holds a pipe of that name.)

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

/// The pipe's name, and the user it is for.
#[derive(Debug, Clone)]
pub struct Place {
    mutex: String,
    pipe: String,
    sid: String,
}

/// One conversation, seen by the client.
pub type Stream = NamedPipeClient;

/// A pipe for this user in this logon session: pipes are machine-wide, and a terminal server has many of both.
pub fn place() -> io::Result<Place> {
    let sid = user_sid()?;
    let mut session = 0;
    // SAFETY: the pointer is valid for the call.
    unsafe { ProcessIdToSessionId(GetCurrentProcessId(), &mut session) }?;
    Ok(place_of(&sid, session))
}

/// The mutex and the pipe of that user in that logon session.
pub fn place_of(sid: &str, session: u32) -> Place {
    // Names in `Local` are the session's own.
    Place { mutex: format!(r"Local\vigie-{sid}"), pipe: format!(r"\\.\pipe\vigie-{sid}-{session}"), sid: sid.into() }
}

/// A place of that name, for a test.
#[cfg(test)]
pub fn named(name: &str) -> Place {
    let sid = user_sid().expect("every process has a user");
    Place { mutex: format!(r"Local\{name}"), pipe: format!(r"\\.\pipe\{name}"), sid }
}

/// The door, held by the first: the instance of the pipe at which the next client is awaited.
#[derive(Debug)]
pub struct IpcListener {
    place: Place,
    next: NamedPipeServer,
    _first: First,
}

/// The mutex, held by the first. Its existence is what counts; nobody waits for it.
#[derive(Debug)]
struct First(HANDLE);

// SAFETY: the handle is the process's, and may be closed on any thread.
unsafe impl Send for First {}

impl Drop for First {
    fn drop(&mut self) {
        // SAFETY: opened by `first`, closed once.
        let _ = unsafe { CloseHandle(self.0) };
    }
}

impl IpcListener {
    /// The door, or `None` where another process holds it.
    pub fn claim(place: &Place) -> io::Result<Option<IpcListener>> {
        let Some(first) = first(place)? else { return Ok(None) };
        Ok(Some(IpcListener { place: place.clone(), next: instance(place, true)?, _first: first }))
    }

    /// The next conversation. (The pipe's access list lets nobody else in.)
    pub async fn accept(&mut self) -> io::Result<NamedPipeServer> {
        self.next.connect().await?;
        // The next instance stands before this one is handed over, so that the pipe never disappears in between.
        let next = instance(&self.place, false)?;
        Ok(std::mem::replace(&mut self.next, next))
    }
}

/// The mutex, or `None` where another process holds it.
fn first(place: &Place) -> io::Result<Option<First>> {
    let name = HSTRING::from(&place.mutex);
    let made = for_the_user(place, |attributes| {
        // SAFETY: the attributes and the name live until the call has returned. The error is read before any other call.
        unsafe { CreateMutexW(Some(attributes), false, &name).map(|mutex| (First(mutex), GetLastError())) }
    })?;
    let (first, said) = made?;
    Ok((said != ERROR_ALREADY_EXISTS).then_some(first))
}

fn instance(place: &Place, first: bool) -> io::Result<NamedPipeServer> {
    for_the_user(place, |attributes| {
        let mut options = ServerOptions::new();
        options.first_pipe_instance(first).reject_remote_clients(true);
        // SAFETY: the attributes and their descriptor live until the call has returned.
        unsafe { options.create_with_security_attributes_raw(&place.pipe, attributes.cast_mut().cast::<c_void>()) }
    })?
}

/// Makes something that the user may open, and the machine's administrators.
fn for_the_user<T>(place: &Place, make: impl FnOnce(*const SECURITY_ATTRIBUTES) -> T) -> io::Result<T> {
    // Protected (nothing inherited): all rights for the user, and for the system and its administrators, whose installer
    // asks Vigie to end (`runtime/installer`). Without a list of our own, everybody could read.
    let sddl = HSTRING::from(format!("D:P(A;;GA;;;{})(A;;GA;;;SY)(A;;GA;;;BA)", place.sid));
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
    // SAFETY: allocated by the conversion above, and used by nobody any more.
    unsafe { LocalFree(Some(HLOCAL(descriptor.0))) };
    Ok(made)
}

/// The security identifier of the user this process runs as, `S-1-5-21-…`.
fn user_sid() -> io::Result<String> {
    let mut token = HANDLE::default();
    // SAFETY: the pointer is valid for the call.
    unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &mut token) }?;
    // A TOKEN_USER and the longest SID after it (SECURITY_MAX_SID_SIZE is 68 bytes), aligned for its pointers.
    let mut user = [0_u64; 32];
    let mut used = 0;
    // SAFETY: the buffer is as long as said; the token is open.
    let got = unsafe {
        let into = Some(user.as_mut_ptr().cast::<c_void>());
        GetTokenInformation(token, TokenUser, into, size_of_val(&user) as u32, &mut used)
    };
    // SAFETY: opened above, closed once.
    unsafe { CloseHandle(token) }?;
    got?;
    let mut text = PWSTR::null();
    // SAFETY: the call above has put a TOKEN_USER there, whose SID stands in the same buffer.
    unsafe {
        let user = &*user.as_ptr().cast::<TOKEN_USER>();
        ConvertSidToStringSidW(user.User.Sid, &mut text)?;
    }
    // SAFETY: a string that ends with zero, allocated by the conversion.
    let sid = unsafe { text.to_string() };
    // SAFETY: allocated by the conversion, and used by nobody any more.
    unsafe { LocalFree(Some(HLOCAL(text.0.cast()))) };
    sid.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Knocks; waits while others are being let in.
pub async fn connect(place: &Place) -> io::Result<Stream> {
    loop {
        match ClientOptions::new().open(&place.pipe) {
            // Nothing tells when the next instance of the pipe stands but a call that blocks.
            Err(error) if is(&error, ERROR_PIPE_BUSY) => tokio::time::sleep(Duration::from_millis(20)).await,
            done => return done,
        }
    }
}

/// Whether the door may open in a moment: the first has the mutex, but its pipe not yet.
pub fn not_open_yet(error: &io::Error) -> bool {
    is(error, ERROR_FILE_NOT_FOUND)
}

fn is(error: &io::Error, code: WIN32_ERROR) -> bool {
    error.raw_os_error() == Some(code.0.cast_signed())
}
