//! The rate of a counter of bytes that is looked at every now and then.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(1);
const MOST_SAMPLES: usize = 16;
/// A counter that has just begun is not judged by its first packets.
const LEAST: Duration = Duration::from_millis(200);

/// Over the last second.
#[derive(Debug, Default)]
pub struct Rate {
    samples: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// The counter stands at `bytes`. To be called every 100 ms or so.
    pub fn sample(&mut self, bytes: u64, now: Instant) {
        let old = |(at, _): &(Instant, u64)| now.saturating_duration_since(*at) > WINDOW;
        while self.samples.len() >= MOST_SAMPLES || self.samples.front().is_some_and(old) {
            self.samples.pop_front();
        }
        if bytes > 0 {
            self.samples.push_back((now, bytes));
        }
    }

    /// In bit/s; 0 while nothing is known.
    pub fn bitrate(&self) -> u64 {
        let (Some((began, first)), Some((ended, last))) =
            (self.samples.front(), self.samples.back())
        else {
            return 0;
        };
        let passed = ended.saturating_duration_since(*began);
        if passed < LEAST {
            return 0;
        }
        (8.0 * last.saturating_sub(*first) as f64 / passed.as_secs_f64()) as u64
    }
}
