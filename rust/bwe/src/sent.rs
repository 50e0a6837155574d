//! What left, by transport-wide sequence number, until feedback tells what became of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use meeting_rtp::rtcp::TransportCc;

/// Packets remembered: feedback about older ones is of no use any more.
const MOST: usize = 8192;
const KEPT: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The number was given out, the packet has not left (yet).
    Waiting,
    Flying,
    /// Told to be missing: it may still come late.
    Missing,
    Arrived,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    at: Instant,
    bytes: u32,
    probe: u32,
    state: State,
}

/// One packet feedback speaks of for the first time (or of one it had called missing).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reported {
    /// Extended transport-wide sequence number.
    pub(crate) number: u64,
    pub(crate) sent: Instant,
    pub(crate) bytes: usize,
    /// On the receiver's clock, which begins anywhere; `None`: it is missing.
    pub(crate) arrived: Option<Duration>,
    /// It was called missing before.
    pub(crate) late: bool,
    /// The probe it was part of; 0: none.
    pub(crate) probe: u32,
}

/// Bounded by [`MOST`] and [`KEPT`].
#[derive(Debug)]
pub(crate) struct SentPackets {
    packets: VecDeque<Sent>,
    /// The number of the first of them.
    first: u64,
    /// The receiver's clock in 250 µs, unwrapped: a day in, so that it can go back.
    ticks: i64,
    last_ticks: Option<u32>,
}

impl SentPackets {
    pub(crate) fn new() -> SentPackets {
        SentPackets {
            packets: VecDeque::new(),
            // Away from zero, as the first to leave need not have the lowest number.
            first: 1 << 20,
            ticks: 4000 * 86_400,
            last_ticks: None,
        }
    }

    /// A packet leaves. Numbers may come in any order, as some wait longer than others.
    pub(crate) fn sent(&mut self, sequence: u16, bytes: usize, probe: u32, now: Instant) {
        let number = if self.packets.is_empty() {
            self.first = self.first & !0xffff | u64::from(sequence);
            self.first
        } else {
            self.near_newest(sequence)
        };
        let Some(at) = number.checked_sub(self.first).map(|at| at as usize) else {
            return;
        };
        let unsent = Sent {
            at: now,
            bytes: 0,
            probe: 0,
            state: State::Waiting,
        };
        while self.packets.len() <= at {
            self.packets.push_back(unsent);
        }
        // A packet sent again to the byte has its old number: the first time counts.
        if self.packets[at].state != State::Waiting {
            return;
        }
        self.packets[at] = Sent {
            at: now,
            bytes: bytes as u32,
            probe,
            state: State::Flying,
        };
        while self.packets.len() > MOST
            || self.packets.len() > 1
                && self
                    .packets
                    .front()
                    .is_some_and(|old| now.saturating_duration_since(old.at) > KEPT)
        {
            self.packets.pop_front();
            self.first += 1;
        }
    }

    /// What a feedback message says that was not known. Sequence numbers that were never sent say nothing; arrival times
    /// are as absurd as the peer likes.
    pub(crate) fn reported(&mut self, feedback: &TransportCc<'_>, out: &mut Vec<Reported>) {
        out.clear();
        // A peer can report on 65,535 packets in 40 bytes: no more than we remember is read.
        for arrival in feedback.arrivals().take(MOST) {
            let arrived = arrival.ticks.map(|ticks| self.unwrap(ticks));
            let number = self.near_newest(arrival.sequence);
            let Some(packet) = number
                .checked_sub(self.first)
                .and_then(|at| self.packets.get_mut(at as usize))
            else {
                continue;
            };
            let late = packet.state == State::Missing;
            packet.state = match (packet.state, arrived) {
                (State::Flying | State::Missing, Some(_)) => State::Arrived,
                (State::Flying, None) => State::Missing,
                _ => continue,
            };
            out.push(Reported {
                number,
                sent: packet.at,
                bytes: packet.bytes as usize,
                arrived,
                late,
                probe: packet.probe,
            });
        }
    }

    fn near_newest(&self, sequence: u16) -> u64 {
        let newest = self.first + (self.packets.len() as u64).saturating_sub(1);
        let ahead = i64::from(sequence.wrapping_sub(newest as u16).cast_signed());
        newest.saturating_add_signed(ahead)
    }

    /// The reference time has 24 bits of 64 ms: differences are what counts.
    fn unwrap(&mut self, ticks: i64) -> Duration {
        let ticks = ticks as u32;
        let ahead = self
            .last_ticks
            .map_or(0, |last| ticks.wrapping_sub(last).cast_signed());
        self.last_ticks = Some(ticks);
        self.ticks = self.ticks.saturating_add(i64::from(ahead)).max(0);
        Duration::from_micros(self.ticks.cast_unsigned().saturating_mul(250))
    }
}
