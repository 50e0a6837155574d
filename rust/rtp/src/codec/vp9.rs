//! The VP9 payload descriptor (RFC 9628 §4.2), as far as a forwarder needs it, and its rewriting over a switch of encodings.

use super::vp8::PictureId;
use crate::{Malformed, u16_at};

/// A parsed descriptor. Places are offsets into the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// The packet is the first of its frame: of one spatial layer of a picture (B).
    pub begins: bool,
    /// The packet is the last of its frame (E).
    pub ends: bool,
    /// The frame needs frames of earlier pictures (P).
    pub predicted: bool,
    /// The picture id, if present: the same in all layers of a picture.
    pub picture_id: Option<PictureId>,
    /// The layers, if present.
    pub layers: Option<Layers>,
    /// TL0PICIDX and its place: in non-flexible mode with layers.
    pub tl0_picture_index: Option<(u8, usize)>,
}

/// The layer indices of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers {
    /// Temporal layer (TID).
    pub temporal: u8,
    /// Later pictures of higher temporal layers need none of such layers from before this picture (U).
    pub switching_up: bool,
    /// Spatial layer (SID).
    pub spatial: u8,
    /// The frame needs that of the spatial layer below, of the same picture (D).
    pub needs_below: bool,
}

impl Descriptor {
    /// Reads the descriptor at the front of an RTP payload. The picture's references and the scalability structure behind it are
    /// the receiver's business.
    pub fn parse(payload: &[u8]) -> Result<Descriptor, Malformed> {
        let byte = |at: usize| payload.get(at).copied().ok_or(Malformed::Truncated);
        let first = byte(0)?;
        let flag = |bit: u8| first & bit != 0;
        let mut at = 1;
        let mut picture_id = None;
        if flag(0x80) {
            let long = byte(at)? & 0x80 != 0;
            let value = if long {
                u16_at(payload, at).ok_or(Malformed::Truncated)? & 0x7fff
            } else {
                u16::from(byte(at)?)
            };
            picture_id = Some(PictureId { value, long, at });
            at += if long { 2 } else { 1 };
        }
        let (mut layers, mut tl0_picture_index) = (None, None);
        if flag(0x20) {
            let indices = byte(at)?;
            at += 1;
            layers = Some(Layers {
                temporal: indices >> 5,
                switching_up: indices & 0x10 != 0,
                spatial: indices >> 1 & 0x07,
                needs_below: indices & 0x01 != 0,
            });
            if !flag(0x10) {
                tl0_picture_index = Some((byte(at)?, at));
            }
        }
        Ok(Descriptor {
            begins: flag(0x08),
            ends: flag(0x04),
            predicted: flag(0x40),
            picture_id,
            layers,
            tl0_picture_index,
        })
    }

    /// This packet begins a key frame: the start of the lowest layer of a picture that needs no other.
    pub fn key_frame(&self) -> bool {
        self.begins && !self.predicted && self.layers.is_none_or(|layers| layers.spatial == 0)
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

/// Whether `payload` begins a key frame.
pub fn starts_key_frame(payload: &[u8]) -> bool {
    Descriptor::parse(payload).is_ok_and(|descriptor| descriptor.key_frame())
}
