//! What is above ICE and the same for both roles: the DTLS connection, the check of the peer's certificate, and SCTP in it.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use dimpl::{KeyingMaterial, SrtpProfile};
use meeting_srtp::Profile;

use crate::channels::{ChannelEvent, Channels};
use crate::dtls::{Given, Identity, Role, Session};
use crate::event::{ChannelSettings, CloseReason, SrtpKeys};
use crate::fingerprint::Fingerprint;
use crate::limits::Limits;

/// A peer may speak SCTP before its description has reached us through signalling: a few packets are kept.
const MOST_EARLY_PACKETS: usize = 16;

pub(crate) enum SecureEvent {
    Up(Option<Box<SrtpKeys>>),
    Channel(ChannelEvent),
    Closed(CloseReason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The handshake runs.
    Shaking,
    /// It is done; the fingerprint to compare with is not known yet.
    Unchecked,
    Up,
    Closed,
}

/// What the session gave during one call, so that the session is free again while it is acted upon.
#[derive(Default)]
struct Gathered {
    certificate: Option<Vec<u8>>,
    keys: Option<(KeyingMaterial, SrtpProfile)>,
    connected: bool,
    data: Vec<Vec<u8>>,
    goodbye: bool,
}

pub(crate) struct Secure {
    role: Role,
    session: Session,
    channels: Channels,
    state: State,
    remote: Option<Fingerprint>,
    certificate: Option<Vec<u8>>,
    keys: Option<(KeyingMaterial, SrtpProfile)>,
    early: Vec<Vec<u8>>,
    failures: u32,
    most_failures: u32,
    datagrams: VecDeque<Vec<u8>>,
    events: VecDeque<SecureEvent>,
}

impl Secure {
    pub(crate) fn new(identity: Identity, role: Role, limits: &Limits, now: Instant) -> Self {
        Self {
            role,
            session: Session::new(identity, role, now),
            channels: Channels::new(role, limits.clone()),
            state: State::Shaking,
            remote: None,
            certificate: None,
            keys: None,
            early: Vec::new(),
            failures: 0,
            most_failures: limits.handshakes,
            datagrams: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    pub(crate) fn set_remote_fingerprint(&mut self, now: Instant, fingerprint: Fingerprint) {
        self.remote = Some(fingerprint);
        self.check(now);
        self.flush(now);
    }

    pub(crate) fn handle_datagram(&mut self, now: Instant, bytes: &[u8]) {
        if self.state == State::Closed {
            return;
        }
        let result = self.session.handle_datagram(now, bytes);
        self.settle(now, result);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.state == State::Closed {
            return;
        }
        let result = self.session.handle_timeout(now);
        self.settle(now, result);
        if self.state == State::Up {
            self.channels.handle_timeout(now);
            self.flush(now);
        }
    }

    pub(crate) fn open_channel(&mut self, now: Instant, label: &str, settings: ChannelSettings) {
        self.channels.open(now, label, settings);
        self.flush(now);
    }

    pub(crate) fn send(&mut self, now: Instant, label: &str, data: Bytes, binary: bool) {
        self.channels.send(now, label, data, binary);
        self.flush(now);
    }

    pub(crate) fn close(&mut self, now: Instant) {
        if self.state != State::Closed {
            self.session.close();
            self.settle(now, Ok(()));
            self.state = State::Closed;
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Closed => None,
            State::Up => [self.session.deadline(), self.channels.deadline()]
                .into_iter()
                .flatten()
                .min(),
            _ => self.session.deadline(),
        }
    }

    pub(crate) fn poll_datagram(&mut self) -> Option<Vec<u8>> {
        self.datagrams.pop_front()
    }

    pub(crate) fn poll_event(&mut self) -> Option<SecureEvent> {
        self.events.pop_front()
    }

    /// Takes what the session gives after a call that may have failed.
    fn settle(&mut self, now: Instant, result: Result<(), dimpl::Error>) {
        if let Err(error) = result {
            return self.failed(now, &error.to_string());
        }
        let given = self.drain();
        if given.certificate.is_some() {
            self.certificate = given.certificate;
        }
        if given.keys.is_some() {
            self.keys = given.keys;
        }
        if given.connected && self.state == State::Shaking {
            self.state = State::Unchecked;
            self.check(now);
        }
        for data in given.data {
            self.received(now, data);
        }
        self.flush(now);
        if given.goodbye {
            self.end(CloseReason::PeerClosed);
        }
    }

    fn drain(&mut self) -> Gathered {
        let mut out = Gathered::default();
        let datagrams = &mut self.datagrams;
        self.session.drain(|given| match given {
            Given::Datagram(bytes) => datagrams.push_back(bytes.to_vec()),
            Given::PeerCertificate(der) => out.certificate = Some(der.to_vec()),
            Given::Keys(material, profile) => out.keys = Some((material, profile)),
            Given::Connected => out.connected = true,
            Given::Data(data) => out.data.push(data.to_vec()),
            Given::CloseNotify => out.goodbye = true,
        });
        out
    }

    /// An error of the library is final for its session. Before the handshake is done anyone who can forge a sender address
    /// can cause one, so begin again, a few times.
    fn failed(&mut self, now: Instant, why: &str) {
        self.failures += 1;
        if self.state == State::Shaking && self.failures < self.most_failures {
            self.certificate = None;
            self.keys = None;
            self.session.restart(now);
            let given = self.drain();
            debug_assert!(!given.connected, "a fresh session is not connected");
        } else {
            self.end(CloseReason::Dtls(why.to_owned()));
        }
    }

    fn end(&mut self, reason: CloseReason) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.events.push_back(SecureEvent::Closed(reason));
        }
    }

