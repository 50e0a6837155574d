//! A publisher, an SFU and a subscriber with bad networks between them, SRTP on the last leg: everything lost is repaired.

mod support;

use meeting_forward::{Departure, HEADROOM, Sink};
use meeting_netem::{Network, Path};
use meeting_rtp::rtcp::{self, Builder};
use meeting_rtp::{Header, Unwrapper};
use meeting_srtp::{Inbound, Outbound, Profile};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use support::*;

const FRAME: Duration = Duration::from_millis(33);

/// Sends frames of one to six packets and answers NACK by RTX, PLI by a key frame.
struct Publisher {
    sent: Vec<Vec<u8>>,
    frames: u16,
    rtx_sequence: u16,
    key_frame_wanted: bool,
}

impl Publisher {
    fn send_frame(&mut self, now: Instant, network: &mut Network) {
        let key = std::mem::take(&mut self.key_frame_wanted);
        let packets = 1 + usize::from(self.frames % 6);
        for part in 0..packets {
            let number = self.sent.len();
            let mut body = number.to_be_bytes().to_vec();
            body.resize(300 + 100 * part, number as u8);
            let mut payload = vp8(self.frames, key, &body);
            if part > 0 {
                payload[0] &= !0x10;
            }
            let media = Media {
                timestamp: 2970 * u32::from(self.frames),
                marker: part + 1 == packets,
                ..Media::video((number as u16).wrapping_add(65_000)) // wraps on the way
            };
            self.sent.push(media.with(&payload));
            network.send(now, &self.sent[number]);
        }
        self.frames += 1;
    }

    fn receive(&mut self, rtcp: &[u8], now: Instant, network: &mut Network) {
        self.key_frame_wanted |= picture_losses(rtcp) > 0;
        for sequence in nacked(rtcp) {
            let number = usize::from(sequence.wrapping_sub(65_000));
            self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
            network.send(now, &rtx(self.rtx_sequence, 0x101, &self.sent[number]));
        }
    }
}

/// Opens what arrives, NACKs what is missing.
struct Receiver {
    srtp: Inbound,
    unwrapper: Unwrapper,
    payloads: BTreeMap<u64, Vec<u8>>,
    asked: BTreeMap<u64, Instant>,
    repaired: usize,
    replays: usize,
}

impl Receiver {
    fn receive(&mut self, packet: &mut [u8]) {
        let Ok((header, len)) = self.srtp.unprotect_rtp(packet) else {
            self.replays += 1;
            return;
        };
        let payload = header.payload(&packet[..len]).unwrap();
        let (sequence, payload) = match header.ssrc {
            SINK_RTX_SSRC => {
                self.repaired += 1;
                (u16::from_be_bytes([payload[0], payload[1]]), &payload[2..])
            }
            _ => (header.sequence, payload),
        };
        self.payloads
            .insert(self.unwrapper.unwrap(sequence), payload.to_vec());
    }

    fn missing(&self) -> Vec<u64> {
        let (Some((first, _)), Some((last, _))) = (
            self.payloads.first_key_value(),
            self.payloads.last_key_value(),
        ) else {
            return vec![];
        };
        (*first..*last)
            .filter(|number| !self.payloads.contains_key(number))
            .collect()
    }

    fn write_feedback(&mut self, now: Instant, out: &mut Builder<'_>) {
        let mut missing = self.missing();
        missing.retain(|number| {
            self.asked
                .get(number)
                .is_none_or(|asked| now - *asked > 60 * MILLISECOND)
        });
        if !self.payloads.values().any(|payload| is_key(payload))
            && self.unwrapper.newest().is_some()
        {
            out.picture_loss(9, SINK_SSRC).unwrap();
        }
        self.asked
            .extend(missing.iter().map(|number| (*number, now)));
        out.nack(9, SINK_SSRC, missing.iter().map(|number| *number as u16))
            .unwrap();
    }
}

/// The first packet of a key frame, by its descriptor.
fn is_key(payload: &[u8]) -> bool {
    payload[0] & 0x10 != 0 && payload[5] == 0
}

struct Outcome {
    receiver: Receiver,
    publisher: Publisher,
    lost: u64,
}

