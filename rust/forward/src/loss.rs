//! What is missing of an incoming stream, and asking for it again (RFC 4585 §6.2.1).

use meeting_rtp::rtcp::Builder;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A packet may be late by so much before it is called lost: reordering is not loss.
const REORDER_GRACE: Duration = Duration::from_millis(5);
const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);
const SHORTEST_WAIT: Duration = Duration::from_millis(20);
/// With each further try the wait grows by so much.
const BACK_OFF: f64 = 1.25;
const MOST_TRIES: u32 = 10;
/// Missing packets followed at once. A larger hole is cheaper to bridge by a key frame.
const MOST_MISSING: usize = 512;
/// Sequence numbers in one message: 1200 bytes hold at least this many.
const MOST_IN_A_MESSAGE: usize = 128;

#[derive(Debug, Clone, Copy)]
struct Missing {
    sequence: u64,
    since: Instant,
    asked: Instant,
    due: Instant,
    tries: u32,
}

/// The missing packets of one Source, in order.
#[derive(Debug)]
pub(crate) struct Losses {
    missing: VecDeque<Missing>,
    give_up: Duration,
    round_trip: Duration,
    pub(crate) asked: u64,
    pub(crate) repaired: u64,
    pub(crate) given_up: u64,
}

impl Losses {
    pub(crate) fn new(give_up: Duration) -> Losses {
        Losses {
            missing: VecDeque::new(),
            give_up,
            round_trip: FIRST_ROUND_TRIP,
            asked: 0,
            repaired: 0,
            given_up: 0,
        }
    }

    /// `count` numbers up to `newest` (exclusive) were skipped. `false`: too many to ask for; none of them will be.
    pub(crate) fn skipped(&mut self, newest: u64, count: u64, now: Instant) -> bool {
        if self.missing.len() as u64 + count > MOST_MISSING as u64 {
            self.given_up += self.missing.len() as u64 + count;
            self.missing.clear();
            return false;
        }
        let due = now + REORDER_GRACE;
        self.missing
            .extend((newest - count..newest).map(|sequence| Missing {
                sequence,
                since: now,
                asked: now,
                due,
                tries: 0,
            }));
        true
    }

    /// `sequence` arrived after all, late or repaired.
    pub(crate) fn arrived(&mut self, sequence: u64, now: Instant) {
        let Ok(place) = self
            .missing
            .binary_search_by_key(&sequence, |missing| missing.sequence)
        else {
            return;
        };
        let Some(missing) = self.missing.remove(place) else {
            return;
        };
        if missing.tries > 0 {
            self.repaired += 1;
        }
        if missing.tries == 1 {
            let sample = now.saturating_duration_since(missing.asked);
            self.round_trip = (self.round_trip * 7 + sample) / 8;
        }
    }

    /// Asks for what is due. What does not fit stays due.
    pub(crate) fn write(&mut self, now: Instant, sender: u32, media: u32, out: &mut Builder<'_>) {
        let (give_up, before) = (self.give_up, self.missing.len());
        self.missing.retain(|missing| {
            missing.due > now
                || (missing.tries < MOST_TRIES
                    && now.saturating_duration_since(missing.since) < give_up)
        });
        self.given_up += (before - self.missing.len()) as u64;
        let due = |missing: &&Missing| missing.due <= now;
        let sequences = self
            .missing
            .iter()
            .filter(due)
            .map(|missing| missing.sequence as u16);
        if out
            .nack(sender, media, sequences.take(MOST_IN_A_MESSAGE))
            .is_err()
        {
            return;
        }
        let wait = self.round_trip.max(SHORTEST_WAIT);
        let asked = self
            .missing
            .iter_mut()
            .filter(|missing| missing.due <= now)
            .take(MOST_IN_A_MESSAGE);
        for missing in asked {
            missing.asked = now;
            missing.due = now + wait.mul_f64(BACK_OFF.powi(missing.tries.cast_signed()));
            missing.tries += 1;
            self.asked += 1;
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.missing.iter().map(|missing| missing.due).min()
    }

    pub(crate) fn clear(&mut self) {
        self.missing.clear();
    }
}
