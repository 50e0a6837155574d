//! A receiver of sound as NetEq is: plays 20 ms at a time after a delay it weighs against loss, conceals what is not there by then.

use super::sync::Sync;
use crate::support::{MILLISECOND, OUT_OPUS, OUT_RED};
use meeting_rtp::{Header, Unwrapper, red};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Two packets and a pull of the device.
const SHORTEST_DELAY: Duration = Duration::from_millis(50);
/// So much delay is worth one percent of loss (NetEq, ReorderOptimizer).
const PER_PERCENT: f64 = 20.0;
const WINDOW: u64 = 500;

pub struct Sound {
    start: Instant,
    unwrapper: Unwrapper,
    /// When each 20 ms came first, however it came.
    came: BTreeMap<u64, Instant>,
    first: Option<(u64, u32)>,
    first_said: Option<u32>,
    newest_said: u32,
    base: Option<Duration>,
    delay: Duration,
    playing: Option<u64>,
    pub sync: Sync,
    pub newest: Option<u64>,
    pub received: u64,
    pub played: u64,
    pub concealed: u64,
    pub bytes: u64,
}

impl Sound {
    pub fn new(start: Instant) -> Sound {
        Sound {
            start,
            unwrapper: Unwrapper::default(),
            came: BTreeMap::new(),
            first: None,
            first_said: None,
            newest_said: 0,
            sync: Sync::new(48_000),
            base: None,
            delay: 80 * MILLISECOND,
            playing: None,
            newest: None,
            received: 0,
            played: 0,
            concealed: 0,
            bytes: 0,
        }
    }

    pub fn receive(&mut self, header: &Header, packet: &[u8], now: Instant) {
        let payload = header.payload(packet).unwrap();
        self.received += 1;
        self.bytes += payload.len() as u64;
        let sequence = self.unwrapper.unwrap(header.sequence);
        self.newest = self.newest.max(Some(sequence));
        let (first_sequence, first_timestamp) =
            *self.first.get_or_insert((sequence, header.timestamp));
        let ahead = header.timestamp.wrapping_sub(first_timestamp).cast_signed() / 960;
        let frame = first_sequence.wrapping_add_signed(i64::from(ahead));
        let transit = (now - self.start).saturating_sub(self.at(frame));
        self.base = Some(self.base.map_or(transit, |base| base.min(transit)));
        self.receive_content(header, payload, frame, now);
        if self.newest == Some(sequence) {
            self.sync.note(header.timestamp, self.newest_said);
        }
    }

    fn receive_content(&mut self, header: &Header, payload: &[u8], frame: u64, now: Instant) {
        match header.payload_type {
            OUT_RED => {
                for block in red::blocks(payload) {
                    let block = block.expect("readable blocks only");
                    assert_eq!(block.payload_type, OUT_OPUS);
                    assert_eq!(block.timestamp_offset % 960, 0);
                    let back = u64::from(block.timestamp_offset / 960);
                    self.came(frame - back, block.payload, now);
                }
            }
            payload_type => {
                assert_eq!(payload_type, OUT_OPUS);
                self.came(frame, payload, now);
            }
        }
    }

    fn came(&mut self, frame: u64, payload: &[u8], now: Instant) {
        // sound says when it was made: what is repeated must be what it says it is
        let said = u32::from_be_bytes(*payload.first_chunk().unwrap());
        let first_said = *self
            .first_said
            .get_or_insert(said.wrapping_sub(20 * frame as u32));
        assert_eq!(said.wrapping_sub(20 * frame as u32), first_said);
        if said > self.newest_said {
            self.newest_said = said;
        }
        let (first, _) = self.first.unwrap();
        if frame >= first {
            self.came.entry(frame).or_insert(now);
        }
        self.playing.get_or_insert(first);
    }

    fn at(&self, frame: u64) -> Duration {
        let (first, _) = self.first.unwrap();
        20 * MILLISECOND * frame.saturating_sub(first) as u32
    }

    pub fn tick(&mut self, now: Instant) {
        let (Some(base), Some(frame)) = (self.base, self.playing) else {
            return;
        };
        if self.start + base + self.at(frame) + self.delay > now {
            return;
        }
        self.played += 1;
        self.concealed += u64::from(!self.came.contains_key(&frame));
        self.playing = Some(frame + 1);
        if frame % 50 == 0 {
            self.adapt(frame, base);
        }
    }

    /// The delay that costs least, a percent of loss counted as 20 ms.
    fn adapt(&mut self, frame: u64, base: Duration) {
        let (first, _) = self.first.unwrap();
        let from = frame.saturating_sub(WINDOW).max(first);
        self.came = self.came.split_off(&from);
        let lateness: Vec<Duration> = self
            .came
            .range(..frame)
            .map(|(frame, came)| (*came - self.start).saturating_sub(self.at(*frame) + base))
            .collect();
        let frames = (frame - from).max(1) as f64;
        let cost = |delay: Duration| {
            let in_time = lateness.iter().filter(|late| **late <= delay).count();
            let lost = 100.0 * (1.0 - in_time as f64 / frames);
            delay.as_secs_f64() * 1000.0 + PER_PERCENT * lost
        };
        let delays = (0..20).map(|step| SHORTEST_DELAY + 10 * MILLISECOND * step);
        self.delay = delays
            .min_by(|a, b| cost(*a).total_cmp(&cost(*b)))
            .unwrap_or(SHORTEST_DELAY);
    }
}
