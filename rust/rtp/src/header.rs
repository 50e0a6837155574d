//! The RTP header (RFC 3550 §5.1), parsed without touching the payload, so that it serves encrypted packets too.

use crate::extension::Elements;
use crate::{Malformed, NoRoom, u16_at, u32_at};

/// Bytes of the header before CSRCs and extensions.
pub const FIXED_HEADER: usize = 12;

/// Whether a datagram of the RTP range (first byte 128–191) is RTCP: RFC 5761 §4.
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram
        .get(1)
        .is_some_and(|second| (192..=223).contains(second))
}

/// A parsed RTP header: plain values, and where in the packet the rest lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The marker bit: for video the last packet of a frame.
    pub marker: bool,
    /// Payload type, 0–127.
    pub payload_type: u8,
    /// Sequence number as on the wire.
    pub sequence: u16,
    /// Media timestamp in the codec's clock rate.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Whether the packet ends in padding (readable only once decrypted).
    pub padded: bool,
    /// Length of the whole header: fixed part, CSRCs, extension block.
    pub len: usize,
    extension_profile: u16,
    extension_start: usize,
}

impl Header {
    /// Reads the header of `packet`, clear or SRTP.
    pub fn parse(packet: &[u8]) -> Result<Header, Malformed> {
        let fixed: &[u8; FIXED_HEADER] = packet.first_chunk().ok_or(Malformed::Truncated)?;
        if fixed[0] >> 6 != 2 {
            return Err(Malformed::Version);
        }
        let after_csrc = FIXED_HEADER + 4 * usize::from(fixed[0] & 0x0f);
        let (extension_profile, extension_start, len) = if fixed[0] & 0x10 != 0 {
            let profile = u16_at(packet, after_csrc).ok_or(Malformed::Truncated)?;
            let words = u16_at(packet, after_csrc + 2).ok_or(Malformed::Truncated)?;
            (
                profile,
                after_csrc + 4,
                after_csrc + 4 + 4 * usize::from(words),
            )
        } else {
            (0, after_csrc, after_csrc)
        };
        if len > packet.len() {
            return Err(Malformed::Truncated);
        }
        Ok(Header {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            padded: fixed[0] & 0x20 != 0,
            len,
            extension_profile,
            extension_start,
        })
    }

    /// The contributing sources of `packet`, the bytes this header was parsed from.
    pub fn csrcs<'a>(&self, packet: &'a [u8]) -> impl Iterator<Item = u32> + use<'a> {
        let count = packet.first().map_or(0, |first| usize::from(first & 0x0f));
        (0..count).map_while(move |i| u32_at(packet, FIXED_HEADER + 4 * i))
    }

    /// The header-extension elements of `packet` (RFC 8285, both forms); none if the extension is of another kind.
    pub fn extensions<'a>(&self, packet: &'a [u8]) -> Elements<'a> {
        Elements::new(
            self.extension_profile,
            packet,
            self.extension_start,
            self.len,
        )
    }

    /// The payload of a *clear* packet, its padding removed. Empty for a packet that is padding only.
    pub fn payload<'a>(&self, packet: &'a [u8]) -> Result<&'a [u8], Malformed> {
        let body = packet.get(self.len..).ok_or(Malformed::Truncated)?;
        if !self.padded {
            return Ok(body);
        }
        let padding = usize::from(*body.last().ok_or(Malformed::Padding)?);
        if padding == 0 || padding > body.len() {
            return Err(Malformed::Padding);
        }
        Ok(&body[..body.len() - padding])
    }

    /// Writes a fixed header without CSRCs and padding; `extended` announces that an extension block follows.
    pub fn write(&self, extended: bool, out: &mut [u8]) -> Result<usize, NoRoom> {
        let fixed: &mut [u8; FIXED_HEADER] = out.first_chunk_mut().ok_or(NoRoom)?;
        fixed[0] = 0x80 | u8::from(extended) << 4;
        fixed[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        fixed[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        fixed[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        fixed[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        Ok(FIXED_HEADER)
    }

    /// A header to be written, without extensions or padding.
    pub fn new(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32, marker: bool) -> Header {
        Header {
            marker,
            payload_type,
            sequence,
            timestamp,
            ssrc,
            padded: false,
            len: FIXED_HEADER,
            extension_profile: 0,
            extension_start: FIXED_HEADER,
        }
    }
}
