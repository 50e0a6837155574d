//! SCTP over DTLS (RFC 8261) by `sctp-proto`, and the data channels in it (RFC 8831, RFC 8832).
//!
//! The DTLS client opens the association, as browsers do; we wait. Channels are known by their label: of two with one
//! label either serves. Messages for a channel that is not open yet are kept, in order, up to a bound.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event,
    Payload, PayloadProtocolIdentifier as Ppid, ReliabilityType, ServerConfig, StreamEvent,
    StreamId, TransportConfig,
};

use crate::dcep::{Dcep, Delivery, Open, Reliability};
use crate::dtls::Role;
use crate::event::ChannelSettings;
use crate::limits::Limits;

/// The library asks for an address to tell peers apart; a DTLS connection has exactly one.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5000);
/// Time-outs fit for conversation instead of RFC 9260's one second and more.
const RTO_INITIAL_MS: u64 = 500;
const RTO_MIN_MS: u64 = 200;
const RTO_MAX_MS: u64 = 5_000;
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

/// One association with its channels.
pub(crate) struct Sctp {
    role: Role,
    transport: Arc<TransportConfig>,
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    up: bool,
    channels: Vec<Channel>,
    early: VecDeque<Early>,
    early_bytes: usize,
    limits: Limits,
    packets: VecDeque<Bytes>,
    events: VecDeque<ChannelEvent>,
}

