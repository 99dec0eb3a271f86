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
    Ipp,
    Https,
    Dns,
    Tcp,
}

impl From<Protocol> for WitnessKind {
    fn from(protocol: Protocol) -> WitnessKind {
        match protocol {
            Protocol::Smb => WitnessKind::Smb,
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
            Answer::Refused | Answer::Silent | Answer::Unresolved => None,
        }
    }
}

impl Witness {
    /// Creates the witness of a host and its answer.
    pub fn new(host: &IntranetHost, answer: Answer, milliseconds: u32) -> Witness {
        Witness { kind: host.protocol.into(), host: host.to_string(), answer, milliseconds }
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
            (WitnessKind::Smb | WitnessKind::Ipp | WitnessKind::Dns, Answer::Correct(_)) => Some(Strength::Strong),
            (WitnessKind::Tcp, Answer::Correct(_) | Answer::Accepted(_)) => Some(Strength::Weak),
            (_, Answer::Accepted(_) | Answer::Wrong(_) | Answer::Refused | Answer::Silent | Answer::Unresolved) => None,
        }
    }

    /// Returns how much the answer proves about that path. A DNS server proves something only behind the tunnel:
    /// elsewhere any provider's could answer for any zone.
    pub fn proves(&self, path: Path, links: &Links) -> Option<Strength> {
        if self.path(links) != Some(path) || (self.kind == WitnessKind::Dns && path == Path::Direct) {
            return None;
        }
        self.strength()
    }
}

/// Returns the most that these witnesses prove about that path.
pub fn proven(witnesses: &[Witness], path: Path, links: &Links) -> Option<Strength> {
    witnesses.iter().filter_map(|witness| witness.proves(path, links)).max()
}
