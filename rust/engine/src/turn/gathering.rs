//! When packets come fast they gather for a moment, so that one turn of the thread serves several: what network cards do with
//! their interrupts. A packet that comes alone is served at once.

use std::time::Duration;

/// Turns begin no closer to one another than this while packets come faster. It is the most that is added to a packet's way.
const GATHER: Duration = Duration::from_micros(200);
/// Packets of a turn that make its pause worth while.
const WORTH_WHILE: usize = 2;

/// Decides after each turn how long the next one waits. Times are since any moment.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// When the last turn with packets began.
    last: Option<Duration>,
    /// It had waited.
    waited: bool,
}

impl Gathering {
    /// A turn that moved `packets` began and ended then: how long to let packets gather before the next.
    pub(super) fn after(
        &mut self,
        begun: Duration,
        ended: Duration,
        packets: usize,
    ) -> Option<Duration> {
        if packets == 0 {
            return None;
        }
        let is_close = self.last.is_some_and(|last| begun < last + GATHER);
        self.last = Some(begun);
        self.waited = if self.waited {
            packets >= WORTH_WHILE
        } else {
            is_close
        };
        (begun + GATHER)
            .checked_sub(ended)
            .filter(|wait| self.waited && !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(microseconds: u64) -> Duration {
        Duration::from_micros(microseconds)
    }

    #[test]
    fn packets_that_come_seldom_wait_for_nothing() {
        let mut gathering = Gathering::default();
        for at in (0..100).map(|number| us(number * 5000)) {
            assert_eq!(gathering.after(at, at + us(10), 1), None);
        }
    }

    #[test]
    fn packets_that_come_fast_are_let_gather_until_they_do_not() {
        let mut gathering = Gathering::default();
        assert_eq!(gathering.after(us(0), us(10), 1), None);
        assert_eq!(gathering.after(us(50), us(60), 1), Some(us(190)));
        assert_eq!(gathering.after(us(250), us(300), 5), Some(us(150)));
        assert_eq!(gathering.after(us(450), us(460), 1), None, "too few came");
    }

    #[test]
    fn a_turn_that_took_long_is_followed_by_the_next_at_once() {
        let mut gathering = Gathering::default();
        gathering.after(us(0), us(100), 9);
        assert_eq!(gathering.after(us(100), us(400), 40), None);
        assert_eq!(gathering.after(us(400), us(450), 40), Some(us(150)));
    }

    #[test]
    fn turns_without_packets_count_for_nothing() {
        let mut gathering = Gathering::default();
        gathering.after(us(0), us(10), 1);
        assert_eq!(gathering.after(us(20), us(30), 0), None);
        assert_eq!(gathering.after(us(2000), us(2010), 1), None);
    }
}
