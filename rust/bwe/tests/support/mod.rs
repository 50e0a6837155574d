//! A subscriber at the other end of a bad path, in virtual time: one camera in three encodings and sound go to it through the
//! allocator and the pacer, and its feedback comes back.

use meeting_bwe::{
    Allocator, ArrivalRecorder, Bounds, Importance, MOST_STEPS, Pacer, Rate, SendEstimate, Want,
};
use meeting_netem::{Network, Path};
use meeting_rtp::rtcp::{Builder, Packet, packets};
use std::time::{Duration, Instant};

pub const MILLISECOND: Duration = Duration::from_millis(1);
/// Bit/s of the three encodings at 30 frames a second, of which every 300th is a key frame.
const LAYERS: [u64; 3] = [150_000, 500_000, 1_700_000];
const PACKET: usize = 1100;
const SOUND: (u64, usize) = (20, 120);
/// From asking for a key frame until it comes.
const KEY_FRAME_WAIT: u64 = 120;
const VIDEO: u8 = 1;
const AUDIO: u8 = 2;

/// What happened in one millisecond-wide look at the call.
pub struct Call {
    pub now: Instant,
    start: Instant,
    pub path: Network,
    pub back: Network,
    pub estimate: SendEstimate,
    allocator: Allocator,
    pacer: Pacer,
    rates: [Rate; 3],
    made: [u64; 3],
    given: Option<usize>,
    flowing: Option<usize>,
    key_frame_at: u64,
    sequence: u16,
    recorder: ArrivalRecorder,
    /// Other people's packets through the same hop, in bit/s.
    pub competitor: u64,
    sent_to: Rate,
    bytes: u64,
    /// (ms, estimate, encoding) every 100 ms.
    pub log: Vec<(u64, Option<u64>, Option<usize>)>,
    /// (ms of sending, delay) of each packet of sound that arrived, and how many were sent.
    pub sound: Vec<(u64, Duration)>,
    pub sound_sent: u64,
    pub paced_at_most: usize,
    pub receives: bool,
    owed: f64,
}

impl Call {
    pub fn new(path: Path, back: Path, seed: u64) -> Call {
        let start = Instant::now();
        Call {
            now: start,
            start,
            path: Network::new(path, seed),
            back: Network::new(back, seed + 1),
            estimate: SendEstimate::new(Bounds::default(), start),
            allocator: Allocator::default(),
            pacer: Pacer::default(),
            rates: Default::default(),
            made: [0; 3],
            given: Some(2),
            flowing: Some(2),
            key_frame_at: 0,
            sequence: 65_000,
            recorder: ArrivalRecorder::new(start),
            competitor: 0,
            sent_to: Rate::default(),
            bytes: 0,
            log: Vec::new(),
            sound: Vec::new(),
            sound_sent: 0,
            paced_at_most: 0,
            receives: true,
            owed: 0.0,
        }
    }

    /// Lets the call go on until `ms` after its beginning.
    pub fn until(&mut self, ms: u64) {
        while self.passed() < ms {
            self.step();
            self.now += MILLISECOND;
        }
    }

    pub fn passed(&self) -> u64 {
        (self.now - self.start).as_millis() as u64
    }

    fn step(&mut self) {
        let (ms, now) = (self.passed(), self.now);
        if ms % SOUND.0 == 0 {
            self.sound_sent += 1;
            self.pacer.count(SOUND.1);
            self.put(AUDIO, SOUND.1);
        }
        self.cameras(ms);
        if ms % 5 == 0 {
            self.pad();
            self.owed += self.competitor as f64 * 0.005 / 8.0;
            while self.owed >= PACKET as f64 {
                self.owed -= PACKET as f64;
                self.path.send(now, &[0; PACKET]);
            }
        }
        while let Some(held) = self.pacer.release(now) {
            self.estimate
                .sent(held.sequence.unwrap(), held.bytes.len(), now);
            self.bytes += held.bytes.len() as u64;
            self.path.send(now, &held.bytes);
        }
        self.paced_at_most = self.paced_at_most.max(self.pacer.waiting());
        if ms % 100 == 0 {
            self.decide(ms);
        }
        self.arrivals();
        while let Some((at, message)) = self.back.receive(now) {
            for packet in packets(&message).flatten() {
                if let Packet::TransportCc(feedback) = packet {
                    self.estimate.feedback(&feedback, at);
                }
            }
        }
    }

    fn cameras(&mut self, ms: u64) {
        if !ms.is_multiple_of(33) {
            return;
        }
        let frame = ms / 33;
        if ms >= self.key_frame_at && self.flowing != self.given {
            self.flowing = self.given;
        }
        for (layer, bitrate) in LAYERS.into_iter().enumerate() {
            let key = frame.is_multiple_of(300)
                || self.key_frame_at > 0 && ms.abs_diff(self.key_frame_at) < 33;
            let bytes = bitrate as usize / 30 / 8 * if key { 4 } else { 1 };
            self.made[layer] += bytes as u64;
            if self.flowing == Some(layer) {
                let mut left = bytes;
                while left > 0 {
                    let len = left.clamp(60, PACKET);
                    self.video(len);
                    left = left.saturating_sub(len);
                }
            }
        }
    }

