//! Feedback messages (RFC 4585, RFC 5104, REMB): views into a received packet.

use super::Ssrcs;
use crate::{Malformed, u16_at, u32_at};

/// A generic NACK (RFC 4585 §6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nack<'a> {
    /// Who asks.
    pub sender: u32,
    /// The stream that misses packets.
    pub media: u32,
    items: &'a [u8],
}

impl<'a> Nack<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Nack<'a>, Malformed> {
        Ok(Nack {
            sender: u32_at(body, 0).ok_or(Malformed::Truncated)?,
            media: u32_at(body, 4).ok_or(Malformed::Truncated)?,
            items: &body[8..],
        })
    }

    /// The sequence numbers asked for: each item's packet id and the 16 behind it that its mask names.
    pub fn sequences(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.items.chunks_exact(4).flat_map(|item| {
            let first = u16_at(item, 0).unwrap_or_default();
            let mask = u16_at(item, 2).unwrap_or_default();
            std::iter::once(first).chain(
                (0..16)
                    .filter(move |bit| mask >> bit & 1 != 0)
                    .map(move |bit| first.wrapping_add(bit + 1)),
            )
        })
    }
}

/// Full intra requests (RFC 5104 §4.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fir<'a> {
    /// Who asks.
    pub sender: u32,
    items: &'a [u8],
}

impl<'a> Fir<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Fir<'a>, Malformed> {
        Ok(Fir {
            sender: u32_at(body, 0).ok_or(Malformed::Truncated)?,
            items: body.get(8..).ok_or(Malformed::Truncated)?,
        })
    }

    /// The streams whose key frame is asked for, each with its command sequence number.
    pub fn requests(&self) -> impl Iterator<Item = (u32, u8)> + use<'a> {
        self.items
            .chunks_exact(8)
            .filter_map(|item| Some((u32_at(item, 0)?, *item.get(4)?)))
    }
}

/// A receiver-estimated maximum bitrate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remb<'a> {
    /// Who estimates.
    pub sender: u32,
    /// Bits per second.
    pub bitrate: u64,
    /// The streams it covers.
    pub ssrcs: Ssrcs<'a>,
}

impl<'a> Remb<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Remb<'a>, Malformed> {
        let sender = u32_at(body, 0).ok_or(Malformed::Truncated)?;
        let word = u32_at(body, 12).ok_or(Malformed::Truncated)?;
        let (count, exponent, mantissa) =
            (word >> 24, word >> 18 & 0x3f, u64::from(word & 0x3_ffff));
        let ssrcs = body
            .get(16..16 + 4 * count as usize)
            .ok_or(Malformed::Truncated)?;
        let bitrate = mantissa
            .checked_shl(exponent)
            .filter(|rate| rate >> exponent == mantissa);
        Ok(Remb {
            sender,
            bitrate: bitrate.unwrap_or(u64::MAX),
            ssrcs: Ssrcs(ssrcs),
        })
    }
}
