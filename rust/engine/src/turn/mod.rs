//! The relay's sockets and threads: share-nothing workers, each with its part of the clients.
//!
//! All workers listen on the same addresses (SO_REUSEPORT); the kernel keeps each client with one of them, and the relay
//! sockets of its allocations live there too. [`Relay`] is the control side's handle: requests come out as [`Event`]s,
//! decisions go in as commands to the worker that has the client.

mod accepting;
mod connection;
mod dtls;
mod gathering;
mod icmp;
mod joined;
mod listening;
mod lobby;
mod peers;
mod ports;
mod relaying;
mod sessions;
mod sockets;
mod sources;
mod streams;
mod tls;
mod token;
mod worker;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

pub use lobby::PeerLimits;
pub use meeting_relay::{Cause, Client, Command, Counters, Ports, Settings, Total};
pub use sockets::{NoSocket, Port};

use crate::queue::Queue;
use dtls::Dtls;
use listening::Listening;
use lobby::Lobby;
use peers::Peers;
use sessions::Sessions;
use sockets::Sockets;
use sources::Sources;
pub use sources::StreamLimits;
use streams::Streams;
use tls::Tls;
use worker::{Order, Shared, Worker};

/// Answers that may wait for a worker; more than that are dropped, and clients repeat their requests.
const ORDERS: usize = 16_384;
/// How long a thread may take to hand over an allocation: it does nothing that waits.
const HAND_OVER: Duration = Duration::from_secs(1);

/// How a relay is set up.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Where clients come to by UDP.
    pub listen: Vec<SocketAddr>,
    /// Where they come to by DTLS.
    pub dtls: Vec<SocketAddr>,
    /// Where they come to by TCP, and whether with TLS.
    pub streams: Vec<(SocketAddr, bool)>,
    /// Bounds of what comes there.
    pub limits: StreamLimits,
    /// Bounds of connections with peers (RFC 6062).
    pub peer_limits: PeerLimits,
    /// Local addresses relay sockets are bound to, at most one for each family.
    pub relay: Vec<IpAddr>,
    /// First and last relay port.
    pub ports: (u16, u16),
    /// Threads.
    pub workers: usize,
    /// Events that may wait for the control side; requests beyond are dropped.
    pub events: usize,
    /// What the machine of each worker is told.
    pub shard: Settings,
}

/// What the control side hears.
#[derive(Debug)]
pub enum Event {
    /// A TURN request with credentials and a fresh nonce, to be answered through the same worker.
    Request {
        /// The worker.
        worker: usize,
        /// Who asks.
        client: Client,
        /// The message, well-formed.
        packet: Vec<u8>,
    },
    /// The connection of a client that has asked something has ended.
    Gone {
        /// The worker.
        worker: usize,
        /// Who has gone.
        client: Client,
    },
    /// A peer that is permitted has connected to a TCP allocation; the connection waits to be joined.
    Attempt {
        /// The worker.
        worker: usize,
        /// Whose allocation it is.
        client: Client,
        /// The connection.
        connection: u64,
        /// Who it is.
        peer: SocketAddr,
    },
    /// A connection that was asked for waits to be joined, or could not be made.
    Made {
        /// The connection.
        connection: u64,
        /// Whether it could.
        made: bool,
    },
    /// A joined connection has ended.
    Ended {
        /// The connection.
        connection: u64,
    },
    /// Something is wrong with ourselves.
    Trouble(String),
}

/// A running relay.
#[derive(Debug)]
pub struct Relay {
    addresses: Vec<SocketAddr>,
    sockets: Sockets,
    lobby: Arc<Lobby>,
    tls: Tls,
    dtls: Dtls,
    events: Arc<Queue<Event>>,
    workers: Vec<Handle>,
}

#[derive(Debug)]
struct Handle {
    orders: Arc<Queue<Order>>,
    counters: Arc<Mutex<Counters>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Opens the listening sockets and starts the threads.
    pub fn start(configuration: &Configuration) -> io::Result<Self> {
        let tls = Tls::new().map_err(io::Error::other)?;
        let listening = Listening::open(configuration, &tls)?;
        let addresses = match listening.first() {
            Some(listening) => listening.addresses()?,
            None => Vec::new(),
        };
        let sources = Sources::new(configuration.limits);
        let events = Arc::new(Queue::new(configuration.events)?);
        let lobby = Lobby::new(
            configuration.peer_limits,
            configuration.shard.allocation_rate,
            configuration.shard.total.clone(),
        );
        let mut relay = Self {
            addresses,
            lobby,
            sockets: Sockets::new(&configuration.relay, configuration.ports),
            tls,
            dtls: Dtls::default(),
            events,
            workers: Vec::new(),
        };
        let begin = Instant::now();
        for (index, listening) in listening.into_iter().enumerate() {
            let Listening {
                plain,
                secure,
                streams,
            } = listening;
            let first = plain.len() + secure.len();
            let streams = Streams::new(streams, first, configuration.limits, &sources);
            let sessions = Sessions::new(
                secure,
                plain.len(),
                relay.dtls.clone(),
                &configuration.shard.nonce_key,
                configuration.limits,
                &sources,
            );
            let orders = Arc::new(Queue::new(ORDERS)?);
            let counters = Arc::new(Mutex::new(Counters::default()));
            let shared = Shared {
                orders: Arc::clone(&orders),
                events: Arc::clone(&relay.events),
                counters: Arc::clone(&counters),
                begin,
            };
            let worker = Worker::new(
                index,
                &configuration.shard,
                plain,
                sessions,
                streams,
                Peers::new(&relay.lobby),
                shared,
            )?;
            let thread = Builder::new()
                .name(format!("turn-{index}"))
                .spawn(move || worker.run())?;
            relay.workers.push(Handle {
                orders,
                counters,
                thread: Some(thread),
            });
        }
        Ok(relay)
    }

