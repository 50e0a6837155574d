//! NTP timestamps (RFC 3550 §4) and their relation to the monotonic clock the machines are driven by.

use std::time::{Duration, Instant};

/// Seconds from 1900 (NTP) to 1970 (Unix).
const UNIX_EPOCH: u64 = 2_208_988_800;

/// A 64-bit NTP timestamp: seconds since 1900 in the upper, fraction in the lower half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// From a time since 1970.
    pub fn from_unix(since_1970: Duration) -> NtpTime {
        NtpTime((UNIX_EPOCH << 32).wrapping_add(fixed(since_1970)))
    }

    /// The middle 32 bits, as LSR has them: 16.16 seconds (RFC 3550 §6.4.1).
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// This time and `later` more.
    pub fn after(self, later: Duration) -> NtpTime {
        NtpTime(self.0.wrapping_add(fixed(later)))
    }

    /// This time less `earlier`.
    pub fn before(self, earlier: Duration) -> NtpTime {
        NtpTime(self.0.wrapping_sub(fixed(earlier)))
    }

    /// Seconds from `earlier` to this; negative if this is before it.
    pub fn seconds_since(self, earlier: NtpTime) -> f64 {
        self.0.wrapping_sub(earlier.0).cast_signed() as f64 / f64::from(2u32).powi(32)
    }

    /// The 24-bit 6.18 form of the `abs-send-time` extension.
    pub fn abs_send_time(self) -> u32 {
        (self.0 >> 14) as u32 & 0x00ff_ffff
    }
}

/// A duration as 32.32 fixed point.
fn fixed(duration: Duration) -> u64 {
    (duration.as_secs() << 32) | ((u64::from(duration.subsec_nanos()) << 32) / 1_000_000_000)
}

/// Where the monotonic clock stands in wall time: taken once by whoever owns the clocks, then only arithmetic.
#[derive(Debug, Clone, Copy)]
pub struct NtpClock {
    at: Instant,
    ntp: NtpTime,
}

impl NtpClock {
    /// `at` and `since_1970` are the two clocks' readings of one moment.
    pub fn new(at: Instant, since_1970: Duration) -> NtpClock {
        NtpClock {
            at,
            ntp: NtpTime::from_unix(since_1970),
        }
    }

    /// The wall time of `now` (not before the anchor).
    pub fn at(&self, now: Instant) -> NtpTime {
        self.ntp.after(now.saturating_duration_since(self.at))
    }
}
