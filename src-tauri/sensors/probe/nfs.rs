//! An NFS server: the reply to the null procedure (RFC 5531 over TCP; RFC 8881, section 17.1). No export is named and
//! nobody authenticates.

use super::ProtocolAnswer;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PROGRAM: u32 = 100_003;
const VERSION: u32 = 4;
const CALL: u32 = 0;
const REPLY: u32 = 1;
const RPC_VERSION: u32 = 2;
/// A record's last fragment (RFC 5531, section 11).
const LAST_FRAGMENT: u32 = 1 << 31;
/// An accepted reply without a verifier; the two bounds of "another version" follow it.
const REPLY_BYTES: usize = 24;
const MAX_REPLY_BYTES: usize = 4096;

/// Calls the null procedure and judges the reply.
pub(super) async fn ask(stream: &mut TcpStream) -> io::Result<ProtocolAnswer> {
    let number = fastrand::u32(..);
    stream.write_all(&call(number)).await?;
    let mut mark = [0; 4];
    stream.read_exact(&mut mark).await?;
    let mark = u32::from_be_bytes(mark);
    let size = usize::try_from(mark & !LAST_FRAGMENT).unwrap_or(usize::MAX);
    if mark & LAST_FRAGMENT == 0 || !(REPLY_BYTES..=MAX_REPLY_BYTES).contains(&size) {
        return Ok(ProtocolAnswer::Wrong);
    }
    let mut reply = vec![0; size];
    stream.read_exact(&mut reply).await?;
    Ok(if is_reply(&reply, number) { ProtocolAnswer::Correct } else { ProtocolAnswer::Wrong })
}

/// Returns an RPC call of NFS's null procedure, with this number (`xid`).
fn call(number: u32) -> Vec<u8> {
    // The procedure, and credential and verifier without authentication, are zero.
    let words = [number, CALL, RPC_VERSION, PROGRAM, VERSION, 0, 0, 0, 0, 0];
    let mark = LAST_FRAGMENT | u32::try_from(words.len() * 4).unwrap_or_default();
    std::iter::once(mark).chain(words).flat_map(u32::to_be_bytes).collect()
}

/// Whether `bytes` are a reply that accepts the call with this number (`xid`): done, or that the server speaks only
/// other versions of NFS.
fn is_reply(bytes: &[u8], number: u32) -> bool {
    let word = |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes);
    let verifier = word(16).and_then(|length| usize::try_from(length).ok()).map(|length| length.next_multiple_of(4));
    let status = verifier.and_then(|verifier| word(verifier.checked_add(20)?));
    let is_accepted = (word(0), word(4), word(8)) == (Some(number), Some(REPLY), Some(0));
    is_accepted && matches!(status, Some(0 | 2))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a server replies to a call, record mark included.
    pub(in crate::sensors::probe) fn reply(call: &[u8]) -> Vec<u8> {
        let number = u32::from_be_bytes(call[4..8].try_into().expect("four bytes"));
        [LAST_FRAGMENT | 24, number, REPLY, 0, 0, 0, 0].into_iter().flat_map(u32::to_be_bytes).collect()
    }

    #[test]
    fn a_reply_must_accept_the_call() {
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        for (reply, expected, what) in [
            (words(&[7, REPLY, 0, 0, 0, 0]), true, "done"),
            (words(&[7, REPLY, 0, 0, 0, 2, 3, 3]), true, "version 3 only"),
            (words(&[7, REPLY, 0, 6, 4, 0xdead_beef, 0]), true, "with a verifier"),
            (words(&[8, REPLY, 0, 0, 0, 0]), false, "another call"),
            (words(&[7, CALL, 0, 0, 0, 0]), false, "a call"),
            (words(&[7, REPLY, 1, 0, 0, 0]), false, "denied"),
            (words(&[7, REPLY, 0, 0, 0, 1]), false, "another program"),
            (words(&[7, REPLY, 0, 0, u32::MAX, 0]), false, "an endless verifier"),
            (call(7)[4..].to_vec(), false, "sent back"),
        ] {
            assert_eq!(is_reply(&reply, 7), expected, "{what}");
        }
    }

    proptest! {
        #[test]
        fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), number: u32) {
            is_reply(&bytes, number);
        }
    }
}
