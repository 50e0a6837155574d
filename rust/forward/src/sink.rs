//! One track as one subscriber gets it.

mod repair;
mod report;

use crate::content::{Content, PayloadTypes};
use crate::continuity::Continuity;
use crate::layers::{Layers, Selection};
use crate::redundancy::{Made, Redundancy};
use crate::reports::Reports;
use crate::resend::Resends;
use crate::spans::{Span, Spans};
use crate::write::{Body, Frame, Stamp};
use crate::{Departure, Kind, Outgoing, Packet, SourceId};
use meeting_rtp::{Codec, Extension, ExtensionMap, Header};
use std::time::{Duration, Instant};

/// Stamps kept for plain resends.
const STAMPS: u64 = 512;
/// The longest header extension, and what a mask of decode targets adds.
const LONGEST_DESCRIPTOR: usize = 255 + 5;

/// What a Sink takes for a lossy path unless told otherwise, in 1/256: 3 %.
pub const LOSSY: u8 = 8;

/// What a Sink is to be.
#[derive(Debug, Clone)]
pub struct SinkConfig {
    /// Audio or video.
    pub kind: Kind,
    /// What it sends under. **Never used before on this Link**: its packet indices begin at 1 (RFC 7714 §8.1).
    pub ssrc: u32,
    /// What retransmissions go out under, never used before either; without it a packet is sent again as it was.
    pub rtx_ssrc: Option<u32>,
    /// The media section, written into every packet where its extension is negotiated.
    pub mid: String,
    /// Publisher's payload type → subscriber's. Packets of others are left out. Where redundant audio (RFC 2198) and
    /// what is within it become the same type, the redundancy is taken off.
    pub payload_types: Vec<(u8, u8)>,
    /// Subscriber's payload type → its RTX type.
    pub rtx_payload_types: Vec<(u8, u8)>,
    /// The subscriber's header-extension ids.
    pub extensions: ExtensionMap,
    /// The subscriber agreed to `a=extmap-allow-mixed` (RFC 8285 §6), as all browsers do.
    pub mixed_extensions: bool,
    /// From this share reported lost on, in 1/256, each retransmission goes out twice and RED repeats two packets. Usually
    /// [`LOSSY`].
    pub lossy: u8,
}

/// Counters since the start, and what the subscriber last reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SinkStatistics {
    /// Media packets sent, without resends.
    pub packets: u64,
    /// Their payload bytes.
    pub octets: u64,
    /// Packets left out: layers that are not to be sent, probes, and payload types the subscriber does not know.
    pub left_out: u64,
    /// Packets sent again.
    pub resent: u64,
    /// Packets asked for that the history no longer had.
    pub unavailable: u64,
    /// Share the subscriber last reported lost, in 1/256.
    pub fraction_lost: u8,
    /// Jitter the subscriber last reported, in timestamp units.
    pub jitter: u32,
    /// The last round trip measured.
    pub round_trip: Option<Duration>,
}

/// See the module's text. Give it the packets of the Source it is fed from and of the one it is to be fed from.
#[derive(Debug)]
pub struct Sink {
    kind: Kind,
    ssrc: u32,
    rtx_ssrc: Option<u32>,
    payload_types: PayloadTypes,
    rtx_payload_types: PayloadTypes,
    frame: Frame,
    spans: Spans,
    rtx_index: u64,
    /// What [`Sink::feed`] asked for; while it differs from what flows, the Sink waits for a place to begin.
    wanted: Option<SourceId>,
    waiting: bool,
    flowing: bool,
    key_frame: Option<SourceId>,
    continuity: Continuity,
    selection: Selection,
    /// The number of the picture left out last.
    left_picture: Option<u16>,
    redundancy: Redundancy,
    resends: Resends,
    /// For plain resends: the stamps of the newest packets, by output number.
    stamps: Vec<Option<(u64, Stamp)>>,
    reports: Reports,
    lossy: u8,
    /// The share reported lost, in 1/256: it rises at once and falls slowly.
    loss: f32,
    statistics: SinkStatistics,
}

impl Sink {
    /// A Sink fed by nothing yet.
    pub fn new(config: SinkConfig) -> Sink {
        let frame = Frame::new(config.extensions, &config.mid, config.mixed_extensions);
        let plain = config.rtx_ssrc.is_none() && frame.is_stamped();
        Sink {
            kind: config.kind,
            ssrc: config.ssrc,
            rtx_ssrc: config.rtx_ssrc,
            payload_types: PayloadTypes::new(&config.payload_types),
            rtx_payload_types: PayloadTypes::new(&config.rtx_payload_types),
            frame,
            spans: Spans::new(1),
            rtx_index: 1,
            wanted: None,
            waiting: false,
            flowing: false,
            key_frame: None,
            continuity: Continuity::default(),
            selection: Selection::new(),
            left_picture: None,
            redundancy: Redundancy::default(),
            resends: Resends::default(),
            stamps: vec![None; if plain { STAMPS as usize } else { 0 }],
            reports: Reports::new(),
            lossy: config.lossy,
            loss: 0.0,
            statistics: SinkStatistics::default(),
        }
    }

