//! Checks a TLS server's identity, and distinguishes a wrong clock, an expired certificate, and another server.
//!
//! The handshake is blocking, so it runs on a thread of its own: reading the system's certificates takes some
//! milliseconds, and Windows may use the network to verify one.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme,
};
use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use vigie_core::vpn::Gateway;
use webpki::{EndEntityCert, KeyUsage};

/// A server in use is unlikely to have a certificate that expired so long ago: rather, this computer's clock is ahead.
const EXPIRED_LONG_AGO: Duration = Duration::from_secs(90 * 86_400);
/// When this program was built: a clock that shows an earlier time is wrong. (Zero if the build did not set it.)
const BUILT: Duration = Duration::from_secs(match u64::from_str_radix(env!("VIGIE_BUILD_TIME"), 10) {
    Ok(seconds) => seconds,
    Err(_) => 0,
});

/// Returns how the server proves its identity: by a certificate that the system trusts for that name, or, if there are
/// pins (`pin-sha256:…`), by one of those keys. `None` if this machine has no trusted certificates to judge by.
pub(super) fn identity(stream: TcpStream, name: &str, pins: &[String], until: Instant) -> Option<Gateway> {
    let Ok(server) = ServerName::try_from(name.to_owned()) else { return Some(Gateway::OtherName) };
    let trust = if pins.is_empty() {
        let platform = rustls_platform_verifier::Verifier::new(Arc::new(default_provider()));
        Trust::Platform(platform.inspect_err(|error| tracing::debug!("no certificates to trust: {error}")).ok()?)
    } else {
        Trust::Pins(pins.to_vec())
    };
    let algorithms = default_provider().signature_verification_algorithms;
    let verifier = Arc::new(Verifier { trust, algorithms, presented: Mutex::default(), proven: AtomicBool::default() });
    match handshake(stream, server.clone(), verifier.clone(), until) {
        Ok(()) => Some(Gateway::Answered),
        // The server has proven its identity, and wants a certificate of this computer, for example.
        Err(error) if verifier.proven.load(Ordering::Relaxed) => {
            tracing::debug!("{name}: after the server's signature: {error}");
            Some(Gateway::Answered)
        }
        Err(error) => {
            let presented = verifier.presented.lock().unwrap_or_else(PoisonError::into_inner).take();
            let answer = judge(&error, presented.as_ref(), &server, pins, UnixTime::now());
            tracing::debug!("{name}: {answer:?}: {error}");
            answer
        }
    }
}

fn handshake(stream: TcpStream, name: ServerName<'static>, verifier: Arc<Verifier>, until: Instant) -> io::Result<()> {
    let mut stream = stream;
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    let mut connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        stream.set_read_timeout(Some(left(until)?))?;
        stream.set_write_timeout(Some(left(until)?))?;
        if connection.wants_write() {
            connection.write_tls(&mut stream)?;
        } else {
            if connection.read_tls(&mut stream)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Err(error) = connection.process_new_packets() {
                // Sends the alert, if the connection still allows it.
                let _ = connection.write_tls(&mut stream);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }
    connection.send_close_notify();
    let _ = connection.write_tls(&mut stream);
    Ok(())
}

/// Returns the time left until then.
///
/// # Errors
/// `TimedOut` if there is none.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// The certificates that the server presented.
#[derive(Debug)]
struct Presented {
    certificate: CertificateDer<'static>,
    /// Whether it sent certificates of its issuers as well.
    with_issuers: bool,
}

/// Which certificates are accepted.
#[derive(Debug)]
enum Trust {
    /// Those that the system trusts for the server's name.
    Platform(rustls_platform_verifier::Verifier),
    /// Those with one of these keys.
    Pins(Vec<String>),
}

/// Verifies a certificate, and records what was presented.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
    presented: Mutex<Option<Presented>>,
    /// Whether the server has signed this handshake with the key of a certificate that is accepted.
    proven: AtomicBool,
}

