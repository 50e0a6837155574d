//! A publisher and what it takes to drive a Source and a Sink by hand.
#![allow(dead_code, reason = "each test file uses its part")]

use meeting_forward::{
    CodecParameters, Departure, Kind, LOSSY, Outgoing, Packet, Reception, Sink, SinkConfig, Source,
    SourceConfig,
};
use meeting_rtp::extension::{Values, Writer};
use meeting_rtp::rtcp::{self, Builder};
use meeting_rtp::{Codec, Extension, ExtensionMap, Header};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const MILLISECOND: Duration = Duration::from_millis(1);
pub const VP8: u8 = 96;
pub const VP8_RTX: u8 = 97;
pub const OPUS: u8 = 111;
pub const VP9: u8 = 98;
pub const AV1: u8 = 45;
/// Subscriber's payload types.
pub const OUT_VP8: u8 = 100;
pub const OUT_RTX: u8 = 101;
pub const OUT_OPUS: u8 = 109;
pub const OUT_VP9: u8 = 102;
pub const OUT_AV1: u8 = 104;
pub const RED: u8 = 63;
pub const OUT_RED: u8 = 120;
pub const SINK_SSRC: u32 = 0x5000;
pub const SINK_RTX_SSRC: u32 = 0x5001;
/// What the SFU sends RTCP under.
pub const OURS: u32 = 1;

pub fn publisher_extensions() -> ExtensionMap {
    ExtensionMap::new([
        (Extension::AudioLevel, 1),
        (Extension::AbsSendTime, 2),
        (Extension::TransportCc, 3),
        (Extension::Mid, 4),
        (Extension::VideoOrientation, 13),
        (Extension::DependencyDescriptor, 12),
    ])
}

pub fn subscriber_extensions() -> ExtensionMap {
    ExtensionMap::new([
        (Extension::Mid, 1),
        (Extension::AudioLevel, 2),
        (Extension::AbsSendTime, 3),
        (Extension::TransportCc, 4),
        (Extension::VideoOrientation, 5),
        (Extension::DependencyDescriptor, 6),
    ])
}

pub fn reception() -> Arc<Reception> {
    let vp8 = CodecParameters {
        payload_type: VP8,
        codec: Some(Codec::Vp8),
        clock_rate: 90_000,
        rtx_payload_type: Some(VP8_RTX),
        nack: true,
        pli: true,
    };
    let opus = CodecParameters {
        payload_type: OPUS,
        codec: Some(Codec::Opus),
        clock_rate: 48_000,
        rtx_payload_type: None,
        nack: true,
        pli: false,
    };
    let red = CodecParameters {
        payload_type: RED,
        codec: Some(Codec::Red),
        ..opus
    };
    let other = |payload_type, codec| CodecParameters {
        payload_type,
        codec: Some(codec),
        rtx_payload_type: None,
        ..vp8
    };
    let (vp9, av1) = (other(VP9, Codec::Vp9), other(AV1, Codec::Av1));
    Arc::new(Reception::new(
        publisher_extensions(),
        [vp8, opus, red, vp9, av1],
    ))
}

pub fn source(id: u64) -> Source {
    Source::new(SourceConfig::new(id, Kind::Video, 1), reception())
}

pub fn audio_source(id: u64) -> Source {
    Source::new(SourceConfig::new(id, Kind::Audio, 1), reception())
}

pub fn video_config() -> SinkConfig {
    SinkConfig {
        kind: Kind::Video,
        ssrc: SINK_SSRC,
        rtx_ssrc: Some(SINK_RTX_SSRC),
        mid: "3".into(),
        payload_types: vec![(VP8, OUT_VP8), (VP9, OUT_VP9), (AV1, OUT_AV1)],
        rtx_payload_types: vec![
            (OUT_VP8, OUT_RTX),
            (OUT_VP9, OUT_VP9 + 1),
            (OUT_AV1, OUT_AV1 + 1),
        ],
        extensions: subscriber_extensions(),
        mixed_extensions: true,
        lossy: LOSSY,
    }
}

