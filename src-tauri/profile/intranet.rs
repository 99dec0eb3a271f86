//! Intranet hosts: servers that answer only from the intranet, and the protocol in which they must answer.

use super::check::is_host;
use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// A server of the intranet and the protocol that it must speak, as the profile writes it: `smb://172.26.66.73`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IntranetHost {
    /// What counts as an answer.
    pub protocol: Protocol,
    /// The host's name or address; for [`Protocol::Dns`] the zone.
    pub host: String,
    /// The TCP port; for [`Protocol::Dns`] the UDP port.
    pub port: u16,
    /// The path that IPP asks for, `/` by default.
    pub path: String,
    /// Hash of the server's public key (`sha256/…` without its prefix, base64), for [`Protocol::Https`]. With a pin,
    /// neither the name nor the issuer of the certificate matters.
    pub pin: Option<String>,
}

/// The protocol in which an intranet host must answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// A file server: an SMB2 NEGOTIATE response.
    Smb,
    /// A file server: a reply of its NFS service to the null procedure.
    Nfs,
    /// A print server: an IPP response.
    Ipp,
    /// A TLS server with a certificate that is valid for its name, or with the pinned public key.
    Https,
    /// The SOA record of an intranet zone, from a DNS server behind the tunnel.
    Dns,
    /// A TCP connection. Weak: any machine in between can accept it.
    Tcp,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Protocol; 6] =
        [Protocol::Smb, Protocol::Nfs, Protocol::Ipp, Protocol::Https, Protocol::Dns, Protocol::Tcp];

    /// The scheme in the profile.
    pub fn scheme(self) -> &'static str {
        match self {
            Protocol::Smb => "smb",
            Protocol::Nfs => "nfs",
            Protocol::Ipp => "ipp",
            Protocol::Https => "https",
            Protocol::Dns => "dns",
            Protocol::Tcp => "tcp",
        }
    }

    fn default_port(self) -> Option<u16> {
        match self {
            Protocol::Smb => Some(445),
            Protocol::Nfs => Some(2049),
            Protocol::Ipp => Some(631),
            Protocol::Https => Some(443),
            Protocol::Dns => Some(53),
            Protocol::Tcp => None,
        }
    }

    /// The protocol of a bare `host:port`.
    fn of_port(port: u16) -> Protocol {
        match port {
            445 => Protocol::Smb,
            631 => Protocol::Ipp,
            443 => Protocol::Https,
            _ => Protocol::Tcp,
        }
    }
}

impl IntranetHost {
    /// Returns the server of that name or address, at the protocol's own port; `None` if that is no name or the protocol
    /// has no port of its own.
    pub fn of_server(protocol: Protocol, host: &str) -> Option<IntranetHost> {
        let port = protocol.default_port()?;
        is_host(host).then(|| IntranetHost { protocol, host: host.into(), port, path: "/".into(), pin: None })
    }

    /// The address, if the profile gives one instead of a name.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// The error of a text that is not an intranet host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAnIntranetHost;

impl FromStr for IntranetHost {
    type Err = NotAnIntranetHost;

