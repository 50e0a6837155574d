//! SCTP over DTLS (RFC 8261) by `sctp-proto`: one association with its streams. What goes in the streams is the channels' affair.
//!
//! The DTLS client opens the association, as browsers do; we wait. After a loss another may begin.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sctp_proto::{
    AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier as Ppid, ReliabilityType, ServerConfig, Stream, StreamEvent,
    StreamId, TransportConfig,
};

use crate::dcep::{Delivery, Reliability};
use crate::dtls::Role;

/// The library asks for an address to tell peers apart; a DTLS connection has exactly one.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5000);
/// Time-outs fit for conversation instead of RFC 9260's one second and more.
const RTO_INITIAL_MS: u64 = 500;
const RTO_MIN_MS: u64 = 200;
const RTO_MAX_MS: u64 = 5_000;

/// What happened to the association or in its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AssociationEvent {
    /// Streams can be opened and written.
    Up,
    /// The peer's SCTP gave up, and all streams are gone. Media goes on, and a new association may come.
    Lost,
    /// There is something to [`Association::read`].
    Readable(StreamId),
    /// The peer closed its half.
    Finished(StreamId),
}

/// An association that may not have begun yet.
pub(crate) struct Association {
    role: Role,
    transport: Arc<TransportConfig>,
    endpoint: Endpoint,
    inner: Option<(AssociationHandle, sctp_proto::Association)>,
    up: bool,
    packets: VecDeque<Bytes>,
}