    fn video(&mut self, len: usize) {
        let bytes = self.packet(VIDEO, len);
        let sequence = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        if self.pacer.admits(len, self.now) {
            self.estimate.sent(sequence, len, self.now);
            self.bytes += len as u64;
            self.path.send(self.now, &bytes);
        } else {
            self.pacer.hold(Some(sequence), &bytes, self.now);
        }
    }

    fn pad(&mut self) {
        if self.pacer.waiting() > 0 {
            return;
        }
        let mut due = self.estimate.padding(self.now);
        while due > 0 {
            let len = 280;
            let bytes = self.packet(VIDEO, len);
            self.estimate.sent(self.sequence, len, self.now);
            self.bytes += len as u64;
            self.sequence = self.sequence.wrapping_add(1);
            self.path.send(self.now, &bytes);
            due = due.saturating_sub(len);
        }
    }

    fn packet(&self, kind: u8, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        bytes[0] = kind;
        bytes[1..3].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[3..11].copy_from_slice(&self.passed().to_be_bytes());
        bytes
    }

    fn put(&mut self, kind: u8, len: usize) {
        let bytes = self.packet(kind, len);
        self.path.send(self.now, &bytes);
    }

    fn decide(&mut self, ms: u64) {
        let now = self.now;
        self.estimate.advance(now);
        let mut rates = [0; MOST_STEPS];
        for (layer, rate) in self.rates.iter_mut().enumerate() {
            rate.sample(self.made[layer], now);
            rates[layer] = rate.bitrate();
        }
        self.sent_to.sample(self.bytes, now);
        let mut wants = [Want {
            key: 0,
            importance: Importance::default(),
            rates,
            steps: 3,
            fair: 0,
            given: self.given,
        }];
        let demand = self
            .allocator
            .allocate(self.estimate.bitrate(), 48_000, &mut wants, now);
        self.estimate.demand(demand);
        if wants[0].given != self.given {
            if wants[0].given < self.given {
                self.flowing = None; // what is too much is cut off at once
            }
            self.given = wants[0].given;
            self.key_frame_at = ms + KEY_FRAME_WAIT;
        }
        let estimate = self.estimate.bitrate();
        let near = estimate.filter(|estimate| 2 * self.sent_to.bitrate() > *estimate);
        self.pacer.pace(self.estimate.probing(now).or(near));
        self.log.push((ms, estimate, self.given));
    }

    fn arrivals(&mut self) {
        while let Some((at, packet)) = self.path.receive(self.now) {
            let sequence = u16::from_be_bytes([packet[1], packet[2]]);
            match packet[0] {
                VIDEO => self.recorder.arrived(sequence, 7, at),
                AUDIO => {
                    let sent = u64::from_be_bytes(packet[3..11].try_into().unwrap());
                    let delay = (at - self.start) - sent as u32 * MILLISECOND;
                    self.sound.push((sent, delay));
                }
                _ => {}
            }
        }
        if self.receives && self.recorder.deadline().is_some_and(|due| due <= self.now) {
            let mut bytes = [0; 1200];
            let mut rtcp = Builder::new(&mut bytes);
            self.recorder.write_feedback(self.now, 1, &mut rtcp);
            self.back.send(self.now, rtcp.as_bytes());
        }
    }

    /// When the encoding sent became this one for good, looked at from `from` ms on, up to `to`.
    pub fn settled(&self, encoding: usize, from: u64, to: u64) -> Option<u64> {
        let looks = self.log.iter().filter(|(ms, ..)| (from..to).contains(ms));
        let since = looks
            .clone()
            .rev()
            .take_while(|(_, _, given)| *given == Some(encoding))
            .last()?;
        Some(since.0 - from)
    }

    /// Of the estimates between two moments: lowest and highest.
    pub fn estimates(&self, from: u64, to: u64) -> (u64, u64) {
        let of = self
            .log
            .iter()
            .filter(|(ms, ..)| (from..to).contains(ms))
            .filter_map(|(_, estimate, _)| *estimate);
        (
            of.clone().min().unwrap_or(u64::MAX),
            of.max().unwrap_or_default(),
        )
    }

    /// Share of the sound lost, and the longest delay of what arrived, sent between two moments.
    pub fn sound(&self, from: u64, to: u64) -> (f64, Duration) {
        let sent = (to - from) / SOUND.0;
        let arrived = self.sound.iter().filter(|(ms, _)| (from..to).contains(ms));
        let delay = arrived.clone().map(|(_, delay)| *delay).max();
        (
            1.0 - arrived.count() as f64 / sent as f64,
            delay.unwrap_or_default(),
        )
    }
}

/// 40 ms each way.
pub fn path(rate: u64) -> Path {
    Path {
        delay: 40 * MILLISECOND,
        rate,
        buffer: 64_000,
        ..Path::default()
    }
}
