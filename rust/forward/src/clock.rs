//! The publisher's wall clock, from its sender reports (RFC 3550 §6.4.1).

use meeting_rtp::NtpTime;
use meeting_rtp::rtcp::SenderInfo;
use std::time::{Duration, Instant};

/// What the newest sender report said: at `ntp` the media timestamp was `rtp`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SenderClock {
    /// Whose wall clock: Sources of one publisher share it.
    pub origin: u64,
    ntp: NtpTime,
    rtp: u32,
    received: Instant,
}

impl SenderClock {
    pub(crate) fn new(origin: u64, info: &SenderInfo, received: Instant) -> SenderClock {
        SenderClock {
            origin,
            ntp: info.ntp,
            rtp: info.rtp_timestamp,
            received,
        }
    }

    /// When on the publisher's clock the media of `timestamp` was captured.
    pub fn capture_time(&self, timestamp: u32, clock_rate: u32) -> NtpTime {
        let ticks = timestamp.wrapping_sub(self.rtp).cast_signed();
        let distance = Duration::from_secs(u64::from(ticks.unsigned_abs())) / clock_rate.max(1);
        if ticks < 0 {
            self.ntp.before(distance)
        } else {
            self.ntp.after(distance)
        }
    }

    /// The report extrapolated to `now`: wall time and media timestamp of one moment.
    pub fn at(&self, now: Instant, clock_rate: u32) -> (NtpTime, u32) {
        let passed = now.saturating_duration_since(self.received);
        (
            self.ntp.after(passed),
            self.rtp.wrapping_add(ticks(passed, clock_rate)),
        )
    }

    /// For the report block of a receiver report: LSR and DLSR.
    pub(crate) fn last_report(&self, now: Instant) -> (u32, u32) {
        let passed = now.saturating_duration_since(self.received);
        (self.ntp.middle(), ticks(passed, 65_536))
    }
}

/// A duration in ticks of `rate` a second, wrapping.
pub(crate) fn ticks(duration: Duration, rate: u32) -> u32 {
    (duration.as_micros() * u128::from(rate) / 1_000_000) as u32
}
