//! Cutting a byte stream into messages: TURN over TCP and TLS (RFC 8656 §12.4, RFC 8489 §6.2.2).

use crate::channel_data::{CHANNEL_HEADER, MAX_CHANNEL, MIN_CHANNEL};
use crate::message::{HEADER, is_stun};

/// What stands at the beginning of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A STUN message or ChannelData of `size` bytes, `padded` bytes up to the next one.
    Complete {
        /// Bytes of the message.
        size: usize,
        /// Bytes of the message and its padding: ChannelData is padded to 4 on a stream.
        padded: usize,
    },
    /// More bytes are needed: at least this many in all.
    Incomplete(usize),
    /// Neither STUN nor ChannelData: the stream cannot be followed any further.
    Foreign,
}

/// Finds the end of the first message. A message is at most 64 kB and 24 bytes, so a reader's buffer is bounded.
pub fn next_frame(bytes: &[u8]) -> Frame {
    let Some(&[a, b, c, d]) = bytes.first_chunk::<CHANNEL_HEADER>() else {
        return Frame::Incomplete(CHANNEL_HEADER);
    };
    let length = usize::from(u16::from_be_bytes([c, d]));
    let (size, padded) = if a < 4 {
        let Some(header) = bytes.first_chunk::<HEADER>() else {
            return Frame::Incomplete(HEADER);
        };
        if !is_stun(header) || !length.is_multiple_of(4) {
            return Frame::Foreign;
        }
        (HEADER + length, HEADER + length)
    } else if (MIN_CHANNEL..=MAX_CHANNEL).contains(&u16::from_be_bytes([a, b])) {
        (
            CHANNEL_HEADER + length,
            CHANNEL_HEADER + length.next_multiple_of(4),
        )
    } else {
        return Frame::Foreign;
    };
    if bytes.len() < padded {
        Frame::Incomplete(padded)
    } else {
        Frame::Complete { size, padded }
    }
}
