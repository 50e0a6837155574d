//! The server's side of a peer connection: ICE-lite and DTLS passive.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use meeting_stun::Message;

use crate::channels::ChannelEvent;
use crate::dtls::{Identity, Role};
use crate::event::{ChannelSettings, CloseReason, Event, Transmit};
use crate::fingerprint::Fingerprint;
use crate::ice::{Credentials, IceLite};
use crate::limits::Limits;
use crate::path::Path;
use crate::secure::{Secure, SecureEvent};

/// One peer connection. Media packets are not given to it: see [`Event::Connected`] and [`Link::knows`].
pub struct Link {
    ice: IceLite,
    secure: Secure,
    limits: Limits,
    began: Instant,
    closed: bool,
    refused: u64,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

impl Link {
    /// Waits for a peer that knows these credentials.
    pub fn new(now: Instant, identity: Identity, credentials: Credentials, limits: Limits) -> Self {
        Self {
            ice: IceLite::new(credentials, limits.addresses),
            secure: Secure::new(identity, Role::Passive, &limits, now),
            limits,
            began: now,
            closed: false,
            refused: 0,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The peer's description is known; without this no key is ever used.
    pub fn set_remote_fingerprint(&mut self, now: Instant, fingerprint: Fingerprint) {
        self.secure.set_remote_fingerprint(now, fingerprint);
        self.collect();
    }

    /// Takes a STUN or DTLS datagram (RFC 7983 first byte 0 to 3, 20 to 63). Whatever does not belong is counted and dropped.
    pub fn handle_datagram(&mut self, now: Instant, from: impl Into<Path>, bytes: &[u8]) {
        let from = from.into();
        if self.closed {
            return;
        }
        match bytes.first() {
            Some(0..=3) => self.handle_stun(now, from, bytes),
            Some(20..=63) if self.ice.knows(from) => {
                self.ice.heard_from(from);
                self.secure.handle_datagram(now, bytes);
            }
            _ => self.refused += 1,
        }
        self.collect();
    }

    fn handle_stun(&mut self, now: Instant, from: Path, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else {
            self.refused += 1;
            return;
        };
        let outcome = self.ice.handle_check(now, from, message);
        if let Some(bytes) = outcome.answer {
            self.transmits.push_back(Transmit { to: from, bytes });
        }
        if !outcome.valid {
            self.refused += 1;
            return;
        }
        if let Some(address) = outcome.forgotten {
            self.events.push_back(Event::AddressForgotten(address));
        }
        if outcome.validated {
            self.events.push_back(Event::AddressValidated(from));
        }
        if outcome.moved && self.secure.is_up() {
            self.events.push_back(Event::PathChanged(from));
        }
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        self.secure.handle_timeout(now);
        self.collect();
        if now >= self.patience() {
            let reason = if self.secure.is_up() {
                CloseReason::ConsentLost
            } else {
                CloseReason::NeverConnected
            };
            self.end(reason);
        }
    }

    /// When [`Link::handle_timeout`] is due; `None` after the end.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let patience = self.patience();
        Some(
            self.secure
                .deadline()
                .map_or(patience, |at| at.min(patience)),
        )
    }

    /// When we give the peer up: before it is connected by its age, afterwards by its silence (RFC 7675 §5.1).
    fn patience(&self) -> Instant {
        match self.ice.last_check() {
            Some(check) if self.secure.is_up() => check + self.limits.consent,
            _ => self.began + self.limits.connect,
        }
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Where media goes; `None` while no check has come.
    pub fn path(&self) -> Option<Path> {
        self.ice.path()
    }

    /// Whether an address is this peer's.
    pub fn knows(&self, address: impl Into<Path>) -> bool {
        self.ice.knows(address.into())
    }

    /// A stream has ended: nothing can come or go by this path any more. The peer will check by another one, or is given up
    /// when its consent has run out.
    pub fn path_lost(&mut self, path: Path) {
        self.ice.lost(path);
    }

    /// The peer's addresses.
    pub fn addresses(&self) -> &[Path] {
        self.ice.addresses()
    }

    /// Datagrams that were malformed, unauthenticated or from a stranger.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Opens a data channel as soon as SCTP is up.
    pub fn open_channel(&mut self, now: Instant, label: &str, settings: ChannelSettings) {
        if !self.closed {
            self.secure.open_channel(now, label, settings);
            self.collect();
        }
    }

    /// Sends a data message, or keeps it until a channel with that label is open.
    pub fn send(&mut self, now: Instant, label: &str, data: Bytes, binary: bool) {
        if !self.closed {
            self.secure.send(now, label, data, binary);
            self.collect();
        }
    }

    /// New credentials for the same connection (RFC 8445 §9).
    pub fn restart_ice(&mut self, credentials: Credentials) {
        self.ice.restart(credentials);
    }

    /// Says goodbye. The datagrams that say it are left in [`Link::poll_transmit`]; no event follows.
    pub fn close(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        self.secure.close(now);
        self.collect();
        self.closed = true;
        self.events.clear();
    }

    fn end(&mut self, reason: CloseReason) {
        if !self.closed {
            self.closed = true;
            self.events.push_back(Event::Closed(reason));
        }
    }

    /// Turns what the layers above ICE gave into datagrams with an address and events.
    fn collect(&mut self) {
        while let Some(bytes) = self.secure.poll_datagram() {
            if let Some(to) = self.ice.path() {
                self.transmits.push_back(Transmit { to, bytes });
            }
        }
        while let Some(event) = self.secure.poll_event() {
            match event {
                SecureEvent::Up(keys) => {
                    // The handshake came over an address, so there is one.
                    if let Some(path) = self.ice.path() {
                        self.events.push_back(Event::Connected { path, keys });
                    }
                }
                SecureEvent::Channel(event) => self.events.push_back(channel_event(event)),
                SecureEvent::Closed(reason) => self.end(reason),
            }
        }
    }
}

pub(crate) fn channel_event(event: ChannelEvent) -> Event {
    match event {
        ChannelEvent::Opened(label) => Event::ChannelOpened(label),
        ChannelEvent::Message {
            label,
            data,
            binary,
        } => Event::Message {
            label,
            data,
            binary,
        },
        ChannelEvent::Dropped(label) => Event::MessageDropped(label),
    }
}
