//! One thread: its sockets, its machine.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use meeting_relay::{
    Cause, Client, ClientAction, Command, Counters, Effect, HEADROOM, Moving, Now, PeerAction,
    Settings, Shard, TAILROOM,
};

use super::Event;
use super::ports::Lease;
use super::streams::{READ, Streams};
use crate::queue::Queue;
use crate::sys::{Epoll, Receiver, Sender};

/// Datagrams taken from a socket with one call.
const BATCH: usize = 64;
/// The longest datagram that is relayed: a jumbo frame. WebRTC sends at most 1,500.
pub(super) const DATAGRAM: usize = 9216;
/// The longest request: far more than any client needs, far less than would cost something.
const REQUEST: usize = 2048;
/// Milliseconds between two sweeps.
const SWEEP: Now = 1000;
/// Milliseconds between two reports of panics: what makes us panic may come with each packet.
const REPORT: Now = 1000;

/// What epoll tells of. As a number: the kind in the upper half, the index in the lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// The queue of orders.
    Orders,
    /// A listening UDP socket.
    Listener(usize),
    /// A listening TCP socket.
    Acceptor(usize),
    /// A client's stream.
    Connection(usize),
    /// An allocation's relay socket.
    Slot(usize),
}

impl From<Token> for u64 {
    fn from(token: Token) -> Self {
        let (kind, index) = match token {
            Token::Orders => (0, 0),
            Token::Listener(index) => (1, index),
            Token::Acceptor(index) => (2, index),
            Token::Connection(index) => (3, index),
            Token::Slot(index) => (4, index),
        };
        kind << 32 | index as Self
    }
}

impl From<u64> for Token {
    fn from(number: u64) -> Self {
        let index = number as u32 as usize;
        match number >> 32 {
            0 => Self::Orders,
            1 => Self::Listener(index),
            2 => Self::Acceptor(index),
            3 => Self::Connection(index),
            _ => Self::Slot(index),
        }
    }
}

/// What the control side sends to a worker.
#[derive(Debug)]
pub(super) enum Order {
    Allocate(Command, RelaySocket),
    Command(Command),
    /// Give an allocation with its socket to whoever waits at the other end.
    Release(u64, SyncSender<(Moving, RelaySocket)>),
    Adopt(Moving, Client, RelaySocket),
    Answer(Client, Vec<u8>),
    Stop,
    #[cfg(test)]
    Panic,
}

/// A relay socket and the port it occupies. The socket is closed before the port is free again.
#[derive(Debug)]
pub(super) struct RelaySocket {
    socket: UdpSocket,
    _lease: Lease,
}

impl RelaySocket {
    pub(super) fn new(socket: UdpSocket, lease: Lease) -> Self {
        Self {
            socket,
            _lease: lease,
        }
    }

    pub(super) fn socket(&self) -> &UdpSocket {
        &self.socket
    }
}

/// What a worker has in common with the control side.
pub(super) struct Shared {
    pub(super) orders: Arc<Queue<Order>>,
    pub(super) events: Arc<Queue<Event>>,
    pub(super) counters: Arc<Mutex<Counters>>,
}

pub(super) struct Worker {
    pub(super) index: usize,
    pub(super) shard: Shard,
    listeners: Vec<UdpSocket>,
    pub(super) streams: Streams,
    pub(super) relays: Vec<Option<RelaySocket>>,
    pub(super) epoll: Epoll,
    orders: Arc<Queue<Order>>,
    pending: VecDeque<Order>,
    pub(super) events: Arc<Queue<Event>>,
    counters: Arc<Mutex<Counters>>,
    begin: Instant,
    next_sweep: Now,
    next_report: Now,
    stopped: bool,
}

/// What one thread needs to move packets, and cannot be moved between threads.
pub(super) struct Buffers {
    ready: Vec<u64>,
    received: Receiver,
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
    Relay(usize),
}

