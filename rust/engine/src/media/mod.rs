//! The SFU's packet path: one thread with its sockets, made for more.
//!
//! The control side holds a [`Port`]: commands go in through a queue, events come out through another, each with a
//! descriptor that wakes the reader. Nothing is shared but these. The thread receives whole batches, hands them to
//! [`Plane`](plane::Plane), and sends what comes of it together.

mod bandwidth;
mod command;
mod event;
mod exit;
mod ingress;
mod plane;
mod repair;
mod schedule;
mod statistics;
mod steps;
mod streams;
#[cfg(test)]
mod tests;
mod thread;
mod tracks;
mod upkeep;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use meeting_link::{Identity, Limits};

pub use command::{Command, Congestion, Id};
pub use event::Event;
pub use statistics::{LinkRow, SinkRow, SourceRow, Statistics, ThreadRow};
pub use steps::Bounds;
pub use streams::StreamLimits;

pub use crate::sys::duplicate;

use crate::queue::Queue;
use crate::sys::{UdpOptions, bind_udp, listen, set_send_buffer};

/// As the system shows it; 15 characters at most.
const THREAD: &str = "media";

/// How a Port is set up.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// Where peers come to; port 0 lets the system choose.
    pub bind: Vec<SocketAddr>,
    /// Where peers come to by TCP, if they may (RFC 6544).
    pub bind_tcp: Vec<SocketAddr>,
    /// The certificate of DTLS.
    pub identity: Identity,
    /// The bounds of each Link.
    pub limits: Limits,
    /// The bounds of TCP connections.
    pub streams: StreamLimits,
    /// Events that may wait for the control side.
    pub events: usize,
    /// Commands that may wait for the thread.
    pub commands: usize,
    /// SO_RCVBUF and SO_SNDBUF in bytes.
    pub socket_buffer: usize,
}

/// A running port.
#[derive(Debug)]
pub struct Port {
    addresses: Vec<SocketAddr>,
    tcp_addresses: Vec<SocketAddr>,
    commands: Arc<Queue<Command>>,
    events: Arc<Queue<Event>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The command queue is full: the thread does not keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl Port {
    /// Opens the sockets and starts the thread. An address that cannot be had is named in the error.
    pub fn start(configuration: Configuration) -> io::Result<Self> {
        let sockets = configuration
            .bind
            .iter()
            .map(|address| {
                let options = UdpOptions {
                    receive_buffer: configuration.socket_buffer,
                    ..UdpOptions::default()
                };
                let named = |error: io::Error| {
                    io::Error::new(error.kind(), format!("udp {address}: {error}"))
                };
                let socket = bind_udp(*address, options).map_err(named)?;
                set_send_buffer(&socket, configuration.socket_buffer).map_err(named)?;
                Ok(socket)
            })
            .collect::<io::Result<Vec<_>>>()?;
        let addresses = sockets
            .iter()
            .map(|socket| socket.local_addr())
            .collect::<io::Result<_>>()?;
        let listeners = configuration
            .bind_tcp
            .iter()
            .map(|address| {
                listen(*address, false).map_err(|error| {
                    io::Error::new(error.kind(), format!("tcp {address}: {error}"))
                })
            })
            .collect::<io::Result<Vec<_>>>()?;
        let tcp_addresses = listeners
            .iter()
            .map(TcpListener::local_addr)
            .collect::<io::Result<_>>()?;
        let commands = Arc::new(Queue::new(configuration.commands)?);
        let events = Arc::new(Queue::new(configuration.events)?);
        let thread = thread::Thread {
            sockets,
            listeners,
            identity: configuration.identity,
            limits: configuration.limits,
            streams: configuration.streams,
            commands: Arc::clone(&commands),
            events: Arc::clone(&events),
        };
        let handle = Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || thread.run())?;
        Ok(Self {
            addresses,
            tcp_addresses,
            commands,
            events,
            thread: Mutex::new(Some(handle)),
        })
    }

    /// As bound.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The listeners for TCP, as bound.
    pub fn tcp_addresses(&self) -> &[SocketAddr] {
        &self.tcp_addresses
    }

    /// Asks for something to be done. After [`Port::close`] nothing happens.
    pub fn command(&self, command: Command) -> Result<(), Busy> {
        self.commands.push(command).map_err(|_| Busy)
    }

    /// Moves all events there are to the end of `into`.
    pub fn take_events(&self, into: &mut Vec<Event>) {
        self.events.take(into);
    }

    /// Says goodbye to all peers, ends the thread and closes the sockets. Blocks for as long as that takes: a turn.
    pub fn close(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            self.commands.push_always(Command::Shutdown);
            // The thread catches its panics; were there another, there is nothing left to close.
            let _ = thread.join();
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.close();
    }
}

/// Readable while there are events.
impl AsRawFd for Port {
    fn as_raw_fd(&self) -> RawFd {
        self.events.as_raw_fd()
    }
}
