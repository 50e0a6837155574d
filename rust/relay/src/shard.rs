//! Everything one thread relays, without its sockets.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use meeting_stun::{
    ChannelData, Class, Message, Method, Writer, attribute as kinds, write_channel_header,
};

use crate::allocation::{Allocation, Ports};
use crate::front::{Front, Reception};
use crate::{Cause, Counters, Now};

/// Room a received peer packet needs in front: a Data indication's header and its IPv6 peer address take 48 bytes.
pub const HEADROOM: usize = 64;
/// Room it needs behind: padding.
pub const TAILROOM: usize = 3;

const SEND: [u16; 2] = [kinds::XOR_PEER_ADDRESS, kinds::DATA];

/// Where a client is: one end and, as the listener's index, the other end of its 5-tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// Which of our listening addresses it talks to.
    pub listener: u8,
    /// Its address, as we see it.
    pub address: SocketAddr,
}

/// What a shard is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// REALM of the challenges.
    pub realm: String,
    /// Random, the same for all shards.
    pub nonce_key: [u8; 32],
    /// Seconds a nonce is good for, 3600 at most.
    pub nonce_lifetime: u32,
    /// Error answers a source may get in a second before it is authenticated.
    pub challenges_per_second: u32,
    /// Requests with credentials that are handed up for a source in a second.
    pub requests_per_second: u32,
}

/// What the control side decides. Lifetimes are in milliseconds from now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are RFC 8656's")]
pub enum Command {
    /// A relay socket was opened for this client.
    Allocate {
        id: u64,
        client: Client,
        lifetime: u64,
    },
    /// The allocation lives on.
    Refresh { id: u64, lifetime: u64 },
    /// Packets from and to these ports of this address may pass.
    Permit {
        id: u64,
        peer: IpAddr,
        ports: Ports,
        lifetime: u64,
    },
    /// The peer gets a channel number.
    Bind {
        id: u64,
        channel: u16,
        peer: SocketAddr,
        lifetime: u64,
    },
    /// The allocation ends.
    Delete { id: u64 },
}

/// What a command means for the sockets. A slot is a small number that names an allocation's relay socket while it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// The relay socket of this allocation is to be watched as `slot`.
    Opened(usize),
    /// The relay socket watched as `slot` is to be closed.
    Closed(usize),
}

/// What to do about a client's packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAction {
    /// Nothing; it is counted.
    Nothing,
    /// Send this part of the packet to the peer from the relay socket of `slot`.
    Relay {
        /// The allocation's slot.
        slot: usize,
        /// Where to.
        peer: SocketAddr,
        /// Which part.
        data: Range<usize>,
    },
    /// Send so many bytes of `out` back.
    Answer(usize),
    /// Hand the packet up: a TURN request with credentials and a fresh nonce.
    Request,
}

/// What to do about a peer's packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerAction {
    /// Nothing; it is counted.
    Nothing,
    /// Send this part of the buffer to the client from its listener's socket.
    Send {
        /// Where to.
        client: Client,
        /// Which part.
        data: Range<usize>,
    },
}

/// The machine of one thread.
#[derive(Debug)]
pub struct Shard {
    front: Front,
    slots: Vec<Option<Allocation>>,
    free: Vec<usize>,
    by_client: HashMap<Client, usize>,
    by_id: HashMap<u64, usize>,
    indications: u64,
    /// What happened so far; the sockets' owner counts there what the kernel refused.
    pub counters: Counters,
}

impl Shard {
    /// A shard without allocations.
    pub fn new(settings: &Settings) -> Self {
        Self {
            front: Front::new(settings),
            slots: Vec::new(),
            free: Vec::new(),
            by_client: HashMap::new(),
            by_id: HashMap::new(),
            indications: 0,
            counters: Counters::default(),
        }
    }

    /// A datagram from a client; `out` takes an answer and needs 128 bytes more than the packet has.
    pub fn client_packet(
        &mut self,
        now: Now,
        client: &Client,
        packet: &[u8],
        out: &mut [u8],
    ) -> ClientAction {
        match packet.first() {
            Some(0x40..=0x7F) => self.channel_data(now, client, packet),
            Some(0..=3) => match Message::parse(packet) {
                Ok(message) if !message.verify_fingerprint().is_forged() => {
                    self.message(now, client, &message, out)
                }
                _ => self.dropped(Cause::Malformed),
            },
            _ => self.dropped(Cause::Malformed),
        }
    }

