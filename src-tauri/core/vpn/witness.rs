//! Witnesses: which hosts were asked whether the intranet is within reach, what they answered, and how much that proves.

use super::Links;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use vigie_profile::{IntranetHost, Protocol};

/// An intranet host that was asked, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// What was asked.
    pub kind: WitnessKind,
    /// Who was asked, as the profile names it.
    pub host: String,
    /// Whether the profile does not name this host: it is a server of the user's drives or printers, or a DNS server of
    /// the tunnel.
    #[serde(default)]
    pub learned: bool,
    /// The answer.
    #[serde(flatten)]
    pub answer: Answer,
    /// How long it took.
    pub milliseconds: u32,
}

/// What a witness was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the protocols of the profile")]
pub enum WitnessKind {
    Smb,
    Nfs,
    Ipp,
    Https,
    Dns,
    Tcp,
}

impl From<Protocol> for WitnessKind {
    fn from(protocol: Protocol) -> WitnessKind {
        match protocol {
            Protocol::Smb => WitnessKind::Smb,
            Protocol::Nfs => WitnessKind::Nfs,
            Protocol::Ipp => WitnessKind::Ipp,
            Protocol::Https => WitnessKind::Https,
            Protocol::Dns => WitnessKind::Dns,
            Protocol::Tcp => WitnessKind::Tcp,
        }
    }
}

/// A host's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// A correct answer of the protocol.
    Correct(Ends),
    /// The connection was accepted; nothing more came, or nothing more was asked.
    Accepted(Ends),
    /// The answer was not of the protocol: a web page, garbage, another server's certificate.
    Wrong(Ends),
    /// The host refused the connection.
    Refused,
    /// Nothing came within the time limit.
    Silent,
    /// The host's name has no address here.
    Unresolved,
    /// No DNS server answers, so the host's name cannot be resolved.
    ResolverDown,
}

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// This computer's address, which tells the interface.
    pub local: IpAddr,
    /// The host's address.
    pub remote: IpAddr,
}

/// How much an answer proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// Any machine in between could have answered so.
    Weak,
    /// A correct answer of a protocol that nothing else speaks by chance.
    Strong,
    /// The server has proved its identity.
    Proof,
}

/// The way by which an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// Through the academy's tunnel.
    Tunnel,
    /// Through any other interface.
    Direct,
}

impl Answer {
    /// Returns the connection's ends, if one was made.
    pub fn ends(&self) -> Option<Ends> {
        match self {
            Answer::Correct(ends) | Answer::Accepted(ends) | Answer::Wrong(ends) => Some(*ends),
            Answer::Refused | Answer::Silent | Answer::Unresolved | Answer::ResolverDown => None,
        }
    }
}

impl Witness {
    /// Creates the witness of a host of the profile and its answer.
    pub fn new(host: &IntranetHost, answer: Answer, milliseconds: u32) -> Witness {
        Witness { kind: host.protocol.into(), host: host.to_string(), learned: false, answer, milliseconds }
    }

    /// Returns the way by which the answer came. `None` if there is no answer, if the connection's interface is not known
    /// (any more), and if a network of this computer alone owns the host's address (Docker, a virtual machine): such an
    /// answer proves nothing about the academy.
    pub fn path(&self, links: &Links) -> Option<Path> {
        let Ends { local, remote } = self.answer.ends()?;
        let interface = links.holder(local)?;
        if interface.tunnel {
            return Some(Path::Tunnel);
        }
        (!links.is_local_only(interface, remote)).then_some(Path::Direct)
    }

    /// Returns how much the answer proves, whatever its path; `None` if it proves nothing.
    pub fn strength(&self) -> Option<Strength> {
        match (self.kind, self.answer) {
            (WitnessKind::Https, Answer::Correct(_)) => Some(Strength::Proof),
            (WitnessKind::Smb | WitnessKind::Nfs | WitnessKind::Ipp | WitnessKind::Dns, Answer::Correct(_)) => {
                Some(Strength::Strong)
            }
            (WitnessKind::Tcp, Answer::Correct(_) | Answer::Accepted(_)) => Some(Strength::Weak),
            (_, Answer::Accepted(_) | Answer::Wrong(_) | Answer::Refused) => None,
            (_, Answer::Silent | Answer::Unresolved | Answer::ResolverDown) => None,
        }
    }

    /// Returns how much the answer proves about that path. A DNS server proves something only behind the tunnel: elsewhere any
    /// provider's could answer for any zone. A server that is learned may be the user's own, at home or behind a private
    /// VPN: it proves something on the path that is known to be the academy's (`known`) alone.
    pub fn proves(&self, path: Path, links: &Links, known: Option<Path>) -> Option<Strength> {
        let is_foreign =
            (self.kind == WitnessKind::Dns && path == Path::Direct) || (self.learned && known != Some(path));
        if self.path(links) != Some(path) || is_foreign { None } else { self.strength() }
    }
}

/// Returns the most that these witnesses prove about that path; `known` as in [`Witness::proves`].
pub fn proven(witnesses: &[Witness], path: Path, links: &Links, known: Option<Path>) -> Option<Strength> {
    witnesses.iter().filter_map(|witness| witness.proves(path, links, known)).max()
}
