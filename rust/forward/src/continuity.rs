//! What goes on over a switch as if nothing had happened: timestamps and VP8 picture ids.

use crate::clock::{SenderClock, ticks};
use crate::{Feed, Packet};
use meeting_rtp::NtpTime;
use std::time::Instant;

/// What is added to a Source's numbers to make them the Sink's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Offsets {
    /// What relates the Sources' clocks to one another: it holds for sender reports.
    pub(crate) timestamp: u32,
    catch_up: CatchUp,
    pub(crate) picture_id: u16,
    pub(crate) tl0_picture_index: u8,
}

/// A run that begins with a frame older than what was sent already, a key frame that had to be repaired say: its timestamps
/// begin late by the lag and pass at half speed until they are right. Were they shifted for good, receivers would have to learn
/// the relation to wall time anew, and play sound and picture apart meanwhile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct CatchUp {
    /// The run's first timestamp, as the publisher had it.
    from: u32,
    lag: u32,
}

impl Offsets {
    /// The Sink's timestamp for the publisher's.
    pub(crate) fn timestamp_of(&self, input: u32) -> u32 {
        let CatchUp { from, lag } = self.catch_up;
        let since = input.wrapping_sub(from);
        let late = if since < 2 * lag { lag - since / 2 } else { 0 };
        input.wrapping_add(self.timestamp).wrapping_add(late)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Continuity {
    last: Option<Last>,
    anchor: Option<Anchor>,
}

/// The newest packet forwarded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Last {
    pub(crate) feed: Feed,
    /// The publisher's clock, and the ticks of its timestamps in a second.
    pub(crate) clock: Option<SenderClock>,
    pub(crate) clock_rate: u32,
    at: Instant,
    input_timestamp: u32,
    output_timestamp: u32,
    picture_id: u16,
    tl0_picture_index: u8,
}

/// Fixes output timestamps to one publisher's wall clock, so that switching between its encodings does not drift.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    origin: u64,
    capture: NtpTime,
    timestamp: u32,
}

impl Continuity {
    pub(crate) fn last(&self) -> Option<&Last> {
        self.last.as_ref()
    }

    /// Remembers the newest packet forwarded.
    pub(crate) fn note(&mut self, packet: &Packet<'_>, offsets: &Offsets, now: Instant) {
        let (mut picture_id, mut tl0_picture_index) = self
            .last
            .map_or((0, 0), |last| (last.picture_id, last.tl0_picture_index));
        if let Some(vp8) = packet.vp8 {
            if let Some(id) = vp8.picture_id {
                picture_id = id.value.wrapping_add(offsets.picture_id);
            }
            if let Some((index, _)) = vp8.tl0_picture_index {
                tl0_picture_index = index.wrapping_add(offsets.tl0_picture_index);
            }
        }
        self.last = Some(Last {
            feed: packet.feed,
            clock: packet.sender_clock,
            clock_rate: packet.clock_rate,
            at: now,
            input_timestamp: packet.header.timestamp,
            output_timestamp: offsets.timestamp_of(packet.header.timestamp),
            picture_id,
            tl0_picture_index,
        });
    }

    /// The offsets with which `packet` of another run goes on from the newest packet. The first run keeps its numbers.
    pub(crate) fn offsets(&mut self, packet: &Packet<'_>, now: Instant) -> Offsets {
        let Some(last) = self.last else {
            return Offsets::default();
        };
        let (next, lag) = self.next_timestamp(&last, packet, now);
        let offsets = Offsets {
            timestamp: next.wrapping_sub(packet.header.timestamp),
            catch_up: CatchUp {
                from: packet.header.timestamp,
                lag,
            },
            ..Offsets::default()
        };
        let Some(vp8) = packet.vp8 else {
            return offsets;
        };
        let id = vp8.picture_id.map_or(0, |id| id.value);
        let tl0 = vp8.tl0_picture_index.map_or(0, |(index, _)| index);
        Offsets {
            picture_id: last.picture_id.wrapping_add(1).wrapping_sub(id),
            tl0_picture_index: last.tl0_picture_index.wrapping_add(1).wrapping_sub(tl0),
            ..offsets
        }
    }

    /// By the publisher's capture time where both sides are known, by the time that passed otherwise; and the lag with which
    /// it is later than what was sent.
    fn next_timestamp(&mut self, last: &Last, packet: &Packet<'_>, now: Instant) -> (u32, u32) {
        let rate = packet.clock_rate;
        if self.anchor.is_none() {
            self.anchor = last.clock.map(|clock| Anchor {
                origin: clock.origin,
                capture: clock.capture_time(last.input_timestamp, last.clock_rate),
                timestamp: last.output_timestamp,
            });
        }
        let by_capture = self
            .anchor
            .zip(packet.sender_clock)
            .and_then(|(anchor, clock)| {
                let capture = clock.capture_time(packet.header.timestamp, rate);
                let passed = (capture.seconds_since(anchor.capture) * f64::from(rate)).round();
                (clock.origin == anchor.origin && passed.abs() < f64::from(i32::MAX))
                    .then(|| anchor.timestamp.wrapping_add((passed as i64) as u32))
            });
        let next = by_capture.unwrap_or_else(|| {
            self.anchor = None;
            let passed = ticks(now.saturating_duration_since(last.at), rate);
            last.output_timestamp.wrapping_add(passed)
        });
        let earliest = last.output_timestamp.wrapping_add((rate / 1000).max(1));
        let lag = earliest.wrapping_sub(next);
        if lag.cast_signed() <= 0 {
            (next, 0)
        } else if by_capture.is_some() && lag <= rate {
            (next, lag)
        } else {
            (earliest, 0)
        }
    }
}
