//! H.264 payloads (RFC 6184 §5).

use crate::u16_at;

const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Whether `payload` begins a key frame: a sequence parameter set, or an IDR slice for senders that transmit parameter sets only once.
pub fn starts_key_frame(payload: &[u8]) -> bool {
    let Some(kind) = payload.first().map(|first| first & 0x1f) else {
        return false;
    };
    match kind {
        SPS => true,
        IDR => payload.get(1).is_some_and(|slice| slice & 0x80 != 0), // first_mb_in_slice = 0
        STAP_A => units(payload).any(|unit| matches!(unit & 0x1f, SPS | IDR)),
        FU_A => payload
            .get(1)
            .is_some_and(|fu| fu & 0x80 != 0 && fu & 0x1f == IDR),
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
