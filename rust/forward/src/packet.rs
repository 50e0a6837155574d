//! What passes from a Source to its Sinks.

use crate::layers::Frame;
use crate::numbering::Descriptor;
use crate::reception::Role;
use crate::{Reception, SenderClock};
use meeting_rtp::dependency::Structure;
use meeting_rtp::extension::Values;
use meeting_rtp::{Codec, Extension, Header};

/// Names a Source within a Port; made by the commands' side, never reused.
pub type SourceId = u64;

/// Audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Any packet can begin; no key frames.
    Audio,
    /// Begins at key frames.
    Video,
}

/// One unbroken run of a Source's sequence numbers: it ends when the publisher begins anew (another SSRC, a jump).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feed {
    /// The Source.
    pub source: SourceId,
    /// Counts its runs.
    pub epoch: u32,
}

/// A clear media packet of a Source: no RTX any more, no padding, no duplicate.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Which run it belongs to.
    pub feed: Feed,
    /// Extended sequence number, unique within the Source.
    pub sequence: u64,
    /// The publisher's header.
    pub header: Header,
    /// Header and payload. A payload of no bytes is a probe: it must not be forwarded in order.
    pub bytes: &'a [u8],
    /// The header extensions in `bytes`.
    pub extensions: Values,
    /// The codec, if one we know.
    pub codec: Option<Codec>,
    /// Ticks of the timestamp in a second.
    pub clock_rate: u32,
    /// A decoder can begin here: the first packet of a key frame; any audio packet.
    pub starts_decoding: bool,
    /// The payload descriptor, of a codec whose pictures are numbered.
    pub descriptor: Option<Descriptor>,
    /// What it says of layers, if it does.
    pub frame: Option<Frame>,
    /// The publisher's wall clock for these timestamps, once a sender report told it.
    pub sender_clock: Option<SenderClock>,
}

impl<'a> Packet<'a> {
    /// The payload.
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(self.header.len..).unwrap_or_default()
    }

    /// The number its dependency descriptor has, whether the rest of that can be read or not.
    pub(crate) fn frame_number(&self) -> Option<u16> {
        let data = self
            .extensions
            .get(Extension::DependencyDescriptor, self.bytes)?;
        Some(u16::from_be_bytes(*data.get(1..)?.first_chunk()?))
    }

    /// Reads what Sinks need to know of the unpadded media packet `bytes`. `known` is the structure its dependency descriptor
    /// speaks of, unless it comes with one, which is given back.
    pub(crate) fn describe(
        feed: Feed,
        sequence: u64,
        header: Header,
        bytes: &'a [u8],
        reception: &Reception,
        sender_clock: Option<SenderClock>,
        known: Option<&Structure>,
    ) -> (Packet<'a>, Option<Structure>) {
        let parameters = match reception.role(header.payload_type) {
            Role::Media(place) => reception.codec(place),
            _ => None,
        };
        let codec = parameters.and_then(|parameters| parameters.codec);
        let payload = bytes.get(header.len..).unwrap_or_default();
        let descriptor = codec.and_then(|codec| Descriptor::parse(codec, payload));
        let starts_decoding = match (codec, &descriptor) {
            (_, Some(descriptor)) => descriptor.key_frame(),
            (Some(Codec::Vp8 | Codec::Vp9), None) => false,
            // of a codec we do not understand any packet must do
            (codec, None) => codec.is_none_or(|codec| codec.starts_decoding(payload)),
        };
        let extensions = Values::parse(&header, bytes, &reception.extensions);
        let (described, attached) = extensions
            .get(Extension::DependencyDescriptor, bytes)
            .map_or((None, None), |data| Frame::read(data, known));
        let said = descriptor.as_ref().and_then(Descriptor::frame);
        let frame = match codec {
            Some(Codec::Vp8) => said.or(described),
            _ => described.or(said),
        };
        let packet = Packet {
            feed,
            sequence,
            header,
            bytes,
            extensions,
            codec,
            clock_rate: parameters.map_or(90_000, |parameters| parameters.clock_rate),
            starts_decoding: starts_decoding && !payload.is_empty(),
            descriptor,
            frame,
            sender_clock,
        };
        (packet, attached)
    }
}
