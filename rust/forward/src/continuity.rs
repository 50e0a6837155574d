//! What goes on over a switch as if nothing had happened: timestamps, and the numbers of pictures and frames.

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
    /// Of the dependency descriptor.
    pub(crate) frame_number: u16,
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
    /// As these, after so many pictures were left out.
    pub(crate) fn without(self, pictures: u16) -> Offsets {
        Offsets {
            picture_id: self.picture_id.wrapping_sub(pictures),
            ..self
        }
    }

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
    frame_number: u16,
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
        let last = self.last;
        let (picture_id, tl0_picture_index) = numbers(packet);
        let shifted = |id: u16| id.wrapping_add(offsets.picture_id);
        let picture_id = picture_id.map(shifted).or(last.map(|last| last.picture_id));
        let shifted = |index: u8| index.wrapping_add(offsets.tl0_picture_index);
        let tl0_picture_index = tl0_picture_index
            .map(shifted)
            .or(last.map(|last| last.tl0_picture_index));
        let frame_number = packet
            .frame_number()
            .map(|number| number.wrapping_add(offsets.frame_number))
            .or(last.map(|last| last.frame_number));
        self.last = Some(Last {
            feed: packet.feed,
            clock: packet.sender_clock,
            clock_rate: packet.clock_rate,
            at: now,
            input_timestamp: packet.header.timestamp,
            output_timestamp: offsets.timestamp_of(packet.header.timestamp),
            picture_id: picture_id.unwrap_or_default(),
            tl0_picture_index: tl0_picture_index.unwrap_or_default(),
            frame_number: frame_number.unwrap_or_default(),
        });
    }

    /// The offsets with which `packet` of another run goes on from the newest packet. The first run keeps its numbers.
    pub(crate) fn offsets(&mut self, packet: &Packet<'_>, now: Instant) -> Offsets {
        let Some(last) = self.last else {
            return Offsets::default();
        };
        let (next, lag) = self.next_timestamp(&last, packet, now);
        let (picture_id, tl0_picture_index) = numbers(packet);
        Offsets {
            timestamp: next.wrapping_sub(packet.header.timestamp),
            catch_up: CatchUp {
                from: packet.header.timestamp,
                lag,
            },
            picture_id: continued(last.picture_id, picture_id),
            tl0_picture_index: last
                .tl0_picture_index
                .wrapping_add(1)
                .wrapping_sub(tl0_picture_index.unwrap_or_default()),
            frame_number: continued(last.frame_number, packet.frame_number()),
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

/// Picture id and TL0PICIDX.
fn numbers(packet: &Packet<'_>) -> (Option<u16>, Option<u8>) {
    packet.descriptor.map_or((None, None), |descriptor| {
        (descriptor.picture_id(), descriptor.tl0_picture_index())
    })
}

/// What makes `first` the number behind `last`.
fn continued(last: u16, first: Option<u16>) -> u16 {
    last.wrapping_add(1).wrapping_sub(first.unwrap_or_default())
}
