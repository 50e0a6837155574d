//! Which Link is due next. Deadlines mostly move away, so an entry is only added when one comes nearer, and checked again
//! when it is reached.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Deadlines of places (slots of the Links' table).
#[derive(Debug, Default)]
pub(super) struct Schedule {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
    nearest: Vec<Option<Instant>>,
}

impl Schedule {
    /// A place wants to be visited at `at`, if not before.
    pub(super) fn set(&mut self, place: usize, at: Instant) {
        if self.nearest.len() <= place {
            self.nearest.resize(place + 1, None);
        }
        let known = &mut self.nearest[place];
        if known.is_none_or(|known| at < known) {
            *known = Some(at);
            self.heap.push(Reverse((at, place)));
        }
    }

    /// When the next visit is due, at the latest.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// A place to visit by now.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<usize> {
        while let Some(Reverse((at, place))) = self.heap.peek().copied() {
            if at > now {
                return None;
            }
            self.heap.pop();
            let known = self.nearest.get_mut(place)?;
            if *known == Some(at) {
                *known = None;
                return Some(place);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_place_comes_up_once_at_its_nearest_time() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut schedule = Schedule::default();
        schedule.set(3, at(50));
        schedule.set(3, at(20));
        schedule.set(3, at(70));
        schedule.set(1, at(30));
        assert_eq!(schedule.next(), Some(at(20)));
        assert_eq!(schedule.pop_due(at(10)), None);
        assert_eq!(schedule.pop_due(at(60)), Some(3));
        assert_eq!(schedule.pop_due(at(60)), Some(1));
        assert_eq!(schedule.pop_due(at(60)), None);
        schedule.set(3, at(80));
        assert_eq!(schedule.pop_due(at(80)), Some(3));
    }
}
