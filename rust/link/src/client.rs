//! The peer's side of a connection, for tests and the load generator: a controlling agent with DTLS active.
//!
//! It is no product code for browsers' work: one candidate, no trickle. What it shares with a [`Link`](crate::Link) is all
//! that is above ICE.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use crate::agent::Agent;
use crate::dtls::{Identity, Role};
use crate::event::{ChannelSettings, CloseReason, Event, SrtpKeys};
use crate::fingerprint::Fingerprint;
use crate::limits::Limits;
use crate::link::channel_event;
use crate::secure::{Secure, SecureEvent};

/// What a [`Client`] tells.
#[derive(Debug)]
pub enum ClientEvent {
    /// Media may flow.
    Connected(Option<Box<SrtpKeys>>),
    /// A channel opened, or a message: as on a Link.
    Channel(Event),
    /// It is over.
    Closed(CloseReason),
}

/// A peer connection seen from the participant.
pub struct Client {
    agent: Agent,
    secure: Option<Secure>,
    identity: Identity,
    limits: Limits,
    remote_fingerprint: Fingerprint,
    wanted: Vec<(String, ChannelSettings)>,
    datagrams: VecDeque<Vec<u8>>,
    events: VecDeque<ClientEvent>,
}

/// Where a [`Client`] is to connect, as a description would tell it.
#[derive(Clone, Debug)]
pub struct Remote {
    /// The server's one candidate.
    pub address: SocketAddr,
    /// Its ufrag.
    pub ufrag: String,
    /// Its password.
    pub password: String,
    /// Of its certificate.
    pub fingerprint: Fingerprint,
}

impl Client {
    /// Begins at once. `seed` makes what need not be secret: transaction ids, tie-breaker.
    pub fn new(now: Instant, identity: Identity, ufrag: &str, remote: Remote, seed: u64) -> Self {
        Self {
            agent: Agent::new(
                now,
                remote.address,
                ufrag,
                &remote.ufrag,
                &remote.password,
                seed,
            ),
            secure: None,
            identity,
            limits: Limits::default(),
            remote_fingerprint: remote.fingerprint,
            wanted: Vec::new(),
            datagrams: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Goes on from another address with other credentials (RFC 8445 §9), DTLS as it was.
    pub fn restart_ice(&mut self, now: Instant, ufrag: &str, remote: &Remote, seed: u64) {
        self.agent = Agent::new(
            now,
            remote.address,
            ufrag,
            &remote.ufrag,
            &remote.password,
            seed,
        );
    }

    /// Takes a STUN or DTLS datagram of the server.
    pub fn handle_datagram(&mut self, now: Instant, bytes: &[u8]) {
        match bytes.first() {
            Some(0..=3) if self.agent.handle_answer(bytes) && self.secure.is_none() => {
                self.begin(now)
            }
            Some(20..=63) => {
                if let Some(secure) = &mut self.secure {
                    secure.handle_datagram(now, bytes);
                }
            }
            _ => {}
        }
        self.collect();
    }

    fn begin(&mut self, now: Instant) {
        let mut secure = Secure::new(self.identity.clone(), Role::Active, &self.limits, now);
        secure.set_remote_fingerprint(now, self.remote_fingerprint.clone());
        for (label, settings) in self.wanted.drain(..) {
            secure.open_channel(now, &label, settings);
        }
        secure.handle_timeout(now);
        self.secure = Some(secure);
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(check) = self.agent.poll_check(now) {
            self.datagrams.push_back(check);
        }
        if let Some(secure) = &mut self.secure {
            secure.handle_timeout(now);
        }
        self.collect();
    }

    /// When [`Client::handle_timeout`] is due.
    pub fn next_deadline(&self) -> Instant {
        let check = self.agent.deadline();
        match self.secure.as_ref().and_then(Secure::deadline) {
            Some(at) => at.min(check),
            None => check,
        }
    }

    /// The next datagram for the server.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.datagrams.pop_front()
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// The server's address.
    pub fn remote(&self) -> SocketAddr {
        self.agent.remote()
    }

    /// Whether the server has answered a check with its newest credentials.
    pub fn is_answered(&self) -> bool {
        self.agent.is_answered()
    }

    /// As [`Link::open_channel`](crate::Link::open_channel).
    pub fn open_channel(&mut self, now: Instant, label: &str, settings: ChannelSettings) {
        match &mut self.secure {
            Some(secure) => secure.open_channel(now, label, settings),
            None => self.wanted.push((label.to_owned(), settings)),
        }
        self.collect();
    }

    /// As [`Link::send`](crate::Link::send); nothing before ICE is up.
    pub fn send(&mut self, now: Instant, label: &str, data: Bytes, binary: bool) {
        if let Some(secure) = &mut self.secure {
            secure.send(now, label, data, binary);
        }
        self.collect();
    }

    /// Sends bytes as if they were an SCTP packet: for tests of what a hostile peer can do.
    pub fn send_raw(&mut self, now: Instant, packet: &[u8]) {
        if let Some(secure) = &mut self.secure {
            secure.send_raw(now, packet);
        }
        self.collect();
    }

    /// Says goodbye.
    pub fn close(&mut self, now: Instant) {
        if let Some(secure) = &mut self.secure {
            secure.close(now);
        }
        self.collect();
    }

    fn collect(&mut self) {
        let Some(secure) = &mut self.secure else {
            return;
        };
        while let Some(bytes) = secure.poll_datagram() {
            self.datagrams.push_back(bytes);
        }
        while let Some(event) = secure.poll_event() {
            self.events.push_back(match event {
                SecureEvent::Up(keys) => ClientEvent::Connected(keys),
                SecureEvent::Channel(event) => ClientEvent::Channel(channel_event(event)),
                SecureEvent::Closed(reason) => ClientEvent::Closed(reason),
            });
        }
    }
}
