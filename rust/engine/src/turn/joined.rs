//! A client's stream joined with a peer's (RFC 6062 §5.4, §5.5): bytes both ways as they come. What the one does not take is
//! not read from the other: a slow reader slows its sender down, and no more than one read waits each way.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;

use meeting_relay::{Client, Now};

use super::connection::Connection;
use super::lobby::{PeerStream, Way};
use super::relaying::Buffers;
use super::streams::READ;
use super::token::Token;
use super::worker::Worker;
use crate::sys::Epoll;

/// The peer's end.
#[derive(Debug)]
pub(super) struct Joined {
    peer: PeerStream,
    /// The client has its answer.
    begun: bool,
    /// Bytes for the peer that it did not take.
    outgoing: Vec<u8>,
    /// The peer has said its last.
    ended: bool,
    /// Each has been told that the other has said its last.
    client_told: bool,
    peer_told: bool,
    /// When bytes last went either way.
    progress: Now,
    /// What epoll is to tell of: (input, output) of the client, of the peer.
    interest: [(bool, bool); 2],
}

/// Bytes that went: to the peer, to the client.
#[derive(Debug, Default)]
struct Moved {
    to_peer: usize,
    to_client: usize,
    /// More may be there, but not for now: bandwidth is limited.
    paused: bool,
}

impl Joined {
    fn new(peer: PeerStream, now: Now) -> Self {
        Self {
            peer,
            begun: false,
            outgoing: Vec::new(),
            ended: false,
            client_told: false,
            peer_told: false,
            progress: now,
            interest: [(true, false), (true, false)],
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.peer.id
    }

    /// Half of it has ended, and the other half does nothing.
    pub(super) fn is_late(&self, now: Now, patience: u64) -> bool {
        (self.client_told || self.peer_told) && now >= self.progress + patience
    }

    /// Bytes for the peer: as many as it takes, the rest later.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let taken = if self.outgoing.is_empty() {
            write(&mut self.peer.socket, bytes)?
        } else {
            0
        };
        self.outgoing.extend_from_slice(&bytes[taken..]);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let taken = write(&mut self.peer.socket, &self.outgoing)?;
        self.outgoing.drain(..taken);
        if self.outgoing.is_empty() {
            self.outgoing = Vec::new();
        }
        Ok(())
    }

    fn step(
        &mut self,
        now: Now,
        client: &mut Connection,
        buffers: &mut Buffers,
    ) -> io::Result<Moved> {
        let mut moved = Moved::default();
        if client.waiting() > 0 {
            client.flush(now)?;
        }
        self.flush()?;
        if self.outgoing.is_empty() && !client.ended {
            let most = self.peer.seat.allowance(now, Way::ToPeer, READ);
            moved.paused |= most == 0;
            if most > 0 {
                match client.read(&mut buffers.wire[..most], &mut buffers.plain) {
                    Ok(()) => moved.to_peer = buffers.plain.len(),
                    Err(error) if is_passing(&error) => {}
                    Err(error) => return Err(error),
                }
                let unused = most.saturating_sub(moved.to_peer);
                self.peer.seat.give_back(Way::ToPeer, unused);
                if moved.to_peer > 0 {
                    self.send(&buffers.plain)?;
                }
            }
        }
        if client.waiting() == 0 && !self.ended {
            let most = self.peer.seat.allowance(now, Way::ToClient, READ);
            moved.paused |= most == 0;
            if most > 0 {
                match self.peer.socket.read(&mut buffers.wire[..most]) {
                    Ok(0) => self.ended = true,
                    Ok(count) => moved.to_client = count,
                    Err(error) if is_passing(&error) => {}
                    Err(error) => return Err(error),
                }
                let unused = most - moved.to_client;
                self.peer.seat.give_back(Way::ToClient, unused);
                if moved.to_client > 0 {
                    client.send(now, usize::MAX, [&buffers.wire[..moved.to_client]])?;
                }
            }
        }
        if moved.to_peer + moved.to_client > 0 {
            self.progress = now;
        }
        if client.ended && self.outgoing.is_empty() && !self.peer_told {
            self.peer_told = true;
            shut(&self.peer.socket)?;
        }
        if self.ended && client.waiting() == 0 && !self.client_told {
            self.client_told = client.finish()?;
        }
        Ok(moved)
    }

    fn is_over(&self) -> bool {
        self.client_told && self.peer_told
    }

    /// What is to be told of: (input, output) of the client, of the peer.
    fn wanted(&self, client: &Connection, paused: bool) -> [(bool, bool); 2] {
        let (to_peer, to_client) = (!self.outgoing.is_empty(), client.waiting() > 0);
        [
            (!to_peer && !client.ended && !paused, to_client),
            (!to_client && !self.ended && !paused, to_peer),
        ]
    }
}

