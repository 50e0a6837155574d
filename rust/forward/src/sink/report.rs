//! Reports, both ways.

use super::Sink;
use crate::clock::SenderClock;
use meeting_rtp::rtcp::{Builder, ReportBlock, SenderInfo};
use std::time::Instant;

/// Of what a report says less than is known, so much is believed.
const LOSS_FALLS: f32 = 0.25;

impl Sink {
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
}
