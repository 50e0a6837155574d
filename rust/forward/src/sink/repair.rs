//! Packets that are sent for the network's sake: those asked for again, and padding.

use super::{Address, STAMPS, Sink};
use crate::content::Content;
use crate::redundancy::Made;
use crate::spans::Span;
use crate::{Departure, History, Outgoing, Packet, SourceId};
use meeting_rtp::Header;
use meeting_rtp::rtcp::Nack;
use std::time::{Duration, Instant};

/// Until a report block tells.
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);

impl Sink {
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
                Made::Never => self.content(packet, span, payload_type)?,
                Made::As(payload) => Content::made(payload_type, payload),
                Made::Forgotten => return None,
            };
            let address = Address {
                ssrc: self.ssrc,
                index: output,
                original: None,
            };
            return self.write(packet, span, &content, stamp, address, out);
        };
        let rtx_type = self.rtx_payload_types.get(payload_type)?;
        if packet.payload().is_empty() {
            return None;
        }
        let content = Content {
            payload_type: rtx_type,
            ..self.content(packet, span, payload_type)?
        };
        let address = Address {
            ssrc: rtx_ssrc,
            index: self.rtx_index,
            original: Some(output as u16),
        };
        let stamp = self.frame.stamp(departure);
        let outgoing = self.write(packet, span, &content, stamp, address, out)?;
        self.rtx_index += 1;
        Some(outgoing)
    }
}