impl Sctp {
    pub(crate) fn new(role: Role, limits: Limits) -> Self {
        let message = u32::try_from(limits.message).unwrap_or(u32::MAX);
        let transport = Arc::new(
            TransportConfig::default()
                .with_max_send_message_size(message)
                .with_max_receive_message_size(message)
                // Room for a few messages in reassembly at once.
                .with_max_receive_buffer_size(message.saturating_mul(4).max(1 << 20))
                .with_rto_initial_ms(RTO_INITIAL_MS)
                .with_rto_min_ms(RTO_MIN_MS)
                .with_rto_max_ms(RTO_MAX_MS)
                .with_max_init_retransmits(None),
        );
        Self {
            role,
            endpoint: new_endpoint(&transport),
            transport,
            association: None,
            up: false,
            channels: Vec::new(),
            early: VecDeque::new(),
            early_bytes: 0,
            limits,
            packets: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// DTLS is up: the active side begins.
    pub(crate) fn start(&mut self, now: Instant) {
        if self.role == Role::Active && self.association.is_none() {
            let mut config = ClientConfig::new();
            config.transport = Arc::clone(&self.transport);
            if let Ok(association) = self.endpoint.connect(config, PEER) {
                self.endpoint.reject_new_associations();
                self.association = Some(association);
            }
            self.pump(now);
        }
    }

    pub(crate) fn handle_packet(&mut self, now: Instant, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        match self.endpoint.handle(now, PEER, None, None, bytes) {
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                // One is all a peer needs; more would only be memory.
                self.endpoint.reject_new_associations();
                self.association.get_or_insert((handle, association));
            }
            Some((handle, DatagramEvent::AssociationEvent(event))) => {
                if let Some((ours, association)) = &mut self.association
                    && *ours == handle
                {
                    association.handle_event(event);
                }
            }
            None => {}
        }
        self.pump(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some((_, association)) = &mut self.association {
            association.handle_timeout(now);
            self.pump(now);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.association.as_ref()?.1.poll_timeout()
    }

    pub(crate) fn poll_packet(&mut self) -> Option<Bytes> {
        self.packets.pop_front()
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
        let Some((_, association)) = &mut self.association else {
            return;
        };
        let buffered: usize = self
            .channels
            .iter()
            .filter_map(|channel| match channel.state {
                State::Open(id) | State::Opening(id) => Some(id),
                State::Wanted => None,
            })
            .filter_map(|id| association.stream(id).ok()?.buffered_amount().ok())
            .sum();
        // RFC 8831 §6.6: SCTP cannot carry an empty message, so it is one zero byte under another identifier.
        let (data, ppid) = match (data.is_empty(), binary) {
            (false, true) => (data, Ppid::Binary),
            (false, false) => (data, Ppid::String),
            (true, true) => (Bytes::from_static(&[0]), Ppid::BinaryEmpty),
            (true, false) => (Bytes::from_static(&[0]), Ppid::StringEmpty),
        };
        let written = buffered + data.len() <= self.limits.channel_buffer
            && association
                .stream(stream)
                .and_then(|mut stream| stream.write_sctp(&data, ppid))
                .is_ok();
        if !written {
            self.events.push_back(ChannelEvent::Dropped(label.into()));
        }
    }

    /// Moves on everything that can move: events of the library, channels to open, packets out.
    fn pump(&mut self, now: Instant) {
        loop {
            self.open_wanted();
            let Some((handle, association)) = &mut self.association else {
                return;
            };
            while let Some(event) = association.poll_endpoint_event() {
                if let Some(event) = self.endpoint.handle_event(*handle, event) {
                    association.handle_event(event);
                }
            }
            if let Some(event) = association.poll() {
                self.take(event);
                continue;
            }
            while let Some(transmit) = association.poll_transmit(now) {
                if let Payload::RawEncode(packets) = transmit.payload {
                    self.packets.extend(packets);
                }
            }
            return;
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected(),
            Event::HandshakeFailed { .. } | Event::AssociationLost { .. } => self.lost(),
            Event::Stream(StreamEvent::Opened { .. }) => {
                if let Some((_, association)) = &mut self.association {
                    while association.accept_stream().is_some() {}
                }
            }
            // DATA may overtake the COOKIE-ACK; nothing can be answered before that.
            Event::Stream(StreamEvent::Readable { id }) if self.up => self.read(id),
            Event::Stream(StreamEvent::Finished { id }) => self.finished(id),
            _ => {}
        }
    }

    fn connected(&mut self) {
        self.up = true;
        let early = match &self.association {
            Some((_, association)) => association.stream_ids(),
            None => Vec::new(),
        };
        for id in early {
            self.read(id);
        }
    }

    /// The peer's SCTP gave up; media goes on. A new association may come, and our own channels open in it anew.
    fn lost(&mut self) {
        self.association = None;
        self.up = false;
        self.endpoint = new_endpoint(&self.transport);
        for channel in &mut self.channels {
            channel.state = State::Wanted;
        }
    }

    /// The peer closed a channel (RFC 8831 §6.7): close our half.
    fn finished(&mut self, id: StreamId) {
        if let Some((_, association)) = &mut self.association
            && let Ok(mut stream) = association.stream(id)
        {
            let _ = stream.close();
        }
        self.channels.retain(
            |channel| !matches!(channel.state, State::Opening(at) | State::Open(at) if at == id),
        );
    }

    fn read(&mut self, id: StreamId) {
        while let Some((_, association)) = &mut self.association {
            let Ok(mut stream) = association.stream(id) else {
                return;
            };
            let Ok(Some(chunks)) = stream.read_sctp() else {
                return;
            };
            let mut data = vec![0; chunks.len()];
            if chunks.read(&mut data).is_err() {
                return;
            }
            self.received(id, chunks.ppi, data);
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
        let known = self.channels.iter().any(
            |channel| matches!(channel.state, State::Opening(at) | State::Open(at) if at == id),
        );
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
        self.set_delivery(id, open.delivery);
        self.write_dcep(id, &Dcep::Ack);
        self.channels.push(Channel {
            label: open.label.into(),
            settings: ChannelSettings::default(),
            state: State::Opening(id),
        });
        self.set_open(id);
    }

    fn set_delivery(&mut self, id: StreamId, delivery: Delivery) {
        let (kind, value) = match delivery.reliability {
            Reliability::Full => (ReliabilityType::Reliable, 0),
            Reliability::Retransmits(n) => (ReliabilityType::Rexmit, n),
            Reliability::Milliseconds(n) => (ReliabilityType::Timed, n),
        };
        if let Some((_, association)) = &mut self.association
            && let Ok(mut stream) = association.stream(id)
        {
            let _ = stream.set_reliability_params(!delivery.ordered, kind, value);
        }
    }

    fn write_dcep(&mut self, id: StreamId, message: &Dcep) {
        if let Some((_, association)) = &mut self.association
            && let Ok(mut stream) = association.stream(id)
        {
            let _ = stream.write_with_ppi(&message.to_bytes(), Ppid::Dcep);
        }
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
        if !self.up {
            return;
        }
        for at in 0..self.channels.len() {
            if self.channels[at].state != State::Wanted {
                continue;
            }
            let Some((_, association)) = &mut self.association else {
                return;
            };
            let settings = self.channels[at].settings;
            let id = match settings.negotiated {
                Some(id) => id,
                None => match free_stream(association, self.role) {
                    Some(id) => id,
                    None => return,
                },
            };
            if association.stream(id).is_err() && association.open_stream(id, Ppid::Binary).is_err()
            {
                continue;
            }
            self.channels[at].state = State::Opening(id);
            self.set_delivery(id, settings.into());
            if settings.negotiated.is_some() {
                self.set_open(id);
            } else {
                let label = self.channels[at].label.as_ref().to_owned();
                self.write_dcep(
                    id,
                    &Dcep::Open(Open {
                        label,
                        delivery: settings.into(),
                    }),
                );
            }
        }
    }
}

fn new_endpoint(transport: &Arc<TransportConfig>) -> Endpoint {
    let mut server = ServerConfig::new();
    server.transport = Arc::clone(transport);
    Endpoint::new(Arc::new(EndpointConfig::new()), Some(Arc::new(server)))
}

/// RFC 8832 §6: the DTLS client takes even streams, the DTLS server odd ones.
fn free_stream(association: &Association, role: Role) -> Option<StreamId> {
    let used: BTreeSet<StreamId> = association.stream_ids().into_iter().collect();
    let first = match role {
        Role::Active => 0,
        Role::Passive => 1,
    };
    (first..u16::MAX).step_by(2).find(|id| !used.contains(id))
}
