//! A call over bad networks: publisher, server, subscriber, in virtual time.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod pictures;
pub mod publisher;
pub mod server;
pub mod sound;
pub mod sync;

use crate::support::{MILLISECOND, SINK_SSRC};
use meeting_netem::{Network, Path};
use meeting_rtp::rtcp::{self, Builder, ReportBlock};
use meeting_rtp::{Header, is_rtcp};
use pictures::{Pictures, Seen};
use publisher::Publisher;
use server::{AUDIO_SINK, Server};
use sound::Sound;
use std::time::{Duration, Instant};

/// What makes a call.
#[derive(Debug, Clone, Copy)]
pub struct Conditions {
    /// Both ways between publisher and server.
    pub up: Path,
    /// Both ways between server and subscriber.
    pub down: Path,
    /// The layer shown.
    pub layer: usize,
    /// See [`meeting_forward::SinkConfig::lossy`].
    pub lossy: u8,
    pub length: Duration,
}

/// What came of it, from 5 s on.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    pub frozen_per_minute: f64,
    pub longest_gap: Duration,
    pub frames_per_second: f64,
    pub bits_per_second: f64,
    pub concealed: f64,
    pub lost_down: f64,
    /// Packets sent to the subscriber for each that was forwarded once.
    pub overhead: f64,
    pub key_frame_requests: u32,
}

/// Not counted: connecting, the first key frame, finding the delays.
const WARM_UP: Duration = Duration::from_secs(5);

/// What browsers send each 50 to 100 ms whatever happens; here only its being there counts (a receiver report without blocks).
const TRANSPORT_FEEDBACK: &[u8] = &[0x80, 201, 0, 1, 0, 0, 0, 9];

pub struct Call {
    pub start: Instant,
    pub publisher: Publisher,
    pub server: Server,
    pub pictures: Pictures,
    pub sound: Sound,
    pub networks: [Network; 4],
    reported: [(u64, u64); 2],
    last_reports: [Option<(u32, Instant)>; 2],
    pub now: Instant,
}

impl Call {
    pub fn new(conditions: &Conditions, seed: u64) -> Call {
        let start = Instant::now();
        let Conditions { up, down, .. } = *conditions;
        let path = |place: u64, path| Network::new(path, seed * 4 + place);
        let mut server = Server::new(start, conditions.lossy);
        server.show(Some(conditions.layer), start);
        Call {
            start,
            publisher: Publisher::new(start, seed),
            server,
            pictures: Pictures::new(start),
            sound: Sound::new(start),
            networks: [path(0, up), path(1, up), path(2, down), path(3, down)],
            reported: [(0, 0); 2],
            last_reports: [None; 2],
            now: start,
        }
    }

    /// The subscriber has left, and another one come to see `layer`.
    pub fn join(&mut self, layer: usize) {
        self.server.join();
        self.server.show(Some(layer), self.now);
        self.pictures = Pictures::new(self.now);
        self.sound = Sound::new(self.now);
        self.reported = [(0, 0); 2];
        self.last_reports = [None; 2];
    }

