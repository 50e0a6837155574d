//! The relay ports that are free.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// In random order, so that the next port cannot be guessed (RFC 8656 §7.2); one that comes back is used again last, so
/// that packets for its former owner find nobody.
#[derive(Debug)]
pub(super) struct PortPool {
    ip: IpAddr,
    free: Mutex<VecDeque<u16>>,
}

impl PortPool {
    pub(super) fn new(ip: IpAddr, (first, last): (u16, u16)) -> Self {
        let order = RandomState::new();
        let mut ports: Vec<u16> = (first..=last).collect();
        ports.sort_by_cached_key(|port| order.hash_one(port));
        Self {
            ip,
            free: Mutex::new(ports.into()),
        }
    }

    pub(super) fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Takes a port until the lease is dropped.
    pub(super) fn lease(pool: &Arc<Self>, even: bool) -> Option<Lease> {
        let mut free = pool.free.lock().unwrap_or_else(PoisonError::into_inner);
        let port = if even {
            let at = free.iter().position(|port| port % 2 == 0)?;
            free.remove(at)?
        } else {
            free.pop_front()?
        };
        Some(Lease {
            port,
            pool: Arc::clone(pool),
        })
    }

    /// Takes this very port, if it is free.
    pub(super) fn lease_this(pool: &Arc<Self>, port: u16) -> Option<Lease> {
        let mut free = pool.free.lock().unwrap_or_else(PoisonError::into_inner);
        let at = free.iter().position(|each| *each == port)?;
        free.remove(at);
        Some(Lease {
            port,
            pool: Arc::clone(pool),
        })
    }
}

/// A port that is ours alone.
#[derive(Debug)]
pub(super) struct Lease {
    port: u16,
    pool: Arc<PortPool>,
}

impl Lease {
    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(self.port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_port_is_given_once_and_comes_back_last() {
        let pool = Arc::new(PortPool::new([127, 0, 0, 1].into(), (20_000, 20_003)));
        let mut leases: Vec<Lease> = (0..4)
            .filter_map(|_| PortPool::lease(&pool, false))
            .collect();
        assert!(PortPool::lease(&pool, false).is_none());
        let mut ports: Vec<u16> = leases.iter().map(Lease::port).collect();
        let (first, second) = (ports[0], ports[1]);
        ports.sort_unstable();
        assert_eq!(ports, [20_000, 20_001, 20_002, 20_003]);
        drop(leases.remove(0));
        drop(leases.remove(0));
        assert_eq!(
            PortPool::lease(&pool, false).map(|lease| lease.port()),
            Some(first)
        );
        assert_eq!(
            PortPool::lease(&pool, false).map(|lease| lease.port()),
            Some(second)
        );
    }

    #[test]
    fn an_even_port_is_even_or_there_is_none() {
        let pool = Arc::new(PortPool::new([127, 0, 0, 1].into(), (20_001, 20_003)));
        let lease = PortPool::lease(&pool, true).expect("one of three is even");
        assert_eq!(lease.port(), 20_002);
        assert!(PortPool::lease(&pool, true).is_none());
    }

    #[test]
    fn a_certain_port_is_given_if_it_is_free() {
        let pool = Arc::new(PortPool::new([127, 0, 0, 1].into(), (20_001, 20_003)));
        let lease = PortPool::lease_this(&pool, 20_002).expect("it is free");
        assert_eq!(lease.port(), 20_002);
        assert!(PortPool::lease_this(&pool, 20_002).is_none());
        assert!(PortPool::lease_this(&pool, 20_004).is_none());
    }
}
