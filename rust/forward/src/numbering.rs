//! The payload descriptors of codecs whose pictures are numbered: VP8 and VP9.

use crate::layers::Frame;
use meeting_rtp::Codec;
use meeting_rtp::codec::{vp8, vp9};

/// As read from one payload.
#[derive(Debug, Clone, Copy)]
pub enum Descriptor {
    /// RFC 7741.
    Vp8(vp8::Descriptor),
    /// RFC 9628.
    Vp9(vp9::Descriptor),
}

impl Descriptor {
    /// None where the codec has none, or the payload is malformed.
    pub(crate) fn parse(codec: Codec, payload: &[u8]) -> Option<Descriptor> {
        match codec {
            Codec::Vp8 => vp8::Descriptor::parse(payload).ok().map(Descriptor::Vp8),
            Codec::Vp9 => vp9::Descriptor::parse(payload).ok().map(Descriptor::Vp9),
            _ => None,
        }
    }

    pub(crate) fn key_frame(&self) -> bool {
        match self {
            Descriptor::Vp8(vp8) => vp8.key_frame,
            Descriptor::Vp9(vp9) => vp9.key_frame(),
        }
    }

    pub(crate) fn frame(&self) -> Option<Frame> {
        match self {
            Descriptor::Vp8(vp8) => Frame::vp8(vp8),
            Descriptor::Vp9(vp9) => Frame::vp9(vp9),
        }
    }

    pub(crate) fn picture_id(&self) -> Option<u16> {
        match self {
            Descriptor::Vp8(vp8) => vp8.picture_id,
            Descriptor::Vp9(vp9) => vp9.picture_id,
        }
        .map(|id| id.value)
    }

    pub(crate) fn tl0_picture_index(&self) -> Option<u8> {
        match self {
            Descriptor::Vp8(vp8) => vp8.tl0_picture_index,
            Descriptor::Vp9(vp9) => vp9.tl0_picture_index,
        }
        .map(|(index, _)| index)
    }

    /// The id by which a receiver notices that a picture is missing. VP9 receivers find what a picture needs by the distance of
    /// ids instead, so there they stay as they are.
    pub(crate) fn consecutive_id(&self) -> Option<u16> {
        match self {
            Descriptor::Vp8(_) => self.picture_id(),
            Descriptor::Vp9(_) => None,
        }
    }

    /// Adds to the numbers in `payload`, from which this was read.
    pub(crate) fn shift(&self, payload: &mut [u8], picture_id: u16, tl0_picture_index: u8) {
        match self {
            Descriptor::Vp8(vp8) => vp8.shift(payload, picture_id, tl0_picture_index),
            Descriptor::Vp9(vp9) => vp9.shift(payload, picture_id, tl0_picture_index),
        }
    }
}