pub fn audio_config() -> SinkConfig {
    SinkConfig {
        kind: Kind::Audio,
        rtx_ssrc: None,
        payload_types: vec![(OPUS, OUT_OPUS)],
        rtx_payload_types: vec![],
        ..video_config()
    }
}

/// One packet as a publisher sends it, without extensions.
#[derive(Clone, Copy)]
pub struct Media {
    pub ssrc: u32,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub marker: bool,
}

impl Media {
    pub fn video(sequence: u16) -> Media {
        Media {
            ssrc: 0x100,
            payload_type: VP8,
            sequence,
            timestamp: 3000 * u32::from(sequence),
            marker: true,
        }
    }

    pub fn audio(sequence: u16) -> Media {
        Media {
            ssrc: 0x200,
            payload_type: OPUS,
            sequence,
            timestamp: 960 * u32::from(sequence),
            marker: false,
        }
    }

    pub fn with(self, payload: &[u8]) -> Vec<u8> {
        self.extended(&[], payload)
    }

    /// Its picture id is its sequence number.
    pub fn key_frame(self) -> Vec<u8> {
        self.with(&vp8(self.sequence, true, &self.sequence.to_be_bytes()))
    }

    pub fn delta_frame(self) -> Vec<u8> {
        self.with(&vp8(self.sequence, false, &self.sequence.to_be_bytes()))
    }

    /// Padding only: what probes look like.
    pub fn probe(self) -> Vec<u8> {
        let mut packet = self.with(&[0, 0, 0, 4]);
        packet[0] |= 0x20;
        packet
    }

    pub fn extended(self, elements: &[(u8, &[u8])], payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 200 + payload.len()];
        let header = Header::new(
            self.payload_type,
            self.sequence,
            self.timestamp,
            self.ssrc,
            self.marker,
        );
        let mut len = header.write(!elements.is_empty(), &mut out).unwrap();
        if !elements.is_empty() {
            let two_byte = elements.iter().any(|(_, value)| value.len() > 16);
            let mut writer = Writer::new(&mut out[len..], two_byte).unwrap();
            for (id, value) in elements {
                assert!(writer.push(*id, value));
            }
            len += writer.finish().unwrap();
        }
        out.truncate(len);
        out.extend_from_slice(payload);
        out
    }
}

pub fn vp8(picture_id: u16, key: bool, body: &[u8]) -> Vec<u8> {
    let [high, low] = (picture_id & 0x7fff | 0x8000).to_be_bytes();
    let mut payload = vec![0x90, 0xc0, high, low, picture_id as u8, u8::from(!key)];
    payload.extend_from_slice(body);
    payload
}

pub fn rtx(sequence: u16, ssrc: u32, packet: &[u8]) -> Vec<u8> {
    let header = Header::parse(packet).unwrap();
    let mut again = packet[..header.len].to_vec();
    again[1] = again[1] & 0x80 | VP8_RTX;
    again[2..4].copy_from_slice(&sequence.to_be_bytes());
    again[8..12].copy_from_slice(&ssrc.to_be_bytes());
    again.extend_from_slice(&header.sequence.to_be_bytes());
    again.extend_from_slice(&packet[header.len..]);
    again
}

/// Gives `bytes` to the source and, if it hands something out, to `then`.
pub fn receive<R>(
    source: &mut Source,
    bytes: &[u8],
    now: Instant,
    then: impl FnOnce(&Packet<'_>) -> R,
) -> Option<R> {
    let mut bytes = bytes.to_vec();
    let header = Header::parse(&bytes).unwrap();
    let packet = source.receive(&mut bytes, &header, now).ok()?;
    Some(then(&packet))
}

/// A packet a Sink sent, read again.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    pub bytes: Vec<u8>,
    pub header: Header,
    pub index: u64,
}

