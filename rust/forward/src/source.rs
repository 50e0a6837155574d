//! One encoding of a published track, as it arrives.

use crate::clock::SenderClock;
use crate::key_frame::KeyFrameRequests;
use crate::level::Level;
use crate::loss::Losses;
use crate::reception::Role;
use crate::tracker::{Placed, REPORT_INTERVAL, Tracker};
use crate::volume::Volume;
use crate::{Feed, History, Kind, Packet, Reception, SourceId};
use meeting_rtp::rtcp::{Builder, SenderInfo};
use meeting_rtp::{Header, rtx};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A video Source from which nothing came for so long has stopped.
const STOPPED: Duration = Duration::from_secs(2);

/// What a Source is to be.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Its name.
    pub id: SourceId,
    /// Audio or video.
    pub kind: Kind,
    /// Names the publisher: Sources of one origin share a wall clock.
    pub origin: u64,
    /// How long packets are kept for NACKs, and how long a lost one is asked for.
    pub keep: Duration,
    /// Bytes kept at most, whatever the bitrate.
    pub most_bytes: usize,
}

impl SourceConfig {
    /// With the usual bounds: a second, 4 MiB.
    pub fn new(id: SourceId, kind: Kind, origin: u64) -> SourceConfig {
        SourceConfig {
            id,
            kind,
            origin,
            keep: Duration::from_secs(1),
            most_bytes: 4 << 20,
        }
    }
}

/// Why a packet goes no further. Counted in [`SourceStatistics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// Malformed after decryption: its padding, say.
    Malformed,
    /// A payload type that was not agreed.
    UnknownPayloadType,
    /// Came before (a repair that was not needed), or too late to tell.
    Duplicate,
    /// A retransmission packet that repeats nothing: bandwidth probing.
    Probe,
    /// A repair of a stream of which nothing has come yet.
    NothingToRepair,
    /// Far from the stream's other sequence numbers; the next one tells whether it begins anew there.
    Astray,
}

/// What happened to a Source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceEvent {
    /// Packets come: the first one, or the first after [`SourceEvent::Stopped`].
    Started {
        /// The publisher's SSRC.
        ssrc: u32,
    },
    /// Nothing came for 2 s (video only: audio may be silent).
    Stopped,
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceStatistics {
    /// Packets handed out.
    pub packets: u64,
    /// Their bytes, headers included.
    pub bytes: u64,
    /// Packets ignored, whatever the reason.
    pub ignored: u64,
    /// Times a missing packet was asked for.
    pub asked: u64,
    /// Missing packets that came after having been asked for.
    pub repaired: u64,
    /// Missing packets no longer asked for.
    pub given_up: u64,
    /// Key frames that began.
    pub key_frames: u64,
    /// Key-frame requests sent.
    pub key_frame_requests: u64,
    /// Share lost, in 1/256, as the last receiver report said: before repair.
    pub fraction_lost: u8,
}

/// See the module's text.
#[derive(Debug)]
pub struct Source {
    config: SourceConfig,
    reception: Arc<Reception>,
    ssrc: Option<u32>,
    epoch: u32,
    tracker: Tracker,
    losses: Losses,
    key_frames: KeyFrameRequests,
    history: History,
    level: Level,
    volume: Volume,
    /// The timestamp of the newest packet.
    picture: Option<u32>,
    sender_clock: Option<SenderClock>,
    nack: bool,
    pli: bool,
    report_due: Option<Instant>,
    last_packet: Option<Instant>,
    running: bool,
    event: Option<SourceEvent>,
    statistics: SourceStatistics,
}

impl Source {
    /// A Source from which nothing has come yet.
    pub fn new(config: SourceConfig, reception: Arc<Reception>) -> Source {
        Source {
            ssrc: None,
            epoch: 0,
            tracker: Tracker::default(),
            losses: Losses::new(config.keep),
            key_frames: KeyFrameRequests::default(),
            history: History::new(config.id, config.keep, config.most_bytes, reception.clone()),
            level: Level::default(),
            volume: Volume::default(),
            picture: None,
            sender_clock: None,
            nack: false,
            pli: false,
            report_due: None,
            last_packet: None,
            running: false,
            event: None,
            statistics: SourceStatistics::default(),
            config,
            reception,
        }
    }

