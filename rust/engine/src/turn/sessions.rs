//! The clients that come by DTLS: their cookies, their sessions, and what goes through them. Messages are as by UDP.

use std::collections::HashMap;
use std::net::UdpSocket;
use std::sync::Arc;

use meeting_relay::{Cause, Client, ClientAction, Cookies, Greeting, Hello, Now};
use slab::Slab;

use super::Event;
use super::dtls::{Dtls, Heard, Session};
use super::relaying::{BATCH, Buffers, DATAGRAM};
use super::sources::{Sources, StreamLimits};
use super::worker::Worker;

/// The DTLS sessions of one thread.
pub(super) struct Sessions {
    sockets: Vec<Arc<UdpSocket>>,
    /// The number of the first of them among the listening addresses.
    first: usize,
    dtls: Dtls,
    cookies: Cookies,
    sessions: Slab<Session>,
    by_client: HashMap<Client, usize>,
    limits: StreamLimits,
    sources: Arc<Sources>,
    /// The answer to a stranger.
    out: Vec<u8>,
}

impl Sessions {
    pub(super) fn new(
        sockets: Vec<UdpSocket>,
        first: usize,
        dtls: Dtls,
        key: &[u8; 32],
        limits: StreamLimits,
        sources: &Arc<Sources>,
    ) -> Self {
        Self {
            sockets: sockets.into_iter().map(Arc::new).collect(),
            first,
            dtls,
            cookies: Cookies::new(key),
            sessions: Slab::new(),
            by_client: HashMap::new(),
            limits,
            sources: Arc::clone(sources),
            out: vec![0; DATAGRAM],
        }
    }

    /// The sockets with their numbers among them.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (usize, &Arc<UdpSocket>)> {
        self.sockets.iter().enumerate()
    }

    /// The session of a client that came by DTLS.
    pub(super) fn find(&self, client: &Client) -> Option<usize> {
        self.by_client.get(client).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// A client's session has an allocation now, or no longer.
    pub(super) fn set_half_open(&mut self, client: &Client, half_open: bool) {
        if let Some(session) = self
            .find(client)
            .and_then(|index| self.sessions.get_mut(index))
        {
            session.place.set_half_open(half_open);
        }
    }

    /// Says good-bye to all.
    pub(super) fn close(&mut self) {
        self.by_client.clear();
        self.sessions.drain().for_each(Session::close);
    }
}

impl Worker {
    /// What came to a socket is answered before the next is read: nothing of it stays in the buffers from `first` on.
    pub(super) fn receive_secure(
        &mut self,
        now: Now,
        socket: usize,
        first: usize,
        buffers: &mut Buffers,
    ) {
        let Some(listening) = self.sessions.sockets.get(socket).map(Arc::clone) else {
            return;
        };
        let Ok(count) = buffers.received.receive(&listening, first, BATCH) else {
            return;
        };
        let listener = (self.sessions.first + socket) as u8;
        for buffer in first..first + count {
            let Some(address) = buffers.received.source(buffer) else {
                continue;
            };
            let client = Client { listener, address };
            for place in buffers.received.segments(buffer) {
                if place.len() > DATAGRAM {
                    self.shard.counters.drop(Cause::Oversized);
                    continue;
                }
                let datagram = &buffers.received.bytes(buffer)[place];
                if let Some(index) = self.take_in(now, client, &listening, datagram) {
                    self.read_secure(now, index, buffers);
                }
            }
        }
    }

    /// Gives a datagram to its session, which may be a new one.
    fn take_in(
        &mut self,
        now: Now,
        client: Client,
        socket: &Arc<UdpSocket>,
        datagram: &[u8],
    ) -> Option<usize> {
        let known = self.sessions.find(&client);
        // A client may begin anew on the address it had, as long as it proves again that it is there (RFC 6347 §4.2.8).
        let hello = Hello::parse(datagram).filter(|hello| {
            known.is_none_or(|index| self.sessions.sessions[index].random != hello.random())
        });
        let index = match (hello, known) {
            (Some(hello), _) => self.welcome(now, client, socket, &hello)?,
            (None, Some(index)) => index,
            (None, None) => {
                self.shard.counters.drop(Cause::Malformed);
                return None;
            }
        };
        self.sessions.sessions[index].receive(datagram);
        Some(index)
    }

