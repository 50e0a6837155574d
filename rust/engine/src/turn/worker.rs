//! One thread: its sockets, its machine.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use meeting_relay::{Cause, Client, Command, Counters, Effect, Moving, Now, Settings, Shard};

use super::Event;
use super::gathering::Gathering;
use super::lobby::PeerStream;
use super::peers::{Peers, TcpRelay};
use super::ports::Lease;
use super::relaying::{BATCH, Buffers};
use super::sessions::Sessions;
use super::streams::Streams;
use super::token::Token;
use crate::queue::Queue;
use crate::sys::Epoll;

/// Milliseconds between two sweeps.
const SWEEP: Now = 1000;
/// Milliseconds that streams wait when they have had their share of bytes.
const PAUSE: Now = 10;
/// Milliseconds between two reports of panics: what makes us panic may come with each packet.
const REPORT: Now = 1000;

/// What the control side sends to a worker.
#[derive(Debug)]
pub(super) enum Order {
    Allocate(Command, RelaySocket),
    Command(Command),
    /// Give an allocation with its socket to whoever waits at the other end.
    Release(u64, SyncSender<(Moving, RelaySocket)>),
    Adopt(Moving, Client, RelaySocket),
    Answer(Client, Vec<u8>),
    /// An allocation for TCP (RFC 6062).
    AllocateTcp(Command, TcpRelay),
    /// Make a connection from this allocation's relay address, under this number.
    Dial(u64, u64, SocketAddr),
    /// A client has come for its peer.
    Join(Client, PeerStream),
    /// The end of a connection with a peer.
    HangUp(u64),
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
    /// When all their clocks began.
    pub(super) begin: Instant,
}

pub(super) struct Worker {
    pub(super) index: usize,
    pub(super) shard: Shard,
    pub(super) listeners: Vec<UdpSocket>,
    pub(super) sessions: Sessions,
    pub(super) streams: Streams,
    pub(super) peers: Peers,
    pub(super) relays: Vec<Option<RelaySocket>>,
    pub(super) epoll: Epoll,
    orders: Arc<Queue<Order>>,
    pending: VecDeque<Order>,
    pub(super) events: Arc<Queue<Event>>,
    counters: Arc<Mutex<Counters>>,
    begin: Instant,
    gathering: Gathering,
    next_sweep: Now,
    next_report: Now,
    stopped: bool,
}

impl Worker {
    pub(super) fn new(
        index: usize,
        settings: &Settings,
        listeners: Vec<UdpSocket>,
        sessions: Sessions,
        streams: Streams,
        peers: Peers,
        shared: Shared,
    ) -> io::Result<Self> {
        let Shared {
            orders,
            events,
            counters,
            begin,
        } = shared;
        let epoll = Epoll::new(BATCH)?;
        epoll.watch(&*orders, Token::Orders.into())?;
        for (number, listener) in listeners.iter().enumerate() {
            epoll.watch(listener, Token::Listener(number).into())?;
        }
        for (number, socket) in sessions.sockets() {
            epoll.watch(&**socket, Token::Secure(number).into())?;
        }
        let worker = Self {
            index,
            shard: Shard::new(settings),
            listeners,
            sessions,
            streams,
            peers,
            relays: Vec::new(),
            epoll,
            orders,
            pending: VecDeque::new(),
            events,
            counters,
            begin,
            gathering: Gathering::default(),
            next_sweep: SWEEP,
            next_report: 0,
            stopped: false,
        };
        worker.watch_acceptors()?;
        Ok(worker)
    }

