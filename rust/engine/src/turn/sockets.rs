//! Relay sockets: one on any port, on an even one, on two that follow each other, on one that was kept (RFC 8656 §7.2).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::lobby::Lobby;
use super::peers::TcpRelay;
use super::ports::PortPool;
use super::worker::RelaySocket;
use crate::sys::{UdpOptions, bind_udp, keep_icmp, listen_and_connect};

/// Relay ports tried for an allocation before saying that there is none: others may use ports of our range.
const TRIES: usize = 32;

/// Which port an allocation gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Whichever is free.
    Any,
    /// An even one (EVEN-PORT).
    Even,
    /// An even one, and the next is kept until it is asked for (EVEN-PORT with R).
    Pair,
    /// This one, which was kept (RESERVATION-TOKEN).
    Kept(u16),
}

/// Why there is no relay socket.
#[derive(Debug)]
pub enum NoSocket {
    /// No relay address of this family.
    Family,
    /// All ports of the range are in use.
    Ports,
    /// The system refuses.
    System(io::Error),
}

/// The relay addresses, and what is kept on them.
#[derive(Debug)]
pub(super) struct Sockets {
    pools: Vec<Arc<PortPool>>,
    /// By family (IPv6?) and port.
    kept: Mutex<HashMap<(bool, u16), RelaySocket>>,
}

impl Sockets {
    /// At most one address of each family; first and last port.
    pub(super) fn new(addresses: &[IpAddr], ports: (u16, u16)) -> Self {
        Self {
            pools: addresses
                .iter()
                .map(|ip| Arc::new(PortPool::new(*ip, ports)))
                .collect(),
            kept: Mutex::default(),
        }
    }

    pub(super) fn open(&self, ipv6: bool, wanted: Port) -> Result<(u16, RelaySocket), NoSocket> {
        let pool = self.pool(ipv6)?;
        if let Port::Kept(port) = wanted {
            let socket = self.kept().remove(&(ipv6, port));
            return socket.map(|socket| (port, socket)).ok_or(NoSocket::Ports);
        }
        for _ in 0..TRIES {
            let lease = PortPool::lease(pool, wanted != Port::Any).ok_or(NoSocket::Ports)?;
            let port = lease.port();
            let Some(socket) = bound(pool, lease)? else {
                continue;
            };
            if wanted == Port::Pair {
                let next = PortPool::lease_this(pool, port + 1);
                let Some(second) = next.map(|lease| bound(pool, lease)).transpose()?.flatten()
                else {
                    continue;
                };
                self.kept().insert((ipv6, port + 1), second);
            }
            return Ok((port, socket));
        }
        Err(NoSocket::Ports)
    }

    /// For the TCP connections of an allocation (RFC 6062).
    pub(super) fn listen(
        &self,
        ipv6: bool,
        lobby: &Arc<Lobby>,
    ) -> Result<(u16, TcpRelay), NoSocket> {
        let pool = self.pool(ipv6)?;
        for _ in 0..TRIES {
            let lease = PortPool::lease(pool, false).ok_or(NoSocket::Ports)?;
            let address = SocketAddr::new(pool.ip(), lease.port());
            match listen_and_connect(address) {
                Ok(socket) => {
                    let relay = TcpRelay::new(socket, address, lobby, lease);
                    return Ok((address.port(), relay));
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(NoSocket::System(error)),
            }
        }
        Err(NoSocket::Ports)
    }

    fn pool(&self, ipv6: bool) -> Result<&Arc<PortPool>, NoSocket> {
        self.pools
            .iter()
            .find(|pool| pool.ip().is_ipv6() == ipv6)
            .ok_or(NoSocket::Family)
    }

    /// Nobody came for it.
    pub(super) fn forget(&self, ipv6: bool, port: u16) {
        self.kept().remove(&(ipv6, port));
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<(bool, u16), RelaySocket>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// None: somebody else has that port.
fn bound(pool: &PortPool, lease: super::ports::Lease) -> Result<Option<RelaySocket>, NoSocket> {
    let options = UdpOptions {
        merge: true,
        ..UdpOptions::default()
    };
    match bind_udp(SocketAddr::new(pool.ip(), lease.port()), options) {
        Ok(socket) => {
            keep_icmp(&socket).map_err(NoSocket::System)?;
            Ok(Some(RelaySocket::new(socket, lease)))
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(NoSocket::System(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ports_in_a_row_are_opened_and_the_second_is_kept_for_one() {
        let sockets = Sockets::new(&[[127, 0, 0, 1].into()], (20_100, 20_103));
        let (first, _socket) = sockets.open(false, Port::Pair).expect("four are free");
        assert!(first.is_multiple_of(2));
        let (second, kept) = sockets.open(false, Port::Kept(first + 1)).expect("kept");
        assert_eq!(second, first + 1);
        assert!(matches!(
            sockets.open(false, Port::Kept(second)),
            Err(NoSocket::Ports)
        ));
        drop(kept);
        let (third, _socket) = sockets.open(false, Port::Pair).expect("two are left");
        assert!(third.is_multiple_of(2) && third != first);
        assert!(matches!(
            sockets.open(false, Port::Pair),
            Err(NoSocket::Ports)
        ));
        sockets.forget(false, third + 1);
        assert!(matches!(
            sockets.open(false, Port::Kept(third + 1)),
            Err(NoSocket::Ports)
        ));
        assert!(matches!(
            sockets.open(true, Port::Any),
            Err(NoSocket::Family)
        ));
    }
}
