//! What a subscriber asked for again, each packet once per round trip, over a lossy path twice.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Requests waiting at once. A subscriber that misses more needs a key frame, not these.
const MOST_WAITING: usize = 256;
/// Remembered recent resends, by output number modulo this. A collision forgets: at worst one packet is sent twice.
const REMEMBERED: u64 = 256;
/// The second copy follows the first by so much: far enough to be lost for itself, near enough to come before it is asked for.
const APART: Duration = Duration::from_millis(15);

#[derive(Debug, Default)]
pub(crate) struct Resends {
    waiting: VecDeque<u64>,
    /// Second copies, by when they go out.
    copies: VecDeque<(Instant, u64)>,
    recent: Vec<Option<(u64, Instant)>>,
}

impl Resends {
    /// Takes a request unless the packet was sent again so lately that the subscriber cannot know: half of `round_trip` is
    /// the resend's way. `false` if it was, or if too many wait.
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
            sent == output && now.saturating_duration_since(when) < round_trip / 2
        }) {
            return false;
        }
        *recent = Some((output, now));
        self.waiting.push_back(output);
        true
    }

    /// The packet just sent again goes out once more.
    pub(crate) fn repeat(&mut self, output: u64, now: Instant) {
        if self.copies.len() < MOST_WAITING {
            self.copies.push_back((now + APART, output));
        }
    }

    /// The packet could not be sent: the next request is not a repetition.
    pub(crate) fn forget(&mut self, output: u64) {
        if let Some(recent) = self.recent.get_mut((output % REMEMBERED) as usize)
            && recent.is_some_and(|(sent, _)| sent == output)
        {
            *recent = None;
        }
    }

    /// The next packet to send by `now`, and whether it is a second copy.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(u64, bool)> {
        if let Some(output) = self.waiting.pop_front() {
            return Some((output, false));
        }
        self.copies.front().filter(|(due, _)| *due <= now)?;
        let (_, output) = self.copies.pop_front()?;
        Some((output, true))
    }

    /// When the next second copy is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.copies.front().map(|(due, _)| *due)
    }
}
