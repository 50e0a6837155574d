//! A receiver of video as libwebrtc is: NACKs at once and each round trip, decodes in order, shows each frame after a delay that
//! covers jitter and, once packets were repaired, a round trip.

use super::sync::Sync;
use crate::support::{MILLISECOND, OUT_RTX, OUT_VP8, SINK_SSRC};
use meeting_rtp::codec::vp8::Descriptor;
use meeting_rtp::rtcp::Builder;
use meeting_rtp::{Header, Unwrapper};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// What a receiver assumes that sends nothing (libwebrtc, kDefaultRttMs).
const ROUND_TRIP: Duration = Duration::from_millis(100);
const MOST_TRIES: u32 = 10;
/// A receiver that waits for a key frame asks so often.
const KEY_FRAME_WAIT: Duration = Duration::from_millis(200);
const FRAME_WAIT: Duration = Duration::from_secs(3);
/// Longer between two frames shown is a freeze.
pub const FREEZE: Duration = Duration::from_millis(200);
/// The delay changes by at most a tenth of the time that passes.
const DELAY_STEP: Duration = Duration::from_millis(50);
const DELAY_EVERY: Duration = Duration::from_millis(500);
/// For the system, for decoding and for rendering, 10 ms each.
const ALLOWANCE: Duration = Duration::from_millis(30);
/// Frames looked back at.
const WINDOW: usize = 300;

struct Part {
    timestamp: u32,
    marker: bool,
    key: bool,
    begins: bool,
    picture: u16,
    repaired: bool,
    came: Instant,
    bytes: usize,
}

struct Frame {
    captured: Duration,
    bytes: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seen {
    pub shown: u32,
    pub bytes: u64,
    pub frozen: Duration,
    pub longest: Duration,
    pub key_frame_requests: u32,
    pub late: u32,
}

pub struct Pictures {
    start: Instant,
    unwrapper: Unwrapper,
    parts: BTreeMap<u64, Part>,
    missing: BTreeMap<u64, (Instant, u32)>,
    /// To be asked for at once.
    pub found_missing: bool,
    next: Option<u64>,
    last_picture: Option<u16>,
    timestamps: Option<(u32, Duration)>,
    ready: VecDeque<Frame>,
    lateness: VecDeque<(Duration, bool)>,
    fastest: Option<Duration>,
    delay: Duration,
    next_delay: Instant,
    asked_key_frame: Option<Instant>,
    decoded: Option<Instant>,
    shown: Option<Instant>,
    pub sync: Sync,
    /// Media packets, without repairs, for receiver reports.
    pub received: u64,
    pub seen: Seen,
}

impl Pictures {
    pub fn new(start: Instant) -> Pictures {
        Pictures {
            start,
            unwrapper: Unwrapper::default(),
            parts: BTreeMap::new(),
            missing: BTreeMap::new(),
            found_missing: false,
            next: None,
            last_picture: None,
            timestamps: None,
            ready: VecDeque::new(),
            lateness: VecDeque::new(),
            fastest: None,
            delay: ALLOWANCE,
            next_delay: start,
            asked_key_frame: None,
            decoded: None,
            shown: None,
            sync: Sync::new(90_000),
            received: 0,
            seen: Seen::default(),
        }
    }

    pub fn newest(&self) -> Option<u64> {
        self.unwrapper.newest()
    }

    pub fn receive(&mut self, header: &Header, packet: &[u8], now: Instant) {
        let payload = header.payload(packet).unwrap();
        let (sequence, payload, repaired) = match header.payload_type {
            OUT_RTX => {
                let original = u16::from_be_bytes([payload[0], payload[1]]);
                (original, &payload[2..], true)
            }
            payload_type => {
                assert_eq!(payload_type, OUT_VP8);
                self.received += 1;
                (header.sequence, payload, false)
            }
        };
        let before = self.unwrapper.newest();
        let sequence = self.unwrapper.unwrap(sequence);
        let first_missing = before.map_or(sequence, |newest| newest + 1);
        for lost in first_missing..sequence {
            self.missing.insert(lost, (now, 0));
        }
        self.found_missing |= first_missing < sequence;
        let asked = self
            .missing
            .remove(&sequence)
            .is_some_and(|(_, tries)| tries > 0);
        if self.next.is_some_and(|next| sequence < next) {
            return;
        }
        let descriptor = Descriptor::parse(payload).expect("whole packets only");
        if before < Some(sequence) {
            let said = payload
                .get(descriptor.len + 1..)
                .and_then(|body| body.first_chunk());
            self.sync
                .note(header.timestamp, u32::from_be_bytes(*said.unwrap()));
        }
        self.parts.entry(sequence).or_insert(Part {
            timestamp: header.timestamp,
            marker: header.marker,
            key: descriptor.key_frame,
            begins: descriptor.frame_start,
            picture: descriptor.picture_id.unwrap().value,
            repaired: repaired || asked,
            came: now,
            bytes: payload.len(),
        });
        while self.decode(now) {}
    }

