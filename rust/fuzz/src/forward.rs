//! A publisher and a subscriber who do what they like to a Source and a Sink.

use meeting_forward::{
    CodecParameters, Demux, Departure, HEADROOM, Kind, Layers, Outgoing, Reception, Sink,
    SinkConfig, Source, SourceConfig,
};
use meeting_rtp::rtcp::{self, Builder};
use meeting_rtp::{Codec, Extension, ExtensionMap, Header};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SSRC: u32 = 77;

/// `data` is a script: each step is an operation, a length and so many bytes. Nothing panics, outputs are packets that fit, and
/// no SRTP index of the Sink is used for two different packets.
pub fn forward(data: &[u8]) {
    for (kind, rtx_ssrc) in [
        (Kind::Video, Some(78)),
        (Kind::Video, None),
        (Kind::Audio, None),
    ] {
        let mut world = World::new(kind, rtx_ssrc);
        let mut rest = data;
        while let [operation, len, tail @ ..] = rest {
            let (bytes, tail) = tail.split_at(usize::from(*len).min(tail.len()));
            world.step(*operation, bytes);
            rest = tail;
        }
    }
}

struct World {
    now: Instant,
    demux: Demux,
    sources: [Source; 2],
    sink: Sink,
    departure: Departure,
    sent: HashMap<(u32, u64), Vec<u8>>,
}

impl World {
    fn new(kind: Kind, rtx_ssrc: Option<u32>) -> World {
        let extensions = ExtensionMap::new(Extension::ALL.into_iter().zip(1..));
        let codecs = [
            (63, Codec::Red),
            (96, Codec::Vp8),
            (98, Codec::H264),
            (35, Codec::Vp9),
            (45, Codec::Av1),
            (111, Codec::Opus),
        ];
        let codecs = codecs.map(|(payload_type, codec)| CodecParameters {
            payload_type,
            codec: Some(codec),
            clock_rate: 90_000,
            rtx_payload_type: Some(payload_type + 1),
            nack: true,
            pli: true,
        });
        let reception = Arc::new(Reception::new(extensions, codecs));
        let mut demux = Demux::new(extensions);
        demux.add(0, "0", Some("q"), [1]);
        demux.add(1, "1", None, [2]);
        World {
            now: Instant::now(),
            demux,
            sources: [0, 1]
                .map(|id| Source::new(SourceConfig::new(id, kind, id), reception.clone())),
            sink: Sink::new(SinkConfig {
                kind,
                ssrc: SSRC,
                rtx_ssrc,
                mid: "5".into(),
                payload_types: vec![(63, 120), (96, 100), (35, 36), (45, 46), (111, 109)],
                rtx_payload_types: vec![(100, 101)],
                extensions,
                mixed_extensions: true,
                lossy: 0, // always
            }),
            departure: Departure::default(),
            sent: HashMap::new(),
        }
    }

    fn step(&mut self, operation: u8, bytes: &[u8]) {
        match operation % 9 {
            0..=2 => self.publish(bytes),
            3 => self.feedback(bytes),
            4 => self.pass_time(bytes),
            5 => self
                .sink
                .feed(bytes.first().map(|first| u64::from(first % 3))),
            6 => self.sink.key_frame_requested(),
            8 => self.sink.select(Layers {
                spatial: bytes.first().map_or(u8::MAX, |byte| byte % 4),
                temporal: bytes.get(1).map_or(u8::MAX, |byte| byte % 4),
            }),
            _ => {
                self.resend(bytes);
                if let Some(id) = self.sink.take_key_frame_request()
                    && let Some(source) = self.sources.get_mut(id as usize)
                {
                    source.request_key_frame(self.now);
                }
            }
        }
    }

    fn publish(&mut self, bytes: &[u8]) {
        let mut packet = bytes.to_vec();
        let Ok(header) = Header::parse(&packet) else {
            return;
        };
        let Some(id) = self.demux.route(&header, &packet) else {
            return;
        };
        let Ok(packet) = self.sources[id as usize].receive(&mut packet, &header, self.now) else {
            return;
        };
        let mut buffer = vec![0; bytes.len() + HEADROOM];
        if let Some(out) = self
            .sink
            .forward(&packet, self.now, &mut self.departure, &mut buffer)
        {
            check(&mut self.sent, out, &buffer);
        }
    }

    fn resend(&mut self, bytes: &[u8]) {
        let mut nack = [0; 64];
        let mut builder = Builder::new(&mut nack);
        let sequences = bytes.iter().take(8).map(|byte| u16::from(*byte));
        let _ = builder.nack(0, SSRC, sequences);
        let nack = builder.as_bytes().to_vec();
        self.feedback(&nack);
    }

    fn feedback(&mut self, bytes: &[u8]) {
        for packet in rtcp::packets(bytes).flatten() {
            match packet {
                rtcp::Packet::Nack(nack) => self.sink.nack(&nack, self.now),
                rtcp::Packet::SenderReport { info, .. } => {
                    self.sources[0].sender_report(&info, self.now)
                }
                rtcp::Packet::ReceiverReport { blocks, .. } => {
                    blocks
                        .iter()
                        .for_each(|block| self.sink.report_block(&block, self.now));
                }
                _ => {}
            }
        }
        self.send_again();
    }

    fn send_again(&mut self) {
        let mut buffer = vec![0; 2048];
        let World {
            now,
            sources,
            sink,
            departure,
            sent,
            ..
        } = self;
        while let Some(out) = sink.resend(
            *now,
            departure,
            |id| Some(sources.get(id as usize)?.history()),
            &mut buffer,
        ) {
            check(sent, out, &buffer);
        }
    }

    fn pass_time(&mut self, bytes: &[u8]) {
        self.now += Duration::from_millis(bytes.iter().map(|byte| u64::from(*byte)).sum());
        for _ in 0..8 {
            self.handle_timeouts();
        }
        assert!(
            self.deadlines().all(|due| due > self.now),
            "an engine would spin"
        );
    }

    fn handle_timeouts(&mut self) {
        let mut buffer = [0; 1200];
        let mut builder = Builder::new(&mut buffer);
        self.send_again();
        self.sink.write_report(self.now, &mut builder);
        for source in &mut self.sources {
            while source.poll_event(self.now).is_some() {}
            source.write_feedback(self.now, 9, &mut builder);
            let _ = source.audio_level(self.now);
        }
        assert!(rtcp::packets(builder.as_bytes()).all(|packet| packet.is_ok()));
    }

    fn deadlines(&self) -> impl Iterator<Item = Instant> {
        let sources = self.sources.iter().filter_map(Source::deadline);
        sources
            .chain(self.sink.deadline())
            .chain(self.sink.resend_deadline())
    }
}

fn check(sent: &mut HashMap<(u32, u64), Vec<u8>>, out: Outgoing, buffer: &[u8]) {
    let packet = &buffer[..out.len];
    let header = Header::parse(packet).expect("we wrote it");
    assert_eq!(
        (header.len, header.sequence),
        (out.header, out.index as u16)
    );
    let before = sent.insert((header.ssrc, out.index), packet.to_vec());
    assert!(
        before.is_none_or(|before| before == packet),
        "one index, two packets"
    );
}
