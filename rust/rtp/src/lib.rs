//! RTP and RTCP as bytes: headers, header extensions, codec payload descriptors, feedback packets.
//!
//! Nothing here owns a packet, allocates for one or reads a clock: a parser borrows the datagram and checks every bound once, a
//! builder writes into the caller's buffer. Whatever the bytes are, the answer is a value or [`Malformed`]; nothing panics.

mod bits;
pub mod codec;
pub mod dependency;
pub mod extension;
mod header;
mod ntp;
pub mod red;
pub mod rtcp;
pub mod rtx;
mod seen;
mod sequence;

pub use codec::Codec;
pub use extension::{Extension, ExtensionMap};
pub use header::{FIXED_HEADER, Header, is_rtcp};
pub use ntp::{NtpClock, NtpTime};
pub use seen::Seen;
pub use sequence::Unwrapper;

/// Why bytes are not the packet they should be. Not an error to raise: an event to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The bytes end before what their own length fields promise.
    Truncated,
    /// The version bits are not 2 (RFC 3550 §5.1).
    Version,
    /// The padding count is zero or larger than what it pads (RFC 3550 §5.1).
    Padding,
    /// A count, length or type contradicts the packet's format.
    Format,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Malformed::Truncated => "packet ends early",
            Malformed::Version => "version is not 2",
            Malformed::Padding => "bad padding count",
            Malformed::Format => "fields contradict one another",
        })
    }
}

impl std::error::Error for Malformed {}

/// The caller's buffer is too small for what was to be written; nothing was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom;

impl std::fmt::Display for NoRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("buffer too small")
    }
}

impl std::error::Error for NoRoom {}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}