    /// Takes what the Link has newly agreed to receive.
    pub fn configure(&mut self, reception: Arc<Reception>) {
        self.history.configure(reception.clone());
        self.reception = reception;
    }

    /// Its name.
    pub fn id(&self) -> SourceId {
        self.config.id
    }

    /// Audio or video.
    pub fn kind(&self) -> Kind {
        self.config.kind
    }

    /// The publisher's SSRC, once a packet came.
    pub fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    /// What Sinks answer NACKs from.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Takes a clear packet of this Source, media or RTX (restored in place); the result is to be given to the Sinks.
    pub fn receive<'a>(
        &mut self,
        packet: &'a mut [u8],
        header: &Header,
        now: Instant,
    ) -> Result<Packet<'a>, Ignored> {
        let received = self.accept(packet, header, now);
        if received.is_err() {
            self.statistics.ignored += 1;
        }
        received
    }

    fn accept<'a>(
        &mut self,
        packet: &'a mut [u8],
        header: &Header,
        now: Instant,
    ) -> Result<Packet<'a>, Ignored> {
        let (header, bytes, repair) = match self.reception.role(header.payload_type) {
            Role::Unknown => return Err(Ignored::UnknownPayloadType),
            Role::Media(_) => {
                let end = header.len
                    + header
                        .payload(packet)
                        .map_err(|_| Ignored::Malformed)?
                        .len();
                packet[0] &= !0x20; // the padding is cut off
                let mut header = *header;
                header.padded = false;
                (header, &packet[..end], false)
            }
            Role::Retransmission(place) => {
                let ssrc = self.ssrc.ok_or(Ignored::NothingToRepair)?;
                let codec = self
                    .reception
                    .codec(place)
                    .ok_or(Ignored::UnknownPayloadType)?;
                let (header, end) = rtx::restore(packet, header, codec.payload_type, ssrc)
                    .map_err(|_| Ignored::Malformed)?
                    .ok_or(Ignored::Probe)?;
                (header, &packet[rtx::OSN..end], true)
            }
        };
        let placed = if repair || self.ssrc == Some(header.ssrc) {
            self.tracker.place(header.ssrc, header.sequence)
        } else {
            self.tracker.restart(header.ssrc, header.sequence)
        };
        let (sequence, late) = match placed {
            Placed::Duplicate => return Err(Ignored::Duplicate),
            Placed::Astray => return Err(Ignored::Astray),
            Placed::Restart { sequence } => {
                if self.ssrc.replace(header.ssrc).is_some() {
                    self.epoch += 1;
                    self.losses.clear();
                    self.sender_clock = None;
                }
                (sequence, false)
            }
            Placed::Newest { sequence, missing } => {
                if missing > 0 && self.nack && !self.losses.skipped(sequence, missing, now) {
                    self.request_key_frame(now);
                }
                (sequence, false)
            }
            Placed::Late { sequence } => {
                self.losses.arrived(sequence, now);
                (sequence, true)
            }
        };
        let feed = Feed {
            source: self.config.id,
            epoch: self.epoch,
        };
        let (packet, attached) = Packet::describe(
            feed,
            sequence,
            header,
            bytes,
            &self.reception,
            self.sender_clock,
            self.history.structure(sequence),
        );
        if let Some(structure) = attached {
            let from = if late {
                self.tracker.newest() + 1
            } else {
                sequence
            };
            self.history.learn(from, structure);
        }
        self.note(&packet, repair, late, now);
        Ok(packet)
    }

    /// Bookkeeping for a packet that is handed out.
    fn note(&mut self, packet: &Packet<'_>, repair: bool, late: bool, now: Instant) {
        if let Role::Media(place) = self.reception.role(packet.header.payload_type)
            && let Some(codec) = self.reception.codec(place)
        {
            self.nack = codec.nack;
            self.pli = codec.pli;
        }
        if !repair {
            self.tracker
                .received(now, packet.header.timestamp, packet.clock_rate);
        }
        if packet.starts_decoding && self.config.kind == Kind::Video {
            self.key_frames.arrived();
            self.statistics.key_frames += 1;
        }
        if !late && let Some((_, level)) = packet.extensions.audio_level(packet.bytes) {
            self.level.update(level, now);
        }
        if !self.running {
            self.running = true;
            self.event = self.ssrc.map(|ssrc| SourceEvent::Started { ssrc });
        }
        self.history
            .insert(packet.sequence, self.epoch, packet.bytes, now);
        self.last_packet = Some(now);
        if self.report_due.is_none() {
            self.report_due = Some(now + REPORT_INTERVAL);
        }
        let timestamp = packet.header.timestamp;
        let begins = !late && self.picture.replace(timestamp) != Some(timestamp);
        self.volume.note(packet, begins);
        self.statistics.packets += 1;
        self.statistics.bytes += packet.bytes.len() as u64;
    }

    /// Takes the publisher's sender report for this SSRC.
    pub fn sender_report(&mut self, info: &SenderInfo, now: Instant) {
        self.sender_clock = Some(SenderClock::new(self.config.origin, info, now));
    }

    /// A Sink (or somebody above) needs a key frame. Merged with other wishes, at most one message every 500 ms, repeated
    /// until a key frame comes. Nothing happens for audio.
    pub fn request_key_frame(&mut self, now: Instant) {
        if self.config.kind == Kind::Video {
            self.key_frames.request(now);
        }
    }

    /// Writes what is due upstream: NACK, PLI or FIR, RR. `sender` is the SSRC we send RTCP under. What does not fit stays due.
    pub fn write_feedback(&mut self, now: Instant, sender: u32, out: &mut Builder<'_>) {
        let Some(media) = self.ssrc else { return };
        if self.report_due.is_some_and(|due| due <= now) {
            let last_report = self.sender_clock.map(|clock| clock.last_report(now));
            // a report that does not fit is left to the next interval
            if let Some(block) = self.tracker.report(last_report) {
                let _ = out.receiver_report(sender, &[block]);
                self.statistics.fraction_lost = block.fraction_lost;
            }
            // without packets the next one starts the interval again
            self.report_due = None;
        }
        if self.is_running(now) {
            self.key_frames.write(now, sender, media, self.pli, out);
        }
        self.losses.write(now, sender, media, out);
    }

    /// What happened since the last call, and whether the stream has stopped by `now`.
    pub fn poll_event(&mut self, now: Instant) -> Option<SourceEvent> {
        if let Some(event) = self.event.take() {
            return Some(event);
        }
        if self.running && !self.is_running(now) {
            self.running = false;
            return Some(SourceEvent::Stopped);
        }
        None
    }

    /// When to call [`Source::write_feedback`] and [`Source::poll_event`] next.
    pub fn deadline(&self) -> Option<Instant> {
        let stops = (self.running && self.config.kind == Kind::Video)
            .then_some(self.last_packet)
            .flatten()
            .map(|last| last + STOPPED);
        // nobody answers a request while nothing comes; it goes out when the stream is back
        let key_frame = self.key_frames.deadline().filter(|_| self.running);
        [self.losses.deadline(), key_frame, self.report_due, stops]
            .into_iter()
            .flatten()
            .min()
    }

    /// How loud who speaks into this Source is, in −dBov (0 loud); 127 when nobody does.
    pub fn audio_level(&self, now: Instant) -> u8 {
        self.level.at(now)
    }

    /// Counters since the start, by layer.
    pub fn volume(&self) -> &Volume {
        &self.volume
    }

    /// Counters since the start.
    pub fn statistics(&self) -> SourceStatistics {
        SourceStatistics {
            asked: self.losses.asked,
            repaired: self.losses.repaired,
            given_up: self.losses.given_up,
            key_frame_requests: self.key_frames.count,
            ..self.statistics
        }
    }

    fn is_running(&self, now: Instant) -> bool {
        let recent = |last| now.saturating_duration_since(last) < STOPPED;
        self.config.kind == Kind::Audio || self.last_packet.is_some_and(recent)
    }
}