impl Worker {
    /// A client has come for its peer. Bytes go when it has its answer, which is the next one.
    pub(super) fn join(&mut self, now: Now, client: &Client, peer: PeerStream) {
        let id = peer.id;
        let index = self.streams.find(client);
        let connection = index.and_then(|index| Some((index, self.streams.get(index)?)));
        let Some((index, connection)) =
            connection.filter(|(_, connection)| connection.joined.is_none())
        else {
            return self.peer_ended(id);
        };
        connection.place.set_half_open(false);
        connection.joined = Some(Box::new(Joined::new(peer, now)));
        self.peers.joined(id, index);
    }

    /// It has its answer.
    pub(super) fn begin(&mut self, now: Now, index: usize) {
        let Some(connection) = self.streams.get(index) else {
            return;
        };
        let early = connection.take_partial();
        let Some(mut joined) = connection.joined.take() else {
            return;
        };
        if joined.begun {
            connection.joined = Some(joined);
            return;
        }
        joined.begun = true;
        joined.progress = now;
        let sent = joined.send(&early);
        let watched = self.epoll.watch(&joined.peer, Token::Joined(index).into());
        // Whatever waits already is told of with the next event.
        if let Some(connection) = self.streams.get(index) {
            joined.interest[0].1 = connection.watched;
            connection.joined = Some(joined);
        }
        if sent.and(watched).is_err() {
            return self.end(index);
        }
        self.watch_joined(index, false);
    }

    /// Moves what there is.
    pub(super) fn exchange(&mut self, now: Now, index: usize, buffers: &mut Buffers) {
        let Some(connection) = self.streams.get(index) else {
            return;
        };
        let Some(mut joined) = connection.joined.take_if(|joined| joined.begun) else {
            return;
        };
        let moved = joined.step(now, connection, buffers);
        let over = joined.is_over();
        connection.joined = Some(joined);
        match moved {
            Ok(moved) if !over => {
                let counters = &mut self.shard.counters;
                counters.to_peers += u64::from(moved.to_peer > 0);
                counters.to_peers_bytes += moved.to_peer as u64;
                counters.to_clients += u64::from(moved.to_client > 0);
                counters.to_clients_bytes += moved.to_client as u64;
                if moved.paused {
                    self.peers.paused.push(index);
                }
                self.watch_joined(index, moved.paused);
            }
            _ => self.end(index),
        }
    }

    /// Those that have waited for bandwidth go on.
    pub(super) fn resume(&mut self, now: Now, buffers: &mut Buffers) {
        for index in std::mem::take(&mut self.peers.paused) {
            self.exchange(now, index, buffers);
        }
    }

    fn watch_joined(&mut self, index: usize, paused: bool) {
        let Some(connection) = self.streams.get(index) else {
            return;
        };
        let Some(mut joined) = connection.joined.take() else {
            return;
        };
        let wanted = joined.wanted(connection, paused);
        let before = std::mem::replace(&mut joined.interest, wanted);
        let epoll = &self.epoll;
        let mut watched = Ok(());
        if let Some(connection) = self.streams.get(index) {
            let tokens = [Token::Connection(index).into(), Token::Joined(index).into()];
            watched = watch(epoll, connection, tokens[0], before[0], wanted[0])
                .and_then(|()| watch(epoll, &joined.peer, tokens[1], before[1], wanted[1]));
            connection.joined = Some(joined);
        }
        if let Err(error) = watched {
            self.report(format!("a connection cannot be watched: {error}"));
            self.end(index);
        }
    }
}

/// What nothing is wanted of is not watched at all: that it is broken would be told again and again.
fn watch(
    epoll: &Epoll,
    socket: &impl AsRawFd,
    token: u64,
    before: (bool, bool),
    wanted: (bool, bool),
) -> io::Result<()> {
    const NOTHING: (bool, bool) = (false, false);
    match (before, wanted) {
        _ if before == wanted => Ok(()),
        (_, NOTHING) => epoll.forget(socket),
        (NOTHING, (input, output)) => epoll
            .watch(socket, token)
            .and_then(|()| epoll.rewatch_for(socket, token, input, output)),
        (_, (input, output)) => epoll.rewatch_for(socket, token, input, output),
    }
}

/// As much as the socket takes.
fn write(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut taken = 0;
    while taken < bytes.len() {
        match socket.write(&bytes[taken..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => taken += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}

fn shut(socket: &TcpStream) -> io::Result<()> {
    match socket.shutdown(Shutdown::Write) {
        Err(error) if error.kind() != ErrorKind::NotConnected => Err(error),
        _ => Ok(()),
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
