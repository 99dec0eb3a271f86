//! Drives a client: starts it, reads its output, answers its questions, and ends it.

use super::output::{ClientOutput, OutputEvent};
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};
use vigie_core::connect::{ConnectError, ConnectProgress, Secret, Stage};
use zeroize::Zeroizing;

/// How long a client may take to end.
const EXIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How far an attempt is, or why it failed.
pub type Progress = Result<ConnectProgress, ConnectError>;

/// A client that can be driven.
pub trait ClientDriver: Send {
    /// Returns the program with its arguments. None of them is secret.
    fn command(&self) -> Command;
    /// Whether the tunnel lasts only as long as the client runs, which ends with its input.
    fn holds_tunnel(&self) -> bool;
    /// Returns the passcode that the client is to be given.
    fn passcode(&self) -> Option<&Secret>;
    /// Decides what follows from what the client printed.
    fn on_output(&mut self, event: &OutputEvent) -> DriverStep;
    /// Returns why the client has ended, if its output has not said so; `lines` are the last lines that were kept.
    fn exit_reason(&self, code: Option<i32>, lines: String) -> ConnectError;
}

/// What to do after a client's output.
pub enum DriverStep {
    /// Nothing: the text is unknown. It may be the server's own, or repeat an answer.
    Unknown,
    /// Nothing: the text is known.
    Known,
    /// The attempt has reached this stage.
    Stage(Stage),
    /// The tunnel is up.
    Connected,
    /// Write this to the client's standard input, once.
    Answer(Zeroizing<Vec<u8>>, Stage),
    /// Start the client again, with other arguments. The gateway has not received the passcode.
    #[cfg(target_os = "linux")]
    Restart,
    /// The client has lost its server, and connects again by itself.
    #[cfg(target_os = "linux")]
    Reconnecting,
    /// The attempt has failed.
    Failed(ConnectError),
    /// The attempt has failed; [`ClientDriver::exit_reason`] says why.
    Exhausted,
}

/// Why a client is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The attempt was given up.
    Cancelled,
    /// The user disconnects, and waits for an answer.
    Disconnect,
}

/// How a client ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DriveOutcome {
    /// Why the tunnel did not come up.
    pub failed: Option<ConnectError>,
    /// A tunnel that the client held is gone.
    pub tunnel_ended: bool,
    /// The client was ended before the tunnel was up, or gave up: its service may go on.
    pub interrupted: bool,
    /// The user waits for the answer that the VPN is disconnected.
    pub disconnect_requested: bool,
}

impl DriveOutcome {
    /// Returns the outcome of an attempt that failed.
    fn failed(reason: ConnectError) -> DriveOutcome {
        DriveOutcome { failed: Some(reason), ..DriveOutcome::default() }
    }
}

/// Returns the lines of an answer. Allocated at full size: reallocating would leave copies of the secret.
pub fn answer_lines(texts: &[&str]) -> Zeroizing<Vec<u8>> {
    let mut lines = Zeroizing::new(Vec::with_capacity(texts.iter().map(|text| text.len() + 1).sum()));
    for text in texts {
        lines.extend_from_slice(text.as_bytes());
        lines.push(b'\n');
    }
    lines
}