impl Sent {
    pub fn new(outgoing: Outgoing, buffer: &[u8]) -> Sent {
        let bytes = buffer[..outgoing.len].to_vec();
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(header.len, outgoing.header);
        assert_eq!(header.sequence, outgoing.index as u16);
        Sent {
            bytes,
            header,
            index: outgoing.index,
        }
    }

    pub fn payload(&self) -> &[u8] {
        self.header.payload(&self.bytes).unwrap()
    }

    pub fn value(&self, extension: Extension) -> Option<&[u8]> {
        Values::parse(&self.header, &self.bytes, &subscriber_extensions())
            .get(extension, &self.bytes)
    }
}

/// A Sink, its Link's departure state and a buffer.
pub struct Subscriber {
    pub sink: Sink,
    pub departure: Departure,
}

impl Subscriber {
    pub fn new(config: SinkConfig) -> Subscriber {
        Subscriber {
            sink: Sink::new(config),
            departure: Departure::default(),
        }
    }

    pub fn forward(&mut self, packet: &Packet<'_>, now: Instant) -> Option<Sent> {
        let mut buffer = [0; 2000];
        let outgoing = self
            .sink
            .forward(packet, now, &mut self.departure, &mut buffer)?;
        Some(Sent::new(outgoing, &buffer))
    }

    /// Passes a publisher's packet through `source`.
    pub fn pass(&mut self, source: &mut Source, bytes: &[u8], now: Instant) -> Option<Sent> {
        receive(source, bytes, now, |packet| self.forward(packet, now)).flatten()
    }

    /// NACKs `sequences` and collects what is sent again.
    pub fn nack(&mut self, sources: &[&Source], sequences: &[u16], now: Instant) -> Vec<Sent> {
        let mut bytes = [0; 1200];
        let mut builder = Builder::new(&mut bytes);
        builder
            .nack(9, SINK_SSRC, sequences.iter().copied())
            .unwrap();
        for packet in rtcp::packets(builder.as_bytes()) {
            if let Ok(rtcp::Packet::Nack(nack)) = packet {
                self.sink.nack(&nack, now);
            }
        }
        let history = |id| {
            sources
                .iter()
                .find(|source| source.id() == id)
                .map(|source| source.history())
        };
        let mut buffer = [0; 2000];
        let resend = || {
            Some(Sent::new(
                self.sink
                    .resend(now, &mut self.departure, history, &mut buffer)?,
                &buffer,
            ))
        };
        std::iter::from_fn(resend).collect()
    }
}

/// What a Source sends upstream at `now`.
pub fn feedback(source: &mut Source, now: Instant) -> Vec<u8> {
    let mut bytes = [0; 1200];
    let mut builder = Builder::new(&mut bytes);
    source.write_feedback(now, OURS, &mut builder);
    builder.as_bytes().to_vec()
}

/// The sequence numbers NACKed in a datagram.
pub fn nacked(datagram: &[u8]) -> Vec<u16> {
    nacks(datagram, None)
}

/// Those of one stream.
pub fn nacked_of(datagram: &[u8], ssrc: u32) -> Vec<u16> {
    nacks(datagram, Some(ssrc))
}

fn nacks(datagram: &[u8], ssrc: Option<u32>) -> Vec<u16> {
    rtcp::packets(datagram)
        .filter_map(|packet| match packet {
            Ok(rtcp::Packet::Nack(nack)) if ssrc.is_none_or(|ssrc| ssrc == nack.media) => {
                Some(nack.sequences().collect::<Vec<_>>())
            }
            _ => None,
        })
        .flatten()
        .collect()
}

/// How many PLIs a datagram holds.
pub fn picture_losses(datagram: &[u8]) -> usize {
    rtcp::packets(datagram)
        .filter(|packet| matches!(packet, Ok(rtcp::Packet::PictureLoss { .. })))
        .count()
}

/// Those for one stream.
pub fn picture_losses_of(datagram: &[u8], ssrc: u32) -> usize {
    rtcp::packets(datagram)
        .filter(|packet| matches!(packet, Ok(rtcp::Packet::PictureLoss { media, .. }) if *media == ssrc))
        .count()
}
