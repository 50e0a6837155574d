//! Everything one thread relays, without its sockets.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use meeting_stun::{ChannelData, Class, Message, Method, attribute as kinds};

use crate::actions::{Client, ClientAction, Command, Effect, PeerAction};
use crate::allocation::Allocation;
use crate::bucket::{Share, Total};
use crate::front::{Front, Reception};
use crate::headers::{IcmpError, write_channel, write_icmp, write_indication};
use crate::table::{Moving, Table};
use crate::{Cause, Counters, Now};

const SEND: [u16; 3] = [kinds::XOR_PEER_ADDRESS, kinds::DATA, kinds::DONT_FRAGMENT];

/// What an indication of an ICMP message counts as.
const ICMP: usize = 64;

/// What a shard is told once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// REALM of the challenges.
    pub realm: String,
    /// Random, the same for all shards.
    pub nonce_key: [u8; 32],
    /// Listeners from this number on take streams. Their nonces are for an address whatever its port: clients use them on
    /// their other connections, too (RFC 6062 §4.3), and nobody comes by a stream from an address that is not theirs.
    pub first_stream: u8,
    /// Seconds a nonce is good for, 3600 at most.
    pub nonce_lifetime: u32,
    /// Error answers a source may get in a second before it is authenticated.
    pub challenges_per_second: u32,
    /// Requests with credentials that are handed up for a source in a second.
    pub requests_per_second: u32,
    /// Bytes a second that an allocation may relay in each direction; zero: no limit.
    pub allocation_rate: u64,
    /// What all shards together may relay; `None`: no limit.
    pub total: Option<Arc<Total>>,
}

/// The machine of one thread.
#[derive(Debug)]
pub struct Shard {
    front: Front,
    table: Table,
    allocation_rate: u64,
    total: Option<Arc<Total>>,
    share: Share,
    indications: u64,
    /// What happened so far; the sockets' owner counts there what the kernel refused.
    pub counters: Counters,
}