impl Worker {
    pub(super) fn new(
        index: usize,
        settings: &Settings,
        listeners: Vec<UdpSocket>,
        streams: Streams,
        begin: Instant,
        shared: Shared,
    ) -> io::Result<Self> {
        let Shared {
            orders,
            events,
            counters,
        } = shared;
        let epoll = Epoll::new(BATCH)?;
        epoll.watch(&*orders, Token::Orders.into())?;
        for (number, listener) in listeners.iter().enumerate() {
            epoll.watch(listener, Token::Listener(number).into())?;
        }
        let worker = Self {
            index,
            shard: Shard::new(settings),
            listeners,
            streams,
            relays: Vec::new(),
            epoll,
            orders,
            pending: VecDeque::new(),
            events,
            counters,
            begin,
            next_sweep: SWEEP,
            next_report: 0,
            stopped: false,
        };
        worker.watch_acceptors()?;
        Ok(worker)
    }

    /// Until told to stop. A panic is reported, and the turn it happened in is given up.
    pub(super) fn run(mut self) {
        let mut buffers = Buffers {
            ready: Vec::with_capacity(BATCH),
            received: Receiver::new(BATCH, HEADROOM, DATAGRAM, TAILROOM),
            sender: Sender::new(BATCH),
            outgoing: Vec::with_capacity(BATCH),
            answer: vec![0; REQUEST + 128],
            wire: vec![0; READ],
            plain: Vec::with_capacity(READ),
            relayed: Vec::with_capacity(BATCH),
        };
        while !self.stopped {
            // The machine's tables are whole between its calls, and the buffers mean nothing from one turn to the next.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.turn(&mut buffers))) {
                let text = panic
                    .downcast_ref::<&str>()
                    .copied()
                    .map(str::to_owned)
                    .or_else(|| panic.downcast_ref::<String>().cloned());
                self.report(format!(
                    "panic in turn-{}: {}",
                    self.index,
                    text.unwrap_or_default()
                ));
            }
        }
    }

    fn now(&self) -> Now {
        self.begin.elapsed().as_millis() as Now
    }

    pub(super) fn report(&mut self, text: String) {
        let now = self.now();
        if now >= self.next_report {
            self.next_report = now + REPORT;
            self.events.push_always(Event::Trouble(text));
        }
    }

    fn turn(&mut self, buffers: &mut Buffers) {
        let patience = if self.pending.is_empty() {
            self.next_sweep.saturating_sub(self.now())
        } else {
            0
        };
        if let Err(error) = self.epoll.wait(patience, &mut buffers.ready) {
            self.report(format!("epoll: {error}"));
        }
        let now = self.now();
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            let relays = &mut self.relays;
            self.shard.sweep(now, |slot| drop(relays[slot].take()));
            self.sweep_streams(now);
        }
        self.orders.take(&mut self.pending);
        while let Some(order) = self.pending.pop_front() {
            self.obey(now, order);
        }
        self.relay(now, buffers);
        let mut counters = self.shard.counters();
        counters.connections = self.streams.len() as u64;
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner) = counters;
    }

    fn obey(&mut self, now: Now, order: Order) {
        match order {
            Order::Command(command) => {
                if let Effect::Closed(slot) = self.shard.command(now, command) {
                    self.relays[slot] = None;
                }
            }
            Order::Allocate(command, socket) => {
                if let Command::Allocate { client, .. } = &command {
                    self.streams.set_half_open(client, false);
                }
                if let Effect::Opened(slot) = self.shard.command(now, command) {
                    self.open(slot, socket);
                }
            }
            Order::Release(id, to) => {
                if let Some((slot, moving)) = self.shard.release(id)
                    && let Some(socket) = self.relays[slot].take()
                {
                    if let Err(error) = self.epoll.forget(&socket.socket) {
                        self.report(format!("a relay socket cannot be given away: {error}"));
                    }
                    // Who does not wait any more gets nothing, and the socket is closed.
                    let _ = to.send((moving, socket));
                }
            }
            Order::Adopt(moving, client, socket) => {
                self.streams.set_half_open(&client, false);
                let slot = self.shard.adopt(moving, client);
                self.open(slot, socket);
            }
            Order::Answer(client, packet) if self.streams.is_stream(&client) => {
                self.answer_stream(now, &client, &packet);
            }
            Order::Answer(client, packet) => {
                let listener = self.listeners.get(usize::from(client.listener));
                if listener.is_none_or(|socket| socket.send_to(&packet, client.address).is_err()) {
                    self.shard.counters.drop(Cause::NotSent);
                }
            }
            Order::Stop => self.stopped = true,
            #[cfg(test)]
            Order::Panic => panic!("as the test wants"),
        }
    }

    fn open(&mut self, slot: usize, socket: RelaySocket) {
        if self.relays.len() <= slot {
            self.relays.resize_with(slot + 1, || None);
        }
        if let Err(error) = self.epoll.watch(&socket.socket, Token::Slot(slot).into()) {
            self.report(format!("a relay socket cannot be watched: {error}"));
        }
        self.relays[slot] = Some(socket);
    }

    /// Fills the buffers from the sockets that are ready, and sends what came of it whenever they are full and at the end: so
    /// packets of many sockets leave with one call.
    fn relay(&mut self, now: Now, buffers: &mut Buffers) {
        let mut filled = 0;
        buffers.outgoing.clear();
        for at in 0..buffers.ready.len() {
            if filled == buffers.received.capacity() {
                self.flush(now, buffers);
                filled = 0;
            }
            filled += match Token::from(buffers.ready[at]) {
                Token::Orders => 0,
                Token::Listener(index) => self.receive_clients(now, index, filled, buffers),
                Token::Slot(slot) => self.receive_peers(now, slot, filled, buffers),
                Token::Acceptor(index) => {
                    self.accept(now, index);
                    0
                }
                Token::Connection(index) => {
                    self.receive_stream(now, index, buffers);
                    0
                }
            };
        }
        self.flush(now, buffers);
    }

    /// Errors of a UDP socket are about packets sent before (ICMP) and pass; readiness is level-triggered, so nothing is lost.
    fn receive_clients(
        &mut self,
        now: Now,
        listener: usize,
        first: usize,
        buffers: &mut Buffers,
    ) -> usize {
        let Ok(count) = buffers.received.receive(&self.listeners[listener], first) else {
            return 0;
        };
        for buffer in first..first + count {
            let (Some(address), Some(length)) = (
                buffers.received.source(buffer),
                buffers.received.length(buffer),
            ) else {
                self.shard.counters.drop(Cause::Oversized);
                continue;
            };
            let client = Client {
                listener: listener as u8,
                address,
            };
            let packet = &buffers.received.bytes(buffer)[HEADROOM..HEADROOM + length];
            match self
                .shard
                .client_packet(now, &client, packet, &mut buffers.answer)
            {
                ClientAction::Nothing => {}
                ClientAction::Relay { slot, peer, data } => buffers.outgoing.push(Outgoing {
                    from: Exit::Relay(slot),
                    to: peer,
                    buffer,
                    bytes: HEADROOM + data.start..HEADROOM + data.end,
                }),
                ClientAction::Answer(size) => {
                    if self.listeners[listener]
                        .send_to(&buffers.answer[..size], address)
                        .is_err()
                    {
                        self.shard.counters.drop(Cause::NotSent);
                    }
                }
                ClientAction::Request => self.hand_up(client, packet),
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
        let Ok(count) = buffers.received.receive(&relay.socket, first) else {
            return 0;
        };
        for buffer in first..first + count {
            let (Some(peer), Some(length)) = (
                buffers.received.source(buffer),
                buffers.received.length(buffer),
            ) else {
                self.shard.counters.drop(Cause::Oversized);
                continue;
            };
            let bytes = buffers.received.buffer(buffer);
            let PeerAction::Send { client, mut data } =
                self.shard.peer_packet(now, slot, peer, bytes, length)
            else {
                continue;
            };
            let from = if !self.streams.is_stream(&client) {
                Exit::Listener(client.listener)
            } else if let Some(index) = self.streams.find(&client) {
                data = pad(bytes, data);
                Exit::Connection(index)
            } else {
                self.shard.counters.drop(Cause::NotSent);
                continue;
            };
            buffers.outgoing.push(Outgoing {
                from,
                to: client.address,
                buffer,
                bytes: data,
            });
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
                Exit::Relay(slot) => self
                    .relays
                    .get(slot)
                    .and_then(Option::as_ref)
                    .map(|relay| &relay.socket),
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
