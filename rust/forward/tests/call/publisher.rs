//! A publisher as browsers are: simulcast video at 30 frames/s, sound that repeats the packet before (RFC 2198), answers to
//! NACK and PLI.

use crate::support::{
    MILLISECOND, Media, OPUS, RED, VP8_RTX, nacked_of, picture_losses_of, rtx, vp8,
};
use meeting_netem::{Network, Random};
use meeting_rtp::NtpTime;
use meeting_rtp::rtcp::{Builder, SenderInfo};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Bits a second of the layers, low to high, as livekit-client sends 720p.
pub const LAYERS: [u32; 3] = [150_000, 500_000, 1_700_000];
pub const AUDIO_SSRC: u32 = 0x900;
/// Milliseconds between frames, in turn: 30 frames/s.
const FRAME_TICKS: [u32; 3] = [33, 33, 34];
const MOST_PAYLOAD: usize = 1_100;
const AUDIO_BYTES: usize = 80;
/// A key frame is so many times as large as the others.
const KEY_FRAME: usize = 4;
/// How far back a publisher answers NACKs.
const KEPT: usize = 2_000;

/// The publisher's wall clock when the call begins.
pub const WALL: Duration = Duration::from_secs(4_000);

pub fn layer_ssrc(layer: usize) -> u32 {
    0x100 + 0x10 * layer as u32
}

struct Layer {
    ssrc: u32,
    /// What its timestamps begin at.
    first_timestamp: u32,
    bytes: usize,
    sequence: u16,
    rtx_sequence: u16,
    picture: u16,
    wants_key_frame: bool,
    sent: VecDeque<(u16, Vec<u8>)>,
    answered: HashMap<u16, Instant>,
}

pub struct Publisher {
    start: Instant,
    random: Random,
    layers: Vec<Layer>,
    audio_first_timestamp: u32,
    /// Paced: a packet each millisecond and layer.
    leaving: VecDeque<(Instant, Vec<u8>)>,
    next_frame: Instant,
    frames: u32,
    audio_sequence: u16,
    audio_before: Vec<u8>,
    audio_sent: VecDeque<(u16, Vec<u8>)>,
    next_audio: Instant,
    next_report: Instant,
}

impl Publisher {
    pub fn new(start: Instant, seed: u64) -> Publisher {
        let mut random = Random::new(seed);
        let audio_first_timestamp = random.bits() as u32;
        let layer = |(place, bits): (usize, &u32)| Layer {
            ssrc: layer_ssrc(place),
            first_timestamp: random.bits() as u32,
            bytes: *bits as usize / 8 / 30,
            sequence: 65_000, // wraps soon
            rtx_sequence: 0,
            picture: 0,
            wants_key_frame: true,
            sent: VecDeque::new(),
            answered: HashMap::new(),
        };
        let layers = LAYERS.iter().enumerate().map(layer).collect();
        Publisher {
            start,
            random,
            layers,
            audio_first_timestamp,
            leaving: VecDeque::new(),
            next_frame: start,
            frames: 0,
            audio_sequence: 65_400,
            audio_before: vec![],
            audio_sent: VecDeque::new(),
            next_audio: start,
            next_report: start + 100 * MILLISECOND,
        }
    }

    /// Sends what is due at `now`.
    pub fn tick(&mut self, now: Instant, network: &mut Network) {
        if self.next_frame <= now {
            for layer in 0..self.layers.len() {
                self.make_frame(now, layer);
            }
            self.next_frame += MILLISECOND * FRAME_TICKS[self.frames as usize % 3];
            self.frames += 1;
        }
        if self.next_audio <= now {
            network.send(now, &self.audio());
            self.next_audio += 20 * MILLISECOND;
        }
        if self.next_report <= now {
            self.report(now, network);
            self.next_report += Duration::from_secs(1);
        }
        while let Some((at, _)) = self.leaving.front()
            && *at <= now
            && let Some((_, packet)) = self.leaving.pop_front()
        {
            network.send(now, &packet);
        }
    }