    fn message(
        &mut self,
        now: Now,
        client: &Client,
        message: &Message<'_>,
        out: &mut [u8],
    ) -> ClientAction {
        match (message.class(), message.method()) {
            (Class::Request, _) => {
                match self
                    .front
                    .receive(now, client, message, out, &mut self.counters)
                {
                    Reception::Answer(size) => ClientAction::Answer(size),
                    Reception::Pass => ClientAction::Request,
                    Reception::Drop(cause) => self.dropped(cause),
                }
            }
            (Class::Indication, Method::SEND) => self.send_indication(now, client, message),
            // A keep-alive (RFC 8445 §11).
            (Class::Indication, Method::BINDING) => ClientAction::Nothing,
            _ => self.dropped(Cause::Malformed),
        }
    }

    /// RFC 8656 §11.2.
    fn send_indication(
        &mut self,
        now: Now,
        client: &Client,
        message: &Message<'_>,
    ) -> ClientAction {
        let Some((slot, allocation)) = self.of_client(now, client) else {
            return self.dropped(Cause::NoAllocation);
        };
        let (Some(peer), Some(data)) = (
            message.xor_address(kinds::XOR_PEER_ADDRESS),
            message.value(kinds::DATA),
        ) else {
            return self.dropped(Cause::Malformed);
        };
        if message.unknown_required(&SEND).next().is_some() {
            return self.dropped(Cause::Malformed);
        }
        if !allocation.permits(now, peer) {
            return self.dropped(Cause::NoPermission);
        }
        let begin = data.as_ptr().addr() - message.bytes().as_ptr().addr();
        self.relay(slot, peer, begin..begin + data.len())
    }

    /// RFC 8656 §12.6.
    fn channel_data(&mut self, now: Now, client: &Client, packet: &[u8]) -> ClientAction {
        let Some(message) = ChannelData::parse(packet) else {
            return self.dropped(Cause::Malformed);
        };
        let Some((slot, allocation)) = self.of_client(now, client) else {
            return self.dropped(Cause::NoAllocation);
        };
        let Some(peer) = allocation.peer_of(now, message.channel) else {
            return self.dropped(Cause::NoChannel);
        };
        if !allocation.permits(now, peer) {
            return self.dropped(Cause::NoPermission);
        }
        self.relay(slot, peer, 4..4 + message.data.len())
    }

    fn relay(&mut self, slot: usize, peer: SocketAddr, data: Range<usize>) -> ClientAction {
        self.counters.to_peers += 1;
        self.counters.to_peers_bytes += data.len() as u64;
        ClientAction::Relay { slot, peer, data }
    }

    /// A datagram from a peer: `length` bytes at [`HEADROOM`] of `buffer`, with [`TAILROOM`] behind them. Header and
    /// padding are written around it, so that it is not moved (RFC 8656 §11.3, §12.7).
    pub fn peer_packet(
        &mut self,
        now: Now,
        slot: usize,
        peer: SocketAddr,
        buffer: &mut [u8],
        length: usize,
    ) -> PeerAction {
        let Some(allocation) = self
            .slots
            .get(slot)
            .and_then(Option::as_ref)
            .filter(|allocation| allocation.until > now)
        else {
            return self.dropped_from_peer(Cause::NoAllocation);
        };
        if !allocation.permits(now, peer) {
            return self.dropped_from_peer(Cause::NoPermission);
        }
        let client = allocation.client;
        let written = match allocation.channel_of(now, peer) {
            Some(channel) => write_channel(channel, buffer, length),
            None => {
                self.indications += 1;
                write_indication(self.indications, peer, buffer, length)
            }
        };
        let Some(data) = written else {
            return self.dropped_from_peer(Cause::Oversized);
        };
        self.counters.to_clients += 1;
        self.counters.to_clients_bytes += length as u64;
        PeerAction::Send { client, data }
    }

