//! H.265 payloads (RFC 7798 §4.4).

use crate::u16_at;

const AGGREGATION: u8 = 48;
const FRAGMENT: u8 = 49;

/// Whether `payload` begins a key frame: a parameter set (VPS 32, SPS 33) or the start of an IRAP picture (types 16–21).
pub fn starts_key_frame(payload: &[u8]) -> bool {
    let Some(kind) = payload.first().map(|first| first >> 1 & 0x3f) else {
        return false;
    };
    match kind {
        AGGREGATION => {
            let first = u16_at(payload, 2).and(payload.get(4));
            first.is_some_and(|unit| starts(unit >> 1 & 0x3f))
        }
        FRAGMENT => payload
            .get(2)
            .is_some_and(|fu| fu & 0x80 != 0 && (16..=21).contains(&(fu & 0x3f))),
        // an IRAP slice of its own begins the picture if first_slice_segment_in_pic_flag is set
        16..=21 => payload.get(2).is_some_and(|slice| slice & 0x80 != 0),
        kind => matches!(kind, 32 | 33),
    }
}

fn starts(kind: u8) -> bool {
    matches!(kind, 16..=21 | 32 | 33)
}
