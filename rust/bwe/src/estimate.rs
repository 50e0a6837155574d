//! A bitrate for senders without transport-wide feedback (draft-alvestrand-rmcat-remb-03).

use meeting_rtp::rtcp::Builder;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(1);
/// Loss, in 1/256, up to which the estimate rises, and from which it falls: libwebrtc's own 2 % and 10 %.
const RISES_BELOW: u8 = 5;
const FALLS_ABOVE: u8 = 26;
/// Streams named in a message; more than one peer connection sends.
const MOST_STREAMS: usize = 32;

/// An estimate that trusts the path until loss says otherwise. It falls to what is really received, gently, and rises again
/// by 8 % a second.
#[derive(Debug)]
pub struct ReceiverEstimate {
    ceiling: u64,
    floor: u64,
    bitrate: u64,
    ssrcs: Vec<u32>,
    bytes: u64,
    since: Option<Instant>,
    loss: u8,
    due: Option<Instant>,
}

impl ReceiverEstimate {
    /// Never above `ceiling` nor below `floor`, in bit/s. It starts at the ceiling.
    pub fn new(floor: u64, ceiling: u64) -> ReceiverEstimate {
        ReceiverEstimate {
            ceiling,
            floor: floor.min(ceiling),
            bitrate: ceiling,
            ssrcs: Vec::with_capacity(MOST_STREAMS),
            bytes: 0,
            since: None,
            loss: 0,
            due: None,
        }
    }

    /// A packet of stream `ssrc` arrived.
    pub fn received(&mut self, ssrc: u32, bytes: usize, now: Instant) {
        if !self.ssrcs.contains(&ssrc) {
            if self.ssrcs.len() == MOST_STREAMS {
                self.ssrcs.remove(0);
            }
            self.ssrcs.push(ssrc);
        }
        self.bytes += bytes as u64;
        self.since.get_or_insert(now);
        self.due.get_or_insert(now);
    }

    /// The share lost since the last call, in 1/256, as the receiver reports have it. The worst stream counts.
    pub fn lost(&mut self, fraction: u8) {
        self.loss = self.loss.max(fraction);
    }

    /// The estimate in bit/s.
    pub fn bitrate(&self) -> u64 {
        self.bitrate
    }

    /// Writes the message that is due; if it does not fit it stays due.
    pub fn write_feedback(&mut self, now: Instant, sender: u32, out: &mut Builder<'_>) {
        let (Some(due), Some(since)) = (self.due, self.since) else {
            return;
        };
        if due > now {
            return;
        }
        let passed = now.saturating_duration_since(since);
        if passed >= INTERVAL / 2 {
            let received = (8.0 * self.bytes as f64 / passed.as_secs_f64()) as u64;
            if self.loss > FALLS_ABOVE {
                self.bitrate = self.bitrate.min(received - received / 10);
            } else if self.loss < RISES_BELOW {
                self.bitrate += self.bitrate / 12;
            }
            self.bitrate = self.bitrate.clamp(self.floor, self.ceiling);
            self.bytes = 0;
            self.loss = 0;
            self.since = Some(now);
        }
        if out.remb(sender, self.bitrate, &self.ssrcs).is_ok() {
            self.due = Some(now + INTERVAL);
        }
    }

    /// When to call [`ReceiverEstimate::write_feedback`] next.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }
}