/// Starts a client, answers what it asks, and follows it until it ends or, if it does not hold the tunnel, until the tunnel
/// is up.
pub async fn drive(
    mut driver: Box<dyn ClientDriver>,
    mut stop: oneshot::Receiver<StopReason>,
    deadline: Instant,
    report: &impl Fn(Progress),
    connected: impl FnOnce(),
) -> DriveOutcome {
    let (mut child, mut output) = match start(&*driver) {
        Ok(started) => started,
        Err(error) => return DriveOutcome::failed(ConnectError::Unknown(error.to_string())),
    };
    let mut stdin = child.stdin.take();
    let mut connected = Some(connected);
    let mut has_answered = false;
    // A client that prints without end reports each stage once.
    let mut reported = None;
    loop {
        let is_up = connected.is_none();
        let event = tokio::select! {
            reason = &mut stop => {
                end(child, stdin, driver.holds_tunnel()).await;
                let disconnect_requested = reason == Ok(StopReason::Disconnect);
                let tunnel_ended = is_up || disconnect_requested;
                return DriveOutcome { tunnel_ended, interrupted: !is_up, disconnect_requested, failed: None };
            }
            () = tokio::time::sleep_until(deadline), if !is_up => {
                end(child, stdin, driver.holds_tunnel()).await;
                return DriveOutcome { interrupted: true, ..DriveOutcome::failed(ConnectError::TimedOut) };
            }
            event = output.next(!is_up) => event,
        };
        let step = match &event {
            Ok(Some(event)) => driver.on_output(event),
            Ok(None) => {
                let code = timeout(EXIT_TIMEOUT, child.wait()).await;
                let code = code.ok().and_then(Result::ok).and_then(|status| status.code());
                drop(stdin);
                tracing::info!(code, "the client ended by itself");
                if is_up {
                    return DriveOutcome { tunnel_ended: true, ..DriveOutcome::default() };
                }
                let reason = driver.exit_reason(code, output.kept_lines());
                let interrupted = !matches!(reason, ConnectError::Unknown(_) | ConnectError::Held);
                return DriveOutcome { interrupted, ..DriveOutcome::failed(reason) };
            }
            Err(error) => DriverStep::Failed(ConnectError::Unknown(error.to_string())),
        };
        // After an answer, an unknown line may repeat it in an unforeseen form. Once the tunnel is up, any line may.
        let may_repeat_secret = is_up || has_answered && matches!(step, DriverStep::Unknown);
        if !may_repeat_secret && matches!(event, Ok(Some(OutputEvent::Line(_)))) {
            output.keep_line();
        }
        let reason = match step {
            #[cfg(target_os = "linux")]
            DriverStep::Reconnecting => {
                if is_up {
                    report(Ok(ConnectProgress::Reconnecting));
                }
                continue;
            }
            // What else an established tunnel's client prints changes nothing.
            _ if is_up => continue,
            DriverStep::Unknown | DriverStep::Known => continue,
            DriverStep::Stage(stage) => {
                if reported.replace(stage) != Some(stage) {
                    report(Ok(ConnectProgress::Stage(stage)));
                }
                continue;
            }
            DriverStep::Answer(answer, stage) => {
                has_answered = true;
                output.mark_answered();
                if let Some(stdin) = &mut stdin {
                    // If the client has ended, its output says why.
                    let _ = timeout_at(deadline, stdin.write_all(&answer)).await;
                }
                reported = Some(stage);
                report(Ok(ConnectProgress::Stage(stage)));
                continue;
            }
            DriverStep::Connected => {
                // The tunnel may last for hours.
                output.forget_secret();
                if let Some(connected) = connected.take() {
                    connected();
                }
                report(Ok(ConnectProgress::Connected));
                if !driver.holds_tunnel() {
                    end(child, stdin, true).await;
                    return DriveOutcome::default();
                }
                continue;
            }
            #[cfg(target_os = "linux")]
            DriverStep::Restart => {
                end(child, stdin, driver.holds_tunnel()).await;
                (child, output) = match start(&*driver) {
                    Ok(started) => started,
                    Err(error) => return DriveOutcome::failed(ConnectError::Unknown(error.to_string())),
                };
                stdin = child.stdin.take();
                continue;
            }
            DriverStep::Failed(reason) => reason,
            DriverStep::Exhausted => driver.exit_reason(None, output.kept_lines()),
        };
        // It would only ask again.
        end(child, stdin, driver.holds_tunnel()).await;
        // A connection that another client holds is not Vigie's to end.
        return DriveOutcome { interrupted: reason != ConnectError::Held, ..DriveOutcome::failed(reason) };
    }
}

fn start(driver: &dyn ClientDriver) -> io::Result<(Child, ClientOutput)> {
    let mut child = spawn(driver.command(), driver.holds_tunnel())?;
    let output = ClientOutput::new(&mut child, driver.passcode());
    Ok((child, output))
}

/// Starts a client. If it does not end with its input (`ends_with_input`), the kernel ends it when Vigie is killed.
pub fn spawn(mut command: Command, ends_with_input: bool) -> io::Result<Child> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(!ends_with_input);
    #[cfg(target_os = "linux")]
    if !ends_with_input {
        let end_with_vigie =
            || Ok(rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?);
        // SAFETY: between fork and exec only one system call is made, prctl.
        unsafe { command.pre_exec(end_with_vigie) };
    }
    command.spawn().map_err(|error| {
        let program = command.as_std().get_program().display().to_string();
        io::Error::new(error.kind(), format!("{program}: {error}"))
    })
}

/// Ends a client: by closing its input if it reacts to that; otherwise, or if that takes too long, by a signal.
async fn end(mut child: Child, stdin: Option<ChildStdin>, ends_with_input: bool) {
    drop(stdin);
    if ends_with_input && timeout(EXIT_TIMEOUT, child.wait()).await.is_ok() {
        return;
    }
    if let Err(error) = child.kill().await {
        tracing::warn!(%error, "the client does not end");
    }
}
