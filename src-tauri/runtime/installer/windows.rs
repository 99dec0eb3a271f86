//! The Windows Installer runs as the system, in a session of its own. It reaches each user's Vigie by the pipe, whose name
//! contains user and session, and starts it again with the token of the session's user. What belongs to a user is removed by a
//! process of that user.

use super::POLL_INTERVAL;
use crate::runtime::instance::{IpcClient, IpcRequest};
use crate::runtime::{autostart, notify, store};
use std::ffi::c_void;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io, mem, ptr, slice};
use sysinfo::Process;
use vigie_core::message::Action;
use windows::Win32::Foundation::{CloseHandle, ERROR_NO_TOKEN, HANDLE, WAIT_OBJECT_0};
use windows::Win32::System::Environment::{CreateEnvironmentBlock, DestroyEnvironmentBlock};
use windows::Win32::System::RemoteDesktop::{
    ProcessIdToSessionId, WTS_SESSION_INFOW, WTSEnumerateSessionsW, WTSFreeMemory, WTSQueryUserToken,
};
use windows::Win32::System::Threading::{
    CREATE_UNICODE_ENVIRONMENT, CreateProcessAsUserW, GetExitCodeProcess, OpenProcess, PROCESS_INFORMATION,
    PROCESS_TERMINATE, STARTUPINFOW, TerminateProcess, WaitForSingleObject,
};
use windows::core::{HSTRING, PWSTR, w};
use winreg::enums::{HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, KEY_READ, KEY_SET_VALUE, REG_OPTION_VOLATILE};
use winreg::{HKEY, RegKey};

/// Records the sessions for [`start_again`]. The key is volatile: like sessions, it does not outlive a restart.
const RECORD: &str = r"Software\Vigie";
const SESSIONS: &str = "StartAgain";

/// How long a user's process may take to remove what is theirs.
const FORGET_TIMEOUT: Duration = Duration::from_secs(20);

/// How long it waits for WebView2's processes to close their files.
const ENGINE_END_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks a tray to end, and returns its session. (Processes of the command line and of the panel have no pipe.)
pub async fn ask(process: &Process) -> Option<u32> {
    let session = session_id(process.pid().as_u32())?;
    let user = process.user_id()?.to_string();
    let asked = IpcClient::of(&user, session).ask(IpcRequest::Ask(Action::Quit)).await;
    asked.inspect_err(|error| tracing::debug!(%error, pid = %process.pid(), "could not be asked to end")).ok()?;
    Some(session)
}

pub fn kill(process: &Process) {
    // SAFETY: the handle is used only before it is closed.
    let ended = unsafe {
        OpenProcess(PROCESS_TERMINATE, false, process.pid().as_u32()).and_then(|handle| {
            let ended = TerminateProcess(handle, 1);
            CloseHandle(handle).and(ended)
        })
    };
    if let Err(error) = ended {
        tracing::warn!(%error, pid = %process.pid(), "cannot be killed");
    }
}

pub fn note(sessions: &[u32]) -> io::Result<()> {
    if sessions.is_empty() {
        return Ok(());
    }
    let machine = RegKey::predef(HKEY_LOCAL_MACHINE);
    let (key, _) = machine.create_subkey_with_options_flags(RECORD, REG_OPTION_VOLATILE, KEY_SET_VALUE)?;
    let mut sessions: Vec<String> = sessions.iter().map(u32::to_string).collect();
    sessions.dedup();
    key.set_value(SESSIONS, &sessions)
}

/// Removes the parts of the installation that the installer does not know.
pub fn clear() {
    if let Err(error) = remove_key(HKEY_LOCAL_MACHINE, RECORD) {
        tracing::warn!(%error, "the installer's record cannot be removed");
    }
    if let Err(error) = autostart::forget(HKEY_LOCAL_MACHINE, "") {
        tracing::warn!(%error, "the records of the autostart cannot be removed");
    }
}

pub fn start_again() -> io::Result<()> {
    let machine = RegKey::predef(HKEY_LOCAL_MACHINE);
    let sessions: Vec<String> = match machine.open_subkey(RECORD).and_then(|key| key.get_value(SESSIONS)) {
        Ok(sessions) => sessions,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    remove_key(HKEY_LOCAL_MACHINE, RECORD)?;
    let program = std::env::current_exe()?;
    let mut last = Ok(());
    for id in sessions.iter().filter_map(|id| id.parse().ok()) {
        let started = start_in(id, &program, &[]).map(drop);
        last = started.inspect_err(|error| tracing::warn!(%error, id, "could not be started again in the session"));
    }
    last
}

/// Windows does not replace a program that runs.
pub fn renew() -> io::Error {
    io::ErrorKind::Unsupported.into()
}

/// Starts the program in a session, as its user. The arguments contain no blanks or quotes.
fn start_in(id: u32, program: &Path, arguments: &[&str]) -> io::Result<OwnedHandle> {
    // A user upgrades in their own session. The Windows Installer runs in session 0, which has no desktop.
    if id != 0 && session_id(std::process::id()) == Some(id) {
        const DETACHED_PROCESS: u32 = 8;
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).creation_flags(DETACHED_PROCESS);
        return command.args(arguments).spawn().map(OwnedHandle::from);
    }
    let mut token = HANDLE::default();
    // SAFETY: the pointer is valid for the call.
    unsafe { WTSQueryUserToken(id, &mut token) }?;
    let started = start_as(token, program, arguments);
    // SAFETY: opened above, closed once.
    unsafe { CloseHandle(token) }?;
    started
}

