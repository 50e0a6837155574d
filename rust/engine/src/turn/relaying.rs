//! The packet path: datagrams in from clients and peers, and out together.

use std::net::SocketAddr;
use std::ops::Range;

use meeting_relay::{Cause, Client, ClientAction, HEADROOM, Now, PeerAction, TAILROOM};

use super::Event;
use super::streams::READ;
use super::token::Token;
use super::worker::Worker;
use crate::sys::{Receiver, Sender};

/// Datagrams taken from a socket with one call.
pub(super) const BATCH: usize = 64;
/// … and from the relay socket of one allocation: what is left is there at the next turn.
const OF_ONE: usize = 8;
/// Datagrams sent with one call: several of those above may have been received as one.
const MOST_SENT: usize = 256;
/// The longest datagram that is relayed: a jumbo frame. WebRTC sends at most 1,500.
pub(super) const DATAGRAM: usize = 9216;
/// The longest request: far more than any client needs, far less than would cost something.
const REQUEST: usize = 2048;

/// What one thread needs to move packets, and cannot be moved between threads.
pub(super) struct Buffers {
    pub(super) ready: Vec<u64>,
    pub(super) received: Receiver,
    pub(super) sender: Sender,
    /// Datagrams of `received` on their way: from which socket, where to, which bytes.
    outgoing: Vec<Outgoing>,
    pub(super) answer: Vec<u8>,
    /// What was read from a stream, and what that is without TLS.
    pub(super) wire: Vec<u8>,
    pub(super) plain: Vec<u8>,
    /// Messages of `plain` on their way: from which slot, where to, which bytes.
    pub(super) relayed: Vec<(usize, SocketAddr, Range<usize>)>,
}

struct Outgoing {
    from: Exit,
    to: SocketAddr,
    buffer: usize,
    bytes: Range<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Exit {
    Listener(u8),
    Connection(usize),
    Session(usize),
    Relay(usize),
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self {
            ready: Vec::with_capacity(BATCH),
            received: Receiver::merging(BATCH, HEADROOM, TAILROOM),
            sender: Sender::new(MOST_SENT),
            outgoing: Vec::with_capacity(BATCH),
            answer: vec![0; REQUEST + 128],
            wire: vec![0; READ],
            plain: Vec::with_capacity(READ),
            relayed: Vec::with_capacity(BATCH),
        }
    }
}

impl Worker {
    /// Fills the buffers from the sockets that are ready, and sends what came of it whenever they are full and at the end: so
    /// packets of many sockets leave with one call. Says how often it found something to move.
    pub(super) fn relay(&mut self, now: Now, buffers: &mut Buffers) -> usize {
        let (mut filled, mut moved) = (0, 0);
        buffers.outgoing.clear();
        for at in 0..buffers.ready.len() {
            if filled == buffers.received.capacity() {
                self.flush(now, buffers);
                filled = 0;
            }
            let received = match Token::from(buffers.ready[at]) {
                Token::Orders => continue,
                Token::Listener(index) => self.receive_clients(now, index, filled, buffers),
                Token::Secure(index) => {
                    self.receive_secure(now, index, filled, buffers);
                    0
                }
                Token::Slot(slot) => self.receive_peers(now, slot, filled, buffers),
                Token::Acceptor(index) => {
                    self.accept(now, index);
                    0
                }
                Token::Connection(index) => {
                    self.receive_stream(now, index, buffers);
                    0
                }
                Token::PeerListener(slot) => {
                    self.accept_peers(now, slot);
                    0
                }
                Token::Dialled(index) => {
                    self.dialled(index);
                    0
                }
                Token::Joined(index) => {
                    self.exchange(now, index, buffers);
                    0
                }
            };
            filled += received;
            moved += received.max(1);
        }
        self.flush(now, buffers);
        moved
    }