    /// Compares the certificate with what signalling promised (RFC 5763 §5) before any key is handed out.
    fn check(&mut self, now: Instant) {
        if self.state != State::Unchecked {
            return;
        }
        let (Some(promised), Some(certificate)) = (&self.remote, &self.certificate) else {
            return;
        };
        if !promised.matches(certificate) {
            self.session.close();
            self.drain();
            return self.end(CloseReason::FingerprintMismatch);
        }
        let keys = match self.keys.take() {
            None => None,
            Some((material, profile)) => match contexts(&material, profile, self.role) {
                Some(keys) => Some(Box::new(keys)),
                None => {
                    return self.end(CloseReason::Dtls(format!(
                        "no use for SRTP profile {profile}"
                    )));
                }
            },
        };
        self.state = State::Up;
        self.events.push_back(SecureEvent::Up(keys));
        self.channels.start(now);
        for data in std::mem::take(&mut self.early) {
            self.channels.handle_packet(now, &data);
        }
    }

    fn received(&mut self, now: Instant, data: Vec<u8>) {
        match self.state {
            State::Up => self.channels.handle_packet(now, &data),
            State::Unchecked if self.early.len() < MOST_EARLY_PACKETS => self.early.push(data),
            _ => {}
        }
    }

    /// Sends what SCTP has, tells what happened in the channels.
    fn flush(&mut self, now: Instant) {
        while let Some(event) = self.channels.poll_event() {
            self.events.push_back(SecureEvent::Channel(event));
        }
        if self.state != State::Up {
            return;
        }
        while let Some(packet) = self.channels.poll_packet() {
            self.send_raw(now, &packet);
        }
    }

    /// One SCTP packet, one record, one datagram: the library's queue is short.
    pub(crate) fn send_raw(&mut self, now: Instant, packet: &[u8]) {
        if let Err(error) = self.session.send(packet) {
            return self.failed(now, &error.to_string());
        }
        let datagrams = &mut self.datagrams;
        self.session.drain(|given| {
            if let Given::Datagram(bytes) = given {
                datagrams.push_back(bytes.to_vec());
            }
        });
    }
}

fn contexts(material: &KeyingMaterial, profile: SrtpProfile, role: Role) -> Option<SrtpKeys> {
    let profile = match profile {
        SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
        SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
        SrtpProfile::AES128_CM_SHA1_80 => Profile::Aes128CmSha1_80,
        _ => return None,
    };
    let role = match role {
        Role::Active => meeting_srtp::Role::Client,
        Role::Passive => meeting_srtp::Role::Server,
    };
    let (outbound, inbound) = meeting_srtp::from_dtls(profile, material, role).ok()?;
    Some(SrtpKeys {
        outbound,
        inbound,
        profile,
    })
}
