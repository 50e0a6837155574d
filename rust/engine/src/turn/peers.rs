//! TCP allocations (RFC 6062): their listening sockets, and connections that are made to peers or come from them.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use meeting_relay::{Cause, Now};
use slab::Slab;

use super::Event;
use super::accepting::is_the_clients;
use super::lobby::{Common, Lobby, PeerStream};
use super::ports::Lease;
use super::token::Token;
use super::worker::Worker;
use crate::sys::connect_from;

/// Connections taken at a turn.
const ACCEPTED: usize = 16;

/// The relay address of a TCP allocation. The socket is closed before the port is free again.
#[derive(Debug)]
pub(super) struct TcpRelay {
    listener: TcpListener,
    address: SocketAddr,
    common: Arc<Common>,
    _lease: Lease,
}

impl TcpRelay {
    pub(super) fn new(
        listener: TcpListener,
        address: SocketAddr,
        lobby: &Arc<Lobby>,
        lease: Lease,
    ) -> Self {
        Self {
            listener,
            address,
            common: Common::new(lobby),
            _lease: lease,
        }
    }
}

/// What one thread has of them.
#[derive(Debug)]
pub(super) struct Peers {
    pub(super) lobby: Arc<Lobby>,
    /// By slot.
    relays: HashMap<usize, TcpRelay>,
    dialled: Slab<Dialled>,
    places: HashMap<u64, Place>,
    /// Joined streams that have had their share of bytes for the moment.
    pub(super) paused: Vec<usize>,
    /// Not accepting until the next sweep: the process is out of descriptors.
    full: bool,
}

#[derive(Debug)]
struct Dialled {
    stream: PeerStream,
    until: Now,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Dialled(usize),
    /// The number of the client's stream.
    Joined(usize),
}

impl Peers {
    pub(super) fn new(lobby: &Arc<Lobby>) -> Self {
        Self {
            lobby: Arc::clone(lobby),
            relays: HashMap::new(),
            dialled: Slab::new(),
            places: HashMap::new(),
            paused: Vec::new(),
            full: false,
        }
    }

    /// The relay socket of a slot is closed, if it has one. Its connections are the control side's to end.
    pub(super) fn close(&mut self, slot: usize) {
        self.relays.remove(&slot);
    }

    /// Bytes of this connection go through that stream.
    pub(super) fn joined(&mut self, id: u64, index: usize) {
        self.places.insert(id, Place::Joined(index));
    }
}

impl Worker {
    pub(super) fn open_tcp(&mut self, slot: usize, relay: TcpRelay) {
        let token = Token::PeerListener(slot);
        if let Err(error) = self.epoll.watch(&relay.listener, token.into()) {
            self.report(format!("a relay socket cannot be watched: {error}"));
        }
        self.peers.relays.insert(slot, relay);
    }

    /// Connections that peers make; who has no permission is turned away at once (RFC 6062 §5.3).
    pub(super) fn accept_peers(&mut self, now: Now, slot: usize) {
        for _ in 0..ACCEPTED {
            let Some(relay) = self.peers.relays.get(&slot) else {
                return;
            };
            let (socket, peer) = match relay.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if is_the_clients(&error) => continue,
                Err(error) => {
                    // What cannot be forgotten goes on being watched, which costs time and nothing else.
                    let _ = self.epoll.forget(&relay.listener);
                    self.peers.full = true;
                    self.report(format!("a peer's connection cannot be accepted: {error}"));
                    return;
                }
            };
            let Some(client) = self.shard.admits(now, slot, peer) else {
                self.shard.counters.drop(Cause::NoPermission);
                continue;
            };
            let seat = Common::seat(&relay.common);
            let (Some(seat), Ok(())) = (seat, socket.set_nonblocking(true)) else {
                self.shard.counters.drop(Cause::ConnectionLimit);
                continue;
            };
            let id = self.peers.lobby.number();
            self.peers.lobby.keep(PeerStream { id, socket, seat });
            let told = self.events.push(Event::Attempt {
                worker: self.index,
                client,
                connection: id,
                peer,
            });
            if told.is_err() {
                self.peers.lobby.take(id);
                self.shard.counters.drop(Cause::QueueFull);
            }
        }
    }

    /// Makes a connection from the relay address of an allocation; how it went is told.
    pub(super) fn dial(&mut self, now: Now, allocation: u64, id: u64, peer: SocketAddr) {
        let slot = self.shard.slot_of(allocation);
        let Some(relay) = slot.and_then(|slot| self.peers.relays.get(&slot)) else {
            return self.tell_made(id, false);
        };
        let Some(seat) = Common::seat(&relay.common) else {
            self.shard.counters.drop(Cause::ConnectionLimit);
            return self.tell_made(id, false);
        };
        let Ok(socket) = connect_from(relay.address, peer) else {
            return self.tell_made(id, false);
        };
        let until = now + self.peers.lobby.limits.connect;
        let index = self.peers.dialled.insert(Dialled {
            stream: PeerStream { id, socket, seat },
            until,
        });
        self.peers.places.insert(id, Place::Dialled(index));
        let (stream, token) = (&self.peers.dialled[index].stream, Token::Dialled(index));
        let watched = self
            .epoll
            .watch(stream, token.into())
            .and_then(|()| self.epoll.rewatch_for(stream, token.into(), false, true));
        if let Err(error) = watched {
            self.report(format!("a connection cannot be watched: {error}"));
        }
    }

    /// A connection is made, or is not.
    pub(super) fn dialled(&mut self, index: usize) {
        let Some(Dialled { stream, .. }) = self.peers.dialled.try_remove(index) else {
            return;
        };
        let id = stream.id;
        self.peers.places.remove(&id);
        let made = matches!(stream.socket.take_error(), Ok(None))
            && stream.socket.peer_addr().is_ok()
            && self.epoll.forget(&stream).is_ok();
        if made {
            self.peers.lobby.keep(stream);
        }
        self.tell_made(id, made);
    }

    fn tell_made(&self, connection: u64, made: bool) {
        // Bounded by the requests that were let through.
        self.events.push_always(Event::Made { connection, made });
    }

    /// The control side is done with a connection, wherever it is.
    pub(super) fn hang_up(&mut self, id: u64) {
        self.peers.lobby.take(id);
        match self.peers.places.remove(&id) {
            Some(Place::Dialled(index)) => drop(self.peers.dialled.try_remove(index)),
            Some(Place::Joined(index)) => self.end(index),
            None => {}
        }
    }

    /// One of ours has ended by itself.
    pub(super) fn peer_ended(&mut self, id: u64) {
        self.peers.places.remove(&id);
        self.events.push_always(Event::Ended { connection: id });
    }

    /// Gives up what takes too long.
    pub(super) fn sweep_peers(&mut self, now: Now) {
        let late: Vec<_> = self
            .peers
            .dialled
            .iter()
            .filter(|(_, dialled)| now >= dialled.until)
            .map(|(index, dialled)| (index, dialled.stream.id))
            .collect();
        for (index, id) in late {
            self.peers.dialled.remove(index);
            self.peers.places.remove(&id);
            self.tell_made(id, false);
        }
        if std::mem::take(&mut self.peers.full) {
            for (slot, relay) in &self.peers.relays {
                // Those that are watched already refuse, and that is all right.
                let token = Token::PeerListener(*slot);
                let _ = self.epoll.watch(&relay.listener, token.into());
            }
        }
    }
}
