//! The VP8 payload descriptor (RFC 7741 §4.2) and its rewriting: a receiver must see one run of picture ids, whatever
//! encodings it is fed from.

use crate::{Malformed, u16_at};

/// A parsed descriptor. Places are offsets into the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// Length of the descriptor in bytes.
    pub len: usize,
    /// This packet begins a key frame: start of partition 0 and the P bit of the payload header clear (§4.3).
    pub key_frame: bool,
    /// This packet begins a frame: S bit set, partition 0.
    pub frame_start: bool,
    /// The picture id, if present.
    pub picture_id: Option<PictureId>,
    /// TL0PICIDX, if present, and its place.
    pub tl0_picture_index: Option<(u8, usize)>,
    /// Temporal layer, if present.
    pub temporal_layer: Option<u8>,
    /// The frame needs frames of the lowest temporal layer only (Y).
    pub layer_sync: bool,
}

/// A picture id, its width and place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureId {
    /// The value, 7 or 15 bits.
    pub value: u16,
    /// Whether it has 15 bits (the M bit).
    pub long: bool,
    /// Offset of its first byte in the payload.
    pub at: usize,
}

impl PictureId {
    /// Adds to the id in `payload`, from which it was read.
    pub(super) fn shift(self, payload: &mut [u8], by: u16) {
        let value = self.value.wrapping_add(by);
        if self.long
            && let Some(place) = payload.get_mut(self.at..self.at + 2)
        {
            place.copy_from_slice(&(value | 0x8000).to_be_bytes());
        } else if let Some(place) = payload.get_mut(self.at) {
            *place = value as u8 & 0x7f;
        }
    }
}

impl Descriptor {
    /// Reads the descriptor at the front of an RTP payload.
    pub fn parse(payload: &[u8]) -> Result<Descriptor, Malformed> {
        let byte = |at: usize| payload.get(at).copied().ok_or(Malformed::Truncated);
        let first = byte(0)?;
        let frame_start = first & 0x10 != 0 && first & 0x07 == 0;
        let mut at = 1;
        let (mut picture_id, mut tl0_picture_index, mut temporal_layer) = (None, None, None);
        let mut layer_sync = false;
        if first & 0x80 != 0 {
            let present = byte(at)?;
            at += 1;
            if present & 0x80 != 0 {
                let long = byte(at)? & 0x80 != 0;
                let value = if long {
                    u16_at(payload, at).ok_or(Malformed::Truncated)? & 0x7fff
                } else {
                    u16::from(byte(at)?)
                };
                picture_id = Some(PictureId { value, long, at });
                at += if long { 2 } else { 1 };
            }
            if present & 0x40 != 0 {
                tl0_picture_index = Some((byte(at)?, at));
                at += 1;
            }
            if present & 0x30 != 0 {
                if present & 0x20 != 0 {
                    temporal_layer = Some(byte(at)? >> 6);
                    layer_sync = byte(at)? & 0x20 != 0;
                }
                at += 1;
            }
        }
        let header = byte(at)?;
        Ok(Descriptor {
            len: at,
            key_frame: frame_start && header & 0x01 == 0,
            frame_start,
            picture_id,
            tl0_picture_index,
            temporal_layer,
            layer_sync,
        })
    }

    /// Adds to picture id and TL0PICIDX of `payload`, from which this descriptor was read; widths stay.
    pub fn shift(&self, payload: &mut [u8], picture_id: u16, tl0_picture_index: u8) {
        if let Some(id) = self.picture_id {
            id.shift(payload, picture_id);
        }
        if let Some((value, at)) = self.tl0_picture_index
            && let Some(place) = payload.get_mut(at)
        {
            *place = value.wrapping_add(tl0_picture_index);
        }
    }
}
