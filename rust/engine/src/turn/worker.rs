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
use crate::queue::Queue;
use crate::sys::{Epoll, Receiver, Sender};

/// Datagrams taken from a socket with one call.
const BATCH: usize = 64;
/// The longest datagram that is relayed: a jumbo frame. WebRTC sends at most 1,500.
const DATAGRAM: usize = 9216;
/// The longest request: far more than any client needs, far less than would cost something.
const REQUEST: usize = 2048;
/// Milliseconds between two sweeps.
const SWEEP: Now = 1000;
/// Milliseconds between two reports of panics: what makes us panic may come with each packet.
const REPORT: Now = 1000;

/// The name of the queue of orders at epoll; listeners follow, then slots.
const ORDERS: u64 = 0;

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
}

pub(super) struct Worker {
    index: usize,
    shard: Shard,
    listeners: Vec<UdpSocket>,
    relays: Vec<Option<RelaySocket>>,
    epoll: Epoll,
    orders: Arc<Queue<Order>>,
    pending: VecDeque<Order>,
    events: Arc<Queue<Event>>,
    counters: Arc<Mutex<Counters>>,
    begin: Instant,
    next_sweep: Now,
    next_report: Now,
    stopped: bool,
}

/// What one thread needs to move packets, and cannot be moved between threads.
struct Buffers {
    ready: Vec<u64>,
    received: Receiver,
    sender: Sender,
    /// Datagrams of `received` on their way: from which socket, where to, which bytes.
    outgoing: Vec<Outgoing>,
    answer: Vec<u8>,
}

struct Outgoing {
    from: From,
    to: SocketAddr,
    buffer: usize,
    bytes: Range<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Listener(u8),
    Relay(usize),
}

impl Worker {
    pub(super) fn new(
        index: usize,
        settings: &Settings,
        listeners: Vec<UdpSocket>,
        begin: Instant,
        orders: &Arc<Queue<Order>>,
        events: &Arc<Queue<Event>>,
        counters: &Arc<Mutex<Counters>>,
    ) -> io::Result<Self> {
        let epoll = Epoll::new(BATCH)?;
        epoll.watch(&**orders, ORDERS)?;
        for (token, listener) in (ORDERS + 1..).zip(&listeners) {
            epoll.watch(listener, token)?;
        }
        Ok(Self {
            index,
            shard: Shard::new(settings),
            listeners,
            relays: Vec::new(),
            epoll,
            orders: Arc::clone(orders),
            pending: VecDeque::new(),
            events: Arc::clone(events),
            counters: Arc::clone(counters),
            begin,
            next_sweep: SWEEP,
            next_report: 0,
            stopped: false,
        })
    }

    /// Until told to stop. A panic is reported, and the turn it happened in is given up.
    pub(super) fn run(mut self) {
        let mut buffers = Buffers {
            ready: Vec::with_capacity(BATCH),
            received: Receiver::new(BATCH, HEADROOM, DATAGRAM, TAILROOM),
            sender: Sender::new(BATCH),
            outgoing: Vec::with_capacity(BATCH),
            answer: vec![0; REQUEST + 128],
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

    fn report(&mut self, text: String) {
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
        }
        self.orders.take(&mut self.pending);
        while let Some(order) = self.pending.pop_front() {
            self.obey(now, order);
        }
        self.relay(now, buffers);
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner) = self.shard.counters();
    }

    fn obey(&mut self, now: Now, order: Order) {
        match order {
            Order::Command(command) => {
                if let Effect::Closed(slot) = self.shard.command(now, command) {
                    self.relays[slot] = None;
                }
            }
            Order::Allocate(command, socket) => {
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
                let slot = self.shard.adopt(moving, client);
                self.open(slot, socket);
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
        let token = ORDERS + 1 + (self.listeners.len() + slot) as u64;
        if let Err(error) = self.epoll.watch(&socket.socket, token) {
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
            if buffers.ready[at] == ORDERS {
                continue;
            }
            let index = (buffers.ready[at] - ORDERS - 1) as usize;
            if filled == buffers.received.capacity() {
                self.flush(buffers);
                filled = 0;
            }
            filled += match index.checked_sub(self.listeners.len()) {
                None => self.receive_clients(now, index, filled, buffers),
                Some(slot) => self.receive_peers(now, slot, filled, buffers),
            };
        }
        self.flush(buffers);
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
                    from: From::Relay(slot),
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

    fn hand_up(&mut self, client: Client, packet: &[u8]) {
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
            if let PeerAction::Send { client, data } =
                self.shard
                    .peer_packet(now, slot, peer, buffers.received.buffer(buffer), length)
            {
                buffers.outgoing.push(Outgoing {
                    from: From::Listener(client.listener),
                    to: client.address,
                    buffer,
                    bytes: data,
                });
            }
        }
        count
    }

    /// Neighbours from one socket leave together.
    fn flush(&mut self, buffers: &mut Buffers) {
        let Buffers {
            received,
            sender,
            outgoing,
            ..
        } = buffers;
        for run in outgoing.chunk_by(|one, next| one.from == next.from) {
            let socket = match run[0].from {
                From::Listener(index) => self.listeners.get(usize::from(index)),
                From::Relay(slot) => self
                    .relays
                    .get(slot)
                    .and_then(Option::as_ref)
                    .map(|relay| &relay.socket),
            };
            let datagrams = run.iter().map(|packet| {
                (
                    packet.to,
                    &received.bytes(packet.buffer)[packet.bytes.clone()],
                )
            });
            let refused = socket.map_or(run.len(), |socket| sender.send(socket, datagrams));
            for _ in 0..refused {
                self.shard.counters.drop(Cause::NotSent);
            }
        }
        outgoing.clear();
    }
}
