//! Data channels (RFC 8831, RFC 8832) in the streams of an SCTP association.
//!
//! Channels are known by their label: of two with one label either serves. Messages for a channel that is not open yet are
//! kept, in order, up to a bound.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sctp_proto::{PayloadProtocolIdentifier as Ppid, StreamId};

use crate::dcep::{Dcep, Open};
use crate::dtls::Role;
use crate::event::ChannelSettings;
use crate::limits::Limits;
use crate::sctp::{Association, AssociationEvent};

const LONGEST_LABEL: usize = 256;

/// What happened in the channels.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ChannelEvent {
    Opened(Arc<str>),
    Message {
        label: Arc<str>,
        data: Bytes,
        binary: bool,
    },
    Dropped(Arc<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Wanted, no stream yet: SCTP is not up.
    Wanted,
    /// DATA_CHANNEL_OPEN is out.
    Opening(StreamId),
    Open(StreamId),
}

impl State {
    fn stream(self) -> Option<StreamId> {
        match self {
            Self::Wanted => None,
            Self::Opening(id) | Self::Open(id) => Some(id),
        }
    }
}

#[derive(Debug)]
struct Channel {
    label: Arc<str>,
    settings: ChannelSettings,
    state: State,
}

#[derive(Debug)]
struct Early {
    label: Arc<str>,
    data: Bytes,
    binary: bool,
}

/// All channels of one connection, over one association.
pub(crate) struct Channels {
    association: Association,
    channels: Vec<Channel>,
    early: VecDeque<Early>,
    early_bytes: usize,
    limits: Limits,
    events: VecDeque<ChannelEvent>,
}

impl Channels {
    pub(crate) fn new(role: Role, limits: Limits) -> Self {
        Self {
            association: Association::new(role, limits.message),
            channels: Vec::new(),
            early: VecDeque::new(),
            early_bytes: 0,
            limits,
            events: VecDeque::new(),
        }
    }

    /// DTLS is up.
    pub(crate) fn start(&mut self, now: Instant) {
        self.association.start();
        self.pump(now);
    }