    /// The certificate of TLS and DTLS handshakes from now on, with its chain and its key, in PEM. The error is for administrators.
    pub fn set_certificate(&self, chain: &[u8], key: &[u8]) -> Result<(), String> {
        self.tls.set_certificate(chain, key)?;
        self.dtls.set_certificate(chain, key)
    }

    /// The listening addresses as bound: those for UDP, then those for DTLS, then those for streams.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Moves what was heard to the end of `into`.
    pub fn take_events(&self, into: &mut Vec<Event>) {
        self.events.take(into);
    }

    /// Opens a relay socket for a client of a worker and tells the worker; says its port. The caller's ids are its own, never
    /// used twice.
    pub fn allocate(
        &self,
        worker: usize,
        id: u64,
        client: Client,
        ipv6: bool,
        port: Port,
        lifetime: u64,
    ) -> Result<u16, NoSocket> {
        let (port, socket) = self.sockets.open(ipv6, port)?;
        let command = Command::Allocate {
            id,
            client,
            ipv6,
            lifetime,
        };
        self.order(worker, Order::Allocate(command, socket));
        Ok(port)
    }

    /// Opens a listening socket for TCP connections with peers (RFC 6062), in place of a relay socket.
    pub fn allocate_tcp(
        &self,
        worker: usize,
        id: u64,
        client: Client,
        ipv6: bool,
        lifetime: u64,
    ) -> Result<u16, NoSocket> {
        let (port, relay) = self.sockets.listen(ipv6, &self.lobby)?;
        let command = Command::Allocate {
            id,
            client,
            ipv6,
            lifetime,
        };
        self.order(worker, Order::AllocateTcp(command, relay));
        Ok(port)
    }

    /// Makes a connection from the relay address of an allocation of a worker; gives its number.
    pub fn dial(&self, worker: usize, allocation: u64, peer: SocketAddr) -> u64 {
        let id = self.lobby.number();
        self.order(worker, Order::Dial(allocation, id, peer));
        id
    }

    /// Joins a connection that waits with its client's. Bytes go both ways once the client is answered. False: it has gone.
    pub fn join(&self, worker: usize, client: Client, connection: u64) -> bool {
        let Some(peer) = self.lobby.take(connection) else {
            return false;
        };
        self.order(worker, Order::Join(client, peer));
        true
    }

    /// Ends a connection: of the worker of its client, if that has come for it, else of the worker of its allocation.
    pub fn hang_up(&self, worker: usize, connection: u64) {
        self.order(worker, Order::HangUp(connection));
    }

    /// Closes the socket that was kept on this port.
    pub fn forget_kept(&self, ipv6: bool, port: u16) {
        self.sockets.forget(ipv6, port);
    }

    /// An allocation's client is elsewhere now, with another worker maybe (RFC 8016). False: it has gone.
    pub fn hand_over(&self, from: usize, id: u64, to: usize, client: Client) -> bool {
        let (give, take) = sync_channel(1);
        self.order(from, Order::Release(id, give));
        let Ok((moving, socket)) = take.recv_timeout(HAND_OVER) else {
            return false;
        };
        self.order(to, Order::Adopt(moving, client, socket));
        true
    }

    /// Any other decision.
    pub fn command(&self, worker: usize, command: Command) {
        self.order(worker, Order::Command(command));
    }

    /// Decisions are bounded by the requests that were let through, so they are never refused.
    fn order(&self, worker: usize, order: Order) {
        if let Some(handle) = self.workers.get(worker) {
            handle.orders.push_always(order);
        }
    }

    /// Sends bytes to a client; what the commands before it did is done when they arrive. False: too many wait already.
    pub fn answer(&self, worker: usize, client: Client, packet: Vec<u8>) -> bool {
        self.workers
            .get(worker)
            .is_some_and(|handle| handle.orders.push(Order::Answer(client, packet)).is_ok())
    }

    /// The sum over the workers, at most one wake-up old.
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for worker in &self.workers {
            sum.add(
                &worker
                    .counters
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            );
        }
        sum
    }

    /// Ends the threads and waits until their sockets are closed.
    pub fn close(&mut self) {
        for worker in &self.workers {
            worker.orders.push_always(Order::Stop);
        }
        for thread in self
            .workers
            .iter_mut()
            .filter_map(|worker| worker.thread.take())
        {
            // A worker survives its panics; were it dead all the same, there is nothing left to end.
            let _ = thread.join();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.close();
    }
}

/// Readable while there are events.
impl AsRawFd for Relay {
    fn as_raw_fd(&self) -> RawFd {
        self.events.as_raw_fd()
    }
}

#[cfg(test)]
mod tests;