    /// Carries out what the control side decided. Commands for an allocation that has gone do nothing and are counted.
    pub fn command(&mut self, now: Now, command: Command) -> Effect {
        let id = match command {
            Command::Allocate {
                id,
                client,
                lifetime,
            } => return self.allocate(id, client, now + lifetime),
            Command::Refresh { id, .. }
            | Command::Permit { id, .. }
            | Command::Bind { id, .. }
            | Command::Delete { id } => id,
        };
        let Some(&slot) = self.by_id.get(&id) else {
            self.counters.drop(Cause::Late);
            return Effect::None;
        };
        let Some(allocation) = self.slots[slot].as_mut() else {
            return Effect::None;
        };
        match command {
            Command::Refresh { lifetime, .. } => allocation.until = now + lifetime,
            Command::Permit {
                peer,
                ports,
                lifetime,
                ..
            } => allocation.permit(peer, ports, now + lifetime),
            Command::Bind {
                channel,
                peer,
                lifetime,
                ..
            } => allocation.bind(channel, peer, now + lifetime),
            Command::Delete { .. } => return self.close(slot),
            Command::Allocate { .. } => {}
        }
        Effect::None
    }

    /// The control side deletes a client's allocation before it makes another; should it not, the old one stays served by
    /// its socket towards nobody until it expires.
    fn allocate(&mut self, id: u64, client: Client, until: Now) -> Effect {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(Allocation::new(id, client, until));
        self.by_client.insert(client, slot);
        self.by_id.insert(id, slot);
        self.counters.allocations += 1;
        Effect::Opened(slot)
    }

    fn close(&mut self, slot: usize) -> Effect {
        let Some(allocation) = self.slots[slot].take() else {
            return Effect::None;
        };
        if self.by_client.get(&allocation.client) == Some(&slot) {
            self.by_client.remove(&allocation.client);
        }
        self.by_id.remove(&allocation.id);
        self.free.push(slot);
        self.counters.allocations -= 1;
        Effect::Closed(slot)
    }

    /// Forgets what has run out and hands the slots whose sockets are to be closed to `closed`. Lifetimes are exact without
    /// it; it only gives memory and sockets back, so once a second is often enough.
    pub fn sweep(&mut self, now: Now, mut closed: impl FnMut(usize)) {
        for slot in 0..self.slots.len() {
            match &mut self.slots[slot] {
                Some(allocation) if allocation.until > now => allocation.forget_expired(now),
                Some(_) => {
                    self.close(slot);
                    closed(slot);
                }
                None => {}
            }
        }
    }

    fn of_client(&self, now: Now, client: &Client) -> Option<(usize, &Allocation)> {
        let slot = *self.by_client.get(client)?;
        let allocation = self.slots[slot].as_ref()?;
        (allocation.until > now).then_some((slot, allocation))
    }

    fn dropped(&mut self, cause: Cause) -> ClientAction {
        self.counters.drop(cause);
        ClientAction::Nothing
    }

    fn dropped_from_peer(&mut self, cause: Cause) -> PeerAction {
        self.counters.drop(cause);
        PeerAction::Nothing
    }
}

/// Over UDP no padding is needed (RFC 8656 §12.5).
fn write_channel(channel: u16, buffer: &mut [u8], length: usize) -> Option<Range<usize>> {
    let header = write_channel_header(channel, u16::try_from(length).ok()?);
    buffer
        .get_mut(HEADROOM - header.len()..HEADROOM)?
        .copy_from_slice(&header);
    Some(HEADROOM - header.len()..HEADROOM + length)
}

/// The transaction id of an indication answers nothing: a running number tells them apart.
fn write_indication(
    number: u64,
    peer: SocketAddr,
    buffer: &mut [u8],
    length: usize,
) -> Option<Range<usize>> {
    let begin = HEADROOM - if peer.is_ipv4() { 36 } else { 48 };
    let mut transaction = [0; 12];
    transaction[4..].copy_from_slice(&number.to_be_bytes());
    let size = Writer::new(
        buffer.get_mut(begin..)?,
        Class::Indication,
        Method::DATA,
        &transaction,
    )
    .xor_address(kinds::XOR_PEER_ADDRESS, peer)
    .in_place(kinds::DATA, length)
    .finish()
    .ok()?;
    Some(begin..begin + size)
}