    /// A cookie for who has none; a session for who has one.
    fn welcome(
        &mut self,
        now: Now,
        client: Client,
        socket: &Arc<UdpSocket>,
        hello: &Hello<'_>,
    ) -> Option<usize> {
        let Sessions { cookies, out, .. } = &mut self.sessions;
        let size = match cookies.greet(now, &client, hello, out) {
            Greeting::Verify(size) => {
                self.shard.counters.challenges += 1;
                if socket.send_to(&out[..size], client.address).is_err() {
                    self.shard.counters.drop(Cause::NotSent);
                }
                return None;
            }
            Greeting::Proven(size) => size,
        };
        if let Some(old) = self.sessions.find(&client) {
            self.end_session(old);
        }
        let sessions = &mut self.sessions;
        let Some(place) = Sources::take(&sessions.sources, client.address.ip()) else {
            self.shard.counters.drop(Cause::ConnectionLimit);
            return None;
        };
        let first = &sessions.out[..size];
        let Some(session) = sessions
            .dtls
            .accept(socket, client, first, hello.random(), place, now)
        else {
            self.shard.counters.drop(Cause::Handshake);
            return None;
        };
        let index = sessions.sessions.insert(session);
        sessions.by_client.insert(client, index);
        Some(index)
    }

    /// The messages of one datagram, and what becomes of them.
    fn read_secure(&mut self, now: Now, index: usize, buffers: &mut Buffers) {
        while let Some(session) = self.sessions.sessions.get_mut(index) {
            let client = session.client;
            let size = match session.read(&mut buffers.wire) {
                Heard::Message(size) => size,
                Heard::Nothing => return,
                Heard::Ended => return self.end_session(index),
                Heard::Failed => {
                    self.shard.counters.drop(Cause::Handshake);
                    return self.end_session(index);
                }
            };
            session.heard = now;
            if size > DATAGRAM {
                self.shard.counters.drop(Cause::Oversized);
                continue;
            }
            let packet = &buffers.wire[..size];
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
                    let relay = self.relays.get(slot).and_then(Option::as_ref);
                    let datagram = [(peer, &packet[data])].into_iter();
                    let refused =
                        relay.map_or(1, |relay| buffers.sender.send(relay.socket(), datagram));
                    if refused > 0 {
                        self.shard.counters.drop(Cause::NotSent);
                    }
                }
                ClientAction::Answer(size) => self.send_secure(index, [&buffers.answer[..size]]),
                ClientAction::Request => {
                    if let Some(session) = self.sessions.sessions.get_mut(index) {
                        session.known = true;
                    }
                    self.hand_up(client, packet);
                }
            }
        }
    }

    /// Answers, and data from peers.
    pub(super) fn send_secure<'d>(
        &mut self,
        index: usize,
        messages: impl IntoIterator<Item = &'d [u8]>,
    ) {
        for message in messages {
            let session = self.sessions.sessions.get_mut(index);
            if session.is_none_or(|session| !session.write(message)) {
                self.shard.counters.drop(Cause::NotSent);
            }
        }
    }

    /// Ends a session. What the control side has for its client is its to end.
    fn end_session(&mut self, index: usize) {
        let Some(session) = self.sessions.sessions.try_remove(index) else {
            return;
        };
        let client = session.client;
        self.sessions.by_client.remove(&client);
        if session.known {
            self.events.push_always(Event::Gone {
                worker: self.index,
                client,
            });
        }
        session.close();
    }

    /// Repeats what handshakes wait for, and ends those whose time is up.
    pub(super) fn sweep_sessions(&mut self, now: Now) {
        let mut over = Vec::new();
        for (index, session) in &mut self.sessions.sessions {
            let serves = self.shard.serves(now, &session.client);
            session.place.set_half_open(!serves);
            if session.is_late(now, &self.sessions.limits, serves) || !session.repeat() {
                over.push(index);
            }
        }
        for index in over {
            self.shard.counters.drop(Cause::TimedOut);
            self.end_session(index);
        }
    }
}
