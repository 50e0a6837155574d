//! Transport-wide arrival feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).

use meeting_rtp::Unwrapper;
use meeting_rtp::rtcp::Builder;
use meeting_rtp::rtcp::transport_cc::{Arrival, MOST_ARRIVALS};
use std::time::{Duration, Instant};

/// Feedback goes out at least so often while packets arrive.
const INTERVAL: Duration = Duration::from_millis(100);
/// … or after so many packets: one message should hold them all.
const MOST_UNREPORTED: usize = 200;
/// Arrival times kept: late packets are reported together with what had been reported after them.
const KEPT: u64 = 1024;
/// A packet that comes later than this many others is not reported any more.
const MOST_LATE: u64 = 256;

/// Records when each transport-wide sequence number of a Link arrived, and reports it.
#[derive(Debug)]
pub struct ArrivalRecorder {
    start: Instant,
    unwrapper: Unwrapper,
    /// By sequence number modulo [`KEPT`]: the number and its time in 250 µs ticks.
    ring: Vec<(u64, i64)>,
    /// The next number to report.
    next: u64,
    unreported: usize,
    due: Option<Instant>,
    media: u32,
    messages: u8,
    scratch: Vec<Arrival>,
}

impl ArrivalRecorder {
    /// `start` is any moment not after the first packet.
    pub fn new(start: Instant) -> ArrivalRecorder {
        ArrivalRecorder {
            start,
            unwrapper: Unwrapper::default(),
            ring: vec![(u64::MAX, 0); KEPT as usize],
            next: 0,
            unreported: 0,
            due: None,
            media: 0,
            messages: 0,
            scratch: Vec::with_capacity(MOST_ARRIVALS),
        }
    }

    /// A packet of stream `ssrc` with transport-wide number `sequence` arrived.
    pub fn arrived(&mut self, sequence: u16, ssrc: u32, now: Instant) {
        let first = self.unwrapper.newest().is_none();
        let number = self.unwrapper.unwrap(sequence);
        if first {
            self.next = number;
        } else if number + MOST_LATE < self.next {
            return;
        }
        // 64-bit ticks: no wrap within the life of a Link
        let ticks = (now.saturating_duration_since(self.start).as_micros() / 250) as i64;
        let place = &mut self.ring[(number % KEPT) as usize];
        if place.0 == number {
            return; // the first arrival counts
        }
        *place = (number, ticks);
        self.next = self.next.min(number);
        self.media = ssrc;
        self.unreported += 1;
        let due = if self.unreported >= MOST_UNREPORTED {
            now
        } else {
            now + INTERVAL
        };
        self.due = Some(self.due.map_or(due, |earlier| earlier.min(due)));
    }

    /// Writes the messages that are due. What does not fit stays due.
    pub fn write_feedback(&mut self, now: Instant, sender: u32, out: &mut Builder<'_>) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        let Some(newest) = self.unwrapper.newest() else {
            return;
        };
        self.next = self.next.max((newest + 1).saturating_sub(KEPT));
        while self.next <= newest {
            self.scratch.clear();
            let numbers = self.next..=newest;
            let ring = &self.ring;
            let arrivals = numbers.map(|number| {
                let (kept, ticks) = ring[(number % KEPT) as usize];
                Arrival {
                    sequence: number as u16,
                    ticks: (kept == number).then_some(ticks),
                }
            });
            self.scratch.extend(arrivals.take(MOST_ARRIVALS));
            match out.transport_cc(sender, self.media, self.messages, &self.scratch) {
                Ok(covered) => {
                    self.next += covered as u64;
                    self.messages = self.messages.wrapping_add(1);
                }
                Err(_) if self.scratch.iter().all(|arrival| arrival.ticks.is_none()) => {
                    self.next += self.scratch.len() as u64;
                }
                Err(_) => return,
            }
        }
        self.unreported = 0;
        self.due = None;
    }

    /// When to call [`ArrivalRecorder::write_feedback`] next.
    pub fn deadline(&self) -> Option<Instant> {
        self.due
    }
}
