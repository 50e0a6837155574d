//! H.264 payloads (RFC 6184 §5).

use crate::u16_at;

const SPS: u8 = 7;
const STAP_A: u8 = 24;

/// Whether `payload` begins a key frame: it holds a sequence parameter set. Without one an IDR picture cannot be decoded, and
/// WebRTC senders put one before each (RFC 7742 §6.2).
pub fn starts_key_frame(payload: &[u8]) -> bool {
    match payload.first().map(|first| first & 0x1f) {
        Some(SPS) => true,
        Some(STAP_A) => units(payload).any(|unit| unit & 0x1f == SPS),
        _ => false,
    }
}

/// The NAL unit headers within an aggregation packet (§5.7.1).
fn units(payload: &[u8]) -> impl Iterator<Item = u8> {
    let mut at = 1;
    std::iter::from_fn(move || {
        let size = usize::from(u16_at(payload, at)?);
        let unit = *payload.get(at + 2)?;
        at += 2 + size;
        (size > 0).then_some(unit)
    })
}
