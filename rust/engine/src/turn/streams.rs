//! The clients that come by TCP and TLS: accepting, reading, writing, and sending away.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::Arc;

use meeting_relay::{Cause, Client, ClientAction, Now};
use meeting_stun::{Frame, next_frame};
use slab::Slab;

use super::Event;
use super::accepting::Acceptor;
use super::connection::Connection;
use super::relaying::{Buffers, DATAGRAM};
use super::sources::{Sources, StreamLimits};
use super::token::Token;
use super::worker::Worker;

/// Bytes read from a connection with one call.
pub(super) const READ: usize = 64 << 10;
/// The longest message: as much as is relayed, with the attributes of a Send indication.
const MESSAGE: usize = DATAGRAM + 64;

/// The stream connections of one thread.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) acceptors: Vec<Acceptor>,
    /// The number of the first of them among the listening addresses.
    pub(super) first: usize,
    /// Not accepting until the next sweep: the process is out of descriptors.
    pub(super) paused: bool,
    pub(super) connections: Slab<Connection>,
    pub(super) by_client: HashMap<Client, usize>,
    pub(super) limits: StreamLimits,
    pub(super) sources: Arc<Sources>,
}

impl Streams {
    pub(super) fn new(
        acceptors: Vec<Acceptor>,
        first: usize,
        limits: StreamLimits,
        sources: &Arc<Sources>,
    ) -> Self {
        Self {
            acceptors,
            first,
            paused: false,
            connections: Slab::new(),
            by_client: HashMap::new(),
            limits,
            sources: Arc::clone(sources),
        }
    }

    /// The connection of a client that came by a stream.
    pub(super) fn find(&self, client: &Client) -> Option<usize> {
        self.by_client.get(client).copied()
    }

    pub(super) fn is_stream(&self, client: &Client) -> bool {
        usize::from(client.listener) >= self.first
    }

    pub(super) fn get(&mut self, index: usize) -> Option<&mut Connection> {
        self.connections.get_mut(index)
    }

    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// A client's connection has an allocation now, or no longer.
    pub(super) fn set_half_open(&mut self, client: &Client, half_open: bool) {
        if let Some(connection) = self
            .find(client)
            .and_then(|index| self.connections.get_mut(index))
        {
            connection.place.set_half_open(half_open);
        }
    }
}

