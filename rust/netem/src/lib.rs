//! A bad network for tests: seeded, in virtual time, the same every run.

mod random;

pub use random::Random;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How bad. The default is a perfect path without delay.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Path {
    /// One-way delay.
    pub delay: Duration,
    /// Each packet is held up for an even random time up to this on top; alone it does not reorder.
    pub jitter: Duration,
    /// Share of packets lost, each for itself.
    pub loss: f64,
    /// Chance that a packet begins a burst of loss.
    pub burst: f64,
    /// Mean length of a burst, in packets.
    pub burst_length: f64,
    /// Share of packets that may be overtaken: their jitter is drawn twice over and nobody waits for them.
    pub reorder: f64,
    /// Share of packets delivered twice.
    pub duplicate: f64,
    /// Bit/s of the narrowest hop, before which packets queue; 0: no limit.
    pub rate: u64,
    /// Bytes that hop queues; what comes when it is full is lost. 0: no bound.
    pub buffer: usize,
}

/// What a path did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Given to [`Network::send`].
    pub sent: u64,
    /// Lost.
    pub lost: u64,
    /// Of these, for want of room in the queue of the narrowest hop.
    pub overflowed: u64,
    /// Delivered twice.
    pub duplicated: u64,
}

/// One direction of a path.
#[derive(Debug)]
pub struct Network {
    path: Path,
    random: Random,
    in_burst: bool,
    last_due: Option<Instant>,
    /// Before the narrowest hop, the first of them being on it.
    queue: VecDeque<Vec<u8>>,
    queued: usize,
    /// When the first of the queue has passed.
    passes: Option<Instant>,
    /// By time of arrival and order of sending.
    flying: BTreeMap<(Instant, u64), Vec<u8>>,
    counts: Counts,
    order: u64,
}

impl Network {
    /// The same seed gives the same fates.
    pub fn new(path: Path, seed: u64) -> Network {
        Network {
            path,
            random: Random::new(seed),
            in_burst: false,
            last_due: None,
            queue: VecDeque::new(),
            queued: 0,
            passes: None,
            flying: BTreeMap::new(),
            counts: Counts::default(),
            order: 0,
        }
    }

    /// From `now` on it is as bad as this. What queues or flies goes on.
    pub fn change(&mut self, now: Instant, path: Path) {
        self.pass(now);
        self.path = path;
        if path.rate == 0 {
            self.passes = self.passes.map(|_| now);
            self.pass(now);
        }
    }

    /// Bytes before the narrowest hop.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Puts a packet on the path at `now`.
    pub fn send(&mut self, now: Instant, packet: &[u8]) {
        self.pass(now);
        self.counts.sent += 1;
        if self.is_lost() {
            self.counts.lost += 1;
        } else if self.path.rate == 0 {
            self.set_off(now, packet);
        } else if self.path.buffer > 0 && self.queued + packet.len() > self.path.buffer {
            self.counts.lost += 1;
            self.counts.overflowed += 1;
        } else {
            self.queue.push_back(packet.to_vec());
            self.queued += packet.len();
            if self.passes.is_none() {
                self.passes = Some(now + self.passage(packet.len()));
            }
        }
    }

    /// How long the narrowest hop takes for so many bytes.
    fn passage(&self, bytes: usize) -> Duration {
        if self.path.rate == 0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(8.0 * bytes as f64 / self.path.rate as f64)
    }

    /// What has passed the narrowest hop by `now` flies.
    fn pass(&mut self, now: Instant) {
        while let Some(at) = self.passes.filter(|at| *at <= now) {
            if let Some(packet) = self.queue.pop_front() {
                self.queued -= packet.len();
                self.set_off(at, &packet);
            }
            self.passes = self.queue.front().map(|next| at + self.passage(next.len()));
        }
    }

    fn set_off(&mut self, now: Instant, packet: &[u8]) {
        self.fly(now, packet);
        if self.random.chance(self.path.duplicate) {
            self.counts.duplicated += 1;
            self.fly(now, packet);
        }
    }

    /// The next packet that has arrived by `now`, and when it did.
    pub fn receive(&mut self, now: Instant) -> Option<(Instant, Vec<u8>)> {
        self.pass(now);
        let entry = self
            .flying
            .first_entry()
            .filter(|entry| entry.key().0 <= now)?;
        let ((at, _), packet) = entry.remove_entry();
        Some((at, packet))
    }

