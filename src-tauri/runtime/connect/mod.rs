//! Connects the VPN: drives the client that is installed, and reads and keeps credentials.
//!
//! Each client has a `ClientDriver`, which names the program to start and decides what follows from its output:
//! progress, or an answer on its standard input (the only way that a secret takes), when it is asked for and once.
//! `driver::drive` does the rest for all: it starts the client, reads it in bounds and in time, and ends it when the
//! attempt is given up.

mod cisco;
mod driver;
mod obstacle;
#[cfg(target_os = "linux")]
pub mod openconnect;
mod output;
#[cfg(test)]
mod tests;

use self::driver::{ClientDriver, StopReason, drive};
use super::clipboard::{Clipboard, PASSCODE_EXPIRY};
use super::{credentials, launch};
use crate::cisco::command_line;
use crate::{Events, send};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use vigie_core::connect::{ClientDetection, ConnectError, ConnectProgress, ConnectRequest, Pin, Secret, VpnClient};
use vigie_core::message::{ClipboardContent, Event};
use vigie_profile::{ConnectMode, Profile, Site};

/// How long Cisco's command line may take to disconnect.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Does what the core requests about connecting; every answer is an event.
pub struct VpnConnector {
    events: Events,
    clipboard: Arc<Mutex<Clipboard>>,
    /// Ends the client that is being driven or holds the tunnel, also when it is dropped.
    stop: Option<oneshot::Sender<StopReason>>,
    /// The last attempt, which may still be ending its client.
    last: Option<JoinHandle<()>>,
}

impl VpnConnector {
    /// Creates a connector that drives no client yet. A passcode that could not be used is put on the clipboard.
    pub fn new(events: Events, clipboard: Arc<Mutex<Clipboard>>) -> VpnConnector {
        VpnConnector { events, clipboard, stop: None, last: None }
    }

    /// Finds the client that can be driven, what keeps it from connecting, and what the keyring holds; sends
    /// [`Event::ConnectObstacle`] and [`Event::ConnectReady`].
    pub fn prepare(&self, profile: &Arc<Profile>) {
        let (profile, events) = (profile.clone(), self.events.clone());
        tokio::spawn(async move {
            let client = client(&profile);
            if client == Some(VpnClient::Cisco) {
                let profile = profile.clone();
                let obstacle = tokio::task::spawn_blocking(move || obstacle::find(&profile)).await;
                send(&events, Event::ConnectObstacle(obstacle.unwrap_or_default()));
            }
            let (client, remembered) = tokio::join!(detect(client, &profile), credentials::remembered());
            send(&events, Event::ConnectReady(client, remembered));
        });
    }

    /// Connects; sends [`Event::ConnectProgress`].
    pub fn connect(&mut self, profile: &Arc<Profile>, request: ConnectRequest) {
        // Dropping the previous sender ends the previous client.
        let (stop, stopped) = oneshot::channel();
        self.stop = Some(stop);
        let last = self.last.take();
        let attempt = connect(profile.clone(), request, stopped, self.events.clone(), self.clipboard.clone());
        self.last = Some(tokio::spawn(async move {
            // Two clients at once would undo each other's routes.
            if let Some(last) = last {
                let _ = last.await;
            }
            attempt.await;
        }));
    }

    /// Ends the attempt that is under way.
    pub fn cancel(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(StopReason::Cancelled);
        }
    }

    /// Disconnects; sends [`Event::Disconnected`].
    pub fn disconnect(&mut self, profile: &Arc<Profile>) {
        // If a client holds the tunnel, its task answers.
        if self.stop.take().is_some_and(|stop| stop.send(StopReason::Disconnect).is_ok()) {
            return;
        }
        let (profile, events) = (profile.clone(), self.events.clone());
        tokio::spawn(async move {
            let result = disconnect_cisco(&profile).await;
            if let Err(error) = &result {
                tracing::error!(%error, "disconnecting the VPN failed");
            }
            send(&events, Event::Disconnected(result));
        });
    }

    /// Deletes what the keyring holds; sends [`Event::CredentialsForgotten`].
    pub fn forget(&self) {
        let events = self.events.clone();
        tokio::spawn(async move {
            let result = credentials::forget().await;
            if let Err(error) = &result {
                tracing::error!(%error, "deleting the credentials failed");
            }
            let remembered = credentials::remembered().await;
            send(&events, Event::CredentialsForgotten(result, remembered));
        });
    }
}

/// Returns the passcode: PIN and digits, one after the other (guide, section 1).
///
/// # Errors
/// Why the keyring does not give the PIN, for the log.
pub async fn passcode(pin: &Pin, digits: &Secret) -> Result<Secret, String> {
    let stored;
    let pin = match pin {
        Pin::Typed(pin) => pin,
        Pin::Remembered => {
            stored = credentials::pin().await?;
            &stored
        }
    };
    let mut passcode = String::with_capacity(pin.expose().len() + digits.expose().len());
    passcode.push_str(pin.expose());
    passcode.push_str(digits.expose());
    Ok(Secret::from(passcode))
}

