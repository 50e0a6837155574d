//! One track as one subscriber gets it.

use crate::clock::SenderClock;
use crate::content::{Content, PayloadTypes};
use crate::continuity::Continuity;
use crate::redundancy::{Made, Redundancy};
use crate::reports::Reports;
use crate::resend::Resends;
use crate::spans::{Span, Spans};
use crate::write::{Frame, Stamp};
use crate::{Departure, History, Kind, Outgoing, Packet, SourceId};
use meeting_rtp::rtcp::{Builder, Nack, ReportBlock, SenderInfo};
use meeting_rtp::{ExtensionMap, Header};
use std::time::{Duration, Instant};

/// Until a report block tells.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);
/// Of what a report says less than is known, so much is believed.
const LOSS_FALLS: f32 = 0.25;
/// Stamps kept for plain resends.
const STAMPS: u64 = 512;

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
    /// Packets left out: probes and payload types the subscriber does not know.
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
        if (!known || packet.payload().is_empty()) && self.spans.skip(packet.feed, packet.sequence)
        {
            self.statistics.left_out += 1;
            return None;
        }
        let (span, output, advances) = self.spans.forward(packet.feed, packet.sequence)?;
        let payload_type = payload_type?;
        let stamp = self.frame.stamp(departure);
        let mut content = self.payload_types.content(packet, payload_type)?;
        if content.blocks
            && advances
            && self.is_lossy()
            && self.redundancy.make(packet, &self.payload_types, output)
            && let Made::As(payload) = self.redundancy.of(output)
        {
            content = Content::made(payload_type, payload);
        }
        let outgoing = self.write(packet, &span, output, stamp, &content, out)?;
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

    /// Takes a NACK for this Sink's SSRC. Then call [`Sink::resend`] until it has no more.
    pub fn nack(&mut self, nack: &Nack<'_>, now: Instant) {
        let round_trip = self.statistics.round_trip.unwrap_or(FIRST_ROUND_TRIP);
        let newest = self.spans.next_output().wrapping_sub(1);
        for sequence in nack.sequences() {
            let behind = u64::from((newest as u16).wrapping_sub(sequence));
            if behind < 0x8000 && behind <= newest {
                self.resends.request(newest - behind, round_trip, now);
            }
        }
    }

    /// Writes the next packet that was asked for again: as RTX (RFC 4588) if negotiated, else the same to the byte. Over a
    /// lossy path a second copy follows: call this again at [`Sink::resend_deadline`].
    pub fn resend<'h>(
        &mut self,
        now: Instant,
        departure: &mut Departure,
        histories: impl Fn(SourceId) -> Option<&'h History>,
        out: &mut [u8],
    ) -> Option<Outgoing> {
        while let Some((output, copy)) = self.resends.next(now) {
            let packet = self.spans.source_of(output).and_then(|(span, input)| {
                let packet = histories(span.feed.source)?.get(input)?;
                (packet.feed == span.feed).then_some((span, packet))
            });
            if let Some((span, packet)) = packet
                && let Some(outgoing) = self.write_again(&packet, &span, output, departure, out)
            {
                self.statistics.resent += 1;
                if !copy && self.is_lossy() {
                    self.resends.repeat(output, now);
                }
                return Some(outgoing);
            }
            self.resends.forget(output);
            self.statistics.unavailable += u64::from(!copy);
        }
        None
    }

    /// When to call [`Sink::resend`] next without a NACK.
    pub fn resend_deadline(&self) -> Option<Instant> {
        self.resends.deadline()
    }

    fn is_lossy(&self) -> bool {
        self.loss >= f32::from(self.lossy)
    }

    /// Writes a packet of padding, to find out what the path takes: among the retransmissions, where a receiver counts and forgets
    /// it (RFC 4588 §4). `None` without those, or without transport-wide numbers to tell of its arrival.
    pub fn pad(&mut self, departure: &mut Departure, out: &mut [u8]) -> Option<Outgoing> {
        let ssrc = self.rtx_ssrc?;
        let rtx_type = (0..128).find_map(|from| self.rtx_payload_types.get(from))?;
        let stamp = self.frame.stamp(departure);
        let transport_sequence = Some(self.frame.transport_sequence(stamp)?);
        let index = self.rtx_index;
        let header = Header::new(rtx_type, index as u16, 0, ssrc, false);
        let (header, len) = self.frame.pad(&header, stamp, out)?;
        self.rtx_index += 1;
        Some(Outgoing {
            len,
            header,
            index,
            transport_sequence,
        })
    }

    /// Takes the subscriber's report on this Sink's SSRC.
    pub fn report_block(&mut self, block: &ReportBlock, now: Instant) {
        self.statistics.fraction_lost = block.fraction_lost;
        let lost = f32::from(block.fraction_lost);
        self.loss = lost.max(self.loss + (lost - self.loss) * LOSS_FALLS);
        self.statistics.jitter = block.jitter;
        if let Some(round_trip) = self.reports.round_trip(block, now) {
            self.statistics.round_trip = Some(round_trip);
        }
    }

    /// Writes a sender report if one is due: the publisher's own wall clock for our timestamps, so that its audio and video
    /// play in sync. If it does not fit it stays due.
    pub fn write_report(&mut self, now: Instant, out: &mut Builder<'_>) {
        let Some((clock, clock_rate, timestamp)) = self
            .clock()
            .filter(|_| self.deadline().is_some_and(|due| due <= now))
        else {
            return;
        };
        let (ntp, input) = clock.at(now, clock_rate);
        let info = SenderInfo {
            ntp,
            rtp_timestamp: input.wrapping_add(timestamp),
            packets: self.statistics.packets as u32,
            octets: self.statistics.octets as u32,
        };
        if out.sender_report(self.ssrc, info, &[]).is_ok() {
            self.reports.sent(ntp, now);
        }
    }

    /// When to call [`Sink::write_report`] next.
    pub fn deadline(&self) -> Option<Instant> {
        self.clock().and(self.reports.due())
    }

    /// What flows: its publisher's clock, if known yet, its clock rate, and what is added to its timestamps.
    fn clock(&self) -> Option<(SenderClock, u32, u32)> {
        let span = self.spans.current().filter(|_| self.flowing)?;
        let last = self
            .continuity
            .last()
            .filter(|last| last.feed == span.feed)?;
        Some((last.clock?, last.clock_rate, span.offsets.timestamp))
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
        self.spans.begin(packet.feed, packet.sequence, offsets);
        self.waiting = false;
        self.flowing = true;
        self.key_frame = None;
        self.reports.hasten(now);
        true
    }

    fn write(
        &self,
        packet: &Packet<'_>,
        span: &Span,
        output: u64,
        stamp: Stamp,
        content: &Content<'_>,
        out: &mut [u8],
    ) -> Option<Outgoing> {
        let header = Header::new(
            content.payload_type,
            output as u16,
            span.offsets.timestamp_of(packet.header.timestamp),
            self.ssrc,
            packet.header.marker,
        );
        let (header, len) = self
            .frame
            .write(&header, packet, content.payload, stamp, None, out)?;
        let written = out.get_mut(header..len)?;
        self.payload_types
            .adapt(packet, &span.offsets, content, written)?;
        let transport_sequence = self.frame.transport_sequence(stamp);
        Some(Outgoing {
            len,
            header,
            index: output,
            transport_sequence,
        })
    }

    fn write_again(
        &mut self,
        packet: &Packet<'_>,
        span: &Span,
        output: u64,
        departure: &mut Departure,
        out: &mut [u8],
    ) -> Option<Outgoing> {
        let payload_type = self.payload_types.get(packet.header.payload_type)?;
        let Some(rtx_ssrc) = self.rtx_ssrc else {
            let stamp = if self.frame.is_stamped() {
                let (kept, stamp) = (*self.stamps.get((output % STAMPS) as usize)?)?;
                (kept == output).then_some(stamp)?
            } else {
                self.frame.stamp(departure)
            };
            let content = match self.redundancy.of(output) {
                Made::Never => self.payload_types.content(packet, payload_type)?,
                Made::As(payload) => Content::made(payload_type, payload),
                Made::Forgotten => return None,
            };
            return self.write(packet, span, output, stamp, &content, out);
        };
        let rtx_type = self.rtx_payload_types.get(payload_type)?;
        if packet.payload().is_empty() {
            return None;
        }
        let index = self.rtx_index;
        let timestamp = span.offsets.timestamp_of(packet.header.timestamp);
        let header = Header::new(
            rtx_type,
            index as u16,
            timestamp,
            rtx_ssrc,
            packet.header.marker,
        );
        let stamp = self.frame.stamp(departure);
        let content = self.payload_types.content(packet, payload_type)?;
        let original = Some(output as u16);
        let (header, len) =
            self.frame
                .write(&header, packet, content.payload, stamp, original, out)?;
        let written = out.get_mut(header + meeting_rtp::rtx::OSN..len)?;
        self.payload_types
            .adapt(packet, &span.offsets, &content, written)?;
        self.rtx_index += 1;
        let transport_sequence = self.frame.transport_sequence(stamp);
        Some(Outgoing {
            len,
            header,
            index,
            transport_sequence,
        })
    }
}