    /// Takes feedback.
    pub fn receive(&mut self, rtcp: &[u8], now: Instant, network: &mut Network) {
        for sequence in nacked_of(rtcp, AUDIO_SSRC) {
            if let Some((_, packet)) = self.audio_sent.iter().find(|(it, _)| *it == sequence) {
                network.send(now, packet);
            }
        }
        for layer in &mut self.layers {
            layer.wants_key_frame |= picture_losses_of(rtcp, layer.ssrc) > 0;
            for sequence in nacked_of(rtcp, layer.ssrc) {
                let answered = layer.answered.insert(sequence, now);
                if answered.is_some_and(|when| now - when < 40 * MILLISECOND) {
                    continue;
                }
                if let Some((_, packet)) = layer.sent.iter().find(|(it, _)| *it == sequence) {
                    layer.rtx_sequence = layer.rtx_sequence.wrapping_add(1);
                    network.send(now, &rtx(layer.rtx_sequence, layer.ssrc + 1, packet));
                }
            }
        }
    }

    fn make_frame(&mut self, now: Instant, place: usize) {
        let captured = (now - self.start).as_millis() as u32;
        let spread = 0.7 + 0.6 * self.random.unit();
        let layer = &mut self.layers[place];
        let key = std::mem::take(&mut layer.wants_key_frame);
        let bytes = layer.bytes as f64 * spread;
        let bytes = bytes as usize * if key { KEY_FRAME } else { 1 };
        let parts = bytes.div_ceil(MOST_PAYLOAD).max(1);
        for part in 0..parts {
            let mut body = captured.to_be_bytes().to_vec();
            body.resize(bytes / parts, part as u8);
            let mut payload = vp8(layer.picture, key, &body);
            if part > 0 {
                payload[0] &= !0x10;
            }
            let media = Media {
                ssrc: layer.ssrc,
                timestamp: layer.first_timestamp.wrapping_add(90 * captured),
                marker: part + 1 == parts,
                ..Media::video(layer.sequence)
            };
            let packet = media.with(&payload);
            let at = now + MILLISECOND * part as u32;
            let place = self.leaving.partition_point(|(other, _)| *other <= at);
            self.leaving.insert(place, (at, packet.clone()));
            layer.sent.push_back((layer.sequence, packet));
            if layer.sent.len() > KEPT
                && let Some((old, _)) = layer.sent.pop_front()
            {
                layer.answered.remove(&old);
            }
            layer.sequence = layer.sequence.wrapping_add(1);
        }
        layer.picture = layer.picture.wrapping_add(1);
    }

    /// Sound says when it was made, so that a listener can tell.
    fn audio(&mut self) -> Vec<u8> {
        let made = (self.next_audio - self.start).as_millis() as u32;
        let newest = made.to_be_bytes().repeat(AUDIO_BYTES / 4);
        let mut payload = vec![];
        if !self.audio_before.is_empty() {
            payload.push(0x80 | OPUS);
            payload.extend_from_slice(&(960 << 10 | AUDIO_BYTES as u32).to_be_bytes()[1..]);
        }
        payload.push(OPUS);
        payload.extend_from_slice(&self.audio_before);
        payload.extend_from_slice(&newest);
        let packet = Media {
            ssrc: AUDIO_SSRC,
            payload_type: RED,
            timestamp: self.audio_first_timestamp.wrapping_add(48 * made),
            ..Media::audio(self.audio_sequence)
        }
        .with(&payload);
        self.audio_before = newest;
        self.audio_sent
            .push_back((self.audio_sequence, packet.clone()));
        if self.audio_sent.len() > 100 {
            self.audio_sent.pop_front();
        }
        self.audio_sequence = self.audio_sequence.wrapping_add(1);
        packet
    }

    fn report(&mut self, now: Instant, network: &mut Network) {
        let mut bytes = [0; 1200];
        let mut builder = Builder::new(&mut bytes);
        let passed = now - self.start;
        let ntp = NtpTime::default().after(WALL + passed);
        let streams = self
            .layers
            .iter()
            .map(|layer| (layer.ssrc, layer.first_timestamp, 90))
            .chain([(AUDIO_SSRC, self.audio_first_timestamp, 48)]);
        for (ssrc, first, per_millisecond) in streams {
            let info = SenderInfo {
                ntp,
                rtp_timestamp: first.wrapping_add(passed.as_millis() as u32 * per_millisecond),
                packets: 0,
                octets: 0,
            };
            builder.sender_report(ssrc, info, &[]).unwrap();
        }
        network.send(now, builder.as_bytes());
    }
}

/// Whether a payload type is the publisher's retransmissions.
pub fn is_rtx(payload_type: u8) -> bool {
    payload_type == VP8_RTX
}
