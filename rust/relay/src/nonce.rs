//! Nonces nobody has to remember: the time, and a MAC over it and the client's address.
//!
//! Twelve characters, so that a challenge stays within twice the smallest Allocate request: two for the time in seconds
//! (modulo 4096), ten for 60 bits of HMAC-SHA256. The MAC covers the whole time, so an old nonce does not come back.
//!
//! Where there is room they stand behind RFC 8489's cookie, which says that PASSWORD-ALGORITHMS came along (§9.2). The MAC
//! covers that too: who cuts the cookie off, or the attribute out, gets no further (bid-down).

use std::net::IpAddr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{Client, Now};

/// Characters of a nonce without cookie.
const PLAIN: usize = 12;

/// The nonce cookie, and the security features as base64 of 24 bits: the first, password algorithms (RFC 8489 §9.2, §18.1).
/// Not the second: the hash of a name that nobody keeps leads to nobody (docs/decisions).
const COOKIE: &[u8; 13] = b"obMatJos2gAAA";

/// Characters of the longest nonce.
pub(crate) const LONGEST: usize = COOKIE.len() + PLAIN;

/// Seconds a nonce can tell apart.
const PERIOD: u64 = 1 << 12;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[derive(Clone, Debug)]
pub(crate) struct Nonces {
    mac: Hmac<Sha256>,
    lifetime: u64,
}

impl Nonces {
    /// `lifetime` in seconds, less than an hour: a longer one could not be told from a shorter.
    pub(crate) fn new(key: &[u8; 32], lifetime: u32) -> Self {
        let mac = Hmac::new_from_slice(key).expect("HMAC takes a key of any length");
        Self {
            mac,
            lifetime: u64::from(lifetime).min(3600),
        }
    }

    /// `features`: with the cookie.
    pub(crate) fn make<'o>(
        &self,
        now: Now,
        client: &Client,
        features: bool,
        out: &'o mut [u8; LONGEST],
    ) -> &'o [u8] {
        let plain = self.at(now / 1000, client, features);
        out[..COOKIE.len()].copy_from_slice(COOKIE);
        out[COOKIE.len()..].copy_from_slice(&plain);
        &out[if features { 0 } else { COOKIE.len() }..]
    }

    /// Whether this client got the nonce from us within the lifetime.
    pub(crate) fn is_fresh(&self, now: Now, client: &Client, nonce: &[u8]) -> bool {
        let (features, nonce) = nonce
            .strip_prefix(COOKIE)
            .map_or((false, nonce), |rest| (true, rest));
        let Ok(nonce) = <&[u8; PLAIN]>::try_from(nonce) else {
            return false;
        };
        let digit = |byte: u8| {
            ALPHABET
                .iter()
                .position(|letter| *letter == byte)
                .map(|value| value as u64)
        };
        let (Some(high), Some(low)) = (digit(nonce[0]), digit(nonce[1])) else {
            return false;
        };
        let now = now / 1000;
        let age = now.wrapping_sub(high << 6 | low) % PERIOD;
        if age > self.lifetime || age > now {
            return false;
        }
        let difference = self
            .at(now - age, client, features)
            .iter()
            .zip(nonce)
            .fold(0, |sum, (ours, theirs)| sum | (ours ^ theirs));
        difference == 0
    }

    fn at(&self, second: u64, client: &Client, features: bool) -> [u8; PLAIN] {
        let mut mac = self.mac.clone();
        mac.update(&second.to_be_bytes());
        mac.update(&[client.listener, features.into()]);
        mac.update(&client.address.port().to_be_bytes());
        match client.address.ip() {
            IpAddr::V4(ip) => mac.update(&ip.octets()),
            IpAddr::V6(ip) => mac.update(&ip.octets()),
        }
        let tag = mac.finalize().into_bytes();
        let bits = u64::from_be_bytes(*tag.first_chunk().expect("SHA-256 has 32 bytes"));
        let mut nonce = [0; PLAIN];
        let values = [second >> 6, second]
            .into_iter()
            .chain((0..10).map(|at| bits >> (6 * at)));
        for (letter, value) in nonce.iter_mut().zip(values) {
            *letter = ALPHABET[(value & 63) as usize];
        }
        nonce
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(port: u16) -> Client {
        Client {
            listener: 0,
            address: ([192, 0, 2, 1], port).into(),
        }
    }

    #[test]
    fn it_is_good_for_its_client_and_its_time_alone() {
        let nonces = Nonces::new(&[7; 32], 600);
        for begin in [0, 999, 5_000_000, 4_095_000, 4_096_000, 1 << 45] {
            let mut out = [0; LONGEST];
            let nonce = nonces.make(begin, &client(1), begin % 2 == 0, &mut out);
            assert!(nonces.is_fresh(begin, &client(1), nonce));
            assert!(nonces.is_fresh(begin + 600_000, &client(1), nonce));
            assert!(!nonces.is_fresh(begin + 601_000, &client(1), nonce));
            assert!(
                !nonces.is_fresh(begin + PERIOD * 1000, &client(1), nonce),
                "the time wraps round"
            );
            assert!(!nonces.is_fresh(begin, &client(2), nonce), "another port");
            assert!(
                !nonces.is_fresh(
                    begin,
                    &Client {
                        listener: 1,
                        ..client(1)
                    },
                    nonce
                ),
                "another listener"
            );
            assert!(
                !Nonces::new(&[8; 32], 600).is_fresh(begin, &client(1), nonce),
                "another server"
            );
        }
    }

    #[test]
    fn a_changed_or_foreign_nonce_is_not_fresh() {
        let nonces = Nonces::new(&[7; 32], 600);
        let mut nonce = [0; LONGEST];
        nonces.make(1_000_000, &client(1), true, &mut nonce);
        for at in 0..LONGEST {
            let mut altered = nonce;
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            assert!(!nonces.is_fresh(1_000_000, &client(1), &altered));
        }
        for foreign in [
            &b""[..],
            b"f//499k954d6OL34oL9FSTvy64sA",
            &[0xFF; 12],
            &nonce[..11],
            // The cookie cut off, and put before a nonce that had none: what it says is as protected as the rest.
            &nonce[COOKIE.len()..],
            &[
                COOKIE.as_slice(),
                nonces.make(1_000_000, &client(1), false, &mut [0; LONGEST]),
            ]
            .concat(),
        ] {
            assert!(!nonces.is_fresh(1_000_000, &client(1), foreign));
        }
    }
}