impl Worker {
    /// Messages of one read, and what became of them.
    pub(super) fn receive_stream(&mut self, now: Now, index: usize, buffers: &mut Buffers) {
        let Some(connection) = self.streams.connections.get_mut(index) else {
            return;
        };
        if connection.joined.is_some() {
            return self.exchange(now, index, buffers);
        }
        let client = connection.client;
        if connection.waiting() > 0 && connection.flush(now).is_err() {
            return self.end(index);
        }
        match connection.read(&mut buffers.wire, &mut buffers.plain) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return self.watch_output(index),
            Err(error) => {
                if error.kind() == ErrorKind::InvalidData {
                    self.shard.counters.drop(Cause::Handshake);
                }
                return self.end(index);
            }
        }
        let plain = std::mem::take(&mut buffers.plain);
        let followed = self.messages(now, index, client, &plain, buffers);
        self.relay_from_stream(&plain, buffers);
        buffers.plain = plain;
        let ended = self
            .streams
            .get(index)
            .is_some_and(|connection| connection.ended);
        if followed && !ended {
            self.watch_output(index);
        } else {
            self.end(index);
        }
    }

    /// False when the stream cannot be followed any further.
    fn messages(
        &mut self,
        now: Now,
        index: usize,
        client: Client,
        plain: &[u8],
        buffers: &mut Buffers,
    ) -> bool {
        let mut at = 0;
        loop {
            let (size, padded) = match next_frame(&plain[at..]) {
                Frame::Complete { size, padded } => (size, padded),
                Frame::Incomplete(wanted) if wanted <= MESSAGE => break,
                Frame::Incomplete(_) => {
                    self.shard.counters.drop(Cause::Oversized);
                    return false;
                }
                Frame::Foreign => {
                    self.shard.counters.drop(Cause::Malformed);
                    return false;
                }
            };
            let packet = &plain[at..at + size];
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
                } => {
                    buffers
                        .relayed
                        .push((slot, peer, at + data.start..at + data.end));
                }
                ClientAction::Answer(length) => {
                    if !self.write(now, index, &buffers.answer[..length]) {
                        return false;
                    }
                }
                ClientAction::Request => {
                    self.streams.connections[index].known = true;
                    self.hand_up(client, packet);
                }
            }
            at += padded;
        }
        let connection = &mut self.streams.connections[index];
        if at > 0 {
            connection.heard = now;
        }
        connection.keep(&plain[at..]);
        true
    }

    /// What a client sent with one write goes to its peers with one call.
    fn relay_from_stream(&mut self, plain: &[u8], buffers: &mut Buffers) {
        let Buffers {
            relayed, sender, ..
        } = buffers;
        for run in relayed.chunk_by(|one, next| one.0 == next.0) {
            let Some(relay) = self.relays.get(run[0].0).and_then(Option::as_ref) else {
                continue;
            };
            let datagrams = run
                .iter()
                .map(|(_, peer, data)| (*peer, &plain[Range::clone(data)]));
            for _ in 0..sender.send(relay.socket(), datagrams) {
                self.shard.counters.drop(Cause::NotSent);
            }
        }
        relayed.clear();
    }

    /// Data from peers; what a slow reader does not take is dropped.
    pub(super) fn send_data<'d>(
        &mut self,
        now: Now,
        index: usize,
        messages: impl ExactSizeIterator<Item = &'d [u8]>,
    ) {
        let count = messages.len();
        let bound = self.streams.limits.queue;
        let Some(connection) = self.streams.connections.get_mut(index) else {
            for _ in 0..count {
                self.shard.counters.drop(Cause::NotSent);
            }
            return;
        };
        match connection.send(now, bound, messages) {
            Ok(dropped) => {
                for _ in 0..dropped {
                    self.shard.counters.drop(Cause::SlowReader);
                }
                self.watch_output(index);
            }
            Err(_) => self.end(index),
        }
    }

    /// An answer of the control side.
    pub(super) fn answer_stream(&mut self, now: Now, client: &Client, packet: &[u8]) {
        let Some(index) = self.streams.find(client) else {
            self.shard.counters.drop(Cause::NotSent);
            return;
        };
        if !self.write(now, index, packet) {
            self.end(index);
        } else if self.streams.connections[index].joined.is_some() {
            self.begin(now, index);
        } else {
            self.watch_output(index);
        }
    }

    /// Answers are never dropped; who asks on and on without reading is sent away.
    fn write(&mut self, now: Now, index: usize, answer: &[u8]) -> bool {
        let bound = 2 * self.streams.limits.queue;
        let connection = &mut self.streams.connections[index];
        let sent = connection.send(now, usize::MAX, [answer]).is_ok();
        if connection.waiting() > bound {
            self.shard.counters.drop(Cause::SlowReader);
            return false;
        }
        sent
    }

    /// Has us told when there is room again, as long as something waits.
    fn watch_output(&mut self, index: usize) {
        let Some(connection) = self.streams.connections.get_mut(index) else {
            return;
        };
        let wanted = connection.waiting() > 0;
        if wanted == connection.watched {
            return;
        }
        connection.watched = wanted;
        if let Err(error) = self
            .epoll
            .rewatch(connection, Token::Connection(index).into(), wanted)
        {
            self.report(format!("a connection cannot be watched: {error}"));
        }
    }

    /// Ends a connection. What the control side has for its client is its to end.
    pub(super) fn end(&mut self, index: usize) {
        let Some(connection) = self.streams.connections.try_remove(index) else {
            return;
        };
        let client = connection.client;
        if self.streams.find(&client) == Some(index) {
            self.streams.by_client.remove(&client);
        }
        if connection.known {
            self.events.push_always(Event::Gone {
                worker: self.index,
                client,
            });
        }
        if let Some(joined) = &connection.joined {
            self.peer_ended(joined.id());
        }
        connection.close();
    }

    /// Ends those whose time is up.
    pub(super) fn sweep_streams(&mut self, now: Now) {
        let mut late = Vec::new();
        for (index, connection) in &mut self.streams.connections {
            let serves = connection.joined.is_some() || self.shard.serves(now, &connection.client);
            connection.place.set_half_open(!serves);
            if connection.is_late(now, &self.streams.limits, serves) {
                late.push(index);
            }
        }
        for index in late {
            self.shard.counters.drop(Cause::TimedOut);
            self.end(index);
        }
        if std::mem::take(&mut self.streams.paused)
            && let Err(error) = self.watch_acceptors()
        {
            self.report(format!("no connections are accepted: {error}"));
        }
    }
}