    /// A millisecond passes.
    pub fn tick(&mut self) {
        let now = self.now;
        let [up, up_back, down, _] = &mut self.networks;
        self.publisher.tick(now, up);
        while let Some((_, packet)) = up.receive(now) {
            self.server.receive(packet, now, down);
        }
        self.server.tick(now, up_back, down);
        while let Some((_, packet)) = up_back.receive(now) {
            self.publisher.receive(&packet, now, up);
        }
        while let Some((_, packet)) = down.receive(now) {
            if is_rtcp(&packet) {
                for packet in rtcp::packets(&packet).flatten() {
                    if let rtcp::Packet::SenderReport { ssrc, info, .. } = packet {
                        let place = usize::from(ssrc == AUDIO_SINK);
                        let syncs = [&mut self.pictures.sync, &mut self.sound.sync];
                        syncs[place].reported(info.ntp, info.rtp_timestamp);
                        self.last_reports[place] = Some((info.ntp.middle(), now));
                    }
                }
                continue;
            }
            let header = Header::parse(&packet).unwrap();
            if header.ssrc == AUDIO_SINK {
                self.sound.receive(&header, &packet, now);
            } else {
                self.pictures.receive(&header, &packet, now);
            }
        }
        self.pictures.tick(now);
        self.sound.tick(now);
        let passed = (now - self.start).as_millis();
        if passed.is_multiple_of(20) || self.pictures.found_missing {
            let mut bytes = [0; 1200];
            let mut builder = Builder::new(&mut bytes);
            self.pictures.write_feedback(now, &mut builder);
            if passed.is_multiple_of(1000) {
                self.report(now, &mut builder);
            }
            let [.., down_back] = &mut self.networks;
            if passed.is_multiple_of(60) {
                down_back.send(now, TRANSPORT_FEEDBACK);
            }
            if !builder.is_empty() {
                down_back.send(now, builder.as_bytes());
            }
        }
        let [_, _, down, down_back] = &mut self.networks;
        while let Some((_, packet)) = down_back.receive(now) {
            self.server.feedback(&packet, now, down);
        }
        self.now += MILLISECOND;
    }

    /// By how much a receiver that trusts the sender reports plays sound and picture apart, in seconds.
    pub fn skew(&self) -> Option<f64> {
        Some(self.pictures.sync.error? - self.sound.sync.error?)
    }

    fn report(&mut self, now: Instant, out: &mut Builder<'_>) {
        let streams = [
            (SINK_SSRC, self.pictures.newest(), self.pictures.received),
            (AUDIO_SINK, self.sound.newest, self.sound.received),
        ];
        for (place, (ssrc, newest, received)) in streams.into_iter().enumerate() {
            let Some(newest) = newest else { continue };
            let (newest_before, received_before) = self.reported[place];
            self.reported[place] = (newest, received);
            let expected = newest.saturating_sub(newest_before);
            let lost = expected.saturating_sub(received - received_before);
            if newest_before == 0 || expected == 0 {
                continue;
            }
            let last = self.last_reports[place];
            let block = ReportBlock {
                ssrc,
                fraction_lost: (lost * 256 / expected).min(255) as u8,
                cumulative_lost: 0,
                highest_sequence: newest as u32,
                jitter: 0,
                last_sender_report: last.map_or(0, |(middle, _)| middle),
                delay_since: last.map_or(0, |(_, at)| {
                    ((now - at).as_micros() * 65_536 / 1_000_000) as u32
                }),
            };
            let _ = out.receiver_report(9, &[block]);
        }
    }
}

/// A whole call.
pub fn call(conditions: &Conditions, seed: u64) -> Outcome {
    let mut call = Call::new(conditions, seed);
    while call.now < call.start + WARM_UP {
        call.tick();
    }
    call.pictures.seen = Seen::default();
    let (played, concealed) = (call.sound.played, call.sound.concealed);
    let sent = call.networks[2].counts().sent;
    let forwarded = |call: &Call| {
        call.server.video.statistics().packets + call.server.audio.statistics().packets
    };
    let once = forwarded(&call);
    while call.now < call.start + WARM_UP + conditions.length {
        call.tick();
    }
    let seen = call.pictures.seen;
    let seconds = conditions.length.as_secs_f64();
    let down = call.networks[2].counts();
    Outcome {
        frozen_per_minute: seen.frozen.as_secs_f64() * 60.0 / seconds,
        longest_gap: seen.longest,
        frames_per_second: f64::from(seen.shown) / seconds,
        bits_per_second: seen.bytes as f64 * 8.0 / seconds,
        concealed: (call.sound.concealed - concealed) as f64 / (call.sound.played - played) as f64,
        lost_down: down.lost as f64 / down.sent as f64,
        overhead: (down.sent - sent) as f64 / (forwarded(&call) - once) as f64,
        key_frame_requests: seen.key_frame_requests,
    }
}
