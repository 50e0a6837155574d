//! H.265 payloads (RFC 7798 §4.4).

const VPS: u8 = 32;
const SPS: u8 = 33;
const AGGREGATION: u8 = 48;

/// Whether `payload` begins a key frame: it starts with a video or sequence parameter set, as each IRAP picture of a WebRTC sender does.
pub fn starts_key_frame(payload: &[u8]) -> bool {
    let kind = |at: usize| payload.get(at).map(|first| first >> 1 & 0x3f);
    let first = match kind(0) {
        Some(AGGREGATION) => kind(4), // behind its own header and the first unit's size
        other => other,
    };
    matches!(first, Some(VPS | SPS))
}
