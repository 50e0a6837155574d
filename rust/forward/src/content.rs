//! What of a packet's payload a subscriber gets, and under which payload types.

use crate::Packet;
use crate::continuity::Offsets;
use meeting_rtp::{Codec, red};

/// No payload type.
const NONE: u8 = 0xff;

/// One side's payload types → the other's.
#[derive(Debug)]
pub(crate) struct PayloadTypes([u8; 128]);

/// What is to be written of a payload.
#[derive(Debug)]
pub(crate) struct Content<'p> {
    pub(crate) payload_type: u8,
    pub(crate) payload: &'p [u8],
    /// It holds blocks (RFC 2198) whose types are still the publisher's.
    pub(crate) blocks: bool,
}

impl<'p> Content<'p> {
    /// A payload that has its types already.
    pub(crate) fn made(payload_type: u8, payload: &'p [u8]) -> Content<'p> {
        Content {
            payload_type,
            payload,
            blocks: false,
        }
    }
}

impl PayloadTypes {
    /// Pairs with a type above 127 are left out.
    pub(crate) fn new(pairs: &[(u8, u8)]) -> PayloadTypes {
        let mut table = [NONE; 128];
        for (from, to) in pairs {
            if let (Some(entry), true) = (table.get_mut(usize::from(*from)), *to < 128) {
                *entry = *to;
            }
        }
        PayloadTypes(table)
    }

    /// What `from` becomes.
    pub(crate) fn get(&self, from: u8) -> Option<u8> {
        let found = *self.0.get(usize::from(from))?;
        (found != NONE).then_some(found)
    }

    /// What of the payload the subscriber gets as `payload_type`; `None` if it cannot be read.
    pub(crate) fn content<'p>(&self, packet: &Packet<'p>, payload_type: u8) -> Option<Content<'p>> {
        let payload = packet.payload();
        if packet.codec != Some(Codec::Red) {
            return Some(Content::made(payload_type, payload));
        }
        let (within, primary) = red::primary(payload).ok()?;
        let bare = self.get(within)? == payload_type;
        Some(Content {
            payload_type,
            payload: if bare { primary } else { payload },
            blocks: !bare,
        })
    }

    /// Changes in the written payload what is different for this subscriber; `None` if it cannot be.
    pub(crate) fn adapt(
        &self,
        packet: &Packet<'_>,
        offsets: &Offsets,
        content: &Content<'_>,
        written: &mut [u8],
    ) -> Option<()> {
        if let Some(descriptor) = packet.descriptor
            && (offsets.picture_id != 0 || offsets.tl0_picture_index != 0)
        {
            descriptor.shift(written, offsets.picture_id, offsets.tl0_picture_index);
        }
        if content.blocks {
            red::rename_types(written, |from| self.get(from)).ok()?;
        }
        Some(())
    }
}
