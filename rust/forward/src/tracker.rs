//! Sequence numbers of an incoming stream: extension, duplicates, restarts, and what a receiver report says of them.

use meeting_rtp::rtcp::ReportBlock;
use meeting_rtp::{Seen, Unwrapper};
use std::time::{Duration, Instant};

/// A larger step forward is a new beginning rather than loss (RFC 3550 A.1, MAX_DROPOUT).
const MOST_DROPOUT: u64 = 3000;

/// Where a packet belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    /// The newest so far; `missing` numbers were skipped before it.
    Newest { sequence: u64, missing: u64 },
    /// Fills a gap.
    Late { sequence: u64 },
    /// The stream begins (anew) here.
    Restart { sequence: u64 },
    /// Seen before, or too old to know.
    Duplicate,
    /// Far from all others. If the next one follows it, the stream begins anew there (A.1: two in a row).
    Astray,
}

#[derive(Debug, Default)]
pub(crate) struct Tracker {
    unwrapper: Unwrapper,
    seen: Seen,
    astray: Option<u16>,
    ssrc: u32,
    // for reports, per RFC 3550 A.3 and A.8
    base: u64,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    transit: Option<(Instant, u32)>,
    jitter: f64,
}

impl Tracker {
    pub(crate) fn place(&mut self, ssrc: u32, sequence: u16) -> Placed {
        let Some(newest) = self.unwrapper.newest() else {
            return self.restart(ssrc, sequence);
        };
        let extended = self.unwrapper.peek(sequence);
        if extended > newest + MOST_DROPOUT || extended + MOST_DROPOUT < newest {
            if self.astray == Some(sequence) {
                return self.restart(ssrc, sequence);
            }
            self.astray = Some(sequence.wrapping_add(1));
            return Placed::Astray;
        }
        self.astray = None;
        if !self.seen.is_new(extended) {
            return Placed::Duplicate;
        }
        self.seen.record(extended);
        self.unwrapper.unwrap(sequence);
        if extended > newest {
            Placed::Newest {
                sequence: extended,
                missing: extended - newest - 1,
            }
        } else {
            Placed::Late { sequence: extended }
        }
    }

    /// The highest sequence number so far.
    pub(crate) fn newest(&self) -> u64 {
        self.unwrapper.newest().unwrap_or_default()
    }

    pub(crate) fn restart(&mut self, ssrc: u32, sequence: u16) -> Placed {
        let extended = self.unwrapper.restart(sequence);
        *self = Tracker {
            unwrapper: self.unwrapper,
            ssrc,
            base: extended,
            ..Tracker::default()
        };
        self.seen.record(extended);
        Placed::Restart { sequence: extended }
    }

    /// Counts a packet of the stream itself (a repair does not count) and its jitter (A.8).
    pub(crate) fn received(&mut self, now: Instant, timestamp: u32, clock_rate: u32) {
        self.received += 1;
        if let Some((then, previous)) = self.transit {
            let passed = now.saturating_duration_since(then).as_secs_f64() * f64::from(clock_rate);
            let difference = passed - f64::from(timestamp.wrapping_sub(previous).cast_signed());
            // a step of the timestamps (silence, a new source) says nothing of the network
            if difference.abs() < f64::from(clock_rate) * 10.0 {
                self.jitter += (difference.abs() - self.jitter) / 16.0;
            }
        }
        self.transit = Some((now, timestamp));
    }

    /// The report block since the previous one; `None` if nothing arrived since.
    pub(crate) fn report(&mut self, last_report: Option<(u32, u32)>) -> Option<ReportBlock> {
        let newest = self.unwrapper.newest()?;
        if self.received == self.received_prior {
            return None;
        }
        let expected = newest.saturating_sub(self.base) + 1;
        let lost = expected as i64 - self.received as i64;
        let expected_since = expected - self.expected_prior;
        let lost_since = expected_since as i64 - (self.received - self.received_prior) as i64;
        self.expected_prior = expected;
        self.received_prior = self.received;
        let fraction = (lost_since.max(0) * 256)
            .checked_div(expected_since as i64)
            .unwrap_or(0);
        let (last_sender_report, delay_since) = last_report.unwrap_or_default();
        Some(ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: fraction.min(255) as u8,
            cumulative_lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            // the cycles counted from our first cycle
            highest_sequence: newest.wrapping_sub(self.base & !0xffff) as u32,
            jitter: self.jitter as u32,
            last_sender_report,
            delay_since,
        })
    }
}

/// Between receiver reports of a stream that is arriving.
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_secs(1);
