//! Our machines as the engine drives them: a Source for each layer and one for the sound, two Sinks.

use super::publisher::{AUDIO_SSRC, LAYERS, is_rtx, layer_ssrc};
use crate::support::{
    MILLISECOND, OPUS, OURS, OUT_OPUS, OUT_RED, RED, audio_config, audio_source, source,
    video_config,
};
use meeting_forward::{Departure, HEADROOM, Outgoing, Sink, SinkConfig, Source, SourceId};
use meeting_netem::Network;
use meeting_rtp::rtcp::{self, Builder};
use meeting_rtp::{Header, Unwrapper, is_rtcp};
use std::collections::BTreeSet;
use std::time::Instant;

pub const AUDIO_SINK: u32 = 0x6000;
const AUDIO_SOURCE: SourceId = 9;

/// The numbers the video Sink has sent: each once, and which are left out so far.
#[derive(Debug, Default)]
pub struct Numbers {
    unwrapper: Unwrapper,
    pub absent: BTreeSet<u64>,
}

impl Numbers {
    fn note(&mut self, sequence: u16) {
        let before = self.unwrapper.newest();
        let sequence = self.unwrapper.unwrap(sequence);
        match before {
            Some(newest) if sequence <= newest => {
                assert!(self.absent.remove(&sequence), "{sequence} was sent twice");
            }
            Some(newest) => self.absent.extend(newest + 1..sequence),
            None => {}
        }
    }
}

pub struct Server {
    pub numbers: Numbers,
    lossy: u8,
    /// The layers, low to high, then the sound.
    pub sources: Vec<Source>,
    pub video: Sink,
    pub audio: Sink,
    departure: Departure,
    next_report: Instant,
}

impl Server {
    /// From `lossy` on (in 1/256) Sinks repair twice and repeat more.
    pub fn new(now: Instant, lossy: u8) -> Server {
        let (video, audio) = sinks(lossy);
        let layers = (0..LAYERS.len()).map(|layer| source(layer as SourceId));
        Server {
            numbers: Numbers::default(),
            lossy,
            sources: layers.chain([audio_source(AUDIO_SOURCE)]).collect(),
            video,
            audio,
            departure: Departure::default(),
            next_report: now,
        }
    }

    /// The subscriber has left, and another one come.
    pub fn join(&mut self) {
        (self.video, self.audio) = sinks(self.lossy);
        self.numbers = Numbers::default();
    }

    /// Chooses what the subscriber sees.
    pub fn show(&mut self, layer: Option<usize>, now: Instant) {
        self.video.feed(layer.map(|layer| layer as SourceId));
        self.pass_key_frame_request(now);
    }

    /// A datagram of the publisher.
    pub fn receive(&mut self, mut packet: Vec<u8>, now: Instant, down: &mut Network) {
        if is_rtcp(&packet) {
            for packet in rtcp::packets(&packet).flatten() {
                if let rtcp::Packet::SenderReport { ssrc, info, .. } = packet {
                    self.source_of(ssrc).sender_report(&info, now);
                }
            }
            return;
        }
        let header = Header::parse(&packet).unwrap();
        let repair = u32::from(is_rtx(header.payload_type));
        let mut buffer = [0; 1500 + HEADROOM];
        let ssrc = header.ssrc - repair;
        let place = if ssrc == AUDIO_SSRC {
            LAYERS.len()
        } else {
            (ssrc - layer_ssrc(0)) as usize / 0x10
        };
        let Ok(packet) = self.sources[place].receive(&mut packet, &header, now) else {
            return;
        };
        for sink in [&mut self.video, &mut self.audio] {
            if let Some(out) = sink.forward(&packet, now, &mut self.departure, &mut buffer) {
                down.send(now, &buffer[..out.len]);
                if sink.ssrc() != AUDIO_SINK {
                    self.numbers.note(out.index as u16);
                }
            }
        }
        self.pass_key_frame_request(now);
    }

    /// Feedback of the subscriber.
    pub fn feedback(&mut self, bytes: &[u8], now: Instant, down: &mut Network) {
        for packet in rtcp::packets(bytes).flatten() {
            match packet {
                rtcp::Packet::Nack(nack) => self.sink_of(nack.media).nack(&nack, now),
                rtcp::Packet::PictureLoss { media, .. } => {
                    self.sink_of(media).key_frame_requested();
                }
                rtcp::Packet::ReceiverReport { blocks, .. } => {
                    for block in blocks.iter() {
                        self.sink_of(block.ssrc).report_block(&block, now);
                    }
                }
                _ => {}
            }
        }
        self.pass_key_frame_request(now);
        self.resend(now, down);
    }

    /// What time brings.
    pub fn tick(&mut self, now: Instant, up_back: &mut Network, down: &mut Network) {
        let mut bytes = [0; 1200];
        let mut builder = Builder::new(&mut bytes);
        for source in &mut self.sources {
            if source.deadline().is_some_and(|due| due <= now) {
                source.write_feedback(now, OURS, &mut builder);
                while source.poll_event(now).is_some() {}
            }
        }
        if !builder.is_empty() {
            up_back.send(now, builder.as_bytes());
        }
        if self.next_report <= now {
            let mut builder = Builder::new(&mut bytes);
            self.video.write_report(now, &mut builder);
            self.audio.write_report(now, &mut builder);
            if !builder.is_empty() {
                down.send(now, builder.as_bytes());
            }
            self.next_report += 100 * MILLISECOND;
        }
        self.resend(now, down);
    }

    fn resend(&mut self, now: Instant, down: &mut Network) {
        let mut buffer = [0; 1500 + HEADROOM];
        let sources = &self.sources;
        let history = |id| {
            let source = sources.iter().find(|source| source.id() == id)?;
            Some(source.history())
        };
        for sink in [&mut self.video, &mut self.audio] {
            while let Some(Outgoing { len, .. }) =
                sink.resend(now, &mut self.departure, history, &mut buffer)
            {
                down.send(now, &buffer[..len]);
            }
        }
    }

    fn pass_key_frame_request(&mut self, now: Instant) {
        if let Some(layer) = self.video.take_key_frame_request() {
            self.sources[layer as usize].request_key_frame(now);
        }
    }

    fn source_of(&mut self, ssrc: u32) -> &mut Source {
        let place = match ssrc {
            AUDIO_SSRC => LAYERS.len(),
            _ => (ssrc - layer_ssrc(0)) as usize / 0x10,
        };
        &mut self.sources[place]
    }

    fn sink_of(&mut self, ssrc: u32) -> &mut Sink {
        if ssrc == AUDIO_SINK {
            &mut self.audio
        } else {
            &mut self.video
        }
    }
}

fn sinks(lossy: u8) -> (Sink, Sink) {
    let video = Sink::new(SinkConfig {
        lossy,
        ..video_config()
    });
    let mut audio = Sink::new(SinkConfig {
        ssrc: AUDIO_SINK,
        payload_types: vec![(OPUS, OUT_OPUS), (RED, OUT_RED)],
        lossy,
        ..audio_config()
    });
    audio.feed(Some(AUDIO_SOURCE));
    (video, audio)
}
