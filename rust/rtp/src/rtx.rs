//! Retransmission payload format (RFC 4588 §4): the original sequence number in front of the original payload.

use crate::{Header, Malformed, u16_at};

/// Bytes of the original sequence number.
pub const OSN: usize = 2;

/// Turns the clear RTX packet in `packet` back into the packet it repeats, in place.
///
/// `packet` is cut to its unpadded end first; the result begins two bytes into it (`packet[OSN..end]`). Returns the new
/// header and `end`; `None` for an RTX packet without payload, which is bandwidth probing.
pub fn restore(
    packet: &mut [u8],
    header: &Header,
    payload_type: u8,
    ssrc: u32,
) -> Result<Option<(Header, usize)>, Malformed> {
    let payload = header.payload(packet)?;
    if payload.is_empty() {
        return Ok(None);
    }
    let original = u16_at(payload, 0).ok_or(Malformed::Truncated)?;
    let end = header.len + payload.len();
    packet.copy_within(..header.len, OSN);
    let restored = &mut packet[OSN..end];
    restored[0] &= !0x20; // the padding was cut off
    restored[1] = restored[1] & 0x80 | payload_type & 0x7f;
    restored[2..4].copy_from_slice(&original.to_be_bytes());
    restored[8..12].copy_from_slice(&ssrc.to_be_bytes());
    let header = Header::parse(restored)?;
    Ok(Some((header, end)))
}