    fn from_str(text: &str) -> Result<IntranetHost, NotAnIntranetHost> {
        let Some((scheme, rest)) = text.split_once("://") else {
            let (host, port) = host_and_port(text)?;
            let port = port.ok_or(NotAnIntranetHost)?;
            let protocol = Protocol::of_port(port);
            return Ok(IntranetHost { protocol, host, port, path: "/".into(), pin: None });
        };
        let protocol = Protocol::ALL.into_iter().find(|one| one.scheme() == scheme).ok_or(NotAnIntranetHost)?;
        let (rest, pin) = match rest.split_once('#') {
            Some((rest, pin)) => (rest, Some(pin.strip_prefix("pin-sha256:").ok_or(NotAnIntranetHost)?)),
            None => (rest, None),
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        let path_fits = path == "/" || matches!(protocol, Protocol::Ipp);
        let pin_fits = pin.is_none_or(|pin| protocol == Protocol::Https && is_key_hash(pin));
        let printable = path.bytes().all(|byte| byte.is_ascii_graphic());
        if !path_fits || !pin_fits || !printable {
            return Err(NotAnIntranetHost);
        }
        let (host, port) = host_and_port(authority)?;
        let port = port.or(protocol.default_port()).ok_or(NotAnIntranetHost)?;
        if protocol == Protocol::Dns && host.parse::<IpAddr>().is_ok() {
            return Err(NotAnIntranetHost);
        }
        Ok(IntranetHost { protocol, host, port, path: path.into(), pin: pin.map(str::to_owned) })
    }
}

impl Display for IntranetHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.protocol.scheme())?;
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        if self.protocol.default_port() != Some(self.port) {
            write!(f, ":{}", self.port)?;
        }
        if self.path != "/" {
            f.write_str(&self.path)?;
        }
        match &self.pin {
            Some(pin) => write!(f, "#pin-sha256:{pin}"),
            None => Ok(()),
        }
    }
}

/// `host`, `host:port`, `[::1]:port`.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), NotAnIntranetHost> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => {
            host.parse::<Ipv6Addr>().map_err(|_| NotAnIntranetHost)?;
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return Err(NotAnIntranetHost),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() || !is_host(host) {
        return Err(NotAnIntranetHost);
    }
    let port = match port {
        Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port != 0).ok_or(NotAnIntranetHost)?),
        None => None,
    };
    Ok((host.to_owned(), port))
}

/// Whether a text can be the base64 of a SHA-256 hash.
pub(super) fn is_key_hash(text: &str) -> bool {
    text.len() == 44 && text.chars().all(|c| c.is_ascii_alphanumeric() || "+/=".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    #[test]
    fn a_bare_port_names_its_protocol() {
        for (text, canonical) in [
            ("172.26.66.73:445", "smb://172.26.66.73"),
            ("172.26.66.73:631", "ipp://172.26.66.73"),
            ("intranet.test:443", "https://intranet.test"),
            ("intranet.test:8080", "tcp://intranet.test:8080"),
            ("[2001:db8::1]:445", "smb://[2001:db8::1]"),
            ("smb://[2001:db8::1]:1445", "smb://[2001:db8::1]:1445"),
            ("ipp://imprimantes.test/printers/a", "ipp://imprimantes.test/printers/a"),
            ("https://intranet.test:8443", "https://intranet.test:8443"),
            ("dns://in.ac-caen.fr", "dns://in.ac-caen.fr"),
            ("nfs://fichiers.test:2049", "nfs://fichiers.test"),
        ] {
            let host: IntranetHost = text.parse().unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(host.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(host));
        }
    }

    #[test]
    fn a_pinned_key_is_kept() {
        let host: IntranetHost = format!("https://intranet.test#pin-sha256:{PIN}").parse().expect("it is well formed");
        assert_eq!(host.pin.as_deref(), Some(PIN));
        assert_eq!(host.to_string(), format!("https://intranet.test#pin-sha256:{PIN}"));
    }

    #[test]
    fn what_is_no_intranet_host_is_refused() {
        for text in [
            "",
            "a",
            "a:0",
            "a:65536",
            "a:b",
            "tcp://a",
            "ftp://a",
            "smb://",
            "smb://a/share",
            "smb://user@a",
            "https://a/path",
            "https://a?query",
            "dns://10.0.0.1",
            "ipp://a/with space",
            "smb://[::1",
            "smb://[::1]x",
            "https://a#pin-sha256:short",
            &format!("smb://a#pin-sha256:{PIN}"),
            &format!("https://a#{PIN}"),
        ] {
            assert_eq!(text.parse::<IntranetHost>(), Err(NotAnIntranetHost), "{text}");
        }
    }
}
