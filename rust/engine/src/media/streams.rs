//! TCP connections that carry a peer's datagrams (ICE over TCP, RFC 6544): taken, read, written, given up.
//!
//! Whoever connects is unknown until a Link has recognised a connectivity check of its; the unknown are few and have little
//! time. What a slow reader lets pile up is bounded: above a first mark its video is not sent, above a second nothing.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use meeting_link::framing::{self, LENGTH};
use slab::Slab;

use crate::sys::set_unsent_low_water;

/// Connections taken of one listener before others get their turn.
const MOST_ACCEPTED: usize = 64;
/// What one read takes, beyond a beginning that was kept.
const READ: usize = 64 << 10;
/// Of bytes in the kernel that were not sent yet: the queue is to be here, where it is seen.
const UNSENT: usize = 32 << 10;

/// The bounds of TCP connections.
#[derive(Clone, Debug)]
pub struct StreamLimits {
    /// At one time.
    pub connections: usize,
    /// Of them, those that no Link has recognised. One more, and the oldest of them goes.
    pub unknown: usize,
    /// How long a connection may stay unknown.
    pub patience: Duration,
    /// Bytes that wait for one peer before its video is dropped.
    pub video_queue: usize,
    /// Bytes that wait for one peer before everything is dropped.
    pub queue: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            unknown: 512,
            patience: Duration::from_secs(10),
            video_queue: 128 << 10,
            queue: 512 << 10,
        }
    }
}

/// One connection.
struct Stream {
    socket: TcpStream,
    peer: SocketAddr,
    began: Instant,
    /// Its place among the unknown; `None` once a Link has it.
    unknown: Option<u64>,
    /// It goes with the next write.
    leaving: bool,
    /// The beginning of a datagram that is on its way.
    beginning: Vec<u8>,
    /// Framed datagrams the kernel has not taken yet, from `written` on.
    waiting: Vec<u8>,
    written: usize,
}

impl Stream {
    fn queued(&self) -> usize {
        self.waiting.len() - self.written
    }