    /// Errors of a UDP socket are about packets sent before (ICMP) and pass; readiness is level-triggered, so nothing is lost.
    fn receive_clients(
        &mut self,
        now: Now,
        listener: usize,
        first: usize,
        buffers: &mut Buffers,
    ) -> usize {
        let Ok(count) = buffers
            .received
            .receive(&self.listeners[listener], first, BATCH)
        else {
            return 0;
        };
        for buffer in first..first + count {
            let Some(address) = buffers.received.source(buffer) else {
                continue;
            };
            let client = Client {
                listener: listener as u8,
                address,
            };
            for place in buffers.received.segments(buffer) {
                if place.len() > DATAGRAM {
                    self.shard.counters.drop(Cause::Oversized);
                    continue;
                }
                let packet = &buffers.received.bytes(buffer)[place.clone()];
                match self
                    .shard
                    .client_packet(now, &client, packet, &mut buffers.answer)
                {
                    ClientAction::Nothing => {}
                    ClientAction::Relay {
                        slot,
                        peer,
                        data,
                        whole: true,
                    } => self.send_whole(slot, peer, &packet[data]),
                    ClientAction::Relay {
                        slot, peer, data, ..
                    } => buffers.outgoing.push(Outgoing {
                        from: Exit::Relay(slot),
                        to: peer,
                        buffer,
                        bytes: place.start + data.start..place.start + data.end,
                    }),
                    ClientAction::Answer(size) => {
                        let answer = &buffers.answer[..size];
                        if self.listeners[listener].send_to(answer, address).is_err() {
                            self.shard.counters.drop(Cause::NotSent);
                        }
                    }
                    ClientAction::Request => self.hand_up(client, packet),
                }
            }
        }
        count
    }

    pub(super) fn hand_up(&mut self, client: Client, packet: &[u8]) {
        if packet.len() > REQUEST {
            self.shard.counters.drop(Cause::Oversized);
        } else if self
            .events
            .push(Event::Request {
                worker: self.index,
                client,
                packet: packet.to_vec(),
            })
            .is_err()
        {
            self.shard.counters.drop(Cause::QueueFull);
        }
    }

    fn receive_peers(
        &mut self,
        now: Now,
        slot: usize,
        first: usize,
        buffers: &mut Buffers,
    ) -> usize {
        // Closed by an order of this turn, after epoll had reported it.
        let Some(relay) = self.relays.get(slot).and_then(Option::as_ref) else {
            return 0;
        };
        let Ok(count) = buffers.received.receive(relay.socket(), first, OF_ONE) else {
            self.hear_icmp(now, slot);
            return 0;
        };
        for buffer in first..first + count {
            let Some(peer) = buffers.received.source(buffer) else {
                continue;
            };
            for place in buffers.received.spread(buffer) {
                if place.len() > DATAGRAM {
                    self.shard.counters.drop(Cause::Oversized);
                    continue;
                }
                let begin = place.start - HEADROOM;
                let room = &mut buffers.received.buffer(buffer)[begin..place.end + TAILROOM];
                let PeerAction::Send { client, mut data } =
                    self.shard.peer_packet(now, slot, peer, room, place.len())
                else {
                    continue;
                };
                let from = if usize::from(client.listener) < self.listeners.len() {
                    Exit::Listener(client.listener)
                } else if let Some(index) = self.sessions.find(&client) {
                    Exit::Session(index)
                } else if let Some(index) = self.streams.find(&client) {
                    data = pad(room, data);
                    Exit::Connection(index)
                } else {
                    self.shard.counters.drop(Cause::NotSent);
                    continue;
                };
                buffers.outgoing.push(Outgoing {
                    from,
                    to: client.address,
                    buffer,
                    bytes: begin + data.start..begin + data.end,
                });
            }
        }
        count
    }

    /// Neighbours from one socket leave together.
    fn flush(&mut self, now: Now, buffers: &mut Buffers) {
        let Buffers {
            received,
            sender,
            outgoing,
            ..
        } = buffers;
        for run in outgoing.chunk_by(|one, next| one.from == next.from) {
            let bytes = |packet: &Outgoing| -> &[u8] {
                &received.bytes(packet.buffer)[packet.bytes.clone()]
            };
            let socket = match run[0].from {
                Exit::Listener(index) => self.listeners.get(usize::from(index)),
                Exit::Connection(index) => {
                    self.send_data(now, index, run.iter().map(bytes));
                    continue;
                }
                Exit::Session(index) => {
                    self.send_secure(index, run.iter().map(bytes));
                    continue;
                }
                Exit::Relay(slot) => self
                    .relays
                    .get(slot)
                    .and_then(Option::as_ref)
                    .map(|relay| relay.socket()),
            };
            let datagrams = run.iter().map(|packet| (packet.to, bytes(packet)));
            let refused = socket.map_or(run.len(), |socket| sender.send(socket, datagrams));
            for _ in 0..refused {
                self.shard.counters.drop(Cause::NotSent);
            }
        }
        outgoing.clear();
    }
}

/// On a stream the next message begins at a multiple of four bytes (RFC 8656 §12.5).
fn pad(buffer: &mut [u8], data: Range<usize>) -> Range<usize> {
    let end = data.start + data.len().next_multiple_of(4);
    buffer[data.end..end].fill(0);
    data.start..end
}
