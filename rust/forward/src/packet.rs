//! What passes from a Source to its Sinks.

use crate::SenderClock;
use meeting_rtp::codec::vp8;
use meeting_rtp::extension::Values;
use meeting_rtp::{Codec, Header};

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
    /// The payload descriptor, for VP8.
    pub vp8: Option<vp8::Descriptor>,
    /// The publisher's wall clock for these timestamps, once a sender report told it.
    pub sender_clock: Option<SenderClock>,
}

impl<'a> Packet<'a> {
    /// The payload.
    pub fn payload(&self) -> &'a [u8] {
        self.bytes.get(self.header.len..).unwrap_or_default()
    }
}