    /// Gives the kernel what it takes.
    fn write(&mut self) -> io::Result<()> {
        while self.written < self.waiting.len() {
            match self.socket.write(&self.waiting[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // Keeps the buffer from growing for ever under a reader that is always a little behind.
                    self.waiting.drain(..self.written);
                    self.written = 0;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.waiting.clear();
        self.written = 0;
        Ok(())
    }
}

/// What a connection gave.
pub(super) struct Arrival {
    /// Who is at its other end.
    pub peer: SocketAddr,
    /// Bytes of the buffer that are filled.
    pub length: usize,
    /// There may be more.
    pub more: bool,
}

/// All of them.
pub(super) struct Streams {
    limits: StreamLimits,
    streams: Slab<Stream>,
    by_peer: HashMap<SocketAddr, usize>,
    /// By age.
    unknown: BTreeMap<u64, usize>,
    serial: u64,
    dirty: Vec<usize>,
    /// Taken and not watched yet.
    fresh: Vec<usize>,
    /// Peers whose connection ended, not told to their Links yet.
    ended: Vec<SocketAddr>,
    /// Connections that were turned away or given up before a Link recognised them.
    pub(super) refused: u64,
    /// Datagrams that were not sent because the peer reads too slowly.
    pub(super) dropped: u64,
}

impl Streams {
    pub(super) fn new(limits: StreamLimits) -> Self {
        Self {
            limits,
            streams: Slab::new(),
            by_peer: HashMap::new(),
            unknown: BTreeMap::new(),
            serial: 0,
            dirty: Vec::new(),
            fresh: Vec::new(),
            ended: Vec::new(),
            refused: 0,
            dropped: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    /// Takes who waits at a listener; true when there may be more.
    pub(super) fn accept(&mut self, now: Instant, listener: &TcpListener) -> bool {
        for _ in 0..MOST_ACCEPTED {
            match listener.accept() {
                Ok((socket, peer)) => self.add(now, socket, peer, Vec::new()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Interrupted | ErrorKind::ConnectionAborted
                    ) => {}
                // No descriptors are left: who is nobody yet makes room, until we come back.
                Err(_) => {
                    self.evict();
                    return false;
                }
            }
        }
        true
    }

    /// Takes over a connection that was accepted elsewhere, with what has been read of it.
    pub(super) fn adopt(&mut self, now: Instant, socket: OwnedFd, head: Vec<u8>) {
        let socket = TcpStream::from(socket);
        match socket.peer_addr() {
            Ok(peer) if head.len() <= READ => self.add(now, socket, peer, head),
            _ => self.refused += 1,
        }
    }

    fn add(&mut self, now: Instant, socket: TcpStream, peer: SocketAddr, head: Vec<u8>) {
        if self.unknown.len() >= self.limits.unknown {
            self.evict();
        }
        let prepared = socket
            .set_nonblocking(true)
            .and_then(|()| socket.set_nodelay(true))
            .and_then(|()| set_unsent_low_water(&socket, UNSENT));
        // One peer has one connection from one of its ports; a second one, to another port of ours, could not be told apart.
        if self.streams.len() >= self.limits.connections
            || self.by_peer.contains_key(&peer)
            || prepared.is_err()
        {
            self.refused += 1;
            return;
        }
        self.serial += 1;
        let key = self.streams.insert(Stream {
            socket,
            peer,
            began: now,
            unknown: Some(self.serial),
            leaving: false,
            beginning: head,
            waiting: Vec::new(),
            written: 0,
        });
        self.by_peer.insert(peer, key);
        self.unknown.insert(self.serial, key);
        self.fresh.push(key);
    }

    /// The oldest of the unknown goes.
    fn evict(&mut self) {
        if let Some((_, key)) = self.unknown.first_key_value() {
            self.close(*key);
        }
    }

    /// Connections that are to be watched from now on, and read: something may have come already.
    pub(super) fn take_fresh(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.fresh)
    }

    /// Peers whose connection has ended.
    pub(super) fn take_ended(&mut self) -> Vec<SocketAddr> {
        std::mem::take(&mut self.ended)
    }

    /// The descriptor of a connection.
    pub(super) fn descriptor(&self, key: usize) -> Option<RawFd> {
        Some(self.streams.get(key)?.socket.as_raw_fd())
    }

    /// Reads what has come behind what was kept. `None`: nothing came, or it ended.
    pub(super) fn read(&mut self, key: usize, buffer: &mut Vec<u8>) -> Option<Arrival> {
        let stream = self.streams.get_mut(key)?;
        let kept = stream.beginning.len();
        buffer.resize(2 * READ, 0);
        buffer[..kept].copy_from_slice(&stream.beginning);
        let had = std::mem::take(&mut stream.beginning);
        let read = stream.socket.read(&mut buffer[kept..kept + READ]);
        let count = match read {
            Ok(0) => {
                self.close(key);
                return None;
            }
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock && kept > LENGTH => 0,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                stream.beginning = had;
                return None;
            }
            Err(_) => {
                self.close(key);
                return None;
            }
        };
        let length = kept + count;
        // Whoever nobody knows begins with a check, which begins with two zero bits (RFC 8489 §5).
        if stream.unknown.is_some() && length > LENGTH && buffer[LENGTH] > 3 {
            self.close(key);
            return None;
        }
        Some(Arrival {
            peer: stream.peer,
            length,
            more: count == READ,
        })
    }

    /// What is left of a read is the beginning of the next datagram.
    pub(super) fn keep(&mut self, key: usize, rest: &[u8]) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.beginning.extend_from_slice(rest);
        }
    }

    /// A Link says that this peer is its own.
    pub(super) fn recognise(&mut self, peer: SocketAddr) {
        if let Some(serial) = self
            .by_peer
            .get(&peer)
            .and_then(|key| self.streams[*key].unknown.take())
        {
            self.unknown.remove(&serial);
        }
    }

    /// Its Link needs it no more: it goes after the next flush.
    pub(super) fn dismiss(&mut self, peer: SocketAddr) {
        if let Some(key) = self.by_peer.get(&peer).copied() {
            self.streams[key].leaving = true;
            self.dirty.push(key);
        }
    }

    /// Whether so much waits for a peer that it is to get no video.
    pub(super) fn is_behind(&self, peer: &SocketAddr) -> bool {
        self.by_peer
            .get(peer)
            .is_some_and(|key| self.streams[*key].queued() > self.limits.video_queue)
    }

    /// Puts a datagram behind what waits; false when there is no room, or nobody.
    pub(super) fn push(&mut self, to: &SocketAddr, datagram: &[u8]) -> bool {
        let Some(key) = self.by_peer.get(to).copied() else {
            return false;
        };
        let stream = &mut self.streams[key];
        let Some(length) = framing::length_of(datagram) else {
            return false;
        };
        if stream.queued() + LENGTH + datagram.len() > self.limits.queue {
            self.dropped += 1;
            return false;
        }
        if self.dirty.last() != Some(&key) {
            self.dirty.push(key);
        }
        stream.waiting.extend_from_slice(&length);
        stream.waiting.extend_from_slice(datagram);
        true
    }

    /// Writes to all that were pushed to.
    pub(super) fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for key in dirty.drain(..) {
            self.write(key);
        }
        self.dirty = dirty;
    }

    /// A connection takes more.
    pub(super) fn write(&mut self, key: usize) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let broken = stream.write().is_err();
        if broken || stream.leaving {
            self.close(key);
        }
    }

    /// Those nobody recognised in time go.
    pub(super) fn sweep(&mut self, now: Instant) {
        while let Some((_, key)) = self.unknown.first_key_value() {
            if now.saturating_duration_since(self.streams[*key].began) < self.limits.patience {
                return;
            }
            self.close(*key);
        }
    }

    /// Ends a connection at once.
    pub(super) fn close(&mut self, key: usize) {
        if let Some(stream) = self.streams.try_remove(key) {
            self.by_peer.remove(&stream.peer);
            match stream.unknown {
                Some(serial) => {
                    self.unknown.remove(&serial);
                    self.refused += 1;
                }
                None => self.ended.push(stream.peer),
            }
        }
    }
}
