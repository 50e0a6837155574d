//! What can be wrong with bytes. A malformed packet is an event to be counted, so these carry no text of the packet.

use std::fmt;

/// Why a datagram is not a STUN message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Shorter than the 20 byte header, or longer or shorter than the header says.
    Length,
    /// The first byte is not 0 to 3 (RFC 7983) or the magic cookie is missing: something else, or RFC 3489.
    NotStun,
    /// An attribute reaches over the end of the message.
    Attribute,
    /// MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 or FINGERPRINT has an impossible size, or something follows FINGERPRINT.
    Trailer,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "the length does not match the header",
            Self::NotStun => "not a STUN message (RFC 8489)",
            Self::Attribute => "an attribute reaches over the end of the message",
            Self::Trailer => "a malformed integrity or fingerprint attribute",
        })
    }
}

impl std::error::Error for ParseError {}

/// The buffer given to a [`Writer`](crate::Writer) was too small; what it holds is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the buffer is too small for the message")
    }
}

impl std::error::Error for NoRoom {}