    pub(crate) fn handle_packet(&mut self, now: Instant, bytes: &[u8]) {
        self.association.handle_packet(now, bytes);
        self.pump(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.association.handle_timeout(now);
        self.pump(now);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.association.deadline()
    }

    pub(crate) fn poll_packet(&mut self) -> Option<Bytes> {
        self.association.poll_packet()
    }

    pub(crate) fn poll_event(&mut self) -> Option<ChannelEvent> {
        self.events.pop_front()
    }

    /// Wants a channel; once per label.
    pub(crate) fn open(&mut self, now: Instant, label: &str, settings: ChannelSettings) {
        let known = self.channels.iter().any(|channel| &*channel.label == label);
        if known || label.len() > LONGEST_LABEL || self.channels.len() >= self.limits.channels {
            return;
        }
        self.channels.push(Channel {
            label: label.into(),
            settings,
            state: State::Wanted,
        });
        self.pump(now);
    }

    /// Sends, or keeps until a channel with this label is open.
    pub(crate) fn send(&mut self, now: Instant, label: &str, data: Bytes, binary: bool) {
        if data.len() > self.limits.message {
            self.events.push_back(ChannelEvent::Dropped(label.into()));
            return;
        }
        // Behind messages of this label that still wait: order.
        let waiting = self.early.iter().any(|early| &*early.label == label);
        match self.open_stream_of(label) {
            Some(stream) if !waiting => {
                self.write(stream, label, data, binary);
                self.pump(now);
            }
            _ => self.keep(label, data, binary),
        }
    }

    fn keep(&mut self, label: &str, data: Bytes, binary: bool) {
        if self.early_bytes + data.len() > self.limits.early_data
            || self.early.len() >= self.limits.early_data / 64
        {
            self.events.push_back(ChannelEvent::Dropped(label.into()));
            return;
        }
        self.early_bytes += data.len();
        self.early.push_back(Early {
            label: label.into(),
            data,
            binary,
        });
    }

    fn open_stream_of(&self, label: &str) -> Option<StreamId> {
        self.channels
            .iter()
            .find_map(|channel| match channel.state {
                State::Open(stream) if &*channel.label == label => Some(stream),
                _ => None,
            })
    }

    fn write(&mut self, stream: StreamId, label: &str, data: Bytes, binary: bool) {
        let association = &mut self.association;
        let buffered: usize = self
            .channels
            .iter()
            .filter_map(|channel| channel.state.stream())
            .map(|id| association.buffered(id))
            .sum();
        // RFC 8831 §6.6: SCTP cannot carry an empty message, so it is one zero byte under another identifier.
        let (data, ppid) = match (data.is_empty(), binary) {
            (false, true) => (data, Ppid::Binary),
            (false, false) => (data, Ppid::String),
            (true, true) => (Bytes::from_static(&[0]), Ppid::BinaryEmpty),
            (true, false) => (Bytes::from_static(&[0]), Ppid::StringEmpty),
        };
        let written = buffered + data.len() <= self.limits.channel_buffer
            && association.write(stream, &data, ppid);
        if !written {
            self.events.push_back(ChannelEvent::Dropped(label.into()));
        }
    }

    /// Moves on everything that can move: channels to open, what the association tells, packets out.
    fn pump(&mut self, now: Instant) {
        loop {
            self.open_wanted();
            let Some(event) = self.association.poll_event() else {
                break;
            };
            match event {
                AssociationEvent::Up => {
                    for id in self.association.streams() {
                        self.read(id);
                    }
                }
                AssociationEvent::Lost => self.lost(),
                AssociationEvent::Readable(id) => self.read(id),
                AssociationEvent::Finished(id) => self.finished(id),
            }
        }
        self.association.collect(now);
    }

    /// Our own channels open anew in a new association, should one come.
    fn lost(&mut self) {
        for channel in &mut self.channels {
            channel.state = State::Wanted;
        }
    }

    /// The peer closed a channel (RFC 8831 §6.7): close our half.
    fn finished(&mut self, id: StreamId) {
        self.association.close(id);
        self.channels
            .retain(|channel| channel.state.stream() != Some(id));
    }

    fn read(&mut self, id: StreamId) {
        while let Some((ppid, message)) = self.association.read(id) {
            self.received(id, ppid, message);
        }
    }

    fn received(&mut self, id: StreamId, ppid: Ppid, data: Vec<u8>) {
        let (data, binary) = match ppid {
            Ppid::Dcep => return self.dcep(id, &data),
            Ppid::String => (data, false),
            Ppid::Binary => (data, true),
            Ppid::StringEmpty => (Vec::new(), false),
            Ppid::BinaryEmpty => (Vec::new(), true),
            Ppid::Unknown => return,
        };
        // RFC 8832 §6: any message of the peer on a channel we opened says as much as its ACK.
        self.set_open(id);
        if let Some(channel) = self
            .channels
            .iter()
            .find(|channel| channel.state == State::Open(id))
        {
            self.events.push_back(ChannelEvent::Message {
                label: Arc::clone(&channel.label),
                data: data.into(),
                binary,
            });
        }
    }

    fn dcep(&mut self, id: StreamId, bytes: &[u8]) {
        match Dcep::parse(bytes) {
            Some(Dcep::Ack) => self.set_open(id),
            Some(Dcep::Open(open)) if open.label.len() <= LONGEST_LABEL => {
                self.opened_by_peer(id, open)
            }
            _ => {}
        }
    }

    fn opened_by_peer(&mut self, id: StreamId, open: Open) {
        let known = self
            .channels
            .iter()
            .any(|channel| channel.state.stream() == Some(id));
        if known {
            // A retransmission by its application, or a channel negotiated here and opened in-band there.
            self.write_dcep(id, &Dcep::Ack);
            self.set_open(id);
            return;
        }
        // Ours by the same label, not begun yet, need not begin any more.
        self.channels
            .retain(|channel| channel.state != State::Wanted || *channel.label != *open.label);
        if self.channels.len() >= self.limits.channels {
            return;
        }
        self.association.set_delivery(id, open.delivery);
        self.write_dcep(id, &Dcep::Ack);
        self.channels.push(Channel {
            label: open.label.into(),
            settings: ChannelSettings::default(),
            state: State::Opening(id),
        });
        self.set_open(id);
    }

    fn write_dcep(&mut self, id: StreamId, message: &Dcep) {
        self.association.write(id, &message.to_bytes(), Ppid::Dcep);
    }

    fn set_open(&mut self, id: StreamId) {
        let Some(channel) = self
            .channels
            .iter_mut()
            .find(|channel| channel.state == State::Opening(id))
        else {
            return;
        };
        channel.state = State::Open(id);
        let label = Arc::clone(&channel.label);
        self.events
            .push_back(ChannelEvent::Opened(Arc::clone(&label)));
        self.flush_early(id, &label);
    }

    fn flush_early(&mut self, id: StreamId, label: &str) {
        let mut kept = VecDeque::new();
        for early in std::mem::take(&mut self.early) {
            if &*early.label == label {
                self.early_bytes -= early.data.len();
                self.write(id, label, early.data, early.binary);
            } else {
                kept.push_back(early);
            }
        }
        self.early = kept;
    }

    fn open_wanted(&mut self) {
        if !self.association.is_up() {
            return;
        }
        for at in 0..self.channels.len() {
            if self.channels[at].state != State::Wanted {
                continue;
            }
            let settings = self.channels[at].settings;
            let Some(id) = self.association.open(settings.negotiated) else {
                continue;
            };
            self.channels[at].state = State::Opening(id);
            self.association.set_delivery(id, settings.into());
            if settings.negotiated.is_some() {
                self.set_open(id);
            } else {
                let open = Open {
                    label: self.channels[at].label.as_ref().to_owned(),
                    delivery: settings.into(),
                };
                self.write_dcep(id, &Dcep::Open(open));
            }
        }
    }
}