/// Returns how the user can connect. `client` is the one that can be driven, if any.
async fn detect(client: Option<VpnClient>, profile: &Profile) -> ClientDetection {
    match client {
        // Cisco's command line comes with its window, OpenConnect has none.
        Some(client) if profile.vpn.connect == ConnectMode::Auto || client == VpnClient::Cisco => {
            ClientDetection::Found(client)
        }
        _ if launch::is_missing(profile, &profile.vpn.client).await => ClientDetection::Missing,
        _ => ClientDetection::WindowOnly,
    }
}

/// Returns the client that would be used: Cisco's if it is installed, otherwise OpenConnect.
fn client(profile: &Profile) -> Option<VpnClient> {
    if command_line(profile).is_some() {
        return Some(VpnClient::Cisco);
    }
    #[cfg(target_os = "linux")]
    if openconnect::is_installed() {
        return Some(VpnClient::OpenConnect);
    }
    None
}

fn driver(
    client: VpnClient,
    profile: &Profile,
    site: &Site,
    identifier: String,
    passcode: Secret,
) -> Option<Box<dyn ClientDriver>> {
    match client {
        VpnClient::Cisco => {
            let (program, gateway) = (command_line(profile)?, site.gateway.clone());
            Some(Box::new(cisco::CiscoDriver::new(program, gateway, identifier, passcode)))
        }
        #[cfg(target_os = "linux")]
        VpnClient::OpenConnect => {
            let (helper, site) = (openconnect::helper()?, site.id.clone());
            Some(Box::new(openconnect::OpenConnectDriver::new(helper, site, identifier, passcode)))
        }
        #[cfg(not(target_os = "linux"))]
        VpnClient::OpenConnect => None,
    }
}

async fn connect(
    profile: Arc<Profile>,
    request: ConnectRequest,
    stopped: oneshot::Receiver<StopReason>,
    events: Events,
    clipboard: Arc<Mutex<Clipboard>>,
) {
    let ConnectRequest { id, client, site, identifier, pin, digits, remember_pin } = request;
    let report = |progress| send(&events, Event::ConnectProgress(id, progress));
    let site = profile.sites.iter().find(|one| one.id == site);
    tracing::info!(?client, site = site.map(|site| &site.id), "connecting");
    let passcode = match passcode(&pin, &digits).await {
        Ok(passcode) => passcode,
        Err(error) => {
            tracing::warn!(%error, "reading the PIN from the keyring failed");
            return report(Err(ConnectError::PinLost));
        }
    };
    drop(digits);
    // A PIN that is to be kept, and was not before, is held until it has proven right.
    let (forget_pin, pin) = match pin {
        Pin::Typed(pin) => (!remember_pin, Some(pin).filter(|_| remember_pin)),
        Pin::Remembered => (false, None),
    };
    // For a client whose own window turns out to hold the connection: then the passcode was not sent.
    let unused = (client == VpnClient::Cisco).then(|| passcode.clone());
    let driver = site.and_then(|site| driver(client, &profile, site, identifier.clone(), passcode));
    let Some(driver) = driver else {
        return report(Err(ConnectError::NoDrivableClient));
    };
    let deadline = Instant::now() + Duration::from_secs(profile.vpn.connect_seconds.into());
    let refused = events.clone();
    let connected = || {
        tokio::spawn(async move {
            if let Err(error) = credentials::keep(&identifier, pin.as_ref(), forget_pin).await {
                tracing::warn!(%error, "keeping identifier and PIN failed");
                if pin.is_some() {
                    send(&refused, Event::PinNotKept);
                }
            }
        });
    };
    let outcome = drive(driver, stopped, deadline, &report, connected).await;
    // The client's own words are for the level `debug`.
    let failure = match &outcome.failed {
        Some(ConnectError::Unknown(lines)) => {
            tracing::debug!(lines, "last output of the client");
            Some("Unknown".to_owned())
        }
        known => known.as_ref().map(|reason| format!("{reason:?}")),
    };
    tracing::info!(?client, failure, outcome.interrupted, outcome.tunnel_ended, "the client has ended");
    if outcome.interrupted && client == VpnClient::Cisco {
        // Cisco's service may go on by itself.
        let _ = disconnect_cisco(&profile).await;
    }
    let is_held = outcome.failed == Some(ConnectError::Held);
    if let Some(reason) = outcome.failed {
        report(Err(reason));
    }
    if let Some(passcode) = unused.filter(|_| is_held) {
        let copied = Clipboard::copy_with_expiry(clipboard, passcode, PASSCODE_EXPIRY).await;
        if let Err(error) = &copied {
            tracing::error!(%error, "copying the passcode failed");
        }
        send(&events, Event::Copied(ClipboardContent::Passcode, copied));
    }
    if outcome.tunnel_ended {
        report(Ok(ConnectProgress::Ended));
    }
    if outcome.disconnect_requested {
        send(&events, Event::Disconnected(Ok(())));
    }
}

async fn disconnect_cisco(profile: &Profile) -> Result<(), String> {
    let program = command_line(profile).ok_or("no client holds a tunnel that Vigie could end")?;
    cisco::disconnect(&program, DISCONNECT_TIMEOUT).await
}
