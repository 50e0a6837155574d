//! So many a second for each source, in memory that does not grow.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use crate::Now;

/// Sources remembered at a time. Two that meet in one place push each other out, which errs on the side of answering.
const PLACES: usize = 4096;

/// A second's share can be used at once, twice over.
const BURST: u64 = 2;

/// Token buckets by source address: an IPv4 address, or the /64 of an IPv6 address, since that is what one host can have.
#[derive(Debug)]
pub(crate) struct Limiter {
    per_second: u64,
    buckets: Vec<Bucket>,
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    source: u64,
    /// Thousandths of a packet.
    tokens: u64,
    at: Now,
}

impl Limiter {
    pub(crate) fn new(per_second: u32) -> Self {
        Self {
            per_second: per_second.into(),
            buckets: vec![Bucket::default(); PLACES],
            hasher: RandomState::new(),
        }
    }

    /// Takes one from the source's share; false when there is none left.
    pub(crate) fn allow(&mut self, now: Now, source: IpAddr) -> bool {
        let source = match source {
            IpAddr::V4(ip) => self.hasher.hash_one(ip),
            IpAddr::V6(ip) => self.hasher.hash_one(ip.to_bits() >> 64),
        };
        let full = self.per_second * BURST * 1000;
        let bucket = &mut self.buckets[source as usize % PLACES];
        if bucket.source != source {
            *bucket = Bucket {
                source,
                tokens: full,
                at: now,
            };
        }
        let earned = now
            .saturating_sub(bucket.at)
            .saturating_mul(self.per_second);
        bucket.tokens = bucket.tokens.saturating_add(earned).min(full);
        bucket.at = now;
        let allowed = bucket.tokens >= 1000;
        if allowed {
            bucket.tokens -= 1000;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_gets_its_share_each_second_and_another_source_its_own() {
        let mut limiter = Limiter::new(10);
        let (one, two): (IpAddr, IpAddr) =
            ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        assert_eq!((0..100).filter(|_| limiter.allow(5, one)).count(), 20);
        assert!(limiter.allow(5, two));
        assert_eq!((0..100).filter(|_| limiter.allow(505, one)).count(), 5);
        assert_eq!(
            (0..100).filter(|_| limiter.allow(1_000_000, one)).count(),
            20
        );
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_share() {
        let mut limiter = Limiter::new(1);
        let allowed = (0..100)
            .filter(|host| limiter.allow(0, format!("2001:db8::{host}").parse().unwrap()))
            .count();
        assert_eq!(allowed, 2);
    }
}
