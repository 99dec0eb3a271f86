//! Probes a file server with the SMB2 NEGOTIATE exchange ([MS-SMB2] 2.2.3 and 2.2.4), the first of every SMB2 session. It
//! names no share and needs no log-in.

use super::ProtocolAnswer;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HEADER_BYTES: usize = 64;
const NEGOTIATE_BYTES: usize = 36;
/// The fixed part of a NEGOTIATE response.
const RESPONSE_BYTES: usize = 64;
/// SMB 2.0.2, 2.1, 3.0 and 3.0.2. (3.1.1 needs negotiate contexts; a server that speaks it speaks these too.)
const DIALECTS: [u16; 4] = [0x0202, 0x0210, 0x0300, 0x0302];
/// A response is some hundred bytes long; its security blob names the authentication mechanisms.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;
const PROTOCOL_ID: [u8; 4] = *b"\xfeSMB";
const SERVER_TO_CLIENT: u32 = 1;

/// Sends a NEGOTIATE request and judges the answer.
pub(super) async fn ask(stream: &mut TcpStream) -> io::Result<ProtocolAnswer> {
    stream.write_all(&request(fastrand::u128(..))).await?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    // Direct TCP transport: a zero byte, then the length in three bytes ([MS-SMB2] 2.1).
    let size = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if !(HEADER_BYTES + RESPONSE_BYTES..=MAX_RESPONSE_BYTES).contains(&size) {
        return Ok(ProtocolAnswer::Wrong);
    }
    let mut response = vec![0; size];
    stream.read_exact(&mut response).await?;
    Ok(if is_negotiate_response(&response) { ProtocolAnswer::Correct } else { ProtocolAnswer::Wrong })
}

/// Returns an SMB2 NEGOTIATE request.
fn request(client_id: u128) -> Vec<u8> {
    let size = HEADER_BYTES + NEGOTIATE_BYTES + DIALECTS.len() * 2;
    let mut bytes = u32::try_from(size).unwrap_or_default().to_be_bytes().to_vec();
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&PROTOCOL_ID);
    // StructureSize and CreditRequest; everything else, command NEGOTIATE and message 0 included, is zero.
    header[4..6].copy_from_slice(&64_u16.to_le_bytes());
    header[14..16].copy_from_slice(&1_u16.to_le_bytes());
    bytes.extend(header);
    bytes.extend(36_u16.to_le_bytes());
    bytes.extend(u16::try_from(DIALECTS.len()).unwrap_or_default().to_le_bytes());
    // SecurityMode: signing enabled.
    bytes.extend(1_u16.to_le_bytes());
    // Reserved, Capabilities.
    bytes.extend([0; 6]);
    bytes.extend(client_id.to_le_bytes());
    // ClientStartTime.
    bytes.extend([0; 8]);
    bytes.extend(DIALECTS.iter().flat_map(|dialect| dialect.to_le_bytes()));
    bytes
}

fn is_negotiate_response(bytes: &[u8]) -> bool {
    let u16_at = |at: usize| bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map(u16::from_le_bytes);
    let u32_at = |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
    let header = bytes.starts_with(&PROTOCOL_ID)
        && u16_at(4) == Some(64)
        && u32_at(8) == Some(0) // Status: success.
        && u16_at(12) == Some(0) // Command: NEGOTIATE.
        && u32_at(16).is_some_and(|flags| flags & SERVER_TO_CLIENT != 0)
        && u32_at(24) == Some(0) && u32_at(28) == Some(0); // MessageId of the request.
    let body = HEADER_BYTES;
    let blob =
        u16_at(body + 56).zip(u16_at(body + 58)).map(|(offset, length)| usize::from(offset) + usize::from(length));
    header
        && u16_at(body) == Some(65)
        && u16_at(body + 4).is_some_and(|dialect| DIALECTS.contains(&dialect))
        && blob.is_some_and(|end| end <= bytes.len())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A correct response, as Samba gives it, without a security blob.
    pub(in crate::sensors::probe) fn response() -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES + RESPONSE_BYTES];
        bytes[..4].copy_from_slice(&PROTOCOL_ID);
        bytes[4] = 64;
        bytes[16] = 1;
        bytes[HEADER_BYTES] = 65;
        bytes[HEADER_BYTES + 4..HEADER_BYTES + 6].copy_from_slice(&0x0302_u16.to_le_bytes());
        bytes[HEADER_BYTES + 56] = 128;
        bytes
    }

    #[test]
    fn a_response_must_be_a_servers_success_to_negotiate() {
        assert!(is_negotiate_response(&response()));
        for (at, value, what) in [
            (0, 0xff, "SMB1"),
            (0, b'H', "another protocol"),
            (8, 0xbb, "an error"),
            (12, 1, "another command"),
            (16, 0, "a request sent back"),
            (24, 1, "another message"),
            (HEADER_BYTES, 9, "an error response"),
            (HEADER_BYTES + 4, 0xff, "a dialect that was not offered"),
            (HEADER_BYTES + 58, 1, "a blob beyond the end"),
        ] {
            let mut bytes = response();
            bytes[at] = value;
            assert!(!is_negotiate_response(&bytes), "{what}");
        }
    }

    #[test]
    fn a_request_sent_back_is_no_response() {
        assert!(!is_negotiate_response(&request(7)[4..]));
    }

    proptest! {
        #[test]
        fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(!is_negotiate_response(&bytes));
        }

        #[test]
        fn a_response_cut_short_is_none(end in 0..HEADER_BYTES + RESPONSE_BYTES) {
            prop_assert!(!is_negotiate_response(&response()[..end.min(HEADER_BYTES + 59)]));
        }
    }
}
