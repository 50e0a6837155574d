//! What a subscriber asked for again, each packet once per round trip.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Requests waiting at once. A subscriber that misses more needs a key frame, not these.
const MOST_WAITING: usize = 256;
/// Remembered recent resends, by output number modulo this. A collision forgets: at worst one packet is sent twice.
const REMEMBERED: u64 = 256;

#[derive(Debug, Default)]
pub(crate) struct Resends {
    waiting: VecDeque<u64>,
    recent: Vec<Option<(u64, Instant)>>,
}

impl Resends {
    /// Takes a request unless the packet was sent again less than `round_trip` ago; `false` if it was or too many wait.
    pub(crate) fn request(&mut self, output: u64, round_trip: Duration, now: Instant) -> bool {
        if self.recent.is_empty() {
            self.recent.resize(REMEMBERED as usize, None);
        }
        if self.waiting.len() >= MOST_WAITING {
            return false;
        }
        let Some(recent) = self.recent.get_mut((output % REMEMBERED) as usize) else {
            return false;
        };
        if recent.is_some_and(|(sent, when)| {
            sent == output && now.saturating_duration_since(when) < round_trip
        }) {
            return false;
        }
        *recent = Some((output, now));
        self.waiting.push_back(output);
        true
    }

    pub(crate) fn next(&mut self) -> Option<u64> {
        self.waiting.pop_front()
    }
}
