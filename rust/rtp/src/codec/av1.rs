//! The AV1 aggregation header (AV1 RTP specification §4.4).

/// Whether `payload` is the first packet of a coded video sequence (N bit), and so of a key frame.
pub fn starts_key_frame(payload: &[u8]) -> bool {
    payload
        .first()
        .is_some_and(|first| first & 0x08 != 0 && first & 0x80 == 0)
}