fn start_as(token: HANDLE, program: &Path, arguments: &[&str]) -> io::Result<OwnedHandle> {
    let mut environment: *mut c_void = ptr::null_mut();
    // SAFETY: the pointer is valid for the call; the block is destroyed below.
    unsafe { CreateEnvironmentBlock(&mut environment, Some(token), false) }?;
    let mut desktop: Vec<u16> = r"winsta0\default".encode_utf16().chain([0]).collect();
    let startup = STARTUPINFOW {
        cb: mem::size_of::<STARTUPINFOW>() as u32,
        lpDesktop: PWSTR(desktop.as_mut_ptr()),
        ..STARTUPINFOW::default()
    };
    let line = format!("\"{}\" {}", program.display(), arguments.join(" "));
    let mut line: Vec<u16> = line.encode_utf16().chain([0]).collect();
    let mut process = PROCESS_INFORMATION::default();
    // SAFETY: every pointer is valid for the call, which may write to the command line.
    let started = unsafe {
        CreateProcessAsUserW(
            Some(token),
            &HSTRING::from(program),
            Some(PWSTR(line.as_mut_ptr())),
            None,
            None,
            false,
            CREATE_UNICODE_ENVIRONMENT,
            Some(environment),
            w!(r"C:\"),
            &startup,
            &mut process,
        )
    };
    // SAFETY: created above, and not used any more.
    unsafe { DestroyEnvironmentBlock(environment) }?;
    started?;
    // SAFETY: both handles are ours.
    unsafe {
        CloseHandle(process.hThread)?;
        Ok(OwnedHandle::from_raw_handle(process.hProcess.0))
    }
}

/// Lets a process of each user who is logged on remove what is theirs. The installer removes nothing of it: below folders and
/// keys that a user may write, a link could lead the system's rights elsewhere. Of a user who is not logged on everything
/// stays; there is no secret in it but the credentials, which Windows opens to nobody else.
pub fn forget() -> io::Result<()> {
    let program = std::env::current_exe()?;
    let mut last = Ok(());
    for id in sessions()? {
        let done = start_in(id, &program, &["installer", "forget", "--own"]).and_then(|process| succeeded(&process));
        match done {
            // No user is logged on there.
            Err(error) if error.raw_os_error() == Some(ERROR_NO_TOKEN.to_hresult().0) => {}
            Err(error) => {
                tracing::warn!(%error, id, "settings may be left in the session");
                last = Err(error);
            }
            Ok(()) => {}
        }
    }
    last
}

/// Removes the settings, the state with the log and WebView2's files, and the keys of this user.
pub fn forget_own() -> io::Result<()> {
    let mut last = Ok(());
    let settings = vigie_profile::Paths::system().user.parent().map(Path::to_owned);
    for folder in [settings, store::state_dir()].into_iter().flatten() {
        if let Err(error) = remove_folder(&folder) {
            tracing::warn!(%error, folder = %folder.display(), "cannot be removed");
            last = Err(error);
        }
    }
    if let Err(error) = autostart::forget(HKEY_CURRENT_USER, "") {
        last = Err(error);
    }
    for key in notify::identity_keys().iter().map(String::as_str).chain([r"Software\Vigie"]) {
        if let Err(error) = remove_key(HKEY_CURRENT_USER, key) {
            last = Err(error);
        }
    }
    last
}

/// Removes a folder. WebView2's processes, which end after their window, may still have files open.
fn remove_folder(folder: &Path) -> io::Result<()> {
    let end = Instant::now() + ENGINE_END_TIMEOUT;
    loop {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if Instant::now() >= end => return Err(error),
            Err(_) => std::thread::sleep(POLL_INTERVAL),
            Ok(()) => return Ok(()),
        }
    }
}

fn succeeded(process: &OwnedHandle) -> io::Result<()> {
    let (process, limit) = (HANDLE(process.as_raw_handle()), FORGET_TIMEOUT.as_millis() as u32);
    let mut code = 1;
    // SAFETY: the handle is open.
    let waited = unsafe { WaitForSingleObject(process, limit) };
    if waited != WAIT_OBJECT_0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    // SAFETY: the handle is open; the pointer is valid for the call.
    unsafe { GetExitCodeProcess(process, &mut code) }?;
    if code == 0 { Ok(()) } else { Err(io::Error::other(format!("code {code}"))) }
}

/// Returns the sessions in which users may be logged on, this one included. (Session 0 is for services.)
fn sessions() -> io::Result<Vec<u32>> {
    let (mut list, mut count) = (ptr::null_mut::<WTS_SESSION_INFOW>(), 0);
    // SAFETY: the pointers are valid for the call; the list is as long as said, and freed once.
    let mut ids: Vec<u32> = unsafe {
        WTSEnumerateSessionsW(None, 0, 1, &mut list, &mut count)?;
        let ids = if list.is_null() {
            Vec::new()
        } else {
            slice::from_raw_parts(list, count as usize).iter().map(|session| session.SessionId).collect()
        };
        WTSFreeMemory(list.cast());
        ids
    };
    // Wine lists none.
    ids.extend(session_id(std::process::id()));
    ids.sort_unstable();
    ids.dedup();
    ids.retain(|id| *id != 0);
    Ok(ids)
}

fn remove_key(root: HKEY, path: &str) -> io::Result<()> {
    match RegKey::predef(root).open_subkey_with_flags(path, KEY_READ) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => RegKey::predef(root).delete_subkey_all(path),
    }
}

/// Returns the session that a process runs in.
fn session_id(process: u32) -> Option<u32> {
    let mut session = 0;
    // SAFETY: the pointer is valid for the call.
    unsafe { ProcessIdToSessionId(process, &mut session) }.ok()?;
    Some(session)
}
