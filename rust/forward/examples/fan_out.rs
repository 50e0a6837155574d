//! CPU per forwarded packet, user space only: `cargo run --release --example fan_out [sinks]`.
//!
//! Each packet is opened, received by a Source, and forwarded and protected for every Sink. Three runs that do more and more
//! of it, in thread CPU time (Linux), so that neighbours on the machine do not count; the best of some rounds
//! (the kernel counts it by the tick, a few ms).

use meeting_forward::{
    CodecParameters, Departure, HEADROOM, Kind, Reception, Sink, SinkConfig, Source, SourceConfig,
};
use meeting_rtp::extension::Writer;
use meeting_rtp::{Codec, Extension, ExtensionMap, Header, NtpTime};
use meeting_srtp::{Inbound, Outbound, Profile};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const PACKETS: u32 = 20_000;
const ROUNDS: usize = 3;

fn main() {
    let sinks = std::env::args()
        .nth(1)
        .and_then(|arg| arg.parse().ok())
        .unwrap_or(50);
    println!(
        "{:<28} {:>10} {:>10} {:>10} {:>10}",
        "ns a packet", "ingress", "rewrite", "protect", "all, each"
    );
    for profile in [
        Profile::AeadAes128Gcm,
        Profile::AeadAes256Gcm,
        Profile::Aes128CmSha1_80,
    ] {
        for (kind, payload) in [(Kind::Video, 1068), (Kind::Audio, 68)] {
            let rounds = (0..ROUNDS).map(|_| round(profile, kind, payload, sinks));
            let best = rounds.reduce(|a, b| [0, 1, 2].map(|i| f64::min(a[i], b[i])));
            let [ingress, rewrite, protect] = best.unwrap_or_default();
            let each = ingress / f64::from(sinks) + rewrite + protect;
            let name = format!("{profile:?} {} B ×{sinks}", payload + 32);
            println!("{name:<28} {ingress:>10.0} {rewrite:>10.0} {protect:>10.0} {each:>10.0}");
        }
    }
}

/// Ingress by packet, rewrite and protect by packet and Sink, in ns.
fn round(profile: Profile, kind: Kind, payload: usize, sinks: u32) -> [f64; 3] {
    let [ingress, rewrite, all] = [Work::Receive, Work::Rewrite, Work::Protect].map(|work| {
        let nanoseconds = run(profile, kind, payload, sinks, work);
        nanoseconds as f64 / f64::from(PACKETS)
    });
    let sinks = f64::from(sinks);
    [
        ingress,
        (rewrite - ingress) / sinks,
        (all - rewrite) / sinks,
    ]
}

#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Work {
    Receive,
    Rewrite,
    Protect,
}

/// CPU time of all packets.
fn run(profile: Profile, kind: Kind, payload: usize, sinks: u32, work: Work) -> u64 {
    let (key, salt) = (vec![1; profile.key_len()], vec![2; profile.salt_len()]);
    let publisher = Outbound::new(profile, &key, &salt).expect("keys fit");
    let mut inbound = Inbound::new(profile, &key, &salt).expect("keys fit");
    let mut source = Source::new(SourceConfig::new(1, kind, 1), Arc::new(reception()));
    let mut links: Vec<_> = (0..sinks)
        .map(|number| link(profile, kind, number))
        .collect();
    let mut packets: Vec<_> = (0..PACKETS)
        .map(|number| packet(&publisher, kind, payload, number))
        .collect();
    let mut buffer = [0; 1500 + HEADROOM];
    let now = Instant::now();
    let start = cpu_time();
    for packet in &mut packets {
        let (header, len) = inbound.unprotect_rtp(packet).expect("it is genuine");
        let packet = source
            .receive(&mut packet[..len], &header, now)
            .expect("it is new");
        if work == Work::Receive {
            continue;
        }
        for (sink, departure, outbound) in &mut links {
            let Some(out) = sink.forward(&packet, now, departure, &mut buffer) else {
                continue;
            };
            if work == Work::Protect {
                black_box(outbound.protect_rtp(&mut buffer, out.header, out.len, out.index))
                    .expect("there is room");
            }
        }
        black_box(&mut buffer);
    }
    cpu_time() - start
}

/// Nanoseconds this thread has run.
fn cpu_time() -> u64 {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux keeps it");
    line.split(' ')
        .next()
        .and_then(|field| field.parse().ok())
        .expect("its first field is a number")
}

fn reception() -> Reception {
    let codec = |payload_type, codec, clock_rate| CodecParameters {
        payload_type,
        codec: Some(codec),
        clock_rate,
        rtx_payload_type: None,
        nack: true,
        pli: true,
    };
    Reception::new(
        extensions(),
        [
            codec(96, Codec::Vp8, 90_000),
            codec(111, Codec::Opus, 48_000),
        ],
    )
}

fn extensions() -> ExtensionMap {
    ExtensionMap::new([
        (Extension::AudioLevel, 1),
        (Extension::AbsSendTime, 2),
        (Extension::TransportCc, 3),
        (Extension::Mid, 4),
    ])
}

fn link(profile: Profile, kind: Kind, number: u32) -> (Sink, Departure, Outbound) {
    let mut sink = Sink::new(SinkConfig {
        kind,
        ssrc: 1000 + number,
        rtx_ssrc: Some(5000 + number),
        mid: "1".into(),
        payload_types: vec![(96, 96), (111, 111)],
        rtx_payload_types: vec![(96, 97)],
        extensions: extensions(),
        mixed_extensions: true,
        lossy: meeting_forward::LOSSY,
    });
    sink.feed(Some(1));
    let mut departure = Departure::default();
    departure.at(NtpTime(1 << 40));
    let key: Vec<u8> = (0..profile.key_len())
        .map(|i| (number as usize + i) as u8)
        .collect();
    let outbound = Outbound::new(profile, &key, &vec![3; profile.salt_len()]).expect("keys fit");
    (sink, departure, outbound)
}

fn packet(publisher: &Outbound, kind: Kind, payload: usize, number: u32) -> Vec<u8> {
    let payload_type = if kind == Kind::Video { 96 } else { 111 };
    let header = Header::new(
        payload_type,
        number as u16,
        number * 3000,
        7,
        number % 6 == 5,
    );
    let mut packet = vec![0; payload + 100];
    let mut len = header.write(true, &mut packet).expect("there is room");
    let mut writer = Writer::new(&mut packet[len..], false).expect("there is room");
    writer.push(3, &(number as u16).to_be_bytes());
    writer.push(4, b"0");
    writer.push(1, &[0x90]);
    len += writer.finish().expect("there is room");
    // a VP8 key frame, so that all Sinks begin with the first
    packet[len..len + 5].copy_from_slice(&[0x90, 0x80, 0x80, 0x01, 0x00]);
    let (header, len) = (len, len + payload);
    packet.truncate(len + 16);
    let len = publisher
        .protect_rtp(&mut packet, header, len, u64::from(number))
        .expect("there is room");
    packet.truncate(len);
    packet
}
