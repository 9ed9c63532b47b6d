//! Echo messages with a token.
//!
//! ```text
//! type code checksum:16 id:16 sequence:16 | magic:32 run:32 probe:32 attempt:32 | filler
//! ```

use netloom_sys::icmp::kind;
use serde::{Deserialize, Serialize};

/// Bytes of an echo message of ours: 8 of header, 16 of token, and filler to the 64 that `ping` sends.
pub(super) const LEN: usize = 64;

const MAGIC: [u8; 4] = *b"nlm1";

/// What identifies a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Token {
    /// The job, so that two at once do not take each other's replies.
    pub(super) run: u32,
    /// The pair.
    pub(super) probe: u32,
    /// The nth request of the pair.
    pub(super) attempt: u32,
}

/// Bytes of a token on the wire.
pub(super) const TOKEN_LEN: usize = 16;

impl Token {
    /// As it travels: magic and three numbers.
    pub(super) fn bytes(self) -> [u8; TOKEN_LEN] {
        let mut bytes = [0; TOKEN_LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.run.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.probe.to_be_bytes());
        bytes[12..].copy_from_slice(&self.attempt.to_be_bytes());
        bytes
    }

    /// The token at the front of `bytes`, if there is one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
        let ours = bytes.get(..4)? == MAGIC;
        ours.then_some(Self { run: word(4)?, probe: word(8)?, attempt: word(12)? })
    }
}

/// Writes an echo request; the checksum is complete for ICMP and left to the kernel for ICMPv6.
pub(super) fn request(v6: bool, token: Token) -> [u8; LEN] {
    let mut message = [0; LEN];
    message[0] = if v6 { kind::REQUEST_V6 } else { kind::REQUEST };
    message[4..6].copy_from_slice(&token.run.to_be_bytes()[2..]);
    message[6..8].copy_from_slice(&token.attempt.to_be_bytes()[2..]);
    message[8..8 + TOKEN_LEN].copy_from_slice(&token.bytes());
    if !v6 {
        let sum = netloom_packet::checksum::checksum(&message);
        message[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    message
}

/// The token of an echo reply, if it is one of ours.
pub(super) fn reply(v6: bool, message: &[u8]) -> Option<Token> {
    let wanted = if v6 { kind::REPLY_V6 } else { kind::REPLY };
    let ours = *message.first()? == wanted;
    message.get(8..).filter(|_| ours).and_then(Token::read)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = Token { run: 0x0102_0304, probe: 7, attempt: 0x0001_0002 };

    #[test]
    fn a_request_comes_back_as_a_reply_with_its_token() {
        for v6 in [false, true] {
            let mut message = request(v6, TOKEN);
            assert_eq!(reply(v6, &message), None, "a request is no reply");
            message[0] = if v6 { 129 } else { 0 };
            assert_eq!(reply(v6, &message), Some(TOKEN));
            for len in 0..24 {
                assert_eq!(reply(v6, &message[..len]), None, "cut at {len}");
            }
            message[9] ^= 1;
            assert_eq!(reply(v6, &message), None, "somebody else's ping");
        }
    }

    #[test]
    fn the_checksum_of_a_request_is_right() {
        assert_eq!(netloom_packet::checksum::checksum(&request(false, TOKEN)), 0);
    }
}
