//! How much arrives: the rate of what feedback tells to have arrived lately.

use std::collections::VecDeque;
use std::time::Duration;

/// Of arrivals that are looked at: short, so that at an overuse it holds only what came while the path was full, not the
/// quieter time before; the estimate falls to it.
const WINDOW: Duration = Duration::from_millis(150);
/// Less says nothing.
const LEAST: Duration = Duration::from_millis(40);
/// A packet that comes after such a pause ends the window before it.
const PAUSE: Duration = Duration::from_secs(1);

/// Time that no feedback covers does not count, so that lost feedback is not taken for lost packets.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    /// Bytes, and the time since the arrival before.
    arrivals: VecDeque<(usize, Duration)>,
    bytes: usize,
    covered: Duration,
    last: Option<Duration>,
}

impl Acknowledged {
    /// What was sent before the next arrival is not known to have arrived: the time up to it does not count.
    pub(crate) fn hole(&mut self) {
        self.last = None;
    }

    /// A packet arrived; in the order of sending.
    pub(crate) fn arrived(&mut self, bytes: usize, at: Duration) {
        let Some(last) = self.last else {
            self.last = Some(at);
            return;
        };
        self.last = Some(at.max(last));
        let passed = at.saturating_sub(last);
        if passed > PAUSE {
            self.clear();
            return;
        }
        self.arrivals.push_back((bytes, passed));
        self.bytes += bytes;
        self.covered += passed;
        while self.covered > WINDOW
            && let Some((bytes, passed)) = self.arrivals.pop_front()
        {
            self.bytes -= bytes;
            self.covered -= passed;
        }
    }

    /// In bit/s; `None` while too little is known.
    pub(crate) fn bitrate(&self) -> Option<f64> {
        (self.covered >= LEAST).then(|| 8.0 * self.bytes as f64 / self.covered.as_secs_f64())
    }

    fn clear(&mut self) {
        self.arrivals.clear();
        self.bytes = 0;
        self.covered = Duration::ZERO;
    }
}