impl Shard {
    /// A shard without allocations.
    pub fn new(settings: &Settings) -> Self {
        Self {
            front: Front::new(settings),
            table: Table::default(),
            allocation_rate: settings.allocation_rate,
            total: settings.total.clone(),
            share: Share::new(),
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
        let (Some(peer), Some(data)) = (
            message.xor_address(kinds::XOR_PEER_ADDRESS),
            message.value(kinds::DATA),
        ) else {
            return self.dropped(Cause::Malformed);
        };
        if message.unknown_required(&SEND).next().is_some() {
            return self.dropped(Cause::Malformed);
        }
        let mut cause = Cause::NoAllocation;
        let mut found = None;
        for (slot, allocation) in self.table.of_client(now, client) {
            cause = Cause::NoPermission;
            if allocation.permits(now, peer) {
                found = Some(slot);
            }
        }
        let Some(slot) = found else {
            return self.dropped(cause);
        };
        let begin = data.as_ptr().addr() - message.bytes().as_ptr().addr();
        let whole = message.value(kinds::DONT_FRAGMENT).is_some();
        self.relay(now, slot, peer, begin..begin + data.len(), whole)
    }

    /// RFC 8656 §12.6.
    fn channel_data(&mut self, now: Now, client: &Client, packet: &[u8]) -> ClientAction {
        let Some(message) = ChannelData::parse(packet) else {
            return self.dropped(Cause::Malformed);
        };
        let mut cause = Cause::NoAllocation;
        let mut found = None;
        for (slot, allocation) in self.table.of_client(now, client) {
            match allocation.peer_of(now, message.channel) {
                Some(peer) if allocation.permits(now, peer) => {
                    found = Some((slot, peer));
                    break;
                }
                Some(_) => cause = Cause::NoPermission,
                None if cause == Cause::NoAllocation => cause = Cause::NoChannel,
                None => {}
            }
        }
        let Some((slot, peer)) = found else {
            return self.dropped(cause);
        };
        self.relay(now, slot, peer, 4..4 + message.data.len(), false)
    }

    fn relay(
        &mut self,
        now: Now,
        slot: usize,
        peer: SocketAddr,
        data: Range<usize>,
        whole: bool,
    ) -> ClientAction {
        let within = self
            .table
            .at(now, slot)
            .is_some_and(|allocation| allocation.outgoing.take(now, data.len()));
        if !within || !self.within_total(now, data.len()) {
            return self.dropped(Cause::Bandwidth);
        }
        self.counters.to_peers += 1;
        self.counters.to_peers_bytes += data.len() as u64;
        ClientAction::Relay {
            slot,
            peer,
            data,
            whole,
        }
    }

    fn within_total(&mut self, now: Now, bytes: usize) -> bool {
        self.total
            .as_deref()
            .is_none_or(|total| self.share.take(total, now, bytes))
    }

    /// A datagram from a peer: `length` bytes at [`HEADROOM`](crate::HEADROOM) of `buffer`, with
    /// [`TAILROOM`](crate::TAILROOM) behind them. Header and
    /// padding are written around it, so that it is not moved (RFC 8656 §11.3, §12.7).
    pub fn peer_packet(
        &mut self,
        now: Now,
        slot: usize,
        peer: SocketAddr,
        buffer: &mut [u8],
        length: usize,
    ) -> PeerAction {
        let Some(allocation) = self.table.at(now, slot) else {
            return self.dropped_from_peer(Cause::NoAllocation);
        };
        if !allocation.permits(now, peer) {
            return self.dropped_from_peer(Cause::NoPermission);
        }
        let (client, channel) = (allocation.client, allocation.channel_of(now, peer));
        if !allocation.incoming.take(now, length) || !self.within_total(now, length) {
            return self.dropped_from_peer(Cause::Bandwidth);
        }
        let written = match channel {
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

    /// A datagram for a peer did not arrive, says an ICMP message. Writes to `out`, which needs 64 bytes, what its client is to
    /// hear of it, if anything; gives the client and how much that is (RFC 8656 §11.5).
    pub fn peer_error(
        &mut self,
        now: Now,
        slot: usize,
        peer: SocketAddr,
        error: IcmpError,
        out: &mut [u8],
    ) -> Option<(Client, usize)> {
        let allocation = self.table.at(now, slot)?;
        // Unreachable, time exceeded; over IPv6 too big as well.
        let relevant = match peer {
            SocketAddr::V4(_) => matches!(error.kind, 3 | 11),
            SocketAddr::V6(_) => matches!(error.kind, 1..=3),
        };
        if !relevant || !allocation.permits(now, peer) {
            return None;
        }
        let client = allocation.client;
        if !allocation.incoming.take(now, ICMP) || !self.within_total(now, ICMP) {
            self.counters.drop(Cause::Bandwidth);
            return None;
        }
        self.indications += 1;
        let size = write_icmp(self.indications, peer, error, out)?;
        Some((client, size))
    }

    /// Carries out what the control side decided. Commands for an allocation that has gone do nothing and are counted.
    pub fn command(&mut self, now: Now, command: Command) -> Effect {
        let id = match command {
            Command::Allocate {
                id,
                client,
                ipv6,
                lifetime,
            } => {
                let allocation =
                    Allocation::new(id, client, ipv6, now, lifetime, self.allocation_rate);
                return Effect::Opened(self.table.insert(allocation));
            }
            Command::Refresh { id, .. }
            | Command::Permit { id, .. }
            | Command::Bind { id, .. }
            | Command::Delete { id } => id,
        };
        let Some((slot, allocation)) = self.table.by_id(id) else {
            self.counters.drop(Cause::Late);
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
            Command::Delete { .. } => {
                self.table.remove(slot);
                return Effect::Closed(slot);
            }
            Command::Allocate { .. } => {}
        }
        Effect::None
    }

    /// Takes an allocation out of this shard: its slot, which is free then, and all that is known of it.
    pub fn release(&mut self, id: u64) -> Option<(usize, Moving)> {
        self.table.release(id)
    }

    /// Takes in what another shard, or this one, released: the client is at another address now (RFC 8016). Gives its slot.
    pub fn adopt(&mut self, moving: Moving, client: Client) -> usize {
        self.table.adopt(moving, client)
    }

    /// Forgets what has run out and hands the slots whose sockets are to be closed to `closed`. Lifetimes are exact without
    /// it; it only gives memory and sockets back, so once a second is often enough.
    pub fn sweep(&mut self, now: Now, closed: impl FnMut(usize)) {
        self.table.sweep(now, closed);
    }

    /// Whose allocation has this slot, if this peer may reach it.
    pub fn admits(&mut self, now: Now, slot: usize, peer: SocketAddr) -> Option<Client> {
        let allocation = self.table.at(now, slot)?;
        allocation.permits(now, peer).then_some(allocation.client)
    }

    /// The slot of an allocation.
    pub fn slot_of(&mut self, id: u64) -> Option<usize> {
        self.table.by_id(id).map(|(slot, _)| slot)
    }

    /// Whether a client has an allocation.
    pub fn serves(&self, now: Now, client: &Client) -> bool {
        self.table.of_client(now, client).next().is_some()
    }

    /// The counters, with how many allocations there are.
    pub fn counters(&self) -> Counters {
        Counters {
            allocations: self.table.len() as u64,
            ..self.counters
        }
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