    /// Decodes the next frame, or a complete key frame behind it.
    fn decode(&mut self, now: Instant) -> bool {
        let whole = self.next.and_then(|next| self.whole(next));
        let (start, end) = match (self.next, whole) {
            (Some(next), Some(end)) => (next, end),
            _ => {
                let keys = self
                    .parts
                    .iter()
                    .filter(|(_, part)| part.key && part.begins);
                let found = keys
                    .map(|(at, _)| *at)
                    .find_map(|at| Some((at, self.whole(at)?)));
                let Some(found) = found else { return false };
                found
            }
        };
        let rest = self.parts.split_off(&(end + 1));
        let mut frame = std::mem::replace(&mut self.parts, rest);
        frame.retain(|at, _| *at >= start);
        self.missing.retain(|at, _| *at > end);
        self.next = Some(end + 1);
        let (first, repaired) = (&frame[&start], frame.values().any(|part| part.repaired));
        if let Some(last) = self.last_picture.replace(first.picture) {
            let follows = first.picture == last.wrapping_add(1) & 0x7fff;
            assert!(
                first.key || follows,
                "picture {} after {last}",
                first.picture
            );
        }
        let captured = self.captured(first.timestamp);
        let bytes = frame.values().map(|part| part.bytes).sum();
        let came = frame.values().map(|part| part.came).max().unwrap_or(now);
        let transit = (came - self.start).saturating_sub(captured);
        let fastest = *self.fastest.get_or_insert(transit);
        self.fastest = Some(fastest.min(transit));
        self.lateness
            .push_back((transit.saturating_sub(fastest), repaired));
        if self.lateness.len() > WINDOW {
            self.lateness.pop_front();
        }
        self.decoded = Some(now);
        self.asked_key_frame = None;
        self.ready.push_back(Frame { captured, bytes });
        true
    }

    /// The last packet of the frame that begins at `start`, if all of it is there.
    fn whole(&self, start: u64) -> Option<u64> {
        let first = self.parts.get(&start).filter(|part| part.begins)?;
        let mut at = start;
        loop {
            let part = self.parts.get(&at)?;
            if part.timestamp != first.timestamp {
                return None; // cut short by a switch: a key frame follows
            }
            if part.marker {
                return Some(at);
            }
            at += 1;
        }
    }

    fn captured(&mut self, timestamp: u32) -> Duration {
        let (last, at) = self.timestamps.unwrap_or((timestamp, Duration::ZERO));
        let ticks = timestamp.wrapping_sub(last).cast_signed();
        assert!(ticks >= 0, "timestamps ran backwards");
        let at = at + Duration::from_secs(u64::from(ticks.unsigned_abs())) / 90_000;
        self.timestamps = Some((timestamp, at));
        at
    }

    pub fn tick(&mut self, now: Instant) {
        if self.next_delay <= now {
            self.adapt();
            self.next_delay = now + DELAY_EVERY;
        }
        let Some(fastest) = self.fastest else { return };
        let mut showing = false;
        while let Some(frame) = self.ready.front() {
            let due = self.start + frame.captured + fastest + self.delay;
            if due > now {
                break;
            }
            self.seen.late += u32::from(now - due > 5 * MILLISECOND);
            self.seen.bytes += frame.bytes as u64;
            showing = true;
            self.ready.pop_front();
        }
        if showing {
            if let Some(before) = self.shown.replace(now) {
                let gap = now - before;
                self.seen.longest = self.seen.longest.max(gap);
                if gap > FREEZE {
                    self.seen.frozen += gap;
                }
            }
            self.seen.shown += 1;
        }
    }

    fn adapt(&mut self) {
        let mut in_time: Vec<Duration> = self
            .lateness
            .iter()
            .filter(|it| !it.1)
            .map(|it| it.0)
            .collect();
        in_time.sort_unstable();
        let jitter = in_time
            .get(in_time.len() * 95 / 100)
            .copied()
            .unwrap_or_default();
        let repaired = self.lateness.iter().filter(|it| it.1).count();
        let repairs = if repaired >= 3 {
            ROUND_TRIP
        } else {
            Duration::ZERO
        };
        let target = jitter + repairs + ALLOWANCE;
        self.delay = target.clamp(
            self.delay.saturating_sub(DELAY_STEP),
            self.delay + DELAY_STEP,
        );
    }

    pub fn write_feedback(&mut self, now: Instant, out: &mut Builder<'_>) {
        self.found_missing = false;
        if self.missing.len() > 1_000
            || self.missing.values().any(|(_, tries)| *tries >= MOST_TRIES)
        {
            self.missing.clear();
            self.next = None;
        }
        let due: Vec<u64> = self
            .missing
            .iter()
            .filter(|(_, (at, _))| *at <= now)
            .map(|(lost, _)| *lost)
            .collect();
        if !due.is_empty()
            && out
                .nack(9, SINK_SSRC, due.iter().map(|lost| *lost as u16))
                .is_ok()
        {
            for lost in due {
                let (at, tries) = self.missing.get_mut(&lost).unwrap();
                (*at, *tries) = (now + ROUND_TRIP, *tries + 1);
            }
        }
        let wait = if self.next.is_none() {
            KEY_FRAME_WAIT
        } else {
            FRAME_WAIT
        };
        let since = self
            .asked_key_frame
            .or(self.decoded.filter(|_| self.next.is_some()));
        let begun = self.unwrapper.newest().is_some();
        if begun && since.is_none_or(|since| now - since > wait) {
            out.picture_loss(9, SINK_SSRC).unwrap();
            self.asked_key_frame = Some(now);
            self.seen.key_frame_requests += 1;
        }
    }
}