    /// Its SSRC.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The Source whose packets are sent now.
    pub fn flowing(&self) -> Option<SourceId> {
        self.spans
            .current()
            .filter(|_| self.flowing)
            .map(|span| span.feed.source)
    }

    /// The Source asked for; different from [`Sink::flowing`] while its key frame is awaited.
    pub fn wanted(&self) -> Option<SourceId> {
        self.wanted
    }

    /// Attaches or switches; `None` pauses at once. What flows goes on until the new Source gives a place to begin: for
    /// video a key frame, which [`Sink::take_key_frame_request`] asks for.
    pub fn feed(&mut self, source: Option<SourceId>) {
        self.wanted = source;
        self.waiting = source.is_some() && self.flowing() != source;
        self.flowing &= source.is_some();
        self.key_frame = source.filter(|_| self.waiting && self.kind == Kind::Video);
    }

    /// From now on no more than these layers of the Source asked for: fewer from its next picture on, more where a decoder can
    /// follow. For more spatial layers that takes a key frame, which [`Sink::take_key_frame_request`] asks for.
    pub fn select(&mut self, layers: Layers) {
        self.selection.wanted = layers;
    }

    /// The layers sent now.
    pub fn layers(&self) -> Layers {
        self.spans.current().map_or(Layers::ALL, |span| span.layers)
    }

    /// The Source a key frame is needed from, once per need.
    pub fn take_key_frame_request(&mut self) -> Option<SourceId> {
        self.key_frame.take()
    }

    /// The subscriber sent PLI or FIR.
    pub fn key_frame_requested(&mut self) {
        if self.kind == Kind::Video {
            self.key_frame = self.flowing().or(self.wanted);
        }
    }

    /// Writes the subscriber's version of `packet` into `out`; `None` if there is none now.
    pub fn forward(
        &mut self,
        packet: &Packet<'_>,
        now: Instant,
        departure: &mut Departure,
        out: &mut [u8],
    ) -> Option<Outgoing> {
        let payload_type = self.payload_types.get(packet.header.payload_type);
        let known = payload_type.is_some();
        if self.must_begin(packet) && !(known && packet.starts_decoding && self.begin(packet, now))
        {
            return None;
        }
        if !self.flowing {
            return None;
        }
        if self.leaves_out(packet, known) {
            self.statistics.left_out += 1;
            return None;
        }
        let (span, output, advances) = self.spans.forward(packet.feed, packet.sequence)?;
        let payload_type = payload_type?;
        let stamp = self.frame.stamp(departure);
        let mut content = self.content(packet, &span, payload_type)?;
        if content.blocks
            && advances
            && self.is_lossy()
            && self.redundancy.make(packet, &self.payload_types, output)
            && let Made::As(payload) = self.redundancy.of(output)
        {
            content = Content::made(payload_type, payload);
        }
        let address = Address {
            ssrc: self.ssrc,
            index: output,
            original: None,
        };
        let outgoing = self.write(packet, &span, &content, stamp, address, out)?;
        if !self.stamps.is_empty() {
            self.stamps[(output % STAMPS) as usize] = Some((output, stamp));
        }
        if advances {
            self.continuity.note(packet, &span.offsets, now);
        }
        self.statistics.packets += 1;
        self.statistics.octets += (outgoing.len - outgoing.header) as u64;
        Some(outgoing)
    }

    fn is_lossy(&self) -> bool {
        self.loss >= f32::from(self.lossy)
    }

    /// Counters and what the subscriber reported.
    pub fn statistics(&self) -> SinkStatistics {
        self.statistics
    }

    /// Whether `packet` is of the Source (or the run of it) the Sink is waiting for.
    fn must_begin(&mut self, packet: &Packet<'_>) -> bool {
        if self.wanted != Some(packet.feed.source) {
            return false;
        }
        if !self.waiting
            && let Some(span) = self.spans.current()
            && span.feed.source == packet.feed.source
            && span.feed.epoch < packet.feed.epoch
        {
            // the publisher began anew: what came before does not continue
            self.feed_anew(packet.feed.source);
        }
        self.waiting
    }

    fn feed_anew(&mut self, source: SourceId) {
        self.flowing = false;
        self.feed(Some(source));
    }

