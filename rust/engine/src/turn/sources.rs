//! How many connections there may be: from one source, and in all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bounds of the stream connections. Times are in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one source: an IPv4 address, or the /64 of an IPv6 address.
    pub per_source: usize,
    /// Connections of one source that have no allocation (yet).
    pub half_open: usize,
    /// How long a TLS handshake may take.
    pub handshake: u64,
    /// How long a connection without an allocation may say nothing that is whole.
    pub idle: u64,
    /// Bytes that may wait for a slow reader. Data beyond is dropped; twice as much ends the connection.
    pub queue: usize,
    /// How long a reader may take none of what waits for it.
    pub stuck: u64,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            connections: 16_000,
            per_source: 8000,
            half_open: 1000,
            handshake: 10_000,
            idle: 30_000,
            queue: 256 << 10,
            stuck: 30_000,
        }
    }
}

/// The connections of all threads, by source.
#[derive(Debug)]
pub(super) struct Sources {
    limits: StreamLimits,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_source: HashMap<IpAddr, Count>,
}

#[derive(Debug, Default)]
struct Count {
    all: usize,
    half_open: usize,
}

impl Sources {
    pub(super) fn new(limits: StreamLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            taken: Mutex::default(),
        })
    }

    /// A place for one more connection until it is dropped; `None` when there is none left.
    pub(super) fn take(sources: &Arc<Self>, ip: IpAddr) -> Option<Place> {
        let source = network(ip);
        let mut taken = sources.lock();
        let count = taken.by_source.get(&source);
        let full = taken.all >= sources.limits.connections
            || count.is_some_and(|count| {
                count.all >= sources.limits.per_source
                    || count.half_open >= sources.limits.half_open
            });
        if full {
            return None;
        }
        taken.all += 1;
        let count = taken.by_source.entry(source).or_default();
        count.all += 1;
        count.half_open += 1;
        Some(Place {
            sources: Arc::clone(sources),
            source,
            half_open: true,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one host can have addresses of.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
    }
}

/// One connection's.
#[derive(Debug)]
pub(super) struct Place {
    sources: Arc<Sources>,
    source: IpAddr,
    half_open: bool,
}

impl Place {
    /// Whether it has an allocation; cheap while that does not change.
    pub(super) fn set_half_open(&mut self, half_open: bool) {
        if self.half_open == half_open {
            return;
        }
        self.half_open = half_open;
        if let Some(count) = self.sources.lock().by_source.get_mut(&self.source) {
            if half_open {
                count.half_open += 1;
            } else {
                count.half_open -= 1;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.set_half_open(false);
        let mut taken = self.sources.lock();
        taken.all -= 1;
        if let Some(count) = taken.by_source.get_mut(&self.source) {
            count.all -= 1;
            if count.all == 0 {
                taken.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(connections: usize, per_source: usize, half_open: usize) -> Arc<Sources> {
        Sources::new(StreamLimits {
            connections,
            per_source,
            half_open,
            ..StreamLimits::default()
        })
    }

    #[test]
    fn a_source_has_its_share_and_another_one_its_own() {
        let sources = sources(5, 2, 9);
        let (one, two) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let first = Sources::take(&sources, one);
        let _second = Sources::take(&sources, one).expect("two are allowed");
        assert!(Sources::take(&sources, one).is_none());
        let _other = Sources::take(&sources, two).expect("another source");
        drop(first);
        let _again = Sources::take(&sources, one).expect("one has gone");
    }

    #[test]
    fn what_has_an_allocation_is_not_half_open() {
        let sources = sources(9, 9, 1);
        let ip = [192, 0, 2, 1].into();
        let mut first = Sources::take(&sources, ip).expect("one is allowed");
        assert!(Sources::take(&sources, ip).is_none());
        first.set_half_open(false);
        let second = Sources::take(&sources, ip).expect("the first is known");
        first.set_half_open(true);
        drop(second);
        assert!(Sources::take(&sources, ip).is_none());
    }

    #[test]
    fn there_is_a_limit_for_all_and_nothing_stays_behind() {
        let sources = sources(2, 9, 9);
        let ip = |host| IpAddr::from([192, 0, 2, host]);
        let places: Vec<_> = (0..3)
            .filter_map(|host| Sources::take(&sources, ip(host)))
            .collect();
        assert_eq!(places.len(), 2);
        drop(places);
        assert!(sources.lock().by_source.is_empty());
        assert_eq!(sources.lock().all, 0);
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_share() {
        let sources = sources(9, 1, 9);
        let _first = Sources::take(&sources, "2001:db8::1".parse().expect("an address"));
        assert!(Sources::take(&sources, "2001:db8::2".parse().expect("an address")).is_none());
    }
}
