//! So many bytes a second.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Now;

/// A token bucket that holds one second's share. A rate of zero is no limit.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    /// Bytes a second.
    rate: u64,
    /// Thousandths of a byte, so that a millisecond earns exactly its part.
    tokens: u64,
    at: Now,
}

impl Bucket {
    /// Full.
    pub(crate) fn new(now: Now, rate: u64) -> Self {
        Self {
            rate,
            tokens: rate.saturating_mul(1000),
            at: now,
        }
    }

    /// Takes so many bytes; false when there are not enough, and then none are taken.
    pub(crate) fn take(&mut self, now: Now, bytes: usize) -> bool {
        if self.rate == 0 {
            return true;
        }
        self.earn(now);
        let wanted = bytes as u64 * 1000;
        let allowed = self.tokens >= wanted;
        if allowed {
            self.tokens -= wanted;
        }
        allowed
    }

    /// Takes so many bytes or what there is of them.
    fn take_some(&mut self, now: Now, bytes: u64) -> u64 {
        if self.rate == 0 {
            return bytes;
        }
        self.earn(now);
        let taken = bytes.min(self.tokens / 1000);
        self.tokens -= taken * 1000;
        taken
    }

    /// Clocks of several threads may come a little out of order.
    fn earn(&mut self, now: Now) {
        let earned = now.saturating_sub(self.at).saturating_mul(self.rate);
        self.tokens = self
            .tokens
            .saturating_add(earned)
            .min(self.rate.saturating_mul(1000));
        self.at = self.at.max(now);
    }
}

/// What all threads together may relay.
#[derive(Debug)]
pub struct Total(Mutex<Bucket>);

impl Total {
    /// Bytes a second, in both directions together.
    pub fn new(rate: u64) -> Self {
        Self(Mutex::new(Bucket::new(0, rate)))
    }

    /// Takes so many bytes or what there is of them, for streams: they wait for the rest. A rate of zero is no limit.
    pub fn take_some(&self, now: Now, bytes: usize) -> usize {
        self.lock().take_some(now, bytes as u64) as usize
    }

    /// Gives back what was taken and not used.
    pub fn give_back(&self, bytes: usize) {
        let mut bucket = self.lock();
        let most = bucket.rate.saturating_mul(1000);
        bucket.tokens = bucket.tokens.saturating_add(bytes as u64 * 1000).min(most);
    }

    fn lock(&self) -> MutexGuard<'_, Bucket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thread's part of the total. It takes from it by the piece, so that threads do not meet at every packet.
#[derive(Debug)]
pub(crate) struct Share {
    credit: u64,
    /// There was nothing left at this time.
    empty_at: Option<Now>,
}

/// Bytes taken from the total at once.
const PIECE: u64 = 1 << 16;

impl Share {
    pub(crate) fn new() -> Self {
        Self {
            credit: 0,
            empty_at: None,
        }
    }

    pub(crate) fn take(&mut self, total: &Total, now: Now, bytes: usize) -> bool {
        let bytes = bytes as u64;
        if self.credit < bytes && self.empty_at != Some(now) {
            self.credit += total.lock().take_some(now, PIECE.max(bytes));
            self.empty_at = (self.credit < bytes).then_some(now);
        }
        let allowed = self.credit >= bytes;
        if allowed {
            self.credit -= bytes;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of packets that pass when one of a hundred bytes is offered ten times a millisecond.
    fn passed(milliseconds: Now, mut take: impl FnMut(Now, usize) -> bool) -> usize {
        (0..milliseconds * 10)
            .filter(|at| take(at / 10, 100))
            .count()
            * 100
    }

    #[test]
    fn a_second_has_its_share_and_the_first_one_twice() {
        let mut bucket = Bucket::new(0, 50_000);
        assert_eq!(
            passed(10_000, |now, bytes| bucket.take(now, bytes)),
            549_900
        );
        let mut unlimited = Bucket::new(0, 0);
        assert_eq!(passed(10, |now, bytes| unlimited.take(now, bytes)), 10_000);
    }

    #[test]
    fn a_stream_takes_what_there_is_and_gives_back_what_it_does_not_use() {
        let total = Total::new(1000);
        assert_eq!(total.take_some(0, 5000), 1000);
        assert_eq!(total.take_some(0, 1), 0);
        total.give_back(300);
        assert_eq!(total.take_some(0, 5000), 300);
        assert_eq!(total.take_some(100, 5000), 100);
        total.give_back(5000);
        assert_eq!(total.take_some(100, 5000), 1000, "a second's share at most");
        assert_eq!(Total::new(0).take_some(0, 5000), 5000, "no limit");
    }

    #[test]
    fn several_threads_share_the_total_exactly() {
        let total = Total::new(50_000);
        let mut shares = [Share::new(), Share::new(), Share::new()];
        let mut turn = 0;
        let bytes = passed(10_000, |now, bytes| {
            turn += 1;
            shares[turn % 3].take(&total, now, bytes)
        });
        let kept: u64 = shares.iter().map(|share| share.credit).sum();
        assert_eq!(bytes as u64 + kept, 549_950);
        assert!(kept < 300);
    }
}
