//! The VP9 payload descriptor (RFC 9628 §4.2), as far as the start of a key frame.

/// Whether `payload` begins a key frame: start of a frame (B), not inter-picture predicted (P clear), base spatial layer.
pub fn starts_key_frame(payload: &[u8]) -> bool {
    let Some(&first) = payload.first() else {
        return false;
    };
    let (has_picture_id, predicted, has_layers, begins) = (
        first & 0x80 != 0,
        first & 0x40 != 0,
        first & 0x20 != 0,
        first & 0x08 != 0,
    );
    if predicted || !begins {
        return false;
    }
    let mut at = 1;
    if has_picture_id {
        let Some(id) = payload.get(at) else {
            return false;
        };
        at += if id & 0x80 != 0 { 2 } else { 1 };
    }
    if !has_layers {
        return true;
    }
    // TID (3 bits), U, SID (3 bits), D
    payload
        .get(at)
        .is_some_and(|layers| layers >> 1 & 0x07 == 0)
}