    /// When to look for the next packet.
    pub fn deadline(&self) -> Option<Instant> {
        let arrives = self.flying.first_key_value().map(|((at, _), _)| *at);
        arrives.into_iter().chain(self.passes).min()
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn is_lost(&mut self) -> bool {
        if self.in_burst {
            self.in_burst = !self.random.chance(1.0 / self.path.burst_length.max(1.0));
            return true;
        }
        if self.random.chance(self.path.burst) {
            self.in_burst = !self.random.chance(1.0 / self.path.burst_length.max(1.0));
            return true;
        }
        self.random.chance(self.path.loss)
    }

    fn fly(&mut self, now: Instant, packet: &[u8]) {
        let jitter = self.path.jitter.mul_f64(self.random.unit());
        let due = if self.random.chance(self.path.reorder) {
            now + self.path.delay + jitter + self.path.jitter
        } else {
            let due = now + self.path.delay + jitter;
            let due = self.last_due.map_or(due, |last| due.max(last));
            self.last_due = Some(due);
            due
        };
        self.order += 1;
        self.flying.insert((due, self.order), packet.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn fates(path: Path, seed: u64, count: u32) -> Vec<(Duration, u32)> {
        let start = Instant::now();
        let mut network = Network::new(path, seed);
        for number in 0..count {
            network.send(start + MILLISECOND * number, &number.to_be_bytes());
        }
        let end = start + MILLISECOND * count + Duration::from_secs(10);
        std::iter::from_fn(|| network.receive(end))
            .map(|(at, packet)| {
                (
                    at - start,
                    u32::from_be_bytes([packet[0], packet[1], packet[2], packet[3]]),
                )
            })
            .collect()
    }

    #[test]
    fn a_perfect_path_delivers_everything_at_once_and_in_order() {
        let arrived = fates(Path::default(), 1, 100);
        assert_eq!(
            arrived,
            (0..100).map(|n| (MILLISECOND * n, n)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_fates_and_another_others() {
        let path = Path {
            loss: 0.1,
            jitter: 10 * MILLISECOND,
            duplicate: 0.05,
            reorder: 0.1,
            ..Path::default()
        };
        assert_eq!(fates(path, 7, 500), fates(path, 7, 500));
        assert_ne!(fates(path, 7, 500), fates(path, 8, 500));
    }

    #[test]
    fn a_narrow_hop_spreads_packets_and_loses_what_its_queue_has_no_room_for() {
        let start = Instant::now();
        let narrow = Path {
            rate: 800_000,
            buffer: 500,
            ..Path::default()
        };
        let mut network = Network::new(narrow, 1);
        for number in 0..8_u8 {
            network.send(start, &[number; 100]);
        }
        assert_eq!(network.queued(), 500);
        let arrived: Vec<_> = std::iter::from_fn(|| network.receive(start + 3 * MILLISECOND))
            .map(|(at, packet)| (at - start, packet[0]))
            .collect();
        assert_eq!(
            arrived,
            [(MILLISECOND, 0), (2 * MILLISECOND, 1), (3 * MILLISECOND, 2)]
        );
        network.change(
            start + 3 * MILLISECOND,
            Path {
                rate: 400_000,
                ..narrow
            },
        );
        let arrived: Vec<_> = std::iter::from_fn(|| network.receive(start + 60 * MILLISECOND))
            .map(|(at, _)| at - start)
            .collect();
        // the one on its way goes on as it began
        assert_eq!(arrived, [4 * MILLISECOND, 6 * MILLISECOND]);
        assert_eq!((network.counts().lost, network.counts().overflowed), (3, 3));
        assert_eq!(network.deadline(), None);
    }

    #[test]
    fn loss_is_about_the_share_asked_for() {
        let arrived = fates(
            Path {
                loss: 0.2,
                ..Path::default()
            },
            3,
            10_000,
        )
        .len();
        assert!((7_800..8_200).contains(&arrived), "{arrived}");
    }

    #[test]
    fn bursts_lose_packets_in_a_row() {
        let path = Path {
            burst: 0.01,
            burst_length: 8.0,
            ..Path::default()
        };
        let arrived = fates(path, 4, 10_000);
        let longest = arrived.windows(2).map(|pair| pair[1].1 - pair[0].1).max();
        assert!(longest.is_some_and(|longest| longest > 8), "{longest:?}");
    }

    #[test]
    fn jitter_alone_keeps_the_order_and_reordering_does_not() {
        let ordered = fates(
            Path {
                jitter: 20 * MILLISECOND,
                ..Path::default()
            },
            5,
            500,
        );
        assert!(ordered.is_sorted_by_key(|(_, number)| *number));
        let reordered = fates(
            Path {
                jitter: 20 * MILLISECOND,
                reorder: 0.1,
                ..Path::default()
            },
            5,
            500,
        );
        assert!(!reordered.is_sorted_by_key(|(_, number)| *number));
        assert_eq!(reordered.len(), 500);
    }
}
