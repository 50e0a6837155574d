//! Where a peer's datagrams come from, and ours to it go.

use std::fmt;
use std::net::SocketAddr;

/// What carries datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// As they are.
    Udp,
    /// Framed on a stream (RFC 6544, RFC 4571).
    Tcp,
}

/// A peer's transport address. The same address and port over UDP and over TCP are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    /// By what.
    pub transport: Transport,
    /// The peer's end.
    pub address: SocketAddr,
}

impl Path {
    /// Over a stream.
    pub fn tcp(address: SocketAddr) -> Self {
        Self {
            transport: Transport::Tcp,
            address,
        }
    }
}

/// Over UDP.
impl From<SocketAddr> for Path {
    fn from(address: SocketAddr) -> Self {
        Self {
            transport: Transport::Udp,
            address,
        }
    }
}

/// `udp 192.0.2.1:40000`
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        };
        write!(f, "{transport} {}", self.address)
    }
}