impl Verifier {
    /// Records whether the signature is valid. The certificate was accepted before.
    fn record(
        &self,
        signature: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.proven.fetch_or(signature.is_ok(), Ordering::Relaxed);
        signature
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let presented =
            Presented { certificate: end_entity.clone().into_owned(), with_issuers: !intermediates.is_empty() };
        *self.presented.lock().unwrap_or_else(PoisonError::into_inner) = Some(presented);
        match &self.trust {
            Trust::Platform(platform) => {
                platform.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            Trust::Pins(pins) if pins.iter().any(|pin| is_pinned(end_entity, pin)) => {
                Ok(ServerCertVerified::assertion())
            }
            Trust::Pins(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.record(rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.record(rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Returns whether the pin (`pin-sha256:…`, or the hash alone) is that of this certificate's public key.
fn is_pinned(certificate: &CertificateDer<'_>, pin: &str) -> bool {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return false };
    let hash = ring::digest::digest(&ring::digest::SHA256, &certificate.subject_public_key_info());
    pin.strip_prefix("pin-sha256:").unwrap_or(pin) == BASE64_STANDARD.encode(hash)
}

/// Returns what an error of the handshake says about the server.
fn judge(
    error: &io::Error,
    presented: Option<&Presented>,
    name: &ServerName<'_>,
    pins: &[String],
    now: UnixTime,
) -> Option<Gateway> {
    use rustls::Error;
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        let timed_out = matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock);
        return Some(if timed_out { Gateway::Silent } else { Gateway::Refused });
    };
    if let Some(presented) = presented
        && matches!(error, Error::InvalidCertificate(_))
    {
        return Some(judge_certificate(presented, name, pins, now));
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "a list of errors that grows with the library")]
    match error {
        Error::General(_) | Error::FailedToGetCurrentTime | Error::FailedToGetRandomBytes => None,
        Error::PeerIncompatible(_)
        | Error::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity,
        ) => Some(Gateway::OldTls),
        Error::InvalidMessage(_) => Some(Gateway::NotTls),
        Error::InvalidCertificate(_) => Some(Gateway::Untrusted),
        _ => Some(Gateway::Refused),
    }
}

fn judge_certificate(presented: &Presented, name: &ServerName<'_>, pins: &[String], now: UnixTime) -> Gateway {
    let Ok(certificate) = EndEntityCert::try_from(&presented.certificate) else { return Gateway::Untrusted };
    // Those that are pinned often have their name in the subject alone, where TLS no longer reads it (RFC 9525).
    let has_no_names = certificate.valid_dns_names().next().is_none();
    let name_in_subject = || {
        let name = name.to_str().to_ascii_lowercase();
        certificate.subject().to_ascii_lowercase().windows(name.len()).any(|part| part == name.as_bytes())
    };
    let is_pinned_host = !pins.is_empty() && has_no_names && name_in_subject();
    if certificate.verify_is_valid_for_subject_name(name).is_err() && !is_pinned_host {
        return Gateway::OtherName;
    }
    if !pins.is_empty() {
        return Gateway::PinMismatch;
    }
    match validity(&certificate, now) {
        Validity::NotYet => Gateway::ClockWrong,
        Validity::ExpiredSince(lasting) if lasting >= EXPIRED_LONG_AGO => Gateway::ClockWrong,
        _ if now.as_secs() < BUILT.as_secs() => Gateway::ClockWrong,
        Validity::ExpiredSince(_) => Gateway::Expired,
        Validity::Valid if !presented.with_issuers && certificate.issuer() != certificate.subject() => {
            Gateway::Incomplete
        }
        Validity::Valid => Gateway::Untrusted,
    }
}

enum Validity {
    NotYet,
    Valid,
    ExpiredSince(Duration),
}

/// `webpki` checks the dates before it looks for an issuer, of which none is offered here.
fn validity(certificate: &EndEntityCert<'_>, now: UnixTime) -> Validity {
    let algorithms = default_provider().signature_verification_algorithms.all;
    let verified = certificate.verify_for_usage(algorithms, &[], &[], now, KeyUsage::server_auth(), None, None);
    match verified.err() {
        Some(webpki::Error::CertNotValidYet { .. }) => Validity::NotYet,
        Some(webpki::Error::CertExpired { not_after, .. }) => {
            Validity::ExpiredSince(Duration::from_secs(now.as_secs().saturating_sub(not_after.as_secs())))
        }
        _ => Validity::Valid,
    }
}