    /// Until told to stop. A panic is reported, and the turn it happened in is given up.
    pub(super) fn run(mut self) {
        let mut buffers = Buffers::new();
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
            let sweep = self.next_sweep.saturating_sub(self.now());
            if self.peers.paused.is_empty() {
                sweep
            } else {
                sweep.min(PAUSE)
            }
        } else {
            0
        };
        if let Err(error) = self.epoll.wait(patience, &mut buffers.ready) {
            self.report(format!("epoll: {error}"));
        }
        let begun = self.begin.elapsed();
        let now = begun.as_millis() as Now;
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            let (relays, peers) = (&mut self.relays, &mut self.peers);
            self.shard.sweep(now, |slot| close(relays, peers, slot));
            self.sweep_sessions(now);
            self.sweep_streams(now);
            self.sweep_peers(now);
        }
        self.orders.take(&mut self.pending);
        while let Some(order) = self.pending.pop_front() {
            self.obey(now, order);
        }
        let packets = self.relay(now, buffers);
        self.resume(now, buffers);
        let mut counters = self.shard.counters();
        counters.connections = (self.streams.len() + self.sessions.len()) as u64;
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner) = counters;
        let ended = self.begin.elapsed();
        if let Some(wait) = self.gathering.after(begun, ended, packets) {
            thread::sleep(wait);
        }
    }

    fn obey(&mut self, now: Now, order: Order) {
        match order {
            Order::Command(command) => {
                if let Effect::Closed(slot) = self.shard.command(now, command) {
                    close(&mut self.relays, &mut self.peers, slot);
                }
            }
            Order::Allocate(command, socket) => {
                if let Some(slot) = self.allocate(now, command) {
                    self.open(slot, socket);
                }
            }
            Order::AllocateTcp(command, relay) => {
                if let Some(slot) = self.allocate(now, command) {
                    self.open_tcp(slot, relay);
                }
            }
            Order::Dial(allocation, id, peer) => self.dial(now, allocation, id, peer),
            Order::Join(client, peer) => self.join(now, &client, peer),
            Order::HangUp(id) => self.hang_up(id),
            Order::Release(id, to) => {
                if let Some((slot, moving)) = self.shard.release(id)
                    && let Some(socket) = self.relays.get_mut(slot).and_then(Option::take)
                {
                    if let Err(error) = self.epoll.forget(&socket.socket) {
                        self.report(format!("a relay socket cannot be given away: {error}"));
                    }
                    // Who does not wait any more gets nothing, and the socket is closed.
                    let _ = to.send((moving, socket));
                }
            }
            Order::Adopt(moving, client, socket) => {
                self.is_served(&client);
                let slot = self.shard.adopt(moving, client);
                self.open(slot, socket);
            }
            Order::Answer(client, packet) => self.answer(now, &client, &packet),
            Order::Stop => {
                self.sessions.close();
                self.stopped = true;
            }
            #[cfg(test)]
            Order::Panic => panic!("as the test wants"),
        }
    }

    /// Sends bytes to a client.
    pub(super) fn answer(&mut self, now: Now, client: &Client, packet: &[u8]) {
        if self.streams.is_stream(client) {
            return self.answer_stream(now, client, packet);
        }
        if let Some(index) = self.sessions.find(client) {
            return self.send_secure(index, [packet]);
        }
        let listener = self.listeners.get(usize::from(client.listener));
        if listener.is_none_or(|socket| socket.send_to(packet, client.address).is_err()) {
            self.shard.counters.drop(Cause::NotSent);
        }
    }

    fn allocate(&mut self, now: Now, command: Command) -> Option<usize> {
        if let Command::Allocate { client, .. } = &command {
            self.is_served(client);
        }
        match self.shard.command(now, command) {
            Effect::Opened(slot) => Some(slot),
            _ => None,
        }
    }

    /// Its connection is not half open any more.
    fn is_served(&mut self, client: &Client) {
        self.streams.set_half_open(client, false);
        self.sessions.set_half_open(client, false);
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
}

/// Closes the relay socket of a slot, for datagrams or for streams.
fn close(relays: &mut [Option<RelaySocket>], peers: &mut Peers, slot: usize) {
    match relays.get_mut(slot) {
        Some(relay @ Some(_)) => *relay = None,
        _ => peers.close(slot),
    }
}
