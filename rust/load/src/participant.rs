//! One participant: a wire, a [`Client`], and SRTP once it is connected.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use meeting_link::{Client, ClientEvent, Event, Identity, Remote, SrtpKeys};
use meeting_srtp::Rejected;

use crate::wire::Wire;

/// Where a participant goes, and as whom.
#[derive(Clone, Debug)]
pub struct Identities {
    /// The Port, as its description tells.
    pub remote: Remote,
    /// The participant's own certificate.
    pub own: Identity,
    /// The participant's ufrag.
    pub ufrag: String,
}

/// A peer connection over a wire of its own. Nothing blocks: give it turns.
pub struct Participant {
    wire: Wire,
    client: Client,
    keys: Option<Box<SrtpKeys>>,
    /// Data messages that came: label, content, whether binary.
    pub messages: Vec<(String, Vec<u8>, bool)>,
    /// Why the connection ended, if it did.
    pub closed: Option<String>,
}

impl Participant {
    /// Begins to connect from any port of loopback.
    pub fn new(who: Identities, seed: u64, now: Instant) -> io::Result<Self> {
        let wire = Wire::udp(who.remote.address)?;
        Ok(Self::by(wire, who, seed, now))
    }

    /// Begins to connect by a wire.
    pub fn by(wire: Wire, who: Identities, seed: u64, now: Instant) -> Self {
        Self {
            wire,
            client: Client::new(now, who.own, &who.ufrag, who.remote, seed),
            keys: None,
            messages: Vec::new(),
            closed: None,
        }
    }

    /// Goes on by another wire, as somebody does who walks out of the Wi-Fi: the same connection, checked anew.
    pub fn move_to(&mut self, wire: Wire, ufrag: &str, remote: &Remote, seed: u64, now: Instant) {
        self.wire = wire;
        self.client.restart_ice(now, ufrag, remote, seed);
    }

    /// What carries its datagrams; for waiting, too.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Its address.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.wire.address()
    }

    /// The connection's machine, for data channels.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Whether media may flow.
    pub fn is_connected(&self) -> bool {
        self.keys.is_some()
    }

    /// Does what is due and takes what has come; media packets, opened, are given to `hear`.
    pub fn turn(&mut self, now: Instant, mut hear: impl FnMut(&[u8])) {
        let mut buffer = [0; 2048];
        while let Ok(len) = self.wire.receive(&mut buffer) {
            let bytes = &mut buffer[..len];
            match (bytes.first(), &mut self.keys) {
                (Some(128..=191), Some(keys)) if meeting_rtp::is_rtcp(bytes) => {
                    // Only its count would matter.
                    let _: Result<usize, Rejected> = keys.inbound.unprotect_rtcp(bytes);
                }
                (Some(128..=191), Some(keys)) => {
                    if let Ok((_, len)) = keys.inbound.unprotect_rtp(bytes) {
                        hear(&bytes[..len]);
                    }
                }
                _ => self.client.handle_datagram(now, bytes),
            }
        }
        if self.client.next_deadline() <= now {
            self.client.handle_timeout(now);
        }
        self.flush();
    }

    /// Sends what the machine has to send, takes what it tells.
    pub fn flush(&mut self) {
        while let Some(bytes) = self.client.poll_transmit() {
            // A datagram may always be lost.
            let _ = self.wire.send(&bytes);
        }
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Connected(keys) => self.keys = keys,
                ClientEvent::Closed(reason) => self.closed = Some(reason.to_string()),
                ClientEvent::Channel(Event::Message {
                    label,
                    data,
                    binary,
                }) => self
                    .messages
                    .push((label.to_string(), data.to_vec(), binary)),
                ClientEvent::Channel(_) => {}
            }
        }
    }

    /// Protects and sends a clear RTP packet of `len` bytes in `buffer`, which has room for the tag behind it.
    pub fn send_rtp(&self, buffer: &mut [u8], header: usize, len: usize, index: u64) -> bool {
        let Some(keys) = &self.keys else {
            return false;
        };
        match keys.outbound.protect_rtp(buffer, header, len, index) {
            Ok(len) => self.wire.send(&buffer[..len]).is_ok(),
            Err(_) => false,
        }
    }

    /// Protects and sends a clear RTCP packet of `len` bytes in `buffer`, which has room for index and tag behind it.
    pub fn send_rtcp(&mut self, buffer: &mut [u8], len: usize) -> bool {
        let Some(keys) = &mut self.keys else {
            return false;
        };
        match keys.outbound.protect_rtcp(buffer, len) {
            Ok(len) => self.wire.send(&buffer[..len]).is_ok(),
            Err(_) => false,
        }
    }

    /// Sends any bytes.
    pub fn send_raw(&self, bytes: &[u8]) {
        let _ = self.wire.send(bytes);
    }
}