/// 10 s of video over four bad paths (both legs, both ways), then one second to repair the rest.
fn call(path: Path, profile: Profile, seed: u64) -> Outcome {
    let start = Instant::now();
    let (key, salt) = (vec![1; profile.key_len()], vec![2; profile.salt_len()]);
    let outbound = Outbound::new(profile, &key, &salt).unwrap();
    let mut receiver = Receiver {
        srtp: Inbound::new(profile, &key, &salt).unwrap(),
        unwrapper: Unwrapper::default(),
        payloads: BTreeMap::new(),
        asked: BTreeMap::new(),
        repaired: 0,
        replays: 0,
    };
    let mut publisher = Publisher {
        sent: vec![],
        frames: 0,
        rtx_sequence: 0,
        key_frame_wanted: true,
    };
    let mut paths: Vec<Network> = (0..4)
        .map(|leg| Network::new(path, seed * 4 + leg))
        .collect();
    let [up, up_back, down, down_back] = &mut paths[..] else {
        unreachable!()
    };
    let mut source = source(1);
    let mut sink = Sink::new(video_config());
    let mut departure = Departure::default();
    sink.feed(Some(1));
    let mut buffer = [0; 1500 + HEADROOM];
    for tick in 0..11_000 {
        let now = start + MILLISECOND * tick;
        if tick < 10_000 && tick % FRAME.as_millis() as u32 == 0 {
            publisher.send_frame(now, up);
        }
        while let Some((_, mut packet)) = up.receive(now) {
            let header = Header::parse(&packet).unwrap();
            let Ok(packet) = source.receive(&mut packet, &header, now) else {
                continue;
            };
            if let Some(out) = sink.forward(&packet, now, &mut departure, &mut buffer) {
                let len = outbound
                    .protect_rtp(&mut buffer, out.header, out.len, out.index)
                    .unwrap();
                down.send(now, &buffer[..len]);
            }
        }
        while let Some((_, packet)) = down.receive(now) {
            receiver.receive(&mut packet.clone());
        }
        if tick % 20 == 0 {
            let mut bytes = [0; 1200];
            let mut builder = Builder::new(&mut bytes);
            receiver.write_feedback(now, &mut builder);
            if !builder.is_empty() {
                down_back.send(now, builder.as_bytes());
            }
        }
        while let Some((_, packet)) = down_back.receive(now) {
            for packet in rtcp::packets(&packet).flatten() {
                match packet {
                    rtcp::Packet::Nack(nack) => sink.nack(&nack, now),
                    rtcp::Packet::PictureLoss { .. } => sink.key_frame_requested(),
                    _ => {}
                }
            }
            while let Some(out) =
                sink.resend(now, &mut departure, |_| Some(source.history()), &mut buffer)
            {
                let len = outbound
                    .protect_rtp(&mut buffer, out.header, out.len, out.index)
                    .unwrap();
                down.send(now, &buffer[..len]);
            }
        }
        if let Some(id) = sink.take_key_frame_request() {
            assert_eq!(id, 1);
            source.request_key_frame(now);
        }
        if source.deadline().is_some_and(|due| due <= now) {
            let datagram = feedback(&mut source, now);
            if !datagram.is_empty() {
                up_back.send(now, &datagram);
            }
        }
        while let Some((_, packet)) = up_back.receive(now) {
            publisher.receive(&packet, now, up);
        }
    }
    let lost = up.counts().lost + down.counts().lost;
    Outcome {
        receiver,
        publisher,
        lost,
    }
}

/// From its first key frame on the subscriber has every payload, in order, and none twice.
fn check(outcome: &Outcome, what: &str) {
    let Outcome {
        receiver,
        publisher,
        ..
    } = outcome;
    assert_eq!(receiver.missing(), [], "{what}: missing at the end");
    let from_key_frame = receiver
        .payloads
        .values()
        .skip_while(|payload| !is_key(payload));
    let numbers: Vec<u64> = from_key_frame
        .map(|payload| u64::from_be_bytes(*payload[6..].first_chunk().unwrap()))
        .collect();
    let first = *numbers.first().expect("a key frame");
    assert!(first < 200, "{what}: began with packet {first}");
    let expected: Vec<u64> = (first..).take(numbers.len()).collect();
    assert_eq!(numbers, expected, "{what}: the order");
    // the last packets may be lost without anything behind them to tell
    assert!(
        publisher.sent.len() as u64 - (first + numbers.len() as u64) < 12,
        "{what}: the end"
    );
}

#[test]
fn every_packet_arrives_over_paths_that_lose_from_5_to_20_percent() {
    for (loss, seeds) in [(0.05, 0..6), (0.10, 10..16), (0.20, 20..26)] {
        for seed in seeds {
            let path = Path {
                delay: 15 * MILLISECOND,
                jitter: 5 * MILLISECOND,
                loss,
                ..Path::default()
            };
            let outcome = call(path, Profile::AeadAes128Gcm, seed);
            assert!(
                outcome.lost > 50 && outcome.receiver.repaired > 20,
                "the path was good"
            );
            check(&outcome, &format!("loss {loss}, seed {seed}"));
        }
    }
}

#[test]
fn bursts_reordering_and_duplicates_do_no_harm() {
    for seed in 40..46 {
        let path = Path {
            delay: 20 * MILLISECOND,
            jitter: 15 * MILLISECOND,
            burst: 0.01,
            burst_length: 6.0,
            reorder: 0.05,
            duplicate: 0.02,
            ..Path::default()
        };
        check(
            &call(path, Profile::Aes128CmSha1_80, seed),
            &format!("seed {seed}"),
        );
    }
}

#[test]
fn a_good_path_needs_no_repair() {
    let outcome = call(
        Path {
            delay: 15 * MILLISECOND,
            ..Path::default()
        },
        Profile::AeadAes256Gcm,
        1,
    );
    check(&outcome, "good path");
    assert_eq!(outcome.receiver.repaired + outcome.receiver.replays, 0);
    assert_eq!(outcome.publisher.rtx_sequence, 0);
}