    /// Begins a span at `packet`, continuing numbers, timestamps and picture ids.
    fn begin(&mut self, packet: &Packet<'_>, now: Instant) -> bool {
        let offsets = self.continuity.offsets(packet, now);
        let layers = self
            .selection
            .begin(packet.frame.as_ref(), packet.header.timestamp);
        self.spans
            .begin(packet.feed, packet.sequence, offsets, layers);
        self.waiting = false;
        self.flowing = true;
        self.key_frame = None;
        self.reports.hasten(now);
        true
    }

    /// Whether this packet, if it is the newest, is not for the subscriber; what follows it moves up then. One that comes late
    /// for that has its number, and goes out empty.
    fn leaves_out(&mut self, packet: &Packet<'_>, known: bool) -> bool {
        let Some(span) = self.spans.ahead(packet.feed, packet.sequence).copied() else {
            return false;
        };
        let omitted = self.omits(packet, &span);
        if known && !omitted && !packet.payload().is_empty() {
            return false;
        }
        let picture = packet
            .descriptor
            .filter(|_| omitted)
            .and_then(|descriptor| descriptor.consecutive_id());
        let another = picture.is_some() && picture != self.left_picture;
        self.left_picture = picture.or(self.left_picture);
        self.spans
            .skip(packet.feed, packet.sequence, u16::from(another))
    }

    /// Whether this packet, the newest, is of a layer that is not sent. Here is where that changes.
    fn omits(&mut self, packet: &Packet<'_>, span: &Span) -> bool {
        let Some(frame) = &packet.frame else {
            return false;
        };
        let source = packet.feed.source;
        if self.wanted != Some(source) {
            return span.omits(packet); // as it is, until the one asked for begins
        }
        let timestamp = packet.header.timestamp;
        let layers = if packet.starts_decoding {
            self.selection.begin(Some(frame), timestamp)
        } else {
            self.selection.next(frame, timestamp, span.layers)
        };
        if layers != span.layers {
            self.spans.select(packet.sequence, layers);
        }
        let omitted = !layers.hold(frame.layers);
        if omitted && frame.begins && self.selection.wanted.hold(frame.layers) {
            let bigger = frame.layers.spatial > layers.spatial;
            self.key_frame = self.key_frame.or(bigger.then_some(source));
        }
        omitted
    }

    /// What the subscriber gets of the payload: nothing, if it is of a layer that is not sent.
    fn content<'p>(
        &self,
        packet: &Packet<'p>,
        span: &Span,
        payload_type: u8,
    ) -> Option<Content<'p>> {
        if span.omits(packet) {
            return Some(Content::made(payload_type, &[]));
        }
        self.payload_types.content(packet, payload_type)
    }

    /// Writes what `packet` is in `span`.
    fn write(
        &self,
        packet: &Packet<'_>,
        span: &Span,
        content: &Content<'_>,
        stamp: Stamp,
        address: Address,
        out: &mut [u8],
    ) -> Option<Outgoing> {
        let omitted = span.omits(packet);
        let last = packet
            .frame
            .is_some_and(|frame| frame.ends_picture(span.layers));
        let header = Header::new(
            content.payload_type,
            address.index as u16,
            span.offsets.timestamp_of(packet.header.timestamp),
            address.ssrc,
            !omitted && (packet.header.marker || last),
        );
        let mut room = [0; LONGEST_DESCRIPTOR];
        let descriptor = packet
            .extensions
            .get(Extension::DependencyDescriptor, packet.bytes)
            .filter(|_| !omitted && needs_descriptor(packet.codec));
        let body = Body {
            packet,
            payload: content.payload,
            original: address.original,
            descriptor: descriptor.and_then(|data| span.describe(packet, data, &mut room)),
        };
        let (header, len) = self.frame.write(&header, &body, stamp, out)?;
        let written = out.get_mut(len - content.payload.len()..len)?;
        self.payload_types
            .adapt(packet, &span.offsets, content, written)?;
        Some(Outgoing {
            len,
            header,
            index: address.index,
            transport_sequence: self.frame.transport_sequence(stamp),
        })
    }
}

/// Whether receivers go by the dependency descriptor. Those of other codecs do as well if they see it, but browsers' descriptors
/// of simulcast number the frames of all encodings together: without it they go by what they have always gone by.
fn needs_descriptor(codec: Option<Codec>) -> bool {
    matches!(codec, Some(Codec::Vp9 | Codec::Av1) | None)
}

/// What a packet goes out under.
#[derive(Clone, Copy)]
struct Address {
    ssrc: u32,
    index: u64,
    /// The sequence number it went out under first, of a retransmission.
    original: Option<u16>,
}
