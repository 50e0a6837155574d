//! What goes into a shard and what comes out, besides packets.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use crate::allocation::Ports;

/// Where a client is: one end and, as the listener's index, the other end of its 5-tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// Which of our listening addresses it talks to.
    pub listener: u8,
    /// Its address, as we see it.
    pub address: SocketAddr,
}

/// What the control side decides. Lifetimes are in milliseconds from now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are RFC 8656's")]
pub enum Command {
    /// A relay socket was opened for this client: its only one of this family.
    Allocate {
        id: u64,
        client: Client,
        ipv6: bool,
        lifetime: u64,
    },
    /// The allocation lives on.
    Refresh { id: u64, lifetime: u64 },
    /// Packets from and to these ports of this address may pass.
    Permit {
        id: u64,
        peer: IpAddr,
        ports: Ports,
        lifetime: u64,
    },
    /// The peer gets a channel number.
    Bind {
        id: u64,
        channel: u16,
        peer: SocketAddr,
        lifetime: u64,
    },
    /// The allocation ends.
    Delete { id: u64 },
}

/// What a command means for the sockets. A slot is a small number that names an allocation's relay socket while it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    None,
    /// The relay socket of this allocation is to be watched as `slot`.
    Opened(usize),
    /// The relay socket watched as `slot` is to be closed.
    Closed(usize),
}

/// What to do about a client's packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAction {
    /// Nothing; it is counted.
    Nothing,
    /// Send this part of the packet to the peer from the relay socket of `slot`.
    Relay {
        /// The allocation's slot.
        slot: usize,
        /// Where to.
        peer: SocketAddr,
        /// Which part.
        data: Range<usize>,
        /// Nobody may cut it up on its way (DONT-FRAGMENT).
        whole: bool,
    },
    /// Send so many bytes of `out` back.
    Answer(usize),
    /// Hand the packet up: a TURN request with credentials and a fresh nonce.
    Request,
}

/// What to do about a peer's packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerAction {
    /// Nothing; it is counted.
    Nothing,
    /// Send this part of the buffer to the client from its listener's socket.
    Send {
        /// Where to.
        client: Client,
        /// Which part.
        data: Range<usize>,
    },
}