impl Association {
    /// Messages are of at most `message` bytes, both ways.
    pub(crate) fn new(role: Role, message: usize) -> Self {
        let message = u32::try_from(message).unwrap_or(u32::MAX);
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
            inner: None,
            up: false,
            packets: VecDeque::new(),
        }
    }

    /// DTLS is up: the active side begins.
    pub(crate) fn start(&mut self) {
        if self.role == Role::Active && self.inner.is_none() {
            let mut config = ClientConfig::new();
            config.transport = Arc::clone(&self.transport);
            if let Ok(association) = self.endpoint.connect(config, PEER) {
                self.endpoint.reject_new_associations();
                self.inner = Some(association);
            }
        }
    }

    pub(crate) fn handle_packet(&mut self, now: Instant, bytes: &[u8]) {
        let bytes = Bytes::copy_from_slice(bytes);
        match self.endpoint.handle(now, PEER, None, None, bytes) {
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                // One is all a peer needs; more would only be memory.
                self.endpoint.reject_new_associations();
                self.inner.get_or_insert((handle, association));
            }
            Some((handle, DatagramEvent::AssociationEvent(event))) => {
                if let Some((ours, association)) = &mut self.inner
                    && *ours == handle
                {
                    association.handle_event(event);
                }
            }
            None => {}
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some((_, association)) = &mut self.inner {
            association.handle_timeout(now);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.inner.as_ref()?.1.poll_timeout()
    }

    /// What happened next. To be emptied after each call that may have moved something, then [`Association::collect`].
    pub(crate) fn poll_event(&mut self) -> Option<AssociationEvent> {
        loop {
            let (handle, association) = self.inner.as_mut()?;
            while let Some(event) = association.poll_endpoint_event() {
                if let Some(event) = self.endpoint.handle_event(*handle, event) {
                    association.handle_event(event);
                }
            }
            match association.poll()? {
                Event::Connected => {
                    self.up = true;
                    return Some(AssociationEvent::Up);
                }
                Event::HandshakeFailed { .. } | Event::AssociationLost { .. } => {
                    self.inner = None;
                    self.up = false;
                    self.endpoint = new_endpoint(&self.transport);
                    return Some(AssociationEvent::Lost);
                }
                Event::Stream(StreamEvent::Opened { .. }) => {
                    while association.accept_stream().is_some() {}
                }
                // DATA may overtake the COOKIE-ACK; nothing can be answered before that.
                Event::Stream(StreamEvent::Readable { id }) if self.up => {
                    return Some(AssociationEvent::Readable(id));
                }
                Event::Stream(StreamEvent::Finished { id }) => {
                    return Some(AssociationEvent::Finished(id));
                }
                _ => {}
            }
        }
    }

    /// Makes packets of what waits to be sent.
    pub(crate) fn collect(&mut self, now: Instant) {
        let Some((_, association)) = &mut self.inner else {
            return;
        };
        while let Some(transmit) = association.poll_transmit(now) {
            if let Payload::RawEncode(packets) = transmit.payload {
                self.packets.extend(packets);
            }
        }
    }

    pub(crate) fn poll_packet(&mut self) -> Option<Bytes> {
        self.packets.pop_front()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    /// The streams there are.
    pub(crate) fn streams(&self) -> Vec<StreamId> {
        match &self.inner {
            Some((_, association)) => association.stream_ids(),
            None => Vec::new(),
        }
    }

    /// Opens the stream `wanted`, or a free one; says which. It may be open already.
    pub(crate) fn open(&mut self, wanted: Option<StreamId>) -> Option<StreamId> {
        let role = self.role;
        let (_, association) = self.inner.as_mut()?;
        let id = wanted.or_else(|| free_stream(association, role))?;
        let opened =
            association.stream(id).is_ok() || association.open_stream(id, Ppid::Binary).is_ok();
        opened.then_some(id)
    }

    pub(crate) fn set_delivery(&mut self, id: StreamId, delivery: Delivery) {
        let (kind, value) = match delivery.reliability {
            Reliability::Full => (ReliabilityType::Reliable, 0),
            Reliability::Retransmits(n) => (ReliabilityType::Rexmit, n),
            Reliability::Milliseconds(n) => (ReliabilityType::Timed, n),
        };
        if let Some(mut stream) = self.stream(id) {
            let _ = stream.set_reliability_params(!delivery.ordered, kind, value);
        }
    }

    /// Bytes that wait in a stream.
    pub(crate) fn buffered(&mut self, id: StreamId) -> usize {
        self.stream(id)
            .and_then(|stream| stream.buffered_amount().ok())
            .unwrap_or(0)
    }

    /// Sends one message; `false` when it cannot be taken.
    pub(crate) fn write(&mut self, id: StreamId, message: &[u8], ppid: Ppid) -> bool {
        self.stream(id)
            .is_some_and(|mut stream| stream.write_with_ppi(message, ppid).is_ok())
    }

    /// The next message of a stream.
    pub(crate) fn read(&mut self, id: StreamId) -> Option<(Ppid, Vec<u8>)> {
        let chunks = self.stream(id)?.read_sctp().ok()??;
        let mut message = vec![0; chunks.len()];
        chunks.read(&mut message).ok()?;
        Some((chunks.ppi, message))
    }

    /// Closes our half of a stream.
    pub(crate) fn close(&mut self, id: StreamId) {
        if let Some(mut stream) = self.stream(id) {
            let _ = stream.close();
        }
    }

    fn stream(&mut self, id: StreamId) -> Option<Stream<'_>> {
        self.inner.as_mut()?.1.stream(id).ok()
    }
}

fn new_endpoint(transport: &Arc<TransportConfig>) -> Endpoint {
    let mut server = ServerConfig::new();
    server.transport = Arc::clone(transport);
    Endpoint::new(Arc::new(EndpointConfig::new()), Some(Arc::new(server)))
}

/// RFC 8832 §6: the DTLS client takes even streams, the DTLS server odd ones.
fn free_stream(association: &sctp_proto::Association, role: Role) -> Option<StreamId> {
    let used: BTreeSet<StreamId> = association.stream_ids().into_iter().collect();
    let first = match role {
        Role::Active => 0,
        Role::Passive => 1,
    };
    (first..u16::MAX).step_by(2).find(|id| !used.contains(id))
}
