//! When a Sink's sender reports go out, and the round trip their echoes tell (RFC 3550 §6.4.1).

use meeting_rtp::NtpTime;
use meeting_rtp::rtcp::ReportBlock;
use std::time::{Duration, Instant};

/// The first report follows the first packet, the next half a second later, then twice as long each time up to the longest: a
/// receiver needs two of each stream to play them in sync.
const FIRST_INTERVAL: Duration = Duration::from_millis(500);
const LONGEST_INTERVAL: Duration = Duration::from_secs(4);
/// What is measured is taken as at least this.
const SHORTEST_ROUND_TRIP: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(crate) struct Reports {
    due: Option<Instant>,
    interval: Duration,
    /// The newest reports: the middle of their NTP time, and when they went out.
    sent: [Option<(u32, Instant)>; 4],
}

impl Reports {
    pub(crate) fn new() -> Reports {
        Reports {
            due: None,
            interval: FIRST_INTERVAL,
            sent: [None; 4],
        }
    }

    /// The relation of timestamps to wall time is another now: tell soon.
    pub(crate) fn hasten(&mut self, now: Instant) {
        self.due = Some(now);
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    pub(crate) fn sent(&mut self, ntp: NtpTime, now: Instant) {
        self.sent.rotate_right(1);
        self.sent[0] = Some((ntp.middle(), now));
        self.due = Some(now + self.interval);
        self.interval = (2 * self.interval).min(LONGEST_INTERVAL);
    }

    /// The round trip a subscriber's report block tells: since the report it echoes, without the time it was held.
    pub(crate) fn round_trip(&self, block: &ReportBlock, now: Instant) -> Option<Duration> {
        let echoes =
            |(middle, _): &&(u32, Instant)| *middle == block.last_sender_report && *middle != 0;
        let (_, sent) = self.sent.iter().flatten().find(echoes)?;
        let held = Duration::from_secs(u64::from(block.delay_since)) / 65_536;
        Some(
            now.saturating_duration_since(*sent)
                .saturating_sub(held)
                .max(SHORTEST_ROUND_TRIP),
        )
    }
}
