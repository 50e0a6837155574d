//! The headers that are written around what a peer sent, without moving it.

use std::net::SocketAddr;
use std::ops::Range;

use meeting_stun::{Class, Method, Writer, attribute as kinds, write_channel_header};

/// Room a received peer packet needs in front: a Data indication's header and its IPv6 peer address take 48 bytes.
pub const HEADROOM: usize = 64;
/// Room it needs behind: padding.
pub const TAILROOM: usize = 3;

/// Over UDP no padding is needed (RFC 8656 §12.5).
pub(crate) fn write_channel(
    channel: u16,
    buffer: &mut [u8],
    length: usize,
) -> Option<Range<usize>> {
    let header = write_channel_header(channel, u16::try_from(length).ok()?);
    buffer
        .get_mut(HEADROOM - header.len()..HEADROOM)?
        .copy_from_slice(&header);
    Some(HEADROOM - header.len()..HEADROOM + length)
}

/// The transaction id of an indication answers nothing: a running number tells them apart.
pub(crate) fn write_indication(
    number: u64,
    peer: SocketAddr,
    buffer: &mut [u8],
    length: usize,
) -> Option<Range<usize>> {
    let begin = HEADROOM - if peer.is_ipv4() { 36 } else { 48 };
    let mut transaction = [0; 12];
    transaction[4..].copy_from_slice(&number.to_be_bytes());
    let size = Writer::new(
        buffer.get_mut(begin..)?,
        Class::Indication,
        Method::DATA,
        &transaction,
    )
    .xor_address(kinds::XOR_PEER_ADDRESS, peer)
    .in_place(kinds::DATA, length)
    .finish()
    .ok()?;
    Some(begin..begin + size)
}

/// What an ICMP message says: its type, its code, and the MTU where it is about that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are RFC 792's and RFC 1191's")]
pub struct IcmpError {
    pub kind: u8,
    pub code: u8,
    pub mtu: u32,
}

/// A Data indication without data (RFC 8656 §11.5, §18.13).
pub(crate) fn write_icmp(
    number: u64,
    peer: SocketAddr,
    error: IcmpError,
    out: &mut [u8],
) -> Option<usize> {
    let mut transaction = [0; 12];
    transaction[4..].copy_from_slice(&number.to_be_bytes());
    // Seven bits for the type, nine for the code.
    let what = u16::from(error.kind & 0x7F) << 9 | u16::from(error.code);
    let mut value = [0; 8];
    value[2..4].copy_from_slice(&what.to_be_bytes());
    value[4..].copy_from_slice(&error.mtu.to_be_bytes());
    Writer::new(out, Class::Indication, Method::DATA, &transaction)
        .xor_address(kinds::XOR_PEER_ADDRESS, peer)
        .attribute(kinds::ICMP, &value)
        .finish()
        .ok()
}
