//! When packets leave: at once, unless a Link sends about as much as its path takes. Then bursts (a key frame is one) are spread in
//! small quanta, so that what follows them, sound first of all, does not wait behind them in a router.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What leaves together: the bursts the kernel cuts for us (GSO) stay bursts.
const QUANTUM: Duration = Duration::from_millis(5);
/// A quantum is no less than this.
const LEAST_BYTES: f64 = 2.0 * 1200.0;
/// Faster than the estimate: a frame need not take as long as there is time until the next one.
const FACTOR: f64 = 1.5;
/// What is held leaves within this, however slow the path is said to be …
const DRAIN: Duration = Duration::from_millis(250);
/// … and what was held for longer nobody waits for any more.
const LONGEST: Duration = Duration::from_millis(500);
const MOST_PACKETS: usize = 512;

/// A protected packet that waits.
#[derive(Debug)]
pub struct Held {
    /// Its transport-wide sequence number, if it has one.
    pub sequence: Option<u16>,
    /// The datagram.
    pub bytes: Vec<u8>,
    at: Instant,
}

/// A leaky bucket with what does not fit into it. Sound is not held, only counted.
#[derive(Debug, Default)]
pub struct Pacer {
    /// Bytes a second; `None`: everything goes at once.
    rate: Option<f64>,
    level: f64,
    leaked: Option<Instant>,
    queue: VecDeque<Held>,
    queued: usize,
    dropped: u64,
}

impl Pacer {
    /// Paces for a path that takes `bitrate`; `None`: far from it.
    pub fn pace(&mut self, bitrate: Option<u64>) {
        self.rate = bitrate.map(|bitrate| FACTOR * bitrate as f64 / 8.0);
    }

    /// Whether a packet of this length may leave now; if so it is counted, else [`Pacer::hold`] it.
    pub fn admits(&mut self, len: usize, now: Instant) -> bool {
        let Some(rate) = self.rate else {
            return self.queue.is_empty();
        };
        self.leak(rate, now);
        let admitted = self.queue.is_empty() && self.level <= burst(rate);
        if admitted {
            self.level += len as f64;
        }
        admitted
    }

    /// A packet leaves that cannot wait.
    pub fn count(&mut self, len: usize) {
        if self.rate.is_some() {
            self.level += len as f64;
        }
    }

    /// Keeps a packet for later. `false`: there is no room, it is dropped.
    pub fn hold(&mut self, sequence: Option<u16>, bytes: &[u8], now: Instant) -> bool {
        if self.queue.len() >= MOST_PACKETS {
            self.dropped += 1;
            return false;
        }
        self.queued += bytes.len();
        self.queue.push_back(Held {
            sequence,
            bytes: bytes.to_vec(),
            at: now,
        });
        true
    }

    /// The next packet whose time has come.
    pub fn release(&mut self, now: Instant) -> Option<Held> {
        while self
            .queue
            .front()
            .is_some_and(|held| now.saturating_duration_since(held.at) > LONGEST)
        {
            self.take();
            self.dropped += 1;
        }
        if let Some(rate) = self.rate {
            let rate = rate.max(self.queued as f64 / DRAIN.as_secs_f64());
            self.leak(rate, now);
            if self.level > burst(rate) {
                return None;
            }
        }
        let held = self.take()?;
        self.level += held.bytes.len() as f64;
        Some(held)
    }

    /// When to call [`Pacer::release`] next.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        (!self.queue.is_empty()).then(|| now + QUANTUM)
    }

    /// Packets that are held.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Packets dropped: held for too long, or too many.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn take(&mut self) -> Option<Held> {
        let held = self.queue.pop_front()?;
        self.queued -= held.bytes.len();
        Some(held)
    }

    fn leak(&mut self, rate: f64, now: Instant) {
        let passed = self
            .leaked
            .map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        self.leaked = Some(now);
        self.level = (self.level - rate * passed.as_secs_f64()).max(0.0);
    }
}

fn burst(rate: f64) -> f64 {
    (rate * QUANTUM.as_secs_f64()).max(LEAST_BYTES)
}
