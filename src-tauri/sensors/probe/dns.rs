//! Probes a DNS server of the intranet for the SOA record of an intranet zone (RFC 1035). Of a server whose zones are not
//! known, any response counts.

use super::ProtocolAnswer;
use std::io;
use std::net::SocketAddr;
use tokio::net::UdpSocket;

const TYPE_SOA: u16 = 6;
const CLASS_IN: u16 = 1;
const HEADER_BYTES: usize = 12;
/// Answers are below 512 bytes if the request offers no more (RFC 1035, section 4.2.1).
const MAX_RESPONSE_BYTES: usize = 1500;

/// Asks that server for the zone's SOA record, or, if no zone is known, for the root's, to which "refused" is an
/// answer too. The connected socket's own address identifies the interface.
pub(super) async fn ask(server: SocketAddr, zone: Option<&str>) -> io::Result<(ProtocolAnswer, SocketAddr)> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    let local = socket.local_addr()?;
    let number = fastrand::u16(..);
    let question = question(zone.unwrap_or(".")).ok_or(io::ErrorKind::InvalidInput)?;
    socket.send(&request(number, &question)).await?;
    let mut buffer = [0; MAX_RESPONSE_BYTES];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let response = buffer.get(..length).unwrap_or_default();
        // A response with another number is late or forged; the right one may still come.
        if response.get(..2) == Some(&number.to_be_bytes()) {
            let correct = match zone {
                Some(_) => is_soa_response(response, &question),
                None => is_response(response, &question),
            };
            return Ok((if correct { ProtocolAnswer::Correct } else { ProtocolAnswer::Wrong }, local));
        }
    }
}

/// The question section: the zone's name, SOA, IN.
fn question(zone: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for label in zone.trim_end_matches('.').split_terminator('.') {
        bytes.push(u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?);
        bytes.extend(label.to_ascii_lowercase().bytes());
    }
    bytes.push(0);
    bytes.extend(TYPE_SOA.to_be_bytes());
    bytes.extend(CLASS_IN.to_be_bytes());
    Some(bytes)
}

fn request(number: u16, question: &[u8]) -> Vec<u8> {
    // Recursion desired; one question.
    let [high, low] = number.to_be_bytes();
    let mut bytes = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend(question);
    bytes
}

/// Reads a big-endian number.
fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map(u16::from_be_bytes)
}

/// Returns whether these bytes are a response to that question, an error or not.
fn is_response(bytes: &[u8], question: &[u8]) -> bool {
    let asked = bytes.get(HEADER_BYTES..HEADER_BYTES + question.len()).map(<[u8]>::to_ascii_lowercase);
    u16_at(bytes, 2).is_some_and(|flags| flags & 0x8000 != 0)
        && u16_at(bytes, 4) == Some(1)
        && asked.as_deref() == Some(question)
}

/// Returns whether these bytes are a response without an error whose first record is the SOA of the requested name.
fn is_soa_response(bytes: &[u8], question: &[u8]) -> bool {
    let u16_at = |at| u16_at(bytes, at);
    let is_error = u16_at(2).is_none_or(|flags| flags & 0x000f != 0);
    if !is_response(bytes, question) || is_error || u16_at(6).is_none_or(|answers| answers == 0) {
        return false;
    }
    let name = question.len() - 4;
    let record = HEADER_BYTES + question.len();
    // The owner's name: a pointer to the question's, or the name again.
    let owner = match bytes.get(record..record + name).map(<[u8]>::to_ascii_lowercase) {
        Some(again) if again == question[..name] => name,
        _ if u16_at(record) == Some(0xc000 | 12) => 2,
        _ => return false,
    };
    let length = u16_at(record + owner + 8).map(usize::from);
    u16_at(record + owner) == Some(TYPE_SOA)
        && u16_at(record + owner + 2) == Some(CLASS_IN)
        // Two names and five numbers (section 3.3.13).
        && length.is_some_and(|length| length >= 22 && record + owner + 10 + length <= bytes.len())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    const ZONE: &str = "in.ac-caen.fr";

    /// The answer of a server of that zone.
    pub(in crate::sensors::probe) fn response(request: &[u8]) -> Vec<u8> {
        let mut bytes = request.to_vec();
        (bytes[2], bytes[3], bytes[7]) = (0x85, 0x80, 1);
        bytes.extend([0xc0, 12, 0, 6, 0, 1, 0, 0, 0, 60, 0, 24, 0xc0, 12, 0xc0, 12]);
        bytes.extend([0; 20]);
        bytes
    }

    #[test]
    fn a_response_must_hold_the_zones_soa() {
        let question = question(ZONE).expect("a zone");
        let good = response(&request(7, &question));
        assert!(is_soa_response(&good, &question));
        let record = HEADER_BYTES + question.len();
        for (at, value, what) in [
            (2, 0x05, "a request"),
            (3, 0x83, "no such zone"),
            (7, 0, "no record"),
            (HEADER_BYTES + 1, b'x', "another zone's question"),
            (record + 1, 13, "another zone's record"),
            (record + 3, 1, "an address"),
            (record + 11, 25, "cut short"),
        ] {
            let mut bytes = good.clone();
            bytes[at] = value;
            assert!(!is_soa_response(&bytes, &question), "{what}");
        }
        assert!(!is_soa_response(&request(7, &question), &question), "sent back");
    }

    #[test]
    fn a_refusal_is_a_response_to_the_question_for_the_root() {
        let root = question(".").expect("the root");
        assert_eq!(root, [0, 0, 6, 0, 1]);
        let mut refused = request(7, &root);
        (refused[2], refused[3]) = (0x81, 0x85);
        assert!(is_response(&refused, &root));
        assert!(!is_response(&request(7, &root), &root), "sent back");
        assert!(!is_response(&refused, &question(ZONE).expect("a zone")), "another question's");
        assert_eq!(question("a..b"), None);
    }

    proptest! {
        #[test]
        fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            is_soa_response(&bytes, &question(ZONE).expect("a zone"));
        }
    }
}
